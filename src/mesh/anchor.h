/* mesh/anchor.h - how a node holds on to its gateways: which one to dial and when, and which link is dead.
 *
 * A node wants links to WEFT_ANCHOR_WANTED different gateways, and a gateway to all others. It knows addresses; whose
 * they are shows when somebody answers there. It dials those first that did not fail, by chance among these, so that
 * nodes spread over gateways; the next one soon if the one before is slow; and after a loss not at once, but within a
 * time drawn for each node, or all nodes of a gateway that ends would come to the next one together.
 *
 * Pure state: time and a seed come in, _next() says what to do. Only deadlines of the monotonic clock count. If _next()
 * is called long after its deadline, this node slept: then links are asked at once whether they live, and gateways that
 * could not be reached are dialled anew. */
#ifndef WEFT_MESH_ANCHOR_H
#define WEFT_MESH_ANCHOR_H

#include "mesh/liveness.h"
#include "wire/hostport.h"
#include "wire/key.h"

#define WEFT_ANCHOR_WANTED        2   /* links to different gateways, if nothing else is said */
#define WEFT_ANCHOR_DIALS_MAX     4   /* under way at once */
#define WEFT_ANCHOR_WANTED_MAX    128 /* of a gateway: all others */
#define WEFT_ANCHOR_LINKS_MAX     (WEFT_ANCHOR_WANTED_MAX + WEFT_ANCHOR_DIALS_MAX)
#define WEFT_ANCHOR_ADDRESSES_MAX 256 /* then the one that failed most goes, or the new one is refused */

#define WEFT_ANCHOR_PACE         (100 * WEFT_MS)    /* between the starts of two dials */
#define WEFT_ANCHOR_SLOW         (400 * WEFT_MS)    /* so, if a dial is under way for each link that is missing */
#define WEFT_ANCHOR_DIAL_TIMEOUT (4 * WEFT_SECOND)  /* until the gateway has let this node in */
#define WEFT_ANCHOR_SPREAD       (500 * WEFT_MS)    /* the first dial after a loss is somewhere in this time */
#define WEFT_ANCHOR_STEADY       (10 * WEFT_SECOND) /* a link that holds so long makes up for its gateway's failures */
#define WEFT_ANCHOR_OVERSLEPT    (1 * WEFT_SECOND)  /* so late, _next() takes it that this node slept */
#define WEFT_ANCHOR_PATIENCE     50                 /* failures in a row, about a minute, until it is tried rarely */

/* Until an address that failed is dialled again: between half of this and all, by chance. */
#define WEFT_ANCHOR_AGAIN        (250 * WEFT_MS)         /* twice that after the next failure, and so on ... */
#define WEFT_ANCHOR_AGAIN_MAX    (1500 * WEFT_MS)        /* ... up to this */
#define WEFT_ANCHOR_AGAIN_RARELY (30 * WEFT_SECOND)      /* when patience is at its end */
#define WEFT_ANCHOR_AGAIN_BUSY   (10 * WEFT_SECOND)      /* WEFT_ANCHOR_BUSY */
#define WEFT_ANCHOR_AGAIN_DENIED (10 * 60 * WEFT_SECOND) /* WEFT_ANCHOR_DENIED */

/* How a dial or a link came to its end, if not by a step of _next(). */
enum weft_anchor_end {
    WEFT_ANCHOR_LOST,   /* not reached, or broken */
    WEFT_ANCHOR_BUSY,   /* the gateway has no room, or is about to end: others first */
    WEFT_ANCHOR_DENIED, /* whoever answers is no gateway of this mesh, or does not let this node in */
};

enum weft_anchor_step_kind {
    WEFT_ANCHOR_DIAL, /* `address`, as link `link`; then say _attached() or _ended() */
    WEFT_ANCHOR_PING, /* link `link` */
    WEFT_ANCHOR_DROP, /* close link or dial `link`; it is not known here any more */
};

enum weft_anchor_reason {
    WEFT_ANCHOR_SILENT,    /* it does not answer */
    WEFT_ANCHOR_TOO_SLOW,  /* the dial takes too long */
    WEFT_ANCHOR_DUPLICATE, /* another link leads to the same gateway */
    WEFT_ANCHOR_SURPLUS,   /* there are enough links */
    WEFT_ANCHOR_FORGOTTEN, /* it is no gateway any more */
};

struct weft_anchor_step {
    enum weft_anchor_step_kind kind;
    enum weft_anchor_reason reason; /* of a drop */
    int link;                       /* 0 to WEFT_ANCHOR_LINKS_MAX - 1; used again after its end */
    struct weft_slice address;      /* host:port; until the next call */
};

struct weft_anchor;

/* On error *out is NULL. */
WEFT_MUST_USE int weft_anchor_new(struct weft_anchor **out, uint64_t seed, weft_time now);
void weft_anchor_free(struct weft_anchor *anchor);

/* How many links it wants from now on, 1 to WEFT_ANCHOR_WANTED_MAX. Those that are too many then stay. */
void weft_anchor_want(struct weft_anchor *anchor, size_t wanted);

/* A gateway can be reached there. `key`: whose address it is, NULL if that is not known. `keep`: it was named by this
 * node's owner or invite, and makes room for no other. 1: it is new; 0: it is known; WEFT_ERR_FULL; WEFT_ERR_INVALID or
 * WEFT_ERR_TOO_LARGE: it is no address. */
WEFT_MUST_USE int weft_anchor_learn(struct weft_anchor *anchor, struct weft_slice address, const struct weft_key *key,
                                    bool keep, weft_time now);
/* This key is no gateway's any more: its links are dropped, its addresses forgotten. */
void weft_anchor_forget(struct weft_anchor *anchor, const struct weft_key *key, weft_time now);

/* The dial `link` reached this gateway, which has let this node in. */
void weft_anchor_attached(struct weft_anchor *anchor, int link, const struct weft_key *key, weft_time now);
void weft_anchor_heard(struct weft_anchor *anchor, int link, weft_time now);
void weft_anchor_ended(struct weft_anchor *anchor, int link, enum weft_anchor_end end, weft_time now);
/* This node slept, or its network changed. */
void weft_anchor_wake(struct weft_anchor *anchor, weft_time now);

/* What to do now: 1, and again until it says 0. */
WEFT_MUST_USE int weft_anchor_next(struct weft_anchor *anchor, weft_time now, struct weft_anchor_step *out);
weft_time weft_anchor_deadline(const struct weft_anchor *anchor); /* of the next _next(); WEFT_NEVER if there is none */

size_t weft_anchor_attachments(const struct weft_anchor *anchor);

#endif
