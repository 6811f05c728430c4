/* tests/unit/node/front_test.c - what every request meets first, and what every answer says. */
#include "stage.h"

static void test_common_fields(void **state)
{
    (void)state;
    stage_begin(LISTEN_TCP);
    assert_int_equal(stage_ask("GET", "/health", "", ""), 200);
    assert_field("date", "Fri, 15 Jan 2027 08:00:00 GMT");
    assert_field("content-type", "application/json");
    assert_field("access-control-allow-origin", NULL);
    assert_field("vary", NULL);
    struct weft_slice id = weft_answer_field(&stage.answers.at[0], "x-weft-request-id");
    assert_int_equal(id.size, 20);
    char first[21] = {0}, line[64];
    memcpy(first, id.data, id.size);
    (void)snprintf(line, sizeof(line), "\"id\":\"%s\"", first);
    stage_pass(2 * WEFT_SECOND);
    assert_int_equal(stage_ask("GET", "/nothing", "", ""), 404);
    assert_field("date", "Fri, 15 Jan 2027 08:00:02 GMT");
    id = weft_answer_field(&stage.answers.at[0], "x-weft-request-id");
    assert_true(id.size == 20 && memcmp(id.data, first, 20) != 0);
    stage_end();
}

static void test_refusals(void **state)
{
    (void)state;
    const struct weft_resident_options options = {.yaml = LISTEN_TCP, .api_key = "secret"};
    stage_begin_with(&options);
    assert_int_equal(stage_ask("GET", "/v1/models", "", ""), 401);
    assert_field("www-authenticate", "Bearer");
    assert_says("api_key_required");
    assert_int_equal(stage_ask("GET", "/v1/models", "Authorization: Bearer secret\r\n", ""), 200);
    assert_int_equal(stage_ask("PUT", "/health", "", ""), 405);
    assert_field("allow", "GET, HEAD");
    assert_int_equal(stage_ask("BREW", "/health", "", ""), 501);
    assert_field("allow", NULL);
    stage_end();
}

static void test_cors(void **state)
{
    (void)state;
    stage_begin(LISTEN_TCP "cors:\n  origins: [\"https://chat.example\"]\n");
    assert_int_equal(stage_ask("GET", "/health", "Origin: https://chat.example\r\n", ""), 200);
    assert_field("access-control-allow-origin", "https://chat.example");
    assert_field("access-control-expose-headers",
                 "x-weft-request-id, x-weft-served-by, x-weft-path, x-weft-peer, x-weft-segments, x-weft-model, "
                 "x-weft-seed, retry-after");
    assert_field("vary", "origin");
    assert_int_equal(stage_ask("GET", "/health", "Origin: https://evil.example\r\n", ""), 200);
    assert_field("access-control-allow-origin", NULL);
    assert_field("vary", "origin");
    assert_int_equal(stage_ask("OPTIONS", "/v1/chat/completions",
                               "Origin: https://chat.example\r\nAccess-Control-Request-Method: POST\r\n", ""),
                     204);
    assert_field("access-control-allow-origin", "https://chat.example");
    assert_field("access-control-allow-methods", "GET, HEAD, POST, DELETE");
    assert_field("access-control-allow-headers", "authorization, content-type, x-weft-ids, x-weft-resume");
    assert_field("access-control-max-age", "600");
    assert_field("content-length", NULL); /* RFC 9110 8.6: never with 204 */
    assert_int_equal(stage_ask("OPTIONS", "/v1/chat/completions",
                               "Origin: https://evil.example\r\nAccess-Control-Request-Method: POST\r\n", ""),
                     403);
    assert_int_equal(stage_ask("OPTIONS", "/weft/v1/drain", "", ""), 204);
    assert_field("allow", "POST");
    assert_field("access-control-allow-methods", NULL);
    assert_int_equal(stage_ask("OPTIONS", "*", "", ""), 204);
    stage_end();
}

/* A body that is no JSON is refused, whether it comes with its head or after it, with a length or without, over h1 or
 * h2. */
static void test_body_is_seen(void **state)
{
    (void)state;
    static const char *const requests[] = {
        "POST /v1/x HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nhi",
        "POST /v1/x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n",
        "POST /v1/x HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n",
        "POST /v1/x HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n",
    };
    for (size_t i = 0; i < WEFT_COUNT(requests); i++) {
        stage_begin(LISTEN_TCP);
        assert_int_equal(stage_say(requests[i]), 415);
        weft_raw_close(&stage.raw, false);
        stage_end();
    }
    for (int open = 0; open < 2; open++) {
        const struct weft_frames_request request = {.stream = 1,
                                                    .method = "POST",
                                                    .path = "/v1/x",
                                                    .authority = "localhost",
                                                    .fields = "content-type: text/plain\n",
                                                    .body = WEFT_SLICE("hi"),
                                                    .open = open == 1};
        stage_begin(LISTEN_TCP);
        weft_raw_dial(&stage.raw, stage.clients, STAGE_TCP);
        weft_frames_hello(&stage.raw);
        weft_frames_ask(&stage.raw, &request);
        stage_pass(WEFT_SECOND);
        assert_non_null(strstr(weft_world_log(stage.host), "\"status\":415"));
        weft_raw_close(&stage.raw, false);
        stage_end();
    }
}

static void test_unix_takes_any_host(void **state)
{
    (void)state;
    stage_begin("listen: [\"unix:/run/weft.sock\", \"tcp:127.0.0.1:80\"]\n");
    assert_int_equal(stage_say("GET /health HTTP/1.1\r\nHost: evil.example\r\n\r\n"), 421);
    weft_raw_close(&stage.raw, false);
    weft_raw_dial(&stage.raw, stage.clients, "/run/weft.sock");
    weft_raw_text(&stage.raw, "GET /health HTTP/1.1\r\nHost: evil.example\r\n\r\n");
    stage_pass(WEFT_SECOND);
    stage_read(false);
    assert_int_equal(stage.answers.at[0].status, 200);
    weft_raw_close(&stage.raw, false);
    stage_end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_common_fields),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_cors),
        cmocka_unit_test(test_body_is_seen),
        cmocka_unit_test(test_unix_takes_any_host),
    };
    weft_json_setup(1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
