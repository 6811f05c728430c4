/* node/client_port.c - where a node meets its clients. */
#include "node/client_port.h"

#include <stdio.h>

#include "base/error.h"

/* -- connections -- */

static void on_request(void *self, struct weft_connection *connection, struct weft_exchange *exchange)
{
    const struct weft_client_port *port = self;
    const struct weft_caller caller = {.local = weft_connection_local(connection),
                                       .connection = weft_connection_links(connection)->number};
    port->options.user->request(port->options.self, exchange, &caller);
}

static void on_refused(void *self, int status, const char *why)
{
    const struct weft_client_port *port = self;
    port->options.user->refused(port->options.self, status, why);
}

static void unlink_connection(struct weft_client_port *port, struct weft_connection *connection)
{
    struct weft_connection_links *links = weft_connection_links(connection);
    if (links->previous) {
        weft_connection_links(links->previous)->next = links->next;
    } else {
        port->connections = links->next;
    }
    if (links->next) {
        weft_connection_links(links->next)->previous = links->previous;
    }
    port->connection_count--;
}

static void on_closed(void *self, struct weft_connection *connection, int why, const char *phrase)
{
    struct weft_client_port *port = self;
    unlink_connection(port, connection);
    port->options.user->closed(port->options.self, why, phrase);
    port->options.user->changed(port->options.self);
}

static const struct weft_connection_user connection_user = {
    .request = on_request, .refused = on_refused, .closed = on_closed};

static void on_accepted(void *self, struct weft_socket *socket)
{
    const struct weft_client_listener *listener = self;
    struct weft_client_port *port = listener->port;
    struct weft_metrics *metrics = port->options.metrics;
    const struct weft_connection_options options = {
        .loop = port->options.loop,
        .user = &connection_user,
        .self = port,
        .filters = listener->bound.scheme == WEFT_CONFIG_TLS ? weft_tls_filters(port->tls) : NULL,
        .body_max = (size_t)port->options.config->body_max,
        .local = listener->bound.scheme == WEFT_CONFIG_UNIX,
    };
    struct weft_connection *connection;
    metrics->connections_total++;
    if (weft_connection_accept(&connection, &options, socket) < 0) {
        metrics->connections_refused++; /* out of memory: the socket was reset, which is all that can be said */
        return;
    }
    struct weft_connection_links *links = weft_connection_links(connection);
    links->number = metrics->connections_total;
    links->next = port->connections;
    if (port->connections) {
        weft_connection_links(port->connections)->previous = connection;
    }
    port->connections = connection;
    port->connection_count++;
    port->options.user->changed(port->options.self);
}

static const struct weft_listener_user listener_user = {.accepted = on_accepted};

/* -- listeners -- */

static void say_why_not(char *text, size_t size, const struct weft_config_listener *wanted, int status)
{
    const char *address = wanted->address.text;
    unsigned port = wanted->address.port;
    /* A sentence that is cut at the end of `text` is still a sentence that helps. */
    if (wanted->scheme == WEFT_CONFIG_UNIX) {
        const char *advice = status == WEFT_ERR_BUSY ? "Another program answers there; stop it, or choose another path."
                             : status == WEFT_ERR_EXISTS ? "It is no socket, and so not replaced; choose another path."
                                                         : "Check that its folder exists and is yours.";
        (void)snprintf(text, size, "Cannot listen on unix:%s: %s. %s", address, weft_error_text(status), advice);
    } else if (status == WEFT_ERR_BUSY) {
        (void)snprintf(text, size,
                       "Port %u on %s is taken by another program (perhaps another weft). Stop it, or choose another "
                       "port with --port.",
                       port, address);
    } else if (status == WEFT_ERR_DENIED) {
        (void)snprintf(text, size,
                       "The system does not let this program listen on port %u. Ports below 1024 are for the "
                       "administrator; choose a higher one with --port.",
                       port);
    } else {
        (void)snprintf(text, size, "Cannot listen on %s, port %u: %s. Check that the address is this machine's.",
                       address, port, weft_error_text(status));
    }
}

/* By default a node listens on 127.0.0.1 and ::1. A machine without IPv6 has no ::1, and does not need it. */
static bool may_be_missing(const struct weft_config *config, size_t index, int error)
{
    return config->listeners_by_default && index > 0 && (error == WEFT_ERR_NOT_FOUND || error == WEFT_ERR_UNSUPPORTED);
}

int weft_client_port_open(struct weft_client_port *port, char *problem, size_t size)
{
    const struct weft_config *config = port->options.config;
    struct weft_host *host = port->options.loop->host;
    for (size_t i = 0; i < config->listeners.count; i++) {
        struct weft_client_listener *listener = &port->listeners[port->listener_count];
        *listener = (struct weft_client_listener){.port = port, .bound = config->listeners.at[i]};
        struct weft_address address = listener->bound.address;
        if (i > 0 && address.port == 0 && config->listeners_by_default) {
            address.port = port->listeners[0].bound.address.port; /* both get the one that was free */
        }
        int error =
            host->ops->listen(host, &address, &listener_user, listener, &listener->socket, &listener->bound.address);
        if (may_be_missing(config, i, error)) {
            continue;
        }
        if (error < 0) {
            say_why_not(problem, size, &config->listeners.at[i], error);
            return error;
        }
        host->ops->accept(listener->socket, false); /* until the node runs */
        port->listener_count++;
    }
    return 0;
}

void weft_client_port_accept(struct weft_client_port *port, bool on)
{
    for (size_t i = 0; i < port->listener_count; i++) {
        if (port->listeners[i].socket) {
            port->options.loop->host->ops->accept(port->listeners[i].socket, on);
        }
    }
}

void weft_client_port_close(struct weft_client_port *port)
{
    for (size_t i = 0; i < port->listener_count; i++) {
        if (port->listeners[i].socket) {
            port->options.loop->host->ops->unlisten(port->listeners[i].socket);
            port->listeners[i].socket = NULL;
        }
    }
}

/* -- its end -- */

void weft_client_port_drain(struct weft_client_port *port)
{
    for (struct weft_connection *c = port->connections; c; c = weft_connection_links(c)->next) {
        weft_connection_drain(c); /* it closes in the flush, not here */
    }
}

void weft_client_port_cut(struct weft_client_port *port)
{
    while (port->connections) {
        struct weft_connection *connection = port->connections;
        unlink_connection(port, connection);
        weft_connection_free(connection);
    }
}

void weft_client_port_init(struct weft_client_port *port, const struct weft_client_port_options *options)
{
    *port = (struct weft_client_port){.options = *options};
}
