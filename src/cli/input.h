/* cli/input.h - files that are read before a node starts. */
#ifndef WEFT_CLI_INPUT_H
#define WEFT_CLI_INPUT_H

#include <sys/types.h>

#include "node/config.h"

/* A whole file with a NUL behind it, or nothing. */
struct weft_input {
    char *data; /* NULL: nothing was read */
    size_t size;
};

/* Reads `path`, which is `what` for a person ("the API key file"). A mode with any bit of `forbidden` is refused with
 * the chmod that mends it. WEFT_ERR_NOT_FOUND, WEFT_ERR_TOO_LARGE past `max`, WEFT_ERR_DENIED; *problem says it. */
WEFT_MUST_USE int weft_input_read(struct weft_input *input, const char *path, const char *what, size_t max,
                                  mode_t forbidden, struct weft_config_problem *problem);
void weft_input_deinit(struct weft_input *input); /* and wipes it: it may be a key */

#endif
