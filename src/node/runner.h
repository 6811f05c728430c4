/* node/runner.h - one engine process, from its start to its end: what it is at, and the requests to it.
 *
 * It is asked how it is while it loads, and now and then later: one that no longer answers is ended. Whatever brings
 * its end about, requests that run on it fail at once, and its user hears why. */
#ifndef WEFT_NODE_RUNNER_H
#define WEFT_NODE_RUNNER_H

#include "node/loop.h"
#include "node/relay.h"
#include "wire/json.h"

#define WEFT_RUNNER_POLL    (100 * WEFT_MS)    /* how often one that loads is asked how far it is */
#define WEFT_RUNNER_WATCH   (5 * WEFT_SECOND)  /* how often one that is ready is asked whether it lives */
#define WEFT_RUNNER_SILENCE (60 * WEFT_SECOND) /* no answer to that, or no first one at all: it is ended */
#define WEFT_RUNNER_LOAD_SILENCE_MIN                                                                                   \
    (5 * WEFT_SECOND) /* one that loads gets no less, as it takes disk and cores from its own answers */
#define WEFT_RUNNER_PARTING                                                                                            \
    (2 * WEFT_SECOND) /* what one gets to end by itself, its socket closed: then it is killed                          \
                       */
#define WEFT_RUNNER_WHY_MAX 192

struct weft_runner;

/* All of them from the turn. */
struct weft_runner_user {
    void (*loading)(void *self, double progress);  /* 0..1 */
    void (*ready)(void *self, const json_t *info); /* what GET /info said; valid during the call */
    /* It is gone, or going, and takes no more requests: `ended` comes. NULL if nobody wants to know. */
    void (*ending)(void *self);
    /* It cannot load this model, and another one could not either, unless it is `for_memory` and there will be more.
     * The runner is stopping. */
    void (*refused)(void *self, const char *message, bool for_memory);
    /* It computes on so many threads from now on, as it was told. NULL if nobody wants to know. */
    void (*shared)(void *self, int32_t threads);
    /* The last call: the runner is to be freed. `why`: what became of it, as in "the engine WHY". `for_good`: another
     * one would end the same way. */
    void (*ended)(void *self, const char *why, bool for_good);
};

struct weft_runner_options {
    struct weft_loop *loop;
    struct weft_spawn spawn; /* what it says is copied */
    /* Once it has answered, and until it is ready, it is ended when it answers nothing for so long, within the two
     * bounds above. How far it is does not matter: the thread that answers is not the one that loads, so a slow disk
     * is no silence. Its first answer may take longer: libraries and devices come before it. */
    weft_time stall;
    const struct weft_runner_user *user;
    void *self;
};

/* Starts the process. On error *out is NULL and nothing is called: see struct weft_host_ops for what `spawn` says. */
WEFT_MUST_USE int weft_runner_new(struct weft_runner **out, const struct weft_runner_options *options);
/* Ends it at once if it still lives. NULL is fine. */
void weft_runner_free(struct weft_runner *runner);
/* Closes its socket, which asks it to end; `ended` comes. */
void weft_runner_stop(struct weft_runner *runner);
/* Ends it at once, as it does not do what it should; `ended` comes, with this `why` (a literal). */
void weft_runner_kill(struct weft_runner *runner, const char *why);

/* Once it has ended: somebody else had killed it, or asked it to end. */
bool weft_runner_ended_by_others(const struct weft_runner *runner);

/* Tells it, once it is ready, on how many threads it may compute. One that cannot change them goes on as it is. */
void weft_runner_share(struct weft_runner *runner, int32_t threads);

int64_t weft_runner_process(const struct weft_runner *runner); /* 0 when it has ended */
/* Where requests to it go; holds for this turn. WEFT_ERR_CLOSED when it is ending. */
WEFT_MUST_USE int weft_runner_target(struct weft_runner *runner, struct weft_relay_target *target);

/* What its engine has counted so far, or had at its end. */
struct weft_runner_counts {
    uint64_t tokens_sampled, steps;
};
struct weft_runner_counts weft_runner_counts(const struct weft_runner *runner);

/* What an exit code or signal says, into `why`: "was killed (signal 9)". */
void weft_runner_why(int code, int signal, char why[WEFT_RUNNER_WHY_MAX]);

#endif
