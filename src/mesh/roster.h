/* mesh/roster.h - what a node knows of others: their announcements, and by which gateway each can be reached.
 *
 * An announcement comes from anywhere and proves itself: it is signed, its chain of certificates is judged, its date
 * and its version (incarnation, then sequence) say whether it is the latest. It lives for WEFT_ROSTER_LIFE_S from the
 * day it was made, then all rosters forget it, so nodes announce anew at half of that. A later version replaces an
 * earlier one. Of two different ones with one version, both rightly signed, the one whose signature compares lower
 * stays, in every roster, and whoever signed both is offered to nobody until it has said something later.
 *
 * That a node can be reached is said by the gateway it is attached to, for itself only, over that gateway's own link.
 * So there is nothing to forge or to replay, and when the link to a gateway is gone, so is what it vouched for.
 *
 * Strangers: in an open mesh a node may announce itself with an empty chain. It is taken only while a gateway vouches
 * for it, is on probation until it was reachable for WEFT_ROSTER_PROBATION without a break, and never costs a member
 * its place; a break puts it on probation again. Where there is no place, these go for a member: the stranger that is
 * gone longest; the stranger on probation that came last; the one that came last of those of whom only a gateway has
 * spoken; the member that is gone longest. For a stranger, and for one that is only spoken of: the stranger that is
 * gone longest. Members that can be reached, and strangers past probation, go for nobody: who comes then is refused.
 *
 * Pure state. An entry costs its announcement and at most WEFT_ROSTER_OVERHEAD_MAX bytes. */
#ifndef WEFT_MESH_ROSTER_H
#define WEFT_MESH_ROSTER_H

#include "mesh/entries.h"
#include "mesh/holders.h"
#include "mesh/membership.h"
#include "wire/gossip_message.h"

#define WEFT_ROSTER_GATEWAYS_MAX 128   /* linked at a time: then WEFT_ERR_FULL */
#define WEFT_ROSTER_REACH_MAX    16384 /* nodes that one gateway reaches */
#define WEFT_ROSTER_OVERHEAD_MAX                                                                                       \
    512 /* bytes of an entry, its announcement not counted, in a roster of 1,000 or more                               \
         */
#define WEFT_ROSTER_LIFE_S    3600
#define WEFT_ROSTER_RENEW_S   (WEFT_ROSTER_LIFE_S / 2)
#define WEFT_ROSTER_PROBATION (600 * WEFT_SECOND)

#define WEFT_ROSTER_SELF 0 /* the place of what is attached to this node itself */

enum weft_roster_outcome {
    WEFT_ROSTER_ADDED,
    WEFT_ROSTER_REPLACED,
    WEFT_ROSTER_KNOWN,    /* the same, byte for byte */
    WEFT_ROSTER_REPLAYED, /* refused, here and below: a later version is known */
    WEFT_ROSTER_MALFORMED,
    WEFT_ROSTER_OVERSIZED,
    WEFT_ROSTER_NEWER, /* of a version of the protocol that is not known here */
    WEFT_ROSTER_FORGED,
    WEFT_ROSTER_STALE,        /* older than announcements live */
    WEFT_ROSTER_SKEWED,       /* made later than now; or, from the node itself, at another time than now */
    WEFT_ROSTER_NO_MEMBER,    /* by its chain: weft_roster_verdict() */
    WEFT_ROSTER_STRANGER,     /* without a chain, and the mesh is not open, or no gateway vouches for it */
    WEFT_ROSTER_EQUIVOCATING, /* another with the same version is known; the lower one stays */
    WEFT_ROSTER_OVER_QUOTA,   /* no place */
    WEFT_ROSTER_OUTRUN,       /* ours, but not what we announce: weft_roster_outrun() */
    WEFT_ROSTER_MEMORY,
    WEFT_ROSTER_OUTCOMES,
};

/* One word for counters: "replayed". */
const char *weft_roster_outcome_word(enum weft_roster_outcome outcome);

enum weft_roster_source {
    WEFT_ROSTER_OURS,       /* we have just made it */
    WEFT_ROSTER_FIRST_HAND, /* the node's own link brought it */
    WEFT_ROSTER_RELAYED,
};

enum weft_roster_state {
    WEFT_ROSTER_LIVE,
    WEFT_ROSTER_SUSPECT, /* it equivocates: nobody asks it */
    WEFT_ROSTER_GONE,    /* no gateway reaches it */
};

struct weft_roster_settings {
    struct weft_key self;
    struct weft_siphash_key secret; /* from entropy */
    size_t entries_max;             /* at most WEFT_ENTRIES_MAX */
    size_t strangers_max;           /* 0: the mesh is not open */
};

struct weft_roster;

/* `membership` is the caller's and outlives it. On error *out is NULL. */
WEFT_MUST_USE int weft_roster_new(struct weft_roster **out, const struct weft_roster_settings *settings,
                                  struct weft_membership *membership);
void weft_roster_free(struct weft_roster *roster);

/* -- announcements -- */

/* Takes an announcement, or refuses it. *name is what it is called, if it could be read. */
enum weft_roster_outcome weft_roster_offer(struct weft_roster *roster, struct weft_slice bytes,
                                           enum weft_roster_source source, weft_time now, int64_t now_s,
                                           struct weft_gossip_name *name);
uint64_t weft_roster_count(const struct weft_roster *roster, enum weft_roster_outcome outcome); /* since _new */
/* Of the last that was refused as WEFT_ROSTER_NO_MEMBER. */
enum weft_verdict weft_roster_verdict(const struct weft_roster *roster);
/* Somebody knows a later announcement of ours than we do: we lost our state. True, and the incarnation to go beyond. */
bool weft_roster_outrun(const struct weft_roster *roster, uint64_t *incarnation);

/* -- who reaches whom -- */

/* A link to a gateway is there, and it reaches itself; links to one gateway are counted. The place, at least 1;
 * WEFT_ERR_FULL, WEFT_ERR_MEMORY. */
WEFT_MUST_USE int weft_roster_link(struct weft_roster *roster, const struct weft_key *gateway, weft_time now);
void weft_roster_unlink(struct weft_roster *roster, int place, weft_time now); /* with the last, all that it reached */
/* The gateway of that place reaches a node, or no longer. WEFT_ERR_FULL: it has no place here; WEFT_ERR_MEMORY. */
WEFT_MUST_USE int weft_roster_reach(struct weft_roster *roster, int place, const struct weft_key *key, weft_time now);
void weft_roster_lose(struct weft_roster *roster, int place, const struct weft_key *key, weft_time now);
void weft_roster_lose_all(struct weft_roster *roster, int place, weft_time now); /* but itself */
/* The gateway's key, for entry->via[i] - 1. */
const struct weft_key *weft_roster_gateway(const struct weft_roster *roster, int place);

enum weft_roster_state weft_roster_state(const struct weft_entry *entry);

/* -- time, and revocations -- */

/* Forgets what is past its date, ends probations: call it every WEFT_ROSTER_SWEEP. */
#define WEFT_ROSTER_SWEEP (5 * WEFT_SECOND)
void weft_roster_sweep(struct weft_roster *roster, weft_time now, int64_t now_s);
/* The membership has taken a revocation of this key: it goes, and those it certified. */
void weft_roster_revoked(struct weft_roster *roster, const struct weft_key *subject, int64_t now_s);

/* -- looking up: entries hold until the roster next changes -- */

size_t weft_roster_size(const struct weft_roster *roster); /* entries */
const struct weft_entry *weft_roster_get(const struct weft_roster *roster, const struct weft_key *key);
const struct weft_entry *weft_roster_by_id(const struct weft_roster *roster, uint64_t id);
/* All, one by one: *cursor is 0 at first. NULL at the end. */
const struct weft_entry *weft_roster_next(const struct weft_roster *roster, uint32_t *cursor);
struct weft_slice weft_roster_bytes(const struct weft_entry *entry);
struct weft_gossip_name weft_roster_name(const struct weft_entry *entry);

/* Who announces a model: by its hash or, where that is all zeros, by its alias. */
struct weft_holders_range weft_roster_holders(const struct weft_roster *roster, const uint8_t hash[WEFT_HASH_SIZE],
                                              struct weft_slice alias);
/* NULL if that one announces another model after all. */
const struct weft_entry *weft_roster_holder(const struct weft_roster *roster, struct weft_holders_range range,
                                            size_t index, const uint8_t hash[WEFT_HASH_SIZE], struct weft_slice alias);
const struct weft_holders *weft_roster_models(const struct weft_roster *roster); /* all of it */
const struct weft_entry *weft_roster_at(const struct weft_roster *roster, uint32_t place);

/* Bytes that it takes: announcements, and all else. */
void weft_roster_memory(const struct weft_roster *roster, size_t *announcements, size_t *others);
uint64_t weft_roster_changes(const struct weft_roster *roster); /* rises with each change that a reader could see */

#endif
