/* base/bytes.h - a queue of bytes in blocks: append at the end, read and drop at the front.
 *
 * Blocks come from a small per-thread store of spare ones, so a stream in steady state allocates nothing.
 * The queue has no bound of its own: whoever fills one names its bound. */
#ifndef WEFT_BASE_BYTES_H
#define WEFT_BASE_BYTES_H

#include "base/types.h"

#define WEFT_BYTES_BLOCK      4096 /* a block, its header included */
#define WEFT_BYTES_SPARES_MAX 64   /* spare blocks kept; more are freed */

struct weft_block;

struct weft_bytes {
    struct weft_block *first, *last;
    size_t size; /* bytes in the queue */
};

void weft_bytes_init(struct weft_bytes *bytes);
void weft_bytes_deinit(struct weft_bytes *bytes); /* drops everything; the queue may be used again */

/* All of it or, on WEFT_ERR_MEMORY, nothing. */
WEFT_MUST_USE int weft_bytes_append(struct weft_bytes *bytes, const void *data, size_t size);

/* Up to `max` views of the front, in order; they hold until the queue next changes. Returns how many. */
size_t weft_bytes_peek(const struct weft_bytes *bytes, struct weft_slice *views, size_t max);
struct weft_slice weft_bytes_front(const struct weft_bytes *bytes);        /* the first view, or an empty slice */
void weft_bytes_drop(struct weft_bytes *bytes, size_t size);               /* at most what is there */
size_t weft_bytes_read(struct weft_bytes *bytes, void *data, size_t size); /* copies out and drops */

/* Copies the last bytes, at most `size` of them, and drops nothing. Returns how many. */
size_t weft_bytes_tail(const struct weft_bytes *bytes, char *data, size_t size);

/* Everything in `from` goes to the end of `to`: by block, but for small ends that fit into the last block there. */
void weft_bytes_move(struct weft_bytes *to, struct weft_bytes *from);

/* Gives the thread's spare blocks back, before it ends or before leaks are counted. */
void weft_bytes_trim(void);

#endif
