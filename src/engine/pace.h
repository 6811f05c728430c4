/* engine/pace.h - how long things take here, and what follows: how many rows a step may have, and how many threads.
 *
 * A row is one token in one step. Everything is learnt from steps that were measured; nothing here knows a clock. */
#ifndef WEFT_ENGINE_PACE_H
#define WEFT_ENGINE_PACE_H

#include "base/types.h"
#include "engine/options.h"

#define WEFT_PACE_ROWS_MAX 512                       /* of a step: WEFT_MODEL_BATCH */
#define WEFT_PACE_STEP     ((weft_time)80 * WEFT_MS) /* of a step with prompts: answers, and cancels, wait for its end */
#define WEFT_PACE_LONG     (WEFT_SECOND)             /* of one that only reads: large pieces are read faster */
#define WEFT_PACE_HOLD     (2 * WEFT_SECOND)         /* how long fewer threads are used at first, */
#define WEFT_PACE_HOLD_MAX (64 * WEFT_SECOND)        /* and at most, when it happens again and again */
#define WEFT_PACE_SLOW     3                         /* so much longer than usual, so often in a row: cores are gone */

struct weft_pace {
    double row_us;                              /* one more row of a prompt; 0: not known yet */
    double write_us[WEFT_ENGINE_SLOTS_MAX + 1]; /* a step that writes so many answers and reads nothing; 0: not known */
    double copy_us; /* copying what a slot holds: a guess, it cannot be told from the rest */
    double beside; /* how much longer a step takes that writes and reads than both would: it is computed in two parts */
    int32_t threads_max, threads;
    int slow_steps;
    weft_time hold, until; /* fewer threads until then */
};

struct weft_pace_step {
    size_t writing, reading, copies; /* rows of answers, rows of prompts, slots that were copied in it */
    weft_time took;
};

/* `slot_bytes`: what a slot can hold, for a guess at what a copy costs. */
void weft_pace_init(struct weft_pace *pace, int32_t threads, uint64_t slot_bytes);

/* Learns from a step. 1 if `threads` changed. */
int weft_pace_learn(struct weft_pace *pace, const struct weft_pace_step *step, weft_time now);

/* From now on there are so many threads: what was learnt with others says nothing. */
void weft_pace_set_threads(struct weft_pace *pace, int32_t threads);

/* How many rows of prompts the next step may have, for `readers` prompts beside `writing` answers: at least one for
 * each, with the answers at most WEFT_PACE_ROWS_MAX. One that only reads is longer, unless it is to be `brief`. */
size_t weft_pace_budget(const struct weft_pace *pace, size_t writing, size_t readers, bool brief);

/* Shares `budget` rows among prompts that want `wants[i]` more: each the same, and what a short one leaves goes to the
 * others. */
void weft_pace_share(const size_t *wants, size_t count, size_t budget, size_t *shares);
/* The shortest first, each whole before the next: the last one ends no later than if all shared, the others sooner. */
void weft_pace_line_up(const size_t *wants, size_t count, size_t budget, size_t *shares);

/* How many rows could be read in the time of a copy: a copy that saves fewer does not pay. */
size_t weft_pace_copy_rows(const struct weft_pace *pace);

#endif
