/* tests/unit/store/tables_test.c - what each operation does: verdicts, pages, bounds; what is damaged is said. */
#include "store/tables.h"

#include "support/store_ends.h"
#include "wire/admission.h"

#define NOW 1000

static struct store_folder folder;
static struct weft_database database;
static struct weft_store_result result;

static int run(struct weft_store_op op)
{
    op.path = folder.file;
    assert_int_equal(weft_store_op_check(&op), 0);
    return weft_tables_run(&database, &op, &result);
}

static int setup(void **state)
{
    (void)state;
    store_folder_init(&folder, false);
    return run((struct weft_store_op){.kind = WEFT_STORE_OPEN});
}

static int teardown(void **state)
{
    (void)state;
    weft_database_close(&database);
    store_folder_deinit(&folder);
    return 0;
}

static void script(const char *sql)
{
    assert_int_equal(sqlite3_exec(database.handle, sql, NULL, NULL, NULL), SQLITE_OK);
}

/* What came of it; why not, below zero. */
static int redeem(uint32_t id, uint32_t node, const char *certificate, int64_t now_s)
{
    assert_int_equal(run(store_redeem(id, node, certificate, now_s)), 0);
    return result.verdict == WEFT_STORE_REFUSED ? -(int)result.refusal : (int)result.verdict;
}

static void assert_got(const char *bytes)
{
    assert_int_equal(result.record.size, strlen(bytes));
    assert_memory_equal(result.record.bytes, bytes, strlen(bytes));
}

static int get(enum weft_store_table table, uint32_t key)
{
    return run((struct weft_store_op){.kind = WEFT_STORE_GET, .table = table, .key = store_key(key)});
}

static int put(enum weft_store_table table, uint32_t key, int64_t expires_s, const char *bytes)
{
    return run((struct weft_store_op){
        .kind = WEFT_STORE_PUT, .table = table, .record = store_record(key, expires_s, bytes), .now_s = NOW});
}

static uint32_t uses_left(uint32_t id)
{
    assert_int_equal(run((struct weft_store_op){.kind = WEFT_STORE_LIST_INVITES, .key = store_key(id - 1)}), 0);
    struct weft_store_key wanted = store_key(id);
    assert_true(result.count > 0);
    assert_memory_equal(&result.page.invites[0].id, &wanted, sizeof(wanted));
    return result.page.invites[0].left;
}

static void a_use_is_counted_once_for_each_node(void **state)
{
    (void)state;
    assert_int_equal(run(store_invite(1, 2, 2000)), 0);
    assert_int_equal(redeem(1, 71, "first", NOW), WEFT_STORE_REDEEMED);
    assert_int_equal(result.left, 1);
    assert_got("first");
    assert_int_equal(redeem(1, 71, "another", NOW), WEFT_STORE_AGAIN);
    assert_int_equal(result.left, 1);
    assert_int_equal(result.record.expires_s, 5000);
    assert_got("first");
    assert_int_equal(redeem(1, 72, "second", NOW), WEFT_STORE_REDEEMED);
    assert_int_equal(result.left, 0);
    assert_int_equal(redeem(1, 73, "third", NOW), -WEFT_REFUSAL_USED_UP);
    assert_int_equal(redeem(1, 72, "fourth", 9000), WEFT_STORE_AGAIN); /* expired or not: it was let in */
    assert_got("second");
    assert_int_equal(uses_left(1), 0);
    assert_int_equal(get(WEFT_STORE_ISSUED, 71), 0);
    assert_got("first");
    assert_int_equal(get(WEFT_STORE_ISSUED, 72), 0);
    assert_int_equal(get(WEFT_STORE_ISSUED, 73), WEFT_ERR_NOT_FOUND);
}

static void why_nobody_is_let_in_is_told_apart(void **state)
{
    (void)state;
    assert_int_equal(run(store_invite(1, 2, 2000)), 0);
    assert_int_equal(redeem(2, 71, "c", NOW), -WEFT_REFUSAL_UNKNOWN);
    assert_int_equal(redeem(1, 71, "c", 2001), -WEFT_REFUSAL_EXPIRED);
    assert_int_equal(redeem(1, 71, "c", 2000), WEFT_STORE_REDEEMED);
    assert_int_equal(run((struct weft_store_op){.kind = WEFT_STORE_REVOKE_INVITE, .key = store_key(1)}), 0);
    assert_int_equal(redeem(1, 72, "c", NOW), -WEFT_REFUSAL_REVOKED);
    assert_int_equal(redeem(1, 72, "c", 3000), -WEFT_REFUSAL_REVOKED);
    assert_int_equal(redeem(1, 71, "c", NOW), -WEFT_REFUSAL_REVOKED); /* who was let in before too */
    assert_int_equal(result.record.size, 0);
    assert_int_equal(run((struct weft_store_op){.kind = WEFT_STORE_REVOKE_INVITE, .key = store_key(2)}),
                     WEFT_ERR_NOT_FOUND);
    assert_int_equal(uses_left(1), 1);
    assert_true(result.page.invites[0].revoked);
}

static void an_invite_is_made_once_and_listed_as_it_is(void **state)
{
    (void)state;
    assert_int_equal(run(store_invite(4, 3, 2000)), 0);
    assert_int_equal(redeem(4, 71, "c", NOW), WEFT_STORE_REDEEMED);
    assert_int_equal(run(store_invite(4, 9, 3000)), WEFT_ERR_EXISTS);
    assert_int_equal(run((struct weft_store_op){.kind = WEFT_STORE_LIST_INVITES}), 0);
    assert_int_equal(result.count, 1);
    assert_false(result.more);
    const struct weft_store_invite *got = &result.page.invites[0];
    struct weft_store_invite put_in = store_invite(4, 3, 2000).invite;
    assert_memory_equal(&got->id, &put_in.id, sizeof(got->id));
    assert_memory_equal(&got->mesh, &put_in.mesh, sizeof(got->mesh));
    assert_int_equal(got->role, 2);
    assert_int_equal(got->uses, 3);
    assert_int_equal(got->left, 2);
    assert_int_equal(got->made_s, 1990);
    assert_int_equal(got->expires_s, 2000);
    assert_false(got->revoked);
}

static void records_are_put_got_replaced_and_removed(void **state)
{
    (void)state;
    for (int at = 0; at < WEFT_STORE_TABLES; at++) {
        enum weft_store_table table = (enum weft_store_table)at;
        assert_int_equal(get(table, 1), WEFT_ERR_NOT_FOUND);
        assert_int_equal(put(table, 1, 2000, "one"), 0);
        assert_int_equal(put(table, 1, 3000, "two!"), 0);
        assert_int_equal(get(table, 1), 0);
        assert_int_equal(result.record.expires_s, 3000);
        assert_got("two!");
        struct weft_store_op remove = {.kind = WEFT_STORE_REMOVE, .table = table, .key = store_key(1)};
        assert_int_equal(run(remove), 0);
        assert_int_equal(run(remove), WEFT_ERR_NOT_FOUND);
        assert_int_equal(get(table, 1), WEFT_ERR_NOT_FOUND);
    }
}

static void lists_come_page_by_page_in_order(void **state)
{
    (void)state;
    const uint32_t rows = 2 * WEFT_STORE_PAGE_MAX + 1;
    for (uint32_t i = rows; i > 0; i--) {
        assert_int_equal(put(WEFT_STORE_REVOCATIONS, i, 2000, "r"), 0);
    }
    struct weft_store_op list = {.kind = WEFT_STORE_LIST, .table = WEFT_STORE_REVOCATIONS};
    uint32_t seen = 0;
    do {
        assert_int_equal(run(list), 0);
        for (size_t i = 0; i < result.count; i++) {
            struct weft_store_key wanted = store_key(++seen);
            assert_memory_equal(&result.page.records[i].key, &wanted, sizeof(wanted));
        }
        assert_int_equal(result.more, seen < rows);
        list.key = store_key(seen);
    } while (result.more);
    assert_int_equal(seen, rows);
    assert_int_equal(run(list), 0);
    assert_int_equal(result.count, 0);
}

static void redemptions_are_listed_invite_by_invite(void **state)
{
    (void)state;
    const uint32_t nodes = WEFT_STORE_PAGE_MAX + 1;
    assert_int_equal(run(store_invite(1, nodes, 2000)), 0);
    assert_int_equal(run(store_invite(2, nodes, 2000)), 0);
    for (uint32_t node = nodes; node > 0; node--) {
        assert_int_equal(redeem(1, node, "first", NOW), WEFT_STORE_REDEEMED);
    }
    assert_int_equal(redeem(2, 7, "second", NOW), WEFT_STORE_REDEEMED);
    struct weft_store_op list = {.kind = WEFT_STORE_LIST_REDEMPTIONS, .key = store_key(1)};
    for (uint32_t seen = 0; seen < nodes; list.record.key = store_key(seen)) {
        assert_int_equal(run(list), 0);
        assert_int_equal(result.count, seen == 0 ? nodes - 1 : 1);
        assert_int_equal(result.more, seen == 0);
        for (size_t i = 0; i < result.count; i++) {
            struct weft_store_record wanted = store_record(++seen, 5000, "first");
            assert_memory_equal(&result.page.records[i].key, &wanted.key, sizeof(wanted.key));
            assert_int_equal(result.page.records[i].expires_s, wanted.expires_s);
            assert_memory_equal(result.page.records[i].bytes, wanted.bytes, wanted.size);
        }
    }
    list = (struct weft_store_op){.kind = WEFT_STORE_LIST_REDEMPTIONS, .key = store_key(2)};
    assert_int_equal(run(list), 0);
    assert_int_equal(result.count, 1);
    list.key = store_key(3);
    assert_int_equal(run(list), 0);
    assert_int_equal(result.count, 0);
}

static void own_numbers_only_rise(void **state)
{
    (void)state;
    static const struct {
        uint64_t incarnation, sequence, holds[2];
    } steps[] = {
        {1, 5, {1, 5}}, {1, 4, {1, 5}}, {0, 9, {1, 5}}, {2, 0, {2, 0}}, {INT64_MAX, INT64_MAX, {INT64_MAX, INT64_MAX}},
    };
    assert_int_equal(run((struct weft_store_op){.kind = WEFT_STORE_SEQUENCE}), 0);
    assert_int_equal(result.incarnation | result.sequence, 0);
    for (size_t i = 0; i < WEFT_COUNT(steps); i++) {
        assert_int_equal(run((struct weft_store_op){.kind = WEFT_STORE_RAISE,
                                                    .incarnation = steps[i].incarnation,
                                                    .sequence = steps[i].sequence}),
                         0);
        assert_int_equal(result.incarnation, steps[i].holds[0]);
        assert_int_equal(result.sequence, steps[i].holds[1]);
    }
    assert_int_equal(run((struct weft_store_op){.kind = WEFT_STORE_SEQUENCE}), 0);
    assert_int_equal(result.incarnation, INT64_MAX);
}

static void only_an_open_one_is_asked(void **state)
{
    (void)state;
    struct weft_store_op open = {.kind = WEFT_STORE_OPEN}, close = {.kind = WEFT_STORE_CLOSE};
    assert_int_equal(put(WEFT_STORE_MEMBERSHIPS, 1, 2000, "mine"), 0);
    assert_int_equal(run(open), WEFT_ERR_EXISTS);
    assert_int_equal(run(close), 0);
    assert_int_equal(run(close), WEFT_ERR_CLOSED);
    assert_int_equal(get(WEFT_STORE_MEMBERSHIPS, 1), WEFT_ERR_CLOSED);
    assert_int_equal(run(open), 0);
    assert_int_equal(result.version, WEFT_STORE_VERSION);
    assert_int_equal(get(WEFT_STORE_MEMBERSHIPS, 1), 0);
    assert_got("mine");
}

/* `count` rows of a table at once. */
static void fill(const char *into, const char *columns, int count)
{
    char sql[512];
    snprintf(sql, sizeof(sql),
             "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d) INSERT INTO %s SELECT %s "
             "FROM n",
             count, into, columns);
    script(sql);
}

static void a_full_table_drops_what_has_expired_or_refuses(void **state)
{
    (void)state;
    fill("issued", "randomblob(32), 2000, x'01'", WEFT_STORE_RECORDS_MAX);
    assert_int_equal(put(WEFT_STORE_ISSUED, 1, 2000, "c"), WEFT_ERR_FULL);
    assert_non_null(strstr(database.problem, "65536 certificates that it gave at most"));
    assert_int_equal(run(store_invite(1, 2, 2000)), 0);
    assert_int_equal(run(store_redeem(1, 71, "c", NOW)), WEFT_ERR_FULL); /* and then no use is counted */
    assert_int_equal(uses_left(1), 2);
    script("UPDATE issued SET expires_s = 1000 WHERE key = (SELECT max(key) FROM issued)");
    assert_int_equal(put(WEFT_STORE_ISSUED, 1, 2000, "c"), 0);
    assert_int_equal(put(WEFT_STORE_ISSUED, 1, 2000, "d"), 0); /* in its own place */
    assert_int_equal(put(WEFT_STORE_ISSUED, 2, 2000, "c"), WEFT_ERR_FULL);
}

static void full_invites_drop_those_that_are_over_with_their_redemptions(void **state)
{
    (void)state;
    assert_int_equal(run(store_invite(1, 2, 2000)), 0);
    assert_int_equal(redeem(1, 71, "c", NOW), WEFT_STORE_REDEEMED);
    fill("invites", "randomblob(32), randomblob(32), 2, 1, 1, 1990, 2000, 0", WEFT_STORE_INVITES_MAX - 1);
    assert_int_equal(run(store_invite(2, 2, 2000)), WEFT_ERR_FULL);
    assert_non_null(strstr(database.problem, "1024 invites at most"));
    assert_int_equal(run((struct weft_store_op){.kind = WEFT_STORE_REVOKE_INVITE, .key = store_key(1)}), 0);
    assert_int_equal(redeem(1, 71, "c", NOW), -WEFT_REFUSAL_REVOKED);
    assert_int_equal(run(store_invite(2, 2, 2000)), 0);
    assert_int_equal(redeem(1, 71, "c", NOW), -WEFT_REFUSAL_UNKNOWN);
    assert_int_equal(run(store_invite(1, 2, 2000)), WEFT_ERR_FULL);
}

static void full_redemptions_drop_those_of_invites_that_are_over(void **state)
{
    (void)state;
    assert_int_equal(run(store_invite(1, 2, 1500)), 0);
    assert_int_equal(run(store_invite(2, 2, 2000)), 0);
    fill("redemptions", "(SELECT max(id) FROM invites), randomblob(32), 2000, x'01'", WEFT_STORE_REDEMPTIONS_MAX - 1);
    assert_int_equal(redeem(1, 71, "c", NOW), WEFT_STORE_REDEEMED);
    assert_int_equal(run(store_redeem(2, 72, "c", NOW)), WEFT_ERR_FULL);
    assert_int_equal(uses_left(2), 2);
    assert_int_equal(run(store_redeem(2, 72, "c", 1500)), WEFT_ERR_FULL); /* its last second */
    assert_int_equal(redeem(2, 72, "c", 1501), WEFT_STORE_REDEEMED);
    assert_int_equal(redeem(1, 71, "c", 1501), -WEFT_REFUSAL_EXPIRED);
}

static void what_we_never_wrote_is_damage(void **state)
{
    (void)state;
    script("INSERT INTO issued VALUES (CAST(zeroblob(31) || x'01' AS BLOB), 0, zeroblob(521))");
    script("INSERT INTO memberships VALUES (CAST(zeroblob(31) || x'01' AS BLOB), 0, zeroblob(0))");
    for (int at = 0; at < 2; at++) {
        struct weft_store_op list = {.kind = WEFT_STORE_LIST, .table = (enum weft_store_table)at};
        assert_int_equal(run(list), WEFT_ERR_INVALID);
        assert_non_null(strstr(database.problem, "is damaged"));
        assert_non_null(strstr(database.problem, "What was asked for was not done"));
    }
    script("DELETE FROM sequence");
    assert_int_equal(run((struct weft_store_op){.kind = WEFT_STORE_SEQUENCE}), WEFT_ERR_INVALID);
}

#define test(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        test(a_use_is_counted_once_for_each_node),
        test(why_nobody_is_let_in_is_told_apart),
        test(an_invite_is_made_once_and_listed_as_it_is),
        test(records_are_put_got_replaced_and_removed),
        test(lists_come_page_by_page_in_order),
        test(redemptions_are_listed_invite_by_invite),
        test(own_numbers_only_rise),
        test(only_an_open_one_is_asked),
        test(a_full_table_drops_what_has_expired_or_refuses),
        test(full_invites_drop_those_that_are_over_with_their_redemptions),
        test(full_redemptions_drop_those_of_invites_that_are_over),
        test(what_we_never_wrote_is_damage),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
