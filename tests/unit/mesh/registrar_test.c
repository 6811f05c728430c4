/* tests/unit/mesh/registrar_test.c - a node joins by its invite and is renewed: both sides, byte for byte, and all that
 * is refused. */
#include "mesh/registrar.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "base/error.h"
#include "mesh/invites.h"
#include "mesh/joining.h"
#include "unit/mesh/members.h"

static const uint8_t link_here[WEFT_LINK_SIZE] = {0x11}, link_there[WEFT_LINK_SIZE] = {0x22};
static uint8_t gateway_bytes[WEFT_CERTIFICATE_MAX], asked[WEFT_APPLICATION_MAX];
static struct weft_registrar registrar;
static struct weft_registrar_case found;
static struct weft_invite invite;

static int set_up(void **state)
{
    (void)state;
    make_people();
    invite = (struct weft_invite){.mesh = root.key, .issuer = gateway.key, .secret = {1, 2, 3}};
    registrar = (struct weft_registrar){.gateway = &gateway, .root = &root};
    int64_t size = weft_issue_gateway(&root, &gateway.key, NOW_S, WEFT_GATEWAY_LIFE_S, 1, gateway_bytes);
    registrar.certificate = weft_slice(gateway_bytes, size > 0 ? (size_t)size : 0);
    return weft_membership_new(&registrar.membership, &root.key);
}

static int tear_down(void **state)
{
    (void)state;
    weft_membership_free(registrar.membership);
    return 0;
}

static struct weft_slice apply(const struct weft_identity *node)
{
    int64_t size = weft_joining_redeem(node, &invite, link_here, asked);
    assert_true(size > 0);
    return weft_slice(asked, (size_t)size);
}

static enum weft_registrar_step hear(struct weft_slice application)
{
    return weft_registrar_hear(&registrar, application, link_here, NOW_S, 5, &found);
}

static void assert_refused(enum weft_registrar_step step, enum weft_refused refusal)
{
    assert_int_equal(step, WEFT_REGISTRAR_REFUSE);
    assert_int_equal(found.refusal, refusal);
}

/* The answer that carries this chain, as `node` takes it. */
static int take(const struct weft_identity *node, struct weft_slice chain, struct weft_joining_answer *out)
{
    static uint8_t answer[WEFT_ADMISSION_MAX];
    int64_t size = weft_admission_write(&(struct weft_admission){.chain = chain}, answer);
    assert_true(size > 0);
    return weft_joining_take(registrar.membership, &node->key, weft_slice(answer, (size_t)size), NOW_S, out);
}

static struct weft_slice certify(const struct weft_identity *node, enum weft_role role)
{
    static uint8_t chain[WEFT_CHAIN_MAX];
    enum weft_refused why;
    int64_t size = weft_registrar_certify(&registrar, &node->key, role, NOW_S, 5, chain, &why);
    assert_true(size > 0);
    return weft_slice(chain, (size_t)size);
}

static void revoke(const struct weft_identity *who)
{
    uint8_t bytes[WEFT_REVOCATION_MAX];
    int64_t size = weft_issue_revocation(&root, &root.key, (struct weft_slice){0}, &who->key, NOW_S, bytes);
    assert_true(size > 0);
    assert_int_equal(weft_membership_revoke(registrar.membership, weft_slice(bytes, (size_t)size), NOW_S), 1);
}

/* From the line to the certificate, with the invites of a gateway between. */
static void test_joined(void **state)
{
    (void)state;
    struct weft_invites *invites = NULL;
    struct weft_invite_entry entry;
    struct weft_invite_use use, again;
    struct weft_identity key;
    struct weft_joining_answer answer;
    enum weft_refused why;
    weft_invite_identity(invite.secret, &key);
    assert_int_equal(weft_invites_new(&invites), 0);
    assert_int_equal(weft_invites_make(invites, &key.key, WEFT_ROLE_PEER, 1, NOW_S, DAY_S, &entry), 0);

    assert_int_equal(hear(apply(&anna)), WEFT_REGISTRAR_REDEEM);
    assert_true(weft_key_equal(&found.node, &anna.key));
    assert_true(weft_key_equal(&found.invite, &key.key));
    assert_int_equal(weft_invites_redeem(invites, &found.invite, &found.node, 5, NOW_S, &use, &why),
                     WEFT_REDEMPTION_STORE);
    weft_invites_stored(invites, &use);
    assert_int_equal(take(&anna, certify(&anna, weft_invites_of(invites, &found.invite)->role), &answer), 0);
    assert_int_equal(answer.certificate.role, WEFT_ROLE_PEER);
    assert_true(answer.chain.size > 0);

    assert_int_equal(hear(apply(&ben)), WEFT_REGISTRAR_REDEEM);
    assert_int_equal(weft_invites_redeem(invites, &found.invite, &found.node, 6, NOW_S, &again, &why),
                     WEFT_REDEMPTION_REFUSED);
    assert_int_equal(why, WEFT_REFUSAL_USED_UP);
    weft_invites_free(invites);
}

static void test_another_link_or_hand(void **state)
{
    (void)state;
    struct weft_slice application = apply(&anna);
    assert_refused(weft_registrar_hear(&registrar, application, link_there, NOW_S, 5, &found), WEFT_REFUSAL_MALFORMED);
    for (size_t i = 0; i < application.size; i++) {
        asked[i] ^= 1;
        assert_refused(hear(application), WEFT_REFUSAL_MALFORMED);
        asked[i] ^= 1;
    }
    asked[0] = 2;
    assert_refused(hear(application), WEFT_REFUSAL_NEWER);
    asked[0] = 1;
    assert_int_equal(hear(application), WEFT_REGISTRAR_REDEEM);
    assert_refused(hear((struct weft_slice){0}), WEFT_REFUSAL_MALFORMED);
}

/* Who has seen anna's application has not got her invite: it is worth nothing for another node, signed anew or not. */
static void test_a_proof_is_for_one_node(void **state)
{
    (void)state;
    struct weft_application stolen;
    struct weft_signed parts;
    assert_int_equal(weft_application_read(apply(&anna), &stolen, &parts), 0);
    stolen.node = ben.key;
    int64_t size = weft_sign_application(&ben, &stolen, asked);
    assert_true(size > 0);
    assert_refused(hear(weft_slice(asked, (size_t)size)), WEFT_REFUSAL_MALFORMED);
}

static void test_passed_on_once(void **state)
{
    (void)state;
    invite.issuer = second.key;
    struct weft_slice application = apply(&anna);
    assert_int_equal(hear(application), WEFT_REGISTRAR_FORWARD);
    assert_true(weft_key_equal(&found.issuer, &second.key));
    assert_refused(weft_registrar_hear(&registrar, application, NULL, NOW_S, 5, &found), WEFT_REFUSAL_UNKNOWN);
    registrar.gateway = &second; /* there it is heard, though the link was another's */
    assert_int_equal(weft_registrar_hear(&registrar, application, NULL, NOW_S, 5, &found), WEFT_REGISTRAR_REDEEM);
}

static void test_other_mesh(void **state)
{
    (void)state;
    invite.mesh = stranger.key;
    assert_refused(hear(apply(&anna)), WEFT_REFUSAL_OTHER_MESH);
}

static enum weft_refused why_not(const struct weft_identity *node, enum weft_role role, int64_t now_s)
{
    uint8_t chain[WEFT_CHAIN_MAX];
    enum weft_refused why = WEFT_REFUSAL_OTHER;
    assert_int_equal(weft_registrar_certify(&registrar, &node->key, role, now_s, 5, chain, &why), WEFT_ERR_DENIED);
    return why;
}

static void test_not_certified(void **state)
{
    (void)state;
    int64_t end_s = NOW_S + WEFT_GATEWAY_LIFE_S;
    assert_int_equal(why_not(&anna, WEFT_ROLE_PEER, end_s), WEFT_REFUSAL_GATEWAY_LAPSED);
    assert_int_equal(why_not(&anna, WEFT_ROLE_PEER, end_s + WEFT_SKEW_S + 1), WEFT_REFUSAL_GATEWAY_LAPSED);
    assert_int_equal(why_not(&root, WEFT_ROLE_GATEWAY, NOW_S), WEFT_REFUSAL_MALFORMED);
    registrar.root = NULL;
    assert_int_equal(why_not(&second, WEFT_ROLE_GATEWAY, NOW_S), WEFT_REFUSAL_ROOT_AWAY);
    revoke(&ben);
    assert_int_equal(why_not(&ben, WEFT_ROLE_PEER, NOW_S), WEFT_REFUSAL_KEY_REVOKED);
    revoke(&gateway);
    assert_int_equal(why_not(&anna, WEFT_ROLE_PEER, NOW_S), WEFT_REFUSAL_GATEWAY_LAPSED);
}

static void test_a_gateway_by_the_root(void **state)
{
    (void)state;
    struct weft_joining_answer answer;
    assert_int_equal(take(&second, certify(&second, WEFT_ROLE_GATEWAY), &answer), 0);
    assert_int_equal(answer.certificate.role, WEFT_ROLE_GATEWAY);
    assert_true(weft_key_equal(&answer.certificate.issuer, &root.key));
}

/* Asks `later_s` after it was certified as `role`. */
static enum weft_registrar_step renew(const struct weft_identity *node, enum weft_role role, int64_t later_s)
{
    uint8_t shown[WEFT_CHAIN_MAX];
    struct weft_slice chain = certify(node, role);
    memcpy(shown, chain.data, chain.size);
    int64_t size = weft_joining_renew(node, &root.key, weft_slice(shown, chain.size), link_here, asked);
    assert_true(size > 0);
    return weft_registrar_hear(&registrar, weft_slice(asked, (size_t)size), link_here, NOW_S + later_s, 9, &found);
}

static void test_renewed(void **state)
{
    (void)state;
    struct weft_certificate out;
    int64_t later_s = WEFT_MEMBER_LIFE_S / 2;
    assert_int_equal(renew(&anna, WEFT_ROLE_CLIENT, later_s), WEFT_REGISTRAR_ADMIT);
    assert_int_equal(weft_membership_judge(registrar.membership, weft_slice(found.chain, found.chain_size), &anna.key,
                                           NOW_S + later_s + WEFT_MEMBER_LIFE_S, &out),
                     WEFT_VERDICT_MEMBER);
    assert_int_equal(out.role, WEFT_ROLE_CLIENT);
    assert_int_equal(out.serial, 9);
    assert_int_equal(out.not_before_s, NOW_S + later_s);
    assert_int_equal(renew(&second, WEFT_ROLE_GATEWAY, later_s), WEFT_REGISTRAR_ADMIT); /* the root is here */
}

static void test_too_soon_to_be_renewed(void **state)
{
    (void)state;
    const int64_t half_s = WEFT_MEMBER_LIFE_S / 2;
    const int64_t too_soon_s[] = {0, half_s - WEFT_SKEW_S - 1};
    for (size_t i = 0; i < WEFT_COUNT(too_soon_s); i++) {
        assert_int_equal(renew(&anna, WEFT_ROLE_PEER, too_soon_s[i]), WEFT_REGISTRAR_ADMIT);
        struct weft_slice had = certify(&anna, WEFT_ROLE_PEER); /* as the one that was shown, byte for byte */
        assert_true(weft_slice_equal(weft_slice(found.chain, found.chain_size), had));
    }
    assert_int_equal(renew(&anna, WEFT_ROLE_PEER, half_s - WEFT_SKEW_S), WEFT_REGISTRAR_ADMIT);
    assert_false(weft_slice_equal(weft_slice(found.chain, found.chain_size), certify(&anna, WEFT_ROLE_PEER)));
}

static void test_not_renewed(void **state)
{
    (void)state;
    assert_refused(renew(&anna, WEFT_ROLE_PEER, WEFT_MEMBER_LIFE_S + WEFT_SKEW_S + 1), WEFT_REFUSAL_LAPSED);
    int64_t size = weft_joining_renew(&ben, &root.key, certify(&anna, WEFT_ROLE_PEER), link_here, asked);
    assert_true(size > 0); /* ben shows what is anna's */
    assert_refused(hear(weft_slice(asked, (size_t)size)), WEFT_REFUSAL_LAPSED);

    struct weft_slice chain = certify(&anna, WEFT_ROLE_PEER), own = certify(&second, WEFT_ROLE_GATEWAY);
    size = weft_joining_renew(&second, &root.key, own, link_here, asked);
    assert_true(size > 0);
    registrar.root = NULL;
    assert_refused(weft_registrar_hear(&registrar, weft_slice(asked, (size_t)size), link_here,
                                       NOW_S + WEFT_GATEWAY_LIFE_S / 2, 5, &found),
                   WEFT_REFUSAL_ROOT_AWAY);
    registrar.root = &root;

    chain = certify(&anna, WEFT_ROLE_PEER);
    size = weft_joining_renew(&anna, &root.key, chain, link_here, asked);
    assert_true(size > 0);
    revoke(&anna);
    assert_refused(hear(weft_slice(asked, (size_t)size)), WEFT_REFUSAL_KEY_REVOKED);
}

#define REGISTRAR_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        REGISTRAR_TEST(test_joined),
        REGISTRAR_TEST(test_another_link_or_hand),
        REGISTRAR_TEST(test_a_proof_is_for_one_node),
        REGISTRAR_TEST(test_passed_on_once),
        REGISTRAR_TEST(test_other_mesh),
        REGISTRAR_TEST(test_not_certified),
        REGISTRAR_TEST(test_a_gateway_by_the_root),
        REGISTRAR_TEST(test_renewed),
        REGISTRAR_TEST(test_too_soon_to_be_renewed),
        REGISTRAR_TEST(test_not_renewed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
