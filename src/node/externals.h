/* node/externals.h - the servers that are not ours, and the models they have, as one list.
 *
 * A model is offered under the name that its server gives it, once, whichever servers have it; one that this node
 * serves itself under the same name goes first. */
#ifndef WEFT_NODE_EXTERNALS_H
#define WEFT_NODE_EXTERNALS_H

#include "node/config.h"
#include "node/external.h"
#include "node/line.h"
#include "node/models.h"

#define WEFT_EXTERNALS_MAX WEFT_CONFIG_EXTERNALS_MAX

struct weft_externals;

struct weft_externals_options {
    struct weft_loop *loop;
    struct weft_journal *journal;
    struct weft_metrics *metrics;
    const struct weft_config *config;
    const struct weft_slice *keys;    /* one for each, copied; an empty one where none is shown. NULL: none has any */
    const struct weft_models *models; /* this node's own */
    uint64_t id;                      /* of this node: see weft_upstream_via() */
};

/* On error *out is NULL, and `problem` says why. */
WEFT_MUST_USE int weft_externals_new(struct weft_externals **out, const struct weft_externals_options *options,
                                     char problem[WEFT_EXTERNAL_PROBLEM_MAX]);
void weft_externals_start(struct weft_externals *externals);
void weft_externals_free(struct weft_externals *externals);

size_t weft_externals_servers(const struct weft_externals *externals);
struct weft_external *weft_externals_server(const struct weft_externals *externals, size_t index);

/* What requests to any of them say in Via; empty where there are none. */
struct weft_slice weft_externals_via(const struct weft_externals *externals);

/* -- their models -- */

/* One of them, and the server to ask: one that is there, if any that has it is. */
struct weft_external_offer {
    struct weft_external *server;
    struct weft_line *line; /* before the server: through it go all requests to it */
    struct weft_slice name; /* holds for this turn */
};

/* What a model of that server is at, in the words for ours. */
enum weft_model_state weft_external_model_state(const struct weft_external_info *server);

size_t weft_externals_count(struct weft_externals *externals);
struct weft_external_offer weft_externals_at(struct weft_externals *externals, size_t index);
/* By its name, letter by letter. False if none of them has it. */
bool weft_externals_find(const struct weft_externals *externals, struct weft_slice name,
                         struct weft_external_offer *offer);
/* By its name as people type it. The match speaks of indices of weft_externals_at(). */
bool weft_externals_find_typed(struct weft_externals *externals, struct weft_slice name,
                               struct weft_external_offer *offer, struct weft_model_match *match);

#endif
