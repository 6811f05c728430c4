/* node/delivery.c - one answer, brought to its end over as many attempts at engines as it takes. */
#include "node/delivery.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/assert.h"
#include "base/error.h"
#include "base/mem.h"
#include "base/text.h"
#include "mesh/resume.h"
#include "node/line.h"

#define ID_SIZE      32 /* of a request: "req-" and what tells it from others */
#define CALL_ID_SIZE 64 /* of a tool call: a request's, and two numbers of 16 bits */
#define RETRY_S      5  /* where nothing says how long it takes */
#define RETRY_S_MAX  600
#define ESTIMATE_MAX 64 /* bytes of what an estimate says */

struct weft_delivery {
    struct weft_delivery_options options;
    char id[ID_SIZE];
    struct weft_place place;
    struct weft_resume *resume;
    struct weft_native *native;             /* the attempt that runs, or NULL */
    struct weft_external_attempt *external; /* the same, of a server that is not ours */
    struct weft_external_asking asking;     /* what that is asked */
    char name[WEFT_PEERS_SHOWN_MAX];        /* of its model, or a peer's */
    uint8_t hash[WEFT_HOST_HASH_SIZE];      /* of the model, if one was named */
    struct weft_peers_choice choice;        /* who of the mesh is asked */
    struct weft_key last;                   /* who was, the time before */
    uint32_t context_over;                  /* and whoever has no larger context is not; 0: nobody's was too small */
    weft_time alone_since, alone_told;      /* nobody can be asked for now; 0: somebody could */
    struct weft_segments segments;
    char *body; /* of each request, but for its closing brace and what it resumes */
    size_t body_size;
    unsigned attempts, barren;      /* in all; one after the other without a new token */
    unsigned broken;                /* of the latter, those that a server which is not ours had taken */
    struct weft_native_problem why; /* the last attempt was lost */
    bool named;                     /* its model, by the hash */
    bool begun;
    bool paused;
    bool over;       /* `ended` was called, or nobody wants it any more */
    unsigned inside; /* calls that it is in: what is over is freed after them */
};

/* -- where its answer comes from -- */

static bool is_external(const struct weft_delivery_options *options)
{
    return options->external.server;
}

static bool is_mesh(const struct weft_delivery_options *options)
{
    return options->peers;
}

static bool is_ours(const struct weft_delivery_options *options)
{
    return !is_external(options) && !is_mesh(options);
}

static struct weft_line *line_of(const struct weft_delivery_options *options)
{
    if (is_mesh(options)) {
        return weft_peers_line(options->peers);
    }
    return is_external(options) ? options->external.line : weft_models_line(options->models, options->model);
}

/* What a sentence says of it, and what there is before it. */
static void look_up(const struct weft_delivery_options *options, struct weft_model_info *model,
                    struct weft_line_info *line)
{
    weft_line_report(line_of(options), line);
    if (is_ours(options)) {
        weft_models_info(options->models, options->model, model);
        return;
    }
    if (is_mesh(options)) {
        *model = (struct weft_model_info){.name = options->name};
        return;
    }
    struct weft_external_info server;
    weft_external_info(options->external.server, &server);
    *model = (struct weft_model_info){.name = options->external.name, .problem = server.problem};
}

static enum weft_external_kind kind_of(const struct weft_delivery *delivery)
{
    struct weft_external_info server;
    weft_external_info(delivery->options.external.server, &server);
    return server.kind;
}

static bool may_go_on(const struct weft_delivery *delivery)
{
    return is_external(&delivery->options) ? weft_external_asking_can_resume(&delivery->asking, kind_of(delivery))
                                           : weft_resume_possible(delivery->resume);
}

/* -- its end -- */

static void delivery_free(struct weft_delivery *delivery)
{
    weft_line_leave(&delivery->place);
    weft_resume_free(delivery->resume);
    weft_external_asking_deinit(&delivery->asking);
    weft_free(delivery->body);
    weft_free(delivery);
}

/* What came of an attempt at a peer; NULL: it is not to blame. */
static void settle(struct weft_delivery *delivery, struct weft_native_problem *problem)
{
    uint32_t context = delivery->choice.context;
    if (!is_mesh(&delivery->options)) {
        return;
    }
    weft_segments_reach(&delivery->segments, weft_resume_tokens(delivery->resume));
    weft_peers_done(delivery->options.peers, delivery->hash, &delivery->choice, problem);
    if (problem && strcmp(problem->code, WEFT_PEERS_OVERFLOW) == 0 && context > delivery->context_over) {
        delivery->context_over = context;
    }
}

static void let_go(struct weft_delivery *delivery)
{
    settle(delivery, NULL); /* whoever knows better has said so */
    if (delivery->native) {
        weft_native_cancel(delivery->native);
        delivery->native = NULL;
    }
    if (delivery->external) {
        weft_external_cancel(delivery->external);
        delivery->external = NULL;
    }
}

static void end(struct weft_delivery *delivery, const struct weft_native_problem *problem)
{
    let_go(delivery);
    weft_line_leave(&delivery->place);
    delivery->over = true;
    delivery->options.user->ended(delivery->options.self, problem);
}

/* Every callback stands between these two. */
static void enter(struct weft_delivery *delivery)
{
    delivery->inside++;
}

static void leave(struct weft_delivery *delivery)
{
    if (--delivery->inside == 0 && delivery->over) {
        delivery_free(delivery);
    }
}

void weft_delivery_cancel(struct weft_delivery *delivery)
{
    let_go(delivery);
    weft_line_leave(&delivery->place);
    delivery->over = true;
    if (delivery->inside == 0) {
        delivery_free(delivery);
    }
}

/* -- what its client is told -- */

static WEFT_PRINTF(4, 5) void set_problem(struct weft_native_problem *problem, int status, const char *code,
                                          const char *format, ...)
{
    *problem = (struct weft_native_problem){.status = status};
    va_list args;
    va_start(args, format);
    (void)snprintf(problem->code, sizeof(problem->code), "%s", code);          /* fits */
    (void)vsnprintf(problem->message, sizeof(problem->message), format, args); /* so do these */
    va_end(args);
}

static void set_no_memory(struct weft_native_problem *problem)
{
    set_problem(problem, 503, "out_of_memory", "This node has no memory left for another request. Try again shortly.");
    problem->retry_s = WEFT_NATIVE_RETRY_S;
}

static void set_malformed(struct weft_native_problem *problem)
{
    set_problem(problem, 502, "engine_malformed",
                "The engine answered in a way that this node does not understand. If weft and weft-engine are of one "
                "build, this is a fault in Weft: please report it.");
}

static int whole_seconds(weft_time time)
{
    weft_time seconds = (time + WEFT_SECOND - 1) / WEFT_SECOND;
    return (int)(seconds < 1 ? 1 : seconds < RETRY_S_MAX ? seconds : RETRY_S_MAX);
}

/* " The next one would have its turn in about 12 s.", or nothing if that is not known. Returns when to come again. */
static int say_estimate(char text[ESTIMATE_MAX], weft_time estimate)
{
    text[0] = '\0';
    if (estimate == WEFT_NEVER) {
        return RETRY_S;
    }
    int seconds = whole_seconds(estimate);
    (void)snprintf(text, ESTIMATE_MAX, " The next one would have its turn in about %d s.", seconds); /* fits */
    return seconds;
}

static void set_given_up(struct weft_native_problem *problem, const struct weft_delivery_options *options,
                         const struct weft_model_info *model)
{
    set_problem(problem, 503, "model_failed", "%.*s is not served: %s", (int)model->name.size, model->name.data,
                model->problem ? model->problem : "its engine was given up.");
    if (is_external(options)) {
        problem->retry_s = (int)(WEFT_EXTERNAL_PAUSE_MAX / WEFT_SECOND); /* its server was looked at again by then */
    }
}

static void set_struck(struct weft_native_problem *problem, const struct weft_model_info *model)
{
    set_problem(problem, 500, "request_kills_engine",
                "The engine of %.*s has ended %d times while it worked on this request alone, so the request is not "
                "tried again. Change it, or the model; the node's log says how the engine ended.",
                (int)model->name.size, model->name.data, WEFT_LINE_STRIKES_MAX);
}

static void set_full(struct weft_native_problem *problem, const struct weft_model_info *model,
                     const struct weft_line_info *line)
{
    char turn[ESTIMATE_MAX];
    int retry_s = say_estimate(turn, line->estimate);
    set_problem(problem, 503, "queue_full",
                "%" PRIu64
                " requests wait for %.*s already, as many as may, of all clients or of this one.%s Try again then.",
                line->waiting, (int)model->name.size, model->name.data, turn);
    problem->retry_s = retry_s;
}

static void set_expired(struct weft_native_problem *problem, const struct weft_model_info *model,
                        const struct weft_line_info *line, weft_time wait)
{
    char turn[ESTIMATE_MAX];
    int retry_s = say_estimate(turn, line->estimate);
    set_problem(
        problem, 503, "queue_timeout",
        "%.*s had no time for this request within %d s, which is how long one may wait. Others that wait: %" PRIu64
        ".%s Try again then.",
        (int)model->name.size, model->name.data, whole_seconds(wait), line->waiting, turn);
    problem->retry_s = retry_s;
}

static void set_lost(struct weft_native_problem *problem, unsigned attempts)
{
    set_problem(problem, 502, "engine_lost",
                "The engine has let go of this answer %u times before it was complete, so it is not tried again. Ask "
                "again later; the node's log says how its engines ended.",
                attempts);
}

static void set_other_file(struct weft_native_problem *problem, bool named)
{
    if (named) {
        set_problem(
            problem, 421, "model_not_held",
            "This node does not hold the model that was asked for: its file is another one now. Ask another node.");
    } else {
        set_problem(problem, 502, "model_changed",
                    "The model's file is not the one with which this answer began, so it cannot go on. Ask again.");
    }
}

static void set_nobody(struct weft_native_problem *problem, const struct weft_model_info *model)
{
    set_problem(problem, 503, "no_peer",
                "No node of the mesh that holds %.*s can be reached, for %d s now. Ask again later, or see with `weft "
                "peers` who is there.",
                (int)model->name.size, model->name.data, (int)(WEFT_PEERS_PATIENCE / WEFT_SECOND));
    problem->retry_s = RETRY_S;
}

/* -- attempts -- */

static void fail_here(struct weft_delivery *delivery, int error)
{
    struct weft_native_problem problem;
    if (error == WEFT_ERR_MEMORY) {
        set_no_memory(&problem);
    } else {
        set_malformed(&problem);
    }
    end(delivery, &problem);
}

static void say_again(const struct weft_delivery *delivery, const char *why)
{
    struct weft_journal *journal = delivery->options.journal;
    if (weft_journal_begin(journal, WEFT_LOG_INFO, "answer goes on later")) {
        weft_journal_word(journal, "id", delivery->id);
        weft_journal_word(journal, "why", why);
        weft_journal_number(journal, "tokens", (int64_t)weft_resume_tokens(delivery->resume));
        weft_journal_number(journal, "attempts", delivery->attempts);
        weft_journal_end(journal);
    }
}

/* The attempt is over, and the answer is not. */
static void again(struct weft_delivery *delivery, const char *why, bool cut)
{
    weft_resume_again(delivery->resume);
    say_again(delivery, why);
    weft_line_again(&delivery->place, cut);
}

static void lost(struct weft_delivery *delivery, const struct weft_native_problem *problem)
{
    delivery->why = *problem;
    /* A peer that lacks the model has not tried, and is not asked again. */
    delivery->barren -= is_mesh(&delivery->options) && problem->status == 421 && delivery->barren > 0;
    /* By 503 it says that it takes nothing, or it has not heard of it: nothing was done twice. */
    delivery->broken += is_external(&delivery->options) && problem->status != 503 && delivery->barren > 0;
    if (delivery->broken < WEFT_DELIVERY_BROKEN_MAX && may_go_on(delivery)) {
        again(delivery, problem->code, true);
    } else {
        end(delivery, problem);
    }
}

/* What came means nothing here: of a peer, another one may do better. */
static void fail_malformed(struct weft_delivery *delivery, int error)
{
    struct weft_native_problem problem;
    if (!is_mesh(&delivery->options) || error == WEFT_ERR_MEMORY) {
        fail_here(delivery, error);
        return;
    }
    set_malformed(&problem);
    settle(delivery, &problem);
    let_go(delivery);
    lost(delivery, &problem);
}

/* A client says by its id which tool call it answers: one that its server gave none gets one of the kind that our
 * engine gives. */
static void name_call(const struct weft_delivery *delivery, struct weft_frame *frame, char id[CALL_ID_SIZE])
{
    if (frame->delta.part == WEFT_PART_TOOL_CALL && frame->delta.name.size > 0 && frame->delta.id.size == 0) {
        int size = snprintf(id, CALL_ID_SIZE, "call_%s_%u_%u", delivery->id + strlen("req-"), (unsigned)frame->choice,
                            (unsigned)frame->delta.call); /* fits: see CALL_ID_SIZE */
        frame->delta.id = weft_slice(id, (size_t)size);
    }
}

static bool tell(void *self, const struct weft_frame *frame)
{
    struct weft_delivery *delivery = self;
    struct weft_frame told = *frame;
    char call_id[CALL_ID_SIZE];
    if (is_external(&delivery->options)) {
        weft_external_asking_note(&delivery->asking, frame);
        if (frame->kind == WEFT_FRAME_USAGE) {
            weft_external_asking_usage(&delivery->asking, &told);
        } else if (frame->kind == WEFT_FRAME_DELTA) {
            name_call(delivery, &told, call_id);
        }
    }
    delivery->options.user->frame(delivery->options.self, &told);
    return !delivery->over;
}

static void on_frame(void *self, const struct weft_frame *frame)
{
    struct weft_delivery *delivery = self;
    if (frame->kind == WEFT_FRAME_LOAD) {
        if (is_mesh(&delivery->options)) { /* nobody else has anything to say of that */
            weft_peers_load(delivery->options.peers, &delivery->choice.key, frame->load.running, frame->load.waiting);
        }
        return;
    }
    enter(delivery);
    weft_line_sign(&delivery->place);
    if (frame->kind == WEFT_FRAME_FINISH) {
        weft_line_choice_ended(&delivery->place);
    }
    int got = weft_resume_frame(delivery->resume, frame, tell, delivery);
    if (!delivery->over && got < 0) {
        fail_malformed(delivery, got);
    } else if (!delivery->over && got > 0) {
        delivery->barren = delivery->broken = 0;
        weft_line_got_on(&delivery->place);
    }
    leave(delivery);
}

static void on_ended(void *self, const struct weft_native_problem *problem)
{
    struct weft_delivery *delivery = self;
    enter(delivery);
    delivery->native = NULL; /* freed by its owner after this */
    delivery->external = NULL;
    struct weft_native_problem said = problem ? *problem : (struct weft_native_problem){0};
    if (!problem && is_mesh(&delivery->options) && !weft_resume_whole(delivery->resume)) {
        set_malformed(&said); /* the peer says that it is whole, and not of every choice how it ended */
    }
    bool failed = said.status != 0;
    settle(delivery, failed ? &said : NULL);
    if (said.passes) {
        lost(delivery, &said);
    } else {
        end(delivery, failed ? &said : NULL);
    }
    leave(delivery);
}

static const struct weft_native_user native_user = {.frame = on_frame, .ended = on_ended};

static int append(struct weft_bytes *out, struct weft_slice text)
{
    return weft_bytes_append(out, text.data, text.size);
}

static int write_body(const struct weft_delivery *delivery, struct weft_bytes *out)
{
    int error = weft_bytes_append(out, delivery->body, delivery->body_size);
    if (error == 0 && weft_resume_tokens(delivery->resume) > 0) {
        error = append(out, WEFT_SLICE(",\"resume\":"));
        error = error < 0 ? error : weft_resume_write(delivery->resume, out);
    }
    return error < 0 ? error : append(out, WEFT_SLICE("}"));
}

/* Once: what its user makes of the request is his to forget after it. */
static int begin(struct weft_delivery *delivery)
{
    struct weft_bytes body = {0};
    delivery->begun = true;
    int error = delivery->options.user->begin(delivery->options.self, &body);
    size_t size = body.size;
    if (error == 0 && !is_external(&delivery->options)) {
        delivery->body = weft_alloc(size + 1);
        error = delivery->body ? 0 : WEFT_ERR_MEMORY;
    }
    if (error == 0 && delivery->body) {
        size = weft_bytes_read(&body, delivery->body, size);
        WEFT_ASSERT(size >= 2 && delivery->body[size - 1] == '}');
        delivery->body_size = size - 1;
    }
    weft_bytes_deinit(&body);
    return error;
}

static int attempt_external(struct weft_delivery *delivery)
{
    struct weft_bytes body = {0};
    const struct weft_external_offer *external = &delivery->options.external;
    const struct weft_external_attempt_options options = {.shape = delivery->asking.shape,
                                                          .choices = delivery->options.choices,
                                                          .body = &body,
                                                          .user = &native_user,
                                                          .self = delivery};
    int error = weft_external_asking_write(&delivery->asking, kind_of(delivery), external->name, &body);
    if (error == 0) {
        error = weft_external_ask(&delivery->external, external->server, &options);
    }
    if (error == 0 && delivery->paused) {
        weft_external_pause(delivery->external, true);
    }
    weft_bytes_deinit(&body);
    return error;
}

/* Asks an engine, or who has one. `fields`: of the request. */
static int attempt_at(struct weft_delivery *delivery, const struct weft_relay_target *target, struct weft_slice path,
                      const struct weft_field *fields, size_t field_count)
{
    struct weft_bytes body = {0};
    const struct weft_native_options options = {.loop = delivery->options.loop,
                                                .target = *target,
                                                .path = path,
                                                .body = &body,
                                                .fields = fields,
                                                .field_count = field_count,
                                                .user = &native_user,
                                                .self = delivery};
    int error = write_body(delivery, &body);
    if (error == 0) {
        error = weft_native_start(&delivery->native, &options);
    }
    if (error == 0 && delivery->paused) {
        weft_native_pause(delivery->native, true);
    }
    weft_bytes_deinit(&body);
    return error;
}

/* A client names no file: what has begun goes on with the one that it began with, if that is known. */
static void remember_file(struct weft_delivery *delivery)
{
    struct weft_delivery_options *options = &delivery->options;
    struct weft_model_info model;
    weft_models_info(options->models, options->model, &model);
    options->hash = model.hash ? delivery->hash : NULL;
    if (model.hash) {
        memcpy(delivery->hash, model.hash, sizeof(delivery->hash));
    }
}

/* WEFT_ERR_UNSUPPORTED: it is another file now; WEFT_ERR_NOT_FOUND: that is not known yet. */
static int check_file(struct weft_delivery *delivery)
{
    const struct weft_delivery_options *options = &delivery->options;
    if (!delivery->named && weft_resume_tokens(delivery->resume) == 0) {
        remember_file(delivery);
        return 0;
    }
    /* Another node has asked for this file and no other. For a client the first look is enough: each answer that goes
     * on would have to wait for the second one. */
    int holds = options->hash ? weft_models_holds(options->models, options->model, delivery->hash, delivery->named) : 1;
    return holds > 0 ? 0 : holds == 0 ? WEFT_ERR_UNSUPPORTED : WEFT_ERR_NOT_FOUND;
}

static int attempt_own(struct weft_delivery *delivery)
{
    const struct weft_delivery_options *options = &delivery->options;
    struct weft_relay_target target;
    int error = weft_models_target(options->models, options->model, &target);
    error = error < 0 ? error : check_file(delivery);
    if (error < 0) {
        return error;
    }
    delivery->alone_since = 0;
    return attempt_at(delivery, &target, WEFT_SLICE("/generate"), NULL, 0);
}

/* WEFT_ERR_NOT_FOUND: nobody can be asked now. */
static int attempt_mesh(struct weft_delivery *delivery)
{
    char hash[2 * WEFT_HOST_HASH_SIZE + 1];
    int error = weft_peers_choose(delivery->options.peers, delivery->hash, &delivery->last, delivery->context_over,
                                  &delivery->choice);
    if (error < 0) {
        return error;
    }
    delivery->last = delivery->choice.key;
    delivery->alone_since = 0;
    weft_segments_begin(&delivery->segments, &delivery->choice.key, delivery->choice.path,
                        weft_resume_tokens(delivery->resume));
    weft_hex(hash, delivery->hash, sizeof(delivery->hash));
    const struct weft_field field = {WEFT_SLICE(WEFT_MESH_MODEL_FIELD), weft_slice(hash, sizeof(hash) - 1)};
    error = attempt_at(delivery, &delivery->choice.target, WEFT_SLICE(WEFT_MESH_GENERATE), &field, 1);
    if (error < 0) {
        struct weft_native_problem problem;
        set_lost(&problem, delivery->attempts);
        settle(delivery, error == WEFT_ERR_MEMORY ? NULL : &problem);
    }
    return error;
}

static int attempt(struct weft_delivery *delivery)
{
    const struct weft_delivery_options *options = &delivery->options;
    return is_mesh(options)       ? attempt_mesh(delivery)
           : is_external(options) ? attempt_external(delivery)
                                  : attempt_own(delivery);
}

/* Nobody of the mesh is there, or a file is still being looked at: for a moment, or for good. */
static void wait_for_somebody(struct weft_delivery *delivery)
{
    weft_time now = delivery->options.loop->turn.now;
    delivery->attempts--; /* it was none */
    delivery->barren--;
    if (delivery->alone_since == 0) {
        delivery->alone_since = delivery->alone_told = now;
        say_again(delivery, is_mesh(&delivery->options) ? "nobody who holds the model is there"
                                                        : "its model's file is being looked at");
    }
    if (now - delivery->alone_since < WEFT_PEERS_PATIENCE) {
        weft_line_again(&delivery->place, true);
        if (now - delivery->alone_told >= WEFT_LINE_TELL) { /* the line does not: it goes each time */
            delivery->alone_told = now;
            delivery->options.user->waiting(delivery->options.self, 0, WEFT_NEVER);
        }
        return;
    }
    struct weft_native_problem problem;
    struct weft_model_info model = {.name = delivery->options.name};
    if (is_mesh(&delivery->options)) {
        set_nobody(&problem, &model);
    } else {
        set_other_file(&problem, delivery->named);
    }
    end(delivery, &problem);
}

/* How often it may be tried. An attempt that others ended, with its engine, says nothing of it; whoever goes alone as a
 * suspect is counted by its strikes. */
static bool may_try(struct weft_delivery *delivery)
{
    if (delivery->place.spared && delivery->barren > 0) {
        delivery->barren--;
    }
    delivery->place.spared = false;
    bool barren = delivery->barren >= WEFT_DELIVERY_BARREN_MAX && delivery->place.suspicion != WEFT_PLACE_ALONE;
    return !barren && delivery->attempts < WEFT_DELIVERY_ATTEMPTS_MAX;
}

/* -- its place in the line -- */

static void on_go(void *self)
{
    struct weft_delivery *delivery = self;
    enter(delivery);
    if (!may_try(delivery)) {
        struct weft_native_problem problem = delivery->why;
        if (problem.status != 503 && is_ours(&delivery->options)) { /* what others say themselves says more */
            set_lost(&problem, delivery->attempts);
        }
        end(delivery, &problem);
        leave(delivery);
        return;
    }
    delivery->attempts++;
    delivery->barren++;
    int unmade = delivery->begun ? 0 : begin(delivery);
    int error = unmade < 0 ? unmade : attempt(delivery);
    if (unmade < 0 || error == WEFT_ERR_MEMORY) {
        fail_here(delivery, error);
    } else if (error == WEFT_ERR_UNSUPPORTED && is_ours(&delivery->options)) {
        struct weft_native_problem problem;
        set_other_file(&problem, delivery->named);
        end(delivery, &problem);
    } else if (error == WEFT_ERR_NOT_FOUND && !is_external(&delivery->options)) {
        wait_for_somebody(delivery);
    } else if (error < 0) { /* its end is being noticed, or it takes no more: that is over soon */
        set_lost(&delivery->why, delivery->attempts);
        again(delivery, "it could not be asked", true);
    }
    leave(delivery);
}

static void on_back(void *self, bool stalled)
{
    struct weft_delivery *delivery = self;
    struct weft_native_problem problem;
    enter(delivery);
    if (stalled) {
        set_problem(&problem, 502, "engine_stalled", "The engine has stopped writing this answer. Ask again later.");
        settle(delivery, &problem);
    }
    let_go(delivery);
    if (stalled) {
        lost(delivery, &problem);
    } else {
        delivery->attempts--; /* neither it nor the engine has failed */
        again(delivery, "others go first", false);
    }
    leave(delivery);
}

static void on_out(void *self, enum weft_line_out why)
{
    struct weft_delivery *delivery = self;
    const struct weft_delivery_options *options = &delivery->options;
    struct weft_native_problem problem;
    struct weft_model_info model;
    struct weft_line_info line;
    look_up(options, &model, &line);
    switch (why) {
    case WEFT_LINE_EXPIRED:
        set_expired(&problem, &model, &line, delivery->attempts > 0 ? WEFT_LINE_AGAIN_MAX : options->wait);
        break;
    case WEFT_LINE_GIVEN_UP:
        set_given_up(&problem, options, &model);
        break;
    case WEFT_LINE_STRUCK:
        set_struck(&problem, &model);
        break;
    }
    enter(delivery);
    end(delivery, &problem);
    leave(delivery);
}

static void on_waiting(void *self, size_t ahead, weft_time estimate)
{
    struct weft_delivery *delivery = self;
    enter(delivery);
    delivery->options.user->waiting(delivery->options.self, ahead, estimate);
    leave(delivery);
}

static const struct weft_place_user place_user = {.go = on_go, .back = on_back, .out = on_out, .waiting = on_waiting};

void weft_delivery_pause(struct weft_delivery *delivery, bool on)
{
    delivery->paused = on;
    weft_line_pause(&delivery->place, on);
    if (delivery->native) {
        weft_native_pause(delivery->native, on);
    }
    if (delivery->external) {
        weft_external_pause(delivery->external, on);
    }
}

/* -- its beginning -- */

static void say_why_not(struct weft_native_problem *problem, const struct weft_delivery_options *options, int error)
{
    struct weft_model_info model;
    struct weft_line_info line;
    look_up(options, &model, &line);
    switch (error) {
    case WEFT_ERR_FULL:
        set_full(problem, &model, &line);
        break;
    case WEFT_ERR_CLOSED:
        set_given_up(problem, options, &model);
        break;
    case WEFT_ERR_DENIED:
        set_struck(problem, &model);
        break;
    case WEFT_ERR_INVALID:
    case WEFT_ERR_TOO_LARGE:
        set_problem(
            problem, 400, "invalid_request",
            "What the request says of the answer so far (resume) is not one list of token ids for each choice.");
        break;
    default:
        set_no_memory(problem); /* the only other error there is */
    }
}

int weft_delivery_start(struct weft_delivery **out, const struct weft_delivery_options *options,
                        struct weft_native_problem *problem)
{
    struct weft_delivery *delivery = *out = weft_zalloc(sizeof(*delivery));
    if (!delivery) {
        say_why_not(problem, options, WEFT_ERR_MEMORY);
        return WEFT_ERR_MEMORY;
    }
    delivery->options = *options;
    delivery->options.id = delivery->id;
    (void)snprintf(delivery->id, sizeof(delivery->id), "%s", options->id); /* the front's are shorter */
    delivery->place.user = &place_user;
    delivery->place.self = delivery;
    delivery->place.mark = options->mark;
    if (options->hash) {
        memcpy(delivery->hash, options->hash, sizeof(delivery->hash));
        delivery->options.hash = delivery->hash;
        delivery->named = true;
    }
    if (!is_ours(options)) {
        struct weft_slice name = is_mesh(options) ? options->name : options->external.name;
        memcpy(delivery->name, name.data, name.size); /* fits: see node/external.h and node/peers.h */
        delivery->options.name = delivery->options.external.name = weft_slice(delivery->name, name.size);
    }
    if (is_external(options)) {
        weft_external_asking_init(&delivery->asking, options->request);
    }
    int error = weft_resume_new(&delivery->resume, options->choices);
    if (error == 0 && options->resume) {
        error = weft_resume_read(delivery->resume, options->resume);
        delivery->options.resume = NULL;
    }
    if (error == 0) {
        error = weft_line_join(line_of(options), &delivery->place, options->principal, options->choices, options->wait);
    }
    if (error < 0) {
        say_why_not(problem, options, error);
        delivery_free(delivery);
        *out = NULL;
    }
    return error;
}

const struct weft_peers_choice *weft_delivery_peer(const struct weft_delivery *delivery)
{
    return weft_key_set(&delivery->choice.key) ? &delivery->choice : NULL;
}

const struct weft_segments *weft_delivery_segments(const struct weft_delivery *delivery)
{
    return &delivery->segments;
}
