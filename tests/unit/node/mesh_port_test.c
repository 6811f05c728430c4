/* tests/unit/node/mesh_port_test.c - a node's key, and what its mesh listener answers to whom. */
#include "host/address.h"
#include "sim/filter.h"
#include "stage.h"
#include "support/link_ends.h"
#include "wire/hello.h"

#define MESH   "10.0.0.1:9339"
#define MESHED LISTEN_TCP "mesh:\n  listen: \"" MESH "\"\nlog:\n  level: debug\n"

static struct link_end peer;
static enum weft_principal peer_is; /* to the node */

static enum weft_principal who(void *self, const struct weft_key *key)
{
    (void)self;
    return weft_key_equal(key, &peer.identity.key) ? peer_is : WEFT_ANONYMOUS;
}

static void begin_node(void)
{
    const struct weft_resident_options options = {
        .yaml = MESHED, .api_key = "api-key", .journal_format = WEFT_JOURNAL_JSON, .who = who};
    stage_begin_with(&options);
}

static void begin(void)
{
    begin_node();
    peer_is = WEFT_MEMBER;
    assert_int_equal(link_end_init(&peer, stage.upstream, &weft_world_security, 9), 0);
    weft_world_set_guest(stage.upstream, (struct weft_guest){.self = &peer, .turn = link_end_turn});
}

static void end(void)
{
    link_end_deinit(&peer);
    weft_world_set_guest(stage.upstream, (struct weft_guest){0});
    stage_end();
}

static void pass(weft_time time)
{
    weft_world_poke(stage.upstream);
    weft_world_poke(stage.host);
    stage_pass(time);
}

static struct weft_key node_key(void)
{
    struct weft_identity identity;
    const char *why;
    struct weft_slice file = weft_world_file(stage.host, WEFT_RESIDENT_HOME "/node.key");
    assert_int_equal(weft_identity_parse(&identity, WEFT_IDENTITY_NODE, file, &why), 0);
    struct weft_key key = identity.key;
    weft_identity_deinit(&identity);
    return key;
}

/* A link by which the peer asks the node: dialled by it, or, reverse, by the node. */
static void connect(bool reverse)
{
    struct weft_address address;
    struct weft_link *link;
    struct weft_key key = node_key();
    pass(0);
    if (reverse) {
        assert_int_equal(weft_address_parse(WEFT_SLICE("10.0.0.7:9339"), &address), 0);
        assert_int_equal(link_end_listen(&peer, &address), 0);
        assert_int_equal(weft_links_dial(weft_node_links(stage.node.node), &address, &peer.identity.key, true, &link),
                         0);
    } else {
        assert_int_equal(weft_address_parse(WEFT_SLICE(MESH), &address), 0);
        assert_int_equal(weft_links_dial(peer.links, &address, &key, false, &link), 0);
    }
    pass(WEFT_SECOND);
    assert_int_equal(peer.opened, 1);
    assert_true(weft_link_asks(peer.last));
}

static int ask(const char *path, const char *authorization)
{
    assert_int_equal(link_end_ask(&peer, peer.last, path, authorization), 0);
    pass(WEFT_SECOND);
    assert_true(peer.told && peer.aborted == 0);
    return peer.status;
}

static void test_hello(void **state)
{
    (void)state;
    for (int reverse = 0; reverse < 2; reverse++) {
        for (int gateway = 0; gateway < 2; gateway++) {
            begin();
            connect(reverse);
            peer_is = gateway ? WEFT_GATEWAY : WEFT_MEMBER;
            assert_int_equal(ask("/mesh/v1/hello", NULL), 200);
            struct weft_hello hello;
            struct weft_key key = node_key();
            assert_int_equal(weft_hello_read(weft_slice(peer.text, peer.size), &hello), 0);
            assert_true(weft_key_equal(&hello.key, &key));
            assert_int_equal(hello.least, 1);
            assert_int_equal(hello.most, 1);
            assert_int_equal(weft_hello_protocol(&hello), 1);
            assert_true(weft_slice_equal(hello.version, WEFT_SLICE("0.0.0-sim")));
            assert_non_null(strstr(weft_world_log(stage.host), gateway ? "\"by\":\"gateway\"" : "\"by\":\"member\""));
            end();
        }
    }
}

/* What is the owner's, or for who has the API key, is for no link: whoever its peer is, whatever it shows. */
static void test_no_owner_over_links(void **state)
{
    (void)state;
    static const char *const paths[] = {"/weft/v1/status", "/weft/v1/drain", "/metrics", "/load",   "/v1/models",
                                        "/health",         "/readyz",        "/",        "/mesh/v1"};
    static const enum weft_principal peers[] = {WEFT_MEMBER, WEFT_GATEWAY, WEFT_ANONYMOUS};
    for (int reverse = 0; reverse < 2; reverse++) {
        begin();
        connect(reverse);
        char owner[128];
        struct weft_slice token = weft_resident_token(&stage.node);
        (void)snprintf(owner, sizeof(owner), "Bearer %.*s", (int)token.size, token.data);
        const char *const shown[] = {NULL, owner, "Bearer api-key"};
        for (size_t i = 0; i < WEFT_COUNT(paths) * WEFT_COUNT(shown) * WEFT_COUNT(peers); i++) {
            peer_is = peers[i % 3];
            assert_int_equal(ask(paths[i / 9], shown[i / 3 % 3]), 404);
            assert_non_null(strstr(peer.text, "\"not_found\""));
        }
        const char *log = weft_world_log(stage.host);
        assert_null(strstr(log, "\"by\":\"owner\""));
        assert_null(strstr(log, "\"by\":\"key\""));
        end();
    }
}

static void test_strangers_and_newer_ones(void **state)
{
    (void)state;
    begin();
    connect(false);
    assert_int_equal(ask("/mesh/v2/hello", NULL), 404);
    assert_non_null(strstr(peer.text, "\"protocol_unknown\""));
    assert_int_equal(ask("/mesh/v1/none", NULL), 404);
    assert_non_null(strstr(peer.text, "\"not_found\""));
    peer_is = WEFT_ANONYMOUS;
    assert_int_equal(ask("/mesh/v1/hello", NULL), 403);
    assert_non_null(strstr(peer.text, "\"not_a_member\""));
    end();
}

/* Without a key: nothing is there, and nothing says that something is. */
static void test_without_a_key(void **state)
{
    (void)state;
    static struct weft_asker asker;
    static const char *const paths[] = {"/mesh/v1/hello", "/mesh/v2/hello", "/health", "/weft/v1/status", "/v1/models"};
    begin_node();
    char fields[128];
    struct weft_slice token = weft_resident_token(&stage.node);
    (void)snprintf(fields, sizeof(fields), "authorization: Bearer %.*s\n", (int)token.size, token.data);
    for (size_t i = 0; i < 2 * WEFT_COUNT(paths); i++) {
        assert_int_equal(weft_asker_dial(&asker, stage.world, stage.clients, MESH, false, weft_world_web(i % 2), NULL),
                         0);
        assert_int_equal(weft_asker_ask(&asker, "GET", paths[i / 2], fields, (struct weft_slice){0}), 0);
        stage_pass(WEFT_SECOND);
        assert_true(asker.whole && asker.status == 404);
        assert_non_null(strstr(asker.text, "\"not_found\""));
        weft_asker_end(&asker);
        stage_pass(WEFT_SECOND);
    }
    stage_end();
}

/* The mesh's routes are not there for clients. */
static void test_not_for_clients(void **state)
{
    (void)state;
    begin_node();
    assert_int_equal(stage_ask_as_owner("GET", "/mesh/v1/hello", ""), 404);
    stage_end();
}

static void test_standalone(void **state)
{
    (void)state;
    stage_begin(LISTEN_TCP);
    assert_int_equal(weft_world_listening(stage.host), 1);
    assert_null(weft_world_file(stage.host, WEFT_RESIDENT_HOME "/node.key").data);
    assert_null(weft_node_mesh_address(stage.node.node));
    assert_null(weft_node_links(stage.node.node));
    stage_end();
}

/* The key is made once, and is the node's from then on. */
static void test_key_stays(void **state)
{
    (void)state;
    begin_node();
    struct weft_key first = node_key();
    assert_int_equal(weft_world_listening(stage.host), 2);
    assert_int_equal(weft_node_mesh_address(stage.node.node)->port, 9339);
    weft_resident_end(&stage.node);
    stage_pass(WEFT_SECOND);
    const struct weft_resident_options options = {.yaml = MESHED, .journal_format = WEFT_JOURNAL_JSON, .who = who};
    weft_resident_start(&stage.node, stage.host, stage.world, &options);
    struct weft_key second = node_key();
    assert_true(weft_key_equal(&first, &second));
    stage_end();
}

static void begin_in_vain(const char *yaml, const char *why)
{
    const struct weft_resident_options options = {.yaml = yaml, .journal_format = WEFT_JOURNAL_JSON};
    assert_int_equal(weft_resident_begin(&stage.node, stage.host, stage.world, &options), 0);
    assert_true(
        weft_world_run(stage.world, weft_world_now(stage.world) + WEFT_SECOND, weft_resident_started, &stage.node));
    assert_true(stage.node.status < 0);
    if (!strstr(stage.node.problem, why)) {
        fail_msg("\"%s\" is not in \"%s\"", why, stage.node.problem);
    }
    weft_resident_end(&stage.node);
    assert_int_equal(weft_world_listening(stage.host), 0);
}

static void test_cannot_start(void **state)
{
    (void)state;
    stage_world();
    weft_world_put_file(stage.host, WEFT_RESIDENT_HOME "/node.key", WEFT_SLICE("weft node key v2 something newer\n"));
    begin_in_vain(MESHED, "Cannot use the node's key /state/node.key");
    weft_world_put_file(stage.host, WEFT_RESIDENT_HOME "/node.key", WEFT_SLICE("weft node key v1 short\n"));
    begin_in_vain(MESHED, "It holds no key of a node");
    stage_end();
    stage_world();
    begin_in_vain("listen: [\"tcp:127.0.0.1:80\"]\nmesh:\n  listen: \"127.0.0.1:80\"\n",
                  "Cannot listen for the mesh on 127.0.0.1, port 80");
    stage_end();
}

/* It ends its links in order, and waits for what runs on them; a stop does not. */
static void test_drain(void **state)
{
    (void)state;
    for (int stop = 0; stop < 2; stop++) {
        begin();
        connect(stop);
        if (stop) {
            weft_node_stop(stage.node.node);
            weft_world_poke(stage.host);
        } else {
            weft_resident_drain(&stage.node, -1);
        }
        pass(WEFT_SECOND);
        assert_true(stage.node.stopped);
        assert_int_equal(peer.closed, 1);
        assert_int_equal(peer.why, stop ? WEFT_ERR_CLOSED : 0);
        end();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hello),
        cmocka_unit_test(test_no_owner_over_links),
        cmocka_unit_test(test_strangers_and_newer_ones),
        cmocka_unit_test(test_without_a_key),
        cmocka_unit_test(test_not_for_clients),
        cmocka_unit_test(test_standalone),
        cmocka_unit_test(test_key_stays),
        cmocka_unit_test(test_cannot_start),
        cmocka_unit_test(test_drain),
    };
    weft_json_setup(1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
