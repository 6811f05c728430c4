/* tests/unit/mesh/signing_test.c - whoever signs signs in its own name only, and each kind in its own domain. */
#include "mesh/signing.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "base/error.h"
#include "unit/mesh/members.h"

static int set_up(void **state)
{
    (void)state;
    make_people();
    return 0;
}

static void test_certificate(void **state)
{
    (void)state;
    uint8_t bytes[WEFT_CERTIFICATE_MAX];
    struct weft_certificate certificate = certificate_of(&gateway, &anna, WEFT_ROLE_PEER), again;
    struct weft_signed parts;
    int64_t size = weft_sign_certificate(&gateway, &certificate, bytes);
    assert_true(size > 0);
    assert_int_equal(weft_certificate_read(weft_slice(bytes, (size_t)size), &again, &parts), 0);
    assert_true(weft_key_verify(&gateway.key, WEFT_CERTIFICATE_DOMAIN, parts.record, parts.signature));
    assert_false(weft_key_verify(&gateway.key, WEFT_ANNOUNCEMENT_DOMAIN, parts.record, parts.signature));
    assert_int_equal(weft_sign_certificate(&root, &certificate, bytes), WEFT_ERR_DENIED);
    certificate.not_after_s = 0;
    assert_int_equal(weft_sign_certificate(&gateway, &certificate, bytes), WEFT_ERR_INVALID);
}

static void test_revocation(void **state)
{
    (void)state;
    uint8_t issuer[WEFT_CERTIFICATE_MAX], bytes[WEFT_REVOCATION_MAX];
    struct weft_certificate certificate = certificate_of(&root, &gateway, WEFT_ROLE_GATEWAY);
    struct weft_revocation revocation = {
        .mesh = root.key, .subject = anna.key, .made_s = NOW_S, .until_s = NOW_S + DAY_S};
    struct weft_revocation again;
    struct weft_signed parts;
    int64_t size = weft_sign_revocation(&root, &revocation, bytes);
    assert_true(size > 0);
    assert_int_equal(weft_revocation_read(weft_slice(bytes, (size_t)size), &again, &parts), 0);
    assert_true(weft_key_verify(&root.key, WEFT_REVOCATION_DOMAIN, parts.record, parts.signature));
    assert_int_equal(weft_sign_revocation(&gateway, &revocation, bytes), WEFT_ERR_DENIED);

    revocation.issuer = weft_slice(issuer, sign_certificate(&root, &certificate, issuer));
    size = weft_sign_revocation(&gateway, &revocation, bytes);
    assert_true(size > 0);
    assert_int_equal(weft_revocation_read(weft_slice(bytes, (size_t)size), &again, &parts), 0);
    assert_true(weft_key_verify(&gateway.key, WEFT_REVOCATION_DOMAIN, parts.record, parts.signature));
    assert_int_equal(weft_sign_revocation(&second, &revocation, bytes), WEFT_ERR_DENIED);
    revocation.issuer.size--;
    assert_int_equal(weft_sign_revocation(&gateway, &revocation, bytes), WEFT_ERR_INVALID);
}

/* Each truncation and each bit of an announcement is refused: by its reader or by its signature. */
static void test_announcement(void **state)
{
    (void)state;
    uint8_t bytes[WEFT_ANNOUNCEMENT_MAX];
    struct shown shown;
    struct weft_certificate own = certificate_of(&gateway, &anna, WEFT_ROLE_PEER);
    struct weft_certificate issuer = certificate_of(&root, &gateway, WEFT_ROLE_GATEWAY);
    struct weft_announcement announcement = {
        .key = anna.key,
        .chain = show(&shown, &gateway, &own, &issuer),
        .incarnation = 1,
        .sequence = 2,
        .made_s = NOW_S,
        .addresses = {WEFT_SLICE("192.0.2.1:4433")},
        .address_count = 1,
        .models = {{.alias = WEFT_SLICE("llama"), .hash = {1}, .context = 4096, .slots = 4}},
        .model_count = 1,
        .backend = WEFT_SLICE("cpu"),
    };
    struct weft_announcement again;
    struct weft_signed parts;
    int64_t size = weft_sign_announcement(&anna, &announcement, bytes);
    assert_true(size > 0);
    assert_int_equal(weft_announcement_read(weft_slice(bytes, (size_t)size), &again, &parts), 0);
    assert_true(weft_key_verify(&again.key, WEFT_ANNOUNCEMENT_DOMAIN, parts.record, parts.signature));
    for (size_t cut = 0; cut < (size_t)size; cut++) {
        assert_false(weft_announcement_read(weft_slice(bytes, cut), &again, &parts) == 0 &&
                     weft_key_verify(&again.key, WEFT_ANNOUNCEMENT_DOMAIN, parts.record, parts.signature));
    }
    for (size_t bit = 0; bit < 8 * (size_t)size; bit++) {
        bytes[bit / 8] ^= (uint8_t)(1u << (bit % 8));
        assert_false(weft_announcement_read(weft_slice(bytes, (size_t)size), &again, &parts) == 0 &&
                     weft_key_verify(&again.key, WEFT_ANNOUNCEMENT_DOMAIN, parts.record, parts.signature));
        bytes[bit / 8] ^= (uint8_t)(1u << (bit % 8));
    }
    assert_int_equal(weft_sign_announcement(&ben, &announcement, bytes), WEFT_ERR_DENIED);
    announcement.made_s = -1;
    assert_int_equal(weft_sign_announcement(&anna, &announcement, bytes), WEFT_ERR_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_certificate),
        cmocka_unit_test(test_revocation),
        cmocka_unit_test(test_announcement),
    };
    return cmocka_run_group_tests(tests, set_up, NULL);
}
