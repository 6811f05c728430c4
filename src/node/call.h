/* node/call.h - one request on its way through the front door, from its head to the line in the journal. */
#ifndef WEFT_NODE_CALL_H
#define WEFT_NODE_CALL_H

#include "node/front.h"

#define WEFT_CALL_ID_SIZE 21 /* "req-" and 16 hexadecimal digits, with the NUL */

/* Lives in the exchange's arena. */
struct weft_call {
    struct weft_front *front;
    struct weft_exchange *exchange; /* the call is its worker */
    enum weft_route route;
    enum weft_principal principal;
    struct weft_caller caller; /* as its connection knew it; `principal` is what became of that */
    weft_time started;
    char id[WEFT_CALL_ID_SIZE];
    struct weft_call *next, *previous; /* in the front's list, until it is closed */
    /* Ends and closes the call now, as far as possible in its own words (`weft_call_cut_off`): the node is ending.
     * NULL: it is refused. For whoever takes longer than a turn; `worker` is theirs. */
    void (*cut)(struct weft_call *call);
    void *worker;
    bool was_cut;
};

/* What those hear whose answers the node cuts. */
extern const struct weft_refusal weft_call_cut_off;
#define WEFT_CALL_RETRY_S 5 /* what they are told to wait, and those who come while the node drains */

/* Answers in full with JSON and ends the call. */
void weft_call_json(struct weft_call *call, int status, struct weft_slice json);
void weft_call_refuse(struct weft_call *call, const struct weft_refusal *refusal);
/* The same, and says when it is worth another try. */
void weft_call_put_off(struct weft_call *call, const struct weft_refusal *refusal, int retry_s);
/* Answers in full with what is in `body`, which is emptied, and ends the call. `error`: what went wrong in making it,
 * or 0. */
void weft_call_answer(struct weft_call *call, int status, struct weft_slice type, struct weft_bytes *body, int error);
/* Counts and journals the call; `status` 0: it was not answered, and `error` says why. Leaving the exchange is for
 * whoever holds its worker's end. */
void weft_call_close(struct weft_call *call, int status, bool cancelled, int error);

/* -- the handlers, one for each route; each ends the call sooner or later -- */
void weft_call_health(struct weft_call *call);
void weft_call_ready(struct weft_call *call);
void weft_call_metrics(struct weft_call *call);
void weft_call_status(struct weft_call *call);
void weft_call_load(struct weft_call *call);
void weft_call_drain(struct weft_call *call);
void weft_call_api(struct weft_call *call);
/* -- of the mesh: mesh_calls.c for its owner, mesh_routes.c for other nodes -- */
void weft_call_mesh(struct weft_call *call);
void weft_call_mesh_acts(struct weft_call *call);
void weft_call_join(struct weft_call *call);
void weft_call_hello(struct weft_call *call);
void weft_call_admit(struct weft_call *call);
void weft_call_gossip(struct weft_call *call);
void weft_call_generate(struct weft_call *call); /* serving.c */
void weft_call_peers(struct weft_call *call);    /* peer_relay.c */

#endif
