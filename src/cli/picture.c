/* cli/picture.c - a line of text as a QR code, for a terminal. */
#include "cli/picture.h"

#include <qrencode.h>

#include "base/error.h"
#include "base/types.h"

#define QUIET 2 /* light modules around the code: cameras need its edge */

static bool light(const QRcode *code, int x, int y)
{
    bool inside = x >= 0 && y >= 0 && x < code->width && y < code->width;
    return !inside || (code->data[y * code->width + x] & 1) == 0;
}

int weft_picture_print(FILE *to, const char *text)
{
    static const char *const blocks[] = {" ", "\u2584", "\u2580", "\u2588"}; /* none, lower, upper, both light */
    QRcode *code = QRcode_encodeString8bit(text, 0, QR_ECLEVEL_L);
    if (!code) {
        return WEFT_ERR_TOO_LARGE;
    }
    for (int y = -QUIET; y < code->width + QUIET; y += 2) {
        fputs("\033[97;40m", to);
        for (int x = -QUIET; x < code->width + QUIET; x++) {
            bool lower = y + 1 < code->width + QUIET && light(code, x, y + 1);
            fputs(blocks[2 * light(code, x, y) + lower], to);
        }
        fputs("\033[0m\n", to);
    }
    QRcode_free(code);
    return 0;
}
