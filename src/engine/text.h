/* engine/text.h - from the bytes of tokens to text that may be shown: no half character, no part of a stop string.
 *
 * Bytes that may still become a stop string, and the beginning of a character, are withheld until it is decided. */
#ifndef WEFT_ENGINE_TEXT_H
#define WEFT_ENGINE_TEXT_H

#include "base/types.h"

#define WEFT_TEXT_STOPS_MAX 24   /* a client's 16 and a template's own */
#define WEFT_TEXT_STOP_MAX  1024 /* bytes of one */

struct weft_text;

/* Copies the stop strings; an empty one is refused (WEFT_ERR_INVALID), too many or too long too (WEFT_ERR_TOO_LARGE).
 */
WEFT_MUST_USE int weft_text_new(struct weft_text **out, const struct weft_slice *stops, size_t count);
void weft_text_free(struct weft_text *text);

/* Adds a token's bytes; *shown is what may be shown now (UTF-8: what can never become a character is U+FFFD), valid
 * until the next call. 1 if a stop string was met: nothing from it on is ever shown, and no more may be added; else 0.
 */
WEFT_MUST_USE int weft_text_add(struct weft_text *text, struct weft_slice bytes, struct weft_slice *shown);
/* Nothing more comes: *shown is what was withheld (half a character is U+FFFD). */
WEFT_MUST_USE int weft_text_end(struct weft_text *text, struct weft_slice *shown);
/* The stop string that was met, or an empty slice. */
struct weft_slice weft_text_stopped_by(const struct weft_text *text);

#endif
