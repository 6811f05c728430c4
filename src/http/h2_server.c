/* http/h2_server.c - the server side of an h2 connection: requests come in, the asker's end of each is ours. */
#include "base/assert.h"
#include "base/error.h"
#include "base/mem.h"
#include "http/h2_callbacks.h"
#include "http/h2_session.h"
#include "http/target.h"

static const struct weft_refusal two_hosts = {400, "bad_host", "The request's Host and :authority differ."};
static const struct weft_refusal bad_host = {400, "bad_host", "The request's host is not a valid one."};
static const struct weft_refusal bad_scheme = {400, "bad_scheme", "The request's scheme is neither http nor https."};
static const struct weft_refusal bad_expect = {417, "unknown_expectation",
                                               "The only expectation known here is 100-continue."};
static const struct weft_refusal too_slow = {408, "request_timeout", "The request's body stopped coming."};

/* -- refusing -- */

static void submit_answer(struct weft_h2_stream *stream);

/* An exchange of our own whose worker has already answered. */
static struct weft_exchange *refusal_exchange(struct weft_h2_stream *stream, const struct weft_refusal *refusal,
                                              bool is_head)
{
    struct weft_exchange *exchange;
    if (weft_exchange_new(&exchange, stream->h2->carrier.options.turn) < 0) {
        return NULL;
    }
    exchange->request.method = is_head ? WEFT_SLICE("HEAD") : WEFT_SLICE("GET");
    int error = weft_exchange_refuse(exchange, refusal, 0);
    weft_exchange_leave(exchange, WEFT_WORKER, 0);
    if (error == 0) {
        return exchange;
    }
    weft_exchange_leave(exchange, WEFT_ASKER, 0);
    return NULL;
}

/* Answers the stream ourselves, in the place of whoever worked on it; too late for that, resets it. */
static void refuse(struct weft_h2_stream *stream, const struct weft_refusal *refusal, bool tell)
{
    struct weft_h2 *h2 = stream->h2;
    struct weft_carrier_owner *owner = &h2->carrier.options.owner;
    stream->refusal = NULL;
    if (tell) {
        owner->refused(owner->self, refusal->status, refusal->why);
    }
    if (stream->submitted) {
        weft_h2_reset(stream, NGHTTP2_CANCEL, WEFT_ERR_CANCELLED);
        return;
    }
    bool is_head = weft_slice_equal(stream->exchange->request.method, WEFT_SLICE("HEAD"));
    weft_h2_leave(stream, WEFT_ERR_CANCELLED);
    struct weft_exchange *exchange = refusal_exchange(stream, refusal, is_head);
    if (!exchange) {
        weft_h2_reset(stream, NGHTTP2_INTERNAL_ERROR, WEFT_ERR_CANCELLED);
        return;
    }
    stream->shown = true;
    stream->refused = true;
    weft_h2_carry(stream, exchange);
    submit_answer(stream);
}

/* -- requests -- */

static int copy(struct weft_exchange *exchange, struct weft_slice *to, struct weft_slice text)
{
    *to = weft_arena_copy(&exchange->arena, text);
    return to->data ? 0 : WEFT_ERR_MEMORY;
}

/* nghttp2 has seen to it that pseudo fields are known, single and first. */
static int field(struct weft_h2_stream *stream, struct weft_slice name, struct weft_slice value)
{
    struct weft_exchange *exchange = stream->exchange;
    struct weft_request_head *request = &exchange->request;
    if (weft_slice_equal(name, WEFT_SLICE(":method"))) {
        return copy(exchange, &request->method, value);
    }
    if (weft_slice_equal(name, WEFT_SLICE(":path"))) {
        return copy(exchange, &request->target, value);
    }
    if (weft_slice_equal(name, WEFT_SLICE(":authority"))) {
        return copy(exchange, &request->authority, value);
    }
    if (weft_slice_equal(name, WEFT_SLICE(":scheme"))) {
        return copy(exchange, &request->scheme, value);
    }
    return weft_fields_add(&request->fields, &exchange->arena, name, value);
}

static void head(struct weft_h2_stream *stream)
{
    stream->head_in = true;
}

/* RFC 9113 8.2.3: crumbs of Cookie are one field to whoever is not h2. */
static int join_cookies(struct weft_exchange *exchange)
{
    struct weft_fields *fields = &exchange->request.fields;
    struct weft_field *first = NULL;
    size_t crumbs = 0, size = 0, kept = 0, at = 0;
    for (size_t i = 0; i < fields->count; i++) {
        if (weft_slice_equal(fields->at[i].name, WEFT_SLICE("cookie"))) {
            crumbs++;
            size += fields->at[i].value.size + 2;
        }
    }
    if (crumbs < 2) {
        return 0;
    }
    char *joined = weft_arena_alloc(&exchange->arena, size);
    if (!joined) {
        return WEFT_ERR_MEMORY;
    }
    for (size_t i = 0; i < fields->count; i++) {
        struct weft_field *crumb = &fields->at[i];
        if (!weft_slice_equal(crumb->name, WEFT_SLICE("cookie"))) {
            fields->at[kept++] = *crumb;
            continue;
        }
        memcpy(joined + at, crumb->value.data, crumb->value.size);
        memcpy(joined + at + crumb->value.size, "; ", 2);
        at += crumb->value.size + 2;
        if (!first) {
            first = &fields->at[kept++];
            first->name = crumb->name;
        }
    }
    first->value = weft_slice(joined, size - 2);
    fields->count = kept;
    return 0;
}

static void drop_framing(struct weft_fields *fields)
{
    size_t kept = 0;
    for (size_t i = 0; i < fields->count; i++) {
        if (!weft_field_is_framing(fields->at[i].name)) {
            fields->at[kept++] = fields->at[i];
        }
    }
    fields->count = kept;
}

/* RFC 9113 8.3.1. */
static const struct weft_refusal *check_authority(struct weft_request_head *request)
{
    struct weft_slice host = weft_fields_value(&request->fields, "host");
    if (!request->authority.data) {
        request->authority = host;
    } else if (host.data && !weft_slice_equal_nocase(host, request->authority)) {
        return &two_hosts;
    }
    return weft_authority_valid(request->authority) ? NULL : &bad_host;
}

/* What is wrong with a request whose head is complete; NULL if nothing. */
static const struct weft_refusal *check(struct weft_h2_stream *stream, struct weft_refusal *from_target)
{
    struct weft_exchange *exchange = stream->exchange;
    struct weft_request_head *request = &exchange->request;
    struct weft_flow *body = &exchange->flows[WEFT_REQUEST];
    if (stream->refusal) {
        return stream->refusal;
    }
    if (weft_target_check(request->method, request->target, from_target) < 0) {
        return from_target;
    }
    const struct weft_refusal *refusal = check_authority(request);
    if (refusal) {
        return refusal;
    }
    /* A proxy before us may have ended TLS: which of the two it says is its business, what we are told is ours. */
    if (!weft_slice_equal(request->scheme, WEFT_SLICE("http")) &&
        !weft_slice_equal(request->scheme, WEFT_SLICE("https"))) {
        return &bad_scheme;
    }
    request->scheme = stream->h2->carrier.options.scheme;

    body->length = weft_h2_length(weft_fields_value(&request->fields, "content-length"));
    if (body->length < 0 && body->ended) {
        body->length = (int64_t)body->written;
    }
    if (body->length > 0 && (uint64_t)body->length > stream->h2->body_max) {
        return weft_refusal_for_error(WEFT_ERR_TOO_LARGE);
    }
    struct weft_slice expect = weft_fields_value(&request->fields, "expect");
    if (expect.data && !weft_slice_equal_nocase(expect, WEFT_SLICE("100-continue"))) {
        return &bad_expect;
    }
    exchange->expects_continue = expect.data && !body->ended && body->written == 0;
    drop_framing(&request->fields);
    return NULL;
}

static void show(struct weft_h2_stream *stream)
{
    struct weft_h2 *h2 = stream->h2;
    struct weft_exchange *exchange = stream->exchange;
    struct weft_refusal from_target;
    const struct weft_refusal *refusal = check(stream, &from_target);
    if (refusal) {
        refuse(stream, refusal, true);
        return;
    }
    if (join_cookies(exchange) < 0) {
        weft_h2_starve(h2);
        return;
    }
    stream->shown = true;
    h2->carrier.options.owner.request(h2->carrier.options.owner.self, exchange);
}

/* -- answers -- */

static void submit_continue(struct weft_h2_stream *stream)
{
    struct weft_h2 *h2 = stream->h2;
    struct weft_h2_head head = {.count = 0};
    stream->continued = true;
    stream->moved_at = h2->carrier.options.turn->now;
    weft_h2_head_add(&head, WEFT_SLICE(":status"), WEFT_SLICE("100"));
    (void)weft_h2_ok(
        h2, nghttp2_submit_headers(h2->session, NGHTTP2_FLAG_NONE, stream->id, NULL, head.at, head.count, NULL));
}

static void submit_answer(struct weft_h2_stream *stream)
{
    struct weft_h2 *h2 = stream->h2;
    struct weft_exchange *exchange = stream->exchange;
    struct weft_flow *body = &exchange->flows[WEFT_ANSWER];
    struct weft_h2_head head = {.count = 0};
    int status = exchange->answer.status;
    char digits[3] = {(char)('0' + status / 100), (char)('0' + status / 10 % 10), (char)('0' + status % 10)};
    weft_h2_head_add(&head, WEFT_SLICE(":status"), weft_slice(digits, sizeof(digits)));
    weft_h2_head_add_fields(&head, &exchange->answer.fields);
    if (body->length >= 0 && status != 204 && status != 304) {
        weft_h2_head_add_length(&head, body->length);
    }
    stream->submitted = true;
    stream->moved_at = h2->carrier.options.turn->now;
    bool bodiless =
        weft_exchange_bodiless(exchange) || (weft_exchange_drained(exchange, WEFT_ANSWER) && body->trailers.count == 0);
    nghttp2_data_provider provider = {.source = {.ptr = stream}, .read_callback = weft_h2_read_body};
    (void)weft_h2_ok(
        h2, nghttp2_submit_response(h2->session, stream->id, head.at, head.count, bodiless ? NULL : &provider));
}

static void settle_answer(struct weft_h2_stream *stream)
{
    struct weft_exchange *exchange = stream->exchange;
    struct weft_flow *body = &exchange->flows[WEFT_ANSWER];
    int aborted = body->ended ? 0 : exchange->aborted[WEFT_WORKER];
    if (exchange->body_wanted && exchange->expects_continue && !aborted && !stream->continued && !stream->submitted &&
        exchange->flows[WEFT_REQUEST].written == 0 && !exchange->flows[WEFT_REQUEST].ended) {
        submit_continue(stream); /* also before an answer that begins while the body is still wanted */
    }
    if (aborted && !exchange->answer_begun) {
        refuse(stream, weft_refusal_for_error(aborted), false);
    } else if (exchange->answer_begun && !stream->submitted) {
        submit_answer(stream);
    } else if (aborted && body->bytes.size == 0) {
        weft_h2_reset(stream, NGHTTP2_INTERNAL_ERROR, WEFT_ERR_CANCELLED);
    } else {
        weft_h2_settle_out(stream);
    }
}

/* The answer is complete, and the rest of the request is not wanted. RFC 9113 8.1 allows a reset without an error at
 * once, but curl (7.88) then takes the answer for failed: so the peer is given time to finish or to stop by itself. */
static void linger(struct weft_h2_stream *stream)
{
    struct weft_h2 *h2 = stream->h2;
    weft_h2_leave(stream, 0);
    stream->lingers = true;
    stream->moved_at = h2->carrier.options.turn->now;
    if (h2->check_at > stream->moved_at + WEFT_HTTP_LINGER) {
        h2->check_at = stream->moved_at + WEFT_HTTP_LINGER;
    }
}

static void settle(struct weft_h2_stream *stream)
{
    if (stream->closed) {
        weft_h2_stream_free(stream);
        return;
    }
    if (stream->exchange && stream->unsendable) {
        weft_h2_reset(stream, NGHTTP2_INTERNAL_ERROR, WEFT_ERR_CANCELLED);
    }
    if (stream->exchange && stream->head_in && !stream->shown) {
        show(stream);
    }
    if (stream->exchange && stream->refusal) {
        refuse(stream, stream->refusal, true);
    }
    if (stream->exchange && stream->shown) {
        weft_h2_settle_in(stream);
    }
    if (stream->exchange && stream->shown) {
        settle_answer(stream);
    }
    if (stream->exchange && stream->sent_end) {
        linger(stream); /* it would be closed already if the peer had ended it too */
    }
}

/* -- deadlines -- */

/* Is it the peer that this stream waits for, to send or to read? On a link it may: one that was stopped, or slept with
 * its machine, goes on where it was; and one that is gone, the link's owner notices. */
static bool waits_for_peer(const struct weft_h2_stream *stream)
{
    if (stream->h2->carrier.options.trusted) {
        return false;
    }
    const struct weft_exchange *exchange = stream->exchange;
    const struct weft_flow *body = &exchange->flows[WEFT_REQUEST], *answer = &exchange->flows[WEFT_ANSWER];
    bool open = stream->h2->held <= WEFT_H2_HELD_MAX; /* or else it is we who keep the connection's window shut */
    bool sends = open && !body->ended && !stream->refused && stream->held == 0 &&
                 (!exchange->expects_continue || stream->continued || body->written > 0);
    bool reads = stream->submitted && !stream->deferred && (answer->bytes.size > 0 || answer->ended);
    return sends || reads;
}

static void check_lingering(struct weft_h2_stream *stream)
{
    struct weft_h2 *h2 = stream->h2;
    weft_time at = stream->moved_at + WEFT_HTTP_LINGER;
    if (at <= h2->carrier.options.turn->now) {
        stream->lingers = false;
        weft_h2_reset(stream, NGHTTP2_NO_ERROR, 0);
    } else if (at < h2->check_at) {
        h2->check_at = at;
    }
}

static void check_streams(struct weft_h2 *h2)
{
    weft_time now = h2->carrier.options.turn->now;
    h2->check_at = WEFT_NEVER;
    for (struct weft_h2_stream *stream = h2->streams; stream; stream = stream->next) {
        if (stream->lingers && !stream->closed) {
            check_lingering(stream);
        }
        if (!stream->exchange || h2->failed) {
            continue;
        }
        bool waits = stream->head_in && waits_for_peer(stream);
        weft_time at = (waits ? stream->moved_at : now) + WEFT_HTTP_IDLE_TIMEOUT;
        if (at <= now && !stream->submitted) {
            refuse(stream, &too_slow, true);
        } else if (at <= now) {
            weft_h2_reset(stream, NGHTTP2_CANCEL, WEFT_ERR_CANCELLED);
        }
        if (at <= now) {
            at = now + WEFT_HTTP_IDLE_TIMEOUT;
        }
        if (at < h2->check_at) {
            h2->check_at = at;
        }
    }
}

static weft_time head_deadline(const struct weft_h2 *h2)
{
    weft_time since = h2->settings_in ? h2->block_at : h2->started_at;
    return since == WEFT_NEVER ? WEFT_NEVER : since + WEFT_HTTP_HEADER_TIMEOUT;
}

/* A link's owner watches it itself (PING), and may keep it for long without an exchange. */
static weft_time idle_deadline(const struct weft_h2 *h2)
{
    return h2->stream_count > 0 || h2->carrier.options.trusted ? WEFT_NEVER : h2->idle_at + WEFT_HTTP_IDLE_TIMEOUT;
}

static weft_time deadline(const struct weft_carrier *carrier)
{
    const struct weft_h2 *h2 = (const struct weft_h2 *)carrier;
    if (h2->failed) {
        return WEFT_NEVER;
    }
    if (h2->closing) {
        return h2->closing_at + WEFT_HTTP_HEADER_TIMEOUT;
    }
    weft_time at = head_deadline(h2), idle = idle_deadline(h2);
    if (h2->stream_count > 0 && h2->check_at < at) {
        at = h2->check_at;
    }
    return idle < at ? idle : at;
}

static void expire(struct weft_carrier *carrier)
{
    struct weft_h2 *h2 = (struct weft_h2 *)carrier;
    weft_time now = carrier->options.turn->now;
    if (h2->failed || deadline(carrier) > now) {
        return;
    }
    if (h2->closing) {
        weft_h2_fail(h2); /* the peer does not even read our GOAWAY */
    } else if (head_deadline(h2) <= now) {
        weft_h2_terminate(h2, NGHTTP2_NO_ERROR, "a preface or field block that was not finished in time");
    } else if (idle_deadline(h2) <= now) {
        weft_h2_terminate(h2, NGHTTP2_NO_ERROR, NULL);
    } else {
        check_streams(h2);
    }
    carrier->options.owner.touched(carrier->options.owner.self);
}

/* -- life -- */

static void hangup(struct weft_carrier *carrier)
{
    struct weft_h2 *h2 = (struct weft_h2 *)carrier;
    h2->hung_up = true;
    for (struct weft_h2_stream *stream = h2->streams; stream; stream = stream->next) {
        if (stream->exchange && !stream->exchange->flows[WEFT_ANSWER].ended) {
            weft_h2_reset(stream, NGHTTP2_CANCEL, WEFT_ERR_CANCELLED);
        }
    }
    carrier->options.owner.touched(carrier->options.owner.self);
}

int weft_h2_server_new(struct weft_carrier **out, const struct weft_carrier_options *options)
{
    static const struct weft_h2_side side = {.end = WEFT_ASKER,
                                             .in = WEFT_REQUEST,
                                             .out = WEFT_ANSWER,
                                             .why = WEFT_ERR_CANCELLED,
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
                                                .trust = weft_h2_trust};
    WEFT_ASSERT(options->owner.refused);
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
