/* crypto/mark.c - by what a text is known again without being kept. */
#include "crypto/mark.h"

#include <sodium.h>

static void add(crypto_auth_hmacsha512256_state *state, const void *data, size_t size)
{
    (void)crypto_auth_hmacsha512256_update(state, data, size); /* always 0, as its neighbours */
}

struct weft_mark weft_mark_of(const struct weft_mark_key *key, struct weft_slice place, struct weft_slice text)
{
    crypto_auth_hmacsha512256_state state;
    struct weft_mark mark;
    uint64_t size = place.size; /* says where the one ends and the other begins */
    (void)crypto_auth_hmacsha512256_init(&state, key->bytes, sizeof(key->bytes));
    add(&state, &size, sizeof(size));
    add(&state, place.data, place.size);
    add(&state, text.data, text.size);
    (void)crypto_auth_hmacsha512256_final(&state, mark.hash);
    sodium_memzero(&state, sizeof(state));
    return mark;
}

bool weft_mark_equal(const struct weft_mark *one, const struct weft_mark *other)
{
    return sodium_memcmp(one->hash, other->hash, sizeof(one->hash)) == 0;
}
