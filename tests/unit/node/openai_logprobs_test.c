/* tests/unit/node/openai_logprobs_test.c - tokens that are no text, that have no chance, or share their text. */
#include "node/openai_logprobs.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/error.h"
#include "base/mem.h"

static struct weft_frame sample(struct weft_slice bytes, float logprob)
{
    return (struct weft_frame){.kind = WEFT_FRAME_TOKEN,
                               .token = {.has_logprob = true, .logprob = logprob, .bytes = bytes}};
}

static const char *written(struct weft_openai_logprobs *logprobs, enum weft_openai_shape shape)
{
    static char text[16384];
    struct weft_bytes out = {0};
    struct weft_json json;
    weft_json_start(&json, &out);
    weft_openai_logprobs_write(logprobs, shape, &json);
    assert_int_equal(weft_json_finish(&json), 0);
    assert_int_equal(weft_openai_logprobs_size(logprobs), 0);
    assert_true(out.size < sizeof(text));
    text[weft_bytes_read(&out, text, sizeof(text) - 1)] = '\0';
    return text;
}

static void test_chat(void **state)
{
    (void)state;
    struct weft_openai_logprobs logprobs = {0};
    assert_string_equal(written(&logprobs, WEFT_OPENAI_CHAT), "{\"content\":[],\"refusal\":null}");
    struct weft_frame token = sample(WEFT_SLICE("a\"b"), -0.1F);
    token.token.top_count = 2;
    token.token.top[0] = (struct weft_logprob){.id = 1, .logprob = -0.1F, .bytes = WEFT_SLICE("a\"b")};
    token.token.top[1] = (struct weft_logprob){.id = 2, .logprob = -INFINITY, .bytes = WEFT_SLICE("\xF0\x9F")};
    assert_int_equal(weft_openai_logprobs_add(&logprobs, WEFT_OPENAI_CHAT, &token, 0), 0);
    assert_string_equal(written(&logprobs, WEFT_OPENAI_CHAT),
                        "{\"content\":[{\"token\":\"a\\\"b\",\"logprob\":-0.1,\"bytes\":[97,34,98],\"top_logprobs\":["
                        "{\"token\":\"a\\\"b\",\"logprob\":-0.1,\"bytes\":[97,34,98]},{\"token\":\"\\\\xf0\\\\x9f\","
                        "\"logprob\":-9999,\"bytes\":[240,159]}]}],\"refusal\":null}");
}

/* Alternatives are members of an object: each name stands in it once, whatever the tokens are. */
static void test_names_stand_once(void **state)
{
    (void)state;
    struct weft_openai_logprobs logprobs = {0};
    struct weft_frame token = sample(WEFT_SLICE("a"), NAN);
    token.token.top_count = 6;
    token.token.top[0] = (struct weft_logprob){.logprob = -1, .bytes = WEFT_SLICE("a")};
    token.token.top[1] = (struct weft_logprob){.logprob = -2, .bytes = {0}};
    token.token.top[2] = (struct weft_logprob){.logprob = -3, .bytes = WEFT_SLICE("a")};
    token.token.top[3] = (struct weft_logprob){.logprob = -4, .bytes = WEFT_SLICE("")};
    token.token.top[4] = (struct weft_logprob){.logprob = -5, .bytes = WEFT_SLICE("\0")};
    token.token.top[5] = (struct weft_logprob){.logprob = -6, .bytes = WEFT_SLICE("\"\n")};
    assert_int_equal(weft_openai_logprobs_add(&logprobs, WEFT_OPENAI_COMPLETION, &token, 3), 0);
    const char *text = written(&logprobs, WEFT_OPENAI_COMPLETION);
    assert_string_equal(text, "{\"tokens\":[\"a\"],\"token_logprobs\":[-9999],\"top_logprobs\":[{\"a\":-1,\"\":-2,"
                              "\"bytes:\\\\x00\":-5,\"\\\"\\n\":-6}],\"text_offset\":[3]}");
    json_t *value;
    assert_int_equal(weft_json_parse(weft_slice_text(text), &value, NULL), 0); /* no name twice */
    json_decref(value);
}

static void test_long_tokens(void **state)
{
    (void)state;
    static char bytes[4096];
    memset(bytes, 0xFF, sizeof(bytes));
    struct weft_openai_logprobs logprobs = {0};
    struct weft_frame token = sample(weft_slice(bytes, sizeof(bytes)), -1);
    token.token.top_count = 1;
    token.token.top[0] = (struct weft_logprob){.logprob = -1, .bytes = weft_slice(bytes, sizeof(bytes))};
    assert_int_equal(weft_openai_logprobs_add(&logprobs, WEFT_OPENAI_COMPLETION, &token, 0), 0);
    assert_true(strlen(written(&logprobs, WEFT_OPENAI_COMPLETION)) < 1600);
    memset(bytes, 'x', sizeof(bytes));
    assert_int_equal(weft_openai_logprobs_add(&logprobs, WEFT_OPENAI_COMPLETION, &token, 0), 0);
    assert_non_null(strstr(written(&logprobs, WEFT_OPENAI_COMPLETION), "\"top_logprobs\":[{}]"));
}

static void test_move(void **state)
{
    (void)state;
    struct weft_openai_logprobs from = {0}, to = {0};
    struct weft_frame token = sample(WEFT_SLICE("a"), -1);
    for (uint64_t i = 0; i < 4; i++) {
        assert_int_equal(weft_openai_logprobs_add(&from, WEFT_OPENAI_COMPLETION, &token, i), 0);
        assert_int_equal(weft_openai_logprobs_move(&to, &from), 0);
        assert_int_equal(weft_openai_logprobs_move(&to, &from), 0); /* of nothing */
        assert_int_equal(weft_openai_logprobs_size(&from), 0);
    }
    assert_non_null(strstr(written(&to, WEFT_OPENAI_COMPLETION), "\"text_offset\":[0,1,2,3]}"));
}

int main(void)
{
    weft_json_setup(42);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_chat),
        cmocka_unit_test(test_names_stand_once),
        cmocka_unit_test(test_long_tokens),
        cmocka_unit_test(test_move),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
