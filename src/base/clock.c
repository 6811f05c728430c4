/* base/clock.c - time as a loop lives it. */
#include "base/clock.h"

void weft_clock_init(struct weft_clock *clock)
{
    *clock = (struct weft_clock){0};
}

weft_time weft_clock_look(struct weft_clock *clock, weft_time machine)
{
    weft_time gap = machine - clock->seen;
    if (clock->watched && gap > WEFT_CLOCK_BEAT + WEFT_CLOCK_LATE) {
        /* All of it, the beat too: so nothing falls due before what came meanwhile has been read. */
        clock->lost += gap;
    }
    clock->seen = machine;
    return machine - clock->lost;
}

void weft_clock_watch(struct weft_clock *clock, bool on)
{
    clock->watched = on;
}

weft_time weft_clock_machine(const struct weft_clock *clock, weft_time at)
{
    return at == WEFT_NEVER ? WEFT_NEVER : at + clock->lost;
}
