/* base/timers.c - a binary heap of deadlines. */
#include "base/timers.h"

#include "base/assert.h"
#include "base/error.h"
#include "base/mem.h"

#define ROOM_FIRST 64

void weft_timers_init(struct weft_timers *timers)
{
    *timers = (struct weft_timers){0};
}

void weft_timers_deinit(struct weft_timers *timers)
{
    WEFT_ASSERT(timers->count == 0);
    weft_free(timers->heap);
    weft_timers_init(timers);
}

void weft_timer_init(struct weft_timer *timer, void (*fire)(struct weft_timer *timer))
{
    *timer = (struct weft_timer){.at = WEFT_NEVER, .fire = fire};
}

int weft_timers_reserve(struct weft_timers *timers)
{
    if (timers->reserved == timers->room) {
        size_t room = timers->room ? timers->room * 2 : ROOM_FIRST;
        struct weft_timer **heap = weft_realloc(timers->heap, (room + 1) * sizeof(struct weft_timer *));
        if (!heap) {
            return WEFT_ERR_MEMORY;
        }
        timers->heap = heap;
        timers->room = room;
    }
    timers->reserved++;
    return 0;
}

void weft_timers_release(struct weft_timers *timers)
{
    WEFT_ASSERT(timers->reserved > timers->count);
    timers->reserved--;
}

static bool before(const struct weft_timer *a, const struct weft_timer *b)
{
    return a->at != b->at ? a->at < b->at : a->order < b->order;
}

static void put(struct weft_timers *timers, size_t place, struct weft_timer *timer)
{
    timers->heap[place] = timer;
    timer->place = place;
}

static void rise(struct weft_timers *timers, struct weft_timer *timer)
{
    size_t place = timer->place;
    while (place > 1 && before(timer, timers->heap[place / 2])) {
        put(timers, place, timers->heap[place / 2]);
        place /= 2;
    }
    put(timers, place, timer);
}

static void sink(struct weft_timers *timers, struct weft_timer *timer)
{
    size_t place = timer->place;
    for (;;) {
        size_t child = place * 2;
        if (child > timers->count) {
            break;
        }
        if (child < timers->count && before(timers->heap[child + 1], timers->heap[child])) {
            child++;
        }
        if (!before(timers->heap[child], timer)) {
            break;
        }
        put(timers, place, timers->heap[child]);
        place = child;
    }
    put(timers, place, timer);
}

void weft_timer_set(struct weft_timers *timers, struct weft_timer *timer, weft_time at)
{
    if (at == WEFT_NEVER) {
        weft_timer_clear(timers, timer);
        return;
    }
    if (timer->place == 0) {
        WEFT_ASSERT(timers->count < timers->reserved);
        put(timers, ++timers->count, timer);
    }
    timer->at = at;
    timer->order = ++timers->set_count;
    rise(timers, timer);
    sink(timers, timer);
}

void weft_timer_clear(struct weft_timers *timers, struct weft_timer *timer)
{
    if (timer->place == 0) {
        return;
    }
    struct weft_timer *last = timers->heap[timers->count--];
    if (last != timer) {
        put(timers, timer->place, last);
        rise(timers, last);
        sink(timers, last);
    }
    timer->place = 0;
    timer->at = WEFT_NEVER;
}

weft_time weft_timers_next(const struct weft_timers *timers)
{
    return timers->count > 0 ? timers->heap[1]->at : WEFT_NEVER;
}

struct weft_timer *weft_timers_take(struct weft_timers *timers, weft_time now)
{
    if (timers->count == 0 || timers->heap[1]->at > now) {
        return NULL;
    }
    struct weft_timer *timer = timers->heap[1];
    weft_timer_clear(timers, timer);
    return timer;
}

void weft_timers_run(struct weft_timers *timers, weft_time now)
{
    for (struct weft_timer *timer = weft_timers_take(timers, now); timer; timer = weft_timers_take(timers, now)) {
        timer->fire(timer);
    }
}
