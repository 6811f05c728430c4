/* tests/unit/engine/noise_test.c - is the noise Gumbel's, and of no kin to its neighbour's? */
#include "engine/noise.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define DRAWS 1000000
#define CELLS 256

/* A series along which only one part of the key moves. */
enum along { ALONG_TOKEN, ALONG_POSITION, ALONG_SEED, ALONG_COUNT };

static uint32_t bits_of(enum along along, uint64_t i)
{
    struct weft_noise noise = weft_noise(along == ALONG_SEED ? i : 42, along == ALONG_POSITION ? i : 3);
    return weft_noise_bits(noise, along == ALONG_TOKEN ? (uint32_t)i : 11);
}

/* Chi-square of cells of equal size, as a standard normal (Wilson and Hilferty). */
static double deviation(const size_t *counts, size_t cells)
{
    double statistic = 0, wanted = (double)DRAWS / (double)cells, freedom = (double)(cells - 1);
    for (size_t i = 0; i < cells; i++) {
        double off = (double)counts[i] - wanted;
        statistic += off * off / wanted;
    }
    return (cbrt(statistic / freedom) - (1 - 2 / (9 * freedom))) / sqrt(2 / (9 * freedom));
}

/* High, middle and low bits alike, and the high bits of two neighbours together. */
static void test_uniform(void **state)
{
    (void)state;
    for (enum along along = 0; along < ALONG_COUNT; along++) {
        size_t high[CELLS] = {0}, middle[CELLS] = {0}, low[CELLS] = {0}, pairs[CELLS] = {0}, far[CELLS] = {0};
        for (uint64_t i = 0; i < DRAWS; i++) {
            uint32_t bits = bits_of(along, i), next = bits_of(along, i + 1), after = bits_of(along, i + 256);
            high[bits >> 24]++;
            middle[bits >> 12 & 255]++;
            low[bits & 255]++;
            pairs[(bits >> 28 << 4) | next >> 28]++;
            far[(bits >> 28 << 4) | after >> 28]++;
        }
        assert_true(fabs(deviation(high, CELLS)) < 4 && fabs(deviation(middle, CELLS)) < 4);
        assert_true(fabs(deviation(low, CELLS)) < 4 && fabs(deviation(pairs, CELLS)) < 4);
        assert_true(fabs(deviation(far, CELLS)) < 4);
    }
}

/* Series with one part of the key changed, side by side: no linear kinship either. */
static void test_correlation(void **state)
{
    (void)state;
    for (enum along other = 0; other < ALONG_COUNT; other++) {
        double sum = 0;
        for (uint64_t i = 0; i < DRAWS; i++) {
            uint64_t seed = 7 + i / 1000, position = i % 1000;
            uint32_t token = (uint32_t)(i * 31 % 49152);
            uint32_t a = weft_noise_bits(weft_noise(seed, position), token);
            uint32_t b = weft_noise_bits(weft_noise(seed + (other == ALONG_SEED), position + (other == ALONG_POSITION)),
                                         token + (other == ALONG_TOKEN));
            sum += ((double)a * 0x1p-32 - 0.5) * ((double)b * 0x1p-32 - 0.5);
        }
        assert_true(fabs(sum * 12 / sqrt(DRAWS)) < 4);
    }
}

static void test_gumbel(void **state)
{
    (void)state;
    double sum = 0, squares = 0;
    struct weft_noise noise = weft_noise(1, 2);
    size_t below[8] = {0};
    for (int32_t i = 0; i < DRAWS; i++) {
        double value = (double)weft_noise_value(noise, i);
        assert_true(value > -3.2 && value < 22.9);
        sum += value;
        squares += value * value;
        double share = exp(-exp(-value)); /* of the distribution: uniform if the value is Gumbel's */
        below[(size_t)(share * 8) & 7]++;
    }
    double mean = sum / DRAWS, variance = squares / DRAWS - mean * mean;
    assert_true(fabs(mean - 0.5772157) < 4 * 1.2825 / sqrt(DRAWS));
    assert_true(fabs(variance - 1.6449341) < 0.02);
    assert_true(fabs(deviation(below, 8)) < 4);
}

/* Never above the bound, and seldom far below it: else nothing could be skipped, or too much would be. */
static void test_bounds(void **state)
{
    (void)state;
    size_t loose = 0, large = 0;
    for (uint64_t position = 0; position < 2000; position++) {
        struct weft_noise noise = weft_noise(9, position);
        float bounds[WEFT_NOISE_BLOCK];
        uint32_t first = (uint32_t)position * WEFT_NOISE_BLOCK;
        weft_noise_bounds(noise, first, bounds);
        for (uint32_t i = 0; i < WEFT_NOISE_BLOCK; i++) {
            float value = weft_noise_value(noise, (int32_t)(first + i));
            assert_true(value < bounds[i]);
            large += value > 3 ? 1 : 0;
            loose += value > 3 && value < bounds[i] - 0.1f ? 1 : 0;
        }
    }
    assert_true(large > 5000 && loose == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_uniform),
        cmocka_unit_test(test_correlation),
        cmocka_unit_test(test_gumbel),
        cmocka_unit_test(test_bounds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
