/* node/models.c - the models this node serves, each by an engine of its own.
 *
 * Engines load one after the other: each looks at what memory is left, so the one before it must have taken its. */
#include "node/models.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/assert.h"
#include "base/error.h"
#include "base/mem.h"
#include "node/line.h"
#include "node/model_facts.h"
#include "node/runner.h"

#define NUMBER_SIZE 24    /* an int64_t as text */
#define ARGS_MAX    16    /* of an engine's command line, its NULL included */
#define THREADS_MAX 512   /* of an engine: what libllama takes */
#define REASON_MAX  64    /* bytes of why an engine is not started again */
#define LAYERS_ALL  10000 /* the setting's default */

struct model {
    struct weft_models *models;
    const char *path;
    struct weft_slice name; /* a part of `path` */
    enum weft_model_state state;
    double progress;
    struct weft_line *line;     /* who waits for it, and what runs there */
    struct weft_runner *runner; /* NULL: no engine */
    struct weft_timer pause;    /* then it is `due` again */
    bool due;                   /* to be started when no other one loads */
    int32_t threads;
    uint32_t starts, deaths;
    uint32_t deaths_in_a_row;         /* that count towards giving it up */
    bool excused;                     /* the death that is being noticed does not */
    struct weft_runner_counts counts; /* of engines that are gone */
    weft_time started, ready;
    int64_t loaded_s;
    struct weft_model_facts facts; /* of its engine, since it was ready first */
    char problem[WEFT_MODEL_PROBLEM_MAX];
};

struct weft_models {
    struct weft_models_options options;
    struct weft_task look; /* who is next to load; whether all have stopped */
    struct model *loading; /* or NULL */
    bool stopping;
    size_t count;
    struct model at[];
};

static weft_time now(const struct weft_models *models)
{
    return models->options.loop->turn.now;
}

static void look_soon(struct weft_models *models)
{
    weft_turn_add(&models->options.loop->turn, &models->look);
}

static void changed(struct model *model)
{
    struct weft_models *models = model->models;
    models->options.user->changed(models->options.self, (size_t)(model - models->at));
}

/* -- what it says -- */

static bool say(const struct model *model, enum weft_log_level level, const char *event)
{
    struct weft_journal *journal = model->models->options.journal;
    if (!weft_journal_begin(journal, level, event)) {
        return false;
    }
    weft_journal_text(journal, "model", model->name);
    return true;
}

static void say_started(const struct model *model)
{
    struct weft_journal *journal = model->models->options.journal;
    if (say(model, WEFT_LOG_INFO, "engine started")) {
        weft_journal_number(journal, "process", weft_runner_process(model->runner));
        weft_journal_number(journal, "threads", model->threads);
        weft_journal_end(journal);
    }
}

static void say_ready(const struct model *model)
{
    struct weft_journal *journal = model->models->options.journal;
    const struct weft_model_facts *facts = &model->facts;
    if (say(model, WEFT_LOG_INFO, "model ready")) {
        weft_journal_ms(journal, "after_ms", model->ready - model->started);
        weft_journal_number(journal, "slots", facts->slots);
        weft_journal_number(journal, "context", facts->context_tokens);
        weft_journal_number(journal, "memory_mib", (int64_t)(facts->memory >> 20));
        weft_journal_word(journal, "cpu", facts->variant);
        weft_journal_word(journal, "sandbox", facts->sandbox);
        weft_journal_end(journal);
    }
}

static void say_died(const struct model *model, const char *why, weft_time restart)
{
    struct weft_journal *journal = model->models->options.journal;
    if (say(model, WEFT_LOG_WARN, "engine died")) {
        weft_journal_word(journal, "why", why);
        weft_journal_ms(journal, "restart_in_ms", restart);
        weft_journal_end(journal);
    }
}

static void say_given_up(const struct model *model)
{
    struct weft_journal *journal = model->models->options.journal;
    if (say(model, WEFT_LOG_ERROR, "model given up")) {
        weft_journal_word(journal, "why", model->problem);
        weft_journal_end(journal);
    }
}

/* -- its ends -- */

static void finished_loading(struct model *model)
{
    struct weft_models *models = model->models;
    if (models->loading == model) {
        models->loading = NULL;
        look_soon(models);
    }
}

/* `problem` is written already. */
static void give_up(struct model *model)
{
    model->state = WEFT_MODEL_FAILED;
    weft_line_give_up(model->line);
    say_given_up(model);
    finished_loading(model);
    changed(model);
}

static void on_pause_over(struct weft_timer *timer)
{
    struct model *model = WEFT_CONTAINER(timer, struct model, pause);
    model->due = true;
    look_soon(model->models);
}

/* `for_good`: another engine would end the same way. */
static void died(struct model *model, const char *why, bool for_good)
{
    struct weft_models *models = model->models;
    bool served = model->state == WEFT_MODEL_READY;
    bool steady = served && now(models) - model->ready >= WEFT_MODEL_STEADY;
    model->deaths++;
    model->deaths_in_a_row = model->excused ? 0 : steady ? 1 : model->deaths_in_a_row + 1;
    if (for_good || model->deaths_in_a_row >= WEFT_MODEL_RESTARTS_MAX) {
        char reason[REASON_MAX] = "Another would end the same way";
        if (!for_good) {
            (void)snprintf(reason, sizeof(reason), "That was the %dth time in a row",
                           WEFT_MODEL_RESTARTS_MAX); /* fits */
        }
        (void)snprintf(model->problem, sizeof(model->problem),
                       "The engine of this model %s, %s. %s, so it is not started again. "
                       "`weft-engine --check --model FILE` may say more; then start weft again.",
                       why, served ? "while it served" : "before it was ready", reason); /* fits */
        give_up(model);
        return;
    }
    weft_time wait = WEFT_MODEL_PAUSE_FIRST << (model->excused ? 0 : model->deaths_in_a_row - 1);
    wait = wait < WEFT_MODEL_PAUSE_MAX ? wait : WEFT_MODEL_PAUSE_MAX;
    model->state = WEFT_MODEL_STARTING;
    model->progress = 0;
    weft_timer_set(&models->options.loop->timers, &model->pause, now(models) + wait);
    say_died(model, why, wait);
    finished_loading(model);
    changed(model);
}

/* -- its engine -- */

static void on_loading(void *self, double progress)
{
    struct model *model = self;
    if (model->state != WEFT_MODEL_LOADING || progress > model->progress) {
        model->state = WEFT_MODEL_LOADING;
        model->progress = progress;
        changed(model);
    }
}

static void on_ready(void *self, const json_t *info)
{
    struct model *model = self;
    struct weft_host *host = model->models->options.loop->host;
    weft_model_facts_read(&model->facts, info);
    model->state = WEFT_MODEL_READY;
    model->progress = 1;
    model->ready = now(model->models);
    model->loaded_s = host->ops->wall(host) / 1000000;
    weft_line_open(model->line, (size_t)(model->facts.slots > 0 ? model->facts.slots : 1));
    say_ready(model);
    finished_loading(model);
    changed(model);
}

static void on_refused(void *self, const char *message)
{
    struct model *model = self;
    (void)snprintf(model->problem, sizeof(model->problem), "%s", message); /* as long as an engine's are */
    give_up(model);
}

static void on_ending(void *self)
{
    struct model *model = self;
    weft_line_shut(model->line);
}

/* Of all engines that it had and has. */
static struct weft_runner_counts counted(const struct model *model)
{
    struct weft_runner_counts sum = model->counts;
    if (model->runner) {
        struct weft_runner_counts own = weft_runner_counts(model->runner);
        sum.tokens_sampled += own.tokens_sampled;
        sum.steps += own.steps;
    }
    return sum;
}

static void on_ended(void *self, const char *why, bool for_good)
{
    struct model *model = self;
    model->excused = weft_line_died(model->line, !weft_runner_ended_by_others(model->runner));
    model->counts = counted(model);
    weft_runner_free(model->runner);
    model->runner = NULL;
    if (model->models->stopping) {
        look_soon(model->models);
    } else if (model->state != WEFT_MODEL_FAILED) {
        died(model, why, for_good);
    }
}

static const struct weft_runner_user runner_user = {
    .loading = on_loading, .ready = on_ready, .refused = on_refused, .ending = on_ending, .ended = on_ended};

static void on_stalled(void *self)
{
    struct model *model = self;
    if (model->runner) {
        weft_runner_kill(model->runner, "stopped writing and was killed");
    }
}

static const struct weft_line_user line_user = {.stalled = on_stalled};

static int spawn(struct model *model)
{
    const struct weft_models_options *options = &model->models->options;
    const struct weft_config *config = options->config;
    char slots[NUMBER_SIZE], context[NUMBER_SIZE], threads[NUMBER_SIZE], layers[NUMBER_SIZE], memory[NUMBER_SIZE];
    bool locked = config->engine_sandbox == WEFT_CONFIG_SANDBOX_ON;
    (void)snprintf(slots, sizeof(slots), "%" PRId64, config->engine_slots); /* all of these fit */
    (void)snprintf(context, sizeof(context), "%" PRId64, config->engine_context);
    (void)snprintf(threads, sizeof(threads), "%" PRId32, model->threads);
    (void)snprintf(layers, sizeof(layers), "%" PRId64,
                   config->engine_gpu_layers < LAYERS_ALL ? config->engine_gpu_layers : -1);
    (void)snprintf(memory, sizeof(memory), "%" PRId64, config->engine_memory_max);
    const char *argv[ARGS_MAX] = {"weft-engine", "--model",   model->path,          "--slots", slots,
                                  "--context",   context,     "--threads",          threads,   "--gpu-layers",
                                  layers,        "--sandbox", locked ? "on" : "off"};
    if (config->engine_memory_max > 0) {
        argv[13] = "--memory-max";
        argv[14] = memory;
    }
    const struct weft_spawn child = {.program = options->engine, .argv = argv};
    return weft_runner_new(&model->runner, options->loop, &child, &runner_user, model);
}

static void start(struct model *model)
{
    struct weft_models *models = model->models;
    model->due = model->excused = false;
    model->starts++;
    model->started = now(models);
    models->loading = model;
    int error = spawn(model);
    if (error == 0) {
        model->state = WEFT_MODEL_LOADING;
        model->progress = 0;
        say_started(model);
        changed(model);
    } else if (error == WEFT_ERR_NOT_FOUND || error == WEFT_ERR_DENIED) {
        (void)snprintf(model->problem, sizeof(model->problem),
                       "The engine program %s. It is looked for beside weft, or where --engine says: build it there "
                       "(make), or name the right one; then start weft again.",
                       error == WEFT_ERR_DENIED ? "may not be run" : "is not there"); /* fits */
        give_up(model);
    } else {
        char why[WEFT_RUNNER_WHY_MAX];
        (void)snprintf(why, sizeof(why), "could not be started (%s)", weft_error_text(error)); /* fits */
        died(model, why, false);
    }
}

static void on_look(struct weft_task *task)
{
    struct weft_models *models = WEFT_CONTAINER(task, struct weft_models, look);
    bool any = false;
    for (size_t i = 0; i < models->count; i++) {
        if (models->at[i].due && !models->loading && !models->stopping) {
            start(&models->at[i]);
        }
        any = any || models->at[i].runner;
    }
    if (models->stopping && !any) {
        models->options.user->stopped(models->options.self);
    }
}

/* -- all of them -- */

/* Cores are shared out evenly, those left over to the first ones; each gets one at least. */
static int32_t share_of(size_t cores, size_t count, size_t index)
{
    size_t share = cores / count + (index < cores % count ? 1 : 0);
    return share < 1 ? 1 : share < THREADS_MAX ? (int32_t)share : THREADS_MAX;
}

static int make_line(struct model *model)
{
    const struct weft_models_options *options = &model->models->options;
    const struct weft_line_options line = {.loop = options->loop,
                                           .waiters_max = (size_t)options->config->queue_max,
                                           .stall = options->config->engine_stall,
                                           .user = &line_user,
                                           .self = model};
    return weft_line_new(&model->line, &line);
}

static int check_name(const struct weft_models *models, size_t index, char problem[WEFT_MODEL_PROBLEM_MAX])
{
    struct weft_slice name = models->at[index].name;
    int shown = (int)(name.size < WEFT_MODEL_NAME_MAX ? name.size : WEFT_MODEL_NAME_MAX);
    if (name.size == 0 || name.size > WEFT_MODEL_NAME_MAX) {
        (void)snprintf(problem, WEFT_MODEL_PROBLEM_MAX,
                       "The name of model file %zu cannot be the name of a model: give the file a name of up to %d "
                       "letters.",
                       index + 1, WEFT_MODEL_NAME_MAX); /* fits */
        return WEFT_ERR_INVALID;
    }
    for (size_t i = 0; i < index; i++) {
        if (weft_slice_equal_nocase(models->at[i].name, name)) {
            (void)snprintf(problem, WEFT_MODEL_PROBLEM_MAX,
                           "Two models have the same name, %.*s. A model is asked for by its file's name: rename one "
                           "of the files.",
                           shown, name.data); /* fits */
            return WEFT_ERR_EXISTS;
        }
    }
    return 0;
}

static int init(struct weft_models *models, char problem[WEFT_MODEL_PROBLEM_MAX])
{
    const struct weft_models_options *options = &models->options;
    struct weft_host *host = options->loop->host;
    size_t set = (size_t)options->config->engine_threads, cores = set > 0 ? set : host->ops->cores(host);
    for (size_t i = 0; i < options->count; i++) {
        struct model *model = &models->at[i];
        *model =
            (struct model){.models = models, .path = options->paths[i], .name = weft_model_name(options->paths[i])};
        model->threads = share_of(cores, options->count, i);
        weft_timer_init(&model->pause, on_pause_over);
        int error = check_name(models, i, problem);
        if (error == 0) {
            error = make_line(model);
        }
        if (error == 0) {
            error = weft_timers_reserve(&options->loop->timers);
        }
        if (error < 0) {
            weft_line_free(model->line);
            return error;
        }
        models->count++;
    }
    return 0;
}

int weft_models_new(struct weft_models **out, const struct weft_models_options *options,
                    char problem[WEFT_MODEL_PROBLEM_MAX])
{
    WEFT_ASSERT(options->count <= WEFT_MODELS_MAX);
    struct weft_models *models = *out = weft_zalloc(sizeof(*models) + options->count * sizeof(models->at[0]));
    (void)snprintf(problem, WEFT_MODEL_PROBLEM_MAX, "This machine has no memory left to start."); /* fits */
    if (!models) {
        return WEFT_ERR_MEMORY;
    }
    models->options = *options;
    weft_task_init(&models->look, on_look);
    int error = init(models, problem);
    if (error < 0) {
        weft_models_free(models);
        *out = NULL;
    }
    return error;
}

void weft_models_start(struct weft_models *models)
{
    for (size_t i = 0; i < models->count; i++) {
        models->at[i].due = true;
    }
    look_soon(models);
}

void weft_models_stop(struct weft_models *models)
{
    models->stopping = true;
    for (size_t i = 0; i < models->count; i++) {
        weft_timer_clear(&models->options.loop->timers, &models->at[i].pause);
        if (models->at[i].runner) {
            weft_runner_stop(models->at[i].runner);
        }
    }
    look_soon(models);
}

void weft_models_free(struct weft_models *models)
{
    if (!models) {
        return;
    }
    for (size_t i = 0; i < models->count; i++) {
        weft_runner_free(models->at[i].runner);
        weft_line_free(models->at[i].line);
        weft_timer_clear(&models->options.loop->timers, &models->at[i].pause);
        weft_timers_release(&models->options.loop->timers);
    }
    weft_task_remove(&models->look);
    weft_free(models);
}

/* -- questions -- */

size_t weft_models_count(const struct weft_models *models)
{
    return models->count;
}

void weft_models_info(const struct weft_models *models, size_t index, struct weft_model_info *info)
{
    WEFT_ASSERT(index < models->count);
    const struct model *model = &models->at[index];
    const struct weft_model_facts *facts = &model->facts;
    struct weft_runner_counts sum = counted(model);
    *info = (struct weft_model_info){
        .name = model->name,
        .state = model->state,
        .progress = model->progress,
        .problem = model->state == WEFT_MODEL_FAILED ? model->problem : NULL,
        .process = model->runner ? weft_runner_process(model->runner) : 0,
        .starts = model->starts,
        .deaths = model->deaths,
        .tokens_sampled = sum.tokens_sampled,
        .steps = sum.steps,
        .loaded_s = model->loaded_s,
        .slots = facts->slots,
        .context_tokens = facts->context_tokens,
        .trained_tokens = facts->trained_tokens,
        .threads = facts->threads,
        .memory = facts->memory,
        .description = facts->description,
        .quant = facts->quant,
        .variant = facts->variant,
        .sandbox = facts->sandbox,
        .knows_tools = facts->knows_tools,
        .knows_reasoning = facts->knows_reasoning,
        .has_template = facts->has_template,
        .temperature = facts->temperature,
        .top_p = facts->top_p,
        .min_p = facts->min_p,
        .top_k = facts->top_k,
    };
}

struct weft_line *weft_models_line(const struct weft_models *models, size_t index)
{
    WEFT_ASSERT(index < models->count);
    return models->at[index].line;
}

const char *weft_model_state_name(enum weft_model_state state)
{
    static const char *const names[WEFT_MODEL_STATES] = {
        [WEFT_MODEL_STARTING] = "starting",
        [WEFT_MODEL_LOADING] = "loading",
        [WEFT_MODEL_READY] = "ready",
        [WEFT_MODEL_FAILED] = "failed",
    };
    return names[state];
}

int weft_models_find(const struct weft_models *models, struct weft_slice name, struct weft_model_match *match)
{
    struct weft_slice names[WEFT_MODELS_MAX];
    for (size_t i = 0; i < models->count; i++) {
        names[i] = models->at[i].name;
    }
    weft_model_match_find(match, name, names, models->count);
    return match->kind == WEFT_MODEL_MATCH_ONE ? (int)match->at[0] : -1;
}

int weft_models_target(struct weft_models *models, size_t index, struct weft_relay_target *target)
{
    WEFT_ASSERT(index < models->count);
    struct model *model = &models->at[index];
    if (model->state != WEFT_MODEL_READY || models->stopping) {
        return model->state == WEFT_MODEL_FAILED ? WEFT_ERR_CLOSED : WEFT_ERR_BUSY;
    }
    return weft_runner_target(model->runner, target) < 0 ? WEFT_ERR_BUSY : 0; /* ending: another one is started */
}

int weft_models_ready(const struct weft_models *models)
{
    int ready = 1;
    for (size_t i = 0; i < models->count; i++) {
        if (models->at[i].state == WEFT_MODEL_FAILED) {
            return WEFT_ERR_CLOSED;
        }
        ready = models->at[i].state == WEFT_MODEL_READY ? ready : 0;
    }
    return ready;
}
