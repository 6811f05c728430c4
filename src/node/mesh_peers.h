/* node/mesh_peers.h - who of the mesh can be asked for which model, as the roster has it: keeps node/peers up to date.
 *
 * A node that is no gateway hears only of those who serve what it says it uses. That is what was asked for last and,
 * as far as there is room, the first models of the mesh's catalogue: so in a mesh of few models it knows whom to ask
 * before anybody wants one. */
#ifndef WEFT_NODE_MESH_PEERS_H
#define WEFT_NODE_MESH_PEERS_H

#include "node/gossiping.h"
#include "node/models.h"
#include "node/peer_way.h"
#include "node/peers.h"

struct weft_mesh_peers_options {
    struct weft_gossiping *gossiping;
    struct weft_peers *peers;
    struct weft_key self_key;
    const struct weft_models *models;                    /* this node's own; NULL: none */
    const struct weft_links *(*links)(const void *self); /* of this node; NULL: none */
    const void *self;
};

/* What node/peers was told of one, by its place in the roster. */
struct weft_mesh_peers_told {
    struct weft_key key; /* not set: nobody */
    uint64_t stamp;      /* of the announcement */
    uint64_t round;      /* in which it was seen last */
    bool alive;
    weft_time since; /* as the roster has it */
    enum weft_peer_path path;
};

/* Embedded. Private. */
struct weft_mesh_peers {
    struct weft_mesh_peers_options options;
    struct weft_mesh_peers_told *told;
    size_t room; /* of `told` */
    uint64_t round;
    uint8_t wanted[WEFT_GOSSIP_USED_MAX][WEFT_HASH_SIZE]; /* asked for; the last one first */
    uint8_t used[WEFT_GOSSIP_USED_MAX][WEFT_HASH_SIZE];   /* what gateways were told */
    size_t wanted_count, used_count;
    char path[WEFT_PEER_WAY_PATH_MAX];
};

void weft_mesh_peers_init(struct weft_mesh_peers *peers, const struct weft_mesh_peers_options *options);
void weft_mesh_peers_deinit(struct weft_mesh_peers *peers); /* zeros are fine */

/* The roster, or the links, may have changed. */
void weft_mesh_peers_update(struct weft_mesh_peers *peers);
void weft_mesh_peers_forget(struct weft_mesh_peers *peers); /* the mesh was left: nobody is known */
/* Somebody asked for a model of this hash. */
void weft_mesh_peers_want(struct weft_mesh_peers *peers, const uint8_t hash[WEFT_HASH_SIZE]);

/* How a node is reached now: by whom (its own key if nobody stands between), or NULL. */
const struct weft_key *weft_mesh_peers_by(const struct weft_mesh_peers *peers, const struct weft_entry *entry);

#endif
