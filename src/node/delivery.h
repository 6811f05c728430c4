/* node/delivery.h - one answer, brought to its end over as many attempts at engines as it takes.
 *
 * It waits in the model's line, asks the engine, or a node of the mesh, and hands the frames on; when that dies, hangs
 * or lets go of it, it waits again, and the next attempt goes on behind what was handed on (mesh/resume.h), in the mesh
 * at whoever holds the same model: whoever listens hears one answer, with a pause. Errors that an engine itself answers
 * are final. */
#ifndef WEFT_NODE_DELIVERY_H
#define WEFT_NODE_DELIVERY_H

#include "crypto/mark.h"
#include "node/externals.h"
#include "node/journal.h"
#include "node/models.h"
#include "node/native.h"
#include "node/peers.h"
#include "node/segments.h"

#define WEFT_DELIVERY_BARREN_MAX   4  /* attempts one after the other that bring no new token */
#define WEFT_DELIVERY_BROKEN_MAX   2  /* ... that a server which is not ours has taken and broken off */
#define WEFT_DELIVERY_ATTEMPTS_MAX 32 /* of one answer */

/* How another node of the mesh is asked: docs/PROTOCOL.md. */
#define WEFT_MESH_GENERATE    "/generate" /* below the path of the way to it: node/peer_way.h */
#define WEFT_MESH_MODEL_FIELD "x-weft-model-hash"

struct weft_delivery;

struct weft_delivery_user {
    /* Its first turn has come: appends the body of POST /generate, a JSON object without "resume"; nothing where a
     * server is asked that is not ours. */
    int (*begin)(void *self, struct weft_bytes *body);
    /* One frame of the answer, but for error and end, as weft_native_user gives it. */
    void (*frame)(void *self, const struct weft_frame *frame);
    /* About once a second while it waits; `estimate` is WEFT_NEVER if nothing is known. */
    void (*waiting)(void *self, size_t ahead, weft_time estimate);
    /* The last call: NULL if the answer is whole. The delivery is freed after it. */
    void (*ended)(void *self, const struct weft_native_problem *problem);
};

struct weft_delivery_options {
    struct weft_loop *loop;
    struct weft_journal *journal;
    const char *id; /* of the request, for the journal; copied */
    struct weft_models *models;
    size_t model;
    /* A server that is not ours is asked instead, if there is one; what the client wrote is kept for that. */
    struct weft_external_offer external; /* its name is copied */
    const struct weft_openai_request *request;
    /* Or a node of the mesh is asked, which holds the model of this name and hash; the name is copied. */
    struct weft_peers *peers;
    struct weft_slice name;
    const uint8_t *hash;   /* copied. Of ours: what it must be, at each attempt. NULL: whichever file it is */
    const json_t *resume;  /* what was told before it came here: one array of ids for each choice. NULL: nothing */
    uint16_t choices;      /* that it asks for */
    uint64_t principal;    /* who has to be dealt with fairly */
    struct weft_mark mark; /* of the client's request */
    weft_time wait;        /* at most, for its first turn */
    const struct weft_delivery_user *user;
    void *self;
};

/* On error *out is NULL, nothing is called, and *problem says what to tell the client. */
WEFT_MUST_USE int weft_delivery_start(struct weft_delivery **out, const struct weft_delivery_options *options,
                                      struct weft_native_problem *problem);
/* Whoever asked has lost interest: nothing is called any more. From a callback too. */
void weft_delivery_cancel(struct weft_delivery *delivery);
/* The node of the mesh that is being asked, or NULL; and who of them has told what, also during `ended`. */
const struct weft_peers_choice *weft_delivery_peer(const struct weft_delivery *delivery);
const struct weft_segments *weft_delivery_segments(const struct weft_delivery *delivery);
/* While on, frames are kept back: the reader is slow. */
void weft_delivery_pause(struct weft_delivery *delivery, bool on);

#endif
