/* unit/mesh/gossip_world.h - nodes that gossip in memory: a clock, links with delay, and loss as a stream shows it.
 *
 * What is lost is sent again below a link, so on it a loss is a delay, of what comes behind it too. The tests of the
 * gossip play in it, and bench/scale. */
#ifndef WEFT_UNIT_MESH_GOSSIP_WORLD_H
#define WEFT_UNIT_MESH_GOSSIP_WORLD_H

#include "base/mem.h"
#include "base/random.h"
#include "base/timers.h"
#include "mesh/gossip.h"
#include "unit/mesh/announcing.h"

#define WORLD_PACKET    1400            /* bytes in a packet, of which each may be lost */
#define WORLD_MISSED_IN (200 * WEFT_MS) /* beyond a round trip; twice that when it is lost again, and so on */

struct world_node {
    struct world *world;
    struct announcer self;
    struct weft_membership *membership;
    struct weft_roster *roster;
    struct weft_gossip *gossip;
    struct weft_timer timer;
    size_t revoked;        /* revocations that it was to store */
    uint64_t uplink;       /* bytes a second that it can send; 0: any */
    weft_time sends_until; /* what it has to send is on its way */
    uint64_t packets_out, packets_in;
};

struct world_chunk {
    struct world_chunk *next;
    weft_time at;
    size_t size;
    char data[];
};

/* One end of a connection, and what is on its way to it. */
struct world_end {
    struct world_node *node;
    struct weft_gossip_link *link; /* NULL: cut */
    struct world_end *other;
    struct world_chunk *first, *last;
    struct weft_timer timer;
    weft_time latest;
    int error; /* why it was cut */
};

struct world {
    struct weft_timers timers;
    struct weft_random random;
    weft_time now, delay; /* one way */
    uint64_t loss_per_mille;
    uint64_t bytes; /* sent, over all links */
    size_t entries_max, strangers_max;
};

static inline int64_t world_now_s(const struct world *world)
{
    return NOW_S + world->now / WEFT_SECOND;
}

static inline void world_init(struct world *world, uint64_t seed)
{
    *world = (struct world){.delay = 50 * WEFT_MS, .loss_per_mille = 10, .now = WEFT_SECOND, .entries_max = 20000};
    weft_timers_init(&world->timers);
    weft_random_init(&world->random, seed);
}

/* -- links -- */

/* How much later they all are there because some are lost. */
static inline weft_time world_loss(struct world *world, size_t packets)
{
    weft_time worst = 0;
    for (size_t i = 0; i < packets; i++) {
        weft_time late = 0, again = WORLD_MISSED_IN + 2 * world->delay;
        for (; weft_random_below(&world->random, 1000) < world->loss_per_mille; again *= 2) {
            late += again;
        }
        worst = late > worst ? late : worst;
    }
    return worst;
}

/* When so much has left a node, behind what it sent before. */
static inline weft_time world_leaves(struct world_node *node, size_t size)
{
    weft_time now = node->world->now;
    if (node->uplink == 0) {
        return now;
    }
    node->sends_until = (node->sends_until > now ? node->sends_until : now) +
                        (weft_time)((uint64_t)size * (uint64_t)WEFT_SECOND / node->uplink);
    return node->sends_until;
}

static inline void world_send(struct world_end *from, const struct weft_slice *views, size_t count, size_t size)
{
    struct world *world = from->node->world;
    struct world_end *to = from->other;
    struct world_chunk *chunk = weft_alloc(sizeof(*chunk) + size);
    assert_non_null(chunk);
    *chunk = (struct world_chunk){.size = 0};
    for (size_t i = 0; i < count; i++) {
        memcpy(chunk->data + chunk->size, views[i].data, views[i].size);
        chunk->size += views[i].size;
    }
    world->bytes += size;
    size_t packets = size / WORLD_PACKET + 1;
    from->node->packets_out += packets;
    to->node->packets_in += packets;
    weft_time took = world->delay + (weft_time)weft_random_below(&world->random, (uint64_t)world->delay / 4 + 1);
    weft_time at = world_leaves(from->node, size) + took + world_loss(world, packets);
    chunk->at = at > to->latest ? at : to->latest;
    to->latest = chunk->at;
    if (to->last) {
        to->last->next = chunk;
    } else {
        to->first = chunk;
        weft_timer_set(&world->timers, &to->timer, chunk->at);
    }
    to->last = chunk;
}

/* What a node has to say goes on its way. */
static inline void world_drain(struct world_node *node)
{
    struct weft_gossip_link *link;
    while ((link = weft_gossip_ready(node->gossip))) {
        struct weft_bytes *output = weft_gossip_output(link);
        struct world_end *end = weft_gossip_user(link);
        while (end && output->size > 0) { /* none: the test itself is the other end */
            struct weft_slice views[16];
            size_t count = weft_bytes_peek(output, views, WEFT_COUNT(views)), size = 0;
            for (size_t i = 0; i < count; i++) {
                size += views[i].size;
            }
            if (end->other->link) {
                world_send(end, views, count, size);
            }
            weft_bytes_drop(output, size);
        }
    }
    weft_timer_set(&node->world->timers, &node->timer, weft_gossip_deadline(node->gossip));
}

static inline void world_drop(struct world_end *end)
{
    while (end->first) {
        struct world_chunk *next = end->first->next;
        weft_free(end->first);
        end->first = next;
    }
    end->last = NULL;
    weft_timer_clear(&end->node->world->timers, &end->timer);
}

static inline void world_cut(struct world_end *end)
{
    struct world_end *const ends[] = {end, end->other};
    for (size_t i = 0; i < 2; i++) {
        world_drop(ends[i]);
        if (ends[i]->link) {
            weft_gossip_close(ends[i]->link, end->node->world->now);
            ends[i]->link = NULL;
            weft_timers_release(&end->node->world->timers);
        }
    }
    world_drain(end->node);
    world_drain(end->other->node);
}

static inline void world_arrive(struct weft_timer *timer)
{
    struct world_end *end = WEFT_CONTAINER(timer, struct world_end, timer);
    struct world *world = end->node->world;
    struct world_chunk *chunk = end->first;
    end->first = chunk->next;
    end->last = end->first ? end->last : NULL;
    weft_timer_set(&world->timers, &end->timer, end->first ? end->first->at : WEFT_NEVER);
    end->error = weft_gossip_receive(end->link, weft_slice(chunk->data, chunk->size), world->now, world_now_s(world));
    weft_free(chunk);
    if (end->error < 0) {
        world_cut(end);
    } else {
        world_drain(end->node);
    }
}

/* `ends` are the caller's. What each is to the other: the kind of link as its own end sees it. */
static inline void world_connect(struct world_end ends[2], struct world_node *one, enum weft_gossip_kind as_one_sees,
                                 struct world_node *other, enum weft_gossip_kind as_other_sees)
{
    struct world *world = one->world;
    enum weft_gossip_kind kinds[2] = {as_one_sees, as_other_sees};
    struct world_node *nodes[2] = {one, other};
    for (size_t i = 0; i < 2; i++) {
        ends[i] = (struct world_end){.node = nodes[i], .other = &ends[1 - i]};
        weft_timer_init(&ends[i].timer, world_arrive);
        assert_int_equal(weft_timers_reserve(&world->timers), 0);
    }
    for (size_t i = 0; i < 2; i++) {
        int error = weft_gossip_open(nodes[i]->gossip, &ends[i].link, &nodes[1 - i]->self.identity.key, kinds[i], 0,
                                     &ends[i], world->now);
        assert_int_equal(error, 0);
    }
    world_drain(one);
    world_drain(other);
}

static inline void world_join_gateways(struct world_end ends[2], struct world_node *one, struct world_node *other)
{
    world_connect(ends, one, WEFT_GOSSIP_GATEWAY, other, WEFT_GOSSIP_GATEWAY);
}

static inline void world_attach(struct world_end ends[2], struct world_node *node, struct world_node *to)
{
    world_connect(ends, node, WEFT_GOSSIP_ANCHOR, to, WEFT_GOSSIP_MEMBER);
}

/* -- nodes -- */

static inline void world_tick(struct weft_timer *timer)
{
    struct world_node *node = WEFT_CONTAINER(timer, struct world_node, timer);
    weft_gossip_tick(node->gossip, node->world->now, world_now_s(node->world));
    world_drain(node);
}

static inline void world_announce(struct world_node *node)
{
    node->self.announcement.made_s = world_now_s(node->world);
    node->self.announcement.sequence++;
    enum weft_roster_outcome outcome =
        weft_gossip_announce(node->gossip, sign_now(&node->self), node->world->now, world_now_s(node->world));
    assert_true(outcome == WEFT_ROSTER_ADDED || outcome == WEFT_ROSTER_REPLACED);
    world_drain(node);
}

static inline void world_revoked(void *user, struct weft_slice bytes, const struct weft_key *subject)
{
    struct world_node *node = user;
    assert_true(bytes.size > WEFT_SIGNATURE_SIZE && weft_key_set(subject));
    node->revoked++;
}

/* One that was made there: what its membership says of it. */
static inline int world_revoke(struct world_node *node, struct weft_slice revocation, int64_t now_s)
{
    int status = weft_membership_revoke(node->membership, revocation, now_s);
    if (status == 1) {
        node->revoked++;
        weft_gossip_revoked(node->gossip, revocation, now_s);
    }
    return status;
}

static inline void world_add(struct world *world, struct world_node *node, uint32_t number, enum weft_role role)
{
    *node = (struct world_node){.world = world};
    make_announcer(&node->self, number, role);
    struct weft_roster_settings of_roster = {
        .self = node->self.identity.key,
        .secret = {{(uint8_t)number}},
        .entries_max = world->entries_max,
        .strangers_max = world->strangers_max,
    };
    assert_int_equal(weft_membership_new(&node->membership, &root.key), 0);
    assert_int_equal(weft_roster_new(&node->roster, &of_roster, node->membership), 0);
    struct weft_gossip_settings settings = {
        .self = node->self.identity.key,
        .secret = {{(uint8_t)number, 1}},
        .seed = weft_random_next(&world->random),
        .roster = node->roster,
        .membership = node->membership,
        .revoked = world_revoked,
        .user = node,
    };
    assert_int_equal(weft_gossip_new(&node->gossip, &settings, world->now), 0);
    weft_timer_init(&node->timer, world_tick);
    assert_int_equal(weft_timers_reserve(&world->timers), 0);
    world_announce(node);
}

/* Its links are cut before. */
static inline void world_remove(struct world_node *node)
{
    weft_timer_clear(&node->world->timers, &node->timer);
    weft_gossip_free(node->gossip);
    weft_roster_free(node->roster);
    weft_membership_free(node->membership);
}

static inline void world_run(struct world *world, weft_time for_so_long)
{
    weft_time end = world->now + for_so_long;
    for (weft_time next; (next = weft_timers_next(&world->timers)) <= end;) {
        world->now = next > world->now ? next : world->now;
        weft_timers_run(&world->timers, world->now);
    }
    world->now = end;
}

static inline void world_end_all(struct world *world)
{
    weft_timers_deinit(&world->timers);
    weft_bytes_trim();
}

/* The sum of all announcements that it holds: whoever holds the same has the same. */
static inline uint64_t world_sum(const struct world_node *node)
{
    static const struct weft_siphash_key salt;
    uint64_t sum = 0;
    uint32_t cursor = 0;
    for (const struct weft_entry *entry; (entry = weft_roster_next(node->roster, &cursor));) {
        sum += entry->bytes ? weft_siphash(&salt, entry->bytes + entry->size - WEFT_SIGNATURE_SIZE, 64) : 0;
    }
    return sum;
}

static inline bool world_same(const struct world_node *nodes, size_t count)
{
    for (size_t i = 1; i < count; i++) {
        if (world_sum(&nodes[i]) != world_sum(&nodes[0])) {
            return false;
        }
    }
    return true;
}

/* How long until all these hold what the node announced last; at most so long. */
static inline weft_time world_hear(struct world *world, const struct world_node *nodes, size_t count,
                                   const struct world_node *of, weft_time at_most)
{
    weft_time start = world->now;
    for (size_t i = 0; i < count && world->now - start < at_most;) {
        const struct weft_entry *entry = weft_roster_get(nodes[i].roster, &of->self.identity.key);
        if (entry && entry->bytes && entry->sequence == of->self.announcement.sequence) {
            i++;
        } else {
            world_run(world, 50 * WEFT_MS);
        }
    }
    return world->now - start;
}

/* How long until these hold the same, looked at each tenth of a second; at most so long. */
static inline weft_time world_converge(struct world *world, const struct world_node *nodes, size_t count,
                                       weft_time at_most)
{
    weft_time start = world->now;
    while (!world_same(nodes, count) && world->now - start < at_most) {
        world_run(world, 100 * WEFT_MS);
    }
    return world->now - start;
}

#endif
