/* tests/unit/node/openai_native_test.c - what an engine is asked for each request of a client. */
#include "node/openai_native.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/error.h"
#include "base/mem.h"

#define C WEFT_OPENAI_CHAT
#define T WEFT_OPENAI_COMPLETION

#define HI "\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]"
#define P  "\"prompt\":\"once\""

/* What stands in every request, around what a row is about. */
#define SAMPLING "\"temperature\":0.8,\"top_k\":40,\"top_p\":0.95,\"min_p\":0.05"
#define END      ",\"call_ids\":\"call_7\",\"now\":1000}"
#define COUNT    "\"n\":1,\"seed\":77"

static const struct weft_openai_terms plain = {
    .seed = 77, .call_ids = {"call_7", 6}, .now_s = 1000, .temperature = -1, .top_p = -1, .min_p = -1, .top_k = -1};

static const char *native(enum weft_openai_shape shape, const char *text, const struct weft_openai_terms *terms)
{
    static char said[8192];
    struct weft_openai_request request;
    struct weft_openai_error error;
    struct weft_bytes out = {0};
    if (weft_openai_request_init(&request, shape, weft_slice_text(text), &error) != 0) {
        fail_msg("%s: %s", text, error.message);
    }
    assert_int_equal(weft_openai_native_write(&request, terms, &out), 0);
    weft_openai_request_deinit(&request);
    assert_true(out.size < sizeof(said));
    said[weft_bytes_read(&out, said, sizeof(said) - 1)] = '\0';
    return said;
}

static void test_whole(void **state)
{
    (void)state;
    static const struct {
        enum weft_openai_shape shape;
        const char *text, *told;
    } rows[] = {
        {C, "{" HI "}", "{" HI "," COUNT "," SAMPLING END},
        {C, "{" HI ",\"stream\":true,\"model\":\"m\",\"user\":\"u\"}", "{" HI "," COUNT "," SAMPLING END},
        {T, "{" P "}", "{" P ",\"max_tokens\":16," COUNT "," SAMPLING END},
        {T, "{\"prompt\":[[1,2]],\"max_tokens\":0,\"echo\":true,\"logprobs\":2}",
         "{\"prompt\":[1,2],\"max_tokens\":0," COUNT "," SAMPLING ",\"logprobs\":2,\"echo\":true" END},
        {T, "{\"prompt\":[\"once\"],\"max_tokens\":3}", "{" P ",\"max_tokens\":3," COUNT "," SAMPLING END},
        {T, "{" P ",\"max_tokens\":3,\"stop\":\"x\"}",
         "{" P ",\"stop\":[\"x\"],\"max_tokens\":3," COUNT "," SAMPLING END},
        {C, "{" HI ",\"stop\":[\"x\",\"y\"]}", "{" HI ",\"stop\":[\"x\",\"y\"]," COUNT "," SAMPLING END},
        {C, "{" HI ",\"response_format\":{\"type\":\"json_object\"}}",
         "{" HI ",\"schema\":{\"type\":\"object\"}," COUNT "," SAMPLING END},
        {C,
         "{" HI ",\"response_format\":{\"type\":\"json_schema\",\"json_schema\":{\"name\":\"n\",\"strict\":true,"
         "\"schema\":{\"z\":1,\"a\":2}}}}",
         "{" HI ",\"schema\":{\"z\":1,\"a\":2}," COUNT "," SAMPLING END},
        {T, "{" P ",\"max_tokens\":3,\"json_schema\":{\"b\":1}}",
         "{" P ",\"schema\":{\"b\":1},\"max_tokens\":3," COUNT "," SAMPLING END},
        {C, "{" HI ",\"json_schema\":{\"b\":1},\"response_format\":{\"type\":\"json_object\"}}",
         "{" HI ",\"schema\":{\"b\":1}," COUNT "," SAMPLING END},
        {C, "{" HI ",\"grammar\":\"root ::= [0-9]\"}",
         "{" HI ",\"grammar\":\"root ::= [0-9]\"," COUNT "," SAMPLING END},
        {C, "{" HI ",\"logprobs\":true}", "{" HI "," COUNT "," SAMPLING ",\"logprobs\":0" END},
        {C, "{" HI ",\"logprobs\":true,\"top_logprobs\":5}", "{" HI "," COUNT "," SAMPLING ",\"logprobs\":5" END},
        {C, "{" HI ",\"logprobs\":false}", "{" HI "," COUNT "," SAMPLING END},
        {C, "{" HI ",\"n\":3,\"seed\":-5}", "{" HI ",\"n\":3,\"seed\":-5," SAMPLING END},
        {C, "{" HI ",\"ignore_eos\":true}", "{" HI "," COUNT "," SAMPLING ",\"ignore_end\":true" END},
        {C, "{" HI ",\"logit_bias\":{\"5\":-100,\"0\":1.5}}",
         "{" HI "," COUNT "," SAMPLING ",\"logit_bias\":[[5,-100],[0,1.5]]" END},
        {C, "{" HI ",\"frequency_penalty\":0.5}",
         "{" HI "," COUNT "," SAMPLING ",\"frequency_penalty\":0.5,\"penalty_last_n\":64" END},
        {C, "{" HI ",\"presence_penalty\":-2,\"repetition_penalty\":1.1,\"repeat_last_n\":-1}",
         "{" HI "," COUNT "," SAMPLING ",\"repeat_penalty\":1.1,\"presence_penalty\":-2,\"penalty_last_n\":-1" END},
        {C, "{" HI ",\"reasoning_effort\":\"none\"}",
         "{" HI ",\"template_args\":{\"reasoning_effort\":\"none\"},\"reasoning\":false," COUNT "," SAMPLING END},
        {C, "{" HI ",\"reasoning_effort\":\"low\",\"chat_template_kwargs\":{\"a\":[1]}}",
         "{" HI ",\"template_args\":{\"a\":[1],\"reasoning_effort\":\"low\"}," COUNT "," SAMPLING END},
        {C, "{" HI ",\"reasoning_effort\":\"low\",\"chat_template_kwargs\":{\"reasoning_effort\":\"x\"}}",
         "{" HI ",\"template_args\":{\"reasoning_effort\":\"x\"}," COUNT "," SAMPLING END},
        {C, "{" HI ",\"chat_template_kwargs\":{\"enable_thinking\":false}}",
         "{" HI ",\"template_args\":{\"enable_thinking\":false},\"reasoning\":false," COUNT "," SAMPLING END},
        {C, "{\"messages\":[{\"role\":\"assistant\",\"content\":\"Once\"}],\"add_generation_prompt\":false}",
         "{\"messages\":[{\"role\":\"assistant\",\"content\":\"Once\"}],\"continue_final_message\":true," COUNT
         "," SAMPLING END},
        {C,
         "{\"messages\":[{\"role\":\"assistant\",\"content\":\"Once\"}],\"continue_final_message\":true,"
         "\"max_completion_tokens\":4}",
         "{\"messages\":[{\"role\":\"assistant\",\"content\":\"Once\"}],\"continue_final_message\":true,"
         "\"max_tokens\":4," COUNT "," SAMPLING END},
        {C, "{" HI ",\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\",\"parameters\":{}}}]}",
         "{" HI ",\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\",\"parameters\":{}}}],"
         "\"tool_choice\":\"auto\",\"parallel_tool_calls\":true," COUNT "," SAMPLING END},
        {C,
         "{" HI ",\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\",\"parameters\":{}}}],"
         "\"tool_choice\":{\"type\":\"function\",\"function\":{\"name\":\"f\"}}}",
         "{" HI ",\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\",\"parameters\":{}}}],"
         "\"tool_choice\":\"required\",\"parallel_tool_calls\":false," COUNT "," SAMPLING END},
    };
    for (size_t i = 0; i < WEFT_COUNT(rows); i++) {
        assert_string_equal(native(rows[i].shape, rows[i].text, &plain), rows[i].told);
    }
}

/* The client's word, else the file's, else ours; each for itself. */
static void test_sampling(void **state)
{
    (void)state;
    struct weft_openai_terms file = plain;
    file.temperature = 0.6;
    file.top_k = 20;
    static const struct {
        bool recommended;
        const char *text, *told;
    } rows[] = {
        {true, "{" HI "}", "\"temperature\":0.6,\"top_k\":20,\"top_p\":0.95,\"min_p\":0.05,"},
        {true, "{" HI ",\"temperature\":0}", "\"temperature\":0,\"top_k\":20,\"top_p\":0.95,\"min_p\":0.05,"},
        {false, "{" HI ",\"temperature\":1}", "\"temperature\":1,\"top_k\":40,\"top_p\":0.95,\"min_p\":0.05,"},
        {true, "{" HI ",\"top_k\":0}", "\"top_k\":0,"},
        {true, "{" HI ",\"top_k\":-1}", "\"top_k\":0,"},
        {false, "{" HI ",\"top_k\":7,\"top_p\":1,\"min_p\":0}",
         "\"temperature\":0.8,\"top_k\":7,\"top_p\":1,\"min_p\":0,"},
    };
    for (size_t i = 0; i < WEFT_COUNT(rows); i++) {
        const char *told = native(C, rows[i].text, rows[i].recommended ? &file : &plain);
        if (!strstr(told, rows[i].told)) {
            fail_msg("%s: %s", rows[i].text, told);
        }
    }
}

static void test_seed(void **state)
{
    (void)state;
    struct weft_openai_request request;
    struct weft_openai_error error;
    assert_int_equal(weft_openai_request_init(&request, C, WEFT_SLICE("{" HI ",\"seed\":0}"), &error), 0);
    assert_int_equal(weft_openai_seed(&request, &plain), 0);
    weft_openai_request_deinit(&request);
    assert_int_equal(weft_openai_request_init(&request, C, WEFT_SLICE("{" HI ",\"seed\":null}"), &error), 0);
    assert_int_equal(weft_openai_seed(&request, &plain), 77);
    weft_openai_request_deinit(&request);
}

static void test_memory(void **state)
{
    (void)state;
    struct weft_openai_request request;
    struct weft_openai_error error;
    assert_int_equal(weft_openai_request_init(&request, C, WEFT_SLICE("{" HI "}"), &error), 0);
    struct weft_bytes out = {0};
    weft_bytes_trim();
    weft_mem_fail_at(1);
    assert_int_equal(weft_openai_native_write(&request, &plain, &out), WEFT_ERR_MEMORY);
    weft_mem_fail_at(0);
    weft_bytes_deinit(&out);
    weft_openai_request_deinit(&request);
}

int main(void)
{
    weft_json_setup(42);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_whole),
        cmocka_unit_test(test_sampling),
        cmocka_unit_test(test_seed),
        cmocka_unit_test(test_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
