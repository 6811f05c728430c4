/* tests/unit/node/openai_messages_test.c - conversations and tools: what is refused, and what an engine is told. */
#include "node/openai_messages.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/error.h"
#include "base/mem.h"

static char body[8192], said[8192];

/* A chat of these messages, and what else is said. */
static int read_chat(struct weft_openai_request *request, const char *messages, const char *more,
                     struct weft_openai_error *error)
{
    int size = snprintf(body, sizeof(body), "{\"messages\":%s%s}", messages, more);
    assert_true(size > 0 && (size_t)size < sizeof(body));
    return weft_openai_request_init(request, WEFT_OPENAI_CHAT, weft_slice_text(body), error);
}

static const char *written(const struct weft_openai_request *request,
                           void (*write)(const struct weft_openai_request *request, struct weft_json *json))
{
    struct weft_bytes out = {0};
    struct weft_json json;
    weft_json_start(&json, &out);
    write(request, &json);
    assert_int_equal(weft_json_finish(&json), 0);
    assert_true(out.size < sizeof(said));
    said[weft_bytes_read(&out, said, sizeof(said) - 1)] = '\0';
    return said;
}

/* -- messages -- */

#define U "{\"role\":\"user\",\"content\":\"hi\"}"

static void test_messages_refused(void **state)
{
    (void)state;
    static const struct {
        const char *messages, *param, *code;
    } rows[] = {
        {"7", "messages", "invalid_type"},
        {"{}", "messages", "invalid_type"},
        {"\"hi\"", "messages", "invalid_type"},
        {"[]", "messages", "invalid_value"},
        {"[7]", "messages[0]", "invalid_type"},
        {"[" U ",null]", "messages[1]", "invalid_type"},
        {"[{}]", "messages[0].role", "invalid_value"},
        {"[{\"role\":7}]", "messages[0].role", "invalid_value"},
        {"[{\"role\":\"\",\"content\":\"x\"}]", "messages[0].role", "invalid_value"},
        {"[{\"role\":\"User\",\"content\":\"x\"}]", "messages[0].role", "invalid_value"},
        {"[{\"role\":\"function\",\"name\":\"f\",\"content\":\"x\"}]", "messages[0].role", "invalid_value"},
        {"[{\"role\":\"user\"}]", "messages[0].content", "missing_required_parameter"},
        {"[{\"role\":\"user\",\"content\":null}]", "messages[0].content", "missing_required_parameter"},
        {"[{\"role\":\"user\",\"content\":7}]", "messages[0].content", "invalid_type"},
        {"[{\"role\":\"user\",\"content\":{}}]", "messages[0].content", "invalid_type"},
        {"[{\"role\":\"user\",\"content\":[]}]", "messages[0].content", "invalid_type"},
        {"[{\"role\":\"user\",\"content\":[\"x\"]}]", "messages[0].content[0]", "invalid_type"},
        {"[{\"role\":\"user\",\"content\":[{}]}]", "messages[0].content[0].type", "unsupported_value"},
        {"[{\"role\":\"user\",\"content\":[{\"type\":\"text\"}]}]", "messages[0].content[0].text", "invalid_type"},
        {"[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"x\"},{\"type\":\"image_url\",\"image_url\":{"
         "\"url\":\"data:,\"}}]}]",
         "messages[0].content[1].type", "unsupported_value"},
        {"[{\"role\":\"user\",\"content\":[{\"type\":\"input_audio\"}]}]", "messages[0].content[0].type",
         "unsupported_value"},
        {"[{\"role\":\"user\",\"content\":[{\"type\":\"file\"}]}]", "messages[0].content[0].type", "unsupported_value"},
        {"[{\"role\":\"user\",\"content\":[{\"type\":\"refusal\",\"refusal\":\"x\"}]}]", "messages[0].content[0].type",
         "unsupported_value"},
        {"[{\"role\":\"assistant\",\"content\":[{\"type\":\"refusal\"}]}]", "messages[0].content[0].refusal",
         "invalid_type"},
        {"[{\"role\":\"user\",\"content\":\"x\",\"name\":7}]", "messages[0].name", "invalid_type"},
        {"[{\"role\":\"assistant\"}]", "messages[0].content", "missing_required_parameter"},
        {"[{\"role\":\"assistant\",\"content\":\"x\",\"reasoning_content\":7}]", "messages[0].reasoning_content",
         "invalid_type"},
        {"[{\"role\":\"assistant\",\"audio\":{\"id\":\"x\"}}]", "messages[0].audio", "unsupported_value"},
        {"[{\"role\":\"assistant\",\"content\":\"x\",\"function_call\":{}}]", "messages[0].function_call",
         "unsupported_value"},
        {"[{\"role\":\"assistant\",\"tool_calls\":{}}]", "messages[0].tool_calls", "invalid_type"},
        {"[{\"role\":\"assistant\",\"tool_calls\":[7]}]", "messages[0].tool_calls[0].id", "invalid_type"},
        {"[{\"role\":\"assistant\",\"tool_calls\":[{\"id\":\"a\",\"type\":\"custom\"}]}]",
         "messages[0].tool_calls[0].type", "unsupported_value"},
        {"[{\"role\":\"assistant\",\"tool_calls\":[{\"id\":\"a\",\"function\":{\"arguments\":\"{}\"}}]}]",
         "messages[0].tool_calls[0].function.name", "invalid_type"},
        {"[{\"role\":\"assistant\",\"tool_calls\":[{\"id\":\"a\",\"function\":{\"name\":\"f\",\"arguments\":{}}}]}]",
         "messages[0].tool_calls[0].function.arguments", "invalid_type"},
        {"[{\"role\":\"tool\",\"content\":\"x\"}]", "messages[0].tool_call_id", "missing_required_parameter"},
        {"[{\"role\":\"tool\",\"tool_call_id\":\"a\"}]", "messages[0].content", "missing_required_parameter"},
    };
    for (size_t i = 0; i < WEFT_COUNT(rows); i++) {
        struct weft_openai_request request;
        struct weft_openai_error error = {0};
        int status = read_chat(&request, rows[i].messages, "", &error);
        if (status != WEFT_ERR_INVALID || strcmp(error.param, rows[i].param) || strcmp(error.code, rows[i].code)) {
            fail_msg("%s gives %d, %s, %s", rows[i].messages, status, error.param, error.code);
        }
        assert_true(strncmp(error.message, error.param, strlen(error.param)) == 0); /* it says which */
    }
}

static void test_messages_written(void **state)
{
    (void)state;
    static const struct {
        const char *messages, *told;
    } rows[] = {
        {"[" U "]", "[{\"role\":\"user\",\"content\":\"hi\"}]"},
        {"[{\"content\":\"be\",\"role\":\"developer\",\"extra\":1}," U "]",
         "[{\"role\":\"system\",\"content\":\"be\"},{\"role\":\"user\",\"content\":\"hi\"}]"},
        {"[{\"role\":\"user\",\"name\":\"Ann\",\"content\":[{\"type\":\"text\",\"text\":\"a\",\"x\":1},{\"type\":"
         "\"text\",\"text\":\"b\"}]}]",
         "[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"a\"},{\"type\":\"text\",\"text\":\"b\"}],"
         "\"name\":\"Ann\"}]"},
        /* as OpenAI's libraries give an answer back */
        {"[{\"role\":\"assistant\",\"content\":null,\"refusal\":null,\"annotations\":[],\"audio\":null,"
         "\"function_call\":null,\"tool_calls\":[{\"id\":\"call_1\",\"type\":\"function\",\"function\":{\"name\":"
         "\"f\",\"arguments\":\"{}\"},\"index\":0}]},{\"role\":\"tool\",\"tool_call_id\":\"call_1\",\"content\":"
         "\"7\"}]",
         "[{\"role\":\"assistant\",\"content\":null,\"tool_calls\":[{\"id\":\"call_1\",\"type\":\"function\","
         "\"function\":{\"name\":\"f\",\"arguments\":\"{}\"}}]},{\"role\":\"tool\",\"content\":\"7\","
         "\"tool_call_id\":\"call_1\"}]"},
        {"[{\"role\":\"assistant\",\"content\":[{\"type\":\"refusal\",\"refusal\":\"no\"}],\"tool_calls\":[]}]",
         "[{\"role\":\"assistant\",\"content\":[{\"type\":\"text\",\"text\":\"no\"}]}]"},
        {"[{\"role\":\"assistant\",\"content\":\"x\",\"reasoning_content\":\"why\",\"tool_calls\":null}]",
         "[{\"role\":\"assistant\",\"content\":\"x\",\"reasoning_content\":\"why\"}]"},
        {"[{\"role\":\"user\",\"content\":\"\"}]", "[{\"role\":\"user\",\"content\":\"\"}]"},
    };
    for (size_t i = 0; i < WEFT_COUNT(rows); i++) {
        struct weft_openai_request request;
        struct weft_openai_error error = {0};
        if (read_chat(&request, rows[i].messages, "", &error) != 0) {
            fail_msg("%s: %s", rows[i].messages, error.message);
        }
        assert_string_equal(written(&request, weft_openai_messages_write), rows[i].told);
        weft_openai_request_deinit(&request);
    }
}

static void test_messages_bound(void **state)
{
    (void)state;
    static char text[(WEFT_OPENAI_MESSAGES_MAX + 2) * sizeof(U) + 64];
    for (int extra = 0; extra < 2; extra++) {
        size_t used = (size_t)snprintf(text, sizeof(text), "{\"messages\":[" U);
        for (int i = 1; i < WEFT_OPENAI_MESSAGES_MAX + extra; i++) {
            used += (size_t)snprintf(text + used, sizeof(text) - used, "," U);
        }
        (void)snprintf(text + used, sizeof(text) - used, "]}");
        struct weft_openai_request request;
        struct weft_openai_error error = {0};
        int status = weft_openai_request_init(&request, WEFT_OPENAI_CHAT, weft_slice_text(text), &error);
        assert_int_equal(status, extra ? WEFT_ERR_INVALID : 0);
        if (status == 0) {
            weft_openai_request_deinit(&request);
        }
    }
}

/* -- tools -- */

#define F(name) "{\"type\":\"function\",\"function\":{\"name\":\"" name "\"}}"

static void test_tools_refused(void **state)
{
    (void)state;
    static const struct {
        const char *more, *param, *code;
    } rows[] = {
        {",\"tools\":{}", "tools", "invalid_type"},
        {",\"tools\":[7]", "tools[0]", "invalid_type"},
        {",\"tools\":[" F("f") ",{}]", "tools[1].type", "unsupported_value"},
        {",\"tools\":[{\"type\":\"custom\",\"custom\":{\"name\":\"x\"}}]", "tools[0].type", "unsupported_value"},
        {",\"tools\":[{\"type\":\"function\"}]", "tools[0].function", "invalid_type"},
        {",\"tools\":[{\"type\":\"function\",\"function\":{}}]", "tools[0].function.name", "invalid_value"},
        {",\"tools\":[" F("") "]", "tools[0].function.name", "invalid_value"},
        {",\"tools\":[" F("a b") "]", "tools[0].function.name", "invalid_value"},
        {",\"tools\":[" F("a2345678901234567890123456789012345678901234567890123456789012345") "]",
         "tools[0].function.name", "invalid_value"},
        {",\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\",\"description\":7}}]",
         "tools[0].function.description", "invalid_type"},
        {",\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\",\"parameters\":\"{}\"}}]",
         "tools[0].function.parameters", "invalid_type"},
        {",\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\",\"strict\":1}}]", "tools[0].function.strict",
         "invalid_type"},
        {",\"tool_choice\":\"required\"", "tool_choice", "invalid_value"},
        {",\"tools\":[],\"tool_choice\":\"required\"", "tool_choice", "invalid_value"},
        {",\"tools\":[" F("f") "],\"tool_choice\":\"any\"", "tool_choice", "invalid_value"},
        {",\"tools\":[" F("f") "],\"tool_choice\":7", "tool_choice", "invalid_value"},
        {",\"tools\":[" F("f") "],\"tool_choice\":{}", "tool_choice", "invalid_value"},
        {",\"tools\":[" F("f") "],\"tool_choice\":{\"type\":\"custom\"}", "tool_choice", "invalid_value"},
        {",\"tools\":[" F("f") "],\"tool_choice\":{\"type\":\"function\"}", "tool_choice.function.name",
         "invalid_value"},
        {",\"tools\":[" F("f") "],\"tool_choice\":" F("g"), "tool_choice.function.name", "invalid_value"},
        {",\"tools\":[" F("f") "],\"tool_choice\":{\"type\":\"allowed_tools\"}", "tool_choice.allowed_tools.mode",
         "invalid_value"},
        {",\"tools\":[" F("f") "],\"tool_choice\":{\"type\":\"allowed_tools\",\"allowed_tools\":{\"mode\":\"auto\","
                               "\"tools\":[]}}",
         "tool_choice.allowed_tools.tools", "invalid_value"},
        {",\"tools\":[" F("f") "],\"tool_choice\":{\"type\":\"allowed_tools\",\"allowed_tools\":{\"mode\":\"auto\","
                               "\"tools\":[" F("f") "," F("g") "]}}",
         "tool_choice.allowed_tools.tools", "invalid_value"},
    };
    for (size_t i = 0; i < WEFT_COUNT(rows); i++) {
        struct weft_openai_request request;
        struct weft_openai_error error = {0};
        int status = read_chat(&request, "[" U "]", rows[i].more, &error);
        if (status != WEFT_ERR_INVALID || strcmp(error.param, rows[i].param) || strcmp(error.code, rows[i].code)) {
            fail_msg("%s gives %d, %s, %s", rows[i].more, status, error.param, error.code);
        }
    }
}

#define NO_PARAMETERS ",\"parameters\":{\"type\":\"object\",\"properties\":{}}"
#define TOLD(name)    "{\"type\":\"function\",\"function\":{\"name\":\"" name "\"" NO_PARAMETERS "}}"

static void test_tools_written(void **state)
{
    (void)state;
    static const struct {
        const char *more, *told;
        enum weft_openai_tools choice;
        bool parallel;
    } rows[] = {
        {",\"tools\":[" F("f") "]", "[" TOLD("f") "]", WEFT_OPENAI_TOOLS_AUTO, true},
        {",\"tools\":[" F("f") "],\"tool_choice\":null,\"parallel_tool_calls\":false", "[" TOLD("f") "]",
         WEFT_OPENAI_TOOLS_AUTO, false},
        {",\"tools\":[" F("f") "],\"tool_choice\":\"none\"", "[" TOLD("f") "]", WEFT_OPENAI_TOOLS_NONE, true},
        {",\"tools\":[" F("f") "," F("g") "],\"tool_choice\":\"required\"", "[" TOLD("f") "," TOLD("g") "]",
         WEFT_OPENAI_TOOLS_REQUIRED, true},
        {",\"tools\":[" F("f") "," F("g") "],\"tool_choice\":" F("g"), "[" TOLD("g") "]", WEFT_OPENAI_TOOLS_REQUIRED,
         false},
        {",\"tools\":[" F("f") "," F("g") "," F("h") "],\"tool_choice\":{\"type\":\"allowed_tools\",\"allowed_tools\":{"
                                                     "\"mode\":\"required\",\"tools\":[" F("h") "," F("f") "]}}",
         "[" TOLD("f") "," TOLD("h") "]", WEFT_OPENAI_TOOLS_REQUIRED, true},
        {",\"tools\":[{\"type\":\"function\",\"function\":{\"parameters\":{\"z\":1,\"a\":[1.5]},\"strict\":true,"
         "\"description\":\"d\",\"name\":\"f_-9\",\"x\":1}}]",
         "[{\"type\":\"function\",\"function\":{\"name\":\"f_-9\",\"description\":\"d\",\"strict\":true,"
         "\"parameters\":{\"z\":1,\"a\":[1.5]}}}]",
         WEFT_OPENAI_TOOLS_AUTO, true},
        {",\"tools\":[],\"tool_choice\":\"auto\"", NULL, WEFT_OPENAI_TOOLS_AUTO, true},
        {",\"tool_choice\":\"none\"", NULL, WEFT_OPENAI_TOOLS_NONE, true},
    };
    for (size_t i = 0; i < WEFT_COUNT(rows); i++) {
        struct weft_openai_request request;
        struct weft_openai_error error = {0};
        if (read_chat(&request, "[" U "]", rows[i].more, &error) != 0) {
            fail_msg("%s: %s", rows[i].more, error.message);
        }
        assert_int_equal(request.tool_choice, rows[i].choice);
        assert_int_equal(request.parallel_tool_calls, rows[i].parallel);
        if (rows[i].told) {
            assert_string_equal(written(&request, weft_openai_tools_write), rows[i].told);
        } else {
            assert_null(request.tools);
        }
        weft_openai_request_deinit(&request);
    }
}

static void test_tools_bound(void **state)
{
    (void)state;
    for (int extra = 0; extra < 2; extra++) {
        static char more[(WEFT_OPENAI_TOOLS_MAX + 2) * sizeof(F("f")) + 64];
        size_t used = (size_t)snprintf(more, sizeof(more), ",\"tools\":[" F("f"));
        for (int i = 1; i < WEFT_OPENAI_TOOLS_MAX + extra; i++) {
            used += (size_t)snprintf(more + used, sizeof(more) - used, "," F("f"));
        }
        (void)snprintf(more + used, sizeof(more) - used, "]");
        struct weft_openai_request request;
        struct weft_openai_error error = {0};
        int status = read_chat(&request, "[" U "]", more, &error);
        assert_int_equal(status, extra ? WEFT_ERR_INVALID : 0);
        if (status == 0) {
            weft_openai_request_deinit(&request);
        }
    }
}

int main(void)
{
    weft_json_setup(42);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_messages_refused), cmocka_unit_test(test_messages_written),
        cmocka_unit_test(test_messages_bound),   cmocka_unit_test(test_tools_refused),
        cmocka_unit_test(test_tools_written),    cmocka_unit_test(test_tools_bound),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
