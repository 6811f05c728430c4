/* tests/unit/node/externals_test.c - models of servers that are not ours, as clients see them: listed, named, asked,
 * and gone on with when their server breaks. */
#include "node/delivery.h"
#include "node/externals.h"

#include "unit/node/outsider.h"
#include "unit/node/parlour.h"

#define HI     "\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]"
#define STREAM "{\"model\":\"m:1b\",\"stream\":true," HI "}"
#define BUSY                                                                                                           \
    "HTTP/1.1 503 X\r\nContent-Type: application/json\r\nContent-Length: 29\r\n\r\n{\"error\":{\"message\":\"not "     \
    "now\"}}"

static const char *const small[] = {"Small-1B.gguf", NULL};

static void begin(const char *const *models)
{
    parlour_begin(models);
    outsider_begin(engines.world);
    parlour_external("http://" OUTSIDER_AT "/v1");
    engines_pass(WEFT_SECOND);
}

static void end(void)
{
    outsider_die();
    parlour_end();
}

static void asked_has(const char *text)
{
    if (!strstr(outsider.asked, text)) {
        fail_msg("\"%s\" is not in \"%s\"", text, outsider.asked);
    }
}

static void test_they_stand_in_the_list_with_their_label(void **state)
{
    (void)state;
    begin(small);
    outsider.models = "{\"data\":[{\"id\":\"small-1b\"},{\"id\":\"m:1b\",\"owned_by\":\"vllm\"},{\"id\":\"m:1b\"}]}";
    engines_pass(WEFT_EXTERNAL_CHECK);
    assert_int_equal(parlour_ask("GET", "/v1/models", ""), 200);
    parlour_has("{\"id\":\"Small-1B\",", true);
    parlour_has("{\"id\":\"m:1b\",\"object\":\"model\",\"created\":0,\"owned_by\":\"external\",\"weft\":{\"state\":"
                "\"ready\",\"server\":\"vllm\",\"unverified\":true}}",
                true);
    parlour_has("small-1b", false); /* ours goes first */
    assert_int_equal(parlour_ask("GET", "/v1/models/m%3A1b", ""), 200);
    parlour_has("\"unverified\":true", true);
    assert_int_equal(parlour_ask("GET", "/v1/models/small-1b", ""), 200);
    parlour_has("unverified", false);
    end();
}

/* Its list is replaced at each check, and the names that were made of it are asked for again. */
static void test_the_list_holds_over_checks(void **state)
{
    (void)state;
    begin(NULL);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(parlour_ask("GET", "/v1/models", ""), 200);
        parlour_has("{\"id\":\"m:1b\",", true);
        parlour_has("{\"id\":\"other\",", true);
        size_t checks = outsider.checks;
        engines_pass(WEFT_EXTERNAL_CHECK + WEFT_SECOND);
        assert_true(outsider.checks > checks);
    }
    end();
}

static void test_what_one_server_tells_twice_is_listed_once(void **state)
{
    (void)state;
    begin(NULL);
    outsider.models = "{\"data\":[{\"id\":\"m:1b\"},{\"id\":\"m:1b\"}]}";
    engines_pass(WEFT_EXTERNAL_CHECK);
    assert_int_equal(parlour_ask("GET", "/v1/models", ""), 200);
    const char *first = strstr(parlour.text, "m:1b");
    assert_non_null(first);
    assert_null(strstr(first + 1, "m:1b"));
    end();
}

static void test_what_else_is_said_of_them(void **state)
{
    (void)state;
    begin(NULL);
    assert_int_equal(parlour_ask("GET", "/load", ""), 200);
    parlour_has("{\"name\":\"m:1b\",\"state\":\"ready\",\"slots\":64,\"running\":0,\"waiting\":0,\"estimate_s\":0}",
                true);
    assert_int_equal(parlour_ask("GET", "/metrics", ""), 200);
    parlour_has("weft_external_up{server=\"http://" OUTSIDER_AT "/v1\"} 1\n", true);
    outsider_die();
    engines_pass(WEFT_EXTERNAL_CHECK + WEFT_SECOND);
    assert_int_equal(parlour_ask("GET", "/load", ""), 200);
    parlour_has("{\"name\":\"m:1b\",\"state\":\"starting\",\"slots\":0,", true);
    assert_int_equal(parlour_ask("GET", "/metrics", ""), 200);
    parlour_has("weft_external_up{server=\"http://" OUTSIDER_AT "/v1\"} 0\n", true);
    end();
}

static void test_names_as_people_type_them(void **state)
{
    (void)state;
    static const struct {
        const char *target, *says;
        int status;
    } rows[] = {
        {"/v1/models/M:1B", "\"id\":\"m:1b\"", 200},
        {"/v1/models/OTHER", "\"id\":\"other\"", 200},
        {"/v1/models/othr", "Did you mean other? Served are: Small-1B, m:1b, other.", 404},
        {"/v1/models/smal", "Did you mean Small-1B? Served are: Small-1B, m:1b, other.", 404},
        {"/v1/models/small", "\"id\":\"Small-1B\"", 200},
    };
    begin(small);
    for (size_t i = 0; i < WEFT_COUNT(rows); i++) {
        int status = parlour_ask("GET", rows[i].target, "");
        if (status != rows[i].status || !strstr(parlour.text, rows[i].says)) {
            fail_msg("%s gives %d: %s", rows[i].target, status, parlour.text);
        }
    }
    end();
}

static void test_no_model_yet(void **state)
{
    (void)state;
    begin(NULL);
    outsider.models = "{\"data\":[]}";
    engines_pass(WEFT_EXTERNAL_CHECK);
    assert_int_equal(parlour_ask("POST", "/v1/chat/completions", STREAM), 404);
    parlour_has("This node serves no model yet, and the servers that it knows have told it of none.", true);
    end();
}

static void test_an_answer(void **state)
{
    (void)state;
    begin(NULL);
    outsider.answers[0] = OUTSIDER_EVENTS OUTSIDER_CHUNK("Hel") OUTSIDER_CHUNK("lo") OUTSIDER_STOP;
    assert_int_equal(parlour_ask("POST", "/v1/chat/completions", STREAM), 200);
    parlour_has("\"delta\":{\"content\":\"Hel\"}", true);
    parlour_has("\"finish_reason\":\"stop\"", true);
    parlour_has("\"model\":\"m:1b\"", true);
    parlour_has("data: [DONE]\n\n", true);
    assert_non_null(strstr(parlour.head, "x-weft-served-by: external\n"));
    assert_non_null(strstr(parlour.head, "x-weft-path: external\n"));
    assert_non_null(strstr(parlour.head, "x-weft-model: m:1b\n"));
    assert_null(strstr(parlour.head, "x-weft-seed"));
    asked_has("\"stream_options\":{\"include_usage\":true}");
    assert_int_equal(parlour_ask("POST", "/v1/chat/completions", "{\"model\":\"m:1b\"," HI "}"), 200);
    parlour_has("\"content\":\"Hello\"", true);
    parlour_has("\"usage\":{\"prompt_tokens\":9,\"completion_tokens\":1,\"total_tokens\":10", true);
    end();
}

static void test_a_cut_answer_goes_on(void **state)
{
    (void)state;
    begin(NULL);
    outsider.answers[0] = OUTSIDER_EVENTS OUTSIDER_CHUNK("Hel") OUTSIDER_CHUNK("lo");
    outsider.answers[1] = OUTSIDER_EVENTS OUTSIDER_CHUNK(" you") OUTSIDER_STOP;
    assert_int_equal(parlour_ask("POST", "/v1/chat/completions", "{\"model\":\"m:1b\"," HI "}"), 200);
    parlour_has("\"content\":\"Hello you\"", true);
    parlour_has("\"usage\":{\"prompt_tokens\":7,\"completion_tokens\":3,\"total_tokens\":10", true);
    asked_has("{\"role\":\"assistant\",\"content\":\"Hello\"}");
    asked_has("\"continue_final_message\":true");
    assert_int_equal(outsider.posts, 2);
    end();
}

static void test_one_that_cannot_go_on_ends_in_a_typed_error(void **state)
{
    (void)state;
    begin(NULL);
    outsider.answers[0] = OUTSIDER_EVENTS OUTSIDER_CHUNK("Hel");
    assert_int_equal(parlour_ask("POST", "/v1/chat/completions", "{\"model\":\"m:1b\",\"stream\":true,\"n\":2," HI "}"),
                     200);
    parlour_has("\"code\":\"engine_lost\"", true);
    parlour_has("[DONE]", false);
    assert_int_equal(outsider.posts, 1);
    end();
}

static void test_it_is_not_tried_for_ever(void **state)
{
    (void)state;
    begin(NULL);
    outsider.answers[0] = BUSY;
    assert_int_equal(parlour_ask("POST", "/v1/chat/completions", "{\"model\":\"m:1b\"," HI "}"), 503);
    parlour_has("\"code\":\"external_busy\"", true);
    assert_non_null(strstr(parlour.head, "retry-after: "));
    assert_int_equal(outsider.posts, 4);
    end();
}

/* Two that bring nothing are enough, but only one after the other: a piece in between begins the count anew. */
static void test_a_piece_makes_up_for_a_broken_attempt(void **state)
{
    (void)state;
    begin(NULL);
    outsider.answers[0] = outsider.answers[2] = OUTSIDER_EVENTS;
    outsider.answers[1] = OUTSIDER_EVENTS OUTSIDER_CHUNK("Hel");
    outsider.answers[3] = OUTSIDER_EVENTS OUTSIDER_CHUNK("lo") OUTSIDER_STOP;
    assert_int_equal(parlour_ask("POST", "/v1/chat/completions", "{\"model\":\"m:1b\"," HI "}"), 200);
    parlour_has("\"content\":\"Hello\"", true);
    assert_int_equal(outsider.posts, 4);
    end();
}

static bool is_down(void)
{
    struct weft_external_info info;
    weft_external_info(weft_externals_server(parlour.front.externals, 0), &info);
    return info.state == WEFT_EXTERNAL_DOWN;
}

/* A server that is being started again has broken nothing: the one attempt that it may break is still to come. */
static void test_a_refused_connection_is_no_broken_attempt(void **state)
{
    (void)state;
    begin(NULL);
    outsider.answers[0] = OUTSIDER_EVENTS;
    outsider.answers[1] = OUTSIDER_EVENTS OUTSIDER_CHUNK("Hel") OUTSIDER_STOP;
    engines_pass(WEFT_EXTERNAL_CHECK / 2);
    outsider_die();
    assert_true(parlour_knock("POST", "/v1/chat/completions"));
    parlour_say(WEFT_SLICE(STREAM), true);
    engines_pass(WEFT_SECOND / 4);
    assert_true(is_down()); /* the request has found that out */
    assert_non_null(strstr(weft_world_log(engines.host), "\"why\":\"external_unreachable\""));
    outsider_listen();
    assert_true(engines_wait(parlour_over, NULL));
    assert_int_equal(parlour.status, 200);
    parlour_has("\"content\":\"Hel\"", true);
    assert_int_equal(outsider.posts, 2);
    end();
}

/* It tells its models, and is gone each time when an answer is asked for. */
static void test_one_that_is_never_there_is_not_tried_for_ever(void **state)
{
    (void)state;
    begin(NULL);
    engines_pass(WEFT_EXTERNAL_CHECK / 2);
    outsider_die();
    outsider.goes = true;
    size_t checks = outsider.checks;
    assert_true(parlour_knock("POST", "/v1/chat/completions"));
    parlour_say(WEFT_SLICE("{\"model\":\"m:1b\"," HI "}"), true);
    for (int i = 0; i < 1000 && parlour.exchange; i++) {
        engines_pass(WEFT_SECOND / 10);
        if (!outsider.listens && is_down()) {
            outsider_listen();
        }
    }
    assert_int_equal(parlour.status, 503);
    parlour_has("\"code\":\"external_unreachable\"", true);
    assert_non_null(strstr(parlour.head, "retry-after: "));
    assert_int_equal(outsider.checks - checks,
                     WEFT_DELIVERY_BARREN_MAX); /* one before each of the next three, and one before the end */
    assert_int_equal(outsider.posts, 0);
    end();
}

/* A client says by its id which tool call it answers, so each has one. */
static void test_calls_that_have_no_id_get_one(void **state)
{
    (void)state;
    begin(NULL);
    outsider.answers[0] =
        OUTSIDER_EVENTS "data: {\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{\"function\":{\"name\":\"f\"}},"
                        "{\"id\":\"own\",\"function\":{\"name\":\"g\"}},{\"id\":\"\",\"index\":2,\"function\":"
                        "{\"name\":\"h\",\"arguments\":\"{}\"}}]}}]}\n\n" OUTSIDER_STOP;
    assert_int_equal(parlour_ask("POST", "/v1/chat/completions", STREAM), 200);
    parlour_has("\"tool_calls\":[{\"index\":0,\"id\":\"call_", true);
    parlour_has("_0_0\",\"type\":\"function\",\"function\":{\"name\":\"f\",\"arguments\":\"\"}", true);
    parlour_has("\"tool_calls\":[{\"index\":1,\"id\":\"own\",", true);
    parlour_has("_0_2\",\"type\":\"function\",\"function\":{\"name\":\"h\",\"arguments\":\"{}\"}", true);
    end();
}

/* The pauses between two looks at a server grow with each answer that it breaks, whoever's: one request does not wait
 * for many of them. */
static void test_one_that_breaks_every_answer_is_soon_given_up(void **state)
{
    (void)state;
    begin(NULL);
    outsider.answers[0] = "";
    outsider.cuts = true;
    for (size_t i = 1; i <= 6; i++) {
        weft_time from = weft_world_now(engines.world);
        assert_int_equal(parlour_ask("POST", "/v1/chat/completions", "{\"model\":\"m:1b\"," HI "}"), 502);
        parlour_has("\"code\":\"engine_lost\"", true);
        assert_int_equal(outsider.posts, i * WEFT_DELIVERY_BROKEN_MAX);
        assert_true(weft_world_now(engines.world) - from <= 2 * WEFT_EXTERNAL_PAUSE_MAX + WEFT_SECOND);
    }
    end();
}

/* The server is gone: who asks waits for it, but not for ever. */
static void test_one_that_is_down_is_waited_for(void **state)
{
    (void)state;
    begin(NULL);
    outsider.answers[0] = OUTSIDER_EVENTS OUTSIDER_CHUNK("Hel") OUTSIDER_STOP;
    outsider_die();
    engines_pass(WEFT_EXTERNAL_CHECK + WEFT_SECOND);
    assert_true(parlour_knock("POST", "/v1/chat/completions"));
    parlour_say(WEFT_SLICE(STREAM), true);
    engines_pass(3 * WEFT_SECOND);
    parlour_has(": waiting", true);
    outsider_listen();
    assert_true(engines_wait(parlour_over, NULL));
    parlour_has("\"content\":\"Hel\"", true);
    outsider_die();
    engines_pass(2 * WEFT_EXTERNAL_PATIENCE);
    assert_int_equal(parlour_ask("POST", "/v1/chat/completions", STREAM), 503);
    parlour_has("\"code\":\"model_failed\"", true);
    parlour_has("m:1b is not served: it cannot be reached", true);
    assert_non_null(strstr(parlour.head, "retry-after: 30\n"));
    assert_int_equal(parlour_ask("GET", "/v1/models/m:1b", ""), 200);
    parlour_has("\"state\":\"failed\"", true);
    outsider_listen();
    engines_pass(2 * WEFT_EXTERNAL_PATIENCE);
    assert_int_equal(parlour_ask("POST", "/v1/chat/completions", STREAM), 200);
    end();
}

static void test_what_it_cannot_be_asked(void **state)
{
    (void)state;
    begin(NULL);
    assert_int_equal(parlour_ask("POST", "/v1/chat/completions", "{\"model\":\"m:1b\",\"logprobs\":true," HI "}"), 400);
    parlour_has("\"param\":\"logprobs\"", true);
    assert_int_equal(outsider.posts, 0);
    end();
}

static void test_the_client_leaves(void **state)
{
    (void)state;
    begin(NULL);
    outsider.answers[0] = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n" OUTSIDER_CHUNK("Hel");
    assert_true(parlour_knock("POST", "/v1/chat/completions"));
    parlour_say(WEFT_SLICE(STREAM), true);
    engines_pass(WEFT_SECOND);
    parlour_has("Hel", true);
    struct weft_external_info info;
    weft_external_info(weft_externals_server(parlour.front.externals, 0), &info);
    assert_int_equal(info.running, 1);
    parlour_leave();
    engines_pass(WEFT_SECOND);
    weft_external_info(weft_externals_server(parlour.front.externals, 0), &info);
    assert_int_equal(info.running, 0);
    assert_int_equal(info.state, WEFT_EXTERNAL_UP);
    end();
}

/* A server that leads back here would ask us, and we it, until nothing is left. */
static void test_it_leads_back_here(void **state)
{
    (void)state;
    begin(small);
    struct weft_slice via = weft_externals_via(parlour.front.externals);
    engines_pass(0);
    assert_true(via.size > 0);
    assert_true(parlour_knock_via("GET", "/v1/models", via));
    assert_true(engines_wait(parlour_over, NULL));
    assert_int_equal(parlour.status, 508);
    end();
}

static void test_memory_runs_out(void **state)
{
    (void)state;
    bool failed = true;
    for (uint64_t countdown = 1; failed; countdown++) {
        begin(NULL);
        outsider.answers[0] = OUTSIDER_EVENTS OUTSIDER_CHUNK("Hel");
        outsider.answers[1] = OUTSIDER_EVENTS OUTSIDER_CHUNK("lo") OUTSIDER_STOP;
        weft_mem_fail_at(countdown);
        int status = parlour_ask("POST", "/v1/chat/completions", STREAM);
        failed = weft_mem_failed();
        weft_mem_fail_at(0);
        assert_true(failed || (status == 200 && strstr(parlour.text, "[DONE]")));
        if (status != 0 && status != 200 && status != 502 && status != 503) {
            fail_msg("%d: %s", status, parlour.text);
        }
        end();
    }
}

static int set_up(void **state)
{
    (void)state;
    weft_json_setup(1);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_they_stand_in_the_list_with_their_label),
        cmocka_unit_test(test_the_list_holds_over_checks),
        cmocka_unit_test(test_what_one_server_tells_twice_is_listed_once),
        cmocka_unit_test(test_what_else_is_said_of_them),
        cmocka_unit_test(test_names_as_people_type_them),
        cmocka_unit_test(test_no_model_yet),
        cmocka_unit_test(test_an_answer),
        cmocka_unit_test(test_a_cut_answer_goes_on),
        cmocka_unit_test(test_one_that_cannot_go_on_ends_in_a_typed_error),
        cmocka_unit_test(test_it_is_not_tried_for_ever),
        cmocka_unit_test(test_a_piece_makes_up_for_a_broken_attempt),
        cmocka_unit_test(test_a_refused_connection_is_no_broken_attempt),
        cmocka_unit_test(test_one_that_is_never_there_is_not_tried_for_ever),
        cmocka_unit_test(test_calls_that_have_no_id_get_one),
        cmocka_unit_test(test_one_that_breaks_every_answer_is_soon_given_up),
        cmocka_unit_test(test_one_that_is_down_is_waited_for),
        cmocka_unit_test(test_what_it_cannot_be_asked),
        cmocka_unit_test(test_the_client_leaves),
        cmocka_unit_test(test_it_leads_back_here),
        cmocka_unit_test(test_memory_runs_out),
    };
    return cmocka_run_group_tests(tests, set_up, NULL);
}
