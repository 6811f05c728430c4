/* tests/unit/node/openai_error_test.c - an error as OpenAI's clients read it. */
#include "node/openai_error.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/error.h"
#include "base/mem.h"
#include "wire/json.h"

static const char *written(const struct weft_openai_error *error)
{
    static char text[4096];
    struct weft_bytes out = {0};
    assert_int_equal(weft_openai_error_write(error, &out), 0);
    text[weft_bytes_read(&out, text, sizeof(text) - 1)] = '\0';
    return text;
}

static void test_shape(void **state)
{
    (void)state;
    struct weft_openai_error error;
    assert_int_equal(weft_openai_wrong(&error, "messages[2].role", "invalid_value", "%s \"%d\".", "Not", 7),
                     WEFT_ERR_INVALID);
    assert_int_equal(error.status, 400);
    assert_string_equal(written(&error),
                        "{\"error\":{\"message\":\"Not \\\"7\\\".\",\"type\":\"invalid_request_error\","
                        "\"param\":\"messages[2].role\",\"code\":\"invalid_value\"}}");
    weft_openai_error_set(&error, 503, "model_loading", "Wait.");
    assert_string_equal(written(&error), "{\"error\":{\"message\":\"Wait.\",\"type\":\"server_error\",\"param\":null,"
                                         "\"code\":\"model_loading\"}}");
}

/* What is too long loses its end, and no half character is left. */
static void test_cut(void **state)
{
    (void)state;
    char text[2 * WEFT_OPENAI_MESSAGE_MAX + 1];
    for (size_t i = 0; i < sizeof(text) - 1; i += 2) {
        memcpy(text + i, "\xC3\xA9", 2);
    }
    text[sizeof(text) - 1] = '\0';
    struct weft_openai_error error;
    weft_openai_error_set(&error, 400, text, "x%s", text);
    assert_int_equal(strlen(error.message), WEFT_OPENAI_MESSAGE_MAX - 1);
    assert_int_equal(weft_openai_wrong(&error, text, text, "%s", text), WEFT_ERR_INVALID);
    assert_int_equal(strlen(error.message), WEFT_OPENAI_MESSAGE_MAX - 2);
    assert_int_equal(strlen(error.param), WEFT_OPENAI_PARAM_MAX - 2);
    assert_int_equal(strlen(error.code), WEFT_OPENAI_CODE_MAX - 2);
    assert_non_null(strstr(written(&error), "\xC3\xA9\"}}"));
}

static void test_memory(void **state)
{
    (void)state;
    struct weft_openai_error error;
    weft_openai_error_set(&error, 503, "code", "Sentence.");
    weft_bytes_trim();
    int64_t live = weft_mem_live();
    struct weft_bytes out = {0};
    weft_mem_fail_at(1);
    assert_int_equal(weft_openai_error_write(&error, &out), WEFT_ERR_MEMORY);
    weft_mem_fail_at(0);
    weft_bytes_deinit(&out);
    assert_int_equal(weft_mem_live(), live);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_shape),
        cmocka_unit_test(test_cut),
        cmocka_unit_test(test_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
