/* wire/certificate.h - who may be in a mesh: a signed record, and the chain of them that is shown.
 *
 * The mesh's root certifies issuers (gateways), issuers certify peers and clients. This file reads and writes; what a
 * chain is worth, mesh/membership says. */
#ifndef WEFT_WIRE_CERTIFICATE_H
#define WEFT_WIRE_CERTIFICATE_H

#include "wire/record.h"

#define WEFT_CERTIFICATE_DOMAIN WEFT_SLICE("weft certificate v1")
#define WEFT_CERTIFICATE_MAX    256                              /* bytes, the signature included */
#define WEFT_CHAIN_MAX          (2 * (3 + WEFT_CERTIFICATE_MAX)) /* a tag and a size of two bytes before each */

enum weft_role {
    WEFT_ROLE_CLIENT = 1,  /* asks */
    WEFT_ROLE_PEER = 2,    /* asks and serves */
    WEFT_ROLE_GATEWAY = 3, /* is attached to, relays, and issues certificates of the other two */
};

const char *weft_role_text(enum weft_role role);                                 /* "client" ... */
WEFT_MUST_USE bool weft_role_parse(struct weft_slice text, enum weft_role *out); /* the same words */
/* Another number is WEFT_ERR_UNSUPPORTED. */
WEFT_MUST_USE int weft_role_read(const struct weft_record_field *field, enum weft_role *out);

struct weft_certificate {
    struct weft_key mesh;    /* the key of its root */
    struct weft_key issuer;  /* who signed; the same as `mesh` if it was the root */
    struct weft_key subject; /* whose it is */
    enum weft_role role;
    int64_t not_before_s, not_after_s; /* seconds since 1970, the last one included */
    uint64_t serial;                   /* the issuer's own numbering */
};

/* Half of its life: from then on it is renewed. */
int64_t weft_certificate_renew_s(const struct weft_certificate *certificate);

/* The record without its signature, which the caller puts behind it. How many bytes; WEFT_ERR_INVALID for what could
 * not be read back. */
WEFT_MUST_USE int64_t weft_certificate_write(const struct weft_certificate *certificate,
                                             uint8_t out[WEFT_CERTIFICATE_MAX]);
/* Reads a record and its signature, and verifies nothing: `parts` is what is to be verified. WEFT_ERR_INVALID,
 * WEFT_ERR_TOO_LARGE or WEFT_ERR_UNSUPPORTED. */
WEFT_MUST_USE int weft_certificate_read(struct weft_slice bytes, struct weft_certificate *out,
                                        struct weft_signed *parts);

/* What a member shows: its own certificate, and its issuer's unless that is the root. */
struct weft_chain {
    struct weft_slice own, issuer; /* issuer.size 0: the root signed the own one */
};

/* How many bytes; WEFT_ERR_INVALID for an empty certificate or one that is too long. */
WEFT_MUST_USE int64_t weft_chain_write(const struct weft_chain *chain, uint8_t out[WEFT_CHAIN_MAX]);
WEFT_MUST_USE int weft_chain_read(struct weft_slice bytes, struct weft_chain *out);

#endif
