/* node/owner_token.h - the token by which a node knows its owner: read from its file, or made and written there. */
#ifndef WEFT_NODE_OWNER_TOKEN_H
#define WEFT_NODE_OWNER_TOKEN_H

#include "base/text.h"
#include "crypto/secret.h"
#include "host/host.h"

#define WEFT_OWNER_TOKEN_BYTES     32
#define WEFT_OWNER_TOKEN_PATH_SIZE 4096

/* Embedded in a node. */
struct weft_owner_token {
    struct weft_host *host;
    void (*found)(void *self, int status, const char *problem);
    void *self;
    struct weft_secret secret; /* what is left of it; all zeros until it is found */
    bool awaited;
    bool there; /* making one has found that out */
    char path[WEFT_OWNER_TOKEN_PATH_SIZE];
    char text[WEFT_BASE64URL_SIZE(WEFT_OWNER_TOKEN_BYTES) + 1]; /* only while it is being written to its file */
};

/* WEFT_ERR_TOO_LARGE if the file's path is longer than any. */
WEFT_MUST_USE int weft_owner_token_init(struct weft_owner_token *token, struct weft_host *host, const char *folder,
                                        const char *name);
/* `found` is called once, perhaps at once: 0, or an error and a sentence that says why and what to do. */
void weft_owner_token_find(struct weft_owner_token *token, void (*found)(void *self, int status, const char *problem),
                           void *self);
void weft_owner_token_forget(struct weft_owner_token *token); /* nobody wants it any more: `found` is not called */

#endif
