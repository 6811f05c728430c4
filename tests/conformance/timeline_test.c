/* tests/conformance/timeline_test.c - what a run's picture holds, and that nothing in it can end what it stands in. */
#include "sim/timeline.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/mem.h"

static struct weft_timeline *timeline;

static int set_up(void **state)
{
    (void)state;
    return weft_timeline_new(&timeline);
}

static int tear_down(void **state)
{
    (void)state;
    weft_timeline_free(timeline);
    return 0;
}

/* The whole file; the caller frees it. */
static char *page(const char *title)
{
    char *text = NULL;
    size_t size;
    FILE *file = open_memstream(&text, &size);
    assert_non_null(file);
    weft_timeline_write(timeline, file, title);
    assert_int_equal(fclose(file), 0);
    return text;
}

static void assert_has(const char *title, const char *wanted)
{
    char *text = page(title);
    if (!strstr(text, wanted)) {
        fail_msg("it has no %s", wanted);
    }
    free(text); /* open_memstream()'s */
}

static void add_text(const char *text, size_t size)
{
    weft_timeline_add(timeline, 7, WEFT_MARK_LOG, 0, WEFT_TIMELINE_NOBODY, 0, weft_slice(text, size));
}

static void marks_are_rows(void **state)
{
    (void)state;
    weft_timeline_lane(timeline, 0, "g1");
    weft_timeline_lane(timeline, 1, "p1");
    weft_timeline_add(timeline, 5, WEFT_MARK_MESSAGE, 0, 1, 300, WEFT_SLICE(""));
    weft_timeline_add(timeline, 9, WEFT_MARK_FAULT, 1, WEFT_TIMELINE_NOBODY, 2000, WEFT_SLICE("stops"));
    assert_has("seed 1",
               "const lanes=[\"g1\",\"p1\",];\nconst marks=[\n[5,0,0,1,300,\"\"],\n[9,3,1,255,2000,\"stops\"],\n];\n");
}

static void no_text_ends_its_string_or_the_script(void **state)
{
    static const struct {
        const char *text, *written;
    } cases[] = {
        {"</script><img src=x onerror=alert(1)>", "\"\\u003c/script\\u003e\\u003cimg src=x onerror=alert(1)\\u003e\""},
        {"<!--<script>", "\"\\u003c!--\\u003cscript\\u003e\""},
        {"\"];alert(1);//", "\"\\u0022];alert(1);//\""},
        {"\\\";alert(1)", "\"\\u005c\\u0022;alert(1)\""},
        {"a\nb\r\tc\x7f", "\"a\\u000ab\\u000d\\u0009c\\u007f\""},
        {"&quot;${x}`'", "\"\\u0026quot;${x}`'\""},
        {"caf\xc3\xa9 \xe2\x80\xa8", "\"caf\xc3\xa9 \xe2\x80\xa8\""}, /* a line separator may stand in a string */
        {"\xff\xc3", "\"\xff\xc3\""},                                 /* a decoder takes no ASCII with what is cut */
    };
    (void)state;
    for (size_t i = 0; i < WEFT_COUNT(cases); i++) {
        add_text(cases[i].text, strlen(cases[i].text));
        assert_has("seed 1", cases[i].written);
    }
    add_text("a\0b", 3);
    assert_has("seed 1", "\"a\\u0000b\"");
}

static void nor_does_a_name_or_a_title(void **state)
{
    (void)state;
    weft_timeline_lane(timeline, 0, "</script>\"");
    assert_has("seed 1", "const lanes=[\"\\u003c/script\\u003e\\u0022\",];\n");
    assert_has("</title><script>&", "<title>&lt;/title>&lt;script>&amp;</title>");
    assert_has("</title><script>&", "<h1>&lt;/title>&lt;script>&amp;</h1>");
}

/* What has no room is counted, and said. */
static void what_is_too_much_is_left_out(void **state)
{
    (void)state;
    char *text = weft_zalloc(WEFT_TIMELINE_TEXT_MAX);
    assert_non_null(text);
    memset(text, 'x', WEFT_TIMELINE_TEXT_MAX);
    add_text(text, WEFT_TIMELINE_TEXT_MAX - 1);
    add_text("two", 3);
    add_text("1", 1);
    for (size_t i = 2; i < WEFT_TIMELINE_MARKS_MAX; i++) {
        add_text("", 0);
    }
    assert_has("seed 1", "<h1>seed 1 (without the last 1 marks)</h1>");
    add_text("", 0);
    assert_has("seed 1", "<h1>seed 1 (without the last 2 marks)</h1>");
    weft_free(text);
}

static void one_that_is_not_there_takes_all(void **state)
{
    (void)state;
    weft_timeline_lane(NULL, 0, "g1");
    weft_timeline_add(NULL, 5, WEFT_MARK_NOTE, 0, 0, 0, WEFT_SLICE("note"));
    weft_timeline_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(marks_are_rows, set_up, tear_down),
        cmocka_unit_test_setup_teardown(no_text_ends_its_string_or_the_script, set_up, tear_down),
        cmocka_unit_test_setup_teardown(nor_does_a_name_or_a_title, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_too_much_is_left_out, set_up, tear_down),
        cmocka_unit_test_setup_teardown(one_that_is_not_there_takes_all, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
