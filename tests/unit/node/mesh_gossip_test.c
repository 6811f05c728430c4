/* tests/unit/node/mesh_gossip_test.c - what a node makes of what it hears of its mesh: whole nodes, and two gateways.
 */
#include "node/mesh_gossip.h"

#include "mesh/issuing.h"
#include "unit/node/crowd.h"

#include "attached.h"

#define FILE "/m/Small-1B.gguf"

static struct weft_key sought; /* by whoever waits below */

static const struct weft_gossiping *gossiping_of(const struct weft_resident *of)
{
    return weft_mesh_gossip_of(weft_mesh_gossip(mesh_of(of)));
}

static const struct weft_entry *entry_of(const struct weft_resident *at, const struct weft_key *key)
{
    const struct weft_roster *roster = weft_gossiping_roster(gossiping_of(at));
    return roster ? weft_roster_get(roster, key) : NULL;
}

static bool reads(const struct weft_resident *at, struct weft_announcement *out)
{
    const struct weft_entry *entry = entry_of(at, &sought);
    struct weft_signed parts;
    return entry && entry->bytes && weft_announcement_read(weft_roster_bytes(entry), out, &parts) == 0;
}

static bool is_live(void *self)
{
    const struct weft_entry *entry = entry_of(self, &sought);
    return entry && entry->bytes && weft_roster_state(entry) == WEFT_ROSTER_LIVE;
}

static bool is_not_live(void *self)
{
    return !is_live(self);
}

/* Both gateways, attached; stage.node has joined neither. */
static void begin_two(void)
{
    begin();
    make_far(WEFT_ROLE_GATEWAY);
}

static void end_two(void)
{
    end_process(&far);
    end();
}

/* -- what is learnt -- */

static void where_gateways_are(void **state)
{
    (void)state;
    begin_two();
    join(); /* at the one, by an invite that names only that */
    (void)wait_until(is_attached_twice, &stage.node, 5 * WEFT_SECOND);
    stage_pass(WEFT_SECOND);
    assert_true(asks(&stage.node, &far) && asks(&far, &stage.node));
    (void)wait_until(is_attached, &gate, 5 * WEFT_SECOND); /* it dials the far one, too */
    end_two();
}

static void who_was_put_out_is_out_at_the_other_gateway(void **state)
{
    (void)state;
    begin_two();
    join();
    (void)wait_until(is_attached_twice, &stage.node, 5 * WEFT_SECOND);
    stage_pass(WEFT_SECOND);
    sought = key_of(&stage.node);
    assert_int_equal(who_is(&stage.node, &far), WEFT_MEMBER);
    assert_int_equal(weft_mesh_state_put_out(weft_mesh_state_of(mesh_of(&gate)), &sought, on_done, NULL), 1);
    assert_int_equal(wait_owner(&gate), 0);
    (void)wait_until(is_lost, &stage.node, WEFT_SECOND);
    assert_int_equal(who_is(&stage.node, &far), WEFT_ANONYMOUS);
    assert_false(asks(&far, &stage.node));
    (void)wait_until(is_not_live, &far, WEFT_SECOND);
    end_process(&gate); /* only the far one is left, and has started anew */
    end_process(&far);
    start_far();
    for (int i = 0; i < 20; i++) {
        stage_pass(WEFT_SECOND);
        assert_int_equal(attachments(&stage.node), 0);
    }
    end_two();
}

/* -- what is said -- */

/* A large file: its hash is known when the test says so. */
static struct {
    void (*done)(void *self, int status, const uint8_t hash[WEFT_HOST_HASH_SIZE]);
    void *self;
} hashing;

static int hash_slowly(struct weft_host *host, const char *path,
                       void (*done)(void *self, int status, const uint8_t hash[WEFT_HOST_HASH_SIZE]), void *self)
{
    (void)host, (void)path;
    hashing.done = done;
    hashing.self = self;
    return 0;
}

static void a_model_is_told_of_as_soon_as_it_is_known(void **state)
{
    (void)state;
    static const char *const models[] = {FILE};
    static const uint8_t hash[WEFT_HASH_SIZE] = {0xba};
    struct weft_announcement said;
    struct weft_resident_options options = {.yaml = LISTEN_TCP,
                                            .journal_format = WEFT_JOURNAL_JSON,
                                            .models = models,
                                            .model_count = 1,
                                            .models_offered = 1};
    stage_world();
    start_gate();
    struct weft_host_ops ops = *stage.host->ops;
    ops.hash_file = hash_slowly;
    stage.host->ops = &ops;
    weft_resident_start(&stage.node, stage.host, stage.world, &options);
    assert_null(hashing.done); /* only the mesh wants to know */
    join();
    (void)wait_until(is_attached, &stage.node, WEFT_SECOND);
    sought = key_of(&stage.node);
    stage_pass(3200 * WEFT_MS); /* all is quiet, and will be for more than a second */
    assert_true(reads(&gate, &said));
    assert_int_equal(said.model_count, 0);
    hashing.done(hashing.self, 0, hash);
    weft_world_poke(stage.host);
    stage_pass(100 * WEFT_MS);
    assert_true(reads(&gate, &said));
    assert_int_equal(said.model_count, 1);
    assert_true(weft_slice_equal(said.models[0].alias, WEFT_SLICE("Small-1B")));
    assert_memory_equal(said.models[0].hash, hash, sizeof(hash));
    assert_int_equal(weft_mesh_leave(mesh_of(&stage.node), on_done, NULL), 0);
    assert_int_equal(wait_owner(&stage.node), 0);
    assert_null(weft_gossiping_roster(gossiping_of(&stage.node))); /* who has left knows nobody */
    (void)wait_until(is_not_live, &gate, WEFT_SECOND);
    join();
    (void)wait_until(is_live, &gate, 2 * WEFT_SECOND);
    end();
}

/* A node whose store was brought back from a copy: others know a later announcement of its own. */
static void who_was_outrun_is_heard_again(void **state)
{
    (void)state;
    struct weft_announcement said;
    uint8_t bytes[WEFT_ANNOUNCEMENT_MAX];
    struct weft_gossip_name name;
    begin();
    join();
    (void)wait_until(is_attached, &stage.node, WEFT_SECOND);
    stage_pass(2 * WEFT_SECOND);
    sought = key_of(&stage.node);
    assert_true(reads(&gate, &said));
    uint64_t before = said.incarnation;
    said.incarnation += 7;
    said.made_s = weft_mesh_state_now_s(weft_mesh_state_of(mesh_of(&gate)));
    int64_t size = weft_sign_announcement(weft_mesh_identity(mesh_of(&stage.node)), &said, bytes);
    assert_true(size > 0);
    assert_int_equal(weft_roster_offer(crowd_roster(gossiping_of(&gate)), weft_slice(bytes, (size_t)size),
                                       WEFT_ROSTER_RELAYED, weft_world_now(stage.world), said.made_s, &name),
                     WEFT_ROSTER_REPLACED);
    end_process(&stage.node); /* it starts, and says something else */
    start_node();
    (void)wait_until(is_attached, &stage.node, 2 * WEFT_SECOND);
    stage_pass(10 * WEFT_SECOND);
    assert_true(reads(&gate, &said));
    assert_true(said.incarnation > before + 7);
    assert_true(is_live(&gate));
    end();
}

/* -- what it is -- */

/* The root has certified a node that was a peer: from then on others come to it. */
static void who_becomes_a_gateway_gossips_as_one(void **state)
{
    (void)state;
    const struct weft_resident_options options = {.yaml = LISTEN_TCP, .journal_format = WEFT_JOURNAL_JSON};
    struct weft_identity root;
    uint8_t certificate[WEFT_CERTIFICATE_MAX];
    enum weft_verdict verdict;
    const char *why;
    begin();
    make_far(WEFT_ROLE_PEER);
    struct weft_slice file = weft_world_file(stage.upstream, WEFT_RESIDENT_HOME "/" WEFT_MESH_ROOT_FILE);
    struct weft_key subject = key_of(&far);
    struct weft_mesh_state *own = weft_mesh_state_of(mesh_of(&far));
    assert_int_equal(weft_identity_parse(&root, WEFT_IDENTITY_ROOT, file, &why), 0);
    int64_t size = weft_issue_gateway(&root, &subject, weft_mesh_state_now_s(own), 86400, 77, certificate);
    assert_true(size > 0);
    weft_identity_deinit(&root);
    assert_int_equal(weft_mesh_state_certify(own, weft_slice(certificate, (size_t)size), &verdict, on_done, NULL), 0);
    assert_int_equal(wait_owner(&far), 0);
    stage_pass(6 * WEFT_SECOND);
    sought = key_of(&far);
    assert_true(is_live(&gate));
    assert_int_equal(entry_of(&gate, &sought)->role, WEFT_ROLE_GATEWAY);
    weft_resident_end(&stage.node);
    weft_resident_start(&stage.node, stage.host, stage.world, &options);
    join_as(&stage.node, &far, FAR_PLACE, WEFT_ROLE_PEER);
    (void)wait_until(is_attached, &stage.node, WEFT_SECOND);
    weft_world_fail_dials(stage.host, 1000000); /* it cannot come to the first gateway too */
    sought = key_of(&stage.node);
    (void)wait_until(is_live, &gate, 2 * WEFT_SECOND);
    assert_true(entry_of(&far, &sought) && !asks(&gate, &stage.node));
    end_two();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(where_gateways_are),
        cmocka_unit_test(who_was_put_out_is_out_at_the_other_gateway),
        cmocka_unit_test(a_model_is_told_of_as_soon_as_it_is_known),
        cmocka_unit_test(who_was_outrun_is_heard_again),
        cmocka_unit_test(who_becomes_a_gateway_gossips_as_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
