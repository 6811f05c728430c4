/* tests/unit/node/serving_test.c - answers for other nodes of the mesh, from the door to a played engine and back. */
#include "base/text.h"
#include "http/limits.h"
#include "node/delivery.h"
#include "unit/node/parlour.h"

#define GENERATE "/mesh/v1/generate"
#define HI       "{\"messages\":[{\"role\":\"user\",\"content\":\"canary\"}],\"seed\":7"
#define FRAMES   256

static const char *const one[] = {"/m/Small-1B.gguf", NULL};
static char model[2 * WEFT_HOST_HASH_SIZE + 1]; /* its hash */
static struct weft_caller member;

/* What was answered, frame by frame, without texts. */
static struct {
    size_t count;
    struct weft_frame at[FRAMES];
    char code[64]; /* of an error frame */
} told;

static void begin_with_slots(const char *deed, int slots)
{
    struct weft_model_info info;
    parlour_begin(one);
    engines.children.script.deed = deed;
    engines.children.script.slots = slots;
    assert_true(engines_wait(parlour_ready, NULL));
    engines_pass(WEFT_SECOND);
    weft_models_info(parlour.front.models, 0, &info);
    assert_non_null(info.hash);
    weft_hex(model, info.hash, WEFT_HOST_HASH_SIZE);
    member = (struct weft_caller){.mesh = true, .principal = WEFT_MEMBER, .connection = 1};
    memset(member.key.bytes, 9, sizeof(member.key.bytes));
}

static void begin(const char *deed)
{
    begin_with_slots(deed, 0);
}

static bool knock(const char *hash)
{
    const struct weft_field field = {WEFT_SLICE(WEFT_MESH_MODEL_FIELD), weft_slice_text(hash)};
    engines_pass(0);
    return parlour_knock_as("POST", GENERATE, &field, 1, &member);
}

static int ask(const char *hash, const char *body)
{
    assert_true(knock(hash));
    parlour_say(weft_slice_text(body), true);
    assert_true(engines_wait(parlour_over, NULL));
    return parlour.status;
}

/* Begins, and says what there is after a second. */
static void ask_on(const char *body)
{
    assert_true(knock(model));
    parlour_say(weft_slice_text(body), true);
    engines_pass(WEFT_SECOND);
}

static void read_frames(void)
{
    struct weft_native_reader reader;
    struct weft_bytes bytes = {0};
    struct weft_frame frame;
    size_t taken;
    int got;
    told.count = 0;
    weft_native_reader_init(&reader);
    assert_int_equal(weft_bytes_append(&bytes, parlour.text, parlour.size), 0);
    while ((got = weft_native_read(&reader, &bytes, &frame, &taken)) > 0) {
        assert_true(told.count < FRAMES);
        if (frame.kind == WEFT_FRAME_ERROR) {
            (void)snprintf(told.code, sizeof(told.code), "%.*s", (int)frame.error.code.size, frame.error.code.data);
        }
        told.at[told.count++] = frame;
    }
    assert_int_equal(got, 0);
    assert_int_equal(bytes.size, 0);
    weft_native_reader_deinit(&reader);
    weft_bytes_deinit(&bytes);
}

static size_t count(enum weft_frame_kind kind)
{
    size_t found = 0;
    for (size_t i = 0; i < told.count; i++) {
        found += told.at[i].kind == kind;
    }
    return found;
}

/* `tokens` of them, which count down to 1, then the end. */
static void assert_whole(size_t tokens)
{
    size_t next = tokens;
    assert_int_equal(parlour.status, 200);
    assert_int_equal(parlour.aborted, 0);
    read_frames();
    for (size_t i = 0; i < told.count; i++) {
        if (told.at[i].kind == WEFT_FRAME_TOKEN) {
            assert_int_equal(told.at[i].token.id, next--);
        }
    }
    assert_int_equal(next, 0);
    assert_int_equal(told.at[told.count - 1].kind, WEFT_FRAME_END);
}

static void an_answer_has_its_head_load_and_tokens(void **state)
{
    (void)state;
    begin("do=frames&n=5");
    assert_int_equal(ask(model, HI "}"), 200);
    assert_non_null(strstr(parlour.head, "content-type: " WEFT_NATIVE_TYPE "\n"));
    assert_null(strstr(parlour.head, "x-weft-model"));
    assert_whole(5);
    assert_int_equal(told.at[0].kind, WEFT_FRAME_LOAD);
    assert_int_equal(told.at[0].load.running + told.at[0].load.waiting, 1); /* itself */
    assert_int_equal(told.at[told.count - 2].kind, WEFT_FRAME_USAGE);
    assert_int_equal(told.at[told.count - 3].kind, WEFT_FRAME_LOAD);
    parlour_end();
}

/* What the file recommends, or Weft where it recommends nothing, unless the request says it; and nothing is lost. */
static void what_is_missing_of_sampling_is_filled_in(void **state)
{
    (void)state;
    begin("do=frames&n=1");
    assert_int_equal(ask(model, HI ",\"top_k\":3}"), 200);
    assert_string_equal(engines.children.body, HI ",\"top_k\":3,\"temperature\":0.2,\"top_p\":0.95,\"min_p\":0.05}");
    assert_int_equal(ask(model, HI ",\"temperature\":0,\"min_p\":0,\"top_p\":1,\"n\":1}"), 200);
    assert_string_equal(engines.children.body, HI ",\"temperature\":0,\"min_p\":0,\"top_p\":1,\"n\":1,\"top_k\":40}");
    parlour_end();
}

/* It goes on behind what another node has told. */
static void it_goes_on_where_another_node_was_cut(void **state)
{
    (void)state;
    begin("do=frames&n=5");
    assert_int_equal(ask(model, HI ",\"resume\":[[5,4]]}"), 200);
    assert_non_null(strstr(engines.children.body, ",\"resume\":[[5,4]]}"));
    assert_whole(3);
    static const char *const wrong[] = {HI ",\"resume\":7}", HI ",\"resume\":[[1],[2]]}", HI ",\"resume\":[[-1]]}"};
    for (size_t i = 0; i < WEFT_COUNT(wrong); i++) {
        assert_int_equal(ask(model, wrong[i]), 400);
        parlour_has("\"code\":\"invalid_request\"", true);
    }
    parlour_end();
}

/* Its own delivery goes on when the engine dies: the node that asked gets signs of life, and the rest. */
static void an_engine_dies_and_the_answer_goes_on(void **state)
{
    (void)state;
    begin("do=stall&n=3");
    ask_on(HI "}");
    read_frames();
    assert_int_equal(count(WEFT_FRAME_TOKEN), 3);
    engines.children.script.deed = "do=frames&n=3";
    engines.children.script.loads = 4 * WEFT_SECOND;
    weft_child_die(&engines.children.at[0], 9);
    assert_true(engines_wait(parlour_over, NULL));
    assert_whole(3);
    assert_true(count(WEFT_FRAME_PROGRESS) >= 3);
    assert_int_equal(count(WEFT_FRAME_LOAD), count(WEFT_FRAME_PROGRESS) + 2); /* one each, the first, and at the end */
    parlour_end();
}

/* The engine may have read the other file: until that is known nothing is answered under the hash that was asked for.
 */
static void a_file_that_is_swapped_during_a_load_answers_nobody(void **state)
{
    (void)state;
    begin("do=frames&n=3");
    engines.children.script.loads = 4 * WEFT_SECOND;
    weft_child_die(&engines.children.at[0], 9);
    engines_pass(2 * WEFT_SECOND); /* the next engine loads, and the file was as before */
    ask_on(HI "}");
    weft_world_put_file(engines.host, "/m/Small-1B.gguf", WEFT_SLICE("another one"));
    assert_true(engines_wait(parlour_over, NULL));
    read_frames();
    assert_int_equal(count(WEFT_FRAME_TOKEN), 0);
    assert_string_equal(told.code, "model_not_held");
    parlour_end();
}

static void what_it_does_not_hold_or_share_is_421(void **state)
{
    (void)state;
    begin("do=frames&n=1");
    char other[sizeof(model)];
    memset(other, 'a', sizeof(other) - 1);
    other[sizeof(other) - 1] = '\0';
    assert_int_equal(ask(other, HI "}"), 421);
    parlour_has("\"code\":\"model_not_held\"", true);
    parlour.config.share = false;
    assert_int_equal(ask(model, HI "}"), 421);
    parlour.config.share = true;
    parlour.config.models_kept_own = (struct weft_config_models){.at = {WEFT_SLICE("small-1b")}, .count = 1};
    assert_int_equal(ask(model, HI "}"), 421);
    parlour.config.models_kept_own.at[0] = WEFT_SLICE("Small");
    assert_int_equal(ask(model, HI "}"), 200);
    parlour_end();
}

static void wrong_requests_are_refused(void **state)
{
    (void)state;
    static const char *const bodies[] = {"", "{", "[]", HI ",\"n\":0}", HI ",\"n\":17}", HI ",\"n\":\"1\"}"};
    static const char *const hashes[] = {"", "ab", "zz"};
    begin("do=refuse");
    for (size_t i = 0; i < WEFT_COUNT(bodies); i++) {
        assert_int_equal(ask(model, bodies[i]), 400);
        parlour_has("\"code\":\"invalid_request\"", true);
        parlour_has("canary", false);
    }
    for (size_t i = 0; i < WEFT_COUNT(hashes); i++) {
        char hash[sizeof(model)];
        (void)snprintf(hash, sizeof(hash), "%s%s", hashes[i], i < 2 ? "" : model + 2);
        assert_int_equal(ask(hash, HI "}"), 400);
        parlour_has("x-weft-model-hash", true);
    }
    assert_int_equal(ask(model, HI "}"), 200); /* the engine's own refusal: the head is out */
    read_frames();
    assert_int_equal(told.at[told.count - 1].kind, WEFT_FRAME_ERROR);
    assert_int_equal(told.at[told.count - 1].error.status, 400);
    assert_string_equal(told.code, "context_overflow");
    parlour_end();
}

static void it_is_for_members(void **state)
{
    (void)state;
    begin("do=frames&n=1");
    member.principal = WEFT_ANONYMOUS;
    assert_int_equal(ask(model, HI "}"), 403);
    parlour_has("\"code\":\"not_a_member\"", true);
    member.key = (struct weft_key){0};
    assert_int_equal(ask(model, HI "}"), 404);
    member = (struct weft_caller){.local = true}; /* a client's door has no such route */
    assert_int_equal(ask(model, HI "}"), 404);
    assert_int_equal(engines.children.cancelled, 0);
    parlour_end();
}

/* A node that leaves lets go of the engine at once. */
static void who_asked_may_leave(void **state)
{
    (void)state;
    begin("do=stall&n=2");
    assert_true(knock(model));
    parlour_leave(); /* before its body */
    engines_pass(WEFT_SECOND);
    assert_int_equal(parlour.metrics.running, 0);
    ask_on(HI "}");
    assert_int_equal(engines.children.cancelled, 0);
    parlour_leave();
    engines_pass(WEFT_SECOND);
    assert_int_equal(engines.children.cancelled, 1);
    assert_int_equal(parlour.metrics.running, 0);
    parlour_end();
}

/* Who does not read holds up the engine, not the node's memory, and gets all of it in the end. */
static void a_slow_reader_is_waited_for(void **state)
{
    (void)state;
    begin("do=flood&n=3000");
    assert_true(knock(model));
    parlour.reads = false;
    parlour_say(WEFT_SLICE(HI "}"), true);
    engines_pass(10 * WEFT_SECOND);
    size_t held = parlour.exchange->flows[WEFT_ANSWER].bytes.size;
    assert_true(held >= WEFT_HTTP_FLOW_HIGH && held < WEFT_HTTP_FLOW_HIGH + 16 * 1024);
    parlour.reads = true;
    parlour_look(NULL, parlour.exchange);
    assert_true(engines_wait(parlour_over, NULL));
    size_t words = 0;
    for (size_t at = 0; at + 5 <= parlour.size; at++) {
        words += memcmp(parlour.text + at, "word ", 5) == 0;
    }
    assert_int_equal(words, 2 * 3000); /* of tokens, and of their deltas */
    parlour_end();
}

/* No link ends a stream that rests: one that is never read would keep its slot, and one without its body its place. */
static void who_never_reads_is_let_go(void **state)
{
    (void)state;
    struct weft_line_info line;
    begin("do=flood&n=3000");
    assert_true(knock(model));
    parlour.reads = false;
    parlour_say(WEFT_SLICE(HI "}"), true);
    engines_pass(9 * 60 * WEFT_SECOND);
    weft_line_report(weft_models_line(parlour.front.models, 0), &line);
    assert_int_equal(line.running, 1);
    engines_pass(2 * 60 * WEFT_SECOND);
    weft_line_report(weft_models_line(parlour.front.models, 0), &line);
    assert_int_equal(line.running, 0);
    assert_int_equal(parlour.metrics.running, 0);
    assert_true(parlour_over(NULL));
    assert_int_equal(parlour.aborted, WEFT_ERR_TIMEOUT);
    assert_true(knock(model));
    parlour_say(WEFT_SLICE("{"), false);
    engines_pass(11 * 60 * WEFT_SECOND);
    assert_true(parlour_over(NULL));
    assert_int_equal(parlour.metrics.running, 0);
    parlour_end();
}

/* -- several at once -- */

static struct talker {
    struct weft_exchange *exchange;
    size_t place; /* as which of them it got its answer; 0: not yet */
} talkers[4];
static size_t ended;

static void talker_wake(void *self, struct weft_exchange *exchange)
{
    struct talker *talker = self;
    struct weft_bytes came = {0};
    (void)weft_exchange_take_all(exchange, WEFT_ANSWER, &came); /* what it says does not matter */
    weft_bytes_deinit(&came);
    if (weft_exchange_drained(exchange, WEFT_ANSWER)) {
        weft_exchange_leave(exchange, WEFT_ASKER, 0);
        talker->place = ++ended;
    }
}

static void talk(struct talker *talker, uint8_t key)
{
    struct weft_exchange *exchange;
    assert_int_equal(weft_exchange_new(&exchange, &engines.loop.turn), 0);
    *talker = (struct talker){.exchange = exchange};
    exchange->request = (struct weft_request_head){.method = WEFT_SLICE("POST"),
                                                   .scheme = WEFT_SLICE("https"),
                                                   .authority = WEFT_SLICE("node"),
                                                   .target = WEFT_SLICE(GENERATE)};
    assert_int_equal(weft_fields_add(&exchange->request.fields, &exchange->arena, WEFT_SLICE(WEFT_MESH_MODEL_FIELD),
                                     weft_slice_text(model)),
                     0);
    weft_exchange_attach(exchange, WEFT_ASKER, talker_wake, talker);
    memset(member.key.bytes, key, sizeof(member.key.bytes));
    weft_front_request(&parlour.front, exchange, &member);
    assert_int_equal(weft_exchange_write(exchange, WEFT_REQUEST, HI "}", strlen(HI "}")), 0);
    weft_exchange_end(exchange, WEFT_REQUEST);
    engines_pass(WEFT_MS);
}

static bool all_have_ended(void *self)
{
    (void)self;
    return ended == WEFT_COUNT(talkers);
}

/* Three requests of one node, then one of another: that one does not wait for all three, unless it has the same key. */
static void each_node_is_one_client_of_the_line(void **state)
{
    (void)state;
    for (uint8_t other = 1; other <= 2; other++) {
        ended = 0;
        begin_with_slots("do=frames&n=20", 1);
        for (size_t i = 0; i < 3; i++) {
            talk(&talkers[i], 1);
        }
        talk(&talkers[3], other);
        assert_true(engines_wait(all_have_ended, NULL));
        assert_int_equal(talkers[0].place, 1);
        assert_int_equal(talkers[3].place, other == 1 ? 4 : 2);
        parlour_end();
    }
}

static void a_node_that_ends_says_so(void **state)
{
    (void)state;
    begin("do=stall&n=2");
    ask_on(HI "}");
    parlour.draining = true;
    parlour_leave();
    assert_int_equal(ask(model, HI "}"), 503);
    parlour_has("\"code\":\"draining\"", true);
    assert_non_null(strstr(parlour.head, "retry-after: 5\n"));
    parlour.draining = false;
    assert_true(knock(model));
    assert_int_equal(weft_front_cut(&parlour.front), 1); /* it had not begun */
    engines_pass(WEFT_SECOND);
    assert_int_equal(parlour.status, 503);
    ask_on(HI "}");
    assert_int_equal(weft_front_cut(&parlour.front), 1);
    engines_pass(WEFT_SECOND);
    assert_int_equal(parlour.aborted, 0); /* it ends in order */
    read_frames();
    assert_int_equal(told.at[told.count - 1].error.status, 503);
    assert_string_equal(told.code, "shutting_down");
    assert_int_equal(parlour.metrics.running, 0);
    parlour_end();
}

static void torture(void **state)
{
    (void)state;
    bool done = false;
    size_t refused = 0, cut = 0;
    for (uint64_t at = 1; !done; at++) {
        begin("do=frames&n=3");
        engines_pass(0);
        weft_bytes_trim();
        weft_mem_fail_at(at);
        bool asked = knock(model);
        parlour_say(WEFT_SLICE(HI ",\"resume\":[[3]]}"), true);
        bool over = engines_wait(parlour_over, NULL);
        done = !weft_mem_failed();
        weft_mem_fail_at(0);
        assert_true(over);
        refused += asked && parlour.status == 503;
        cut += parlour.aborted != 0;
        if (asked && parlour.status == 200 && !parlour.aborted) { /* whole, or it says that it is not */
            read_frames();
            enum weft_frame_kind last = told.at[told.count - 1].kind;
            assert_true(last == WEFT_FRAME_END || last == WEFT_FRAME_ERROR);
            assert_true(last == WEFT_FRAME_ERROR || count(WEFT_FRAME_TOKEN) == 2);
        }
        assert_true(!done || (asked && parlour.status == 200 && !parlour.aborted));
        parlour_end();
    }
    assert_true(refused > 5 && cut > 0);
}

int main(void)
{
    weft_json_setup(42);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_answer_has_its_head_load_and_tokens),
        cmocka_unit_test(what_is_missing_of_sampling_is_filled_in),
        cmocka_unit_test(it_goes_on_where_another_node_was_cut),
        cmocka_unit_test(an_engine_dies_and_the_answer_goes_on),
        cmocka_unit_test(a_file_that_is_swapped_during_a_load_answers_nobody),
        cmocka_unit_test(what_it_does_not_hold_or_share_is_421),
        cmocka_unit_test(wrong_requests_are_refused),
        cmocka_unit_test(it_is_for_members),
        cmocka_unit_test(who_asked_may_leave),
        cmocka_unit_test(a_slow_reader_is_waited_for),
        cmocka_unit_test(who_never_reads_is_let_go),
        cmocka_unit_test(each_node_is_one_client_of_the_line),
        cmocka_unit_test(a_node_that_ends_says_so),
        cmocka_unit_test(torture),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
