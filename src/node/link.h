/* node/link.h - a node's links: connections to other nodes, who asks on each of them, and who its callers are.
 *
 * A link is dialled by one node and accepted by the other, and on it one asks and the other serves: the dialler asks,
 * or, where it could not be dialled itself, it serves. Each side knows the other's key before anything is said. What a
 * key may do is asked anew with each request, so a certificate counts from the moment it is known until it is revoked.
 *
 * What comes in without a key (h2, http/1.1) is held here too: it is a caller like any other, and nobody.
 *
 * Links of members are trusted: they carry more streams, and as many resets as they like. A link of anybody else goes
 * by the rules for the public, and is closed when it is for nothing. */
#ifndef WEFT_NODE_LINK_H
#define WEFT_NODE_LINK_H

#include "node/access.h"
#include "node/connection.h"
#include "node/metrics.h"

#define WEFT_LINKS_DIALLED_MAX         16  /* at once: then WEFT_ERR_FULL */
#define WEFT_LINKS_DIALLED_GATEWAY_MAX 280 /* likewise, by a gateway: two to each of the others, and some more */
#define WEFT_LINKS_OF_KEY_MAX          8   /* accepted, of one key: more are refused */
/* Accepted, of those who are nobody here: whoever has not shown a key yet, or one that is no member's. Then the oldest
 * goes for the next, so that a flood of them costs the flood: a member among them is known before its turn comes. */
#define WEFT_LINKS_STRANGERS_MAX 512
#define WEFT_LINK_UNKNOWN_TIME   (10 * WEFT_SECOND) /* an accepted link that nobody's peer serves on: then closed */

struct weft_links;
struct weft_link;

struct weft_links_user {
    /* Who has this key: a member, a gateway, or anonymous; nothing else. NULL: everybody is anonymous. */
    enum weft_principal (*who)(void *self, const struct weft_key *key);
    /* A request's head is here; the worker's end is the user's to attach or leave. */
    void (*request)(void *self, struct weft_exchange *exchange, const struct weft_caller *caller);
    void (*refused)(void *self, int status, const char *why); /* see weft_carrier_owner */
    /* Its peer is known; if we ask on it, we may. NULL if nobody wants to know, as the next one. */
    void (*opened)(void *self, struct weft_link *link);
    /* It is over, opened or not, and will be freed when this returns: 0, or why; `phrase` says more, or is NULL. */
    void (*closed)(void *self, struct weft_link *link, int why, const char *phrase);
    void (*changed)(void *self); /* their number */
};

struct weft_links_options {
    struct weft_loop *loop;
    struct weft_metrics *metrics; /* links are numbered among its connections */
    const struct weft_links_user *user;
    void *self;
    struct weft_link_filters filters; /* must outlive the links */
    struct weft_key key;              /* our own: no link leads from it to itself */
    size_t body_max;                  /* of requests */
    size_t strangers_max;             /* where WEFT_LINKS_STRANGERS_MAX is too many; at least 1 */
};

WEFT_MUST_USE int weft_links_new(struct weft_links **out, const struct weft_links_options *options);
/* Ends them all at once, and `closed` is not said. NULL is fine. */
void weft_links_free(struct weft_links *links);

/* The socket is theirs from then on, also when this fails. */
WEFT_MUST_USE int weft_links_accept(struct weft_links *links, struct weft_socket *socket);
/* Dials the node that has this key, or whoever is there if it is NULL; with `serve` that one asks. What becomes of it
 * is told later. */
WEFT_MUST_USE int weft_links_dial(struct weft_links *links, const struct weft_address *address,
                                  const struct weft_key *key, bool serve, struct weft_link **out);
/* All of them finish what is running, then close. */
void weft_links_drain(struct weft_links *links);
void weft_links_cut(struct weft_links *links); /* as weft_links_free(), but they can go on */
size_t weft_links_count(const struct weft_links *links);
/* How many may be dialled; WEFT_LINKS_DIALLED_MAX if nothing is said. */
void weft_links_allow(struct weft_links *links, size_t dialled_max);
/* One after the other; NULL is before the first and behind the last. */
struct weft_link *weft_links_next(const struct weft_links *links, const struct weft_link *link);
/* Those whose peer has this key (weft_link_key), the youngest first; NULL behind the last. */
struct weft_link *weft_links_of(const struct weft_links *links, const struct weft_key *key);
struct weft_link *weft_link_next_of(const struct weft_link *link);
/* One on which the node with this key can be asked now, or NULL. */
struct weft_link *weft_links_to(const struct weft_links *links, const struct weft_key *key);

/* Takes the worker's end of an exchange whose request head is complete but for its authority. WEFT_ERR_FULL if it
 * cannot carry it now, and on any error the end is still the caller's. */
WEFT_MUST_USE int weft_link_ask(struct weft_link *link, struct weft_exchange *exchange);
/* Its peer has shown that it is known here: no request of its need say so. */
void weft_link_welcome(struct weft_link *link);
void weft_link_doubt(struct weft_link *link); /* its peer may be gone: it is asked now */
void weft_link_close(struct weft_link *link); /* finishes what is running, then closes */
/* Ends it now, in the turn's flush: its peer is nobody any more, say. */
void weft_link_cut(struct weft_link *link, const char *phrase);

/* The peer's: NULL until it is known, or for ever; of a link that was dialled for a key, that one. */
const struct weft_key *weft_link_key(const struct weft_link *link);
/* What both ends of this link, and nobody else, can compute: an application to a mesh names it. Once it is open. */
WEFT_MUST_USE int weft_link_binding(const struct weft_link *link, uint8_t out[WEFT_FILTER_BINDING_SIZE]);
bool weft_link_asks(const struct weft_link *link);    /* we ask, the peer serves */
bool weft_link_dialled(const struct weft_link *link); /* by us */
bool weft_link_opened(const struct weft_link *link);
weft_time weft_link_since(const struct weft_link *link); /* it was accepted, or dialled */

#endif
