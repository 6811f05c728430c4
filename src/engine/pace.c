/* engine/pace.c - how long things take here, and what follows: how many rows a step may have, and how many threads. */
#include "engine/pace.h"

#include "base/assert.h"

#define NEWEST        0.2    /* the weight of the newest measurement */
#define ROW_GUESS_US  1000.0 /* before any prompt was read */
#define ROWS_FIRST    64     /* of the first step of all: nobody knows how long it takes */
#define COPY_BYTES_US 4000.0 /* bytes copied in a microsecond */
#define ROWS_TELLING  16     /* fewer rows say little about what one costs */
#define BESIDE_MAX    8.0    /* and its inverse: more than that is something else */

void weft_pace_init(struct weft_pace *pace, int32_t threads, uint64_t slot_bytes)
{
    *pace = (struct weft_pace){
        .copy_us = (double)slot_bytes / COPY_BYTES_US,
        .beside = 1,
        .threads_max = threads,
        .threads = threads,
        .hold = WEFT_PACE_HOLD,
    };
}

static double smooth(double old, double newest)
{
    return old > 0 ? old + NEWEST * (newest - old) : newest;
}

static double row_us(const struct weft_pace *pace)
{
    return pace->row_us > 0 ? pace->row_us : ROW_GUESS_US;
}

/* What a step that writes so many answers takes; where that was never measured, as the nearest count says, or if there
 * is none, as if they were rows of a prompt. */
static double write_us(const struct weft_pace *pace, size_t writing)
{
    size_t nearest = 0;
    for (size_t i = 1; i <= WEFT_ENGINE_SLOTS_MAX; i++) {
        if ((i <= writing || nearest == 0) && pace->write_us[i] > 0) {
            nearest = i;
        }
    }
    double more = nearest < writing ? (double)(writing - nearest) * row_us(pace) : 0;
    return writing > 0 && nearest > 0 ? pace->write_us[nearest] + more : more;
}

/* Did the step take so much longer than such steps do that cores must have been taken away? */
static bool slow(const struct weft_pace *pace, const struct weft_pace_step *step)
{
    bool known = (step->writing == 0 || pace->write_us[step->writing] > 0) && (step->reading == 0 || pace->row_us > 0);
    double usual = write_us(pace, step->writing) + (double)step->reading * pace->row_us;
    return known && step->copies == 0 && (double)step->took > WEFT_PACE_SLOW * usual;
}

static void forget(struct weft_pace *pace)
{
    pace->row_us = 0;
    pace->beside = 1;
    memset(pace->write_us, 0, sizeof(pace->write_us));
    pace->slow_steps = 0;
}

void weft_pace_set_threads(struct weft_pace *pace, int32_t threads)
{
    pace->threads = pace->threads_max = threads;
    pace->until = 0;
    forget(pace);
}

static double clamp(double value, double least, double most)
{
    return value < least ? least : value > most ? most : value;
}

/* What a row costs is learnt where nothing else is in the step: from others it would get ever dearer, and the steps
 * smaller, which makes it dearer. What they take beyond that is counted for itself. */
static void measure(struct weft_pace *pace, const struct weft_pace_step *step)
{
    double took = (double)step->took - (double)step->copies * pace->copy_us;
    if (step->reading == 0) {
        pace->write_us[step->writing] =
            step->copies > 0 ? pace->write_us[step->writing] : smooth(pace->write_us[step->writing], took);
        return;
    }
    double rest = took - write_us(pace, step->writing);
    bool telling = step->writing == 0 && step->reading >= ROWS_TELLING;
    if ((telling || pace->row_us <= 0) && rest > 0) {
        pace->row_us = smooth(pace->row_us, rest / (double)step->reading);
    } else if (step->writing > 0) {
        double expected = write_us(pace, step->writing) + (double)step->reading * row_us(pace);
        pace->beside = smooth(pace->beside, clamp(took / expected, 1 / BESIDE_MAX, BESIDE_MAX));
    }
}

int weft_pace_learn(struct weft_pace *pace, const struct weft_pace_step *step, weft_time now)
{
    if (pace->threads < pace->threads_max && now >= pace->until) {
        pace->threads = pace->threads_max;
        forget(pace);
        return 1;
    }
    if (!slow(pace, step)) {
        pace->slow_steps = 0;
        measure(pace, step);
        if (pace->threads == pace->threads_max && now >= pace->until + 2 * pace->hold) {
            pace->hold = WEFT_PACE_HOLD; /* it went well for long */
        }
        return 0;
    }
    if (++pace->slow_steps < WEFT_PACE_SLOW) {
        return 0;
    }
    forget(pace);
    measure(pace, step); /* on the threads that are left, or if there is one only, it may be the truth from now on */
    if (pace->threads == 1) {
        return 0;
    }
    forget(pace);
    pace->threads /= 2;
    pace->until = now + pace->hold;
    pace->hold = pace->hold < WEFT_PACE_HOLD_MAX / 2 ? 2 * pace->hold : WEFT_PACE_HOLD_MAX;
    return 1;
}

size_t weft_pace_budget(const struct weft_pace *pace, size_t writing, size_t readers, bool brief)
{
    double time = brief || writing > 0 ? (double)WEFT_PACE_STEP : (double)WEFT_PACE_LONG;
    if (writing > 0) {
        /* Where writing alone takes that long, prompts make it half as long again: they must get on, too. */
        double spare = (double)WEFT_PACE_STEP / pace->beside - write_us(pace, writing);
        double least = write_us(pace, writing) / 2;
        time = spare > least ? spare : least;
    }
    size_t rows = (size_t)(time / row_us(pace));
    if (pace->row_us <= 0 && rows > ROWS_FIRST) {
        rows = ROWS_FIRST;
    }
    if (rows < readers) {
        rows = readers;
    }
    size_t most = WEFT_PACE_ROWS_MAX - writing;
    return rows < most ? rows : most;
}

void weft_pace_share(const size_t *wants, size_t count, size_t budget, size_t *shares)
{
    memset(shares, 0, count * sizeof(*shares));
    while (budget > 0) {
        size_t hungry = 0, nearest = count;
        for (size_t i = 0; i < count; i++) {
            size_t missing = wants[i] - shares[i];
            hungry += missing > 0 ? 1 : 0;
            nearest = missing > 0 && (nearest == count || missing < wants[nearest] - shares[nearest]) ? i : nearest;
        }
        if (hungry == 0) {
            return;
        }
        /* All of them the same, as far as the shortest needs; a rest that cannot be shared is that one's. */
        size_t least = wants[nearest] - shares[nearest];
        size_t each = budget / hungry < least ? budget / hungry : least;
        if (each == 0) {
            each = budget < least ? budget : least;
            shares[nearest] += each;
            budget -= each;
            continue;
        }
        for (size_t i = 0; i < count; i++) {
            size_t given = wants[i] > shares[i] ? each : 0;
            shares[i] += given;
            budget -= given;
        }
    }
}

void weft_pace_line_up(const size_t *wants, size_t count, size_t budget, size_t *shares)
{
    memset(shares, 0, count * sizeof(*shares));
    while (budget > 0) {
        size_t next = count;
        for (size_t i = 0; i < count; i++) {
            next = shares[i] < wants[i] && (next == count || wants[i] < wants[next]) ? i : next;
        }
        if (next == count) {
            return;
        }
        shares[next] = wants[next] < budget ? wants[next] : budget;
        budget -= shares[next];
    }
}

size_t weft_pace_copy_rows(const struct weft_pace *pace)
{
    return (size_t)(pace->copy_us / row_us(pace));
}
