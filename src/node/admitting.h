/* node/admitting.h - how a gateway admits: its invites made and taken back, and applications answered, each when what
 * it says is stored and never before.
 *
 * An answer may come at once, from inside the call, where there is nothing to store. The journal says who was admitted,
 * and who was not and why; an invite is not named there. */
#ifndef WEFT_NODE_ADMITTING_H
#define WEFT_NODE_ADMITTING_H

#include "node/mesh_state.h"
#include "wire/invite.h"

#define WEFT_ADMITTING_MAX 64 /* applications and invites under way: more are told to come again (`busy`) */

struct weft_admitting;

/* `state` outlives it. On error *out is NULL. */
WEFT_MUST_USE int weft_admitting_new(struct weft_admitting **out, struct weft_mesh_state *state, struct weft_host *host,
                                     struct weft_journal *journal);
/* After the host's loop has ended. NULL is fine. */
void weft_admitting_free(struct weft_admitting *admitting);

/* -- applications -- */

typedef void weft_admitting_answer(void *self, struct weft_slice admission); /* a record; valid during the call */

/* `link`: what the link that it came by is known by; NULL if another gateway has passed it on. 0: `answer` came or
 * comes. 1: it is to be passed on to the gateway *issuer, and `answer` does not come. */
WEFT_MUST_USE int weft_admitting_hear(struct weft_admitting *admitting, struct weft_slice application,
                                      const uint8_t *link, weft_admitting_answer *answer, void *self,
                                      struct weft_key *issuer);
/* Whoever asked has left: it is still counted, and `answer` does not come. */
void weft_admitting_leave(struct weft_admitting *admitting, const void *self);

/* -- invites -- */

struct weft_admitting_wish {
    uint32_t uses;
    int64_t life_s;
    enum weft_role role;
    const char *addresses[WEFT_INVITE_ADDRESSES_MAX]; /* the first one at least */
};

/* Status 0: the invite is stored, and `line` is its line, seen here and never again; of a taken back one it is "". Else
 * `problem` is a sentence. */
typedef void weft_admitting_invited(void *self, int status, const char *line, const struct weft_invite_state *invite,
                                    const char *problem);

/* WEFT_ERR_INVALID, _TOO_LARGE (the wish), WEFT_ERR_DENIED (no gateway, or a gateway's invite without the root's key),
 * WEFT_ERR_FULL, WEFT_ERR_MEMORY; then `done` does not come. */
WEFT_MUST_USE int weft_admitting_invite(struct weft_admitting *admitting, const struct weft_admitting_wish *wish,
                                        weft_admitting_invited *done, void *self);
/* `id` as people say it. From now on it lets nobody in; WEFT_ERR_NOT_FOUND. */
WEFT_MUST_USE int weft_admitting_take_back(struct weft_admitting *admitting, struct weft_slice id,
                                           weft_admitting_invited *done, void *self);

#endif
