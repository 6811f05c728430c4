/* engine/outbox.h - events on their way from the computing thread, in batches. */
#ifndef WEFT_ENGINE_OUTBOX_H
#define WEFT_ENGINE_OUTBOX_H

#include "engine/job.h"

struct weft_outbox {
    struct weft_event_batch *first, *last;
    struct weft_event **tail; /* where the open batch's next event goes; NULL: none is open */
};

/* A new, zeroed event in the open batch; NULL if memory ran out. */
struct weft_event *weft_outbox_add(struct weft_outbox *outbox, enum weft_event_kind kind, struct weft_job *job,
                                   uint16_t choice);
/* Memory that lives as long as the event that was added last. */
void *weft_outbox_alloc(struct weft_outbox *outbox, size_t size);
/* A copy there of two texts, one after the other; data is NULL if memory ran out. */
struct weft_slice weft_outbox_join(struct weft_outbox *outbox, struct weft_slice first, struct weft_slice second);

/* A batch that was made before, after what is there; takes it over. */
void weft_outbox_append(struct weft_outbox *outbox, struct weft_event_batch *batch);
/* All batches so far, oldest first; they are the caller's. */
struct weft_event_batch *weft_outbox_take(struct weft_outbox *outbox, struct weft_event_batch **last);

#endif
