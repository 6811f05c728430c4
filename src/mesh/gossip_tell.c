/* mesh/gossip_tell.c - what a gateway tells the nodes that are attached to it, and they it. */
#include "base/error.h"
#include "base/mem.h"
#include "mesh/gossip_inside.h"

#define HEAD_MAX      (WEFT_GOSSIP_SIZE_SIZE + 1 + 4) /* bytes of a message before the one thing it says */
#define LOOKED_AT_MAX 64                              /* holders of a model, for those few that a node is told of */

/* -- the node's side -- */

static void say_used(struct weft_gossip_link *anchor)
{
    const struct weft_gossip *gossip = anchor->gossip;
    struct weft_gossip_message message = {
        .used_said = true,
        .used = weft_slice(gossip->used, gossip->used_count * WEFT_HASH_SIZE),
    };
    (void)weft_gossip_send(anchor, &message); /* a link without room for this ends soon */
}

void weft_gossip_greet_anchor(struct weft_gossip_link *link)
{
    const struct weft_gossip *gossip = link->gossip;
    const struct weft_entry *own = weft_roster_get(gossip->settings.roster, &gossip->settings.self);
    if (own && own->bytes) {
        struct weft_gossip_message message = weft_gossip_one(weft_roster_bytes(own));
        (void)weft_gossip_send(link, &message); /* a new link has room */
    }
    if (gossip->used_count > 0) {
        say_used(link);
    }
}

void weft_gossip_use(struct weft_gossip *gossip, const uint8_t (*hashes)[WEFT_HASH_SIZE], size_t count)
{
    gossip->used_count = count < WEFT_GOSSIP_USED_MAX ? count : WEFT_GOSSIP_USED_MAX;
    memcpy(gossip->used, hashes, gossip->used_count * WEFT_HASH_SIZE);
    for (struct weft_gossip_link *link = gossip->links[WEFT_GOSSIP_ANCHOR].first; link; link = link->next) {
        say_used(link);
    }
}

static int hear_line(struct weft_gossip_link *link, struct weft_slice bytes, weft_time now)
{
    struct weft_gossip_line line;
    int error = weft_gossip_line_read(bytes, &line);
    if (error == 0) {
        uint64_t model = weft_holders_model(weft_roster_models(link->gossip->settings.roster), line.hash, line.alias);
        weft_catalogue_put(link->catalogue, model, &line, now);
    }
    return error;
}

int weft_gossip_hear_anchor(struct weft_gossip_link *link, const struct weft_gossip_message *message, weft_time now,
                            int64_t now_s)
{
    struct weft_roster *roster = link->gossip->settings.roster;
    struct weft_slice more = message->reach.more, less = message->reach.less;
    struct weft_key key;
    int error = weft_gossip_take_revocations(link, &message->revocations, now_s);
    while (weft_gossip_packed_next(&less, key.bytes, WEFT_KEY_SIZE)) {
        weft_roster_lose(roster, link->place, &key, now);
    }
    while (error == 0 && weft_gossip_packed_next(&more, key.bytes, WEFT_KEY_SIZE)) {
        if (weft_key_set(&key)) {
            error = weft_roster_reach(roster, link->place, &key, now);
            error = error == WEFT_ERR_FULL ? 0 : error; /* it is one peer less that we know of */
        }
    }
    if (error == 0) { /* after those whom the gateway vouches for */
        error = weft_gossip_take_announcements(link, &message->announcements, WEFT_ROSTER_RELAYED, now, now_s);
    }
    for (size_t i = 0; error == 0 && i < message->lines.count; i++) {
        error = hear_line(link, message->lines.at[i], now);
    }
    return error;
}

/* -- the gateway's side: what it hears -- */

static int64_t refilled(int64_t left, weft_time since, weft_time now, int64_t rate, int64_t most)
{
    int64_t seconds = (now - since) / WEFT_SECOND;
    return left + seconds * rate < most ? left + seconds * rate : most;
}

/* Its own announcement is what it may say. */
static bool own_only(const struct weft_gossip_link *link, const struct weft_gossip_items *items)
{
    for (size_t i = 0; i < items->count; i++) {
        struct weft_announcement announcement;
        struct weft_signed parts;
        if (weft_announcement_read(items->at[i], &announcement, &parts) == 0 &&
            !weft_key_equal(&announcement.key, &link->keyed.key)) {
            return false;
        }
    }
    return true;
}

static int hear_used(struct weft_gossip_link *link, struct weft_slice used)
{
    struct weft_gossip_attached *attached = link->attached;
    if (!attached->told && used.size > 0) {
        attached->told = weft_calloc(WEFT_GOSSIP_TOLD_MAX, sizeof(*attached->told));
        if (!attached->told) {
            return WEFT_ERR_MEMORY;
        }
    }
    attached->used_count = 0;
    while (attached->used_count < WEFT_GOSSIP_USED_MAX &&
           weft_gossip_packed_next(&used, attached->used[attached->used_count], WEFT_HASH_SIZE)) {
        attached->used_count++;
    }
    attached->changes_seen = UINT64_MAX;
    return 0;
}

int weft_gossip_hear_attached(struct weft_gossip_link *link, const struct weft_gossip_message *message, size_t size,
                              weft_time now, int64_t now_s)
{
    struct weft_gossip_attached *attached = link->attached;
    int64_t before = attached->hear_bytes;
    attached->hear_bytes = refilled(before, attached->heard_at, now, WEFT_GOSSIP_HEAR_RATE, WEFT_GOSSIP_HEAR_START);
    if (now - attached->heard_at >= WEFT_SECOND) {
        attached->heard_at = now;
    }
    attached->hear_bytes -= (int64_t)size + WEFT_GOSSIP_SIZE_SIZE;
    if (attached->hear_bytes < 0) {
        return WEFT_ERR_FULL;
    }
    if (message->reach.said || !own_only(link, &message->announcements)) {
        return WEFT_ERR_DENIED; /* it takes itself for a gateway, which it has not shown here yet: it is to come again
                                 */
    }
    int error = weft_gossip_take_announcements(link, &message->announcements, WEFT_ROSTER_FIRST_HAND, now, now_s);
    if (error == 0 && message->announcements.count > 0) {
        attached->behind = link->heard == WEFT_ROSTER_REPLAYED || link->heard == WEFT_ROSTER_EQUIVOCATING;
    }
    if (error == 0 && message->used_said) {
        error = hear_used(link, message->used);
    }
    if (error == 0) {
        weft_gossip_tell(link, now);
    }
    return error;
}

/* -- the gateway's side: what it tells. Each says one thing more; false: there is nothing, or no room -- */

static bool say(struct weft_gossip_link *link, const struct weft_gossip_message *message, size_t size)
{
    if (!weft_gossip_send(link, message)) {
        return false;
    }
    link->attached->tell_bytes -= (int64_t)(HEAD_MAX + size);
    return true;
}

/* Its own, which it has forgotten: it goes beyond that, or nobody would hear of it until that is past its date. */
static bool tell_itself(struct weft_gossip_link *link)
{
    struct weft_gossip_attached *attached = link->attached;
    const struct weft_entry *entry = weft_roster_get(link->gossip->settings.roster, &link->keyed.key);
    if (!attached->behind || !entry || !entry->bytes) {
        return false;
    }
    struct weft_gossip_message message = weft_gossip_one(weft_roster_bytes(entry));
    attached->behind = !say(link, &message, entry->size);
    return !attached->behind;
}

/* The announcement of a gateway that it has not been told, the earliest first. */
static bool tell_gateway(struct weft_gossip_link *link)
{
    struct weft_gossip_attached *attached = link->attached;
    const struct weft_roster *roster = link->gossip->settings.roster;
    const struct weft_entry *next = NULL;
    if (link->gossip->gateway_stamp <= attached->gateways_told) {
        return false;
    }
    for (int place = WEFT_ROSTER_SELF; place <= WEFT_ROSTER_GATEWAYS_MAX; place++) {
        const struct weft_entry *entry = weft_roster_get(roster, weft_roster_gateway(roster, place));
        if (entry && entry->bytes && entry->stamp > attached->gateways_told && (!next || entry->stamp < next->stamp)) {
            next = entry;
        }
    }
    if (!next) {
        return false;
    }
    struct weft_gossip_message message = weft_gossip_one(weft_roster_bytes(next));
    if (!say(link, &message, next->size)) {
        return false;
    }
    attached->gateways_told = next->stamp;
    return true;
}

static bool tell_revocation(struct weft_gossip_link *link)
{
    struct weft_gossip_attached *attached = link->attached;
    const struct weft_membership *membership = link->gossip->settings.membership;
    if (attached->revocations_told >= weft_membership_revocations(membership)) {
        return false;
    }
    struct weft_slice bytes = weft_membership_revocation(membership, attached->revocations_told);
    struct weft_gossip_message message = {.revocations = {.at = {bytes}, .count = 1}};
    if (!say(link, &message, bytes.size)) {
        return false;
    }
    attached->revocations_told++;
    return true;
}

static bool tell_line(struct weft_gossip_link *link)
{
    struct weft_gossip_attached *attached = link->attached;
    if (link->gossip->catalogue.version <= attached->models_told) {
        return false;
    }
    const struct weft_catalogue_line *line = weft_catalogue_after(&link->gossip->catalogue, attached->models_told);
    if (!line) {
        return false;
    }
    struct weft_gossip_line said = weft_catalogue_said(line);
    uint8_t bytes[WEFT_GOSSIP_LINE_MAX];
    int64_t size = weft_gossip_line_write(&said, bytes);
    if (size > 0 && (said.peers > 0 || attached->models_told > 0)) { /* at first, what is gone is no news */
        struct weft_gossip_message message = {.lines = {.at = {weft_slice(bytes, (size_t)size)}, .count = 1}};
        if (!say(link, &message, (size_t)size)) {
            return false;
        }
    }
    attached->models_told = line->version;
    return true;
}

/* -- those who serve what it uses -- */

static struct weft_gossip_told *told_of(struct weft_gossip_attached *attached, const struct weft_key *key)
{
    for (size_t i = 0; i < attached->told_count; i++) {
        if (weft_key_equal(&attached->told[i].key, key)) {
            return &attached->told[i];
        }
    }
    return NULL;
}

static bool serves(const struct weft_gossip_link *link, const struct weft_entry *entry,
                   const uint8_t hash[WEFT_HASH_SIZE])
{
    struct weft_announcement announcement;
    struct weft_signed parts;
    if (!entry || !entry->bytes || weft_roster_state(entry) == WEFT_ROSTER_GONE ||
        weft_key_equal(&entry->key, &link->keyed.key) ||
        weft_announcement_read(weft_roster_bytes(entry), &announcement, &parts) < 0) {
        return false;
    }
    for (size_t i = 0; i < announcement.model_count; i++) {
        if (memcmp(announcement.models[i].hash, hash, WEFT_HASH_SIZE) == 0) {
            return true;
        }
    }
    return false;
}

static bool serves_any(const struct weft_gossip_link *link, const struct weft_entry *entry)
{
    for (size_t i = 0; i < link->attached->used_count; i++) {
        if (serves(link, entry, link->attached->used[i])) {
            return true;
        }
    }
    return false;
}

/* Those it was told of and that serve it no longer. False: no room. */
static bool take_back(struct weft_gossip_link *link)
{
    struct weft_gossip_attached *attached = link->attached;
    for (size_t i = attached->told_count; i-- > 0;) {
        struct weft_gossip_told *told = &attached->told[i];
        if (serves_any(link, weft_roster_get(link->gossip->settings.roster, &told->key))) {
            continue;
        }
        struct weft_gossip_message message = {
            .reach = {.said = true, .less = weft_slice(told->key.bytes, WEFT_KEY_SIZE)}};
        if (!say(link, &message, WEFT_KEY_SIZE)) {
            return false;
        }
        *told = attached->told[--attached->told_count];
    }
    return true;
}

void weft_gossip_tell_lost(struct weft_gossip *gossip, const struct weft_key *key)
{
    const struct weft_entry *entry = weft_roster_get(gossip->settings.roster, key);
    if (entry && weft_roster_state(entry) != WEFT_ROSTER_GONE) {
        return; /* another gateway reaches it */
    }
    if (gossip->lost_now >= WEFT_GOSSIP_LOST_NOW_MAX) {
        return; /* the next tick takes them all back */
    }
    gossip->lost_now++;
    struct weft_gossip_message message = {.reach = {.said = true, .less = weft_slice(key->bytes, WEFT_KEY_SIZE)}};
    for (int kind = WEFT_GOSSIP_MEMBER; kind <= WEFT_GOSSIP_STRANGER; kind++) {
        for (struct weft_gossip_link *link = gossip->links[kind].first; link; link = link->next) {
            struct weft_gossip_told *told = told_of(link->attached, key);
            if (told && say(link, &message, WEFT_KEY_SIZE)) { /* without room it is told with the next ones */
                *told = link->attached->told[--link->attached->told_count];
            }
        }
    }
}

/* Its announcement, if it has another one since, or it is new here. False: no room. */
static bool tell_holder(struct weft_gossip_link *link, const struct weft_entry *entry)
{
    struct weft_gossip_attached *attached = link->attached;
    struct weft_gossip_told *told = told_of(attached, &entry->key);
    if (told && told->stamp == entry->stamp) {
        return true;
    }
    if (!told && attached->told_count == WEFT_GOSSIP_TOLD_MAX) {
        return true; /* cannot be: so many at most are chosen, and others were taken back */
    }
    struct weft_gossip_message message = weft_gossip_one(weft_roster_bytes(entry));
    message.reach = (struct weft_gossip_reach){.said = true, .more = weft_slice(entry->key.bytes, WEFT_KEY_SIZE)};
    if (!say(link, &message, (size_t)entry->size + WEFT_KEY_SIZE)) {
        return false;
    }
    if (!told) {
        told = &attached->told[attached->told_count++];
        told->key = entry->key;
    }
    told->stamp = entry->stamp;
    return true;
}

/* Up to WEFT_GOSSIP_HOLDERS of one model: those it knows go first, others from a place of its own. False: no room. */
static bool tell_holders(struct weft_gossip_link *link, const uint8_t hash[WEFT_HASH_SIZE])
{
    const struct weft_roster *roster = link->gossip->settings.roster;
    struct weft_gossip_attached *attached = link->attached;
    size_t count = 0;
    for (size_t i = 0; i < attached->told_count; i++) {
        const struct weft_entry *entry = weft_roster_get(roster, &attached->told[i].key);
        if (serves(link, entry, hash)) {
            count++;
            if (!tell_holder(link, entry)) {
                return false;
            }
        }
    }
    struct weft_holders_range range = weft_roster_holders(roster, hash, weft_slice("", 0));
    size_t start = range.count > 0 ? weft_gossip_id(&link->keyed.key) % range.count : 0;
    for (size_t i = 0; i < range.count && i < LOOKED_AT_MAX && count < WEFT_GOSSIP_HOLDERS; i++) {
        size_t index = range.first + (start + i) % range.count;
        const struct weft_entry *entry = weft_roster_at(roster, weft_holders_entry(weft_roster_models(roster), index));
        if (serves(link, entry, hash) && !told_of(attached, &entry->key)) {
            count++;
            if (!tell_holder(link, entry)) {
                return false;
            }
        }
    }
    return true;
}

static void tell_used(struct weft_gossip_link *link)
{
    struct weft_gossip_attached *attached = link->attached;
    uint64_t changes = weft_roster_changes(link->gossip->settings.roster);
    if (!attached->told || changes == attached->changes_seen || !take_back(link)) {
        return;
    }
    for (size_t i = 0; i < attached->used_count; i++) {
        if (attached->tell_bytes <= 0 || !tell_holders(link, attached->used[i])) {
            return;
        }
    }
    attached->changes_seen = changes;
}

void weft_gossip_tell(struct weft_gossip_link *link, weft_time now)
{
    struct weft_gossip_attached *attached = link->attached;
    attached->tell_bytes =
        refilled(attached->tell_bytes, attached->told_at, now, WEFT_GOSSIP_TELL_RATE, WEFT_GOSSIP_TELL_START);
    if (now - attached->told_at >= WEFT_SECOND) {
        attached->told_at = now;
    }
    bool more = true;
    while (more && attached->tell_bytes > 0) {
        more = tell_revocation(link) || tell_itself(link);
    }
    for (more = true; more && attached->tell_bytes > (int64_t)WEFT_GOSSIP_TELL_KEPT;) {
        more = tell_gateway(link) || tell_line(link); /* of many gateways and models: it can do without them for long */
    }
    if (attached->tell_bytes > 0) {
        tell_used(link);
    }
}

void weft_gossip_tell_revocations_again(struct weft_gossip *gossip)
{
    for (int kind = WEFT_GOSSIP_MEMBER; kind <= WEFT_GOSSIP_STRANGER; kind++) {
        for (struct weft_gossip_link *link = gossip->links[kind].first; link; link = link->next) {
            link->attached->revocations_told = 0;
        }
    }
}

void weft_gossip_tick_attached(struct weft_gossip *gossip, weft_time now)
{
    const struct weft_roster *roster = gossip->settings.roster;
    gossip->lost_now = 0;
    if (gossip->links[WEFT_GOSSIP_MEMBER].count + gossip->links[WEFT_GOSSIP_STRANGER].count == 0) {
        return;
    }
    if (gossip->catalogue_changes != weft_roster_changes(roster)) {
        gossip->catalogue_changes = weft_roster_changes(roster);
        weft_catalogue_update(&gossip->catalogue, roster, now);
    }
    for (int place = WEFT_ROSTER_SELF; place <= WEFT_ROSTER_GATEWAYS_MAX; place++) {
        const struct weft_entry *entry = weft_roster_get(roster, weft_roster_gateway(roster, place));
        if (entry && entry->bytes && entry->stamp > gossip->gateway_stamp) {
            gossip->gateway_stamp = entry->stamp;
        }
    }
    for (int kind = WEFT_GOSSIP_MEMBER; kind <= WEFT_GOSSIP_STRANGER; kind++) {
        for (struct weft_gossip_link *link = gossip->links[kind].first; link; link = link->next) {
            weft_gossip_tell(link, now);
        }
    }
}
