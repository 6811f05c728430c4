/* engine/text.c - from the bytes of tokens to text that may be shown. */
#include "engine/text.h"

#include "base/assert.h"
#include "base/error.h"
#include "base/mem.h"

#define FIRST_ROOM       256 /* what a buffer gets at first: more than most tokens need */
#define REPLACEMENT      "\xEF\xBF\xBD"
#define REPLACEMENT_SIZE 3

/* A stop string and how much of it the bytes so far end with (Knuth, Morris, Pratt). */
struct stop {
    struct weft_slice text;
    uint16_t *shorter; /* [n]: of the first n+1 bytes, the longest proper beginning that is also their end */
    size_t matched;
};
_Static_assert(WEFT_TEXT_STOP_MAX <= UINT16_MAX, "positions in a stop string are 16 bits");

struct buffer {
    char *data;
    size_t size, room;
};

struct weft_text {
    struct stop stops[WEFT_TEXT_STOPS_MAX];
    size_t stop_count;
    const struct stop *stopped_by;
    struct buffer held;  /* bytes that came and were not shown: half a character, then what may become a stop string */
    struct buffer shown; /* what the last call gave out */
    char *copies;        /* the stop strings */
    uint16_t *tables;    /* their `shorter` */
};

/* -- making -- */

static void stop_init(struct stop *stop, struct weft_slice text, uint16_t *shorter)
{
    *stop = (struct stop){.text = text, .shorter = shorter};
    shorter[0] = 0;
    size_t length = 0;
    for (size_t i = 1; i < text.size; i++) {
        while (length > 0 && text.data[i] != text.data[length]) {
            length = shorter[length - 1];
        }
        length += text.data[i] == text.data[length] ? 1 : 0;
        shorter[i] = (uint16_t)length;
    }
}

static int copy_stops(struct weft_text *text, const struct weft_slice *stops, size_t count, size_t size)
{
    text->copies = weft_alloc(size);
    text->tables = weft_calloc(size, sizeof(*text->tables));
    if (!text->copies || !text->tables) {
        return WEFT_ERR_MEMORY;
    }
    size_t at = 0;
    for (size_t i = 0; i < count; i++) {
        memcpy(text->copies + at, stops[i].data, stops[i].size);
        stop_init(&text->stops[i], weft_slice(text->copies + at, stops[i].size), text->tables + at);
        at += stops[i].size;
    }
    text->stop_count = count;
    return 0;
}

int weft_text_new(struct weft_text **out, const struct weft_slice *stops, size_t count)
{
    *out = NULL;
    size_t size = 0;
    if (count > WEFT_TEXT_STOPS_MAX) {
        return WEFT_ERR_TOO_LARGE;
    }
    for (size_t i = 0; i < count; i++) {
        if (stops[i].size == 0 || stops[i].size > WEFT_TEXT_STOP_MAX) {
            return stops[i].size == 0 ? WEFT_ERR_INVALID : WEFT_ERR_TOO_LARGE;
        }
        size += stops[i].size;
    }
    struct weft_text *text = weft_zalloc(sizeof(*text));
    if (!text) {
        return WEFT_ERR_MEMORY;
    }
    int error = count == 0 ? 0 : copy_stops(text, stops, count, size);
    if (error < 0) {
        weft_text_free(text);
        return error;
    }
    *out = text;
    return 0;
}

void weft_text_free(struct weft_text *text)
{
    if (!text) {
        return;
    }
    weft_free(text->held.data);
    weft_free(text->shown.data);
    weft_free(text->copies);
    weft_free(text->tables);
    weft_free(text);
}

static int buffer_reserve(struct buffer *buffer, size_t size)
{
    if (size <= buffer->room) {
        return 0;
    }
    size_t room = buffer->room == 0 ? FIRST_ROOM : buffer->room;
    while (room < size) {
        if (room > SIZE_MAX / 2) {
            return WEFT_ERR_TOO_LARGE;
        }
        room *= 2;
    }
    char *grown = weft_realloc(buffer->data, room);
    if (!grown) {
        return WEFT_ERR_MEMORY;
    }
    buffer->data = grown;
    buffer->room = room;
    return 0;
}

static void buffer_add(struct buffer *buffer, const char *data, size_t size)
{
    WEFT_ASSERT(size <= buffer->room - buffer->size);
    memcpy(buffer->data + buffer->size, data, size);
    buffer->size += size;
}

/* -- characters -- */

enum character {
    CHARACTER_WHOLE,
    CHARACTER_BROKEN,     /* no byte more makes a character of it */
    CHARACTER_UNFINISHED, /* it ends where the bytes end */
};

/* What the bytes begin with and how long that is. A broken one is a "maximal subpart" as the WHATWG's UTF-8 decoder
 * takes it: as many bytes as are the beginning of a character, or else one. */
static enum character next_character(struct weft_slice text, size_t *size)
{
    const unsigned char *at = (const unsigned char *)text.data;
    unsigned char lead = at[0], lower = 0x80, upper = 0xBF;
    size_t need = lead < 0x80 ? 1 : lead < 0xC2 ? 0 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : lead < 0xF5 ? 4 : 0;
    *size = 1;
    if (need == 0) {
        return CHARACTER_BROKEN;
    }
    if (lead == 0xE0 || lead == 0xF0) { /* nothing overlong */
        lower = lead == 0xE0 ? 0xA0 : 0x90;
    } else if (lead == 0xED || lead == 0xF4) { /* no surrogates, nothing past U+10FFFF */
        upper = lead == 0xED ? 0x9F : 0x8F;
    }
    for (; *size < need; (*size)++) {
        if (*size == text.size) {
            return CHARACTER_UNFINISHED;
        }
        if (at[*size] < lower || at[*size] > upper) {
            return CHARACTER_BROKEN;
        }
        lower = 0x80;
        upper = 0xBF;
    }
    return CHARACTER_WHOLE;
}

/* Begins a call that adds `more` bytes: all the room that it can need, so that a failure has changed nothing. */
static int begin(struct weft_text *text, size_t more, struct weft_slice *shown)
{
    *shown = WEFT_SLICE("");
    text->shown.size = 0;
    if (more > SIZE_MAX / REPLACEMENT_SIZE - text->held.size) {
        return WEFT_ERR_TOO_LARGE;
    }
    int error = buffer_reserve(&text->held, text->held.size + more);
    return error < 0 ? error : buffer_reserve(&text->shown, (text->held.size + more) * REPLACEMENT_SIZE);
}

/* The first `size` held bytes can no longer become part of a stop string: shows their characters. One that is not
 * finished stays held, unless nothing more comes. */
static void show(struct weft_text *text, size_t size, bool last, struct weft_slice *shown)
{
    size_t at = 0, step;
    while (at < size) {
        enum character found = next_character(weft_slice(text->held.data + at, size - at), &step);
        if (found == CHARACTER_UNFINISHED && !last) {
            break;
        }
        bool whole = found == CHARACTER_WHOLE;
        buffer_add(&text->shown, whole ? text->held.data + at : REPLACEMENT, whole ? step : REPLACEMENT_SIZE);
        at += step;
    }
    if (at > 0) {
        memmove(text->held.data, text->held.data + at, text->held.size - at);
        text->held.size -= at;
        *shown = weft_slice(text->shown.data, text->shown.size);
    }
}

/* -- stop strings -- */

/* One byte more. The stop string that it completes, of several the longest: it began first. */
static const struct stop *match(struct weft_text *text, char byte)
{
    const struct stop *met = NULL;
    for (size_t i = 0; i < text->stop_count; i++) {
        struct stop *stop = &text->stops[i];
        while (stop->matched > 0 && stop->text.data[stop->matched] != byte) {
            stop->matched = stop->shorter[stop->matched - 1];
        }
        stop->matched += stop->text.data[stop->matched] == byte ? 1 : 0;
        if (stop->matched == stop->text.size && (!met || stop->text.size > met->text.size)) {
            met = stop;
        }
    }
    return met;
}

static size_t longest_match(const struct weft_text *text)
{
    size_t longest = 0;
    for (size_t i = 0; i < text->stop_count; i++) {
        longest = text->stops[i].matched > longest ? text->stops[i].matched : longest;
    }
    return longest;
}

int weft_text_add(struct weft_text *text, struct weft_slice bytes, struct weft_slice *shown)
{
    WEFT_ASSERT(!text->stopped_by);
    int error = begin(text, bytes.size, shown);
    if (error < 0) {
        return error;
    }
    for (size_t i = 0; i < bytes.size && !text->stopped_by; i++) {
        buffer_add(&text->held, &bytes.data[i], 1);
        text->stopped_by = match(text, bytes.data[i]);
    }
    if (!text->stopped_by) {
        show(text, text->held.size - longest_match(text), false, shown);
        return 0;
    }
    show(text, text->held.size - text->stopped_by->text.size, true, shown);
    text->held.size = 0; /* the stop string is never shown */
    return 1;
}

int weft_text_end(struct weft_text *text, struct weft_slice *shown)
{
    int error = begin(text, 0, shown);
    if (error == 0) {
        show(text, text->held.size, true, shown);
    }
    return error;
}

struct weft_slice weft_text_stopped_by(const struct weft_text *text)
{
    return text->stopped_by ? text->stopped_by->text : WEFT_SLICE("");
}
