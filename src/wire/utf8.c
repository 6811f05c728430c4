/* wire/utf8.c - is it UTF-8? */
#include "wire/utf8.h"

#include "base/assert.h"

static bool is_tail(unsigned char byte)
{
    return (byte & 0xC0) == 0x80;
}

size_t weft_utf8_step(struct weft_slice text)
{
    if (text.size == 0) {
        return 0;
    }
    const unsigned char *at = (const unsigned char *)text.data;
    unsigned char lead = at[0];
    if (lead < 0x80) {
        return 1;
    }
    if (lead >= 0xC2 && lead <= 0xDF) {
        return text.size >= 2 && is_tail(at[1]) ? 2 : 0;
    }
    if ((lead & 0xF0) == 0xE0) {
        if (text.size < 3 || !is_tail(at[1]) || !is_tail(at[2])) {
            return 0;
        }
        bool overlong = lead == 0xE0 && at[1] < 0xA0;
        bool surrogate = lead == 0xED && at[1] >= 0xA0;
        return overlong || surrogate ? 0 : 3;
    }
    if (lead >= 0xF0 && lead <= 0xF4) {
        if (text.size < 4 || !is_tail(at[1]) || !is_tail(at[2]) || !is_tail(at[3])) {
            return 0;
        }
        bool overlong = lead == 0xF0 && at[1] < 0x90;
        bool beyond = lead == 0xF4 && at[1] >= 0x90;
        return overlong || beyond ? 0 : 4;
    }
    return 0;
}

bool weft_utf8_valid(struct weft_slice text)
{
    while (text.size > 0) {
        size_t step = weft_utf8_step(text);
        if (step == 0) {
            return false;
        }
        text = weft_slice(text.data + step, text.size - step);
    }
    return true;
}

/* Of a well-formed sequence; 0 stands for none. */
static bool is_plain(const unsigned char *at, size_t step)
{
    switch (step) {
    case 1:
        return at[0] >= 0x20 && at[0] != 0x7F;
    case 2:
        /* U+0080 to U+009F are control characters, U+061C turns the direction. */
        return !(at[0] == 0xC2 && at[1] < 0xA0) && !(at[0] == 0xD8 && at[1] == 0x9C);
    case 3: {
        uint32_t point = (uint32_t)(at[0] & 0x0F) << 12 | (uint32_t)(at[1] & 0x3F) << 6 | (at[2] & 0x3F);
        bool turns = point == 0x200E || point == 0x200F || (point >= 0x202A && point <= 0x202E) ||
                     (point >= 0x2066 && point <= 0x2069);
        bool ends_line = point == 0x2028 || point == 0x2029;
        return !turns && !ends_line;
    }
    default:
        return step > 0;
    }
}

bool weft_utf8_plain(struct weft_slice text)
{
    while (text.size > 0) {
        size_t step = weft_utf8_step(text);
        if (!is_plain((const unsigned char *)text.data, step)) {
            return false;
        }
        text = weft_slice(text.data + step, text.size - step);
    }
    return true;
}

size_t weft_utf8_encode(uint32_t point, char out[4])
{
    WEFT_ASSERT(point <= 0x10FFFF && (point < 0xD800 || point > 0xDFFF));
    if (point < 0x80) {
        out[0] = (char)point;
        return 1;
    }
    if (point < 0x800) {
        out[0] = (char)(0xC0 | (point >> 6));
        out[1] = (char)(0x80 | (point & 0x3F));
        return 2;
    }
    if (point < 0x10000) {
        out[0] = (char)(0xE0 | (point >> 12));
        out[1] = (char)(0x80 | ((point >> 6) & 0x3F));
        out[2] = (char)(0x80 | (point & 0x3F));
        return 3;
    }
    out[0] = (char)(0xF0 | (point >> 18));
    out[1] = (char)(0x80 | ((point >> 12) & 0x3F));
    out[2] = (char)(0x80 | ((point >> 6) & 0x3F));
    out[3] = (char)(0x80 | (point & 0x3F));
    return 4;
}
