/* engine/task.c - a job while it is computed: its answers, and the events that it causes. */
#include "engine/task.h"

#include <math.h>

#include "base/assert.h"
#include "base/error.h"
#include "base/mem.h"

/* -- made and freed -- */

/* What is sampled under: with `ignore_end`, tokens that end an answer have no chance. */
static int make_sampler(struct weft_sampler **out, const struct weft_job *job, const struct weft_pieces *pieces,
                        uint16_t choice)
{
    struct weft_sampling sampling = job->sampling;
    uint64_t seed = job->seed + choice;
    if (!job->ignore_end || pieces->end_count == 0) {
        return weft_sampler_new(out, pieces->vocabulary, &sampling, seed);
    }
    size_t given = sampling.bias_count;
    struct weft_bias *bias = weft_calloc(given + pieces->end_count, sizeof(*bias));
    if (!bias) {
        return WEFT_ERR_MEMORY;
    }
    if (given > 0) {
        memcpy(bias, sampling.bias, given * sizeof(*bias));
    }
    for (size_t i = 0; i < pieces->end_count; i++) {
        bias[given + i] = (struct weft_bias){.token = pieces->ends[i], .bias = -INFINITY};
    }
    sampling.bias = bias;
    sampling.bias_count = given + pieces->end_count;
    int status = weft_sampler_new(out, pieces->vocabulary, &sampling, seed);
    weft_free(bias);
    return status;
}

static int make_answer(struct weft_task *task, const struct weft_model *model, const struct weft_pieces *pieces,
                       uint16_t choice)
{
    const struct weft_job *job = task->job;
    struct weft_choice *answer = &task->answers[choice];
    int status = make_sampler(&answer->sampler, job, pieces, choice);
    if (status == 0 && job->grammar.text) {
        status = weft_grammar_new(&answer->grammar, &(struct weft_grammar_options){
                                                        .vocab = model->vocab,
                                                        .text = job->grammar.text,
                                                        .lazy = job->grammar.lazy,
                                                        .trigger_patterns = job->grammar.patterns,
                                                        .trigger_pattern_count = job->grammar.pattern_count,
                                                        .trigger_tokens = job->grammar.tokens,
                                                        .trigger_token_count = job->grammar.token_count,
                                                    });
    }
    for (size_t i = 0; i < job->grammar.prefix_count && status == 0; i++) {
        status = weft_grammar_accept(answer->grammar, job->grammar.prefix[i]);
    }
    if (status == 0 && job->kind == WEFT_JOB_GENERATE) {
        status = weft_text_new(&answer->text, job->stops, job->stop_count);
    }
    size_t history = job->kind == WEFT_JOB_SCORE ? job->from : job->prompt_count;
    size_t first = history > WEFT_SAMPLER_HISTORY_MAX ? history - WEFT_SAMPLER_HISTORY_MAX : 0;
    for (size_t i = first; i < history && status == 0; i++) {
        weft_sampler_accept(answer->sampler, job->prompt[i]);
    }
    return status;
}

/* Checks what the service has checked already, where a mistake of it would end in libllama. */
static int check(const struct weft_job *job, const struct weft_model *model)
{
    size_t context = (size_t)model->context_tokens;
    if (model->embeds && job->kind != WEFT_JOB_EMBED) {
        return WEFT_ERR_UNSUPPORTED;
    }
    if (job->prompt_count == 0 || (job->kind == WEFT_JOB_SCORE && (job->from == 0 || job->from >= job->prompt_count)) ||
        (job->kind == WEFT_JOB_GENERATE && (job->choices == 0 || job->choices > WEFT_JOB_CHOICES_MAX))) {
        return WEFT_ERR_INVALID;
    }
    if (job->prompt_count > context || (model->embeds && job->prompt_count > WEFT_MODEL_BATCH)) {
        return WEFT_ERR_TOO_LARGE;
    }
    for (uint16_t i = 0; job->kind == WEFT_JOB_GENERATE && i < job->choices; i++) {
        if (job->resume[i].count > context - job->prompt_count) {
            return WEFT_ERR_TOO_LARGE;
        }
    }
    return 0;
}

static int make_done(struct weft_task *task)
{
    task->last = weft_zalloc(sizeof(*task->last));
    if (!task->last) {
        return WEFT_ERR_MEMORY;
    }
    weft_arena_init(&task->last->arena);
    task->done = weft_arena_alloc(&task->last->arena, sizeof(*task->done));
    if (!task->done) {
        return WEFT_ERR_MEMORY;
    }
    *task->done = (struct weft_event){.kind = WEFT_EVENT_DONE, .job = task->job};
    task->last->first = task->done;
    return 0;
}

int weft_task_new(struct weft_task **out, struct weft_job *job, const struct weft_model *model,
                  const struct weft_pieces *pieces)
{
    *out = NULL;
    int status = check(job, model);
    if (status < 0) {
        return status;
    }
    struct weft_task *task = weft_zalloc(sizeof(*task));
    if (!task) {
        return WEFT_ERR_MEMORY;
    }
    task->job = job;
    task->choices = job->kind == WEFT_JOB_GENERATE ? job->choices : 1;
    status = make_done(task);
    if (job->kind == WEFT_JOB_EMBED) {
        task->vector = weft_calloc((size_t)model->embedding, sizeof(*task->vector));
        status = status == 0 && !task->vector ? WEFT_ERR_MEMORY : status;
    } else {
        for (uint16_t i = 0; i < task->choices && status == 0; i++) {
            status = make_answer(task, model, pieces, i);
        }
    }
    if (status == 0 && job->kind == WEFT_JOB_GENERATE && job->echo) {
        status = weft_text_new(&task->echo, NULL, 0);
    }
    if (status < 0) {
        weft_task_free(task);
        return status;
    }
    *out = task;
    return 0;
}

void weft_task_free(struct weft_task *task)
{
    if (!task) {
        return;
    }
    for (size_t i = 0; i < WEFT_JOB_CHOICES_MAX; i++) {
        weft_sampler_free(task->answers[i].sampler);
        weft_grammar_free(task->answers[i].grammar);
        weft_text_free(task->answers[i].text);
    }
    weft_text_free(task->echo);
    weft_free(task->vector);
    if (task->last) {
        weft_arena_deinit(&task->last->arena);
    }
    weft_free(task->last);
    weft_free(task);
}

/* -- what it reads -- */

size_t weft_task_reads(const struct weft_task *task, uint16_t choice)
{
    const struct weft_job *job = task->job;
    switch (job->kind) {
    case WEFT_JOB_GENERATE:
        return job->prompt_count + job->resume[choice].count;
    case WEFT_JOB_SCORE:
        return job->prompt_count - 1; /* what would come after the last one is not asked */
    case WEFT_JOB_EMBED:
        break;
    }
    return job->prompt_count;
}

int32_t weft_task_id(const struct weft_task *task, uint16_t choice, size_t i)
{
    const struct weft_job *job = task->job;
    return i < job->prompt_count ? job->prompt[i] : job->resume[choice].ids[i - job->prompt_count];
}

static bool echoes_logprobs(const struct weft_job *job)
{
    return job->kind == WEFT_JOB_GENERATE && job->echo && job->logprobs >= 0;
}

bool weft_task_scores(const struct weft_task *task)
{
    return task->job->kind == WEFT_JOB_SCORE || echoes_logprobs(task->job);
}

size_t weft_task_logits_from(const struct weft_task *task, uint16_t choice)
{
    if (task->job->kind == WEFT_JOB_SCORE) {
        return task->job->from - 1;
    }
    return echoes_logprobs(task->job) && choice == 0 ? 0 : weft_task_reads(task, choice) - 1;
}

/* -- what it tells -- */

static struct weft_slice copy(struct weft_outbox *outbox, struct weft_slice text)
{
    return weft_outbox_join(outbox, text, (struct weft_slice){0});
}

static int tell_logprobs(struct weft_event *event, const struct weft_task *task, const struct weft_task_tools *tools,
                         const float *logits)
{
    int32_t vocabulary = tools->pieces->vocabulary;
    size_t count = (size_t)task->job->logprobs;
    count = count < (size_t)vocabulary ? count : (size_t)vocabulary;
    double total = weft_logits_total(logits, vocabulary);
    event->token.has_logprob = true;
    event->token.logprob = (float)((double)logits[event->token.id] - total);
    if (count == 0) {
        return 0;
    }
    int32_t tokens[WEFT_NATIVE_LOGPROBS_MAX];
    WEFT_ASSERT(count <= WEFT_COUNT(tokens));
    weft_logits_top(logits, vocabulary, tokens, count);
    event->token.top = weft_outbox_alloc(tools->outbox, count * sizeof(*event->token.top));
    if (!event->token.top) {
        return WEFT_ERR_MEMORY;
    }
    for (size_t i = 0; i < count; i++) {
        event->token.top[i] = (struct weft_logprob){
            .id = (uint32_t)tokens[i],
            .logprob = (float)((double)logits[tokens[i]] - total),
            .bytes = weft_pieces_get(tools->pieces, tokens[i]),
        };
    }
    event->token.top_count = (uint8_t)count;
    return 0;
}

/* Is the token's text a part of the answer's? */
static bool visible(const struct weft_job *job, const struct weft_task_tools *tools, int32_t token, bool ends)
{
    for (size_t i = 0; i < job->preserved_count; i++) {
        if (job->preserved[i] == token) {
            return true;
        }
    }
    return !ends && !tools->pieces->hidden[token];
}

static int finish(struct weft_task *task, const struct weft_task_tools *tools, uint16_t choice, enum weft_finish reason)
{
    struct weft_event *event = weft_outbox_add(tools->outbox, WEFT_EVENT_FINISH, task->job, choice);
    if (!event) {
        return WEFT_ERR_MEMORY;
    }
    struct weft_slice stop = weft_text_stopped_by(task->answers[choice].text);
    event->finish.reason = reason;
    event->finish.stop = copy(tools->outbox, stop);
    return event->finish.stop.data ? 1 : WEFT_ERR_MEMORY;
}

/* A token of the answer has come: sampled from `logits`, or if that is NULL, resumed. */
static int take_token(struct weft_task *task, const struct weft_task_tools *tools, uint16_t choice, int32_t token,
                      const float *logits)
{
    const struct weft_job *job = task->job;
    struct weft_choice *answer = &task->answers[choice];
    bool ends = !job->ignore_end && weft_model_ends(tools->model, token);
    answer->count++;
    task->written++;
    weft_sampler_accept(answer->sampler, token);
    int status = !ends && answer->grammar ? weft_grammar_accept(answer->grammar, token) : 0;
    struct weft_event *event = status < 0 ? NULL : weft_outbox_add(tools->outbox, WEFT_EVENT_TOKEN, task->job, choice);
    if (!event) {
        return status < 0 ? status : WEFT_ERR_MEMORY;
    }
    event->token.id = (uint32_t)token;
    event->token.replayed = !logits;
    event->token.bytes = weft_pieces_get(tools->pieces, token);

    struct weft_slice shown = {0}, rest = {0};
    int stopped = visible(job, tools, token, ends) ? weft_text_add(answer->text, event->token.bytes, &shown) : 0;
    if (stopped < 0) {
        return stopped;
    }
    bool full =
        answer->count >= job->max_tokens || job->prompt_count + answer->count >= (size_t)tools->model->context_tokens;
    shown = copy(tools->outbox, shown);
    if (shown.data && !stopped && (ends || full)) {
        status = weft_text_end(answer->text, &rest);
        shown = status < 0 ? shown : weft_outbox_join(tools->outbox, shown, rest);
    }
    event->token.shown = shown;
    if (status == 0 && shown.data && logits && job->logprobs >= 0) {
        status = tell_logprobs(event, task, tools, logits);
    }
    if (status < 0 || !shown.data) {
        return status < 0 ? status : WEFT_ERR_MEMORY;
    }
    if (ends || stopped) {
        return finish(task, tools, choice, WEFT_FINISH_STOP);
    }
    return full ? finish(task, tools, choice, WEFT_FINISH_LENGTH) : 0;
}

int weft_task_begin(struct weft_task *task, const struct weft_task_tools *tools, uint16_t choice)
{
    const struct weft_job *job = task->job;
    int status = 0;
    if (job->kind != WEFT_JOB_GENERATE) {
        return 0;
    }
    if (job->echo && choice == 0) {
        /* With logprobs only the first token is known now: nothing comes before it. */
        size_t count = job->logprobs >= 0 ? 1 : job->prompt_count;
        for (size_t i = 0; i < count && status == 0; i++) {
            status = weft_task_echo(task, tools, i, NULL);
        }
    }
    for (size_t i = 0; i < job->resume[choice].count && status == 0; i++) {
        status = take_token(task, tools, choice, job->resume[choice].ids[i], NULL);
    }
    if (status == 0 && job->max_tokens == 0 && !(weft_task_scores(task) && choice == 0)) {
        return finish(task, tools, choice, WEFT_FINISH_LENGTH);
    }
    return status;
}

int weft_task_sample(struct weft_task *task, const struct weft_task_tools *tools, uint16_t choice, const float *logits,
                     int32_t *token)
{
    struct weft_choice *answer = &task->answers[choice];
    if (task->job->max_tokens == 0) {
        return finish(task, tools, choice, WEFT_FINISH_LENGTH);
    }
    int status = weft_sampler_choose(answer->sampler, logits, answer->count, answer->grammar, token);
    return status < 0 ? status : take_token(task, tools, choice, *token, logits);
}

/* The bytes of the prompt's token `i`. Special tokens were typed, so they have some; but nobody typed the begin of the
 * text. */
static struct weft_slice echo_bytes(const struct weft_task *task, const struct weft_task_tools *tools, size_t i)
{
    int32_t token = task->job->prompt[i];
    bool typed = i > 0 || token != tools->pieces->begin;
    return weft_pieces_get(tools->pieces, typed ? token : -1); /* of no token: no bytes */
}

/* What of the prompt's text becomes showable with its token `i`. */
static int echo_text(struct weft_task *task, const struct weft_task_tools *tools, size_t i, struct weft_slice *out)
{
    const struct weft_job *job = task->job;
    struct weft_slice shown, rest = {0};
    int status = weft_text_add(task->echo, echo_bytes(task, tools, i), &shown);
    *out = status < 0 ? shown : copy(tools->outbox, shown);
    if (status >= 0 && out->data && i + 1 == job->prompt_count) {
        status = weft_text_end(task->echo, &rest);
        *out = status < 0 ? rest : weft_outbox_join(tools->outbox, *out, rest);
    }
    return status < 0 ? status : out->data ? 0 : WEFT_ERR_MEMORY;
}

int weft_task_echo(struct weft_task *task, const struct weft_task_tools *tools, size_t i, const float *logits)
{
    const struct weft_job *job = task->job;
    struct weft_slice shown = {0};
    int status = 0;
    for (uint16_t choice = 0; choice < task->choices && status == 0; choice++) {
        struct weft_event *event = weft_outbox_add(tools->outbox, WEFT_EVENT_TOKEN, task->job, choice);
        if (!event) {
            return WEFT_ERR_MEMORY;
        }
        event->token.id = (uint32_t)job->prompt[i];
        event->token.prompt = true;
        event->token.bytes = echo_bytes(task, tools, i);
        status = choice == 0 ? echo_text(task, tools, i, &shown) : 0;
        event->token.shown = shown;
        if (status == 0 && logits) {
            status = tell_logprobs(event, task, tools, logits);
        }
    }
    return status;
}

int weft_task_score(struct weft_task *task, const struct weft_task_tools *tools, size_t i, const float *logits)
{
    const struct weft_job *job = task->job;
    struct weft_choice *answer = &task->answers[0];
    int32_t token = job->prompt[i];
    struct weft_event *event = weft_outbox_add(tools->outbox, WEFT_EVENT_SCORE, task->job, 0);
    if (!event) {
        return WEFT_ERR_MEMORY;
    }
    event->score.position = (uint32_t)(i - job->from);
    event->score.rank = weft_logits_rank(logits, tools->pieces->vocabulary, token);
    event->score.logprob = (float)((double)logits[token] - weft_logits_total(logits, tools->pieces->vocabulary));
    int status =
        weft_sampler_margin(answer->sampler, logits, answer->count, answer->grammar, token, &event->score.margin);
    answer->count++;
    weft_sampler_accept(answer->sampler, token);
    if (status == 0 && answer->grammar && !weft_model_ends(tools->model, token)) {
        status = weft_grammar_accept(answer->grammar, token);
        if (status == WEFT_ERR_INVALID) {
            /* It says so as `filtered`; from here on there is no place in the grammar to go on from. */
            weft_grammar_free(answer->grammar);
            answer->grammar = NULL;
            status = 0;
        }
    }
    return status < 0 ? status : i + 1 == job->prompt_count;
}

int weft_task_vector(struct weft_task *task, const struct weft_task_tools *tools)
{
    size_t count = (size_t)tools->model->embedding;
    struct weft_event *event = weft_outbox_add(tools->outbox, WEFT_EVENT_VECTOR, task->job, 0);
    float *at = event ? weft_outbox_alloc(tools->outbox, count * sizeof(*at)) : NULL;
    if (!at) {
        return WEFT_ERR_MEMORY;
    }
    double square = 0;
    for (size_t i = 0; i < count; i++) {
        square += (double)task->vector[i] * (double)task->vector[i];
    }
    if (!isfinite(square)) {
        return WEFT_ERR_INVALID;
    }
    double scale = square > 0 ? 1 / sqrt(square) : 0; /* a vector of zeros has no direction to keep */
    for (size_t i = 0; i < count; i++) {
        at[i] = (float)((double)task->vector[i] * scale);
    }
    event->vector.at = at;
    event->vector.count = count;
    return 1;
}

void weft_task_progress(struct weft_task *task, const struct weft_task_tools *tools, enum weft_phase phase,
                        uint32_t done, uint32_t total)
{
    struct weft_event *event = weft_outbox_add(tools->outbox, WEFT_EVENT_PROGRESS, task->job, 0);
    if (event) {
        event->progress.phase = phase;
        event->progress.done = done;
        event->progress.total = total;
    }
}

/* What lies between two moments of a task, of which the later one may not have come. */
static uint64_t between(weft_time from, weft_time to)
{
    return from >= 0 && to > from ? (uint64_t)(to - from) : 0;
}

void weft_task_done(struct weft_task *task, struct weft_outbox *outbox, int status, const char *problem, weft_time now)
{
    weft_time started = task->begun > 0 ? task->started : now;
    weft_time answered = task->answered > started ? task->answered : now;
    task->done->done.status = status;
    task->done->done.problem = problem;
    task->done->done.prompt_tokens = (uint32_t)task->job->prompt_count;
    task->done->done.cached_tokens = task->cached;
    task->done->done.completion_tokens = task->written;
    task->done->done.waited_us = between(task->submitted, started);
    task->done->done.prefill_us = between(started, answered);
    task->done->done.decode_us = between(answered, now);
    weft_outbox_append(outbox, task->last);
    task->last = NULL;
}
