/* sim/batch.h - an engine that works in steps, played: each brings one token to every answer that runs.
 *
 * It says what sim/script.h has for a request, behind what the request says was delivered, and checks that this is
 * right: the very tokens that it had sampled, all but those of one step. How it is to fail is asked for from outside,
 * and its process goes with it. One process at a time. */
#ifndef WEFT_SIM_BATCH_H
#define WEFT_SIM_BATCH_H

#include "sim/child.h"
#include "sim/scenario.h"
#include "sim/script.h"

#define WEFT_BATCH_REQUESTS_MAX 64 /* different ones, by their seeds */
#define WEFT_BATCH_CALL_IDS_MAX 64

/* What is known of a request, over all attempts at it. */
struct weft_batch_request {
    uint64_t seed; /* 0: not in use */
    unsigned attempts;
    uint64_t sampled;                        /* tokens */
    size_t reached[WEFT_SCRIPT_CHOICES_MAX]; /* the last attempt came so far */
    size_t told[WEFT_SCRIPT_CHOICES_MAX];    /* the last attempt was told that so many were delivered */
    size_t lost;                             /* tokens that were sampled and not delivered */
    size_t slack;                            /* so many of a choice may be, of the last attempt */
    char call_ids[WEFT_BATCH_CALL_IDS_MAX];
};

/* How a process is to end at its next step. */
enum weft_batch_end {
    WEFT_BATCH_LIVES,
    WEFT_BATCH_UNSAID, /* the step's tokens are sampled, and nothing of them is out */
    WEFT_BATCH_CUT,    /* in the middle of what it says, be it of a frame */
};

struct weft_batch_task;

struct weft_batch {
    struct weft_story *story;
    struct weft_children children;
    struct weft_timer step, end;
    struct weft_batch_task *first;
    weft_time gap; /* from a step to the next */
    bool hangs;    /* it computes no more; its other thread answers on */
    bool shared;   /* others answer too: what an attempt was told may have been sampled there */
    bool careful;  /* the node may take answers back, and what is under way then is lost */
    weft_time thinks_until;
    enum weft_batch_end ends;
    int code, signal; /* ... with this */
    uint64_t steps, sampled, deaths;
    uint64_t asked;                                       /* requests, of the process that lives */
    void (*ended)(struct weft_batch *batch, bool killed); /* the process has, `killed` by the node; may be NULL */
    /* This process takes the request with this seed; may be NULL. */
    void (*takes)(struct weft_batch *batch, const struct weft_child *child, uint64_t seed);
    void *self;
    struct weft_batch_request requests[WEFT_BATCH_REQUESTS_MAX];
};

/* From now on `parent` can start engines on `host`; `children.script` says how they load. */
void weft_batch_start(struct weft_batch *batch, struct weft_story *story, struct weft_host *host,
                      struct weft_host *parent);
void weft_batch_stop(struct weft_batch *batch); /* the process that lives ends */

/* The process that lives, or NULL. */
struct weft_child *weft_batch_child(struct weft_batch *batch);
size_t weft_batch_running(const struct weft_batch *batch); /* answers */
/* What is known of the request with this seed, or NULL. */
const struct weft_batch_request *weft_batch_find(const struct weft_batch *batch, uint64_t seed);

/* The process that lives ends by itself in its next step. */
void weft_batch_doom(struct weft_batch *batch, enum weft_batch_end how, int code, int signal);
/* It computes no more, until it ends. */
void weft_batch_hang(struct weft_batch *batch);
/* Of one answer that runs nothing comes any more. */
void weft_batch_stick(struct weft_batch *batch);
/* Its next step takes so long; it shows that it gets on. */
void weft_batch_think(struct weft_batch *batch, weft_time span);
/* None of all this, any more. */
void weft_batch_mend(struct weft_batch *batch);

#endif
