/* tests/unit/sys/socket_test.c - connected streams over the real loopback. */
#include "unit/sys/stage.h"

#include <sys/socket.h>
#include <unistd.h>

#include "sys/inside.h"

static void bytes_go_both_ways(const char *address)
{
    struct stage stage;
    stage_init(&stage);
    struct door door;
    struct peer client = {.wanted = 5}, server = {.wanted = 4};
    stage_connect(&stage, &door, &client, &server, address);

    struct weft_slice views[] = {WEFT_SLICE("pi"), WEFT_SLICE(""), WEFT_SLICE("ng")};
    assert_int_equal(stage.ops->write(client.socket, views, WEFT_COUNT(views)), 4);
    stage_run(&stage, &server.enough);
    assert_int_equal(peer_write(&server, "pong!", 5), 5);
    stage_run(&stage, &client.enough);
    assert_true(weft_slice_equal(weft_bytes_front(&server.input), WEFT_SLICE("ping")));
    assert_true(weft_slice_equal(weft_bytes_front(&client.input), WEFT_SLICE("pong!")));

    peer_close(&client, false);
    stage_run(&stage, &server.ended);
    assert_int_equal(server.status, 0);
    peer_close(&server, false);
    stage.ops->unlisten(door.listener);
    stage_deinit(&stage);
}

static void bytes_go_both_ways_over_ipv4(void **state)
{
    (void)state;
    bytes_go_both_ways("127.0.0.1");
}

static void bytes_go_both_ways_over_ipv6(void **state)
{
    (void)state;
    int probe = socket(AF_INET6, SOCK_STREAM, 0);
    if (probe < 0) {
        skip(); /* a kernel without IPv6 */
    }
    close(probe);
    bytes_go_both_ways("::1");
}

static void a_dial_to_nobody_is_refused_later(void **state)
{
    (void)state;
    struct stage stage;
    stage_init(&stage);
    struct door door;
    struct peer client = {.stage = &stage}, server = {0};
    struct weft_address any = {.kind = WEFT_ADDRESS_TCP, .text = "127.0.0.1"};
    assert_int_equal(door_open(&door, &stage, &server, &any), 0);
    stage.ops->unlisten(door.listener); /* its port is free, and nobody is there */
    assert_int_equal(stage.ops->dial(stage.host, &door.bound, &peer_user, &client, &client.socket), 0);
    assert_false(client.opened);
    stage_run(&stage, &client.opened);
    assert_int_equal(client.status, WEFT_ERR_REFUSED);
    peer_close(&client, false);
    stage_deinit(&stage);
}

static void a_dial_closed_at_once_says_nothing(void **state)
{
    (void)state;
    struct stage stage;
    stage_init(&stage);
    struct door door;
    struct peer client = {.stage = &stage}, server = {0};
    struct weft_address any = {.kind = WEFT_ADDRESS_TCP, .text = "127.0.0.1"};
    assert_int_equal(door_open(&door, &stage, &server, &any), 0);
    assert_int_equal(stage.ops->dial(stage.host, &door.bound, &peer_user, &client, &client.socket), 0);
    peer_close(&client, false);
    stage.ops->unlisten(door.listener);
    assert_true(weft_sys_free(stage.sys));
    assert_false(client.opened);
    assert_int_equal(weft_mem_live(), 0);
}

static void a_bad_address_is_refused_at_once(void **state)
{
    (void)state;
    struct stage stage;
    stage_init(&stage);
    struct peer client = {.stage = &stage};
    struct weft_address name = {.kind = WEFT_ADDRESS_TCP, .text = "localhost", .port = 1};
    assert_int_equal(stage.ops->dial(stage.host, &name, &peer_user, &client, &client.socket), WEFT_ERR_INVALID);
    assert_null(client.socket);
    stage_deinit(&stage);
}

/* More than any kernel buffer: the writer is told to wait, hears of room, and every byte arrives in order. */
static void a_full_pipe_takes_less_and_says_when_it_takes_more(void **state)
{
    (void)state;
    enum { TOTAL = 32 * 1024 * 1024 };
    struct stage stage;
    stage_init(&stage);
    struct door door;
    struct peer client = {.wanted = TOTAL}, server = {0};
    stage_connect(&stage, &door, &client, &server, "127.0.0.1");
    unsigned char *data = weft_alloc(TOTAL);
    assert_non_null(data);
    for (size_t i = 0; i < TOTAL; i++) {
        data[i] = (unsigned char)(i * 2654435761U >> 24);
    }
    size_t sent = 0, waits = 0;
    while (sent < TOTAL) {
        int64_t took = peer_write(&server, data + sent, TOTAL - sent);
        assert_true(took >= 0);
        sent += (size_t)took;
        if (sent < TOTAL) {
            assert_int_equal(peer_write(&server, data + sent, TOTAL - sent), 0); /* full is full */
            server.writable = false;
            waits++;
            stage_run(&stage, &server.writable);
        }
    }
    assert_true(waits > 0);
    stage_run(&stage, &client.enough);
    unsigned char *got = weft_alloc(TOTAL);
    assert_non_null(got);
    assert_int_equal(weft_bytes_read(&client.input, got, TOTAL), TOTAL);
    assert_memory_equal(data, got, TOTAL);
    weft_free(data);
    weft_free(got);
    peer_close(&client, false);
    peer_close(&server, false);
    stage.ops->unlisten(door.listener);
    stage_deinit(&stage);
}

/* What a write has taken arrives, though the socket is closed straight after it. */
static void a_close_flushes_what_was_taken(void **state)
{
    (void)state;
    enum { TOTAL = 32 * 1024 * 1024 };
    struct stage stage;
    stage_init(&stage);
    struct door door;
    struct peer client = {.wanted = SIZE_MAX}, server = {0};
    stage_connect(&stage, &door, &client, &server, "127.0.0.1");
    char *data = weft_zalloc(TOTAL);
    assert_non_null(data);
    int64_t took = peer_write(&server, data, TOTAL);
    weft_free(data);
    assert_in_range(took, 1, TOTAL - 1);
    peer_close(&server, false);
    stage_run(&stage, &client.ended);
    assert_int_equal(client.status, 0);
    assert_int_equal(client.input.size, took);
    peer_close(&client, false);
    stage.ops->unlisten(door.listener);
    stage_deinit(&stage);
}

/* The client is still sending when the server answers and closes: the answer must not be lost to a reset. */
static void an_answer_survives_a_client_that_is_still_writing(void **state)
{
    (void)state;
    struct stage stage;
    stage_init(&stage);
    struct door door;
    struct peer client = {.wanted = 7}, server = {.wanted = 1};
    stage_connect(&stage, &door, &client, &server, "127.0.0.1");
    stage.ops->read(client.socket, false);
    static const char body[64 * 1024];
    assert_true(peer_write(&client, body, sizeof(body)) > 0);
    stage_run(&stage, &server.enough);
    stage.ops->read(server.socket, false);
    assert_true(peer_write(&client, body, sizeof(body)) > 0); /* never read by the server's user */
    assert_int_equal(peer_write(&server, "refused", 7), 7);
    peer_close(&server, false);
    assert_true(peer_write(&client, body, 1024) >= 0);
    stage.ops->read(client.socket, true);
    stage_run(&stage, &client.ended);
    assert_int_equal(client.status, 0);
    assert_true(weft_slice_equal(weft_bytes_front(&client.input), WEFT_SLICE("refused")));
    peer_close(&client, false);
    stage.ops->unlisten(door.listener);
    stage_deinit(&stage);
}

/* The server answers and resets the connection under a client that is still writing: what it said is read first. */
static void the_last_words_before_a_reset_are_read(void **state)
{
    (void)state;
    struct stage stage;
    stage_init(&stage);
    struct door door;
    struct peer client = {.wanted = SIZE_MAX}, server = {.wanted = 1};
    stage_connect(&stage, &door, &client, &server, "127.0.0.1");
    static const char body[1024];
    assert_int_equal(peer_write(&client, body, sizeof(body)), sizeof(body));
    stage_run(&stage, &server.enough);
    assert_int_equal(peer_write(&server, "refused", 7), 7);
    peer_close(&server, true);
    assert_int_equal(peer_write(&client, body, sizeof(body)), 0); /* and no event will say that more is taken */
    assert_int_equal(peer_write(&client, body, sizeof(body)), 0);
    assert_false(client.ended);
    stage_run(&stage, &client.ended);
    assert_int_equal(client.status, WEFT_ERR_CLOSED); /* not a mere end: what has no length would be taken for whole */
    assert_true(weft_slice_equal(weft_bytes_front(&client.input), WEFT_SLICE("refused")));
    peer_close(&client, true);
    stage.ops->unlisten(door.listener);
    stage_deinit(&stage);
}

/* Who does not read has nothing to wait for: a write that fails is told at once. */
static void a_write_that_fails_is_told_to_who_does_not_read(void **state)
{
    (void)state;
    for (int pause = 0; pause < 2; pause++) {
        struct stage stage;
        stage_init(&stage);
        struct door door;
        struct peer client = {.wanted = SIZE_MAX}, server = {0};
        stage_connect(&stage, &door, &client, &server, "127.0.0.1");
        if (pause == 0) {
            stage.ops->read(client.socket, false);
        }
        peer_close(&server, true);
        assert_int_equal(peer_write(&client, "x", 1), pause == 0 ? WEFT_ERR_CLOSED : 0);
        stage.ops->read(client.socket, false);
        stage_run(&stage, &client.ended);
        assert_int_equal(client.status, WEFT_ERR_CLOSED);
        peer_close(&client, true);
        stage.ops->unlisten(door.listener);
        stage_deinit(&stage);
    }
}

/* A client that sends on and on after the answer is cut off at a bound, not read for ever. */
static void a_client_that_never_stops_writing_is_cut_off(void **state)
{
    (void)state;
    struct stage stage;
    stage_init(&stage);
    struct door door;
    struct peer client = {.wanted = 1}, server = {0};
    stage_connect(&stage, &door, &client, &server, "127.0.0.1");
    static const char body[64 * 1024];
    peer_close(&server, false);
    int64_t took = 0;
    size_t sent = 0;
    while (took >= 0 && !(client.ended && client.status < 0)) {
        took = peer_write(&client, body, sizeof(body));
        sent += took > 0 ? (size_t)took : 0;
        assert_true(sent < (size_t)64 * 1024 * 1024);
        if (took >= 0 && took < (int64_t)sizeof(body)) {
            bool always = true;
            stage_run(&stage, &always); /* one batch: the server's end throws away, the client's hears of it */
        }
    }
    assert_true(sent > (size_t)256 * 1024); /* it was read for a while */
    peer_close(&client, false);
    stage.ops->unlisten(door.listener);
    stage_deinit(&stage);
}

/* A peer that neither reads nor closes holds a closed socket no longer than its time. */
static void a_closed_socket_goes_when_its_time_is_over(void **state)
{
    (void)state;
    struct stage stage;
    stage_init(&stage);
    struct weft_socket *sending, *lingering;
    int sending_child, lingering_child;
    assert_int_equal(weft_sys_pair(stage.sys, &sending, &sending_child), 0);
    assert_int_equal(weft_sys_pair(stage.sys, &lingering, &lingering_child), 0);
    struct peer full = {.stage = &stage, .socket = sending}, quiet = {.stage = &stage, .socket = lingering};
    static const char body[4 * 1024 * 1024];
    assert_in_range(peer_write(&full, body, sizeof(body)), 1, sizeof(body) - 1); /* nobody reads: some is kept */
    peer_close(&full, false);
    peer_close(&quiet, false);
    bool always = true;
    stage_run(&stage, &always); /* the quiet one has said its last */
    weft_time now = stage.ops->now(stage.host);
    weft_socket_sweep(stage.sys, now + WEFT_SECOND);
    stage_run(&stage, &always);
    assert_int_equal(stage.sys->sockets, 2);
    weft_socket_sweep(stage.sys, now + 3 * WEFT_SECOND);
    stage_run(&stage, &always);
    assert_int_equal(stage.sys->sockets, 1);
    weft_socket_sweep(stage.sys, now + 31 * WEFT_SECOND);
    stage_run(&stage, &always);
    assert_int_equal(stage.sys->sockets, 0);
    assert_int_equal(close(sending_child), 0);
    assert_int_equal(close(lingering_child), 0);
    stage_deinit(&stage);
}

static void a_reset_is_heard_as_an_error(void **state)
{
    (void)state;
    struct stage stage;
    stage_init(&stage);
    struct door door;
    struct peer client = {0}, server = {0};
    stage_connect(&stage, &door, &client, &server, "127.0.0.1");
    peer_close(&server, true);
    stage_run(&stage, &client.ended);
    assert_int_equal(client.status, WEFT_ERR_CLOSED);
    assert_int_equal(peer_write(&client, "x", 1), WEFT_ERR_CLOSED);
    peer_close(&client, false);
    stage.ops->unlisten(door.listener);
    stage_deinit(&stage);
}

/* Writing finds out first: the call says so, and `ended` comes from the loop, not from inside the call. */
static void a_failed_write_is_also_told_by_the_loop(void **state)
{
    (void)state;
    struct stage stage;
    stage_init(&stage);
    struct weft_socket *socket;
    int child;
    assert_int_equal(weft_sys_pair(stage.sys, &socket, &child), 0);
    struct peer peer = {.stage = &stage, .socket = socket};
    stage.ops->attach(socket, &peer_user, &peer);
    assert_int_equal(close(child), 0);
    assert_int_equal(peer_write(&peer, "x", 1), WEFT_ERR_CLOSED);
    assert_false(peer.ended);
    stage_run(&stage, &peer.ended);
    assert_int_equal(peer.status, WEFT_ERR_CLOSED);
    peer_close(&peer, false);
    stage_deinit(&stage);
}

static void writing_goes_on_after_the_peer_has_ended(void **state)
{
    (void)state;
    struct stage stage;
    stage_init(&stage);
    struct weft_socket *socket;
    int child;
    assert_int_equal(weft_sys_pair(stage.sys, &socket, &child), 0);
    struct peer peer = {0};
    peer_attach(&peer, &stage, socket);
    assert_int_equal(shutdown(child, SHUT_WR), 0);
    stage_run(&stage, &peer.ended);
    assert_int_equal(peer.status, 0);
    assert_int_equal(peer_write(&peer, "still here", 10), 10);
    char text[16];
    assert_int_equal(read(child, text, sizeof(text)), 10);
    assert_memory_equal(text, "still here", 10);
    peer_close(&peer, false);
    assert_int_equal(close(child), 0);
    stage_deinit(&stage);
}

static void a_pair_carries_bytes_to_a_child(void **state)
{
    (void)state;
    struct stage stage;
    stage_init(&stage);
    struct weft_socket *socket;
    int child;
    assert_int_equal(weft_sys_pair(stage.sys, &socket, &child), 0);
    struct peer peer = {.wanted = 6};
    peer_attach(&peer, &stage, socket);
    assert_int_equal(peer_write(&peer, "to you", 6), 6);
    char text[16];
    assert_int_equal(read(child, text, sizeof(text)), 6);
    assert_memory_equal(text, "to you", 6);
    assert_int_equal(write(child, "and me", 6), 6);
    stage_run(&stage, &peer.enough);
    assert_true(weft_slice_equal(weft_bytes_front(&peer.input), WEFT_SLICE("and me")));
    peer_close(&peer, false);
    assert_int_equal(close(child), 0);
    stage_deinit(&stage);
}

static void reading_off_leaves_the_bytes_with_the_kernel(void **state)
{
    (void)state;
    struct stage stage;
    stage_init(&stage);
    struct weft_socket *quiet_socket, *other_socket;
    int quiet_child, other_child;
    assert_int_equal(weft_sys_pair(stage.sys, &quiet_socket, &quiet_child), 0);
    assert_int_equal(weft_sys_pair(stage.sys, &other_socket, &other_child), 0);
    struct peer quiet = {.wanted = 1}, other = {.wanted = 1};
    peer_attach(&quiet, &stage, quiet_socket);
    peer_attach(&other, &stage, other_socket);
    stage.ops->read(quiet_socket, false);
    assert_int_equal(write(quiet_child, "x", 1), 1);
    assert_int_equal(write(other_child, "y", 1), 1);
    stage_run(&stage, &other.enough); /* one poll sees both */
    assert_false(quiet.enough);
    stage.ops->read(quiet_socket, true);
    stage_run(&stage, &quiet.enough);
    peer_close(&quiet, false);
    peer_close(&other, false);
    assert_int_equal(close(quiet_child), 0);
    assert_int_equal(close(other_child), 0);
    stage_deinit(&stage);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_go_both_ways_over_ipv4),
        cmocka_unit_test(bytes_go_both_ways_over_ipv6),
        cmocka_unit_test(a_dial_to_nobody_is_refused_later),
        cmocka_unit_test(a_dial_closed_at_once_says_nothing),
        cmocka_unit_test(a_bad_address_is_refused_at_once),
        cmocka_unit_test(a_full_pipe_takes_less_and_says_when_it_takes_more),
        cmocka_unit_test(a_close_flushes_what_was_taken),
        cmocka_unit_test(an_answer_survives_a_client_that_is_still_writing),
        cmocka_unit_test(the_last_words_before_a_reset_are_read),
        cmocka_unit_test(a_write_that_fails_is_told_to_who_does_not_read),
        cmocka_unit_test(a_client_that_never_stops_writing_is_cut_off),
        cmocka_unit_test(a_closed_socket_goes_when_its_time_is_over),
        cmocka_unit_test(a_reset_is_heard_as_an_error),
        cmocka_unit_test(a_failed_write_is_also_told_by_the_loop),
        cmocka_unit_test(writing_goes_on_after_the_peer_has_ended),
        cmocka_unit_test(a_pair_carries_bytes_to_a_child),
        cmocka_unit_test(reading_off_leaves_the_bytes_with_the_kernel),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
