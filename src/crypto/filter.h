/* crypto/filter.h - what stands between a socket and a carrier: bytes are sealed and opened there, and it learns who
 * the peer is. TLS is one (crypto/tls.h); the simulator has one of its own for links, which replays byte for byte. */
#ifndef WEFT_CRYPTO_FILTER_H
#define WEFT_CRYPTO_FILTER_H

#include "base/bytes.h"
#include "crypto/identity.h"

/* Of a link (docs/PROTOCOL.md): who asks on it. */
#define WEFT_ALPN_LINK    "weft/1"         /* whoever dialled */
#define WEFT_ALPN_REVERSE "weft-reverse/1" /* whoever was dialled */

#define WEFT_FILTER_BINDING_SIZE 32

enum weft_filter_state {
    WEFT_FILTER_HANDSHAKE, /* not yet known who the peer is */
    WEFT_FILTER_OPEN,      /* plaintext flows */
    WEFT_FILTER_ENDED,     /* the peer said that it sends no more */
    WEFT_FILTER_FAILED,    /* an alert may still be in the output */
};

/* One connection's: the first member of every filter. */
struct weft_filter {
    const struct weft_filter_ops *ops;
    enum weft_filter_state state;
    struct weft_bytes output; /* for the socket: the owner drops what it has written */
};

struct weft_filter_ops {
    void (*free)(struct weft_filter *filter);
    /* Bytes of the socket in; plaintext is appended to `plain`. 0, or an error after which the state is
     * WEFT_FILTER_FAILED. */
    int (*receive)(struct weft_filter *filter, const char *data, size_t size, struct weft_bytes *plain);
    /* Seals plaintext from the front of `plain`, until enough waits in the output or `plain` is empty; nothing before
     * WEFT_FILTER_OPEN. */
    int (*send)(struct weft_filter *filter, struct weft_bytes *plain);
    void (*shut)(struct weft_filter *filter);                     /* says to the peer that no more will be sent */
    struct weft_slice (*alpn)(const struct weft_filter *filter);  /* what both will speak; empty if not agreed */
    const uint8_t *(*peer_key)(const struct weft_filter *filter); /* WEFT_KEY_SIZE bytes; NULL if it showed none */
    /* What both ends of this connection, and nobody else, can compute. WEFT_ERR_CLOSED before it is open;
     * WEFT_ERR_MEMORY. */
    int (*binding)(const struct weft_filter *filter, uint8_t out[WEFT_FILTER_BINDING_SIZE]);
    const char *(*why)(const struct weft_filter *filter); /* what failed, as a phrase without content */
};

/* What makes them for connections of one kind: the first member of a context. Connections may outlive it. */
struct weft_filters {
    const struct weft_filters_ops *ops;
};

struct weft_filters_ops {
    int (*accept)(struct weft_filters *filters, struct weft_filter **out);
    /* `name`: of a server that is known by its name; `key`: of a peer that is known by its key (WEFT_KEY_SIZE bytes).
     * Either may be NULL; both are copied. */
    int (*connect)(struct weft_filters *filters, struct weft_filter **out, const char *name, const uint8_t *key);
};

struct weft_tls_identity;

/* Those of a node's links. */
struct weft_link_filters {
    struct weft_filters *accepted; /* links, and beside them whoever shows no key */
    struct weft_filters *asking;   /* dialled, WEFT_ALPN_LINK */
    struct weft_filters *serving;  /* dialled, WEFT_ALPN_REVERSE */
    void *own;                     /* its maker's */
};

/* Who makes those: `weft_tls_links`, or the simulator. */
struct weft_link_security {
    /* For a node with this key, at this second of the wall clock; callers without a key are shown `web`, which must
     * outlive the filters, or if it is NULL the node's own certificate. On error *out is all NULL. */
    int (*make)(struct weft_link_filters *out, const struct weft_identity *identity,
                const struct weft_tls_identity *web, int64_t wall_s);
    void (*unmake)(struct weft_link_filters *filters); /* and clears them */
};

#endif
