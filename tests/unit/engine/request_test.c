/* tests/unit/engine/request_test.c - bodies that are read, and bodies that are refused by the member's name. */
#include "engine/request.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/error.h"
#include "base/mem.h"
#include "wire/json.h"

#define VOCABULARY 100

static struct weft_arena arena;
static struct weft_request request;
static char problem[WEFT_REQUEST_PROBLEM_MAX];

static int begin(void **state)
{
    (void)state;
    weft_arena_init(&arena);
    return 0;
}

static int end(void **state)
{
    (void)state;
    weft_arena_deinit(&arena);
    return 0;
}

static int attempt(enum weft_request_kind kind, const char *body)
{
    return weft_request_read(kind, weft_slice_text(body), VOCABULARY, &arena, &request, problem);
}

static void assert_slice(struct weft_slice slice, const char *text)
{
    assert_true(weft_slice_equal(slice, weft_slice_text(text)));
    assert_int_equal(slice.data[slice.size], '\0');
}

static void test_defaults(void **state)
{
    (void)state;
    assert_int_equal(attempt(WEFT_REQUEST_GENERATE, "{\"prompt\":\"Once\",\"seed\":7}"), 0);
    assert_slice(request.prompt.text, "Once");
    assert_null(request.prompt.ids);
    assert_int_equal(request.chat.messages.size, 0);
    assert_true(request.chat.reasoning);
    assert_int_equal(request.seed, 7);
    assert_int_equal(request.choices, 1);
    assert_int_equal(request.max_tokens, UINT32_MAX);
    assert_int_equal(request.logprobs, -1);
    assert_int_equal(request.stop_count, 0);
    assert_false(request.resumes);
    assert_true(request.sampling.temperature == 1.0f && request.sampling.top_p == 1.0f);
    assert_true(request.sampling.min_p == 0.0f && request.sampling.repeat_penalty == 1.0f);
    assert_int_equal(request.sampling.penalty_last_n, -1);
    assert_int_equal(request.from, 0);
}

static void test_generate_with_everything(void **state)
{
    (void)state;
    static const char body[] =
        "{\"messages\":[{\"role\":\"user\",\"content\":\"\\u00e9\"}],\"tools\":[ {\"type\":\"function\"} ],"
        "\"tool_choice\":\"required\",\"parallel_tool_calls\":true,\"template_args\":{\"a\": 1},"
        "\"continue_final_message\":true,\"reasoning\":false,\"schema\":{\"b\":1, \"a\":2},\"max_tokens\":0,"
        "\"stop\":[\"x\",\"\\n\"],\"n\":2,\"seed\":-1,\"temperature\":0.5,\"top_k\":40,\"top_p\":0.9,\"min_p\":0.05,"
        "\"repeat_penalty\":1.1,\"frequency_penalty\":-2,\"presence_penalty\":2,\"penalty_last_n\":64,"
        "\"logit_bias\":[[5,-100],[99,1.5]],\"logprobs\":20,\"echo\":true,\"ignore_end\":true,\"call_ids\":\"call_1\","
        "\"now\":1700000000,\"resume\":[[1,2,3],[]]}";
    assert_int_equal(attempt(WEFT_REQUEST_GENERATE, body), 0);
    assert_slice(request.chat.messages, "[{\"role\":\"user\",\"content\":\"\xC3\xA9\"}]");
    assert_slice(request.chat.tools, "[{\"type\":\"function\"}]");
    assert_slice(request.chat.schema, "{\"b\":1,\"a\":2}"); /* in the order it was given */
    assert_slice(request.chat.template_args, "{\"a\":1}");
    assert_int_equal(request.chat.tool_choice, WEFT_TOOLS_REQUIRED);
    assert_true(request.chat.parallel_tool_calls && request.chat.continue_final_message && !request.chat.reasoning);
    assert_int_equal(request.chat.now_s, 1700000000);
    assert_int_equal(request.stop_count, 2);
    assert_slice(request.stops[1], "\n");
    assert_int_equal(request.choices, 2);
    assert_true(request.seed == UINT64_MAX);
    assert_true(request.sampling.temperature == 0.5f && request.sampling.top_k == 40);
    assert_int_equal(request.sampling.bias_count, 2);
    assert_int_equal(request.sampling.bias[1].token, 99);
    assert_true(request.sampling.bias[0].bias == -100.0f);
    assert_int_equal(request.logprobs, 20);
    assert_true(request.echo && request.ignore_end && request.resumes);
    assert_slice(request.call_ids, "call_1");
    assert_int_equal(request.resume[0].count, 3);
    assert_int_equal(request.resume[0].ids[2], 3);
    assert_int_equal(request.resume[1].count, 0);
    assert_int_equal(request.max_tokens, 0);
}

static void test_ids(void **state)
{
    (void)state;
    assert_int_equal(attempt(WEFT_REQUEST_GENERATE, "{\"prompt\":[0,99],\"seed\":1,\"grammar\":\"root ::= [a]\"}"), 0);
    assert_int_equal(request.prompt.count, 2);
    assert_int_equal(request.prompt.ids[1], 99);
    assert_null(request.prompt.text.data);
    assert_slice(request.chat.grammar, "root ::= [a]");

    assert_int_equal(attempt(WEFT_REQUEST_SCORE, "{\"ids\":[1,2,3],\"from\":2,\"seed\":5,\"top_k\":3}"), 0);
    assert_int_equal(request.prompt.count, 3);
    assert_int_equal(request.from, 2);
    assert_int_equal(request.sampling.top_k, 3);

    assert_int_equal(attempt(WEFT_REQUEST_DETOKENIZE, "{\"ids\":[]}"), 0);
    assert_int_equal(request.prompt.count, 0);
}

static void test_threads(void **state)
{
    (void)state;
    assert_int_equal(attempt(WEFT_REQUEST_THREADS, "{\"threads\":1}"), 0);
    assert_int_equal(request.threads, 1);
    assert_int_equal(attempt(WEFT_REQUEST_THREADS, "{\"threads\":512}"), 0);
    assert_int_equal(request.threads, 512);
}

static void test_embed_and_tokenize(void **state)
{
    (void)state;
    assert_int_equal(attempt(WEFT_REQUEST_EMBED, "{\"input\":[\"a\",\"b\"]}"), 0);
    assert_int_equal(request.input_count, 2);
    assert_slice(request.inputs[1].text, "b");
    assert_int_equal(attempt(WEFT_REQUEST_EMBED, "{\"input\":[4,5,6]}"), 0);
    assert_int_equal(request.input_count, 1);
    assert_int_equal(request.inputs[0].count, 3);
    assert_int_equal(attempt(WEFT_REQUEST_EMBED, "{\"input\":[[4],[5,6]]}"), 0);
    assert_int_equal(request.input_count, 2);
    assert_int_equal(request.inputs[1].ids[1], 6);

    assert_int_equal(attempt(WEFT_REQUEST_TOKENIZE, "{\"text\":\"\",\"special\":true,\"begin\":true}"), 0);
    assert_true(request.special && request.begin);
    assert_non_null(request.prompt.text.data);
    assert_int_equal(attempt(WEFT_REQUEST_TOKENIZE, "{\"messages\":[1]}"), 0);
    assert_slice(request.chat.messages, "[1]");
}

struct refusal {
    enum weft_request_kind kind;
    const char *body;
    const char *names; /* what the sentence must have in it */
};

#define GENERATE(members) WEFT_REQUEST_GENERATE, "{\"prompt\":\"a\",\"seed\":1," members "}"
#define CHAT(members)     WEFT_REQUEST_GENERATE, "{\"messages\":[1],\"seed\":1," members "}"
#define SCORE(members)    WEFT_REQUEST_SCORE, "{\"ids\":[1,2,3],\"seed\":1," members "}"

static const struct refusal refusals[] = {
    {WEFT_REQUEST_GENERATE, "[]", "object"},
    {WEFT_REQUEST_GENERATE, "{", "not understood"},
    {WEFT_REQUEST_GENERATE, "{\"seed\":1}", "'messages' is missing"},
    {WEFT_REQUEST_GENERATE, "{\"prompt\":\"a\"}", "'seed' is missing"},
    {WEFT_REQUEST_GENERATE, "{\"prompt\":{},\"seed\":1}", "'prompt'"},
    {WEFT_REQUEST_GENERATE, "{\"prompt\":[100],\"seed\":1}", "'prompt' holds an id"},
    {WEFT_REQUEST_GENERATE, "{\"prompt\":[-1],\"seed\":1}", "'prompt' holds an id"},
    {WEFT_REQUEST_GENERATE, "{\"prompt\":[1.0],\"seed\":1}", "'prompt' holds an id"},
    {WEFT_REQUEST_GENERATE, "{\"messages\":[],\"seed\":1}", "'messages' must be an array"},
    {WEFT_REQUEST_GENERATE, "{\"messages\":\"hi\",\"seed\":1}", "'messages' must be an array"},
    {GENERATE("\"text\":\"a\""), "'text' is not a member"},
    {GENERATE("\"messages\":[1]"), "'prompt' cannot stand beside"},
    {GENERATE("\"tools\":[1]"), "'tools' needs 'messages'"},
    {GENERATE("\"reasoning\":true"), "'reasoning' needs 'messages'"},
    {GENERATE("\"schema\":{},\"grammar\":\"root ::= [a]\""), "'grammar' cannot stand beside 'schema'"},
    {GENERATE("\"schema\":[]"), "'schema' must be an object"},
    {GENERATE("\"grammar\":\"\""), "'grammar'"},
    {GENERATE("\"grammar\":\"a\\u0000\""), "'grammar'"},
    {GENERATE("\"max_tokens\":0"), "'max_tokens'"},
    {GENERATE("\"max_tokens\":-1"), "'max_tokens' must be an integer from 0 to 4294967295"},
    {GENERATE("\"max_tokens\":4294967296"), "'max_tokens'"},
    {GENERATE("\"max_tokens\":1.5"), "'max_tokens'"},
    {GENERATE("\"stop\":\"a\""), "'stop'"},
    {GENERATE("\"stop\":[\"\"]"), "'stop'"},
    {GENERATE("\"stop\":[1]"), "'stop'"},
    {GENERATE("\"n\":0"), "'n' must be an integer from 1 to 16"},
    {GENERATE("\"n\":17"), "'n'"},
    {GENERATE("\"n\":null"), "'n'"},
    {GENERATE("\"n\":2,\"resume\":[[]]"), "'resume' must have one"},
    {GENERATE("\"resume\":[]"), "'resume'"},
    {GENERATE("\"resume\":[[100]]"), "'resume' holds an id"},
    {GENERATE("\"resume\":[1]"), "'resume'"},
    {GENERATE("\"temperature\":\"hot\""), "'temperature' must be a number from 0 to 100"},
    {GENERATE("\"temperature\":-0.1"), "'temperature'"},
    {GENERATE("\"top_k\":-1"), "'top_k'"},
    {GENERATE("\"top_p\":1.1"), "'top_p'"},
    {GENERATE("\"min_p\":-1"), "'min_p'"},
    {GENERATE("\"repeat_penalty\":0"), "'repeat_penalty'"},
    {GENERATE("\"frequency_penalty\":1e9"), "'frequency_penalty'"},
    {GENERATE("\"presence_penalty\":[]"), "'presence_penalty'"},
    {GENERATE("\"penalty_last_n\":5000"), "'penalty_last_n'"},
    {GENERATE("\"logit_bias\":{}"), "'logit_bias'"},
    {GENERATE("\"logit_bias\":[[1]]"), "'logit_bias'"},
    {GENERATE("\"logit_bias\":[[100,1]]"), "'logit_bias' holds an id"},
    {GENERATE("\"logit_bias\":[[1,1e300]]"), "'logit_bias'"},
    {GENERATE("\"logprobs\":21"), "'logprobs'"},
    {GENERATE("\"echo\":1"), "'echo' must be true or false"},
    {GENERATE("\"ignore_end\":\"yes\""), "'ignore_end'"},
    {GENERATE("\"call_ids\":\"a b\""), "'call_ids'"},
    {GENERATE("\"call_ids\":\"\""), "'call_ids'"},
    {GENERATE("\"now\":-1"), "'now'"},
    {CHAT("\"tool_choice\":\"some\""), "'tool_choice'"},
    {CHAT("\"tool_choice\":{}"), "'tool_choice'"},
    {CHAT("\"tool_choice\":\"required\""), "'tool_choice' is required"},
    {CHAT("\"tools\":[1],\"grammar\":\"root ::= [a]\""), "'grammar' cannot stand beside 'tools'"},
    {CHAT("\"tools\":{}"), "'tools'"},
    {CHAT("\"parallel_tool_calls\":0"), "'parallel_tool_calls'"},
    {CHAT("\"template_args\":[]"), "'template_args'"},
    {CHAT("\"continue_final_message\":\"\""), "'continue_final_message'"},
    {CHAT("\"reasoning\":\"low\""), "'reasoning'"},
    {SCORE("\"from\":3"), "'from' lies behind"},
    {SCORE("\"from\":0"), "'from'"},
    {SCORE("\"top_k\":1"), "'from' is missing"},
    {SCORE("\"from\":1,\"echo\":true"), "'echo' is not a member"},
    {WEFT_REQUEST_SCORE, "{\"ids\":[1],\"seed\":1,\"from\":1}", "'ids' must have at least two"},
    {WEFT_REQUEST_SCORE, "{\"ids\":[1,2],\"from\":1}", "'seed' is missing"},
    {WEFT_REQUEST_EMBED, "{}", "'input' is missing"},
    {WEFT_REQUEST_EMBED, "{\"input\":\"a\"}", "'input'"},
    {WEFT_REQUEST_EMBED, "{\"input\":[\"\"]}", "'input' holds an empty"},
    {WEFT_REQUEST_EMBED, "{\"input\":[[]]}", "'input' holds an empty"},
    {WEFT_REQUEST_EMBED, "{\"input\":[1,\"a\"]}", "'input' holds an id"},
    {WEFT_REQUEST_TOKENIZE, "{}", "is missing"},
    {WEFT_REQUEST_TOKENIZE, "{\"text\":1}", "'text'"},
    {WEFT_REQUEST_TOKENIZE, "{\"text\":\"a\",\"messages\":[1]}", "'text' cannot stand beside"},
    {WEFT_REQUEST_DETOKENIZE, "{}", "'ids' is missing"},
    {WEFT_REQUEST_DETOKENIZE, "{\"ids\":[\"canary\"]}", "'ids' holds an id"},
    {WEFT_REQUEST_THREADS, "{}", "'threads' is missing"},
    {WEFT_REQUEST_THREADS, "{\"threads\":0}", "'threads' must be an integer from 1 to 512"},
    {WEFT_REQUEST_THREADS, "{\"threads\":513}", "'threads' must be an integer from 1 to 512"},
    {WEFT_REQUEST_THREADS, "{\"threads\":1.5}", "'threads' must be an integer from 1 to 512"},
    {WEFT_REQUEST_THREADS, "{\"threads\":1,\"seed\":1}", "'seed' is not a member"},
};

static void test_refusals(void **state)
{
    (void)state;
    for (size_t i = 0; i < WEFT_COUNT(refusals); i++) {
        int error = attempt(refusals[i].kind, refusals[i].body);
        if (error != WEFT_ERR_INVALID || !strstr(problem, refusals[i].names)) {
            fail_msg("%s gave %d: %s", refusals[i].body, error, problem);
        }
        assert_null(strstr(problem, "canary"));
    }
}

/* A text of `count` times `unit` between `head` and `tail`. */
static const char *repeated(const char *head, const char *unit, size_t count, const char *tail)
{
    static char text[400000];
    size_t at = (size_t)snprintf(text, sizeof(text), "%s", head);
    for (size_t i = 0; i < count; i++) {
        at += (size_t)snprintf(text + at, sizeof(text) - at, "%s%s", i ? "," : "", unit);
    }
    snprintf(text + at, sizeof(text) - at, "%s", tail);
    return text;
}

static void test_bounds(void **state)
{
    (void)state;
    assert_int_equal(attempt(WEFT_REQUEST_SCORE, repeated("{\"from\":1,\"seed\":1,\"ids\":[", "1", 32768, "]}")), 0);
    assert_int_equal(attempt(WEFT_REQUEST_SCORE, repeated("{\"from\":1,\"seed\":1,\"ids\":[", "1", 32769, "]}")),
                     WEFT_ERR_TOO_LARGE);
    assert_int_equal(attempt(WEFT_REQUEST_EMBED, repeated("{\"input\":[", "\"a\"", 2048, "]}")), 0);
    assert_int_equal(attempt(WEFT_REQUEST_EMBED, repeated("{\"input\":[", "\"a\"", 2049, "]}")), WEFT_ERR_TOO_LARGE);
    const char *head = "{\"prompt\":\"a\",\"seed\":1,\"stop\":[";
    assert_int_equal(attempt(WEFT_REQUEST_GENERATE, repeated(head, "\"a\"", 16, "]}")), 0);
    assert_int_equal(attempt(WEFT_REQUEST_GENERATE, repeated(head, "\"a\"", 17, "]}")), WEFT_ERR_INVALID);
    head = "{\"prompt\":\"a\",\"seed\":1,\"logit_bias\":[";
    assert_int_equal(attempt(WEFT_REQUEST_GENERATE, repeated(head, "[1,1]", 1024, "]}")), 0);
    assert_int_equal(attempt(WEFT_REQUEST_GENERATE, repeated(head, "[1,1]", 1025, "]}")), WEFT_ERR_INVALID);
}

/* Each allocation fails in turn: told as such, and nothing is left. */
static void test_memory(void **state)
{
    (void)state;
    static const char body[] = "{\"messages\":[{\"role\":\"user\"}],\"stop\":[\"a\",\"b\"],\"seed\":1,"
                               "\"logit_bias\":[[1,2]],\"resume\":[[1,2]],\"schema\":{\"type\":\"object\"}}";
    int64_t before = weft_mem_live();
    for (uint64_t at = 1;; at++) {
        struct weft_arena own;
        weft_arena_init(&own);
        weft_mem_fail_at(at);
        int error =
            weft_request_read(WEFT_REQUEST_GENERATE, weft_slice_text(body), VOCABULARY, &own, &request, problem);
        bool failed = weft_mem_failed();
        weft_mem_fail_at(0);
        weft_arena_deinit(&own);
        assert_int_equal(error, failed ? WEFT_ERR_MEMORY : 0);
        assert_int_equal(weft_mem_live(), before);
        if (!failed) {
            assert_true(at > 10);
            return;
        }
    }
}

/* What a newer version may add is told apart from what is wrong: another engine may know it. */
static void a_member_that_nobody_has_yet_is_unsupported(void **state)
{
    (void)state;
    assert_int_equal(attempt(WEFT_REQUEST_GENERATE, "{\"prompt\":\"a\",\"seed\":1,\"canary\":\"canary\"}"),
                     WEFT_ERR_UNSUPPORTED);
    assert_non_null(strstr(problem, "does not know"));
    assert_null(strstr(problem, "canary"));
}

int main(void)
{
    weft_json_setup(1);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_defaults, begin, end),
        cmocka_unit_test_setup_teardown(test_generate_with_everything, begin, end),
        cmocka_unit_test_setup_teardown(test_ids, begin, end),
        cmocka_unit_test_setup_teardown(test_threads, begin, end),
        cmocka_unit_test_setup_teardown(test_embed_and_tokenize, begin, end),
        cmocka_unit_test_setup_teardown(test_refusals, begin, end),
        cmocka_unit_test_setup_teardown(test_bounds, begin, end),
        cmocka_unit_test_setup_teardown(a_member_that_nobody_has_yet_is_unsupported, begin, end),
        cmocka_unit_test_setup_teardown(test_memory, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
