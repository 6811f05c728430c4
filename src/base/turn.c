/* base/turn.c - one turn of the loop. */
#include "base/turn.h"

void weft_turn_init(struct weft_turn *turn)
{
    *turn = (struct weft_turn){0};
}

void weft_task_init(struct weft_task *task, void (*run)(struct weft_task *task))
{
    *task = (struct weft_task){.run = run};
}

static void list_add(struct weft_task_list *list, struct weft_task *task)
{
    if (task->list) {
        return;
    }
    task->list = list;
    task->next = NULL;
    task->previous = list->last;
    if (list->last) {
        list->last->next = task;
    } else {
        list->first = task;
    }
    list->last = task;
}

void weft_turn_add(struct weft_turn *turn, struct weft_task *task)
{
    list_add(&turn->work, task);
}

void weft_turn_add_flush(struct weft_turn *turn, struct weft_task *task)
{
    list_add(&turn->flush, task);
}

void weft_task_remove(struct weft_task *task)
{
    struct weft_task_list *list = task->list;
    if (!list) {
        return;
    }
    if (task->previous) {
        task->previous->next = task->next;
    } else {
        list->first = task->next;
    }
    if (task->next) {
        task->next->previous = task->previous;
    } else {
        list->last = task->previous;
    }
    task->next = task->previous = NULL;
    task->list = NULL;
}

void weft_turn_run(struct weft_turn *turn)
{
    for (;;) {
        struct weft_task *task = turn->work.first ? turn->work.first : turn->flush.first;
        if (!task) {
            return;
        }
        weft_task_remove(task);
        task->run(task);
    }
}
