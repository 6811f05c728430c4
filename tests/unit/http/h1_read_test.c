/* tests/unit/http/h1_read_test.c - heads, bodies and trailers by guard and llhttp together, and what Connection names.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/error.h"
#include "base/mem.h"
#include "http/h1_read.h"

static void assert_slice(struct weft_slice slice, const char *text)
{
    assert_int_equal(slice.size, strlen(text));
    assert_memory_equal(slice.data, text, slice.size);
}

static void read_request(struct weft_h1_reader *reader, struct weft_h1_head *head, const char *text)
{
    const struct weft_refusal *why;
    weft_h1_reader_init(reader, WEFT_H1_REQUEST, 1000);
    assert_int_equal(weft_h1_read_head(reader, weft_slice_text(text), head, &why), (int)strlen(text));
}

static void test_head_in_place(void **state)
{
    (void)state;
    struct weft_h1_reader reader;
    struct weft_h1_head head;
    const char *text = "GET /a HTTP/1.1\r\nHost: \ta.test \r\nConnection: close, x, y\r\nEmpty:\r\nTE: a, b\r\n\r\n";
    read_request(&reader, &head, text);
    assert_int_equal(reader.phase, WEFT_H1_OVER);
    assert_slice(head.method, "GET");
    assert_slice(head.target, "/a");
    assert_int_equal(head.count, 4);
    assert_slice(head.fields[0].name, "Host");
    assert_slice(head.fields[0].value, "a.test");
    assert_slice(head.fields[1].value, "close, x, y");
    assert_slice(head.fields[2].value, "");
    assert_slice(head.fields[3].value, "a, b");
    assert_true(head.fields[3].value.data > text && head.fields[3].value.data < text + strlen(text));
}

static void test_unknown_method(void **state)
{
    (void)state;
    struct weft_h1_reader reader;
    struct weft_h1_head head;
    const struct weft_refusal *why = NULL;
    weft_h1_reader_init(&reader, WEFT_H1_REQUEST, 1000);
    assert_int_equal(weft_h1_read_head(&reader, WEFT_SLICE("BREW / HTTP/1.1\r\nHost: a\r\n\r\n"), &head, &why),
                     WEFT_ERR_INVALID);
    assert_int_equal(why->status, 501);
}

static void test_body_of_known_length(void **state)
{
    (void)state;
    struct weft_h1_reader reader;
    struct weft_h1_head head;
    const struct weft_refusal *why;
    read_request(&reader, &head, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n");
    assert_int_equal(reader.phase, WEFT_H1_BODY);
    assert_int_equal(weft_h1_read_body(&reader, WEFT_SLICE("abc"), &why), 3);
    assert_int_equal(reader.phase, WEFT_H1_BODY);
    assert_false(weft_h1_read_end(&reader));
    assert_int_equal(weft_h1_read_body(&reader, WEFT_SLICE("deGET"), &why), 2);
    assert_int_equal(reader.phase, WEFT_H1_OVER);
    assert_int_equal(weft_h1_read_body(&reader, WEFT_SLICE("GET"), &why), 0);
}

static void test_trailers_wait_for_their_end(void **state)
{
    (void)state;
    struct weft_h1_reader reader;
    struct weft_h1_head head;
    const struct weft_refusal *why;
    struct weft_turn turn;
    struct weft_exchange *exchange;
    weft_turn_init(&turn);
    assert_int_equal(weft_exchange_new(&exchange, &turn), 0);
    read_request(&reader, &head, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
    reader.exchange = exchange;
    assert_int_equal(weft_h1_read_body(&reader, WEFT_SLICE("3\r\nabc\r\n0\r\nX-A"), &why), 11);
    assert_int_equal(reader.phase, WEFT_H1_TRAILING);
    assert_int_equal(weft_h1_read_body(&reader, WEFT_SLICE("X-A: b\r\n"), &why), 0);
    assert_int_equal(weft_h1_read_body(&reader, WEFT_SLICE("X-A: b\r\n\r\nGET"), &why), 10);
    assert_int_equal(reader.phase, WEFT_H1_OVER);
    assert_slice(weft_fields_value(&exchange->flows[WEFT_REQUEST].trailers, "x-a"), "b");
    assert_slice(weft_bytes_front(&exchange->flows[WEFT_REQUEST].bytes), "abc");
    weft_exchange_leave(exchange, WEFT_ASKER, 0);
    weft_exchange_leave(exchange, WEFT_WORKER, 0);
}

static void test_body_until_the_end(void **state)
{
    (void)state;
    struct weft_h1_reader reader;
    struct weft_h1_head head;
    const struct weft_refusal *why;
    weft_h1_reader_init(&reader, WEFT_H1_ANSWER, UINT64_MAX);
    assert_int_equal(weft_h1_read_head(&reader, WEFT_SLICE("HTTP/1.1 200 OK\r\n\r\n"), &head, &why), 19);
    assert_int_equal(weft_h1_read_body(&reader, WEFT_SLICE("HTTP/1.1 200 OK\r\n\r\n"), &why), 19);
    assert_int_equal(reader.phase, WEFT_H1_BODY);
    assert_true(weft_h1_read_end(&reader));
    assert_int_equal(reader.phase, WEFT_H1_OVER);
}

static void test_options(void **state)
{
    (void)state;
    struct weft_h1_reader reader;
    struct weft_h1_head head;
    struct weft_h1_options options;
    read_request(&reader, &head,
                 "GET / HTTP/1.1\r\nHost: a\r\nconnection:\r\nConnection: ,Keep-Alive ,, X-Hop\r\n"
                 "CONNECTION: CLOSE\r\n\r\n");
    assert_int_equal(weft_h1_options_read(&options, &head), 0);
    assert_true(options.close);
    assert_true(options.keep_alive);
    assert_int_equal(options.count, 1);
    assert_slice(options.names[0], "X-Hop");
    read_request(&reader, &head, "GET / HTTP/1.1\r\nHost: a\r\nConnection: a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a\r\n\r\n");
    assert_int_equal(weft_h1_options_read(&options, &head), WEFT_ERR_INVALID);
}

static void test_fields_copied_once(void **state)
{
    (void)state;
    struct weft_h1_reader reader;
    struct weft_h1_head head;
    struct weft_h1_options options;
    struct weft_arena arena;
    struct weft_fields fields = {0};
    char *rest;
    weft_arena_init(&arena);
    read_request(&reader, &head,
                 "GET / HTTP/1.1\r\nHost: a\r\nConnection: X-Hop\r\nx-hop: 1\r\nX-Aa: Bb\r\nC:\r\n\r\n");
    assert_int_equal(weft_h1_options_read(&options, &head), 0);
    int64_t live = weft_mem_live();
    assert_int_equal(weft_h1_fields_copy(&fields, &arena, &head, &options, 5, &rest), 0);
    assert_int_equal(weft_mem_live(), live + 1);
    assert_int_equal(fields.count, 2);
    assert_slice(fields.at[0].name, "x-aa");
    assert_slice(fields.at[0].value, "Bb");
    assert_slice(fields.at[1].name, "c");
    assert_slice(fields.at[1].value, "");
    memcpy(rest, "12345", 5);
    assert_int_equal(weft_fields_add(&fields, &arena, WEFT_SLICE("more"), WEFT_SLICE("x")), 0);
    assert_slice(weft_fields_value(&fields, "x-aa"), "Bb");
    weft_arena_deinit(&arena);
    weft_mem_fail_at(1);
    assert_int_equal(weft_h1_fields_copy(&fields, &arena, &head, &options, 5, &rest), WEFT_ERR_MEMORY);
    weft_mem_fail_at(0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_head_in_place),        cmocka_unit_test(test_unknown_method),
        cmocka_unit_test(test_body_of_known_length), cmocka_unit_test(test_trailers_wait_for_their_end),
        cmocka_unit_test(test_body_until_the_end),   cmocka_unit_test(test_options),
        cmocka_unit_test(test_fields_copied_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
