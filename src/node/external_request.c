/* node/external_request.c - one request to an OpenAI-compatible server, and its answer frame by frame. */
#include "node/external_request.h"

#include "base/error.h"
#include "base/mem.h"
#include "node/external_reading.h"
#include "node/openai_answer.h"
#include "wire/sse.h"

enum request_state {
    REQUEST_ASKED,   /* the server has said nothing yet */
    REQUEST_EVENTS,  /* events come */
    REQUEST_WHOLE,   /* a JSON text comes, whole */
    REQUEST_REFUSED, /* something comes, whole, that says why not */
    REQUEST_OVER,    /* `ended` was called, or nobody wants it any more */
};

struct weft_external_request {
    struct weft_external_request_options options;
    struct weft_exchange *exchange; /* we are its asker; NULL: left */
    struct weft_external_reading *reading;
    struct weft_bytes input; /* of the answer, not yet read */
    struct weft_task look;
    enum request_state state;
    bool paused;
    bool inside; /* the user is being called: what he ends is freed after it */
};

static const struct weft_native_problem lost = {
    .status = 502,
    .passes = true,
    .code = "engine_lost",
    .message = "The external server that was answering stopped before the answer was complete. Ask again."};
static const struct weft_native_problem unreachable = {
    .status = 503,
    .retry_s = WEFT_NATIVE_RETRY_S,
    .passes = true,
    .code = "external_unreachable",
    .message = "The external server that has this model cannot be reached, so it was not asked. Ask again shortly."};
static const struct weft_native_problem malformed = {.status = 502,
                                                     .code = "external_malformed",
                                                     .message =
                                                         "The external server answered in a way that is not OpenAI's "
                                                         "API as this node knows it. Is its URL the one of that "
                                                         "API?"};
static const struct weft_native_problem too_large = {
    .status = 502,
    .code = "answer_too_large",
    .message = "The external server said more at once than this node takes: an event over 1 MiB, over 1024 tool calls, "
               "or a tool's name over 256 bytes. Ask for less in one answer."};
_Static_assert(WEFT_SSE_EVENT_MAX >> 20 == 1 && WEFT_OPENAI_CALLS_MAX == 1024 && WEFT_EXTERNAL_CALL_NAME_MAX == 256,
               "too_large names them");
static const struct weft_native_problem no_memory = {
    .status = 503,
    .retry_s = WEFT_NATIVE_RETRY_S,
    .code = "out_of_memory",
    .message = "This node has no memory left for the answer. Try again shortly."};

/* -- the end -- */

static void leave(struct weft_external_request *request, int why)
{
    if (request->exchange) {
        weft_exchange_leave(request->exchange, WEFT_ASKER, why);
        request->exchange = NULL;
    }
    request->state = REQUEST_OVER;
}

static void request_free(struct weft_external_request *request)
{
    weft_task_remove(&request->look);
    weft_external_reading_free(request->reading);
    weft_bytes_deinit(&request->input);
    weft_free(request);
}

/* Tells the user; the request is freed by whoever holds `inside`. */
static void end(struct weft_external_request *request, const struct weft_native_problem *problem)
{
    leave(request, problem ? WEFT_ERR_CANCELLED : 0);
    request->options.user->ended(request->options.self, problem);
}

static void end_with_error(struct weft_external_request *request, int error)
{
    end(request, error == WEFT_ERR_MEMORY      ? &no_memory
                 : error == WEFT_ERR_CLOSED    ? &lost
                 : error == WEFT_ERR_TOO_LARGE ? &too_large
                                               : &malformed);
}

/* -- an answer that comes whole -- */

static void read_refusal(struct weft_external_request *request, struct weft_slice body)
{
    struct weft_native_problem problem;
    weft_external_refusal(request->exchange->answer.status, body, &problem);
    end(request, &problem);
}

static void read_whole(struct weft_external_request *request)
{
    size_t size = request->input.size;
    char *body = weft_alloc(size + 1);
    if (!body) {
        end(request, &no_memory);
        return;
    }
    size = weft_bytes_read(&request->input, body, size);
    if (request->state == REQUEST_REFUSED) {
        read_refusal(request, weft_slice(body, size));
    } else {
        request->options.user->answer(request->options.self, weft_slice(body, size));
        if (request->state != REQUEST_OVER) {
            end(request, NULL);
        }
    }
    weft_free(body);
}

/* -- an answer in events -- */

static void on_frame(void *self, const struct weft_frame *frame)
{
    struct weft_external_request *request = self;
    if (request->state == REQUEST_OVER) {
        return; /* given up at an earlier frame of the same event */
    }
    if (frame->kind == WEFT_FRAME_END) {
        end(request, NULL);
    } else if (frame->kind == WEFT_FRAME_ERROR) {
        struct weft_native_problem problem = {.status = frame->error.status, .passes = frame->error.status == 503};
        memcpy(problem.code, frame->error.code.data, frame->error.code.size); /* fit: they come from such a place */
        memcpy(problem.message, frame->error.message.data, frame->error.message.size);
        end(request, &problem);
    } else {
        request->options.user->frame(request->options.self, frame);
    }
}

/* A pause holds between events: what one of them says is given to its end. More is taken from the exchange only when
 * all that is here was read, so a paused reader slows the server down. */
static void read_events(struct weft_external_request *request)
{
    while (request->state == REQUEST_EVENTS && !request->paused) {
        struct weft_slice front = weft_bytes_front(&request->input);
        if (front.size == 0) {
            if (weft_exchange_take_all(request->exchange, WEFT_ANSWER, &request->input) == 0) {
                return;
            }
            continue;
        }
        struct weft_slice rest = front;
        int got = weft_external_reading_take(request->reading, &rest);
        weft_bytes_drop(&request->input, front.size - rest.size);
        if (got < 0 && request->state == REQUEST_EVENTS) {
            end_with_error(request, got);
        }
    }
}

/* -- the exchange -- */

static bool has_events(const struct weft_answer_head *head)
{
    struct weft_slice type = weft_fields_value(&head->fields, "content-type");
    struct weft_slice events = WEFT_SLICE("text/event-stream");
    return type.size >= events.size && weft_slice_equal_nocase(weft_slice(type.data, events.size), events);
}

static void begin(struct weft_external_request *request)
{
    const struct weft_answer_head *head = &request->exchange->answer;
    const struct weft_native_user *user = request->options.user;
    bool streamed = request->reading;
    if (head->status != 200) {
        request->state = REQUEST_REFUSED;
    } else if (streamed && !has_events(head)) {
        end(request, &malformed);
    } else {
        request->state = streamed ? REQUEST_EVENTS : REQUEST_WHOLE;
        if (user->begun) {
            user->begun(request->options.self);
        }
    }
}

/* Did the request never get there? Only where that is certain (see weft_upstream_ask()): what a server has taken it may
 * be at work on, and charge for. */
static bool never_arrived(const struct weft_external_request *request, int why)
{
    return request->state == REQUEST_ASKED &&
           (why == WEFT_ERR_REFUSED || why == WEFT_ERR_UNREACHABLE || why == WEFT_ERR_NOT_FOUND ||
            why == WEFT_ERR_TIMEOUT || why == WEFT_ERR_CRYPTO);
}

/* All that came before has been read. */
static void stop(struct weft_external_request *request)
{
    int why = request->exchange->aborted[WEFT_WORKER];
    if (request->state == REQUEST_EVENTS) {
        int error = weft_external_reading_end(request->reading);
        if (error < 0 && request->state != REQUEST_OVER) {
            end_with_error(request, why == WEFT_ERR_MEMORY ? why : error);
        }
    } else {
        end(request, why == WEFT_ERR_MEMORY ? &no_memory : never_arrived(request, why) ? &unreachable : &lost);
    }
}

static void look(struct weft_external_request *request)
{
    if (request->state == REQUEST_ASKED && request->exchange->answer_begun) {
        begin(request);
    }
    read_events(request);
    if (request->state == REQUEST_OVER || request->paused) {
        return;
    }
    bool whole = request->state == REQUEST_WHOLE || request->state == REQUEST_REFUSED;
    if (whole) {
        (void)weft_exchange_take_all(request->exchange, WEFT_ANSWER, &request->input); /* how much does not matter */
    }
    bool drained = weft_exchange_drained(request->exchange, WEFT_ANSWER);
    if (whole && request->input.size > WEFT_EXTERNAL_ANSWER_MAX) {
        if (request->state == REQUEST_REFUSED) {
            read_refusal(request, WEFT_SLICE("")); /* its status says enough */
        } else {
            end(request, &too_large);
        }
    } else if (whole && drained) {
        read_whole(request);
    } else if (request->exchange->aborted[WEFT_WORKER] || drained) {
        stop(request);
    }
}

static void look_and_free(struct weft_external_request *request)
{
    request->inside = true;
    if (request->state != REQUEST_OVER) {
        look(request);
    }
    request->inside = false;
    if (request->state == REQUEST_OVER) {
        request_free(request);
    }
}

static void on_wake(void *self, struct weft_exchange *exchange)
{
    (void)exchange;
    look_and_free(self);
}

static void on_look(struct weft_task *task)
{
    look_and_free(WEFT_CONTAINER(task, struct weft_external_request, look));
}

/* -- the beginning -- */

static int add_fields(struct weft_exchange *exchange, const struct weft_external_request_options *options)
{
    struct weft_fields *fields = &exchange->request.fields;
    struct weft_arena *arena = &exchange->arena;
    struct weft_slice accept = options->body ? WEFT_SLICE("text/event-stream") : WEFT_SLICE("application/json");
    int error = weft_fields_add(fields, arena, WEFT_SLICE("accept"), accept);
    if (error == 0 && options->target.via.size > 0) {
        error = weft_fields_add(fields, arena, WEFT_SLICE("via"), options->target.via);
    }
    if (error == 0 && options->body) {
        error = weft_fields_add(fields, arena, WEFT_SLICE("content-type"), WEFT_SLICE("application/json"));
    }
    if (error == 0 && options->key.size > 0) {
        struct weft_slice value = weft_arena_print(arena, "Bearer %.*s", (int)options->key.size, options->key.data);
        error = value.data ? weft_fields_add(fields, arena, WEFT_SLICE("authorization"), value) : WEFT_ERR_MEMORY;
    }
    return error;
}

static int make_request(struct weft_exchange *exchange, const struct weft_external_request_options *options)
{
    static const char *const paths[] = {
        [WEFT_OPENAI_CHAT] = "/chat/completions", [WEFT_OPENAI_COMPLETION] = "/completions"};
    const struct weft_relay_target *target = &options->target;
    struct weft_arena *arena = &exchange->arena;
    exchange->request = (struct weft_request_head){
        .method = options->body ? WEFT_SLICE("POST") : WEFT_SLICE("GET"),
        .scheme = weft_arena_copy(arena, target->scheme),
        .authority = weft_arena_copy(arena, target->authority),
        .target = weft_arena_print(arena, "%.*s%s", (int)target->path.size, target->path.data,
                                   options->body ? paths[options->shape] : "/models"),
    };
    if (!exchange->request.scheme.data || !exchange->request.authority.data || !exchange->request.target.data) {
        return WEFT_ERR_MEMORY;
    }
    exchange->flows[WEFT_REQUEST].length = options->body ? (int64_t)options->body->size : 0;
    int error = add_fields(exchange, options);
    if (error == 0 && options->body) {
        error = weft_exchange_move(exchange, WEFT_REQUEST, options->body);
    }
    if (error == 0) {
        weft_exchange_end(exchange, WEFT_REQUEST);
    }
    return error;
}

static int make_reading(struct weft_external_request *request, const struct weft_external_request_options *options)
{
    const struct weft_external_reading_options reading = {
        .shape = options->shape, .choices = options->choices, .frame = on_frame, .self = request};
    return options->body ? weft_external_reading_new(&request->reading, &reading) : 0;
}

static int ask(struct weft_external_request *request, const struct weft_external_request_options *options)
{
    int error = weft_exchange_new(&request->exchange, &options->loop->turn);
    if (error < 0) {
        return error;
    }
    error = make_request(request->exchange, options);
    if (error == 0) {
        weft_exchange_attach(request->exchange, WEFT_ASKER, on_wake, request);
        error = options->target.ask(options->target.self, request->exchange);
    }
    if (error < 0) {
        weft_exchange_leave(request->exchange, WEFT_WORKER, error);
    }
    return error;
}

int weft_external_request_start(struct weft_external_request **out, const struct weft_external_request_options *options)
{
    struct weft_external_request *request = *out = weft_zalloc(sizeof(*request));
    if (!request) {
        return WEFT_ERR_MEMORY;
    }
    request->options = *options;
    request->options.body = NULL;
    request->options.key = WEFT_SLICE(""); /* it is the caller's, and may go */
    weft_task_init(&request->look, on_look);
    int error = make_reading(request, options);
    if (error == 0) {
        error = ask(request, options);
    }
    if (error < 0) {
        leave(request, error);
        request_free(request);
        *out = NULL;
    }
    return error;
}

void weft_external_request_cancel(struct weft_external_request *request)
{
    leave(request, WEFT_ERR_CANCELLED);
    if (!request->inside) {
        request_free(request);
    }
}

void weft_external_request_pause(struct weft_external_request *request, bool on)
{
    request->paused = on;
    if (!on && request->state != REQUEST_OVER) {
        weft_turn_add(&request->options.loop->turn, &request->look);
    }
}
