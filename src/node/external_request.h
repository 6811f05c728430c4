/* node/external_request.h - one request to an OpenAI-compatible server, and its answer frame by frame.
 *
 * The asker of an exchange with a server that is not ours, in the shape of node/native.h: whoever uses the one can use
 * the other. What the server sends is read by node/external_reading.h. */
#ifndef WEFT_NODE_EXTERNAL_REQUEST_H
#define WEFT_NODE_EXTERNAL_REQUEST_H

#include "node/native.h"
#include "node/openai_request.h"

#define WEFT_EXTERNAL_ANSWER_MAX ((size_t)4 * 1024 * 1024) /* bytes of an answer that comes whole */

struct weft_external_request; /* one such request */

struct weft_external_request_options {
    struct weft_loop *loop;
    struct weft_relay_target target; /* the server; `path` is the API's, "/v1" */
    struct weft_slice key;           /* what it is shown; empty: nothing */
    struct weft_bytes *body;         /* JSON; taken, and answered by frames. NULL: its models are asked for */
    enum weft_openai_shape shape;    /* of the answer */
    uint16_t choices;
    /* `ended` says "engine_lost" where the server or the way to it broke, as an engine does; "external_unreachable"
     * where it has not heard of the request; "external_busy" where it takes nothing now. */
    const struct weft_native_user *user;
    void *self;
};

/* As weft_native_start(): on error *out is NULL and nothing is called. */
WEFT_MUST_USE int weft_external_request_start(struct weft_external_request **out,
                                              const struct weft_external_request_options *options);
/* As weft_native_cancel(), weft_native_pause(). */
void weft_external_request_cancel(struct weft_external_request *request);
void weft_external_request_pause(struct weft_external_request *request, bool on);

#endif
