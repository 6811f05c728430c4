/* node/mesh_loading.c - revocations, then invites, then the uses of each, from the store. */
#include "node/mesh_loading.h"

#include "base/error.h"

struct weft_store_key weft_mesh_loading_key(const struct weft_key *key)
{
    struct weft_store_key row;
    _Static_assert(sizeof(row.bytes) == sizeof(key->bytes), "they are the same 32 bytes");
    memcpy(row.bytes, key->bytes, sizeof(row.bytes));
    return row;
}

static struct weft_key key_of(const struct weft_store_key *row)
{
    struct weft_key key;
    memcpy(key.bytes, row->bytes, sizeof(key.bytes));
    return key;
}

struct weft_store_invite weft_mesh_loading_row(const struct weft_invite_entry *entry, const struct weft_key *mesh)
{
    return (struct weft_store_invite){
        .id = weft_mesh_loading_key(&entry->invite),
        .mesh = weft_mesh_loading_key(mesh),
        .role = (unsigned)entry->role,
        .uses = entry->uses_max,
        .left = entry->uses_max,
        .made_s = entry->made_s,
        .expires_s = entry->expires_s,
    };
}

/* -- one row -- */

static void drop(struct weft_mesh_loading *loading, const char *what, int error)
{
    loading->dropped++;
    if (weft_journal_begin(loading->journal, WEFT_LOG_WARN, "not restored")) {
        weft_journal_word(loading->journal, "what", what);
        weft_journal_word(loading->journal, "error", weft_error_text(error));
        weft_journal_end(loading->journal);
    }
}

static bool no_memory(int error, int *status)
{
    *status = error == WEFT_ERR_MEMORY ? error : *status;
    return error == WEFT_ERR_MEMORY;
}

static int take_revocation(struct weft_mesh_loading *loading, const struct weft_store_record *row)
{
    int status = 0;
    int error = weft_membership_revoke(loading->membership, weft_slice(row->bytes, row->size), loading->now_s);
    /* Of another mesh: the node was in that one before. */
    if (error < 0 && !no_memory(error, &status) && error != WEFT_ERR_NOT_FOUND) {
        drop(loading, "a revocation", error);
    }
    return status;
}

static int take_invite(struct weft_mesh_loading *loading, const struct weft_store_invite *row)
{
    int status = 0;
    struct weft_key mesh = key_of(&row->mesh);
    if (!weft_key_equal(&mesh, weft_membership_mesh(loading->membership)) ||
        loading->now_s > row->expires_s + WEFT_INVITE_FORGET_S) {
        return 0;
    }
    const struct weft_invite_entry entry = {
        .invite = key_of(&row->id),
        .role = (enum weft_role)row->role,
        .uses_max = row->uses,
        .made_s = row->made_s,
        .expires_s = row->expires_s,
        .revoked = row->revoked,
    };
    int error = weft_invites_restore(loading->invites, &entry);
    if (error < 0 && !no_memory(error, &status)) {
        drop(loading, "an invite", error);
    }
    return status;
}

static int take_use(struct weft_mesh_loading *loading, const struct weft_key *invite,
                    const struct weft_store_record *row)
{
    struct weft_chain chain;
    struct weft_certificate certificate;
    struct weft_signed parts;
    int status = 0;
    int error = weft_chain_read(weft_slice(row->bytes, row->size), &chain);
    if (error == 0) {
        error = weft_certificate_read(chain.own, &certificate, &parts);
    }
    struct weft_invite_use use = {.invite = *invite, .node = key_of(&row->key)};
    if (error == 0) {
        use.serial = certificate.serial;
        use.at_s = certificate.not_before_s;
    } else {
        drop(loading, "a certificate that was given for an invite", error); /* its use counts all the same */
    }
    error = weft_invites_restore_use(loading->invites, &use);
    if (error < 0 && !no_memory(error, &status)) {
        drop(loading, "the use of an invite", error);
    }
    return status;
}

_Static_assert(WEFT_STORE_USES_MAX == WEFT_INVITE_USES_MAX, "one bound for the uses of an invite");
_Static_assert(WEFT_STORE_INVITES_MAX >= WEFT_INVITES_MAX, "the store has room for what is not forgotten");

/* -- page by page -- */

static void end(struct weft_mesh_loading *loading, int status, const char *problem)
{
    loading->done(loading->self, status, problem ? problem : "This machine has no memory left to start.");
}

static void ask(struct weft_mesh_loading *loading, const struct weft_store_op *op, weft_store_done *done)
{
    int error = loading->host->ops->store(loading->host, op, done, loading);
    if (error < 0) {
        end(loading, error, "The store takes no more operations.");
    }
}

static void on_uses(void *self, int status, const struct weft_store_result *result);

/* Those of the next invite; after the last one all is there. */
static void list_uses(struct weft_mesh_loading *loading, const struct weft_store_key *after)
{
    if (loading->index == weft_invites_count(loading->invites)) {
        end(loading, 0, "");
        return;
    }
    const struct weft_invite_entry *entry = weft_invites_at(loading->invites, loading->index).entry;
    struct weft_store_op op = {.kind = WEFT_STORE_LIST_REDEMPTIONS, .key = weft_mesh_loading_key(&entry->invite)};
    if (after) {
        op.record.key = *after;
    }
    ask(loading, &op, on_uses);
}

static void on_uses(void *self, int status, const struct weft_store_result *result)
{
    struct weft_mesh_loading *loading = self;
    const struct weft_invite_entry *entry = weft_invites_at(loading->invites, loading->index).entry;
    for (size_t i = 0; status == 0 && i < result->count; i++) {
        status = take_use(loading, &entry->invite, &result->page.records[i]);
    }
    if (status < 0) {
        end(loading, status, result->problem);
        return;
    }
    bool more = result->more && result->count > 0;
    loading->index += more ? 0 : 1;
    list_uses(loading, more ? &result->page.records[result->count - 1].key : NULL);
}

static void on_invites(void *self, int status, const struct weft_store_result *result)
{
    struct weft_mesh_loading *loading = self;
    for (size_t i = 0; status == 0 && i < result->count; i++) {
        status = take_invite(loading, &result->page.invites[i]);
    }
    if (status < 0) {
        end(loading, status, result->problem);
    } else if (result->more && result->count > 0) {
        ask(loading,
            &(const struct weft_store_op){.kind = WEFT_STORE_LIST_INVITES,
                                          .key = result->page.invites[result->count - 1].id},
            on_invites);
    } else {
        loading->index = 0;
        list_uses(loading, NULL);
    }
}

static void on_revocations(void *self, int status, const struct weft_store_result *result)
{
    struct weft_mesh_loading *loading = self;
    struct weft_store_op next = {.kind = WEFT_STORE_LIST_INVITES};
    for (size_t i = 0; status == 0 && i < result->count; i++) {
        status = take_revocation(loading, &result->page.records[i]);
    }
    if (status < 0) {
        end(loading, status, result->problem);
        return;
    }
    bool more = result->more && result->count > 0;
    if (more) {
        next = (struct weft_store_op){.kind = WEFT_STORE_LIST,
                                      .table = WEFT_STORE_REVOCATIONS,
                                      .key = result->page.records[result->count - 1].key};
    }
    ask(loading, &next, more ? on_revocations : on_invites);
}

void weft_mesh_loading_start(struct weft_mesh_loading *loading)
{
    ask(loading, &(const struct weft_store_op){.kind = WEFT_STORE_LIST, .table = WEFT_STORE_REVOCATIONS},
        on_revocations);
}
