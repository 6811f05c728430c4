/* node/openai_error.c - what is wrong with a request, as OpenAI's clients expect to be told. */
#include "node/openai_error.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/error.h"
#include "wire/json.h"
#include "wire/utf8.h"

/* Cuts off what snprintf left of a character when there was no more room. */
static void end_whole(char *text)
{
    struct weft_slice all = weft_slice_text(text);
    while (all.size > 0 && !weft_utf8_valid(all)) {
        text[--all.size] = '\0';
    }
}

static void set(struct weft_openai_error *error, int status, const char *code, const char *format, va_list arguments)
{
    *error = (struct weft_openai_error){.status = status};
    (void)snprintf(error->code, sizeof(error->code), "%s", code);
    (void)vsnprintf(error->message, sizeof(error->message), format, arguments);
    end_whole(error->code);
    end_whole(error->message);
}

void weft_openai_error_set(struct weft_openai_error *error, int status, const char *code, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    set(error, status, code, format, arguments);
    va_end(arguments);
}

int weft_openai_wrong(struct weft_openai_error *error, const char *param, const char *code, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    set(error, 400, code, format, arguments);
    va_end(arguments);
    (void)snprintf(error->param, sizeof(error->param), "%s", param);
    end_whole(error->param);
    return WEFT_ERR_INVALID;
}

int weft_openai_error_write(const struct weft_openai_error *error, struct weft_bytes *out)
{
    struct weft_json json;
    weft_json_start(&json, out);
    weft_json_object(&json);
    weft_json_key(&json, "error");
    weft_json_object(&json);
    weft_json_add_text(&json, "message", error->message);
    weft_json_add_text(&json, "type", error->status < 500 ? "invalid_request_error" : "server_error");
    weft_json_key(&json, "param");
    if (error->param[0]) {
        weft_json_text(&json, error->param);
    } else {
        weft_json_null(&json);
    }
    weft_json_add_text(&json, "code", error->code);
    weft_json_object_end(&json);
    weft_json_object_end(&json);
    return weft_json_finish(&json);
}
