/* mesh/joining.h - a node's side of joining a mesh and of staying in it: what it asks a gateway, and what it takes.
 *
 * It may ask any gateway at any address: its invite's secret stays with it, and an answer is worth what its chain is
 * worth under the mesh's key, whoever gave it. */
#ifndef WEFT_MESH_JOINING_H
#define WEFT_MESH_JOINING_H

#include "mesh/membership.h"
#include "mesh/signing.h"
#include "wire/admission.h"

/* The application of a node with an invite, on the link that is known by `link`. How many bytes, or WEFT_ERR_INVALID.
 */
WEFT_MUST_USE int64_t weft_joining_redeem(const struct weft_identity *node, const struct weft_invite *invite,
                                          const uint8_t link[WEFT_LINK_SIZE], uint8_t out[WEFT_APPLICATION_MAX]);
/* That of a member whose certificate is to be renewed (weft_membership_renewal_due): `chain` is what it shows. */
WEFT_MUST_USE int64_t weft_joining_renew(const struct weft_identity *node, const struct weft_key *mesh,
                                         struct weft_slice chain, const uint8_t link[WEFT_LINK_SIZE],
                                         uint8_t out[WEFT_APPLICATION_MAX]);

struct weft_joining_answer {
    struct weft_slice chain;             /* points into the answer; empty: not in */
    struct weft_certificate certificate; /* what the chain says */
    enum weft_refused refusal;           /* WEFT_ERR_DENIED: why */
    enum weft_verdict verdict;           /* WEFT_ERR_CRYPTO: why */
};

/* What a gateway answered (weft_admission_read). 0: the node is in, so store the chain. WEFT_ERR_DENIED: the gateway
 * said no; WEFT_ERR_CRYPTO: its chain is worth nothing in `membership`'s mesh; else it could not be read. */
WEFT_MUST_USE int weft_joining_take(struct weft_membership *membership, const struct weft_key *node,
                                    struct weft_slice answer, int64_t now_s, struct weft_joining_answer *out);

#endif
