/* mesh/by_key.h - things that are found by a node's key, of which several may have the same one: links, streams.
 *
 * They lie where their owner has them. A hash table with a secret of its own finds them, so whoever chooses keys cannot
 * make it slow; it grows with what is in it, and where there is no memory for that it is only slower. When 16,000 nodes
 * left a gateway at once, walks over all links for each took 6 to 8 seconds in the gossip alone, longer than a link may
 * be silent; with this it is 0.04 to 0.24 (2 cores, others at work). */
#ifndef WEFT_MESH_BY_KEY_H
#define WEFT_MESH_BY_KEY_H

#include "base/siphash.h"
#include "wire/key.h"

#define WEFT_BY_KEY_HEADS ((size_t)64) /* at first; a power of two */

/* Embedded in what is found. */
struct weft_keyed {
    struct weft_key key;
    struct weft_keyed *next; /* in its chain */
};

/* Embedded; it must not move. */
struct weft_by_key {
    struct weft_siphash_key secret;
    struct weft_keyed **heads; /* `few`, as long as they are enough */
    size_t head_count, count;
    struct weft_keyed *few[WEFT_BY_KEY_HEADS];
};

void weft_by_key_init(struct weft_by_key *table, const struct weft_siphash_key *secret); /* from entropy */
void weft_by_key_deinit(struct weft_by_key *table); /* those in it are their owner's */

/* Its key is set, and stays as long as it is in; it is in no table. */
void weft_by_key_put(struct weft_by_key *table, struct weft_keyed *one);
void weft_by_key_remove(struct weft_by_key *table, struct weft_keyed *one); /* asserts that it is in */
/* Those of one key, the one that came last first; NULL behind the last. */
struct weft_keyed *weft_by_key_first(const struct weft_by_key *table, const struct weft_key *key);
struct weft_keyed *weft_by_key_next(const struct weft_keyed *one);

#endif
