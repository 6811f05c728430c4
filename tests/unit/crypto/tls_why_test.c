/* tests/unit/crypto/tls_why_test.c - each failure is told to both ends in words. */
#include "support/tls_world.h"

#include <openssl/ssl.h>

static void test_names(void **state)
{
    (void)state;
    const struct {
        const char *name, *why; /* NULL: accepted */
    } cases[] = {
        {"weft.test", NULL},
        {"WEFT.test", NULL},
        {"127.0.0.1", NULL},
        {"::1", NULL},
        {"other.test", "the certificate is for another name"},
        {"test", "the certificate is for another name"},
        {"127.0.0.2", "the certificate is for another address"},
    };
    for (size_t i = 0; i < WEFT_COUNT(cases); i++) {
        struct tls_ends ends;
        meet(&ends, world.server, browser(ask_h2), cases[i].name, NULL);
        int error = tls_ends_pump(&ends);
        assert_int_equal(error, cases[i].why ? WEFT_ERR_CRYPTO : 0);
        assert_int_equal(weft_tls_state(ends.client), cases[i].why ? WEFT_FILTER_FAILED : WEFT_FILTER_OPEN);
        assert_string_equal(weft_tls_why(ends.client), cases[i].why ? cases[i].why : "nothing failed");
        assert_int_equal(weft_tls_state(ends.server), cases[i].why ? WEFT_FILTER_FAILED : WEFT_FILTER_OPEN);
        tls_ends_free(&ends);
    }
}

static void test_certificates_that_are_not_good(void **state)
{
    (void)state;
    struct tls_authority stranger;
    tls_authority_init(&stranger);
    struct weft_tls_client_options trusting = browser(ask_h2), doubting = browser(ask_h2);
    doubting.roots = pem_slice(&stranger.roots);
    const struct {
        struct certificate_wish wish;
        struct weft_tls_client_options options;
        const char *client_why, *server_why;
    } cases[] = {
        {{.expired = true}, trusting, "the certificate has expired", "the peer says that our certificate has expired"},
        {{.early = true}, trusting, "the certificate is not yet valid", "the peer rejects our certificate"},
        {{.names = NULL},
         doubting,
         "the certificate is signed by nobody we trust",
         "the peer does not trust who signed our certificate"},
    };
    for (size_t i = 0; i < WEFT_COUNT(cases); i++) {
        struct tls_ends ends;
        struct weft_tls_identity *identity = identity_from(cases[i].wish);
        struct weft_tls_context *server = server_context(identity, NULL);
        meet(&ends, server, cases[i].options, "weft.test", NULL);
        assert_int_equal(tls_ends_pump(&ends), WEFT_ERR_CRYPTO);
        assert_string_equal(weft_tls_why(ends.client), cases[i].client_why);
        assert_string_equal(weft_tls_why(ends.server), cases[i].server_why);
        tls_ends_free(&ends);
        weft_tls_context_free(server);
        weft_tls_identity_free(identity);
    }
    tls_authority_deinit(&stranger);
}

static void test_peers_that_speak_no_tls(void **state)
{
    (void)state;
    const struct {
        const char *said, *why;
    } cases[] = {
        {"GET / HTTP/1.1\r\nHost: weft.test\r\n\r\n", "the peer speaks no TLS: it sent plain HTTP"},
        {"CONNECT weft.test:443 HTTP/1.1\r\n\r\n", "the peer speaks no TLS: it takes this for a proxy"},
        {"SSH-2.0-OpenSSH_9.2\r\n", "the peer speaks no TLS"},
        {"\x7f\x7f\x7f\x7f\x7f\x7f\x7f\x7f\x7f\x7f\x7f\x7f", "the peer speaks no TLS"},
    };
    for (size_t i = 0; i < WEFT_COUNT(cases); i++) {
        struct weft_tls *server = NULL;
        struct weft_bytes plain;
        weft_bytes_init(&plain);
        assert_int_equal(weft_tls_accept_new(&server, world.server), 0);
        assert_int_equal(weft_tls_receive(server, cases[i].said, strlen(cases[i].said), &plain), WEFT_ERR_CRYPTO);
        assert_int_equal(weft_tls_state(server), WEFT_FILTER_FAILED);
        assert_string_equal(weft_tls_why(server), cases[i].why);
        assert_int_equal(weft_tls_receive(server, "x", 1, &plain), WEFT_ERR_CRYPTO); /* and stays so */
        assert_int_equal(weft_tls_send(server, &plain), WEFT_ERR_CRYPTO);
        assert_int_equal(plain.size, 0);
        weft_tls_free(server);
    }
}

/* A client of TLS 1.2, by the book, is told so. */
static void test_older_tls(void **state)
{
    (void)state;
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_max_proto_version(context, TLS1_2_VERSION);
    SSL *old = SSL_new(context);
    BIO *in = BIO_new(BIO_s_mem()), *out = BIO_new(BIO_s_mem());
    SSL_set_bio(old, in, out);
    SSL_connect(old);
    char hello[2048];
    int size = BIO_read(out, hello, sizeof(hello));
    assert_true(size > 0);
    struct weft_tls *server = NULL;
    struct weft_bytes plain;
    weft_bytes_init(&plain);
    assert_int_equal(weft_tls_accept_new(&server, world.server), 0);
    assert_int_equal(weft_tls_receive(server, hello, (size_t)size, &plain), WEFT_ERR_CRYPTO);
    assert_string_equal(weft_tls_why(server), "the peer does not speak TLS 1.3");
    struct weft_slice alert = weft_bytes_front(weft_tls_output(server));
    assert_int_equal(alert.size, 7);
    assert_int_equal(alert.data[6], SSL_AD_PROTOCOL_VERSION);
    weft_tls_free(server);
    SSL_free(old);
    SSL_CTX_free(context);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_certificates_that_are_not_good),
        cmocka_unit_test(test_peers_that_speak_no_tls),
        cmocka_unit_test(test_older_tls),
    };
    return cmocka_run_group_tests(tests, world_set_up, world_tear_down);
}
