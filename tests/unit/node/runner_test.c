/* tests/unit/node/runner_test.c - one engine process: how far it is, when it is ready, why it ended. */
#include "node/runner.h"

#include "unit/node/engines.h"
#include "wire/engine_page.h"

struct heard {
    struct weft_runner *runner;
    double progress;
    size_t steps;
    bool ready, refused, for_memory, ending, ended, for_good, by_others;
    int slots, threads;
    weft_time ready_at, ended_at;
    struct weft_runner_counts counts; /* at its end */
    char message[512], why[WEFT_RUNNER_WHY_MAX];
};

static void heard_loading(void *self, double progress)
{
    struct heard *heard = self;
    assert_false(heard->ready);
    assert_true(progress >= heard->progress && progress <= 1);
    heard->progress = progress;
    heard->steps++;
}

static void heard_ready(void *self, const json_t *info)
{
    struct heard *heard = self;
    assert_false(heard->ready);
    heard->ready = true;
    heard->ready_at = weft_world_now(engines.world);
    heard->slots = (int)json_integer_value(json_object_get(info, "slots"));
}

static void heard_refused(void *self, const char *message, bool for_memory)
{
    struct heard *heard = self;
    assert_false(heard->refused);
    heard->refused = true;
    heard->for_memory = for_memory;
    (void)snprintf(heard->message, sizeof(heard->message), "%s", message);
}

static void heard_ending(void *self)
{
    struct heard *heard = self;
    struct weft_relay_target target;
    assert_false(heard->ending || heard->ended);
    assert_int_equal(weft_runner_target(heard->runner, &target), WEFT_ERR_CLOSED);
    heard->ending = true;
}

static void heard_shared(void *self, int32_t threads)
{
    struct heard *heard = self;
    heard->threads = threads;
}

static void heard_ended(void *self, const char *why, bool for_good)
{
    struct heard *heard = self;
    assert_true(heard->ending); /* which is told first */
    heard->ended = true;
    heard->by_others = weft_runner_ended_by_others(heard->runner);
    heard->for_good = for_good;
    heard->ended_at = weft_world_now(engines.world);
    heard->counts = weft_runner_counts(heard->runner);
    (void)snprintf(heard->why, sizeof(heard->why), "%s", why);
    weft_runner_free(heard->runner);
    heard->runner = NULL;
}

static const struct weft_runner_user user = {.loading = heard_loading,
                                             .ready = heard_ready,
                                             .refused = heard_refused,
                                             .ending = heard_ending,
                                             .shared = heard_shared,
                                             .ended = heard_ended};

static const char *const argv[] = {"weft-engine", "--model", "m.gguf", NULL};
#define STALL (10 * WEFT_SECOND)

static int run(struct heard *heard, const char *program, weft_time stall)
{
    const struct weft_runner_options options = {.loop = &engines.loop,
                                                .spawn = {.program = program, .argv = argv},
                                                .stall = stall,
                                                .user = &user,
                                                .self = heard};
    return weft_runner_new(&heard->runner, &options);
}

static void start(struct heard *heard, const struct weft_child_script *script)
{
    *heard = (struct heard){0};
    engines_begin();
    if (script) {
        engines.children.script = *script;
    }
    assert_int_equal(run(heard, WEFT_CHILD_PROGRAM, STALL), 0);
    assert_true(weft_runner_process(heard->runner) > 0);
}

static bool is_ready(void *self)
{
    return ((struct heard *)self)->ready;
}

static bool is_ended(void *self)
{
    return ((struct heard *)self)->ended;
}

static void it_is_watched_until_it_is_ready(void **state)
{
    (void)state;
    struct heard heard;
    start(&heard, &(const struct weft_child_script){.loads = WEFT_SECOND});
    assert_true(engines_wait(is_ready, &heard));
    assert_true(heard.steps >= 8 && heard.steps <= 11); /* ten times a second */
    assert_true(heard.progress > 0.8);
    assert_int_equal(heard.slots, 8);
    assert_true(heard.ready_at < WEFT_SECOND + WEFT_RUNNER_POLL); /* what it is, is asked in the same breath */
    assert_string_equal(engines.children.arguments, " weft-engine --model m.gguf");

    size_t asked = engines.children.asked; /* from now on only whether it lives */
    engines_pass(60 * WEFT_SECOND);
    assert_int_equal(engines.children.asked - asked, 60 * WEFT_SECOND / WEFT_RUNNER_WATCH);
    assert_false(heard.ended);
    weft_runner_free(heard.runner);
    engines_end();
}

/* What it wrote last is known when it is gone. */
static void what_it_counts_is_known(void **state)
{
    (void)state;
    struct heard heard;
    start(&heard, NULL);
    assert_true(engines_wait(is_ready, &heard));
    struct weft_child *child = &engines.children.at[0];
    struct weft_engine_page *page = engines.host->ops->shared(child->process);
    assert_int_equal(weft_runner_counts(heard.runner).tokens_sampled, 0);
    atomic_store(&page->tokens_sampled, 41);
    atomic_store(&page->steps, 7);
    assert_int_equal(weft_runner_counts(heard.runner).tokens_sampled, 41);
    atomic_store(&page->tokens_sampled, 42);
    weft_child_die(child, 9);
    assert_true(engines_wait(is_ended, &heard));
    assert_int_equal(heard.counts.tokens_sampled, 42);
    assert_int_equal(heard.counts.steps, 7);
    engines_end();
}

static void one_that_refuses_says_why_and_goes(void **state)
{
    (void)state;
    struct heard heard;
    start(&heard, &(const struct weft_child_script){.refuses = "It needs 9 GiB, and 2 GiB are free."});
    assert_true(engines_wait(is_ended, &heard));
    assert_true(heard.refused);
    assert_false(heard.ready || heard.for_memory);
    assert_string_equal(heard.message, "It needs 9 GiB, and 2 GiB are free.");
    engines_end();

    start(&heard, &(const struct weft_child_script){.refuses = "It needs 9 GiB.", .for_memory = true});
    assert_true(engines_wait(is_ended, &heard));
    assert_true(heard.refused && heard.for_memory);
    engines_end();
}

static void it_is_told_its_share_of_the_cores(void **state)
{
    (void)state;
    struct heard heard;
    const struct weft_child *child = &engines.children.at[0];
    start(&heard, &(const struct weft_child_script){.loads = WEFT_SECOND});
    weft_runner_share(heard.runner, 3); /* not while it loads */
    engines_pass(500 * WEFT_MS);
    assert_int_equal(child->threads, 0);
    assert_true(engines_wait(is_ready, &heard));
    engines_pass(WEFT_RUNNER_WATCH); /* with the next question */
    assert_int_equal(child->threads, 3);
    assert_int_equal(heard.threads, 3);
    weft_runner_share(heard.runner, 5);
    weft_runner_share(heard.runner, 7); /* the first is on its way: then this */
    engines_pass(10 * WEFT_MS);
    assert_int_equal(child->threads, 7);
    assert_int_equal(heard.threads, 7);
    weft_runner_free(heard.runner);
    engines_end();
}

/* One of an older build: it goes on as it is, and is not asked again and again. */
static void it_may_know_nothing_of_shares(void **state)
{
    (void)state;
    struct heard heard;
    start(&heard, &(const struct weft_child_script){.fixed = true});
    assert_true(engines_wait(is_ready, &heard));
    size_t asked = engines.children.asked;
    weft_runner_share(heard.runner, 3);
    engines_pass(WEFT_RUNNER_WATCH / 2);
    assert_int_equal(engines.children.asked, asked + 1);
    assert_int_equal(heard.threads, 0);
    engines_pass(2 * WEFT_RUNNER_WATCH);
    assert_int_equal(engines.children.asked, asked + 3);
    assert_false(heard.ended);
    weft_runner_free(heard.runner);
    engines_end();
}

static void its_end_is_told_whenever_it_comes(void **state)
{
    (void)state;
    static const weft_time lives[] = {1, 150 * WEFT_MS, 5 * WEFT_SECOND, 300 * WEFT_SECOND};
    for (size_t i = 0; i < WEFT_COUNT(lives); i++) {
        struct heard heard;
        start(&heard, &(const struct weft_child_script){.loads = WEFT_SECOND, .lives = lives[i], .code = 64});
        assert_true(engines_wait(is_ended, &heard));
        assert_true(heard.ended_at - lives[i] < 10 * WEFT_MS);
        assert_int_equal(heard.ready, lives[i] > WEFT_SECOND);
        assert_string_equal(heard.why, "ended itself, as a chat template or grammar took too long (exit code 64)");
        assert_int_equal(heard.for_good, !heard.ready); /* once it serves, a request may have been the cause */
        engines_end();
    }
}

static void one_that_is_asked_to_stop_goes_by_itself(void **state)
{
    (void)state;
    struct heard heard;
    start(&heard, NULL);
    assert_true(engines_wait(is_ready, &heard));
    weft_runner_stop(heard.runner);
    struct weft_relay_target target;
    assert_int_equal(weft_runner_target(heard.runner, &target), WEFT_ERR_CLOSED);
    assert_true(engines_wait(is_ended, &heard));
    assert_true(heard.ended_at - heard.ready_at < 10 * WEFT_MS);
    assert_string_equal(heard.why, "ended without being asked to (exit code 0)"); /* whoever stopped it knows better */
    engines_end();
}

static void one_that_does_not_go_is_killed(void **state)
{
    (void)state;
    struct heard heard;
    start(&heard, &(const struct weft_child_script){.stubborn = true});
    assert_true(engines_wait(is_ready, &heard));
    weft_runner_stop(heard.runner);
    assert_true(engines_wait(is_ended, &heard));
    assert_int_equal(heard.ended_at - heard.ready_at, WEFT_RUNNER_PARTING);
    assert_string_equal(heard.why, "was killed (signal 9)");
    assert_false(heard.by_others);
    engines_end();
}

static void one_that_answers_nothing_is_killed(void **state)
{
    (void)state;
    struct heard heard;
    start(&heard, &(const struct weft_child_script){.mute = true});
    assert_true(engines_wait(is_ended, &heard));
    assert_true(heard.ended_at >= WEFT_RUNNER_SILENCE);
    assert_true(heard.ended_at <= WEFT_RUNNER_SILENCE + 3 * WEFT_RUNNER_POLL);
    assert_string_equal(heard.why, "did not answer for 60 s and was killed");
    engines_end();
}

/* Once it has answered it answers at any time, however slowly it loads. */
static void one_that_falls_silent_as_it_loads_is_killed_sooner(void **state)
{
    (void)state;
    static const struct {
        weft_time stall, silence;
    } rows[] = {{10 * WEFT_SECOND, 10 * WEFT_SECOND},
                {WEFT_SECOND, WEFT_RUNNER_LOAD_SILENCE_MIN},
                {3600 * WEFT_SECOND, WEFT_RUNNER_SILENCE}};
    for (size_t i = 0; i < WEFT_COUNT(rows); i++) {
        struct heard heard = {0};
        engines_begin();
        engines.children.script = (struct weft_child_script){.loads = 300 * WEFT_SECOND};
        assert_int_equal(run(&heard, WEFT_CHILD_PROGRAM, rows[i].stall), 0);
        engines_pass(200 * WEFT_SECOND);
        assert_false(heard.ended);
        weft_time silent_at = weft_world_now(engines.world);
        engines.children.at[0].script.mute = true;
        assert_true(engines_wait(is_ended, &heard));
        assert_true(heard.ended_at - silent_at >= rows[i].silence);
        assert_true(heard.ended_at - silent_at <= rows[i].silence + 3 * WEFT_RUNNER_POLL);
        assert_string_equal(heard.why, "stopped answering while it loaded and was killed");
        assert_false(heard.by_others);
        engines_end();
    }
}

static void one_that_is_killed_for_a_reason_ends_with_it(void **state)
{
    (void)state;
    struct heard heard;
    start(&heard, NULL);
    assert_true(engines_wait(is_ready, &heard));
    weft_runner_kill(heard.runner, "sang out of tune");
    assert_true(heard.ending);
    assert_true(engines_wait(is_ended, &heard));
    assert_true(heard.ended_at - heard.ready_at < 10 * WEFT_MS);
    assert_string_equal(heard.why, "sang out of tune");
    assert_false(heard.by_others);
    engines_end();
}

/* Signals that a process causes itself, and those that only others send. */
static void who_ended_it_is_known(void **state)
{
    (void)state;
    static const struct {
        int code, signal;
        bool by_others;
    } rows[] = {{0, 9, true},  {0, 15, true},  {0, 2, true},  {0, 1, true},  {0, 11, false},
                {0, 6, false}, {0, 31, false}, {0, 0, false}, {67, 0, false}};
    for (size_t i = 0; i < WEFT_COUNT(rows); i++) {
        struct heard heard;
        start(&heard,
              &(const struct weft_child_script){.lives = WEFT_SECOND, .code = rows[i].code, .signal = rows[i].signal});
        assert_true(engines_wait(is_ended, &heard));
        assert_int_equal(heard.by_others, rows[i].by_others);
        engines_end();
    }
}

/* It has closed its socket, but its process stays: that is no engine any more. */
static void one_without_a_socket_is_killed(void **state)
{
    (void)state;
    struct heard heard;
    start(&heard, NULL);
    assert_true(engines_wait(is_ready, &heard));
    struct weft_child *child = &engines.children.at[0];
    weft_connection_free(child->connection);
    child->connection = NULL;
    assert_true(engines_wait(is_ended, &heard));
    assert_int_equal(heard.ended_at - heard.ready_at, WEFT_RUNNER_PARTING);
    assert_string_equal(heard.why, "was killed (signal 9)");
    assert_false(heard.by_others);
    engines_end();
}

static void it_may_be_freed_at_any_time(void **state)
{
    (void)state;
    for (weft_time after = 0; after < 400 * WEFT_MS; after += 25 * WEFT_MS) {
        struct heard heard;
        start(&heard, &(const struct weft_child_script){.loads = 200 * WEFT_MS, .stubborn = true});
        if (after > 0) {
            engines_pass(after);
        }
        weft_runner_free(heard.runner);
        assert_int_equal(weft_world_processes(engines.host), 0);
        engines_end();
        assert_false(heard.ended);
    }
}

static void a_program_that_is_not_there_is_said_so(void **state)
{
    (void)state;
    struct heard heard = {0};
    engines_begin();
    engines.children.program.status = WEFT_ERR_DENIED;
    assert_int_equal(run(&heard, WEFT_CHILD_PROGRAM, STALL), WEFT_ERR_DENIED);
    assert_null(heard.runner);
    assert_int_equal(run(&heard, "/nowhere", STALL), WEFT_ERR_NOT_FOUND);
    assert_null(heard.runner);
    engines_end();
}

static void memory_may_run_out_anywhere(void **state)
{
    (void)state;
    for (uint64_t at = 1;; at++) {
        struct heard heard = {0};
        engines_begin();
        weft_mem_fail_at(at);
        int error = run(&heard, WEFT_CHILD_PROGRAM, STALL);
        if (error == 0) {
            (void)engines_wait(is_ready, &heard); /* or it ended, or its engine did */
        }
        bool failed = weft_mem_failed();
        weft_mem_fail_at(0);
        if (heard.runner) {
            assert_true(failed || heard.ready);
            weft_runner_free(heard.runner);
        }
        engines_end();
        if (!failed) {
            assert_true(at > 10);
            return;
        }
    }
}

static void every_end_has_a_name(void **state)
{
    (void)state;
    static const struct {
        int code, signal;
        const char *why;
    } cases[] = {
        {0, 9, "was killed (signal 9)"},
        {0, 11, "crashed (signal 11)"},
        {0, 6, "crashed (signal 6)"},
        {0, 7, "crashed (signal 7)"},
        {0, 15, "was asked to end by somebody else (signal 15)"},
        {0, 31, "did what its sandbox does not allow (signal 31)"},
        {0, 24, "was ended (signal 24)"},
        {0, 0, "ended without being asked to (exit code 0)"},
        {1, 0, "ended with an error (exit code 1)"},
        {2, 0, "did not understand how it was started; weft and weft-engine must be of the same build (exit code 2)"},
        {64, 0, "ended itself, as a chat template or grammar took too long (exit code 64)"},
        {65, 0, "ended itself on a fault inside libllama (exit code 65)"},
        {66, 0, "did what its sandbox does not allow (exit code 66)"},
        {67, 0, "ran out of memory (exit code 67)"},
    };
    for (size_t i = 0; i < WEFT_COUNT(cases); i++) {
        char why[WEFT_RUNNER_WHY_MAX];
        weft_runner_why(cases[i].code, cases[i].signal, why);
        assert_string_equal(why, cases[i].why);
    }
}

int main(void)
{
    weft_json_setup(1);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_is_watched_until_it_is_ready),
        cmocka_unit_test(what_it_counts_is_known),
        cmocka_unit_test(one_that_refuses_says_why_and_goes),
        cmocka_unit_test(it_is_told_its_share_of_the_cores),
        cmocka_unit_test(it_may_know_nothing_of_shares),
        cmocka_unit_test(its_end_is_told_whenever_it_comes),
        cmocka_unit_test(one_that_is_asked_to_stop_goes_by_itself),
        cmocka_unit_test(one_that_does_not_go_is_killed),
        cmocka_unit_test(one_that_answers_nothing_is_killed),
        cmocka_unit_test(one_that_falls_silent_as_it_loads_is_killed_sooner),
        cmocka_unit_test(one_that_is_killed_for_a_reason_ends_with_it),
        cmocka_unit_test(who_ended_it_is_known),
        cmocka_unit_test(one_without_a_socket_is_killed),
        cmocka_unit_test(it_may_be_freed_at_any_time),
        cmocka_unit_test(a_program_that_is_not_there_is_said_so),
        cmocka_unit_test(memory_may_run_out_anywhere),
        cmocka_unit_test(every_end_has_a_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
