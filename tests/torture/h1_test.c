/* tests/torture/h1_test.c - two exchanges on one HTTP/1.1 connection, client and server carrier back to back, with each
 * allocation failed in turn. Nothing leaks; and an exchange either is what it should be, or says that it failed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "unit/http/h1_stage.h"

#define ROUNDS_MAX 10000 /* far more allocations than the scenario has */
#define PIECE      ((size_t)3000)

enum verdict { WENT_WELL, FAILED, LIED };

static void on_touched(void *self)
{
    (void)self; /* every step is looked after anyway */
}

static void on_wake(void *self, struct weft_exchange *exchange)
{
    (void)self;
    (void)exchange; /* looked at when nothing moves any more */
}

/* Carries bytes both ways until nothing moves. */
static void pump(struct stage *stage, struct weft_carrier *client)
{
    size_t moved;
    do {
        moved = 0;
        struct weft_bytes output = {0};
        weft_turn_run(&stage->turn);
        weft_carrier_fill(client, &output);
        for (; output.size > 0; moved++) {
            struct weft_slice front = weft_bytes_front(&output);
            stage_receive(stage, front.data, front.size);
            weft_bytes_drop(&output, front.size);
        }
        stage_settle(stage);
        for (size_t at = 0, part; at < stage->sent_size; at += part, moved++) {
            part = stage->sent_size - at < 700 ? stage->sent_size - at : 700;
            weft_carrier_receive(client, stage->sent + at, part);
        }
        stage->sent_size = 0;
        if (weft_carrier_done(stage->carrier) && !weft_carrier_done(client)) {
            weft_carrier_hangup(client);
            moved++;
        }
        weft_turn_run(&stage->turn);
    } while (moved > 0);
}

/* Puts the request in: 0, or the error of it. */
static int put_request(struct weft_exchange *exchange, bool body)
{
    static const char piece[PIECE];
    int error = weft_fields_add(&exchange->request.fields, &exchange->arena, WEFT_SLICE("x-a"), WEFT_SLICE("b"));
    if (body) {
        if (error == 0) {
            error = weft_exchange_write(exchange, WEFT_REQUEST, piece, sizeof(piece));
        }
        if (error == 0) {
            error = weft_fields_add(&exchange->flows[WEFT_REQUEST].trailers, &exchange->arena, WEFT_SLICE("x-sum"),
                                    WEFT_SLICE("7"));
        }
    } else {
        exchange->flows[WEFT_REQUEST].length = 0;
    }
    return error;
}

static enum verdict judge(const struct weft_exchange *exchange, bool body)
{
    const struct weft_flow *answer = &exchange->flows[WEFT_ANSWER];
    if (!answer->ended) {
        return exchange->aborted[WEFT_WORKER] ? FAILED : LIED;
    }
    if (exchange->answer.status >= 500) {
        return FAILED;
    }
    /* The echo: "POST a.test /x 1 1\n" and the body, or "GET a.test /x 1 0\n". */
    size_t expected = body ? strlen("POST a.test /x 1 1\n") + 2 * PIECE : strlen("GET a.test /x 1 0\n");
    return exchange->answer.status == 200 && answer->bytes.size == expected ? WENT_WELL : LIED;
}

static enum verdict ask(struct stage *stage, struct weft_carrier *client, bool body)
{
    static const char piece[PIECE];
    struct weft_exchange *exchange;
    if (weft_exchange_new(&exchange, &stage->turn) < 0) {
        return FAILED;
    }
    exchange->request.method = body ? WEFT_SLICE("POST") : WEFT_SLICE("GET");
    exchange->request.authority = WEFT_SLICE("a.test");
    exchange->request.target = WEFT_SLICE("/x");
    weft_exchange_attach(exchange, WEFT_ASKER, on_wake, NULL);
    int error = put_request(exchange, body);
    if (error == 0) {
        error = weft_carrier_can_ask(client) ? weft_carrier_ask(client, exchange) : WEFT_ERR_CLOSED;
    }
    if (error < 0) {
        weft_exchange_leave(exchange, WEFT_WORKER, error); /* it stayed ours */
        weft_exchange_leave(exchange, WEFT_ASKER, error);
        return FAILED;
    }
    pump(stage, client);
    if (body) {
        error = weft_exchange_write(exchange, WEFT_REQUEST, piece, sizeof(piece));
    }
    if (error == 0) {
        weft_exchange_end(exchange, WEFT_REQUEST);
        pump(stage, client);
    }
    enum verdict verdict = error < 0 ? FAILED : judge(exchange, body);
    weft_exchange_leave(exchange, WEFT_ASKER, error);
    pump(stage, client);
    return verdict;
}

static enum verdict run(void)
{
    struct stage stage;
    struct weft_carrier *client = NULL;
    enum verdict verdict = FAILED;
    int error = stage_open(&stage, 0);
    if (error == 0) {
        struct weft_carrier_options options = {
            .turn = &stage.turn, .owner = {.self = &stage, .touched = on_touched}, .scheme = WEFT_SLICE("http")};
        error = weft_h1_client_new(&client, &options);
    }
    if (error == 0) {
        verdict = ask(&stage, client, true);
    }
    if (verdict == WENT_WELL) {
        verdict = ask(&stage, client, false);
    }
    weft_carrier_free(client);
    stage_close(&stage);
    weft_bytes_trim();
    return verdict;
}

static void test_each_allocation_fails(void **state)
{
    (void)state;
    weft_bytes_trim();
    int64_t live = weft_mem_live();
    assert_int_equal(run(), WENT_WELL);
    assert_int_equal(weft_mem_live(), live);
    uint64_t at = 1;
    size_t failed = 0;
    for (;; at++) {
        assert_true(at < ROUNDS_MAX);
        weft_mem_fail_at(at);
        enum verdict verdict = run();
        bool came_to_it = weft_mem_failed();
        weft_mem_fail_at(0);
        if (verdict == LIED || weft_mem_live() != live) {
            print_error("allocation %llu: verdict %d, %lld left\n", (unsigned long long)at, verdict,
                        (long long)(weft_mem_live() - live));
        }
        assert_true(verdict != LIED);
        assert_int_equal(weft_mem_live(), live);
        if (!came_to_it) {
            assert_int_equal(verdict, WENT_WELL);
            break;
        }
        failed += verdict == FAILED;
    }
    print_message("%llu allocations failed in turn, %zu of them ended an exchange\n", (unsigned long long)at - 1,
                  failed);
    assert_true(failed > 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_each_allocation_fails)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
