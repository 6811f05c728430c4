/* crypto/digest.h - SHA-256 of what comes piece by piece.
 *
 * For what is large: OpenSSL's, which uses the processor's own instructions. It takes memory when it is made and gives
 * it back when it is freed, and none in between: that part may be another thread's. */
#ifndef WEFT_CRYPTO_DIGEST_H
#define WEFT_CRYPTO_DIGEST_H

#include "base/types.h"

#define WEFT_DIGEST_SIZE 32

struct weft_digest;

/* On error (WEFT_ERR_MEMORY) *out is NULL. */
WEFT_MUST_USE int weft_digest_new(struct weft_digest **out);
void weft_digest_free(struct weft_digest *digest); /* NULL is fine */

void weft_digest_add(struct weft_digest *digest, const void *data, size_t size);
/* Once; nothing can be added after it. */
void weft_digest_finish(struct weft_digest *digest, uint8_t hash[WEFT_DIGEST_SIZE]);

#endif
