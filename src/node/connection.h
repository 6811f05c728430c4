/* node/connection.h - one connection: a socket, a filter (TLS) if there is any, and the HTTP carrier on top.
 *
 * Who dialled usually asks. On a link between two nodes it is what both have agreed on that says who asks: a node that
 * cannot be dialled serves on a connection that it has dialled itself. A link whose peer is silent ends as
 * mesh/liveness.h says; so does the dial of one.
 *
 * It reads when its carrier wants input, writes once a turn, and ends itself: its user hears `closed` and must let go.
 * All of its endings happen in the turn's flush, never inside a call. */
#ifndef WEFT_NODE_CONNECTION_H
#define WEFT_NODE_CONNECTION_H

#include "crypto/filter.h"
#include "http/carrier.h"
#include "mesh/liveness.h"
#include "node/loop.h"

struct weft_connection;

struct weft_connection_user {
    /* A link: it is known who the peer is (_key), and who asks (_asks). 1: it is trusted; 0: not yet; an error: it is
     * not wanted. NULL refuses links. */
    int (*met)(void *self, struct weft_connection *connection);
    /* Serves: a request's head is here; the worker's end is the user's to attach or leave. */
    void (*request)(void *self, struct weft_connection *connection, struct weft_exchange *exchange);
    /* Serves: the carrier refused a request (see weft_carrier_owner). NULL for one that never serves. */
    void (*refused)(void *self, int status, const char *why);
    /* Asks: after every flush in which it can carry exchanges; the user may ask, and asks again which it can. NULL
     * for a user who asks only when he has something to ask. */
    void (*usable)(void *self, struct weft_connection *connection);
    /* It is over and will be freed when this returns: 0, or why it failed. `phrase` says more, or is NULL. */
    void (*closed)(void *self, struct weft_connection *connection, int why, const char *phrase);
};

struct weft_connection_options {
    struct weft_loop *loop;
    const struct weft_connection_user *user;
    void *self;
    struct weft_filters *filters; /* NULL: plain */
    size_t body_max;              /* serves: of request bodies */
    bool local;                   /* accepted: over a Unix socket */
    bool h2;                      /* dialled, plain: HTTP/2 with prior knowledge */
    bool trusted;                 /* its peer is our own: see weft_carrier_options */
    const char *name;             /* dialled, filtered: the server's name */
    bool link;                    /* dialled, filtered: it must become a link ... */
    const struct weft_key *key;   /* ... whose peer has this key; NULL: any */
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

/* Ends it in the next flush, with what is running on it; `closed` says `why`, which is an error. */
void weft_connection_cut(struct weft_connection *connection, int why, const char *phrase);
/* Finishes what is running, then closes. */
void weft_connection_drain(struct weft_connection *connection);
bool weft_connection_local(const struct weft_connection *connection);
/* A link's peer; NULL of what is none, or not yet. */
const struct weft_key *weft_connection_key(const struct weft_connection *connection);
/* What both ends of a link, and nobody else, can compute: see struct weft_filter_ops. */
WEFT_MUST_USE int weft_connection_binding(const struct weft_connection *connection,
                                          uint8_t out[WEFT_FILTER_BINDING_SIZE]);
/* We ask, the peer serves. Holds once the protocol is agreed. */
bool weft_connection_asks(const struct weft_connection *connection);
/* A link's peer may be gone (this machine slept, its address changed): it is asked now. */
void weft_connection_doubt(struct weft_connection *connection);
/* A link's peer has become one that is trusted. */
void weft_connection_trust(struct weft_connection *connection);
/* NULL until the protocol is agreed. */
struct weft_carrier *weft_connection_carrier(struct weft_connection *connection);
bool weft_connection_h2(const struct weft_connection *connection); /* the protocol that was agreed */

/* The user's list of connections; what is in it is the user's. */
struct weft_connection_links {
    struct weft_connection *next, *previous;
    uint64_t number; /* among all there ever were */
};
struct weft_connection_links *weft_connection_links(struct weft_connection *connection);

#endif
