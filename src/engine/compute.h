/* engine/compute.h - what the computing thread does, step by step; engine/scheduler.h is the thread around it.
 *
 * One thread uses it. A turn drops what was cancelled, gives free slots to jobs that wait, and computes one step. */
#ifndef WEFT_ENGINE_COMPUTE_H
#define WEFT_ENGINE_COMPUTE_H

#include "engine/pace.h"
#include "engine/prefix.h"
#include "engine/scheduler.h"
#include "engine/slot.h"
#include "engine/task.h"

#define WEFT_COMPUTE_PROGRESS WEFT_SECOND /* between signs of life */
/* After the first came: who comes so soon is read with it; so long, who was cut is read before others go on. */
#define WEFT_COMPUTE_TOGETHER ((weft_time)100 * WEFT_MS)
#define WEFT_COMPUTE_CUT      (2 * WEFT_SECOND)
#define WEFT_COMPUTE_AWAIT    4  /* tokens: a beginning of no more, beyond what a copy takes, is not waited for */
#define WEFT_COMPUTE_BRIEF    16 /* steps after one that was broken off: those who cancel hold nobody up */

struct weft_compute {
    struct weft_model *model;
    weft_time (*now)(void *self);
    void *self;
    const atomic_bool *stop;       /* breaks off a step */
    const atomic_bool *more;       /* there is a task that was not added yet, or soon will be */
    struct weft_engine_page *page; /* or NULL */

    struct weft_pieces pieces;
    struct weft_outbox outbox;
    struct weft_task_tools tools;
    struct weft_pace pace;

    struct weft_task *waiting; /* oldest first: tasks with choices that have no slot yet */
    struct weft_slot *slots;
    int32_t *ids; /* of all slots */
    size_t slot_count;
    size_t copies;        /* of slots since the last step */
    weft_time busy_since; /* there was nothing to do before; 0: there is nothing now */
    bool uncopied;        /* the model's memory cannot be copied in part: nobody waits for a copy */
    bool alone_next;      /* an embedding has its step next, else it is the others' turn */
    bool breakable;       /* the step is broken off when any of its jobs is cancelled, else when all are */
    unsigned brief_steps; /* so many more are kept brief, as those that write are */

    /* the batch of a step */
    size_t rows;
    int32_t tokens[WEFT_MODEL_BATCH], positions[WEFT_MODEL_BATCH], sequences[WEFT_MODEL_BATCH];
    int32_t ones[WEFT_MODEL_BATCH];
    int32_t *sequence_at[WEFT_MODEL_BATCH];
    int8_t wanted[WEFT_MODEL_BATCH];

    atomic_uint ticks;               /* it gets on: another thread looks */
    struct weft_scheduler_load load; /* as it was after the last half of a turn */
};

/* `stop` breaks off a step when it becomes true; `more` says that a task waits to be added. On error *out is NULL. */
WEFT_MUST_USE int weft_compute_new(struct weft_compute **out, const struct weft_scheduler_options *options,
                                   const atomic_bool *stop, const atomic_bool *more);
/* Jobs that are not done go back through `freed`, where that is not NULL. */
void weft_compute_free(struct weft_compute *compute, void (*freed)(struct weft_job *job));

/* Takes over a task; it waits behind the others. */
void weft_compute_add(struct weft_compute *compute, struct weft_task *task);
/* So many threads compute, from the next step on. */
void weft_compute_set_threads(struct weft_compute *compute, int32_t threads);
/* The first half of a turn: who is cancelled leaves, who waits begins. True if there is something to compute. What is
 * told by it need not wait for the step. */
bool weft_compute_admit(struct weft_compute *compute);
/* More comes, just after the first of those who read, and nobody writes: it is to be read together with them. */
bool weft_compute_gathers(const struct weft_compute *compute);
/* The second half: one step of what is in the slots. */
void weft_compute_step(struct weft_compute *compute);

/* -- between compute.c, which knows who is in which slot, and step.c, which computes -- */

/* It got on. */
void weft_compute_tick(struct weft_compute *compute);
/* libllama asks between the parts of a step, and so it is seen to get on: is it to be broken off? `self` is the
 * compute. */
bool weft_step_unwanted(void *self);
/* The first choice of a task has read its prompt and these are its last logits: other choices begin from there. */
void weft_compute_spread(struct weft_compute *compute, size_t slot, const float *logits);
/* Who has a slot has read all, and its next row is the one behind a token of its own. */
bool weft_compute_writes(const struct weft_slot *slot);
/* What became of a token of a choice: 0, 1 (complete) or WEFT_ERR_*. The slot may be free afterwards. */
void weft_compute_outcome(struct weft_compute *compute, size_t slot, int status);
/* A token was sampled; a step was computed. What counts them outlives this process. */
void weft_compute_sampled(struct weft_compute *compute);
void weft_compute_stepped(struct weft_compute *compute);
/* How many slots are free and who waits, for `load`. */
void weft_compute_count(struct weft_compute *compute);
/* Nothing of this step counts: its rows can be computed again. */
void weft_compute_break_step(struct weft_compute *compute);
/* Ends all tasks that have rows in this step. */
void weft_compute_fail_step(struct weft_compute *compute, int status, const char *problem);

#endif
