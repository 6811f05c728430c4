/* tests/unit/crypto/tls_context_test.c - which identity meets which peer, and who is let in. */
#include "support/tls_world.h"

static const char *const ask_http[] = {"http/1.1", "h2", NULL};
static const char *const ask_http_only[] = {"http/1.1", NULL};
static const char *const ask_link[] = {"weft/1", NULL};
static const char *const ask_reverse[] = {"weft-reverse/1", NULL};
static const char *const ask_link_among_others[] = {"h2", "weft/1", NULL};
static const char *const ask_unknown[] = {"spdy/3", "weft/2", NULL};

static void test_web_protocols(void **state)
{
    (void)state;
    const struct {
        const char *const *asked;
        const char *agreed;
    } cases[] = {{ask_h2, "h2"}, {ask_http, "h2"}, {ask_http_only, "http/1.1"}, {NULL, ""}};
    for (size_t i = 0; i < WEFT_COUNT(cases); i++) {
        struct tls_ends ends;
        meet(&ends, world.server, browser(cases[i].asked), "weft.test", NULL);
        assert_int_equal(tls_ends_pump(&ends), 0);
        assert_open(&ends);
        assert_alpn(ends.client, cases[i].agreed);
        assert_alpn(ends.server, cases[i].agreed);
        tls_ends_free(&ends);
    }
}

static void assert_no_protocol(struct weft_tls_context *server, struct weft_tls_client_options options)
{
    struct tls_ends ends;
    meet(&ends, server, options, "weft.test", NULL);
    assert_int_equal(tls_ends_pump(&ends), WEFT_ERR_CRYPTO);
    assert_int_equal(weft_tls_state(ends.server), WEFT_FILTER_FAILED);
    assert_int_equal(weft_tls_state(ends.client), WEFT_FILTER_FAILED);
    assert_string_equal(weft_tls_why(ends.server), "the peer asks for a protocol that is not served here");
    assert_string_equal(weft_tls_why(ends.client), "the peer serves none of the protocols asked for");
    tls_ends_free(&ends);
}

static void test_protocols_that_are_not_served(void **state)
{
    (void)state;
    struct weft_tls_context *web_only = server_context(world.web, NULL);
    struct weft_tls_context *link_only = server_context(NULL, world.server_link);
    assert_no_protocol(world.server, browser(ask_unknown));
    assert_no_protocol(web_only, peer(ask_link));
    assert_no_protocol(web_only, peer(ask_reverse));
    assert_no_protocol(link_only, browser(ask_h2));
    assert_no_protocol(link_only, browser(NULL));
    weft_tls_context_free(web_only);
    weft_tls_context_free(link_only);
}

static void test_link_shows_both_keys(void **state)
{
    (void)state;
    const char *const *asks[] = {ask_link, ask_reverse, ask_link_among_others};
    const char *agreed[] = {"weft/1", "weft-reverse/1", "weft/1"};
    for (size_t i = 0; i < WEFT_COUNT(asks); i++) {
        struct tls_ends ends;
        meet(&ends, world.server, peer(asks[i]), i ? NULL : "gateway.test", i ? NULL : world.server_key);
        assert_null(weft_tls_peer_key(ends.client));
        assert_int_equal(tls_ends_pump(&ends), 0);
        assert_open(&ends);
        assert_alpn(ends.server, agreed[i]);
        assert_memory_equal(weft_tls_peer_key(ends.client), world.server_key, WEFT_TLS_KEY_SIZE);
        assert_memory_equal(weft_tls_peer_key(ends.server), world.client_key, WEFT_TLS_KEY_SIZE);
        tls_ends_free(&ends);
    }
}

static void test_link_to_another_key(void **state)
{
    (void)state;
    struct tls_ends ends;
    meet(&ends, world.server, peer(ask_link), NULL, world.client_key);
    assert_int_equal(tls_ends_pump(&ends), WEFT_ERR_CRYPTO);
    assert_int_equal(weft_tls_state(ends.client), WEFT_FILTER_FAILED);
    assert_string_equal(weft_tls_why(ends.client), "the peer has another key than the one expected");
    assert_null(weft_tls_peer_key(ends.client));
    assert_int_equal(weft_tls_state(ends.server), WEFT_FILTER_FAILED);
    assert_string_equal(weft_tls_why(ends.server), "the peer rejects our certificate");
    tls_ends_free(&ends);
}

/* Neither no certificate nor one of another kind gets past a link's server. */
static void test_link_without_a_proper_certificate(void **state)
{
    (void)state;
    const struct weft_tls_identity *shown[] = {NULL, world.client_ecdsa};
    for (size_t i = 0; i < WEFT_COUNT(shown); i++) {
        struct tls_ends ends;
        struct weft_tls_client_options options = peer(ask_link);
        options.identity = shown[i];
        meet(&ends, world.server, options, NULL, NULL);
        assert_int_equal(tls_ends_pump(&ends), WEFT_ERR_CRYPTO);
        assert_int_equal(weft_tls_state(ends.server), WEFT_FILTER_FAILED);
        assert_string_equal(weft_tls_why(ends.server), "the peer showed no certificate");
        assert_null(weft_tls_peer_key(ends.server));
        assert_string_equal(weft_tls_why(ends.client), "the peer demands a certificate");
        tls_ends_free(&ends);
    }
}

/* A link's client meets a server that has only the web's ECDSA certificate for it. */
static void test_link_to_a_server_of_another_kind(void **state)
{
    (void)state;
    struct tls_ends ends;
    struct weft_tls_context *server = server_context(world.web, NULL);
    meet(&ends, server, peer(ask_h2), NULL, NULL);
    assert_int_equal(tls_ends_pump(&ends), WEFT_ERR_CRYPTO);
    assert_string_equal(weft_tls_why(ends.server), "the peer cannot check our kind of certificate");
    assert_string_equal(weft_tls_why(ends.client), "the peer found no way of TLS that suits both");
    tls_ends_free(&ends);
    weft_tls_context_free(server);
}

/* OpenSSL would take these for "do not check". */
static void test_names_that_check_nothing(void **state)
{
    (void)state;
    static char endless[300];
    memset(endless, 'a', sizeof(endless) - 1);
    const char *names[] = {NULL, "", ".weft.test", endless};
    struct weft_tls_context *context = NULL;
    struct weft_tls_client_options options = browser(ask_h2);
    assert_int_equal(weft_tls_client_context_new(&context, &options), 0);
    for (size_t i = 0; i < WEFT_COUNT(names); i++) {
        struct weft_tls *tls = NULL;
        assert_int_equal(weft_tls_connect_new(&tls, context, names[i], NULL), WEFT_ERR_INVALID);
        assert_null(tls);
    }
    weft_tls_context_free(context);
}

static void test_roots_that_are_none(void **state)
{
    (void)state;
    struct weft_tls_context *context = NULL;
    struct weft_tls_client_options options = browser(ask_h2);
    options.roots = WEFT_SLICE("no certificate at all");
    assert_int_equal(weft_tls_client_context_new(&context, &options), WEFT_ERR_CRYPTO);
    assert_null(context);
}

static void test_connections_outlive_their_context(void **state)
{
    (void)state;
    struct tls_ends ends;
    struct weft_tls_context *server = server_context(world.web, NULL);
    meet(&ends, server, browser(ask_h2), "weft.test", NULL);
    weft_tls_context_free(server);
    weft_tls_context_free(NULL);
    assert_int_equal(tls_ends_pump(&ends), 0);
    assert_open(&ends);
    tls_ends_free(&ends);
    weft_tls_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_web_protocols),
        cmocka_unit_test(test_protocols_that_are_not_served),
        cmocka_unit_test(test_link_shows_both_keys),
        cmocka_unit_test(test_link_to_another_key),
        cmocka_unit_test(test_link_without_a_proper_certificate),
        cmocka_unit_test(test_link_to_a_server_of_another_kind),
        cmocka_unit_test(test_names_that_check_nothing),
        cmocka_unit_test(test_roots_that_are_none),
        cmocka_unit_test(test_connections_outlive_their_context),
    };
    return cmocka_run_group_tests(tests, world_set_up, world_tear_down);
}
