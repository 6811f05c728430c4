/* fuzz/certificate_fuzz.c - certificates, chains and revocations that are read are written the same, but for fields of
 * a newer version, which may be in what is read only. */
#include <stdlib.h>

#include "base/assert.h"
#include "base/error.h"
#include "wire/revocation.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool same(int64_t size, const uint8_t *written, struct weft_slice record)
{
    return size > 0 && (size_t)size <= record.size &&
           ((size_t)size < record.size || memcmp(written, record.data, record.size) == 0);
}

static void check_certificate(struct weft_slice bytes)
{
    struct weft_certificate certificate;
    struct weft_signed parts;
    uint8_t again[WEFT_CERTIFICATE_MAX];
    if (weft_certificate_read(bytes, &certificate, &parts) == 0) {
        WEFT_ASSERT(same(weft_certificate_write(&certificate, again), again, parts.record));
        WEFT_ASSERT(weft_certificate_renew_s(&certificate) < certificate.not_after_s);
    }
}

static void check_revocation(struct weft_slice bytes)
{
    struct weft_revocation revocation;
    struct weft_signed parts;
    uint8_t again[WEFT_REVOCATION_MAX];
    if (weft_revocation_read(bytes, &revocation, &parts) == 0) {
        WEFT_ASSERT(same(weft_revocation_write(&revocation, again), again, parts.record));
    }
}

static void check_chain(struct weft_slice bytes)
{
    struct weft_chain chain;
    uint8_t again[WEFT_CHAIN_MAX];
    if (weft_chain_read(bytes, &chain) == 0) {
        WEFT_ASSERT(same(weft_chain_write(&chain, again), again, bytes));
        check_certificate(chain.own);
        check_certificate(chain.issuer);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *copy = malloc(size == 0 ? 1 : size); /* of the exact size: a read past it is seen */
    if (!copy) {
        abort();
    }
    memcpy(copy, data, size);
    check_certificate(weft_slice(copy, size));
    check_revocation(weft_slice(copy, size));
    check_chain(weft_slice(copy, size));
    free(copy);
    return 0;
}
