/* tests/unit/node/mesh_peers_test.c - of those who are known to the mesh, who can be asked for what, and by which way.
 */
#include "node/mesh_peers.h"

#include "host/address.h"
#include "sim/filter.h"
#include "support/link_ends.h"
#include "unit/node/crowd.h"
#include "unit/node/office.h"

#define FIRST 7 /* hashes of models */
#define OTHER 8

static struct scene {
    struct link_end own, away; /* this node's links; and the only other one that has any */
    struct weft_gossiping *gossiping;
    struct weft_peers *peers;
    struct weft_mesh_peers told;
    bool linkless;
} scene;

static struct weft_identity *const holder = &office.nodes[0];

static const struct weft_links *on_links(const void *self)
{
    (void)self;
    return scene.linkless ? NULL : scene.own.links;
}

static int on_ask(void *self, struct weft_link *link, struct weft_exchange *exchange)
{
    (void)self, (void)link, (void)exchange;
    return WEFT_ERR_FULL;
}

static void on_changed(void *self)
{
    (void)self;
}

static void on_revoked(void *self, const struct weft_key *subject)
{
    (void)self, (void)subject;
}

static weft_time now(void)
{
    return scene.own.loop.turn.now;
}

static void pass(weft_time time)
{
    weft_world_poke(office.host);
    weft_world_poke(scene.away.loop.host);
    weft_world_pass(office.world, time);
    scene.own.loop.turn.now = weft_world_now(office.world);
}

static void start_told(void)
{
    const struct weft_mesh_peers_options options = {
        .gossiping = scene.gossiping, .peers = scene.peers, .self_key = office.gateway.key, .links = on_links};
    weft_mesh_peers_init(&scene.told, &options);
}

/* A gateway, `away` not linked to it yet. */
static int begin(void **state)
{
    (void)state;
    static const struct weft_gossiping_user user = {.ask = on_ask, .changed = on_changed, .revoked = on_revoked};
    struct weft_address any;
    office_world(1);
    memset(&scene, 0, sizeof(scene));
    assert_int_equal(office_start(), 0);
    struct weft_host *host = weft_world_host(office.world, "away");
    assert_int_equal(link_end_init(&scene.own, office.host, &weft_world_security, 77), 0);
    assert_int_equal(link_end_init(&scene.away, host, &weft_world_security, 2), 0); /* the seed of nodes[0] is not so */
    weft_world_set_guest(office.host, (struct weft_guest){.self = &scene.own, .turn = link_end_turn});
    weft_world_set_guest(host, (struct weft_guest){.self = &scene.away, .turn = link_end_turn});
    assert_int_equal(weft_address_parse(WEFT_SLICE("10.0.0.9:9340"), &any), 0);
    assert_int_equal(link_end_listen(&scene.away, &any), 0);
    const struct weft_gossiping_options gossiping = {.loop = &scene.own.loop,
                                                     .journal = &office.journal,
                                                     .state = office.state,
                                                     .node = &office.gateway,
                                                     .user = &user};
    assert_int_equal(weft_gossiping_new(&scene.gossiping, &gossiping), 0);
    assert_int_equal(weft_gossiping_start(scene.gossiping), 0);
    const struct weft_peers_options peers = {.loop = &scene.own.loop, .waiters_max = 8, .stall = WEFT_SECOND};
    assert_int_equal(weft_peers_new(&scene.peers, &peers), 0);
    start_told();
    pass(0);
    return 0;
}

static int end(void **state)
{
    (void)state;
    weft_mesh_peers_deinit(&scene.told);
    weft_mesh_peers_deinit(&scene.told);
    weft_peers_free(scene.peers);
    weft_gossiping_free(scene.gossiping);
    weft_world_set_guest(office.host, (struct weft_guest){0});
    weft_world_set_guest(scene.away.loop.host, (struct weft_guest){0});
    link_end_deinit(&scene.own);
    link_end_deinit(&scene.away);
    office_end();
    return 0;
}

/* -- what happens in the mesh -- */

static void announce_as(const struct weft_identity *who, enum weft_role role, uint64_t sequence, uint8_t hash)
{
    struct weft_announcement said = {.sequence = sequence, .models = {crowd_model("One", hash)}, .model_count = 1};
    enum weft_roster_outcome outcome =
        crowd_announce(scene.gossiping, office.state, &office.gateway, who, role, &said, now());
    assert_true(outcome == WEFT_ROSTER_ADDED || outcome == WEFT_ROSTER_REPLACED);
}

static void announce(const struct weft_identity *who, uint64_t sequence, uint8_t hash)
{
    announce_as(who, WEFT_ROLE_PEER, sequence, hash);
}

static struct weft_roster *roster(void)
{
    return crowd_roster(scene.gossiping);
}

/* A link on which `away` can be asked. */
static struct weft_link *link_away(void)
{
    struct weft_link *link;
    assert_int_equal(weft_links_dial(scene.own.links, &scene.away.bound, NULL, false, &link), 0);
    pass(WEFT_SECOND);
    assert_non_null(weft_links_to(scene.own.links, &scene.away.identity.key));
    return link;
}

/* `away` is a gateway that reaches this node; its place. */
static int reach(const struct weft_key *key)
{
    int place = weft_roster_link(roster(), &scene.away.identity.key, now());
    assert_true(place > WEFT_ROSTER_SELF);
    assert_int_equal(weft_roster_reach(roster(), place, key, now()), 0);
    return place;
}

/* Whom node/peers would ask for it now: 1, or 0 if nobody; the way is in *out. */
static int asked_for(uint8_t byte, struct weft_peers_choice *out)
{
    static const struct weft_key none;
    uint8_t hash[WEFT_HASH_SIZE];
    memset(hash, byte, sizeof(hash));
    weft_mesh_peers_update(&scene.told);
    int error = weft_peers_choose(scene.peers, hash, &none, 0, out);
    if (error == 0) {
        struct weft_peers_choice done = *out;
        weft_peers_done(scene.peers, hash, &done, NULL);
    }
    assert_true(error == 0 || error == WEFT_ERR_NOT_FOUND);
    return error == 0;
}

/* Models that are known there, and how many of their holders can be asked. */
static size_t known(size_t *alive)
{
    *alive = 0;
    weft_mesh_peers_update(&scene.told);
    size_t count = weft_peers_models(scene.peers);
    for (size_t i = 0; i < count; i++) {
        struct weft_peers_model model;
        weft_peers_model(scene.peers, i, &model);
        *alive += model.alive;
    }
    return count;
}

/* -- by which way -- */

static void one_that_is_linked_is_asked_itself(void **state)
{
    (void)state;
    struct weft_peers_choice choice;
    size_t alive;
    *holder = scene.away.identity;
    announce(holder, 1, FIRST);
    assert_int_equal(known(&alive), 1); /* it is there, and cannot be asked */
    assert_int_equal(alive, 0);
    assert_int_equal(weft_roster_reach(roster(), WEFT_ROSTER_SELF, &holder->key, now()), 0);
    assert_int_equal(asked_for(FIRST, &choice), 0); /* it is attached, and there is no link on which to ask */
    struct weft_link *link = link_away();
    assert_int_equal(asked_for(FIRST, &choice), 1);
    assert_true(weft_key_equal(&choice.key, &holder->key));
    assert_int_equal(choice.path, WEFT_PEER_DIRECT);
    assert_true(weft_slice_equal(choice.target.path, WEFT_SLICE(WEFT_MESH_PATH)));
    assert_int_equal(asked_for(OTHER, &choice), 0);
    scene.linkless = true;
    assert_int_equal(asked_for(FIRST, &choice), 0);
    scene.linkless = false;
    weft_link_close(link);
    pass(WEFT_SECOND);
    assert_int_equal(asked_for(FIRST, &choice), 0);
}

static void another_is_asked_through_a_gateway_that_reaches_it(void **state)
{
    (void)state;
    struct weft_peers_choice choice;
    char path[128], id[WEFT_PEER_ID_SIZE];
    announce(holder, 1, FIRST);
    int place = reach(&holder->key);
    const struct weft_entry *entry = weft_roster_get(roster(), &holder->key);
    assert_int_equal(asked_for(FIRST, &choice), 0); /* no link to that gateway */
    assert_null(weft_mesh_peers_by(&scene.told, entry));
    (void)link_away();
    assert_int_equal(asked_for(FIRST, &choice), 1);
    assert_true(weft_key_equal(&choice.key, &holder->key));
    assert_int_equal(choice.path, WEFT_PEER_RELAYED);
    weft_key_text(&holder->key, id);
    (void)snprintf(path, sizeof(path), WEFT_MESH_PEERS_PATH "%s", id);
    assert_true(weft_slice_equal(choice.target.path, weft_slice_text(path)));
    const struct weft_key *by = weft_mesh_peers_by(&scene.told, entry);
    assert_true(by && weft_key_equal(by, &scene.away.identity.key));
    weft_roster_lose(roster(), place, &holder->key, now());
    assert_int_equal(asked_for(FIRST, &choice), 0);
    assert_null(weft_mesh_peers_by(&scene.told, entry));
}

/* -- who -- */

static void what_is_announced_anew_is_told_anew(void **state)
{
    (void)state;
    struct weft_peers_choice choice;
    announce(holder, 1, FIRST);
    (void)reach(&holder->key);
    (void)link_away();
    assert_int_equal(asked_for(FIRST, &choice), 1);
    announce(holder, 2, OTHER);
    assert_int_equal(asked_for(FIRST, &choice), 0);
    assert_int_equal(asked_for(OTHER, &choice), 1);
    announce(holder, 3, 0); /* of a file that nobody knows */
    assert_int_equal(asked_for(OTHER, &choice), 0);
    assert_int_equal(asked_for(0, &choice), 0);
}

/* Whoever has a client's invite could else have others' prompts sent to it. */
static void who_only_asks_is_not_asked(void **state)
{
    (void)state;
    struct weft_peers_choice choice;
    size_t alive;
    announce_as(&office.nodes[1], WEFT_ROLE_CLIENT, 1, FIRST);
    (void)reach(&office.nodes[1].key);
    (void)link_away();
    assert_int_equal(asked_for(FIRST, &choice), 0);
    assert_int_equal(known(&alive), 0);
    announce(holder, 1, FIRST);
    assert_int_equal(known(&alive), 1);
    assert_int_equal(alive, 0); /* nobody reaches this one */
}

static void it_does_not_ask_itself(void **state)
{
    (void)state;
    size_t alive;
    uint8_t bytes[WEFT_ANNOUNCEMENT_MAX];
    const struct weft_announcement said = {.key = office.gateway.key,
                                           .chain = weft_mesh_state_chain(office.state),
                                           .incarnation = 1,
                                           .sequence = 1,
                                           .made_s = weft_mesh_state_now_s(office.state),
                                           .models = {crowd_model("One", FIRST)},
                                           .model_count = 1};
    int64_t size = weft_sign_announcement(&office.gateway, &said, bytes);
    assert_true(size > 0);
    assert_int_equal(weft_gossiping_announce(scene.gossiping, weft_slice(bytes, (size_t)size)), WEFT_ROSTER_ADDED);
    assert_int_equal(known(&alive), 0);
}

/* Of two announcements with one number one is a lie, so neither is believed. */
static void who_says_two_things_at_once_is_not_asked(void **state)
{
    (void)state;
    struct weft_peers_choice choice;
    struct weft_announcement said = {.models = {crowd_model("Two", FIRST)}, .model_count = 1};
    announce(holder, 1, FIRST);
    (void)reach(&holder->key);
    (void)link_away();
    assert_int_equal(asked_for(FIRST, &choice), 1);
    assert_int_equal(
        crowd_announce(scene.gossiping, office.state, &office.gateway, holder, WEFT_ROLE_PEER, &said, now()),
        WEFT_ROSTER_EQUIVOCATING);
    assert_int_equal(asked_for(FIRST, &choice), 0);
    announce(holder, 2, FIRST);
    assert_int_equal(asked_for(FIRST, &choice), 1);
}

static void who_goes_is_forgotten(void **state)
{
    (void)state;
    size_t alive;
    int place = WEFT_ROSTER_SELF;
    for (size_t i = 0; i < 4; i++) {
        announce(&office.nodes[i], 1, (uint8_t)(i + 1));
        place = reach(&office.nodes[i].key);
    }
    (void)link_away();
    assert_int_equal(known(&alive), 4);
    assert_int_equal(alive, 4);
    assert_int_equal(office_wait(weft_mesh_state_put_out(office.state, &office.nodes[2].key, office_changed, &office)),
                     0);
    uint32_t was_at = weft_roster_get(roster(), &office.nodes[2].key)->place;
    weft_roster_lose(roster(), place, &office.nodes[2].key, now());
    weft_roster_revoked(roster(), &office.nodes[2].key, weft_mesh_state_now_s(office.state));
    announce(&office.nodes[4], 1, 9); /* into the place that is free again, before anybody has looked */
    assert_int_equal(weft_roster_get(roster(), &office.nodes[4].key)->place, was_at);
    (void)reach(&office.nodes[4].key);
    assert_int_equal(known(&alive), 4);
    assert_int_equal(alive, 4);
    weft_mesh_peers_forget(&scene.told);
    assert_int_equal(weft_peers_models(scene.peers), 0);
}

static void without_memory_it_is_told_later(void **state)
{
    (void)state;
    struct weft_peers_choice choice;
    announce(holder, 1, FIRST);
    (void)reach(&holder->key);
    (void)link_away();
    for (uint64_t at = 1;; at++) {
        weft_mesh_peers_forget(&scene.told);
        weft_mesh_peers_deinit(&scene.told);
        start_told();
        weft_mem_fail_at(at);
        weft_mesh_peers_update(&scene.told);
        bool failed = weft_mem_failed();
        weft_mem_fail_at(0);
        assert_int_equal(asked_for(FIRST, &choice), 1);
        if (!failed) {
            assert_true(at > 2);
            return;
        }
    }
}

/* -- what this node says that it uses -- */

static bool uses(size_t at, uint8_t byte)
{
    uint8_t hash[WEFT_HASH_SIZE];
    memset(hash, byte, sizeof(hash));
    return at < scene.told.used_count && memcmp(scene.told.used[at], hash, sizeof(hash)) == 0;
}

static void want(uint8_t byte)
{
    uint8_t hash[WEFT_HASH_SIZE];
    memset(hash, byte, sizeof(hash));
    weft_mesh_peers_want(&scene.told, hash);
}

static void what_was_asked_for_last_is_used_first(void **state)
{
    (void)state;
    for (uint8_t i = 1; i <= WEFT_GOSSIP_USED_MAX + 2; i++) {
        want(i);
    }
    assert_int_equal(scene.told.used_count, WEFT_GOSSIP_USED_MAX);
    for (size_t i = 0; i < WEFT_GOSSIP_USED_MAX; i++) {
        assert_true(uses(i, (uint8_t)(WEFT_GOSSIP_USED_MAX + 2 - i)));
    }
    want(3); /* the oldest of them, once more; so another goes for what is new */
    want(1);
    assert_int_equal(scene.told.used_count, WEFT_GOSSIP_USED_MAX);
    assert_true(uses(0, 1) && uses(1, 3));
    assert_true(uses(WEFT_GOSSIP_USED_MAX - 1, 5));
}

#define test(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        test(one_that_is_linked_is_asked_itself),
        test(another_is_asked_through_a_gateway_that_reaches_it),
        test(what_is_announced_anew_is_told_anew),
        test(who_only_asks_is_not_asked),
        test(it_does_not_ask_itself),
        test(who_says_two_things_at_once_is_not_asked),
        test(who_goes_is_forgotten),
        test(without_memory_it_is_told_later),
        test(what_was_asked_for_last_is_used_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
