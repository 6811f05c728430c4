/* tests/unit/node/opt_in_test.c - a node that is started with an invite: it joins, asks again, or says why not. */
#include "node/opt_in.h"

#include "attached.h"

static void start_with(const char *line)
{
    const struct weft_resident_options options = {
        .yaml = LISTEN_TCP, .mesh_key = line, .journal_format = WEFT_JOURNAL_JSON};
    weft_resident_start(&stage.node, stage.host, stage.world, &options);
}

/* A gateway with an invite that is in owner.line, and a node that has not begun. */
static void begin_invited(uint32_t uses)
{
    const struct weft_admitting_wish wish = {
        .uses = uses, .life_s = 86400, .role = WEFT_ROLE_PEER, .addresses = {"10.0.0.7:9340"}};
    stage_world();
    start_gate();
    assert_int_equal(weft_admitting_invite(weft_mesh_admitting(mesh_of(&gate)), &wish, on_invited, NULL), 0);
    assert_int_equal(wait_owner(&gate), 0);
}

static size_t times_told(const char *text)
{
    size_t count = 0;
    for (const char *at = weft_world_log(stage.host); (at = strstr(at, text)); at++) {
        count++;
    }
    return count;
}

static void it_joins_at_its_start_and_not_twice(void **state)
{
    (void)state;
    begin_invited(1);
    start_with(owner.line);
    (void)wait_until(is_attached, &stage.node, 2 * WEFT_SECOND);
    assert_int_equal(times_told("\"joined a mesh\""), 1);
    end_process(&stage.node);
    start_with(owner.line); /* the same settings, as after every start of the machine */
    (void)wait_until(is_attached, &stage.node, 2 * WEFT_SECOND);
    assert_int_equal(times_told("\"joined a mesh\""), 1);
    assert_int_equal(times_told("\"joined no mesh\""), 0);
    assert_null(strstr(weft_world_log(stage.host), owner.line));
    end();
}

static void it_asks_until_a_gateway_answers(void **state)
{
    (void)state;
    begin_invited(1);
    end_process(&gate);
    start_with(owner.line);
    stage_pass(300 * WEFT_SECOND);
    assert_int_equal(attachments(&stage.node), 0);
    assert_int_equal(times_told("asks again until it is answered"), 1); /* not once for each time */
    start_gate();
    (void)wait_until(is_attached, &stage.node, 2 * WEFT_OPT_IN_MOST);
    assert_int_equal(times_told("\"joined a mesh\""), 1);
    end();
}

static void what_will_not_change_is_said_once(void **state)
{
    (void)state;
    struct weft_resident other = {.node = NULL};
    struct weft_host *host;
    const struct weft_resident_options options = {.yaml = "listen: [\"tcp:127.0.0.1:82\"]\n",
                                                  .journal_format = WEFT_JOURNAL_JSON};
    begin_invited(1);
    host = weft_world_host(stage.world, "other");
    weft_resident_start(&other, host, stage.world, &options);
    weft_mesh_join(mesh_of(&other), weft_slice_text(owner.line), on_joined, NULL);
    assert_int_equal(wait_owner(&other), 0);
    start_with(owner.line);
    stage_pass(300 * WEFT_SECOND);
    assert_int_equal(attachments(&stage.node), 0);
    assert_int_equal(times_told("This invite was used as often as it may be"), 1);
    assert_int_equal(times_told("does not ask again before it is started anew"), 1);
    assert_int_equal(times_told("\"started\""), 1); /* it serves, alone */
    end_process(&other);
    end();
}

static void who_leaves_stays_out(void **state)
{
    (void)state;
    begin_invited(2);
    start_with(owner.line);
    (void)wait_until(is_attached, &stage.node, 2 * WEFT_SECOND);
    assert_int_equal(weft_mesh_leave(mesh_of(&stage.node), on_done, NULL), 0);
    assert_int_equal(wait_owner(&stage.node), 0);
    stage_pass(300 * WEFT_SECOND);
    assert_int_equal(attachments(&stage.node), 0);
    assert_null(weft_mesh_state_membership(weft_mesh_state_of(mesh_of(&stage.node))));
    end();
}

static void it_can_end_while_it_asks(void **state)
{
    (void)state;
    for (int ms = 0; ms < 3000; ms += 250) {
        begin_invited(1);
        end_process(&gate);
        start_with(owner.line);
        stage_pass(ms * WEFT_MS);
        end();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_joins_at_its_start_and_not_twice),
        cmocka_unit_test(it_asks_until_a_gateway_answers),
        cmocka_unit_test(what_will_not_change_is_said_once),
        cmocka_unit_test(who_leaves_stays_out),
        cmocka_unit_test(it_can_end_while_it_asks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
