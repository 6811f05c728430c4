/* tests/unit/base/types_test.c - slices compared, errors with words, and the one door to the heap. */
#include "base/types.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "base/error.h"
#include "base/mem.h"

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

static void test_every_error_has_its_own_words(void **state)
{
    (void)state;
    for (int error = WEFT_ERR_EXISTS; error <= WEFT_OK; error++) {
        assert_true(strlen(weft_error_text(error)) > 0);
        for (int other = WEFT_ERR_EXISTS; other < error; other++) {
            assert_string_not_equal(weft_error_text(error), weft_error_text(other));
        }
    }
    assert_non_null(weft_error_text(1));
    assert_non_null(weft_error_text(WEFT_ERR_EXISTS - 1));
    assert_non_null(weft_error_text(-1000000));
}

static void test_memory_fails_when_told(void **state)
{
    (void)state;
    int64_t live = weft_mem_live();
    weft_mem_fail_at(2);
    char *first = weft_alloc(0); /* even nothing is something */
    assert_non_null(first);
    assert_false(weft_mem_failed());
    assert_null(weft_zalloc(8));
    assert_true(weft_mem_failed());
    char *second = weft_zalloc(8); /* once only */
    assert_non_null(second);
    assert_memory_equal(second, "\0\0\0\0\0\0\0\0", 8);
    assert_int_equal(weft_mem_live(), live + 2);

    memcpy(second, "1234567", 8);
    weft_mem_fail_at(1);
    assert_null(weft_realloc(second, 100));
    assert_string_equal(second, "1234567"); /* a realloc that fails leaves what was there */
    second = weft_realloc(second, 100);
    assert_non_null(second);
    assert_string_equal(second, "1234567");
    assert_int_equal(weft_mem_live(), live + 2);
    char *third = weft_realloc(NULL, 5);
    assert_non_null(third);
    assert_int_equal(weft_mem_live(), live + 3);
    weft_mem_fail_at(1);
    weft_mem_fail_at(0);
    char *fourth = weft_calloc(3, 4);
    assert_non_null(fourth);
    weft_free(first);
    weft_free(second);
    weft_free(third);
    weft_free(fourth);
    weft_free(NULL);
    assert_int_equal(weft_mem_live(), live);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_equal),
        cmocka_unit_test(test_equal_nocase),
        cmocka_unit_test(test_starts),
        cmocka_unit_test(test_container),
        cmocka_unit_test(test_every_error_has_its_own_words),
        cmocka_unit_test(test_memory_fails_when_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
