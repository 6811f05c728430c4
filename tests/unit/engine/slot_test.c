/* tests/unit/engine/slot_test.c - which free slot reads a prompt, and what it keeps. */
#include "engine/slot.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define SLOTS 4
#define IDS   64

static int32_t ids[SLOTS][IDS];
static struct weft_slot slots[SLOTS];
static struct weft_task *const somebody = (struct weft_task *)(void *)slots; /* never looked into */

/* Slot i has read `count` ids that are those of conversation `first` up to `shared`, and its own after that. */
static void holds(size_t i, int32_t first, size_t shared, size_t count, uint64_t used)
{
    for (size_t j = 0; j < IDS; j++) {
        ids[i][j] = j < shared ? first + (int32_t)j : 1000 * (int32_t)(i + 1) + (int32_t)j;
    }
    slots[i] = (struct weft_slot){.ids = ids[i], .count = count, .used = used};
}

static int set_up(void **state)
{
    (void)state;
    for (size_t i = 0; i < SLOTS; i++) {
        holds(i, 0, 0, 0, 0);
    }
    return 0;
}

static struct weft_slot_choice choose(int32_t first, size_t limit, size_t copy_rows)
{
    int32_t prompt[IDS];
    for (size_t j = 0; j < IDS; j++) {
        prompt[j] = first + (int32_t)j;
    }
    struct weft_slot_choice choice;
    assert_int_equal(weft_slot_choose(slots, SLOTS, prompt, limit, copy_rows, &choice), 1);
    assert_null(slots[choice.slot].task);
    return choice;
}

static void none_is_free(void **state)
{
    (void)state;
    for (size_t i = 0; i < SLOTS; i++) {
        slots[i].task = somebody;
    }
    struct weft_slot_choice choice;
    assert_int_equal(weft_slot_choose(slots, SLOTS, ids[0], 1, 0, &choice), 0);
}

static void empty_ones_are_taken_in_order(void **state)
{
    (void)state;
    for (size_t i = 0; i < SLOTS; i++) {
        struct weft_slot_choice choice = choose(500, 10, 0);
        assert_int_equal(choice.slot, i);
        assert_int_equal(choice.kept, 0);
        slots[i].task = somebody;
    }
}

static void a_conversation_goes_on_where_it_was(void **state)
{
    (void)state;
    holds(0, 1, 10, 10, 3);
    holds(1, 500, 20, 24, 2); /* 4 at its end were another answer */
    holds(2, 500, 8, 30, 1);
    struct weft_slot_choice choice = choose(500, 40, 0);
    assert_int_equal(choice.slot, 1);
    assert_int_equal(choice.source, 1);
    assert_int_equal(choice.kept, 20);
    /* At least the last token of a prompt is read anew. */
    assert_int_equal(choose(500, 19, 0).kept, 19);
}

static void what_another_conversation_will_want_again_is_copied_not_cut(void **state)
{
    (void)state;
    holds(0, 500, 10, 40, 9);
    struct weft_slot_choice choice = choose(500, 40, 3);
    assert_int_equal(choice.slot, 1);
    assert_int_equal(choice.source, 0);
    assert_int_equal(choice.kept, 10);
    /* A copy that takes longer than reading is not made. */
    choice = choose(500, 40, 10);
    assert_int_equal(choice.slot, 1);
    assert_int_equal(choice.kept, 0);
    /* All of the prompt is there: it is asked again. */
    choice = choose(500, 10, 3);
    assert_int_equal(choice.slot, 0);
    assert_int_equal(choice.kept, 10);
}

static void a_busy_slot_gives_copies(void **state)
{
    (void)state;
    holds(0, 500, 30, 30, 9);
    slots[0].task = somebody;
    struct weft_slot_choice choice = choose(500, 29, 3);
    assert_int_equal(choice.slot, 1);
    assert_int_equal(choice.source, 0);
    assert_int_equal(choice.kept, 29);
}

static void a_much_longer_beginning_elsewhere_is_worth_a_copy(void **state)
{
    (void)state;
    holds(0, 500, 5, 5, 1);
    holds(1, 500, 30, 30, 9);
    slots[1].task = somebody;
    struct weft_slot_choice choice = choose(500, 40, 3);
    assert_int_equal(choice.source, 1);
    assert_int_equal(choice.kept, 30);
    assert_int_equal(choose(500, 40, 25).slot, 0);
}

static void the_oldest_is_overwritten_but_neighbours_of_busy_ones_first(void **state)
{
    (void)state;
    for (size_t i = 0; i < SLOTS; i++) {
        holds(i, 0, 0, 20, 10 - i);
    }
    assert_int_equal(choose(500, 40, 3).slot, 3);
    slots[0].task = somebody;
    assert_int_equal(choose(500, 40, 3).slot, 1);
}

static void the_only_slot_keeps_what_it_can(void **state)
{
    (void)state;
    for (size_t i = 1; i < SLOTS; i++) {
        slots[i].task = somebody;
    }
    holds(0, 500, 10, 40, 9);
    struct weft_slot_choice choice = choose(500, 40, 3);
    assert_int_equal(choice.slot, 0);
    assert_int_equal(choice.source, 0);
    assert_int_equal(choice.kept, 10);
}

static bool await(size_t shared, size_t limit, size_t least)
{
    int32_t prompt[IDS];
    for (size_t j = 0; j < IDS; j++) {
        prompt[j] = j < shared ? 500 + (int32_t)j : 1;
    }
    return weft_slot_await(slots, SLOTS, prompt, limit, least);
}

static void what_will_be_read_soon_is_awaited(void **state)
{
    (void)state;
    holds(0, 500, 40, 3, 9);
    slots[0].want = 50;
    assert_false(await(30, 60, 4)); /* nobody reads on in a free slot */
    slots[0].task = somebody;
    assert_true(await(30, 60, 4));
    assert_int_equal(slots[0].awaited, 30);
    assert_true(await(20, 60, 4)); /* who can go on first */
    assert_int_equal(slots[0].awaited, 20);
    assert_true(await(25, 60, 4));
    assert_int_equal(slots[0].awaited, 20);
    assert_false(await(7, 60, 4)); /* three of them are there */
    assert_true(await(8, 60, 4));
    assert_false(await(30, 7, 4)); /* the others are read anew in any case */
    assert_false(await(0, 60, 4));
    holds(1, 500, 30, 28, 1);
    assert_false(await(30, 60, 4)); /* another one holds most of it */
    slots[0].want = slots[0].count; /* it reads no more */
    slots[1].count = 0;
    assert_false(await(30, 60, 4));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(none_is_free, set_up),
        cmocka_unit_test_setup(empty_ones_are_taken_in_order, set_up),
        cmocka_unit_test_setup(a_conversation_goes_on_where_it_was, set_up),
        cmocka_unit_test_setup(what_another_conversation_will_want_again_is_copied_not_cut, set_up),
        cmocka_unit_test_setup(a_busy_slot_gives_copies, set_up),
        cmocka_unit_test_setup(a_much_longer_beginning_elsewhere_is_worth_a_copy, set_up),
        cmocka_unit_test_setup(the_oldest_is_overwritten_but_neighbours_of_busy_ones_first, set_up),
        cmocka_unit_test_setup(the_only_slot_keeps_what_it_can, set_up),
        cmocka_unit_test_setup(what_will_be_read_soon_is_awaited, set_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
