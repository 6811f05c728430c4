/* tests/unit/mesh/by_key_test.c - what is found by a key, and in what order; with and without memory. */
#include "mesh/by_key.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "base/mem.h"

#define MANY ((size_t)1000)

static struct weft_by_key table;
static struct weft_keyed things[3 * MANY];
static int64_t live;

static int begin(void **state)
{
    (void)state;
    live = weft_mem_live();
    weft_by_key_init(&table, &(const struct weft_siphash_key){{7}});
    return 0;
}

static int end(void **state)
{
    (void)state;
    weft_by_key_deinit(&table);
    return weft_mem_live() == live ? 0 : -1;
}

static struct weft_key key_of(size_t number)
{
    struct weft_key key = {{1}};
    memcpy(key.bytes + 1, &number, sizeof(number));
    return key;
}

static void put(size_t thing, size_t key)
{
    things[thing] = (struct weft_keyed){.key = key_of(key)};
    weft_by_key_put(&table, &things[thing]);
}

static struct weft_keyed *first(size_t key)
{
    struct weft_key wanted = key_of(key);
    return weft_by_key_first(&table, &wanted);
}

static void the_last_is_found_first(void **state)
{
    (void)state;
    assert_null(first(1));
    for (size_t i = 0; i < 3; i++) {
        put(i, 1);
    }
    put(3, 2);
    assert_ptr_equal(first(1), &things[2]);
    assert_ptr_equal(weft_by_key_next(&things[2]), &things[1]);
    assert_ptr_equal(weft_by_key_next(&things[1]), &things[0]);
    assert_null(weft_by_key_next(&things[0]));
    weft_by_key_remove(&table, &things[1]);
    assert_ptr_equal(weft_by_key_next(&things[2]), &things[0]);
    weft_by_key_remove(&table, &things[2]);
    assert_ptr_equal(first(1), &things[0]);
    assert_ptr_equal(first(2), &things[3]);
}

/* Three of each key, put in rounds, so that each table that grows has some of each in their order. */
static void put_many(void)
{
    for (size_t i = 0; i < 3 * MANY; i++) {
        put(i, i % MANY);
    }
}

static void remove_many(void)
{
    for (size_t i = 0; i < MANY; i++) {
        assert_ptr_equal(first(i), &things[2 * MANY + i]);
        assert_ptr_equal(weft_by_key_next(&things[2 * MANY + i]), &things[MANY + i]);
        assert_ptr_equal(weft_by_key_next(&things[MANY + i]), &things[i]);
        assert_null(weft_by_key_next(&things[i]));
    }
    for (size_t i = 0; i < 3 * MANY; i++) {
        weft_by_key_remove(&table, &things[i]);
    }
    for (size_t i = 0; i < MANY; i++) {
        assert_null(first(i));
    }
}

/* No chain is long, so each of them is found at once. */
static void many_are_found_at_once(void **state)
{
    (void)state;
    size_t longest = 0;
    put_many();
    assert_true(table.head_count >= table.count);
    for (size_t i = 0; i < table.head_count; i++) {
        size_t length = 0;
        for (const struct weft_keyed *one = table.heads[i]; one; one = one->next) {
            length++;
        }
        longest = length > longest ? length : longest;
    }
    assert_in_range(longest, 3, 18); /* three of each key */
    remove_many();
}

static void without_memory_it_grows_later(void **state)
{
    (void)state;
    for (size_t i = 0; i < WEFT_BY_KEY_HEADS; i++) {
        put(i, i);
    }
    weft_mem_fail_at(1);
    put(WEFT_BY_KEY_HEADS, WEFT_BY_KEY_HEADS);
    assert_true(weft_mem_failed());
    weft_mem_fail_at(0);
    assert_int_equal(table.head_count, WEFT_BY_KEY_HEADS);
    for (size_t i = 0; i <= WEFT_BY_KEY_HEADS; i++) {
        assert_ptr_equal(first(i), &things[i]);
    }
    put(WEFT_BY_KEY_HEADS + 1, 0);
    assert_int_equal(table.head_count, 2 * WEFT_BY_KEY_HEADS);
    assert_ptr_equal(first(0), &things[WEFT_BY_KEY_HEADS + 1]);
    assert_ptr_equal(weft_by_key_next(first(0)), &things[0]);
}

int main(void)
{
#define test(f) cmocka_unit_test_setup_teardown(f, begin, end)
    const struct CMUnitTest tests[] = {
        test(the_last_is_found_first),
        test(many_are_found_at_once),
        test(without_memory_it_grows_later),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
