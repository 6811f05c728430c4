/* tests/unit/node/openai_request_test.c - every parameter: what it may be, and what is said when it is not. */
#include "node/openai_request.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/error.h"
#include "base/mem.h"

#define C WEFT_OPENAI_CHAT
#define T WEFT_OPENAI_COMPLETION

/* In rows, HI stands for a conversation. */
#define HI "\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]"
#define P  "\"prompt\":\"once\""

static int read_text(struct weft_openai_request *request, enum weft_openai_shape shape, const char *text,
                     struct weft_openai_error *error)
{
    int64_t live = weft_mem_live();
    int status = weft_openai_request_init(request, shape, weft_slice_text(text), error);
    if (status < 0) {
        assert_int_equal(weft_mem_live(), live);
        assert_null(request->body);
    }
    return status;
}

/* -- refused -- */

static const struct refused {
    enum weft_openai_shape shape;
    const char *text, *param, *code;
} refused[] = {
    /* the body */
    {C, "", "", "invalid_json"},
    {C, "{", "", "invalid_json"},
    {C, "[]", "", "invalid_type"},
    {C, "{\"n\":1,\"n\":1}", "", "invalid_json"},
    {C, "{\"a\":\"\xff\"}", "", "invalid_json"},
    {C, "{}", "messages", "missing_required_parameter"},
    {C, "{\"messages\":null}", "messages", "missing_required_parameter"},
    {T, "{}", "prompt", "missing_required_parameter"},
    {C, "{" HI ",\"model\":7}", "model", "invalid_type"},

    /* numbers */
    {C, "{" HI ",\"temperature\":\"1\"}", "temperature", "invalid_type"},
    {C, "{" HI ",\"temperature\":-0.1}", "temperature", "invalid_value"},
    {C, "{" HI ",\"temperature\":2.1}", "temperature", "invalid_value"},
    {T, "{" P ",\"temperature\":true}", "temperature", "invalid_type"},
    {C, "{" HI ",\"top_p\":1.01}", "top_p", "invalid_value"},
    {C, "{" HI ",\"top_p\":-1}", "top_p", "invalid_value"},
    {C, "{" HI ",\"min_p\":2}", "min_p", "invalid_value"},
    {C, "{" HI ",\"top_k\":-2}", "top_k", "invalid_value"},
    {C, "{" HI ",\"top_k\":1.5}", "top_k", "invalid_type"},
    {C, "{" HI ",\"repeat_penalty\":0}", "repeat_penalty", "invalid_value"},
    {C, "{" HI ",\"repetition_penalty\":11}", "repetition_penalty", "invalid_value"},
    {C, "{" HI ",\"repeat_penalty\":1.1,\"repetition_penalty\":1.2}", "repetition_penalty", "invalid_value"},
    {C, "{" HI ",\"repeat_last_n\":4097}", "repeat_last_n", "invalid_value"},
    {C, "{" HI ",\"frequency_penalty\":2.5}", "frequency_penalty", "invalid_value"},
    {C, "{" HI ",\"presence_penalty\":-2.5}", "presence_penalty", "invalid_value"},
    {C, "{" HI ",\"n\":0}", "n", "invalid_value"},
    {C, "{" HI ",\"n\":17}", "n", "invalid_value"},
    {C, "{" HI ",\"n\":1.0}", "n", "invalid_type"},
    {C, "{" HI ",\"seed\":1.5}", "seed", "invalid_type"},
    {C, "{" HI ",\"seed\":\"1\"}", "seed", "invalid_type"},
    {C, "{" HI ",\"max_tokens\":0}", "max_tokens", "invalid_value"},
    {C, "{" HI ",\"max_tokens\":-1}", "max_tokens", "invalid_value"},
    {C, "{" HI ",\"max_tokens\":2147483648}", "max_tokens", "invalid_value"},
    {C, "{" HI ",\"max_completion_tokens\":0}", "max_completion_tokens", "invalid_value"},
    {C, "{" HI ",\"max_completion_tokens\":\"5\"}", "max_completion_tokens", "invalid_type"},
    {C, "{" HI ",\"max_completion_tokens\":5,\"max_tokens\":6}", "max_tokens", "invalid_value"},
    {T, "{" P ",\"max_tokens\":0}", "max_tokens", "invalid_value"},

    /* switches */
    {C, "{" HI ",\"stream\":1}", "stream", "invalid_type"},
    {C, "{" HI ",\"stream\":true,\"stream_options\":1}", "stream_options", "invalid_type"},
    {C, "{" HI ",\"stream\":true,\"stream_options\":{\"include_usage\":1}}", "stream_options.include_usage",
     "invalid_type"},
    {C, "{" HI ",\"stream_options\":{\"include_usage\":true}}", "stream_options", "invalid_value"},
    {C, "{" HI ",\"ignore_eos\":\"yes\"}", "ignore_eos", "invalid_type"},
    {C, "{" HI ",\"parallel_tool_calls\":0}", "parallel_tool_calls", "invalid_type"},
    {T, "{" P ",\"echo\":1}", "echo", "invalid_type"},
    {C, "{" HI ",\"logprobs\":1}", "logprobs", "invalid_type"},
    {C, "{" HI ",\"logprobs\":true,\"top_logprobs\":21}", "top_logprobs", "invalid_value"},
    {C, "{" HI ",\"top_logprobs\":2}", "top_logprobs", "invalid_value"},
    {T, "{" P ",\"logprobs\":true}", "logprobs", "invalid_type"},
    {T, "{" P ",\"logprobs\":21}", "logprobs", "invalid_value"},

    /* stop, bias, format */
    {C, "{" HI ",\"stop\":1}", "stop", "invalid_type"},
    {C, "{" HI ",\"stop\":\"\"}", "stop", "invalid_value"},
    {C, "{" HI ",\"stop\":[\"a\",1]}", "stop[1]", "invalid_type"},
    {C, "{" HI ",\"stop\":[\"a\",\"b\",\"\"]}", "stop[2]", "invalid_value"},
    {C,
     "{" HI ",\"stop\":[\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\","
     "\"a\",\"a\"]}",
     "stop", "invalid_value"},
    {C, "{" HI ",\"logit_bias\":[]}", "logit_bias", "invalid_type"},
    {C, "{" HI ",\"logit_bias\":{\"x\":1}}", "logit_bias", "invalid_value"},
    {C, "{" HI ",\"logit_bias\":{\"\":1}}", "logit_bias", "invalid_value"},
    {C, "{" HI ",\"logit_bias\":{\"-1\":1}}", "logit_bias", "invalid_value"},
    {C, "{" HI ",\"logit_bias\":{\"2147483648\":1}}", "logit_bias", "invalid_value"},
    {C, "{" HI ",\"logit_bias\":{\"1\":\"1\"}}", "logit_bias", "invalid_type"},
    {C, "{" HI ",\"logit_bias\":{\"1\":101}}", "logit_bias", "invalid_value"},
    {C, "{" HI ",\"response_format\":\"json_object\"}", "response_format", "invalid_type"},
    {C, "{" HI ",\"response_format\":{}}", "response_format.type", "invalid_value"},
    {C, "{" HI ",\"response_format\":{\"type\":\"xml\"}}", "response_format.type", "invalid_value"},
    {C, "{" HI ",\"response_format\":{\"type\":\"json_schema\"}}", "response_format.json_schema", "invalid_type"},
    {C, "{" HI ",\"response_format\":{\"type\":\"json_schema\",\"json_schema\":{\"name\":\"x\"}}}",
     "response_format.json_schema.schema", "invalid_type"},
    {C, "{" HI ",\"response_format\":{\"type\":\"json_schema\",\"json_schema\":{\"schema\":true}}}",
     "response_format.json_schema.schema", "invalid_type"},
    {C, "{" HI ",\"response_format\":{\"type\":\"json_schema\",\"json_schema\":{\"schema\":{},\"strict\":1}}}",
     "response_format.json_schema.strict", "invalid_type"},
    {C, "{" HI ",\"json_schema\":\"{}\"}", "json_schema", "invalid_type"},
    {C, "{" HI ",\"response_format\":{\"type\":\"json_schema\",\"json_schema\":{\"schema\":{}}},\"json_schema\":{}}",
     "json_schema", "invalid_value"},
    {C, "{" HI ",\"grammar\":{}}", "grammar", "invalid_type"},
    {C, "{" HI ",\"grammar\":\"root ::= \\\"a\\\"\",\"json_schema\":{}}", "grammar", "invalid_value"},
    {C, "{" HI ",\"grammar\":\"root ::= \\\"a\\\"\",\"response_format\":{\"type\":\"json_object\"}}", "grammar",
     "invalid_value"},

    /* how a template is used */
    {C, "{" HI ",\"reasoning_effort\":\"much\"}", "reasoning_effort", "invalid_value"},
    {C, "{" HI ",\"reasoning_effort\":1}", "reasoning_effort", "invalid_value"},
    {C, "{" HI ",\"chat_template_kwargs\":[]}", "chat_template_kwargs", "invalid_type"},
    {C, "{" HI ",\"continue_final_message\":true}", "continue_final_message", "invalid_value"},
    {C, "{" HI ",\"add_generation_prompt\":false}", "continue_final_message", "invalid_value"},
    {C, "{" HI ",\"add_generation_prompt\":0}", "add_generation_prompt", "invalid_type"},

    /* prompts */
    {T, "{\"prompt\":7}", "prompt", "invalid_type"},
    {T, "{\"prompt\":{}}", "prompt", "invalid_type"},
    {T, "{\"prompt\":[]}", "prompt", "invalid_type"},
    {T, "{\"prompt\":[[]]}", "prompt", "invalid_type"},
    {T, "{\"prompt\":[1,\"a\"]}", "prompt", "invalid_type"},
    {T, "{\"prompt\":[-1]}", "prompt", "invalid_type"},
    {T, "{\"prompt\":[2147483648]}", "prompt", "invalid_type"},
    {T, "{\"prompt\":[\"a\",\"b\"]}", "prompt", "unsupported_value"},
    {T, "{\"prompt\":[[1],[2]]}", "prompt", "unsupported_value"},
    {T, "{" P ",\"best_of\":2}", "best_of", "unsupported_value"},
    {T, "{" P ",\"best_of\":1,\"n\":2}", "best_of", "unsupported_value"},
    {T, "{" P ",\"best_of\":0}", "best_of", "invalid_value"},

    /* refused by name */
    {C, "{" HI ",\"audio\":{\"voice\":\"x\"}}", "audio", "unsupported_parameter"},
    {C, "{" HI ",\"modalities\":[\"text\",\"audio\"]}", "modalities", "unsupported_parameter"},
    {C, "{" HI ",\"functions\":[]}", "functions", "unsupported_parameter"},
    {C, "{" HI ",\"function_call\":\"auto\"}", "function_call", "unsupported_parameter"},
    {C, "{" HI ",\"prediction\":{}}", "prediction", "unsupported_parameter"},
    {C, "{" HI ",\"store\":true}", "store", "unsupported_parameter"},
    {C, "{" HI ",\"web_search_options\":{}}", "web_search_options", "unsupported_parameter"},
    {C, "{" HI ",\"verbosity\":\"low\"}", "verbosity", "unsupported_parameter"},
    {T, "{" P ",\"suffix\":\"x\"}", "suffix", "unsupported_parameter"},
};

static void test_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < WEFT_COUNT(refused); i++) {
        const struct refused *row = &refused[i];
        struct weft_openai_request request;
        struct weft_openai_error error = {0};
        int status = read_text(&request, row->shape, row->text, &error);
        if (status != WEFT_ERR_INVALID || strcmp(error.param, row->param) != 0 || strcmp(error.code, row->code) != 0) {
            fail_msg("%s gives %d, %s, %s: %s", row->text, status, error.param, error.code, error.message);
        }
        assert_int_equal(error.status, 400);
        size_t length = strlen(error.message);
        assert_true(length > 10 && error.message[length - 1] == '.'); /* a sentence */
    }
}

/* -- taken -- */

static const struct taken {
    enum weft_openai_shape shape;
    const char *text;
} taken[] = {
    {C, "{" HI "}"},
    {T, "{" P "}"},
    {C, "{" HI ",\"unknown\":{\"x\":[1]},\"user\":\"u\",\"metadata\":{\"a\":\"b\"},\"store\":false}"},
    {C, "{" HI ",\"service_tier\":\"auto\",\"safety_identifier\":\"x\",\"prompt_cache_key\":\"y\"}"},
    {C, "{" HI ",\"temperature\":null,\"top_p\":null,\"n\":null,\"stop\":null,\"seed\":null,\"tools\":null}"},
    {C, "{" HI ",\"stream\":null,\"stream_options\":null,\"logit_bias\":null,\"logprobs\":null,\"audio\":null}"},
    {C, "{" HI ",\"response_format\":null,\"tool_choice\":null,\"max_tokens\":null,\"verbosity\":\"medium\"}"},
    {C, "{" HI ",\"modalities\":[\"text\"],\"functions\":null,\"function_call\":null,\"prediction\":null}"},
    {C, "{" HI ",\"max_tokens\":5,\"max_completion_tokens\":5}"},
    {C, "{" HI ",\"temperature\":0,\"top_p\":0,\"min_p\":0,\"top_k\":0}"},
    {C, "{" HI ",\"temperature\":2,\"top_p\":1,\"min_p\":1,\"top_k\":-1}"},
    {C, "{" HI ",\"top_logprobs\":0}"},
    {C, "{" HI ",\"stop\":[]}"},
    {C, "{" HI ",\"response_format\":{\"type\":\"text\"}}"},
    {C, "{" HI ",\"seed\":-9223372036854775808}"},
    {C, "{" HI ",\"grammar\":\"\",\"response_format\":{\"type\":\"json_object\"}}"},
    {C, "{" HI ",\"add_generation_prompt\":true}"},
    {C, "{" HI ",\"echo\":1,\"suffix\":1,\"best_of\":\"x\",\"prompt\":7}"}, /* of the other shape: unknown here */
    {T, "{" P ",\"messages\":7,\"tools\":7,\"audio\":7,\"top_logprobs\":99}"},
    {T, "{" P ",\"suffix\":null}"},
    {T, "{" P ",\"suffix\":\"\"}"},
    {T, "{" P ",\"best_of\":1}"},
    {T, "{" P ",\"best_of\":3,\"n\":3}"},
    {T, "{" P ",\"echo\":true,\"max_tokens\":0,\"logprobs\":0}"},
    {T, "{\"prompt\":\"\"}"},
    {T, "{\"prompt\":[\"a\"]}"},
    {T, "{\"prompt\":[[1,2]]}"},
    {T, "{\"prompt\":[0,2147483647]}"},
};

static void test_taken(void **state)
{
    (void)state;
    for (size_t i = 0; i < WEFT_COUNT(taken); i++) {
        struct weft_openai_request request;
        struct weft_openai_error error = {0};
        if (read_text(&request, taken[i].shape, taken[i].text, &error) != 0) {
            fail_msg("%s is refused: %s", taken[i].text, error.message);
        }
        weft_openai_request_deinit(&request);
    }
}

static void test_values(void **state)
{
    (void)state;
    struct weft_openai_request request;
    struct weft_openai_error error;
    const char *text =
        "{" HI ",\"model\":\"m\",\"stream\":true,\"stream_options\":{\"include_usage\":true,"
        "\"include_obfuscation\":false},\"n\":2,\"seed\":-3,\"temperature\":0.5,\"top_k\":7,"
        "\"max_completion_tokens\":9,\"logprobs\":true,\"top_logprobs\":3,\"reasoning_effort\":\"none\"}";
    assert_int_equal(read_text(&request, C, text, &error), 0);
    assert_true(weft_slice_equal(request.model, WEFT_SLICE("m")));
    assert_true(request.stream && request.include_usage && request.no_reasoning && request.has_seed);
    assert_int_equal(request.choices, 2);
    assert_int_equal(request.seed, -3);
    assert_int_equal(request.top_k, 7);
    assert_int_equal(request.max_tokens, 9);
    assert_int_equal(request.logprobs, 3);
    assert_true(request.temperature > 0.49 && request.temperature < 0.51 && isnan(request.top_p));
    weft_openai_request_deinit(&request);

    assert_int_equal(read_text(&request, C, "{" HI "}", &error), 0);
    assert_int_equal(request.model.size, 0);
    assert_true(!request.stream && !request.include_usage && !request.has_seed && request.parallel_tool_calls);
    assert_int_equal(request.choices, 1);
    assert_int_equal(request.max_tokens, -1);
    assert_int_equal(request.logprobs, -1);
    weft_openai_request_deinit(&request);

    assert_int_equal(read_text(&request, T, "{" P "}", &error), 0);
    assert_int_equal(request.max_tokens, WEFT_OPENAI_COMPLETION_TOKENS);
    weft_openai_request_deinit(&request);
}

/* A text that is far too long, or far too many of a thing. */
static void test_bounds(void **state)
{
    (void)state;
    static char text[2 * WEFT_OPENAI_GRAMMAR_MAX];
    struct weft_openai_request request;
    struct weft_openai_error error;
    int used = snprintf(text, sizeof(text), "{" HI ",\"stop\":\"");
    memset(text + used, 'x', WEFT_OPENAI_STOP_MAX + 1);
    (void)snprintf(text + used + WEFT_OPENAI_STOP_MAX, 16, "\"}");
    assert_int_equal(read_text(&request, C, text, &error), 0);
    weft_openai_request_deinit(&request);
    (void)snprintf(text + used + WEFT_OPENAI_STOP_MAX, 16, "x\"}");
    assert_int_equal(read_text(&request, C, text, &error), WEFT_ERR_INVALID);
    assert_string_equal(error.param, "stop");

    used = snprintf(text, sizeof(text), "{" HI ",\"grammar\":\"");
    memset(text + used, 'x', WEFT_OPENAI_GRAMMAR_MAX + 1);
    (void)snprintf(text + used + WEFT_OPENAI_GRAMMAR_MAX + 1, 16, "\"}");
    assert_int_equal(read_text(&request, C, text, &error), WEFT_ERR_INVALID);
    assert_string_equal(error.param, "grammar");

    used = snprintf(text, sizeof(text), "{" HI ",\"logit_bias\":{\"0\":0");
    for (int i = 1; i <= WEFT_OPENAI_BIAS_MAX; i++) {
        used += snprintf(text + used, 32, ",\"%d\":0", i);
    }
    (void)snprintf(text + used, 16, "}}");
    assert_int_equal(read_text(&request, C, text, &error), WEFT_ERR_INVALID);
    assert_string_equal(error.param, "logit_bias");
}

/* What is said of a request holds nothing of it. */
static void test_no_content(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "{" HI ",\"model\":{\"canary\":1}}",
        "{" HI ",\"temperature\":\"canary\"}",
        "{" HI ",\"stop\":[{\"canary\":1}]}",
        "{" HI ",\"logit_bias\":{\"canary\":1}}",
        "{" HI ",\"response_format\":{\"type\":\"canary\"}}",
        "{" HI ",\"reasoning_effort\":\"canary\"}",
        "{\"messages\":[{\"role\":\"canary\"}]}",
        "{" HI ",\"tools\":[{\"type\":\"canary\"}]}",
        "{" HI ",\"tool_choice\":\"canary\"}",
        "{\"canary\":canary}",
    };
    for (size_t i = 0; i < WEFT_COUNT(texts); i++) {
        struct weft_openai_request request;
        struct weft_openai_error error;
        assert_int_equal(read_text(&request, C, texts[i], &error), WEFT_ERR_INVALID);
        assert_null(strstr(error.message, "canary"));
        assert_null(strstr(error.param, "canary"));
    }
}

static void test_torture(void **state)
{
    (void)state;
    const char *text = "{" HI ",\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\"}}],\"stop\":[\"a\"]}";
    int64_t live = weft_mem_live();
    bool done = false;
    for (uint64_t at = 1; !done; at++) {
        struct weft_openai_request request;
        struct weft_openai_error error;
        weft_mem_fail_at(at);
        int status = weft_openai_request_init(&request, C, weft_slice_text(text), &error);
        done = !weft_mem_failed();
        weft_mem_fail_at(0);
        assert_int_equal(status, done ? 0 : WEFT_ERR_MEMORY);
        if (status == 0) {
            weft_openai_request_deinit(&request);
        }
        assert_int_equal(weft_mem_live(), live);
    }
}

int main(void)
{
    weft_json_setup(42);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_refused), cmocka_unit_test(test_taken),      cmocka_unit_test(test_values),
        cmocka_unit_test(test_bounds),  cmocka_unit_test(test_no_content), cmocka_unit_test(test_torture),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
