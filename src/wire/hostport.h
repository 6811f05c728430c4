/* wire/hostport.h - where a node can be reached: "host:port" or "[ipv6]:port", strictly read. */
#ifndef WEFT_WIRE_HOSTPORT_H
#define WEFT_WIRE_HOSTPORT_H

#include "base/types.h"

#define WEFT_HOSTPORT_MAX 64 /* bytes: room for any numeric address, and for names of usual length */

/* Points into the text that was read. */
struct weft_hostport {
    struct weft_slice host; /* a name or a numeric address, without brackets */
    bool numeric_v6;        /* it stood in brackets */
    uint16_t port;          /* not 0 */
};

/* WEFT_ERR_INVALID, or WEFT_ERR_TOO_LARGE past WEFT_HOSTPORT_MAX. A port must be there. */
WEFT_MUST_USE int weft_hostport_parse(struct weft_slice text, struct weft_hostport *out);

#endif
