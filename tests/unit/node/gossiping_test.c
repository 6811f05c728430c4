/* tests/unit/node/gossiping_test.c - a stream of gossip at a gateway: who may open one, what it carries, how it ends.
 */
#include "node/gossiping.h"

#include <stdio.h>

#include "mesh/signing.h"
#include "unit/node/office.h"

static struct weft_loop loop;
static struct weft_gossiping *gossiping;
static size_t asked, changed, revoked;

static int on_ask(void *self, struct weft_link *link, struct weft_exchange *exchange)
{
    (void)self, (void)link, (void)exchange;
    asked++;
    return WEFT_ERR_FULL;
}

static void on_changed(void *self)
{
    (void)self;
    changed++;
}

static void on_revoked(void *self, const struct weft_key *subject)
{
    (void)self, (void)subject;
    revoked++;
}

static const struct weft_gossiping_user user = {.ask = on_ask, .changed = on_changed, .revoked = on_revoked};

static void turn(void)
{
    loop.turn.now = weft_world_now(office.world);
    weft_timers_run(&loop.timers, loop.turn.now);
    weft_turn_run(&loop.turn);
}

static void pass(weft_time time)
{
    weft_world_pass(office.world, time);
    turn();
}

static int begin(void **state)
{
    (void)state;
    office_world(1);
    loop = (struct weft_loop){.host = office.host};
    weft_turn_init(&loop.turn);
    weft_timers_init(&loop.timers);
    asked = changed = revoked = 0;
    return 0;
}

static void start(const struct weft_identity *who, bool begins)
{
    assert_int_equal(office_start_as(who, begins), 0);
    const struct weft_gossiping_options options = {
        .loop = &loop, .journal = &office.journal, .state = office.state, .node = who, .user = &user};
    loop.turn.now = weft_world_now(office.world);
    assert_int_equal(weft_gossiping_new(&gossiping, &options), 0);
}

static int end(void **state)
{
    (void)state;
    weft_gossiping_free(gossiping);
    gossiping = NULL;
    weft_turn_run(&loop.turn);
    weft_timers_deinit(&loop.timers);
    office_end();
    return 0;
}

/* The other end: it asks. */
struct asker {
    struct weft_exchange *exchange;
    struct weft_bytes heard;
    bool ended;
    int aborted;
    char why[32];
};

static void wake(void *self, struct weft_exchange *exchange)
{
    struct asker *asker = self;
    const struct weft_flow *answer = &exchange->flows[WEFT_ANSWER];
    (void)weft_exchange_take_all(exchange, WEFT_ANSWER, &asker->heard);
    asker->ended = answer->ended;
    asker->aborted = exchange->aborted[WEFT_WORKER];
    struct weft_slice why = weft_fields_value(&answer->trailers, WEFT_GOSSIPING_END);
    (void)snprintf(asker->why, sizeof(asker->why), "%.*s", (int)why.size, why.data ? why.data : "");
}

static int open_stream(struct asker *asker, const struct weft_key *key, bool gateway)
{
    *asker = (struct asker){0};
    assert_int_equal(weft_exchange_new(&asker->exchange, &loop.turn), 0);
    weft_exchange_attach(asker->exchange, WEFT_ASKER, wake, asker);
    int error = weft_gossiping_accept(gossiping, asker->exchange, key, gateway);
    if (error < 0) {
        weft_exchange_leave(asker->exchange, WEFT_WORKER, error);
    }
    turn();
    return error;
}

static void leave(struct asker *asker)
{
    weft_exchange_leave(asker->exchange, WEFT_ASKER, WEFT_ERR_CANCELLED);
    weft_bytes_deinit(&asker->heard);
    turn();
}

static void say(struct asker *asker, const void *bytes, size_t size)
{
    assert_int_equal(weft_exchange_write(asker->exchange, WEFT_REQUEST, bytes, size), 0);
    turn();
}

/* -- who may -- */

static void only_a_gateway_that_is_in_a_mesh_takes_streams(void **state)
{
    (void)state;
    struct asker asker;
    start(&office.gateway, true);
    assert_int_equal(open_stream(&asker, &office.nodes[0].key, false), WEFT_ERR_CLOSED);
    leave(&asker);
    assert_null(weft_gossiping_roster(gossiping));
    assert_int_equal(weft_gossiping_start(gossiping), 0);
    assert_int_equal(weft_gossiping_start(gossiping), 0);
    assert_int_equal(open_stream(&asker, &office.nodes[0].key, false), 0);
    assert_int_equal(asker.exchange->answer.status, 200);
    assert_true(asker.exchange->answer_begun && asker.exchange->endless);
    assert_int_equal(weft_gossiping_streams(gossiping), 1);
    assert_int_equal(weft_roster_state(weft_roster_get(weft_gossiping_roster(gossiping), &office.nodes[0].key)),
                     WEFT_ROSTER_LIVE);
    leave(&asker);
    assert_int_equal(weft_gossiping_streams(gossiping), 0);
    pass(WEFT_GOSSIPING_SLOW);
    assert_true(changed > 0);
}

static void one_key_opens_so_many(void **state)
{
    (void)state;
    struct asker askers[WEFT_GOSSIPING_OF_KEY_MAX], more;
    start(&office.gateway, true);
    assert_int_equal(weft_gossiping_start(gossiping), 0);
    for (size_t i = 0; i < WEFT_GOSSIPING_OF_KEY_MAX; i++) {
        assert_int_equal(open_stream(&askers[i], &office.nodes[0].key, false), 0);
    }
    assert_int_equal(open_stream(&more, &office.nodes[0].key, false), WEFT_ERR_FULL);
    leave(&more);
    assert_int_equal(open_stream(&more, &office.nodes[1].key, false), 0);
    leave(&more);
    for (size_t i = 0; i < WEFT_GOSSIPING_OF_KEY_MAX; i++) {
        leave(&askers[i]);
    }
    assert_int_equal(weft_gossiping_streams(gossiping), 0);
}

/* -- how it ends -- */

static void who_says_what_cannot_be_read_is_told_so(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t size;
        const char *why;
    } cases[] = {{"\0\0\0\0", 4, "malformed"},
                 {"\x7f\0\0\0", 4, "too_large"},
                 {"\0\0\0\2\1\1", 6, "malformed"},
                 {"\0\0\0\1\2", 5, "newer"}};
    start(&office.gateway, true);
    assert_int_equal(weft_gossiping_start(gossiping), 0);
    for (size_t i = 0; i < WEFT_COUNT(cases); i++) {
        struct asker asker;
        assert_int_equal(open_stream(&asker, &office.nodes[0].key, false), 0);
        say(&asker, cases[i].bytes, cases[i].size);
        assert_true(asker.ended);
        assert_string_equal(asker.why, cases[i].why);
        assert_int_equal(weft_gossiping_streams(gossiping), 0);
        leave(&asker);
    }
}

static void all_end_with_the_mesh(void **state)
{
    (void)state;
    struct asker asker;
    start(&office.gateway, true);
    assert_int_equal(weft_gossiping_start(gossiping), 0);
    assert_int_equal(open_stream(&asker, &office.nodes[0].key, false), 0);
    weft_gossiping_stop(gossiping);
    turn();
    assert_true(asker.ended);
    assert_string_equal(asker.why, "closed");
    assert_null(weft_gossiping_gossip(gossiping));
    leave(&asker);
}

/* Of what the other end says of that, the journal has the words of the protocol alone. */
static void a_reason_that_is_no_word_is_not_journaled(void **state)
{
    (void)state;
    static const char *const reasons[] = {"forged", "the canary sings"};
    start(&office.gateway, true);
    assert_int_equal(weft_gossiping_start(gossiping), 0);
    for (size_t i = 0; i < WEFT_COUNT(reasons); i++) {
        struct asker asker;
        assert_int_equal(open_stream(&asker, &office.nodes[0].key, false), 0);
        assert_int_equal(weft_fields_add(&asker.exchange->flows[WEFT_REQUEST].trailers, &asker.exchange->arena,
                                         WEFT_SLICE(WEFT_GOSSIPING_END), weft_slice_text(reasons[i])),
                         0);
        weft_exchange_end(asker.exchange, WEFT_REQUEST);
        turn();
        assert_int_equal(weft_gossiping_streams(gossiping), 0);
        leave(&asker);
    }
    const char *log = weft_world_log(office.host);
    assert_non_null(strstr(log, "forged"));
    assert_non_null(strstr(log, "a reason that this weft does not know"));
    assert_null(strstr(log, "canary"));
}

/* -- revocations -- */

static struct weft_slice revoked_by(const struct weft_registrar *registrar, bool root, size_t number,
                                    uint8_t out[WEFT_REVOCATION_MAX])
{
    const struct weft_key key = {{0x80, (uint8_t)(number >> 8), (uint8_t)number}};
    int64_t size = weft_issue_revocation(
        root ? registrar->root : registrar->gateway, weft_membership_mesh(registrar->membership),
        root ? weft_slice(NULL, 0) : registrar->certificate, &key, weft_mesh_state_now_s(office.state), out);
    assert_true(size > 0);
    return weft_slice(out, (size_t)size);
}

/* A gateway's goes for one of the root's before it was stored: it has no place any more, and holds up no other. */
static void a_revocation_that_went_for_another_is_not_stored_and_the_other_is(void **state)
{
    (void)state;
    static struct weft_gossip_message message;
    static uint8_t bytes[WEFT_GOSSIP_SIZE_SIZE + 2 * WEFT_REVOCATION_MAX];
    uint8_t first[WEFT_REVOCATION_MAX], second[WEFT_REVOCATION_MAX];
    struct weft_registrar registrar;
    struct asker asker;
    start(&office.gateway, true);
    assert_int_equal(weft_gossiping_start(gossiping), 0);
    assert_true(weft_mesh_state_registrar(office.state, &registrar) && registrar.root);
    for (size_t i = 1; i < WEFT_REVOCATIONS_MAX; i++) {
        assert_int_equal(weft_membership_revoke(registrar.membership, revoked_by(&registrar, true, i, first),
                                                weft_mesh_state_now_s(office.state)),
                         1);
    }
    message = (struct weft_gossip_message){
        .revocations = {.at = {revoked_by(&registrar, false, WEFT_REVOCATIONS_MAX, first),
                               revoked_by(&registrar, true, WEFT_REVOCATIONS_MAX + 1, second)},
                        .count = 2}};
    int64_t size =
        weft_gossip_message_write(&message, bytes + WEFT_GOSSIP_SIZE_SIZE, sizeof(bytes) - WEFT_GOSSIP_SIZE_SIZE);
    assert_true(size > 0);
    bytes[2] = (uint8_t)(size >> 8);
    bytes[3] = (uint8_t)size;
    assert_int_equal(open_stream(&asker, &office.nodes[0].key, true), 0);
    say(&asker, bytes, WEFT_GOSSIP_SIZE_SIZE + (size_t)size);
    pass(WEFT_SECOND);
    assert_int_equal(revoked, 2);
    leave(&asker);
    weft_gossiping_stop(gossiping);
    office_crash();
    assert_int_equal(office_start(), 0); /* the others were not heard of by gossip, and not stored */
    struct weft_membership *membership = weft_mesh_state_membership(office.state);
    assert_int_equal(weft_membership_revocations(membership), 1);
    assert_true(weft_membership_keeps(membership, message.revocations.at[1]));
}

/* -- one that this node opens -- */

static void a_stream_that_cannot_be_opened_is_tried_again(void **state)
{
    (void)state;
    start(&office.gateway, true);
    assert_int_equal(weft_gossiping_start(gossiping), 0);
    weft_gossiping_attached(gossiping, &office.nodes[0].key, (struct weft_link *)&office);
    turn();
    assert_int_equal(asked, 1);
    pass(WEFT_GOSSIPING_AGAIN);
    assert_int_equal(asked, 2);
    weft_gossiping_detached(gossiping, &office.nodes[0].key);
    pass(2 * WEFT_GOSSIPING_AGAIN);
    assert_int_equal(asked, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(only_a_gateway_that_is_in_a_mesh_takes_streams, begin, end),
        cmocka_unit_test_setup_teardown(one_key_opens_so_many, begin, end),
        cmocka_unit_test_setup_teardown(who_says_what_cannot_be_read_is_told_so, begin, end),
        cmocka_unit_test_setup_teardown(all_end_with_the_mesh, begin, end),
        cmocka_unit_test_setup_teardown(a_reason_that_is_no_word_is_not_journaled, begin, end),
        cmocka_unit_test_setup_teardown(a_revocation_that_went_for_another_is_not_stored_and_the_other_is, begin, end),
        cmocka_unit_test_setup_teardown(a_stream_that_cannot_be_opened_is_tried_again, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
