/* node/access.h - who may call what: the one table, and the rules that stand before it.
 *
 * Pure: a request's head comes in, a verdict comes out. It is asked before any handler sees a request. */
#ifndef WEFT_NODE_ACCESS_H
#define WEFT_NODE_ACCESS_H

#include "crypto/filter.h"
#include "crypto/secret.h"
#include "http/exchange.h"
#include "http/refusal.h"
#include "wire/key.h"

enum weft_principal {
    WEFT_OWNER,     /* shows the owner token of this node */
    WEFT_KEY,       /* shows the API key; with none set, anyone on this machine (nobody else can connect then) */
    WEFT_MEMBER,    /* a peer with a membership certificate, on a link */
    WEFT_GATEWAY,   /* the same with the role gateway */
    WEFT_ANONYMOUS, /* everybody else */
};
#define WEFT_PRINCIPALS 5

enum weft_route {
    WEFT_ROUTE_HEALTH,
    WEFT_ROUTE_READY,
    WEFT_ROUTE_METRICS,
    WEFT_ROUTE_STATUS,
    WEFT_ROUTE_LOAD,
    WEFT_ROUTE_DRAIN,
    WEFT_ROUTE_API,
    WEFT_ROUTE_MESH,      /* the owner's view of the mesh */
    WEFT_ROUTE_MESH_ACTS, /* all below it */
    WEFT_ROUTE_HELLO,     /* the mesh's, as all that follow */
    WEFT_ROUTE_JOIN,
    WEFT_ROUTE_ADMIT,
    WEFT_ROUTE_GOSSIP,
    WEFT_ROUTE_GENERATE, /* an answer for another node */
    WEFT_ROUTE_PEERS,    /* all below it: a gateway passes on what nodes ask each other */
    WEFT_ROUTE_NONE,     /* no such path */
};
#define WEFT_ROUTES (WEFT_ROUTE_NONE + 1)

const char *weft_principal_name(enum weft_principal principal);
const char *weft_route_name(enum weft_route route); /* its path as in the table, for logs and metrics; "none" */

/* What a node was told about its callers. */
struct weft_access_policy {
    struct weft_secret owner;       /* of the owner token */
    struct weft_secret key;         /* of the API key; not set: see WEFT_KEY */
    const struct weft_slice *hosts; /* names beside localhost under which we may be called */
    size_t host_count;
    const struct weft_slice *origins; /* web origins beside our own that may call us */
    size_t origin_count;
};

/* Where a request comes from. */
struct weft_caller {
    uint64_t connection; /* its number among all there ever were */
    bool local;          /* a Unix socket: it cannot come from a web page by name, so any Host is right */
    bool mesh;           /* by the mesh's listener, or on a link: the mesh's routes, and no others */
    /* Then: who it is. A member, a gateway or anonymous: what it shows in the request makes it nobody else. */
    enum weft_principal principal;
    struct weft_key key; /* of the link's peer; not set: it is no link */
    /* A link's: what both ends of it, and nobody else, can compute. */
    uint8_t binding[WEFT_FILTER_BINDING_SIZE];
};

struct weft_access_verdict {
    enum weft_route route;
    enum weft_principal principal;
    struct weft_refusal refusal;   /* status 0: allowed */
    const char *allow;             /* for 405 and OPTIONS: the methods, "GET, HEAD" */
    struct weft_slice cors_origin; /* set: this web origin may read the answer */
    bool options;                  /* OPTIONS, or a preflight that may go on: answer 204 with `allow` */
};

struct weft_access_verdict weft_access_check(const struct weft_access_policy *policy,
                                             const struct weft_request_head *request, bool has_body,
                                             const struct weft_caller *caller);

#endif
