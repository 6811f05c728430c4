/* sim/child.h - weft-engine, played: processes that a node starts, load as a script says, and answer or die.
 *
 * What a request to /generate gets is said anywhere in its body, `do=WHAT&n=N`, or in its target behind a question
 * mark, or else in the script; tokens that it resumes are not said again:
 *
 * - frames: N tokens, one every few milliseconds, then finish, usage and end (what is done where nothing is said)
 * - flood: N tokens as fast as they are taken, then the same
 * - cut: N tokens, then the answer ends without an end
 * - error: N tokens, then an error frame
 * - die: N tokens, also when it is resumed, then the process is killed
 * - stall: N tokens, then nothing, until whoever asks gives up
 * - refuse: 400, with the engine's JSON
 * - babble: what is no frame */
#ifndef WEFT_SIM_CHILD_H
#define WEFT_SIM_CHILD_H

#include "node/connection.h"
#include "sim/world.h"

#define WEFT_CHILD_PROGRAM  "/bin/weft-engine"
#define WEFT_CHILDREN_MAX   4          /* at once */
#define WEFT_CHILD_MEMORY   1073741824 /* bytes that each takes */
#define WEFT_CHILD_ARGS_MAX 512
#define WEFT_CHILD_BODY_MAX (64 * 1024)
#define WEFT_CHILD_GAP      (5 * WEFT_MS) /* between two tokens */

/* How those that start from now on go. */
struct weft_child_script {
    weft_time loads;     /* how long they load */
    const char *refuses; /* what they say instead of being ready; NULL: they load, if --memory-max lets them */
    bool for_memory;     /* ... and that it is for a lack of memory */
    weft_time lives;     /* they end after this by themselves; 0: they do not */
    int code, signal;    /* ... so */
    bool mute;           /* they answer nothing */
    const char *deed;    /* "do=WHAT&n=N"; NULL: "do=frames&n=0" */
    bool stubborn;       /* they do not end when their socket is closed */
    bool fixed;          /* they know nothing of POST /threads */
    int slots;           /* answers at once; 0: 8 */
};

struct weft_child;

/* Who answers POST /generate in place of the deeds. */
struct weft_child_worker {
    /* The exchange is its to answer. */
    void (*asked)(void *self, struct weft_child *child, struct weft_exchange *exchange);
    /* It is gone, `killed` by the node or of itself, and its connection goes next. */
    void (*ended)(void *self, struct weft_child *child, bool killed);
};

struct weft_children;

struct weft_child {
    struct weft_children *all;
    struct weft_process *process; /* NULL: not in use */
    struct weft_connection *connection;
    const struct weft_socket *socket; /* the connection's */
    struct weft_child_script script;
    weft_time began;
    struct weft_timer end;
    uint64_t memory_max;
    int threads; /* that it computes on */
};

struct weft_children {
    struct weft_loop loop;
    struct weft_world *world;
    struct weft_program program;
    struct weft_child_script script;
    const struct weft_child_worker *worker; /* NULL: the deeds */
    void *worker_self;
    struct weft_child at[WEFT_CHILDREN_MAX];
    size_t started, asked, cancelled;
    char arguments[WEFT_CHILD_ARGS_MAX]; /* of the last one, a blank before each */
    char body[WEFT_CHILD_BODY_MAX];      /* of the last request to /generate */
};

/* From now on `parent` can start WEFT_CHILD_PROGRAM; `host` is where its processes are. */
void weft_children_start(struct weft_children *children, struct weft_world *world, struct weft_host *host,
                         struct weft_host *parent);
/* Those that still live are ended. */
void weft_children_end(struct weft_children *children);
/* The one whose place this is dies, as by `signal`. */
void weft_child_die(struct weft_child *child, int signal);
/* It ends by itself. */
void weft_child_exit(struct weft_child *child, int code);

#endif
