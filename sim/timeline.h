/* sim/timeline.h - a run as a picture: who did what to whom and when, and one HTML file that shows it.
 *
 * Marks hold names of hosts, sizes, and words of the simulator's and of nodes' logs; never what an exchange says. */
#ifndef WEFT_SIM_TIMELINE_H
#define WEFT_SIM_TIMELINE_H

#include <stdio.h>

#include "base/types.h"

#define WEFT_TIMELINE_LANES_MAX 32
#define WEFT_TIMELINE_MARKS_MAX 200000 /* what comes after is counted only */
#define WEFT_TIMELINE_TEXT_MAX  ((size_t)8 * 1024 * 1024)
#define WEFT_TIMELINE_NOBODY    UINT8_MAX /* in place of a lane */

enum weft_mark_kind {
    WEFT_MARK_MESSAGE, /* `number` bytes went from `lane` to `other` */
    WEFT_MARK_OPEN,    /* connection `number` of the two opens */
    WEFT_MARK_CLOSE,   /* ... ends at `lane` */
    WEFT_MARK_FAULT,   /* `text` befell `lane`, for `number` microseconds; with `other`: between the two */
    WEFT_MARK_LOG,     /* a line of a node's log */
    WEFT_MARK_NOTE,    /* what the story says of itself */
};

struct weft_timeline;

/* Takes its memory at once, so that adding takes none. On error *out is NULL. */
WEFT_MUST_USE int weft_timeline_new(struct weft_timeline **out);
void weft_timeline_free(struct weft_timeline *timeline);

/* Of these `timeline` may be NULL: then nothing happens. */
void weft_timeline_lane(struct weft_timeline *timeline, size_t lane, const char *name); /* a literal */
void weft_timeline_add(struct weft_timeline *timeline, weft_time at, enum weft_mark_kind kind, size_t lane,
                       size_t other, int64_t number, struct weft_slice text);

/* The whole file. */
void weft_timeline_write(const struct weft_timeline *timeline, FILE *file, const char *title);

#endif
