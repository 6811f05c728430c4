/* tests/unit/node/native_test.c - requests to a played engine: frames, whole answers, refusals, losses. */
#include "node/native.h"

#include "node/runner.h"
#include "unit/node/engines.h"

struct reader {
    struct weft_native *native;
    size_t begun, tokens, deltas, finishes, usages, answers;
    size_t pause_after, cancel_after; /* tokens; 0: never */
    bool cancel_at_begin, ended, whole;
    struct weft_native_problem problem;
    char answer[512];
};

static struct engine {
    struct weft_runner *runner;
    bool ready, ended;
} engine;

static void engine_loading(void *self, double progress)
{
    (void)self, (void)progress;
}

static void engine_ready(void *self, const json_t *info)
{
    (void)self, (void)info;
    engine.ready = true;
}

static void engine_refused(void *self, const char *message, bool for_memory)
{
    (void)self, (void)for_memory;
    fail_msg("%s", message);
}

static void engine_ended(void *self, const char *why, bool for_good)
{
    (void)self, (void)why, (void)for_good;
    engine.ended = true;
    weft_runner_free(engine.runner);
    engine.runner = NULL;
}

static bool is_engine_ready(void *self)
{
    (void)self;
    return engine.ready;
}

static void begin(void)
{
    static const struct weft_runner_user user = {
        .loading = engine_loading, .ready = engine_ready, .refused = engine_refused, .ended = engine_ended};
    static const char *const argv[] = {"weft-engine", NULL};
    const struct weft_runner_options options = {.loop = &engines.loop,
                                                .spawn = {.program = WEFT_CHILD_PROGRAM, .argv = argv},
                                                .stall = WEFT_NEVER,
                                                .user = &user};
    engine = (struct engine){0};
    engines_begin();
    assert_int_equal(weft_runner_new(&engine.runner, &options), 0);
    assert_true(engines_wait(is_engine_ready, NULL));
}

static void end(void)
{
    weft_runner_free(engine.runner);
    engine.runner = NULL;
    engines_end();
}

static void reader_begun(void *self)
{
    struct reader *reader = self;
    reader->begun++;
    if (reader->cancel_at_begin) {
        weft_native_cancel(reader->native);
        reader->native = NULL;
    }
}

static void reader_frame(void *self, const struct weft_frame *frame)
{
    struct reader *reader = self;
    assert_int_equal(reader->begun, 1);
    assert_false(reader->ended);
    assert_non_null(reader->native); /* nothing comes after a cancel */
    switch (frame->kind) {
    case WEFT_FRAME_TOKEN:
        assert_true(weft_slice_equal(frame->token.bytes, WEFT_SLICE("word ")));
        reader->tokens++;
        break;
    case WEFT_FRAME_DELTA:
        reader->deltas++;
        break;
    case WEFT_FRAME_FINISH:
        reader->finishes++;
        break;
    case WEFT_FRAME_USAGE:
        assert_int_equal(frame->usage.prompt_tokens, 7);
        reader->usages++;
        break;
    default:
        fail_msg("a frame that is not the user's: %d", (int)frame->kind);
    }
    if (reader->pause_after > 0 && reader->tokens >= reader->pause_after) {
        weft_native_pause(reader->native, true);
    }
    if (reader->cancel_after > 0 && reader->tokens >= reader->cancel_after) {
        weft_native_cancel(reader->native);
        reader->native = NULL;
    }
}

static void reader_answer(void *self, struct weft_slice body)
{
    struct reader *reader = self;
    reader->answers++;
    (void)snprintf(reader->answer, sizeof(reader->answer), "%.*s", (int)body.size, body.data);
}

static void reader_ended(void *self, const struct weft_native_problem *problem)
{
    struct reader *reader = self;
    assert_false(reader->ended);
    reader->ended = true;
    reader->whole = !problem;
    reader->native = NULL;
    if (problem) {
        reader->problem = *problem;
    }
}

static const struct weft_native_user user = {
    .begun = reader_begun, .frame = reader_frame, .answer = reader_answer, .ended = reader_ended};

static int try(struct reader *reader, const char *path, const char *text)
{
    struct weft_bytes body = {0};
    if (text) {
        assert_int_equal(weft_bytes_append(&body, text, strlen(text)), 0);
    }
    struct weft_native_options options = {.loop = &engines.loop,
                                          .path = weft_slice_text(path),
                                          .body = text ? &body : NULL,
                                          .user = &user,
                                          .self = reader};
    assert_int_equal(weft_runner_target(engine.runner, &options.target), 0);
    int error = weft_native_start(&reader->native, &options);
    weft_bytes_deinit(&body);
    return error;
}

static bool is_ended(void *self)
{
    return ((struct reader *)self)->ended;
}

static void ask(struct reader *reader, const char *path, const char *text)
{
    assert_int_equal(try(reader, path, text), 0);
    assert_int_equal(reader->begun, 0); /* later, from the turn */
    assert_true(engines_wait(is_ended, reader));
}

static void an_answer_comes_frame_by_frame(void **state)
{
    (void)state;
    struct reader reader = {0};
    begin();
    ask(&reader, "/generate?do=frames&n=5", "{\"prompt\":\"x\"}");
    assert_true(reader.whole);
    assert_int_equal(reader.tokens, 5);
    assert_int_equal(reader.deltas, 5);
    assert_int_equal(reader.finishes, 1);
    assert_int_equal(reader.usages, 1);
    assert_int_equal(reader.answers, 0);
    assert_string_equal(engines.children.body, "{\"prompt\":\"x\"}");
    end();
}

static void other_answers_come_whole(void **state)
{
    (void)state;
    struct reader reader = {0};
    begin();
    ask(&reader, "/info", NULL);
    assert_true(reader.whole);
    assert_int_equal(reader.answers, 1);
    assert_memory_equal(reader.answer, "{\"name\":\"Played\"", 16);
    end();
}

static void a_refusal_is_told_in_the_words_of_the_engine(void **state)
{
    (void)state;
    struct reader reader = {0};
    begin();
    ask(&reader, "/generate?do=refuse", "{}");
    assert_false(reader.whole);
    assert_int_equal(reader.begun, 0);
    assert_int_equal(reader.problem.status, 400);
    assert_string_equal(reader.problem.code, "context_overflow");
    assert_string_equal(reader.problem.message, "Too long: 5000 of 4096.");
    end();
}

static void an_error_frame_is_told_too(void **state)
{
    (void)state;
    struct reader reader = {0};
    begin();
    ask(&reader, "/generate?do=error&n=2", "{}");
    assert_int_equal(reader.tokens, 2);
    assert_int_equal(reader.problem.status, 500);
    assert_string_equal(reader.problem.code, "numbers");
    assert_string_equal(reader.problem.message, "The numbers are wrong.");
    end();
}

static void a_stream_without_its_end_is_an_error(void **state)
{
    (void)state;
    static const char *const paths[] = {"/generate?do=cut&n=3", "/generate?do=die&n=3", "/generate?do=cut&n=0"};
    for (size_t i = 0; i < WEFT_COUNT(paths); i++) {
        struct reader reader = {0};
        begin();
        ask(&reader, paths[i], "{}");
        assert_false(reader.whole);
        assert_int_equal(reader.tokens, i < 2 ? 3 : 0);
        assert_int_equal(reader.problem.status, 502);
        assert_string_equal(reader.problem.code, "engine_lost");
        assert_string_equal(reader.problem.message, "The engine that was answering stopped before the answer was "
                                                    "complete. It is being restarted; please ask again.");
        end();
    }
}

static void all_that_run_fail_when_their_engine_dies(void **state)
{
    (void)state;
    struct reader readers[3] = {0};
    begin();
    for (size_t i = 0; i < WEFT_COUNT(readers); i++) {
        assert_int_equal(try(&readers[i], "/generate?do=stall&n=2", "{}"), 0);
    }
    engines_pass(WEFT_SECOND);
    weft_time died = weft_world_now(engines.world);
    weft_child_die(&engines.children.at[0], 9);
    for (size_t i = 0; i < WEFT_COUNT(readers); i++) {
        assert_int_equal(readers[i].tokens, 2);
        assert_true(engines_wait(is_ended, &readers[i]));
        assert_string_equal(readers[i].problem.code, "engine_lost");
    }
    assert_true(weft_world_now(engines.world) - died < 10 * WEFT_MS); /* at once */
    engines_pass(WEFT_SECOND);
    assert_true(engine.ended);
    end();
}

static void what_is_no_frame_is_an_error(void **state)
{
    (void)state;
    struct reader reader = {0};
    begin();
    ask(&reader, "/generate?do=babble", "{}");
    assert_int_equal(reader.problem.status, 502);
    assert_string_equal(reader.problem.code, "engine_malformed");
    engines_pass(WEFT_SECOND);
    assert_int_equal(engines.children.cancelled, 1); /* it is told that nobody listens */
    end();
}

static void a_cancel_reaches_the_engine(void **state)
{
    (void)state;
    for (size_t after = 0; after < 4; after++) {
        struct reader reader = {.cancel_at_begin = after == 1, .cancel_after = after > 1 ? after : 0};
        begin();
        assert_int_equal(try(&reader, "/generate?do=stall&n=5", "{}"), 0);
        if (after == 0) {
            weft_native_cancel(reader.native); /* before anything has come */
        }
        engines_pass(WEFT_SECOND);
        assert_false(reader.ended);
        assert_int_equal(reader.tokens, after > 1 ? after : 0);
        if (after > 0) {
            assert_int_equal(engines.children.cancelled, 1);
        }
        end();
    }
}

static void a_paused_reader_slows_the_engine_down(void **state)
{
    (void)state;
    enum { TOKENS = 300000 }; /* more than all that lies between the two takes up */
    struct reader reader = {.pause_after = 10};
    begin();
    assert_int_equal(try(&reader, "/generate?do=flood&n=300000", "{}"), 0);
    engines_pass(10 * WEFT_SECOND);
    assert_int_equal(reader.tokens, 10);
    int64_t held = weft_mem_live();
    for (size_t i = 0; i < 100; i++) { /* one token at a time: what is kept here does not grow */
        reader.pause_after = reader.tokens + 1;
        weft_native_pause(reader.native, false);
        engines_pass(10 * WEFT_MS);
        assert_int_equal(reader.tokens, 11 + i);
    }
    assert_true(weft_mem_live() < held + 20);
    reader.pause_after = 0;
    weft_native_pause(reader.native, false);
    assert_true(engines_wait(is_ended, &reader));
    assert_true(reader.whole);
    assert_int_equal(reader.tokens, TOKENS);
    end();
}

static void a_loss_is_told_behind_a_pause(void **state)
{
    (void)state;
    struct reader reader = {.pause_after = 2};
    begin();
    assert_int_equal(try(&reader, "/generate?do=die&n=4", "{}"), 0);
    engines_pass(WEFT_SECOND);
    assert_int_equal(reader.tokens, 2);
    assert_false(reader.ended);
    reader.pause_after = 0;
    weft_native_pause(reader.native, false);
    assert_true(engines_wait(is_ended, &reader));
    assert_int_equal(reader.tokens, 4); /* what had come is not lost */
    assert_string_equal(reader.problem.code, "engine_lost");
    end();
}

static void nothing_is_asked_of_an_engine_that_has_ended(void **state)
{
    (void)state;
    begin();
    struct weft_relay_target target;
    assert_int_equal(weft_runner_target(engine.runner, &target), 0);
    weft_runner_stop(engine.runner);
    struct reader reader = {0};
    const struct weft_native_options options = {
        .loop = &engines.loop, .target = target, .path = WEFT_SLICE("/info"), .user = &user, .self = &reader};
    assert_int_equal(weft_native_start(&reader.native, &options), WEFT_ERR_CLOSED);
    assert_null(reader.native);
    engines_pass(WEFT_SECOND);
    assert_false(reader.ended);
    end();
}

static void memory_may_run_out_anywhere(void **state)
{
    (void)state;
    for (uint64_t at = 1;; at++) {
        struct reader reader = {0};
        begin();
        weft_mem_fail_at(at);
        int error = try(&reader, "/generate?do=frames&n=2", "{}");
        if (error == 0) {
            assert_true(engines_wait(is_ended, &reader)); /* whatever failed: it is told */
        }
        bool failed = weft_mem_failed();
        weft_mem_fail_at(0);
        assert_true(failed || reader.whole);
        assert_true(!reader.whole || reader.tokens == 2);
        end();
        if (!failed) {
            assert_true(at > 20);
            return;
        }
    }
}

int main(void)
{
    weft_json_setup(1);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_answer_comes_frame_by_frame),
        cmocka_unit_test(other_answers_come_whole),
        cmocka_unit_test(a_refusal_is_told_in_the_words_of_the_engine),
        cmocka_unit_test(an_error_frame_is_told_too),
        cmocka_unit_test(a_stream_without_its_end_is_an_error),
        cmocka_unit_test(all_that_run_fail_when_their_engine_dies),
        cmocka_unit_test(what_is_no_frame_is_an_error),
        cmocka_unit_test(a_cancel_reaches_the_engine),
        cmocka_unit_test(a_paused_reader_slows_the_engine_down),
        cmocka_unit_test(a_loss_is_told_behind_a_pause),
        cmocka_unit_test(nothing_is_asked_of_an_engine_that_has_ended),
        cmocka_unit_test(memory_may_run_out_anywhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
