/* tests/unit/base/types_test.c - slices compared. */
#include "base/types.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void test_equal(void **state)
{
    (void)state;
    struct weft_slice empty = weft_slice(NULL, 0);
    assert_true(weft_slice_equal(empty, WEFT_SLICE("")));
    assert_false(weft_slice_equal(empty, WEFT_SLICE("a")));
    assert_true(weft_slice_equal(WEFT_SLICE("a\0b"), WEFT_SLICE("a\0b")));
    assert_false(weft_slice_equal(WEFT_SLICE("a\0b"), WEFT_SLICE("a\0c")));
    assert_false(weft_slice_equal(WEFT_SLICE("ab"), WEFT_SLICE("aB")));
    assert_int_equal(weft_slice_text("abc").size, 3);
}

static void test_equal_nocase(void **state)
{
    (void)state;
    assert_true(weft_slice_equal_nocase(weft_slice(NULL, 0), WEFT_SLICE("")));
    assert_true(weft_slice_equal_nocase(WEFT_SLICE("Content-TYPE"), WEFT_SLICE("content-type")));
    assert_false(weft_slice_equal_nocase(WEFT_SLICE("a"), WEFT_SLICE("ab")));
    /* Only letters have cases: neither what stands 32 away from them, nor bytes past ASCII. */
    for (int i = 0; i < 256; i++) {
        for (int j = 0; j < 256; j++) {
            char a = (char)i, b = (char)j;
            bool letters = (i >= 'a' && i <= 'z' && j == i - 32) || (j >= 'a' && j <= 'z' && i == j - 32);
            assert_int_equal(weft_slice_equal_nocase(weft_slice(&a, 1), weft_slice(&b, 1)), i == j || letters);
        }
    }
}

static void test_starts(void **state)
{
    (void)state;
    assert_true(weft_slice_starts(WEFT_SLICE("abc"), WEFT_SLICE("")));
    assert_true(weft_slice_starts(WEFT_SLICE("abc"), WEFT_SLICE("abc")));
    assert_true(weft_slice_starts(WEFT_SLICE("abc"), WEFT_SLICE("ab")));
    assert_false(weft_slice_starts(WEFT_SLICE("ab"), WEFT_SLICE("abc")));
    assert_false(weft_slice_starts(WEFT_SLICE("abc"), WEFT_SLICE("b")));
    assert_true(weft_slice_starts(weft_slice(NULL, 0), weft_slice(NULL, 0)));
}

static void test_container(void **state)
{
    (void)state;
    struct outer {
        int before;
        struct weft_slice member;
    } outer = {.before = 1};
    assert_ptr_equal(WEFT_CONTAINER(&outer.member, struct outer, member), &outer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_equal),
        cmocka_unit_test(test_equal_nocase),
        cmocka_unit_test(test_starts),
        cmocka_unit_test(test_container),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
