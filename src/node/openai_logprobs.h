/* node/openai_logprobs.h - how likely the shown tokens were, in the two shapes of OpenAI's API.
 *
 * An entry is written when its token comes, and waits until text shows it. */
#ifndef WEFT_NODE_OPENAI_LOGPROBS_H
#define WEFT_NODE_OPENAI_LOGPROBS_H

#include "node/openai_request.h"
#include "wire/native.h"

#define WEFT_OPENAI_LOGPROBS_LISTS 4
#define WEFT_OPENAI_LOGPROB_LEAST  (-9999.0) /* what has no chance at all: JSON knows no infinity */

/* Lists of JSON values with commas between them. A chat has one, a completion four: tokens, logprobs, alternatives and
 * places in the text. */
struct weft_openai_logprobs {
    struct weft_bytes lists[WEFT_OPENAI_LOGPROBS_LISTS];
};

void weft_openai_logprobs_clear(struct weft_openai_logprobs *logprobs);
size_t weft_openai_logprobs_size(const struct weft_openai_logprobs *logprobs); /* in bytes */
/* Adds a token; `place` is how many characters of text stand before it. */
WEFT_MUST_USE int weft_openai_logprobs_add(struct weft_openai_logprobs *logprobs, enum weft_openai_shape shape,
                                           const struct weft_frame *token, uint64_t place);
/* Everything in `from` goes behind what is in `to`. On error `from` may have lost some. */
WEFT_MUST_USE int weft_openai_logprobs_move(struct weft_openai_logprobs *to, struct weft_openai_logprobs *from);
/* Writes the value of "logprobs", and empties it. */
void weft_openai_logprobs_write(struct weft_openai_logprobs *logprobs, enum weft_openai_shape shape,
                                struct weft_json *json);

#endif
