/* tests/unit/http/refusal_test.c - the phrases and the body of an error answer. */
#include "base/error.h"
#include "http/refusal.h"

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static const struct weft_refusal sample = {
    .status = 413, .code = "body_too_large", .why = "The request's body is larger than this server takes."};

static void test_phrases(void **state)
{
    (void)state;
    assert_string_equal(weft_status_phrase(200), "OK");
    assert_string_equal(weft_status_phrase(431), "Request Header Fields Too Large");
    assert_string_equal(weft_status_phrase(511), "Network Authentication Required");
    assert_string_equal(weft_status_phrase(299), "");
    assert_string_equal(weft_status_phrase(0), "");
    assert_string_equal(weft_status_phrase(-1), "");
    assert_string_equal(weft_status_phrase(512), "");
}

static void expect_type(int status, const char *type)
{
    struct weft_refusal refusal = sample;
    refusal.status = status;
    char body[512];
    int length = weft_refusal_body(body, sizeof(body), &refusal);
    assert_true(length > 0);
    json_t *root = json_loadb(body, (size_t)length, 0, NULL);
    assert_non_null(root);
    json_t *error = json_object_get(root, "error");
    assert_string_equal(json_string_value(json_object_get(error, "message")), sample.why);
    assert_string_equal(json_string_value(json_object_get(error, "code")), sample.code);
    assert_string_equal(json_string_value(json_object_get(error, "type")), type);
    assert_true(json_is_null(json_object_get(error, "param")));
    json_decref(root);
}

static void test_body_is_json(void **state)
{
    (void)state;
    expect_type(413, "invalid_request_error");
    expect_type(502, "server_error");
}

static void test_body_needs_room(void **state)
{
    (void)state;
    char body[512];
    int length = weft_refusal_body(body, sizeof(body), &sample);
    assert_true(length > 0);
    assert_int_equal(weft_refusal_body(body, (size_t)length, &sample), WEFT_ERR_TOO_LARGE);
    assert_int_equal(weft_refusal_body(body, (size_t)length + 1, &sample), length);
    assert_int_equal(weft_refusal_body(body, 0, &sample), WEFT_ERR_TOO_LARGE);
}

static void test_errors_have_answers(void **state)
{
    (void)state;
    static const struct {
        int error, status;
    } rows[] = {{WEFT_ERR_TIMEOUT, 504},
                {WEFT_ERR_TOO_LARGE, 413},
                {WEFT_ERR_MEMORY, 503},
                {WEFT_ERR_REFUSED, 502},
                {WEFT_ERR_CLOSED, 502},
                {WEFT_ERR_INVALID, 500},
                {0, 500},
                {-12345, 500}};
    for (size_t i = 0; i < WEFT_COUNT(rows); i++) {
        assert_int_equal(weft_refusal_for_error(rows[i].error)->status, rows[i].status);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_phrases),
        cmocka_unit_test(test_body_is_json),
        cmocka_unit_test(test_body_needs_room),
        cmocka_unit_test(test_errors_have_answers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
