/* mesh/signing.c - records with their signatures. */
#include "mesh/signing.h"

#include "base/error.h"
#include "crypto/secret.h"

#define INVITE_KEY_DOMAIN "weft invite key v1" /* with its NUL behind it */

/* The writers leave room for it. */
static int64_t sign(const struct weft_identity *signer, struct weft_slice domain, uint8_t *bytes, int64_t size)
{
    if (size < 0) {
        return size;
    }
    weft_identity_sign(signer, domain, weft_slice(bytes, (size_t)size), bytes + size);
    return size + WEFT_SIGNATURE_SIZE;
}

int64_t weft_sign_certificate(const struct weft_identity *issuer, const struct weft_certificate *certificate,
                              uint8_t out[WEFT_CERTIFICATE_MAX])
{
    if (!weft_key_equal(&issuer->key, &certificate->issuer)) {
        return WEFT_ERR_DENIED;
    }
    return sign(issuer, WEFT_CERTIFICATE_DOMAIN, out, weft_certificate_write(certificate, out));
}

int64_t weft_sign_revocation(const struct weft_identity *issuer, const struct weft_revocation *revocation,
                             uint8_t out[WEFT_REVOCATION_MAX])
{
    struct weft_key signer = revocation->mesh;
    if (revocation->issuer.size > 0) {
        struct weft_certificate certificate;
        struct weft_signed parts;
        int error = weft_certificate_read(revocation->issuer, &certificate, &parts);
        if (error < 0) {
            return error;
        }
        signer = certificate.subject;
    }
    if (!weft_key_equal(&issuer->key, &signer)) {
        return WEFT_ERR_DENIED;
    }
    return sign(issuer, WEFT_REVOCATION_DOMAIN, out, weft_revocation_write(revocation, out));
}

int64_t weft_sign_announcement(const struct weft_identity *node, const struct weft_announcement *announcement,
                               uint8_t out[WEFT_ANNOUNCEMENT_MAX])
{
    if (!weft_key_equal(&node->key, &announcement->key)) {
        return WEFT_ERR_DENIED;
    }
    return sign(node, WEFT_ANNOUNCEMENT_DOMAIN, out, weft_announcement_write(announcement, out));
}

int64_t weft_sign_application(const struct weft_identity *node, const struct weft_application *application,
                              uint8_t out[WEFT_APPLICATION_MAX])
{
    if (!weft_key_equal(&node->key, &application->node)) {
        return WEFT_ERR_DENIED;
    }
    return sign(node, WEFT_APPLICATION_DOMAIN, out, weft_application_write(application, out));
}

void weft_invite_identity(const uint8_t secret[WEFT_INVITE_SECRET_SIZE], struct weft_identity *out)
{
    uint8_t text[sizeof(INVITE_KEY_DOMAIN) + WEFT_INVITE_SECRET_SIZE] = INVITE_KEY_DOMAIN;
    memcpy(text + sizeof(INVITE_KEY_DOMAIN), secret, WEFT_INVITE_SECRET_SIZE);
    struct weft_secret seed = weft_secret_of(weft_slice(text, sizeof(text)));
    weft_identity_init(out, seed.hash);
    weft_secret_wipe(&seed, sizeof(seed));
    weft_secret_wipe(text, sizeof(text));
}
