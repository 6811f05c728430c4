/* tests/unit/http/exchange_test.c - the two ends of an exchange: what each may do and what the other one learns. */
#include "http/exchange.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "unit/http/exchange_stage.h"

/* -- new and attach -- */

static void test_new_is_empty(void **state)
{
    (void)state;
    for (int way = WEFT_REQUEST; way <= WEFT_ANSWER; way++) {
        const struct weft_flow *flow = &exchange->flows[way];
        assert_int_equal(flow->length, WEFT_LENGTH_UNKNOWN);
        assert_int_equal(flow->bytes.size, 0);
        assert_int_equal(flow->written, 0);
        assert_false(flow->ended);
        assert_false(weft_exchange_drained(exchange, (enum weft_way)way));
        assert_int_equal(exchange->aborted[way], 0);
    }
    assert_int_equal(exchange->answer.status, 0);
    assert_false(exchange->answer_begun);
    assert_false(exchange->body_wanted);
}

static void test_fresh_worker_is_woken_once_and_asker_not(void **state)
{
    (void)state;
    weft_exchange_attach(exchange, WEFT_ASKER, on_wake, &ends[WEFT_ASKER]);
    expect_wakes(0, 0);
    weft_exchange_attach(exchange, WEFT_WORKER, on_wake, &ends[WEFT_WORKER]);
    expect_wakes(0, 1);
    expect_wakes(0, 0);
    assert_ptr_equal(ends[WEFT_WORKER].woken_for, exchange);
}

static void test_changes_before_a_worker_comes_are_one_wake(void **state)
{
    (void)state;
    weft_exchange_attach(exchange, WEFT_ASKER, on_wake, &ends[WEFT_ASKER]);
    write_text(WEFT_REQUEST, "early");
    weft_exchange_end(exchange, WEFT_REQUEST);
    expect_wakes(0, 0);
    weft_exchange_attach(exchange, WEFT_WORKER, on_wake, &ends[WEFT_WORKER]);
    expect_wakes(0, 1);
    expect_body(WEFT_REQUEST, "early");
}

static void test_attach_again_hands_over(void **state)
{
    (void)state;
    write_text(WEFT_REQUEST, "x"); /* a wake on its way goes to whoever is there then */
    weft_exchange_attach(exchange, WEFT_WORKER, on_wake, &other_end);
    expect_wakes(0, 0);
    assert_int_equal(other_end.wakes, 1);
    write_text(WEFT_ANSWER, "y");
    weft_exchange_attach(exchange, WEFT_ASKER, on_wake, &other_end);
    expect_wakes(0, 0);
    assert_int_equal(other_end.wakes, 2);
}

/* -- wakes -- */

enum change { WRITE, WRITE_NOTHING, MOVE, MOVE_NOTHING, END, WANT_BODY, BEGIN, REPLY, LEAVE, EVERYTHING };

static void make(enum change change, enum weft_way way)
{
    switch (change) {
    case WRITE:
    case WRITE_NOTHING:
        write_text(way, change == WRITE ? "a" : "");
        break;
    case MOVE:
    case MOVE_NOTHING:
        move_text(way, change == MOVE ? "a" : "");
        break;
    case END:
        weft_exchange_end(exchange, way);
        break;
    case WANT_BODY:
        weft_exchange_want_body(exchange);
        break;
    case BEGIN:
        begin_answer(200);
        break;
    case REPLY:
        reply_text(200, "ok");
        break;
    case LEAVE:
        leave(way == WEFT_REQUEST ? WEFT_ASKER : WEFT_WORKER, 0);
        break;
    case EVERYTHING:
        do_everything();
        break;
    }
}

static void test_each_change_wakes_the_other_end_from_the_turn(void **state)
{
    static const struct {
        enum change change;
        enum weft_way way;
        unsigned asker, worker;
    } cases[] = {
        {WRITE, WEFT_REQUEST, 0, 1},        {WRITE, WEFT_ANSWER, 1, 0},        {WRITE_NOTHING, WEFT_REQUEST, 0, 0},
        {WRITE_NOTHING, WEFT_ANSWER, 0, 0}, {MOVE, WEFT_REQUEST, 0, 1},        {MOVE, WEFT_ANSWER, 1, 0},
        {MOVE_NOTHING, WEFT_REQUEST, 0, 0}, {MOVE_NOTHING, WEFT_ANSWER, 0, 0}, {END, WEFT_REQUEST, 0, 1},
        {END, WEFT_ANSWER, 1, 0},           {WANT_BODY, WEFT_REQUEST, 1, 0},   {BEGIN, WEFT_ANSWER, 1, 0},
        {REPLY, WEFT_ANSWER, 1, 0},         {LEAVE, WEFT_REQUEST, 0, 1},       {LEAVE, WEFT_ANSWER, 1, 0},
        {EVERYTHING, WEFT_ANSWER, 1, 1}, /* several changes share one wake */
    };
    for (size_t i = 0; i < WEFT_COUNT(cases); i++) {
        assert_int_equal(set_up(state), 0);
        make(cases[i].change, cases[i].way);
        expect_wakes(cases[i].asker, cases[i].worker);
        expect_wakes(0, 0);
        assert_int_equal(tear_down(state), 0);
    }
}

static void test_wanting_the_body_again_is_no_news(void **state)
{
    (void)state;
    weft_exchange_want_body(exchange);
    assert_true(exchange->body_wanted);
    expect_wakes(1, 0);
    weft_exchange_want_body(exchange);
    expect_wakes(0, 0);
}

static void answer_in_wake(void)
{
    begin_answer(200);
    write_text(WEFT_ANSWER, "x");
}

static void take_in_wake(void)
{
    weft_exchange_take(exchange, WEFT_ANSWER, 1);
    write_text(WEFT_REQUEST, "more");
}

/* on_wake asserts that no wake comes from inside another. */
static void test_wakes_do_not_nest(void **state)
{
    (void)state;
    ends[WEFT_WORKER].act = answer_in_wake;
    ends[WEFT_ASKER].act = take_in_wake;
    write_text(WEFT_REQUEST, "go");
    expect_wakes(1, 2);
    assert_int_equal(exchange->flows[WEFT_ANSWER].bytes.size, 0);
}

/* -- bodies -- */

static void test_bytes_keep_their_order(void **state)
{
    (void)state;
    write_text(WEFT_ANSWER, "one ");
    move_text(WEFT_ANSWER, "two ");
    write_text(WEFT_ANSWER, "three");
    expect_body(WEFT_ANSWER, "one two three");
    assert_int_equal(exchange->flows[WEFT_ANSWER].written, 13);
    weft_exchange_take(exchange, WEFT_ANSWER, 4);
    expect_body(WEFT_ANSWER, "two three");
    assert_int_equal(exchange->flows[WEFT_ANSWER].written, 13);
    struct weft_bytes to;
    weft_bytes_init(&to);
    assert_int_equal(weft_exchange_take_all(exchange, WEFT_ANSWER, &to), 9);
    assert_int_equal(weft_exchange_take_all(exchange, WEFT_ANSWER, &to), 0);
    char got[16];
    assert_int_equal(weft_bytes_read(&to, got, sizeof(got)), 9);
    assert_memory_equal(got, "two three", 9);
    weft_bytes_deinit(&to);
    assert_int_equal(exchange->flows[WEFT_REQUEST].written, 0);
}

static void test_move_and_take_all_do_not_copy(void **state)
{
    (void)state;
    static const char text[WEFT_BYTES_BLOCK / 2] = "big";
    struct weft_bytes bytes;
    weft_bytes_init(&bytes);
    assert_int_equal(weft_bytes_append(&bytes, text, sizeof(text)), 0);
    const char *at = weft_bytes_front(&bytes).data;
    assert_int_equal(weft_exchange_move(exchange, WEFT_REQUEST, &bytes), 0);
    assert_ptr_equal(weft_bytes_front(&exchange->flows[WEFT_REQUEST].bytes).data, at);
    assert_int_equal(weft_exchange_take_all(exchange, WEFT_REQUEST, &bytes), sizeof(text));
    assert_ptr_equal(weft_bytes_front(&bytes).data, at);
    weft_bytes_deinit(&bytes);
}

static void test_drained_is_ended_and_taken(void **state)
{
    (void)state;
    write_text(WEFT_ANSWER, "xy");
    weft_exchange_take(exchange, WEFT_ANSWER, 2);
    assert_false(weft_exchange_drained(exchange, WEFT_ANSWER));
    write_text(WEFT_ANSWER, "z");
    weft_exchange_end(exchange, WEFT_ANSWER);
    assert_true(exchange->flows[WEFT_ANSWER].ended);
    assert_false(weft_exchange_drained(exchange, WEFT_ANSWER));
    weft_exchange_take(exchange, WEFT_ANSWER, 1);
    assert_true(weft_exchange_drained(exchange, WEFT_ANSWER));
    assert_false(weft_exchange_drained(exchange, WEFT_REQUEST));
}

/* -- room -- */

static void write_size(enum weft_way way, size_t size)
{
    static const char zeros[4096];
    while (size > 0) {
        size_t part = size < sizeof(zeros) ? size : sizeof(zeros);
        assert_int_equal(weft_exchange_write(exchange, way, zeros, part), 0);
        size -= part;
    }
}

static void take_expecting(enum weft_way way, size_t size, bool wakes_writer)
{
    weft_exchange_take(exchange, way, size);
    expect_wakes(wakes_writer && way == WEFT_REQUEST, wakes_writer && way == WEFT_ANSWER);
}

static void test_room_counts_down_to_the_high_mark(void **state)
{
    (void)state;
    assert_int_equal(weft_exchange_room(exchange, WEFT_ANSWER), WEFT_HTTP_FLOW_HIGH);
    write_size(WEFT_ANSWER, WEFT_HTTP_FLOW_HIGH - 1);
    assert_int_equal(weft_exchange_room(exchange, WEFT_ANSWER), 1);
    write_size(WEFT_ANSWER, 1);
    assert_int_equal(weft_exchange_room(exchange, WEFT_ANSWER), 0);
    write_size(WEFT_ANSWER, 5000); /* a writer that cannot wait is never told "full" */
    assert_int_equal(weft_exchange_room(exchange, WEFT_ANSWER), 0);
    assert_int_equal(weft_exchange_room(exchange, WEFT_REQUEST), WEFT_HTTP_FLOW_HIGH);
}

static void test_room_that_was_none_is_told_at_the_low_mark(void **state)
{
    for (int i = 0; i < 2; i++) {
        enum weft_way way = i ? WEFT_ANSWER : WEFT_REQUEST;
        assert_int_equal(set_up(state), 0);
        write_size(way, WEFT_HTTP_FLOW_HIGH);
        weft_turn_run(&turn);
        memset(ends, 0, sizeof(ends));
        assert_int_equal(weft_exchange_room(exchange, way), 0);
        take_expecting(way, WEFT_HTTP_FLOW_HIGH - WEFT_HTTP_FLOW_LOW - 1, false);
        take_expecting(way, 1, true);
        take_expecting(way, 1, false); /* once for each time it was asked for */
        assert_int_equal(tear_down(state), 0);
    }
}

static void test_a_writer_that_does_not_wait_is_not_woken(void **state)
{
    (void)state;
    write_size(WEFT_ANSWER, WEFT_HTTP_FLOW_HIGH - 1);
    assert_int_equal(weft_exchange_room(exchange, WEFT_ANSWER), 1); /* room there was: nothing is armed */
    weft_turn_run(&turn);
    memset(ends, 0, sizeof(ends));
    take_expecting(WEFT_ANSWER, WEFT_HTTP_FLOW_HIGH - 1, false);
}

static void test_take_all_gives_room_too(void **state)
{
    (void)state;
    write_size(WEFT_REQUEST, WEFT_HTTP_FLOW_HIGH);
    assert_int_equal(weft_exchange_room(exchange, WEFT_REQUEST), 0);
    expect_wakes(0, 1);
    struct weft_bytes to;
    weft_bytes_init(&to);
    assert_int_equal(weft_exchange_take_all(exchange, WEFT_REQUEST, &to), WEFT_HTTP_FLOW_HIGH);
    weft_bytes_deinit(&to);
    expect_wakes(1, 0);
    assert_int_equal(weft_exchange_room(exchange, WEFT_REQUEST), WEFT_HTTP_FLOW_HIGH);
}

static void test_await_room_wakes_at_the_next_drain(void **state)
{
    (void)state;
    write_size(WEFT_ANSWER, WEFT_HTTP_FLOW_HIGH + 10);
    expect_wakes(1, 0);
    weft_exchange_await_room(exchange, WEFT_ANSWER);
    expect_wakes(0, 0);
    take_expecting(WEFT_ANSWER, 1, true);
    take_expecting(WEFT_ANSWER, 1, false);
    weft_exchange_await_room(exchange, WEFT_ANSWER);
    struct weft_bytes to;
    weft_bytes_init(&to);
    assert_int_equal(weft_exchange_take_all(exchange, WEFT_ANSWER, &to), WEFT_HTTP_FLOW_HIGH + 8);
    weft_bytes_deinit(&to);
    expect_wakes(0, 1);
}

/* -- lengths and ends -- */

static void test_end_at_the_declared_length(void **state)
{
    (void)state;
    exchange->flows[WEFT_REQUEST].length = 3;
    write_text(WEFT_REQUEST, "abc");
    weft_exchange_end(exchange, WEFT_REQUEST);
    assert_true(exchange->flows[WEFT_REQUEST].ended);
    assert_int_equal(exchange->aborted[WEFT_ASKER], 0);
    exchange->flows[WEFT_ANSWER].length = 0;
    weft_exchange_end(exchange, WEFT_ANSWER);
    assert_true(exchange->flows[WEFT_ANSWER].ended);
    assert_int_equal(exchange->aborted[WEFT_WORKER], 0);
}

static void test_end_short_of_the_declared_length_aborts(void **state)
{
    static const struct {
        const char *method;
        int status;
        enum weft_way way;
        bool aborts;
    } cases[] = {
        {"GET", 200, WEFT_ANSWER, true},   {"GET", 206, WEFT_ANSWER, true},   {"POST", 500, WEFT_ANSWER, true},
        {"head", 200, WEFT_ANSWER, true},  {"HEADS", 200, WEFT_ANSWER, true}, {"HEAD", 200, WEFT_ANSWER, false},
        {"HEAD", 404, WEFT_ANSWER, false}, {"GET", 204, WEFT_ANSWER, false},  {"GET", 304, WEFT_ANSWER, false},
        {"POST", 200, WEFT_REQUEST, true}, {"HEAD", 200, WEFT_REQUEST, true}, {"POST", 204, WEFT_REQUEST, true},
    };
    for (size_t i = 0; i < WEFT_COUNT(cases); i++) {
        enum weft_way way = cases[i].way;
        assert_int_equal(set_up(state), 0);
        exchange->request.method = weft_slice_text(cases[i].method);
        exchange->answer.status = cases[i].status;
        exchange->flows[way].length = 3;
        weft_exchange_end(exchange, way);
        enum weft_end writer = way == WEFT_REQUEST ? WEFT_ASKER : WEFT_WORKER;
        assert_int_equal(exchange->aborted[writer], cases[i].aborts ? WEFT_ERR_CLOSED : 0);
        assert_int_equal(exchange->flows[way].ended, !cases[i].aborts);
        assert_int_equal(exchange->aborted[1 - writer], 0);
        expect_wakes(way == WEFT_ANSWER, way == WEFT_REQUEST);
        leave(writer, WEFT_ERR_TIMEOUT); /* the first reason stands */
        if (cases[i].aborts) {
            assert_int_equal(exchange->aborted[writer], WEFT_ERR_CLOSED);
        }
        assert_int_equal(tear_down(state), 0);
    }
}

static void test_bodiless_by_rule(void **state)
{
    static const struct {
        const char *method;
        int status;
        bool bodiless;
    } cases[] = {
        {"GET", 200, false}, {"GET", 204, true},  {"GET", 304, true},    {"GET", 303, false},    {"GET", 205, false},
        {"HEAD", 200, true}, {"HEAD", 500, true}, {"POST", 204, true},   {"head", 200, false},   {"HEA", 200, false},
        {"", 200, false},    {"", 304, true},     {"DELETE", 204, true}, {"DELETE", 200, false},
    };
    (void)state;
    for (size_t i = 0; i < WEFT_COUNT(cases); i++) {
        exchange->request.method = weft_slice_text(cases[i].method);
        exchange->answer.status = cases[i].status;
        assert_int_equal(weft_exchange_bodiless(exchange), cases[i].bodiless);
    }
}

/* -- leaving -- */

static void finish(bool request_ended, bool answer_ended, bool answer_taken)
{
    write_text(WEFT_REQUEST, "ask");
    write_text(WEFT_ANSWER, "tell");
    if (request_ended) {
        weft_exchange_end(exchange, WEFT_REQUEST);
    }
    if (answer_ended) {
        weft_exchange_end(exchange, WEFT_ANSWER);
    }
    if (answer_taken) {
        weft_exchange_take(exchange, WEFT_ANSWER, 4);
    }
    weft_turn_run(&turn);
    memset(ends, 0, sizeof(ends));
}

static void test_leave_says_why_to_the_other_end(void **state)
{
    static const struct {
        enum weft_end end;
        bool request_ended, answer_ended, answer_taken;
        bool aborts;
    } cases[] = {
        {WEFT_ASKER, false, false, false, true},  {WEFT_ASKER, true, false, false, true},
        {WEFT_ASKER, true, false, true, true}, /* taken so far is not all */
        {WEFT_ASKER, true, true, false, true},    {WEFT_ASKER, false, true, true, true},
        {WEFT_ASKER, true, true, true, false},    {WEFT_WORKER, false, false, false, true},
        {WEFT_WORKER, true, false, false, true},  {WEFT_WORKER, true, false, true, true},
        {WEFT_WORKER, true, true, false, false},  {WEFT_WORKER, true, true, true, false},
        {WEFT_WORKER, false, true, false, false}, /* a body left unread is no abort */
    };
    static const struct {
        int given, seen;
    } reasons[] = {
        {0, WEFT_ERR_CLOSED}, {WEFT_ERR_CANCELLED, WEFT_ERR_CANCELLED}, {WEFT_ERR_TIMEOUT, WEFT_ERR_TIMEOUT}};
    for (size_t i = 0; i < WEFT_COUNT(cases) * WEFT_COUNT(reasons); i++) {
        size_t c = i / WEFT_COUNT(reasons), r = i % WEFT_COUNT(reasons);
        enum weft_end end = cases[c].end;
        assert_int_equal(set_up(state), 0);
        finish(cases[c].request_ended, cases[c].answer_ended, cases[c].answer_taken);
        leave(end, reasons[r].given);
        assert_int_equal(exchange->aborted[end], cases[c].aborts ? reasons[r].seen : 0);
        assert_int_equal(exchange->aborted[1 - end], 0);
        expect_wakes(end == WEFT_WORKER, end == WEFT_ASKER);
        leave(end == WEFT_ASKER ? WEFT_WORKER : WEFT_ASKER, 0); /* the last one: it goes */
        exchange = NULL;
        assert_int_equal(tear_down(state), 0);
    }
}

static void test_nobody_reads_what_is_written_to_one_that_left(void **state)
{
    for (int i = 0; i < 2; i++) {
        enum weft_way way = i ? WEFT_ANSWER : WEFT_REQUEST;
        assert_int_equal(set_up(state), 0);
        leave(i ? WEFT_ASKER : WEFT_WORKER, WEFT_ERR_CANCELLED);
        expect_wakes(!i, (unsigned)i);
        assert_int_equal(weft_exchange_write(exchange, way, "x", 1), WEFT_ERR_CLOSED);
        struct weft_bytes from;
        weft_bytes_init(&from);
        assert_int_equal(weft_bytes_append(&from, "abc", 3), 0);
        assert_int_equal(weft_exchange_move(exchange, way, &from), WEFT_ERR_CLOSED);
        assert_int_equal(from.size, 3); /* still the caller's */
        weft_bytes_deinit(&from);
        assert_int_equal(exchange->flows[way].bytes.size, 0);
        assert_int_equal(exchange->flows[way].written, 0);
        weft_exchange_end(exchange, way); /* ending into the void is no error */
        expect_wakes(0, 0);
        assert_int_equal(tear_down(state), 0);
    }
}

static void test_what_a_worker_wrote_outlives_it(void **state)
{
    (void)state;
    reply_text(200, "lasting");
    weft_exchange_await_room(exchange, WEFT_ANSWER);
    leave(WEFT_WORKER, 0);
    expect_wakes(1, 0);
    expect_body(WEFT_ANSWER, "lasting");
    assert_true(
        weft_slice_equal(weft_fields_value(&exchange->answer.fields, "content-type"), WEFT_SLICE("text/plain")));
    weft_exchange_take(exchange, WEFT_ANSWER, 7); /* the writer that waited is gone: nobody to wake */
    expect_wakes(0, 0);
    assert_true(weft_exchange_drained(exchange, WEFT_ANSWER));
}

static void test_a_wake_on_its_way_to_one_that_leaves_is_dropped(void **state)
{
    (void)state;
    write_text(WEFT_REQUEST, "x");
    write_text(WEFT_ANSWER, "y");
    leave(WEFT_WORKER, 0);
    expect_wakes(1, 0);
    assert_int_equal(exchange->aborted[WEFT_WORKER], WEFT_ERR_CLOSED);
}

static void leave_asker_in_wake(void)
{
    leave(WEFT_ASKER, WEFT_ERR_CANCELLED);
}

static void leave_worker_last_in_wake(void)
{
    assert_int_equal(exchange->aborted[WEFT_ASKER], WEFT_ERR_CANCELLED);
    leave(WEFT_WORKER, 0);
    exchange = NULL;
}

static void test_both_leave_from_their_wakes(void **state)
{
    (void)state;
    ends[WEFT_ASKER].act = leave_asker_in_wake;
    ends[WEFT_WORKER].act = leave_worker_last_in_wake;
    weft_exchange_want_body(exchange);
    expect_wakes(1, 1);
    assert_null(exchange);
}

static void leave_worker_in_wake(void)
{
    leave(WEFT_WORKER, WEFT_ERR_IO);
}

static void leave_asker_last_in_wake(void)
{
    assert_int_equal(exchange->aborted[WEFT_WORKER], WEFT_ERR_IO);
    leave(WEFT_ASKER, 0);
    exchange = NULL;
}

static void test_both_leave_from_their_wakes_the_other_way_round(void **state)
{
    (void)state;
    ends[WEFT_WORKER].act = leave_worker_in_wake;
    ends[WEFT_ASKER].act = leave_asker_last_in_wake;
    write_text(WEFT_REQUEST, "x");
    expect_wakes(1, 1);
    assert_null(exchange);
}

/* Wakes to both are on their way when both leave: nothing may run then. */
static void test_both_leave_with_wakes_on_their_way(void **state)
{
    for (int first = WEFT_ASKER; first <= WEFT_WORKER; first++) {
        assert_int_equal(set_up(state), 0);
        write_text(WEFT_REQUEST, "x");
        write_text(WEFT_ANSWER, "y");
        leave((enum weft_end)first, 0);
        leave((enum weft_end)(1 - first), 0);
        exchange = NULL;
        expect_wakes(0, 0);
        assert_int_equal(tear_down(state), 0);
    }
}

/* It goes when both have left, not before: with an end that was never attached too. */
static void test_goes_with_the_second_leave(void **state)
{
    for (int first = WEFT_ASKER; first <= WEFT_WORKER; first++) {
        assert_int_equal(set_up_bare(state), 0);
        leave((enum weft_end)first, 0);
        assert_true(weft_mem_live() > live_before);
        assert_int_equal(exchange->aborted[first], WEFT_ERR_CLOSED);
        leave((enum weft_end)(1 - first), 0);
        exchange = NULL;
        assert_int_equal(weft_mem_live(), live_before);
        assert_int_equal(tear_down(state), 0);
    }
}

/* -- reply -- */

static void test_reply_is_a_whole_answer(void **state)
{
    static const struct {
        const char *method;
        int status;
        const char *type, *body, *sent;
    } cases[] = {
        {"GET", 200, "text/plain", "hello", "hello"}, {"GET", 200, "", "hello", "hello"},
        {"POST", 404, "application/json", "", ""},    {"HEAD", 200, "text/plain", "hello", ""},
        {"GET", 304, "text/plain", "hello", ""},      {"OPTIONS", 204, "", "", ""},
    };
    for (size_t i = 0; i < WEFT_COUNT(cases); i++) {
        assert_int_equal(set_up(state), 0);
        exchange->request.method = weft_slice_text(cases[i].method);
        assert_int_equal(weft_exchange_reply(exchange, cases[i].status, weft_slice_text(cases[i].type),
                                             weft_slice_text(cases[i].body)),
                         0);
        assert_true(exchange->answer_begun);
        assert_true(exchange->flows[WEFT_ANSWER].ended);
        assert_int_equal(exchange->aborted[WEFT_WORKER], 0);
        assert_int_equal(exchange->answer.status, cases[i].status);
        assert_int_equal(exchange->flows[WEFT_ANSWER].length, strlen(cases[i].body)); /* HEAD tells what GET would */
        expect_body(WEFT_ANSWER, cases[i].sent);
        assert_int_equal(exchange->answer.fields.count, cases[i].type[0] != '\0');
        assert_true(weft_slice_equal(weft_fields_value(&exchange->answer.fields, "content-type"),
                                     weft_slice_text(cases[i].type)));
        expect_wakes(1, 0);
        assert_int_equal(tear_down(state), 0);
    }
}

static void test_reply_copies_the_body(void **state)
{
    (void)state;
    char body[] = "mine";
    assert_int_equal(weft_exchange_reply(exchange, 200, (struct weft_slice){0}, weft_slice(body, 4)), 0);
    memset(body, 'x', sizeof(body));
    expect_body(WEFT_ANSWER, "mine");
}

static void test_reply_that_fails_has_begun_nothing(void **state)
{
    (void)state;
    assert_int_equal(weft_exchange_reply(exchange, 200, WEFT_SLICE("bad\ntype"), WEFT_SLICE("x")), WEFT_ERR_INVALID);
    assert_false(exchange->answer_begun);
    assert_false(exchange->flows[WEFT_ANSWER].ended);
    expect_body(WEFT_ANSWER, "");
    leave(WEFT_ASKER, WEFT_ERR_CANCELLED);
    assert_int_equal(weft_exchange_reply(exchange, 200, (struct weft_slice){0}, WEFT_SLICE("x")), WEFT_ERR_CLOSED);
    assert_false(exchange->answer_begun);
}

/* -- out of memory -- */

static void test_write_without_memory_appends_nothing(void **state)
{
    static const char text[3 * WEFT_BYTES_BLOCK];
    (void)state;
    write_text(WEFT_ANSWER, "kept");
    expect_wakes(1, 0);
    uint64_t fails = 0;
    for (uint64_t at = 1;; at++) {
        weft_mem_fail_at(at);
        int error = weft_exchange_write(exchange, WEFT_ANSWER, text, sizeof(text));
        bool failed = weft_mem_failed();
        weft_mem_fail_at(0);
        if (!failed) {
            assert_int_equal(error, 0);
            break;
        }
        fails++;
        assert_int_equal(error, WEFT_ERR_MEMORY);
        expect_body(WEFT_ANSWER, "kept");
        assert_int_equal(exchange->flows[WEFT_ANSWER].written, 4);
        expect_wakes(0, 0);
    }
    assert_true(fails > 0);
    assert_int_equal(exchange->flows[WEFT_ANSWER].written, 4 + sizeof(text));
}

/* A whole exchange; whatever fails, its ends leave and that is all there is to do. */
static int whole_exchange(void)
{
    struct weft_exchange *whole;
    int error = weft_exchange_new(&whole, &turn);
    if (error < 0) {
        assert_null(whole);
        return error;
    }
    weft_exchange_attach(whole, WEFT_ASKER, on_wake, &ends[WEFT_ASKER]);
    weft_exchange_attach(whole, WEFT_WORKER, on_wake, &ends[WEFT_WORKER]);
    for (int i = 0; i < 20 && error == 0; i++) {
        error = weft_fields_add(&whole->request.fields, &whole->arena, WEFT_SLICE("x-some-name"),
                                WEFT_SLICE("a value that fills the arena's chunks before the names run out"));
    }
    if (error == 0) {
        error = weft_exchange_write(whole, WEFT_REQUEST, "body", 4);
    }
    if (error == 0) {
        weft_exchange_end(whole, WEFT_REQUEST);
        error = weft_exchange_reply(whole, 200, WEFT_SLICE("text/plain"), WEFT_SLICE("answer"));
        assert_int_equal(whole->answer_begun, error == 0);
        assert_int_equal(whole->flows[WEFT_ANSWER].ended, error == 0);
        assert_int_equal(whole->flows[WEFT_ANSWER].bytes.size, error == 0 ? 6 : 0);
    }
    weft_exchange_leave(whole, WEFT_WORKER, error);
    assert_int_equal(whole->aborted[WEFT_WORKER], error);
    weft_turn_run(&turn);
    weft_exchange_leave(whole, WEFT_ASKER, error);
    return error;
}

static void test_each_allocation_fails_in_turn(void **state)
{
    (void)state;
    int64_t live = weft_mem_live();
    uint64_t at = 1;
    for (;; at++) {
        weft_bytes_trim(); /* or the body's blocks would come from the spares */
        weft_mem_fail_at(at);
        int error = whole_exchange();
        bool failed = weft_mem_failed();
        weft_mem_fail_at(0);
        weft_bytes_trim();
        assert_int_equal(weft_mem_live(), live);
        assert_int_equal(error, failed ? WEFT_ERR_MEMORY : 0);
        if (!failed) {
            break;
        }
    }
    assert_true(at > 5); /* the exchange, its arena, its fields, two bodies */
}

/* -- what only a bug does -- */

enum bug {
    NO_BUG,
    WRITE_PAST_LENGTH,
    MOVE_PAST_LENGTH,
    WRITE_AFTER_END,
    END_TWICE,
    BEGIN_WITHOUT_STATUS,
    BEGIN_WITH_INTERIM_STATUS,
    BEGIN_WITH_NO_SUCH_STATUS,
    BEGIN_TWICE,
    LEAVE_TWICE,
    ATTACH_AFTER_LEAVING,
    BUGS,
};

static void commit(enum bug bug)
{
    if (bug == NO_BUG) {
        do_everything();
    } else if (bug == WRITE_PAST_LENGTH || bug == MOVE_PAST_LENGTH) {
        exchange->flows[WEFT_ANSWER].length = 2;
        bug == WRITE_PAST_LENGTH ? write_text(WEFT_ANSWER, "abc") : move_text(WEFT_ANSWER, "abc");
    } else if (bug == WRITE_AFTER_END || bug == END_TWICE) {
        weft_exchange_end(exchange, WEFT_REQUEST);
        bug == END_TWICE ? weft_exchange_end(exchange, WEFT_REQUEST) : write_text(WEFT_REQUEST, "a");
    } else if (bug == BEGIN_WITHOUT_STATUS) {
        weft_exchange_begin_answer(exchange);
    } else if (bug == BEGIN_WITH_INTERIM_STATUS || bug == BEGIN_WITH_NO_SUCH_STATUS) {
        begin_answer(bug == BEGIN_WITH_INTERIM_STATUS ? 199 : 600);
    } else if (bug == BEGIN_TWICE) {
        begin_answer(200);
        begin_answer(200);
    } else {
        leave(WEFT_ASKER, 0);
        if (bug == LEAVE_TWICE) {
            leave(WEFT_ASKER, 0);
        } else {
            weft_exchange_attach(exchange, WEFT_ASKER, on_wake, &ends[WEFT_ASKER]);
        }
    }
}

/* The signal a child dies of when it does that, or 0. */
static int signal_of(enum bug bug)
{
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        (void)signal(SIGABRT, SIG_DFL); /* cmocka has a handler of its own */
        (void)close(STDERR_FILENO);
        commit(bug);
        _exit(0);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

static void test_bugs_end_the_process(void **state)
{
    (void)state;
    assert_int_equal(signal_of(NO_BUG), 0);
    for (int bug = NO_BUG + 1; bug < BUGS; bug++) {
        assert_int_equal(signal_of((enum bug)bug), SIGABRT);
    }
}

#define IN_EXCHANGE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
#define IN_BARE(test)     cmocka_unit_test_setup_teardown(test, set_up_bare, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_BARE(test_new_is_empty),
        IN_BARE(test_fresh_worker_is_woken_once_and_asker_not),
        IN_BARE(test_changes_before_a_worker_comes_are_one_wake),
        IN_EXCHANGE(test_attach_again_hands_over),
        cmocka_unit_test(test_each_change_wakes_the_other_end_from_the_turn),
        IN_EXCHANGE(test_wanting_the_body_again_is_no_news),
        IN_EXCHANGE(test_wakes_do_not_nest),
        IN_EXCHANGE(test_bytes_keep_their_order),
        IN_EXCHANGE(test_move_and_take_all_do_not_copy),
        IN_EXCHANGE(test_drained_is_ended_and_taken),
        IN_EXCHANGE(test_room_counts_down_to_the_high_mark),
        cmocka_unit_test(test_room_that_was_none_is_told_at_the_low_mark),
        IN_EXCHANGE(test_a_writer_that_does_not_wait_is_not_woken),
        IN_EXCHANGE(test_take_all_gives_room_too),
        IN_EXCHANGE(test_await_room_wakes_at_the_next_drain),
        IN_EXCHANGE(test_end_at_the_declared_length),
        cmocka_unit_test(test_end_short_of_the_declared_length_aborts),
        IN_BARE(test_bodiless_by_rule),
        cmocka_unit_test(test_leave_says_why_to_the_other_end),
        cmocka_unit_test(test_nobody_reads_what_is_written_to_one_that_left),
        IN_EXCHANGE(test_what_a_worker_wrote_outlives_it),
        IN_EXCHANGE(test_a_wake_on_its_way_to_one_that_leaves_is_dropped),
        IN_EXCHANGE(test_both_leave_from_their_wakes),
        IN_EXCHANGE(test_both_leave_from_their_wakes_the_other_way_round),
        cmocka_unit_test(test_both_leave_with_wakes_on_their_way),
        cmocka_unit_test(test_goes_with_the_second_leave),
        cmocka_unit_test(test_reply_is_a_whole_answer),
        IN_EXCHANGE(test_reply_copies_the_body),
        IN_EXCHANGE(test_reply_that_fails_has_begun_nothing),
        IN_EXCHANGE(test_write_without_memory_appends_nothing),
        IN_EXCHANGE(test_each_allocation_fails_in_turn),
        IN_EXCHANGE(test_bugs_end_the_process),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
