/* tests/unit/crypto/digest_test.c - SHA-256 against the examples of FIPS 180-4. */
#include "crypto/digest.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/text.h"

static void assert_hash(struct weft_slice text, size_t piece, const char *wanted)
{
    struct weft_digest *digest;
    uint8_t hash[WEFT_DIGEST_SIZE];
    char shown[2 * WEFT_DIGEST_SIZE + 1];
    assert_int_equal(weft_digest_new(&digest), 0);
    for (size_t at = 0; at < text.size; at += piece) {
        weft_digest_add(digest, text.data + at, text.size - at < piece ? text.size - at : piece);
    }
    weft_digest_finish(digest, hash);
    weft_digest_free(digest);
    weft_hex(shown, hash, sizeof(hash));
    assert_string_equal(shown, wanted);
}

static void it_is_sha_256_however_it_comes(void **state)
{
    (void)state;
    struct weft_slice longer = WEFT_SLICE("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq");
    assert_hash(WEFT_SLICE(""), 1, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    assert_hash(WEFT_SLICE("abc"), 3, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    for (size_t piece = 1; piece <= longer.size; piece++) {
        assert_hash(longer, piece, "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(it_is_sha_256_however_it_comes)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
