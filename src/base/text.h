/* base/text.h - bytes as text: hexadecimal, base32 and base64url, numbers and dates. */
#ifndef WEFT_BASE_TEXT_H
#define WEFT_BASE_TEXT_H

#include "base/types.h"

/* What a hex digit of either case stands for, or -1. */
int weft_hex_value(char c);
/* A letter or digit of ASCII, whatever the locale says. */
bool weft_is_alnum(char c);

/* Without the blanks, tabs and ends of lines around it, which come with what people paste. */
struct weft_slice weft_trim(struct weft_slice text);

/* Lower-case hexadecimal; `text` holds 2 * size + 1. */
void weft_hex(char *text, const void *data, size_t size);

#define WEFT_BASE64URL_SIZE(bytes) (((bytes)*4 + 2) / 3 + 1) /* with its NUL */
/* RFC 4648 section 5, without padding; `text` holds WEFT_BASE64URL_SIZE(size). */
void weft_base64url(char *text, const void *data, size_t size);
/* Reads it back, strictly: each run of bytes has one text. Returns how many bytes, WEFT_ERR_INVALID for any other
 * character, a length that is none, or bits left over that are not 0; WEFT_ERR_TOO_LARGE if `room` is too small. */
WEFT_MUST_USE int64_t weft_base64url_read(void *data, size_t room, struct weft_slice text);

#define WEFT_BASE32_SIZE(bytes) (((bytes)*8 + 4) / 5 + 1) /* with its NUL */
/* RFC 4648 section 6 in lower case, without padding; `text` holds WEFT_BASE32_SIZE(size). */
void weft_base32(char *text, const void *data, size_t size);
WEFT_MUST_USE int64_t weft_base32_read(void *data, size_t room, struct weft_slice text); /* as the above */

/* A moment in UTC. */
struct weft_date {
    int year, month, day, hour, minute, second, weekday; /* month and day from 1, weekday 0 is Sunday */
};

/* From seconds since 1970, which may be negative. */
struct weft_date weft_date(int64_t seconds);

#define WEFT_HTTP_DATE_SIZE 30 /* "Sun, 06 Nov 1994 08:49:37 GMT" with its NUL */
void weft_http_date(char text[WEFT_HTTP_DATE_SIZE], int64_t seconds);

#endif
