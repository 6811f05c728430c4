/* wire/json.h - JSON out by a small writer, in through jansson with bounds. */
#ifndef WEFT_WIRE_JSON_H
#define WEFT_WIRE_JSON_H

#include <jansson.h>

#include "base/bytes.h"
#include "base/types.h"

#define WEFT_JSON_DEPTH_MAX 64 /* objects and arrays within each other: then WEFT_ERR_TOO_LARGE */
#define WEFT_JSON_TEXT_MAX  ((size_t)64 * 1024 * 1024) /* bytes that are parsed at once: then WEFT_ERR_TOO_LARGE */

/* -- writing -- */

/* Writes one value onto the end of a byte queue. The first error sticks, nothing is written after it, and
 * weft_json_finish() tells it: so that a caller checks once. What was written before the error stays in the queue. */
struct weft_json {
    struct weft_bytes *out;
    int error;
    unsigned depth;
    uint64_t arrays; /* bit n: the container at depth n + 1 is an array */
    bool comma;      /* a member stands before the next one */
    bool keyed;      /* a key waits for its value */
    bool whole;      /* the value is complete */
};

void weft_json_start(struct weft_json *json, struct weft_bytes *out);
WEFT_MUST_USE int weft_json_finish(struct weft_json *json); /* asserts that everything opened was closed */

void weft_json_object(struct weft_json *json);
void weft_json_object_end(struct weft_json *json);
void weft_json_array(struct weft_json *json);
void weft_json_array_end(struct weft_json *json);
void weft_json_key(struct weft_json *json, const char *key);           /* asserts that it stands in an object */
void weft_json_string(struct weft_json *json, struct weft_slice text); /* WEFT_ERR_INVALID if it is not UTF-8 */
void weft_json_text(struct weft_json *json, const char *text);
void weft_json_int(struct weft_json *json, int64_t value);
void weft_json_double(struct weft_json *json, double value); /* fewest digits that read back as the same value;
                                                                WEFT_ERR_INVALID for NaN and infinities */
void weft_json_bool(struct weft_json *json, bool value);
void weft_json_null(struct weft_json *json);
/* A key and its value. */
void weft_json_add_string(struct weft_json *json, const char *key, struct weft_slice text);
void weft_json_add_text(struct weft_json *json, const char *key, const char *text);
void weft_json_add_int(struct weft_json *json, const char *key, int64_t value);
void weft_json_add_double(struct weft_json *json, const char *key, double value);
void weft_json_add_bool(struct weft_json *json, const char *key, bool value);
/* A value that was read, as it is: the order of members stays. */
void weft_json_value(struct weft_json *json, json_t *value);
/* Moves in JSON that was written elsewhere: one value, or in an array several with commas between them. The caller
 * answers for it. Nothing is written for an empty queue, so only an array may take one. */
void weft_json_splice(struct weft_json *json, struct weft_bytes *written);

/* A text as it stands between the quotes of a string: for one that comes in pieces, each of whole characters.
 * WEFT_ERR_INVALID if it is not UTF-8. */
WEFT_MUST_USE int weft_json_escape(struct weft_bytes *out, struct weft_slice text);

/* -- reading -- */

/* Why a text is no JSON, in words that hold nothing of the text: it may be content. */
struct weft_json_problem {
    const char *text;
    int line, column; /* from 1; 0 if the text as a whole is meant */
};

/* Once, before any other use of jansson: its memory comes from base/mem, and its hashes are keyed by `hash_seed`
 * (entropy of the caller's; jansson would read a file for it otherwise). */
void weft_json_setup(uint64_t hash_seed);

/* Parses an object or array. Duplicate keys are refused (WEFT_ERR_INVALID), depth and size bounded. Strings may hold
 * NUL: use json_string_length(). On error *out is NULL; `problem` may be NULL. Free *out with json_decref(). */
WEFT_MUST_USE int weft_json_parse(struct weft_slice text, json_t **out, struct weft_json_problem *problem);

/* The text of a string; NULL data for anything else, NULL too. It holds as long as the value. */
struct weft_slice weft_json_slice(const json_t *value);
/* Is it a string, and this one? */
bool weft_json_is(const json_t *value, const char *text);

#endif
