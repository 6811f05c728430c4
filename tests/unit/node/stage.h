/* tests/unit/node/stage.h - one node in a calm world, with a raw client and a scripted upstream at hand. */
#ifndef WEFT_TESTS_UNIT_NODE_STAGE_H
#define WEFT_TESTS_UNIT_NODE_STAGE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/bytes.h"
#include "base/error.h"
#include "base/mem.h"
#include "sim/answers.h"
#include "sim/asker.h"
#include "sim/child.h"
#include "sim/engine.h"
#include "sim/frames.h"
#include "sim/raw.h"
#include "sim/resident.h"
#include "wire/json.h"

#define STAGE_TCP "127.0.0.1:80"
#define STAGE_UP  "10.0.0.9:8000"

#define LISTEN_TCP "listen: [\"tcp:127.0.0.1:80\"]\n"
#define RELAY_H1   LISTEN_TCP "upstream: http://10.0.0.9:8000\n"
#define RELAY_H2   LISTEN_TCP "upstream: h2c://10.0.0.9:8000\n"

static struct stage {
    int64_t live;
    struct weft_world *world;
    struct weft_host *host, *clients, *upstream, *engines;
    struct weft_resident node;
    struct weft_engine engine;
    bool has_engine;
    struct weft_children children; /* its engines, if it has models */
    bool has_children;
    bool has_tls; /* OpenSSL keeps what it likes: leaks there are the sanitizer's and the torture's to find */
    struct weft_raw raw;
    struct weft_answers answers;
    char text[64 * 1024];
} stage;

static inline void stage_world_with(const struct weft_world_options *options)
{
    weft_bytes_trim();
    stage.live = weft_mem_live();
    stage.has_engine = stage.has_tls = stage.has_children = false;
    assert_int_equal(weft_world_new(&stage.world, options), 0);
    stage.host = weft_world_host(stage.world, "node");
    stage.clients = weft_world_host(stage.world, "clients");
    stage.upstream = weft_world_host(stage.world, "upstream");
}

static inline void stage_world(void)
{
    stage_world_with(&(const struct weft_world_options){.seed = 7, .calm = true});
}

static inline void stage_engine(void)
{
    weft_engine_start(&stage.engine, stage.world, stage.upstream, STAGE_UP);
    stage.has_engine = true;
}

/* A world, and a node in it; an engine too if the settings name an upstream. */
static inline void stage_begin_with(const struct weft_resident_options *options)
{
    stage_world();
    if (strstr(options->yaml, "10.0.0.9:8000")) {
        stage_engine();
    }
    weft_resident_start(&stage.node, stage.host, stage.world, options);
}

static inline void stage_begin(const char *yaml)
{
    const struct weft_resident_options options = {.yaml = yaml, .journal_format = WEFT_JOURNAL_JSON};
    stage_begin_with(&options);
}

/* A node with these models, whose engines go as the script says (NULL: they are ready at once). It runs; they have not
 * begun to load. */
static inline void stage_models(const char *const *models, size_t count, const struct weft_child_script *script)
{
    const struct weft_resident_options options = {
        .yaml = LISTEN_TCP, .journal_format = WEFT_JOURNAL_JSON, .models = models, .model_count = count};
    stage.engines = weft_world_host(stage.world, "engines");
    weft_children_start(&stage.children, stage.world, stage.engines, stage.host);
    stage.has_children = true;
    if (script) {
        stage.children.script = *script;
    }
    weft_resident_start(&stage.node, stage.host, stage.world, &options);
}

static inline void stage_begin_with_models(const char *const *models, size_t count,
                                           const struct weft_child_script *script)
{
    stage_world();
    stage_models(models, count, script);
}

/* Nothing is left behind. */
static inline void stage_end(void)
{
    weft_resident_end(&stage.node);
    assert_int_equal(weft_world_processes(stage.host), 0);
    if (stage.has_children) {
        weft_children_end(&stage.children);
    }
    if (stage.has_engine) {
        weft_engine_end(&stage.engine);
    }
    weft_world_pass(stage.world, WEFT_SECOND);
    assert_int_equal(weft_world_sockets(stage.host), 0);
    assert_int_equal(weft_world_listening(stage.host), 0);
    weft_world_free(stage.world);
    weft_bytes_trim();
    assert_true(stage.has_tls || weft_mem_live() == stage.live);
}

static inline void stage_pass(weft_time time)
{
    weft_world_pass(stage.world, time);
}

static inline void stage_read(bool h2)
{
    struct weft_slice heard = weft_slice(stage.raw.in, stage.raw.in_size);
    if (h2) {
        weft_answers_h2(&stage.answers, heard);
    } else {
        weft_answers_h1(&stage.answers, heard, 0, stage.raw.ended);
    }
    assert_false(stage.answers.malformed);
}

static inline bool stage_told(void *self)
{
    (void)self;
    stage_read(false);
    return stage.raw.ended || stage.answers.whole > 0;
}

/* Says raw bytes on a new connection, waits for one answer and returns its status; 0 if none came in 10 s. Its body is
 * in stage.text. */
static inline int stage_say(const char *bytes)
{
    weft_raw_dial(&stage.raw, stage.clients, STAGE_TCP);
    weft_raw_text(&stage.raw, bytes);
    (void)weft_world_run(stage.world, weft_world_now(stage.world) + 10 * WEFT_SECOND, stage_told, NULL); /* see below */
    stage_read(false);
    int64_t size = weft_answer_text(&stage.answers.at[0], stage.text, sizeof(stage.text));
    assert_true(size >= 0);
    return stage.answers.at[0].status;
}

/* A request line with its headers ("Name: value\r\n"...) and body. */
static inline int stage_ask(const char *method, const char *path, const char *fields, const char *body)
{
    char bytes[8192];
    int size = snprintf(bytes, sizeof(bytes),
                        "%s %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n%sContent-Length: %zu\r\n\r\n%s",
                        method, path, fields, strlen(body), body);
    assert_true(size > 0 && (size_t)size < sizeof(bytes));
    int status = stage_say(bytes);
    weft_raw_close(&stage.raw, false);
    return status;
}

/* The same with the owner's token. */
static inline int stage_ask_as_owner(const char *method, const char *path, const char *body)
{
    char fields[256];
    struct weft_slice token = weft_resident_token(&stage.node);
    (void)snprintf(fields, sizeof(fields), "Authorization: Bearer %.*s\r\nContent-Type: application/json\r\n",
                   (int)token.size, token.data);
    return stage_ask(method, path, fields, body);
}

static inline void assert_field(const char *name, const char *value)
{
    struct weft_slice found = weft_answer_field(&stage.answers.at[0], name);
    if (!value) {
        assert_null(found.data);
        return;
    }
    assert_non_null(found.data);
    assert_int_equal(found.size, strlen(value));
    assert_memory_equal(found.data, value, found.size);
}

static inline void assert_says(const char *text)
{
    if (!strstr(stage.text, text)) {
        fail_msg("\"%s\" is not in \"%s\"", text, stage.text);
    }
}

#endif
