/* node/line.h - the line before one engine: who waits, who goes next, what runs there, and what its deaths are put down
 * to.
 *
 * Who waits goes fairly (mesh/queue.h). Who was cut by the engine's end goes before all others. If the engine was
 * killed by somebody else, that is all. If it ended of itself, a request may be what ended it, so they go carefully: if
 * one ran alone, that is a strike for it; if several ran, they go one at a time, each when the one before has got on;
 * if that ends in a death too, each goes strictly alone for a few tokens. After a first hang, whose cause is seldom a
 * request, all go on together; after another one they are careful too. Three strikes without getting
 * WEFT_LINE_CLEARED tokens further in between, and the request is out, and known again.
 *
 * Time is the line's own: it goes on only while the node itself runs, so that a node that was stopped or asleep finds
 * nobody too late and no engine silent. Everything is called from the turn. */
#ifndef WEFT_NODE_LINE_H
#define WEFT_NODE_LINE_H

#include "crypto/mark.h"
#include "mesh/queue.h"
#include "node/loop.h"

#define WEFT_LINE_TICK        (250 * WEFT_MS) /* how exact deadlines and silences are; who was cut waits this long */
#define WEFT_LINE_TELL        WEFT_SECOND     /* how often those who wait are told */
#define WEFT_LINE_AGAIN_MAX   (600 * WEFT_SECOND) /* who was cut waits no longer: others keep its engine's memory */
#define WEFT_LINE_STRIKES_MAX 3
#define WEFT_LINE_TRIAL       8   /* new tokens for which a suspect goes alone, the first time; then ... */
#define WEFT_LINE_CLEARED     32  /* ... so many, which also clear it of all suspicion */
#define WEFT_LINE_KILLERS_MAX 256 /* requests that are known to end engines; beyond, the oldest is forgotten */

struct weft_line;
struct weft_place;

enum weft_line_out {
    WEFT_LINE_EXPIRED,  /* it has waited as long as it may, for its first turn or for another one */
    WEFT_LINE_GIVEN_UP, /* the model is not served any more */
    WEFT_LINE_STRUCK,   /* it ended an engine three times */
};

struct weft_place_user {
    /* The engine has room for it: it runs from here, until it leaves or comes again. */
    void (*go)(void *self);
    /* It runs, and must let go of the engine and come again: `stalled`, as nothing came of it for too long; else others
     * must go alone. */
    void (*back)(void *self, bool stalled);
    /* It stands in the line no more. */
    void (*out)(void *self, enum weft_line_out why);
    /* It still waits. `estimate`: until it goes, WEFT_NEVER if nothing is known. */
    void (*waiting)(void *self, size_t ahead, weft_time estimate);
};

enum weft_place_state { WEFT_PLACE_OUT, WEFT_PLACE_WAITS, WEFT_PLACE_AGAIN, WEFT_PLACE_RUNS };
enum weft_place_suspicion {
    WEFT_PLACE_CLEAR,
    WEFT_PLACE_HUNG,  /* ran with others when the engine hung: the machine's doing more often than a request's */
    WEFT_PLACE_TRIED, /* ran with others when the engine ended, or hung once more */
    WEFT_PLACE_ALONE, /* ... again, or it ran alone */
};

/* Somebody's place in a line; lives in its user. Private to line.c, but for the six first. */
struct weft_place {
    const struct weft_place_user *user;
    void *self;
    struct weft_mark mark; /* of the request */
    enum weft_place_state state;
    enum weft_place_suspicion suspicion;
    bool spared; /* its last engine was killed by others; its user takes note, and clears it */
    struct weft_line *line;
    struct weft_queue_waiter waiter;
    struct weft_place *next, *previous; /* in the line, as they came */
    uint64_t principal, life;           /* `life`: of the engine that it ran on last */
    uint16_t choices, left;             /* `left`: those that are not complete */
    uint16_t held;                      /* slots of the engine, one for each choice that is being written */
    uint32_t strikes;
    uint32_t trials;       /* that it passed alone */
    uint32_t news;         /* tokens since it last went */
    bool cut;              /* the engine let go of it, not it of the engine */
    bool yields;           /* it has passed alone: others' turn */
    bool ran;              /* when the engine went, of whose end nothing is known yet */
    bool paused;           /* its reader is slow: its silence says nothing, and nobody waits for it */
    weft_time since;       /* it waits, or runs */
    weft_time sign;        /* the last one of life */
    weft_time counted;     /* its slot time is, until then */
    weft_time spent, paid; /* slot time since it last went; what its principal was charged for it */
    weft_time not_before;  /* it goes again */
};

struct weft_line_user {
    /* Somebody joins while the engine is not there. NULL: it comes by itself. */
    void (*wanted)(void *self);
    /* The last one who stood in the line has left it. NULL if nobody wants to know. */
    void (*unused)(void *self);
    /* Everything that runs there has been silent for too long: the engine is to be ended. NULL: it cannot be. */
    void (*stalled)(void *self);
};

struct weft_line_options {
    struct weft_loop *loop;
    size_t waiters_max;
    weft_time stall;
    const struct weft_line_user *user;
    void *self;
};

struct weft_line_info {
    size_t slots;              /* 0 while it is shut */
    uint64_t running, waiting; /* requests */
    weft_time estimate;        /* for who joined now; WEFT_NEVER if nothing is known */
    uint64_t resumed;          /* attempts that went on where another was cut */
    uint64_t strikes, stalls;
    uint64_t full, expired, struck; /* requests turned away, by why */
};

/* On error *out is NULL. */
WEFT_MUST_USE int weft_line_new(struct weft_line **out, const struct weft_line_options *options);
void weft_line_free(struct weft_line *line); /* nobody may stand in it */

/* -- the engine's side -- */

void weft_line_open(struct weft_line *line, size_t slots); /* it is ready */
void weft_line_shut(struct weft_line *line);               /* it is gone, or going */
/* It was not told to go. `by_itself`: nobody else killed it, so what ran there may have. True if requests may be why,
 * or it had written something: the death says little about the engine. Before it is opened again. */
bool weft_line_died(struct weft_line *line, bool by_itself);
/* While on, nobody goes, and those who run there go on: a server that is not ours is not to be asked for now, which is
 * nobody's doing. Off also takes back that it will not come again. */
void weft_line_rest(struct weft_line *line, bool on);
/* It will not come again: those who wait are told. */
void weft_line_give_up(struct weft_line *line);
/* It may come again after all: others may join. */
void weft_line_hope(struct weft_line *line);
void weft_line_report(const struct weft_line *line, struct weft_line_info *info);

/* -- the place's side -- */

/* `user`, `self` and `mark` are set. WEFT_ERR_FULL, WEFT_ERR_MEMORY, WEFT_ERR_CLOSED when the model was given up,
 * WEFT_ERR_DENIED for a request that is known to end engines. */
WEFT_MUST_USE int weft_line_join(struct weft_line *line, struct weft_place *place, uint64_t principal, uint16_t choices,
                                 weft_time wait);
/* It ran, and has to wait once more. `cut`: the engine let go of it. */
void weft_line_again(struct weft_place *place, bool cut);
void weft_line_leave(struct weft_place *place);        /* in any state, also twice */
void weft_line_sign(struct weft_place *place);         /* a sign of life from the engine */
void weft_line_got_on(struct weft_place *place);       /* a new token */
void weft_line_choice_ended(struct weft_place *place); /* one of its choices is complete: its slot is free */
void weft_line_pause(struct weft_place *place, bool on);

#endif
