/* node/announcing.h - what a node says of itself to its mesh: which models it serves, on what, how fast.
 *
 * Said anew when it has changed, WEFT_ANNOUNCING_PACE apart at least, and before others forget it. A client says that
 * it is there, and serves nothing. Models that are not known by their hash are not named: nobody could ask for just
 * them. */
#ifndef WEFT_NODE_ANNOUNCING_H
#define WEFT_NODE_ANNOUNCING_H

#include "base/random.h"
#include "mesh/roster.h"
#include "mesh/signing.h"
#include "node/config.h"
#include "node/loop.h"
#include "node/mesh_state.h"
#include "node/models.h"

#define WEFT_ANNOUNCING_PACE    WEFT_SECOND
#define WEFT_ANNOUNCING_MEASURE (2 * WEFT_SECOND) /* of work without a break: then its speed is known */
#define WEFT_ANNOUNCING_COARSE  10 /* a speed that differs by less than one part in so many is the same */

struct weft_announcing_options {
    struct weft_loop *loop;
    struct weft_journal *journal;
    const struct weft_config *config;
    struct weft_mesh_state *state;
    const struct weft_identity *node;
    const struct weft_models *models;
    const char *version;
    /* Where others reach this node; NULL: nowhere. `text` is for it. */
    const char *(*address)(const void *self, char text[WEFT_HOSTPORT_MAX + 1]);
    /* Tells the others; what their roster said of it. */
    enum weft_roster_outcome (*say)(void *self, struct weft_slice announcement);
    void *self;
};

/* Embedded. Private, but for the counts. */
struct weft_announcing {
    struct weft_announcing_options options;
    struct weft_timer timer;
    struct weft_random random;
    bool runs, raising;
    uint64_t incarnation, sequence; /* of what was said last */
    weft_time said_at, renew_at;
    size_t said_size;                    /* 0: nothing was said yet */
    uint8_t said[WEFT_ANNOUNCEMENT_MAX]; /* without its number and date */
    uint64_t count;                      /* announcements made */
    uint64_t sampled;                    /* tokens, when it was looked last */
    weft_time looked_at;                 /* WEFT_NEVER: nothing ran then */
    uint32_t speed_centi;
};

/* Makes room for its timer. WEFT_ERR_MEMORY. What `options` points to outlives it. */
WEFT_MUST_USE int weft_announcing_init(struct weft_announcing *announcing,
                                       const struct weft_announcing_options *options);
void weft_announcing_deinit(struct weft_announcing *announcing); /* zeros are fine */

void weft_announcing_start(struct weft_announcing *announcing); /* in a mesh, with somebody to say it to */
void weft_announcing_stop(struct weft_announcing *announcing);
/* Something may have changed: a model, a certificate, an address. */
void weft_announcing_look(struct weft_announcing *announcing);
/* Somebody knows a later announcement of this node than it has made (weft_roster_outrun). */
void weft_announcing_outrun(struct weft_announcing *announcing, uint64_t incarnation);
/* Now and then, a few seconds apart: how fast the engines are. */
void weft_announcing_measure(struct weft_announcing *announcing);

#endif
