/* tests/unit/node/relay_test.c - from one carrier to another: streaming, cancelling and failing, both ways. */
#include "node/relay.h"
#include "stage.h"

#define POST(path, body) stage_ask("POST", path, "Content-Type: application/json\r\n", body)

static void ask_open(const char *method, const char *path)
{
    char bytes[512];
    (void)snprintf(bytes, sizeof(bytes), "%s %s HTTP/1.1\r\nHost: localhost\r\n\r\n", method, path);
    weft_raw_dial(&stage.raw, stage.clients, STAGE_TCP);
    weft_raw_text(&stage.raw, bytes);
}

static size_t count(const char *text, const char *what)
{
    size_t found = 0;
    for (const char *at = strstr(text, what); at; at = strstr(at + 1, what)) {
        found++;
    }
    return found;
}

static void each_upstream(void (*test)(void))
{
    static const char *const yaml[] = {RELAY_H1, RELAY_H2};
    for (size_t i = 0; i < WEFT_COUNT(yaml); i++) {
        stage_begin(yaml[i]);
        test();
        stage_pass(WEFT_SECOND);
        assert_int_equal(stage.engine.running, 0);
        stage_end();
    }
}

static void whole_answers(void)
{
    assert_int_equal(POST("/v1/x?do=answer", "{}"), 200);
    assert_string_equal(stage.text, "{\"object\":\"answer\"}\n");
    assert_field("content-type", "application/json");
    assert_field("content-length", "20");
    assert_int_equal(POST("/v1/x?do=echo", "{\"hello\":\"there\"}"), 200);
    assert_string_equal(stage.text, "{\"hello\":\"there\"}");
    assert_int_equal(POST("/v1/x?do=events&n=5", "{}"), 200);
    assert_field("content-type", "text/event-stream");
    assert_int_equal(count(stage.text, WEFT_ENGINE_EVENT), 5);
    assert_int_equal(count(stage.text, WEFT_ENGINE_DONE), 1);
    assert_int_equal(POST("/v1/x?do=early", "{}"), 200);
    assert_int_equal(stage.engine.asked, 4);
}

static void test_whole_answers(void **state)
{
    (void)state;
    each_upstream(whole_answers);
}

/* Only what is on the lists travels; proofs, cookies and our own names stay. */
static void heads(void)
{
    assert_int_equal(stage_ask("POST", "/v1/x?do=answer",
                               "Content-Type: application/json; charset=utf-8\r\nAccept: text/event-stream\r\n"
                               "Accept: */*;q=0.1\r\nContent-Encoding: zstd\r\n"
                               "Idempotency-Key: k1\r\nCookie: a=b\r\nX-Forwarded-For: 1.2.3.4\r\n"
                               "Proxy-Authorization: Basic xx\r\nAuthorization: Bearer secret\r\n"
                               "X-Api-Key: secret\r\nX-Weft-Peer: me\r\nTE: trailers\r\nUser-Agent: curl\r\n"
                               "Accept-Encoding: gzip\r\nReferer: http://localhost/\r\n",
                               "{}"),
                     200);
    const char *head = stage.engine.head;
    assert_non_null(strstr(head, "POST /v1/x?do=answer 10.0.0.9:8000\n"));
    assert_non_null(strstr(head, "\ncontent-type: application/json; charset=utf-8\n"));
    assert_non_null(strstr(head, "\naccept: text/event-stream\naccept: */*;q=0.1\n")); /* a list may be said in parts */
    assert_non_null(strstr(head, "\ncontent-encoding: zstd\n"));
    assert_non_null(strstr(head, "\nidempotency-key: k1\n"));
    assert_non_null(strstr(head, "\nvia: 1.1 weft-"));
    assert_int_equal(count(head, "\n"), 7);
    assert_field("set-cookie", NULL);
    assert_field("server", NULL);
}

static void test_heads(void **state)
{
    (void)state;
    each_upstream(heads);
}

/* An upstream that leads back here is told so by the first round, however the node's mark comes back. */
static void test_loop(void **state)
{
    (void)state;
    char mark[64], fields[256];
    static const char *const ways[] = {"Via: 1.0 other, %s\r\n", "Via: 1.0 other\r\nVia: %s,2 x\r\n"};
    stage_begin(RELAY_H1);
    assert_int_equal(stage_ask("GET", "/v1/x?do=answer", "Via: 1.1 weft-0000000000000000\r\n", ""), 200);
    assert_non_null(strstr(stage.engine.head, "\nvia: 1.1 weft-0000000000000000\n"));
    const char *ours = strstr(strstr(stage.engine.head, "\nvia: ") + 1, "\nvia: ");
    assert_non_null(ours);
    assert_int_equal(sscanf(ours, " via: %63[^\n]", mark), 1);
    for (size_t i = 0; i < WEFT_COUNT(ways); i++) {
        (void)snprintf(fields, sizeof(fields), ways[i], mark);
        assert_int_equal(stage_ask("GET", "/v1/x?do=answer", fields, ""), 508);
        assert_says("upstream_loops");
    }
    assert_int_equal(stage.engine.asked, 1);
    stage_end();
    stage_begin(LISTEN_TCP "upstream: http://127.0.0.1:80\n");
    assert_int_equal(stage_ask("GET", "/v1/x", "", ""), 508);
    stage_end();
}

static void test_path_prefix(void **state)
{
    (void)state;
    stage_begin(LISTEN_TCP "upstream: http://10.0.0.9:8000/base\n");
    assert_int_equal(POST("/v1/x?do=answer", "{}"), 200);
    assert_non_null(strstr(stage.engine.head, "POST /base/v1/x?do=answer 10.0.0.9:8000\n"));
    stage_end();
}

static void test_head_and_delete(void **state)
{
    (void)state;
    stage_begin(RELAY_H1);
    ask_open("HEAD", "/v1/models?do=answer");
    stage_pass(WEFT_SECOND);
    weft_answers_h1(&stage.answers, weft_slice(stage.raw.in, stage.raw.in_size), 1, false);
    assert_int_equal(stage.answers.whole, 1);
    assert_false(stage.answers.malformed);
    weft_raw_close(&stage.raw, false);
    assert_int_equal(stage_ask("DELETE", "/v1/models/m?do=answer", "", ""), 200);
    assert_non_null(strstr(stage.engine.head, "DELETE /v1/models/m?do=answer"));
    stage_end();
}

/* A client that leaves stops the upstream's work, whatever state it is in. */
static void client_leaves(void)
{
    static const char *const paths[] = {"/v1/x?do=silent", "/v1/x?do=stall&n=2", "/v1/x?do=events&n=100000",
                                        "/v1/x?do=bytes&n=100000"};
    for (size_t i = 0; i < WEFT_COUNT(paths); i++) {
        ask_open("GET", paths[i]);
        weft_raw_read(&stage.raw, i < 3);
        stage_pass(100 * WEFT_MS);
        assert_int_equal(stage.engine.running, 1);
        weft_raw_close(&stage.raw, i % 2 == 0);
        stage_pass(100 * WEFT_MS);
        assert_int_equal(stage.engine.running, 0);
        assert_int_equal(stage.engine.cancelled, i + 1);
    }
}

static void test_client_leaves(void **state)
{
    (void)state;
    each_upstream(client_leaves);
}

/* One stream of a client's h2 connection that is reset is cancelled; its neighbour goes on. */
static void test_client_resets_one_stream(void **state)
{
    (void)state;
    stage_begin(RELAY_H2);
    struct weft_frames_request request = {
        .stream = 1, .method = "GET", .path = "/v1/x?do=stall&n=1", .authority = "localhost"};
    weft_raw_dial(&stage.raw, stage.clients, STAGE_TCP);
    weft_frames_hello(&stage.raw);
    weft_frames_ask(&stage.raw, &request);
    request.stream = 3;
    request.path = "/v1/x?do=events&n=20";
    weft_frames_ask(&stage.raw, &request);
    stage_pass(50 * WEFT_MS);
    assert_int_equal(stage.engine.running, 2);
    assert_int_equal(stage.engine.connections_ever, 1);
    weft_frames_reset(&stage.raw, 1, 8);
    stage_pass(10 * WEFT_MS);
    assert_int_equal(stage.engine.cancelled, 1);
    stage_pass(WEFT_SECOND);
    stage_read(true);
    const struct weft_answer *other = &stage.answers.at[stage.answers.at[0].stream == 3 ? 0 : 1];
    assert_true(other->stream == 3 && other->whole && !other->reset);
    weft_raw_close(&stage.raw, false);
    stage_end();
}

static void test_refused(void **state)
{
    (void)state;
    stage_begin(LISTEN_TCP "upstream: http://10.0.0.8:1\n");
    assert_int_equal(POST("/v1/x", "{}"), 502);
    assert_says("upstream_unreachable");
    stage_end();
    stage_begin(LISTEN_TCP "upstream: http://nowhere.test:1\n");
    assert_int_equal(POST("/v1/x", "{}"), 502);
    assert_says("upstream_unknown");
    stage_end();
}

static void test_dies_in_mid_stream(void **state)
{
    (void)state;
    static const char *const paths[] = {"/v1/x?do=die&n=3", "/v1/x?do=cut&n=3"};
    for (size_t h2 = 0; h2 < 2; h2++) {
        for (size_t i = 0; i < WEFT_COUNT(paths); i++) {
            stage_begin(h2 ? RELAY_H2 : RELAY_H1);
            assert_int_equal(POST(paths[i], "{}"), 200);
            /* Between two events: one more event says what happened, and the answer ends in order. */
            assert_int_equal(stage.answers.whole, 1);
            assert_int_equal(count(stage.text, WEFT_ENGINE_EVENT), 3);
            const char *last = strstr(stage.text, "event: error\ndata: {\"error\":{\"message\":");
            assert_non_null(last);
            assert_string_equal(last + strlen(last) - 2, "\n\n");
            assert_null(strstr(stage.text, WEFT_ENGINE_DONE));
            stage_end();
        }
    }
}

/* -- upstreams that speak raw bytes -- */

static struct weft_raw upstreams[3];
static struct weft_raw_server server;
static bool closes_at_once;
static const char *canned; /* said when a request's head has come */

static void on_changed(struct weft_raw *raw)
{
    if (raw->ended) {
        weft_raw_close(raw, false);
    } else if (raw->out_size == 0 && canned && strstr(raw->in, "\r\n\r\n")) {
        weft_raw_text(raw, canned);
        if (closes_at_once) {
            weft_raw_close(raw, false);
        }
    }
}

static void on_accepted(struct weft_raw *raw)
{
    raw->changed = on_changed;
}

static void begin_raw_with(const char *yaml, const char *bytes)
{
    stage_world();
    server = (struct weft_raw_server){
        .host = stage.upstream, .at = upstreams, .count = WEFT_COUNT(upstreams), .accepted = on_accepted};
    weft_raw_listen(&server, STAGE_UP);
    canned = bytes;
    const struct weft_resident_options options = {.yaml = yaml, .journal_format = WEFT_JOURNAL_JSON};
    weft_resident_start(&stage.node, stage.host, stage.world, &options);
}

static void begin_raw(const char *bytes)
{
    begin_raw_with(RELAY_H1, bytes);
}

static void end_raw(void)
{
    weft_raw_unlisten(&server);
    stage_pass(WEFT_SECOND);
    stage_end();
}

static void test_broken_answers(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        bool closes;
        int status;
        bool whole;
        const char *says;
    } rows[] = {
        {"", true, 502, true, "upstream_closed"},
        {"HTTP/1.1 200 OK\r\nContent-", true, 502, true, "upstream_closed"},
        {"nonsense\r\n\r\n", true, 502, true, "upstream_malformed"},
        {"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\na", true, 502, true, "upstream_malformed"},
        /* broken before any of it went out: that can still be said */
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", false, 502, true, "upstream_malformed"},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nContent-Length: 1\r\n\r\n", false, 502, true,
         "upstream_malformed"},
        /* cut in the middle of a body: the client must not take it for whole */
        {"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc", true, 200, false, "abc"},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", true, 200, false, ""},
        /* ... or of an event: no event can be added there */
        {"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
         "a\r\ndata: hal\n\r\n",
         true, 200, false, ""},
        /* ... but behind a whole one it can, also where lines end in CRLF */
        {"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
         "b\r\ndata: x\r\n\r\n\r\n",
         true, 200, true, "event: error\n"},
        /* a body that ends with its connection is whole */
        {"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\nto the end", true, 200, true, "to the end"},
        {"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 201 Created\r\nContent-Length: 2\r\n\r\nok", false, 201, true, "ok"},
        {"HTTP/1.1 204 No Content\r\n\r\n", false, 204, true, ""},
        {"HTTP/1.1 429 Slow\r\nRetry-After: 7\r\nContent-Length: 1\r\n\r\nx", false, 429, true, "x"},
    };
    for (size_t i = 0; i < WEFT_COUNT(rows); i++) {
        begin_raw(rows[i].bytes);
        ask_open("GET", "/v1/x");
        stage_pass(10 * WEFT_MS); /* the head is with the client before the connection breaks */
        if (rows[i].closes) {
            weft_raw_close(&upstreams[0], false);
            stage_pass(10 * WEFT_MS);
        }
        stage_read(false);
        int status = stage.answers.at[0].status;
        assert_true(weft_answer_text(&stage.answers.at[0], stage.text, sizeof(stage.text)) >= 0);
        weft_raw_close(&stage.raw, false);
        if (status != rows[i].status || stage.answers.at[0].whole != rows[i].whole ||
            !strstr(stage.text, rows[i].says)) {
            fail_msg("row %zu: %d, %s, \"%s\"", i, status, stage.answers.at[0].whole ? "whole" : "cut", stage.text);
        }
        end_raw();
    }
}

/* Without its coding a body means something else. */
static void test_coded_answer(void **state)
{
    (void)state;
    begin_raw("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nSet-Cookie: a=b\r\nContent-Length: 2\r\n\r\nzz");
    ask_open("GET", "/v1/x");
    stage_pass(WEFT_SECOND);
    stage_read(false);
    assert_field("content-encoding", "gzip");
    assert_field("set-cookie", NULL);
    weft_raw_close(&stage.raw, false);
    end_raw();
}

/* A head and the end of everything at once, to a client on h2: its stream ends too. */
static void test_head_and_end_at_once(void **state)
{
    (void)state;
    begin_raw("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n");
    closes_at_once = true;
    for (int i = 0; i < 20; i++) {
        const struct weft_frames_request request = {
            .stream = 1, .method = "GET", .path = "/v1/x", .authority = "localhost"};
        weft_raw_dial(&stage.raw, stage.clients, STAGE_TCP);
        weft_frames_hello(&stage.raw);
        weft_frames_ask(&stage.raw, &request);
        stage_pass(WEFT_SECOND);
        stage_read(true);
        assert_int_equal(stage.answers.whole, 1);
        weft_raw_close(&stage.raw, false);
    }
    closes_at_once = false;
    end_raw();
}

static void test_silence(void **state)
{
    (void)state;
    begin_raw(NULL);
    ask_open("GET", "/v1/x");
    stage_pass(WEFT_RELAY_SILENCE - WEFT_SECOND);
    assert_int_equal(stage.raw.heard, 0);
    stage_pass(2 * WEFT_SECOND);
    stage_read(false);
    assert_int_equal(stage.answers.at[0].status, 504);
    weft_raw_close(&stage.raw, false);
    end_raw();
    /* In mid-stream it counts from the last byte. */
    begin_raw("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
              "9\r\ndata: x\n\n\r\n");
    ask_open("GET", "/v1/x");
    stage_pass(WEFT_RELAY_SILENCE / 2);
    weft_raw_text(&upstreams[0], "9\r\ndata: y\n\n\r\n");
    stage_pass(WEFT_RELAY_SILENCE - WEFT_SECOND);
    stage_read(false);
    assert_int_equal(stage.answers.whole, 0);
    stage_pass(2 * WEFT_SECOND);
    stage_read(false);
    assert_int_equal(stage.answers.whole, 1);
    assert_non_null(strstr(stage.raw.in, "upstream_timeout"));
    weft_raw_close(&stage.raw, false);
    end_raw();
}

/* An upstream that takes no more of a body is silent too. Over HTTP/2 nothing else would notice: only the stream's
 * window is shut, and the connection is well. */
static void test_silence_in_an_upload(void **state)
{
    (void)state;
    static char lump[32768];
    begin_raw_with(RELAY_H2, NULL); /* it gives no window back: 64 KiB is all it takes */
    weft_raw_dial(&stage.raw, stage.clients, STAGE_TCP);
    weft_raw_text(&stage.raw, "POST /v1/x HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                              "Content-Length: 10000000\r\n\r\n");
    stage_pass(10 * WEFT_MS);
    weft_frames_send(&upstreams[0], 4 /* SETTINGS */, 0, 0, weft_slice(NULL, 0));
    for (int i = 0; i < 300 && stage.raw.out_sent == stage.raw.out_size; i++) {
        stage.raw.out_size = stage.raw.out_sent = 0;
        weft_raw_send(&stage.raw, weft_slice(lump, sizeof(lump)));
        stage_pass(WEFT_MS);
    }
    assert_true(stage.raw.out_sent < stage.raw.out_size); /* it had to stop */
    stage_pass(WEFT_RELAY_SILENCE - 2 * WEFT_SECOND);
    assert_int_equal(stage.raw.heard, 0);
    stage_pass(3 * WEFT_SECOND);
    stage_read(false);
    assert_int_equal(stage.answers.at[0].status, 504);
    weft_raw_close(&stage.raw, true);
    end_raw();
}

/* An upstream that answers an upload which it does not read: its connection goes with the answer. */
static void test_answered_in_an_upload(void **state)
{
    (void)state;
    static char lump[32768];
    begin_raw(NULL);
    weft_raw_dial(&stage.raw, stage.clients, STAGE_TCP);
    weft_raw_text(&stage.raw, "POST /v1/x HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                              "Content-Length: 10000000\r\n\r\n");
    stage_pass(10 * WEFT_MS);
    weft_raw_read(&upstreams[0], false);
    for (int i = 0; i < 300 && stage.raw.out_sent == stage.raw.out_size; i++) {
        stage.raw.out_size = stage.raw.out_sent = 0;
        weft_raw_send(&stage.raw, weft_slice(lump, sizeof(lump)));
        stage_pass(WEFT_MS);
    }
    assert_true(stage.raw.out_sent < stage.raw.out_size); /* it had to stop */
    weft_raw_text(&upstreams[0], "HTTP/1.1 413 Large\r\nContent-Length: 5\r\n\r\nlarge");
    stage_pass(WEFT_SECOND);
    stage_read(false);
    assert_int_equal(stage.answers.at[0].status, 413);
    weft_raw_close(&stage.raw, true);
    assert_int_equal(stage_ask("GET", "/metrics", "", ""), 200);
    assert_non_null(strstr(stage.text, "\nweft_upstream_connections 0\n"));
    end_raw();
}

/* Backpressure: a client that does not read stops the upstream after what the buffers between them hold. */
static void slow_reader(void)
{
    ask_open("GET", "/v1/x?do=bytes&n=4096");
    weft_raw_read(&stage.raw, false);
    stage_pass(WEFT_SECOND);
    assert_int_equal(stage.engine.running, 1);
    assert_int_equal(stage.engine.answered, 0);
    stage_pass(10 * WEFT_SECOND);
    assert_int_equal(stage.raw.heard, 0);
    assert_int_equal(stage.engine.running, 1);
    weft_raw_read(&stage.raw, true);
    stage_pass(WEFT_SECOND);
    assert_true(stage.raw.heard > (size_t)4096 * 1024);
    assert_int_equal(stage.engine.answered, 1);
    weft_raw_close(&stage.raw, false);
}

static void test_slow_reader(void **state)
{
    (void)state;
    each_upstream(slow_reader);
}

/* The other way: an upstream that does not read stops a client that sends much. */
static void test_slow_upstream(void **state)
{
    (void)state;
    static char lump[32768];
    begin_raw(NULL);
    weft_raw_dial(&stage.raw, stage.clients, STAGE_TCP);
    weft_raw_text(&stage.raw, "POST /v1/x HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                              "Content-Length: 10000000\r\n\r\n");
    stage_pass(10 * WEFT_MS);
    weft_raw_read(&upstreams[0], false);
    for (int i = 0; i < 400 && stage.raw.out_sent == stage.raw.out_size; i++) {
        stage.raw.out_size = stage.raw.out_sent = 0;
        weft_raw_send(&stage.raw, weft_slice(lump, sizeof(lump)));
        stage_pass(WEFT_MS);
    }
    assert_true(stage.raw.out_sent < stage.raw.out_size); /* it had to stop */
    weft_raw_read(&upstreams[0], true);
    stage_pass(10 * WEFT_MS);
    assert_true(stage.raw.out_sent == stage.raw.out_size);
    weft_raw_close(&stage.raw, true);
    stage_pass(WEFT_SECOND);
    assert_null(upstreams[0].socket); /* cancelled: a body that breaks off is no request */
    end_raw();
}

/* 100 Continue is said only when the upstream is there to take the body. */
static void test_expectation(void **state)
{
    (void)state;
    stage_begin(RELAY_H1);
    weft_raw_dial(&stage.raw, stage.clients, STAGE_TCP);
    weft_raw_text(&stage.raw, "POST /v1/x?do=echo HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                              "Content-Length: 2\r\nExpect: 100-continue\r\n\r\n");
    stage_pass(WEFT_SECOND);
    stage_read(false);
    assert_int_equal(stage.answers.continues, 1);
    weft_raw_text(&stage.raw, "{}");
    stage_pass(WEFT_SECOND);
    stage_read(false);
    assert_int_equal(stage.answers.whole, 1);
    assert_int_equal(stage.answers.at[0].status, 200);
    weft_raw_close(&stage.raw, false);
    stage_end();
    stage_begin(LISTEN_TCP "upstream: http://10.0.0.8:1\n");
    assert_int_equal(stage_say("POST /v1/x HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                               "Content-Length: 2\r\nExpect: 100-continue\r\n\r\n"),
                     502);
    assert_int_equal(stage.answers.continues, 0);
    weft_raw_close(&stage.raw, false);
    stage_end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_whole_answers),
        cmocka_unit_test(test_heads),
        cmocka_unit_test(test_loop),
        cmocka_unit_test(test_path_prefix),
        cmocka_unit_test(test_head_and_delete),
        cmocka_unit_test(test_client_leaves),
        cmocka_unit_test(test_client_resets_one_stream),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_dies_in_mid_stream),
        cmocka_unit_test(test_broken_answers),
        cmocka_unit_test(test_coded_answer),
        cmocka_unit_test(test_head_and_end_at_once),
        cmocka_unit_test(test_silence),
        cmocka_unit_test(test_silence_in_an_upload),
        cmocka_unit_test(test_answered_in_an_upload),
        cmocka_unit_test(test_slow_reader),
        cmocka_unit_test(test_slow_upstream),
        cmocka_unit_test(test_expectation),
    };
    weft_json_setup(1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
