/* node/front.c - the front door. */
#include "node/front.h"

#include "base/assert.h"
#include "base/error.h"
#include "base/text.h"
#include "node/call.h"

static void (*const handlers[WEFT_ROUTES])(struct weft_call *call) = {
    [WEFT_ROUTE_HEALTH] = weft_call_health,   [WEFT_ROUTE_READY] = weft_call_ready,
    [WEFT_ROUTE_METRICS] = weft_call_metrics, [WEFT_ROUTE_STATUS] = weft_call_status,
    [WEFT_ROUTE_LOAD] = weft_call_load,       [WEFT_ROUTE_DRAIN] = weft_call_drain,
    [WEFT_ROUTE_API] = weft_call_api,         [WEFT_ROUTE_HELLO] = weft_call_hello,
    [WEFT_ROUTE_MESH] = weft_call_mesh,       [WEFT_ROUTE_MESH_ACTS] = weft_call_mesh_acts,
    [WEFT_ROUTE_JOIN] = weft_call_join,       [WEFT_ROUTE_ADMIT] = weft_call_admit,
    [WEFT_ROUTE_GOSSIP] = weft_call_gossip,   [WEFT_ROUTE_GENERATE] = weft_call_generate,
    [WEFT_ROUTE_PEERS] = weft_call_peers,
};

static const struct weft_refusal draining = {
    503, "draining",
    "This node is shutting down: it finishes what it has begun, and takes no new request. Ask again, here in a moment "
    "or at another node."};

/* Those that may take long, and so are not begun when the node is ending. */
static bool takes_long(enum weft_route route)
{
    return route == WEFT_ROUTE_API || route == WEFT_ROUTE_GENERATE || route == WEFT_ROUTE_PEERS;
}

static int add(struct weft_exchange *exchange, const char *name, struct weft_slice value)
{
    return weft_fields_add(&exchange->answer.fields, &exchange->arena, weft_slice_text(name), value);
}

static struct weft_slice date(struct weft_front *front)
{
    int64_t now_s = front->loop->host->ops->wall(front->loop->host) / 1000000;
    if (now_s != front->date_s) {
        front->date_s = now_s;
        weft_http_date(front->date, now_s);
    }
    return weft_slice(front->date, WEFT_HTTP_DATE_SIZE - 1);
}

/* What every answer says, whatever it is. */
static int add_common(struct weft_call *call, const struct weft_access_verdict *verdict)
{
    struct weft_exchange *exchange = call->exchange;
    int error = add(exchange, "date", date(call->front));
    if (error == 0) {
        error = add(exchange, "x-weft-request-id", weft_slice_text(call->id));
    }
    if (error == 0 && verdict->cors_origin.data) {
        error = add(exchange, "access-control-allow-origin", verdict->cors_origin);
        if (error == 0) {
            error = add(exchange, "access-control-expose-headers",
                        WEFT_SLICE("x-weft-request-id, x-weft-served-by, x-weft-path, x-weft-peer, x-weft-segments, "
                                   "x-weft-model, x-weft-seed, retry-after"));
        }
    }
    /* An answer to one origin is not an answer to another one. */
    if (error == 0 && call->front->access.origin_count > 0) {
        error = add(exchange, "vary", WEFT_SLICE("origin"));
    }
    int status = verdict->refusal.status;
    if (error == 0 && status == 405) {
        error = add(exchange, "allow", weft_slice_text(verdict->allow));
    }
    if (error == 0 && status == 401) {
        error = add(exchange, "www-authenticate", WEFT_SLICE("Bearer"));
    }
    return error;
}

static int add_cors(struct weft_exchange *exchange, const struct weft_access_verdict *verdict)
{
    int error = add(exchange, "access-control-allow-methods", weft_slice_text(verdict->allow));
    if (error == 0) {
        error = add(exchange, "access-control-allow-headers",
                    WEFT_SLICE("authorization, content-type, x-weft-ids, x-weft-resume"));
    }
    if (error == 0) {
        error = add(exchange, "access-control-max-age", WEFT_SLICE("600"));
    }
    return error;
}

static void answer_options(struct weft_call *call, const struct weft_access_verdict *verdict)
{
    struct weft_exchange *exchange = call->exchange;
    int error = verdict->cors_origin.data ? add_cors(exchange, verdict)
                                          : add(exchange, "allow", weft_slice_text(verdict->allow));
    if (error == 0) {
        error = weft_exchange_reply(exchange, 204, (struct weft_slice){0}, (struct weft_slice){0});
    }
    weft_call_close(call, error < 0 ? 0 : 204, false, error);
    weft_exchange_leave(exchange, WEFT_WORKER, error);
}

static void new_id(struct weft_call *call)
{
    uint64_t number = call->front->random(call->front->self);
    memcpy(call->id, "req-", 4);
    weft_hex(call->id + 4, &number, sizeof(number));
}

void weft_front_request(struct weft_front *front, struct weft_exchange *exchange, const struct weft_caller *caller)
{
    struct weft_call *call = weft_arena_alloc(&exchange->arena, sizeof(*call));
    if (!call) {
        weft_exchange_leave(exchange, WEFT_WORKER, WEFT_ERR_MEMORY);
        return;
    }
    const struct weft_flow *body = &exchange->flows[WEFT_REQUEST];
    bool has_body = body->written > 0 || (!body->ended && body->length != 0); /* all of it may be here already */
    struct weft_access_verdict verdict = weft_access_check(&front->access, &exchange->request, has_body, caller);
    *call = (struct weft_call){.front = front,
                               .exchange = exchange,
                               .route = verdict.route,
                               .principal = verdict.principal,
                               .caller = *caller,
                               .started = front->loop->turn.now};
    new_id(call);
    call->next = front->calls;
    if (call->next) {
        call->next->previous = call;
    }
    front->calls = call;
    front->metrics->running++;
    int error = add_common(call, &verdict);
    if (error < 0) {
        weft_call_close(call, 0, false, error);
        weft_exchange_leave(exchange, WEFT_WORKER, error);
    } else if (verdict.refusal.status) {
        weft_call_refuse(call, &verdict.refusal);
    } else if (verdict.options) {
        answer_options(call, &verdict);
    } else if (takes_long(verdict.route) && front->draining(front->self)) {
        weft_call_put_off(call, &draining, WEFT_CALL_RETRY_S);
    } else {
        handlers[verdict.route](call);
    }
}

static void cut(struct weft_call *call)
{
    call->was_cut = true;
    if (call->cut) {
        call->cut(call);
    } else {
        weft_call_put_off(call, &weft_call_cut_off, WEFT_CALL_RETRY_S);
    }
}

size_t weft_front_cut(struct weft_front *front)
{
    size_t count = 0;
    for (struct weft_call *call; (call = front->calls); count++) {
        cut(call);
        WEFT_ASSERT(front->calls != call); /* it is closed, or this would never end */
    }
    return count;
}
