/* node/connection.h - one connection: a socket, TLS if there is any, and the HTTP carrier on top.
 *
 * It reads when its carrier wants input, writes once a turn, and ends itself: its user hears `closed` and must let go.
 * All of its endings happen in the turn's flush, never inside a call. */
#ifndef WEFT_NODE_CONNECTION_H
#define WEFT_NODE_CONNECTION_H

#include "crypto/tls.h"
#include "http/carrier.h"
#include "node/loop.h"

struct weft_connection;

struct weft_connection_user {
    /* Accepted: a request's head is here; the worker's end is the user's to attach or leave. */
    void (*request)(void *self, struct weft_connection *connection, struct weft_exchange *exchange);
    /* Accepted: the carrier refused a request (see weft_carrier_owner). Dialled: NULL. */
    void (*refused)(void *self, int status, const char *why);
    /* Dialled: after every flush in which it can carry exchanges; the user may ask, and asks again which it can. NULL
     * for a user who asks only when he has something to ask. */
    void (*usable)(void *self, struct weft_connection *connection);
    /* It is over and will be freed when this returns: 0, or why it failed. `phrase` says more, or is NULL. */
    void (*closed)(void *self, struct weft_connection *connection, int why, const char *phrase);
};

struct weft_connection_options {
    struct weft_loop *loop;
    const struct weft_connection_user *user;
    void *self;
    struct weft_tls_context *tls; /* NULL: plain */
    size_t body_max;              /* accepted: of request bodies */
    bool local;                   /* accepted: over a Unix socket */
    bool h2;                      /* dialled, plain: HTTP/2 with prior knowledge */
    bool trusted;                 /* its peer is our own: see weft_carrier_options */
    const char *name;             /* dialled, TLS: the server's name */
};

/* The socket is the connection's from then on, also when this fails. */
WEFT_MUST_USE int weft_connection_accept(struct weft_connection **out, const struct weft_connection_options *options,
                                         struct weft_socket *socket);
WEFT_MUST_USE int weft_connection_dial(struct weft_connection **out, const struct weft_connection_options *options,
                                       const struct weft_address *address);
/* As if dialled, over a socket that is connected already. The socket is the connection's from then on, also when this
 * fails. */
WEFT_MUST_USE int weft_connection_adopt(struct weft_connection **out, const struct weft_connection_options *options,
                                        struct weft_socket *socket);
/* At once, without `closed`: for the end of a node. */
void weft_connection_free(struct weft_connection *connection);

/* Finishes what is running, then closes. */
void weft_connection_drain(struct weft_connection *connection);
bool weft_connection_local(const struct weft_connection *connection);
/* Dialled: NULL until the protocol is agreed. */
struct weft_carrier *weft_connection_carrier(struct weft_connection *connection);
bool weft_connection_h2(const struct weft_connection *connection); /* the protocol that was agreed */

/* The user's list of connections; what is in it is the user's. */
struct weft_connection_links {
    struct weft_connection *next, *previous;
    uint64_t number; /* among all there ever were */
};
struct weft_connection_links *weft_connection_links(struct weft_connection *connection);

#endif
