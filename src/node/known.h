/* node/known.h - whom a node knows by what they have shown: each key's chain of certificates, and what that is worth.
 *
 * Everybody shows a chain at the beginning of a link (POST /mesh/v1/hello). What it is worth is asked anew each time it
 * matters, at the second of the wall clock: so a certificate that has expired or was revoked since is worth nothing. An
 * entry goes with the last link of its key. */
#ifndef WEFT_NODE_KNOWN_H
#define WEFT_NODE_KNOWN_H

#include "mesh/membership.h"
#include "node/access.h"

#define WEFT_KNOWN_MAX 20480 /* a gateway's attached nodes, and others: then WEFT_ERR_FULL */

struct weft_known;

/* On error *out is NULL. */
WEFT_MUST_USE int weft_known_new(struct weft_known **out);
void weft_known_free(struct weft_known *known);

/* `key` has shown this chain, on a link whose peer has that key. WEFT_VERDICT_MEMBER: it is known by it from now on, in
 * place of what it had shown before; else nothing changes. *error: WEFT_ERR_FULL or WEFT_ERR_MEMORY, though the chain
 * is good; else 0. */
enum weft_verdict weft_known_show(struct weft_known *known, struct weft_membership *membership,
                                  const struct weft_key *key, struct weft_slice chain, int64_t now_s, int *error);
/* The last second at which what it has shown counts (weft_membership_ends_s); INT64_MAX if it has shown nothing. */
int64_t weft_known_ends_s(const struct weft_known *known, const struct weft_key *key);
/* One after the other, from *cursor 0 on, those for whom that is before `now_s`; NULL behind the last. It holds until
 * that key shows something or is forgotten. */
const struct weft_key *weft_known_ended(const struct weft_known *known, int64_t now_s, size_t *cursor);
void weft_known_forget(struct weft_known *known, const struct weft_key *key);
void weft_known_forget_all(struct weft_known *known);

/* Whether it has shown anything that was worth something then. */
bool weft_known_has(const struct weft_known *known, const struct weft_key *key);
/* Whether it is `subject`, or what it has shown was signed by `subject`. */
bool weft_known_leans(const struct weft_known *known, const struct weft_key *key, const struct weft_key *subject);
/* A member, a gateway, or anonymous. `membership`: NULL, in no mesh, makes everybody anonymous. */
enum weft_principal weft_known_who(const struct weft_known *known, struct weft_membership *membership,
                                   const struct weft_key *key, int64_t now_s);
/* The role that its certificate gives, if it counts at this second; else 0. */
int weft_known_role(const struct weft_known *known, struct weft_membership *membership, const struct weft_key *key,
                    int64_t now_s);

#endif
