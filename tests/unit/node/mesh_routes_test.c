/* tests/unit/node/mesh_routes_test.c - what a gateway answers to whoever has a key: hellos good and bad, applications.
 */
#include "host/address.h"
#include "node/posting.h"
#include "sim/filter.h"
#include "support/link_ends.h"
#include "wire/hello.h"

#include "attached.h"

static struct link_end peer;
static struct weft_link *link_there;

/* What the last one came to. */
static struct {
    struct weft_posting posting;
    bool told;
    int status;
    size_t size;
    char text[WEFT_POSTING_ANSWER_MAX];
} said;

static void pass(weft_time time)
{
    weft_world_poke(stage.clients);
    stage_pass(time);
}

static void dial(void)
{
    struct weft_address address;
    struct weft_key key = key_of(&gate);
    assert_int_equal(weft_address_parse(WEFT_SLICE("10.0.0.7:9340"), &address), 0);
    pass(0);
    assert_int_equal(weft_links_dial(peer.links, &address, &key, false, &link_there), 0);
    pass(WEFT_SECOND);
    assert_true(weft_link_opened(link_there));
}

static void begin_peer(void)
{
    begin();
    assert_int_equal(link_end_init(&peer, stage.clients, &weft_world_security, 9), 0);
    weft_world_set_guest(stage.clients, (struct weft_guest){.self = &peer, .turn = link_end_turn});
    dial();
}

static void end_peer(void)
{
    link_end_deinit(&peer);
    weft_world_set_guest(stage.clients, (struct weft_guest){0});
    end();
}

static void on_posted(void *self, int status, struct weft_slice answer)
{
    assert_ptr_equal(self, &peer);
    said.told = true;
    said.status = status;
    said.size = answer.size;
    memcpy(said.text, answer.data, answer.size);
    said.text[answer.size < sizeof(said.text) ? answer.size : sizeof(said.text) - 1] = '\0';
}

static int post(const char *path, struct weft_slice record)
{
    said.told = false;
    assert_int_equal(
        weft_posting_start(&said.posting, &peer.loop, link_there, weft_slice_text(path), record, on_posted, &peer), 0);
    assert_int_equal(
        weft_posting_start(&said.posting, &peer.loop, link_there, weft_slice_text(path), record, on_posted, &peer),
        WEFT_ERR_BUSY);
    pass(WEFT_SECOND);
    assert_true(said.told);
    return said.status;
}

static int post_hello(const struct weft_key *key, uint32_t least, uint32_t most, struct weft_slice chain)
{
    uint8_t record[WEFT_HELLO_MAX];
    const struct weft_hello hello = {.key = *key, .least = least, .most = most, .chain = chain};
    int64_t size = weft_hello_write(&hello, record);
    assert_true(size > 0);
    return post("/mesh/v1/hello", weft_slice(record, (size_t)size));
}

static bool says(const char *what)
{
    return strstr(said.text, what);
}

/* The gateway's admission of the peer; its chain is in *out. */
static struct weft_slice apply(uint8_t out[WEFT_CHAIN_MAX])
{
    const struct weft_admitting_wish wish = {
        .uses = 1, .life_s = 86400, .role = WEFT_ROLE_PEER, .addresses = {"10.0.0.7:9340"}};
    uint8_t binding[WEFT_FILTER_BINDING_SIZE], application[WEFT_APPLICATION_MAX];
    struct weft_invite invite;
    struct weft_admission admission;
    assert_int_equal(weft_admitting_invite(weft_mesh_admitting(mesh_of(&gate)), &wish, on_invited, NULL), 0);
    assert_int_equal(wait_owner(&gate), 0);
    assert_int_equal(weft_invite_read(weft_slice_text(owner.line), &invite), 0);
    assert_int_equal(weft_link_binding(link_there, binding), 0);
    int64_t size = weft_joining_redeem(&peer.identity, &invite, binding, application);
    assert_true(size > 0);
    weft_invite_deinit(&invite);
    assert_int_equal(post("/mesh/v1/join", weft_slice(application, (size_t)size)), 200);
    assert_int_equal(weft_admission_read(weft_slice(said.text, said.size), &admission), 0);
    assert_true(admission.chain.size > 0);
    memcpy(out, admission.chain.data, admission.chain.size);
    return weft_slice(out, admission.chain.size);
}

static enum weft_principal peer_is(void)
{
    return weft_mesh_who(mesh_of(&gate), &peer.identity.key);
}

static void bad_hellos_are_refused_with_a_sentence(void **state)
{
    (void)state;
    begin_peer();
    struct weft_key gateway = key_of(&gate);
    const struct weft_slice none = {0};
    assert_int_equal(post("/mesh/v1/hello", WEFT_SLICE("\1rubbish")), 400);
    assert_true(says("\"malformed\""));
    assert_int_equal(post("/mesh/v1/hello", WEFT_SLICE("\2of a newer version")), 409);
    assert_true(says("\"protocol_unknown\"") && says("must be updated"));
    assert_int_equal(post_hello(&peer.identity.key, WEFT_PROTOCOL_MOST + 1, WEFT_PROTOCOL_MOST + 2, none), 409);
    assert_true(says("\"protocol_unknown\""));
    assert_int_equal(post_hello(&gateway, 1, 1, none), 400); /* somebody else's */
    assert_int_equal(post_hello(&peer.identity.key, 1, 1, none), 403);
    assert_true(says("\"not_a_member\""));
    assert_int_equal(post_hello(&peer.identity.key, 1, 1, weft_mesh_state_chain(weft_mesh_state_of(mesh_of(&gate)))),
                     403);
    static const char large[WEFT_HELLO_MAX + 1] = {1};
    assert_int_equal(post("/mesh/v1/hello", weft_slice(large, sizeof(large))), 413);
    assert_int_equal(peer_is(), WEFT_ANONYMOUS);
    assert_int_equal(link_end_ask(&peer, link_there, "/mesh/v1/hello", NULL), 0);
    pass(WEFT_SECOND);
    assert_int_equal(peer.status, 403);
    end_peer();
}

static void a_good_one_makes_a_member_for_as_long_as_there_is_a_link(void **state)
{
    (void)state;
    uint8_t chain[WEFT_CHAIN_MAX];
    struct weft_hello hello;
    begin_peer();
    struct weft_slice shown = apply(chain);
    assert_int_equal(peer_is(), WEFT_ANONYMOUS); /* it has shown nothing yet */
    assert_int_equal(post_hello(&peer.identity.key, 1, WEFT_PROTOCOL_MOST + 7, shown),
                     200); /* a newer one, that knows ours */
    assert_int_equal(weft_hello_read(weft_slice(said.text, said.size), &hello), 0);
    struct weft_key gateway = key_of(&gate);
    assert_true(weft_key_equal(&hello.key, &gateway));
    assert_true(weft_slice_equal(hello.chain, weft_mesh_state_chain(weft_mesh_state_of(mesh_of(&gate)))));
    assert_int_equal(peer_is(), WEFT_MEMBER);
    assert_int_equal(post_hello(&peer.identity.key, 1, 1, (struct weft_slice){0}), 403);
    assert_int_equal(peer_is(), WEFT_MEMBER); /* what it showed before stands */
    assert_int_equal(link_end_ask(&peer, link_there, "/mesh/v1/hello", NULL), 0);
    pass(WEFT_SECOND);
    assert_int_equal(peer.status, 200);
    struct weft_link *first = link_there;
    dial();
    weft_link_close(first);
    pass(WEFT_SECOND);
    assert_int_equal(peer_is(), WEFT_MEMBER);
    weft_link_close(link_there);
    pass(WEFT_SECOND);
    assert_int_equal(peer_is(), WEFT_ANONYMOUS);
    end_peer();
}

static void only_gateways_pass_applications_on(void **state)
{
    (void)state;
    uint8_t chain[WEFT_CHAIN_MAX];
    struct weft_admission admission;
    begin_peer();
    struct weft_slice shown = apply(chain);
    assert_int_equal(post("/mesh/v1/admit", WEFT_SLICE("\1x")), 403);
    assert_int_equal(post_hello(&peer.identity.key, 1, 1, shown), 200);
    assert_int_equal(post("/mesh/v1/admit", WEFT_SLICE("\1x")), 403);
    assert_int_equal(post("/mesh/v1/join", WEFT_SLICE("\1x")), 200);
    assert_int_equal(weft_admission_read(weft_slice(said.text, said.size), &admission), 0);
    assert_int_equal(admission.refusal, WEFT_REFUSAL_MALFORMED);
    end_peer();
}

/* An invite of a gateway that nobody has heard of. */
static void an_application_for_nobody_is_told_so(void **state)
{
    (void)state;
    uint8_t binding[WEFT_FILTER_BINDING_SIZE], application[WEFT_APPLICATION_MAX];
    struct weft_invite invite = {.issuer = {{7}}, .secret = {1}, .role = WEFT_ROLE_PEER};
    struct weft_admission admission;
    begin_peer();
    invite.mesh = *weft_membership_mesh(weft_mesh_state_membership(weft_mesh_state_of(mesh_of(&gate))));
    assert_int_equal(weft_link_binding(link_there, binding), 0);
    int64_t size = weft_joining_redeem(&peer.identity, &invite, binding, application);
    assert_true(size > 0);
    assert_int_equal(post("/mesh/v1/join", weft_slice(application, (size_t)size)), 200);
    assert_int_equal(weft_admission_read(weft_slice(said.text, said.size), &admission), 0);
    assert_int_equal(admission.refusal, WEFT_REFUSAL_ISSUER_AWAY);
    end_peer();
}

/* What a client has is not for others, whoever knows of it. */
static void a_client_answers_nobody(void **state)
{
    static const struct {
        enum weft_role role;
        int status;
    } rows[] = {{WEFT_ROLE_CLIENT, 421}, {WEFT_ROLE_PEER, 400}}; /* a peer is told that no hash came */
    (void)state;
    for (size_t i = 0; i < WEFT_COUNT(rows); i++) {
        uint8_t chain[WEFT_CHAIN_MAX];
        char id[WEFT_PEER_ID_SIZE], path[128];
        begin_peer();
        join_as(&stage.node, &gate, "10.0.0.7:9340", rows[i].role);
        (void)wait_until(is_attached, &stage.node, 10 * WEFT_SECOND);
        assert_int_equal(post_hello(&peer.identity.key, 1, 1, apply(chain)), 200);
        struct weft_key key = key_of(&stage.node);
        weft_key_text(&key, id);
        (void)snprintf(path, sizeof(path), "/mesh/v1/peers/%s/generate", id);
        assert_int_equal(post(path, WEFT_SLICE("{}")), rows[i].status);
        end_peer();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bad_hellos_are_refused_with_a_sentence),
        cmocka_unit_test(a_good_one_makes_a_member_for_as_long_as_there_is_a_link),
        cmocka_unit_test(only_gateways_pass_applications_on),
        cmocka_unit_test(an_application_for_nobody_is_told_so),
        cmocka_unit_test(a_client_answers_nobody),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
