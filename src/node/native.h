/* node/native.h - one request to an engine, and its answer frame by frame.
 *
 * The asker of an exchange with an engine, ours or a peer's, whatever front it serves. Frames come from the turn.
 * Nothing is lost between them: a stream that ends without its end frame is an error, and said so. */
#ifndef WEFT_NODE_NATIVE_H
#define WEFT_NODE_NATIVE_H

#include "http/exchange.h"
#include "node/loop.h"
#include "node/relay.h"
#include "wire/native.h"

#define WEFT_NATIVE_PROBLEM_MAX 512
#define WEFT_NATIVE_CODE_MAX    48
#define WEFT_NATIVE_RETRY_S     2
#define WEFT_NATIVE_ANSWER_MAX  ((size_t)64 * 1024 * 1024) /* bytes of an answer that comes whole */

struct weft_native; /* one such request */

/* Why it failed: as the engine said, or in words of ours ("engine_lost"). */
struct weft_native_problem {
    int status;  /* for an HTTP answer that has not begun */
    int retry_s; /* for its Retry-After, or 0 */
    bool passes; /* another attempt may do better: the engine is gone, or says that it cannot now */
    char code[WEFT_NATIVE_CODE_MAX];
    char message[WEFT_NATIVE_PROBLEM_MAX];
};

struct weft_native_user {
    /* The engine took the request: frames follow. */
    void (*begun)(void *self);
    /* One frame, but for error and end; its slices hold during the call. NULL if none is awaited. */
    void (*frame)(void *self, const struct weft_frame *frame);
    /* An answer that is no stream of frames: all of it, once, before `ended`. NULL if none is awaited. */
    void (*answer)(void *self, struct weft_slice body);
    /* The last call: NULL if the stream is whole. The request is freed after it. */
    void (*ended)(void *self, const struct weft_native_problem *problem);
};

struct weft_native_options {
    struct weft_loop *loop;
    struct weft_relay_target target; /* the engine */
    struct weft_slice path;          /* "/generate" is answered by frames, others by one JSON text */
    struct weft_bytes *body;         /* JSON; taken. NULL: it is a GET */
    const struct weft_field *fields; /* of the request, beside its type; copied */
    size_t field_count;
    const struct weft_native_user *user;
    void *self;
};

/* On error *out is NULL and nothing is called; `body` may be emptied. Beside the usual errors it is that of the
 * target's `ask`: WEFT_ERR_FULL when the engine takes no more. */
WEFT_MUST_USE int weft_native_start(struct weft_native **out, const struct weft_native_options *options);
/* Whoever asked has lost interest: the engine is told, nothing is called any more. From a callback too. */
void weft_native_cancel(struct weft_native *native);
/* While on, frames are kept back (up to the flow's window): the reader is slow. */
void weft_native_pause(struct weft_native *native, bool on);

#endif
