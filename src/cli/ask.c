/* cli/ask.c - one HTTP request to a node, and its answer as it comes. */
#include "cli/ask.h"

#include <stdio.h>

#include "base/error.h"
#include "node/upstream.h"
#include "sys/sys.h"
#include "wire/json.h"

struct asking {
    const struct weft_ask *ask;
    struct weft_config_problem *problem;
    struct weft_sys *sys;
    struct weft_loop loop;
    struct weft_metrics metrics; /* the upstream counts; nobody reads it */
    struct weft_upstream *upstream;
    struct weft_exchange *exchange; /* NULL: over */
    bool head_told;
    int status; /* how it ended */
};

static void end(struct asking *asking, int status)
{
    if (asking->exchange) {
        weft_exchange_leave(asking->exchange, WEFT_ASKER, status < 0 ? WEFT_ERR_CANCELLED : 0);
        asking->exchange = NULL;
    }
    asking->status = status;
    weft_sys_stop(asking->sys);
}

static void lost(struct asking *asking, int error)
{
    struct weft_slice authority = weft_upstream_authority(asking->upstream);
    struct weft_config_problem *problem = asking->problem;
    if (error == WEFT_ERR_REFUSED || error == WEFT_ERR_NOT_FOUND || error == WEFT_ERR_UNREACHABLE) {
        (void)snprintf(problem->text, sizeof(problem->text),
                       "no node answers at %.*s (%s): start one with `weft up`, or name another with --url URL",
                       (int)authority.size, authority.data, weft_error_text(error));
    } else {
        const char *why = weft_upstream_why(asking->upstream);
        (void)snprintf(problem->text, sizeof(problem->text),
                       "the node at %.*s went away before the answer was complete (%s)", (int)authority.size,
                       authority.data, why ? why : weft_error_text(error));
    }
    end(asking, error);
}

static void look(void *self, struct weft_exchange *exchange)
{
    struct asking *asking = self;
    struct weft_flow *answer = &exchange->flows[WEFT_ANSWER];
    int status = 0;
    if (exchange->answer_begun && !asking->head_told) {
        asking->head_told = true;
        status = asking->ask->head(asking->ask->self, &exchange->answer);
    }
    while (status == 0 && answer->bytes.size > 0) {
        struct weft_slice piece = weft_bytes_front(&answer->bytes);
        status = asking->ask->received(asking->ask->self, piece);
        weft_exchange_take(exchange, WEFT_ANSWER, piece.size);
    }
    if (status < 0) {
        end(asking, status);
    } else if (weft_exchange_drained(exchange, WEFT_ANSWER)) {
        end(asking, 0);
    } else if (exchange->aborted[WEFT_WORKER]) {
        lost(asking, exchange->aborted[WEFT_WORKER]);
    }
}

static int add_field(struct weft_exchange *exchange, const char *name, struct weft_slice value)
{
    return weft_fields_add(&exchange->request.fields, &exchange->arena, weft_slice_text(name), value);
}

static int add_fields(struct asking *asking)
{
    const struct weft_ask *ask = asking->ask;
    struct weft_exchange *exchange = asking->exchange;
    int status = add_field(exchange, "accept", WEFT_SLICE("application/json, text/event-stream"));
    if (status == 0 && ask->body.size > 0) {
        status = add_field(exchange, "content-type", WEFT_SLICE("application/json"));
    }
    if (status == 0 && ask->key.size > 0) {
        char *text = weft_arena_alloc(&exchange->arena, ask->key.size + 8);
        if (!text) {
            return WEFT_ERR_MEMORY;
        }
        memcpy(text, "Bearer ", 7);
        memcpy(text + 7, ask->key.data, ask->key.size);
        status = add_field(exchange, "authorization", weft_slice(text, ask->key.size + 7));
    }
    return status;
}

static int send(struct asking *asking)
{
    int status = weft_exchange_new(&asking->exchange, &asking->loop.turn);
    if (status < 0) {
        return status;
    }
    struct weft_exchange *exchange = asking->exchange;
    struct weft_slice path = weft_upstream_path(asking->upstream);
    size_t size = strlen(asking->ask->path);
    char *target = weft_arena_alloc(&exchange->arena, path.size + size + 1);
    if (target) {
        if (path.size > 0) {
            memcpy(target, path.data, path.size);
        }
        memcpy(target + path.size, asking->ask->path, size);
        exchange->request.method = weft_slice_text(asking->ask->method);
        exchange->request.scheme = weft_upstream_scheme(asking->upstream);
        exchange->request.authority = weft_upstream_authority(asking->upstream);
        exchange->request.target = weft_slice(target, path.size + size);
    }
    status = target ? add_fields(asking) : WEFT_ERR_MEMORY;
    if (status == 0) {
        exchange->flows[WEFT_REQUEST].length = (int64_t)asking->ask->body.size;
        weft_exchange_attach(exchange, WEFT_ASKER, look, asking);
        status = weft_upstream_ask(asking->upstream, exchange);
    }
    if (status < 0) {
        weft_exchange_leave(exchange, WEFT_WORKER, status);
        weft_exchange_leave(exchange, WEFT_ASKER, status);
        asking->exchange = NULL;
        return status;
    }
    if (asking->ask->body.size > 0) {
        status = weft_exchange_write(exchange, WEFT_REQUEST, asking->ask->body.data, asking->ask->body.size);
    }
    if (status == 0) {
        weft_exchange_end(exchange, WEFT_REQUEST);
    }
    return status;
}

static weft_time turn(void *self, weft_time now)
{
    struct asking *asking = self;
    asking->loop.turn.now = now;
    weft_timers_run(&asking->loop.timers, now);
    weft_turn_run(&asking->loop.turn);
    return weft_timers_next(&asking->loop.timers);
}

static void on_signal(void *self, int number)
{
    (void)number;
    end(self, WEFT_ERR_CANCELLED);
}

static int run(struct asking *asking)
{
    struct weft_host *host = asking->loop.host = weft_sys_host(asking->sys);
    uint64_t seeds[2];
    host->ops->entropy(host, seeds, sizeof(seeds));
    weft_json_setup(seeds[0]);
    asking->loop.turn.now = host->ops->now(host);
    int status = weft_upstream_new(&asking->upstream, &asking->loop, &asking->metrics, &asking->ask->url, 1, seeds[1]);
    if (status == 0) {
        status = weft_sys_on_signal(asking->sys, on_signal, asking);
    }
    if (status == 0) {
        status = send(asking);
    }
    if (status == 0) {
        status = weft_sys_run(asking->sys, (struct weft_guest){.self = asking, .turn = turn});
    }
    if (asking->exchange) {
        weft_exchange_leave(asking->exchange, WEFT_ASKER, WEFT_ERR_CANCELLED);
        asking->exchange = NULL;
    }
    weft_upstream_free(asking->upstream);
    return status < 0 ? status : asking->status;
}

int weft_ask_run(const struct weft_ask *ask, struct weft_config_problem *problem)
{
    struct asking asking = {.ask = ask, .problem = problem};
    problem->text[0] = '\0';
    weft_turn_init(&asking.loop.turn);
    weft_timers_init(&asking.loop.timers);
    int status = weft_sys_new(&asking.sys);
    if (status == 0) {
        status = run(&asking);
    }
    if (status < 0 && status != WEFT_ERR_CANCELLED && problem->text[0] == '\0') {
        (void)snprintf(problem->text, sizeof(problem->text), "the node could not be asked: %s",
                       weft_error_text(status));
    }
    weft_turn_run(&asking.loop.turn); /* what the leaving left to be done */
    weft_timers_deinit(&asking.loop.timers);
    (void)weft_sys_free(asking.sys); /* a hanging name server only keeps memory until the process ends */
    return status;
}
