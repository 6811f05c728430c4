/* tests/unit/node/model_match_test.c - names as people type them: what each finds, and what it must not. */
#include "node/model_match.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define NAMES_MAX 12

static struct weft_model_match match;
static struct weft_slice names[NAMES_MAX];

/* The names stand in one text, a blank between them. */
static size_t read_names(const char *text)
{
    size_t count = 0;
    while (*text) {
        size_t size = strcspn(text, " ");
        assert_true(count < NAMES_MAX);
        names[count++] = weft_slice(text, size);
        text += size + (text[size] ? 1 : 0);
    }
    return count;
}

/* What is found, as text: "=NAME", "?NAME NAME" (several fit), "~NAME NAME" (near), or "". */
static const char *found(const char *typed, const char *known)
{
    static const char marks[] = {
        [WEFT_MODEL_MATCH_NONE] = '~', [WEFT_MODEL_MATCH_ONE] = '=', [WEFT_MODEL_MATCH_SEVERAL] = '?'};
    static char text[1024];
    size_t used = 0;
    weft_model_match_find(&match, weft_slice_text(typed), names, read_names(known));
    text[0] = '\0';
    for (size_t i = 0; i < match.count; i++) {
        struct weft_slice name = names[match.at[i]];
        used += (size_t)snprintf(text + used, sizeof(text) - used, "%c%.*s", i == 0 ? marks[match.kind] : ' ',
                                 (int)name.size, name.data);
    }
    assert_true(used < sizeof(text));
    return text;
}

struct row {
    const char *typed, *known, *found;
};

static void check(const struct row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const char *got = found(rows[i].typed, rows[i].known);
        if (strcmp(got, rows[i].found) != 0) {
            fail_msg("\"%s\" among %s: \"%s\" in place of \"%s\"", rows[i].typed, rows[i].known, got, rows[i].found);
        }
    }
}

#define SMOL  "SmolLM2-135M-Instruct-Q4_1"
#define GEMMA "gemma-3-270m-it-Q4_K_M"
#define BOTH  SMOL " " GEMMA

static void one_is_meant(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {SMOL, BOTH, "=" SMOL},
        {"smollm2-135m-instruct-q4_1", BOTH, "=" SMOL},
        {"smollm2", BOTH, "=" SMOL},
        {"SmolLM2-135M-Instruct", BOTH, "=" SMOL},
        {"SmolLM2-135M", BOTH, "=" SMOL},
        {"smollm2:135m", BOTH, "=" SMOL},
        {"smollm2:latest", BOTH, "=" SMOL},
        {"smollm2:135m-instruct-q4_1", BOTH, "=" SMOL},
        {"smollm2:instruct", BOTH, "=" SMOL},
        {"smollm2:q4_1", BOTH, "=" SMOL},
        {"smollm2 instruct q4", BOTH, "=" SMOL},
        {"smollm-2", BOTH, "=" SMOL},
        {"smollm", BOTH, "=" SMOL},
        {SMOL ".gguf", BOTH, "=" SMOL},
        {SMOL ".GGUF", BOTH, "=" SMOL},
        {"HuggingFaceTB/SmolLM2-135M-Instruct", BOTH, "=" SMOL},
        {"hf.co/somebody/SmolLM2-135M-Instruct-GGUF:Q4_1", BOTH, "=" SMOL},
        {"models/" SMOL ".gguf", BOTH, "=" SMOL},
        {"gemma", BOTH, "=" GEMMA},
        {"gemma3", BOTH, "=" GEMMA},
        {"gemma3:270m", BOTH, "=" GEMMA},
        {"google/gemma-3-270m-it", BOTH, "=" GEMMA},
        {"gemma-3-q4_k_m", BOTH, "=" GEMMA},
        {"gemma_3_270m_it_q4_k_m", BOTH, "=" GEMMA},
        {"llama3.2:1b", "Llama-3.2-1B-Instruct-Q4_K_M", "=Llama-3.2-1B-Instruct-Q4_K_M"},
        {"qwen2.5:7b", "Qwen2.5-7B-Instruct-Q4_K_M", "=Qwen2.5-7B-Instruct-Q4_K_M"},
        {"qwen2.5vl", "Qwen2.5-VL-7B-Instruct", "=Qwen2.5-VL-7B-Instruct"},
        {"mixtral:8x7b", "Mixtral-8x7B-Instruct-v0.1", "=Mixtral-8x7B-Instruct-v0.1"},
        {"gemma3n:e2b", "gemma-3n-E2B-it-Q8_0", "=gemma-3n-E2B-it-Q8_0"},
        {"gemma-3", "google_gemma-3-270m-it-Q8_0", "=google_gemma-3-270m-it-Q8_0"},
        {"google_gemma-3", "google_gemma-3-270m-it-Q8_0", "=google_gemma-3-270m-it-Q8_0"},
        {"glm-4.5", "zai-org_GLM-4.5-Air-Q4_K_M", "=zai-org_GLM-4.5-Air-Q4_K_M"},
        {"llama3", "Meta-Llama-3-8B-Instruct", "=Meta-Llama-3-8B-Instruct"},
        {"meta-llama/Meta-Llama-3-8B", "Meta-Llama-3-8B-Instruct", "=Meta-Llama-3-8B-Instruct"},
        {"big", "big-00001-of-00002", "=big-00001-of-00002"},
        {"modèle", "Modèle-7B", "=Modèle-7B"},
        {"???", "???", "=???"},
        {"latest", "latest other", "=latest"},
    };
    check(rows, WEFT_COUNT(rows));
}

/* The better fit wins: the name itself, then its beginning, then its words in order. */
static void the_better_fit_is_meant(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"qwen3-8b", "Qwen3-8B-Q4_K_M Qwen3-8B", "=Qwen3-8B"},
        {"qwen3:8b", "Qwen3-8B-Q4_K_M Qwen3-8B", "=Qwen3-8B"},
        {"smollm2-instruct", "SmolLM2-135M-Instruct SmolLM2-Instruct-v2", "=SmolLM2-Instruct-v2"},
        {"a_b", "a-b a_b", "=a_b"},
    };
    check(rows, WEFT_COUNT(rows));
}

static void several_fit_as_well(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"smollm2", "SmolLM2-135M SmolLM2-360M gemma", "?SmolLM2-135M SmolLM2-360M"},
        {"smollm2-135m", "SmolLM2-135M-Q4_1 SmolLM2-135M-Q8_0", "?SmolLM2-135M-Q4_1 SmolLM2-135M-Q8_0"},
        {"qwen2.5", "Qwen2.5-7B Qwen2.5-Coder-7B", "?Qwen2.5-7B Qwen2.5-Coder-7B"},
        {"x", "x-1 x-2 x-3 x-4 x-5 x-6 y", "?x-1 x-2 x-3 x-4"},
    };
    check(rows, WEFT_COUNT(rows));
    assert_int_equal(match.more, 2);
}

/* Whoever typed these meant something else. */
static void another_one_was_meant(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"smollm2:360m", BOTH, "~" SMOL},
        {"smollm2-135m-q8_0", BOTH, "~" SMOL},
        {"smollm3", BOTH, "~" SMOL},
        {"smollm2-135m-base", BOTH, "~" SMOL},
        {"gemma2", GEMMA, "~" GEMMA},
        {"gemma-27b", GEMMA, "~" GEMMA},
        {"llama-3b", "Llama-3-8B-Instruct", "~Llama-3-8B-Instruct"},
        {"llama3", "Llama-3.2-1B", "~Llama-3.2-1B"},
        {"llama-3.2-3b", "Llama-3.2-1B", "~Llama-3.2-1B"},
        {"gemma-2b", "gemma-2-2b-it", "~gemma-2-2b-it"},
        {"gemma-3", "gemma-2-3b", "~gemma-2-3b"},
        {"gemma3", "gemma-3n-E2B-it", "~gemma-3n-E2B-it"},
        {"qwen3-3b", "Qwen3-30B-A3B", "~Qwen3-30B-A3B"},
        {"qwen2.5:7b", "Qwen2.5-Coder-7B", "~Qwen2.5-Coder-7B"},
        {"llama3.1:instruct", "Llama-3.1-Nemotron-70B-Instruct", "~Llama-3.1-Nemotron-70B-Instruct"},
        {"llama", "DeepSeek-R1-Distill-Llama-8B", ""},
        {"llama", "TinyLlama-1.1B", ""},
        {"coder", "Qwen2.5-Coder-7B", ""},
        {"135m", BOTH, ""},
        {"instruct", BOTH, ""},
        {"q4_1", BOTH, ""},
        {"gpt-4", "gpt-4o-like", "~gpt-4o-like"},
        {"gpt-4", BOTH, ""},
        {"phi-4", "Phi-4mini", "~Phi-4mini"},
        {"", BOTH, ""},
        {"/", BOTH, ""},
        {"latest", BOTH, ""},
        {".gguf", BOTH, ""},
        {"smollm2", "", ""},
    };
    check(rows, WEFT_COUNT(rows));
}

static void a_misspelt_name_gets_the_nearest(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"smolm2", BOTH, "~" SMOL},
        {"smoll2", BOTH, "~" SMOL},
        {"SmolML2-135M", BOTH, "~" SMOL},
        {"smol", BOTH, "~" SMOL},
        {"gema3", BOTH, "~" GEMMA},
        {"thrid", "first second third", "~third"},
        {"Small-2B", "Small-1B Big-70B", "~Small-1B"},
        {"xyzzy", BOTH, ""},
        {"lama-3", "Llama-3.1-8B Llama-3-8B Llama-2-7B", "~Llama-3-8B"},
        {"lamma-4", "Llama-3.1-8B Llama-3-8B Llama-2-7B", ""},
        {"llama-4", "Llama-3.1-8B Llama-3-8B Llama-2-7B", "~Llama-3-8B Llama-2-7B Llama-3.1-8B"},
        {"qwen9", "Qwen2.5-7B Qwen2.5-14B Qwen3-8B Qwen3-14B Qwen3-32B other",
         "~Qwen3-8B Qwen3-14B Qwen3-32B Qwen2.5-7B"},
        {"a name that is much longer than any that could have been meant by it", BOTH, ""},
    };
    check(rows, WEFT_COUNT(rows));
}

/* Nothing that is typed is too long, or too odd, to be looked at. */
static void anything_may_be_typed(void **state)
{
    (void)state;
    char typed[WEFT_MODEL_TYPED_MAX + 2];
    size_t count = read_names(BOTH);
    for (size_t size = 0; size <= sizeof(typed); size++) {
        for (int c = 0; c < 256; c++) {
            memset(typed, c, size);
            weft_model_match_find(&match, weft_slice(typed, size), names, count);
            assert_int_equal(match.kind, WEFT_MODEL_MATCH_NONE);
        }
        for (size_t i = 0; i < size; i++) {
            typed[i] = "a1"[i % 2]; /* as many pieces as there can be */
        }
        weft_model_match_find(&match, weft_slice(typed, size), names, count);
        assert_int_equal(match.kind, WEFT_MODEL_MATCH_NONE);
    }
    memset(typed, '-', sizeof(typed));
    memcpy(typed, "smollm2", 7); /* what is cut off may have been what made the difference */
    weft_model_match_find(&match, weft_slice(typed, WEFT_MODEL_TYPED_MAX), names, count);
    assert_int_equal(match.kind, WEFT_MODEL_MATCH_ONE);
    weft_model_match_find(&match, weft_slice(typed, WEFT_MODEL_TYPED_MAX + 1), names, count);
    assert_int_equal(match.kind, WEFT_MODEL_MATCH_NONE);
}

static void they_are_said(void **state)
{
    (void)state;
    static const struct {
        size_t count, more, size;
        const char *said;
    } rows[] = {{0, 0, 64, ""},
                {1, 0, 64, "one"},
                {2, 0, 64, "one or two"},
                {3, 0, 64, "one, two or three"},
                {2, 7, 64, "one, two and 7 more"},
                {3, 1, 12, "one, two, t"}};
    (void)read_names("one two three");
    for (size_t i = 0; i < WEFT_COUNT(rows); i++) {
        char text[64];
        match = (struct weft_model_match){.count = rows[i].count, .more = rows[i].more};
        weft_model_match_join(&match, names, " or ", text, rows[i].size);
        assert_string_equal(text, rows[i].said);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_is_meant),          cmocka_unit_test(the_better_fit_is_meant),
        cmocka_unit_test(several_fit_as_well),   cmocka_unit_test(another_one_was_meant),
        cmocka_unit_test(anything_may_be_typed), cmocka_unit_test(a_misspelt_name_gets_the_nearest),
        cmocka_unit_test(they_are_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
