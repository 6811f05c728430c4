/* crypto/identity.c - key pairs, signatures and key files. */
#include "crypto/identity.h"

#include <sodium.h>
#include <stdio.h>

#include "base/assert.h"
#include "base/error.h"
#include "base/text.h"

#define MESSAGE_MAX (WEFT_DOMAIN_MAX + 1 + WEFT_SIGNED_RECORD_MAX)

void weft_identity_init(struct weft_identity *identity, const uint8_t seed[WEFT_SEED_SIZE])
{
    uint8_t secret[crypto_sign_SECRETKEYBYTES];
    memcpy(identity->seed, seed, WEFT_SEED_SIZE);
    (void)crypto_sign_seed_keypair(identity->key.bytes, secret, seed); /* always 0 */
    sodium_memzero(secret, sizeof(secret));
}

void weft_identity_deinit(struct weft_identity *identity)
{
    sodium_memzero(identity, sizeof(*identity));
}

static size_t message(uint8_t out[MESSAGE_MAX], struct weft_slice domain, struct weft_slice bytes)
{
    memcpy(out, domain.data, domain.size);
    out[domain.size] = 0;
    if (bytes.size > 0) {
        memcpy(out + domain.size + 1, bytes.data, bytes.size);
    }
    return domain.size + 1 + bytes.size;
}

void weft_identity_sign(const struct weft_identity *identity, struct weft_slice domain, struct weft_slice bytes,
                        uint8_t signature[WEFT_SIGNATURE_SIZE])
{
    uint8_t text[MESSAGE_MAX], secret[crypto_sign_SECRETKEYBYTES];
    WEFT_ASSERT(domain.size > 0 && domain.size <= WEFT_DOMAIN_MAX && bytes.size <= WEFT_SIGNED_RECORD_MAX);
    size_t size = message(text, domain, bytes);
    /* libsodium's secret key is the seed and the public key behind it. */
    memcpy(secret, identity->seed, WEFT_SEED_SIZE);
    memcpy(secret + WEFT_SEED_SIZE, identity->key.bytes, WEFT_KEY_SIZE);
    (void)crypto_sign_detached(signature, NULL, text, size, secret); /* always 0 */
    sodium_memzero(secret, sizeof(secret));
}

bool weft_key_verify(const struct weft_key *key, struct weft_slice domain, struct weft_slice bytes,
                     const uint8_t signature[WEFT_SIGNATURE_SIZE])
{
    uint8_t text[MESSAGE_MAX];
    WEFT_ASSERT(domain.size > 0 && domain.size <= WEFT_DOMAIN_MAX);
    if (bytes.size > WEFT_SIGNED_RECORD_MAX) {
        return false;
    }
    size_t size = message(text, domain, bytes);
    return crypto_sign_verify_detached(signature, text, size, key->bytes) == 0;
}

/* -- key files -- */

static const struct {
    const char *start, *other; /* what is said where a key of the other kind is shown */
} kinds[] = {
    [WEFT_IDENTITY_NODE] = {"weft node key v", "it is the key of a mesh (a root key), and a node's key is wanted"},
    [WEFT_IDENTITY_ROOT] = {"weft root key v", "it is the key of a node, and that of a mesh (a root key) is wanted"},
};

void weft_identity_text(const struct weft_identity *identity, enum weft_identity_kind kind,
                        char text[WEFT_IDENTITY_TEXT_SIZE])
{
    char seed[WEFT_BASE64URL_SIZE(WEFT_SEED_SIZE)];
    weft_base64url(seed, identity->seed, sizeof(identity->seed));
    int size = snprintf(text, WEFT_IDENTITY_TEXT_SIZE, "%s1 %s\n", kinds[kind].start, seed);
    WEFT_ASSERT(size == WEFT_IDENTITY_TEXT_SIZE - 1);
    sodium_memzero(seed, sizeof(seed));
}

static int refuse(const char **why, int error, const char *text)
{
    *why = text;
    return error;
}

/* What comes behind "weft node key v". */
static int parse_version(struct weft_slice text, const char **why)
{
    if (text.size == 0) {
        return refuse(why, WEFT_ERR_INVALID, "it is cut short");
    }
    if (text.data[0] > '1' && text.data[0] <= '9') {
        return refuse(why, WEFT_ERR_UNSUPPORTED, "it was written by a newer weft than this one");
    }
    if (!weft_slice_starts(text, WEFT_SLICE("1 "))) {
        return refuse(why, WEFT_ERR_INVALID, "it is no key file of weft");
    }
    return 0;
}

static int parse_seed(struct weft_identity *out, struct weft_slice text, const char **why)
{
    uint8_t seed[WEFT_SEED_SIZE];
    size_t whole = WEFT_BASE64URL_SIZE(WEFT_SEED_SIZE); /* the newline takes the place of the NUL */
    if (text.size < whole) {
        return refuse(why, WEFT_ERR_INVALID, "it is cut short");
    }
    if (text.size > whole || text.data[whole - 1] != '\n') {
        return refuse(why, WEFT_ERR_INVALID, "there is more in it than one key");
    }
    int64_t size = weft_base64url_read(seed, sizeof(seed), weft_slice(text.data, whole - 1));
    if (size == WEFT_SEED_SIZE) {
        weft_identity_init(out, seed);
    }
    sodium_memzero(seed, sizeof(seed));
    return size == WEFT_SEED_SIZE ? 0 : refuse(why, WEFT_ERR_INVALID, "its key is damaged");
}

int weft_identity_parse(struct weft_identity *out, enum weft_identity_kind kind, struct weft_slice text,
                        const char **why)
{
    struct weft_slice start = weft_slice_text(kinds[kind].start);
    *why = NULL;
    if (text.size == 0) {
        return refuse(why, WEFT_ERR_INVALID, "it is empty");
    }
    for (size_t other = 0; other < WEFT_COUNT(kinds); other++) {
        if (other != (size_t)kind && weft_slice_starts(text, weft_slice_text(kinds[other].start))) {
            return refuse(why, WEFT_ERR_INVALID, kinds[kind].other);
        }
    }
    if (!weft_slice_starts(text, start)) {
        return refuse(why, WEFT_ERR_INVALID, "it is no key file of weft");
    }
    text = weft_slice(text.data + start.size, text.size - start.size);
    int error = parse_version(text, why);
    return error < 0 ? error : parse_seed(out, weft_slice(text.data + 2, text.size - 2), why);
}
