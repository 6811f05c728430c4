/* sim/swarm.h - what goes wrong in a mesh: a swarm of faults, chosen by the seed.
 *
 * Each seed turns some kinds on and leaves the others out, so that also what many kinds together would hide is seen;
 * how often and how hard each strikes is drawn too. Everything heals at the end. */
#ifndef WEFT_SIM_SWARM_H
#define WEFT_SIM_SWARM_H

#include "sim/member.h"

#define WEFT_SWARM_ACTIVE_MAX 32 /* faults that last, at once: then no other begins */

enum weft_swarm_kind {
    WEFT_SWARM_LOSS,      /* segments are lost, from the beginning */
    WEFT_SWARM_SLOW_PATH, /* one way takes much longer for a while */
    WEFT_SWARM_CUT,       /* nothing arrives from one at another, one way */
    WEFT_SWARM_ISLAND,    /* nothing arrives from one, or at one, or both */
    WEFT_SWARM_DROP,      /* connections break */
    WEFT_SWARM_FORGET,    /* connections break, and nobody is told */
    WEFT_SWARM_PAUSE,     /* a node is kept from running */
    WEFT_SWARM_CLOCK,     /* a wall clock is set, within what is tolerated */
    WEFT_SWARM_CRASH,     /* a process ends, and what was not on its disk is lost */
    WEFT_SWARM_POWER,     /* a machine does */
    WEFT_SWARM_SLOW_DISK,
    WEFT_SWARM_FULL_DISK,
    WEFT_SWARM_KINDS,
};

/* What lasts. */
struct weft_swarm_fault {
    enum weft_swarm_kind kind; /* of those that end something */
    struct weft_member *one, *other;
    weft_time until;
};

struct weft_swarm {
    struct weft_story *story;
    struct weft_member *members;
    size_t count;
    bool on[WEFT_SWARM_KINDS];
    weft_time gap; /* from one to the next, at most */
    weft_time next;
    weft_time latency_max;
    struct weft_swarm_fault active[WEFT_SWARM_ACTIVE_MAX];
    size_t active_count;
    unsigned struck;
};

/* Draws the kinds, the weather and the clocks. */
void weft_swarm_begin(struct weft_swarm *swarm, struct weft_story *story, struct weft_member *members, size_t count);
void weft_swarm_tick(struct weft_swarm *swarm); /* ends what is over, and strikes when it is time */
/* No fault is left, and none comes any more: who was down is up again soon; clocks stay as they are. */
void weft_swarm_heal(struct weft_swarm *swarm);

#endif
