/* tests/unit/http/target_test.c - which targets and authorities pass, and how the others are answered. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/error.h"
#include "http/limits.h"
#include "http/target.h"

struct target_case {
    const char *method, *target;
    int status; /* 0: passes */
};

static const struct target_case cases[] = {
    {"GET", "/", 0},
    {"GET", "/v1/models", 0},
    {"POST", "/v1/chat/completions?stream=1&x=%20%7E", 0},
    {"GET", "/v1/models/org%2Fname", 0},
    {"GET", "/a//b/./c/...", 0},
    {"GET", "//host/path", 0},
    {"GET", "/a..b/..c/d../x", 0},
    {"GET", "/v1/a;b=../..;c", 400},
    {"GET", "/v1/a;b/c;d..", 0},
    {"GET", "/?../..", 0},
    {"GET", "/x?a=/../b", 0},
    {"GET", "/%e2%82%ac/%f0%9f%98%80", 0},
    {"GET", "/%25", 0},
    {"GET", "/%2525", 0},
    {"PROPFIND", "/dav", 0},
    {"OPTIONS", "*", 0},
    {"OPTIONS", "/v1", 0},
    {"GET", "*", 400},
    {"GET", "", 400},
    {"GET", "v1/models", 400},
    {"GET", "http://host/", 400},
    {"GET", "host:443", 400},
    {"GET", "/a b", 400},
    {"GET", "/a\tb", 400},
    {"GET", "/a\x01", 400},
    {"GET", "/a\x7f", 400},
    {"GET", "/caf\xc3\xa9", 400},
    {"GET", "/a#b", 400},
    {"GET", "/a?b#c", 400},
    {"GET", "/%", 400},
    {"GET", "/%4", 400},
    {"GET", "/%zz", 400},
    {"GET", "/?q=100%", 400},
    {"GET", "/%00", 400},
    {"GET", "/?a=%00", 400},
    {"GET", "/%2500", 400},
    {"GET", "/..", 400},
    {"GET", "/../etc/passwd", 400},
    {"GET", "/a/../b", 400},
    {"GET", "/a/..?b", 400},
    {"GET", "/%2e%2E/x", 400},
    {"GET", "/.%2e/x", 400},
    {"GET", "/a%2f..%2Fb", 400},
    {"GET", "/a\\..\\b", 400},
    {"GET", "/a%5c..%5Cb", 400},
    {"GET", "/%252e%252e/x", 400},
    {"GET", "/v1/..;/x", 400},
    {"GET", "/v1/..;a=b/x", 400},
    {"GET", "/v1/x;/..", 400},
    {"GET", "/v1/%2e%2e%3b/x", 400},
    {"GET", "/%25252e%25252E%25252fx", 400},
    {"GET", "/%c0%ae%c0%ae/x", 400},
    {"GET", "/%e0%80%ae/x", 400},
    {"GET", "/%f0%80%80%ae/x", 400},
    {"CONNECT", "host:443", 501},
    {"CONNECT", "", 501},
    {"", "/", 400},
    {"G ET", "/", 400},
    {"G\x80T", "/", 400},
};

static void test_targets(void **state)
{
    (void)state;
    for (size_t i = 0; i < WEFT_COUNT(cases); i++) {
        struct weft_refusal refusal = {0};
        int error = weft_target_check(weft_slice_text(cases[i].method), weft_slice_text(cases[i].target), &refusal);
        if (error != (cases[i].status ? WEFT_ERR_INVALID : 0) || refusal.status != cases[i].status) {
            fail_msg("%s %s: %d", cases[i].method, cases[i].target, refusal.status);
        }
        assert_true(!error || (refusal.code && refusal.why));
    }
}

static void test_a_byte_of_zero_in_either(void **state)
{
    (void)state;
    struct weft_refusal refusal;
    assert_int_equal(weft_target_check(WEFT_SLICE("GET"), weft_slice("/a\0b", 4), &refusal), WEFT_ERR_INVALID);
    assert_int_equal(refusal.status, 400);
    assert_int_equal(weft_target_check(weft_slice("GE\0", 3), WEFT_SLICE("/"), &refusal), WEFT_ERR_INVALID);
    assert_int_equal(refusal.status, 400);
    assert_false(weft_authority_valid(weft_slice("a\0b", 3)));
}

static void test_the_length_limit(void **state)
{
    (void)state;
    static char target[WEFT_HTTP_TARGET_MAX + 1];
    struct weft_refusal refusal;
    memset(target, 'a', sizeof(target));
    target[0] = '/';
    assert_int_equal(weft_target_check(WEFT_SLICE("GET"), weft_slice(target, sizeof(target) - 1), &refusal), 0);
    assert_int_equal(weft_target_check(WEFT_SLICE("GET"), weft_slice(target, sizeof(target)), &refusal),
                     WEFT_ERR_INVALID);
    assert_int_equal(refusal.status, 414);
}

static void test_authorities(void **state)
{
    (void)state;
    static const char *const good[] = {"localhost",  "example.com", "example.com:8080", "127.0.0.1:1",
                                       "[::1]",      "[::1]:9338",  "a_b-c.d~.x",       "EXAMPLE.com",
                                       "host:65535", "host:0",      "[::1.2.3.4]"};
    static const char *const bad[] = {
        "",        "a b",  "a@b",         "user:pw@host", "host:", "host:65536", "host:123456",
        "host:8a", "a,b",  "a/b",         "[::1",         "[]",    "[::1]x",     "[fe80::1%eth0]",
        "::1",     "a%41", "caf\xc3\xa9", ":80",          "a?b",   "a#b",        "a\\b"};
    for (size_t i = 0; i < WEFT_COUNT(good); i++) {
        if (!weft_authority_valid(weft_slice_text(good[i]))) {
            fail_msg("refused: %s", good[i]);
        }
    }
    for (size_t i = 0; i < WEFT_COUNT(bad); i++) {
        if (weft_authority_valid(weft_slice_text(bad[i]))) {
            fail_msg("accepted: %s", bad[i]);
        }
    }

    static char name[WEFT_HTTP_AUTHORITY_MAX + 1];
    memset(name, 'a', sizeof(name));
    assert_true(weft_authority_valid(weft_slice(name, sizeof(name) - 1)));
    assert_false(weft_authority_valid(weft_slice(name, sizeof(name))));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_targets),
        cmocka_unit_test(test_a_byte_of_zero_in_either),
        cmocka_unit_test(test_the_length_limit),
        cmocka_unit_test(test_authorities),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
