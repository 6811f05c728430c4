/* node/serving.c - answers for other nodes of the mesh: POST /mesh/v1/generate.
 *
 * Another node's request goes to an engine of this node as any client's does, through the model's line and a delivery
 * that goes on when the engine dies. The answer's head goes out at once, and while nothing else is told there are
 * signs of life: so the node that asked sees a pause and no silence. */

#include "base/error.h"
#include "base/mem.h"
#include "base/text.h"
#include "node/call.h"
#include "node/delivery.h"
#include "node/openai.h"
#include "node/openai_error.h"
#include "node/openai_native.h"
#include "node/openai_request.h"

#define MEMBERS  ((uint64_t)1 << 63) /* of principals: no client of this node's own is among them */
#define WAIT_MAX (600 * WEFT_SECOND) /* for a whole body, or for room: links do not end streams that rest */

/* Lives in the exchange's arena. */
struct serving {
    struct weft_call *call;
    struct weft_bytes body; /* as it comes */
    json_t *request;        /* until its turn */
    uint8_t hash[WEFT_HOST_HASH_SIZE];
    size_t model;
    struct weft_delivery *delivery; /* NULL: not yet, or over */
    struct weft_timer timer;        /* runs while it waits for the node that asks */
    bool asked, paused;
};

static const struct weft_refusal no_hash = {400, "invalid_request",
                                            WEFT_MESH_MODEL_FIELD
                                            " must be the SHA-256 of the model's file, in 64 hexadecimal digits."};
static const struct weft_refusal not_held = {
    421, "model_not_held",
    "This node does not hold the model that was asked for, or does not share it. Ask another node."};
static const struct weft_refusal no_request = {
    400, "invalid_request", "The body must be a JSON object as docs/PROTOCOL.md has it, with n from 1 to 16."};
static const struct weft_refusal too_large = {413, "body_too_large", "The body is larger than any context."};

/* -- its end -- */

static void let_go(struct serving *serving)
{
    struct weft_timers *timers = &serving->call->front->loop->timers;
    weft_timer_clear(timers, &serving->timer);
    weft_timers_release(timers);
    if (serving->delivery) {
        weft_delivery_cancel(serving->delivery);
        serving->delivery = NULL;
    }
    json_decref(serving->request);
    serving->request = NULL;
    weft_bytes_deinit(&serving->body);
}

static void end(struct serving *serving, bool cancelled, int error)
{
    struct weft_call *call = serving->call;
    struct weft_exchange *exchange = call->exchange;
    let_go(serving);
    weft_call_close(call, exchange->answer_begun ? exchange->answer.status : 0, cancelled, error);
    weft_exchange_leave(exchange, WEFT_WORKER, cancelled ? WEFT_ERR_CANCELLED : error);
}

/* Whoever asks and then does not read would keep an engine's slot for good. */
static void on_timer(struct weft_timer *timer)
{
    end(WEFT_CONTAINER(timer, struct serving, timer), false, WEFT_ERR_TIMEOUT);
}

static void wait_for_asker(struct serving *serving)
{
    struct weft_loop *loop = serving->call->front->loop;
    weft_timer_set(&loop->timers, &serving->timer, loop->turn.now + WAIT_MAX);
}

static void refuse(struct serving *serving, const struct weft_refusal *refusal)
{
    let_go(serving);
    weft_call_refuse(serving->call, refusal);
}

/* -- what it tells -- */

static bool has_left(const struct serving *serving)
{
    return serving->call->exchange->aborted[WEFT_ASKER] != 0; /* on_wake is on its way */
}

static uint32_t bounded(uint64_t count)
{
    return count < UINT32_MAX ? (uint32_t)count : UINT32_MAX;
}

static int write_load(const struct serving *serving, struct weft_bytes *out)
{
    struct weft_line_info line;
    weft_line_report(weft_models_line(serving->call->front->models, serving->model), &line);
    const struct weft_frame load = {.kind = WEFT_FRAME_LOAD,
                                    .load = {.running = bounded(line.running), .waiting = bounded(line.waiting)}};
    return weft_native_write(out, &load);
}

/* Whole frames; false, and it is over, if they cannot be told. */
static bool send(struct serving *serving, struct weft_bytes *frames, int error)
{
    if (error == 0) {
        error = weft_exchange_move(serving->call->exchange, WEFT_ANSWER, frames);
    }
    weft_bytes_deinit(frames);
    if (error < 0) {
        end(serving, false, error);
    }
    return error == 0;
}

/* Who chooses among nodes wants to know how busy this one is: with each sign of life, and at the end. */
static bool tells_load(const struct weft_frame *frame)
{
    return frame->kind == WEFT_FRAME_PROGRESS || frame->kind == WEFT_FRAME_USAGE;
}

static void tell(struct serving *serving, const struct weft_frame *frame)
{
    struct weft_bytes frames = {0};
    int error = tells_load(frame) ? write_load(serving, &frames) : 0;
    if (error == 0) {
        error = weft_native_write(&frames, frame);
    }
    if (send(serving, &frames, error) && weft_exchange_room(serving->call->exchange, WEFT_ANSWER) == 0) {
        serving->paused = true;
        wait_for_asker(serving);
        weft_delivery_pause(serving->delivery, true);
    }
}

static void on_frame(void *self, const struct weft_frame *frame)
{
    if (!has_left(self)) {
        tell(self, frame);
    }
}

static void on_waiting(void *self, size_t ahead, weft_time estimate)
{
    struct serving *serving = self;
    (void)estimate; /* the node that asked has its own clock */
    const struct weft_frame sign = {.kind = WEFT_FRAME_PROGRESS,
                                    .progress = {.phase = WEFT_PHASE_WAITING, .done = bounded(ahead)}};
    if (!has_left(serving) && weft_exchange_room(serving->call->exchange, WEFT_ANSWER) > 0) {
        tell(serving, &sign);
    }
}

/* The last frame: it is whole, or it failed. */
static void finish(struct serving *serving, const struct weft_frame *last)
{
    struct weft_bytes frames = {0};
    int error = weft_native_write(&frames, last);
    if (send(serving, &frames, error)) {
        weft_exchange_end(serving->call->exchange, WEFT_ANSWER);
        end(serving, false, 0);
    }
}

static void on_ended(void *self, const struct weft_native_problem *problem)
{
    struct serving *serving = self;
    serving->delivery = NULL; /* freed by itself after this */
    struct weft_frame last = {.kind = WEFT_FRAME_END};
    if (problem) {
        last = (struct weft_frame){.kind = WEFT_FRAME_ERROR,
                                   .error = {.status = (uint16_t)problem->status,
                                             .code = weft_slice_text(problem->code),
                                             .message = weft_slice_text(problem->message)}};
    }
    if (has_left(serving)) {
        end(serving, true, 0);
    } else {
        finish(serving, &last);
    }
}

/* -- what the engine is asked -- */

static void say_number(struct weft_json *json, const json_t *request, const char *name, double file, double ours)
{
    if (!json_object_get(request, name)) {
        weft_json_add_double(json, name, file >= 0 ? file : ours);
    }
}

/* What the request does not say of sampling the model's file does: the node that asked need not have it. */
static int on_begin(void *self, struct weft_bytes *body)
{
    struct serving *serving = self;
    struct weft_model_info file;
    struct weft_json json;
    json_t *request = serving->request;
    weft_models_info(serving->call->front->models, serving->model, &file);
    weft_json_start(&json, body);
    weft_json_object(&json);
    for (void *at = json_object_iter(request); at; at = json_object_iter_next(request, at)) {
        if (strcmp(json_object_iter_key(at), "resume") != 0) { /* that is the delivery's */
            weft_json_key(&json, json_object_iter_key(at));
            weft_json_value(&json, json_object_iter_value(at));
        }
    }
    say_number(&json, request, "temperature", file.temperature, WEFT_OPENAI_TEMPERATURE);
    say_number(&json, request, "top_p", file.top_p, WEFT_OPENAI_TOP_P);
    say_number(&json, request, "min_p", file.min_p, WEFT_OPENAI_MIN_P);
    if (!json_object_get(request, "top_k")) {
        weft_json_add_int(&json, "top_k", file.top_k >= 0 ? file.top_k : WEFT_OPENAI_TOP_K);
    }
    weft_json_object_end(&json);
    json_decref(request);
    serving->request = NULL;
    return weft_json_finish(&json);
}

static const struct weft_delivery_user delivery_user = {
    .begin = on_begin, .frame = on_frame, .waiting = on_waiting, .ended = on_ended};

/* -- joining the line -- */

/* It could not join: the model's name may be in the sentence, and so what JSON escapes. */
static void refuse_as(struct serving *serving, const struct weft_native_problem *problem)
{
    struct weft_exchange *exchange = serving->call->exchange;
    struct weft_openai_error error;
    struct weft_bytes text = {0};
    weft_openai_error_set(&error, problem->status, problem->code, "%s", problem->message);
    int status = weft_openai_error_write(&error, &text);
    if (status == 0 && problem->retry_s > 0) {
        struct weft_slice seconds = weft_arena_print(&exchange->arena, "%d", problem->retry_s);
        status = seconds.data
                     ? weft_fields_add(&exchange->answer.fields, &exchange->arena, WEFT_SLICE("retry-after"), seconds)
                     : WEFT_ERR_MEMORY;
    }
    let_go(serving);
    weft_call_answer(serving->call, problem->status, WEFT_SLICE("application/json"), &text, status);
}

/* Its head and its first load go out at once: so whoever asked knows that it was taken. */
static void begin_answer(struct serving *serving)
{
    struct weft_exchange *exchange = serving->call->exchange;
    struct weft_bytes frames = {0};
    int error = weft_fields_add(&exchange->answer.fields, &exchange->arena, WEFT_SLICE("content-type"),
                                WEFT_SLICE(WEFT_NATIVE_TYPE));
    if (error < 0) {
        end(serving, false, error);
        return;
    }
    exchange->answer.status = 200;
    weft_exchange_begin_answer(exchange);
    error = write_load(serving, &frames);
    (void)send(serving, &frames, error); /* if not it is over */
}

/* Each node of the mesh is one client: its key's bytes are as good as random. */
static uint64_t principal_of(const struct weft_key *key)
{
    uint64_t number;
    memcpy(&number, key->bytes, sizeof(number));
    return number | MEMBERS;
}

static void join(struct serving *serving, uint16_t choices, struct weft_slice text)
{
    struct weft_call *call = serving->call;
    struct weft_front *front = call->front;
    struct weft_native_problem problem;
    struct weft_model_info info;
    weft_models_info(front->models, serving->model, &info);
    const struct weft_delivery_options options = {
        .loop = front->loop,
        .journal = front->journal,
        .id = call->id,
        .models = front->models,
        .model = serving->model,
        .hash = serving->hash,
        .resume = json_object_get(serving->request, "resume"),
        .choices = choices,
        .principal = principal_of(&call->caller.key),
        .mark = weft_mark_of(&front->mark_key, info.name, text),
        .wait = front->queue_wait,
        .user = &delivery_user,
        .self = serving,
    };
    serving->asked = true;
    if (weft_delivery_start(&serving->delivery, &options, &problem) < 0) {
        refuse_as(serving, &problem);
    } else {
        begin_answer(serving);
    }
}

/* -- the request -- */

static void work_on(struct serving *serving, struct weft_slice text)
{
    int error = weft_json_parse(text, &serving->request, NULL);
    const json_t *n = json_object_get(serving->request, "n");
    json_int_t choices = !n ? 1 : json_is_integer(n) ? json_integer_value(n) : 0;
    int model = weft_models_find_hash(serving->call->front->models, serving->hash, true);
    if (error == WEFT_ERR_MEMORY) {
        refuse(serving, weft_refusal_for_error(error));
    } else if (error < 0 || !json_is_object(serving->request) || choices < 1 || choices > WEFT_OPENAI_CHOICES_MAX) {
        refuse(serving, &no_request);
    } else if (model < 0) {
        refuse(serving, &not_held);
    } else {
        serving->model = (size_t)model;
        join(serving, (uint16_t)choices, text);
    }
}

static void body_came(struct serving *serving)
{
    size_t size = serving->body.size;
    char *text = weft_alloc(size + 1);
    if (!text) {
        refuse(serving, weft_refusal_for_error(WEFT_ERR_MEMORY));
        return;
    }
    size = weft_bytes_read(&serving->body, text, size);
    work_on(serving, weft_slice(text, size));
    weft_free(text);
}

static void collect_body(struct serving *serving)
{
    struct weft_exchange *exchange = serving->call->exchange;
    (void)weft_exchange_take_all(exchange, WEFT_REQUEST, &serving->body); /* how much does not matter */
    if (serving->body.size > WEFT_OPENAI_BODY_MAX ||
        exchange->flows[WEFT_REQUEST].length > (int64_t)WEFT_OPENAI_BODY_MAX) {
        refuse(serving, &too_large);
    } else if (exchange->flows[WEFT_REQUEST].ended) {
        weft_timer_clear(&serving->call->front->loop->timers, &serving->timer);
        body_came(serving);
    }
}

static void on_wake(void *self, struct weft_exchange *exchange)
{
    struct serving *serving = self;
    if (exchange->aborted[WEFT_ASKER]) {
        end(serving, true, 0);
    } else if (!serving->asked) {
        collect_body(serving);
    } else if (serving->paused && weft_exchange_room(exchange, WEFT_ANSWER) > 0) {
        serving->paused = false;
        weft_timer_clear(&serving->call->front->loop->timers, &serving->timer);
        weft_delivery_pause(serving->delivery, false);
    }
}

static void cut(struct weft_call *call)
{
    struct serving *serving = call->worker;
    const struct weft_frame last = {.kind = WEFT_FRAME_ERROR,
                                    .error = {.status = (uint16_t)weft_call_cut_off.status,
                                              .code = weft_slice_text(weft_call_cut_off.code),
                                              .message = weft_slice_text(weft_call_cut_off.why)}};
    if (has_left(serving)) {
        end(serving, true, 0);
    } else if (call->exchange->answer_begun) {
        finish(serving, &last);
    } else {
        let_go(serving);
        weft_call_put_off(call, &weft_call_cut_off, WEFT_CALL_RETRY_S);
    }
}

static bool read_hash(uint8_t hash[WEFT_HOST_HASH_SIZE], struct weft_slice text)
{
    bool whole = text.size == (size_t)2 * WEFT_HOST_HASH_SIZE;
    for (size_t i = 0; whole && i < WEFT_HOST_HASH_SIZE; i++) {
        int high = weft_hex_value(text.data[2 * i]), low = weft_hex_value(text.data[2 * i + 1]);
        whole = high >= 0 && low >= 0;
        hash[i] = (uint8_t)(whole ? high << 4 | low : 0);
    }
    return whole;
}

/* A client asks, and is not asked: its certificate says so, whatever models it has. */
static bool is_client(const struct weft_front *front)
{
    const struct weft_mesh_state *state = front->mesh ? weft_mesh_state_of(front->mesh) : NULL;
    const struct weft_certificate *own = state ? weft_mesh_state_certificate(state) : NULL;
    return own && own->role == WEFT_ROLE_CLIENT;
}

void weft_call_generate(struct weft_call *call)
{
    struct weft_exchange *exchange = call->exchange;
    struct serving *serving = weft_arena_alloc(&exchange->arena, sizeof(*serving));
    struct serving made = {.call = call};
    if (is_client(call->front)) {
        weft_call_refuse(call, &not_held);
        return;
    }
    if (!read_hash(made.hash, weft_fields_value(&exchange->request.fields, WEFT_MESH_MODEL_FIELD))) {
        weft_call_refuse(call, &no_hash);
        return;
    }
    int error = serving ? weft_timers_reserve(&call->front->loop->timers) : WEFT_ERR_MEMORY;
    if (error < 0) {
        weft_call_refuse(call, weft_refusal_for_error(error));
        return;
    }
    *serving = made;
    weft_timer_init(&serving->timer, on_timer);
    call->cut = cut;
    call->worker = serving;
    wait_for_asker(serving);
    weft_exchange_want_body(exchange);
    weft_exchange_attach(exchange, WEFT_WORKER, on_wake, serving);
}
