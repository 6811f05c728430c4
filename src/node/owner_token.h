/* node/owner_token.h - the token by which a node knows its owner, as it stands in its file. */
#ifndef WEFT_NODE_OWNER_TOKEN_H
#define WEFT_NODE_OWNER_TOKEN_H

#include "crypto/secret.h"
#include "node/kept_file.h"

#define WEFT_OWNER_TOKEN_BYTES 32

/* Makes a new token, and its file's text; returns the text's size. */
size_t weft_owner_token_make(struct weft_secret *out, struct weft_host *host, char text[WEFT_KEPT_TEXT_MAX]);
/* WEFT_ERR_INVALID if the text holds none. */
WEFT_MUST_USE int weft_owner_token_take(struct weft_secret *out, struct weft_slice text);

#endif
