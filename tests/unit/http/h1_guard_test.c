/* tests/unit/http/h1_guard_test.c - what the guard finds in heads and trailers, and where it stops them. What it
 * refuses of requests is in tests/conformance/h1_cases.txt too. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/error.h"
#include "http/h1_guard.h"
#include "http/limits.h"

static int check(struct weft_h1_guard *guard, enum weft_h1_kind kind, const char *text)
{
    weft_h1_guard_init(guard, kind);
    return weft_h1_guard_check(guard, weft_slice_text(text));
}

/* Refused with `code`, and at no byte before `at`. */
static void expect_refused(enum weft_h1_kind kind, const char *text, size_t at, int status, const char *code)
{
    struct weft_h1_guard guard;
    weft_h1_guard_init(&guard, kind);
    for (size_t size = 1; size <= at; size++) {
        assert_int_equal(weft_h1_guard_check(&guard, weft_slice(text, size)), 0);
    }
    assert_int_equal(weft_h1_guard_check(&guard, weft_slice(text, at + 1)), WEFT_ERR_INVALID);
    assert_int_equal(guard.why->status, status);
    assert_string_equal(guard.why->code, code);
}

static void test_request(void **state)
{
    (void)state;
    struct weft_h1_guard guard;
    const char *text = "POST /a?b HTTP/1.1\r\nHost:  a.test \r\nContent-Length: 12\r\n\r\nGET";
    assert_int_equal(check(&guard, WEFT_H1_REQUEST, text), (int)strlen(text) - 3);
    assert_int_equal(guard.minor, 1);
    assert_int_equal(guard.fields, 2);
    assert_int_equal(guard.length, 12);
    assert_false(guard.chunked);
    assert_true(guard.has_host);
    assert_int_equal(guard.host.size, 6);
    assert_memory_equal(text + guard.host.at, "a.test", 6);
    assert_int_equal(guard.target.size, 4);
    assert_memory_equal(text + guard.target.at, "/a?b", 4);
}

static void test_every_prefix_waits(void **state)
{
    (void)state;
    struct weft_h1_guard guard;
    const char *text = "\r\nGET / HTTP/1.1\r\nHost: a\r\nX:\r\nTransfer-Encoding: chunked\r\n\r\n";
    weft_h1_guard_init(&guard, WEFT_H1_REQUEST);
    for (size_t size = 0; size < strlen(text); size++) {
        char *copy = malloc(size + 1); /* the input moves from call to call */
        assert_non_null(copy);
        memcpy(copy, text, size);
        assert_int_equal(weft_h1_guard_check(&guard, weft_slice(copy, size)), 0);
        assert_int_equal(guard.begun, size > 2);
        free(copy);
    }
    assert_int_equal(weft_h1_guard_check(&guard, weft_slice_text(text)), (int)strlen(text));
    assert_true(guard.chunked);
    assert_int_equal(guard.length, -1);
}

static void test_refused_at_the_byte(void **state)
{
    (void)state;
    const enum weft_h1_kind kind = WEFT_H1_REQUEST;
    expect_refused(kind, "GET / HTTP/1.1\n", 14, 400, "bare_lf");
    expect_refused(kind, "GET\n", 3, 400, "bare_lf");
    expect_refused(kind, "GET /\n", 5, 400, "bare_lf");
    expect_refused(kind, "GET /  H", 6, 400, "bad_request_line");
    expect_refused(kind, "GET / HTTP/2.0\r", 14, 505, "bad_version");
    expect_refused(kind, "GET / HTTP/1.1\r\nHost: a\n", 23, 400, "bare_lf");
    expect_refused(kind, "GET / HTTP/1.1\r\nHost: a\r\r", 24, 400, "bare_cr");
    expect_refused(kind, "GET / HTTP/1.1\r\nHost: a\r\n\n", 25, 400, "bare_lf");
    expect_refused(kind, "GET / HTTP/1.1\r\nHost: a\r\n b", 25, 400, "folded_header");
    expect_refused(kind, "GET / HTTP/1.1\r\nHost :", 20, 400, "space_before_colon");
    expect_refused(kind, "GET / HTTP/1.1\r\nX: \x7f", 19, 400, "bad_header");
    expect_refused(kind, "GET / HTTP/1.1\r\nX: y\r\n\r\n", 23, 400, "bad_host");
    expect_refused(kind, "GET / HTTP/1.1\r\nHost: a\r\nhost: a\r\n", 33, 400, "bad_host");
}

static void test_answer(void **state)
{
    (void)state;
    struct weft_h1_guard guard;
    const char *text = "HTTP/1.0 503 Try later\r\nContent-Length: 0\r\n\r\n";
    assert_int_equal(check(&guard, WEFT_H1_ANSWER, text), (int)strlen(text));
    assert_int_equal(guard.status, 503);
    assert_int_equal(guard.minor, 0);
    assert_int_equal(guard.length, 0);
    text = "HTTP/1.1 204\r\n\r\n";
    assert_int_equal(check(&guard, WEFT_H1_ANSWER, text), (int)strlen(text));
    expect_refused(WEFT_H1_ANSWER, "HTTP/2.0 200 OK", 5, 400, "bad_status_line");
    expect_refused(WEFT_H1_ANSWER, "HTTP/1.1 2000", 12, 400, "bad_status_line");
    expect_refused(WEFT_H1_ANSWER, "HTTP/1.1 600", 11, 400, "bad_status_line");
    expect_refused(WEFT_H1_ANSWER, "HTTP/1.1 200 OK\n", 15, 400, "bad_status_line");
    expect_refused(WEFT_H1_ANSWER, "\r\n", 0, 400, "bad_status_line");
}

static void test_trailers(void **state)
{
    (void)state;
    struct weft_h1_guard guard;
    assert_int_equal(check(&guard, WEFT_H1_TRAILERS, "\r\nGET"), 2);
    assert_int_equal(guard.fields, 0);
    assert_int_equal(check(&guard, WEFT_H1_TRAILERS, "A: b\r\nC:\r\n\r\n"), 12);
    assert_int_equal(guard.fields, 2);
    static const char *const refused[] = {"Host",       "Content-Length", "Transfer-Encoding",
                                          "Connection", "Trailer",        "Authorization",
                                          "COOKIE",     "Content-Type"};
    for (size_t i = 0; i < WEFT_COUNT(refused); i++) {
        char text[64];
        size_t size = strlen(refused[i]);
        memcpy(text, refused[i], size);
        memcpy(text + size, ": x\r\n", 6);
        expect_refused(WEFT_H1_TRAILERS, text, size + 4, 400, "bad_trailer");
    }
}

static void test_bounds(void **state)
{
    (void)state;
    static char text[WEFT_HTTP_HEAD_MAX + 2];
    struct weft_h1_guard guard;
    const char *start = "GET / HTTP/1.0\r\nX: ";
    memset(text, 'a', sizeof(text));
    memcpy(text, start, strlen(start));
    weft_h1_guard_init(&guard, WEFT_H1_REQUEST);
    assert_int_equal(weft_h1_guard_check(&guard, weft_slice(text, WEFT_HTTP_HEAD_MAX)), 0);
    assert_int_equal(weft_h1_guard_check(&guard, weft_slice(text, WEFT_HTTP_HEAD_MAX + 1)), WEFT_ERR_INVALID);
    assert_int_equal(guard.why->status, 431);
    assert_string_equal(guard.why->code, "headers_too_large");
    memcpy(text + WEFT_HTTP_HEAD_MAX - 4, "\r\n\r\n", 4);
    weft_h1_guard_init(&guard, WEFT_H1_REQUEST);
    assert_int_equal(weft_h1_guard_check(&guard, weft_slice(text, WEFT_HTTP_HEAD_MAX + 1)), (int)WEFT_HTTP_HEAD_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_request),
        cmocka_unit_test(test_every_prefix_waits),
        cmocka_unit_test(test_refused_at_the_byte),
        cmocka_unit_test(test_answer),
        cmocka_unit_test(test_trailers),
        cmocka_unit_test(test_bounds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
