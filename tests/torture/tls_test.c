/* tests/torture/tls_test.c - each allocation of a whole connection failed in turn: nothing leaks, nothing
 * lies.
 *
 * OpenSSL allocates through base/mem too, so its failures are among them. */
#include "base/mem.h"
#include "support/tls_ends.h"

#include <openssl/crypto.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define WALL_S    1767225600
#define STEPS_MAX 100000
#define AT_START  7 /* every seventh of what is made once, at start: 12,000, nearly all OpenSSL's own */

static struct tls_authority authority;
static struct pem_text certificate, key;
static const uint8_t server_seed[WEFT_TLS_KEY_SIZE] = {1}, client_seed[WEFT_TLS_KEY_SIZE] = {2};

/* What the stages share; each is tortured alone, on what was made before without failures. */
static struct weft_tls_identity *web_identity, *server_identity, *client_identity;
static struct weft_tls_context *server_context, *web_client, *link_client;

static int make_pem_identity(struct weft_tls_identity **out)
{
    char why[160] = "";
    int error = weft_tls_identity_from_pem(out, pem_slice(&certificate), pem_slice(&key), why, sizeof(why));
    assert_true((error != 0) == (why[0] != '\0'));
    return error;
}

static int make_server(struct weft_tls_context **out)
{
    return weft_tls_server_context_new(out,
                                       &(struct weft_tls_server_options){.web = web_identity, .link = server_identity});
}

static int make_client(struct weft_tls_context **out, bool link)
{
    static const char *const ask_link[] = {"weft/1", NULL}, *const ask_web[] = {"h2", NULL};
    const struct weft_tls_client_options key_options = {
        .verify = WEFT_TLS_VERIFY_KEY, .identity = client_identity, .alpn = ask_link};
    const struct weft_tls_client_options name_options = {
        .verify = WEFT_TLS_VERIFY_NAME, .roots = pem_slice(&authority.roots), .alpn = ask_web};
    return weft_tls_client_context_new(out, link ? &key_options : &name_options);
}

static int identities_once(void)
{
    struct weft_tls_identity *from_pem = NULL, *from_seed = NULL;
    int error = make_pem_identity(&from_pem);
    error = error ? error : weft_tls_identity_from_seed(&from_seed, client_seed, WALL_S);
    weft_tls_identity_free(from_seed);
    weft_tls_identity_free(from_pem);
    return error;
}

static int contexts_once(void)
{
    struct weft_tls_context *server = NULL, *web = NULL, *link = NULL;
    int error = make_server(&server);
    error = error ? error : make_client(&web, false);
    error = error ? error : make_client(&link, true);
    weft_tls_context_free(link);
    weft_tls_context_free(web);
    weft_tls_context_free(server);
    return error;
}

static int send_all(struct weft_tls *tls, size_t size)
{
    struct weft_bytes plain;
    weft_bytes_init(&plain);
    int error = 0;
    for (size_t i = 0; !error && i < size; i++) {
        char byte = (char)i;
        error = weft_bytes_append(&plain, &byte, 1);
    }
    error = error ? error : weft_tls_send(tls, &plain);
    weft_bytes_deinit(&plain);
    return error;
}

/* What arrived is what was sent, as far as it goes. */
static void assert_true_bytes(struct weft_bytes *plain)
{
    char byte = 0;
    for (size_t i = 0; weft_bytes_read(plain, &byte, 1) == 1; i++) {
        assert_int_equal(byte, (char)i);
    }
}

static int talk(struct tls_ends *ends, bool link)
{
    int error = tls_ends_pump(ends);
    if (error) {
        return error;
    }
    if (weft_tls_state(ends->client) != WEFT_FILTER_OPEN || weft_tls_state(ends->server) != WEFT_FILTER_OPEN) {
        return WEFT_ERR_CLOSED;
    }
    assert_int_equal(weft_tls_alpn(ends->server).size, link ? 6 : 2);
    assert_true((weft_tls_peer_key(ends->server) != NULL) == link);
    error = send_all(ends->client, 100);
    error = error ? error : send_all(ends->server, 20000);
    error = error ? error : tls_ends_pump(ends);
    if (!error) {
        assert_int_equal(ends->server_plain.size, 100);
        assert_int_equal(ends->client_plain.size, 20000);
    }
    weft_tls_shut(ends->client);
    error = error ? error : tls_ends_pump(ends);
    return error ? error : weft_tls_state(ends->server) == WEFT_FILTER_ENDED ? 0 : WEFT_ERR_CLOSED;
}

static int connection_once(bool link)
{
    struct tls_ends ends = {0};
    int error = weft_tls_accept_new(&ends.server, server_context);
    error = error ? error : weft_tls_connect_new(&ends.client, link ? link_client : web_client, "weft.test", NULL);
    error = error ? error : talk(&ends, link);
    assert_true_bytes(&ends.server_plain);
    assert_true_bytes(&ends.client_plain);
    tls_ends_free(&ends);
    return error;
}

static int link_once(void)
{
    return connection_once(true);
}

static int web_once(void)
{
    return connection_once(false);
}

/* What is still held after everything that a thread may keep for later has been given back. */
static int64_t live_now(void)
{
    OPENSSL_thread_stop();
    weft_bytes_trim();
    return weft_mem_live();
}

static void torture(int (*once)(void), uint64_t stride)
{
    /* OpenSSL fills caches of its own at first use: they are no leak. */
    for (int i = 0; i < 3; i++) {
        assert_int_equal(once(), 0);
    }
    int64_t before = live_now();
    uint64_t step = 1, errors = 0;
    bool failed = true;
    for (; failed && step < STEPS_MAX; step += stride) {
        weft_mem_fail_at(step);
        int error = once();
        failed = weft_mem_failed();
        weft_mem_fail_at(0);
        errors += error != 0;
        assert_true(failed || !error);
        assert_int_equal(live_now(), before);
    }
    assert_false(failed);
    assert_true(errors > 50); /* not most: OpenSSL can do without much of what it asks for */
    print_message("%llu allocations failed in turn, %llu of them ended it\n",
                  (unsigned long long)((step - 1) / stride - 1), (unsigned long long)errors);
}

static void test_identities(void **state)
{
    (void)state;
    torture(identities_once, AT_START);
}

static void test_contexts(void **state)
{
    (void)state;
    torture(contexts_once, AT_START);
}

static void test_link(void **state)
{
    (void)state;
    torture(link_once, 1);
}

static void test_web(void **state)
{
    (void)state;
    torture(web_once, 3); /* a link and a browser differ in the check of the certificate only */
}

static int set_up(void **state)
{
    (void)state;
    weft_tls_setup();
    tls_authority_init(&authority);
    tls_authority_issue(&authority, (struct certificate_wish){0}, &certificate, &key);
    int error = make_pem_identity(&web_identity);
    error = error ? error : weft_tls_identity_from_seed(&server_identity, server_seed, WALL_S);
    error = error ? error : weft_tls_identity_from_seed(&client_identity, client_seed, WALL_S);
    error = error ? error : make_server(&server_context);
    error = error ? error : make_client(&web_client, false);
    return error ? error : make_client(&link_client, true);
}

static int tear_down(void **state)
{
    (void)state;
    weft_tls_context_free(link_client);
    weft_tls_context_free(web_client);
    weft_tls_context_free(server_context);
    weft_tls_identity_free(client_identity);
    weft_tls_identity_free(server_identity);
    weft_tls_identity_free(web_identity);
    tls_authority_deinit(&authority);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_identities),
        cmocka_unit_test(test_contexts),
        cmocka_unit_test(test_link),
        cmocka_unit_test(test_web),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
