/* wire/letter.h - a signed record as a line of text, for where people carry it: the root's key may lie on a machine
 * without a network, and what it signs must come from there to a gateway. */
#ifndef WEFT_WIRE_LETTER_H
#define WEFT_WIRE_LETTER_H

#include "wire/revocation.h"

#define WEFT_LETTER_BYTES_MAX WEFT_REVOCATION_MAX /* of the record and its signature */
#define WEFT_LETTER_SIZE      768                 /* of the line, with a newline and a NUL */

/* "weft certificate v1 BASE64URL\n": what it is (its domain, which ends in "v1"), then the record. WEFT_ERR_TOO_LARGE.
 */
WEFT_MUST_USE int weft_letter_write(struct weft_slice domain, struct weft_slice bytes, char line[WEFT_LETTER_SIZE]);
/* How many bytes; blanks and ends of lines around it are left out. WEFT_ERR_INVALID: no such letter; WEFT_ERR_CRYPTO:
 * cut or mistyped; WEFT_ERR_UNSUPPORTED: of a newer version. Whether it is right its signature says. */
WEFT_MUST_USE int64_t weft_letter_read(struct weft_slice domain, struct weft_slice line,
                                       uint8_t out[WEFT_LETTER_BYTES_MAX]);

#endif
