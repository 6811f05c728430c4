/* sim/transcript.h - everything that happened in a run, in order: to be told twice and compared. */
#ifndef WEFT_SIM_TRANSCRIPT_H
#define WEFT_SIM_TRANSCRIPT_H

#include <stdio.h>

#include "base/types.h"

#define WEFT_TRANSCRIPT_MAX ((size_t)64 * 1024 * 1024) /* what is kept; what comes after is only hashed */

struct weft_transcript {
    char *data;     /* the first WEFT_TRANSCRIPT_MAX bytes */
    uint64_t size;  /* of everything that was told */
    uint64_t hash;  /* FNV-1a of it */
    uint64_t lines; /* events */
    FILE *trace;    /* events, not bytes, are printed to it too; NULL: they are not */
};

/* Takes its memory at once, so that telling takes none. */
WEFT_MUST_USE int weft_transcript_init(struct weft_transcript *transcript, FILE *trace);
void weft_transcript_deinit(struct weft_transcript *transcript);

/* One event. `transcript` may be NULL here: then nothing happens. */
void weft_transcript_note(struct weft_transcript *transcript, weft_time now, const char *format, ...) WEFT_PRINTF(3, 4);
/* The bytes that belong to it. */
void weft_transcript_bytes(struct weft_transcript *transcript, const void *data, size_t size);

/* The same, byte for byte? If not, *line is the first event in which they differ, from 1. */
bool weft_transcript_equal(const struct weft_transcript *a, const struct weft_transcript *b, uint64_t *line);

#endif
