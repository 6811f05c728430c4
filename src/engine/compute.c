/* engine/compute.c - who is in which slot: jobs begin, end, are cancelled and told of. */
#include "engine/compute.h"

#include <llama.h>

#include "base/assert.h"
#include "base/error.h"
#include "base/mem.h"

/* -- made and freed -- */

int weft_compute_new(struct weft_compute **out, const struct weft_scheduler_options *options, const atomic_bool *stop,
                     const atomic_bool *more)
{
    *out = NULL;
    struct weft_compute *compute = weft_zalloc(sizeof(*compute));
    if (!compute) {
        return WEFT_ERR_MEMORY;
    }
    struct weft_model *model = options->model;
    size_t room = (size_t)model->context_tokens + 1;
    compute->model = model;
    compute->now = options->now;
    compute->self = options->self;
    compute->stop = stop;
    compute->more = more;
    compute->page = options->page;
    compute->slot_count = (size_t)model->slots;
    compute->slots = weft_calloc(compute->slot_count, sizeof(*compute->slots));
    compute->ids = weft_calloc((compute->slot_count + 1) * room, sizeof(*compute->ids)); /* the last: of a new choice */
    int status = compute->slots && compute->ids ? weft_pieces_init(&compute->pieces, model) : WEFT_ERR_MEMORY;
    if (status < 0) {
        weft_compute_free(compute, NULL);
        return status;
    }
    for (size_t i = 0; i < compute->slot_count; i++) {
        compute->slots[i].ids = compute->ids + i * room;
    }
    for (size_t i = 0; i < WEFT_MODEL_BATCH; i++) {
        compute->ones[i] = 1;
        compute->sequence_at[i] = &compute->sequences[i];
    }
    compute->tools = (struct weft_task_tools){
        .model = model,
        .pieces = &compute->pieces,
        .outbox = &compute->outbox,
    };
    weft_pace_init(&compute->pace, model->thread_count, model->estimate.per_slot);
    llama_set_abort_callback(model->context, weft_step_unwanted, compute);
    compute->load.slots = compute->load.slots_free = (uint32_t)compute->slot_count;
    *out = compute;
    return 0;
}

static void release(struct weft_compute *compute, size_t i)
{
    struct weft_slot *slot = &compute->slots[i];
    slot->task = NULL;
    slot->rows = 0;
    slot->want = slot->count;
}

/* The task leaves all that refers to it. */
static void detach(struct weft_compute *compute, struct weft_task *task)
{
    for (size_t i = 0; compute->slots && i < compute->slot_count; i++) {
        if (compute->slots[i].task == task) {
            release(compute, i);
        }
    }
    for (struct weft_task **at = &compute->waiting; *at; at = &(*at)->next) {
        if (*at == task) {
            *at = task->next;
            break;
        }
    }
}

/* Any task that is not done, or NULL. */
static struct weft_task *any_task(const struct weft_compute *compute)
{
    for (size_t i = 0; compute->slots && i < compute->slot_count; i++) {
        if (compute->slots[i].task) {
            return compute->slots[i].task;
        }
    }
    return compute->waiting;
}

void weft_compute_free(struct weft_compute *compute, void (*freed)(struct weft_job *job))
{
    if (!compute) {
        return;
    }
    struct weft_task *task;
    while ((task = any_task(compute))) {
        struct weft_job *job = task->job;
        detach(compute, task);
        weft_task_free(task);
        if (freed) {
            freed(job);
        }
    }
    llama_set_abort_callback(compute->model->context, NULL, NULL);
    struct weft_event_batch *last, *batch = weft_outbox_take(&compute->outbox, &last);
    while (batch) {
        struct weft_event_batch *next = batch->next;
        weft_event_batch_free(batch);
        batch = next;
    }
    weft_pieces_deinit(&compute->pieces);
    weft_free(compute->slots);
    weft_free(compute->ids);
    weft_free(compute);
}

/* -- ends -- */

static const char *problem_of(const struct weft_task *task, int status)
{
    switch (status) {
    case 0:
    case WEFT_ERR_CANCELLED:
        return NULL;
    case WEFT_ERR_MEMORY:
        return "The engine ran out of memory while it answered: ask again, or for less at once.";
    case WEFT_ERR_INVALID:
        if (task->job->kind == WEFT_JOB_GENERATE) {
            return "No token may follow: what was resumed does not fit the grammar, or the model computed what is no "
                   "number.";
        }
        return "The model computed what is no number: its file may be damaged.";
    case WEFT_ERR_NOT_FOUND:
        return "The grammar, or the schema or tools behind it, wants here what no token of this model can write.";
    case WEFT_ERR_TOO_LARGE:
        return "What was answered so far can be read in more ways by this grammar than the engine follows: make the "
               "grammar, or the schema or tools behind it, simpler.";
    default:
        return "The engine could not go on with this answer: ask again.";
    }
}

static void end_task(struct weft_compute *compute, struct weft_task *task, int status, const char *problem)
{
    detach(compute, task);
    weft_task_done(task, &compute->outbox, status, problem, compute->now(compute->self));
    weft_task_free(task);
}

/* One choice came to `status`; if it is complete or failed it has no slot any more. False if the task is gone. */
static bool settle(struct weft_compute *compute, struct weft_task *task, int status)
{
    if (status > 0 && ++task->ended == task->choices) {
        end_task(compute, task, 0, NULL);
        return false;
    }
    if (status < 0) {
        end_task(compute, task, status, problem_of(task, status));
        return false;
    }
    return true;
}

void weft_compute_outcome(struct weft_compute *compute, size_t slot, int status)
{
    struct weft_task *task = compute->slots[slot].task;
    weft_compute_tick(compute);
    if (status != 0) {
        release(compute, slot);
        (void)settle(compute, task, status); /* nobody looks at the task after this */
    }
}

void weft_compute_break_step(struct weft_compute *compute)
{
    for (size_t i = 0; i < compute->slot_count; i++) {
        struct weft_slot *slot = &compute->slots[i];
        if (slot->rows > 0) {
            slot->rows = 0;
            weft_prefix_cut(compute->model, compute->slots, i, slot->base);
        }
    }
}

void weft_compute_fail_step(struct weft_compute *compute, int status, const char *problem)
{
    for (size_t i = 0; i < compute->slot_count; i++) {
        struct weft_slot *slot = &compute->slots[i];
        if (slot->rows == 0) {
            continue;
        }
        struct weft_task *task = slot->task;
        slot->rows = 0;
        if (atomic_load(&task->job->cancelled)) {
            weft_prefix_cut(compute->model, compute->slots, i, slot->base);
            continue; /* the next turn drops it, with the status of one that was cancelled */
        }
        for (size_t j = 0; j < compute->slot_count; j++) {
            if (compute->slots[j].task == task) {
                weft_prefix_cut(compute->model, compute->slots, j, 0);
            }
        }
        end_task(compute, task, status, problem);
    }
}

static void drop_cancelled(struct weft_compute *compute)
{
    for (size_t i = 0; i < compute->slot_count; i++) {
        struct weft_task *task = compute->slots[i].task;
        if (task && atomic_load(&task->job->cancelled)) {
            end_task(compute, task, WEFT_ERR_CANCELLED, NULL);
        }
    }
    struct weft_task *next;
    for (struct weft_task *task = compute->waiting; task; task = next) {
        next = task->next;
        if (atomic_load(&task->job->cancelled)) {
            end_task(compute, task, WEFT_ERR_CANCELLED, NULL);
        }
    }
}

/* -- beginnings -- */

void weft_compute_add(struct weft_compute *compute, struct weft_task *task)
{
    struct weft_task **at = &compute->waiting;
    while (*at) {
        at = &(*at)->next;
    }
    task->next = NULL;
    *at = task;
}

static bool any_free(const struct weft_compute *compute)
{
    for (size_t i = 0; i < compute->slot_count; i++) {
        if (!compute->slots[i].task) {
            return true;
        }
    }
    return false;
}

/* What a choice reads, until the next call. */
static int32_t *ids_of(const struct weft_compute *compute, const struct weft_task *task, uint16_t choice)
{
    int32_t *ids = compute->ids + compute->slot_count * ((size_t)compute->model->context_tokens + 1);
    size_t count = weft_task_reads(task, choice);
    for (size_t i = 0; i < count; i++) {
        ids[i] = weft_task_id(task, choice, i);
    }
    return ids;
}

/* How much of that need not be read if it is known. */
static size_t known_max(const struct weft_task *task, uint16_t choice)
{
    bool embeds = task->job->kind == WEFT_JOB_EMBED; /* an embedding is made of every row */
    return embeds ? 0 : weft_task_logits_from(task, choice);
}

/* Gives a choice the slot that has most of what it reads. There is a free one. */
static size_t place(struct weft_compute *compute, struct weft_task *task, uint16_t choice)
{
    const int32_t *ids = ids_of(compute, task, choice);
    size_t count = weft_task_reads(task, choice), limit = known_max(task, choice);
    struct weft_slot_choice taken;
    int found =
        weft_slot_choose(compute->slots, compute->slot_count, ids, limit, weft_pace_copy_rows(&compute->pace), &taken);
    WEFT_ASSERT(found == 1);
    weft_prefix_take(compute->model, compute->slots, &taken);
    struct weft_slot *slot = &compute->slots[taken.slot];
    compute->uncopied = compute->uncopied || (taken.source != taken.slot && slot->count < taken.kept);
    memcpy(slot->ids, ids, count * sizeof(*ids));
    slot->want = count;
    slot->logits = weft_task_logits_from(task, choice);
    slot->rows = 0;
    slot->task = task;
    slot->choice = choice;
    compute->copies += taken.source != taken.slot && slot->count > 0 ? 1 : 0;
    return taken.slot;
}

/* Begins the next choice of a task. False if the task is gone. */
static bool begin(struct weft_compute *compute, struct weft_task *task)
{
    uint16_t choice = task->begun++;
    weft_compute_tick(compute);
    if (choice == 0) {
        task->started = compute->now(compute->self);
    }
    int status = weft_task_begin(task, &compute->tools, choice);
    if (status != 0) {
        task->read = true; /* a first choice that is complete by its resume reads nothing: nobody waits for it */
        return settle(compute, task, status);
    }
    size_t i = place(compute, task, choice);
    if (choice == 0) {
        size_t kept = compute->slots[i].count;
        task->cached = (uint32_t)(kept < task->job->prompt_count ? kept : task->job->prompt_count);
        compute->load.prompt_tokens_cached += task->cached;
        task->told = task->started;
        if (task->job->kind == WEFT_JOB_GENERATE) {
            weft_task_progress(task, &compute->tools, WEFT_PHASE_PREFILL, task->cached,
                               (uint32_t)task->job->prompt_count);
        }
    }
    return true;
}

/* The first choice reads the prompt; the others begin with a copy of that, if a copy is the faster way. So does the
 * first one with what somebody is about to have read. */
static bool may_begin(struct weft_compute *compute, const struct weft_task *task)
{
    if (task->begun == 0) {
        size_t least = weft_pace_copy_rows(&compute->pace) + WEFT_COMPUTE_AWAIT;
        return compute->uncopied || !weft_slot_await(compute->slots, compute->slot_count, ids_of(compute, task, 0),
                                                     known_max(task, 0), least);
    }
    return task->read || (!weft_task_scores(task) && task->job->prompt_count <= weft_pace_copy_rows(&compute->pace));
}

static void admit(struct weft_compute *compute)
{
    struct weft_task *next;
    for (size_t i = 0; i < compute->slot_count; i++) {
        compute->slots[i].awaited = 0;
    }
    for (struct weft_task *task = compute->waiting; task; task = next) {
        next = task->next;
        bool here = true;
        while (here && task->begun < task->choices) {
            if (!any_free(compute)) {
                return;
            }
            if (!may_begin(compute, task)) {
                break;
            }
            here = begin(compute, task);
        }
        if (here && task->begun == task->choices) {
            struct weft_task **at = &compute->waiting;
            while (*at != task) {
                at = &(*at)->next;
            }
            *at = task->next;
        }
    }
}

void weft_compute_spread(struct weft_compute *compute, size_t slot, const float *logits)
{
    struct weft_task *task = compute->slots[slot].task;
    const struct weft_job *job = task->job;
    size_t count = job->prompt_count;
    if (job->resume[0].count > 0 || weft_task_scores(task) || job->max_tokens == 0) {
        return;
    }
    for (size_t i = 0; i < compute->slot_count && task->begun < task->choices; i++) {
        struct weft_slot *other = &compute->slots[i];
        if (other->task || job->resume[task->begun].count > 0) {
            continue;
        }
        weft_prefix_take(compute->model, compute->slots, &(struct weft_slot_choice){i, slot, count});
        if (other->count < count) {
            compute->uncopied = true;
            return; /* this memory cannot be copied so: they read for themselves */
        }
        compute->copies++;
        other->task = task;
        other->choice = task->begun++;
        other->rows = 0;
        other->logits = other->want = count;
        int32_t token = 0;
        int status = weft_task_sample(task, &compute->tools, other->choice, logits, &token);
        weft_compute_sampled(compute);
        if (status == 0) {
            other->ids[other->want++] = token;
            continue;
        }
        release(compute, i);
        if (!settle(compute, task, status)) {
            return;
        }
    }
}

/* -- signs of life -- */

/* Nobody else writes it, and nobody reads more out of it than that it has changed. */
void weft_compute_tick(struct weft_compute *compute)
{
    unsigned ticks = atomic_load_explicit(&compute->ticks, memory_order_relaxed);
    atomic_store_explicit(&compute->ticks, ticks + 1, memory_order_relaxed);
}

static void tell_progress(struct weft_compute *compute)
{
    weft_time now = compute->now(compute->self);
    uint32_t before = 0;
    for (struct weft_task *task = compute->waiting; task; task = task->next, before++) {
        if (task->begun == 0 && (task->told == 0 || now - task->told >= WEFT_COMPUTE_PROGRESS)) {
            task->told = now;
            weft_task_progress(task, &compute->tools, WEFT_PHASE_WAITING, before, 0);
        }
    }
    for (size_t i = 0; i < compute->slot_count; i++) {
        const struct weft_slot *slot = &compute->slots[i];
        struct weft_task *task = slot->task;
        if (task && slot->choice == 0 && slot->count < task->job->prompt_count &&
            now - task->told >= WEFT_COMPUTE_PROGRESS) {
            task->told = now;
            weft_task_progress(task, &compute->tools, WEFT_PHASE_PREFILL, (uint32_t)slot->count,
                               (uint32_t)task->job->prompt_count);
        }
    }
}

/* -- counting -- */

void weft_compute_sampled(struct weft_compute *compute)
{
    compute->load.tokens_sampled++;
    if (compute->page) {
        atomic_store_explicit(&compute->page->tokens_sampled, compute->load.tokens_sampled, memory_order_relaxed);
    }
}

void weft_compute_stepped(struct weft_compute *compute)
{
    compute->load.steps++;
    if (compute->page) {
        atomic_store_explicit(&compute->page->steps, compute->load.steps, memory_order_relaxed);
    }
}

/* -- a turn -- */

void weft_compute_set_threads(struct weft_compute *compute, int32_t threads)
{
    /* Where it cannot be done it is tried again before the next step. */
    if (threads != compute->pace.threads_max && weft_model_set_threads(compute->model, threads) == 0) {
        weft_pace_set_threads(&compute->pace, threads);
    }
}

void weft_compute_count(struct weft_compute *compute)
{
    compute->load.slots_free = 0;
    for (size_t i = 0; i < compute->slot_count; i++) {
        compute->load.slots_free += compute->slots[i].task ? 0 : 1;
    }
    compute->load.waiting = 0;
    for (const struct weft_task *task = compute->waiting; task; task = task->next) {
        compute->load.waiting++;
    }
}

bool weft_compute_writes(const struct weft_slot *slot)
{
    return slot->count >= weft_task_reads(slot->task, slot->choice);
}

/* Prompts that are read together are answered together. One that is answered alone meanwhile would have the others read
 * in the small pieces that go beside it. */
bool weft_compute_gathers(const struct weft_compute *compute)
{
    if (!atomic_load(compute->more)) {
        return false;
    }
    for (size_t i = 0; i < compute->slot_count; i++) {
        if (compute->slots[i].task && weft_compute_writes(&compute->slots[i])) {
            return false;
        }
    }
    return compute->now(compute->self) - compute->busy_since < WEFT_COMPUTE_TOGETHER;
}

bool weft_compute_admit(struct weft_compute *compute)
{
    drop_cancelled(compute);
    admit(compute);
    tell_progress(compute);
    weft_compute_count(compute);
    bool busy = compute->load.slots_free < compute->load.slots;
    if (!busy || compute->busy_since == 0) {
        compute->busy_since = busy ? compute->now(compute->self) : 0;
    }
    WEFT_ASSERT(busy || !compute->waiting); /* who waits when nobody computes would wait for ever */
    return busy;
}
