/* node/mesh_port.h - where a node meets other nodes: its key, its links, and the listener by which they come in. */
#ifndef WEFT_NODE_MESH_PORT_H
#define WEFT_NODE_MESH_PORT_H

#include "node/kept_file.h"
#include "node/link.h"

#define WEFT_MESH_KEY_FILE "node.key" /* in the state folder */

struct weft_mesh_port_options {
    struct weft_loop *loop;
    struct weft_metrics *metrics;
    const struct weft_link_security *security;
    const struct weft_tls_identity *web; /* shown to callers without a key; NULL: the node's own certificate */
    const char *state_folder;
    size_t body_max, strangers_max; /* see struct weft_links_options */
    /* The key was found or made (0), or an error and a sentence that says why and what to do. */
    void (*found)(void *self, int status, const char *problem);
    const struct weft_links_user *user; /* of its links */
    void *self;                         /* of both */
};

/* Embedded in a node. */
struct weft_mesh_port {
    struct weft_mesh_port_options options;
    struct weft_kept_file file;
    struct weft_identity identity; /* once it is found */
    struct weft_link_filters filters;
    struct weft_links *links;       /* NULL until it is open */
    struct weft_listener *listener; /* NULL when not listening */
    struct weft_address bound;
};

/* WEFT_ERR_TOO_LARGE if the key file's path is longer than any. */
WEFT_MUST_USE int weft_mesh_port_init(struct weft_mesh_port *port, const struct weft_mesh_port_options *options);
/* Zeros are fine too. All links end at once. */
void weft_mesh_port_deinit(struct weft_mesh_port *port);

void weft_mesh_port_find(struct weft_mesh_port *port); /* the key: `found` comes, perhaps at once */
void weft_mesh_port_look(struct weft_mesh_port *port); /* likewise, but makes none: then it is WEFT_ERR_NOT_FOUND */
void weft_mesh_port_forget(struct weft_mesh_port *port);
/* With the key: links can be made from now on. `listen`: where they come in, accepting nothing yet; NULL: nowhere. On
 * error `problem` says why in a sentence. */
WEFT_MUST_USE int weft_mesh_port_open(struct weft_mesh_port *port, const struct weft_address *listen, char *problem,
                                      size_t size);
void weft_mesh_port_accept(struct weft_mesh_port *port, bool on);
void weft_mesh_port_close(struct weft_mesh_port *port); /* the listener; links stay */
size_t weft_mesh_port_links(const struct weft_mesh_port *port);

#endif
