/* tests/unit/node/tenancy_test.c - which model loads and which one goes: rules one by one, then any facts at all. */
#include "node/tenancy.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/random.h"

#define GIB ((uint64_t)1 << 30)
#define OUT WEFT_TENANT_OUT
#define IN  WEFT_TENANT_IN
#define NOW (1000 * WEFT_SECOND)

static struct weft_tenancy_decision decide(const struct weft_tenant *at, size_t count, uint64_t budget)
{
    const struct weft_tenancy tenancy = {
        .at = at, .count = count, .most = 3, .now = NOW, .keep_alive = 300 * WEFT_SECOND, .budget = budget};
    return weft_tenancy_decide(&tenancy);
}

static void expect(const struct weft_tenant *at, size_t count, uint64_t budget, enum weft_tenancy_step step,
                   size_t index)
{
    struct weft_tenancy_decision decision = decide(at, count, budget);
    assert_int_equal(decision.step, step);
    if (step != WEFT_TENANCY_NOTHING) {
        assert_int_equal(decision.index, index);
    }
}

static void nobody_is_due(void **state)
{
    (void)state;
    const struct weft_tenant at[] = {{.state = OUT}, {.state = IN, .used = NOW - 10 * WEFT_SECOND}, {.state = OUT}};
    expect(at, 3, 0, WEFT_TENANCY_NOTHING, 0);
    assert_true(decide(at, 3, 0).again == NOW + 290 * WEFT_SECOND); /* then the second has been idle for long enough */
    expect(at, 1, 0, WEFT_TENANCY_NOTHING, 0);
    assert_true(decide(at, 1, 0).again == WEFT_NEVER);
    expect(at, 0, 0, WEFT_TENANCY_NOTHING, 0);
}

static void who_is_due_longest_loads_first_and_alone(void **state)
{
    (void)state;
    struct weft_tenant at[] = {{.due = true, .since = 30}, {.due = true, .since = 20}, {.due = true, .since = 20}};
    expect(at, 3, 0, WEFT_TENANCY_LOAD, 1);
    at[1].state = WEFT_TENANT_LOADING;
    at[1].due = false;
    expect(at, 3, 0, WEFT_TENANCY_NOTHING, 0);
    at[1].state = IN;
    at[1].used = NOW;
    expect(at, 3, 0, WEFT_TENANCY_LOAD, 2);
    at[2] = (struct weft_tenant){.state = WEFT_TENANT_LEAVING}; /* its memory is not free yet */
    expect(at, 3, 0, WEFT_TENANCY_NOTHING, 0);
    at[2].state = OUT;
    expect(at, 3, 0, WEFT_TENANCY_LOAD, 0);
}

static void one_that_nobody_needs_goes_in_time(void **state)
{
    (void)state;
    struct weft_tenant at[] = {{.state = IN, .used = NOW - 300 * WEFT_SECOND},
                               {.state = IN, .used = NOW - 299 * WEFT_SECOND}};
    expect(at, 2, 0, WEFT_TENANCY_UNLOAD_IDLE, 0);
    at[0].users = 1; /* needed, however long ago that began */
    expect(at, 2, 0, WEFT_TENANCY_NOTHING, 0);
    assert_true(decide(at, 2, 0).again == NOW + WEFT_SECOND);
    at[0].users = 0;
    at[0].stays = true;
    expect(at, 2, 0, WEFT_TENANCY_NOTHING, 0);
    at[0].stays = false;
    const struct weft_tenancy for_ever = {.at = at, .count = 2, .most = 3, .now = WEFT_NEVER - 1};
    assert_int_equal(weft_tenancy_decide(&for_ever).step, WEFT_TENANCY_NOTHING);
    assert_true(weft_tenancy_decide(&for_ever).again == WEFT_NEVER);
}

static void the_least_recently_used_goes_for_another(void **state)
{
    (void)state;
    struct weft_tenant at[] = {
        {.state = IN, .used = NOW - 2, .memory = GIB},
        {.state = IN, .used = NOW - 3, .memory = GIB, .stays = true}, /* named ones go too */
        {.due = true, .asked = true, .memory = GIB},
    };
    expect(at, 3, 3 * GIB, WEFT_TENANCY_LOAD, 2);
    assert_true(decide(at, 3, 3 * GIB).room == GIB);
    expect(at, 3, 3 * GIB - 1, WEFT_TENANCY_UNLOAD_FOR, 1);
    at[1].users = 1;
    expect(at, 3, 3 * GIB - 1, WEFT_TENANCY_UNLOAD_FOR, 0);
    at[0].users = 1; /* never under an answer */
    expect(at, 3, 3 * GIB - 1, WEFT_TENANCY_NOTHING, 0);
    at[0].users = at[1].users = 0;
    at[2].asked = false; /* nobody waits for it */
    expect(at, 3, 3 * GIB - 1, WEFT_TENANCY_LEAVE_OUT, 2);
    at[2].users = 1;
    expect(at, 3, 3 * GIB - 1, WEFT_TENANCY_UNLOAD_FOR, 1);
}

static void nobody_goes_in_vain(void **state)
{
    (void)state;
    struct weft_tenant at[] = {
        {.state = IN, .memory = 2 * GIB, .users = 1},
        {.state = IN, .used = NOW, .memory = GIB},
        {.due = true, .asked = true, .memory = 3 * GIB},
    };
    expect(at, 3, 4 * GIB, WEFT_TENANCY_NOTHING, 0);
    expect(at, 3, 5 * GIB, WEFT_TENANCY_UNLOAD_FOR, 1);
    at[2].memory = 0; /* it may be small */
    expect(at, 3, 4 * GIB, WEFT_TENANCY_LOAD, 2);
    expect(at, 3, 3 * GIB, WEFT_TENANCY_UNLOAD_FOR, 1);
    expect(at, 3, 2 * GIB, WEFT_TENANCY_NOTHING, 0);
}

static void one_that_must_wait_holds_up_nobody_else(void **state)
{
    (void)state;
    const struct weft_tenant at[] = {
        {.state = IN, .memory = 3 * GIB, .users = 1},
        {.due = true, .since = 1, .asked = true, .memory = 2 * GIB},
        {.due = true, .since = 2, .asked = true, .memory = GIB},
    };
    expect(at, 3, 4 * GIB, WEFT_TENANCY_LOAD, 2);
}

static void an_engine_that_found_too_little_waits_for_more(void **state)
{
    (void)state;
    struct weft_tenant at[] = {{.state = IN, .used = NOW}, {.due = true, .asked = true, .refused = true}};
    expect(at, 2, 0, WEFT_TENANCY_UNLOAD_FOR, 0);
    at[0].users = 1;
    expect(at, 2, 0, WEFT_TENANCY_NOTHING, 0);
    at[0].users = 0;
    at[1].asked = false;
    expect(at, 2, 0, WEFT_TENANCY_LEAVE_OUT, 1);
    at[0].state = OUT; /* alone, and it was too little all the same */
    expect(at, 2, 0, WEFT_TENANCY_GIVE_UP, 1);
    at[1].refused = false;
    expect(at, 2, 0, WEFT_TENANCY_LOAD, 1);
    at[1].memory = 9 * GIB;
    expect(at, 2, GIB, WEFT_TENANCY_LOAD, 1); /* its engine will say how much it is */
    assert_true(decide(at, 2, GIB).room == GIB);
    assert_true(decide(at, 2, 0).room == 0);
}

static void so_many_and_no_more(void **state)
{
    (void)state;
    struct weft_tenant at[] = {
        {.state = IN, .used = NOW}, {.state = IN, .used = NOW - 1}, {.state = IN, .used = NOW}, {.due = true}};
    expect(at, 4, 0, WEFT_TENANCY_LEAVE_OUT, 3);
    at[3].asked = true;
    expect(at, 4, 0, WEFT_TENANCY_UNLOAD_FOR, 1);
}

/* -- whatever the facts are -- */

#define TENANTS 6

/* The step is one that the rules allow, and taking steps comes to an end. */
static void check_step(const struct weft_tenancy *tenancy, const struct weft_tenancy_decision *decision)
{
    const struct weft_tenant *tenant = &tenancy->at[decision->index];
    uint64_t held = 0;
    size_t loaded = 0, moving = 0;
    for (size_t i = 0; i < tenancy->count; i++) {
        loaded += tenancy->at[i].state == IN;
        moving += tenancy->at[i].state == WEFT_TENANT_LOADING || tenancy->at[i].state == WEFT_TENANT_LEAVING;
        held += tenancy->at[i].state == IN ? tenancy->at[i].memory : 0;
    }
    switch (decision->step) {
    case WEFT_TENANCY_LOAD:
        assert_true(tenant->due && tenant->state == OUT && !tenant->refused && moving == 0);
        assert_true(loaded == 0 || tenancy->budget == 0 || held + tenant->memory <= tenancy->budget);
        assert_true(loaded < tenancy->most || loaded == 0);
        break;
    case WEFT_TENANCY_UNLOAD_IDLE:
        assert_true(!tenant->stays && tenancy->now - tenant->used >= tenancy->keep_alive);
        /* fallthrough */
    case WEFT_TENANCY_UNLOAD_FOR:
        assert_true(tenant->state == IN && tenant->users == 0);
        break;
    case WEFT_TENANCY_LEAVE_OUT:
        assert_true(tenant->due && !tenant->asked && tenant->users == 0 && loaded > 0);
        break;
    case WEFT_TENANCY_GIVE_UP:
        assert_true(tenant->due && tenant->refused && loaded == 0);
        break;
    case WEFT_TENANCY_NOTHING:
        break;
    }
}

/* As the supervisor does it; what loads is in, or finds too little memory, at once. */
static void take(struct weft_tenant *at, const struct weft_tenancy_decision *decision, bool enough)
{
    struct weft_tenant *tenant = &at[decision->index];
    switch (decision->step) {
    case WEFT_TENANCY_LOAD:
        tenant->refused = !enough;
        tenant->due = !enough;
        tenant->state = enough ? IN : OUT;
        tenant->used = NOW;
        break;
    case WEFT_TENANCY_UNLOAD_IDLE:
    case WEFT_TENANCY_UNLOAD_FOR:
        tenant->state = OUT;
        for (size_t i = 0; i < TENANTS; i++) {
            at[i].refused = false;
        }
        break;
    case WEFT_TENANCY_LEAVE_OUT:
    case WEFT_TENANCY_GIVE_UP:
        tenant->due = tenant->asked = tenant->refused = false;
        break;
    case WEFT_TENANCY_NOTHING:
        break;
    }
}

static void any_facts_come_to_rest(void **state)
{
    (void)state;
    struct weft_random random;
    weft_random_init(&random, 11);
    for (int round = 0; round < 20000; round++) {
        struct weft_tenant at[TENANTS];
        for (size_t i = 0; i < TENANTS; i++) {
            uint64_t bits = weft_random_next(&random);
            at[i] = (struct weft_tenant){.state = bits % 2 ? IN : OUT,
                                         .due = bits % 2 == 0 && bits & 4,
                                         .since = (weft_time)(bits >> 8 & 7),
                                         .asked = bits & 16,
                                         .stays = bits & 32,
                                         .users = bits & 64 ? 1 : 0,
                                         .used = NOW - (weft_time)(bits >> 16 & 511) * WEFT_SECOND,
                                         .memory = (bits >> 32 & 3) * GIB};
        }
        const struct weft_tenancy tenancy = {.at = at,
                                             .count = TENANTS,
                                             .most = 3,
                                             .now = NOW,
                                             .keep_alive = 300 * WEFT_SECOND,
                                             .budget = weft_random_next(&random) % 7 * GIB};
        struct weft_tenancy_decision decision;
        size_t steps = 0;
        do {
            decision = weft_tenancy_decide(&tenancy);
            check_step(&tenancy, &decision);
            take(at, &decision, weft_random_next(&random) % 4 != 0);
            assert_true(++steps < 100);
        } while (decision.step != WEFT_TENANCY_NOTHING);
        for (size_t i = 0; i < TENANTS; i++) { /* who still waits does so for others that are needed */
            size_t needed = 0;
            for (size_t j = 0; j < TENANTS; j++) {
                needed += at[j].state == IN && at[j].users > 0;
            }
            assert_true(!at[i].due || needed > 0);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nobody_is_due),
        cmocka_unit_test(who_is_due_longest_loads_first_and_alone),
        cmocka_unit_test(one_that_nobody_needs_goes_in_time),
        cmocka_unit_test(the_least_recently_used_goes_for_another),
        cmocka_unit_test(nobody_goes_in_vain),
        cmocka_unit_test(one_that_must_wait_holds_up_nobody_else),
        cmocka_unit_test(an_engine_that_found_too_little_waits_for_more),
        cmocka_unit_test(so_many_and_no_more),
        cmocka_unit_test(any_facts_come_to_rest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
