/* tests/unit/mesh/invites_test.c - uses are counted once, and nobody is answered before a use is stored. */
#include "mesh/invites.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "base/error.h"
#include "base/mem.h"

#define NOW_S ((int64_t)1795003600)

static const struct weft_key invite = {{7}}, other_invite = {{8}};
static struct weft_invites *invites;
static struct weft_invite_entry entry;
static enum weft_refused why;
static int64_t live;

static int set_up(void **state)
{
    (void)state;
    live = weft_mem_live();
    return weft_invites_new(&invites);
}

static int tear_down(void **state)
{
    (void)state;
    weft_invites_free(invites);
    invites = NULL;
    return weft_mem_live() == live ? 0 : -1;
}

static void make(uint32_t uses)
{
    assert_int_equal(weft_invites_make(invites, &invite, WEFT_ROLE_PEER, uses, NOW_S, WEFT_INVITE_LIFE_S, &entry), 0);
}

static struct weft_key key_of(size_t number)
{
    struct weft_key key = {{0x80, (uint8_t)(number >> 8), (uint8_t)number}};
    return key;
}

static int redeem_at(size_t who, int64_t now_s, struct weft_invite_use *use)
{
    struct weft_key key = key_of(who);
    return weft_invites_redeem(invites, &invite, &key, 100 + who, now_s, use, &why);
}

static void assert_refused(int redemption, enum weft_refused wanted)
{
    assert_int_equal(redemption, WEFT_REDEMPTION_REFUSED);
    assert_int_equal(why, wanted);
}

/* Asks, stores, and is admitted. */
static void admit(size_t who)
{
    struct weft_invite_use use;
    assert_int_equal(redeem_at(who, NOW_S, &use), WEFT_REDEMPTION_STORE);
    weft_invites_stored(invites, &use);
}

static uint32_t uses(void)
{
    return weft_invites_at(invites, 0).uses;
}

static void test_used_once_each(void **state)
{
    (void)state;
    struct weft_invite_use use, again;
    make(2);
    assert_int_equal(redeem_at(1, NOW_S, &use), WEFT_REDEMPTION_STORE);
    assert_int_equal(use.serial, 101);
    assert_int_equal(use.at_s, NOW_S);
    assert_true(weft_key_equal(&use.invite, &entry.invite));
    weft_invites_stored(invites, &use);
    weft_invites_stored(invites, &use);
    /* The same key again, later: the same use, down to what its certificate is made of. */
    struct weft_key key = key_of(1);
    assert_int_equal(weft_invites_redeem(invites, &invite, &key, 999, NOW_S + 60, &again, &why), WEFT_REDEMPTION_AGAIN);
    assert_int_equal(again.serial, 101);
    assert_int_equal(again.at_s, NOW_S);
    assert_true(weft_key_equal(&again.node, &key));
    assert_int_equal(uses(), 1);
    admit(2);
    assert_refused(redeem_at(3, NOW_S, &use), WEFT_REFUSAL_USED_UP);
    assert_int_equal(redeem_at(1, NOW_S, &use), WEFT_REDEMPTION_AGAIN); /* still, though it is used up */
    assert_int_equal(uses(), 2);
}

static void test_held_until_stored(void **state)
{
    (void)state;
    struct weft_invite_use use, other;
    make(1);
    assert_int_equal(redeem_at(1, NOW_S, &use), WEFT_REDEMPTION_STORE);
    assert_int_equal(redeem_at(1, NOW_S, &other), WEFT_REDEMPTION_WAIT);
    assert_refused(redeem_at(2, NOW_S, &other), WEFT_REFUSAL_USED_UP); /* the last use is spoken for */
    assert_int_equal(uses(), 1);
    weft_invites_failed(invites, &use);
    assert_int_equal(uses(), 0);
    weft_invites_failed(invites, &use); /* says nothing new */
    assert_int_equal(redeem_at(2, NOW_S, &use), WEFT_REDEMPTION_STORE);
    weft_invites_stored(invites, &use);
    weft_invites_failed(invites, &use); /* what is stored is not taken back */
    assert_int_equal(uses(), 1);
}

static void test_one_of_several_fails(void **state)
{
    (void)state;
    struct weft_invite_use held[3], use;
    make(3);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(redeem_at(i, NOW_S, &held[i]), WEFT_REDEMPTION_STORE);
    }
    weft_invites_failed(invites, &held[1]);
    weft_invites_stored(invites, &held[2]);
    weft_invites_stored(invites, &held[0]);
    assert_int_equal(redeem_at(0, NOW_S, &use), WEFT_REDEMPTION_AGAIN);
    assert_int_equal(redeem_at(2, NOW_S, &use), WEFT_REDEMPTION_AGAIN);
    assert_int_equal(use.serial, 102);
    assert_int_equal(redeem_at(1, NOW_S, &use), WEFT_REDEMPTION_STORE);
}

static void test_refused(void **state)
{
    (void)state;
    struct weft_invite_use use;
    struct weft_key key = key_of(1), late = key_of(2);
    make(5);
    assert_int_equal(weft_invites_redeem(invites, &other_invite, &key, 1, NOW_S, &use, &why), WEFT_REDEMPTION_REFUSED);
    assert_int_equal(why, WEFT_REFUSAL_UNKNOWN);
    assert_int_equal(uses(), 0);
    admit(1);
    int64_t end_s = NOW_S + WEFT_INVITE_LIFE_S;
    assert_refused(redeem_at(2, end_s + 1, &use), WEFT_REFUSAL_EXPIRED);
    assert_int_equal(redeem_at(1, end_s + 1, &use), WEFT_REDEMPTION_AGAIN); /* it was in time */
    assert_int_equal(weft_invites_redeem(invites, &invite, &late, 1, end_s, &use, &why), WEFT_REDEMPTION_STORE);
    weft_invites_stored(invites, &use);

    assert_int_equal(weft_invites_revoke(invites, &entry.invite, &entry), 0);
    assert_true(entry.revoked);
    assert_refused(redeem_at(1, NOW_S, &use), WEFT_REFUSAL_REVOKED);
    assert_refused(redeem_at(3, NOW_S, &use), WEFT_REFUSAL_REVOKED);
    struct weft_key none = {{9}};
    assert_int_equal(weft_invites_revoke(invites, &none, &entry), WEFT_ERR_NOT_FOUND);
}

static void test_forgotten(void **state)
{
    (void)state;
    struct weft_invite_use use;
    make(1);
    int64_t last_s = NOW_S + WEFT_INVITE_LIFE_S + WEFT_INVITE_FORGET_S;
    assert_int_equal(weft_invites_forget(invites, last_s), 0);
    assert_int_equal(redeem_at(1, NOW_S, &use), WEFT_REDEMPTION_STORE);
    assert_int_equal(weft_invites_forget(invites, last_s + 1), 0); /* not while a use is being stored */
    weft_invites_stored(invites, &use);
    assert_int_equal(weft_invites_forget(invites, last_s + 1), 1);
    assert_refused(redeem_at(1, NOW_S, &use), WEFT_REFUSAL_UNKNOWN);
    weft_invites_stored(invites, &use); /* of an invite that is gone: nothing */
    weft_invites_failed(invites, &use);
    assert_null(weft_invites_of(invites, &use.invite));
}

static void test_made_within_bounds(void **state)
{
    (void)state;
    struct weft_key many = {{0}};
    static const struct {
        uint32_t uses;
        int64_t life_s;
        int error;
    } cases[] = {
        {0, 60, WEFT_ERR_INVALID},
        {1, 0, WEFT_ERR_INVALID},
        {1, -1, WEFT_ERR_INVALID},
        {WEFT_INVITE_USES_MAX + 1, 60, WEFT_ERR_TOO_LARGE},
        {1, WEFT_INVITE_LIFE_MAX_S + 1, WEFT_ERR_TOO_LARGE},
        {WEFT_INVITE_USES_MAX, WEFT_INVITE_LIFE_MAX_S, 0},
        {1, 60, WEFT_ERR_EXISTS}, /* the same secret */
    };
    for (size_t i = 0; i < WEFT_COUNT(cases); i++) {
        assert_int_equal(
            weft_invites_make(invites, &invite, WEFT_ROLE_CLIENT, cases[i].uses, NOW_S, cases[i].life_s, &entry),
            cases[i].error);
    }
    for (size_t i = 1; i < WEFT_INVITES_MAX; i++) {
        many.bytes[0] = (uint8_t)i;
        many.bytes[1] = 1;
        assert_int_equal(weft_invites_make(invites, &many, WEFT_ROLE_PEER, 1, NOW_S, 60, &entry), 0);
    }
    many.bytes[1] = 2;
    assert_int_equal(weft_invites_make(invites, &many, WEFT_ROLE_PEER, 1, NOW_S, 60, &entry), WEFT_ERR_FULL);
    int64_t later_s = NOW_S + 60 + WEFT_INVITE_FORGET_S + 1;
    assert_int_equal(weft_invites_make(invites, &many, WEFT_ROLE_PEER, 1, later_s, 60, &entry), 0);
    assert_int_equal(weft_invites_count(invites), 2); /* what had long expired made room */
    weft_invites_drop(invites, &entry.invite);
    weft_invites_drop(invites, &entry.invite);
    assert_int_equal(weft_invites_count(invites), 1);
}

static void test_as_many_uses_as_may_be(void **state)
{
    (void)state;
    struct weft_invite_use use;
    make(WEFT_INVITE_USES_MAX);
    for (size_t i = 0; i < WEFT_INVITE_USES_MAX; i++) {
        admit(i);
    }
    assert_refused(redeem_at(WEFT_INVITE_USES_MAX, NOW_S, &use), WEFT_REFUSAL_USED_UP);
    assert_int_equal(redeem_at(77, NOW_S, &use), WEFT_REDEMPTION_AGAIN);
    assert_int_equal(use.serial, 177);
}

/* A node that was killed and started again knows what it had stored, and nothing else. */
static void test_restored(void **state)
{
    (void)state;
    struct weft_invite_use stored, held;
    make(2);
    struct weft_invite_entry kept = entry;
    assert_int_equal(redeem_at(1, NOW_S, &stored), WEFT_REDEMPTION_STORE);
    assert_int_equal(redeem_at(2, NOW_S, &held), WEFT_REDEMPTION_STORE);
    weft_invites_free(invites);
    assert_int_equal(weft_invites_new(&invites), 0);
    assert_int_equal(weft_invites_restore_use(invites, &stored), WEFT_ERR_NOT_FOUND);
    assert_int_equal(weft_invites_restore(invites, &kept), 0);
    assert_int_equal(weft_invites_restore(invites, &kept), WEFT_ERR_EXISTS);
    assert_int_equal(weft_invites_restore_use(invites, &stored), 0);
    assert_int_equal(weft_invites_restore_use(invites, &stored), WEFT_ERR_EXISTS);
    assert_int_equal(uses(), 1);
    assert_int_equal(redeem_at(1, NOW_S, &held), WEFT_REDEMPTION_AGAIN);
    assert_true(weft_key_equal(&held.node, &stored.node));
    assert_int_equal(held.serial, stored.serial);
    assert_int_equal(redeem_at(2, NOW_S, &held), WEFT_REDEMPTION_STORE);
}

static void test_listed(void **state)
{
    (void)state;
    make(3);
    admit(1);
    struct weft_invite_state listed = weft_invites_at(invites, 0);
    assert_int_equal(strlen(listed.id), WEFT_INVITE_ID_SIZE - 1);
    assert_int_equal(listed.uses, 1);
    assert_ptr_equal(weft_invites_find(invites, weft_slice_text(listed.id)), listed.entry);
    assert_ptr_equal(weft_invites_of(invites, &entry.invite), listed.entry);
    assert_null(weft_invites_find(invites, WEFT_SLICE("0000000000000000")));
    assert_null(weft_invites_find(invites, weft_slice(listed.id, 15)));
}

static void test_memory_runs_out(void **state)
{
    (void)state;
    struct weft_invite_use use;
    struct weft_invites *none = invites;
    make(5);
    weft_mem_fail_at(1);
    assert_int_equal(redeem_at(1, NOW_S, &use), WEFT_ERR_MEMORY);
    assert_true(weft_mem_failed());
    assert_int_equal(uses(), 0);
    admit(1);
    weft_mem_fail_at(1);
    assert_int_equal(redeem_at(2, NOW_S, &use), WEFT_ERR_MEMORY);
    assert_int_equal(uses(), 1);
    assert_int_equal(redeem_at(1, NOW_S, &use), WEFT_REDEMPTION_AGAIN);
    weft_mem_fail_at(1);
    assert_int_equal(weft_invites_new(&none), WEFT_ERR_MEMORY);
    assert_null(none);
    weft_invites_free(NULL);
}

#define INVITES_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        INVITES_TEST(test_used_once_each),
        INVITES_TEST(test_held_until_stored),
        INVITES_TEST(test_one_of_several_fails),
        INVITES_TEST(test_refused),
        INVITES_TEST(test_forgotten),
        INVITES_TEST(test_made_within_bounds),
        INVITES_TEST(test_as_many_uses_as_may_be),
        INVITES_TEST(test_restored),
        INVITES_TEST(test_listed),
        INVITES_TEST(test_memory_runs_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
