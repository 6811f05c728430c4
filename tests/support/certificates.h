/* tests/support/certificates.h - certificates made to order, without a clock. */
#ifndef WEFT_TESTS_SUPPORT_CERTIFICATES_H
#define WEFT_TESTS_SUPPORT_CERTIFICATES_H

#include "base/assert.h"
#include "base/types.h"

#include <openssl/bio.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>

#define PEM_TEXT_MAX 16384

struct pem_text {
    char data[PEM_TEXT_MAX];
    size_t size;
};

/* NULL or false for what is to be ordinary. */
struct certificate_wish {
    EVP_PKEY *key;
    const char *names; /* subjectAltName, as "DNS:weft.test,IP:127.0.0.1" */
    bool expired, early, authority;
    X509 *issuer; /* NULL: signed by itself */
    EVP_PKEY *issuer_key;
};

static inline struct weft_slice pem_slice(const struct pem_text *text)
{
    return weft_slice(text->data, text->size);
}

static inline void pem_take(struct pem_text *text, BIO *bio)
{
    int size = BIO_read(bio, text->data + text->size, (int)(PEM_TEXT_MAX - text->size));
    WEFT_ASSERT(size > 0);
    text->size += (size_t)size;
    BIO_free(bio);
}

static inline void pem_add_certificate(struct pem_text *text, X509 *certificate)
{
    BIO *bio = BIO_new(BIO_s_mem());
    WEFT_ASSERT(PEM_write_bio_X509(bio, certificate) == 1);
    pem_take(text, bio);
}

/* With a password if given. */
static inline void pem_add_key(struct pem_text *text, EVP_PKEY *key, const char *password)
{
    BIO *bio = BIO_new(BIO_s_mem());
    int size = password ? (int)strlen(password) : 0;
    WEFT_ASSERT(
        PEM_write_bio_PKCS8PrivateKey(bio, key, password ? EVP_aes_128_cbc() : NULL, password, size, NULL, NULL) == 1);
    pem_take(text, bio);
}

static inline void certificate_extend(X509 *certificate, int kind, const char *value)
{
    X509V3_CTX context = {0};
    X509V3_set_ctx(&context, certificate, certificate, NULL, NULL, 0);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &context, kind, value);
    WEFT_ASSERT(extension && X509_add_ext(certificate, extension, -1));
    X509_EXTENSION_free(extension);
}

static inline X509 *certificate_make(const struct certificate_wish *wish)
{
    static int serial = 1;
    X509 *certificate = X509_new();
    WEFT_ASSERT(certificate && X509_set_version(certificate, X509_VERSION_3));
    ASN1_INTEGER_set(X509_get_serialNumber(certificate), serial++);
    /* 1990 to 2999; what the test calls expired ended in 2000, what it calls early starts in 2990 */
    ASN1_TIME_set_string_X509(X509_getm_notBefore(certificate), wish->early ? "29900101000000Z" : "900101000000Z");
    ASN1_TIME_set_string_X509(X509_getm_notAfter(certificate), wish->expired ? "000101000000Z" : "29990101000000Z");
    X509_NAME *name = X509_get_subject_name(certificate);
    char common[32]; /* two authorities of one name would be taken for each other */
    int size = snprintf(common, sizeof(common), "Test %s %d", wish->authority ? "CA" : "leaf", serial);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)common, size, -1, 0);
    X509_set_issuer_name(certificate, wish->issuer ? X509_get_subject_name(wish->issuer) : name);
    X509_set_pubkey(certificate, wish->key);
    if (wish->authority) {
        certificate_extend(certificate, NID_basic_constraints, "critical,CA:TRUE");
    }
    if (wish->names) {
        certificate_extend(certificate, NID_subject_alt_name, wish->names);
    }
    EVP_PKEY *signer = wish->issuer_key ? wish->issuer_key : wish->key;
    const EVP_MD *digest = EVP_PKEY_get_base_id(signer) == EVP_PKEY_ED25519 ? NULL : EVP_sha256();
    WEFT_ASSERT(X509_sign(certificate, signer, digest) > 0);
    return certificate;
}

#endif
