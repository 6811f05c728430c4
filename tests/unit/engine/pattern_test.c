/* tests/unit/engine/pattern_test.c - patterns as they are written anew, and those that are refused. */
#include "engine/pattern.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/error.h"

#define SAFE "[^\\x22\\x5C\\x00-\\x1F\\x7F]"
#define DOT  "[^\\x22\\x5C\\x00-\\x1F\\x7F\\u2028\\u2029]"

static void test_rewritten(void **state)
{
    (void)state;
    static const struct {
        const char *pattern, *result;
    } cases[] = {
        {"^abc$", "^([a][b][c])$"},
        {"^a.c$", "^([a]" DOT "[c])$"},
        {"b", "^(" SAFE "*[b]" SAFE "*)$"},
        {"^b", "^([b]" SAFE "*)$"},
        {"b$", "^(" SAFE "*[b])$"},
        {"^a$|^b$", "^([a]|[b])$"},
        {"^(a|b)+$", "^(([a]|[b])+)$"},
        {"^(?:ab){2,3}$", "^(([a][b]){2,3})$"},
        {"^a{2}b{3,}c*?$", "^([a]{2,2}[b]{3,}[c]*)$"},
        {"^a{1,9999}$", "^([a]{1,256})$"},
        {"^\\d{4}-\\d\\d$", "^([0-9]{4,4}[\\x2D][0-9][0-9])$"},
        {"^\\w\\.$", "^([0-9A-Z\\x5Fa-z][\\x2E])$"},
        {"^\\u00e9\xC3\xA9?$", "^([\xC3\xA9][\xC3\xA9]?)$"},
        {"^[a-f0-9_-]$", "^([a-f0-9\\x5F\\x2D])$"},
        {"^[ -~]$", "^([\\x20-\\x21\\x23-\\x5B\\x5D-\\x7E])$"}, /* not the quotation mark, not the backslash */
        {"^[\"a]$", "^([a])$"},
        {"^[^\"a]$", "^([^\\x22\\x5C\\x00-\\x1F\\x7F\\x22a])$"},
        {"^[\\d.]$", "^([0-9\\x2E])$"},
        {"^]}$", "^([\\x5D][\\x7D])$"},
        {"^[[]$", "^([\\x5B])$"},
        {"^\xF0\x9F\x98\x80$", "^([\xF0\x9F\x98\x80])$"},
    };
    static char out[WEFT_PATTERN_RESULT_MAX], again[WEFT_PATTERN_RESULT_MAX];
    for (size_t i = 0; i < WEFT_COUNT(cases); i++) {
        assert_int_equal(weft_pattern_rewrite(weft_slice_text(cases[i].pattern), out), 0);
        assert_string_equal(out, cases[i].result);
        if (weft_pattern_rewrite(weft_slice_text(out), again) != 0) { /* a $ref may lead to it twice */
            fail_msg("%s is not taken again", out);
        }
    }
}

static void test_refused(void **state)
{
    (void)state;
    static const struct {
        const char *pattern;
        int error;
    } cases[] = {
        {"", WEFT_ERR_UNSUPPORTED},
        {"^(?=a)$", WEFT_ERR_UNSUPPORTED},
        {"^(?<name>a)$", WEFT_ERR_UNSUPPORTED},
        {"^(a)\\1$", WEFT_ERR_UNSUPPORTED},
        {"\\bword\\b", WEFT_ERR_UNSUPPORTED},
        {"^\\p{L}$", WEFT_ERR_UNSUPPORTED},
        {"^a^b$", WEFT_ERR_UNSUPPORTED},
        {"^(^a)$", WEFT_ERR_UNSUPPORTED},
        {"^\"$", WEFT_ERR_UNSUPPORTED},
        {"^\\n$", WEFT_ERR_UNSUPPORTED},
        {"^\\\\$", WEFT_ERR_UNSUPPORTED},
        {"^\\ud83d$", WEFT_ERR_UNSUPPORTED},
        {"^a{0}$", WEFT_ERR_UNSUPPORTED},
        {"^a{257}$", WEFT_ERR_TOO_LARGE},
        {"^a{3,2}$", WEFT_ERR_INVALID},
        {"^a{$", WEFT_ERR_INVALID},
        {"^a++$", WEFT_ERR_INVALID},
        {"*", WEFT_ERR_INVALID},
        {"^(a$", WEFT_ERR_UNSUPPORTED}, /* an anchor within a group, before the group is missed */
        {"^(a", WEFT_ERR_INVALID},
        {"^a)$", WEFT_ERR_INVALID},
        {"^[a$", WEFT_ERR_INVALID},
        {"^[]$", WEFT_ERR_INVALID},
        {"^[z-a]$", WEFT_ERR_INVALID},
        {"a\\", WEFT_ERR_INVALID},
        {"^\\x4$", WEFT_ERR_INVALID},
        {"^\xFF$", WEFT_ERR_INVALID},
    };
    static char out[WEFT_PATTERN_RESULT_MAX];
    for (size_t i = 0; i < WEFT_COUNT(cases); i++) {
        int error = weft_pattern_rewrite(weft_slice_text(cases[i].pattern), out);
        if (error != cases[i].error) {
            fail_msg("%s gave %d", cases[i].pattern, error);
        }
    }
}

static void test_bounds(void **state)
{
    (void)state;
    static char out[WEFT_PATTERN_RESULT_MAX], pattern[WEFT_PATTERN_MAX + 2];
    memset(pattern, 'a', sizeof(pattern));
    assert_int_equal(weft_pattern_rewrite(weft_slice(pattern, WEFT_PATTERN_MAX), out), 0);
    assert_int_equal(weft_pattern_rewrite(weft_slice(pattern, WEFT_PATTERN_MAX + 1), out), WEFT_ERR_TOO_LARGE);
    memset(pattern, '.', sizeof(pattern)); /* 34 bytes each */
    assert_int_equal(weft_pattern_rewrite(weft_slice(pattern, WEFT_PATTERN_MAX), out), WEFT_ERR_TOO_LARGE);
    memset(pattern, '(', sizeof(pattern));
    assert_int_equal(weft_pattern_rewrite(weft_slice(pattern, WEFT_PATTERN_MAX), out), WEFT_ERR_TOO_LARGE);
    char members[] = "^[0]$"; /* 63 more members fit, 64 do not */
    size_t size = (size_t)snprintf(pattern, sizeof(pattern), "^[");
    for (int i = 0; i < 65; i++) {
        size += (size_t)snprintf(pattern + size, sizeof(pattern) - size, "%c", 'A' + i % 26);
    }
    snprintf(pattern + size, sizeof(pattern) - size, "%s", members + 3);
    assert_int_equal(weft_pattern_rewrite(weft_slice_text(pattern), out), WEFT_ERR_TOO_LARGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rewritten),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_bounds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
