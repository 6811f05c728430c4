/* tests/unit/node/mesh_view_test.c - what an owner is told of the mesh: whole nodes, and a crowd that is only spoken
 * of. */
#include "node/mesh_view.h"

#include "base/text.h"
#include "unit/node/crowd.h"

#include "attached.h"

static struct weft_identity crowd[3];
static json_t *told; /* the last view */

static const struct weft_gossiping *gossiping_of(const struct weft_resident *of)
{
    return weft_mesh_gossip_of(weft_mesh_gossip(mesh_of(of)));
}

static void view(const struct weft_resident *of)
{
    struct weft_bytes bytes = {0};
    struct weft_json json;
    weft_json_start(&json, &bytes);
    weft_mesh_view_write(mesh_of(of), weft_world_now(stage.world), &json);
    assert_int_equal(weft_json_finish(&json), 0);
    size_t size = bytes.size;
    char *text = weft_alloc(size);
    assert_non_null(text);
    assert_int_equal(weft_bytes_read(&bytes, text, size), size);
    json_decref(told);
    assert_int_equal(weft_json_parse(weft_slice(text, size), &told, NULL), 0);
    weft_free(text);
    weft_bytes_deinit(&bytes);
}

static void end_view(void)
{
    json_decref(told);
    told = NULL;
    end();
}

static const json_t *peer(const struct weft_key *key)
{
    char id[WEFT_PEER_ID_SIZE];
    const json_t *at;
    size_t index;
    weft_key_text(key, id);
    json_array_foreach(json_object_get(told, "peers"), index, at)
    {
        if (weft_json_is(json_object_get(at, "id"), id)) {
            return at;
        }
    }
    return NULL;
}

/* A member is this text, or (NULL) null. */
static void assert_text(const json_t *object, const char *name, const char *text)
{
    const json_t *value = json_object_get(object, name);
    if (text ? !weft_json_is(value, text) : !json_is_null(value)) {
        fail_msg("%s is \"%s\", not \"%s\"", name, value ? json_string_value(value) : "missing", text ? text : "null");
    }
}

static void assert_key(const json_t *object, const char *name, const struct weft_key *key)
{
    char id[WEFT_PEER_ID_SIZE];
    weft_key_text(key, id);
    assert_text(object, name, id);
}

static int64_t number(const json_t *object, const char *name)
{
    const json_t *value = json_object_get(object, name);
    assert_true(json_is_integer(value));
    return (int64_t)json_integer_value(value);
}

static void begin_crowd(void)
{
    begin();
    for (size_t i = 0; i < WEFT_COUNT(crowd); i++) {
        uint8_t seed[WEFT_SEED_SIZE] = {(uint8_t)(i + 1)};
        weft_identity_init(&crowd[i], seed);
    }
}

static enum weft_roster_outcome announce_at_gate(const struct weft_identity *who, enum weft_role role,
                                                 const struct weft_announcement *said)
{
    return crowd_announce(gossiping_of(&gate), weft_mesh_state_of(mesh_of(&gate)), weft_mesh_identity(mesh_of(&gate)),
                          who, role, said, weft_world_now(stage.world));
}

/* -- the node itself -- */

static void a_node_in_no_mesh_says_so(void **state)
{
    (void)state;
    struct weft_bytes text = {0};
    begin();
    view(&stage.node);
    assert_int_equal(json_object_size(told), 2);
    assert_text(told, "id", NULL);
    assert_text(told, "mesh", NULL);
    assert_int_equal(weft_mesh_view_metrics(mesh_of(&stage.node), &text), 0);
    assert_int_equal(weft_mesh_view_metrics(NULL, &text), 0);
    assert_int_equal(text.size, 0);
    end_view();
}

static void what_it_is_and_whom_it_is_attached_to(void **state)
{
    (void)state;
    begin();
    join();
    (void)wait_until(is_attached, &stage.node, WEFT_SECOND);
    stage_pass(7 * WEFT_SECOND);
    struct weft_key gateway = key_of(&gate), node = key_of(&stage.node);
    view(&gate);
    assert_key(told, "id", &gateway);
    assert_text(told, "role", "gateway");
    assert_text(told, "standing", "member");
    assert_text(told, "address", "10.0.0.7:9340");
    assert_true(json_is_true(json_object_get(told, "root_key_here")));
    assert_int_equal(json_array_size(json_object_get(told, "gateways")), 0);
    assert_int_equal(json_array_size(json_object_get(told, "peers")), 1); /* not itself */
    assert_int_equal(number(told, "peers_known"), 1);
    assert_text(peer(&node), "path", "direct");
    assert_text(peer(&node), "gateway", NULL);
    view(&stage.node);
    assert_key(told, "id", &node);
    assert_text(told, "role", "peer");
    assert_null(json_object_get(told, "address"));
    assert_true(json_is_false(json_object_get(told, "root_key_here")));
    const json_t *first = json_array_get(json_object_get(told, "gateways"), 0);
    assert_key(first, "id", &gateway);
    assert_text(first, "address", "10.0.0.7:9340");
    assert_in_range(number(first, "since_ms"), 7000, 9000);
    assert_null(json_object_get(told, "gateway_problem"));
    assert_text(peer(&gateway), "role", "gateway");
    assert_text(peer(&gateway), "state", "alive");
    assert_text(peer(&gateway), "path", "direct");
    assert_text(peer(&gateway), "address", "10.0.0.7:9340");
    end_process(&gate);
    (void)wait_until(is_lost, &stage.node, WEFT_SECOND);
    stage_pass(5 * WEFT_SECOND);
    view(&stage.node);
    assert_int_equal(json_array_size(json_object_get(told, "gateways")), 0);
    assert_non_null(strstr(json_string_value(json_object_get(told, "gateway_problem")), "10.0.0.7"));
    assert_text(peer(&gateway), "state", "gone");
    assert_text(peer(&gateway), "path", NULL);
    assert_in_range(number(peer(&gateway), "since_ms"), 4000, 6000);
    end_view();
}

/* -- others -- */

static void all_that_one_has_said_is_shown(void **state)
{
    (void)state;
    struct weft_announcement said = {.models = {crowd_model("One", 0xab), crowd_model("Two", 0)},
                                     .model_count = 2,
                                     .addresses = {WEFT_SLICE("a.example.org:1"), WEFT_SLICE("b.example.org:2")},
                                     .address_count = 2,
                                     .backend = WEFT_SLICE("zen4"),
                                     .device = WEFT_SLICE("A GPU"),
                                     .version = WEFT_SLICE("weft 9"),
                                     .speed_centi = 1234};
    char hash[2 * WEFT_HASH_SIZE + 1];
    begin_crowd();
    said.models[0].quant = WEFT_SLICE("Q4_1");
    said.made_s = weft_mesh_state_now_s(weft_mesh_state_of(mesh_of(&gate))) - 40;
    assert_int_equal(announce_at_gate(&crowd[0], WEFT_ROLE_PEER, &said), WEFT_ROSTER_ADDED);
    stage_pass(3 * WEFT_SECOND);
    view(&gate);
    const json_t *one = peer(&crowd[0].key);
    assert_text(one, "role", "peer");
    assert_text(one, "state", "gone"); /* no gateway has said that it reaches it */
    assert_text(one, "path", NULL);
    assert_text(one, "gateway", NULL);
    assert_in_range(number(one, "since_ms"), 3000, 3100);
    assert_in_range(number(one, "heard_ms"), 42000, 44000);
    assert_true(json_real_value(json_object_get(one, "speed")) == 12.34);
    assert_text(one, "device", "A GPU");
    assert_text(one, "backend", "zen4");
    assert_text(one, "version", "weft 9");
    assert_text(one, "address", "a.example.org:1");
    const json_t *models = json_object_get(one, "models"), *first = json_array_get(models, 0);
    assert_int_equal(json_array_size(models), 2);
    weft_hex(hash, said.models[0].hash, WEFT_HASH_SIZE);
    assert_text(first, "name", "One");
    assert_text(first, "hash", hash);
    assert_text(first, "quant", "Q4_1");
    assert_int_equal(number(first, "context"), 4096);
    assert_int_equal(number(first, "slots"), 2);
    assert_text(json_array_get(models, 1), "hash", NULL);
    assert_text(json_array_get(models, 1), "quant", "");
    end_view();
}

static void what_one_has_not_said_is_empty(void **state)
{
    (void)state;
    struct weft_announcement said = {.made_s = 0};
    begin_crowd();
    int64_t now_s = weft_mesh_state_now_s(weft_mesh_state_of(mesh_of(&gate)));
    said.made_s = now_s + 300; /* its clock is ahead */
    assert_int_equal(announce_at_gate(&crowd[0], WEFT_ROLE_CLIENT, &said), WEFT_ROSTER_ADDED);
    view(&gate);
    const json_t *one = peer(&crowd[0].key);
    assert_text(one, "role", "client");
    assert_int_equal(number(one, "heard_ms"), 0);
    assert_true(json_is_null(json_object_get(one, "speed")));
    static const char *const names[] = {"device", "backend", "version", "address"};
    for (size_t i = 0; i < WEFT_COUNT(names); i++) {
        assert_text(one, names[i], "");
    }
    assert_int_equal(json_array_size(json_object_get(one, "models")), 0);
    end_view();
}

static void how_one_is_reached_and_whether_it_is_there(void **state)
{
    (void)state;
    const struct weft_announcement said = {.version = WEFT_SLICE("one")}, other = {.version = WEFT_SLICE("other")};
    begin_crowd();
    make_far(WEFT_ROLE_GATEWAY);
    stage_pass(2 * WEFT_SECOND);
    struct weft_key second = key_of(&far);
    struct weft_roster *roster = crowd_roster(gossiping_of(&gate));
    weft_time now = weft_world_now(stage.world);
    int place = weft_roster_link(roster, &second, now);
    assert_true(place > 0);
    assert_int_equal(announce_at_gate(&crowd[0], WEFT_ROLE_PEER, &said), WEFT_ROSTER_ADDED);
    assert_int_equal(weft_roster_reach(roster, place, &crowd[0].key, now), 0);
    assert_int_equal(weft_roster_reach(roster, place, &crowd[1].key, now), 0); /* of it nothing more is known */
    view(&gate);
    assert_text(peer(&crowd[0].key), "state", "alive");
    assert_text(peer(&crowd[0].key), "path", "relayed");
    assert_key(peer(&crowd[0].key), "gateway", &second);
    assert_null(peer(&crowd[1].key));
    assert_int_equal(number(told, "peers_known"), 2); /* with the second gateway */
    assert_int_equal(announce_at_gate(&crowd[0], WEFT_ROLE_PEER, &other), WEFT_ROSTER_EQUIVOCATING);
    view(&gate);
    assert_text(peer(&crowd[0].key), "state", "suspect");
    weft_roster_unlink(roster, place, now);
    end_process(&far);
    end_view();
}

static void there_is_a_bound(void **state)
{
    (void)state;
    const struct weft_announcement said = {.version = WEFT_SLICE("one")};
    begin();
    for (size_t i = 0; i < WEFT_MESH_VIEW_PEERS_MAX + 3; i++) {
        uint8_t seed[WEFT_SEED_SIZE] = {1, (uint8_t)i, (uint8_t)(i >> 8)};
        struct weft_identity who;
        weft_identity_init(&who, seed);
        assert_int_equal(announce_at_gate(&who, WEFT_ROLE_PEER, &said), WEFT_ROSTER_ADDED);
    }
    view(&gate);
    assert_int_equal(json_array_size(json_object_get(told, "peers")), WEFT_MESH_VIEW_PEERS_MAX);
    assert_int_equal(number(told, "peers_known"), WEFT_MESH_VIEW_PEERS_MAX + 3);
    end_view();
}

/* -- metrics -- */

static void what_came_is_counted_by_what_became_of_it(void **state)
{
    (void)state;
    struct weft_announcement said = {.version = WEFT_SLICE("one")};
    struct weft_bytes bytes = {0};
    begin_crowd();
    assert_int_equal(announce_at_gate(&crowd[0], WEFT_ROLE_PEER, &said), WEFT_ROSTER_ADDED);
    assert_int_equal(announce_at_gate(&crowd[0], WEFT_ROLE_PEER, &said), WEFT_ROSTER_KNOWN);
    assert_int_equal(announce_at_gate(&crowd[0], WEFT_ROLE_PEER, &said), WEFT_ROSTER_KNOWN);
    said.sequence = 2;
    assert_int_equal(announce_at_gate(&crowd[0], WEFT_ROLE_PEER, &said), WEFT_ROSTER_REPLACED);
    assert_int_equal(weft_mesh_view_metrics(mesh_of(&gate), &bytes), 0);
    stage.text[weft_bytes_read(&bytes, stage.text, sizeof(stage.text) - 1)] = '\0';
    assert_int_equal(bytes.size, 0);
    assert_says("# TYPE weft_mesh_announcements_total counter\n");
    assert_says("weft_mesh_announcements_total{outcome=\"added\"} 2\n"); /* its own was the first */
    assert_says("weft_mesh_announcements_total{outcome=\"known\"} 2\n");
    assert_says("weft_mesh_announcements_total{outcome=\"replaced\"} 1\n");
    assert_says("weft_mesh_announcements_total{outcome=\"forged\"} 0\n");
    assert_says("# HELP weft_mesh_nodes ");
    assert_says("# TYPE weft_mesh_nodes gauge\nweft_mesh_nodes 2\n");
    assert_says("# TYPE weft_mesh_gossip_messages_in_total counter\nweft_mesh_gossip_messages_in_total 0\n");
    assert_says("\nweft_mesh_gossip_streams 0\n");
    weft_bytes_trim();
    weft_mem_fail_at(1);
    assert_int_equal(weft_mesh_view_metrics(mesh_of(&gate), &bytes), WEFT_ERR_MEMORY);
    weft_mem_fail_at(0);
    weft_bytes_deinit(&bytes);
    end_view();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_node_in_no_mesh_says_so),
        cmocka_unit_test(what_it_is_and_whom_it_is_attached_to),
        cmocka_unit_test(all_that_one_has_said_is_shown),
        cmocka_unit_test(what_one_has_not_said_is_empty),
        cmocka_unit_test(how_one_is_reached_and_whether_it_is_there),
        cmocka_unit_test(there_is_a_bound),
        cmocka_unit_test(what_came_is_counted_by_what_became_of_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
