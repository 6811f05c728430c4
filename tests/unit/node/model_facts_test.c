/* tests/unit/node/model_facts_test.c - what an engine says of itself, and the names of models. */
#include "node/model_facts.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static void read(struct weft_model_facts *facts, const char *text)
{
    json_t *json;
    assert_int_equal(weft_json_parse(weft_slice_text(text), &json, NULL), 0);
    weft_model_facts_read(facts, json);
    json_decref(json);
}

static void what_is_said_is_read(void **state)
{
    (void)state;
    struct weft_model_facts facts;
    read(&facts, "{\"slots\":8,\"context_tokens\":4096,\"trained_tokens\":8192,\"threads\":2,\"memory\":5000000000,"
                 "\"description\":\"llama 135M\",\"quant\":\"Q4_1\",\"variant\":\"zen4\",\"sandbox\":\"seccomp\","
                 "\"kernel_class\":\"Q4_1/zen4/exact-1\",\"exact\":true,"
                 "\"knows_tools\":true,\"knows_reasoning\":false,\"has_template\":true,\"temperature\":0,\"top_p\":0.9,"
                 "\"top_k\":40}");
    assert_int_equal(facts.slots, 8);
    assert_int_equal(facts.context_tokens, 4096);
    assert_int_equal(facts.trained_tokens, 8192);
    assert_int_equal(facts.threads, 2);
    assert_true(facts.memory == 5000000000);
    assert_string_equal(facts.description, "llama 135M");
    assert_string_equal(facts.quant, "Q4_1");
    assert_string_equal(facts.variant, "zen4");
    assert_string_equal(facts.sandbox, "seccomp");
    assert_string_equal(facts.kernel_class, "Q4_1/zen4/exact-1");
    assert_true(facts.exact);
    assert_true(facts.knows_tools && !facts.knows_reasoning && facts.has_template);
    assert_true(facts.temperature == 0 && facts.top_p > 0.89 && facts.min_p < 0);
    assert_int_equal(facts.top_k, 40);
}

static void what_is_not_said_is_known_to_be_missing(void **state)
{
    (void)state;
    static const char *const texts[] = {"{}", "[]",
                                        "{\"slots\":-1,\"memory\":\"much\",\"temperature\":null,\"top_k\":99999999999,"
                                        "\"description\":7,\"knows_tools\":1}"};
    for (size_t i = 0; i < WEFT_COUNT(texts); i++) {
        struct weft_model_facts facts;
        memset(&facts, 0x55, sizeof(facts));
        read(&facts, texts[i]);
        assert_int_equal(facts.slots, 0);
        assert_true(facts.memory == 0 && facts.temperature < 0 && facts.top_p < 0 && facts.min_p < 0);
        assert_int_equal(facts.top_k, -1);
        assert_string_equal(facts.description, "");
        assert_false(facts.knows_tools || facts.exact);
    }
}

static void a_long_text_is_cut_between_characters(void **state)
{
    (void)state;
    struct weft_model_facts facts;
    char text[400] = "{\"quant\":\"x";
    for (size_t i = 0; i < 100; i++) {
        memcpy(text + strlen(text), "\xc3\xa4", 3);
    }
    memcpy(text + strlen(text), "\"}", 3);
    read(&facts, text);
    assert_int_equal(strlen(facts.quant), 95);
    assert_memory_equal(facts.quant + 93, "\xc3\xa4", 3);
}

static void a_model_is_named_by_its_file(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"/a/b/SmolLM2-135M.gguf", "SmolLM2-135M"},
        {"x.GGUF", "x"},
        {"./models/x.y.gguf", "x.y"},
        {"no-suffix", "no-suffix"},
        {"/a/.gguf", ".gguf"},
        {"/a/", ""},
        {"/a/line\nbreak.gguf", ""},
        {"/a/\xff.gguf", ""},
        {"/a/\xc3\xa4.gguf", "\xc3\xa4"},
    };
    for (size_t i = 0; i < WEFT_COUNT(cases); i++) {
        assert_true(weft_slice_equal(weft_model_name(cases[i][0]), weft_slice_text(cases[i][1])));
    }
}

int main(void)
{
    weft_json_setup(1);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_said_is_read),
        cmocka_unit_test(what_is_not_said_is_known_to_be_missing),
        cmocka_unit_test(a_long_text_is_cut_between_characters),
        cmocka_unit_test(a_model_is_named_by_its_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
