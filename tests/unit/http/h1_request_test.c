/* tests/unit/http/h1_request_test.c - what a request's head means, and what of it reaches the exchange. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/error.h"
#include "http/h1_request.h"

static struct weft_h1_head head;

/* 0, or the status that the head is refused with. */
static int read_it(struct weft_h1_request *request, const char *text)
{
    struct weft_h1_reader reader;
    struct weft_refusal refusal;
    const struct weft_refusal *why;
    struct weft_slice input = weft_slice_text(text);
    weft_h1_reader_init(&reader, WEFT_H1_REQUEST, 1000);
    assert_int_equal(weft_h1_read_head(&reader, input, &head, &why), (int)input.size);
    return weft_h1_request_read(request, &reader.guard, input, &head, &refusal) < 0 ? refusal.status : 0;
}

static void assert_slice(struct weft_slice slice, const char *text)
{
    assert_int_equal(slice.size, strlen(text));
    assert_memory_equal(slice.data, text, slice.size);
}

static void test_keep_alive(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool keep_alive;
    } cases[] = {
        {"GET / HTTP/1.1\r\nHost: a\r\n\r\n", true},
        {"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", false},
        {"GET / HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, close\r\n\r\n", false},
        {"GET / HTTP/1.0\r\nHost: a\r\n\r\n", false},
        {"GET / HTTP/1.0\r\nHost: a\r\nConnection: Keep-Alive\r\n\r\n", true},
    };
    for (size_t i = 0; i < WEFT_COUNT(cases); i++) {
        struct weft_h1_request request;
        assert_int_equal(read_it(&request, cases[i].text), 0);
        assert_int_equal(request.keep_alive, cases[i].keep_alive);
    }
}

static void test_lengths_and_expectations(void **state)
{
    (void)state;
    struct weft_h1_request request;
    assert_int_equal(read_it(&request, "GET / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n\r\n"), 0);
    assert_int_equal(request.length, 0);
    assert_false(request.expects_continue); /* there is nothing to hold back */
    assert_int_equal(
        read_it(&request, "PUT / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 7\r\n\r\n"), 0);
    assert_int_equal(request.length, 7);
    assert_true(request.expects_continue);
    assert_int_equal(read_it(&request, "PUT / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 7\r\n\r\n"), 0);
    assert_false(request.expects_continue);
    assert_int_equal(
        read_it(&request, "PUT / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n"),
        0);
    assert_int_equal(request.length, WEFT_LENGTH_UNKNOWN);
    assert_true(request.expects_continue);
    assert_int_equal(read_it(&request, "GET / HTTP/1.1\r\nHost: a\r\nExpect: tea\r\n\r\n"), 417);
}

static void test_refused_targets(void **state)
{
    (void)state;
    struct weft_h1_request request;
    assert_int_equal(read_it(&request, "GET http://b/ HTTP/1.1\r\nHost: a\r\n\r\n"), 400);
    assert_int_equal(read_it(&request, "GET http:///x HTTP/1.1\r\nHost: a\r\n\r\n"), 400);
    assert_int_equal(read_it(&request, "GET http://a?%zz HTTP/1.1\r\nHost: a\r\n\r\n"), 400);
    assert_int_equal(read_it(&request, "GET /.. HTTP/1.1\r\nHost: a\r\n\r\n"), 400);
    assert_int_equal(read_it(&request, "GET * HTTP/1.1\r\nHost: a\r\n\r\n"), 400);
    assert_int_equal(read_it(&request, "CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n"), 501);
}

static void expect_filled(const char *text, const char *authority, const char *target)
{
    struct weft_turn turn;
    struct weft_exchange *exchange;
    struct weft_h1_request request;
    weft_turn_init(&turn);
    assert_int_equal(read_it(&request, text), 0);
    assert_int_equal(weft_exchange_new(&exchange, &turn), 0);
    assert_int_equal(weft_h1_request_fill(exchange, &request, WEFT_SLICE("https")), 0);
    assert_slice(exchange->request.method, "OPTIONS");
    assert_slice(exchange->request.scheme, "https");
    assert_slice(exchange->request.authority, authority);
    assert_slice(exchange->request.target, target);
    assert_int_equal(exchange->request.fields.count, 1);
    assert_slice(weft_fields_value(&exchange->request.fields, "x-a"), "b");
    assert_int_equal(exchange->flows[WEFT_REQUEST].length, 3);
    weft_exchange_leave(exchange, WEFT_ASKER, 0);
    weft_exchange_leave(exchange, WEFT_WORKER, 0);
}

static void test_fill(void **state)
{
    (void)state;
    expect_filled("OPTIONS /b HTTP/1.1\r\nHost: A:1\r\nX-A: b\r\nContent-Length: 3\r\n\r\n", "A:1", "/b");
    expect_filled("OPTIONS * HTTP/1.0\r\nX-A: b\r\nContent-Length: 3\r\n\r\n", "", "*");
    expect_filled("OPTIONS http://a?b HTTP/1.1\r\nHost: A\r\nX-A: b\r\nContent-Length: 3\r\n\r\n", "a", "/?b");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_keep_alive),
        cmocka_unit_test(test_lengths_and_expectations),
        cmocka_unit_test(test_refused_targets),
        cmocka_unit_test(test_fill),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
