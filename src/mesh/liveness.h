/* mesh/liveness.h - whether the other end of a link is still there: asked when it is silent, dead when that stays so.
 *
 * Whatever comes over a link says that it lives, so a busy one is never asked. One that fell silent is known dead
 * WEFT_LIVENESS_DEAD after it was last heard; later, if this node itself did not run in between: what came meanwhile is
 * read first. Both ends of a link can do this. Pure state: time comes in. */
#ifndef WEFT_MESH_LIVENESS_H
#define WEFT_MESH_LIVENESS_H

#include "base/types.h"

#define WEFT_LIVENESS_QUIET  (1500 * WEFT_MS) /* nothing was heard for so long: it is asked */
#define WEFT_LIVENESS_ANSWER (2500 * WEFT_MS) /* nor then: a last look in WEFT_LIVENESS_LAST */
#define WEFT_LIVENESS_LAST   (500 * WEFT_MS)
#define WEFT_LIVENESS_DEAD   (WEFT_LIVENESS_QUIET + WEFT_LIVENESS_ANSWER + WEFT_LIVENESS_LAST)

enum weft_liveness_state {
    WEFT_LIVENESS_CALM,   /* it was heard not long ago */
    WEFT_LIVENESS_ASKED,  /* its answer is awaited */
    WEFT_LIVENESS_DOUBTED /* the answer is late; what this node has not read yet may be it */
};

/* Embedded in its user; all of it may be read. */
struct weft_liveness {
    enum weft_liveness_state state;
    weft_time next; /* when to look again */
};

enum weft_liveness_verdict {
    WEFT_LIVENESS_ALIVE,
    WEFT_LIVENESS_PING, /* ask it: an h2 PING */
    WEFT_LIVENESS_GONE, /* end the link */
};

/* Something came; so it begins too. */
void weft_liveness_heard(struct weft_liveness *liveness, weft_time now);
/* It may be gone (this node slept, its address changed): the next look says PING. */
void weft_liveness_doubt(struct weft_liveness *liveness, weft_time now);
/* At liveness->next, or whenever. */
enum weft_liveness_verdict weft_liveness_look(struct weft_liveness *liveness, weft_time now);

#endif
