/* tests/unit/node/journal_test.c - lines of the journal, in both formats, with nasty values. */
#include "node/journal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/error.h"
#include "sim/world.h"
#include "wire/json.h"

static struct weft_world *world;
static struct weft_host *host;
static struct weft_journal journal;

static void begin(enum weft_journal_format format)
{
    const struct weft_world_options options = {.seed = 1};
    assert_int_equal(weft_world_new(&world, &options), 0);
    host = weft_world_host(world, "node");
    weft_journal_init(&journal, host, WEFT_LOG_INFO, format);
}

static void end(void)
{
    weft_world_free(world);
}

static void expect_line(const char *line)
{
    assert_string_equal(weft_world_log(host), line);
}

/* The last line as JSON; the caller frees it. */
static json_t *parsed(void)
{
    const char *log = weft_world_log(host);
    json_t *line;
    assert_int_equal(strcspn(log, "\n"), strlen(log) - 1); /* one line */
    assert_int_equal(weft_json_parse(weft_slice(log, strlen(log) - 1), &line, NULL), 0);
    return line;
}

static void test_pretty(void **state)
{
    (void)state;
    begin(WEFT_JOURNAL_PRETTY);
    assert_true(weft_journal_begin(&journal, WEFT_LOG_WARN, "request"));
    weft_journal_word(&journal, "route", "/health");
    weft_journal_number(&journal, "status", 200);
    weft_journal_number(&journal, "least", INT64_MIN);
    weft_journal_ms(&journal, "ms", 12034);
    weft_journal_word(&journal, "outcome", "the client left");
    weft_journal_text(&journal, "nasty", WEFT_SLICE("a\nb\"c\\d\x1b[31m\xc3\xa9"));
    weft_journal_end(&journal);
    expect_line("08:00:00 warn  request route=/health status=200 least=-9223372036854775808 ms=12.034 "
                "outcome=\"the client left\" nasty=a?b?c?d?[31m??\n");
    end();
}

static void test_json(void **state)
{
    (void)state;
    begin(WEFT_JOURNAL_JSON);
    weft_world_pass(world, 1234 * WEFT_MS);
    assert_true(weft_journal_begin(&journal, WEFT_LOG_INFO, "request"));
    weft_journal_text(&journal, "nasty", weft_slice("\"\\\n\0\x7f\xff,}", 8));
    weft_journal_number(&journal, "status", 204);
    weft_journal_ms(&journal, "ms", 5);
    weft_journal_end(&journal);
    expect_line("{\"time\":\"2027-01-15T08:00:01.234Z\",\"level\":\"info\",\"event\":\"request\","
                "\"nasty\":\"\\u0022\\u005c\\u000a\\u0000\\u007f\\u00ff,}\",\"status\":204,\"ms\":0.005}\n");
    json_t *line = parsed();
    assert_string_equal(json_string_value(json_object_get(line, "time")), "2027-01-15T08:00:01.234Z");
    assert_string_equal(json_string_value(json_object_get(line, "level")), "info");
    assert_string_equal(json_string_value(json_object_get(line, "event")), "request");
    assert_int_equal(json_integer_value(json_object_get(line, "status")), 204);
    assert_true(json_real_value(json_object_get(line, "ms")) == 0.005);
    /* Bytes over 127 stand for themselves as characters: one each. */
    assert_int_equal(json_string_length(json_object_get(line, "nasty")), 9);
    json_decref(line);
    end();
}

static void test_levels(void **state)
{
    (void)state;
    begin(WEFT_JOURNAL_JSON);
    assert_false(weft_journal_begin(&journal, WEFT_LOG_DEBUG, "quiet"));
    weft_journal_word(&journal, "a", "b");
    weft_journal_number(&journal, "c", 1);
    weft_journal_ms(&journal, "d", 1);
    weft_journal_end(&journal);
    expect_line("");
    assert_true(weft_journal_begin(&journal, WEFT_LOG_ERROR, "loud"));
    weft_journal_end(&journal);
    weft_journal_word(&journal, "late", "nothing is open");
    weft_journal_end(&journal);
    json_t *line = parsed();
    assert_string_equal(json_string_value(json_object_get(line, "level")), "error");
    assert_null(json_object_get(line, "late"));
    json_decref(line);
    end();
}

/* Whatever the lengths, a line stays whole: a pair is in it or not, and if not it says so. */
static void test_long_lines(void **state)
{
    (void)state;
    char value[WEFT_JOURNAL_LINE_MAX + 64];
    memset(value, 'x', sizeof(value));
    for (size_t size = 0; size <= sizeof(value); size += size < 800 ? 50 : 1) {
        begin(WEFT_JOURNAL_JSON);
        assert_true(weft_journal_begin(&journal, WEFT_LOG_INFO, "e"));
        weft_journal_text(&journal, "long", weft_slice(value, size));
        weft_journal_word(&journal, "after", "y");
        weft_journal_end(&journal);
        assert_true(strlen(weft_world_log(host)) <= WEFT_JOURNAL_LINE_MAX + 1);
        json_t *line = parsed();
        json_t *there = json_object_get(line, "long");
        bool cut = json_is_true(json_object_get(line, "cut"));
        assert_true(there == NULL ? cut : json_string_length(there) == size);
        assert_true(cut == (json_object_get(line, "after") == NULL));
        assert_true(cut == (size > WEFT_JOURNAL_LINE_MAX / 2) || size < WEFT_JOURNAL_LINE_MAX);
        json_decref(line);
        end();
    }
    begin(WEFT_JOURNAL_PRETTY);
    assert_true(weft_journal_begin(&journal, WEFT_LOG_INFO, "e"));
    weft_journal_text(&journal, "long", weft_slice(value, sizeof(value)));
    weft_journal_end(&journal);
    expect_line("08:00:00 info  e cut=true\n");
    end();
}

/* Six bytes for one: the worst an escape does. */
static void test_escapes_at_the_bound(void **state)
{
    (void)state;
    char value[WEFT_JOURNAL_LINE_MAX];
    memset(value, '"', sizeof(value));
    for (size_t size = 100; size < 200; size++) {
        begin(WEFT_JOURNAL_JSON);
        assert_true(weft_journal_begin(&journal, WEFT_LOG_INFO, "e"));
        weft_journal_text(&journal, "quotes", weft_slice(value, size));
        weft_journal_end(&journal);
        json_t *line = parsed();
        assert_true(json_object_get(line, "cut") || json_string_length(json_object_get(line, "quotes")) == size);
        json_decref(line);
        end();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pretty),
        cmocka_unit_test(test_json),
        cmocka_unit_test(test_levels),
        cmocka_unit_test(test_long_lines),
        cmocka_unit_test(test_escapes_at_the_bound),
    };
    weft_json_setup(1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
