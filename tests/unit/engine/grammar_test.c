/* tests/unit/engine/grammar_test.c - beside libllama's own grammars, with a real vocabulary; and what wakes one. */
#include "engine/grammar.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>
#include <ggml-backend.h>
#include <llama.h>

#include "base/error.h"
#include "base/mem.h"
#include "base/random.h"

#define MODEL "models/SmolLM2-135M-Instruct-Q4_1.gguf"

static struct llama_model *model;
static const struct llama_vocab *vocab;
static int32_t vocabulary, *everything;
static bool *allowed;

static void quiet(enum ggml_log_level level, const char *text, void *self)
{
    (void)level, (void)text, (void)self;
}

static int set_up(void **state)
{
    (void)state;
    llama_log_set(quiet, NULL);
    ggml_backend_load_all_from_path(".llama/lib");
    struct llama_model_params params = llama_model_default_params();
    params.vocab_only = true;
    model = access(MODEL, R_OK) == 0 ? llama_model_load_from_file(MODEL, params) : NULL;
    if (!model) {
        print_message("SKIP: %s is missing or does not load: make setup\n", MODEL);
        return 0;
    }
    vocab = llama_model_get_vocab(model);
    vocabulary = llama_vocab_n_tokens(vocab);
    everything = malloc((size_t)vocabulary * sizeof(*everything));
    allowed = malloc((size_t)vocabulary);
    for (int32_t i = 0; i < vocabulary && everything; i++) {
        everything[i] = i;
    }
    return everything && allowed ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    free(everything);
    free(allowed);
    llama_model_free(model);
    return 0;
}

static struct weft_grammar *made(const char *text)
{
    struct weft_grammar *grammar;
    const struct weft_grammar_options options = {.vocab = vocab, .text = text};
    assert_int_equal(weft_grammar_new(&grammar, &options), 0);
    return grammar;
}

static int32_t token_of(const char *text)
{
    int32_t ids[8];
    assert_int_equal(llama_tokenize(vocab, text, (int32_t)strlen(text), ids, 8, false, true), 1);
    return ids[0];
}

static bool may(struct weft_grammar *grammar, const char *text)
{
    int32_t token = token_of(text);
    bool ok;
    assert_int_equal(weft_grammar_test(grammar, &token, 1, &ok), 0);
    return ok;
}

/* -- beside libllama -- */

static const char *const grammars[] = {
    "root ::= \"yes\" | \"no\" | \"maybe\"",
    "root ::= object\n"
    "value ::= object | array | string | number | (\"true\" | \"false\" | \"null\") ws\n"
    "object ::= \"{\" ws ( string \":\" ws value (\",\" ws string \":\" ws value)* )? \"}\" ws\n"
    "array ::= \"[\" ws ( value (\",\" ws value)* )? \"]\" ws\n"
    "string ::= \"\\\"\" ([^\"\\\\\\x7F\\x00-\\x1F] | \"\\\\\" ([\"\\\\bfnrt] | \"u\" [0-9a-fA-F]{4}))* \"\\\"\" ws\n"
    "number ::= (\"-\"? ([0-9] | [1-9] [0-9]{0,15})) (\".\" [0-9]+)? ([eE] [-+]? [1-9] [0-9]{0,15})? ws\n"
    "ws ::= | \" \" | \"\\n\" [ \\t]{0,20}\n",
    "root ::= (\"- \" [^\\r\\n\\x0b\\x0c\\x85\\u2028\\u2029]+ \"\\n\"){2,4} # a list",
    "root ::= word (\" \" word){1,} \".\"\nword ::= [a-z]+ | [A-Z] [a-z]* | [\\u4e00-\\u9fff]+ | [^\\x00-\\x7f]{1,3}\n",
    "root ::= a{0,3} b? .{2}\na ::= \"ab\" | \"a\"\nb ::= \"b\" | (\"ba\"+)\n",
    "root ::= \"a\" root \"b\" | \"a\" root \"c\" | \"\"",
};

/* Do both allow the same tokens now? How many they allow. */
static size_t compare(struct weft_grammar *grammar, struct llama_sampler *other, struct llama_token_data *data)
{
    size_t count = 0;
    assert_int_equal(weft_grammar_test(grammar, everything, (size_t)vocabulary, allowed), 0);
    for (int32_t i = 0; i < vocabulary; i++) {
        data[i] = (struct llama_token_data){.id = i, .logit = 1};
    }
    struct llama_token_data_array array = {.data = data, .size = (size_t)vocabulary, .selected = -1};
    llama_sampler_apply(other, &array);
    for (int32_t i = 0; i < vocabulary; i++) {
        char piece[64];
        int32_t size = llama_token_to_piece(vocab, i, piece, sizeof(piece), 0, true);
        bool theirs = !isinf(data[i].logit);
        if (theirs != (bool)allowed[i]) {
            fail_msg("token %d (%.*s): libllama says %d", i, size > 0 ? size : 0, piece, theirs);
        }
        count += allowed[i] ? 1 : 0;
    }
    return count;
}

static void test_like_libllama(void **state)
{
    (void)state;
    if (!model) {
        skip();
    }
    struct llama_token_data *data = malloc((size_t)vocabulary * sizeof(*data));
    assert_non_null(data);
    struct weft_random random;
    weft_random_init(&random, 20261121);
    size_t ended = 0, steps = 0;
    for (size_t round = 0; round < 6 * WEFT_COUNT(grammars); round++) {
        const char *text = grammars[round % WEFT_COUNT(grammars)];
        struct weft_grammar *grammar = made(text);
        struct llama_sampler *other = llama_sampler_init_grammar(vocab, text, "root");
        assert_non_null(other);
        for (int step = 0; step < 12; step++) {
            size_t count = compare(grammar, other, data), chosen;
            assert_true(count > 0);
            steps++;
            int32_t token = -1;
            chosen = (size_t)weft_random_below(&random, count);
            for (int32_t i = 0; i < vocabulary && token < 0; i++) {
                token = allowed[i] && chosen-- == 0 ? i : -1;
            }
            assert_int_equal(weft_grammar_accept(grammar, token), 0);
            llama_sampler_accept(other, token);
            if (llama_vocab_is_eog(vocab, token)) {
                ended++;
                break;
            }
        }
        llama_sampler_free(other);
        weft_grammar_free(grammar);
    }
    assert_true(ended > 5 && steps > 150);
    free(data);
}

/* -- the contract -- */

static void test_accept(void **state)
{
    (void)state;
    if (!model) {
        skip();
    }
    struct weft_grammar *grammar = made("root ::= \"hello\" \" world\"");
    int32_t end = llama_vocab_eos(vocab);
    assert_true(weft_grammar_awake(grammar));
    assert_true(may(grammar, "hello") && may(grammar, "he") && !may(grammar, " world") && !may(grammar, "hex"));
    assert_int_equal(weft_grammar_accept(grammar, token_of(" world")), WEFT_ERR_INVALID);
    assert_int_equal(weft_grammar_accept(grammar, end), WEFT_ERR_INVALID);
    assert_int_equal(weft_grammar_accept(grammar, token_of("hello")), 0); /* what was refused changed nothing */
    assert_true(may(grammar, " world") && !may(grammar, "hello"));
    assert_int_equal(weft_grammar_accept(grammar, token_of(" world")), 0);
    bool ok[2];
    assert_int_equal(weft_grammar_test(grammar, (const int32_t[]){end, token_of("!")}, 2, ok), 0);
    assert_true(ok[0] && !ok[1]);
    assert_int_equal(weft_grammar_accept(grammar, end), 0);
    weft_grammar_free(grammar);
    weft_grammar_free(NULL);
}

static void test_token_elements(void **state)
{
    (void)state;
    if (!model) {
        skip();
    }
    struct weft_grammar *grammar = made("root ::= <|im_start|> !<|im_start|>* \"!\" | \"<\" [|a-z_]+ \">\"");
    assert_true(may(grammar, "<|im_start|>") && may(grammar, "<") && !may(grammar, "!"));
    assert_int_equal(weft_grammar_accept(grammar, token_of("<|im_start|>")), 0);
    bool end;
    assert_int_equal(weft_grammar_test(grammar, (const int32_t[]){llama_vocab_eos(vocab)}, 1, &end), 0);
    assert_true(end); /* it was read as characters too, and ">" was the last of them */
    assert_true(may(grammar, "hello") && may(grammar, "!") && !may(grammar, "<|im_start|>"));
    weft_grammar_free(grammar);
    struct weft_grammar_options options = {.vocab = vocab, .text = "root ::= <hello world, this is no token>"};
    assert_int_equal(weft_grammar_new(&grammar, &options), WEFT_ERR_INVALID);
}

static void feed(struct weft_grammar *grammar, const char *text, int expected)
{
    int32_t ids[64];
    int32_t count = llama_tokenize(vocab, text, (int32_t)strlen(text), ids, 64, false, true);
    assert_true(count > 0);
    int error = 0;
    for (int32_t i = 0; i < count && error == 0; i++) {
        error = weft_grammar_accept(grammar, ids[i]);
    }
    assert_int_equal(error, expected);
}

static void test_lazy(void **state)
{
    (void)state;
    if (!model) {
        skip();
    }
    static const char *const patterns[] = {"<tool_call>", "\\{\"type\"\\:"};
    const int32_t tokens[] = {token_of("<|im_start|>")};
    const struct weft_grammar_options options = {
        .vocab = vocab,
        .text = "root ::= (\"<tool_call>\" | <|im_start|>) \"\\n\"? \"{\" [^}]* \"}\" | \"{\\\"type\\\":\" [0-9]+",
        .lazy = true,
        .trigger_patterns = patterns,
        .trigger_pattern_count = 2,
        .trigger_tokens = tokens,
        .trigger_token_count = 1};
    static const struct {
        const char *before, *wakes;
        int error;
        const char *then, *never;
    } cases[] = {
        {"Let me see.", " So: <tool_call>", 0, "{", "a"},
        {"a <tool_ call> is not", "<tool_call>\n{\"a", 0, "}", NULL},
        {"{\"typ", "e\":", 0, "7", "x"},
        {"x", "<|im_start|>", 0, "{", "a"},
        {"x", "<tool_call> no", WEFT_ERR_INVALID, NULL, NULL},
    };
    for (size_t i = 0; i < WEFT_COUNT(cases); i++) {
        struct weft_grammar *grammar;
        assert_int_equal(weft_grammar_new(&grammar, &options), 0);
        assert_false(weft_grammar_awake(grammar));
        for (int j = 0; j < 300; j++) { /* longer than all that it remembers */
            feed(grammar, "On and on it goes.", 0);
        }
        feed(grammar, cases[i].before, 0);
        assert_false(weft_grammar_awake(grammar));
        assert_true(may(grammar, "hello")); /* nothing is forbidden while it sleeps */
        feed(grammar, cases[i].wakes, cases[i].error);
        assert_true(weft_grammar_awake(grammar) || cases[i].error < 0);
        assert_true(!cases[i].then || may(grammar, cases[i].then));
        assert_true(!cases[i].never || !may(grammar, cases[i].never));
        weft_grammar_free(grammar);
    }
    static const char *const bad[] = {"a|b", "^x$", "[a]", "a\\", "\\d", "", "a*"};
    for (size_t i = 0; i < WEFT_COUNT(bad); i++) {
        struct weft_grammar_options wrong = options;
        struct weft_grammar *grammar;
        wrong.trigger_patterns = &bad[i];
        wrong.trigger_pattern_count = 1;
        assert_int_equal(weft_grammar_new(&grammar, &wrong), bad[i][0] ? WEFT_ERR_UNSUPPORTED : WEFT_ERR_INVALID);
        assert_null(grammar);
    }
}

/* Half characters: a token may come if what it begins can be ended. */
static void test_half_characters(void **state)
{
    (void)state;
    if (!model) {
        skip();
    }
    struct weft_grammar *grammar = made("root ::= [\\u00e9\\u20ac]{3}");
    for (int round = 0; round < 3; round++) {
        assert_int_equal(weft_grammar_test(grammar, everything, (size_t)vocabulary, allowed), 0);
        int32_t begin = -1;
        for (int32_t i = 0; i < vocabulary; i++) {
            char piece[64];
            int32_t size = llama_token_to_piece(vocab, i, piece, sizeof(piece), 0, true);
            begin = allowed[i] && size == 1 && (unsigned char)piece[0] == 0xC3 ? i : begin;
            assert_true(!allowed[i] || (unsigned char)piece[0] >= 0xC3);
        }
        assert_true(begin >= 0);
        assert_int_equal(weft_grammar_accept(grammar, begin), 0);
        assert_int_equal(weft_grammar_test(grammar, everything, (size_t)vocabulary, allowed), 0);
        int32_t rest = -1;
        for (int32_t i = 0; i < vocabulary; i++) {
            char piece[64];
            int32_t size = llama_token_to_piece(vocab, i, piece, sizeof(piece), 0, true);
            rest = allowed[i] && size == 1 ? i : rest;
            assert_true(!allowed[i] || (unsigned char)piece[0] == 0xA9);
        }
        assert_int_equal(weft_grammar_accept(grammar, rest), 0);
    }
    bool ok;
    assert_int_equal(weft_grammar_test(grammar, (const int32_t[]){llama_vocab_eos(vocab)}, 1, &ok), 0);
    assert_true(ok);
    weft_grammar_free(grammar);
}

static void test_torture(void **state)
{
    (void)state;
    if (!model) {
        skip();
    }
    static const char *const pattern = "<x>";
    int64_t live = weft_mem_live();
    bool done = false;
    for (uint64_t at = 1; !done; at++) {
        const struct weft_grammar_options options = {.vocab = vocab,
                                                     .text = grammars[1],
                                                     .lazy = at % 2 == 0,
                                                     .trigger_patterns = &pattern,
                                                     .trigger_pattern_count = 1};
        struct weft_grammar *grammar;
        weft_mem_fail_at(at);
        int error = weft_grammar_new(&grammar, &options);
        if (error == 0) {
            error = weft_grammar_test(grammar, everything, 2000, allowed);
        }
        error = error < 0 ? error : weft_grammar_accept(grammar, token_of("{"));
        done = !weft_mem_failed();
        weft_mem_fail_at(0);
        assert_int_equal(error, done ? 0 : WEFT_ERR_MEMORY);
        weft_grammar_free(grammar);
        assert_int_equal(weft_mem_live(), live);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_like_libllama),   cmocka_unit_test(test_accept),
        cmocka_unit_test(test_token_elements),  cmocka_unit_test(test_lazy),
        cmocka_unit_test(test_half_characters), cmocka_unit_test(test_torture),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
