/* node/renewing.h - a node's certificate is renewed before it ends.
 *
 * From the middle between its dates on, a while later that is drawn for each node, or all that joined on one day would
 * come at once: a peer or client asks a gateway that it is attached to, a gateway the root, if its key is here, or else
 * another gateway that may have it. Nobody else can renew a gateway's: the journal says by when that must be done. A
 * new certificate counts once it is stored. */
#ifndef WEFT_NODE_RENEWING_H
#define WEFT_NODE_RENEWING_H

#include "node/attaching.h"
#include "node/posting.h"

#define WEFT_RENEWING_LOOK   (60 * WEFT_SECOND)    /* how often it looks whether it is time */
#define WEFT_RENEWING_SAY    (86400 * WEFT_SECOND) /* how often it says that somebody must do something */
#define WEFT_RENEWING_SPREAD 8                     /* it begins in the first eighth of the time that is left */

/* Embedded. */
struct weft_renewing {
    struct weft_loop *loop;
    struct weft_journal *journal;
    const struct weft_identity *node;
    struct weft_mesh_state *state;
    const struct weft_attaching *attaching;
    struct weft_posting posting;
    struct weft_timer timer;
    size_t next;       /* of the gateways: the one to ask */
    weft_time said;    /* that somebody must do something; 0: never */
    uint64_t before;   /* serial of the certificate that is to be renewed */
    uint32_t fraction; /* of the spread, drawn at the start */
    bool storing;
};

/* On an error nothing needs to be undone. */
WEFT_MUST_USE int weft_renewing_init(struct weft_renewing *renewing, struct weft_loop *loop,
                                     struct weft_journal *journal, const struct weft_identity *node,
                                     struct weft_mesh_state *state, const struct weft_attaching *attaching);
/* After the host's loop has ended. Zeros are fine too. */
void weft_renewing_deinit(struct weft_renewing *renewing);
void weft_renewing_start(struct weft_renewing *renewing); /* in a mesh; again: nothing happens */
void weft_renewing_stop(struct weft_renewing *renewing);

/* The second from which on `own` is to be renewed here. */
int64_t weft_renewing_due_s(const struct weft_renewing *renewing, const struct weft_certificate *own);

#endif
