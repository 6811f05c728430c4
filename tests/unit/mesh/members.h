/* unit/mesh/members.h - a mesh for tests: its root, two gateways, nodes, and what they show. */
#ifndef WEFT_UNIT_MESH_MEMBERS_H
#define WEFT_UNIT_MESH_MEMBERS_H

#include "mesh/membership.h"
#include "mesh/signing.h"

#define NOW_S ((int64_t)1795003600)
#define DAY_S ((int64_t)86400)

static struct weft_identity root, gateway, second, anna, ben, stranger;

static inline void make_people(void)
{
    struct weft_identity *const people[] = {&root, &gateway, &second, &anna, &ben, &stranger};
    for (size_t i = 0; i < WEFT_COUNT(people); i++) {
        uint8_t seed[WEFT_SEED_SIZE] = {(uint8_t)(i + 1)};
        weft_identity_init(people[i], seed);
    }
}

/* What the root or a gateway would certify today. */
static inline struct weft_certificate certificate_of(const struct weft_identity *issuer,
                                                     const struct weft_identity *subject, enum weft_role role)
{
    return (struct weft_certificate){
        .mesh = root.key,
        .issuer = issuer->key,
        .subject = subject->key,
        .role = role,
        .not_before_s = NOW_S,
        .not_after_s = NOW_S + (role == WEFT_ROLE_GATEWAY ? WEFT_GATEWAY_LIFE_S : WEFT_MEMBER_LIFE_S),
        .serial = 1,
    };
}

/* Signed certificates and a chain of them, in their own memory. */
struct shown {
    uint8_t own[WEFT_CERTIFICATE_MAX], issuer[WEFT_CERTIFICATE_MAX], chain[WEFT_CHAIN_MAX];
    size_t own_size, issuer_size, chain_size;
};

/* By whoever holds the key, whether it may or not. */
static inline size_t sign_certificate(const struct weft_identity *signer, const struct weft_certificate *certificate,
                                      uint8_t out[WEFT_CERTIFICATE_MAX])
{
    int64_t size = weft_certificate_write(certificate, out);
    assert_true(size > 0);
    weft_identity_sign(signer, WEFT_CERTIFICATE_DOMAIN, weft_slice(out, (size_t)size), out + size);
    return (size_t)size + WEFT_SIGNATURE_SIZE;
}

static inline struct weft_slice chain_of(struct shown *shown)
{
    struct weft_chain chain = {.own = weft_slice(shown->own, shown->own_size),
                               .issuer = weft_slice(shown->issuer, shown->issuer_size)};
    int64_t size = weft_chain_write(&chain, shown->chain);
    assert_true(size > 0);
    shown->chain_size = (size_t)size;
    return weft_slice(shown->chain, shown->chain_size);
}

/* A chain from the root over a gateway. */
static inline struct weft_slice show(struct shown *shown, const struct weft_identity *signer,
                                     const struct weft_certificate *own, const struct weft_certificate *issuer)
{
    shown->own_size = sign_certificate(signer, own, shown->own);
    shown->issuer_size = issuer ? sign_certificate(&root, issuer, shown->issuer) : 0;
    return chain_of(shown);
}

#endif
