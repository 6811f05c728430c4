/* tests/unit/wire/letter_test.c - signed records as lines: what a person pasted, cut or mixed up. */
#include "wire/letter.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/error.h"

static void test_there_and_back(void **state)
{
    (void)state;
    uint8_t bytes[WEFT_LETTER_BYTES_MAX + 1], again[WEFT_LETTER_BYTES_MAX];
    char line[WEFT_LETTER_SIZE], pasted[WEFT_LETTER_SIZE + 8];
    for (size_t i = 0; i < sizeof(bytes); i++) {
        bytes[i] = (uint8_t)(7 * i);
    }
    for (size_t size = 1; size <= WEFT_LETTER_BYTES_MAX; size += size < 10 ? 1 : 251) {
        assert_int_equal(weft_letter_write(WEFT_CERTIFICATE_DOMAIN, weft_slice(bytes, size), line), 0);
        assert_int_equal(line[strlen(line) - 1], '\n');
        (void)snprintf(pasted, sizeof(pasted), " \r\n%s\n ", line);
        assert_int_equal(weft_letter_read(WEFT_CERTIFICATE_DOMAIN, weft_slice_text(pasted), again), size);
        assert_memory_equal(again, bytes, size);
        assert_int_equal(weft_letter_read(WEFT_REVOCATION_DOMAIN, weft_slice_text(line), again), WEFT_ERR_INVALID);
    }
    assert_int_equal(weft_letter_write(WEFT_CERTIFICATE_DOMAIN, weft_slice(bytes, WEFT_LETTER_BYTES_MAX), line), 0);
    assert_int_equal(weft_letter_read(WEFT_CERTIFICATE_DOMAIN, weft_slice_text(line), again), WEFT_LETTER_BYTES_MAX);
    assert_int_equal(weft_letter_write(WEFT_CERTIFICATE_DOMAIN, weft_slice(bytes, sizeof(bytes)), line),
                     WEFT_ERR_TOO_LARGE);
}

static void test_refused(void **state)
{
    (void)state;
    static const struct {
        const char *line;
        int64_t result;
    } cases[] = {
        {"weft certificate v1 AAAA", 3},
        {"weft certificate v1 AAA=", WEFT_ERR_CRYPTO},
        {"weft certificate v1 AAAAA", WEFT_ERR_CRYPTO},
        {"weft certificate v1  AAAA", WEFT_ERR_CRYPTO},
        {"weft certificate v1 AA AA", WEFT_ERR_CRYPTO},
        {"weft certificate v1", WEFT_ERR_INVALID},
        {"weft certificate v1 ", WEFT_ERR_INVALID},
        {"weft certificate v12 AAAA", WEFT_ERR_INVALID},
        {"weft certificate v2 AAAA", WEFT_ERR_UNSUPPORTED},
        {"weft certificate v0 AAAA", WEFT_ERR_INVALID},
        {"weft certificate vx AAAA", WEFT_ERR_INVALID},
        {"weft revocation v1 AAAA", WEFT_ERR_INVALID},
        {"hello", WEFT_ERR_INVALID},
        {"", WEFT_ERR_INVALID},
    };
    uint8_t bytes[WEFT_LETTER_BYTES_MAX];
    for (size_t i = 0; i < WEFT_COUNT(cases); i++) {
        assert_int_equal(weft_letter_read(WEFT_CERTIFICATE_DOMAIN, weft_slice_text(cases[i].line), bytes),
                         cases[i].result);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_there_and_back),
        cmocka_unit_test(test_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
