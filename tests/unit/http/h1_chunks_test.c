/* tests/unit/http/h1_chunks_test.c - chunk framing: how far it is fit, and at which byte it is not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/error.h"
#include "http/h1_guard.h"
#include "http/limits.h"

static int64_t check(struct weft_h1_chunks *chunks, const char *text)
{
    return weft_h1_chunks_check(chunks, weft_slice_text(text));
}

static void test_stops_behind_the_last_size_line(void **state)
{
    (void)state;
    struct weft_h1_chunks chunks;
    const char *text = "3\r\nabc\r\nA;x\r\n0123456789\r\n00\r\n";
    weft_h1_chunks_init(&chunks, 1000);
    assert_int_equal(check(&chunks, "3\r\nabc\r\nA;x\r\n0123456789\r\n00\r\nTrailer: x\r\n\r\n"), strlen(text));
    assert_true(weft_h1_chunks_over(&chunks));
    assert_int_equal(chunks.total, 13);
    assert_int_equal(check(&chunks, "more"), 0);
    weft_h1_chunks_init(&chunks, 1000);
    for (size_t i = 0; text[i]; i++) {
        assert_false(weft_h1_chunks_over(&chunks));
        assert_int_equal(weft_h1_chunks_check(&chunks, weft_slice(text + i, 1)), 1);
    }
    assert_true(weft_h1_chunks_over(&chunks));
}

/* Everything but the last byte of `text` is fit. */
static void expect_refused(const char *text, uint64_t max, int error, int status)
{
    struct weft_h1_chunks chunks;
    weft_h1_chunks_init(&chunks, max);
    size_t last = strlen(text) - 1;
    assert_int_equal(weft_h1_chunks_check(&chunks, weft_slice(text, last)), last);
    assert_int_equal(weft_h1_chunks_check(&chunks, weft_slice(text + last, 1)), error);
    assert_int_equal(chunks.why->status, status);
    weft_h1_chunks_init(&chunks, max);
    if (last > 0) {
        assert_int_equal(check(&chunks, text), last);
    }
    assert_int_equal(check(&chunks, text + last), error);
    assert_int_equal(check(&chunks, text + last), error); /* it stays refused */
}

static void test_refused_at_the_byte(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "g",
        " ",
        "\r",
        "\n",
        "3\n",
        "3 ",
        "3\rX",
        "3;\n",
        "3;\x01",
        "3\r\nabcX",
        "3\r\nabc\n",
        "3\r\nabc\rX",
        "3\r\nabc\r\n\r",
        "3x",
    };
    for (size_t i = 0; i < WEFT_COUNT(texts); i++) {
        expect_refused(texts[i], 1000, WEFT_ERR_INVALID, 400);
    }
}

static void test_body_bound(void **state)
{
    (void)state;
    expect_refused("b", 10, WEFT_ERR_TOO_LARGE, 413);
    expect_refused("11", 16, WEFT_ERR_TOO_LARGE, 413);
    expect_refused("6\r\n012345\r\n5", 10, WEFT_ERR_TOO_LARGE, 413);
    expect_refused("10000000000000000", UINT64_MAX, WEFT_ERR_TOO_LARGE, 413);
    struct weft_h1_chunks chunks;
    weft_h1_chunks_init(&chunks, 10);
    assert_int_equal(check(&chunks, "6\r\n012345\r\n4\r\n"), 14);
    weft_h1_chunks_init(&chunks, UINT64_MAX);
    assert_int_equal(check(&chunks, "ffffffffffffffff\r\n"), 18);
    weft_h1_chunks_init(&chunks, 0);
    assert_int_equal(check(&chunks, "0\r\n"), 3);
}

static void test_line_bound(void **state)
{
    (void)state;
    char text[WEFT_HTTP_CHUNK_LINE_MAX + 1];
    struct weft_h1_chunks chunks;
    memset(text, '0', sizeof(text));
    weft_h1_chunks_init(&chunks, 10);
    assert_int_equal(weft_h1_chunks_check(&chunks, weft_slice(text, WEFT_HTTP_CHUNK_LINE_MAX)),
                     WEFT_HTTP_CHUNK_LINE_MAX);
    assert_int_equal(weft_h1_chunks_check(&chunks, weft_slice(text, 1)), WEFT_ERR_INVALID);
    assert_int_equal(chunks.why->status, 400);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_stops_behind_the_last_size_line),
        cmocka_unit_test(test_refused_at_the_byte),
        cmocka_unit_test(test_body_bound),
        cmocka_unit_test(test_line_bound),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
