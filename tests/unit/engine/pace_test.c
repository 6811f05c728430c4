/* tests/unit/engine/pace_test.c - how large steps get, on machines that exist only as numbers. */
#include "engine/pace.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static struct weft_pace pace;
static weft_time now;

/* A machine: what each row costs, and what a step costs beside. Cores that are gone make all of it longer. */
struct machine {
    weft_time row_us, step_us, copy_us;
    int times;
};

static int step(const struct machine *machine, size_t writing, size_t reading, size_t copies)
{
    weft_time took = machine->step_us + machine->row_us * (weft_time)(writing + reading);
    took = (took + machine->copy_us * (weft_time)copies) * machine->times;
    now += took;
    return weft_pace_learn(&pace, &(struct weft_pace_step){writing, reading, copies, took}, now);
}

static void begin(int32_t threads)
{
    now = WEFT_SECOND;
    weft_pace_init(&pace, threads, 100 * 1000 * 1000);
}

static void assert_near(double value, double expected, double tolerance)
{
    assert_true(value > expected * (1 - tolerance) && value < expected * (1 + tolerance));
}

static void steps_with_prompts_take_their_time_and_no_more(void **state)
{
    (void)state;
    const weft_time rows[] = {50, 700, 4000};
    for (size_t i = 0; i < WEFT_COUNT(rows); i++) {
        const struct machine machine = {.row_us = rows[i], .step_us = 5000, .times = 1};
        begin(1);
        size_t budget = 0;
        for (int j = 0; j < 40; j++) {
            assert_int_equal(step(&machine, 2, 0, 0), 0);
            budget = weft_pace_budget(&pace, 2, 1, false);
            assert_int_equal(step(&machine, 2, budget, 0), 0);
        }
        double took = (double)(machine.step_us + machine.row_us * (weft_time)(2 + budget));
        if (budget < WEFT_PACE_ROWS_MAX - 2) {
            assert_near(took, (double)WEFT_PACE_STEP, 0.1);
        } else {
            assert_true(took < (double)WEFT_PACE_STEP); /* as many rows as there may be */
        }
    }
}

static void where_writing_takes_that_long_alone_prompts_still_get_on(void **state)
{
    (void)state;
    const struct machine machine = {.row_us = 10000, .step_us = 0, .times = 1};
    begin(1);
    for (int j = 0; j < 20; j++) {
        assert_int_equal(step(&machine, 8, 0, 0), 0);
        assert_int_equal(step(&machine, 8, 4, 0), 0);
    }
    assert_int_equal(weft_pace_budget(&pace, 8, 1, false), 4); /* half as long again */
    assert_int_equal(weft_pace_budget(&pace, 8, 6, false), 6); /* and one row for each at least */
}

/* An engine that was started for answers that were cut has read, but never only written. */
static void before_anything_was_written_a_row_is_a_row(void **state)
{
    (void)state;
    const struct machine machine = {.row_us = 4000, .step_us = 0, .times = 1};
    begin(1);
    assert_int_equal(step(&machine, 0, 64, 0), 0);
    for (int i = 0; i < 20; i++) {
        assert_int_equal(weft_pace_budget(&pace, 8, 1, false), 12);
        assert_int_equal(step(&machine, 8, 12, 0), 0);
    }
    assert_near(pace.beside, 1, 0.01);
}

static void a_cancel_waits_for_less_than_a_tenth_of_a_second(void **state)
{
    (void)state;
    const struct machine machine = {.row_us = 1000, .step_us = 0, .times = 1};
    begin(1);
    assert_int_equal(step(&machine, 0, 64, 0), 0);
    assert_int_equal(weft_pace_budget(&pace, 0, 1, true), 80);
    /* One that only reads can be broken off: its pieces are those that are read fastest. */
    const struct machine slow = {.row_us = 4000, .step_us = 0, .times = 1};
    begin(1);
    assert_int_equal(step(&slow, 0, 64, 0), 0);
    assert_int_equal(weft_pace_budget(&pace, 0, 1, true), 20);
    assert_int_equal(weft_pace_budget(&pace, 0, 2, false), 250);
    /* But it still shows signs of life. */
    const struct machine slower = {.row_us = 100000, .step_us = 0, .times = 1};
    begin(1);
    assert_int_equal(step(&slower, 0, 64, 0), 0);
    assert_int_equal(weft_pace_budget(&pace, 0, 1, false), 10);
}

static void a_batch_is_never_exceeded(void **state)
{
    (void)state;
    const struct machine machine = {.row_us = 1, .step_us = 0, .times = 1};
    begin(1);
    assert_int_equal(step(&machine, 0, 500, 0), 0);
    assert_int_equal(weft_pace_budget(&pace, 0, 1, false), WEFT_PACE_ROWS_MAX);
    assert_int_equal(weft_pace_budget(&pace, 60, 1, false), WEFT_PACE_ROWS_MAX - 60);
}

static void what_a_row_costs_is_not_learnt_where_others_write(void **state)
{
    (void)state;
    /* Each of two parts of a step has a price of its own: small pieces beside answers look dear. */
    const struct machine alone = {.row_us = 4000, .step_us = 8000, .times = 1};
    const struct machine beside = {.row_us = 4000, .step_us = 30000, .times = 1};
    begin(1);
    assert_int_equal(step(&alone, 0, 128, 0), 0);
    assert_int_equal(step(&alone, 1, 0, 0), 0);
    size_t budget = 0;
    for (int i = 0; i < 200; i++) {
        budget = weft_pace_budget(&pace, 1, 1, false);
        assert_int_equal(step(&beside, 1, budget, 0), 0);
    }
    assert_near((double)(beside.step_us + beside.row_us * (weft_time)(1 + budget)), (double)WEFT_PACE_STEP, 0.1);
    assert_near(pace.row_us, 4000, 0.1);
    /* The next one that only reads is as long as the first was, and seven answers are no reason for ever less. */
    assert_near((double)weft_pace_budget(&pace, 0, 1, false), (double)WEFT_PACE_LONG / 4000, 0.1);
    assert_true(weft_pace_budget(&pace, 7, 1, false) >= 4);
}

static void a_copy_is_guessed_and_taken_off(void **state)
{
    (void)state;
    const struct machine machine = {.row_us = 1000, .step_us = 0, .copy_us = 25000, .times = 1};
    begin(1);
    for (int i = 0; i < 30; i++) {
        assert_int_equal(step(&machine, 0, 64, 2), 0);
    }
    assert_near(pace.row_us, 1000, 0.01);
    assert_int_equal(weft_pace_copy_rows(&pace), 25);
}

static void threads_are_dropped_when_cores_are_gone_and_come_back(void **state)
{
    (void)state;
    struct machine machine = {.row_us = 1000, .step_us = 4000, .times = 1};
    begin(4);
    for (int i = 0; i < 20; i++) {
        assert_int_equal(step(&machine, 3, 0, 0), 0);
    }
    machine.times = 10;
    assert_int_equal(step(&machine, 3, 0, 0), 0); /* once is nothing */
    assert_int_equal(step(&machine, 3, 0, 0), 0);
    assert_int_equal(step(&machine, 3, 0, 0), 1);
    assert_int_equal(pace.threads, 2);
    machine.times = 2; /* as long as it takes with two */
    weft_time since = now;
    while (pace.threads == 2) {
        int changed = step(&machine, 3, 0, 0);
        assert_int_equal(changed, pace.threads == 2 ? 0 : 1);
    }
    assert_int_equal(pace.threads, 4);
    assert_true(now - since >= WEFT_PACE_HOLD && now - since < WEFT_PACE_HOLD + WEFT_SECOND);

    /* They are gone still: it is tried less and less often. */
    assert_int_equal(pace.hold, 2 * WEFT_PACE_HOLD);
    machine.times = 1;
    for (int i = 0; i < 20; i++) {
        assert_int_equal(step(&machine, 3, 0, 0), 0);
    }
    machine.times = 10;
    while (pace.threads == 4) {
        (void)step(&machine, 3, 0, 0);
    }
    assert_int_equal(pace.hold, 4 * WEFT_PACE_HOLD);
    machine.times = 1;
    for (int i = 0; i < 4000 && pace.hold > WEFT_PACE_HOLD; i++) {
        (void)step(&machine, 3, 0, 0);
    }
    assert_int_equal(pace.threads, 4);
    assert_int_equal(pace.hold, WEFT_PACE_HOLD); /* all went well for long */
}

static void with_other_threads_all_is_learnt_anew(void **state)
{
    (void)state;
    struct machine machine = {.row_us = 1000, .step_us = 0, .times = 1};
    begin(4);
    for (int i = 0; i < 10; i++) {
        assert_int_equal(step(&machine, 0, 100, 0), 0);
        assert_int_equal(step(&machine, 1, 0, 0), 0);
    }
    weft_pace_set_threads(&pace, 1);
    assert_int_equal(pace.threads, 1);
    assert_true(weft_pace_budget(&pace, 0, 1, false) <= 64); /* as at the beginning */
    machine.times = 4;                                       /* no cores are gone: it is right so */
    for (int i = 0; i < 10; i++) {
        assert_int_equal(step(&machine, 0, 100, 0), 0);
        assert_int_equal(step(&machine, 1, 0, 0), 0);
    }
    assert_near(pace.row_us, 4000, 0.1);
    /* More are given while some are held back: those that are given count. */
    begin(4);
    machine.times = 1;
    for (int i = 0; i < 20; i++) {
        assert_int_equal(step(&machine, 1, 0, 0), 0);
    }
    machine.times = 10;
    while (pace.threads == 4) {
        (void)step(&machine, 1, 0, 0);
    }
    weft_pace_set_threads(&pace, 8);
    assert_int_equal(pace.threads, 8);
    machine.times = 1;
    for (int i = 0; i < 4000; i++) {
        assert_int_equal(step(&machine, 1, 0, 0), 0);
    }
    assert_int_equal(pace.threads, 8);
}

static void more_answers_are_no_reason_to_drop_threads(void **state)
{
    (void)state;
    const struct machine machine = {.row_us = 10000, .step_us = 1000, .times = 1};
    begin(2);
    for (size_t writing = 1; writing <= 8; writing *= 2) {
        for (int i = 0; i < 10; i++) {
            assert_int_equal(step(&machine, writing, 0, 0), 0);
        }
    }
    assert_int_equal(pace.threads, 2);
}

static void one_thread_cannot_be_dropped(void **state)
{
    (void)state;
    struct machine machine = {.row_us = 1000, .step_us = 0, .times = 1};
    begin(1);
    for (int i = 0; i < 10; i++) {
        assert_int_equal(step(&machine, 1, 0, 0), 0);
    }
    machine.times = 10;
    for (int i = 0; i < 10; i++) {
        assert_int_equal(step(&machine, 1, 0, 0), 0);
    }
    assert_near(pace.write_us[1], 10000, 0.1); /* it has learnt how it is now */
}

static void prompts_share_and_a_short_one_leaves_its_rest_to_the_others(void **state)
{
    (void)state;
    size_t shares[4];
    weft_pace_share((const size_t[]){3000, 10, 3000, 40}, 4, 200, shares);
    assert_int_equal(shares[1], 10);
    assert_int_equal(shares[3], 40);
    assert_int_equal(shares[0], 75);
    assert_int_equal(shares[2], 75);
    weft_pace_share((const size_t[]){5, 6}, 2, 200, shares);
    assert_int_equal(shares[0], 5);
    assert_int_equal(shares[1], 6);
    weft_pace_share((const size_t[]){100, 30, 100}, 3, 5, shares); /* the rest goes to who needs least */
    assert_int_equal(shares[0], 1);
    assert_int_equal(shares[1], 3);
    assert_int_equal(shares[2], 1);
    weft_pace_share((const size_t[]){1, 100}, 2, 0, shares);
    assert_int_equal(shares[0] + shares[1], 0);
}

static void the_shortest_is_read_first_and_whole(void **state)
{
    (void)state;
    size_t shares[4];
    weft_pace_line_up((const size_t[]){125, 10, 40, 10}, 4, 50, shares);
    assert_int_equal(shares[0], 0);
    assert_int_equal(shares[1], 10);
    assert_int_equal(shares[2], 30);
    assert_int_equal(shares[3], 10);
    weft_pace_line_up((const size_t[]){5, 6}, 2, 200, shares);
    assert_int_equal(shares[0], 5);
    assert_int_equal(shares[1], 6);
    weft_pace_line_up((const size_t[]){0, 7}, 2, 3, shares);
    assert_int_equal(shares[0], 0);
    assert_int_equal(shares[1], 3);
    weft_pace_line_up((const size_t[]){1, 100}, 2, 0, shares);
    assert_int_equal(shares[0] + shares[1], 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(steps_with_prompts_take_their_time_and_no_more),
        cmocka_unit_test(where_writing_takes_that_long_alone_prompts_still_get_on),
        cmocka_unit_test(before_anything_was_written_a_row_is_a_row),
        cmocka_unit_test(a_cancel_waits_for_less_than_a_tenth_of_a_second),
        cmocka_unit_test(a_batch_is_never_exceeded),
        cmocka_unit_test(what_a_row_costs_is_not_learnt_where_others_write),
        cmocka_unit_test(a_copy_is_guessed_and_taken_off),
        cmocka_unit_test(threads_are_dropped_when_cores_are_gone_and_come_back),
        cmocka_unit_test(with_other_threads_all_is_learnt_anew),
        cmocka_unit_test(more_answers_are_no_reason_to_drop_threads),
        cmocka_unit_test(one_thread_cannot_be_dropped),
        cmocka_unit_test(the_shortest_is_read_first_and_whole),
        cmocka_unit_test(prompts_share_and_a_short_one_leaves_its_rest_to_the_others),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
