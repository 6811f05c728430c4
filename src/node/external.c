/* node/external.c - one OpenAI-compatible server that is not ours. */
#include "node/external.h"

#include <stdio.h>

#include "base/error.h"
#include "base/mem.h"
#include "crypto/secret.h"
#include "node/external_request.h"
#include "node/upstream.h"

#define API          "/v1" /* where a URL that names no path means */
#define DOUBLING_MAX 8     /* of the pause: it is at its most long before */

struct weft_external_attempt {
    struct weft_external *external;
    struct weft_external_attempt *previous, *next;
    struct weft_external_request *request;
    const struct weft_native_user *user;
    void *self;
    uint32_t silent; /* ticks since its last frame */
    bool answered, paused;
    bool signs; /* it is to be told that the server is there */
};

struct model {
    char name[WEFT_EXTERNAL_MODEL_MAX + 1];
};

struct weft_external {
    struct weft_external_options options;
    struct weft_upstream *upstream;
    char *name, *path;
    char key[WEFT_EXTERNAL_KEY_MAX];
    enum weft_external_state state;
    enum weft_external_kind kind;
    struct model *models;
    size_t model_count;
    struct weft_external_request *check; /* it is being asked for its models, or NULL */
    struct weft_timer timer;             /* for the next check, or until this one has taken too long */
    struct weft_timer tick;              /* while attempts run */
    unsigned failures;                   /* in a row */
    weft_time down_since;                /* 0: it is not */
    bool given_up;                       /* for long */
    char problem[WEFT_EXTERNAL_PROBLEM_MAX];
    struct weft_external_attempt *attempts;
    size_t running;
};

const char *weft_external_state_name(enum weft_external_state state)
{
    static const char *const names[] = {
        [WEFT_EXTERNAL_ASKED] = "asked", [WEFT_EXTERNAL_UP] = "up", [WEFT_EXTERNAL_DOWN] = "down"};
    return names[state];
}

/* -- its state -- */

static void set_timer(struct weft_external *external, weft_time in)
{
    struct weft_loop *loop = external->options.loop;
    weft_timer_set(&loop->timers, &external->timer, loop->turn.now + in);
}

static void say_state(const struct weft_external *external)
{
    struct weft_journal *journal = external->options.journal;
    bool up = external->state == WEFT_EXTERNAL_UP;
    if (!weft_journal_begin(journal, up ? WEFT_LOG_INFO : WEFT_LOG_WARN, up ? "external up" : "external down")) {
        return;
    }
    weft_journal_word(journal, "server", external->name);
    if (up) {
        weft_journal_word(journal, "kind", weft_external_kind_name(external->kind));
        weft_journal_number(journal, "models", (int64_t)external->model_count);
    } else {
        weft_journal_word(journal, "problem", external->problem);
    }
    weft_journal_end(journal);
}

static void set_state(struct weft_external *external, enum weft_external_state state, bool changed)
{
    bool other = external->state != state;
    external->state = state;
    if (other) {
        say_state(external);
    }
    if ((other || changed) && external->options.changed) {
        external->options.changed(external->options.self);
    }
}

static void go_up(struct weft_external *external, bool changed)
{
    external->given_up = false;
    if (external->state == WEFT_EXTERNAL_UP) {
        external->failures = 0; /* twice in a row: one that comes up only to fail again waits longer each time */
    }
    external->problem[0] = '\0';
    external->down_since = 0;
    set_timer(external, WEFT_EXTERNAL_CHECK);
    set_state(external, WEFT_EXTERNAL_UP, changed);
}

/* `problem` is a sentence of ours. */
static void go_down(struct weft_external *external, const char *problem)
{
    unsigned doubled = external->failures < DOUBLING_MAX ? external->failures : DOUBLING_MAX;
    weft_time pause = WEFT_EXTERNAL_PAUSE_FIRST << doubled;
    external->failures++;
    if (external->check) {
        weft_external_request_cancel(external->check);
        external->check = NULL;
    }
    if (external->down_since == 0) {
        external->down_since = external->options.loop->turn.now;
    }
    bool given_up = external->options.loop->turn.now - external->down_since >= WEFT_EXTERNAL_PATIENCE;
    bool changed = given_up != external->given_up;
    external->given_up = given_up;
    (void)snprintf(external->problem, sizeof(external->problem), "%s", problem); /* cut: it is for a person */
    set_timer(external, pause < WEFT_EXTERNAL_PAUSE_MAX ? pause : WEFT_EXTERNAL_PAUSE_MAX);
    set_state(external, WEFT_EXTERNAL_DOWN, changed);
}

/* -- its models -- */

static enum weft_external_kind kind_of(const json_t *model)
{
    static const struct {
        const char *owner;
        enum weft_external_kind kind;
    } owners[] = {{"llamacpp", WEFT_EXTERNAL_LLAMA},
                  {"vllm", WEFT_EXTERNAL_VLLM},
                  {"sglang", WEFT_EXTERNAL_VLLM},
                  {"library", WEFT_EXTERNAL_OLLAMA}};
    for (size_t i = 0; i < WEFT_COUNT(owners); i++) {
        if (weft_json_is(json_object_get(model, "owned_by"), owners[i].owner)) {
            return owners[i].kind;
        }
    }
    return WEFT_EXTERNAL_OTHER;
}

/* Printable, and such as can be told: it stands in lists, and in a header. */
static bool is_name(struct weft_slice name)
{
    for (size_t i = 0; i < name.size; i++) {
        if ((unsigned char)name.data[i] < ' ' || name.data[i] == 0x7f) {
            return false;
        }
    }
    return name.size > 0 && name.size <= WEFT_EXTERNAL_MODEL_MAX;
}

static int read_models(const json_t *data, struct model **models, size_t *count, enum weft_external_kind *kind)
{
    size_t size = json_array_size(data) < WEFT_EXTERNAL_MODELS_MAX ? json_array_size(data) : WEFT_EXTERNAL_MODELS_MAX;
    *models = weft_calloc(size + 1, sizeof(**models));
    if (!*models) {
        return WEFT_ERR_MEMORY;
    }
    for (size_t i = 0; i < size; i++) {
        const json_t *model = json_array_get(data, i);
        struct weft_slice name = weft_json_slice(json_object_get(model, "id"));
        if (is_name(name)) {
            memcpy((*models)[(*count)++].name, name.data, name.size);
            *kind = *kind == WEFT_EXTERNAL_OTHER ? kind_of(model) : *kind;
        }
    }
    return 0;
}

/* Replaces what is known of it. Returns 1 if its models are others than before. */
static int take_models(struct weft_external *external, struct weft_slice body)
{
    json_t *json = NULL;
    struct model *models = NULL;
    size_t count = 0;
    enum weft_external_kind kind = WEFT_EXTERNAL_OTHER;
    int error = weft_json_parse(body, &json, NULL);
    if (error == 0) {
        const json_t *data = json_object_get(json, "data");
        error = json_is_array(data)  ? read_models(data, &models, &count, &kind)
                : json_is_null(data) ? read_models(NULL, &models, &count, &kind) /* an Ollama without models */
                                     : WEFT_ERR_INVALID;
    }
    json_decref(json);
    if (error < 0) {
        weft_free(models);
        return error;
    }
    external->kind = kind;
    bool same = count == external->model_count && external->models &&
                memcmp(models, external->models, count * sizeof(*models)) == 0;
    if (same) {
        weft_free(models); /* others hold names of the list that is there, until they hear that it has changed */
        return 0;
    }
    weft_free(external->models);
    external->models = models;
    external->model_count = count;
    return 1;
}

/* -- checks -- */

/* The server is there: whoever waits for a word of it hears so. An attempt may go, and take others along, when it is
 * told: so the list is begun anew after each. */
static void give_signs(struct weft_external *external)
{
    struct weft_external_attempt *attempt = external->attempts;
    for (; attempt; attempt = attempt->next) {
        attempt->signs = attempt->silent > 0;
    }
    for (attempt = external->attempts; attempt;) {
        const struct weft_frame sign = {
            .kind = WEFT_FRAME_PROGRESS,
            .progress = {.phase = attempt->answered ? WEFT_PHASE_DECODE : WEFT_PHASE_WAITING}};
        if (attempt->signs) {
            attempt->signs = false;
            attempt->user->frame(attempt->self, &sign);
            attempt = external->attempts;
        } else {
            attempt = attempt->next;
        }
    }
}

static void check_answered(void *self, struct weft_slice body)
{
    struct weft_external *external = self;
    int status = take_models(external, body);
    external->check = NULL; /* it ends after this, and nothing of that is news */
    if (status < 0) {
        go_down(external, status == WEFT_ERR_MEMORY
                              ? "this node had no memory left for the list of its models"
                              : "it does not list models as OpenAI's API does: is its URL that of the API?");
        return;
    }
    give_signs(external);
    go_up(external, status > 0);
}

_Static_assert(WEFT_EXTERNAL_ANSWER_MAX >> 20 == 4, "a reason below says so");

static const char *why_no_list(const char *code)
{
    static const struct {
        const char *code, *why;
    } reasons[] = {
        {"external_unreachable", "it cannot be reached"},
        {"engine_lost", "it broke the connection off before it had told its models"},
        {"external_denied", "it does not take the key that it is shown"},
        {"external_busy", "it takes no requests at present"},
        {"external_moved",
         "it sends requests on to another address, where this node does not follow: its URL has to be that one"},
        {"answer_too_large", "its list of models is longer than the 4 MiB that are read"},
    };
    for (size_t i = 0; i < WEFT_COUNT(reasons); i++) {
        if (strcmp(code, reasons[i].code) == 0) {
            return reasons[i].why;
        }
    }
    return "it does not tell its models";
}

static void check_ended(void *self, const struct weft_native_problem *problem)
{
    struct weft_external *external = self;
    const char *why = weft_upstream_why(external->upstream);
    if (!external->check) {
        return; /* it has answered */
    }
    external->check = NULL;
    if (!problem) {
        return;
    }
    bool unreachable = strcmp(problem->code, "external_unreachable") == 0;
    go_down(external, unreachable && why ? why : why_no_list(problem->code));
}

static int ask_upstream(void *self, struct weft_exchange *exchange)
{
    return weft_upstream_ask(self, exchange);
}

static struct weft_external_request_options request_options(const struct weft_external *external)
{
    return (struct weft_external_request_options){
        .loop = external->options.loop,
        .target = {.ask = ask_upstream,
                   .self = external->upstream,
                   .scheme = weft_upstream_scheme(external->upstream),
                   .authority = weft_upstream_authority(external->upstream),
                   .via = weft_upstream_via(external->upstream),
                   .path = weft_slice_text(external->path)},
        .key = external->options.key,
    };
}

static void check(struct weft_external *external)
{
    static const struct weft_native_user user = {.answer = check_answered, .ended = check_ended};
    struct weft_external_request_options options = request_options(external);
    options.user = &user;
    options.self = external;
    set_timer(external, WEFT_EXTERNAL_CHECK_TIME);
    int error = weft_external_request_start(&external->check, &options);
    if (error < 0) {
        go_down(external, weft_error_text(error));
    }
}

static void on_timer(struct weft_timer *timer)
{
    struct weft_external *external = WEFT_CONTAINER(timer, struct weft_external, timer);
    if (external->check) {
        go_down(external, "it does not answer");
    } else {
        check(external);
    }
}

/* -- attempts -- */

static void attempt_unlink(struct weft_external_attempt *attempt)
{
    struct weft_external *external = attempt->external;
    if (attempt->previous) {
        attempt->previous->next = attempt->next;
    } else {
        external->attempts = attempt->next;
    }
    if (attempt->next) {
        attempt->next->previous = attempt->previous;
    }
    external->running--;
}

static void attempt_begun(void *self)
{
    struct weft_external_attempt *attempt = self;
    attempt->answered = true;
    attempt->silent = 0;
    attempt->external->failures = 0;
    if (attempt->user->begun) {
        attempt->user->begun(attempt->self);
    }
}

static void attempt_frame(void *self, const struct weft_frame *frame)
{
    struct weft_external_attempt *attempt = self;
    attempt->silent = 0;
    attempt->user->frame(attempt->self, frame);
}

static void attempt_ended(void *self, const struct weft_native_problem *problem)
{
    struct weft_external_attempt *attempt = self;
    struct weft_external *external = attempt->external;
    attempt_unlink(attempt);
    if (problem && external->state == WEFT_EXTERNAL_UP) {
        if (strcmp(problem->code, "engine_lost") == 0) {
            go_down(external, "it broke an answer off");
        } else if (strcmp(problem->code, "external_unreachable") == 0) {
            go_down(external, "it cannot be reached");
        } else if (strcmp(problem->code, "external_busy") == 0) {
            go_down(external, "it takes no requests at present");
        }
    }
    attempt->user->ended(attempt->self, problem);
    weft_free(attempt);
}

int weft_external_ask(struct weft_external_attempt **out, struct weft_external *external,
                      const struct weft_external_attempt_options *options)
{
    static const struct weft_native_user user = {
        .begun = attempt_begun, .frame = attempt_frame, .ended = attempt_ended};
    *out = NULL;
    if (external->state != WEFT_EXTERNAL_UP || external->running == WEFT_EXTERNAL_RUNNING_MAX) {
        return external->state != WEFT_EXTERNAL_UP ? WEFT_ERR_BUSY : WEFT_ERR_FULL;
    }
    struct weft_external_attempt *attempt = weft_zalloc(sizeof(*attempt));
    if (!attempt) {
        return WEFT_ERR_MEMORY;
    }
    *attempt = (struct weft_external_attempt){
        .external = external, .next = external->attempts, .user = options->user, .self = options->self};
    struct weft_external_request_options request = request_options(external);
    request.body = options->body;
    request.shape = options->shape;
    request.choices = options->choices;
    request.user = &user;
    request.self = attempt;
    int error = weft_external_request_start(&attempt->request, &request);
    if (error < 0) {
        weft_free(attempt);
        return error;
    }
    if (external->attempts) {
        external->attempts->previous = attempt;
    } else {
        weft_timer_set(&external->options.loop->timers, &external->tick,
                       external->options.loop->turn.now + WEFT_EXTERNAL_TICK);
    }
    external->attempts = attempt;
    external->running++;
    *out = attempt;
    return 0;
}

void weft_external_cancel(struct weft_external_attempt *attempt)
{
    weft_external_request_cancel(attempt->request);
    attempt_unlink(attempt);
    weft_free(attempt);
}

void weft_external_pause(struct weft_external_attempt *attempt, bool on)
{
    attempt->paused = on;
    weft_external_request_pause(attempt->request, on);
}

/* Why an attempt has waited long enough, or NULL. Ticks are counted, no clocks compared: a node that was asleep harms
 * nobody. */
static const struct weft_native_problem *why_silent(const struct weft_external_attempt *attempt)
{
    static const struct weft_native_problem silent = {
        .status = 502,
        .passes = true,
        .code = "external_silent",
        .message =
            "The external server has said nothing of this answer for ten minutes, though it is there. Ask again."};
    static const struct weft_native_problem hangs = {
        .status = 502,
        .passes = true,
        .code = "engine_lost",
        .message = "The external server that was answering has fallen silent, and is not there any more. Ask again."};
    const struct weft_external *external = attempt->external;
    bool stalled = attempt->silent * WEFT_EXTERNAL_TICK >= external->options.stall;
    if (attempt->silent > WEFT_EXTERNAL_SILENCE) {
        return &silent;
    }
    return stalled && external->state == WEFT_EXTERNAL_DOWN ? &hangs : NULL;
}

/* It is asked whether it is there while somebody waits for a word of it. */
static void on_tick(struct weft_timer *timer)
{
    struct weft_external *external = WEFT_CONTAINER(timer, struct weft_external, tick);
    struct weft_external_attempt *attempt = external->attempts;
    bool quiet = false;
    for (; attempt; attempt = attempt->next) {
        quiet = quiet || attempt->silent > 0;
        attempt->silent += attempt->paused ? 0 : 1;
    }
    for (attempt = external->attempts; attempt;) { /* begun anew after each that ends, as for signs */
        const struct weft_native_problem *why = why_silent(attempt);
        if (why) {
            weft_external_request_cancel(attempt->request);
            attempt_ended(attempt, why);
            attempt = external->attempts;
        } else {
            attempt = attempt->next;
        }
    }
    if (quiet && !external->check && external->state == WEFT_EXTERNAL_UP) {
        check(external);
    }
    if (external->attempts) {
        weft_timer_set(&external->options.loop->timers, timer, external->options.loop->turn.now + WEFT_EXTERNAL_TICK);
    }
}

/* -- its life -- */

static int copy_options(struct weft_external *external, const struct weft_external_options *options)
{
    struct weft_slice path =
        options->url.scheme == WEFT_URL_UNIX || options->url.path.size == 0 ? WEFT_SLICE(API) : options->url.path;
    if (options->key.size > sizeof(external->key)) {
        return WEFT_ERR_TOO_LARGE;
    }
    external->options = *options;
    external->name = weft_zalloc(options->name.size + 1);
    external->path = weft_zalloc(path.size + 1);
    if (!external->name || !external->path) {
        return WEFT_ERR_MEMORY;
    }
    memcpy(external->name, options->name.data, options->name.size);
    memcpy(external->path, path.data, path.size);
    if (options->key.size > 0) {
        memcpy(external->key, options->key.data, options->key.size);
    }
    external->options.name = weft_slice(external->name, options->name.size);
    external->options.key = weft_slice(external->key, options->key.size);
    return 0;
}

int weft_external_new(struct weft_external **out, const struct weft_external_options *options)
{
    struct weft_timers *timers = &options->loop->timers;
    struct weft_external *external = *out = weft_zalloc(sizeof(*external));
    if (!external) {
        return WEFT_ERR_MEMORY;
    }
    weft_timer_init(&external->timer, on_timer);
    weft_timer_init(&external->tick, on_tick);
    int error = copy_options(external, options);
    if (error == 0) {
        error = weft_upstream_new(&external->upstream, options->loop, options->metrics, &options->url,
                                  WEFT_EXTERNAL_CONNECTIONS_MAX, options->id);
    }
    if (error < 0) {
        goto no_upstream;
    }
    error = weft_timers_reserve(timers);
    if (error < 0) {
        goto no_timer;
    }
    error = weft_timers_reserve(timers);
    if (error < 0) {
        goto no_tick;
    }
    return 0;

no_tick:
    weft_timers_release(timers);
no_timer:
    weft_upstream_free(external->upstream);
no_upstream:
    weft_secret_wipe(external->key, sizeof(external->key));
    weft_free(external->name);
    weft_free(external->path);
    weft_free(external);
    *out = NULL;
    return error;
}

void weft_external_start(struct weft_external *external)
{
    check(external);
}

void weft_external_free(struct weft_external *external)
{
    if (!external) {
        return;
    }
    struct weft_timers *timers = &external->options.loop->timers;
    while (external->attempts) {
        weft_external_cancel(external->attempts);
    }
    if (external->check) {
        weft_external_request_cancel(external->check);
    }
    weft_timer_clear(timers, &external->timer);
    weft_timer_clear(timers, &external->tick);
    weft_timers_release(timers);
    weft_timers_release(timers);
    weft_upstream_free(external->upstream);
    weft_secret_wipe(external->key, sizeof(external->key));
    weft_free(external->models);
    weft_free(external->name);
    weft_free(external->path);
    weft_free(external);
}

/* -- what is known of it -- */

void weft_external_info(const struct weft_external *external, struct weft_external_info *info)
{
    *info = (struct weft_external_info){
        .name = external->options.name,
        .state = external->state,
        .given_up = external->given_up,
        .kind = external->kind,
        .problem = external->problem[0] ? external->problem : NULL,
        .models = external->model_count,
        .running = external->running,
    };
}

struct weft_slice weft_external_model(const struct weft_external *external, size_t index)
{
    return weft_slice_text(external->models[index].name);
}

int weft_external_find(const struct weft_external *external, struct weft_slice name)
{
    for (size_t i = 0; i < external->model_count; i++) {
        if (weft_slice_equal(weft_slice_text(external->models[i].name), name)) {
            return (int)i;
        }
    }
    return -1;
}

struct weft_slice weft_external_via(const struct weft_external *external)
{
    return weft_upstream_via(external->upstream);
}
