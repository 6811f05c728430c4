/* tests/unit/wire/json_test.c - what is written, and what is refused when reading. */
#include "wire/json.h"

#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/error.h"
#include "base/mem.h"

/* The queue as a C string, in a buffer that the next call uses again. */
static const char *drain(struct weft_bytes *bytes)
{
    static char text[8192];
    assert_true(bytes->size < sizeof(text));
    text[weft_bytes_read(bytes, text, sizeof(text) - 1)] = '\0';
    return text;
}

static void write_sample(struct weft_json *json)
{
    weft_json_object(json);
    weft_json_key(json, "a\"b");
    weft_json_array(json);
    weft_json_int(json, INT64_MIN);
    weft_json_int(json, INT64_MAX);
    weft_json_bool(json, true);
    weft_json_bool(json, false);
    weft_json_null(json);
    weft_json_array(json);
    weft_json_array_end(json);
    weft_json_object(json);
    weft_json_object_end(json);
    weft_json_array_end(json);
    weft_json_add_int(json, "i", -7);
    weft_json_add_double(json, "d", 0.5);
    weft_json_add_bool(json, "b", true);
    weft_json_add_string(json, "text", WEFT_SLICE("\0\x01\x1f\"\\/\b\f\n\r\t\x7f\xC3\xA9"));
    weft_json_key(json, "o");
    weft_json_object(json);
    weft_json_add_text(json, "x", "");
    weft_json_object_end(json);
    weft_json_object_end(json);
}

static void test_write(void **state)
{
    (void)state;
    struct weft_bytes out;
    weft_bytes_init(&out);
    struct weft_json json;
    weft_json_start(&json, &out);
    write_sample(&json);
    assert_int_equal(weft_json_finish(&json), 0);
    assert_string_equal(
        drain(&out),
        "{\"a\\\"b\":[-9223372036854775808,9223372036854775807,true,false,null,[],{}],\"i\":-7,\"d\":0.5,\"b\":true,"
        "\"text\":\"\\u0000\\u0001\\u001f\\\"\\\\/\\b\\f\\n\\r\\t\x7f\xC3\xA9\","
        "\"o\":{\"x\":\"\"}}");
    weft_bytes_deinit(&out);
}

static void test_write_scalar_alone(void **state)
{
    (void)state;
    struct weft_bytes out;
    weft_bytes_init(&out);
    struct weft_json json;
    weft_json_start(&json, &out);
    weft_json_text(&json, "alone");
    assert_int_equal(weft_json_finish(&json), 0);
    assert_string_equal(drain(&out), "\"alone\"");
    weft_bytes_deinit(&out);
}

static int write_double(double value, struct weft_bytes *out)
{
    struct weft_json json;
    weft_json_start(&json, out);
    weft_json_double(&json, value);
    return weft_json_finish(&json);
}

static void test_doubles(void **state)
{
    (void)state;
    static const struct {
        double value;
        const char *text;
    } cases[] = {
        {0.0, "0"},
        {-0.0, "-0"},
        {0.1, "0.1"},
        {1.0, "1"},
        {-2.5, "-2.5"},
        {1e300, "1e+300"},
        {1.0 / 3, "0.3333333333333333"},
        {0.1 + 0.2, "0.30000000000000004"},
        {5e-324, "4.94065645841247e-324"},
        {123456789012345.0, "123456789012345"},
    };
    struct weft_bytes out;
    weft_bytes_init(&out);
    for (size_t i = 0; i < WEFT_COUNT(cases); i++) {
        assert_int_equal(write_double(cases[i].value, &out), 0);
        const char *text = drain(&out);
        assert_string_equal(text, cases[i].text);
    }
    uint64_t bits = 1;
    for (int i = 0; i < 20000; i++) { /* any finite double comes back as it went */
        bits = bits * 6364136223846793005u + 1442695040888963407u;
        double value;
        memcpy(&value, &bits, sizeof(value));
        if (!isfinite(value)) {
            continue;
        }
        assert_int_equal(write_double(value, &out), 0);
        double back = strtod(drain(&out), NULL);
        assert_memory_equal(&back, &value, sizeof(value));
    }
    assert_int_equal(write_double((double)NAN, &out), WEFT_ERR_INVALID);
    assert_int_equal(write_double((double)INFINITY, &out), WEFT_ERR_INVALID);
    assert_int_equal(write_double(-(double)INFINITY, &out), WEFT_ERR_INVALID);
    assert_int_equal(out.size, 0);
    weft_bytes_deinit(&out);
}

static void test_first_error_sticks(void **state)
{
    (void)state;
    struct weft_bytes out;
    weft_bytes_init(&out);
    struct weft_json json;
    weft_json_start(&json, &out);
    weft_json_array(&json);
    weft_json_text(&json, "\xFF");
    weft_json_int(&json, 1);
    weft_json_array_end(&json);
    assert_int_equal(weft_json_finish(&json), WEFT_ERR_INVALID);
    assert_string_equal(drain(&out), "[");

    weft_json_start(&json, &out);
    for (int i = 0; i < WEFT_JSON_DEPTH_MAX; i++) {
        weft_json_array(&json);
    }
    assert_int_equal(json.error, 0);
    weft_json_array(&json);
    assert_int_equal(weft_json_finish(&json), WEFT_ERR_TOO_LARGE);
    weft_bytes_deinit(&out);
}

static int parse(const char *text, size_t size, struct weft_json_problem *problem)
{
    json_t *root = NULL;
    int status = weft_json_parse(weft_slice(text, size), &root, problem);
    assert_true((status == 0) == (root != NULL));
    json_decref(root);
    return status;
}

static void test_parse(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int status;
    } cases[] = {
        {"{}", 0},
        {" [1, 2.5, \"x\", null] ", 0},
        {"{\"a\":\"\\u0000\"}", 0},
        {"", WEFT_ERR_INVALID},
        {"1", WEFT_ERR_INVALID},
        {"{\"a\":1,\"a\":2}", WEFT_ERR_INVALID},
        {"{\"x\":{\"a\":1,\"b\":0,\"a\":2}}", WEFT_ERR_INVALID},
        {"{\"a\":1}x", WEFT_ERR_INVALID},
        {"{\"a\":\"\xFF\"}", WEFT_ERR_INVALID},
        {"{\"a\":\"\\ud800\"}", WEFT_ERR_INVALID},
        {"{\"a\":1e999}", WEFT_ERR_INVALID},
        {"{'a':1}", WEFT_ERR_INVALID},
        {"[1,]", WEFT_ERR_INVALID},
        {"[01]", WEFT_ERR_INVALID},
        {"[\"\\", WEFT_ERR_INVALID},
    };
    for (size_t i = 0; i < WEFT_COUNT(cases); i++) {
        assert_int_equal(parse(cases[i].text, strlen(cases[i].text), NULL), cases[i].status);
    }
    /* jansson alone takes these. */
    assert_int_equal(parse("[true\0]", 7, NULL), WEFT_ERR_INVALID);
    assert_int_equal(parse("[1\0]", 4, NULL), WEFT_ERR_INVALID);
}

static void test_parse_says_where_and_never_what(void **state)
{
    (void)state;
    struct weft_json_problem problem;
    static const char text[] = "{\n \"secret\": 1,\n \"secret\": 2}";
    assert_int_equal(parse(text, sizeof(text) - 1, &problem), WEFT_ERR_INVALID);
    assert_int_equal(problem.line, 3);
    assert_string_equal(problem.text, "a key stands twice in one object");
    assert_null(strstr(problem.text, "secret"));
}

static void test_parse_bounds(void **state)
{
    (void)state;
    char text[2 * (WEFT_JSON_DEPTH_MAX + 1)];
    size_t depth = WEFT_JSON_DEPTH_MAX;
    memset(text, '[', depth);
    memset(text + depth, ']', depth);
    assert_int_equal(parse(text, 2 * depth, NULL), 0);
    depth++;
    memset(text, '[', depth);
    memset(text + depth, ']', depth);
    assert_int_equal(parse(text, 2 * depth, NULL), WEFT_ERR_TOO_LARGE);
    /* Brackets in strings nest nothing. */
    char quoted[300];
    memset(quoted, '[', sizeof(quoted));
    quoted[1] = '"';
    memcpy(quoted + sizeof(quoted) - 4, "\\\"\"]", 4);
    assert_int_equal(parse(quoted, sizeof(quoted), NULL), 0);
    /* Too large by its size alone: none of it is read. */
    assert_int_equal(parse("", WEFT_JSON_TEXT_MAX + 1, NULL), WEFT_ERR_TOO_LARGE);
}

static void test_torture(void **state)
{
    (void)state;
    static const char text[] = "{\"a\":[1,2.5,\"x\\n\",{\"b\":null}],\"c\":{\"d\":\"e\"},\"longer than jansson's first "
                               "room for a token\":true}";
    weft_bytes_trim();
    int64_t live = weft_mem_live();
    bool done = false;
    for (uint64_t at = 1; !done; at++) {
        json_t *root;
        weft_mem_fail_at(at);
        int status = weft_json_parse(weft_slice(text, sizeof(text) - 1), &root, NULL);
        done = !weft_mem_failed();
        weft_mem_fail_at(0);
        assert_int_equal(status, done ? 0 : WEFT_ERR_MEMORY);
        json_decref(root);
        assert_int_equal(weft_mem_live(), live);
    }
    done = false;
    for (uint64_t at = 1; !done; at++) {
        struct weft_bytes out;
        struct weft_json json;
        weft_bytes_init(&out);
        weft_mem_fail_at(at);
        weft_json_start(&json, &out);
        weft_json_array(&json);
        for (int i = 0; i < 400; i++) {
            write_sample(&json);
        }
        weft_json_array_end(&json);
        done = !weft_mem_failed();
        weft_mem_fail_at(0);
        assert_int_equal(weft_json_finish(&json), done ? 0 : WEFT_ERR_MEMORY);
        assert_true(!done || at > 3); /* it came to several blocks */
        weft_bytes_deinit(&out);
        weft_bytes_trim();
        assert_int_equal(weft_mem_live(), live);
    }
}

/* Wherever memory runs out within a string, an escape or its end: it is said, and nothing is read past the end. */
static void test_starved_strings(void **state)
{
    (void)state;
    for (size_t length = 0; length < 140; length++) {
        char *text = malloc(length + 8); /* of its exact size: a read past it is seen */
        assert_non_null(text);
        size_t size = (size_t)snprintf(text, length + 8, "[\"%0*d\\n\"]", (int)length, 0);
        char *exact = malloc(size);
        assert_non_null(exact);
        memcpy(exact, text, size);
        bool done = false;
        for (uint64_t at = 1; !done; at++) {
            json_t *root;
            int64_t live = weft_mem_live();
            weft_mem_fail_at(at);
            int status = weft_json_parse(weft_slice(exact, size), &root, NULL);
            done = !weft_mem_failed();
            weft_mem_fail_at(0);
            assert_int_equal(status, done ? 0 : WEFT_ERR_MEMORY);
            if (done) {
                struct weft_slice read = weft_json_slice(json_array_get(root, 0));
                assert_int_equal(read.size, (length == 0 ? 1 : length) + 1);
                json_decref(root);
            }
            assert_int_equal(weft_mem_live(), live);
        }
        free(exact);
        free(text);
    }
}

/* What was read comes out as it was, its members in their order. */
static void test_value(void **state)
{
    (void)state;
    static const char text[] =
        "{\"z\":[1,-2.5,1e300,true,false,null,\"a\\u0000\\n\xC3\xA9\"],\"a\":{\"c\":{},\"b\":[[]]}}";
    json_t *value;
    assert_int_equal(weft_json_parse(weft_slice_text(text), &value, NULL), 0);
    struct weft_bytes out = {0};
    struct weft_json json;
    weft_json_start(&json, &out);
    weft_json_value(&json, value);
    assert_int_equal(weft_json_finish(&json), 0);
    assert_string_equal(drain(&out),
                        "{\"z\":[1,-2.5,1e+300,true,false,null,\"a\\u0000\\n\xC3\xA9\"],\"a\":{\"c\":{},\"b\":[[]]}}");
    /* A tree that no longer fits in at the depth where it is wanted. */
    weft_json_start(&json, &out);
    for (int depth = 0; depth < WEFT_JSON_DEPTH_MAX - 2; depth++) {
        weft_json_array(&json);
    }
    weft_json_value(&json, value);
    assert_int_equal(weft_json_finish(&json), WEFT_ERR_TOO_LARGE);
    weft_bytes_deinit(&out);
    json_decref(value);
}

static void test_texts(void **state)
{
    (void)state;
    json_t *value;
    assert_int_equal(weft_json_parse(WEFT_SLICE("[\"a\\u0000b\",\"\",1]"), &value, NULL), 0);
    struct weft_slice text = weft_json_slice(json_array_get(value, 0));
    assert_int_equal(text.size, 3);
    assert_memory_equal(text.data, "a\0b", 3);
    assert_false(weft_json_is(json_array_get(value, 0), "a"));
    assert_true(weft_json_is(json_array_get(value, 1), ""));
    assert_non_null(weft_json_slice(json_array_get(value, 1)).data);
    assert_null(weft_json_slice(json_array_get(value, 2)).data);
    assert_false(weft_json_is(json_array_get(value, 2), ""));
    assert_false(weft_json_is(NULL, ""));
    json_decref(value);
}

static void test_pieces(void **state)
{
    (void)state;
    struct weft_bytes out = {0}, text = {0}, items = {0}, none = {0};
    assert_int_equal(weft_bytes_append(&text, "\"", 1), 0);
    assert_int_equal(weft_json_escape(&text, WEFT_SLICE("say \"")), 0);
    assert_int_equal(weft_json_escape(&text, WEFT_SLICE("")), 0);
    assert_int_equal(weft_json_escape(&text, WEFT_SLICE("\n\xC3\xA9")), 0);
    assert_int_equal(weft_json_escape(&text, WEFT_SLICE("\xC3")), WEFT_ERR_INVALID);
    assert_int_equal(weft_bytes_append(&text, "\"", 1), 0);
    assert_int_equal(weft_bytes_append(&items, "1,2", 3), 0);
    struct weft_json json;
    weft_json_start(&json, &out);
    weft_json_array(&json);
    weft_json_splice(&json, &none);
    weft_json_splice(&json, &text);
    weft_json_splice(&json, &items);
    weft_json_splice(&json, &none);
    weft_json_array_end(&json);
    assert_int_equal(weft_json_finish(&json), 0);
    assert_int_equal(text.size, 0);
    assert_string_equal(drain(&out), "[\"say \\\"\\n\xC3\xA9\",1,2]");
    weft_bytes_deinit(&out);
}

int main(void)
{
    weft_json_setup(42);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_write),        cmocka_unit_test(test_write_scalar_alone),
        cmocka_unit_test(test_doubles),      cmocka_unit_test(test_first_error_sticks),
        cmocka_unit_test(test_parse),        cmocka_unit_test(test_parse_says_where_and_never_what),
        cmocka_unit_test(test_parse_bounds), cmocka_unit_test(test_torture),
        cmocka_unit_test(test_value),        cmocka_unit_test(test_pieces),
        cmocka_unit_test(test_texts),        cmocka_unit_test(test_starved_strings),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
