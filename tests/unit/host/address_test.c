/* tests/unit/host/address_test.c - addresses as text, and what they reach. */
#include "host/address.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "base/error.h"

static void test_parse_and_print(void **state)
{
    (void)state;
    static const struct {
        const char *text, *printed;
        uint16_t port;
        bool loopback;
    } cases[] = {
        {"127.0.0.1:80", "127.0.0.1:80", 80, true},
        {"127.255.0.9:0", "127.255.0.9:0", 0, true},
        {"0.0.0.0:9338", "0.0.0.0:9338", 9338, false},
        {"128.0.0.1:1", "128.0.0.1:1", 1, false},
        {"[::1]:65535", "[::1]:65535", 65535, true},
        {"[0:0:0:0:0:0:0:1]:1", "[::1]:1", 1, true},
        {"[::]:80", "[::]:80", 80, false},
        {"[::ffff:127.0.0.1]:80", "[::ffff:127.0.0.1]:80", 80, true},
        {"[::ffff:10.0.0.1]:80", "[::ffff:10.0.0.1]:80", 80, false},
        {"[2001:DB8::0:1]:443", "[2001:db8::1]:443", 443, false},
        {"[::2]:1", "[::2]:1", 1, false},
        {"[::7f00:1]:1", "[::127.0.0.1]:1", 1, false}, /* IPv4-compatible, long gone: not our loopback */
    };
    for (size_t i = 0; i < WEFT_COUNT(cases); i++) {
        struct weft_address address;
        assert_int_equal(weft_address_parse(weft_slice_text(cases[i].text), &address), 0);
        assert_int_equal(address.kind, WEFT_ADDRESS_TCP);
        assert_int_equal(address.port, cases[i].port);
        char printed[WEFT_ADDRESS_PRINT_MAX];
        assert_string_equal(weft_address_print(&address, printed), cases[i].printed);
        assert_int_equal(weft_address_is_loopback(&address), cases[i].loopback);
    }
}

static void test_refuses(void **state)
{
    (void)state;
    static const char *const cases[] = {
        "",
        ":",
        ":80",
        "127.0.0.1",
        "127.0.0.1:",
        "127.0.0.1:65536",
        "127.0.0.1:-1",
        "127.0.0.1:+1",
        "127.0.0.1: 80",
        "127.0.0.1:80 ",
        " 127.0.0.1:80",
        "127.0.1:80",
        "127.0.0.256:80",
        "127.0.0.01:80",
        "localhost:80",
        "::1:80",
        "::1",
        "[::1]",
        "[::1]:",
        "[::1:80",
        "::1]:80",
        "[]:80",
        "[127.0.0.1]:80",
        "[::1%lo]:80",
        "[::1]x:80",
        "[[::1]]:80",
        "]:80",
        "[:80",
        "127.0.0.1:000080",
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa:80",
    };
    struct weft_address address;
    for (size_t i = 0; i < WEFT_COUNT(cases); i++) {
        assert_int_equal(weft_address_parse(weft_slice_text(cases[i]), &address), WEFT_ERR_INVALID);
    }
    assert_int_equal(weft_address_parse(WEFT_SLICE("127.0.0.1\0:80"), &address), WEFT_ERR_INVALID);
}

static void test_unix(void **state)
{
    (void)state;
    struct weft_address address;
    char path[WEFT_ADDRESS_TEXT_MAX];
    memset(path, 'p', sizeof(path));
    assert_int_equal(weft_address_unix(weft_slice(path, sizeof(path) - 1), &address), 0);
    assert_int_equal(address.kind, WEFT_ADDRESS_UNIX);
    assert_int_equal(strlen(address.text), sizeof(path) - 1);
    assert_true(weft_address_is_loopback(&address));
    char printed[WEFT_ADDRESS_PRINT_MAX];
    assert_string_equal(weft_address_print(&address, printed), address.text);
    assert_int_equal(weft_address_unix(weft_slice(path, sizeof(path)), &address), WEFT_ERR_TOO_LARGE);
    assert_int_equal(weft_address_unix(WEFT_SLICE(""), &address), WEFT_ERR_INVALID);
    assert_int_equal(weft_address_unix(WEFT_SLICE("a\0b"), &address), WEFT_ERR_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parse_and_print),
        cmocka_unit_test(test_refuses),
        cmocka_unit_test(test_unix),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
