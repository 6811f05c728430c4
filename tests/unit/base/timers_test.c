/* tests/unit/base/timers_test.c - the heap of deadlines, against a list that is searched from end to end. */
#include "base/timers.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "base/error.h"
#include "base/mem.h"

#define TIMERS 200

struct alarm {
    struct weft_timer timer;
    /* the model */
    bool set;
    weft_time at;
    uint64_t order;
};

static struct weft_timers timers;
static struct alarm alarms[TIMERS];
static uint64_t set_count;
static size_t fired[TIMERS * 4]; /* which ones, in order */
static size_t fired_count;

static void fire(struct weft_timer *timer)
{
    struct alarm *alarm = WEFT_CONTAINER(timer, struct alarm, timer);
    assert_int_equal(timer->place, 0); /* cleared first */
    assert_true(fired_count < WEFT_COUNT(fired));
    fired[fired_count++] = (size_t)(alarm - alarms);
}

static void set_up(size_t count)
{
    weft_timers_init(&timers);
    set_count = 0;
    fired_count = 0;
    for (size_t i = 0; i < count; i++) {
        alarms[i] = (struct alarm){.set = false};
        weft_timer_init(&alarms[i].timer, fire);
        assert_int_equal(weft_timers_reserve(&timers), 0);
    }
}

static void tear_down(size_t count)
{
    for (size_t i = 0; i < count; i++) {
        weft_timer_clear(&timers, &alarms[i].timer);
        weft_timers_release(&timers);
    }
    weft_timers_deinit(&timers);
}

static void set_alarm(size_t which, weft_time at)
{
    alarms[which].set = at != WEFT_NEVER;
    alarms[which].at = at;
    alarms[which].order = ++set_count;
    weft_timer_set(&timers, &alarms[which].timer, at);
}

/* The one of the model that is due first, or TIMERS. */
static size_t first_alarm(void)
{
    size_t first = TIMERS;
    for (size_t i = 0; i < TIMERS; i++) {
        const struct alarm *alarm = &alarms[i];
        if (alarm->set && (first == TIMERS || alarm->at < alarms[first].at ||
                           (alarm->at == alarms[first].at && alarm->order < alarms[first].order))) {
            first = i;
        }
    }
    return first;
}

static void assert_next(void)
{
    size_t first = first_alarm();
    assert_true(weft_timers_next(&timers) == (first == TIMERS ? WEFT_NEVER : alarms[first].at));
}

static void run_and_compare(weft_time now)
{
    fired_count = 0;
    weft_timers_run(&timers, now);
    for (size_t i = 0; i < fired_count; i++) {
        size_t first = first_alarm();
        assert_true(first != TIMERS && alarms[first].at <= now);
        assert_int_equal(fired[i], first);
        alarms[first].set = false;
    }
    size_t left = first_alarm();
    assert_true(left == TIMERS || alarms[left].at > now);
}

static void test_random_operations(void **state)
{
    (void)state;
    for (uint64_t first = 1; first <= 10; first++) {
        uint64_t seed = first;
        set_up(TIMERS);
        weft_time now = 0;
        for (int i = 0; i < 3000; i++) {
            seed = seed * 6364136223846793005u + 1442695040888963407u;
            uint32_t random = (uint32_t)(seed >> 33);
            size_t which = random % TIMERS;
            weft_time at = now + (random >> 8) % 500; /* many share a deadline */
            switch ((random >> 20) % 8) {
            case 0:
                weft_timer_clear(&timers, &alarms[which].timer);
                alarms[which].set = false;
                break;
            case 1:
                set_alarm(which, WEFT_NEVER);
                break;
            case 2:
                now += (random >> 8) % 100;
                run_and_compare(now);
                break;
            default:
                set_alarm(which, at);
            }
            assert_next();
        }
        tear_down(TIMERS);
    }
}

static void test_equal_deadlines_keep_their_order(void **state)
{
    (void)state;
    set_up(TIMERS);
    for (size_t i = 0; i < TIMERS; i++) {
        set_alarm(i * 7 % TIMERS, 100);
    }
    set_alarm(0, 100); /* set again: now the last */
    weft_timers_run(&timers, 99);
    assert_int_equal(fired_count, 0);
    weft_timers_run(&timers, 100);
    assert_int_equal(fired_count, TIMERS);
    for (size_t i = 0; i < TIMERS - 1; i++) {
        assert_int_equal(fired[i], (i + 1) * 7 % TIMERS);
    }
    assert_int_equal(fired[TIMERS - 1], 0);
    assert_true(weft_timers_next(&timers) == WEFT_NEVER);
    tear_down(TIMERS);
}

/* A timer that, fired, sets itself for later, clears the second and sets the third to now. */
static void fire_and_change(struct weft_timer *timer)
{
    fire(timer);
    weft_timer_set(&timers, timer, 200);
    weft_timer_clear(&timers, &alarms[1].timer);
    weft_timer_set(&timers, &alarms[2].timer, 100);
}

static void test_a_timer_changes_others(void **state)
{
    (void)state;
    set_up(3);
    weft_timer_init(&alarms[0].timer, fire_and_change);
    weft_timer_set(&timers, &alarms[0].timer, 100);
    weft_timer_set(&timers, &alarms[1].timer, 100);
    weft_timer_set(&timers, &alarms[2].timer, WEFT_NEVER);
    weft_timers_run(&timers, 100);
    assert_int_equal(fired_count, 2);
    assert_int_equal(fired[0], 0);
    assert_int_equal(fired[1], 2);
    assert_true(weft_timers_next(&timers) == 200);
    tear_down(3);
}

static void test_one_is_taken_at_a_time(void **state)
{
    (void)state;
    set_up(3);
    assert_null(weft_timers_take(&timers, 1000));
    set_alarm(0, 200);
    set_alarm(1, 100);
    set_alarm(2, 200);
    assert_null(weft_timers_take(&timers, 99));
    const size_t expected[3] = {1, 0, 2};
    for (size_t i = 0; i < 3; i++) {
        struct weft_timer *timer = weft_timers_take(&timers, 200);
        assert_ptr_equal(timer, &alarms[expected[i]].timer);
        assert_int_equal(timer->place, 0);
    }
    assert_null(weft_timers_take(&timers, WEFT_NEVER));
    assert_int_equal(fired_count, 0);
    tear_down(3);
}

static void test_reserve(void **state)
{
    (void)state;
    int64_t live = weft_mem_live();
    weft_timers_init(&timers);
    weft_mem_fail_at(1);
    assert_int_equal(weft_timers_reserve(&timers), WEFT_ERR_MEMORY);
    weft_mem_fail_at(0);
    assert_int_equal(timers.reserved, 0);
    size_t reserved = 0;
    for (uint64_t at = 1; reserved < 1000; at++) { /* a failure leaves what was reserved before */
        weft_mem_fail_at(at % 100 == 0 ? 1 : 0);
        int status = weft_timers_reserve(&timers);
        reserved += status == 0 ? 1 : 0;
        assert_int_equal(timers.reserved, reserved);
    }
    weft_mem_fail_at(1); /* setting never needs memory */
    for (size_t i = 0; i < TIMERS; i++) {
        weft_timer_init(&alarms[i].timer, fire);
        weft_timer_set(&timers, &alarms[i].timer, (weft_time)(TIMERS - i));
    }
    assert_false(weft_mem_failed());
    weft_mem_fail_at(0);
    assert_true(weft_timers_next(&timers) == 1);
    for (size_t i = 0; i < TIMERS; i++) {
        weft_timer_clear(&timers, &alarms[i].timer);
    }
    while (timers.reserved > 0) {
        weft_timers_release(&timers);
    }
    weft_timers_deinit(&timers);
    assert_int_equal(weft_mem_live(), live);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_operations),
        cmocka_unit_test(test_equal_deadlines_keep_their_order),
        cmocka_unit_test(test_a_timer_changes_others),
        cmocka_unit_test(test_one_is_taken_at_a_time),
        cmocka_unit_test(test_reserve),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
