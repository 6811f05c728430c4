/* node/openai.c - OpenAI's API over the models of this node. */
#include "node/openai.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/error.h"
#include "base/mem.h"
#include "base/text.h"
#include "node/delivery.h"
#include "node/openai_answer.h"
#include "node/openai_models.h"
#include "node/openai_native.h"

#define ID_SIZE     40                        /* "chatcmpl-" or "call_" and the request's number */
#define SEED_MASK   (((uint64_t)1 << 52) - 1) /* of those we draw: a JavaScript number holds them, and n more */
#define NUMBER_SIZE 24

/* A request to a model. Lives in the exchange's arena. */
struct talk {
    struct weft_call *call;
    enum weft_openai_shape shape;
    struct weft_openai_model model;      /* its name, if it is a server's, in the arena */
    struct weft_slice name;              /* of the mesh's model, in the arena as well */
    uint8_t hash[WEFT_HOST_HASH_SIZE];   /* likewise */
    struct weft_bytes body;              /* of the request, as it comes */
    struct weft_openai_request *request; /* while it waits for its turn; in the arena; NULL: not yet, or no more */
    uint64_t seed;                       /* drawn, for a request that names none */
    struct weft_delivery *delivery;      /* NULL: not asked yet, or over */
    struct weft_openai_answer *answer;   /* from its turn on */
    bool asked, stream, paused;
    bool peer_told; /* the head says that this one of the mesh answers, and by which path */
    struct weft_key peer;
    enum weft_peer_path path;
};

static struct weft_exchange *exchange_of(struct talk *talk)
{
    return talk->call->exchange;
}

static int add_field(struct weft_exchange *exchange, const char *name, struct weft_slice value)
{
    return weft_fields_add(&exchange->answer.fields, &exchange->arena, weft_slice_text(name), value);
}

static struct weft_openai_offers offers_of(const struct weft_call *call)
{
    return (struct weft_openai_offers){
        .models = call->front->models, .externals = call->front->externals, .peers = call->front->peers};
}

/* -- errors before an answer -- */

static int write_error(struct weft_call *call, const struct weft_openai_error *error, struct weft_bytes *out)
{
    struct weft_exchange *exchange = call->exchange;
    int status = weft_openai_error_write(error, out);
    if (status == 0) {
        status = weft_bytes_append(out, "\n", 1);
    }
    if (status == 0 && error->retry_s > 0) {
        struct weft_slice seconds = weft_arena_print(&exchange->arena, "%d", error->retry_s);
        status = seconds.data ? add_field(exchange, "retry-after", seconds) : WEFT_ERR_MEMORY;
    }
    return status;
}

static void refuse(struct weft_call *call, const struct weft_openai_error *error)
{
    struct weft_bytes text = {0};
    int status = write_error(call, error, &text);
    weft_call_answer(call, error->status, WEFT_SLICE("application/json"), &text, status);
}

static void refuse_method(struct weft_call *call, const char *allow)
{
    struct weft_openai_error error;
    weft_openai_error_set(&error, 405, "method_not_allowed",
                          "This path does not answer that method; the Allow header names those it does.");
    int status = add_field(call->exchange, "allow", weft_slice_text(allow));
    if (status < 0) {
        weft_call_answer(call, 405, WEFT_SLICE("application/json"), &(struct weft_bytes){0}, status);
    } else {
        refuse(call, &error);
    }
}

/* What went wrong here, in words for the client. */
static void error_for(struct weft_openai_error *error, int status)
{
    switch (status) {
    case WEFT_ERR_MEMORY:
        weft_openai_error_set(error, 503, "out_of_memory",
                              "This node has no memory left for another request. Try again shortly.");
        error->retry_s = WEFT_NATIVE_RETRY_S;
        break;
    case WEFT_ERR_TOO_LARGE:
        weft_openai_error_set(error, 502, "answer_too_large", "The answer is larger than a node collects. Stream it.");
        break;
    default:
        weft_openai_error_set(
            error, 502, "engine_malformed",
            "The engine answered in a way that this node does not understand. If weft and weft-engine "
            "are of one build, this is a fault in Weft: please report it.");
    }
}

/* -- the end of a talk -- */

static void forget_request(struct talk *talk)
{
    if (talk->request) {
        weft_openai_request_deinit(talk->request);
        talk->request = NULL;
    }
}

static void let_go(struct talk *talk)
{
    forget_request(talk);
    if (talk->delivery) {
        weft_delivery_cancel(talk->delivery);
        talk->delivery = NULL;
    }
    weft_openai_answer_free(talk->answer);
    talk->answer = NULL;
    weft_bytes_deinit(&talk->body);
}

static void end(struct talk *talk, bool cancelled, int error)
{
    struct weft_exchange *exchange = exchange_of(talk);
    let_go(talk);
    weft_call_close(talk->call, exchange->answer_begun ? exchange->answer.status : 0, cancelled, error);
    weft_exchange_leave(exchange, WEFT_WORKER, cancelled ? WEFT_ERR_CANCELLED : error);
}

/* The journal says which error it was: a word of ours or the engine's. */
static void say_failed(const struct talk *talk, const char *code)
{
    struct weft_journal *journal = talk->call->front->journal;
    if (weft_journal_begin(journal, WEFT_LOG_WARN, "answer failed")) {
        weft_journal_word(journal, "id", talk->call->id);
        weft_journal_word(journal, "code", code);
        weft_journal_end(journal);
    }
}

/* It cannot go on. A head that is out cannot be taken back: the stream gets an event that says what happened. */
static void fail(struct talk *talk, const struct weft_openai_error *error)
{
    struct weft_exchange *exchange = exchange_of(talk);
    if (error->status >= 500) {
        say_failed(talk, error->code);
    }
    if (!exchange->answer_begun) {
        let_go(talk);
        refuse(talk->call, error);
        return;
    }
    struct weft_bytes event = {0};
    int status = weft_openai_answer_fail(error, &event);
    if (status == 0) {
        status = weft_exchange_move(exchange, WEFT_ANSWER, &event);
    }
    weft_bytes_deinit(&event);
    if (status == 0) {
        weft_exchange_end(exchange, WEFT_ANSWER);
    }
    end(talk, false, status);
}

static void fail_here(struct talk *talk, int status)
{
    struct weft_openai_error error;
    error_for(&error, status);
    fail(talk, &error);
}

/* -- who of the mesh has answered -- */

static int add_peer(struct talk *talk, const struct weft_key *key, enum weft_peer_path path)
{
    struct weft_exchange *exchange = exchange_of(talk);
    char peer[WEFT_PEER_ID_SIZE];
    weft_key_text(key, peer);
    int error = add_field(exchange, "x-weft-path", weft_slice_text(weft_peer_path_name(path)));
    if (error == 0) {
        error = add_field(exchange, "x-weft-peer", weft_slice_text(peer));
    }
    talk->peer_told = error == 0;
    talk->peer = *key;
    talk->path = path;
    return error;
}

/* The head of a stream goes out: who is asked is who answers, as far as is known. */
static int add_asked_peer(struct talk *talk)
{
    const struct weft_peers_choice *choice = talk->delivery ? weft_delivery_peer(talk->delivery) : NULL;
    return choice ? add_peer(talk, &choice->key, choice->path) : 0;
}

/* What the head does not say: several have answered, or it went out before anybody was asked, or named one who then
 * brought nothing. */
static bool needs_segments(const struct talk *talk, const struct weft_segments *segments)
{
    const struct weft_segment *first = &segments->at[0];
    bool said = segments->count == 1 && talk->peer_told && weft_key_equal(&first->peer, &talk->peer) &&
                first->path == talk->path;
    return talk->model.mesh && segments->count > 0 && !said;
}

static int write_segments(const struct weft_segments *segments, struct weft_bytes *out)
{
    int error = weft_bytes_append(out, ": segments ", strlen(": segments "));
    error = error < 0 ? error : weft_segments_write(segments, out);
    return error < 0 ? error : weft_bytes_append(out, "\n\n", 2);
}

/* An answer that is whole has its head at its end. */
static int add_segments(struct talk *talk, const struct weft_segments *segments)
{
    struct weft_exchange *exchange = exchange_of(talk);
    struct weft_bytes text = {0};
    const struct weft_segment *last = segments->count > 0 ? &segments->at[segments->count - 1] : NULL;
    int error = last ? add_peer(talk, &last->peer, last->path) : 0;
    if (error == 0 && needs_segments(talk, segments)) {
        error = weft_segments_write(segments, &text);
        char *line = error < 0 ? NULL : weft_arena_alloc(&exchange->arena, text.size);
        size_t size = line ? weft_bytes_read(&text, line, text.size) : 0;
        error = error < 0 ? error
                : !line   ? WEFT_ERR_MEMORY
                          : add_field(exchange, "x-weft-segments", weft_slice(line, size));
    }
    weft_bytes_deinit(&text);
    return error;
}

/* -- the answer -- */

static int begin_stream(struct talk *talk)
{
    struct weft_exchange *exchange = exchange_of(talk);
    size_t before = exchange->answer.fields.count;
    int error = add_field(exchange, "content-type", WEFT_SLICE("text/event-stream"));
    if (error == 0) {
        error = add_field(exchange, "cache-control", WEFT_SLICE("no-cache"));
    }
    if (error == 0) {
        error = add_asked_peer(talk);
    }
    if (error < 0) {
        exchange->answer.fields.count = before; /* a refusal takes its place, with a type of its own */
        return error;
    }
    exchange->answer.status = 200;
    weft_exchange_begin_answer(exchange);
    return 0;
}

/* Whole events only. */
static int send(struct talk *talk, struct weft_bytes *events)
{
    struct weft_exchange *exchange = exchange_of(talk);
    if (events->size == 0) {
        return 0;
    }
    int error = exchange->answer_begun ? 0 : begin_stream(talk);
    return error < 0 ? error : weft_exchange_move(exchange, WEFT_ANSWER, events);
}

static void on_frame(void *self, const struct weft_frame *frame)
{
    struct talk *talk = self;
    if (exchange_of(talk)->aborted[WEFT_ASKER]) {
        return; /* on_wake is on its way, and cancels */
    }
    struct weft_bytes events = {0};
    int error = weft_openai_answer_frame(talk->answer, frame, talk->call->front->loop->turn.now, &events);
    if (error == 0) {
        error = send(talk, &events);
    }
    weft_bytes_deinit(&events);
    if (error < 0) {
        fail_here(talk, error);
    } else if (talk->stream && weft_exchange_room(exchange_of(talk), WEFT_ANSWER) == 0) {
        talk->paused = true;
        weft_delivery_pause(talk->delivery, true);
    }
}

static void end_stream(struct talk *talk, const struct weft_segments *segments)
{
    struct weft_exchange *exchange = exchange_of(talk);
    struct weft_bytes events = {0};
    int error = needs_segments(talk, segments) ? write_segments(segments, &events) : 0;
    if (error == 0) {
        error = weft_openai_answer_end(talk->answer, &events);
    }
    if (error == 0) {
        error = send(talk, &events);
    }
    weft_bytes_deinit(&events);
    if (error < 0) {
        fail_here(talk, error);
    } else {
        weft_exchange_end(exchange, WEFT_ANSWER);
        end(talk, false, 0);
    }
}

static void end_whole(struct talk *talk, const struct weft_segments *segments)
{
    struct weft_bytes text = {0};
    int error = weft_openai_answer_end(talk->answer, &text);
    if (error == 0) {
        error = add_segments(talk, segments);
    }
    if (error < 0) {
        weft_bytes_deinit(&text);
        fail_here(talk, error);
        return;
    }
    let_go(talk);
    weft_call_answer(talk->call, 200, WEFT_SLICE("application/json"), &text, 0);
}

/* OpenAI's libraries know this one by its code. */
static const char *client_code(const char *code)
{
    return strcmp(code, "context_overflow") == 0 ? "context_length_exceeded" : code;
}

static void fail_as(struct talk *talk, const struct weft_native_problem *problem)
{
    struct weft_openai_error error;
    weft_openai_error_set(&error, problem->status, client_code(problem->code), "%s", problem->message);
    error.retry_s = problem->retry_s;
    fail(talk, &error);
}

static void on_waiting(void *self, size_t ahead, weft_time estimate)
{
    struct talk *talk = self;
    struct weft_exchange *exchange = exchange_of(talk);
    bool unread = exchange->answer_begun && weft_exchange_room(exchange, WEFT_ANSWER) == 0;
    if (!talk->stream || unread || exchange->aborted[WEFT_ASKER]) {
        return;
    }
    struct weft_bytes comment = {0};
    int error = weft_openai_answer_wait(ahead, estimate, &comment);
    if (error == 0) {
        error = send(talk, &comment);
    }
    weft_bytes_deinit(&comment);
    if (error < 0) {
        fail_here(talk, error);
    }
}

static void on_ended(void *self, const struct weft_native_problem *problem)
{
    struct talk *talk = self;
    const struct weft_segments *segments = weft_delivery_segments(talk->delivery);
    talk->delivery = NULL; /* freed by itself after this, and not before */
    if (exchange_of(talk)->aborted[WEFT_ASKER]) {
        end(talk, true, 0);
    } else if (problem) {
        fail_as(talk, problem);
    } else if (talk->stream) {
        end_stream(talk, segments);
    } else {
        end_whole(talk, segments);
    }
}

/* -- asking the engine -- */

/* The same for whatever computes alike: libraries and kernel class. */
static void print_fingerprint(char text[ID_SIZE], const struct weft_front *front, const struct weft_model_info *info)
{
    char file[2 * WEFT_HOST_HASH_SIZE + 1];
    weft_hex(file, info->hash, info->hash ? WEFT_HOST_HASH_SIZE : 0);
    const char *parts[] = {front->version, info->kernel_class, info->description ? info->description : file};
    uint64_t hash = 0xcbf29ce484222325; /* FNV-1a, 64 bits */
    for (size_t i = 0; i < WEFT_COUNT(parts); i++) {
        for (const char *at = parts[i] ? parts[i] : ""; *at; at++) {
            hash = (hash ^ (unsigned char)*at) * 0x100000001b3;
        }
        hash *= 0x100000001b3; /* where a part ends matters too */
    }
    (void)snprintf(text, ID_SIZE, "fp_%010" PRIx64, hash >> 24); /* fits */
}

/* What is known of its model: of a server's, the name; of the mesh's, its hash too. */
static void look_up(const struct talk *talk, struct weft_model_info *info)
{
    if (talk->model.external.server) {
        *info = (struct weft_model_info){.name = talk->model.external.name};
    } else if (talk->model.mesh) {
        *info = (struct weft_model_info){.name = talk->name, .hash = talk->hash};
    } else {
        weft_models_info(talk->call->front->models, talk->model.index, info);
    }
}

/* What every answer of a model says in its head, an error of its engine's too. A seed is only told where it was used.
 */
static int add_head(const struct talk *talk, const struct weft_model_info *info)
{
    struct weft_exchange *exchange = talk->call->exchange;
    bool external = talk->model.external.server, mesh = talk->model.mesh;
    struct weft_slice by = mesh ? WEFT_SLICE("mesh") : external ? WEFT_SLICE("external") : WEFT_SLICE("local");
    char number[NUMBER_SIZE];
    (void)snprintf(number, sizeof(number), "%" PRId64, (int64_t)talk->seed); /* fits */
    int error = add_field(exchange, "x-weft-served-by", by);
    if (error == 0 && !mesh) { /* that depends on who is asked */
        error = add_field(exchange, "x-weft-path", by);
    }
    if (error == 0 && !external) {
        error = add_field(exchange, "x-weft-seed", weft_slice_text(number));
    }
    if (error == 0) {
        error = add_field(exchange, "x-weft-model", info->name);
        error = error == WEFT_ERR_INVALID ? 0 : error; /* a file's name that no header can hold: the body says it */
    }
    return error;
}

static int make_answer(struct talk *talk, const struct weft_model_info *info)
{
    const struct weft_call *call = talk->call;
    const struct weft_front *front = call->front;
    const struct weft_openai_request *request = talk->request;
    char id[ID_SIZE], fingerprint[ID_SIZE];
    (void)snprintf(id, sizeof(id), "%s-%s", talk->shape == WEFT_OPENAI_CHAT ? "chatcmpl" : "cmpl",
                   call->id + strlen("req-")); /* fits */
    print_fingerprint(fingerprint, front, info);
    const struct weft_openai_answer_options options = {
        .shape = talk->shape,
        .stream = request->stream,
        .include_usage = request->include_usage,
        .logprobs = request->logprobs >= 0,
        .choices = (uint16_t)request->choices,
        .id = weft_slice_text(id),
        .model = info->name,
        .fingerprint = weft_slice_text(fingerprint),
        .created_s = front->loop->host->ops->wall(front->loop->host) / 1000000,
    };
    return weft_openai_answer_new(&talk->answer, &options);
}

static int write_native(const struct talk *talk, const struct weft_model_info *info, struct weft_bytes *out)
{
    struct weft_host *host = talk->call->front->loop->host;
    char call_ids[ID_SIZE];
    (void)snprintf(call_ids, sizeof(call_ids), "call_%s", talk->call->id + strlen("req-")); /* fits */
    const struct weft_openai_terms terms = {
        .seed = talk->seed,
        .call_ids = weft_slice_text(call_ids),
        .now_s = host->ops->wall(host) / 1000000,
        .temperature = info->temperature,
        .top_p = info->top_p,
        .min_p = info->min_p,
        .top_k = info->top_k,
        .elsewhere = talk->model.mesh,
    };
    return weft_openai_native_write(talk->request, &terms, out);
}

/* Its turn has come: the engine is there, and what its model recommends is known. */
static int on_begin(void *self, struct weft_bytes *body)
{
    struct talk *talk = self;
    struct weft_model_info info;
    look_up(talk, &info);
    int error = talk->model.external.server ? 0 : write_native(talk, &info, body);
    if (error == 0) {
        error = make_answer(talk, &info);
    }
    forget_request(talk);
    return error;
}

static const struct weft_delivery_user delivery_user = {
    .begin = on_begin, .frame = on_frame, .waiting = on_waiting, .ended = on_ended};

/* Who has to be dealt with fairly: a key is one client, and where nobody needs one, a connection is. */
static uint64_t principal_of(const struct weft_call *call)
{
    enum { OWNER = 1, KEY, CONNECTIONS };
    if (call->principal == WEFT_OWNER) {
        return OWNER;
    }
    return weft_secret_set(&call->front->access.key) ? KEY : CONNECTIONS + call->caller.connection;
}

static void draw_seed(struct talk *talk)
{
    struct weft_host *host = talk->call->front->loop->host;
    host->ops->entropy(host, &talk->seed, sizeof(talk->seed));
    talk->seed = weft_openai_seed(talk->request, &(const struct weft_openai_terms){.seed = talk->seed & SEED_MASK});
}

/* The request is checked, and its model known: joins its line. `text`: the request, as it came. */
static void ask(struct talk *talk, struct weft_slice text)
{
    struct weft_front *front = talk->call->front;
    struct weft_native_problem problem;
    struct weft_model_info info;
    look_up(talk, &info);
    draw_seed(talk);
    int error = add_head(talk, &info);
    if (error < 0) {
        fail_here(talk, error);
        return;
    }
    const struct weft_delivery_options options = {
        .loop = front->loop,
        .journal = front->journal,
        .id = talk->call->id,
        .models = front->models,
        .model = talk->model.index,
        .external = talk->model.external,
        .request = talk->request,
        .peers = talk->model.mesh ? front->peers : NULL,
        .name = talk->name,
        .hash = talk->model.mesh || talk->model.by_hash ? info.hash : NULL,
        .choices = (uint16_t)talk->request->choices,
        .principal = principal_of(talk->call),
        .mark = weft_mark_of(&front->mark_key, info.name, text),
        .wait = front->queue_wait,
        .user = &delivery_user,
        .self = talk,
    };
    talk->stream = talk->request->stream;
    talk->asked = true;
    if (weft_delivery_start(&talk->delivery, &options, &problem) < 0) {
        fail_as(talk, &problem);
    }
}

/* -- the request -- */

/* What is asked for is its file; what holds for this turn only is copied. */
static int take_peers_model(struct talk *talk, const struct weft_openai_offers *offers)
{
    struct weft_peers_model model;
    char name[WEFT_PEERS_SHOWN_MAX];
    weft_peers_model(offers->peers, talk->model.index, &model);
    memcpy(talk->hash, model.hash, sizeof(talk->hash));
    weft_mesh_want(talk->call->front->mesh, model.hash);
    talk->name = weft_arena_copy(&exchange_of(talk)->arena, weft_openai_model_name(offers, &talk->model, name));
    return talk->name.data ? 0 : WEFT_ERR_MEMORY;
}

static int find_model(struct talk *talk, struct weft_openai_error *error)
{
    const struct weft_openai_offers offers = offers_of(talk->call);
    struct weft_slice *name = &talk->model.external.name;
    int status = weft_openai_model_find(&offers, talk->request->model, &talk->model, error);
    if (status == 0 && talk->model.mesh) {
        return take_peers_model(talk, &offers);
    }
    if (status < 0 || !talk->model.external.server) {
        return status;
    }
    *name = weft_arena_copy(&exchange_of(talk)->arena, *name);
    return name->data ? weft_external_asking_check(talk->request, error) : WEFT_ERR_MEMORY;
}

static void work_on(struct talk *talk, struct weft_slice text)
{
    struct weft_openai_error error;
    struct weft_openai_request *request = weft_arena_alloc(&exchange_of(talk)->arena, sizeof(*request));
    int status = request ? weft_openai_request_init(request, talk->shape, text, &error) : WEFT_ERR_MEMORY;
    if (status == 0) {
        talk->request = request;
        status = find_model(talk, &error);
    }
    if (status == WEFT_ERR_MEMORY) {
        fail_here(talk, status);
        return;
    }
    if (status < 0) {
        fail(talk, &error);
    } else {
        ask(talk, text);
    }
}

static void body_came(struct talk *talk)
{
    size_t size = talk->body.size;
    char *text = weft_alloc(size + 1);
    if (!text) {
        fail_here(talk, WEFT_ERR_MEMORY);
        return;
    }
    size = weft_bytes_read(&talk->body, text, size);
    work_on(talk, weft_slice(text, size));
    weft_free(text);
}

static void collect_body(struct talk *talk)
{
    struct weft_exchange *exchange = exchange_of(talk);
    (void)weft_exchange_take_all(exchange, WEFT_REQUEST, &talk->body); /* how much does not matter */
    if (talk->body.size > WEFT_OPENAI_BODY_MAX ||
        exchange->flows[WEFT_REQUEST].length > (int64_t)WEFT_OPENAI_BODY_MAX) {
        struct weft_openai_error error;
        weft_openai_error_set(&error, 413, "body_too_large", "The body may have %zu bytes, which no context holds.",
                              WEFT_OPENAI_BODY_MAX);
        fail(talk, &error);
    } else if (exchange->flows[WEFT_REQUEST].ended) {
        body_came(talk);
    }
}

static void on_wake(void *self, struct weft_exchange *exchange)
{
    struct talk *talk = self;
    if (exchange->aborted[WEFT_ASKER]) {
        end(talk, true, 0);
    } else if (!talk->asked) {
        collect_body(talk);
    } else if (talk->paused && weft_exchange_room(exchange, WEFT_ANSWER) > 0) {
        talk->paused = false;
        weft_delivery_pause(talk->delivery, false);
    }
}

static void cut(struct weft_call *call)
{
    struct talk *talk = call->worker;
    struct weft_openai_error error;
    weft_openai_error_set(&error, weft_call_cut_off.status, weft_call_cut_off.code, "%s", weft_call_cut_off.why);
    error.retry_s = WEFT_CALL_RETRY_S;
    if (call->exchange->aborted[WEFT_ASKER]) {
        end(talk, true, 0);
    } else {
        fail(talk, &error);
    }
}

static void start_talk(struct weft_call *call, enum weft_openai_shape shape)
{
    const struct weft_front *front = call->front;
    if (weft_models_count(front->models) == 0 && weft_externals_servers(front->externals) == 0 &&
        weft_peers_models(front->peers) == 0) {
        weft_call_refuse(call,
                         &(const struct weft_refusal){503, "no_model",
                                                      "This node serves no model yet. Start it with --model FILE, "
                                                      "or with --external URL to offer those of a server that does."});
        return;
    }
    struct talk *talk = weft_arena_alloc(&call->exchange->arena, sizeof(*talk));
    if (!talk) {
        weft_call_refuse(call, weft_refusal_for_error(WEFT_ERR_MEMORY));
        return;
    }
    *talk = (struct talk){.call = call, .shape = shape};
    call->cut = cut;
    call->worker = talk;
    weft_exchange_want_body(call->exchange);
    weft_exchange_attach(call->exchange, WEFT_WORKER, on_wake, talk);
}

/* -- routes -- */

static void chat(struct weft_call *call, struct weft_slice rest)
{
    (void)rest;
    start_talk(call, WEFT_OPENAI_CHAT);
}

static void complete(struct weft_call *call, struct weft_slice rest)
{
    (void)rest;
    start_talk(call, WEFT_OPENAI_COMPLETION);
}

static void list_models(struct weft_call *call, struct weft_slice rest)
{
    (void)rest;
    const struct weft_openai_offers offers = offers_of(call);
    struct weft_bytes text = {0};
    int error = weft_openai_models_write(&offers, &text);
    weft_call_answer(call, 200, WEFT_SLICE("application/json"), &text, error);
}

static void show_model(struct weft_call *call, struct weft_slice name)
{
    const struct weft_openai_offers offers = offers_of(call);
    struct weft_openai_error error;
    struct weft_openai_model model;
    if (weft_openai_model_find_path(&offers, name, &model, &error) < 0) {
        refuse(call, &error);
        return;
    }
    struct weft_bytes text = {0};
    int status = weft_openai_model_write(&offers, &model, &text);
    weft_call_answer(call, 200, WEFT_SLICE("application/json"), &text, status);
}

/* A path that ends in a slash stands for what follows it. */
static const struct {
    const char *path;
    bool post; /* else it is read */
    void (*run)(struct weft_call *call, struct weft_slice rest);
} routes[] = {
    {"/v1/models", false, list_models},
    {"/v1/models/", false, show_model},
    {"/v1/chat/completions", true, chat},
    {"/v1/completions", true, complete},
};

void weft_openai_call(struct weft_call *call)
{
    const struct weft_request_head *request = &call->exchange->request;
    struct weft_slice target = request->target;
    const char *query = memchr(target.data, '?', target.size);
    struct weft_slice path = query ? weft_slice(target.data, (size_t)(query - target.data)) : target;
    for (size_t i = 0; i < WEFT_COUNT(routes); i++) {
        struct weft_slice route = weft_slice_text(routes[i].path);
        bool below = route.data[route.size - 1] == '/';
        if (below ? !(path.size > route.size && weft_slice_starts(path, route)) : !weft_slice_equal(path, route)) {
            continue;
        }
        bool read = weft_slice_equal(request->method, WEFT_SLICE("GET")) ||
                    weft_slice_equal(request->method, WEFT_SLICE("HEAD"));
        bool post = weft_slice_equal(request->method, WEFT_SLICE("POST"));
        if (routes[i].post ? post : read) {
            routes[i].run(call, weft_slice(path.data + route.size, path.size - route.size));
        } else {
            refuse_method(call, routes[i].post ? "POST" : "GET, HEAD");
        }
        return;
    }
    struct weft_openai_error error;
    weft_openai_error_set(&error, 404, "not_found",
                          "There is nothing at this path. Of OpenAI's API this node has /v1/models, "
                          "/v1/chat/completions and /v1/completions.");
    refuse(call, &error);
}
