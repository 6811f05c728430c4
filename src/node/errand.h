/* node/errand.h - what a call has begun and takes longer than a turn. It outlives the call if the client leaves. */
#ifndef WEFT_NODE_ERRAND_H
#define WEFT_NODE_ERRAND_H

#include "node/call.h"

struct weft_errand {
    struct weft_call *call; /* NULL: its client has left, and what it asked for goes on */
    struct weft_front *front;
    struct weft_errand *next;
};

/* Takes the call's worker's end. NULL: there was no memory, and the call is answered. */
struct weft_errand *weft_errand_new(struct weft_call *call);
/* The call that waits, or NULL; the errand is over. */
struct weft_call *weft_errand_end(struct weft_errand *errand);

/* All of them: nothing that is under way will be told. After weft_front_cut(), or when no connection is left. */
void weft_errands_end(struct weft_front *front);

/* For a call's wake: true once the whole body of at most `max` bytes is here. Else it waits, or the call is over. */
bool weft_errand_body_came(struct weft_call *call, size_t max);

#endif
