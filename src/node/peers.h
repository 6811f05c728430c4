/* node/peers.h - the other nodes of the mesh as this one asks them: who holds which model, how busy it is, how it is
 * reached.
 *
 * Who is in the mesh others know: they say here who is there, and keep it up to date. A model is known by the SHA-256
 * of its file, and what is asked for is that file, at whichever peer; its name is only how people find it.
 *
 * Requests to peers go through one line, so that those who wait are told and nobody takes all; the line before a
 * peer's engine is the peer's own. */
#ifndef WEFT_NODE_PEERS_H
#define WEFT_NODE_PEERS_H

#include "node/line.h"
#include "node/model_match.h"
#include "node/native.h"
#include "wire/key.h"

#define WEFT_PEERS_MAX         4096 /* then WEFT_ERR_FULL */
#define WEFT_PEERS_OF_PEER_MAX 32   /* models of one; more are passed over */
#define WEFT_PEERS_MODELS_MAX  512  /* models of all, by hash and name; more are not found by their name */
#define WEFT_PEERS_SAID_MAX    256  /* of those of which only that is known that they are served */
#define WEFT_PEERS_NAME_MAX    128  /* bytes; a longer one is passed over, as an empty one */
#define WEFT_PEERS_SHOWN_MAX   (WEFT_PEERS_NAME_MAX + 2 * WEFT_HOST_HASH_SIZE + 2)
#define WEFT_PEERS_RUNNING_MAX 1024 /* choices that are written for this node at once */
#define WEFT_PEERS_AVOID                                                                                               \
    (5 * WEFT_SECOND) /* one that failed is asked after all others, unless it went and came again */
#define WEFT_PEERS_PATIENCE        (30 * WEFT_SECOND) /* nobody is there who could go on: then it is given up */
#define WEFT_PEERS_HASH_DIGITS     8                  /* of a hash behind a name: NAME@1a2b3c4d */
#define WEFT_PEERS_HASH_DIGITS_MIN 4                  /* that people may type */

enum weft_peer_path {
    WEFT_PEER_DIRECT,  /* nobody else can read what is said */
    WEFT_PEER_RELAYED, /* a gateway carries it, and can */
};
const char *weft_peer_path_name(enum weft_peer_path path); /* "direct" */

struct weft_peer_model {
    struct weft_slice name;
    uint8_t hash[WEFT_HOST_HASH_SIZE];
    uint32_t context, slots;
};

/* What is said of one. */
struct weft_peer {
    struct weft_key key;
    bool alive;
    weft_time since; /* it can be reached, or not */
    enum weft_peer_path path;
    /* Where requests to it go; holds for this turn. On an error it cannot be asked now. */
    int (*target)(void *self, const struct weft_key *key, struct weft_relay_target *target);
    void *self;
    const struct weft_peer_model *models; /* copied */
    size_t model_count;
    uint32_t running, waiting; /* requests, as it has said last */
};

/* A model that the mesh is said to serve. */
struct weft_peer_said {
    struct weft_slice name;
    uint8_t hash[WEFT_HOST_HASH_SIZE];
    uint64_t peers; /* about how many serve it */
};

struct weft_peers;

struct weft_peers_options {
    struct weft_loop *loop;
    size_t waiters_max;
    weft_time stall; /* a peer that says nothing of an answer for so long has lost it */
};

/* On error *out is NULL. */
WEFT_MUST_USE int weft_peers_new(struct weft_peers **out, const struct weft_peers_options *options);
void weft_peers_free(struct weft_peers *peers); /* nobody may stand in its line */

/* Adds it, or says anew what it is. WEFT_ERR_FULL, WEFT_ERR_MEMORY: then it is as it was. */
WEFT_MUST_USE int weft_peers_set(struct weft_peers *peers, const struct weft_peer *peer);
/* What it has said of its load. One that is not there is passed over, as in the next. */
void weft_peers_load(struct weft_peers *peers, const struct weft_key *key, uint32_t running, uint32_t waiting);
void weft_peers_remove(struct weft_peers *peers, const struct weft_key *key);

/* All that is said, in place of what was before: copied, and beyond WEFT_PEERS_SAID_MAX left out. Such a model is
 * listed and found as long as none of its peers is known; whoever asks for it waits until one is. */
void weft_peers_say(struct weft_peers *peers, const struct weft_peer_said *said, size_t count);

struct weft_line *weft_peers_line(const struct weft_peers *peers);

/* -- their models: one entry for each name and hash -- */

struct weft_peers_model {
    struct weft_slice name;  /* as its peers call it; holds until a peer changes or goes */
    const uint8_t *hash;     /* likewise */
    size_t peers, alive;     /* who hold it, and those of them that are there; or are said to */
    uint32_t context, slots; /* the largest context; the slots of those that are there */
};

size_t weft_peers_models(struct weft_peers *peers);
void weft_peers_model(struct weft_peers *peers, size_t index, struct weft_peers_model *model);
/* What it is asked for by: its name, and its hash behind it where another one has the same name, here or there.
 * `taken`: this node has such a name itself. */
struct weft_slice weft_peers_show(struct weft_peers *peers, size_t index, bool taken, char text[WEFT_PEERS_SHOWN_MAX]);
/* The index of the one that is meant by a name, letter by letter (a hash behind it may be shorter) or as people type
 * it; or -1, and `match` says why. */
int weft_peers_find(struct weft_peers *peers, struct weft_slice typed, bool exact, struct weft_model_match *match);
/* Cuts "@1a2b" off a name: the digits, or nothing. */
struct weft_slice weft_peers_cut_hash(struct weft_slice *typed);
bool weft_peers_hash_begins(const uint8_t hash[WEFT_HOST_HASH_SIZE], struct weft_slice digits);

/* -- asking one -- */

struct weft_peers_choice {
    struct weft_key key; /* not set: nobody was chosen */
    enum weft_peer_path path;
    uint32_t context;                /* of the model there; 0: not known */
    struct weft_relay_target target; /* holds for this turn */
};

/* Of a problem: the prompt did not fit. */
#define WEFT_PEERS_OVERFLOW "context_overflow"

/* Chooses who of those that hold this model is asked: who has most room for it, and not the `last` one, if there is
 * another. `context_over`: and a larger context than this; 0: any will do. WEFT_ERR_NOT_FOUND if nobody can be asked
 * now. */
WEFT_MUST_USE int weft_peers_choose(struct weft_peers *peers, const uint8_t hash[WEFT_HOST_HASH_SIZE],
                                    const struct weft_key *last, uint32_t context_over,
                                    struct weft_peers_choice *choice);
/* What came of it: NULL if nothing is wrong with that peer. What others may do better `passes` from then on; so does a
 * context that is too small, if somebody is there who has a larger one. Clears the choice; one that is clear is fine.
 */
void weft_peers_done(struct weft_peers *peers, const uint8_t hash[WEFT_HOST_HASH_SIZE],
                     struct weft_peers_choice *choice, struct weft_native_problem *problem);

#endif
