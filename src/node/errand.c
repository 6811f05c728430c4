/* node/errand.c - what a call has begun and takes longer than a turn. */
#include "node/errand.h"

#include "base/error.h"
#include "base/mem.h"

static void cut_errand(struct weft_call *call)
{
    struct weft_errand *errand = call->worker;
    errand->call = NULL;
    weft_call_put_off(call, &weft_call_cut_off, WEFT_CALL_RETRY_S);
}

static void errand_wake(void *self, struct weft_exchange *exchange)
{
    struct weft_errand *errand = self;
    if (exchange->aborted[WEFT_ASKER]) {
        struct weft_call *call = errand->call;
        errand->call = NULL;
        weft_call_close(call, 0, true, 0);
        weft_exchange_leave(exchange, WEFT_WORKER, WEFT_ERR_CANCELLED);
    }
}

struct weft_errand *weft_errand_new(struct weft_call *call)
{
    struct weft_errand *errand = weft_zalloc(sizeof(*errand));
    if (!errand) {
        weft_call_refuse(call, weft_refusal_for_error(WEFT_ERR_MEMORY));
        return NULL;
    }
    errand->call = call;
    errand->front = call->front;
    errand->next = call->front->errands;
    call->front->errands = errand;
    call->worker = errand;
    call->cut = cut_errand;
    weft_exchange_attach(call->exchange, WEFT_WORKER, errand_wake, errand);
    return errand;
}

struct weft_call *weft_errand_end(struct weft_errand *errand)
{
    struct weft_call *call = errand->call;
    struct weft_errand **at = &errand->front->errands;
    while (*at != errand) {
        at = &(*at)->next;
    }
    *at = errand->next;
    if (call) {
        call->cut = NULL;
        call->worker = NULL;
    }
    weft_free(errand);
    return call;
}

void weft_errands_end(struct weft_front *front)
{
    while (front->errands) {
        (void)weft_errand_end(front->errands); /* its call is gone */
    }
}

bool weft_errand_body_came(struct weft_call *call, size_t max)
{
    struct weft_exchange *exchange = call->exchange;
    if (exchange->aborted[WEFT_ASKER]) {
        weft_call_close(call, 0, true, 0);
        weft_exchange_leave(exchange, WEFT_WORKER, WEFT_ERR_CANCELLED);
    } else if (exchange->flows[WEFT_REQUEST].bytes.size > max) {
        weft_call_refuse(call, weft_refusal_for_error(WEFT_ERR_TOO_LARGE));
    } else {
        return exchange->flows[WEFT_REQUEST].ended;
    }
    return false;
}
