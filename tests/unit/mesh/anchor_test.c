/* tests/unit/mesh/anchor_test.c - how a node finds its gateways, loses them and finds them again. */
#include "unit/mesh/anchor_stage.h"

#include <stdlib.h>

#include "base/mem.h"

#define STORIES_SEEDS 20
#define SEEDS         200
#define HERD          400

/* -- stories -- */

#define MOMENTS 6

struct moment {
    int at_ms;
    enum { END, TURNS, SLEEPS, WAKES, ATTACHED, NOT_TO, DIALS } what;
    int number; /* which gateway turns, or it is not attached to; how many are attached, or dials at most; ms of sleep
                 */
    enum mood mood;
};

#define THEN(when, happens, how_much)                                                                                  \
    {                                                                                                                  \
        .at_ms = (when), .what = (happens), .number = (how_much)                                                       \
    }
#define TURN(when, which, to)                                                                                          \
    {                                                                                                                  \
        .at_ms = (when), .what = TURNS, .number = (which), .mood = (to)                                                \
    }

struct story {
    const char *name;
    struct gateway gateways[4];
    size_t count;
    struct moment moments[MOMENTS];
};

static const struct story stories[] = {
    {"the only gateway is found", {{.mood = MOOD_UP}}, 1, {THEN(500, ATTACHED, 1)}},
    {"two of three are held on to, and nothing more is dialled",
     {{.mood = MOOD_UP}, {.mood = MOOD_UP}, {.mood = MOOD_UP}},
     3,
     {THEN(600, ATTACHED, 2), THEN(3600000, ATTACHED, 2), THEN(3600000, DIALS, 2)}},
    {"a gateway is killed: another takes over within two seconds",
     {{.mood = MOOD_UP}, {.mood = MOOD_UP}, {.mood = MOOD_DOWN}},
     3,
     {THEN(60000, ATTACHED, 2), TURN(60000, 2, MOOD_UP), TURN(60000, 0, MOOD_DOWN), THEN(62000, ATTACHED, 2)}},
    {"the only gateway is killed and back: within two seconds",
     {{.mood = MOOD_UP}},
     1,
     {TURN(60000, 0, MOOD_DOWN), THEN(61000, ATTACHED, 0), TURN(67000, 0, MOOD_UP), THEN(69000, ATTACHED, 1)}},
    {"its link breaks, no more: the gateway is back before the node",
     {{.mood = MOOD_UP}},
     1,
     {TURN(60000, 0, MOOD_DOWN), TURN(60050, 0, MOOD_UP), THEN(61500, ATTACHED, 1)}},
    {"a silent link is known dead in under five seconds, and another found within two",
     {{.mood = MOOD_UP}, {.mood = MOOD_UP}, {.mood = MOOD_DOWN}},
     3,
     {TURN(60000, 2, MOOD_UP), TURN(60000, 0, MOOD_HOLE), THEN(65000, NOT_TO, 0), THEN(67000, ATTACHED, 2)}},
    {"two that swallow all do not keep it from the others",
     {{.mood = MOOD_HOLE}, {.mood = MOOD_HOLE}, {.mood = MOOD_UP}, {.mood = MOOD_UP}},
     4,
     {THEN(2000, ATTACHED, 2)}},
    {"who denies is not asked again for minutes",
     {{.mood = MOOD_DENY}, {.mood = MOOD_UP}},
     2,
     {THEN(290000, ATTACHED, 1), THEN(290000, DIALS, 2)}},
    {"who is busy is asked again in a while",
     {{.mood = MOOD_BUSY}},
     1,
     {THEN(60000, DIALS, 13), TURN(60000, 0, MOOD_UP), THEN(70500, ATTACHED, 1)}},
    {"two addresses of one gateway are one",
     {{.mood = MOOD_UP}, {.mood = MOOD_UP, .same_as = 1}},
     2,
     {THEN(1000, ATTACHED, 1), THEN(3600000, ATTACHED, 1), THEN(3600000, DIALS, 2)}},
    {"the second address of a gateway is tried when the first swallows all",
     {{.mood = MOOD_HOLE}, {.mood = MOOD_UP, .same_as = 1}},
     2,
     {THEN(1000, ATTACHED, 1)}},
    {"a node that slept keeps the links that still live",
     {{.mood = MOOD_UP}, {.mood = MOOD_UP}},
     2,
     {THEN(60000, SLEEPS, 3600000), THEN(3660000, ATTACHED, 2), THEN(3700000, ATTACHED, 2), THEN(3700000, DIALS, 2)}},
    {"a nap ends no link",
     {{.mood = MOOD_UP}, {.mood = MOOD_UP}},
     2,
     {THEN(61400, SLEEPS, 3200), THEN(64600, ATTACHED, 2), THEN(70000, ATTACHED, 2), THEN(70000, DIALS, 2)}},
    {"a node that slept finds its links dead, and its gateways again",
     {{.mood = MOOD_UP}, {.mood = MOOD_UP}},
     2,
     {TURN(60000, 0, MOOD_DOWN), THEN(60000, SLEEPS, 3600000), TURN(3660000, 0, MOOD_UP), THEN(3662000, ATTACHED, 2)}},
    {"a gateway that is long gone is dialled rarely, and found when it is back",
     {{.mood = MOOD_DOWN}},
     1,
     {THEN(3600000, DIALS, 330), TURN(3600000, 0, MOOD_UP), THEN(3631000, ATTACHED, 1)}},
    {"a gateway that breaks every link soon is dialled rarely too",
     {{.mood = MOOD_FLAP}},
     1,
     {THEN(3600000, DIALS, 330), THEN(7200000, DIALS, 570)}},
    {"one that was long gone and long back is forgiven",
     {{.mood = MOOD_DOWN}},
     1,
     {TURN(3600000, 0, MOOD_UP), TURN(7200000, 0, MOOD_DOWN), TURN(7205000, 0, MOOD_UP), THEN(7207000, ATTACHED, 1)}},
    {"a dial that was answered while the node slept counts",
     {{.mood = MOOD_UP}},
     1,
     {THEN(100, SLEEPS, 10000), THEN(10100, ATTACHED, 1), THEN(20000, DIALS, 1)}},
    {"a node that slept dials at once what was long gone",
     {{.mood = MOOD_UP}, {.mood = MOOD_DOWN}},
     2,
     {TURN(3600000, 1, MOOD_UP), THEN(3600000, SLEEPS, 5000), THEN(3606500, ATTACHED, 2)}},
    {"when the node wakes, what was long gone is dialled at once",
     {{.mood = MOOD_DOWN}},
     1,
     {TURN(3600000, 0, MOOD_UP), THEN(3600000, WAKES, 0), THEN(3601000, ATTACHED, 1)}},
};

static bool holds(struct stage *stage, const struct moment *moment)
{
    size_t number = (size_t)moment->number;
    switch (moment->what) {
    case TURNS:
        stage_turn(stage, number, moment->mood);
        return true;
    case SLEEPS:
        stage_sleep(stage, stage->now + moment->number * WEFT_MS);
        return true;
    case WAKES:
        weft_anchor_wake(stage->anchor, stage->now);
        return true;
    case ATTACHED:
        return stage_attached(stage) == number;
    case NOT_TO:
        return !stage_attached_to(stage, number);
    case DIALS:
        return stage->dials <= number;
    case END:
        break;
    }
    return true;
}

static void tell(const struct story *story, uint64_t seed)
{
    struct stage stage;
    stage_init(&stage, seed, story->count);
    memcpy(stage.gateways, story->gateways, sizeof(story->gateways));
    for (size_t i = 0; i < story->count; i++) {
        stage_learn(&stage, i);
    }
    for (size_t i = 0; i < MOMENTS && story->moments[i].what != END; i++) {
        const struct moment *moment = &story->moments[i];
        if (stage.now < START + moment->at_ms * WEFT_MS) {
            stage_run(&stage, START + moment->at_ms * WEFT_MS);
        }
        if (!holds(&stage, moment)) {
            fail_msg("%s: seed %llu, after %d ms: %zu attached, %u dials", story->name, (unsigned long long)seed,
                     moment->at_ms, stage_attached(&stage), stage.dials);
        }
    }
    stage_deinit(&stage);
}

static void each_story_ends_as_told(void **state)
{
    (void)state;
    for (size_t i = 0; i < WEFT_COUNT(stories); i++) {
        for (uint64_t seed = 1; seed <= STORIES_SEEDS; seed++) {
            tell(&stories[i], seed);
        }
    }
}

/* -- what no story tells -- */

static void a_link_that_is_heard_is_not_asked(void **state)
{
    (void)state;
    struct stage stage;
    stage_init(&stage, 1, 1);
    stage_learn(&stage, 0);
    stage_run(&stage, START + WEFT_SECOND);
    for (int i = 0; i < 100; i++) { /* what a stream does */
        weft_anchor_heard(stage.anchor, 0, stage.now);
        stage_run(&stage, stage.now + WEFT_SECOND);
    }
    assert_int_equal(stage.pings, 0);
    stage_run(&stage, stage.now + 160 * WEFT_SECOND);
    assert_in_range(stage.pings, 95, 101); /* idle: one in QUIET and a round trip */
    stage_deinit(&stage);
}

static void a_gateway_that_is_none_any_more_is_dropped_and_forgotten(void **state)
{
    (void)state;
    struct stage stage;
    char text[32];
    stage_init(&stage, 1, 4);
    stage.gateways[1].same_as = 1;
    struct weft_key key = stage_key(&stage, 0);
    for (size_t i = 0; i < 4; i++) {
        int learnt = weft_anchor_learn(stage.anchor, stage_address(i, text), i < 2 ? &key : NULL, false, stage.now);
        assert_int_equal(learnt, 1);
    }
    stage_turn(&stage, 2, MOOD_DOWN);
    stage_run(&stage, START + 5 * WEFT_SECOND);
    assert_true(stage_attached_to(&stage, 0) && stage_attached_to(&stage, 3));
    weft_anchor_forget(stage.anchor, &key, stage.now);
    stage_turn(&stage, 2, MOOD_UP);
    stage_run(&stage, stage.now + 3 * WEFT_SECOND);
    assert_int_equal(stage.drops[WEFT_ANCHOR_FORGOTTEN], 1);
    assert_true(stage_attached_to(&stage, 2) && stage_attached_to(&stage, 3));
    unsigned dials = stage.gateways[0].dials + stage.gateways[1].dials;
    stage_turn(&stage, 3, MOOD_HOLE); /* the others are as they were */
    stage_run(&stage, stage.now + 600 * WEFT_SECOND);
    assert_false(stage_attached_to(&stage, 3));
    stage_turn(&stage, 3, MOOD_UP);
    stage_run(&stage, stage.now + 60 * WEFT_SECOND);
    assert_true(stage_attached_to(&stage, 3));
    assert_int_equal(stage.gateways[0].dials + stage.gateways[1].dials, dials);
    stage_deinit(&stage);
}

static void a_place_for_an_address_is_made_by_those_that_failed(void **state)
{
    (void)state;
    struct stage stage;
    char text[32];
    const size_t kept = WEFT_ANCHOR_ADDRESSES_MAX / 2, others = WEFT_ANCHOR_ADDRESSES_MAX - kept;
    stage_init(&stage, 1, WEFT_ANCHOR_ADDRESSES_MAX);
    for (size_t i = 0; i < stage.count; i++) {
        assert_int_equal(weft_anchor_learn(stage.anchor, stage_address(i, text), NULL, i < kept, stage.now), 1);
        assert_int_equal(weft_anchor_learn(stage.anchor, stage_address(i, text), NULL, false, stage.now), 0);
        stage.gateways[i].mood = MOOD_DOWN;
    }
    assert_int_equal(weft_anchor_learn(stage.anchor, WEFT_SLICE("192.0.2.1:1"), NULL, true, stage.now), WEFT_ERR_FULL);
    stage_run(&stage, START + 60 * WEFT_SECOND); /* now each of them has failed */
    for (size_t i = 0; i <= others; i++) {
        struct weft_slice more = stage_address(1000 + i, text);
        assert_int_equal(weft_anchor_learn(stage.anchor, more, NULL, true, stage.now), i < others ? 1 : WEFT_ERR_FULL);
    }
    for (size_t i = 0; i < kept; i++) { /* what was named is still there */
        assert_int_equal(weft_anchor_learn(stage.anchor, stage_address(i, text), NULL, false, stage.now), 0);
    }
    assert_int_equal(weft_anchor_learn(stage.anchor, WEFT_SLICE("no port"), NULL, true, stage.now), WEFT_ERR_INVALID);
    stage_deinit(&stage);
}

static void one_that_did_not_fail_is_dialled_first(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= STORIES_SEEDS; seed++) {
        struct stage stage;
        stage_init(&stage, seed, 9);
        for (size_t i = 0; i < 8; i++) {
            stage_learn(&stage, i);
            stage.gateways[i].mood = MOOD_HOLE;
        }
        stage_run(&stage, START + 60 * WEFT_SECOND);
        stage_learn(&stage, 8);
        for (unsigned dials = stage.dials; stage.dials == dials;) {
            stage_run(&stage, stage_next(&stage));
        }
        assert_int_equal(stage.gateways[8].dials, 1);
        stage_deinit(&stage);
    }
}

static void without_a_network_few_dials_are_tried(void **state)
{
    (void)state;
    struct stage stage;
    stage_init(&stage, 1, GATEWAYS);
    for (size_t i = 0; i < GATEWAYS; i++) {
        stage_learn(&stage, i);
        stage.gateways[i].mood = MOOD_DOWN;
    }
    stage_run(&stage, START + 10 * WEFT_SECOND);
    assert_in_range(stage.dials, 50, 101); /* one in PACE */
    stage_deinit(&stage);
}

static void a_gateway_holds_on_to_all_others(void **state)
{
    (void)state;
    const size_t others = 60;
    struct stage stage;
    stage_init(&stage, 1, others);
    stage.wanted = WEFT_ANCHOR_WANTED_MAX;
    weft_anchor_want(stage.anchor, WEFT_ANCHOR_WANTED_MAX);
    for (size_t i = 0; i < others; i++) {
        stage_learn(&stage, i);
    }
    stage_run(&stage, START + 20 * WEFT_SECOND);
    assert_int_equal(stage_attached(&stage), others);
    stage_turn(&stage, 7, MOOD_DOWN);
    stage_run(&stage, START + 30 * WEFT_SECOND);
    assert_int_equal(stage_attached(&stage), others - 1);
    stage_turn(&stage, 7, MOOD_UP);
    stage_run(&stage, START + 32 * WEFT_SECOND);
    assert_int_equal(stage_attached(&stage), others);
    stage_deinit(&stage);
}

/* -- many at once -- */

/* How many of a sorted list lie in the fullest stretch of that length. */
static size_t fullest(const weft_time *times, size_t count, weft_time length)
{
    size_t most = 0;
    for (size_t first = 0, last = 0; last < count; last++) {
        while (times[last] - times[first] >= length) {
            first++;
        }
        most = last - first + 1 > most ? last - first + 1 : most;
    }
    return most;
}

static int compare_times(const void *a, const void *b)
{
    const weft_time *one = a, *other = b;
    return (*one > *other) - (*one < *other);
}

/* When a node dials its only gateway, which is down, for the `nth` time from 1: after a loss, or after its start. */
static weft_time dial_after(uint64_t seed, bool loss, unsigned nth)
{
    struct stage stage;
    stage_init(&stage, seed, 1);
    stage_learn(&stage, 0);
    if (loss) {
        stage_run(&stage, START + 60 * WEFT_SECOND);
    }
    stage_turn(&stage, 0, MOOD_DOWN);
    unsigned dials = stage.dials;
    while (stage.dials < dials + nth) {
        stage_run(&stage, stage_next(&stage));
    }
    weft_time dialled = stage.gateways[0].dialled;
    stage_deinit(&stage);
    return dialled;
}

static void nodes_that_lose_a_gateway_at_once_do_not_come_back_at_once(void **state)
{
    (void)state;
    static const struct {
        bool loss;
        unsigned nth;
    } dials[] = {{true, 1}, {true, 2}, {true, 5}, {false, 3}, {false, 5}};
    static weft_time times[HERD];
    for (size_t i = 0; i < WEFT_COUNT(dials); i++) {
        for (size_t node = 0; node < HERD; node++) {
            times[node] = dial_after(node + 1, dials[i].loss, dials[i].nth);
        }
        qsort(times, HERD, sizeof(times[0]), compare_times);
        size_t most = fullest(times, HERD, 50 * WEFT_MS);
        if (most > HERD / 4) { /* evenly over SPREAD it would be a tenth */
            fail_msg("%zu of %d nodes dial within 50 ms, for the %uth time", most, HERD, dials[i].nth);
        }
    }
}

static void nodes_spread_over_gateways_that_they_know(void **state)
{
    (void)state;
    unsigned came[10] = {0};
    for (uint64_t seed = 1; seed <= HERD; seed++) {
        struct stage stage;
        stage_init(&stage, seed, WEFT_COUNT(came));
        for (size_t i = 0; i < stage.count; i++) {
            stage_learn(&stage, i);
        }
        stage_run(&stage, START + WEFT_SECOND);
        for (size_t i = 0; i < stage.count; i++) {
            came[i] += stage_attached_to(&stage, i) ? 1 : 0;
        }
        stage_deinit(&stage);
    }
    for (size_t i = 0; i < WEFT_COUNT(came); i++) {
        assert_in_range(came[i], 50, 115); /* of 800 links 80, and by chance 8 more or less */
    }
}

/* -- anything -- */

struct plan {
    struct weft_random random;
    bool gentle; /* nobody says no: then it must be well soon after all is mended */
};

static weft_time draw(struct plan *plan, weft_time from, weft_time to)
{
    return from + (weft_time)weft_random_below(&plan->random, (uint64_t)(to - from + 1));
}

static void do_anything(struct stage *stage, struct plan *plan)
{
    size_t gateway = (size_t)draw(plan, 0, (weft_time)stage->count - 1);
    switch (draw(plan, 0, 9)) {
    case 0:
        stage_sleep(stage, stage->now + draw(plan, 1, 20) * WEFT_SECOND / 2);
        break;
    case 1:
        weft_anchor_wake(stage->anchor, stage->now);
        break;
    case 2:
        weft_anchor_heard(stage->anchor, (int)draw(plan, 0, WEFT_ANCHOR_LINKS_MAX - 1), stage->now);
        break;
    default:
        stage_turn(stage, gateway, (enum mood)draw(plan, MOOD_UP, plan->gentle ? MOOD_HOLE : MOOD_FLAP));
        break;
    }
}

static void whatever_happens_when_all_is_mended_it_is_attached(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct stage stage;
        struct plan plan = {.gentle = seed % 2 == 0};
        weft_random_init(&plan.random, seed);
        stage_init(&stage, seed, (size_t)draw(&plan, 1, 6));
        for (size_t i = 0; i < stage.count; i++) {
            stage.gateways[i].mood = (enum mood)draw(&plan, MOOD_UP, MOOD_HOLE);
            stage.gateways[i].same_as = i > 0 && draw(&plan, 0, 4) == 0 ? 1 : 0;
            stage_learn(&stage, i);
        }
        for (int i = 0; i < 60; i++) {
            stage_run(&stage, stage.now + draw(&plan, 0, 1500) * WEFT_MS);
            do_anything(&stage, &plan);
        }
        size_t gateways = 0;
        for (size_t i = 0; i < stage.count; i++) {
            gateways += stage.gateways[i].same_as == 0 ? 1 : 0;
            stage_turn(&stage, i, MOOD_UP);
        }
        weft_time enough = plan.gentle ? WEFT_ANCHOR_DIAL_TIMEOUT + WEFT_LIVENESS_DEAD + 2 * WEFT_SECOND
                                       : WEFT_ANCHOR_AGAIN_DENIED + 2 * WEFT_SECOND;
        stage_run(&stage, stage.now + enough);
        size_t wanted = gateways < WEFT_ANCHOR_WANTED ? gateways : WEFT_ANCHOR_WANTED;
        if (stage_attached(&stage) != wanted) {
            fail_msg("seed %llu: %zu attached of %zu", (unsigned long long)seed, stage_attached(&stage), wanted);
        }
        unsigned dials = stage.dials;
        stage_run(&stage, stage.now + 3600 * WEFT_SECOND);
        assert_int_equal(stage_attached(&stage), wanted);
        assert_true(stage.dials <= dials + stage.count * 40); /* other addresses of the same gateway, until known */
        stage_deinit(&stage);
    }
}

static void without_memory_there_is_no_anchor(void **state)
{
    (void)state;
    struct weft_anchor *anchor;
    weft_mem_fail_at(1);
    assert_int_equal(weft_anchor_new(&anchor, 1, START), WEFT_ERR_MEMORY);
    weft_mem_fail_at(0);
    assert_null(anchor);
    weft_anchor_free(anchor);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_story_ends_as_told),
        cmocka_unit_test(a_link_that_is_heard_is_not_asked),
        cmocka_unit_test(a_gateway_that_is_none_any_more_is_dropped_and_forgotten),
        cmocka_unit_test(a_place_for_an_address_is_made_by_those_that_failed),
        cmocka_unit_test(one_that_did_not_fail_is_dialled_first),
        cmocka_unit_test(without_a_network_few_dials_are_tried),
        cmocka_unit_test(a_gateway_holds_on_to_all_others),
        cmocka_unit_test(nodes_that_lose_a_gateway_at_once_do_not_come_back_at_once),
        cmocka_unit_test(nodes_spread_over_gateways_that_they_know),
        cmocka_unit_test(whatever_happens_when_all_is_mended_it_is_attached),
        cmocka_unit_test(without_memory_there_is_no_anchor),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
