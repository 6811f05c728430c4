/* tests/unit/node/call_test.c - a call is counted and journalled once, and its line holds no content. */
#include "stage.h"

static size_t count(const char *text, const char *what)
{
    size_t found = 0;
    for (const char *at = strstr(text, what); at; at = strstr(at + 1, what)) {
        found++;
    }
    return found;
}

static void test_one_line_each(void **state)
{
    (void)state;
    stage_begin(LISTEN_TCP);
    assert_int_equal(stage_say("GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n"
                               "GET /nothing HTTP/1.1\r\nHost: localhost\r\n\r\n"
                               "POST /v1/x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n\r\nabc"),
                     200);
    stage_pass(WEFT_SECOND);
    stage_read(false);
    assert_int_equal(stage.answers.whole, 3);
    const char *log = weft_world_log(stage.host);
    assert_int_equal(count(log, "\"event\":\"request\""), 3);
    assert_non_null(
        strstr(log, "\"route\":\"/health\",\"by\":\"key\",\"status\":200,\"in_bytes\":0,\"out_bytes\":16,"));
    assert_non_null(strstr(log, "\"route\":\"none\",\"by\":\"key\",\"status\":404,"));
    assert_non_null(strstr(log, "\"route\":\"/v1/\",\"by\":\"key\",\"status\":415,"));
    weft_raw_close(&stage.raw, false);
    stage_end();
}

static void test_no_content(void **state)
{
    (void)state;
    stage_begin(RELAY_H1 "log:\n  level: debug\n");
    assert_int_equal(stage_ask("POST", "/v1/chat/canary-path?do=echo&canary=query",
                               "Content-Type: application/json\r\nCookie: canary=cookie\r\nX-Canary: canary\r\n"
                               "Authorization: Bearer canary\r\nUser-Agent: canary\r\n",
                               "{\"canary\":\"canary body\"}"),
                     200);
    assert_says("canary body");
    assert_int_equal(stage_say("GET /canary HTTP/1.1\r\nHost: canary.example\r\n\r\n"), 421);
    weft_raw_close(&stage.raw, false);
    assert_int_equal(stage_say("GET /canary canary\r\nHost: canary\r\nHost: canary\r\n\r\n"), 400);
    weft_raw_close(&stage.raw, false);
    assert_null(strstr(weft_world_log(stage.host), "canary"));
    stage_end();
}

static void test_who_left(void **state)
{
    (void)state;
    stage_begin(RELAY_H1);
    weft_raw_dial(&stage.raw, stage.clients, STAGE_TCP);
    weft_raw_text(&stage.raw, "GET /v1/x?do=silent HTTP/1.1\r\nHost: localhost\r\n\r\n");
    stage_pass(WEFT_SECOND);
    assert_null(strstr(weft_world_log(stage.host), "\"event\":\"request\""));
    weft_raw_close(&stage.raw, true);
    stage_pass(WEFT_SECOND);
    assert_non_null(strstr(weft_world_log(stage.host), "\"outcome\":\"the client left\""));
    assert_int_equal(stage_ask("GET", "/metrics", "", ""), 200);
    assert_says("\nweft_requests_total{route=\"/v1/\",class=\"cancelled\"} 1\n");
    assert_says("\nweft_requests_running 1\n");
    stage_end();
}

static void test_head_has_no_body(void **state)
{
    (void)state;
    stage_begin(LISTEN_TCP);
    weft_raw_dial(&stage.raw, stage.clients, STAGE_TCP);
    weft_raw_text(&stage.raw, "HEAD /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n"
                              "HEAD /health HTTP/1.1\r\nHost: localhost\r\n\r\n"
                              "HEAD /nothing HTTP/1.1\r\nHost: localhost\r\n\r\n");
    stage_pass(WEFT_SECOND);
    weft_answers_h1(&stage.answers, weft_slice(stage.raw.in, stage.raw.in_size), 7, false);
    assert_false(stage.answers.malformed);
    assert_int_equal(stage.answers.whole, 3);
    stage.answers.at[0] = stage.answers.at[1];
    assert_field("content-length", "16"); /* what GET would have had */
    weft_raw_close(&stage.raw, false);
    stage_end();
}

/* What the journal says of a call that memory ran out for is what the client was told. */
static void test_journal_and_answer_agree(void **state)
{
    (void)state;
    size_t refused = 0;
    for (uint64_t at = 1; at < 24; at++) {
        stage_begin(LISTEN_TCP);
        weft_raw_dial(&stage.raw, stage.clients, STAGE_TCP);
        weft_raw_text(&stage.raw, "GET /health HTTP/1.1\r\nHost: localh");
        stage_pass(WEFT_SECOND);
        weft_mem_fail_at(at);
        weft_raw_text(&stage.raw, "ost\r\n\r\n");
        stage_pass(WEFT_SECOND);
        weft_mem_fail_at(0);
        stage_read(false);
        const char *line = strstr(weft_world_log(stage.host), "\"route\":\"/health\"");
        if (line && stage.answers.at[0].status > 0) {
            char said[32];
            (void)snprintf(said, sizeof(said), "\"status\":%d,", stage.answers.at[0].status);
            assert_non_null(strstr(line, said));
            refused += stage.answers.at[0].status == 503;
        }
        weft_raw_close(&stage.raw, true);
        stage_end();
    }
    assert_true(refused > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_line_each),
        cmocka_unit_test(test_no_content),
        cmocka_unit_test(test_who_left),
        cmocka_unit_test(test_head_has_no_body),
        cmocka_unit_test(test_journal_and_answer_agree),
    };
    weft_json_setup(1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
