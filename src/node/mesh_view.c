/* node/mesh_view.c - a node's mesh as its owner sees it. */
#include "node/mesh_view.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/error.h"
#include "base/text.h"

#define LINE_SIZE 256

/* NULL: there is none. */
static void add_key(struct weft_json *json, const char *name, const struct weft_key *key)
{
    char text[WEFT_PEER_ID_SIZE];
    weft_json_key(json, name);
    if (key) {
        weft_key_text(key, text);
        weft_json_text(json, text);
    } else {
        weft_json_null(json);
    }
}

/* -- gateways -- */

static void write_gateways(const struct weft_mesh *mesh, weft_time now, struct weft_json *json)
{
    const struct weft_attaching *attaching = weft_mesh_attaching(mesh);
    struct weft_attaching_gateway gateway;
    weft_json_key(json, "gateways");
    weft_json_array(json);
    for (size_t i = 0; weft_attaching_at(attaching, i, &gateway); i++) {
        weft_json_object(json);
        add_key(json, "id", gateway.key);
        weft_json_add_text(json, "address", gateway.address);
        weft_json_add_int(json, "since_ms", (now - gateway.since) / WEFT_MS);
        weft_json_object_end(json);
    }
    weft_json_array_end(json);
    const char *problem = weft_attaching_problem(attaching);
    if (problem[0] != '\0') {
        weft_json_add_text(json, "gateway_problem", problem);
    }
}

/* -- peers -- */

static const char *state_word(const struct weft_entry *entry)
{
    static const char *const words[] = {
        [WEFT_ROSTER_LIVE] = "alive", [WEFT_ROSTER_SUSPECT] = "suspect", [WEFT_ROSTER_GONE] = "gone"};
    return words[weft_roster_state(entry)];
}

static void write_model(struct weft_json *json, const struct weft_announced_model *model)
{
    static const uint8_t none[WEFT_HASH_SIZE];
    char hash[2 * WEFT_HASH_SIZE + 1];
    weft_hex(hash, model->hash, WEFT_HASH_SIZE);
    weft_json_object(json);
    weft_json_add_string(json, "name", model->alias);
    weft_json_key(json, "hash");
    if (memcmp(model->hash, none, sizeof(none)) == 0) {
        weft_json_null(json);
    } else {
        weft_json_text(json, hash);
    }
    weft_json_add_string(json, "quant", model->quant.data ? model->quant : WEFT_SLICE(""));
    weft_json_add_int(json, "context", model->context);
    weft_json_add_int(json, "slots", model->slots);
    weft_json_object_end(json);
}

static void add_said(struct weft_json *json, const char *name, struct weft_slice text)
{
    weft_json_add_string(json, name, text.data ? text : WEFT_SLICE(""));
}

static void write_said(struct weft_json *json, const struct weft_announcement *said, int64_t now_s)
{
    int64_t age_s = now_s > said->made_s ? now_s - said->made_s : 0; /* clocks differ */
    weft_json_add_int(json, "heard_ms", age_s * 1000);
    weft_json_key(json, "speed");
    if (said->speed_centi > 0) {
        weft_json_double(json, (double)said->speed_centi / 100);
    } else {
        weft_json_null(json);
    }
    add_said(json, "device", said->device);
    add_said(json, "backend", said->backend);
    add_said(json, "version", said->version);
    add_said(json, "address", said->address_count > 0 ? said->addresses[0] : WEFT_SLICE(""));
    weft_json_key(json, "models");
    weft_json_array(json);
    for (size_t i = 0; i < said->model_count; i++) {
        write_model(json, &said->models[i]);
    }
    weft_json_array_end(json);
}

static void write_peer(const struct weft_mesh *mesh, const struct weft_entry *entry, weft_time now, int64_t now_s,
                       struct weft_json *json)
{
    struct weft_announcement said;
    struct weft_signed parts;
    const struct weft_key *by = weft_mesh_gossip_by(weft_mesh_gossip(mesh), entry);
    bool direct = by && weft_key_equal(by, &entry->key);
    if (weft_announcement_read(weft_roster_bytes(entry), &said, &parts) < 0) {
        return; /* cannot be: the roster has read it */
    }
    weft_json_object(json);
    add_key(json, "id", &entry->key);
    weft_json_add_text(json, "role", weft_role_text(entry->role));
    weft_json_add_text(json, "state", state_word(entry));
    weft_json_add_int(json, "since_ms", (now - entry->since) / WEFT_MS);
    weft_json_key(json, "path");
    if (by) {
        weft_json_text(json, weft_peer_path_name(direct ? WEFT_PEER_DIRECT : WEFT_PEER_RELAYED));
    } else {
        weft_json_null(json);
    }
    add_key(json, "gateway", direct ? NULL : by);
    write_said(json, &said, now_s);
    weft_json_object_end(json);
}

static bool is_shown(const struct weft_mesh *mesh, const struct weft_entry *entry)
{
    return entry->bytes && entry->kind == WEFT_ENTRY_MEMBER &&
           !weft_key_equal(&entry->key, &weft_mesh_identity(mesh)->key);
}

static void write_peers(const struct weft_mesh *mesh, weft_time now, struct weft_json *json)
{
    const struct weft_gossiping *gossiping = weft_mesh_gossip_of(weft_mesh_gossip(mesh));
    const struct weft_roster *roster = weft_gossiping_roster(gossiping);
    int64_t now_s = weft_mesh_state_now_s(weft_mesh_state_of(mesh));
    const struct weft_entry *entry;
    uint32_t cursor = 0;
    int64_t count = 0;
    weft_json_key(json, "peers");
    weft_json_array(json);
    while (roster && (entry = weft_roster_next(roster, &cursor))) {
        if (is_shown(mesh, entry) && count++ < WEFT_MESH_VIEW_PEERS_MAX) {
            write_peer(mesh, entry, now, now_s, json);
        }
    }
    weft_json_array_end(json);
    weft_json_add_int(json, "peers_known", count);
}

/* -- all of it -- */

static void write_own(const struct weft_mesh *mesh, const struct weft_certificate *own, struct weft_json *json)
{
    const struct weft_mesh_state *state = weft_mesh_state_of(mesh);
    enum weft_verdict verdict = weft_mesh_state_verdict(state, weft_mesh_state_now_s(state));
    char address[WEFT_HOSTPORT_MAX + 1];
    const char *where = weft_mesh_address(mesh, address);
    weft_json_add_text(json, "role", weft_role_text(own->role));
    weft_json_add_text(json, "standing", weft_verdict_word(verdict));
    weft_json_add_text(json, "standing_text", weft_verdict_text(verdict));
    weft_json_add_int(json, "expires", own->not_after_s);
    weft_json_add_bool(json, "root_key_here", weft_mesh_state_has_root(state));
    if (where) {
        weft_json_add_text(json, "address", where);
    }
}

void weft_mesh_view_write(const struct weft_mesh *mesh, weft_time now, struct weft_json *json)
{
    const struct weft_mesh_state *state = weft_mesh_state_of(mesh);
    const struct weft_certificate *own = state ? weft_mesh_state_certificate(state) : NULL;
    weft_json_object(json);
    add_key(json, "id", state ? &weft_mesh_identity(mesh)->key : NULL);
    add_key(json, "mesh", own ? &own->mesh : NULL);
    if (own) {
        write_own(mesh, own, json);
        write_gateways(mesh, now, json);
        write_peers(mesh, now, json);
    }
    weft_json_object_end(json);
}

/* -- metrics -- */

static int print(struct weft_bytes *out, const char *name, const char *type, const char *help, uint64_t value)
{
    char text[LINE_SIZE];
    int size = snprintf(text, sizeof(text), "# HELP %s %s\n# TYPE %s %s\n%s %" PRIu64 "\n", name, help, name, type,
                        name, value); /* fits: all but the number stands below */
    return weft_bytes_append(out, text, (size_t)size);
}

static int print_outcomes(const struct weft_roster *roster, struct weft_bytes *out)
{
    struct weft_slice head =
        WEFT_SLICE("# HELP weft_mesh_announcements_total Announcements that came, by what became of them.\n"
                   "# TYPE weft_mesh_announcements_total counter\n");
    int error = weft_bytes_append(out, head.data, head.size);
    for (int i = 0; error == 0 && i < WEFT_ROSTER_OUTCOMES; i++) {
        char text[LINE_SIZE];
        int size = snprintf(text, sizeof(text), "weft_mesh_announcements_total{outcome=\"%s\"} %" PRIu64 "\n",
                            weft_roster_outcome_word((enum weft_roster_outcome)i),
                            weft_roster_count(roster, (enum weft_roster_outcome)i)); /* fits */
        error = weft_bytes_append(out, text, (size_t)size);
    }
    return error;
}

int weft_mesh_view_metrics(const struct weft_mesh *mesh, struct weft_bytes *out)
{
    const struct weft_gossiping *gossiping =
        mesh && weft_mesh_on(mesh) ? weft_mesh_gossip_of(weft_mesh_gossip(mesh)) : NULL;
    const struct weft_gossip *gossip = gossiping ? weft_gossiping_gossip(gossiping) : NULL;
    if (!gossip) {
        return 0;
    }
    const struct weft_roster *roster = weft_gossiping_roster(gossiping);
    struct weft_gossip_counts counts = weft_gossip_counts(gossip);
    const struct {
        const char *name, *type, *help;
        uint64_t value;
    } rows[] = {
        {"weft_mesh_nodes", "gauge", "Nodes of the mesh that are known here.", weft_roster_size(roster)},
        {"weft_mesh_gossip_streams", "gauge", "Open streams of gossip.", weft_gossiping_streams(gossiping)},
        {"weft_mesh_gossip_messages_in_total", "counter", "Messages of gossip that came.", counts.messages_in},
        {"weft_mesh_gossip_messages_out_total", "counter", "Messages of gossip that were said.", counts.messages_out},
        {"weft_mesh_gossip_bytes_in_total", "counter", "Bytes of gossip that came.", counts.bytes_in},
        {"weft_mesh_gossip_bytes_out_total", "counter", "Bytes of gossip that were said.", counts.bytes_out},
        {"weft_mesh_gossip_pulls_total", "counter", "Sums sent to other gateways.", counts.pulls},
        {"weft_mesh_gossip_differing_total", "counter", "Sums that were not the same there.", counts.differing},
        {"weft_mesh_gossip_unsaid_total", "counter", "Messages for which a link had no room.", counts.unsaid},
    };
    int error = print_outcomes(roster, out);
    for (size_t i = 0; error == 0 && i < WEFT_COUNT(rows); i++) {
        error = print(out, rows[i].name, rows[i].type, rows[i].help, rows[i].value);
    }
    return error;
}
