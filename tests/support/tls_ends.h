/* tests/support/tls_ends.h - two ends of TLS back to back, in memory, with the bytes between them cut anywhere. */
#ifndef WEFT_TESTS_SUPPORT_TLS_ENDS_H
#define WEFT_TESTS_SUPPORT_TLS_ENDS_H

#include "base/assert.h"
#include "base/error.h"
#include "crypto/tls.h"
#include "support/certificates.h"

#define TLS_ENDS_TURNS_MAX 1000000

struct tls_ends {
    struct weft_tls *server, *client;
    struct weft_bytes server_plain, client_plain; /* what each end received */
    uint32_t dice;                                /* state of the generator that cuts; 0 cuts nothing */
};

static inline uint32_t tls_ends_roll(struct tls_ends *ends)
{
    ends->dice ^= ends->dice << 13;
    ends->dice ^= ends->dice >> 17;
    ends->dice ^= ends->dice << 5;
    return ends->dice;
}

/* Carries one piece of what `from` has to say. 1 if it carried, 0 if there was nothing, or `to`'s error. */
static inline int tls_ends_carry(struct tls_ends *ends, struct weft_tls *from, struct weft_tls *to,
                                 struct weft_bytes *plain)
{
    struct weft_slice piece = weft_bytes_front(weft_tls_output(from));
    if (piece.size == 0) {
        return 0;
    }
    size_t size = ends->dice ? 1 + tls_ends_roll(ends) % (tls_ends_roll(ends) % 8 ? piece.size : 3) : piece.size;
    size = size < piece.size ? size : piece.size;
    int error = weft_tls_receive(to, piece.data, size, plain);
    weft_bytes_drop(weft_tls_output(from), size);
    return error ? error : 1;
}

/* Until both are silent. Returns the first error of either end; the other end still hears its alert. */
static inline int tls_ends_pump(struct tls_ends *ends)
{
    int first = 0, there = 1, back = 1;
    for (int turn = 0; there != 0 || back != 0; turn++) {
        WEFT_ASSERT(turn < TLS_ENDS_TURNS_MAX);
        there = tls_ends_carry(ends, ends->client, ends->server, &ends->server_plain);
        back = tls_ends_carry(ends, ends->server, ends->client, &ends->client_plain);
        first = first ? first : there < 0 ? there : back < 0 ? back : 0;
    }
    return first;
}

static inline void tls_ends_free(struct tls_ends *ends)
{
    weft_tls_free(ends->client);
    weft_tls_free(ends->server);
    weft_bytes_deinit(&ends->client_plain);
    weft_bytes_deinit(&ends->server_plain);
    *ends = (struct tls_ends){0};
}

/* A web identity for weft.test and 127.0.0.1, signed by an authority of its own. */
struct tls_authority {
    EVP_PKEY *key, *leaf_key;
    X509 *certificate;
    struct pem_text roots;
};

static inline void tls_authority_init(struct tls_authority *authority)
{
    *authority = (struct tls_authority){.key = EVP_EC_gen("P-256"), .leaf_key = EVP_EC_gen("P-256")};
    authority->certificate = certificate_make(&(struct certificate_wish){.key = authority->key, .authority = true});
    pem_add_certificate(&authority->roots, authority->certificate);
}

static inline void tls_authority_deinit(struct tls_authority *authority)
{
    X509_free(authority->certificate);
    EVP_PKEY_free(authority->leaf_key);
    EVP_PKEY_free(authority->key);
}

/* The PEM texts of a leaf of this authority; `wish` says what is unusual about it. */
static inline void tls_authority_issue(const struct tls_authority *authority, struct certificate_wish wish,
                                       struct pem_text *certificate, struct pem_text *key)
{
    wish.key = wish.key ? wish.key : authority->leaf_key;
    wish.names = wish.names ? wish.names : "DNS:weft.test,IP:127.0.0.1,IP:::1";
    wish.issuer = authority->certificate;
    wish.issuer_key = authority->key;
    X509 *leaf = certificate_make(&wish);
    *certificate = (struct pem_text){0};
    *key = (struct pem_text){0};
    pem_add_certificate(certificate, leaf);
    pem_add_certificate(certificate, authority->certificate);
    pem_add_key(key, wish.key, NULL);
    X509_free(leaf);
}

#endif
