/* node/gossiping.h - a node's part in the gossip of its mesh: what it knows of others, and the streams by which it
 * comes to know it.
 *
 * A stream is one exchange, POST /mesh/v1/gossip, whose request and answer both go on for as long as the link: what the
 * one who opened it says is the request's body, what the other says is the answer's. Whoever attached opens it. What is
 * said, mesh/gossip says; here it is carried, the clock is kept, and a stream that ended is opened anew while the node
 * is attached. A slow link holds back WEFT_GOSSIP_OUTPUT_MAX bytes, and more is not said.
 *
 * It runs while the node is in a mesh. */
#ifndef WEFT_NODE_GOSSIPING_H
#define WEFT_NODE_GOSSIPING_H

#include "http/exchange.h"
#include "mesh/gossip.h"
#include "node/journal.h"
#include "node/loop.h"
#include "node/mesh_state.h"

#define WEFT_GOSSIPING_PATH       "/mesh/v1/gossip"
#define WEFT_GOSSIPING_TYPE       "application/x-weft-gossip"
#define WEFT_GOSSIPING_END        "x-weft-gossip-end"  /* the trailer that says why it was ended */
#define WEFT_GOSSIPING_AGAIN      (2 * WEFT_SECOND)    /* between half of this and all, until it is opened anew */
#define WEFT_GOSSIPING_SLOW       (100 * WEFT_MS)      /* changes are told no faster */
#define WEFT_GOSSIPING_OF_KEY_MAX 4                    /* streams that one key opens: more are refused */
#define WEFT_GOSSIPING_KEPT_MAX   WEFT_REVOCATIONS_MAX /* that are to be stored; others are heard of again some time */

struct weft_link;
struct weft_gossiping;

struct weft_gossiping_user {
    /* Sends the exchange over the link, as weft_link_ask() does. */
    int (*ask)(void *self, struct weft_link *link, struct weft_exchange *exchange);
    /* What is known of others may have changed. From the turn. */
    void (*changed)(void *self);
    /* This key was revoked, as others say: its links are to be closed. From the turn. */
    void (*revoked)(void *self, const struct weft_key *subject);
};

struct weft_gossiping_options {
    struct weft_loop *loop;
    struct weft_journal *journal;
    struct weft_mesh_state *state;
    const struct weft_identity *node;
    const struct weft_gossiping_user *user;
    void *self;
};

/* On error *out is NULL. What `options` points to outlives it. */
WEFT_MUST_USE int weft_gossiping_new(struct weft_gossiping **out, const struct weft_gossiping_options *options);
void weft_gossiping_free(struct weft_gossiping *gossiping); /* NULL is fine */

/* The node is in a mesh. On error it does not run; that it runs already is no error. */
WEFT_MUST_USE int weft_gossiping_start(struct weft_gossiping *gossiping);
/* It leaves the mesh, or ends: every stream ends, and all that was heard is forgotten. */
void weft_gossiping_stop(struct weft_gossiping *gossiping);

/* This node has attached itself to a gateway, which can be asked on `link` until _detached(). */
void weft_gossiping_attached(struct weft_gossiping *gossiping, const struct weft_key *gateway, struct weft_link *link);
void weft_gossiping_detached(struct weft_gossiping *gossiping, const struct weft_key *gateway);
/* Somebody asks for a stream: takes the worker's end. WEFT_ERR_DENIED: this node is no gateway; WEFT_ERR_CLOSED: in no
 * mesh; WEFT_ERR_FULL, WEFT_ERR_MEMORY. On error the end is still the caller's. */
WEFT_MUST_USE int weft_gossiping_accept(struct weft_gossiping *gossiping, struct weft_exchange *exchange,
                                        const struct weft_key *key, bool gateway);

/* -- what is known; NULL while it does not run -- */

const struct weft_roster *weft_gossiping_roster(const struct weft_gossiping *gossiping);
const struct weft_gossip *weft_gossiping_gossip(const struct weft_gossiping *gossiping);
size_t weft_gossiping_streams(const struct weft_gossiping *gossiping); /* open now */

/* -- what this node says; nothing happens while it does not run -- */

/* Its announcement, signed: see weft_gossip_announce(). WEFT_ROSTER_NO_MEMBER while it does not run. */
WEFT_MUST_USE enum weft_roster_outcome weft_gossiping_announce(struct weft_gossiping *gossiping,
                                                               struct weft_slice announcement);
/* A revocation that is stored, and was not heard of by gossip. */
void weft_gossiping_tell(struct weft_gossiping *gossiping, struct weft_slice revocation);
void weft_gossiping_use(struct weft_gossiping *gossiping, const uint8_t (*hashes)[WEFT_HASH_SIZE], size_t count);

#endif
