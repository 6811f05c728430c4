/* node/model_hash.h - the SHA-256 of a model's file, and whether it is that of what its engine has loaded.
 *
 * It is asked for when a load begins and once more when the engine is ready: only a file that was the same both times
 * is what the engine has read. Which model an answer is of is bound to this. */
#ifndef WEFT_NODE_MODEL_HASH_H
#define WEFT_NODE_MODEL_HASH_H

#include "host/host.h"

struct weft_model_hash {
    struct weft_host *host;
    const char *path;
    void (*found)(void *self); /* `known` and `bytes` may be others now; from the loop. NULL: nobody wants to know */
    void *self;
    bool known; /* `bytes` are what was found last */
    bool holds; /* ... for this load, and nothing else since */
    uint8_t bytes[WEFT_HOST_HASH_SIZE];
    /* private */
    uint64_t asked, told, begun; /* questions, answers, and questions before this load's */
};

/* Whether an answer is still to come, with which `holds` may change. */
bool weft_model_hash_asks(const struct weft_model_hash *hash);
/* A load begins, or somebody wants to know. */
void weft_model_hash_begin(struct weft_model_hash *hash);
/* The load is through. */
void weft_model_hash_check(struct weft_model_hash *hash);
void weft_model_hash_forget(struct weft_model_hash *hash); /* nothing is told any more */

#endif
