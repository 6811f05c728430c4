/* tests/unit/http/h2_client_test.c - the h2 client and server back to back: whole exchanges, whatever size the pieces
 * have. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "http/limits.h"
#include "support/h2_frames.h"
#include "support/http_ends.h"

#define STREAMS 64

static struct ends_pair pair;
static struct ends_asker askers[STREAMS];

static void set_up(uint32_t seed)
{
    memset(askers, 0, sizeof(askers));
    assert_int_equal(ends_pair_init(&pair, seed, weft_h2_server_new, weft_h2_client_new), 0);
    ends_pump(&pair);
}

static void tear_down(void)
{
    assert_int_equal(pair.refused, 0);
    ends_pair_deinit(&pair);
    assert_int_equal(weft_mem_live(), 0);
}

static void test_one_exchange(void **state)
{
    (void)state;
    set_up(1);
    assert_true(ends_ask(&pair, &askers[0], "GET"));
    ends_pump(&pair);
    assert_true(askers[0].complete);
    assert_int_equal(askers[0].status, 200);
    assert_int_equal(weft_carrier_running(pair.client), 0);
    assert_int_equal(weft_carrier_running(pair.server), 0);
    tear_down();
}

static void test_many_streams_in_pieces(void **state)
{
    (void)state;
    for (uint32_t seed = 1; seed <= 6; seed++) {
        set_up(seed);
        pair.piece_max = seed == 1 ? 1 : seed * 1500;
        for (unsigned i = 0; i < STREAMS; i++) {
            askers[i] =
                (struct ends_asker){.seed = i, .to_send = seed == 1 ? i * 17 : i * i * 50, .with_trailers = i % 3 == 0};
            assert_true(ends_ask(&pair, &askers[i], "POST"));
            if (i % 5 == 0) {
                ends_pump(&pair);
            }
        }
        ends_pump(&pair);
        for (unsigned i = 0; i < STREAMS; i++) {
            assert_true(askers[i].complete);
            assert_false(askers[i].wrong);
            assert_int_equal(askers[i].got, askers[i].to_send);
            assert_string_equal(askers[i].trailer, i > 0 && i % 3 == 0 ? "42" : "");
        }
        tear_down();
    }
}

static void hold(void *self, struct weft_exchange *exchange)
{
    (void)self;
    (void)exchange;
}

static void test_the_asker_holds_its_body_back(void **state)
{
    (void)state;
    for (int refused = 0; refused < 2; refused++) {
        set_up(3);
        pair.work = hold;
        askers[0] = (struct ends_asker){.to_send = 3000};
        struct weft_exchange *exchange = ends_ask_new(&pair, &askers[0], "POST");
        exchange->expects_continue = true;
        assert_int_equal(weft_carrier_ask(pair.client, exchange), 0);
        ends_pump(&pair);
        assert_int_equal(askers[0].sent, 0);
        struct weft_exchange *at_worker = pair.workers[0].exchange;
        assert_true(at_worker->expects_continue);
        if (refused) {
            assert_int_equal(weft_exchange_reply(at_worker, 403, WEFT_SLICE(""), WEFT_SLICE("no")), 0);
        } else {
            weft_exchange_attach(at_worker, WEFT_WORKER, ends_echo, &pair.workers[0]);
        }
        ends_pump(&pair);
        if (refused) {
            assert_int_equal(askers[0].sent, 0);
            assert_int_equal(askers[0].status, 403);
            ends_worker_leave(&pair.workers[0], 0);
        } else {
            assert_true(askers[0].complete && !askers[0].wrong && askers[0].got == 3000);
        }
        assert_null(askers[0].exchange);
        tear_down();
    }
}

static void cancel(struct ends_asker *asker)
{
    weft_exchange_leave(asker->exchange, WEFT_ASKER, WEFT_ERR_CANCELLED);
    asker->exchange = NULL;
}

static void test_an_asker_that_gives_up(void **state)
{
    (void)state;
    set_up(4);
    for (unsigned i = 0; i < 3; i++) {
        askers[i] = (struct ends_asker){.to_send = 3000000, .reads = true};
        assert_true(ends_ask(&pair, &askers[i], "POST"));
    }
    cancel(&askers[0]); /* before anything was sent */
    weft_turn_run(&pair.turn);
    for (int i = 0; i < 40; i++) {
        ends_carry(&pair, pair.client, &pair.to_server, pair.server);
        ends_carry(&pair, pair.server, &pair.to_client, pair.client);
    }
    cancel(&askers[1]); /* in mid-body */
    ends_pump(&pair);
    assert_true(askers[2].complete && !askers[2].wrong);
    assert_int_equal(weft_carrier_running(pair.client), 0);
    assert_int_equal(weft_carrier_running(pair.server), 0);
    for (size_t i = 0; i < pair.workers_count; i++) {
        assert_null(pair.workers[i].exchange);
    }
    assert_int_equal(pair.workers_count, 2); /* the first was never heard of */
    assert_int_equal(pair.workers[0].left_with, WEFT_ERR_CANCELLED);
    for (unsigned i = 0; i < WEFT_HTTP_STREAMS_MAX; i++) { /* nothing of it takes up a place */
        struct ends_asker asker = {.to_send = 1};
        assert_true(ends_ask(&pair, &asker, "POST"));
        cancel(&asker);
    }
    ends_pump(&pair);
    assert_true(weft_carrier_can_ask(pair.client));
    tear_down();
}

/* -- a server of raw bytes -- */

static struct weft_carrier *client;
static struct h2_heard heard;
static struct weft_bytes wire;

static void go(void)
{
    char piece[4096];
    while (wire.size > 0) {
        size_t size = weft_bytes_read(&wire, piece, sizeof(piece));
        weft_carrier_receive(client, piece, size);
    }
    for (int i = 0; i < 3; i++) {
        struct weft_bytes output;
        weft_bytes_init(&output);
        weft_turn_run(&pair.turn);
        weft_carrier_fill(client, &output);
        h2_hear(&heard, &output);
    }
}

static void set_up_raw(const char *settings, size_t size)
{
    memset(askers, 0, sizeof(askers));
    pair = (struct ends_pair){0};
    weft_turn_init(&pair.turn);
    weft_bytes_init(&wire);
    h2_heard_init(&heard);
    struct weft_carrier_options options = {.turn = &pair.turn,
                                           .owner = {.self = &pair, .refused = ends_refused, .touched = ends_touched},
                                           .scheme = WEFT_SLICE("http")};
    assert_int_equal(weft_h2_client_new(&client, &options), 0);
    pair.client = client;
    struct weft_bytes output;
    weft_bytes_init(&output);
    weft_carrier_fill(client, &output);
    weft_bytes_drop(&output, sizeof(H2_MAGIC) - 1);
    h2_hear(&heard, &output);
    h2_frame(&wire, NGHTTP2_SETTINGS, 0, 0, settings, size);
    h2_frame(&wire, NGHTTP2_SETTINGS, ACK, 0, "", 0);
    go();
}

static void tear_down_raw(void)
{
    weft_carrier_free(client);
    weft_turn_run(&pair.turn);
    for (unsigned i = 0; i < STREAMS; i++) {
        assert_null(askers[i].exchange);
    }
    weft_bytes_deinit(&wire);
    h2_heard_deinit(&heard);
    weft_bytes_trim();
    assert_int_equal(weft_mem_live(), 0);
}

struct answer_case {
    const char *name;
    const char *lines[3]; /* heads, in turn */
    bool ends;            /* END_STREAM on the last */
    int status, failed_with;
    int64_t reset;
};

static void test_heads_of_answers(void **state)
{
    (void)state;
    static const struct answer_case cases[] = {
        {"plain", {":status=200\n"}, true, 200, 0, -1},
        {"no content", {":status=204\n"}, true, 204, 0, -1},
        {"after two hints", {":status=103\nlink=a\n", ":status=103\nlink=b\n", ":status=200\n"}, true, 200, 0, -1},
        {"after a continue nobody waits for", {":status=100\n", ":status=404\n"}, true, 404, 0, -1},
        {"with trailers", {":status=200\n", "x-sum=42\n"}, true, 200, 0, -1},
        {"a type in trailers", {":status=200\n", "content-type=a/b\n"}, true, 200, WEFT_ERR_CLOSED, -1},
        {"status 600", {":status=600\n"}, true, 0, WEFT_ERR_CLOSED, -1},
        {"status 000", {":status=000\n"}, true, 0, WEFT_ERR_CLOSED, -1},
        {"no status", {"x-a=b\n"}, true, 0, WEFT_ERR_CLOSED, NGHTTP2_PROTOCOL_ERROR},
        {"switching protocols", {":status=101\n"}, false, 0, WEFT_ERR_CLOSED, NGHTTP2_PROTOCOL_ERROR},
        {"a request's pseudo field", {":status=200\n:path=/\n"}, true, 0, WEFT_ERR_CLOSED, NGHTTP2_PROTOCOL_ERROR},
        {"a continue that ends", {":status=100\n"}, true, 0, WEFT_ERR_CLOSED, NGHTTP2_PROTOCOL_ERROR},
        {"connection", {":status=200\nconnection=close\n"}, true, 0, WEFT_ERR_CLOSED, NGHTTP2_PROTOCOL_ERROR},
        {"a control character", {":status=200\nx-a=b\x01\n"}, true, 0, WEFT_ERR_CLOSED, -1},
        {"a length and no body", {":status=200\ncontent-length=3\n"}, true, 0, WEFT_ERR_CLOSED, NGHTTP2_PROTOCOL_ERROR},
    };
    for (size_t i = 0; i < WEFT_COUNT(cases); i++) {
        const struct answer_case *c = &cases[i];
        set_up_raw("", 0);
        assert_true(ends_ask(&pair, &askers[0], "GET"));
        go();
        for (size_t j = 0; j < 3 && c->lines[j]; j++) {
            bool last = j == 2 || !c->lines[j + 1];
            h2_headers(&wire, END_HEADERS | (last && c->ends ? END_STREAM : 0), 1, c->lines[j], strlen(c->lines[j]));
            go();
        }
        if (askers[0].exchange || askers[0].status != c->status || askers[0].failed_with != c->failed_with ||
            heard.reset[0] != c->reset || heard.goaway) {
            fail_msg("%s: %d, %d, %d", c->name, askers[0].status, askers[0].failed_with, (int)heard.reset[0]);
        }
        if (c->failed_with == 0) {
            assert_true(weft_carrier_can_ask(client));
        }
        tear_down_raw();
    }
}

static void test_resets_of_answers(void **state)
{
    (void)state;
    static const int codes[][2] = {{NGHTTP2_REFUSED_STREAM, WEFT_ERR_REFUSED},
                                   {NGHTTP2_CANCEL, WEFT_ERR_CLOSED},
                                   {NGHTTP2_INTERNAL_ERROR, WEFT_ERR_CLOSED},
                                   {NGHTTP2_NO_ERROR, WEFT_ERR_CLOSED}};
    set_up_raw("", 0);
    for (unsigned i = 0; i < WEFT_COUNT(codes); i++) {
        assert_true(ends_ask(&pair, &askers[i], "GET"));
        go();
        char code[4] = {0, 0, 0, (char)codes[i][0]};
        h2_frame(&wire, NGHTTP2_RST_STREAM, 0, 2 * i + 1, code, sizeof(code));
        go();
        assert_null(askers[i].exchange);
        assert_int_equal(askers[i].failed_with, codes[i][1]);
    }
    /* A whole answer, then a reset that says the request's rest is not wanted (RFC 9113 8.1). */
    askers[5] = (struct ends_asker){.to_send = 3000000};
    assert_true(ends_ask(&pair, &askers[5], "POST"));
    go();
    h2_headers(&wire, END_STREAM | END_HEADERS, 9, ":status=413\n", 12);
    h2_frame(&wire, NGHTTP2_RST_STREAM, 0, 9, "\0\0\0\0", 4);
    go();
    assert_int_equal(askers[5].status, 413);
    assert_null(askers[5].exchange);
    assert_int_equal(weft_carrier_running(client), 0);
    tear_down_raw();
}

static void test_a_goaway_says_what_was_not_worked_on(void **state)
{
    (void)state;
    set_up_raw("", 0);
    for (unsigned i = 0; i < 3; i++) {
        assert_true(ends_ask(&pair, &askers[i], "GET"));
    }
    go();
    h2_frame(&wire, NGHTTP2_GOAWAY, 0, 0, "\0\0\0\x01\0\0\0\0", 8);
    go();
    assert_false(weft_carrier_can_ask(client));
    assert_non_null(askers[0].exchange);
    assert_int_equal(askers[1].failed_with, WEFT_ERR_REFUSED);
    assert_int_equal(askers[2].failed_with, WEFT_ERR_REFUSED);
    assert_false(weft_carrier_done(client));
    h2_headers(&wire, END_STREAM | END_HEADERS, 1, ":status=200\n", 12);
    go();
    assert_true(askers[0].complete);
    assert_true(weft_carrier_done(client));
    tear_down_raw();
}

static void test_the_peers_stream_limit(void **state)
{
    (void)state;
    set_up_raw("\0\x03\0\0\0\x02", 6);
    assert_true(ends_ask(&pair, &askers[0], "GET"));
    assert_true(weft_carrier_can_ask(client));
    assert_true(ends_ask(&pair, &askers[1], "GET"));
    assert_false(weft_carrier_can_ask(client));
    assert_false(ends_ask(&pair, &askers[2], "GET"));
    go();
    assert_int_equal(askers[2].failed_with, WEFT_ERR_REFUSED);
    h2_headers(&wire, END_STREAM | END_HEADERS, 3, ":status=200\n", 12);
    go();
    assert_true(weft_carrier_can_ask(client));
    tear_down_raw();
}

static void test_a_hostile_server(void **state)
{
    (void)state;
    for (int round = 0; round < 8; round++) {
        int i = round % 4;
        bool told = round < 4;
        set_up_raw("", 0);
        client->options.owner.refused = told ? ends_refused : NULL; /* a client's owner need not want to know */
        assert_true(ends_ask(&pair, &askers[0], "GET"));
        go();
        if (i == 0) {
            h2_frame(&wire, NGHTTP2_PUSH_PROMISE, END_HEADERS, 1, "\0\0\0\x02\x82", 5);
        }
        for (int j = 0; i == 1 && j < 1200; j++) {
            h2_headers(&wire, END_HEADERS, 1, ":status=103\n", 12);
        }
        for (int j = 0; i == 2 && j < 100; j++) {
            h2_frame(&wire, NGHTTP2_PING, 0, 0, "12345678", 8);
        }
        if (i == 3) {
            h2_append(&wire, "HTTP/1.1 400 Bad Request\r\n\r\n", 28);
        }
        go();
        if (!heard.goaway || !weft_carrier_done(client) || pair.refused != (told ? 1 : 0)) {
            fail_msg("%d: %d, %d, %u", i, heard.goaway, weft_carrier_done(client), pair.refused);
        }
        assert_int_equal(askers[0].failed_with, WEFT_ERR_CLOSED);
        tear_down_raw();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_exchange),
        cmocka_unit_test(test_many_streams_in_pieces),
        cmocka_unit_test(test_the_asker_holds_its_body_back),
        cmocka_unit_test(test_an_asker_that_gives_up),
        cmocka_unit_test(test_heads_of_answers),
        cmocka_unit_test(test_resets_of_answers),
        cmocka_unit_test(test_a_goaway_says_what_was_not_worked_on),
        cmocka_unit_test(test_the_peers_stream_limit),
        cmocka_unit_test(test_a_hostile_server),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
