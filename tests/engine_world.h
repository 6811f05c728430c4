/* tests/engine_world.h - for unit tests of the engine: a real model, a scheduler, and what came of jobs. */
#ifndef WEFT_TESTS_ENGINE_WORLD_H
#define WEFT_TESTS_ENGINE_WORLD_H

#include <llama.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/error.h"
#include "base/mem.h"
#include "engine/scheduler.h"

#define ENGINE_MODEL    "models/SmolLM2-135M-Instruct-Q4_1.gguf"
#define ENGINE_IDS_MAX  4096
#define ENGINE_TEXT_MAX 16384

static struct weft_backend engine_backend;

static inline struct weft_model *engine_load(int32_t slots, int32_t context)
{
    static bool loaded;
    struct weft_engine_options options = {
        .model = ENGINE_MODEL,
        .slots = slots,
        .context = context,
        .threads = 1,
    };
    char problem[WEFT_ENGINE_PROBLEM_MAX];
    if (!loaded) {
        assert_int_equal(weft_backend_load(&engine_backend, &options, problem), 0);
        loaded = true;
    }
    struct weft_model_progress progress = {0};
    struct weft_model *made;
    int status = weft_model_load(&made, &options, &engine_backend, &progress, problem);
    if (status < 0) {
        print_error("%s\n", problem);
    }
    assert_int_equal(status, 0);
    return made;
}

/* -- a scheduler, and a thread that waits for it -- */

struct engine {
    struct weft_model *model;
    struct weft_scheduler *scheduler;
    pthread_mutex_t lock;
    pthread_cond_t poked;
    bool news;
};

/* What came of one choice of a job. */
struct told {
    int32_t ids[ENGINE_IDS_MAX];
    float logprobs[ENGINE_IDS_MAX];
    weft_time times[ENGINE_IDS_MAX];
    size_t count, replayed, prompts, tops;
    char text[ENGINE_TEXT_MAX];
    size_t size;
    bool finished;
    enum weft_finish reason;
    char stop[WEFT_TEXT_STOP_MAX + 1];
};

struct ask {
    struct weft_job job;
    struct told told[4];
    struct weft_margin *margins; /* score: as many as there are positions */
    float *score_logprobs;
    size_t scored;
    float *vector;
    size_t progresses;
    uint32_t read_most; /* as progress told */
    bool done;
    weft_time done_at;
    struct weft_event end; /* DONE */
};

static inline weft_time engine_now(void *self)
{
    (void)self;
    return llama_time_us();
}

static inline void engine_poke(void *self)
{
    struct engine *engine = self;
    pthread_mutex_lock(&engine->lock);
    engine->news = true;
    pthread_cond_signal(&engine->poked);
    pthread_mutex_unlock(&engine->lock);
}

static inline void engine_start_by(struct engine *engine, struct weft_model *model, weft_time (*now)(void *self))
{
    *engine = (struct engine){.model = model};
    pthread_mutex_init(&engine->lock, NULL);
    pthread_cond_init(&engine->poked, NULL);
    const struct weft_scheduler_options options = {
        .model = model,
        .now = now,
        .poke = engine_poke,
        .self = engine,
    };
    assert_int_equal(weft_scheduler_new(&engine->scheduler, &options), 0);
}

static inline void engine_start(struct engine *engine, struct weft_model *model)
{
    engine_start_by(engine, model, engine_now);
}

static inline void engine_end(struct engine *engine)
{
    weft_scheduler_free(engine->scheduler, NULL);
    pthread_cond_destroy(&engine->poked);
    pthread_mutex_destroy(&engine->lock);
}

static inline void ask_init(struct ask *ask, const int32_t *prompt, size_t count, uint32_t max_tokens)
{
    *ask = (struct ask){.job = {.kind = WEFT_JOB_GENERATE,
                                .prompt = prompt,
                                .prompt_count = count,
                                .sampling = {.top_p = 1, .repeat_penalty = 1},
                                .choices = 1,
                                .max_tokens = max_tokens,
                                .logprobs = -1,
                                .owner = ask}};
}

static inline void ask_score(struct ask *ask, const int32_t *ids, size_t count, size_t from)
{
    ask_init(ask, ids, count, 0);
    ask->job.kind = WEFT_JOB_SCORE;
    ask->job.from = from;
    ask->margins = calloc(count, sizeof(*ask->margins));
    ask->score_logprobs = calloc(count, sizeof(*ask->score_logprobs));
}

static inline void ask_deinit(struct ask *ask)
{
    free(ask->margins);
    free(ask->score_logprobs);
    free(ask->vector);
}

static inline void take_token_event(struct told *told, const struct weft_event *event)
{
    assert_false(told->finished);
    assert_true(told->size + event->token.shown.size < sizeof(told->text));
    if (event->token.shown.size > 0) {
        memcpy(told->text + told->size, event->token.shown.data, event->token.shown.size);
    }
    told->size += event->token.shown.size;
    told->tops += event->token.top_count;
    if (event->token.prompt) {
        told->logprobs[told->prompts++] = event->token.has_logprob ? event->token.logprob : 1;
        return;
    }
    assert_true(told->count < ENGINE_IDS_MAX);
    told->replayed += event->token.replayed ? 1 : 0;
    if (event->token.has_logprob) {
        told->logprobs[told->count] = event->token.logprob;
    }
    told->times[told->count] = llama_time_us();
    told->ids[told->count++] = (int32_t)event->token.id;
}

static inline void take_event(const struct weft_event *event)
{
    struct ask *ask = event->job->owner;
    assert_false(ask->done);
    struct told *told = &ask->told[event->choice];
    switch (event->kind) {
    case WEFT_EVENT_PROGRESS:
        ask->progresses++;
        ask->read_most = event->progress.phase == WEFT_PHASE_PREFILL ? event->progress.done : ask->read_most;
        break;
    case WEFT_EVENT_TOKEN:
        take_token_event(told, event);
        break;
    case WEFT_EVENT_FINISH:
        assert_false(told->finished);
        told->finished = true;
        told->reason = event->finish.reason;
        memcpy(told->stop, event->finish.stop.data, event->finish.stop.size);
        break;
    case WEFT_EVENT_SCORE:
        assert_int_equal(event->score.position, ask->scored);
        ask->margins[ask->scored] = event->score.margin;
        ask->score_logprobs[ask->scored++] = event->score.logprob;
        break;
    case WEFT_EVENT_VECTOR:
        ask->vector = calloc(event->vector.count, sizeof(float));
        memcpy(ask->vector, event->vector.at, event->vector.count * sizeof(float));
        break;
    case WEFT_EVENT_DONE:
        ask->done = true;
        ask->done_at = llama_time_us();
        ask->end = *event;
        break;
    }
}

static inline void take_events(struct weft_event_batch *batch)
{
    while (batch) {
        struct weft_event_batch *next = batch->next;
        for (const struct weft_event *event = batch->first; event; event = event->next) {
            take_event(event);
        }
        weft_event_batch_free(batch);
        batch = next;
    }
}

/* Takes what comes until something came. */
static inline void engine_turn(struct engine *engine)
{
    pthread_mutex_lock(&engine->lock);
    while (!engine->news) {
        pthread_cond_wait(&engine->poked, &engine->lock);
    }
    engine->news = false;
    pthread_mutex_unlock(&engine->lock);
    take_events(weft_scheduler_events(engine->scheduler));
}

static inline void engine_ask(struct engine *engine, struct ask *ask)
{
    assert_int_equal(weft_scheduler_submit(engine->scheduler, &ask->job), 0);
}

static inline void engine_wait(struct engine *engine, const struct ask *ask)
{
    while (!ask->done) {
        engine_turn(engine);
    }
}

static inline void engine_run(struct engine *engine, struct ask *ask)
{
    engine_ask(engine, ask);
    engine_wait(engine, ask);
}

#endif
