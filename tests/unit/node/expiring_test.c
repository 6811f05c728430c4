/* tests/unit/node/expiring_test.c - links end with the certificates that their peers have shown, at both ends. */
#include "node/expiring.h"

#include "attached.h"

#define SECOND "listen: [\"tcp:127.0.0.1:82\"]\nmesh: {listen: \"10.0.0.8:9340\"}\n"
#define LIFE_S ((int64_t)1800) /* of the second gateway's certificate */
#define DAY_S  ((int64_t)86400)
#define PHRASE "the certificate that its peer has shown is past its end"

static struct weft_resident second;
static struct weft_host *second_host;

static void pass_s(int64_t seconds)
{
    stage_pass(seconds * WEFT_SECOND);
}

/* Which of the gateways reach the node, as `at` has it. */
static size_t ways_to_node(const struct weft_resident *at)
{
    const struct weft_gossiping *gossiping = weft_mesh_gossip_of(weft_mesh_gossip(mesh_of(at)));
    struct weft_key key = key_of(&stage.node);
    const struct weft_entry *entry = weft_roster_get(weft_gossiping_roster(gossiping), &key);
    size_t count = 0;
    for (size_t i = 0; entry && i < WEFT_ENTRY_VIA_MAX; i++) {
        count += entry->via[i] != 0;
    }
    return count;
}

/* The mesh's root, which is at the first gateway, certifies the second one anew. */
static void certify_second(int64_t life_s)
{
    struct weft_registrar registrar;
    uint8_t letter[WEFT_CERTIFICATE_MAX];
    struct weft_mesh_state *state = weft_mesh_state_of(mesh_of(&second));
    enum weft_verdict verdict;
    struct weft_key key = key_of(&second);
    uint64_t serial = weft_mesh_state_certificate(state)->serial + 1;
    assert_true(weft_mesh_state_registrar(weft_mesh_state_of(mesh_of(&gate)), &registrar));
    int64_t size = weft_issue_gateway(registrar.root, &key, weft_mesh_state_now_s(state), life_s, serial, letter);
    assert_true(size > 0);
    assert_int_equal(weft_mesh_state_certify(state, weft_slice(letter, (size_t)size), &verdict, on_done, NULL), 0);
    assert_int_equal(wait_owner(&second), 0);
}

/* Two gateways and a node that is attached to both; the certificate of the second one lasts LIFE_S from now on. */
static void begin_three(void)
{
    const struct weft_resident_options options = {.yaml = SECOND, .journal_format = WEFT_JOURNAL_JSON};
    begin();
    second_host = weft_world_host(stage.world, "second");
    weft_resident_start(&second, second_host, stage.world, &options);
    join_as(&second, &gate, "10.0.0.7:9340", WEFT_ROLE_GATEWAY);
    certify_second(LIFE_S);
    (void)wait_until(is_attached, &second, WEFT_SECOND);
    join();
    (void)wait_until(is_attached_twice, &stage.node, 5 * WEFT_SECOND);
    (void)wait_until(is_attached, &gate, 5 * WEFT_SECOND);
    pass_s(2);
    assert_int_equal(ways_to_node(&gate), 2);
    weft_world_fail_store(second_host, 0, WEFT_ERR_FULL); /* so the root's gateway does not renew it */
}

static void end_three(void)
{
    weft_world_fail_store(second_host, 0, 0);
    end_process(&second);
    end();
}

static void a_member_is_cut_when_its_certificate_has_ended(void **state)
{
    (void)state;
    begin();
    join();
    (void)wait_until(is_attached, &stage.node, WEFT_SECOND);
    pass_s(1);
    weft_world_fail_store(stage.host, 0, WEFT_ERR_FULL); /* so it has no newer one */
    weft_world_jump(stage.host, 30 * DAY_S * WEFT_SECOND);
    weft_world_jump(stage.upstream, 30 * DAY_S * WEFT_SECOND);
    pass_s(WEFT_SKEW_S - 30);
    assert_int_equal(attachments(&stage.node), 1); /* clocks may differ by so much */
    assert_int_equal(ways_to_node(&gate), 1);
    pass_s(40);
    assert_int_equal(attachments(&stage.node), 0);
    assert_int_equal(ways_to_node(&gate), 0);
    assert_int_equal(weft_links_count(weft_node_links(gate.node)), 0);
    assert_non_null(strstr(weft_world_log(stage.host), "gateway not attached"));
    weft_world_fail_store(stage.host, 0, 0);
    end();
}

static void a_gateway_is_left_and_not_believed_when_its_certificate_has_ended(void **state)
{
    (void)state;
    begin_three();
    pass_s(LIFE_S + WEFT_SKEW_S - 30);
    assert_int_equal(attachments(&stage.node), 2);
    assert_int_equal(ways_to_node(&gate), 2);
    pass_s(40);
    assert_int_equal(attachments(&stage.node), 1);
    assert_int_equal(attachments(&gate), 0);
    assert_int_equal(ways_to_node(&gate), 1); /* its own */
    assert_non_null(strstr(weft_world_log(stage.host), PHRASE));
    assert_non_null(strstr(weft_world_log(stage.upstream), PHRASE));
    pass_s(60);
    assert_int_equal(attachments(&stage.node), 1); /* it is dialled, and not taken */
    end_three();
}

static void a_gateway_that_was_certified_anew_stays(void **state)
{
    (void)state;
    struct weft_attaching_gateway at;
    begin_three();
    pass_s(LIFE_S - 60);
    weft_time since[2];
    for (size_t i = 0; i < 2; i++) {
        assert_true(weft_attaching_at(weft_mesh_attaching(mesh_of(&stage.node)), i, &at));
        since[i] = at.since;
    }
    weft_world_fail_store(second_host, 0, 0);
    certify_second(WEFT_GATEWAY_LIFE_S); /* nobody greets it for that: it announces itself */
    pass_s(60 + WEFT_SKEW_S + 60);
    for (size_t i = 0; i < 2; i++) {
        assert_true(weft_attaching_at(weft_mesh_attaching(mesh_of(&stage.node)), i, &at));
        assert_int_equal(at.since, since[i]);
    }
    assert_int_equal(ways_to_node(&gate), 2);
    assert_null(strstr(weft_world_log(stage.host), "gateway lost"));
    assert_null(strstr(weft_world_log(stage.upstream), "gateway lost"));
    end_three();
}

static void a_member_that_is_renewed_in_time_stays(void **state)
{
    (void)state;
    begin();
    join();
    (void)wait_until(is_attached, &stage.node, WEFT_SECOND);
    for (int days = 0; days < 60; days += 5) {
        weft_world_jump(stage.host, 5 * DAY_S * WEFT_SECOND);
        weft_world_jump(stage.upstream, 5 * DAY_S * WEFT_SECOND);
        pass_s(200);
        assert_int_equal(attachments(&stage.node), 1);
    }
    assert_null(strstr(weft_world_log(stage.host), "gateway lost"));
    end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_member_is_cut_when_its_certificate_has_ended),
        cmocka_unit_test(a_gateway_is_left_and_not_believed_when_its_certificate_has_ended),
        cmocka_unit_test(a_gateway_that_was_certified_anew_stays),
        cmocka_unit_test(a_member_that_is_renewed_in_time_stays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
