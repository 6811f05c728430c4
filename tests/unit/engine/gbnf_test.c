/* tests/unit/engine/gbnf_test.c - texts that are grammars, texts that are not, and texts that are meant to hurt. */
#include "engine/gbnf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/error.h"
#include "base/mem.h"

#define TEXT_MAX ((size_t)1024 * 1024)

static int32_t find_token(void *self, struct weft_slice text)
{
    (void)self;
    return weft_slice_equal(text, WEFT_SLICE("<think>")) ? 77 : -1;
}

static const struct weft_gbnf_tokens tokens = {.find = find_token};

static int read(struct weft_slice text, size_t *elements)
{
    struct weft_gbnf gbnf;
    int64_t live = weft_mem_live();
    int error = weft_gbnf_init(&gbnf, text, &tokens);
    if (elements) {
        *elements = gbnf.element_count;
    }
    for (size_t i = 0; i < gbnf.rule_count; i++) {
        assert_true(gbnf.rules[i] < gbnf.element_count);
    }
    assert_true(error == 0 || (!gbnf.elements && !gbnf.rules && !gbnf.ranges));
    weft_gbnf_deinit(&gbnf);
    assert_int_equal(weft_mem_live(), live);
    return error;
}

/* Elements: two for the start, then those of each rule with its end. */
static void test_grammars(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t elements;
    } cases[] = {
        {"root ::= \"ab\"", 5},
        {"root ::= \"\"", 3},
        {"\n# what\nroot ::= \"a\" # why\n\n", 4},
        {"root::=a|\"b\"\r\na  ::=\n \"c\"", 8},
        {"a ::= \"x\"\nroot ::= a\n", 6},
        {"root ::= [a-z\\u00e9\\]\\-x-]", 4},
        {"root ::= [^\\x00-\\x1F\"]", 4},
        {"root ::= .", 4},
        {"root ::= (\n\"a\"\n|\n\"b\"\n)", 8},
        {"root ::= \"a\"?", 7},
        {"root ::= \"a\"*", 8},
        {"root ::= \"a\"+", 9},
        {"root ::= \"ab\"{2}", 7},
        {"root ::= \"a\"{2,}", 10},
        {"root ::= \"a\"{1,3}", 12},
        {"root ::= \"a\"{ 0 , 1 }", 7},
        {"root ::= \"a\"{0}", 3},
        {"root ::= <think> !<think> <[12]>", 6},
        {"root ::= \"\\x41\\u0042\\U0001F600\\t\\r\\n\\\\\\\"\\[\\]\"", 13},
        {"root ::= \"a\" root | \"b\"", 7},
        {"root ::= a root \"x\" | \"\"\na ::= \"y\"", 9},
    };
    for (size_t i = 0; i < WEFT_COUNT(cases); i++) {
        size_t elements = 0;
        assert_int_equal(read(weft_slice_text(cases[i].text), &elements), 0);
        assert_int_equal(elements, cases[i].elements);
    }
}

static void test_no_grammars(void **state)
{
    (void)state;
    static const char *const cases[] = {
        "",
        "root",
        "root ::",
        "::= \"a\"",
        "a ::= \"a\"",
        "root ::= b",
        "root ::= \"a",
        "root ::= [a",
        "root ::= []",
        "root ::= [^]",
        "root ::= (\"a\"",
        "root ::= \"a\")",
        "root ::= \"a\" }",
        "root ::= \"\\q\"",
        "root ::= \"\\x4\"",
        "root ::= \"\\uD80",
        "root ::= \"\\UFFFFFFFF\"",
        "root ::= \"\xC3\"",
        "root ::= *",
        "root ::= \"\"*",
        "root ::= \"a\"{",
        "root ::= \"a\"{}",
        "root ::= \"a\"{1",
        "root ::= \"a\"{1,2",
        "root ::= \"a\"{2,1}",
        "root ::= \"a\"{x}",
        "root ::= <nothing>",
        "root ::= <[x]>",
        "root ::= <[1]",
        "root ::= !\"a\"",
        "root ::= <a",
        "root ::= \"a\" = \"b\"",
        "root_x ::= \"a\"",
        /* left recursion: at once, through others, through what may be empty */
        "root ::= root",
        "root ::= root \"a\" | \"b\"",
        "root ::= a\na ::= b\nb ::= a \"x\" | \"y\"",
        "root ::= \"a\"? root",
        "root ::= a root \"x\"\na ::= b\nb ::= \"\" | \"z\"",
        "root ::= \"z\" a\na ::= (\"b\"*)* a",
        "root ::= (\"a\"*)*",
    };
    for (size_t i = 0; i < WEFT_COUNT(cases); i++) {
        if (read(weft_slice_text(cases[i]), NULL) != WEFT_ERR_INVALID) {
            fail_msg("it was read: %s", cases[i]);
        }
    }
    assert_int_equal(read(weft_slice("root ::= \"a\0b\"", 14), NULL), 0);
    assert_int_equal(read(weft_slice("root ::= \"a\"\0", 13), NULL), WEFT_ERR_INVALID);
}

/* Each is read or refused soon, and without a deep stack. */
static void test_hostile(void **state)
{
    (void)state;
    char *text = weft_alloc(TEXT_MAX);
    assert_non_null(text);
    memset(text, '(', TEXT_MAX); /* brackets in brackets */
    memcpy(text, "root ::= ", 9);
    assert_int_equal(read(weft_slice(text, TEXT_MAX), NULL), WEFT_ERR_TOO_LARGE);

    assert_int_equal(read(WEFT_SLICE("root ::= \"a\"{1,1000000000}"), NULL), WEFT_ERR_TOO_LARGE);
    assert_int_equal(read(WEFT_SLICE("root ::= \"a\"{99999999999999999999}"), NULL), WEFT_ERR_TOO_LARGE);
    assert_int_equal(read(WEFT_SLICE("root ::= (((\"a\"{900}){900}){900}){900}"), NULL), 0); /* each is one reference */
    assert_int_equal(read(WEFT_SLICE("root ::= \"a\"{900}{900}{900}"), NULL), WEFT_ERR_TOO_LARGE);
    assert_int_equal(read(WEFT_SLICE("root ::= \"a\"{0,100000}"), NULL), 0);
    assert_int_equal(read(WEFT_SLICE("root ::= \"a\"{0,200000}"), NULL), WEFT_ERR_TOO_LARGE);

    /* A long chain of rules, each the beginning of the one before it: a search for left recursion goes deep. */
    size_t size = (size_t)snprintf(text, TEXT_MAX, "root ::= r0\n");
    for (int i = 0; i < 40000; i++) {
        size += (size_t)snprintf(text + size, TEXT_MAX - size, "r%d ::= r%d|r%d\n", i, i + 1, i + 1);
    }
    size_t chain = size;
    size += (size_t)snprintf(text + size, TEXT_MAX - size, "r40000 ::= \"a\"\n");
    assert_int_equal(read(weft_slice(text, size), NULL), 0);
    size = chain + (size_t)snprintf(text + chain, TEXT_MAX - chain, "r40000 ::= r20000\n");
    assert_int_equal(read(weft_slice(text, size), NULL), WEFT_ERR_INVALID);
    size = chain + (size_t)snprintf(text + chain, TEXT_MAX - chain, "r40000 ::= \"\" | root\n");
    assert_int_equal(read(weft_slice(text, size), NULL), WEFT_ERR_INVALID);
    weft_free(text);
}

static void test_torture(void **state)
{
    (void)state;
    static const char text[] = "root ::= (\"a\" | [b-d] x){2,3} <think>*\nx ::= \"y\"? .\n";
    int64_t live = weft_mem_live();
    bool done = false;
    for (uint64_t at = 1; !done; at++) {
        struct weft_gbnf gbnf;
        weft_mem_fail_at(at);
        int error = weft_gbnf_init(&gbnf, weft_slice_text(text), &tokens);
        done = !weft_mem_failed();
        weft_mem_fail_at(0);
        assert_int_equal(error, done ? 0 : WEFT_ERR_MEMORY);
        weft_gbnf_deinit(&gbnf);
        assert_int_equal(weft_mem_live(), live);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_grammars),
        cmocka_unit_test(test_no_grammars),
        cmocka_unit_test(test_hostile),
        cmocka_unit_test(test_torture),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
