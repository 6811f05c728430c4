/* tests/unit/wire/hostport_test.c - where a node can be reached, and what is no such place. */
#include "wire/hostport.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "base/error.h"

static void test_accepts(void **state)
{
    (void)state;
    static const struct {
        const char *text, *host;
        bool v6;
        uint16_t port;
    } cases[] = {
        {"gateway.example.org:4433", "gateway.example.org", false, 4433},
        {"127.0.0.1:1", "127.0.0.1", false, 1},
        {"[2001:db8::1]:65535", "2001:db8::1", true, 65535},
        {"[1111:2222:3333:4444:5555:6666:7777:8888]:65535", "1111:2222:3333:4444:5555:6666:7777:8888", true, 65535},
    };
    for (size_t i = 0; i < WEFT_COUNT(cases); i++) {
        struct weft_hostport place;
        assert_int_equal(weft_hostport_parse(weft_slice_text(cases[i].text), &place), 0);
        assert_true(weft_slice_equal(place.host, weft_slice_text(cases[i].host)));
        assert_int_equal(place.numeric_v6, cases[i].v6);
        assert_int_equal(place.port, cases[i].port);
    }
}

static void test_refuses(void **state)
{
    (void)state;
    static const char *const cases[] = {
        "",           ":",           ":80",         "host",      "host:",       "host:0",      "host:65536",
        "host:8o",    "host: 80",    "ho st:80",    "::1:80",    "[::1]",       "[::1]:",      "[::1]80",
        "[]:80",      "[host]:80",   "[1.2.3.4]:1", "host:80\n", "https://h:1", "user@host:1", "host/path:1",
        "h\033[1m:8", "\xc3\xa4h:8", "[::1:80",     "::1]:80",
    };
    struct weft_hostport place;
    for (size_t i = 0; i < WEFT_COUNT(cases); i++) {
        assert_int_equal(weft_hostport_parse(weft_slice_text(cases[i]), &place), WEFT_ERR_INVALID);
    }
    assert_int_equal(weft_hostport_parse(weft_slice("h\0:80", 5), &place), WEFT_ERR_INVALID);
    assert_int_equal(weft_hostport_parse(weft_slice("[::\0]:80", 8), &place), WEFT_ERR_INVALID);
}

static void test_bounded(void **state)
{
    (void)state;
    char text[WEFT_HOSTPORT_MAX + 1];
    struct weft_hostport place;
    memset(text, 'h', sizeof(text));
    text[50] = '.'; /* a label has at most 63 */
    memcpy(text + WEFT_HOSTPORT_MAX - 3, ":80", 3);
    assert_int_equal(weft_hostport_parse(weft_slice(text, WEFT_HOSTPORT_MAX), &place), 0);
    memcpy(text + WEFT_HOSTPORT_MAX - 2, ":80", 3);
    assert_int_equal(weft_hostport_parse(weft_slice(text, WEFT_HOSTPORT_MAX + 1), &place), WEFT_ERR_TOO_LARGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_accepts),
        cmocka_unit_test(test_refuses),
        cmocka_unit_test(test_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
