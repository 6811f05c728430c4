/* base/bytes.c - a queue of bytes in blocks. */
#include "base/bytes.h"

#include "base/assert.h"
#include "base/error.h"
#include "base/mem.h"

struct weft_block {
    struct weft_block *next;
    uint16_t start, end; /* data[start..end) is in the queue */
    char data[];
};

#define BLOCK_ROOM (WEFT_BYTES_BLOCK - sizeof(struct weft_block))
_Static_assert(BLOCK_ROOM <= UINT16_MAX, "a block's positions are 16 bits");

static _Thread_local struct weft_block *spares;
static _Thread_local size_t spare_count;

static struct weft_block *block_new(void)
{
    struct weft_block *block = spares;
    if (block) {
        spares = block->next;
        spare_count--;
    } else {
        block = weft_alloc(WEFT_BYTES_BLOCK);
        if (!block) {
            return NULL;
        }
    }
    block->next = NULL;
    block->start = block->end = 0;
    return block;
}

static void block_free(struct weft_block *block)
{
    if (spare_count >= WEFT_BYTES_SPARES_MAX) {
        weft_free(block);
        return;
    }
    block->next = spares;
    spares = block;
    spare_count++;
}

static void blocks_free(struct weft_block *block)
{
    while (block) {
        struct weft_block *next = block->next;
        block_free(block);
        block = next;
    }
}

void weft_bytes_init(struct weft_bytes *bytes)
{
    *bytes = (struct weft_bytes){0};
}

void weft_bytes_deinit(struct weft_bytes *bytes)
{
    blocks_free(bytes->first);
    weft_bytes_init(bytes);
}

/* Blocks for what does not fit into the last one, or NULL with *enough false. Taken before anything is
 * copied, so that an append that fails has changed nothing. */
static struct weft_block *blocks_for(size_t size, bool *enough)
{
    struct weft_block *first = NULL;
    *enough = true;
    for (size_t have = 0; have < size; have += BLOCK_ROOM) {
        struct weft_block *block = block_new();
        if (!block) {
            blocks_free(first);
            *enough = false;
            return NULL;
        }
        block->next = first;
        first = block;
    }
    return first;
}

static size_t block_fill(struct weft_block *block, const char *data, size_t size)
{
    size_t room = BLOCK_ROOM - block->end;
    size_t part = size < room ? size : room;
    memcpy(block->data + block->end, data, part);
    block->end = (uint16_t)(block->end + part);
    return part;
}

int weft_bytes_append(struct weft_bytes *bytes, const void *data, size_t size)
{
    if (size == 0) {
        return 0;
    }
    const char *from = data;
    size_t in_last = bytes->last ? BLOCK_ROOM - bytes->last->end : 0;
    if (size > in_last) {
        bool enough;
        struct weft_block *more = blocks_for(size - in_last, &enough);
        if (!enough) {
            return WEFT_ERR_MEMORY;
        }
        if (in_last > 0) {
            from += block_fill(bytes->last, from, in_last);
        }
        if (bytes->last) {
            bytes->last->next = more;
        } else {
            bytes->first = more;
        }
        const char *end = (const char *)data + size;
        for (struct weft_block *block = more; block; block = block->next) {
            from += block_fill(block, from, (size_t)(end - from));
            bytes->last = block;
        }
    } else {
        (void)block_fill(bytes->last, from, size); /* it fits: all of it went in */
    }
    bytes->size += size;
    return 0;
}

size_t weft_bytes_peek(const struct weft_bytes *bytes, struct weft_slice *views, size_t max)
{
    size_t count = 0;
    for (const struct weft_block *block = bytes->first; block && count < max; block = block->next) {
        views[count++] = weft_slice(block->data + block->start, (size_t)(block->end - block->start));
    }
    return count;
}

struct weft_slice weft_bytes_front(const struct weft_bytes *bytes)
{
    struct weft_slice view = {0};
    (void)weft_bytes_peek(bytes, &view, 1); /* an empty queue leaves the slice empty */
    return view;
}

void weft_bytes_drop(struct weft_bytes *bytes, size_t size)
{
    WEFT_ASSERT(size <= bytes->size);
    bytes->size -= size;
    while (size > 0) {
        struct weft_block *block = bytes->first;
        size_t there = (size_t)(block->end - block->start);
        if (size < there) {
            block->start = (uint16_t)(block->start + size);
            return;
        }
        size -= there;
        bytes->first = block->next;
        block_free(block);
    }
    if (!bytes->first) {
        bytes->last = NULL;
    }
}

size_t weft_bytes_read(struct weft_bytes *bytes, void *data, size_t size)
{
    char *to = data;
    size_t got = 0;
    while (got < size && bytes->size > 0) {
        struct weft_slice front = weft_bytes_front(bytes);
        WEFT_ASSERT(front.size > 0 && front.data);
        size_t part = front.size < size - got ? front.size : size - got;
        memcpy(to + got, front.data, part);
        weft_bytes_drop(bytes, part);
        got += part;
    }
    return got;
}

size_t weft_bytes_tail(const struct weft_bytes *bytes, char *data, size_t size)
{
    size_t skip = bytes->size > size ? bytes->size - size : 0, got = 0;
    for (const struct weft_block *block = bytes->first; block; block = block->next) {
        size_t there = (size_t)(block->end - block->start);
        if (skip >= there) {
            skip -= there;
            continue;
        }
        memcpy(data + got, block->data + block->start + skip, there - skip);
        got += there - skip;
        skip = 0;
    }
    return got;
}

void weft_bytes_move(struct weft_bytes *to, struct weft_bytes *from)
{
    to->size += from->size;
    /* What fits into the last block is copied: a queue of many small moves must not hold a block for each. */
    while (from->first && to->last) {
        struct weft_block *block = from->first;
        size_t there = (size_t)(block->end - block->start);
        if (there > BLOCK_ROOM - to->last->end) {
            break;
        }
        (void)block_fill(to->last, block->data + block->start, there); /* it fits */
        from->first = block->next;
        block_free(block);
    }
    if (from->first) {
        if (to->last) {
            to->last->next = from->first;
        } else {
            to->first = from->first;
        }
        to->last = from->last;
    }
    weft_bytes_init(from);
}

void weft_bytes_trim(void)
{
    while (spares) {
        struct weft_block *next = spares->next;
        weft_free(spares);
        spares = next;
    }
    spare_count = 0;
}
