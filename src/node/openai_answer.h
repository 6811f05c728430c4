/* node/openai_answer.h - an engine's frames, as the answer that clients of OpenAI's API expect: a stream of events, or
 * one JSON text.
 *
 * Pure: frames come in, bytes go out. After an error the answer can only be freed. */
#ifndef WEFT_NODE_OPENAI_ANSWER_H
#define WEFT_NODE_OPENAI_ANSWER_H

#include "node/openai_request.h"
#include "wire/native.h"

#define WEFT_OPENAI_ANSWER_MAX ((size_t)64 * 1024 * 1024) /* collected of one answer: then WEFT_ERR_TOO_LARGE */
#define WEFT_OPENAI_CALLS_MAX  1024                       /* tool calls of one choice: then WEFT_ERR_TOO_LARGE */
#define WEFT_OPENAI_SIGN_GAP   WEFT_SECOND                /* between two signs of life */

struct weft_openai_answer;

struct weft_openai_answer_options {
    enum weft_openai_shape shape;
    bool stream, include_usage, logprobs;
    uint16_t choices;
    /* copied */
    struct weft_slice id, model, fingerprint;
    int64_t created_s; /* since 1970 */
};

/* On error *out is NULL. */
WEFT_MUST_USE int weft_openai_answer_new(struct weft_openai_answer **out,
                                         const struct weft_openai_answer_options *options);
void weft_openai_answer_free(struct weft_openai_answer *answer);

/* Takes one frame (no error, no end) and appends to `out` what of a stream is to be sent for it: whole events, or
 * comments while there is nothing to tell yet. WEFT_ERR_INVALID for a frame that cannot come there: the engine is
 * broken. On error what was appended is not whole. */
WEFT_MUST_USE int weft_openai_answer_frame(struct weft_openai_answer *answer, const struct weft_frame *frame,
                                           weft_time now, struct weft_bytes *out);
/* A stream waits for its turn, the first or another one: appends a comment that says so. `estimate`: WEFT_NEVER if
 * nothing is known. */
WEFT_MUST_USE int weft_openai_answer_wait(size_t ahead, weft_time estimate, struct weft_bytes *out);
/* The stream is whole: appends its end, or the answer that was collected. WEFT_ERR_INVALID if a choice has not ended.
 */
WEFT_MUST_USE int weft_openai_answer_end(struct weft_openai_answer *answer, struct weft_bytes *out);
/* A stream has failed: appends the event that says so. Nothing may follow it: OpenAI's libraries raise it as an error.
 */
WEFT_MUST_USE int weft_openai_answer_fail(const struct weft_openai_error *error, struct weft_bytes *out);

#endif
