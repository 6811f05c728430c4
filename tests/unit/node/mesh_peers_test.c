/* tests/unit/node/mesh_peers_test.c - who of the roster may be asked for a model. */
#include "node/mesh_peers.h"

#include <stdio.h>

#include "mesh/signing.h"
#include "unit/node/office.h"

static struct weft_loop loop;
static struct weft_gossiping *gossiping;
static struct weft_peers *peers;
static struct weft_mesh_peers mesh_peers;

static void on_nothing(void *self)
{
    (void)self;
}

static void on_revoked(void *self, const struct weft_key *subject)
{
    (void)self, (void)subject;
}

static int on_ask(void *self, struct weft_link *link, struct weft_exchange *exchange)
{
    (void)self, (void)link, (void)exchange;
    return WEFT_ERR_FULL;
}

static const struct weft_links *no_links(const void *self)
{
    (void)self;
    return NULL;
}

/* A gateway's. */
static int begin(void **state)
{
    static const struct weft_gossiping_user user = {.ask = on_ask, .changed = on_nothing, .revoked = on_revoked};
    (void)state;
    office_world(1);
    loop = (struct weft_loop){.host = office.host, .turn = {.now = weft_world_now(office.world)}};
    weft_turn_init(&loop.turn);
    weft_timers_init(&loop.timers);
    assert_int_equal(office_start(), 0);
    const struct weft_gossiping_options options = {
        .loop = &loop, .journal = &office.journal, .state = office.state, .node = &office.gateway, .user = &user};
    assert_int_equal(weft_gossiping_new(&gossiping, &options), 0);
    assert_int_equal(weft_gossiping_start(gossiping), 0);
    assert_int_equal(weft_peers_new(&peers, &(const struct weft_peers_options){.loop = &loop, .waiters_max = 1}), 0);
    weft_mesh_peers_init(
        &mesh_peers, &(const struct weft_mesh_peers_options){
                         .gossiping = gossiping, .peers = peers, .self_key = office.gateway.key, .links = no_links});
    return 0;
}

static int end(void **state)
{
    (void)state;
    weft_mesh_peers_forget(&mesh_peers);
    weft_mesh_peers_deinit(&mesh_peers);
    weft_peers_free(peers);
    weft_gossiping_free(gossiping);
    weft_turn_run(&loop.turn);
    weft_timers_deinit(&loop.timers);
    office_end();
    return 0;
}

/* A node that was admitted as `role` says that it has a model. */
static void announce(size_t node, enum weft_role role)
{
    struct office_case asked;
    struct weft_roster *roster = (struct weft_roster *)weft_gossiping_roster(gossiping);
    struct weft_gossip_name name;
    uint8_t bytes[WEFT_ANNOUNCEMENT_MAX];
    assert_int_equal(office_invite(1, DAY_S, role), 0);
    const struct weft_admission admission = office_apply(&office.nodes[node], &asked);
    const struct weft_announcement announcement = {
        .key = office.nodes[node].key,
        .chain = admission.chain,
        .incarnation = 1,
        .sequence = 1,
        .made_s = weft_mesh_state_now_s(office.state),
        .models = {{.alias = WEFT_SLICE("Big-7B"), .hash = {7}, .context = 4096, .slots = 4}},
        .model_count = 1,
    };
    int64_t size = weft_sign_announcement(&office.nodes[node], &announcement, bytes);
    assert_true(size > 0);
    assert_int_equal(weft_roster_offer(roster, weft_slice(bytes, (size_t)size), WEFT_ROSTER_RELAYED, loop.turn.now,
                                       weft_mesh_state_now_s(office.state), &name),
                     WEFT_ROSTER_ADDED);
    weft_mesh_peers_update(&mesh_peers);
}

/* Whoever has a client's invite could else have others' prompts sent to it. */
static void a_client_is_asked_for_nothing(void **state)
{
    (void)state;
    struct weft_peers_model model;
    announce(0, WEFT_ROLE_CLIENT);
    assert_int_equal(weft_peers_models(peers), 0);
    announce(1, WEFT_ROLE_PEER);
    assert_int_equal(weft_peers_models(peers), 1);
    weft_peers_model(peers, 0, &model);
    assert_int_equal(model.peers, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_client_is_asked_for_nothing, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
