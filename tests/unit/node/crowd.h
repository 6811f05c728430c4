/* unit/node/crowd.h - members of a gateway's mesh that are only spoken of: certified and announced as real ones are. */
#ifndef WEFT_TESTS_UNIT_NODE_CROWD_H
#define WEFT_TESTS_UNIT_NODE_CROWD_H

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "mesh/issuing.h"
#include "mesh/signing.h"
#include "node/gossiping.h"

/* A gateway's own certificate is signed by the root, so the chain of whoever it admits is these two. */
static inline size_t crowd_certify(const struct weft_mesh_state *state, const struct weft_identity *gateway,
                                   const struct weft_key *subject, enum weft_role role, uint8_t out[WEFT_CHAIN_MAX])
{
    uint8_t bytes[WEFT_CERTIFICATE_MAX];
    struct weft_chain own, chain;
    int64_t size = weft_issue_member(gateway, weft_mesh_state_certificate(state), subject, role,
                                     weft_mesh_state_now_s(state), subject->bytes[0], bytes);
    assert_true(size > 0);
    assert_int_equal(weft_chain_read(weft_mesh_state_chain(state), &own), 0);
    chain = (struct weft_chain){.own = weft_slice(bytes, (size_t)size), .issuer = own.own};
    size = weft_chain_write(&chain, out);
    assert_true(size > 0);
    return (size_t)size;
}

/* A roster is its gossip's to change: this is what a link would have brought. */
static inline struct weft_roster *crowd_roster(const struct weft_gossiping *gossiping)
{
    return (struct weft_roster *)(uintptr_t)weft_gossiping_roster(gossiping);
}

/* `said` is what it announces; its key, chain and date are put there, and a number if there is none. */
static inline enum weft_roster_outcome crowd_announce(const struct weft_gossiping *gossiping,
                                                      const struct weft_mesh_state *state,
                                                      const struct weft_identity *gateway,
                                                      const struct weft_identity *member, enum weft_role role,
                                                      const struct weft_announcement *said, weft_time now)
{
    uint8_t chain[WEFT_CHAIN_MAX], bytes[WEFT_ANNOUNCEMENT_MAX];
    int64_t now_s = weft_mesh_state_now_s(state);
    struct weft_announcement announcement = *said;
    struct weft_gossip_name name;
    announcement.key = member->key;
    announcement.chain = weft_slice(chain, crowd_certify(state, gateway, &member->key, role, chain));
    announcement.incarnation = 1;
    announcement.sequence = said->sequence > 0 ? said->sequence : 1;
    announcement.made_s = said->made_s > 0 ? said->made_s : now_s;
    int64_t size = weft_sign_announcement(member, &announcement, bytes);
    assert_true(size > 0);
    return weft_roster_offer(crowd_roster(gossiping), weft_slice(bytes, (size_t)size), WEFT_ROSTER_RELAYED, now, now_s,
                             &name);
}

static inline struct weft_announced_model crowd_model(const char *alias, uint8_t hash)
{
    struct weft_announced_model model = {.alias = weft_slice_text(alias), .context = 4096, .slots = 2};
    memset(model.hash, hash, sizeof(model.hash));
    return model;
}

#endif
