/* tests/unit/engine/pipe_test.c - a socket that takes little, blocks, ends or fails, under the HTTP/2 server. */
#include "engine/pipe.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/error.h"
#include "base/mem.h"
#include "http/carrier.h"

#define BODY ((size_t)300000)

/* -- a host with one socket -- */

static struct {
    struct weft_host host;
    const struct weft_socket_user *user;
    void *self;
    struct weft_bytes sent; /* to the client */
    size_t room;            /* what the socket takes before it blocks */
    int64_t fails;          /* what a write answers, if not 0 */
    bool reading, closed, was_reset, blocked;
} world;

static void fake_attach(struct weft_socket *socket, const struct weft_socket_user *user, void *self)
{
    (void)socket;
    world.user = user;
    world.self = self;
}

static void fake_read(struct weft_socket *socket, bool on)
{
    (void)socket;
    world.reading = on;
}

static int64_t fake_write(struct weft_socket *socket, const struct weft_slice *views, size_t count)
{
    (void)socket;
    assert_false(world.blocked); /* nobody writes before `writable` */
    size_t taken = 0;
    for (size_t i = 0; i < count && world.fails == 0; i++) {
        size_t size = views[i].size < world.room ? views[i].size : world.room;
        assert_int_equal(weft_bytes_append(&world.sent, views[i].data, size), 0);
        world.room -= size;
        taken += size;
        world.blocked = world.blocked || size < views[i].size;
    }
    return world.fails ? world.fails : (int64_t)taken;
}

static void fake_close(struct weft_socket *socket, bool reset)
{
    (void)socket;
    assert_false(world.closed);
    world.closed = true;
    world.was_reset = reset;
}

static const struct weft_host_ops ops = {
    .attach = fake_attach, .read = fake_read, .write = fake_write, .close = fake_close};

/* -- a client, and the pipe's owner -- */

static struct weft_turn turn;
static struct weft_pipe *pipe_end;
static struct weft_carrier *client;
static struct weft_exchange *asked, *worked;
static unsigned closed;
static int closed_why;

static void on_request(void *self, struct weft_exchange *exchange)
{
    (void)self;
    static char body[BODY];
    exchange->answer.status = 200;
    weft_exchange_begin_answer(exchange);
    assert_int_equal(weft_exchange_write(exchange, WEFT_ANSWER, body, sizeof(body)), 0);
    weft_exchange_end(exchange, WEFT_ANSWER);
    weft_exchange_leave(exchange, WEFT_WORKER, 0);
}

static void on_wake(void *self, struct weft_exchange *exchange)
{
    (void)self, (void)exchange; /* both ends are looked at all the time */
}

/* A worker that does not answer. */
static void on_request_kept(void *self, struct weft_exchange *exchange)
{
    (void)self;
    weft_exchange_attach(exchange, WEFT_WORKER, on_wake, NULL);
    worked = exchange;
}

static void on_closed(void *self, int error)
{
    (void)self;
    closed++;
    closed_why = error;
}

static void on_touched(void *self)
{
    (void)self; /* the client is pumped all the time */
}

static int set_up(void (*request)(void *self, struct weft_exchange *exchange))
{
    weft_turn_init(&turn);
    memset(&world, 0, sizeof(world));
    world.host.ops = &ops;
    world.room = SIZE_MAX;
    closed = 0;
    closed_why = 0;
    worked = asked = NULL;
    const struct weft_pipe_options options = {
        .turn = &turn, .host = &world.host, .request = request, .closed = on_closed};
    return weft_pipe_new(&pipe_end, &options);
}

static void connect_client(void)
{
    const struct weft_carrier_options options = {
        .turn = &turn, .owner = {.touched = on_touched}, .scheme = WEFT_SLICE("http"), .trusted = true};
    assert_int_equal(weft_h2_client_new(&client, &options), 0);
}

static void ask(void)
{
    assert_int_equal(weft_exchange_new(&asked, &turn), 0);
    asked->request.method = WEFT_SLICE("GET");
    asked->request.target = WEFT_SLICE("/");
    asked->request.authority = WEFT_SLICE("engine");
    weft_exchange_end(asked, WEFT_REQUEST);
    weft_exchange_attach(asked, WEFT_ASKER, on_wake, NULL);
    assert_int_equal(weft_carrier_ask(client, asked), 0);
}

/* Carries bytes both ways until nothing moves. Returns what came of the answer. */
static size_t pump(void)
{
    size_t got = 0;
    for (bool moved = true; moved;) {
        struct weft_bytes bytes = {0};
        char piece[4096];
        moved = false;
        weft_turn_run(&turn);
        weft_carrier_fill(client, &bytes);
        for (size_t size; world.reading && (size = weft_bytes_read(&bytes, piece, sizeof(piece))) > 0; moved = true) {
            world.user->received(world.self, piece, size);
        }
        weft_bytes_deinit(&bytes);
        weft_turn_run(&turn);
        for (size_t size; (size = weft_bytes_read(&world.sent, piece, sizeof(piece))) > 0; moved = true) {
            weft_carrier_receive(client, piece, size);
        }
        if (asked) {
            struct weft_bytes body = {0};
            got += weft_exchange_take_all(asked, WEFT_ANSWER, &body);
            weft_bytes_deinit(&body);
        }
    }
    return got;
}

static void tear_down(bool reset)
{
    if (asked) {
        weft_exchange_leave(asked, WEFT_ASKER, WEFT_ERR_CANCELLED);
    }
    weft_carrier_free(client);
    weft_pipe_free(pipe_end);
    weft_turn_run(&turn);
    assert_true(world.closed && world.was_reset == reset);
    weft_bytes_deinit(&world.sent);
    weft_bytes_trim();
    assert_int_equal(weft_mem_live(), 0);
}

static void test_an_answer_through_a_socket_that_blocks(void **state)
{
    (void)state;
    assert_int_equal(set_up(on_request), 0);
    connect_client();
    (void)pump();
    world.room = 1000;
    ask();
    size_t got = pump();
    assert_true(world.blocked && got < 1000);
    for (int i = 0; i < 400 && !weft_exchange_drained(asked, WEFT_ANSWER); i++) {
        world.room = 1000;
        world.blocked = false;
        world.user->writable(world.self);
        got += pump();
    }
    assert_int_equal(got, BODY);
    assert_int_equal(closed, 0);
    tear_down(false);
}

static void test_the_node_goes(void **state)
{
    (void)state;
    assert_int_equal(set_up(on_request_kept), 0);
    connect_client();
    ask();
    (void)pump();
    assert_non_null(worked);
    assert_int_equal(closed, 0);
    world.user->ended(world.self, 0);
    weft_turn_run(&turn);
    assert_int_equal(worked->aborted[WEFT_ASKER], WEFT_ERR_CANCELLED); /* the worker is told */
    weft_exchange_leave(worked, WEFT_WORKER, 0);
    weft_turn_run(&turn);
    assert_int_equal(closed, 1);
    assert_int_equal(closed_why, 0);
    weft_turn_run(&turn);
    assert_int_equal(closed, 1);
    tear_down(false);
}

static void test_the_socket_fails(void **state)
{
    (void)state;
    assert_int_equal(set_up(on_request), 0);
    connect_client();
    (void)pump();
    world.fails = WEFT_ERR_CLOSED;
    ask();
    (void)pump();
    assert_int_equal(closed, 1);
    assert_int_equal(closed_why, 0);
    assert_false(world.reading);
    tear_down(true);
}

static void test_the_socket_fails_for_memory(void **state)
{
    (void)state;
    for (int writes = 0; writes < 2; writes++) {
        assert_int_equal(set_up(on_request), 0);
        connect_client();
        (void)pump();
        if (writes) {
            world.fails = WEFT_ERR_MEMORY;
            ask();
            (void)pump();
        } else {
            world.user->ended(world.self, WEFT_ERR_MEMORY);
            weft_turn_run(&turn);
        }
        assert_int_equal(closed, 1);
        assert_int_equal(closed_why, WEFT_ERR_MEMORY);
        tear_down(true);
    }
}

/* What the client has to say, handed to the pipe: while that takes it, an allocation fails. */
static void serve_with_little(uint64_t fail_at)
{
    struct weft_bytes bytes = {0};
    char piece[4096];
    weft_carrier_fill(client, &bytes);
    size_t size = weft_bytes_read(&bytes, piece, sizeof(piece));
    assert_int_equal(bytes.size, 0);
    weft_mem_fail_at(fail_at);
    world.user->received(world.self, piece, size);
    weft_turn_run(&turn);
}

/* Whichever it is: either the pipe goes on, or it says that memory was why it did not. */
static void test_each_allocation_of_a_request_fails(void **state)
{
    (void)state;
    bool failed = true;
    unsigned ends = 0;
    for (uint64_t n = 1; failed; n++) {
        assert_int_equal(set_up(on_request_kept), 0);
        connect_client();
        (void)pump();
        ask();
        serve_with_little(n);
        failed = weft_mem_failed();
        weft_mem_fail_at(0);
        assert_int_equal(closed_why, closed ? WEFT_ERR_MEMORY : 0);
        assert_true(failed || !closed);
        ends += closed;
        if (worked) {
            weft_exchange_leave(worked, WEFT_WORKER, 0);
        }
        tear_down(false);
    }
    assert_true(ends > 0);
}

static void test_no_http2_is_the_end(void **state)
{
    (void)state;
    assert_int_equal(set_up(on_request), 0);
    connect_client();
    weft_turn_run(&turn);
    world.user->received(world.self, "GET / HTTP/1.1\r\n\r\n", 18);
    weft_turn_run(&turn);
    assert_int_equal(closed, 1);
    assert_int_equal(closed_why, 0);
    tear_down(false);
}

static void test_a_peer_that_says_nothing(void **state)
{
    (void)state;
    assert_int_equal(set_up(on_request), 0);
    connect_client();
    weft_turn_run(&turn);
    turn.now = weft_pipe_deadline(pipe_end) - 1;
    weft_pipe_expire(pipe_end);
    weft_turn_run(&turn);
    assert_int_equal(closed, 0);
    turn.now++;
    weft_pipe_expire(pipe_end);
    weft_turn_run(&turn);
    assert_int_equal(closed, 1);
    assert_int_equal(weft_pipe_deadline(pipe_end), WEFT_NEVER);
    tear_down(false);
}

static void test_each_allocation_of_its_making_fails(void **state)
{
    (void)state;
    bool failed = true;
    for (uint64_t n = 1; failed; n++) {
        weft_mem_fail_at(n);
        int error = set_up(on_request);
        failed = weft_mem_failed();
        weft_mem_fail_at(0);
        assert_int_equal(error, failed ? WEFT_ERR_MEMORY : 0);
        assert_int_equal(world.closed, failed); /* the socket is its own from the start */
        if (!failed) {
            weft_pipe_free(pipe_end);
        }
        assert_int_equal(weft_mem_live(), 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_answer_through_a_socket_that_blocks),
        cmocka_unit_test(test_the_node_goes),
        cmocka_unit_test(test_the_socket_fails),
        cmocka_unit_test(test_the_socket_fails_for_memory),
        cmocka_unit_test(test_each_allocation_of_a_request_fails),
        cmocka_unit_test(test_no_http2_is_the_end),
        cmocka_unit_test(test_a_peer_that_says_nothing),
        cmocka_unit_test(test_each_allocation_of_its_making_fails),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
