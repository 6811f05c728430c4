/* node/node.h - one whole node: its listeners, its front door, its connections and its end.
 *
 * It asks its surroundings for everything through host/host.h, and is the guest that the host runs: the same code
 * answers under libuv and in the simulator. */
#ifndef WEFT_NODE_NODE_H
#define WEFT_NODE_NODE_H

#include "crypto/secret.h"
#include "host/host.h"
#include "node/config.h"
#include "node/journal.h"
#include "node/link.h"
#include "node/models.h"

#define WEFT_NODE_PROBLEM_MAX     512
#define WEFT_NODE_TOKEN_FILE      "owner.token" /* in the state folder */
#define WEFT_NODE_CONNECTIONS_MIN 8 /* a limit of open files that leaves fewer connections is refused at start */

struct weft_node;

/* What a node needs to know before it starts. Everything must outlive the node, but for `certificate`,
 * `certificate_key`, `mesh_key` and `external_keys`. */
struct weft_node_options {
    struct weft_host *host;
    const struct weft_config *config;
    struct weft_slice certificate, certificate_key; /* PEM; empty without a tls: listener */
    struct weft_secret api_key;                     /* all zeros: none */
    struct weft_slice mesh_key;                     /* an invite's line: see node/opt_in.h; copied, may be empty */
    const char *state_folder;                       /* where owner.token is, or will be made */
    const char *version;
    enum weft_journal_format journal_format;
    const char *engine;        /* path of weft-engine; NULL without a model */
    const char *const *models; /* paths of the model files */
    size_t model_count;        /* at most WEFT_MODELS_MAX */
    size_t models_offered;     /* the last so many of them are loaded when they are asked for, not at once */
    /* What the settings' external servers are shown, one for each; copied. NULL: nothing. */
    const struct weft_slice *external_keys;
    const struct weft_link_security *security; /* of its links; may be NULL where no `mesh.listen` is set */
    /* Who has this key, in place of what the node itself knows of it; see struct weft_links_user. NULL: as it knows. */
    enum weft_principal (*who)(void *self, const struct weft_key *key);
    /* Its listeners are bound and it answers (0), or it cannot start and `problem` says why in a sentence. Its models
     * begin to load then. */
    void (*started)(void *self, int status, const char *problem);
    /* What a model is at, or how far it has loaded, has changed. NULL if nobody wants to know, as the next one. */
    void (*model_changed)(void *self, const struct weft_model_info *info);
    /* Every model that is not only offered was ready, once: it can do what it is for. Without any that is right after
     * `started`. */
    void (*ready)(void *self);
    /* After a drain or a stop: no listener, no client and no engine is left, and the host may end its loop. Spare
     * connections to the upstream go with weft_node_free(). */
    void (*stopped)(void *self);
    void *self;
};

WEFT_MUST_USE int weft_node_new(struct weft_node **out, const struct weft_node_options *options, char *problem,
                                size_t problem_size);
void weft_node_start(struct weft_node *node); /* `started` comes later */
void weft_node_free(struct weft_node *node);  /* after the host's loop has ended: no callback may come any more */
struct weft_guest weft_node_guest(struct weft_node *node);

/* Takes no new connection or request, and finishes what is running, at most for `timeout` (negative: the setting's):
 * then every answer that is left ends with an error that says so. At last it ends its engines and stops. */
void weft_node_drain(struct weft_node *node, weft_time timeout);
/* Cuts everything that runs and ends the engines, then says `stopped`; a second one does not wait for engines. */
void weft_node_stop(struct weft_node *node);

/* How many answers a stop, or a drain that took too long, has cut. */
size_t weft_node_cut(const struct weft_node *node);

/* Where it listens, once started. */
size_t weft_node_listeners(const struct weft_node *node);
struct weft_config_listener weft_node_listener(const struct weft_node *node, size_t index);
/* Where other nodes reach it, and its links to them; NULL where nobody does. */
const struct weft_address *weft_node_mesh_address(const struct weft_node *node);
struct weft_mesh *weft_node_mesh(const struct weft_node *node); /* perhaps not on */
struct weft_links *weft_node_links(struct weft_node *node);
size_t weft_node_connections_max(
    const struct weft_node *node); /* clients at once: the setting, or what the host has room for */

#endif
