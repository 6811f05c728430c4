/* engine/generate.c - POST /generate: a job from a request, and its events as the native stream. */
#include "base/error.h"
#include "engine/answer.h"
#include "engine/prompt.h"
#include "engine/routes.h"

/* Frames that wait for a reader who takes nothing: then the stream is reset. An answer is bounded by the context, so
 * only one with many choices and logprobs, read by nobody, comes to it. */
#define WAITING_MAX ((size_t)16 * 1024 * 1024)

struct generation {
    struct weft_prompt prompt;
    struct weft_answer *answer;
};

void weft_generate_free(struct weft_errand *errand)
{
    struct generation *generation = errand->work;
    if (generation) {
        weft_answer_free(generation->answer);
        weft_prompt_deinit(&generation->prompt);
    }
}

/* -- the job -- */

/* The client's stop strings, then the template's. */
static int set_stops(struct weft_errand *errand, const struct weft_chat_prompt *chat)
{
    const struct weft_request *request = &errand->request;
    size_t own = request->stop_count, more = chat ? chat->stop_count : 0;
    struct weft_slice *stops = weft_arena_alloc(&errand->arena, (own + more) * sizeof(*stops));
    if (!stops) {
        return WEFT_ERR_MEMORY;
    }
    for (size_t i = 0; i < own; i++) {
        stops[i] = request->stops[i];
    }
    for (size_t i = 0; i < more; i++) {
        stops[own + i] = chat->stops[i];
    }
    errand->job.stops = stops;
    errand->job.stop_count = own + more;
    return 0;
}

static int set_job(struct weft_errand *errand, const struct weft_prompt *prompt)
{
    const struct weft_request *request = &errand->request;
    struct weft_job *job = &errand->job;
    uint32_t room =
        (uint32_t)errand->desk->model->context_tokens - (uint32_t)prompt->count; /* they fit: it was checked */
    job->kind = WEFT_JOB_GENERATE;
    job->prompt = prompt->ids;
    job->prompt_count = prompt->count;
    job->sampling = request->sampling;
    job->seed = request->seed;
    job->choices = request->choices;
    job->max_tokens = request->max_tokens == UINT32_MAX ? room : request->max_tokens;
    job->logprobs = request->logprobs;
    job->echo = request->echo;
    job->ignore_end = request->ignore_end;
    for (size_t i = 0; i < request->choices; i++) {
        job->resume[i].ids = request->resume[i].ids;
        job->resume[i].count = request->resume[i].count;
    }
    if (prompt->chat) {
        job->preserved = prompt->chat->preserved;
        job->preserved_count = prompt->chat->preserved_count;
    }
    return set_stops(errand, prompt->chat);
}

static int make_answer(struct weft_errand *errand, struct generation *generation)
{
    const struct weft_request *request = &errand->request;
    const struct weft_chat_prompt *chat = generation->prompt.chat;
    const struct weft_answer_options options = {
        .prompt = chat && chat->parsed ? chat : NULL,
        .choices = request->choices,
        .call_ids = request->call_ids.size > 0 ? request->call_ids : WEFT_SLICE("call"),
        .stops = request->stops,
        .stop_count = request->stop_count,
    };
    return weft_answer_new(&generation->answer, &options);
}

/* -- what may be asked -- */

static void refuse(struct weft_errand *errand, const char *message)
{
    weft_errand_refuse(
        errand, &(const struct weft_errand_problem){.status = 400, .code = "invalid_request", .message = message});
}

/* What can only be checked once the prompt is known. False if it was refused. */
static bool check(struct weft_errand *errand, const struct weft_prompt *prompt)
{
    const struct weft_request *request = &errand->request;
    if (prompt->count == 0) {
        refuse(errand, "'prompt' is empty: the model needs at least one token to begin with");
        return false;
    }
    uint64_t longest = 0;
    for (size_t i = 0; i < request->choices; i++) {
        longest = request->resume[i].count > longest ? request->resume[i].count : longest;
    }
    if (longest > request->max_tokens) {
        refuse(errand, "'resume' has more ids than 'max_tokens' allows");
        return false;
    }
    if (request->max_tokens != UINT32_MAX) {
        return weft_errand_fits(errand, prompt->count, request->max_tokens);
    }
    return weft_errand_fits(errand, prompt->count, longest > 0 ? longest : 1);
}

/* -- the stream -- */

static int begin_stream(struct weft_errand *errand)
{
    struct weft_exchange *exchange = errand->exchange;
    int error = weft_fields_add(&exchange->answer.fields, &exchange->arena, WEFT_SLICE("content-type"),
                                WEFT_SLICE(WEFT_NATIVE_TYPE));
    if (error == 0) {
        exchange->answer.status = 200;
        weft_exchange_begin_answer(exchange);
    }
    return error;
}

void weft_generate_begin(struct weft_errand *errand)
{
    const struct weft_request *request = &errand->request;
    struct generation *generation = weft_arena_alloc(&errand->arena, sizeof(*generation));
    if (!generation) {
        weft_errand_fail(errand, WEFT_ERR_MEMORY);
        return;
    }
    *generation = (struct generation){.answer = NULL};
    errand->work = generation;
    struct weft_prompt *prompt = &generation->prompt;
    int error = request->chat.messages.size > 0 ? weft_prompt_chat(prompt, errand)
                                                : weft_prompt_raw(prompt, errand, &request->prompt);
    if (error < 0 || !check(errand, prompt) || weft_prompt_grammar(prompt, errand, &errand->job.grammar) < 0) {
        return; /* it is answered */
    }
    error = set_job(errand, prompt);
    if (error == 0) {
        error = make_answer(errand, generation);
    }
    if (error < 0) {
        weft_errand_fail(errand, error);
        return;
    }
    if (weft_errand_submit(errand) < 0) {
        return; /* likewise */
    }
    error = begin_stream(errand);
    if (error < 0) {
        weft_errand_fail(errand, error);
    }
}

void weft_generate_event(struct weft_errand *errand, const struct weft_event *event)
{
    struct generation *generation = errand->work;
    struct weft_exchange *exchange = errand->exchange;
    struct weft_bytes frames = {0};
    int result = weft_answer_add(generation->answer, event, &frames);
    if (result >= 0 && frames.size > 0) {
        errand->told = true;
        int error = weft_exchange_move(exchange, WEFT_ANSWER, &frames);
        result = error < 0 ? error : result;
    }
    if (result == 0 && exchange->flows[WEFT_ANSWER].bytes.size > WAITING_MAX) {
        result = WEFT_ERR_FULL;
    }
    weft_bytes_deinit(&frames);
    if (result == 1) {
        weft_exchange_end(exchange, WEFT_ANSWER);
    }
    if (result != 0) {
        weft_errand_end(errand, result < 0 ? result : 0);
    }
}

void weft_generate_sign(struct weft_errand *errand)
{
    const struct generation *generation = errand->work;
    struct weft_bytes frames = {0};
    int error = weft_answer_sign(generation->answer, &frames);
    if (error == 0) {
        error = weft_exchange_move(errand->exchange, WEFT_ANSWER, &frames);
    }
    (void)error; /* nothing depends on this frame; what kept it from going out shows with the next event */
    weft_bytes_deinit(&frames);
}
