/* tests/unit/mesh/joining_test.c - a node asks in its own name only, and takes for a yes only what makes it a member.
 */
#include "mesh/joining.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "base/error.h"
#include "unit/mesh/judged.h"

static const uint8_t this_link[WEFT_LINK_SIZE] = {0x11};
static uint8_t bytes[WEFT_APPLICATION_MAX];
static struct weft_joining_answer answer;

static void test_redeems(void **state)
{
    (void)state;
    struct weft_invite invite = {.mesh = root.key, .issuer = gateway.key, .secret = {1, 2, 3}};
    struct weft_application application;
    struct weft_signed parts;
    struct weft_identity key;
    uint8_t proven[WEFT_PROVEN_SIZE];
    int64_t size = weft_joining_redeem(&anna, &invite, this_link, bytes);
    assert_true(size > 0);
    assert_int_equal(weft_application_read(weft_slice(bytes, (size_t)size), &application, &parts), 0);
    assert_true(weft_key_verify(&anna.key, WEFT_APPLICATION_DOMAIN, parts.record, parts.signature));
    assert_memory_equal(application.link, this_link, WEFT_LINK_SIZE);
    weft_invite_identity(invite.secret, &key);
    assert_true(weft_key_equal(&application.invite, &key.key));
    weft_application_proven(&application, proven);
    assert_true(weft_key_verify(&key.key, WEFT_PROOF_DOMAIN, weft_slice(proven, sizeof(proven)), application.proof));
    /* The secret itself is nowhere in it. */
    for (size_t i = 0; i + sizeof(invite.secret) <= (size_t)size; i++) {
        assert_memory_not_equal(bytes + i, invite.secret, sizeof(invite.secret));
    }
    invite.secret[0] ^= 1;
    weft_invite_identity(invite.secret, &key);
    assert_false(weft_key_equal(&application.invite, &key.key));
}

static void test_asks_in_its_own_name(void **state)
{
    (void)state;
    struct weft_application application;
    struct weft_signed parts;
    struct weft_invite invite = {.mesh = root.key, .issuer = gateway.key, .secret = {1, 2, 3}};
    int64_t size = weft_joining_redeem(&anna, &invite, this_link, bytes);
    assert_true(size > 0);
    assert_int_equal(weft_application_read(weft_slice(bytes, (size_t)size), &application, &parts), 0);
    assert_int_equal(weft_sign_application(&ben, &application, bytes), WEFT_ERR_DENIED);
    assert_int_equal(weft_joining_renew(&anna, &root.key, (struct weft_slice){0}, this_link, bytes), WEFT_ERR_INVALID);
    invite.mesh = anna.key;
    assert_int_equal(weft_joining_redeem(&anna, &invite, this_link, bytes), WEFT_ERR_INVALID);
}

/* A gateway's answer, as `node` takes it. */
static int take(const struct weft_identity *node, struct weft_admission admission)
{
    static uint8_t said[WEFT_ADMISSION_MAX]; /* the answer points into it */
    int64_t size = weft_admission_write(&admission, said);
    assert_true(size > 0);
    return weft_joining_take(membership, &node->key, weft_slice(said, (size_t)size), NOW_S, &answer);
}

static void test_takes_what_makes_it_a_member(void **state)
{
    (void)state;
    struct shown shown;
    struct weft_certificate own = certificate_of(&gateway, &anna, WEFT_ROLE_PEER);
    struct weft_certificate issuer = certificate_of(&root, &gateway, WEFT_ROLE_GATEWAY);
    struct weft_slice chain = show(&shown, &gateway, &own, &issuer);
    assert_int_equal(take(&anna, (struct weft_admission){.chain = chain}), 0);
    assert_true(weft_slice_equal(answer.chain, chain));
    assert_int_equal(answer.certificate.role, WEFT_ROLE_PEER);

    assert_int_equal(take(&ben, (struct weft_admission){.chain = chain}), WEFT_ERR_CRYPTO);
    assert_int_equal(answer.verdict, WEFT_VERDICT_OTHER_KEY);
    assert_int_equal(answer.chain.size, 0);
    chain = show(&shown, &stranger, &own, &issuer); /* somebody at the address who is no gateway */
    assert_int_equal(take(&anna, (struct weft_admission){.chain = chain}), WEFT_ERR_CRYPTO);
    assert_int_equal(answer.verdict, WEFT_VERDICT_FORGED);
}

static void test_a_no_is_a_no(void **state)
{
    (void)state;
    assert_int_equal(take(&anna, (struct weft_admission){.refusal = WEFT_REFUSAL_EXPIRED}), WEFT_ERR_DENIED);
    assert_int_equal(answer.refusal, WEFT_REFUSAL_EXPIRED);
    assert_int_equal(answer.chain.size, 0);
    assert_int_equal(weft_joining_take(membership, &anna.key, WEFT_SLICE("hello"), NOW_S, &answer),
                     WEFT_ERR_UNSUPPORTED); /* 'h' is a major far above ours */
    assert_int_equal(weft_joining_take(membership, &anna.key, WEFT_SLICE("\1"), NOW_S, &answer), WEFT_ERR_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        JUDGED_TEST(test_redeems),
        JUDGED_TEST(test_asks_in_its_own_name),
        JUDGED_TEST(test_takes_what_makes_it_a_member),
        JUDGED_TEST(test_a_no_is_a_no),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
