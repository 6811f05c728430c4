/* tests/unit/engine/pulse_test.c - when the computing thread is looked at, and what ticks say. */
#include "engine/pulse.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void nobody_waits_at_first(void **state)
{
    (void)state;
    struct weft_pulse pulse;
    weft_pulse_init(&pulse);
    assert_int_equal(pulse.due, WEFT_NEVER);
    weft_pulse_wake(&pulse, 7, WEFT_SECOND);
    assert_int_equal(pulse.due, WEFT_SECOND + WEFT_PULSE_BEAT);
    weft_pulse_wake(&pulse, 9, WEFT_SECOND + WEFT_MS); /* another one: the look that is due stays */
    assert_int_equal(pulse.due, WEFT_SECOND + WEFT_PULSE_BEAT);
    assert_true(weft_pulse_look(&pulse, 8, pulse.due)); /* since 7 */
    weft_pulse_rest(&pulse);
    assert_int_equal(pulse.due, WEFT_NEVER);
}

/* A thread that hangs is silent from the first look on, and speaks when it gets on again. */
static void only_ticks_are_life(void **state)
{
    (void)state;
    struct weft_pulse pulse;
    unsigned ticks = 4711; /* from work that nobody waits for any more */
    weft_pulse_init(&pulse);
    weft_pulse_wake(&pulse, ticks, 0);
    assert_false(weft_pulse_look(&pulse, ticks, pulse.due)); /* it has not begun */
    for (int i = 0; i < 10; i++) {
        assert_true(weft_pulse_look(&pulse, ticks += 1 + 100 * (unsigned)i, pulse.due));
    }
    for (int i = 0; i < 10; i++) {
        assert_false(weft_pulse_look(&pulse, ticks, pulse.due));
    }
    assert_true(weft_pulse_look(&pulse, ++ticks, pulse.due));
    ticks = 0; /* it wraps */
    assert_true(weft_pulse_look(&pulse, ticks, pulse.due));
}

/* Told right after a look, then nothing: the second look after that is the first to say something. */
static void a_second_never_passes(void **state)
{
    (void)state;
    struct weft_pulse pulse;
    weft_pulse_init(&pulse);
    weft_pulse_wake(&pulse, 0, 0);
    weft_time told = pulse.due;
    assert_true(weft_pulse_look(&pulse, 1, pulse.due));
    assert_true(weft_pulse_look(&pulse, 2, pulse.due));
    assert_true(pulse.due - told < WEFT_SECOND);
    /* A look that comes late, as the service was busy, moves the next one: they do not pile up. */
    weft_time late = pulse.due + 5 * WEFT_SECOND;
    assert_true(weft_pulse_look(&pulse, 3, late));
    assert_int_equal(pulse.due, late + WEFT_PULSE_BEAT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nobody_waits_at_first),
        cmocka_unit_test(only_ticks_are_life),
        cmocka_unit_test(a_second_never_passes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
