/* tests/unit/base/siphash_test.c - SipHash-2-4 by its authors' test vectors. */
#include "base/siphash.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

/* Appendix A of the paper, and the first ones of the authors' vectors.h: the key is 00 01 .. 0f, the text 00 01 .. */
static void test_known_values(void **state)
{
    (void)state;
    struct weft_siphash_key key;
    uint8_t text[15];
    for (uint8_t i = 0; i < sizeof(key.bytes); i++) {
        key.bytes[i] = i;
    }
    for (uint8_t i = 0; i < sizeof(text); i++) {
        text[i] = i;
    }
    assert_true(weft_siphash(&key, text, sizeof(text)) == 0xa129ca6149be45e5u);
    assert_true(weft_siphash(&key, NULL, 0) == 0x726fdb47dd0e0e31u);
    assert_true(weft_siphash(&key, text, 1) == 0x74f839c593dc67fdu);
    assert_true(weft_siphash(&key, text, 8) == 0x93f5f5799a932462u);
}

static void test_each_bit_counts(void **state)
{
    (void)state;
    struct weft_siphash_key key = {{1}};
    uint8_t bytes[19] = {1, 2, 3};
    uint64_t hash = weft_siphash(&key, bytes, sizeof(bytes));
    for (size_t bit = 0; bit < 8 * sizeof(bytes); bit++) {
        bytes[bit / 8] ^= (uint8_t)(1u << (bit % 8));
        assert_true(weft_siphash(&key, bytes, sizeof(bytes)) != hash);
        bytes[bit / 8] ^= (uint8_t)(1u << (bit % 8));
    }
    key.bytes[15] = 1;
    assert_true(weft_siphash(&key, bytes, sizeof(bytes)) != hash);
}

static void test_numbers(void **state)
{
    (void)state;
    uint8_t bytes[8];
    weft_store64(bytes, 0x0102030405060708u);
    assert_int_equal(bytes[0], 8);
    assert_int_equal(bytes[7], 1);
    assert_true(weft_load64(bytes) == 0x0102030405060708u);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_known_values),
        cmocka_unit_test(test_each_bit_counts),
        cmocka_unit_test(test_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
