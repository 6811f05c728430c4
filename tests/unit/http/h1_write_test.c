/* tests/unit/http/h1_write_test.c - heads, chunks and trailers as they go out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/error.h"
#include "base/mem.h"
#include "http/h1_write.h"
#include "http/limits.h"

static struct weft_turn turn;

static struct weft_exchange *new_exchange(void)
{
    struct weft_exchange *exchange;
    weft_turn_init(&turn);
    assert_int_equal(weft_exchange_new(&exchange, &turn), 0);
    return exchange;
}

static void leave(struct weft_exchange *exchange)
{
    weft_exchange_leave(exchange, WEFT_ASKER, 0);
    weft_exchange_leave(exchange, WEFT_WORKER, 0);
}

static void assert_output(struct weft_bytes *output, const char *text, size_t size)
{
    static char got[300000];
    assert_int_equal(output->size, size);
    assert_int_equal(weft_bytes_read(output, got, sizeof(got)), size);
    assert_memory_equal(got, text, size);
}

static void write(struct weft_exchange *exchange, const char *data, size_t size)
{
    assert_int_equal(weft_exchange_write(exchange, WEFT_ANSWER, data, size), 0);
}

/* Chunks of every size around the pen's and the blocks' bounds, with the body in one piece and in many. */
static void test_chunk_sizes(void **state)
{
    (void)state;
    static const size_t sizes[] = {1, 15, 16, 200, 511, 512, 513, 1024, 4000, 4096, 5000, 100000};
    static char data[100000], text[100100];
    for (size_t i = 0; i < sizeof(data); i++) {
        data[i] = (char)('a' + i % 23);
    }
    for (size_t i = 0; i < WEFT_COUNT(sizes); i++) {
        struct weft_exchange *exchange = new_exchange();
        struct weft_bytes output = {0};
        assert_int_equal(weft_bytes_append(&output, "head", 4), 0);
        write(exchange, data, sizes[i] / 2);
        write(exchange, data + sizes[i] / 2, sizes[i] - sizes[i] / 2);
        assert_int_equal(weft_h1_write_body(&output, exchange, WEFT_ANSWER, true), 0);
        int used = snprintf(text, sizeof(text), "head%zx\r\n", sizes[i]);
        memcpy(text + used, data, sizes[i]);
        memcpy(text + (size_t)used + sizes[i], "\r\n", 2);
        assert_output(&output, text, (size_t)used + sizes[i] + 2);
        assert_int_equal(weft_h1_write_body(&output, exchange, WEFT_ANSWER, true), 0);
        assert_int_equal(output.size, 0); /* no empty chunk: it would be the last */
        weft_exchange_end(exchange, WEFT_ANSWER);
        assert_int_equal(weft_h1_write_body(&output, exchange, WEFT_ANSWER, true), 1);
        assert_output(&output, "0\r\n\r\n", 5);
        leave(exchange);
    }
}

static void test_small_event_is_one_piece(void **state)
{
    (void)state;
    struct weft_exchange *exchange = new_exchange();
    struct weft_bytes output = {0};
    char event[200] = {0};
    write(exchange, event, sizeof(event));
    assert_int_equal(weft_h1_write_body(&output, exchange, WEFT_ANSWER, true), 0);
    struct weft_slice views[2];
    assert_int_equal(weft_bytes_peek(&output, views, 2), 1);
    assert_int_equal(output.size, 200 + 4 + 2);
    weft_bytes_deinit(&output);
    leave(exchange);
}

static void test_long_heads(void **state)
{
    (void)state;
    struct weft_exchange *exchange = new_exchange();
    struct weft_bytes output = {0};
    static char value[5000], text[20000];
    memset(value, 'v', sizeof(value));
    size_t used = (size_t)snprintf(text, sizeof(text), "HTTP/1.1 299 \r\n");
    for (size_t size = 1; size <= sizeof(value); size *= 5) {
        assert_int_equal(
            weft_fields_add(&exchange->answer.fields, &exchange->arena, WEFT_SLICE("x-a"), weft_slice(value, size)), 0);
        used += (size_t)snprintf(text + used, sizeof(text) - used, "x-a: %.*s\r\n", (int)size, value);
    }
    used += (size_t)snprintf(text + used, sizeof(text) - used, "content-length: 0\r\n\r\n");
    exchange->answer.status = 299;
    const struct weft_h1_framing framing = {.length = 0};
    assert_int_equal(weft_h1_write_answer(&output, &exchange->answer, &framing), 0);
    assert_output(&output, text, used);
    leave(exchange);
}

static void test_framing_is_the_carriers(void **state)
{
    (void)state;
    struct weft_exchange *exchange = new_exchange();
    struct weft_bytes output = {0};
    static const char *const names[] = {"Host", "Content-Length", "Transfer-Encoding", "Connection", "Trailer"};
    for (size_t i = 0; i < WEFT_COUNT(names); i++) {
        assert_int_equal(
            weft_fields_add(&exchange->request.fields, &exchange->arena, weft_slice_text(names[i]), WEFT_SLICE("7")),
            0);
    }
    exchange->request.method = WEFT_SLICE("PUT");
    exchange->request.target = WEFT_SLICE("/a");
    exchange->request.authority = WEFT_SLICE("b");
    const struct weft_h1_framing framing = {.length = INT64_MAX, .connection = "close", .expects_continue = true};
    const char *text = "PUT /a HTTP/1.1\r\nhost: b\r\ncontent-length: 9223372036854775807\r\nconnection: close\r\n"
                       "expect: 100-continue\r\n\r\n";
    assert_int_equal(weft_h1_write_request(&output, &exchange->request, &framing), 0);
    assert_output(&output, text, strlen(text));
    leave(exchange);
}

static void test_refusals(void **state)
{
    (void)state;
    const struct weft_refusal refusal = {400, "bad_host", "The Host header holds no valid host."};
    char body[512], head[256];
    int length = weft_refusal_body(body, sizeof(body), &refusal);
    assert_true(length > 0);
    (void)snprintf(head, sizeof(head),
                   "HTTP/1.1 400 Bad Request\r\ncontent-type: application/json\r\ncontent-length: %d\r\n"
                   "connection: close\r\n\r\n",
                   length);
    struct weft_bytes output = {0};
    assert_int_equal(weft_h1_write_refusal(&output, &refusal, true, true), 0);
    assert_output(&output, head, strlen(head));
    assert_int_equal(weft_h1_write_refusal(&output, &refusal, true, false), 0);
    assert_int_equal(output.size, strlen(head) + (size_t)length);
    weft_bytes_deinit(&output);
    weft_bytes_trim();
    weft_mem_fail_at(1);
    assert_int_equal(weft_h1_write_refusal(&output, &refusal, true, false), WEFT_ERR_MEMORY);
    weft_mem_fail_at(1);
    assert_int_equal(weft_h1_write_continue(&output), WEFT_ERR_MEMORY);
    weft_mem_fail_at(0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_chunk_sizes), cmocka_unit_test(test_small_event_is_one_piece),
        cmocka_unit_test(test_long_heads),  cmocka_unit_test(test_framing_is_the_carriers),
        cmocka_unit_test(test_refusals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
