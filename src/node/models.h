/* node/models.h - the models this node serves, each by an engine of its own.
 *
 * An engine is started, watched while it loads, restarted when it dies (with a growing pause), and given up, with a
 * reason, when it keeps dying of itself: not where requests may be why, or it had written something (node/line.h).
 * Models that were named are loaded at once; those that are only offered when somebody wants them, and they go again
 * when nobody does for long. Any may go when another one needs its memory (node/tenancy.h says who). Those that are
 * loaded share the cores. */
#ifndef WEFT_NODE_MODELS_H
#define WEFT_NODE_MODELS_H

#include "host/host.h"
#include "node/config.h"
#include "node/journal.h"
#include "node/loop.h"
#include "node/model_match.h"
#include "node/relay.h"

#define WEFT_MODELS_MAX         64 /* named and offered ones */
#define WEFT_MODELS_LOADED_MAX  WEFT_CONFIG_MODELS_MAX
#define WEFT_MODEL_NAME_MAX     128
#define WEFT_MODEL_PROBLEM_MAX  512
#define WEFT_MODEL_RESTARTS_MAX 5 /* deaths in a row, none of which came after a minute of service: then given up */
#define WEFT_MODEL_PAUSE_FIRST  (WEFT_SECOND / 4)
#define WEFT_MODEL_PAUSE_MAX    (30 * WEFT_SECOND)
#define WEFT_MODEL_AT_ONCE      WEFT_SECOND /* of service, before a death that is not put down to it: no pause then */
#define WEFT_MODEL_STEADY       (60 * WEFT_SECOND)
#define WEFT_MODEL_HOPE_PAUSE   (30 * WEFT_SECOND) /* one that was given up for now may be wanted again then */

enum weft_model_state {
    WEFT_MODEL_UNLOADED, /* it has no engine, and gets one when it is wanted */
    WEFT_MODEL_STARTING, /* its process is being made, or will be after a pause, or when there is room for it */
    WEFT_MODEL_LOADING,  /* it reads the file */
    WEFT_MODEL_READY,
    WEFT_MODEL_UNLOADING, /* its engine was told to end, and has not yet */
    WEFT_MODEL_FAILED,    /* given up: `problem` says why; a new start of the node tries again */
};
#define WEFT_MODEL_STATES 6
const char *weft_model_state_name(enum weft_model_state state); /* "ready" */

/* What one of its models is at, and what its engine says of itself. */
struct weft_model_info {
    struct weft_slice name; /* as clients name it: the file's name without .gguf */
    enum weft_model_state state;
    double progress;                /* of loading, 0..1 */
    const char *problem;            /* of one that was given up, or left out for lack of memory; or NULL */
    bool named;                     /* it is loaded at once, and not unloaded for being idle */
    bool shared;                    /* the nodes of the mesh may use it */
    bool waits;                     /* for the memory of others, which are needed */
    size_t users;                   /* answers that run on it or wait for it */
    int64_t process;                /* of the engine, or 0 */
    uint32_t starts;                /* how often it was started */
    uint32_t deaths;                /* how often it ended without being told to */
    uint32_t unloads;               /* how often it was told to end */
    uint64_t tokens_sampled, steps; /* by all its engines, as they say */
    int64_t loaded_s;               /* wall clock, seconds since 1970; 0 before */
    const uint8_t *hash;            /* SHA-256 of its file, WEFT_HOST_HASH_SIZE bytes; NULL: not known (yet) */
    /* once it was ready */
    int32_t slots, context_tokens, trained_tokens, threads;
    uint64_t memory; /* bytes, estimated at load */
    const char *description, *quant, *variant, *sandbox;
    const char *device;       /* beside the CPU; "": none */
    const char *kernel_class; /* of engines that compute the same bits from the same file */
    bool exact;               /* an answer depends on its request alone */
    bool knows_tools, knows_reasoning, has_template;
    double temperature, top_p, min_p; /* recommended by its file; negative: it says nothing */
    int32_t top_k;                    /* likewise */
};

struct weft_line;
struct weft_models;

struct weft_models_user {
    /* Something changed about model `index`: its state, its progress. */
    void (*changed)(void *self, size_t index);
    /* The hash of one is known now, or not any more. NULL: nobody wants to know. */
    void (*hashed)(void *self);
    /* After weft_models_stop(): no engine is left. */
    void (*stopped)(void *self);
};

struct weft_models_options {
    struct weft_loop *loop;
    struct weft_journal *journal;
    const struct weft_config *config;
    const char *engine;       /* path of weft-engine */
    const char *const *paths; /* of the model files */
    size_t count;
    size_t offered; /* the last so many of them are loaded when they are wanted */
    const struct weft_models_user *user;
    void *self;
};

/* WEFT_ERR_EXISTS if two files have the same name, WEFT_ERR_INVALID if one has a name that cannot be told. Starts
 * nothing yet. On error *out is NULL. */
WEFT_MUST_USE int weft_models_new(struct weft_models **out, const struct weft_models_options *options,
                                  char problem[WEFT_MODEL_PROBLEM_MAX]);
void weft_models_start(struct weft_models *models);
/* Asks the engines to end, kills those that take longer than WEFT_RUNNER_PARTING, then calls `stopped`: later, always.
 */
void weft_models_stop(struct weft_models *models);
/* Ends the engines at once. */
void weft_models_free(struct weft_models *models);

size_t weft_models_count(const struct weft_models *models);
void weft_models_info(const struct weft_models *models, size_t index, struct weft_model_info *info);
/* The index of the one model that is meant by a name as people type it, or -1; `match` then says why. */
int weft_models_find(const struct weft_models *models, struct weft_slice name, struct weft_model_match *match);
/* The index of a model whose file has this hash, as far as is known, or -1; of several one that is ready. `shared`: of
 * those that the mesh may use. */
int weft_models_find_hash(const struct weft_models *models, const uint8_t hash[WEFT_HOST_HASH_SIZE], bool shared);
/* 1: its engine has loaded, or is loading, a file of this hash and no other; 0: another one, or nobody knows.
 * WEFT_ERR_BUSY: the file is being looked at, which says that soon. It is looked at as a load begins and after it:
 * `sure`: both must have been. */
WEFT_MUST_USE int weft_models_holds(const struct weft_models *models, size_t index,
                                    const uint8_t hash[WEFT_HOST_HASH_SIZE], bool sure);
/* The hashes of all are wanted: also of those that nobody has loaded, whose files are read for that. */
void weft_models_hash(struct weft_models *models);
/* The line before its engine: through it go all requests to it. Who joins it wants the model, and while anybody stands
 * in it the model stays. */
struct weft_line *weft_models_line(const struct weft_models *models, size_t index);
/* Somebody needs it: it is loaded if it is not, and was not given up. */
void weft_models_want(struct weft_models *models, size_t index);
/* Where requests to its engine go. WEFT_ERR_BUSY while it is not ready (not loaded; a restart; loading),
 * WEFT_ERR_CLOSED when it was given up. The target holds for this turn. */
WEFT_MUST_USE int weft_models_target(struct weft_models *models, size_t index, struct weft_relay_target *target);
/* Of those that were named: all ready, or loaded when wanted since memory is short (1), some still on their way (0), or
 * one given up (WEFT_ERR_CLOSED). */
int weft_models_ready(const struct weft_models *models);

#endif
