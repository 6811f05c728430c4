/* tests/unit/node/attaching_test.c - whole nodes hold on to their gateways: over losses, starts, and revocations. */
#include "attached.h"

static void who_has_joined_is_attached_both_ways(void **state)
{
    (void)state;
    begin();
    assert_int_equal(attachments(&stage.node), 0);
    join();
    (void)wait_until(is_attached, &stage.node, WEFT_SECOND);
    struct weft_attaching_gateway at;
    struct weft_key key = key_of(&gate);
    assert_true(weft_attaching_at(weft_mesh_attaching(mesh_of(&stage.node)), 0, &at));
    assert_true(weft_key_equal(at.key, &key));
    assert_string_equal(at.address, "10.0.0.7:9340");
    stage_pass(WEFT_SECOND);
    assert_true(asks(&stage.node, &gate));
    assert_true(asks(&gate, &stage.node)); /* though nobody could dial it */
    assert_int_equal(who_is(&stage.node, &gate), WEFT_MEMBER);
    assert_int_equal(who_is(&gate, &stage.node), WEFT_GATEWAY);
    stage_pass(3600 * WEFT_SECOND);
    assert_int_equal(attachments(&stage.node), 1);
    end();
}

static void a_gateway_that_is_back_is_found_at_once(void **state)
{
    (void)state;
    static const weft_time away[] = {WEFT_SECOND, 7 * WEFT_SECOND, 50 * WEFT_SECOND};
    begin();
    join();
    (void)wait_until(is_attached, &stage.node, WEFT_SECOND);
    for (size_t i = 0; i < WEFT_COUNT(away); i++) {
        stage_pass(20 * WEFT_SECOND);
        end_process(&gate);
        (void)wait_until(is_lost, &stage.node, WEFT_SECOND);
        stage_pass(away[i]);
        start_gate();
        assert_true(wait_until(is_attached, &stage.node, 2 * WEFT_SECOND) <= 2 * WEFT_SECOND);
    }
    end();
}

static void it_attaches_again_after_a_start(void **state)
{
    (void)state;
    begin();
    join();
    end_process(&stage.node);
    start_node();
    (void)wait_until(is_attached, &stage.node, 2 * WEFT_SECOND);
    end();
}

/* It sleeps, its clock jumps, its network goes: it knows in less than 5 s, and is back when it can be. */
static void it_survives_what_a_laptop_does(void **state)
{
    (void)state;
    begin();
    join();
    (void)wait_until(is_attached, &stage.node, WEFT_SECOND);
    weft_world_jump(stage.host, 7200 * (int64_t)WEFT_SECOND);
    stage_pass(10 * WEFT_SECOND);
    assert_int_equal(attachments(&stage.node), 1);
    weft_world_jump(stage.host, -7200 * (int64_t)WEFT_SECOND);
    stage_pass(10 * WEFT_SECOND);
    assert_int_equal(attachments(&stage.node), 1);
    weft_world_stop(stage.host, 60 * WEFT_SECOND);
    stage_pass(61 * WEFT_SECOND);
    (void)wait_until(is_attached, &stage.node, 7 * WEFT_SECOND);
    weft_world_trouble(stage.host, true, false);
    assert_true(wait_until(is_lost, &stage.node, 5 * WEFT_SECOND) < 5 * WEFT_SECOND);
    stage_pass(20 * WEFT_SECOND);
    weft_world_trouble(stage.host, false, false);
    (void)wait_until(is_attached, &stage.node, 5 * WEFT_SECOND);
    end();
}

static void who_is_put_out_is_cut_off_and_stays_so(void **state)
{
    (void)state;
    begin();
    join();
    (void)wait_until(is_attached, &stage.node, WEFT_SECOND);
    stage_pass(WEFT_SECOND);
    struct weft_key key = key_of(&stage.node);
    assert_int_equal(weft_mesh_state_put_out(weft_mesh_state_of(mesh_of(&gate)), &key, on_done, NULL), 1);
    assert_int_equal(wait_owner(&gate), 0);
    (void)wait_until(is_lost, &stage.node, WEFT_SECOND);
    assert_int_equal(who_is(&stage.node, &gate), WEFT_ANONYMOUS);
    for (int i = 0; i < 60; i++) {
        stage_pass(WEFT_SECOND);
        assert_int_equal(attachments(&stage.node), 0);
    }
    assert_non_null(strstr(weft_attaching_problem(weft_mesh_attaching(mesh_of(&stage.node))), "put out"));
    assert_non_null(strstr(weft_world_log(stage.host), "gateway not attached"));
    end();
}

static void who_leaves_has_no_links(void **state)
{
    (void)state;
    begin();
    join();
    (void)wait_until(is_attached, &stage.node, WEFT_SECOND);
    assert_int_equal(weft_mesh_leave(mesh_of(&stage.node), on_done, NULL), 0);
    assert_int_equal(wait_owner(&stage.node), 0);
    stage_pass(2 * WEFT_SECOND);
    assert_int_equal(attachments(&stage.node), 0);
    assert_int_equal(weft_links_count(weft_node_links(stage.node.node)), 0);
    assert_int_equal(weft_links_count(weft_node_links(gate.node)), 0);
    assert_int_equal(weft_mesh_leave(mesh_of(&stage.node), on_done, NULL), WEFT_ERR_NOT_FOUND);
    join();
    (void)wait_until(is_attached, &stage.node, WEFT_SECOND);
    end();
}

/* A second gateway, that the first one's root has certified: whoever learns of it holds both, and one is enough. */
static void a_second_gateway_takes_over(void **state)
{
    (void)state;
    struct weft_slice address = WEFT_SLICE(FAR_PLACE);
    begin();
    make_far(WEFT_ROLE_GATEWAY);
    join();
    struct weft_key key = key_of(&far);
    weft_attaching_learn(weft_mesh_attaching(mesh_of(&stage.node)), &key, &address, 1);
    weft_attaching_learn(weft_mesh_attaching(mesh_of(&gate)), &key, &address, 1);
    weft_world_poke(stage.host);
    weft_world_poke(stage.upstream);
    (void)wait_until(is_attached_twice, &stage.node, WEFT_SECOND);
    (void)wait_until(is_attached, &gate, WEFT_SECOND);
    /* An invite of the one is good at the other, which passes it on. */
    struct weft_admitting_wish wish = {.uses = 1, .life_s = 86400, .role = WEFT_ROLE_PEER, .addresses = {FAR_PLACE}};
    assert_int_equal(weft_admitting_invite(weft_mesh_admitting(mesh_of(&gate)), &wish, on_invited, NULL), 0);
    assert_int_equal(wait_owner(&gate), 0);
    assert_int_equal(weft_mesh_leave(mesh_of(&stage.node), on_done, NULL), 0);
    assert_int_equal(wait_owner(&stage.node), 0);
    weft_mesh_join(mesh_of(&stage.node), weft_slice_text(owner.line), on_joined, NULL);
    assert_int_equal(wait_owner(&stage.node), 0);
    (void)wait_until(is_attached, &stage.node, WEFT_SECOND);
    struct weft_key first = key_of(&gate);
    address = WEFT_SLICE("10.0.0.7:9340");
    weft_attaching_learn(weft_mesh_attaching(mesh_of(&stage.node)), &first, &address, 1);
    weft_world_poke(stage.host);
    (void)wait_until(is_attached_twice, &stage.node, WEFT_SECOND);
    end_process(&gate);
    stage_pass(WEFT_SECOND);
    assert_int_equal(attachments(&stage.node), 1);
    assert_true(asks(&stage.node, &far) && asks(&far, &stage.node));
    end_process(&far);
    end();
}

/* The node ends at any moment of attaching: nothing is left. */
static void ended_while_it_attaches(void **state)
{
    (void)state;
    for (weft_time after = 0; after < 20 * WEFT_MS; after += 977) {
        begin();
        join();
        stage_pass(after);
        if (after % 2 == 0) {
            weft_resident_drain(&stage.node, 0);
            stage_pass(10 * WEFT_SECOND);
            assert_true(stage.node.stopped);
        }
        end();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_has_joined_is_attached_both_ways),
        cmocka_unit_test(a_gateway_that_is_back_is_found_at_once),
        cmocka_unit_test(it_attaches_again_after_a_start),
        cmocka_unit_test(it_survives_what_a_laptop_does),
        cmocka_unit_test(who_is_put_out_is_cut_off_and_stays_so),
        cmocka_unit_test(who_leaves_has_no_links),
        cmocka_unit_test(a_second_gateway_takes_over),
        cmocka_unit_test(ended_while_it_attaches),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
