/* http/h2_session.c - what the two sides of an h2 connection share: streams, the turn of nghttp2, bodies and windows.
 */
#include "http/h2_session.h"

#include "base/assert.h"
#include "base/error.h"
#include "base/mem.h"
#include "http/h2_callbacks.h"

#include <stdio.h>

/* -- streams -- */

struct weft_h2_stream *weft_h2_stream_new(struct weft_h2 *h2, int32_t id)
{
    struct weft_h2_stream *stream = weft_zalloc(sizeof(*stream));
    if (!stream) {
        return NULL;
    }
    stream->h2 = h2;
    stream->id = id;
    stream->moved_at = h2->carrier.options.turn->now;
    stream->next = h2->streams;
    if (stream->next) {
        stream->next->previous = stream;
    }
    h2->streams = stream;
    h2->stream_count++;
    if (h2->check_at > stream->moved_at + WEFT_HTTP_IDLE_TIMEOUT) {
        h2->check_at = stream->moved_at + WEFT_HTTP_IDLE_TIMEOUT;
    }
    return stream;
}

/* Only for streams that are not touched: those that are just being settled, or when nothing is settled any more. */
void weft_h2_stream_free(struct weft_h2_stream *stream)
{
    struct weft_h2 *h2 = stream->h2;
    weft_h2_leave(stream, h2->side->why);
    if (stream->previous) {
        stream->previous->next = stream->next;
    } else {
        h2->streams = stream->next;
    }
    if (stream->next) {
        stream->next->previous = stream->previous;
    }
    h2->stream_count--;
    h2->idle_at = h2->carrier.options.turn->now;
    weft_free(stream);
}

static void wake(void *self, struct weft_exchange *exchange)
{
    struct weft_h2_stream *stream = self;
    struct weft_carrier_owner *owner = &stream->h2->carrier.options.owner;
    (void)exchange;
    weft_h2_touch(stream);
    owner->touched(owner->self);
}

void weft_h2_carry(struct weft_h2_stream *stream, struct weft_exchange *exchange)
{
    WEFT_ASSERT(!stream->exchange);
    stream->exchange = exchange;
    stream->h2->running++;
    weft_exchange_attach(exchange, stream->h2->side->end, wake, stream);
}

void weft_h2_leave(struct weft_h2_stream *stream, int why)
{
    struct weft_exchange *exchange = stream->exchange;
    enum weft_end end = stream->h2->side->end;
    if (!exchange) {
        return;
    }
    stream->exchange = NULL;
    stream->h2->running--;
    stream->h2->held -= stream->held;
    stream->held = 0;
    if (!stream->shown) {
        weft_exchange_leave(exchange, end == WEFT_ASKER ? WEFT_WORKER : WEFT_ASKER, 0);
    }
    weft_exchange_leave(exchange, end, why);
}

void weft_h2_reset(struct weft_h2_stream *stream, uint32_t code, int why)
{
    struct weft_h2 *h2 = stream->h2;
    weft_h2_leave(stream, why);
    if (!stream->closed && !h2->closing && !h2->failed) {
        (void)weft_h2_ok(h2, nghttp2_submit_rst_stream(h2->session, NGHTTP2_FLAG_NONE, stream->id, code));
    }
}

void weft_h2_touch(struct weft_h2_stream *stream)
{
    struct weft_h2 *h2 = stream->h2;
    if (stream->touched) {
        return;
    }
    stream->touched = true;
    stream->next_touched = NULL;
    if (h2->touched) {
        h2->touched_last->next_touched = stream;
    } else {
        h2->touched = stream;
    }
    h2->touched_last = stream;
}

/* -- the connection's end -- */

static void leave_all(struct weft_h2 *h2)
{
    for (struct weft_h2_stream *stream = h2->streams; stream; stream = stream->next) {
        weft_h2_leave(stream, h2->side->why);
    }
}

void weft_h2_fail(struct weft_h2 *h2)
{
    h2->failed = true;
    leave_all(h2);
}

void weft_h2_starve(struct weft_h2 *h2)
{
    h2->carrier.starved = true;
    weft_h2_fail(h2);
}

bool weft_h2_ok(struct weft_h2 *h2, int result)
{
    if (result == NGHTTP2_ERR_NOMEM || result == NGHTTP2_ERR_CALLBACK_FAILURE) { /* no callback fails but for that */
        weft_h2_starve(h2);
    } else if (result < 0) {
        weft_h2_fail(h2);
    }
    return result >= 0;
}

void weft_h2_terminate(struct weft_h2 *h2, uint32_t code, const char *why)
{
    struct weft_carrier_owner *owner = &h2->carrier.options.owner;
    if (h2->closing || h2->failed) {
        return;
    }
    h2->closing = true;
    h2->closing_at = h2->carrier.options.turn->now;
    (void)weft_h2_ok(h2, nghttp2_session_terminate_session(h2->session, code));
    leave_all(h2);
    if (why && owner->refused) {
        owner->refused(owner->self, 0, why);
    }
}

void weft_h2_drain(struct weft_carrier *carrier)
{
    struct weft_h2 *h2 = (struct weft_h2 *)carrier;
    if (h2->failed || h2->closing || h2->draining) {
        return;
    }
    h2->draining = true;
    (void)weft_h2_ok(h2, nghttp2_submit_goaway(h2->session, NGHTTP2_FLAG_NONE,
                                               nghttp2_session_get_last_proc_stream_id(h2->session), NGHTTP2_NO_ERROR,
                                               NULL, 0));
    carrier->options.owner.touched(carrier->options.owner.self);
}

void weft_h2_ping(struct weft_carrier *carrier)
{
    struct weft_h2 *h2 = (struct weft_h2 *)carrier;
    if (h2->failed || h2->closing) {
        return;
    }
    (void)weft_h2_ok(h2, nghttp2_submit_ping(h2->session, NGHTTP2_FLAG_NONE, NULL));
    carrier->options.owner.touched(carrier->options.owner.self);
}

void weft_h2_trust(struct weft_carrier *carrier)
{
    struct weft_h2 *h2 = (struct weft_h2 *)carrier;
    carrier->options.trusted = true;
    if (h2->failed || h2->closing || h2->side->end != WEFT_ASKER) {
        return; /* nobody asks a client: it has no bound to say */
    }
    const nghttp2_settings_entry raised[] = {
        {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, weft_h2_streams_max(&carrier->options)}};
    (void)weft_h2_ok(h2, nghttp2_submit_settings(h2->session, NGHTTP2_FLAG_NONE, raised, WEFT_COUNT(raised)));
    carrier->options.owner.touched(carrier->options.owner.self);
}

/* -- heads -- */

void weft_h2_head_add(struct weft_h2_head *head, struct weft_slice name, struct weft_slice value)
{
    WEFT_ASSERT(head->count < WEFT_COUNT(head->at));
    head->at[head->count++] = (nghttp2_nv){.name = (uint8_t *)name.data,
                                           .namelen = name.size,
                                           .value = (uint8_t *)value.data,
                                           .valuelen = value.size,
                                           .flags = NGHTTP2_NV_FLAG_NONE};
}

void weft_h2_head_add_fields(struct weft_h2_head *head, const struct weft_fields *fields)
{
    for (size_t i = 0; i < fields->count; i++) {
        if (!weft_field_is_framing(fields->at[i].name)) {
            weft_h2_head_add(head, fields->at[i].name, fields->at[i].value);
        }
    }
}

void weft_h2_head_add_length(struct weft_h2_head *head, int64_t length)
{
    int size = snprintf(head->length, sizeof(head->length), "%lld", (long long)length);
    WEFT_ASSERT(size > 0 && (size_t)size < sizeof(head->length));
    weft_h2_head_add(head, WEFT_SLICE("content-length"), weft_slice(head->length, (size_t)size));
}

int64_t weft_h2_length(struct weft_slice digits)
{
    int64_t length = 0;
    for (size_t i = 0; i < digits.size; i++) {
        if (digits.data[i] < '0' || digits.data[i] > '9' || length > (INT64_MAX - 9) / 10) {
            return WEFT_LENGTH_UNKNOWN;
        }
        length = length * 10 + (digits.data[i] - '0');
    }
    return digits.size > 0 ? length : WEFT_LENGTH_UNKNOWN;
}

/* -- bodies -- */

void weft_h2_settle_in(struct weft_h2_stream *stream)
{
    struct weft_h2 *h2 = stream->h2;
    struct weft_flow *flow = &stream->exchange->flows[h2->side->in];
    WEFT_ASSERT(stream->held >= flow->bytes.size);
    size_t taken = stream->held - flow->bytes.size;
    stream->held -= taken;
    h2->held -= taken;
    if (taken > 0 && stream->held == 0) {
        stream->moved_at = h2->carrier.options.turn->now; /* from now on the peer is the one waited for */
    }
    if (stream->held > 0) {
        weft_exchange_await_room(stream->exchange, h2->side->in);
    }
    if (taken > 0 && !flow->ended) {
        (void)weft_h2_ok(h2, nghttp2_session_consume_stream(h2->session, stream->id, taken));
    }
}

static void submit_trailers(struct weft_h2_stream *stream)
{
    struct weft_h2 *h2 = stream->h2;
    struct weft_h2_head head = {.count = 0};
    weft_h2_head_add_fields(&head, &stream->exchange->flows[h2->side->out].trailers);
    stream->trailers_due = false;
    (void)weft_h2_ok(h2, nghttp2_submit_trailer(h2->session, stream->id, head.at, head.count));
}

void weft_h2_settle_out(struct weft_h2_stream *stream)
{
    struct weft_h2 *h2 = stream->h2;
    struct weft_flow *flow = &stream->exchange->flows[h2->side->out];
    if (stream->trailers_due) {
        submit_trailers(stream);
    } else if (stream->deferred && (flow->bytes.size > 0 || flow->ended)) {
        stream->deferred = false;
        stream->moved_at = h2->carrier.options.turn->now;
        (void)weft_h2_ok(h2, nghttp2_session_resume_data(h2->session, stream->id));
    }
}

/* -- a turn of nghttp2 -- */

static void settle(struct weft_h2 *h2)
{
    while (h2->touched && !h2->failed) {
        struct weft_h2_stream *stream = h2->touched;
        h2->touched = stream->next_touched;
        stream->touched = false;
        h2->side->settle(stream);
    }
    if (h2->failed) {
        return;
    }
    if (h2->owed > 0 && h2->held <= WEFT_H2_HELD_MAX) {
        (void)weft_h2_ok(h2, nghttp2_session_consume_connection(h2->session, h2->owed));
        h2->owed = 0;
    }
}

static void tell_complaints(struct weft_h2 *h2)
{
    struct weft_carrier_owner *owner = &h2->carrier.options.owner;
    for (; h2->complaints > 0; h2->complaints--) {
        if (owner->refused) {
            owner->refused(owner->self, 0, "a frame or field block that breaks HTTP/2");
        }
    }
}

/* What nghttp2's callbacks have noted about the connection as a whole. */
static void settle_end(struct weft_h2 *h2)
{
    tell_complaints(h2);
    if (h2->calm) {
        weft_h2_terminate(h2, NGHTTP2_ENHANCE_YOUR_CALM, "too many frames without progress");
    }
    if (h2->lost && !h2->closing) {
        h2->closing = true;
        h2->closing_at = h2->carrier.options.turn->now;
        leave_all(h2);
    }
}

void weft_h2_receive(struct weft_carrier *carrier, const char *data, size_t size)
{
    struct weft_h2 *h2 = (struct weft_h2 *)carrier;
    if (h2->failed || h2->closing) {
        return;
    }
    ssize_t read = nghttp2_session_mem_recv(h2->session, (const uint8_t *)data, size);
    if (read == NGHTTP2_ERR_BAD_CLIENT_MAGIC) {
        weft_h2_terminate(h2, NGHTTP2_PROTOCOL_ERROR, "no HTTP/2 preface");
    } else if (read == NGHTTP2_ERR_FLOODED || read == NGHTTP2_ERR_TOO_MANY_CONTINUATIONS) {
        weft_h2_terminate(h2, NGHTTP2_ENHANCE_YOUR_CALM, "a flood of frames");
    } else {
        (void)weft_h2_ok(h2, read < 0 ? (int)read : 0);
    }
    settle(h2);
    settle_end(h2);
    carrier->options.owner.touched(carrier->options.owner.self);
}

void weft_h2_fill(struct weft_carrier *carrier, struct weft_bytes *output)
{
    struct weft_h2 *h2 = (struct weft_h2 *)carrier;
    settle(h2);
    while (!h2->failed && output->size < WEFT_HTTP_OUTPUT_HIGH) {
        const uint8_t *data;
        ssize_t size = nghttp2_session_mem_send(h2->session, &data);
        if (size < 0) {
            (void)weft_h2_ok(h2, (int)size);
        } else if (size > 0 && weft_bytes_append(output, data, (size_t)size) < 0) {
            weft_h2_starve(h2);
        } else if (size == 0) {
            settle_end(h2);
            if (!h2->touched && !(h2->calm && nghttp2_session_want_write(h2->session))) {
                break;
            }
            settle(h2);
        }
    }
}

bool weft_h2_wants_input(const struct weft_carrier *carrier)
{
    const struct weft_h2 *h2 = (const struct weft_h2 *)carrier;
    return !h2->failed && !h2->closing && !h2->hung_up && nghttp2_session_want_read(h2->session) &&
           nghttp2_session_get_outbound_queue_size(h2->session) < WEFT_H2_QUEUE_MAX;
}

bool weft_h2_done(const struct weft_carrier *carrier)
{
    const struct weft_h2 *h2 = (const struct weft_h2 *)carrier;
    if (h2->failed) {
        return true;
    }
    bool reads = !h2->hung_up && nghttp2_session_want_read(h2->session);
    return !reads && !h2->touched && !nghttp2_session_want_write(h2->session);
}

size_t weft_h2_running(const struct weft_carrier *carrier)
{
    return ((const struct weft_h2 *)carrier)->running;
}

/* -- life -- */

static void *mem_alloc(size_t size, void *self)
{
    (void)self;
    return weft_alloc(size);
}

static void mem_free(void *pointer, void *self)
{
    (void)self;
    weft_free(pointer);
}

static void *mem_calloc(size_t count, size_t size, void *self)
{
    (void)self;
    return weft_calloc(count, size);
}

static void *mem_realloc(void *pointer, size_t size, void *self)
{
    (void)self;
    return weft_realloc(pointer, size);
}

/* Option and callback objects are made by nghttp2 outside its own memory hook; they live only as long as this call. */
static int make_session(struct weft_h2 *h2)
{
    bool server = h2->side->end == WEFT_ASKER;
    nghttp2_mem mem = {.malloc = mem_alloc, .free = mem_free, .calloc = mem_calloc, .realloc = mem_realloc};
    nghttp2_session_callbacks *callbacks = NULL;
    nghttp2_option *option = NULL;
    int error = WEFT_ERR_MEMORY;
    if (nghttp2_option_new(&option) < 0 || nghttp2_session_callbacks_new(&callbacks) < 0) {
        goto out;
    }
    weft_h2_set_callbacks(callbacks);
    nghttp2_option_set_no_auto_window_update(option, 1);
    nghttp2_option_set_no_closed_streams(option, 1);
    nghttp2_option_set_max_outbound_ack(option, WEFT_H2_ACKS_MAX);
    nghttp2_option_set_max_continuations(option, WEFT_H2_CONTINUATIONS_MAX);
    for (unsigned type = NGHTTP2_CONTINUATION + 1; type <= UINT8_MAX; type++) {
        nghttp2_option_set_user_recv_extension_type(option, (uint8_t)type);
    }
    nghttp2_option_set_max_send_header_block_length(option, WEFT_H2_HEAD_OUT_MAX);
    /* nghttp2 counts resets by a clock of its own; ours are glitches, on the turn's clock. */
    nghttp2_option_set_stream_reset_rate_limit(option, UINT32_MAX, UINT32_MAX);
    int made = server ? nghttp2_session_server_new3(&h2->session, callbacks, h2, option, &mem)
                      : nghttp2_session_client_new3(&h2->session, callbacks, h2, option, &mem);
    error = made < 0 ? WEFT_ERR_MEMORY : 0;
out:
    nghttp2_session_callbacks_del(callbacks);
    nghttp2_option_del(option);
    return error;
}

uint32_t weft_h2_streams_max(const struct weft_carrier_options *options)
{
    return options->trusted ? WEFT_HTTP_LINK_STREAMS : WEFT_HTTP_STREAMS_MAX;
}

/* SETTINGS_NO_RFC7540_PRIORITIES is not said: nghttp2 1.52 frees a body twice when its queue for the newer scheme
 * cannot grow. Its older one shares a connection evenly unless the peer asks for something else. */
int weft_h2_init(struct weft_h2 *h2, const struct weft_h2_side *side, const struct weft_carrier_ops *ops,
                 const struct weft_carrier_options *options)
{
    const nghttp2_settings_entry server_settings[] = {
        {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, weft_h2_streams_max(options)},
        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, WEFT_HTTP_WINDOW},
        {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, WEFT_HTTP_HEAD_MAX},
    };
    static const nghttp2_settings_entry client_settings[] = {
        {NGHTTP2_SETTINGS_ENABLE_PUSH, 0},
        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, WEFT_HTTP_WINDOW},
        {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, WEFT_HTTP_HEAD_MAX},
    };
    bool server = side->end == WEFT_ASKER;
    weft_time now = options->turn->now;
    *h2 = (struct weft_h2){.carrier = {.ops = ops, .options = *options},
                           .side = side,
                           .body_max = options->body_max ? options->body_max : WEFT_HTTP_BODY_MAX,
                           .glitch_at = now,
                           .glitches_left = WEFT_HTTP_GLITCHES_BURST,
                           .block_at = WEFT_NEVER,
                           .idle_at = now,
                           .check_at = WEFT_NEVER,
                           .started_at = now};
    int error = make_session(h2);
    if (error < 0) {
        return error;
    }
    if (nghttp2_submit_settings(h2->session, NGHTTP2_FLAG_NONE, server ? server_settings : client_settings,
                                server ? WEFT_COUNT(server_settings) : WEFT_COUNT(client_settings)) < 0 ||
        nghttp2_session_set_local_window_size(h2->session, NGHTTP2_FLAG_NONE, 0, WEFT_HTTP_WINDOW) < 0) {
        nghttp2_session_del(h2->session);
        return WEFT_ERR_MEMORY;
    }
    return 0;
}

void weft_h2_free(struct weft_carrier *carrier)
{
    struct weft_h2 *h2 = (struct weft_h2 *)carrier;
    while (h2->streams) {
        weft_h2_stream_free(h2->streams);
    }
    nghttp2_session_del(h2->session);
    weft_free(h2);
}
