/* node/external.h - one OpenAI-compatible server that is not ours: whether it is there, which models it has, and what
 * is asked of it.
 *
 * It is asked for its models every WEFT_EXTERNAL_CHECK, and more often while an answer of it is awaited in silence:
 * that it answers is its sign of life, which such servers do not send by themselves. What it says of itself is not
 * checked by anybody: its models are labelled `unverified`. */
#ifndef WEFT_NODE_EXTERNAL_H
#define WEFT_NODE_EXTERNAL_H

#include "node/external_asking.h"
#include "node/journal.h"
#include "node/loop.h"
#include "node/metrics.h"
#include "node/native.h"
#include "wire/url.h"

#define WEFT_EXTERNAL_MODELS_MAX  512 /* of one server; more are passed over */
#define WEFT_EXTERNAL_MODEL_MAX   128 /* bytes of a name; a longer one is passed over */
#define WEFT_EXTERNAL_RUNNING_MAX 64  /* answers at once; the server queues what it does not take on */
#define WEFT_EXTERNAL_CONNECTIONS_MAX                                                                                  \
    (WEFT_EXTERNAL_RUNNING_MAX + 2) /* one for the checks, one that is just closing                                    \
                                     */
#define WEFT_EXTERNAL_KEY_MAX     512
#define WEFT_EXTERNAL_PROBLEM_MAX 256
#define WEFT_EXTERNAL_CHECK       (10 * WEFT_SECOND)
#define WEFT_EXTERNAL_CHECK_TIME  (5 * WEFT_SECOND) /* for one answer to it */
#define WEFT_EXTERNAL_PAUSE_FIRST                                                                                      \
    (WEFT_SECOND / 2) /* before it is looked at again, when it is down; doubled each time */
#define WEFT_EXTERNAL_PAUSE_MAX (30 * WEFT_SECOND)
#define WEFT_EXTERNAL_PATIENCE  (30 * WEFT_SECOND) /* down for so long, nobody waits for it any more */
#define WEFT_EXTERNAL_TICK      WEFT_SECOND
#define WEFT_EXTERNAL_SILENCE                                                                                          \
    600 /* ticks in which an answer says nothing, though the server is there: then it is cut */

enum weft_external_state {
    WEFT_EXTERNAL_ASKED, /* not heard of yet */
    WEFT_EXTERNAL_UP,
    WEFT_EXTERNAL_DOWN, /* `problem` says why; it is looked at again after a pause */
};
const char *weft_external_state_name(enum weft_external_state state); /* "up" */

struct weft_external;         /* a server */
struct weft_external_attempt; /* one request for an answer of it */

struct weft_external_info {
    struct weft_slice name; /* its URL, as its owner has written it */
    enum weft_external_state state;
    bool given_up; /* down for longer than anybody should wait */
    enum weft_external_kind kind;
    const char *problem; /* or NULL */
    size_t models, running;
};

struct weft_external_options {
    struct weft_loop *loop;
    struct weft_journal *journal;
    struct weft_metrics *metrics;
    struct weft_url url;         /* copied, as the next two */
    struct weft_slice name;      /* what it is called in logs and status: its URL */
    struct weft_slice key;       /* what it is shown; empty: nothing */
    weft_time stall;             /* an answer that says nothing for so long, while the server is down, is lost */
    uint64_t id;                 /* of this node: see weft_upstream_via() */
    void (*changed)(void *self); /* its state, or the models it has. NULL if nobody wants to know */
    void *self;
};

/* Asks nothing yet. On error *out is NULL. */
WEFT_MUST_USE int weft_external_new(struct weft_external **out, const struct weft_external_options *options);
void weft_external_start(struct weft_external *external);
/* Attempts that still run are forgotten: nothing is called. */
void weft_external_free(struct weft_external *external);

void weft_external_info(const struct weft_external *external, struct weft_external_info *info);
/* A model's name as the server has it; `index` is below info.models, and holds until `changed`. */
struct weft_slice weft_external_model(const struct weft_external *external, size_t index);
/* The index of a name, letter by letter as the server has it, or -1. */
int weft_external_find(const struct weft_external *external, struct weft_slice name);
/* What requests to it say in Via: one that comes with it has been here. */
struct weft_slice weft_external_via(const struct weft_external *external);

/* -- attempts: as those of node/native.h, but without tokens -- */

struct weft_external_attempt_options {
    enum weft_openai_shape shape;
    uint16_t choices;
    struct weft_bytes *body; /* JSON, of weft_external_asking_write(); taken */
    const struct weft_native_user *user;
    void *self;
};

/* WEFT_ERR_BUSY while the server is not up, WEFT_ERR_FULL when as many run as may; on error *out is NULL and nothing is
 * called. A frame of progress is given for each sign of life in silence. */
WEFT_MUST_USE int weft_external_ask(struct weft_external_attempt **out, struct weft_external *external,
                                    const struct weft_external_attempt_options *options);
void weft_external_cancel(struct weft_external_attempt *attempt);
void weft_external_pause(struct weft_external_attempt *attempt, bool on);

#endif
