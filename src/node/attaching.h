/* node/attaching.h - a node's links to its gateways: kept, lost, and made again.
 *
 * Which gateway is dialled and when, mesh/anchor says. Here a dial is this: the address is looked up, a link is made on
 * which we ask (weft/1), both ends show who they are (POST /mesh/v1/hello), and then a second link is made to the same
 * place on which we serve (weft-reverse/1), so that the gateway can ask a node that nobody could dial. Only then the
 * node is attached. If either of the two links ends, both do, and mesh/anchor goes on.
 *
 * A node wants two gateways, a gateway wants all others. Two gateways that know each other may have two attachments,
 * one dialled by each.
 *
 * Where gateways are is known from the invite, from the settings, from what gateways announce, and, after a start, from
 * the store, which keeps all of that. */
#ifndef WEFT_NODE_ATTACHING_H
#define WEFT_NODE_ATTACHING_H

#include "mesh/anchor.h"
#include "node/gateway_book.h"
#include "node/known.h"
#include "node/link.h"
#include "node/mesh_state.h"

#define WEFT_ATTACHING_TRIES_MAX   4                 /* numeric addresses of one name, tried one after the other */
#define WEFT_ATTACHING_PROBLEM_MAX 384               /* bytes */
#define WEFT_ATTACHING_SLEPT       (2 * WEFT_SECOND) /* the wall clock went so much further: this machine slept */

struct weft_attaching;

/* Told from the turn, never from inside a call of _learn() or _forget(). */
struct weft_attaching_user {
    /* We are attached to this gateway: we ask it on `ask`, until `detached` comes; it asks us on a link of its own. */
    void (*attached)(void *self, const struct weft_key *gateway, struct weft_link *ask);
    /* We are not any more, perhaps from inside of a link's `closed`: `ask` may be freed when this returns. What is
     * being asked on it tells its end itself. */
    void (*detached)(void *self, const struct weft_key *gateway);
};

struct weft_attaching_options {
    struct weft_loop *loop;
    struct weft_journal *journal;
    struct weft_mesh_state *state; /* what we show, and by which others are judged */
    struct weft_known *known;      /* who has shown what; learns gateways here */
    const char *version;
    const struct weft_attaching_user *user;
    void *self;
};

/* What `options` points to outlives it. On error *out is NULL. */
WEFT_MUST_USE int weft_attaching_new(struct weft_attaching **out, const struct weft_attaching_options *options);
/* After the host's loop has ended. NULL is fine. */
void weft_attaching_free(struct weft_attaching *attaching);

/* The node is in a mesh and has links: what the store knows of gateways is dialled, and whatever else is learnt. If it
 * has started, nothing happens. WEFT_ERR_MEMORY. */
WEFT_MUST_USE int weft_attaching_start(struct weft_attaching *attaching, struct weft_links *links);
/* It ends: its links close in order, and `detached` is not said. It may be started again. */
void weft_attaching_stop(struct weft_attaching *attaching);
/* It has left its mesh: the same, and nothing of the mesh's gateways is kept. */
void weft_attaching_leave(struct weft_attaching *attaching);

/* Before it joins: where the invite says that gateways are. Asked of the store when this returns. */
void weft_attaching_name(struct weft_attaching *attaching, const struct weft_key *mesh, const struct weft_key *issuer,
                         const struct weft_slice *addresses, size_t count);
/* A gateway said where it is (weft_announcement.addresses); those that are none, and more than
 * WEFT_GATEWAY_ADDRESSES_MAX, are left out. Kept, if that is news. This node itself is left out too. */
void weft_attaching_learn(struct weft_attaching *attaching, const struct weft_key *gateway,
                          const struct weft_slice *addresses, size_t count);
/* It is no gateway of the mesh any more (revoked): its links end, its addresses are forgotten. */
void weft_attaching_forget(struct weft_attaching *attaching, const struct weft_key *gateway);

/* What the links tell: see struct weft_links_user. */
void weft_attaching_opened(struct weft_attaching *attaching, struct weft_link *link);
void weft_attaching_closed(struct weft_attaching *attaching, const struct weft_link *link, int why, const char *phrase);

/* To whom we are attached now: 0, 1 ...; false behind the last. */
struct weft_attaching_gateway {
    const struct weft_key *key;
    const char *address; /* as we know it */
    weft_time since;
    struct weft_link *ask;
};
bool weft_attaching_at(const struct weft_attaching *attaching, size_t index, struct weft_attaching_gateway *out);
/* Why the last try came to nothing, as a sentence; "" if none did since we were attached last. */
const char *weft_attaching_problem(const struct weft_attaching *attaching);

#endif
