/* tests/unit/node/openai_answer_test.c - an engine's frames, and the exact bytes that a client gets for them. */
#include "node/openai_answer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/error.h"
#include "base/mem.h"

#define CHAT       WEFT_OPENAI_CHAT
#define COMPLETION WEFT_OPENAI_COMPLETION

/* -- frames -- */

static struct weft_frame token(uint16_t choice, const char *bytes, uint16_t deltas)
{
    return (struct weft_frame){.kind = WEFT_FRAME_TOKEN,
                               .choice = choice,
                               .token = {.id = 1, .deltas = deltas, .bytes = weft_slice_text(bytes)}};
}

static struct weft_frame likely(const char *bytes, uint16_t deltas, float logprob)
{
    struct weft_frame frame = token(0, bytes, deltas);
    frame.token.has_logprob = true;
    frame.token.logprob = logprob;
    return frame;
}

static struct weft_frame part(uint16_t choice, enum weft_part what, const char *text)
{
    return (struct weft_frame){
        .kind = WEFT_FRAME_DELTA, .choice = choice, .delta = {.part = what, .text = weft_slice_text(text)}};
}

static struct weft_frame text(uint16_t choice, const char *content)
{
    return part(choice, WEFT_PART_CONTENT, content);
}

static struct weft_frame call(uint16_t number, const char *id, const char *name, const char *arguments)
{
    struct weft_frame frame = part(0, WEFT_PART_TOOL_CALL, arguments);
    frame.delta.call = number;
    frame.delta.id = weft_slice_text(id);
    frame.delta.name = weft_slice_text(name);
    return frame;
}

static struct weft_frame finish(uint16_t choice, enum weft_finish reason)
{
    return (struct weft_frame){.kind = WEFT_FRAME_FINISH, .choice = choice, .finish = {.reason = reason}};
}

static struct weft_frame usage(uint32_t prompt, uint32_t cached, uint32_t completion)
{
    return (struct weft_frame){
        .kind = WEFT_FRAME_USAGE,
        .usage = {.prompt_tokens = prompt, .cached_tokens = cached, .completion_tokens = completion}};
}

static struct weft_frame progress(enum weft_phase phase, uint32_t done, uint32_t total)
{
    return (struct weft_frame){.kind = WEFT_FRAME_PROGRESS, .progress = {.phase = phase, .done = done, .total = total}};
}

/* -- one answer -- */

struct stage {
    struct weft_openai_answer *answer;
    struct weft_bytes out;
    weft_time now;
};

static struct weft_openai_answer_options options(enum weft_openai_shape shape, bool stream)
{
    return (struct weft_openai_answer_options){.shape = shape,
                                               .stream = stream,
                                               .choices = 1,
                                               .id = WEFT_SLICE("id-1"),
                                               .model = WEFT_SLICE("m\"1"),
                                               .fingerprint = WEFT_SLICE("fp_1"),
                                               .created_s = 7};
}

static void begin(struct stage *stage, const struct weft_openai_answer_options *wanted)
{
    *stage = (struct stage){.now = WEFT_SECOND};
    assert_int_equal(weft_openai_answer_new(&stage->answer, wanted), 0);
}

static int give(struct stage *stage, struct weft_frame frame)
{
    return weft_openai_answer_frame(stage->answer, &frame, stage->now, &stage->out);
}

static const char *taken(struct stage *stage)
{
    static char said[65536];
    assert_true(stage->out.size < sizeof(said));
    said[weft_bytes_read(&stage->out, said, sizeof(said) - 1)] = '\0';
    return said;
}

/* Gives a frame that must do, and compares what came of it. */
static void expect(struct stage *stage, struct weft_frame frame, const char *bytes)
{
    assert_int_equal(give(stage, frame), 0);
    assert_string_equal(taken(stage), bytes);
}

static void expect_end(struct stage *stage, const char *bytes)
{
    assert_int_equal(weft_openai_answer_end(stage->answer, &stage->out), 0);
    assert_string_equal(taken(stage), bytes);
    weft_openai_answer_free(stage->answer);
    weft_bytes_deinit(&stage->out);
}

static void end(struct stage *stage)
{
    weft_openai_answer_free(stage->answer);
    weft_bytes_deinit(&stage->out);
}

#define HEAD(object)                                                                                                   \
    "{\"id\":\"id-1\",\"object\":\"" object                                                                            \
    "\",\"created\":7,\"model\":\"m\\\"1\",\"system_fingerprint\":\"fp_1\",\"choices\":["
#define CHUNK      "data: " HEAD("chat.completion.chunk")
#define TEXT_CHUNK "data: " HEAD("text_completion")
#define NONE       "\"logprobs\":null,\"finish_reason\":null"
#define ROLE(choice)                                                                                                   \
    CHUNK "{\"index\":" choice ",\"delta\":{\"role\":\"assistant\",\"content\":\"\",\"refusal\":null}," NONE "}"
#define DELTA(choice, delta) CHUNK "{\"index\":" choice ",\"delta\":{" delta "}," NONE "}"
#define DONE_(choice, reason)                                                                                          \
    CHUNK "{\"index\":" choice ",\"delta\":{},\"logprobs\":null,\"finish_reason\":\"" reason "\"}"
#define E "]}\n\n"

/* -- streams -- */

static void test_chat_stream(void **state)
{
    (void)state;
    struct stage stage;
    struct weft_openai_answer_options wanted = options(CHAT, true);
    begin(&stage, &wanted);
    expect(&stage, token(0, "He", 1), "");
    expect(&stage, text(0, "He"), ROLE("0") E DELTA("0", "\"content\":\"He\"") E);
    expect(&stage, token(0, "l\"l", 0), ""); /* withheld */
    expect(&stage, token(0, "o\n", 1), "");
    expect(&stage, text(0, "l\"lo\n"), DELTA("0", "\"content\":\"l\\\"lo\\n\"") E);
    expect(&stage, text(0, ""), "");
    expect(&stage, token(0, "", 0), ""); /* the end token */
    expect(&stage, finish(0, WEFT_FINISH_STOP), DONE_("0", "stop") E);
    expect(&stage, usage(5, 2, 4), "");
    expect_end(&stage, "data: [DONE]\n\n");
}

static void test_usage_in_stream(void **state)
{
    (void)state;
    struct stage stage;
    struct weft_openai_answer_options wanted = options(CHAT, true);
    wanted.include_usage = true;
    begin(&stage, &wanted);
    expect(&stage, text(0, "a"),
           ROLE("0") "],\"usage\":null}\n\n" DELTA("0", "\"content\":\"a\"") "],\"usage\":null}\n\n");
    expect(&stage, finish(0, WEFT_FINISH_LENGTH), DONE_("0", "length") "],\"usage\":null}\n\n");
    expect(&stage, usage(5, 2, 4), "");
    expect_end(&stage, CHUNK "],\"usage\":{\"prompt_tokens\":5,\"completion_tokens\":4,\"total_tokens\":9,"
                             "\"prompt_tokens_details\":{\"cached_tokens\":2}}}\n\ndata: [DONE]\n\n");
}

/* A choice that says nothing still says who it is, and that it ended. */
static void test_choices(void **state)
{
    (void)state;
    struct stage stage;
    struct weft_openai_answer_options wanted = options(CHAT, true);
    wanted.choices = 3;
    begin(&stage, &wanted);
    expect(&stage, text(2, "c"), ROLE("2") E DELTA("2", "\"content\":\"c\"") E);
    expect(&stage, text(0, "a"), ROLE("0") E DELTA("0", "\"content\":\"a\"") E);
    expect(&stage, finish(1, WEFT_FINISH_STOP), ROLE("1") E DONE_("1", "stop") E);
    expect(&stage, finish(2, WEFT_FINISH_STOP), DONE_("2", "stop") E);
    assert_int_equal(give(&stage, text(2, "more")), WEFT_ERR_INVALID);
    assert_int_equal(weft_openai_answer_end(stage.answer, &stage.out), WEFT_ERR_INVALID); /* choice 0 goes on */
    end(&stage);
}

static void test_reasoning_and_calls(void **state)
{
    (void)state;
    struct stage stage;
    struct weft_openai_answer_options wanted = options(CHAT, true);
    begin(&stage, &wanted);
    expect(&stage, part(0, WEFT_PART_REASONING, "hm"), ROLE("0") E DELTA("0", "\"reasoning_content\":\"hm\"") E);
    expect(&stage, call(0, "call_0", "f", ""),
           DELTA("0", "\"tool_calls\":[{\"index\":0,\"id\":\"call_0\",\"type\":\"function\",\"function\":{\"name\":"
                      "\"f\",\"arguments\":\"\"}}]") E);
    expect(&stage, call(0, "", "", "{\"a\""),
           DELTA("0", "\"tool_calls\":[{\"index\":0,\"function\":{\"arguments\":\"{\\\"a\\\"\"}}]") E);
    expect(&stage, call(1, "call_1", "g", "{}"),
           DELTA("0", "\"tool_calls\":[{\"index\":1,\"id\":\"call_1\",\"type\":\"function\",\"function\":{\"name\":"
                      "\"g\",\"arguments\":\"{}\"}}]") E);
    assert_int_equal(give(&stage, call(0, "", "", "x")), WEFT_ERR_INVALID); /* that one is closed */
    assert_int_equal(give(&stage, call(3, "x", "y", "z")), WEFT_ERR_INVALID);
    expect(&stage, finish(0, WEFT_FINISH_TOOL_CALLS), DONE_("0", "tool_calls") E);
    expect_end(&stage, "data: [DONE]\n\n");
}

static void test_completion_stream(void **state)
{
    (void)state;
    struct stage stage;
    struct weft_openai_answer_options wanted = options(COMPLETION, true);
    begin(&stage, &wanted);
    expect(&stage, text(0, " there"), TEXT_CHUNK "{\"index\":0,\"text\":\" there\"," NONE "}" E);
    expect(&stage, finish(0, WEFT_FINISH_LENGTH),
           TEXT_CHUNK "{\"index\":0,\"text\":\"\",\"logprobs\":null,\"finish_reason\":\"length\"}" E);
    expect_end(&stage, "data: [DONE]\n\n");
    begin(&stage, &wanted);
    assert_int_equal(give(&stage, part(0, WEFT_PART_REASONING, "x")), WEFT_ERR_INVALID);
    assert_int_equal(give(&stage, call(0, "a", "b", "c")), WEFT_ERR_INVALID);
    end(&stage);
}

/* -- signs of life -- */

static void test_progress(void **state)
{
    (void)state;
    struct stage stage;
    struct weft_openai_answer_options wanted = options(CHAT, true);
    begin(&stage, &wanted);
    expect(&stage, progress(WEFT_PHASE_WAITING, 2, 0), ": waiting\n\n");
    stage.now += WEFT_SECOND - 1;
    expect(&stage, progress(WEFT_PHASE_PREFILL, 0, 4000), "");
    stage.now += 1;
    expect(&stage, progress(WEFT_PHASE_PREFILL, 512, 4000), ": reading the prompt, 512 of 4000 tokens\n\n");
    stage.now += WEFT_SECOND;
    expect(&stage, progress(WEFT_PHASE_DECODE, 0, 0), ": writing\n\n");
    expect(&stage, text(0, "a"), ROLE("0") E DELTA("0", "\"content\":\"a\"") E);
    stage.now += WEFT_SECOND - 1;
    expect(&stage, progress(WEFT_PHASE_PREFILL, 1, 2), ""); /* it is read again, behind a cut */
    stage.now += 1;
    expect(&stage, progress(WEFT_PHASE_PREFILL, 2, 2), ": reading the prompt, 2 of 2 tokens\n\n");
    expect(&stage, token(0, "", 0), ""); /* text is held back */
    stage.now += WEFT_SECOND;
    expect(&stage, token(0, "", 0), ": writing\n\n");
    stage.now += WEFT_SECOND;
    expect(&stage, token(0, "b", 1), ""); /* its text comes now */
    expect(&stage, text(0, "b"), DELTA("0", "\"content\":\"b\"") E);
    end(&stage);
    wanted = options(CHAT, false);
    begin(&stage, &wanted);
    expect(&stage, progress(WEFT_PHASE_WAITING, 2, 0), "");
    end(&stage);
}

/* -- answers in one piece -- */

static void test_chat_whole(void **state)
{
    (void)state;
    struct stage stage;
    struct weft_openai_answer_options wanted = options(CHAT, false);
    wanted.choices = 2;
    begin(&stage, &wanted);
    expect(&stage, part(0, WEFT_PART_REASONING, "h\"m"), "");
    expect(&stage, part(0, WEFT_PART_REASONING, "..."), "");
    expect(&stage, text(0, "He\n"), "");
    expect(&stage, text(1, "\xC3\xA9"), "");
    expect(&stage, text(0, "llo"), "");
    expect(&stage, finish(0, WEFT_FINISH_STOP), "");
    expect(&stage, finish(1, WEFT_FINISH_LENGTH), "");
    expect(&stage, usage(1, 0, 2), "");
    expect_end(&stage,
               HEAD("chat.completion") "{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"He\\nllo\","
                                       "\"refusal\":null,\"reasoning_content\":\"h\\\"m...\"},\"logprobs\":null,"
                                       "\"finish_reason\":\"stop\"},{\"index\":1,\"message\":{\"role\":\"assistant\","
                                       "\"content\":\"\xC3\xA9\",\"refusal\":null},\"logprobs\":null,"
                                       "\"finish_reason\":\"length\"}],\"usage\":{\"prompt_tokens\":1,"
                                       "\"completion_tokens\":2,\"total_tokens\":3,\"prompt_tokens_details\":{"
                                       "\"cached_tokens\":0}}}\n");
}

static void test_calls_whole(void **state)
{
    (void)state;
    struct stage stage;
    struct weft_openai_answer_options wanted = options(CHAT, false);
    begin(&stage, &wanted);
    expect(&stage, call(0, "call_0", "f", "{\"a\":"), "");
    expect(&stage, call(0, "", "", "1}"), "");
    expect(&stage, call(1, "call_1", "g", ""), "");
    expect(&stage, finish(0, WEFT_FINISH_TOOL_CALLS), "");
    expect_end(&stage,
               HEAD("chat.completion") "{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":null,\"refusal\":"
                                       "null,\"tool_calls\":[{\"id\":\"call_0\",\"type\":\"function\",\"function\":{"
                                       "\"name\":\"f\",\"arguments\":\"{\\\"a\\\":1}\"}},{\"id\":\"call_1\",\"type\":"
                                       "\"function\",\"function\":{\"name\":\"g\",\"arguments\":\"\"}}]},"
                                       "\"logprobs\":null,\"finish_reason\":\"tool_calls\"}],\"usage\":{"
                                       "\"prompt_tokens\":0,\"completion_tokens\":0,\"total_tokens\":0,"
                                       "\"prompt_tokens_details\":{\"cached_tokens\":0}}}\n");
}

static void test_empty_whole(void **state)
{
    (void)state;
    struct stage stage;
    struct weft_openai_answer_options wanted = options(COMPLETION, false);
    begin(&stage, &wanted);
    expect(&stage, finish(0, WEFT_FINISH_STOP), "");
    expect(&stage, usage(3, 3, 1), "");
    expect_end(&stage,
               HEAD("text_completion") "{\"index\":0,\"text\":\"\",\"logprobs\":null,\"finish_reason\":"
                                       "\"stop\"}],\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":1,"
                                       "\"total_tokens\":4,\"prompt_tokens_details\":{\"cached_tokens\":3}}}\n");
}

/* -- logprobs -- */

#define ENTRY(text, logprob, bytes)                                                                                    \
    "{\"token\":\"" text "\",\"logprob\":" logprob ",\"bytes\":[" bytes "],\"top_logprobs\":[]}"
#define WITH(delta, entries)                                                                                           \
    CHUNK "{\"index\":0,\"delta\":{" delta "},\"logprobs\":{\"content\":[" entries                                     \
          "],\"refusal\":null},\"finish_reason\":null}" E

/* Each token's goes with the text that shows it; those of a stop text are never told. */
static void test_logprobs_in_stream(void **state)
{
    (void)state;
    struct stage stage;
    struct weft_openai_answer_options wanted = options(CHAT, true);
    wanted.logprobs = true;
    begin(&stage, &wanted);
    expect(&stage, likely("\xC3", 0, -0.5F), "");
    expect(&stage, likely("\xA9", 1, -0.25F), "");
    expect(&stage, text(0, "\xC3\xA9"),
           ROLE("0") E WITH("\"content\":\"\xC3\xA9\"",
                            ENTRY("\\\\xc3", "-0.5", "195") "," ENTRY("\\\\xa9", "-0.25", "169")));
    expect(&stage, likely("a", 1, 0), "");
    expect(&stage, text(0, "a"), WITH("\"content\":\"a\"", ENTRY("a", "0", "97")));
    expect(&stage, likely("ST", 0, -1), "");
    expect(&stage, likely("OP", 0, -1), "");
    expect(&stage, finish(0, WEFT_FINISH_STOP), DONE_("0", "stop") E);
    expect_end(&stage, "data: [DONE]\n\n");
}

/* Tokens of reasoning and of tool calls are not content. */
static void test_logprobs_of_parts(void **state)
{
    (void)state;
    struct stage stage;
    struct weft_openai_answer_options wanted = options(CHAT, false);
    wanted.logprobs = true;
    begin(&stage, &wanted);
    assert_int_equal(give(&stage, likely("hm", 1, -1)), 0);
    assert_int_equal(give(&stage, part(0, WEFT_PART_REASONING, "hm")), 0);
    assert_int_equal(give(&stage, likely("both", 2, -2)), 0);
    assert_int_equal(give(&stage, part(0, WEFT_PART_REASONING, "bo")), 0);
    assert_int_equal(give(&stage, text(0, "th")), 0);
    assert_int_equal(give(&stage, likely("{", 1, -3)), 0);
    assert_int_equal(give(&stage, call(0, "c", "f", "{")), 0);
    assert_int_equal(give(&stage, finish(0, WEFT_FINISH_TOOL_CALLS)), 0);
    assert_int_equal(weft_openai_answer_end(stage.answer, &stage.out), 0);
    const char *said = taken(&stage);
    assert_non_null(strstr(said, "\"logprobs\":{\"content\":[" ENTRY("both", "-2", "98,111,116,104") "],\"refusal\":"));
    end(&stage);
}

/* An echoed prompt: its first token has no logprob. */
static void test_logprobs_of_completion(void **state)
{
    (void)state;
    struct stage stage;
    struct weft_openai_answer_options wanted = options(COMPLETION, false);
    wanted.logprobs = true;
    begin(&stage, &wanted);
    struct weft_frame first = token(0, "\xC3\xA9n", 1), second = likely(" b", 1, -1.5F);
    first.token.prompt = second.token.prompt = true;
    second.token.top_count = 2;
    second.token.top[0] = (struct weft_logprob){.id = 1, .logprob = -1, .bytes = WEFT_SLICE(" b")};
    second.token.top[1] = (struct weft_logprob){.id = 2, .logprob = -2, .bytes = WEFT_SLICE("\xE2\x80")};
    expect(&stage, first, "");
    expect(&stage, text(0, "\xC3\xA9n"), "");
    expect(&stage, second, "");
    expect(&stage, text(0, " b"), "");
    expect(&stage, likely("c", 1, -0.125F), "");
    expect(&stage, text(0, "c"), "");
    expect(&stage, finish(0, WEFT_FINISH_LENGTH), "");
    assert_int_equal(weft_openai_answer_end(stage.answer, &stage.out), 0);
    assert_non_null(strstr(taken(&stage),
                           "\"text\":\"\xC3\xA9n bc\",\"logprobs\":{\"tokens\":[\"\xC3\xA9n\",\" b\",\"c\"],"
                           "\"token_logprobs\":[null,-1.5,-0.125],\"top_logprobs\":[null,{\" b\":-1,\"bytes:"
                           "\\\\xe2\\\\x80\":-2},{}],\"text_offset\":[0,2,4]},"));
    end(&stage);
}

/* -- what an engine must not say, bounds, memory -- */

static void test_refused_frames(void **state)
{
    (void)state;
    struct stage stage;
    struct weft_openai_answer_options wanted = options(CHAT, true);
    begin(&stage, &wanted);
    assert_int_equal(give(&stage, text(1, "x")), WEFT_ERR_INVALID);
    assert_int_equal(give(&stage, token(9, "x", 0)), WEFT_ERR_INVALID);
    assert_int_equal(give(&stage, (struct weft_frame){.kind = WEFT_FRAME_END}), WEFT_ERR_INVALID);
    assert_int_equal(give(&stage, text(0, "\xFF")), WEFT_ERR_INVALID);
    end(&stage);
}

static void test_too_large(void **state)
{
    (void)state;
    static char much[1024 * 1024 + 1];
    memset(much, 'x', sizeof(much) - 1);
    struct stage stage;
    struct weft_openai_answer_options wanted = options(CHAT, false);
    begin(&stage, &wanted);
    size_t given = 0;
    int status = 0;
    for (; status == 0; given += status == 0 ? sizeof(much) - 1 : 0) {
        assert_true(given <= WEFT_OPENAI_ANSWER_MAX);
        status = give(&stage, text(0, much));
    }
    assert_int_equal(status, WEFT_ERR_TOO_LARGE);
    assert_int_equal(given, WEFT_OPENAI_ANSWER_MAX);
    end(&stage);

    begin(&stage, &wanted);
    for (uint16_t i = 0; i < WEFT_OPENAI_CALLS_MAX; i++) {
        assert_int_equal(give(&stage, call(i, "i", "n", "")), 0);
    }
    assert_int_equal(give(&stage, call(WEFT_OPENAI_CALLS_MAX, "i", "n", "")), WEFT_ERR_TOO_LARGE);
    end(&stage);
}

static void test_fail(void **state)
{
    (void)state;
    struct weft_openai_error error;
    struct stage stage = {0};
    weft_openai_error_set(&error, 502, "engine_lost", "It died.");
    assert_int_equal(weft_openai_answer_fail(&error, &stage.out), 0);
    assert_string_equal(taken(&stage), "data: {\"error\":{\"message\":\"It died.\",\"type\":\"server_error\",\"param\":"
                                       "null,\"code\":\"engine_lost\"}}\n\n");
}

static int play(const struct weft_openai_answer_options *wanted, struct stage *stage)
{
    *stage = (struct stage){.now = WEFT_SECOND};
    int status = weft_openai_answer_new(&stage->answer, wanted);
    static char much[6000];
    memset(much, 'x', sizeof(much) - 1);
    const struct weft_frame frames[] = {progress(WEFT_PHASE_WAITING, 1, 0),
                                        likely("a", 0, -1),
                                        likely("b", 1, -1),
                                        text(0, much),
                                        part(0, WEFT_PART_REASONING, much),
                                        call(0, "id", "name", "{}"),
                                        call(0, "", "", much),
                                        call(1, "id", "name", much),
                                        finish(0, WEFT_FINISH_TOOL_CALLS),
                                        usage(1, 2, 3)};
    for (size_t i = 0; status == 0 && i < WEFT_COUNT(frames); i++) {
        status = give(stage, frames[i]);
    }
    return status < 0 ? status : weft_openai_answer_end(stage->answer, &stage->out);
}

static void test_torture(void **state)
{
    (void)state;
    for (int stream = 0; stream < 2; stream++) {
        struct weft_openai_answer_options wanted = options(CHAT, stream == 1);
        wanted.logprobs = wanted.include_usage = true;
        bool done = false;
        for (uint64_t at = 1; !done; at++) {
            struct stage stage;
            weft_bytes_trim();
            int64_t live = weft_mem_live();
            weft_mem_fail_at(at);
            int status = play(&wanted, &stage);
            done = !weft_mem_failed();
            weft_mem_fail_at(0);
            assert_int_equal(status, done ? 0 : WEFT_ERR_MEMORY);
            end(&stage);
            weft_bytes_trim();
            assert_int_equal(weft_mem_live(), live);
        }
    }
}

/* In steady state a token costs no allocation. */
static void test_steady(void **state)
{
    (void)state;
    struct stage stage;
    struct weft_openai_answer_options wanted = options(CHAT, true);
    begin(&stage, &wanted);
    for (int i = 0; i < 100; i++) {
        assert_int_equal(give(&stage, token(0, "word", 1)), 0);
        assert_int_equal(give(&stage, text(0, "word")), 0);
        (void)taken(&stage);
        if (i == 0) {
            weft_mem_fail_at(1); /* from the second on none may be asked for */
        }
    }
    assert_false(weft_mem_failed());
    weft_mem_fail_at(0);
    end(&stage);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_chat_stream),
        cmocka_unit_test(test_usage_in_stream),
        cmocka_unit_test(test_choices),
        cmocka_unit_test(test_reasoning_and_calls),
        cmocka_unit_test(test_completion_stream),
        cmocka_unit_test(test_progress),
        cmocka_unit_test(test_chat_whole),
        cmocka_unit_test(test_calls_whole),
        cmocka_unit_test(test_empty_whole),
        cmocka_unit_test(test_logprobs_in_stream),
        cmocka_unit_test(test_logprobs_of_parts),
        cmocka_unit_test(test_logprobs_of_completion),
        cmocka_unit_test(test_refused_frames),
        cmocka_unit_test(test_too_large),
        cmocka_unit_test(test_fail),
        cmocka_unit_test(test_torture),
        cmocka_unit_test(test_steady),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
