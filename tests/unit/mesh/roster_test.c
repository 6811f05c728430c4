/* tests/unit/mesh/roster_test.c - what a roster takes, what it refuses and why, who goes for whom, and its bounds. */
#include "mesh/roster.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/error.h"
#include "base/mem.h"
#include "base/random.h"
#include "unit/mesh/announcing.h"

#define NOW ((weft_time)1000 * WEFT_SECOND)

static struct weft_membership *membership;
static struct weft_roster *roster;
static struct weft_gossip_name name;
static int64_t live;

static void make_roster(size_t entries_max, size_t strangers_max)
{
    struct weft_roster_settings settings = {
        .self = anna.key, .secret = {{42}}, .entries_max = entries_max, .strangers_max = strangers_max};
    weft_roster_free(roster);
    assert_int_equal(weft_roster_new(&roster, &settings, membership), 0);
}

static int set_up(void **state)
{
    (void)state;
    make_people();
    live = weft_mem_live();
    int error = weft_membership_new(&membership, &root.key);
    make_roster(100, 0);
    return error;
}

static int tear_down(void **state)
{
    (void)state;
    weft_roster_free(roster);
    weft_membership_free(membership);
    roster = NULL;
    return weft_mem_live() == live ? 0 : -1;
}

static enum weft_roster_outcome offer(struct weft_slice bytes)
{
    return weft_roster_offer(roster, bytes, WEFT_ROSTER_RELAYED, NOW, NOW_S, &name);
}

static const struct weft_entry *entry_of(const struct announcer *node)
{
    return weft_roster_get(roster, &node->identity.key);
}

static bool holds(const struct announcer *node, struct weft_slice bytes)
{
    const struct weft_entry *entry = entry_of(node);
    return entry && entry->bytes && weft_slice_equal(weft_roster_bytes(entry), bytes);
}

static void test_versions(void **state)
{
    (void)state;
    struct announcer node;
    make_announcer(&node, 1, WEFT_ROLE_PEER);
    assert_int_equal(offer(sign_version(&node, 5, 5)), WEFT_ROSTER_ADDED);
    assert_true(name.id == weft_gossip_id(&node.identity.key) && name.incarnation == 5 && name.sequence == 5);
    assert_int_equal(offer(sign_now(&node)), WEFT_ROSTER_KNOWN);
    assert_int_equal(offer(sign_version(&node, 5, 4)), WEFT_ROSTER_REPLAYED);
    assert_int_equal(offer(sign_version(&node, 4, 6)), WEFT_ROSTER_REPLAYED);
    assert_int_equal(entry_of(&node)->sequence, 5);
    assert_int_equal(offer(sign_version(&node, 5, 6)), WEFT_ROSTER_REPLACED);
    assert_int_equal(offer(sign_version(&node, 6, 0)), WEFT_ROSTER_REPLACED);
    assert_true(holds(&node, sign_now(&node)));
    assert_int_equal(entry_of(&node)->role, WEFT_ROLE_PEER);
    assert_int_equal(weft_roster_size(roster), 2); /* and ourselves */
    assert_int_equal(weft_roster_count(roster, WEFT_ROSTER_REPLAYED), 2);
    assert_int_equal(weft_roster_count(roster, WEFT_ROSTER_REPLACED), 2);
    assert_ptr_equal(weft_roster_by_id(roster, name.id), entry_of(&node));
}

/* Each byte of an announcement counts, whether its node is known or not. */
static void test_forged(void **state)
{
    (void)state;
    struct announcer node;
    make_announcer(&node, 1, WEFT_ROLE_PEER);
    for (int known = 0; known < 2; known++) {
        struct weft_slice bytes = sign_version(&node, 1, (uint64_t)known);
        for (size_t bit = 0; bit < 8 * bytes.size; bit += 7) {
            node.bytes[bit / 8] ^= (uint8_t)(1u << (bit % 8));
            enum weft_roster_outcome outcome = offer(bytes);
            assert_true(outcome != WEFT_ROSTER_ADDED && outcome != WEFT_ROSTER_REPLACED);
            node.bytes[bit / 8] ^= (uint8_t)(1u << (bit % 8));
        }
        assert_true(weft_roster_count(roster, WEFT_ROSTER_FORGED) > 0);
        assert_int_equal(offer(bytes), known ? WEFT_ROSTER_REPLACED : WEFT_ROSTER_ADDED);
    }
    weft_identity_sign(&ben, WEFT_ANNOUNCEMENT_DOMAIN, weft_slice(node.bytes, node.size - WEFT_SIGNATURE_SIZE),
                       node.bytes + node.size - WEFT_SIGNATURE_SIZE);
    assert_int_equal(offer(weft_slice(node.bytes, node.size)), WEFT_ROSTER_FORGED);
}

static void test_unreadable(void **state)
{
    (void)state;
    static const uint8_t large[WEFT_ANNOUNCEMENT_MAX + 1];
    struct announcer node;
    make_announcer(&node, 1, WEFT_ROLE_PEER);
    struct weft_slice bytes = sign_now(&node);
    assert_int_equal(offer(weft_slice(large, sizeof(large))), WEFT_ROSTER_OVERSIZED);
    assert_int_equal(offer(weft_slice(bytes.data, 100)), WEFT_ROSTER_MALFORMED);
    assert_int_equal(offer(weft_slice("", 0)), WEFT_ROSTER_MALFORMED);
    node.bytes[0] = 2;
    assert_int_equal(offer(bytes), WEFT_ROSTER_NEWER);
    assert_int_equal(weft_roster_size(roster), 1);
}

static void test_dates(void **state)
{
    (void)state;
    struct announcer node;
    make_announcer(&node, 1, WEFT_ROLE_PEER);
    node.announcement.made_s = NOW_S + WEFT_SKEW_S + 1;
    assert_int_equal(offer(sign_now(&node)), WEFT_ROSTER_SKEWED);
    node.announcement.made_s = NOW_S - WEFT_ROSTER_LIFE_S - WEFT_SKEW_S - 1;
    assert_int_equal(offer(sign_now(&node)), WEFT_ROSTER_STALE);
    /* Of the node itself we know what its clock says now. */
    node.announcement.made_s = NOW_S - WEFT_SKEW_S - 1;
    assert_int_equal(weft_roster_offer(roster, sign_now(&node), WEFT_ROSTER_FIRST_HAND, NOW, NOW_S, &name),
                     WEFT_ROSTER_SKEWED);
    assert_int_equal(offer(sign_now(&node)), WEFT_ROSTER_ADDED);
    node.announcement.made_s = NOW_S + WEFT_SKEW_S;
    assert_int_equal(offer(sign_version(&node, 1, 2)), WEFT_ROSTER_REPLACED);
    node.announcement.made_s = NOW_S - WEFT_ROSTER_LIFE_S - WEFT_SKEW_S;
    assert_int_equal(offer(sign_version(&node, 1, 3)), WEFT_ROSTER_REPLACED);
    weft_roster_sweep(roster, NOW, NOW_S);
    assert_non_null(entry_of(&node));
    weft_roster_sweep(roster, NOW, NOW_S + 1);
    assert_null(entry_of(&node)); /* and nobody who knows it can bring it back */
    assert_int_equal(weft_roster_offer(roster, sign_now(&node), WEFT_ROSTER_RELAYED, NOW, NOW_S + 1, &name),
                     WEFT_ROSTER_STALE);
}

static void test_certificate_ends_first(void **state)
{
    (void)state;
    struct announcer node;
    make_announcer(&node, 1, WEFT_ROLE_PEER);
    int64_t end_s = NOW_S + WEFT_MEMBER_LIFE_S;
    node.announcement.made_s = end_s - 10;
    assert_int_equal(weft_roster_offer(roster, sign_now(&node), WEFT_ROSTER_RELAYED, NOW, end_s - 10, &name),
                     WEFT_ROSTER_ADDED);
    weft_roster_sweep(roster, NOW, end_s + WEFT_SKEW_S);
    assert_non_null(entry_of(&node));
    weft_roster_sweep(roster, NOW, end_s + WEFT_SKEW_S + 1);
    assert_null(entry_of(&node));
    /* So does its gateway's. */
    struct shown shown;
    struct weft_certificate own = certificate_of(&gateway, &node.identity, WEFT_ROLE_PEER), over;
    over = certificate_of(&root, &gateway, WEFT_ROLE_GATEWAY);
    over.not_after_s = end_s - 5;
    node.announcement.chain = show(&shown, &gateway, &own, &over);
    assert_int_equal(weft_roster_offer(roster, sign_now(&node), WEFT_ROSTER_RELAYED, NOW, end_s - 10, &name),
                     WEFT_ROSTER_ADDED);
    weft_roster_sweep(roster, NOW, end_s - 5 + WEFT_SKEW_S);
    assert_non_null(entry_of(&node));
    weft_roster_sweep(roster, NOW, end_s - 5 + WEFT_SKEW_S + 1);
    assert_null(entry_of(&node));
}

static void test_no_member(void **state)
{
    (void)state;
    struct announcer node, other;
    make_announcer(&node, 1, WEFT_ROLE_PEER);
    make_announcer(&other, 2, WEFT_ROLE_PEER);
    node.announcement.chain = other.announcement.chain;
    assert_int_equal(offer(sign_now(&node)), WEFT_ROSTER_NO_MEMBER);
    assert_int_equal(weft_roster_verdict(roster), WEFT_VERDICT_OTHER_KEY);
    make_stranger(&node, 1);
    assert_int_equal(weft_roster_reach(roster, WEFT_ROSTER_SELF, &node.identity.key, NOW), 0);
    assert_int_equal(offer(sign_now(&node)), WEFT_ROSTER_STRANGER); /* the mesh is not open */
    int64_t late_s = NOW_S + WEFT_MEMBER_LIFE_S + WEFT_SKEW_S + 1;
    other.announcement.made_s = late_s;
    assert_int_equal(weft_roster_offer(roster, sign_now(&other), WEFT_ROSTER_RELAYED, NOW, late_s, &name),
                     WEFT_ROSTER_NO_MEMBER);
    assert_int_equal(weft_roster_verdict(roster), WEFT_VERDICT_EXPIRED);
}

/* Two rosters hear of them in either order, and hold the same in the end. */
static void test_equivocating(void **state)
{
    (void)state;
    struct announcer one, other, later;
    make_announcer(&one, 1, WEFT_ROLE_PEER);
    make_announcer(&other, 1, WEFT_ROLE_PEER);
    make_announcer(&later, 1, WEFT_ROLE_PEER);
    other.announcement.memory = 1;
    struct weft_slice a = sign_now(&one), b = sign_now(&other), c = sign_version(&later, 1, 2), kept[2];
    for (int order = 0; order < 2; order++) {
        make_roster(100, 0);
        assert_int_equal(weft_roster_reach(roster, WEFT_ROSTER_SELF, &one.identity.key, NOW), 0);
        assert_int_equal(offer(order == 0 ? a : b), WEFT_ROSTER_ADDED);
        assert_int_equal(weft_roster_state(entry_of(&one)), WEFT_ROSTER_LIVE);
        assert_int_equal(offer(order == 0 ? b : a), WEFT_ROSTER_EQUIVOCATING);
        assert_int_equal(weft_roster_state(entry_of(&one)), WEFT_ROSTER_SUSPECT);
        kept[order] = holds(&one, a) ? a : b;
        assert_true(holds(&one, kept[order]));
        assert_int_equal(offer(kept[order].data == a.data ? b : a), WEFT_ROSTER_EQUIVOCATING);
        assert_true(holds(&one, kept[order]));
        assert_int_equal(offer(c), WEFT_ROSTER_REPLACED);
        assert_int_equal(weft_roster_state(entry_of(&one)), WEFT_ROSTER_LIVE);
    }
    assert_true(kept[0].data == kept[1].data);
}

static void test_ours(void **state)
{
    (void)state;
    uint64_t incarnation;
    struct announcer node, life;
    make_announcer(&node, 1, WEFT_ROLE_PEER);
    make_announcer(&life, 1, WEFT_ROLE_PEER);
    anna = node.identity;
    make_roster(100, 0);
    assert_int_equal(weft_roster_offer(roster, sign_version(&node, 3, 1), WEFT_ROSTER_OURS, NOW, NOW_S, &name),
                     WEFT_ROSTER_ADDED);
    assert_int_equal(weft_roster_state(entry_of(&node)), WEFT_ROSTER_LIVE);
    assert_int_equal(offer(sign_now(&node)), WEFT_ROSTER_KNOWN);
    assert_int_equal(offer(sign_version(&life, 2, 9)), WEFT_ROSTER_REPLAYED);
    assert_false(weft_roster_outrun(roster, &incarnation));
    (void)sign_version(&life, 7, 1);
    life.bytes[life.size - 1] ^= 1;
    assert_int_equal(offer(weft_slice(life.bytes, life.size)), WEFT_ROSTER_FORGED);
    assert_false(weft_roster_outrun(roster, &incarnation));
    assert_int_equal(offer(sign_version(&life, 7, 1)), WEFT_ROSTER_OUTRUN);
    assert_true(weft_roster_outrun(roster, &incarnation));
    assert_int_equal(incarnation, 7);
    assert_true(holds(&node, sign_now(&node)));
}

/* -- who reaches whom -- */

static void test_reach(void **state)
{
    (void)state;
    struct announcer node;
    make_announcer(&node, 1, WEFT_ROLE_PEER);
    const struct weft_key *key = &node.identity.key;
    assert_int_equal(offer(sign_now(&node)), WEFT_ROSTER_ADDED);
    assert_int_equal(weft_roster_state(entry_of(&node)), WEFT_ROSTER_GONE);
    int one = weft_roster_link(roster, &gateway.key, NOW), other = weft_roster_link(roster, &second.key, NOW);
    assert_true(one > 0 && other > 0 && one != other);
    assert_int_equal(weft_roster_link(roster, &gateway.key, NOW), one); /* a second link to it */
    assert_true(weft_key_equal(weft_roster_gateway(roster, one), &gateway.key));
    assert_int_equal(weft_roster_reach(roster, one, key, NOW), 0);
    assert_int_equal(weft_roster_reach(roster, one, key, NOW), 0);
    assert_int_equal(weft_roster_reach(roster, other, key, NOW + 1), 0);
    assert_int_equal(weft_roster_state(entry_of(&node)), WEFT_ROSTER_LIVE);
    assert_int_equal(entry_of(&node)->since, NOW);
    weft_roster_lose(roster, other, key, NOW + 2);
    assert_int_equal(weft_roster_state(entry_of(&node)), WEFT_ROSTER_LIVE);
    weft_roster_unlink(roster, one, NOW + 3);
    assert_int_equal(weft_roster_state(entry_of(&node)), WEFT_ROSTER_LIVE);
    weft_roster_unlink(roster, one, NOW + 4); /* the last: what it vouched for is gone with it */
    assert_int_equal(weft_roster_state(entry_of(&node)), WEFT_ROSTER_GONE);
    assert_int_equal(entry_of(&node)->since, NOW + 4);
    assert_null(weft_roster_get(roster, &gateway.key)); /* of whom only the link spoke */
    assert_non_null(weft_roster_get(roster, &second.key));
    /* All anew, but that it is there itself. */
    assert_int_equal(weft_roster_reach(roster, other, key, NOW), 0);
    assert_int_equal(weft_roster_reach(roster, other, &ben.key, NOW), 0);
    weft_roster_lose_all(roster, other, NOW);
    assert_null(weft_roster_get(roster, &ben.key));
    assert_non_null(weft_roster_get(roster, &second.key));
    assert_int_equal(weft_roster_state(entry_of(&node)), WEFT_ROSTER_GONE);
    weft_roster_lose(roster, other, &second.key, NOW); /* it does not say that of itself */
    assert_non_null(weft_roster_get(roster, &second.key));
}

/* However often a gateway says that it reaches a node, the word of others counts beside it. */
static void test_said_again(void **state)
{
    (void)state;
    struct announcer node;
    make_announcer(&node, 1, WEFT_ROLE_PEER);
    const struct weft_key *key = &node.identity.key;
    int one = weft_roster_link(roster, &gateway.key, NOW), other = weft_roster_link(roster, &second.key, NOW);
    assert_int_equal(offer(sign_now(&node)), WEFT_ROSTER_ADDED);
    for (int i = 0; i < 2 * WEFT_ENTRY_VIA_MAX; i++) {
        assert_int_equal(weft_roster_reach(roster, one, key, NOW), 0);
    }
    assert_int_equal(weft_roster_reach(roster, other, key, NOW), 0);
    weft_roster_lose(roster, one, key, NOW);
    assert_int_equal(weft_roster_state(entry_of(&node)), WEFT_ROSTER_LIVE);
    weft_roster_lose(roster, other, key, NOW);
    assert_int_equal(weft_roster_state(entry_of(&node)), WEFT_ROSTER_GONE);
}

static void test_many_ways(void **state)
{
    (void)state;
    struct announcer node, more;
    make_announcer(&node, 1, WEFT_ROLE_PEER);
    assert_int_equal(offer(sign_now(&node)), WEFT_ROSTER_ADDED);
    make_roster(1000, 0);
    for (uint32_t i = 0; i < WEFT_ROSTER_GATEWAYS_MAX; i++) {
        make_announcer(&more, 100 + i, WEFT_ROLE_GATEWAY);
        int place = weft_roster_link(roster, &more.identity.key, NOW);
        assert_true(place > 0);
        assert_int_equal(weft_roster_reach(roster, place, &node.identity.key, NOW), 0); /* more than are kept */
    }
    assert_int_equal(weft_roster_link(roster, &ben.key, NOW), WEFT_ERR_FULL);
    assert_int_equal(weft_roster_state(entry_of(&node)), WEFT_ROSTER_LIVE);
}

static void revoke(const struct weft_identity *subject)
{
    uint8_t bytes[WEFT_REVOCATION_MAX];
    struct weft_revocation revocation = {
        .mesh = root.key, .subject = subject->key, .made_s = NOW_S, .until_s = NOW_S + DAY_S};
    int64_t size = weft_sign_revocation(&root, &revocation, bytes);
    assert_true(size > 0);
    assert_int_equal(weft_membership_revoke(membership, weft_slice(bytes, (size_t)size), NOW_S), 1);
    weft_roster_revoked(roster, &subject->key, NOW_S);
}

static void test_revoked(void **state)
{
    (void)state;
    struct announcer one, other, third;
    make_announcer(&one, 1, WEFT_ROLE_PEER);
    make_announcer(&other, 2, WEFT_ROLE_PEER);
    make_announcer(&third, 3, WEFT_ROLE_GATEWAY);
    assert_int_equal(offer(sign_now(&one)), WEFT_ROSTER_ADDED);
    assert_int_equal(offer(sign_now(&other)), WEFT_ROSTER_ADDED);
    assert_int_equal(offer(sign_now(&third)), WEFT_ROSTER_ADDED);
    assert_int_equal(weft_roster_reach(roster, WEFT_ROSTER_SELF, &one.identity.key, NOW), 0);
    revoke(&one.identity);
    assert_null(entry_of(&one)->bytes); /* its link is not closed yet */
    assert_non_null(entry_of(&other)->bytes);
    assert_int_equal(offer(sign_version(&one, 9, 9)), WEFT_ROSTER_NO_MEMBER);
    revoke(&gateway); /* and whom it admitted */
    assert_null(entry_of(&other));
    assert_non_null(entry_of(&third)->bytes);
}

/* -- places -- */

/* A roster of four: ourselves and three more. */
static void test_who_goes_for_a_member(void **state)
{
    (void)state;
    struct announcer nodes[8];
    make_roster(4, 2);
    for (uint32_t i = 0; i < WEFT_COUNT(nodes); i++) {
        if (i < 2) {
            make_stranger(&nodes[i], i);
        } else {
            make_announcer(&nodes[i], i, WEFT_ROLE_PEER);
        }
    }
    assert_int_equal(weft_roster_offer(roster, sign_now(&nodes[2]), WEFT_ROSTER_RELAYED, NOW, NOW_S, &name),
                     WEFT_ROSTER_ADDED); /* gone from the start */
    for (int i = 0; i < 2; i++) {
        assert_int_equal(weft_roster_reach(roster, WEFT_ROSTER_SELF, &nodes[i].identity.key, NOW), 0);
        assert_int_equal(offer(sign_now(&nodes[i])), WEFT_ROSTER_ADDED);
        assert_true(entry_of(&nodes[i])->probation);
    }
    assert_int_equal(weft_roster_size(roster), 4);
    weft_roster_lose(roster, WEFT_ROSTER_SELF, &nodes[0].identity.key, NOW);
    /* The stranger that is gone, then the one on probation, then the member that is gone. */
    assert_int_equal(offer(sign_now(&nodes[3])), WEFT_ROSTER_ADDED);
    assert_null(entry_of(&nodes[0]));
    assert_int_equal(offer(sign_now(&nodes[4])), WEFT_ROSTER_ADDED);
    assert_null(entry_of(&nodes[1]));
    assert_int_equal(offer(sign_now(&nodes[5])), WEFT_ROSTER_ADDED);
    assert_null(entry_of(&nodes[2])); /* of three that are gone the longest */
    for (int i = 3; i < 6; i++) {
        assert_int_equal(weft_roster_reach(roster, WEFT_ROSTER_SELF, &nodes[i].identity.key, NOW), 0);
    }
    /* Nobody goes of those that can be reached: for a member, a stranger, or one that is spoken of. */
    assert_int_equal(offer(sign_now(&nodes[6])), WEFT_ROSTER_OVER_QUOTA);
    assert_int_equal(weft_roster_reach(roster, WEFT_ROSTER_SELF, &nodes[7].identity.key, NOW), WEFT_ERR_FULL);
    assert_int_equal(weft_roster_size(roster), 4);
}

static void test_strangers(void **state)
{
    (void)state;
    struct announcer one, other;
    make_roster(100, 1);
    make_stranger(&one, 1);
    make_stranger(&other, 2);
    assert_int_equal(offer(sign_now(&one)), WEFT_ROSTER_STRANGER); /* nobody vouches for it */
    assert_null(entry_of(&one));
    assert_int_equal(weft_roster_reach(roster, WEFT_ROSTER_SELF, &one.identity.key, NOW), 0);
    assert_int_equal(weft_roster_reach(roster, WEFT_ROSTER_SELF, &other.identity.key, NOW), 0);
    assert_int_equal(offer(sign_now(&one)), WEFT_ROSTER_ADDED);
    assert_int_equal(offer(sign_now(&other)), WEFT_ROSTER_OVER_QUOTA);
    /* Probation ends after so long without a break, and begins again with one. */
    weft_roster_sweep(roster, NOW + WEFT_ROSTER_PROBATION - 1, NOW_S);
    assert_true(entry_of(&one)->probation);
    weft_roster_sweep(roster, NOW + WEFT_ROSTER_PROBATION, NOW_S);
    assert_false(entry_of(&one)->probation);
    assert_int_equal(offer(sign_version(&one, 1, 2)), WEFT_ROSTER_REPLACED);
    assert_false(entry_of(&one)->probation);
    weft_roster_lose(roster, WEFT_ROSTER_SELF, &one.identity.key, NOW);
    assert_true(entry_of(&one)->probation);
    assert_int_equal(offer(sign_now(&other)), WEFT_ROSTER_ADDED); /* for one that is gone */
    assert_null(entry_of(&one));
}

/* Hundreds of identities that gateways vouch for: members stay, and find places. */
static void test_flood(void **state)
{
    (void)state;
    struct announcer member, late, flood;
    make_roster(200, 50);
    for (uint32_t i = 0; i < 60; i++) {
        make_announcer(&member, i, WEFT_ROLE_PEER);
        assert_int_equal(offer(sign_now(&member)), WEFT_ROSTER_ADDED);
        if (i % 2 == 0) {
            assert_int_equal(weft_roster_reach(roster, WEFT_ROSTER_SELF, &member.identity.key, NOW), 0);
        }
    }
    int place = weft_roster_link(roster, &second.key, NOW);
    for (uint32_t i = 0; i < 500; i++) {
        make_stranger(&flood, 1000 + i);
        int status = weft_roster_reach(roster, place, &flood.identity.key, NOW);
        assert_true(status == 0 || status == WEFT_ERR_FULL);
        enum weft_roster_outcome outcome = offer(sign_now(&flood));
        assert_true(outcome == WEFT_ROSTER_ADDED || outcome == WEFT_ROSTER_OVER_QUOTA ||
                    outcome == WEFT_ROSTER_STRANGER);
        assert_true(weft_roster_size(roster) <= 200);
    }
    assert_int_equal(weft_roster_count(roster, WEFT_ROSTER_ADDED), 60 + 50);
    for (uint32_t i = 0; i < 60; i++) {
        make_announcer(&member, i, WEFT_ROLE_PEER);
        assert_non_null(entry_of(&member));
    }
    for (uint32_t i = 0; i < 60; i++) {
        make_announcer(&late, 100 + i, WEFT_ROLE_PEER);
        assert_int_equal(offer(sign_now(&late)), WEFT_ROSTER_ADDED);
    }
    for (uint32_t i = 0; i < 60; i++) {
        make_announcer(&member, i, WEFT_ROLE_PEER);
        assert_non_null(entry_of(&member));
    }
    assert_int_equal(weft_roster_size(roster), 200);
}

/* -- models -- */

static size_t holders_of(const uint8_t hash[WEFT_HASH_SIZE], struct weft_slice alias)
{
    struct weft_holders_range range = weft_roster_holders(roster, hash, alias);
    size_t count = 0;
    for (size_t i = 0; i < range.count; i++) {
        count += weft_roster_holder(roster, range, i, hash, alias) ? 1 : 0;
    }
    return count;
}

static void test_models(void **state)
{
    (void)state;
    struct announcer node, client;
    uint8_t hash[WEFT_HASH_SIZE] = {1}, none[WEFT_HASH_SIZE] = {0};
    for (uint32_t i = 0; i < 10; i++) {
        make_announcer(&node, i, WEFT_ROLE_PEER);
        node.announcement.models[1] = (struct weft_announced_model){.alias = WEFT_SLICE("external")};
        node.announcement.model_count = i < 4 ? 2 : 1;
        assert_int_equal(offer(sign_now(&node)), WEFT_ROSTER_ADDED);
    }
    make_announcer(&client, 100, WEFT_ROLE_CLIENT); /* asks, and serves nobody whatever it says */
    assert_int_equal(offer(sign_now(&client)), WEFT_ROSTER_ADDED);
    assert_int_equal(holders_of(hash, WEFT_SLICE("")), 10);
    assert_int_equal(holders_of(none, WEFT_SLICE("external")), 4);
    assert_int_equal(holders_of(none, WEFT_SLICE("model")), 0); /* its hash is known */
    hash[0] = 2;
    assert_int_equal(holders_of(hash, WEFT_SLICE("")), 0);
    memcpy(node.announcement.models[0].hash, hash, sizeof(hash)); /* the tenth has another now */
    assert_int_equal(offer(sign_version(&node, 1, 2)), WEFT_ROSTER_REPLACED);
    assert_int_equal(holders_of(hash, WEFT_SLICE("")), 1);
    hash[0] = 1;
    assert_int_equal(holders_of(hash, WEFT_SLICE("")), 9);
    weft_roster_sweep(roster, NOW, NOW_S + WEFT_ROSTER_LIFE_S + WEFT_SKEW_S + 1);
    assert_int_equal(holders_of(hash, WEFT_SLICE("")), 0);
    assert_int_equal(weft_roster_models(roster)->count, 0);
    assert_int_equal(weft_roster_size(roster), 1);
}

/* A thousand entries, each with as many models as there can be, none twice, and known by four gateways. */
static void test_memory_of_an_entry(void **state)
{
    (void)state;
    size_t announcements, others;
    struct announcer node;
    make_roster(WEFT_ENTRIES_MAX, 0);
    for (uint32_t i = 0; i < 1000; i++) {
        make_announcer(&node, i, WEFT_ROLE_PEER);
        node.announcement.model_count = WEFT_ANNOUNCEMENT_MODELS_MAX;
        for (uint32_t model = 0; model < WEFT_ANNOUNCEMENT_MODELS_MAX; model++) {
            node.announcement.models[model] = (struct weft_announced_model){
                .alias = WEFT_SLICE("m"), .hash = {1, (uint8_t)i, (uint8_t)(i >> 8), (uint8_t)model}};
        }
        assert_int_equal(offer(sign_now(&node)), WEFT_ROSTER_ADDED);
    }
    weft_roster_memory(roster, &announcements, &others);
    printf("1,000 entries with 32 models each: %zu bytes each beside the announcement\n", others / 1000);
    assert_true(others / 1000 + 16 <= WEFT_ROSTER_OVERHEAD_MAX); /* 16: what an allocation costs */
    assert_int_equal(weft_roster_models(roster)->count, 1000 * WEFT_ANNOUNCEMENT_MODELS_MAX);
}

/* -- anything, in any order -- */

#define PEOPLE 24

struct seen {
    struct announcer node;
    bool known;
    uint64_t incarnation, sequence; /* the latest that could be taken */
};

/* What must hold whatever came: what is in was said, and nothing later was; the index has what the entries have. */
static void check(const struct seen people[PEOPLE])
{
    size_t models = 0, entries = 0;
    uint32_t cursor = 0;
    for (const struct weft_entry *entry; (entry = weft_roster_next(roster, &cursor));) {
        struct weft_announcement announcement;
        struct weft_signed parts;
        entries++;
        if (!entry->bytes) {
            assert_int_not_equal(weft_roster_state(entry), WEFT_ROSTER_GONE); /* spoken of, or not there */
            continue;
        }
        assert_int_equal(weft_announcement_read(weft_roster_bytes(entry), &announcement, &parts), 0);
        assert_true(weft_key_verify(&entry->key, WEFT_ANNOUNCEMENT_DOMAIN, parts.record, parts.signature));
        models += announcement.model_count;
        for (size_t i = 0; i < PEOPLE; i++) {
            if (weft_key_equal(&people[i].node.identity.key, &entry->key)) {
                assert_true(people[i].known && entry->incarnation == people[i].incarnation &&
                            entry->sequence == people[i].sequence);
            }
        }
    }
    assert_int_equal(entries, weft_roster_size(roster));
    assert_int_equal(models, weft_roster_models(roster)->count);
    assert_true(entries <= 16);
}

static void do_anything(struct weft_random *random, struct seen people[PEOPLE], int places[3])
{
    struct seen *one = &people[weft_random_below(random, PEOPLE)];
    int place = places[weft_random_below(random, 3)];
    struct weft_slice bytes;
    switch (weft_random_below(random, 6)) {
    case 0:
        (void)!weft_roster_reach(roster, place, &one->node.identity.key, NOW); /* there may be no place */
        break;
    case 1:
        weft_roster_lose(roster, place, &one->node.identity.key, NOW);
        break;
    case 2: /* damaged on its way */
        bytes = sign_version(&one->node, 1 + weft_random_below(random, 3), weft_random_below(random, 4));
        one->node.bytes[weft_random_below(random, bytes.size)] ^= (uint8_t)(1 + weft_random_below(random, 255));
        (void)offer(bytes);
        break;
    default:
        one->node.announcement.models[0].hash[0] = (uint8_t)(1 + weft_random_below(random, 3));
        bytes = sign_version(&one->node, 1 + weft_random_below(random, 3), weft_random_below(random, 4));
        enum weft_roster_outcome outcome = offer(bytes);
        bool taken = outcome == WEFT_ROSTER_ADDED || outcome == WEFT_ROSTER_REPLACED;
        bool later =
            !entry_of(&one->node) || !one->known || one->node.announcement.incarnation > one->incarnation ||
            (one->node.announcement.incarnation == one->incarnation && one->node.announcement.sequence > one->sequence);
        if (taken) {
            assert_true(later || outcome == WEFT_ROSTER_ADDED); /* an entry that went may come again as it was */
            one->known = true;
            one->incarnation = one->node.announcement.incarnation;
            one->sequence = one->node.announcement.sequence;
        }
    }
}

static void test_anything(void **state)
{
    (void)state;
    static struct seen people[PEOPLE];
    for (uint64_t seed = 1; seed <= 6; seed++) {
        struct weft_random random;
        weft_random_init(&random, seed);
        make_roster(16, 6);
        for (uint32_t i = 0; i < PEOPLE; i++) {
            people[i].known = false;
            if (i % 3 == 0) {
                make_stranger(&people[i].node, i);
            } else {
                make_announcer(&people[i].node, i, WEFT_ROLE_PEER);
            }
        }
        int places[3] = {WEFT_ROSTER_SELF, weft_roster_link(roster, &gateway.key, NOW),
                         weft_roster_link(roster, &second.key, NOW)};
        for (int step = 0; step < 300; step++) {
            do_anything(&random, people, places);
            check(people);
        }
        weft_roster_unlink(roster, places[1], NOW);
        weft_roster_unlink(roster, places[2], NOW);
        check(people);
    }
}

static void test_memory_runs_out(void **state)
{
    (void)state;
    struct announcer node;
    struct weft_roster *none = roster;
    struct weft_roster_settings settings = {.self = anna.key, .entries_max = 10};
    make_announcer(&node, 1, WEFT_ROLE_PEER);
    struct weft_slice bytes = sign_now(&node);
    for (uint64_t i = 1;; i++) {
        weft_mem_fail_at(i);
        enum weft_roster_outcome outcome = offer(bytes);
        if (!weft_mem_failed()) {
            assert_int_equal(outcome, WEFT_ROSTER_ADDED);
            break;
        }
        assert_int_equal(outcome, WEFT_ROSTER_MEMORY);
        assert_null(entry_of(&node));
    }
    bytes = sign_version(&node, 2, 2);
    weft_mem_fail_at(1);
    assert_int_equal(offer(bytes), WEFT_ROSTER_MEMORY);
    assert_int_equal(entry_of(&node)->incarnation, 1); /* the earlier one holds on */
    for (uint64_t i = 1; i <= 3; i++) {
        weft_mem_fail_at(i);
        assert_int_equal(weft_roster_new(&none, &settings, membership), WEFT_ERR_MEMORY);
        assert_true(weft_mem_failed());
        assert_null(none);
    }
    weft_mem_fail_at(0);
    weft_roster_free(NULL);
}

static void test_words(void **state)
{
    (void)state;
    for (int i = 0; i < WEFT_ROSTER_OUTCOMES; i++) {
        for (int j = 0; j < i; j++) {
            assert_string_not_equal(weft_roster_outcome_word((enum weft_roster_outcome)i),
                                    weft_roster_outcome_word((enum weft_roster_outcome)j));
        }
    }
}

#define ROSTER_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ROSTER_TEST(test_versions),
        ROSTER_TEST(test_forged),
        ROSTER_TEST(test_unreadable),
        ROSTER_TEST(test_dates),
        ROSTER_TEST(test_certificate_ends_first),
        ROSTER_TEST(test_no_member),
        ROSTER_TEST(test_equivocating),
        ROSTER_TEST(test_ours),
        ROSTER_TEST(test_reach),
        ROSTER_TEST(test_said_again),
        ROSTER_TEST(test_many_ways),
        ROSTER_TEST(test_revoked),
        ROSTER_TEST(test_who_goes_for_a_member),
        ROSTER_TEST(test_strangers),
        ROSTER_TEST(test_flood),
        ROSTER_TEST(test_models),
        ROSTER_TEST(test_memory_of_an_entry),
        ROSTER_TEST(test_anything),
        ROSTER_TEST(test_memory_runs_out),
        ROSTER_TEST(test_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
