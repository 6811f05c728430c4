/* tests/unit/wire/certificate_test.c - certificates and chains, written and read back, and what is refused. */
#include "wire/certificate.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "base/error.h"

static struct weft_certificate sample(void)
{
    struct weft_certificate certificate = {
        .role = WEFT_ROLE_PEER, .not_before_s = 1700000000, .not_after_s = 1702592000, .serial = 7};
    memset(certificate.mesh.bytes, 0xaa, WEFT_KEY_SIZE);
    memset(certificate.issuer.bytes, 0xbb, WEFT_KEY_SIZE);
    memset(certificate.subject.bytes, 0xcc, WEFT_KEY_SIZE);
    return certificate;
}

/* With a signature behind it that nobody looks at here. */
static struct weft_slice written(const struct weft_certificate *certificate, uint8_t out[WEFT_CERTIFICATE_MAX])
{
    int64_t size = weft_certificate_write(certificate, out);
    assert_true(size > 0);
    memset(out + size, 0x55, WEFT_SIGNATURE_SIZE);
    return weft_slice(out, (size_t)size + WEFT_SIGNATURE_SIZE);
}

static void assert_same(const struct weft_certificate *one, const struct weft_certificate *other)
{
    assert_true(weft_key_equal(&one->mesh, &other->mesh));
    assert_true(weft_key_equal(&one->issuer, &other->issuer));
    assert_true(weft_key_equal(&one->subject, &other->subject));
    assert_int_equal(one->role, other->role);
    assert_int_equal(one->not_before_s, other->not_before_s);
    assert_int_equal(one->not_after_s, other->not_after_s);
    assert_int_equal(one->serial, other->serial);
}

static void test_there_and_back(void **state)
{
    (void)state;
    uint8_t bytes[WEFT_CERTIFICATE_MAX];
    struct weft_certificate certificate = sample(), again;
    struct weft_signed parts;
    struct weft_slice whole = written(&certificate, bytes);
    assert_int_equal(weft_certificate_read(whole, &again, &parts), 0);
    assert_same(&certificate, &again);
    assert_int_equal(parts.record.size, whole.size - WEFT_SIGNATURE_SIZE);
    assert_int_equal(parts.signature[0], 0x55);

    certificate.role = WEFT_ROLE_GATEWAY; /* of the root */
    certificate.issuer = certificate.mesh;
    struct weft_slice shorter = written(&certificate, bytes);
    assert_int_equal(shorter.size, whole.size - 34);
    assert_int_equal(weft_certificate_read(shorter, &again, &parts), 0);
    assert_same(&certificate, &again);

    certificate = sample(); /* the largest */
    certificate.serial = UINT64_MAX;
    certificate.not_before_s = WEFT_RECORD_SECOND_MAX - 1;
    certificate.not_after_s = WEFT_RECORD_SECOND_MAX;
    assert_int_equal(weft_certificate_read(written(&certificate, bytes), &again, &parts), 0);
    assert_same(&certificate, &again);
}

/* Without its signature it is cut at any byte, with it nothing is left of the record's end. */
static void test_cut_anywhere(void **state)
{
    (void)state;
    uint8_t bytes[WEFT_CERTIFICATE_MAX];
    struct weft_certificate certificate = sample(), again;
    struct weft_signed parts;
    struct weft_slice whole = written(&certificate, bytes);
    for (size_t size = 0; size < whole.size; size++) {
        assert_int_equal(weft_certificate_read(weft_slice(bytes, size), &again, &parts), WEFT_ERR_INVALID);
    }
    uint8_t longer[WEFT_CERTIFICATE_MAX + 1] = {1};
    assert_int_equal(weft_certificate_read(weft_slice(longer, sizeof(longer)), &again, &parts), WEFT_ERR_TOO_LARGE);
}

static void test_writes_nothing_that_is_not_one(void **state)
{
    (void)state;
    uint8_t bytes[WEFT_CERTIFICATE_MAX];
    struct weft_certificate cases[8];
    for (size_t i = 0; i < WEFT_COUNT(cases); i++) {
        cases[i] = sample();
    }
    cases[0].mesh = cases[1].issuer = cases[2].subject = (struct weft_key){0};
    cases[3].role = 0;
    cases[4].role = (enum weft_role)4;
    cases[5].not_before_s = -1;
    cases[6].not_after_s = cases[6].not_before_s;
    cases[7].not_after_s = WEFT_RECORD_SECOND_MAX + 1;
    for (size_t i = 0; i < WEFT_COUNT(cases); i++) {
        assert_int_equal(weft_certificate_write(&cases[i], bytes), WEFT_ERR_INVALID);
    }
}

/* Writes fields by hand: what is said twice, missing or of another version. */
static int read_fields(uint8_t major, uint64_t role, int64_t until_s, const struct weft_key *issuer, uint32_t extra)
{
    uint8_t bytes[WEFT_CERTIFICATE_MAX] = {0};
    struct weft_record_writer writer;
    struct weft_certificate certificate = sample(), again;
    struct weft_signed parts;
    weft_record_start(&writer, bytes, sizeof(bytes) - WEFT_SIGNATURE_SIZE, major);
    weft_record_key(&writer, 1, &certificate.mesh);
    if (issuer) {
        weft_record_key(&writer, 2, issuer);
    }
    weft_record_key(&writer, 3, &certificate.subject);
    weft_record_number(&writer, 4, role);
    weft_record_number(&writer, 5, 100);
    weft_record_number(&writer, 6, (uint64_t)until_s);
    weft_record_number(&writer, 7, 1);
    if (extra > 0) {
        weft_record_number(&writer, extra, 1);
    }
    int64_t size = weft_record_finish(&writer);
    assert_true(size > 0);
    return weft_certificate_read(weft_slice(bytes, (size_t)size + WEFT_SIGNATURE_SIZE), &again, &parts);
}

static void test_versions(void **state)
{
    (void)state;
    struct weft_certificate certificate = sample();
    static const struct weft_key none;
    assert_int_equal(read_fields(1, 2, 200, NULL, 0), 0);
    assert_int_equal(read_fields(1, 2, 200, &certificate.issuer, 0), 0);
    assert_int_equal(read_fields(1, 2, 200, NULL, 8), 0); /* fields of a newer version are skipped */
    assert_int_equal(read_fields(1, 2, 200, NULL, 900), 0);
    assert_int_equal(read_fields(1, 2, 200, NULL, 7), WEFT_ERR_INVALID); /* the serial twice */
    assert_int_equal(read_fields(2, 2, 200, NULL, 0), WEFT_ERR_UNSUPPORTED);
    assert_int_equal(read_fields(1, 0, 200, NULL, 0), WEFT_ERR_UNSUPPORTED);
    assert_int_equal(read_fields(1, 4, 200, NULL, 0), WEFT_ERR_UNSUPPORTED);
    assert_int_equal(read_fields(1, 2, 100, NULL, 0), WEFT_ERR_INVALID); /* over before it begins */
    assert_int_equal(read_fields(1, 2, 200, &certificate.mesh, 0), WEFT_ERR_INVALID);
    assert_int_equal(read_fields(1, 2, 200, &none, 0), WEFT_ERR_INVALID);
    assert_int_equal(read_fields(1, 2, WEFT_RECORD_SECOND_MAX + 1, NULL, 0), WEFT_ERR_INVALID);
}

static void test_chain(void **state)
{
    (void)state;
    uint8_t bytes[WEFT_CHAIN_MAX];
    char own[WEFT_CERTIFICATE_MAX], issuer[WEFT_CERTIFICATE_MAX];
    memset(own, 1, sizeof(own));
    memset(issuer, 2, sizeof(issuer));
    struct weft_chain chain = {.own = weft_slice(own, sizeof(own)), .issuer = weft_slice(issuer, sizeof(issuer))},
                      again;
    int64_t size = weft_chain_write(&chain, bytes);
    assert_int_equal(size, WEFT_CHAIN_MAX);
    assert_int_equal(weft_chain_read(weft_slice(bytes, (size_t)size), &again), 0);
    assert_true(weft_slice_equal(again.own, chain.own));
    assert_true(weft_slice_equal(again.issuer, chain.issuer));
    for (size_t cut = 0; cut < (size_t)size; cut++) {
        int error = weft_chain_read(weft_slice(bytes, cut), &again);
        assert_int_equal(error, cut == 3 + sizeof(own) ? 0 : WEFT_ERR_INVALID); /* the own one alone is a chain */
    }
    assert_int_equal(weft_chain_read(weft_slice(bytes, sizeof(bytes) + 1), &again), WEFT_ERR_TOO_LARGE);

    chain.issuer.size = 0;
    size = weft_chain_write(&chain, bytes);
    assert_int_equal(size, 3 + sizeof(own));
    assert_int_equal(weft_chain_read(weft_slice(bytes, (size_t)size), &again), 0);
    assert_int_equal(again.issuer.size, 0);

    chain.own.size = WEFT_SIGNATURE_SIZE;
    assert_int_equal(weft_chain_write(&chain, bytes), WEFT_ERR_INVALID);
    chain.own.size = WEFT_CERTIFICATE_MAX + 1;
    assert_int_equal(weft_chain_write(&chain, bytes), WEFT_ERR_INVALID);
    assert_int_equal(weft_chain_read(weft_slice("\1\1x", 3), &again), WEFT_ERR_INVALID);
}

static void test_half_life_and_roles(void **state)
{
    (void)state;
    struct weft_certificate certificate = sample();
    assert_int_equal(weft_certificate_renew_s(&certificate), 1700000000 + 15 * 86400);
    for (int i = WEFT_ROLE_CLIENT; i <= WEFT_ROLE_GATEWAY; i++) {
        enum weft_role role;
        assert_true(weft_role_parse(weft_slice_text(weft_role_text((enum weft_role)i)), &role));
        assert_int_equal(role, i);
    }
    enum weft_role role;
    assert_false(weft_role_parse(WEFT_SLICE("Peer"), &role));
    assert_false(weft_role_parse(WEFT_SLICE(""), &role));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_there_and_back),
        cmocka_unit_test(test_cut_anywhere),
        cmocka_unit_test(test_writes_nothing_that_is_not_one),
        cmocka_unit_test(test_versions),
        cmocka_unit_test(test_chain),
        cmocka_unit_test(test_half_life_and_roles),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
