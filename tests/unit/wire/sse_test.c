/* tests/unit/wire/sse_test.c - server-sent events, read, written and watched. */
#include "wire/sse.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/error.h"
#include "base/mem.h"

/* Reads a stream in parts of `step` bytes into "type|data|id;" per event. */
static int read_stream(struct weft_slice stream, size_t step, char *record, size_t room)
{
    struct weft_sse sse;
    weft_sse_init(&sse);
    record[0] = '\0';
    size_t used = 0;
    int status = 0;
    while (stream.size > 0 && status == 0) {
        struct weft_slice part = weft_slice(stream.data, step < stream.size ? step : stream.size);
        stream = weft_slice(stream.data + part.size, stream.size - part.size);
        struct weft_sse_event event;
        while ((status = weft_sse_next(&sse, &part, &event)) > 0) {
            int length = snprintf(record + used, room - used, "%.*s|%.*s|%.*s;", (int)event.type.size, event.type.data,
                                  (int)event.data.size, event.data.data, (int)event.id.size, event.id.data);
            assert_true(length > 0 && (size_t)length < room - used);
            used += (size_t)length;
        }
    }
    weft_sse_deinit(&sse);
    return status;
}

static void test_read(void **state)
{
    (void)state;
    static const struct {
        struct weft_slice stream;
        const char *events;
    } cases[] = {
        {{"data: a\n\n", 9}, "|a|;"},
        {{"data: a\r\n\r\ndata: b\r\rdata: c\n\r\n", 30}, "|a|;|b|;|c|;"},
        {{"data:a\ndata:  b\ndata\ndata:\n\n", 29}, "|a\n b\n\n|;"},
        {{"data\n\n", 6}, "||;"},
        {{"data\ndata\n\n", 11}, "|\n|;"},
        {{"\xEF\xBB\xBF"
          "data: a\n\n",
          12},
         "|a|;"},
        {{"\xEF\xBB\xBF\xEF\xBB\xBF"
          "data: a\n\n",
          15},
         ""},
        {{"\n\xEF\xBB\xBF"
          "data: a\n\n",
          13},
         ""},
        {{": c\n:\ndata: a\n: in the middle\ndata: b\n\n", 39}, "|a\nb|;"},
        {{"event: x\ndata: a\n\ndata: b\n\n", 27}, "x|a|;|b|;"},
        {{"event: x\n\ndata: b\n\n", 19}, "|b|;"},
        {{"event: x\nevent: y\ndata: b\n\n", 27}, "y|b|;"},
        {{"id: 1\ndata: a\n\ndata: b\n\nid\ndata: c\n\n", 37}, "|a|1;|b|1;|c|;"},
        {{"id: 1\n\nid: a\0b\ndata: c\n\n", 24}, "|c|1;"},
        {{"retry: 5\nfoo: bar\nDATA: x\ndata : x\ndata: a\n\n", 45}, "|a|;"},
        {{"data: a:b: c\n\n", 14}, "|a:b: c|;"},
        {{"data: a\n", 8}, ""},
        {{"\n\n\r\r\r\n", 6}, ""},
        {{" data: a\n\n", 10}, ""},
    };
    for (size_t i = 0; i < WEFT_COUNT(cases); i++) {
        for (size_t step = 1; step <= cases[i].stream.size; step++) {
            char record[256];
            assert_int_equal(read_stream(cases[i].stream, step, record, sizeof(record)), 0);
            assert_string_equal(record, cases[i].events);
        }
    }
}

static void test_bound(void **state)
{
    (void)state;
    struct weft_sse sse;
    struct weft_sse_event event;
    char block[4096];
    memset(block, 'x', sizeof(block));
    /* A comment of any length is nothing. */
    weft_sse_init(&sse);
    struct weft_slice input = WEFT_SLICE(":");
    assert_int_equal(weft_sse_next(&sse, &input, &event), 0);
    for (size_t i = 0; i < WEFT_SSE_EVENT_MAX / sizeof(block) + 2; i++) {
        input = weft_slice(block, sizeof(block));
        assert_int_equal(weft_sse_next(&sse, &input, &event), 0);
    }
    /* An event up to the bound is read; one byte more is refused, for good. */
    input = WEFT_SLICE("\ndata:");
    assert_int_equal(weft_sse_next(&sse, &input, &event), 0);
    size_t left = WEFT_SSE_EVENT_MAX - 6; /* "data:" and the newline that might be needed */
    while (left > 0) {
        input = weft_slice(block, left < sizeof(block) ? left : sizeof(block));
        left -= input.size;
        assert_int_equal(weft_sse_next(&sse, &input, &event), 0);
    }
    input = WEFT_SLICE("\n\n");
    assert_int_equal(weft_sse_next(&sse, &input, &event), 1);
    assert_int_equal(event.data.size, WEFT_SSE_EVENT_MAX - 6);
    for (left = 0; left < WEFT_SSE_EVENT_MAX; left += sizeof(block)) {
        input = weft_slice(block, sizeof(block));
        int status = weft_sse_next(&sse, &input, &event);
        assert_int_equal(status, left + sizeof(block) < WEFT_SSE_EVENT_MAX ? 0 : WEFT_ERR_TOO_LARGE);
    }
    input = WEFT_SLICE("\n\ndata: x\n\n");
    assert_int_equal(weft_sse_next(&sse, &input, &event), WEFT_ERR_TOO_LARGE);
    weft_sse_deinit(&sse);
}

static void test_write(void **state)
{
    (void)state;
    static const struct {
        const char *type, *data, *wire;
    } cases[] = {
        {"", "{}", "data: {}\n\n"}, {"error", "a\nb\r\nc\rd", "event: error\ndata: a\ndata: b\ndata: c\ndata: d\n\n"},
        {"", "", "data: \n\n"},     {"", "a\n", "data: a\ndata: \n\n"},
        {"", " a", "data:  a\n\n"},
    };
    struct weft_bytes out;
    weft_bytes_init(&out);
    for (size_t i = 0; i < WEFT_COUNT(cases); i++) {
        assert_int_equal(weft_sse_write(&out, weft_slice_text(cases[i].type), weft_slice_text(cases[i].data)), 0);
        char wire[128];
        size_t size = weft_bytes_read(&out, wire, sizeof(wire));
        assert_int_equal(size, strlen(cases[i].wire));
        assert_memory_equal(wire, cases[i].wire, size);
    }
    assert_int_equal(weft_sse_write(&out, WEFT_SLICE("a\nb"), WEFT_SLICE("x")), WEFT_ERR_INVALID);
    assert_int_equal(weft_sse_write(&out, WEFT_SLICE("a\r"), WEFT_SLICE("x")), WEFT_ERR_INVALID);
    assert_int_equal(out.size, 0);
    weft_bytes_deinit(&out);
}

static void test_tail(void **state)
{
    (void)state;
    static const struct {
        const char *stream;
        bool between;
    } cases[] = {
        {"", true},           {"\n", true},        {"\r\n", true},
        {"d", false},         {"d\n", false},      {"d\r", false},
        {"d\r\n", false},     {"d\n\n", true},     {"d\r\r", true},
        {"d\r\n\r\n", true},  {"d\n\r\n", true},   {"d\n\r", true},
        {"d\r\r\n", true},    {"d\r\n\n", true},   {"d\r\n\r", true},
        {"d\n\nx", false},    {"d\n\nx\n", false}, {"d\n\nx\r\n", false},
        {"d\n\nx\n\n", true}, {"d\n\n\n\n", true}, {"d\n\n: c\n", false},
    };
    for (size_t i = 0; i < WEFT_COUNT(cases); i++) {
        size_t size = strlen(cases[i].stream);
        for (size_t a = 0; a <= size; a++) {
            for (size_t b = a; b <= size; b++) {
                struct weft_sse_tail tail;
                weft_sse_tail_init(&tail);
                weft_sse_tail_pass(&tail, weft_slice(cases[i].stream, a));
                weft_sse_tail_pass(&tail, weft_slice(cases[i].stream + a, b - a));
                weft_sse_tail_pass(&tail, weft_slice(cases[i].stream + b, size - b));
                assert_int_equal(weft_sse_tail_between(&tail), cases[i].between);
            }
        }
    }
}

static void test_torture(void **state)
{
    (void)state;
    char stream[4096];
    int size = snprintf(stream, sizeof(stream), "id: 1\nevent: x\ndata: %0600d\ndata: %0900d\n\ndata: b\n\n", 1, 2);
    assert_true(size > 0 && (size_t)size < sizeof(stream));
    weft_bytes_trim();
    int64_t live = weft_mem_live();
    bool done = false;
    for (uint64_t at = 1; !done; at++) {
        char record[4096];
        weft_mem_fail_at(at);
        int status = read_stream(weft_slice(stream, (size_t)size), 64, record, sizeof(record));
        done = !weft_mem_failed();
        weft_mem_fail_at(0);
        assert_int_equal(status, done ? 0 : WEFT_ERR_MEMORY);
        assert_int_equal(weft_mem_live(), live);
    }
    struct weft_bytes out;
    weft_bytes_init(&out);
    weft_mem_fail_at(1);
    assert_int_equal(weft_sse_write(&out, WEFT_SLICE("x"), WEFT_SLICE("y")), WEFT_ERR_MEMORY);
    weft_mem_fail_at(0);
    weft_bytes_deinit(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_read), cmocka_unit_test(test_bound),   cmocka_unit_test(test_write),
        cmocka_unit_test(test_tail), cmocka_unit_test(test_torture),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
