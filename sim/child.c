/* sim/child.c - weft-engine, played. */
#include "sim/child.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"
#include "base/error.h"
#include "wire/engine_page.h"
#include "wire/native.h"

#define BODY_MAX ((size_t)1024 * 1024)
#define TOKEN    "word "
#define CRASH    11 /* the signal */
#define TEXT_MAX 512

#define TEXT_OF(x) #x
#define NUMBER(x)  TEXT_OF(x)

#define SLOTS 8

#define INFO                                                                                                           \
    "{\"name\":\"Played\",\"description\":\"llama 135M Q4_1\",\"quant\":\"Q4_1\",\"trained_tokens\":8192,"             \
    "\"has_template\":true,\"knows_tools\":true,\"knows_reasoning\":false,\"context_tokens\":4096,\"slots\":%d,"       \
    "\"threads\":2,\"memory\":" NUMBER(                                                                                \
        WEFT_CHILD_MEMORY) ",\"variant\":\"zen4\",\"kernel_class\":\"Q4_1/zen4/default\",\"exact\":false,"             \
                           "\"sandbox\":\"seccomp + landlock\",\"temperature\":0.2}"

/* -- a life -- */

static void drop_connection(struct weft_child *child)
{
    weft_connection_free(child->connection);
    child->connection = NULL;
}

/* What it had written arrives, what it had not is lost. */
static struct weft_process *leave(struct weft_child *child, bool killed)
{
    struct weft_children *all = child->all;
    struct weft_process *process = child->process;
    child->process = NULL;
    weft_timer_clear(&all->loop.timers, &child->end);
    if (all->worker) {
        all->worker->ended(all->worker_self, child, killed);
    }
    drop_connection(child);
    return process;
}

static void go(struct weft_child *child, int code, int signal)
{
    weft_world_exit(leave(child, false), code, signal);
}

void weft_child_die(struct weft_child *child, int signal)
{
    WEFT_ASSERT(child->process);
    weft_world_poke(child->all->loop.host);
    go(child, 0, signal);
}

void weft_child_exit(struct weft_child *child, int code)
{
    WEFT_ASSERT(child->process);
    weft_world_poke(child->all->loop.host);
    go(child, code, 0);
}

static void on_end(struct weft_timer *timer)
{
    struct weft_child *child = WEFT_CONTAINER(timer, struct weft_child, end);
    go(child, child->script.code, child->script.signal);
}

static void on_killed(void *self, struct weft_process *process, bool now)
{
    struct weft_children *children = self;
    for (size_t i = 0; i < WEFT_CHILDREN_MAX; i++) {
        struct weft_child *child = &children->at[i];
        if (child->process == process && now) {
            (void)leave(child, true); /* the world says that it has ended */
        }
    }
}

/* -- requests -- */

enum deed { DO_FRAMES, DO_FLOOD, DO_CUT, DO_ERROR, DO_DIE, DO_STALL, DO_REFUSE, DO_BABBLE };

/* Lives in the exchange's arena. */
struct task {
    struct weft_child *child;
    struct weft_exchange *exchange;
    struct weft_timer timer;
    enum deed deed;
    uint64_t left;
    bool begun;
};

static void done(struct task *task, int why)
{
    struct weft_loop *loop = &task->child->all->loop;
    weft_timer_clear(&loop->timers, &task->timer);
    weft_timers_release(&loop->timers);
    weft_exchange_leave(task->exchange, WEFT_WORKER, why);
}

static void reply(struct weft_exchange *exchange, int status, const char *json)
{
    int error = weft_exchange_reply(exchange, status, WEFT_SLICE("application/json"), weft_slice_text(json));
    weft_exchange_leave(exchange, WEFT_WORKER, error);
}

static void answer_load(struct weft_child *child, struct weft_exchange *exchange)
{
    char text[TEXT_MAX];
    bool short_of_memory = child->memory_max > 0 && child->memory_max < WEFT_CHILD_MEMORY;
    const char *refuses = child->script.refuses;
    refuses = refuses || !short_of_memory ? refuses : "It needs 1.1 GB, and less is left.";
    weft_time since = child->all->loop.turn.now - child->began;
    if (since < child->script.loads) {
        (void)snprintf(text, sizeof(text), "{\"state\":\"loading\",\"progress\":%d.%02d}", 0,
                       (int)(since * 100 / child->script.loads)); /* fits */
    } else if (refuses) {
        (void)snprintf(text, sizeof(text), "{\"state\":\"failed\",\"code\":\"%s\",\"message\":\"%s\"}",
                       short_of_memory || child->script.for_memory ? "does_not_fit" : "model_damaged",
                       refuses); /* fits: the tests' own words */
    } else {
        (void)snprintf(text, sizeof(text), "{\"state\":\"ready\",\"progress\":1,\"slots\":%d,\"slots_free\":%d}",
                       child->script.slots, child->script.slots); /* too */
    }
    reply(exchange, 200, text);
}

static void answer_info(const struct weft_child *child, struct weft_exchange *exchange)
{
    char text[TEXT_MAX];
    int size = snprintf(text, sizeof(text), INFO, child->script.slots);
    WEFT_ASSERT(size > 0 && (size_t)size < sizeof(text));
    reply(exchange, 200, text);
}

static bool say(struct task *task, const struct weft_frame *frame)
{
    struct weft_bytes bytes = {0};
    int error = weft_native_write(&bytes, frame);
    if (error == 0) {
        error = weft_exchange_move(task->exchange, WEFT_ANSWER, &bytes);
    }
    weft_bytes_deinit(&bytes);
    if (error < 0) {
        done(task, error);
    }
    return error == 0;
}

/* Of one token. */
static void count_step(struct weft_child *child)
{
    struct weft_engine_page *page = child->all->loop.host->ops->shared(child->process);
    if (page) {
        atomic_fetch_add(&page->tokens_sampled, 1);
        atomic_fetch_add(&page->steps, 1);
    }
}

static bool say_token(struct task *task)
{
    const struct weft_frame token = {.kind = WEFT_FRAME_TOKEN,
                                     .token = {.id = (uint32_t)task->left, .deltas = 1, .bytes = WEFT_SLICE(TOKEN)}};
    const struct weft_frame delta = {.kind = WEFT_FRAME_DELTA,
                                     .delta = {.part = WEFT_PART_CONTENT, .text = WEFT_SLICE(TOKEN)}};
    task->left--;
    count_step(task->child);
    return say(task, &token) && say(task, &delta);
}

static void finish(struct task *task)
{
    const struct weft_frame last[] = {
        {.kind = WEFT_FRAME_FINISH, .finish = {.reason = WEFT_FINISH_STOP}},
        {.kind = WEFT_FRAME_USAGE, .usage = {.prompt_tokens = 7, .completion_tokens = 3}},
        {.kind = WEFT_FRAME_END},
    };
    for (size_t i = 0; i < WEFT_COUNT(last); i++) {
        if (!say(task, &last[i])) {
            return;
        }
    }
    weft_exchange_end(task->exchange, WEFT_ANSWER);
    done(task, 0);
}

static void after_tokens(struct task *task)
{
    const struct weft_frame error = {
        .kind = WEFT_FRAME_ERROR,
        .error = {.status = 500, .code = WEFT_SLICE("numbers"), .message = WEFT_SLICE("The numbers are wrong.")}};
    if (task->deed == DO_DIE) {
        struct weft_child *child = task->child;
        done(task, WEFT_ERR_IO);
        go(child, 0, CRASH);
    } else if (task->deed == DO_CUT || (task->deed == DO_ERROR && say(task, &error))) {
        weft_exchange_end(task->exchange, WEFT_ANSWER);
        done(task, 0);
    } else if (task->deed == DO_FRAMES || task->deed == DO_FLOOD) {
        finish(task);
    }
}

static void set_timer(struct task *task)
{
    struct weft_loop *loop = &task->child->all->loop;
    weft_timer_set(&loop->timers, &task->timer, loop->turn.now + WEFT_CHILD_GAP);
}

static void on_token_due(struct weft_timer *timer)
{
    struct task *task = WEFT_CONTAINER(timer, struct task, timer);
    if (task->exchange->aborted[WEFT_ASKER]) {
        return; /* on_wake comes */
    }
    if (task->left == 0) {
        after_tokens(task);
    } else if (say_token(task)) {
        set_timer(task);
    }
}

static void flood(struct task *task)
{
    while (task->left > 0 && weft_exchange_room(task->exchange, WEFT_ANSWER) > 0) {
        if (!say_token(task)) {
            return;
        }
    }
    if (task->left == 0) {
        after_tokens(task);
    }
}

static void read_deed(struct task *task, const char *said)
{
    static const char *const deeds[] = {
        [DO_FRAMES] = "frames", [DO_FLOOD] = "flood", [DO_CUT] = "cut",       [DO_ERROR] = "error",
        [DO_DIE] = "die",       [DO_STALL] = "stall", [DO_REFUSE] = "refuse", [DO_BABBLE] = "babble",
    };
    const char *what = strstr(said, "do="), *count = what ? strstr(what, "n=") : NULL;
    for (size_t i = 0; what && i < WEFT_COUNT(deeds); i++) {
        if (strncmp(what + 3, deeds[i], strlen(deeds[i])) == 0) {
            task->deed = (enum deed)i;
        }
    }
    task->left = count ? strtoull(count + 2, NULL, 10) : 0;
}

/* How many ids the request says were delivered of the first choice. */
static uint64_t resumed(const char *body)
{
    const char *at = strstr(body, "\"resume\":[[");
    uint64_t count = 0;
    for (at += at ? strlen("\"resume\":[[") : 0; at && *at && *at != ']'; at++) {
        count += *at != ',' && (at[1] == ',' || at[1] == ']');
    }
    return count;
}

/* What the script says holds unless the request says what is to be done. */
static void read_request(struct task *task)
{
    struct weft_exchange *exchange = task->exchange;
    char *body = task->child->all->body;
    size_t size = weft_bytes_tail(&exchange->flows[WEFT_REQUEST].bytes, body, WEFT_CHILD_BODY_MAX - 1);
    body[size] = '\0';
    if (strstr(body, "do=")) {
        read_deed(task, body);
    }
    uint64_t known = resumed(body);
    if (task->deed != DO_DIE) { /* one that kills does so again */
        task->left -= known < task->left ? known : task->left;
    }
}

static void begin(struct task *task)
{
    struct weft_exchange *exchange = task->exchange;
    task->begun = true;
    read_request(task);
    if (task->deed == DO_REFUSE) {
        weft_timers_release(&task->child->all->loop.timers);
        reply(exchange, 400,
              "{\"error\":{\"code\":\"context_overflow\",\"message\":\"Too long: 5000 of "
              "4096.\",\"prompt_tokens\":5000}}");
        return;
    }
    exchange->answer.status = 200;
    int error = weft_fields_add(&exchange->answer.fields, &exchange->arena, WEFT_SLICE("content-type"),
                                WEFT_SLICE(WEFT_NATIVE_TYPE));
    if (error == 0) {
        weft_exchange_begin_answer(exchange);
    }
    if (error == 0 && task->deed == DO_BABBLE) {
        error = weft_exchange_write(exchange, WEFT_ANSWER, "\xff\xff\xff\xff\xff", 5);
    }
    if (error < 0) {
        done(task, error);
    } else if (task->deed != DO_FLOOD) {
        set_timer(task);
    }
}

static void on_wake(void *self, struct weft_exchange *exchange)
{
    struct task *task = self;
    if (exchange->aborted[WEFT_ASKER]) {
        task->child->all->cancelled++;
        done(task, WEFT_ERR_CANCELLED);
        return;
    }
    if (!exchange->flows[WEFT_REQUEST].ended) {
        return;
    }
    if (!task->begun) {
        begin(task);
    }
    if (task->deed == DO_FLOOD) {
        flood(task);
    }
}

static void generate(struct weft_child *child, struct weft_exchange *exchange)
{
    struct task *task = weft_arena_alloc(&exchange->arena, sizeof(*task));
    if (!task || weft_timers_reserve(&child->all->loop.timers) < 0) {
        weft_exchange_leave(exchange, WEFT_WORKER, WEFT_ERR_MEMORY);
        return;
    }
    *task = (struct task){.child = child, .exchange = exchange};
    weft_timer_init(&task->timer, on_token_due);
    const char *said = strchr(exchange->request.target.data, '?'); /* a NUL stands behind it */
    if (!said) {
        said = child->script.deed ? child->script.deed : "";
    }
    read_deed(task, said);
    weft_exchange_want_body(exchange);
    weft_exchange_attach(exchange, WEFT_WORKER, on_wake, task);
}

static void threads_wake(void *self, struct weft_exchange *exchange)
{
    struct weft_child *child = self;
    struct weft_flow *request = &exchange->flows[WEFT_REQUEST];
    char body[TEXT_MAX];
    if (exchange->aborted[WEFT_ASKER]) {
        weft_exchange_leave(exchange, WEFT_WORKER, WEFT_ERR_CANCELLED);
    } else if (request->ended) {
        size_t size = weft_bytes_tail(&request->bytes, body, sizeof(body) - 1);
        body[size] = '\0';
        weft_exchange_take(exchange, WEFT_REQUEST, size);
        const char *number = strchr(body, ':');
        child->threads = number ? (int)strtol(number + 1, NULL, 10) : 0;
        reply(exchange, 200, "{}");
    }
}

static void mute_wake(void *self, struct weft_exchange *exchange)
{
    (void)self;
    if (exchange->aborted[WEFT_ASKER]) {
        weft_exchange_leave(exchange, WEFT_WORKER, WEFT_ERR_CANCELLED);
    }
}

static void on_request(void *self, struct weft_connection *connection, struct weft_exchange *exchange)
{
    struct weft_child *child = self;
    struct weft_slice target = exchange->request.target;
    (void)connection;
    child->all->asked++;
    if (child->script.mute) {
        weft_exchange_attach(exchange, WEFT_WORKER, mute_wake, NULL);
    } else if (weft_slice_equal(target, WEFT_SLICE("/load"))) {
        answer_load(child, exchange);
    } else if (weft_slice_equal(target, WEFT_SLICE("/info"))) {
        answer_info(child, exchange);
    } else if (weft_slice_equal(target, WEFT_SLICE("/generate")) && child->all->worker) {
        child->all->worker->asked(child->all->worker_self, child, exchange);
    } else if (weft_slice_starts(target, WEFT_SLICE("/generate"))) {
        generate(child, exchange);
    } else if (weft_slice_equal(target, WEFT_SLICE("/threads")) && !child->script.fixed) {
        weft_exchange_want_body(exchange);
        weft_exchange_attach(exchange, WEFT_WORKER, threads_wake, child);
    } else {
        reply(exchange, 404, "{\"error\":{\"code\":\"not_found\",\"message\":\"There is no such thing here.\"}}");
    }
}

static void on_refused(void *self, int status, const char *why)
{
    (void)self, (void)status, (void)why; /* whoever asks badly is not answered, and says so */
}

/* The node has let go: so it ends, as it should. */
static void on_closed(void *self, struct weft_connection *connection, int why, const char *phrase)
{
    struct weft_child *child = self;
    (void)connection, (void)why, (void)phrase;
    child->connection = NULL;
    if (child->process && !child->script.stubborn) {
        go(child, 0, 0);
    }
}

static const struct weft_connection_user connection_user = {
    .request = on_request, .refused = on_refused, .closed = on_closed};

/* -- all of them -- */

static void remember_arguments(struct weft_children *children, const char *const *argv)
{
    size_t used = 0;
    children->arguments[0] = '\0';
    for (; *argv; argv++) {
        int size = snprintf(children->arguments + used, WEFT_CHILD_ARGS_MAX - used, " %s", *argv);
        WEFT_ASSERT(size > 0 && used + (size_t)size < WEFT_CHILD_ARGS_MAX);
        used += (size_t)size;
    }
}

/* What stands behind a flag; "0" if it is not there. */
static const char *argument(const char *const *argv, const char *flag)
{
    while (*argv && strcmp(*argv, flag) != 0) {
        argv++;
    }
    return argv[0] && argv[1] ? argv[1] : "0";
}

static void on_started(void *self, struct weft_process *process, const struct weft_spawn *spawn,
                       struct weft_socket *socket)
{
    struct weft_children *children = self;
    struct weft_child *child = children->at;
    while (child->process || child->connection) {
        child++;
        WEFT_ASSERT(child < children->at + WEFT_CHILDREN_MAX);
    }
    children->loop.turn.now = weft_world_clock(children->loop.host);
    children->started++;
    remember_arguments(children, spawn->argv);
    child->script = children->script;
    child->script.slots = child->script.slots > 0 ? child->script.slots : SLOTS;
    child->process = process;
    child->socket = socket;
    child->began = children->loop.turn.now;
    child->memory_max = strtoull(argument(spawn->argv, "--memory-max"), NULL, 10);
    child->threads = (int)strtol(argument(spawn->argv, "--threads"), NULL, 10);
    if (child->script.lives > 0) {
        weft_timer_set(&children->loop.timers, &child->end, child->began + child->script.lives);
    }
    const struct weft_connection_options options = {
        .loop = &children->loop, .user = &connection_user, .self = child, .body_max = BODY_MAX};
    if (weft_connection_accept(&child->connection, &options, socket) < 0) {
        go(child, 67, 0); /* out of memory: the socket is reset */
    }
}

static weft_time turn(void *self, weft_time now)
{
    struct weft_children *children = self;
    children->loop.turn.now = now;
    weft_timers_run(&children->loop.timers, now);
    weft_turn_run(&children->loop.turn);
    return weft_timers_next(&children->loop.timers);
}

void weft_children_start(struct weft_children *children, struct weft_world *world, struct weft_host *host,
                         struct weft_host *parent)
{
    *children = (struct weft_children){.world = world, .loop = {.host = host}};
    children->loop.turn.now = weft_world_now(world);
    children->program = (struct weft_program){
        .path = WEFT_CHILD_PROGRAM, .host = host, .started = on_started, .killed = on_killed, .self = children};
    for (size_t i = 0; i < WEFT_CHILDREN_MAX; i++) {
        children->at[i].all = children;
        weft_timer_init(&children->at[i].end, on_end);
        int error = weft_timers_reserve(&children->loop.timers);
        WEFT_ASSERT(error == 0);
    }
    weft_world_add_program(parent, &children->program);
    weft_world_set_guest(host, (struct weft_guest){.self = children, .turn = turn});
}

void weft_children_end(struct weft_children *children)
{
    for (size_t i = 0; i < WEFT_CHILDREN_MAX; i++) {
        struct weft_child *child = &children->at[i];
        if (child->process) {
            go(child, 0, WEFT_WORLD_KILLED);
        }
        drop_connection(child);
        weft_timers_release(&children->loop.timers);
    }
    weft_turn_run(&children->loop.turn);
    weft_world_set_guest(children->loop.host, (struct weft_guest){0});
    weft_timers_deinit(&children->loop.timers);
}
