/* tests/unit/mesh/holders_test.c - who announces a model is found, whatever came and went before. */
#include "mesh/holders.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "base/error.h"
#include "base/mem.h"
#include "base/random.h"

static const struct weft_siphash_key secret = {{7}};

static void test_what_a_model_is(void **state)
{
    (void)state;
    struct weft_holders holders;
    uint8_t one[WEFT_HASH_SIZE] = {1}, none[WEFT_HASH_SIZE] = {0};
    weft_holders_init(&holders, &secret);
    /* With a hash the alias says nothing; without one it says all. */
    assert_true(weft_holders_model(&holders, one, WEFT_SLICE("a")) ==
                weft_holders_model(&holders, one, WEFT_SLICE("b")));
    assert_true(weft_holders_model(&holders, none, WEFT_SLICE("a")) !=
                weft_holders_model(&holders, none, WEFT_SLICE("b")));
    assert_true(weft_holders_model(&holders, one, WEFT_SLICE("a")) !=
                weft_holders_model(&holders, none, WEFT_SLICE("a")));
    weft_holders_deinit(&holders);
}

#define MODELS  6
#define ENTRIES 40

static void test_anything(void **state)
{
    (void)state;
    int64_t live = weft_mem_live();
    struct weft_holders holders;
    struct weft_random random;
    static bool holds[MODELS][ENTRIES];
    weft_holders_init(&holders, &secret);
    weft_random_init(&random, 1);
    for (int step = 0; step < 3000; step++) {
        uint64_t model = weft_random_below(&random, MODELS);
        uint32_t entry = (uint32_t)weft_random_below(&random, ENTRIES);
        holds[model][entry] = weft_random_below(&random, 2) == 0;
        if (holds[model][entry]) {
            assert_int_equal(weft_holders_reserve(&holders, 1), 0);
            weft_holders_add(&holders, model, entry);
        } else {
            weft_holders_remove(&holders, model, entry);
        }
        struct weft_holders_range range = weft_holders_find(&holders, model);
        size_t found = 0;
        for (uint32_t i = 0; i < ENTRIES; i++) {
            found += holds[model][i] ? 1 : 0;
        }
        assert_int_equal(range.count, found);
        for (size_t i = 0; i < range.count; i++) {
            assert_true(weft_holders_model_at(&holders, range.first + i) == model);
            assert_true(holds[model][weft_holders_entry(&holders, range.first + i)]);
        }
    }
    weft_holders_deinit(&holders);
    assert_int_equal(weft_mem_live(), live);
}

static void test_ends(void **state)
{
    (void)state;
    struct weft_holders holders;
    uint64_t last = ((uint64_t)1 << 40) - 1;
    weft_holders_init(&holders, &secret);
    weft_mem_fail_at(1);
    assert_int_equal(weft_holders_reserve(&holders, 1), WEFT_ERR_MEMORY);
    assert_int_equal(weft_holders_reserve(&holders, 2), 0);
    weft_holders_add(&holders, last, WEFT_HOLDERS_ENTRY_MAX);
    weft_holders_add(&holders, 0, 0);
    assert_int_equal(weft_holders_find(&holders, last).count, 1);
    assert_int_equal(weft_holders_find(&holders, last).first, 1);
    assert_int_equal(weft_holders_find(&holders, 0).count, 1);
    assert_int_equal(weft_holders_find(&holders, 1).count, 0);
    weft_holders_deinit(&holders);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_a_model_is),
        cmocka_unit_test(test_anything),
        cmocka_unit_test(test_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
