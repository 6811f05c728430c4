/* node/opt_in.h - a node that was started with an invite (WEFT_MESH_KEY) joins by it, and asks again until a gateway
 * has answered.
 *
 * Only at its start, and only if it is in no mesh: who leaves while it runs stays out. What no asking again will change
 * is said once, and the node goes on alone. */
#ifndef WEFT_NODE_OPT_IN_H
#define WEFT_NODE_OPT_IN_H

#include "node/mesh.h"

#define WEFT_OPT_IN_FIRST (2 * WEFT_SECOND) /* until it asks again; doubles each time ... */
#define WEFT_OPT_IN_MOST  (64 * WEFT_SECOND)

/* Embedded; zeroed at first. */
struct weft_opt_in {
    struct weft_loop *loop;
    struct weft_journal *journal;
    struct weft_mesh *mesh;
    struct weft_timer timer;
    weft_time wait;
    const char *said;                 /* the code of the failure that the journal told last; NULL: none */
    char line[WEFT_INVITE_LINE_SIZE]; /* empty: there is nothing to do (any more) */
};

/* `line` is copied, and may be empty. On an error nothing needs to be undone. */
WEFT_MUST_USE int weft_opt_in_init(struct weft_opt_in *opt_in, struct weft_loop *loop, struct weft_journal *journal,
                                   struct weft_mesh *mesh, struct weft_slice line);
void weft_opt_in_deinit(struct weft_opt_in *opt_in); /* zeros are fine */
void weft_opt_in_start(struct weft_opt_in *opt_in);  /* the node runs, and attaches to the mesh that it is in */
void weft_opt_in_stop(struct weft_opt_in *opt_in);   /* nothing is asked any more */

#endif
