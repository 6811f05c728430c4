/* tests/conformance/link_test.c - links as docs/PROTOCOL.md has them, over real TLS and real sockets of this machine.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/mem.h"
#include "crypto/tls.h"
#include "host/address.h"
#include "support/link_ends.h"
#include "sys/sys.h"

static struct {
    struct weft_sys *sys;
    struct weft_host *host;
    struct link_end ends[2]; /* the first one listens */
    struct weft_loop loop;   /* of whoever else is there */
    bool stopped;            /* the second one has no turn */
    bool (*done)(void);
    weft_time started, took;
} pair;

#define ONE   (&pair.ends[0])
#define OTHER (&pair.ends[1])

/* Three guests in one. */
static weft_time turn(void *self, weft_time now)
{
    (void)self;
    weft_time next = WEFT_NEVER;
    for (int i = 0; i < 2; i++) {
        weft_time at = pair.stopped && i == 1 ? WEFT_NEVER : link_end_turn(&pair.ends[i], now);
        next = at < next ? at : next;
    }
    pair.loop.turn.now = now;
    weft_timers_run(&pair.loop.timers, now);
    weft_turn_run(&pair.loop.turn);
    weft_time at = weft_timers_next(&pair.loop.timers);
    next = at < next ? at : next;
    pair.took = pair.host->ops->now(pair.host) - pair.started;
    if (pair.done()) {
        weft_sys_stop(pair.sys);
    }
    return next;
}

/* Runs until `done` says so; ctest ends a test for which that never comes. */
static void run(bool (*done)(void))
{
    pair.done = done;
    pair.started = pair.host->ops->now(pair.host);
    if (!done()) {
        assert_int_equal(weft_sys_run(pair.sys, (struct weft_guest){.turn = turn}), 0);
    }
}

static void begin(void)
{
    struct weft_address any;
    memset(&pair, 0, sizeof(pair));
    assert_int_equal(weft_sys_new(&pair.sys), 0);
    pair.host = weft_sys_host(pair.sys);
    pair.loop.host = pair.host;
    for (uint8_t i = 0; i < 2; i++) {
        assert_int_equal(link_end_init(&pair.ends[i], pair.host, &weft_tls_links, (uint8_t)(i + 1)), 0);
    }
    assert_int_equal(weft_address_parse(WEFT_SLICE("127.0.0.1:0"), &any), 0);
    assert_int_equal(link_end_listen(ONE, &any), 0);
}

static void end(void)
{
    link_end_deinit(OTHER);
    link_end_deinit(ONE);
    weft_timers_deinit(&pair.loop.timers);
    assert_true(weft_sys_free(pair.sys)); /* no socket is left */
}

static bool both_opened(void)
{
    return ONE->opened == 1 && OTHER->opened == 1;
}

static bool one_told(void)
{
    return ONE->told;
}

static bool other_told(void)
{
    return OTHER->told;
}

static bool both_closed(void)
{
    return ONE->closed > 0 && OTHER->closed > 0;
}

static bool one_closed(void)
{
    return ONE->closed > 0;
}

static void dial(const struct weft_key *key, bool serve)
{
    struct weft_link *link;
    assert_int_equal(weft_links_dial(OTHER->links, &ONE->bound, key, serve, &link), 0);
}

/* The dialler asks; or it serves, and the one that it dialled asks. */
static void test_both_directions(void **state)
{
    (void)state;
    for (int serve = 0; serve < 2; serve++) {
        begin();
        dial(&ONE->identity.key, serve);
        run(both_opened);
        struct link_end *asker = serve ? ONE : OTHER, *worker = serve ? OTHER : ONE;
        worker->others = serve ? WEFT_GATEWAY : WEFT_MEMBER;
        char id[WEFT_PEER_ID_SIZE];
        weft_key_text(&worker->identity.key, id);
        for (int i = 0; i < 3; i++) {
            assert_int_equal(link_end_ask(asker, asker->last, "/", NULL), 0);
            run(serve ? one_told : other_told);
            assert_int_equal(asker->status, 200);
            assert_string_equal(asker->text, id);
        }
        assert_true(weft_key_equal(&worker->caller.key, &asker->identity.key));
        assert_int_equal(worker->caller.principal, worker->others);
        uint8_t binding[WEFT_FILTER_BINDING_SIZE];
        assert_int_equal(weft_link_binding(asker->last, binding), 0);
        assert_memory_equal(worker->caller.binding, binding, sizeof(binding));
        weft_link_close(OTHER->last);
        run(both_closed);
        assert_int_equal(ONE->why, 0);
        assert_int_equal(OTHER->why, 0);
        end();
    }
}

static void test_wrong_key(void **state)
{
    (void)state;
    for (int serve = 0; serve < 2; serve++) {
        begin();
        dial(&OTHER->identity.key, serve);
        run(both_closed);
        assert_int_equal(OTHER->why, WEFT_ERR_CRYPTO);
        assert_string_equal(OTHER->phrase, "the peer has another key than the one expected");
        assert_int_equal(ONE->opened + OTHER->opened, 0);
        assert_int_equal(ONE->requests, 0);
        end();
    }
}

/* -- callers that are no node -- */

static struct {
    bool met, usable, closed;
    int why;
} caller;

static int caller_met(void *self, struct weft_connection *connection)
{
    (void)self, (void)connection;
    caller.met = true;
    return 1;
}

static void caller_usable(void *self, struct weft_connection *connection)
{
    (void)self, (void)connection;
    caller.usable = true;
}

static void caller_closed(void *self, struct weft_connection *connection, int why, const char *phrase)
{
    (void)self, (void)connection, (void)phrase;
    caller.closed = true;
    caller.why = why;
}

static bool caller_is_gone(void)
{
    return caller.closed && ONE->closed > 0;
}

/* Asks for a link and shows no certificate: refused in the handshake. */
static void test_no_certificate(void **state)
{
    (void)state;
    static const char *const alpns[][2] = {{WEFT_ALPN_LINK, NULL}, {WEFT_ALPN_REVERSE, NULL}};
    static const struct weft_connection_user user = {
        .met = caller_met, .usable = caller_usable, .closed = caller_closed};
    for (size_t i = 0; i < WEFT_COUNT(alpns); i++) {
        begin();
        memset(&caller, 0, sizeof(caller));
        struct weft_tls_context *context;
        const struct weft_tls_client_options bare = {.verify = WEFT_TLS_VERIFY_KEY, .alpn = alpns[i]};
        assert_int_equal(weft_tls_client_context_new(&context, &bare), 0);
        const struct weft_connection_options options = {.loop = &pair.loop,
                                                        .user = &user,
                                                        .filters = weft_tls_filters(context),
                                                        .link = true,
                                                        .key = &ONE->identity.key};
        struct weft_connection *connection;
        pair.loop.turn.now = pair.host->ops->now(pair.host);
        assert_int_equal(weft_connection_dial(&connection, &options, &ONE->bound), 0);
        run(caller_is_gone);
        assert_int_equal(ONE->opened + ONE->requests, 0);
        assert_int_equal(ONE->why, WEFT_ERR_CRYPTO);
        assert_int_not_equal(caller.why, 0);
        weft_tls_context_free(context);
        end();
    }
}

/* -- silence -- */

static struct {
    struct weft_socket *socket;
    bool opened, ended;
} raw;

static void raw_opened(void *self, int status)
{
    (void)self;
    assert_int_equal(status, 0);
    raw.opened = true;
    pair.host->ops->read(raw.socket, true);
}

static void raw_received(void *self, const char *data, size_t size)
{
    (void)self, (void)data, (void)size;
}

static void raw_nothing(void *self)
{
    (void)self;
}

static void raw_ended(void *self, int status)
{
    (void)self, (void)status;
    raw.ended = true;
}

static const struct weft_socket_user raw_user = {
    .opened = raw_opened, .received = raw_received, .writable = raw_nothing, .ended = raw_ended};

/* A peer whose process stands still, with its connection open: dead in under 5 s, whoever serves. */
static void test_silent_peer(void **state)
{
    (void)state;
    begin();
    dial(&ONE->identity.key, true);
    run(both_opened);
    assert_int_equal(link_end_ask(ONE, ONE->last, "/", NULL), 0);
    run(one_told);
    pair.stopped = true; /* the second end has no turn any more: what comes for it stays unanswered */
    run(one_closed);
    assert_int_equal(ONE->why, WEFT_ERR_TIMEOUT);
    assert_string_equal(ONE->phrase, "the link is silent");
    print_message("silent for %lld ms\n", (long long)(pair.took / WEFT_MS));
    assert_true(pair.took > 2 * WEFT_SECOND && pair.took < 5 * WEFT_SECOND);
    pair.stopped = false;
    end();
}

static bool raw_is_over(void)
{
    return raw.ended;
}

static bool raw_is_open(void)
{
    return raw.opened;
}

/* Bytes that are no TLS, and TLS that is none of ours, end their connection and nothing else. */
static void test_malformed(void **state)
{
    (void)state;
    static const struct weft_slice said[] = {
        {"GET / HTTP/1.1\r\nHost: x\r\n\r\n", 27},
        {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 24},
        {"\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00", 10},
        {"\x16\x03\x01\xff\xff\x01\x00\xff\xff", 9},
        {"\x17\x03\x03\x00\x01\x00", 6},
        {"\x15\x03\x03\x00\x02\x02\x28", 7},
        {"weft-sim\x00 0123456789012345678901234567890123456789", 50},
    };
    begin();
    dial(&ONE->identity.key, false);
    run(both_opened);
    for (size_t i = 0; i < WEFT_COUNT(said); i++) {
        memset(&raw, 0, sizeof(raw));
        assert_int_equal(pair.host->ops->dial(pair.host, &ONE->bound, &raw_user, NULL, &raw.socket), 0);
        run(raw_is_open);
        int64_t written = pair.host->ops->write(raw.socket, &said[i], 1);
        assert_int_equal(written, said[i].size);
        run(raw_is_over);
        pair.host->ops->close(raw.socket, true);
    }
    assert_int_equal(ONE->opened, 1);
    assert_int_equal(link_end_ask(OTHER, OTHER->last, "/", NULL), 0);
    run(other_told);
    assert_int_equal(OTHER->status, 200);
    end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_both_directions), cmocka_unit_test(test_wrong_key),
        cmocka_unit_test(test_no_certificate),  cmocka_unit_test(test_malformed),
        cmocka_unit_test(test_silent_peer),
    };
    weft_tls_setup();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
