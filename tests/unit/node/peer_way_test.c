/* tests/unit/node/peer_way_test.c - the way to a node that is attached to another gateway: over both gateways, and no
 * further. Whole nodes, but for the one that asks. */
#include "node/peer_way.h"

#include "base/text.h"
#include "host/address.h"
#include "node/delivery.h"
#include "sim/filter.h"
#include "support/link_ends.h"

#include "attached.h"

#define FILE  "/m/Small-1B.gguf"
#define NEVER 1000000 /* dials that fail, and then some */

static struct link_end asker;          /* linked to the near gateway only */
static enum weft_principal asker_is;   /* there */
static struct weft_key holder, nobody; /* stage.node, attached to the far one only */

static size_t asked_before; /* of the holder's engine, until it was ready */

static struct {
    struct weft_native *running;
    bool over;
    size_t tokens;
    uint32_t next; /* tokens count down to 1 */
    weft_time last;
    struct weft_native_problem problem; /* status 0: it went well */
} heard;

static void pass(weft_time time)
{
    weft_world_poke(asker.loop.host);
    stage_pass(time);
}

static enum weft_principal who(void *self, const struct weft_key *key)
{
    (void)self;
    return weft_key_equal(key, &asker.identity.key) ? asker_is : weft_mesh_who(mesh_of(&gate), key);
}

static bool knows_holder(void *self)
{
    const struct weft_mesh_gossip *gossip = weft_mesh_gossip(mesh_of(self));
    const struct weft_roster *roster = weft_gossiping_roster(weft_mesh_gossip_of(gossip));
    const struct weft_entry *entry = roster ? weft_roster_get(roster, &holder) : NULL;
    return entry && weft_roster_state(entry) == WEFT_ROSTER_LIVE && weft_mesh_gossip_by(gossip, entry);
}

static bool forgot_holder(void *self)
{
    return !knows_holder(self);
}

static void dial_gate(void)
{
    struct weft_address place;
    struct weft_link *link;
    assert_int_equal(link_end_init(&asker, stage.clients, &weft_world_security, 9), 0);
    weft_world_set_guest(stage.clients, (struct weft_guest){.self = &asker, .turn = link_end_turn});
    assert_int_equal(weft_address_parse(WEFT_SLICE("10.0.0.7:9340"), &place), 0);
    assert_int_equal(weft_links_dial(asker.links, &place, NULL, false, &link), 0);
    pass(WEFT_SECOND);
    assert_int_equal(asker.opened, 1);
}

/* The holder learns of the near gateway, and cannot dial it. */
static void begin_both(const char *deed)
{
    static const char *const models[] = {FILE};
    const struct weft_resident_options near_options = {.yaml = GATE, .journal_format = WEFT_JOURNAL_JSON, .who = who};
    const struct weft_child_script script = {.deed = deed};
    asker_is = WEFT_MEMBER;
    memset(&heard, 0, sizeof(heard));
    stage_world();
    weft_world_put_file(stage.host, FILE, WEFT_SLICE("abc"));
    weft_resident_start(&gate, stage.upstream, stage.world, &near_options);
    make_far(WEFT_ROLE_GATEWAY);
    stage_models(models, 1, &script);
    join_as(&stage.node, &far, FAR_PLACE, WEFT_ROLE_PEER);
    (void)wait_until(is_attached, &stage.node, WEFT_SECOND);
    weft_world_fail_dials(stage.host, NEVER);
    holder = key_of(&stage.node);
    (void)wait_until(knows_holder, &gate, 5 * WEFT_SECOND);
    dial_gate();
    asked_before = stage.children.asked;
    assert_int_equal(attachments(&stage.node), 1);
    assert_false(asks(&gate, &stage.node));
}

static void end_both(void)
{
    link_end_deinit(&asker);
    weft_world_set_guest(stage.clients, (struct weft_guest){0});
    if (far.node) {
        end_process(&far);
    }
    end();
}

static void on_frame(void *self, const struct weft_frame *frame)
{
    (void)self;
    if (frame->kind == WEFT_FRAME_TOKEN) {
        assert_true(heard.tokens == 0 || frame->token.id + 1 == heard.next);
        heard.next = frame->token.id;
        heard.tokens++;
    }
    heard.last = weft_world_now(stage.world);
}

static void on_ended(void *self, const struct weft_native_problem *problem)
{
    (void)self;
    heard.over = true;
    heard.running = NULL;
    heard.problem = problem ? *problem : (struct weft_native_problem){0};
}

static bool is_over(void *self)
{
    (void)self;
    return heard.over;
}

/* By way of the near gateway. */
static void ask_for(const struct weft_key *peer)
{
    static const struct weft_native_user user = {.frame = on_frame, .ended = on_ended};
    static const char text[] = "{\"messages\":[{\"role\":\"user\",\"content\":\"canary\"}],\"seed\":7}";
    char way[WEFT_PEER_WAY_PATH_MAX], model[2 * WEFT_HASH_SIZE + 1];
    struct weft_secret hash = weft_secret_of(WEFT_SLICE("abc")); /* the file's */
    struct weft_key near_key = key_of(&gate);
    struct weft_bytes body = {0};
    weft_hex(model, hash.hash, WEFT_HASH_SIZE);
    const struct weft_field field = {WEFT_SLICE(WEFT_MESH_MODEL_FIELD), weft_slice_text(model)};
    struct weft_native_options options = {.loop = &asker.loop,
                                          .path = WEFT_SLICE(WEFT_MESH_GENERATE),
                                          .body = &body,
                                          .fields = &field,
                                          .field_count = 1,
                                          .user = &user};
    heard.over = false;
    heard.tokens = 0;
    assert_int_equal(weft_bytes_append(&body, text, sizeof(text) - 1), 0);
    assert_int_equal(weft_peer_way_relayed(asker.links, &near_key, peer, way, &options.target), 0);
    assert_int_equal(weft_native_start(&heard.running, &options), 0);
    weft_world_poke(stage.clients);
}

static void wait_over(void)
{
    assert_true(weft_world_run(stage.world, weft_world_now(stage.world) + 60 * WEFT_SECOND, is_over, NULL));
}

static void assert_refused(int status, const char *code)
{
    wait_over();
    assert_int_equal(heard.problem.status, status);
    assert_string_equal(heard.problem.code, code);
    assert_int_equal(heard.tokens, 0);
}

/* -- there and back -- */

static void an_answer_streams_through_both(void **state)
{
    (void)state;
    begin_both("do=frames&n=300");
    ask_for(&holder);
    pass(500 * WEFT_MS); /* a token each 5 ms: what is there comes */
    assert_false(heard.over);
    assert_in_range(heard.tokens, 50, 100);
    wait_over();
    assert_int_equal(heard.problem.status, 0);
    assert_int_equal(heard.tokens, 300);
    assert_int_equal(heard.next, 1);
    assert_int_equal(stage.children.asked, asked_before + 1);
    assert_null(strstr(weft_world_log(stage.upstream), "canary"));
    assert_null(strstr(weft_world_log(far.host), "canary"));
    end_both();
}

static void who_leaves_is_told_to_the_last_one(void **state)
{
    (void)state;
    begin_both("do=frames&n=3000");
    ask_for(&holder);
    pass(500 * WEFT_MS);
    assert_true(heard.tokens > 0);
    weft_native_cancel(heard.running);
    pass(WEFT_SECOND);
    assert_int_equal(stage.children.cancelled, 1);
    end_both();
}

static void a_far_gateway_that_dies_ends_what_went_through_it(void **state)
{
    (void)state;
    begin_both("do=frames&n=3000");
    ask_for(&holder);
    pass(500 * WEFT_MS);
    size_t before = heard.tokens;
    end_process(&far);
    wait_over();
    assert_int_equal(heard.problem.status, 502);
    assert_true(before > 0 && heard.tokens >= before);
    (void)wait_until(forgot_holder, &gate, 5 * WEFT_SECOND);
    ask_for(&holder);
    assert_refused(404, "peer_not_attached");
    end_both();
}

/* -- no further -- */

/* A gateway that asks has asked for somebody whom it thinks attached here: if that is wrong, it is told so. */
static void what_a_gateway_asks_is_not_passed_on_again(void **state)
{
    (void)state;
    begin_both("do=frames&n=1");
    asker_is = WEFT_GATEWAY;
    ask_for(&holder);
    assert_refused(404, "peer_not_attached");
    assert_int_equal(stage.children.asked, asked_before);
    asker_is = WEFT_MEMBER;
    ask_for(&holder);
    wait_over();
    assert_int_equal(heard.problem.status, 0);
    end_both();
}

static void who_is_known_to_neither_is_not_found(void **state)
{
    (void)state;
    begin_both("do=frames&n=1");
    nobody = asker.identity.key; /* it serves nobody */
    ask_for(&nobody);
    assert_refused(404, "peer_not_attached");
    memset(&nobody, 7, sizeof(nobody));
    ask_for(&nobody);
    assert_refused(404, "peer_not_attached");
    /* The holder has gone, and the near gateway has not heard of that yet. */
    end_process(&stage.node);
    stage_pass(WEFT_MS);
    ask_for(&holder);
    wait_over();
    assert_true(heard.problem.status == 404 || heard.problem.status == 502);
    (void)wait_until(forgot_holder, &gate, 5 * WEFT_SECOND);
    ask_for(&holder);
    assert_refused(404, "peer_not_attached");
    end_both();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_answer_streams_through_both),
        cmocka_unit_test(who_leaves_is_told_to_the_last_one),
        cmocka_unit_test(a_far_gateway_that_dies_ends_what_went_through_it),
        cmocka_unit_test(what_a_gateway_asks_is_not_passed_on_again),
        cmocka_unit_test(who_is_known_to_neither_is_not_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
