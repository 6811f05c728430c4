/* tests/unit/host/store_test.c - what is an operation of the store, and what is none. */
#include "host/store.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/error.h"

static const struct weft_store_op whole = {
    .path = "state/mesh.db",
    .key = {{1}},
    .invite = {.id = {{1}}, .mesh = {{1}}, .role = 2, .uses = 1},
    .record = {.key = {{1}}, .size = 1},
};

static int check(enum weft_store_kind kind, const struct weft_store_op *op)
{
    struct weft_store_op tried = *op;
    tried.kind = kind;
    return weft_store_op_check(&tried);
}

static void a_whole_operation_of_each_kind_is_one(void **state)
{
    (void)state;
    for (int kind = 0; kind < WEFT_STORE_KINDS; kind++) {
        assert_int_equal(check((enum weft_store_kind)kind, &whole), 0);
    }
    assert_int_equal(check((enum weft_store_kind)WEFT_STORE_KINDS, &whole), WEFT_ERR_INVALID);
}

/* How many kinds refuse it, so that a need which is forgotten for one of them is seen. */
static int refusals(const struct weft_store_op *op, int error)
{
    int count = 0;
    for (int kind = 0; kind < WEFT_STORE_KINDS; kind++) {
        int status = check((enum weft_store_kind)kind, op);
        assert_true(status == 0 || status == error);
        count += status < 0 ? 1 : 0;
    }
    return count;
}

static void what_a_kind_needs_it_must_have(void **state)
{
    (void)state;
    struct weft_store_op op = whole;
    op.path = NULL;
    assert_int_equal(refusals(&op, WEFT_ERR_INVALID), 1);
    op.path = "";
    assert_int_equal(refusals(&op, WEFT_ERR_INVALID), 1);
    op = whole;
    op.key.bytes[0] = 0;
    assert_int_equal(refusals(&op, WEFT_ERR_INVALID),
                     5); /* revoke, redeem, its list, get, remove; others begin there */
    op = whole;
    op.record.key.bytes[0] = 0;
    assert_int_equal(refusals(&op, WEFT_ERR_INVALID), 2); /* redeem, put */
    op = whole;
    op.record.size = 0;
    assert_int_equal(refusals(&op, WEFT_ERR_INVALID), 2);
    op = whole;
    op.table = (enum weft_store_table)WEFT_STORE_TABLES;
    assert_int_equal(refusals(&op, WEFT_ERR_INVALID), 4); /* put, get, remove, list */
    op = whole;
    op.sequence = (uint64_t)INT64_MAX + 1;
    assert_int_equal(refusals(&op, WEFT_ERR_INVALID), 1);
    op = whole;
    op.incarnation = UINT64_MAX;
    assert_int_equal(refusals(&op, WEFT_ERR_INVALID), 1);
}

static void an_invite_has_an_id_a_role_and_uses(void **state)
{
    (void)state;
    struct weft_store_op op = whole;
    op.invite.uses = 0;
    assert_int_equal(refusals(&op, WEFT_ERR_INVALID), 1);
    op.invite.uses = WEFT_STORE_USES_MAX + 1;
    assert_int_equal(refusals(&op, WEFT_ERR_INVALID), 1);
    op.invite.uses = WEFT_STORE_USES_MAX;
    assert_int_equal(refusals(&op, WEFT_ERR_INVALID), 0);
    op.invite.role = 0;
    assert_int_equal(refusals(&op, WEFT_ERR_INVALID), 1);
    op.invite.role = 256;
    assert_int_equal(refusals(&op, WEFT_ERR_INVALID), 1);
    op = whole;
    op.invite.id.bytes[0] = 0;
    assert_int_equal(refusals(&op, WEFT_ERR_INVALID), 1);
    op = whole;
    op.invite.mesh.bytes[0] = 0;
    assert_int_equal(refusals(&op, WEFT_ERR_INVALID), 1);
}

static void bytes_and_paths_are_bounded(void **state)
{
    (void)state;
    static char path[WEFT_STORE_PATH_MAX + 1];
    struct weft_store_op op = whole;
    op.record.size = WEFT_STORE_BYTES_MAX;
    assert_int_equal(refusals(&op, WEFT_ERR_TOO_LARGE), 0);
    op.record.size++;
    assert_int_equal(refusals(&op, WEFT_ERR_TOO_LARGE), 2);
    op = whole;
    memset(path, 'a', WEFT_STORE_PATH_MAX - 1);
    op.path = path;
    assert_int_equal(refusals(&op, WEFT_ERR_TOO_LARGE), 0);
    path[WEFT_STORE_PATH_MAX - 1] = 'a';
    assert_int_equal(refusals(&op, WEFT_ERR_TOO_LARGE), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_whole_operation_of_each_kind_is_one),
        cmocka_unit_test(what_a_kind_needs_it_must_have),
        cmocka_unit_test(an_invite_has_an_id_a_role_and_uses),
        cmocka_unit_test(bytes_and_paths_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
