/* mesh/invites.h - a gateway's own invites, and who has used which.
 *
 * Nothing is answered before it is stored: _redeem() decides and holds a use back for whoever asked; its user stores
 * it, then calls _stored() and answers, or _failed() and says so. A key that asks again gets the same answer and counts
 * once. After a start, what was stored is put in again by _restore() and _restore_use().
 *
 * An invite is known by the public key that its secret stands for (weft_invite_identity), and the secret is not kept;
 * so a line cannot be shown a second time, and what is stored lets nobody in. Pure state: time comes in. */
#ifndef WEFT_MESH_INVITES_H
#define WEFT_MESH_INVITES_H

#include "wire/admission.h"

#define WEFT_INVITES_MAX       256          /* that are not forgotten; then WEFT_ERR_FULL: revoke some, or wait */
#define WEFT_INVITE_USES_MAX   1000         /* of one: a larger number is WEFT_ERR_TOO_LARGE */
#define WEFT_INVITE_LIFE_MAX_S (30 * 86400) /* likewise */
#define WEFT_INVITE_LIFE_S     86400        /* if nothing else is said */
#define WEFT_INVITE_ID_SIZE    17           /* 16 hex digits, with a NUL */
#define WEFT_INVITE_FORGET_S   600          /* after its end, in which its keys may still ask again */

/* What is stored of an invite. */
struct weft_invite_entry {
    struct weft_key invite; /* by which it is known */
    enum weft_role role;
    uint32_t uses_max;
    int64_t made_s, expires_s;
    bool revoked;
};

/* What is stored of a use; of it a certificate is made, the same one however often. */
struct weft_invite_use {
    struct weft_key invite;
    struct weft_key node;
    uint64_t serial; /* its certificate's */
    int64_t at_s;
};

enum weft_redemption {
    WEFT_REDEMPTION_STORE,   /* store the use, then answer with the certificate */
    WEFT_REDEMPTION_AGAIN,   /* it is stored: answer with the certificate */
    WEFT_REDEMPTION_WAIT,    /* it is being stored for the same node: that answer is this one's */
    WEFT_REDEMPTION_REFUSED, /* answer why */
};

/* The one judge of a use, the store's too: may a node use this invite, of which so many uses are gone? `admitted`: it
 * has done so before. Else *why. */
bool weft_invite_lets_in(const struct weft_invite_entry *entry, uint32_t used, bool admitted, int64_t now_s,
                         enum weft_refused *why);

struct weft_invites;

/* Of one gateway. On error *out is NULL. */
WEFT_MUST_USE int weft_invites_new(struct weft_invites **out);
void weft_invites_free(struct weft_invites *invites);

/* From the store, invites before their uses. WEFT_ERR_EXISTS, WEFT_ERR_NOT_FOUND (a use without its invite: drop it),
 * WEFT_ERR_FULL, WEFT_ERR_MEMORY. */
WEFT_MUST_USE int weft_invites_restore(struct weft_invites *invites, const struct weft_invite_entry *entry);
WEFT_MUST_USE int weft_invites_restore_use(struct weft_invites *invites, const struct weft_invite_use *use);

/* Makes one: *out is to be stored before its line is shown, and taken back by _drop() if that fails. WEFT_ERR_INVALID
 * (no use, or no time), WEFT_ERR_TOO_LARGE, WEFT_ERR_FULL, WEFT_ERR_EXISTS (the same key). */
WEFT_MUST_USE int weft_invites_make(struct weft_invites *invites, const struct weft_key *invite, enum weft_role role,
                                    uint32_t uses_max, int64_t now_s, int64_t life_s, struct weft_invite_entry *out);
void weft_invites_drop(struct weft_invites *invites, const struct weft_key *invite);

/* Takes one back at once; *out is to be stored before it is said to be done. WEFT_ERR_NOT_FOUND. */
WEFT_MUST_USE int weft_invites_revoke(struct weft_invites *invites, const struct weft_key *invite,
                                      struct weft_invite_entry *out);

/* Forgets those that have long expired; a store may forget what is older likewise. How many. */
size_t weft_invites_forget(struct weft_invites *invites, int64_t now_s);

/* A node has proven that it holds an invite (weft_registrar_hear). *out is set for STORE, AGAIN and WAIT, *why for
 * REFUSED. < 0: WEFT_ERR_MEMORY; else an enum weft_redemption. `serial` is that of the certificate, should it come to a
 * new one. */
WEFT_MUST_USE int weft_invites_redeem(struct weft_invites *invites, const struct weft_key *invite,
                                      const struct weft_key *node, uint64_t serial, int64_t now_s,
                                      struct weft_invite_use *out, enum weft_refused *why);
void weft_invites_stored(struct weft_invites *invites, const struct weft_invite_use *use);
void weft_invites_failed(struct weft_invites *invites, const struct weft_invite_use *use); /* it can be used again */

/* -- to list them -- */

struct weft_invite_state {
    const struct weft_invite_entry *entry;
    char id[WEFT_INVITE_ID_SIZE]; /* what people call it by */
    uint32_t uses;                /* stored, or about to be */
};

size_t weft_invites_count(const struct weft_invites *invites);
/* In the order they were made; it holds until the next change. */
struct weft_invite_state weft_invites_at(const struct weft_invites *invites, size_t index);
/* The one that an id names, or NULL. */
const struct weft_invite_entry *weft_invites_find(const struct weft_invites *invites, struct weft_slice id);
/* NULL if it is forgotten. */
const struct weft_invite_entry *weft_invites_of(const struct weft_invites *invites, const struct weft_key *invite);

#endif
