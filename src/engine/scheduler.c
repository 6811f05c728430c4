/* engine/scheduler.c - the computing thread, and the two mailboxes between it and the service thread. */
#include "engine/scheduler.h"

#include <pthread.h>
#include <signal.h>

#include "base/error.h"
#include "base/mem.h"
#include "engine/compute.h"

struct weft_scheduler {
    struct weft_scheduler_options options;
    struct weft_compute *compute; /* the computing thread's, while it runs */
    pthread_t thread;
    atomic_bool stop;
    atomic_bool more;   /* `in` is not empty, or will not be for long */
    atomic_int threads; /* that are to compute */

    pthread_mutex_t lock; /* holds for what follows */
    pthread_cond_t work;
    struct weft_task *in, **in_tail;
    bool expected; /* more will be in it soon */
    struct weft_event_batch *out, *out_last;
    size_t jobs; /* submitted, and their DONE not taken */
    struct weft_scheduler_load load;
};

/* -- the computing thread -- */

/* Takes in what was submitted. With nothing else to do it waits for that, and for a moment with what can wait for more.
 * False at the end. */
static bool take_in(struct weft_scheduler *scheduler, bool busy)
{
    bool gathers = busy && weft_compute_gathers(scheduler->compute);
    (void)pthread_mutex_lock(&scheduler->lock);
    while ((!busy || (gathers && scheduler->expected)) && !scheduler->in && !atomic_load(&scheduler->stop)) {
        (void)pthread_cond_wait(&scheduler->work, &scheduler->lock);
    }
    struct weft_task *task = scheduler->in;
    scheduler->in = NULL;
    scheduler->in_tail = &scheduler->in;
    atomic_store(&scheduler->more, scheduler->expected);
    (void)pthread_mutex_unlock(&scheduler->lock);
    while (task) {
        struct weft_task *next = task->next;
        weft_compute_add(scheduler->compute, task);
        task = next;
    }
    return !atomic_load(&scheduler->stop);
}

static void give_out(struct weft_scheduler *scheduler)
{
    struct weft_event_batch *last, *first = weft_outbox_take(&scheduler->compute->outbox, &last);
    (void)pthread_mutex_lock(&scheduler->lock);
    scheduler->load = scheduler->compute->load;
    if (first && scheduler->out) {
        scheduler->out_last->next = first;
    } else if (first) {
        scheduler->out = first;
    }
    scheduler->out_last = first ? last : scheduler->out_last;
    (void)pthread_mutex_unlock(&scheduler->lock);
    if (first) {
        scheduler->options.poke(scheduler->options.self);
    }
}

static void *run(void *self)
{
    struct weft_scheduler *scheduler = self;
    bool busy = false;
    while (take_in(scheduler, busy)) {
        busy = weft_compute_admit(scheduler->compute);
        give_out(scheduler);
        if (busy && !weft_compute_gathers(scheduler->compute)) {
            weft_compute_set_threads(scheduler->compute, atomic_load(&scheduler->threads));
            weft_compute_step(scheduler->compute);
            give_out(scheduler);
        }
    }
    return NULL;
}

/* Signals are the service thread's. */
static int start(struct weft_scheduler *scheduler)
{
    sigset_t all, before;
    (void)sigfillset(&all);
    if (pthread_sigmask(SIG_SETMASK, &all, &before) != 0) {
        return WEFT_ERR_IO;
    }
    int status = pthread_create(&scheduler->thread, NULL, run, scheduler);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL); /* a mask that was just in force is a good one */
    return status == 0 ? 0 : WEFT_ERR_MEMORY;
}

/* -- the service thread -- */

int weft_scheduler_new(struct weft_scheduler **out, const struct weft_scheduler_options *options)
{
    *out = NULL;
    struct weft_scheduler *scheduler = weft_zalloc(sizeof(*scheduler));
    if (!scheduler) {
        return WEFT_ERR_MEMORY;
    }
    scheduler->options = *options;
    scheduler->in_tail = &scheduler->in;
    atomic_init(&scheduler->stop, false);
    atomic_init(&scheduler->more, false);
    atomic_init(&scheduler->threads, options->model->thread_count);
    int status = weft_compute_new(&scheduler->compute, options, &scheduler->stop, &scheduler->more);
    if (status < 0) {
        goto free_scheduler;
    }
    scheduler->load = scheduler->compute->load;
    if (pthread_mutex_init(&scheduler->lock, NULL) != 0) {
        status = WEFT_ERR_MEMORY;
        goto free_compute;
    }
    if (pthread_cond_init(&scheduler->work, NULL) != 0) {
        status = WEFT_ERR_MEMORY;
        goto destroy_lock;
    }
    status = start(scheduler);
    if (status < 0) {
        goto destroy_work;
    }
    *out = scheduler;
    return 0;

destroy_work:
    (void)pthread_cond_destroy(&scheduler->work);
destroy_lock:
    (void)pthread_mutex_destroy(&scheduler->lock);
free_compute:
    weft_compute_free(scheduler->compute, NULL);
free_scheduler:
    weft_free(scheduler);
    return status;
}

/* Jobs whose DONE nobody took go back, too. */
static void drop(struct weft_event_batch *batch, void (*freed)(struct weft_job *job))
{
    while (batch) {
        struct weft_event_batch *next = batch->next;
        for (const struct weft_event *event = batch->first; event; event = event->next) {
            if (event->kind == WEFT_EVENT_DONE && freed) {
                freed(event->job);
            }
        }
        weft_event_batch_free(batch);
        batch = next;
    }
}

void weft_scheduler_free(struct weft_scheduler *scheduler, void (*freed)(struct weft_job *job))
{
    if (!scheduler) {
        return;
    }
    (void)pthread_mutex_lock(&scheduler->lock);
    atomic_store(&scheduler->stop, true);
    (void)pthread_cond_signal(&scheduler->work);
    (void)pthread_mutex_unlock(&scheduler->lock);
    (void)pthread_join(scheduler->thread, NULL);
    for (struct weft_task *task = scheduler->in; task;) {
        struct weft_task *next = task->next;
        weft_compute_add(scheduler->compute, task);
        task = next;
    }
    drop(scheduler->out, freed);
    weft_compute_free(scheduler->compute, freed);
    (void)pthread_cond_destroy(&scheduler->work);
    (void)pthread_mutex_destroy(&scheduler->lock);
    weft_free(scheduler);
}

int weft_scheduler_submit(struct weft_scheduler *scheduler, struct weft_job *job)
{
    (void)pthread_mutex_lock(&scheduler->lock);
    bool full = scheduler->jobs >= WEFT_JOBS_MAX;
    (void)pthread_mutex_unlock(&scheduler->lock);
    if (full) {
        return WEFT_ERR_FULL;
    }
    /* Made here and not there: compiling a grammar would keep all answers waiting. The pieces do not change. */
    struct weft_task *task;
    int status = weft_task_new(&task, job, scheduler->options.model, &scheduler->compute->pieces);
    if (status < 0) {
        return status;
    }
    task->submitted = scheduler->options.now(scheduler->options.self);
    (void)pthread_mutex_lock(&scheduler->lock);
    scheduler->jobs++;
    *scheduler->in_tail = task;
    scheduler->in_tail = &task->next;
    atomic_store(&scheduler->more, true);
    (void)pthread_cond_signal(&scheduler->work);
    (void)pthread_mutex_unlock(&scheduler->lock);
    return 0;
}

void weft_scheduler_expect(struct weft_scheduler *scheduler, bool more)
{
    (void)pthread_mutex_lock(&scheduler->lock);
    scheduler->expected = more;
    atomic_store(&scheduler->more, more || scheduler->in);
    (void)pthread_cond_signal(&scheduler->work);
    (void)pthread_mutex_unlock(&scheduler->lock);
}

void weft_scheduler_cancel(struct weft_scheduler *scheduler, struct weft_job *job)
{
    (void)scheduler; /* a thread with a job does not sleep: it sees this before its next step, or in it */
    atomic_store(&job->cancelled, true);
}

void weft_scheduler_set_threads(struct weft_scheduler *scheduler, int32_t threads)
{
    atomic_store(&scheduler->threads, threads); /* a thread that sleeps need not hear of it: it has no step to take */
}

int32_t weft_scheduler_threads(const struct weft_scheduler *scheduler)
{
    return atomic_load(&scheduler->threads);
}

unsigned weft_scheduler_ticks(const struct weft_scheduler *scheduler)
{
    return atomic_load_explicit(&scheduler->compute->ticks, memory_order_relaxed);
}

struct weft_event_batch *weft_scheduler_events(struct weft_scheduler *scheduler)
{
    (void)pthread_mutex_lock(&scheduler->lock);
    struct weft_event_batch *first = scheduler->out;
    scheduler->out = scheduler->out_last = NULL;
    for (const struct weft_event_batch *batch = first; batch; batch = batch->next) {
        for (const struct weft_event *event = batch->first; event; event = event->next) {
            scheduler->jobs -= event->kind == WEFT_EVENT_DONE ? 1 : 0;
        }
    }
    (void)pthread_mutex_unlock(&scheduler->lock);
    return first;
}

void weft_scheduler_load(struct weft_scheduler *scheduler, struct weft_scheduler_load *load)
{
    (void)pthread_mutex_lock(&scheduler->lock);
    *load = scheduler->load;
    (void)pthread_mutex_unlock(&scheduler->lock);
}
