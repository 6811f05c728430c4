/* mesh/gossip_pull.c - what gateways tell each other: names of what is new, sums of all there is, whom they reach. */
#include "base/error.h"
#include "mesh/gossip_inside.h"

#define REACH_KEYS_MAX  1000 /* keys in one message */
#define REVOCATIONS_MAX 100  /* in one message: each has at most 512 bytes; and asked for in one */
#define ID_SIZE         WEFT_GOSSIP_ID_SIZE

static struct weft_gossip_link *first_gateway(const struct weft_gossip *gossip)
{
    return gossip->links[WEFT_GOSSIP_GATEWAY].first;
}

/* -- what is not asked for again yet -- */

static uint64_t hash_of(const struct weft_gossip *gossip, const struct weft_gossip_name *name)
{
    uint8_t bytes[WEFT_GOSSIP_NAME_MAX];
    return weft_siphash(&gossip->settings.secret, bytes, weft_gossip_name_write(name, bytes));
}

bool weft_gossip_remembers(const struct weft_gossip *gossip, const struct weft_gossip_name *name, weft_time now)
{
    uint64_t hash = hash_of(gossip, name);
    size_t place = hash % WEFT_GOSSIP_MEMORY_MAX;
    return gossip->memory[place].name == hash && now < gossip->memory[place].until;
}

void weft_gossip_remember(struct weft_gossip *gossip, const struct weft_gossip_name *name, weft_time until)
{
    uint64_t hash = hash_of(gossip, name);
    size_t place = hash % WEFT_GOSSIP_MEMORY_MAX;
    gossip->memory[place].name = hash;
    gossip->memory[place].until = until;
}

/* -- names of what is new -- */

static void flush_news(struct weft_gossip_link *link)
{
    struct weft_gossip_gateway *gateway = link->gateway;
    if (gateway->news_count > 0) {
        struct weft_gossip_message message = {.news = weft_slice(gateway->news, gateway->news_size)};
        (void)weft_gossip_send(link, &message); /* what is not said is found by the sums */
        gateway->news_size = gateway->news_count = 0;
    }
}

static void name_to(struct weft_gossip_link *link, const struct weft_gossip_name *name)
{
    struct weft_gossip_gateway *gateway = link->gateway;
    if (gateway->news_count == WEFT_GOSSIP_NEWS_MAX) {
        flush_news(link);
    }
    gateway->news_size += weft_gossip_name_write(name, gateway->news + gateway->news_size);
    gateway->news_count++;
}

void weft_gossip_flush(struct weft_gossip *gossip)
{
    for (struct weft_gossip_link *link = first_gateway(gossip); link; link = link->next) {
        flush_news(link);
    }
}

/* To how many of so many: the logarithm, so that with those they tell in turn nearly all hear of it. */
static size_t fan_out(size_t gateways)
{
    size_t count = 0;
    for (; gateways > 0; gateways /= 2) {
        count++;
    }
    return count;
}

/* Some of the gateways, not `from`, in the first places of `out`. Returns how many. */
static size_t choose(struct weft_gossip *gossip, const struct weft_gossip_link *from,
                     struct weft_gossip_link *out[WEFT_GOSSIP_GATEWAYS_MAX])
{
    size_t count = 0;
    for (struct weft_gossip_link *link = first_gateway(gossip); link; link = link->next) {
        if (link != from) {
            out[count++] = link;
        }
    }
    size_t chosen = fan_out(count);
    for (size_t i = 0; i < chosen; i++) {
        size_t other = i + (size_t)weft_random_below(&gossip->random, count - i);
        struct weft_gossip_link *link = out[other];
        out[other] = out[i];
        out[i] = link;
    }
    return chosen;
}

void weft_gossip_push(struct weft_gossip *gossip, const struct weft_gossip_name *name,
                      const struct weft_gossip_link *from)
{
    struct weft_gossip_link *links[WEFT_GOSSIP_GATEWAYS_MAX];
    size_t count = choose(gossip, from, links);
    for (size_t i = 0; i < count; i++) {
        name_to(links[i], name);
    }
}

/* As it is: it is small, rare, and none too soon. All attached nodes hear of it too. */
void weft_gossip_push_revocation(struct weft_gossip *gossip, struct weft_slice bytes,
                                 const struct weft_gossip_link *from)
{
    struct weft_gossip_link *links[WEFT_GOSSIP_GATEWAYS_MAX];
    struct weft_gossip_message message = {.revocations = {.at = {bytes}, .count = 1}};
    size_t count = choose(gossip, from, links);
    for (size_t i = 0; i < count; i++) {
        (void)weft_gossip_send(links[i], &message); /* the sums find it */
    }
    for (int kind = WEFT_GOSSIP_MEMBER; kind <= WEFT_GOSSIP_STRANGER; kind++) {
        for (struct weft_gossip_link *link = gossip->links[kind].first; link; link = link->next) {
            if (!weft_gossip_send(link, &message)) {
                link->attached->revocations_told = 0; /* it is told all again */
            }
        }
    }
}

/* -- sums -- */

static size_t bucket_of(const struct weft_siphash_key *salt, const struct weft_entry *entry, size_t buckets)
{
    return weft_siphash(salt, entry->key.bytes, WEFT_KEY_SIZE) & (buckets - 1);
}

static void sum_up(struct weft_gossip *gossip, const struct weft_siphash_key *salt, size_t buckets)
{
    uint32_t cursor = 0;
    memset(gossip->sums, 0, sizeof(gossip->sums));
    memset(gossip->sizes, 0, sizeof(gossip->sizes));
    for (const struct weft_entry *entry; (entry = weft_roster_next(gossip->settings.roster, &cursor));) {
        uint8_t bytes[WEFT_KEY_SIZE + 8];
        if (!entry->bytes) {
            continue;
        }
        memcpy(bytes, entry->key.bytes, WEFT_KEY_SIZE);
        weft_store64(bytes + WEFT_KEY_SIZE, entry->check);
        size_t bucket = bucket_of(salt, entry, buckets);
        gossip->sums[bucket] += (uint32_t)weft_siphash(salt, bytes, sizeof(bytes));
        gossip->sizes[bucket]++;
    }
}

static uint64_t revocation_id(struct weft_slice bytes)
{
    return weft_gossip_check((const uint8_t *)bytes.data + bytes.size - WEFT_SIGNATURE_SIZE);
}

static uint64_t sum_revocations(const struct weft_gossip *gossip, const struct weft_siphash_key *salt)
{
    const struct weft_membership *membership = gossip->settings.membership;
    uint64_t sum = 0;
    for (size_t i = 0; i < weft_membership_revocations(membership); i++) {
        uint8_t id[8];
        weft_store64(id, revocation_id(weft_membership_revocation(membership, i)));
        sum += weft_siphash(salt, id, sizeof(id));
    }
    return sum;
}

static uint32_t load32(const uint8_t bytes[4])
{
    return (uint32_t)bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 | (uint32_t)bytes[3] << 24;
}

static void store32(uint8_t bytes[4], uint32_t number)
{
    for (int i = 0; i < 4; i++) {
        bytes[i] = (uint8_t)(number >> (8 * i));
    }
}

/* So many that a bucket that differs costs about as much as some thirty names. */
static size_t buckets_for(size_t entries)
{
    size_t buckets = WEFT_GOSSIP_BUCKETS_MIN;
    while (buckets < WEFT_GOSSIP_BUCKETS_MAX && buckets < entries / 32) {
        buckets *= 2;
    }
    return buckets;
}

static void pull_from(struct weft_gossip_link *link)
{
    struct weft_gossip *gossip = link->gossip;
    struct weft_gossip_gateway *gateway = link->gateway;
    gateway->buckets = buckets_for(weft_roster_size(gossip->settings.roster));
    weft_store64(gateway->salt.bytes, weft_random_next(&gossip->random));
    weft_store64(gateway->salt.bytes + 8, weft_random_next(&gossip->random));
    sum_up(gossip, &gateway->salt, gateway->buckets);
    for (size_t i = 0; i < gateway->buckets; i++) {
        store32(gossip->packed + 4 * i, gossip->sums[i]);
    }
    struct weft_gossip_message message = {
        .digest = {.said = true,
                   .salt = gateway->salt,
                   .sums = weft_slice(gossip->packed, 4 * gateway->buckets),
                   .revocations = sum_revocations(gossip, &gateway->salt)},
    };
    gateway->pull_now = false;
    gateway->asked = gateway->asked_revocations = weft_gossip_send(link, &message);
    gossip->counts.pulls++;
}

/* Of the buckets whose sums differ, those whose names fit, beginning anywhere. Returns how many. */
static size_t choose_buckets(struct weft_gossip *gossip, struct weft_slice sums, size_t buckets)
{
    size_t first = (size_t)weft_random_below(&gossip->random, buckets), names = 0, count = 0;
    memset(gossip->chosen, 0, sizeof(gossip->chosen));
    for (size_t i = 0; i < buckets; i++) {
        size_t bucket = (first + i) & (buckets - 1);
        if (load32((const uint8_t *)sums.data + 4 * bucket) != gossip->sums[bucket] &&
            names + gossip->sizes[bucket] <= WEFT_GOSSIP_NAMES_MAX) {
            gossip->chosen[bucket] = true;
            names += gossip->sizes[bucket];
            count++;
        }
    }
    return count;
}

static size_t pack_names(struct weft_gossip *gossip, const struct weft_siphash_key *salt, size_t buckets)
{
    uint32_t cursor = 0;
    size_t size = 0;
    for (const struct weft_entry *entry; (entry = weft_roster_next(gossip->settings.roster, &cursor));) {
        if (entry->bytes && gossip->chosen[bucket_of(salt, entry, buckets)]) {
            struct weft_gossip_name name = weft_roster_name(entry);
            size += weft_gossip_name_write(&name, gossip->packed + size);
        }
    }
    return size;
}

/* The ids of all, `out` has room for WEFT_REVOCATIONS_MAX of 8 bytes. */
static size_t pack_revocations(const struct weft_gossip *gossip, uint8_t *out)
{
    const struct weft_membership *membership = gossip->settings.membership;
    size_t count = weft_membership_revocations(membership);
    for (size_t i = 0; i < count; i++) {
        weft_store64(out + 8 * i, revocation_id(weft_membership_revocation(membership, i)));
    }
    return 8 * count;
}

static void answer_revocations(struct weft_gossip_link *link, const struct weft_siphash_key *salt)
{
    struct weft_gossip *gossip = link->gossip;
    struct weft_gossip_message message = {
        .list = {.said = true,
                 .salt = *salt,
                 .revocations_said = true,
                 .revocations = weft_slice(gossip->packed, pack_revocations(gossip, gossip->packed))},
    };
    (void)weft_gossip_send(link, &message); /* the next sums differ too */
}

static void hear_digest(struct weft_gossip_link *link, const struct weft_gossip_digest *digest, weft_time now)
{
    struct weft_gossip *gossip = link->gossip;
    size_t buckets = digest->sums.size / 4, count = 0;
    uint8_t places[2 * WEFT_GOSSIP_BUCKETS_MAX];
    if (now < link->gateway->answered + WEFT_GOSSIP_ANSWER_AGAIN) {
        return;
    }
    link->gateway->answered = now;
    if (sum_revocations(gossip, &digest->salt) != digest->revocations) {
        answer_revocations(link, &digest->salt);
    }
    sum_up(gossip, &digest->salt, buckets);
    if (choose_buckets(gossip, digest->sums, buckets) == 0) {
        return;
    }
    for (size_t i = 0; i < buckets; i++) {
        if (gossip->chosen[i]) {
            places[2 * count] = (uint8_t)i;
            places[2 * count + 1] = (uint8_t)(i >> 8);
            count++;
        }
    }
    struct weft_gossip_message message = {
        .list = {.said = true,
                 .salt = digest->salt,
                 .buckets = weft_slice(places, 2 * count),
                 .names = weft_slice(gossip->packed, pack_names(gossip, &digest->salt, buckets))},
    };
    (void)weft_gossip_send(link, &message);
    gossip->counts.differing++;
}

/* -- what is asked for -- */

/* Above 0: the name is of something later than the entry has; or of another with the same version, that goes before. */
static int compare(const struct weft_gossip_name *name, const struct weft_entry *entry)
{
    if (name->incarnation != entry->incarnation) {
        return name->incarnation > entry->incarnation ? 1 : -1;
    }
    if (name->sequence != entry->sequence) {
        return name->sequence > entry->sequence ? 1 : -1;
    }
    uint32_t check = weft_gossip_short_check(entry->check);
    if (name->check == check) {
        return 0;
    }
    /* Of equivocating ones each is to be seen once, then the lower one stays. */
    return !entry->equivocates || name->check < check ? 1 : -1;
}

struct wants {
    uint8_t *ids; /* WEFT_GOSSIP_NAMES_MAX of them */
    size_t count;
};

static void want(struct weft_gossip *gossip, const struct weft_gossip_name *name, const struct weft_entry *entry,
                 struct wants *wants, weft_time now)
{
    if ((entry && entry->bytes && compare(name, entry) <= 0) || weft_gossip_remembers(gossip, name, now)) {
        return;
    }
    weft_gossip_remember(gossip, name, now + WEFT_GOSSIP_ASK_AGAIN);
    weft_store64(wants->ids + WEFT_GOSSIP_ID_SIZE * wants->count++, name->id); /* as many at most as names came */
}

static void ask(struct weft_gossip_link *link, const struct wants *wants)
{
    if (wants->count > 0) {
        struct weft_gossip_message message = {
            .wants = weft_slice(wants->ids, WEFT_GOSSIP_ID_SIZE * wants->count),
        };
        (void)weft_gossip_send(link, &message); /* it is asked for again later */
    }
}

static void hear_news(struct weft_gossip_link *link, struct weft_slice names, weft_time now)
{
    struct weft_gossip *gossip = link->gossip;
    struct wants wants = {.ids = gossip->packed};
    struct weft_gossip_name name;
    while (weft_gossip_name_next(&names, &name) > 0) {
        want(gossip, &name, weft_roster_by_id(gossip->settings.roster, name.id), &wants, now);
    }
    ask(link, &wants);
}

/* What we have in those buckets, and the other named not at all or in an earlier version. */
static void name_the_rest(struct weft_gossip_link *link, struct weft_slice places)
{
    struct weft_gossip *gossip = link->gossip;
    size_t buckets = link->gateway->buckets;
    uint8_t place[2];
    uint32_t cursor = 0;
    memset(gossip->chosen, 0, sizeof(gossip->chosen));
    while (weft_gossip_packed_next(&places, place, sizeof(place))) {
        gossip->chosen[((size_t)place[0] | (size_t)place[1] << 8) & (buckets - 1)] = true;
    }
    for (const struct weft_entry *entry; (entry = weft_roster_next(gossip->settings.roster, &cursor));) {
        if (entry->bytes && !gossip->named[entry->place] &&
            gossip->chosen[bucket_of(&link->gateway->salt, entry, buckets)]) {
            struct weft_gossip_name name = weft_roster_name(entry);
            name_to(link, &name);
        }
    }
}

/* Asks for some that are not known, beginning anywhere: those that are refused here stay unknown, and must not keep
 * others from being asked for. Also where there is no place: one of the root's makes room for itself. */
static void hear_revocation_ids(struct weft_gossip_link *link, struct weft_slice ids)
{
    struct weft_gossip *gossip = link->gossip;
    size_t known = pack_revocations(gossip, gossip->packed), size = 0, count = ids.size / ID_SIZE;
    uint8_t wanted[ID_SIZE * REVOCATIONS_MAX];
    count = count < WEFT_REVOCATIONS_MAX ? count : WEFT_REVOCATIONS_MAX; /* nobody has more */
    size_t first = count > 0 ? (size_t)weft_random_below(&gossip->random, count) : 0;
    for (size_t i = 0; i < count && size < sizeof(wanted); i++) {
        const char *id = ids.data + (first + i) % count * ID_SIZE;
        bool found = false;
        for (size_t j = 0; j < known && !found; j += ID_SIZE) {
            found = memcmp(gossip->packed + j, id, ID_SIZE) == 0;
        }
        if (!found) {
            memcpy(wanted + size, id, ID_SIZE);
            size += ID_SIZE;
        }
    }
    if (size > 0) {
        struct weft_gossip_message message = {.revocation_wants = weft_slice(wanted, size)};
        (void)weft_gossip_send(link, &message); /* the next sums differ too */
    }
}

static void hear_list(struct weft_gossip_link *link, const struct weft_gossip_list *list, weft_time now)
{
    struct weft_gossip *gossip = link->gossip;
    struct weft_gossip_gateway *gateway = link->gateway;
    struct wants wants = {.ids = gossip->packed};
    struct weft_slice names = list->names;
    struct weft_gossip_name name;
    if (memcmp(&list->salt, &gateway->salt, sizeof(list->salt)) != 0) {
        return; /* an answer to nothing, or one that came too late */
    }
    if (list->revocations_said && gateway->asked_revocations) {
        gateway->asked_revocations = false;
        hear_revocation_ids(link, list->revocations);
    }
    if (list->buckets.size == 0 || !gateway->asked) {
        return;
    }
    gateway->asked = false;
    memset(gossip->named, 0, sizeof(gossip->named));
    while (weft_gossip_name_next(&names, &name) > 0) {
        const struct weft_entry *entry = weft_roster_by_id(gossip->settings.roster, name.id);
        want(gossip, &name, entry, &wants, now);
        if (entry && entry->bytes && compare(&name, entry) >= 0) {
            gossip->named[entry->place] = true;
        }
    }
    ask(link, &wants);
    name_the_rest(link, list->buckets);
    if (wants.count >= WEFT_GOSSIP_MANY && now + WEFT_GOSSIP_PULL_AGAIN < gossip->pull_at) {
        gossip->pull_at = now + WEFT_GOSSIP_PULL_AGAIN; /* there may be more */
    }
}

static void answer_wants(struct weft_gossip_link *link, struct weft_slice ids)
{
    struct weft_gossip *gossip = link->gossip;
    struct weft_gossip_message message = {0};
    struct weft_gossip_items *items = &message.announcements;
    size_t size = 0;
    uint8_t id[WEFT_GOSSIP_ID_SIZE];
    while (weft_gossip_packed_next(&ids, id, sizeof(id))) {
        const struct weft_entry *entry = weft_roster_by_id(gossip->settings.roster, weft_load64(id));
        if (!entry || !entry->bytes) {
            continue;
        }
        size_t more = 4 + (size_t)entry->size; /* with its tag and size */
        if (items->count == WEFT_GOSSIP_ITEMS_MAX || 1 + size + more > WEFT_GOSSIP_MESSAGE_MAX) {
            if (!weft_gossip_send(link, &message)) {
                return; /* no room: it asks again */
            }
            items->count = size = 0;
        }
        items->at[items->count++] = weft_roster_bytes(entry);
        size += more;
    }
    if (items->count > 0) {
        (void)weft_gossip_send(link, &message);
    }
}

static void answer_revocation_wants(struct weft_gossip_link *link, struct weft_slice ids)
{
    const struct weft_membership *membership = link->gossip->settings.membership;
    struct weft_gossip_message message = {0};
    struct weft_gossip_items *items = &message.revocations;
    uint8_t id[8];
    for (size_t asked = 0; asked < REVOCATIONS_MAX && weft_gossip_packed_next(&ids, id, sizeof(id)); asked++) {
        for (size_t i = 0; i < weft_membership_revocations(membership); i++) {
            struct weft_slice bytes = weft_membership_revocation(membership, i);
            if (revocation_id(bytes) == weft_load64(id)) {
                items->at[items->count++] = bytes;
                break;
            }
        }
    }
    if (items->count > 0) {
        (void)weft_gossip_send(link, &message);
    }
}

/* -- who reaches whom -- */

static void tell_reach_anew(struct weft_gossip_link *link)
{
    struct weft_gossip *gossip = link->gossip;
    struct weft_gossip_reach reach = {.said = true, .anew = true};
    size_t size = 0;
    bool sent = true;
    for (int kind = WEFT_GOSSIP_MEMBER; kind <= WEFT_GOSSIP_STRANGER; kind++) {
        for (const struct weft_gossip_link *one = gossip->links[kind].first; one && sent; one = one->next) {
            memcpy(gossip->packed + size, one->keyed.key.bytes, WEFT_KEY_SIZE);
            size += WEFT_KEY_SIZE;
            if (size == (size_t)REACH_KEYS_MAX * WEFT_KEY_SIZE) {
                reach.more = weft_slice(gossip->packed, size);
                sent = weft_gossip_send(link, &(struct weft_gossip_message){.reach = reach});
                reach.anew = false;
                size = 0;
            }
        }
    }
    if (sent && (size > 0 || reach.anew)) {
        reach.more = weft_slice(gossip->packed, size);
        sent = weft_gossip_send(link, &(struct weft_gossip_message){.reach = reach});
    }
    link->gateway->reach_anew = !sent;
}

void weft_gossip_tell_reach(struct weft_gossip *gossip, const struct weft_key *key, bool reached)
{
    struct weft_slice packed = weft_slice(key->bytes, WEFT_KEY_SIZE);
    struct weft_gossip_message message = {.reach = {.said = true}};
    if (reached) {
        message.reach.more = packed;
    } else {
        message.reach.less = packed;
    }
    for (struct weft_gossip_link *link = first_gateway(gossip); link; link = link->next) {
        link->gateway->reach_anew = !weft_gossip_send(link, &message) || link->gateway->reach_anew;
    }
}

/* -- all of it -- */

void weft_gossip_greet_gateway(struct weft_gossip_link *link, weft_time now)
{
    link->gateway->answered = now - WEFT_GOSSIP_ANSWER_AGAIN;
    link->gateway->pull_now = true;
    link->gossip->pull_at = now;
    tell_reach_anew(link);
}

static void hear_reach(struct weft_gossip_link *link, const struct weft_gossip_reach *reach, weft_time now)
{
    struct weft_roster *roster = link->gossip->settings.roster;
    struct weft_slice more = reach->more, less = reach->less;
    struct weft_key key;
    if (reach->anew) {
        weft_roster_lose_all(roster, link->place, now);
    }
    while (weft_gossip_packed_next(&less, key.bytes, WEFT_KEY_SIZE)) {
        weft_roster_lose(roster, link->place, &key, now);
        weft_gossip_tell_lost(link->gossip, &key);
    }
    while (weft_gossip_packed_next(&more, key.bytes, WEFT_KEY_SIZE)) {
        if (weft_key_set(&key) && weft_roster_reach(roster, link->place, &key, now) < 0) {
            link->gossip->reach_missed = true; /* no place: they are asked again when there may be one */
        }
    }
}

int weft_gossip_hear_gateway(struct weft_gossip_link *link, const struct weft_gossip_message *message, weft_time now,
                             int64_t now_s)
{
    if (message->reach.said) { /* before announcements: whom a gateway vouches for */
        hear_reach(link, &message->reach, now);
    }
    int error = weft_gossip_take_revocations(link, &message->revocations, now_s);
    if (error == 0) {
        error = weft_gossip_take_announcements(link, &message->announcements, WEFT_ROSTER_RELAYED, now, now_s);
    }
    if (error < 0) {
        return error;
    }
    hear_news(link, message->news, now);
    answer_wants(link, message->wants);
    answer_revocation_wants(link, message->revocation_wants);
    if (message->digest.said) {
        hear_digest(link, &message->digest, now);
    }
    if (message->list.said) {
        hear_list(link, &message->list, now);
    }
    if (message->reach_again) {
        tell_reach_anew(link);
    }
    return 0;
}

static struct weft_gossip_link *any_gateway(struct weft_gossip *gossip)
{
    size_t skip = (size_t)weft_random_below(&gossip->random, gossip->links[WEFT_GOSSIP_GATEWAY].count);
    struct weft_gossip_link *link = first_gateway(gossip);
    for (; skip > 0; skip--) {
        link = link->next;
    }
    return link;
}

void weft_gossip_tick_gateways(struct weft_gossip *gossip, weft_time now)
{
    bool due = now >= gossip->pull_at, pulled = false;
    for (struct weft_gossip_link *link = first_gateway(gossip); link; link = link->next) {
        if (link->gateway->reach_anew) {
            tell_reach_anew(link);
        }
        if (link->gateway->pull_now) {
            pull_from(link);
            pulled = true;
        }
    }
    if (!due || !first_gateway(gossip)) {
        return;
    }
    /* Between a half and one and a half, so that gateways that began together do not go on together. */
    gossip->pull_at = now + WEFT_GOSSIP_PULL / 2 + (weft_time)weft_random_below(&gossip->random, WEFT_GOSSIP_PULL);
    if (!pulled) {
        pull_from(any_gateway(gossip));
    }
    if (gossip->reach_missed && now >= gossip->reach_again_at) {
        gossip->reach_missed = false;
        gossip->reach_again_at = now + WEFT_GOSSIP_REFUSED_AGAIN;
        for (struct weft_gossip_link *link = first_gateway(gossip); link; link = link->next) {
            (void)weft_gossip_send(link, &(struct weft_gossip_message){.reach_again = true}); /* or in a minute */
        }
    }
}
