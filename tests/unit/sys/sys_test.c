/* tests/unit/sys/sys_test.c - the loop: turns, deadlines, signals, chance, the process. */
#include "unit/sys/stage.h"

#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>

struct sleeper {
    struct weft_sys *sys;
    weft_time woken_at, deadline;
    size_t turns;
};

static weft_time sleeper_turn(void *self, weft_time now)
{
    struct sleeper *sleeper = self;
    if (sleeper->turns++ == 0) {
        sleeper->deadline = now + 2500; /* not a whole millisecond */
        return sleeper->deadline;
    }
    sleeper->woken_at = now;
    weft_sys_stop(sleeper->sys);
    return WEFT_NEVER;
}

static void a_deadline_is_kept_and_never_early(void **state)
{
    (void)state;
    struct sleeper sleeper = {0};
    assert_int_equal(weft_sys_new(&sleeper.sys), 0);
    assert_int_equal(weft_sys_run(sleeper.sys, (struct weft_guest){.self = &sleeper, .turn = sleeper_turn}), 0);
    assert_int_equal(sleeper.turns, 2); /* and nothing between: it slept */
    assert_true(sleeper.woken_at >= sleeper.deadline);
    assert_true(weft_sys_free(sleeper.sys));
    assert_int_equal(weft_mem_live(), 0);
}

struct poked {
    struct weft_sys *sys;
    size_t turns;
};

static void *poke(void *self)
{
    struct poked *poked = self;
    weft_sys_poke(poked->sys);
    return NULL;
}

static weft_time poked_turn(void *self, weft_time now)
{
    struct poked *poked = self;
    (void)now;
    pthread_t thread;
    if (poked->turns++ == 0) {
        assert_int_equal(pthread_create(&thread, NULL, poke, poked), 0);
        assert_int_equal(pthread_detach(thread), 0);
    } else {
        weft_sys_stop(poked->sys);
    }
    return WEFT_NEVER;
}

static void another_thread_may_ask_for_a_turn(void **state)
{
    (void)state;
    struct poked poked = {0};
    assert_int_equal(weft_sys_new(&poked.sys), 0);
    assert_int_equal(weft_sys_run(poked.sys, (struct weft_guest){.self = &poked, .turn = poked_turn}), 0);
    assert_true(poked.turns >= 2); /* or it would sleep for ever */
    assert_true(weft_sys_free(poked.sys));
}

struct heard {
    int number;
    bool any;
};

static void signalled(void *self, int number)
{
    struct heard *heard = self;
    heard->number = number;
    heard->any = true;
}

static void a_signal_comes_as_a_callback(void **state)
{
    (void)state;
    static const int numbers[] = {SIGTERM, SIGINT};
    for (size_t i = 0; i < WEFT_COUNT(numbers); i++) {
        struct stage stage;
        stage_init(&stage);
        struct heard heard = {0};
        assert_int_equal(weft_sys_on_signal(stage.sys, signalled, &heard), 0);
        assert_int_equal(raise(numbers[i]), 0);
        stage_run(&stage, &heard.any);
        assert_int_equal(heard.number, numbers[i]);
        stage_deinit(&stage);
    }
}

/* Or the second of two would end a process that is just ending well after the first. */
static void a_signal_that_comes_late_is_passed_over(void **state)
{
    (void)state;
    for (int round = 0; round < 2; round++) {
        struct stage stage;
        stage_init(&stage);
        struct heard heard = {0};
        assert_int_equal(weft_sys_on_signal(stage.sys, signalled, &heard), 0);
        assert_int_equal(raise(SIGTERM), 0);
        stage_run(&stage, &heard.any);
        stage_deinit(&stage);
        assert_int_equal(raise(SIGTERM), 0);
        assert_int_equal(raise(SIGINT), 0);
    }
}

static void the_process_leaves_no_core_and_may_open_all_it_can(void **state)
{
    (void)state;
    struct stage stage;
    stage_init(&stage);
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_CORE, &limit), 0);
    assert_int_equal(limit.rlim_cur, 0);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    assert_int_equal(limit.rlim_cur, limit.rlim_max);
    assert_int_equal(stage.ops->sockets_max(stage.host), limit.rlim_cur - WEFT_SYS_DESCRIPTORS_KEPT);
    stage_deinit(&stage);
}

static void entropy_fills_all_and_differs(void **state)
{
    (void)state;
    struct stage stage;
    stage_init(&stage);
    unsigned char a[32] = {0}, b[32] = {0}, zero[32] = {0};
    stage.ops->entropy(stage.host, a, sizeof(a));
    stage.ops->entropy(stage.host, b, sizeof(b));
    assert_memory_not_equal(a, b, sizeof(a));
    assert_memory_not_equal(a + 16, zero, 16);
    stage_deinit(&stage);
}

static void the_clock_goes_forward_only(void **state)
{
    (void)state;
    struct stage stage;
    stage_init(&stage);
    weft_time first = stage.ops->now(stage.host);
    assert_true(stage.ops->now(stage.host) >= first);
    assert_true(stage.ops->wall(stage.host) > (int64_t)1577836800 * WEFT_SECOND); /* 2020 */
    stage_deinit(&stage);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_deadline_is_kept_and_never_early),
        cmocka_unit_test(another_thread_may_ask_for_a_turn),
        cmocka_unit_test(a_signal_comes_as_a_callback),
        cmocka_unit_test(a_signal_that_comes_late_is_passed_over),
        cmocka_unit_test(the_process_leaves_no_core_and_may_open_all_it_can),
        cmocka_unit_test(entropy_fills_all_and_differs),
        cmocka_unit_test(the_clock_goes_forward_only),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
