/* node/models.c - the models this node serves, each by an engine of its own.
 *
 * Which one loads and which one goes is decided in tenancy.c; here is what comes of it. */
#include "node/models.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/assert.h"
#include "base/error.h"
#include "base/mem.h"
#include "node/line.h"
#include "node/model_facts.h"
#include "node/model_hash.h"
#include "node/model_journal.h"
#include "node/runner.h"
#include "node/tenancy.h"

#define NUMBER_SIZE 24    /* an int64_t as text */
#define ARGS_MAX    17    /* of an engine's command line, its NULL included */
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
    bool leaving;               /* that engine was told to end */
    struct weft_timer pause;    /* then it is due again */
    struct weft_tenant tenant;  /* but for its state, users and memory, which are found when asked for */
    bool expected;              /* the node is not ready without it */
    int32_t threads, told;      /* its share of the cores, and what its engine knows of that */
    uint32_t starts, deaths, unloads;
    uint32_t deaths_in_a_row;         /* that count towards giving it up */
    bool excused;                     /* the death that is being noticed does not */
    struct weft_runner_counts counts; /* of engines that are gone */
    weft_time started, ready;
    int64_t loaded_s;
    struct weft_model_facts facts; /* of its engine, since it was ready first */
    struct weft_model_hash hash;
    char problem[WEFT_MODEL_PROBLEM_MAX];
};

struct weft_models {
    struct weft_models_options options;
    struct weft_task look;  /* who is next to load or to go; whether all have stopped */
    struct weft_timer idle; /* then somebody has been idle for long enough */
    size_t cores;
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

static struct weft_journal *journal_of(const struct model *model)
{
    return model->models->options.journal;
}

/* -- its ends -- */

/* It is where it belongs, or will not get there: nobody waits for it to load any more. */
static void settle(struct model *model, enum weft_model_state state)
{
    model->state = state;
    model->tenant.due = model->tenant.asked = model->tenant.refused = false;
    look_soon(model->models);
    changed(model);
}

/* `problem` is written already. */
static void give_up(struct model *model)
{
    weft_line_give_up(model->line);
    weft_model_journal_given_up(journal_of(model), model->name, model->problem);
    settle(model, WEFT_MODEL_FAILED);
}

/* What was wrong may be so no more in a while: memory is free again, the file is another one. */
static void give_up_for_now(struct model *model)
{
    struct weft_models *models = model->models;
    give_up(model);
    weft_timer_set(&models->options.loop->timers, &model->pause, now(models) + WEFT_MODEL_HOPE_PAUSE);
}

static void become_due(struct model *model)
{
    model->tenant.due = true;
    model->tenant.since = now(model->models);
    look_soon(model->models);
}

/* It is started again after a death; or was given up for now, and may be wanted again. */
static void on_pause_over(struct weft_timer *timer)
{
    struct model *model = WEFT_CONTAINER(timer, struct model, pause);
    if (model->state == WEFT_MODEL_FAILED) {
        model->expected = false;
        weft_line_hope(model->line);
        settle(model, WEFT_MODEL_UNLOADED);
    } else {
        become_due(model);
    }
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
    wait = model->excused && served && now(models) - model->ready >= WEFT_MODEL_AT_ONCE ? 0 : wait;
    model->state = WEFT_MODEL_STARTING;
    model->progress = 0;
    weft_timer_set(&models->options.loop->timers, &model->pause, now(models) + wait);
    weft_model_journal_died(journal_of(model), model->name, why, wait);
    look_soon(models);
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
    weft_model_hash_check(&model->hash);
    weft_line_open(model->line, (size_t)(model->facts.slots > 0 ? model->facts.slots : 1));
    model->tenant.used = model->tenant.asked ? model->ready : model->tenant.used;
    model->expected = model->tenant.stays;
    weft_model_journal_ready(journal_of(model), model->name, &model->facts, model->ready - model->started);
    settle(model, WEFT_MODEL_READY);
}

static void on_refused(void *self, const char *message, bool for_memory)
{
    struct model *model = self;
    (void)snprintf(model->problem, sizeof(model->problem), "%s", message); /* as long as an engine's are */
    model->leaving = true;
    if (for_memory) { /* what comes of it is decided when its engine has ended */
        model->tenant.refused = true;
        model->tenant.due = true;
        model->state = WEFT_MODEL_STARTING;
        model->progress = 0;
        changed(model);
    } else if (model->tenant.stays) {
        give_up(model); /* whoever named it is told that the node cannot be ready */
    } else {
        give_up_for_now(model);
    }
}

static void on_shared(void *self, int32_t threads)
{
    struct model *model = self;
    model->facts.threads = threads;
    changed(model);
}

/* What its engine held is free: those that had found too little may try again. One that was refused itself has held
 * nothing. */
static void give_back(const struct model *model)
{
    struct weft_models *models = model->models;
    for (size_t i = 0; i < models->count && !model->tenant.refused; i++) {
        models->at[i].tenant.refused = false;
    }
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
    struct weft_models *models = model->models;
    bool leaving = model->leaving;
    model->excused = weft_line_died(model->line, !weft_runner_ended_by_others(model->runner));
    model->counts = counted(model);
    weft_runner_free(model->runner);
    model->runner = NULL;
    model->leaving = false;
    give_back(model);
    look_soon(models);
    if (model->state == WEFT_MODEL_UNLOADING) {
        model->state = model->tenant.due ? WEFT_MODEL_STARTING : WEFT_MODEL_UNLOADED;
        changed(model);
    } else if (!leaving && !models->stopping) {
        died(model, why, for_good);
    }
}

static const struct weft_runner_user runner_user = {.loading = on_loading,
                                                    .ready = on_ready,
                                                    .refused = on_refused,
                                                    .shared = on_shared,
                                                    .ending = on_ending,
                                                    .ended = on_ended};

static void on_stalled(void *self)
{
    struct model *model = self;
    if (model->runner) {
        weft_runner_kill(model->runner, "stopped writing and was killed");
    }
}

static void on_wanted(void *self)
{
    struct model *model = self;
    weft_models_want(model->models, (size_t)(model - model->models->at));
}

/* Nobody needs it any more: another one may have waited for that. */
static void on_unused(void *self)
{
    struct model *model = self;
    model->tenant.used = now(model->models);
    look_soon(model->models);
}

static const struct weft_line_user line_user = {.wanted = on_wanted, .unused = on_unused, .stalled = on_stalled};

/* -- cores -- */

/* They are shared out evenly, those left over to the first ones; each gets one at least. */
static int32_t share_of(size_t cores, size_t count, size_t index)
{
    size_t share = cores / count + (index < cores % count ? 1 : 0);
    return share < 1 ? 1 : share < THREADS_MAX ? (int32_t)share : THREADS_MAX;
}

/* It computes, or will shortly. One that waits for others to go takes nothing yet. */
static bool computes(const struct model *model)
{
    return model->state == WEFT_MODEL_LOADING || model->state == WEFT_MODEL_READY ||
           (model->state == WEFT_MODEL_STARTING && (model->expected || !model->tenant.due));
}

/* Among those that compute. An engine that is ready is told when its share is another one than it knows. */
static void share_cores(struct weft_models *models)
{
    size_t count = 0, index = 0;
    for (size_t i = 0; i < models->count; i++) {
        count += computes(&models->at[i]) ? 1 : 0;
    }
    for (size_t i = 0; i < models->count; i++) {
        struct model *model = &models->at[i];
        if (!computes(model)) {
            continue;
        }
        model->threads = share_of(models->cores, count, index++);
        if (model->state == WEFT_MODEL_READY && model->told != model->threads) {
            model->told = model->threads;
            weft_runner_share(model->runner, model->threads);
        }
    }
}

/* -- its engine's life -- */

/* `room`: of the budget of all engines; 0: no bound. */
static int spawn(struct model *model, uint64_t room)
{
    const struct weft_models_options *options = &model->models->options;
    const struct weft_config *config = options->config;
    char slots[NUMBER_SIZE], context[NUMBER_SIZE], threads[NUMBER_SIZE], layers[NUMBER_SIZE], memory[NUMBER_SIZE];
    bool locked = config->engine_sandbox == WEFT_CONFIG_SANDBOX_ON;
    uint64_t set = (uint64_t)config->engine_memory_max, most = room > 0 && (set == 0 || room < set) ? room : set;
    (void)snprintf(slots, sizeof(slots), "%" PRId64, config->engine_slots); /* all of these fit */
    (void)snprintf(context, sizeof(context), "%" PRId64, config->engine_context);
    (void)snprintf(threads, sizeof(threads), "%" PRId32, model->threads);
    (void)snprintf(layers, sizeof(layers), "%" PRId64,
                   config->engine_gpu_layers < LAYERS_ALL ? config->engine_gpu_layers : -1);
    (void)snprintf(memory, sizeof(memory), "%" PRIu64, most);
    const char *argv[ARGS_MAX] = {"weft-engine", "--model",   model->path,          "--slots", slots,
                                  "--context",   context,     "--threads",          threads,   "--gpu-layers",
                                  layers,        "--sandbox", locked ? "on" : "off"};
    size_t count = 13;
    if (config->engine_exact) {
        argv[count++] = "--exact";
    }
    if (most > 0) {
        argv[count++] = "--memory-max";
        argv[count] = memory;
    }
    const struct weft_runner_options runner = {.loop = options->loop,
                                               .spawn = {.program = options->engine, .argv = argv},
                                               .stall = config->engine_stall,
                                               .user = &runner_user,
                                               .self = model};
    return weft_runner_new(&model->runner, &runner);
}

static void start(struct model *model, uint64_t room)
{
    struct weft_models *models = model->models;
    model->tenant.due = model->excused = false;
    model->state = WEFT_MODEL_LOADING;
    model->progress = 0;
    model->problem[0] = '\0';
    model->starts++;
    model->started = now(models);
    weft_model_hash_begin(&model->hash);
    share_cores(models);
    model->told = model->threads;
    int error = spawn(model, room);
    if (error == 0) {
        weft_model_journal_started(journal_of(model), model->name, weft_runner_process(model->runner), model->threads);
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

static void unload(struct model *model, const char *why)
{
    model->state = WEFT_MODEL_UNLOADING;
    model->progress = 0;
    model->leaving = true;
    model->expected = false;
    model->unloads++;
    weft_model_journal_unloaded(journal_of(model), model->name, why);
    weft_runner_stop(model->runner);
    changed(model);
}

/* -- who loads and who goes -- */

static size_t users_of(const struct model *model)
{
    struct weft_line_info line;
    weft_line_report(model->line, &line);
    return (size_t)(line.running + line.waiting);
}

static struct weft_tenant tenant_of(const struct model *model)
{
    struct weft_tenant tenant = model->tenant;
    tenant.users = users_of(model);
    tenant.memory = model->facts.memory;
    tenant.state = !model->runner                     ? WEFT_TENANT_OUT
                   : model->leaving                   ? WEFT_TENANT_LEAVING
                   : model->state == WEFT_MODEL_READY ? WEFT_TENANT_IN
                                                      : WEFT_TENANT_LOADING;
    return tenant;
}

static void take_step(struct weft_models *models, const struct weft_tenancy_decision *decision)
{
    struct model *model = &models->at[decision->index];
    switch (decision->step) {
    case WEFT_TENANCY_LOAD:
        start(model, decision->room);
        break;
    case WEFT_TENANCY_UNLOAD_IDLE:
        unload(model, "idle");
        break;
    case WEFT_TENANCY_UNLOAD_FOR:
        unload(model, "memory");
        break;
    case WEFT_TENANCY_LEAVE_OUT:
        model->expected = false;
        weft_model_journal_left_out(journal_of(model), model->name, model->problem);
        settle(model, WEFT_MODEL_UNLOADED);
        break;
    case WEFT_TENANCY_GIVE_UP:
        give_up_for_now(model);
        break;
    case WEFT_TENANCY_NOTHING:
        break;
    }
}

/* Step by step, until there is nothing to do but wait. Each step moves one model on, so there is an end. */
static void decide(struct weft_models *models)
{
    struct weft_tenant tenants[WEFT_MODELS_MAX];
    struct weft_tenancy tenancy = {
        .at = tenants,
        .count = models->count,
        .most = WEFT_MODELS_LOADED_MAX,
        .now = now(models),
        .keep_alive = models->options.config->engine_keep_alive,
        .budget = (uint64_t)models->options.config->engine_memory_budget,
    };
    struct weft_tenancy_decision decision;
    do {
        for (size_t i = 0; i < models->count; i++) {
            tenants[i] = tenant_of(&models->at[i]);
        }
        decision = weft_tenancy_decide(&tenancy);
        take_step(models, &decision);
    } while (decision.step != WEFT_TENANCY_NOTHING);
    weft_timer_set(&models->options.loop->timers, &models->idle, decision.again);
}

static void on_look(struct weft_task *task)
{
    struct weft_models *models = WEFT_CONTAINER(task, struct weft_models, look);
    bool any = false;
    if (!models->stopping) {
        decide(models);
        share_cores(models);
        return;
    }
    for (size_t i = 0; i < models->count; i++) {
        any = any || models->at[i].runner;
    }
    if (!any) {
        models->options.user->stopped(models->options.self);
    }
}

static void on_idle(struct weft_timer *timer)
{
    look_soon(WEFT_CONTAINER(timer, struct weft_models, idle));
}

/* -- all of them -- */

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
    size_t set = (size_t)options->config->engine_threads;
    models->cores = set > 0 ? set : host->ops->cores(host);
    for (size_t i = 0; i < options->count; i++) {
        struct model *model = &models->at[i];
        bool named = i < options->count - options->offered;
        *model = (struct model){
            .models = models,
            .path = options->paths[i],
            .name = weft_model_name(options->paths[i]),
            .state = named ? WEFT_MODEL_STARTING : WEFT_MODEL_UNLOADED,
            .tenant = {.stays = named},
            .hash = {.host = host, .path = options->paths[i], .found = options->user->hashed, .self = options->self},
            .expected = named};
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
    WEFT_ASSERT(options->count <= WEFT_MODELS_MAX && options->offered <= options->count);
    struct weft_models *models = *out = weft_zalloc(sizeof(*models) + options->count * sizeof(models->at[0]));
    (void)snprintf(problem, WEFT_MODEL_PROBLEM_MAX, "This machine has no memory left to start."); /* fits */
    if (!models) {
        return WEFT_ERR_MEMORY;
    }
    models->options = *options;
    weft_task_init(&models->look, on_look);
    weft_timer_init(&models->idle, on_idle);
    int error = weft_timers_reserve(&options->loop->timers);
    if (error < 0) {
        weft_free(models);
        *out = NULL;
        return error;
    }
    error = init(models, problem);
    if (error < 0) {
        weft_models_free(models);
        *out = NULL;
    }
    return error;
}

void weft_models_start(struct weft_models *models)
{
    for (size_t i = 0; i < models->count; i++) {
        if (models->at[i].state == WEFT_MODEL_STARTING) {
            become_due(&models->at[i]);
        }
    }
    look_soon(models);
}

void weft_models_stop(struct weft_models *models)
{
    models->stopping = true;
    weft_timer_clear(&models->options.loop->timers, &models->idle);
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
        weft_model_hash_forget(&models->at[i].hash);
        weft_runner_free(models->at[i].runner);
        weft_line_free(models->at[i].line);
        weft_timer_clear(&models->options.loop->timers, &models->at[i].pause);
        weft_timers_release(&models->options.loop->timers);
    }
    weft_timer_clear(&models->options.loop->timers, &models->idle);
    weft_timers_release(&models->options.loop->timers);
    weft_task_remove(&models->look);
    weft_free(models);
}

/* -- who needs them -- */

void weft_models_want(struct weft_models *models, size_t index)
{
    WEFT_ASSERT(index < models->count);
    struct model *model = &models->at[index];
    model->tenant.used = now(models);
    if (models->stopping || model->state == WEFT_MODEL_READY || model->state == WEFT_MODEL_FAILED) {
        return;
    }
    bool out = model->state == WEFT_MODEL_UNLOADED;
    model->tenant.asked = true;
    if (!model->tenant.due && (out || model->state == WEFT_MODEL_UNLOADING)) {
        become_due(model);
    }
    if (out) {
        model->state = WEFT_MODEL_STARTING;
        changed(model);
    }
}

/* -- questions -- */

size_t weft_models_count(const struct weft_models *models)
{
    return models->count;
}

/* It would load if others went, and they do not: else something is on its way. */
static bool waits(const struct model *model)
{
    const struct weft_models *models = model->models;
    bool moving = false;
    for (size_t i = 0; i < models->count; i++) {
        moving = moving || models->at[i].leaving || models->at[i].state == WEFT_MODEL_LOADING;
    }
    return model->state == WEFT_MODEL_STARTING && model->tenant.due && !moving;
}

void weft_models_info(const struct weft_models *models, size_t index, struct weft_model_info *info)
{
    WEFT_ASSERT(index < models->count);
    const struct model *model = &models->at[index];
    const struct weft_model_facts *facts = &model->facts;
    struct weft_runner_counts sum = counted(model);
    bool is_out = model->state == WEFT_MODEL_FAILED || model->state == WEFT_MODEL_UNLOADED;
    *info = (struct weft_model_info){
        .name = model->name,
        .state = model->state,
        .progress = model->progress,
        .problem = is_out && model->problem[0] ? model->problem : NULL,
        .named = model->tenant.stays,
        .shared = weft_config_shares(model->models->options.config, model->name),
        .waits = waits(model),
        .users = users_of(model),
        .process = model->runner ? weft_runner_process(model->runner) : 0,
        .starts = model->starts,
        .deaths = model->deaths,
        .unloads = model->unloads,
        .tokens_sampled = sum.tokens_sampled,
        .steps = sum.steps,
        .loaded_s = model->loaded_s,
        .hash = model->hash.known ? model->hash.bytes : NULL,
        .slots = facts->slots,
        .context_tokens = facts->context_tokens,
        .trained_tokens = facts->trained_tokens,
        .threads = facts->threads,
        .memory = facts->memory,
        .description = facts->description,
        .quant = facts->quant,
        .variant = facts->variant,
        .device = facts->device,
        .sandbox = facts->sandbox,
        .kernel_class = facts->kernel_class,
        .exact = facts->exact,
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
        [WEFT_MODEL_UNLOADED] = "unloaded", [WEFT_MODEL_STARTING] = "starting",   [WEFT_MODEL_LOADING] = "loading",
        [WEFT_MODEL_READY] = "ready",       [WEFT_MODEL_UNLOADING] = "unloading", [WEFT_MODEL_FAILED] = "failed",
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

int weft_models_find_hash(const struct weft_models *models, const uint8_t hash[WEFT_HOST_HASH_SIZE], bool shared)
{
    int found = -1;
    for (size_t i = 0; i < models->count; i++) {
        const struct model *model = &models->at[i];
        bool same = model->hash.known && memcmp(model->hash.bytes, hash, WEFT_HOST_HASH_SIZE) == 0;
        bool may = !shared || weft_config_shares(models->options.config, model->name);
        if (same && may && (found < 0 || model->state == WEFT_MODEL_READY)) {
            found = (int)i;
        }
    }
    return found;
}

int weft_models_holds(const struct weft_models *models, size_t index, const uint8_t hash[WEFT_HOST_HASH_SIZE],
                      bool sure)
{
    WEFT_ASSERT(index < models->count);
    const struct weft_model_hash *own = &models->at[index].hash;
    if (!own->known || memcmp(own->bytes, hash, WEFT_HOST_HASH_SIZE) != 0) {
        return 0;
    }
    return weft_model_hash_asks(own) && (sure || !own->holds) ? WEFT_ERR_BUSY : own->holds;
}

void weft_models_hash(struct weft_models *models)
{
    for (size_t i = 0; i < models->count; i++) {
        if (models->at[i].hash.asked == 0) {
            weft_model_hash_begin(&models->at[i].hash);
        }
    }
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
        const struct model *model = &models->at[i];
        if (model->expected && model->state == WEFT_MODEL_FAILED) {
            return WEFT_ERR_CLOSED;
        }
        ready = model->expected && model->state != WEFT_MODEL_READY ? 0 : ready;
    }
    return ready;
}
