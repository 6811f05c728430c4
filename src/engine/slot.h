/* engine/slot.h - the places where answers are written, and what each holds of earlier work.
 *
 * A slot is a sequence of libllama's. When its answer is done it keeps what was read: a prompt that begins the same
 * goes on from there. */
#ifndef WEFT_ENGINE_SLOT_H
#define WEFT_ENGINE_SLOT_H

#include "base/types.h"

struct weft_task;

struct weft_slot {
    int32_t *ids;                 /* what was read and what is to be: room for the context and one more */
    size_t count;                 /* of ids: read, in the model's memory */
    size_t want;                  /* of ids: to be read */
    size_t awaited;               /* of ids: so far, somebody waits for the beginning; 0: nobody does */
    size_t logits;                /* from this one on, rows give logits */
    size_t rows, base;            /* of this step: how many, and how many were read before */
    int32_t first_row, more_rows; /* where they are in the batch */
    uint64_t used;                /* the number of the step that used it last; 0: never */
    struct weft_task *task;       /* NULL: free */
    uint16_t choice;              /* of the task */
};

struct weft_slot_choice {
    size_t slot;   /* a free one */
    size_t source; /* where the beginning comes from: the slot itself, or another one, free or not */
    size_t kept;   /* how much of the beginning; 0: none */
};

/* Which free slot should read `ids`? At most `limit` of them may be kept. A copy from another slot must save more than
 * `copy_rows`. 1, or 0 if none is free. */
int weft_slot_choose(const struct weft_slot *slots, size_t count, const int32_t *ids, size_t limit, size_t copy_rows,
                     struct weft_slot_choice *out);

/* Will a slot that reads soon hold more of the beginning of `ids`, up to `limit`, than any of them holds now, by more
 * than `least`? Then it is awaited: true. */
bool weft_slot_await(struct weft_slot *slots, size_t count, const int32_t *ids, size_t limit, size_t least);

#endif
