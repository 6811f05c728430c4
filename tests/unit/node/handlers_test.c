/* tests/unit/node/handlers_test.c - what each route does. */
#include "node/front.h"
#include "stage.h"
#include "wire/engine_page.h"

static void test_health_and_readiness(void **state)
{
    (void)state;
    stage_begin(RELAY_H1);
    assert_int_equal(stage_ask("GET", "/health", "", ""), 200);
    assert_string_equal(stage.text, "{\"status\":\"ok\"}\n");
    assert_int_equal(stage_ask("GET", "/readyz", "", ""), 200);
    assert_string_equal(stage.text, "{\"status\":\"ready\"}\n");
    /* A stream that goes on holds the drain open; on its connection the node says that it is not ready. */
    weft_raw_dial(&stage.raw, stage.clients, STAGE_TCP);
    weft_raw_text(&stage.raw, "GET /v1/x?do=events&n=3 HTTP/1.1\r\nHost: localhost\r\n\r\n");
    stage_pass(5 * WEFT_MS);
    weft_resident_drain(&stage.node, -1);
    stage_pass(WEFT_SECOND);
    stage_read(false);
    assert_int_equal(stage.answers.whole, 1);
    assert_true(stage.node.stopped);
    stage_end();
}

static void test_metrics(void **state)
{
    (void)state;
    stage_begin(LISTEN_TCP);
    assert_int_equal(stage_ask("GET", "/health", "", ""), 200);
    assert_int_equal(stage_say("nonsense\r\n\r\n"), 400);
    assert_int_equal(stage_ask("GET", "/metrics", "", ""), 200);
    assert_field("content-type", "text/plain; version=0.0.4; charset=utf-8");
    assert_says("\nweft_requests_total{route=\"/health\",class=\"2xx\"} 1\n");
    assert_says("\nweft_requests_malformed_total 1\n");
    assert_says("\nweft_connections_total 3\n");
    assert_says("\nweft_requests_running 1\n"); /* this one */
    stage_end();
}

static void test_status(void **state)
{
    (void)state;
    stage_begin(RELAY_H1);
    stage_pass(3 * WEFT_SECOND);
    assert_int_equal(stage_ask("GET", "/weft/v1/status", "", ""), 401);
    assert_int_equal(stage_ask_as_owner("GET", "/weft/v1/status", ""), 200);
    json_t *answer;
    assert_int_equal(weft_json_parse(weft_slice_text(stage.text), &answer, NULL), 0);
    assert_string_equal(json_string_value(json_object_get(answer, "version")), "0.0.0-sim");
    assert_int_equal(json_integer_value(json_object_get(answer, "uptime_s")), 3);
    assert_true(json_is_false(json_object_get(answer, "draining")));
    assert_int_equal(json_integer_value(json_object_get(answer, "running")), 1);
    json_t *upstream = json_object_get(answer, "upstream");
    assert_string_equal(json_string_value(json_object_get(upstream, "authority")), "10.0.0.9:8000");
    json_decref(answer);
    stage_end();
    stage_begin(LISTEN_TCP);
    assert_int_equal(stage_ask_as_owner("GET", "/weft/v1/status", ""), 200);
    assert_says("\"upstream\":null");
    stage_end();
}

static void test_drain_bodies(void **state)
{
    (void)state;
    static const struct {
        const char *body;
        int status;
    } rows[] = {
        {"", 202},
        {"{}", 202},
        {"{\"timeout_s\":0}", 202},
        {"{\"timeout_s\":86400}", 202},
        {"{\"timeout_s\":86401}", 400},
        {"{\"timeout_s\":-1}", 400},
        {"{\"timeout_s\":1.5}", 400},
        {"{\"timeout_s\":\"1\"}", 400},
        {"{\"timeout_s\":null}", 400},
        {"{\"timeout_s\":1,\"timeout_s\":2}", 400},
        {"[]", 400},
        {"7", 400},
        {"{", 400},
    };
    for (size_t i = 0; i < WEFT_COUNT(rows); i++) {
        stage_begin(LISTEN_TCP);
        int status = stage_ask_as_owner("POST", "/weft/v1/drain", rows[i].body);
        if (status != rows[i].status) {
            fail_msg("%s gives %d", rows[i].body, status);
        }
        stage_pass(WEFT_SECOND);
        assert_int_equal(stage.node.stopped, status == 202);
        stage_end();
    }
}

/* A body that is too large is refused in time, however it comes: in lumps that end exactly where the flow is full too.
 */
static void test_drain_body_too_large(void **state)
{
    (void)state;
    static const size_t pieces[] = {1000, 1024, 4096, 16384};
    static char lump[16384];
    char head[512];
    memset(lump, ' ', sizeof(lump));
    for (size_t i = 0; i < WEFT_COUNT(pieces); i++) {
        stage_begin(LISTEN_TCP);
        struct weft_slice token = weft_resident_token(&stage.node);
        (void)snprintf(head, sizeof(head),
                       "POST /weft/v1/drain HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer %.*s\r\n"
                       "Content-Type: application/json\r\nContent-Length: 100000\r\n\r\n",
                       (int)token.size, token.data);
        weft_raw_dial(&stage.raw, stage.clients, STAGE_TCP);
        weft_raw_text(&stage.raw, head);
        for (size_t sent = 0; sent < 98304 && !stage.raw.ended; sent += pieces[i]) {
            weft_raw_send(&stage.raw, weft_slice(lump, pieces[i]));
            stage_pass(WEFT_MS);
        }
        stage_pass(WEFT_SECOND);
        stage_read(false);
        assert_int_equal(stage.answers.at[0].status, 413);
        weft_raw_close(&stage.raw, false);
        stage_end();
    }
}

static void test_drain_is_left(void **state)
{
    (void)state;
    stage_begin(LISTEN_TCP);
    struct weft_slice token = weft_resident_token(&stage.node);
    char head[512];
    (void)snprintf(head, sizeof(head),
                   "POST /weft/v1/drain HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer %.*s\r\n"
                   "Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{",
                   (int)token.size, token.data);
    weft_raw_dial(&stage.raw, stage.clients, STAGE_TCP);
    weft_raw_text(&stage.raw, head);
    stage_pass(WEFT_SECOND);
    weft_raw_close(&stage.raw, true);
    stage_pass(WEFT_SECOND);
    assert_false(stage.node.stopped);
    assert_non_null(strstr(weft_world_log(stage.host), "the client left"));
    stage_end();
}

static void test_no_model(void **state)
{
    (void)state;
    stage_begin(LISTEN_TCP);
    assert_int_equal(stage_ask("GET", "/v1/models", "", ""), 200);
    assert_string_equal(stage.text, "{\"object\":\"list\",\"data\":[]}\n");
    assert_int_equal(stage_ask("POST", "/v1/chat/completions", "Content-Type: application/json\r\n", "{}"), 503);
    assert_says("no_model");
    stage_end();
}

static const char *const models[] = {"/models/One.gguf", "/models/a \"b\".gguf"};

static void test_readiness_waits_for_models(void **state)
{
    (void)state;
    stage_begin_with_models(models, 2, &(const struct weft_child_script){.loads = 10 * WEFT_SECOND});
    assert_int_equal(stage_ask("GET", "/health", "", ""), 200);
    stage_pass(5 * WEFT_SECOND);
    assert_int_equal(stage_ask("GET", "/readyz", "", ""), 503);
    assert_field("content-type", "application/json");
    assert_says("{\"status\":\"loading\",\"progress\":0.2"); /* half of one of two */
    assert_false(stage.node.ready);
    stage_pass(16 * WEFT_SECOND);
    assert_int_equal(stage_ask("GET", "/readyz", "", ""), 200);
    assert_true(stage.node.ready);
    weft_child_die(&stage.children.at[0], 9);
    stage_pass(10 * WEFT_MS);
    assert_int_equal(stage_ask("GET", "/readyz", "", ""), 503);
    assert_says("loading");
    stage_pass(11 * WEFT_SECOND);
    assert_int_equal(stage_ask("GET", "/readyz", "", ""), 200);
    stage_end();
}

static void test_readiness_says_what_was_given_up(void **state)
{
    (void)state;
    stage_begin_with_models(models, 2, &(const struct weft_child_script){.refuses = "It needs 9 GiB."});
    stage_pass(WEFT_SECOND);
    assert_int_equal(stage_ask("GET", "/readyz", "", ""), 503);
    assert_string_equal(stage.text, "{\"status\":\"failed\",\"problem\":\"It needs 9 GiB.\"}");
    assert_int_equal(stage_ask("GET", "/health", "", ""), 200);
    assert_false(stage.node.ready);
    stage_end();
}

/* Ten want eight slots. */
static void test_load(void **state)
{
    (void)state;
    enum { CLIENTS = 10 };
    static struct weft_raw clients[CLIENTS];
    char request[512];
    const char *body = "{\"model\":\"One\",\"stream\":true,\"prompt\":\"do=frames&n=10000\"}";
    (void)snprintf(request, sizeof(request),
                   "POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                   "Content-Length: %zu\r\n\r\n%s",
                   strlen(body), body);
    stage_begin_with_models(models, 1, NULL);
    assert_int_equal(stage_ask("GET", "/load", "", ""), 200);
    assert_says("{\"draining\":false,\"models\":[{\"name\":\"One\",\"state\":\"loading\",\"slots\":0,\"running\":0,"
                "\"waiting\":0,\"estimate_s\":null}]}");
    stage_pass(WEFT_SECOND);
    assert_int_equal(stage_ask("GET", "/load", "", ""), 200);
    assert_says("\"state\":\"ready\",\"slots\":8,\"running\":0,\"waiting\":0,\"estimate_s\":0}");
    for (size_t i = 0; i < CLIENTS; i++) {
        weft_raw_dial(&clients[i], stage.clients, STAGE_TCP);
        weft_raw_text(&clients[i], request);
    }
    stage_pass(3 * WEFT_SECOND);
    assert_int_equal(stage_ask("GET", "/load", "", ""), 200);
    assert_says("\"slots\":8,\"running\":8,\"waiting\":2,\"estimate_s\":null}");
    assert_non_null(strstr(clients[CLIENTS - 1].in, ": waiting, 1 before you\n\n"));
    assert_int_equal(stage_ask("GET", "/metrics", "", ""), 200);
    assert_says("\nweft_queue_waiting{model=\"One\"} 2\n");
    assert_says("\nweft_queue_running{model=\"One\"} 8\n");
    assert_says("\nweft_answers_resumed_total{model=\"One\"} 0\n");
    for (size_t i = 0; i < CLIENTS; i++) {
        weft_raw_close(&clients[i], true);
    }
    stage_pass(WEFT_SECOND);
    assert_int_equal(stage_ask("GET", "/load", "", ""), 200);
    assert_says("\"running\":0,\"waiting\":0,"); /* who hangs up has left */
    stage_end();
}

static void test_status_of_models(void **state)
{
    (void)state;
    stage_begin_with_models(models, 2, NULL);
    stage_pass(WEFT_SECOND);
    weft_child_die(&stage.children.at[1], 11);
    stage_pass(WEFT_SECOND);
    stage.children.script.refuses = "No.";
    weft_child_die(&stage.children.at[1], 11);
    stage_pass(WEFT_SECOND);
    struct weft_engine_page *page = stage.host->ops->shared(stage.children.at[0].process);
    atomic_store(&page->tokens_sampled, 5);
    atomic_store(&page->steps, 4);
    assert_int_equal(stage_ask_as_owner("GET", "/weft/v1/status", ""), 200);
    json_t *answer;
    assert_int_equal(weft_json_parse(weft_slice_text(stage.text), &answer, NULL), 0);
    json_t *first = json_array_get(json_object_get(answer, "models"), 0);
    json_t *second = json_array_get(json_object_get(answer, "models"), 1);
    assert_string_equal(json_string_value(json_object_get(first, "name")), "One");
    assert_string_equal(json_string_value(json_object_get(first, "state")), "ready");
    assert_true(json_integer_value(json_object_get(first, "process")) > 0);
    assert_int_equal(json_integer_value(json_object_get(first, "starts")), 1);
    assert_int_equal(json_integer_value(json_object_get(first, "slots")), 8);
    assert_int_equal(json_integer_value(json_object_get(first, "context")), 4096);
    assert_int_equal(json_integer_value(json_object_get(first, "memory")), 1073741824);
    assert_string_equal(json_string_value(json_object_get(first, "variant")), "zen4");
    assert_string_equal(json_string_value(json_object_get(first, "sandbox")), "seccomp + landlock");
    assert_true(json_is_true(json_object_get(first, "named")) && json_is_false(json_object_get(first, "waits")));
    assert_true(json_is_null(json_object_get(first, "problem")));
    assert_int_equal(json_string_length(json_object_get(first, "sha256")), 64);
    assert_string_equal(json_string_value(json_object_get(second, "name")), "a \"b\"");
    assert_string_equal(json_string_value(json_object_get(second, "state")), "failed");
    assert_int_equal(json_integer_value(json_object_get(second, "starts")), 3);
    assert_int_equal(json_integer_value(json_object_get(second, "deaths")), 2);
    assert_int_equal(json_integer_value(json_object_get(first, "tokens_sampled")), 5);
    assert_int_equal(json_integer_value(json_object_get(first, "steps")), 4);
    assert_int_equal(json_integer_value(json_object_get(second, "tokens_sampled")), 0);
    assert_int_equal(json_integer_value(json_object_get(second, "process")), 0);
    assert_string_equal(json_string_value(json_object_get(second, "problem")), "No.");
    json_decref(answer);
    assert_int_equal(stage_ask("GET", "/metrics", "", ""), 200);
    assert_says("\nweft_model_state{model=\"One\",state=\"ready\"} 1\n");
    assert_says("\nweft_model_state{model=\"One\",state=\"failed\"} 0\n");
    assert_says("\nweft_model_state{model=\"a \\\"b\\\"\",state=\"failed\"} 1\n");
    assert_says("\nweft_engine_starts_total{model=\"a \\\"b\\\"\"} 3\n");
    assert_says("\nweft_engine_deaths_total{model=\"a \\\"b\\\"\"} 2\n");
    assert_says("\nweft_engine_deaths_total{model=\"One\"} 0\n");
    assert_says("\nweft_engine_tokens_sampled_total{model=\"One\"} 5\n");
    assert_says("\nweft_engine_tokens_sampled_total{model=\"a \\\"b\\\"\"} 0\n");
    stage_end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_health_and_readiness),
        cmocka_unit_test(test_metrics),
        cmocka_unit_test(test_status),
        cmocka_unit_test(test_drain_bodies),
        cmocka_unit_test(test_drain_body_too_large),
        cmocka_unit_test(test_drain_is_left),
        cmocka_unit_test(test_no_model),
        cmocka_unit_test(test_readiness_waits_for_models),
        cmocka_unit_test(test_readiness_says_what_was_given_up),
        cmocka_unit_test(test_load),
        cmocka_unit_test(test_status_of_models),
    };
    weft_json_setup(1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
