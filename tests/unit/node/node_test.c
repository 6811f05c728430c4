/* tests/unit/node/node_test.c - a node from its start to its end. */
#include "node/node.h"

#include "http/limits.h"
#include "node/runner.h"
#include "stage.h"

static void test_token_is_made_once(void **state)
{
    (void)state;
    stage_begin(LISTEN_TCP);
    struct weft_slice token = weft_resident_token(&stage.node);
    char first[64] = {0};
    assert_int_equal(token.size, 43); /* 32 bytes as base64url */
    memcpy(first, token.data, token.size);
    assert_int_equal(stage_ask_as_owner("GET", "/weft/v1/status", ""), 200);
    weft_resident_end(&stage.node);
    const struct weft_resident_options options = {.yaml = LISTEN_TCP};
    weft_resident_start(&stage.node, stage.host, stage.world, &options);
    token = weft_resident_token(&stage.node);
    assert_true(token.size == 43 && memcmp(token.data, first, 43) == 0);
    assert_int_equal(stage_ask_as_owner("GET", "/weft/v1/status", ""), 200);
    assert_null(strstr(weft_world_log(stage.host), first));
    stage_end();
}

/* Begins a node that must not start, and returns why. */
static int begin_in_vain(const char *yaml, const char *says)
{
    const struct weft_resident_options options = {.yaml = yaml};
    int error = weft_resident_begin(&stage.node, stage.host, stage.world, &options);
    if (error == 0) {
        stage_pass(WEFT_SECOND);
        assert_true(stage.node.started);
        error = stage.node.status;
    }
    assert_true(error < 0);
    assert_non_null(strstr(stage.node.problem, says));
    assert_int_equal(weft_world_listening(stage.host), 0);
    weft_resident_end(&stage.node);
    return error;
}

static void test_cannot_start(void **state)
{
    (void)state;
    stage_world();
    weft_world_fail_files(stage.host, WEFT_ERR_DENIED, 0);
    assert_int_equal(begin_in_vain(LISTEN_TCP, "Cannot read the owner token /state/owner.token"), WEFT_ERR_DENIED);
    weft_world_fail_files(stage.host, 0, WEFT_ERR_IO);
    assert_int_equal(begin_in_vain(LISTEN_TCP, "Cannot write the owner token"), WEFT_ERR_IO);
    weft_world_fail_files(stage.host, 0, 0);
    weft_world_put_file(stage.host, WEFT_RESIDENT_TOKEN, WEFT_SLICE("short\n"));
    assert_int_equal(begin_in_vain(LISTEN_TCP, "Cannot use the owner token"), WEFT_ERR_INVALID);
    weft_world_put_file(stage.host, WEFT_RESIDENT_TOKEN, WEFT_SLICE("0123456789012345678901 3456789012345678901234\n"));
    assert_int_equal(begin_in_vain(LISTEN_TCP, "remove it, and a new one is made"), WEFT_ERR_INVALID);
    /* There, but never to be read (such as a link to nothing): it is not tried for ever. */
    weft_world_fail_files(stage.host, WEFT_ERR_NOT_FOUND, 0);
    assert_int_equal(begin_in_vain(LISTEN_TCP, "Cannot read the owner token"), WEFT_ERR_NOT_FOUND);
    weft_world_fail_files(stage.host, 0, 0);
    weft_world_put_file(stage.host, WEFT_RESIDENT_TOKEN, WEFT_SLICE("0123456789012345678901234567890123456789012\n"));
    weft_world_set_sockets_max(stage.host, 7);
    assert_int_equal(begin_in_vain(LISTEN_TCP, "Raise it"), WEFT_ERR_FULL);
    weft_world_set_sockets_max(stage.host, 1000);
    /* Another program sits on the second of two ports: the first is given up again. */
    struct weft_raw_server server = {.host = stage.upstream};
    weft_raw_listen(&server, "127.0.0.1:81");
    assert_int_equal(begin_in_vain("listen: [\"tcp:127.0.0.1:80\", \"tcp:127.0.0.1:81\"]\n", "Port 81 on 127.0.0.1"),
                     WEFT_ERR_BUSY);
    weft_raw_unlisten(&server);
    stage_end();
}

static void test_same_port_for_both(void **state)
{
    (void)state;
    stage_begin("port: 0\n");
    assert_int_equal(weft_node_listeners(stage.node.node), 2);
    struct weft_config_listener v4 = weft_node_listener(stage.node.node, 0);
    struct weft_config_listener v6 = weft_node_listener(stage.node.node, 1);
    assert_true(v4.address.port != 0 && v4.address.port == v6.address.port);
    stage_end();
}

/* Full: those who come wait with the kernel, nobody is turned away, and nothing spins. */
static void test_connection_limit(void **state)
{
    (void)state;
    static struct weft_raw clients[12];
    stage_begin(LISTEN_TCP "limits:\n  connections: 8\n");
    for (size_t i = 0; i < WEFT_COUNT(clients); i++) {
        weft_raw_dial(&clients[i], stage.clients, STAGE_TCP);
        weft_raw_text(&clients[i], "GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n");
    }
    stage_pass(WEFT_SECOND);
    size_t heard = 0;
    for (size_t i = 0; i < WEFT_COUNT(clients); i++) {
        heard += clients[i].heard > 0;
    }
    assert_int_equal(heard, 8);
    assert_non_null(strstr(weft_world_log(stage.host), "\"event\":\"full\""));
    for (size_t i = 0; i < 4; i++) {
        weft_raw_close(&clients[i], false);
        stage_pass(10 * WEFT_MS);
    }
    for (size_t i = 4; i < WEFT_COUNT(clients); i++) {
        assert_true(clients[i].heard > 0);
        weft_raw_close(&clients[i], false);
    }
    stage_end();
}

static void test_drain_finishes_streams(void **state)
{
    (void)state;
    static struct weft_raw idle, late;
    static const char *const yaml[] = {RELAY_H1, RELAY_H2};
    for (size_t i = 0; i < WEFT_COUNT(yaml); i++) {
        stage_begin(yaml[i]);
        weft_raw_dial(&idle, stage.clients, STAGE_TCP);
        weft_raw_text(&idle, "GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n");
        weft_raw_dial(&stage.raw, stage.clients, STAGE_TCP);
        weft_raw_text(&stage.raw, "GET /v1/x?do=events&n=200 HTTP/1.1\r\nHost: localhost\r\n\r\n");
        stage_pass(100 * WEFT_MS);
        weft_resident_drain(&stage.node, -1);
        weft_node_drain(stage.node.node, 0); /* once is enough: the second changes nothing */
        stage_pass(WEFT_HTTP_DRAIN_GRACE + WEFT_MS);
        assert_true(idle.ended && !stage.raw.ended && !stage.node.stopped);
        weft_raw_dial(&late, stage.clients, STAGE_TCP);
        stage_pass(WEFT_MS);
        assert_int_equal(late.status, WEFT_ERR_REFUSED);
        stage_pass(10 * WEFT_SECOND);
        assert_true(stage.node.stopped);
        stage_read(false);
        assert_int_equal(stage.answers.whole, 1);
        assert_non_null(strstr(stage.raw.in, WEFT_ENGINE_DONE));
        assert_true(stage.raw.ended);
        weft_raw_close(&idle, false);
        weft_raw_close(&late, false);
        weft_raw_close(&stage.raw, false);
        stage_end();
    }
}

static void say(struct weft_raw *raw, const char *bytes)
{
    weft_raw_dial(raw, stage.clients, STAGE_TCP);
    weft_raw_text(raw, bytes);
}

#define GET(path) "GET " path " HTTP/1.1\r\nHost: localhost\r\n\r\n"

/* Whoever asks before he can know of it is told, with a time to come again, and that nothing follows. */
static void test_drain_refuses_what_is_new(void **state)
{
    (void)state;
    static struct weft_raw kept, half, fresh;
    stage_begin(RELAY_H1);
    say(&kept, GET("/health"));
    say(&half, "GET /v1/models HT");
    weft_raw_dial(&fresh, stage.clients, STAGE_TCP);
    say(&stage.raw, GET("/v1/x?do=events&n=100") GET("/v1/x?do=answer") GET("/v1/x?do=answer"));
    stage_pass(100 * WEFT_MS);
    weft_resident_drain(&stage.node, -1);
    stage_pass(100 * WEFT_MS);
    weft_raw_text(&kept, GET("/v1/models"));
    weft_raw_text(&half, "TP/1.1\r\nHost: localhost\r\n\r\n");
    weft_raw_text(&fresh, GET("/v1/models"));
    stage_pass(10 * WEFT_SECOND);
    const struct weft_raw *late[] = {&kept, &half, &fresh, &stage.raw};
    for (size_t i = 0; i < WEFT_COUNT(late); i++) {
        struct weft_answers answers;
        weft_answers_h1(&answers, weft_slice(late[i]->in, late[i]->in_size), 0, late[i]->ended);
        assert_true(!answers.malformed && late[i]->ended);
        assert_int_equal(answers.whole, i % 3 == 0 ? 2 : 1);
        const struct weft_answer *last = &answers.at[answers.whole - 1];
        assert_int_equal(last->status, 503);
        assert_true(weft_slice_equal(weft_answer_field(last, "retry-after"), WEFT_SLICE("5")));
        assert_true(weft_slice_equal(weft_answer_field(last, "connection"), WEFT_SLICE("close")));
        assert_true(weft_answer_text(last, stage.text, sizeof(stage.text)) > 0);
        assert_says("\"code\":\"draining\"");
    }
    assert_non_null(strstr(stage.raw.in, WEFT_ENGINE_DONE)); /* what ran was finished */
    assert_int_equal(stage.engine.asked, 1);
    assert_true(stage.node.stopped);
    weft_raw_close(&kept, false);
    weft_raw_close(&half, false);
    weft_raw_close(&fresh, false);
    weft_raw_close(&stage.raw, false);
    stage_end();
}

/* At the limit every answer that still can is ended in order, and says why; any other is cut, so that nobody takes it
 * for whole. */
static void test_drain_cuts_in_the_end(void **state)
{
    (void)state;
    static struct weft_raw unbegun, raw;
    stage_begin(RELAY_H1 "drain_timeout: 3s\n");
    say(&stage.raw, GET("/v1/x?do=stall&n=1"));
    say(&unbegun, GET("/v1/x?do=silent"));
    say(&raw, GET("/v1/x?do=bytes&n=1000"));
    weft_raw_read(&raw, false); /* nor does he read */
    stage_pass(100 * WEFT_MS);
    weft_resident_drain(&stage.node, -1);
    stage_pass(2 * WEFT_SECOND);
    assert_true(!stage.raw.ended && !stage.node.stopped);
    stage_pass(1500 * WEFT_MS);
    assert_true(stage.raw.ended && unbegun.ended && !stage.node.stopped);
    assert_int_equal(stage.engine.running, 0); /* the upstream was told */
    assert_non_null(strstr(weft_world_log(stage.host), "\"event\":\"drain timed out\",\"cut\":3"));
    stage_read(false);
    assert_int_equal(stage.answers.whole, 1);
    assert_true(weft_answer_text(&stage.answers.at[0], stage.text, sizeof(stage.text)) > 0);
    assert_says(WEFT_ENGINE_EVENT "event: error\ndata: {\"error\":{\"message\":\"This node is shutting down");
    assert_says("\"code\":\"shutting_down\"");
    weft_answers_h1(&stage.answers, weft_slice(unbegun.in, unbegun.in_size), 0, true);
    assert_int_equal(stage.answers.whole, 1);
    assert_int_equal(stage.answers.at[0].status, 503);
    assert_field("retry-after", "5");
    stage_pass(2 * WEFT_SECOND);
    assert_true(stage.node.stopped);
    assert_int_equal(weft_node_cut(stage.node.node), 3);
    weft_raw_read(&raw, true);
    stage_pass(WEFT_SECOND);
    weft_answers_h1(&stage.answers, weft_slice(raw.in, raw.in_size), 0, true);
    assert_int_equal(stage.answers.whole, 0);
    weft_raw_close(&stage.raw, false);
    weft_raw_close(&unbegun, false);
    weft_raw_close(&raw, false);
    stage_end();
}

/* Over h2 too: the stream ends, and is not reset; what comes after the GOAWAY was told so by it. */
static void test_drain_cuts_h2(void **state)
{
    (void)state;
    stage_begin(RELAY_H2 "drain_timeout: 3s\n");
    struct weft_frames_request request = {
        .stream = 1, .method = "GET", .path = "/v1/x?do=stall&n=1", .authority = "localhost"};
    weft_raw_dial(&stage.raw, stage.clients, STAGE_TCP);
    weft_frames_hello(&stage.raw);
    weft_frames_ask(&stage.raw, &request);
    stage_pass(100 * WEFT_MS);
    weft_resident_drain(&stage.node, -1);
    stage_pass(100 * WEFT_MS);
    request.stream = 3;
    weft_frames_ask(&stage.raw, &request);
    stage_pass(4 * WEFT_SECOND);
    stage_read(true);
    assert_true(stage.answers.goaway && stage.raw.ended);
    assert_int_equal(stage.answers.count, 1);
    assert_true(stage.answers.at[0].whole && !stage.answers.at[0].reset && stage.answers.at[0].status == 200);
    assert_true(memmem(stage.raw.in, stage.raw.in_size, "\"shutting_down\"", 15));
    assert_int_equal(stage.engine.asked, 1);
    assert_true(stage.node.stopped);
    weft_raw_close(&stage.raw, false);
    stage_end();
}

static void test_stop_while_starting(void **state)
{
    (void)state;
    stage_world();
    const struct weft_resident_options options = {.yaml = LISTEN_TCP};
    assert_int_equal(weft_resident_begin(&stage.node, stage.host, stage.world, &options), 0);
    weft_node_stop(stage.node.node);
    stage_pass(WEFT_SECOND);
    assert_true(stage.node.stopped);
    assert_int_equal(weft_world_listening(stage.host), 0);
    stage_end();
}

/* An owner who drains gets his answer. */
static void test_drain_by_request(void **state)
{
    (void)state;
    stage_begin(LISTEN_TCP);
    assert_int_equal(stage_ask_as_owner("POST", "/weft/v1/drain", "{\"timeout_s\":5}"), 202);
    assert_string_equal(stage.text, "{\"status\":\"draining\"}\n");
    stage_pass(WEFT_SECOND);
    assert_true(stage.node.stopped);
    assert_non_null(strstr(weft_world_log(stage.host), "\"at_most_ms\":5000.000"));
    stage_end();
}

static void test_freed_in_the_middle(void **state)
{
    (void)state;
    static const char *const paths[] = {"/v1/x?do=silent", "/v1/x?do=events&n=1000", "/v1/x?do=echo"};
    static const char *const yaml[] = {RELAY_H1, RELAY_H2};
    for (size_t i = 0; i < WEFT_COUNT(paths) * 2; i++) {
        char bytes[256];
        stage_begin(yaml[i % 2]);
        (void)snprintf(bytes, sizeof(bytes),
                       "POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: "
                       "100\r\n\r\n{",
                       paths[i / 2]);
        weft_raw_dial(&stage.raw, stage.clients, STAGE_TCP);
        weft_raw_text(&stage.raw, bytes);
        stage_pass(100 * WEFT_MS);
        weft_resident_end(&stage.node);
        stage_pass(WEFT_SECOND);
        assert_true(stage.raw.ended);
        assert_int_equal(stage.engine.running, 0);
        weft_raw_close(&stage.raw, false);
        stage_end();
    }
}

static const char *const models[] = {"/models/One.gguf", "/models/Two.gguf"};

static void test_ready_without_a_model(void **state)
{
    (void)state;
    stage_begin(LISTEN_TCP);
    assert_true(stage.node.ready);
    assert_int_equal(stage.node.changes, 0);
    stage_end();
}

static void test_ready_when_all_models_are(void **state)
{
    (void)state;
    stage_begin_with_models(models, 2, &(const struct weft_child_script){.loads = WEFT_SECOND});
    assert_false(stage.node.ready);
    stage_pass(1500 * WEFT_MS);
    assert_false(stage.node.ready);
    assert_true(stage.node.changes > 5);
    stage_pass(1500 * WEFT_MS);
    assert_true(stage.node.ready);
    weft_child_die(&stage.children.at[0], 9); /* said once, whatever comes */
    stage_pass(5 * WEFT_SECOND);
    assert_int_equal(stage.children.started, 3);
    stage_end();
}

static void test_bad_models_are_refused(void **state)
{
    (void)state;
    static const char *const twins[] = {"/a/x.gguf", "/b/x.gguf"};
    const struct weft_resident_options options = {.yaml = LISTEN_TCP, .models = twins, .model_count = 2};
    stage_world();
    assert_int_equal(weft_resident_begin(&stage.node, stage.host, stage.world, &options), WEFT_ERR_EXISTS);
    assert_non_null(strstr(stage.node.problem, "Two models have the same name, x."));
    stage_end();
}

/* A drain and a stop end the engines; one that does not go is killed; a second stop does not wait for it. */
static void test_engines_end_with_the_node(void **state)
{
    (void)state;
    for (int round = 0; round < 5; round++) {
        bool stubborn = round > 1;
        const struct weft_child_script script = {.loads = round == 4 ? WEFT_SECOND : 0, .stubborn = stubborn};
        stage_begin_with_models(models, 2, &script);
        stage_pass(500 * WEFT_MS);
        weft_world_poke(stage.host);
        if (round % 2 == 0) {
            weft_resident_drain(&stage.node, -1);
        } else {
            weft_node_stop(stage.node.node);
        }
        stage_pass(100 * WEFT_MS);
        assert_int_equal(stage.node.stopped, !stubborn);
        if (round == 3) {
            weft_node_stop(stage.node.node);
            assert_true(stage.node.stopped);
            weft_resident_end(&stage.node);
        } else if (stubborn) {
            stage_pass(2 * WEFT_SECOND);
            assert_true(stage.node.stopped);
        }
        assert_int_equal(weft_world_processes(stage.host), 0);
        stage_end();
    }
}

/* -- time that it does not live, and a wall clock that jumps -- */

static const weft_time stops[] = {3 * WEFT_SECOND, 15 * WEFT_SECOND, 700 * WEFT_SECOND, 86400 * WEFT_SECOND};

/* A stream from the upstream, longer than any silence that is allowed, and half a head, later than any may be. */
static void test_a_stop_cuts_nothing(void **state)
{
    (void)state;
    static struct weft_raw slow;
    for (size_t i = 0; i < WEFT_COUNT(stops); i++) {
        stage_begin(i % 2 ? RELAY_H1 : RELAY_H2);
        weft_raw_dial(&slow, stage.clients, STAGE_TCP);
        weft_raw_text(&slow, "GET /health HTTP/1.1\r\nHost: local");
        weft_raw_dial(&stage.raw, stage.clients, STAGE_TCP);
        weft_raw_text(&stage.raw, "GET /v1/x?do=events&n=150 HTTP/1.1\r\nHost: localhost\r\n\r\n");
        stage_pass(100 * WEFT_MS);
        size_t heard = stage.raw.heard;
        weft_world_stop(stage.host, stops[i]);
        stage_pass(stops[i] - WEFT_MS);
        assert_int_equal(stage.raw.heard, heard); /* it did stop */
        stage_pass(5 * WEFT_SECOND);
        weft_raw_text(&slow, "host\r\nConnection: close\r\n\r\n");
        stage_pass(WEFT_SECOND);
        stage_read(false);
        assert_int_equal(stage.answers.whole, 1);
        assert_non_null(strstr(stage.raw.in, WEFT_ENGINE_DONE));
        assert_non_null(strstr(slow.in, "HTTP/1.1 200 OK"));
        weft_raw_close(&slow, false);
        weft_raw_close(&stage.raw, false);
        stage_end();
    }
}

#define CHAT "{\"model\":\"One\",\"messages\":[{\"role\":\"user\",\"content\":\"Hi\"}]}"
#define JSON "Content-Type: application/json\r\n"

/* A machine that sleeps takes the engine with it. The node wakes first, just after it has asked how the engine is. */
static void test_a_sleep_ends_no_engine(void **state)
{
    (void)state;
    for (size_t i = 0; i < WEFT_COUNT(stops); i++) {
        stage_begin_with_models(models, 1, &(const struct weft_child_script){.deed = "do=frames&n=2000"});
        stage_pass(WEFT_SECOND);
        assert_true(stage.node.ready);
        weft_raw_dial(&stage.raw, stage.clients, STAGE_TCP);
        weft_raw_text(&stage.raw, "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\n" JSON
                                  "Transfer-Encoding: chunked\r\n\r\n3b\r\n" CHAT "\r\n0\r\n\r\n");
        stage_pass(3 * WEFT_SECOND);
        weft_world_stop(stage.engines, stops[i] + 3 * WEFT_SECOND);
        stage_pass(WEFT_RUNNER_WATCH + WEFT_MS - 3 * WEFT_SECOND);
        weft_world_stop(stage.host, stops[i]);
        stage_pass(stops[i] + 30 * WEFT_SECOND);
        stage_read(false);
        assert_int_equal(stage.answers.whole, 1);
        assert_int_equal(stage.answers.at[0].status, 200);
        assert_int_equal(stage.children.started, 1);
        weft_raw_close(&stage.raw, false);
        stage_end();
    }
}

/* The same life, with and without jumps: everything happens at the same time, and is as long. */
static void live(bool jumps, struct weft_transcript *transcript)
{
    static const int64_t by[] = {3600, -2 * 86400, 10 * 31536000LL, -20 * 31536000LL, 1};
    stage_world_with(&(const struct weft_world_options){.seed = 11, .transcript = transcript});
    stage_models(models, 2, &(const struct weft_child_script){.loads = WEFT_SECOND, .deed = "do=frames&n=40"});
    for (size_t i = 0; i < WEFT_COUNT(by); i++) {
        weft_world_jump(stage.host, jumps ? by[i] * WEFT_SECOND : 0);
        stage_pass(2 * WEFT_SECOND);
        assert_int_equal(stage_ask("POST", "/v1/chat/completions", JSON, CHAT), 200);
        weft_world_jump(stage.host, jumps ? -by[i] * WEFT_SECOND / 2 : 0);
        assert_int_equal(stage_ask_as_owner("GET", "/weft/v1/status", ""), 200);
        assert_int_equal(stage_ask("GET", "/v1/models", "", ""), 200);
    }
    weft_resident_drain(&stage.node, -1);
    stage_pass(5 * WEFT_SECOND);
    assert_true(stage.node.stopped);
    weft_world_note(stage.world, weft_world_below(stage.world, 2) ? "one" : "two"); /* chance was asked as often */
    stage_end();
}

static void test_only_dates_hang_on_the_wall_clock(void **state)
{
    (void)state;
    struct weft_transcript still, jumping;
    assert_int_equal(weft_transcript_init(&still, NULL), 0);
    assert_int_equal(weft_transcript_init(&jumping, NULL), 0);
    live(false, &still);
    live(true, &jumping);
    assert_true(still.lines > 500);
    assert_int_equal(jumping.lines, still.lines);
    assert_int_equal(jumping.size, still.size); /* dates are all as long */
    assert_int_not_equal(jumping.hash, still.hash);
    weft_transcript_deinit(&still);
    weft_transcript_deinit(&jumping);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_drain_refuses_what_is_new),
        cmocka_unit_test(test_drain_cuts_h2),
        cmocka_unit_test(test_a_stop_cuts_nothing),
        cmocka_unit_test(test_a_sleep_ends_no_engine),
        cmocka_unit_test(test_only_dates_hang_on_the_wall_clock),
        cmocka_unit_test(test_token_is_made_once),
        cmocka_unit_test(test_cannot_start),
        cmocka_unit_test(test_same_port_for_both),
        cmocka_unit_test(test_connection_limit),
        cmocka_unit_test(test_drain_finishes_streams),
        cmocka_unit_test(test_drain_cuts_in_the_end),
        cmocka_unit_test(test_stop_while_starting),
        cmocka_unit_test(test_drain_by_request),
        cmocka_unit_test(test_freed_in_the_middle),
        cmocka_unit_test(test_ready_without_a_model),
        cmocka_unit_test(test_ready_when_all_models_are),
        cmocka_unit_test(test_bad_models_are_refused),
        cmocka_unit_test(test_engines_end_with_the_node),
    };
    weft_json_setup(1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
