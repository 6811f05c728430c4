/* crypto/tls_context.c - what many connections share: identities, trust, and the choice by ClientHello. */
#include "base/assert.h"
#include "base/error.h"
#include "base/mem.h"
#include "crypto/tls_inside.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/tls1.h>

#define ROOTS_MAX        ((size_t)4 * 1024 * 1024) /* PEM text of trusted roots; the system's is 220 KiB */
#define ALPN_WIRE_MAX    128                       /* what a client asks for, encoded */
#define LINK_CERTS_MAX   ((long)4 * 1024)          /* a peer's self-signed certificate is under 400 bytes */
#define LINK_SIGNATURES  "ed25519"
#define HTTP_2           "\x02h2"
#define HTTP_1_1         "\x08http/1.1"
#define WEFT_LINK        "\x06weft/1"
#define WEFT_LINK_ANSWER "\x0eweft-reverse/1"

/* What this side picks from, most wanted first, encoded as in RFC 7301. */
static const unsigned char web_protocols[] = HTTP_2 HTTP_1_1;
static const unsigned char link_protocols[] = WEFT_LINK WEFT_LINK_ANSWER;

static void *hook_alloc(size_t size, const char *file, int line)
{
    (void)file;
    (void)line;
    return weft_alloc(size);
}

static void *hook_realloc(void *pointer, size_t size, const char *file, int line)
{
    (void)file;
    (void)line;
    if (size == 0) { /* OpenSSL means "free" by it */
        weft_free(pointer);
        return NULL;
    }
    return weft_realloc(pointer, size);
}

static void hook_free(void *pointer, const char *file, int line)
{
    (void)file;
    (void)line;
    weft_free(pointer);
}

void weft_tls_setup(void)
{
    static bool done; /* OpenSSL is told once per process */
    if (!done) {
        WEFT_ASSERT(CRYPTO_set_mem_functions(hook_alloc, hook_realloc, hook_free) == 1);
        done = true;
    }
}

/* What every SSL_CTX of ours has in common. */
static SSL_CTX *shared_new(const SSL_METHOD *method)
{
    SSL_CTX *ssl = SSL_CTX_new(method);
    if (!ssl || !SSL_CTX_set_min_proto_version(ssl, TLS1_3_VERSION) ||
        !SSL_CTX_set_max_proto_version(ssl, TLS1_3_VERSION) || !SSL_CTX_set_num_tickets(ssl, 0)) {
        SSL_CTX_free(ssl);
        return NULL;
    }
    /* No resumption, so no tickets, no early data that could be replayed, and nothing kept per session. */
    SSL_CTX_set_options(ssl, SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
    SSL_CTX_set_session_cache_mode(ssl, SSL_SESS_CACHE_OFF);
    /* 34 KiB of record buffers per connection go back whenever they are empty. */
    SSL_CTX_set_mode(ssl, SSL_MODE_RELEASE_BUFFERS);
    return ssl;
}

static bool show(SSL_CTX *ssl, const struct weft_tls_identity *identity)
{
    return SSL_CTX_use_cert_and_key(ssl, identity->leaf, identity->key, identity->chain, 1) == 1;
}

/* The public key of the peer's certificate: false unless it is Ed25519. */
static bool read_key(X509 *leaf, uint8_t key[WEFT_TLS_KEY_SIZE])
{
    EVP_PKEY *public_key = leaf ? X509_get0_pubkey(leaf) : NULL;
    size_t size = WEFT_TLS_KEY_SIZE;
    return public_key && EVP_PKEY_get_base_id(public_key) == EVP_PKEY_ED25519 &&
           EVP_PKEY_get_raw_public_key(public_key, key, &size) == 1 && size == WEFT_TLS_KEY_SIZE;
}

/* Stands in for the check of a chain: a link's peer is its key. Names, dates and the certificate's own signature say
 * nothing more; that the peer holds the key is shown by its CertificateVerify (RFC 8446 section 4.4.3). */
static int verify_key(X509_STORE_CTX *store, void *unused)
{
    (void)unused;
    SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
    struct weft_tls *tls = SSL_get_app_data(ssl);
    if (!read_key(X509_STORE_CTX_get0_cert(store), tls->peer_key)) {
        tls->why = "the peer's certificate has no Ed25519 key";
    } else if (tls->wants_key && memcmp(tls->peer_key, tls->wanted_key, WEFT_TLS_KEY_SIZE) != 0) {
        tls->why = "the peer has another key than the one expected";
    } else {
        tls->has_peer_key = true;
        X509_STORE_CTX_set_error(store, X509_V_OK);
        return 1;
    }
    X509_STORE_CTX_set_error(store, X509_V_ERR_CERT_REJECTED);
    return 0;
}

/* Only Ed25519 is offered and accepted, for our certificate and the peer's. */
static bool demand_keys(SSL_CTX *ssl)
{
    SSL_CTX_set_cert_verify_callback(ssl, verify_key, NULL);
    SSL_CTX_set_max_cert_list(ssl, LINK_CERTS_MAX);
    return SSL_CTX_set1_sigalgs_list(ssl, LINK_SIGNATURES) == 1 &&
           SSL_CTX_set1_client_sigalgs_list(ssl, LINK_SIGNATURES) == 1;
}

/* Picks the first of `ours` that is also among `theirs`; both are lists of length-prefixed names. */
static const unsigned char *pick(const unsigned char *ours, size_t ours_size, const unsigned char *theirs,
                                 size_t theirs_size)
{
    for (size_t i = 0; i < ours_size; i += 1U + ours[i]) {
        for (size_t j = 0; j < theirs_size && theirs[j] < theirs_size - j; j += 1U + theirs[j]) {
            if (ours[i] == theirs[j] && memcmp(ours + i + 1, theirs + j + 1, ours[i]) == 0) {
                return ours + i;
            }
        }
    }
    return NULL;
}

static int select_protocol(const unsigned char *ours, size_t ours_size, const unsigned char **out,
                           unsigned char *out_size, const unsigned char *theirs, unsigned theirs_size)
{
    const unsigned char *chosen = pick(ours, ours_size, theirs, theirs_size);
    if (!chosen) {
        return SSL_TLSEXT_ERR_ALERT_FATAL; /* becomes no_application_protocol */
    }
    *out = chosen + 1;
    *out_size = chosen[0];
    return SSL_TLSEXT_ERR_OK;
}

static int select_web(SSL *ssl, const unsigned char **out, unsigned char *out_size, const unsigned char *theirs,
                      unsigned theirs_size, void *unused)
{
    (void)ssl;
    (void)unused;
    return select_protocol(web_protocols, sizeof(web_protocols) - 1, out, out_size, theirs, theirs_size);
}

static int select_link(SSL *ssl, const unsigned char **out, unsigned char *out_size, const unsigned char *theirs,
                       unsigned theirs_size, void *unused)
{
    (void)ssl;
    (void)unused;
    return select_protocol(link_protocols, sizeof(link_protocols) - 1, out, out_size, theirs, theirs_size);
}

/* Before anything else of the ClientHello counts: is this a link? A damaged list is OpenSSL's to refuse, later. */
static bool asks_for_link(SSL *ssl)
{
    const unsigned char *list = NULL;
    size_t size = 0;
    return SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_application_layer_protocol_negotiation, &list, &size) == 1 &&
           size > 2 && pick(link_protocols, sizeof(link_protocols) - 1, list + 2, size - 2);
}

static int on_client_hello(SSL *ssl, int *alert, void *unused)
{
    (void)unused;
    struct weft_tls *tls = SSL_get_app_data(ssl);
    bool link = asks_for_link(ssl);
    SSL_CTX *chosen = link ? tls->context->link : tls->context->web;
    if (!chosen) {
        *alert = SSL_AD_NO_APPLICATION_PROTOCOL;
        return SSL_CLIENT_HELLO_ERROR;
    }
    if (SSL_set_SSL_CTX(ssl, chosen) != chosen) {
        *alert = SSL_AD_INTERNAL_ERROR;
        return SSL_CLIENT_HELLO_ERROR;
    }
    if (link) { /* neither follows from the change of SSL_CTX */
        SSL_set_verify(ssl, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
        SSL_set_max_cert_list(ssl, LINK_CERTS_MAX);
    }
    return SSL_CLIENT_HELLO_SUCCESS;
}

static SSL_CTX *server_new(const struct weft_tls_identity *identity, bool link)
{
    SSL_CTX *ssl = shared_new(TLS_server_method());
    if (!ssl || !show(ssl, identity) || (link && !demand_keys(ssl))) {
        SSL_CTX_free(ssl);
        return NULL;
    }
    SSL_CTX_set_client_hello_cb(ssl, on_client_hello, NULL);
    SSL_CTX_set_alpn_select_cb(ssl, link ? select_link : select_web, NULL);
    return ssl;
}

static int context_failed(struct weft_tls_context *context)
{
    weft_tls_context_free(context);
    return weft_tls_error(WEFT_ERR_CRYPTO);
}

static struct weft_tls_context *context_new(void)
{
    struct weft_tls_context *context = weft_zalloc(sizeof(*context));
    if (context) {
        ERR_clear_error();
        context->filters.ops = &weft_tls_filters_ops;
        context->refs = 1;
        context->method = weft_tls_pipe_new();
    }
    return context;
}

int weft_tls_server_context_new(struct weft_tls_context **out, const struct weft_tls_server_options *options)
{
    *out = NULL;
    WEFT_ASSERT(options->web || options->link);
    struct weft_tls_context *context = context_new();
    if (!context) {
        return WEFT_ERR_MEMORY;
    }
    if (options->web) {
        context->web = server_new(options->web, false);
    }
    if (options->link) {
        context->link = server_new(options->link, true);
    }
    if (!context->method || (options->web && !context->web) || (options->link && !context->link)) {
        return context_failed(context);
    }
    *out = context;
    return 0;
}

static bool trust_roots(SSL_CTX *ssl, struct weft_slice roots)
{
    if (roots.size > ROOTS_MAX) {
        return false;
    }
    BIO *text = BIO_new_mem_buf(roots.data, (int)roots.size);
    STACK_OF(X509_INFO) *infos = text ? PEM_X509_INFO_read_bio(text, NULL, NULL, NULL) : NULL;
    X509_STORE *store = SSL_CTX_get_cert_store(ssl);
    size_t count = 0;
    bool well = infos;
    for (int i = 0; well && i < sk_X509_INFO_num(infos); i++) {
        X509 *root = sk_X509_INFO_value(infos, i)->x509;
        if (root) {
            well = X509_STORE_add_cert(store, root) == 1;
            count++;
        }
    }
    sk_X509_INFO_pop_free(infos, X509_INFO_free);
    BIO_free(text);
    return well && count > 0;
}

/* RFC 7301: each name after a byte with its length. */
static bool ask_for(SSL_CTX *ssl, const char *const *names)
{
    unsigned char wire[ALPN_WIRE_MAX];
    size_t size = 0;
    for (; names && *names; names++) {
        size_t length = strlen(*names);
        if (length == 0 || length > 255 || length + 1 > sizeof(wire) - size) {
            return false;
        }
        wire[size] = (unsigned char)length;
        memcpy(wire + size + 1, *names, length);
        size += 1 + length;
    }
    return SSL_CTX_set_alpn_protos(ssl, wire, (unsigned)size) == 0; /* 0 is success, here only */
}

static bool trust(SSL_CTX *ssl, const struct weft_tls_client_options *options)
{
    SSL_CTX_set_verify(ssl, SSL_VERIFY_PEER, NULL);
    if (options->verify == WEFT_TLS_VERIFY_KEY) {
        return demand_keys(ssl);
    }
    return options->roots.size ? trust_roots(ssl, options->roots) : SSL_CTX_set_default_verify_paths(ssl) == 1;
}

int weft_tls_client_context_new(struct weft_tls_context **out, const struct weft_tls_client_options *options)
{
    *out = NULL;
    struct weft_tls_context *context = context_new();
    if (!context) {
        return WEFT_ERR_MEMORY;
    }
    context->verify = options->verify;
    context->client = shared_new(TLS_client_method());
    if (!context->method || !context->client || !trust(context->client, options) ||
        !ask_for(context->client, options->alpn) || (options->identity && !show(context->client, options->identity))) {
        return context_failed(context);
    }
    ERR_clear_error(); /* a missing system root file leaves a note behind */
    *out = context;
    return 0;
}

void weft_tls_context_free(struct weft_tls_context *context)
{
    if (!context || --context->refs > 0) {
        return;
    }
    SSL_CTX_free(context->web);
    SSL_CTX_free(context->link);
    SSL_CTX_free(context->client);
    BIO_meth_free(context->method);
    weft_free(context);
}
