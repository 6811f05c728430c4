/* sim/swarm.c - what goes wrong in a mesh. */
#include "sim/swarm.h"

#include <stdio.h>

#include "base/assert.h"
#include "base/error.h"
#include "sim/weather.h"

#define GAP_MIN     (WEFT_SECOND / 10)
#define GAP_MAX     (4 * WEFT_SECOND)
#define TRAP        (2 * WEFT_SECOND) /* so long a crash waits for something to be lost */
#define LATENCY_MAX (150 * WEFT_MS)   /* one way, for most; and JITTER_PART of it more */
#define JITTER_PART 4
#define LOSS_MAX    50 /* of a thousand */
#define SLOW_MAX    (2 * WEFT_SECOND)
#define LASTS_MAX   (15 * WEFT_SECOND)
#define PAUSE_MAX   (9 * WEFT_SECOND)
#define DOWN_MAX    (8 * WEFT_SECOND)
#define DISK_MAX    (3 * WEFT_SECOND)    /* one operation of a slow disk */
#define CLOCK_MAX   ((int64_t)299000000) /* microseconds: two of them differ by less than ten minutes */

static weft_time below(const struct weft_swarm *swarm, weft_time bound)
{
    return (weft_time)weft_world_below(swarm->story->world, (uint64_t)bound);
}

static weft_time now_of(const struct weft_swarm *swarm)
{
    return weft_world_now(swarm->story->world);
}

static struct weft_member *anybody(const struct weft_swarm *swarm)
{
    return &swarm->members[below(swarm, (weft_time)swarm->count)];
}

static struct weft_member *anybody_but(const struct weft_swarm *swarm, const struct weft_member *one)
{
    size_t place = (size_t)(one - swarm->members), step = 1 + (size_t)below(swarm, (weft_time)swarm->count - 1);
    return &swarm->members[(place + step) % swarm->count];
}

/* -- weather -- */

static struct weft_weather draw_weather(const struct weft_swarm *swarm)
{
    struct weft_weather weather = {.latency = WEFT_MS + below(swarm, swarm->latency_max)};
    weather.jitter = 1 + weather.latency / JITTER_PART;
    weather.loss = swarm->on[WEFT_SWARM_LOSS] ? (unsigned)below(swarm, LOSS_MAX) : 0;
    return weather;
}

/* `calm`: nothing is lost any more. */
static void set_weather(struct weft_swarm *swarm, struct weft_member *from, struct weft_member *to, bool calm)
{
    struct weft_weather weather = draw_weather(swarm);
    weather.loss = calm ? 0 : weather.loss;
    weft_weather_set(from->host, to->host, &weather);
}

static void set_all_weather(struct weft_swarm *swarm, bool calm)
{
    for (size_t i = 0; i < swarm->count; i++) {
        for (size_t j = 0; j < swarm->count; j++) {
            if (i != j) {
                set_weather(swarm, &swarm->members[i], &swarm->members[j], calm);
            }
        }
    }
}

static void set_clock(struct weft_swarm *swarm, struct weft_member *member)
{
    int64_t off = below(swarm, 2 * CLOCK_MAX) - CLOCK_MAX;
    weft_world_jump(member->host, off - member->clock_off);
    member->clock_off = off;
}

/* -- beginnings and ends -- */

static void isolate(struct weft_swarm *swarm, struct weft_member *one, struct weft_member *other, bool cut)
{
    for (size_t i = 0; i < swarm->count; i++) {
        struct weft_member *member = &swarm->members[i];
        if (member == one || member == other) {
            continue; /* `other` is one who is still reached, if it is not `one` */
        }
        weft_weather_cut(one->host, member->host, cut);
        weft_weather_cut(member->host, one->host, cut);
    }
}

static void slow_path(struct weft_swarm *swarm, struct weft_member *from, struct weft_member *to)
{
    struct weft_weather weather = draw_weather(swarm);
    weather.latency += below(swarm, SLOW_MAX);
    weft_weather_set(from->host, to->host, &weather);
}

static void begin(struct weft_swarm *swarm, const struct weft_swarm_fault *fault)
{
    switch (fault->kind) {
    case WEFT_SWARM_SLOW_PATH:
        slow_path(swarm, fault->one, fault->other);
        break;
    case WEFT_SWARM_CUT:
        weft_weather_cut(fault->one->host, fault->other->host, true);
        break;
    case WEFT_SWARM_ISLAND:
        isolate(swarm, fault->one, fault->other, true);
        break;
    case WEFT_SWARM_SLOW_DISK:
        weft_world_slow_store(fault->one->host, 1 + below(swarm, DISK_MAX));
        break;
    default: /* a full disk: the only other one that lasts */
        weft_world_fail_store(fault->one->host, 0, WEFT_ERR_FULL);
    }
}

static void end(struct weft_swarm *swarm, const struct weft_swarm_fault *fault)
{
    switch (fault->kind) {
    case WEFT_SWARM_SLOW_PATH:
        set_weather(swarm, fault->one, fault->other, false);
        break;
    case WEFT_SWARM_CUT:
        weft_weather_cut(fault->one->host, fault->other->host, false);
        break;
    case WEFT_SWARM_ISLAND:
        isolate(swarm, fault->one, fault->other, false);
        break;
    case WEFT_SWARM_SLOW_DISK:
        weft_world_slow_store(fault->one->host, 0);
        break;
    default: /* as above */
        weft_world_fail_store(fault->one->host, 0, 0);
    }
}

/* -- the swarm -- */

static const char *const names[WEFT_SWARM_KINDS] = {
    [WEFT_SWARM_LOSS] = "loss",     [WEFT_SWARM_SLOW_PATH] = "slow path", [WEFT_SWARM_CUT] = "cut",
    [WEFT_SWARM_ISLAND] = "island", [WEFT_SWARM_DROP] = "drop",           [WEFT_SWARM_FORGET] = "forget",
    [WEFT_SWARM_PAUSE] = "pause",   [WEFT_SWARM_CLOCK] = "clock",         [WEFT_SWARM_CRASH] = "crash",
    [WEFT_SWARM_POWER] = "power",   [WEFT_SWARM_SLOW_DISK] = "slow disk", [WEFT_SWARM_FULL_DISK] = "full disk",
};

void weft_swarm_begin(struct weft_swarm *swarm, struct weft_story *story, struct weft_member *members, size_t count)
{
    *swarm = (struct weft_swarm){.story = story, .members = members, .count = count};
    WEFT_ASSERT(count > 1);
    for (size_t i = 0; i < WEFT_SWARM_KINDS; i++) {
        swarm->on[i] = below(swarm, 2);
        if (swarm->on[i]) {
            char text[64];
            (void)snprintf(text, sizeof(text), "fault on: %s", names[i]); /* fits */
            weft_world_note(story->world, text);
        }
    }
    swarm->gap = GAP_MIN + below(swarm, GAP_MAX);
    swarm->latency_max = 1 + below(swarm, LATENCY_MAX);
    swarm->next = now_of(swarm) + below(swarm, swarm->gap);
    set_all_weather(swarm, false);
    for (size_t i = 0; i < count; i++) {
        set_clock(swarm, &members[i]);
    }
}

static bool has_to_lose(void *self)
{
    const struct weft_member *member = self;
    return weft_world_store_busy(member->host);
}

/* Half of the time in the middle of what is to be kept for good. */
static void crash(struct weft_swarm *swarm, struct weft_member *member, bool power)
{
    if (below(swarm, 2)) {
        (void)weft_world_run(swarm->story->world, now_of(swarm) + TRAP, has_to_lose, member); /* or without */
    }
    weft_member_crash(member, power, below(swarm, DOWN_MAX));
}

static void strike(struct weft_swarm *swarm, enum weft_swarm_kind kind)
{
    struct weft_member *one = anybody(swarm), *other = anybody_but(swarm, one);
    const struct weft_swarm_fault fault = {
        .kind = kind, .one = one, .other = other, .until = now_of(swarm) + 1 + below(swarm, LASTS_MAX)};
    bool lasts = swarm->active_count < WEFT_SWARM_ACTIVE_MAX;
    swarm->struck++;
    switch (kind) {
    case WEFT_SWARM_DROP:
    case WEFT_SWARM_FORGET:
        (void)weft_weather_drop(one->host, below(swarm, 2) ? NULL : other->host, kind == WEFT_SWARM_FORGET);
        break;
    case WEFT_SWARM_PAUSE:
        weft_world_stop(one->host, 1 + below(swarm, PAUSE_MAX));
        break;
    case WEFT_SWARM_CLOCK:
        weft_world_fault(one->host, NULL, 0, names[kind]);
        set_clock(swarm, one);
        break;
    case WEFT_SWARM_CRASH:
    case WEFT_SWARM_POWER:
        crash(swarm, one, kind == WEFT_SWARM_POWER);
        break;
    case WEFT_SWARM_LOSS: /* is weather: it changes */
        set_weather(swarm, one, other, false);
        break;
    default:
        if (lasts) {
            weft_world_fault(one->host, kind == WEFT_SWARM_SLOW_PATH ? other->host : NULL, fault.until - now_of(swarm),
                             names[kind]);
            begin(swarm, &fault);
            swarm->active[swarm->active_count++] = fault;
        }
    }
}

/* Ends what is over. */
static void end_some(struct weft_swarm *swarm, weft_time by)
{
    for (size_t i = swarm->active_count; i-- > 0;) {
        if (swarm->active[i].until <= by) {
            end(swarm, &swarm->active[i]);
            swarm->active[i] = swarm->active[--swarm->active_count];
        }
    }
    for (size_t i = 0; i < swarm->active_count; i++) { /* what one ended another may still want */
        if (swarm->active[i].kind != WEFT_SWARM_SLOW_PATH) {
            begin(swarm, &swarm->active[i]);
        }
    }
}

void weft_swarm_tick(struct weft_swarm *swarm)
{
    bool over = false;
    for (size_t i = 0; i < swarm->active_count; i++) {
        over = over || swarm->active[i].until <= now_of(swarm);
    }
    if (over) {
        end_some(swarm, now_of(swarm));
    }
    if (now_of(swarm) >= swarm->next) {
        enum weft_swarm_kind kind = (enum weft_swarm_kind)below(swarm, WEFT_SWARM_KINDS);
        swarm->next = now_of(swarm) + 1 + below(swarm, swarm->gap);
        if (swarm->on[kind]) {
            strike(swarm, kind);
        }
    }
}

void weft_swarm_heal(struct weft_swarm *swarm)
{
    weft_world_note(swarm->story->world, "all faults heal");
    end_some(swarm, WEFT_NEVER);
    set_all_weather(swarm, true);
    for (size_t i = 0; i < swarm->count; i++) {
        weft_world_wake(swarm->members[i].host);
    }
}
