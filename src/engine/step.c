/* engine/step.c - one step: a batch of rows is chosen, computed, and what came out handed on. */
#include <llama.h>

#include "base/error.h"
#include "engine/compute.h"

_Static_assert(WEFT_PACE_ROWS_MAX <= WEFT_MODEL_BATCH, "a step fits the batch");
_Static_assert(WEFT_ENGINE_SLOTS_MAX <= WEFT_MODEL_OUTPUTS_MAX, "each slot's next token can be had in every step");

/* -- the batch -- */

static int32_t add_row(struct weft_compute *compute, size_t slot, size_t position)
{
    const struct weft_slot *from = &compute->slots[slot];
    size_t row = compute->rows++;
    compute->tokens[row] = from->ids[position];
    compute->positions[row] = (int32_t)position;
    compute->sequences[row] = (int32_t)slot;
    compute->wanted[row] = position >= from->logits;
    return (int32_t)row;
}

static bool embeds(const struct weft_slot *slot)
{
    return slot->task->job->kind == WEFT_JOB_EMBED;
}

/* How many of the next `rows` rows of a slot give logits. */
static size_t wanted(const struct weft_slot *slot, size_t rows)
{
    size_t end = slot->count + rows;
    size_t first = slot->logits > slot->count ? slot->logits : slot->count;
    return end > first ? end - first : 0;
}

/* Answers that were cut come back together, and whoever waits longest is the one that counts: beside others that go on
 * already, the last ones would be read at half the speed. */
static bool reads_cut(const struct weft_compute *compute)
{
    bool any = false;
    for (size_t i = 0; i < compute->slot_count && !any; i++) {
        const struct weft_slot *slot = &compute->slots[i];
        any = slot->task && slot->task->job->resume[slot->choice].count > 0 && !weft_compute_writes(slot);
    }
    return any && compute->now(compute->self) - compute->busy_since < WEFT_COMPUTE_CUT;
}

/* Shares out the step: slot->rows of each. Returns how many rows are read (not written). */
static size_t share(struct weft_compute *compute, size_t *writing)
{
    size_t wants[WEFT_ENGINE_SLOTS_MAX], shares[WEFT_ENGINE_SLOTS_MAX], who[WEFT_ENGINE_SLOTS_MAX];
    size_t readers = 0, busy = 0, reading = 0, most = WEFT_PACE_ROWS_MAX;
    bool cut = reads_cut(compute);
    *writing = 0;
    for (size_t i = 0; i < compute->slot_count; i++) {
        struct weft_slot *slot = &compute->slots[i];
        slot->rows = 0;
        if (!slot->task || embeds(slot)) {
            continue;
        }
        busy++;
        if (cut && weft_compute_writes(slot)) {
            continue;
        }
        if (slot->want - slot->count == 1) {
            slot->rows = 1;
            ++*writing;
            continue;
        }
        who[readers] = i;
        wants[readers] = slot->want - slot->count;
        if (slot->awaited > slot->count) { /* and no further: who waits for it goes on with a copy */
            wants[readers] = slot->awaited - slot->count;
            most = wants[readers] < most ? wants[readers] : most;
        }
        readers++;
    }
    if (readers == 0) {
        return 0;
    }
    size_t budget = weft_pace_budget(&compute->pace, *writing, readers, cut || compute->brief_steps > 0);
    budget = budget < most * readers ? budget : most * readers;
    if (cut) { /* nobody starves by that: it ends soon */
        weft_pace_line_up(wants, readers, budget, shares);
    } else {
        weft_pace_share(wants, readers, budget, shares);
    }
    size_t spare = WEFT_MODEL_OUTPUTS_MAX - busy; /* rows with logits beyond one for each */
    for (size_t i = 0; i < readers; i++) {
        struct weft_slot *slot = &compute->slots[who[i]];
        size_t rows = shares[i], more = wanted(slot, rows);
        if (more > spare + 1) {
            rows -= more - spare - 1;
            more = spare + 1;
        }
        spare -= more > 1 ? more - 1 : 0;
        slot->rows = rows;
        reading += rows;
    }
    return reading;
}

/* First one row of each, then the rest: libllama computes equal pieces of neighbouring sequences in one go. */
static void fill(struct weft_compute *compute)
{
    compute->rows = 0;
    for (size_t i = 0; i < compute->slot_count; i++) {
        struct weft_slot *slot = &compute->slots[i];
        if (slot->rows > 0) {
            slot->base = slot->count;
            slot->first_row = add_row(compute, i, slot->base);
        }
    }
    for (size_t i = 0; i < compute->slot_count; i++) {
        struct weft_slot *slot = &compute->slots[i];
        slot->more_rows = (int32_t)compute->rows;
        for (size_t row = 1; row < slot->rows; row++) {
            (void)add_row(compute, i, slot->base + row); /* first_row and more_rows say where it is */
        }
    }
}

/* -- computing -- */

static bool any_cancelled(const struct weft_compute *compute)
{
    for (size_t i = 0; i < compute->slot_count; i++) {
        if (compute->slots[i].rows > 0 && atomic_load(&compute->slots[i].task->job->cancelled)) {
            return true;
        }
    }
    return false;
}

static bool all_cancelled(const struct weft_compute *compute)
{
    for (size_t i = 0; i < compute->slot_count; i++) {
        if (compute->slots[i].rows > 0 && !atomic_load(&compute->slots[i].task->job->cancelled)) {
            return false;
        }
    }
    return true;
}

bool weft_step_unwanted(void *self)
{
    struct weft_compute *compute = self;
    weft_compute_tick(compute);
    if (atomic_load(compute->stop) || all_cancelled(compute)) {
        return true;
    }
    return compute->breakable && (any_cancelled(compute) || weft_compute_gathers(compute));
}

static bool decode(struct weft_compute *compute)
{
    struct llama_context *context = compute->model->context;
    int32_t status = llama_decode(context, (struct llama_batch){
                                               .n_tokens = (int32_t)compute->rows,
                                               .token = compute->tokens,
                                               .pos = compute->positions,
                                               .n_seq_id = compute->ones,
                                               .seq_id = compute->sequence_at,
                                               .logits = compute->wanted,
                                           });
    llama_synchronize(context);
    if (status == 0) {
        weft_model_stepped(compute->model);
    }
    for (size_t i = 0; i < compute->slot_count && status == 0; i++) {
        struct weft_slot *slot = &compute->slots[i];
        slot->count += slot->rows;
        slot->used = slot->rows > 0 ? compute->load.steps + 1 : slot->used;
    }
    weft_compute_stepped(compute);
    if (status == 2) {
        compute->brief_steps = any_cancelled(compute) ? WEFT_COMPUTE_BRIEF : 0;
        weft_compute_break_step(compute);
    } else if (status == 1) {
        weft_compute_fail_step(compute, WEFT_ERR_FULL,
                               "The model's memory has no room for this step: ask again, or with a shorter prompt.");
    } else if (status != 0) {
        weft_compute_fail_step(
            compute, WEFT_ERR_IO,
            "The back-end failed to compute a step: ask again; if it happens again, start the engine "
            "anew, with a smaller context.");
    }
    return status == 0;
}

static void learn(struct weft_compute *compute, size_t writing, size_t reading, weft_time began)
{
    weft_time now = compute->now(compute->self);
    struct weft_pace_step step = {
        .writing = writing,
        .reading = reading,
        .copies = compute->copies,
        .took = now - began,
    };
    compute->copies = 0;
    int64_t before = compute->load.step_us, took = now - began;
    compute->load.step_us = (uint32_t)(before == 0 ? took : before + (took - before) / 8);
    if (weft_pace_learn(&compute->pace, &step, now) == 1) {
        llama_set_n_threads(compute->model->context, compute->pace.threads, compute->pace.threads);
    }
}

/* -- what came out -- */

/* The row of a slot that was read at `position`. Afterwards the slot may be free, or another's. */
static void take_row(struct weft_compute *compute, size_t i, size_t position, const float *logits)
{
    struct weft_slot *slot = &compute->slots[i];
    struct weft_task *task = slot->task;
    const struct weft_job *job = task->job;
    bool first = slot->choice == 0 && position + 1 == job->prompt_count;
    int status = 0;
    if (job->kind == WEFT_JOB_SCORE) {
        status = logits ? weft_task_score(task, &compute->tools, position + 1, logits) : 0;
    } else if (logits && position + 1 < job->prompt_count) {
        status = weft_task_echo(task, &compute->tools, position + 1, logits);
    } else if (logits && position + 1 == slot->want) {
        int32_t token = 0;
        task->answered = task->answered ? task->answered : compute->now(compute->self);
        if (first) {
            weft_compute_spread(compute, i, logits);
            if (slot->task != task) {
                return;
            }
        }
        status = weft_task_sample(task, &compute->tools, slot->choice, logits, &token);
        weft_compute_sampled(compute);
        slot->ids[slot->want] = token;
        slot->want += status == 0 ? 1 : 0;
    }
    /* With a resume the prompt's last row may have been there already: then the first one that is not says it. */
    task->read = task->read || (slot->choice == 0 && position + 1 >= job->prompt_count);
    weft_compute_outcome(compute, i, status);
}

static void take_rows(struct weft_compute *compute)
{
    for (size_t i = 0; i < compute->slot_count; i++) {
        struct weft_slot *slot = &compute->slots[i];
        for (size_t row = 0; row < slot->rows; row++) { /* a slot that is released has no rows any more */
            size_t position = slot->base + row;
            int32_t index = row == 0 ? slot->first_row : slot->more_rows + (int32_t)row - 1;
            bool given = compute->wanted[index];
            compute->load.prompt_tokens_read += position < slot->task->job->prompt_count ? 1 : 0;
            const float *logits = given ? llama_get_logits_ith(compute->model->context, index) : NULL;
            if (given && !logits) {
                weft_compute_outcome(compute, i, WEFT_ERR_IO); /* it would wait for its next token for ever */
            } else {
                take_row(compute, i, position, logits);
            }
        }
    }
}

/* -- embeddings: in steps of their own, as these give every row -- */

static int add_vectors(struct weft_compute *compute, struct weft_slot *slot, size_t i)
{
    struct llama_context *context = compute->model->context;
    struct weft_task *task = slot->task;
    size_t size = (size_t)compute->model->embedding;
    bool pooled = compute->model->embeds;
    for (size_t row = 0; row < (pooled ? 1 : slot->rows); row++) {
        const float *from = pooled ? llama_get_embeddings_seq(context, (llama_seq_id)i)
                                   : llama_get_embeddings_ith(context, (int32_t)row);
        if (!from) {
            return WEFT_ERR_IO;
        }
        for (size_t j = 0; j < size; j++) {
            task->vector[j] += from[j];
        }
    }
    return slot->count == slot->want ? weft_task_vector(task, &compute->tools) : 0;
}

static void embed(struct weft_compute *compute, size_t i)
{
    struct weft_slot *slot = &compute->slots[i];
    bool pooled = compute->model->embeds;
    size_t left = slot->want - slot->count;
    for (size_t j = 0; j < compute->slot_count; j++) {
        compute->slots[j].rows = 0;
    }
    compute->breakable = false;
    slot->logits = 0;
    slot->rows = pooled || left < WEFT_MODEL_OUTPUTS_MAX ? left : WEFT_MODEL_OUTPUTS_MAX;
    fill(compute);
    if (!pooled) {
        llama_set_embeddings(compute->model->context, true);
    }
    bool computed = decode(compute);
    if (!pooled) {
        llama_set_embeddings(compute->model->context, false);
    }
    if (computed) {
        compute->load.prompt_tokens_read += slot->rows;
        weft_compute_outcome(compute, i, add_vectors(compute, slot, i));
    }
    slot->rows = 0;
}

void weft_compute_step(struct weft_compute *compute)
{
    size_t alone = compute->slot_count, others = 0;
    for (size_t i = 0; i < compute->slot_count; i++) {
        const struct weft_slot *slot = &compute->slots[i];
        if (slot->task && embeds(slot)) {
            /* the one that waited longest */
            alone = alone == compute->slot_count || slot->used < compute->slots[alone].used ? i : alone;
        } else if (slot->task) {
            others++;
        }
    }
    if (alone < compute->slot_count && (compute->alone_next || others == 0)) {
        compute->alone_next = false;
        embed(compute, alone);
    } else {
        compute->alone_next = true;
        weft_time began = compute->now(compute->self);
        size_t writing = 0, reading = share(compute, &writing);
        compute->breakable = writing == 0 && compute->brief_steps == 0;
        compute->brief_steps -= compute->brief_steps > 0 ? 1 : 0;
        fill(compute);
        if (decode(compute)) {
            take_rows(compute);
            learn(compute, writing, reading, began);
        }
    }
    weft_compute_count(compute);
}
