/* tests/unit/base/clock_test.c - time as a loop lives it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/clock.h"

#define START ((weft_time)7000 * WEFT_SECOND)

static struct weft_clock clock_at_start(void)
{
    struct weft_clock clock;
    weft_clock_init(&clock);
    assert_int_equal(weft_clock_look(&clock, START), START);
    weft_clock_watch(&clock, true);
    return clock;
}

static void it_goes_as_the_machine_does(void **state)
{
    (void)state;
    struct weft_clock clock = clock_at_start();
    weft_time now = START;
    for (int i = 0; i < 1000; i++) {
        now += i % 2 ? WEFT_CLOCK_BEAT : WEFT_CLOCK_BEAT + WEFT_CLOCK_LATE; /* on time, and as late as may be */
        assert_int_equal(weft_clock_look(&clock, now), now);
    }
    assert_int_equal(weft_clock_machine(&clock, now + WEFT_SECOND), now + WEFT_SECOND);
}

static void what_was_slept_is_taken_out(void **state)
{
    (void)state;
    static const weft_time sleeps[] = {WEFT_CLOCK_BEAT + WEFT_CLOCK_LATE + 1, 15 * WEFT_SECOND, 3600 * WEFT_SECOND,
                                       (weft_time)86400 * 365 * WEFT_SECOND};
    struct weft_clock clock = clock_at_start();
    weft_time machine = START, lived = START;
    for (size_t i = 0; i < WEFT_COUNT(sleeps); i++) {
        weft_time deadline = lived + 10 * WEFT_MS;
        machine += sleeps[i];
        assert_int_equal(weft_clock_look(&clock, machine), lived); /* not even the next deadline is over */
        assert_int_equal(weft_clock_machine(&clock, deadline), machine + 10 * WEFT_MS);
        machine += WEFT_SECOND;
        lived += WEFT_SECOND;
        assert_int_equal(weft_clock_look(&clock, machine), lived); /* and it goes on */
    }
    assert_int_equal(weft_clock_machine(&clock, WEFT_NEVER), WEFT_NEVER);
}

/* Who has no deadline sleeps as long as he likes, and knows how long that was. */
static void nothing_is_lost_while_nobody_watches(void **state)
{
    (void)state;
    struct weft_clock clock = clock_at_start();
    weft_clock_watch(&clock, false);
    assert_int_equal(weft_clock_look(&clock, START + 3600 * WEFT_SECOND), START + 3600 * WEFT_SECOND);
    weft_clock_watch(&clock, true);
    assert_int_equal(weft_clock_look(&clock, START + 3601 * WEFT_SECOND), START + 3601 * WEFT_SECOND);
    assert_int_equal(weft_clock_look(&clock, START + 7200 * WEFT_SECOND), START + 3601 * WEFT_SECOND);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_goes_as_the_machine_does),
        cmocka_unit_test(what_was_slept_is_taken_out),
        cmocka_unit_test(nothing_is_lost_while_nobody_watches),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
