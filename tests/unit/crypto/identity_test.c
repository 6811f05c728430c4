/* tests/unit/crypto/identity_test.c - signatures of one kind that pass as no other, and key files strictly read. */
#include "crypto/identity.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/error.h"
#include "base/text.h"

static struct weft_identity anna, ben;

static int set_up(void **state)
{
    uint8_t seed[WEFT_SEED_SIZE] = {1};
    (void)state;
    weft_identity_init(&anna, seed);
    seed[0] = 2;
    weft_identity_init(&ben, seed);
    return 0;
}

/* RFC 8032 section 7.1, test 1: the public key of that secret. */
static void test_is_ed25519(void **state)
{
    (void)state;
    static const uint8_t seed[WEFT_SEED_SIZE] = {0x9d, 0x61, 0xb1, 0x9d, 0xef, 0xfd, 0x5a, 0x60, 0xba, 0x84, 0x4a,
                                                 0xf4, 0x92, 0xec, 0x2c, 0xc4, 0x44, 0x49, 0xc5, 0x69, 0x7b, 0x32,
                                                 0x69, 0x19, 0x70, 0x3b, 0xac, 0x03, 0x1c, 0xae, 0x7f, 0x60};
    struct weft_identity identity;
    char hex[2 * WEFT_KEY_SIZE + 1];
    weft_identity_init(&identity, seed);
    weft_hex(hex, identity.key.bytes, sizeof(identity.key.bytes));
    assert_string_equal(hex, "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a");
}

static void test_signs_for_one_domain(void **state)
{
    (void)state;
    uint8_t signature[WEFT_SIGNATURE_SIZE];
    struct weft_slice domain = WEFT_SLICE("weft test v1"), bytes = WEFT_SLICE("some bytes");
    weft_identity_sign(&anna, domain, bytes, signature);
    assert_true(weft_key_verify(&anna.key, domain, bytes, signature));
    assert_false(weft_key_verify(&ben.key, domain, bytes, signature));
    assert_false(weft_key_verify(&anna.key, WEFT_SLICE("weft test v2"), bytes, signature));
    assert_false(weft_key_verify(&anna.key, WEFT_SLICE("weft test v"), WEFT_SLICE("1some bytes"), signature));
    assert_false(weft_key_verify(&anna.key, domain, WEFT_SLICE("some byte"), signature));
    assert_false(weft_key_verify(&anna.key, domain, (struct weft_slice){0}, signature));
}

static void test_each_bit_counts(void **state)
{
    (void)state;
    uint8_t signature[WEFT_SIGNATURE_SIZE];
    char bytes[] = "record";
    struct weft_slice domain = WEFT_SLICE("weft test v1");
    weft_identity_sign(&anna, domain, weft_slice(bytes, 6), signature);
    for (size_t bit = 0; bit < (size_t)8 * WEFT_SIGNATURE_SIZE; bit++) {
        signature[bit / 8] ^= (uint8_t)(1u << (bit % 8));
        assert_false(weft_key_verify(&anna.key, domain, weft_slice(bytes, 6), signature));
        signature[bit / 8] ^= (uint8_t)(1u << (bit % 8));
    }
    for (size_t bit = 0; bit < (size_t)8 * 6; bit++) {
        bytes[bit / 8] = (char)(bytes[bit / 8] ^ (1 << (bit % 8)));
        assert_false(weft_key_verify(&anna.key, domain, weft_slice(bytes, 6), signature));
        bytes[bit / 8] = (char)(bytes[bit / 8] ^ (1 << (bit % 8)));
    }
    assert_true(weft_key_verify(&anna.key, domain, weft_slice(bytes, 6), signature));
}

static void test_largest(void **state)
{
    (void)state;
    static const char bytes[WEFT_SIGNED_RECORD_MAX + 1];
    uint8_t signature[WEFT_SIGNATURE_SIZE];
    weft_identity_sign(&anna, WEFT_SLICE("weft test v1"), weft_slice(bytes, WEFT_SIGNED_RECORD_MAX), signature);
    assert_true(
        weft_key_verify(&anna.key, WEFT_SLICE("weft test v1"), weft_slice(bytes, WEFT_SIGNED_RECORD_MAX), signature));
    assert_false(weft_key_verify(&anna.key, WEFT_SLICE("weft test v1"), weft_slice(bytes, sizeof(bytes)), signature));
}

static void test_wiped(void **state)
{
    (void)state;
    static const struct weft_identity nothing;
    struct weft_identity identity = anna;
    weft_identity_deinit(&identity);
    assert_memory_equal(&identity, &nothing, sizeof(identity));
}

static void test_file_and_back(void **state)
{
    (void)state;
    char text[WEFT_IDENTITY_TEXT_SIZE];
    const char *why;
    struct weft_identity again;
    weft_identity_text(&anna, WEFT_IDENTITY_NODE, text);
    assert_string_equal(text, "weft node key v1 AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n");
    assert_int_equal(weft_identity_parse(&again, WEFT_IDENTITY_NODE, weft_slice_text(text), &why), 0);
    assert_memory_equal(&again, &anna, sizeof(again));
    assert_null(why);
    weft_identity_text(&ben, WEFT_IDENTITY_ROOT, text);
    assert_string_equal(text, "weft root key v1 AgAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n");
    assert_int_equal(weft_identity_parse(&again, WEFT_IDENTITY_ROOT, weft_slice_text(text), &why), 0);
    assert_memory_equal(&again, &ben, sizeof(again));
}

static void test_file_refused(void **state)
{
    (void)state;
#define SEED_TEXT "AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
    static const char no_file[] = "it is no key file of weft", cut[] = "it is cut short";
    static const char more[] = "there is more in it than one key", damaged[] = "its key is damaged";
    static const char newer[] = "it was written by a newer weft than this one";
    static const struct {
        enum weft_identity_kind kind;
        int error;
        const char *text, *why;
    } cases[] = {
        {WEFT_IDENTITY_NODE, WEFT_ERR_INVALID, "", "it is empty"},
        {WEFT_IDENTITY_NODE, WEFT_ERR_INVALID, "hello\n", no_file},
        {WEFT_IDENTITY_NODE, WEFT_ERR_INVALID, " weft node key v1 " SEED_TEXT "\n", no_file},
        {WEFT_IDENTITY_NODE, WEFT_ERR_INVALID, "weft node key v1x" SEED_TEXT "\n", no_file},
        {WEFT_IDENTITY_NODE, WEFT_ERR_INVALID, "weft node key v0 " SEED_TEXT "\n", no_file},
        {WEFT_IDENTITY_NODE, WEFT_ERR_UNSUPPORTED, "weft node key v2 something else\n", newer},
        {WEFT_IDENTITY_NODE, WEFT_ERR_INVALID, "weft node key v", cut},
        {WEFT_IDENTITY_NODE, WEFT_ERR_INVALID, "weft node key v1 ", cut},
        {WEFT_IDENTITY_NODE, WEFT_ERR_INVALID, "weft node key v1 " SEED_TEXT, cut},
        {WEFT_IDENTITY_NODE, WEFT_ERR_INVALID, "weft node key v1 " SEED_TEXT "\n\n", more},
        {WEFT_IDENTITY_NODE, WEFT_ERR_INVALID, "weft node key v1 " SEED_TEXT "\r\n", more},
        {WEFT_IDENTITY_NODE, WEFT_ERR_INVALID, "weft node key v1 " SEED_TEXT " ", more},
        {WEFT_IDENTITY_NODE, WEFT_ERR_INVALID, "weft node key v1 AQAAAAAAAAAAAAAAAAAAAA+AAAAAAAAAAAAAAAAAAAA\n",
         damaged},
        {WEFT_IDENTITY_NODE, WEFT_ERR_INVALID, "weft node key v1 AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAB\n",
         damaged},
        {WEFT_IDENTITY_NODE, WEFT_ERR_INVALID, "weft root key v1 " SEED_TEXT "\n",
         "it is the key of a mesh (a root key), and a node's key is wanted"},
        {WEFT_IDENTITY_ROOT, WEFT_ERR_INVALID, "weft node key v1 " SEED_TEXT "\n",
         "it is the key of a node, and that of a mesh (a root key) is wanted"},
    };
    for (size_t i = 0; i < WEFT_COUNT(cases); i++) {
        struct weft_identity identity;
        const char *why = NULL;
        assert_int_equal(weft_identity_parse(&identity, cases[i].kind, weft_slice_text(cases[i].text), &why),
                         cases[i].error);
        assert_string_equal(why, cases[i].why);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_is_ed25519),      cmocka_unit_test(test_signs_for_one_domain),
        cmocka_unit_test(test_each_bit_counts), cmocka_unit_test(test_largest),
        cmocka_unit_test(test_wiped),           cmocka_unit_test(test_file_and_back),
        cmocka_unit_test(test_file_refused),
    };
    return cmocka_run_group_tests(tests, set_up, NULL);
}
