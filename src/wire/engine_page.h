/* wire/engine_page.h - what an engine counts in memory that it shares with its node, who can read it also after its
 * end.
 *
 * The engine alone writes, and what stands there is its word: a node shows it, and builds nothing on it. */
#ifndef WEFT_WIRE_ENGINE_PAGE_H
#define WEFT_WIRE_ENGINE_PAGE_H

#include <stdatomic.h>
#include <stdint.h>

#define WEFT_ENGINE_PAGE 4 /* the descriptor by which the engine finds it; then it is the engine's to close */

/* All since its start; zeros at first. */
struct weft_engine_page {
    atomic_uint_least64_t tokens_sampled; /* each is counted before it is told */
    atomic_uint_least64_t steps;
};

_Static_assert(sizeof(struct weft_engine_page) == 16 && ATOMIC_LLONG_LOCK_FREE == 2,
               "both sides read it alike, and no lock would be shared");

#endif
