/* node/external_reading.h - what an OpenAI-compatible server answers, as frames of the native stream.
 *
 * Pure: the bytes of a streamed answer come in, frames go out. Such a server tells no ids, so none of the frames is a
 * token: texts, tool calls, finishes, the usage, and how it ended. Servers differ in what they add and leave out; read
 * is what llama-server, vLLM and Ollama send, and what others say that means the same. */
#ifndef WEFT_NODE_EXTERNAL_READING_H
#define WEFT_NODE_EXTERNAL_READING_H

#include "node/native.h"
#include "node/openai_request.h"

#define WEFT_EXTERNAL_CALL_NAME_MAX 256 /* bytes of a tool's name, in all its pieces: then WEFT_ERR_TOO_LARGE */

struct weft_external_reading;

struct weft_external_reading_options {
    enum weft_openai_shape shape;
    uint16_t choices;
    /* One frame; its slices hold during the call. The last one is an error or the end. */
    void (*frame)(void *self, const struct weft_frame *frame);
    void *self;
};

/* On error *out is NULL. */
WEFT_MUST_USE int weft_external_reading_new(struct weft_external_reading **out,
                                            const struct weft_external_reading_options *options);
void weft_external_reading_free(struct weft_external_reading *reading);

/* Reads on through *input to the end of an event, drops what it has read and gives the frames of the event. 1: call
 * again. 0: the input is used up, or the last frame was given. An error is for good: WEFT_ERR_INVALID for what cannot
 * be understood, WEFT_ERR_TOO_LARGE for an event past WEFT_SSE_EVENT_MAX, too many tool calls or too long a name of
 * one, WEFT_ERR_MEMORY; WEFT_ERR_CLOSED where the server says that it has told everything, and a choice has no end: it
 * was cut. */
WEFT_MUST_USE int weft_external_reading_take(struct weft_external_reading *reading, struct weft_slice *input);

/* The stream has stopped. Where each choice has its end the answer is whole, whether the server said so or not, and the
 * last frames are given if they were not yet; else it is WEFT_ERR_CLOSED: it was cut. */
WEFT_MUST_USE int weft_external_reading_end(struct weft_external_reading *reading);

/* What a server's refusal means for the client: `status` is that of its answer, `body` whatever came with it, JSON or
 * not. What the server says is passed on only where it is about the request, never where it is about a key. */
void weft_external_refusal(int status, struct weft_slice body, struct weft_native_problem *problem);

#endif
