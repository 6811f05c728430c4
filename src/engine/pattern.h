/* engine/pattern.h - regular expressions of JSON schemas ("pattern"), in words that become a right grammar.
 *
 * libllama-common turns a pattern into grammar as it stands, so `.` would let a quotation mark into a JSON string. Here
 * it is parsed (the part of ECMA-262 that is regular: no look-around, no back reference, no word border) and written
 * again: each character as a class that holds neither quotation mark, backslash nor control character, what is not
 * anchored with "anything" beside it. What comes out may match less than the pattern, never more. */
#ifndef WEFT_ENGINE_PATTERN_H
#define WEFT_ENGINE_PATTERN_H

#include "base/types.h"

#define WEFT_PATTERN_MAX        512 /* bytes of a pattern: then WEFT_ERR_TOO_LARGE */
#define WEFT_PATTERN_RESULT_MAX 16384
#define WEFT_PATTERN_DEPTH_MAX  32
#define WEFT_PATTERN_REPEAT_MAX 256 /* a larger {,n} is taken as this; a larger {n,} is WEFT_ERR_TOO_LARGE */
#define WEFT_PATTERN_RANGES_MAX 64  /* of one class */

/* Writes the pattern anew, with a NUL behind it. WEFT_ERR_UNSUPPORTED for what is not regular or matches nothing that
 * can stand in a JSON string unescaped, WEFT_ERR_INVALID for what is no pattern, WEFT_ERR_TOO_LARGE. */
WEFT_MUST_USE int weft_pattern_rewrite(struct weft_slice pattern, char out[WEFT_PATTERN_RESULT_MAX]);

#endif
