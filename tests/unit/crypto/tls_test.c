/* tests/unit/crypto/tls_test.c - two ends of TLS back to back: what flows, what is cut, how it ends. */
#include "base/mem.h"
#include "crypto/tls_inside.h"
#include "support/tls_world.h"

static const char *const ask_link[] = {"weft/1", NULL};

static void test_hello_and_goodbye(void **state)
{
    (void)state;
    struct tls_ends ends;
    meet(&ends, world.server, browser(ask_h2), "weft.test", NULL);
    assert_int_equal(tls_ends_pump(&ends), 0);
    assert_open(&ends);
    assert_string_equal(weft_tls_why(ends.client), "nothing failed");
    send_text(ends.client, "hello");
    send_text(ends.server, "and hello to you");
    assert_int_equal(tls_ends_pump(&ends), 0);
    assert_received(&ends.server_plain, "hello");
    assert_received(&ends.client_plain, "and hello to you");
    assert_null(weft_tls_peer_key(ends.client));
    assert_null(weft_tls_peer_key(ends.server));
    weft_tls_shut(ends.client);
    weft_tls_shut(ends.client); /* once is enough */
    assert_int_equal(tls_ends_pump(&ends), 0);
    assert_int_equal(weft_tls_state(ends.server), WEFT_FILTER_ENDED);
    assert_int_equal(weft_tls_state(ends.client), WEFT_FILTER_OPEN);
    send_text(ends.server, "last words"); /* the other direction still flows */
    weft_tls_shut(ends.server);
    assert_int_equal(tls_ends_pump(&ends), 0);
    assert_received(&ends.client_plain, "last words");
    assert_int_equal(weft_tls_state(ends.client), WEFT_FILTER_ENDED);
    tls_ends_free(&ends);
}

static void test_nothing_is_sent_after_goodbye(void **state)
{
    (void)state;
    struct tls_ends ends;
    meet(&ends, world.server, browser(ask_h2), "weft.test", NULL);
    assert_int_equal(tls_ends_pump(&ends), 0);
    weft_tls_shut(ends.client);
    struct weft_bytes plain;
    weft_bytes_init(&plain);
    assert_int_equal(weft_tls_send(ends.client, &plain), 0);
    assert_int_equal(weft_bytes_append(&plain, "late", 4), 0);
    assert_int_equal(weft_tls_send(ends.client, &plain), WEFT_ERR_CLOSED);
    assert_int_equal(plain.size, 4);
    weft_bytes_deinit(&plain);
    tls_ends_free(&ends);
}

static void test_any_cut_of_the_bytes(void **state)
{
    (void)state;
    for (uint32_t seed = 1; seed <= 60; seed++) {
        struct tls_ends ends;
        bool link = seed % 2;
        meet(&ends, world.server, link ? peer(ask_link) : browser(ask_h2), link ? NULL : "weft.test", NULL);
        ends.dice = seed;
        assert_int_equal(tls_ends_pump(&ends), 0);
        assert_open(&ends);
        send_text(ends.client, "to the server");
        send_text(ends.server, "to the client");
        weft_tls_shut(ends.server);
        assert_int_equal(tls_ends_pump(&ends), 0);
        assert_received(&ends.server_plain, "to the server");
        assert_received(&ends.client_plain, "to the client");
        assert_int_equal(weft_tls_state(ends.client), WEFT_FILTER_ENDED);
        tls_ends_free(&ends);
    }
}

static void test_truncation_is_no_ending(void **state)
{
    (void)state;
    struct tls_ends ends;
    meet(&ends, world.server, browser(ask_h2), "weft.test", NULL);
    assert_int_equal(tls_ends_pump(&ends), 0);
    send_text(ends.client, "half of a record");
    struct weft_slice record = weft_bytes_front(weft_tls_output(ends.client));
    assert_int_equal(weft_tls_receive(ends.server, record.data, record.size - 1, &ends.server_plain), 0);
    assert_int_equal(ends.server_plain.size, 0);
    assert_int_equal(weft_tls_state(ends.server), WEFT_FILTER_OPEN); /* an owner who sees the end of input now knows */
    weft_bytes_drop(weft_tls_output(ends.client), record.size);
    tls_ends_free(&ends);
}

static void test_damage_is_found(void **state)
{
    (void)state;
    struct tls_ends ends;
    meet(&ends, world.server, browser(ask_h2), "weft.test", NULL);
    assert_int_equal(tls_ends_pump(&ends), 0);
    send_text(ends.client, "a record");
    char record[256];
    size_t size = weft_bytes_read(weft_tls_output(ends.client), record, sizeof(record));
    record[size - 1] ^= 1;
    assert_int_equal(weft_tls_receive(ends.server, record, size, &ends.server_plain), WEFT_ERR_CRYPTO);
    assert_int_equal(ends.server_plain.size, 0);
    assert_string_equal(weft_tls_why(ends.server), "a record arrived damaged");
    assert_true(weft_tls_output(ends.server)->size > 0); /* the alert */
    assert_int_equal(tls_ends_pump(&ends), WEFT_ERR_CRYPTO);
    assert_string_equal(weft_tls_why(ends.client), "what we sent reached the peer damaged");
    weft_tls_shut(ends.server); /* has nothing to add */
    assert_int_equal(weft_tls_output(ends.server)->size, 0);
    tls_ends_free(&ends);
}

static void test_small_write_is_one_record(void **state)
{
    (void)state;
    struct tls_ends ends;
    meet(&ends, world.server, browser(ask_h2), "weft.test", NULL);
    assert_int_equal(tls_ends_pump(&ends), 0);
    send_text(ends.server, "data: token\n\n");
    /* a header of 5, the text, the inner type, a tag of 16 (RFC 8446 section 5.2) */
    assert_int_equal(weft_tls_output(ends.server)->size, 5 + strlen("data: token\n\n") + 1 + 16);
    tls_ends_free(&ends);
}

/* The owner of a slow socket is never given more than WEFT_TLS_OUTPUT_HIGH and a record. */
static void test_large_transfer_with_backpressure(void **state)
{
    (void)state;
    enum { TOTAL = 3 * 1024 * 1024 };
    struct tls_ends ends;
    struct weft_bytes plain;
    weft_bytes_init(&plain);
    meet(&ends, world.server, browser(ask_h2), "weft.test", NULL);
    assert_int_equal(tls_ends_pump(&ends), 0);
    for (uint32_t i = 0; i < TOTAL / sizeof(i); i++) {
        assert_int_equal(weft_bytes_append(&plain, &i, sizeof(i)), 0);
    }
    ends.dice = 99;
    uint32_t next = 0, got = 0;
    size_t highest = 0;
    while (next < TOTAL / sizeof(next)) {
        assert_int_equal(weft_tls_send(ends.server, &plain), 0);
        size_t waiting = weft_tls_output(ends.server)->size;
        highest = waiting > highest ? waiting : highest;
        assert_int_equal(tls_ends_carry(&ends, ends.server, ends.client, &ends.client_plain), 1);
        while (ends.client_plain.size >= sizeof(got)) {
            weft_bytes_read(&ends.client_plain, &got, sizeof(got));
            assert_int_equal(got, next++);
        }
    }
    assert_true(highest >= WEFT_TLS_OUTPUT_HIGH && highest < WEFT_TLS_OUTPUT_HIGH + SSL3_RT_MAX_PLAIN_LENGTH + 64);
    assert_int_equal(plain.size, 0);
    assert_int_equal(weft_tls_output(ends.server)->size, 0);
    tls_ends_free(&ends);
}

/* A peer that demands answers (RFC 8446 section 4.6.3) and reads none cannot make us hold ever more. */
static void test_answers_that_nobody_reads(void **state)
{
    (void)state;
    struct tls_ends ends;
    meet(&ends, world.server, browser(ask_h2), "weft.test", NULL);
    assert_int_equal(tls_ends_pump(&ends), 0);
    int error = 0;
    for (int i = 0; !error && i < 10000; i++) {
        assert_int_equal(SSL_key_update(ends.client->ssl, SSL_KEY_UPDATE_REQUESTED), 1);
        send_text(ends.client, "x");
        while (!error && weft_tls_output(ends.client)->size > 0) {
            int carried = tls_ends_carry(&ends, ends.client, ends.server, &ends.server_plain);
            error = carried < 0 ? carried : 0;
        }
    }
    assert_true(weft_tls_output(ends.server)->size <= 2 * WEFT_TLS_OUTPUT_HIGH);
    assert_int_equal(error, WEFT_ERR_FULL);
    assert_string_equal(weft_tls_why(ends.server), "the peer asks for answers and does not read them");
    tls_ends_free(&ends);
}

static void test_nothing_is_sent_before_it_is_open(void **state)
{
    (void)state;
    struct tls_ends ends;
    struct weft_bytes plain;
    weft_bytes_init(&plain);
    meet(&ends, world.server, browser(ask_h2), "weft.test", NULL);
    assert_int_equal(weft_bytes_append(&plain, "early", 5), 0);
    assert_int_equal(weft_tls_send(ends.client, &plain), 0);
    assert_int_equal(plain.size, 5);
    weft_tls_shut(ends.client); /* nothing is open that could be closed */
    assert_int_equal(tls_ends_pump(&ends), 0);
    assert_int_equal(weft_tls_send(ends.client, &plain), 0);
    assert_int_equal(tls_ends_pump(&ends), 0);
    assert_received(&ends.server_plain, "early");
    tls_ends_free(&ends);
}

/* Both ends know it, it says nothing to the next connection, and neither is it there before who the peer is. */
static void test_binding(void **state)
{
    (void)state;
    struct tls_ends ends, others;
    uint8_t here[WEFT_TLS_BINDING_SIZE] = {0}, there[WEFT_TLS_BINDING_SIZE] = {1}, again[WEFT_TLS_BINDING_SIZE];
    meet(&ends, world.server, peer(ask_link), NULL, world.server_key);
    assert_int_equal(weft_tls_binding(ends.client, here), WEFT_ERR_CLOSED);
    assert_int_equal(tls_ends_pump(&ends), 0);
    assert_int_equal(weft_tls_binding(ends.client, here), 0);
    assert_int_equal(weft_tls_binding(ends.server, there), 0);
    assert_memory_equal(here, there, sizeof(here));
    assert_int_equal(weft_tls_binding(ends.client, again), 0);
    assert_memory_equal(here, again, sizeof(here));
    meet(&others, world.server, peer(ask_link), NULL, world.server_key);
    assert_int_equal(tls_ends_pump(&others), 0);
    assert_int_equal(weft_tls_binding(others.client, there), 0);
    assert_memory_not_equal(here, there, sizeof(here));
    int error = WEFT_ERR_MEMORY;
    uint64_t rounds = 0;
    while (error == WEFT_ERR_MEMORY && rounds < 100) { /* whichever allocation fails, that is what it says */
        weft_mem_fail_at(++rounds);
        error = weft_tls_binding(ends.client, again);
    }
    weft_mem_fail_at(0);
    assert_int_equal(error, 0);
    assert_true(rounds > 1);
    assert_memory_equal(here, again, sizeof(here));
    tls_ends_free(&others);
    tls_ends_free(&ends);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hello_and_goodbye),
        cmocka_unit_test(test_nothing_is_sent_after_goodbye),
        cmocka_unit_test(test_any_cut_of_the_bytes),
        cmocka_unit_test(test_truncation_is_no_ending),
        cmocka_unit_test(test_damage_is_found),
        cmocka_unit_test(test_small_write_is_one_record),
        cmocka_unit_test(test_large_transfer_with_backpressure),
        cmocka_unit_test(test_answers_that_nobody_reads),
        cmocka_unit_test(test_nothing_is_sent_before_it_is_open),
        cmocka_unit_test(test_binding),
    };
    return cmocka_run_group_tests(tests, world_set_up, world_tear_down);
}
