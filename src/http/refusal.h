/* http/refusal.h - the answers a carrier gives by itself, when a request is not fit to be shown to anyone. */
#ifndef WEFT_HTTP_REFUSAL_H
#define WEFT_HTTP_REFUSAL_H

#include "base/types.h"

#define WEFT_REFUSAL_BODY_MAX 512 /* of the JSON body below: the texts are ours, and shorter */

/* One thing that can be wrong with a request. */
struct weft_refusal {
    int status;
    const char *code; /* a word for machines: "bad_chunk" */
    const char *why;  /* a sentence for people */
};

/* The reason phrase of a status ("Not Found"), for h1; "" for one we do not know. */
const char *weft_status_phrase(int status);

/* Writes the JSON body of an error answer, in the shape OpenAI clients expect:
 * {"error":{"message":...,"type":...,"param":null,"code":...}}. Returns its length, or WEFT_ERR_TOO_LARGE. The texts
 * are the program's own and hold nothing that JSON escapes. */
WEFT_MUST_USE int weft_refusal_body(char *buffer, size_t size, const struct weft_refusal *refusal);

/* How a carrier answers when the worker gave up with `error` (WEFT_ERR_*) before it had begun an answer, and when it
 * meets that error itself. Never NULL. */
const struct weft_refusal *weft_refusal_for_error(int error);

#endif
