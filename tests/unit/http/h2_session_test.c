/* tests/unit/http/h2_session_test.c - windows, the end of a connection, and memory that runs out, on both sides. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "http/h2_session.h"
#include "support/http_ends.h"

#define MIB ((uint64_t)1 << 20)

static struct ends_pair pair;
static struct ends_asker askers[9];

static void set_up(uint32_t seed)
{
    memset(askers, 0, sizeof(askers));
    assert_int_equal(ends_pair_init(&pair, seed, weft_h2_server_new, weft_h2_client_new), 0);
    pair.piece_max = 50000;
    ends_pump(&pair);
}

static void tear_down(void)
{
    ends_pair_deinit(&pair);
    assert_int_equal(weft_mem_live(), 0);
}

static void ask(size_t i, uint64_t size)
{
    askers[i] = (struct ends_asker){.seed = (unsigned)i, .to_send = size};
    assert_true(ends_ask(&pair, &askers[i], "POST"));
}

static void test_a_slow_worker_stops_its_sender_only(void **state)
{
    (void)state;
    set_up(1);
    ask(0, 3 * MIB);
    weft_turn_run(&pair.turn);
    weft_carrier_fill(pair.client, &pair.to_server);
    while (pair.workers_count == 0) {
        assert_true(ends_carry(&pair, pair.client, &pair.to_server, pair.server));
    }
    pair.workers[0].holds_answer = true;
    ends_pump(&pair);
    uint64_t held = pair.workers[0].exchange->flows[WEFT_REQUEST].bytes.size;
    assert_true(held <= WEFT_HTTP_WINDOW && held > WEFT_HTTP_WINDOW / 2);
    assert_true(askers[0].sent < 3 * MIB);

    for (size_t i = 1; i < 4; i++) { /* more than what is left of a connection window of 1 MiB */
        ask(i, MIB);
    }
    ends_pump(&pair);
    for (size_t i = 1; i < 4; i++) {
        assert_true(askers[i].complete && !askers[i].wrong && askers[i].got == MIB);
    }

    pair.workers[0].holds_answer = false;
    ends_echo(&pair.workers[0], pair.workers[0].exchange);
    ends_pump(&pair);
    assert_true(askers[0].complete && !askers[0].wrong && askers[0].got == 3 * MIB);
    tear_down();
}

static void hold_all(void *self, struct weft_exchange *exchange)
{
    struct ends_worker *worker = self;
    if (exchange->aborted[WEFT_ASKER]) {
        worker->left_with = exchange->aborted[WEFT_ASKER];
        ends_worker_leave(worker, 0);
    }
}

static void test_what_all_streams_hold_is_bounded(void **state)
{
    (void)state;
    set_up(2);
    pair.work = hold_all;
    for (size_t i = 0; i < 8; i++) {
        ask(i, 2 * MIB);
    }
    ends_pump(&pair);
    uint64_t held = 0;
    for (size_t i = 0; i < 8; i++) {
        held += pair.workers[i].exchange->flows[WEFT_REQUEST].bytes.size;
    }
    assert_true(held > WEFT_H2_HELD_MAX);
    assert_true(held <= WEFT_H2_HELD_MAX + WEFT_HTTP_WINDOW);

    ask(8, 100); /* it cannot send, and that is not its fault */
    ends_pump(&pair);
    assert_int_equal(pair.workers[8].exchange->flows[WEFT_REQUEST].written, 0);
    for (int i = 0; i < 3; i++) {
        pair.turn.now += WEFT_HTTP_IDLE_TIMEOUT;
        weft_carrier_expire(pair.server);
        ends_pump(&pair);
    }
    assert_int_equal(pair.refused, 0);
    for (size_t i = 0; i < 9; i++) {
        weft_exchange_attach(pair.workers[i].exchange, WEFT_WORKER, ends_echo, &pair.workers[i]);
    }
    ends_pump(&pair);
    for (size_t i = 0; i < 8; i++) {
        assert_true(askers[i].complete && !askers[i].wrong && askers[i].got == 2 * MIB);
    }
    assert_true(askers[8].complete && !askers[8].wrong);
    tear_down();
}

static void test_a_slow_reader_stops_its_worker_only(void **state)
{
    (void)state;
    set_up(3);
    ask(0, 4 * MIB);
    askers[0].reads = false;
    ends_pump(&pair);
    assert_true(pair.workers[0].got < 3 * MIB);
    assert_true(askers[0].exchange->flows[WEFT_ANSWER].bytes.size <= WEFT_HTTP_WINDOW);
    ask(1, 2 * MIB);
    ends_pump(&pair);
    assert_true(askers[1].complete && !askers[1].wrong);
    askers[0].reads = true;
    ends_asker_wake(&askers[0], askers[0].exchange);
    ends_pump(&pair);
    assert_true(askers[0].complete && !askers[0].wrong && askers[0].got == 4 * MIB);
    tear_down();
}

static void test_output_stops_at_its_mark(void **state)
{
    (void)state;
    set_up(4);
    struct weft_bytes output;
    weft_bytes_init(&output);
    ask(0, MIB);
    weft_turn_run(&pair.turn);
    for (int turns = 0; turns < 40; turns++) {
        weft_carrier_fill(pair.client, &output);
        weft_turn_run(&pair.turn);
    }
    assert_true(output.size >= WEFT_HTTP_OUTPUT_HIGH);
    assert_true(output.size < WEFT_HTTP_OUTPUT_HIGH + 20000);
    weft_bytes_deinit(&output);
    tear_down();
}

static void test_free_with_streams_running(void **state)
{
    (void)state;
    for (int first = 0; first < 2; first++) {
        set_up(5);
        pair.work = hold_all;
        ask(0, 3 * MIB);
        ask(1, 10);
        ends_pump(&pair);
        assert_int_equal(weft_carrier_running(pair.client), 2);
        assert_int_equal(weft_carrier_running(pair.server), 2);
        struct weft_carrier **gone = first ? &pair.client : &pair.server;
        weft_carrier_free(*gone);
        *gone = NULL;
        weft_turn_run(&pair.turn);
        if (first) {
            assert_int_equal(askers[0].failed_with, WEFT_ERR_CLOSED);
            assert_null(askers[1].exchange);
        } else {
            assert_int_equal(pair.workers[0].left_with, WEFT_ERR_CANCELLED);
            assert_null(pair.workers[1].exchange);
        }
        tear_down();
    }
}

static void test_hangup(void **state)
{
    (void)state;
    set_up(6);
    pair.work = hold_all;
    ask(0, 100);
    ask(1, 0);
    ends_pump(&pair);
    ends_echo(&pair.workers[1], pair.workers[1].exchange); /* answered, not yet sent */
    weft_carrier_hangup(pair.server);
    weft_turn_run(&pair.turn);
    assert_int_equal(pair.workers[0].left_with, WEFT_ERR_CANCELLED);
    assert_int_equal(weft_carrier_running(pair.server), 1);
    ends_pump(&pair);
    assert_true(askers[1].complete);
    assert_true(weft_carrier_done(pair.server));
    assert_false(weft_carrier_wants_input(pair.server));

    weft_carrier_hangup(pair.client);
    weft_turn_run(&pair.turn);
    assert_true(weft_carrier_done(pair.client));
    assert_false(weft_carrier_can_ask(pair.client));
    assert_int_equal(askers[0].failed_with, WEFT_ERR_CLOSED);
    tear_down();
}

static void test_drain(void **state)
{
    (void)state;
    for (int client = 0; client < 2; client++) {
        set_up(7);
        ask(0, MIB);
        for (int i = 0; i < 5; i++) {
            ends_carry(&pair, pair.client, &pair.to_server, pair.server);
            ends_carry(&pair, pair.server, &pair.to_client, pair.client);
        }
        struct weft_carrier *drained = client ? pair.client : pair.server;
        weft_carrier_drain(drained);
        assert_false(weft_carrier_done(drained));
        ends_pump(&pair);
        assert_true(askers[0].complete && !askers[0].wrong);
        assert_true(weft_carrier_done(drained));
        assert_false(weft_carrier_can_ask(pair.client));
        tear_down();
    }
}

/* One whole life: two carriers, exchanges with bodies and trailers, one cancelled, one refused; then the end. */
static void live_once(void)
{
    memset(askers, 0, sizeof(askers));
    if (ends_pair_init(&pair, 9, weft_h2_server_new, weft_h2_client_new) < 0) {
        return;
    }
    askers[0] = (struct ends_asker){.seed = 1, .to_send = 40000, .with_trailers = true};
    askers[1] = (struct ends_asker){.seed = 2, .to_send = 500};
    askers[2] = (struct ends_asker){.seed = 3};
    bool first = ends_ask(&pair, &askers[0], "POST"), second = ends_ask(&pair, &askers[1], "POST");
    bool third = ends_ask(&pair, &askers[2], "CONNECT");
    (void)first, (void)third; /* where one fails, its asker's wake has left */
    for (int i = 0; i < 3; i++) {
        ends_carry(&pair, pair.client, &pair.to_server, pair.server);
    }
    weft_turn_run(&pair.turn);
    if (second && askers[1].exchange) {
        weft_exchange_leave(askers[1].exchange, WEFT_ASKER, WEFT_ERR_CANCELLED);
        askers[1].exchange = NULL;
    }
    ends_pump(&pair);
    weft_carrier_drain(pair.server);
    ends_pump(&pair);
    ends_pair_deinit(&pair);
}

static void test_each_allocation_fails_in_turn(void **state)
{
    (void)state;
    weft_bytes_trim();
    int64_t before = weft_mem_live();
    uint64_t at = 0;
    do {
        weft_mem_fail_at(++at);
        live_once();
        for (size_t i = 0; i < 3; i++) {
            assert_null(askers[i].exchange);
        }
        for (size_t i = 0; i < pair.workers_count; i++) {
            assert_null(pair.workers[i].exchange);
        }
        assert_int_equal(weft_mem_live(), before);
    } while (weft_mem_failed());
    weft_mem_fail_at(0);
    assert_true(at > 60);
    assert_true(askers[0].complete && !askers[0].wrong);
    assert_string_equal(askers[0].trailer, "42");
}

/* What frames comes from the carrier alone, whatever stands in the exchange. */
static void test_framing_is_not_written_twice(void **state)
{
    (void)state;
    struct weft_h2_head head = {.count = 0};
    struct weft_field at[] = {{WEFT_SLICE("content-length"), WEFT_SLICE("1")},
                              {WEFT_SLICE("content-type"), WEFT_SLICE("text/plain")},
                              {WEFT_SLICE("transfer-encoding"), WEFT_SLICE("chunked")}};
    const struct weft_fields fields = {.at = at, .count = WEFT_COUNT(at), .room = WEFT_COUNT(at)};
    weft_h2_head_add_fields(&head, &fields);
    assert_int_equal(head.count, 1);
    assert_memory_equal(head.at[0].name, "content-type", head.at[0].namelen);
}

/* -- how many at once -- */

static int trusted_server_new(struct weft_carrier **out, const struct weft_carrier_options *options)
{
    struct weft_carrier_options trusted = *options;
    trusted.trusted = true;
    return weft_h2_server_new(out, &trusted);
}

static int trusted_client_new(struct weft_carrier **out, const struct weft_carrier_options *options)
{
    struct weft_carrier_options trusted = *options;
    trusted.trusted = true;
    return weft_h2_client_new(out, &trusted);
}

static size_t ask_while_it_can(void)
{
    static struct ends_asker many[WEFT_HTTP_LINK_STREAMS + 1];
    size_t count = 0;
    ends_pump(&pair); /* both have the other's SETTINGS */
    while (count < WEFT_COUNT(many) && weft_carrier_can_ask(pair.client)) {
        many[count] = (struct ends_asker){.to_send = 1};
        assert_true(ends_ask(&pair, &many[count++], "POST"));
    }
    for (size_t i = 0; i < count; i++) {
        weft_exchange_leave(many[i].exchange, WEFT_ASKER, WEFT_ERR_CANCELLED);
    }
    ends_pump(&pair);
    assert_true(weft_carrier_can_ask(pair.client));
    return count;
}

static void test_a_trusted_link_carries_more_streams(void **state)
{
    (void)state;
    set_up(1);
    assert_int_equal(ask_while_it_can(), WEFT_HTTP_STREAMS_MAX);
    tear_down();
    assert_int_equal(ends_pair_init(&pair, 1, trusted_server_new, weft_h2_client_new), 0);
    assert_int_equal(ask_while_it_can(), WEFT_HTTP_STREAMS_MAX);
    tear_down();
    assert_int_equal(ends_pair_init(&pair, 1, weft_h2_server_new, trusted_client_new), 0);
    assert_int_equal(ask_while_it_can(), WEFT_HTTP_STREAMS_MAX); /* the peer's limit is kept */
    tear_down();
    assert_int_equal(ends_pair_init(&pair, 1, trusted_server_new, trusted_client_new), 0);
    assert_int_equal(ask_while_it_can(), WEFT_HTTP_LINK_STREAMS);
    tear_down();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_trusted_link_carries_more_streams),
        cmocka_unit_test(test_a_slow_worker_stops_its_sender_only),
        cmocka_unit_test(test_what_all_streams_hold_is_bounded),
        cmocka_unit_test(test_a_slow_reader_stops_its_worker_only),
        cmocka_unit_test(test_output_stops_at_its_mark),
        cmocka_unit_test(test_free_with_streams_running),
        cmocka_unit_test(test_hangup),
        cmocka_unit_test(test_drain),
        cmocka_unit_test(test_framing_is_not_written_twice),
        cmocka_unit_test(test_each_allocation_fails_in_turn),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
