/* tests/unit/mesh/membership_test.c - who is a member and who not, why, and what revocations change. */
#include "mesh/membership.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "base/error.h"
#include "base/mem.h"
#include "unit/mesh/judged.h"

static enum weft_verdict judge_at(struct weft_slice chain, const struct weft_identity *subject, int64_t now_s)
{
    struct weft_certificate certificate;
    return weft_membership_judge(membership, chain, &subject->key, now_s, &certificate);
}

static enum weft_verdict judge(struct weft_slice chain, const struct weft_identity *subject)
{
    return judge_at(chain, subject, NOW_S);
}

static struct weft_certificate peer(void)
{
    return certificate_of(&gateway, &anna, WEFT_ROLE_PEER);
}

static struct weft_certificate issuer(void)
{
    return certificate_of(&root, &gateway, WEFT_ROLE_GATEWAY);
}

static void test_members(void **state)
{
    (void)state;
    struct shown shown;
    struct weft_certificate own = peer(), over = issuer(), out;
    assert_int_equal(weft_membership_judge(membership, show(&shown, &gateway, &own, &over), &anna.key, NOW_S, &out),
                     WEFT_VERDICT_MEMBER);
    assert_int_equal(out.role, WEFT_ROLE_PEER);
    assert_true(weft_key_equal(&out.subject, &anna.key));
    own.role = WEFT_ROLE_CLIENT;
    assert_int_equal(judge(show(&shown, &gateway, &own, &over), &anna), WEFT_VERDICT_MEMBER);
    assert_int_equal(judge(show(&shown, &root, &over, NULL), &gateway), WEFT_VERDICT_MEMBER);
    assert_true(weft_key_equal(weft_membership_mesh(membership), &root.key));
}

static void test_dates(void **state)
{
    (void)state;
    struct shown shown;
    struct weft_certificate own = peer(), over = issuer();
    struct weft_slice chain = show(&shown, &gateway, &own, &over);
    assert_int_equal(judge_at(chain, &anna, NOW_S - WEFT_SKEW_S), WEFT_VERDICT_MEMBER);
    assert_int_equal(judge_at(chain, &anna, NOW_S - WEFT_SKEW_S - 1), WEFT_VERDICT_ISSUER_NOT_YET);
    assert_int_equal(judge_at(chain, &anna, own.not_after_s + WEFT_SKEW_S), WEFT_VERDICT_MEMBER);
    assert_int_equal(judge_at(chain, &anna, own.not_after_s + WEFT_SKEW_S + 1), WEFT_VERDICT_EXPIRED);
    assert_int_equal(judge_at(chain, &anna, over.not_after_s + WEFT_SKEW_S + 1), WEFT_VERDICT_ISSUER_EXPIRED);
    over.not_before_s -= DAY_S;
    chain = show(&shown, &gateway, &own, &over);
    assert_int_equal(judge_at(chain, &anna, NOW_S - WEFT_SKEW_S - 1), WEFT_VERDICT_NOT_YET);

    chain = show(&shown, &root, &over, NULL); /* a gateway's own */
    assert_int_equal(judge_at(chain, &gateway, over.not_after_s + WEFT_SKEW_S), WEFT_VERDICT_MEMBER);
    assert_int_equal(judge_at(chain, &gateway, over.not_after_s + WEFT_SKEW_S + 1), WEFT_VERDICT_EXPIRED);

    assert_false(weft_membership_renewal_due(&own, NOW_S + 15 * DAY_S - 1));
    assert_true(weft_membership_renewal_due(&own, NOW_S + 15 * DAY_S));
}

/* Whatever ends first, and the verdict agrees. */
static void test_ends(void **state)
{
    (void)state;
    struct shown shown;
    struct weft_certificate own = peer(), over = issuer();
    struct weft_slice chain = show(&shown, &gateway, &own, &over);
    assert_int_equal(weft_membership_ends_s(chain), own.not_after_s + WEFT_SKEW_S);
    over.not_after_s = own.not_after_s - 1;
    chain = show(&shown, &gateway, &own, &over);
    assert_int_equal(weft_membership_ends_s(chain), over.not_after_s + WEFT_SKEW_S);
    assert_int_equal(judge_at(chain, &anna, weft_membership_ends_s(chain)), WEFT_VERDICT_MEMBER);
    assert_int_equal(judge_at(chain, &anna, weft_membership_ends_s(chain) + 1), WEFT_VERDICT_ISSUER_EXPIRED);
    chain = show(&shown, &root, &over, NULL);
    assert_int_equal(weft_membership_ends_s(chain), over.not_after_s + WEFT_SKEW_S);
    assert_int_equal(weft_membership_ends_s(WEFT_SLICE("no chain")), 0);
    (void)show(&shown, &gateway, &own, &over);
    shown.issuer[0] = 2; /* newer */
    assert_int_equal(weft_membership_ends_s(chain_of(&shown)), 0);
}

static void test_why_not(void **state)
{
    (void)state;
    struct shown shown;
    struct weft_certificate own = peer(), over = issuer(), other;
    assert_int_equal(judge(show(&shown, &gateway, &own, &over), &ben), WEFT_VERDICT_OTHER_KEY);
    assert_int_equal(judge(show(&shown, &gateway, &own, NULL), &anna), WEFT_VERDICT_ISSUER_UNKNOWN);
    assert_int_equal(judge(weft_slice("", 0), &anna), WEFT_VERDICT_MALFORMED);

    other = own;
    other.mesh = stranger.key;
    assert_int_equal(judge(show(&shown, &gateway, &other, &over), &anna), WEFT_VERDICT_OTHER_MESH);
    other = over;
    other.mesh = stranger.key;
    other.issuer = stranger.key;
    assert_int_equal(judge(show(&shown, &gateway, &own, &other), &anna), WEFT_VERDICT_OTHER_MESH);
    other = certificate_of(&root, &second, WEFT_ROLE_GATEWAY); /* another gateway's, that did not sign it */
    assert_int_equal(judge(show(&shown, &gateway, &own, &other), &anna), WEFT_VERDICT_ISSUER_UNKNOWN);
    other = over;
    other.issuer = second.key; /* gateways make no gateways */
    assert_int_equal(judge(show(&shown, &gateway, &own, &other), &anna), WEFT_VERDICT_ISSUER_UNKNOWN);

    other = own;
    other.role = WEFT_ROLE_GATEWAY;
    assert_int_equal(judge(show(&shown, &gateway, &other, &over), &anna), WEFT_VERDICT_ROLE);
    other = certificate_of(&root, &anna, WEFT_ROLE_PEER);
    assert_int_equal(judge(show(&shown, &root, &other, NULL), &anna), WEFT_VERDICT_ROLE);
    other = over;
    other.role = WEFT_ROLE_PEER; /* a peer admits nobody */
    assert_int_equal(judge(show(&shown, &gateway, &own, &other), &anna), WEFT_VERDICT_ROLE);
    other = own;
    other.not_after_s++;
    assert_int_equal(judge(show(&shown, &gateway, &other, &over), &anna), WEFT_VERDICT_TOO_LONG);

    assert_int_equal(judge(show(&shown, &stranger, &own, &over), &anna), WEFT_VERDICT_FORGED);
    assert_int_equal(judge(show(&shown, &stranger, &over, NULL), &gateway), WEFT_VERDICT_FORGED);
    struct weft_slice whole = show(&shown, &gateway, &own, &over);
    shown.own_size = sign_certificate(&root, &over, shown.own); /* a gateway's, with an issuer that it does not need */
    whole = chain_of(&shown);
    assert_int_equal(judge(whole, &gateway), WEFT_VERDICT_MALFORMED);
}

static void test_newer(void **state)
{
    (void)state;
    struct shown shown;
    struct weft_certificate own = peer(), over = issuer();
    (void)show(&shown, &gateway, &own, &over);
    shown.own[0] = 2;
    assert_int_equal(judge(chain_of(&shown), &anna), WEFT_VERDICT_NEWER);
    shown.own[0] = 1;
    shown.issuer[0] = 2;
    assert_int_equal(judge(chain_of(&shown), &anna), WEFT_VERDICT_NEWER);
}

/* Each truncation and each bit of what a member shows is refused, also where its gateway is known already. */
static void test_each_bit_counts(void **state)
{
    (void)state;
    struct shown shown;
    struct weft_certificate own = peer(), over = issuer();
    struct weft_slice chain = show(&shown, &gateway, &own, &over);
    for (int known = 0; known < 2; known++) {
        for (size_t size = 0; size < chain.size; size++) {
            assert_int_not_equal(judge(weft_slice(chain.data, size), &anna), WEFT_VERDICT_MEMBER);
        }
        for (size_t bit = 0; bit < 8 * chain.size; bit++) {
            shown.chain[bit / 8] ^= (uint8_t)(1u << (bit % 8));
            assert_int_not_equal(judge(chain, &anna), WEFT_VERDICT_MEMBER);
            shown.chain[bit / 8] ^= (uint8_t)(1u << (bit % 8));
        }
        assert_int_equal(judge(chain, &anna), WEFT_VERDICT_MEMBER); /* and from here on the gateway is known */
    }
}

/* More gateways than are kept as verified: each is judged as before. */
static void test_many_gateways(void **state)
{
    (void)state;
    for (int round = 0; round < 2; round++) {
        for (size_t i = 0; i < WEFT_ISSUERS_MAX + 10; i++) {
            struct shown shown;
            struct weft_certificate own = peer(), over = issuer();
            over.serial = i;
            assert_int_equal(judge(show(&shown, &gateway, &own, &over), &anna), WEFT_VERDICT_MEMBER);
            shown.issuer[shown.issuer_size - 1] ^= 1;
            assert_int_equal(judge(chain_of(&shown), &anna), WEFT_VERDICT_FORGED);
        }
    }
}

static void test_sentences(void **state)
{
    (void)state;
    for (int i = 0; i < WEFT_VERDICT_COUNT; i++) {
        for (int j = 0; j < i; j++) {
            assert_string_not_equal(weft_verdict_text((enum weft_verdict)i), weft_verdict_text((enum weft_verdict)j));
            assert_string_not_equal(weft_verdict_word((enum weft_verdict)i), weft_verdict_word((enum weft_verdict)j));
        }
    }
}

/* -- revocations -- */

struct revoking {
    uint8_t issuer[WEFT_CERTIFICATE_MAX], bytes[WEFT_REVOCATION_MAX];
};

/* By whoever holds the key, whether it may or not; `over` is the signer's certificate, if it is not the root. */
static struct weft_slice revocation(struct revoking *revoking, const struct weft_identity *signer,
                                    const struct weft_certificate *over, const struct weft_key *subject, int64_t made_s,
                                    int64_t until_s)
{
    struct weft_revocation made = {.mesh = root.key, .subject = *subject, .made_s = made_s, .until_s = until_s};
    if (over) {
        made.issuer = weft_slice(revoking->issuer, sign_certificate(&root, over, revoking->issuer));
    }
    int64_t size = weft_revocation_write(&made, revoking->bytes);
    assert_true(size > 0);
    weft_identity_sign(signer, WEFT_REVOCATION_DOMAIN, weft_slice(revoking->bytes, (size_t)size),
                       revoking->bytes + size);
    return weft_slice(revoking->bytes, (size_t)size + WEFT_SIGNATURE_SIZE);
}

static struct weft_slice by_gateway(struct revoking *revoking, const struct weft_identity *subject)
{
    struct weft_certificate over = issuer();
    return revocation(revoking, &gateway, &over, &subject->key, NOW_S, NOW_S + WEFT_REVOKED_S);
}

static struct weft_slice by_root(struct revoking *revoking, const struct weft_identity *subject)
{
    return revocation(revoking, &root, NULL, &subject->key, NOW_S, NOW_S + WEFT_GATEWAY_LIFE_S);
}

static int revoke(struct weft_slice bytes)
{
    return weft_membership_revoke(membership, bytes, NOW_S);
}

static void test_revoked(void **state)
{
    (void)state;
    struct shown shown;
    struct revoking revoking;
    struct weft_certificate own = peer(), over = issuer();
    struct weft_slice chain = show(&shown, &gateway, &own, &over);
    struct weft_slice bytes = by_gateway(&revoking, &anna);
    assert_int_equal(revoke(bytes), 1);
    assert_int_equal(judge(chain, &anna), WEFT_VERDICT_REVOKED);
    assert_true(weft_membership_revoked(membership, &anna.key, WEFT_ROLE_CLIENT, NOW_S));
    assert_false(weft_membership_revoked(membership, &ben.key, WEFT_ROLE_CLIENT, NOW_S));
    assert_int_equal(revoke(bytes), 0); /* twice says nothing new */
    assert_int_equal(weft_membership_revocations(membership), 1);
    assert_true(weft_slice_equal(weft_membership_revocation(membership, 0), bytes));
    /* Whichever gateway had admitted it. */
    struct weft_certificate elsewhere = certificate_of(&second, &anna, WEFT_ROLE_PEER);
    over = certificate_of(&root, &second, WEFT_ROLE_GATEWAY);
    assert_int_equal(judge(show(&shown, &second, &elsewhere, &over), &anna), WEFT_VERDICT_REVOKED);
    /* Until it ends. */
    int64_t end_s = NOW_S + WEFT_REVOKED_S + WEFT_SKEW_S;
    assert_true(weft_membership_revoked(membership, &anna.key, WEFT_ROLE_PEER, end_s));
    assert_false(weft_membership_revoked(membership, &anna.key, WEFT_ROLE_PEER, end_s + 1));
}

static void test_power(void **state)
{
    (void)state;
    struct shown shown;
    struct revoking revoking;
    struct weft_certificate own = peer(), over = issuer(), other;
    struct weft_slice chain = show(&shown, &gateway, &own, &over);

    /* No gateway takes back another. */
    assert_int_equal(revoke(by_gateway(&revoking, &second)), 1);
    struct shown seconds;
    other = certificate_of(&root, &second, WEFT_ROLE_GATEWAY);
    assert_int_equal(judge(show(&seconds, &root, &other, NULL), &second), WEFT_VERDICT_MEMBER);
    assert_false(weft_membership_revoked(membership, &second.key, WEFT_ROLE_GATEWAY, NOW_S));

    /* Nobody takes back the root; no peer, and no stranger, takes back anybody. */
    assert_int_equal(revoke(by_root(&revoking, &root)), WEFT_ERR_DENIED);
    other = certificate_of(&root, &ben, WEFT_ROLE_PEER);
    assert_int_equal(revoke(revocation(&revoking, &ben, &other, &anna.key, NOW_S, NOW_S + DAY_S)), WEFT_ERR_DENIED);
    assert_int_equal(revoke(revocation(&revoking, &stranger, &over, &anna.key, NOW_S, NOW_S + DAY_S)), WEFT_ERR_CRYPTO);
    assert_int_equal(revoke(revocation(&revoking, &stranger, NULL, &anna.key, NOW_S, NOW_S + DAY_S)), WEFT_ERR_CRYPTO);

    /* A gateway's may not last longer than it need, and is made while it is one, and not tomorrow. */
    assert_int_equal(revoke(revocation(&revoking, &gateway, &over, &anna.key, NOW_S, NOW_S + WEFT_REVOKED_S + 1)),
                     WEFT_ERR_DENIED);
    assert_int_equal(revoke(revocation(&revoking, &gateway, &over, &anna.key, NOW_S - DAY_S, NOW_S + DAY_S)),
                     WEFT_ERR_DENIED);
    assert_int_equal(revoke(revocation(&revoking, &gateway, &over, &anna.key, NOW_S + WEFT_SKEW_S + 1, NOW_S + DAY_S)),
                     WEFT_ERR_TIMEOUT);
    assert_int_equal(revoke(revocation(&revoking, &root, NULL, &anna.key, 0, NOW_S - WEFT_SKEW_S - 1)), 0); /* past */
    assert_int_equal(judge(chain, &anna), WEFT_VERDICT_MEMBER);
}

static void test_revoked_gateway_takes_its_own_along(void **state)
{
    (void)state;
    struct shown shown;
    struct revoking revoking;
    struct weft_certificate own = peer(), over = issuer();
    struct weft_slice chain = show(&shown, &gateway, &own, &over);
    assert_int_equal(revoke(by_gateway(&revoking, &ben)), 1);
    assert_int_equal(revoke(by_root(&revoking, &gateway)), 1);
    assert_int_equal(weft_membership_revocations(membership), 1); /* ben's is void */
    assert_false(weft_membership_revoked(membership, &ben.key, WEFT_ROLE_PEER, NOW_S));
    assert_int_equal(judge(chain, &anna), WEFT_VERDICT_ISSUER_REVOKED);
    assert_int_equal(judge(show(&shown, &root, &over, NULL), &gateway), WEFT_VERDICT_REVOKED);
    assert_int_equal(revoke(by_gateway(&revoking, &ben)), WEFT_ERR_DENIED);
}

static void test_unreadable(void **state)
{
    (void)state;
    struct revoking revoking;
    struct weft_slice bytes = by_gateway(&revoking, &anna);
    for (size_t size = 0; size < bytes.size; size++) {
        assert_true(revoke(weft_slice(bytes.data, size)) < 0);
    }
    for (size_t bit = 0; bit < 8 * bytes.size; bit++) {
        revoking.bytes[bit / 8] ^= (uint8_t)(1u << (bit % 8));
        assert_true(revoke(bytes) <= 0); /* 0 where the flipped bit makes it a thing of the past */
        revoking.bytes[bit / 8] ^= (uint8_t)(1u << (bit % 8));
    }
    assert_int_equal(weft_membership_revocations(membership), 0);
    revoking.bytes[0] = 2;
    assert_int_equal(revoke(bytes), WEFT_ERR_UNSUPPORTED);
    bytes = by_root(&revoking, &anna);
    struct weft_membership *elsewhere;
    assert_int_equal(weft_membership_new(&elsewhere, &stranger.key), 0);
    assert_int_equal(weft_membership_revoke(elsewhere, bytes, NOW_S), WEFT_ERR_NOT_FOUND);
    weft_membership_free(elsewhere);
}

static void test_longer_replaces(void **state)
{
    (void)state;
    struct revoking revoking;
    assert_int_equal(revoke(revocation(&revoking, &root, NULL, &anna.key, NOW_S, NOW_S + DAY_S)), 1);
    assert_int_equal(revoke(revocation(&revoking, &root, NULL, &anna.key, NOW_S, NOW_S + 2 * DAY_S)), 1);
    assert_int_equal(revoke(revocation(&revoking, &root, NULL, &anna.key, NOW_S, NOW_S + DAY_S)), 0);
    assert_int_equal(weft_membership_revocations(membership), 1);
    assert_true(weft_membership_revoked(membership, &anna.key, WEFT_ROLE_GATEWAY, NOW_S + 2 * DAY_S));
    assert_int_equal(revoke(by_gateway(&revoking, &anna)), 1); /* another's beside it */
    assert_int_equal(weft_membership_revocations(membership), 2);
}

/* Some key that nobody has, of which there are many. */
static struct weft_key key_of(size_t number)
{
    struct weft_key key = {{0x80, (uint8_t)(number * 7), (uint8_t)(number >> 8), (uint8_t)number}};
    return key;
}

static void test_bounds(void **state)
{
    (void)state;
    struct revoking revoking;
    struct weft_certificate over = issuer(), other = certificate_of(&root, &second, WEFT_ROLE_GATEWAY);
    struct weft_key key;
    for (size_t i = 0; i < WEFT_REVOCATIONS_OF_ISSUER_MAX; i++) {
        key = key_of(i);
        int64_t until_s = NOW_S + DAY_S + (i == 500 ? 0 : 1);
        assert_int_equal(revoke(revocation(&revoking, &gateway, &over, &key, NOW_S, until_s)), 1);
    }
    assert_int_equal(revoke(by_gateway(&revoking, &anna)), WEFT_ERR_FULL);
    assert_int_equal(revoke(revocation(&revoking, &second, &other, &anna.key, NOW_S, NOW_S + DAY_S)), 1);
    for (size_t i = weft_membership_revocations(membership); i < WEFT_REVOCATIONS_MAX; i++) {
        key = key_of(i);
        assert_int_equal(revoke(revocation(&revoking, &root, NULL, &key, NOW_S, NOW_S + 9 * DAY_S)), 1);
    }
    assert_int_equal(revoke(revocation(&revoking, &second, &other, &ben.key, NOW_S, NOW_S + DAY_S)), WEFT_ERR_FULL);
    /* The root's goes over the gateways' that ends first: these two end at the same second. */
    assert_int_equal(revoke(by_root(&revoking, &ben)), 1);
    assert_int_equal(revoke(by_root(&revoking, &stranger)), 1);
    assert_int_equal(weft_membership_revocations(membership), WEFT_REVOCATIONS_MAX);
    key = key_of(500);
    assert_false(weft_membership_revoked(membership, &key, WEFT_ROLE_PEER, NOW_S));
    assert_false(weft_membership_revoked(membership, &anna.key, WEFT_ROLE_PEER, NOW_S));
    assert_true(weft_membership_revoked(membership, &ben.key, WEFT_ROLE_PEER, NOW_S));
    for (size_t i = 1; i < WEFT_REVOCATIONS_MAX; i++) { /* all of them are still in order */
        struct weft_revocation before, after;
        struct weft_signed parts;
        assert_int_equal(weft_revocation_read(weft_membership_revocation(membership, i - 1), &before, &parts), 0);
        assert_int_equal(weft_revocation_read(weft_membership_revocation(membership, i), &after, &parts), 0);
        assert_true(memcmp(before.subject.bytes, after.subject.bytes, WEFT_KEY_SIZE) < 0);
    }
    /* What is past makes room by itself. */
    int64_t later_s = NOW_S + 10 * DAY_S;
    bool taken = weft_membership_revoke(
                     membership, revocation(&revoking, &root, NULL, &anna.key, later_s, later_s + DAY_S), later_s) == 1;
    assert_true(taken);
    assert_int_equal(weft_membership_revocations(membership), 3);
}

static void test_memory_runs_out(void **state)
{
    (void)state;
    struct revoking revoking;
    struct weft_membership *none = membership;
    struct weft_slice bytes = by_root(&revoking, &anna);
    for (uint64_t i = 1; i <= 2; i++) {
        weft_mem_fail_at(i);
        assert_int_equal(revoke(bytes), WEFT_ERR_MEMORY);
        assert_true(weft_mem_failed());
        assert_int_equal(weft_membership_revocations(membership), 0);
    }
    assert_int_equal(revoke(bytes), 1);
    weft_mem_fail_at(1);
    assert_int_equal(revoke(revocation(&revoking, &root, NULL, &anna.key, NOW_S, NOW_S + 800 * DAY_S)),
                     WEFT_ERR_MEMORY);
    assert_int_equal(weft_membership_revocations(membership), 1); /* the shorter one holds on */
    weft_mem_fail_at(1);
    assert_int_equal(weft_membership_new(&none, &root.key), WEFT_ERR_MEMORY);
    assert_null(none);
    weft_membership_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        JUDGED_TEST(test_members),
        JUDGED_TEST(test_dates),
        JUDGED_TEST(test_ends),
        JUDGED_TEST(test_why_not),
        JUDGED_TEST(test_newer),
        JUDGED_TEST(test_each_bit_counts),
        JUDGED_TEST(test_many_gateways),
        JUDGED_TEST(test_sentences),
        JUDGED_TEST(test_revoked),
        JUDGED_TEST(test_power),
        JUDGED_TEST(test_revoked_gateway_takes_its_own_along),
        JUDGED_TEST(test_unreadable),
        JUDGED_TEST(test_longer_replaces),
        JUDGED_TEST(test_bounds),
        JUDGED_TEST(test_memory_runs_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
