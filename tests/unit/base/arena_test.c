/* tests/unit/base/arena_test.c - memory that is given back all at once. */
#include "base/arena.h"

#include <setjmp.h>
#include <stdalign.h>
#include <stdarg.h>

#include <cmocka.h>

#include "base/mem.h"

static void test_pieces_are_apart_and_aligned(void **state)
{
    (void)state;
    struct weft_arena arena;
    weft_arena_init(&arena);
    int64_t live = weft_mem_live();
    enum { PIECES = 600 };
    static unsigned char *pieces[PIECES];
    static size_t sizes[PIECES];
    for (size_t i = 0; i < PIECES; i++) {
        /* Small ones, some around a chunk's size, some far over it. */
        sizes[i] = i % 50 == 7 ? (size_t)WEFT_ARENA_CHUNK - 40 + i % 41 : i % 50 == 8 ? 5000 : i % 37;
        pieces[i] = weft_arena_alloc(&arena, sizes[i]);
        assert_non_null(pieces[i]);
        assert_int_equal((uintptr_t)pieces[i] % alignof(max_align_t), 0);
        memset(pieces[i], (int)(i & 0xFF), sizes[i]);
    }
    for (size_t i = 0; i < PIECES; i++) { /* nothing was written over */
        for (size_t j = 0; j < sizes[i]; j++) {
            assert_int_equal(pieces[i][j], i & 0xFF);
        }
    }
    assert_true(weft_mem_live() - live < PIECES / 4); /* chunks, not pieces */
    weft_arena_deinit(&arena);
    assert_int_equal(weft_mem_live(), live);
    weft_arena_deinit(&arena); /* twice is fine */
}

static void test_a_large_piece_leaves_the_chunk_in_use(void **state)
{
    (void)state;
    struct weft_arena arena;
    weft_arena_init(&arena);
    int64_t live = weft_mem_live();
    assert_non_null(weft_arena_alloc(&arena, 16));
    assert_non_null(weft_arena_alloc(&arena, (size_t)10 * WEFT_ARENA_CHUNK));
    assert_non_null(weft_arena_alloc(&arena, 16));
    assert_int_equal(weft_mem_live(), live + 2);
    weft_arena_deinit(&arena);
    assert_int_equal(weft_mem_live(), live);
}

static void test_copy_and_print(void **state)
{
    (void)state;
    struct weft_arena arena;
    weft_arena_init(&arena);
    struct weft_slice copy = weft_arena_copy(&arena, WEFT_SLICE("a\0b"));
    assert_int_equal(copy.size, 3);
    assert_memory_equal(copy.data, "a\0b\0", 4);
    copy = weft_arena_copy(&arena, weft_slice(NULL, 0));
    assert_int_equal(copy.size, 0);
    assert_string_equal(copy.data, "");
    struct weft_slice text = weft_arena_print(&arena, "%d-%s", 42, "x");
    assert_int_equal(text.size, 4);
    assert_string_equal(text.data, "42-x");
    text = weft_arena_print(&arena, "%5000d", 7);
    assert_int_equal(text.size, 5000);
    assert_int_equal(text.data[4999], '7');
    assert_int_equal(text.data[5000], '\0');
    weft_arena_deinit(&arena);
}

static void test_out_of_memory(void **state)
{
    (void)state;
    struct weft_arena arena;
    weft_arena_init(&arena);
    int64_t live = weft_mem_live();
    weft_mem_fail_at(1);
    assert_null(weft_arena_alloc(&arena, 1));
    assert_non_null(weft_arena_alloc(&arena, 1)); /* the arena is as usable as before */
    weft_mem_fail_at(1);
    assert_null(weft_arena_copy(&arena, weft_slice((char[3000]){0}, 3000)).data);
    weft_mem_fail_at(1);
    assert_null(weft_arena_print(&arena, "%3000d", 1).data);
    weft_mem_fail_at(0);
    assert_int_equal(weft_mem_live(), live + 1);
    weft_arena_deinit(&arena);
    assert_int_equal(weft_mem_live(), live);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pieces_are_apart_and_aligned),
        cmocka_unit_test(test_a_large_piece_leaves_the_chunk_in_use),
        cmocka_unit_test(test_copy_and_print),
        cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
