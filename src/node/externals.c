/* node/externals.c - the servers that are not ours, and the models they have, as one list. */
#include "node/externals.h"

#include <stdio.h>

#include "base/assert.h"
#include "base/error.h"
#include "base/mem.h"

struct weft_externals {
    const struct weft_models *models;
    struct weft_external *at[WEFT_EXTERNALS_MAX];
    struct weft_line *lines[WEFT_EXTERNALS_MAX];
    size_t count;
    /* made again when one of them has changed, for whoever asks next */
    struct weft_slice *names;
    size_t name_count;
    bool stale;
};

/* One of them, or what it has. */
static void on_changed(void *self)
{
    struct weft_externals *externals = self;
    externals->stale = true;
    for (size_t i = 0; i < externals->count; i++) {
        struct weft_external_info info;
        weft_external_info(externals->at[i], &info);
        weft_line_rest(externals->lines[i], info.state != WEFT_EXTERNAL_UP);
        if (info.given_up) {
            weft_line_give_up(externals->lines[i]);
        }
    }
}

/* -- the list -- */

static bool is_ours(const struct weft_externals *externals, struct weft_slice name)
{
    for (size_t i = 0; i < weft_models_count(externals->models); i++) {
        struct weft_model_info info;
        weft_models_info(externals->models, i, &info);
        if (weft_slice_equal_nocase(info.name, name)) {
            return true;
        }
    }
    return false;
}

/* Has a server before this one a model of that name, or has this one told it before? */
static bool stands_before(const struct weft_externals *externals, size_t server, size_t index, struct weft_slice name)
{
    for (size_t i = 0; i < server; i++) {
        if (weft_external_find(externals->at[i], name) >= 0) {
            return true;
        }
    }
    return weft_external_find(externals->at[server], name) != (int)index; /* the first of that name is found */
}

static void add_names(struct weft_externals *externals, size_t server)
{
    struct weft_external_info info;
    weft_external_info(externals->at[server], &info);
    for (size_t i = 0; i < info.models; i++) {
        struct weft_slice name = weft_external_model(externals->at[server], i);
        if (!is_ours(externals, name) && !stands_before(externals, server, i, name)) {
            externals->names[externals->name_count++] = name;
        }
    }
}

/* If memory is out there are none for now, and the next one who asks tries again. */
static void refresh(struct weft_externals *externals)
{
    size_t count = 0;
    if (!externals->stale) {
        return;
    }
    for (size_t i = 0; i < externals->count; i++) {
        struct weft_external_info info;
        weft_external_info(externals->at[i], &info);
        count += info.models;
    }
    weft_free(externals->names);
    externals->name_count = 0;
    externals->names = weft_calloc(count + 1, sizeof(*externals->names));
    if (externals->names) {
        for (size_t i = 0; i < externals->count; i++) {
            add_names(externals, i);
        }
        externals->stale = false;
    }
}

enum weft_model_state weft_external_model_state(const struct weft_external_info *server)
{
    if (server->state == WEFT_EXTERNAL_UP) {
        return WEFT_MODEL_READY;
    }
    return server->given_up ? WEFT_MODEL_FAILED : WEFT_MODEL_STARTING;
}

size_t weft_externals_count(struct weft_externals *externals)
{
    refresh(externals);
    return externals->name_count;
}

struct weft_external_offer weft_externals_at(struct weft_externals *externals, size_t index)
{
    struct weft_external_offer offer = {.server = NULL};
    WEFT_ASSERT(index < externals->name_count);
    bool found = weft_externals_find(externals, externals->names[index], &offer);
    WEFT_ASSERT(found);
    return offer;
}

bool weft_externals_find(const struct weft_externals *externals, struct weft_slice name,
                         struct weft_external_offer *offer)
{
    bool up = false;
    offer->server = NULL;
    for (size_t i = 0; i < externals->count && !up; i++) {
        int found = weft_external_find(externals->at[i], name);
        struct weft_external_info info;
        weft_external_info(externals->at[i], &info);
        up = found >= 0 && info.state == WEFT_EXTERNAL_UP;
        if (found >= 0 && (up || !offer->server)) {
            offer->server = externals->at[i];
            offer->line = externals->lines[i];
            offer->name = weft_external_model(externals->at[i], (size_t)found);
        }
    }
    return offer->server;
}

bool weft_externals_find_typed(struct weft_externals *externals, struct weft_slice name,
                               struct weft_external_offer *offer, struct weft_model_match *match)
{
    refresh(externals);
    weft_model_match_find(match, name, externals->names, externals->name_count);
    return match->kind == WEFT_MODEL_MATCH_ONE && weft_externals_find(externals, externals->names[match->at[0]], offer);
}

/* -- the servers -- */

size_t weft_externals_servers(const struct weft_externals *externals)
{
    return externals->count;
}

struct weft_external *weft_externals_server(const struct weft_externals *externals, size_t index)
{
    WEFT_ASSERT(index < externals->count);
    return externals->at[index];
}

struct weft_slice weft_externals_via(const struct weft_externals *externals)
{
    return externals->count > 0 ? weft_external_via(externals->at[0]) : WEFT_SLICE("");
}

/* Silence is looked into by the server's own checks: its line needs no watch. */
static int add_line(struct weft_line **out, const struct weft_externals_options *options)
{
    static const struct weft_line_user user = {.wanted = NULL};
    const struct weft_line_options line = {
        .loop = options->loop, .waiters_max = (size_t)options->config->queue_max, .stall = WEFT_NEVER, .user = &user};
    int error = weft_line_new(out, &line);
    if (error == 0) {
        weft_line_open(*out, WEFT_EXTERNAL_RUNNING_MAX);
        weft_line_rest(*out, true);
    }
    return error;
}

static int add_server(struct weft_externals *externals, const struct weft_externals_options *options, size_t index)
{
    const struct weft_config_external *config = &options->config->externals.at[index];
    const struct weft_external_options external = {
        .loop = options->loop,
        .journal = options->journal,
        .metrics = options->metrics,
        .url = config->url,
        .name = config->name,
        .key = options->keys ? options->keys[index] : WEFT_SLICE(""),
        .stall = options->config->engine_stall,
        .id = options->id,
        .changed = on_changed,
        .self = externals,
    };
    int error = add_line(&externals->lines[index], options);
    if (error == 0) {
        error = weft_external_new(&externals->at[index], &external);
    }
    if (error < 0) {
        weft_line_free(externals->lines[index]);
        return error;
    }
    externals->count++;
    return 0;
}

int weft_externals_new(struct weft_externals **out, const struct weft_externals_options *options,
                       char problem[WEFT_EXTERNAL_PROBLEM_MAX])
{
    struct weft_externals *externals = *out = weft_zalloc(sizeof(*externals));
    int error = externals ? 0 : WEFT_ERR_MEMORY;
    (void)snprintf(problem, WEFT_EXTERNAL_PROBLEM_MAX, "This machine has no memory left to start."); /* fits */
    for (size_t i = 0; error == 0 && i < options->config->externals.count; i++) {
        externals->models = options->models;
        error = add_server(externals, options, i);
        if (error < 0) {
            const struct weft_slice name =
                options->config->externals.at[i].name; /* a cut one still tells which is meant */
            (void)snprintf(problem, WEFT_EXTERNAL_PROBLEM_MAX, "Cannot use the external server %.*s: %s.",
                           (int)(name.size < 160 ? name.size : 160), name.data, weft_error_text(error));
        }
    }
    if (error < 0) {
        weft_externals_free(externals);
        *out = NULL;
        return error;
    }
    externals->stale = true;
    return 0;
}

void weft_externals_start(struct weft_externals *externals)
{
    for (size_t i = 0; i < externals->count; i++) {
        weft_external_start(externals->at[i]);
    }
}

void weft_externals_free(struct weft_externals *externals)
{
    if (!externals) {
        return;
    }
    for (size_t i = 0; i < externals->count; i++) {
        weft_external_free(externals->at[i]);
        weft_line_free(externals->lines[i]);
    }
    weft_free(externals->names);
    weft_free(externals);
}
