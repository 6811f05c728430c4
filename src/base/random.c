/* base/random.c - xoshiro256** by Blackman and Vigna, seeded by splitmix64. */
#include "base/random.h"

#include "base/assert.h"

void weft_random_init(struct weft_random *random, uint64_t seed)
{
    for (size_t i = 0; i < WEFT_COUNT(random->state); i++) {
        seed += 0x9e3779b97f4a7c15u;
        uint64_t z = seed;
        z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
        z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
        random->state[i] = z ^ (z >> 31);
    }
}

static uint64_t rotate(uint64_t x, int by)
{
    return x << by | x >> (64 - by);
}

uint64_t weft_random_next(struct weft_random *random)
{
    uint64_t *s = random->state;
    uint64_t result = rotate(s[1] * 5, 7) * 9;
    uint64_t t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotate(s[3], 45);
    return result;
}

uint64_t weft_random_below(struct weft_random *random, uint64_t bound)
{
    WEFT_ASSERT(bound > 0);
    uint64_t skip = (0 - bound) % bound; /* 2^64 mod bound: drawing again below it makes all results alike */
    for (;;) {
        uint64_t drawn = weft_random_next(random);
        if (drawn >= skip) {
            return drawn % bound;
        }
    }
}
