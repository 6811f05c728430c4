/* node/call.c - one request on its way through the front door. */
#include "node/call.h"

#include "base/error.h"

const struct weft_refusal weft_call_cut_off = {503, "shutting_down",
                                               "This node is shutting down, and could wait for this answer no longer. "
                                               "Ask again, here in a moment or at another node."};

/* Nothing of a call may be touched after this. */
static void leave(struct weft_call *call, int status, int error)
{
    weft_call_close(call, status, false, error);
    weft_exchange_leave(call->exchange, WEFT_WORKER, error);
}

void weft_call_close(struct weft_call *call, int status, bool cancelled, int error)
{
    struct weft_front *front = call->front;
    struct weft_journal *journal = front->journal;
    const struct weft_exchange *exchange = call->exchange;
    weft_time took = front->loop->turn.now - call->started;
    if (error && !status && !cancelled) {
        status = weft_refusal_for_error(error)->status; /* so the carrier answers, as nobody else has */
    }
    *(call->previous ? &call->previous->next : &front->calls) = call->next;
    if (call->next) {
        call->next->previous = call->previous;
    }
    front->metrics->running--;
    front->metrics->request_bytes += exchange->flows[WEFT_REQUEST].written;
    front->metrics->answer_bytes += exchange->flows[WEFT_ANSWER].written;
    weft_metrics_count(front->metrics, call->route, status, cancelled, took);
    if (!weft_journal_begin(journal, WEFT_LOG_INFO, "request")) {
        return;
    }
    weft_journal_word(journal, "id", call->id);
    weft_journal_word(journal, "route", weft_route_name(call->route));
    weft_journal_word(journal, "by", weft_principal_name(call->principal));
    weft_journal_number(journal, "status", status);
    weft_journal_number(journal, "in_bytes", (int64_t)exchange->flows[WEFT_REQUEST].written);
    weft_journal_number(journal, "out_bytes", (int64_t)exchange->flows[WEFT_ANSWER].written);
    weft_journal_ms(journal, "ms", took);
    if (cancelled) {
        weft_journal_word(journal, "outcome", "the client left");
    } else if (call->was_cut) {
        weft_journal_word(journal, "outcome", "cut, as the node was ending");
    } else if (error) {
        weft_journal_word(journal, "outcome", weft_error_text(error));
    }
    weft_journal_end(journal);
}

void weft_call_json(struct weft_call *call, int status, struct weft_slice json)
{
    int error = weft_exchange_reply(call->exchange, status, WEFT_SLICE("application/json"), json);
    leave(call, error < 0 ? 0 : status, error);
}

void weft_call_put_off(struct weft_call *call, const struct weft_refusal *refusal, int retry_s)
{
    int error = weft_exchange_refuse(call->exchange, refusal, retry_s);
    leave(call, error < 0 ? 0 : refusal->status, error);
}

void weft_call_refuse(struct weft_call *call, const struct weft_refusal *refusal)
{
    weft_call_put_off(call, refusal, 0);
}

void weft_call_answer(struct weft_call *call, int status, struct weft_slice type, struct weft_bytes *body, int error)
{
    struct weft_exchange *exchange = call->exchange;
    if (error == 0) {
        error = weft_fields_add(&exchange->answer.fields, &exchange->arena, WEFT_SLICE("content-type"), type);
    }
    if (error < 0) {
        weft_bytes_deinit(body);
        leave(call, 0, error);
        return;
    }
    exchange->answer.status = status;
    exchange->flows[WEFT_ANSWER].length = (int64_t)body->size;
    weft_exchange_begin_answer(exchange);
    /* WEFT_ERR_CLOSED: the client has left, and needs no answer. */
    error = weft_exchange_bodiless(exchange) ? 0 : weft_exchange_move(exchange, WEFT_ANSWER, body);
    weft_bytes_deinit(body);
    if (error == 0) {
        weft_exchange_end(exchange, WEFT_ANSWER);
    }
    leave(call, status, error);
}
