/* node/client_port.h - where a node meets its clients: its listeners, and the connections that were accepted there. */
#ifndef WEFT_NODE_CLIENT_PORT_H
#define WEFT_NODE_CLIENT_PORT_H

#include "crypto/tls.h"
#include "node/access.h"
#include "node/config.h"
#include "node/connection.h"
#include "node/metrics.h"

struct weft_client_port;

struct weft_client_port_user {
    /* A request's head is here; the worker's end is the user's to attach or leave. */
    void (*request)(void *self, struct weft_exchange *exchange, const struct weft_caller *caller);
    void (*refused)(void *self, int status, const char *why); /* see weft_carrier_owner */
    void (*closed)(void *self, int why, const char *phrase);  /* see weft_connection_user */
    void (*changed)(void *self);                              /* the number of connections */
};

struct weft_client_port_options {
    struct weft_loop *loop;
    struct weft_metrics *metrics;
    const struct weft_config *config;
    const struct weft_client_port_user *user;
    void *self;
};

struct weft_client_listener {
    struct weft_client_port *port;
    struct weft_listener *socket; /* NULL when not listening */
    struct weft_config_listener bound;
};

/* Embedded in a node. */
struct weft_client_port {
    struct weft_client_port_options options;
    struct weft_tls_context *tls; /* of tls: listeners, or NULL; not the port's */
    struct weft_client_listener listeners[WEFT_CONFIG_LISTENERS_MAX];
    size_t listener_count;
    struct weft_connection *connections;
    size_t connection_count;
};

void weft_client_port_init(struct weft_client_port *port, const struct weft_client_port_options *options);
/* Binds what the settings say, accepting nothing yet. On error `problem` says why in a sentence, and some may be
 * bound. */
WEFT_MUST_USE int weft_client_port_open(struct weft_client_port *port, char *problem, size_t size);
void weft_client_port_accept(struct weft_client_port *port, bool on);
void weft_client_port_close(struct weft_client_port *port); /* the listeners; connections stay */
void weft_client_port_drain(struct weft_client_port *port); /* connections finish what is running, then close */
void weft_client_port_cut(struct weft_client_port *port);   /* they end at once, and nothing is said */

#endif
