/* engine/exponential.c - e to the power of many numbers at once. */
#include "engine/exponential.h"

#include <stdint.h>
#include <string.h>

#define BLOCK WEFT_EXPONENTIAL_BLOCK
#define LEAST WEFT_EXPONENTIAL_LEAST

/* For LEAST <= x <= 0: 2^n * e^rest with |rest| <= ln(2) / 2, the latter by its Taylor series. Adding and taking away
 * 3 * 2^22 rounds to a whole number, which then also stands in the low bits of the sum. ln(2) is taken away in two
 * parts, so that nothing is lost. */
static inline float exponential(float x)
{
    const float rounder = 12582912.0f;
    float shifted = x * 1.44269504f + rounder, whole = shifted - rounder;
    float rest = x - whole * 0.693359375f;
    rest = rest + whole * 2.12194440e-4f;
    float series = 1.0f / 720.0f;
    series = series * rest + 1.0f / 120.0f;
    series = series * rest + 1.0f / 24.0f;
    series = series * rest + 1.0f / 6.0f;
    series = series * rest + 0.5f;
    series = series * rest + 1.0f;
    series = series * rest + 1.0f;
    uint32_t bits;
    memcpy(&bits, &shifted, sizeof(bits));
    bits = (bits + 127u) << 23;
    float power;
    memcpy(&power, &bits, sizeof(power));
    return series * power;
}

/* One thing per loop: that is what gcc makes vector code of at -O2. */
void weft_exponential_block(float numbers[BLOCK])
{
    for (int i = 0; i < BLOCK; i++) {
        numbers[i] = numbers[i] < 0.0f ? numbers[i] : 0.0f;
    }
    for (int i = 0; i < BLOCK; i++) {
        numbers[i] = numbers[i] < LEAST ? LEAST : numbers[i];
    }
    for (int i = 0; i < BLOCK; i++) {
        numbers[i] = exponential(numbers[i]);
    }
}

float weft_exponential(float number)
{
    float bounded = number < 0.0f ? number : 0.0f;
    return exponential(bounded < LEAST ? LEAST : bounded);
}
