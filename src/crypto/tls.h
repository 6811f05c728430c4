/* crypto/tls.h - TLS 1.3 as a byte filter: ciphertext and plaintext go in and out, nothing touches a socket.
 *
 * Two kinds of peers meet on one port. Links (ALPN weft/1, weft-reverse/1) show Ed25519 certificates to each other;
 * browsers and curl (h2, http/1.1) see the web certificate and are never asked for one. The ClientHello decides which.
 */
#ifndef WEFT_CRYPTO_TLS_H
#define WEFT_CRYPTO_TLS_H

#include "crypto/filter.h"

#define WEFT_TLS_KEY_SIZE    32 /* an Ed25519 public key, or the seed of a private one */
#define WEFT_TLS_OUTPUT_HIGH ((size_t)64 * 1024)

/* A certificate chain and its private key. */
struct weft_tls_identity;

/* From PEM texts. On error *out is NULL and `why` (at least 160 bytes) holds a sentence: no certificate in it, key does
 * not fit... */
WEFT_MUST_USE int weft_tls_identity_from_pem(struct weft_tls_identity **out, struct weft_slice certificate,
                                             struct weft_slice key, char *why, size_t why_size);
/* A self-signed certificate around the Ed25519 key of this seed, valid from a day before `wall_s` (seconds since 1970)
 * for 10 years; the peer checks the key, not the dates. */
WEFT_MUST_USE int weft_tls_identity_from_seed(struct weft_tls_identity **out, const uint8_t seed[WEFT_TLS_KEY_SIZE],
                                              int64_t wall_s);
void weft_tls_identity_free(struct weft_tls_identity *identity);

/* What both ends of many connections share. Identities must outlive the context. */
struct weft_tls_context;

struct weft_tls_server_options {
    const struct weft_tls_identity *web; /* for h2 and http/1.1, and for no ALPN at all; NULL refuses those */
    const struct weft_tls_identity
        *link; /* for weft/1 and weft-reverse/1, and asks for the peer's; NULL refuses those */
};

enum weft_tls_verify {
    WEFT_TLS_VERIFY_NAME, /* chain to the system's roots (or `roots`), and the name */
    WEFT_TLS_VERIFY_KEY,  /* any self-signed Ed25519 certificate; the caller reads _peer_key, and `key` is demanded if
                             given */
};

struct weft_tls_client_options {
    enum weft_tls_verify verify;
    struct weft_slice roots;                  /* PEM to trust instead of the system's; empty for the system's */
    const struct weft_tls_identity *identity; /* shown when asked for; may be NULL */
    const char *const *alpn; /* NULL-terminated, most wanted first; its strings must outlive the context */
};

WEFT_MUST_USE int weft_tls_server_context_new(struct weft_tls_context **out,
                                              const struct weft_tls_server_options *options);
WEFT_MUST_USE int weft_tls_client_context_new(struct weft_tls_context **out,
                                              const struct weft_tls_client_options *options);
void weft_tls_context_free(struct weft_tls_context *context); /* connections may outlive it */
/* The context as what a connection takes; NULL of NULL. */
struct weft_filters *weft_tls_filters(struct weft_tls_context *context);

/* The filters of links. */
extern const struct weft_link_security weft_tls_links;

/* One connection. */
struct weft_tls;

WEFT_MUST_USE int weft_tls_accept_new(struct weft_tls **out, struct weft_tls_context *context);
/* `name` for SNI and, with WEFT_TLS_VERIFY_NAME, the check (a host name or an IP address); `key` for
 * WEFT_TLS_VERIFY_KEY or NULL. Both are copied. */
WEFT_MUST_USE int weft_tls_connect_new(struct weft_tls **out, struct weft_tls_context *context, const char *name,
                                       const uint8_t *key);
void weft_tls_free(struct weft_tls *tls);

/* Ciphertext in; plaintext is appended to `plain`. 0, or an error after which the state is WEFT_FILTER_FAILED. */
WEFT_MUST_USE int weft_tls_receive(struct weft_tls *tls, const char *data, size_t size, struct weft_bytes *plain);
/* Seals plaintext from the front of `plain` until WEFT_TLS_OUTPUT_HIGH waits in the output or `plain` is empty; nothing
 * before WEFT_FILTER_OPEN. */
WEFT_MUST_USE int weft_tls_send(struct weft_tls *tls, struct weft_bytes *plain);
void weft_tls_shut(struct weft_tls *tls); /* puts close_notify into the output */
/* Ciphertext for the socket: the owner drops what it has written. */
struct weft_bytes *weft_tls_output(struct weft_tls *tls);

enum weft_filter_state weft_tls_state(const struct weft_tls *tls);
struct weft_slice weft_tls_alpn(const struct weft_tls *tls); /* empty if none was agreed */
const uint8_t *weft_tls_peer_key(
    const struct weft_tls *tls);                      /* WEFT_TLS_KEY_SIZE bytes, or NULL if the peer showed none */
const char *weft_tls_why(const struct weft_tls *tls); /* what failed, as a phrase without content */

/* What both ends of this connection, and nobody else, can compute (RFC 8446 section 7.5): by it what is signed is meant
 * for this connection and no other. WEFT_ERR_CLOSED before it is open; WEFT_ERR_MEMORY. */
#define WEFT_TLS_BINDING_SIZE 32
WEFT_MUST_USE int weft_tls_binding(const struct weft_tls *tls, uint8_t out[WEFT_TLS_BINDING_SIZE]);

/* Before anything else allocates: OpenSSL takes its memory from base/mem. */
void weft_tls_setup(void);

#endif
