/* tests/unit/http/h1_client_test.c - what a client carrier sends, and what it makes of answers, whole and split. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/error.h"
#include "base/mem.h"
#include "http/carrier.h"
#include "http/limits.h"

#define SENT_MAX ((size_t)256 * 1024)
#define SPLITS   8 /* seeds: 0 is whole, 1 is byte by byte */

/* A client carrier and who asks through it. */
struct ask {
    struct weft_turn turn;
    struct weft_carrier *carrier;
    struct weft_exchange *exchange; /* NULL once the asker has left */
    char sent[SENT_MAX];            /* what came out of the carrier */
    size_t sent_size;
};

static struct ask ask; /* large, and each test opens it anew */

static void on_touched(void *self)
{
    (void)self; /* every step is looked after anyway */
}

static void on_asker_wake(void *self, struct weft_exchange *exchange)
{
    (void)self;
    (void)exchange; /* the tests look when they want to */
}

static void settle(void)
{
    struct weft_bytes output = {0};
    do {
        weft_turn_run(&ask.turn);
        weft_carrier_fill(ask.carrier, &output);
        assert_true(output.size <= SENT_MAX - ask.sent_size);
        ask.sent_size += weft_bytes_read(&output, ask.sent + ask.sent_size, SENT_MAX - ask.sent_size);
    } while (ask.turn.work.first);
    weft_bytes_deinit(&output);
}

static void open_ask(void)
{
    ask = (struct ask){0};
    weft_turn_init(&ask.turn);
    ask.turn.now = 1000 * WEFT_SECOND;
    struct weft_carrier_options options = {
        .turn = &ask.turn,
        .owner = {.touched = on_touched},
        .scheme = WEFT_SLICE("http"),
    };
    assert_int_equal(weft_h1_client_new(&ask.carrier, &options), 0);
}

static void leave(int why)
{
    weft_exchange_leave(ask.exchange, WEFT_ASKER, why);
    ask.exchange = NULL;
}

static void close_ask(void)
{
    if (ask.exchange) {
        leave(WEFT_ERR_CANCELLED);
    }
    weft_carrier_free(ask.carrier);
    weft_turn_run(&ask.turn);
}

static struct weft_flow *request_flow(void)
{
    return &ask.exchange->flows[WEFT_REQUEST];
}

static struct weft_flow *answer_flow(void)
{
    return &ask.exchange->flows[WEFT_ANSWER];
}

static void make(const char *method, int64_t length)
{
    assert_int_equal(weft_exchange_new(&ask.exchange, &ask.turn), 0);
    ask.exchange->request.method = weft_slice_text(method);
    ask.exchange->request.authority = WEFT_SLICE("b.test:81");
    ask.exchange->request.target = WEFT_SLICE("/a?b");
    request_flow()->length = length;
    weft_exchange_attach(ask.exchange, WEFT_ASKER, on_asker_wake, NULL);
}

static void send_it(void)
{
    assert_true(weft_carrier_can_ask(ask.carrier));
    assert_int_equal(weft_carrier_ask(ask.carrier, ask.exchange), 0);
    assert_false(weft_carrier_can_ask(ask.carrier));
    settle();
}

/* A request without a body, sent. */
static void ask_for(const char *method)
{
    make(method, 0);
    weft_exchange_end(ask.exchange, WEFT_REQUEST);
    send_it();
}

static void write_text(const char *text)
{
    assert_int_equal(weft_exchange_write(ask.exchange, WEFT_REQUEST, text, strlen(text)), 0);
}

static void receive(const char *text)
{
    weft_carrier_receive(ask.carrier, text, strlen(text));
    settle();
}

static void receive_split(const char *text, uint32_t seed)
{
    uint32_t state = seed;
    for (size_t at = 0, size = strlen(text); at < size;) {
        state = state * 1664525u + 1013904223u;
        size_t part = seed == 0 ? size : seed == 1 ? 1 : 1 + (state >> 16) % 23;
        part = part > size - at ? size - at : part;
        char *copy = malloc(part); /* exactly as long: reading past it is seen by the sanitizers */
        assert_non_null(copy);
        memcpy(copy, text + at, part);
        weft_carrier_receive(ask.carrier, copy, part);
        free(copy);
        settle();
        at += part;
    }
}

static void assert_sent(const char *text)
{
    assert_int_equal(ask.sent_size, strlen(text));
    assert_memory_equal(ask.sent, text, ask.sent_size);
    ask.sent_size = 0;
}

static void assert_body(const char *text)
{
    char body[256];
    size_t size = weft_bytes_read(&answer_flow()->bytes, body, sizeof(body));
    assert_int_equal(size, strlen(text));
    assert_memory_equal(body, text, size);
}

/* -- requests -- */

static void test_request_without_body(void **state)
{
    (void)state;
    open_ask();
    make("GET", 0);
    assert_int_equal(
        weft_fields_add(&ask.exchange->request.fields, &ask.exchange->arena, WEFT_SLICE("X-A"), WEFT_SLICE("b")), 0);
    assert_int_equal(weft_fields_add(&ask.exchange->request.fields, &ask.exchange->arena,
                                     WEFT_SLICE("Transfer-Encoding"), WEFT_SLICE("chunked")),
                     0);
    weft_exchange_end(ask.exchange, WEFT_REQUEST);
    send_it();
    assert_sent("GET /a?b HTTP/1.1\r\nhost: b.test:81\r\nx-a: b\r\n\r\n");
    close_ask();
}

static void test_request_with_length(void **state)
{
    (void)state;
    open_ask();
    make("POST", 6);
    write_text("abc");
    send_it();
    assert_true(ask.exchange->body_wanted);
    assert_sent("POST /a?b HTTP/1.1\r\nhost: b.test:81\r\ncontent-length: 6\r\n\r\nabc");
    write_text("def");
    weft_exchange_end(ask.exchange, WEFT_REQUEST);
    settle();
    assert_sent("def");
    close_ask();
    open_ask();
    ask_for("POST");
    assert_sent("POST /a?b HTTP/1.1\r\nhost: b.test:81\r\ncontent-length: 0\r\n\r\n");
    close_ask();
}

static void test_request_in_chunks(void **state)
{
    (void)state;
    open_ask();
    make("POST", WEFT_LENGTH_UNKNOWN);
    send_it();
    assert_sent("POST /a?b HTTP/1.1\r\nhost: b.test:81\r\ntransfer-encoding: chunked\r\n\r\n");
    write_text("hello, world, sixteen+");
    settle();
    assert_sent("16\r\nhello, world, sixteen+\r\n");
    assert_int_equal(
        weft_fields_add(&request_flow()->trailers, &ask.exchange->arena, WEFT_SLICE("x-sum"), WEFT_SLICE("7")), 0);
    weft_exchange_end(ask.exchange, WEFT_REQUEST);
    settle();
    assert_sent("0\r\nx-sum: 7\r\n\r\n");
    close_ask();
}

static void test_unwritable_head(void **state)
{
    (void)state;
    open_ask();
    make("GET", 0);
    ask.exchange->request.target = WEFT_SLICE("/a HTTP/1.1\r\nx: y");
    assert_int_equal(weft_carrier_ask(ask.carrier, ask.exchange), WEFT_ERR_INVALID);
    ask.exchange->request.target = WEFT_SLICE("/");
    ask.exchange->request.authority = WEFT_SLICE("b.test\r\n");
    assert_int_equal(weft_carrier_ask(ask.carrier, ask.exchange), WEFT_ERR_INVALID);
    ask.exchange->request.authority = WEFT_SLICE("b.test");
    ask.exchange->request.method = WEFT_SLICE("GET /x");
    assert_int_equal(weft_carrier_ask(ask.carrier, ask.exchange), WEFT_ERR_INVALID);
    assert_true(weft_carrier_can_ask(ask.carrier));
    weft_exchange_leave(ask.exchange, WEFT_WORKER, 0);
    close_ask();
}

static void test_request_body_waits(void **state)
{
    (void)state;
    open_ask();
    make("POST", WEFT_LENGTH_UNKNOWN);
    send_it();
    static const char piece[WEFT_HTTP_FLOW_HIGH];
    struct weft_bytes output = {0};
    for (int i = 0; i < 4; i++) {
        if (weft_exchange_room(ask.exchange, WEFT_REQUEST) > 0) {
            assert_int_equal(weft_exchange_write(ask.exchange, WEFT_REQUEST, piece, sizeof(piece)), 0);
        }
        weft_turn_run(&ask.turn);
        weft_carrier_fill(ask.carrier, &output);
    }
    assert_in_range(output.size, WEFT_HTTP_OUTPUT_HIGH, WEFT_HTTP_OUTPUT_HIGH + 200);
    assert_int_equal(weft_exchange_room(ask.exchange, WEFT_REQUEST), 0);
    weft_bytes_deinit(&output);
    close_ask();
}

/* -- 100 Continue -- */

static void ask_expecting(void)
{
    make("POST", 3);
    ask.exchange->expects_continue = true;
    send_it();
    assert_sent("POST /a?b HTTP/1.1\r\nhost: b.test:81\r\ncontent-length: 3\r\nexpect: 100-continue\r\n\r\n");
    assert_false(ask.exchange->body_wanted);
}

static void test_continue(void **state)
{
    (void)state;
    open_ask();
    ask_expecting();
    receive("HTTP/1.1 100 Continue\r\n\r\n");
    assert_true(ask.exchange->body_wanted);
    write_text("abc");
    weft_exchange_end(ask.exchange, WEFT_REQUEST);
    settle();
    assert_sent("abc");
    receive("HTTP/1.1 204 No Content\r\n\r\n");
    assert_true(weft_carrier_can_ask(ask.carrier));
    close_ask();
}

static void test_continue_never_comes(void **state)
{
    (void)state;
    open_ask();
    ask_expecting();
    weft_time at = weft_carrier_deadline(ask.carrier);
    assert_true(at > ask.turn.now && at < ask.turn.now + 5 * WEFT_SECOND);
    ask.turn.now = at;
    weft_carrier_expire(ask.carrier);
    assert_true(ask.exchange->body_wanted);
    assert_true(weft_carrier_deadline(ask.carrier) == WEFT_NEVER);
    close_ask();
}

static void test_refused_instead_of_continue(void **state)
{
    (void)state;
    open_ask();
    ask_expecting();
    receive("HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n");
    assert_int_equal(ask.exchange->answer.status, 401);
    assert_true(answer_flow()->ended);
    assert_false(ask.exchange->body_wanted);
    assert_true(weft_carrier_done(ask.carrier)); /* the server may still wait for the body */
    close_ask();
}

/* -- answers -- */

/* How the connection stands after an answer. */
enum fate { AGAIN, DONE, WAITS };

struct answer_case {
    const char *method, *bytes;
    bool hangup; /* after the bytes */
    int status;  /* 0: none */
    int64_t length;
    const char *body;
    size_t fields, trailers;
    int aborted; /* by the carrier; 0: the answer has ended, or WAITS */
    enum fate fate;
};

static const struct answer_case answer_cases[] = {
    {"GET", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nX-A: b\r\n\r\nabc", false, 200, 3, "abc", 1, 0, 0, AGAIN},
    {"GET", "HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", false, 200, 0, "", 0, 0, 0, AGAIN},
    {"GET", "HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n", false, 200, 0, "", 0, 0, 0, AGAIN},
    {"GET", "HTTP/1.1 404 caf\xc3\xa9\r\nContent-Length: 0\r\n\r\n", false, 404, 0, "", 0, 0, 0, AGAIN},
    {"GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nX-Sum: 7\r\n\r\n",
     false, 200, -1, "abcde", 0, 1, 0, AGAIN},
    {"GET", "HTTP/1.1 200 OK\r\nConnection: close, X-Hop\r\nX-Hop: 1\r\nKeep-Alive: 1\r\nContent-Length: 0\r\n\r\n",
     false, 200, 0, "", 0, 0, 0, DONE},
    {"GET", "HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n", false, 200, 0, "", 0, 0, 0, DONE},
    {"GET", "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 0\r\n\r\n", false, 200, 0, "", 0, 0, 0,
     AGAIN},
    {"GET", "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na", false, 200, 1,
     "a", 0, 0, 0, AGAIN},
    {"HEAD", "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n", false, 200, 7, "", 0, 0, 0,
     AGAIN},
    {"HEAD", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", false, 200, -1, "", 0, 0, 0, AGAIN},
    {"GET", "HTTP/1.1 204 No Content\r\n\r\n", false, 204, -1, "", 0, 0, 0, AGAIN},
    {"GET", "HTTP/1.1 304 Not Modified\r\nContent-Length: 7\r\n\r\n", false, 304, 7, "", 0, 0, 0, AGAIN},
    {"GET", "HTTP/1.1 200 OK\r\nUpgrade: h2c\r\nConnection: upgrade\r\nContent-Length: 1\r\n\r\na", false, 200, 1, "a",
     0, 0, 0, AGAIN},
    {"GET", "HTTP/1.1 200 OK\r\n\r\nabc", false, 200, -1, "abc", 0, 0, 0, WAITS},
    {"GET", "HTTP/1.1 200 OK\r\n\r\nabc", true, 200, -1, "abc", 0, 0, 0, DONE},
    {"GET", "HTTP/1.1 200 OK\r\n\r\n", true, 200, -1, "", 0, 0, 0, DONE},
    {"GET", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabc", true, 200, 5, "abc", 0, 0, WEFT_ERR_CLOSED, DONE},
    {"GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", true, 200, -1, "abc", 0, 0,
     WEFT_ERR_CLOSED, DONE},
    {"GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n", true, 200, -1, "abc", 0, 0,
     WEFT_ERR_CLOSED, DONE},
    {"GET", "HTTP/1.1 200 OK\r\nContent-Le", true, 0, -1, "", 0, 0, WEFT_ERR_CLOSED, DONE},
    {"GET", "", true, 0, -1, "", 0, 0, WEFT_ERR_CLOSED, DONE},
    {"GET", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\naHTTP/1.1 200 OK\r\n\r\n", false, 200, 1, "a", 0, 0, 0, DONE},
    /* What no answer may be. */
    {"GET", "HTTP/1.1 200 OK\nContent-Length: 0\n\n", false, 0, -1, "", 0, 0, WEFT_ERR_INVALID, DONE},
    {"GET", "HTTP/1.1 200 OK\r\nX-A : b\r\n\r\n", false, 0, -1, "", 0, 0, WEFT_ERR_INVALID, DONE},
    {"GET", "HTTP/1.1 200 OK\r\nX-A: b\r\n c\r\n\r\n", false, 0, -1, "", 0, 0, WEFT_ERR_INVALID, DONE},
    {"GET", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\n", false, 0, -1, "", 0, 0, WEFT_ERR_INVALID, DONE},
    {"GET", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\nabc", false, 0, -1, "", 0, 0,
     WEFT_ERR_INVALID, DONE},
    {"GET", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", false, 0, -1, "", 0,
     0, WEFT_ERR_INVALID, DONE},
    {"GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nabc", false, 0, -1, "", 0, 0, WEFT_ERR_INVALID, DONE},
    {"GET", "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", false, 0, -1, "", 0, 0, WEFT_ERR_INVALID,
     DONE},
    {"GET", "HTTP/2.0 200 OK\r\n\r\n", false, 0, -1, "", 0, 0, WEFT_ERR_INVALID, DONE},
    {"GET", "HTTP/1.1  200 OK\r\n\r\n", false, 0, -1, "", 0, 0, WEFT_ERR_INVALID, DONE},
    {"GET", "HTTP/1.1 20 OK\r\n\r\n", false, 0, -1, "", 0, 0, WEFT_ERR_INVALID, DONE},
    {"GET", "HTTP/1.1 2000 OK\r\n\r\n", false, 0, -1, "", 0, 0, WEFT_ERR_INVALID, DONE},
    {"GET", "HTTP/1.1 600 OK\r\n\r\n", false, 0, -1, "", 0, 0, WEFT_ERR_INVALID, DONE},
    {"GET", "HTTP/1.1 099 OK\r\n\r\n", false, 0, -1, "", 0, 0, WEFT_ERR_INVALID, DONE},
    {"GET", "HTTP/1.1 200 OK\x01\r\n\r\n", false, 0, -1, "", 0, 0, WEFT_ERR_INVALID, DONE},
    {"GET", "SSH-2.0-OpenSSH_9.2\r\n", false, 0, -1, "", 0, 0, WEFT_ERR_INVALID, DONE},
    {"GET", "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n", false, 0, -1, "", 0, 0,
     WEFT_ERR_INVALID, DONE},
    {"GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\nabc\r\n", false, 200, -1, "", 0, 0,
     WEFT_ERR_INVALID, DONE},
    {"GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n10000000000000000\r\n", false, 200, -1, "", 0, 0,
     WEFT_ERR_INVALID, DONE},
    {"GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nContent-Length: 3\r\n\r\n", false, 200, -1, "",
     0, 0, WEFT_ERR_INVALID, DONE},
};

static void check_case(const struct answer_case *it, uint32_t seed)
{
    open_ask();
    ask_for(it->method);
    receive_split(it->bytes, seed);
    if (it->hangup) {
        weft_carrier_hangup(ask.carrier);
        settle();
    }
    struct weft_exchange *exchange = ask.exchange;
    assert_int_equal(exchange->answer_begun ? exchange->answer.status : 0, it->status);
    assert_int_equal(exchange->aborted[WEFT_WORKER], it->aborted);
    assert_int_equal(answer_flow()->ended, it->aborted == 0 && it->fate != WAITS);
    if (it->status) {
        assert_int_equal(answer_flow()->length, it->length);
        assert_int_equal(exchange->answer.fields.count, it->fields);
        assert_int_equal(answer_flow()->trailers.count, it->trailers);
    }
    assert_body(it->body);
    assert_int_equal(weft_carrier_done(ask.carrier), it->fate == DONE);
    assert_int_equal(weft_carrier_can_ask(ask.carrier), it->fate == AGAIN);
    assert_int_equal(weft_carrier_running(ask.carrier), it->fate == WAITS);
    close_ask();
}

static void test_answers(void **state)
{
    (void)state;
    for (size_t i = 0; i < WEFT_COUNT(answer_cases); i++) {
        for (uint32_t seed = 0; seed < SPLITS; seed++) {
            check_case(&answer_cases[i], seed);
        }
    }
}

static void test_endless_answers(void **state)
{
    (void)state;
    open_ask();
    ask_for("GET");
    int count = 0;
    for (; !weft_carrier_done(ask.carrier); count++) {
        assert_true(count < 100);
        receive("HTTP/1.1 102 Processing\r\n\r\n");
    }
    assert_true(count > 10);
    assert_int_equal(ask.exchange->aborted[WEFT_WORKER], WEFT_ERR_INVALID);
    close_ask();
    open_ask();
    ask_for("GET");
    receive("HTTP/1.1 200 OK\r\nX-A: ");
    for (count = 0; !weft_carrier_done(ask.carrier); count++) {
        assert_true(count < 7000);
        receive("ten bytes.");
    }
    assert_true(count > 6000);
    assert_int_equal(ask.exchange->aborted[WEFT_WORKER], WEFT_ERR_INVALID);
    close_ask();
}

static void test_used_again(void **state)
{
    (void)state;
    open_ask();
    for (int i = 0; i < 3; i++) {
        ask_for("GET");
        receive("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi");
        assert_true(answer_flow()->ended);
        leave(0);
    }
    assert_true(weft_carrier_can_ask(ask.carrier));
    receive("HTTP/1.1 408 Request Timeout\r\n\r\n"); /* nobody asked */
    assert_true(weft_carrier_done(ask.carrier));
    assert_false(weft_carrier_can_ask(ask.carrier));
    close_ask();
}

static void test_not_used_again_in_mid_request(void **state)
{
    (void)state;
    open_ask();
    make("POST", 6);
    write_text("abc");
    send_it();
    receive("HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n");
    assert_true(answer_flow()->ended);
    assert_true(weft_carrier_done(ask.carrier));
    close_ask();
}

static void test_asker_leaves(void **state)
{
    (void)state;
    open_ask();
    ask_for("GET");
    receive("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab");
    leave(WEFT_ERR_CANCELLED);
    settle();
    assert_true(weft_carrier_done(ask.carrier));
    assert_int_equal(weft_carrier_running(ask.carrier), 0);
    close_ask();
}

static void test_answer_body_waits(void **state)
{
    (void)state;
    open_ask();
    ask_for("GET");
    receive("HTTP/1.1 200 OK\r\n\r\n");
    static const char piece[1000];
    size_t got = 0;
    while (weft_carrier_wants_input(ask.carrier)) {
        weft_carrier_receive(ask.carrier, piece, sizeof(piece));
        got += sizeof(piece);
        assert_true(got <= WEFT_HTTP_FLOW_HIGH + sizeof(piece));
    }
    weft_exchange_take(ask.exchange, WEFT_ANSWER, got);
    settle();
    assert_true(weft_carrier_wants_input(ask.carrier));
    close_ask();
}

static void test_drain(void **state)
{
    (void)state;
    open_ask();
    weft_carrier_drain(ask.carrier);
    assert_true(weft_carrier_done(ask.carrier));
    close_ask();
    open_ask();
    ask_for("GET");
    weft_carrier_drain(ask.carrier);
    assert_false(weft_carrier_done(ask.carrier));
    receive("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    assert_true(answer_flow()->ended);
    assert_true(weft_carrier_done(ask.carrier));
    close_ask();
}

static void test_hangup_while_idle(void **state)
{
    (void)state;
    open_ask();
    weft_carrier_hangup(ask.carrier);
    assert_true(weft_carrier_done(ask.carrier));
    close_ask();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_request_without_body),
        cmocka_unit_test(test_request_with_length),
        cmocka_unit_test(test_request_in_chunks),
        cmocka_unit_test(test_unwritable_head),
        cmocka_unit_test(test_request_body_waits),
        cmocka_unit_test(test_continue),
        cmocka_unit_test(test_continue_never_comes),
        cmocka_unit_test(test_refused_instead_of_continue),
        cmocka_unit_test(test_answers),
        cmocka_unit_test(test_endless_answers),
        cmocka_unit_test(test_used_again),
        cmocka_unit_test(test_not_used_again_in_mid_request),
        cmocka_unit_test(test_asker_leaves),
        cmocka_unit_test(test_answer_body_waits),
        cmocka_unit_test(test_drain),
        cmocka_unit_test(test_hangup_while_idle),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
