/* sim/store.c - a world's stores: host/store.h from memory, with a disk that can be slow or full, and crashes. */
#include <stdio.h>

#include "base/assert.h"
#include "base/error.h"
#include "mesh/invites.h"
#include "sim/inside.h"

static const char *const names[WEFT_STORE_KINDS] = {
    [WEFT_STORE_OPEN] = "is opened",
    [WEFT_STORE_CLOSE] = "is closed",
    [WEFT_STORE_PUT_INVITE] = "puts an invite",
    [WEFT_STORE_LIST_INVITES] = "lists invites",
    [WEFT_STORE_REVOKE_INVITE] = "revokes an invite",
    [WEFT_STORE_REDEEM] = "redeems",
    [WEFT_STORE_LIST_REDEMPTIONS] = "lists redemptions",
    [WEFT_STORE_PUT] = "puts",
    [WEFT_STORE_GET] = "gets",
    [WEFT_STORE_REMOVE] = "removes",
    [WEFT_STORE_LIST] = "lists",
    [WEFT_STORE_RAISE] = "raises its sequence",
    [WEFT_STORE_SEQUENCE] = "tells its sequence",
};

/* -- rows: sorted by their keys, which come first in them -- */

/* Where `key` is, or would be. */
static size_t place_of(const void *rows, size_t count, size_t size, const struct weft_store_key *key, bool *there)
{
    const char *at = rows;
    size_t place = 0;
    int order = 1;
    while (place < count && (order = memcmp(at + place * size, key, sizeof(*key))) < 0) {
        place++;
    }
    *there = place < count && order == 0;
    return place;
}

static void *row_of(void *rows, size_t count, size_t size, const struct weft_store_key *key)
{
    bool there;
    size_t place = place_of(rows, count, size, key, &there);
    return there ? (char *)rows + place * size : NULL;
}

static void row_add(void *rows, size_t *count, size_t size, const void *row)
{
    bool there;
    size_t place = place_of(rows, *count, size, row, &there);
    WEFT_ASSERT(!there);
    char *at = (char *)rows + place * size;
    memmove(at + size, at, (*count - place) * size);
    memcpy(at, row, size);
    (*count)++;
}

static void row_drop(void *rows, size_t *count, size_t size, size_t place)
{
    char *at = (char *)rows + place * size;
    (*count)--;
    memmove(at, at + size, (*count - place) * size);
}

/* Copies the page behind `key`. */
static void list_rows(const void *rows, size_t count, size_t size, const struct weft_store_key *key, void *page,
                      struct weft_store_result *result)
{
    bool there;
    size_t first = place_of(rows, count, size, key, &there) + (there ? 1 : 0), left = count - first;
    result->count = left < WEFT_STORE_PAGE_MAX ? left : WEFT_STORE_PAGE_MAX;
    result->more = left > result->count;
    memcpy(page, (const char *)rows + first * size, result->count * size);
}

/* -- records -- */

static struct weft_store_record *find_record(struct weft_world_store *store, enum weft_store_table table,
                                             const struct weft_store_key *key)
{
    return row_of(store->records[table], store->record_counts[table], sizeof(struct weft_store_record), key);
}

static bool records_have_room(const struct weft_world_store *store, enum weft_store_table table, int64_t now_s)
{
    size_t live = 0;
    for (size_t i = 0; i < store->record_counts[table]; i++) {
        live += store->records[table][i].expires_s > now_s ? 1 : 0;
    }
    return store->record_counts[table] < WEFT_WORLD_STORE_RECORDS_MAX || live < WEFT_WORLD_STORE_RECORDS_MAX;
}

static int put_record(struct weft_world_store *store, enum weft_store_table table,
                      const struct weft_store_record *record, int64_t now_s)
{
    struct weft_store_record *rows = store->records[table], *there = find_record(store, table, &record->key);
    size_t *count = &store->record_counts[table];
    if (there) {
        *there = *record;
        return 0;
    }
    if (!records_have_room(store, table, now_s)) {
        return WEFT_ERR_FULL;
    }
    for (size_t i = *count; *count >= WEFT_WORLD_STORE_RECORDS_MAX && i-- > 0;) {
        if (rows[i].expires_s <= now_s) {
            row_drop(rows, count, sizeof(*rows), i);
        }
    }
    row_add(rows, count, sizeof(*rows), record);
    return 0;
}

static int remove_record(struct weft_world_store *store, enum weft_store_table table, const struct weft_store_key *key)
{
    const struct weft_store_record *there = find_record(store, table, key);
    if (!there) {
        return WEFT_ERR_NOT_FOUND;
    }
    row_drop(store->records[table], &store->record_counts[table], sizeof(*there),
             (size_t)(there - store->records[table]));
    return 0;
}

/* -- invites -- */

static struct weft_store_invite *find_invite(struct weft_world_store *store, const struct weft_store_key *id)
{
    return row_of(store->invites, store->invite_count, sizeof(struct weft_store_invite), id);
}

static void drop_redemptions(struct weft_world_store *store, const struct weft_store_key *invite)
{
    for (size_t i = store->redemption_count; i-- > 0;) {
        if (memcmp(&store->redemptions[i].invite, invite, sizeof(*invite)) == 0) {
            row_drop(store->redemptions, &store->redemption_count, sizeof(store->redemptions[0]), i);
        }
    }
}

static bool is_over(const struct weft_store_invite *invite, int64_t now_s)
{
    return invite->revoked || invite->expires_s < now_s;
}

static int put_invite(struct weft_world_store *store, const struct weft_store_invite *invite, int64_t now_s)
{
    struct weft_store_invite row = *invite;
    if (find_invite(store, &invite->id)) {
        return WEFT_ERR_EXISTS;
    }
    bool full = store->invite_count >= WEFT_WORLD_STORE_INVITES_MAX;
    for (size_t i = store->invite_count; full && i-- > 0;) {
        if (is_over(&store->invites[i], now_s)) {
            drop_redemptions(store, &store->invites[i].id);
            row_drop(store->invites, &store->invite_count, sizeof(row), i);
        }
    }
    if (store->invite_count >= WEFT_WORLD_STORE_INVITES_MAX) {
        return WEFT_ERR_FULL;
    }
    row.left = row.uses;
    row.revoked = false;
    row_add(store->invites, &store->invite_count, sizeof(row), &row);
    return 0;
}

/* They are sorted by invite, then node. */
static int compare_redemption(const struct weft_world_redemption *a, const struct weft_store_op *op)
{
    int order = memcmp(&a->invite, &op->key, sizeof(op->key));
    return order != 0 ? order : memcmp(&a->record.key, &op->record.key, sizeof(op->record.key));
}

static const struct weft_world_redemption *find_redemption(const struct weft_world_store *store,
                                                           const struct weft_store_op *op)
{
    for (size_t i = 0; i < store->redemption_count; i++) {
        if (compare_redemption(&store->redemptions[i], op) == 0) {
            return &store->redemptions[i];
        }
    }
    return NULL;
}

static void add_redemption(struct weft_world_store *store, const struct weft_store_op *op)
{
    size_t place = store->redemption_count++;
    for (; place > 0 && compare_redemption(&store->redemptions[place - 1], op) > 0; place--) {
        store->redemptions[place] = store->redemptions[place - 1];
    }
    store->redemptions[place] = (struct weft_world_redemption){.invite = op->key, .record = op->record};
}

static void list_redemptions(const struct weft_world_store *store, const struct weft_store_op *op,
                             struct weft_store_result *result)
{
    for (size_t i = 0; i < store->redemption_count; i++) {
        const struct weft_world_redemption *redemption = &store->redemptions[i];
        if (memcmp(&redemption->invite, &op->key, sizeof(op->key)) == 0 && compare_redemption(redemption, op) > 0) {
            result->more = result->count == WEFT_STORE_PAGE_MAX;
            if (result->more) {
                return;
            }
            result->page.records[result->count++] = redemption->record;
        }
    }
}

/* Like the real one: all or nothing. */
static int count_use(struct weft_world_store *store, struct weft_store_invite *invite, const struct weft_store_op *op)
{
    bool known = find_record(store, WEFT_STORE_ISSUED, &op->record.key);
    if (!known && !records_have_room(store, WEFT_STORE_ISSUED, op->now_s)) {
        return WEFT_ERR_FULL;
    }
    bool full = store->redemption_count >= WEFT_WORLD_STORE_REDEMPTIONS_MAX;
    for (size_t i = 0; full && i < store->invite_count; i++) {
        if (is_over(&store->invites[i], op->now_s)) {
            drop_redemptions(store, &store->invites[i].id);
        }
    }
    if (store->redemption_count >= WEFT_WORLD_STORE_REDEMPTIONS_MAX) {
        return WEFT_ERR_FULL;
    }
    add_redemption(store, op);
    invite->left--;
    return put_record(store, WEFT_STORE_ISSUED, &op->record, op->now_s);
}

static int refuse(struct weft_store_result *result, enum weft_refused why)
{
    result->verdict = WEFT_STORE_REFUSED;
    result->refusal = why;
    return 0;
}

static int redeem(struct weft_world_store *store, const struct weft_store_op *op, struct weft_store_result *result)
{
    struct weft_store_invite *invite = find_invite(store, &op->key);
    const struct weft_world_redemption *before = find_redemption(store, op);
    enum weft_refused why;
    if (!invite) {
        return refuse(result, WEFT_REFUSAL_UNKNOWN);
    }
    const struct weft_invite_entry entry = {
        .uses_max = invite->uses, .expires_s = invite->expires_s, .revoked = invite->revoked};
    result->left = invite->left;
    if (!weft_invite_lets_in(&entry, invite->uses - invite->left, before, op->now_s, &why)) {
        return refuse(result, why);
    }
    result->verdict = before ? WEFT_STORE_AGAIN : WEFT_STORE_REDEEMED;
    result->record = before ? before->record : op->record;
    if (before) {
        return 0;
    }
    result->left--;
    return count_use(store, invite, op);
}

/* -- an operation -- */

static int raise(struct weft_world_store *store, const struct weft_store_op *op)
{
    if (op->incarnation > store->incarnation ||
        (op->incarnation == store->incarnation && op->sequence > store->sequence)) {
        store->incarnation = op->incarnation;
        store->sequence = op->sequence;
    }
    return 0;
}

static int change(struct weft_world_store *store, const struct weft_store_op *op, struct weft_store_result *result)
{
    struct weft_store_invite *invite;
    int status = 0;
    switch (op->kind) {
    case WEFT_STORE_PUT_INVITE:
        return put_invite(store, &op->invite, op->now_s);
    case WEFT_STORE_REVOKE_INVITE:
        invite = find_invite(store, &op->key);
        if (!invite) {
            return WEFT_ERR_NOT_FOUND;
        }
        invite->revoked = true;
        return 0;
    case WEFT_STORE_REDEEM:
        return redeem(store, op, result);
    case WEFT_STORE_PUT:
        return put_record(store, op->table, &op->record, op->now_s);
    case WEFT_STORE_REMOVE:
        return remove_record(store, op->table, &op->key);
    default: /* raise: the only other one */
        status = raise(store, op);
        result->incarnation = store->incarnation;
        result->sequence = store->sequence;
        return status;
    }
}

static int look(struct weft_world_store *store, const struct weft_store_op *op, struct weft_store_result *result)
{
    const struct weft_store_record *record;
    switch (op->kind) {
    case WEFT_STORE_LIST_INVITES:
        list_rows(store->invites, store->invite_count, sizeof(struct weft_store_invite), &op->key, result->page.invites,
                  result);
        return 0;
    case WEFT_STORE_LIST_REDEMPTIONS:
        list_redemptions(store, op, result);
        return 0;
    case WEFT_STORE_GET:
        record = find_record(store, op->table, &op->key);
        if (!record) {
            return WEFT_ERR_NOT_FOUND;
        }
        result->record = *record;
        return 0;
    case WEFT_STORE_LIST:
        list_rows(store->records[op->table], store->record_counts[op->table], sizeof(struct weft_store_record),
                  &op->key, result->page.records, result);
        return 0;
    default: /* the sequence: the only other one */
        result->incarnation = store->incarnation;
        result->sequence = store->sequence;
        return 0;
    }
}

static int open_or_close(struct weft_world_store *store, const struct weft_store_op *op,
                         struct weft_store_result *result)
{
    bool opens = op->kind == WEFT_STORE_OPEN;
    if (opens == store->open) {
        return opens ? WEFT_ERR_EXISTS : WEFT_ERR_CLOSED;
    }
    if (opens && store->read_status < 0) {
        result->problem = "The simulated disk cannot be read.";
        return store->read_status;
    }
    result->version = opens && store->made ? WEFT_STORE_VERSION : 0;
    store->made = true;
    store->open = opens;
    return 0;
}

static int run(struct weft_world_store *store, const struct weft_store_op *op, struct weft_store_result *result)
{
    *result = (struct weft_store_result){0};
    if (op->kind == WEFT_STORE_OPEN || op->kind == WEFT_STORE_CLOSE) {
        return open_or_close(store, op, result);
    }
    if (!store->open) {
        return WEFT_ERR_CLOSED;
    }
    bool looks = op->kind == WEFT_STORE_LIST_INVITES || op->kind == WEFT_STORE_LIST_REDEMPTIONS ||
                 op->kind == WEFT_STORE_GET || op->kind == WEFT_STORE_LIST || op->kind == WEFT_STORE_SEQUENCE;
    int status = looks ? store->read_status : store->write_status;
    if (status < 0) {
        result->problem = "The simulated disk failed.";
        return status;
    }
    return looks ? look(store, op, result) : change(store, op, result);
}

/* -- one after the other -- */

static void start_first(struct weft_world_host *host)
{
    struct weft_world_store *store = &host->store;
    if (store->queued > 0) {
        weft_world_after(host->world, &store->timer);
        if (store->slow > 0) {
            weft_time more = (weft_time)weft_random_below(&host->world->random, (uint64_t)store->slow);
            weft_timer_set(&host->world->timers, &store->timer, store->timer.at + more);
        }
    }
}

static void on_store(struct weft_timer *timer)
{
    struct weft_world_host *host = WEFT_CONTAINER(timer, struct weft_world_host, store.timer);
    struct weft_world_store *store = &host->store;
    struct weft_world *world = host->world;
    if (weft_world_waits(host, timer)) {
        return;
    }
    weft_world_deliver(host);
    const struct weft_world_asked *first = &store->queue[store->first];
    weft_store_done *done = first->done;
    void *self = first->self;
    int status = run(store, &first->op, &world->store_result);
    weft_transcript_note(world->transcript, world->now, "%s: its store %s: %d", host->name, names[first->op.kind],
                         status);
    store->first = (store->first + 1) % WEFT_STORE_QUEUE_MAX;
    store->queued--;
    start_first(host);
    done(self, status, &world->store_result);
}

int weft_world_store(struct weft_host *host, const struct weft_store_op *op, weft_store_done *done, void *self)
{
    struct weft_world_host *own = weft_world_host_of(host);
    struct weft_world_store *store = &own->store;
    int status = weft_store_op_check(op);
    if (status < 0) {
        return status;
    }
    if (store->queued >= WEFT_STORE_QUEUE_MAX) {
        return WEFT_ERR_FULL;
    }
    size_t place = (store->first + store->queued++) % WEFT_STORE_QUEUE_MAX;
    store->queue[place] = (struct weft_world_asked){.op = *op, .done = done, .self = self};
    if (store->queued == 1) {
        start_first(own);
    }
    return 0;
}

void weft_world_store_init(struct weft_world_host *host)
{
    weft_timer_init(&host->store.timer, on_store);
}

static const struct weft_world_store *store_of(const struct weft_host *host)
{
    return &((const struct weft_world_host *)(const void *)host)->store;
}

bool weft_world_store_busy(const struct weft_host *host)
{
    return store_of(host)->queued > 0;
}

size_t weft_world_store_invites(const struct weft_host *host)
{
    return store_of(host)->invite_count;
}

const struct weft_store_invite *weft_world_store_invite(const struct weft_host *host, size_t index)
{
    return &store_of(host)->invites[index];
}

size_t weft_world_store_uses(const struct weft_host *host, const struct weft_store_key *invite,
                             const struct weft_store_key *node)
{
    const struct weft_world_store *store = store_of(host);
    size_t count = 0;
    for (size_t i = 0; i < store->redemption_count; i++) {
        const struct weft_world_redemption *use = &store->redemptions[i];
        count += memcmp(&use->invite, invite, sizeof(*invite)) == 0 &&
                 (!node || memcmp(&use->record.key, node, sizeof(*node)) == 0);
    }
    return count;
}

const struct weft_store_record *weft_world_store_record(const struct weft_host *host, enum weft_store_table table,
                                                        size_t index)
{
    const struct weft_world_store *store = store_of(host);
    return index < store->record_counts[table] ? &store->records[table][index] : NULL;
}

void weft_world_crash_store(struct weft_host *host)
{
    struct weft_world_host *own = weft_world_host_of(host);
    struct weft_world_store *store = &own->store;
    struct weft_world *world = own->world;
    size_t kept = (size_t)weft_random_below(&world->random, store->queued + 1);
    for (size_t i = 0; i < kept; i++) {
        const struct weft_store_op *op = &store->queue[(store->first + i) % WEFT_STORE_QUEUE_MAX].op;
        (void)run(store, op, &world->store_result); /* nobody is told */
    }
    weft_transcript_note(world->transcript, world->now, "%s: its store crashes: %zu of %zu were on the disk", own->name,
                         kept, store->queued);
    weft_timer_clear(&world->timers, &store->timer);
    store->first = store->queued = 0;
    store->open = false;
}

void weft_world_fail_store(struct weft_host *host, int read, int write)
{
    weft_world_host_of(host)->store.read_status = read;
    weft_world_host_of(host)->store.write_status = write;
}

void weft_world_slow_store(struct weft_host *host, weft_time up_to)
{
    weft_world_host_of(host)->store.slow = up_to;
}
