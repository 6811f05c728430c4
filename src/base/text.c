/* base/text.c - bytes as text. */
#include "base/text.h"

#include <stdio.h>

#include "base/error.h"

int weft_hex_value(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    char lower = (char)(c | 0x20);
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

bool weft_is_alnum(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

struct weft_slice weft_trim(struct weft_slice text)
{
    while (text.size > 0 && is_blank(text.data[0])) {
        text = weft_slice(text.data + 1, text.size - 1);
    }
    while (text.size > 0 && is_blank(text.data[text.size - 1])) {
        text.size--;
    }
    return text;
}

void weft_hex(char *text, const void *data, size_t size)
{
    static const char digits[] = "0123456789abcdef";
    const unsigned char *bytes = data;
    for (size_t i = 0; i < size; i++) {
        text[2 * i] = digits[bytes[i] >> 4];
        text[2 * i + 1] = digits[bytes[i] & 15];
    }
    text[2 * size] = '\0';
}

/* So many bits to a character, the first ones first. */
struct alphabet {
    const char *digits;
    unsigned bits;
};

static const struct alphabet base64url = {"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_", 6};
static const struct alphabet base32 = {"abcdefghijklmnopqrstuvwxyz234567", 5};

static void write_in(const struct alphabet *alphabet, char *text, const void *data, size_t size)
{
    const unsigned char *bytes = data;
    unsigned bits = 0, have = 0, mask = (1u << alphabet->bits) - 1;
    for (size_t i = 0; i < size; i++) {
        bits = bits << 8 | bytes[i];
        for (have += 8; have >= alphabet->bits; have -= alphabet->bits) {
            *text++ = alphabet->digits[bits >> (have - alphabet->bits) & mask];
        }
    }
    if (have > 0) {
        *text++ = alphabet->digits[bits << (alphabet->bits - have) & mask];
    }
    *text = '\0';
}

static int64_t read_in(const struct alphabet *alphabet, void *data, size_t room, struct weft_slice text)
{
    unsigned char *bytes = data;
    unsigned bits = 0, have = 0;
    size_t size = 0;
    for (size_t i = 0; i < text.size; i++) {
        const char *digit = memchr(alphabet->digits, text.data[i], (size_t)1 << alphabet->bits);
        if (!digit) {
            return WEFT_ERR_INVALID;
        }
        bits = (bits << alphabet->bits | (unsigned)(digit - alphabet->digits)) & 0xffff;
        have += alphabet->bits;
        if (have >= 8) {
            if (size == room) {
                return WEFT_ERR_TOO_LARGE;
            }
            have -= 8;
            bytes[size++] = (unsigned char)(bits >> have);
        }
    }
    /* What is left is less than a character, and nothing was said with it: else several texts stood for the same. */
    return have >= alphabet->bits || (bits & ((1u << have) - 1)) != 0 ? WEFT_ERR_INVALID : (int64_t)size;
}

void weft_base64url(char *text, const void *data, size_t size)
{
    write_in(&base64url, text, data, size);
}

int64_t weft_base64url_read(void *data, size_t room, struct weft_slice text)
{
    return read_in(&base64url, data, room, text);
}

void weft_base32(char *text, const void *data, size_t size)
{
    write_in(&base32, text, data, size);
}

int64_t weft_base32_read(void *data, size_t room, struct weft_slice text)
{
    return read_in(&base32, data, room, text);
}

struct weft_date weft_date(int64_t seconds)
{
    int64_t days = seconds / 86400, rest = seconds % 86400;
    if (rest < 0) {
        rest += 86400;
        days--;
    }
    /* Days are counted from 1 March of the year 0, so that a leap day ends its year; 400 years always have 146,097. */
    int64_t since = days + 719468;
    int64_t era = (since >= 0 ? since : since - 146096) / 146097;
    int64_t day_of_era = since - era * 146097;
    int64_t year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t month = (5 * day_of_year + 2) / 153; /* from March */
    struct weft_date date = {
        .year = (int)(year_of_era + era * 400 + (month >= 10)),
        .month = (int)(month < 10 ? month + 3 : month - 9),
        .day = (int)(day_of_year - (153 * month + 2) / 5 + 1),
        .hour = (int)(rest / 3600),
        .minute = (int)(rest / 60 % 60),
        .second = (int)(rest % 60),
        .weekday = (int)((days % 7 + 11) % 7), /* 1 January 1970 was a Thursday */
    };
    return date;
}

void weft_http_date(char text[WEFT_HTTP_DATE_SIZE], int64_t seconds)
{
    static const char days[][4] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    static const char months[][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                     "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    struct weft_date d = weft_date(seconds);
    /* RFC 9110 5.6.7 knows years of four digits. */
    (void)snprintf(text, WEFT_HTTP_DATE_SIZE, "%s, %02d %s %04d %02d:%02d:%02d GMT", days[d.weekday], d.day,
                   months[d.month - 1], d.year % 10000, d.hour, d.minute, d.second);
}
