/* unit/mesh/announcing.h - nodes for tests that announce themselves, as many as are wanted. */
#ifndef WEFT_UNIT_MESH_ANNOUNCING_H
#define WEFT_UNIT_MESH_ANNOUNCING_H

#include "unit/mesh/members.h"

struct announcer {
    struct weft_identity identity;
    uint8_t chain[WEFT_CHAIN_MAX];
    char alias[16];
    struct weft_announcement announcement;
    uint8_t bytes[WEFT_ANNOUNCEMENT_MAX];
    size_t size;
};

/* The `number`-th node, made known by the gateway of make_people(), or by the root if it is a gateway itself. */
static inline void make_announcer(struct announcer *node, uint32_t number, enum weft_role role)
{
    uint8_t seed[WEFT_SEED_SIZE] = {(uint8_t)number, (uint8_t)(number >> 8), (uint8_t)(number >> 16), 0, 0x77};
    struct shown shown = {0};
    weft_identity_init(&node->identity, seed);
    bool is_gateway = role == WEFT_ROLE_GATEWAY;
    struct weft_certificate own = certificate_of(is_gateway ? &root : &gateway, &node->identity, role);
    struct weft_certificate issuer = certificate_of(&root, &gateway, WEFT_ROLE_GATEWAY);
    struct weft_slice chain = show(&shown, is_gateway ? &root : &gateway, &own, is_gateway ? NULL : &issuer);
    memcpy(node->chain, chain.data, chain.size);
    memcpy(node->alias, "model", 6);
    node->announcement = (struct weft_announcement){
        .key = node->identity.key,
        .chain = weft_slice(node->chain, chain.size),
        .incarnation = 1,
        .sequence = 1,
        .made_s = NOW_S,
        .models = {{.alias = weft_slice(node->alias, 5), .hash = {1}, .context = 4096, .slots = 4}},
        .model_count = 1,
    };
}

/* It says what a real one would: of one of `models` models, in about so many bytes. */
static inline void furnish(struct announcer *node, uint32_t number, uint32_t models)
{
    struct weft_announcement *announcement = &node->announcement;
    announcement->addresses[0] = WEFT_SLICE("192.168.178.35:4433");
    announcement->address_count = 1;
    announcement->models[0] = (struct weft_announced_model){.alias = WEFT_SLICE("Llama-3.2-3B-Instruct-Q4_K_M"),
                                                            .hash = {(uint8_t)(1 + number % models)},
                                                            .context = 32768,
                                                            .template_hash = {1},
                                                            .quant = WEFT_SLICE("Q4_K_M"),
                                                            .kernel_class = WEFT_SLICE("cuda-sm89"),
                                                            .slots = 8};
    announcement->device = WEFT_SLICE("NVIDIA GeForce RTX 4070 Ti SUPER");
    announcement->version = WEFT_SLICE("0.1.0");
    announcement->memory = (uint64_t)16 << 30;
    announcement->incarnation = 1795003700;
}

static inline void make_stranger(struct announcer *node, uint32_t number)
{
    make_announcer(node, number, WEFT_ROLE_PEER);
    node->announcement.chain = weft_slice("", 0);
}

/* Signed as it stands now. */
static inline struct weft_slice sign_now(struct announcer *node)
{
    int64_t size = weft_sign_announcement(&node->identity, &node->announcement, node->bytes);
    assert_true(size > 0);
    node->size = (size_t)size;
    return weft_slice(node->bytes, node->size);
}

static inline struct weft_slice sign_version(struct announcer *node, uint64_t incarnation, uint64_t sequence)
{
    node->announcement.incarnation = incarnation;
    node->announcement.sequence = sequence;
    return sign_now(node);
}

#endif
