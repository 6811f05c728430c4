/* tests/unit/engine/schema_test.c - what a schema becomes, what is refused by which name, and what hostile ones cost.
 */
#include "engine/schema.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/error.h"
#include "base/mem.h"
#include "wire/json.h"

static char problem[WEFT_SCHEMA_PROBLEM_MAX];

static int prepare(const char *schema, char **out)
{
    return weft_schema_prepare(weft_slice_text(schema), out, problem);
}

static void assert_prepared(const char *schema, const char *result)
{
    char *out;
    if (prepare(schema, &out) != 0) {
        fail_msg("%s: %s", schema, problem);
    }
    assert_string_equal(out, result);
    weft_free(out);
}

static void test_said_otherwise(void **state)
{
    (void)state;
    static const struct {
        const char *schema, *result;
    } cases[] = {
        {"{}", "{\"type\":\"object\"}"},
        {"{\"type\":\"array\",\"items\":true}", "{\"type\":\"array\",\"items\":{}}"},
        {"{\"type\":\"array\",\"maxItems\":1000000000}", "{\"type\":\"array\",\"maxItems\":500}"},
        {"{\"type\":\"string\",\"maxLength\":99999999999}", "{\"type\":\"string\",\"maxLength\":500}"},
        {"{\"type\":\"string\",\"pattern\":\"^a$\"}", "{\"type\":\"string\",\"pattern\":\"^([a])$\"}"},
        {"{\"properties\":{\"a\":{}},\"additionalProperties\":true}", "{\"properties\":{\"a\":{}}}"},
        {"{\"allOf\":[{\"type\":\"null\"}],\"title\":\"t\"}", "{\"title\":\"t\",\"type\":\"null\"}"},
        {"{\"type\":\"array\",\"prefixItems\":[{}],\"items\":false}", "{\"type\":\"array\",\"prefixItems\":[{}]}"},
    };
    for (size_t i = 0; i < WEFT_COUNT(cases); i++) {
        assert_prepared(cases[i].schema, cases[i].result);
    }
}

static void test_taken(void **state)
{
    (void)state;
    static const char *const taken[] = {
        "{\"type\":\"string\",\"minLength\":0,\"minimum\":3,\"$comment\":\"c\",\"x-y\":1}",
        "{\"type\":[\"string\",\"null\"],\"default\":null,\"format\":\"date\"}",
        "{\"enum\":[\"a\",1,null],\"type\":[\"string\",\"integer\",\"null\"]}",
        "{\"type\":\"integer\",\"minimum\":-3,\"maximum\":4.5}",
        "{\"type\":\"array\",\"items\":[{\"type\":\"null\"}],\"minItems\":1,\"maxItems\":1,\"uniqueItems\":false}",
        "{\"$defs\":{\"n\":{\"type\":\"object\",\"properties\":{\"next\":{\"$ref\":\"#/$defs/n\"}}}},"
        "\"$ref\":\"#/$defs/n\"}",
        "{\"oneOf\":[{\"type\":\"integer\"},{\"type\":\"string\"},{\"const\":false}]}",
        "{\"oneOf\":[{\"type\":\"object\",\"properties\":{\"k\":{\"const\":\"a\"}},\"required\":[\"k\"]},"
        "{\"type\":\"object\",\"properties\":{\"k\":{\"enum\":[\"b\",\"c\"]}},\"required\":[\"k\"]}]}",
        "{\"allOf\":[{\"properties\":{\"a\":{}},\"required\":[\"a\"]},{\"properties\":{\"b\":{}}}]}",
        "{\"type\":\"object\",\"additionalProperties\":{\"type\":\"integer\"}}",
    };
    for (size_t i = 0; i < WEFT_COUNT(taken); i++) {
        char *out;
        if (prepare(taken[i], &out) != 0) {
            fail_msg("%s: %s", taken[i], problem);
        }
        weft_free(out);
    }
}

static void test_refused(void **state)
{
    (void)state;
    static const struct {
        const char *schema, *names;
        int error;
    } cases[] = {
        {"[]", "no object", WEFT_ERR_INVALID},
        {"{", "not understood", WEFT_ERR_INVALID},
        {"{\"type\":\"canary\"}", "'type'", WEFT_ERR_INVALID},
        {"{\"type\":[]}", "'type'", WEFT_ERR_INVALID},
        {"{\"type\":3}", "'type'", WEFT_ERR_INVALID},
        {"{\"enum\":[]}", "'enum'", WEFT_ERR_INVALID},
        {"{\"anyOf\":[]}", "'anyOf'", WEFT_ERR_INVALID},
        {"{\"anyOf\":{}}", "'anyOf'", WEFT_ERR_INVALID},
        {"{\"properties\":[]}", "'properties'", WEFT_ERR_INVALID},
        {"{\"type\":\"array\",\"items\":false}", "no object", WEFT_ERR_INVALID},
        {"{\"type\":\"array\",\"minItems\":-1}", "'minItems'", WEFT_ERR_INVALID},
        {"{\"type\":\"array\",\"minItems\":1,\"maxItems\":-1}", "'maxItems'", WEFT_ERR_INVALID},
        {"{\"type\":\"string\",\"pattern\":\"(\"}", "'pattern'", WEFT_ERR_INVALID},
        {"{\"type\":\"string\",\"pattern\":\"(?=canary)\"}", "'pattern'", WEFT_ERR_UNSUPPORTED},
        {"{\"type\":\"string\",\"pattern\":\"a\",\"minLength\":3}", "'minLength'", WEFT_ERR_UNSUPPORTED},
        {"{\"type\":\"string\",\"format\":\"canary\"}", "'format'", WEFT_ERR_UNSUPPORTED},
        {"{\"type\":\"number\",\"minimum\":1}", "'minimum'", WEFT_ERR_UNSUPPORTED},
        {"{\"type\":\"integer\",\"multipleOf\":2}", "'multipleOf'", WEFT_ERR_UNSUPPORTED},
        {"{\"type\":\"integer\",\"minimum\":1e300}", "'minimum'", WEFT_ERR_UNSUPPORTED},
        {"{\"type\":\"integer\",\"minimum\":-9223372036854775808}", "'minimum'", WEFT_ERR_UNSUPPORTED},
        {"{\"type\":\"integer\",\"minimum\":3,\"maximum\":2}", "'minimum'", WEFT_ERR_UNSUPPORTED},
        {"{\"type\":\"integer\",\"minimum\":3,\"exclusiveMinimum\":2}", "'exclusiveMinimum'", WEFT_ERR_UNSUPPORTED},
        {"{\"type\":\"array\",\"uniqueItems\":true}", "'uniqueItems'", WEFT_ERR_UNSUPPORTED},
        {"{\"type\":\"array\",\"contains\":{}}", "'contains'", WEFT_ERR_UNSUPPORTED},
        {"{\"type\":\"array\",\"minItems\":501}", "'minItems'", WEFT_ERR_UNSUPPORTED},
        {"{\"type\":\"array\",\"minItems\":3,\"maxItems\":2}", "'minItems'", WEFT_ERR_UNSUPPORTED},
        {"{\"type\":\"array\",\"items\":[{}],\"minItems\":2}", "'items'", WEFT_ERR_UNSUPPORTED},
        {"{\"not\":{}}", "'not'", WEFT_ERR_UNSUPPORTED},
        {"{\"if\":{},\"type\":\"null\"}", "'if'", WEFT_ERR_UNSUPPORTED},
        {"{\"minimum\":1}", "'minimum'", WEFT_ERR_UNSUPPORTED},
        {"{\"required\":[\"canary\"]}", "'required'", WEFT_ERR_UNSUPPORTED},
        {"{\"type\":\"object\",\"required\":[\"canary\"]}", "'required'", WEFT_ERR_UNSUPPORTED},
        {"{\"properties\":{\"a\":{}},\"required\":[\"a\",\"a\"]}", "'required'", WEFT_ERR_UNSUPPORTED},
        {"{\"type\":\"object\",\"patternProperties\":{}}", "'patternProperties'", WEFT_ERR_UNSUPPORTED},
        {"{\"type\":\"object\",\"maxProperties\":3}", "'maxProperties'", WEFT_ERR_UNSUPPORTED},
        {"{\"type\":\"string\",\"const\":1}", "'enum'", WEFT_ERR_UNSUPPORTED},
        {"{\"anyOf\":[{}],\"type\":\"null\"}", "'type'", WEFT_ERR_UNSUPPORTED},
        {"{\"oneOf\":[{\"type\":\"integer\"},{\"type\":\"number\"}]}", "'oneOf'", WEFT_ERR_UNSUPPORTED},
        {"{\"oneOf\":[{\"type\":\"object\"},{\"type\":\"object\"}]}", "'oneOf'", WEFT_ERR_UNSUPPORTED},
        {"{\"allOf\":[{\"type\":\"string\"},{\"minLength\":2}]}", "'allOf'", WEFT_ERR_UNSUPPORTED},
        {"{\"allOf\":[{\"properties\":{\"a\":{}}},{\"properties\":{\"a\":{}}}]}", "'allOf'", WEFT_ERR_UNSUPPORTED},
        {"{\"allOf\":[{\"properties\":{\"a\":{}}},{\"properties\":{\"b\":{}},\"required\":[\"a\"]}]}", "'required'",
         WEFT_ERR_UNSUPPORTED},
        {"{\"$ref\":\"#\"}", "'$ref'", WEFT_ERR_UNSUPPORTED},
        {"{\"$ref\":\"#/canary\"}", "'$ref'", WEFT_ERR_UNSUPPORTED},
        {"{\"$ref\":\"file:///canary\"}", "'$ref'", WEFT_ERR_UNSUPPORTED},
        {"{\"$ref\":\"http://example.test/canary\"}", "'$ref'", WEFT_ERR_UNSUPPORTED},
        {"{\"$ref\":7}", "'$ref'", WEFT_ERR_UNSUPPORTED},
        {"{\"$defs\":{\"a\":{\"$ref\":\"#/$defs/b\"},\"b\":{\"$ref\":\"#/$defs/a\"}},\"$ref\":\"#/$defs/a\"}", "'$ref'",
         WEFT_ERR_INVALID},
        {"{\"$defs\":{\"a\":{\"anyOf\":[{\"$ref\":\"#/$defs/a\"},{\"type\":\"null\"}]}},\"$ref\":\"#/$defs/a\"}",
         "'$ref'", WEFT_ERR_INVALID},
    };
    for (size_t i = 0; i < WEFT_COUNT(cases); i++) {
        char *out;
        int error = prepare(cases[i].schema, &out);
        if (error != cases[i].error || !strstr(problem, cases[i].names) || strstr(problem, "canary")) {
            fail_msg("%s gave %d: %s", cases[i].schema, error, error == 0 ? out : problem);
        }
        assert_null(out);
    }
}

/* -- hostile schemas: each is refused, or stays small -- */

static char big[400000];
static size_t big_size;

static void add(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int size = vsnprintf(big + big_size, sizeof(big) - big_size, format, args);
    va_end(args);
    big_size += (size_t)size;
    assert_true(big_size < sizeof(big));
}

static int prepare_big(void)
{
    char *out;
    int error = prepare(big, &out);
    weft_free(out);
    big_size = 0;
    return error;
}

/* Properties of one object: optional ones cost their square. */
static int prepare_properties(int count, int name_size)
{
    add("{\"type\":\"object\",\"properties\":{");
    for (int i = 0; i < count; i++) {
        add("%s\"%0*d\":{}", i ? "," : "", name_size, i);
    }
    add("}}");
    return prepare_big();
}

static void test_bounds(void **state)
{
    (void)state;
    assert_int_equal(prepare_properties(WEFT_SCHEMA_PROPERTIES_MAX, 8), 0);
    assert_int_equal(prepare_properties(WEFT_SCHEMA_PROPERTIES_MAX + 1, 8), WEFT_ERR_TOO_LARGE);
    assert_int_equal(prepare_properties(2, WEFT_SCHEMA_NAME_MAX), 0);
    assert_int_equal(prepare_properties(2, WEFT_SCHEMA_NAME_MAX + 1), WEFT_ERR_TOO_LARGE);

    for (int extra = 0; extra < 2; extra++) {
        add("{\"enum\":[0");
        for (int i = 1; i < WEFT_SCHEMA_VALUES_MAX + extra; i++) {
            add(",%d", i);
        }
        add("]}");
        assert_int_equal(prepare_big(), extra == 0 ? 0 : WEFT_ERR_TOO_LARGE);
        add("{\"anyOf\":[{}"); /* and the one around them */
        for (int i = 2; i < WEFT_SCHEMA_NODES_MAX + extra; i++) {
            add(",{}");
        }
        add("]}");
        assert_int_equal(prepare_big(), extra == 0 ? 0 : WEFT_ERR_TOO_LARGE);
    }
    add("{\"description\":\"%0*d\"}", (int)WEFT_SCHEMA_TEXT_MAX, 1);
    assert_int_equal(prepare_big(), WEFT_ERR_TOO_LARGE);
}

static void test_explosions(void **state)
{
    (void)state;
    /* a type array is a copy of the schema per type: here 7 to the 20th */
    for (int i = 0; i < 20; i++) {
        add("{\"type\":[\"array\",\"array\",\"array\",\"array\",\"array\",\"array\",\"array\"],\"items\":");
    }
    add("{}");
    for (int i = 0; i < 20; i++) {
        add("}");
    }
    assert_int_equal(prepare_big(), WEFT_ERR_TOO_LARGE);

    /* one target by many spellings is built once for each */
    add("{\"$defs\":{\"a\":{\"anyOf\":[{}");
    for (int i = 0; i < 200; i++) {
        add(",{}");
    }
    add("]},\"l\":[");
    for (int i = 0; i < 200; i++) {
        add("%s{\"$ref\":\"#/$defs/%s\"}", i ? "," : "", i % 2 ? "a" : "l/0");
    }
    add("]},\"anyOf\":[");
    for (int i = 0; i < 200; i++) {
        add("%s{\"$ref\":\"#/$defs/l/%d\"}", i ? "," : "", i);
    }
    add("]}");
    assert_true(prepare_big() < 0);

    /* values are counted before they are compared, each with each: that two are equal is not found out */
    add("{\"oneOf\":[{\"enum\":[0");
    for (int i = 1; i < WEFT_SCHEMA_VALUES_MAX; i++) {
        add(",%d", i);
    }
    add("]},{\"enum\":[0]}]}");
    assert_int_equal(prepare_big(), WEFT_ERR_TOO_LARGE);

    /* too deep for any parser here */
    for (int i = 0; i < 70; i++) {
        add("{\"items\":");
    }
    add("{}");
    for (int i = 0; i < 70; i++) {
        add("}");
    }
    assert_int_equal(prepare_big(), WEFT_ERR_TOO_LARGE);
}

/* References into what the walk takes out or rewrites while it stands there. */
static void test_crooked_references(void **state)
{
    (void)state;
    static const char *const crooked[] = {
        "{\"type\":\"array\",\"prefixItems\":[{\"$ref\":\"#/items\"}],\"items\":{\"type\":\"array\",\"items\":"
        "{\"$ref\":\"#/prefixItems/0\"}}}",
        "{\"properties\":{\"a\":{\"$ref\":\"#/additionalProperties\"}},\"additionalProperties\":{\"type\":\"object\","
        "\"properties\":{\"b\":{\"$ref\":\"#/properties/a\"}}}}",
        "{\"properties\":{\"properties\":{\"$ref\":\"#/properties\"},\"items\":{},\"prefixItems\":{}}}",
        "{\"properties\":{\"allOf\":[{\"$ref\":\"#/properties\"}],\"x\":{\"$ref\":\"#/properties\"}}}",
        "{\"allOf\":[{\"allOf\":[{\"$ref\":\"#/allOf/0\"}]}]}",
        "{\"allOf\":[{\"type\":\"array\",\"items\":{\"$ref\":\"#/allOf/0\"}}]}",
        "{\"type\":\"array\",\"items\":[{\"$ref\":\"#/items\"}]}",
        "{\"$ref\":\"#/$ref\"}",
        "{\"anyOf\":[{\"$ref\":\"#/anyOf/00000\"},{\"$ref\":\"#/anyOf/99999\"}]}",
    };
    for (size_t i = 0; i < WEFT_COUNT(crooked); i++) {
        char *out;
        int error = prepare(crooked[i], &out);
        assert_true(error == 0 ? out && weft_schema_prepare(weft_slice_text(out), &out, problem) != 1 : !out);
        weft_free(out);
    }
}

static void test_tools(void **state)
{
    (void)state;
    char *out;
    const char *given =
        "[{\"type\":\"function\",\"function\":{\"name\":\"f\",\"description\":null,\"parameters\":"
        "{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"string\",\"format\":\"email\",\"pattern\":"
        "\"(?=x)\"},\"n\":{\"type\":\"number\",\"minimum\":1},\"i\":{\"type\":\"integer\",\"maximum\":1e300},"
        "\"l\":{\"type\":\"array\",\"minItems\":100000,\"items\":true}},\"required\":[\"z\"]}}}]";
    assert_int_equal(weft_schema_prepare_tools(weft_slice_text(given), &out, problem), 0);
    assert_string_equal(out,
                        "[{\"type\":\"function\",\"function\":{\"name\":\"f\",\"parameters\":{\"type\":\"object\","
                        "\"properties\":{\"a\":{\"type\":\"string\",\"format\":\"email\"},\"n\":{\"type\":\"number\","
                        "\"minimum\":1},\"i\":{\"type\":\"integer\"},\"l\":{\"type\":\"array\",\"items\":{}}},"
                        "\"required\":[\"z\"]}}}]");
    weft_free(out);
    static const char *const refused[] = {
        "[]",
        "{}",
        "[1]",
        "[{\"type\":\"canary\",\"function\":{\"name\":\"f\"}}]",
        "[{\"type\":\"function\",\"function\":{}}]",
        "[{\"type\":\"function\",\"function\":{\"name\":\"a canary\"}}]",
        "[{\"type\":\"function\",\"function\":{\"name\":\"f\"}},{\"type\":\"function\",\"function\":{\"name\":\"f\"}}]",
        "[{\"type\":\"function\",\"function\":{\"name\":\"f\",\"parameters\":{\"type\":\"canary\"}}}]",
        "[{\"type\":\"function\",\"function\":{\"name\":\"f\",\"parameters\":{\"$ref\":\"#/canary\"}}}]",
    };
    for (size_t i = 0; i < WEFT_COUNT(refused); i++) {
        assert_true(weft_schema_prepare_tools(weft_slice_text(refused[i]), &out, problem) < 0);
        assert_null(out);
        assert_null(strstr(problem, "canary"));
    }
}

static void test_memory(void **state)
{
    (void)state;
    const char *schema =
        "{\"type\":\"object\",\"properties\":{\"a\":{\"allOf\":[{\"type\":\"string\",\"pattern\":\"a\"}]},"
        "\"b\":{\"type\":\"array\",\"items\":true,\"maxItems\":9999}},\"additionalProperties\":true}";
    int64_t before = weft_mem_live();
    for (uint64_t at = 1;; at++) {
        char *out;
        weft_mem_fail_at(at);
        int error = prepare(schema, &out);
        bool failed = weft_mem_failed();
        weft_mem_fail_at(0);
        weft_free(out);
        assert_int_equal(weft_mem_live(), before);
        assert_int_equal(error, failed ? WEFT_ERR_MEMORY : 0);
        if (!failed) {
            assert_true(at > 20);
            return;
        }
    }
}

int main(void)
{
    weft_json_setup(1);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_said_otherwise), cmocka_unit_test(test_taken),
        cmocka_unit_test(test_refused),        cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_explosions),     cmocka_unit_test(test_crooked_references),
        cmocka_unit_test(test_tools),          cmocka_unit_test(test_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
