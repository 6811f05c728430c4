/* tests/unit/engine/logits_test.c - totals, the likeliest and ranks, beside sums in double and a full sort. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/random.h"
#include "engine/sampler.h"
#include "wire/native.h"

#define VOCABULARY_MAX 3000

static float logits[VOCABULARY_MAX];

static int by_logit(const void *left, const void *right)
{
    int32_t a = *(const int32_t *)left, b = *(const int32_t *)right;
    if (logits[a] != logits[b]) {
        return logits[a] > logits[b] ? -1 : 1;
    }
    return a < b ? -1 : 1;
}

static void test_random(void **state)
{
    (void)state;
    struct weft_random random;
    weft_random_init(&random, 4);
    for (int round = 0; round < 300; round++) {
        int32_t vocabulary = 20 + (int32_t)weft_random_below(&random, VOCABULARY_MAX - 20), sorted[VOCABULARY_MAX];
        double sum = 0;
        for (int32_t i = 0; i < vocabulary; i++) {
            double logit = ((double)weft_random_below(&random, 1000) - 700) / (round % 2 ? 10 : 100);
            logits[i] = round % 5 == 0 && i % 3 == 0 ? -INFINITY : (float)logit;
            sum += exp((double)logits[i]);
            sorted[i] = i;
        }
        qsort(sorted, (size_t)vocabulary, sizeof(sorted[0]), by_logit);
        double total = weft_logits_total(logits, vocabulary);
        assert_true(fabs(total - log(sum)) < 1e-6);
        int32_t top[WEFT_NATIVE_LOGPROBS_MAX];
        size_t count = (size_t)weft_random_below(&random, WEFT_NATIVE_LOGPROBS_MAX + 1);
        weft_logits_top(logits, vocabulary, top, count);
        for (size_t i = 0; i < count; i++) {
            assert_int_equal(top[i], sorted[i]);
        }
        int32_t place = (int32_t)weft_random_below(&random, (uint64_t)vocabulary);
        int32_t rank = weft_logits_rank(logits, vocabulary, sorted[place]);
        assert_true(rank <= place && logits[sorted[rank]] == logits[sorted[place]]);
        assert_true(rank == 0 || logits[sorted[rank - 1]] > logits[sorted[place]]);
    }
}

static void test_no_numbers(void **state)
{
    (void)state;
    const float none[3] = {-INFINITY, -INFINITY, -INFINITY}, some[3] = {NAN, 1, 2};
    int32_t top[3];
    assert_true(weft_logits_total(none, 3) == -INFINITY);
    weft_logits_top(none, 3, top, 3);
    assert_true(top[0] == 0 && top[1] == 1 && top[2] == 2);
    weft_logits_top(some, 3, top, 3);
    assert_true(top[0] == 2 && top[1] == 1 && top[2] == 0);
    assert_int_equal(weft_logits_rank(some, 3, 0), 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_random), cmocka_unit_test(test_no_numbers)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
