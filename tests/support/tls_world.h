/* tests/support/tls_world.h - identities and contexts that tests of TLS meet in. */
#ifndef WEFT_TESTS_SUPPORT_TLS_WORLD_H
#define WEFT_TESTS_SUPPORT_TLS_WORLD_H

#include "support/tls_ends.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define WALL_S 1767225600

static const char *const ask_h2[] = {"h2", "http/1.1", NULL};

static struct world {
    struct tls_authority authority;
    struct pem_text certificate, key;
    struct weft_tls_identity *web, *server_link, *client_link, *client_ecdsa;
    struct weft_tls_context *server; /* web and link */
    uint8_t server_key[WEFT_TLS_KEY_SIZE], client_key[WEFT_TLS_KEY_SIZE];
} world;

static inline struct weft_tls_identity *identity_from(struct certificate_wish wish)
{
    struct weft_tls_identity *identity = NULL;
    char why[160];
    tls_authority_issue(&world.authority, wish, &world.certificate, &world.key);
    assert_int_equal(
        weft_tls_identity_from_pem(&identity, pem_slice(&world.certificate), pem_slice(&world.key), why, sizeof(why)),
        0);
    return identity;
}

static inline struct weft_tls_context *server_context(const struct weft_tls_identity *web,
                                                      const struct weft_tls_identity *link)
{
    struct weft_tls_context *context = NULL;
    assert_int_equal(weft_tls_server_context_new(&context, &(struct weft_tls_server_options){.web = web, .link = link}),
                     0);
    return context;
}

/* A browser, more or less: trusts the authority of this test. */
static inline struct weft_tls_client_options browser(const char *const *alpn)
{
    return (struct weft_tls_client_options){
        .verify = WEFT_TLS_VERIFY_NAME, .roots = pem_slice(&world.authority.roots), .alpn = alpn};
}

static inline struct weft_tls_client_options peer(const char *const *alpn)
{
    return (struct weft_tls_client_options){.verify = WEFT_TLS_VERIFY_KEY, .identity = world.client_link, .alpn = alpn};
}

/* Two fresh ends; the client's context lives as long as the client. */
static inline void meet(struct tls_ends *ends, struct weft_tls_context *server, struct weft_tls_client_options options,
                        const char *name, const uint8_t *key)
{
    struct weft_tls_context *client = NULL;
    *ends = (struct tls_ends){0};
    assert_int_equal(weft_tls_accept_new(&ends->server, server), 0);
    assert_int_equal(weft_tls_client_context_new(&client, &options), 0);
    assert_int_equal(weft_tls_connect_new(&ends->client, client, name, key), 0);
    weft_tls_context_free(client);
    assert_int_equal(weft_tls_state(ends->client), WEFT_FILTER_HANDSHAKE);
}

static inline void assert_open(const struct tls_ends *ends)
{
    assert_int_equal(weft_tls_state(ends->client), WEFT_FILTER_OPEN);
    assert_int_equal(weft_tls_state(ends->server), WEFT_FILTER_OPEN);
}

static inline void send_text(struct weft_tls *from, const char *text)
{
    struct weft_bytes plain;
    weft_bytes_init(&plain);
    assert_int_equal(weft_bytes_append(&plain, text, strlen(text)), 0);
    assert_int_equal(weft_tls_send(from, &plain), 0);
    assert_int_equal(plain.size, 0);
}

static inline void assert_received(struct weft_bytes *plain, const char *text)
{
    char buffer[256] = {0};
    assert_int_equal(plain->size, strlen(text));
    weft_bytes_read(plain, buffer, sizeof(buffer) - 1);
    assert_string_equal(buffer, text);
}

static inline void assert_alpn(const struct weft_tls *tls, const char *name)
{
    struct weft_slice alpn = weft_tls_alpn(tls);
    assert_int_equal(alpn.size, strlen(name));
    assert_memory_equal(alpn.data, name, alpn.size);
}

static inline void raw_public(const uint8_t seed[WEFT_TLS_KEY_SIZE], uint8_t out[WEFT_TLS_KEY_SIZE])
{
    size_t size = WEFT_TLS_KEY_SIZE;
    EVP_PKEY *key = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, seed, WEFT_TLS_KEY_SIZE);
    assert_int_equal(EVP_PKEY_get_raw_public_key(key, out, &size), 1);
    EVP_PKEY_free(key);
}

static inline int world_set_up(void **state)
{
    (void)state;
    weft_tls_setup();
    tls_authority_init(&world.authority);
    const uint8_t server_seed[WEFT_TLS_KEY_SIZE] = {1}, client_seed[WEFT_TLS_KEY_SIZE] = {2};
    world.client_ecdsa = identity_from((struct certificate_wish){0});
    world.web = identity_from((struct certificate_wish){0});
    raw_public(server_seed, world.server_key);
    raw_public(client_seed, world.client_key);
    if (weft_tls_identity_from_seed(&world.server_link, server_seed, WALL_S) ||
        weft_tls_identity_from_seed(&world.client_link, client_seed, WALL_S)) {
        return -1;
    }
    world.server = server_context(world.web, world.server_link);
    return 0;
}

static inline int world_tear_down(void **state)
{
    (void)state;
    weft_tls_context_free(world.server);
    weft_tls_identity_free(world.web);
    weft_tls_identity_free(world.server_link);
    weft_tls_identity_free(world.client_link);
    weft_tls_identity_free(world.client_ecdsa);
    tls_authority_deinit(&world.authority);
    weft_bytes_trim();
    return 0;
}

#endif
