/* tests/unit/http/h2_server_test.c - the h2 server: what a handler sees, what a client hears, and what time does. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "http/limits.h"
#include "support/h2_raw_server.h"

#define assert_slice(slice, literal) assert_true(weft_slice_equal(slice, WEFT_SLICE(literal)))

/* -- what a handler sees -- */

static void test_a_request(void **state)
{
    (void)state;
    set_up();
    struct weft_exchange *exchange =
        ask(END_HEADERS, 1,
            TEXT(":method=POST\n:scheme=http\n:authority=a.b:80\n:path=/x?y=1\ncookie=a=1\nx-b=c\nhost=A.B:80\n"
                 "cookie=b=2\ncontent-length=5\nte=trailers\nexpect=100-Continue\ncookie=c=3\ntrailer=x-sum\n"));
    assert_non_null(exchange);
    assert_slice(exchange->request.method, "POST");
    assert_slice(exchange->request.target, "/x?y=1");
    assert_slice(exchange->request.authority, "a.b:80");
    assert_slice(exchange->request.scheme, "https"); /* as the carrier's owner says, not as the peer claims */
    assert_int_equal(exchange->request.fields.count, 2);
    assert_slice(weft_fields_value(&exchange->request.fields, "cookie"), "a=1; b=2; c=3");
    assert_slice(weft_fields_value(&exchange->request.fields, "x-b"), "c");
    assert_true(exchange->expects_continue);
    assert_int_equal(exchange->flows[WEFT_REQUEST].length, 5);
    assert_false(exchange->flows[WEFT_REQUEST].ended);
    data(0, 1, TEXT("hello"));
    h2_headers(&wire, WHOLE, 1, TEXT("x-sum=42\n"));
    go();
    assert_true(exchange->flows[WEFT_REQUEST].ended);
    assert_int_equal(exchange->flows[WEFT_REQUEST].bytes.size, 5);
    assert_int_equal(exchange->flows[WEFT_REQUEST].trailers.count, 1);
    assert_slice(weft_fields_value(&exchange->flows[WEFT_REQUEST].trailers, "x-sum"), "42");

    exchange = ask(WHOLE, 3, TEXT(GET));
    assert_int_equal(exchange->flows[WEFT_REQUEST].length, 0);
    assert_true(exchange->flows[WEFT_REQUEST].ended);
    tear_down();
}

static void test_continue(void **state)
{
    (void)state;
    set_up();
    struct weft_exchange *exchange = ask(END_HEADERS, 1, TEXT(POST "expect=100-continue\n"));
    assert_int_equal(heard.continues, 0);
    weft_exchange_want_body(exchange);
    go();
    assert_int_equal(heard.continues, 1);
    data(END_STREAM, 1, TEXT("you"));
    weft_exchange_take(exchange, WEFT_REQUEST, 3);
    assert_int_equal(weft_exchange_reply(exchange, 200, WEFT_SLICE("text/plain"), WEFT_SLICE("yes")), 0);
    go();
    assert_int_equal(heard.continues, 1);
    assert_int_equal(heard.status[0], 200);

    exchange = ask(END_HEADERS, 3, TEXT(POST "expect=100-continue\n"));
    data(0, 3, TEXT("you")); /* it did not wait */
    weft_exchange_want_body(exchange);
    go();
    assert_int_equal(heard.continues, 1);
    exchange = ask(END_HEADERS, 5, TEXT(POST "expect=100-continue\n"));
    assert_int_equal(weft_exchange_reply(exchange, 403, WEFT_SLICE("text/plain"), WEFT_SLICE("no")), 0);
    go();
    assert_int_equal(heard.continues, 1);
    assert_int_equal(heard.status[2], 403);
    pass(WEFT_HTTP_LINGER);
    assert_int_equal(heard.reset[2], NGHTTP2_NO_ERROR);
    tear_down();
}

/* -- what a client hears -- */

static void test_answers_without_a_body(void **state)
{
    (void)state;
    set_up();
    struct weft_exchange *exchange = ask(WHOLE, 1, TEXT(":method=HEAD\n:scheme=http\n:path=/\n:authority=localhost\n"));
    exchange->flows[WEFT_ANSWER].length = 1234;
    begin(exchange, 200);
    weft_exchange_end(exchange, WEFT_ANSWER);
    go();
    assert_true(heard.ended[0] && heard.status[0] == 200 && heard.body[0] == 0);
    assert_int_equal(heard.length, 1234);
    for (int i = 1; i < 3; i++) {
        heard.length = -1;
        exchange = ask(WHOLE, (uint32_t)(2 * i + 1), TEXT(GET));
        assert_int_equal(weft_exchange_reply(exchange, i == 1 ? 204 : 304, WEFT_SLICE(""), WEFT_SLICE("")), 0);
        go();
        assert_true(heard.ended[i] && heard.status[i] == (i == 1 ? 204 : 304) && heard.body[i] == 0);
        assert_int_equal(heard.length, -1);
    }
    tear_down();
}

static void test_a_streamed_answer(void **state)
{
    (void)state;
    set_up();
    struct weft_exchange *exchange = ask(WHOLE, 1, TEXT(GET));
    begin(exchange, 200);
    go();
    assert_true(heard.status[0] == 200 && !heard.ended[0]);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(weft_exchange_write(exchange, WEFT_ANSWER, "event", 5), 0);
        assert_int_equal(weft_exchange_write(exchange, WEFT_ANSWER, "s", 1), 0);
        go();
        assert_int_equal(heard.body[0], 6 * (i + 1));
    }
    assert_int_equal(
        weft_fields_add(&exchange->flows[WEFT_ANSWER].trailers, &exchange->arena, WEFT_SLICE("x-sum"), WEFT_SLICE("7")),
        0);
    weft_exchange_end(exchange, WEFT_ANSWER);
    go();
    assert_true(heard.ended[0]);
    assert_string_equal(heard.trailer, "7");
    tear_down();
}

/* The client ends its request after the answer, in time: nothing is wrong, and nothing is reset. */
static void test_an_early_answer_to_a_client_that_ends(void **state)
{
    (void)state;
    set_up();
    struct weft_exchange *exchange = ask(END_HEADERS, 1, TEXT(POST));
    assert_int_equal(weft_exchange_reply(exchange, 200, WEFT_SLICE("text/plain"), WEFT_SLICE("enough")), 0);
    go();
    data(END_STREAM, 1, TEXT("the rest, for nobody"));
    pass(2 * WEFT_HTTP_LINGER);
    assert_true(heard.ended[0]);
    assert_int_equal(heard.reset[0], -1);
    assert_true(heard.goaway_code == 0 && weft_carrier_running(pair.server) == 0);
    tear_down();
}

static void test_an_early_answer(void **state)
{
    (void)state;
    set_up();
    struct weft_exchange *exchange = ask(END_HEADERS, 1, TEXT(POST));
    data(0, 1, TEXT("some"));
    assert_int_equal(weft_exchange_reply(exchange, 200, WEFT_SLICE("text/plain"), WEFT_SLICE("enough")), 0);
    go();
    assert_true(heard.ended[0] && heard.body[0] == 6);
    assert_int_equal(weft_carrier_running(pair.server), 0);
    data(0, 1, TEXT("the rest, for nobody"));
    pass(WEFT_HTTP_LINGER - 1);
    assert_int_equal(heard.reset[0], -1); /* curl would take it for a failure */
    pass(1);
    assert_int_equal(heard.reset[0], NGHTTP2_NO_ERROR);
    data(END_STREAM, 1, TEXT("on its way already"));
    assert_false(heard.goaway);
    tear_down();
}

static void test_a_worker_that_gives_up(void **state)
{
    (void)state;
    static const int errors[][2] = {{WEFT_ERR_TIMEOUT, 504},     {WEFT_ERR_TOO_LARGE, 413}, {WEFT_ERR_REFUSED, 502},
                                    {WEFT_ERR_UNREACHABLE, 502}, {WEFT_ERR_CLOSED, 502},    {WEFT_ERR_MEMORY, 503}};
    set_up();
    for (size_t i = 0; i < WEFT_COUNT(errors); i++) {
        assert_non_null(ask(WHOLE, (uint32_t)(2 * i + 1), TEXT(GET)));
        ends_worker_leave(&pair.workers[i], errors[i][0]);
        go();
        assert_int_equal(heard.status[i], errors[i][1]);
        assert_true(heard.ended[i] && heard.body[i] > 20);
    }
    struct weft_exchange *exchange = ask(WHOLE, 101, TEXT(GET));
    begin(exchange, 200);
    go();
    assert_int_equal(weft_exchange_write(exchange, WEFT_ANSWER, "half", 4), 0);
    ends_worker_leave(&pair.workers[WEFT_COUNT(errors)], WEFT_ERR_CLOSED);
    go();
    assert_int_equal(heard.body[50], 4); /* what was delivered stands */
    assert_int_equal(heard.reset[50], NGHTTP2_INTERNAL_ERROR);
    assert_false(heard.goaway);
    tear_down();
}

static void test_a_client_that_gives_up(void **state)
{
    (void)state;
    set_up();
    assert_non_null(ask(END_HEADERS, 1, TEXT(POST)));
    assert_non_null(ask(WHOLE, 3, TEXT(GET)));
    begin(pair.workers[1].exchange, 200);
    go();
    h2_frame(&wire, NGHTTP2_RST_STREAM, 0, 1, "\0\0\0\x08", 4);
    h2_frame(&wire, NGHTTP2_RST_STREAM, 0, 3, "\0\0\0\x08", 4);
    h2_headers(&wire, WHOLE, 5, TEXT(GET)); /* opened and reset at once: no handler hears of it */
    h2_frame(&wire, NGHTTP2_RST_STREAM, 0, 5, "\0\0\0\x08", 4);
    go();
    assert_int_equal(pair.workers[0].left_with, WEFT_ERR_CANCELLED);
    assert_int_equal(pair.workers[1].left_with, WEFT_ERR_CANCELLED);
    assert_int_equal(pair.workers_count, 2);
    assert_int_equal(weft_carrier_running(pair.server), 0);
    tear_down();
}

/* -- limits -- */

static void test_a_body_that_grows_too_large(void **state)
{
    (void)state;
    start(false, 10);
    greet();
    assert_null(ask(END_HEADERS, 1, TEXT(POST "content-length=11\n")));
    assert_int_equal(heard.status[0], 413);
    assert_non_null(ask(END_HEADERS, 3, TEXT(POST)));
    data(0, 3, TEXT("0123456789"));
    assert_int_equal(heard.status[1], 0);
    data(0, 3, TEXT("x"));
    assert_int_equal(heard.status[1], 413);
    pass(WEFT_HTTP_LINGER);
    assert_int_equal(heard.reset[1], NGHTTP2_NO_ERROR);
    assert_int_equal(pair.workers[0].left_with, WEFT_ERR_CANCELLED);

    begin(ask(END_HEADERS, 5, TEXT(POST)), 200);
    go();
    data(0, 5, TEXT("0123456789x"));
    assert_int_equal(heard.reset[2], NGHTTP2_CANCEL);
    assert_int_equal(pair.workers[1].left_with, WEFT_ERR_CANCELLED);
    assert_int_equal(pair.refused, 3);

    struct weft_exchange *stream = ask(END_HEADERS, 7, TEXT(POST)); /* no bound for a stream */
    begin(stream, 200);
    weft_exchange_want_stream(stream);
    go();
    data(0, 7, TEXT("0123456789x"));
    assert_int_equal(stream->flows[WEFT_REQUEST].written, 11);
    assert_int_equal(pair.refused, 3);
    tear_down();
}

static void test_heads_at_their_limits(void **state)
{
    (void)state;
    static char big[WEFT_HTTP_HEAD_MAX];
    memset(big, 'x', sizeof(big));
    set_up();
    for (uint32_t i = 0; i < 6; i++) {
        struct weft_bytes block;
        weft_bytes_init(&block);
        h2_pack_lines(&block, TEXT(":method=GET\n:scheme=http\n:authority=localhost\n"));
        if (i < 2) {
            h2_pack(&block, ":path", 5, "/", 1);
            for (uint32_t fields = 0; fields < WEFT_HTTP_FIELDS_MAX + i; fields++) {
                h2_pack(&block, "x-a", 3, "b", 1);
            }
        } else if (i < 4) { /* the pseudo fields are 46 bytes and 4 times 32, x-a is 3 and 32 */
            h2_pack(&block, ":path", 5, "/", 1);
            h2_pack(&block, "x-a", 3, big, WEFT_HTTP_HEAD_MAX - 209 + (i - 2));
        } else {
            big[0] = '/';
            h2_pack(&block, ":path", 5, big, WEFT_HTTP_TARGET_MAX + (i - 4));
        }
        h2_block(&wire, WHOLE, 2 * i + 1, &block);
        go();
    }
    assert_int_equal(pair.workers_count, 3);
    assert_int_equal(heard.status[1], 431);
    assert_int_equal(heard.status[3], 431);
    assert_int_equal(heard.status[5], 414);
    assert_false(heard.goaway);

    assert_non_null(ask(END_HEADERS, 21, TEXT(POST))); /* trailers have the same limit */
    struct weft_bytes block;
    weft_bytes_init(&block);
    h2_pack(&block, "x-a", 3, big, WEFT_HTTP_HEAD_MAX - 34);
    h2_block(&wire, WHOLE, 21, &block);
    go();
    assert_int_equal(heard.status[10], 431);
    assert_non_null(strstr(heard.said, "\"headers_too_large\""));
    tear_down();
}

/* -- time -- */

static void test_a_connection_that_does_not_begin(void **state)
{
    (void)state;
    start(true, 0);
    h2_append(&wire, H2_MAGIC, 10);
    go();
    assert_int_equal(weft_carrier_deadline(pair.server), WEFT_HTTP_HEADER_TIMEOUT);
    pass(WEFT_HTTP_HEADER_TIMEOUT - 1);
    assert_false(heard.goaway);
    pass(1);
    assert_true(heard.goaway);
    assert_true(weft_carrier_done(pair.server));
    assert_int_equal(pair.refused, 1);
    tear_down();
}

static void test_half_a_field_block(void **state)
{
    (void)state;
    set_up();
    pass(5 * WEFT_SECOND);
    h2_frame(&wire, NGHTTP2_HEADERS, END_STREAM, 1, "\x82\x86", 2);
    go();
    assert_int_equal(weft_carrier_deadline(pair.server), pair.turn.now + WEFT_HTTP_HEADER_TIMEOUT);
    pass(WEFT_HTTP_HEADER_TIMEOUT);
    assert_true(heard.goaway && weft_carrier_done(pair.server));
    assert_int_equal(weft_carrier_running(pair.server), 0);
    tear_down();
}

static void test_an_idle_connection(void **state)
{
    (void)state;
    set_up();
    pass(WEFT_HTTP_IDLE_TIMEOUT - WEFT_SECOND);
    struct weft_exchange *exchange = ask(WHOLE, 1, TEXT(GET));
    pass(3 * WEFT_HTTP_IDLE_TIMEOUT); /* a worker may think as long as it likes */
    assert_false(heard.goaway);
    assert_int_equal(weft_exchange_reply(exchange, 200, WEFT_SLICE(""), WEFT_SLICE("done")), 0);
    go();
    assert_int_equal(weft_carrier_deadline(pair.server), pair.turn.now + WEFT_HTTP_IDLE_TIMEOUT);
    pass(WEFT_HTTP_IDLE_TIMEOUT);
    assert_true(heard.goaway && heard.goaway_code == NGHTTP2_NO_ERROR && heard.last_id == 1);
    assert_true(weft_carrier_done(pair.server));
    assert_int_equal(pair.refused, 0);
    tear_down();

    start(true, 0);
    greet();
    assert_int_equal(weft_carrier_deadline(pair.server), WEFT_NEVER); /* links stay */
    tear_down();
}

static void test_a_body_that_stops_coming(void **state)
{
    (void)state;
    set_up();
    struct weft_exchange *exchange = ask(END_HEADERS, 1, TEXT(POST));
    data(0, 1, TEXT("half"));
    pass(2 * WEFT_HTTP_IDLE_TIMEOUT); /* the worker has not taken what there is: it is its turn */
    assert_int_equal(heard.status[0], 0);
    weft_exchange_take(exchange, WEFT_REQUEST, 4);
    go();
    pass(WEFT_HTTP_IDLE_TIMEOUT - 1);
    assert_int_equal(heard.status[0], 0);
    while (weft_carrier_deadline(pair.server) < pair.turn.now + WEFT_HTTP_IDLE_TIMEOUT && heard.status[0] == 0) {
        pass(weft_carrier_deadline(pair.server) - pair.turn.now);
    }
    assert_int_equal(heard.status[0], 408);
    assert_non_null(strstr(heard.said, "\"request_timeout\""));
    pass(WEFT_HTTP_LINGER);
    assert_int_equal(heard.reset[0], NGHTTP2_NO_ERROR);
    assert_int_equal(pair.workers[0].left_with, WEFT_ERR_CANCELLED);
    assert_int_equal(pair.refused, 1);
    tear_down();
}

static void read_slowly(bool trusted)
{
    static char big[100000];
    start(trusted, 0);
    h2_append(&wire, TEXT(H2_MAGIC));
    h2_frame(&wire, NGHTTP2_SETTINGS, 0, 0, "\0\x04\0\0\0\x0a", 6); /* windows of 10 bytes */
    go();
    struct weft_exchange *exchange = ask(WHOLE, 1, TEXT(GET));
    begin(exchange, 200);
    assert_int_equal(weft_exchange_write(exchange, WEFT_ANSWER, big, sizeof(big)), 0);
    go();
    assert_int_equal(heard.body[0], 10);
    pass(WEFT_HTTP_IDLE_TIMEOUT / 2);
    h2_frame(&wire, NGHTTP2_WINDOW_UPDATE, 0, 1, "\0\0\0\x05", 4);
    go();
    assert_int_equal(heard.body[0], 15);
    pass(WEFT_HTTP_IDLE_TIMEOUT - 1);
    assert_int_equal(heard.reset[0], -1);
}

static void test_a_reader_that_stops_reading(void **state)
{
    (void)state;
    read_slowly(false);
    pass(1);
    assert_int_equal(heard.reset[0], NGHTTP2_CANCEL);
    assert_int_equal(pair.workers[0].left_with, WEFT_ERR_CANCELLED);
    tear_down();

    /* The other end of a link may be stopped for longer than that, and goes on where it was. */
    read_slowly(true);
    pass(20 * WEFT_HTTP_IDLE_TIMEOUT);
    assert_int_equal(heard.reset[0], -1);
    h2_frame(&wire, NGHTTP2_WINDOW_UPDATE, 0, 1, "\0\0\0\x05", 4);
    go();
    assert_int_equal(heard.body[0], 20);
    tear_down();
}

static void test_a_peer_that_reads_nothing(void **state)
{
    (void)state;
    set_up();
    pair.turn.now += WEFT_HTTP_IDLE_TIMEOUT;
    weft_carrier_expire(pair.server); /* its GOAWAY is not fetched: the socket is full */
    assert_false(weft_carrier_done(pair.server));
    pair.turn.now = weft_carrier_deadline(pair.server);
    weft_carrier_expire(pair.server);
    assert_true(weft_carrier_done(pair.server));
    tear_down();
}

static void test_drain(void **state)
{
    (void)state;
    set_up();
    struct weft_exchange *exchange = ask(WHOLE, 1, TEXT(GET));
    weft_carrier_drain(pair.server);
    go();
    assert_true(heard.goaway && heard.goaway_code == NGHTTP2_NO_ERROR && heard.last_id == 1);
    assert_false(weft_carrier_done(pair.server));
    assert_null(ask(WHOLE, 3, TEXT(GET))); /* crossed the GOAWAY: not worked on */
    assert_int_equal(weft_exchange_reply(exchange, 200, WEFT_SLICE(""), WEFT_SLICE("done")), 0);
    go();
    assert_true(heard.ended[0]);
    assert_true(weft_carrier_done(pair.server));
    tear_down();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_request),
        cmocka_unit_test(test_continue),
        cmocka_unit_test(test_answers_without_a_body),
        cmocka_unit_test(test_a_streamed_answer),
        cmocka_unit_test(test_an_early_answer),
        cmocka_unit_test(test_an_early_answer_to_a_client_that_ends),
        cmocka_unit_test(test_a_worker_that_gives_up),
        cmocka_unit_test(test_a_client_that_gives_up),
        cmocka_unit_test(test_a_body_that_grows_too_large),
        cmocka_unit_test(test_heads_at_their_limits),
        cmocka_unit_test(test_a_connection_that_does_not_begin),
        cmocka_unit_test(test_half_a_field_block),
        cmocka_unit_test(test_an_idle_connection),
        cmocka_unit_test(test_a_body_that_stops_coming),
        cmocka_unit_test(test_a_reader_that_stops_reading),
        cmocka_unit_test(test_a_peer_that_reads_nothing),
        cmocka_unit_test(test_drain),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
