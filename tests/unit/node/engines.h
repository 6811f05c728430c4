/* tests/unit/node/engines.h - a world with a loop that can start played engines (sim/child.h). */
#ifndef WEFT_TESTS_UNIT_NODE_ENGINES_H
#define WEFT_TESTS_UNIT_NODE_ENGINES_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/bytes.h"
#include "base/error.h"
#include "base/mem.h"
#include "node/loop.h"
#include "sim/child.h"
#include "wire/json.h"

static struct engines {
    int64_t live;
    struct weft_world *world;
    struct weft_host *host;
    struct weft_loop loop;
    struct weft_children children;
} engines;

static inline weft_time engines_turn(void *self, weft_time now)
{
    (void)self;
    engines.loop.turn.now = now;
    weft_timers_run(&engines.loop.timers, now);
    weft_turn_run(&engines.loop.turn);
    return weft_timers_next(&engines.loop.timers);
}

static inline void engines_begin(void)
{
    const struct weft_world_options options = {.seed = 5, .calm = true};
    weft_bytes_trim();
    engines = (struct engines){.live = weft_mem_live()};
    assert_int_equal(weft_world_new(&engines.world, &options), 0);
    engines.host = weft_world_host(engines.world, "node");
    engines.loop.host = engines.host;
    weft_world_set_guest(engines.host, (struct weft_guest){.turn = engines_turn});
    weft_children_start(&engines.children, engines.world, weft_world_host(engines.world, "engines"), engines.host);
}

/* Nothing is left behind: no process, no socket, no memory. */
static inline void engines_end(void)
{
    weft_world_poke(engines.host);
    weft_world_pass(engines.world, WEFT_SECOND);
    assert_int_equal(weft_world_processes(engines.host), 0);
    assert_int_equal(weft_world_sockets(engines.host), 0);
    weft_children_end(&engines.children);
    weft_turn_run(&engines.loop.turn);
    weft_timers_deinit(&engines.loop.timers);
    weft_world_free(engines.world);
    weft_bytes_trim();
    assert_int_equal(weft_mem_live(), engines.live);
}

static inline void engines_pass(weft_time time)
{
    weft_world_poke(engines.host);
    weft_world_pass(engines.world, time);
}

/* Waits at most ten minutes. */
static inline bool engines_wait(bool (*done)(void *self), void *self)
{
    weft_world_poke(engines.host);
    return weft_world_run(engines.world, weft_world_now(engines.world) + 600 * WEFT_SECOND, done, self);
}

#endif
