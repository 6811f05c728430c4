/* tests/unit/node/renewing_test.c - certificates are renewed in time, by whom may do that, and shown anew. */
#include "node/renewing.h"

#include "attached.h"

#define DAY_S ((int64_t)86400)

static const struct weft_certificate *own_of(const struct weft_resident *of)
{
    return weft_mesh_state_certificate(weft_mesh_state_of(mesh_of(of)));
}

static void days_pass(int64_t days)
{
    weft_world_jump(stage.host, days * DAY_S * WEFT_SECOND);
    weft_world_jump(stage.upstream, days * DAY_S * WEFT_SECOND);
    stage_pass(3 * WEFT_RENEWING_LOOK);
}

static size_t said(struct weft_host *host, const char *what)
{
    size_t count = 0;
    for (const char *at = weft_world_log(host); (at = strstr(at, what)); at += strlen(what)) {
        count++;
    }
    return count;
}

static void from_the_middle_on(void **state)
{
    (void)state;
    const struct weft_certificate own = {.not_before_s = 1000, .not_after_s = 1000 + 1600};
    struct weft_renewing renewing = {.fraction = 0};
    assert_int_equal(weft_renewing_due_s(&renewing, &own), 1800);
    renewing.fraction = UINT32_MAX;
    assert_int_equal(weft_renewing_due_s(&renewing, &own), 1899);
    renewing.fraction = UINT32_MAX / 2;
    assert_int_equal(weft_renewing_due_s(&renewing, &own), 1849);
}

static void a_member_is_renewed_by_its_gateway(void **state)
{
    (void)state;
    begin();
    join();
    (void)wait_until(is_attached, &stage.node, WEFT_SECOND);
    struct weft_certificate first = *own_of(&stage.node);
    days_pass(14);
    assert_int_equal(own_of(&stage.node)->serial, first.serial);
    days_pass(3);
    assert_int_not_equal(own_of(&stage.node)->serial, first.serial);
    assert_true(own_of(&stage.node)->not_after_s > first.not_after_s);
    days_pass(14);                                             /* past the end of the first */
    assert_int_equal(who_is(&stage.node, &gate), WEFT_MEMBER); /* it was shown the new one, on the same link */
    assert_int_equal(attachments(&stage.node), 1);
    uint64_t serial = own_of(&stage.node)->serial;
    end_process(&stage.node);
    start_node();
    assert_int_equal(own_of(&stage.node)->serial, serial); /* it was stored */
    end();
}

static void while_nobody_is_there_it_says_so_and_goes_on(void **state)
{
    (void)state;
    begin();
    join();
    (void)wait_until(is_attached, &stage.node, WEFT_SECOND);
    uint64_t serial = own_of(&stage.node)->serial;
    end_process(&gate);
    days_pass(20);
    stage_pass(5 * WEFT_RENEWING_LOOK);
    assert_int_equal(said(stage.host, "certificate not renewed"), 1); /* once a day */
    assert_int_equal(own_of(&stage.node)->serial, serial);
    start_gate();
    stage_pass(3 * WEFT_RENEWING_LOOK);
    assert_int_not_equal(own_of(&stage.node)->serial, serial);
    end();
}

/* Its clock is weeks ahead of the gateway's. */
static void what_comes_back_as_it_was_is_not_renewed(void **state)
{
    (void)state;
    begin();
    join();
    (void)wait_until(is_attached, &stage.node, WEFT_SECOND);
    uint64_t serial = own_of(&stage.node)->serial;
    weft_world_jump(stage.host, 20 * DAY_S * WEFT_SECOND);
    stage_pass(5 * WEFT_RENEWING_LOOK);
    assert_int_equal(own_of(&stage.node)->serial, serial);
    assert_int_equal(said(stage.host, "certificate not renewed"), 1);
    assert_int_equal(said(stage.host, "certificate renewed"), 0);
    weft_world_jump(stage.upstream, 20 * DAY_S * WEFT_SECOND);
    stage_pass(2 * WEFT_RENEWING_LOOK);
    assert_int_not_equal(own_of(&stage.node)->serial, serial);
    end();
}

static void what_cannot_be_stored_does_not_count(void **state)
{
    (void)state;
    begin();
    join();
    (void)wait_until(is_attached, &stage.node, WEFT_SECOND);
    uint64_t serial = own_of(&stage.node)->serial;
    weft_world_fail_store(stage.host, 0, WEFT_ERR_FULL);
    days_pass(20);
    assert_int_equal(own_of(&stage.node)->serial, serial);
    assert_int_equal(said(stage.host, "certificate not renewed"), 1);
    weft_world_fail_store(stage.host, 0, 0);
    stage_pass(2 * WEFT_RENEWING_LOOK);
    assert_int_not_equal(own_of(&stage.node)->serial, serial);
    end();
}

static void a_gateway_is_renewed_by_the_root_if_it_is_there(void **state)
{
    (void)state;
    begin();
    uint64_t serial = own_of(&gate)->serial;
    days_pass(150);
    assert_int_equal(own_of(&gate)->serial, serial);
    days_pass(80);
    assert_int_not_equal(own_of(&gate)->serial, serial);
    end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(from_the_middle_on),
        cmocka_unit_test(a_member_is_renewed_by_its_gateway),
        cmocka_unit_test(while_nobody_is_there_it_says_so_and_goes_on),
        cmocka_unit_test(what_comes_back_as_it_was_is_not_renewed),
        cmocka_unit_test(what_cannot_be_stored_does_not_count),
        cmocka_unit_test(a_gateway_is_renewed_by_the_root_if_it_is_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
