/* http/h2_callbacks.c - what nghttp2 tells, noted in streams and exchanges. */
#include "http/h2_callbacks.h"

#include "base/error.h"
#include "http/h2_session.h"

#define GLITCH_EVERY (WEFT_SECOND / WEFT_HTTP_GLITCHES_PER_S)

static const struct weft_refusal bad_field = {400, "bad_header", "A header's name or value breaks HTTP."};
static const struct weft_refusal head_too_large = {431, "headers_too_large",
                                                   "The request's headers are larger than 64 KiB or more than 100."};

static const struct weft_refusal bad_trailer = {400, "bad_trailer",
                                                "A trailer may not carry framing, routing or credentials."};

static struct weft_h2_stream *stream_of(nghttp2_session *session, int32_t id)
{
    return id == 0 ? NULL : nghttp2_session_get_stream_user_data(session, id);
}

static void note_refusal(struct weft_h2_stream *stream, const struct weft_refusal *refusal)
{
    if (!stream->refusal) {
        stream->refusal = refusal;
    }
    if (stream->head_in) {
        weft_h2_touch(stream);
    }
}

/* -- floods -- */

/* One frame that brought nobody forward. */
static void charge(struct weft_h2 *h2)
{
    int64_t gained = (h2->carrier.options.turn->now - h2->glitch_at) / GLITCH_EVERY;
    h2->glitch_at += gained * GLITCH_EVERY;
    h2->glitches_left += gained;
    if (h2->glitches_left > WEFT_HTTP_GLITCHES_BURST) {
        h2->glitches_left = WEFT_HTTP_GLITCHES_BURST;
    }
    if (h2->glitches_left > 0) {
        h2->glitches_left--;
    } else {
        h2->calm = true;
    }
}

static int on_begin_frame(nghttp2_session *session, const nghttp2_frame_hd *hd, void *self)
{
    struct weft_h2 *h2 = self;
    switch (hd->type) {
    case NGHTTP2_CONTINUATION:
        break; /* nghttp2 bounds them: WEFT_H2_CONTINUATIONS_MAX */
    case NGHTTP2_HEADERS:
        if (h2->side->end == WEFT_ASKER && !stream_of(session, hd->stream_id) &&
            hd->stream_id <= nghttp2_session_get_last_proc_stream_id(session)) {
            charge(h2); /* on a stream that is closed: nghttp2 unpacks and drops it */
        }
        break;
    case NGHTTP2_DATA:
        if (hd->length == 0 && !(hd->flags & NGHTTP2_FLAG_END_STREAM)) {
            charge(h2);
        }
        break;
    case NGHTTP2_WINDOW_UPDATE:
        if (h2->window_updates_spare > 0) {
            h2->window_updates_spare--;
        } else {
            charge(h2);
        }
        break;
    case NGHTTP2_RST_STREAM:
        if (!h2->carrier.options.trusted) {
            charge(h2);
        }
        break;
    default:
        charge(h2); /* SETTINGS, PING, PRIORITY, GOAWAY and what we do not know */
    }
    return 0;
}

static int on_invalid_frame(nghttp2_session *session, const nghttp2_frame *frame, int error, void *self)
{
    struct weft_h2 *h2 = self;
    (void)session;
    (void)frame;
    (void)error;
    h2->block_at = WEFT_NEVER;
    return 0;
}

/* Types that nobody knows are announced to nghttp2 as ours, or it would skip them without a word; here they are
 * dropped. */
static int on_unknown_chunk(nghttp2_session *session, const nghttp2_frame_hd *hd, const uint8_t *data, size_t size,
                            void *self)
{
    (void)session, (void)hd, (void)data, (void)size, (void)self;
    return NGHTTP2_ERR_CANCEL;
}

static int on_unknown(nghttp2_session *session, void **payload, const nghttp2_frame_hd *hd, void *self)
{
    (void)session, (void)payload, (void)hd, (void)self;
    return NGHTTP2_ERR_CANCEL;
}

/* -- heads -- */

static int begin_stream(struct weft_h2 *h2, int32_t id)
{
    struct weft_exchange *exchange;
    struct weft_h2_stream *stream = weft_h2_stream_new(h2, id);
    if (!stream) {
        return NGHTTP2_ERR_CALLBACK_FAILURE;
    }
    if (weft_exchange_new(&exchange, h2->carrier.options.turn) < 0) {
        goto failed;
    }
    weft_h2_carry(stream, exchange);
    if (nghttp2_session_set_stream_user_data(h2->session, id, stream) < 0) {
        goto failed;
    }
    return 0;
failed:
    weft_h2_stream_free(stream);
    return NGHTTP2_ERR_CALLBACK_FAILURE;
}

static int on_begin_headers(nghttp2_session *session, const nghttp2_frame *frame, void *self)
{
    struct weft_h2 *h2 = self;
    struct weft_h2_stream *stream = stream_of(session, frame->hd.stream_id);
    h2->block_at = h2->carrier.options.turn->now;
    if (stream) {
        stream->head_size = 0;
    } else if (frame->hd.type == NGHTTP2_HEADERS && frame->headers.cat == NGHTTP2_HCAT_REQUEST) {
        return begin_stream(h2, frame->hd.stream_id);
    }
    return 0;
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name, size_t name_size,
                     const uint8_t *value, size_t value_size, uint8_t flags, void *self)
{
    struct weft_h2 *h2 = self;
    struct weft_h2_stream *stream = stream_of(session, frame->hd.stream_id);
    struct weft_slice key = weft_slice(name, name_size), text = weft_slice(value, value_size);
    (void)flags;
    if (!stream || !stream->exchange || stream->refused || stream->refusal) {
        return 0;
    }
    stream->head_size += name_size + value_size + WEFT_H2_FIELD_OVERHEAD;
    int error;
    if (stream->head_size > WEFT_HTTP_HEAD_MAX) {
        error = WEFT_ERR_TOO_LARGE;
    } else if (!stream->head_in) {
        error = h2->side->field(stream, key, text);
    } else if (!weft_field_may_trail(key)) {
        note_refusal(stream, &bad_trailer);
        return 0;
    } else {
        struct weft_exchange *exchange = stream->exchange;
        error = weft_fields_add(&exchange->flows[h2->side->in].trailers, &exchange->arena, key, text);
    }
    if (error == WEFT_ERR_MEMORY) {
        return NGHTTP2_ERR_CALLBACK_FAILURE;
    }
    if (error < 0) {
        note_refusal(stream, error == WEFT_ERR_TOO_LARGE ? &head_too_large : &bad_field);
    }
    return 0;
}

/* nghttp2 would drop such a field and go on. */
static int on_invalid_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
                             size_t name_size, const uint8_t *value, size_t value_size, uint8_t flags, void *self)
{
    struct weft_h2_stream *stream = stream_of(session, frame->hd.stream_id);
    (void)name, (void)name_size, (void)value, (void)value_size, (void)flags, (void)self;
    if (stream) {
        note_refusal(stream, &bad_field);
    }
    return 0;
}

/* -- frames and bodies -- */

static int on_data(nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *data, size_t size, void *self)
{
    struct weft_h2 *h2 = self;
    struct weft_h2_stream *stream = stream_of(session, id);
    (void)flags;
    h2->owed += size;
    if (!stream || !stream->exchange || stream->refused || stream->refusal) {
        return 0;
    }
    struct weft_exchange *exchange = stream->exchange;
    stream->moved_at = h2->carrier.options.turn->now;
    if (h2->side->in == WEFT_REQUEST && !exchange->endless &&
        exchange->flows[WEFT_REQUEST].written + size > h2->body_max) {
        note_refusal(stream, weft_refusal_for_error(WEFT_ERR_TOO_LARGE));
        return 0;
    }
    int error = weft_exchange_write(exchange, h2->side->in, data, size);
    if (error == WEFT_ERR_MEMORY) {
        return NGHTTP2_ERR_CALLBACK_FAILURE;
    }
    if (error == WEFT_ERR_CLOSED) {
        return 0; /* nobody reads it: its stream's window stays shut, and the stream ends with the answer */
    }
    stream->held += size;
    h2->held += size;
    weft_h2_touch(stream);
    return 0;
}

ssize_t weft_h2_read_body(nghttp2_session *session, int32_t id, uint8_t *to, size_t room, uint32_t *flags,
                          nghttp2_data_source *source, void *self)
{
    struct weft_h2 *h2 = self;
    struct weft_h2_stream *stream = source->ptr;
    enum weft_way out = h2->side->out;
    size_t size = 0;
    (void)session;
    (void)id;
    if (!stream->exchange) {
        return NGHTTP2_ERR_DEFERRED; /* it was left, and is being reset */
    }
    struct weft_flow *flow = &stream->exchange->flows[out];
    while (size < room && flow->bytes.size > 0) {
        struct weft_slice front = weft_bytes_front(&flow->bytes);
        size_t part = front.size < room - size ? front.size : room - size;
        memcpy(to + size, front.data, part);
        weft_exchange_take(stream->exchange, out, part);
        size += part;
    }
    stream->moved_at = h2->carrier.options.turn->now;
    if (weft_exchange_drained(stream->exchange, out)) {
        *flags |= NGHTTP2_DATA_FLAG_EOF;
        if (flow->trailers.count > 0) {
            *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
            stream->trailers_due = true;
            weft_h2_touch(stream);
        }
    } else if (size == 0) {
        stream->deferred = true;
        if (stream->exchange->aborted[WEFT_WORKER]) {
            weft_h2_touch(stream); /* it gave up before the head was out: no wake comes any more */
        }
        return NGHTTP2_ERR_DEFERRED;
    } else if (flow->bytes.size == 0 && stream->exchange->aborted[WEFT_WORKER]) {
        weft_h2_touch(stream); /* the last of what there was before the worker gave up */
    }
    return (ssize_t)size;
}

static void headers_in(struct weft_h2 *h2, struct weft_h2_stream *stream)
{
    h2->block_at = WEFT_NEVER;
    h2->window_updates_spare++;
    if (!stream || stream->head_in) {
        return;
    }
    stream->moved_at = h2->carrier.options.turn->now;
    h2->side->head(stream);
    if (stream->head_in) {
        weft_h2_touch(stream);
    } else {
        charge(h2); /* a 1xx */
    }
}

static int on_frame_recv(nghttp2_session *session, const nghttp2_frame *frame, void *self)
{
    struct weft_h2 *h2 = self;
    struct weft_h2_stream *stream = stream_of(session, frame->hd.stream_id);
    uint8_t type = frame->hd.type;
    if (type == NGHTTP2_SETTINGS) {
        h2->settings_in = true;
    } else if (type == NGHTTP2_HEADERS) {
        headers_in(h2, stream);
    } else if (type == NGHTTP2_DATA && frame->hd.length > 0 && frame->hd.length == frame->data.padlen &&
               !(frame->hd.flags & NGHTTP2_FLAG_END_STREAM)) {
        charge(h2); /* all padding */
    }
    bool ends = (type == NGHTTP2_HEADERS || type == NGHTTP2_DATA) && (frame->hd.flags & NGHTTP2_FLAG_END_STREAM);
    if (!ends || !stream || !stream->exchange || stream->refused) {
        return 0;
    }
    if (!stream->exchange->flows[h2->side->in].ended && !stream->refusal) {
        weft_exchange_end(stream->exchange, h2->side->in);
    }
    weft_h2_touch(stream);
    return 0;
}

/* A peer that makes us reset its streams costs as much as one that resets them itself. */
static void note_error_sent(struct weft_h2 *h2, const nghttp2_frame *frame)
{
    if (frame->hd.type == NGHTTP2_GOAWAY && frame->goaway.error_code != NGHTTP2_NO_ERROR && !h2->closing) {
        h2->lost = true;
        h2->complaints++;
    }
    if (frame->hd.type != NGHTTP2_RST_STREAM) {
        return;
    }
    switch (frame->rst_stream.error_code) {
    case NGHTTP2_PROTOCOL_ERROR:
    case NGHTTP2_FLOW_CONTROL_ERROR:
    case NGHTTP2_STREAM_CLOSED:
    case NGHTTP2_FRAME_SIZE_ERROR:
    case NGHTTP2_REFUSED_STREAM:
        h2->complaints++;
        charge(h2);
        break;
    default: /* what we reset for reasons of our own */
        break;
    }
}

static int on_frame_send(nghttp2_session *session, const nghttp2_frame *frame, void *self)
{
    struct weft_h2 *h2 = self;
    uint8_t type = frame->hd.type;
    note_error_sent(h2, frame);
    if (type != NGHTTP2_HEADERS && type != NGHTTP2_DATA) {
        return 0;
    }
    h2->window_updates_spare += 2; /* the stream's and the connection's */
    struct weft_h2_stream *stream = stream_of(session, frame->hd.stream_id);
    if (stream && (frame->hd.flags & NGHTTP2_FLAG_END_STREAM)) {
        stream->sent_end = true;
        weft_h2_touch(stream);
    }
    return 0;
}

static int on_frame_not_send(nghttp2_session *session, const nghttp2_frame *frame, int error, void *self)
{
    struct weft_h2_stream *stream = stream_of(session, frame->hd.stream_id);
    (void)error;
    (void)self;
    if (stream && frame->hd.type == NGHTTP2_HEADERS) {
        stream->unsendable = true;
        weft_h2_touch(stream);
    }
    return 0;
}

static int on_stream_close(nghttp2_session *session, int32_t id, uint32_t code, void *self)
{
    struct weft_h2_stream *stream = stream_of(session, id);
    (void)self;
    if (stream) {
        stream->closed = true;
        stream->close_code = code;
        weft_h2_touch(stream);
    }
    return 0;
}

void weft_h2_set_callbacks(nghttp2_session_callbacks *callbacks)
{
    nghttp2_session_callbacks_set_on_begin_frame_callback(callbacks, on_begin_frame);
    nghttp2_session_callbacks_set_on_invalid_frame_recv_callback(callbacks, on_invalid_frame);
    nghttp2_session_callbacks_set_on_extension_chunk_recv_callback(callbacks, on_unknown_chunk);
    nghttp2_session_callbacks_set_unpack_extension_callback(callbacks, on_unknown);
    nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, on_begin_headers);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_invalid_header_callback(callbacks, on_invalid_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame_recv);
    nghttp2_session_callbacks_set_on_frame_send_callback(callbacks, on_frame_send);
    nghttp2_session_callbacks_set_on_frame_not_send_callback(callbacks, on_frame_not_send);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_stream_close);
}
