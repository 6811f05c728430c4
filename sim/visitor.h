/* sim/visitor.h - one client of a crowd: what it asks, how it behaves, and whether it was told what it must be. */
#ifndef WEFT_SIM_VISITOR_H
#define WEFT_SIM_VISITOR_H

#include "sim/answers.h"
#include "sim/raw.h"
#include "sim/scenario.h"

#define WEFT_VISITOR_ASKS_MAX 16

enum weft_manner {
    WEFT_VISITOR_PATIENT,   /* h1: asks again when it was answered */
    WEFT_VISITOR_PIPELINED, /* h1: asks everything at once */
    WEFT_VISITOR_H2,        /* h2: asks everything at once */
    WEFT_VISITOR_LEAVER,    /* h1: goes away after a while, whatever it has heard */
    WEFT_VISITOR_LEAVER_H2, /* h2: the same, by a reset of each stream or of the connection */
    WEFT_VISITOR_RUDE,      /* h1: asks wrongly */
};
#define WEFT_VISITOR_MANNERS 6

/* One thing to ask, and how it must be answered. */
struct weft_ask {
    const char *method, *path, *fields; /* fields: "name: value\n..." */
    const char *body;
    int status;
    bool may_be_cut; /* the answer's body may end early, and its stream with it */
};

struct weft_visitor {
    struct weft_raw raw;
    struct weft_story *story;
    enum weft_manner manner;
    unsigned number;
    const struct weft_ask *asks[WEFT_VISITOR_ASKS_MAX];
    size_t count, asked;
    size_t leaves_after; /* bytes heard: then a leaver goes */
    bool left;
};

/* Draws a manner and asks from `menu`, and dials. */
void weft_visitor_come(struct weft_visitor *visitor, struct weft_story *story, struct weft_host *host,
                       const char *address, const struct weft_ask *menu, size_t menu_count);
/* It has heard all it waits for, or has left, or was hung up on. */
bool weft_visitor_content(const struct weft_visitor *visitor);
/* Judges what it was told, and closes. `rough`: the node was draining or its upstream breaking, so that any answer may
 * be cut, and 502 to 504 are right too. */
void weft_visitor_judge(struct weft_visitor *visitor, bool rough);

#endif
