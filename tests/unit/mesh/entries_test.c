/* tests/unit/mesh/entries_test.c - entries are found by their keys, keep their places, and stand in their lists. */
#include "mesh/entries.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/random.h"

#define KEYS 700 /* more than two blocks */

static struct weft_entries entries;

static struct weft_key key_of(uint32_t number)
{
    return (struct weft_key){{(uint8_t)number, (uint8_t)(number >> 8), 0, 0, 0, 0, 0, 9}};
}

/* Each list forwards, and the other way round. */
static size_t count_in_lists(void)
{
    size_t sum = 0;
    for (int list = WEFT_ENTRIES_SPOKEN_OF; list < WEFT_ENTRIES_LISTS; list++) {
        size_t count = 0;
        const struct weft_entry *last = NULL;
        for (struct weft_entry *entry = weft_entries_first(&entries, (enum weft_entry_list)list); entry;
             entry = entry->list_next == 0 ? NULL : weft_entries_at(&entries, entry->list_next - 1)) {
            assert_int_equal(entry->list, list);
            assert_int_equal(entry->list_before, last ? last->place + 1 : 0);
            last = entry;
            count++;
        }
        assert_ptr_equal(weft_entries_last(&entries, (enum weft_entry_list)list), last);
        assert_int_equal(entries.lists[list].count, count);
        sum += count;
    }
    return sum;
}

static void test_anything(void **state)
{
    (void)state;
    static const struct weft_siphash_key secret = {{3}};
    static bool there[KEYS];
    static uint32_t places[KEYS];
    int64_t live = weft_mem_live();
    struct weft_random random;
    size_t count = 0;
    weft_entries_init(&entries, &secret);
    weft_random_init(&random, 1);
    for (int step = 0; step < 20000; step++) {
        uint32_t number = (uint32_t)weft_random_below(&random, KEYS);
        struct weft_key key = key_of(number);
        struct weft_entry *entry = weft_entries_find(&entries, &key);
        assert_true((entry != NULL) == there[number]);
        if (entry) {
            assert_true(weft_key_equal(&entry->key, &key) && entry->place == places[number]);
            assert_ptr_equal(weft_entries_at(&entries, entry->place), entry);
            assert_ptr_equal(weft_entries_by_id(&entries, weft_load64(key.bytes)), entry);
        }
        if (weft_random_below(&random, 3) == 0 && entry) {
            weft_entries_remove(&entries, entry);
            there[number] = false;
            count--;
        } else {
            entry = entry ? entry : weft_entries_add(&entries, &key);
            assert_non_null(entry);
            count += there[number] ? 0 : 1;
            there[number] = true;
            places[number] = entry->place;
            weft_entries_move(&entries, entry, (enum weft_entry_list)(1 + weft_random_below(&random, 6)));
        }
        assert_int_equal(entries.count, count);
    }
    assert_int_equal(count_in_lists(), count);
    uint32_t cursor = 0;
    size_t met = 0;
    while (weft_entries_next(&entries, &cursor)) {
        met++;
    }
    assert_int_equal(met, count);
    assert_true(entries.used <= KEYS); /* places are taken again */
    weft_entries_deinit(&entries);
    assert_int_equal(weft_mem_live(), live);
}

static void test_order_of_a_list(void **state)
{
    (void)state;
    static const struct weft_siphash_key secret;
    struct weft_entry *made[3];
    weft_entries_init(&entries, &secret);
    struct weft_key nobody = key_of(9);
    assert_null(weft_entries_find(&entries, &nobody));
    assert_null(weft_entries_by_id(&entries, 9));
    assert_null(weft_entries_first(&entries, WEFT_ENTRIES_MEMBERS));
    for (uint32_t i = 0; i < 3; i++) {
        struct weft_key key = key_of(i + 1);
        made[i] = weft_entries_add(&entries, &key);
        weft_entries_move(&entries, made[i], WEFT_ENTRIES_MEMBERS);
    }
    weft_entries_move(&entries, made[0], WEFT_ENTRIES_MEMBERS); /* it is there: it stays where it stands */
    assert_ptr_equal(weft_entries_first(&entries, WEFT_ENTRIES_MEMBERS), made[0]);
    weft_entries_move(&entries, made[0], WEFT_ENTRIES_MEMBERS_GONE);
    weft_entries_move(&entries, made[0], WEFT_ENTRIES_MEMBERS); /* it came back: to the end */
    assert_ptr_equal(weft_entries_first(&entries, WEFT_ENTRIES_MEMBERS), made[1]);
    assert_ptr_equal(weft_entries_last(&entries, WEFT_ENTRIES_MEMBERS), made[0]);
    weft_entries_deinit(&entries);
}

static void test_memory_runs_out(void **state)
{
    (void)state;
    static const struct weft_siphash_key secret;
    struct weft_key key = key_of(1);
    weft_entries_init(&entries, &secret);
    for (uint64_t i = 1; i <= 2; i++) {
        weft_mem_fail_at(i);
        assert_null(weft_entries_add(&entries, &key));
        assert_true(weft_mem_failed());
        assert_int_equal(entries.count, 0);
    }
    assert_non_null(weft_entries_add(&entries, &key));
    assert_int_equal(weft_entries_memory(&entries), WEFT_ENTRIES_BLOCK * sizeof(struct weft_entry) + 64 * 4);
    weft_entries_deinit(&entries);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_anything),
        cmocka_unit_test(test_order_of_a_list),
        cmocka_unit_test(test_memory_runs_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
