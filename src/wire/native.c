/* wire/native.c - the native stream: frames written and read. */
#include "wire/native.h"

#include <math.h>

#include "base/assert.h"
#include "base/error.h"
#include "base/mem.h"
#include "wire/utf8.h"

enum token_flag {
    TOKEN_PROMPT = 1,
    TOKEN_LOGPROB = 2,
};

#define LENGTH_SIZE ((size_t)4)
#define FIRST_ROOM  512 /* what a reader's buffer gets at first: most frames are a token's */

/* -- writing -- */

/* A frame without its length; the first error stays and stops the rest. */
struct writer {
    struct weft_bytes bytes;
    int error;
};

static void put(struct writer *writer, const void *data, size_t size)
{
    if (writer->error < 0) {
        return;
    }
    if (size > WEFT_NATIVE_FRAME_MAX - writer->bytes.size) {
        writer->error = WEFT_ERR_TOO_LARGE;
        return;
    }
    writer->error = weft_bytes_append(&writer->bytes, data, size);
}

static void put_number(struct writer *writer, uint64_t value, size_t size)
{
    unsigned char bytes[8];
    WEFT_ASSERT(size <= sizeof(bytes));
    for (size_t i = 0; i < size; i++) {
        bytes[i] = (unsigned char)(value >> (8 * i));
    }
    put(writer, bytes, size);
}

static void put_float(struct writer *writer, float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof(bits));
    put_number(writer, bits, 4);
}

/* A text behind its length, which takes `size` bytes. */
static void put_text(struct writer *writer, struct weft_slice text, size_t size)
{
    if (text.size >> (8 * size) != 0) {
        writer->error = writer->error < 0 ? writer->error : WEFT_ERR_TOO_LARGE;
        return;
    }
    put_number(writer, text.size, size);
    put(writer, text.data, text.size);
}

static void put_token(struct writer *writer, const struct weft_frame *frame)
{
    put_number(writer, frame->choice, 2);
    put_number(writer, frame->token.id, 4);
    put_number(writer, frame->token.deltas, 2);
    unsigned flags = (frame->token.prompt ? TOKEN_PROMPT : 0u) | (frame->token.has_logprob ? TOKEN_LOGPROB : 0u);
    put_number(writer, flags, 1);
    put_text(writer, frame->token.bytes, 2);
    if (!frame->token.has_logprob) {
        return;
    }
    if (frame->token.top_count > WEFT_NATIVE_LOGPROBS_MAX) {
        writer->error = writer->error < 0 ? writer->error : WEFT_ERR_TOO_LARGE;
        return;
    }
    put_float(writer, frame->token.logprob);
    put_number(writer, frame->token.top_count, 1);
    for (size_t i = 0; i < frame->token.top_count; i++) {
        put_number(writer, frame->token.top[i].id, 4);
        put_float(writer, frame->token.top[i].logprob);
        put_text(writer, frame->token.top[i].bytes, 2);
    }
}

static void put_delta(struct writer *writer, const struct weft_frame *frame)
{
    put_number(writer, frame->choice, 2);
    put_number(writer, frame->delta.part, 1);
    if (frame->delta.part == WEFT_PART_TOOL_CALL) {
        put_number(writer, frame->delta.call, 2);
        put_text(writer, frame->delta.id, 1);
        put_text(writer, frame->delta.name, 2);
    }
    put_text(writer, frame->delta.text, 4);
}

static void put_finish(struct writer *writer, const struct weft_frame *frame)
{
    put_number(writer, frame->choice, 2);
    put_number(writer, frame->finish.reason, 1);
    put_text(writer, frame->finish.stop, 2);
}

static void put_usage(struct writer *writer, const struct weft_frame *frame)
{
    put_number(writer, frame->usage.prompt_tokens, 4);
    put_number(writer, frame->usage.cached_tokens, 4);
    put_number(writer, frame->usage.completion_tokens, 4);
    put_number(writer, frame->usage.waited_us, 8);
    put_number(writer, frame->usage.prefill_us, 8);
    put_number(writer, frame->usage.decode_us, 8);
}

static void put_progress(struct writer *writer, const struct weft_frame *frame)
{
    put_number(writer, frame->progress.phase, 1);
    put_number(writer, frame->progress.done, 4);
    put_number(writer, frame->progress.total, 4);
}

static void put_error(struct writer *writer, const struct weft_frame *frame)
{
    put_number(writer, frame->error.status, 2);
    put_text(writer, frame->error.code, 1);
    put_text(writer, frame->error.message, 2);
}

static void put_load(struct writer *writer, const struct weft_frame *frame)
{
    put_number(writer, frame->load.running, 4);
    put_number(writer, frame->load.waiting, 4);
}

static void put_end(struct writer *writer, const struct weft_frame *frame)
{
    (void)writer, (void)frame; /* its kind says it all */
}

/* -- reading -- */

/* What is left of a frame; it fails once and for all where it ends too early. */
struct cursor {
    struct weft_slice rest;
    bool failed;
};

static struct weft_slice get(struct cursor *cursor, size_t size)
{
    if (cursor->failed || size > cursor->rest.size) {
        cursor->failed = true;
        return WEFT_SLICE("");
    }
    struct weft_slice got = weft_slice(cursor->rest.data, size);
    cursor->rest = weft_slice(cursor->rest.data + size, cursor->rest.size - size);
    return got;
}

static uint64_t number(struct weft_slice bytes)
{
    uint64_t value = 0;
    for (size_t i = 0; i < bytes.size; i++) {
        value |= (uint64_t)(unsigned char)bytes.data[i] << (8 * i);
    }
    return value;
}

static uint64_t get_u64(struct cursor *cursor)
{
    return number(get(cursor, 8));
}

static uint32_t get_u32(struct cursor *cursor)
{
    return (uint32_t)number(get(cursor, 4));
}

static uint16_t get_u16(struct cursor *cursor)
{
    return (uint16_t)number(get(cursor, 2));
}

static uint8_t get_u8(struct cursor *cursor)
{
    return (uint8_t)number(get(cursor, 1));
}

/* A value of an enum whose last one is `last`. */
static unsigned get_choice(struct cursor *cursor, unsigned last)
{
    unsigned value = get_u8(cursor);
    cursor->failed = cursor->failed || value > last;
    return cursor->failed ? 0 : value;
}

static float get_logprob(struct cursor *cursor)
{
    uint32_t bits = get_u32(cursor);
    float value;
    memcpy(&value, &bits, sizeof(value));
    cursor->failed = cursor->failed || isnan(value);
    return value;
}

/* Bytes behind their length, which takes `size` bytes. */
static struct weft_slice get_bytes(struct cursor *cursor, size_t size)
{
    return get(cursor, (size_t)number(get(cursor, size)));
}

static struct weft_slice get_text(struct cursor *cursor, size_t size)
{
    struct weft_slice text = get_bytes(cursor, size);
    cursor->failed = cursor->failed || !weft_utf8_valid(text);
    return text;
}

static void get_token(struct cursor *cursor, struct weft_frame *frame)
{
    frame->choice = get_u16(cursor);
    frame->token.id = get_u32(cursor);
    frame->token.deltas = get_u16(cursor);
    unsigned flags = get_choice(cursor, TOKEN_PROMPT | TOKEN_LOGPROB);
    frame->token.prompt = (flags & TOKEN_PROMPT) != 0;
    frame->token.has_logprob = (flags & TOKEN_LOGPROB) != 0;
    frame->token.bytes = get_bytes(cursor, 2);
    if (!frame->token.has_logprob) {
        return;
    }
    frame->token.logprob = get_logprob(cursor);
    frame->token.top_count = (uint8_t)get_choice(cursor, WEFT_NATIVE_LOGPROBS_MAX);
    for (size_t i = 0; i < frame->token.top_count; i++) {
        frame->token.top[i].id = get_u32(cursor);
        frame->token.top[i].logprob = get_logprob(cursor);
        frame->token.top[i].bytes = get_bytes(cursor, 2);
    }
}

static void get_delta(struct cursor *cursor, struct weft_frame *frame)
{
    frame->choice = get_u16(cursor);
    frame->delta.part = get_choice(cursor, WEFT_PART_TOOL_CALL);
    if (frame->delta.part == WEFT_PART_TOOL_CALL) {
        frame->delta.call = get_u16(cursor);
        frame->delta.id = get_text(cursor, 1);
        frame->delta.name = get_text(cursor, 2);
    }
    frame->delta.text = get_text(cursor, 4);
}

static void get_finish(struct cursor *cursor, struct weft_frame *frame)
{
    frame->choice = get_u16(cursor);
    frame->finish.reason = get_choice(cursor, WEFT_FINISH_TOOL_CALLS);
    frame->finish.stop = get_text(cursor, 2);
}

static void get_usage(struct cursor *cursor, struct weft_frame *frame)
{
    frame->usage.prompt_tokens = get_u32(cursor);
    frame->usage.cached_tokens = get_u32(cursor);
    frame->usage.completion_tokens = get_u32(cursor);
    frame->usage.waited_us = get_u64(cursor);
    frame->usage.prefill_us = get_u64(cursor);
    frame->usage.decode_us = get_u64(cursor);
}

static void get_progress(struct cursor *cursor, struct weft_frame *frame)
{
    frame->progress.phase = get_choice(cursor, WEFT_PHASE_DECODE);
    frame->progress.done = get_u32(cursor);
    frame->progress.total = get_u32(cursor);
}

static void get_error(struct cursor *cursor, struct weft_frame *frame)
{
    frame->error.status = get_u16(cursor);
    frame->error.code = get_text(cursor, 1);
    frame->error.message = get_text(cursor, 2);
}

static void get_load(struct cursor *cursor, struct weft_frame *frame)
{
    frame->load.running = get_u32(cursor);
    frame->load.waiting = get_u32(cursor);
}

static void get_end(struct cursor *cursor, struct weft_frame *frame)
{
    (void)cursor, (void)frame; /* its kind says it all */
}

/* -- both -- */

static const struct {
    void (*put)(struct writer *writer, const struct weft_frame *frame);
    void (*get)(struct cursor *cursor, struct weft_frame *frame);
} kinds[] = {
    [WEFT_FRAME_TOKEN] = {put_token, get_token},
    [WEFT_FRAME_DELTA] = {put_delta, get_delta},
    [WEFT_FRAME_FINISH] = {put_finish, get_finish},
    [WEFT_FRAME_USAGE] = {put_usage, get_usage},
    [WEFT_FRAME_PROGRESS] = {put_progress, get_progress},
    [WEFT_FRAME_ERROR] = {put_error, get_error},
    [WEFT_FRAME_END] = {put_end, get_end},
    [WEFT_FRAME_LOAD] = {put_load, get_load},
};

static bool is_known(unsigned kind)
{
    return kind < WEFT_COUNT(kinds) && kinds[kind].get;
}

int weft_native_write(struct weft_bytes *out, const struct weft_frame *frame)
{
    WEFT_ASSERT(is_known(frame->kind));
    struct writer writer = {.error = 0};
    weft_bytes_init(&writer.bytes);
    put_number(&writer, frame->kind, 1);
    kinds[frame->kind].put(&writer, frame);
    struct writer length = {.error = 0};
    weft_bytes_init(&length.bytes);
    put_number(&length, writer.bytes.size, LENGTH_SIZE);
    int error = writer.error < 0 ? writer.error : length.error;
    if (error == 0) {
        weft_bytes_move(out, &length.bytes); /* moves cannot fail: the frame is there as a whole or not at all */
        weft_bytes_move(out, &writer.bytes);
    }
    weft_bytes_deinit(&length.bytes);
    weft_bytes_deinit(&writer.bytes);
    return error;
}

void weft_native_reader_init(struct weft_native_reader *reader)
{
    *reader = (struct weft_native_reader){0};
}

void weft_native_reader_deinit(struct weft_native_reader *reader)
{
    weft_free(reader->buffer);
    weft_native_reader_init(reader);
}

/* The first bytes of the queue, which holds as many, without dropping them. */
static void look(const struct weft_bytes *from, unsigned char *data, size_t size)
{
    struct weft_slice views[LENGTH_SIZE + 1]; /* none is empty, so these hold that many bytes */
    WEFT_ASSERT(size <= WEFT_COUNT(views) && from->size >= size);
    size_t count = weft_bytes_peek(from, views, WEFT_COUNT(views)), got = 0;
    for (size_t i = 0; i < count && got < size; i++) {
        size_t part = views[i].size < size - got ? views[i].size : size - got;
        memcpy(data + got, views[i].data, part);
        got += part;
    }
}

static int make_room(struct weft_native_reader *reader, size_t size)
{
    if (size <= reader->room) {
        return 0;
    }
    size_t room = reader->room == 0 ? FIRST_ROOM : reader->room;
    while (room < size) {
        room *= 2; /* ends: size is at most WEFT_NATIVE_FRAME_MAX */
    }
    char *grown = weft_realloc(reader->buffer, room);
    if (!grown) {
        return WEFT_ERR_MEMORY;
    }
    reader->buffer = grown;
    reader->room = room;
    return 0;
}

/* One whole frame of a known kind stands at the front, `length` bytes behind its length. */
static int take_frame(struct weft_native_reader *reader, struct weft_bytes *from, size_t length,
                      struct weft_frame *frame)
{
    if (make_room(reader, length) < 0) {
        return WEFT_ERR_MEMORY;
    }
    weft_bytes_drop(from, LENGTH_SIZE);
    size_t got = weft_bytes_read(from, reader->buffer, length);
    WEFT_ASSERT(got == length);
    *frame = (struct weft_frame){.kind = (unsigned char)reader->buffer[0]};
    struct cursor cursor = {.rest = weft_slice(reader->buffer + 1, length - 1)};
    kinds[frame->kind].get(&cursor, frame);
    if (cursor.failed || cursor.rest.size > 0) {
        reader->error = WEFT_ERR_INVALID;
        return WEFT_ERR_INVALID;
    }
    return 1;
}

int weft_native_read(struct weft_native_reader *reader, struct weft_bytes *from, struct weft_frame *frame,
                     size_t *taken)
{
    size_t before = from->size;
    int status = reader->error;
    while (status == 0 && from->size >= LENGTH_SIZE) {
        unsigned char head[LENGTH_SIZE + 1] = {0};
        look(from, head, LENGTH_SIZE);
        size_t length = (size_t)number(weft_slice(head, LENGTH_SIZE));
        if (length == 0 || length > WEFT_NATIVE_FRAME_MAX) {
            reader->error = length == 0 ? WEFT_ERR_INVALID : WEFT_ERR_TOO_LARGE;
            status = reader->error;
            break;
        }
        if (from->size - LENGTH_SIZE < length) {
            break;
        }
        look(from, head, sizeof(head));
        if (is_known(head[LENGTH_SIZE])) {
            status = take_frame(reader, from, length, frame);
        } else {
            weft_bytes_drop(from, LENGTH_SIZE + length);
        }
    }
    *taken = before - from->size;
    return status;
}
