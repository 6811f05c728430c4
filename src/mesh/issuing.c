/* mesh/issuing.c - certificates and revocations, given and signed. */
#include "mesh/issuing.h"

#include "base/error.h"

int64_t weft_issue_gateway(const struct weft_identity *root, const struct weft_key *subject, int64_t now_s,
                           int64_t life_s, uint64_t serial, uint8_t out[WEFT_CERTIFICATE_MAX])
{
    if (weft_key_equal(subject, &root->key)) {
        return WEFT_ERR_DENIED; /* the root certifies, and is no node */
    }
    if (life_s <= 0) {
        return WEFT_ERR_INVALID;
    }
    if (life_s > WEFT_GATEWAY_LIFE_MAX_S) {
        return WEFT_ERR_TOO_LARGE;
    }
    struct weft_certificate certificate = {
        .mesh = root->key,
        .issuer = root->key,
        .subject = *subject,
        .role = WEFT_ROLE_GATEWAY,
        .not_before_s = now_s,
        .not_after_s = now_s + life_s,
        .serial = serial,
    };
    return weft_sign_certificate(root, &certificate, out);
}

int64_t weft_issue_founding(const struct weft_identity *root, const struct weft_identity *gateway, int64_t now_s,
                            uint64_t serial, uint8_t chain[WEFT_CHAIN_MAX])
{
    uint8_t own[WEFT_CERTIFICATE_MAX];
    int64_t size = weft_issue_gateway(root, &gateway->key, now_s, WEFT_GATEWAY_LIFE_S, serial, own);
    if (size < 0) {
        return size;
    }
    return weft_chain_write(&(struct weft_chain){.own = weft_slice(own, (size_t)size)}, chain);
}

int64_t weft_issue_member(const struct weft_identity *gateway, const struct weft_certificate *own,
                          const struct weft_key *subject, enum weft_role role, int64_t now_s, uint64_t serial,
                          uint8_t out[WEFT_CERTIFICATE_MAX])
{
    if (own->role != WEFT_ROLE_GATEWAY || !weft_key_equal(&own->subject, &gateway->key) || role == WEFT_ROLE_GATEWAY ||
        weft_key_equal(subject, &own->mesh)) {
        return WEFT_ERR_DENIED;
    }
    struct weft_certificate certificate = {
        .mesh = own->mesh,
        .issuer = gateway->key,
        .subject = *subject,
        .role = role,
        .not_before_s = now_s,
        .not_after_s = now_s + WEFT_MEMBER_LIFE_S,
        .serial = serial,
    };
    if (certificate.not_after_s > own->not_after_s) {
        certificate.not_after_s = own->not_after_s; /* the chain would be worth nothing after that */
    }
    return weft_sign_certificate(gateway, &certificate, out);
}

int64_t weft_issue_revocation(const struct weft_identity *signer, const struct weft_key *mesh, struct weft_slice own,
                              const struct weft_key *subject, int64_t now_s, uint8_t out[WEFT_REVOCATION_MAX])
{
    if (weft_key_equal(subject, mesh)) {
        return WEFT_ERR_DENIED; /* the root is nobody's to take back */
    }
    struct weft_revocation revocation = {
        .mesh = *mesh,
        .subject = *subject,
        .issuer = own,
        .made_s = now_s,
        .until_s = now_s + (own.size > 0 ? WEFT_REVOKED_S : WEFT_ROOT_REVOKED_S),
    };
    return weft_sign_revocation(signer, &revocation, out);
}
