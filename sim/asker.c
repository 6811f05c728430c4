/* sim/asker.c - a client on Weft's own client carriers. */
#include "sim/asker.h"

#include "base/assert.h"
#include "base/error.h"
#include "host/address.h"

static void forget(struct weft_asker *asker, int why)
{
    if (asker->exchange) {
        if (!asker->asked) { /* the worker's end is still ours */
            weft_exchange_leave(asker->exchange, WEFT_WORKER, why);
        }
        weft_exchange_leave(asker->exchange, WEFT_ASKER, why);
        asker->exchange = NULL;
    }
}

static void on_wake(void *self, struct weft_exchange *exchange)
{
    struct weft_asker *asker = self;
    struct weft_flow *answer = &exchange->flows[WEFT_ANSWER];
    if (exchange->answer_begun) {
        asker->status = exchange->answer.status;
    }
    while (!asker->paused && answer->bytes.size > 0) {
        struct weft_slice front = weft_bytes_front(&answer->bytes);
        size_t kept = asker->heard < WEFT_ASKER_TEXT_MAX ? WEFT_ASKER_TEXT_MAX - asker->heard : 0;
        kept = front.size < kept ? front.size : kept;
        memcpy(asker->text + (kept > 0 ? asker->heard : 0), front.data, kept);
        asker->heard += front.size;
        asker->text[asker->heard < WEFT_ASKER_TEXT_MAX ? asker->heard : WEFT_ASKER_TEXT_MAX] = '\0';
        weft_exchange_take(exchange, WEFT_ANSWER, front.size);
    }
    if (weft_exchange_drained(exchange, WEFT_ANSWER)) {
        asker->whole = true;
        forget(asker, 0);
    } else if (exchange->aborted[WEFT_WORKER] && answer->bytes.size == 0) {
        asker->aborted = exchange->aborted[WEFT_WORKER];
        forget(asker, asker->aborted);
    }
}

static void on_usable(void *self, struct weft_connection *connection)
{
    struct weft_asker *asker = self;
    if (asker->exchange && !asker->asked) {
        int error = weft_carrier_ask(weft_connection_carrier(connection), asker->exchange);
        if (error < 0) {
            asker->aborted = error;
            forget(asker, error);
            return;
        }
        asker->asked = true;
    }
}

static void on_closed(void *self, struct weft_connection *connection, int why, const char *phrase)
{
    struct weft_asker *asker = self;
    (void)connection, (void)phrase;
    asker->connection = NULL;
    asker->closed = why ? why : WEFT_ERR_CLOSED;
    if (asker->exchange && !asker->asked) {
        asker->aborted = asker->closed;
        forget(asker, asker->closed);
    }
}

static const struct weft_connection_user user = {.usable = on_usable, .closed = on_closed};

static weft_time turn(void *self, weft_time now)
{
    struct weft_asker *asker = self;
    asker->loop.turn.now = now;
    weft_timers_run(&asker->loop.timers, now);
    weft_turn_run(&asker->loop.turn);
    return weft_timers_next(&asker->loop.timers);
}

int weft_asker_dial(struct weft_asker *asker, struct weft_world *world, struct weft_host *host, const char *address,
                    bool h2, struct weft_filters *filters, const char *name)
{
    struct weft_address to;
    int error = address[0] == '/' ? weft_address_unix(weft_slice_text(address), &to)
                                  : weft_address_parse(weft_slice_text(address), &to);
    WEFT_ASSERT(error == 0);
    *asker = (struct weft_asker){.world = world, .loop = {.host = host}};
    asker->loop.turn.now = weft_world_now(world);
    weft_world_set_guest(host, (struct weft_guest){.self = asker, .turn = turn});
    const struct weft_connection_options options = {
        .loop = &asker->loop, .user = &user, .self = asker, .filters = filters, .h2 = h2, .name = name};
    error = weft_connection_dial(&asker->connection, &options, &to);
    weft_world_poke(host);
    return error;
}

static int add_fields(struct weft_exchange *exchange, const char *fields)
{
    int error = 0;
    while (error == 0 && fields && *fields) {
        const char *colon = strchr(fields, ':'), *end = strchr(fields, '\n');
        if (!colon || !end || end < colon + 2) {
            return WEFT_ERR_INVALID;
        }
        error =
            weft_fields_add(&exchange->request.fields, &exchange->arena, weft_slice(fields, (size_t)(colon - fields)),
                            weft_slice(colon + 2, (size_t)(end - colon - 2)));
        fields = end + 1;
    }
    return error;
}

int weft_asker_ask(struct weft_asker *asker, const char *method, const char *path, const char *fields,
                   struct weft_slice body)
{
    WEFT_ASSERT(!asker->exchange);
    asker->asked = asker->whole = false;
    asker->status = asker->aborted = 0;
    asker->heard = 0;
    asker->text[0] = '\0';
    int error = weft_exchange_new(&asker->exchange, &asker->loop.turn);
    if (error < 0) {
        return error;
    }
    struct weft_exchange *exchange = asker->exchange;
    exchange->request = (struct weft_request_head){.method = weft_slice_text(method),
                                                   .scheme = WEFT_SLICE("http"),
                                                   .authority = WEFT_SLICE("localhost"),
                                                   .target = weft_slice_text(path)};
    exchange->flows[WEFT_REQUEST].length = (int64_t)body.size;
    error = add_fields(exchange, fields);
    if (error == 0 && body.size > 0) {
        error = weft_exchange_write(exchange, WEFT_REQUEST, body.data, body.size);
    }
    if (error < 0) {
        forget(asker, error);
        return error;
    }
    weft_exchange_end(exchange, WEFT_REQUEST);
    weft_exchange_attach(exchange, WEFT_ASKER, on_wake, asker);
    if (!asker->connection) {
        asker->aborted = asker->closed;
        forget(asker, asker->closed);
        return WEFT_ERR_CLOSED;
    }
    struct weft_carrier *carrier = weft_connection_carrier(asker->connection);
    if (carrier && weft_carrier_can_ask(carrier)) {
        on_usable(asker, asker->connection);
    }
    weft_world_poke(asker->loop.host);
    return asker->aborted;
}

void weft_asker_cancel(struct weft_asker *asker)
{
    forget(asker, WEFT_ERR_CANCELLED);
    asker->aborted = WEFT_ERR_CANCELLED;
    weft_world_poke(asker->loop.host);
}

void weft_asker_read(struct weft_asker *asker, bool on)
{
    asker->paused = !on;
    if (on && asker->exchange) {
        on_wake(asker, asker->exchange);
    }
    weft_world_poke(asker->loop.host);
}

bool weft_asker_told(void *self)
{
    const struct weft_asker *asker = self;
    return asker->whole || asker->aborted || (!asker->connection && !asker->exchange);
}

void weft_asker_end(struct weft_asker *asker)
{
    if (asker->connection) {
        weft_connection_free(asker->connection);
        asker->connection = NULL;
    }
    forget(asker, WEFT_ERR_CLOSED);
    weft_turn_run(&asker->loop.turn);
    weft_world_set_guest(asker->loop.host, (struct weft_guest){0});
    weft_timers_deinit(&asker->loop.timers);
}
