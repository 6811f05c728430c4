/* unit/mesh/gossip_mesh.h - what the tests of the gossip share: a world with gateways and nodes, and how to play the
 * other end of a link. */
#ifndef WEFT_UNIT_MESH_GOSSIP_MESH_H
#define WEFT_UNIT_MESH_GOSSIP_MESH_H

#include <stdio.h>

#include "base/error.h"
#include "unit/mesh/gossip_world.h"

#define GATEWAYS_MAX 24

static struct world world;
static struct world_node gateways[GATEWAYS_MAX], nodes[64];
static struct world_end links[GATEWAYS_MAX * GATEWAYS_MAX][2], attachments[64][2];
static int64_t live;

static inline int set_up(void **state)
{
    (void)state;
    make_people();
    live = weft_mem_live();
    world_init(&world, 1);
    return 0;
}

static struct world_end *link_of(size_t one, size_t other)
{
    return links[one * GATEWAYS_MAX + other];
}

/* So many gateways, each linked to each. */
static inline void make_gateways(size_t count)
{
    for (size_t i = 0; i < count; i++) {
        world_add(&world, &gateways[i], 1000 + (uint32_t)i, WEFT_ROLE_GATEWAY);
        for (size_t j = 0; j < i; j++) {
            world_join_gateways(link_of(i, j), &gateways[i], &gateways[j]);
        }
    }
}

static inline void attach(size_t node, size_t to)
{
    world_add(&world, &nodes[node], (uint32_t)node, WEFT_ROLE_PEER);
    world_attach(attachments[node], &nodes[node], &gateways[to]);
}

static inline void cut_off(struct world_end *end)
{
    if (end->link) {
        world_cut(end);
    }
}

static inline void end_all(size_t gateway_count, size_t node_count)
{
    for (size_t i = 0; i < node_count; i++) {
        cut_off(&attachments[i][0]);
    }
    for (size_t i = 0; i < gateway_count; i++) {
        for (size_t j = 0; j < i; j++) {
            cut_off(&link_of(i, j)[0]);
        }
    }
    for (size_t i = 0; i < node_count; i++) {
        world_remove(&nodes[i]);
    }
    for (size_t i = 0; i < gateway_count; i++) {
        world_remove(&gateways[i]);
    }
    world_end_all(&world);
    assert_int_equal(weft_mem_live(), live);
}

static inline enum weft_roster_state state_at(const struct world_node *who, const struct world_node *of)
{
    const struct weft_entry *entry = weft_roster_get(who->roster, &of->self.identity.key);
    return entry ? weft_roster_state(entry) : WEFT_ROSTER_GONE;
}

static inline uint64_t sequence_at(const struct world_node *who, const struct world_node *of)
{
    const struct weft_entry *entry = weft_roster_get(who->roster, &of->self.identity.key);
    return entry && entry->bytes ? entry->sequence : 0;
}

static uint8_t framed[WEFT_GOSSIP_SIZE_SIZE + WEFT_GOSSIP_MESSAGE_MAX];

static inline int say(struct weft_gossip_link *link, const struct weft_gossip_message *message)
{
    int64_t size = weft_gossip_message_write(message, framed + WEFT_GOSSIP_SIZE_SIZE, WEFT_GOSSIP_MESSAGE_MAX);
    assert_true(size > 0);
    for (int i = 0; i < WEFT_GOSSIP_SIZE_SIZE; i++) {
        framed[i] = (uint8_t)(size >> (8 * (3 - i)));
    }
    return weft_gossip_receive(link, weft_slice(framed, (size_t)size + WEFT_GOSSIP_SIZE_SIZE), world.now,
                               world_now_s(&world));
}

static inline struct weft_slice revocation_of(const struct weft_key *subject, uint8_t out[WEFT_REVOCATION_MAX])
{
    struct weft_revocation revocation = {
        .mesh = root.key, .subject = *subject, .made_s = NOW_S, .until_s = NOW_S + DAY_S};
    int64_t size = weft_sign_revocation(&root, &revocation, out);
    assert_true(size > 0);
    return weft_slice(out, (size_t)size);
}

#endif
