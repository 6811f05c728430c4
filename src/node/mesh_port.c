/* node/mesh_port.c - where a node meets other nodes: its key, its links, and the listener by which they come in. */
#include "node/mesh_port.h"

#include <stdio.h>

#include "base/assert.h"
#include "base/error.h"
#include "crypto/secret.h"

/* -- the key -- */

_Static_assert(WEFT_IDENTITY_TEXT_SIZE <= WEFT_KEPT_TEXT_MAX, "a key file fits");

static size_t make_key(void *self, struct weft_host *host, char text[WEFT_KEPT_TEXT_MAX])
{
    struct weft_mesh_port *port = self;
    uint8_t seed[WEFT_SEED_SIZE];
    host->ops->entropy(host, seed, sizeof(seed));
    weft_identity_init(&port->identity, seed);
    weft_secret_wipe(seed, sizeof(seed));
    weft_identity_text(&port->identity, WEFT_IDENTITY_NODE, text);
    return WEFT_IDENTITY_TEXT_SIZE - 1;
}

static int take_key(void *self, struct weft_slice text)
{
    struct weft_mesh_port *port = self;
    const char *why; /* the file's path and advice say more to a person */
    return weft_identity_parse(&port->identity, WEFT_IDENTITY_NODE, text, &why);
}

static void on_found(void *self, int status, const char *problem)
{
    struct weft_mesh_port *port = self;
    port->options.found(port->options.self, status, problem);
}

static const struct weft_kept_kind key_kind = {
    .what = "node's key",
    .useless = "It holds no key of a node that this weft can read: put it back as it was, or remove it; then a new "
               "one is made, and this node is a stranger to its mesh.",
    .make = make_key,
    .take = take_key,
    .found = on_found,
};

void weft_mesh_port_find(struct weft_mesh_port *port)
{
    weft_kept_find(&port->file);
}

void weft_mesh_port_look(struct weft_mesh_port *port)
{
    weft_kept_look(&port->file);
}

void weft_mesh_port_forget(struct weft_mesh_port *port)
{
    weft_kept_forget(&port->file);
}

/* -- the listener -- */

static void on_accepted(void *self, struct weft_socket *socket)
{
    struct weft_mesh_port *port = self;
    if (weft_links_accept(port->links, socket) < 0) {
        port->options.metrics->connections_refused++; /* out of memory: it was reset, which is all that can be said */
    }
}

static const struct weft_listener_user listener_user = {.accepted = on_accepted};

static void say_why_not(char *problem, size_t size, const struct weft_address *wanted, int status)
{
    const char *advice = status == WEFT_ERR_BUSY     ? "Another program listens there: stop it, or choose another port"
                         : status == WEFT_ERR_DENIED ? "Ports below 1024 are for the administrator: choose a higher one"
                                                     : "Check that the address is this machine's, or choose another";
    /* A sentence that is cut at the end of `problem` is still one that helps. */
    (void)snprintf(problem, size, "Cannot listen for the mesh on %s, port %u: %s. %s with --mesh-listen.", wanted->text,
                   wanted->port, weft_error_text(status), advice);
}

static int listen_on(struct weft_mesh_port *port, const struct weft_address *address, char *problem, size_t size)
{
    struct weft_host *host = port->options.loop->host;
    int error = host->ops->listen(host, address, &listener_user, port, &port->listener, &port->bound);
    if (error < 0) {
        say_why_not(problem, size, address, error);
        return error;
    }
    host->ops->accept(port->listener, false);
    return 0;
}

int weft_mesh_port_open(struct weft_mesh_port *port, const struct weft_address *listen, char *problem, size_t size)
{
    const struct weft_mesh_port_options *options = &port->options;
    struct weft_host *host = options->loop->host;
    WEFT_ASSERT(!port->links && weft_key_set(&port->identity.key));
    int error =
        options->security->make(&port->filters, &port->identity, options->web, host->ops->wall(host) / WEFT_SECOND);
    if (error == 0) {
        const struct weft_links_options links = {.loop = options->loop,
                                                 .metrics = options->metrics,
                                                 .user = options->user,
                                                 .self = options->self,
                                                 .filters = port->filters,
                                                 .key = port->identity.key,
                                                 .body_max = options->body_max,
                                                 .strangers_max = options->strangers_max};
        error = weft_links_new(&port->links, &links);
    }
    if (error < 0) {
        (void)snprintf(problem, size, "Cannot make links to other nodes: %s.", weft_error_text(error)); /* fits */
        return error;
    }
    return listen ? listen_on(port, listen, problem, size) : 0;
}

void weft_mesh_port_accept(struct weft_mesh_port *port, bool on)
{
    if (port->listener) {
        port->options.loop->host->ops->accept(port->listener, on);
    }
}

void weft_mesh_port_close(struct weft_mesh_port *port)
{
    if (port->listener) {
        port->options.loop->host->ops->unlisten(port->listener);
        port->listener = NULL;
    }
}

size_t weft_mesh_port_links(const struct weft_mesh_port *port)
{
    return port->links ? weft_links_count(port->links) : 0;
}

/* -- made and unmade -- */

int weft_mesh_port_init(struct weft_mesh_port *port, const struct weft_mesh_port_options *options)
{
    *port = (struct weft_mesh_port){.options = *options};
    return weft_kept_init(&port->file, &key_kind, port, options->loop->host, options->state_folder, WEFT_MESH_KEY_FILE);
}

void weft_mesh_port_deinit(struct weft_mesh_port *port)
{
    weft_mesh_port_close(port);
    weft_links_free(port->links);
    port->links = NULL;
    if (port->filters.own) {
        port->options.security->unmake(&port->filters);
    }
    weft_identity_deinit(&port->identity);
}
