/* http/h2_client.c - the client side of an h2 connection: the worker's end of each exchange is ours. */
#include "base/error.h"
#include "base/mem.h"
#include "http/h2_callbacks.h"
#include "http/h2_session.h"

/* -- answers -- */

/* nghttp2 has seen to it that :status is there, first, and three digits. The fields of a 1xx are dropped. */
static int field(struct weft_h2_stream *stream, struct weft_slice name, struct weft_slice value)
{
    struct weft_exchange *exchange = stream->exchange;
    struct weft_answer_head *answer = &exchange->answer;
    if (weft_slice_equal(name, WEFT_SLICE(":status"))) {
        answer->status = (int)weft_h2_length(value);
        return answer->status < 100 || answer->status > 599 ? WEFT_ERR_INVALID : 0;
    }
    if (answer->status < 200) {
        return 0;
    }
    if (weft_slice_equal(name, WEFT_SLICE("content-length"))) {
        exchange->flows[WEFT_ANSWER].length = weft_h2_length(value);
    }
    if (weft_field_is_framing(name)) {
        return 0;
    }
    return weft_fields_add(&answer->fields, &exchange->arena, name, value);
}

static void head(struct weft_h2_stream *stream)
{
    struct weft_exchange *exchange = stream->exchange;
    if (!exchange) {
        return;
    }
    int status = exchange->answer.status;
    stream->head_in = status >= 200;
    if (stream->head_in && !stream->refusal) {
        weft_exchange_begin_answer(exchange);
    }
    if (stream->head_in) {
        return;
    }
    exchange->answer.status = 0;
    if (status == 100) {
        weft_exchange_want_body(exchange);
    }
}

/* -- settling -- */

/* The stream is no more: what does that say about the answer? A stream that the server has refused, or that its GOAWAY
 * passes over, was not worked on: whoever asked may ask again elsewhere (RFC 9113 8.7). */
static void finish(struct weft_h2_stream *stream)
{
    weft_h2_leave(stream, stream->close_code == NGHTTP2_REFUSED_STREAM ? WEFT_ERR_REFUSED : WEFT_ERR_CLOSED);
    weft_h2_stream_free(stream);
}

static void settle(struct weft_h2_stream *stream)
{
    if (stream->closed) {
        finish(stream);
        return;
    }
    struct weft_exchange *exchange = stream->exchange;
    if (!exchange) {
        return;
    }
    if (exchange->aborted[WEFT_ASKER]) {
        weft_h2_reset(stream, NGHTTP2_CANCEL, WEFT_ERR_CANCELLED);
        return;
    }
    if (stream->refusal || stream->unsendable) {
        weft_h2_reset(stream, NGHTTP2_PROTOCOL_ERROR, WEFT_ERR_CLOSED); /* as when nghttp2 finds the answer malformed */
        return;
    }
    weft_h2_settle_in(stream);
    weft_h2_settle_out(stream);
}

/* -- requests -- */

static bool can_ask(const struct weft_carrier *carrier)
{
    const struct weft_h2 *h2 = (const struct weft_h2 *)carrier;
    if (h2->failed || h2->closing || h2->draining || h2->hung_up) {
        return false;
    }
    uint32_t theirs = nghttp2_session_get_remote_settings(h2->session, NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS);
    return nghttp2_session_check_request_allowed(h2->session) &&
           h2->stream_count < weft_h2_streams_max(&carrier->options) && h2->stream_count < theirs;
}

static int submit_request(struct weft_h2 *h2, struct weft_h2_stream *stream, const struct weft_exchange *exchange)
{
    const struct weft_request_head *request = &exchange->request;
    const struct weft_flow *body = &exchange->flows[WEFT_REQUEST];
    bool bodiless = weft_exchange_drained(exchange, WEFT_REQUEST) && body->trailers.count == 0;
    struct weft_h2_head head = {.count = 0};
    weft_h2_head_add(&head, WEFT_SLICE(":method"), request->method);
    weft_h2_head_add(&head, WEFT_SLICE(":scheme"), h2->carrier.options.scheme);
    if (request->authority.size > 0) {
        weft_h2_head_add(&head, WEFT_SLICE(":authority"), request->authority);
    }
    weft_h2_head_add(&head, WEFT_SLICE(":path"), request->target);
    weft_h2_head_add_fields(&head, &request->fields);
    if (body->length >= 0 && !bodiless) {
        weft_h2_head_add_length(&head, body->length);
    }
    if (exchange->expects_continue && !bodiless) {
        weft_h2_head_add(&head, WEFT_SLICE("expect"), WEFT_SLICE("100-continue"));
    }
    nghttp2_data_provider provider = {.source = {.ptr = stream}, .read_callback = weft_h2_read_body};
    return nghttp2_submit_request(h2->session, NULL, head.at, head.count, bodiless ? NULL : &provider, stream);
}

static int ask(struct weft_carrier *carrier, struct weft_exchange *exchange)
{
    struct weft_h2 *h2 = (struct weft_h2 *)carrier;
    if (!can_ask(carrier)) {
        return WEFT_ERR_FULL;
    }
    struct weft_h2_stream *stream = weft_h2_stream_new(h2, 0);
    if (!stream) {
        return WEFT_ERR_MEMORY;
    }
    int32_t id = submit_request(h2, stream, exchange);
    if (id < 0) {
        weft_h2_stream_free(stream);
        return id == NGHTTP2_ERR_NOMEM ? WEFT_ERR_MEMORY : WEFT_ERR_INVALID;
    }
    stream->id = id;
    stream->shown = true;
    stream->submitted = true;
    weft_h2_carry(stream, exchange);
    if (!exchange->expects_continue) {
        weft_exchange_want_body(exchange);
    }
    carrier->options.owner.touched(carrier->options.owner.self);
    return 0;
}

/* -- life -- */

static weft_time deadline(const struct weft_carrier *carrier)
{
    (void)carrier;
    return WEFT_NEVER;
}

static void expire(struct weft_carrier *carrier)
{
    (void)carrier;
}

static void hangup(struct weft_carrier *carrier)
{
    weft_h2_fail((struct weft_h2 *)carrier);
    carrier->options.owner.touched(carrier->options.owner.self);
}

int weft_h2_client_new(struct weft_carrier **out, const struct weft_carrier_options *options)
{
    static const struct weft_h2_side side = {.end = WEFT_WORKER,
                                             .in = WEFT_ANSWER,
                                             .out = WEFT_REQUEST,
                                             .why = WEFT_ERR_CLOSED,
                                             .field = field,
                                             .head = head,
                                             .settle = settle};
    static const struct weft_carrier_ops ops = {.free = weft_h2_free,
                                                .receive = weft_h2_receive,
                                                .hangup = hangup,
                                                .fill = weft_h2_fill,
                                                .wants_input = weft_h2_wants_input,
                                                .done = weft_h2_done,
                                                .running = weft_h2_running,
                                                .deadline = deadline,
                                                .expire = expire,
                                                .drain = weft_h2_drain,
                                                .ping = weft_h2_ping,
                                                .trust = weft_h2_trust,
                                                .can_ask = can_ask,
                                                .ask = ask};
    *out = NULL;
    struct weft_h2 *h2 = weft_alloc(sizeof(*h2));
    if (!h2) {
        return WEFT_ERR_MEMORY;
    }
    int error = weft_h2_init(h2, &side, &ops, options);
    if (error < 0) {
        weft_free(h2);
        return error;
    }
    *out = &h2->carrier;
    return 0;
}
