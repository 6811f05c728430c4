/* mesh/issuing.h - what the holder of a key gives or takes back: certificates and revocations, dated and signed.
 *
 * The root gives gateways theirs and a mesh begins with the first of them; a gateway gives peers and clients theirs.
 * Each returns how many bytes; WEFT_ERR_DENIED if it is not in the signer's power, WEFT_ERR_INVALID for dates or keys
 * that cannot be. */
#ifndef WEFT_MESH_ISSUING_H
#define WEFT_MESH_ISSUING_H

#include "mesh/membership.h"
#include "mesh/signing.h"

#define WEFT_GATEWAY_LIFE_MAX_S ((int64_t)5 * 365 * 86400) /* that the root may give: else WEFT_ERR_TOO_LARGE */
#define WEFT_ROOT_REVOKED_S                                                                                            \
    (WEFT_GATEWAY_LIFE_MAX_S + 86400) /* of the root's revocation: no certificate lasts longer */

/* `subject` becomes a gateway from `now_s` on, for `life_s`: what `weft root certify` does. */
WEFT_MUST_USE int64_t weft_issue_gateway(const struct weft_identity *root, const struct weft_key *subject,
                                         int64_t now_s, int64_t life_s, uint64_t serial,
                                         uint8_t out[WEFT_CERTIFICATE_MAX]);

/* A mesh begins: the chain of its first gateway, whose key the root has just been made beside. */
WEFT_MUST_USE int64_t weft_issue_founding(const struct weft_identity *root, const struct weft_identity *gateway,
                                          int64_t now_s, uint64_t serial, uint8_t chain[WEFT_CHAIN_MAX]);

/* `subject` becomes a peer or client for WEFT_MEMBER_LIFE_S, or until the gateway's own certificate (`own`, read from
 * what the root signed) ends. */
WEFT_MUST_USE int64_t weft_issue_member(const struct weft_identity *gateway, const struct weft_certificate *own,
                                        const struct weft_key *subject, enum weft_role role, int64_t now_s,
                                        uint64_t serial, uint8_t out[WEFT_CERTIFICATE_MAX]);

/* `subject` is out of the mesh from now on. By the root (`own` is empty), anybody and for good; by a gateway (`own` is
 * its signed certificate), a peer or client, until no certificate that it may have is left. */
WEFT_MUST_USE int64_t weft_issue_revocation(const struct weft_identity *signer, const struct weft_key *mesh,
                                            struct weft_slice own, const struct weft_key *subject, int64_t now_s,
                                            uint8_t out[WEFT_REVOCATION_MAX]);

#endif
