/* node/mesh.h - what a node has to do with its mesh: its key, its state, whom it admits, and how it joins.
 *
 * A node that is in no mesh and was told of none has none of it: no key, no store, no link. */
#ifndef WEFT_NODE_MESH_H
#define WEFT_NODE_MESH_H

#include "node/admitting.h"
#include "node/applying.h"
#include "node/attaching.h"
#include "node/config.h"
#include "node/mesh_gossip.h"
#include "node/mesh_port.h"

#define WEFT_MESH_PROBLEM_MAX 512

struct weft_mesh;

struct weft_mesh_options {
    struct weft_loop *loop;
    struct weft_journal *journal;
    const struct weft_config *config;
    const char *folder; /* of the node's state */
    const char *version;
    struct weft_mesh_port *port; /* its `found` is to be passed on to weft_mesh_found() */
    /* Once after _start(): the node can go on (0), or `problem` says why not. */
    void (*started)(void *self, int status, const char *problem);
    /* It has got a key after the start: its links can be opened. 0, or an error and why. */
    int (*wanted)(void *self, char *problem, size_t size);
    void *self;
};

/* On error *out is NULL. */
WEFT_MUST_USE int weft_mesh_new(struct weft_mesh **out, const struct weft_mesh_options *options);
/* After the host's loop has ended. NULL is fine. */
void weft_mesh_free(struct weft_mesh *mesh);
/* What this node serves, and whom it can ask: before _start(). Both go after the mesh has forgotten them (_forget). */
void weft_mesh_has(struct weft_mesh *mesh, struct weft_models *models, struct weft_peers *peers);

/* Finds what there is of a key and a mesh; makes them only where the settings ask for a gateway, or for a listener of
 * the mesh. */
void weft_mesh_start(struct weft_mesh *mesh);
void weft_mesh_drain(struct weft_mesh *mesh);  /* whoever waits for a join, or for having left, is told that it ends */
void weft_mesh_forget(struct weft_mesh *mesh); /* the node ends: nothing is told any more */

/* What the port and its links tell. */
void weft_mesh_found(struct weft_mesh *mesh, int status, const char *problem);
void weft_mesh_opened(struct weft_mesh *mesh, struct weft_link *link);
void weft_mesh_closed(struct weft_mesh *mesh, const struct weft_link *link, int why, const char *phrase);

/* -- who others are -- */

enum weft_principal weft_mesh_who(const struct weft_mesh *mesh, const struct weft_key *key);
/* On a link whose peer has this key it has shown this chain: see weft_known_show(). In a mesh. */
enum weft_verdict weft_mesh_meet(struct weft_mesh *mesh, const struct weft_key *key, struct weft_slice chain,
                                 int *error);
/* A link on which that node can be asked now, or NULL. */
struct weft_link *weft_mesh_link_to(const struct weft_mesh *mesh, const struct weft_key *key);
/* This key was just revoked: the links of those who are out by that are cut, and it is no gateway any more. */
void weft_mesh_revoked(struct weft_mesh *mesh, const struct weft_key *subject);

/* -- what it is -- */

bool weft_mesh_gateway(const struct weft_mesh *mesh);                     /* its certificate says so */
struct weft_links *weft_mesh_links(const struct weft_mesh *mesh);         /* NULL: it has none */
bool weft_mesh_on(const struct weft_mesh *mesh);                          /* it has a key and a state */
struct weft_mesh_state *weft_mesh_state_of(const struct weft_mesh *mesh); /* NULL: it is not on */
struct weft_admitting *weft_mesh_admitting(const struct weft_mesh *mesh); /* likewise */
const struct weft_identity *weft_mesh_identity(const struct weft_mesh *mesh);
/* NULL: it is not on. */
struct weft_attaching *weft_mesh_attaching(const struct weft_mesh *mesh);
struct weft_mesh_gossip *weft_mesh_gossip(const struct weft_mesh *mesh); /* likewise */
/* Where others are told to reach this node: of the settings, or where it listens if that says where. NULL: nobody
 * knows. `text` is for it. */
const char *weft_mesh_address(const struct weft_mesh *mesh, char text[WEFT_HOSTPORT_MAX + 1]);

/* -- joining, attaching, leaving -- */

/* What this node serves may be another now. */
void weft_mesh_models_changed(struct weft_mesh *mesh);
/* Somebody asks here for a model of the mesh's. `mesh`: NULL is fine. */
void weft_mesh_want(struct weft_mesh *mesh, const uint8_t hash[WEFT_HASH_SIZE]);
/* Links can be made from now on: if it is in a mesh, it attaches to the mesh's gateways. */
void weft_mesh_attach(struct weft_mesh *mesh);
/* As weft_mesh_state_leave(); then no link is left. */
WEFT_MUST_USE int weft_mesh_leave(struct weft_mesh *mesh, weft_mesh_state_done *done, void *self);

struct weft_mesh_joined {
    int status;          /* 0: it is in */
    const char *code;    /* a word for programs: "used_up"; "" if it is in */
    const char *problem; /* a sentence; "" if it is in */
};

/* Joins by an invite's line: `done` comes once, perhaps at once. */
void weft_mesh_join(struct weft_mesh *mesh, struct weft_slice line,
                    void (*done)(void *self, const struct weft_mesh_joined *joined), void *self);

#endif
