/* sim/lasting.c - answers that last: their engine is killed, crashes, hangs, runs out of memory and loads slowly, the
 * node sleeps, and every reader gets the whole of its answer.
 *
 * The node, its line and its deliveries are the real ones, asked over HTTP; the engine is sim/batch.c's, which checks
 * what it is told to go on behind. A pause may be as long as what happened in it explains. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"
#include "base/mem.h"
#include "node/line.h"
#include "node/runner.h"
#include "sim/answers.h"
#include "sim/batch.h"
#include "sim/reader.h"
#include "sim/resident.h"
#include "wire/engine_exit.h"

#define ADDRESS      "127.0.0.1:9338"
#define READERS_MAX  (WEFT_READER_KINDS + 1) /* one of each kind, and one whose request kills */
#define EPISODES_MAX 64
#define PATIENCE     (900 * WEFT_SECOND) /* by then everybody must have been told everything */
#define FAULTS_MAX   6
#define DEATHS_MAX   4             /* by faults: five in a row, and a model is given up */
#define CRASHES_MAX  2             /* ... that may be put down to a request: three, and it is refused */
#define STEPS_MAX    60            /* to the next fault */
#define GAP_MIN      (4 * WEFT_MS) /* from a step to the next */
#define GAP_MAX      (40 * WEFT_MS)
#define LOAD_MAX     (400 * WEFT_MS) /* a load that is not slow */
#define SLOW_MIN     (2 * WEFT_SECOND)
#define SLOW_MAX     (20 * WEFT_SECOND)
#define PAGE_MAX     (32 * 1024) /* bytes of what the node says of itself */
#define SEGMENT      11          /* signals */
#define TERMINATED   15
#define SEEDS        1024 /* of requests, for each seed of the story */

/* What a pause may take that nothing in it explains: text that is held back, pieces that are late. */
#define CALM WEFT_SECOND
/* From an engine's death to the next token, but for the load: pauses of the supervisor, the line and the poll. */
#define RETURN (WEFT_SECOND / 2)

/* Things happened, one into the other, that explain pauses which begin before this is over: so long ones. */
struct episode {
    weft_time until, costs;
};

struct act {
    struct weft_story *story;
    struct weft_host *host, *clients, *engines;
    struct weft_resident node;
    struct weft_batch batch;
    weft_time stall;
    bool roomy;  /* the engine has a slot for everyone */
    bool frozen; /* it is kept from running until it is killed */
    bool silent; /* it may be killed for its silence; `silenced`: one was */
    bool silenced;
    unsigned deaths, crashes, row;
    bool by_others;           /* what ends the engine now is nobody's fault */
    uint64_t at_fault;        /* deaths that requests may have been why */
    uint64_t sampled;         /* at the last death */
    struct weft_reader *slow; /* it does not read for a while; NULL: all do */
    size_t episode_count, reader_count;
    struct episode episodes[EPISODES_MAX];
    struct weft_reader readers[READERS_MAX], another;
};

static weft_time below(struct act *act, weft_time bound)
{
    return (weft_time)weft_world_below(act->story->world, (uint64_t)bound);
}

static weft_time now_in(const struct act *act)
{
    return weft_world_now(act->story->world);
}

/* -- pauses -- */

static void explain(struct act *act, weft_time costs)
{
    struct episode *last = act->episode_count > 0 ? &act->episodes[act->episode_count - 1] : NULL;
    if (last && now_in(act) <= last->until) {
        last->costs += costs;
        last->until += costs;
        return;
    }
    WEFT_ASSERT(act->episode_count < EPISODES_MAX);
    act->episodes[act->episode_count++] = (struct episode){.until = now_in(act) + costs + WEFT_SECOND, .costs = costs};
}

/* Everybody goes for some tokens, one after the other. */
static weft_time trial(const struct act *act, unsigned tokens)
{
    return (weft_time)act->reader_count * (WEFT_SECOND / 2 + act->batch.gap * (weft_time)tokens);
}

/* Each of these needs one engine more, and if nobody else ended it, whoever ran goes carefully. */
static void on_engine_ended(struct weft_batch *batch, bool killed)
{
    static const unsigned tokens[] = {2, WEFT_LINE_TRIAL, WEFT_LINE_CLEARED};
    struct act *act = batch->self;
    weft_time costs = RETURN + batch->children.script.loads;
    act->row = batch->sampled > act->sampled ? 0 : act->row + 1;
    act->sampled = batch->sampled;
    weft_story_check(act->story, !killed || act->silent, "an engine that gets on is killed");
    act->silent = false;
    costs += WEFT_MODEL_PAUSE_FIRST << act->row;
    if (!act->by_others && batch->asked > 0) {
        costs += trial(act, tokens[act->at_fault < 2 ? act->at_fault : 2]);
        act->at_fault++;
        batch->careful = true;
    }
    explain(act, costs);
    batch->children.script.lives = 0; /* a load fails once */
    weft_world_wake(act->engines);
    act->frozen = false;
}

static void on_heard(struct weft_reader *reader, weft_time pause)
{
    const struct act *act = reader->self;
    weft_time began = now_in(act) - pause, may = CALM;
    if (reader->events == 0 && !act->roomy) {
        return; /* it had to wait for its turn too */
    }
    for (size_t i = 0; i < act->episode_count; i++) {
        may += act->episodes[i].until >= began ? act->episodes[i].costs : 0;
    }
    weft_story_check(act->story, pause <= may, "reader %d: a pause of %" PRId64 " ms, where %" PRId64 " are explained",
                     reader->kind, pause / WEFT_MS, may / WEFT_MS);
}

/* -- what can happen -- */

static void draw_load(struct act *act)
{
    act->batch.children.script.loads = below(act, LOAD_MAX);
}

static void be_killed(struct act *act)
{
    struct weft_child *child = weft_batch_child(&act->batch);
    act->by_others = true;
    if (child) {
        weft_child_die(child, below(act, 4) > 0 ? WEFT_WORLD_KILLED : TERMINATED);
    }
    act->by_others = false;
}

static void crash(struct act *act)
{
    weft_batch_doom(&act->batch, below(act, 2) ? WEFT_BATCH_CUT : WEFT_BATCH_UNSAID, 0, SEGMENT);
}

static void run_out_of_memory(struct act *act)
{
    weft_batch_doom(&act->batch, below(act, 2) ? WEFT_BATCH_CUT : WEFT_BATCH_UNSAID, WEFT_ENGINE_EXIT_MEMORY, 0);
}

static void load_slowly(struct act *act)
{
    act->batch.children.script.loads = SLOW_MIN + below(act, SLOW_MAX - SLOW_MIN);
    be_killed(act);
}

/* The next engine ends before it is ready. */
static void fail_to_load(struct act *act)
{
    struct weft_child_script *script = &act->batch.children.script;
    bool exits = below(act, 2);
    script->loads += LOAD_MAX;
    be_killed(act);
    script->lives = 1 + below(act, script->loads / 2);
    script->code = exits ? WEFT_ENGINE_EXIT_MEMORY : 0;
    script->signal = exits ? 0 : WEFT_WORLD_KILLED;
}

static void fall_silent(struct act *act, weft_time known_after)
{
    act->silent = act->silenced = true;
    explain(act, known_after + WEFT_SECOND);
}

static void hang(struct act *act)
{
    weft_batch_hang(&act->batch);
    fall_silent(act, act->stall);
}

/* All of the process, as by SIGSTOP, until it is killed for it. */
static void freeze(struct act *act)
{
    bool runs = weft_batch_running(&act->batch) > 0; /* else it may load, and has longer to say how far it is */
    weft_world_stop(act->engines, PATIENCE);
    act->frozen = true;
    fall_silent(act, runs ? act->stall : WEFT_RUNNER_SILENCE);
}

static void freeze_shortly(struct act *act)
{
    weft_time span = below(act, act->stall / 2);
    weft_world_stop(act->engines, span);
    explain(act, span + WEFT_SECOND);
}

static void lose_one(struct act *act)
{
    weft_batch_stick(&act->batch);
    fall_silent(act, 2 * act->stall); /* twice, if nobody else runs after a while */
}

static void think(struct act *act)
{
    weft_time span = below(act, 3 * act->stall);
    weft_batch_think(&act->batch, span);
    explain(act, span + WEFT_SECOND);
}

static void sleep_node(struct act *act)
{
    weft_time span = below(act, 4 * act->stall);
    weft_world_stop(act->host, span);
    weft_world_jump(act->host, below(act, 7200 * WEFT_SECOND) - 3600 * WEFT_SECOND);
    explain(act, span + WEFT_SECOND);
}

static void read_on(struct act *act)
{
    if (act->slow) {
        weft_raw_read(&act->slow->raw, true);
    }
    act->slow = NULL;
}

/* That explains no pause of anybody else. Half of the time it is the one whose answer is long. */
static void read_slowly(struct act *act)
{
    read_on(act);
    act->slow = &act->readers[below(act, 2) ? WEFT_READER_LOGPROBS : below(act, (weft_time)act->reader_count)];
    act->slow->heard = NULL;
    weft_raw_read(&act->slow->raw, false);
}

static const struct fault {
    void (*strike)(struct act *act);
    unsigned deaths, crashes;
} faults[] = {
    {be_killed, 1, 0},   {be_killed, 1, 0},    {crash, 1, 1},      {crash, 1, 1},       {run_out_of_memory, 1, 1},
    {load_slowly, 1, 0}, {fail_to_load, 2, 0}, {hang, 1, 1},       {freeze, 1, 1},      {freeze_shortly, 0, 0},
    {lose_one, 1, 1},    {think, 0, 0},        {sleep_node, 0, 0}, {read_slowly, 0, 0},
};

/* -- the story -- */

static bool all_told(void *self)
{
    const struct act *act = self;
    for (size_t i = 0; i < act->reader_count; i++) {
        if (!weft_reader_told(&act->readers[i])) {
            return false;
        }
    }
    return true;
}

static bool another_told(void *self)
{
    const struct act *act = self;
    return weft_reader_told(&act->another);
}

struct steps {
    struct act *act;
    uint64_t until;
};

static bool steps_made(void *self)
{
    const struct steps *steps = self;
    return steps->act->batch.steps >= steps->until || all_told(steps->act);
}

/* After some steps; or soon, be it in a load or before the first token after it; or later. */
static void wait_for_a_moment(struct act *act)
{
    struct weft_world *world = act->story->world;
    struct steps steps = {.act = act, .until = act->batch.steps + weft_world_below(world, STEPS_MAX)};
    switch (below(act, 4)) {
    case 0:
        weft_world_pass(world, below(act, WEFT_SECOND));
        break;
    case 1:
        weft_world_pass(world, below(act, 5 * WEFT_SECOND));
        break;
    default:
        (void)weft_world_run(world, now_in(act) + act->stall, steps_made, &steps); /* or as far as it comes */
        weft_world_pass(world, below(act, act->batch.gap));
    }
}

static void strike(struct act *act)
{
    const struct fault *fault = &faults[below(act, (weft_time)WEFT_COUNT(faults))];
    if (act->deaths + fault->deaths > DEATHS_MAX || act->crashes + fault->crashes > CRASHES_MAX) {
        return;
    }
    act->deaths += fault->deaths;
    act->crashes += fault->crashes;
    draw_load(act);
    fault->strike(act);
    if (!weft_batch_child(&act->batch)) {
        explain(act, act->batch.children.script.loads); /* the next one was not to load so long */
    }
    weft_world_poke(act->engines);
}

static uint64_t seed_of(const struct act *act, size_t reader)
{
    return act->story->seed % ((uint64_t)1 << 40) * SEEDS + 1 + reader * WEFT_SCRIPT_CHOICES_MAX;
}

/* A token of its answer. */
static size_t draw_killer(struct act *act, size_t reader)
{
    const struct weft_script script = {
        .seed = seed_of(act, reader), .choices = 1, .tokens_max = INT32_MAX, .logprobs = -1};
    return weft_world_below(act->story->world, weft_script_length(&script, 0));
}

static void ask(struct act *act, struct weft_reader *reader, enum weft_reader_kind kind, size_t number, size_t kills_at)
{
    reader->self = act;
    reader->heard = kind == WEFT_READER_WHOLE ? NULL : on_heard;
    weft_reader_ask(reader, act->story, act->clients, ADDRESS, kind, seed_of(act, number), kills_at);
}

static void let_come(struct act *act, bool killer)
{
    act->reader_count = WEFT_READER_KINDS + killer;
    for (size_t i = 0; i < act->reader_count; i++) {
        bool kills = i == WEFT_READER_KINDS;
        ask(act, &act->readers[i], kills ? WEFT_READER_CHAT : (enum weft_reader_kind)i, i,
            kills ? draw_killer(act, i) : SIZE_MAX);
        weft_world_pass(act->story->world, below(act, 100 * WEFT_MS));
    }
}

/* What engines counted is what was delivered, and what is known to be lost with those that ended. */
static void judge_counts(struct act *act, const struct weft_reader *reader)
{
    const struct weft_batch_request *request = weft_batch_find(&act->batch, reader->script.seed);
    uint64_t tokens = 0;
    for (uint16_t i = 0; i < reader->script.choices; i++) {
        tokens += weft_script_length(&reader->script, i);
    }
    weft_story_check(act->story, request && request->sampled == tokens + request->lost,
                     "reader %d: %" PRIu64 " tokens were sampled for its %" PRIu64 ", and %zu lost", reader->kind,
                     request ? request->sampled : 0, tokens, request ? request->lost : 0);
}

static void judge(struct act *act, bool killer)
{
    bool told = weft_world_run(act->story->world, now_in(act) + PATIENCE, all_told, act);
    weft_story_check(act->story, told, "somebody still waits for an answer");
    for (size_t i = 0; i < WEFT_READER_KINDS; i++) {
        weft_reader_judge(&act->readers[i]);
        judge_counts(act, &act->readers[i]);
    }
    if (killer) {
        weft_reader_judge_struck(&act->readers[WEFT_READER_KINDS], false);
    }
    for (size_t i = 0; i < act->reader_count; i++) {
        weft_reader_close(&act->readers[i]);
    }
}

/* -- afterwards -- */

/* Whoever killed engines is known again. */
static void ask_killer_again(struct act *act)
{
    const struct weft_reader *killer = &act->readers[WEFT_READER_KINDS];
    uint64_t deaths = act->batch.deaths;
    ask(act, &act->another, WEFT_READER_CHAT, WEFT_READER_KINDS, killer->script.kills_at);
    bool told = weft_world_run(act->story->world, now_in(act) + WEFT_SECOND, another_told, act);
    weft_story_check(act->story, told && act->batch.deaths == deaths, "who kills engines is not refused at once");
    weft_reader_judge_struck(&act->another, true);
    weft_reader_close(&act->another);
}

/* What comes now is answered as if nothing had been. */
static void ask_once_more(struct act *act)
{
    const struct weft_batch_request *request;
    weft_batch_mend(&act->batch);
    if (act->frozen) {
        be_killed(act);
    }
    weft_world_pass(act->story->world, 4 * act->stall + SLOW_MAX + 2 * WEFT_SECOND); /* all that happened is over */
    act->episode_count = 0;
    ask(act, &act->another, (enum weft_reader_kind)below(act, WEFT_READER_KINDS), READERS_MAX, SIZE_MAX);
    bool told = weft_world_run(act->story->world, now_in(act) + PATIENCE, another_told, act);
    weft_story_check(act->story, told, "afterwards nobody is answered");
    weft_reader_judge(&act->another);
    judge_counts(act, &act->another);
    request = weft_batch_find(&act->batch, act->another.script.seed);
    weft_story_check(act->story, request && request->attempts == 1, "afterwards an answer takes %u attempts",
                     request ? request->attempts : 0);
    weft_reader_close(&act->another);
}

static bool raw_told(void *self)
{
    const struct weft_raw *raw = self;
    return raw->ended;
}

/* What the node says there, into `text`. */
static void read_page(struct act *act, const char *path, char text[PAGE_MAX])
{
    char head[128];
    struct weft_raw *raw = &act->another.raw;
    struct weft_answers answers;
    (void)snprintf(head, sizeof(head), "GET %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
                   path); /* fits */
    weft_raw_dial(raw, act->clients, ADDRESS);
    weft_raw_text(raw, head);
    bool told = weft_world_run(act->story->world, now_in(act) + PATIENCE, raw_told, raw);
    weft_answers_h1(&answers, weft_slice(raw->in, raw->in_size), 0, true);
    if (!told || answers.whole != 1 || weft_answer_text(&answers.at[0], text, PAGE_MAX) < 0) {
        text[0] = '\0'; /* which is not what it should say */
    }
    weft_raw_close(raw, false);
}

/* Of the model; UINT64_MAX if it is not there. */
static uint64_t metric(const char *page, const char *name)
{
    char line[128];
    int size = snprintf(line, sizeof(line), "\n%s{model=\"" WEFT_READER_MODEL "\"} ", name);
    const char *at = strstr(page, line);
    return at ? strtoull(at + size, NULL, 10) : UINT64_MAX;
}

static void judge_pages(struct act *act)
{
    static const char sampled[] = "weft_engine_tokens_sampled_total", strikes[] = "weft_engine_strikes_total",
                      stalls[] = "weft_engine_stalls_total";
    char page[PAGE_MAX];
    struct weft_story *story = act->story;
    read_page(act, "/metrics", page);
    weft_story_check(story, metric(page, sampled) == act->batch.sampled,
                     "the node counted %" PRIu64 " tokens sampled, not %" PRIu64, metric(page, sampled),
                     act->batch.sampled);
    weft_story_check(story, metric(page, strikes) <= act->at_fault,
                     "%" PRIu64 " deaths are put down to a request, of %" PRIu64 " that may be", metric(page, strikes),
                     act->at_fault);
    weft_story_check(story, metric(page, stalls) == 0 || act->silenced, "%" PRIu64 " silences, where nobody was silent",
                     metric(page, stalls));
    read_page(act, "/load", page);
    weft_story_check(story, strstr(page, "\"running\":0,\"waiting\":0"), "somebody still stands in the line");
}

static void judge_rest(struct act *act)
{
    struct weft_story *story = act->story;
    judge_pages(act);
    weft_story_check(story, weft_batch_running(&act->batch) == 0, "%zu answers run on",
                     weft_batch_running(&act->batch));
    weft_story_check(story, weft_world_processes(act->host) == 1, "%zu engines are left, not one",
                     weft_world_processes(act->host));
    weft_resident_drain(&act->node, -1);
    bool stopped = weft_world_run(story->world, now_in(act) + PATIENCE, weft_resident_stopped, &act->node);
    weft_story_check(story, stopped, "the node does not stop");
    weft_resident_end(&act->node);
    weft_world_pass(story->world, WEFT_SECOND);
    weft_story_check(story, weft_world_sockets(act->host) == 0 && weft_world_processes(act->host) == 0,
                     "a freed node holds %zu sockets and %zu engines", weft_world_sockets(act->host),
                     weft_world_processes(act->host));
}

static void start(struct act *act, bool killer)
{
    static const char *const models[] = {"/models/" WEFT_READER_MODEL ".gguf"};
    static const char *const yaml[] = {"listen: [\"tcp:" ADDRESS "\"]\nengine:\n  stall: 2s\n",
                                       "listen: [\"tcp:" ADDRESS "\"]\n"};
    bool patient = below(act, 2);
    const struct weft_resident_options options = {.yaml = yaml[patient], .models = models, .model_count = 1};
    struct weft_world *world = act->story->world;
    act->host = weft_world_host(world, "node");
    act->clients = weft_world_host(world, "clients");
    act->engines = weft_world_host(world, "engines");
    act->stall = patient ? 10 * WEFT_SECOND : 2 * WEFT_SECOND;
    act->roomy = below(act, 4) > 0;
    weft_batch_start(&act->batch, act->story, act->engines, act->host);
    act->batch.gap = GAP_MIN + below(act, GAP_MAX - GAP_MIN);
    act->batch.ended = on_engine_ended;
    act->batch.self = act;
    act->batch.children.script.slots = act->roomy ? WEFT_READER_KINDS + 2 : 4;
    act->reader_count = WEFT_READER_KINDS + killer;
    draw_load(act);
    explain(act, act->batch.children.script.loads);
    weft_resident_start(&act->node, act->host, world, &options);
}

void weft_story_lasting(struct weft_story *story)
{
    struct act *act = weft_zalloc(sizeof(*act));
    WEFT_ASSERT(act);
    act->story = story;
    bool killer = below(act, 4) == 0;
    start(act, killer);
    let_come(act, killer);
    for (unsigned left = 1 + (unsigned)below(act, FAULTS_MAX); left > 0 && !all_told(act); left--) {
        wait_for_a_moment(act);
        if (below(act, 2)) {
            read_on(act);
        }
        strike(act);
    }
    wait_for_a_moment(act);
    read_on(act);
    judge(act, killer);
    ask_once_more(act);
    if (killer) {
        ask_killer_again(act);
    }
    judge_rest(act);
    weft_batch_stop(&act->batch);
    weft_free(act);
}
