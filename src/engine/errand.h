/* engine/errand.h - one request to the engine, from its head to the last byte of its answer.
 *
 * An errand collects its body, hands it to its route, and lives until the client has its answer (or has gone) and the
 * computing thread has given the job back. Routes answer by one of the functions below, after which the errand is no
 * longer theirs; or they submit a job, and go on when its events come. */
#ifndef WEFT_ENGINE_ERRAND_H
#define WEFT_ENGINE_ERRAND_H

#include "base/turn.h"
#include "engine/backend.h"
#include "engine/job.h"
#include "engine/model.h"
#include "engine/options.h"
#include "engine/pulse.h"
#include "engine/request.h"
#include "engine/scheduler.h"
#include "host/host.h"
#include "http/exchange.h"

#define WEFT_ERRAND_MESSAGE_MAX 512 /* bytes of the sentence in an error answer */
#define WEFT_ERRAND_RETRY_S     1   /* what a client is told that came too early, or when all is full */

enum weft_desk_state {
    WEFT_DESK_LOADING, /* the model's file is being read */
    WEFT_DESK_READY,
    WEFT_DESK_FAILED, /* it could not be loaded: `code` and `problem` say why */
};

/* What all errands share: the model, and who computes. */
struct weft_desk {
    struct weft_turn turn;
    struct weft_host *host;
    const struct weft_engine_options *engine;
    const struct weft_backend *backend;
    const char *sandbox_level;
    enum weft_desk_state state;
    struct weft_model_progress progress;
    const char *code;
    char problem[WEFT_ENGINE_PROBLEM_MAX];
    struct weft_model *model;         /* NULL until ready */
    struct weft_scheduler *scheduler; /* likewise */
    struct weft_errand *errands;      /* all there are, the newest first */
    struct weft_pulse pulse;
};

struct weft_errand {
    struct weft_desk *desk;
    struct weft_errand *next, *previous; /* in desk->errands */
    const struct weft_route *route;
    struct weft_exchange *exchange; /* NULL: nobody waits for the answer any more */
    struct weft_bytes body;
    struct weft_arena arena;     /* for the request */
    struct weft_request request; /* POST: as it was read */
    struct weft_job job;
    bool whole;   /* the body is here */
    bool begun;   /* the route has the request */
    bool running; /* the job is the scheduler's until DONE */
    bool told;    /* a part of the answer went out since the desk's last look */
    void *work;   /* the route's */
};

/* What can be asked for. */
struct weft_route {
    const char *method, *path;
    enum weft_request_kind kind; /* of its body; a GET has none */
    bool at_any_time;            /* also without a model */
    void (*begin)(struct weft_errand *errand);
    void (*event)(struct weft_errand *errand, const struct weft_event *event); /* of its job; NULL if it has none */
    void (*sign)(struct weft_errand *errand); /* sends a sign of life; NULL if its answer comes whole */
    void (*free)(struct weft_errand *errand); /* gives back errand->work, which may be NULL; NULL if it has none */
};

/* Takes the worker's end of the exchange, and finds the route in a table that ends with one without a path. */
void weft_errand_start(struct weft_desk *desk, const struct weft_route *routes, struct weft_exchange *exchange);
/* Begins the oldest request that has its body. True if there are more: each is for a turn of its own, as a template or
 * grammar may take long, and what others are to hear goes out between two turns. */
WEFT_MUST_USE bool weft_errand_begin_one(struct weft_desk *desk);
/* The desk has looked: if the computing thread `lives`, those hear so who heard nothing since its last look. */
void weft_errand_signs(struct weft_desk *desk, bool lives);
/* An event of the errand's job. */
void weft_errand_event(const struct weft_event *event);
/* The job of `job` is back because the scheduler ends. */
void weft_errand_returned(struct weft_job *job);
/* At the end of everything; the scheduler is gone. */
void weft_errand_free(struct weft_errand *errand);

/* -- how routes answer: the errand is not theirs after any of these -- */

struct weft_errand_problem {
    int status;
    const char *code, *message; /* the message holds nothing of the request's values */
    int retry_s;                /* Retry-After, if not 0 */
    struct {
        const char *name;
        int64_t value;
    } numbers[3]; /* those that the message names; a NULL name ends them */
};

void weft_errand_refuse(struct weft_errand *errand, const struct weft_errand_problem *problem);
/* Refuses because of an error that is no fault of the request's: out of memory, or a bug. */
void weft_errand_fail(struct weft_errand *errand, int error);
/* 200 with a JSON body, which is taken; fails instead if `error` is one. */
void weft_errand_reply(struct weft_errand *errand, struct weft_bytes *json, int error);
/* The answer is complete, or will never be (`error`). A job that still runs is cancelled. */
void weft_errand_end(struct weft_errand *errand, int error);

/* -- or go on -- */

/* Submits errand->job, whose members are set but for the owner. On error (refused already, if it was full) the errand
 * is not the route's any more. */
WEFT_MUST_USE int weft_errand_submit(struct weft_errand *errand);
/* Does a prompt of so many tokens, with an answer of up to `answer` more, fit? If not, it is refused. */
WEFT_MUST_USE bool weft_errand_fits(struct weft_errand *errand, size_t prompt, uint64_t answer);

/* A number as people read it: "5,120". */
#define WEFT_ERRAND_NUMBER_MAX 32
void weft_errand_number(char text[WEFT_ERRAND_NUMBER_MAX], uint64_t number);

#endif
