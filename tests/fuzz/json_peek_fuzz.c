/* fuzz/json_peek_fuzz.c - the peek finds what jansson finds, and accepts nothing that jansson does not.
 *
 * Explained differences, where jansson stops before the end of the text: a number that no double holds, a NUL
 * in a key. */
#include <stdlib.h>

#include "base/assert.h"
#include "base/error.h"
#include "wire/json.h"
#include "wire/peek.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static enum weft_peek_kind kind_of(const json_t *value)
{
    if (!value) {
        return WEFT_PEEK_ABSENT;
    }
    switch (json_typeof(value)) {
    case JSON_OBJECT:
        return WEFT_PEEK_OBJECT;
    case JSON_ARRAY:
        return WEFT_PEEK_ARRAY;
    case JSON_STRING:
        return WEFT_PEEK_STRING;
    case JSON_INTEGER:
    case JSON_REAL:
        return WEFT_PEEK_NUMBER;
    case JSON_TRUE:
        return WEFT_PEEK_TRUE;
    case JSON_FALSE:
        return WEFT_PEEK_FALSE;
    case JSON_NULL:
        return WEFT_PEEK_NULL;
    }
    return WEFT_PEEK_ABSENT;
}

static void compare(const json_t *root, const struct weft_peek *found)
{
    const json_t *value = json_object_get(root, found->key);
    WEFT_ASSERT(kind_of(value) == found->kind);
    if (found->kind == WEFT_PEEK_STRING) {
        char text[256];
        int64_t length = weft_peek_string(found, text, sizeof(text));
        if (json_string_length(value) > sizeof(text)) {
            WEFT_ASSERT(length == WEFT_ERR_TOO_LARGE);
        } else {
            WEFT_ASSERT(length == (int64_t)json_string_length(value));
            WEFT_ASSERT(memcmp(text, json_string_value(value), (size_t)length) == 0);
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *copy = malloc(size == 0 ? 1 : size); /* of the exact size: a read past it is seen */
    if (!copy) {
        abort();
    }
    memcpy(copy, data, size);
    struct weft_peek wanted[] = {{.key = "model"}, {.key = "stream"}};
    int status = weft_peek(weft_slice(copy, size), wanted, WEFT_COUNT(wanted));

    json_error_t error = {.line = 0};
    json_t *loose = json_loadb(copy, size, JSON_ALLOW_NUL | JSON_DECODE_INT_AS_REAL, &error);
    enum json_error_code code = loose ? json_error_unknown : json_error_code(&error);
    bool stopped = code == json_error_numeric_overflow || code == json_error_null_byte_in_key;
    if (status == 0 && !stopped) {
        WEFT_ASSERT(json_is_object(loose));
        for (size_t i = 0; i < WEFT_COUNT(wanted); i++) {
            compare(loose, &wanted[i]);
        }
    }
    json_decref(loose);

    /* The reverse: what the strict parser takes as an object, the peek takes. */
    json_t *strict;
    if (weft_json_parse(weft_slice(copy, size), &strict, NULL) == 0) {
        WEFT_ASSERT(status == (json_is_object(strict) ? 0 : WEFT_ERR_INVALID));
        json_decref(strict);
    }
    free(copy);
    return 0;
}
