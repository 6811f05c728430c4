/* mesh/gossip_inside.h - what the files of the gossip share: gossip.c has the links and the bytes, gossip_pull.c what
 * gateways tell each other, gossip_tell.c what goes between a gateway and the nodes attached to it. */
#ifndef WEFT_MESH_GOSSIP_INSIDE_H
#define WEFT_MESH_GOSSIP_INSIDE_H

#include "base/random.h"
#include "mesh/by_key.h"
#include "mesh/gossip.h"

#define WEFT_GOSSIP_NEWS_MAX 64 /* names that wait for one message */
#define WEFT_GOSSIP_MEMORY_MAX                                                                                         \
    4096 /* names that are not asked for again yet; a later one takes an earlier one's place */
#define WEFT_GOSSIP_TOLD_MAX (WEFT_GOSSIP_USED_MAX * WEFT_GOSSIP_HOLDERS)

/* Of a link between gateways. */
struct weft_gossip_gateway {
    uint8_t news[WEFT_GOSSIP_NEWS_MAX * WEFT_GOSSIP_NAME_MAX]; /* packed */
    size_t news_size, news_count;
    bool pull_now;          /* it has just opened */
    bool asked;             /* sums were sent, and no list has come yet */
    bool asked_revocations; /* likewise, one of revocations */
    bool reach_anew;        /* it must hear all of whom we reach */
    struct weft_siphash_key salt;
    size_t buckets;
    weft_time answered; /* when sums were answered */
    size_t forged;
};

struct weft_gossip_told {
    struct weft_key key;
    uint64_t stamp; /* of the announcement that was told */
};

/* Of a link to a node that is attached to us. */
struct weft_gossip_attached {
    uint64_t prefix;
    bool superseded; /* the node has a younger link, which stands for it */
    bool behind;     /* it has announced something older than what is known of it, and is to be told so */
    weft_time told_at, heard_at;
    int64_t tell_bytes, hear_bytes; /* what it may still be told, and say */
    uint64_t gateways_told;         /* stamp */
    uint64_t models_told;           /* version of the catalogue */
    size_t revocations_told;        /* how many of the membership's */
    uint64_t changes_seen;          /* of the roster, when the used models were last looked at */
    uint8_t used[WEFT_GOSSIP_USED_MAX][WEFT_HASH_SIZE];
    size_t used_count;
    struct weft_gossip_told *told; /* WEFT_GOSSIP_TOLD_MAX of them, from the first used model on */
    size_t told_count;
};

struct weft_gossip_link {
    struct weft_gossip *gossip;
    struct weft_gossip_link *previous, *next; /* of its kind */
    struct weft_gossip_link *next_ready;
    bool ready;
    enum weft_gossip_kind kind;
    struct weft_keyed keyed; /* found in the gossip's `attached`, if it is one of those */
    int place;               /* in the roster, of a gateway or anchor */
    void *user;
    struct weft_bytes input, output;
    enum weft_roster_outcome heard;
    size_t expected; /* bytes of the message that is coming; 0: its size is not known */
    struct weft_gossip_gateway *gateway;
    struct weft_gossip_attached *attached;
    struct weft_catalogue *catalogue; /* what an anchor told */
};

struct weft_gossip_links {
    struct weft_gossip_link *first;
    size_t count;
};

struct weft_gossip {
    struct weft_gossip_settings settings;
    struct weft_random random;
    struct weft_gossip_links links[WEFT_GOSSIP_STRANGER + 1];
    struct weft_by_key attached; /* those of nodes that are attached to us */
    size_t lost_now;             /* nodes of whom it was told at once that they are lost, since others were told last */
    struct weft_gossip_link *ready;
    weft_time pull_at, sweep_at, tell_at, reach_again_at;
    bool reach_missed;      /* somebody had no place in the roster */
    uint64_t gateway_stamp; /* of the latest announcement of a gateway */
    struct {
        uint64_t name; /* a hash of it */
        weft_time until;
    } memory[WEFT_GOSSIP_MEMORY_MAX];
    uint8_t used[WEFT_GOSSIP_USED_MAX][WEFT_HASH_SIZE]; /* by this node */
    size_t used_count;
    struct weft_catalogue catalogue;
    uint64_t catalogue_changes; /* of the roster, when it was made */
    struct weft_gossip_counts counts;

    /* Work space, of one call. */
    uint8_t in[WEFT_GOSSIP_MESSAGE_MAX], out[WEFT_GOSSIP_SIZE_SIZE + WEFT_GOSSIP_MESSAGE_MAX];
    uint8_t packed[WEFT_GOSSIP_NAMES_MAX * WEFT_GOSSIP_NAME_MAX];
    uint32_t sums[WEFT_GOSSIP_BUCKETS_MAX];
    uint32_t sizes[WEFT_GOSSIP_BUCKETS_MAX];
    bool chosen[WEFT_GOSSIP_BUCKETS_MAX];
    bool named[WEFT_ENTRIES_MAX];
};

/* -- gossip.c -- */

/* Puts a message out. False: there was no room, or no memory; the receiver must be able to do without, or is told
 * later. */
bool weft_gossip_send(struct weft_gossip_link *link, const struct weft_gossip_message *message);
/* Takes the announcements of a message. WEFT_ERR_CRYPTO. */
WEFT_MUST_USE int weft_gossip_take_announcements(struct weft_gossip_link *link, const struct weft_gossip_items *items,
                                                 enum weft_roster_source source, weft_time now, int64_t now_s);
/* And its revocations. */
WEFT_MUST_USE int weft_gossip_take_revocations(struct weft_gossip_link *link, const struct weft_gossip_items *items,
                                               int64_t now_s);
struct weft_gossip_message weft_gossip_one(struct weft_slice announcement); /* a message with nothing else */

/* -- gossip_pull.c: between gateways -- */

WEFT_MUST_USE int weft_gossip_hear_gateway(struct weft_gossip_link *link, const struct weft_gossip_message *message,
                                           weft_time now, int64_t now_s);
void weft_gossip_greet_gateway(struct weft_gossip_link *link, weft_time now); /* what is said when the link opens */
/* Names something new to some of the gateways, not to `from`; _flush() sends what was named. */
void weft_gossip_push(struct weft_gossip *gossip, const struct weft_gossip_name *name,
                      const struct weft_gossip_link *from);
void weft_gossip_push_revocation(struct weft_gossip *gossip, struct weft_slice bytes,
                                 const struct weft_gossip_link *from);
void weft_gossip_flush(struct weft_gossip *gossip);
/* Whether a name is not to be asked for yet; and that it is not, until then. */
bool weft_gossip_remembers(const struct weft_gossip *gossip, const struct weft_gossip_name *name, weft_time now);
void weft_gossip_remember(struct weft_gossip *gossip, const struct weft_gossip_name *name, weft_time until);
/* To all gateways: a node is attached to us, or no longer. */
void weft_gossip_tell_reach(struct weft_gossip *gossip, const struct weft_key *key, bool reached);
void weft_gossip_tick_gateways(struct weft_gossip *gossip, weft_time now);

/* -- gossip_tell.c: between a gateway and the nodes attached to it -- */

WEFT_MUST_USE int weft_gossip_hear_attached(struct weft_gossip_link *link, const struct weft_gossip_message *message,
                                            size_t size, weft_time now, int64_t now_s);
WEFT_MUST_USE int weft_gossip_hear_anchor(struct weft_gossip_link *link, const struct weft_gossip_message *message,
                                          weft_time now, int64_t now_s);
void weft_gossip_greet_anchor(struct weft_gossip_link *link);
void weft_gossip_tell(struct weft_gossip_link *link, weft_time now); /* what it does not know yet, as far as it may */
void weft_gossip_tick_attached(struct weft_gossip *gossip, weft_time now);
/* A gateway reaches this one no longer: who was told of it hears so at once, if no other gateway does. */
void weft_gossip_tell_lost(struct weft_gossip *gossip, const struct weft_key *key);
/* Revocations were taken out of the membership: links that were not told all begin again. */
void weft_gossip_tell_revocations_again(struct weft_gossip *gossip);

#endif
