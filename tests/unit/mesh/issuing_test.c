/* tests/unit/mesh/issuing_test.c - what is given is worth what it says, and nobody gives more than is in its power. */
#include "mesh/issuing.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "base/error.h"
#include "unit/mesh/judged.h"

static enum weft_verdict judge(struct weft_slice chain, const struct weft_identity *who, int64_t now_s,
                               struct weft_certificate *out)
{
    return weft_membership_judge(membership, chain, &who->key, now_s, out);
}

static void test_founding(void **state)
{
    (void)state;
    uint8_t chain[WEFT_CHAIN_MAX];
    struct weft_certificate shown;
    int64_t size = weft_issue_founding(&root, &gateway, NOW_S, 1, chain);
    assert_true(size > 0);
    struct weft_slice whole = weft_slice(chain, (size_t)size);
    assert_int_equal(judge(whole, &gateway, NOW_S, &shown), WEFT_VERDICT_MEMBER);
    assert_int_equal(shown.role, WEFT_ROLE_GATEWAY);
    assert_int_equal(shown.not_after_s - shown.not_before_s, WEFT_GATEWAY_LIFE_S);
    assert_int_equal(judge(whole, &gateway, NOW_S + WEFT_GATEWAY_LIFE_S + WEFT_SKEW_S + 1, &shown),
                     WEFT_VERDICT_EXPIRED);
    assert_int_equal(weft_issue_founding(&root, &root, NOW_S, 1, chain), WEFT_ERR_DENIED);
}

static void test_gateway(void **state)
{
    (void)state;
    static const struct {
        int64_t life_s, result;
    } cases[] = {{0, WEFT_ERR_INVALID}, {-1, WEFT_ERR_INVALID}, {WEFT_GATEWAY_LIFE_MAX_S + 1, WEFT_ERR_TOO_LARGE}};
    uint8_t bytes[WEFT_CERTIFICATE_MAX];
    for (size_t i = 0; i < WEFT_COUNT(cases); i++) {
        assert_int_equal(weft_issue_gateway(&root, &gateway.key, NOW_S, cases[i].life_s, 1, bytes), cases[i].result);
    }
    assert_true(weft_issue_gateway(&root, &gateway.key, NOW_S, WEFT_GATEWAY_LIFE_MAX_S, 1, bytes) > 0);
}

/* What a gateway whose certificate ends then gives anna. */
static int64_t give(enum weft_role role, int64_t gateway_ends_s, struct shown *shown)
{
    struct weft_certificate own = certificate_of(&root, &gateway, WEFT_ROLE_GATEWAY);
    own.not_before_s = NOW_S - DAY_S;
    own.not_after_s = gateway_ends_s;
    shown->issuer_size = sign_certificate(&root, &own, shown->issuer);
    int64_t size = weft_issue_member(&gateway, &own, &anna.key, role, NOW_S, 7, shown->own);
    shown->own_size = size > 0 ? (size_t)size : 0;
    return size;
}

static void test_member(void **state)
{
    (void)state;
    struct shown shown;
    struct weft_certificate out;
    assert_true(give(WEFT_ROLE_PEER, NOW_S + WEFT_GATEWAY_LIFE_S, &shown) > 0);
    assert_int_equal(judge(chain_of(&shown), &anna, NOW_S, &out), WEFT_VERDICT_MEMBER);
    assert_int_equal(out.role, WEFT_ROLE_PEER);
    assert_int_equal(out.serial, 7);
    assert_int_equal(out.not_after_s, NOW_S + WEFT_MEMBER_LIFE_S);

    int64_t soon_s = NOW_S + DAY_S; /* no longer than its gateway */
    assert_true(give(WEFT_ROLE_CLIENT, soon_s, &shown) > 0);
    assert_int_equal(judge(chain_of(&shown), &anna, NOW_S, &out), WEFT_VERDICT_MEMBER);
    assert_int_equal(out.not_after_s, soon_s);
    assert_int_equal(give(WEFT_ROLE_PEER, NOW_S, &shown), WEFT_ERR_INVALID);
    assert_int_equal(give(WEFT_ROLE_GATEWAY, soon_s, &shown), WEFT_ERR_DENIED);
}

static void test_only_a_gateway_gives(void **state)
{
    (void)state;
    uint8_t bytes[WEFT_CERTIFICATE_MAX];
    struct weft_certificate own = certificate_of(&root, &gateway, WEFT_ROLE_GATEWAY);
    assert_int_equal(weft_issue_member(&second, &own, &anna.key, WEFT_ROLE_PEER, NOW_S, 1, bytes), WEFT_ERR_DENIED);
    assert_int_equal(weft_issue_member(&gateway, &own, &root.key, WEFT_ROLE_PEER, NOW_S, 1, bytes), WEFT_ERR_DENIED);
    own = certificate_of(&gateway, &ben, WEFT_ROLE_PEER);
    assert_int_equal(weft_issue_member(&ben, &own, &anna.key, WEFT_ROLE_CLIENT, NOW_S, 1, bytes), WEFT_ERR_DENIED);
}

static void test_revocations_count(void **state)
{
    (void)state;
    uint8_t bytes[WEFT_REVOCATION_MAX];
    struct shown shown;
    struct weft_certificate out;
    assert_true(give(WEFT_ROLE_PEER, NOW_S + WEFT_GATEWAY_LIFE_S, &shown) > 0);
    struct weft_slice chain = chain_of(&shown), own = weft_slice(shown.issuer, shown.issuer_size);
    int64_t size = weft_issue_revocation(&gateway, &root.key, own, &anna.key, NOW_S, bytes);
    assert_true(size > 0);
    assert_int_equal(weft_membership_revoke(membership, weft_slice(bytes, (size_t)size), NOW_S), 1);
    assert_int_equal(judge(chain, &anna, NOW_S, &out), WEFT_VERDICT_REVOKED);
    int64_t last_s = NOW_S + WEFT_MEMBER_LIFE_S + WEFT_SKEW_S; /* for as long as a certificate may last */
    assert_int_equal(judge(chain, &anna, last_s, &out), WEFT_VERDICT_REVOKED);

    /* The root's takes the gateway, and lasts longer than whatever it has been given. */
    size = weft_issue_revocation(&root, &root.key, (struct weft_slice){0}, &gateway.key, NOW_S, bytes);
    assert_true(size > 0);
    assert_int_equal(weft_membership_revoke(membership, weft_slice(bytes, (size_t)size), NOW_S), 1);
    assert_int_equal(judge(chain, &anna, NOW_S, &out), WEFT_VERDICT_ISSUER_REVOKED);
    assert_true(weft_membership_revoked(membership, &gateway.key, WEFT_ROLE_GATEWAY,
                                        NOW_S + WEFT_GATEWAY_LIFE_MAX_S + WEFT_SKEW_S));

    assert_int_equal(weft_issue_revocation(&root, &root.key, (struct weft_slice){0}, &root.key, NOW_S, bytes),
                     WEFT_ERR_DENIED);
    assert_int_equal(weft_issue_revocation(&second, &root.key, own, &anna.key, NOW_S, bytes), WEFT_ERR_DENIED);
    assert_int_equal(weft_issue_revocation(&gateway, &root.key, (struct weft_slice){0}, &anna.key, NOW_S, bytes),
                     WEFT_ERR_DENIED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        JUDGED_TEST(test_founding),
        JUDGED_TEST(test_gateway),
        JUDGED_TEST(test_member),
        JUDGED_TEST(test_only_a_gateway_gives),
        JUDGED_TEST(test_revocations_count),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
