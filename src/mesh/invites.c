/* mesh/invites.c - a gateway's own invites. */
#include "mesh/invites.h"

#include "base/assert.h"
#include "base/error.h"
#include "base/mem.h"
#include "base/text.h"

struct use {
    struct weft_key node;
    uint64_t serial;
    int64_t at_s;
    bool stored; /* else it is held back until that is known */
};

struct invite {
    struct weft_invite_entry entry;
    struct use *uses; /* in the order they came */
    uint32_t count, room;
};

struct weft_invites {
    struct invite list[WEFT_INVITES_MAX]; /* in the order they were made */
    size_t count;
};

int weft_invites_new(struct weft_invites **out)
{
    *out = weft_zalloc(sizeof(**out));
    return *out ? 0 : WEFT_ERR_MEMORY;
}

void weft_invites_free(struct weft_invites *invites)
{
    if (!invites) {
        return;
    }
    for (size_t i = 0; i < invites->count; i++) {
        weft_free(invites->list[i].uses);
    }
    weft_free(invites);
}

static struct invite *find(const struct weft_invites *invites, const struct weft_key *key)
{
    for (size_t i = 0; i < invites->count; i++) {
        const struct invite *invite = &invites->list[i];
        if (weft_key_equal(&invite->entry.invite, key)) {
            return (struct invite *)invite;
        }
    }
    return NULL;
}

static struct use *find_use(const struct invite *invite, const struct weft_key *node)
{
    for (uint32_t i = 0; i < invite->count; i++) {
        if (weft_key_equal(&invite->uses[i].node, node)) {
            return &invite->uses[i];
        }
    }
    return NULL;
}

static int add(struct weft_invites *invites, const struct weft_invite_entry *entry)
{
    if (find(invites, &entry->invite)) {
        return WEFT_ERR_EXISTS;
    }
    if (invites->count == WEFT_INVITES_MAX) {
        return WEFT_ERR_FULL;
    }
    invites->list[invites->count++] = (struct invite){.entry = *entry};
    return 0;
}

static int add_use(struct invite *invite, const struct use *use)
{
    if (invite->count == invite->room) {
        uint32_t room = invite->room == 0 ? 1 : 2 * invite->room;
        struct use *uses = weft_realloc(invite->uses, room * sizeof(*uses));
        if (!uses) {
            return WEFT_ERR_MEMORY;
        }
        invite->uses = uses;
        invite->room = room;
    }
    invite->uses[invite->count++] = *use;
    return 0;
}

static void remove_at(struct weft_invites *invites, size_t index)
{
    weft_free(invites->list[index].uses);
    invites->count--;
    memmove(&invites->list[index], &invites->list[index + 1], (invites->count - index) * sizeof(invites->list[0]));
}

/* -- from the store -- */

int weft_invites_restore(struct weft_invites *invites, const struct weft_invite_entry *entry)
{
    return add(invites, entry);
}

int weft_invites_restore_use(struct weft_invites *invites, const struct weft_invite_use *use)
{
    struct invite *invite = find(invites, &use->invite);
    if (!invite) {
        return WEFT_ERR_NOT_FOUND;
    }
    if (find_use(invite, &use->node)) {
        return WEFT_ERR_EXISTS;
    }
    if (invite->count == WEFT_INVITE_USES_MAX) {
        return WEFT_ERR_FULL;
    }
    struct use stored = {.node = use->node, .serial = use->serial, .at_s = use->at_s, .stored = true};
    return add_use(invite, &stored);
}

/* -- made and taken back -- */

int weft_invites_make(struct weft_invites *invites, const struct weft_key *invite, enum weft_role role,
                      uint32_t uses_max, int64_t now_s, int64_t life_s, struct weft_invite_entry *out)
{
    if (uses_max == 0 || life_s <= 0) {
        return WEFT_ERR_INVALID;
    }
    if (uses_max > WEFT_INVITE_USES_MAX || life_s > WEFT_INVITE_LIFE_MAX_S) {
        return WEFT_ERR_TOO_LARGE;
    }
    (void)weft_invites_forget(invites, now_s); /* how many is nobody's question here */
    *out = (struct weft_invite_entry){
        .invite = *invite, .role = role, .uses_max = uses_max, .made_s = now_s, .expires_s = now_s + life_s};
    return add(invites, out);
}

void weft_invites_drop(struct weft_invites *invites, const struct weft_key *invite)
{
    struct invite *held = find(invites, invite);
    if (held) {
        remove_at(invites, (size_t)(held - invites->list));
    }
}

int weft_invites_revoke(struct weft_invites *invites, const struct weft_key *invite, struct weft_invite_entry *out)
{
    struct invite *held = find(invites, invite);
    if (!held) {
        return WEFT_ERR_NOT_FOUND;
    }
    held->entry.revoked = true;
    *out = held->entry;
    return 0;
}

/* While a use is being stored its invite stays. */
static bool awaits_store(const struct invite *invite)
{
    for (uint32_t i = 0; i < invite->count; i++) {
        if (!invite->uses[i].stored) {
            return true;
        }
    }
    return false;
}

size_t weft_invites_forget(struct weft_invites *invites, int64_t now_s)
{
    size_t before = invites->count;
    for (size_t i = invites->count; i-- > 0;) {
        const struct invite *invite = &invites->list[i];
        if (now_s > invite->entry.expires_s + WEFT_INVITE_FORGET_S && !awaits_store(invite)) {
            remove_at(invites, i);
        }
    }
    return before - invites->count;
}

/* -- redeemed -- */

static enum weft_redemption refuse(enum weft_refused *why, enum weft_refused refusal)
{
    *why = refusal;
    return WEFT_REDEMPTION_REFUSED;
}

bool weft_invite_lets_in(const struct weft_invite_entry *entry, uint32_t used, bool admitted, int64_t now_s,
                         enum weft_refused *why)
{
    if (entry->revoked) {
        *why = WEFT_REFUSAL_REVOKED;
        return false;
    }
    if (admitted) { /* in time, and perhaps its answer was lost */
        return true;
    }
    if (now_s > entry->expires_s) {
        *why = WEFT_REFUSAL_EXPIRED;
        return false;
    }
    if (used >= entry->uses_max) {
        *why = WEFT_REFUSAL_USED_UP;
        return false;
    }
    return true;
}

/* What is there to say before it comes to a new use. */
static enum weft_redemption standing(const struct invite *invite, const struct use *use, int64_t now_s,
                                     enum weft_refused *why)
{
    if (!invite) {
        return refuse(why, WEFT_REFUSAL_UNKNOWN);
    }
    if (!weft_invite_lets_in(&invite->entry, invite->count, use, now_s, why)) {
        return WEFT_REDEMPTION_REFUSED;
    }
    return !use ? WEFT_REDEMPTION_STORE : use->stored ? WEFT_REDEMPTION_AGAIN : WEFT_REDEMPTION_WAIT;
}

int weft_invites_redeem(struct weft_invites *invites, const struct weft_key *invite, const struct weft_key *node,
                        uint64_t serial, int64_t now_s, struct weft_invite_use *out, enum weft_refused *why)
{
    struct invite *held = find(invites, invite);
    struct use *use = held ? find_use(held, node) : NULL;
    enum weft_redemption redemption = standing(held, use, now_s, why);
    if (redemption == WEFT_REDEMPTION_REFUSED) {
        return (int)redemption;
    }
    if (redemption == WEFT_REDEMPTION_STORE) {
        struct use first = {.node = *node, .serial = serial, .at_s = now_s};
        int error = add_use(held, &first);
        if (error < 0) {
            return error;
        }
        use = &held->uses[held->count - 1];
    }
    *out = (struct weft_invite_use){.invite = *invite, .node = *node, .serial = use->serial, .at_s = use->at_s};
    return (int)redemption;
}

void weft_invites_stored(struct weft_invites *invites, const struct weft_invite_use *use)
{
    struct invite *invite = find(invites, &use->invite);
    struct use *held = invite ? find_use(invite, &use->node) : NULL;
    if (held) { /* else the invite was dropped meanwhile */
        held->stored = true;
    }
}

void weft_invites_failed(struct weft_invites *invites, const struct weft_invite_use *use)
{
    struct invite *invite = find(invites, &use->invite);
    struct use *held = invite ? find_use(invite, &use->node) : NULL;
    if (held && !held->stored) {
        size_t index = (size_t)(held - invite->uses);
        invite->count--;
        memmove(held, held + 1, (invite->count - index) * sizeof(*held));
    }
}

/* -- listed -- */

static void id_of(const struct weft_invite_entry *entry, char id[WEFT_INVITE_ID_SIZE])
{
    weft_hex(id, entry->invite.bytes, (WEFT_INVITE_ID_SIZE - 1) / 2);
}

size_t weft_invites_count(const struct weft_invites *invites)
{
    return invites->count;
}

struct weft_invite_state weft_invites_at(const struct weft_invites *invites, size_t index)
{
    WEFT_ASSERT(index < invites->count);
    const struct invite *invite = &invites->list[index];
    struct weft_invite_state state = {.entry = &invite->entry, .uses = invite->count};
    id_of(&invite->entry, state.id);
    return state;
}

const struct weft_invite_entry *weft_invites_find(const struct weft_invites *invites, struct weft_slice id)
{
    for (size_t i = 0; i < invites->count; i++) {
        char text[WEFT_INVITE_ID_SIZE];
        id_of(&invites->list[i].entry, text);
        if (weft_slice_equal(id, weft_slice_text(text))) {
            return &invites->list[i].entry;
        }
    }
    return NULL;
}

const struct weft_invite_entry *weft_invites_of(const struct weft_invites *invites, const struct weft_key *invite)
{
    const struct invite *held = find(invites, invite);
    return held ? &held->entry : NULL;
}
