/* wire/admission.h - what a gateway answers to who asks it for a certificate: a chain, or why there is none.
 *
 * A record that nobody signs: a chain proves itself, and a refusal is as good as the link that it came by. */
#ifndef WEFT_WIRE_ADMISSION_H
#define WEFT_WIRE_ADMISSION_H

#include "wire/certificate.h"

#define WEFT_ADMISSION_MAX 1024 /* bytes */

/* The numbers are the wire's. */
enum weft_refused {
    WEFT_REFUSAL_OTHER = 0,           /* of a newer version; never written */
    WEFT_REFUSAL_MALFORMED = 1,       /* no application, or a signature in it is wrong, or it is of another link */
    WEFT_REFUSAL_NEWER = 2,           /* an application of a version that the gateway does not know */
    WEFT_REFUSAL_OTHER_MESH = 3,      /* the gateway is of another mesh */
    WEFT_REFUSAL_UNKNOWN = 4,         /* there is no such invite, or it was long forgotten */
    WEFT_REFUSAL_REVOKED = 5,         /* the invite was taken back */
    WEFT_REFUSAL_EXPIRED = 6,         /* the invite is too old */
    WEFT_REFUSAL_USED_UP = 7,         /* the invite was used as often as it may be */
    WEFT_REFUSAL_KEY_REVOKED = 8,     /* the node was put out of the mesh */
    WEFT_REFUSAL_LAPSED = 9,          /* the chain that was shown is worth nothing, so there is nothing to renew */
    WEFT_REFUSAL_ROOT_AWAY = 10,      /* only the root certifies gateways, and its key lies elsewhere */
    WEFT_REFUSAL_ISSUER_AWAY = 11,    /* the gateway that made the invite cannot be reached */
    WEFT_REFUSAL_GATEWAY_LAPSED = 12, /* the gateway's own certificate is worth nothing any more */
    WEFT_REFUSAL_BUSY = 13,           /* it could not be stored: ask again later */
    WEFT_REFUSAL_COUNT,
};

/* A sentence for whoever wants to join. */
const char *weft_refusal_text(enum weft_refused refusal);
/* One word for counters and for programs: "used_up". */
const char *weft_refusal_word(enum weft_refused refusal);

struct weft_admission {
    struct weft_slice chain;   /* weft_chain_read; empty: refused */
    enum weft_refused refusal; /* if there is no chain */
};

/* How many bytes; WEFT_ERR_INVALID for what could not be read back. */
WEFT_MUST_USE int64_t weft_admission_write(const struct weft_admission *admission, uint8_t out[WEFT_ADMISSION_MAX]);
/* out->chain points into `bytes`. WEFT_ERR_INVALID, WEFT_ERR_TOO_LARGE or WEFT_ERR_UNSUPPORTED. */
WEFT_MUST_USE int weft_admission_read(struct weft_slice bytes, struct weft_admission *out);

#endif
