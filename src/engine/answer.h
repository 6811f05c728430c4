/* engine/answer.h - from the events of a job to the frames of the native stream.
 *
 * Each token goes out with what became visible of the answer by it: the text as it came, or what the template's parser
 * made of it (reasoning, tool calls). Tokens of a resume are read again by the parser, and not told. */
#ifndef WEFT_ENGINE_ANSWER_H
#define WEFT_ENGINE_ANSWER_H

#include "engine/chat.h"
#include "engine/job.h"

#define WEFT_ANSWER_DELTA_MAX ((size_t)256 * 1024) /* bytes of text in one delta: more becomes several */

struct weft_answer;

struct weft_answer_options {
    const struct weft_chat_prompt *prompt; /* what its answers are parsed by; NULL: they are shown as they come */
    uint16_t choices;
    struct weft_slice call_ids;     /* what ids of tool calls begin with */
    const struct weft_slice *stops; /* the client's own: only these are named when met */
    size_t stop_count;
};

/* What the options point to must outlive it. On error *out is NULL. */
WEFT_MUST_USE int weft_answer_new(struct weft_answer **out, const struct weft_answer_options *options);
void weft_answer_free(struct weft_answer *answer);

/* Appends the frames of one event, which is in its batch still: a token looks ahead whether it is the last of its
 * choice. 1: the last of them was END or ERROR, and nothing may be added; 0: more comes; or an error. */
WEFT_MUST_USE int weft_answer_add(struct weft_answer *answer, const struct weft_event *event, struct weft_bytes *out);
/* Appends a frame that says no more than that it goes on: how far it is, as was told last. */
WEFT_MUST_USE int weft_answer_sign(const struct weft_answer *answer, struct weft_bytes *out);

#endif
