/* node/upstream.h - the other server that /v1/ is relayed to: who it is, and the connections to it.
 *
 * Connections are kept for the next exchange while both sides like it; over HTTP/2 one carries many. */
#ifndef WEFT_NODE_UPSTREAM_H
#define WEFT_NODE_UPSTREAM_H

#include "http/exchange.h"
#include "node/loop.h"
#include "node/metrics.h"
#include "wire/url.h"

#define WEFT_UPSTREAM_H1_IDLE                                                                                          \
    (4 * WEFT_SECOND) /* a spare HTTP/1.1 connection is kept: many servers close after 5 s                             \
                       */
#define WEFT_UPSTREAM_H2_IDLE       (60 * WEFT_SECOND) /* a spare HTTP/2 connection is kept */
#define WEFT_UPSTREAM_WAITERS_MAX   256 /* exchanges that wait for one connection to open: then another is dialled */
#define WEFT_UPSTREAM_ADDRESSES_MAX 4   /* tried in turn, of those a name has */

struct weft_upstream;

/* `url` is copied. `connections_max`: then WEFT_ERR_FULL. `id` tells this node from others: see weft_upstream_via(). */
WEFT_MUST_USE int weft_upstream_new(struct weft_upstream **out, struct weft_loop *loop, struct weft_metrics *metrics,
                                    const struct weft_url *url, size_t connections_max, uint64_t id);
/* Aborts what is running. */
void weft_upstream_free(struct weft_upstream *upstream);

/* "host:port" for the Host header; empty path prefix or "/base". */
struct weft_slice weft_upstream_authority(const struct weft_upstream *upstream);
/* What this node adds to Via: a request that comes with it has been here (RFC 9110 7.6.3). */
struct weft_slice weft_upstream_via(const struct weft_upstream *upstream);
struct weft_slice weft_upstream_scheme(const struct weft_upstream *upstream);
struct weft_slice weft_upstream_path(const struct weft_upstream *upstream);

/* Why the last connection to it failed, if none has opened since and there is more to say than the error: a phrase of
 * the program's own; else NULL. */
const char *weft_upstream_why(const struct weft_upstream *upstream);

/* Takes the worker's end of an exchange whose request head is complete. What goes wrong later is told by leaving it:
 * WEFT_ERR_REFUSED, _UNREACHABLE, _NOT_FOUND, _TIMEOUT or _CRYPTO when no connection could be made. On error here the
 * end is still the caller's. */
WEFT_MUST_USE int weft_upstream_ask(struct weft_upstream *upstream, struct weft_exchange *exchange);

#endif
