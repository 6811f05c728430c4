/* tests/unit/wire/application_test.c - applications, written and read back: of an invite or of a chain, never both. */
#include "wire/application.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "base/error.h"

static char chain[WEFT_CHAIN_MAX + 1];

static struct weft_application of_invite(void)
{
    struct weft_application application = {0};
    memset(application.mesh.bytes, 0xaa, WEFT_KEY_SIZE);
    memset(application.node.bytes, 0xbb, WEFT_KEY_SIZE);
    memset(application.link, 0xcc, WEFT_LINK_SIZE);
    memset(application.issuer.bytes, 0xdd, WEFT_KEY_SIZE);
    memset(application.invite.bytes, 0xee, WEFT_KEY_SIZE);
    memset(application.proof, 0x11, WEFT_SIGNATURE_SIZE);
    return application;
}

static struct weft_application of_chain(void)
{
    struct weft_application application = of_invite();
    application.issuer = application.invite = (struct weft_key){0};
    memset(application.proof, 0, WEFT_SIGNATURE_SIZE);
    application.chain = weft_slice(chain, WEFT_CHAIN_MAX);
    return application;
}

static void assert_there_and_back(const struct weft_application *application)
{
    uint8_t bytes[WEFT_APPLICATION_MAX];
    struct weft_application again;
    struct weft_signed parts;
    int64_t size = weft_application_write(application, bytes);
    assert_true(size > 0);
    memset(bytes + size, 0x55, WEFT_SIGNATURE_SIZE);
    struct weft_slice whole = weft_slice(bytes, (size_t)size + WEFT_SIGNATURE_SIZE);
    assert_int_equal(weft_application_read(whole, &again, &parts), 0);
    assert_int_equal(parts.record.size, size);
    assert_true(weft_key_equal(&again.mesh, &application->mesh));
    assert_true(weft_key_equal(&again.node, &application->node));
    assert_true(weft_key_equal(&again.issuer, &application->issuer));
    assert_true(weft_key_equal(&again.invite, &application->invite));
    assert_memory_equal(again.link, application->link, WEFT_LINK_SIZE);
    assert_memory_equal(again.proof, application->proof, WEFT_SIGNATURE_SIZE);
    assert_true(weft_slice_equal(again.chain, application->chain));
    for (size_t cut = 0; cut < whole.size; cut++) {
        assert_int_equal(weft_application_read(weft_slice(bytes, cut), &again, &parts), WEFT_ERR_INVALID);
    }
}

static void test_there_and_back(void **state)
{
    (void)state;
    struct weft_application application = of_invite();
    assert_there_and_back(&application);
    application = of_chain();
    assert_there_and_back(&application);
}

static void test_writes_nothing_that_is_not_one(void **state)
{
    (void)state;
    uint8_t bytes[WEFT_APPLICATION_MAX];
    struct weft_application cases[9];
    for (size_t i = 0; i < WEFT_COUNT(cases); i++) {
        cases[i] = i < 5 ? of_invite() : of_chain();
    }
    cases[0].mesh = cases[1].node = cases[2].issuer = cases[3].invite = (struct weft_key){0};
    cases[4].node = cases[4].mesh;
    cases[5].chain.size = 0;
    cases[6].chain.size = WEFT_CHAIN_MAX + 1;
    cases[7].invite = cases[7].mesh;
    cases[8].issuer = cases[8].invite = cases[8].mesh;
    for (size_t i = 0; i < WEFT_COUNT(cases); i++) {
        assert_int_equal(weft_application_write(&cases[i], bytes), WEFT_ERR_INVALID);
    }
}

/* Fields 1 to 3, then those whose bits are set in `fields`; a bit over 7 is a field of a newer version. */
static int read_fields(uint8_t major, uint32_t fields, size_t proof_size)
{
    uint8_t bytes[WEFT_APPLICATION_MAX] = {0};
    struct weft_record_writer writer;
    struct weft_application application = of_invite(), again;
    struct weft_signed parts;
    weft_record_start(&writer, bytes, sizeof(bytes) - WEFT_SIGNATURE_SIZE, major);
    weft_record_key(&writer, 1, &application.mesh);
    weft_record_key(&writer, 2, &application.node);
    weft_record_bytes(&writer, 3, weft_slice(application.link, WEFT_LINK_SIZE));
    for (uint32_t tag = 4; tag < 10; tag++) {
        if ((fields & (uint32_t)1 << tag) == 0) {
            continue;
        }
        if (tag < 6) {
            weft_record_key(&writer, tag, tag == 4 ? &application.issuer : &application.invite);
        } else {
            weft_record_bytes(&writer, tag, weft_slice(chain, tag == 6 ? proof_size : 100));
        }
    }
    int64_t size = weft_record_finish(&writer);
    assert_true(size > 0);
    return weft_application_read(weft_slice(bytes, (size_t)size + WEFT_SIGNATURE_SIZE), &again, &parts);
}

static void test_one_of_the_two(void **state)
{
    (void)state;
    enum { ISSUER = 1 << 4, INVITE = 1 << 5, PROOF = 1 << 6, CHAIN = 1 << 7, NEWER = 1 << 9 };
    for (uint32_t fields = 0; fields < 16; fields++) {
        uint32_t bits = fields << 4;
        bool good = bits == (ISSUER | INVITE | PROOF) || bits == CHAIN;
        assert_int_equal(read_fields(1, bits, WEFT_SIGNATURE_SIZE), good ? 0 : WEFT_ERR_INVALID);
    }
    assert_int_equal(read_fields(1, CHAIN | NEWER, 0), 0);
    assert_int_equal(read_fields(2, CHAIN, 0), WEFT_ERR_UNSUPPORTED);
    assert_int_equal(read_fields(1, ISSUER | INVITE | PROOF, WEFT_SIGNATURE_SIZE - 1), WEFT_ERR_INVALID);
    uint8_t longer[WEFT_APPLICATION_MAX + 1] = {1};
    struct weft_application again;
    struct weft_signed parts;
    assert_int_equal(weft_application_read(weft_slice(longer, sizeof(longer)), &again, &parts), WEFT_ERR_TOO_LARGE);
}

static void test_proven(void **state)
{
    (void)state;
    uint8_t text[WEFT_PROVEN_SIZE];
    struct weft_application application = of_invite();
    weft_application_proven(&application, text);
    assert_memory_equal(text, application.mesh.bytes, WEFT_KEY_SIZE);
    assert_memory_equal(text + WEFT_KEY_SIZE, application.issuer.bytes, WEFT_KEY_SIZE);
    assert_memory_equal(text + sizeof(text) - WEFT_KEY_SIZE, application.node.bytes, WEFT_KEY_SIZE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_there_and_back),
        cmocka_unit_test(test_writes_nothing_that_is_not_one),
        cmocka_unit_test(test_one_of_the_two),
        cmocka_unit_test(test_proven),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
