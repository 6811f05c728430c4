/* bench/once.c - signatures that are checked once, however many nodes of one process check them: linked in the place of
 * weft_key_verify(), which it asks for each that it has not seen. */
#include "bench/once.h"

#include "base/assert.h"
#include "base/siphash.h"
#include "crypto/identity.h"

#define SEEN_MAX ((size_t)1 << 20)

bool bench_check_again;

bool __real_weft_key_verify(const struct weft_key *key, struct weft_slice domain, struct weft_slice bytes,
                            const uint8_t signature[WEFT_SIGNATURE_SIZE]);
bool __wrap_weft_key_verify(const struct weft_key *key, struct weft_slice domain, struct weft_slice bytes,
                            const uint8_t signature[WEFT_SIGNATURE_SIZE]);

static uint64_t seen[SEEN_MAX]; /* of what was right: a hash of all of it */
static size_t seen_count;

static uint64_t hash_of(const struct weft_key *key, struct weft_slice domain, struct weft_slice bytes,
                        const uint8_t signature[WEFT_SIGNATURE_SIZE])
{
    static const struct weft_siphash_key secret = {{1}};
    uint8_t parts[WEFT_KEY_SIZE + WEFT_SIGNATURE_SIZE + 16];
    memcpy(parts, key->bytes, WEFT_KEY_SIZE);
    memcpy(parts + WEFT_KEY_SIZE, signature, WEFT_SIGNATURE_SIZE);
    weft_store64(parts + WEFT_KEY_SIZE + WEFT_SIGNATURE_SIZE, weft_siphash(&secret, domain.data, domain.size));
    weft_store64(parts + WEFT_KEY_SIZE + WEFT_SIGNATURE_SIZE + 8, weft_siphash(&secret, bytes.data, bytes.size));
    return weft_siphash(&secret, parts, sizeof(parts));
}

bool __wrap_weft_key_verify(const struct weft_key *key, struct weft_slice domain, struct weft_slice bytes,
                            const uint8_t signature[WEFT_SIGNATURE_SIZE])
{
    if (bench_check_again) {
        return __real_weft_key_verify(key, domain, bytes, signature);
    }
    uint64_t hash = hash_of(key, domain, bytes, signature);
    size_t place = hash % SEEN_MAX;
    for (; seen[place] != 0; place = (place + 1) % SEEN_MAX) {
        if (seen[place] == hash) {
            return true;
        }
    }
    if (!__real_weft_key_verify(key, domain, bytes, signature)) {
        return false;
    }
    WEFT_ASSERT(seen_count < SEEN_MAX / 2);
    seen[place] = hash;
    seen_count++;
    return true;
}
