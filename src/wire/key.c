/* wire/key.c - a public key. */
#include "wire/key.h"

#include "base/text.h"

bool weft_key_equal(const struct weft_key *one, const struct weft_key *other)
{
    return memcmp(one->bytes, other->bytes, WEFT_KEY_SIZE) == 0; /* public: nothing is told by the time it takes */
}

bool weft_key_set(const struct weft_key *key)
{
    static const struct weft_key none;
    return !weft_key_equal(key, &none);
}

void weft_key_text(const struct weft_key *key, char text[WEFT_PEER_ID_SIZE])
{
    weft_base32(text, key->bytes, sizeof(key->bytes));
}

bool weft_key_parse(struct weft_key *out, struct weft_slice text)
{
    return weft_base32_read(out->bytes, sizeof(out->bytes), text) == WEFT_KEY_SIZE && weft_key_set(out);
}
