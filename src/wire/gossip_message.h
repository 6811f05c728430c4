/* wire/gossip_message.h - what is said on a gossip link, as bytes: each message a record with four bytes of size in
 * front, the highest first.
 *
 * A message says any of what is below; what it leaves out is not said, and one that says nothing is fine. Many small
 * things of one kind (names, keys, sums) stand packed in one field. What a message means, mesh/gossip says. */
#ifndef WEFT_WIRE_GOSSIP_MESSAGE_H
#define WEFT_WIRE_GOSSIP_MESSAGE_H

#include "base/siphash.h"
#include "wire/announcement.h"

#define WEFT_GOSSIP_MESSAGE_MAX 65536 /* bytes, the size in front not counted */
#define WEFT_GOSSIP_SIZE_SIZE   4
#define WEFT_GOSSIP_ITEMS_MAX   128  /* announcements, revocations and lines of the catalogue in a message, of each */
#define WEFT_GOSSIP_NAMES_MAX   1500 /* in one field */
#define WEFT_GOSSIP_USED_MAX    8    /* models that a node says it uses */
#define WEFT_GOSSIP_BUCKETS_MIN 256  /* of a digest; a power of two */
#define WEFT_GOSSIP_BUCKETS_MAX 4096
#define WEFT_GOSSIP_LINE_MAX    (3 + WEFT_ANNOUNCEMENT_ALIAS_MAX + 2 + WEFT_HASH_SIZE + 2 + WEFT_RECORD_NUMBER_MAX)

/* By what an announcement is called without being sent. */
struct weft_gossip_name {
    uint64_t id;    /* of its key: weft_gossip_id() */
    uint32_t check; /* four bytes of its signature: of two with one version it says which */
    uint64_t incarnation, sequence;
};

#define WEFT_GOSSIP_ID_SIZE  8
#define WEFT_GOSSIP_NAME_MAX (WEFT_GOSSIP_ID_SIZE + 4 + 2 * WEFT_RECORD_NUMBER_MAX)

/* The first eight bytes of a key as a number. Two keys that share them share their gossip: nobody but their owner can
 * make such a pair. */
uint64_t weft_gossip_id(const struct weft_key *key);
/* Eight bytes of a signature: its S, which nobody can choose. */
uint64_t weft_gossip_check(const uint8_t signature[WEFT_SIGNATURE_SIZE]);
uint32_t weft_gossip_short_check(uint64_t check); /* the upper half: of two, it is mostly lower where the whole is */

struct weft_gossip_items {
    struct weft_slice at[WEFT_GOSSIP_ITEMS_MAX];
    size_t count;
};

/* The sums of all that the sender knows, in buckets: whoever has the same has the same sums. */
struct weft_gossip_digest {
    bool said;
    struct weft_siphash_key salt; /* of the sums and of who is in which bucket: new each time */
    struct weft_slice sums;       /* packed, 4 bytes each: as many as there are buckets */
    uint64_t revocations;         /* the sum of these */
};

/* The answer: what the sender has in the buckets where the sums differ. */
struct weft_gossip_list {
    bool said;
    struct weft_siphash_key salt;  /* the digest's */
    struct weft_slice buckets;     /* packed, 2 bytes each: all that they hold is named */
    struct weft_slice names;       /* packed */
    bool revocations_said;         /* the sums of revocations differ, and here are all */
    struct weft_slice revocations; /* packed ids, 8 bytes each */
};

/* Who can be reached through the sender. */
struct weft_gossip_reach {
    bool said;
    bool anew;                    /* forget what was said before */
    struct weft_slice more, less; /* packed keys */
};

struct weft_gossip_message {
    struct weft_gossip_items announcements, revocations; /* signed, as they are */
    struct weft_slice news;                              /* packed names: the sender has them */
    struct weft_slice wants;                             /* packed ids, 8 bytes each: of announcements */
    struct weft_slice revocation_wants;                  /* packed ids, 8 bytes each */
    struct weft_gossip_digest digest;
    struct weft_gossip_list list;
    struct weft_gossip_reach reach;
    bool reach_again; /* the receiver is to say anew whom it reaches */
    struct weft_gossip_items lines;
    bool used_said;
    struct weft_slice used; /* packed hashes of models: from now on the sender uses these */
};

/* Without the size in front. How many bytes; WEFT_ERR_TOO_LARGE if there is no room. */
WEFT_MUST_USE int64_t weft_gossip_message_write(const struct weft_gossip_message *message, void *out, size_t room);
/* Checks all but what is inside of items; slices point into `bytes`. WEFT_ERR_INVALID, WEFT_ERR_TOO_LARGE or
 * WEFT_ERR_UNSUPPORTED. */
WEFT_MUST_USE int weft_gossip_message_read(struct weft_slice bytes, struct weft_gossip_message *out);

/* A line of the catalogue: a model that the mesh serves. */
struct weft_gossip_line {
    struct weft_slice alias;
    uint8_t hash[WEFT_HASH_SIZE]; /* all zeros: unverified */
    uint64_t peers;               /* about how many serve it; 0: nobody any more */
};

WEFT_MUST_USE int64_t weft_gossip_line_write(const struct weft_gossip_line *line, uint8_t out[WEFT_GOSSIP_LINE_MAX]);
WEFT_MUST_USE int weft_gossip_line_read(struct weft_slice bytes, struct weft_gossip_line *out);

/* -- packed things, one by one: 1 and the next one, with the slice moved behind it; 0 at its end -- */

/* How many bytes it takes, at most WEFT_GOSSIP_NAME_MAX. */
size_t weft_gossip_name_write(const struct weft_gossip_name *name, uint8_t out[WEFT_GOSSIP_NAME_MAX]);
/* Or WEFT_ERR_INVALID. */
WEFT_MUST_USE int weft_gossip_name_next(struct weft_slice *names, struct weft_gossip_name *out);
/* `size` bytes; false at the end. */
WEFT_MUST_USE bool weft_gossip_packed_next(struct weft_slice *packed, void *out, size_t size);

#endif
