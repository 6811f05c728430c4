/* mesh/holders.h - which entries of a roster announce which model: a sorted table of (model, entry), eight bytes each.
 *
 * A model is known by its hash, or by its alias where nobody knows the hash. It stands here as a keyed hash of 40 bits,
 * so two may meet: whoever takes an entry from here looks into its announcement. */
#ifndef WEFT_MESH_HOLDERS_H
#define WEFT_MESH_HOLDERS_H

#include "base/siphash.h"
#include "wire/announcement.h"

#define WEFT_HOLDERS_ENTRY_MAX (((uint32_t)1 << 24) - 2) /* entries are numbered from 0 to this */

struct weft_holders {
    struct weft_siphash_key secret;
    uint64_t *items; /* model << 24 | entry */
    size_t count, room;
};

/* What is found of a model: until the table changes. */
struct weft_holders_range {
    size_t first, count;
};

void weft_holders_init(struct weft_holders *holders, const struct weft_siphash_key *secret);
void weft_holders_deinit(struct weft_holders *holders);

uint64_t weft_holders_model(const struct weft_holders *holders, const uint8_t hash[WEFT_HASH_SIZE],
                            struct weft_slice alias);
/* Room for so many more, so that _add() cannot fail. WEFT_ERR_MEMORY. */
WEFT_MUST_USE int weft_holders_reserve(struct weft_holders *holders, size_t more);
void weft_holders_add(struct weft_holders *holders, uint64_t model, uint32_t entry);    /* once, however often */
void weft_holders_remove(struct weft_holders *holders, uint64_t model, uint32_t entry); /* if it is there */

struct weft_holders_range weft_holders_find(const struct weft_holders *holders, uint64_t model);
uint32_t weft_holders_entry(const struct weft_holders *holders, size_t index);
uint64_t weft_holders_model_at(const struct weft_holders *holders, size_t index);

#endif
