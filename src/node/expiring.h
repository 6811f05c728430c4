/* node/expiring.h - links end with the certificates that their peers have shown.
 *
 * Requests are judged one by one; a link, and the gossip on it, go on for months. So when what a peer has shown is past
 * its end (WEFT_SKEW_S is given), and it has shown nothing newer, its links are cut, and what it said on them goes with
 * them: whom a gateway vouches for, that a node is reached. Both ends do that, each by its own clock.
 *
 * A certificate that was renewed is shown by a hello; that of a gateway, which greets nobody, comes with what it
 * announces, and counts as well. */
#ifndef WEFT_NODE_EXPIRING_H
#define WEFT_NODE_EXPIRING_H

#include "node/known.h"
#include "node/link.h"
#include "node/mesh_gossip.h"

#define WEFT_EXPIRING_LOOK    (5 * WEFT_SECOND) /* how often it looks: wall clocks jump */
#define WEFT_EXPIRING_AHEAD_S 60                /* so long before the end it looks for something newer */

struct weft_expiring_options {
    struct weft_loop *loop;
    const struct weft_mesh_state *state;
    struct weft_known *known;
    const struct weft_mesh_gossip *gossip;
    const struct weft_links *(*links)(const void *self); /* of this node; NULL: none */
    const void *self;
};

/* Embedded. */
struct weft_expiring {
    struct weft_expiring_options options;
    struct weft_timer timer;
};

/* On an error nothing needs to be undone. What `options` points to outlives it. */
WEFT_MUST_USE int weft_expiring_init(struct weft_expiring *expiring, const struct weft_expiring_options *options);
void weft_expiring_deinit(struct weft_expiring *expiring); /* zeros are fine */
void weft_expiring_start(struct weft_expiring *expiring);  /* in a mesh; again: nothing happens */
void weft_expiring_stop(struct weft_expiring *expiring);

#endif
