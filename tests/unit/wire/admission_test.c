/* tests/unit/wire/admission_test.c - a chain or a reason, never both; and a reason of a newer version is still a no. */
#include "wire/admission.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "base/error.h"

static char chain[WEFT_CHAIN_MAX + 1];

static void test_there_and_back(void **state)
{
    (void)state;
    uint8_t bytes[WEFT_ADMISSION_MAX];
    struct weft_admission again, admission = {.chain = weft_slice(chain, WEFT_CHAIN_MAX)};
    int64_t size = weft_admission_write(&admission, bytes);
    assert_true(size > 0);
    assert_int_equal(weft_admission_read(weft_slice(bytes, (size_t)size), &again), 0);
    assert_true(weft_slice_equal(again.chain, admission.chain));
    for (size_t cut = 0; cut < (size_t)size; cut++) {
        assert_int_equal(weft_admission_read(weft_slice(bytes, cut), &again), WEFT_ERR_INVALID);
    }
    for (int i = 1; i < WEFT_REFUSAL_COUNT; i++) {
        admission = (struct weft_admission){.refusal = (enum weft_refused)i};
        size = weft_admission_write(&admission, bytes);
        assert_true(size > 0);
        assert_int_equal(weft_admission_read(weft_slice(bytes, (size_t)size), &again), 0);
        assert_int_equal(again.refusal, i);
        assert_int_equal(again.chain.size, 0);
    }
}

static void test_writes_nothing_that_is_not_one(void **state)
{
    (void)state;
    uint8_t bytes[WEFT_ADMISSION_MAX];
    const struct weft_admission cases[] = {
        {.refusal = WEFT_REFUSAL_OTHER},
        {.refusal = WEFT_REFUSAL_COUNT},
        {.chain = weft_slice(chain, WEFT_CHAIN_MAX + 1)},
    };
    for (size_t i = 0; i < WEFT_COUNT(cases); i++) {
        assert_int_equal(weft_admission_write(&cases[i], bytes), WEFT_ERR_INVALID);
    }
}

/* A chain of that size unless it is -1, a refusal unless it is -1, and perhaps a field of a newer version. */
static int read_fields(uint8_t major, int chain_size, int64_t refusal, bool newer, struct weft_admission *out)
{
    static uint8_t bytes[WEFT_ADMISSION_MAX];
    struct weft_record_writer writer;
    weft_record_start(&writer, bytes, sizeof(bytes), major);
    if (chain_size >= 0) {
        weft_record_bytes(&writer, 1, weft_slice(chain, (size_t)chain_size));
    }
    if (refusal >= 0) {
        weft_record_number(&writer, 2, (uint64_t)refusal);
    }
    if (newer) {
        weft_record_number(&writer, 9, 1);
    }
    int64_t size = weft_record_finish(&writer);
    assert_true(size > 0);
    return weft_admission_read(weft_slice(bytes, (size_t)size), out);
}

static void test_versions(void **state)
{
    (void)state;
    struct weft_admission out;
    uint8_t longer[WEFT_ADMISSION_MAX + 1] = {1};
    assert_int_equal(read_fields(1, 100, -1, true, &out), 0);
    assert_int_equal(out.chain.size, 100);
    assert_int_equal(read_fields(1, -1, 99999, false, &out), 0);
    assert_int_equal(out.refusal, WEFT_REFUSAL_OTHER);
    assert_int_equal(out.chain.size, 0);
    assert_int_equal(read_fields(1, -1, -1, true, &out), WEFT_ERR_INVALID);
    assert_int_equal(read_fields(1, 100, 1, false, &out), WEFT_ERR_INVALID);
    assert_int_equal(read_fields(1, 0, -1, false, &out), WEFT_ERR_INVALID);
    assert_int_equal(read_fields(1, WEFT_CHAIN_MAX + 1, -1, false, &out), WEFT_ERR_INVALID);
    assert_int_equal(read_fields(1, -1, 0, false, &out), WEFT_ERR_INVALID);
    assert_int_equal(read_fields(2, 100, -1, false, &out), WEFT_ERR_UNSUPPORTED);
    assert_int_equal(weft_admission_read(weft_slice(longer, sizeof(longer)), &out), WEFT_ERR_TOO_LARGE);
}

static void test_each_refusal_has_its_own_words(void **state)
{
    (void)state;
    for (int i = 0; i < WEFT_REFUSAL_COUNT; i++) {
        assert_true(strlen(weft_refusal_text((enum weft_refused)i)) > 20);
        for (int j = 0; j < i; j++) {
            assert_string_not_equal(weft_refusal_text((enum weft_refused)i), weft_refusal_text((enum weft_refused)j));
            assert_string_not_equal(weft_refusal_word((enum weft_refused)i), weft_refusal_word((enum weft_refused)j));
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_there_and_back),
        cmocka_unit_test(test_writes_nothing_that_is_not_one),
        cmocka_unit_test(test_versions),
        cmocka_unit_test(test_each_refusal_has_its_own_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
