/* tests/unit/node/peer_relay_test.c - a gateway passes on what one node asks another that is attached to it. */
#include "host/address.h"
#include "node/delivery.h"
#include "node/gossiping.h"
#include "node/peer_way.h"
#include "node/posting.h"
#include "sim/filter.h"
#include "stage.h"
#include "support/link_ends.h"

#define PLACE   "10.0.0.7:9340"
#define GATEWAY "listen: [\"tcp:127.0.0.1:80\"]\nmesh: {gateway: true, listen: \"" PLACE "\"}\n"
#define NO_GATE "listen: [\"tcp:127.0.0.1:80\"]\nmesh: {listen: \"" PLACE "\"}\n"

static struct link_end asker, server; /* the latter is attached: it has dialled, and serves */
static struct weft_link *attachment;
static struct weft_key gate;
static struct weft_key gateways[2]; /* those who are such, besides the node itself; others are members */

static struct {
    struct weft_native *running;
    bool over;
    char text[128];
    struct weft_native_problem problem; /* status 0: it went well */
} heard;

static enum weft_principal everybody_is_somebody(void *self, const struct weft_key *key)
{
    (void)self;
    return weft_key_equal(key, &gateways[0]) || weft_key_equal(key, &gateways[1]) ? WEFT_GATEWAY : WEFT_MEMBER;
}

static void pass(weft_time time)
{
    weft_world_poke(asker.loop.host);
    weft_world_poke(server.loop.host);
    stage_pass(time);
}

static struct weft_link *dial(struct link_end *end, bool serve)
{
    struct weft_address place;
    struct weft_link *link;
    size_t before = end->opened;
    assert_int_equal(weft_address_parse(WEFT_SLICE(PLACE), &place), 0);
    assert_int_equal(weft_links_dial(end->links, &place, NULL, serve, &link), 0);
    pass(WEFT_SECOND);
    assert_int_equal(end->opened, before + 1);
    return link;
}

static void begin(const char *yaml)
{
    const struct weft_resident_options options = {
        .yaml = yaml, .journal_format = WEFT_JOURNAL_JSON, .who = everybody_is_somebody};
    stage_begin_with(&options);
    memset(&heard, 0, sizeof(heard));
    memset(gateways, 0, sizeof(gateways));
    assert_int_equal(link_end_init(&asker, stage.clients, &weft_world_security, 1), 0);
    assert_int_equal(link_end_init(&server, stage.upstream, &weft_world_security, 2), 0);
    weft_world_set_guest(stage.clients, (struct weft_guest){.self = &asker, .turn = link_end_turn});
    weft_world_set_guest(stage.upstream, (struct weft_guest){.self = &server, .turn = link_end_turn});
    attachment = dial(&server, true);
    gate = *weft_link_key(dial(&asker, false));
}

static void end(void)
{
    link_end_deinit(&asker);
    link_end_deinit(&server);
    weft_world_set_guest(stage.clients, (struct weft_guest){0});
    weft_world_set_guest(stage.upstream, (struct weft_guest){0});
    stage_end();
}

static void on_answer(void *self, struct weft_slice body)
{
    (void)self;
    (void)snprintf(heard.text, sizeof(heard.text), "%.*s", (int)body.size, body.data);
}

static void on_ended(void *self, const struct weft_native_problem *problem)
{
    (void)self;
    heard.over = true;
    heard.running = NULL;
    heard.problem = problem ? *problem : (struct weft_native_problem){0};
}

static void ask(const struct weft_key *peer, const char *what)
{
    static const struct weft_native_user user = {.answer = on_answer, .ended = on_ended};
    char way[WEFT_PEER_WAY_PATH_MAX];
    struct weft_bytes body = {0};
    const struct weft_field fields[] = {{WEFT_SLICE(WEFT_MESH_MODEL_FIELD), WEFT_SLICE("ab")},
                                        {WEFT_SLICE("authorization"), WEFT_SLICE("Bearer canary")}};
    struct weft_native_options options = {.loop = &asker.loop,
                                          .path = weft_slice_text(what),
                                          .body = &body,
                                          .fields = fields,
                                          .field_count = WEFT_COUNT(fields),
                                          .user = &user};
    heard.over = false;
    assert_int_equal(weft_bytes_append(&body, "{}", 2), 0);
    assert_int_equal(weft_peer_way_relayed(asker.links, &gate, peer, way, &options.target), 0);
    assert_int_equal(weft_native_start(&heard.running, &options), 0);
    pass(WEFT_SECOND);
}

static void assert_refused(int status, const char *code)
{
    assert_true(heard.over);
    assert_int_equal(heard.problem.status, status);
    assert_string_equal(heard.problem.code, code);
}

static void what_is_asked_arrives_as_it_was(void **state)
{
    (void)state;
    char id[WEFT_PEER_ID_SIZE];
    begin(GATEWAY);
    weft_key_text(&server.identity.key, id);
    for (size_t i = 1; i <= 3; i++) {
        ask(&server.identity.key, WEFT_MESH_GENERATE);
        assert_true(heard.over);
        assert_int_equal(heard.problem.status, 0);
        assert_string_equal(heard.text, id); /* it is asked under its own name ... */
        assert_string_equal(server.target, "/mesh/v1/generate");
        assert_int_equal(server.requests, i);
        assert_true(weft_key_equal(&server.caller.key, &gate)); /* ... by the gateway */
    }
    assert_null(strstr(weft_world_log(stage.host), "canary"));
    end();
}

/* -- by way of another gateway -- */

static void hear_nothing(void *self, struct weft_exchange *exchange)
{
    struct weft_bytes heard_bytes = {0};
    (void)self;
    (void)weft_exchange_take_all(exchange, WEFT_ANSWER, &heard_bytes);
    weft_bytes_deinit(&heard_bytes);
}

/* The server is a gateway, and says so that it reaches the peer, on a stream of gossip that lasts until it is left. */
static struct weft_exchange *say_reach(const struct weft_key *peer)
{
    const struct weft_gossip_message message = {
        .reach = {.said = true, .more = weft_slice(peer->bytes, WEFT_KEY_SIZE)}};
    uint8_t bytes[WEFT_GOSSIP_SIZE_SIZE + 2 * WEFT_KEY_SIZE] = {0};
    struct weft_exchange *stream;
    gateways[0] = server.identity.key;
    struct weft_link *link = dial(&server, false);
    int64_t size = weft_gossip_message_write(&message, bytes + WEFT_GOSSIP_SIZE_SIZE, (size_t)2 * WEFT_KEY_SIZE);
    assert_true(size > 0);
    bytes[WEFT_GOSSIP_SIZE_SIZE - 1] = (uint8_t)size;
    assert_int_equal(weft_exchange_new(&stream, &server.loop.turn), 0);
    stream->request.method = WEFT_SLICE("POST");
    stream->request.target = WEFT_SLICE(WEFT_GOSSIPING_PATH);
    weft_exchange_attach(stream, WEFT_ASKER, hear_nothing, NULL);
    assert_int_equal(weft_link_ask(link, stream), 0);
    assert_int_equal(weft_exchange_write(stream, WEFT_REQUEST, bytes, WEFT_GOSSIP_SIZE_SIZE + (size_t)size), 0);
    pass(WEFT_SECOND);
    return stream;
}

/* A gateway that is asked by one has been chosen by that one: the peer is attached here, or not at all. */
static void what_another_gateway_reaches_is_asked_there_but_for_no_gateway(void **state)
{
    (void)state;
    const struct weft_key peer = {{7, 7}};
    char path[160], id[WEFT_PEER_ID_SIZE];
    begin(GATEWAY);
    struct weft_exchange *stream = say_reach(&peer);
    weft_key_text(&peer, id);
    (void)snprintf(path, sizeof(path), "/mesh/v1/peers/%s/generate", id);
    ask(&peer, WEFT_MESH_GENERATE);
    assert_int_equal(heard.problem.status, 0);
    assert_int_equal(server.requests, 1);
    assert_string_equal(server.target, path);
    gateways[1] = asker.identity.key;
    ask(&peer, WEFT_MESH_GENERATE);
    assert_refused(404, "peer_not_attached");
    assert_int_equal(server.requests, 1);
    ask(&server.identity.key, WEFT_MESH_GENERATE); /* what is attached here itself is asked for a gateway too */
    assert_int_equal(heard.problem.status, 0);
    assert_string_equal(server.target, "/mesh/v1/generate");
    weft_exchange_leave(stream, WEFT_ASKER, WEFT_ERR_CANCELLED);
    end();
}

/* -- what cannot be, and what ends -- */

static void who_is_not_attached_is_said_not_to_be(void **state)
{
    (void)state;
    begin(GATEWAY);
    ask(&asker.identity.key, WEFT_MESH_GENERATE); /* it is linked, but serves nobody there */
    assert_refused(404, "peer_not_attached");
    weft_link_close(attachment);
    pass(WEFT_SECOND);
    ask(&server.identity.key, WEFT_MESH_GENERATE);
    assert_refused(404, "peer_not_attached");
    assert_int_equal(server.requests, 0);
    end();
}

/* Nothing but what nodes ask each other is passed on, and by gateways only. */
static void other_paths_lead_nowhere(void **state)
{
    (void)state;
    static const char *const paths[] = {"/generate/more", "/generate?x", "/hello", "/peers/x/generate", "x"};
    begin(GATEWAY);
    for (size_t i = 0; i < WEFT_COUNT(paths); i++) {
        ask(&server.identity.key, paths[i]);
        assert_refused(404, "not_found");
    }
    end();
    begin(NO_GATE);
    ask(&server.identity.key, WEFT_MESH_GENERATE);
    assert_refused(404, "not_found");
    assert_int_equal(server.requests, 0);
    end();
}

static void who_leaves_is_told_to_the_other(void **state)
{
    (void)state;
    begin(GATEWAY);
    server.mute = true;
    ask(&server.identity.key, WEFT_MESH_GENERATE);
    assert_false(heard.over);
    weft_native_cancel(heard.running);
    pass(WEFT_SECOND);
    assert_int_equal(server.left, 1);
    ask(&server.identity.key, WEFT_MESH_GENERATE);
    weft_links_cut(server.links);
    link_end_let_go(&server, WEFT_ERR_CLOSED);
    pass(WEFT_SECOND);
    assert_refused(502, "peer_gone");
    end();
}

/* -- small records, as hellos and applications are -- */

static int posted; /* what came of one; 1: nothing yet */

static void on_posted(void *self, int status, struct weft_slice answer)
{
    (void)self, (void)answer;
    posted = status;
}

/* The link lives, so nothing else would end that. */
static void a_record_that_is_never_answered_is_given_up(void **state)
{
    (void)state;
    struct weft_posting posting = {.exchange = NULL};
    char id[WEFT_PEER_ID_SIZE], path[128];
    begin(GATEWAY);
    server.mute = true;
    posted = 1;
    weft_key_text(&server.identity.key, id);
    (void)snprintf(path, sizeof(path), WEFT_MESH_PEERS_PATH "%s" WEFT_MESH_GENERATE, id);
    assert_int_equal(weft_posting_start(&posting, &asker.loop, weft_links_to(asker.links, &gate), weft_slice_text(path),
                                        WEFT_SLICE("{}"), on_posted, &posting),
                     0);
    pass(WEFT_POSTING_TIME - 5 * WEFT_SECOND);
    assert_int_equal(posted, 1);
    pass(5 * WEFT_SECOND);
    assert_int_equal(posted, WEFT_ERR_TIMEOUT);
    assert_int_equal(server.left, 1); /* and that one is told */
    end();
}

static void a_gateway_that_ends_says_so(void **state)
{
    (void)state;
    begin(GATEWAY);
    server.mute = true;
    ask(&server.identity.key, WEFT_MESH_GENERATE);
    weft_resident_drain(&stage.node, WEFT_SECOND);
    pass(2 * WEFT_SECOND);
    assert_refused(503, "shutting_down");
    assert_int_equal(server.left, 1);
    end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_asked_arrives_as_it_was),
        cmocka_unit_test(what_another_gateway_reaches_is_asked_there_but_for_no_gateway),
        cmocka_unit_test(who_is_not_attached_is_said_not_to_be),
        cmocka_unit_test(other_paths_lead_nowhere),
        cmocka_unit_test(who_leaves_is_told_to_the_other),
        cmocka_unit_test(a_record_that_is_never_answered_is_given_up),
        cmocka_unit_test(a_gateway_that_ends_says_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
