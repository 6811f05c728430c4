/* node/mesh_peers.c - who of the mesh can be asked for which model. */
#include "node/mesh_peers.h"

#include "base/error.h"
#include "base/mem.h"

#define ROOM_FIRST 64

static bool is_set(const uint8_t hash[WEFT_HASH_SIZE])
{
    static const uint8_t none[WEFT_HASH_SIZE];
    return memcmp(hash, none, WEFT_HASH_SIZE) != 0;
}

/* -- how one is reached -- */

static const struct weft_links *links_of(const struct weft_mesh_peers *peers)
{
    return peers->options.links(peers->options.self);
}

const struct weft_key *weft_mesh_peers_by(const struct weft_mesh_peers *peers, const struct weft_entry *entry)
{
    const struct weft_roster *roster = weft_gossiping_roster(peers->options.gossiping);
    const struct weft_links *links = links_of(peers);
    if (!links) {
        return NULL;
    }
    if (weft_links_to(links, &entry->key)) {
        return &entry->key;
    }
    for (size_t i = 0; i < WEFT_ENTRY_VIA_MAX; i++) {
        const struct weft_key *gateway =
            entry->via[i] > WEFT_ROSTER_SELF + 1 ? weft_roster_gateway(roster, entry->via[i] - 1) : NULL;
        if (gateway && weft_links_to(links, gateway)) {
            return gateway;
        }
    }
    return NULL;
}

/* See struct weft_peer. */
static int target(void *self, const struct weft_key *key, struct weft_relay_target *out)
{
    struct weft_mesh_peers *peers = self;
    const struct weft_roster *roster = weft_gossiping_roster(peers->options.gossiping);
    const struct weft_entry *entry = roster ? weft_roster_get(roster, key) : NULL;
    const struct weft_key *by = entry ? weft_mesh_peers_by(peers, entry) : NULL;
    if (!by) {
        return WEFT_ERR_NOT_FOUND;
    }
    return weft_key_equal(by, key) ? weft_peer_way_direct(links_of(peers), key, out)
                                   : weft_peer_way_relayed(links_of(peers), by, key, peers->path, out);
}

/* -- what is told of one -- */

/* A client asks, and a stranger is nobody: what they announce is not asked for, or they would get others' prompts. */
static bool may_serve(const struct weft_entry *entry)
{
    return entry->kind == WEFT_ENTRY_MEMBER && entry->role != WEFT_ROLE_CLIENT;
}

static void tell(struct weft_mesh_peers *peers, const struct weft_entry *entry, struct weft_mesh_peers_told *told)
{
    struct weft_announcement announcement;
    struct weft_signed parts;
    struct weft_peer_model models[WEFT_ANNOUNCEMENT_MODELS_MAX];
    struct weft_peer peer = {.key = entry->key,
                             .alive = told->alive,
                             .since = told->since,
                             .path = told->path,
                             .target = target,
                             .self = peers,
                             .models = models};
    if (weft_announcement_read(weft_roster_bytes(entry), &announcement, &parts) < 0) {
        return; /* cannot be: the roster has read it */
    }
    for (size_t i = 0; may_serve(entry) && i < announcement.model_count; i++) {
        const struct weft_announced_model *model = &announcement.models[i];
        if (is_set(model->hash)) {
            struct weft_peer_model *out = &models[peer.model_count++];
            *out = (struct weft_peer_model){.name = model->alias, .context = model->context, .slots = model->slots};
            memcpy(out->hash, model->hash, WEFT_HASH_SIZE);
        }
    }
    if (peer.model_count == 0) {
        weft_peers_remove(peers->options.peers, &entry->key);
    } else if (weft_peers_set(peers->options.peers, &peer) < 0) {
        told->stamp = 0; /* no room: it is tried again with the next change */
    }
}

static int make_room(struct weft_mesh_peers *peers, size_t place)
{
    size_t room = peers->room > 0 ? peers->room : ROOM_FIRST;
    while (room <= place) {
        room *= 2; /* places are below WEFT_ENTRIES_MAX */
    }
    if (room == peers->room) {
        return 0;
    }
    struct weft_mesh_peers_told *told = weft_realloc(peers->told, room * sizeof(*told));
    if (!told) {
        return WEFT_ERR_MEMORY;
    }
    memset(told + peers->room, 0, (room - peers->room) * sizeof(*told));
    peers->told = told;
    peers->room = room;
    return 0;
}

static void remove_told(struct weft_mesh_peers *peers, struct weft_mesh_peers_told *told)
{
    if (weft_key_set(&told->key)) {
        weft_peers_remove(peers->options.peers, &told->key);
    }
    *told = (struct weft_mesh_peers_told){0};
}

static void look_at(struct weft_mesh_peers *peers, const struct weft_entry *entry)
{
    if (!entry->bytes || weft_key_equal(&entry->key, &peers->options.self_key) || make_room(peers, entry->place) < 0) {
        return; /* without memory it is told with a later change */
    }
    struct weft_mesh_peers_told *told = &peers->told[entry->place];
    const struct weft_key *by = weft_mesh_peers_by(peers, entry);
    struct weft_mesh_peers_told is = {
        .key = entry->key,
        .stamp = entry->stamp,
        .round = peers->round,
        .alive = by && !entry->equivocates && weft_roster_state(entry) != WEFT_ROSTER_GONE,
        .since = entry->since,
        .path = by && weft_key_equal(by, &entry->key) ? WEFT_PEER_DIRECT : WEFT_PEER_RELAYED,
    };
    if (!weft_key_equal(&told->key, &entry->key)) {
        remove_told(peers, told);
    }
    bool same = told->stamp == is.stamp && told->alive == is.alive && told->since == is.since && told->path == is.path;
    *told = is;
    if (!same) {
        tell(peers, entry, told);
    }
}

/* -- what it uses -- */

static size_t find(uint8_t (*hashes)[WEFT_HASH_SIZE], size_t count, const uint8_t hash[WEFT_HASH_SIZE])
{
    size_t at = 0;
    while (at < count && memcmp(hashes[at], hash, WEFT_HASH_SIZE) != 0) {
        at++;
    }
    return at;
}

static void update_used(struct weft_mesh_peers *peers)
{
    const struct weft_gossip *gossip = weft_gossiping_gossip(peers->options.gossiping);
    const struct weft_catalogue_line *line;
    uint8_t used[WEFT_GOSSIP_USED_MAX][WEFT_HASH_SIZE] = {{0}};
    size_t count = peers->wanted_count, cursor = 0;
    memcpy(used, peers->wanted, count * WEFT_HASH_SIZE);
    while (count < WEFT_GOSSIP_USED_MAX && (line = weft_gossip_model(gossip, &cursor))) {
        if (is_set(line->hash) && find(used, count, line->hash) == count) {
            memcpy(used[count++], line->hash, WEFT_HASH_SIZE);
        }
    }
    bool same = count == peers->used_count;
    for (size_t i = 0; same && i < count; i++) {
        same = find(peers->used, peers->used_count, used[i]) < peers->used_count;
    }
    if (!same) {
        memcpy(peers->used, used, sizeof(used));
        peers->used_count = count;
        weft_gossiping_use(peers->options.gossiping, (const uint8_t(*)[WEFT_HASH_SIZE])peers->used, count);
    }
}

/* The catalogue has more models than this node is told the peers of: they can be asked for all the same. */
static void tell_catalogue(struct weft_mesh_peers *peers)
{
    const struct weft_gossip *gossip = weft_gossiping_gossip(peers->options.gossiping);
    const struct weft_models *own = peers->options.models;
    const struct weft_catalogue_line *line;
    struct weft_peer_said said[WEFT_PEERS_SAID_MAX];
    size_t count = 0, cursor = 0;
    while (count < WEFT_PEERS_SAID_MAX && (line = weft_gossip_model(gossip, &cursor))) {
        bool ours = own && weft_models_find_hash(own, line->hash, false) >= 0;
        size_t at = 0;
        while (at < count && memcmp(said[at].hash, line->hash, WEFT_HASH_SIZE) != 0) {
            at++; /* another gateway may have told of it */
        }
        if (is_set(line->hash) && !ours && !line->strangers && line->peers > 0 && at == count) {
            said[count] =
                (struct weft_peer_said){.name = weft_slice(line->alias, line->alias_size), .peers = line->peers};
            memcpy(said[count++].hash, line->hash, WEFT_HASH_SIZE);
        }
    }
    weft_peers_say(peers->options.peers, said, count);
}

void weft_mesh_peers_want(struct weft_mesh_peers *peers, const uint8_t hash[WEFT_HASH_SIZE])
{
    size_t at = find(peers->wanted, peers->wanted_count, hash);
    if (at == peers->wanted_count) {
        peers->wanted_count += peers->wanted_count < WEFT_GOSSIP_USED_MAX ? 1 : 0;
        at = peers->wanted_count - 1;
    }
    memmove(peers->wanted + 1, peers->wanted, at * WEFT_HASH_SIZE);
    memcpy(peers->wanted[0], hash, WEFT_HASH_SIZE);
    if (weft_gossiping_gossip(peers->options.gossiping)) {
        update_used(peers);
    }
}

/* -- all of it -- */

void weft_mesh_peers_update(struct weft_mesh_peers *peers)
{
    const struct weft_roster *roster = weft_gossiping_roster(peers->options.gossiping);
    uint32_t cursor = 0;
    if (!roster) {
        return;
    }
    peers->round++;
    for (const struct weft_entry *entry; (entry = weft_roster_next(roster, &cursor));) {
        look_at(peers, entry);
    }
    for (size_t i = 0; i < peers->room; i++) {
        if (peers->told[i].round != peers->round) {
            remove_told(peers, &peers->told[i]);
        }
    }
    update_used(peers);
    tell_catalogue(peers);
}

void weft_mesh_peers_forget(struct weft_mesh_peers *peers)
{
    weft_peers_say(peers->options.peers, NULL, 0);
    for (size_t i = 0; i < peers->room; i++) {
        remove_told(peers, &peers->told[i]);
    }
    peers->wanted_count = peers->used_count = 0;
}

void weft_mesh_peers_init(struct weft_mesh_peers *peers, const struct weft_mesh_peers_options *options)
{
    *peers = (struct weft_mesh_peers){.options = *options};
}

void weft_mesh_peers_deinit(struct weft_mesh_peers *peers)
{
    weft_free(peers->told);
    peers->told = NULL;
    peers->room = 0;
}
