/* crypto/digest.c - SHA-256 of what comes piece by piece. */
#include "crypto/digest.h"

#include <openssl/evp.h>

#include "base/assert.h"
#include "base/error.h"

/* struct weft_digest is OpenSSL's own: there is nothing to add to it. */
static EVP_MD_CTX *own(struct weft_digest *digest)
{
    return (EVP_MD_CTX *)(void *)digest;
}

int weft_digest_new(struct weft_digest **out)
{
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    *out = NULL;
    if (!context) {
        return WEFT_ERR_MEMORY;
    }
    if (EVP_DigestInit_ex(context, EVP_sha256(), NULL) != 1) {
        EVP_MD_CTX_free(context);
        return WEFT_ERR_MEMORY;
    }
    *out = (struct weft_digest *)(void *)context;
    return 0;
}

void weft_digest_free(struct weft_digest *digest)
{
    EVP_MD_CTX_free(own(digest));
}

void weft_digest_add(struct weft_digest *digest, const void *data, size_t size)
{
    int done = EVP_DigestUpdate(own(digest), data, size);
    WEFT_ASSERT(done == 1); /* fails only for one that was not begun, or is finished */
}

void weft_digest_finish(struct weft_digest *digest, uint8_t hash[WEFT_DIGEST_SIZE])
{
    int done = EVP_DigestFinal_ex(own(digest), hash, NULL);
    WEFT_ASSERT(done == 1); /* likewise */
}
