/* base/turn.h - one turn of the loop: what is due now, and what is flushed after it.
 *
 * A callback that learns something never acts on it there: it adds a task, and the turn runs the task when the callback
 * has returned. Flush tasks run when no other task is left, so that everything a turn has for one socket
 * leaves in one write. */
#ifndef WEFT_BASE_TURN_H
#define WEFT_BASE_TURN_H

#include "base/types.h"

struct weft_task {
    void (*run)(struct weft_task *task);
    struct weft_task *next, *previous; /* in `list` */
    struct weft_task_list *list;       /* where it waits, or NULL */
};

struct weft_task_list {
    struct weft_task *first, *last;
};

struct weft_turn {
    weft_time now; /* set by the loop before anything else in a turn; nobody else has a clock */
    struct weft_task_list work, flush;
};

void weft_turn_init(struct weft_turn *turn);
void weft_task_init(struct weft_task *task, void (*run)(struct weft_task *task));

/* Adds the task once, however often it is asked for before it runs. A task may add itself or others again. */
void weft_turn_add(struct weft_turn *turn, struct weft_task *task);
void weft_turn_add_flush(struct weft_turn *turn, struct weft_task *task);
void weft_task_remove(struct weft_task *task); /* before a task's memory goes */

/* Runs until nothing is due. */
void weft_turn_run(struct weft_turn *turn);

#endif
