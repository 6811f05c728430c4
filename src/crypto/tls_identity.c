/* crypto/tls_identity.c - a certificate chain and its key, from PEM or from a seed. */
#include "base/error.h"
#include "base/mem.h"
#include "crypto/tls_inside.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdio.h>

#define PEM_MAX   ((size_t)256 * 1024) /* longer texts are not a certificate */
#define CHAIN_MAX 10                   /* certificates after the leaf */

#define DAY_S   ((int64_t)24 * 3600)
#define YEARS_S ((int64_t)10 * 365 * DAY_S)

/* Never asks on the terminal: an encrypted key is an error with a sentence. */
/* NOLINTNEXTLINE(readability-non-const-parameter): OpenSSL fixes the type */
static int no_password(char *buffer, int size, int writing, void *asked)
{
    (void)buffer;
    (void)size;
    (void)writing;
    *(bool *)asked = true;
    return -1;
}

static int give_up(int error, const char *sentence, char *why, size_t why_size)
{
    snprintf(why, why_size, "%s", sentence);
    return error;
}

/* A PEM text ends where no further "BEGIN" is found; anything else is a damaged one. */
static bool at_end_of_pem(void)
{
    unsigned long code = ERR_peek_last_error();
    return ERR_GET_LIB(code) == ERR_LIB_PEM && ERR_GET_REASON(code) == PEM_R_NO_START_LINE;
}

static int read_chain(struct weft_tls_identity *identity, BIO *text, char *why, size_t why_size)
{
    bool asked = false;
    identity->leaf = PEM_read_bio_X509(text, NULL, no_password, &asked);
    if (!identity->leaf) {
        bool none = at_end_of_pem();
        int error = weft_tls_error(WEFT_ERR_INVALID);
        return give_up(error, none ? "there is no certificate in it" : "the certificate cannot be read", why, why_size);
    }
    identity->chain = sk_X509_new_null();
    if (!identity->chain) {
        return give_up(weft_tls_error(WEFT_ERR_MEMORY), weft_error_text(WEFT_ERR_MEMORY), why, why_size);
    }
    for (int i = 0; i <= CHAIN_MAX; i++) {
        X509 *next = PEM_read_bio_X509(text, NULL, no_password, &asked);
        if (!next) {
            bool end = at_end_of_pem();
            int error = weft_tls_error(WEFT_ERR_INVALID);
            return end ? 0 : give_up(error, "a certificate of the chain cannot be read", why, why_size);
        }
        if (!sk_X509_push(identity->chain, next)) {
            X509_free(next);
            return give_up(weft_tls_error(WEFT_ERR_MEMORY), weft_error_text(WEFT_ERR_MEMORY), why, why_size);
        }
    }
    return give_up(WEFT_ERR_TOO_LARGE, "the certificate's chain is longer than 10", why, why_size);
}

static int read_key(struct weft_tls_identity *identity, struct weft_slice key, BIO *text, char *why, size_t why_size)
{
    bool asked = false;
    identity->key = PEM_read_bio_PrivateKey(text, NULL, no_password, &asked);
    if (identity->key) {
        return 0;
    }
    static const char mark[] = "PRIVATE KEY-----"; /* OpenSSL's own answer does not tell "none" from "damaged" */
    bool none = key.size == 0 || !memmem(key.data, key.size, mark, sizeof(mark) - 1);
    const char *sentence = asked  ? "the key is locked with a password: store it without one"
                           : none ? "there is no private key in it"
                                  : "the private key cannot be read";
    return give_up(weft_tls_error(WEFT_ERR_INVALID), sentence, why, why_size);
}

/* TLS 1.3 signs with RSA, Ed25519 and these three curves (RFC 8446 section 4.2.3). */
static bool fits_tls(const EVP_PKEY *key)
{
    static const char *const curves[] = {"prime256v1", "secp384r1", "secp521r1"};
    switch (EVP_PKEY_get_base_id(key)) {
    case EVP_PKEY_RSA:
    case EVP_PKEY_ED25519:
        return true;
    case EVP_PKEY_EC:
        break;
    default:
        return false;
    }
    char curve[32];
    size_t size = 0;
    if (EVP_PKEY_get_group_name(key, curve, sizeof(curve), &size) != 1) {
        return false;
    }
    for (size_t i = 0; i < WEFT_COUNT(curves); i++) {
        if (weft_slice_equal(weft_slice_text(curve), weft_slice_text(curves[i]))) {
            return true;
        }
    }
    return false;
}

/* What OpenSSL would say only when a server starts with it is asked here, where there is a sentence for it. */
static int check_use(const struct weft_tls_identity *identity, char *why, size_t why_size)
{
    if (!fits_tls(identity->key)) {
        int error = weft_tls_error(WEFT_ERR_UNSUPPORTED);
        return give_up(error, "the key is of a kind that TLS 1.3 does not use: make an ECDSA P-256 one", why, why_size);
    }
    if (X509_check_private_key(identity->leaf, identity->key) != 1) {
        return give_up(weft_tls_error(WEFT_ERR_INVALID), "the key does not fit the certificate", why, why_size);
    }
    SSL_CTX *trial = SSL_CTX_new(TLS_method());
    int error = 0;
    if (!trial || SSL_CTX_use_cert_and_key(trial, identity->leaf, identity->key, identity->chain, 1) != 1) {
        error = give_up(weft_tls_error(trial ? WEFT_ERR_INVALID : WEFT_ERR_MEMORY),
                        "the key or a signature in the chain is too weak", why, why_size);
    }
    SSL_CTX_free(trial);
    return error;
}

static struct weft_tls_identity *identity_new(void)
{
    ERR_clear_error();
    return weft_zalloc(sizeof(struct weft_tls_identity));
}

int weft_tls_identity_from_pem(struct weft_tls_identity **out, struct weft_slice certificate, struct weft_slice key,
                               char *why, size_t why_size)
{
    *out = NULL;
    if (certificate.size > PEM_MAX || key.size > PEM_MAX) {
        return give_up(WEFT_ERR_TOO_LARGE, "it is too long for a certificate or a key", why, why_size);
    }
    int error = WEFT_ERR_MEMORY;
    struct weft_tls_identity *identity = identity_new();
    BIO *certificate_text = BIO_new_mem_buf(certificate.size ? certificate.data : "", (int)certificate.size);
    BIO *key_text = BIO_new_mem_buf(key.size ? key.data : "", (int)key.size);
    if (identity && certificate_text && key_text) {
        error = read_chain(identity, certificate_text, why, why_size);
        error = error ? error : read_key(identity, key, key_text, why, why_size);
        error = error ? error : check_use(identity, why, why_size);
    }
    if (error == WEFT_ERR_MEMORY) {
        snprintf(why, why_size, "%s", weft_error_text(error));
    }
    BIO_free(key_text);
    BIO_free(certificate_text);
    ERR_clear_error();
    if (error) {
        weft_tls_identity_free(identity);
        return error;
    }
    *out = identity;
    return 0;
}

/* The fields are there because X.509 wants them; nobody reads them. The serial is 1: a peer has one certificate. */
static bool fill(X509 *leaf, EVP_PKEY *key, int64_t wall_s)
{
    X509_NAME *name = X509_get_subject_name(leaf);
    return X509_set_version(leaf, X509_VERSION_3) && ASN1_INTEGER_set(X509_get_serialNumber(leaf), 1) &&
           ASN1_TIME_set(X509_getm_notBefore(leaf), (time_t)(wall_s - DAY_S)) &&
           ASN1_TIME_set(X509_getm_notAfter(leaf), (time_t)(wall_s + YEARS_S)) &&
           X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"weft", -1, -1, 0) &&
           X509_set_issuer_name(leaf, name) && X509_set_pubkey(leaf, key) && X509_sign(leaf, key, NULL) > 0;
}

int weft_tls_identity_from_seed(struct weft_tls_identity **out, const uint8_t seed[WEFT_TLS_KEY_SIZE], int64_t wall_s)
{
    *out = NULL;
    struct weft_tls_identity *identity = identity_new();
    if (!identity) {
        return WEFT_ERR_MEMORY;
    }
    identity->key = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, seed, WEFT_TLS_KEY_SIZE);
    identity->leaf = X509_new();
    if (!identity->key || !identity->leaf || !fill(identity->leaf, identity->key, wall_s)) {
        int error = weft_tls_error(WEFT_ERR_CRYPTO);
        weft_tls_identity_free(identity);
        return error;
    }
    *out = identity;
    return 0;
}

void weft_tls_identity_free(struct weft_tls_identity *identity)
{
    if (!identity) {
        return;
    }
    sk_X509_pop_free(identity->chain, X509_free);
    X509_free(identity->leaf);
    EVP_PKEY_free(identity->key);
    weft_free(identity);
}
