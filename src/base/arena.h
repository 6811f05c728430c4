/* base/arena.h - memory that is given back all at once. */
#ifndef WEFT_BASE_ARENA_H
#define WEFT_BASE_ARENA_H

#include "base/types.h"

#define WEFT_ARENA_CHUNK 1024 /* a chunk, its header included; larger wishes get their own */

struct weft_arena {
    struct weft_arena_chunk *chunks;
};

void weft_arena_init(struct weft_arena *arena);
void weft_arena_deinit(struct weft_arena *arena);

WEFT_MUST_USE void *weft_arena_alloc(struct weft_arena *arena, size_t size); /* aligned for anything; NULL if none */
/* A copy with a NUL behind it that `size` does not count; data is NULL if memory ran out. */
WEFT_MUST_USE struct weft_slice weft_arena_copy(struct weft_arena *arena, struct weft_slice text);
/* Formats into the arena; data is NULL if memory ran out. */
WEFT_MUST_USE struct weft_slice weft_arena_print(struct weft_arena *arena, const char *format, ...) WEFT_PRINTF(2, 3);

#endif
