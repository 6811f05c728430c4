/* tests/unit/mesh/gossip_pull_test.c - gateways tell each other: their rosters converge, in how long and for how many
 * bytes. */
#include "mesh/gossip.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "unit/mesh/gossip_mesh.h"

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

/* What was never named, and what one gateway has in an earlier version: the sums find both. */
static void test_what_was_not_named_is_found(void **state)
{
    (void)state;
    static struct announcer unnamed;
    struct weft_gossip_name name;
    make_gateways(8);
    assert_true(world_converge(&world, gateways, 8, 10 * WEFT_SECOND) < 5 * WEFT_SECOND);
    make_announcer(&unnamed, 1, WEFT_ROLE_PEER);
    for (uint64_t sequence = 1; sequence <= 2; sequence++) {
        unnamed.announcement.made_s = world_now_s(&world);
        assert_true(weft_roster_offer(gateways[3].roster, sign_version(&unnamed, 1, sequence), WEFT_ROSTER_RELAYED,
                                      world.now, world_now_s(&world), &name) <= WEFT_ROSTER_REPLACED);
        weft_time took = world_converge(&world, gateways, 8, 20 * WEFT_SECOND);
        assert_true(took > 0 && took < 5 * WEFT_SECOND);
        const struct weft_entry *entry = weft_roster_get(gateways[0].roster, &unnamed.identity.key);
        assert_true(entry && entry->sequence == sequence);
    }
    end_all(8, 0);
}

/* The first message on the link; what comes behind it is dropped. */
static void next_message(struct weft_gossip_link *link, struct weft_gossip_message *message)
{
    static uint8_t bytes[WEFT_GOSSIP_SIZE_SIZE + WEFT_GOSSIP_MESSAGE_MAX];
    struct weft_bytes *output = weft_gossip_output(link);
    size_t size = weft_bytes_read(output, bytes, sizeof(bytes));
    size_t length = size < 4 ? 0 : (size_t)bytes[1] << 16 | (size_t)bytes[2] << 8 | bytes[3];
    assert_true(length > 0 && length + WEFT_GOSSIP_SIZE_SIZE <= size);
    assert_int_equal(weft_gossip_message_read(weft_slice(bytes + WEFT_GOSSIP_SIZE_SIZE, length), message), 0);
}

/* A list is an answer to the sums that were sent last, and taken once. */
static void test_lists(void **state)
{
    (void)state;
    static struct weft_gossip_message heard;
    struct weft_gossip_link *link;
    struct weft_gossip_name name = {.id = 1, .incarnation = 1};
    uint8_t packed[WEFT_GOSSIP_NAME_MAX];
    make_gateways(1);
    assert_int_equal(weft_gossip_open(gateways[0].gossip, &link, &second.key, WEFT_GOSSIP_GATEWAY, 0, NULL, world.now),
                     0);
    weft_bytes_drop(weft_gossip_output(link), weft_gossip_output(link)->size); /* whom it reaches */
    weft_gossip_tick(gateways[0].gossip, world.now, NOW_S);
    next_message(link, &heard);
    assert_true(heard.digest.said);
    struct weft_gossip_message list = {.list = {.said = true,
                                                .salt = heard.digest.salt,
                                                .buckets = weft_slice("\0\0", 2),
                                                .names = weft_slice(packed, weft_gossip_name_write(&name, packed))}};
    list.list.salt.bytes[15] ^= 1;
    assert_int_equal(say(link, &list), 0);
    assert_int_equal(weft_gossip_output(link)->size, 0); /* an answer to something else */
    list.list.salt.bytes[15] ^= 1;
    assert_int_equal(say(link, &list), 0);
    next_message(link, &heard);
    assert_int_equal(heard.wants.size, WEFT_GOSSIP_ID_SIZE);
    name.id = 2;
    list.list.names = weft_slice(packed, weft_gossip_name_write(&name, packed));
    assert_int_equal(say(link, &list), 0);
    assert_int_equal(weft_gossip_output(link)->size, 0); /* a second one */
    weft_gossip_close(link, world.now);
    world_drain(&gateways[0]);
    end_all(1, 0);
}

/* A list of the ids of revocations that are not known here, as answer to the sums that come next. */
static void say_ids(struct weft_gossip_link *link, struct weft_slice ids, struct weft_gossip_message *heard)
{
    world.now += 2 * WEFT_SECOND;
    weft_gossip_tick(gateways[0].gossip, world.now, NOW_S);
    next_message(link, heard);
    assert_true(heard->digest.said);
    struct weft_gossip_message list = {
        .list = {.said = true, .salt = heard->digest.salt, .revocations_said = true, .revocations = ids}};
    assert_int_equal(say(link, &list), 0);
    next_message(link, heard);
    assert_int_equal(say(link, &list), 0);
    assert_int_equal(weft_gossip_output(link)->size, 0); /* a second one is an answer to nothing */
}

static bool holds(struct weft_slice ids, uint64_t wanted)
{
    uint8_t id[WEFT_GOSSIP_ID_SIZE];
    while (weft_gossip_packed_next(&ids, id, sizeof(id))) {
        if (weft_load64(id) == wanted) {
            return true;
        }
    }
    return false;
}

/* Two hundred that are never taken, and never given: each of them is asked for now and then. */
static void test_revocations_that_are_refused_hide_no_others(void **state)
{
    (void)state;
    static struct weft_gossip_message heard;
    static uint8_t ids[200 * WEFT_GOSSIP_ID_SIZE];
    struct weft_gossip_link *link;
    size_t firsts = 0, lasts = 0;
    for (size_t i = 0; i < 200; i++) {
        weft_store64(ids + WEFT_GOSSIP_ID_SIZE * i, i + 1);
    }
    make_gateways(1);
    assert_int_equal(weft_gossip_open(gateways[0].gossip, &link, &second.key, WEFT_GOSSIP_GATEWAY, 0, NULL, world.now),
                     0);
    weft_bytes_drop(weft_gossip_output(link), weft_gossip_output(link)->size); /* whom it reaches */
    for (int i = 0; i < 40; i++) {
        say_ids(link, weft_slice(ids, sizeof(ids)), &heard);
        assert_true(heard.revocation_wants.size > 0);
        assert_true(heard.revocation_wants.size < sizeof(ids));
        firsts += holds(heard.revocation_wants, 1) ? 1 : 0;
        lasts += holds(heard.revocation_wants, 200) ? 1 : 0;
    }
    assert_true(firsts > 0 && lasts > 0);
    weft_gossip_close(link, world.now);
    world_drain(&gateways[0]);
    end_all(1, 0);
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
    assert_int_equal(world_revoke(&gateways[0], revocation, world_now_s(&world)), 1);
    assert_int_equal(world_revoke(&gateways[0], revocation, world_now_s(&world)), 0);
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
    for (uint8_t i = 0; i < 8; i++) { /* and more, whatever their order */
        struct weft_key key = {{(uint8_t)(i * 97 + 1)}};
        revocation = revocation_of(&key, bytes);
        assert_int_equal(world_revoke(&gateways[i], revocation, world_now_s(&world)), 1);
        world_drain(&gateways[i]);
        world_run(&world, 3 * WEFT_SECOND);
    }
    for (size_t i = 0; i < 11; i++) {
        assert_int_equal(weft_membership_revocations(gateways[i].membership), 9);
    }
    assert_int_equal(weft_membership_revocations(nodes[1].membership), 9);
    assert_int_equal(nodes[2].revoked, 9);
    end_all(11, 3);
}

/* Gateways that began together do not go on to compare what they have all at one time. */
static void test_not_in_step(void **state)
{
    (void)state;
    weft_time last = 0, shortest = WEFT_NEVER, longest = 0;
    make_gateways(2);
    world_run(&world, 5 * WEFT_SECOND);
    for (uint64_t pulls = weft_gossip_counts(gateways[0].gossip).pulls, count = 0; count < 30;) {
        world_run(&world, 10 * WEFT_MS);
        if (weft_gossip_counts(gateways[0].gossip).pulls == pulls) {
            continue;
        }
        pulls = weft_gossip_counts(gateways[0].gossip).pulls;
        if (count++ > 0) {
            shortest = world.now - last < shortest ? world.now - last : shortest;
            longest = world.now - last > longest ? world.now - last : longest;
        }
        last = world.now;
    }
    assert_in_range(shortest, WEFT_GOSSIP_PULL / 2 - 10 * WEFT_MS, WEFT_GOSSIP_PULL * 3 / 4);
    assert_in_range(longest, WEFT_GOSSIP_PULL * 5 / 4, WEFT_GOSSIP_PULL * 3 / 2 + 10 * WEFT_MS);
    end_all(2, 0);
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
    furnish(&announcer, number, 50);
    announcer.announcement.made_s = world_now_s(&world);
    node->identity = announcer.identity;
    struct weft_gossip_message message = {
        .announcements = {.at = {sign_version(&announcer, announcer.announcement.incarnation, ++node->sequence)},
                          .count = 1},
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

#define GOSSIP_TEST(name) cmocka_unit_test_setup(name, set_up)

int main(void)
{
    const struct CMUnitTest tests[] = {
        GOSSIP_TEST(test_convergence),
        GOSSIP_TEST(test_a_row),
        GOSSIP_TEST(test_what_was_not_named_is_found),
        GOSSIP_TEST(test_lists),
        GOSSIP_TEST(test_a_split_heals),
        GOSSIP_TEST(test_revocations),
        GOSSIP_TEST(test_revocations_that_are_refused_hide_no_others),
        GOSSIP_TEST(test_not_in_step),
        GOSSIP_TEST(test_scale),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
