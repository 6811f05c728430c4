/* http/h1_chunks.c - the strict check of chunk framing that stands before llhttp.
 *
 * RFC 9112 7.1. Of chunk extensions it only asks that they are short and hold no control character: nobody uses them,
 * and llhttp reads their grammar. */
#include "base/error.h"
#include "base/text.h"
#include "http/h1_guard.h"
#include "http/limits.h"

static const struct weft_refusal bad_size = {400, "bad_chunk", "A chunk must begin with its size in hex digits."};
static const struct weft_refusal bad_line = {400, "bad_chunk", "A chunk's size line must end with CR LF."};
static const struct weft_refusal bad_extension = {400, "bad_chunk", "A chunk extension holds a control character."};
static const struct weft_refusal long_line = {400, "bad_chunk", "A chunk's size line is longer than 256 bytes."};
static const struct weft_refusal bad_end = {400, "bad_chunk", "A chunk's data must be followed by CR LF."};

enum {
    FIRST_DIGIT,
    DIGITS,
    EXTENSION,
    LINE_LF,
    DATA,
    DATA_CR,
    DATA_LF,
    OVER, /* the last chunk's line is through */
};

void weft_h1_chunks_init(struct weft_h1_chunks *chunks, uint64_t max)
{
    *chunks = (struct weft_h1_chunks){.state = FIRST_DIGIT, .max = max};
}

bool weft_h1_chunks_over(const struct weft_h1_chunks *chunks)
{
    return chunks->state == OVER;
}

static int refuse(struct weft_h1_chunks *chunks, const struct weft_refusal *why)
{
    chunks->why = why;
    return why->status == 413 ? WEFT_ERR_TOO_LARGE : WEFT_ERR_INVALID;
}

/* A digit of the size; refused as soon as the body cannot fit any more, so nothing overflows. */
static int take_digit(struct weft_h1_chunks *chunks, int digit)
{
    uint64_t room = chunks->max - chunks->total;
    if (room < (uint64_t)digit || chunks->left > (room - (uint64_t)digit) / 16) {
        return refuse(chunks, weft_refusal_for_error(WEFT_ERR_TOO_LARGE));
    }
    chunks->left = chunks->left * 16 + (uint64_t)digit;
    chunks->state = DIGITS;
    return 0;
}

static int take_size(struct weft_h1_chunks *chunks, char c)
{
    int digit = weft_hex_value(c);
    if (digit >= 0) {
        return take_digit(chunks, digit);
    }
    if (chunks->state == FIRST_DIGIT) {
        return refuse(chunks, &bad_size);
    }
    if (c != ';' && c != '\r') {
        return refuse(chunks, c == '\n' ? &bad_line : &bad_size);
    }
    chunks->state = c == ';' ? EXTENSION : LINE_LF;
    return 0;
}

static int take_line_end(struct weft_h1_chunks *chunks, char c)
{
    if (c != '\n') {
        return refuse(chunks, &bad_line);
    }
    chunks->total += chunks->left;
    chunks->line = 0;
    chunks->state = chunks->left > 0 ? DATA : OVER;
    return 0;
}

static int take_data_end(struct weft_h1_chunks *chunks, char c, char wanted, int next)
{
    if (c != wanted) {
        return refuse(chunks, &bad_end);
    }
    chunks->state = next;
    return 0;
}

/* One byte that is no data. One that is refused changes nothing: it would be refused again. */
static int take(struct weft_h1_chunks *chunks, char c)
{
    if (chunks->state < DATA && ++chunks->line > WEFT_HTTP_CHUNK_LINE_MAX) {
        return refuse(chunks, &long_line);
    }
    switch (chunks->state) {
    case EXTENSION:
        if (c == '\r') {
            chunks->state = LINE_LF;
            return 0;
        }
        if (c == '\n') {
            return refuse(chunks, &bad_line);
        }
        return ((unsigned char)c < 0x20 && c != '\t') || c == 0x7f ? refuse(chunks, &bad_extension) : 0;
    case LINE_LF:
        return take_line_end(chunks, c);
    case DATA_CR:
        return take_data_end(chunks, c, '\r', DATA_LF);
    case DATA_LF:
        return take_data_end(chunks, c, '\n', FIRST_DIGIT);
    default:
        return take_size(chunks, c);
    }
}

int64_t weft_h1_chunks_check(struct weft_h1_chunks *chunks, struct weft_slice input)
{
    size_t at = 0;
    while (at < input.size && chunks->state != OVER) {
        if (chunks->state == DATA) {
            size_t part = input.size - at < chunks->left ? input.size - at : (size_t)chunks->left;
            at += part;
            chunks->left -= part;
            chunks->state = chunks->left > 0 ? DATA : DATA_CR;
            continue;
        }
        int error = take(chunks, input.data[at]);
        if (error < 0) {
            return at > 0 ? (int64_t)at : error;
        }
        at++;
    }
    return (int64_t)at;
}
