/* tests/unit/node/admitting_test.c - a gateway's invites and who they let in, with a store that is slow, full, or ends
 * in between. */
#include "node/admitting.h"

#include <stdio.h>

#include "unit/node/office.h"

#define GATEWAYS 15 /* each from another seed */
#define LIVES    10 /* of each: then it is killed */

static void assert_admitted(const struct weft_identity *node, enum weft_role role)
{
    struct office_case asked;
    struct weft_certificate own;
    struct weft_admission admission = office_apply(node, &asked);
    assert_true(admission.chain.size > 0);
    assert_int_equal(weft_membership_judge(weft_mesh_state_membership(office.state), admission.chain, &node->key,
                                           weft_mesh_state_now_s(office.state), &own),
                     WEFT_VERDICT_MEMBER);
    assert_int_equal(own.role, role);
}

static void assert_refused(const struct weft_identity *node, enum weft_refused refusal)
{
    struct office_case asked;
    struct weft_admission admission = office_apply(node, &asked);
    assert_int_equal(admission.chain.size, 0);
    assert_int_equal(admission.refusal, refusal);
}

/* How often the journal has said this of this node. */
static size_t noted(const char *event, const struct weft_identity *node, const char *rest)
{
    char id[WEFT_PEER_ID_SIZE], line[256];
    size_t count = 0;
    weft_key_text(&node->key, id);
    (void)snprintf(line, sizeof(line), "\"event\":\"%s\",\"node\":\"%s\",%s", event, id, rest);
    for (const char *at = weft_world_log(office.host); (at = strstr(at, line)); at++) {
        count++;
    }
    return count;
}

static int begin(void **state)
{
    (void)state;
    office_world(1);
    return office_start();
}

static int end(void **state)
{
    (void)state;
    office_end();
    return 0;
}

static void an_invite_lets_in_as_many_as_it_says_and_each_once(void **state)
{
    (void)state;
    struct office_case first, again;
    assert_int_equal(office_invite(2, DAY_S, WEFT_ROLE_PEER), 0);
    struct weft_slice chain = office_apply(&office.nodes[0], &first).chain;
    assert_admitted(&office.nodes[0], WEFT_ROLE_PEER);
    assert_true(weft_slice_equal(office_apply(&office.nodes[0], &again).chain, chain)); /* the very same one */
    assert_admitted(&office.nodes[1], WEFT_ROLE_PEER);
    assert_refused(&office.nodes[2], WEFT_REFUSAL_USED_UP);
    assert_int_equal(weft_invites_at(weft_mesh_state_invites(office.state), 0).uses, 2);
    assert_int_equal(noted("node admitted", &office.nodes[1], "\"role\":\"peer\""), 1);
    assert_int_equal(noted("node admitted", &office.nodes[2], ""), 0);
    assert_int_equal(noted("node not admitted", &office.nodes[2], "\"why\":\"used_up\""), 1);
    office_crash();
    assert_int_equal(office_start(), 0);
    assert_int_equal(weft_invites_at(weft_mesh_state_invites(office.state), 0).uses, 2);
    assert_true(weft_slice_equal(office_apply(&office.nodes[0], &again).chain, chain));
    assert_refused(&office.nodes[2], WEFT_REFUSAL_USED_UP);
}

static void what_is_made_of_an_invite_says_where_and_how_long(void **state)
{
    (void)state;
    assert_int_equal(office_invite(1, DAY_S, WEFT_ROLE_CLIENT), 0);
    assert_string_equal(office.invite.addresses[0], "gate.example.org:9340");
    assert_true(weft_key_equal(&office.invite.mesh, weft_membership_mesh(weft_mesh_state_membership(office.state))));
    assert_int_equal(office.invite.expires_s, weft_mesh_state_now_s(office.state) + DAY_S);
    assert_admitted(&office.nodes[0], WEFT_ROLE_CLIENT);
    assert_null(strstr(weft_world_log(office.host), office.line));
}

static void an_invite_that_was_taken_back_or_has_expired_lets_nobody_in(void **state)
{
    (void)state;
    assert_int_equal(office_invite(5, DAY_S, WEFT_ROLE_PEER), 0);
    assert_admitted(&office.nodes[0], WEFT_ROLE_PEER);
    weft_world_jump(office.host, (DAY_S + 1) * WEFT_SECOND);
    assert_refused(&office.nodes[1], WEFT_REFUSAL_EXPIRED);
    assert_admitted(&office.nodes[0], WEFT_ROLE_PEER); /* was in, and may have lost its answer */
    assert_int_equal(office_invite(5, DAY_S, WEFT_ROLE_PEER), 0);
    assert_admitted(&office.nodes[0], WEFT_ROLE_PEER);
    struct weft_slice id = weft_slice_text(office.id);
    assert_int_equal(office_wait(weft_admitting_take_back(office.admitting, id, office_invited, &office)), 0);
    assert_string_equal(office.line, "");
    assert_refused(&office.nodes[1], WEFT_REFUSAL_REVOKED);
    office_crash();
    assert_int_equal(office_start(), 0);
    assert_refused(&office.nodes[0], WEFT_REFUSAL_REVOKED);
    assert_int_equal(
        weft_admitting_take_back(office.admitting, WEFT_SLICE("0123456789abcdef"), office_invited, &office),
        WEFT_ERR_NOT_FOUND);
}

static void others_invites_are_passed_on_and_other_meshes_refused(void **state)
{
    (void)state;
    struct office_case asked;
    assert_int_equal(office_invite(1, DAY_S, WEFT_ROLE_PEER), 0);
    struct weft_invite other = office.invite;
    other.issuer = office.nodes[1].key;
    assert_int_equal(office_hear(&office.nodes[0], &other, &asked), 1);
    assert_int_equal(asked.answers, 0);
    other = office.invite;
    other.mesh = office.nodes[1].key;
    assert_int_equal(office_hear(&office.nodes[0], &other, &asked), 0);
    assert_int_equal(office_read(&asked).refusal, WEFT_REFUSAL_OTHER_MESH);
    other = office.invite;
    other.secret[0] ^= 1;
    assert_int_equal(office_hear(&office.nodes[0], &other, &asked), 0);
    assert_int_equal(office_read(&asked).refusal, WEFT_REFUSAL_UNKNOWN);
    weft_invite_deinit(&other);
}

static void a_disk_that_is_full_counts_nothing_and_says_busy(void **state)
{
    (void)state;
    assert_int_equal(office_invite(1, DAY_S, WEFT_ROLE_PEER), 0);
    weft_world_fail_store(office.host, 0, WEFT_ERR_FULL);
    assert_refused(&office.nodes[0], WEFT_REFUSAL_BUSY);
    assert_non_null(
        strstr(weft_world_log(office.host),
               "\"level\":\"warn\",\"event\":\"admission not stored\",\"why\":\"The simulated disk failed.\""));
    assert_int_equal(weft_invites_at(weft_mesh_state_invites(office.state), 0).uses, 0);
    assert_int_equal(office_invite(1, DAY_S, WEFT_ROLE_PEER), WEFT_ERR_FULL);
    assert_string_equal(office.said, "The simulated disk failed.");
    assert_int_equal(weft_invites_count(weft_mesh_state_invites(office.state)), 1);
    weft_world_fail_store(office.host, 0, 0);
    assert_admitted(&office.nodes[1], WEFT_ROLE_PEER); /* the use was given back */
    assert_refused(&office.nodes[0], WEFT_REFUSAL_USED_UP);
}

static void a_node_that_asks_twice_at_once_is_counted_once(void **state)
{
    (void)state;
    struct office_case asked[3];
    assert_int_equal(office_invite(2, DAY_S, WEFT_ROLE_PEER), 0);
    weft_world_slow_store(office.host, WEFT_SECOND);
    for (size_t i = 0; i < WEFT_COUNT(asked); i++) {
        assert_int_equal(office_hear(&office.nodes[0], &office.invite, &asked[i]), 0);
        assert_int_equal(asked[i].answers, 0); /* before it is stored nobody is answered */
    }
    weft_admitting_leave(office.admitting, &asked[1]);
    weft_world_pass(office.world, 10 * WEFT_SECOND);
    struct weft_slice first = office_read(&asked[0]).chain, last = office_read(&asked[2]).chain;
    assert_true(first.size > 0 && weft_slice_equal(first, last));
    assert_int_equal(asked[1].answers, 0);
    assert_int_equal(weft_invites_at(weft_mesh_state_invites(office.state), 0).uses, 1);
}

static void only_the_root_makes_gateways(void **state)
{
    (void)state;
    assert_int_equal(office_invite(2, DAY_S, WEFT_ROLE_GATEWAY), 0);
    const struct weft_invite for_gateway = office.invite;
    assert_admitted(&office.nodes[0], WEFT_ROLE_GATEWAY);
    weft_world_fail_files(office.host, WEFT_ERR_NOT_FOUND, 0); /* the root key was moved away */
    office_crash();
    assert_int_equal(office_start(), 0);
    assert_false(weft_mesh_state_has_root(office.state));
    const struct weft_admitting_wish wish = {
        .uses = 1, .life_s = DAY_S, .role = WEFT_ROLE_GATEWAY, .addresses = {"gate.example.org:9340"}};
    assert_int_equal(weft_admitting_invite(office.admitting, &wish, office_invited, &office), WEFT_ERR_DENIED);
    office.invite = for_gateway;
    for (int times = 0; times < 2; times++) { /* it may ask again: perhaps the key is back then */
        assert_refused(&office.nodes[1], WEFT_REFUSAL_ROOT_AWAY);
        assert_int_equal(weft_invites_at(weft_mesh_state_invites(office.state), 0).uses, 1);
    }
    assert_int_equal(office_invite(1, DAY_S, WEFT_ROLE_PEER), 0);
    assert_admitted(&office.nodes[1], WEFT_ROLE_PEER);
}

static void who_was_put_out_is_not_let_in_again(void **state)
{
    (void)state;
    assert_int_equal(office_invite(2, DAY_S, WEFT_ROLE_PEER), 0);
    assert_admitted(&office.nodes[0], WEFT_ROLE_PEER);
    int started = weft_mesh_state_put_out(office.state, &office.nodes[0].key, office_changed, &office);
    assert_int_equal(office_wait(started), 0);
    assert_refused(&office.nodes[0], WEFT_REFUSAL_KEY_REVOKED);
    office_crash();
    assert_int_equal(office_start(), 0);
    assert_refused(&office.nodes[0], WEFT_REFUSAL_KEY_REVOKED);
    assert_int_equal(weft_invites_at(weft_mesh_state_invites(office.state), 0).uses, 1);
    started = weft_mesh_state_put_out(office.state, &office.nodes[2].key, office_changed, &office);
    assert_int_equal(office_wait(started), 0);
    for (int times = 0; times < 2; times++) { /* nor is one who was not in yet, and whom that costs no use */
        assert_refused(&office.nodes[2], WEFT_REFUSAL_KEY_REVOKED);
        assert_int_equal(weft_invites_at(weft_mesh_state_invites(office.state), 0).uses, 1);
    }
    assert_admitted(&office.nodes[1], WEFT_ROLE_PEER);
}

static void wishes_that_cannot_be_are_refused(void **state)
{
    (void)state;
    char far[80];
    memset(far, 'x', sizeof(far));
    memcpy(far + sizeof(far) - 4, ":1\0", 4);
    static const char *const near = "gate.example.org:9340";
    const struct {
        struct weft_admitting_wish wish;
        int error;
    } cases[] = {
        {{.uses = 0, .life_s = DAY_S, .role = WEFT_ROLE_PEER, .addresses = {near}}, WEFT_ERR_INVALID},
        {{.uses = 1, .life_s = 0, .role = WEFT_ROLE_PEER, .addresses = {near}}, WEFT_ERR_INVALID},
        {{.uses = WEFT_INVITE_USES_MAX + 1, .life_s = 1, .role = WEFT_ROLE_PEER, .addresses = {near}},
         WEFT_ERR_TOO_LARGE},
        {{.uses = 1, .life_s = WEFT_INVITE_LIFE_MAX_S + 1, .role = WEFT_ROLE_PEER, .addresses = {near}},
         WEFT_ERR_TOO_LARGE},
        {{.uses = 1, .life_s = DAY_S, .role = WEFT_ROLE_PEER, .addresses = {far}}, WEFT_ERR_TOO_LARGE},
        {{.uses = 1, .life_s = DAY_S, .role = WEFT_ROLE_PEER}, WEFT_ERR_INVALID},
    };
    for (size_t i = 0; i < WEFT_COUNT(cases); i++) {
        assert_int_equal(weft_admitting_invite(office.admitting, &cases[i].wish, office_invited, &office),
                         cases[i].error);
        assert_int_equal(weft_invites_count(weft_mesh_state_invites(office.state)), 0);
    }
}

static void more_at_once_than_it_takes_are_told_to_come_again(void **state)
{
    (void)state;
    static struct office_case asked[WEFT_ADMITTING_MAX + 1];
    assert_int_equal(office_invite(1, DAY_S, WEFT_ROLE_PEER), 0);
    for (size_t i = 0; i < WEFT_COUNT(asked); i++) {
        assert_int_equal(office_hear(&office.nodes[0], &office.invite, &asked[i]), 0);
    }
    assert_int_equal(office_read(&asked[WEFT_ADMITTING_MAX]).refusal, WEFT_REFUSAL_BUSY);
    weft_world_pass(office.world, WEFT_SECOND);
    for (size_t i = 0; i < WEFT_ADMITTING_MAX; i++) {
        assert_true(office_read(&asked[i]).chain.size > 0);
    }
}

static void more_invites_and_uses_than_a_page_come_back(void **state)
{
    (void)state;
    for (size_t i = 0; i <= WEFT_STORE_PAGE_MAX; i++) {
        assert_int_equal(office_invite(WEFT_STORE_PAGE_MAX + 2, DAY_S, WEFT_ROLE_PEER), 0);
    }
    for (uint8_t i = 0; i <= WEFT_STORE_PAGE_MAX; i++) {
        struct weft_identity node;
        weft_identity_init(&node, (const uint8_t[WEFT_SEED_SIZE]){100, i});
        assert_admitted(&node, WEFT_ROLE_PEER);
    }
    office_crash();
    assert_int_equal(office_start(), 0);
    const struct weft_invites *invites = weft_mesh_state_invites(office.state);
    uint32_t uses = 0;
    assert_int_equal(weft_invites_count(invites), WEFT_STORE_PAGE_MAX + 1);
    for (size_t i = 0; i <= WEFT_STORE_PAGE_MAX; i++) {
        uses += weft_invites_at(invites, i).uses;
    }
    assert_int_equal(uses, WEFT_STORE_PAGE_MAX + 1);
    assert_admitted(&office.nodes[0], WEFT_ROLE_PEER); /* the last use */
    assert_refused(&office.nodes[1], WEFT_REFUSAL_USED_UP);
}

/* -- killed at any point -- */

/* What the nodes were told in this life and those before. */
static struct told {
    size_t size; /* 0: nothing yet */
    uint8_t chain[WEFT_CHAIN_MAX];
} told[NODES_MAX];

static size_t count_told(void)
{
    size_t count = 0;
    for (size_t i = 0; i < NODES_MAX; i++) {
        count += told[i].size > 0;
    }
    return count;
}

/* A node that was told a chain is told the same one for ever. */
static void note_told(size_t node, const struct office_case *asked)
{
    struct weft_admission admission = office_read(asked);
    if (admission.chain.size == 0) {
        assert_true(admission.refusal == WEFT_REFUSAL_USED_UP);
        assert_int_equal(told[node].size, 0);
    } else if (told[node].size > 0) {
        assert_true(weft_slice_equal(admission.chain, weft_slice(told[node].chain, told[node].size)));
    } else {
        told[node].size = admission.chain.size;
        memcpy(told[node].chain, admission.chain.data, admission.chain.size);
    }
}

static void live_a_while(uint32_t uses)
{
    struct office_case asked[6];
    size_t nodes[WEFT_COUNT(asked)];
    size_t count = 1 + (size_t)weft_world_below(office.world, WEFT_COUNT(asked));
    for (size_t i = 0; i < count; i++) {
        nodes[i] = (size_t)weft_world_below(office.world, NODES_MAX);
        assert_int_equal(office_hear(&office.nodes[nodes[i]], &office.invite, &asked[i]), 0);
    }
    weft_world_pass(office.world, (weft_time)weft_world_below(office.world, 20 * WEFT_MS)); /* then it is killed */
    for (size_t i = 0; i < count; i++) {
        if (asked[i].answers > 0) {
            note_told(nodes[i], &asked[i]);
        }
    }
    assert_true(count_told() <= uses);
}

static void killed_at_any_point_it_loses_no_redemption_and_counts_none_twice(void **state)
{
    (void)state;
    unsigned cut = 0;
    for (uint64_t seed = 1; seed <= GATEWAYS; seed++) {
        office_world(seed);
        memset(told, 0, sizeof(told));
        assert_int_equal(office_start(), 0);
        uint32_t uses = 1 + (uint32_t)weft_world_below(office.world, NODES_MAX - 1);
        assert_int_equal(office_invite(uses, DAY_S, WEFT_ROLE_PEER), 0);
        weft_world_slow_store(office.host, 10 * WEFT_MS);
        for (int life = 0; life < LIVES; life++) {
            live_a_while(uses);
            office_crash();
            assert_int_equal(office_start(), 0);
            uint32_t counted = weft_invites_at(weft_mesh_state_invites(office.state), 0).uses;
            assert_true(counted >= count_told() && counted <= uses); /* none of those who were told is lost */
            cut += counted > count_told();
        }
        /* At last it runs on: everybody asks, and as many are in as the invite says. */
        for (size_t i = 0; i < NODES_MAX; i++) {
            struct office_case asked;
            (void)office_apply(&office.nodes[i], &asked);
            note_told(i, &asked);
        }
        assert_int_equal(count_told(), uses);
        assert_int_equal(weft_invites_at(weft_mesh_state_invites(office.state), 0).uses, uses);
        office_end();
    }
    assert_true(cut > 5); /* it was killed between the disk and the answer too */
}

static void memory_that_runs_out_counts_nothing(void **state)
{
    (void)state;
    struct office_case asked;
    uint64_t at = 0;
    bool failed;
    assert_int_equal(office_invite(1, DAY_S, WEFT_ROLE_PEER), 0);
    do {
        weft_mem_fail_at(++at);
        assert_int_equal(office_hear(&office.nodes[0], &office.invite, &asked), 0);
        failed = weft_mem_failed();
        weft_mem_fail_at(0);
        if (failed && asked.answers > 0) {
            assert_int_equal(office_read(&asked).refusal, WEFT_REFUSAL_BUSY);
            assert_int_equal(weft_invites_at(weft_mesh_state_invites(office.state), 0).uses, 0);
        }
    } while (failed && asked.answers > 0);
    assert_true(at > 2);
    assert_true(weft_world_run(office.world, WEFT_NEVER, office_is_answered, &asked));
    assert_true(office_read(&asked).chain.size > 0);
    const struct weft_admitting_wish wish = {
        .uses = 1, .life_s = DAY_S, .role = WEFT_ROLE_PEER, .addresses = {"gate.example.org:9340"}};
    weft_mem_fail_at(1);
    assert_int_equal(weft_admitting_invite(office.admitting, &wish, office_invited, &office), WEFT_ERR_MEMORY);
    weft_mem_fail_at(0);
    assert_int_equal(weft_invites_count(weft_mesh_state_invites(office.state)), 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(an_invite_lets_in_as_many_as_it_says_and_each_once),
        TEST(what_is_made_of_an_invite_says_where_and_how_long),
        TEST(an_invite_that_was_taken_back_or_has_expired_lets_nobody_in),
        TEST(others_invites_are_passed_on_and_other_meshes_refused),
        TEST(a_disk_that_is_full_counts_nothing_and_says_busy),
        TEST(a_node_that_asks_twice_at_once_is_counted_once),
        TEST(only_the_root_makes_gateways),
        TEST(who_was_put_out_is_not_let_in_again),
        TEST(wishes_that_cannot_be_are_refused),
        TEST(more_at_once_than_it_takes_are_told_to_come_again),
        TEST(more_invites_and_uses_than_a_page_come_back),
        cmocka_unit_test(killed_at_any_point_it_loses_no_redemption_and_counts_none_twice),
        TEST(memory_that_runs_out_counts_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
