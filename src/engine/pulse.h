/* engine/pulse.h - whether the computing thread gets on, and when those who wait for it are to hear so.
 *
 * It ticks while it computes, also inside a step. Now and then the service thread looks: where ticks came since its
 * last look, each answer of which nothing was told since then gets a sign of life. No tick, no sign: who computes and
 * hangs falls silent. */
#ifndef WEFT_ENGINE_PULSE_H
#define WEFT_ENGINE_PULSE_H

#include "base/types.h"

#define WEFT_PULSE_BEAT ((weft_time)400 * WEFT_MS) /* between two looks: twice that is less than a second */

struct weft_pulse {
    weft_time due;  /* the next look; WEFT_NEVER: nobody waits */
    unsigned ticks; /* at the last one */
};

void weft_pulse_init(struct weft_pulse *pulse);
/* Somebody waits, since `now`, when there were so many ticks. */
void weft_pulse_wake(struct weft_pulse *pulse, unsigned ticks, weft_time now);
/* Nobody does. */
void weft_pulse_rest(struct weft_pulse *pulse);
/* A look, to be taken when it is due: did ticks come since the last one? */
WEFT_MUST_USE bool weft_pulse_look(struct weft_pulse *pulse, unsigned ticks, weft_time now);

#endif
