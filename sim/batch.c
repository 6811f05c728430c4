/* sim/batch.c - an engine that works in steps, played. */
#include "sim/batch.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/assert.h"
#include "base/error.h"
#include "wire/engine_page.h"

#define CRASH         11                /* the signal */
#define READS_MAX     5                 /* steps for a prompt */
#define CUT_MAX       ((uint64_t)4000)  /* microseconds that what was cut gets to be written */
#define CUT_SIZE_MAX  ((size_t)4096)    /* bytes of a step of one answer */
#define BEAT          (WEFT_SECOND / 2) /* a sign of life, while a step takes long */
#define UNDER_WAY_MAX WEFT_SECOND       /* what was said within this may be lost with an answer nobody wants */
#define PROMPT_TOKENS 7

/* Lives in the exchange's arena. */
struct weft_batch_task {
    struct weft_batch *batch;
    struct weft_child *child;
    struct weft_exchange *exchange;
    struct weft_batch_task *next, *previous;
    struct weft_batch_request *request;
    struct weft_script script;
    struct weft_script_walk walks[WEFT_SCRIPT_CHOICES_MAX];
    bool finished[WEFT_SCRIPT_CHOICES_MAX];
    uint32_t sampled; /* by this attempt */
    uint64_t reads;   /* steps before the first token */
    bool begun, sticks;
    bool cut; /* the process ended, and nothing else: all that it had written arrives */
};

static struct weft_loop *loop_of(struct weft_batch *batch)
{
    return &batch->children.loop;
}

static weft_time now(struct weft_batch *batch)
{
    return loop_of(batch)->turn.now;
}

static uint64_t below(struct weft_batch *batch, uint64_t bound)
{
    return weft_world_below(batch->story->world, bound);
}

struct weft_child *weft_batch_child(struct weft_batch *batch)
{
    for (size_t i = 0; i < WEFT_CHILDREN_MAX; i++) {
        if (batch->children.at[i].process) {
            return &batch->children.at[i];
        }
    }
    return NULL;
}

static void step_in(struct weft_batch *batch, weft_time time)
{
    weft_timer_set(&loop_of(batch)->timers, &batch->step, now(batch) + time);
}

/* -- requests -- */

static struct weft_batch_request *request_of(struct weft_batch *batch, uint64_t seed)
{
    struct weft_batch_request *request = batch->requests;
    while (request->seed != 0 && request->seed != seed) {
        request++;
        WEFT_ASSERT(request < batch->requests + WEFT_BATCH_REQUESTS_MAX);
    }
    if (request->seed == 0) {
        *request = (struct weft_batch_request){.seed = seed};
    }
    return request;
}

const struct weft_batch_request *weft_batch_find(const struct weft_batch *batch, uint64_t seed)
{
    for (size_t i = 0; i < WEFT_BATCH_REQUESTS_MAX; i++) {
        if (batch->requests[i].seed == seed) {
            return &batch->requests[i];
        }
    }
    return NULL;
}

static void link_in(struct weft_batch_task *task)
{
    struct weft_batch *batch = task->batch;
    struct weft_batch_task **last = &batch->first;
    while (*last) {
        task->previous = *last;
        last = &(*last)->next;
    }
    *last = task;
}

static void done(struct weft_batch_task *task, int why)
{
    if (task->previous) {
        task->previous->next = task->next;
    } else {
        task->batch->first = task->next;
    }
    if (task->next) {
        task->next->previous = task->previous;
    }
    weft_exchange_leave(task->exchange, WEFT_WORKER, why);
}

size_t weft_batch_running(const struct weft_batch *batch)
{
    size_t count = 0;
    for (const struct weft_batch_task *task = batch->first; task; task = task->next) {
        count++;
    }
    return count;
}

/* -- what was delivered -- */

/* The ids of a choice are those that were sampled, up to where the last attempt came, or nearly. */
static void check_resume(struct weft_batch_task *task, uint16_t choice, const json_t *ids)
{
    struct weft_story *story = task->batch->story;
    struct weft_batch_request *request = task->request;
    size_t count = json_array_size(ids), reached = request->reached[choice];
    bool same = true;
    for (size_t i = 0; i < count; i++) {
        const json_t *id = json_array_get(ids, i);
        same = same && json_integer_value(id) == weft_script_id(&task->script, choice, i);
    }
    weft_story_check(story, same, "request %" PRIu64 ".%u: resumed with other tokens than were sampled", request->seed,
                     choice);
    if (task->batch->shared) {
        request->reached[choice] = count;
        return;
    }
    weft_story_check(story, count >= request->told[choice] && count <= reached,
                     "request %" PRIu64 ".%u: resumed behind %zu tokens, of %zu; before that, behind %zu",
                     request->seed, choice, count, reached, request->told[choice]);
    size_t lost = count < reached ? reached - count : 0;
    weft_story_check(story, lost <= request->slack,
                     "request %" PRIu64 ".%u: %zu tokens were sampled and thrown away, not %zu at most", request->seed,
                     choice, lost, request->slack);
    request->lost += lost;
    request->told[choice] = request->reached[choice] = count;
}

static void go_to(struct weft_batch_task *task, uint16_t choice, size_t count)
{
    struct weft_script_walk *walk = &task->walks[choice];
    struct weft_script_step step;
    weft_script_begin(walk, &task->script, choice, task->request->call_ids);
    while (walk->at < count && weft_script_next(walk, &step)) {
    }
    walk->echoed = 0; /* the prompt is said again */
}

static void take_up(struct weft_batch_task *task, const json_t *body)
{
    struct weft_story *story = task->batch->story;
    struct weft_batch_request *request = task->request;
    const json_t *resume = json_object_get(body, "resume");
    const char *call_ids = json_string_value(json_object_get(body, "call_ids"));
    weft_story_check(story, !resume || json_array_size(resume) == task->script.choices,
                     "request %" PRIu64 ": resumed with %zu choices, not %u", request->seed, json_array_size(resume),
                     task->script.choices);
    if (request->attempts++ == 0) {
        (void)snprintf(request->call_ids, sizeof(request->call_ids), "%s", call_ids ? call_ids : ""); /* fits */
    }
    weft_story_check(story, call_ids && strcmp(call_ids, request->call_ids) == 0,
                     "request %" PRIu64 ": another attempt is to name its tool calls in another way", request->seed);
    for (uint16_t i = 0; i < task->script.choices; i++) {
        const json_t *ids = json_array_get(resume, i);
        check_resume(task, i, ids);
        go_to(task, i, json_array_size(ids));
    }
    request->slack = 1;
}

/* It may be that nobody wanted what was under way. */
static void expect_loss(struct weft_batch_task *task)
{
    task->request->slack = 2 + (size_t)(UNDER_WAY_MAX / task->batch->gap);
}

/* -- frames -- */

static int put(struct weft_bytes *out, const struct weft_frame *frame)
{
    return weft_native_write(out, frame);
}

static void count_token(struct weft_batch_task *task, struct weft_engine_page *page, uint16_t choice)
{
    task->sampled++;
    task->request->sampled++;
    task->request->reached[choice]++;
    task->batch->sampled++;
    atomic_fetch_add(&page->tokens_sampled, 1);
}

static int say_token(struct weft_batch_task *task, struct weft_engine_page *page, uint16_t choice,
                     struct weft_bytes *out)
{
    struct weft_script_step step;
    struct weft_script_walk *walk = &task->walks[choice];
    bool more = weft_script_next(walk, &step);
    if (!more) {
        task->finished[choice] = true;
        const struct weft_frame finish = weft_script_finish(walk);
        return put(out, &finish);
    }
    if (!step.token.token.prompt) {
        count_token(task, page, choice);
    }
    int error = put(out, &step.token);
    for (uint16_t i = 0; error == 0 && i < step.token.token.deltas; i++) {
        error = put(out, &step.deltas[i]);
    }
    return error;
}

static int say_progress(const struct weft_batch_task *task, struct weft_bytes *out)
{
    bool reads = task->reads > 0;
    const struct weft_frame frame = {.kind = WEFT_FRAME_PROGRESS,
                                     .progress = {.phase = reads ? WEFT_PHASE_PREFILL : WEFT_PHASE_DECODE,
                                                  .done = reads ? 1 : task->sampled,
                                                  .total = reads ? PROMPT_TOKENS : 0}};
    return put(out, &frame);
}

/* What it counts is its own attempt's, which is not what the client is to be told. */
static int say_end(const struct weft_batch_task *task, struct weft_bytes *out)
{
    const struct weft_frame last[] = {
        {.kind = WEFT_FRAME_USAGE, .usage = {.prompt_tokens = PROMPT_TOKENS, .completion_tokens = task->sampled}},
        {.kind = WEFT_FRAME_END},
    };
    int error = put(out, &last[0]);
    return error < 0 ? error : put(out, &last[1]);
}

static bool is_whole(const struct weft_batch_task *task)
{
    bool whole = true;
    for (uint16_t i = 0; i < task->script.choices; i++) {
        whole = whole && task->finished[i];
    }
    return whole;
}

static int write_step(struct weft_batch_task *task, struct weft_engine_page *page, struct weft_bytes *out)
{
    int error = 0;
    if (task->reads > 0) {
        error = say_progress(task, out);
        task->reads--;
        return error;
    }
    for (uint16_t i = 0; error == 0 && i < task->script.choices; i++) {
        error = task->finished[i] ? 0 : say_token(task, page, i, out);
    }
    return error == 0 && is_whole(task) ? say_end(task, out) : error;
}

/* -- steps -- */

static void end_now(struct weft_batch *batch)
{
    struct weft_child *child = weft_batch_child(batch);
    if (child && batch->signal) {
        weft_child_die(child, batch->signal);
    } else if (child) {
        weft_child_exit(child, batch->code);
    }
}

static void on_end(struct weft_timer *timer)
{
    end_now(WEFT_CONTAINER(timer, struct weft_batch, end));
}

/* Where the last of these frames begins. */
static size_t last_frame(const char *bytes, size_t size)
{
    size_t last = 0;
    for (size_t at = 0; at + 4 <= size;) {
        last = at;
        const unsigned char *length = (const unsigned char *)bytes + at;
        at += 4 + (length[0] | (size_t)length[1] << 8 | (size_t)length[2] << 16);
    }
    return last;
}

/* Only a part of it is put where it can be written from, and soon the process is gone: a part of a frame, or whole
 * ones of a step that is not. */
static void cut(struct weft_batch *batch, struct weft_bytes *out)
{
    char bytes[CUT_SIZE_MAX];
    size_t size = weft_bytes_read(out, bytes, sizeof(bytes));
    weft_bytes_deinit(out);
    size = below(batch, 2) ? last_frame(bytes, size) : below(batch, size + 1);
    int error = weft_bytes_append(out, bytes, size);
    WEFT_ASSERT(error == 0);
    batch->hangs = true;
    weft_timer_set(&loop_of(batch)->timers, &batch->end, now(batch) + (weft_time)below(batch, CUT_MAX));
}

/* False: the process is not to go on with this step. */
static bool step_task(struct weft_batch_task *task, struct weft_engine_page *page)
{
    struct weft_batch *batch = task->batch;
    struct weft_bytes out = {0};
    bool unsaid = batch->ends == WEFT_BATCH_UNSAID, whole = false;
    bool kills = task->reads == 0 && task->walks[0].at >= task->script.kills_at;
    if (kills) {
        batch->code = 0;
        batch->signal = CRASH;
        end_now(batch);
        return false;
    }
    int error = write_step(task, page, &out);
    if (batch->ends == WEFT_BATCH_CUT && (!task->next || below(batch, 3) == 0)) {
        cut(batch, &out);
    } else {
        whole = is_whole(task);
    }
    if (error == 0 && !unsaid) {
        error = weft_exchange_move(task->exchange, WEFT_ANSWER, &out);
    }
    weft_bytes_deinit(&out);
    WEFT_ASSERT(error == 0 || error == WEFT_ERR_CLOSED); /* a cancel that is about to be heard of */
    if (whole && batch->careful) {
        expect_loss(task);
    }
    if (whole && !unsaid && error == 0) {
        weft_exchange_end(task->exchange, WEFT_ANSWER);
        done(task, 0);
    }
    return !batch->hangs;
}

/* What a step brought is out before the next one is made. */
static bool is_out(struct weft_batch *batch, const struct weft_child *child)
{
    bool out = !weft_world_blocked(child->socket);
    for (const struct weft_batch_task *task = batch->first; task; task = task->next) {
        out = out && task->exchange->flows[WEFT_ANSWER].bytes.size == 0;
    }
    return out;
}

static void make_step(struct weft_batch *batch, struct weft_child *child)
{
    struct weft_engine_page *page = loop_of(batch)->host->ops->shared(child->process);
    bool goes_on = true;
    batch->steps++;
    atomic_fetch_add(&page->steps, 1);
    for (struct weft_batch_task *task = batch->first, *next; task && goes_on; task = next) {
        next = task->next;
        if (task->begun && !task->sticks && !task->exchange->aborted[WEFT_ASKER]) {
            goes_on = step_task(task, page);
        }
    }
    if (goes_on && batch->ends != WEFT_BATCH_LIVES) {
        end_now(batch);
    }
}

static void show_life(struct weft_batch *batch)
{
    for (struct weft_batch_task *task = batch->first; task; task = task->next) {
        struct weft_bytes out = {0};
        int error = task->begun && !task->exchange->aborted[WEFT_ASKER] ? say_progress(task, &out) : 0;
        if (error == 0 && out.size > 0) {
            error = weft_exchange_move(task->exchange, WEFT_ANSWER, &out);
        }
        weft_bytes_deinit(&out);
        WEFT_ASSERT(error == 0 || error == WEFT_ERR_CLOSED); /* as above */
    }
}

static void on_step(struct weft_timer *timer)
{
    struct weft_batch *batch = WEFT_CONTAINER(timer, struct weft_batch, step);
    struct weft_child *child = weft_batch_child(batch);
    if (!child || !batch->first || batch->hangs) {
        return;
    }
    if (batch->thinks_until > now(batch)) {
        weft_time left = batch->thinks_until - now(batch);
        show_life(batch);
        step_in(batch, left < BEAT ? left : BEAT);
        return;
    }
    if (is_out(batch, child)) {
        make_step(batch, child);
    }
    step_in(batch, batch->gap);
}

/* -- a request -- */

static int begin(struct weft_batch_task *task)
{
    struct weft_exchange *exchange = task->exchange;
    struct weft_flow *flow = &exchange->flows[WEFT_REQUEST];
    char *text = weft_arena_alloc(&exchange->arena, flow->bytes.size + 1);
    json_t *body = NULL;
    if (!text) {
        return WEFT_ERR_MEMORY;
    }
    size_t size = weft_bytes_tail(&flow->bytes, text, flow->bytes.size);
    weft_exchange_take(exchange, WEFT_REQUEST, size);
    int error = weft_json_parse(weft_slice(text, size), &body, NULL);
    if (error < 0) {
        return error;
    }
    error = weft_script_read(&task->script, body) ? 0 : WEFT_ERR_INVALID;
    if (error == 0) {
        task->request = request_of(task->batch, task->script.seed);
        if (task->batch->takes) {
            task->batch->takes(task->batch, task->child, task->script.seed);
        }
        task->reads = 1 + below(task->batch, READS_MAX);
        take_up(task, body);
        exchange->answer.status = 200;
        error = weft_fields_add(&exchange->answer.fields, &exchange->arena, WEFT_SLICE("content-type"),
                                WEFT_SLICE(WEFT_NATIVE_TYPE));
    }
    if (error == 0) {
        weft_exchange_begin_answer(exchange);
    }
    json_decref(body);
    return error;
}

/* Whoever asked wants it no more, or the process is gone. */
static void let_go(struct weft_batch_task *task)
{
    if (!task->cut && task->request) {
        expect_loss(task);
    }
    done(task, WEFT_ERR_CANCELLED);
}

static void on_wake(void *self, struct weft_exchange *exchange)
{
    struct weft_batch_task *task = self;
    if (exchange->aborted[WEFT_ASKER]) {
        let_go(task);
    } else if (!task->begun && exchange->flows[WEFT_REQUEST].ended) {
        task->begun = true;
        int error = begin(task);
        weft_story_check(task->batch->story, error == 0, "an engine is asked what it does not understand");
        if (error < 0) {
            done(task, error);
        } else if (task->batch->step.at == WEFT_NEVER) {
            step_in(task->batch, task->batch->gap);
        }
    }
}

static void on_asked(void *self, struct weft_child *child, struct weft_exchange *exchange)
{
    struct weft_batch_task *task = weft_arena_alloc(&exchange->arena, sizeof(*task));
    if (!task) {
        weft_exchange_leave(exchange, WEFT_WORKER, WEFT_ERR_MEMORY);
        return;
    }
    *task = (struct weft_batch_task){.batch = self, .child = child, .exchange = exchange};
    task->batch->asked++;
    link_in(task);
    weft_exchange_want_body(exchange);
    weft_exchange_attach(exchange, WEFT_WORKER, on_wake, task);
}

/* -- processes -- */

void weft_batch_mend(struct weft_batch *batch)
{
    batch->ends = WEFT_BATCH_LIVES;
    batch->hangs = false;
    batch->thinks_until = 0;
}

static void on_ended(void *self, struct weft_child *child, bool killed)
{
    struct weft_batch *batch = self;
    for (struct weft_batch_task *task = batch->first; task; task = task->next) {
        task->cut = task->cut || (task->child == child && !batch->careful);
    }
    weft_timer_clear(&loop_of(batch)->timers, &batch->end);
    weft_batch_mend(batch);
    batch->deaths++;
    if (batch->ended) {
        batch->ended(batch, killed);
    }
    batch->asked = 0;
}

static const struct weft_child_worker worker = {.asked = on_asked, .ended = on_ended};

void weft_batch_doom(struct weft_batch *batch, enum weft_batch_end how, int code, int signal)
{
    batch->ends = how;
    batch->code = code;
    batch->signal = signal;
}

void weft_batch_hang(struct weft_batch *batch)
{
    batch->hangs = true;
}

void weft_batch_stick(struct weft_batch *batch)
{
    size_t running = weft_batch_running(batch);
    struct weft_batch_task *task = batch->first;
    for (uint64_t before = running > 0 ? below(batch, running) : 0; before > 0; before--) {
        task = task->next;
    }
    if (task) {
        task->sticks = true;
    }
}

void weft_batch_think(struct weft_batch *batch, weft_time span)
{
    batch->thinks_until = now(batch) + span;
}

void weft_batch_start(struct weft_batch *batch, struct weft_story *story, struct weft_host *host,
                      struct weft_host *parent)
{
    *batch = (struct weft_batch){.story = story};
    weft_children_start(&batch->children, story->world, host, parent);
    batch->children.worker = &worker;
    batch->children.worker_self = batch;
    weft_timer_init(&batch->step, on_step);
    weft_timer_init(&batch->end, on_end);
    for (int i = 0; i < 2; i++) {
        int error = weft_timers_reserve(&loop_of(batch)->timers);
        WEFT_ASSERT(error == 0);
    }
}

void weft_batch_stop(struct weft_batch *batch)
{
    weft_timer_clear(&loop_of(batch)->timers, &batch->step);
    for (int i = 0; i < 2; i++) {
        weft_timers_release(&loop_of(batch)->timers);
    }
    weft_children_end(&batch->children);
}
