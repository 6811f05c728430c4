/* node/mesh_state.c - what a node is in its mesh, and what it keeps of that for good. */
#include "node/mesh_state.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/assert.h"
#include "base/error.h"
#include "base/mem.h"
#include "crypto/secret.h"
#include "mesh/issuing.h"
#include "node/mesh_loading.h"

#define PROBLEM_MAX (2 * WEFT_MESH_PATH_SIZE)
#define ROOT_MAX    ((size_t)256) /* bytes of a key file */

/* What is being stored. */
struct change {
    struct weft_mesh_state *state;
    struct change *next;
    weft_mesh_state_done *done;
    void *self;
    bool leaves;                        /* the mesh */
    uint64_t incarnation;               /* 0: it stays as it is */
    struct weft_membership *membership; /* of a mesh that is joined; or NULL */
    struct weft_invites *invites;       /* likewise */
    struct weft_certificate own;
    size_t chain_size; /* 0: it stays as it is */
    uint8_t chain[WEFT_CHAIN_MAX];
};

struct weft_mesh_state {
    struct weft_mesh_state_options options;
    struct weft_membership *membership; /* NULL: in no mesh */
    struct weft_invites *invites;       /* likewise */
    struct weft_identity root;          /* not set: it is not here */
    struct weft_certificate own;
    struct weft_chain links; /* points into `chain` */
    uint64_t incarnation;
    struct change *changes;
    size_t change_count;
    struct weft_mesh_loading loading;
    bool awaited, begun;
    size_t chain_size;
    uint8_t chain[WEFT_CHAIN_MAX];
    char root_text[WEFT_IDENTITY_TEXT_SIZE]; /* only while it is written to its file */
    char root_path[WEFT_MESH_PATH_SIZE], store_path[WEFT_MESH_PATH_SIZE], problem[PROBLEM_MAX];
};

int64_t weft_mesh_state_now_s(const struct weft_mesh_state *state)
{
    return state->options.host->ops->wall(state->options.host) / WEFT_SECOND;
}

/* -- what it has -- */

static void deinit_mesh(struct weft_mesh_state *state)
{
    weft_membership_free(state->membership);
    weft_invites_free(state->invites);
    weft_identity_deinit(&state->root); /* it is this mesh's, and signs in no other */
    state->membership = NULL;
    state->invites = NULL;
    state->own = (struct weft_certificate){0};
    state->links = (struct weft_chain){0};
    state->chain_size = 0;
}

static int make_mesh(const struct weft_key *mesh, struct weft_membership **membership, struct weft_invites **invites)
{
    int error = weft_membership_new(membership, mesh);
    if (error == 0) {
        error = weft_invites_new(invites);
    }
    if (error < 0) {
        weft_membership_free(*membership);
        *membership = NULL;
    }
    return error;
}

/* Both were checked. */
static void set_chain(struct weft_mesh_state *state, const struct weft_certificate *own, struct weft_slice chain)
{
    WEFT_ASSERT(chain.size > 0 && chain.size <= sizeof(state->chain));
    memcpy(state->chain, chain.data, chain.size);
    state->chain_size = chain.size;
    state->own = *own;
    int error = weft_chain_read(weft_slice(state->chain, chain.size), &state->links);
    WEFT_ASSERT(error == 0);
}

/* -- its beginning -- */

static void end_load(struct weft_mesh_state *state, int status, const char *problem)
{
    if (state->awaited) {
        state->awaited = false;
        state->options.loaded(state->options.self, status, problem);
    }
}

WEFT_PRINTF(3, 4) static void fail(struct weft_mesh_state *state, int status, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(state->problem, sizeof(state->problem), format, arguments); /* a cut sentence still helps */
    va_end(arguments);
    end_load(state, status, state->problem);
}

static void fail_store(struct weft_mesh_state *state, int status, const struct weft_store_result *result)
{
    if (result && result->problem) {
        fail(state, status, "%s", result->problem);
    } else {
        fail(state, status, "What this node keeps of its mesh, %s, cannot be used: %s.", state->store_path,
             weft_error_text(status));
    }
}

static int ask(struct weft_mesh_state *state, struct weft_store_op *op, weft_store_done *done, void *self)
{
    op->now_s = weft_mesh_state_now_s(state);
    return state->options.host->ops->store(state->options.host, op, done, self);
}

static void load_by(struct weft_mesh_state *state, struct weft_store_op op, weft_store_done *done)
{
    int error = ask(state, &op, done, state);
    if (error < 0) {
        fail_store(state, error, NULL);
    }
}

static void on_raised(void *self, int status, const struct weft_store_result *result)
{
    struct weft_mesh_state *state = self;
    if (status < 0) {
        fail_store(state, status, result);
        return;
    }
    state->incarnation = result->incarnation;
    end_load(state, 0, "");
}

static void on_numbers(void *self, int status, const struct weft_store_result *result)
{
    struct weft_mesh_state *state = self;
    if (status < 0) {
        fail_store(state, status, result);
        return;
    }
    load_by(state, (struct weft_store_op){.kind = WEFT_STORE_RAISE, .incarnation = result->incarnation + 1}, on_raised);
}

static void on_rows(void *self, int status, const char *problem)
{
    struct weft_mesh_state *state = self;
    if (status < 0) {
        fail(state, status, "%s", problem);
    } else {
        load_by(state, (struct weft_store_op){.kind = WEFT_STORE_SEQUENCE}, on_numbers);
    }
}

static void load_rows(struct weft_mesh_state *state)
{
    if (!state->membership) {
        on_rows(state, 0, "");
        return;
    }
    state->loading = (struct weft_mesh_loading){.host = state->options.host,
                                                .journal = state->options.journal,
                                                .membership = state->membership,
                                                .invites = state->invites,
                                                .now_s = weft_mesh_state_now_s(state),
                                                .done = on_rows,
                                                .self = state};
    weft_mesh_loading_start(&state->loading);
}

/* -- a mesh begins -- */

static struct weft_store_op put_chain(const struct weft_certificate *own, struct weft_slice chain)
{
    struct weft_store_op op = {
        .kind = WEFT_STORE_PUT,
        .table = WEFT_STORE_MEMBERSHIPS,
        .record = {.key = weft_mesh_loading_key(&own->mesh), .expires_s = own->not_after_s, .size = chain.size},
    };
    WEFT_ASSERT(chain.size <= sizeof(op.record.bytes));
    memcpy(op.record.bytes, chain.data, chain.size);
    return op;
}

static void on_founded(void *self, int status, const struct weft_store_result *result)
{
    struct weft_mesh_state *state = self;
    if (status < 0) {
        fail_store(state, status, result);
        return;
    }
    state->begun = true;
    load_rows(state); /* none, or those of the same mesh from before it was left */
}

/* The root's key is here, and its first gateway is this node. */
static void found(struct weft_mesh_state *state)
{
    struct weft_certificate own;
    uint8_t chain[WEFT_CHAIN_MAX];
    uint64_t serial;
    int64_t now_s = weft_mesh_state_now_s(state);
    state->options.host->ops->entropy(state->options.host, &serial, sizeof(serial));
    int64_t size = weft_issue_founding(&state->root, state->options.node, now_s, serial, chain);
    int error = size < 0 ? (int)size : make_mesh(&state->root.key, &state->membership, &state->invites);
    if (error == 0 && weft_membership_judge(state->membership, weft_slice(chain, (size_t)size),
                                            &state->options.node->key, now_s, &own) != WEFT_VERDICT_MEMBER) {
        error = WEFT_ERR_CRYPTO;
    }
    if (error < 0) {
        fail(state, error, "A mesh cannot begin here: %s. Is the clock of this machine right?", weft_error_text(error));
        return;
    }
    set_chain(state, &own, weft_slice(chain, (size_t)size));
    load_by(state, put_chain(&own, weft_slice(chain, (size_t)size)), on_founded);
}

static void on_root_written(void *self, int status)
{
    struct weft_mesh_state *state = self;
    weft_secret_wipe(state->root_text, sizeof(state->root_text));
    if (status < 0) {
        fail(state, status,
             "The root key of a new mesh cannot be written to %s: %s. Its folder must be yours to write, with room on "
             "its disk; WEFT_HOME names another.",
             state->root_path, weft_error_text(status));
        return;
    }
    found(state);
}

static void make_root(struct weft_mesh_state *state)
{
    struct weft_host *host = state->options.host;
    uint8_t seed[WEFT_SEED_SIZE];
    host->ops->entropy(host, seed, sizeof(seed));
    weft_identity_init(&state->root, seed);
    weft_secret_wipe(seed, sizeof(seed));
    weft_identity_text(&state->root, WEFT_IDENTITY_ROOT, state->root_text);
    int error = host->ops->write_file(host, state->root_path, weft_slice(state->root_text, WEFT_IDENTITY_TEXT_SIZE - 1),
                                      true, on_root_written, state);
    if (error < 0) {
        on_root_written(state, error);
    }
}

/* -- the root's key: perhaps not here -- */

static void on_root_read(void *self, int status, struct weft_slice content)
{
    struct weft_mesh_state *state = self;
    const char *why = weft_error_text(status);
    if (status == WEFT_ERR_NOT_FOUND) {
        if (state->membership) {
            load_rows(state); /* it was moved to where it is safe */
        } else {
            make_root(state);
        }
        return;
    }
    if (status == 0) {
        status = weft_identity_parse(&state->root, WEFT_IDENTITY_ROOT, content, &why);
    }
    if (status < 0) {
        fail(state, status,
             "The root key %s cannot be used: %s. Put it right, or move it away: a mesh that has begun runs on without "
             "it.",
             state->root_path, why);
    } else if (!state->membership) {
        found(state);
    } else if (!weft_key_equal(&state->root.key, weft_membership_mesh(state->membership))) {
        weft_identity_deinit(&state->root); /* another mesh's: none of ours */
        load_rows(state);
    } else {
        load_rows(state);
    }
}

static void read_root(struct weft_mesh_state *state)
{
    struct weft_host *host = state->options.host;
    bool gateway = state->membership && state->own.role == WEFT_ROLE_GATEWAY;
    if (!gateway && (state->membership || !state->options.begins)) {
        load_rows(state);
        return;
    }
    int error = host->ops->read_file(host, state->root_path, ROOT_MAX, on_root_read, state);
    if (error < 0) {
        on_root_read(state, error, (struct weft_slice){0});
    }
}

/* -- its own certificate -- */

static int read_own(struct weft_mesh_state *state, const struct weft_store_record *row)
{
    struct weft_chain links;
    struct weft_certificate own;
    struct weft_signed parts;
    int error = weft_chain_read(weft_slice(row->bytes, row->size), &links);
    if (error == 0) {
        error = weft_certificate_read(links.own, &own, &parts);
    }
    if (error < 0) {
        return error;
    }
    if (!weft_key_equal(&own.subject, &state->options.node->key)) {
        return WEFT_ERR_DENIED;
    }
    error = make_mesh(&own.mesh, &state->membership, &state->invites);
    if (error == 0) {
        set_chain(state, &own, weft_slice(row->bytes, row->size));
    }
    return error;
}

static void on_memberships(void *self, int status, const struct weft_store_result *result)
{
    struct weft_mesh_state *state = self;
    if (status < 0) {
        fail_store(state, status, result);
        return;
    }
    status = result->count > 0 ? read_own(state, &result->page.records[0]) : 0;
    if (status == WEFT_ERR_DENIED) {
        fail(state, status,
             "The key of this node is not the one that is in the mesh. Put the node.key back that was there, or, to "
             "start anew as another node, move %s away.",
             state->store_path);
    } else if (status < 0) {
        fail(state, status, "This node's certificate in %s cannot be read: %s.", state->store_path,
             weft_error_text(status));
    } else {
        read_root(state);
    }
}

static void on_opened(void *self, int status, const struct weft_store_result *result)
{
    struct weft_mesh_state *state = self;
    if (status < 0 && status != WEFT_ERR_EXISTS) {
        fail_store(state, status, result);
        return;
    }
    load_by(state, (struct weft_store_op){.kind = WEFT_STORE_LIST, .table = WEFT_STORE_MEMBERSHIPS}, on_memberships);
}

void weft_mesh_state_load(struct weft_mesh_state *state)
{
    state->awaited = true;
    load_by(state, (struct weft_store_op){.kind = WEFT_STORE_OPEN, .path = state->store_path}, on_opened);
}

void weft_mesh_state_forget(struct weft_mesh_state *state)
{
    state->awaited = false;
}

/* -- changes -- */

static void free_change(struct change *change)
{
    weft_membership_free(change->membership);
    weft_invites_free(change->invites);
    weft_free(change);
}

static int new_change(struct weft_mesh_state *state, struct change **out, weft_mesh_state_done *done, void *self)
{
    if (state->change_count >= WEFT_MESH_CHANGES_MAX) {
        return WEFT_ERR_FULL;
    }
    struct change *change = *out = weft_zalloc(sizeof(*change));
    if (!change) {
        return WEFT_ERR_MEMORY;
    }
    change->state = state;
    change->done = done;
    change->self = self;
    return 0;
}

static void unlink_change(struct weft_mesh_state *state, struct change *change)
{
    struct change **at = &state->changes;
    while (*at != change) {
        at = &(*at)->next;
    }
    *at = change->next;
    state->change_count--;
}

static void apply(struct weft_mesh_state *state, struct change *change)
{
    if (change->incarnation > state->incarnation) {
        state->incarnation = change->incarnation;
    }
    if (change->leaves) {
        if (state->options.leaves) {
            state->options.leaves(state->options.self);
        }
        deinit_mesh(state);
        return;
    }
    if (change->membership) {
        deinit_mesh(state);
        state->membership = change->membership;
        state->invites = change->invites;
        change->membership = NULL;
        change->invites = NULL;
    }
    if (change->chain_size > 0) {
        set_chain(state, &change->own, weft_slice(change->chain, change->chain_size));
    }
}

static void on_changed(void *self, int status, const struct weft_store_result *result)
{
    struct change *change = self;
    struct weft_mesh_state *state = change->state;
    const char *problem = status == 0 ? "" : result && result->problem ? result->problem : weft_error_text(status);
    unlink_change(state, change);
    if (status == 0) {
        apply(state, change);
    }
    weft_mesh_state_done *done = change->done;
    void *asker = change->self;
    free_change(change);
    done(asker, status, problem);
}

/* Takes the change, also when this fails. */
static int store_change(struct change *change, struct weft_store_op *op)
{
    struct weft_mesh_state *state = change->state;
    int error = ask(state, op, on_changed, change);
    if (error < 0) {
        free_change(change);
        return error;
    }
    change->next = state->changes;
    state->changes = change;
    state->change_count++;
    return 0;
}

static int store_chain(struct change *change, const struct weft_certificate *own, struct weft_slice chain)
{
    struct weft_store_op op = put_chain(own, chain);
    change->own = *own;
    change->chain_size = chain.size;
    memcpy(change->chain, chain.data, chain.size);
    return store_change(change, &op);
}

/* Somebody else may have made it join meanwhile: the first one counts. */
static bool joins(const struct weft_mesh_state *state)
{
    for (const struct change *change = state->changes; change; change = change->next) {
        if (change->membership) {
            return true;
        }
    }
    return false;
}

/* What is stored after that it is leaving would bring it back. */
static bool leaves(const struct weft_mesh_state *state)
{
    for (const struct change *change = state->changes; change; change = change->next) {
        if (change->leaves) {
            return true;
        }
    }
    return false;
}

int weft_mesh_state_take(struct weft_mesh_state *state, const struct weft_key *mesh, struct weft_slice bytes,
                         struct weft_joining_answer *answer, weft_mesh_state_done *done, void *self)
{
    struct change *change;
    *answer = (struct weft_joining_answer){0};
    if (leaves(state)) {
        return WEFT_ERR_CLOSED;
    }
    if (joins(state) || (state->membership && !weft_key_equal(weft_membership_mesh(state->membership), mesh))) {
        return WEFT_ERR_EXISTS;
    }
    int error = new_change(state, &change, done, self);
    if (error < 0) {
        return error;
    }
    error = state->membership ? 0 : make_mesh(mesh, &change->membership, &change->invites);
    if (error == 0) {
        error = weft_joining_take(change->membership ? change->membership : state->membership,
                                  &state->options.node->key, bytes, weft_mesh_state_now_s(state), answer);
    }
    if (error < 0) {
        free_change(change);
        return error;
    }
    return store_chain(change, &answer->certificate, answer->chain);
}

int weft_mesh_state_certify(struct weft_mesh_state *state, struct weft_slice certificate, enum weft_verdict *verdict,
                            weft_mesh_state_done *done, void *self)
{
    struct change *change;
    struct weft_certificate own;
    uint8_t chain[WEFT_CHAIN_MAX];
    *verdict = WEFT_VERDICT_MALFORMED;
    if (!state->membership || leaves(state)) {
        return WEFT_ERR_NOT_FOUND;
    }
    int64_t size = weft_chain_write(&(struct weft_chain){.own = certificate}, chain);
    if (size < 0) {
        return WEFT_ERR_CRYPTO;
    }
    struct weft_slice shown = weft_slice(chain, (size_t)size);
    *verdict =
        weft_membership_judge(state->membership, shown, &state->options.node->key, weft_mesh_state_now_s(state), &own);
    if (*verdict != WEFT_VERDICT_MEMBER) {
        return WEFT_ERR_CRYPTO;
    }
    int error = new_change(state, &change, done, self);
    return error < 0 ? error : store_chain(change, &own, shown);
}

int weft_mesh_state_leave(struct weft_mesh_state *state, weft_mesh_state_done *done, void *self)
{
    struct change *change;
    if (!state->membership || leaves(state)) {
        return WEFT_ERR_NOT_FOUND;
    }
    struct weft_store_op op = {.kind = WEFT_STORE_REMOVE,
                               .table = WEFT_STORE_MEMBERSHIPS,
                               .key = weft_mesh_loading_key(weft_membership_mesh(state->membership))};
    int error = new_change(state, &change, done, self);
    if (error < 0) {
        return error;
    }
    change->leaves = true;
    return store_change(change, &op);
}

int weft_mesh_state_outrun(struct weft_mesh_state *state, uint64_t incarnation, weft_mesh_state_done *done, void *self)
{
    struct change *change;
    if (incarnation >= INT64_MAX) {
        return WEFT_ERR_TOO_LARGE; /* nothing goes beyond: this key is lost to the mesh */
    }
    int error = new_change(state, &change, done, self);
    if (error < 0) {
        return error;
    }
    change->incarnation = incarnation + 1;
    struct weft_store_op op = {.kind = WEFT_STORE_RAISE, .incarnation = incarnation + 1};
    return store_change(change, &op);
}

/* -- revocations -- */

/* By whom it is about and who signed it: a gateway's must not take the place of the root's, which says more and holds
 * for longer. It was taken, so its issuer's certificate can be read. */
static struct weft_store_key revocation_row(const struct weft_revocation *revocation)
{
    struct weft_key about[2] = {revocation->subject, revocation->mesh};
    struct weft_certificate issuer;
    struct weft_signed parts;
    if (revocation->issuer.size > 0 && weft_certificate_read(revocation->issuer, &issuer, &parts) == 0) {
        about[1] = issuer.subject;
    }
    struct weft_secret sum = weft_secret_of(weft_slice(about, sizeof(about)));
    struct weft_store_key row;
    _Static_assert(sizeof(row.bytes) == sizeof(sum.hash), "a hash is a key");
    memcpy(row.bytes, sum.hash, sizeof(row.bytes));
    return row;
}

/* Takes the change, also when this fails. */
static int store_revocation(struct change *change, struct weft_slice bytes, bool fresh)
{
    const struct weft_mesh_state *state = change->state;
    struct weft_revocation read;
    struct weft_signed parts;
    int error = weft_revocation_read(bytes, &read, &parts);
    if (error < 0) {
        free_change(change);
        return error;
    }
    struct weft_store_op op = {
        .kind = WEFT_STORE_PUT,
        .table = WEFT_STORE_REVOCATIONS,
        .record = {.key = revocation_row(&read), .expires_s = read.until_s, .size = bytes.size},
    };
    memcpy(op.record.bytes, bytes.data, bytes.size);
    if (fresh && state->options.revoked) {
        state->options.revoked(state->options.self, bytes, &read.subject);
    }
    return store_change(change, &op);
}

int weft_mesh_state_revoke(struct weft_mesh_state *state, struct weft_slice revocation, weft_mesh_state_done *done,
                           void *self)
{
    struct change *change;
    if (!state->membership) {
        return WEFT_ERR_CLOSED;
    }
    int status = new_change(state, &change, done, self);
    if (status < 0) {
        return status;
    }
    status = weft_membership_revoke(state->membership, revocation, weft_mesh_state_now_s(state));
    bool again =
        status == 0 && weft_membership_keeps(state->membership, revocation); /* perhaps it was not stored then */
    if (status == 1 || again) {
        status = store_revocation(change, revocation, status == 1);
        return status < 0 ? status : 1;
    }
    free_change(change);
    return status;
}

int weft_mesh_state_put_out(struct weft_mesh_state *state, const struct weft_key *node, weft_mesh_state_done *done,
                            void *self)
{
    uint8_t revocation[WEFT_REVOCATION_MAX];
    struct weft_registrar registrar;
    if (!state->membership) {
        return WEFT_ERR_CLOSED;
    }
    if (!weft_mesh_state_registrar(state, &registrar) || weft_key_equal(node, &state->options.node->key)) {
        return WEFT_ERR_DENIED;
    }
    const struct weft_identity *signer = registrar.root ? registrar.root : registrar.gateway;
    struct weft_slice own = registrar.certificate;
    if (registrar.root) {
        own = weft_slice(NULL, 0);
    }
    int64_t size = weft_issue_revocation(signer, weft_membership_mesh(state->membership), own, node,
                                         weft_mesh_state_now_s(state), revocation);
    return size < 0 ? (int)size : weft_mesh_state_revoke(state, weft_slice(revocation, (size_t)size), done, self);
}

/* -- what it is -- */

struct weft_membership *weft_mesh_state_membership(const struct weft_mesh_state *state)
{
    return state->membership;
}

struct weft_slice weft_mesh_state_chain(const struct weft_mesh_state *state)
{
    return weft_slice(state->chain, state->chain_size);
}

const struct weft_certificate *weft_mesh_state_certificate(const struct weft_mesh_state *state)
{
    return state->membership ? &state->own : NULL;
}

enum weft_verdict weft_mesh_state_verdict(const struct weft_mesh_state *state, int64_t now_s)
{
    struct weft_certificate own;
    return state->membership ? weft_membership_judge(state->membership, weft_mesh_state_chain(state),
                                                     &state->options.node->key, now_s, &own)
                             : WEFT_VERDICT_MALFORMED;
}

struct weft_invites *weft_mesh_state_invites(const struct weft_mesh_state *state)
{
    return state->invites;
}

uint64_t weft_mesh_state_incarnation(const struct weft_mesh_state *state)
{
    return state->incarnation;
}

bool weft_mesh_state_begun(const struct weft_mesh_state *state)
{
    return state->begun;
}

const char *weft_mesh_state_root_path(const struct weft_mesh_state *state)
{
    return state->root_path;
}

bool weft_mesh_state_has_root(const struct weft_mesh_state *state)
{
    return weft_key_set(&state->root.key);
}

bool weft_mesh_state_registrar(const struct weft_mesh_state *state, struct weft_registrar *out)
{
    if (!state->membership || state->own.role != WEFT_ROLE_GATEWAY) {
        return false;
    }
    *out = (struct weft_registrar){.gateway = state->options.node,
                                   .root = weft_mesh_state_has_root(state) ? &state->root : NULL,
                                   .membership = state->membership,
                                   .certificate = state->links.own};
    return true;
}

/* -- made and unmade -- */

static bool path_below(char path[WEFT_MESH_PATH_SIZE], const char *folder, const char *name)
{
    int size = snprintf(path, WEFT_MESH_PATH_SIZE, "%s/%s", folder, name);
    return size >= 0 && size < WEFT_MESH_PATH_SIZE;
}

int weft_mesh_state_new(struct weft_mesh_state **out, const struct weft_mesh_state_options *options)
{
    struct weft_mesh_state *state = *out = weft_zalloc(sizeof(*state));
    if (!state) {
        return WEFT_ERR_MEMORY;
    }
    state->options = *options;
    if (!path_below(state->root_path, options->folder, WEFT_MESH_ROOT_FILE) ||
        !path_below(state->store_path, options->folder, WEFT_MESH_STORE_FILE)) {
        weft_free(state);
        *out = NULL;
        return WEFT_ERR_TOO_LARGE;
    }
    return 0;
}

void weft_mesh_state_free(struct weft_mesh_state *state)
{
    if (!state) {
        return;
    }
    while (state->changes) {
        struct change *change = state->changes;
        state->changes = change->next;
        free_change(change);
    }
    deinit_mesh(state);
    weft_secret_wipe(state->root_text, sizeof(state->root_text));
    weft_free(state);
}
