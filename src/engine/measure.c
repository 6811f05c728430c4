/* engine/measure.c - /score and /embed: jobs whose answer is numbers, and comes whole. */
#include <math.h>

#include "base/assert.h"
#include "base/error.h"
#include "engine/prompt.h"
#include "engine/routes.h"

struct measure {
    struct weft_prompt prompt;
    struct weft_bytes text; /* the answer, as far as it is known */
    struct weft_json json;
    size_t inputs_done;
    size_t count; /* positions or vectors */
    uint64_t prompt_tokens;
};

void weft_measure_free(struct weft_errand *errand)
{
    struct measure *measure = errand->work;
    if (measure) {
        weft_prompt_deinit(&measure->prompt);
        weft_bytes_deinit(&measure->text);
    }
}

/* An answer that begins with an array. NULL if the errand had to be refused. */
static struct measure *measure_new(struct weft_errand *errand, const char *array)
{
    struct measure *measure = weft_arena_alloc(&errand->arena, sizeof(*measure));
    if (!measure) {
        weft_errand_fail(errand, WEFT_ERR_MEMORY);
        return NULL;
    }
    *measure = (struct measure){.count = 0};
    errand->work = measure;
    weft_json_start(&measure->json, &measure->text);
    weft_json_object(&measure->json);
    weft_json_key(&measure->json, array);
    weft_json_array(&measure->json);
    return measure;
}

/* null where it is no number: an infinite margin, of a token that a filter forbids. */
static void add_number(struct weft_json *json, const char *name, float value)
{
    weft_json_key(json, name);
    if (isfinite(value)) {
        weft_json_double(json, (double)value);
    } else {
        weft_json_null(json);
    }
}

static void finish(struct weft_errand *errand, struct measure *measure)
{
    weft_json_object_end(&measure->json);
    struct weft_bytes text = measure->text;
    int error = weft_json_finish(&measure->json);
    measure->text = (struct weft_bytes){0};
    weft_errand_reply(errand, &text, error);
}

/* DONE with an error. */
static void fail(struct weft_errand *errand, const struct weft_event *event)
{
    int error = event->done.status;
    const char *problem = event->done.problem;
    if (problem && (error == WEFT_ERR_INVALID || error == WEFT_ERR_NOT_FOUND || error == WEFT_ERR_UNSUPPORTED ||
                    error == WEFT_ERR_TOO_LARGE)) {
        weft_errand_refuse(
            errand, &(const struct weft_errand_problem){.status = 400, .code = "invalid_request", .message = problem});
    } else {
        weft_errand_fail(errand, error);
    }
}

/* -- /score -- */

void weft_score_begin(struct weft_errand *errand)
{
    const struct weft_request *request = &errand->request;
    struct weft_job *job = &errand->job;
    struct measure *measure = measure_new(errand, "positions");
    if (!measure || !weft_errand_fits(errand, request->prompt.count, 0) ||
        weft_prompt_raw(&measure->prompt, errand, &request->prompt) < 0 ||
        weft_prompt_grammar(&measure->prompt, errand, &job->grammar) < 0) {
        return; /* it is answered */
    }
    job->kind = WEFT_JOB_SCORE;
    job->prompt = measure->prompt.ids;
    job->prompt_count = measure->prompt.count;
    job->from = request->from;
    job->sampling = request->sampling;
    job->seed = request->seed;
    job->ignore_end = request->ignore_end;
    job->choices = 1;
    if (weft_errand_submit(errand) < 0) {
        return; /* likewise */
    }
}

static void add_position(struct measure *measure, const struct weft_event *event)
{
    struct weft_json *json = &measure->json;
    weft_json_object(json);
    add_number(json, "margin", event->score.margin.margin);
    weft_json_add_int(json, "rank", event->score.rank);
    add_number(json, "logprob", event->score.logprob);
    weft_json_add_int(json, "choice", event->score.margin.choice);
    weft_json_add_bool(json, "filtered", event->score.margin.filtered);
    weft_json_object_end(json);
    measure->count++;
}

void weft_score_event(struct weft_errand *errand, const struct weft_event *event)
{
    struct measure *measure = errand->work;
    if (event->kind == WEFT_EVENT_SCORE) {
        WEFT_ASSERT(event->score.position == measure->count); /* the scheduler tells them in order */
        add_position(measure, event);
    } else if (event->kind == WEFT_EVENT_DONE && event->done.status < 0) {
        fail(errand, event);
    } else if (event->kind == WEFT_EVENT_DONE) {
        WEFT_ASSERT(measure->count == errand->job.prompt_count - errand->job.from);
        weft_json_array_end(&measure->json);
        finish(errand, measure);
    }
}

/* -- /embed: one input after the other -- */

static void embed_next(struct weft_errand *errand, struct measure *measure)
{
    struct weft_job *job = &errand->job;
    weft_prompt_deinit(&measure->prompt);
    if (weft_prompt_raw(&measure->prompt, errand, &errand->request.inputs[measure->inputs_done]) < 0 ||
        !weft_errand_fits(errand, measure->prompt.count, 0)) {
        return; /* it is answered */
    }
    job->kind = WEFT_JOB_EMBED;
    job->prompt = measure->prompt.ids;
    job->prompt_count = measure->prompt.count;
    job->choices = 1;
    if (weft_errand_submit(errand) < 0) {
        return; /* likewise */
    }
}

void weft_embed_begin(struct weft_errand *errand)
{
    struct measure *measure = measure_new(errand, "vectors");
    if (measure) {
        embed_next(errand, measure);
    }
}

static void add_vector(struct measure *measure, const struct weft_event *event)
{
    struct weft_json *json = &measure->json;
    weft_json_array(json);
    for (size_t i = 0; i < event->vector.count; i++) {
        weft_json_double(json, (double)event->vector.at[i]);
    }
    weft_json_array_end(json);
    measure->count++;
}

void weft_embed_event(struct weft_errand *errand, const struct weft_event *event)
{
    struct measure *measure = errand->work;
    if (event->kind == WEFT_EVENT_VECTOR) {
        add_vector(measure, event);
        return;
    }
    if (event->kind != WEFT_EVENT_DONE) {
        return;
    }
    if (event->done.status < 0) {
        fail(errand, event);
        return;
    }
    measure->prompt_tokens += event->done.prompt_tokens;
    measure->inputs_done++;
    WEFT_ASSERT(measure->count == measure->inputs_done);
    if (measure->inputs_done < errand->request.input_count) {
        embed_next(errand, measure);
        return;
    }
    weft_json_array_end(&measure->json);
    weft_json_key(&measure->json, "prompt_tokens");
    weft_json_int(&measure->json, (int64_t)measure->prompt_tokens);
    finish(errand, measure);
}
