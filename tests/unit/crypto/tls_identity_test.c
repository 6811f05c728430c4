/* tests/unit/crypto/tls_identity_test.c - what is taken as a certificate and key, and what is said of the rest. */
#include "support/tls_ends.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static struct tls_authority authority;

static int from_pem(const struct pem_text *certificate, const struct pem_text *key, char why[160])
{
    struct weft_tls_identity *identity = NULL;
    memset(why, 0, 160);
    int error = weft_tls_identity_from_pem(&identity, pem_slice(certificate), pem_slice(key), why, 160);
    assert_true((identity != NULL) == (error == 0));
    weft_tls_identity_free(identity);
    return error;
}

static void test_kinds_of_key(void **state)
{
    (void)state;
    EVP_PKEY *keys[] = {EVP_EC_gen("P-256"), EVP_EC_gen("P-384"), EVP_RSA_gen(2048),
                        EVP_PKEY_Q_keygen(NULL, NULL, "ED25519")};
    for (size_t i = 0; i < WEFT_COUNT(keys); i++) {
        struct pem_text certificate, key;
        char why[160];
        tls_authority_issue(&authority, (struct certificate_wish){.key = keys[i]}, &certificate, &key);
        assert_int_equal(from_pem(&certificate, &key, why), 0);
        EVP_PKEY_free(keys[i]);
    }
}

static void test_keys_that_tls_does_not_use(void **state)
{
    (void)state;
    EVP_PKEY *keys[] = {EVP_EC_gen("secp256k1"), EVP_RSA_gen(1024)};
    const char *sentences[] = {"the key is of a kind that TLS 1.3 does not use: make an ECDSA P-256 one",
                               "the key or a signature in the chain is too weak"};
    for (size_t i = 0; i < WEFT_COUNT(keys); i++) {
        struct pem_text certificate, key;
        char why[160];
        tls_authority_issue(&authority, (struct certificate_wish){.key = keys[i]}, &certificate, &key);
        assert_true(from_pem(&certificate, &key, why) < 0);
        assert_string_equal(why, sentences[i]);
        EVP_PKEY_free(keys[i]);
    }
}

static void test_sentences(void **state)
{
    (void)state;
    static struct pem_text certificate, key, locked, other_key, nothing, damaged, damaged_key, half_chain, endless,
        huge;
    tls_authority_issue(&authority, (struct certificate_wish){0}, &certificate, &key);
    pem_add_key(&locked, authority.leaf_key, "secret");
    pem_add_key(&other_key, authority.key, NULL);
    damaged = certificate;
    damaged.data[60] = '!';
    damaged_key = key;
    damaged_key.data[60] = '!';
    pem_add_certificate(&half_chain, authority.certificate);
    size_t second = half_chain.size;
    pem_add_certificate(&half_chain, authority.certificate);
    half_chain.data[second + 60] = '!';
    for (int i = 0; i < 12; i++) {
        pem_add_certificate(&endless, authority.certificate);
    }
    const struct {
        const struct pem_text *certificate, *key;
        int error;
        const char *why;
    } cases[] = {
        {&nothing, &key, WEFT_ERR_INVALID, "there is no certificate in it"},
        {&key, &key, WEFT_ERR_INVALID, "there is no certificate in it"},
        {&damaged, &key, WEFT_ERR_INVALID, "the certificate cannot be read"},
        {&half_chain, &key, WEFT_ERR_INVALID, "a certificate of the chain cannot be read"},
        {&endless, &key, WEFT_ERR_TOO_LARGE, "the certificate's chain is longer than 10"},
        {&certificate, &nothing, WEFT_ERR_INVALID, "there is no private key in it"},
        {&certificate, &certificate, WEFT_ERR_INVALID, "there is no private key in it"},
        {&certificate, &damaged_key, WEFT_ERR_INVALID, "the private key cannot be read"},
        {&certificate, &locked, WEFT_ERR_INVALID, "the key is locked with a password: store it without one"},
        {&certificate, &other_key, WEFT_ERR_INVALID, "the key does not fit the certificate"},
    };
    for (size_t i = 0; i < WEFT_COUNT(cases); i++) {
        char why[160];
        int error = from_pem(cases[i].certificate, cases[i].key, why);
        assert_string_equal(why, cases[i].why);
        assert_int_equal(error, cases[i].error);
    }
    struct weft_tls_identity *identity = NULL;
    char why[160];
    assert_int_equal(
        weft_tls_identity_from_pem(&identity, weft_slice(huge.data, 1 << 20), pem_slice(&key), why, sizeof(why)),
        WEFT_ERR_TOO_LARGE);
}

static void test_sentence_is_cut_to_its_room(void **state)
{
    (void)state;
    struct weft_tls_identity *identity = NULL;
    char why[8];
    assert_int_equal(weft_tls_identity_from_pem(&identity, WEFT_SLICE(""), WEFT_SLICE(""), why, sizeof(why)),
                     WEFT_ERR_INVALID);
    assert_string_equal(why, "there i");
}

static void test_seed(void **state)
{
    (void)state;
    uint8_t seed[WEFT_TLS_KEY_SIZE] = {7};
    int64_t instants[] = {0, 1767225600, 32472144000}; /* 1970, 2026, 2999 */
    for (size_t i = 0; i < WEFT_COUNT(instants); i++) {
        struct weft_tls_identity *identity = NULL;
        assert_int_equal(weft_tls_identity_from_seed(&identity, seed, instants[i]), 0);
        weft_tls_identity_free(identity);
    }
    weft_tls_identity_free(NULL);
}

static int set_up(void **state)
{
    (void)state;
    weft_tls_setup();
    tls_authority_init(&authority);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    tls_authority_deinit(&authority);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kinds_of_key), cmocka_unit_test(test_keys_that_tls_does_not_use),
        cmocka_unit_test(test_sentences),    cmocka_unit_test(test_sentence_is_cut_to_its_room),
        cmocka_unit_test(test_seed),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
