/* base/types.c - slices compared. */
#include "base/types.h"

static unsigned char lower(unsigned char c)
{
    return c >= 'A' && c <= 'Z' ? (unsigned char)(c | 0x20) : c;
}

bool weft_slice_equal_nocase(struct weft_slice a, struct weft_slice b)
{
    if (a.size != b.size) {
        return false;
    }
    for (size_t i = 0; i < a.size; i++) {
        if (lower((unsigned char)a.data[i]) != lower((unsigned char)b.data[i])) {
            return false;
        }
    }
    return true;
}

bool weft_slice_starts(struct weft_slice text, struct weft_slice prefix)
{
    return text.size >= prefix.size && weft_slice_equal(weft_slice(text.data, prefix.size), prefix);
}
