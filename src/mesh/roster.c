/* mesh/roster.c - what a node knows of others. */
#include "mesh/roster.h"

#include "base/assert.h"
#include "base/error.h"
#include "base/mem.h"
#include "crypto/identity.h"

#define PLACES (1 + WEFT_ROSTER_GATEWAYS_MAX) /* our own, and one for each gateway that we are linked to */

struct gateway {
    struct weft_key key;
    size_t links;   /* 0: the place is free */
    size_t reaches; /* nodes */
};

struct weft_roster {
    struct weft_roster_settings settings;
    struct weft_membership *membership;
    struct weft_entries entries;
    struct weft_holders holders;
    struct gateway gateways[PLACES];
    uint64_t counts[WEFT_ROSTER_OUTCOMES];
    uint64_t stamps, changes;
    uint64_t outrun_incarnation;
    bool outrun;
    enum weft_verdict verdict;
    size_t announcement_bytes;
};

static const char *const words[] = {
    [WEFT_ROSTER_ADDED] = "added",
    [WEFT_ROSTER_REPLACED] = "replaced",
    [WEFT_ROSTER_KNOWN] = "known",
    [WEFT_ROSTER_REPLAYED] = "replayed",
    [WEFT_ROSTER_MALFORMED] = "malformed",
    [WEFT_ROSTER_OVERSIZED] = "oversized",
    [WEFT_ROSTER_NEWER] = "newer",
    [WEFT_ROSTER_FORGED] = "forged",
    [WEFT_ROSTER_STALE] = "stale",
    [WEFT_ROSTER_SKEWED] = "skewed",
    [WEFT_ROSTER_NO_MEMBER] = "no_member",
    [WEFT_ROSTER_STRANGER] = "stranger",
    [WEFT_ROSTER_EQUIVOCATING] = "equivocating",
    [WEFT_ROSTER_OVER_QUOTA] = "over_quota",
    [WEFT_ROSTER_OUTRUN] = "outrun",
    [WEFT_ROSTER_MEMORY] = "memory",
};

_Static_assert(WEFT_COUNT(words) == WEFT_ROSTER_OUTCOMES, "each outcome has its word");

const char *weft_roster_outcome_word(enum weft_roster_outcome outcome)
{
    return words[outcome];
}

int weft_roster_new(struct weft_roster **out, const struct weft_roster_settings *settings,
                    struct weft_membership *membership)
{
    WEFT_ASSERT(settings->entries_max <= WEFT_ENTRIES_MAX && settings->strangers_max <= settings->entries_max);
    struct weft_roster *roster = weft_zalloc(sizeof(*roster));
    *out = NULL;
    if (!roster) {
        return WEFT_ERR_MEMORY;
    }
    roster->settings = *settings;
    roster->membership = membership;
    roster->gateways[WEFT_ROSTER_SELF] = (struct gateway){.key = settings->self, .links = 1};
    weft_entries_init(&roster->entries, &settings->secret);
    weft_holders_init(&roster->holders, &settings->secret);
    int error = weft_roster_reach(roster, WEFT_ROSTER_SELF, &settings->self, 0);
    if (error < 0) {
        weft_roster_free(roster);
        return error;
    }
    *out = roster;
    return 0;
}

void weft_roster_free(struct weft_roster *roster)
{
    if (!roster) {
        return;
    }
    uint32_t cursor = 0;
    for (struct weft_entry *entry; (entry = weft_entries_next(&roster->entries, &cursor));) {
        weft_free(entry->bytes);
    }
    weft_entries_deinit(&roster->entries);
    weft_holders_deinit(&roster->holders);
    weft_free(roster);
}

/* -- entries: their list follows from what they are -- */

static bool reachable(const struct weft_entry *entry)
{
    for (size_t i = 0; i < WEFT_ENTRY_VIA_MAX; i++) {
        if (entry->via[i] != 0) {
            return true;
        }
    }
    return false;
}

static enum weft_entry_list list_of(const struct weft_entry *entry)
{
    bool gone = !reachable(entry);
    switch (entry->kind) {
    case WEFT_ENTRY_MEMBER:
        return gone ? WEFT_ENTRIES_MEMBERS_GONE : WEFT_ENTRIES_MEMBERS;
    case WEFT_ENTRY_STRANGER:
        return gone ? WEFT_ENTRIES_STRANGERS_GONE : entry->probation ? WEFT_ENTRIES_PROBATION : WEFT_ENTRIES_STRANGERS;
    default:
        return WEFT_ENTRIES_SPOKEN_OF;
    }
}

static void relist(struct weft_roster *roster, struct weft_entry *entry)
{
    bool self = weft_key_equal(&entry->key, &roster->settings.self); /* it goes for nobody */
    weft_entries_move(&roster->entries, entry, self ? WEFT_ENTRIES_NOWHERE : list_of(entry));
    roster->changes++;
}

/* Its models as they stand in the index. */
static size_t models_of(const struct weft_roster *roster, const struct weft_announcement *announcement,
                        uint64_t models[WEFT_ANNOUNCEMENT_MODELS_MAX])
{
    for (size_t i = 0; i < announcement->model_count; i++) {
        const struct weft_announced_model *model = &announcement->models[i];
        models[i] = weft_holders_model(&roster->holders, model->hash, model->alias);
    }
    return announcement->model_count;
}

/* What it announced is forgotten; who reaches it is not. */
static void forget_announcement(struct weft_roster *roster, struct weft_entry *entry)
{
    struct weft_announcement announcement;
    struct weft_signed parts;
    uint64_t models[WEFT_ANNOUNCEMENT_MODELS_MAX];
    if (!entry->bytes) {
        return;
    }
    int error = weft_announcement_read(weft_roster_bytes(entry), &announcement, &parts);
    WEFT_ASSERT(error == 0); /* it was when it came */
    size_t count = models_of(roster, &announcement, models);
    for (size_t i = 0; i < count; i++) {
        weft_holders_remove(&roster->holders, models[i], entry->place);
    }
    roster->announcement_bytes -= entry->size;
    weft_free(entry->bytes);
    entry->bytes = NULL;
    entry->size = 0;
    entry->kind = WEFT_ENTRY_SPOKEN_OF;
    entry->role = 0;
    entry->issuer = entry->check = entry->incarnation = entry->sequence = 0;
    entry->probation = entry->equivocates = false;
}

static void remove_entry(struct weft_roster *roster, struct weft_entry *entry)
{
    for (size_t i = 0; i < WEFT_ENTRY_VIA_MAX; i++) {
        if (entry->via[i] != 0) {
            roster->gateways[entry->via[i] - 1].reaches--;
        }
    }
    forget_announcement(roster, entry);
    weft_entries_remove(&roster->entries, entry);
    roster->changes++;
}

/* The announcement goes, and with it the entry if nobody reaches it. */
static void drop_announcement(struct weft_roster *roster, struct weft_entry *entry)
{
    if (reachable(entry)) {
        forget_announcement(roster, entry);
        relist(roster, entry);
    } else {
        remove_entry(roster, entry);
    }
}

/* -- who goes for whom -- */

static struct weft_entry *victim_for(const struct weft_roster *roster, enum weft_entry_kind kind)
{
    const struct weft_entries *entries = &roster->entries;
    struct weft_entry *victim = weft_entries_first(entries, WEFT_ENTRIES_STRANGERS_GONE);
    if (kind != WEFT_ENTRY_MEMBER) {
        return victim;
    }
    if (!victim) {
        victim = weft_entries_last(entries, WEFT_ENTRIES_PROBATION);
    }
    if (!victim) {
        victim = weft_entries_last(entries, WEFT_ENTRIES_SPOKEN_OF);
    }
    if (!victim) {
        victim = weft_entries_first(entries, WEFT_ENTRIES_MEMBERS_GONE);
    }
    return victim;
}

static size_t strangers(const struct weft_roster *roster)
{
    return roster->entries.lists[WEFT_ENTRIES_PROBATION].count + roster->entries.lists[WEFT_ENTRIES_STRANGERS].count +
           roster->entries.lists[WEFT_ENTRIES_STRANGERS_GONE].count;
}

/* For one of this kind to come, or for `known` to become it. 0, or WEFT_ERR_FULL. */
static int make_room(struct weft_roster *roster, const struct weft_entry *known, enum weft_entry_kind kind)
{
    bool full = !known && roster->entries.count >= roster->settings.entries_max;
    if (kind == WEFT_ENTRY_STRANGER && (!known || known->kind != kind)) {
        full = full || strangers(roster) >= roster->settings.strangers_max;
    }
    if (kind == WEFT_ENTRY_SPOKEN_OF) { /* gateways' word alone fills no more than half */
        full = full || roster->entries.lists[WEFT_ENTRIES_SPOKEN_OF].count >= (roster->settings.entries_max + 1) / 2;
    }
    if (!full) {
        return 0;
    }
    struct weft_entry *victim = victim_for(roster, kind);
    if (!victim || victim == known) {
        return WEFT_ERR_FULL;
    }
    remove_entry(roster, victim);
    return 0;
}

/* -- taking announcements -- */

/* One that is offered, while it is judged. */
struct offer {
    struct weft_slice bytes;
    enum weft_roster_source source;
    weft_time now;
    int64_t now_s;
    struct weft_announcement announcement;
    struct weft_signed parts;
    uint64_t check;
    struct weft_entry *known; /* of the same key, or NULL */
    struct weft_certificate certificate;
    enum weft_entry_kind kind;
};

static enum weft_roster_outcome outcome_of_reading(int error)
{
    return error == WEFT_ERR_UNSUPPORTED ? WEFT_ROSTER_NEWER
           : error == WEFT_ERR_TOO_LARGE ? WEFT_ROSTER_OVERSIZED
                                         : WEFT_ROSTER_MALFORMED;
}

/* Above 0: later than what is known. */
static int compare_version(const struct offer *offer)
{
    const struct weft_announcement *announcement = &offer->announcement;
    const struct weft_entry *known = offer->known;
    if (announcement->incarnation != known->incarnation) {
        return announcement->incarnation > known->incarnation ? 1 : -1;
    }
    return (announcement->sequence > known->sequence) - (announcement->sequence < known->sequence);
}

static bool verified(const struct offer *offer)
{
    return weft_key_verify(&offer->announcement.key, WEFT_ANNOUNCEMENT_DOMAIN, offer->parts.record,
                           offer->parts.signature);
}

/* Ours, from somebody else: what we have just said, something older, or what a life said that we have forgotten. */
static enum weft_roster_outcome judge_ours(struct weft_roster *roster, const struct offer *offer)
{
    int order = offer->known && offer->known->bytes ? compare_version(offer) : 1;
    if (order < 0) {
        return WEFT_ROSTER_REPLAYED;
    }
    if (order == 0 && weft_slice_equal(offer->bytes, weft_roster_bytes(offer->known))) {
        return WEFT_ROSTER_KNOWN;
    }
    if (!verified(offer)) {
        return WEFT_ROSTER_FORGED; /* so nobody else makes us count on */
    }
    if (!roster->outrun || offer->announcement.incarnation > roster->outrun_incarnation) {
        roster->outrun_incarnation = offer->announcement.incarnation;
    }
    roster->outrun = true;
    return WEFT_ROSTER_OUTRUN;
}

static enum weft_roster_outcome judge_date(const struct offer *offer)
{
    int64_t made_s = offer->announcement.made_s;
    if (made_s > offer->now_s + WEFT_SKEW_S ||
        (offer->source == WEFT_ROSTER_FIRST_HAND && made_s < offer->now_s - WEFT_SKEW_S)) {
        return WEFT_ROSTER_SKEWED;
    }
    return made_s < offer->now_s - WEFT_ROSTER_LIFE_S - WEFT_SKEW_S ? WEFT_ROSTER_STALE : WEFT_ROSTER_ADDED;
}

static enum weft_roster_outcome judge_standing(struct weft_roster *roster, struct offer *offer)
{
    if (offer->announcement.chain.size == 0) {
        offer->kind = WEFT_ENTRY_STRANGER;
        bool vouched_for = offer->known && reachable(offer->known);
        return roster->settings.strangers_max > 0 && vouched_for ? WEFT_ROSTER_ADDED : WEFT_ROSTER_STRANGER;
    }
    offer->kind = WEFT_ENTRY_MEMBER;
    enum weft_verdict verdict = weft_membership_judge(roster->membership, offer->announcement.chain,
                                                      &offer->announcement.key, offer->now_s, &offer->certificate);
    if (verdict != WEFT_VERDICT_MEMBER) {
        roster->verdict = verdict;
        return WEFT_ROSTER_NO_MEMBER;
    }
    return WEFT_ROSTER_ADDED;
}

/* WEFT_ROSTER_ADDED: nothing speaks against it. The signature comes before all that is remembered against a name, and
 * after all that costs less. */
static enum weft_roster_outcome judge(struct weft_roster *roster, struct offer *offer)
{
    bool known = offer->known && offer->known->bytes;
    int order = known ? compare_version(offer) : 1;
    if (weft_key_equal(&offer->announcement.key, &roster->settings.self) && offer->source != WEFT_ROSTER_OURS) {
        return judge_ours(roster, offer);
    }
    if (order < 0) {
        return WEFT_ROSTER_REPLAYED;
    }
    if (order == 0 && weft_slice_equal(offer->bytes, weft_roster_bytes(offer->known))) {
        return WEFT_ROSTER_KNOWN;
    }
    if (order == 0 && offer->known->equivocates && offer->check >= offer->known->check) {
        return WEFT_ROSTER_EQUIVOCATING; /* as is known already */
    }
    if (!verified(offer)) {
        return WEFT_ROSTER_FORGED;
    }
    enum weft_roster_outcome outcome = judge_date(offer);
    if (outcome == WEFT_ROSTER_ADDED) {
        outcome = judge_standing(roster, offer);
    }
    if (outcome != WEFT_ROSTER_ADDED || order > 0) {
        return outcome;
    }
    offer->known->equivocates = true;
    roster->changes++;
    return WEFT_ROSTER_EQUIVOCATING;
}

static int64_t expiry_of(const struct offer *offer)
{
    int64_t end_s = offer->announcement.made_s + WEFT_ROSTER_LIFE_S + WEFT_SKEW_S;
    int64_t chain_s = offer->kind == WEFT_ENTRY_MEMBER ? weft_membership_ends_s(offer->announcement.chain) : end_s;
    return chain_s < end_s ? chain_s : end_s;
}

static void fill(struct weft_roster *roster, struct weft_entry *entry, const struct offer *offer)
{
    bool member = offer->kind == WEFT_ENTRY_MEMBER;
    entry->incarnation = offer->announcement.incarnation;
    entry->sequence = offer->announcement.sequence;
    entry->stamp = ++roster->stamps;
    entry->check = offer->check;
    entry->issuer = member ? weft_gossip_id(&offer->certificate.issuer) : 0;
    entry->expires_s = expiry_of(offer);
    entry->probation = !member && (entry->kind != WEFT_ENTRY_STRANGER || entry->probation);
    entry->kind = (uint8_t)offer->kind;
    entry->role = member ? (uint8_t)offer->certificate.role : 0;
    if (member && entry->role == WEFT_ROLE_CLIENT) {
        return; /* it asks, and may not serve: what it announces is not offered to anybody */
    }
    uint64_t models[WEFT_ANNOUNCEMENT_MODELS_MAX];
    size_t count = models_of(roster, &offer->announcement, models);
    for (size_t i = 0; i < count; i++) {
        weft_holders_add(&roster->holders, models[i], entry->place);
    }
}

/* All that can fail comes before anything is changed, but that somebody may have gone for it. */
static int keep(struct weft_roster *roster, const struct offer *offer)
{
    struct weft_entry *entry = offer->known;
    int error = weft_holders_reserve(&roster->holders, offer->announcement.model_count);
    uint8_t *copy = error == 0 ? weft_alloc(offer->bytes.size) : NULL;
    if (!copy) {
        return WEFT_ERR_MEMORY;
    }
    memcpy(copy, offer->bytes.data, offer->bytes.size);
    error = make_room(roster, entry, offer->kind);
    if (error == 0 && !entry) {
        entry = weft_entries_add(&roster->entries, &offer->announcement.key);
        error = entry ? 0 : WEFT_ERR_MEMORY;
        if (entry) {
            entry->since = offer->now;
        }
    }
    if (error < 0) {
        weft_free(copy);
        return error;
    }
    uint8_t kind = entry->kind;
    bool probation = entry->probation, equivocates = offer->known && offer->known->equivocates;
    bool same_version = entry->bytes && compare_version(offer) == 0;
    forget_announcement(roster, entry);
    entry->kind = kind;
    entry->probation = probation;
    entry->bytes = copy;
    entry->size = (uint16_t)offer->bytes.size;
    roster->announcement_bytes += entry->size;
    fill(roster, entry, offer);
    entry->equivocates = equivocates && same_version;
    relist(roster, entry);
    return 0;
}

static enum weft_roster_outcome take(struct weft_roster *roster, struct offer *offer)
{
    enum weft_roster_outcome outcome = judge(roster, offer);
    bool lower = outcome == WEFT_ROSTER_EQUIVOCATING && offer->check < offer->known->check;
    if (outcome != WEFT_ROSTER_ADDED && !lower) {
        return outcome;
    }
    bool had = offer->known && offer->known->bytes;
    switch (keep(roster, offer)) {
    case 0:
        return lower ? outcome : had ? WEFT_ROSTER_REPLACED : WEFT_ROSTER_ADDED;
    case WEFT_ERR_FULL:
        return WEFT_ROSTER_OVER_QUOTA;
    default:
        return WEFT_ROSTER_MEMORY;
    }
}

enum weft_roster_outcome weft_roster_offer(struct weft_roster *roster, struct weft_slice bytes,
                                           enum weft_roster_source source, weft_time now, int64_t now_s,
                                           struct weft_gossip_name *name)
{
    struct offer offer = {.bytes = bytes, .source = source, .now = now, .now_s = now_s};
    enum weft_roster_outcome outcome;
    *name = (struct weft_gossip_name){0};
    int error = weft_announcement_read(bytes, &offer.announcement, &offer.parts);
    if (error < 0) {
        outcome = outcome_of_reading(error);
    } else {
        offer.check = weft_gossip_check(offer.parts.signature);
        offer.known = weft_entries_find(&roster->entries, &offer.announcement.key);
        *name = (struct weft_gossip_name){
            .id = weft_gossip_id(&offer.announcement.key),
            .check = weft_gossip_short_check(offer.check),
            .incarnation = offer.announcement.incarnation,
            .sequence = offer.announcement.sequence,
        };
        outcome = take(roster, &offer);
    }
    roster->counts[outcome]++;
    return outcome;
}

uint64_t weft_roster_count(const struct weft_roster *roster, enum weft_roster_outcome outcome)
{
    return roster->counts[outcome];
}

enum weft_verdict weft_roster_verdict(const struct weft_roster *roster)
{
    return roster->verdict;
}

bool weft_roster_outrun(const struct weft_roster *roster, uint64_t *incarnation)
{
    *incarnation = roster->outrun_incarnation;
    return roster->outrun;
}

/* -- who reaches whom -- */

static void add_via(struct weft_roster *roster, struct weft_entry *entry, int place, weft_time now)
{
    size_t vacant = WEFT_ENTRY_VIA_MAX;
    bool was_reachable = reachable(entry);
    for (size_t i = 0; i < WEFT_ENTRY_VIA_MAX; i++) {
        if (entry->via[i] == place + 1) {
            return;
        }
        vacant = entry->via[i] == 0 ? i : vacant;
    }
    if (vacant == WEFT_ENTRY_VIA_MAX) {
        return; /* ways enough */
    }
    entry->via[vacant] = (uint8_t)(place + 1);
    roster->gateways[place].reaches++;
    entry->since = was_reachable ? entry->since : now;
    relist(roster, entry);
}

int weft_roster_reach(struct weft_roster *roster, int place, const struct weft_key *key, weft_time now)
{
    struct weft_entry *entry = weft_entries_find(&roster->entries, key);
    if (roster->gateways[place].reaches >= WEFT_ROSTER_REACH_MAX) {
        return WEFT_ERR_FULL;
    }
    if (!entry) {
        int error = make_room(roster, NULL, WEFT_ENTRY_SPOKEN_OF);
        if (error < 0) {
            return error;
        }
        entry = weft_entries_add(&roster->entries, key);
        if (!entry) {
            return WEFT_ERR_MEMORY;
        }
    }
    add_via(roster, entry, place, now);
    return 0;
}

static void remove_via(struct weft_roster *roster, struct weft_entry *entry, int place, weft_time now)
{
    bool found = false;
    for (size_t i = 0; i < WEFT_ENTRY_VIA_MAX; i++) {
        if (entry->via[i] == place + 1) {
            entry->via[i] = 0;
            roster->gateways[place].reaches--;
            found = true;
        }
    }
    if (!found || reachable(entry)) {
        return;
    }
    if (!entry->bytes) {
        remove_entry(roster, entry);
        return;
    }
    entry->since = now;
    entry->probation = entry->kind == WEFT_ENTRY_STRANGER;
    relist(roster, entry);
}

void weft_roster_lose(struct weft_roster *roster, int place, const struct weft_key *key, weft_time now)
{
    struct weft_entry *entry = weft_entries_find(&roster->entries, key);
    if (entry && !weft_key_equal(key, &roster->gateways[place].key)) {
        remove_via(roster, entry, place, now);
    }
}

void weft_roster_lose_all(struct weft_roster *roster, int place, weft_time now)
{
    uint32_t cursor = 0;
    for (struct weft_entry *entry; (entry = weft_entries_next(&roster->entries, &cursor));) {
        if (!weft_key_equal(&entry->key, &roster->gateways[place].key)) {
            remove_via(roster, entry, place, now);
        }
    }
}

int weft_roster_link(struct weft_roster *roster, const struct weft_key *gateway, weft_time now)
{
    int vacant = 0;
    for (int i = PLACES - 1; i > WEFT_ROSTER_SELF; i--) {
        if (roster->gateways[i].links > 0 && weft_key_equal(&roster->gateways[i].key, gateway)) {
            roster->gateways[i].links++;
            return i;
        }
        vacant = roster->gateways[i].links == 0 ? i : vacant;
    }
    if (vacant == 0) {
        return WEFT_ERR_FULL;
    }
    roster->gateways[vacant] = (struct gateway){.key = *gateway, .links = 1};
    int error = weft_roster_reach(roster, vacant, gateway, now);
    if (error == WEFT_ERR_MEMORY) {
        roster->gateways[vacant].links = 0;
        return error;
    }
    return vacant; /* without an entry where the roster is full: what it says is heard all the same */
}

void weft_roster_unlink(struct weft_roster *roster, int place, weft_time now)
{
    WEFT_ASSERT(place > WEFT_ROSTER_SELF && place < PLACES && roster->gateways[place].links > 0);
    if (--roster->gateways[place].links > 0) {
        return;
    }
    weft_roster_lose_all(roster, place, now);
    struct weft_entry *own = weft_entries_find(&roster->entries, &roster->gateways[place].key);
    if (own) {
        remove_via(roster, own, place, now);
    }
    roster->gateways[place] = (struct gateway){0};
}

const struct weft_key *weft_roster_gateway(const struct weft_roster *roster, int place)
{
    WEFT_ASSERT(place >= 0 && place < PLACES);
    return &roster->gateways[place].key;
}

enum weft_roster_state weft_roster_state(const struct weft_entry *entry)
{
    if (!reachable(entry)) {
        return WEFT_ROSTER_GONE;
    }
    return entry->equivocates ? WEFT_ROSTER_SUSPECT : WEFT_ROSTER_LIVE;
}

/* -- time, and revocations -- */

void weft_roster_sweep(struct weft_roster *roster, weft_time now, int64_t now_s)
{
    uint32_t cursor = 0;
    for (struct weft_entry *entry; (entry = weft_entries_next(&roster->entries, &cursor));) {
        if (entry->bytes && now_s > entry->expires_s) {
            drop_announcement(roster, entry);
        } else if (entry->probation && reachable(entry) && now - entry->since >= WEFT_ROSTER_PROBATION) {
            entry->probation = false;
            relist(roster, entry);
        }
    }
}

static void judge_again(struct weft_roster *roster, struct weft_entry *entry, int64_t now_s)
{
    struct weft_announcement announcement;
    struct weft_signed parts;
    struct weft_certificate certificate;
    if (entry->kind != WEFT_ENTRY_MEMBER) {
        return;
    }
    int error = weft_announcement_read(weft_roster_bytes(entry), &announcement, &parts);
    WEFT_ASSERT(error == 0); /* it was when it came */
    if (weft_membership_judge(roster->membership, announcement.chain, &entry->key, now_s, &certificate) !=
        WEFT_VERDICT_MEMBER) {
        drop_announcement(roster, entry);
    }
}

void weft_roster_revoked(struct weft_roster *roster, const struct weft_key *subject, int64_t now_s)
{
    uint64_t id = weft_gossip_id(subject);
    uint32_t cursor = 0;
    for (struct weft_entry *entry; (entry = weft_entries_next(&roster->entries, &cursor));) {
        if (entry->issuer == id || weft_key_equal(&entry->key, subject)) {
            judge_again(roster, entry, now_s);
        }
    }
}

/* -- looking up -- */

size_t weft_roster_size(const struct weft_roster *roster)
{
    return roster->entries.count;
}

const struct weft_entry *weft_roster_get(const struct weft_roster *roster, const struct weft_key *key)
{
    return weft_entries_find(&roster->entries, key);
}

const struct weft_entry *weft_roster_by_id(const struct weft_roster *roster, uint64_t id)
{
    return weft_entries_by_id(&roster->entries, id);
}

const struct weft_entry *weft_roster_at(const struct weft_roster *roster, uint32_t place)
{
    return weft_entries_at(&roster->entries, place);
}

const struct weft_entry *weft_roster_next(const struct weft_roster *roster, uint32_t *cursor)
{
    return weft_entries_next(&roster->entries, cursor);
}

struct weft_slice weft_roster_bytes(const struct weft_entry *entry)
{
    return weft_slice(entry->bytes, entry->size);
}

struct weft_gossip_name weft_roster_name(const struct weft_entry *entry)
{
    return (struct weft_gossip_name){
        .id = weft_gossip_id(&entry->key),
        .check = weft_gossip_short_check(entry->check),
        .incarnation = entry->incarnation,
        .sequence = entry->sequence,
    };
}

struct weft_holders_range weft_roster_holders(const struct weft_roster *roster, const uint8_t hash[WEFT_HASH_SIZE],
                                              struct weft_slice alias)
{
    return weft_holders_find(&roster->holders, weft_holders_model(&roster->holders, hash, alias));
}

static bool announces(const struct weft_entry *entry, const uint8_t hash[WEFT_HASH_SIZE], struct weft_slice alias)
{
    static const uint8_t none[WEFT_HASH_SIZE];
    struct weft_announcement announcement;
    struct weft_signed parts;
    bool verified_model = memcmp(hash, none, WEFT_HASH_SIZE) != 0;
    if (weft_announcement_read(weft_roster_bytes(entry), &announcement, &parts) < 0) {
        return false; /* cannot be: it was read when it came */
    }
    for (size_t i = 0; i < announcement.model_count; i++) {
        const struct weft_announced_model *model = &announcement.models[i];
        if (memcmp(model->hash, hash, WEFT_HASH_SIZE) == 0 &&
            (verified_model || weft_slice_equal(model->alias, alias))) {
            return true;
        }
    }
    return false;
}

const struct weft_entry *weft_roster_holder(const struct weft_roster *roster, struct weft_holders_range range,
                                            size_t index, const uint8_t hash[WEFT_HASH_SIZE], struct weft_slice alias)
{
    WEFT_ASSERT(index < range.count);
    const struct weft_entry *entry = weft_roster_at(roster, weft_holders_entry(&roster->holders, range.first + index));
    return entry && announces(entry, hash, alias) ? entry : NULL;
}

const struct weft_holders *weft_roster_models(const struct weft_roster *roster)
{
    return &roster->holders;
}

void weft_roster_memory(const struct weft_roster *roster, size_t *announcements, size_t *others)
{
    *announcements = roster->announcement_bytes;
    *others = sizeof(*roster) + weft_entries_memory(&roster->entries) + roster->holders.room * sizeof(uint64_t);
}

uint64_t weft_roster_changes(const struct weft_roster *roster)
{
    return roster->changes;
}
