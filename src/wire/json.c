/* wire/json.c - JSON out by a small writer, in through jansson with bounds. */
#include "wire/json.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"
#include "base/error.h"
#include "base/mem.h"
#include "wire/utf8.h"

/* -- writing -- */

static void put(struct weft_json *json, const char *data, size_t size)
{
    if (json->error == 0) {
        json->error = weft_bytes_append(json->out, data, size);
    }
}

static bool in_array(const struct weft_json *json)
{
    return json->depth > 0 && ((json->arrays >> (json->depth - 1)) & 1) != 0;
}

/* What stands before a value: a comma in an array, nothing after a key. */
static void before_value(struct weft_json *json)
{
    WEFT_ASSERT(!json->whole);
    if (json->depth == 0) {
        return;
    }
    WEFT_ASSERT(json->keyed || in_array(json));
    if (in_array(json) && json->comma) {
        put(json, ",", 1);
    }
}

static void after_value(struct weft_json *json)
{
    json->keyed = false;
    json->comma = true;
    json->whole = json->depth == 0;
}

static void put_value(struct weft_json *json, const char *text, size_t size)
{
    if (json->error != 0) {
        return;
    }
    before_value(json);
    put(json, text, size);
    after_value(json);
}

static void open_container(struct weft_json *json, bool array)
{
    if (json->error != 0) {
        return;
    }
    if (json->depth == WEFT_JSON_DEPTH_MAX) {
        json->error = WEFT_ERR_TOO_LARGE;
        return;
    }
    before_value(json);
    put(json, array ? "[" : "{", 1);
    uint64_t bit = (uint64_t)1 << json->depth;
    json->arrays = array ? json->arrays | bit : json->arrays & ~bit;
    json->depth++;
    json->comma = false;
    json->keyed = false;
}

static void close_container(struct weft_json *json, bool array)
{
    if (json->error != 0) {
        return;
    }
    WEFT_ASSERT(json->depth > 0 && in_array(json) == array && !json->keyed);
    put(json, array ? "]" : "}", 1);
    json->depth--;
    after_value(json);
}

/* A byte that may not stand in a string as it is; returns the size of what stands for it. */
static size_t escape_byte(unsigned char byte, char escape[8])
{
    const char *pair = "\"\"\\\\\bb\ff\nn\rr\tt"; /* pairs: the byte and its letter */
    while (*pair != '\0' && (unsigned char)*pair != byte) {
        pair += 2;
    }
    int length =
        byte != 0 && *pair != '\0' ? snprintf(escape, 8, "\\%c", pair[1]) : snprintf(escape, 8, "\\u%04x", byte);
    return (size_t)length;
}

/* `text` as it stands between quotes: runs of plain bytes at once, the rest escaped. */
static int append_escaped(struct weft_bytes *out, struct weft_slice text)
{
    int error = 0;
    size_t plain = 0; /* where the run began */
    for (size_t i = 0; error == 0 && i < text.size; i++) {
        unsigned char byte = (unsigned char)text.data[i];
        if (byte >= 0x20 && byte != '"' && byte != '\\') {
            continue;
        }
        char escape[8];
        size_t length = escape_byte(byte, escape);
        error = weft_bytes_append(out, text.data + plain, i - plain);
        if (error == 0) {
            error = weft_bytes_append(out, escape, length);
        }
        plain = i + 1;
    }
    return error < 0 || text.size == plain ? error : weft_bytes_append(out, text.data + plain, text.size - plain);
}

static void put_quoted(struct weft_json *json, struct weft_slice text)
{
    put(json, "\"", 1);
    if (json->error == 0) {
        json->error = append_escaped(json->out, text);
    }
    put(json, "\"", 1);
}

int weft_json_escape(struct weft_bytes *out, struct weft_slice text)
{
    return weft_utf8_valid(text) ? append_escaped(out, text) : WEFT_ERR_INVALID;
}

void weft_json_start(struct weft_json *json, struct weft_bytes *out)
{
    *json = (struct weft_json){.out = out};
}

int weft_json_finish(struct weft_json *json)
{
    WEFT_ASSERT(json->error != 0 || json->whole);
    return json->error;
}

void weft_json_object(struct weft_json *json)
{
    open_container(json, false);
}

void weft_json_object_end(struct weft_json *json)
{
    close_container(json, false);
}

void weft_json_array(struct weft_json *json)
{
    open_container(json, true);
}

void weft_json_array_end(struct weft_json *json)
{
    close_container(json, true);
}

void weft_json_key(struct weft_json *json, const char *key)
{
    if (json->error != 0) {
        return;
    }
    WEFT_ASSERT(json->depth > 0 && !in_array(json) && !json->keyed);
    if (json->comma) {
        put(json, ",", 1);
    }
    put_quoted(json, weft_slice_text(key));
    put(json, ":", 1);
    json->keyed = true;
}

void weft_json_string(struct weft_json *json, struct weft_slice text)
{
    if (json->error == 0 && !weft_utf8_valid(text)) {
        json->error = WEFT_ERR_INVALID;
    }
    if (json->error != 0) {
        return;
    }
    before_value(json);
    put_quoted(json, text);
    after_value(json);
}

void weft_json_text(struct weft_json *json, const char *text)
{
    weft_json_string(json, weft_slice_text(text));
}

void weft_json_int(struct weft_json *json, int64_t value)
{
    char text[24];
    int length = snprintf(text, sizeof(text), "%" PRId64, value);
    put_value(json, text, (size_t)length);
}

void weft_json_double(struct weft_json *json, double value)
{
    if (!isfinite(value)) {
        if (json->error == 0) {
            json->error = WEFT_ERR_INVALID;
        }
        return;
    }
    /* 15 digits are always exact in decimal, 17 always enough for a double (IEEE 754). */
    char text[32];
    int length = 0;
    for (int digits = 15; digits <= 17; digits++) {
        length = snprintf(text, sizeof(text), "%.*g", digits, value);
        if (strtod(text, NULL) == value) {
            break;
        }
    }
    put_value(json, text, (size_t)length);
}

void weft_json_bool(struct weft_json *json, bool value)
{
    put_value(json, value ? "true" : "false", value ? 4 : 5);
}

void weft_json_null(struct weft_json *json)
{
    put_value(json, "null", 4);
}

void weft_json_splice(struct weft_json *json, struct weft_bytes *written)
{
    if (json->error != 0) {
        return;
    }
    WEFT_ASSERT(written->size > 0 || in_array(json));
    if (written->size > 0) {
        before_value(json);
        weft_bytes_move(json->out, written);
        after_value(json);
    }
}

static void put_members(struct weft_json *json, json_t *object)
{
    weft_json_object(json);
    for (void *at = json_object_iter(object); at; at = json_object_iter_next(object, at)) {
        weft_json_key(json, json_object_iter_key(at));
        weft_json_value(json, json_object_iter_value(at));
    }
    weft_json_object_end(json);
}

void weft_json_add_string(struct weft_json *json, const char *key, struct weft_slice text)
{
    weft_json_key(json, key);
    weft_json_string(json, text);
}

void weft_json_add_text(struct weft_json *json, const char *key, const char *text)
{
    weft_json_key(json, key);
    weft_json_text(json, text);
}

void weft_json_add_int(struct weft_json *json, const char *key, int64_t value)
{
    weft_json_key(json, key);
    weft_json_int(json, value);
}

void weft_json_add_double(struct weft_json *json, const char *key, double value)
{
    weft_json_key(json, key);
    weft_json_double(json, value);
}

void weft_json_add_bool(struct weft_json *json, const char *key, bool value)
{
    weft_json_key(json, key);
    weft_json_bool(json, value);
}

/* As deep as the reader lets a value be, or the writer: WEFT_JSON_DEPTH_MAX. */
void weft_json_value(struct weft_json *json, json_t *value)
{
    if (json->error != 0) {
        return;
    }
    switch (json_typeof(value)) {
    case JSON_OBJECT:
        put_members(json, value);
        break;
    case JSON_ARRAY:
        weft_json_array(json);
        for (size_t i = 0; i < json_array_size(value); i++) {
            weft_json_value(json, json_array_get(value, i));
        }
        weft_json_array_end(json);
        break;
    case JSON_STRING:
        weft_json_string(json, weft_json_slice(value));
        break;
    case JSON_INTEGER:
        weft_json_int(json, json_integer_value(value));
        break;
    case JSON_REAL:
        weft_json_double(json, json_real_value(value));
        break;
    case JSON_TRUE:
    case JSON_FALSE:
        weft_json_bool(json, json_is_true(value));
        break;
    case JSON_NULL:
        weft_json_null(json);
        break;
    }
}

/* -- reading -- */

/* jansson calls some failed allocations a syntax error, so they are noticed here. When its lexer's buffer cannot grow
 * it drops the byte, and may then run past the end of it: so the first allocation of a parse that fails is served from
 * a spare, and the text ends there. */
static _Thread_local struct {
    bool starved;
    void *spare; /* NULL: nothing is being parsed */
    size_t spare_size;
} parsing;

static void *alloc_noticed(size_t size)
{
    void *pointer = weft_alloc(size);
    if (!pointer && !parsing.starved && parsing.spare && size <= parsing.spare_size) {
        pointer = parsing.spare;
    }
    parsing.starved = parsing.starved || !pointer || pointer == parsing.spare;
    return pointer;
}

static void free_noticed(void *pointer)
{
    if (pointer != parsing.spare) {
        weft_free(pointer);
    }
}

void weft_json_setup(uint64_t hash_seed)
{
    json_set_alloc_funcs(alloc_noticed, free_noticed);
    size_t seed = (size_t)(uint32_t)(hash_seed ^ (hash_seed >> 32));
    json_object_seed(seed == 0 ? 1 : seed); /* 0 would make jansson choose, from a file */
}

/* jansson's own bound (2048) is fixed when it is built, so depth is counted before it. */
static bool too_deep(struct weft_slice text)
{
    size_t depth = 0;
    bool in_string = false;
    for (size_t i = 0; i < text.size; i++) {
        char byte = text.data[i];
        if (in_string) {
            if (byte == '\\') {
                i++;
            } else if (byte == '"') {
                in_string = false;
            }
        } else if (byte == '"') {
            in_string = true;
        } else if (byte == '{' || byte == '[') {
            if (++depth > WEFT_JSON_DEPTH_MAX) {
                return true;
            }
        } else if ((byte == '}' || byte == ']') && depth > 0) {
            depth--;
        }
    }
    return false;
}

static const char *problem_text(enum json_error_code code)
{
    switch (code) {
    case json_error_duplicate_key:
        return "a key stands twice in one object";
    case json_error_invalid_utf8:
        return "the text is not UTF-8";
    case json_error_premature_end_of_input:
        return "the text ends too early";
    case json_error_end_of_input_expected:
        return "something follows the end of the value";
    case json_error_numeric_overflow:
        return "a number is too large";
    case json_error_null_byte_in_key:
        return "a key holds a NUL";
    default:
        return "the text is not JSON";
    }
}

/* One byte at a time: there must be none that jansson reads after it was starved. */
static size_t next_byte(void *buffer, size_t size, void *self)
{
    struct weft_slice *rest = self;
    (void)size;
    if (rest->size == 0 || parsing.starved) {
        return 0;
    }
    *(char *)buffer = *rest->data;
    *rest = weft_slice(rest->data + 1, rest->size - 1);
    return 1;
}

/* NULL and parsing.starved if memory ran out. */
static json_t *load(struct weft_slice text, json_error_t *error)
{
    parsing.starved = false;
    parsing.spare_size = 2 * text.size + 64; /* jansson's buffer starts with 16 bytes and doubles */
    parsing.spare = weft_alloc(parsing.spare_size);
    if (!parsing.spare) {
        parsing.starved = true;
        return NULL;
    }
    json_t *value = json_load_callback(next_byte, &text, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, error);
    if (value && parsing.starved) {
        json_decref(value);
        value = NULL;
    }
    weft_free(parsing.spare);
    parsing.spare = NULL;
    return value;
}

int weft_json_parse(struct weft_slice text, json_t **out, struct weft_json_problem *problem)
{
    struct weft_json_problem ignored;
    if (!problem) {
        problem = &ignored;
    }
    *out = NULL;
    *problem = (struct weft_json_problem){.text = "the text is too large"};
    if (text.size > WEFT_JSON_TEXT_MAX) {
        return WEFT_ERR_TOO_LARGE;
    }
    problem->text = "objects and arrays are nested too deep";
    if (too_deep(text)) {
        return WEFT_ERR_TOO_LARGE;
    }

    /* jansson passes over a NUL behind a number or word; no JSON holds one. */
    problem->text = "the text holds a NUL";
    if (text.size > 0 && memchr(text.data, '\0', text.size)) {
        return WEFT_ERR_INVALID;
    }

    json_error_t error = {.line = 0};
    *out = load(text, &error);
    if (*out) {
        return 0;
    }
    if (parsing.starved) {
        problem->text = "out of memory";
        return WEFT_ERR_MEMORY;
    }
    *problem = (struct weft_json_problem){
        .text = problem_text(json_error_code(&error)),
        .line = error.line > 0 ? error.line : 0,
        .column = error.column > 0 ? error.column : 0,
    };
    return WEFT_ERR_INVALID;
}

struct weft_slice weft_json_slice(const json_t *value)
{
    return json_is_string(value) ? weft_slice(json_string_value(value), json_string_length(value))
                                 : (struct weft_slice){0};
}

bool weft_json_is(const json_t *value, const char *text)
{
    return json_is_string(value) && weft_slice_equal(weft_json_slice(value), weft_slice_text(text));
}
