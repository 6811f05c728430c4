/* tests/unit/base/random_test.c - the published generator, number by number, and bounds that are kept. */
#include "base/random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void test_it_is_xoshiro256_starstar(void **state)
{
    (void)state;
    /* The reference implementation's first outputs from the state {1, 2, 3, 4}. */
    static const uint64_t expected[] = {11520, 0, 1509978240, 1215971899390074240};
    struct weft_random random = {.state = {1, 2, 3, 4}};
    for (size_t i = 0; i < WEFT_COUNT(expected); i++) {
        assert_true(weft_random_next(&random) == expected[i]);
    }
}

static void test_the_seed_is_spread_by_splitmix64(void **state)
{
    (void)state;
    struct weft_random random;
    weft_random_init(&random, 0);
    assert_true(random.state[0] == 0xe220a8397b1dcdafu); /* splitmix64's first output for seed 0 */
}

static void test_a_seed_replays_and_another_differs(void **state)
{
    (void)state;
    struct weft_random a, b, c;
    weft_random_init(&a, 5);
    weft_random_init(&b, 5);
    weft_random_init(&c, 6);
    bool differs = false;
    for (int i = 0; i < 100; i++) {
        uint64_t drawn = weft_random_next(&a);
        assert_true(drawn == weft_random_next(&b));
        differs = differs || drawn != weft_random_next(&c);
    }
    assert_true(differs);
}

static void test_below_reaches_all_and_no_more(void **state)
{
    (void)state;
    struct weft_random random;
    size_t seen[7] = {0};
    weft_random_init(&random, 1);
    for (int i = 0; i < 7000; i++) {
        uint64_t drawn = weft_random_below(&random, 7);
        assert_true(drawn < 7);
        seen[drawn]++;
    }
    for (size_t i = 0; i < 7; i++) {
        assert_in_range(seen[i], 800, 1200);
    }
    assert_int_equal(weft_random_below(&random, 1), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_it_is_xoshiro256_starstar),
        cmocka_unit_test(test_the_seed_is_spread_by_splitmix64),
        cmocka_unit_test(test_a_seed_replays_and_another_differs),
        cmocka_unit_test(test_below_reaches_all_and_no_more),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
