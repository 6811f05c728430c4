/* wire/peek.h - what a JSON object says at its top, without building a tree.
 *
 * A relay needs "model" and "stream" of a body it carries on as it is. The whole text is checked against RFC 8259
 * on the way, so that whoever parses it next finds the same values under the same names: keys are compared
 * as decoded, and a wanted key that stands twice is an error. One pass, no memory. */
#ifndef WEFT_WIRE_PEEK_H
#define WEFT_WIRE_PEEK_H

#include "base/types.h"

#define WEFT_PEEK_DEPTH_MAX 64 /* objects and arrays within each other: then WEFT_ERR_TOO_LARGE */
#define WEFT_PEEK_KEY_MAX   64 /* bytes of a wanted key */

enum weft_peek_kind {
    WEFT_PEEK_ABSENT, /* the object has no such member */
    WEFT_PEEK_NULL,
    WEFT_PEEK_FALSE,
    WEFT_PEEK_TRUE,
    WEFT_PEEK_NUMBER,
    WEFT_PEEK_STRING,
    WEFT_PEEK_ARRAY,
    WEFT_PEEK_OBJECT,
};

struct weft_peek {
    const char *key;          /* wanted: the caller sets it */
    enum weft_peek_kind kind; /* found */
    struct weft_slice raw;    /* the value as it stands in the text, quotes and brackets included */
};

/* Fills `wanted` from a complete text. WEFT_ERR_INVALID if that is no JSON object or a wanted key stands twice,
 * WEFT_ERR_TOO_LARGE if it is nested too deep. */
WEFT_MUST_USE int weft_peek(struct weft_slice text, struct weft_peek *wanted, size_t count);

/* Decodes a found string into `buffer`. Returns its bytes (0 is an empty string; no NUL is added), or
 * WEFT_ERR_TOO_LARGE if it does not fit, WEFT_ERR_INVALID if the value is no string. */
WEFT_MUST_USE int64_t weft_peek_string(const struct weft_peek *found, char *buffer, size_t size);

#endif
