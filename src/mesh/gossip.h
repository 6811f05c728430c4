/* mesh/gossip.h - how nodes of a mesh come to know of each other: bytes in, bytes out, deadlines.
 *
 * A link is a stream of messages (wire/gossip_message.h) between two nodes that know each other's key; what is lost
 * below it is sent again there, or the link ends. Four kinds:
 *
 * Between gateways. Whatever is new is named to as many other gateways as the logarithm of their number says, those
 * that lack it ask for it, and name it on. Each second a gateway sends the sums of all it knows, in buckets, to one
 * other, which answers with what it has where the sums differ; so what a push has missed is found. Whom a gateway has
 * attached it tells all others itself, at once, and vouches for nobody else. Revocations go as they are, not as names.
 *
 * From a gateway to a node that is attached to it: the announcements of gateways, revocations, the lines of the
 * catalogue that changed; and for each model that the node uses, the announcements of a few that serve it, and whether
 * they can be reached. WEFT_GOSSIP_TELL_RATE bytes a second, after a start that may be quicker.
 *
 * From a node to its gateway: its own announcement, and which models it uses. What else it says is not heard, and who
 * says too much is cut off: a flood costs the flood.
 *
 * Pure: the owner carries bytes and keeps the deadline. What it is to do is said by return values and
 * weft_gossip_ready; only revocations come as a call, to be stored. */
#ifndef WEFT_MESH_GOSSIP_H
#define WEFT_MESH_GOSSIP_H

#include "base/bytes.h"
#include "mesh/catalogue.h"
#include "mesh/roster.h"

#define WEFT_GOSSIP_GATEWAYS_MAX  WEFT_ROSTER_GATEWAYS_MAX /* links to gateways; then WEFT_ERR_FULL, as below */
#define WEFT_GOSSIP_ATTACHED_MAX  WEFT_ROSTER_REACH_MAX    /* nodes attached to us */
#define WEFT_GOSSIP_STRANGERS_MAX 256                      /* of them strangers */
#define WEFT_GOSSIP_PREFIX_MAX    8                        /* and strangers of one address prefix */
#define WEFT_GOSSIP_OUTPUT_MAX    ((size_t)1024 * 1024)    /* bytes that wait for a link; more is not said, or later */

#define WEFT_GOSSIP_PULL          (1 * WEFT_SECOND)   /* sums to one other gateway */
#define WEFT_GOSSIP_PULL_AGAIN    (250 * WEFT_MS)     /* if the last one brought much: there may be more */
#define WEFT_GOSSIP_MANY          64                  /* names */
#define WEFT_GOSSIP_ANSWER_AGAIN  (50 * WEFT_MS)      /* sums on one link that come sooner are not answered */
#define WEFT_GOSSIP_ASK_AGAIN     (2 * WEFT_SECOND)   /* what was asked for and did not come */
#define WEFT_GOSSIP_REFUSED_AGAIN (60 * WEFT_SECOND)  /* what came and was refused */
#define WEFT_GOSSIP_FORGED_MAX    16                  /* forged things on one gateway's link; then it is cut off */
#define WEFT_GOSSIP_TELL          (1 * WEFT_SECOND)   /* how often attached nodes are told */
#define WEFT_GOSSIP_TELL_RATE     512                 /* bytes a second to each */
#define WEFT_GOSSIP_TELL_START    ((size_t)16 * 1024) /* at once */
#define WEFT_GOSSIP_TELL_KEPT     ((size_t)8 * 1024)  /* of it, kept for revocations and the models that it uses */
#define WEFT_GOSSIP_HEAR_RATE     2048                /* bytes a second from each */
#define WEFT_GOSSIP_HEAR_START    ((size_t)32 * 1024)
#define WEFT_GOSSIP_HOLDERS       4   /* of a used model, of whom a node is told */
#define WEFT_GOSSIP_LOST_NOW_MAX  256 /* lost nodes of whom others hear before the next tick: each walks all links */

enum weft_gossip_kind {
    WEFT_GOSSIP_GATEWAY,  /* the other is a gateway, and so are we */
    WEFT_GOSSIP_ANCHOR,   /* the other is a gateway, and we are attached to it */
    WEFT_GOSSIP_MEMBER,   /* the other is attached to us */
    WEFT_GOSSIP_STRANGER, /* so is this one, and it has shown no certificate */
};

struct weft_gossip_settings {
    struct weft_key self;
    struct weft_siphash_key secret;     /* from entropy */
    uint64_t seed;                      /* from entropy */
    struct weft_roster *roster;         /* these two are the caller's and outlive it */
    struct weft_membership *membership; /* it has the revocations */
    /* A revocation that was not known here: store it, and close the links of whom it is about. It is told on. From
     * inside of _receive(), and may call nothing of the gossip's. */
    void (*revoked)(void *user, struct weft_slice bytes, const struct weft_key *subject);
    void *user;
};

struct weft_gossip;
struct weft_gossip_link; /* the gossip's, until it is closed */

/* On error *out is NULL. */
WEFT_MUST_USE int weft_gossip_new(struct weft_gossip **out, const struct weft_gossip_settings *settings, weft_time now);
void weft_gossip_free(struct weft_gossip *gossip); /* with its links */

/* A link is there, and who the other end is has been proven. `prefix` is a stranger's network, as a hash: /24 of IPv4,
 * /48 of IPv6. WEFT_ERR_FULL: a bound above; WEFT_ERR_MEMORY. On error *out is NULL. */
WEFT_MUST_USE int weft_gossip_open(struct weft_gossip *gossip, struct weft_gossip_link **out,
                                   const struct weft_key *key, enum weft_gossip_kind kind, uint64_t prefix, void *user,
                                   weft_time now);
/* It is gone. Of two links of one node, one may go and the node stays. */
void weft_gossip_close(struct weft_gossip_link *link, weft_time now);

/* Any part of the stream. On an error the owner closes the link: WEFT_ERR_INVALID, WEFT_ERR_TOO_LARGE and
 * WEFT_ERR_UNSUPPORTED for messages that cannot be read, WEFT_ERR_CRYPTO for forged things, WEFT_ERR_FULL for too much
 * from an attached node and WEFT_ERR_DENIED for what it may not say, WEFT_ERR_MEMORY. */
WEFT_MUST_USE int weft_gossip_receive(struct weft_gossip_link *link, struct weft_slice bytes, weft_time now,
                                      int64_t now_s);
struct weft_bytes *weft_gossip_output(struct weft_gossip_link *link); /* to be sent: the owner drops what it has sent */
void *weft_gossip_user(const struct weft_gossip_link *link);
const struct weft_key *weft_gossip_key(const struct weft_gossip_link *link);
/* What became of the last announcement that came on it: of an attached node, what to tell its owner. */
enum weft_roster_outcome weft_gossip_heard(const struct weft_gossip_link *link);
/* A link whose output has grown since it last came from here, or NULL. After each call that may add output. */
struct weft_gossip_link *weft_gossip_ready(struct weft_gossip *gossip);

weft_time weft_gossip_deadline(const struct weft_gossip *gossip);
void weft_gossip_tick(struct weft_gossip *gossip, weft_time now, int64_t now_s); /* at the deadline, or any time */

/* This node's own, just signed: into the roster, and told. At least every WEFT_ROSTER_RENEW_S, and at most once a
 * second. What the roster says: not one of those that refuse. */
WEFT_MUST_USE enum weft_roster_outcome weft_gossip_announce(struct weft_gossip *gossip, struct weft_slice bytes,
                                                            weft_time now, int64_t now_s);
/* A revocation that was made or brought here; the membership has taken it, and it is stored. It is told on. */
void weft_gossip_revoked(struct weft_gossip *gossip, struct weft_slice bytes, int64_t now_s);
/* A node uses these models from now on, at most WEFT_GOSSIP_USED_MAX: its gateways tell it who serves them. */
void weft_gossip_use(struct weft_gossip *gossip, const uint8_t (*hashes)[WEFT_HASH_SIZE], size_t count);

/* The models of the mesh: a gateway's own catalogue, or what a node's gateways have told; *cursor is 0 at first. The
 * same model may come once for each gateway. NULL at the end. */
const struct weft_catalogue_line *weft_gossip_model(const struct weft_gossip *gossip, size_t *cursor);

struct weft_gossip_counts {
    uint64_t messages_in, messages_out, bytes_in, bytes_out;
    uint64_t pulls, differing; /* sums sent; those that were answered with a list */
    uint64_t unsaid;           /* messages for which there was no room on a link */
};

struct weft_gossip_counts weft_gossip_counts(const struct weft_gossip *gossip);

#endif
