/* engine/noise.c - the noise of Gumbel-max. */
#include "engine/noise.h"

#include <math.h>

#define LN2 0.69314718f

/* splitmix64's mixer. */
static uint64_t mix(uint64_t z)
{
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

struct weft_noise weft_noise(uint64_t seed, uint64_t position)
{
    const uint64_t step = 0x9e3779b97f4a7c15u;
    uint64_t key = mix(mix(seed + step) + (position + 1) * step);
    return (struct weft_noise){.low = (uint32_t)key, .high = (uint32_t)(key >> 32)};
}

float weft_noise_value(struct weft_noise noise, int32_t token)
{
    /* In the middle of its step, so never 0 and never 1. Near 0, where the noise is large, all bits count. */
    double uniform = ((double)weft_noise_bits(noise, (uint32_t)token) + 0.5) * 0x1p-32;
    return (float)-log(-log1p(-uniform));
}

/* With u = bits / 2^32: -log(-log(1 - u)) <= -log(u), and a float's own bits, read as a number, are its logarithm to
 * base 2 from below: exact at powers of two and a straight line between them. */
void weft_noise_bounds(struct weft_noise noise, uint32_t first, float bounds[WEFT_NOISE_BLOCK])
{
    float uniforms[WEFT_NOISE_BLOCK];
    int32_t exponents[WEFT_NOISE_BLOCK];
    for (uint32_t i = 0; i < WEFT_NOISE_BLOCK; i++) {
        uniforms[i] = (float)(int32_t)(weft_noise_bits(noise, first + i) >> 1);
    }
    memcpy(exponents, uniforms, sizeof(exponents));
    for (uint32_t i = 0; i < WEFT_NOISE_BLOCK; i++) {
        /* 31: the bits had lost one; 127: a float's bias. The last part is more than all of this is ever rounded by. */
        bounds[i] = (31 + 127) * LN2 - (float)exponents[i] * (LN2 * 0x1p-23f) + 0x1p-10f;
    }
}
