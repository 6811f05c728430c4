/* tests/unit/wire/record_test.c - one way to say a thing, every other refused, and what is unknown skipped. */
#include "wire/record.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "base/error.h"

#define SEEN_MAX 300

/* What a reading gave. */
static struct {
    struct weft_record_field fields[SEEN_MAX];
    size_t count;
} seen;

static int take(void *self, const struct weft_record_field *field)
{
    (void)self;
    assert_true(seen.count < SEEN_MAX);
    seen.fields[seen.count++] = *field;
    return 0;
}

static const struct weft_record_shape loose = {.major = 1};

static int read_as(const struct weft_record_shape *shape, const void *data, size_t size)
{
    seen.count = 0;
    return weft_record_read(weft_slice(data, size), shape, take, NULL);
}

static void test_writes_what_is_documented(void **state)
{
    (void)state;
    static const uint8_t wanted[] = {1,    1,    2,    'h',  'i',  2,    1,    0,    2,    1,    127,
                                     3,    2,    0x80, 0x01, 0xc8, 1,    0x0a, 0xff, 0xff, 0xff, 0xff,
                                     0xff, 0xff, 0xff, 0xff, 0xff, 0x01, 0xff, 0x7f, 0};
    uint8_t memory[64];
    struct weft_record_writer writer;
    weft_record_start(&writer, memory, sizeof(memory), 1);
    weft_record_bytes(&writer, 1, WEFT_SLICE("hi"));
    weft_record_number(&writer, 2, 0);
    weft_record_number(&writer, 2, 127);
    weft_record_number(&writer, 3, 128);
    weft_record_number(&writer, 200, UINT64_MAX);
    weft_record_bytes(&writer, WEFT_RECORD_TAG_MAX, (struct weft_slice){0});
    assert_int_equal(weft_record_finish(&writer), sizeof(wanted));
    assert_memory_equal(memory, wanted, sizeof(wanted));

    assert_int_equal(read_as(&loose, memory, sizeof(wanted)), 0);
    assert_int_equal(seen.count, 6);
    static const uint64_t numbers[] = {0, 127, 128, UINT64_MAX};
    for (size_t i = 0; i < WEFT_COUNT(numbers); i++) {
        uint64_t number = 1;
        assert_int_equal(weft_record_to_number(&seen.fields[i + 1], UINT64_MAX, &number), 0);
        assert_int_equal(number, numbers[i]);
        if (numbers[i] > 0) {
            assert_int_equal(weft_record_to_number(&seen.fields[i + 1], numbers[i] - 1, &number), WEFT_ERR_INVALID);
        }
    }
    assert_int_equal(seen.fields[4].tag, 200);
    assert_int_equal(seen.fields[5].value.size, 0);
}

static void test_no_room(void **state)
{
    (void)state;
    uint8_t memory[8] = {0};
    for (size_t room = 0; room < 7; room++) {
        struct weft_record_writer writer;
        memory[room] = 0xee;
        weft_record_start(&writer, memory, room, 1);
        weft_record_bytes(&writer, 1, WEFT_SLICE("abc"));
        weft_record_number(&writer, 2, 7); /* 1 + 5 + 3 bytes in all */
        assert_int_equal(weft_record_finish(&writer), WEFT_ERR_TOO_LARGE);
        assert_int_equal(memory[room], 0xee);
    }
}

static void test_refuses_other_ways(void **state)
{
    (void)state;
    static const struct {
        size_t size;
        int error;
        uint8_t bytes[14];
    } cases[] = {
        {0, WEFT_ERR_INVALID, {0}},
        {1, WEFT_ERR_INVALID, {0}},                   /* major 0 */
        {1, WEFT_ERR_UNSUPPORTED, {2}},               /* a newer one */
        {3, WEFT_ERR_UNSUPPORTED, {255, 0, 0}},       /* whatever comes behind it */
        {2, WEFT_ERR_INVALID, {1, 1}},                /* a tag without a size */
        {3, WEFT_ERR_INVALID, {1, 1, 1}},             /* a size without its bytes */
        {3, WEFT_ERR_INVALID, {1, 0, 0}},             /* tag 0 */
        {4, WEFT_ERR_INVALID, {1, 0x81, 0, 0}},       /* a tag longer than it need be */
        {4, WEFT_ERR_INVALID, {1, 1, 0x80, 0}},       /* a size likewise */
        {5, WEFT_ERR_INVALID, {1, 2, 0, 1, 0}},       /* tags that go down */
        {5, WEFT_ERR_INVALID, {1, 0x80, 0x80, 1, 0}}, /* a tag over the largest */
        {2, WEFT_ERR_INVALID, {1, 0x80}},             /* a varint without its end */
        {12, WEFT_ERR_INVALID, {1, 1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1}}, /* a huge size */
        {12, WEFT_ERR_INVALID, {1, 1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2}}, /* 65 bits */
        {13, WEFT_ERR_INVALID, {1, 1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x81, 0}},
    };
    for (size_t i = 0; i < WEFT_COUNT(cases); i++) {
        assert_int_equal(read_as(&loose, cases[i].bytes, cases[i].size), cases[i].error);
    }
    assert_int_equal(read_as(&loose, "\1", 1), 0); /* without fields it is one all the same */
    assert_int_equal(seen.count, 0);
}

static void test_numbers_fill_their_field(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t size;
    } cases[] = {{"", 0}, {"\x80", 1}, {"\x80\x00", 2}, {"\x01\x00", 2}, {"\x01\x01", 2}};
    for (size_t i = 0; i < WEFT_COUNT(cases); i++) {
        struct weft_record_field field = {.tag = 1, .value = weft_slice(cases[i].bytes, cases[i].size)};
        uint64_t number;
        int64_t second;
        assert_int_equal(weft_record_to_number(&field, UINT64_MAX, &number), WEFT_ERR_INVALID);
        assert_int_equal(weft_record_to_second(&field, &second), WEFT_ERR_INVALID);
    }
}

static void test_bytes_and_keys(void **state)
{
    (void)state;
    uint8_t bytes[WEFT_KEY_SIZE] = {0}, out[4];
    struct weft_key key;
    struct weft_record_field field = {.tag = 1, .value = weft_slice(bytes, sizeof(bytes))};
    assert_int_equal(weft_record_to_key(&field, &key), WEFT_ERR_INVALID); /* all zeros */
    bytes[0] = 1;
    assert_int_equal(weft_record_to_key(&field, &key), 0);
    assert_memory_equal(key.bytes, bytes, sizeof(bytes));
    assert_int_equal(weft_record_to_bytes(&field, out, sizeof(out)), WEFT_ERR_INVALID);
    field.value.size = 31;
    assert_int_equal(weft_record_to_key(&field, &key), WEFT_ERR_INVALID);
}

static void test_shape(void **state)
{
    (void)state;
    static const struct weft_record_shape shape = {.major = 1, .required = 1 << 1 | 1 << 3, .single = 1 << 1 | 1 << 2};
    assert_int_equal(read_as(&shape, "\1\1\0\3\0", 5), 0);
    assert_int_equal(read_as(&shape, "\1\1\0\3\0\3\0", 7), 0);                  /* 3 may repeat */
    assert_int_equal(read_as(&shape, "\1\1\0\3\0\4\0\4\0\x20\0\x20\0", 13), 0); /* unknown ones too */
    assert_int_equal(seen.count, 6);
    assert_int_equal(read_as(&shape, "\1\1\0", 3), WEFT_ERR_INVALID);             /* 3 is missing */
    assert_int_equal(read_as(&shape, "\1\3\0", 3), WEFT_ERR_INVALID);             /* 1 is missing */
    assert_int_equal(read_as(&shape, "\1\1\0\1\0\3\0", 7), WEFT_ERR_INVALID);     /* 1 twice */
    assert_int_equal(read_as(&shape, "\1\1\0\2\0\2\0\3\0", 9), WEFT_ERR_INVALID); /* 2 twice */

    static const struct weft_record_shape inner = {.required = 1 << 1};
    assert_int_equal(read_as(&inner, "\1\0", 2), 0); /* no major in front */
    assert_int_equal(read_as(&inner, "", 0), WEFT_ERR_INVALID);
}

static void test_bounded(void **state)
{
    (void)state;
    char bytes[1 + 2 * (WEFT_RECORD_FIELDS_MAX + 1)] = {1};
    for (size_t i = 1; i < sizeof(bytes); i += 2) {
        bytes[i] = 5;
    }
    assert_int_equal(read_as(&loose, bytes, sizeof(bytes) - 2), 0);
    assert_int_equal(seen.count, WEFT_RECORD_FIELDS_MAX);
    assert_int_equal(read_as(&loose, bytes, sizeof(bytes)), WEFT_ERR_TOO_LARGE);
}

static int stop_at_second(void *self, const struct weft_record_field *field)
{
    int *count = self;
    (void)field;
    return ++*count == 2 ? WEFT_ERR_FULL : 0;
}

static void test_taker_ends_it(void **state)
{
    (void)state;
    int count = 0;
    assert_int_equal(weft_record_read(weft_slice("\1\1\0\1\0\1\0", 7), &loose, stop_at_second, &count), WEFT_ERR_FULL);
    assert_int_equal(count, 2);
}

static void test_cuts_signature(void **state)
{
    (void)state;
    char bytes[70] = {1};
    struct weft_signed cut;
    assert_int_equal(weft_signed_cut(weft_slice(bytes, 70), 70, &cut), 0);
    assert_int_equal(cut.record.size, 6);
    assert_ptr_equal(cut.record.data, bytes);
    assert_ptr_equal(cut.signature, bytes + 6);
    assert_int_equal(weft_signed_cut(weft_slice(bytes, 70), 69, &cut), WEFT_ERR_TOO_LARGE);
    assert_int_equal(weft_signed_cut(weft_slice(bytes, 64), 70, &cut), WEFT_ERR_INVALID);
    assert_int_equal(weft_signed_cut(weft_slice(bytes, 0), 70, &cut), WEFT_ERR_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_writes_what_is_documented),
        cmocka_unit_test(test_no_room),
        cmocka_unit_test(test_refuses_other_ways),
        cmocka_unit_test(test_numbers_fill_their_field),
        cmocka_unit_test(test_bytes_and_keys),
        cmocka_unit_test(test_shape),
        cmocka_unit_test(test_bounded),
        cmocka_unit_test(test_taker_ends_it),
        cmocka_unit_test(test_cuts_signature),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
