/* engine/noise.h - the noise of Gumbel-max: a number per token, decided by (seed, position, token) and nothing else.
 *
 * The bits come from integer arithmetic and are the same everywhere. The logarithms are the C library's, in double and
 * then rounded to float: where two libraries differ at all it is in the last bit of a few values in 10^8. */
#ifndef WEFT_ENGINE_NOISE_H
#define WEFT_ENGINE_NOISE_H

#include "base/types.h"

#define WEFT_NOISE_BLOCK 64 /* tokens that are looked at in one go */

/* What (seed, position) come to. */
struct weft_noise {
    uint32_t low, high;
};

struct weft_noise weft_noise(uint64_t seed, uint64_t position);

/* 32 uniform bits: fewer stand for more noise. By Wellons' "triple32" mixer, with half of the key added before it and
 * half in the midst of it. */
static inline uint32_t weft_noise_bits(struct weft_noise noise, uint32_t token)
{
    uint32_t bits = token + noise.low;
    bits = (bits ^ bits >> 17) * 0xed5ad4bbu;
    bits = (bits ^ bits >> 11 ^ noise.high) * 0xac4c1b51u;
    bits = (bits ^ bits >> 15) * 0x31848babu;
    return bits ^ bits >> 14;
}

/* Gumbel(0, 1), between -3.2 and 22.9. */
float weft_noise_value(struct weft_noise noise, int32_t token);

/* For a block of tokens from `first` on: numbers that the noise is never above, and mostly little below. This is what
 * makes Gumbel-max over a whole vocabulary cheap: almost no token needs its logarithms. */
void weft_noise_bounds(struct weft_noise noise, uint32_t first, float bounds[WEFT_NOISE_BLOCK]);

#endif
