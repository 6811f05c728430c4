/* http/h1_input.h - bytes received and not yet read: an incomplete head, or later requests. In one piece.
 *
 * An empty one holds no memory, so an idle connection costs nothing here. Whoever fills it names its bound. */
#ifndef WEFT_HTTP_H1_INPUT_H
#define WEFT_HTTP_H1_INPUT_H

#include "base/types.h"

struct weft_h1_input {
    char *at;
    size_t start, end, room; /* at[start..end) is kept */
};

WEFT_MUST_USE int weft_h1_input_append(struct weft_h1_input *input, struct weft_slice data);
struct weft_slice weft_h1_input_view(const struct weft_h1_input *input); /* holds until the input next changes */
void weft_h1_input_drop(struct weft_h1_input *input, size_t size);       /* from the front */
void weft_h1_input_clear(struct weft_h1_input *input);

#endif
