/* engine/scheduler.h - the computing thread: many answers, one batch per step.
 *
 * Every step takes one token of each answer that is being written and, with what room is left in the time of a step,
 * pieces of prompts that are being read: short prompts are not kept waiting by a long one, and a long one does not
 * stall answers. A slot keeps what it read last; a new prompt takes the slot, or a copy of the slot, with which it
 * shares the longest beginning, and waits for one that is about to have read it. Answers that were cut are read before
 * others go on. */
#ifndef WEFT_ENGINE_SCHEDULER_H
#define WEFT_ENGINE_SCHEDULER_H

#include "engine/job.h"
#include "engine/model.h"
#include "wire/engine_page.h"

struct weft_scheduler;

struct weft_scheduler_options {
    struct weft_model *model;
    weft_time (*now)(void *self); /* monotonic; from any thread */
    void (*poke)(void *self);     /* there are new events; from the computing thread, must not block */
    void *self;
    struct weft_engine_page *page; /* where it counts for its node; NULL: nobody reads */
};

struct weft_scheduler_load {
    uint32_t slots, slots_free, waiting;
    uint64_t tokens_sampled, prompt_tokens_read, prompt_tokens_cached; /* since the start */
    uint64_t steps;
    uint32_t step_us; /* the last one, smoothed */
};

/* Makes the thread. On error *out is NULL. */
WEFT_MUST_USE int weft_scheduler_new(struct weft_scheduler **out, const struct weft_scheduler_options *options);
/* Cancels everything, ends the thread and frees; events that nobody took are dropped, jobs go back through `freed`. */
void weft_scheduler_free(struct weft_scheduler *scheduler, void (*freed)(struct weft_job *job));

/* -- from the service thread -- */
/* On error the job is still the caller's: WEFT_ERR_FULL past WEFT_JOBS_MAX; WEFT_ERR_INVALID or WEFT_ERR_TOO_LARGE for
 * a grammar, stop strings or biases that are refused (they are compiled here, by the calling thread) and for a prompt
 * or resume that does not fit; WEFT_ERR_UNSUPPORTED for what the model does not do; WEFT_ERR_MEMORY. */
WEFT_MUST_USE int weft_scheduler_submit(struct weft_scheduler *scheduler, struct weft_job *job);
/* Are there more requests that will be submitted as soon as they are prepared? What is read together with them is
 * answered sooner than if it were begun before them. */
void weft_scheduler_expect(struct weft_scheduler *scheduler, bool more);
/* Cancels within a step; DONE (WEFT_ERR_CANCELLED) still comes. */
void weft_scheduler_cancel(struct weft_scheduler *scheduler, struct weft_job *job);
/* So many threads compute, 1 to WEFT_ENGINE_THREADS_MAX, from the next step on. */
void weft_scheduler_set_threads(struct weft_scheduler *scheduler, int32_t threads);
int32_t weft_scheduler_threads(const struct weft_scheduler *scheduler);
/* Moves on as long as a thread that has something to compute gets on with it. */
unsigned weft_scheduler_ticks(const struct weft_scheduler *scheduler);
/* All event batches so far, oldest first, or NULL; each is freed with weft_event_batch_free(), before the scheduler:
 * the bytes of tokens are in a table of its. */
struct weft_event_batch *weft_scheduler_events(struct weft_scheduler *scheduler);
void weft_event_batch_free(struct weft_event_batch *batch);
void weft_scheduler_load(struct weft_scheduler *scheduler, struct weft_scheduler_load *load);

#endif
