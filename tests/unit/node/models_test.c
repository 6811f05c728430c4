/* tests/unit/node/models_test.c - the supervisor: loading in turn, restarts, giving up, sharing cores. */
#include "node/models.h"

#include "node/line.h"
#include "node/native.h"
#include "node/runner.h"
#include "unit/node/house.h"
#include "wire/engine_exit.h"
#include "wire/engine_page.h"

static void a_model_loads_and_is_ready(void **state)
{
    (void)state;
    begin(one, 1);
    engines.children.script.loads = WEFT_SECOND;
    assert_int_equal(info(0).state, WEFT_MODEL_STARTING);
    engines_pass(500 * WEFT_MS);
    assert_int_equal(info(0).state, WEFT_MODEL_LOADING);
    assert_true(info(0).progress > 0.3 && info(0).progress < 0.6);
    assert_true(info(0).process > 0);
    struct weft_relay_target target;
    assert_int_equal(weft_models_target(house.models, 0, &target), WEFT_ERR_BUSY);
    assert_int_equal(weft_models_ready(house.models), 0);

    assert_true(engines_wait(is_ready, NULL));
    assert_int_equal(weft_models_target(house.models, 0, &target), 0);
    struct weft_model_info ready = info(0);
    assert_true(weft_slice_equal(ready.name, WEFT_SLICE("Small-1B")));
    assert_int_equal(ready.starts, 1);
    assert_int_equal(ready.deaths, 0);
    assert_int_equal(ready.slots, 8);
    assert_int_equal(ready.context_tokens, 4096);
    assert_string_equal(ready.variant, "zen4");
    assert_null(ready.problem);
    assert_true(ready.loaded_s > 1700000000);
    assert_true(house.changes >= 10);
    assert_true(said("engine started model=Small-1B process=1000 threads=4"));
    assert_true(said("slots=8 context=4096 memory_mib=1024 cpu=zen4 sandbox=\"seccomp + landlock\""));
    end();
}

static void a_model_is_known_by_its_hash(void **state)
{
    (void)state;
    uint8_t first[WEFT_HOST_HASH_SIZE], other[WEFT_HOST_HASH_SIZE] = {0};
    begin(three, 3);
    assert_null(info(0).hash);
    assert_true(engines_wait(is_ready, NULL));
    engines_pass(WEFT_SECOND);
    assert_non_null(info(0).hash);
    memcpy(first, info(0).hash, sizeof(first));
    assert_int_equal(weft_models_find_hash(house.models, first, false), 0);
    assert_int_equal(weft_models_find_hash(house.models, info(2).hash, false), 2);
    assert_int_equal(weft_models_find_hash(house.models, other, false), -1);
    assert_int_equal(weft_models_holds(house.models, 0, first, true), 1);
    assert_int_equal(weft_models_holds(house.models, 1, first, true), 0);

    weft_world_put_file(engines.host, three[0], WEFT_SLICE("another model")); /* loaded is what was there before */
    engines_pass(WEFT_SECOND);
    assert_int_equal(weft_models_holds(house.models, 0, first, true), 1);
    weft_child_die(&engines.children.at[0], 9);
    engines_pass(5 * WEFT_SECOND);
    assert_true(is_ready(NULL));
    assert_int_equal(weft_models_holds(house.models, 0, first, true), 0);
    assert_int_equal(weft_models_find_hash(house.models, first, false), -1);
    assert_int_equal(weft_models_holds(house.models, 0, info(0).hash, true), 1);
    end();
}

static void an_engine_is_told_what_is_set(void **state)
{
    (void)state;
    engines_begin();
    assert_int_equal(make(one, 1), 0);
    weft_models_start(house.models);
    assert_true(engines_wait(is_ready, NULL));
    assert_string_equal(engines.children.arguments,
                        " weft-engine --model /models/Small-1B.gguf --slots 8 --context 0 --threads 4 --gpu-layers -1"
                        " --sandbox on");
    end();

    engines_begin();
    assert_int_equal(make(one, 1), 0);
    house.config = (struct weft_config){.engine_slots = 2,
                                        .engine_context = 512,
                                        .engine_gpu_layers = 0,
                                        .engine_memory_max = 5000000000,
                                        .queue_max = 8,
                                        .engine_exact = true,
                                        .engine_sandbox = WEFT_CONFIG_SANDBOX_OFF};
    weft_models_start(house.models);
    assert_true(engines_wait(is_ready, NULL));
    assert_string_equal(engines.children.arguments,
                        " weft-engine --model /models/Small-1B.gguf --slots 2 --context 512 --threads 4 --gpu-layers 0"
                        " --sandbox off --exact --memory-max 5000000000");
    end();
}

/* The second must see what memory the first has left. */
static void models_load_one_after_the_other(void **state)
{
    (void)state;
    begin(three, 3);
    engines.children.script.loads = WEFT_SECOND;
    for (size_t i = 0; i < 3; i++) {
        engines_pass(500 * WEFT_MS);
        assert_int_equal(engines.children.started, i + 1);
        assert_int_equal(info(i).state, WEFT_MODEL_LOADING);
        engines_pass(650 * WEFT_MS);
    }
    assert_true(is_ready(NULL));
    end();
}

static void cores_are_shared_out_and_never_more(void **state)
{
    (void)state;
    static const struct {
        size_t cores;
        int set;
        int threads[3];
    } cases[] = {
        {4, 0, {2, 1, 1}},  {2, 0, {1, 1, 1}}, {16, 0, {6, 5, 5}},
        {16, 3, {1, 1, 1}}, {2, 7, {3, 2, 2}}, {4, 2000, {512, 512, 512}},
    };
    for (size_t i = 0; i < WEFT_COUNT(cases); i++) {
        engines_begin();
        weft_world_set_cores(engines.host, cases[i].cores);
        static const struct weft_models_user user = {.changed = on_changed, .stopped = on_stopped};
        house.config = (struct weft_config){.engine_slots = 8, .engine_threads = cases[i].set, .queue_max = 8};
        weft_journal_init(&house.journal, engines.host, WEFT_LOG_INFO, WEFT_JOURNAL_PRETTY);
        const struct weft_models_options options = {.loop = &engines.loop,
                                                    .journal = &house.journal,
                                                    .config = &house.config,
                                                    .engine = WEFT_CHILD_PROGRAM,
                                                    .paths = three,
                                                    .count = 3,
                                                    .user = &user};
        assert_int_equal(weft_models_new(&house.models, &options, house.problem), 0);
        weft_models_start(house.models);
        assert_true(engines_wait(is_ready, NULL));
        for (size_t model = 0; model < 3; model++) {
            char text[64];
            (void)snprintf(text, sizeof(text), "process=%zu threads=%d\n", 1000 + model, cases[i].threads[model]);
            assert_true(said(text));
        }
        end();
    }
}

static void on_go(void *self)
{
    (void)self;
}

static const struct weft_place_user place_user = {.go = on_go};

/* With one that had written something for a while nothing was wrong: whoever reads is not kept waiting. */
static void one_that_had_served_is_replaced_at_once(void **state)
{
    (void)state;
    struct weft_place place = {.user = &place_user};
    begin(one, 1);
    assert_true(engines_wait(is_ready, NULL));
    assert_int_equal(weft_line_join(weft_models_line(house.models, 0), &place, 1, 1, WEFT_SECOND), 0);
    engines_pass(WEFT_MODEL_AT_ONCE);
    weft_line_got_on(&place);
    weft_child_die(&engines.children.at[0], 9);
    engines_pass(10 * WEFT_MS);
    assert_true(said("restart_in_ms=0.000"));
    weft_line_leave(&place);
    assert_true(engines_wait(is_ready, NULL));
    end();
}

static void a_dead_engine_is_replaced(void **state)
{
    (void)state;
    begin(one, 1);
    assert_true(engines_wait(is_ready, NULL));
    int64_t process = info(0).process;
    weft_time died = weft_world_now(engines.world);
    weft_child_die(&engines.children.at[0], 9);
    engines_pass(10 * WEFT_MS);
    struct weft_relay_target target;
    assert_int_equal(info(0).state, WEFT_MODEL_STARTING);
    assert_int_equal(info(0).process, 0);
    assert_int_equal(info(0).deaths, 1);
    assert_int_equal(weft_models_target(house.models, 0, &target), WEFT_ERR_BUSY);
    assert_true(said("warn  engine died model=Small-1B why=\"was killed (signal 9)\" restart_in_ms=250.000"));
    assert_true(engines_wait(is_ready, NULL));
    assert_true(weft_world_now(engines.world) - died < WEFT_SECOND);
    assert_true(info(0).process > 0 && info(0).process != process);
    assert_int_equal(info(0).starts, 2);
    assert_int_equal(weft_models_target(house.models, 0, &target), 0);
    end();
}

static void count(size_t child, uint64_t tokens, uint64_t steps)
{
    struct weft_engine_page *page = engines.host->ops->shared(engines.children.at[child].process);
    atomic_store(&page->tokens_sampled, tokens);
    atomic_store(&page->steps, steps);
}

static void what_engines_count_is_added_up(void **state)
{
    (void)state;
    begin(one, 1);
    assert_int_equal(info(0).tokens_sampled, 0);
    assert_true(engines_wait(is_ready, NULL));
    count(0, 30, 10);
    assert_int_equal(info(0).tokens_sampled, 30);
    count(0, 50, 20);
    weft_child_die(&engines.children.at[0], 9);
    engines_pass(10 * WEFT_MS);
    assert_int_equal(info(0).tokens_sampled, 50); /* nobody runs it now */
    assert_true(engines_wait(is_ready, NULL));
    assert_int_equal(info(0).tokens_sampled, 50);
    count(0, 7, 3);
    assert_int_equal(info(0).tokens_sampled, 57);
    assert_int_equal(info(0).steps, 23);
    end();
}

/* The one that serves is not kept from it by one that dies. */
static void one_that_dies_leaves_the_others_alone(void **state)
{
    (void)state;
    begin(three, 3);
    assert_true(engines_wait(is_ready, NULL));
    int64_t first = info(0).process, third = info(2).process;
    weft_child_die(&engines.children.at[1], 11);
    engines_pass(10 * WEFT_MS);
    struct weft_relay_target target;
    assert_int_equal(weft_models_target(house.models, 0, &target), 0);
    assert_int_equal(weft_models_target(house.models, 1, &target), WEFT_ERR_BUSY);
    assert_true(engines_wait(is_ready, NULL));
    assert_int_equal(info(0).process, first);
    assert_int_equal(info(2).process, third);
    end();
}

static void pauses_grow_and_the_fifth_death_is_the_last(void **state)
{
    (void)state;
    begin(one, 1);
    engines.children.script = (struct weft_child_script){.loads = WEFT_SECOND, .lives = 10 * WEFT_MS, .signal = 11};
    assert_true(engines_wait(is_failed, NULL));
    assert_int_equal(info(0).starts, WEFT_MODEL_RESTARTS_MAX);
    assert_int_equal(info(0).deaths, WEFT_MODEL_RESTARTS_MAX);
    assert_int_equal(info(0).state, WEFT_MODEL_FAILED);
    assert_string_equal(info(0).problem,
                        "The engine of this model crashed (signal 11), before it was ready. That was the 5th time in a "
                        "row, so it is not started again. `weft-engine --check --model FILE` may say more; then start "
                        "weft again.");
    static const char *const pauses[] = {"restart_in_ms=250.000", "restart_in_ms=500.000", "restart_in_ms=1000.000",
                                         "restart_in_ms=2000.000"};
    for (size_t i = 0; i < WEFT_COUNT(pauses); i++) {
        assert_true(said(pauses[i]));
    }
    assert_true(said("error model given up model=Small-1B why=\"The engine of this model crashed (signal 11)"));
    weft_time took = weft_world_now(engines.world);
    assert_true(took >= 3750 * WEFT_MS && took <= 4000 * WEFT_MS);
    struct weft_relay_target target;
    assert_int_equal(weft_models_target(house.models, 0, &target), WEFT_ERR_CLOSED);
    engines_pass(600 * WEFT_SECOND);
    assert_int_equal(engines.children.started, WEFT_MODEL_RESTARTS_MAX);
    end();
}

/* These will not end otherwise the next time; a lack of memory may, and what a request has brought about. */
static void ends_that_would_repeat_are_final_at_once(void **state)
{
    (void)state;
    static const struct {
        int code;
        bool serves;
        uint32_t starts;
    } cases[] = {
        {WEFT_ENGINE_EXIT_USAGE, false, 1},
        {WEFT_ENGINE_EXIT_TEMPLATE, false, 1},
        {WEFT_ENGINE_EXIT_SANDBOX, false, 1},
        {WEFT_ENGINE_EXIT_ABORT, false, WEFT_MODEL_RESTARTS_MAX},
        {WEFT_ENGINE_EXIT_MEMORY, false, WEFT_MODEL_RESTARTS_MAX},
        {WEFT_ENGINE_EXIT_TEMPLATE, true, WEFT_MODEL_RESTARTS_MAX},
        {WEFT_ENGINE_EXIT_SANDBOX, true, WEFT_MODEL_RESTARTS_MAX},
    };
    for (size_t i = 0; i < WEFT_COUNT(cases); i++) {
        begin(one, 1);
        engines.children.script = (struct weft_child_script){
            .loads = cases[i].serves ? 0 : WEFT_SECOND, .lives = WEFT_SECOND / 2, .code = cases[i].code};
        assert_true(engines_wait(is_failed, NULL));
        assert_int_equal(info(0).starts, cases[i].starts);
        assert_non_null(strstr(info(0).problem, cases[i].serves ? ", while it served." : ", before it was ready."));
        bool final = strstr(info(0).problem, "Another would end the same way, so it is not started again.");
        assert_int_equal(final, cases[i].starts == 1);
        end();
    }
}

static void a_minute_of_service_is_a_new_beginning(void **state)
{
    (void)state;
    begin(one, 1);
    engines.children.script = (struct weft_child_script){.lives = 61 * WEFT_SECOND, .code = 1};
    engines_pass(20 * 62 * WEFT_SECOND);
    assert_true(info(0).deaths >= 19);
    assert_false(is_failed(NULL));
    assert_false(said("restart_in_ms=500.000"));

    engines.children.script.lives = 50 * WEFT_SECOND; /* not long enough, but it served */
    assert_true(engines_wait(is_failed, NULL));
    assert_non_null(strstr(info(0).problem, "ended with an error (exit code 1), while it served."));
    end();
}

static void a_refusal_is_final_at_once(void **state)
{
    (void)state;
    begin(three, 3);
    engines.children.script = (struct weft_child_script){.refuses = "It needs 9 GiB, and 2 GiB are free."};
    assert_true(engines_wait(is_failed, NULL));
    assert_string_equal(info(0).problem, "It needs 9 GiB, and 2 GiB are free.");
    engines.children.script.refuses = NULL; /* the others are no worse for it */
    engines_pass(10 * WEFT_SECOND);
    assert_int_equal(info(0).state, WEFT_MODEL_FAILED);
    assert_int_equal(info(0).starts, 1);
    assert_int_equal(info(0).process, 0);
    assert_int_equal(info(2).state, WEFT_MODEL_READY);
    assert_int_equal(weft_models_ready(house.models), WEFT_ERR_CLOSED);
    end();
}

static void a_program_that_cannot_be_started_is_final_too(void **state)
{
    (void)state;
    static const struct {
        int status;
        const char *text;
    } cases[] = {{WEFT_ERR_NOT_FOUND, "The engine program is not there."},
                 {WEFT_ERR_DENIED, "The engine program may not be run."}};
    for (size_t i = 0; i < WEFT_COUNT(cases); i++) {
        begin(one, 1);
        engines.children.program.status = cases[i].status;
        assert_true(engines_wait(is_failed, NULL));
        assert_memory_equal(info(0).problem, cases[i].text, strlen(cases[i].text));
        assert_int_equal(info(0).starts, 1);
        end();
    }
    begin(one, 1); /* but a machine that is short of something may have it again */
    engines.children.program.status = WEFT_ERR_FULL;
    engines_pass(100 * WEFT_MS);
    assert_true(said("why=\"could not be started ("));
    engines.children.program.status = 0;
    assert_true(engines_wait(is_ready, NULL));
    end();
}

struct asked {
    bool ended;
    char code[WEFT_NATIVE_CODE_MAX];
};

static void asked_frame(void *self, const struct weft_frame *frame)
{
    (void)self, (void)frame;
}

static void asked_ended(void *self, const struct weft_native_problem *problem)
{
    struct asked *asked = self;
    asked->ended = true;
    (void)snprintf(asked->code, sizeof(asked->code), "%s", problem ? problem->code : "whole");
}

static bool is_answered(void *self)
{
    return ((struct asked *)self)->ended;
}

static void ask(struct asked *asked, const char *path)
{
    static const struct weft_native_user user = {.frame = asked_frame, .ended = asked_ended};
    struct weft_native_options options = {
        .loop = &engines.loop, .path = weft_slice_text(path), .user = &user, .self = asked};
    struct weft_native *native;
    *asked = (struct asked){0};
    assert_int_equal(weft_models_target(house.models, 0, &options.target), 0);
    assert_int_equal(weft_native_start(&native, &options), 0);
}

static void a_death_fails_what_runs_and_the_next_is_served(void **state)
{
    (void)state;
    struct asked asked, stalled;
    begin(one, 1);
    assert_true(engines_wait(is_ready, NULL));
    ask(&stalled, "/generate?do=stall&n=3");
    ask(&asked, "/generate?do=die&n=3");
    assert_true(engines_wait(is_answered, &asked));
    assert_string_equal(asked.code, "engine_lost");
    engines_pass(10 * WEFT_MS);
    assert_true(stalled.ended);
    assert_string_equal(stalled.code, "engine_lost");
    assert_true(engines_wait(is_ready, NULL));
    ask(&asked, "/generate?do=frames&n=3");
    assert_true(engines_wait(is_answered, &asked));
    assert_string_equal(asked.code, "whole");
    end();
}

static void a_stop_asks_first_and_then_kills(void **state)
{
    (void)state;
    for (int stubborn = 0; stubborn < 2; stubborn++) {
        begin(three, 3);
        engines.children.script.stubborn = stubborn;
        assert_true(engines_wait(is_ready, NULL));
        weft_time asked = weft_world_now(engines.world);
        weft_models_stop(house.models);
        assert_false(house.stopped); /* later */
        assert_true(engines_wait(is_stopped, NULL));
        weft_time took = weft_world_now(engines.world) - asked;
        assert_true(stubborn ? took == WEFT_RUNNER_PARTING : took < 10 * WEFT_MS);
        assert_int_equal(weft_world_processes(engines.host), 0);
        assert_false(said("engine died"));
        end();
    }
}

static void a_stop_needs_no_engine(void **state)
{
    (void)state;
    begin(one, 1);
    engines.children.script = (struct weft_child_script){.lives = 10 * WEFT_MS, .code = 1};
    engines_pass(100 * WEFT_MS); /* it has died, and waits */
    assert_int_equal(info(0).state, WEFT_MODEL_STARTING);
    weft_models_stop(house.models);
    assert_true(engines_wait(is_stopped, NULL));
    engines_pass(10 * WEFT_SECOND);
    assert_int_equal(engines.children.started, 1);
    end();
    begin(one, 1);
    weft_models_stop(house.models); /* before it has begun */
    assert_true(engines_wait(is_stopped, NULL));
    assert_int_equal(engines.children.started, 0);
    end();
}

/* -- names -- */

static void names_are_found(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        int index, near;
    } cases[] = {
        {"Small-1B", 0, -1},
        {"small-1b", 0, -1},
        {"Big-70B", 1, -1},
        {"third", 2, -1},
        {"Small-2B", -1, 0},
        {"Small", 0, -1},
        {"big", 1, -1},
        {"thrid", -1, 2},
        {"gpt-4", -1, -1},
        {"", -1, -1},
        {"a name that is much longer than any that could have been meant by it", -1, -1},
    };
    begin(three, 3);
    for (size_t i = 0; i < WEFT_COUNT(cases); i++) {
        struct weft_model_match match;
        assert_int_equal(weft_models_find(house.models, weft_slice_text(cases[i].name), &match), cases[i].index);
        assert_int_equal(match.count, cases[i].index >= 0 || cases[i].near >= 0);
        if (match.count > 0) {
            assert_int_equal(match.at[0], cases[i].index >= 0 ? cases[i].index : cases[i].near);
        }
    }
    end();
}

static void names_must_differ_and_be_names(void **state)
{
    (void)state;
    static const char *const twins[] = {"/a/Model.gguf", "/b/model.GGUF"};
    static const char *const nameless[] = {"/a/good.gguf", "/a/\xff.gguf"};
    char name[WEFT_MODEL_NAME_MAX + 2];
    memset(name, 'x', sizeof(name));
    name[sizeof(name) - 1] = '\0';
    const char *const endless[] = {name};
    engines_begin();
    assert_int_equal(make(twins, 2), WEFT_ERR_EXISTS);
    assert_null(house.models);
    assert_string_equal(house.problem, "Two models have the same name, model. A model is asked for by its file's name: "
                                       "rename one of the files.");
    assert_int_equal(make(nameless, 2), WEFT_ERR_INVALID);
    assert_non_null(strstr(house.problem, "model file 2 cannot"));
    assert_int_equal(make(endless, 1), WEFT_ERR_INVALID);
    engines_end();
}

static void states_have_names(void **state)
{
    (void)state;
    assert_string_equal(weft_model_state_name(WEFT_MODEL_STARTING), "starting");
    assert_string_equal(weft_model_state_name(WEFT_MODEL_FAILED), "failed");
}

static void memory_may_run_out_anywhere(void **state)
{
    (void)state;
    for (uint64_t at = 1;; at++) {
        engines_begin();
        weft_mem_fail_at(at);
        int error = make(three, 3);
        if (error == 0) {
            weft_models_start(house.models);
            assert_true(engines_wait(is_ready, NULL)); /* whatever failed is tried again */
        }
        bool failed = weft_mem_failed();
        weft_mem_fail_at(0);
        assert_true(error == 0 || (failed && error == WEFT_ERR_MEMORY));
        weft_models_free(house.models);
        house.models = NULL;
        engines_end();
        if (!failed) {
            assert_true(at > 30);
            return;
        }
    }
}

int main(void)
{
    weft_json_setup(1);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_model_loads_and_is_ready),
        cmocka_unit_test(a_model_is_known_by_its_hash),
        cmocka_unit_test(an_engine_is_told_what_is_set),
        cmocka_unit_test(models_load_one_after_the_other),
        cmocka_unit_test(cores_are_shared_out_and_never_more),
        cmocka_unit_test(a_dead_engine_is_replaced),
        cmocka_unit_test(one_that_had_served_is_replaced_at_once),
        cmocka_unit_test(what_engines_count_is_added_up),
        cmocka_unit_test(one_that_dies_leaves_the_others_alone),
        cmocka_unit_test(pauses_grow_and_the_fifth_death_is_the_last),
        cmocka_unit_test(ends_that_would_repeat_are_final_at_once),
        cmocka_unit_test(a_minute_of_service_is_a_new_beginning),
        cmocka_unit_test(a_refusal_is_final_at_once),
        cmocka_unit_test(a_program_that_cannot_be_started_is_final_too),
        cmocka_unit_test(a_death_fails_what_runs_and_the_next_is_served),
        cmocka_unit_test(a_stop_asks_first_and_then_kills),
        cmocka_unit_test(a_stop_needs_no_engine),
        cmocka_unit_test(names_are_found),
        cmocka_unit_test(names_must_differ_and_be_names),
        cmocka_unit_test(states_have_names),
        cmocka_unit_test(memory_may_run_out_anywhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
