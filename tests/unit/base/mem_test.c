/* tests/unit/base/mem_test.c - allocations are counted, and fail when told to. */
#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void test_live_counts_what_is_not_freed(void **state)
{
    (void)state;
    assert_int_equal(weft_mem_live(), 0);
    char *a = weft_alloc(10), *b = weft_calloc(3, 5), *c = weft_realloc(NULL, 7);
    assert_true(a && b && c);
    assert_int_equal(weft_mem_live(), 3);
    memset(c, 'c', 7);
    c = weft_realloc(c, 70000);
    assert_non_null(c);
    assert_int_equal(c[6], 'c');
    assert_int_equal(weft_mem_live(), 3);
    weft_free(a);
    weft_free(b);
    weft_free(c);
    weft_free(NULL);
    assert_int_equal(weft_mem_live(), 0);
}

static void test_zeroed_is_zero(void **state)
{
    (void)state;
    char *dirty = weft_alloc(64);
    assert_non_null(dirty);
    memset(dirty, 'x', 64);
    weft_free(dirty);
    static const char zeros[64];
    char *clean = weft_zalloc(64);
    assert_non_null(clean);
    assert_memory_equal(clean, zeros, 64);
    weft_free(clean);
}

static void test_nothing_is_still_a_pointer(void **state)
{
    (void)state;
    void *a = weft_alloc(0), *b = weft_calloc(0, 8), *c = weft_calloc(8, 0);
    assert_true(a && b && c);
    a = weft_realloc(a, 0);
    assert_non_null(a);
    weft_free(a);
    weft_free(b);
    weft_free(c);
    assert_int_equal(weft_mem_live(), 0);
}

static void test_the_nth_fails_once(void **state)
{
    (void)state;
    weft_mem_fail_at(3);
    void *first = weft_alloc(1), *second = weft_calloc(1, 1);
    assert_true(first && second);
    assert_false(weft_mem_failed());
    void *kept = weft_realloc(first, 100);
    assert_null(kept);
    assert_true(weft_mem_failed());
    void *after = weft_zalloc(1); /* once only */
    assert_non_null(after);
    weft_mem_fail_at(0);
    assert_false(weft_mem_failed());
    weft_free(first); /* a realloc that failed left it */
    weft_free(second);
    weft_free(after);
    assert_int_equal(weft_mem_live(), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_live_counts_what_is_not_freed),
        cmocka_unit_test(test_zeroed_is_zero),
        cmocka_unit_test(test_nothing_is_still_a_pointer),
        cmocka_unit_test(test_the_nth_fails_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
