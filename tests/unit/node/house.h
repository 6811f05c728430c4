/* tests/unit/node/house.h - models whose engines are played, and what they say. */
#ifndef WEFT_TESTS_UNIT_NODE_HOUSE_H
#define WEFT_TESTS_UNIT_NODE_HOUSE_H

#include "node/line.h"
#include "node/models.h"
#include "unit/node/engines.h"

static struct house {
    struct weft_models *models;
    struct weft_journal journal;
    struct weft_config config;
    size_t changes;
    bool stopped;
    char problem[WEFT_MODEL_PROBLEM_MAX];
} house;

#define USERS_MAX 2

static struct weft_place places[3][USERS_MAX]; /* in the line of each model */

static inline void on_changed(void *self, size_t index)
{
    (void)self;
    house.changes++;
    assert_true(index < weft_models_count(house.models));
}

static inline void on_stopped(void *self)
{
    (void)self;
    assert_false(house.stopped);
    house.stopped = true;
}

/* The last `offered` of them are loaded on demand. */
static inline int make_offered(const char *const *paths, size_t count, size_t offered)
{
    static const struct weft_models_user user = {.changed = on_changed, .stopped = on_stopped};
    const struct weft_models_options options = {
        .loop = &engines.loop,
        .journal = &house.journal,
        .config = &house.config,
        .engine = WEFT_CHILD_PROGRAM,
        .paths = paths,
        .count = count,
        .offered = offered,
        .user = &user,
    };
    house.changes = 0;
    house.stopped = false;
    house.config = (struct weft_config){
        .engine_slots = 8, .engine_gpu_layers = 10000, .engine_stall = 10 * WEFT_SECOND, .queue_max = 8};
    weft_journal_init(&house.journal, engines.host, WEFT_LOG_INFO, WEFT_JOURNAL_PRETTY);
    return weft_models_new(&house.models, &options, house.problem);
}

static inline int make(const char *const *paths, size_t count)
{
    return make_offered(paths, count, 0);
}

static const char *const one[] = {"/models/Small-1B.gguf"};
static const char *const three[] = {"/models/Small-1B.gguf", "/other/Big-70B.gguf", "third.gguf"};

static inline void begin(const char *const *paths, size_t count)
{
    engines_begin();
    assert_int_equal(make(paths, count), 0);
    weft_models_start(house.models);
}

static inline void end(void)
{
    for (size_t i = 0; i < WEFT_COUNT(places); i++) {
        weft_line_leave(&places[i][0]);
        weft_line_leave(&places[i][1]);
    }
    weft_models_free(house.models);
    house.models = NULL;
    engines_end();
}

static inline struct weft_model_info info(size_t index)
{
    struct weft_model_info info;
    weft_models_info(house.models, index, &info);
    return info;
}

static inline bool is_ready(void *self)
{
    (void)self;
    return weft_models_ready(house.models) == 1;
}

static inline bool is_failed(void *self)
{
    (void)self;
    return weft_models_ready(house.models) < 0;
}

static inline bool is_stopped(void *self)
{
    (void)self;
    return house.stopped;
}

static inline bool said(const char *text)
{
    return strstr(weft_world_log(engines.host), text);
}

#endif
