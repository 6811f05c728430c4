/* tests/unit/node/connection_test.c - a socket, perhaps TLS, and a carrier: how they begin, block and end. */
#include "http/limits.h"
#include "node/connection.h"
#include "stage.h"
#include "support/tls_ends.h"

#define PREFACE  "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
#define SETTINGS "\0\0\0\x04\0\0\0\0\0"

static void send_split(const char *bytes, size_t size, size_t at)
{
    weft_raw_dial(&stage.raw, stage.clients, STAGE_TCP);
    weft_raw_send(&stage.raw, weft_slice(bytes, at));
    stage_pass(WEFT_MS);
    weft_raw_send(&stage.raw, weft_slice(bytes + at, size - at));
    stage_pass(WEFT_MS);
}

/* The first bytes decide which protocol it is, wherever they are cut. */
static void test_preface_split_at_every_byte(void **state)
{
    (void)state;
    static const char h2[] = PREFACE SETTINGS;
    static const char *const h1[] = {
        "GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n", "PROPFIND /health HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "PRI /health HTTP/1.1\r\nHost: localhost\r\n\r\n", "PRI * HTTP/2.0\r\n\r\nSM\r\n\rX"};
    static const int statuses[] = {200, 501, 400, 505};
    stage_begin(LISTEN_TCP);
    for (size_t at = 0; at < sizeof(h2); at++) {
        send_split(h2, sizeof(h2) - 1, at);
        assert_true(stage.raw.heard >= 9 && !stage.raw.ended);
        assert_int_equal(stage.raw.in[3], 4); /* SETTINGS comes first (RFC 9113 3.4) */
        weft_raw_close(&stage.raw, false);
        stage_pass(WEFT_MS);
    }
    for (size_t i = 0; i < WEFT_COUNT(h1); i++) {
        for (size_t at = 0; at <= strlen(h1[i]); at++) {
            send_split(h1[i], strlen(h1[i]), at);
            stage_read(false);
            if (stage.answers.at[0].status != statuses[i]) {
                fail_msg("%zu at %zu: %d", i, at, stage.answers.at[0].status);
            }
            weft_raw_close(&stage.raw, false);
            stage_pass(WEFT_MS);
        }
    }
    stage_end();
}

/* Who says nothing, or not enough, is not waited for. */
static void test_first_bytes_in_time(void **state)
{
    (void)state;
    static const char *const said[] = {"", "PRI * HT", "GET /hea"};
    for (size_t i = 0; i < WEFT_COUNT(said); i++) {
        stage_begin(LISTEN_TCP);
        weft_raw_dial(&stage.raw, stage.clients, STAGE_TCP);
        weft_raw_text(&stage.raw, said[i]);
        stage_pass(WEFT_HTTP_HEADER_TIMEOUT - WEFT_SECOND);
        assert_false(stage.raw.ended);
        stage_pass(2 * WEFT_SECOND);
        assert_true(stage.raw.ended);
        stage_read(false);
        assert_int_equal(stage.answers.at[0].status, i == 2 ? 408 : 0);
        weft_raw_close(&stage.raw, false);
        stage_end();
    }
}

static void test_idle(void **state)
{
    (void)state;
    stage_begin(LISTEN_TCP);
    assert_int_equal(stage_say("GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n"), 200);
    stage_pass(WEFT_HTTP_IDLE_TIMEOUT - WEFT_SECOND);
    assert_false(stage.raw.ended);
    stage_pass(2 * WEFT_SECOND);
    assert_true(stage.raw.ended && stage.raw.status == 0); /* closed in order */
    weft_raw_close(&stage.raw, false);
    stage_end();
}

/* A reader that stops holds its answer back, and for IDLE_TIMEOUT only. */
static void test_blocked_writer(void **state)
{
    (void)state;
    for (int again = 0; again < 2; again++) {
        stage_begin(RELAY_H1);
        weft_raw_dial(&stage.raw, stage.clients, STAGE_TCP);
        weft_raw_text(&stage.raw, "GET /v1/x?do=bytes&n=200 HTTP/1.1\r\nHost: localhost\r\n\r\n");
        weft_raw_read(&stage.raw, false);
        stage_pass(WEFT_HTTP_IDLE_TIMEOUT - 2 * WEFT_SECOND);
        assert_int_equal(stage.engine.running + stage.engine.answered, 1);
        if (again) {
            weft_raw_read(&stage.raw, true);
            stage_pass(WEFT_SECOND);
            stage_read(false);
            assert_int_equal(stage.answers.whole, 1);
            assert_int_equal(stage.answers.at[0].body_size, 200 * 1024);
        } else {
            stage_pass(4 * WEFT_SECOND);
            assert_int_equal(weft_world_sockets(stage.host), stage.engine.connection_count);
            assert_int_equal(stage.engine.running, 0);
        }
        weft_raw_close(&stage.raw, false);
        stage_end();
    }
}

/* A client that says it is done, in the middle or at the end of things. */
static void test_hangups(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t answers; /* h1: a half-closed client still hears what was answered in full */
    } rows[] = {
        {"", 0},
        {"PRI * HTTP/2.0\r\n", 0},
        {"GET /health HTTP/1.1\r\nHo", 0},
        {"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n", 1},
        {"POST /v1/x HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{", 1},
    };
    for (size_t i = 0; i < WEFT_COUNT(rows); i++) {
        stage_begin(LISTEN_TCP);
        weft_raw_dial(&stage.raw, stage.clients, STAGE_TCP);
        weft_raw_text(&stage.raw, rows[i].bytes);
        stage_pass(WEFT_MS);
        weft_world_shut(stage.raw.socket);
        stage_pass(WEFT_SECOND);
        assert_true(stage.raw.ended);
        stage_read(false);
        assert_true(stage.answers.whole >= rows[i].answers);
        assert_int_equal(weft_world_sockets(stage.host), 0);
        weft_raw_close(&stage.raw, false);
        stage_end();
    }
}

static void test_resets(void **state)
{
    (void)state;
    static const char *const said[] = {"", "PRI", "GET /v1/x?do=silent HTTP/1.1\r\nHost: localhost\r\n\r\n",
                                       PREFACE "\0\0"};
    for (size_t i = 0; i < WEFT_COUNT(said); i++) {
        stage_begin(RELAY_H1);
        weft_raw_dial(&stage.raw, stage.clients, STAGE_TCP);
        weft_raw_text(&stage.raw, said[i]);
        stage_pass(WEFT_MS);
        weft_raw_close(&stage.raw, true);
        stage_pass(10 * WEFT_SECOND);
        assert_int_equal(weft_world_sockets(stage.host), 0);
        assert_int_equal(stage.engine.running, 0);
        stage_end();
    }
}

/* -- TLS over the fake network -- */

static struct tls_authority authority;
static struct pem_text certificate, key;

static struct weft_tls_context *trusting(const char *const *alpn, bool right)
{
    struct weft_tls_context *context = NULL;
    const struct weft_tls_client_options options = {.verify = WEFT_TLS_VERIFY_NAME,
                                                    .roots =
                                                        right ? pem_slice(&authority.roots) : pem_slice(&certificate),
                                                    .alpn = alpn};
    assert_int_equal(weft_tls_client_context_new(&context, &options), 0);
    return context;
}

static void begin_tls(void)
{
    const struct weft_resident_options options = {
        .yaml = "listen: [\"tls:127.0.0.1:80\"]\ncert: c.pem\nkey: k.pem\nupstream: http://10.0.0.9:8000\n"
                "log:\n  level: debug\n",
        .certificate = pem_slice(&certificate),
        .certificate_key = pem_slice(&key),
        .journal_format = WEFT_JOURNAL_JSON,
    };
    stage_begin_with(&options);
    stage.has_tls = true;
}

static void test_tls(void **state)
{
    (void)state;
    static struct weft_asker asker;
    static const char *const alpns[][2] = {{"http/1.1", NULL}, {"h2", NULL}};
    for (size_t i = 0; i < WEFT_COUNT(alpns); i++) {
        struct weft_tls_context *context = trusting(alpns[i], true);
        begin_tls();
        assert_int_equal(weft_asker_dial(&asker, stage.world, stage.clients, STAGE_TCP, false,
                                         weft_tls_filters(context), "weft.test"),
                         0);
        assert_int_equal(weft_asker_ask(&asker, "GET", "/v1/x?do=bytes&n=100", NULL, (struct weft_slice){0}), 0);
        stage_pass(WEFT_SECOND);
        assert_true(asker.whole);
        assert_int_equal(asker.heard, 100 * 1024);
        assert_int_equal(weft_connection_h2(asker.connection), i == 1);
        assert_int_equal(
            weft_asker_ask(&asker, "POST", "/v1/x?do=echo", "content-type: application/json\n", WEFT_SLICE("{}")), 0);
        stage_pass(WEFT_SECOND);
        assert_true(asker.whole && asker.status == 200);
        assert_string_equal(asker.text, "{}");
        weft_resident_drain(&stage.node, -1);
        stage_pass(WEFT_SECOND);
        assert_true(stage.node.stopped);
        assert_null(asker.connection);
        weft_asker_end(&asker);
        stage_end();
        weft_tls_context_free(context);
    }
}

static void test_tls_not_trusted(void **state)
{
    (void)state;
    static struct weft_asker asker;
    static const char *const alpn[] = {"http/1.1", NULL};
    struct weft_tls_context *context = trusting(alpn, true);
    begin_tls();
    assert_int_equal(
        weft_asker_dial(&asker, stage.world, stage.clients, STAGE_TCP, false, weft_tls_filters(context), "other.test"),
        0);
    stage_pass(WEFT_SECOND);
    assert_null(asker.connection);
    assert_int_equal(asker.closed, WEFT_ERR_CRYPTO);
    assert_non_null(strstr(weft_world_log(stage.host), "\"event\":\"connection failed\""));
    weft_asker_end(&asker);
    stage_end();
    weft_tls_context_free(context);
}

/* Plain words to a TLS port: an alert, and the end. */
static void test_tls_wanted(void **state)
{
    (void)state;
    begin_tls();
    weft_raw_dial(&stage.raw, stage.clients, STAGE_TCP);
    weft_raw_text(&stage.raw, "GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n");
    stage_pass(WEFT_SECOND);
    assert_true(stage.raw.ended);
    assert_true(stage.raw.in_size == 0 || stage.raw.in[0] == 0x15); /* alert */
    weft_raw_close(&stage.raw, false);
    stage_end();
}

/* An alert that the client's side of the network never takes: waited for as long as any answer, and then no more. */
static void test_tls_alert_that_nobody_takes(void **state)
{
    (void)state;
    static struct weft_asker asker;
    static const char *const alpn[] = {"h2", NULL};
    struct weft_tls_context *context = trusting(alpn, true);
    begin_tls();
    assert_int_equal(
        weft_asker_dial(&asker, stage.world, stage.clients, STAGE_TCP, false, weft_tls_filters(context), "weft.test"),
        0);
    stage_pass(WEFT_SECOND);
    weft_world_trouble(stage.clients, true, false);
    assert_int_equal(weft_asker_ask(&asker, "GET", "/v1/x?do=bytes&n=4096", NULL, (struct weft_slice){0}), 0);
    stage_pass(WEFT_SECOND);
    assert_int_equal(stage.engine.running, 1);
    weft_world_trouble(stage.clients, true, true);
    weft_asker_cancel(&asker);
    stage_pass(WEFT_HTTP_IDLE_TIMEOUT + 10 * WEFT_SECOND);
    assert_int_equal(stage.engine.running, 0);
    assert_int_equal(weft_world_sockets(stage.host), 0);
    weft_asker_end(&asker);
    stage_end();
    weft_tls_context_free(context);
}

static void test_tls_slow_handshake(void **state)
{
    (void)state;
    begin_tls();
    weft_raw_dial(&stage.raw, stage.clients, STAGE_TCP);
    weft_raw_text(&stage.raw, "\x16\x03\x01");
    stage_pass(WEFT_HTTP_HEADER_TIMEOUT + WEFT_SECOND);
    assert_true(stage.raw.ended);
    weft_raw_close(&stage.raw, false);
    stage_end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_preface_split_at_every_byte),
        cmocka_unit_test(test_first_bytes_in_time),
        cmocka_unit_test(test_idle),
        cmocka_unit_test(test_blocked_writer),
        cmocka_unit_test(test_hangups),
        cmocka_unit_test(test_resets),
        cmocka_unit_test(test_tls),
        cmocka_unit_test(test_tls_not_trusted),
        cmocka_unit_test(test_tls_wanted),
        cmocka_unit_test(test_tls_alert_that_nobody_takes),
        cmocka_unit_test(test_tls_slow_handshake),
    };
    weft_tls_setup();
    weft_json_setup(1);
    tls_authority_init(&authority);
    tls_authority_issue(&authority, (struct certificate_wish){0}, &certificate, &key);
    int failures = cmocka_run_group_tests(tests, NULL, NULL);
    tls_authority_deinit(&authority);
    return failures;
}
