/* mesh/registrar.h - the gateway's side of joining and renewing: what an application is worth, and what is given for
 * it.
 *
 * It verifies and signs, and keeps nothing: how often an invite was used is for whoever stores it to say. So an invite
 * is redeemed like this: _hear() says WEFT_REGISTRAR_REDEEM; its user looks the invite up and finds its role, has
 * _certify() make the chain, stores the use with the chain, and only then answers; a node that has used that invite
 * before is answered with the chain that was stored then. */
#ifndef WEFT_MESH_REGISTRAR_H
#define WEFT_MESH_REGISTRAR_H

#include "mesh/issuing.h"
#include "wire/admission.h"

/* All of it is its user's. */
struct weft_registrar {
    const struct weft_identity *gateway;
    const struct weft_identity *root; /* NULL: its key lies elsewhere, and nobody becomes a gateway here */
    struct weft_membership *membership;
    struct weft_slice certificate; /* the gateway's own, signed by the root */
};

enum weft_registrar_step {
    WEFT_REGISTRAR_ADMIT,   /* answer with the chain: it was renewed, or is the one that was shown, if it is too soon */
    WEFT_REGISTRAR_REFUSE,  /* answer with the refusal */
    WEFT_REGISTRAR_REDEEM,  /* of `invite` by `node`, as above */
    WEFT_REGISTRAR_FORWARD, /* the invite is `issuer`'s: pass the application on as it came, and the answer back */
};

struct weft_registrar_case {
    struct weft_key node;           /* who asks; this and the next two are set for all but WEFT_REGISTRAR_REFUSE */
    struct weft_key invite, issuer; /* not set if it is about a renewal */
    enum weft_refused refusal;
    size_t chain_size;
    uint8_t chain[WEFT_CHAIN_MAX];
};

/* `link`: what the link that it came by is known by (WEFT_LINK_SIZE bytes); NULL if another gateway passed it on, which
 * has checked that. `serial` is that of a certificate, should there be one: by its user, never twice. */
enum weft_registrar_step weft_registrar_hear(const struct weft_registrar *registrar, struct weft_slice application,
                                             const uint8_t *link, int64_t now_s, uint64_t serial,
                                             struct weft_registrar_case *out);

/* The chain of `node` from `now_s` on: its size, or WEFT_ERR_DENIED and why. */
WEFT_MUST_USE int64_t weft_registrar_certify(const struct weft_registrar *registrar, const struct weft_key *node,
                                             enum weft_role role, int64_t now_s, uint64_t serial,
                                             uint8_t chain[WEFT_CHAIN_MAX], enum weft_refused *why);

#endif
