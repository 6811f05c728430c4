/* tests/unit/node/parlour.h - a front door before models whose engines are played, and one client at it. */
#ifndef WEFT_TESTS_UNIT_NODE_PARLOUR_H
#define WEFT_TESTS_UNIT_NODE_PARLOUR_H

#include "node/front.h"
#include "unit/node/engines.h"

static struct parlour {
    struct weft_front front;
    struct weft_journal journal;
    struct weft_metrics metrics;
    struct weft_config config;
    uint64_t drawn, connections;
    struct weft_exchange *exchange; /* the client's; NULL: over */
    bool reads;                     /* the client takes what comes */
    bool draining;                  /* the node is ending */
    int status, aborted;
    size_t size;
    char head[4096]; /* the answer's fields, "name: value\n" */
    char text[256 * 1024];
} parlour;

static inline void parlour_changed(void *self, size_t index)
{
    (void)self, (void)index;
}

static inline void parlour_stopped(void *self)
{
    (void)self;
}

static inline uint64_t parlour_random(void *self)
{
    (void)self;
    return ++parlour.drawn;
}

static inline bool parlour_draining(const void *self)
{
    (void)self;
    return parlour.draining;
}

static inline void parlour_make_externals(void)
{
    const struct weft_externals_options options = {.loop = &engines.loop,
                                                   .journal = &parlour.journal,
                                                   .metrics = &parlour.metrics,
                                                   .config = &parlour.config,
                                                   .models = parlour.front.models,
                                                   .id = 9};
    char problem[WEFT_EXTERNAL_PROBLEM_MAX];
    assert_int_equal(weft_externals_new(&parlour.front.externals, &options, problem), 0);
    weft_externals_start(parlour.front.externals);
}

static inline void parlour_make_peers(void)
{
    const struct weft_peers_options options = {
        .loop = &engines.loop, .waiters_max = 8, .stall = parlour.config.engine_stall};
    assert_int_equal(weft_peers_new(&parlour.front.peers, &options), 0);
}

/* `paths` end with NULL; NULL itself: there is no model. */
static inline void parlour_begin(const char *const *paths)
{
    static const struct weft_models_user user = {.changed = parlour_changed, .stopped = parlour_stopped};
    char problem[WEFT_MODEL_PROBLEM_MAX];
    engines_begin();
    memset(&parlour, 0, sizeof(parlour));
    parlour.config = (struct weft_config){
        .engine_slots = 8, .engine_gpu_layers = 10000, .engine_stall = 10 * WEFT_SECOND, .queue_max = 8, .share = true};
    weft_journal_init(&parlour.journal, engines.host, WEFT_LOG_INFO, WEFT_JOURNAL_JSON);
    parlour.front = (struct weft_front){
        .loop = &engines.loop,
        .journal = &parlour.journal,
        .metrics = &parlour.metrics,
        .version = "0.0.0-test",
        .queue_wait = 300 * WEFT_SECOND,
        .random = parlour_random,
        .draining = parlour_draining,
    };
    struct weft_models_options options = {.loop = &engines.loop,
                                          .journal = &parlour.journal,
                                          .config = &parlour.config,
                                          .engine = WEFT_CHILD_PROGRAM,
                                          .paths = paths,
                                          .user = &user};
    while (paths && paths[options.count]) {
        options.count++;
    }
    assert_int_equal(weft_models_new(&parlour.front.models, &options, problem), 0);
    weft_models_start(parlour.front.models);
    parlour_make_externals();
    parlour_make_peers();
}

/* A server that is not ours is known too, from here on. */
static inline void parlour_external(const char *url)
{
    struct weft_config_external *external = &parlour.config.externals.at[0];
    external->name = weft_slice_text(url);
    assert_int_equal(weft_url_parse(external->name, &external->url, NULL), 0);
    parlour.config.externals.count = 1;
    weft_externals_free(parlour.front.externals);
    parlour_make_externals();
}

static inline bool parlour_ready(void *self)
{
    (void)self;
    return weft_models_ready(parlour.front.models) == 1;
}

static inline void parlour_look(void *self, struct weft_exchange *exchange)
{
    (void)self;
    if (exchange->answer_begun && parlour.status == 0) {
        size_t used = 0;
        parlour.status = exchange->answer.status;
        for (size_t i = 0; i < exchange->answer.fields.count; i++) {
            const struct weft_field *field = &exchange->answer.fields.at[i];
            used +=
                (size_t)snprintf(parlour.head + used, sizeof(parlour.head) - used, "%.*s: %.*s\n",
                                 (int)field->name.size, field->name.data, (int)field->value.size, field->value.data);
            assert_true(used < sizeof(parlour.head));
        }
    }
    struct weft_bytes came = {0};
    if (parlour.reads && weft_exchange_take_all(exchange, WEFT_ANSWER, &came) > 0) {
        assert_true(parlour.size + came.size < sizeof(parlour.text));
        parlour.size += weft_bytes_read(&came, parlour.text + parlour.size, came.size);
        parlour.text[parlour.size] = '\0';
    }
    parlour.aborted = exchange->aborted[WEFT_WORKER];
    if (parlour.aborted || weft_exchange_drained(exchange, WEFT_ANSWER)) {
        weft_exchange_leave(exchange, WEFT_ASKER, 0);
        parlour.exchange = NULL;
    }
}

/* A request with these fields stands at the door, its body not yet there. False if memory ran out before that. */
static inline bool parlour_knock_as(const char *method, const char *target, const struct weft_field *fields,
                                    size_t count, const struct weft_caller *caller)
{
    parlour.status = parlour.aborted = 0;
    parlour.size = 0;
    parlour.text[0] = parlour.head[0] = '\0';
    parlour.reads = true;
    struct weft_exchange *exchange;
    if (weft_exchange_new(&exchange, &engines.loop.turn) < 0) {
        return false;
    }
    parlour.exchange = exchange;
    exchange->request = (struct weft_request_head){.method = weft_slice_text(method),
                                                   .scheme = WEFT_SLICE("http"),
                                                   .authority = WEFT_SLICE("localhost"),
                                                   .target = weft_slice_text(target)};
    int error = weft_fields_add(&exchange->request.fields, &exchange->arena, WEFT_SLICE("content-type"),
                                WEFT_SLICE("application/json"));
    for (size_t i = 0; i < count && error == 0; i++) {
        error = weft_fields_add(&exchange->request.fields, &exchange->arena, fields[i].name, fields[i].value);
    }
    if (error < 0) {
        weft_exchange_leave(exchange, WEFT_WORKER, WEFT_ERR_MEMORY);
        weft_exchange_leave(exchange, WEFT_ASKER, 0);
        parlour.exchange = NULL;
        return false;
    }
    weft_exchange_attach(exchange, WEFT_ASKER, parlour_look, NULL);
    weft_front_request(&parlour.front, exchange, caller);
    return true;
}

/* A client's, which has come this way. */
static inline bool parlour_knock_via(const char *method, const char *target, struct weft_slice via)
{
    const struct weft_caller caller = {.local = true, .connection = ++parlour.connections};
    return parlour_knock_as(method, target, &(const struct weft_field){WEFT_SLICE("via"), via}, via.size > 0, &caller);
}

static inline bool parlour_knock(const char *method, const char *target)
{
    return parlour_knock_via(method, target, WEFT_SLICE(""));
}

/* The client hangs up. */
static inline void parlour_leave(void)
{
    weft_exchange_leave(parlour.exchange, WEFT_ASKER, WEFT_ERR_CANCELLED);
    parlour.exchange = NULL;
}

static inline void parlour_say(struct weft_slice body, bool last)
{
    if (!parlour.exchange) {
        return;
    }
    if (weft_exchange_write(parlour.exchange, WEFT_REQUEST, body.data, body.size) == WEFT_ERR_MEMORY) {
        parlour_leave();
    } else if (last) {
        weft_exchange_end(parlour.exchange, WEFT_REQUEST);
    }
}

static inline bool parlour_over(void *self)
{
    (void)self;
    return !parlour.exchange;
}

/* Asks, and waits for the end. Returns the status; what was said is in parlour.text. */
static inline int parlour_ask(const char *method, const char *target, const char *body)
{
    engines_pass(0);
    if (parlour_knock(method, target)) {
        parlour_say(weft_slice_text(body), true);
        assert_true(engines_wait(parlour_over, NULL));
    }
    return parlour.status;
}

static inline void parlour_end(void)
{
    weft_peers_free(parlour.front.peers);
    parlour.front.peers = NULL;
    weft_externals_free(parlour.front.externals);
    parlour.front.externals = NULL;
    weft_models_free(parlour.front.models);
    parlour.front.models = NULL;
    engines_pass(WEFT_SECOND);
    assert_int_equal(parlour.metrics.running, 0);
    engines_end();
}

static inline void parlour_has(const char *text, bool wanted)
{
    if (!strstr(parlour.text, text) == wanted) {
        fail_msg("\"%s\" %s in \"%.2000s\"", text, wanted ? "is not" : "is", parlour.text);
    }
}

#endif
