/* cli/plain.c - somebody else's text on a terminal, which obeys what it is told. */
#include "cli/plain.h"

#include <stdio.h>

#include "wire/utf8.h"

/* The next character, which it takes off; empty for a byte that begins none. */
static struct weft_slice take(struct weft_slice *rest)
{
    size_t step = weft_utf8_step(*rest), taken = step > 0 ? step : 1;
    struct weft_slice next = weft_slice(rest->data, step);
    *rest = weft_slice(rest->data + taken, rest->size - taken);
    return next;
}

int weft_plain_width(const char *text)
{
    struct weft_slice rest = weft_slice_text(text);
    int width = 0;
    for (; rest.size > 0; width++) {
        (void)take(&rest);
    }
    return width;
}

void weft_plain_print(const char *text, int width)
{
    struct weft_slice rest = weft_slice_text(text);
    int shown = 0;
    for (; rest.size > 0; shown++) {
        struct weft_slice next = take(&rest);
        bool plain = next.size > 0 && weft_utf8_plain(next);
        (void)fwrite(plain ? next.data : "?", 1, plain ? next.size : 1, stdout);
    }
    for (; shown < width; shown++) {
        (void)putchar(' ');
    }
}
