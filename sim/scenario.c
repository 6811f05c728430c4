/* sim/scenario.c - the list of stories, and the crowd that a node answers. */
#include "sim/scenario.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/assert.h"
#include "base/bytes.h"
#include "base/mem.h"
#include "sim/engine.h"
#include "sim/resident.h"
#include "sim/visitor.h"

#define VISITORS_MAX 24
#define PATIENCE     (300 * WEFT_SECOND) /* by then everybody must have been told everything */

const struct weft_scenario weft_scenarios[] = {
    {"crowd", "a node answers a crowd: patient, pipelining, leaving and rude clients, over h1 and h2",
     weft_story_crowd},
    {"fair", "a line before slots: some always have somebody waiting, few or many, for long answers or short ones",
     weft_story_fair},
    {"flood", "a line that is asked for ten times what its slots can do, by clients who hang up", weft_story_flood},
    {"lasting",
     "an engine is killed, crashes, hangs and loads slowly in the middle of everything: all answers are whole",
     weft_story_lasting},
    {"mesh", "a mesh begins, invites, lets in and puts out, while everything that can go wrong does, and then heals",
     weft_story_mesh},
    {"relay", "a node relays to an upstream that streams, dies and stalls, while clients come and go",
     weft_story_relay},
    {"sleep", "the node, its upstream or both are kept from running, and wall clocks jump: nobody notices",
     weft_story_sleep},
    {"storm", "the upstream breaks again and again, in the middle of everything", weft_story_storm},
};
const size_t weft_scenario_count = WEFT_COUNT(weft_scenarios);

void weft_story_check(struct weft_story *story, bool holds, const char *format, ...)
{
    story->checks++;
    if (holds) {
        return;
    }
    char text[sizeof(story->first)];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof(text), format, args); /* a cut sentence still says most */
    va_end(args);
    if (story->failures++ == 0) {
        memcpy(story->first, text, sizeof(text));
    }
    weft_world_note(story->world, text);
}

struct crowd {
    struct weft_visitor at[VISITORS_MAX];
    size_t count;
};

static struct crowd *crowd_new(void)
{
    struct crowd *crowd = weft_zalloc(sizeof(*crowd));
    WEFT_ASSERT(crowd);
    return crowd;
}

static bool all_content(void *self)
{
    const struct crowd *crowd = self;
    for (size_t i = 0; i < crowd->count; i++) {
        if (!weft_visitor_content(&crowd->at[i])) {
            return false;
        }
    }
    return true;
}

static void let_come(struct crowd *crowd, struct weft_story *story, struct weft_host *host, const char *address,
                     const struct weft_ask *menu, size_t menu_count)
{
    crowd->count = VISITORS_MAX / 2 + weft_world_below(story->world, VISITORS_MAX / 2 + 1);
    for (size_t i = 0; i < crowd->count; i++) {
        crowd->at[i].number = (unsigned)i;
        weft_visitor_come(&crowd->at[i], story, host, address, menu, menu_count);
    }
}

/* `rough` as for weft_visitor_judge(). */
static void wait_and_judge(struct crowd *crowd, struct weft_story *story, bool rough)
{
    bool content = weft_world_run(story->world, weft_world_now(story->world) + PATIENCE, all_content, crowd);
    weft_story_check(story, content, "somebody still waits for an answer");
    for (size_t i = 0; i < crowd->count; i++) {
        weft_visitor_judge(&crowd->at[i], rough);
    }
}

/* Drains in the middle of a second crowd: everybody is told, by an answer or by an end, and nothing stays open. */
static void drain_with(struct crowd *crowd, struct weft_story *story, struct weft_resident *node)
{
    weft_world_pass(story->world, (weft_time)weft_world_below(story->world, 50 * 1000));
    weft_resident_drain(node, 5 * WEFT_SECOND);
    bool stopped = weft_world_run(story->world, weft_world_now(story->world) + PATIENCE, weft_resident_stopped, node);
    weft_story_check(story, stopped, "the node does not stop");
    bool content = weft_world_run(story->world, weft_world_now(story->world) + PATIENCE, all_content, crowd);
    weft_story_check(story, content, "somebody was left without an end");
    for (size_t i = 0; i < crowd->count; i++) {
        weft_visitor_judge(&crowd->at[i], true);
    }
    weft_story_check(story, weft_world_listening(node->host) == 0, "a stopped node listens");
}

static void end_node(struct weft_story *story, struct weft_resident *node)
{
    weft_resident_end(node);
    weft_world_pass(story->world, WEFT_SECOND);
    weft_story_check(story, weft_world_sockets(node->host) == 0, "a freed node holds %zu sockets",
                     weft_world_sockets(node->host));
}

#define TYPE_JSON "content-type: application/json\n"

void weft_story_crowd(struct weft_story *story)
{
    static const struct weft_ask menu[] = {
        {"GET", "/health", NULL, NULL, 200, false},
        {"HEAD", "/health", NULL, NULL, 200, false},
        {"GET", "/readyz", NULL, NULL, 200, false},
        {"GET", "/metrics", NULL, NULL, 200, false},
        {"GET", "/nothing", NULL, NULL, 404, false},
        {"POST", "/health", TYPE_JSON, "{}", 405, false},
        {"POST", "/v1/chat/completions", TYPE_JSON, "{\"model\":\"any\"}", 503, false},
        {"POST", "/v1/chat/completions", "content-type: text/plain\n", "hello", 415, false},
        {"GET", "/v1/models", NULL, NULL, 200, false},
        {"GET", "/weft/v1/status", NULL, NULL, 401, false},
        {"DELETE", "/v1/models/any", "origin: https://evil.example\n", NULL, 403, false},
    };
    const struct weft_resident_options options = {.yaml = "listen:\n  - tcp:127.0.0.1:9338\n  - unix:/run/weft.sock\n"};
    struct weft_host *host = weft_world_host(story->world, "node");
    struct weft_host *clients = weft_world_host(story->world, "clients");
    struct crowd *crowd = crowd_new();
    struct weft_resident node;
    weft_resident_start(&node, host, story->world, &options);
    let_come(crowd, story, clients, "127.0.0.1:9338", menu, WEFT_COUNT(menu));
    wait_and_judge(crowd, story, false);
    let_come(crowd, story, clients, "/run/weft.sock", menu, WEFT_COUNT(menu));
    drain_with(crowd, story, &node);
    end_node(story, &node);
    weft_free(crowd);
}

/* A node with an upstream, and who comes to it. */
struct scene {
    struct weft_story *story;
    struct weft_host *host, *clients, *upstream;
    struct weft_engine engine;
    struct weft_resident node;
    struct crowd crowd;
};

/* The node's settings are one of the two, for an upstream that speaks h1 or h2. */
static struct scene *scene_new(struct weft_story *story, const char *h1, const char *h2c)
{
    const struct weft_resident_options options = {.yaml = weft_world_below(story->world, 2) ? h2c : h1};
    struct scene *scene = weft_zalloc(sizeof(*scene));
    WEFT_ASSERT(scene);
    scene->story = story;
    scene->host = weft_world_host(story->world, "node");
    scene->clients = weft_world_host(story->world, "clients");
    scene->upstream = weft_world_host(story->world, "engine");
    weft_engine_start(&scene->engine, story->world, scene->upstream, "10.0.0.9:8000");
    weft_resident_start(&scene->node, scene->host, story->world, &options);
    return scene;
}

static void scene_let_come(struct scene *scene, const struct weft_ask *menu, size_t menu_count)
{
    let_come(&scene->crowd, scene->story, scene->clients, "127.0.0.1:9338", menu, menu_count);
}

/* Nothing that was given up is still worked on. */
static void scene_settle(struct scene *scene)
{
    weft_world_pass(scene->story->world, WEFT_SECOND);
    weft_story_check(scene->story, scene->engine.running == 0, "%zu requests run on upstream", scene->engine.running);
}

/* The node has stopped, or does so now. */
static void scene_free(struct scene *scene)
{
    struct weft_world *world = scene->story->world;
    if (!scene->node.stopped) {
        weft_resident_drain(&scene->node, -1);
        bool stopped = weft_world_run(world, weft_world_now(world) + PATIENCE, weft_resident_stopped, &scene->node);
        weft_story_check(scene->story, stopped, "the node does not stop");
    }
    end_node(scene->story, &scene->node);
    weft_engine_end(&scene->engine);
    weft_free(scene);
}

#define LISTEN "listen: [\"tcp:127.0.0.1:9338\"]\n"
#define H1     LISTEN "upstream: http://10.0.0.9:8000\n"
#define H2C    LISTEN "upstream: h2c://10.0.0.9:8000\n"

void weft_story_relay(struct weft_story *story)
{
    static const struct weft_ask menu[] = {
        {"POST", "/v1/chat/completions?do=answer", TYPE_JSON, "{\"messages\":[]}", 200, false},
        {"POST", "/v1/chat/completions?do=echo", TYPE_JSON, "{\"messages\":[\"hello there\"]}", 200, false},
        {"POST", "/v1/chat/completions?do=events&n=9", TYPE_JSON, "{\"stream\":true}", 200, false},
        {"POST", "/v1/chat/completions?do=cut&n=3", TYPE_JSON, "{\"stream\":true}", 200, true},
        {"POST", "/v1/chat/completions?do=early", TYPE_JSON, "{\"stream\":false}", 200, false},
        {"GET", "/v1/models?do=answer", NULL, NULL, 200, false},
        {"HEAD", "/v1/models?do=answer", NULL, NULL, 200, false},
        {"GET", "/v1/files/1?do=bytes&n=20", NULL, NULL, 200, false},
        {"GET", "/health", NULL, NULL, 200, false},
        {"GET", "/v1/models?do=stall&n=2", NULL, NULL, 200, true},
    };
    static const char *const addresses[] = {"10.0.0.9:0"};
    weft_world_name(story->world, "engine.test", 0, addresses, 1);
    struct scene *scene = scene_new(story, LISTEN "upstream: http://engine.test:8000/base\n",
                                    LISTEN "upstream: h2c://engine.test:8000\n");
    scene_let_come(scene, menu, WEFT_COUNT(menu) - 1);
    wait_and_judge(&scene->crowd, story, false);
    scene_settle(scene);
    scene_let_come(scene, menu, WEFT_COUNT(menu));
    drain_with(&scene->crowd, story, &scene->node);
    scene_settle(scene);
    scene_free(scene);
}

#define SLEEPS_MAX 6
#define SLEEP_GAP  ((uint64_t)100 * 1000)                  /* microseconds between two sleeps, at most */
#define SLEEP_LONG ((uint64_t)(60 * WEFT_SECOND))          /* of one: an upstream that runs on waits longer than that */
#define JUMP_MAX   ((uint64_t)(365 * 86400 * WEFT_SECOND)) /* of a wall clock */

#define AWAKE (5 * WEFT_SECOND) /* enough for everybody to get on by a piece */

/* The node, its upstream, or both of them as when a machine sleeps. */
static void stop_some(struct weft_story *story, struct weft_host *node, struct weft_host *upstream)
{
    uint64_t who = 1 + weft_world_below(story->world, 3);
    weft_time span = (weft_time)weft_world_below(story->world, SLEEP_LONG);
    if (who & 1) {
        weft_world_stop(node, span);
    }
    if (who & 2) {
        weft_world_stop(upstream, span);
    }
    weft_world_jump(node, (int64_t)weft_world_below(story->world, JUMP_MAX) - (int64_t)(JUMP_MAX / 2));
}

void weft_story_sleep(struct weft_story *story)
{
    static const struct weft_ask menu[] = {
        {"POST", "/v1/chat/completions?do=answer", TYPE_JSON, "{\"messages\":[]}", 200, false},
        {"POST", "/v1/chat/completions?do=echo", TYPE_JSON, "{\"messages\":[\"hello there\"]}", 200, false},
        {"POST", "/v1/chat/completions?do=events&n=99", TYPE_JSON, "{\"stream\":true}", 200, false},
        {"GET", "/v1/files/1?do=bytes&n=9", NULL, NULL, 200, false},
        {"GET", "/health", NULL, NULL, 200, false},
    };
    struct scene *scene = scene_new(story, H1, H2C);
    scene_let_come(scene, menu, WEFT_COUNT(menu));
    for (uint64_t sleeps = 1 + weft_world_below(story->world, SLEEPS_MAX); sleeps > 0; sleeps--) {
        weft_world_pass(story->world, (weft_time)weft_world_below(story->world, SLEEP_GAP));
        stop_some(story, scene->host, scene->upstream);
        if (weft_world_below(story->world, 2)) { /* else the next comes into this one */
            weft_world_pass(story->world, (weft_time)SLEEP_LONG + AWAKE);
        }
    }
    wait_and_judge(&scene->crowd, story, false);
    scene_free(scene);
}

#define BREAKS_MAX 12
#define BREAK_GAP  ((uint64_t)60 * 1000) /* microseconds between two breaks, at most */

void weft_story_storm(struct weft_story *story)
{
    static const struct weft_ask menu[] = {
        {"POST", "/v1/chat/completions?do=answer", TYPE_JSON, "{\"messages\":[]}", 200, true},
        {"POST", "/v1/chat/completions?do=echo", TYPE_JSON, "{\"messages\":[\"hello there\"]}", 200, true},
        {"POST", "/v1/chat/completions?do=events&n=9", TYPE_JSON, "{\"stream\":true}", 200, true},
        {"POST", "/v1/chat/completions?do=die&n=2", TYPE_JSON, "{\"stream\":true}", 200, true},
        {"GET", "/v1/files/1?do=bytes&n=20", NULL, NULL, 200, true},
        {"GET", "/health", NULL, NULL, 200, false},
    };
    /* Healed: what comes now is answered as if nothing had been. */
    static const struct weft_ask calm[] = {
        {"POST", "/v1/chat/completions?do=events&n=3", TYPE_JSON, "{\"stream\":true}", 200, false}};
    struct scene *scene = scene_new(story, H1, H2C);
    scene_let_come(scene, menu, WEFT_COUNT(menu));
    for (uint64_t breaks = weft_world_below(story->world, BREAKS_MAX); breaks > 0; breaks--) {
        weft_world_pass(story->world, (weft_time)weft_world_below(story->world, BREAK_GAP));
        weft_engine_break(&scene->engine);
    }
    wait_and_judge(&scene->crowd, story, true);
    weft_world_pass(story->world, WEFT_SECOND); /* the last break is heard of */
    scene_let_come(scene, calm, WEFT_COUNT(calm));
    wait_and_judge(&scene->crowd, story, false);
    scene_settle(scene);
    scene_free(scene);
}
