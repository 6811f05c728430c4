/* engine/pipe.h - the socket to the node, and the HTTP/2 server on top of it.
 *
 * It reads while its carrier wants input, and writes once a turn. The peer is the node that started us: there is no
 * TLS, and nothing to find out about the protocol. */
#ifndef WEFT_ENGINE_PIPE_H
#define WEFT_ENGINE_PIPE_H

#include "base/turn.h"
#include "host/host.h"
#include "http/exchange.h"

struct weft_pipe;

struct weft_pipe_options {
    struct weft_turn *turn; /* must outlive the pipe */
    struct weft_host *host;
    struct weft_socket *socket; /* connected; the pipe's from then on, also when _new fails */
    /* A request's head is here; the worker's end is the user's to attach or leave. */
    void (*request)(void *self, struct weft_exchange *exchange);
    /* Nothing comes or goes any more. Once, from the turn's flush; the pipe is still to be freed. `error`: 0, or
     * WEFT_ERR_MEMORY where that ended it, not the peer. */
    void (*closed)(void *self, int error);
    void *self;
};

/* On error *out is NULL. */
WEFT_MUST_USE int weft_pipe_new(struct weft_pipe **out, const struct weft_pipe_options *options);
/* Exchanges that run are aborted. NULL is fine. */
void weft_pipe_free(struct weft_pipe *pipe);

/* When _expire wants to be called, at the latest. */
weft_time weft_pipe_deadline(const struct weft_pipe *pipe);
/* Does what is due at turn->now; to be called before the turn's tasks are run. */
void weft_pipe_expire(struct weft_pipe *pipe);

#endif
