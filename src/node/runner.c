/* node/runner.c - one engine process, from its start to its end. */
#include "node/runner.h"

#include <stdio.h>

#include "base/error.h"
#include "base/mem.h"
#include "node/connection.h"
#include "node/native.h"
#include "wire/engine_exit.h"
#include "wire/engine_page.h"

#define MESSAGE_MAX 512 /* bytes of what a refusing engine says */
#define SILENT      "did not answer for 60 s and was killed"
#define STUCK       "stopped answering while it loaded and was killed"

_Static_assert(WEFT_RUNNER_SILENCE / WEFT_SECOND == 60, "SILENT says how long");

enum runner_state {
    RUNNER_LOADING, /* it is asked how far it is */
    RUNNER_LOADED,  /* it is asked what it is */
    RUNNER_READY,   /* it is asked whether it lives */
    RUNNER_ENDING,  /* its process or its connection is gone, or was told to go */
};

struct weft_runner {
    struct weft_loop *loop;
    const struct weft_runner_user *user;
    void *self;
    struct weft_process *process;       /* NULL: ended */
    struct weft_connection *connection; /* NULL: closed */
    struct weft_native *question;       /* one at a time, or NULL */
    int32_t threads;                    /* to be told to it; 0: nothing is */
    int32_t telling;                    /* what the question tells it; 0: it is another question */
    struct weft_timer timer;            /* the next question, or the end of patience */
    struct weft_task over;              /* process and connection are gone */
    weft_time asked;                    /* the question was */
    weft_time load_silence;             /* between answers while it loads */
    enum runner_state state;
    bool answers;     /* it did once */
    bool loaded;      /* it has just said that it is: nothing keeps the next question */
    bool served;      /* it was ready once */
    const char *doom; /* why it was killed; NULL: it was not, or only as it would not go */
    bool ours;        /* it was killed by us */
    int code, signal;
    const struct weft_engine_page *page; /* NULL: its process has ended, or has none */
    struct weft_runner_counts counts;    /* as they were at its end */
};

/* -- why one ended -- */

/* The numbers that mean the same wherever Weft runs, but for the two last, which are Linux's. */
enum {
    HUNG_UP = 1,
    INTERRUPTED = 2,
    ILLEGAL = 4,
    ABORTED = 6,
    ARITHMETIC = 8,
    KILLED = 9,
    SEGMENT = 11,
    TERMINATED = 15
};
enum { BUS = 7, FORBIDDEN_CALL = 31 };

static const char *signal_text(int signal)
{
    switch (signal) {
    case KILLED:
        return "was killed";
    case TERMINATED:
    case INTERRUPTED:
    case HUNG_UP:
        return "was asked to end by somebody else";
    case FORBIDDEN_CALL:
        return "did what its sandbox does not allow";
    case SEGMENT:
    case BUS:
    case ILLEGAL:
    case ARITHMETIC:
    case ABORTED:
        return "crashed";
    default:
        return "was ended";
    }
}

static const char *code_text(int code)
{
    switch (code) {
    case 0:
        return "ended without being asked to";
    case WEFT_ENGINE_EXIT_USAGE:
        return "did not understand how it was started; weft and weft-engine must be of the same build";
    case WEFT_ENGINE_EXIT_TEMPLATE:
        return "ended itself, as a chat template or grammar took too long";
    case WEFT_ENGINE_EXIT_ABORT:
        return "ended itself on a fault inside libllama";
    case WEFT_ENGINE_EXIT_SANDBOX:
        return "did what its sandbox does not allow";
    case WEFT_ENGINE_EXIT_MEMORY:
        return "ran out of memory";
    default:
        return "ended with an error";
    }
}

void weft_runner_why(int code, int signal, char why[WEFT_RUNNER_WHY_MAX])
{
    const char *text = signal ? signal_text(signal) : code_text(code);
    (void)snprintf(why, WEFT_RUNNER_WHY_MAX, "%s (%s %d)", text, signal ? "signal" : "exit code",
                   signal ? signal : code); /* fits */
}

/* What it was started with, its model and the system decide these ends, not how the day goes. Once it serves, a
 * template's end or the sandbox's may be due to one request. */
static bool ends_so_again(const struct weft_runner *runner)
{
    if (runner->signal) {
        return false;
    }
    return runner->code == WEFT_ENGINE_EXIT_USAGE ||
           (!runner->served && (runner->code == WEFT_ENGINE_EXIT_TEMPLATE || runner->code == WEFT_ENGINE_EXIT_SANDBOX));
}

/* -- the end -- */

static void look_whether_over(struct weft_runner *runner)
{
    if (!runner->process && !runner->connection) {
        weft_turn_add(&runner->loop->turn, &runner->over);
    }
}

static void on_over(struct weft_task *task)
{
    struct weft_runner *runner = WEFT_CONTAINER(task, struct weft_runner, over);
    char why[WEFT_RUNNER_WHY_MAX];
    if (runner->doom) {
        (void)snprintf(why, sizeof(why), "%s", runner->doom); /* fits */
    } else {
        weft_runner_why(runner->code, runner->signal, why);
    }
    runner->user->ended(runner->self, why, ends_so_again(runner));
}

static void stop_asking(struct weft_runner *runner)
{
    if (runner->question) {
        weft_native_cancel(runner->question);
        runner->question = NULL;
    }
}

/* What is left of it gets a little time to go by itself. */
static void part(struct weft_runner *runner)
{
    if (runner->state != RUNNER_ENDING) {
        runner->state = RUNNER_ENDING;
        stop_asking(runner);
        weft_timer_set(&runner->loop->timers, &runner->timer, runner->loop->turn.now + WEFT_RUNNER_PARTING);
        if (runner->user->ending) {
            runner->user->ending(runner->self);
        }
    }
    look_whether_over(runner);
}

static void close_connection(struct weft_runner *runner)
{
    weft_connection_free(runner->connection);
    runner->connection = NULL;
}

void weft_runner_stop(struct weft_runner *runner)
{
    stop_asking(runner);
    close_connection(runner);
    part(runner);
}

void weft_runner_kill(struct weft_runner *runner, const char *why)
{
    if (runner->process) {
        runner->doom = why;
        runner->ours = true;
        runner->loop->host->ops->kill(runner->process, true);
    }
    part(runner);
}

/* From the host: in its turn, the connection tells what it has received to the end. */
static void on_exited(void *self, int code, int signal)
{
    struct weft_runner *runner = self;
    runner->counts = weft_runner_counts(runner);
    runner->page = NULL;
    runner->process = NULL;
    runner->code = code;
    runner->signal = signal;
    part(runner);
}

static const struct weft_process_user process_user = {.exited = on_exited};

static void on_closed(void *self, struct weft_connection *connection, int why, const char *phrase)
{
    struct weft_runner *runner = self;
    (void)connection, (void)why, (void)phrase; /* what its process says on its end tells more */
    runner->connection = NULL;
    part(runner);
}

static const struct weft_connection_user connection_user = {.closed = on_closed};

/* -- questions -- */

static void set_timer(struct weft_runner *runner)
{
    weft_time wait = runner->state == RUNNER_READY ? WEFT_RUNNER_WATCH : WEFT_RUNNER_POLL;
    weft_timer_set(&runner->loop->timers, &runner->timer, runner->loop->turn.now + wait);
}

static void read_load(struct weft_runner *runner, const json_t *load)
{
    const char *state = json_string_value(json_object_get(load, "state"));
    const char *message = json_string_value(json_object_get(load, "message"));
    double progress = json_number_value(json_object_get(load, "progress"));
    if (state && strcmp(state, "ready") == 0) {
        runner->state = RUNNER_LOADED;
        runner->loaded = true;
    } else if (state && strcmp(state, "failed") == 0) {
        const char *code = json_string_value(json_object_get(load, "code"));
        bool for_memory = code && (strcmp(code, "does_not_fit") == 0 || strcmp(code, "out_of_memory") == 0);
        char said[MESSAGE_MAX];
        (void)snprintf(said, sizeof(said), "%s", message ? message : "The engine does not say why."); /* may be cut */
        runner->user->refused(runner->self, said, for_memory);
        weft_runner_stop(runner);
    } else {
        runner->user->loading(runner->self, progress < 0 ? 0 : progress > 1 ? 1 : progress);
    }
}

static void on_answer(void *self, struct weft_slice body)
{
    struct weft_runner *runner = self;
    json_t *json;
    if (weft_json_parse(body, &json, NULL) < 0) {
        return; /* it is asked again */
    }
    runner->answers = true;
    if (runner->state == RUNNER_LOADING) {
        read_load(runner, json);
    } else if (runner->state == RUNNER_LOADED) {
        runner->state = RUNNER_READY;
        runner->served = true;
        runner->user->ready(runner->self, json);
    } else if (runner->telling > 0 && runner->user->shared) {
        runner->user->shared(runner->self, runner->telling);
    }
    json_decref(json);
}

static void ask(struct weft_runner *runner);

static void on_question_ended(void *self, const struct weft_native_problem *problem)
{
    struct weft_runner *runner = self;
    (void)problem; /* the connection's end, or the process's, comes too; else it is asked again */
    runner->question = NULL;
    if (runner->loaded || (runner->state == RUNNER_READY && runner->threads > 0)) {
        ask(runner);
    } else if (runner->state != RUNNER_ENDING) {
        set_timer(runner);
    }
}

static const struct weft_native_user question_user = {.answer = on_answer, .ended = on_question_ended};

/* What it is to know comes first; whether it took that does not matter to us. */
static int write_threads(struct weft_runner *runner, struct weft_bytes *body)
{
    struct weft_json json;
    runner->telling = runner->threads;
    runner->threads = 0;
    weft_json_start(&json, body);
    weft_json_object(&json);
    weft_json_add_int(&json, "threads", runner->telling);
    weft_json_object_end(&json);
    return weft_json_finish(&json);
}

static void ask(struct weft_runner *runner)
{
    struct weft_bytes body = {0};
    struct weft_native_options options = {
        .loop = runner->loop,
        .path = runner->state == RUNNER_LOADED ? WEFT_SLICE("/info") : WEFT_SLICE("/load"),
        .user = &question_user,
        .self = runner,
    };
    int error = weft_runner_target(runner, &options.target);
    runner->asked = runner->loop->turn.now;
    runner->telling = 0;
    runner->loaded = false;
    if (error == 0 && runner->state == RUNNER_READY && runner->threads > 0) {
        options.path = WEFT_SLICE("/threads");
        options.body = &body;
        error = write_threads(runner, &body);
    }
    error = error < 0 ? error : weft_native_start(&runner->question, &options);
    if (error < 0) {
        runner->question = NULL; /* out of memory, or the link is full: it is asked again */
        runner->threads = runner->threads > 0 ? runner->threads : runner->telling;
    }
    weft_bytes_deinit(&body);
    set_timer(runner);
}

void weft_runner_share(struct weft_runner *runner, int32_t threads)
{
    runner->threads = threads;
    if (runner->state == RUNNER_READY && !runner->question) {
        ask(runner);
    }
}

/* Why it is to be ended, or NULL. */
static const char *why_silent(const struct weft_runner *runner)
{
    bool loads = runner->answers && runner->state != RUNNER_READY;
    weft_time silence = runner->loop->turn.now - runner->asked;
    if (silence < (loads ? runner->load_silence : WEFT_RUNNER_SILENCE)) {
        return NULL;
    }
    return loads ? STUCK : SILENT;
}

static void on_timer(struct weft_timer *timer)
{
    struct weft_runner *runner = WEFT_CONTAINER(timer, struct weft_runner, timer);
    const char *silent = why_silent(runner);
    if (runner->state == RUNNER_ENDING) {
        if (runner->process) {
            runner->ours = true;
            runner->loop->host->ops->kill(runner->process, true);
        }
        close_connection(runner);
        look_whether_over(runner);
    } else if (!runner->question) {
        ask(runner);
    } else if (silent) {
        weft_runner_kill(runner, silent);
    } else {
        set_timer(runner);
    }
}

static int take(void *self, struct weft_exchange *exchange)
{
    const struct weft_runner *runner = self;
    struct weft_carrier *carrier = runner->connection ? weft_connection_carrier(runner->connection) : NULL;
    if (!carrier) {
        return WEFT_ERR_CLOSED;
    }
    return weft_carrier_can_ask(carrier) ? weft_carrier_ask(carrier, exchange) : WEFT_ERR_FULL;
}

int weft_runner_target(struct weft_runner *runner, struct weft_relay_target *target)
{
    *target = (struct weft_relay_target){
        .ask = take, .self = runner, .scheme = WEFT_SLICE("http"), .authority = WEFT_SLICE("engine")};
    return runner->state == RUNNER_ENDING ? WEFT_ERR_CLOSED : 0;
}

/* -- the beginning -- */

static weft_time load_silence(weft_time stall)
{
    weft_time least = stall > WEFT_RUNNER_LOAD_SILENCE_MIN ? stall : WEFT_RUNNER_LOAD_SILENCE_MIN;
    return least < WEFT_RUNNER_SILENCE ? least : WEFT_RUNNER_SILENCE;
}

int weft_runner_new(struct weft_runner **out, const struct weft_runner_options *options)
{
    struct weft_socket *socket;
    struct weft_loop *loop = options->loop;
    struct weft_runner *runner = *out = weft_zalloc(sizeof(*runner));
    if (!runner) {
        return WEFT_ERR_MEMORY;
    }
    runner->loop = loop;
    runner->user = options->user;
    runner->self = options->self;
    runner->load_silence = load_silence(options->stall);
    weft_timer_init(&runner->timer, on_timer);
    weft_task_init(&runner->over, on_over);
    int error = weft_timers_reserve(&loop->timers);
    if (error < 0) {
        goto free_runner;
    }
    struct weft_spawn child = options->spawn;
    child.shared = sizeof(*runner->page);
    error = loop->host->ops->spawn(loop->host, &child, &process_user, runner, &runner->process, &socket);
    if (error < 0) {
        goto release_timer;
    }
    runner->page = loop->host->ops->shared(runner->process);
    const struct weft_connection_options link = {
        .loop = loop, .user = &connection_user, .self = runner, .h2 = true, .trusted = true};
    error = weft_connection_adopt(&runner->connection, &link, socket);
    if (error < 0) {
        goto disown;
    }
    set_timer(runner);
    return 0;

disown:
    loop->host->ops->disown(runner->process);
release_timer:
    weft_timers_release(&loop->timers);
free_runner:
    weft_free(runner);
    *out = NULL;
    return error;
}

void weft_runner_free(struct weft_runner *runner)
{
    if (!runner) {
        return;
    }
    stop_asking(runner);
    weft_connection_free(runner->connection);
    if (runner->process) {
        runner->loop->host->ops->disown(runner->process);
    }
    weft_task_remove(&runner->over);
    weft_timer_clear(&runner->loop->timers, &runner->timer);
    weft_timers_release(&runner->loop->timers);
    weft_free(runner);
}

bool weft_runner_ended_by_others(const struct weft_runner *runner)
{
    bool sent = runner->signal == KILLED || runner->signal == TERMINATED || runner->signal == INTERRUPTED ||
                runner->signal == HUNG_UP;
    return sent && !runner->ours;
}

int64_t weft_runner_process(const struct weft_runner *runner)
{
    return runner->process ? runner->loop->host->ops->process_id(runner->process) : 0;
}

struct weft_runner_counts weft_runner_counts(const struct weft_runner *runner)
{
    const struct weft_engine_page *page = runner->page;
    if (!page) {
        return runner->counts;
    }
    return (struct weft_runner_counts){
        .tokens_sampled = atomic_load_explicit(&page->tokens_sampled, memory_order_relaxed),
        .steps = atomic_load_explicit(&page->steps, memory_order_relaxed),
    };
}
