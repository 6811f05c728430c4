/* mesh/catalogue.h - which models the mesh serves, as a gateway tells its nodes: a line for each, and what changed.
 *
 * A gateway makes it from its roster. Each line has a version that rises with every change of any line, so who was told
 * up to a version needs what is above it. A model that nobody serves any more stays as a line with 0 peers for
 * WEFT_CATALOGUE_LINGER, so that all hear of it. A node puts into its own what its gateway tells. */
#ifndef WEFT_MESH_CATALOGUE_H
#define WEFT_MESH_CATALOGUE_H

#include "mesh/roster.h"

#define WEFT_CATALOGUE_MAX           256 /* lines: those that come later are not told of, until others are gone */
#define WEFT_CATALOGUE_STRANGERS_MAX 64  /* of models that only strangers serve: members keep their places */
#define WEFT_CATALOGUE_LINGER        (60 * WEFT_SECOND)

struct weft_catalogue_line {
    uint64_t model; /* weft_holders_model() */
    uint64_t peers; /* about how many serve it: rounded down to a power of two */
    uint64_t version;
    weft_time since; /* it has none, if it has none */
    uint8_t hash[WEFT_HASH_SIZE];
    char alias[WEFT_ANNOUNCEMENT_ALIAS_MAX]; /* by which most of them call it */
    uint8_t alias_size;
    bool strangers; /* nobody but strangers serves it */
};

struct weft_catalogue {
    struct weft_catalogue_line lines[WEFT_CATALOGUE_MAX]; /* sorted by model */
    size_t count;
    uint64_t version; /* of the last change */
};

void weft_catalogue_init(struct weft_catalogue *catalogue);

/* From what the roster holds now. */
void weft_catalogue_update(struct weft_catalogue *catalogue, const struct weft_roster *roster, weft_time now);
/* As a gateway told it. Beyond WEFT_CATALOGUE_MAX nothing is taken. */
void weft_catalogue_put(struct weft_catalogue *catalogue, uint64_t model, const struct weft_gossip_line *said,
                        weft_time now);

/* The line with the lowest version above `told`, or NULL. */
const struct weft_catalogue_line *weft_catalogue_after(const struct weft_catalogue *catalogue, uint64_t told);
struct weft_gossip_line weft_catalogue_said(const struct weft_catalogue_line *line);

#endif
