/* tests/unit/http/h1_server_test.c - what a server carrier makes of requests, answers, time and trouble. How it takes
 * malformed bytes is in tests/conformance/h1_cases.txt. */
#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "unit/http/h1_stage.h"

#define GET       "GET /a HTTP/1.1\r\nHost: a.test\r\n\r\n"
#define POST(...) "POST /a HTTP/1.1\r\nHost: a.test\r\n" __VA_ARGS__ "\r\n"

static void open_stage(struct stage *stage)
{
    assert_int_equal(stage_open(stage, 0), 0);
}

static void open_holding(struct stage *stage, const char *request)
{
    open_stage(stage);
    stage->handle = stage_hold;
    stage_receive_text(stage, request);
    assert_int_equal(stage->requests, 1);
}

static void assert_slice(struct weft_slice slice, const char *text)
{
    assert_int_equal(slice.size, strlen(text));
    assert_memory_equal(slice.data, text, slice.size);
}

static struct stage_answer only_answer(const struct stage *stage)
{
    struct stage_answer answers[STAGE_ANSWERS_MAX];
    assert_int_equal(stage_answers(stage, answers), 1);
    return answers[0];
}

static void write_text(struct stage *stage, const char *text)
{
    assert_int_equal(weft_exchange_write(stage->exchange, WEFT_ANSWER, text, strlen(text)), 0);
}

static void begin(struct stage *stage, int status, int64_t length)
{
    stage->exchange->answer.status = status;
    stage->exchange->flows[WEFT_ANSWER].length = length;
    weft_exchange_begin_answer(stage->exchange);
}

static void end_and_leave(struct stage *stage)
{
    weft_exchange_end(stage->exchange, WEFT_ANSWER);
    weft_exchange_leave(stage->exchange, WEFT_WORKER, 0);
    stage_settle(stage);
}

static void pass_time(struct stage *stage, weft_time span)
{
    stage->turn.now += span;
    weft_carrier_expire(stage->carrier);
    stage_settle(stage);
}

/* -- requests -- */

static void test_framing_stays_out(void **state)
{
    (void)state;
    struct stage stage;
    open_holding(&stage, "POST http://A.test/b?c HTTP/1.1\r\nHost: a.test\r\nConnection: X-Hop, keep-alive\r\n"
                         "X-Hop: 1\r\nKeep-Alive: 5\r\nTE: trailers\r\nTrailer: X-Sum\r\nUpgrade: h2c\r\n"
                         "Proxy-Connection: x\r\nX-Empty:\r\nX-Stays:  Yes \t\r\nContent-Length: 4\r\n\r\nab");
    struct weft_exchange *exchange = stage.exchange;
    assert_slice(exchange->request.method, "POST");
    assert_slice(exchange->request.scheme, "http");
    assert_slice(exchange->request.authority, "A.test");
    assert_slice(exchange->request.target, "/b?c");
    assert_int_equal(exchange->request.fields.count, 2);
    assert_slice(exchange->request.fields.at[0].name, "x-empty");
    assert_slice(exchange->request.fields.at[0].value, "");
    assert_slice(weft_fields_value(&exchange->request.fields, "x-stays"), "Yes");
    assert_int_equal(exchange->flows[WEFT_REQUEST].length, 4);
    assert_false(exchange->expects_continue);
    assert_false(exchange->flows[WEFT_REQUEST].ended);
    assert_slice(weft_bytes_front(&exchange->flows[WEFT_REQUEST].bytes), "ab");
    stage_receive_text(&stage, "cd");
    assert_true(exchange->flows[WEFT_REQUEST].ended);
    weft_exchange_leave(exchange, WEFT_WORKER, WEFT_ERR_CANCELLED);
    stage_close(&stage);
}

static void expect_target(const char *request, const char *target)
{
    struct stage stage;
    open_holding(&stage, request);
    assert_slice(stage.exchange->request.target, target);
    assert_true(stage.exchange->flows[WEFT_REQUEST].ended);
    assert_int_equal(stage.exchange->flows[WEFT_REQUEST].length, 0);
    weft_exchange_leave(stage.exchange, WEFT_WORKER, 0);
    stage_close(&stage);
}

static void test_absolute_targets(void **state)
{
    (void)state;
    expect_target("GET http://a.test HTTP/1.1\r\nHost: a.test\r\n\r\n", "/");
    expect_target("GET http://a.test?b=c HTTP/1.1\r\nHost: a.test\r\n\r\n", "/?b=c");
    expect_target("OPTIONS http://a.test HTTP/1.1\r\nHost: a.test\r\n\r\n", "*");
    expect_target("GET http://a.test/b HTTP/1.0\r\n\r\n", "/b");
}

static void test_trailers_in(void **state)
{
    (void)state;
    struct stage stage;
    open_holding(&stage, POST("Transfer-Encoding: chunked\r\n") "3\r\nabc\r\n0\r\nX-Sum: 7\r\nX-B:\r\n\r\n");
    struct weft_flow *flow = &stage.exchange->flows[WEFT_REQUEST];
    assert_int_equal(flow->length, WEFT_LENGTH_UNKNOWN);
    assert_int_equal(flow->trailers.count, 2);
    assert_slice(weft_fields_value(&flow->trailers, "x-sum"), "7");
    assert_true(flow->ended);
    weft_exchange_leave(stage.exchange, WEFT_WORKER, 0);
    stage_close(&stage);
}

static void test_pipeline_is_bounded(void **state)
{
    (void)state;
    struct stage stage;
    open_holding(&stage, GET GET);
    assert_int_equal(stage.requests, 1);
    assert_true(weft_carrier_wants_input(stage.carrier));
    size_t kept = strlen(GET);
    while (kept < WEFT_HTTP_PIPELINE_MAX) {
        assert_true(weft_carrier_wants_input(stage.carrier));
        stage_receive_text(&stage, GET);
        kept += strlen(GET);
    }
    assert_false(weft_carrier_wants_input(stage.carrier));
    assert_int_equal(stage.requests, 1);
    begin(&stage, 200, 0);
    end_and_leave(&stage);
    assert_int_equal(stage.requests, 2);
    assert_int_equal(weft_carrier_running(stage.carrier), 1);
    weft_exchange_leave(stage.exchange, WEFT_WORKER, 0);
    stage_close(&stage);
}

static void test_request_body_waits(void **state)
{
    (void)state;
    struct stage stage;
    open_holding(&stage, POST("Content-Length: 200000\r\n"));
    static const char piece[1000];
    size_t sent = 0;
    while (weft_carrier_wants_input(stage.carrier)) {
        stage_receive(&stage, piece, sizeof(piece));
        sent += sizeof(piece);
        assert_true(sent <= WEFT_HTTP_FLOW_HIGH + sizeof(piece));
    }
    assert_true(weft_carrier_deadline(stage.carrier) == WEFT_NEVER); /* it is us who make it wait */
    weft_exchange_take(stage.exchange, WEFT_REQUEST, sent);
    stage_settle(&stage);
    assert_true(weft_carrier_wants_input(stage.carrier));
    assert_true(weft_carrier_deadline(stage.carrier) == stage.turn.now + WEFT_HTTP_IDLE_TIMEOUT);
    weft_exchange_leave(stage.exchange, WEFT_WORKER, 0);
    stage_close(&stage);
}

/* -- 100 Continue -- */

static void test_continue(void **state)
{
    (void)state;
    struct stage stage;
    open_holding(&stage, POST("Expect: 100-continue\r\nContent-Length: 3\r\n"));
    assert_true(stage.exchange->expects_continue);
    assert_int_equal(stage.sent_size, 0);
    assert_true(weft_carrier_deadline(stage.carrier) == WEFT_NEVER);
    weft_exchange_want_body(stage.exchange);
    stage_settle(&stage);
    assert_slice(weft_slice(stage.sent, stage.sent_size), "HTTP/1.1 100 Continue\r\n\r\n");
    assert_true(weft_carrier_deadline(stage.carrier) == stage.turn.now + WEFT_HTTP_IDLE_TIMEOUT);
    stage_receive_text(&stage, "abc");
    begin(&stage, 200, 0);
    end_and_leave(&stage);
    assert_int_equal(only_answer(&stage).status, 200);
    assert_false(weft_carrier_done(stage.carrier));
    stage_close(&stage);
}

static void test_continue_not_when_body_came(void **state)
{
    (void)state;
    struct stage stage;
    open_holding(&stage, POST("Expect: 100-continue\r\nContent-Length: 3\r\n") "a");
    weft_exchange_want_body(stage.exchange);
    stage_settle(&stage);
    assert_int_equal(stage.sent_size, 0);
    weft_exchange_leave(stage.exchange, WEFT_WORKER, 0);
    stage_close(&stage);
}

static void test_answer_instead_of_continue(void **state)
{
    (void)state;
    struct stage stage;
    open_holding(&stage, POST("Expect: 100-continue\r\nContent-Length: 3\r\n"));
    begin(&stage, 401, 0);
    end_and_leave(&stage);
    assert_int_equal(only_answer(&stage).status, 401);
    assert_slice(stage_header(only_answer(&stage).head, "connection"), "close");
    assert_true(weft_carrier_done(stage.carrier));
    stage_close(&stage);
}

/* -- answers -- */

static void test_known_length(void **state)
{
    (void)state;
    struct stage stage;
    open_holding(&stage, GET);
    assert_int_equal(
        weft_fields_add(&stage.exchange->answer.fields, &stage.exchange->arena, WEFT_SLICE("X-A"), WEFT_SLICE("b")), 0);
    assert_int_equal(weft_fields_add(&stage.exchange->answer.fields, &stage.exchange->arena,
                                     WEFT_SLICE("Transfer-Encoding"), WEFT_SLICE("gzip")),
                     0);
    begin(&stage, 200, 6);
    write_text(&stage, "abc");
    stage_settle(&stage);
    assert_slice(weft_slice(stage.sent, stage.sent_size),
                 "HTTP/1.1 200 OK\r\nx-a: b\r\ncontent-length: 6\r\n\r\nabc"); /* a handler frames nothing */
    write_text(&stage, "def");
    end_and_leave(&stage);
    assert_slice(only_answer(&stage).body, "abcdef");
    assert_false(weft_carrier_done(stage.carrier));
    stage_close(&stage);
}

static void test_chunks_and_trailers(void **state)
{
    (void)state;
    struct stage stage;
    open_holding(&stage, GET);
    begin(&stage, 200, WEFT_LENGTH_UNKNOWN);
    write_text(&stage, "hello");
    stage_settle(&stage);
    write_text(&stage, "world");
    assert_int_equal(weft_fields_add(&stage.exchange->flows[WEFT_ANSWER].trailers, &stage.exchange->arena,
                                     WEFT_SLICE("x-sum"), WEFT_SLICE("7")),
                     0);
    end_and_leave(&stage);
    assert_slice(weft_slice(stage.sent, stage.sent_size),
                 "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n5\r\nworld\r\n0\r\nx-sum: "
                 "7\r\n\r\n");
    assert_false(weft_carrier_done(stage.carrier));
    stage_close(&stage);
}

static void test_old_client_gets_no_chunks(void **state)
{
    (void)state;
    struct stage stage;
    open_holding(&stage, "GET /a HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    begin(&stage, 200, WEFT_LENGTH_UNKNOWN);
    write_text(&stage, "hello");
    stage_settle(&stage);
    end_and_leave(&stage);
    assert_slice(weft_slice(stage.sent, stage.sent_size), "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nhello");
    assert_true(weft_carrier_done(stage.carrier));
    stage_close(&stage);
}

/* What a bodiless answer's head is, behind its status line. */
static void expect_bodiless(const char *request, int status, int64_t length, const char *head)
{
    struct stage stage;
    open_holding(&stage, request);
    begin(&stage, status, length);
    end_and_leave(&stage);
    assert_slice(weft_slice(stage.sent, stage.sent_size), head);
    assert_false(weft_carrier_done(stage.carrier));
    stage_receive_text(&stage, GET);
    assert_int_equal(stage.requests, 2);
    weft_exchange_leave(stage.exchange, WEFT_WORKER, 0);
    stage_close(&stage);
}

static void test_bodiless_answers(void **state)
{
    (void)state;
    const char *head = "HEAD /a HTTP/1.1\r\nHost: a.test\r\n\r\n";
    expect_bodiless(head, 200, 7, "HTTP/1.1 200 OK\r\ncontent-length: 7\r\n\r\n");
    expect_bodiless(head, 200, WEFT_LENGTH_UNKNOWN, "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n");
    expect_bodiless(GET, 204, WEFT_LENGTH_UNKNOWN, "HTTP/1.1 204 No Content\r\n\r\n");
    expect_bodiless(GET, 204, 0, "HTTP/1.1 204 No Content\r\n\r\n");
    expect_bodiless(GET, 304, 7, "HTTP/1.1 304 Not Modified\r\ncontent-length: 7\r\n\r\n");
    expect_bodiless(GET, 304, WEFT_LENGTH_UNKNOWN, "HTTP/1.1 304 Not Modified\r\n\r\n");
}

static void test_head_drops_the_body(void **state)
{
    (void)state;
    struct stage stage;
    open_holding(&stage, "HEAD /a HTTP/1.1\r\nHost: a.test\r\n\r\n");
    begin(&stage, 200, WEFT_LENGTH_UNKNOWN);
    write_text(&stage, "a body that a careless handler wrote");
    end_and_leave(&stage);
    assert_slice(weft_slice(stage.sent, stage.sent_size), "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n");
    stage_close(&stage);
}

static void test_fill_stops_when_output_is_high(void **state)
{
    (void)state;
    struct stage stage;
    open_holding(&stage, GET);
    begin(&stage, 200, WEFT_LENGTH_UNKNOWN);
    static const char piece[WEFT_HTTP_FLOW_HIGH];
    struct weft_bytes *output = &stage.output; /* nobody takes from it here */
    for (int i = 0; i < 4; i++) {
        if (weft_exchange_room(stage.exchange, WEFT_ANSWER) > 0) {
            assert_int_equal(weft_exchange_write(stage.exchange, WEFT_ANSWER, piece, sizeof(piece)), 0);
        }
        weft_turn_run(&stage.turn);
        weft_carrier_fill(stage.carrier, output);
    }
    assert_in_range(output->size, WEFT_HTTP_OUTPUT_HIGH, WEFT_HTTP_OUTPUT_HIGH + 200);
    assert_int_equal(weft_exchange_room(stage.exchange, WEFT_ANSWER), 0);
    unsigned wakes = stage.wakes;
    stage_settle(&stage);
    assert_true(stage.wakes > wakes); /* there is room again */
    weft_exchange_leave(stage.exchange, WEFT_WORKER, 0);
    stage_close(&stage);
}

static void expect_abort(int error, int status)
{
    struct stage stage;
    open_holding(&stage, GET);
    weft_exchange_leave(stage.exchange, WEFT_WORKER, error);
    stage_settle(&stage);
    assert_int_equal(only_answer(&stage).status, status);
    assert_true(only_answer(&stage).whole);
    assert_int_equal(stage.refusals, 0);
    assert_false(weft_carrier_done(stage.carrier)); /* the client did nothing wrong */
    stage_receive_text(&stage, GET);
    assert_int_equal(stage.requests, 2);
    weft_exchange_leave(stage.exchange, WEFT_WORKER, 0);
    stage_close(&stage);
}

static void test_worker_gives_up(void **state)
{
    (void)state;
    expect_abort(WEFT_ERR_TIMEOUT, 504);
    expect_abort(WEFT_ERR_TOO_LARGE, 413);
    expect_abort(WEFT_ERR_REFUSED, 502);
    expect_abort(WEFT_ERR_UNREACHABLE, 502);
    expect_abort(WEFT_ERR_CLOSED, 502);
    expect_abort(WEFT_ERR_MEMORY, 503);
}

static void test_worker_gives_up_in_mid_body(void **state)
{
    (void)state;
    struct stage stage;
    open_holding(&stage, GET);
    begin(&stage, 200, WEFT_LENGTH_UNKNOWN);
    write_text(&stage, "hello");
    stage_settle(&stage);
    write_text(&stage, "there");
    weft_exchange_leave(stage.exchange, WEFT_WORKER, WEFT_ERR_CLOSED);
    stage_settle(&stage);
    assert_slice(weft_slice(stage.sent, stage.sent_size),
                 "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n5\r\nthere\r\n");
    assert_true(weft_carrier_done(stage.carrier));
    stage_close(&stage);
}

/* -- answers before the body -- */

static void test_rest_of_body_is_dropped(void **state)
{
    (void)state;
    struct stage stage;
    open_holding(&stage, POST("Content-Length: 1000\r\n") "abc");
    begin(&stage, 401, 0);
    end_and_leave(&stage);
    assert_int_equal(only_answer(&stage).status, 401);
    assert_false(weft_carrier_done(stage.carrier));
    static char rest[997];
    stage_receive(&stage, rest, sizeof(rest));
    stage_receive_text(&stage, GET);
    assert_int_equal(stage.requests, 2);
    weft_exchange_leave(stage.exchange, WEFT_WORKER, 0);
    stage_close(&stage);
}

static void test_large_rest_closes(void **state)
{
    (void)state;
    struct stage stage;
    open_holding(&stage, POST("Content-Length: 1000000\r\n"));
    begin(&stage, 401, 0);
    end_and_leave(&stage);
    assert_int_equal(only_answer(&stage).status, 401);
    assert_true(weft_carrier_done(stage.carrier));
    stage_close(&stage);
    /* Of unknown length: as much as the bound, then it closes. */
    open_holding(&stage, POST("Transfer-Encoding: chunked\r\n"));
    begin(&stage, 401, 0);
    end_and_leave(&stage);
    assert_false(weft_carrier_done(stage.carrier));
    static const char chunk[] = "400\r\n";
    static const char data[0x400];
    size_t count = 0;
    for (; !weft_carrier_done(stage.carrier); count++) {
        assert_true(count < 70);
        stage_receive_text(&stage, chunk);
        stage_receive(&stage, data, sizeof(data));
        stage_receive_text(&stage, "\r\n");
    }
    assert_true(count > 60);
    stage_close(&stage);
}

/* -- limits -- */

static void test_body_max(void **state)
{
    (void)state;
    struct stage stage;
    assert_int_equal(stage_open(&stage, 10), 0);
    stage_receive_text(&stage, POST("Content-Length: 11\r\n"));
    assert_int_equal(only_answer(&stage).status, 413);
    assert_int_equal(stage.requests, 0);
    assert_int_equal(stage.last_refusal, 413);
    assert_true(weft_carrier_done(stage.carrier));
    stage_close(&stage);

    assert_int_equal(stage_open(&stage, 10), 0);
    stage.handle = stage_hold;
    stage_receive_text(&stage, POST("Transfer-Encoding: chunked\r\n") "a\r\n0123456789\r\n");
    assert_int_equal(stage.aborted, 0);
    stage_receive_text(&stage, "1");
    assert_int_equal(stage.aborted, WEFT_ERR_TOO_LARGE);
    assert_int_equal(only_answer(&stage).status, 413);
    weft_exchange_leave(stage.exchange, WEFT_WORKER, 0);
    stage_close(&stage);
}

static void test_bad_chunk_after_answer_began(void **state)
{
    (void)state;
    struct stage stage;
    open_holding(&stage, POST("Transfer-Encoding: chunked\r\n") "1\r\na\r\n");
    begin(&stage, 200, WEFT_LENGTH_UNKNOWN);
    write_text(&stage, "hello");
    stage_settle(&stage);
    size_t before = stage.sent_size;
    stage_receive_text(&stage, "zz\r\n");
    assert_int_equal(stage.sent_size, before); /* no second answer inside the first */
    assert_true(weft_carrier_done(stage.carrier));
    assert_int_equal(stage.refusals, 1);
    assert_int_equal(stage.aborted, WEFT_ERR_INVALID);
    weft_exchange_leave(stage.exchange, WEFT_WORKER, 0);
    stage_close(&stage);
}

/* -- hang-ups, time, drain -- */

static void test_hangup_cancels(void **state)
{
    (void)state;
    struct stage stage;
    open_holding(&stage, GET);
    weft_carrier_hangup(stage.carrier);
    stage_settle(&stage);
    assert_int_equal(stage.aborted, WEFT_ERR_CANCELLED);
    assert_true(weft_carrier_done(stage.carrier));
    assert_int_equal(stage.sent_size, 0);
    weft_exchange_leave(stage.exchange, WEFT_WORKER, 0);
    stage_close(&stage);

    open_holding(&stage, POST("Content-Length: 9\r\n") "abc");
    weft_carrier_hangup(stage.carrier);
    stage_settle(&stage);
    assert_int_equal(stage.aborted, WEFT_ERR_CANCELLED);
    assert_false(stage.exchange->flows[WEFT_REQUEST].ended);
    weft_exchange_leave(stage.exchange, WEFT_WORKER, 0);
    stage_close(&stage);
}

static void test_hangup_after_the_answer(void **state)
{
    (void)state;
    struct stage stage;
    open_holding(&stage, GET);
    begin(&stage, 200, 5);
    write_text(&stage, "hello");
    weft_exchange_end(stage.exchange, WEFT_ANSWER);
    weft_exchange_leave(stage.exchange, WEFT_WORKER, 0);
    weft_carrier_hangup(stage.carrier);
    assert_false(weft_carrier_done(stage.carrier));
    stage_settle(&stage);
    assert_slice(only_answer(&stage).body, "hello");
    assert_true(weft_carrier_done(stage.carrier));
    stage_close(&stage);
}

static void test_hangup_while_idle(void **state)
{
    (void)state;
    struct stage stage;
    open_stage(&stage);
    stage_receive_text(&stage, "GET /a HT");
    weft_carrier_hangup(stage.carrier);
    assert_true(weft_carrier_done(stage.carrier));
    stage_settle(&stage);
    assert_int_equal(stage.sent_size, 0);
    stage_close(&stage);
}

static void test_free_cancels(void **state)
{
    (void)state;
    struct stage stage;
    open_holding(&stage, GET);
    weft_carrier_free(stage.carrier);
    stage.carrier = NULL;
    weft_turn_run(&stage.turn);
    assert_int_equal(stage.aborted, WEFT_ERR_CLOSED);
    weft_exchange_leave(stage.exchange, WEFT_WORKER, 0);
    stage_close(&stage);
}

static void test_head_timeout(void **state)
{
    (void)state;
    struct stage stage;
    open_stage(&stage);
    pass_time(&stage, WEFT_HTTP_HEADER_TIMEOUT - 1);
    assert_false(weft_carrier_done(stage.carrier));
    pass_time(&stage, 1);
    assert_true(weft_carrier_done(stage.carrier));
    assert_int_equal(stage.sent_size, 0); /* to whom? */
    stage_close(&stage);

    open_stage(&stage);
    stage_receive_text(&stage, "G");
    pass_time(&stage, WEFT_HTTP_HEADER_TIMEOUT / 2);
    stage_receive_text(&stage, "ET / HTTP/1.1\r\n"); /* gives no more time */
    pass_time(&stage, WEFT_HTTP_HEADER_TIMEOUT / 2);
    assert_int_equal(only_answer(&stage).status, 408);
    assert_int_equal(stage.last_refusal, 408);
    assert_true(weft_carrier_done(stage.carrier));
    stage_close(&stage);
}

static void test_idle_timeout(void **state)
{
    (void)state;
    struct stage stage;
    open_stage(&stage);
    stage_receive_text(&stage, GET);
    size_t sent = stage.sent_size;
    pass_time(&stage, WEFT_HTTP_IDLE_TIMEOUT - 1);
    assert_false(weft_carrier_done(stage.carrier));
    stage_receive_text(&stage, "\r\n"); /* an empty line is no request: no answer to it either */
    pass_time(&stage, WEFT_HTTP_HEADER_TIMEOUT);
    assert_true(weft_carrier_done(stage.carrier));
    assert_int_equal(stage.sent_size, sent);
    stage_close(&stage);
}

static void test_body_timeout(void **state)
{
    (void)state;
    struct stage stage;
    open_holding(&stage, POST("Content-Length: 9\r\n") "abc");
    pass_time(&stage, WEFT_HTTP_IDLE_TIMEOUT - 1);
    stage_receive_text(&stage, "d");
    pass_time(&stage, WEFT_HTTP_IDLE_TIMEOUT - 1);
    assert_int_equal(stage.aborted, 0);
    pass_time(&stage, 1);
    assert_int_equal(stage.aborted, WEFT_ERR_TIMEOUT);
    assert_int_equal(only_answer(&stage).status, 408);
    assert_true(weft_carrier_done(stage.carrier));
    weft_exchange_leave(stage.exchange, WEFT_WORKER, 0);
    stage_close(&stage);
}

static void test_work_has_no_deadline(void **state)
{
    (void)state;
    struct stage stage;
    open_holding(&stage, GET);
    assert_true(weft_carrier_deadline(stage.carrier) == WEFT_NEVER);
    pass_time(&stage, 100000 * WEFT_SECOND);
    assert_int_equal(stage.aborted, 0);
    begin(&stage, 200, 0);
    end_and_leave(&stage);
    assert_true(weft_carrier_deadline(stage.carrier) == stage.turn.now + WEFT_HTTP_IDLE_TIMEOUT);
    stage_close(&stage);
}

static void test_drain(void **state)
{
    (void)state;
    struct stage stage;
    open_stage(&stage); /* idle: it ends soon */
    stage_receive_text(&stage, GET);
    size_t sent = stage.sent_size;
    weft_carrier_drain(stage.carrier);
    assert_true(weft_carrier_deadline(stage.carrier) == stage.turn.now + WEFT_HTTP_DRAIN_GRACE);
    assert_false(weft_carrier_done(stage.carrier));
    pass_time(&stage, WEFT_HTTP_DRAIN_GRACE);
    assert_true(weft_carrier_done(stage.carrier));
    assert_int_equal(stage.sent_size, sent);
    stage_close(&stage);

    open_holding(&stage, GET GET); /* an answer that says that it is the last is the last */
    weft_carrier_drain(stage.carrier);
    stage_settle(&stage);
    assert_false(weft_carrier_done(stage.carrier));
    begin(&stage, 200, 0);
    end_and_leave(&stage);
    assert_slice(stage_header(only_answer(&stage).head, "connection"), "close");
    assert_true(weft_carrier_done(stage.carrier));
    assert_int_equal(stage.requests, 1);
    stage_close(&stage);
}

/* What was asked before the client could know of the drain comes as a request, and its answer is the last. */
static void test_drain_with_a_request_on_its_way(void **state)
{
    (void)state;
    struct stage stage;
    struct stage_answer answers[STAGE_ANSWERS_MAX];
    open_holding(&stage, GET GET GET); /* behind an answer whose head is out already */
    begin(&stage, 200, WEFT_LENGTH_UNKNOWN);
    write_text(&stage, "some");
    stage_settle(&stage);
    weft_carrier_drain(stage.carrier);
    end_and_leave(&stage);
    assert_int_equal(stage.requests, 2);
    begin(&stage, 503, 0);
    end_and_leave(&stage);
    assert_int_equal(stage_answers(&stage, answers), 2);
    assert_null(stage_header(answers[0].head, "connection").data);
    assert_slice(stage_header(answers[1].head, "connection"), "close");
    assert_int_equal(stage.requests, 2);
    assert_true(weft_carrier_done(stage.carrier));
    stage_close(&stage);

    static const weft_time halves[] = {WEFT_HTTP_DRAIN_GRACE - 1, WEFT_HTTP_HEADER_TIMEOUT - 1};
    for (size_t i = 0; i < WEFT_COUNT(halves); i++) { /* on its way to an idle connection; half of it here already */
        open_stage(&stage);
        stage_receive_text(&stage, i == 0 ? "" : "GET / HTT");
        weft_carrier_drain(stage.carrier);
        pass_time(&stage, halves[i]);
        assert_false(weft_carrier_done(stage.carrier));
        stage_receive_text(&stage, i == 0 ? GET : "P/1.1\r\nHost: a\r\n\r\n");
        assert_int_equal(only_answer(&stage).status, 200);
        assert_slice(stage_header(only_answer(&stage).head, "connection"), "close");
        assert_true(weft_carrier_done(stage.carrier));
        stage_close(&stage);
    }

    open_holding(&stage, GET); /* none came */
    begin(&stage, 200, WEFT_LENGTH_UNKNOWN);
    stage_settle(&stage);
    weft_carrier_drain(stage.carrier);
    end_and_leave(&stage);
    assert_false(weft_carrier_done(stage.carrier));
    pass_time(&stage, WEFT_HTTP_DRAIN_GRACE);
    assert_true(weft_carrier_done(stage.carrier));
    stage_close(&stage);
}

static void test_idle_is_small(void **state)
{
    (void)state;
    weft_bytes_trim();
    int64_t before = weft_mem_live();
    struct stage stage;
    open_stage(&stage);
    stage_receive_text(&stage, "GET /a HTTP/1.1\r\n");
    stage_receive_text(&stage, "Host: a.test\r\n\r\n" GET);
    assert_int_equal(stage.requests, 2);
    weft_bytes_trim();
    assert_int_equal(weft_mem_live() - before, 1); /* the carrier, and no buffer */
    assert_true(malloc_usable_size(stage.carrier) <= 768);
    stage_close(&stage);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_framing_stays_out),
        cmocka_unit_test(test_absolute_targets),
        cmocka_unit_test(test_trailers_in),
        cmocka_unit_test(test_pipeline_is_bounded),
        cmocka_unit_test(test_request_body_waits),
        cmocka_unit_test(test_continue),
        cmocka_unit_test(test_continue_not_when_body_came),
        cmocka_unit_test(test_answer_instead_of_continue),
        cmocka_unit_test(test_known_length),
        cmocka_unit_test(test_chunks_and_trailers),
        cmocka_unit_test(test_old_client_gets_no_chunks),
        cmocka_unit_test(test_bodiless_answers),
        cmocka_unit_test(test_head_drops_the_body),
        cmocka_unit_test(test_fill_stops_when_output_is_high),
        cmocka_unit_test(test_worker_gives_up),
        cmocka_unit_test(test_worker_gives_up_in_mid_body),
        cmocka_unit_test(test_rest_of_body_is_dropped),
        cmocka_unit_test(test_large_rest_closes),
        cmocka_unit_test(test_body_max),
        cmocka_unit_test(test_bad_chunk_after_answer_began),
        cmocka_unit_test(test_hangup_cancels),
        cmocka_unit_test(test_hangup_after_the_answer),
        cmocka_unit_test(test_hangup_while_idle),
        cmocka_unit_test(test_free_cancels),
        cmocka_unit_test(test_head_timeout),
        cmocka_unit_test(test_idle_timeout),
        cmocka_unit_test(test_body_timeout),
        cmocka_unit_test(test_work_has_no_deadline),
        cmocka_unit_test(test_drain),
        cmocka_unit_test(test_drain_with_a_request_on_its_way),
        cmocka_unit_test(test_idle_is_small),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
