/* sim/transcript.c - everything that happened in a run. */
#include "sim/transcript.h"

#include <inttypes.h>
#include <stdarg.h>

#include "base/assert.h"
#include "base/error.h"
#include "base/mem.h"

#define NOTE_MAX   1536 /* a log line and its frame */
#define FNV_OFFSET 0xcbf29ce484222325u
#define FNV_PRIME  0x100000001b3u

int weft_transcript_init(struct weft_transcript *transcript, FILE *trace)
{
    *transcript = (struct weft_transcript){.hash = FNV_OFFSET, .trace = trace};
    transcript->data = weft_alloc(WEFT_TRANSCRIPT_MAX);
    return transcript->data ? 0 : WEFT_ERR_MEMORY;
}

void weft_transcript_deinit(struct weft_transcript *transcript)
{
    weft_free(transcript->data);
    transcript->data = NULL;
}

void weft_transcript_bytes(struct weft_transcript *transcript, const void *data, size_t size)
{
    if (!transcript) {
        return;
    }
    const unsigned char *bytes = data;
    for (size_t i = 0; i < size; i++) {
        transcript->hash = (transcript->hash ^ bytes[i]) * FNV_PRIME;
    }
    if (transcript->size < WEFT_TRANSCRIPT_MAX) {
        size_t room = WEFT_TRANSCRIPT_MAX - (size_t)transcript->size;
        memcpy(transcript->data + transcript->size, data, size < room ? size : room);
    }
    transcript->size += size;
}

void weft_transcript_note(struct weft_transcript *transcript, weft_time now, const char *format, ...)
{
    if (!transcript) {
        return;
    }
    char text[NOTE_MAX];
    int head = snprintf(text, sizeof(text), "\n%" PRId64 " ", now);
    WEFT_ASSERT(head > 0);
    va_list args;
    va_start(args, format);
    int size = vsnprintf(text + head, sizeof(text) - (size_t)head, format, args);
    va_end(args);
    WEFT_ASSERT(size >= 0 && (size_t)head + (size_t)size < sizeof(text));
    transcript->lines++;
    weft_transcript_bytes(transcript, text, (size_t)head + (size_t)size);
    if (transcript->trace) {
        fputs(text, transcript->trace);
    }
}

bool weft_transcript_equal(const struct weft_transcript *a, const struct weft_transcript *b, uint64_t *line)
{
    uint64_t least = a->size < b->size ? a->size : b->size;
    size_t kept = least < WEFT_TRANSCRIPT_MAX ? (size_t)least : WEFT_TRANSCRIPT_MAX;
    *line = 0;
    for (size_t i = 0; i < kept; i++) {
        *line += a->data[i] == '\n' || i == 0;
        if (a->data[i] != b->data[i]) {
            return false;
        }
    }
    return a->size == b->size && a->hash == b->hash;
}
