/* tests/unit/wire/url_test.c - upstream URLs that are taken, and why others are not. */
#include "wire/url.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "base/error.h"

static void test_accepts(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum weft_url_scheme scheme;
        const char *host;
        bool v6;
        uint16_t port;
        const char *path;
    } cases[] = {
        {"http://localhost", WEFT_URL_HTTP, "localhost", false, 80, ""},
        {"http://localhost/", WEFT_URL_HTTP, "localhost", false, 80, ""},
        {"HTTP://127.0.0.1:8080/api/v2/", WEFT_URL_HTTP, "127.0.0.1", false, 8080, "/api/v2"},
        {"https://a-b.example.org", WEFT_URL_HTTPS, "a-b.example.org", false, 443, ""},
        {"https://[::1]", WEFT_URL_HTTPS, "::1", true, 443, ""},
        {"h2c://[2001:db8::1]:9000/x%2Fy", WEFT_URL_H2C, "2001:db8::1", true, 9000, "/x%2Fy"},
        {"h2c://my_service:65535", WEFT_URL_H2C, "my_service", false, 65535, ""},
        {"unix:/run/weft.sock", WEFT_URL_UNIX, "", false, 0, "/run/weft.sock"},
        {"unix:relative path", WEFT_URL_UNIX, "", false, 0, "relative path"},
    };
    for (size_t i = 0; i < WEFT_COUNT(cases); i++) {
        struct weft_url url;
        const char *why = NULL;
        assert_int_equal(weft_url_parse(weft_slice_text(cases[i].text), &url, &why), 0);
        assert_null(why);
        assert_int_equal(url.scheme, cases[i].scheme);
        assert_true(weft_slice_equal(url.host, weft_slice_text(cases[i].host)));
        assert_int_equal(url.numeric_v6, cases[i].v6);
        assert_int_equal(url.port, cases[i].port);
        assert_true(weft_slice_equal(url.path, weft_slice_text(cases[i].path)));
    }
}

static void test_refuses(void **state)
{
    (void)state;
    static const struct {
        const char *text, *why;
    } cases[] = {
        {"", "begins with none"},
        {"localhost:80", "begins with none"},
        {"ftp://host", "begins with none"},
        {"http:/host", "begins with none"},
        {"http://", "neither a name"},
        {"http:///path", "neither a name"},
        {"http://:80", "neither a name"},
        {"http://a..b", "neither a name"},
        {"http://-a", "neither a name"},
        {"http://a-.b", "neither a name"},
        {"http://a b", "neither a name"},
        {"http://host:", "port"},
        {"http://host:0", "port"},
        {"http://host:65536", "port"},
        {"http://host:000080", "port"},
        {"http://host:8o", "port"},
        {"http://host:+80", "port"},
        {"http://1:2:3", "port"},
        {"http://[::1", "not closed"},
        {"http://[::1]80", "only a port"},
        {"http://[]", "no IPv6"},
        {"http://[127.0.0.1]", "no IPv6"},
        {"http://[fe80::1%25eth0]", "no IPv6"},
        {"http://user@host", "user"},
        {"http://user:pass@host/", "user"},
        {"http://host?q", "query"},
        {"http://host/#f", "query"},
        {"http://host/a/../b", "`.` or `..`"},
        {"http://host/.", "`.` or `..`"},
        {"http://host//a", "empty segment"},
        {"http://host//", "empty segment"},
        {"http://host/a b", "character"},
        {"http://host/\xC3\xA9", "character"},
        {"http://host/a\\b", "character"},
        {"http://host/%2", "hex"},
        {"http://host/%zz", "hex"},
        {"unix:", "path"},
    };
    for (size_t i = 0; i < WEFT_COUNT(cases); i++) {
        struct weft_url url;
        const char *why = NULL;
        assert_int_equal(weft_url_parse(weft_slice_text(cases[i].text), &url, &why), WEFT_ERR_INVALID);
        assert_non_null(why);
        assert_non_null(strstr(why, cases[i].why));
    }
    struct weft_url url;
    assert_int_equal(weft_url_parse(WEFT_SLICE("http://host\0/a"), &url, NULL), WEFT_ERR_INVALID);
    assert_int_equal(weft_url_parse(WEFT_SLICE("http://host/\0a"), &url, NULL), WEFT_ERR_INVALID);
    assert_int_equal(weft_url_parse(WEFT_SLICE("unix:a\0b"), &url, NULL), WEFT_ERR_INVALID);
}

static void test_bounds(void **state)
{
    (void)state;
    char text[WEFT_URL_MAX + 1];
    struct weft_url url;
    memcpy(text, "http://h/", 9);
    memset(text + 9, 'a', sizeof(text) - 9);
    assert_int_equal(weft_url_parse(weft_slice(text, WEFT_URL_MAX), &url, NULL), 0);
    assert_int_equal(weft_url_parse(weft_slice(text, WEFT_URL_MAX + 1), &url, NULL), WEFT_ERR_TOO_LARGE);
    memset(text + 7, 'a', 63);
    assert_int_equal(weft_url_parse(weft_slice(text, 7 + 63), &url, NULL), 0);
    memset(text + 7, 'a', 64);
    assert_int_equal(weft_url_parse(weft_slice(text, 7 + 64), &url, NULL), WEFT_ERR_INVALID);
    for (size_t i = 7; i < sizeof(text); i++) {
        text[i] = i % 2 == 1 ? 'a' : '.';
    }
    assert_int_equal(weft_url_parse(weft_slice(text, 7 + WEFT_URL_HOST_MAX), &url, NULL), 0);
    assert_int_equal(weft_url_parse(weft_slice(text, 7 + WEFT_URL_HOST_MAX + 2), &url, NULL), WEFT_ERR_INVALID);
    memcpy(text, "unix:/", 6);
    assert_int_equal(weft_url_parse(weft_slice(text, 5 + WEFT_URL_UNIX_MAX), &url, NULL), 0);
    assert_int_equal(weft_url_parse(weft_slice(text, 6 + WEFT_URL_UNIX_MAX), &url, NULL), WEFT_ERR_TOO_LARGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_accepts),
        cmocka_unit_test(test_refuses),
        cmocka_unit_test(test_bounds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
