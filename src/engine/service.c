/* engine/service.c - what the engine answers over its socket. */
#include "engine/service.h"

#include <pthread.h>
#include <stdio.h>

#include "base/assert.h"
#include "base/error.h"
#include "base/mem.h"
#include "engine/pipe.h"
#include "engine/routes.h"

struct weft_service {
    struct weft_service_options options;
    struct weft_desk desk;
    struct weft_pipe *pipe;

    /* the thread that loads the model */
    pthread_t loader;
    bool loading;       /* it is to be joined */
    atomic_bool loaded; /* it has ended: what is below is ours */
    int load_error;
    struct weft_model *model;
};

/* -- the model -- */

static void *load(void *self)
{
    struct weft_service *service = self;
    struct weft_desk *desk = &service->desk;
    service->load_error = weft_model_load(&service->model, desk->engine, desk->backend, &desk->progress, desk->problem);
    atomic_store(&service->loaded, true);
    service->options.poke(service->options.self);
    return NULL;
}

static const char *load_code(int error)
{
    switch (error) {
    case WEFT_ERR_NOT_FOUND:
        return "not_found";
    case WEFT_ERR_DENIED:
    case WEFT_ERR_IO:
        return "not_readable";
    case WEFT_ERR_INVALID:
        return "model_damaged";
    case WEFT_ERR_UNSUPPORTED:
        return "unsupported_model";
    case WEFT_ERR_TOO_LARGE:
        return "does_not_fit";
    case WEFT_ERR_MEMORY:
        return "out_of_memory";
    default:
        return "load_failed";
    }
}

static void fail_load(struct weft_desk *desk, int error, const char *problem)
{
    desk->state = WEFT_DESK_FAILED;
    desk->code = load_code(error);
    if (desk->problem[0] == '\0') {
        (void)snprintf(desk->problem, sizeof(desk->problem), "%s", problem);
    }
}

static weft_time now(void *self)
{
    const struct weft_service *service = self;
    return service->options.host->ops->now(service->options.host);
}

static void poke(void *self)
{
    const struct weft_service *service = self;
    service->options.poke(service->options.self);
}

/* The model has come, or will not. */
static void take_model(struct weft_service *service)
{
    struct weft_desk *desk = &service->desk;
    WEFT_ASSERT(pthread_join(service->loader, NULL) == 0);
    service->loading = false;
    if (service->load_error < 0) {
        fail_load(desk, service->load_error, "The model could not be loaded.");
        return;
    }
    const struct weft_scheduler_options options = {
        .model = service->model, .now = now, .poke = poke, .self = service, .page = service->options.page};
    weft_backend_mute(); /* from here on it might speak of requests */
    int error = weft_scheduler_new(&desk->scheduler, &options);
    if (error < 0) {
        fail_load(desk, error, "The model is loaded, but nothing can compute with it: there is not enough memory.");
        return;
    }
    desk->model = service->model;
    desk->state = WEFT_DESK_READY;
}

/* -- turns -- */

static void take_events(struct weft_scheduler *scheduler)
{
    struct weft_event_batch *batch = weft_scheduler_events(scheduler);
    while (batch) {
        struct weft_event_batch *next = batch->next;
        for (const struct weft_event *event = batch->first; event; event = event->next) {
            weft_errand_event(event);
        }
        weft_event_batch_free(batch);
        batch = next;
    }
}

static void look_at_pulse(struct weft_desk *desk)
{
    if (desk->turn.now >= desk->pulse.due) {
        weft_errand_signs(desk, weft_pulse_look(&desk->pulse, weft_scheduler_ticks(desk->scheduler), desk->turn.now));
    }
}

static weft_time turn(void *self, weft_time at)
{
    struct weft_service *service = self;
    service->desk.turn.now = at;
    if (service->loading && atomic_load(&service->loaded)) {
        take_model(service);
    }
    if (service->desk.scheduler) {
        take_events(service->desk.scheduler);
    }
    look_at_pulse(&service->desk);
    weft_pipe_expire(service->pipe);
    weft_turn_run(&service->desk.turn);
    if (weft_errand_begin_one(&service->desk)) {
        service->options.poke(service->options.self);
    }
    weft_turn_run(&service->desk.turn);
    weft_time deadline = weft_pipe_deadline(service->pipe), look = service->desk.pulse.due;
    return look < deadline ? look : deadline;
}

struct weft_guest weft_service_guest(struct weft_service *service)
{
    return (struct weft_guest){.self = service, .turn = turn};
}

/* -- life -- */

static void on_request(void *self, struct weft_exchange *exchange)
{
    struct weft_service *service = self;
    weft_errand_start(&service->desk, weft_routes, exchange);
}

static void on_closed(void *self, int error)
{
    struct weft_service *service = self;
    service->options.ended(service->options.self, error);
}

int weft_service_new(struct weft_service **out, const struct weft_service_options *options)
{
    struct weft_host *host = options->host;
    struct weft_service *service = *out = weft_zalloc(sizeof(*service));
    if (!service) {
        host->ops->close(options->socket, true);
        return WEFT_ERR_MEMORY;
    }
    service->options = *options;
    service->desk = (struct weft_desk){
        .host = host, .engine = options->engine, .backend = options->backend, .sandbox_level = options->sandbox_level};
    weft_turn_init(&service->desk.turn);
    weft_pulse_init(&service->desk.pulse);
    service->desk.turn.now = host->ops->now(host);
    uint64_t seed;
    host->ops->entropy(host, &seed, sizeof(seed));
    weft_json_setup(seed);
    const struct weft_pipe_options pipe = {.turn = &service->desk.turn,
                                           .host = host,
                                           .socket = options->socket,
                                           .request = on_request,
                                           .closed = on_closed,
                                           .self = service};
    int error = weft_pipe_new(&service->pipe, &pipe);
    if (error == 0 && options->problem) {
        fail_load(&service->desk, WEFT_ERR_UNSUPPORTED, options->problem);
        service->desk.code = "engine_failed";
        return 0;
    }
    if (error == 0 && pthread_create(&service->loader, NULL, load, service) != 0) {
        error = WEFT_ERR_MEMORY; /* no thread is left to us */
    }
    if (error < 0) {
        weft_service_free(service);
        *out = NULL;
        return error;
    }
    service->loading = true;
    return 0;
}

void weft_service_free(struct weft_service *service)
{
    if (!service) {
        return;
    }
    struct weft_desk *desk = &service->desk;
    if (service->loading) {
        atomic_store(&desk->progress.cancel, true);
        WEFT_ASSERT(pthread_join(service->loader, NULL) == 0);
    }
    if (desk->scheduler) {
        weft_scheduler_free(desk->scheduler, weft_errand_returned);
    }
    while (desk->errands) {
        weft_errand_free(desk->errands);
    }
    weft_pipe_free(service->pipe);
    weft_model_free(service->model);
    weft_free(service);
}
