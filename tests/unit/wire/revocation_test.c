/* tests/unit/wire/revocation_test.c - revocations, written and read back, and what is refused. */
#include "wire/revocation.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "base/error.h"

static char issuer[WEFT_CERTIFICATE_MAX];

static struct weft_revocation sample(void)
{
    struct weft_revocation revocation = {
        .issuer = weft_slice(issuer, sizeof(issuer)), .made_s = 1700000000, .until_s = 1702592000};
    memset(revocation.mesh.bytes, 0xaa, WEFT_KEY_SIZE);
    memset(revocation.subject.bytes, 0xcc, WEFT_KEY_SIZE);
    memset(issuer, 0xbb, sizeof(issuer));
    return revocation;
}

static struct weft_slice written(const struct weft_revocation *revocation, uint8_t out[WEFT_REVOCATION_MAX])
{
    int64_t size = weft_revocation_write(revocation, out);
    assert_true(size > 0);
    memset(out + size, 0x55, WEFT_SIGNATURE_SIZE);
    return weft_slice(out, (size_t)size + WEFT_SIGNATURE_SIZE);
}

static void assert_there_and_back(const struct weft_revocation *revocation)
{
    uint8_t bytes[WEFT_REVOCATION_MAX];
    struct weft_revocation again;
    struct weft_signed parts;
    struct weft_slice whole = written(revocation, bytes);
    assert_int_equal(weft_revocation_read(whole, &again, &parts), 0);
    assert_true(weft_key_equal(&again.mesh, &revocation->mesh));
    assert_true(weft_key_equal(&again.subject, &revocation->subject));
    assert_true(weft_slice_equal(again.issuer, revocation->issuer));
    assert_int_equal(again.made_s, revocation->made_s);
    assert_int_equal(again.until_s, revocation->until_s);
    assert_int_equal(parts.record.size, whole.size - WEFT_SIGNATURE_SIZE);
    for (size_t size = 0; size < whole.size; size++) {
        assert_int_equal(weft_revocation_read(weft_slice(bytes, size), &again, &parts), WEFT_ERR_INVALID);
    }
}

static void test_there_and_back(void **state)
{
    (void)state;
    struct weft_revocation revocation = sample();
    assert_there_and_back(&revocation); /* an issuer's, with the largest certificate */
    revocation.issuer = (struct weft_slice){0};
    assert_there_and_back(&revocation); /* the root's */
}

static void test_writes_nothing_that_is_not_one(void **state)
{
    (void)state;
    uint8_t bytes[WEFT_REVOCATION_MAX];
    struct weft_revocation cases[7];
    for (size_t i = 0; i < WEFT_COUNT(cases); i++) {
        cases[i] = sample();
    }
    cases[0].mesh = cases[1].subject = (struct weft_key){0};
    cases[2].made_s = -1;
    cases[3].until_s = cases[3].made_s;
    cases[4].until_s = WEFT_RECORD_SECOND_MAX + 1;
    cases[5].issuer.size = WEFT_SIGNATURE_SIZE;
    cases[6].issuer.size = WEFT_CERTIFICATE_MAX + 1;
    for (size_t i = 0; i < WEFT_COUNT(cases); i++) {
        assert_int_equal(weft_revocation_write(&cases[i], bytes), WEFT_ERR_INVALID);
    }
}

static int read_fields(uint8_t major, size_t issuer_size, uint64_t until_s, uint32_t extra)
{
    uint8_t bytes[WEFT_REVOCATION_MAX] = {0};
    struct weft_record_writer writer;
    struct weft_revocation revocation = sample(), again;
    struct weft_signed parts;
    weft_record_start(&writer, bytes, sizeof(bytes) - WEFT_SIGNATURE_SIZE, major);
    weft_record_key(&writer, 1, &revocation.mesh);
    weft_record_bytes(&writer, 2, weft_slice(issuer, issuer_size));
    weft_record_key(&writer, 3, &revocation.subject);
    weft_record_number(&writer, 4, 100);
    weft_record_number(&writer, 5, until_s);
    if (extra > 0) {
        weft_record_number(&writer, extra, 1);
    }
    int64_t size = weft_record_finish(&writer);
    assert_true(size > 0);
    return weft_revocation_read(weft_slice(bytes, (size_t)size + WEFT_SIGNATURE_SIZE), &again, &parts);
}

static void test_versions(void **state)
{
    (void)state;
    assert_int_equal(read_fields(1, 200, 101, 0), 0);
    assert_int_equal(read_fields(1, 200, 101, 6), 0);
    assert_int_equal(read_fields(1, 200, 101, 5), WEFT_ERR_INVALID); /* twice */
    assert_int_equal(read_fields(2, 200, 101, 0), WEFT_ERR_UNSUPPORTED);
    assert_int_equal(read_fields(1, 200, 100, 0), WEFT_ERR_INVALID);
    assert_int_equal(read_fields(1, 0, 101, 0), WEFT_ERR_INVALID);
    assert_int_equal(read_fields(1, WEFT_SIGNATURE_SIZE, 101, 0), WEFT_ERR_INVALID);
    uint8_t longer[WEFT_REVOCATION_MAX + 1] = {1};
    struct weft_revocation again;
    struct weft_signed parts;
    assert_int_equal(weft_revocation_read(weft_slice(longer, sizeof(longer)), &again, &parts), WEFT_ERR_TOO_LARGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_there_and_back),
        cmocka_unit_test(test_writes_nothing_that_is_not_one),
        cmocka_unit_test(test_versions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
