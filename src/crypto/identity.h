/* crypto/identity.h - who somebody is: an Ed25519 key pair (RFC 8032), what it signs, and the file it lies in.
 *
 * A signature is over a domain text that says what kind of thing is signed, a NUL, and the thing's bytes; so no
 * signature of one kind passes as another's. The seed is entropy of the caller's. */
#ifndef WEFT_CRYPTO_IDENTITY_H
#define WEFT_CRYPTO_IDENTITY_H

#include "wire/key.h"

#define WEFT_SEED_SIZE          32
#define WEFT_DOMAIN_MAX         64   /* bytes of a domain text */
#define WEFT_SIGNED_RECORD_MAX  8192 /* bytes that one signature can be over, the domain not counted */
#define WEFT_IDENTITY_TEXT_SIZE 62   /* of a key file, with a NUL */

struct weft_identity {
    uint8_t seed[WEFT_SEED_SIZE];
    struct weft_key key;
};

void weft_identity_init(struct weft_identity *identity, const uint8_t seed[WEFT_SEED_SIZE]);
void weft_identity_deinit(struct weft_identity *identity); /* wipes it */

/* `domain` is a literal; both bounds are asserted. */
void weft_identity_sign(const struct weft_identity *identity, struct weft_slice domain, struct weft_slice bytes,
                        uint8_t signature[WEFT_SIGNATURE_SIZE]);
/* False for a signature that is wrong, and for bytes over WEFT_SIGNED_RECORD_MAX. */
WEFT_MUST_USE bool weft_key_verify(const struct weft_key *key, struct weft_slice domain, struct weft_slice bytes,
                                   const uint8_t signature[WEFT_SIGNATURE_SIZE]);

/* -- the file of a key: one line, "weft node key v1 SEED" or "weft root key v1 SEED", the seed in base64url -- */

enum weft_identity_kind {
    WEFT_IDENTITY_NODE, /* of one node */
    WEFT_IDENTITY_ROOT, /* of a mesh: who holds it says who its gateways are */
};

/* The file's whole text. It holds the seed: wipe it after use. */
void weft_identity_text(const struct weft_identity *identity, enum weft_identity_kind kind,
                        char text[WEFT_IDENTITY_TEXT_SIZE]);
/* Takes nothing but such a text. WEFT_ERR_UNSUPPORTED: of a newer version; else WEFT_ERR_INVALID. `why` gets half a
 * sentence for a person that holds nothing of the text. On error there is nothing to deinit. */
WEFT_MUST_USE int weft_identity_parse(struct weft_identity *out, enum weft_identity_kind kind, struct weft_slice text,
                                      const char **why);

#endif
