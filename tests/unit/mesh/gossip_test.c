/* tests/unit/mesh/gossip_test.c - gossip links: whoever lies or floods is cut off, and whatever happens, what heals
 * converges. */
#include "mesh/gossip.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "unit/mesh/gossip_mesh.h"

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

/* -- liars and floods: this test plays the other end of a link -- */

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
    assert_int_equal(weft_gossip_heard(link), WEFT_ROSTER_ADDED);
    assert_int_equal(weft_roster_get(gateways[0].roster, &other.identity.key)->sequence, 1);
    struct weft_gossip_message message = {.reach = {.said = true, .more = weft_slice(ben.key.bytes, WEFT_KEY_SIZE)}};
    assert_int_equal(say(link, &message), WEFT_ERR_DENIED); /* it vouches for nobody */
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
    struct announcer node, crowd[WEFT_GOSSIP_PREFIX_MAX + 1];
    world.strangers_max = 20;
    make_gateways(1);
    make_announcer(&node, 1, WEFT_ROLE_PEER);
    struct weft_gossip_link *link = open_link(&node.identity, WEFT_GOSSIP_MEMBER, 0), *others[WEFT_COUNT(crowd)];
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
    for (uint32_t i = 0; i < WEFT_COUNT(crowd); i++) {
        make_stranger(&crowd[i], 100 + i);
        others[i] = open_link(&crowd[i].identity, WEFT_GOSSIP_STRANGER, 7);
        if (others[i]) {
            assert_int_equal(say_announcement(others[i], sign_now(&crowd[i])), 0);
        }
    }
    assert_non_null(others[WEFT_GOSSIP_PREFIX_MAX - 1]);
    assert_null(others[WEFT_GOSSIP_PREFIX_MAX]);
    link = open_link(&crowd[WEFT_GOSSIP_PREFIX_MAX].identity, WEFT_GOSSIP_STRANGER, 8); /* from elsewhere */
    assert_non_null(link);
    weft_gossip_close(link, world.now);
    for (uint32_t i = 0; i < WEFT_GOSSIP_PREFIX_MAX; i++) {
        assert_int_equal(weft_roster_get(gateways[0].roster, &crowd[i].identity.key)->kind, WEFT_ENTRY_STRANGER);
        weft_gossip_close(others[i], world.now);
    }
    end_all(1, 0);
}

#define FLOOD         10000
#define FLOOD_AT_ONCE 200
#define FLOOD_PASS    (200 * WEFT_MS)
#define MEMBERS       30
#define LET_IN        50 /* strangers at a time */

static struct announcer strangers[FLOOD_AT_ONCE];

/* Each comes from a network of its own, says who it is, stays for a moment, and goes. */
static void flood(uint32_t first)
{
    struct weft_gossip_link *others[FLOOD_AT_ONCE];
    for (uint32_t i = 0; i < FLOOD_AT_ONCE; i++) {
        make_stranger(&strangers[i], first + i);
        others[i] = open_link(&strangers[i].identity, WEFT_GOSSIP_STRANGER, first + i);
        assert_non_null(others[i]);
        assert_int_equal(say_announcement(others[i], sign_now(&strangers[i])), 0);
    }
    world_drain(&gateways[0]);
    world_run(&world, FLOOD_PASS);
    for (uint32_t i = 0; i < FLOOD_AT_ONCE; i++) {
        weft_gossip_close(others[i], world.now);
    }
    world_drain(&gateways[0]);
}

static uint64_t packets_to_members(void)
{
    uint64_t packets = 0;
    for (size_t i = 0; i < MEMBERS; i++) {
        packets += nodes[i].packets_in;
    }
    return packets;
}

/* In each pass a member says something new. How many packets came to the members. */
static uint64_t pass(uint32_t from, uint32_t to)
{
    uint64_t before = packets_to_members();
    for (uint32_t i = from; i < to; i++) {
        world_announce(&nodes[i % MEMBERS]);
        flood(100000 + i * FLOOD_AT_ONCE);
    }
    return packets_to_members() - before;
}

/* Ten thousand identities come to one gateway of an open mesh, and tens at a time are let in: what the gateways hold
 * stays small, and members are known as they were, by their latest words; who joins meanwhile is too. */
static void test_a_flood_of_identities(void **state)
{
    (void)state;
    size_t all = 3 + MEMBERS + 1 + LET_IN, announcements, others;
    uint32_t passes = FLOOD / FLOOD_AT_ONCE;
    world.entries_max = 500;
    world.strangers_max = LET_IN;
    make_gateways(3);
    for (size_t i = 0; i < MEMBERS; i++) {
        attach(i, i % 3);
    }
    world_run(&world, 5 * WEFT_SECOND);
    uint64_t heard = pass(0, passes / 2);
    attach(MEMBERS, 0);
    heard += pass(passes / 2, passes);
    assert_true(heard < MEMBERS * passes * (uint64_t)FLOOD_PASS / WEFT_SECOND); /* less than one a second each */
    assert_true(weft_roster_count(gateways[0].roster, WEFT_ROSTER_ADDED) <= 3 + MEMBERS + 1 + passes * LET_IN);
    assert_true(weft_roster_count(gateways[0].roster, WEFT_ROSTER_OVER_QUOTA) >= FLOOD - passes * LET_IN);
    world_run(&world, 5 * WEFT_SECOND);
    for (size_t i = 0; i < 3; i++) {
        weft_roster_memory(gateways[i].roster, &announcements, &others);
        assert_true(weft_roster_size(gateways[i].roster) <= all);
        assert_true(announcements <= all * nodes[0].self.size && others <= all * 1024); /* tables are half empty */
        for (size_t j = 0; j <= MEMBERS; j++) {
            assert_int_equal(state_at(&gateways[i], &nodes[j]), WEFT_ROSTER_LIVE);
            assert_int_equal(sequence_at(&gateways[i], &nodes[j]), nodes[j].self.announcement.sequence);
        }
    }
    end_all(3, MEMBERS + 1);
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

/* A node dials two addresses of one gateway, finds that out, and drops the link that came last. */
static void test_the_younger_of_two_links_ends(void **state)
{
    (void)state;
    make_gateways(2);
    world.loss_per_mille = 0;
    attach(0, 0);
    world_run(&world, 500 * WEFT_MS);
    static struct world_end again[2];
    world_attach(again, &nodes[0], &gateways[0]);
    world_run(&world, 500 * WEFT_MS);
    world_cut(&again[0]);
    world_run(&world, 500 * WEFT_MS);
    assert_int_equal(state_at(&gateways[0], &nodes[0]), WEFT_ROSTER_LIVE);
    assert_int_equal(state_at(&gateways[1], &nodes[0]), WEFT_ROSTER_LIVE);
    world_cut(&attachments[0][0]);
    world_run(&world, 500 * WEFT_MS);
    assert_int_equal(state_at(&gateways[0], &nodes[0]), WEFT_ROSTER_GONE);
    assert_int_equal(state_at(&gateways[1], &nodes[0]), WEFT_ROSTER_GONE);
    end_all(2, 1);
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
            error = world_revoke(&gateways[0], revocation, NOW_S);
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
        GOSSIP_TEST(test_liars),
        GOSSIP_TEST(test_streams),
        GOSSIP_TEST(test_floods),
        GOSSIP_TEST(test_a_flood_of_identities),
        GOSSIP_TEST(test_a_second_link_of_a_node),
        GOSSIP_TEST(test_the_younger_of_two_links_ends),
        GOSSIP_TEST(test_anything_heals),
        GOSSIP_TEST(test_memory_runs_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
