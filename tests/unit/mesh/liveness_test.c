/* tests/unit/mesh/liveness_test.c - asked when silent, dead when that stays so, and never for our own sleep. */
#include "mesh/liveness.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* Looks at each deadline, and this much later: says when it is asked, returns when it is gone. */
static weft_time watch(struct weft_liveness *liveness, weft_time late, weft_time *asked)
{
    *asked = WEFT_NEVER;
    for (int looks = 0; looks < 10; looks++) {
        weft_time now = liveness->next + late;
        assert_int_equal(weft_liveness_look(liveness, liveness->next - 1), WEFT_LIVENESS_ALIVE);
        enum weft_liveness_verdict verdict = weft_liveness_look(liveness, now);
        if (verdict == WEFT_LIVENESS_GONE) {
            return now;
        }
        if (verdict == WEFT_LIVENESS_PING) {
            assert_int_equal(*asked, WEFT_NEVER); /* once */
            *asked = now;
        }
    }
    return WEFT_NEVER;
}

static void who_is_silent_is_asked_then_gone_in_under_five_seconds(void **state)
{
    (void)state;
    struct weft_liveness liveness;
    weft_time asked;
    weft_liveness_heard(&liveness, 7 * WEFT_SECOND);
    assert_int_equal(watch(&liveness, 0, &asked), 7 * WEFT_SECOND + WEFT_LIVENESS_DEAD);
    assert_int_equal(asked, 7 * WEFT_SECOND + WEFT_LIVENESS_QUIET);
    assert_true(WEFT_LIVENESS_DEAD < 5 * WEFT_SECOND);
}

static void who_is_heard_at_any_stage_is_alive(void **state)
{
    (void)state;
    for (int stage = 0; stage < 3; stage++) {
        struct weft_liveness liveness;
        weft_time asked;
        weft_liveness_heard(&liveness, 0);
        for (int looks = 0; looks < stage; looks++) {
            assert_int_not_equal(weft_liveness_look(&liveness, liveness.next), WEFT_LIVENESS_GONE);
        }
        weft_liveness_heard(&liveness, 4 * WEFT_SECOND);
        assert_int_equal(watch(&liveness, 0, &asked), 4 * WEFT_SECOND + WEFT_LIVENESS_DEAD);
    }
}

static void our_own_sleep_is_not_held_against_it(void **state)
{
    (void)state;
    const weft_time slept = 3600 * WEFT_SECOND;
    for (int stage = 0; stage < 3; stage++) {
        struct weft_liveness liveness;
        weft_liveness_heard(&liveness, 0);
        for (int looks = 0; looks < stage; looks++) {
            (void)weft_liveness_look(&liveness, liveness.next);
        }
        enum weft_liveness_verdict verdict = weft_liveness_look(&liveness, slept);
        if (stage < 2) { /* at the last look it had half a second in which we were awake, before this sleep */
            assert_int_equal(verdict, stage == 0 ? WEFT_LIVENESS_PING : WEFT_LIVENESS_ALIVE);
            assert_true(liveness.next >= slept + WEFT_LIVENESS_LAST);
        }
    }
}

static void doubt_asks_at_once(void **state)
{
    (void)state;
    struct weft_liveness liveness;
    weft_time asked;
    weft_liveness_heard(&liveness, 0);
    weft_liveness_doubt(&liveness, WEFT_SECOND);
    assert_int_equal(watch(&liveness, 0, &asked), WEFT_SECOND + WEFT_LIVENESS_ANSWER + WEFT_LIVENESS_LAST);
    assert_int_equal(asked, WEFT_SECOND);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_is_silent_is_asked_then_gone_in_under_five_seconds),
        cmocka_unit_test(who_is_heard_at_any_stage_is_alive),
        cmocka_unit_test(our_own_sleep_is_not_held_against_it),
        cmocka_unit_test(doubt_asks_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
