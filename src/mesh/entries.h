/* mesh/entries.h - the entries of a roster: where they lie, how one is found by its key, and who goes first.
 *
 * They lie in blocks, each in a place that stays its own; a hash table with a key of our own finds them by the first
 * eight bytes of their key; and each stands in one list, in the order in which they came into it. */
#ifndef WEFT_MESH_ENTRIES_H
#define WEFT_MESH_ENTRIES_H

#include "base/siphash.h"
#include "wire/key.h"

#define WEFT_ENTRIES_MAX   65536
#define WEFT_ENTRIES_BLOCK 256 /* entries */
#define WEFT_ENTRY_VIA_MAX 4   /* gateways by which one node can be reached; more are not needed */

enum weft_entry_kind {
    WEFT_ENTRY_SPOKEN_OF, /* a gateway says that it reaches it; no announcement is known */
    WEFT_ENTRY_STRANGER,
    WEFT_ENTRY_MEMBER,
};

enum weft_entry_list {
    WEFT_ENTRIES_NOWHERE,
    WEFT_ENTRIES_SPOKEN_OF,
    WEFT_ENTRIES_PROBATION, /* strangers that can be reached, for a short time yet */
    WEFT_ENTRIES_STRANGERS,
    WEFT_ENTRIES_STRANGERS_GONE,
    WEFT_ENTRIES_MEMBERS,
    WEFT_ENTRIES_MEMBERS_GONE,
    WEFT_ENTRIES_LISTS,
};

/* Of the roster, to be read. */
struct weft_entry {
    struct weft_key key;
    uint8_t *bytes; /* its announcement, signed; NULL if it is only spoken of */
    uint64_t incarnation, sequence;
    uint64_t stamp;                  /* rises with each announcement that is taken, over all entries */
    uint64_t check;                  /* weft_gossip_check() of its signature */
    uint64_t issuer;                 /* weft_gossip_id() of whoever certified it */
    int64_t expires_s;               /* the announcement, or its certificate */
    weft_time since;                 /* reachable, or gone */
    uint32_t place;                  /* below WEFT_ENTRIES_MAX: its own as long as it is there */
    uint32_t next;                   /* in the hash table: a place plus 1, or 0; and so below */
    uint32_t list_before, list_next; /* in its list */
    uint16_t size;                   /* of bytes */
    uint8_t via[WEFT_ENTRY_VIA_MAX]; /* places of gateways, plus 1; 0: none */
    uint8_t kind, role, list;        /* enum weft_entry_kind, weft_role of a member, weft_entry_list */
    bool probation;                  /* of a stranger */
    bool equivocates;                /* it signed two announcements with one version */
};

struct weft_entries {
    struct weft_siphash_key secret;
    struct weft_entry *blocks[WEFT_ENTRIES_MAX / WEFT_ENTRIES_BLOCK];
    uint32_t used, vacant; /* places that ever were taken; the first of those that are free again, plus 1 */
    size_t count;          /* entries */
    uint32_t *heads;       /* of the hash table */
    size_t head_count;     /* a power of two */
    struct {
        uint32_t first, last;
        size_t count;
    } lists[WEFT_ENTRIES_LISTS];
};

void weft_entries_init(struct weft_entries *entries, const struct weft_siphash_key *secret);
void weft_entries_deinit(struct weft_entries *entries); /* entries' bytes are their owner's */

/* A zeroed one with that key, which is not there yet; in no list. NULL: no memory. Fewer than WEFT_ENTRIES_MAX are
 * there: asserted. */
struct weft_entry *weft_entries_add(struct weft_entries *entries, const struct weft_key *key);
void weft_entries_remove(struct weft_entries *entries, struct weft_entry *entry);

struct weft_entry *weft_entries_find(const struct weft_entries *entries, const struct weft_key *key);
struct weft_entry *weft_entries_by_id(const struct weft_entries *entries, uint64_t id); /* weft_gossip_id() */
struct weft_entry *weft_entries_at(const struct weft_entries *entries, uint32_t place); /* NULL: nobody there */
struct weft_entry *weft_entries_next(const struct weft_entries *entries,
                                     uint32_t *cursor); /* from 0; NULL at the end */

/* To the end of a list, if it is not in that one already. */
void weft_entries_move(struct weft_entries *entries, struct weft_entry *entry, enum weft_entry_list list);
struct weft_entry *weft_entries_first(const struct weft_entries *entries, enum weft_entry_list list); /* or NULL */
struct weft_entry *weft_entries_last(const struct weft_entries *entries, enum weft_entry_list list);

size_t weft_entries_memory(const struct weft_entries *entries); /* bytes allocated, the struct itself not counted */

#endif
