/* tests/unit/node/known_test.c - who is known by what he has shown, and for how long. */
#include "node/known.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "base/error.h"
#include "base/mem.h"
#include "unit/mesh/members.h"

static struct weft_known *known;
static struct weft_membership *membership;
static int64_t live;

static int begin(void **state)
{
    (void)state;
    make_people();
    live = weft_mem_live();
    assert_int_equal(weft_known_new(&known), 0);
    assert_int_equal(weft_membership_new(&membership, &root.key), 0);
    return 0;
}

static int end(void **state)
{
    (void)state;
    weft_known_free(known);
    weft_membership_free(membership);
    assert_int_equal(weft_mem_live(), live);
    return 0;
}

/* What `who` shows, certified by the gateway `by`, or by the root if that is NULL. */
static enum weft_verdict meet(const struct weft_identity *who, const struct weft_identity *by, enum weft_role role)
{
    struct shown shown;
    struct weft_certificate issuer = certificate_of(&root, by ? by : &gateway, WEFT_ROLE_GATEWAY);
    struct weft_certificate own = certificate_of(by ? by : &root, who, role);
    struct weft_slice chain = show(&shown, by ? by : &root, &own, by ? &issuer : NULL);
    int error = 1;
    enum weft_verdict verdict = weft_known_show(known, membership, &who->key, chain, NOW_S, &error);
    assert_int_equal(error, 0);
    return verdict;
}

static enum weft_principal who(const struct weft_identity *identity, int64_t now_s)
{
    return weft_known_who(known, membership, &identity->key, now_s);
}

static void each_is_what_its_certificate_says(void **state)
{
    (void)state;
    assert_int_equal(who(&anna, NOW_S), WEFT_ANONYMOUS);
    assert_int_equal(meet(&gateway, NULL, WEFT_ROLE_GATEWAY), WEFT_VERDICT_MEMBER);
    assert_int_equal(meet(&anna, &gateway, WEFT_ROLE_PEER), WEFT_VERDICT_MEMBER);
    assert_int_equal(meet(&ben, &second, WEFT_ROLE_CLIENT), WEFT_VERDICT_MEMBER);
    assert_int_equal(who(&gateway, NOW_S), WEFT_GATEWAY);
    assert_int_equal(who(&anna, NOW_S), WEFT_MEMBER);
    assert_int_equal(who(&ben, NOW_S), WEFT_MEMBER);
    assert_int_equal(who(&stranger, NOW_S), WEFT_ANONYMOUS);
    assert_int_equal(weft_known_role(known, membership, &ben.key, NOW_S), WEFT_ROLE_CLIENT);
    assert_int_equal(weft_known_role(known, membership, &stranger.key, NOW_S), 0);
    assert_int_equal(weft_known_who(known, NULL, &anna.key, NOW_S), WEFT_ANONYMOUS); /* it has left its mesh */
}

static void who_shows_nothing_of_worth_is_nobody_and_stays_what_he_was(void **state)
{
    (void)state;
    struct shown shown;
    struct weft_certificate forged = certificate_of(&stranger, &anna, WEFT_ROLE_PEER);
    int error = 1;
    struct weft_slice chain = show(&shown, &stranger, &forged, NULL);
    assert_int_not_equal(weft_known_show(known, membership, &anna.key, chain, NOW_S, &error), WEFT_VERDICT_MEMBER);
    assert_int_equal(error, 0);
    assert_false(weft_known_has(known, &anna.key));
    assert_int_equal(meet(&anna, &gateway, WEFT_ROLE_PEER), WEFT_VERDICT_MEMBER);
    assert_int_not_equal(weft_known_show(known, membership, &anna.key, chain, NOW_S, &error), WEFT_VERDICT_MEMBER);
    assert_int_equal(who(&anna, NOW_S), WEFT_MEMBER);
    /* Somebody else's chain. */
    struct weft_certificate own = certificate_of(&gateway, &anna, WEFT_ROLE_PEER);
    struct weft_certificate issuer = certificate_of(&root, &gateway, WEFT_ROLE_GATEWAY);
    chain = show(&shown, &gateway, &own, &issuer);
    assert_int_equal(weft_known_show(known, membership, &ben.key, chain, NOW_S, &error), WEFT_VERDICT_OTHER_KEY);
    assert_int_equal(who(&ben, NOW_S), WEFT_ANONYMOUS);
}

static void it_is_judged_anew_each_time(void **state)
{
    (void)state;
    assert_int_equal(meet(&anna, &gateway, WEFT_ROLE_PEER), WEFT_VERDICT_MEMBER);
    assert_int_equal(who(&anna, NOW_S + WEFT_MEMBER_LIFE_S), WEFT_MEMBER);
    assert_int_equal(who(&anna, NOW_S + WEFT_MEMBER_LIFE_S + WEFT_SKEW_S + 1), WEFT_ANONYMOUS);
    assert_int_equal(who(&anna, NOW_S), WEFT_MEMBER);
    uint8_t revocation[WEFT_REVOCATION_MAX];
    const struct weft_revocation made = {
        .mesh = root.key, .subject = gateway.key, .made_s = NOW_S, .until_s = NOW_S + DAY_S};
    int64_t size = weft_revocation_write(&made, revocation);
    assert_true(size > 0);
    weft_identity_sign(&root, WEFT_REVOCATION_DOMAIN, weft_slice(revocation, (size_t)size), revocation + size);
    struct weft_slice bytes = weft_slice(revocation, (size_t)size + WEFT_SIGNATURE_SIZE);
    assert_int_equal(weft_membership_revoke(membership, bytes, NOW_S), 1);
    assert_int_equal(who(&anna, NOW_S), WEFT_ANONYMOUS); /* its gateway went */
    assert_true(weft_known_leans(known, &anna.key, &gateway.key));
    assert_true(weft_known_leans(known, &anna.key, &anna.key));
    assert_false(weft_known_leans(known, &anna.key, &second.key));
    assert_false(weft_known_leans(known, &ben.key, &gateway.key));
}

static void who_has_ended_is_named(void **state)
{
    (void)state;
    size_t cursor = 0;
    const int64_t end_s = NOW_S + WEFT_MEMBER_LIFE_S + WEFT_SKEW_S;
    assert_int_equal(meet(&anna, &gateway, WEFT_ROLE_PEER), WEFT_VERDICT_MEMBER);
    assert_int_equal(meet(&gateway, NULL, WEFT_ROLE_GATEWAY), WEFT_VERDICT_MEMBER);
    assert_int_equal(weft_known_ends_s(known, &anna.key), end_s);
    assert_true(weft_known_ends_s(known, &ben.key) == INT64_MAX);
    assert_null(weft_known_ended(known, end_s, &cursor));
    cursor = 0;
    const struct weft_key *ended = weft_known_ended(known, end_s + 1, &cursor);
    assert_non_null(ended);
    assert_true(weft_key_equal(ended, &anna.key));
    assert_null(weft_known_ended(known, end_s + 1, &cursor));
    assert_int_equal(who(&anna, end_s), WEFT_MEMBER); /* to the second, as it is judged */
    assert_int_equal(who(&anna, end_s + 1), WEFT_ANONYMOUS);
}

static void many_are_found_and_forgotten(void **state)
{
    (void)state;
    struct weft_identity people[40];
    for (size_t i = 0; i < WEFT_COUNT(people); i++) {
        uint8_t seed[WEFT_SEED_SIZE] = {99, (uint8_t)i};
        weft_identity_init(&people[i], seed);
        assert_int_equal(meet(&people[i], &gateway, WEFT_ROLE_PEER), WEFT_VERDICT_MEMBER);
        assert_int_equal(meet(&people[i], &gateway, WEFT_ROLE_CLIENT), WEFT_VERDICT_MEMBER); /* in its place */
    }
    for (size_t i = 0; i < WEFT_COUNT(people); i++) {
        assert_int_equal(weft_known_role(known, membership, &people[i].key, NOW_S), WEFT_ROLE_CLIENT);
        if (i % 2 == 0) {
            weft_known_forget(known, &people[i].key);
            weft_known_forget(known, &people[i].key);
        }
    }
    for (size_t i = 0; i < WEFT_COUNT(people); i++) {
        assert_int_equal(weft_known_has(known, &people[i].key), i % 2 == 1);
    }
    weft_known_forget_all(known);
    assert_false(weft_known_has(known, &people[1].key));
    assert_int_equal(meet(&people[1], &gateway, WEFT_ROLE_PEER), WEFT_VERDICT_MEMBER);
}

int main(void)
{
#define test(f) cmocka_unit_test_setup_teardown(f, begin, end)
    const struct CMUnitTest tests[] = {
        test(each_is_what_its_certificate_says), test(who_shows_nothing_of_worth_is_nobody_and_stays_what_he_was),
        test(it_is_judged_anew_each_time),       test(who_has_ended_is_named),
        test(many_are_found_and_forgotten),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
