/* wire/application.h - a node asks a gateway for a certificate: with an invite, or with the certificate that it has.
 *
 * A record that the node signs; it names the link that it is meant for, so that it is worth nothing on another. What an
 * invite is redeemed with is a proof: a signature by the key that the invite's secret stands for. So nobody on the way
 * learns the secret, and the proof is worth nothing for another node. */
#ifndef WEFT_WIRE_APPLICATION_H
#define WEFT_WIRE_APPLICATION_H

#include "wire/certificate.h"

#define WEFT_APPLICATION_DOMAIN WEFT_SLICE("weft application v1")
#define WEFT_APPLICATION_MAX    1024 /* bytes, the signature included */
#define WEFT_PROOF_DOMAIN       WEFT_SLICE("weft invite use v1")
#define WEFT_PROVEN_SIZE        (3 * WEFT_KEY_SIZE) /* what a proof signs */
#define WEFT_LINK_SIZE          32                  /* what both ends of a link know it by, and nobody else */

struct weft_application {
    struct weft_key mesh;
    struct weft_key node; /* whose it is, and who signed it */
    uint8_t link[WEFT_LINK_SIZE];
    /* Either of an invite: */
    struct weft_key issuer; /* the gateway that made it */
    struct weft_key invite; /* the public half of its key; not set: it is about the chain */
    uint8_t proof[WEFT_SIGNATURE_SIZE];
    /* or to have it renewed: */
    struct weft_slice chain; /* that the node has (weft_chain_read) */
};

/* The record without its signature. How many bytes; WEFT_ERR_INVALID for what could not be read back. */
WEFT_MUST_USE int64_t weft_application_write(const struct weft_application *application,
                                             uint8_t out[WEFT_APPLICATION_MAX]);
/* Verifies nothing; out->chain points into `bytes`. WEFT_ERR_INVALID, WEFT_ERR_TOO_LARGE or WEFT_ERR_UNSUPPORTED. */
WEFT_MUST_USE int weft_application_read(struct weft_slice bytes, struct weft_application *out,
                                        struct weft_signed *parts);

/* What the proof is a signature over: mesh, issuer and node. */
void weft_application_proven(const struct weft_application *application, uint8_t out[WEFT_PROVEN_SIZE]);

#endif
