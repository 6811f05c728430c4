/* tests/unit/http/fields_test.c - the grammar of names and values, their copies, and the limit of a head. */
#include "http/exchange.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/error.h"
#include "base/mem.h"
#include "http/limits.h"

static struct weft_arena arena;
static struct weft_fields fields;

static int set_up(void **state)
{
    (void)state;
    weft_arena_init(&arena);
    fields = (struct weft_fields){0};
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    weft_arena_deinit(&arena);
    return weft_mem_live() == 0 ? 0 : -1;
}

static int add(const char *name, const char *value)
{
    return weft_fields_add(&fields, &arena, weft_slice_text(name), weft_slice_text(value));
}

static void expect_found(const char *name, const char *value)
{
    assert_true(weft_slice_equal(weft_fields_value(&fields, name), weft_slice_text(value)));
}

/* RFC 9110 5.6.2, said once more: tchar = "!#$%&'*+-.^_`|~" / DIGIT / ALPHA. */
static void test_each_byte_of_a_name(void **state)
{
    static const char upper[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ", lower[] = "abcdefghijklmnopqrstuvwxyz";
    static const char same[] = "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz";
    (void)state;
    for (int c = 0; c < 256; c++) {
        const char *at = c ? strchr(upper, c) : NULL;
        char expected = (char)(at ? lower[at - upper] : c && strchr(same, c) ? c : 0);
        char byte = (char)c;
        assert_int_equal(weft_token_lower(byte), expected);
        assert_int_equal(weft_token_valid(weft_slice(&byte, 1)), expected != 0);
        const char among[] = {'x', byte, 'x'};
        assert_int_equal(weft_token_valid(weft_slice(among, 3)), expected != 0);
        assert_int_equal(weft_token_valid(weft_slice(among, 2)), expected != 0);
        assert_int_equal(weft_token_valid(weft_slice(among + 1, 2)), expected != 0);
        int error = weft_fields_add(&fields, &arena, weft_slice(among, 3), WEFT_SLICE("v"));
        assert_int_equal(error, expected ? 0 : WEFT_ERR_INVALID);
        fields.count = 0;
    }
    assert_false(weft_token_valid((struct weft_slice){0}));
    assert_int_equal(add("", "v"), WEFT_ERR_INVALID);
    assert_int_equal(fields.count, 0);
}

/* RFC 9110 5.5: visible characters, obs-text, and blanks between them. */
static void test_each_byte_of_a_value(void **state)
{
    (void)state;
    for (int c = 0; c < 256; c++) {
        bool blank = c == ' ' || c == '\t';
        bool visible = (c >= 0x21 && c <= 0x7e) || c >= 0x80;
        const char among[] = {'x', (char)c, 'x'};
        assert_int_equal(weft_field_value_valid(weft_slice(among, 3)), visible || blank);
        assert_int_equal(weft_field_value_valid(weft_slice(among, 2)), visible);
        assert_int_equal(weft_field_value_valid(weft_slice(among + 1, 2)), visible);
        assert_int_equal(weft_field_value_valid(weft_slice(among + 1, 1)), visible);
        int error = weft_fields_add(&fields, &arena, WEFT_SLICE("x"), weft_slice(among, 3));
        assert_int_equal(error, visible || blank ? 0 : WEFT_ERR_INVALID);
        fields.count = 0;
    }
    assert_true(weft_field_value_valid((struct weft_slice){0}));
    assert_true(weft_field_value_valid(WEFT_SLICE("")));
    assert_true(weft_field_value_valid(WEFT_SLICE("a \t b")));
    assert_int_equal(add("x", "split\r\nset-cookie: a=b"), WEFT_ERR_INVALID);
    assert_int_equal(fields.count, 0);
}

static void test_names_are_lowered_and_both_are_copied(void **state)
{
    char name[] = "X-Weft-IDS", value[] = "Keep My CASE";
    (void)state;
    assert_int_equal(add(name, value), 0);
    memset(name, '?', sizeof(name) - 1);
    memset(value, '?', sizeof(value) - 1);
    assert_int_equal(fields.count, 1);
    assert_true(weft_slice_equal(fields.at[0].name, WEFT_SLICE("x-weft-ids")));
    assert_true(weft_slice_equal(fields.at[0].value, WEFT_SLICE("Keep My CASE")));
}

static void test_find_value_count(void **state)
{
    (void)state;
    assert_null(weft_fields_find(&fields, "a"));
    assert_null(weft_fields_value(&fields, "a").data);
    assert_int_equal(weft_fields_count(&fields, "a"), 0);
    assert_int_equal(add("Accept", "one"), 0);
    assert_int_equal(add("empty", ""), 0);
    assert_int_equal(add("accept", "two"), 0);
    assert_int_equal(add("accept-encoding", "three"), 0);
    assert_ptr_equal(weft_fields_find(&fields, "accept"), &fields.at[0]);
    expect_found("accept", "one"); /* the first of two */
    expect_found("accept-encoding", "three");
    assert_int_equal(weft_fields_count(&fields, "accept"), 2);
    assert_int_equal(weft_fields_count(&fields, "accept-encoding"), 1);
    assert_int_equal(weft_fields_count(&fields, "accept-"), 0);
    assert_null(weft_fields_find(&fields, "accep"));
    assert_null(weft_fields_find(&fields, "Accept")); /* whoever asks, asks in lower case */
    /* There and empty is not the same as not there. */
    assert_non_null(weft_fields_find(&fields, "empty"));
    assert_non_null(weft_fields_value(&fields, "empty").data);
    assert_int_equal(weft_fields_value(&fields, "empty").size, 0);
}

static void test_a_head_holds_so_many_fields(void **state)
{
    char name[32], value[16];
    (void)state;
    assert_int_equal(WEFT_HTTP_FIELDS_MAX, 100); /* as the docs say */
    for (int i = 0; i < WEFT_HTTP_FIELDS_MAX; i++) {
        (void)snprintf(name, sizeof(name), "x-%d", i);
        (void)snprintf(value, sizeof(value), "v%d", i);
        assert_int_equal(add(name, value), 0);
    }
    assert_int_equal(add("x-more", "v"), WEFT_ERR_TOO_LARGE);
    assert_int_equal(add("x-0", "v"), WEFT_ERR_TOO_LARGE); /* of a name that is there, too */
    assert_int_equal(fields.count, WEFT_HTTP_FIELDS_MAX);
    assert_null(weft_fields_find(&fields, "x-more"));
    for (int i = 0; i < WEFT_HTTP_FIELDS_MAX; i++) { /* all survived the table's growth, in order */
        (void)snprintf(name, sizeof(name), "x-%d", i);
        (void)snprintf(value, sizeof(value), "v%d", i);
        assert_ptr_equal(weft_fields_find(&fields, name), &fields.at[i]);
        expect_found(name, value);
    }
}

/* A field that finds no memory is not there, and those before it still are. */
static void test_each_allocation_fails_in_turn(void **state)
{
    char name[32];
    (void)state;
    uint64_t at = 1, fails = 0;
    for (;; at++, fails++) {
        assert_int_equal(set_up(state), 0);
        weft_mem_fail_at(at);
        int error = 0;
        size_t added = 0;
        while (error == 0 && added < WEFT_HTTP_FIELDS_MAX) {
            (void)snprintf(name, sizeof(name), "x-%zu", added);
            error = add(name, "a value that fills the chunks of an arena before the table of fields is full");
            added += error == 0;
        }
        bool failed = weft_mem_failed();
        weft_mem_fail_at(0);
        assert_int_equal(error, failed ? WEFT_ERR_MEMORY : 0);
        assert_int_equal(fields.count, added);
        for (size_t i = 0; i < added; i++) {
            (void)snprintf(name, sizeof(name), "x-%zu", i);
            assert_ptr_equal(weft_fields_find(&fields, name), &fields.at[i]);
        }
        assert_int_equal(add("after", "all"), failed ? 0 : WEFT_ERR_TOO_LARGE);
        assert_int_equal(tear_down(state), 0);
        if (!failed) {
            break;
        }
    }
    assert_true(fails > 4); /* the table doubles four times, and values need chunks */
}

#define IN_ARENA(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

static void test_framing_names(void **state)
{
    (void)state;
    static const char *const names[] = {
        "TE",         "host",       "Expect",         "trailer",          "UPGRADE",
        "connection", "Keep-Alive", "content-length", "proxy-connection", "Transfer-Encoding"};
    for (size_t i = 0; i < WEFT_COUNT(names); i++) {
        assert_true(weft_field_is_framing(weft_slice_text(names[i])));
    }
    assert_false(weft_field_is_framing(WEFT_SLICE("content-lengtH2")));
    assert_false(weft_field_is_framing(WEFT_SLICE("content-encode")));
    assert_false(weft_field_is_framing(WEFT_SLICE("")));
}

static void test_trailing_names(void **state)
{
    (void)state;
    static const char *const refused[] = {"authorization", "Proxy-Authorization", "COOKIE",       "set-cookie",
                                          "Content-Type",  "content-encoding",    "max-forwards", "Content-Range",
                                          "Host",          "content-length",      "trailer"};
    for (size_t i = 0; i < WEFT_COUNT(refused); i++) {
        assert_false(weft_field_may_trail(weft_slice_text(refused[i])));
    }
    assert_true(weft_field_may_trail(WEFT_SLICE("x-sum")));
    assert_true(weft_field_may_trail(WEFT_SLICE("cookies")));
    assert_true(weft_field_may_trail(WEFT_SLICE("content-md5")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_ARENA(test_each_byte_of_a_name),
        IN_ARENA(test_each_byte_of_a_value),
        IN_ARENA(test_names_are_lowered_and_both_are_copied),
        IN_ARENA(test_find_value_count),
        cmocka_unit_test(test_framing_names),
        cmocka_unit_test(test_trailing_names),
        IN_ARENA(test_a_head_holds_so_many_fields),
        cmocka_unit_test(test_each_allocation_fails_in_turn),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
