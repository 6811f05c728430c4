/* node/openai_models.c - this node's models as OpenAI's API lists them. */
#include "node/openai_models.h"

#include <stdio.h>

#include "base/error.h"
#include "base/text.h"
#include "wire/json.h"

#define NAMES_SIZE (WEFT_MODEL_MATCH_MAX * (WEFT_PEERS_SHOWN_MAX + 5) + 32) /* of a sentence's list of names */

/* -- the list -- */

/* For people who ask by hand. */
static int end_line(struct weft_json *json)
{
    int error = weft_json_finish(json);
    return error < 0 ? error : weft_bytes_append(json->out, "\n", 1);
}

static void write_text(struct weft_json *json, const char *name, const char *text)
{
    if (text) {
        weft_json_add_text(json, name, text);
    }
}

static void write_hash(struct weft_json *json, const uint8_t *hash)
{
    char text[2 * WEFT_HOST_HASH_SIZE + 1];
    if (hash) {
        weft_hex(text, hash, WEFT_HOST_HASH_SIZE);
        weft_json_add_text(json, "sha256", text);
    }
}

/* What OpenAI's API has no place for. */
static void write_more(struct weft_json *json, const struct weft_model_info *info)
{
    weft_json_object(json);
    write_text(json, "state", weft_model_state_name(info->state));
    if (info->state == WEFT_MODEL_STARTING || info->state == WEFT_MODEL_LOADING) {
        weft_json_add_double(json, "progress", info->progress);
    }
    write_text(json, "problem", info->problem);
    if (info->loaded_s > 0) {
        weft_json_add_int(json, "context_tokens", info->context_tokens);
        weft_json_add_int(json, "trained_tokens", info->trained_tokens);
        weft_json_add_int(json, "slots", info->slots);
        weft_json_add_int(json, "threads", info->threads);
        weft_json_add_int(json, "memory_bytes", (int64_t)info->memory);
        write_text(json, "description", info->description);
        write_text(json, "quant", info->quant);
        write_text(json, "cpu_variant", info->variant);
        write_text(json, "sandbox", info->sandbox);
        write_text(json, "kernel_class", info->kernel_class);
        weft_json_add_bool(json, "exact", info->exact);
        weft_json_add_bool(json, "chat_template", info->has_template);
        weft_json_add_bool(json, "tools", info->knows_tools);
        weft_json_add_bool(json, "reasoning", info->knows_reasoning);
    }
    write_hash(json, info->hash);
    weft_json_object_end(json);
}

static void write_model(struct weft_json *json, const struct weft_models *models, size_t index)
{
    struct weft_model_info info;
    weft_models_info(models, index, &info);
    weft_json_object(json);
    weft_json_add_string(json, "id", info.name);
    write_text(json, "object", "model");
    weft_json_add_int(json, "created", info.loaded_s);
    write_text(json, "owned_by", "weft");
    weft_json_key(json, "weft");
    write_more(json, &info);
    weft_json_object_end(json);
}

/* What is said of a server's model is what is known of the server. */
static void write_external(struct weft_json *json, const struct weft_external_offer *offer)
{
    struct weft_external_info info;
    weft_external_info(offer->server, &info);
    weft_json_object(json);
    weft_json_add_string(json, "id", offer->name);
    write_text(json, "object", "model");
    weft_json_add_int(json, "created", 0);
    write_text(json, "owned_by", "external");
    weft_json_key(json, "weft");
    weft_json_object(json);
    write_text(json, "state", weft_model_state_name(weft_external_model_state(&info)));
    write_text(json, "problem", info.problem);
    write_text(json, "server", weft_external_kind_name(info.kind));
    weft_json_add_bool(json, "unverified", true);
    weft_json_object_end(json);
    weft_json_object_end(json);
}

/* -- those of the mesh -- */

/* Whether this node, or a server it knows, has a model of this name. */
static bool is_taken(const struct weft_openai_offers *offers, struct weft_slice name)
{
    struct weft_external_offer offer;
    struct weft_model_info info;
    for (size_t i = 0; i < weft_models_count(offers->models); i++) {
        weft_models_info(offers->models, i, &info);
        if (weft_slice_equal_nocase(info.name, name)) {
            return true;
        }
    }
    return weft_externals_find(offers->externals, name, &offer);
}

static struct weft_slice show_peers_model(const struct weft_openai_offers *offers, size_t index,
                                          char text[WEFT_PEERS_SHOWN_MAX])
{
    struct weft_peers_model model;
    weft_peers_model(offers->peers, index, &model);
    return weft_peers_show(offers->peers, index, is_taken(offers, model.name), text);
}

static void write_peers_model(struct weft_json *json, const struct weft_openai_offers *offers, size_t index)
{
    struct weft_peers_model model;
    char name[WEFT_PEERS_SHOWN_MAX];
    weft_peers_model(offers->peers, index, &model);
    weft_json_object(json);
    weft_json_add_string(json, "id", show_peers_model(offers, index, name));
    write_text(json, "object", "model");
    weft_json_add_int(json, "created", 0);
    write_text(json, "owned_by", "mesh");
    weft_json_key(json, "weft");
    weft_json_object(json);
    write_text(json, "state", model.alive > 0 ? "ready" : "away");
    weft_json_add_int(json, "peers", (int64_t)model.peers);
    weft_json_add_int(json, "peers_there", (int64_t)model.alive);
    weft_json_add_int(json, "context_tokens", model.context);
    weft_json_add_int(json, "slots", model.slots);
    write_hash(json, model.hash);
    weft_json_object_end(json);
    weft_json_object_end(json);
}

/* Those that this node holds itself it serves itself. */
static void write_peers_models(struct weft_json *json, const struct weft_openai_offers *offers)
{
    for (size_t i = 0; i < weft_peers_models(offers->peers); i++) {
        struct weft_peers_model model;
        weft_peers_model(offers->peers, i, &model);
        if (weft_models_find_hash(offers->models, model.hash, false) < 0) {
            write_peers_model(json, offers, i);
        }
    }
}

/* -- all of them -- */

size_t weft_openai_models_count(const struct weft_openai_offers *offers)
{
    return weft_models_count(offers->models) + weft_externals_count(offers->externals) +
           weft_peers_models(offers->peers);
}

int weft_openai_models_write(const struct weft_openai_offers *offers, struct weft_bytes *out)
{
    size_t externals = weft_externals_count(offers->externals);
    struct weft_json json;
    weft_json_start(&json, out);
    weft_json_object(&json);
    write_text(&json, "object", "list");
    weft_json_key(&json, "data");
    weft_json_array(&json);
    for (size_t i = 0; i < weft_models_count(offers->models); i++) {
        write_model(&json, offers->models, i);
    }
    for (size_t i = 0; i < externals; i++) {
        struct weft_external_offer offer = weft_externals_at(offers->externals, i);
        write_external(&json, &offer);
    }
    write_peers_models(&json, offers);
    weft_json_array_end(&json);
    weft_json_object_end(&json);
    return end_line(&json);
}

int weft_openai_model_write(const struct weft_openai_offers *offers, const struct weft_openai_model *model,
                            struct weft_bytes *out)
{
    struct weft_json json;
    weft_json_start(&json, out);
    if (model->external.server) {
        write_external(&json, &model->external);
    } else if (model->mesh) {
        write_peers_model(&json, offers, model->index);
    } else {
        write_model(&json, offers->models, model->index);
    }
    return end_line(&json);
}

struct weft_slice weft_openai_model_name(const struct weft_openai_offers *offers, const struct weft_openai_model *model,
                                         char text[WEFT_PEERS_SHOWN_MAX])
{
    return show_peers_model(offers, model->index, text);
}

/* -- the one that is named -- */

/* Ours stand before the others', and those of servers before the mesh's. */
static struct weft_slice name_at(const struct weft_openai_offers *offers, size_t index, char text[WEFT_PEERS_SHOWN_MAX])
{
    size_t ours = weft_models_count(offers->models), externals = weft_externals_count(offers->externals);
    struct weft_model_info info;
    if (index >= ours + externals) {
        return show_peers_model(offers, index - ours - externals, text);
    }
    if (index >= ours) {
        return weft_externals_at(offers->externals, index - ours).name;
    }
    weft_models_info(offers->models, index, &info);
    return info.name;
}

static void say_names(const struct weft_openai_offers *offers, const struct weft_model_match *match, const char *last,
                      char text[NAMES_SIZE])
{
    struct weft_slice names[WEFT_MODEL_MATCH_MAX];
    char shown[WEFT_MODEL_MATCH_MAX][WEFT_PEERS_SHOWN_MAX];
    for (size_t i = 0; i < match->count; i++) {
        names[i] = name_at(offers, match->at[i], shown[i]);
    }
    weft_model_match_join(match, names, last, text, NAMES_SIZE);
}

/* Those that are served, as far as they are named. */
static void list_names(const struct weft_openai_offers *offers, char text[NAMES_SIZE])
{
    size_t count = weft_openai_models_count(offers);
    struct weft_model_match all = {.count = count < WEFT_MODEL_MATCH_MAX ? count : WEFT_MODEL_MATCH_MAX};
    for (size_t i = 0; i < all.count; i++) {
        all.at[i] = i;
    }
    all.more = count - all.count;
    say_names(offers, &all, ", ", text);
}

/* No model, or no one model, goes by the name that was given. */
static int refuse_name(const struct weft_openai_offers *offers, const struct weft_model_match *match,
                       struct weft_openai_error *error)
{
    char meant[NAMES_SIZE], served[NAMES_SIZE];
    bool several = match->kind == WEFT_MODEL_MATCH_SEVERAL, near = !several && match->count > 0;
    say_names(offers, match, several ? " and " : " or ", meant);
    list_names(offers, served);
    int status = several ? weft_openai_wrong(error, "model", "model_ambiguous",
                                             "Several models here go by that name: %s. Say more of the name.", meant)
                         : weft_openai_wrong(error, "model", "model_not_found",
                                             "No model of that name is served here.%s%s%s Served are: %s.",
                                             near ? " Did you mean " : "", meant, near ? "?" : "", served);
    error->status = 404;
    return status;
}

/* Ours, by a name behind which its hash may stand; `exact`: it is called so, letter by letter. */
static int find_ours(const struct weft_openai_offers *offers, struct weft_slice name, bool *exact, bool *by_hash,
                     struct weft_model_match *match)
{
    struct weft_slice digits = weft_peers_cut_hash(&name);
    *by_hash = digits.size > 0;
    int found = weft_models_find(offers->models, name, match);
    if (found >= 0) {
        struct weft_model_info info;
        weft_models_info(offers->models, (size_t)found, &info);
        *exact = weft_slice_equal_nocase(info.name, name);
        if (digits.size == 0 || (info.hash && weft_peers_hash_begins(info.hash, digits))) {
            return found;
        }
    }
    if (digits.size > 0) {
        *match = (struct weft_model_match){.kind = WEFT_MODEL_MATCH_NONE};
    }
    return -1;
}

/* One of the mesh's, which is ours if we hold it. */
static bool find_in_mesh(const struct weft_openai_offers *offers, struct weft_slice name, bool exact,
                         struct weft_openai_model *model, struct weft_model_match *match)
{
    int found = weft_peers_find(offers->peers, name, exact, match);
    if (found < 0) {
        return false;
    }
    struct weft_peers_model of_peers;
    weft_peers_model(offers->peers, (size_t)found, &of_peers);
    int ours = weft_models_find_hash(offers->models, of_peers.hash, false);
    *model =
        (struct weft_openai_model){.mesh = ours < 0, .by_hash = ours >= 0, .index = (size_t)(ours < 0 ? found : ours)};
    return true;
}

/* What an earlier list says of a name stands, unless it says nothing. `before`: how many stand before this list's. */
static void add_match(struct weft_model_match *match, const struct weft_model_match *other, size_t before)
{
    if (match->kind == WEFT_MODEL_MATCH_SEVERAL || (match->count > 0 && other->kind != WEFT_MODEL_MATCH_SEVERAL)) {
        return;
    }
    *match = *other;
    for (size_t i = 0; i < match->count; i++) {
        match->at[i] += before;
    }
}

/* Fills *model, or what `match` says of why not. */
static bool find(const struct weft_openai_offers *offers, struct weft_slice name, struct weft_openai_model *model,
                 struct weft_model_match *match)
{
    struct weft_model_match others;
    size_t ours = weft_models_count(offers->models), externals = weft_externals_count(offers->externals);
    bool exact = false, by_hash;
    int found = find_ours(offers, name, &exact, &by_hash, match);
    *model = (struct weft_openai_model){.by_hash = by_hash, .index = found >= 0 ? (size_t)found : 0};
    if (found >= 0 && exact) {
        return true;
    }
    if (weft_externals_find(offers->externals, name, &model->external) ||
        find_in_mesh(offers, name, true, model, &others) || found >= 0) {
        return true;
    }
    add_match(match, &others, ours + externals); /* several of the very name */
    if (match->kind == WEFT_MODEL_MATCH_SEVERAL) {
        return false;
    }
    if (weft_externals_find_typed(offers->externals, name, &model->external, &others)) {
        return true;
    }
    add_match(match, &others, ours);
    if (match->kind == WEFT_MODEL_MATCH_SEVERAL) {
        return false;
    }
    if (find_in_mesh(offers, name, false, model, &others)) {
        return true;
    }
    add_match(match, &others, ours + externals);
    return false;
}

int weft_openai_model_find(const struct weft_openai_offers *offers, struct weft_slice name,
                           struct weft_openai_model *model, struct weft_openai_error *error)
{
    struct weft_model_match match;
    if (find(offers, name, model, &match)) {
        return 0;
    }
    if (weft_openai_models_count(offers) == 0) {
        bool servers = weft_externals_servers(offers->externals) > 0;
        weft_openai_error_set(error, 404, "model_not_found", "This node serves no model yet%s.",
                              servers ? ", and the servers that it knows have told it of none" : "");
        return WEFT_ERR_INVALID;
    }
    if (name.size == 0) {
        char names[NAMES_SIZE];
        list_names(offers, names);
        return weft_openai_wrong(error, "model", "missing_required_parameter",
                                 "model is missing: name one that is served here: %s.", names);
    }
    return refuse_name(offers, &match, error);
}

int weft_openai_model_find_path(const struct weft_openai_offers *offers, struct weft_slice part,
                                struct weft_openai_model *model, struct weft_openai_error *error)
{
    char name[WEFT_MODEL_TYPED_MAX + 1]; /* one more: what is too long must not become a name */
    size_t size = 0;
    for (size_t i = 0; i < part.size && size < sizeof(name); i++, size++) {
        name[size] = part.data[i];
        if (part.data[i] == '%' && i + 2 < part.size) {
            int high = weft_hex_value(part.data[i + 1]), low = weft_hex_value(part.data[i + 2]);
            if (high >= 0 && low >= 0) {
                name[size] = (char)(high * 16 + low);
                i += 2;
            }
        }
    }
    return weft_openai_model_find(offers, weft_slice(name, size), model, error);
}
