/* tests/unit/node/fellows.h - played nodes of a mesh: they take requests as a link would, and do what they are told. */
#ifndef WEFT_TESTS_UNIT_NODE_FELLOWS_H
#define WEFT_TESTS_UNIT_NODE_FELLOWS_H

#include "node/delivery.h"
#include "unit/node/engines.h"

#define FELLOWS        4
#define FELLOW_RUNNING 4

enum fellow_end {
    FELLOW_WHOLE,   /* finish, usage, end */
    FELLOW_CUT,     /* the link goes */
    FELLOW_SILENT,  /* nothing more comes */
    FELLOW_ERROR,   /* an error frame: `status`, `code` */
    FELLOW_REFUSES, /* no stream at all: the same, as an answer */
    FELLOW_RAVES,   /* a token of a choice that nobody asked for */
    FELLOW_CLOSES,  /* the end, and not how it ended */
};

struct fellow_errand {
    struct fellow *fellow;
    struct weft_exchange *exchange; /* NULL: not in use */
    json_t *request;                /* once it was read */
    size_t said;
};

static struct fellow {
    struct weft_key key;
    enum fellow_end end;
    size_t writes; /* tokens in an attempt, before that end; of a whole answer all of `tokens` */
    size_t tokens; /* of the answer: they count down to 1 */
    int status;
    const char *code, *retry_s; /* the latter NULL: nothing is said of that */
    bool away;                  /* it cannot be reached */
    weft_time since;
    bool signs;                    /* says that it reads the prompt before it writes */
    uint32_t load, context, slots; /* the latter two 0: 4,096, and 2 */
    size_t asked, left, most_unread;
    char model[80], body[512 * 1024]; /* of the last request */
    struct fellow_errand errands[FELLOW_RUNNING];
} fellows[FELLOWS];

static inline void fellow_leave(struct fellow_errand *errand, int why)
{
    weft_exchange_leave(errand->exchange, WEFT_WORKER, why);
    errand->exchange = NULL;
    json_decref(errand->request);
    errand->request = NULL;
}

static inline int fellow_write(struct fellow_errand *errand, const struct weft_frame *frame)
{
    struct weft_bytes bytes = {0};
    int error = weft_native_write(&bytes, frame);
    error = error < 0 ? error : weft_exchange_move(errand->exchange, WEFT_ANSWER, &bytes);
    weft_bytes_deinit(&bytes);
    return error;
}

static inline int fellow_begin(struct fellow_errand *errand)
{
    struct weft_exchange *exchange = errand->exchange;
    struct fellow *fellow = errand->fellow;
    if (fellow->end == FELLOW_REFUSES) {
        char body[256];
        if (fellow->retry_s) {
            assert_int_equal(weft_fields_add(&exchange->answer.fields, &exchange->arena, WEFT_SLICE("retry-after"),
                                             weft_slice_text(fellow->retry_s)),
                             0);
        }
        (void)snprintf(body, sizeof(body), "{\"error\":{\"code\":\"%s\",\"message\":\"No.\"}}", fellow->code);
        int error =
            weft_exchange_reply(exchange, fellow->status, WEFT_SLICE("application/json"), weft_slice_text(body));
        fellow_leave(errand, error);
        return 1;
    }
    int error = weft_fields_add(&exchange->answer.fields, &exchange->arena, WEFT_SLICE("content-type"),
                                WEFT_SLICE(WEFT_NATIVE_TYPE));
    if (error == 0) {
        exchange->answer.status = 200;
        weft_exchange_begin_answer(exchange);
        error = fellow_write(errand, &(const struct weft_frame){.kind = WEFT_FRAME_LOAD, .load = {fellow->load, 0}});
    }
    if (error == 0 && fellow->signs) {
        const struct weft_frame sign = {.kind = WEFT_FRAME_PROGRESS,
                                        .progress = {.phase = WEFT_PHASE_PREFILL, .done = 1, .total = 2}};
        error = fellow_write(errand, &sign);
    }
    return error;
}

/* 1: it has left. */
static inline int fellow_end(struct fellow_errand *errand)
{
    struct fellow *fellow = errand->fellow;
    struct weft_frame usage = {.kind = WEFT_FRAME_USAGE, .usage = {.completion_tokens = 1}};
    struct weft_frame error = {.kind = WEFT_FRAME_ERROR,
                               .error = {.status = (uint16_t)fellow->status, .message = WEFT_SLICE("No.")}};
    int status = 0;
    switch (fellow->end) {
    case FELLOW_WHOLE:
        status = fellow_write(errand, &(const struct weft_frame){.kind = WEFT_FRAME_FINISH});
        status = status < 0 ? status : fellow_write(errand, &usage);
        status = status < 0 ? status : fellow_write(errand, &(const struct weft_frame){.kind = WEFT_FRAME_END});
        break;
    case FELLOW_ERROR:
        error.error.code = weft_slice_text(fellow->code);
        status = fellow_write(errand, &error);
        break;
    case FELLOW_SILENT:
        return 0;
    case FELLOW_RAVES:
        status = fellow_write(errand, &(const struct weft_frame){.kind = WEFT_FRAME_TOKEN, .choice = 7});
        break;
    case FELLOW_CLOSES:
        status = fellow_write(errand, &(const struct weft_frame){.kind = WEFT_FRAME_END});
        break;
    default:
        fellow_leave(errand, WEFT_ERR_CLOSED);
        return 1;
    }
    if (status == 0) {
        weft_exchange_end(errand->exchange, WEFT_ANSWER);
    }
    fellow_leave(errand, status);
    return 1;
}

static inline void fellow_work(struct fellow_errand *errand)
{
    struct fellow *fellow = errand->fellow;
    size_t known = json_array_size(json_array_get(json_object_get(errand->request, "resume"), 0));
    size_t writes = fellow->end == FELLOW_WHOLE ? fellow->tokens : known + fellow->writes;
    int error = errand->exchange->answer_begun ? 0 : fellow_begin(errand);
    while (error == 0 && known + errand->said < writes && weft_exchange_room(errand->exchange, WEFT_ANSWER) > 0) {
        const struct weft_frame token = {
            .kind = WEFT_FRAME_TOKEN,
            .token = {.id = (uint32_t)(fellow->tokens - known - errand->said), .bytes = WEFT_SLICE("x"), .deltas = 1}};
        const struct weft_frame delta = {.kind = WEFT_FRAME_DELTA, .delta = {.text = WEFT_SLICE("x")}};
        error = fellow_write(errand, &token);
        error = error < 0 ? error : fellow_write(errand, &delta);
        errand->said++;
    }
    if (error == 0) {
        size_t unread = errand->exchange->flows[WEFT_ANSWER].bytes.size;
        fellow->most_unread = unread > fellow->most_unread ? unread : fellow->most_unread;
        error = known + errand->said >= writes ? fellow_end(errand) : 0;
    }
    if (error < 0) {
        fellow_leave(errand, error);
    }
}

static inline void fellow_read(struct fellow_errand *errand)
{
    struct fellow *fellow = errand->fellow;
    const struct weft_fields *fields = &errand->exchange->request.fields;
    struct weft_slice model = weft_fields_value(fields, WEFT_MESH_MODEL_FIELD);
    struct weft_bytes came = {0};
    (void)weft_exchange_take_all(errand->exchange, WEFT_REQUEST, &came);
    assert_true(came.size < sizeof(fellow->body));
    fellow->body[weft_bytes_read(&came, fellow->body, came.size)] = '\0';
    (void)snprintf(fellow->model, sizeof(fellow->model), "%.*s", (int)model.size, model.data);
    int error = weft_json_parse(weft_slice_text(fellow->body), &errand->request, NULL);
    if (error < 0) {
        fellow_leave(errand, error);
    }
}

static inline void fellow_wake(void *self, struct weft_exchange *exchange)
{
    struct fellow_errand *errand = self;
    if (exchange->aborted[WEFT_ASKER]) {
        errand->fellow->left++;
        fellow_leave(errand, WEFT_ERR_CANCELLED);
        return;
    }
    if (!errand->request && exchange->flows[WEFT_REQUEST].ended) {
        fellow_read(errand);
    }
    if (errand->request) {
        fellow_work(errand);
    }
}

static inline int fellow_ask(void *self, struct weft_exchange *exchange)
{
    struct fellow *fellow = self;
    for (size_t i = 0; i < FELLOW_RUNNING; i++) {
        struct fellow_errand *errand = &fellow->errands[i];
        if (!errand->exchange) {
            *errand = (struct fellow_errand){.fellow = fellow, .exchange = exchange};
            fellow->asked++;
            weft_exchange_attach(exchange, WEFT_WORKER, fellow_wake, errand);
            return 0;
        }
    }
    return WEFT_ERR_FULL;
}

static inline int fellow_target(void *self, const struct weft_key *key, struct weft_relay_target *target)
{
    struct fellow *fellow = self;
    assert_true(weft_key_equal(key, &fellow->key));
    *target = (struct weft_relay_target){
        .ask = fellow_ask, .self = fellow, .scheme = WEFT_SLICE("https"), .authority = WEFT_SLICE("fellow")};
    return fellow->away ? WEFT_ERR_CLOSED : 0;
}

/* What it holds is a file of `hash` everywhere, under this name. */
static inline void fellow_set(struct weft_peers *peers, size_t i, const char *name, uint8_t hash, bool alive)
{
    struct fellow *fellow = &fellows[i];
    struct weft_peer_model model = {.name = weft_slice_text(name),
                                    .context = fellow->context > 0 ? fellow->context : 4096,
                                    .slots = fellow->slots > 0 ? fellow->slots : 2};
    memset(model.hash, hash, sizeof(model.hash));
    memset(fellow->key.bytes, (int)i + 1, sizeof(fellow->key.bytes));
    const struct weft_peer peer = {.key = fellow->key,
                                   .alive = alive,
                                   .since = fellow->since,
                                   .path = i % 2 ? WEFT_PEER_RELAYED : WEFT_PEER_DIRECT,
                                   .target = fellow_target,
                                   .self = fellow,
                                   .models = &model,
                                   .model_count = 1};
    assert_int_equal(weft_peers_set(peers, &peer), 0);
}

/* Those that still answer let go. */
static inline void fellows_end(void)
{
    for (size_t i = 0; i < FELLOWS; i++) {
        for (size_t k = 0; k < FELLOW_RUNNING; k++) {
            if (fellows[i].errands[k].exchange) {
                fellow_leave(&fellows[i].errands[k], WEFT_ERR_CLOSED);
            }
        }
    }
}

#endif
