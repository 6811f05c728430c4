/* crypto/secret.h - keys that callers show us: kept as hashes, compared in constant time, wiped. */
#ifndef WEFT_CRYPTO_SECRET_H
#define WEFT_CRYPTO_SECRET_H

#include "base/types.h"

#define WEFT_SECRET_HASH_SIZE 32

/* What is left of a key once it has been read. A hash of all zeros stands for "no key" and equals nothing. */
struct weft_secret {
    uint8_t hash[WEFT_SECRET_HASH_SIZE]; /* SHA-256 */
};

struct weft_secret weft_secret_of(struct weft_slice key);
bool weft_secret_set(const struct weft_secret *secret);
/* Takes the same time wherever they differ. */
bool weft_secret_matches(const struct weft_secret *secret, struct weft_slice shown);
void weft_secret_wipe(void *memory, size_t size); /* not optimised away */

#endif
