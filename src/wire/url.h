/* wire/url.h - the address of an upstream, strictly read. */
#ifndef WEFT_WIRE_URL_H
#define WEFT_WIRE_URL_H

#include "base/types.h"

#define WEFT_URL_MAX      1024 /* bytes of a URL: then WEFT_ERR_TOO_LARGE */
#define WEFT_URL_HOST_MAX 253  /* of a host name (RFC 1035) */
#define WEFT_URL_UNIX_MAX 107  /* of a Unix socket's path (struct sockaddr_un, its NUL not counted) */

enum weft_url_scheme {
    WEFT_URL_HTTP,
    WEFT_URL_HTTPS,
    WEFT_URL_H2C,  /* HTTP/2 without TLS and without asking */
    WEFT_URL_UNIX, /* HTTP/1.1 over a Unix socket */
};

/* Slices point into the text that was read. */
struct weft_url {
    enum weft_url_scheme scheme;
    struct weft_slice host; /* a name or a numeric address, without brackets; empty for a Unix socket */
    bool numeric_v6;        /* the host stood in brackets */
    uint16_t port;          /* the scheme's own if none was given; 0 for a Unix socket */
    struct weft_slice path; /* what goes before each target: empty or "/base", never with a slash at its end; for a
                               Unix socket its path */
};

/* Reads `http://host[:port][/base]`, `https://`, `h2c://` or `unix:PATH`. No user, query or fragment, no dot segments.
 * WEFT_ERR_INVALID or WEFT_ERR_TOO_LARGE otherwise, and *why (may be NULL) is half a sentence for a person. */
WEFT_MUST_USE int weft_url_parse(struct weft_slice text, struct weft_url *out, const char **why);

/* A DNS name or numeric IPv4 address, as a Host header may give it, without a port. */
bool weft_url_is_host(struct weft_slice name);

/* Decimal digits only, 0 to 65535. */
WEFT_MUST_USE int weft_url_port(struct weft_slice text, uint16_t *out);

#endif
