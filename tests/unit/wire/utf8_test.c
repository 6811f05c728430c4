/* tests/unit/wire/utf8_test.c - what is UTF-8 and what only looks like it. */
#include "wire/utf8.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void test_every_code_point(void **state)
{
    (void)state;
    for (uint32_t point = 0; point <= 0x10FFFF; point++) {
        if (point >= 0xD800 && point <= 0xDFFF) {
            continue;
        }
        char text[4];
        size_t size = weft_utf8_encode(point, text);
        assert_int_equal(weft_utf8_step(weft_slice(text, size)), size);
        assert_int_equal(weft_utf8_step(weft_slice(text, size - 1)), 0);
    }
}

static void test_ill_formed(void **state)
{
    (void)state;
    static const char *const cases[] = {
        "\x80",             /* a tail alone */
        "\xC0\x80",         /* overlong NUL */
        "\xC1\xBF",         /* overlong, two bytes */
        "\xE0\x9F\xBF",     /* overlong, three */
        "\xF0\x8F\xBF\xBF", /* overlong, four */
        "\xED\xA0\x80",     /* a surrogate */
        "\xED\xBF\xBF",     /* the last one */
        "\xF4\x90\x80\x80", /* past U+10FFFF */
        "\xF5\x80\x80\x80",
        "\xFF",
        "\xE2\x82",     /* cut short */
        "\xE2\x28\xA1", /* no tail */
        "ok \xC3",      /* cut short behind good text */
    };
    for (size_t i = 0; i < WEFT_COUNT(cases); i++) {
        assert_false(weft_utf8_valid(weft_slice_text(cases[i])));
    }
    assert_true(weft_utf8_valid(weft_slice_text("a\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80")));
    assert_true(weft_utf8_valid(weft_slice(NULL, 0)));
}

static void test_plain(void **state)
{
    (void)state;
    static const char *const plain[] = {"", "Llama 3.2 \"3B\" ~", "\xC2\xA0", "\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80",
                                        "\xD8\x9B"};
    static const char *const others[] = {
        "\n",           "a\tb",         "\x1b[31m",
        "\x7f",         "\xC2\x80",     "\xC2\x9B", /* control characters */
        "\xE2\x80\xA8", "\xE2\x80\xA9",             /* ends of lines and paragraphs */
        "\xE2\x80\x8E", "\xE2\x80\x8F", "\xE2\x80\xAE",
        "\xE2\x81\xA6", "\xE2\x81\xA9", "\xD8\x9C", /* direction */
        "ok \xC3",      "\xFF",                     /* no UTF-8 */
    };
    for (size_t i = 0; i < WEFT_COUNT(plain); i++) {
        assert_true(weft_utf8_plain(weft_slice_text(plain[i])));
    }
    for (size_t i = 0; i < WEFT_COUNT(others); i++) {
        assert_false(weft_utf8_plain(weft_slice_text(others[i])));
    }
    assert_false(weft_utf8_plain(weft_slice("a\0b", 3)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_code_point),
        cmocka_unit_test(test_ill_formed),
        cmocka_unit_test(test_plain),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
