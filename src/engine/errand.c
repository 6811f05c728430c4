/* engine/errand.c - one request to the engine, from its head to the last byte of its answer. */
#include "engine/errand.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/assert.h"
#include "base/error.h"
#include "base/mem.h"
#include "wire/json.h"

/* -- life -- */

void weft_errand_free(struct weft_errand *errand)
{
    WEFT_ASSERT(!errand->running);
    if (errand->exchange) {
        weft_exchange_leave(errand->exchange, WEFT_WORKER, WEFT_ERR_CLOSED);
    }
    if (errand->route && errand->route->free) {
        errand->route->free(errand);
    }
    if (errand->previous) {
        errand->previous->next = errand->next;
    } else {
        errand->desk->errands = errand->next;
    }
    if (errand->next) {
        errand->next->previous = errand->previous;
    }
    weft_bytes_deinit(&errand->body);
    weft_arena_deinit(&errand->job.arena);
    weft_arena_deinit(&errand->arena);
    weft_free(errand);
}

void weft_errand_end(struct weft_errand *errand, int error)
{
    if (errand->exchange) {
        weft_exchange_leave(errand->exchange, WEFT_WORKER, error);
        errand->exchange = NULL;
    }
    if (errand->running) {
        weft_scheduler_cancel(errand->desk->scheduler, &errand->job); /* DONE comes, and frees */
    } else {
        weft_errand_free(errand);
    }
}

/* -- answers -- */

void weft_errand_fail(struct weft_errand *errand, int error)
{
    /* Nothing of the answer is out, so the carrier says what it was; if some is, it resets the stream. */
    weft_errand_end(errand, error);
}

static int add_field(struct weft_errand *errand, struct weft_slice name, struct weft_slice value)
{
    return value.data ? weft_fields_add(&errand->exchange->answer.fields, &errand->exchange->arena, name, value)
                      : WEFT_ERR_MEMORY;
}

/* Takes `json`. */
static void answer(struct weft_errand *errand, int status, struct weft_bytes *json, int error)
{
    struct weft_exchange *exchange = errand->exchange;
    if (error == 0) {
        error = add_field(errand, WEFT_SLICE("content-type"), WEFT_SLICE("application/json"));
    }
    if (error == 0) {
        exchange->answer.status = status;
        exchange->flows[WEFT_ANSWER].length = (int64_t)json->size;
        weft_exchange_begin_answer(exchange);
        error = weft_exchange_move(exchange, WEFT_ANSWER, json);
    }
    if (error == 0) {
        weft_exchange_end(exchange, WEFT_ANSWER);
    }
    weft_bytes_deinit(json);
    weft_errand_end(errand, error);
}

void weft_errand_reply(struct weft_errand *errand, struct weft_bytes *json, int error)
{
    answer(errand, 200, json, error);
}

void weft_errand_refuse(struct weft_errand *errand, const struct weft_errand_problem *problem)
{
    struct weft_bytes text = {0};
    struct weft_json json;
    weft_json_start(&json, &text);
    weft_json_object(&json);
    weft_json_key(&json, "error");
    weft_json_object(&json);
    weft_json_add_text(&json, "code", problem->code);
    weft_json_add_text(&json, "message", problem->message);
    for (size_t i = 0; i < WEFT_COUNT(problem->numbers) && problem->numbers[i].name; i++) {
        weft_json_add_int(&json, problem->numbers[i].name, problem->numbers[i].value);
    }
    weft_json_object_end(&json);
    weft_json_object_end(&json);
    int error = weft_json_finish(&json);
    if (error == 0 && problem->retry_s > 0) {
        error = add_field(errand, WEFT_SLICE("retry-after"),
                          weft_arena_print(&errand->exchange->arena, "%d", problem->retry_s));
    }
    answer(errand, problem->status, &text, error);
}

static void refuse(struct weft_errand *errand, const char *code, const char *message)
{
    weft_errand_refuse(errand, &(const struct weft_errand_problem){.status = 400, .code = code, .message = message});
}

/* -- jobs -- */

int weft_errand_submit(struct weft_errand *errand)
{
    errand->job.owner = errand;
    int error = weft_scheduler_submit(errand->desk->scheduler, &errand->job);
    if (error == WEFT_ERR_FULL) {
        weft_errand_refuse(errand,
                           &(const struct weft_errand_problem){
                               .status = 503,
                               .code = "full",
                               .message = "This model has as many requests waiting as it takes. Try again soon.",
                               .retry_s = WEFT_ERRAND_RETRY_S});
    } else if (error == WEFT_ERR_UNSUPPORTED) {
        refuse(errand, "unsupported",
               errand->desk->model->embeds ? "This model was made for embeddings: it can answer nothing else."
                                           : "This model does not do that.");
    } else if (error == WEFT_ERR_INVALID || error == WEFT_ERR_TOO_LARGE) {
        /* All else was checked when the request was read. */
        refuse(errand, "invalid_grammar",
               "The grammar cannot be compiled: it is no GBNF, or too large. One that was made from a schema or from "
               "tools asks for too much: make those simpler.");
    } else if (error < 0) {
        weft_errand_fail(errand, error);
    } else {
        errand->running = true;
        if (errand->route->sign) {
            struct weft_desk *desk = errand->desk;
            weft_pulse_wake(&desk->pulse, weft_scheduler_ticks(desk->scheduler), desk->turn.now);
        }
    }
    return error;
}

void weft_errand_signs(struct weft_desk *desk, bool lives)
{
    bool any = false;
    for (struct weft_errand *errand = desk->errands; errand; errand = errand->next) {
        if (!errand->running || !errand->exchange || !errand->route->sign) {
            continue;
        }
        any = true;
        if (lives && !errand->told) {
            errand->route->sign(errand);
        }
        errand->told = false;
    }
    if (!any) {
        weft_pulse_rest(&desk->pulse);
    }
}

void weft_errand_event(const struct weft_event *event)
{
    struct weft_errand *errand = event->job->owner;
    WEFT_ASSERT(errand->running);
    if (event->kind == WEFT_EVENT_DONE) {
        errand->running = false;
    }
    if (errand->exchange) {
        errand->route->event(errand, event);
    } else if (!errand->running) {
        weft_errand_free(errand);
    }
}

void weft_errand_returned(struct weft_job *job)
{
    struct weft_errand *errand = job->owner;
    errand->running = false;
}

void weft_errand_number(char text[WEFT_ERRAND_NUMBER_MAX], uint64_t number)
{
    char digits[WEFT_ERRAND_NUMBER_MAX];
    int count = snprintf(digits, sizeof(digits), "%" PRIu64, number);
    size_t size = (size_t)count, at = 0; /* 20 digits at most, and 6 commas */
    for (size_t i = 0; i < size; i++) {
        if (i > 0 && (size - i) % 3 == 0) {
            text[at++] = ',';
        }
        text[at++] = digits[i];
    }
    text[at] = 0;
}

bool weft_errand_fits(struct weft_errand *errand, size_t prompt, uint64_t answer_max)
{
    const struct weft_model *model = errand->desk->model;
    uint64_t context = (uint64_t)model->context_tokens;
    if (model->embeds && context > WEFT_MODEL_BATCH) {
        context = WEFT_MODEL_BATCH; /* such a model sees its text at once */
    }
    if (prompt + answer_max <= context) {
        return true;
    }
    char has[WEFT_ERRAND_NUMBER_MAX], may[WEFT_ERRAND_NUMBER_MAX], holds[WEFT_ERRAND_NUMBER_MAX];
    char message[WEFT_ERRAND_MESSAGE_MAX];
    const char *plural = prompt == 1 ? "" : "s";
    weft_errand_number(has, prompt);
    weft_errand_number(may, answer_max);
    weft_errand_number(holds, context);
    if (answer_max == 0) {
        (void)snprintf(message, sizeof(message),
                       "The input has %s token%s, but this model's context holds %s. Shorten it.", has, plural, holds);
    } else if (prompt >= context) {
        (void)snprintf(message, sizeof(message),
                       "The prompt has %s token%s, but this model's context holds %s, and the answer needs room in it "
                       "too. Shorten the prompt.",
                       has, plural, holds);
    } else {
        (void)snprintf(message, sizeof(message),
                       "The prompt has %s token%s and the answer may take %s, but this model's context holds %s. "
                       "Shorten the prompt, or ask for fewer tokens.",
                       has, plural, may, holds);
    }
    weft_errand_refuse(errand, &(const struct weft_errand_problem){.status = 400,
                                                                   .code = "context_overflow",
                                                                   .message = message,
                                                                   .numbers = {{"prompt_tokens", (int64_t)prompt},
                                                                               {"answer_tokens", (int64_t)answer_max},
                                                                               {"context_tokens", (int64_t)context}}});
    return false;
}

/* -- the request -- */

/* Not ready: says what to wait for, or what went wrong. */
static void refuse_unready(struct weft_errand *errand)
{
    struct weft_desk *desk = errand->desk;
    bool failed = desk->state == WEFT_DESK_FAILED;
    weft_errand_refuse(errand,
                       &(const struct weft_errand_problem){
                           .status = 503,
                           .code = failed ? desk->code : "loading",
                           .message = failed ? desk->problem : "The model is still being loaded. Try again soon.",
                           .retry_s = failed ? 0 : WEFT_ERRAND_RETRY_S});
}

static int read_body(struct weft_errand *errand, char problem[WEFT_REQUEST_PROBLEM_MAX])
{
    size_t size = errand->body.size;
    char *text = weft_alloc(size + 1);
    if (!text) {
        return WEFT_ERR_MEMORY;
    }
    size = weft_bytes_read(&errand->body, text, size);
    int error = weft_request_read(errand->route->kind, weft_slice(text, size), errand->desk->model->vocabulary,
                                  &errand->arena, &errand->request, problem);
    weft_free(text);
    return error;
}

static bool has_body(const struct weft_route *route)
{
    return strcmp(route->method, "POST") == 0;
}

static void begin(struct weft_errand *errand)
{
    errand->begun = true;
    if (!errand->route->at_any_time && errand->desk->state != WEFT_DESK_READY) {
        refuse_unready(errand);
        return;
    }
    char problem[WEFT_REQUEST_PROBLEM_MAX] = "";
    int error = has_body(errand->route) ? read_body(errand, problem) : 0;
    if (error == WEFT_ERR_INVALID || error == WEFT_ERR_TOO_LARGE) {
        refuse(errand, "invalid_request", problem);
    } else if (error == WEFT_ERR_UNSUPPORTED) {
        refuse(errand, "unknown_member", problem);
    } else if (error < 0) {
        weft_errand_fail(errand, error);
    } else {
        errand->route->begin(errand);
    }
}

static void on_wake(void *self, struct weft_exchange *exchange)
{
    struct weft_errand *errand = self;
    if (exchange->aborted[WEFT_ASKER]) {
        weft_errand_end(errand, WEFT_ERR_CANCELLED);
        return;
    }
    if (errand->whole) {
        return;
    }
    (void)weft_exchange_take_all(exchange, WEFT_REQUEST,
                                 &errand->body); /* how much is in its size; the carrier bounds it */
    errand->whole = exchange->flows[WEFT_REQUEST].ended;
    if (errand->whole && !has_body(errand->route)) {
        begin(errand);
    }
}

bool weft_errand_begin_one(struct weft_desk *desk)
{
    struct weft_errand *oldest = NULL;
    bool more = false;
    for (struct weft_errand *errand = desk->errands; errand; errand = errand->next) {
        if (errand->whole && !errand->begun) {
            more = oldest;
            oldest = errand;
        }
    }
    if (oldest && desk->scheduler) {
        weft_scheduler_expect(desk->scheduler, true);
        begin(oldest);
        weft_scheduler_expect(desk->scheduler, more);
    } else if (oldest) {
        begin(oldest);
    }
    return more;
}

static const struct weft_route *find(const struct weft_route *routes, const struct weft_exchange *exchange,
                                     struct weft_errand_problem *problem)
{
    const struct weft_slice target = exchange->request.target;
    *problem = (struct weft_errand_problem){
        .status = 404, .code = "not_found", .message = "The engine has no such path; docs/ENGINE.md lists them."};
    for (; routes->path; routes++) {
        if (weft_slice_equal(target, weft_slice_text(routes->path))) {
            if (weft_slice_equal(exchange->request.method, weft_slice_text(routes->method))) {
                return routes;
            }
            *problem = (struct weft_errand_problem){
                .status = 405, .code = "bad_method", .message = "This path is asked with another method."};
        }
    }
    return NULL;
}

void weft_errand_start(struct weft_desk *desk, const struct weft_route *routes, struct weft_exchange *exchange)
{
    struct weft_errand *errand = weft_zalloc(sizeof(*errand));
    if (!errand) {
        weft_exchange_leave(exchange, WEFT_WORKER, WEFT_ERR_MEMORY);
        return;
    }
    errand->desk = desk;
    errand->exchange = exchange;
    weft_bytes_init(&errand->body);
    weft_arena_init(&errand->arena);
    weft_arena_init(&errand->job.arena);
    errand->next = desk->errands;
    if (errand->next) {
        errand->next->previous = errand;
    }
    desk->errands = errand;
    struct weft_errand_problem problem;
    errand->route = find(routes, exchange, &problem);
    if (!errand->route) {
        weft_errand_refuse(errand, &problem);
        return;
    }
    weft_exchange_want_body(exchange);
    weft_exchange_attach(exchange, WEFT_WORKER, on_wake, errand);
}
