/* tests/unit/wire/peek_test.c - what the peek finds, and what it does not let through. */
#include "wire/peek.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/error.h"

/* From a copy of the exact size, so that a sanitizer sees a read past it. */
static int peek(const char *text, size_t size, struct weft_peek *wanted, size_t count, char **copy)
{
    *copy = test_malloc(size == 0 ? 1 : size);
    memcpy(*copy, text, size);
    return weft_peek(weft_slice(*copy, size), wanted, count);
}

static void test_finds(void **state)
{
    (void)state;
    static const char text[] =
        " {\"x\":{\"model\":1,\"model\":2}, \"model\" : \"a\\u00e9\\n\\ud83d\\ude00\" ,\"stream\":"
        "true,\"n\":[{\"stream\":false}],\"t\":-1.5e+3,\"z\":null}\r\n";
    struct weft_peek wanted[] = {{.key = "stream"}, {.key = "model"}, {.key = "n"}, {.key = "t"},
                                 {.key = "z"},      {.key = "x"},     {.key = "y"}};
    char *copy;
    assert_int_equal(peek(text, sizeof(text) - 1, wanted, WEFT_COUNT(wanted), &copy), 0);
    static const enum weft_peek_kind kinds[] = {WEFT_PEEK_TRUE, WEFT_PEEK_STRING, WEFT_PEEK_ARRAY, WEFT_PEEK_NUMBER,
                                                WEFT_PEEK_NULL, WEFT_PEEK_OBJECT, WEFT_PEEK_ABSENT};
    static const char *const raws[] = {
        "true", "\"a\\u00e9\\n\\ud83d\\ude00\"", "[{\"stream\":false}]", "-1.5e+3", "null", "{\"model\":1,\"model\":2}",
        ""};
    for (size_t i = 0; i < WEFT_COUNT(wanted); i++) {
        assert_int_equal(wanted[i].kind, kinds[i]);
        assert_true(weft_slice_equal(wanted[i].raw, weft_slice_text(raws[i])));
    }
    char model[8];
    static const char decoded[] = "a\xC3\xA9\n\xF0\x9F\x98\x80";
    assert_int_equal(weft_peek_string(&wanted[1], model, sizeof(model)), sizeof(decoded) - 1);
    assert_memory_equal(model, decoded, sizeof(decoded) - 1);
    assert_int_equal(weft_peek_string(&wanted[1], model, sizeof(model) - 1), WEFT_ERR_TOO_LARGE);
    assert_int_equal(weft_peek_string(&wanted[0], model, sizeof(model)), WEFT_ERR_INVALID);
    assert_int_equal(weft_peek_string(&wanted[6], model, sizeof(model)), WEFT_ERR_INVALID);
    test_free(copy);
}

static void test_keys_are_compared_decoded(void **state)
{
    (void)state;
    struct weft_peek wanted[] = {{.key = "model"}};
    char *copy;
    static const char once[] = "{\"mod\\u0065l\":\"a\"}";
    assert_int_equal(peek(once, sizeof(once) - 1, wanted, 1, &copy), 0);
    assert_int_equal(wanted[0].kind, WEFT_PEEK_STRING);
    test_free(copy);
    static const char twice[] = "{\"mod\\u0065l\":\"a\",\"model\":\"b\"}";
    assert_int_equal(peek(twice, sizeof(twice) - 1, wanted, 1, &copy), WEFT_ERR_INVALID);
    test_free(copy);
    static const char others[] = "{\"other\":1,\"other\":2,\"model\\u0000\":1,\"model\":\"\"}";
    assert_int_equal(peek(others, sizeof(others) - 1, wanted, 1, &copy), 0);
    char text[1];
    assert_int_equal(weft_peek_string(&wanted[0], text, 0), 0);
    test_free(copy);
}

static const char *const good_texts[] = {
    "{}",
    "{ }",
    "{\"\":0}",
    "{\"a\":-0}",
    "{\"a\":0.0}",
    "{\"a\":1E5}",
    "{\"a\":1e-05}",
    "{\"a\":[ ]}",
    "{\"a\":[1 , 2]}",
    "{\"a\":\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\uABcd\"}",
    "{\"a\":\"\x7f\"}",
};

static const char *const bad_texts[] = {
    "",
    " ",
    "[]",
    "1",
    "\"a\"",
    "null",
    "{",
    "}",
    "{\"a\"}",
    "{\"a\":}",
    "{\"a\":1,}",
    "{,}",
    "{\"a\":1 \"b\":2}",
    "{a:1}",
    "{'a':1}",
    "{\"a\":01}",
    "{\"a\":-}",
    "{\"a\":1.}",
    "{\"a\":.5}",
    "{\"a\":1e}",
    "{\"a\":1e+}",
    "{\"a\":+1}",
    "{\"a\":nul}",
    "{\"a\":nulll}",
    "{\"a\":True}",
    "{\"a\":NaN}",
    "{\"a\":tru",
    "{\"a\":\"",
    "{\"a\":\"\\",
    "{\"a\":\"\\u12",
    "{\"a\":\"\\x\"}",
    "{\"a\":\"\\u12g4\"}",
    "{\"a\":\"\\ud800\"}",
    "{\"a\":\"\\ud800\\u0041\"}",
    "{\"a\":\"\\udc00\"}",
    "{\"a\":\"\n\"}",
    "{\"a\":\"\xC0\x80\"}",
    "{\"a\":\"\xE2\x82",
    "{\"a\":[1,]}",
    "{\"a\":[1",
    "{\"a\":[1}",
    "{\"a\":{\"b\":1]}",
    "{}{}",
    "{} x",
    "\xEF\xBB\xBF{}",
    "{\"a\":1}\f",
    "{\"a\":/**/1}",
};

static void test_grammar(void **state)
{
    (void)state;
    char *copy;
    for (size_t i = 0; i < WEFT_COUNT(good_texts); i++) {
        assert_int_equal(peek(good_texts[i], strlen(good_texts[i]), NULL, 0, &copy), 0);
        test_free(copy);
    }
    for (size_t i = 0; i < WEFT_COUNT(bad_texts); i++) {
        assert_int_equal(peek(bad_texts[i], strlen(bad_texts[i]), NULL, 0, &copy), WEFT_ERR_INVALID);
        test_free(copy);
    }
    /* A NUL ends nothing. */
    assert_int_equal(peek("{}\0", 3, NULL, 0, &copy), WEFT_ERR_INVALID);
    test_free(copy);
    assert_int_equal(peek("{\"a\":\"\\\0\"}", 10, NULL, 0, &copy), WEFT_ERR_INVALID);
    test_free(copy);
}

static void test_every_cut_is_refused(void **state)
{
    (void)state;
    static const char text[] = "{\"a\":[1.5e3,{\"b\":\"\\u00e9\xC3\xA9\"}],\"model\":\"x\",\"c\":false}";
    for (size_t size = 0; size < sizeof(text) - 1; size++) {
        char *copy;
        assert_int_equal(peek(text, size, NULL, 0, &copy), WEFT_ERR_INVALID);
        test_free(copy);
    }
}

/* Each byte at each place of a long string: strings are read eight bytes at once. */
static void test_every_byte_in_a_string(void **state)
{
    (void)state;
    for (int byte = 0; byte < 256; byte++) {
        for (size_t place = 0; place < 24; place++) {
            char text[] = "{\"a\":\"................................\"}";
            text[6 + place] = (char)byte;
            bool plain = byte >= 0x20 && byte < 0x80 && byte != '"' && byte != '\\'; /* `\.` is no escape */
            struct weft_peek wanted[] = {{.key = "a"}};
            char *copy, decoded[32];
            int status = peek(text, sizeof(text) - 1, wanted, 1, &copy);
            assert_int_equal(status, plain ? 0 : WEFT_ERR_INVALID);
            if (plain) {
                assert_int_equal(weft_peek_string(&wanted[0], decoded, sizeof(decoded)), sizeof(decoded));
                assert_memory_equal(decoded, text + 6, sizeof(decoded));
                assert_int_equal(weft_peek_string(&wanted[0], decoded, sizeof(decoded) - 1), WEFT_ERR_TOO_LARGE);
            }
            test_free(copy);
        }
    }
}

static void test_depth(void **state)
{
    (void)state;
    for (int extra = 0; extra <= 1; extra++) {
        char text[4096];
        size_t used = 0;
        int depth = WEFT_PEEK_DEPTH_MAX + extra;
        for (int i = 0; i < depth - 1; i++) {
            memcpy(text + used, "{\"a\":", 5);
            used += 5;
        }
        text[used++] = extra == 0 ? '[' : '{';
        text[used++] = extra == 0 ? ']' : '}';
        memset(text + used, '}', (size_t)depth - 1);
        used += (size_t)depth - 1;
        char *copy;
        assert_int_equal(peek(text, used, NULL, 0, &copy), extra == 0 ? 0 : WEFT_ERR_TOO_LARGE);
        test_free(copy);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_finds),
        cmocka_unit_test(test_keys_are_compared_decoded),
        cmocka_unit_test(test_grammar),
        cmocka_unit_test(test_every_cut_is_refused),
        cmocka_unit_test(test_every_byte_in_a_string),
        cmocka_unit_test(test_depth),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
