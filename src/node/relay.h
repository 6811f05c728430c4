/* node/relay.h - carries an exchange from one carrier to another: streaming both ways, cancelling both ways.
 *
 * The relay is the worker of the exchange it was given and the asker of one it makes. Heads are rebuilt from
 * allow-lists: what a client sends to prove itself to us goes no further. */
#ifndef WEFT_NODE_RELAY_H
#define WEFT_NODE_RELAY_H

#include "http/exchange.h"
#include "http/refusal.h"
#include "node/loop.h"

#define WEFT_RELAY_SILENCE                                                                                             \
    (600 * WEFT_SECOND) /* no byte from the upstream, while it is its turn: then 504, or the end */

/* Where a relayed exchange goes on: an upstream, an engine, a peer. */
struct weft_relay_target {
    /* Takes the worker's end of an exchange whose request head is complete, as weft_upstream_ask() does. */
    int (*ask)(void *self, struct weft_exchange *exchange);
    void *self;
    struct weft_slice scheme, authority; /* of the requests to it */
    struct weft_slice via;               /* what we call ourselves to it, so that a loop is noticed; may be empty */
    struct weft_slice path;              /* what stands before each target; may be empty */
};

struct weft_relay; /* one such exchange, until `done` */

/* How a relayed exchange went. */
struct weft_relay_result {
    int status;           /* what the client was answered; 0 if it left before */
    int error;            /* 0, or what went wrong upstream */
    bool cancelled;       /* the client left */
    weft_time first_byte; /* when the answer's body began, or 0 */
    uint64_t request_bytes, answer_bytes;
};

/* What it is that is relayed. */
struct weft_relay_kind {
    const char *const *request_fields; /* those that travel on */
    size_t request_field_count;
    /* What the client is told when the other side fails so. */
    struct weft_refusal (*refusal_for)(int error);
};

struct weft_relay_options {
    struct weft_loop *loop;
    struct weft_relay_target target;    /* its strings are copied */
    struct weft_slice asks;             /* what is asked for there; empty: what was asked for here. Copied */
    const struct weft_relay_kind *kind; /* NULL: a server of the API, as weft_upstream is */
    /* Called once, at the end; the exchange is still there during the call, and the worker's end is left right after
     * it. */
    void (*done)(void *self, const struct weft_relay_result *result);
    void *self;
};

/* Whether a request has been relayed by this node before: the upstream leads back here, and each round would begin the
 * next one until nothing is left. */
bool weft_relay_loops(const struct weft_exchange *exchange, struct weft_slice via);

/* Takes the worker's end of `exchange`. On error that is still the caller's, and *out is NULL. */
WEFT_MUST_USE int weft_relay_start(struct weft_relay **out, struct weft_exchange *exchange,
                                   const struct weft_relay_options *options);
/* Ends it now, from the turn: the client is told why, as far as its answer still allows; `done` is called. */
void weft_relay_cut(struct weft_relay *relay, const struct weft_refusal *why, int retry_s);

#endif
