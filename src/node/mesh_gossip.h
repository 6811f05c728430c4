/* node/mesh_gossip.h - what a node knows of its mesh, and the mesh of it: the gossip, what this node says of itself,
 * and what is made of what others say.
 *
 * Runs while the node is in a mesh. What is heard goes where it is needed: who holds which model into node/peers, where
 * gateways are into node/attaching, who was revoked to the store and to whoever closes links. */
#ifndef WEFT_NODE_MESH_GOSSIP_H
#define WEFT_NODE_MESH_GOSSIP_H

#include "node/announcing.h"
#include "node/attaching.h"
#include "node/gossiping.h"
#include "node/mesh_peers.h"

struct weft_mesh_gossip;

struct weft_mesh_gossip_options {
    struct weft_loop *loop;
    struct weft_journal *journal;
    const struct weft_config *config;
    struct weft_mesh_state *state;
    const struct weft_identity *node;
    const char *version;
    struct weft_models *models;
    struct weft_peers *peers;
    struct weft_attaching *attaching;
    /* Where others reach this node: see weft_mesh_address(). */
    const char *(*address)(const void *self, char text[WEFT_HOSTPORT_MAX + 1]);
    const struct weft_links *(*links)(const void *self); /* of this node; NULL: none */
    /* Others say that this key was revoked: its links are to be closed. */
    void (*revoked)(void *self, const struct weft_key *subject);
    void *self;
};

/* On error *out is NULL. What `options` points to outlives it. */
WEFT_MUST_USE int weft_mesh_gossip_new(struct weft_mesh_gossip **out, const struct weft_mesh_gossip_options *options);
void weft_mesh_gossip_free(struct weft_mesh_gossip *gossip); /* NULL is fine */

/* The node is in a mesh, before it attaches. On error it does not run. That it runs is no error. */
WEFT_MUST_USE int weft_mesh_gossip_start(struct weft_mesh_gossip *gossip);
void weft_mesh_gossip_stop(struct weft_mesh_gossip *gossip); /* it leaves the mesh, or ends */

/* As node/attaching tells. */
void weft_mesh_gossip_attached(struct weft_mesh_gossip *gossip, const struct weft_key *gateway, struct weft_link *ask);
void weft_mesh_gossip_detached(struct weft_mesh_gossip *gossip, const struct weft_key *gateway);
/* See weft_gossiping_accept(). */
WEFT_MUST_USE int weft_mesh_gossip_accept(struct weft_mesh_gossip *gossip, struct weft_exchange *exchange,
                                          const struct weft_key *key, bool gateway);
/* What this node serves may be another now. */
void weft_mesh_gossip_models_changed(struct weft_mesh_gossip *gossip);
/* A revocation that was made or brought here. */
void weft_mesh_gossip_tell(struct weft_mesh_gossip *gossip, struct weft_slice revocation);
/* Somebody asked for the model of this hash. */
void weft_mesh_gossip_want(struct weft_mesh_gossip *gossip, const uint8_t hash[WEFT_HASH_SIZE]);

/* -- what is known -- */

const struct weft_gossiping *weft_mesh_gossip_of(const struct weft_mesh_gossip *gossip);
/* See weft_mesh_peers_by(). */
const struct weft_key *weft_mesh_gossip_by(const struct weft_mesh_gossip *gossip, const struct weft_entry *entry);

#endif
