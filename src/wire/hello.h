/* wire/hello.h - what a node says of itself at the beginning of a link: which versions of the mesh's protocol it
 * speaks, and with which certificates. */
#ifndef WEFT_WIRE_HELLO_H
#define WEFT_WIRE_HELLO_H

#include "wire/certificate.h"

#define WEFT_HELLO_PATH         "/mesh/v1/hello"
#define WEFT_HELLO_TYPE         "application/x-weft-record"
#define WEFT_HELLO_MAX          1024 /* bytes */
#define WEFT_HELLO_TEXT_MAX     64
#define WEFT_HELLO_PROTOCOL_MAX 65535

/* The versions of the mesh's protocol that this program speaks. */
#define WEFT_PROTOCOL_LEAST 1
#define WEFT_PROTOCOL_MOST  1

struct weft_hello {
    struct weft_key key;       /* the one that the link has shown */
    uint32_t least, most;      /* versions of the protocol, 1 and up */
    struct weft_slice chain;   /* its certificates (weft_chain_read); empty: it is in no mesh */
    struct weft_slice version; /* of its program, for people; or empty */
};

/* How many bytes; WEFT_ERR_INVALID: it could not be read back. */
WEFT_MUST_USE int64_t weft_hello_write(const struct weft_hello *hello, uint8_t out[WEFT_HELLO_MAX]);
/* Slices point into `bytes`. WEFT_ERR_INVALID, WEFT_ERR_TOO_LARGE, or WEFT_ERR_UNSUPPORTED: a record of a newer major.
 */
WEFT_MUST_USE int weft_hello_read(struct weft_slice bytes, struct weft_hello *out);

/* The newest version that both speak; 0 if there is none. */
uint32_t weft_hello_protocol(const struct weft_hello *hello);

#endif
