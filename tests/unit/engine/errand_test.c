/* tests/unit/engine/errand_test.c - a request before any model is asked: routes, bodies, refusals, and askers who go.
 */
#include "engine/errand.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/error.h"
#include "base/mem.h"

static struct weft_desk desk;
static struct weft_exchange *exchange; /* we are the asker */
static unsigned begun, freed, signs;

static void on_begin(struct weft_errand *errand)
{
    struct weft_bytes text = {0};
    begun++;
    int error = weft_bytes_append(&text, "{\"ok\":true}", 11);
    weft_errand_reply(errand, &text, error);
}

static void on_free(struct weft_errand *errand)
{
    (void)errand;
    freed++;
}

static void on_sign(struct weft_errand *errand)
{
    (void)errand;
    signs++;
}

static const struct weft_route routes[] = {
    {.method = "GET", .path = "/any", .at_any_time = true, .begin = on_begin, .free = on_free},
    {.method = "POST", .path = "/later", .kind = WEFT_REQUEST_EMBED, .begin = on_begin, .free = on_free},
    {.method = "POST", .path = "/stream", .kind = WEFT_REQUEST_EMBED, .begin = on_begin, .sign = on_sign},
    {.path = NULL},
};

static void set_up(enum weft_desk_state state)
{
    desk = (struct weft_desk){.state = state, .code = "model_damaged"};
    snprintf(desk.problem, sizeof(desk.problem), "It is damaged.");
    weft_turn_init(&desk.turn);
    begun = freed = signs = 0;
}

static void on_wake(void *self, struct weft_exchange *woken)
{
    (void)self, (void)woken;
}

/* As the service's turn does it. */
static void turn(void)
{
    weft_turn_run(&desk.turn);
    while (weft_errand_begin_one(&desk)) {
    }
    weft_turn_run(&desk.turn);
}

static int ask(const char *method, const char *path)
{
    int error = weft_exchange_new(&exchange, &desk.turn);
    if (error < 0) {
        return error;
    }
    exchange->request.method = weft_slice_text(method);
    exchange->request.target = weft_slice_text(path);
    weft_exchange_attach(exchange, WEFT_ASKER, on_wake, NULL);
    weft_errand_start(&desk, routes, exchange);
    weft_turn_run(&desk.turn);
    return 0;
}

static void leave(void)
{
    weft_exchange_leave(exchange, WEFT_ASKER, WEFT_ERR_CANCELLED);
    weft_turn_run(&desk.turn);
    assert_null(desk.errands);
    weft_bytes_trim();
    assert_int_equal(weft_mem_live(), 0);
}

static void expect(int status, const char *holds)
{
    char body[2048];
    struct weft_flow *flow = &exchange->flows[WEFT_ANSWER];
    assert_true(exchange->answer_begun && flow->ended);
    assert_int_equal(exchange->answer.status, status);
    size_t size = weft_bytes_read(&flow->bytes, body, sizeof(body) - 1);
    assert_int_equal(size, flow->length);
    body[size] = '\0';
    assert_non_null(strstr(body, holds));
}

static void test_routes(void **state)
{
    (void)state;
    set_up(WEFT_DESK_LOADING);
    assert_int_equal(ask("GET", "/any"), 0);
    assert_int_equal(begun, 0); /* the request is not complete */
    weft_exchange_end(exchange, WEFT_REQUEST);
    weft_turn_run(&desk.turn);
    expect(200, "{\"ok\":true}");
    assert_true(begun == 1 && freed == 1);
    leave();
    assert_int_equal(ask("GET", "/any?x"), 0);
    expect(404, "\"not_found\"");
    leave();
    assert_int_equal(ask("PUT", "/any"), 0);
    expect(405, "\"bad_method\"");
    leave();
    assert_int_equal(begun, 1);
}

static void test_without_a_model(void **state)
{
    (void)state;
    static const struct {
        enum weft_desk_state desk;
        const char *says, *retry;
    } cases[] = {{WEFT_DESK_LOADING, "\"code\":\"loading\"", "1"},
                 {WEFT_DESK_FAILED, "\"code\":\"model_damaged\",\"message\":\"It is damaged.\"", NULL}};
    for (size_t i = 0; i < WEFT_COUNT(cases); i++) {
        set_up(cases[i].desk);
        assert_int_equal(ask("POST", "/later"), 0);
        assert_int_equal(weft_exchange_write(exchange, WEFT_REQUEST, "{}", 2), 0);
        weft_exchange_end(exchange, WEFT_REQUEST);
        turn();
        expect(503, cases[i].says);
        const struct weft_field *retry = weft_fields_find(&exchange->answer.fields, "retry-after");
        assert_int_equal(retry != NULL, cases[i].retry != NULL);
        assert_true(begun == 0 && freed == 1);
        leave();
    }
}

/* A large body is taken as it comes, or else the connection's window would shut. */
static void test_a_body_is_taken_in_pieces(void **state)
{
    (void)state;
    char piece[4096] = {0};
    set_up(WEFT_DESK_LOADING);
    assert_int_equal(ask("POST", "/later"), 0);
    for (int i = 0; i < 100; i++) {
        assert_int_equal(weft_exchange_write(exchange, WEFT_REQUEST, piece, sizeof(piece)), 0);
        weft_turn_run(&desk.turn);
        assert_int_equal(exchange->flows[WEFT_REQUEST].bytes.size, 0);
    }
    leave(); /* in mid-body */
    assert_true(begun == 0 && freed == 1);
}

/* Each in a turn of its own, in the order in which they came. */
static void test_requests_begin_one_by_one(void **state)
{
    (void)state;
    struct weft_exchange *asked[3];
    set_up(WEFT_DESK_FAILED);
    for (size_t i = 0; i < WEFT_COUNT(asked); i++) {
        assert_int_equal(ask("POST", "/later"), 0);
        asked[i] = exchange;
    }
    assert_false(weft_errand_begin_one(&desk)); /* none has its body */
    for (size_t i = 0; i < WEFT_COUNT(asked); i++) {
        weft_exchange_end(asked[i], WEFT_REQUEST);
    }
    weft_turn_run(&desk.turn);
    for (size_t i = 0; i < WEFT_COUNT(asked); i++) {
        assert_false(asked[i]->flows[WEFT_ANSWER].ended);
        assert_int_equal(weft_errand_begin_one(&desk), i + 1 < WEFT_COUNT(asked));
        assert_true(asked[i]->flows[WEFT_ANSWER].ended);
    }
    for (size_t i = 0; i < WEFT_COUNT(asked); i++) {
        weft_exchange_leave(asked[i], WEFT_ASKER, 0);
    }
    exchange = NULL;
    assert_int_equal(ask("POST", "/later"), 0); /* one that hangs up while it waits */
    weft_exchange_end(exchange, WEFT_REQUEST);
    weft_turn_run(&desk.turn);
    leave();
    assert_false(weft_errand_begin_one(&desk));
}

/* For whom nothing was told since the last look, and only while the computing thread gets on. */
static void test_signs_of_life(void **state)
{
    (void)state;
    set_up(WEFT_DESK_READY);
    weft_pulse_init(&desk.pulse);
    weft_pulse_wake(&desk.pulse, 0, 0);
    assert_int_equal(ask("POST", "/stream"), 0);
    struct weft_errand *errand = desk.errands;
    weft_errand_signs(&desk, true); /* it has no job yet */
    assert_true(signs == 0 && desk.pulse.due == WEFT_NEVER);
    weft_pulse_wake(&desk.pulse, 0, 0);
    errand->running = true;
    weft_errand_signs(&desk, true);
    assert_true(signs == 1 && desk.pulse.due != WEFT_NEVER);
    errand->told = true;
    weft_errand_signs(&desk, true);
    assert_int_equal(signs, 1);
    weft_errand_signs(&desk, true); /* nothing was told since */
    assert_int_equal(signs, 2);
    weft_errand_signs(&desk, false);
    errand->told = true;
    weft_errand_signs(&desk, false);
    assert_int_equal(signs, 2);
    weft_errand_signs(&desk, true); /* it was stuck, and gets on */
    assert_int_equal(signs, 3);
    errand->running = false;
    leave();
    weft_errand_signs(&desk, true);
    assert_true(signs == 3 && desk.pulse.due == WEFT_NEVER);
}

static void test_numbers(void **state)
{
    (void)state;
    static const struct {
        uint64_t number;
        const char *text;
    } cases[] = {{0, "0"},
                 {7, "7"},
                 {999, "999"},
                 {1000, "1,000"},
                 {5120, "5,120"},
                 {123456, "123,456"},
                 {1234567, "1,234,567"},
                 {UINT64_MAX, "18,446,744,073,709,551,615"}};
    for (size_t i = 0; i < WEFT_COUNT(cases); i++) {
        char text[WEFT_ERRAND_NUMBER_MAX];
        weft_errand_number(text, cases[i].number);
        assert_string_equal(text, cases[i].text);
    }
}

/* Whatever fails, the asker learns of it and nothing is left behind. */
static void test_each_allocation_fails_in_turn(void **state)
{
    (void)state;
    static const char *const paths[] = {"/any", "/nothing", "/later"};
    for (size_t i = 0; i < WEFT_COUNT(paths); i++) {
        bool failed = true;
        for (uint64_t n = 1; failed; n++) {
            set_up(WEFT_DESK_LOADING);
            weft_mem_fail_at(n);
            int error = ask(i == 2 ? "POST" : "GET", paths[i]);
            if (error == 0 && !exchange->aborted[WEFT_WORKER] && !exchange->flows[WEFT_ANSWER].ended) {
                weft_exchange_end(exchange, WEFT_REQUEST);
                turn();
            }
            failed = weft_mem_failed();
            weft_mem_fail_at(0);
            if (error < 0) {
                assert_int_equal(weft_mem_live(), 0);
                continue;
            }
            assert_true(failed ? exchange->aborted[WEFT_WORKER] == WEFT_ERR_MEMORY
                               : exchange->flows[WEFT_ANSWER].ended);
            leave();
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_routes),
        cmocka_unit_test(test_without_a_model),
        cmocka_unit_test(test_a_body_is_taken_in_pieces),
        cmocka_unit_test(test_requests_begin_one_by_one),
        cmocka_unit_test(test_signs_of_life),
        cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_each_allocation_fails_in_turn),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
