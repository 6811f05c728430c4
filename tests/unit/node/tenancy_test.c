/* tests/unit/node/tenancy_test.c - which model loads and which one goes: rules one by one, any facts at all, and what
 * the supervisor makes of it, with engines that are played. */
#include "node/tenancy.h"

#include "base/random.h"
#include "unit/node/house.h"

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

/* -- the supervisor -- */

#define KEEP_ALIVE (300 * WEFT_SECOND)

/* The first model is named, the two others are offered; their engines take 1 GiB each of so much (0: no bound). */
static void begin_on_demand(int64_t budget)
{
    engines_begin();
    assert_int_equal(make_offered(three, 3, 2), 0);
    house.config.engine_keep_alive = KEEP_ALIVE;
    house.config.engine_memory_budget = budget;
    weft_models_start(house.models);
}

static bool is_in(void *self)
{
    const size_t *index = self;
    struct weft_relay_target target;
    return weft_models_target(house.models, *index, &target) == 0;
}

/* In a turn of its own: that tells the time. */
static void ask_for(size_t index)
{
    engines_pass(0);
    weft_models_want(house.models, index);
}

/* It says nothing, as if its reader were slow: nobody here writes. */
static void place_go(void *self)
{
    weft_line_pause(self, true);
}

static void place_back(void *self, bool stalled)
{
    (void)self, (void)stalled;
}

static void place_out(void *self, enum weft_line_out why)
{
    (void)self, (void)why;
}

static void place_waiting(void *self, size_t ahead, weft_time estimate)
{
    (void)self, (void)ahead, (void)estimate;
}

/* So many stand in its line from now on: the engines do not end here, so nobody is sent back. */
static void use(size_t index, size_t count)
{
    static const struct weft_place_user user = {
        .go = place_go, .back = place_back, .out = place_out, .waiting = place_waiting};
    engines_pass(0);
    for (size_t i = 0; i < USERS_MAX; i++) {
        struct weft_place *place = &places[index][i];
        if (i >= count) {
            weft_line_leave(place);
        } else if (place->state == WEFT_PLACE_OUT) {
            *place = (struct weft_place){.user = &user, .self = place};
            assert_int_equal(weft_line_join(weft_models_line(house.models, index), place, 1, 1, 3600 * WEFT_SECOND), 0);
        }
    }
    engines_pass(0);
}

static void want(size_t index)
{
    ask_for(index);
    assert_true(engines_wait(is_in, &index));
}

static void expect_states(enum weft_model_state first, enum weft_model_state second, enum weft_model_state third)
{
    const enum weft_model_state states[] = {first, second, third};
    for (size_t i = 0; i < 3; i++) {
        assert_string_equal(weft_model_state_name(info(i).state), weft_model_state_name(states[i]));
    }
}

static void an_offered_model_is_loaded_when_it_is_wanted(void **state)
{
    (void)state;
    begin_on_demand(0);
    engines.children.script.loads = WEFT_SECOND;
    assert_true(engines_wait(is_ready, NULL)); /* without them */
    expect_states(WEFT_MODEL_READY, WEFT_MODEL_UNLOADED, WEFT_MODEL_UNLOADED);
    assert_true(info(0).named && !info(1).named);
    assert_int_equal(engines.children.started, 1);
    struct weft_relay_target target;
    assert_int_equal(weft_models_target(house.models, 1, &target), WEFT_ERR_BUSY);

    ask_for(1);
    expect_states(WEFT_MODEL_READY, WEFT_MODEL_STARTING, WEFT_MODEL_UNLOADED);
    engines_pass(500 * WEFT_MS);
    expect_states(WEFT_MODEL_READY, WEFT_MODEL_LOADING, WEFT_MODEL_UNLOADED);
    assert_true(is_ready(NULL)); /* the node is what it was */
    ask_for(2);
    ask_for(1); /* twice is as good as once */
    engines_pass(200 * WEFT_MS);
    assert_int_equal(engines.children.started, 2); /* one after the other */
    assert_false(info(2).waits);
    engines_pass(2 * WEFT_SECOND);
    expect_states(WEFT_MODEL_READY, WEFT_MODEL_READY, WEFT_MODEL_READY);
    assert_int_equal(engines.children.started, 3);
    end();
}

static void one_that_nobody_uses_is_unloaded(void **state)
{
    (void)state;
    begin_on_demand(0);
    want(1);
    want(2);
    engines_pass(100 * WEFT_SECOND);
    use(2, 2); /* a long answer, and one that waits */
    ask_for(1);
    engines_pass(KEEP_ALIVE - WEFT_SECOND);
    expect_states(WEFT_MODEL_READY, WEFT_MODEL_READY, WEFT_MODEL_READY);
    engines_pass(2 * WEFT_SECOND);
    expect_states(WEFT_MODEL_READY, WEFT_MODEL_UNLOADED, WEFT_MODEL_READY);
    assert_true(said("model unloaded model=Big-70B why=idle"));
    assert_false(said("engine died"));
    assert_int_equal(info(1).unloads, 1);
    assert_int_equal(info(1).deaths, 0);
    assert_int_equal(info(1).process, 0);
    assert_int_equal(info(2).users, 2);
    engines_pass(2 * KEEP_ALIVE);
    use(2, 0);
    engines_pass(KEEP_ALIVE - WEFT_SECOND); /* from the last answer's end on */
    expect_states(WEFT_MODEL_READY, WEFT_MODEL_UNLOADED, WEFT_MODEL_READY);
    engines_pass(2 * WEFT_SECOND);
    expect_states(WEFT_MODEL_READY, WEFT_MODEL_UNLOADED, WEFT_MODEL_UNLOADED);
    engines_pass(2 * KEEP_ALIVE); /* the named one stays */
    expect_states(WEFT_MODEL_READY, WEFT_MODEL_UNLOADED, WEFT_MODEL_UNLOADED);
    want(1);
    assert_int_equal(info(1).starts, 2);
    end();
}

static void the_least_recently_used_makes_room(void **state)
{
    (void)state;
    begin_on_demand((int64_t)5 << 29); /* two and a half */
    assert_true(engines_wait(is_ready, NULL));
    engines_pass(WEFT_SECOND);
    want(1);
    engines_pass(WEFT_SECOND);
    ask_for(0); /* it is ready: only used */
    want(2);
    expect_states(WEFT_MODEL_READY, WEFT_MODEL_UNLOADED, WEFT_MODEL_READY);
    assert_true(said("model unloaded model=Big-70B why=memory"));
    assert_true(strstr(engines.children.arguments, " --memory-max 1610612736")); /* what is left beside one */
    use(2, 1);
    engines_pass(WEFT_SECOND);
    want(1); /* the named one goes too */
    expect_states(WEFT_MODEL_UNLOADED, WEFT_MODEL_READY, WEFT_MODEL_READY);
    assert_true(is_ready(NULL)); /* that is no failure */
    want(0);
    expect_states(WEFT_MODEL_READY, WEFT_MODEL_UNLOADED, WEFT_MODEL_READY);
    assert_int_equal(info(0).starts, 2);
    end();
}

static void nobody_goes_under_an_answer(void **state)
{
    (void)state;
    begin_on_demand(WEFT_CHILD_MEMORY); /* one */
    assert_true(engines_wait(is_ready, NULL));
    use(0, 1);
    ask_for(1);
    engines_pass(60 * WEFT_SECOND);
    expect_states(WEFT_MODEL_READY, WEFT_MODEL_STARTING, WEFT_MODEL_UNLOADED);
    assert_true(info(1).waits);
    assert_int_equal(info(0).unloads, 0);
    use(1, 1); /* an answer waits for it */
    use(0, 0);
    size_t index = 1;
    assert_true(engines_wait(is_in, &index));
    assert_false(info(1).waits);
    expect_states(WEFT_MODEL_UNLOADED, WEFT_MODEL_READY, WEFT_MODEL_UNLOADED);
    ask_for(2);
    engines_pass(60 * WEFT_SECOND);
    assert_true(info(2).waits);
    use(1, 0);
    index = 2;
    assert_true(engines_wait(is_in, &index));
    end();
}

/* Two ask while one is busy, and neither fits beside it: an engine that was refused has held nothing that its end gives
 * back, so they do not try in turns. */
static void those_that_were_refused_wait_for_memory_to_be_given_back(void **state)
{
    (void)state;
    begin_on_demand((int64_t)3 << 29); /* one and a half */
    assert_true(engines_wait(is_ready, NULL));
    use(0, 1);
    ask_for(1);
    ask_for(2);
    engines_pass(60 * WEFT_SECOND);
    assert_int_equal(info(1).starts, 1);
    assert_int_equal(info(2).starts, 1);
    assert_true(info(1).waits && info(2).waits);
    use(1, 1);
    use(0, 0);
    size_t index = 1;
    assert_true(engines_wait(is_in, &index));
    end();
}

/* Its own memory is not known before it is tried: its engine says that it is too little. */
static void an_engine_may_ask_for_room(void **state)
{
    (void)state;
    begin_on_demand((int64_t)3 << 29); /* one and a half */
    assert_true(engines_wait(is_ready, NULL));
    want(1);
    expect_states(WEFT_MODEL_UNLOADED, WEFT_MODEL_READY, WEFT_MODEL_UNLOADED);
    assert_int_equal(info(1).starts, 2); /* refused once */
    assert_int_equal(info(1).deaths, 0);
    assert_null(info(1).problem);
    want(0);
    assert_int_equal(info(0).starts, 2); /* by now it is known */
    expect_states(WEFT_MODEL_READY, WEFT_MODEL_UNLOADED, WEFT_MODEL_UNLOADED);
    end();
}

static void one_that_never_fits_says_so_and_may_be_tried_later(void **state)
{
    (void)state;
    begin_on_demand(0);
    assert_true(engines_wait(is_ready, NULL));
    engines.children.script = (struct weft_child_script){.refuses = "It needs 9 GB.", .for_memory = true};
    ask_for(1);
    engines_pass(10 * WEFT_SECOND); /* the named one has gone for it, in vain */
    expect_states(WEFT_MODEL_UNLOADED, WEFT_MODEL_FAILED, WEFT_MODEL_UNLOADED);
    assert_string_equal(info(1).problem, "It needs 9 GB.");
    assert_true(is_ready(NULL));
    uint32_t starts = info(1).starts;
    ask_for(1);
    engines_pass(WEFT_SECOND);
    assert_int_equal(info(1).starts, starts);
    engines_pass(WEFT_MODEL_HOPE_PAUSE);
    engines.children.script = (struct weft_child_script){.loads = WEFT_SECOND}; /* somebody else's program has ended */
    want(1);
    assert_null(info(1).problem);
    end();
}

/* Its file is not whole yet, or gone, and is mended while the node runs. */
static void one_that_was_refused_may_be_tried_later(void **state)
{
    (void)state;
    begin_on_demand(0);
    assert_true(engines_wait(is_ready, NULL));
    engines.children.script = (struct weft_child_script){.refuses = "It is damaged."};
    ask_for(2);
    engines_pass(10 * WEFT_SECOND);
    assert_int_equal(info(2).state, WEFT_MODEL_FAILED);
    engines_pass(WEFT_MODEL_HOPE_PAUSE);
    assert_int_equal(info(2).state, WEFT_MODEL_UNLOADED);
    assert_string_equal(info(2).problem, "It is damaged."); /* as far as anybody knows */
    assert_int_equal(info(2).starts, 1);                    /* nobody has asked for it */
    engines.children.script = (struct weft_child_script){.loads = WEFT_SECOND};
    want(2);
    assert_null(info(2).problem);
    end();
}

/* Two are named, and there is room for one: the second is there when it is asked for. */
static void named_ones_do_not_put_each_other_out_at_the_start(void **state)
{
    (void)state;
    engines_begin();
    assert_int_equal(make_offered(three, 3, 0), 0);
    house.config.engine_memory_budget = (int64_t)3 << 29;
    weft_models_start(house.models);
    assert_true(engines_wait(is_ready, NULL));
    expect_states(WEFT_MODEL_READY, WEFT_MODEL_UNLOADED, WEFT_MODEL_UNLOADED);
    assert_string_equal(info(1).problem, "It needs 1.1 GB, and less is left.");
    assert_true(said("warn  model left out model=Big-70B why=\"It needs 1.1 GB, and less is left.\""));
    want(1);
    expect_states(WEFT_MODEL_UNLOADED, WEFT_MODEL_READY, WEFT_MODEL_UNLOADED);
    engines_pass(3600 * WEFT_SECOND);
    expect_states(WEFT_MODEL_UNLOADED, WEFT_MODEL_READY, WEFT_MODEL_UNLOADED);
    end();
}

static void shares_of_the_cores_change_as_models_come_and_go(void **state)
{
    (void)state;
    begin_on_demand(0);
    weft_world_set_cores(engines.host, 0); /* they were counted already: 4 */
    assert_true(engines_wait(is_ready, NULL));
    const struct weft_child *first = &engines.children.at[0];
    assert_int_equal(first->threads, 4);
    want(1);
    assert_int_equal(engines.children.at[1].threads, 2);
    engines_pass(10 * WEFT_MS);
    assert_int_equal(first->threads, 2);
    assert_int_equal(info(0).threads, 2);
    want(2);
    engines_pass(10 * WEFT_MS);
    assert_int_equal(first->threads, 2);
    assert_int_equal(engines.children.at[1].threads, 1);
    assert_int_equal(engines.children.at[2].threads, 1);
    weft_child_die(&engines.children.at[1], 11); /* it comes back: nobody gets its cores meanwhile */
    engines_pass(100 * WEFT_MS);
    assert_int_equal(first->threads, 2);
    engines_pass(KEEP_ALIVE + 10 * WEFT_SECOND);
    expect_states(WEFT_MODEL_READY, WEFT_MODEL_UNLOADED, WEFT_MODEL_UNLOADED);
    assert_int_equal(first->threads, 4);
    end();
}

/* Wanted while its engine is still ending, and stopped at any time of all this. */
static void it_may_be_wanted_or_stopped_at_any_time(void **state)
{
    (void)state;
    begin_on_demand(WEFT_CHILD_MEMORY);
    engines.children.script.stubborn = true;
    want(1);
    ask_for(2);
    engines_pass(WEFT_SECOND);
    expect_states(WEFT_MODEL_UNLOADED, WEFT_MODEL_UNLOADING, WEFT_MODEL_STARTING);
    use(2, 1);
    ask_for(1);
    assert_false(info(1).waits || info(2).waits);
    size_t index = 2;
    assert_true(engines_wait(is_in, &index));
    use(2, 0);
    index = 1;
    assert_true(engines_wait(is_in, &index)); /* in its turn */
    assert_int_equal(info(1).starts, 2);
    end();
    for (weft_time at = 0; at < 5 * WEFT_SECOND; at += 150 * WEFT_MS) {
        begin_on_demand(WEFT_CHILD_MEMORY);
        engines.children.script = (struct weft_child_script){.loads = 500 * WEFT_MS, .stubborn = at % 100000 != 0};
        ask_for(1);
        ask_for(2);
        engines_pass(at);
        weft_models_stop(house.models);
        ask_for(0); /* too late */
        assert_true(engines_wait(is_stopped, NULL));
        assert_int_equal(weft_world_processes(engines.host), 0);
        end();
    }
}

static void memory_may_run_out_on_demand(void **state)
{
    (void)state;
    for (uint64_t at = 1;; at++) {
        begin_on_demand(2 * (int64_t)WEFT_CHILD_MEMORY);
        house.config.engine_keep_alive = 5 * WEFT_SECOND;
        assert_true(engines_wait(is_ready, NULL));
        weft_mem_fail_at(at);
        want(1);
        want(2); /* whatever failed is tried again */
        engines_pass(20 * WEFT_SECOND);
        bool failed = weft_mem_failed();
        weft_mem_fail_at(0);
        assert_int_equal(info(1).process + info(2).process, 0);
        end();
        if (!failed) {
            assert_true(at > 30);
            return;
        }
    }
}

int main(void)
{
    weft_json_setup(1);
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
        cmocka_unit_test(an_offered_model_is_loaded_when_it_is_wanted),
        cmocka_unit_test(one_that_nobody_uses_is_unloaded),
        cmocka_unit_test(the_least_recently_used_makes_room),
        cmocka_unit_test(nobody_goes_under_an_answer),
        cmocka_unit_test(those_that_were_refused_wait_for_memory_to_be_given_back),
        cmocka_unit_test(an_engine_may_ask_for_room),
        cmocka_unit_test(one_that_never_fits_says_so_and_may_be_tried_later),
        cmocka_unit_test(one_that_was_refused_may_be_tried_later),
        cmocka_unit_test(named_ones_do_not_put_each_other_out_at_the_start),
        cmocka_unit_test(shares_of_the_cores_change_as_models_come_and_go),
        cmocka_unit_test(it_may_be_wanted_or_stopped_at_any_time),
        cmocka_unit_test(memory_may_run_out_on_demand),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
