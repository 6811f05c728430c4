/* node/mesh_state.h - what a node is in its mesh, and what it keeps of that for good: its certificates, who was
 * revoked, its invites, its own numbers, and the mesh's root key where the mesh began here.
 *
 * Nothing counts before the host has stored it. A node is in one mesh at most. Everything comes back after a start as
 * it was answered before; only then `loaded` is said. Made only for a node that is in a mesh, begins one, or joins one:
 * the store's file is made with it. */
#ifndef WEFT_NODE_MESH_STATE_H
#define WEFT_NODE_MESH_STATE_H

#include "host/host.h"
#include "mesh/invites.h"
#include "mesh/joining.h"
#include "mesh/registrar.h"
#include "node/journal.h"

#define WEFT_MESH_ROOT_FILE   "root.key" /* in the state folder; may be moved away once the mesh has begun */
#define WEFT_MESH_STORE_FILE  "mesh.db"
#define WEFT_MESH_PATH_SIZE   4096
#define WEFT_MESH_CHANGES_MAX 32 /* that are being stored: then WEFT_ERR_FULL */

struct weft_mesh_state;

struct weft_mesh_state_options {
    struct weft_host *host;
    struct weft_journal *journal;
    const struct weft_identity *node; /* who this node is */
    const char *folder;               /* of its state */
    bool begins;                      /* a mesh, if it is in none */
    /* Once after _load(): 0, or an error and a sentence that says why and what to do; then the state may be freed from
     * inside this call. */
    void (*loaded)(void *self, int status, const char *problem);
    /* A revocation about this key is new here, and counts from now on: others are to be told. From inside of _revoke()
     * and _put_out(). NULL if nobody wants to know, as the next one. */
    void (*revoked)(void *self, struct weft_slice revocation, const struct weft_key *subject);
    /* It has left the mesh: what is asked for below goes when this returns. */
    void (*leaves)(void *self);
    void *self;
};

/* On error *out is NULL. What `options` points to outlives the state. */
WEFT_MUST_USE int weft_mesh_state_new(struct weft_mesh_state **out, const struct weft_mesh_state_options *options);
/* After the host's loop has ended: no callback may come any more. NULL is fine. */
void weft_mesh_state_free(struct weft_mesh_state *state);

/* Opens the store and brings back what is in it; begins a mesh if that is wanted. Once. */
void weft_mesh_state_load(struct weft_mesh_state *state);
/* Nobody waits for `loaded` any more: it is not said. */
void weft_mesh_state_forget(struct weft_mesh_state *state);

/* -- what it is; NULL, empty and 0 before it is loaded, or in no mesh -- */

struct weft_membership *weft_mesh_state_membership(const struct weft_mesh_state *state);         /* NULL: in no mesh */
struct weft_slice weft_mesh_state_chain(const struct weft_mesh_state *state);                    /* what it shows */
const struct weft_certificate *weft_mesh_state_certificate(const struct weft_mesh_state *state); /* its own */
enum weft_verdict weft_mesh_state_verdict(const struct weft_mesh_state *state, int64_t now_s);   /* on its chain */
struct weft_invites *weft_mesh_state_invites(const struct weft_mesh_state *state);
/* Of this start: higher than in any start before, and stored. Announcements are numbered from 1 within it. */
uint64_t weft_mesh_state_incarnation(const struct weft_mesh_state *state);
bool weft_mesh_state_begun(const struct weft_mesh_state *state); /* the mesh began with this start */
const char *weft_mesh_state_root_path(
    const struct weft_mesh_state *state);                           /* where the root key was made, or may lie */
bool weft_mesh_state_has_root(const struct weft_mesh_state *state); /* it lies there */
/* False if it is no gateway. */
bool weft_mesh_state_registrar(const struct weft_mesh_state *state, struct weft_registrar *out);
int64_t weft_mesh_state_now_s(const struct weft_mesh_state *state); /* by the host's wall clock */

/* -- changes; `done` comes later from the loop, once, unless the call returns an error -- */

typedef void weft_mesh_state_done(void *self, int status, const char *problem); /* a sentence, if status < 0 */

/* Takes a gateway's answer to an application to join `mesh`, or in it to be renewed (weft_joining_take, whose errors it
 * returns with *answer). WEFT_ERR_EXISTS: it is in another mesh; WEFT_ERR_CLOSED: it is leaving its mesh. */
WEFT_MUST_USE int weft_mesh_state_take(struct weft_mesh_state *state, const struct weft_key *mesh,
                                       struct weft_slice bytes, struct weft_joining_answer *answer,
                                       weft_mesh_state_done *done, void *self);
/* Takes a certificate that the root has made for this node, signed. WEFT_ERR_CRYPTO and *verdict: it is worth nothing
 * here; WEFT_ERR_NOT_FOUND: in no mesh. */
WEFT_MUST_USE int weft_mesh_state_certify(struct weft_mesh_state *state, struct weft_slice certificate,
                                          enum weft_verdict *verdict, weft_mesh_state_done *done, void *self);
/* Out of the mesh. Its key stays. WEFT_ERR_NOT_FOUND: in none. */
WEFT_MUST_USE int weft_mesh_state_leave(struct weft_mesh_state *state, weft_mesh_state_done *done, void *self);
/* Takes a revocation that it was given or has heard of: 1 if it is new here, or known and now stored again, for that
 * may have failed before; then `done` comes, and then others may be told. 0: a later one is known, or it is past. The
 * errors are those of weft_membership_revoke(); WEFT_ERR_CLOSED: in no mesh. */
WEFT_MUST_USE int weft_mesh_state_revoke(struct weft_mesh_state *state, struct weft_slice revocation,
                                         weft_mesh_state_done *done, void *self);
/* Others have heard of an incarnation of this node that is not below its own: it goes on with a higher one than that,
 * which counts when `done` comes. */
WEFT_MUST_USE int weft_mesh_state_outrun(struct weft_mesh_state *state, uint64_t incarnation,
                                         weft_mesh_state_done *done, void *self);
/* A gateway puts a node out: it signs a revocation, with the root's key if that is here, and else with its own: then
 * the node is out unless it is a gateway, which only the root can put out. As _revoke(); WEFT_ERR_DENIED: it is no
 * gateway, or the node is itself, or the root. */
WEFT_MUST_USE int weft_mesh_state_put_out(struct weft_mesh_state *state, const struct weft_key *node,
                                          weft_mesh_state_done *done, void *self);

#endif
