/* cli/plain.h - somebody else's text on a terminal, which obeys what it is told. */
#ifndef WEFT_CLI_PLAIN_H
#define WEFT_CLI_PLAIN_H

/* On standard output, with blanks behind it up to so many characters. Each that could do more than be read (see
 * weft_utf8_plain) is a "?". Whoever flushes standard output learns of errors. */
void weft_plain_print(const char *text, int width);
int weft_plain_width(const char *text); /* characters that it prints */

#endif
