/* tests/unit/node/mesh_state_test.c - what a node is in its mesh, over starts and crashes. */
#include "node/mesh_state.h"

#include <stdio.h>

#include "unit/node/office.h"

#define ROOT_FILE "/state/" WEFT_MESH_ROOT_FILE

static int begin(void **state)
{
    (void)state;
    office_world(1);
    return 0;
}

static int end(void **state)
{
    (void)state;
    office_end();
    return 0;
}

static enum weft_verdict verdict(void)
{
    return weft_mesh_state_verdict(office.state, weft_mesh_state_now_s(office.state));
}

/* -- a mesh begins -- */

static void a_gateway_begins_a_mesh_once(void **state)
{
    (void)state;
    uint8_t chain[WEFT_CHAIN_MAX];
    const char *why;
    struct weft_identity root;
    assert_int_equal(office_start(), 0);
    assert_true(weft_mesh_state_begun(office.state));
    assert_int_equal(verdict(), WEFT_VERDICT_MEMBER);
    assert_int_equal(weft_mesh_state_certificate(office.state)->role, WEFT_ROLE_GATEWAY);
    assert_string_equal(weft_mesh_state_root_path(office.state), ROOT_FILE);
    struct weft_slice text = weft_world_file(office.host, ROOT_FILE);
    assert_int_equal(weft_identity_parse(&root, WEFT_IDENTITY_ROOT, text, &why), 0);
    assert_true(weft_key_equal(&root.key, weft_membership_mesh(weft_mesh_state_membership(office.state))));
    weft_identity_deinit(&root);
    struct weft_slice before = weft_mesh_state_chain(office.state);
    size_t size = before.size;
    memcpy(chain, before.data, size);
    uint64_t incarnation = weft_mesh_state_incarnation(office.state);
    for (uint64_t start = 1; start <= 3; start++) {
        office_crash();
        assert_int_equal(office_start_as(&office.gateway, start > 1), 0);
        assert_false(weft_mesh_state_begun(office.state));
        assert_true(weft_slice_equal(weft_mesh_state_chain(office.state), weft_slice(chain, size)));
        assert_true(weft_mesh_state_has_root(office.state));
        assert_int_equal(weft_mesh_state_incarnation(office.state), incarnation + start);
    }
}

static void a_node_that_begins_none_is_in_none_and_makes_no_key(void **state)
{
    (void)state;
    struct weft_registrar registrar;
    assert_int_equal(office_start_as(&office.gateway, false), 0);
    assert_null(weft_mesh_state_membership(office.state));
    assert_null(weft_mesh_state_certificate(office.state));
    assert_int_equal(weft_mesh_state_chain(office.state).size, 0);
    assert_false(weft_mesh_state_registrar(office.state, &registrar));
    assert_null(weft_world_file(office.host, ROOT_FILE).data);
    assert_int_equal(weft_mesh_state_leave(office.state, office_changed, &office), WEFT_ERR_NOT_FOUND);
    assert_int_equal(weft_mesh_state_put_out(office.state, &office.nodes[0].key, office_changed, &office),
                     WEFT_ERR_CLOSED);
}

/* It was killed between the file and the store: the key that is there is the mesh's. */
static void a_root_key_that_is_there_is_used(void **state)
{
    (void)state;
    char text[WEFT_IDENTITY_TEXT_SIZE];
    weft_identity_text(&office.nodes[5], WEFT_IDENTITY_ROOT, text);
    weft_world_put_file(office.host, ROOT_FILE, weft_slice_text(text));
    assert_int_equal(office_start(), 0);
    assert_true(weft_key_equal(&office.nodes[5].key, weft_membership_mesh(weft_mesh_state_membership(office.state))));
    office_crash();
    /* Another one in its place is none of this mesh's. */
    weft_identity_text(&office.nodes[6], WEFT_IDENTITY_ROOT, text);
    weft_world_put_file(office.host, ROOT_FILE, weft_slice_text(text));
    assert_int_equal(office_start(), 0);
    assert_false(weft_mesh_state_has_root(office.state));
    assert_int_equal(verdict(), WEFT_VERDICT_MEMBER);
    office_crash();
    weft_world_put_file(office.host, ROOT_FILE, WEFT_SLICE("nothing\n"));
    assert_int_equal(office_start(), WEFT_ERR_INVALID);
    assert_non_null(strstr(office.problem, "The root key " ROOT_FILE " cannot be used"));
}

static void killed_while_it_begins_it_begins_again(void **state)
{
    (void)state;
    unsigned begun = 0, before = 0;
    for (uint64_t seed = 1; seed <= 30; seed++) {
        struct weft_key mesh;
        office_end();
        office_world(seed);
        const struct weft_mesh_state_options options = {.host = office.host,
                                                        .journal = &office.journal,
                                                        .node = &office.gateway,
                                                        .folder = "/state",
                                                        .begins = true,
                                                        .loaded = office_loaded,
                                                        .self = &office};
        assert_int_equal(weft_mesh_state_new(&office.state, &options), 0);
        weft_world_slow_store(office.host, 10 * WEFT_MS);
        weft_mesh_state_load(office.state);
        while (!weft_world_file(office.host, ROOT_FILE).data) {
            weft_world_pass(office.world, 10);
        }
        weft_world_pass(office.world, WEFT_MS + (weft_time)weft_world_below(office.world, 40 * WEFT_MS));
        assert_true(weft_mesh_state_has_root(office.state));
        mesh = *weft_membership_mesh(weft_mesh_state_membership(office.state));
        office_crash();
        assert_int_equal(office_start(), 0);
        assert_true(weft_key_equal(&mesh, weft_membership_mesh(weft_mesh_state_membership(office.state))));
        assert_int_equal(verdict(), WEFT_VERDICT_MEMBER);
        *(weft_mesh_state_begun(office.state) ? &begun : &before) += 1;
    }
    assert_true(begun > 0 && before > 0); /* it was killed on both sides of the moment */
}

static void another_key_is_not_the_member(void **state)
{
    (void)state;
    assert_int_equal(office_start(), 0);
    office_crash();
    assert_int_equal(office_start_as(&office.nodes[0], true), WEFT_ERR_DENIED);
    assert_non_null(strstr(office.problem, "Put the node.key back"));
}

static void what_fails_is_said_in_a_sentence(void **state)
{
    (void)state;
    weft_world_fail_store(office.host, WEFT_ERR_IO, 0);
    assert_int_equal(office_start(), WEFT_ERR_IO);
    assert_string_equal(office.problem, "The simulated disk cannot be read.");
    office_crash();
    weft_world_fail_store(office.host, 0, WEFT_ERR_FULL);
    assert_int_equal(office_start(), WEFT_ERR_FULL);
    assert_string_equal(office.problem, "The simulated disk failed.");
    office_crash();
    weft_world_fail_store(office.host, 0, 0);
    weft_world_fail_files(office.host, WEFT_ERR_DENIED, 0);
    assert_int_equal(office_start(), WEFT_ERR_DENIED);
    assert_non_null(strstr(office.problem, "The root key " ROOT_FILE " cannot be used"));
    office_crash();
    weft_world_fail_files(office.host, WEFT_ERR_NOT_FOUND, WEFT_ERR_IO);
    assert_int_equal(office_start(), WEFT_ERR_IO);
    assert_non_null(strstr(office.problem, "cannot be written to " ROOT_FILE));
}

/* -- a member -- */

static struct weft_identity root, issuer;
static uint8_t admission[WEFT_ADMISSION_MAX];

/* The mesh's gateway admits the office's node, from `now_s` on. */
static struct weft_slice admit(int64_t now_s, uint64_t serial)
{
    static const uint8_t seeds[2][WEFT_SEED_SIZE] = {{0x71}, {0x72}};
    struct weft_certificate office_of;
    struct weft_signed parts;
    uint8_t own[WEFT_CERTIFICATE_MAX], gateway[WEFT_CERTIFICATE_MAX], chain[WEFT_CHAIN_MAX];
    weft_identity_init(&root, seeds[0]);
    weft_identity_init(&issuer, seeds[1]);
    int64_t gateway_size = weft_issue_gateway(&root, &issuer.key, now_s, WEFT_GATEWAY_LIFE_S, 1, gateway);
    assert_true(gateway_size > 0);
    assert_int_equal(weft_certificate_read(weft_slice(gateway, (size_t)gateway_size), &office_of, &parts), 0);
    int64_t own_size = weft_issue_member(&issuer, &office_of, &office.nodes[0].key, WEFT_ROLE_PEER, now_s, serial, own);
    assert_true(own_size > 0);
    struct weft_chain links = {.own = weft_slice(own, (size_t)own_size),
                               .issuer = weft_slice(gateway, (size_t)gateway_size)};
    int64_t size = weft_chain_write(&links, chain);
    assert_true(size > 0);
    size = weft_admission_write(&(struct weft_admission){.chain = weft_slice(chain, (size_t)size)}, admission);
    assert_true(size > 0);
    return weft_slice(admission, (size_t)size);
}

static int take(struct weft_slice answer, struct weft_joining_answer *out)
{
    return weft_mesh_state_take(office.state, &root.key, answer, out, office_changed, &office);
}

static void join(void)
{
    struct weft_joining_answer answer;
    assert_int_equal(office_start_as(&office.nodes[0], false), 0);
    struct weft_slice admitted = admit(weft_mesh_state_now_s(office.state), 7);
    assert_int_equal(office_wait(take(admitted, &answer)), 0);
    assert_int_equal(answer.certificate.role, WEFT_ROLE_PEER);
}

static void a_node_joins_is_renewed_and_leaves(void **state)
{
    (void)state;
    struct weft_joining_answer answer;
    join();
    assert_int_equal(verdict(), WEFT_VERDICT_MEMBER);
    office_crash();
    assert_int_equal(office_start_as(&office.nodes[0], false), 0);
    assert_int_equal(verdict(), WEFT_VERDICT_MEMBER);
    assert_int_equal(weft_mesh_state_certificate(office.state)->serial, 7);
    weft_world_jump(office.host, 20 * DAY_S * WEFT_SECOND);
    assert_true(
        weft_membership_renewal_due(weft_mesh_state_certificate(office.state), weft_mesh_state_now_s(office.state)));
    assert_int_equal(office_wait(take(admit(weft_mesh_state_now_s(office.state), 8), &answer)), 0);
    weft_world_jump(office.host, 20 * DAY_S * WEFT_SECOND);
    office_crash();
    assert_int_equal(office_start_as(&office.nodes[0], false), 0);
    assert_int_equal(weft_mesh_state_certificate(office.state)->serial, 8);
    assert_int_equal(verdict(), WEFT_VERDICT_MEMBER);
    assert_int_equal(office_wait(weft_mesh_state_leave(office.state, office_changed, &office)), 0);
    assert_null(weft_mesh_state_membership(office.state));
    office_crash();
    assert_int_equal(office_start_as(&office.nodes[0], false), 0);
    assert_null(weft_mesh_state_membership(office.state));
}

static void a_node_is_in_one_mesh_at_a_time(void **state)
{
    (void)state;
    struct weft_joining_answer answer;
    assert_int_equal(office_start_as(&office.nodes[0], false), 0);
    struct weft_slice admitted = admit(weft_mesh_state_now_s(office.state), 7);
    assert_int_equal(take(admitted, &answer), 0);
    assert_int_equal(take(admitted, &answer), WEFT_ERR_EXISTS); /* the first one is on its way to the disk */
    assert_int_equal(office_wait(0), 0);
    assert_int_equal(weft_mesh_state_take(office.state, &issuer.key, admitted, &answer, office_changed, &office),
                     WEFT_ERR_EXISTS);
    assert_int_equal(office_wait(take(admitted, &answer)), 0);
}

static void answers_that_are_worth_nothing_change_nothing(void **state)
{
    (void)state;
    struct weft_joining_answer answer;
    uint8_t refused[WEFT_ADMISSION_MAX];
    assert_int_equal(office_start_as(&office.nodes[1], false), 0);
    struct weft_slice admitted = admit(weft_mesh_state_now_s(office.state), 7);
    assert_int_equal(take(admitted, &answer), WEFT_ERR_CRYPTO); /* somebody else's */
    assert_int_equal(answer.verdict, WEFT_VERDICT_OTHER_KEY);
    int64_t size = weft_admission_write(&(struct weft_admission){.refusal = WEFT_REFUSAL_USED_UP}, refused);
    assert_int_equal(take(weft_slice(refused, (size_t)size), &answer), WEFT_ERR_DENIED);
    assert_int_equal(answer.refusal, WEFT_REFUSAL_USED_UP);
    assert_int_equal(take(WEFT_SLICE("\1x"), &answer), WEFT_ERR_INVALID);
    assert_null(weft_mesh_state_membership(office.state));
    office_crash();
    assert_int_equal(office_start_as(&office.nodes[0], false), 0);
    weft_world_fail_store(office.host, 0, WEFT_ERR_FULL);
    assert_int_equal(office_wait(take(admitted, &answer)), WEFT_ERR_FULL);
    assert_string_equal(office.said, "The simulated disk failed.");
    assert_null(weft_mesh_state_membership(office.state));
}

static int revoke_by_root(const struct weft_key *who)
{
    uint8_t bytes[WEFT_REVOCATION_MAX];
    int64_t size = weft_issue_revocation(&root, &root.key, (struct weft_slice){0}, who,
                                         weft_mesh_state_now_s(office.state), bytes);
    assert_true(size > 0);
    return weft_mesh_state_revoke(office.state, weft_slice(bytes, (size_t)size), office_changed, &office);
}

static void who_was_revoked_stays_so_over_a_start(void **state)
{
    (void)state;
    join();
    assert_int_equal(revoke_by_root(&office.nodes[1].key), 1);
    assert_int_equal(office_wait(0), 0);
    assert_int_equal(office_wait(revoke_by_root(&office.nodes[1].key)), 0); /* known */
    assert_int_equal(office_wait(revoke_by_root(&office.nodes[0].key)), 0);
    assert_int_equal(verdict(), WEFT_VERDICT_REVOKED);
    office_crash();
    assert_int_equal(office_start_as(&office.nodes[0], false), 0);
    assert_int_equal(verdict(), WEFT_VERDICT_REVOKED);
    assert_int_equal(weft_membership_revocations(weft_mesh_state_membership(office.state)), 2);
    assert_int_equal(weft_mesh_state_revoke(office.state, WEFT_SLICE("\1"), office_changed, &office), WEFT_ERR_INVALID);
    assert_int_equal(weft_mesh_state_put_out(office.state, &office.nodes[1].key, office_changed, &office),
                     WEFT_ERR_DENIED); /* no gateway */
}

static int revoke_by_gateway(const struct weft_key *who)
{
    uint8_t bytes[WEFT_REVOCATION_MAX], own[WEFT_CERTIFICATE_MAX];
    int64_t now_s = weft_mesh_state_now_s(office.state);
    int64_t size = weft_issue_gateway(&root, &issuer.key, now_s, DAY_S, 1, own);
    assert_true(size > 0);
    size = weft_issue_revocation(&issuer, &root.key, weft_slice(own, (size_t)size), who, now_s, bytes);
    assert_true(size > 0);
    return weft_mesh_state_revoke(office.state, weft_slice(bytes, (size_t)size), office_changed, &office);
}

static void a_gateways_revocation_takes_no_place_of_the_roots(void **state)
{
    (void)state;
    const struct weft_key *who = &office.nodes[1].key;
    join();
    assert_int_equal(office_wait(revoke_by_root(who)), 0);
    assert_int_equal(office_wait(revoke_by_gateway(who)), 0);
    office_crash();
    assert_int_equal(office_start_as(&office.nodes[0], false), 0);
    const struct weft_membership *membership = weft_mesh_state_membership(office.state);
    assert_int_equal(weft_membership_revocations(membership), 2);
    assert_true(weft_membership_revoked(membership, who, WEFT_ROLE_GATEWAY, weft_mesh_state_now_s(office.state)));
}

static void a_revocation_that_could_not_be_stored_is_when_it_comes_again(void **state)
{
    (void)state;
    const struct weft_key *who = &office.nodes[1].key;
    join();
    weft_world_fail_store(office.host, 0, WEFT_ERR_FULL);
    assert_int_equal(office_wait(revoke_by_root(who)), WEFT_ERR_FULL);
    weft_world_fail_store(office.host, 0, 0);
    assert_int_equal(office_wait(revoke_by_root(who)), 0); /* the very same */
    office_crash();
    assert_int_equal(office_start_as(&office.nodes[0], false), 0);
    assert_int_equal(weft_membership_revocations(weft_mesh_state_membership(office.state)), 1);
}

static void who_leaves_is_not_brought_back(void **state)
{
    (void)state;
    struct weft_joining_answer answer;
    enum weft_verdict why;
    join();
    struct weft_slice renewed = admit(weft_mesh_state_now_s(office.state), 8);
    assert_int_equal(weft_mesh_state_leave(office.state, office_changed, &office), 0);
    assert_int_equal(take(renewed, &answer), WEFT_ERR_CLOSED);
    assert_int_equal(weft_mesh_state_certify(office.state, renewed, &why, office_changed, &office), WEFT_ERR_NOT_FOUND);
    assert_int_equal(weft_mesh_state_leave(office.state, office_changed, &office), WEFT_ERR_NOT_FOUND);
    assert_int_equal(office_wait(0), 0);
    office_crash();
    assert_int_equal(office_start_as(&office.nodes[0], false), 0);
    assert_null(weft_mesh_state_membership(office.state));
}

static void a_root_stays_with_its_mesh(void **state)
{
    (void)state;
    assert_int_equal(office_start(), 0);
    assert_true(weft_mesh_state_has_root(office.state));
    assert_int_equal(office_wait(weft_mesh_state_leave(office.state, office_changed, &office)), 0);
    assert_false(weft_mesh_state_has_root(office.state));
}

static void more_revocations_than_a_page_come_back(void **state)
{
    (void)state;
    join();
    for (uint8_t i = 1; i <= 2 * WEFT_STORE_PAGE_MAX + 1; i++) {
        assert_int_equal(office_wait(revoke_by_root(&(const struct weft_key){{i}})), 0);
    }
    office_crash();
    assert_int_equal(office_start_as(&office.nodes[0], false), 0);
    assert_int_equal(weft_membership_revocations(weft_mesh_state_membership(office.state)),
                     2 * WEFT_STORE_PAGE_MAX + 1);
}

static void the_root_renews_a_gateway_by_letter(void **state)
{
    (void)state;
    uint8_t certificate[WEFT_CERTIFICATE_MAX];
    enum weft_verdict why;
    join();
    int64_t now_s = weft_mesh_state_now_s(office.state);
    int64_t size = weft_issue_gateway(&root, &office.nodes[1].key, now_s, DAY_S, 9, certificate);
    assert_int_equal(
        weft_mesh_state_certify(office.state, weft_slice(certificate, (size_t)size), &why, office_changed, &office),
        WEFT_ERR_CRYPTO);
    assert_int_equal(why, WEFT_VERDICT_OTHER_KEY);
    size = weft_issue_gateway(&root, &office.nodes[0].key, now_s, DAY_S, 9, certificate);
    assert_int_equal(office_wait(weft_mesh_state_certify(office.state, weft_slice(certificate, (size_t)size), &why,
                                                         office_changed, &office)),
                     0);
    assert_int_equal(weft_mesh_state_certificate(office.state)->role, WEFT_ROLE_GATEWAY);
    office_crash();
    assert_int_equal(office_start_as(&office.nodes[0], false), 0);
    assert_int_equal(weft_mesh_state_certificate(office.state)->serial, 9);
}

static void memory_that_runs_out_unwinds(void **state)
{
    (void)state;
    struct weft_joining_answer answer;
    int error = WEFT_ERR_MEMORY;
    uint64_t at = 0;
    assert_int_equal(office_start_as(&office.nodes[0], false), 0);
    struct weft_slice admitted = admit(weft_mesh_state_now_s(office.state), 7);
    while (error == WEFT_ERR_MEMORY) {
        int64_t live = weft_mem_live();
        weft_mem_fail_at(++at);
        error = take(admitted, &answer);
        weft_mem_fail_at(0);
        assert_true(error == 0 || (error == WEFT_ERR_MEMORY && weft_mem_live() == live));
    }
    assert_true(at > 3);
    assert_int_equal(office_wait(0), 0);
    office_crash();
    at = 0;
    int64_t live = weft_mem_live();
    do { /* it comes back whole, or says that it cannot */
        weft_mem_fail_at(++at);
        error = office_start_as(&office.nodes[0], false);
        weft_mem_fail_at(0);
        assert_true(error == 0 || error == WEFT_ERR_MEMORY);
        office_crash();
        assert_int_equal(weft_mem_live(), live);
    } while (error < 0);
    assert_true(at > 4);
    weft_world_free(office.world);
    office_world(2);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_gateway_begins_a_mesh_once),
        TEST(a_node_that_begins_none_is_in_none_and_makes_no_key),
        TEST(a_root_key_that_is_there_is_used),
        TEST(killed_while_it_begins_it_begins_again),
        TEST(another_key_is_not_the_member),
        TEST(what_fails_is_said_in_a_sentence),
        TEST(a_node_joins_is_renewed_and_leaves),
        TEST(a_node_is_in_one_mesh_at_a_time),
        TEST(answers_that_are_worth_nothing_change_nothing),
        TEST(who_was_revoked_stays_so_over_a_start),
        TEST(a_gateways_revocation_takes_no_place_of_the_roots),
        TEST(a_revocation_that_could_not_be_stored_is_when_it_comes_again),
        TEST(who_leaves_is_not_brought_back),
        TEST(a_root_stays_with_its_mesh),
        TEST(more_revocations_than_a_page_come_back),
        TEST(the_root_renews_a_gateway_by_letter),
        TEST(memory_that_runs_out_unwinds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
