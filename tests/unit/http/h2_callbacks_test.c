/* tests/unit/http/h2_callbacks_test.c - what frames without progress cost the peer, and which cost nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "http/h2_session.h"
#include "support/h2_raw_server.h"

#define FLOOD (WEFT_HTTP_GLITCHES_BURST + 50)

static void assert_calmed(void)
{
    assert_true(heard.goaway);
    assert_int_equal(heard.goaway_code, NGHTTP2_ENHANCE_YOUR_CALM);
    assert_true(weft_carrier_done(pair.server));
    assert_false(weft_carrier_wants_input(pair.server));
}

/* Opens a stream and resets it, `count` times. */
static void reset_many(uint32_t count)
{
    for (uint32_t i = 0; i < count && !heard.goaway; i++) {
        uint32_t id = 2 * (i % (H2_STREAMS_MAX - 1)) + 1;
        if (i < H2_STREAMS_MAX - 1) {
            h2_headers(&wire, WHOLE, id, TEXT(GET));
        }
        h2_frame(&wire, NGHTTP2_RST_STREAM, 0, id, "\0\0\0\x08", 4);
        if (i % 50 == 0) {
            go();
        }
    }
    go();
}

static void test_rapid_resets(void **state)
{
    (void)state;
    set_up();
    reset_many(WEFT_HTTP_GLITCHES_BURST - 50);
    assert_false(heard.goaway);
    reset_many(100);
    assert_calmed();
    assert_int_equal(weft_carrier_running(pair.server), 0);
    tear_down();

    start(true, 0);
    greet();
    reset_many(3 * WEFT_HTTP_GLITCHES_BURST);
    assert_false(heard.goaway);
    tear_down();
}

static void test_resets_that_are_provoked(void **state)
{
    (void)state;
    set_up();
    for (uint32_t i = 0; i < FLOOD && !heard.goaway; i++) {
        h2_headers(&wire, WHOLE, 2 * i + 1, TEXT(":method=GET\n"));
        go();
    }
    assert_calmed();
    tear_down();
}

static void test_headers_of_closed_streams(void **state)
{
    (void)state;
    set_up();
    h2_headers(&wire, WHOLE, 2001, TEXT(":method=GET\n"));
    for (int i = 0; i < FLOOD; i++) {
        h2_headers(&wire, WHOLE, 1, TEXT(GET));
    }
    go();
    assert_calmed();
    assert_int_equal(pair.workers_count, 0);
    tear_down();
}

static void test_pings_at_a_bearable_pace(void **state)
{
    (void)state;
    set_up();
    for (int second = 0; second < 60; second++) {
        for (int i = 0; i < WEFT_HTTP_GLITCHES_PER_S; i++) {
            h2_frame(&wire, NGHTTP2_PING, 0, 0, "12345678", 8);
            go();
        }
        pair.turn.now += WEFT_SECOND;
    }
    assert_false(heard.goaway);
    assert_int_equal(heard.pings_acked, 60 * WEFT_HTTP_GLITCHES_PER_S);
    for (int i = 0; i < FLOOD && !heard.goaway; i++) {
        h2_frame(&wire, NGHTTP2_PING, 0, 0, "12345678", 8);
        go();
    }
    assert_calmed();
    tear_down();
}

static void test_window_updates_are_earned_by_data(void **state)
{
    (void)state;
    static char event[200];
    set_up();
    struct weft_exchange *exchange = ask(WHOLE, 1, TEXT(GET));
    begin(exchange, 200);
    for (int i = 0; i < 3 * WEFT_HTTP_GLITCHES_BURST; i++) {
        assert_int_equal(weft_exchange_write(exchange, WEFT_ANSWER, event, sizeof(event)), 0);
        go();
        h2_frame(&wire, NGHTTP2_WINDOW_UPDATE, 0, 0, "\0\0\0\xc8", 4);
        h2_frame(&wire, NGHTTP2_WINDOW_UPDATE, 0, 1, "\0\0\0\xc8", 4);
        go();
    }
    assert_false(heard.goaway);
    for (int i = 0; i < FLOOD; i++) {
        h2_frame(&wire, NGHTTP2_WINDOW_UPDATE, 0, 1, "\0\0\0\x01", 4);
    }
    go();
    assert_calmed();
    assert_int_equal(pair.workers[0].left_with, WEFT_ERR_CANCELLED);
    tear_down();
}

static void test_answers_that_nobody_reads(void **state)
{
    (void)state;
    set_up();
    for (int i = 0; i <= WEFT_H2_ACKS_MAX; i++) {
        struct weft_bytes ping;
        char frame[17];
        weft_bytes_init(&ping);
        h2_frame(&ping, NGHTTP2_PING, 0, 0, "12345678", 8);
        weft_carrier_receive(pair.server, frame, weft_bytes_read(&ping, frame, sizeof(frame)));
    }
    go();
    assert_calmed();
    tear_down();

    set_up(); /* resets that nobody reads: nothing more is read from that peer */
    for (uint32_t i = 0; weft_carrier_wants_input(pair.server); i++) {
        assert_true(i <= WEFT_H2_QUEUE_MAX);
        char bytes[64];
        struct weft_bytes headers;
        weft_bytes_init(&headers);
        h2_headers(&headers, WHOLE, 2 * i + 1, TEXT(":method=GET\n"));
        weft_carrier_receive(pair.server, bytes, weft_bytes_read(&headers, bytes, sizeof(bytes)));
    }
    tear_down();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rapid_resets),
        cmocka_unit_test(test_resets_that_are_provoked),
        cmocka_unit_test(test_headers_of_closed_streams),
        cmocka_unit_test(test_pings_at_a_bearable_pace),
        cmocka_unit_test(test_window_updates_are_earned_by_data),
        cmocka_unit_test(test_answers_that_nobody_reads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
