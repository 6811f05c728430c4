/* tests/unit/base/error_test.c - every error has a phrase of its own. */
#include "base/error.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

static void test_each_has_its_phrase(void **state)
{
    (void)state;
    for (int error = WEFT_ERR_EXISTS; error <= 0; error++) {
        assert_non_null(weft_error_text(error));
        assert_string_not_equal(weft_error_text(error), "unknown error");
        for (int other = WEFT_ERR_EXISTS; other < error; other++) {
            assert_string_not_equal(weft_error_text(error), weft_error_text(other));
        }
    }
    assert_string_equal(weft_error_text(WEFT_ERR_MEMORY), "out of memory");
}

static void test_others_are_unknown(void **state)
{
    (void)state;
    assert_string_equal(weft_error_text(1), "unknown error");
    assert_string_equal(weft_error_text(WEFT_ERR_EXISTS - 1), "unknown error");
    assert_string_equal(weft_error_text(INT32_MIN), "unknown error");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_has_its_phrase),
        cmocka_unit_test(test_others_are_unknown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
