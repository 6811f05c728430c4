/* crypto/tls_inside.h - what the three files of TLS share. Nobody outside src/crypto includes it. */
#ifndef WEFT_CRYPTO_TLS_INSIDE_H
#define WEFT_CRYPTO_TLS_INSIDE_H

#include "crypto/tls.h"

#include <openssl/ssl.h>

struct weft_tls_identity {
    X509 *leaf;
    STACK_OF(X509) * chain; /* what stands between the leaf and a root; may be NULL */
    EVP_PKEY *key;
};

/* A server has one SSL_CTX per kind of peer and the ClientHello callback switches; a client has one. */
struct weft_tls_context {
    struct weft_filters filters; /* first */
    size_t refs;                 /* the owner and each connection; they live on one thread */
    SSL_CTX *web, *link, *client;
    enum weft_tls_verify verify;
    BIO_METHOD *method;
};

struct weft_tls {
    struct weft_filter filter; /* first */
    struct weft_tls_context *context;
    SSL *ssl;
    bool shut;               /* close_notify is out: nothing may be sent after it */
    int error;               /* why WEFT_FILTER_FAILED */
    const char *why;         /* a constant */
    struct weft_slice input; /* what _receive was given and OpenSSL has not yet read */
    bool has_peer_key, wants_key;
    uint8_t peer_key[WEFT_TLS_KEY_SIZE], wanted_key[WEFT_TLS_KEY_SIZE];
};

/* tls_filter.c */
extern const struct weft_filter_ops weft_tls_filter_ops;
extern const struct weft_filters_ops weft_tls_filters_ops;

/* The two ends of OpenSSL's pipe: it reads from tls->input and writes to tls->output. */
WEFT_MUST_USE BIO_METHOD *weft_tls_pipe_new(void);

/* Both empty OpenSSL's error queue. WEFT_ERR_MEMORY if that is in it, `otherwise` if not. */
WEFT_MUST_USE int weft_tls_error(int otherwise);
/* WEFT_ERR_MEMORY or WEFT_ERR_CRYPTO, and the phrase for it. */
WEFT_MUST_USE int weft_tls_explain(const SSL *ssl, const char **why);

#endif
