/* tests/unit/node/openai_test.c - chats from the front door to a played engine and back, and all that goes wrong. */
#include "node/openai.h"

#include "node/openai_answer.h"
#include "unit/node/parlour.h"

#define CHAT   "/v1/chat/completions"
#define MODEL  "\"model\":\"Small-1B\""
#define HI     "\"messages\":[{\"role\":\"user\",\"content\":\"canary\"}]"
#define STREAM ",\"stream\":true"

static const char *const one[] = {"/m/Small-1B.gguf", NULL};

static void begin(const char *deed)
{
    parlour_begin(one);
    engines.children.script.deed = deed;
    assert_true(engines_wait(parlour_ready, NULL));
}

static bool has_field(const char *line)
{
    return strstr(parlour.head, line);
}

/* -- a node that ends -- */

static void cut(const char *body)
{
    engines_pass(0);
    assert_true(parlour_knock("POST", CHAT));
    parlour_say(weft_slice_text(body), true);
    engines_pass(WEFT_SECOND);
    assert_int_equal(parlour.metrics.running, 1);
    assert_int_equal(weft_front_cut(&parlour.front), 1);
    engines_pass(WEFT_SECOND);
    assert_true(parlour_over(NULL));
    assert_int_equal(parlour.aborted, 0); /* it ends in order */
    assert_int_equal(parlour.metrics.running, 0);
}

/* A stream is told by an event, and what has not begun by a status; the engine works for nobody any more. */
static void test_cut(void **state)
{
    (void)state;
    begin("do=stall&n=2");
    cut("{" MODEL "," HI STREAM "}");
    assert_int_equal(parlour.status, 200);
    parlour_has("word", true);
    const char *last = strstr(parlour.text, "data: {\"error\":{\"message\":\"This node is shutting down");
    assert_non_null(last);
    assert_non_null(strstr(last, "\"type\":\"server_error\",\"param\":null,\"code\":\"shutting_down\"}}\n\n"));
    parlour_has("[DONE]", false);
    cut("{" MODEL "," HI "}");
    assert_int_equal(parlour.status, 503);
    assert_true(has_field("retry-after: 5\n") && has_field("content-type: application/json\n"));
    parlour_has("\"code\":\"shutting_down\"", true);
    parlour_end();
}

/* Before the body is all there, and with a client that has just left. */
static void test_cut_at_odd_moments(void **state)
{
    (void)state;
    begin("do=stall&n=2");
    engines_pass(0);
    assert_true(parlour_knock("POST", CHAT));
    parlour_say(WEFT_SLICE("{"), false);
    engines_pass(0);
    assert_int_equal(weft_front_cut(&parlour.front), 1);
    engines_pass(0);
    assert_int_equal(parlour.status, 503);
    assert_true(parlour_knock("POST", CHAT));
    parlour_say(WEFT_SLICE("{" MODEL "," HI STREAM "}"), true);
    engines_pass(WEFT_SECOND);
    parlour_leave();
    assert_int_equal(weft_front_cut(&parlour.front), 1);
    engines_pass(0);
    assert_int_equal(weft_front_cut(&parlour.front), 0);
    parlour_end();
}

/* -- what is answered -- */

static void test_whole(void **state)
{
    (void)state;
    begin("do=frames&n=3");
    assert_int_equal(parlour_ask("POST", CHAT, "{\"model\":\"SMALL-1b\"," HI ",\"seed\":-9}"), 200);
    parlour_has("{\"id\":\"chatcmpl-0100000000000000\",\"object\":\"chat.completion\",\"created\":18", true);
    parlour_has(",\"model\":\"Small-1B\",\"system_fingerprint\":\"fp_", true);
    parlour_has("\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"word word word \","
                "\"refusal\":null},\"logprobs\":null,\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":7,"
                "\"completion_tokens\":3,\"total_tokens\":10,\"prompt_tokens_details\":{\"cached_tokens\":0}}}",
                true);
    assert_true(has_field("content-type: application/json\n") && has_field("x-weft-served-by: local\n"));
    assert_true(has_field("x-weft-path: local\n") && has_field("x-weft-model: Small-1B\n"));
    assert_true(has_field("x-weft-seed: -9\n") && has_field("x-weft-request-id: req-0100000000000000\n"));
    assert_non_null(strstr(engines.children.body, "\"call_ids\":\"call_0100000000000000\""));
    assert_non_null(strstr(engines.children.body, "\"temperature\":0.2,\"top_k\":40,")); /* as the file recommends */
    parlour_end();
}

static void test_stream(void **state)
{
    (void)state;
    begin("do=frames&n=2");
    assert_int_equal(parlour_ask("POST", CHAT, "{" MODEL "," HI STREAM "}"), 200);
    assert_true(has_field("content-type: text/event-stream\n") && has_field("cache-control: no-cache\n"));
    size_t events = 0;
    for (const char *at = strstr(parlour.text, "data: "); at; at = strstr(at + 1, "data: ")) {
        events++;
    }
    assert_int_equal(events, 5); /* who speaks, two words, the finish, the end */
    assert_string_equal(parlour.text + parlour.size - 14, "data: [DONE]\n\n");
    parlour_end();
}

static void test_completion(void **state)
{
    (void)state;
    begin("do=frames&n=1");
    assert_int_equal(parlour_ask("POST", "/v1/completions?x=1", "{" MODEL ",\"prompt\":\"Once\"}"), 200);
    parlour_has("{\"id\":\"cmpl-0100000000000000\",\"object\":\"text_completion\"", true);
    parlour_has("\"text\":\"word \"", true);
    parlour_end();
}

/* A seed is drawn where none is given, told, and one that JavaScript can say. */
static void test_seed(void **state)
{
    (void)state;
    begin("do=frames&n=1");
    char first[64] = "";
    for (int i = 0; i < 2; i++) {
        assert_int_equal(parlour_ask("POST", CHAT, "{" MODEL "," HI "}"), 200);
        const char *told = strstr(parlour.head, "x-weft-seed: ");
        assert_non_null(told);
        char said[64];
        long long seed = atoll(told + strlen("x-weft-seed: "));
        assert_true(seed >= 0 && seed < (1LL << 52));
        (void)snprintf(said, sizeof(said), "\"seed\":%lld,", seed);
        assert_non_null(strstr(engines.children.body, said));
        assert_string_not_equal(said, first);
        memcpy(first, said, sizeof(first));
    }
    parlour_end();
}

/* -- what is refused -- */

static void test_refused(void **state)
{
    (void)state;
    static const struct {
        const char *method, *target, *body;
        int status;
        const char *says;
    } rows[] = {
        {"POST", CHAT, "", 400, "\"code\":\"invalid_json\""},
        {"POST", CHAT, "{}", 400, "\"param\":\"messages\""},
        {"POST", CHAT, "{" HI "}", 400, "name one that is served here: Small-1B."},
        {"POST", CHAT, "{" HI ",\"model\":\"smal\"}", 404, "Did you mean Small-1B?"},
        {"POST", CHAT, "{" HI ",\"model\":\"canary\"}", 404, "\"param\":\"model\",\"code\":\"model_not_found\""},
        {"POST", CHAT, "{" MODEL "," HI ",\"temperature\":3}", 400,
         "\"type\":\"invalid_request_error\",\"param\":\"temperature\",\"code\":\"invalid_value\""},
        {"GET", CHAT, "", 405, "\"code\":\"method_not_allowed\""},
        {"DELETE", "/v1/models/Small-1B", "", 405, "\"code\":\"method_not_allowed\""},
        {"POST", "/v1/models", "{}", 405, "\"code\":\"method_not_allowed\""},
        {"PUT", CHAT, "{}", 405, "\"code\":\"method_not_allowed\""},
        {"POST", "/v1/embeddings", "{}", 404, "\"type\":\"invalid_request_error\",\"param\":null,\"code\":"},
        {"POST", "/v1/chat/completions/", "{}", 404, "\"code\":\"not_found\""},
        {"GET", "/v1/", "", 404, "\"code\":\"not_found\""},
    };
    begin("do=frames&n=1");
    for (size_t i = 0; i < WEFT_COUNT(rows); i++) {
        int status = parlour_ask(rows[i].method, rows[i].target, rows[i].body);
        if (status != rows[i].status || !strstr(parlour.text, rows[i].says)) {
            fail_msg("%s %s %s gives %d: %s", rows[i].method, rows[i].target, rows[i].body, status, parlour.text);
        }
        parlour_has("canary", false);
        assert_true(has_field("content-type: application/json\n"));
        assert_int_equal(has_field("allow: "), status == 405);
    }
    assert_null(strstr(weft_world_log(engines.host), "canary"));
    parlour_end();
}

/* A model that is not ready is waited for, and a stream says so meanwhile. */
static void test_not_ready(void **state)
{
    (void)state;
    parlour_begin(one);
    engines.children.script = (struct weft_child_script){.loads = 100 * WEFT_SECOND, .deed = "do=frames&n=2"};
    engines_pass(50 * WEFT_SECOND);
    assert_int_equal(parlour_ask("POST", CHAT, "{" MODEL "," HI "}"), 200);
    parlour_has("word word ", true);
    parlour_has("waiting", false);
    assert_non_null(strstr(engines.children.body, "\"temperature\":0.2,")); /* known only since it is ready */
    parlour_end();

    parlour_begin(one);
    engines.children.script = (struct weft_child_script){.loads = 10 * WEFT_SECOND, .deed = "do=frames&n=2"};
    assert_int_equal(parlour_ask("POST", CHAT, "{" MODEL "," HI STREAM "}"), 200);
    assert_memory_equal(parlour.text, ": waiting, 0 before you\n\n: waiting, 0 before you\n\n", 50);
    assert_string_equal(parlour.text + parlour.size - 14, "data: [DONE]\n\n");
    parlour_end();

    parlour_begin(one);
    parlour.front.queue_wait = 20 * WEFT_SECOND;
    engines.children.script.loads = 100 * WEFT_SECOND;
    assert_int_equal(parlour_ask("POST", CHAT, "{" MODEL "," HI "}"), 503);
    parlour_has("Small-1B had no time for this request within 20 s", true);
    parlour_has("\"type\":\"server_error\",\"param\":null,\"code\":\"queue_timeout\"", true);
    assert_true(has_field("retry-after: 5\n"));
    parlour_end();

    parlour_begin(one);
    engines.children.script.refuses = "It is too big.";
    assert_int_equal(parlour_ask("POST", CHAT, "{" MODEL "," HI "}"), 503);
    parlour_has("\"message\":\"Small-1B is not served: It is too big.\"", true);
    parlour_has("\"code\":\"model_failed\"", true);
    assert_int_equal(parlour_ask("POST", CHAT, "{" MODEL "," HI "}"), 503); /* nor later */
    parlour_has("\"code\":\"model_failed\"", true);
    parlour_end();

    parlour_begin(NULL);
    assert_int_equal(parlour_ask("POST", CHAT, "{" MODEL "," HI "}"), 503);
    parlour_has("\"code\":\"no_model\"", true);
    parlour_end();
}

static void place_goes(void *self)
{
    weft_line_pause(self, true); /* nobody writes for it */
}

/* More wait already than may: who comes hears so at once, and when to come again. */
static void test_full(void **state)
{
    (void)state;
    enum { SLOTS = 8, WAITERS = 8 };
    static const struct weft_place_user user = {.go = place_goes};
    static struct weft_place others[SLOTS + WAITERS];
    parlour_begin(one);
    engines.children.script.deed = "do=frames&n=2";
    assert_int_equal(parlour_ask("POST", CHAT, "{" MODEL "," HI "}"), 200); /* so it is known what one takes */
    for (size_t i = 0; i < WEFT_COUNT(others); i++) {
        others[i] = (struct weft_place){.user = &user, .self = &others[i]};
        int error =
            weft_line_join(weft_models_line(parlour.front.models, 0), &others[i], 1000 + i, 1, 300 * WEFT_SECOND);
        assert_int_equal(error, 0);
        engines_pass(0);
    }
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(parlour_ask("POST", CHAT, i == 0 ? "{" MODEL "," HI "}" : "{" MODEL "," HI STREAM "}"), 503);
        parlour_has("8 requests wait for Small-1B already", true);
        parlour_has("The next one would have its turn in about 1 s. Try again then.", true);
        parlour_has("\"type\":\"server_error\",\"param\":null,\"code\":\"queue_full\"", true);
        assert_true(has_field("retry-after: 1\n"));
    }
    for (size_t i = 0; i < WEFT_COUNT(others); i++) {
        weft_line_leave(&others[i]);
    }
    assert_int_equal(parlour_ask("POST", CHAT, "{" MODEL "," HI "}"), 200);
    parlour_end();
}

/* Bodies come in pieces, and may be far larger than what a flow holds. */
static void test_bodies(void **state)
{
    (void)state;
    static char piece[64 * 1024];
    memset(piece, ' ', sizeof(piece));
    begin("do=frames&n=1");
    assert_true(parlour_knock("POST", CHAT));
    parlour_say(WEFT_SLICE("{" MODEL ","), false);
    for (int i = 0; i < 40; i++) {
        parlour_say(weft_slice(piece, sizeof(piece)), false);
        engines_pass(WEFT_MS);
        assert_int_equal(parlour.exchange->flows[WEFT_REQUEST].bytes.size, 0);
    }
    parlour_say(WEFT_SLICE(HI "}"), true);
    assert_true(engines_wait(parlour_over, NULL));
    assert_int_equal(parlour.status, 200);

    assert_true(parlour_knock("POST", CHAT));
    size_t said = 0;
    for (; parlour.exchange && said < 2 * WEFT_OPENAI_BODY_MAX; said += sizeof(piece)) {
        parlour_say(weft_slice(piece, sizeof(piece)), false);
        engines_pass(WEFT_MS);
    }
    assert_int_equal(parlour.status, 413);
    assert_true(said <= WEFT_OPENAI_BODY_MAX + 2 * sizeof(piece));
    parlour_has("\"code\":\"body_too_large\"", true);

    assert_true(parlour_knock("POST", CHAT)); /* a length that says so is enough */
    parlour.exchange->flows[WEFT_REQUEST].length = (int64_t)WEFT_OPENAI_BODY_MAX + 1;
    engines_pass(WEFT_MS);
    assert_int_equal(parlour.status, 413);
    parlour_end();
}

/* -- what goes wrong at the engine -- */

static void test_engine_fails(void **state)
{
    (void)state;
    static const struct {
        const char *deed;
        int whole_status;
        const char *code;
        bool begins; /* the stream had begun */
    } rows[] = {
        {"do=refuse", 400, "\"code\":\"context_length_exceeded\"", false},
        {"do=babble", 502, "\"code\":\"engine_malformed\"", false},
        {"do=cut&n=0", 502, "\"code\":\"engine_lost\"", false},
        {"do=cut&n=2", 502, "\"code\":\"engine_lost\"", true},
        {"do=error&n=2", 500, "\"code\":\"numbers\"", true},
        {"do=die&n=2", 500, "\"code\":\"request_kills_engine\"", true},
    };
    for (size_t i = 0; i < WEFT_COUNT(rows); i++) {
        begin(rows[i].deed);
        assert_int_equal(parlour_ask("POST", CHAT, "{" MODEL "," HI "}"), rows[i].whole_status);
        parlour_has(rows[i].code, true);
        parlour_has("word", false);
        engines_pass(100 * WEFT_MS);
        assert_true(engines_wait(parlour_ready, NULL)); /* one that died comes back */
        int status = parlour_ask("POST", CHAT, "{" MODEL "," HI STREAM "}");
        assert_int_equal(status, rows[i].begins ? 200 : rows[i].whole_status);
        parlour_has(rows[i].code, true);
        parlour_has("[DONE]", false);
        parlour_has("word", rows[i].begins);
        if (rows[i].begins) {
            assert_string_equal(parlour.text + parlour.size - 4, "}}\n\n"); /* the error is the last event, and whole */
            parlour_has("\n\ndata: {\"error\":{\"message\":", true);
        }
        assert_true(rows[i].whole_status < 500 || strstr(weft_world_log(engines.host), "\"event\":\"answer failed\""));
        parlour_end();
    }
}

/* -- clients that leave, clients that are slow -- */

static void test_client_leaves(void **state)
{
    (void)state;
    begin("do=stall&n=2");
    assert_true(parlour_knock("POST", CHAT)); /* in the middle of its body */
    parlour_say(WEFT_SLICE("{"), false);
    engines_pass(WEFT_SECOND);
    parlour_leave();
    engines_pass(WEFT_SECOND);
    assert_non_null(strstr(weft_world_log(engines.host), "\"status\":0,\"in_bytes\":1,"));
    assert_int_equal(engines.children.cancelled, 0);
    static const char *const bodies[] = {"{" MODEL "," HI STREAM "}", "{" MODEL "," HI "}"};
    for (size_t i = 0; i < WEFT_COUNT(bodies); i++) {
        assert_true(parlour_knock("POST", CHAT));
        parlour_say(weft_slice_text(bodies[i]), true);
        engines_pass(WEFT_SECOND);
        parlour_leave();
        engines_pass(50 * WEFT_MS);
        assert_int_equal(engines.children.cancelled, i + 1); /* the engine was told at once */
    }
    parlour_end();
}

/* Who does not read holds up the engine, not the node's memory. */
static void test_slow_reader(void **state)
{
    (void)state;
    begin("do=flood&n=600");
    assert_true(parlour_knock("POST", CHAT));
    parlour.reads = false;
    parlour_say(WEFT_SLICE("{" MODEL "," HI STREAM "}"), true);
    engines_pass(10 * WEFT_SECOND);
    size_t held = parlour.exchange->flows[WEFT_ANSWER].bytes.size;
    assert_true(held >= 64 * 1024 && held < 80 * 1024);
    parlour.reads = true;
    parlour_look(NULL, parlour.exchange);
    assert_true(engines_wait(parlour_over, NULL));
    assert_string_equal(parlour.text + parlour.size - 14, "data: [DONE]\n\n");
    size_t words = 0;
    for (const char *at = strstr(parlour.text, "word "); at; at = strstr(at + 1, "word ")) {
        words++;
    }
    assert_int_equal(words, 600);
    parlour_end();
}

/* -- memory -- */

/* Each allocation of a chat fails in turn, the engine's too: the client is told, or cut off, and nothing is left. */
static void test_torture(void **state)
{
    (void)state;
    static const char *const bodies[] = {"{" MODEL "," HI STREAM ",\"stream_options\":{\"include_usage\":true}}",
                                         "{" MODEL "," HI "}"};
    for (size_t i = 0; i < WEFT_COUNT(bodies); i++) {
        bool done = false;
        size_t told = 0;
        for (uint64_t at = 1; !done; at++) {
            begin("do=frames&n=3");
            engines_pass(0);
            weft_bytes_trim();
            weft_mem_fail_at(at);
            bool asked = parlour_knock("POST", CHAT);
            parlour_say(weft_slice_text(bodies[i]), true);
            bool over = engines_wait(parlour_over, NULL);
            done = !weft_mem_failed();
            weft_mem_fail_at(0);
            assert_true(over);
            assert_true(!done || (asked && parlour.status == 200));
            if (asked && parlour.status == 200 && !parlour.aborted) { /* whole, or it says that it is not */
                bool error = strstr(parlour.text, "{\"error\":");
                bool whole = strstr(parlour.text, i == 0 ? "data: [DONE]\n\n" : "\"usage\":{");
                assert_true(error != whole);
            }
            told += parlour.status >= 500;
            parlour_end();
        }
        assert_true(told > 10);
    }
}

int main(void)
{
    weft_json_setup(42);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cut),          cmocka_unit_test(test_cut_at_odd_moments),
        cmocka_unit_test(test_whole),        cmocka_unit_test(test_stream),
        cmocka_unit_test(test_completion),   cmocka_unit_test(test_seed),
        cmocka_unit_test(test_refused),      cmocka_unit_test(test_not_ready),
        cmocka_unit_test(test_full),         cmocka_unit_test(test_bodies),
        cmocka_unit_test(test_engine_fails), cmocka_unit_test(test_client_leaves),
        cmocka_unit_test(test_slow_reader),  cmocka_unit_test(test_torture),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
