/* node/front.h - the front door: every request that a client sends comes in here, is checked against the access table,
 * and is answered or relayed. */
#ifndef WEFT_NODE_FRONT_H
#define WEFT_NODE_FRONT_H

#include "crypto/mark.h"
#include "node/access.h"
#include "node/externals.h"
#include "node/journal.h"
#include "node/loop.h"
#include "node/mesh.h"
#include "node/metrics.h"
#include "node/models.h"
#include "node/peers.h"
#include "node/upstream.h"

/* Of a request to the node itself: then 413. Well below WEFT_HTTP_FLOW_HIGH, where the carrier stops reading: the body
 * is waited for in the exchange. */
#define WEFT_FRONT_BODY_MAX ((size_t)16 * 1024)

struct weft_call;

struct weft_front {
    struct weft_loop *loop;
    struct weft_journal *journal;
    struct weft_metrics *metrics;
    struct weft_upstream *upstream;   /* NULL: nothing is relayed */
    struct weft_models *models;       /* perhaps none */
    struct weft_externals *externals; /* likewise */
    struct weft_mesh *mesh;           /* perhaps not on */
    struct weft_peers *peers;         /* likewise */
    struct weft_access_policy access;
    const char *version;
    struct weft_key key;                          /* this node's; not set where it has no links */
    weft_time queue_wait;                         /* of a request for an answer */
    struct weft_mark_key mark_key;                /* of this run: requests are known again by it */
    uint64_t (*random)(void *self);               /* for request ids */
    void (*drain)(void *self, weft_time timeout); /* the owner asks the node to stop; negative: its own timeout */
    bool (*draining)(const void *self);
    void *self;
    struct weft_call *calls;     /* that are not closed */
    struct weft_errand *errands; /* of the mesh, under way: see errand.h */
    /* private to front.c */
    int64_t date_s; /* what `date` says */
    char date[32];
};

/* A request's head is complete: takes the worker's end. */
void weft_front_request(struct weft_front *front, struct weft_exchange *exchange, const struct weft_caller *caller);
/* Ends all that run, each by an error in its own shape. Returns how many there were. */
size_t weft_front_cut(struct weft_front *front);

#endif
