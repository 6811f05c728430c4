/* base/random.h - numbers that a seed decides. Not for secrets: those come from the host's entropy. */
#ifndef WEFT_BASE_RANDOM_H
#define WEFT_BASE_RANDOM_H

#include "base/types.h"

struct weft_random {
    uint64_t state[4];
};

void weft_random_init(struct weft_random *random, uint64_t seed);
uint64_t weft_random_next(struct weft_random *random);
uint64_t weft_random_below(struct weft_random *random, uint64_t bound); /* 0..bound-1, all alike; bound is not 0 */

#endif
