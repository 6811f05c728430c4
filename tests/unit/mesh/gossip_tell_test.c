/* tests/unit/mesh/gossip_tell_test.c - what a node hears from its gateway: what it needs, and no more than it may. */
#include "mesh/gossip.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "unit/mesh/gossip_mesh.h"

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
    world.loss_per_mille = 0;
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
            world_run(&world, 3 * world.delay); /* that one is gone is told at once, gateway by gateway */
            assert_int_equal(state_at(&nodes[0], &nodes[i]), WEFT_ROSTER_GONE);
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

/* However many gateways and models there are to tell of, who serves the model that a node uses it hears at once. */
static void test_what_a_node_uses_comes_first(void **state)
{
    (void)state;
    static const uint8_t used[1][WEFT_HASH_SIZE] = {{99}};
    make_gateways(20);
    for (size_t i = 0; i < 20; i++) { /* in all more than may be said at the start */
        furnish(&gateways[i].self, (uint32_t)i, 50);
        for (size_t j = 1; j < 5; j++) {
            gateways[i].self.announcement.models[j] = gateways[i].self.announcement.models[0];
            gateways[i].self.announcement.models[j].hash[0] = (uint8_t)(100 + 4 * i + j);
        }
        gateways[i].self.announcement.model_count = 5;
        world_announce(&gateways[i]);
        assert_true(gateways[i].self.size * 20 > WEFT_GOSSIP_TELL_START);
    }
    world_run(&world, 5 * WEFT_SECOND);
    attach(0, 0);
    weft_gossip_use(nodes[0].gossip, used, 1);
    world_drain(&nodes[0]);
    world_run(&world, 2 * WEFT_SECOND); /* it has been told all that it may be by now */
    attach(1, 1);
    memcpy(nodes[1].self.announcement.models[0].hash, used[0], WEFT_HASH_SIZE);
    world_announce(&nodes[1]);
    world_run(&world, 4 * WEFT_SECOND);
    assert_int_equal(state_at(&nodes[0], &nodes[1]), WEFT_ROSTER_LIVE);
    assert_true(sequence_at(&nodes[0], &nodes[1]) > 0);
    assert_int_equal(sequence_at(&nodes[0], &gateways[0]), gateways[0].self.announcement.sequence);
    world_run(&world, 90 * WEFT_SECOND); /* and the rest in time */
    for (size_t i = 0; i < 20; i++) {
        assert_int_equal(sequence_at(&nodes[0], &gateways[i]), gateways[i].self.announcement.sequence);
    }
    end_all(20, 2);
}

/* Each that is lost is a walk over all who may have been told of it, so of very many some are told of with the rest. */
static void test_very_many_are_lost_at_once(void **state)
{
    (void)state;
    static struct weft_gossip_link *others[WEFT_GOSSIP_LOST_NOW_MAX];
    static const uint8_t used[1][WEFT_HASH_SIZE] = {{1}};
    make_gateways(1);
    world.loss_per_mille = 0;
    attach(0, 0);
    attach(1, 0);
    weft_gossip_use(nodes[0].gossip, used, 1);
    world_drain(&nodes[0]);
    world_run(&world, 3 * WEFT_SECOND);
    assert_int_equal(state_at(&nodes[0], &nodes[1]), WEFT_ROSTER_LIVE);
    for (size_t i = 0; i < WEFT_COUNT(others); i++) {
        struct weft_key key = {{0xee, (uint8_t)i, (uint8_t)(i >> 8)}};
        assert_int_equal(weft_gossip_open(gateways[0].gossip, &others[i], &key, WEFT_GOSSIP_MEMBER, 0, NULL, world.now),
                         0);
    }
    weft_gossip_tick(gateways[0].gossip, world.now, world_now_s(&world)); /* it tells them what it tells who comes */
    for (size_t i = 0; i < WEFT_COUNT(others); i++) {
        weft_gossip_close(others[i], world.now);
    }
    world_cut(&attachments[1][0]);
    world_run(&world, 3 * world.delay);
    assert_int_equal(state_at(&nodes[0], &nodes[1]), WEFT_ROSTER_LIVE);
    world_run(&world, WEFT_GOSSIP_TELL + 3 * world.delay);
    assert_int_equal(state_at(&nodes[0], &nodes[1]), WEFT_ROSTER_GONE);
    end_all(1, 2);
}

/* It was brought back from a copy: its gateway knows a later announcement than it makes now. */
static void test_a_node_that_has_forgotten_its_number_is_told(void **state)
{
    (void)state;
    uint64_t incarnation;
    make_gateways(1);
    attach(0, 0);
    world_announce(&nodes[0]);
    world_announce(&nodes[0]);
    world_run(&world, WEFT_SECOND);
    uint64_t before = sequence_at(&gateways[0], &nodes[0]);
    assert_int_equal(before, nodes[0].self.announcement.sequence);
    assert_false(weft_roster_outrun(nodes[0].roster, &incarnation));
    cut_off(&attachments[0][0]);
    world_remove(&nodes[0]);
    attach(0, 0);
    assert_true(nodes[0].self.announcement.sequence < before);
    world_run(&world, WEFT_SECOND);
    assert_true(weft_roster_outrun(nodes[0].roster, &incarnation));
    assert_int_equal(incarnation, 1);
    uint64_t told = weft_gossip_counts(gateways[0].gossip).bytes_out;
    world_run(&world, 5 * WEFT_SECOND);
    assert_int_equal(weft_gossip_counts(gateways[0].gossip).bytes_out, told); /* once */
    nodes[0].self.announcement.incarnation = incarnation + 1;
    world_announce(&nodes[0]);
    world_run(&world, WEFT_SECOND);
    assert_int_equal(weft_roster_get(gateways[0].roster, &nodes[0].self.identity.key)->incarnation, incarnation + 1);
    end_all(1, 1);
}

#define GOSSIP_TEST(name) cmocka_unit_test_setup(name, set_up)

int main(void)
{
    const struct CMUnitTest tests[] = {
        GOSSIP_TEST(test_a_node_is_told),
        GOSSIP_TEST(test_a_node_is_not_told_too_much),
        GOSSIP_TEST(test_what_a_node_uses_comes_first),
        GOSSIP_TEST(test_very_many_are_lost_at_once),
        GOSSIP_TEST(test_a_node_that_has_forgotten_its_number_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
