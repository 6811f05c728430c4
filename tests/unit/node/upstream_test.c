/* tests/unit/node/upstream_test.c - connections to the upstream: opened, shared, kept, and given up. */
#include "node/upstream.h"
#include "stage.h"

static struct weft_raw many[24];

static void ask_at(struct weft_raw *raw, const char *path)
{
    char bytes[512];
    (void)snprintf(bytes, sizeof(bytes), "GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n", path);
    weft_raw_dial(raw, stage.clients, STAGE_TCP);
    weft_raw_text(raw, bytes);
}

static int status_of(const struct weft_raw *raw)
{
    struct weft_answers answers;
    weft_answers_h1(&answers, weft_slice(raw->in, raw->in_size), 0, raw->ended);
    return answers.whole > 0 ? answers.at[0].status : 0;
}

static void close_all(size_t count)
{
    for (size_t i = 0; i < count; i++) {
        weft_raw_close(&many[i], false);
    }
}

/* One after the other over h1: one connection; and the upstream's own idea of how long it lasts. */
static void test_kept_for_the_next(void **state)
{
    (void)state;
    stage_begin(RELAY_H1);
    for (int i = 0; i < 5; i++) {
        assert_int_equal(stage_ask("GET", "/v1/x?do=answer", "", ""), 200);
        stage_pass(WEFT_UPSTREAM_H1_IDLE - WEFT_SECOND);
    }
    assert_int_equal(stage.engine.connections_ever, 1);
    stage_pass(2 * WEFT_SECOND);
    assert_int_equal(stage.engine.connection_count, 0);
    assert_int_equal(stage_ask("GET", "/v1/x?do=answer", "", ""), 200);
    assert_int_equal(stage.engine.connections_ever, 2);
    stage_end();
}

/* A kept connection that the upstream has closed meanwhile is not used. */
static void test_closed_while_kept(void **state)
{
    (void)state;
    static const char *const yaml[] = {RELAY_H1, RELAY_H2};
    for (size_t i = 0; i < WEFT_COUNT(yaml); i++) {
        stage_begin(yaml[i]);
        assert_int_equal(stage_ask("GET", "/v1/x?do=answer", "", ""), 200);
        weft_engine_break(&stage.engine);
        stage_pass(WEFT_SECOND);
        assert_int_equal(stage_ask("GET", "/v1/x?do=answer", "", ""), 200);
        assert_int_equal(stage.engine.connections_ever, 2);
        stage_end();
    }
}

static void test_h1_needs_one_each(void **state)
{
    (void)state;
    stage_begin(RELAY_H1);
    for (size_t i = 0; i < 5; i++) {
        ask_at(&many[i], "/v1/x?do=events&n=3");
    }
    stage_pass(WEFT_MS);
    assert_int_equal(stage.engine.connections_ever, 5);
    stage_pass(WEFT_SECOND);
    for (size_t i = 0; i < 5; i++) {
        assert_int_equal(status_of(&many[i]), 200);
    }
    close_all(5);
    for (int i = 0; i < 5; i++) { /* and then any of them will do */
        assert_int_equal(stage_ask("GET", "/v1/x?do=answer", "", ""), 200);
    }
    assert_int_equal(stage.engine.connections_ever, 5);
    stage_end();
}

static void test_h2_shares(void **state)
{
    (void)state;
    stage_begin(RELAY_H2);
    for (size_t i = 0; i < WEFT_COUNT(many); i++) {
        ask_at(&many[i], "/v1/x?do=events&n=3");
    }
    stage_pass(WEFT_SECOND);
    for (size_t i = 0; i < WEFT_COUNT(many); i++) {
        assert_int_equal(status_of(&many[i]), 200);
    }
    assert_int_equal(stage.engine.connections_ever, 1);
    close_all(WEFT_COUNT(many));
    stage_pass(WEFT_UPSTREAM_H2_IDLE - 2 * WEFT_SECOND);
    assert_int_equal(stage.engine.connection_count, 1);
    stage_pass(3 * WEFT_SECOND);
    assert_int_equal(stage.engine.connection_count, 0);
    stage_end();
}

/* Half of the sockets are for the upstream: when all are in use, 503 says to try again. */
static void test_pool_is_full(void **state)
{
    (void)state;
    stage_world();
    stage_engine();
    weft_world_set_sockets_max(stage.host, 20);
    const struct weft_resident_options options = {.yaml = RELAY_H1 "limits:\n  connections: 17\n"};
    weft_resident_start(&stage.node, stage.host, stage.world, &options);
    assert_int_equal(weft_node_connections_max(stage.node.node), 10);
    weft_resident_end(&stage.node);
    const struct weft_resident_options fewer = {.yaml = RELAY_H1 "limits:\n  connections: 10\n"};
    weft_world_set_sockets_max(stage.host, 24);
    weft_resident_start(&stage.node, stage.host, stage.world, &fewer);
    /* 10 clients, 14 for the upstream: over h2 one client asks for more than that. */
    weft_raw_dial(&stage.raw, stage.clients, STAGE_TCP);
    weft_frames_hello(&stage.raw);
    for (uint32_t i = 0; i < 15; i++) {
        const struct weft_frames_request request = {
            .stream = i * 2 + 1, .method = "GET", .path = "/v1/x?do=silent", .authority = "localhost"};
        weft_frames_ask(&stage.raw, &request);
    }
    stage_pass(WEFT_SECOND);
    assert_int_equal(stage.engine.running, 14);
    assert_int_equal(weft_world_sockets(stage.host), 15);
    stage_read(true);
    assert_int_equal(stage.answers.whole, 1);
    assert_non_null(strstr(weft_world_log(stage.host), "status=503"));
    weft_raw_close(&stage.raw, true);
    stage_pass(WEFT_SECOND);
    assert_int_equal(stage.engine.running, 0);
    stage_end();
}

/* Addresses of a name are tried in turn. */
static void test_addresses(void **state)
{
    (void)state;
    static const char *const addresses[] = {"10.0.0.7:0", "10.0.0.8:0", "10.0.0.9:0"};
    stage_world();
    stage_engine();
    weft_world_name(stage.world, "engine.test", 0, addresses, 3);
    const struct weft_resident_options options = {.yaml = LISTEN_TCP "upstream: http://engine.test:8000\n"};
    weft_resident_start(&stage.node, stage.host, stage.world, &options);
    assert_int_equal(stage_ask("GET", "/v1/x?do=answer", "", ""), 200);
    assert_int_equal(stage_ask("GET", "/metrics", "", ""), 200);
    assert_says("\nweft_upstream_dials_total 3\n");
    assert_says("\nweft_upstream_connections 1\n");
    assert_says("\nweft_upstream_failures_total 0\n");
    stage_end();
}

static void test_nobody_answers(void **state)
{
    (void)state;
    stage_world();
    weft_world_swallow(stage.world, "10.0.0.6:8000");
    const struct weft_resident_options options = {.yaml = LISTEN_TCP "upstream: http://10.0.0.6:8000\n"};
    weft_resident_start(&stage.node, stage.host, stage.world, &options);
    ask_at(&stage.raw, "/v1/x");
    stage_pass(9 * WEFT_SECOND);
    assert_int_equal(stage.raw.heard, 0);
    stage_pass(2 * WEFT_SECOND);
    stage_read(false);
    assert_int_equal(stage.answers.at[0].status, 504);
    assert_non_null(strstr(stage.raw.in, "upstream_timeout"));
    weft_raw_close(&stage.raw, false);
    stage_end();
}

/* Who waits for a connection may leave before it opens. */
static void test_left_while_waiting(void **state)
{
    (void)state;
    stage_world();
    weft_world_swallow(stage.world, "10.0.0.6:8000");
    const struct weft_resident_options options = {.yaml = LISTEN_TCP "upstream: h2c://10.0.0.6:8000\n"};
    weft_resident_start(&stage.node, stage.host, stage.world, &options);
    for (size_t i = 0; i < 4; i++) {
        ask_at(&many[i], "/v1/x");
    }
    stage_pass(WEFT_SECOND);
    assert_int_equal(weft_world_sockets(stage.host), 5); /* they wait for one */
    for (size_t i = 0; i < 4; i++) {
        weft_raw_close(&many[i], true);
        stage_pass(WEFT_MS);
    }
    stage_pass(20 * WEFT_SECOND);
    assert_int_equal(weft_world_sockets(stage.host), 0);
    stage_end();
}

static void test_no_descriptor(void **state)
{
    (void)state;
    stage_begin(RELAY_H1);
    weft_world_fail_dials(stage.host, 1);
    assert_int_equal(stage_ask("GET", "/v1/x", "", ""), 503);
    assert_field("retry-after", "1");
    assert_int_equal(stage_ask("GET", "/v1/x?do=answer", "", ""), 200);
    stage_end();
}

/* A socket path is an address like any other. */
static void test_unix(void **state)
{
    (void)state;
    stage_world();
    weft_engine_start(&stage.engine, stage.world, stage.upstream, "/run/engine.sock");
    stage.has_engine = true;
    const struct weft_resident_options options = {.yaml = LISTEN_TCP "upstream: unix:/run/engine.sock\n"};
    weft_resident_start(&stage.node, stage.host, stage.world, &options);
    assert_int_equal(stage_ask("GET", "/v1/x?do=answer", "", ""), 200);
    assert_non_null(strstr(stage.engine.head, "GET /v1/x?do=answer localhost\n"));
    stage_end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kept_for_the_next), cmocka_unit_test(test_closed_while_kept),
        cmocka_unit_test(test_h1_needs_one_each), cmocka_unit_test(test_h2_shares),
        cmocka_unit_test(test_pool_is_full),      cmocka_unit_test(test_addresses),
        cmocka_unit_test(test_nobody_answers),    cmocka_unit_test(test_left_while_waiting),
        cmocka_unit_test(test_no_descriptor),     cmocka_unit_test(test_unix),
    };
    weft_json_setup(1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
