/* mesh/invites.c - a gateway's own invites. */
#include "mesh/invites.h"

#include "base/assert.h"
#include "base/error.h"
#include "base/mem.h"
#include "base/text.h"

struct use {
    struct weft_key key;
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
    struct weft_key mesh;
    struct invite list[WEFT_INVITES_MAX]; /* in the order they were made */
    size_t count;
};

static const struct {
    const char *word, *text;
} redemptions[] = {
    [WEFT_REDEMPTION_STORE] = {"admitted", ""},
    [WEFT_REDEMPTION_AGAIN] = {"again", ""},
    [WEFT_REDEMPTION_WAIT] = {"wait", ""},
    [WEFT_REDEMPTION_OTHER_MESH] = {"other_mesh",
                                    "This invite is for another mesh than the one of this gateway, so it is "
                                    "worth nothing here. Ask whoever sent it for a new one."},
    [WEFT_REDEMPTION_UNKNOWN] = {"unknown",
                                 "This gateway made no such invite, or has long forgotten it. Ask whoever sent it "
                                 "for a new one."},
    [WEFT_REDEMPTION_REVOKED] = {"revoked",
                                 "This invite was revoked, so nobody can join with it any more. Ask whoever sent "
                                 "it for a new one."},
    [WEFT_REDEMPTION_EXPIRED] = {"expired",
                                 "This invite has expired, so nobody can join with it any more. Ask whoever sent "
                                 "it for a new one."},
    [WEFT_REDEMPTION_USED_UP] = {"used_up",
                                 "This invite was used as often as it may be, so nobody else can join with it. Ask "
                                 "whoever sent it for a new one."},
};

_Static_assert(WEFT_COUNT(redemptions) == WEFT_REDEMPTION_COUNT, "each answer has its sentence");

const char *weft_redemption_text(enum weft_redemption redemption)
{
    return redemptions[redemption].text;
}

const char *weft_redemption_word(enum weft_redemption redemption)
{
    return redemptions[redemption].word;
}

int weft_invites_new(struct weft_invites **out, const struct weft_key *mesh)
{
    *out = weft_zalloc(sizeof(**out));
    if (!*out) {
        return WEFT_ERR_MEMORY;
    }
    (*out)->mesh = *mesh;
    return 0;
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

/* Hashes are compared: what their time says helps nobody to a secret. */
static struct invite *find(const struct weft_invites *invites, const struct weft_secret *secret)
{
    for (size_t i = 0; i < invites->count; i++) {
        const struct invite *invite = &invites->list[i];
        if (memcmp(invite->entry.secret.hash, secret->hash, sizeof(secret->hash)) == 0) {
            return (struct invite *)invite;
        }
    }
    return NULL;
}

static struct use *find_use(const struct invite *invite, const struct weft_key *key)
{
    for (uint32_t i = 0; i < invite->count; i++) {
        if (weft_key_equal(&invite->uses[i].key, key)) {
            return &invite->uses[i];
        }
    }
    return NULL;
}

static int add(struct weft_invites *invites, const struct weft_invite_entry *entry)
{
    if (find(invites, &entry->secret)) {
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
    struct invite *invite = find(invites, &use->secret);
    if (!invite) {
        return WEFT_ERR_NOT_FOUND;
    }
    if (find_use(invite, &use->key)) {
        return WEFT_ERR_EXISTS;
    }
    if (invite->count == WEFT_INVITE_USES_MAX) {
        return WEFT_ERR_FULL;
    }
    struct use stored = {.key = use->key, .serial = use->serial, .at_s = use->at_s, .stored = true};
    return add_use(invite, &stored);
}

/* -- made and taken back -- */

static struct weft_secret hash_of(const uint8_t secret[WEFT_INVITE_SECRET_SIZE])
{
    return weft_secret_of(weft_slice(secret, WEFT_INVITE_SECRET_SIZE));
}

int weft_invites_make(struct weft_invites *invites, const uint8_t secret[WEFT_INVITE_SECRET_SIZE], enum weft_role role,
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
        .secret = hash_of(secret), .role = role, .uses_max = uses_max, .made_s = now_s, .expires_s = now_s + life_s};
    return add(invites, out);
}

void weft_invites_drop(struct weft_invites *invites, const struct weft_secret *secret)
{
    struct invite *invite = find(invites, secret);
    if (invite) {
        remove_at(invites, (size_t)(invite - invites->list));
    }
}

int weft_invites_revoke(struct weft_invites *invites, const struct weft_secret *secret, struct weft_invite_entry *out)
{
    struct invite *invite = find(invites, secret);
    if (!invite) {
        return WEFT_ERR_NOT_FOUND;
    }
    invite->entry.revoked = true;
    *out = invite->entry;
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

/* What is there to say before it comes to a new use. */
static enum weft_redemption standing(const struct invite *invite, const struct use *use, int64_t now_s)
{
    if (!invite) {
        return WEFT_REDEMPTION_UNKNOWN;
    }
    if (invite->entry.revoked) {
        return WEFT_REDEMPTION_REVOKED;
    }
    if (use) { /* it was admitted in time, and perhaps its answer was lost */
        return use->stored ? WEFT_REDEMPTION_AGAIN : WEFT_REDEMPTION_WAIT;
    }
    if (now_s > invite->entry.expires_s) {
        return WEFT_REDEMPTION_EXPIRED;
    }
    return invite->count >= invite->entry.uses_max ? WEFT_REDEMPTION_USED_UP : WEFT_REDEMPTION_STORE;
}

int weft_invites_redeem(struct weft_invites *invites, const struct weft_key *mesh,
                        const uint8_t secret[WEFT_INVITE_SECRET_SIZE], const struct weft_key *key, uint64_t serial,
                        int64_t now_s, struct weft_invite_use *out)
{
    if (!weft_key_equal(mesh, &invites->mesh)) {
        return WEFT_REDEMPTION_OTHER_MESH;
    }
    struct weft_secret hash = hash_of(secret);
    struct invite *invite = find(invites, &hash);
    struct use *use = invite ? find_use(invite, key) : NULL;
    enum weft_redemption redemption = standing(invite, use, now_s);
    if (redemption == WEFT_REDEMPTION_STORE) {
        struct use held = {.key = *key, .serial = serial, .at_s = now_s};
        int error = add_use(invite, &held);
        if (error < 0) {
            return error;
        }
        use = &invite->uses[invite->count - 1];
    }
    if (redemption <= WEFT_REDEMPTION_WAIT) {
        *out = (struct weft_invite_use){.secret = hash, .key = use->key, .serial = use->serial, .at_s = use->at_s};
    }
    return (int)redemption;
}

void weft_invites_stored(struct weft_invites *invites, const struct weft_invite_use *use)
{
    struct invite *invite = find(invites, &use->secret);
    struct use *held = invite ? find_use(invite, &use->key) : NULL;
    if (held) { /* else the invite was dropped meanwhile */
        held->stored = true;
    }
}

void weft_invites_failed(struct weft_invites *invites, const struct weft_invite_use *use)
{
    struct invite *invite = find(invites, &use->secret);
    struct use *held = invite ? find_use(invite, &use->key) : NULL;
    if (held && !held->stored) {
        size_t index = (size_t)(held - invite->uses);
        invite->count--;
        memmove(held, held + 1, (invite->count - index) * sizeof(*held));
    }
}

/* -- listed -- */

static void id_of(const struct weft_invite_entry *entry, char id[WEFT_INVITE_ID_SIZE])
{
    weft_hex(id, entry->secret.hash, (WEFT_INVITE_ID_SIZE - 1) / 2);
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

const struct weft_invite_entry *weft_invites_of(const struct weft_invites *invites, const struct weft_secret *secret)
{
    const struct invite *invite = find(invites, secret);
    return invite ? &invite->entry : NULL;
}
