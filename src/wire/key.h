/* wire/key.h - a public key, as everything that is signed names it, and as people read it. */
#ifndef WEFT_WIRE_KEY_H
#define WEFT_WIRE_KEY_H

#include "base/types.h"

#define WEFT_KEY_SIZE       32 /* an Ed25519 public key */
#define WEFT_SIGNATURE_SIZE 64
#define WEFT_PEER_ID_SIZE   53 /* a key in base32, with its NUL */

struct weft_key {
    uint8_t bytes[WEFT_KEY_SIZE];
};

bool weft_key_equal(const struct weft_key *one, const struct weft_key *other);
bool weft_key_set(const struct weft_key *key); /* not all zeros, which stand for "none" and are no key */

/* The key as text: its peer id, 52 characters. */
void weft_key_text(const struct weft_key *key, char text[WEFT_PEER_ID_SIZE]);
/* False for anything but a peer id. */
WEFT_MUST_USE bool weft_key_parse(struct weft_key *out, struct weft_slice text);

#endif
