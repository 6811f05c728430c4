/* cli/picture.h - a line of text as a QR code, for a terminal. */
#ifndef WEFT_CLI_PICTURE_H
#define WEFT_CLI_PICTURE_H

#include <stdio.h>

/* The code of `text` in half-height blocks, light on dark whatever the terminal's colours are. An error, and nothing
 * written, if it is longer than a code holds, or memory is short. */
int weft_picture_print(FILE *to, const char *text);

#endif
