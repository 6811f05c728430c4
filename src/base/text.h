/* base/text.h - bytes as text: hexadecimal and base64url, numbers and dates. */
#ifndef WEFT_BASE_TEXT_H
#define WEFT_BASE_TEXT_H

#include "base/types.h"

/* What a hex digit of either case stands for, or -1. */
int weft_hex_value(char c);
/* A letter or digit of ASCII, whatever the locale says. */
bool weft_is_alnum(char c);

/* Lower-case hexadecimal; `text` holds 2 * size + 1. */
void weft_hex(char *text, const void *data, size_t size);

#define WEFT_BASE64URL_SIZE(bytes) (((bytes)*4 + 2) / 3 + 1) /* with its NUL */
/* RFC 4648 section 5, without padding; `text` holds WEFT_BASE64URL_SIZE(size). */
void weft_base64url(char *text, const void *data, size_t size);

/* A moment in UTC. */
struct weft_date {
    int year, month, day, hour, minute, second, weekday; /* month and day from 1, weekday 0 is Sunday */
};

/* From seconds since 1970, which may be negative. */
struct weft_date weft_date(int64_t seconds);

#define WEFT_HTTP_DATE_SIZE 30 /* "Sun, 06 Nov 1994 08:49:37 GMT" with its NUL */
void weft_http_date(char text[WEFT_HTTP_DATE_SIZE], int64_t seconds);

#endif
