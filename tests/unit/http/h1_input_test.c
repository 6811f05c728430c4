/* tests/unit/http/h1_input_test.c - kept bytes: in order, in one piece, and without memory when there are none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/error.h"
#include "base/mem.h"
#include "http/h1_input.h"

static void test_first_in_first_out(void **state)
{
    (void)state;
    struct weft_h1_input input = {0};
    unsigned char next_in = 0, next_out = 0;
    size_t size = 0;
    for (size_t round = 0; round < 2000; round++) {
        char piece[61];
        size_t in = round % sizeof(piece);
        for (size_t i = 0; i < in; i++) {
            piece[i] = (char)next_in++;
        }
        assert_int_equal(weft_h1_input_append(&input, weft_slice(piece, in)), 0);
        size += in;
        struct weft_slice view = weft_h1_input_view(&input);
        assert_int_equal(view.size, size);
        size_t out = size < 31 ? size : 31;
        for (size_t i = 0; i < out; i++) {
            assert_int_equal((unsigned char)view.data[i], next_out++);
        }
        weft_h1_input_drop(&input, out);
        size -= out;
    }
    weft_h1_input_clear(&input);
}

static void test_empty_holds_nothing(void **state)
{
    (void)state;
    int64_t live = weft_mem_live();
    struct weft_h1_input input = {0};
    assert_int_equal(weft_h1_input_append(&input, (struct weft_slice){0}), 0);
    assert_int_equal(weft_mem_live(), live);
    assert_int_equal(weft_h1_input_append(&input, WEFT_SLICE("abc")), 0);
    assert_int_equal(weft_mem_live(), live + 1);
    weft_h1_input_drop(&input, 2);
    assert_int_equal(weft_mem_live(), live + 1);
    weft_h1_input_drop(&input, 1);
    assert_int_equal(weft_mem_live(), live);
    assert_int_equal(weft_h1_input_view(&input).size, 0);
}

static void test_no_memory_changes_nothing(void **state)
{
    (void)state;
    struct weft_h1_input input = {0};
    assert_int_equal(weft_h1_input_append(&input, WEFT_SLICE("abc")), 0);
    static const char large[100000];
    weft_mem_fail_at(1);
    assert_int_equal(weft_h1_input_append(&input, weft_slice(large, sizeof(large))), WEFT_ERR_MEMORY);
    weft_mem_fail_at(0);
    assert_int_equal(weft_h1_input_view(&input).size, 3);
    assert_memory_equal(weft_h1_input_view(&input).data, "abc", 3);
    weft_h1_input_clear(&input);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_first_in_first_out),
        cmocka_unit_test(test_empty_holds_nothing),
        cmocka_unit_test(test_no_memory_changes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
