/* node/native.c - one request to an engine, and its answer frame by frame. */
#include "node/native.h"

#include "base/error.h"
#include "base/mem.h"
#include "wire/json.h"
#include "wire/utf8.h"

#define RETRY_S_MAX 600 /* a longer one is not believed */

enum native_state {
    NATIVE_ASKED,   /* the engine has said nothing yet */
    NATIVE_FRAMES,  /* frames come */
    NATIVE_WHOLE,   /* a JSON text comes, whole */
    NATIVE_REFUSED, /* the same, and it says why not */
    NATIVE_OVER,    /* `ended` was called, or nobody wants it any more */
};

struct weft_native {
    struct weft_native_options options;
    struct weft_exchange *exchange; /* we are its asker; NULL: left */
    struct weft_native_reader reader;
    struct weft_bytes input; /* of the answer, not yet read */
    struct weft_task look;
    enum native_state state;
    bool paused;
    bool inside; /* the user is being called: what he ends is freed after it */
};

static const struct weft_native_problem engine_lost = {
    .status = 502,
    .passes = true,
    .code = "engine_lost",
    .message = "The engine that was answering stopped before the answer was complete. It is being restarted; please "
               "ask again."};
static const struct weft_native_problem engine_malformed = {
    .status = 502,
    .code = "engine_malformed",
    .message = "The engine answered in a way that this node does not understand. If weft and weft-engine are of one "
               "build, this is a fault in Weft: please report it."};
static const struct weft_native_problem no_memory = {
    .status = 503,
    .retry_s = WEFT_NATIVE_RETRY_S,
    .code = "out_of_memory",
    .message = "This node has no memory left for the answer. Try again shortly."};

/* -- the end -- */

static void leave(struct weft_native *native, int why)
{
    if (native->exchange) {
        weft_exchange_leave(native->exchange, WEFT_ASKER, why);
        native->exchange = NULL;
    }
    native->state = NATIVE_OVER;
}

static void native_free(struct weft_native *native)
{
    weft_task_remove(&native->look);
    weft_native_reader_deinit(&native->reader);
    weft_bytes_deinit(&native->input);
    weft_free(native);
}

/* Tells the user; the request is freed by whoever holds `inside`. */
static void end(struct weft_native *native, const struct weft_native_problem *problem)
{
    leave(native, problem ? WEFT_ERR_CANCELLED : 0);
    native->options.user->ended(native->options.self, problem);
}

static void end_with_error(struct weft_native *native, int error)
{
    end(native, error == WEFT_ERR_MEMORY ? &no_memory : &engine_malformed);
}

/* As much of a text as fits, whole characters only. */
static void put_text(char *to, size_t size, struct weft_slice text)
{
    size_t used = 0;
    while (used < text.size) {
        size_t step = weft_utf8_step(weft_slice(text.data + used, text.size - used));
        if (step == 0 || used + step >= size) {
            break;
        }
        memcpy(to + used, text.data + used, step);
        used += step;
    }
    to[used] = '\0';
}

/* Codes get into the journal, and a peer's could be anything else, an answer's text too. */
static bool is_code(struct weft_slice text)
{
    size_t i = 0;
    while (i < text.size && ((text.data[i] >= 'a' && text.data[i] <= 'z') ||
                             (text.data[i] >= '0' && text.data[i] <= '9') || text.data[i] == '_')) {
        i++;
    }
    return i > 0 && i == text.size && i < WEFT_NATIVE_CODE_MAX;
}

/* How long whoever refused wants not to be asked. */
static int retry_of(const struct weft_native *native)
{
    struct weft_slice text = weft_fields_value(&native->exchange->answer.fields, "retry-after");
    int seconds = 0;
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] < '0' || text.data[i] > '9' || seconds > RETRY_S_MAX) {
            return WEFT_NATIVE_RETRY_S; /* a date, which nobody here says */
        }
        seconds = 10 * seconds + (text.data[i] - '0');
    }
    return seconds > 0 && seconds <= RETRY_S_MAX ? seconds : WEFT_NATIVE_RETRY_S;
}

static void end_as_engine_says(struct weft_native *native, int status, struct weft_slice code,
                               struct weft_slice message)
{
    struct weft_native_problem problem = {
        .status = status, .retry_s = status == 503 ? retry_of(native) : 0, .passes = status == 503};
    if (status < 400 || status > 599 || !is_code(code) || message.size == 0) {
        end(native, &engine_malformed);
        return;
    }
    put_text(problem.code, sizeof(problem.code), code);
    put_text(problem.message, sizeof(problem.message), message);
    end(native, &problem);
}

/* -- an answer that comes whole -- */

static struct weft_slice member(const json_t *object, const char *key)
{
    const json_t *text = json_object_get(object, key);
    return weft_slice(json_string_value(text), json_string_length(text)); /* NULL and 0 for what is no string */
}

static void read_refusal(struct weft_native *native, struct weft_slice body)
{
    json_t *json = NULL;
    int error = weft_json_parse(body, &json, NULL);
    if (error < 0) {
        end_with_error(native, error);
        return;
    }
    const json_t *says = json_object_get(json, "error");
    end_as_engine_says(native, native->exchange->answer.status, member(says, "code"), member(says, "message"));
    json_decref(json);
}

static void read_whole(struct weft_native *native)
{
    size_t size = native->input.size;
    char *body = weft_alloc(size + 1);
    if (!body) {
        end(native, &no_memory);
        return;
    }
    size = weft_bytes_read(&native->input, body, size);
    if (native->state == NATIVE_REFUSED) {
        read_refusal(native, weft_slice(body, size));
    } else {
        native->options.user->answer(native->options.self, weft_slice(body, size));
        if (native->state != NATIVE_OVER) {
            end(native, NULL);
        }
    }
    weft_free(body);
}

/* -- an answer in frames -- */

static void read_frame(struct weft_native *native, const struct weft_frame *frame)
{
    if (frame->kind == WEFT_FRAME_END) {
        end(native, NULL);
    } else if (frame->kind == WEFT_FRAME_ERROR) {
        end_as_engine_says(native, frame->error.status, frame->error.code, frame->error.message);
    } else {
        native->options.user->frame(native->options.self, frame);
    }
}

/* More is taken from the exchange only when no whole frame is left here: what the exchange holds back, the engine does
 * not send: it writes on until its answer is whole, or more waits than it keeps, and goes no further. */
static void read_frames(struct weft_native *native)
{
    while (native->state == NATIVE_FRAMES && !native->paused) {
        struct weft_frame frame;
        size_t taken; /* of a queue that is ours: the exchange has been told */
        int got = weft_native_read(&native->reader, &native->input, &frame, &taken);
        if (got < 0) {
            end_with_error(native, got);
        } else if (got > 0) {
            read_frame(native, &frame);
        } else if (weft_exchange_take_all(native->exchange, WEFT_ANSWER, &native->input) == 0) {
            return;
        }
    }
}

/* -- the exchange -- */

static void begin(struct weft_native *native)
{
    const struct weft_answer_head *head = &native->exchange->answer;
    const struct weft_native_user *user = native->options.user;
    bool frames = weft_slice_equal(weft_fields_value(&head->fields, "content-type"), WEFT_SLICE(WEFT_NATIVE_TYPE));
    if (head->status != 200) {
        native->state = NATIVE_REFUSED;
    } else if (frames ? !user->frame : !user->answer) {
        end(native, &engine_malformed);
    } else {
        native->state = frames ? NATIVE_FRAMES : NATIVE_WHOLE;
        if (user->begun) {
            user->begun(native->options.self);
        }
    }
}

static void look(struct weft_native *native)
{
    if (native->state == NATIVE_ASKED && native->exchange->answer_begun) {
        begin(native);
    }
    read_frames(native);
    if (native->state == NATIVE_OVER || native->paused) {
        return;
    }
    bool whole = native->state == NATIVE_WHOLE || native->state == NATIVE_REFUSED;
    if (whole) {
        (void)weft_exchange_take_all(native->exchange, WEFT_ANSWER, &native->input); /* how much does not matter */
    }
    bool drained = weft_exchange_drained(native->exchange, WEFT_ANSWER);
    if (whole && native->input.size > WEFT_NATIVE_ANSWER_MAX) {
        end(native, &engine_malformed);
    } else if (whole && drained) {
        read_whole(native);
    } else if (native->exchange->aborted[WEFT_WORKER] || drained) { /* all that came before has been read */
        end(native, native->exchange->aborted[WEFT_WORKER] == WEFT_ERR_MEMORY ? &no_memory : &engine_lost);
    }
}

static void look_and_free(struct weft_native *native)
{
    native->inside = true;
    if (native->state != NATIVE_OVER) {
        look(native);
    }
    native->inside = false;
    if (native->state == NATIVE_OVER) {
        native_free(native);
    }
}

static void on_wake(void *self, struct weft_exchange *exchange)
{
    (void)exchange;
    look_and_free(self);
}

static void on_look(struct weft_task *task)
{
    look_and_free(WEFT_CONTAINER(task, struct weft_native, look));
}

/* -- the beginning -- */

static int make_request(struct weft_exchange *exchange, const struct weft_native_options *options)
{
    const struct weft_relay_target *target = &options->target;
    struct weft_arena *arena = &exchange->arena;
    exchange->request = (struct weft_request_head){
        .method = options->body ? WEFT_SLICE("POST") : WEFT_SLICE("GET"),
        .scheme = weft_arena_copy(arena, target->scheme),
        .authority = weft_arena_copy(arena, target->authority),
        .target =
            weft_arena_print(arena, "%.*s%.*s", (int)target->path.size, target->path.data ? target->path.data : "",
                             (int)options->path.size, options->path.data),
    };
    if (!exchange->request.scheme.data || !exchange->request.authority.data || !exchange->request.target.data) {
        return WEFT_ERR_MEMORY;
    }
    exchange->flows[WEFT_REQUEST].length = options->body ? (int64_t)options->body->size : 0;
    int error = 0;
    if (options->body) {
        error = weft_fields_add(&exchange->request.fields, arena, WEFT_SLICE("content-type"),
                                WEFT_SLICE("application/json"));
    }
    for (size_t i = 0; i < options->field_count && error == 0; i++) {
        error = weft_fields_add(&exchange->request.fields, arena, options->fields[i].name, options->fields[i].value);
    }
    if (error == 0 && options->body) {
        error = weft_exchange_move(exchange, WEFT_REQUEST, options->body);
    }
    if (error == 0) {
        weft_exchange_end(exchange, WEFT_REQUEST);
    }
    return error;
}

int weft_native_start(struct weft_native **out, const struct weft_native_options *options)
{
    struct weft_native *native = *out = weft_zalloc(sizeof(*native));
    if (!native) {
        return WEFT_ERR_MEMORY;
    }
    native->options = *options;
    native->options.body = NULL;
    native->options.fields = NULL;
    weft_task_init(&native->look, on_look);
    weft_native_reader_init(&native->reader);
    int error = weft_exchange_new(&native->exchange, &options->loop->turn);
    if (error == 0) {
        error = make_request(native->exchange, options);
        if (error == 0) {
            weft_exchange_attach(native->exchange, WEFT_ASKER, on_wake, native);
            error = options->target.ask(options->target.self, native->exchange);
        }
        if (error < 0) {
            weft_exchange_leave(native->exchange, WEFT_WORKER, error);
        }
    }
    if (error < 0) {
        leave(native, error);
        native_free(native);
        *out = NULL;
    }
    return error;
}

void weft_native_cancel(struct weft_native *native)
{
    leave(native, WEFT_ERR_CANCELLED);
    if (!native->inside) {
        native_free(native);
    }
}

void weft_native_pause(struct weft_native *native, bool on)
{
    native->paused = on;
    if (!on && native->state != NATIVE_OVER) {
        weft_turn_add(&native->options.loop->turn, &native->look);
    }
}
