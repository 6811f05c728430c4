/* crypto/mark.h - by what a text is known again without being kept: its HMAC under a key that nobody else has. */
#ifndef WEFT_CRYPTO_MARK_H
#define WEFT_CRYPTO_MARK_H

#include "base/types.h"

#define WEFT_MARK_SIZE     32
#define WEFT_MARK_KEY_SIZE 32

struct weft_mark_key {
    uint8_t bytes[WEFT_MARK_KEY_SIZE]; /* from entropy */
};

struct weft_mark {
    uint8_t hash[WEFT_MARK_SIZE]; /* HMAC-SHA-512-256 */
};

/* Of a text and of what it belongs to: the same text elsewhere has another mark. */
struct weft_mark weft_mark_of(const struct weft_mark_key *key, struct weft_slice place, struct weft_slice text);
bool weft_mark_equal(const struct weft_mark *one, const struct weft_mark *other);

#endif
