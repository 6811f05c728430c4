/* tests/unit/engine/answer_test.c - events become frames: tokens with their deltas, ends, and errors with a sentence.
 * What a template's parser makes of an answer is tested with a real model, in tests/engine. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/error.h"
#include "base/mem.h"
#include "engine/answer.h"

static struct weft_answer *answer;
static struct weft_bytes out;
static struct weft_native_reader reader;
static struct weft_job job;

static void set_up(uint16_t choices)
{
    static const struct weft_slice stops[] = {{"END", 3}};
    const struct weft_answer_options options = {.choices = choices, .stops = stops, .stop_count = 1};
    weft_bytes_init(&out);
    weft_native_reader_init(&reader);
    assert_int_equal(weft_answer_new(&answer, &options), 0);
}

static void tear_down(void)
{
    assert_int_equal(out.size, 0);
    weft_answer_free(answer);
    weft_native_reader_deinit(&reader);
    weft_bytes_deinit(&out);
    weft_bytes_trim();
    assert_int_equal(weft_mem_live(), 0);
}

static struct weft_event token(uint16_t choice, uint32_t id, struct weft_slice bytes, struct weft_slice shown)
{
    return (struct weft_event){
        .job = &job, .kind = WEFT_EVENT_TOKEN, .choice = choice, .token = {.id = id, .bytes = bytes, .shown = shown}};
}

/* The next frame; the test fails if there is none. */
static struct weft_frame next(enum weft_frame_kind kind)
{
    static struct weft_frame frame;
    size_t taken;
    assert_int_equal(weft_native_read(&reader, &out, &frame, &taken), 1);
    assert_int_equal(frame.kind, kind);
    return frame;
}

#define assert_slice(slice, literal) assert_true(weft_slice_equal(slice, WEFT_SLICE(literal)))

/* -- steps -- */

static void test_a_token_and_what_it_shows(void **state)
{
    (void)state;
    set_up(2);
    struct weft_event event = token(1, 77, WEFT_SLICE("ab"), WEFT_SLICE("ab"));
    assert_int_equal(weft_answer_add(answer, &event, &out), 0);
    struct weft_frame frame = next(WEFT_FRAME_TOKEN);
    assert_true(frame.choice == 1 && frame.token.id == 77 && frame.token.deltas == 1 && !frame.token.prompt);
    assert_slice(frame.token.bytes, "ab");
    frame = next(WEFT_FRAME_DELTA);
    assert_true(frame.choice == 1 && frame.delta.part == WEFT_PART_CONTENT);
    assert_slice(frame.delta.text, "ab");

    event = token(0, 78, WEFT_SLICE("\xe4\xb8"), WEFT_SLICE("")); /* half a character: the id goes out all the same */
    assert_int_equal(weft_answer_add(answer, &event, &out), 0);
    frame = next(WEFT_FRAME_TOKEN);
    assert_true(frame.choice == 0 && frame.token.deltas == 0);
    tear_down();
}

static void test_what_was_delivered_is_not_told_again(void **state)
{
    (void)state;
    set_up(1);
    struct weft_event event = token(0, 1, WEFT_SLICE("ab"), WEFT_SLICE("ab"));
    event.token.replayed = true;
    assert_int_equal(weft_answer_add(answer, &event, &out), 0);
    assert_int_equal(out.size, 0);
    tear_down();
}

static void expect_sign(enum weft_phase phase, uint32_t done, uint32_t total)
{
    assert_int_equal(weft_answer_sign(answer, &out), 0);
    struct weft_frame frame = next(WEFT_FRAME_PROGRESS);
    assert_int_equal(frame.progress.phase, phase);
    assert_int_equal(frame.progress.done, done);
    assert_int_equal(frame.progress.total, total);
}

/* It says again what was told last. */
static void test_a_sign_of_life(void **state)
{
    (void)state;
    set_up(2);
    expect_sign(WEFT_PHASE_WAITING, 0, 0);
    struct weft_event event = {.job = &job, .kind = WEFT_EVENT_PROGRESS, .progress = {WEFT_PHASE_PREFILL, 20, 300}};
    assert_int_equal(weft_answer_add(answer, &event, &out), 0);
    (void)next(WEFT_FRAME_PROGRESS);
    expect_sign(WEFT_PHASE_PREFILL, 20, 300);
    event = token(0, 5, WEFT_SLICE("a"), WEFT_SLICE(""));
    event.token.prompt = true; /* an echo is no answer yet */
    assert_int_equal(weft_answer_add(answer, &event, &out), 0);
    (void)next(WEFT_FRAME_TOKEN);
    expect_sign(WEFT_PHASE_PREFILL, 20, 300);
    for (uint32_t i = 0; i < 3; i++) {
        event = token(1, i, WEFT_SLICE("a"), WEFT_SLICE(""));
        event.token.replayed = i == 0;
        assert_int_equal(weft_answer_add(answer, &event, &out), 0);
        if (i > 0) {
            (void)next(WEFT_FRAME_TOKEN);
            expect_sign(WEFT_PHASE_DECODE, i, 0);
        }
    }
    tear_down();
}

static void test_logprobs_and_the_prompt(void **state)
{
    (void)state;
    set_up(1);
    struct weft_logprob top[2] = {{.id = 5, .logprob = -0.25f, .bytes = WEFT_SLICE("x")},
                                  {.id = 6, .logprob = -2, .bytes = WEFT_SLICE("yz")}};
    struct weft_event event = token(0, 5, WEFT_SLICE("x"), WEFT_SLICE("x"));
    event.token.prompt = event.token.has_logprob = true;
    event.token.logprob = -0.25f;
    event.token.top = top;
    event.token.top_count = 2;
    assert_int_equal(weft_answer_add(answer, &event, &out), 0);
    struct weft_frame frame = next(WEFT_FRAME_TOKEN);
    assert_true(frame.token.prompt && frame.token.has_logprob && frame.token.top_count == 2);
    assert_true(frame.token.logprob == -0.25f && frame.token.top[1].id == 6);
    assert_slice(frame.token.top[1].bytes, "yz");
    next(WEFT_FRAME_DELTA);
    tear_down();
}

/* Longer than a frame: several deltas, each of whole characters, counted in the token. */
static void test_a_long_text_is_split_between_characters(void **state)
{
    (void)state;
    set_up(1);
    static char text[3 * WEFT_ANSWER_DELTA_MAX];
    const size_t size = sizeof(text) / 3 * 3;
    for (size_t i = 0; i < size; i += 3) {
        memcpy(text + i, "\xe4\xb8\x96", 3); /* 3 does not divide the bound */
    }
    struct weft_event event = token(0, 1, WEFT_SLICE("x"), weft_slice(text, size));
    assert_int_equal(weft_answer_add(answer, &event, &out), 0);
    size_t deltas = next(WEFT_FRAME_TOKEN).token.deltas, got = 0;
    assert_int_equal(deltas, 4);
    for (size_t i = 0; i < deltas; i++) {
        struct weft_frame frame = next(WEFT_FRAME_DELTA);
        assert_int_equal(frame.delta.text.size % 3, 0);
        assert_memory_equal(frame.delta.text.data, text + got, frame.delta.text.size);
        got += frame.delta.text.size;
    }
    assert_int_equal(got, size);
    tear_down();
}

/* -- ends -- */

static void test_only_the_clients_stop_is_named(void **state)
{
    (void)state;
    set_up(2);
    struct weft_event event = {.job = &job, .kind = WEFT_EVENT_FINISH, .choice = 1};
    event.finish.reason = WEFT_FINISH_STOP;
    event.finish.stop = WEFT_SLICE("END");
    assert_int_equal(weft_answer_add(answer, &event, &out), 0);
    struct weft_frame frame = next(WEFT_FRAME_FINISH);
    assert_true(frame.choice == 1 && frame.finish.reason == WEFT_FINISH_STOP);
    assert_slice(frame.finish.stop, "END");
    event.choice = 0;
    event.finish.stop = WEFT_SLICE("\nUser:"); /* the template's */
    assert_int_equal(weft_answer_add(answer, &event, &out), 0);
    assert_int_equal(next(WEFT_FRAME_FINISH).finish.stop.size, 0);
    tear_down();
}

static void test_the_last_frames(void **state)
{
    (void)state;
    set_up(1);
    struct weft_event event = {.job = &job, .kind = WEFT_EVENT_PROGRESS};
    event.progress.phase = WEFT_PHASE_PREFILL;
    event.progress.done = 3;
    event.progress.total = 9;
    assert_int_equal(weft_answer_add(answer, &event, &out), 0);
    struct weft_frame frame = next(WEFT_FRAME_PROGRESS);
    assert_true(frame.progress.phase == WEFT_PHASE_PREFILL && frame.progress.done == 3 && frame.progress.total == 9);

    event = (struct weft_event){.job = &job, .kind = WEFT_EVENT_DONE};
    event.done.prompt_tokens = 10;
    event.done.cached_tokens = 4;
    event.done.completion_tokens = 6;
    event.done.decode_us = 123;
    assert_int_equal(weft_answer_add(answer, &event, &out), 1);
    frame = next(WEFT_FRAME_USAGE);
    assert_true(frame.usage.prompt_tokens == 10 && frame.usage.cached_tokens == 4);
    assert_true(frame.usage.completion_tokens == 6 && frame.usage.decode_us == 123);
    next(WEFT_FRAME_END);
    tear_down();
}

static void test_a_failure_has_a_sentence(void **state)
{
    (void)state;
    static const struct {
        int status;
        const char *problem;
        uint16_t says;
        const char *code;
    } cases[] = {
        {WEFT_ERR_MEMORY, NULL, 503, "out_of_memory"},
        {WEFT_ERR_CANCELLED, NULL, 503, "cancelled"},
        {WEFT_ERR_TOO_LARGE, "The grammar is too much.", 400, "invalid_grammar"},
        {WEFT_ERR_TOO_LARGE, NULL, 400, "invalid_grammar"},
        {WEFT_ERR_INVALID, "No token may follow.", 500, "engine_failed"},
        {WEFT_ERR_IO, NULL, 500, "engine_failed"},
    };
    for (size_t i = 0; i < WEFT_COUNT(cases); i++) {
        set_up(1);
        struct weft_event event = {.job = &job, .kind = WEFT_EVENT_DONE};
        event.done.status = cases[i].status;
        event.done.problem = cases[i].problem;
        assert_int_equal(weft_answer_add(answer, &event, &out), 1);
        struct weft_frame frame = next(WEFT_FRAME_ERROR);
        assert_int_equal(frame.error.status, cases[i].says);
        assert_true(weft_slice_equal(frame.error.code, weft_slice_text(cases[i].code)));
        assert_true(frame.error.message.size > 10);
        if (cases[i].problem) {
            assert_true(weft_slice_equal(frame.error.message, weft_slice_text(cases[i].problem)));
        }
        tear_down();
    }
}

/* -- memory -- */

static void test_each_allocation_fails_in_turn(void **state)
{
    (void)state;
    static char text[20000];
    memset(text, 'a', sizeof(text));
    bool failed = true;
    for (uint64_t n = 1; failed; n++) {
        const struct weft_answer_options options = {.choices = 2};
        struct weft_event event = token(0, 1, WEFT_SLICE("a"), weft_slice(text, sizeof(text)));
        weft_mem_fail_at(n);
        int error = weft_answer_new(&answer, &options);
        if (error == 0) {
            error = weft_answer_add(answer, &event, &out);
            weft_answer_free(answer);
        }
        failed = weft_mem_failed();
        weft_mem_fail_at(0);
        assert_int_equal(error, failed ? WEFT_ERR_MEMORY : 0);
        weft_bytes_deinit(&out);
        weft_bytes_trim();
        assert_int_equal(weft_mem_live(), 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_token_and_what_it_shows),
        cmocka_unit_test(test_what_was_delivered_is_not_told_again),
        cmocka_unit_test(test_a_sign_of_life),
        cmocka_unit_test(test_logprobs_and_the_prompt),
        cmocka_unit_test(test_a_long_text_is_split_between_characters),
        cmocka_unit_test(test_only_the_clients_stop_is_named),
        cmocka_unit_test(test_the_last_frames),
        cmocka_unit_test(test_a_failure_has_a_sentence),
        cmocka_unit_test(test_each_allocation_fails_in_turn),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
