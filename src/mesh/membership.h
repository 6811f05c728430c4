/* mesh/membership.h - who is in a mesh, and who not: what a chain of certificates is worth at a second of the wall
 * clock.
 *
 * The mesh's root certifies gateways, and nothing else; a gateway certifies peers and clients, for a month at most. The
 * root revokes anybody; a gateway revokes peers and clients, whichever gateway admitted them, and never another
 * gateway. A gateway that the root revokes takes with it what it certified and whom it revoked.
 *
 * A chain carries all that is needed to judge it, so that every node comes to the same verdict; only revocations must
 * have been heard of. Pure state: time comes in, and dates may be off by WEFT_SKEW_S both ways. */
#ifndef WEFT_MESH_MEMBERSHIP_H
#define WEFT_MESH_MEMBERSHIP_H

#include "wire/certificate.h"
#include "wire/revocation.h"

#define WEFT_SKEW_S                    600           /* what clocks may differ by */
#define WEFT_MEMBER_LIFE_S             (30 * 86400)  /* of a certificate that a gateway gives, at most */
#define WEFT_GATEWAY_LIFE_S            (365 * 86400) /* of one that the root gives, if it does not say otherwise */
#define WEFT_REVOKED_S                 (31 * 86400) /* of a gateway's revocation, at most: no certificate lasts longer */
#define WEFT_ISSUERS_MAX               64           /* verified gateways that are known; others are verified again */
#define WEFT_REVOCATIONS_MAX           4096 /* then the root's go over those of gateways, and others are refused */
#define WEFT_REVOCATIONS_OF_ISSUER_MAX 1024 /* of one gateway: others' keep their places */

enum weft_verdict {
    WEFT_VERDICT_MEMBER,         /* it is what its certificate says */
    WEFT_VERDICT_MALFORMED,      /* no chain of certificates */
    WEFT_VERDICT_NEWER,          /* of a version that is not known here */
    WEFT_VERDICT_OTHER_MESH,     /* of another mesh */
    WEFT_VERDICT_OTHER_KEY,      /* somebody else's certificate */
    WEFT_VERDICT_ISSUER_UNKNOWN, /* the chain does not lead to the root */
    WEFT_VERDICT_ROLE,           /* a role that its issuer may not give */
    WEFT_VERDICT_TOO_LONG,       /* a life that its issuer may not give */
    WEFT_VERDICT_FORGED,         /* a signature is wrong */
    WEFT_VERDICT_NOT_YET,        /* valid later */
    WEFT_VERDICT_EXPIRED,        /* valid earlier */
    WEFT_VERDICT_ISSUER_NOT_YET, /* its gateway is one later */
    WEFT_VERDICT_ISSUER_EXPIRED, /* its gateway was one earlier */
    WEFT_VERDICT_REVOKED,        /* taken back */
    WEFT_VERDICT_ISSUER_REVOKED, /* its gateway was taken back */
    WEFT_VERDICT_COUNT,
};

/* A sentence for a person, about somebody's membership. */
const char *weft_verdict_text(enum weft_verdict verdict);
/* One word for counters: "expired". */
const char *weft_verdict_word(enum weft_verdict verdict);

struct weft_membership;

/* Of one mesh. On error *out is NULL. */
WEFT_MUST_USE int weft_membership_new(struct weft_membership **out, const struct weft_key *mesh);
void weft_membership_free(struct weft_membership *membership);
const struct weft_key *weft_membership_mesh(const struct weft_membership *membership);

/* What `chain` (weft_chain_read) is worth when `subject` shows it; what it says is in *out if it could be read. */
enum weft_verdict weft_membership_judge(struct weft_membership *membership, struct weft_slice chain,
                                        const struct weft_key *subject, int64_t now_s, struct weft_certificate *out);

/* The last second at which a chain that was judged a member's counts, WEFT_SKEW_S included: then one of its
 * certificates is past its end. What cannot be read has always been. */
int64_t weft_membership_ends_s(struct weft_slice chain);

/* Half its life is over: ask a gateway for another. */
bool weft_membership_renewal_due(const struct weft_certificate *certificate, int64_t now_s);

/* Takes a revocation. 1: it is new here, so store it and tell others; 0: nothing new, it is known or past.
 * WEFT_ERR_INVALID, _TOO_LARGE, _UNSUPPORTED: cannot be read; WEFT_ERR_NOT_FOUND: of another mesh; WEFT_ERR_CRYPTO: a
 * signature is wrong; WEFT_ERR_DENIED: not in its signer's power; WEFT_ERR_TIMEOUT: made later than now; WEFT_ERR_FULL;
 * WEFT_ERR_MEMORY. */
WEFT_MUST_USE int weft_membership_revoke(struct weft_membership *membership, struct weft_slice revocation,
                                         int64_t now_s);
/* Whether a key that would be a certificate's of that role is revoked: it is admitted and renewed by nobody. */
bool weft_membership_revoked(const struct weft_membership *membership, const struct weft_key *key, enum weft_role role,
                             int64_t now_s);

/* All that are known, as the bytes that came, sorted by whom they are about; each until the next _revoke(). */
size_t weft_membership_revocations(const struct weft_membership *membership);
struct weft_slice weft_membership_revocation(const struct weft_membership *membership, size_t index);
bool weft_membership_keeps(const struct weft_membership *membership, struct weft_slice revocation);

#endif
