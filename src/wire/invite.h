/* wire/invite.h - the one line by which somebody is invited into a mesh.
 *
 * "weft1", then in base64url a record and its CRC-32: so that a line that was cut or mistyped is known as such. Whoever
 * has the line has the secret in it, and may join. */
#ifndef WEFT_WIRE_INVITE_H
#define WEFT_WIRE_INVITE_H

#include "wire/certificate.h"
#include "wire/hostport.h"

#define WEFT_INVITE_SECRET_SIZE   16
#define WEFT_INVITE_ADDRESSES_MAX 2
#define WEFT_INVITE_LINE_SIZE     300 /* with its NUL */
#define WEFT_INVITE_ROOM          114 /* bytes that two addresses always have together */

struct weft_invite {
    struct weft_key mesh;
    struct weft_key issuer; /* the gateway that made it and counts its uses */
    uint8_t secret[WEFT_INVITE_SECRET_SIZE];
    enum weft_role role;
    int64_t expires_s; /* since 1970; that second included */
    /* host:port of gateways, the first one at least; "" for none */
    char addresses[WEFT_INVITE_ADDRESSES_MAX][WEFT_HOSTPORT_MAX + 1];
};

void weft_invite_deinit(struct weft_invite *invite); /* wipes it */

/* WEFT_ERR_TOO_LARGE: the line would have 300 characters or more, since both addresses together are over
 * WEFT_INVITE_ROOM; WEFT_ERR_INVALID: it could not be read back. */
WEFT_MUST_USE int weft_invite_write(const struct weft_invite *invite, char line[WEFT_INVITE_LINE_SIZE]);

/* Blanks and newlines around the line are left out. WEFT_ERR_INVALID: no invite; WEFT_ERR_CRYPTO: one that was cut,
 * mistyped or changed; WEFT_ERR_UNSUPPORTED: of a newer version. On error there is nothing to deinit. */
WEFT_MUST_USE int weft_invite_read(struct weft_slice line, struct weft_invite *out);
/* A sentence for a person about an error of one of the two. */
const char *weft_invite_problem(int error);

#endif
