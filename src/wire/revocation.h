/* wire/revocation.h - who is no longer in a mesh: a signed record that anybody may relay.
 *
 * It carries the certificate of the issuer that signed it, so that it can be verified by whoever gets it. This file
 * reads and writes; what a revocation is worth, mesh/membership says. */
#ifndef WEFT_WIRE_REVOCATION_H
#define WEFT_WIRE_REVOCATION_H

#include "wire/certificate.h"

#define WEFT_REVOCATION_DOMAIN WEFT_SLICE("weft revocation v1")
#define WEFT_REVOCATION_MAX    512 /* bytes, the signature included */

struct weft_revocation {
    struct weft_key mesh;
    struct weft_key subject;  /* whose certificates are worth nothing any more */
    struct weft_slice issuer; /* the signed certificate of the gateway that signed this; empty: the root did */
    int64_t made_s, until_s;  /* seconds since 1970; after `until_s` no certificate of the subject's is left */
};

/* The record without its signature. How many bytes; WEFT_ERR_INVALID for what could not be read back. */
WEFT_MUST_USE int64_t weft_revocation_write(const struct weft_revocation *revocation, uint8_t out[WEFT_REVOCATION_MAX]);
/* Verifies nothing; out->issuer points into `bytes`. WEFT_ERR_INVALID, WEFT_ERR_TOO_LARGE or WEFT_ERR_UNSUPPORTED. */
WEFT_MUST_USE int weft_revocation_read(struct weft_slice bytes, struct weft_revocation *out, struct weft_signed *parts);

#endif
