/* tests/unit/mesh/catalogue_test.c - the models of the mesh, their names, about how many serve them, and what changed.
 */
#include "mesh/catalogue.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/error.h"
#include "unit/mesh/announcing.h"

#define NOW ((weft_time)1000 * WEFT_SECOND)

static struct weft_membership *membership;
static struct weft_roster *roster;
static struct weft_catalogue catalogue;

static int set_up(void **state)
{
    (void)state;
    make_people();
    struct weft_roster_settings settings = {
        .self = ben.key, .secret = {{42}}, .entries_max = 5000, .strangers_max = 1000};
    int error = weft_membership_new(&membership, &root.key);
    weft_catalogue_init(&catalogue);
    return error < 0 ? error : weft_roster_new(&roster, &settings, membership);
}

static int tear_down(void **state)
{
    (void)state;
    weft_roster_free(roster);
    weft_membership_free(membership);
    return 0;
}

/* A node that serves one model, and can be reached. */
static void serve(uint32_t number, bool unknown, uint32_t hash, const char *alias)
{
    static struct announcer node;
    struct weft_gossip_name name;
    if (unknown) {
        make_stranger(&node, number);
    } else {
        make_announcer(&node, number, WEFT_ROLE_PEER);
    }
    node.announcement.models[0].alias = weft_slice_text(alias);
    memcpy(node.announcement.models[0].hash, &hash, sizeof(hash));
    assert_int_equal(weft_roster_reach(roster, WEFT_ROSTER_SELF, &node.identity.key, NOW), 0);
    assert_int_equal(weft_roster_offer(roster, sign_now(&node), WEFT_ROSTER_RELAYED, NOW, NOW_S, &name),
                     WEFT_ROSTER_ADDED);
}

static void lose(uint32_t number)
{
    static struct announcer node;
    make_announcer(&node, number, WEFT_ROLE_PEER);
    weft_roster_lose(roster, WEFT_ROSTER_SELF, &node.identity.key, NOW);
}

/* The line with this hash, if it is told above this version. */
static const struct weft_catalogue_line *line_of(uint32_t hash, uint64_t above)
{
    for (const struct weft_catalogue_line *line; (line = weft_catalogue_after(&catalogue, above));
         above = line->version) {
        if (memcmp(line->hash, &hash, sizeof(hash)) == 0) {
            return line;
        }
    }
    return NULL;
}

static void test_lines(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < 5; i++) {
        serve(i, false, 1, i == 0 ? "mine is the best" : "llama");
    }
    serve(5, false, 2, "gemma");
    serve(6, true, 0, "external");
    weft_catalogue_update(&catalogue, roster, NOW);
    assert_int_equal(catalogue.count, 3);
    struct weft_gossip_line said = weft_catalogue_said(line_of(1, 0));
    assert_true(weft_slice_equal(said.alias, WEFT_SLICE("llama"))); /* as most of them call it */
    assert_int_equal(said.peers, 4);
    assert_int_equal(line_of(2, 0)->peers, 1);
    assert_true(line_of(0, 0)->strangers);
    uint64_t told = catalogue.version;
    weft_catalogue_update(&catalogue, roster, NOW);
    assert_null(weft_catalogue_after(&catalogue, told)); /* nothing changed */
    lose(4);
    weft_catalogue_update(&catalogue, roster, NOW);
    assert_null(weft_catalogue_after(&catalogue, told)); /* nothing worth telling did */
    lose(3);
    lose(5);
    weft_catalogue_update(&catalogue, roster, NOW);
    assert_int_equal(line_of(1, told)->peers, 2);
    assert_int_equal(line_of(2, told)->peers, 0);
    told = catalogue.version;
    weft_catalogue_update(&catalogue, roster, NOW + WEFT_CATALOGUE_LINGER - 1);
    assert_int_equal(catalogue.count, 3);
    weft_catalogue_update(&catalogue, roster, NOW + WEFT_CATALOGUE_LINGER);
    assert_int_equal(catalogue.count, 2);
    assert_null(weft_catalogue_after(&catalogue, told));
}

/* However many models strangers announce, and members too: lines are bounded, and members have their part. */
static void test_bounds(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < 100; i++) {
        serve(1000 + i, true, 1000 + i, "strange");
    }
    weft_catalogue_update(&catalogue, roster, NOW);
    assert_int_equal(catalogue.count, WEFT_CATALOGUE_STRANGERS_MAX);
    for (uint32_t i = 0; i < WEFT_CATALOGUE_MAX; i++) {
        serve(i, false, 1 + i, "model");
    }
    weft_catalogue_update(&catalogue, roster, NOW);
    assert_int_equal(catalogue.count, WEFT_CATALOGUE_MAX);
    for (size_t i = 1; i < catalogue.count; i++) {
        assert_true(catalogue.lines[i - 1].model < catalogue.lines[i].model && catalogue.lines[i].peers > 0);
    }
}

static void test_put(void **state)
{
    (void)state;
    struct weft_gossip_line line = {.alias = WEFT_SLICE("llama"), .hash = {1}, .peers = 3};
    weft_catalogue_put(&catalogue, 7, &line, NOW);
    weft_catalogue_put(&catalogue, 5, &line, NOW);
    assert_int_equal(catalogue.count, 2);
    assert_int_equal(weft_catalogue_after(&catalogue, 0)->model, 7);
    line.peers = 0;
    weft_catalogue_put(&catalogue, 7, &line, NOW);
    weft_catalogue_put(&catalogue, 6, &line, NOW); /* nobody serves what we never heard of */
    assert_int_equal(catalogue.count, 2);
    weft_catalogue_put(&catalogue, 6, &line, NOW + WEFT_CATALOGUE_LINGER);
    assert_int_equal(catalogue.count, 1);
    line.peers = 1;
    for (uint64_t model = 100; model < 100 + 2 * WEFT_CATALOGUE_MAX; model++) {
        weft_catalogue_put(&catalogue, model, &line, NOW);
    }
    assert_int_equal(catalogue.count, WEFT_CATALOGUE_MAX);
}

#define CATALOGUE_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CATALOGUE_TEST(test_lines),
        CATALOGUE_TEST(test_bounds),
        CATALOGUE_TEST(test_put),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
