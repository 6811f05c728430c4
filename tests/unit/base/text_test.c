/* tests/unit/base/text_test.c - hexadecimal, base32, base64url and dates, by the standards' own examples. */
#include "base/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/error.h"

static void test_hex(void **state)
{
    (void)state;
    char text[9];
    weft_hex(text, "\x00\x7f\x80\xff", 4);
    assert_string_equal(text, "007f80ff");
    weft_hex(text, "", 0);
    assert_string_equal(text, "");
}

static void test_classes_of_bytes(void **state)
{
    (void)state;
    static const char lower[] = "0123456789abcdef", upper[] = "0123456789ABCDEF";
    static const char alnum[] = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
    for (int byte = 0; byte < 256; byte++) {
        const char *in_lower = byte ? strchr(lower, byte) : NULL, *in_upper = byte ? strchr(upper, byte) : NULL;
        long value = in_lower ? in_lower - lower : in_upper ? in_upper - upper : -1;
        assert_int_equal(weft_hex_value((char)byte), value);
        assert_int_equal(weft_is_alnum((char)byte), byte && strchr(alnum, byte));
    }
}

static void test_trim(void **state)
{
    (void)state;
    static const struct {
        const char *text, *trimmed;
    } cases[] = {{"", ""}, {" \t\r\n", ""}, {"a", "a"}, {"\r\n a b\t\n", "a b"}, {"\va", "\va"}};
    for (size_t i = 0; i < WEFT_COUNT(cases); i++) {
        assert_true(weft_slice_equal(weft_trim(weft_slice_text(cases[i].text)), weft_slice_text(cases[i].trimmed)));
    }
    assert_int_equal(weft_trim((struct weft_slice){0}).size, 0);
}

static void test_base64url(void **state)
{
    (void)state;
    /* RFC 4648 section 10, without padding; the last two need both letters that base64 writes otherwise. */
    static const struct {
        const char *bytes, *text;
    } cases[] = {
        {"", ""},           {"f", "Zg"},          {"fo", "Zm8"},          {"foo", "Zm9v"},
        {"foob", "Zm9vYg"}, {"fooba", "Zm9vYmE"}, {"foobar", "Zm9vYmFy"}, {"\xff\xef\xbe", "_---"},
    };
    for (size_t i = 0; i < WEFT_COUNT(cases); i++) {
        char text[WEFT_BASE64URL_SIZE(6)];
        size_t size = strlen(cases[i].bytes);
        weft_base64url(text, cases[i].bytes, size);
        assert_string_equal(text, cases[i].text);
        assert_true(strlen(text) + 1 <= WEFT_BASE64URL_SIZE(size));
        char bytes[6];
        assert_int_equal(weft_base64url_read(bytes, size, weft_slice_text(text)), (int64_t)size);
        assert_memory_equal(bytes, cases[i].bytes, size);
        if (size > 0) {
            assert_int_equal(weft_base64url_read(bytes, size - 1, weft_slice_text(text)), WEFT_ERR_TOO_LARGE);
        }
    }
}

static void test_base32(void **state)
{
    (void)state;
    /* RFC 4648 section 10, in lower case and without padding. */
    static const struct {
        const char *bytes, *text;
    } cases[] = {
        {"", ""},
        {"f", "my"},
        {"fo", "mzxq"},
        {"foo", "mzxw6"},
        {"foob", "mzxw6yq"},
        {"fooba", "mzxw6ytb"},
        {"foobar", "mzxw6ytboi"},
        {"\xff\xff\xff\xff\xff", "77777777"},
    };
    for (size_t i = 0; i < WEFT_COUNT(cases); i++) {
        char text[WEFT_BASE32_SIZE(6)], bytes[6];
        size_t size = strlen(cases[i].bytes);
        weft_base32(text, cases[i].bytes, size);
        assert_string_equal(text, cases[i].text);
        assert_true(strlen(text) + 1 <= WEFT_BASE32_SIZE(size));
        assert_int_equal(weft_base32_read(bytes, size, weft_slice_text(text)), (int64_t)size);
        assert_memory_equal(bytes, cases[i].bytes, size);
        if (size > 0) {
            assert_int_equal(weft_base32_read(bytes, size - 1, weft_slice_text(text)), WEFT_ERR_TOO_LARGE);
        }
    }
}

/* Each run of bytes has one text; every other is refused. */
static void test_reads_strictly(void **state)
{
    (void)state;
    static const char *const no_base64url[] = {"Z",     "Zm9vY", "Zh",   "Zm9",  "Zg==",       "Zm 8",
                                               "Zm8\n", "Zm+v",  "Zm/v", "Zm9.", "Zm9\xc3\xa9"};
    static const char *const no_base32[] = {"m",  "mzx", "mzxw6y", "mz",   "my======", "MY",   "m1",
                                            "m8", "m0",  "m9",     "mzxr", " my",      "my\n", "m\xe2"};
    char bytes[8];
    for (size_t i = 0; i < WEFT_COUNT(no_base64url); i++) {
        assert_int_equal(weft_base64url_read(bytes, sizeof(bytes), weft_slice_text(no_base64url[i])), WEFT_ERR_INVALID);
    }
    for (size_t i = 0; i < WEFT_COUNT(no_base32); i++) {
        assert_int_equal(weft_base32_read(bytes, sizeof(bytes), weft_slice_text(no_base32[i])), WEFT_ERR_INVALID);
    }
    assert_int_equal(weft_base64url_read(bytes, sizeof(bytes), weft_slice("Zg\0", 3)), WEFT_ERR_INVALID);
    assert_int_equal(weft_base32_read(bytes, sizeof(bytes), weft_slice("my\0", 3)), WEFT_ERR_INVALID);
}

static void test_http_dates(void **state)
{
    (void)state;
    static const struct {
        int64_t seconds;
        const char *text;
    } cases[] = {
        {784111777, "Sun, 06 Nov 1994 08:49:37 GMT"}, /* RFC 9110 5.6.7 */
        {0, "Thu, 01 Jan 1970 00:00:00 GMT"},
        {-1, "Wed, 31 Dec 1969 23:59:59 GMT"},
        {951782399, "Mon, 28 Feb 2000 23:59:59 GMT"},
        {951782400, "Tue, 29 Feb 2000 00:00:00 GMT"},  /* 400 years: a leap year */
        {4107542400, "Mon, 01 Mar 2100 00:00:00 GMT"}, /* 100 years: none */
        {-2208988800, "Mon, 01 Jan 1900 00:00:00 GMT"},
    };
    for (size_t i = 0; i < WEFT_COUNT(cases); i++) {
        char text[WEFT_HTTP_DATE_SIZE];
        weft_http_date(text, cases[i].seconds);
        assert_string_equal(text, cases[i].text);
    }
}

static void test_days_follow_each_other(void **state)
{
    (void)state;
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int year = 1600, month = 1, day = 1, weekday = 6; /* 1 January 1600 was a Saturday */
    for (int64_t at = -11676096000; year < 2401; at += 86400) {
        struct weft_date date = weft_date(at);
        assert_true(date.year == year && date.month == month && date.day == day && date.weekday == weekday);
        bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
        weekday = (weekday + 1) % 7;
        if (++day > days[month - 1] + (month == 2 && leap)) {
            day = 1;
            if (++month > 12) {
                month = 1;
                year++;
            }
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hex),        cmocka_unit_test(test_classes_of_bytes),
        cmocka_unit_test(test_trim),       cmocka_unit_test(test_base64url),
        cmocka_unit_test(test_base32),     cmocka_unit_test(test_reads_strictly),
        cmocka_unit_test(test_http_dates), cmocka_unit_test(test_days_follow_each_other),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
