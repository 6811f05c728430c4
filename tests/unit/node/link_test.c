/* tests/unit/node/link_test.c - links between two ends in a calm world: who asks, who is who, and how they end. */
#include "host/address.h"
#include "http/limits.h"
#include "node/link.h"
#include "sim/filter.h"
#include "stage.h"
#include "support/link_ends.h"

#define PLACE "10.0.0.1:9339"

static struct {
    int64_t live;
    struct weft_world *world;
    struct weft_host *hosts[2];
    struct link_end ends[2];
    struct weft_address place;
} pair;

#define ONE   (&pair.ends[0])
#define OTHER (&pair.ends[1])

/* The first one listens. */
static void begin(void)
{
    static const char *const names[] = {"one", "other"};
    weft_bytes_trim();
    pair.live = weft_mem_live();
    assert_int_equal(weft_world_new(&pair.world, &(const struct weft_world_options){.seed = 5, .calm = true}), 0);
    for (uint8_t i = 0; i < 2; i++) {
        pair.hosts[i] = weft_world_host(pair.world, names[i]);
        assert_int_equal(link_end_init(&pair.ends[i], pair.hosts[i], &weft_world_security, (uint8_t)(i + 1)), 0);
        weft_world_set_guest(pair.hosts[i], (struct weft_guest){.self = &pair.ends[i], .turn = link_end_turn});
    }
    assert_int_equal(weft_address_parse(WEFT_SLICE(PLACE), &pair.place), 0);
    assert_int_equal(link_end_listen(ONE, &pair.place), 0);
}

static void end(void)
{
    for (int i = 0; i < 2; i++) {
        link_end_deinit(&pair.ends[i]);
        weft_world_set_guest(pair.hosts[i], (struct weft_guest){0});
    }
    weft_world_pass(pair.world, WEFT_SECOND);
    assert_int_equal(weft_world_links(pair.world), 0);
    weft_world_free(pair.world);
    weft_bytes_trim();
    assert_int_equal(weft_mem_live(), pair.live);
}

static void pass(weft_time time)
{
    weft_world_poke(pair.hosts[0]);
    weft_world_poke(pair.hosts[1]);
    weft_world_pass(pair.world, time);
}

static struct weft_link *dial_key(const struct weft_key *key, bool serve)
{
    struct weft_link *link;
    assert_int_equal(weft_links_dial(OTHER->links, &pair.place, key, serve, &link), 0);
    pass(WEFT_MS);
    return link;
}

static struct weft_link *dial(bool serve)
{
    return dial_key(&ONE->identity.key, serve);
}

/* Whoever asks on the link does so, and is told the authority that it named: the other's peer id. */
static void ask(struct link_end *asker, struct link_end *worker, struct weft_link *link)
{
    char id[WEFT_PEER_ID_SIZE];
    assert_int_equal(link_end_ask(asker, link, "/", "Bearer anything"), 0);
    pass(WEFT_MS);
    assert_true(asker->told && asker->aborted == 0);
    assert_int_equal(asker->status, 200);
    weft_key_text(&worker->identity.key, id);
    assert_string_equal(asker->text, id);
    assert_true(worker->caller.mesh && !worker->caller.local);
    assert_true(weft_key_equal(&worker->caller.key, &asker->identity.key));
}

static void test_both_directions(void **state)
{
    (void)state;
    for (int serve = 0; serve < 2; serve++) {
        begin();
        struct weft_link *link = dial(serve);
        assert_int_equal(ONE->opened, 1);
        assert_int_equal(OTHER->opened, 1);
        struct link_end *asker = serve ? ONE : OTHER, *worker = serve ? OTHER : ONE;
        assert_true(OTHER->last == link && weft_link_dialled(link) && !weft_link_dialled(ONE->last));
        assert_true(weft_link_asks(asker->last) && !weft_link_asks(worker->last));
        assert_true(weft_key_equal(weft_link_key(ONE->last), &OTHER->identity.key));
        assert_true(weft_links_to(asker->links, &worker->identity.key) == asker->last);
        assert_null(weft_links_to(worker->links, &asker->identity.key)); /* it only serves */
        assert_null(weft_links_to(asker->links, &asker->identity.key));
        assert_int_equal(link_end_ask(worker, worker->last, "/", NULL), WEFT_ERR_FULL);
        worker->others = WEFT_GATEWAY;
        ask(asker, worker, asker->last);
        assert_int_equal(worker->caller.principal, WEFT_GATEWAY);
        worker->others = WEFT_ANONYMOUS; /* revoked, say: that counts at once */
        ask(asker, worker, asker->last);
        assert_int_equal(worker->caller.principal, WEFT_ANONYMOUS);
        weft_link_close(link);
        pass(WEFT_SECOND);
        assert_int_equal(ONE->closed + OTHER->closed, 2);
        assert_int_equal(ONE->why, 0);
        assert_int_equal(OTHER->why, 0);
        end();
    }
}

/* What names a link is the same at both ends, and another one for each link. */
static void test_bindings(void **state)
{
    (void)state;
    uint8_t bindings[4][WEFT_FILTER_BINDING_SIZE];
    begin();
    for (int i = 0; i < 4; i++) {
        (void)dial(i % 2 == 1);
        struct link_end *asker = i % 2 ? ONE : OTHER, *worker = i % 2 ? OTHER : ONE;
        ask(asker, worker, asker->last);
        memcpy(bindings[i], worker->caller.binding, sizeof(bindings[i]));
        uint8_t other[WEFT_FILTER_BINDING_SIZE];
        assert_int_equal(weft_link_binding(asker->last, other), 0);
        assert_memory_equal(bindings[i], other, sizeof(other));
        for (int j = 0; j < i; j++) {
            assert_memory_not_equal(bindings[i], bindings[j], sizeof(other));
        }
    }
    end();
}

/* Whoever is there: for a node that knows an address only, and learns the key. */
static void test_any_key(void **state)
{
    (void)state;
    begin();
    struct weft_link *link = dial_key(NULL, false);
    assert_int_equal(OTHER->opened, 1);
    assert_true(weft_key_equal(weft_link_key(link), &ONE->identity.key));
    ask(OTHER, ONE, link);
    end();
}

static void test_wrong_keys(void **state)
{
    (void)state;
    for (int serve = 0; serve < 2; serve++) {
        begin();
        (void)dial_key(&OTHER->identity.key, serve); /* not the listener's */
        pass(WEFT_SECOND);
        assert_int_equal(OTHER->closed, 1);
        assert_int_equal(OTHER->why, WEFT_ERR_CRYPTO);
        assert_string_equal(OTHER->phrase, "the peer has another key than the one expected");
        assert_int_equal(OTHER->opened + ONE->opened, 0);
        assert_int_equal(ONE->closed, 1);
        end();
    }
}

/* Two nodes that were started from one copied folder have one key: a link between them is none. */
static void test_own_key(void **state)
{
    (void)state;
    begin();
    link_end_deinit(OTHER);
    assert_int_equal(link_end_init(OTHER, pair.hosts[1], &weft_world_security, 1), 0);
    (void)dial(false);
    pass(WEFT_SECOND);
    assert_int_equal(OTHER->closed, 1);
    assert_int_equal(ONE->closed, 1);
    assert_int_equal(OTHER->opened + ONE->opened, 0);
    end();
}

static void test_nobody_there(void **state)
{
    (void)state;
    begin();
    weft_world_swallow(pair.world, "10.9.9.9:1");
    struct weft_address refused = pair.place, swallowed;
    struct weft_link *link;
    refused.port++;
    assert_int_equal(weft_links_dial(OTHER->links, &refused, &ONE->identity.key, false, &link), 0);
    pass(WEFT_SECOND);
    pass(0); /* the guest learns the time */
    assert_int_equal(OTHER->why, WEFT_ERR_REFUSED);
    assert_int_equal(weft_address_parse(WEFT_SLICE("10.9.9.9:1"), &swallowed), 0);
    assert_int_equal(weft_links_dial(OTHER->links, &swallowed, &ONE->identity.key, true, &link), 0);
    pass(4 * WEFT_SECOND);
    assert_int_equal(OTHER->closed, 1);
    pass(WEFT_SECOND); /* 5 s in all */
    assert_int_equal(OTHER->closed, 2);
    assert_int_equal(OTHER->why, WEFT_ERR_TIMEOUT);
    end();
}

/* One that works is kept for as long as its ends like, whoever says nothing on it. */
static void test_kept(void **state)
{
    (void)state;
    begin();
    struct weft_link *asking = dial(false), *serving = dial(true);
    pass(3600 * WEFT_SECOND);
    assert_int_equal(ONE->closed + OTHER->closed, 0);
    ask(OTHER, ONE, asking);
    ask(ONE, OTHER, weft_links_to(ONE->links, &OTHER->identity.key));
    assert_true(weft_link_opened(serving));
    end();
}

/* A peer that is silent is known to be dead in under 5 s, on both sides, whoever serves. */
static void test_silent(void **state)
{
    (void)state;
    for (int serve = 0; serve < 2; serve++) {
        for (int deaf = 0; deaf < 2; deaf++) {
            begin();
            (void)dial(serve);
            pass(60 * WEFT_SECOND + 700 * WEFT_MS);
            assert_int_equal(weft_links_count(ONE->links), 1);
            weft_world_trouble(pair.hosts[deaf], true,
                               false); /* nothing reaches it: it dies here; and as it then ... */
            pass(3 * WEFT_SECOND);
            assert_int_equal(pair.ends[deaf].closed, 0);
            pass(2 * WEFT_SECOND - WEFT_MS);
            assert_int_equal(pair.ends[deaf].closed, 1); /* ... resets it, there */
            assert_int_equal(pair.ends[deaf].why, WEFT_ERR_TIMEOUT);
            assert_string_equal(pair.ends[deaf].phrase, "the link is silent");
            weft_world_trouble(pair.hosts[deaf], false, false);
            pass(WEFT_SECOND);
            assert_int_equal(pair.ends[!deaf].closed, 1);
            end();
        }
    }
}

/* A process that was stopped: its peer gives it up in time, with what it asked; it itself learns that when it goes on.
 */
static void test_stopped(void **state)
{
    (void)state;
    begin();
    (void)dial(false);
    pass(WEFT_SECOND);
    weft_world_stop(pair.hosts[0], 20 * WEFT_SECOND);
    assert_int_equal(link_end_ask(OTHER, OTHER->last, "/", NULL), 0);
    weft_world_poke(pair.hosts[1]);
    weft_world_pass(pair.world, 5 * WEFT_SECOND - WEFT_MS);
    assert_int_equal(OTHER->closed, 1);
    assert_int_equal(OTHER->why, WEFT_ERR_TIMEOUT);
    assert_true(OTHER->told && OTHER->aborted < 0);
    assert_int_equal(ONE->closed, 0);
    weft_world_pass(pair.world, 16 * WEFT_SECOND);
    assert_int_equal(ONE->closed, 1);
    end();
}

/* Short: it goes on as if nothing had been. */
static void test_stopped_shortly(void **state)
{
    (void)state;
    begin();
    (void)dial(false);
    weft_world_stop(pair.hosts[0], 3 * WEFT_SECOND);
    assert_int_equal(link_end_ask(OTHER, OTHER->last, "/", NULL), 0);
    weft_world_poke(pair.hosts[1]);
    weft_world_pass(pair.world, 10 * WEFT_SECOND);
    assert_true(OTHER->told && OTHER->status == 200);
    assert_int_equal(ONE->closed + OTHER->closed, 0);
    end();
}

static void test_spoiled(void **state)
{
    (void)state;
    begin();
    struct weft_link *link = dial(false);
    weft_world_trouble(pair.hosts[1], false, true);
    assert_int_equal(link_end_ask(OTHER, link, "/", NULL), 0);
    pass(10 * WEFT_SECOND);
    assert_int_equal(ONE->requests, 0);
    assert_int_equal(ONE->closed, 1);
    assert_int_equal(OTHER->closed, 1);
    assert_true(OTHER->told && OTHER->aborted < 0);
    end();
}

static void test_bounds(void **state)
{
    (void)state;
    begin();
    struct weft_link *link;
    for (size_t i = 0; i < WEFT_LINKS_DIALLED_MAX; i++) {
        assert_int_equal(weft_links_dial(OTHER->links, &pair.place, &ONE->identity.key, i % 2 == 0, &link), 0);
    }
    assert_int_equal(weft_links_dial(OTHER->links, &pair.place, &ONE->identity.key, false, &link), WEFT_ERR_FULL);
    assert_null(link);
    pass(WEFT_SECOND);
    assert_int_equal(weft_links_count(ONE->links), WEFT_LINKS_OF_KEY_MAX);
    assert_int_equal(OTHER->closed, WEFT_LINKS_DIALLED_MAX - WEFT_LINKS_OF_KEY_MAX);
    size_t count = 0;
    for (link = NULL; (link = weft_links_next(OTHER->links, link));) {
        count++;
    }
    assert_int_equal(count, weft_links_count(OTHER->links));
    for (link = weft_links_of(ONE->links, &OTHER->identity.key); link; link = weft_link_next_of(link)) {
        assert_true(weft_key_equal(weft_link_key(link), &OTHER->identity.key));
        assert_true(!weft_link_next_of(link) || weft_link_since(weft_link_next_of(link)) <= weft_link_since(link));
        count--;
    }
    assert_int_equal(count, 0);
    assert_null(weft_links_of(ONE->links, &ONE->identity.key));
    weft_links_cut(OTHER->links);
    assert_null(weft_links_of(OTHER->links, &ONE->identity.key));
    end();
}

/* An accepted link that a stranger serves on is closed, unless he has said by then who he is. */
static void test_strangers(void **state)
{
    (void)state;
    for (int known = 0; known < 2; known++) {
        begin();
        ONE->others = WEFT_ANONYMOUS;
        (void)dial(true);
        pass(WEFT_LINK_UNKNOWN_TIME - WEFT_SECOND);
        assert_int_equal(ONE->closed, 0);
        (void)dial(true); /* another one, later: it has its own time */
        ONE->others = known ? WEFT_MEMBER : WEFT_ANONYMOUS;
        pass(2 * WEFT_SECOND);
        assert_int_equal(ONE->closed, known ? 0 : 1);
        pass(WEFT_LINK_UNKNOWN_TIME);
        assert_int_equal(ONE->closed, known ? 0 : 2);
        end();
    }
}

/* Who floods costs others of their kind, and no member. */
static void test_many_strangers(void **state)
{
    (void)state;
    begin();
    weft_links_free(ONE->links);
    assert_int_equal(link_end_make(ONE, 4), 0);
    struct weft_link *members = dial(false), *late;
    ONE->others = WEFT_ANONYMOUS;
    for (size_t i = 0; i < 6; i++) {
        (void)dial(i % 2 == 0);
    }
    assert_int_equal(weft_links_count(ONE->links), 5);
    assert_int_equal(ONE->closed, 2);
    assert_int_equal(ONE->why, WEFT_ERR_FULL);
    late = dial(false);
    assert_int_equal(ONE->closed, 3);
    assert_int_equal(weft_links_count(ONE->links), 5);
    ONE->others = WEFT_MEMBER; /* all show now who they are */
    ask(OTHER, ONE, members);
    ask(OTHER, ONE, late);
    for (size_t i = 0; i < 2; i++) {
        (void)dial(false);
    }
    assert_int_equal(ONE->closed, 3);
    end();
}

/* Who is known is not asked about again because a stranger came. */
static void test_members_cost_nothing(void **state)
{
    (void)state;
    begin();
    for (size_t i = 0; i < 5; i++) {
        (void)dial(true);
    }
    ONE->others = WEFT_ANONYMOUS;
    (void)dial(true);
    size_t before = ONE->asked_who;
    pass(WEFT_LINK_UNKNOWN_TIME + WEFT_SECOND);
    assert_int_equal(ONE->closed, 1);
    assert_true(ONE->asked_who - before < 5);
    end();
}

/* One on which a stranger asks is kept as any client's connection is: not for ever. Once he is known, it is a link. */
static void test_strangers_who_ask(void **state)
{
    (void)state;
    for (int known = 0; known < 2; known++) {
        begin();
        ONE->others = WEFT_ANONYMOUS;
        struct weft_link *link = dial(false);
        if (known) {
            ONE->others = WEFT_GATEWAY;
            ask(OTHER, ONE, link);
            assert_int_equal(ONE->caller.principal, WEFT_GATEWAY);
        }
        pass(WEFT_HTTP_IDLE_TIMEOUT - WEFT_SECOND);
        assert_int_equal(ONE->closed, 0);
        pass(3 * WEFT_SECOND);
        assert_int_equal(ONE->closed, known ? 0 : 1);
        end();
    }
}

/* Who shows no key comes in by the same door, and is nobody: whatever the callback would say. */
static void test_without_a_key(void **state)
{
    (void)state;
    static struct weft_asker asker;
    for (int h2 = 0; h2 < 2; h2++) {
        begin();
        struct weft_host *clients = weft_world_host(pair.world, "clients");
        assert_int_equal(weft_asker_dial(&asker, pair.world, clients, PLACE, h2, weft_world_web(h2), NULL), 0);
        assert_int_equal(weft_asker_ask(&asker, "GET", "/mesh/v1/hello", NULL, (struct weft_slice){0}), 0);
        pass(WEFT_SECOND);
        assert_true(asker.whole);
        assert_int_equal(weft_connection_h2(asker.connection), h2);
        assert_int_equal(ONE->caller.principal, WEFT_ANONYMOUS);
        assert_true(ONE->caller.mesh && !weft_key_set(&ONE->caller.key));
        assert_int_equal(ONE->opened, 0);
        weft_asker_end(&asker);
        pass(WEFT_SECOND);
        assert_int_equal(ONE->closed, 1);
        end();
    }
}

static void test_drain(void **state)
{
    (void)state;
    begin();
    (void)dial(false);
    (void)dial(true);
    weft_links_drain(ONE->links);
    pass(WEFT_SECOND);
    assert_int_equal(weft_links_count(ONE->links), 0);
    assert_int_equal(weft_links_count(OTHER->links), 0);
    assert_int_equal(OTHER->why, 0);
    end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_both_directions),
        cmocka_unit_test(test_bindings),
        cmocka_unit_test(test_any_key),
        cmocka_unit_test(test_wrong_keys),
        cmocka_unit_test(test_own_key),
        cmocka_unit_test(test_nobody_there),
        cmocka_unit_test(test_kept),
        cmocka_unit_test(test_silent),
        cmocka_unit_test(test_stopped),
        cmocka_unit_test(test_stopped_shortly),
        cmocka_unit_test(test_spoiled),
        cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_strangers),
        cmocka_unit_test(test_strangers_who_ask),
        cmocka_unit_test(test_many_strangers),
        cmocka_unit_test(test_members_cost_nothing),
        cmocka_unit_test(test_without_a_key),
        cmocka_unit_test(test_drain),
    };
    weft_json_setup(1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
