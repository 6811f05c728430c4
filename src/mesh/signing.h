/* mesh/signing.h - what a node, a gateway or a root signs: the record as bytes, its signature behind it.
 *
 * Each returns how many bytes, or what the writer of the record returned (WEFT_ERR_INVALID, WEFT_ERR_TOO_LARGE);
 * WEFT_ERR_DENIED if the record names another signer. */
#ifndef WEFT_MESH_SIGNING_H
#define WEFT_MESH_SIGNING_H

#include "crypto/identity.h"
#include "wire/announcement.h"
#include "wire/application.h"
#include "wire/invite.h"
#include "wire/revocation.h"

WEFT_MUST_USE int64_t weft_sign_certificate(const struct weft_identity *issuer,
                                            const struct weft_certificate *certificate,
                                            uint8_t out[WEFT_CERTIFICATE_MAX]);
/* The root signs one without an issuer's certificate; a gateway one that holds its own. */
WEFT_MUST_USE int64_t weft_sign_revocation(const struct weft_identity *issuer, const struct weft_revocation *revocation,
                                           uint8_t out[WEFT_REVOCATION_MAX]);
WEFT_MUST_USE int64_t weft_sign_announcement(const struct weft_identity *node,
                                             const struct weft_announcement *announcement,
                                             uint8_t out[WEFT_ANNOUNCEMENT_MAX]);
WEFT_MUST_USE int64_t weft_sign_application(const struct weft_identity *node,
                                            const struct weft_application *application,
                                            uint8_t out[WEFT_APPLICATION_MAX]);

/* The key that the secret of an invite stands for: whoever has the line can sign with it, and its public half is what
 * the gateway knows the invite by. Wipe it after use. */
void weft_invite_identity(const uint8_t secret[WEFT_INVITE_SECRET_SIZE], struct weft_identity *out);

#endif
