/* tests/unit/engine/exponential_test.c - beside the C library's, over the whole range. */
#include "engine/exponential.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void test_range(void **state)
{
    (void)state;
    double worst = 0;
    for (int i = 0; i < 64 * 20000; i += WEFT_EXPONENTIAL_BLOCK) {
        float numbers[WEFT_EXPONENTIAL_BLOCK], powers[WEFT_EXPONENTIAL_BLOCK];
        for (int j = 0; j < WEFT_EXPONENTIAL_BLOCK; j++) {
            numbers[j] = powers[j] = (float)(-87.0 * (i + j) / (64 * 20000));
        }
        weft_exponential_block(powers);
        for (int j = 0; j < WEFT_EXPONENTIAL_BLOCK; j++) {
            double off = fabs((double)powers[j] / exp((double)numbers[j]) - 1);
            worst = off > worst ? off : worst;
            assert_true(powers[j] == weft_exponential(numbers[j]));
        }
    }
    assert_true(worst < 2.5e-7);
}

static void test_ends(void **state)
{
    (void)state;
    assert_true(weft_exponential(0) == 1 && weft_exponential(5) == 1 && weft_exponential(INFINITY) == 1);
    float least = weft_exponential(WEFT_EXPONENTIAL_LEAST);
    assert_true(least > 1.6e-38f && weft_exponential(-1e30f) == least && weft_exponential(-INFINITY) == least);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_range), cmocka_unit_test(test_ends)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
