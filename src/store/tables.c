/* store/tables.c - each operation of host/store.h, as a transaction on the tables. */
#include "store/tables.h"

#include <stdio.h>

#include "base/error.h"
#include "mesh/invites.h"

#define KEY(key)                                                                                                       \
    {                                                                                                                  \
        .bytes = (key).bytes, .size = WEFT_STORE_KEY_SIZE                                                              \
    }
#define BYTES(record)                                                                                                  \
    {                                                                                                                  \
        .bytes = (record).bytes, .size = (record).size                                                                 \
    }
#define NUMBER(value)                                                                                                  \
    {                                                                                                                  \
        .number = (int64_t)(value)                                                                                     \
    }
#define VALUES(...)                                                                                                    \
    (const struct weft_database_value[]){__VA_ARGS__},                                                                 \
        sizeof((const struct weft_database_value[]){__VA_ARGS__}) / sizeof(struct weft_database_value)

#define INVITE_COLUMNS "id, mesh, role, uses, uses_left, made_s, expires_s, revoked"

/* A table of records, or one that is bounded like them. */
struct table {
    const char *what; /* for people */
    int max;
    const char *count, *make_room;                     /* ?1: now */
    const char *get, *update, *insert, *remove, *list; /* ?1: key, ?2: expires_s or a limit, ?3: bytes */
};

#define RECORDS(name, words)                                                                                           \
    {                                                                                                                  \
        .what = (words), .max = WEFT_STORE_RECORDS_MAX, .count = "SELECT count(*) FROM " name,                         \
        .make_room = "DELETE FROM " name " WHERE expires_s <= ?1",                                                     \
        .get = "SELECT key, expires_s, bytes FROM " name " WHERE key = ?1",                                            \
        .update = "UPDATE " name " SET expires_s = ?2, bytes = ?3 WHERE key = ?1",                                     \
        .insert = "INSERT INTO " name " VALUES (?1, ?2, ?3)", .remove = "DELETE FROM " name " WHERE key = ?1",         \
        .list = "SELECT key, expires_s, bytes FROM " name " WHERE key > ?1 ORDER BY key LIMIT ?2",                     \
    }

static const struct table records[WEFT_STORE_TABLES] = {
    [WEFT_STORE_MEMBERSHIPS] = RECORDS("memberships", "certificates of its own"),
    [WEFT_STORE_ISSUED] = RECORDS("issued", "certificates that it gave"),
    [WEFT_STORE_REVOCATIONS] = RECORDS("revocations", "revocations"),
    [WEFT_STORE_GATEWAYS] = RECORDS("gateways", "gateways"),
};
static const struct table invites = {
    .what = "invites",
    .max = WEFT_STORE_INVITES_MAX,
    .count = "SELECT count(*) FROM invites",
    .make_room = "DELETE FROM invites WHERE expires_s < ?1 OR revoked", /* with their redemptions */
};
static const struct table redemptions = {
    .what = "redemptions of invites",
    .max = WEFT_STORE_REDEMPTIONS_MAX,
    .count = "SELECT count(*) FROM redemptions",
    .make_room = "DELETE FROM redemptions WHERE invite IN (SELECT id FROM invites WHERE expires_s < ?1 OR revoked)",
};

/* -- rows -- */

static int read_blob(struct weft_database *database, sqlite3_stmt *rows, int column, uint8_t *out, size_t max)
{
    const void *bytes = sqlite3_column_blob(rows, column);
    int size = sqlite3_column_bytes(rows, column);
    if (!bytes || size <= 0 || (size_t)size > max) {
        return weft_database_damaged(database);
    }
    memcpy(out, bytes, (size_t)size);
    return size;
}

static int read_key(struct weft_database *database, sqlite3_stmt *rows, int column, struct weft_store_key *out)
{
    int size = read_blob(database, rows, column, out->bytes, sizeof(out->bytes));
    return size < 0 || size == WEFT_STORE_KEY_SIZE ? size : weft_database_damaged(database);
}

/* Columns key, expires_s, bytes. */
static int read_record(struct weft_database *database, sqlite3_stmt *rows, struct weft_store_record *out)
{
    int status = read_key(database, rows, 0, &out->key);
    out->expires_s = sqlite3_column_int64(rows, 1);
    int size = status < 0 ? status : read_blob(database, rows, 2, out->bytes, sizeof(out->bytes));
    out->size = size < 0 ? 0 : (size_t)size;
    return size < 0 ? size : 0;
}

/* INVITE_COLUMNS. */
static int read_invite(struct weft_database *database, sqlite3_stmt *rows, struct weft_store_invite *out)
{
    int status = read_key(database, rows, 0, &out->id);
    status = status < 0 ? status : read_key(database, rows, 1, &out->mesh);
    out->role = (unsigned)sqlite3_column_int64(rows, 2);
    out->uses = (uint32_t)sqlite3_column_int64(rows, 3);
    out->left = (uint32_t)sqlite3_column_int64(rows, 4);
    out->made_s = sqlite3_column_int64(rows, 5);
    out->expires_s = sqlite3_column_int64(rows, 6);
    out->revoked = sqlite3_column_int64(rows, 7) != 0;
    return status < 0 ? status : 0;
}

/* Room for one more row, if need be by dropping what has had its time. */
static int make_room(struct weft_database *database, const struct table *table, int64_t now_s)
{
    for (int tries = 0; tries < 2; tries++) {
        sqlite3_stmt *rows;
        int status = weft_database_ask(database, table->count, NULL, 0, &rows);
        bool room = status > 0 && sqlite3_column_int64(rows, 0) < table->max;
        (void)sqlite3_finalize(rows); /* says again what the step has said; so everywhere here */
        if (status < 0 || room) {
            return status < 0 ? status : 0;
        }
        status = tries == 0 ? weft_database_do(database, table->make_room, VALUES(NUMBER(now_s))) : 0;
        if (status < 0) {
            return status;
        }
    }
    (void)snprintf(database->problem, sizeof(database->problem),
                   "This node keeps %d %s at most, and none of them has expired, so no more can be added. Wait until "
                   "some have, or give what you make next a shorter life.",
                   table->max, table->what); /* fits */
    return WEFT_ERR_FULL;
}

/* -- records -- */

static int get_record(struct weft_database *database, const char *sql, const struct weft_store_key *key,
                      struct weft_store_record *out)
{
    sqlite3_stmt *rows;
    int status = weft_database_ask(database, sql, VALUES(KEY(*key)), &rows);
    if (status > 0) {
        status = read_record(database, rows, out);
    } else if (status == 0) {
        status = WEFT_ERR_NOT_FOUND;
    }
    (void)sqlite3_finalize(rows);
    return status;
}

static int put_record(struct weft_database *database, const struct table *table, const struct weft_store_record *record,
                      int64_t now_s)
{
    int changed =
        weft_database_do(database, table->update, VALUES(KEY(record->key), NUMBER(record->expires_s), BYTES(*record)));
    if (changed != 0) {
        return changed < 0 ? changed : 0;
    }
    int status = make_room(database, table, now_s);
    if (status < 0) {
        return status;
    }
    return weft_database_do(database, table->insert,
                            VALUES(KEY(record->key), NUMBER(record->expires_s), BYTES(*record)));
}

static int do_put(struct weft_database *database, const struct weft_store_op *op, struct weft_store_result *result)
{
    (void)result;
    return put_record(database, &records[op->table], &op->record, op->now_s);
}

static int do_get(struct weft_database *database, const struct weft_store_op *op, struct weft_store_result *result)
{
    return get_record(database, records[op->table].get, &op->key, &result->record);
}

static int do_remove(struct weft_database *database, const struct weft_store_op *op, struct weft_store_result *result)
{
    (void)result;
    int changed = weft_database_do(database, records[op->table].remove, VALUES(KEY(op->key)));
    return changed == 0 ? WEFT_ERR_NOT_FOUND : changed;
}

/* One row more than a page is asked for: it says whether there is another page. ?1 is the operation's key, ?3 its
 * record's where that matters. */
static int list_rows(struct weft_database *database, const char *sql, const struct weft_store_op *op,
                     struct weft_store_result *result)
{
    const struct weft_database_value values[] = {KEY(op->key), NUMBER(WEFT_STORE_PAGE_MAX + 1), KEY(op->record.key)};
    size_t count = op->kind == WEFT_STORE_LIST_REDEMPTIONS ? 3 : 2;
    sqlite3_stmt *rows;
    int status = weft_database_ask(database, sql, values, count, &rows);
    while (status > 0 && result->count < WEFT_STORE_PAGE_MAX) {
        status = op->kind == WEFT_STORE_LIST_INVITES
                     ? read_invite(database, rows, &result->page.invites[result->count])
                     : read_record(database, rows, &result->page.records[result->count]);
        if (status == 0) {
            result->count++;
            status = weft_database_next(database, rows);
        }
    }
    result->more = status > 0;
    (void)sqlite3_finalize(rows);
    return status;
}

static int do_list(struct weft_database *database, const struct weft_store_op *op, struct weft_store_result *result)
{
    return list_rows(database, records[op->table].list, op, result);
}

/* -- invites -- */

static int get_invite(struct weft_database *database, const struct weft_store_key *id, struct weft_store_invite *out)
{
    sqlite3_stmt *rows;
    int status =
        weft_database_ask(database, "SELECT " INVITE_COLUMNS " FROM invites WHERE id = ?1", VALUES(KEY(*id)), &rows);
    if (status > 0) {
        status = read_invite(database, rows, out);
    } else if (status == 0) {
        status = WEFT_ERR_NOT_FOUND;
    }
    (void)sqlite3_finalize(rows);
    return status;
}

static int do_put_invite(struct weft_database *database, const struct weft_store_op *op,
                         struct weft_store_result *result)
{
    (void)result;
    const struct weft_store_invite *invite = &op->invite;
    struct weft_store_invite there;
    int status = get_invite(database, &invite->id, &there);
    if (status != WEFT_ERR_NOT_FOUND) {
        return status < 0 ? status : WEFT_ERR_EXISTS;
    }
    status = make_room(database, &invites, op->now_s);
    if (status < 0) {
        return status;
    }
    return weft_database_do(database, "INSERT INTO invites (" INVITE_COLUMNS ") VALUES (?1, ?2, ?3, ?4, ?4, ?5, ?6, 0)",
                            VALUES(KEY(invite->id), KEY(invite->mesh), NUMBER(invite->role), NUMBER(invite->uses),
                                   NUMBER(invite->made_s), NUMBER(invite->expires_s)));
}

static int do_list_invites(struct weft_database *database, const struct weft_store_op *op,
                           struct weft_store_result *result)
{
    return list_rows(database, "SELECT " INVITE_COLUMNS " FROM invites WHERE id > ?1 ORDER BY id LIMIT ?2", op, result);
}

static int do_list_redemptions(struct weft_database *database, const struct weft_store_op *op,
                               struct weft_store_result *result)
{
    return list_rows(database,
                     "SELECT node, expires_s, certificate FROM redemptions WHERE invite = ?1 AND node > ?3"
                     " ORDER BY node LIMIT ?2",
                     op, result);
}

static int do_revoke_invite(struct weft_database *database, const struct weft_store_op *op,
                            struct weft_store_result *result)
{
    (void)result;
    int changed = weft_database_do(database, "UPDATE invites SET revoked = 1 WHERE id = ?1", VALUES(KEY(op->key)));
    return changed == 0 ? WEFT_ERR_NOT_FOUND : changed;
}

/* Has this node redeemed it before? Then 1 and its certificate. */
static int redeemed_before(struct weft_database *database, const struct weft_store_op *op,
                           struct weft_store_record *out)
{
    sqlite3_stmt *rows;
    int status = weft_database_ask(
        database, "SELECT node, expires_s, certificate FROM redemptions WHERE invite = ?1 AND node = ?2",
        VALUES(KEY(op->key), KEY(op->record.key)), &rows);
    if (status > 0) {
        status = read_record(database, rows, out);
        status = status < 0 ? status : 1;
    }
    (void)sqlite3_finalize(rows);
    return status;
}

static int count_use(struct weft_database *database, const struct weft_store_op *op)
{
    const struct weft_store_record *record = &op->record;
    int status = make_room(database, &redemptions, op->now_s);
    status = status < 0
                 ? status
                 : weft_database_do(database, "INSERT INTO redemptions VALUES (?1, ?2, ?3, ?4)",
                                    VALUES(KEY(op->key), KEY(record->key), NUMBER(record->expires_s), BYTES(*record)));
    status = status < 0 ? status
                        : weft_database_do(database, "UPDATE invites SET uses_left = uses_left - 1 WHERE id = ?1",
                                           VALUES(KEY(op->key)));
    return status < 0 ? status : put_record(database, &records[WEFT_STORE_ISSUED], record, op->now_s);
}

static int refuse(struct weft_store_result *result, enum weft_refused why)
{
    result->verdict = WEFT_STORE_REFUSED;
    result->refusal = why;
    return 0;
}

static int do_redeem(struct weft_database *database, const struct weft_store_op *op, struct weft_store_result *result)
{
    struct weft_store_invite invite;
    int status = get_invite(database, &op->key, &invite);
    if (status < 0) {
        return status == WEFT_ERR_NOT_FOUND ? refuse(result, WEFT_REFUSAL_UNKNOWN) : status;
    }
    result->left = invite.left;
    struct weft_store_record before;
    status = redeemed_before(database, op, &before);
    if (status < 0) {
        return status;
    }
    const struct weft_invite_entry entry = {
        .uses_max = invite.uses, .expires_s = invite.expires_s, .revoked = invite.revoked};
    enum weft_refused why;
    bool again = status > 0;
    if (!weft_invite_lets_in(&entry, invite.uses - invite.left, again, op->now_s, &why)) {
        return refuse(result, why);
    }
    result->verdict = again ? WEFT_STORE_AGAIN : WEFT_STORE_REDEEMED;
    result->record = again ? before : op->record;
    if (again) {
        return 0;
    }
    result->left--;
    return count_use(database, op);
}

/* -- this node's own numbers -- */

static int do_sequence(struct weft_database *database, const struct weft_store_op *op, struct weft_store_result *result)
{
    (void)op;
    sqlite3_stmt *rows;
    int status = weft_database_ask(database, "SELECT incarnation, sequence FROM sequence", NULL, 0, &rows);
    if (status > 0) {
        result->incarnation = (uint64_t)sqlite3_column_int64(rows, 0);
        result->sequence = (uint64_t)sqlite3_column_int64(rows, 1);
    } else if (status == 0) {
        status = weft_database_damaged(database);
    }
    (void)sqlite3_finalize(rows);
    return status;
}

static int do_raise(struct weft_database *database, const struct weft_store_op *op, struct weft_store_result *result)
{
    int status = weft_database_do(database,
                                  "UPDATE sequence SET incarnation = ?1, sequence = ?2"
                                  " WHERE (?1, ?2) > (incarnation, sequence)",
                                  VALUES(NUMBER(op->incarnation), NUMBER(op->sequence)));
    return status < 0 ? status : do_sequence(database, op, result);
}

/* -- all of them -- */

static const struct {
    int (*run)(struct weft_database *database, const struct weft_store_op *op, struct weft_store_result *result);
    bool writes;
} actions[WEFT_STORE_KINDS] = {
    [WEFT_STORE_PUT_INVITE] = {do_put_invite, true},
    [WEFT_STORE_LIST_INVITES] = {do_list_invites, false},
    [WEFT_STORE_REVOKE_INVITE] = {do_revoke_invite, true},
    [WEFT_STORE_REDEEM] = {do_redeem, true},
    [WEFT_STORE_LIST_REDEMPTIONS] = {do_list_redemptions, false},
    [WEFT_STORE_PUT] = {do_put, true},
    [WEFT_STORE_GET] = {do_get, false},
    [WEFT_STORE_REMOVE] = {do_remove, true},
    [WEFT_STORE_LIST] = {do_list, false},
    [WEFT_STORE_RAISE] = {do_raise, true},
    [WEFT_STORE_SEQUENCE] = {do_sequence, false},
};

int weft_tables_run(struct weft_database *database, const struct weft_store_op *op, struct weft_store_result *result)
{
    *result = (struct weft_store_result){0};
    database->problem[0] = '\0';
    if (op->kind == WEFT_STORE_OPEN) {
        return database->handle ? WEFT_ERR_EXISTS : weft_database_open(database, op->path, &result->version);
    }
    if (!database->handle) {
        return WEFT_ERR_CLOSED;
    }
    if (op->kind == WEFT_STORE_CLOSE) {
        weft_database_close(database);
        return 0;
    }
    int status = actions[op->kind].writes ? weft_database_begin(database) : 0;
    if (status < 0) {
        return status;
    }
    status = actions[op->kind].run(database, op, result);
    status = status < 0 ? status : 0;
    return actions[op->kind].writes ? weft_database_end(database, status) : status;
}
