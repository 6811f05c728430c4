/* tests/unit/node/external_asking_test.c - what a server is asked at first, and after an answer of it was cut. */
#include "node/external_asking.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/error.h"
#include "base/mem.h"

#define C WEFT_OPENAI_CHAT
#define T WEFT_OPENAI_COMPLETION

#define USER   "{\"role\":\"user\",\"content\":\"hi\"}"
#define HI     "\"messages\":[" USER "]"
#define OURS   "\"stream\":true,\"stream_options\":{\"include_usage\":true}"
#define GOESON ",\"continue_final_message\":true,\"add_generation_prompt\":false"

static void begin(struct weft_external_asking *asking, enum weft_openai_shape shape, const char *text)
{
    struct weft_openai_request request;
    struct weft_openai_error error;
    if (weft_openai_request_init(&request, shape, weft_slice_text(text), &error) < 0) {
        fail_msg("%s: %s", text, error.message);
    }
    weft_external_asking_init(asking, &request);
    weft_openai_request_deinit(&request);
}

static void note(struct weft_external_asking *asking, enum weft_part part, const char *text)
{
    const struct weft_frame frame = {.kind = WEFT_FRAME_DELTA, .delta = {.part = part, .text = weft_slice_text(text)}};
    weft_external_asking_note(asking, &frame);
}

/* The body that is sent is this JSON, whatever the order of its members. */
static void assert_asks(struct weft_external_asking *asking, enum weft_external_kind kind, const char *expected)
{
    struct weft_bytes out = {0};
    char text[4096];
    json_t *told = NULL, *wanted = NULL;
    assert_true(weft_external_asking_can_resume(asking, kind));
    assert_int_equal(weft_external_asking_write(asking, kind, WEFT_SLICE("theirs:1b"), &out), 0);
    size_t size = weft_bytes_read(&out, text, sizeof(text));
    assert_int_equal(weft_json_parse(weft_slice(text, size), &told, NULL), 0);
    assert_int_equal(weft_json_parse(weft_slice_text(expected), &wanted, NULL), 0);
    if (!json_equal(told, wanted)) {
        fail_msg("%.*s, not %s", (int)size, text, expected);
    }
    json_decref(told);
    json_decref(wanted);
}

static void test_at_first_it_is_the_clients_own(void **state)
{
    (void)state;
    struct weft_external_asking asking;
    begin(&asking, C, "{" HI ",\"model\":\"x\",\"temperature\":0.5,\"weft\":{\"a\":1},\"weft_b\":2,\"unknown\":[1]}");
    for (int kind = WEFT_EXTERNAL_OTHER; kind <= WEFT_EXTERNAL_OLLAMA; kind++) {
        assert_asks(&asking, (enum weft_external_kind)kind,
                    "{" HI ",\"model\":\"theirs:1b\",\"temperature\":0.5,\"unknown\":[1]," OURS "}");
    }
    weft_external_asking_deinit(&asking);
    begin(&asking, T,
          "{\"prompt\":\"once\",\"stream\":true,\"stream_options\":{\"include_usage\":false,\"other\":1},\"n\":2}");
    assert_asks(&asking, WEFT_EXTERNAL_OTHER,
                "{\"prompt\":\"once\",\"model\":\"theirs:1b\",\"n\":2,\"stream\":true,"
                "\"stream_options\":{\"include_usage\":true,\"other\":1}}");
    weft_external_asking_deinit(&asking);
}

struct resumed {
    enum weft_external_kind kind;
    enum weft_openai_shape shape;
    const char *request, *expected;
};

/* After the pieces "Hel" and "lo". */
static const struct resumed resumed[] = {
    {WEFT_EXTERNAL_LLAMA, C, "{" HI ",\"max_tokens\":9}",
     "{\"messages\":[" USER
     ",{\"role\":\"assistant\",\"content\":\"Hello\"}],\"max_tokens\":7,\"model\":\"theirs:1b\"," OURS GOESON "}"},
    {WEFT_EXTERNAL_VLLM, C, "{" HI ",\"max_completion_tokens\":2}",
     "{\"messages\":[" USER ",{\"role\":\"assistant\",\"content\":\"Hello\"}],\"max_completion_tokens\":1,"
     "\"model\":\"theirs:1b\"," OURS GOESON "}"},
    {WEFT_EXTERNAL_OLLAMA, C, "{" HI ",\"response_format\":{\"type\":\"text\"},\"tool_choice\":\"auto\"}",
     "{\"messages\":[" USER ",{\"role\":\"assistant\",\"content\":\"Hello\"}],\"model\":\"theirs:1b\","
     "\"response_format\":{\"type\":\"text\"},\"tool_choice\":\"auto\"," OURS "}"},
    /* the client has begun the answer itself */
    {WEFT_EXTERNAL_LLAMA, C, "{\"messages\":[" USER ",{\"role\":\"assistant\",\"content\":\"Oh. \"}]}",
     "{\"messages\":[" USER ",{\"role\":\"assistant\",\"content\":\"Oh. Hello\"}],\"model\":\"theirs:1b\"," OURS GOESON
     "}"},
    {WEFT_EXTERNAL_VLLM, C, "{\"messages\":[" USER ",{\"role\":\"assistant\",\"content\":\"Oh. \"}]" GOESON "}",
     "{\"messages\":[" USER ",{\"role\":\"assistant\",\"content\":\"Oh. Hello\"}],\"model\":\"theirs:1b\"," OURS GOESON
     "}"},
    /* the last message was said before */
    {WEFT_EXTERNAL_VLLM, C, "{\"messages\":[" USER ",{\"role\":\"assistant\",\"content\":\"Oh. \"}]}",
     "{\"messages\":[" USER ",{\"role\":\"assistant\",\"content\":\"Oh. \"},{\"role\":\"assistant\",\"content\":"
     "\"Hello\"}],\"model\":\"theirs:1b\"," OURS GOESON "}"},
    {WEFT_EXTERNAL_LLAMA, T, "{\"prompt\":\"once\",\"max_tokens\":5}",
     "{\"prompt\":\"onceHello\",\"max_tokens\":3,\"model\":\"theirs:1b\"," OURS "}"},
    {WEFT_EXTERNAL_VLLM, T, "{\"prompt\":[\"once\"]}", "{\"prompt\":\"onceHello\",\"model\":\"theirs:1b\"," OURS "}"},
};

static void test_a_cut_answer_goes_on_from_its_text(void **state)
{
    (void)state;
    for (size_t i = 0; i < WEFT_COUNT(resumed); i++) {
        weft_bytes_trim();
        int64_t live = weft_mem_live();
        struct weft_external_asking asking;
        begin(&asking, resumed[i].shape, resumed[i].request);
        note(&asking, WEFT_PART_CONTENT, "Hel");
        note(&asking, WEFT_PART_CONTENT, "lo");
        assert_asks(&asking, resumed[i].kind, resumed[i].expected);
        assert_asks(&asking, resumed[i].kind, resumed[i].expected); /* the client's own stays as it was */
        weft_external_asking_deinit(&asking);
        weft_bytes_trim();
        assert_int_equal(weft_mem_live(), live);
    }
}

static void test_thoughts_go_on_where_that_is_known(void **state)
{
    (void)state;
    struct weft_external_asking asking;
    begin(&asking, C, "{" HI "}");
    note(&asking, WEFT_PART_REASONING, "Hm");
    assert_asks(&asking, WEFT_EXTERNAL_LLAMA,
                "{\"messages\":[" USER ",{\"role\":\"assistant\",\"content\":\"\",\"reasoning_content\":\"Hm\"}],"
                "\"model\":\"theirs:1b\"," OURS GOESON "}");
    note(&asking, WEFT_PART_CONTENT, "Hel");
    assert_asks(&asking, WEFT_EXTERNAL_LLAMA,
                "{\"messages\":[" USER ",{\"role\":\"assistant\",\"content\":\"Hel\",\"reasoning_content\":\"Hm\"}],"
                "\"model\":\"theirs:1b\"," OURS GOESON "}");
    assert_false(weft_external_asking_can_resume(&asking, WEFT_EXTERNAL_VLLM));
    assert_false(weft_external_asking_can_resume(&asking, WEFT_EXTERNAL_OLLAMA));
    weft_external_asking_deinit(&asking);
}

static const struct resumed stuck[] = {
    {WEFT_EXTERNAL_OTHER, C, "{" HI "}", NULL},
    {WEFT_EXTERNAL_OTHER, T, "{\"prompt\":\"once\"}", NULL},
    {WEFT_EXTERNAL_OLLAMA, T, "{\"prompt\":\"once\"}", NULL},
    {WEFT_EXTERNAL_LLAMA, T, "{\"prompt\":[1,2]}", NULL},
    {WEFT_EXTERNAL_LLAMA, T, "{\"prompt\":\"once\",\"echo\":true}", NULL},
    {WEFT_EXTERNAL_LLAMA, T, "{\"prompt\":\"once\",\"n\":2}", NULL},
    {WEFT_EXTERNAL_LLAMA, C, "{" HI ",\"n\":2}", NULL},
    {WEFT_EXTERNAL_LLAMA, C, "{" HI ",\"response_format\":{\"type\":\"json_object\"}}", NULL},
    {WEFT_EXTERNAL_LLAMA, C, "{" HI ",\"json_schema\":{}}", NULL},
    {WEFT_EXTERNAL_LLAMA, C, "{" HI ",\"grammar\":\"root ::= \\\"a\\\"\"}", NULL},
    {WEFT_EXTERNAL_VLLM, C, "{" HI ",\"guided_choice\":[\"a\"]}", NULL},
    {WEFT_EXTERNAL_LLAMA, C,
     "{" HI ",\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\"}}],\"tool_choice\":\"required\"}", NULL},
    {WEFT_EXTERNAL_LLAMA, C,
     "{\"messages\":[" USER ",{\"role\":\"assistant\",\"content\":[{\"type\":\"text\",\"text\":\"Oh\"}]}]}", NULL},
};

static void test_where_it_would_not_be_the_same_answer_it_does_not_go_on(void **state)
{
    (void)state;
    for (size_t i = 0; i < WEFT_COUNT(stuck); i++) {
        struct weft_external_asking asking;
        struct weft_bytes out = {0};
        begin(&asking, stuck[i].shape, stuck[i].request);
        assert_true(weft_external_asking_can_resume(&asking, stuck[i].kind)); /* nothing was delivered: asked anew */
        note(&asking, WEFT_PART_CONTENT, "Hel");
        if (weft_external_asking_can_resume(&asking, stuck[i].kind)) {
            fail_msg("%s goes on", stuck[i].request);
        }
        assert_int_equal(weft_external_asking_write(&asking, stuck[i].kind, WEFT_SLICE("m"), &out),
                         WEFT_ERR_UNSUPPORTED);
        assert_int_equal(out.size, 0);
        weft_external_asking_deinit(&asking);
    }
}

static void test_a_tool_call_does_not_go_on(void **state)
{
    (void)state;
    struct weft_external_asking asking;
    begin(&asking, C, "{" HI "}");
    note(&asking, WEFT_PART_CONTENT, "Let me see. ");
    note(&asking, WEFT_PART_TOOL_CALL, "{");
    note(&asking, WEFT_PART_CONTENT, "And");
    assert_false(weft_external_asking_can_resume(&asking, WEFT_EXTERNAL_LLAMA));
    assert_int_equal(asking.content.size, 0); /* nothing is kept that nobody can use */
    weft_external_asking_deinit(&asking);
}

/* Of two choices one has ended without a word: asked anew, the server would write it once more. */
static void test_a_choice_that_has_ended_is_not_asked_for_again(void **state)
{
    (void)state;
    struct weft_external_asking asking;
    const struct weft_frame finish = {.kind = WEFT_FRAME_FINISH};
    begin(&asking, C, "{" HI ",\"n\":2}");
    assert_true(weft_external_asking_can_resume(&asking, WEFT_EXTERNAL_LLAMA));
    weft_external_asking_note(&asking, &finish);
    assert_false(weft_external_asking_can_resume(&asking, WEFT_EXTERNAL_LLAMA));
    weft_external_asking_deinit(&asking);
}

static void test_more_than_is_kept_does_not_go_on(void **state)
{
    (void)state;
    static char much[1024 * 1024 + 1];
    struct weft_external_asking asking;
    memset(much, 'x', sizeof(much) - 1);
    begin(&asking, C, "{" HI "}");
    for (size_t i = 0; i < WEFT_EXTERNAL_TOLD_MAX / (sizeof(much) - 1); i++) {
        note(&asking, WEFT_PART_CONTENT, much);
    }
    assert_true(weft_external_asking_can_resume(&asking, WEFT_EXTERNAL_LLAMA));
    note(&asking, WEFT_PART_CONTENT, "x");
    assert_false(weft_external_asking_can_resume(&asking, WEFT_EXTERNAL_LLAMA));
    weft_external_asking_deinit(&asking);
}

/* What an earlier request delivered was the prompt of the last one. */
static void test_the_usage_is_that_of_the_whole(void **state)
{
    (void)state;
    struct weft_external_asking asking;
    struct weft_bytes out = {0};
    struct weft_frame usage = {.kind = WEFT_FRAME_USAGE,
                               .usage = {.prompt_tokens = 10, .cached_tokens = 1, .completion_tokens = 5}};
    begin(&asking, C, "{" HI "}");
    weft_external_asking_usage(&asking, &usage);
    assert_int_equal(usage.usage.prompt_tokens, 10);
    assert_int_equal(usage.usage.completion_tokens, 5);
    note(&asking, WEFT_PART_CONTENT, "Hel");
    note(&asking, WEFT_PART_CONTENT, "lo");
    assert_int_equal(weft_external_asking_write(&asking, WEFT_EXTERNAL_LLAMA, WEFT_SLICE("m"), &out), 0);
    weft_bytes_deinit(&out);
    note(&asking, WEFT_PART_CONTENT, "!"); /* of the last one: it counts that itself */
    weft_external_asking_usage(&asking, &usage);
    assert_int_equal(usage.usage.prompt_tokens, 8);
    assert_int_equal(usage.usage.completion_tokens, 7);
    weft_external_asking_deinit(&asking);
}

static void test_what_cannot_be_asked(void **state)
{
    (void)state;
    struct weft_openai_request request;
    struct weft_openai_error error;
    assert_int_equal(weft_openai_request_init(&request, C, WEFT_SLICE("{" HI ",\"logprobs\":true}"), &error), 0);
    assert_int_equal(weft_external_asking_check(&request, &error), WEFT_ERR_INVALID);
    assert_int_equal(error.status, 400);
    assert_string_equal(error.param, "logprobs");
    weft_openai_request_deinit(&request);
    assert_int_equal(weft_openai_request_init(&request, C, WEFT_SLICE("{" HI "}"), &error), 0);
    assert_int_equal(weft_external_asking_check(&request, &error), 0);
    weft_openai_request_deinit(&request);
}

static void test_memory_runs_out(void **state)
{
    (void)state;
    for (size_t i = 0; i < WEFT_COUNT(resumed); i++) {
        struct weft_external_asking asking;
        begin(&asking, resumed[i].shape, resumed[i].request);
        note(&asking, WEFT_PART_CONTENT, "Hello");
        bool failed = true;
        for (uint64_t countdown = 1; failed; countdown++) {
            struct weft_bytes out = {0};
            weft_bytes_trim();
            int64_t live = weft_mem_live();
            weft_mem_fail_at(countdown);
            int status = weft_external_asking_write(&asking, resumed[i].kind, WEFT_SLICE("m"), &out);
            failed = weft_mem_failed();
            weft_mem_fail_at(0);
            assert_int_equal(status, failed ? WEFT_ERR_MEMORY : 0);
            weft_bytes_deinit(&out);
            weft_bytes_trim();
            assert_int_equal(weft_mem_live(), live);
        }
        weft_external_asking_deinit(&asking);
    }
}

static int set_up(void **state)
{
    (void)state;
    weft_json_setup(1);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_at_first_it_is_the_clients_own),
        cmocka_unit_test(test_a_cut_answer_goes_on_from_its_text),
        cmocka_unit_test(test_thoughts_go_on_where_that_is_known),
        cmocka_unit_test(test_where_it_would_not_be_the_same_answer_it_does_not_go_on),
        cmocka_unit_test(test_a_tool_call_does_not_go_on),
        cmocka_unit_test(test_a_choice_that_has_ended_is_not_asked_for_again),
        cmocka_unit_test(test_more_than_is_kept_does_not_go_on),
        cmocka_unit_test(test_the_usage_is_that_of_the_whole),
        cmocka_unit_test(test_what_cannot_be_asked),
        cmocka_unit_test(test_memory_runs_out),
    };
    return cmocka_run_group_tests(tests, set_up, NULL);
}
