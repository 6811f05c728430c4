/* tests/unit/base/checksum_test.c - CRC-32 by its published check value. */
#include "base/checksum.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void test_known_values(void **state)
{
    (void)state;
    assert_int_equal(weft_checksum("123456789", 9), 0xcbf43926); /* the check value of CRC-32/ISO-HDLC */
    assert_int_equal(weft_checksum("", 0), 0);
    assert_int_equal(weft_checksum("a", 1), 0xe8b7be43);
}

static void test_each_bit_counts(void **state)
{
    (void)state;
    uint8_t bytes[40] = {1, 2, 3};
    uint32_t sum = weft_checksum(bytes, sizeof(bytes));
    for (size_t bit = 0; bit < 8 * sizeof(bytes); bit++) {
        bytes[bit / 8] ^= (uint8_t)(1u << (bit % 8));
        assert_int_not_equal(weft_checksum(bytes, sizeof(bytes)), sum);
        bytes[bit / 8] ^= (uint8_t)(1u << (bit % 8));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_known_values),
        cmocka_unit_test(test_each_bit_counts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
