/* tests/unit/engine/candidates_test.c - order, places, masses and winners, beside a full sort. */
#include "engine/candidates.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/error.h"
#include "base/random.h"

#define VOCABULARY_MAX 5000

static float logits[VOCABULARY_MAX];
static int32_t sorted[VOCABULARY_MAX];
static size_t sorted_count;

static int by_logit(const void *left, const void *right)
{
    int32_t a = *(const int32_t *)left, b = *(const int32_t *)right;
    if (logits[a] != logits[b]) {
        return logits[a] > logits[b] ? -1 : 1;
    }
    return a < b ? -1 : 1;
}

static struct weft_candidates *random_candidates(struct weft_random *random, int32_t *vocabulary)
{
    uint64_t steps = weft_random_below(random, 2) ? 5 : 100000; /* few: many are equal */
    *vocabulary = 1 + (int32_t)weft_random_below(random, VOCABULARY_MAX);
    sorted_count = 0;
    for (int32_t i = 0; i < *vocabulary; i++) {
        float logit = (float)weft_random_below(random, steps) * 10 / (float)steps;
        logits[i] = i > 0 && weft_random_below(random, 4) == 0 ? -INFINITY : logit;
        if (!isinf(logits[i])) {
            sorted[sorted_count++] = i;
        }
    }
    qsort(sorted, sorted_count, sizeof(sorted[0]), by_logit);
    struct weft_candidates *candidates;
    assert_int_equal(weft_candidates_new(&candidates, *vocabulary), 0);
    (void)weft_candidates_load(candidates, logits); /* nothing is to be changed in it */
    assert_int_equal(weft_candidates_sort(candidates), 0);
    return candidates;
}

static void test_order(void **state)
{
    (void)state;
    struct weft_random random;
    weft_random_init(&random, 8);
    for (int round = 0; round < 400; round++) {
        int32_t vocabulary, token;
        struct weft_candidates *candidates = random_candidates(&random, &vocabulary);
        assert_int_equal(weft_candidates_first(candidates).token, sorted[0]);
        for (size_t i = 0; i < sorted_count; i += 1 + (size_t)weft_random_below(&random, 40)) {
            assert_int_equal(weft_candidates_at(candidates, i, &token), 0);
            assert_int_equal(token, sorted[i]);
        }
        assert_int_equal(weft_candidates_at(candidates, sorted_count, &token), 0);
        assert_int_equal(token, -1);
        for (int i = 0; i < 20; i++) {
            struct weft_place place;
            size_t count = 1 + (size_t)weft_random_below(&random, i % 2 ? 30 : (uint64_t)vocabulary);
            assert_int_equal(weft_candidates_place(candidates, count, &place), 0);
            size_t held = 0;
            for (int32_t j = 0; j < vocabulary; j++) {
                held += weft_place_holds(place, logits[j], j) ? 1 : 0;
            }
            assert_int_equal(held, count < sorted_count ? count : sorted_count);
            assert_true(weft_place_holds(place, logits[sorted[held - 1]], sorted[held - 1]));
        }
        weft_candidates_free(candidates);
    }
}

static void test_mass(void **state)
{
    (void)state;
    struct weft_random random;
    weft_random_init(&random, 9);
    for (int round = 0; round < 300; round++) {
        int32_t vocabulary;
        struct weft_candidates *candidates = random_candidates(&random, &vocabulary);
        size_t at = (size_t)weft_random_below(&random, sorted_count);
        struct weft_place place = {.logit = logits[sorted[at]], .token = sorted[at]};
        struct weft_scale scale = {.top = logits[sorted[0]], .factor = 1 / 0.7f};
        double before = 0, behind = 0;
        for (size_t i = 0; i < sorted_count; i++) {
            double weight = exp((double)weft_scaled(scale, logits[sorted[i]]));
            before += i <= at ? weight : 0;
            behind += i <= at ? 0 : weight;
        }
        assert_true(fabs(weft_candidates_mass(candidates, scale, place) - before) < 1e-6 * before);
        assert_true(fabs(weft_candidates_mass_behind(candidates, scale, place) - behind) < 1e-6 * behind + 1e-30);
        weft_candidates_free(candidates);
    }
}

static void test_winners(void **state)
{
    (void)state;
    struct weft_random random;
    weft_random_init(&random, 10);
    for (int round = 0; round < 300; round++) {
        int32_t vocabulary;
        struct weft_candidates *candidates = random_candidates(&random, &vocabulary);
        struct weft_noise noise = weft_noise(1, (uint64_t)round);
        struct weft_scale scale = {.top = logits[sorted[0]], .factor = 1};
        size_t last = (size_t)weft_random_below(&random, sorted_count), count = 0;
        struct weft_place place = {.logit = logits[sorted[last]], .token = sorted[last]};
        float least = round % 2 ? -INFINITY : -3;
        struct weft_candidate expected = {.value = -INFINITY, .token = -1};
        for (size_t i = 0; i <= last; i++) {
            float scaled = weft_scaled(scale, logits[sorted[i]]), value = scaled + weft_noise_value(noise, sorted[i]);
            bool wins = value > expected.value || (value == expected.value && sorted[i] < expected.token);
            if (scaled >= least && wins) {
                expected = (struct weft_candidate){.value = value, .token = sorted[i]};
            }
        }
        struct weft_candidate best = weft_candidates_best(candidates, scale, place, least, noise);
        assert_int_equal(best.token, expected.token);
        assert_true(best.value == expected.value);
        static uint8_t refused[VOCABULARY_MAX];
        const struct weft_candidate *better;
        size_t wanted = 0;
        for (int32_t i = 0; i < vocabulary; i++) {
            float scaled = weft_scaled(scale, logits[i]), value = scaled + weft_noise_value(noise, i);
            refused[i] = weft_random_below(&random, 3) == 0;
            wanted += !refused[i] && !isinf(logits[i]) && scaled >= least && value > best.value ? 1 : 0;
        }
        assert_int_equal(weft_candidates_better(candidates, scale, least, noise, best, refused, &better, &count), 0);
        assert_int_equal(count, wanted); /* no two are equal in these rounds */
        for (size_t i = 0; i < count; i++) {
            assert_true(!refused[better[i].token] && better[i].value > best.value);
            assert_true(i == 0 || better[i].value <= better[i - 1].value);
        }
        weft_candidates_free(candidates);
    }
}

static void test_no_numbers(void **state)
{
    (void)state;
    struct weft_candidates *candidates;
    assert_int_equal(weft_candidates_new(&candidates, 70), 0);
    const float bad[] = {NAN, INFINITY, -INFINITY};
    for (size_t i = 0; i < WEFT_COUNT(bad); i++) {
        float some[70] = {0};
        for (size_t j = 0; j < WEFT_COUNT(some); j++) {
            some[j] = j == 69 || i == 2 ? bad[i] : 0;
        }
        (void)weft_candidates_load(candidates, some); /* as it is */
        assert_int_equal(weft_candidates_sort(candidates), WEFT_ERR_INVALID);
    }
    weft_candidates_free(candidates);
    weft_candidates_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order),
        cmocka_unit_test(test_mass),
        cmocka_unit_test(test_winners),
        cmocka_unit_test(test_no_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
