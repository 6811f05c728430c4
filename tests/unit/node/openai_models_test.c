/* tests/unit/node/openai_models_test.c - what clients see of the models, and how they name one. */
#include "node/openai_models.h"

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
    const struct weft_openai_offers offers = {parlour.front.models, parlour.front.externals};
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

int main(void)
{
    weft_json_setup(42);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_list),
        cmocka_unit_test(test_no_models),
        cmocka_unit_test(test_one),
        cmocka_unit_test(test_many_names),
        cmocka_unit_test(test_a_name_that_several_have),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
