/* base/arena.c - memory that is given back all at once. */
#include "base/arena.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/mem.h"

struct weft_arena_chunk {
    struct weft_arena_chunk *next;
    size_t used, room;
    _Alignas(max_align_t) char data[];
};

void weft_arena_init(struct weft_arena *arena)
{
    arena->chunks = NULL;
}

void weft_arena_deinit(struct weft_arena *arena)
{
    while (arena->chunks) {
        struct weft_arena_chunk *next = arena->chunks->next;
        weft_free(arena->chunks);
        arena->chunks = next;
    }
}

void *weft_arena_alloc(struct weft_arena *arena, size_t size)
{
    const size_t align = _Alignof(max_align_t);
    size = (size + align - 1) / align * align;
    struct weft_arena_chunk *chunk = arena->chunks;
    if (!chunk || chunk->room - chunk->used < size) {
        size_t room = WEFT_ARENA_CHUNK - sizeof(struct weft_arena_chunk);
        bool large = size > room;
        if (large) {
            room = size;
        }
        struct weft_arena_chunk *fresh = weft_alloc(sizeof(*fresh) + room);
        if (!fresh) {
            return NULL;
        }
        fresh->used = 0;
        fresh->room = room;
        if (large && chunk) {
            /* A chunk of its own goes behind the first: what the first has left stays in use. */
            fresh->next = chunk->next;
            chunk->next = fresh;
        } else {
            fresh->next = chunk;
            arena->chunks = fresh;
        }
        chunk = fresh;
    }
    void *place = chunk->data + chunk->used;
    chunk->used += size;
    return place;
}

struct weft_slice weft_arena_copy(struct weft_arena *arena, struct weft_slice text)
{
    char *copy = weft_arena_alloc(arena, text.size + 1);
    if (!copy) {
        return (struct weft_slice){0};
    }
    if (text.size > 0) {
        memcpy(copy, text.data, text.size);
    }
    copy[text.size] = '\0';
    return weft_slice(copy, text.size);
}

struct weft_slice weft_arena_print(struct weft_arena *arena, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int size = vsnprintf(NULL, 0, format, args);
    va_end(args);
    char *text = size < 0 ? NULL : weft_arena_alloc(arena, (size_t)size + 1);
    if (!text) {
        return (struct weft_slice){0};
    }
    va_start(args, format);
    (void)vsnprintf(text, (size_t)size + 1, format, args); /* the same length as just measured */
    va_end(args);
    return weft_slice(text, (size_t)size);
}
