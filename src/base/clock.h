/* base/clock.h - time as a loop lives it: while it is kept from running, none passes.
 *
 * A process that was stopped, starved or asleep with its machine comes back to deadlines that nobody had a chance to
 * keep: its peers may have spoken long ago, and it has not read them yet. So a loop that has deadlines looks at its
 * clock once a beat at least, whatever else it waits for. When it finds that it was away for longer, that time is taken
 * out of the clock, and all deadlines are as far away as they were before.
 *
 * Pure: the time of the machine comes in. */
#ifndef WEFT_BASE_CLOCK_H
#define WEFT_BASE_CLOCK_H

#include "base/types.h"

#define WEFT_CLOCK_BEAT WEFT_SECOND /* how often whoever watches looks at the least */
#define WEFT_CLOCK_LATE WEFT_SECOND /* how late it may be for that: a busy machine is no sleep */

struct weft_clock {
    weft_time seen; /* the machine's time at the last look */
    weft_time lost; /* what was taken out */
    bool watched;   /* it is looked at once a beat */
};

/* From here on it goes as the machine's does, until the first sleep. */
void weft_clock_init(struct weft_clock *clock);
/* What time it is, when the machine's is `machine`. */
weft_time weft_clock_look(struct weft_clock *clock, weft_time machine);
/* Whether looks come once a beat from now on; just after one. While they do not, all time counts. */
void weft_clock_watch(struct weft_clock *clock, bool on);
/* When it will be `at` by the machine's time, if nothing comes between; WEFT_NEVER is never. */
weft_time weft_clock_machine(const struct weft_clock *clock, weft_time at);

#endif
