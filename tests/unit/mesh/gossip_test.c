/* tests/unit/mesh/gossip_test.c - nodes that gossip in memory: rosters converge, whoever lies or floods is cut off, and
 * nodes behind a gateway are told what they need. */
#include "mesh/gossip.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/error.h"
#include "unit/mesh/gossip_world.h"

#define GATEWAYS_MAX 24

static struct world world;
static struct world_node gateways[GATEWAYS_MAX], nodes[64];
static struct world_end links[GATEWAYS_MAX * GATEWAYS_MAX][2], attachments[64][2];
static int64_t live;

static int set_up(void **state)
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
static void make_gateways(size_t count)
{
    for (size_t i = 0; i < count; i++) {
        world_add(&world, &gateways[i], 1000 + (uint32_t)i, WEFT_ROLE_GATEWAY);
        for (size_t j = 0; j < i; j++) {
            world_join_gateways(link_of(i, j), &gateways[i], &gateways[j]);
        }
    }
}

static void attach(size_t node, size_t to)
{
    world_add(&world, &nodes[node], (uint32_t)node, WEFT_ROLE_PEER);
    world_attach(attachments[node], &nodes[node], &gateways[to]);
}

static void cut_off(struct world_end *end)
{
    if (end->link) {
        world_cut(end);
    }
}

static void end_all(size_t gateway_count, size_t node_count)
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

static enum weft_roster_state state_at(const struct world_node *who, const struct world_node *of)
{
    const struct weft_entry *entry = weft_roster_get(who->roster, &of->self.identity.key);
    return entry ? weft_roster_state(entry, world.now) : WEFT_ROSTER_GONE;
}

static uint64_t sequence_at(const struct world_node *who, const struct world_node *of)
{
    const struct weft_entry *entry = weft_roster_get(who->roster, &of->self.identity.key);
    return entry && entry->bytes ? entry->sequence : 0;
}

static void test_a_node_is_known_and_gone_at_once(void **state)
{
    (void)state;
    make_gateways(2);
    world.loss_per_mille = 0;
    attach(0, 0);
    world_run(&world, 500 * WEFT_MS);
    assert_int_equal(state_at(&gateways[1], &nodes[0]), WEFT_ROSTER_LIVE);
    assert_int_equal(sequence_at(&gateways[1], &nodes[0]), sequence_at(&gateways[0], &nodes[0]));
    world_announce(&nodes[0]);
    world_run(&world, 500 * WEFT_MS);
    assert_int_equal(sequence_at(&gateways[1], &nodes[0]), nodes[0].self.announcement.sequence);
    world_cut(&attachments[0][0]);
    world_run(&world, 2 * world.delay); /* DESIGN: a dropped link is known in one round trip */
    assert_int_equal(state_at(&gateways[0], &nodes[0]), WEFT_ROSTER_GONE);
    assert_int_equal(state_at(&gateways[1], &nodes[0]), WEFT_ROSTER_GONE);
    /* It comes back by the other gateway. */
    world_attach(attachments[0], &nodes[0], &gateways[1]);
    world_run(&world, 2 * world.delay);
    assert_int_equal(state_at(&gateways[0], &nodes[0]), WEFT_ROSTER_LIVE);
    /* With a gateway go those that only it reaches. */
    world_cut(&link_of(1, 0)[0]);
    assert_int_equal(state_at(&gateways[0], &nodes[0]), WEFT_ROSTER_GONE);
    assert_int_equal(state_at(&gateways[0], &gateways[1]), WEFT_ROSTER_GONE);
    end_all(2, 1);
}

static void test_convergence(void **state)
{
    (void)state;
    make_gateways(20);
    for (size_t i = 0; i < 40; i++) {
        attach(i, i % 20);
    }
    weft_time took = world_converge(&world, gateways, 20, 60 * WEFT_SECOND);
    printf("20 gateways and 40 nodes that all begin at once: the same rosters after %.1f s\n", (double)took / 1e6);
    assert_true(took < 5 * WEFT_SECOND);
    assert_int_equal(weft_roster_size(gateways[0].roster), 60);
    weft_time worst = 0;
    for (size_t i = 0; i < 20; i++) {
        world_announce(&nodes[i]);
        took = world_hear(&world, gateways, 20, &nodes[i], 60 * WEFT_SECOND);
        worst = took > worst ? took : worst;
    }
    printf("one announcement: in all rosters after %.1f s at most, of 20\n", (double)worst / 1e6);
    assert_true(worst < 3 * WEFT_SECOND);
    for (size_t i = 0; i < 20; i++) {
        for (size_t j = 0; j < 40; j++) {
            assert_int_equal(state_at(&gateways[i], &nodes[j]), WEFT_ROSTER_LIVE);
        }
        assert_int_equal(weft_roster_count(gateways[i].roster, WEFT_ROSTER_FORGED), 0);
    }
    end_all(20, 40);
}

/* Gateways in a row, each linked to the next only: who is far hears of it all the same. */
static void test_a_row(void **state)
{
    (void)state;
    for (size_t i = 0; i < 6; i++) {
        world_add(&world, &gateways[i], 1000 + (uint32_t)i, WEFT_ROLE_GATEWAY);
        if (i > 0) {
            world_join_gateways(link_of(i, i - 1), &gateways[i], &gateways[i - 1]);
        }
    }
    assert_true(world_converge(&world, gateways, 6, 10 * WEFT_SECOND) < 10 * WEFT_SECOND);
    assert_int_equal(weft_roster_size(gateways[5].roster), 6);
    world_announce(&gateways[0]);
    assert_true(world_hear(&world, gateways, 6, &gateways[0], 10 * WEFT_SECOND) < 3 * WEFT_SECOND);
    end_all(6, 0);
}

static void test_a_split_heals(void **state)
{
    (void)state;
    make_gateways(8);
    for (size_t i = 0; i < 16; i++) {
        attach(i, i % 8);
    }
    assert_true(world_converge(&world, gateways, 8, 10 * WEFT_SECOND) < 5 * WEFT_SECOND);
    for (size_t i = 4; i < 8; i++) {
        for (size_t j = 0; j < 4; j++) {
            world_cut(&link_of(i, j)[0]);
        }
    }
    for (size_t i = 0; i < 16; i++) {
        world_announce(&nodes[i]);
    }
    world_run(&world, 10 * WEFT_SECOND);
    assert_false(world_same(gateways, 8));
    assert_int_equal(state_at(&gateways[0], &nodes[4]), WEFT_ROSTER_GONE);
    assert_int_equal(state_at(&gateways[0], &nodes[1]), WEFT_ROSTER_LIVE);
    for (size_t i = 4; i < 8; i++) {
        for (size_t j = 0; j < 4; j++) {
            world_join_gateways(link_of(i, j), &gateways[i], &gateways[j]);
        }
    }
    weft_time took = world_converge(&world, gateways, 8, 10 * WEFT_SECOND);
    printf("eight gateways that were split: the same rosters %.1f s after it healed\n", (double)took / 1e6);
    assert_true(took < 5 * WEFT_SECOND);
    world_run(&world, WEFT_SECOND);
    for (size_t i = 0; i < 8; i++) {
        for (size_t j = 0; j < 16; j++) {
            assert_int_equal(state_at(&gateways[i], &nodes[j]), WEFT_ROSTER_LIVE);
        }
    }
    end_all(8, 16);
}

/* -- liars and floods: this test plays the other end of a link -- */

static uint8_t framed[WEFT_GOSSIP_SIZE_SIZE + WEFT_GOSSIP_MESSAGE_MAX];

static int say(struct weft_gossip_link *link, const struct weft_gossip_message *message)
{
    int64_t size = weft_gossip_message_write(message, framed + WEFT_GOSSIP_SIZE_SIZE, WEFT_GOSSIP_MESSAGE_MAX);
    assert_true(size > 0);
    for (int i = 0; i < WEFT_GOSSIP_SIZE_SIZE; i++) {
        framed[i] = (uint8_t)(size >> (8 * (3 - i)));
    }
    return weft_gossip_receive(link, weft_slice(framed, (size_t)size + WEFT_GOSSIP_SIZE_SIZE), world.now,
                               world_now_s(&world));
}

static int say_announcement(struct weft_gossip_link *link, struct weft_slice bytes)
{
    struct weft_gossip_message message = {.announcements = {.at = {bytes}, .count = 1}};
    return say(link, &message);
}

static struct weft_gossip_link *open_link(const struct weft_identity *who, enum weft_gossip_kind kind, uint64_t prefix)
{
    struct weft_gossip_link *link;
    int error = weft_gossip_open(gateways[0].gossip, &link, &who->key, kind, prefix, NULL, world.now);
    assert_true(error == 0 ? link != NULL : error == WEFT_ERR_FULL && !link);
    return link;
}

static void test_liars(void **state)
{
    (void)state;
    struct announcer node, other;
    make_gateways(1);
    make_announcer(&node, 1, WEFT_ROLE_PEER);
    make_announcer(&other, 2, WEFT_ROLE_PEER);
    struct weft_gossip_link *link = open_link(&second, WEFT_GOSSIP_GATEWAY, 0);
    struct weft_slice good = sign_now(&node);
    (void)sign_now(&other);
    other.bytes[other.size - 1] ^= 1;
    struct weft_slice bad = weft_slice(other.bytes, other.size);
    for (int i = 1; i < WEFT_GOSSIP_FORGED_MAX; i++) {
        assert_int_equal(say_announcement(link, bad), 0);
    }
    assert_int_equal(say_announcement(link, good), 0); /* a gateway brings anybody's */
    assert_int_equal(say_announcement(link, bad), WEFT_ERR_CRYPTO);
    weft_gossip_close(link, world.now);
    assert_non_null(weft_roster_get(gateways[0].roster, &node.identity.key));
    assert_null(weft_roster_get(gateways[0].roster, &other.identity.key));

    /* A node brings its own only, and is cut off for the first forged one. */
    link = open_link(&other.identity, WEFT_GOSSIP_MEMBER, 0);
    assert_int_equal(say_announcement(link, good), WEFT_ERR_DENIED);
    assert_int_equal(say_announcement(link, bad), WEFT_ERR_CRYPTO);
    other.bytes[other.size - 1] ^= 1;
    assert_int_equal(say_announcement(link, bad), 0);
    assert_int_equal(weft_roster_get(gateways[0].roster, &other.identity.key)->sequence, 1);
    struct weft_gossip_message message = {.reach = {.said = true, .more = weft_slice(ben.key.bytes, WEFT_KEY_SIZE)}};
    assert_int_equal(say(link, &message), 0); /* it vouches for nobody */
    assert_null(weft_roster_get(gateways[0].roster, &ben.key));
    weft_gossip_close(link, world.now);
    world_drain(&gateways[0]);
    end_all(1, 0);
}

static void test_streams(void **state)
{
    (void)state;
    struct announcer node;
    make_gateways(1);
    make_announcer(&node, 1, WEFT_ROLE_PEER);
    struct weft_gossip_link *link = open_link(&second, WEFT_GOSSIP_GATEWAY, 0);
    struct weft_gossip_message message = {.announcements = {.at = {sign_now(&node)}, .count = 1}};
    int64_t size = weft_gossip_message_write(&message, framed + 4, WEFT_GOSSIP_MESSAGE_MAX);
    framed[0] = framed[1] = 0;
    framed[2] = (uint8_t)(size >> 8);
    framed[3] = (uint8_t)size;
    for (int64_t i = 0; i < size + 4; i++) { /* byte by byte */
        assert_null(weft_roster_get(gateways[0].roster, &node.identity.key));
        assert_int_equal(weft_gossip_receive(link, weft_slice(framed + i, 1), world.now, NOW_S), 0);
    }
    assert_non_null(weft_roster_get(gateways[0].roster, &node.identity.key));
    assert_int_equal(weft_gossip_receive(link, weft_slice("\0\1\0\1", 4), world.now, NOW_S), WEFT_ERR_TOO_LARGE);
    weft_gossip_close(link, world.now);
    static const struct {
        const char *bytes;
        size_t size;
        int error;
    } cases[] = {
        {"\0\0\0\0", 4, WEFT_ERR_INVALID},
        {"\377\377\377\377", 4, WEFT_ERR_TOO_LARGE},
        {"\0\0\0\1\2", 5, WEFT_ERR_UNSUPPORTED},
        {"\0\0\0\2\1\0", 6, WEFT_ERR_INVALID},
        {"\0\0\0\1\1", 5, 0},
    };
    for (size_t i = 0; i < WEFT_COUNT(cases); i++) {
        link = open_link(&second, WEFT_GOSSIP_GATEWAY, 0);
        assert_int_equal(weft_gossip_receive(link, weft_slice(cases[i].bytes, cases[i].size), world.now, NOW_S),
                         cases[i].error);
        weft_gossip_close(link, world.now);
    }
    end_all(1, 0);
}

/* Whoever floods is cut off; and of one network's strangers few are let in. */
static void test_floods(void **state)
{
    (void)state;
    struct announcer node, strangers[WEFT_GOSSIP_PREFIX_MAX + 1];
    world.strangers_max = 20;
    make_gateways(1);
    make_announcer(&node, 1, WEFT_ROLE_PEER);
    struct weft_gossip_link *link = open_link(&node.identity, WEFT_GOSSIP_MEMBER, 0), *others[WEFT_COUNT(strangers)];
    int error = 0;
    size_t said = 0;
    for (; error == 0 && said < 1000; said++) {
        error = say_announcement(link, sign_version(&node, 1, said + 1));
    }
    assert_int_equal(error, WEFT_ERR_FULL);
    assert_true(said * node.size < 2 * WEFT_GOSSIP_HEAR_START);
    world.now += 10 * WEFT_SECOND; /* it would be heard again */
    assert_int_equal(say_announcement(link, sign_version(&node, 2, 1)), 0);
    weft_gossip_close(link, world.now);
    for (uint32_t i = 0; i < WEFT_COUNT(strangers); i++) {
        make_stranger(&strangers[i], 100 + i);
        others[i] = open_link(&strangers[i].identity, WEFT_GOSSIP_STRANGER, 7);
        if (others[i]) {
            assert_int_equal(say_announcement(others[i], sign_now(&strangers[i])), 0);
        }
    }
    assert_non_null(others[WEFT_GOSSIP_PREFIX_MAX - 1]);
    assert_null(others[WEFT_GOSSIP_PREFIX_MAX]);
    link = open_link(&strangers[WEFT_GOSSIP_PREFIX_MAX].identity, WEFT_GOSSIP_STRANGER, 8); /* from elsewhere */
    assert_non_null(link);
    weft_gossip_close(link, world.now);
    for (uint32_t i = 0; i < WEFT_GOSSIP_PREFIX_MAX; i++) {
        assert_int_equal(weft_roster_get(gateways[0].roster, &strangers[i].identity.key)->kind, WEFT_ENTRY_STRANGER);
        weft_gossip_close(others[i], world.now);
    }
    end_all(1, 0);
}

static void test_a_second_link_of_a_node(void **state)
{
    (void)state;
    make_gateways(2);
    world.loss_per_mille = 0;
    attach(0, 0);
    world_run(&world, 500 * WEFT_MS);
    static struct world_end again[2];
    world_attach(again, &nodes[0], &gateways[0]); /* it came back before the first was known to be dead */
    world_run(&world, 500 * WEFT_MS);
    world_cut(&attachments[0][0]);
    world_run(&world, 500 * WEFT_MS);
    assert_int_equal(state_at(&gateways[0], &nodes[0]), WEFT_ROSTER_LIVE);
    assert_int_equal(state_at(&gateways[1], &nodes[0]), WEFT_ROSTER_LIVE);
    world_cut(&again[0]);
    world_run(&world, 500 * WEFT_MS);
    assert_int_equal(state_at(&gateways[1], &nodes[0]), WEFT_ROSTER_GONE);
    end_all(2, 1);
}

/* -- revocations -- */

static struct weft_slice revocation_of(const struct weft_key *subject, uint8_t out[WEFT_REVOCATION_MAX])
{
    struct weft_revocation revocation = {
        .mesh = root.key, .subject = *subject, .made_s = NOW_S, .until_s = NOW_S + DAY_S};
    int64_t size = weft_sign_revocation(&root, &revocation, out);
    assert_true(size > 0);
    return weft_slice(out, (size_t)size);
}

static void test_revocations(void **state)
{
    (void)state;
    uint8_t bytes[WEFT_REVOCATION_MAX];
    make_gateways(10);
    attach(0, 1);
    attach(1, 9);
    world_run(&world, 3 * WEFT_SECOND);
    world_cut(&link_of(9, 0)[0]); /* one hears of it by others */
    struct weft_slice revocation = revocation_of(&nodes[0].self.identity.key, bytes);
    assert_int_equal(weft_gossip_revoke(gateways[0].gossip, revocation, world_now_s(&world)), 1);
    assert_int_equal(weft_gossip_revoke(gateways[0].gossip, revocation, world_now_s(&world)), 0);
    world_drain(&gateways[0]);
    world_run(&world, 5 * WEFT_SECOND);
    for (size_t i = 0; i < 10; i++) {
        assert_int_equal(weft_membership_revocations(gateways[i].membership), 1);
        assert_int_equal(gateways[i].revoked, 1);
        assert_int_equal(sequence_at(&gateways[i], &nodes[0]), 0);
    }
    assert_int_equal(nodes[1].revoked, 1); /* and a node by its gateway */
    /* Who comes later is told of it: a gateway by the sums, a node at its start. */
    world_add(&world, &gateways[10], 1010, WEFT_ROLE_GATEWAY);
    world_join_gateways(link_of(10, 3), &gateways[10], &gateways[3]);
    attach(2, 3);
    world_run(&world, 3 * WEFT_SECOND);
    assert_int_equal(gateways[10].revoked, 1);
    assert_int_equal(nodes[2].revoked, 1);
    end_all(11, 3);
}

/* -- what a node is told -- */

static size_t models_known(const struct world_node *node, uint64_t *peers)
{
    size_t cursor = 0, count = 0;
    *peers = 0;
    for (const struct weft_catalogue_line *line; (line = weft_gossip_model(node->gossip, &cursor));) {
        *peers = line->peers;
        count++;
    }
    return count;
}

static size_t reached_at(const struct world_node *who, size_t from, size_t to)
{
    size_t count = 0;
    for (size_t i = from; i < to; i++) {
        count += state_at(who, &nodes[i]) == WEFT_ROSTER_LIVE ? 1 : 0;
    }
    return count;
}

static void test_a_node_is_told(void **state)
{
    (void)state;
    uint64_t peers;
    uint8_t model[1][WEFT_HASH_SIZE] = {{1}};
    make_gateways(4);
    for (size_t i = 0; i < 12; i++) {
        attach(i, i % 4);
    }
    world_run(&world, 5 * WEFT_SECOND);
    for (size_t i = 0; i < 4; i++) { /* its gateways: where else it can go */
        assert_int_equal(sequence_at(&nodes[0], &gateways[i]), gateways[i].self.announcement.sequence);
    }
    assert_int_equal(models_known(&nodes[0], &peers), 1);
    assert_int_equal(peers, 16);                       /* the twelve and the four, rounded down */
    assert_int_equal(reached_at(&nodes[0], 1, 12), 0); /* it uses no model yet */
    weft_gossip_use(nodes[0].gossip, (const uint8_t(*)[WEFT_HASH_SIZE])model, 1);
    world_drain(&nodes[0]);
    world_run(&world, 3 * WEFT_SECOND);
    size_t reached = reached_at(&nodes[0], 1, 12);
    assert_true(reached > 0 && reached <= WEFT_GOSSIP_HOLDERS);
    for (size_t i = 1; i < 12; i++) { /* they go, and it is told of others */
        if (state_at(&nodes[0], &nodes[i]) == WEFT_ROSTER_LIVE) {
            cut_off(&attachments[i][0]);
            world_run(&world, 3 * WEFT_SECOND);
            assert_int_equal(state_at(&nodes[0], &nodes[i]), WEFT_ROSTER_GONE);
        }
    }
    for (size_t i = 1; i < 12; i++) {
        cut_off(&attachments[i][0]);
    }
    world_run(&world, 5 * WEFT_SECOND);
    assert_int_equal(reached_at(&nodes[0], 1, 12), 0);
    assert_int_equal(models_known(&nodes[0], &peers), 1);
    assert_int_equal(peers, 4);
    world_cut(&attachments[0][0]); /* what its gateway told goes with it */
    assert_int_equal(models_known(&nodes[0], &peers), 0);
    end_all(4, 12);
}

/* All change all the time, and a node at home hears no more of it than it may. */
static void test_a_node_is_not_told_too_much(void **state)
{
    (void)state;
    uint8_t models[WEFT_GOSSIP_USED_MAX][WEFT_HASH_SIZE] = {{1}, {2}, {3}, {4}, {5}, {6}, {7}, {8}};
    make_gateways(2);
    for (size_t i = 0; i < 40; i++) {
        attach(i, 0);
        nodes[i].self.announcement.models[0].hash[0] = (uint8_t)(1 + i % 8);
        world_announce(&nodes[i]);
    }
    weft_gossip_use(nodes[0].gossip, (const uint8_t(*)[WEFT_HASH_SIZE])models, WEFT_GOSSIP_USED_MAX);
    world_drain(&nodes[0]);
    uint64_t before = 0;
    for (int second_of = 0; second_of < 90; second_of++) {
        if (second_of == 30) { /* what it is told at the start is past */
            before = weft_gossip_counts(nodes[0].gossip).bytes_in;
        }
        for (size_t i = 1; i < 40; i++) {
            if ((i + (size_t)second_of) % 4 == 0) {
                world_announce(&nodes[i]);
            }
        }
        world_run(&world, WEFT_SECOND);
    }
    uint64_t rate = (weft_gossip_counts(nodes[0].gossip).bytes_in - before) / 60;
    printf("a node at home that uses eight models, while all others change: %llu bytes a second\n",
           (unsigned long long)rate);
    assert_true(rate > 0 && rate < 1024);
    end_all(2, 40);
}

/* -- anything, in any order, then it heals -- */

static void do_anything(size_t gateway_count, size_t node_count)
{
    size_t one = (size_t)weft_random_below(&world.random, gateway_count);
    size_t other = (size_t)weft_random_below(&world.random, gateway_count);
    size_t node = (size_t)weft_random_below(&world.random, node_count);
    switch (weft_random_below(&world.random, 5)) {
    case 0:
        if (one > other) {
            cut_off(&link_of(one, other)[0]);
        }
        break;
    case 1:
        if (one > other && !link_of(one, other)[0].link) {
            world_join_gateways(link_of(one, other), &gateways[one], &gateways[other]);
        }
        break;
    case 2:
        cut_off(&attachments[node][0]);
        break;
    case 3:
        if (!attachments[node][0].link) {
            world_attach(attachments[node], &nodes[node], &gateways[one]);
        }
        break;
    default:
        world_announce(&nodes[node]);
    }
}

static void heal(size_t gateway_count, size_t node_count)
{
    for (size_t i = 0; i < gateway_count; i++) {
        for (size_t j = 0; j < i; j++) {
            if (!link_of(i, j)[0].link) {
                world_join_gateways(link_of(i, j), &gateways[i], &gateways[j]);
            }
        }
    }
    for (size_t i = 0; i < node_count; i++) {
        if (!attachments[i][0].link) {
            world_attach(attachments[i], &nodes[i], &gateways[i % gateway_count]);
        }
    }
}

static void test_anything_heals(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 6; seed++) {
        world_init(&world, seed);
        world.loss_per_mille = 100;
        make_gateways(5);
        for (size_t i = 0; i < 10; i++) {
            attach(i, i % 5);
        }
        for (int step = 0; step < 150; step++) {
            do_anything(5, 10);
            world_run(&world, (weft_time)weft_random_below(&world.random, WEFT_SECOND));
        }
        heal(5, 10);
        assert_true(world_converge(&world, gateways, 5, 20 * WEFT_SECOND) < 10 * WEFT_SECOND);
        world_run(&world, 3 * WEFT_SECOND);
        for (size_t i = 0; i < 5; i++) {
            for (size_t j = 0; j < 10; j++) { /* the latest of each, and where it is */
                assert_int_equal(sequence_at(&gateways[i], &nodes[j]), nodes[j].self.announcement.sequence);
                assert_int_equal(state_at(&gateways[i], &nodes[j]), WEFT_ROSTER_LIVE);
            }
            assert_int_equal(weft_roster_count(gateways[i].roster, WEFT_ROSTER_FORGED), 0);
            assert_int_equal(weft_roster_size(gateways[i].roster), 15);
        }
        end_all(5, 10);
    }
}

/* -- a mesh of some size: WEFT_GOSSIP_GATEWAYS and WEFT_GOSSIP_NODES make it larger -- */

#define LARGE_GATEWAYS_MAX 64

/* A node of which only its links to two gateways are there. */
struct far_node {
    struct weft_identity identity;
    uint64_t sequence;
    struct weft_gossip_link *links[2];
};

static struct world_node large[LARGE_GATEWAYS_MAX];
static struct world_end large_links[LARGE_GATEWAYS_MAX * LARGE_GATEWAYS_MAX][2];
static uint64_t told; /* bytes, to all nodes */

static size_t size_of(const char *variable, size_t otherwise)
{
    const char *text = getenv(variable);
    return text ? (size_t)strtoul(text, NULL, 10) : otherwise;
}

/* To nodes that are not there it is counted only. */
static void drop_told(struct far_node *node)
{
    for (size_t i = 0; i < 2; i++) {
        struct weft_bytes *output = weft_gossip_output(node->links[i]);
        told += output->size;
        weft_bytes_drop(output, output->size);
    }
}

static void far_announce(struct far_node *node, uint32_t number)
{
    static struct announcer announcer;
    make_announcer(&announcer, number, WEFT_ROLE_PEER);
    announcer.announcement.addresses[0] = WEFT_SLICE("192.168.178.35:4433");
    announcer.announcement.address_count = 1;
    announcer.announcement.models[0] =
        (struct weft_announced_model){.alias = WEFT_SLICE("Llama-3.2-3B-Instruct-Q4_K_M"),
                                      .hash = {(uint8_t)(1 + number % 50)},
                                      .context = 32768,
                                      .template_hash = {1},
                                      .quant = WEFT_SLICE("Q4_K_M"),
                                      .kernel_class = WEFT_SLICE("cuda-sm89"),
                                      .slots = 8};
    announcer.announcement.device = WEFT_SLICE("NVIDIA GeForce RTX 4070 Ti SUPER");
    announcer.announcement.version = WEFT_SLICE("0.1.0");
    announcer.announcement.memory = (uint64_t)16 << 30;
    announcer.announcement.made_s = world_now_s(&world);
    node->identity = announcer.identity;
    struct weft_gossip_message message = {
        .announcements = {.at = {sign_version(&announcer, 1795003700, ++node->sequence)}, .count = 1},
        .used_said = true,
        .used = weft_slice(announcer.announcement.models[0].hash, WEFT_HASH_SIZE), /* it uses what it serves */
    };
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(say(node->links[i], &message), 0);
    }
}

static void far_attach(struct far_node *node, uint32_t number, size_t gateway_count, size_t from)
{
    for (size_t i = 0; i < 2; i++) {
        struct world_node *to = &large[(from + i * (gateway_count / 2)) % gateway_count];
        assert_int_equal(
            weft_gossip_open(to->gossip, &node->links[i], &node->identity.key, WEFT_GOSSIP_MEMBER, 0, NULL, world.now),
            0);
    }
    far_announce(node, number);
}

static void far_detach(struct far_node *node)
{
    drop_told(node);
    for (size_t i = 0; i < 2; i++) {
        weft_gossip_close(node->links[i], world.now);
        node->links[i] = NULL;
    }
}

/* Gateways' own output goes on its way; to far nodes it is dropped. */
static void drain_large(size_t gateway_count, struct far_node *far, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        drop_told(&far[i]);
    }
    for (size_t i = 0; i < gateway_count; i++) {
        world_drain(&large[i]);
    }
}

static size_t known_by(size_t gateway_count, const struct far_node *node)
{
    size_t count = 0;
    for (size_t i = 0; i < gateway_count; i++) {
        const struct weft_entry *entry = weft_roster_get(large[i].roster, &node->identity.key);
        count += entry && entry->bytes && entry->sequence == node->sequence ? 1 : 0;
    }
    return count;
}

static uint64_t sent_by_gateways(size_t gateway_count)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < gateway_count; i++) {
        sum += weft_gossip_counts(large[i].gossip).bytes_out;
    }
    return sum;
}

static void large_start(size_t gateway_count, struct far_node *far, size_t count)
{
    for (size_t i = 0; i < gateway_count; i++) {
        world_add(&world, &large[i], 100000 + (uint32_t)i, WEFT_ROLE_GATEWAY);
        for (size_t j = 0; j < i; j++) {
            world_join_gateways(large_links[i * LARGE_GATEWAYS_MAX + j], &large[i], &large[j]);
        }
    }
    world_run(&world, 2 * WEFT_SECOND);
    for (size_t i = 0; i < count; i++) {
        struct announcer announcer;
        make_announcer(&announcer, (uint32_t)i, WEFT_ROLE_PEER);
        far[i].identity = announcer.identity;
        far_attach(&far[i], (uint32_t)i, gateway_count, i % gateway_count);
    }
    drain_large(gateway_count, far, count);
    uint64_t before = sent_by_gateways(gateway_count);
    weft_time took = world_converge(&world, large, gateway_count, 120 * WEFT_SECOND);
    printf("%zu gateways, %zu nodes that come at once: the same rosters after %.1f s, %.0f KiB sent by each gateway\n",
           gateway_count, count, (double)took / 1e6,
           (double)(sent_by_gateways(gateway_count) - before) / 1024 / (double)gateway_count);
    assert_int_equal(weft_roster_size(large[0].roster), gateway_count + count);
    assert_true(took < 15 * WEFT_SECOND);
}

/* A minute as others: all announce anew every half hour, and each comes back once an hour. */
static void large_minute(size_t gateway_count, struct far_node *far, size_t count)
{
    drain_large(gateway_count, far, count);
    uint64_t before = sent_by_gateways(gateway_count);
    told = 0;
    uint64_t half_hours = 0;
    for (int second_of = 0; second_of < 60; second_of++) {
        half_hours += count;
        for (; half_hours >= 1800; half_hours -= 1800) {
            size_t one = (size_t)weft_random_below(&world.random, count);
            far_announce(&far[one], (uint32_t)one);
            one = (size_t)weft_random_below(&world.random, 2 * count);
            if (one < count) {
                far_detach(&far[one]);
                far_attach(&far[one], (uint32_t)one, gateway_count,
                           (size_t)weft_random_below(&world.random, gateway_count));
            }
        }
        drain_large(gateway_count, far, count);
        world_run(&world, WEFT_SECOND);
    }
    drain_large(gateway_count, far, count);
    double each = (double)(sent_by_gateways(gateway_count) - before - told) / 60 / (double)gateway_count;
    double node = (double)told / 60 / (double)count;
    size_t announcements, others;
    weft_roster_memory(large[0].roster, &announcements, &others);
    printf(
        "a minute later: each gateway sends %.0f bytes a second to others, that is %.2f for each node; each node hears "
        "%.0f; an entry takes %zu bytes beside an announcement of %zu\n",
        each, each / (double)count, node, others / weft_roster_size(large[0].roster),
        announcements / weft_roster_size(large[0].roster));
    assert_true(node < 1024);
}

static void test_scale(void **state)
{
    (void)state;
    size_t gateway_count = size_of("WEFT_GOSSIP_GATEWAYS", 8), count = size_of("WEFT_GOSSIP_NODES", 100);
    assert_true(gateway_count > 1 && gateway_count <= LARGE_GATEWAYS_MAX && count > 0);
    struct far_node *far = weft_calloc(count, sizeof(*far));
    assert_non_null(far);
    large_start(gateway_count, far, count);
    world_run(&world, 30 * WEFT_SECOND);
    large_minute(gateway_count, far, count);
    weft_time worst = 0, sum = 0;
    for (size_t i = 0; i < 20; i++) {
        weft_time start = world.now;
        far_announce(&far[i % count], (uint32_t)(i % count));
        drain_large(gateway_count, far, count);
        while (known_by(gateway_count, &far[i % count]) < gateway_count && world.now - start < 30 * WEFT_SECOND) {
            world_run(&world, 50 * WEFT_MS);
        }
        worst = world.now - start > worst ? world.now - start : worst;
        sum += world.now - start;
    }
    printf("one announcement: in all rosters after %.2f s, the slowest of 20 after %.2f s\n", (double)sum / 20e6,
           (double)worst / 1e6);
    assert_true(worst < 5 * WEFT_SECOND);
    for (size_t i = 0; i < count; i++) {
        far_detach(&far[i]);
    }
    for (size_t i = 0; i < gateway_count; i++) {
        for (size_t j = 0; j < i; j++) {
            world_cut(&large_links[i * LARGE_GATEWAYS_MAX + j][0]);
        }
    }
    for (size_t i = 0; i < gateway_count; i++) {
        world_remove(&large[i]);
    }
    weft_free(far);
    world_end_all(&world);
    assert_int_equal(weft_mem_live(), live);
}

/* Each allocation in turn fails; nothing leaks, and what was not said or taken then is a moment later. */
static void test_memory_runs_out(void **state)
{
    (void)state;
    bool failed = true;
    for (uint64_t i = 1; failed; i++) {
        world_init(&world, 1);
        make_gateways(2);
        attach(0, 0);
        world_run(&world, 2 * WEFT_SECOND);
        uint8_t bytes[WEFT_REVOCATION_MAX];
        struct announcer node;
        make_announcer(&node, 9, WEFT_ROLE_PEER);
        struct weft_slice revocation = revocation_of(&ben.key, bytes), announcement = sign_now(&node);
        struct weft_gossip_link *link;
        weft_mem_fail_at(i);
        int error =
            weft_gossip_open(gateways[0].gossip, &link, &node.identity.key, WEFT_GOSSIP_MEMBER, 0, NULL, world.now);
        if (error == 0) {
            error = say_announcement(link, announcement);
        }
        if (error == 0) {
            error = weft_gossip_revoke(gateways[0].gossip, revocation, NOW_S);
        }
        weft_gossip_tick(gateways[0].gossip, world.now, NOW_S);
        failed = weft_mem_failed();
        weft_mem_fail_at(0);
        assert_true(error >= 0 || (failed && error == WEFT_ERR_MEMORY));
        if (link) {
            weft_bytes_deinit(weft_gossip_output(link));
            weft_gossip_close(link, world.now);
        }
        weft_bytes_trim(); /* spare blocks would hide that there is no memory */
        world_drain(&gateways[0]);
        world_announce(&nodes[0]);
        assert_true(world_converge(&world, gateways, 2, 10 * WEFT_SECOND) < 10 * WEFT_SECOND);
        end_all(2, 1);
        assert_true(i < 200);
    }
    struct weft_gossip *none = NULL;
    struct weft_gossip_settings settings = {.seed = 1};
    weft_mem_fail_at(1);
    assert_int_equal(weft_gossip_new(&none, &settings, 0), WEFT_ERR_MEMORY);
    assert_null(none);
    weft_gossip_free(NULL);
}

#define GOSSIP_TEST(name) cmocka_unit_test_setup(name, set_up)

int main(void)
{
    const struct CMUnitTest tests[] = {
        GOSSIP_TEST(test_a_node_is_known_and_gone_at_once),
        GOSSIP_TEST(test_convergence),
        GOSSIP_TEST(test_a_row),
        GOSSIP_TEST(test_a_split_heals),
        GOSSIP_TEST(test_liars),
        GOSSIP_TEST(test_streams),
        GOSSIP_TEST(test_floods),
        GOSSIP_TEST(test_a_second_link_of_a_node),
        GOSSIP_TEST(test_revocations),
        GOSSIP_TEST(test_a_node_is_told),
        GOSSIP_TEST(test_a_node_is_not_told_too_much),
        GOSSIP_TEST(test_anything_heals),
        GOSSIP_TEST(test_scale),
        GOSSIP_TEST(test_memory_runs_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
