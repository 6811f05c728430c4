/* tests/unit/node/line_scene.h - a line before an engine that is not there, and guests who stand in it. */
#ifndef WEFT_TESTS_UNIT_NODE_LINE_SCENE_H
#define WEFT_TESTS_UNIT_NODE_LINE_SCENE_H

#include "node/line.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/error.h"
#include "base/mem.h"

#define GUESTS 12
#define STALL  (10 * WEFT_SECOND)

/* Somebody in the line, and what he was told. */
struct guest {
    struct weft_place place;
    int went, backs, stalls, told;
    size_t ahead;
    weft_time estimate;
    bool is_out;
    enum weft_line_out out;
};

static struct scene {
    struct weft_loop loop;
    struct weft_line *line;
    struct guest guests[GUESTS];
    int wanted, stalled;
    int64_t live;
} scene;

static inline void on_go(void *self)
{
    ((struct guest *)self)->went++;
}

static inline void on_back(void *self, bool stalled)
{
    struct guest *guest = self;
    guest->backs++;
    guest->stalls += stalled;
    weft_line_again(&guest->place, stalled);
}

static inline void on_out(void *self, enum weft_line_out why)
{
    struct guest *guest = self;
    assert_false(guest->is_out);
    guest->is_out = true;
    guest->out = why;
}

static inline void on_waiting(void *self, size_t ahead, weft_time estimate)
{
    struct guest *guest = self;
    guest->told++;
    guest->ahead = ahead;
    guest->estimate = estimate;
}

static const struct weft_place_user place_user = {.go = on_go, .back = on_back, .out = on_out, .waiting = on_waiting};

static inline void on_wanted(void *self)
{
    (void)self;
    scene.wanted++;
}

static inline void on_stalled(void *self)
{
    (void)self;
    scene.stalled++;
}

static const struct weft_line_user line_user = {.wanted = on_wanted, .stalled = on_stalled};

static inline void begin(size_t waiters_max)
{
    scene = (struct scene){.live = weft_mem_live()};
    scene.loop.turn.now = 1000 * WEFT_SECOND;
    const struct weft_line_options options = {
        .loop = &scene.loop, .waiters_max = waiters_max, .stall = STALL, .user = &line_user};
    assert_int_equal(weft_line_new(&scene.line, &options), 0);
    for (size_t i = 0; i < GUESTS; i++) {
        scene.guests[i].place.user = &place_user;
        scene.guests[i].place.self = &scene.guests[i];
        scene.guests[i].place.mark.hash[0] = (uint8_t)(i + 1);
    }
}

static inline void end(void)
{
    for (size_t i = 0; i < GUESTS; i++) {
        weft_line_leave(&scene.guests[i].place);
    }
    weft_line_free(scene.line);
    weft_timers_deinit(&scene.loop.timers);
    assert_int_equal(weft_mem_live(), scene.live);
}

/* Time goes on, as it does for a loop that runs. */
static inline void pass(weft_time time)
{
    for (weft_time until = scene.loop.turn.now + time;;) {
        weft_timers_run(&scene.loop.timers, scene.loop.turn.now);
        weft_turn_run(&scene.loop.turn);
        weft_time next = weft_timers_next(&scene.loop.timers);
        if (next > until) {
            scene.loop.turn.now = until;
            return;
        }
        scene.loop.turn.now = next;
    }
}

static inline int join_as(size_t i, uint64_t principal, uint16_t choices, weft_time wait)
{
    return weft_line_join(scene.line, &scene.guests[i].place, principal, choices, wait);
}

static inline void join(size_t count)
{
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(join_as(i, 100 + i, 1, 300 * WEFT_SECOND), 0);
    }
    pass(0);
}

/* An answer of one choice is complete. */
static inline void finish(size_t i)
{
    weft_line_choice_ended(&scene.guests[i].place);
    weft_line_leave(&scene.guests[i].place);
}

static inline void get_on(size_t i, int tokens)
{
    for (int k = 0; k < tokens; k++) {
        weft_line_sign(&scene.guests[i].place);
        weft_line_got_on(&scene.guests[i].place);
    }
    pass(0);
}

/* The engine ends, and all that ran there hear of it, but for those who do not read. */
static inline bool end_engine(bool by_itself)
{
    weft_line_shut(scene.line);
    bool excused = weft_line_died(scene.line, by_itself);
    for (size_t i = 0; i < GUESTS; i++) {
        if (scene.guests[i].place.state == WEFT_PLACE_RUNS && !scene.guests[i].place.paused) {
            weft_line_again(&scene.guests[i].place, true);
        }
    }
    pass(WEFT_SECOND);
    return excused;
}

static inline bool die(void)
{
    return end_engine(true);
}

static inline void come_back(size_t slots)
{
    weft_line_open(scene.line, slots);
    pass(0);
}

/* Which ones run: "013". */
static inline const char *running(void)
{
    static char text[GUESTS + 1];
    size_t size = 0;
    for (size_t i = 0; i < GUESTS; i++) {
        if (scene.guests[i].place.state == WEFT_PLACE_RUNS) {
            text[size++] = (char)('0' + i);
        }
    }
    text[size] = '\0';
    return text;
}

static inline struct weft_line_info info(void)
{
    struct weft_line_info info;
    weft_line_report(scene.line, &info);
    return info;
}

#endif
