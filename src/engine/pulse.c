/* engine/pulse.c - whether the computing thread gets on, and when those who wait for it are to hear so. */
#include "engine/pulse.h"

void weft_pulse_init(struct weft_pulse *pulse)
{
    *pulse = (struct weft_pulse){.due = WEFT_NEVER};
}

void weft_pulse_wake(struct weft_pulse *pulse, unsigned ticks, weft_time now)
{
    if (pulse->due == WEFT_NEVER) {
        *pulse = (struct weft_pulse){.due = now + WEFT_PULSE_BEAT, .ticks = ticks};
    }
}

void weft_pulse_rest(struct weft_pulse *pulse)
{
    pulse->due = WEFT_NEVER;
}

bool weft_pulse_look(struct weft_pulse *pulse, unsigned ticks, weft_time now)
{
    bool moved = ticks != pulse->ticks;
    *pulse = (struct weft_pulse){.due = now + WEFT_PULSE_BEAT, .ticks = ticks};
    return moved;
}
