/* crypto/secret.c - keys that callers show us. */
#include "crypto/secret.h"

#include <sodium.h>

struct weft_secret weft_secret_of(struct weft_slice key)
{
    struct weft_secret secret;
    (void)crypto_hash_sha256(secret.hash, (const unsigned char *)key.data, key.size); /* always 0 */
    return secret;
}

bool weft_secret_set(const struct weft_secret *secret)
{
    return !sodium_is_zero(secret->hash, sizeof(secret->hash));
}

bool weft_secret_matches(const struct weft_secret *secret, struct weft_slice shown)
{
    struct weft_secret other = weft_secret_of(shown);
    /* Both are looked at, so that the time says nothing about whether there is a key. */
    bool same = sodium_memcmp(secret->hash, other.hash, sizeof(other.hash)) == 0;
    return weft_secret_set(secret) && same;
}

void weft_secret_wipe(void *memory, size_t size)
{
    sodium_memzero(memory, size);
}
