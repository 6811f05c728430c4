/* sim/resident.c - one whole node that lives on a host of the world. */
#include "sim/resident.h"

#include <stdio.h>

#include "base/assert.h"
#include "base/error.h"
#include "sim/child.h"
#include "sim/filter.h"

#define START_TIME (10 * WEFT_SECOND)

static void on_started(void *self, int status, const char *problem)
{
    struct weft_resident *resident = self;
    WEFT_ASSERT(!resident->started); /* told once */
    resident->started = true;
    resident->status = status;
    (void)snprintf(resident->problem, sizeof(resident->problem), "%s", problem); /* as long as a node's are */
}

static void on_model_changed(void *self, const struct weft_model_info *info)
{
    struct weft_resident *resident = self;
    WEFT_ASSERT(resident->started && info->name.size > 0); /* nothing loads before it runs */
    resident->changes++;
}

static void on_ready(void *self)
{
    struct weft_resident *resident = self;
    WEFT_ASSERT(resident->started && !resident->ready); /* told once, and after that */
    resident->ready = true;
}

static enum weft_principal on_who(void *self, const struct weft_key *key)
{
    struct weft_resident *resident = self;
    return resident->who(resident->who_self, key);
}

static void on_stopped(void *self)
{
    struct weft_resident *resident = self;
    WEFT_ASSERT(!resident->stopped); /* told once */
    resident->stopped = true;
}

int weft_resident_begin(struct weft_resident *resident, struct weft_host *host, struct weft_world *world,
                        const struct weft_resident_options *options)
{
    struct weft_config_problem problem;
    struct weft_config_input input = {.file_name = "weft.yaml"};
    *resident =
        (struct weft_resident){.world = world, .host = host, .who = options->who, .who_self = options->who_self};
    if (options->yaml) {
        input.file = weft_slice_text(options->yaml);
    }
    int error = weft_config_init(&resident->config, &input, &problem);
    if (error < 0) {
        (void)snprintf(resident->problem, sizeof(resident->problem), "%s", problem.text); /* as long as theirs are */
        return error;
    }
    struct weft_node_options node_options = {
        .host = host,
        .config = &resident->config,
        .certificate = options->certificate,
        .certificate_key = options->certificate_key,
        .state_folder = WEFT_RESIDENT_HOME,
        .version = "0.0.0-sim",
        .journal_format = options->journal_format,
        .engine = WEFT_CHILD_PROGRAM,
        .models = options->models,
        .model_count = options->model_count,
        .models_offered = options->models_offered,
        .security = options->security ? options->security : &weft_world_security,
        .who = options->who ? on_who : NULL,
        .started = on_started,
        .model_changed = on_model_changed,
        .ready = on_ready,
        .stopped = on_stopped,
        .self = resident,
    };
    if (options->mesh_key) {
        node_options.mesh_key = weft_slice_text(options->mesh_key);
    }
    if (options->api_key) {
        node_options.api_key = weft_secret_of(weft_slice_text(options->api_key));
    }
    error = weft_node_new(&resident->node, &node_options, resident->problem, sizeof(resident->problem));
    if (error < 0) {
        weft_config_deinit(&resident->config);
        return error;
    }
    weft_world_set_guest(host, weft_node_guest(resident->node));
    weft_node_start(resident->node);
    weft_world_poke(host);
    return 0;
}

void weft_resident_start(struct weft_resident *resident, struct weft_host *host, struct weft_world *world,
                         const struct weft_resident_options *options)
{
    int error = weft_resident_begin(resident, host, world, options);
    WEFT_ASSERT(error == 0);
    bool told = weft_world_run(world, weft_world_now(world) + START_TIME, weft_resident_started, resident);
    WEFT_ASSERT(told && resident->status == 0);
}

void weft_resident_drain(struct weft_resident *resident, weft_time timeout)
{
    weft_node_drain(resident->node, timeout);
    weft_world_poke(resident->host);
}

bool weft_resident_started(void *self)
{
    const struct weft_resident *resident = self;
    return resident->started;
}

bool weft_resident_ready(void *self)
{
    const struct weft_resident *resident = self;
    return resident->ready;
}

bool weft_resident_stopped(void *self)
{
    const struct weft_resident *resident = self;
    return resident->stopped;
}

void weft_resident_end(struct weft_resident *resident)
{
    if (resident->node) {
        weft_world_set_guest(resident->host, (struct weft_guest){0});
        weft_node_free(resident->node);
        resident->node = NULL;
        weft_config_deinit(&resident->config);
    }
}

struct weft_slice weft_resident_token(const struct weft_resident *resident)
{
    struct weft_slice token = weft_world_file(resident->host, WEFT_RESIDENT_TOKEN);
    while (token.size > 0 && token.data[token.size - 1] == '\n') {
        token.size--;
    }
    return token;
}
