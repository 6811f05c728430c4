/* engine/outbox.c - events on their way from the computing thread, in batches. */
#include "engine/outbox.h"

#include "base/mem.h"
#include "engine/scheduler.h"

void weft_event_batch_free(struct weft_event_batch *batch)
{
    if (batch) {
        weft_arena_deinit(&batch->arena);
        weft_free(batch);
    }
}

static bool open_batch(struct weft_outbox *outbox)
{
    struct weft_event_batch *batch = weft_zalloc(sizeof(*batch));
    if (!batch) {
        return false;
    }
    weft_arena_init(&batch->arena);
    weft_outbox_append(outbox, batch);
    outbox->tail = &batch->first;
    return true;
}

struct weft_event *weft_outbox_add(struct weft_outbox *outbox, enum weft_event_kind kind, struct weft_job *job,
                                   uint16_t choice)
{
    if (!outbox->tail && !open_batch(outbox)) {
        return NULL;
    }
    struct weft_event *event = weft_arena_alloc(&outbox->last->arena, sizeof(*event));
    if (event) {
        *event = (struct weft_event){.kind = kind, .job = job, .choice = choice};
        *outbox->tail = event;
        outbox->tail = &event->next;
    }
    return event;
}

void *weft_outbox_alloc(struct weft_outbox *outbox, size_t size)
{
    return weft_arena_alloc(&outbox->last->arena, size);
}

struct weft_slice weft_outbox_join(struct weft_outbox *outbox, struct weft_slice first, struct weft_slice second)
{
    char *text = weft_outbox_alloc(outbox, first.size + second.size);
    if (!text) {
        return (struct weft_slice){0};
    }
    if (first.size > 0) {
        memcpy(text, first.data, first.size);
    }
    if (second.size > 0) {
        memcpy(text + first.size, second.data, second.size);
    }
    return weft_slice(text, first.size + second.size);
}

void weft_outbox_append(struct weft_outbox *outbox, struct weft_event_batch *batch)
{
    batch->next = NULL;
    if (outbox->last) {
        outbox->last->next = batch;
    } else {
        outbox->first = batch;
    }
    outbox->last = batch;
    outbox->tail = NULL;
}

struct weft_event_batch *weft_outbox_take(struct weft_outbox *outbox, struct weft_event_batch **last)
{
    struct weft_event_batch *first = outbox->first;
    *last = outbox->last;
    *outbox = (struct weft_outbox){0};
    return first;
}
