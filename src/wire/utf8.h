/* wire/utf8.h - is it UTF-8? */
#ifndef WEFT_WIRE_UTF8_H
#define WEFT_WIRE_UTF8_H

#include "base/types.h"

/* Bytes (1 to 4) of the well-formed sequence that `text` starts with, or 0 where there is none (RFC 3629: nothing
 * overlong, no surrogates, nothing past U+10FFFF). */
size_t weft_utf8_step(struct weft_slice text);

bool weft_utf8_valid(struct weft_slice text);

/* UTF-8 that a terminal or page may show as it is: no control characters, no line ends, nothing that turns the
 * direction of what stands beside it. */
bool weft_utf8_plain(struct weft_slice text);

/* Writes a code point that is no surrogate into `out`; returns how many bytes. */
size_t weft_utf8_encode(uint32_t point, char out[4]);

#endif
