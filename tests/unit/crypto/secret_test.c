/* tests/unit/crypto/secret_test.c - keys as hashes: what they equal, what they do not, and what is left of them. */
#include "crypto/secret.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "base/text.h"

static void expect_hash(struct weft_slice key, const char *hex)
{
    struct weft_secret secret = weft_secret_of(key);
    char text[2 * WEFT_SECRET_HASH_SIZE + 1];
    weft_hex(text, secret.hash, sizeof(secret.hash));
    assert_string_equal(text, hex);
}

/* The examples of FIPS 180-2 appendix B, and the empty text. */
static void test_is_sha256(void **state)
{
    (void)state;
    expect_hash(WEFT_SLICE("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    expect_hash(WEFT_SLICE("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"),
                "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
    expect_hash(WEFT_SLICE(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    expect_hash((struct weft_slice){0}, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

static void test_matches_itself_only(void **state)
{
    static const char *const others[] = {"",         "w",        "weft-ke",   "weft-key2", "Weft-key",
                                         "weft-kez", "xeft-key", " weft-key", "weft-key ", "weft-key\n"};
    (void)state;
    struct weft_secret secret = weft_secret_of(WEFT_SLICE("weft-key"));
    assert_true(weft_secret_set(&secret));
    assert_true(weft_secret_matches(&secret, WEFT_SLICE("weft-key")));
    for (size_t i = 0; i < WEFT_COUNT(others); i++) {
        assert_false(weft_secret_matches(&secret, weft_slice_text(others[i])));
    }
    assert_false(weft_secret_matches(&secret, (struct weft_slice){0}));
    assert_false(weft_secret_matches(&secret, weft_slice("weft-key", 9))); /* its NUL is a byte like any other */
    /* Who has seen the hash does not have the key. */
    assert_false(weft_secret_matches(&secret, weft_slice(secret.hash, sizeof(secret.hash))));
    char hex[2 * WEFT_SECRET_HASH_SIZE + 1];
    weft_hex(hex, secret.hash, sizeof(secret.hash));
    assert_false(weft_secret_matches(&secret, weft_slice_text(hex)));
}

/* Each bit of a hash counts, wherever it is. */
static void test_each_bit_counts(void **state)
{
    (void)state;
    for (size_t bit = 0; bit < (size_t)8 * WEFT_SECRET_HASH_SIZE; bit++) {
        struct weft_secret secret = weft_secret_of(WEFT_SLICE("weft-key"));
        secret.hash[bit / 8] ^= (uint8_t)(1u << (bit % 8));
        assert_true(weft_secret_set(&secret));
        assert_false(weft_secret_matches(&secret, WEFT_SLICE("weft-key")));
    }
}

static void test_none_equals_nothing(void **state)
{
    static const char zeros[WEFT_SECRET_HASH_SIZE];
    (void)state;
    struct weft_secret none = {0};
    assert_false(weft_secret_set(&none));
    assert_false(weft_secret_matches(&none, (struct weft_slice){0}));
    assert_false(weft_secret_matches(&none, WEFT_SLICE("")));
    assert_false(weft_secret_matches(&none, WEFT_SLICE("weft-key")));
    assert_false(weft_secret_matches(&none, weft_slice(zeros, sizeof(zeros))));
    /* An empty key is a key: whoever takes settings refuses it before it gets here. */
    struct weft_secret empty = weft_secret_of(WEFT_SLICE(""));
    assert_true(weft_secret_set(&empty));
    for (size_t i = 0; i < WEFT_SECRET_HASH_SIZE; i++) { /* one byte anywhere makes it one that is set */
        none = (struct weft_secret){0};
        none.hash[i] = 1;
        assert_true(weft_secret_set(&none));
    }
}

static void test_wiped_is_gone(void **state)
{
    char memory[16] = "0123456789abcde";
    (void)state;
    weft_secret_wipe(memory + 4, 8);
    assert_memory_equal(memory, "0123\0\0\0\0\0\0\0\0cde", 16); /* that much and no more */
    weft_secret_wipe(memory, 0);
    assert_int_equal(memory[0], '0');
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_is_sha256),       cmocka_unit_test(test_matches_itself_only),
        cmocka_unit_test(test_each_bit_counts), cmocka_unit_test(test_none_equals_nothing),
        cmocka_unit_test(test_wiped_is_gone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
