/* tests/unit/node/delivery_test.c - answers over played engines that die, hang, let go and come back. */
#include "node/delivery.h"

#include "node/line.h"
#include "unit/node/engines.h"

#define GUESTS   6
#define TEXT_MAX 65536

/* Somebody who wants an answer. */
struct guest {
    struct weft_delivery *delivery; /* NULL: over, or not begun */
    const char *deed;               /* what the engine is to do, said in the request; NULL: what the script says */
    uint32_t ids[32 * 1024];
    size_t tokens, finishes, begun, waits, usages;
    uint32_t completion;
    bool whole, failed, leaves_in_frame, has_nothing;
    size_t pauses_at; /* tokens; 0: it does not */
    struct weft_native_problem problem;
};

static struct house {
    struct weft_models *models;
    struct weft_journal journal;
    struct weft_config config;
    struct guest guests[GUESTS];
} house;

static const char *const paths[] = {"/m/Small-1B.gguf"};

static void changed(void *self, size_t index)
{
    (void)self, (void)index;
}

static void stopped(void *self)
{
    (void)self;
}

static bool is_ready(void *self)
{
    (void)self;
    return weft_models_ready(house.models) == 1;
}

static bool is_gone(void *self)
{
    (void)self;
    return weft_models_ready(house.models) == 0;
}

static bool start(void)
{
    static const struct weft_models_user user = {.changed = changed, .stopped = stopped};
    const struct weft_models_options options = {.loop = &engines.loop,
                                                .journal = &house.journal,
                                                .config = &house.config,
                                                .engine = WEFT_CHILD_PROGRAM,
                                                .paths = paths,
                                                .count = 1,
                                                .user = &user};
    char problem[WEFT_MODEL_PROBLEM_MAX];
    engines_begin();
    memset(&house, 0, sizeof(house));
    house.config = (struct weft_config){
        .engine_slots = 8, .engine_gpu_layers = 10000, .engine_stall = 2 * WEFT_SECOND, .queue_max = 8};
    weft_journal_init(&house.journal, engines.host, WEFT_LOG_INFO, WEFT_JOURNAL_JSON);
    assert_int_equal(weft_models_new(&house.models, &options, problem), 0);
    weft_models_start(house.models);
    return engines_wait(is_ready, NULL);
}

static void end(void)
{
    for (size_t i = 0; i < GUESTS; i++) {
        if (house.guests[i].delivery) {
            weft_delivery_cancel(house.guests[i].delivery);
        }
    }
    weft_models_free(house.models);
    house.models = NULL;
    engines_end();
}

/* -- a guest -- */

static int on_begin(void *self, struct weft_bytes *body)
{
    struct guest *guest = self;
    char text[128];
    guest->begun++;
    if (guest->has_nothing) {
        return WEFT_ERR_INVALID;
    }
    int size = snprintf(text, sizeof(text), "{\"prompt\":\"%s\"}", guest->deed ? guest->deed : "canary");
    return weft_bytes_append(body, text, (size_t)size);
}

static void on_frame(void *self, const struct weft_frame *frame)
{
    struct guest *guest = self;
    if (frame->kind == WEFT_FRAME_TOKEN) {
        assert_true(guest->tokens < WEFT_COUNT(guest->ids));
        guest->ids[guest->tokens++] = frame->token.id;
    }
    guest->finishes += frame->kind == WEFT_FRAME_FINISH;
    if (frame->kind == WEFT_FRAME_USAGE) {
        guest->usages++;
        guest->completion = frame->usage.completion_tokens;
    }
    if (guest->pauses_at > 0 && guest->tokens == guest->pauses_at) {
        guest->pauses_at = 0;
        weft_delivery_pause(guest->delivery, true);
    }
    if (guest->leaves_in_frame && frame->kind == WEFT_FRAME_TOKEN) {
        weft_delivery_cancel(guest->delivery);
        guest->delivery = NULL;
    }
}

static void on_waiting(void *self, size_t ahead, weft_time estimate)
{
    struct guest *guest = self;
    (void)ahead, (void)estimate;
    guest->waits++;
}

static void on_ended(void *self, const struct weft_native_problem *problem)
{
    struct guest *guest = self;
    assert_false(guest->whole || guest->failed);
    guest->delivery = NULL;
    guest->whole = !problem;
    guest->failed = problem;
    if (problem) {
        guest->problem = *problem;
    }
}

static const struct weft_delivery_user user = {
    .begin = on_begin, .frame = on_frame, .waiting = on_waiting, .ended = on_ended};

static int ask(size_t i, const char *deed)
{
    struct guest *guest = &house.guests[i];
    *guest = (struct guest){.deed = deed};
    const struct weft_delivery_options options = {
        .loop = &engines.loop,
        .journal = &house.journal,
        .id = "req-1",
        .models = house.models,
        .choices = 1,
        .principal = i,
        .mark = {{(uint8_t)(i + 1)}},
        .wait = 300 * WEFT_SECOND,
        .user = &user,
        .self = guest,
    };
    return weft_delivery_start(&guest->delivery, &options, &guest->problem);
}

static bool are_over(void *self)
{
    (void)self;
    for (size_t i = 0; i < GUESTS; i++) {
        if (house.guests[i].delivery) {
            return false;
        }
    }
    return true;
}

/* Whole, and of so many tokens, counted once. */
static void assert_whole(size_t i, size_t tokens)
{
    const struct guest *guest = &house.guests[i];
    if (guest->failed) {
        fail_msg("%zu: %d %s %s", i, guest->problem.status, guest->problem.code, guest->problem.message);
    }
    assert_true(guest->whole);
    assert_int_equal(guest->tokens, tokens);
    assert_int_equal(guest->finishes, 1);
    assert_int_equal(guest->usages, 1);
    assert_int_equal(guest->completion, tokens);
    assert_int_equal(guest->begun, 1);
}

static struct weft_line_info info(void)
{
    struct weft_line_info info;
    weft_line_report(weft_models_line(house.models, 0), &info);
    return info;
}

/* The engine dies by this signal, if one lives. */
static bool end_engine(int signal)
{
    for (size_t i = 0; i < WEFT_CHILDREN_MAX; i++) {
        if (engines.children.at[i].process) {
            weft_child_die(&engines.children.at[i], signal);
            return true;
        }
    }
    return false;
}

/* -- an engine that goes -- */

static void an_answer_goes_on_behind_what_was_told(void **state)
{
    (void)state;
    assert_true(start());
    assert_int_equal(ask(0, "do=frames&n=100"), 0);
    engines_pass(200 * WEFT_MS);
    size_t told = house.guests[0].tokens;
    assert_true(told > 10 && told < 90);
    assert_true(end_engine(9));
    assert_true(engines_wait(are_over, NULL));
    assert_whole(0, 100);
    for (uint32_t i = 0; i < 100; i++) {
        assert_int_equal(house.guests[0].ids[i], 100 - i); /* the played engine counts down */
    }
    assert_non_null(strstr(engines.children.body, "\"resume\":[[100,99,98,"));
    assert_int_equal(info().resumed, 1);
    assert_int_equal(info().strikes, 0);
    assert_non_null(strstr(weft_world_log(engines.host), "\"event\":\"answer goes on later\""));
    assert_null(strstr(weft_world_log(engines.host), "canary"));
    end();
}

/* The next engine has loaded another model: it must not finish what the first one began. */
static void a_file_that_is_swapped_ends_the_answer(void **state)
{
    (void)state;
    assert_true(start());
    engines_pass(WEFT_SECOND);
    assert_int_equal(ask(0, "do=frames&n=100"), 0);
    engines_pass(200 * WEFT_MS);
    size_t told = house.guests[0].tokens;
    assert_true(told > 10 && told < 90);
    weft_world_put_file(engines.host, paths[0], WEFT_SLICE("another model"));
    assert_true(end_engine(9));
    engines_pass(20 * WEFT_SECOND);
    assert_string_equal(house.guests[0].problem.code, "model_changed");
    assert_int_equal(house.guests[0].problem.status, 502);
    assert_int_equal(house.guests[0].tokens, told);
    assert_null(strstr(engines.children.body, "resume"));
    assert_int_equal(ask(1, "do=frames&n=100"), 0);
    weft_world_put_file(engines.host, paths[0], WEFT_SLICE("one more"));
    assert_true(end_engine(9));
    assert_true(engines_wait(are_over, NULL));
    assert_whole(1, 100); /* nothing of it had been told: it began anew */
    end();
}

/* Killed again and again, with six that run: nothing is lost, nobody is blamed, and the model is not given up. */
static void deaths_that_nobody_caused_harm_nobody(void **state)
{
    (void)state;
    assert_true(start());
    for (size_t i = 0; i < GUESTS; i++) {
        assert_int_equal(ask(i, "do=frames&n=1000"), 0);
    }
    for (int i = 0; i < 12; i++) {
        engines_pass((500 + 37 * i) * WEFT_MS);
        assert_true(engines_wait(is_ready, NULL));
        engines_pass(300 * WEFT_MS);
        assert_true(end_engine(i % 2 ? 11 : 9));
    }
    assert_true(engines_wait(are_over, NULL));
    for (size_t i = 0; i < GUESTS; i++) {
        assert_whole(i, 1000);
    }
    end();
}

/* Also before it has written anything: that counts for nothing, up to the bound of all attempts. */
static void kills_from_outside_are_no_barren_attempts(void **state)
{
    (void)state;
    assert_true(start());
    assert_int_equal(ask(0, "do=stall&n=0"), 0);
    for (unsigned i = 1; i < WEFT_DELIVERY_ATTEMPTS_MAX; i++) {
        engines_pass(WEFT_SECOND);
        assert_non_null(house.guests[0].delivery);
        assert_int_equal(info().running, 1);
        assert_true(end_engine(9));
        assert_true(engines_wait(is_gone, NULL));
        assert_true(engines_wait(is_ready, NULL));
    }
    weft_delivery_cancel(house.guests[0].delivery);
    house.guests[0].delivery = NULL;
    end();
}

/* A reader that is slow when the engine dies finds out when it reads again. */
static void a_slow_reader_gets_all_too(void **state)
{
    (void)state;
    assert_true(start());
    assert_int_equal(ask(0, "do=flood&n=5000"), 0);
    house.guests[0].pauses_at = 10;
    engines_pass(60 * WEFT_SECOND); /* no stall: it is the reader who is silent */
    assert_int_equal(info().stalls, 0);
    assert_int_equal(info().running, 1);
    assert_true(end_engine(9));
    engines_pass(10 * WEFT_SECOND);
    assert_int_equal(house.guests[0].tokens, 10);
    weft_delivery_pause(house.guests[0].delivery, false);
    assert_true(engines_wait(are_over, NULL));
    assert_whole(0, 5000);
    end();
}

/* -- who kills -- */

static void the_one_that_kills_is_struck_and_the_others_finish(void **state)
{
    (void)state;
    assert_true(start());
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(ask(i, i == 2 ? "do=die&n=3" : "do=frames&n=300"), 0);
    }
    assert_true(engines_wait(are_over, NULL));
    for (size_t i = 0; i < 4; i++) {
        if (i != 2) {
            assert_whole(i, 300);
        }
    }
    assert_true(house.guests[2].failed);
    assert_string_equal(house.guests[2].problem.code, "request_kills_engine");
    assert_int_equal(house.guests[2].problem.status, 500);
    assert_non_null(strstr(house.guests[2].problem.message, "Small-1B has ended 3 times"));
    assert_int_equal(info().strikes, 3);

    size_t asked = engines.children.asked;
    assert_int_equal(ask(2, "do=die&n=3"), WEFT_ERR_DENIED); /* known again, and not tried */
    assert_string_equal(house.guests[2].problem.code, "request_kills_engine");
    assert_int_equal(ask(1, "do=frames&n=2"), 0);
    assert_true(engines_wait(are_over, NULL));
    assert_whole(1, 2);
    assert_true(engines.children.asked > asked);
    assert_int_equal(weft_models_ready(house.models), 1);
    end();
}

/* -- who is silent, and who lets go -- */

static void an_engine_that_hangs_is_ended(void **state)
{
    (void)state;
    assert_true(start());
    engines.children.script.deed = "do=stall&n=3";
    assert_int_equal(ask(0, NULL), 0);
    engines_pass(100 * WEFT_MS);
    assert_int_equal(house.guests[0].tokens, 0); /* that engine was made before the script */
    assert_true(engines_wait(are_over, NULL));
    assert_true(house.guests[0].whole);

    assert_int_equal(ask(0, "do=stall&n=3"), 0);
    engines_pass(WEFT_SECOND);
    assert_int_equal(house.guests[0].tokens, 3);
    engines_pass(2 * WEFT_SECOND);
    assert_int_equal(info().stalls, 1);
    assert_non_null(strstr(weft_world_log(engines.host), "stopped writing and was killed"));
    assert_true(engines_wait(are_over, NULL)); /* it hangs each time */
    assert_string_equal(house.guests[0].problem.code, "request_kills_engine");
    assert_int_equal(house.guests[0].tokens, 3);
    end();
}

static void one_that_is_silent_beside_others_is_tried_again(void **state)
{
    (void)state;
    assert_true(start());
    assert_int_equal(ask(0, "do=frames&n=4000"), 0); /* 20 s */
    assert_int_equal(ask(1, "do=stall&n=3"), 0);
    assert_true(engines_wait(are_over, NULL));
    assert_whole(0, 4000);
    assert_int_equal(engines.children.started, 1);
    assert_int_equal(info().stalls, WEFT_DELIVERY_BARREN_MAX + 1);
    assert_int_equal(house.guests[1].tokens, 3);
    assert_string_equal(house.guests[1].problem.code, "engine_lost");
    assert_int_equal(house.guests[1].problem.status, 502);
    end();
}

/* The engine lets go of it and lives. */
static void a_cut_answer_goes_on(void **state)
{
    (void)state;
    assert_true(start());
    assert_int_equal(ask(0, "do=cut&n=4"), 0);
    assert_true(engines_wait(are_over, NULL));
    assert_int_equal(house.guests[0].tokens, 4);
    assert_string_equal(house.guests[0].problem.code, "engine_lost");
    assert_int_equal(engines.children.started, 1);
    assert_int_equal(info().resumed, WEFT_DELIVERY_BARREN_MAX + 1);
    end();
}

/* What an engine itself says is final. */
static void errors_of_the_engine_are_final(void **state)
{
    (void)state;
    assert_true(start());
    assert_int_equal(ask(0, "do=error&n=2"), 0);
    assert_int_equal(ask(1, "do=refuse"), 0);
    assert_true(engines_wait(are_over, NULL));
    assert_string_equal(house.guests[0].problem.code, "numbers");
    assert_int_equal(house.guests[0].tokens, 2);
    assert_string_equal(house.guests[1].problem.code, "context_overflow");
    assert_int_equal(house.guests[1].problem.status, 400);
    assert_int_equal(info().resumed, 0);
    end();
}

/* Its user forgets the request after he was asked for it, so that is done once. */
static void what_cannot_be_asked_is_not_tried_again(void **state)
{
    (void)state;
    assert_true(start());
    assert_int_equal(ask(0, NULL), 0);
    house.guests[0].has_nothing = true;
    assert_true(engines_wait(are_over, NULL));
    assert_true(house.guests[0].failed);
    assert_int_equal(house.guests[0].begun, 1);
    end();
}

/* -- who waits -- */

static void who_leaves_leaves_at_once(void **state)
{
    (void)state;
    assert_true(start());
    assert_int_equal(ask(0, "do=frames&n=10000"), 0);
    engines_pass(100 * WEFT_MS);
    house.guests[0].leaves_in_frame = true; /* inside of a callback */
    engines_pass(100 * WEFT_MS);
    assert_null(house.guests[0].delivery);
    assert_int_equal(engines.children.cancelled, 1);
    assert_int_equal(info().running, 0);

    assert_int_equal(ask(1, "do=frames&n=10000"), 0);
    engines_pass(100 * WEFT_MS);
    assert_true(end_engine(9));
    engines_pass(100 * WEFT_MS);
    assert_int_equal(info().waiting, 1); /* for the next engine */
    weft_delivery_cancel(house.guests[1].delivery);
    house.guests[1].delivery = NULL;
    assert_int_equal(info().waiting, 0);
    engines_pass(10 * WEFT_SECOND);
    assert_int_equal(info().running, 0);
    end();
}

static void who_waits_hears_of_it(void **state)
{
    (void)state;
    assert_true(start());
    house.config.engine_slots = 8; /* the played engine has so many */
    engines.children.script.loads = 5 * WEFT_SECOND;
    assert_int_equal(ask(0, "do=frames&n=400"), 0);
    engines_pass(100 * WEFT_MS);
    assert_true(end_engine(9));
    assert_true(engines_wait(are_over, NULL));
    assert_whole(0, 400);
    assert_in_range(house.guests[0].waits, 3, 6);
    end();
}

/* -- memory -- */

/* Each allocation fails in turn, the engine's too, while an answer is cut and goes on: whole, or an error; and nothing
 * is left. */
static void every_allocation_may_fail(void **state)
{
    (void)state;
    bool done = false;
    size_t failures = 0, wholes = 0;
    for (uint64_t at = 1; !done; at++) {
        assert_true(start());
        weft_bytes_trim();
        weft_mem_fail_at(at);
        int error = ask(0, "do=frames&n=8");
        engines_pass(21 * WEFT_MS);
        (void)end_engine(9); /* it may have died of the want of memory */
        bool over = error < 0 || engines_wait(are_over, NULL);
        done = !weft_mem_failed();
        weft_mem_fail_at(0);
        assert_true(over);
        const struct guest *guest = &house.guests[0];
        if (guest->whole) {
            assert_whole(0, 8);
            wholes++;
        } else {
            assert_true(guest->problem.status >= 500 && guest->problem.message[0]);
            failures++;
        }
        assert_true(!done || guest->whole);
        end();
    }
    assert_true(failures > 5 && wholes > 5);
}

int main(void)
{
    weft_json_setup(42);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_answer_goes_on_behind_what_was_told),
        cmocka_unit_test(a_file_that_is_swapped_ends_the_answer),
        cmocka_unit_test(deaths_that_nobody_caused_harm_nobody),
        cmocka_unit_test(kills_from_outside_are_no_barren_attempts),
        cmocka_unit_test(a_slow_reader_gets_all_too),
        cmocka_unit_test(the_one_that_kills_is_struck_and_the_others_finish),
        cmocka_unit_test(an_engine_that_hangs_is_ended),
        cmocka_unit_test(one_that_is_silent_beside_others_is_tried_again),
        cmocka_unit_test(a_cut_answer_goes_on),
        cmocka_unit_test(errors_of_the_engine_are_final),
        cmocka_unit_test(what_cannot_be_asked_is_not_tried_again),
        cmocka_unit_test(who_leaves_leaves_at_once),
        cmocka_unit_test(who_waits_hears_of_it),
        cmocka_unit_test(every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
