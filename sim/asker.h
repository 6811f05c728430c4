/* sim/asker.h - a client that asks one thing at a time through Weft's own client carriers, over TLS too. */
#ifndef WEFT_SIM_ASKER_H
#define WEFT_SIM_ASKER_H

#include "node/connection.h"
#include "sim/world.h"

#define WEFT_ASKER_TEXT_MAX ((size_t)64 * 1024) /* kept of an answer's body; more is counted only */

struct weft_asker {
    struct weft_loop loop;
    struct weft_world *world;
    struct weft_connection *connection; /* NULL: it has ended */
    struct weft_exchange *exchange;     /* NULL: nothing is being asked */
    const char *method, *path, *fields; /* of what is asked */
    struct weft_slice body;
    bool asked;   /* a carrier has it, or it was given up */
    bool paused;  /* the answer's body is not taken */
    bool whole;   /* the answer has come to its end */
    int status;   /* the answer's; 0: none */
    int aborted;  /* why the answer came to no end */
    int closed;   /* why the connection ended */
    size_t heard; /* bytes of the answer's body */
    char text[WEFT_ASKER_TEXT_MAX + 1];
};

/* Becomes the guest of `host` and dials. `filters` and `name` as for a connection. */
WEFT_MUST_USE int weft_asker_dial(struct weft_asker *asker, struct weft_world *world, struct weft_host *host,
                                  const char *address, bool h2, struct weft_filters *filters, const char *name);
/* Asks, as soon as the connection can carry it. `fields`: "name: value\n..." */
WEFT_MUST_USE int weft_asker_ask(struct weft_asker *asker, const char *method, const char *path, const char *fields,
                                 struct weft_slice body);
/* Gives up what is being asked. */
void weft_asker_cancel(struct weft_asker *asker);
void weft_asker_read(struct weft_asker *asker, bool on);
/* The answer is whole, or none will come. `self` is a struct weft_asker. */
bool weft_asker_told(void *self);
void weft_asker_end(struct weft_asker *asker);

#endif
