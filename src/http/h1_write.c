/* http/h1_write.c - HTTP/1.x messages as they go out: heads, bodies and trailers. */
#include "http/h1_write.h"

#include "http/h1_guard.h"

/* Gathers small pieces, so that a head or a small chunk is one append. */
struct pen {
    struct weft_bytes *output;
    int error;
    size_t used;
    char text[1024];
};

static void pen_flush(struct pen *pen)
{
    if (pen->error == 0) {
        pen->error = weft_bytes_append(pen->output, pen->text, pen->used);
    }
    pen->used = 0;
}

static void put(struct pen *pen, struct weft_slice text)
{
    if (text.size > sizeof(pen->text) - pen->used) {
        pen_flush(pen);
    }
    if (text.size > sizeof(pen->text)) {
        if (pen->error == 0) {
            pen->error = weft_bytes_append(pen->output, text.data, text.size);
        }
        return;
    }
    if (text.size > 0) {
        memcpy(pen->text + pen->used, text.data, text.size);
        pen->used += text.size;
    }
}

static void put_fields(struct pen *pen, const struct weft_fields *fields)
{
    for (size_t i = 0; i < fields->count; i++) {
        if (weft_field_is_framing(fields->at[i].name)) {
            continue; /* the carrier's business: a second framing in the head would be a hole */
        }
        put(pen, fields->at[i].name);
        put(pen, WEFT_SLICE(": "));
        put(pen, fields->at[i].value);
        put(pen, WEFT_SLICE("\r\n"));
    }
}

/* The digits of `number`, at the end of `buffer`. */
static struct weft_slice digits(char buffer[20], uint64_t number, unsigned base)
{
    size_t at = 20;
    do {
        buffer[--at] = "0123456789abcdef"[number % base];
        number /= base;
    } while (number > 0);
    return weft_slice(buffer + at, 20 - at);
}

static void put_framing(struct pen *pen, const struct weft_h1_framing *framing)
{
    if (framing->length >= 0) {
        char buffer[20];
        put(pen, WEFT_SLICE("content-length: "));
        put(pen, digits(buffer, (uint64_t)framing->length, 10));
        put(pen, WEFT_SLICE("\r\n"));
    }
    if (framing->chunked) {
        put(pen, WEFT_SLICE("transfer-encoding: chunked\r\n"));
    }
    if (framing->connection) {
        put(pen, WEFT_SLICE("connection: "));
        put(pen, weft_slice_text(framing->connection));
        put(pen, WEFT_SLICE("\r\n"));
    }
    if (framing->expects_continue) {
        put(pen, WEFT_SLICE("expect: 100-continue\r\n"));
    }
    put(pen, WEFT_SLICE("\r\n"));
}

static void put_status_line(struct pen *pen, int status)
{
    char buffer[20];
    put(pen, WEFT_SLICE("HTTP/1.1 "));
    put(pen, digits(buffer, (uint64_t)status, 10));
    put(pen, WEFT_SLICE(" ")); /* RFC 9112 4: also where no phrase follows */
    put(pen, weft_slice_text(weft_status_phrase(status)));
    put(pen, WEFT_SLICE("\r\n"));
}

static void pen_init(struct pen *pen, struct weft_bytes *output)
{
    pen->output = output;
    pen->error = 0;
    pen->used = 0;
}

int weft_h1_write_answer(struct weft_bytes *output, const struct weft_answer_head *head,
                         const struct weft_h1_framing *framing)
{
    struct pen pen;
    pen_init(&pen, output);
    put_status_line(&pen, head->status);
    put_fields(&pen, &head->fields);
    put_framing(&pen, framing);
    pen_flush(&pen);
    return pen.error;
}

int weft_h1_write_request(struct weft_bytes *output, const struct weft_request_head *head,
                          const struct weft_h1_framing *framing)
{
    struct pen pen;
    pen_init(&pen, output);
    put(&pen, head->method);
    put(&pen, WEFT_SLICE(" "));
    put(&pen, head->target);
    put(&pen, WEFT_SLICE(" HTTP/1.1\r\nhost: "));
    put(&pen, head->authority);
    put(&pen, WEFT_SLICE("\r\n"));
    put_fields(&pen, &head->fields);
    put_framing(&pen, framing);
    pen_flush(&pen);
    return pen.error;
}

/* A chunk that fits into the pen goes out as one append with its size line and its end; for a larger one the blocks
 * themselves move. */
static int write_chunk(struct pen *pen, struct weft_exchange *exchange, enum weft_way way)
{
    struct weft_bytes *bytes = &exchange->flows[way].bytes;
    size_t size = bytes->size;
    char buffer[20];
    put(pen, digits(buffer, size, 16));
    put(pen, WEFT_SLICE("\r\n"));
    if (size <= sizeof(pen->text) / 2) {
        struct weft_slice views[4];
        size_t count = weft_bytes_peek(bytes, views, WEFT_COUNT(views)), done = 0;
        for (size_t i = 0; i < count; i++) {
            put(pen, views[i]);
            done += views[i].size;
        }
        weft_exchange_take(exchange, way, done);
        size -= done; /* nothing is left, unless it came in more than four pieces */
    }
    if (size > 0) {
        pen_flush(pen);
        if (pen->error < 0) {
            return pen->error;
        }
        (void)weft_exchange_take_all(exchange, way, pen->output); /* as much as the line before said */
    }
    put(pen, WEFT_SLICE("\r\n"));
    return pen->error;
}

int weft_h1_write_body(struct weft_bytes *output, struct weft_exchange *exchange, enum weft_way way, bool chunked)
{
    struct weft_flow *flow = &exchange->flows[way];
    if (!chunked) {
        (void)weft_exchange_take_all(exchange, way, output); /* how much it is does not matter */
        return flow->ended;
    }
    struct pen pen;
    pen_init(&pen, output);
    if (flow->bytes.size > 0) {
        int error = write_chunk(&pen, exchange, way);
        if (error < 0) {
            return error;
        }
    }
    if (flow->ended) {
        put(&pen, WEFT_SLICE("0\r\n"));
        put_fields(&pen, &flow->trailers);
        put(&pen, WEFT_SLICE("\r\n"));
    }
    pen_flush(&pen);
    return pen.error < 0 ? pen.error : flow->ended;
}

int weft_h1_write_continue(struct weft_bytes *output)
{
    struct weft_slice text = WEFT_SLICE("HTTP/1.1 100 Continue\r\n\r\n");
    return weft_bytes_append(output, text.data, text.size);
}

int weft_h1_write_refusal(struct weft_bytes *output, const struct weft_refusal *refusal, bool close, bool bodiless)
{
    char body[WEFT_REFUSAL_BODY_MAX];
    int length = weft_refusal_body(body, sizeof(body), refusal);
    if (length < 0) {
        return length;
    }
    struct weft_h1_framing framing = {.length = length, .connection = close ? "close" : NULL};
    struct pen pen;
    pen_init(&pen, output);
    put_status_line(&pen, refusal->status);
    put(&pen, WEFT_SLICE("content-type: application/json\r\n"));
    put_framing(&pen, &framing);
    if (!bodiless) {
        put(&pen, weft_slice(body, (size_t)length));
    }
    pen_flush(&pen);
    return pen.error;
}
