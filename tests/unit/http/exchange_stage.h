/* tests/unit/http/exchange_stage.h - one exchange with a counter at each end, in a turn run by hand, and the check
 * that nothing is left of it. */
#ifndef WEFT_TESTS_UNIT_HTTP_EXCHANGE_STAGE_H
#define WEFT_TESTS_UNIT_HTTP_EXCHANGE_STAGE_H

#include "base/error.h"
#include "base/mem.h"
#include "http/exchange.h"
#include "http/limits.h"

static struct weft_turn turn;
static struct weft_exchange *exchange;
static struct end {
    unsigned wakes;
    struct weft_exchange *woken_for;
    void (*act)(void); /* done in the wake, once */
} ends[2], other_end;
static int64_t live_before;
static unsigned depth; /* wakes on the stack */

static void on_wake(void *self, struct weft_exchange *woken)
{
    struct end *end = self;
    assert_int_equal(depth, 0);
    depth++;
    end->wakes++;
    end->woken_for = woken;
    void (*act)(void) = end->act;
    end->act = NULL;
    if (act) {
        act();
    }
    depth--;
}

static int set_up_bare(void **state)
{
    (void)state;
    weft_bytes_trim();
    live_before = weft_mem_live();
    weft_turn_init(&turn);
    memset(ends, 0, sizeof(ends));
    other_end = (struct end){0};
    depth = 0;
    return weft_exchange_new(&exchange, &turn);
}

/* Both ends attached, and the worker's first wake behind us. */
static int set_up(void **state)
{
    if (set_up_bare(state) < 0) {
        return -1;
    }
    weft_exchange_attach(exchange, WEFT_ASKER, on_wake, &ends[WEFT_ASKER]);
    weft_exchange_attach(exchange, WEFT_WORKER, on_wake, &ends[WEFT_WORKER]);
    weft_turn_run(&turn);
    memset(ends, 0, sizeof(ends));
    return 0;
}

static void leave(enum weft_end end, int why)
{
    weft_exchange_leave(exchange, end, why);
}

/* Every test leaves with the ends it still has, and then nothing may be left. */
static int tear_down(void **state)
{
    (void)state;
    if (exchange) {
        for (int end = WEFT_ASKER; end <= WEFT_WORKER; end++) {
            bool last = exchange->ends[1 - end].gone;
            if (!exchange->ends[end].gone) {
                leave((enum weft_end)end, 0);
                if (last) {
                    break;
                }
            }
        }
        exchange = NULL;
    }
    weft_turn_run(&turn);
    weft_bytes_trim();
    return weft_mem_live() == live_before ? 0 : -1;
}

/* Nobody has been woken yet, and then the turn brings exactly these wakes. */
static void expect_wakes(unsigned asker, unsigned worker)
{
    assert_int_equal(ends[WEFT_ASKER].wakes, 0);
    assert_int_equal(ends[WEFT_WORKER].wakes, 0);
    weft_turn_run(&turn);
    assert_int_equal(ends[WEFT_ASKER].wakes, asker);
    assert_int_equal(ends[WEFT_WORKER].wakes, worker);
    ends[WEFT_ASKER].wakes = ends[WEFT_WORKER].wakes = 0;
}

static void write_text(enum weft_way way, const char *text)
{
    assert_int_equal(weft_exchange_write(exchange, way, text, strlen(text)), 0);
}

static void expect_body(enum weft_way way, const char *text)
{
    char got[256];
    size_t size = weft_bytes_tail(&exchange->flows[way].bytes, got, sizeof(got) - 1);
    got[size] = '\0';
    assert_string_equal(got, text);
    assert_int_equal(exchange->flows[way].bytes.size, strlen(text));
}

static void move_text(enum weft_way way, const char *text)
{
    struct weft_bytes from;
    weft_bytes_init(&from);
    assert_int_equal(weft_bytes_append(&from, text, strlen(text)), 0);
    assert_int_equal(weft_exchange_move(exchange, way, &from), 0);
    assert_int_equal(from.size, 0);
    weft_bytes_deinit(&from);
}

static void begin_answer(int status)
{
    exchange->answer.status = status;
    weft_exchange_begin_answer(exchange);
}

static void reply_text(int status, const char *text)
{
    assert_int_equal(weft_exchange_reply(exchange, status, WEFT_SLICE("text/plain"), weft_slice_text(text)), 0);
}

static void do_everything(void)
{
    write_text(WEFT_REQUEST, "a");
    move_text(WEFT_REQUEST, "b");
    weft_exchange_end(exchange, WEFT_REQUEST);
    weft_exchange_want_body(exchange);
    begin_answer(200);
    write_text(WEFT_ANSWER, "c");
    write_text(WEFT_ANSWER, "d");
    weft_exchange_end(exchange, WEFT_ANSWER);
}

#endif
