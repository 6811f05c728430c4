/* base/timers.h - who wants to be called when: a heap of deadlines. */
#ifndef WEFT_BASE_TIMERS_H
#define WEFT_BASE_TIMERS_H

#include "base/types.h"

struct weft_timer {
    weft_time at;
    uint64_t order; /* equal deadlines fire in the order they were set: a seed replays */
    size_t place;   /* in the heap, from 1; 0 when not set */
    void (*fire)(struct weft_timer *timer);
};

struct weft_timers {
    struct weft_timer **heap; /* heap[1..count] */
    size_t count, reserved, room;
    uint64_t set_count;
};

void weft_timers_init(struct weft_timers *timers);
void weft_timers_deinit(struct weft_timers *timers); /* no timer may still be set */

void weft_timer_init(struct weft_timer *timer, void (*fire)(struct weft_timer *timer));
/* Makes room for one more timer that will ever be set at once, so that _set cannot fail. _release gives it back. */
WEFT_MUST_USE int weft_timers_reserve(struct weft_timers *timers);
void weft_timers_release(struct weft_timers *timers);
void weft_timer_set(struct weft_timers *timers, struct weft_timer *timer,
                    weft_time at); /* moves it if set; WEFT_NEVER clears */
void weft_timer_clear(struct weft_timers *timers, struct weft_timer *timer);

weft_time weft_timers_next(const struct weft_timers *timers);    /* WEFT_NEVER if none */
void weft_timers_run(struct weft_timers *timers, weft_time now); /* fires all that are due, each cleared first */
/* The first that is due, cleared but not fired; NULL if there is none. */
struct weft_timer *weft_timers_take(struct weft_timers *timers, weft_time now);

#endif
