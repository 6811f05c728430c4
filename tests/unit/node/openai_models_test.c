/* tests/unit/node/openai_models_test.c - what clients see of the models, and how they name one; who of the mesh
 * gives an answer. */
#include "node/openai_models.h"

#include "unit/node/fellows.h"
#include "unit/node/parlour.h"

static const char *const two[] = {"/m/Small-1B.gguf", "/m/Big Model.gguf", NULL};

static void test_list(void **state)
{
    (void)state;
    parlour_begin(two);
    engines.children.script.loads = 10 * WEFT_SECOND;
    engines_pass(5 * WEFT_SECOND);
    assert_int_equal(parlour_ask("GET", "/v1/models", ""), 200);
    parlour_has("{\"object\":\"list\",\"data\":[{\"id\":\"Small-1B\",\"object\":\"model\",\"created\":0,\"owned_by\":"
                "\"weft\",\"weft\":{\"state\":\"loading\",\"progress\":0.",
                true);
    parlour_has(
        "\"sha256\":\"1f2e0589f28b053fb4bbaee817c77c78571f4f571a306d71b5e367ea2ba15400\"}},{\"id\":\"Big Model\",",
        true);
    parlour_has("{\"id\":\"Big Model\",\"object\":\"model\",\"created\":0,\"owned_by\":\"weft\",\"weft\":{\"state\":"
                "\"starting\",\"progress\":0}}]}",
                true);
    assert_true(engines_wait(parlour_ready, NULL));
    assert_int_equal(parlour_ask("GET", "/v1/models?x=1", ""), 200);
    parlour_has("\"weft\":{\"state\":\"ready\",\"context_tokens\":4096,\"trained_tokens\":8192,\"slots\":8,\"threads\":"
                "2,\"memory_bytes\":1073741824,\"description\":\"llama 135M Q4_1\",\"quant\":\"Q4_1\",\"cpu_variant\":"
                "\"zen4\",\"sandbox\":\"seccomp + "
                "landlock\",\"kernel_class\":\"Q4_1/zen4/"
                "default\",\"exact\":false,\"chat_template\":true,\"tools\":true,\"reasoning\":false,"
                "\"sha256\":\"1f2e0589f28b053fb4bbaee817c77c78571f4f571a306d71b5e367ea2ba15400\"}}",
                true);
    parlour_has("\"created\":18", true); /* the world's clock: 2027 */
    assert_int_equal(parlour_ask("HEAD", "/v1/models", ""), 200);
    assert_int_equal(parlour.size, 0);
    parlour_end();
}

static void test_no_models(void **state)
{
    (void)state;
    parlour_begin(NULL);
    assert_int_equal(parlour_ask("GET", "/v1/models", ""), 200);
    assert_string_equal(parlour.text, "{\"object\":\"list\",\"data\":[]}\n");
    assert_int_equal(parlour_ask("GET", "/v1/models/x", ""), 404);
    parlour_has("\"code\":\"model_not_found\"", true);
    parlour_end();
}

static void test_one(void **state)
{
    (void)state;
    static const struct {
        const char *target;
        int status;
        const char *says;
    } rows[] = {
        {"/v1/models/Small-1B", 200, "{\"id\":\"Small-1B\",\"object\":\"model\","},
        {"/v1/models/small-1b?x", 200, "{\"id\":\"Small-1B\",\"object\":\"model\","},
        {"/v1/models/Big%20Model", 200, "{\"id\":\"Big Model\",\"object\":\"model\","},
        {"/v1/models/%53mall%2D1B", 200, "{\"id\":\"Small-1B\",\"object\":\"model\","},
        {"/v1/models/small", 200, "{\"id\":\"Small-1B\",\"object\":\"model\","},
        {"/v1/models/maker%2Fbig:latest", 200, "{\"id\":\"Big Model\",\"object\":\"model\","},
        {"/v1/models/Big%2", 404, "\"code\":\"model_not_found\""},
        {"/v1/models/Big%zz", 404, "\"code\":\"model_not_found\""},
        {"/v1/models/Small-1C", 404, "Did you mean Small-1B? Served are: Small-1B, Big Model."},
        {"/v1/models/%00", 404, "No model of that name is served here. Served are:"},
        {"/v1/models/", 404, "There is nothing at this path."},
        {"/v1/models/Small-1B/x", 404, "\"param\":\"model\",\"code\":\"model_not_found\""},
    };
    parlour_begin(two);
    assert_true(engines_wait(parlour_ready, NULL));
    for (size_t i = 0; i < WEFT_COUNT(rows); i++) {
        int status = parlour_ask("GET", rows[i].target, "");
        if (status != rows[i].status || !strstr(parlour.text, rows[i].says)) {
            fail_msg("%s gives %d: %s", rows[i].target, status, parlour.text);
        }
    }
    char longest[512];
    (void)snprintf(longest, sizeof(longest), "/v1/models/Small-1B%0400d", 0);
    assert_int_equal(parlour_ask("GET", longest, ""), 404);
    parlour_end();
}

static void test_many_names(void **state)
{
    (void)state;
    static const char *const six[] = {"a.gguf", "b.gguf", "c.gguf", "d.gguf", "e.gguf", "f.gguf", NULL};
    parlour_begin(six);
    const struct weft_openai_offers offers = {parlour.front.models, parlour.front.externals, parlour.front.peers};
    struct weft_openai_error error;
    struct weft_openai_model model;
    assert_int_equal(weft_openai_model_find(&offers, WEFT_SLICE("unheard-of"), &model, &error), WEFT_ERR_INVALID);
    assert_int_equal(error.status, 404);
    assert_string_equal(error.message, "No model of that name is served here. Served are: a, b, c, d and 2 more.");
    assert_int_equal(weft_openai_model_find(&offers, WEFT_SLICE(""), &model, &error), WEFT_ERR_INVALID);
    assert_int_equal(error.status, 400);
    assert_string_equal(error.code, "missing_required_parameter");
    assert_string_equal(error.param, "model");
    parlour_end();
}

static void test_a_name_that_several_have(void **state)
{
    (void)state;
    static const char *const alike[] = {"Small-1B.gguf", "Big.gguf", "Small-7B-Q4_1.gguf", "Small-7B-Q8_0.gguf", NULL};
    parlour_begin(alike);
    assert_int_equal(parlour_ask("GET", "/v1/models/small", ""), 404);
    parlour_has("Several models here go by that name: Small-1B, Small-7B-Q4_1 and Small-7B-Q8_0. Say more of the name.",
                true);
    parlour_has("\"param\":\"model\",\"code\":\"model_ambiguous\"", true);
    assert_int_equal(parlour_ask("GET", "/v1/models/small:7b", ""), 404);
    parlour_has("go by that name: Small-7B-Q4_1 and Small-7B-Q8_0.", true);
    assert_int_equal(parlour_ask("GET", "/v1/models/small:q8_0", ""), 200);
    assert_int_equal(parlour_ask("GET", "/v1/models/smal", ""), 404);
    parlour_has("Did you mean Small-1B, Small-7B-Q4_1 or Small-7B-Q8_0? Served are: Small-1B, Big, Small-7B-Q4_1, "
                "Small-7B-Q8_0.",
                true);
    parlour_end();
}

/* -- the mesh -- */

#define CHAT  "/v1/chat/completions"
#define FIRST "aeaqcaibaeaqcaibaeaqcaibaeaqcaibaeaqcaibaeaqcaibaeaq" /* the peer ids of the first two fellows */
#define OTHER "aibaeaqcaibaeaqcaibaeaqcaibaeaqcaibaeaqcaibaeaqcaiba"

static const char *const one[] = {"/m/Small-1B.gguf", NULL};

static void begin(const char *const *paths)
{
    parlour_begin(paths);
    memset(fellows, 0, sizeof(fellows));
    for (size_t i = 0; i < FELLOWS; i++) {
        fellows[i].tokens = 8;
    }
    if (paths) {
        assert_true(engines_wait(parlour_ready, NULL));
        engines_pass(WEFT_SECOND);
    }
}

static void end(void)
{
    parlour_end();
    fellows_end();
}

static int ask(const char *model, bool stream)
{
    char body[512];
    (void)snprintf(body, sizeof(body),
                   "{\"model\":\"%s\",\"stream\":%s,\"messages\":[{\"role\":\"user\",\"content\":\"canary\"}]}", model,
                   stream ? "true" : "false");
    return parlour_ask("POST", CHAT, body);
}

static void head_has(const char *text, bool wanted)
{
    if (!strstr(parlour.head, text) == wanted) {
        fail_msg("\"%s\" %s in \"%s\"", text, wanted ? "is not" : "is", parlour.head);
    }
}

static void two_fellows(void)
{
    fellow_set(parlour.front.peers, 0, "Big-7B", 0x7f, true);
    fellow_set(parlour.front.peers, 1, "Big-7B", 0x7f, true);
    weft_peers_load(parlour.front.peers, &fellows[1].key, 2, 0);
}

static void the_mesh_is_in_the_list(void **state)
{
    (void)state;
    begin(one);
    two_fellows();
    fellow_set(parlour.front.peers, 2, "small-1b", 0x12, false);
    assert_int_equal(parlour_ask("GET", "/v1/models", ""), 200);
    parlour_has("{\"id\":\"Big-7B\",\"object\":\"model\",\"created\":0,\"owned_by\":\"mesh\",\"weft\":{\"state\":"
                "\"ready\",\"peers\":2,\"peers_there\":2,\"context_tokens\":4096,\"slots\":4,\"sha256\":\"7f7f",
                true);
    parlour_has("{\"id\":\"small-1b@12121212\",\"object\":\"model\",\"created\":0,\"owned_by\":\"mesh\",\"weft\":"
                "{\"state\":\"away\",",
                true);
    assert_int_equal(parlour_ask("GET", "/v1/models/big", ""), 200);
    parlour_has("{\"id\":\"Big-7B\"", true);
    assert_int_equal(parlour_ask("GET", "/v1/models/nothing", ""), 404);
    parlour_has("Small-1B, Big-7B, small-1b@12121212", true);
    end();
}

static void an_answer_says_who_gave_it(void **state)
{
    (void)state;
    begin(NULL);
    two_fellows();
    for (int stream = 0; stream <= 1; stream++) {
        assert_int_equal(ask("big", stream), 200);
        head_has("x-weft-served-by: mesh\n", true);
        head_has("x-weft-path: direct\n", true);
        head_has("x-weft-peer: " FIRST "\n", true);
        head_has("x-weft-model: Big-7B\n", true);
        head_has("x-weft-seed: ", true);
        head_has("x-weft-segments", false);
        parlour_has("segments", false);
        parlour_has("\"model\":\"Big-7B\"", true);
        parlour_has(stream ? "data: [DONE]" : "\"content\":\"xxxxxxxx\"", true);
    }
    assert_non_null(strstr(fellows[0].body, "\"messages\":"));
    assert_null(strstr(fellows[0].body, "temperature")); /* the file says it, and it has that */
    assert_null(strstr(fellows[0].body, "top_"));
    assert_null(strstr(weft_world_log(engines.host), "canary"));
    end();
}

static void after_a_failover_all_who_wrote_are_named(void **state)
{
    (void)state;
    for (int stream = 0; stream <= 1; stream++) {
        begin(NULL);
        two_fellows();
        fellows[0].end = FELLOW_CUT;
        fellows[0].writes = 3;
        assert_int_equal(ask("Big-7B", stream), 200);
        const char *segments = "[{\"peer\":\"" FIRST "\",\"path\":\"direct\",\"from\":0,\"to\":3},{\"peer\":\"" OTHER
                               "\",\"path\":\"relayed\",\"from\":3,\"to\":8}]";
        if (stream) {
            head_has("x-weft-peer: " FIRST "\n", true);
            parlour_has(": segments [", true);
            parlour_has(segments, true);
            parlour_has("data: [DONE]", true);
        } else {
            head_has("x-weft-peer: " OTHER "\n", true);
            head_has("x-weft-path: relayed\n", true);
            head_has("x-weft-segments: ", true);
            head_has(segments, true);
            parlour_has("\"content\":\"xxxxxxxx\"", true);
        }
        end();
    }
}

/* A stream's head that went out while nobody was there names nobody. */
static void a_head_says_nothing_that_is_not_known(void **state)
{
    (void)state;
    begin(NULL);
    fellow_set(parlour.front.peers, 0, "Big-7B", 0x7f, false);
    engines_pass(0);
    assert_true(parlour_knock("POST", CHAT));
    parlour_say(WEFT_SLICE("{\"model\":\"big\",\"stream\":true,\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]}"),
                true);
    engines_pass(5 * WEFT_SECOND);
    parlour_has(": waiting", true);
    head_has("x-weft-peer", false);
    head_has("x-weft-path", false);
    head_has("x-weft-served-by: mesh\n", true);
    fellow_set(parlour.front.peers, 0, "Big-7B", 0x7f, true);
    assert_true(engines_wait(parlour_over, NULL));
    parlour_has(": segments [{\"peer\":\"" FIRST "\",\"path\":\"direct\",\"from\":0,\"to\":8}]\n\n", true);
    end();
}

/* It went out when the first one began to read the prompt, and that one wrote nothing. */
static void a_head_that_has_become_wrong_is_set_right(void **state)
{
    (void)state;
    begin(NULL);
    two_fellows();
    fellows[0].end = FELLOW_CUT;
    fellows[0].signs = true;
    assert_int_equal(ask("big", true), 200);
    head_has("x-weft-peer: " FIRST "\n", true);
    parlour_has(": segments [{\"peer\":\"" OTHER "\",\"path\":\"relayed\",\"from\":0,\"to\":8}]\n\n", true);
    assert_int_equal(ask("big", false), 200);
    head_has("x-weft-peer: " OTHER "\n", true);
    head_has("x-weft-segments", false);
    end();
}

/* Of most models of a large mesh a node hears only that there are some who serve them, until somebody asks. */
static void what_the_mesh_is_said_to_serve_can_be_asked_for(void **state)
{
    (void)state;
    begin(NULL);
    struct weft_peer_said said[] = {{.name = WEFT_SLICE("Big-7B"), .peers = 1},
                                    {.name = WEFT_SLICE("Huge-70B"), .peers = 4},
                                    {.name = WEFT_SLICE("Gone-3B"), .peers = 0}};
    memset(said[0].hash, 0x7f, sizeof(said[0].hash));
    memset(said[1].hash, 0x55, sizeof(said[1].hash));
    weft_peers_say(parlour.front.peers, said, WEFT_COUNT(said));
    two_fellows(); /* these hold the first of them */
    assert_int_equal(parlour_ask("GET", "/v1/models", ""), 200);
    parlour_has("{\"id\":\"Big-7B\",\"object\":\"model\",\"created\":0,\"owned_by\":\"mesh\",\"weft\":{\"state\":"
                "\"ready\",\"peers\":2,",
                true);
    parlour_has("{\"id\":\"Huge-70B\",\"object\":\"model\",\"created\":0,\"owned_by\":\"mesh\",\"weft\":{\"state\":"
                "\"ready\",\"peers\":4,",
                true);
    parlour_has("Big-7B@", false);
    parlour_has("Gone-3B", false);
    assert_true(parlour_knock("POST", CHAT));
    parlour_say(WEFT_SLICE("{\"model\":\"huge\",\"stream\":true,\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]}"),
                true);
    engines_pass(2 * WEFT_SECOND);
    assert_false(parlour_over(NULL));
    fellow_set(parlour.front.peers, 2, "Huge-70B", 0x55, true);
    assert_true(engines_wait(parlour_over, NULL));
    assert_int_equal(parlour.status, 200);
    parlour_has("data: [DONE]", true);
    assert_int_equal(fellows[2].asked, 1);
    assert_int_equal(fellows[0].asked, 0);
    weft_peers_say(parlour.front.peers, NULL, 0);
    weft_peers_remove(parlour.front.peers, &fellows[2].key);
    assert_int_equal(ask("huge", true), 404);
    end();
}

static void what_is_held_here_is_served_here(void **state)
{
    (void)state;
    static const char hash[] = "1f2e0589f28b053fb4bbaee817c77c78571f4f571a306d71b5e367ea2ba15400"; /* of its name */
    begin(one);
    struct weft_peer_model model = {.name = WEFT_SLICE("Also-1B"), .slots = 2};
    struct weft_model_info info;
    weft_models_info(parlour.front.models, 0, &info);
    memcpy(model.hash, info.hash, sizeof(model.hash));
    fellow_set(parlour.front.peers, 0, "Small-1B", 0x12, true);
    const struct weft_peer peer = {
        .key = {{9}}, .alive = true, .target = fellow_target, .models = &model, .model_count = 1};
    assert_int_equal(weft_peers_set(parlour.front.peers, &peer), 0);
    static const char *const names[] = {"Small-1B", "small", "also-1b", "Small-1B@1f2e0589"};
    for (size_t i = 0; i < WEFT_COUNT(names); i++) {
        assert_int_equal(ask(names[i], true), 200);
        head_has("x-weft-served-by: local\n", true);
    }
    assert_int_equal(ask("Small-1B@1212", true), 200);
    head_has("x-weft-served-by: mesh\n", true);
    head_has("x-weft-model: Small-1B@12121212\n", true);
    assert_int_equal(fellows[0].asked, 1);
    assert_int_equal(parlour_ask("GET", "/v1/models", ""), 200);
    parlour_has(hash, true);
    parlour_has("Also-1B", false);
    end();
}

/* Who asks by the hash has that file or none; who asks by the name has what is there in his turn. */
static void a_file_that_is_replaced_before_its_turn_is_another_model(void **state)
{
    (void)state;
    static const struct {
        const char *name, *content;
        int status;
    } rows[] = {{"Small-1B@1f2e0589", "another", 421}, {"Small-1B", "one more", 200}};
    begin(one);
    for (size_t i = 0; i < WEFT_COUNT(rows); i++) {
        weft_world_put_file(engines.host, one[0], weft_slice_text(rows[i].content));
        for (size_t k = 0; k < WEFT_CHILDREN_MAX; k++) {
            if (engines.children.at[k].process) {
                weft_child_die(&engines.children.at[k], 9);
            }
        }
        assert_int_equal(ask(rows[i].name, true), rows[i].status);
        parlour_has("\"code\":\"model_not_held\"", rows[i].status == 421);
    }
    end();
}

static void errors_are_typed(void **state)
{
    (void)state;
    begin(NULL);
    two_fellows();
    fellows[0].end = fellows[1].end = FELLOW_REFUSES;
    fellows[0].status = fellows[1].status = 503;
    fellows[0].code = fellows[1].code = "queue_full";
    assert_int_equal(ask("big", true), 503);
    parlour_has("\"code\":\"queue_full\"", true);
    head_has("retry-after: ", true);
    fellows[0].end = fellows[1].end = FELLOW_ERROR;
    fellows[0].status = fellows[1].status = 400;
    fellows[0].code = fellows[1].code = "context_overflow";
    assert_int_equal(ask("big", true), 400);
    parlour_has("\"code\":\"context_length_exceeded\"", true);
    end();
}

int main(void)
{
    weft_json_setup(42);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_list),
        cmocka_unit_test(test_no_models),
        cmocka_unit_test(test_one),
        cmocka_unit_test(test_many_names),
        cmocka_unit_test(test_a_name_that_several_have),
        cmocka_unit_test(the_mesh_is_in_the_list),
        cmocka_unit_test(an_answer_says_who_gave_it),
        cmocka_unit_test(after_a_failover_all_who_wrote_are_named),
        cmocka_unit_test(a_head_says_nothing_that_is_not_known),
        cmocka_unit_test(a_head_that_has_become_wrong_is_set_right),
        cmocka_unit_test(what_the_mesh_is_said_to_serve_can_be_asked_for),
        cmocka_unit_test(what_is_held_here_is_served_here),
        cmocka_unit_test(a_file_that_is_replaced_before_its_turn_is_another_model),
        cmocka_unit_test(errors_are_typed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
