/* mesh/gossip.c - links, messages in and out, and what is done with them. */
#include "mesh/gossip.h"

#include "base/assert.h"
#include "base/error.h"
#include "base/mem.h"
#include "mesh/gossip_inside.h"

int weft_gossip_new(struct weft_gossip **out, const struct weft_gossip_settings *settings, weft_time now)
{
    struct weft_gossip *gossip = weft_zalloc(sizeof(*gossip));
    *out = gossip;
    if (!gossip) {
        return WEFT_ERR_MEMORY;
    }
    gossip->settings = *settings;
    weft_random_init(&gossip->random, settings->seed);
    weft_catalogue_init(&gossip->catalogue);
    weft_by_key_init(&gossip->attached, &settings->secret);
    gossip->pull_at = now + WEFT_GOSSIP_PULL;
    gossip->sweep_at = now + WEFT_ROSTER_SWEEP;
    gossip->tell_at = now + WEFT_GOSSIP_TELL;
    gossip->catalogue_changes = UINT64_MAX;
    return 0;
}

static void free_link(struct weft_gossip_link *link)
{
    weft_bytes_deinit(&link->input);
    weft_bytes_deinit(&link->output);
    if (link->attached) {
        weft_free(link->attached->told);
    }
    weft_free(link->attached);
    weft_free(link->gateway);
    weft_free(link->catalogue);
    weft_free(link);
}

void weft_gossip_free(struct weft_gossip *gossip)
{
    if (!gossip) {
        return;
    }
    for (size_t kind = 0; kind < WEFT_COUNT(gossip->links); kind++) {
        for (struct weft_gossip_link *link = gossip->links[kind].first, *next; link; link = next) {
            next = link->next;
            free_link(link);
        }
    }
    weft_by_key_deinit(&gossip->attached);
    weft_free(gossip);
}

/* -- links -- */

static bool is_attached(enum weft_gossip_kind kind)
{
    return kind == WEFT_GOSSIP_MEMBER || kind == WEFT_GOSSIP_STRANGER;
}

static int check_room(const struct weft_gossip *gossip, enum weft_gossip_kind kind, uint64_t prefix)
{
    const struct weft_gossip_links *links = gossip->links;
    if (!is_attached(kind)) {
        return links[kind].count < WEFT_GOSSIP_GATEWAYS_MAX ? 0 : WEFT_ERR_FULL;
    }
    if (links[WEFT_GOSSIP_MEMBER].count + links[WEFT_GOSSIP_STRANGER].count >= WEFT_GOSSIP_ATTACHED_MAX) {
        return WEFT_ERR_FULL;
    }
    size_t neighbours = 0;
    if (kind == WEFT_GOSSIP_STRANGER) {
        for (const struct weft_gossip_link *link = links[kind].first; link; link = link->next) {
            neighbours += link->attached->prefix == prefix ? 1 : 0;
        }
        if (links[kind].count >= WEFT_GOSSIP_STRANGERS_MAX || neighbours >= WEFT_GOSSIP_PREFIX_MAX) {
            return WEFT_ERR_FULL;
        }
    }
    return 0;
}

static struct weft_gossip_link *new_link(enum weft_gossip_kind kind)
{
    struct weft_gossip_link *link = weft_zalloc(sizeof(*link));
    if (!link) {
        return NULL;
    }
    link->kind = kind;
    weft_bytes_init(&link->input);
    weft_bytes_init(&link->output);
    if (kind == WEFT_GOSSIP_GATEWAY) {
        link->gateway = weft_zalloc(sizeof(*link->gateway));
    } else if (kind == WEFT_GOSSIP_ANCHOR) {
        link->catalogue = weft_zalloc(sizeof(*link->catalogue));
    } else {
        link->attached = weft_zalloc(sizeof(*link->attached));
    }
    if (!link->gateway && !link->catalogue && !link->attached) {
        free_link(link);
        return NULL;
    }
    return link;
}

static void put_into(struct weft_gossip_links *links, struct weft_gossip_link *link)
{
    link->next = links->first;
    if (link->next) {
        link->next->previous = link;
    }
    links->first = link;
    links->count++;
}

static void take_out(struct weft_gossip_links *links, struct weft_gossip_link *link)
{
    if (link->previous) {
        link->previous->next = link->next;
    } else {
        links->first = link->next;
    }
    if (link->next) {
        link->next->previous = link->previous;
    }
    links->count--;
}

/* The youngest link of a node that stands for it, or the youngest of those that do not. */
static struct weft_gossip_link *attached_link(const struct weft_gossip *gossip, const struct weft_key *key,
                                              bool superseded)
{
    for (struct weft_keyed *one = weft_by_key_first(&gossip->attached, key); one; one = weft_by_key_next(one)) {
        struct weft_gossip_link *link = WEFT_CONTAINER(one, struct weft_gossip_link, keyed);
        if (link->attached->superseded == superseded) {
            return link;
        }
    }
    return NULL;
}

/* An older link of the node that the new one now stands for. */
static bool supersede(const struct weft_gossip *gossip, const struct weft_key *key)
{
    struct weft_gossip_link *older = attached_link(gossip, key, false);
    if (older) {
        older->attached->superseded = true;
    }
    return older;
}

/* The one that stood for the node is gone: another that is left stands for it again. */
static bool succeed(const struct weft_gossip *gossip, const struct weft_key *key)
{
    struct weft_gossip_link *older = attached_link(gossip, key, true);
    if (older) {
        older->attached->superseded = false;
    }
    return older;
}

static bool reached_by_us(const struct weft_gossip *gossip, const struct weft_key *key)
{
    const struct weft_entry *entry = weft_roster_get(gossip->settings.roster, key);
    for (size_t i = 0; entry && i < WEFT_ENTRY_VIA_MAX; i++) {
        if (entry->via[i] == WEFT_ROSTER_SELF + 1) {
            return true;
        }
    }
    return false;
}

static int attach(struct weft_gossip *gossip, struct weft_gossip_link *link, uint64_t prefix, weft_time now)
{
    bool had = reached_by_us(gossip, &link->keyed.key);
    int error = weft_roster_reach(gossip->settings.roster, WEFT_ROSTER_SELF, &link->keyed.key, now);
    if (error < 0) {
        return error;
    }
    *link->attached = (struct weft_gossip_attached){
        .prefix = prefix,
        .told_at = now,
        .heard_at = now,
        .tell_bytes = WEFT_GOSSIP_TELL_START,
        .hear_bytes = WEFT_GOSSIP_HEAR_START,
    };
    if (!had || !supersede(gossip, &link->keyed.key)) {
        weft_gossip_tell_reach(gossip, &link->keyed.key, true);
    }
    return 0;
}

int weft_gossip_open(struct weft_gossip *gossip, struct weft_gossip_link **out, const struct weft_key *key,
                     enum weft_gossip_kind kind, uint64_t prefix, void *user, weft_time now)
{
    *out = NULL;
    int error = check_room(gossip, kind, prefix);
    if (error < 0) {
        return error;
    }
    struct weft_gossip_link *link = new_link(kind);
    if (!link) {
        return WEFT_ERR_MEMORY;
    }
    link->gossip = gossip;
    link->keyed.key = *key;
    link->user = user;
    error = is_attached(kind) ? attach(gossip, link, prefix, now)
                              : (link->place = weft_roster_link(gossip->settings.roster, key, now));
    if (error < 0) {
        free_link(link);
        return error;
    }
    put_into(&gossip->links[kind], link);
    if (kind == WEFT_GOSSIP_GATEWAY) {
        weft_gossip_greet_gateway(link, now);
    } else if (kind == WEFT_GOSSIP_ANCHOR) {
        weft_gossip_greet_anchor(link);
    } else {
        weft_by_key_put(&gossip->attached, &link->keyed);
        gossip->tell_at = now; /* not here: its own announcement may come at once, and be part of what it is told */
    }
    *out = link;
    return 0;
}

static void forget_ready(struct weft_gossip *gossip, const struct weft_gossip_link *link)
{
    for (struct weft_gossip_link **at = &gossip->ready; *at; at = &(*at)->next_ready) {
        if (*at == link) {
            *at = link->next_ready;
            return;
        }
    }
}

void weft_gossip_close(struct weft_gossip_link *link, weft_time now)
{
    struct weft_gossip *gossip = link->gossip;
    if (link->ready) {
        forget_ready(gossip, link);
    }
    if (is_attached(link->kind)) {
        weft_by_key_remove(&gossip->attached, &link->keyed);
    }
    take_out(&gossip->links[link->kind], link);
    if (!is_attached(link->kind)) {
        weft_roster_unlink(gossip->settings.roster, link->place, now);
        gossip->tell_at = now; /* all that it reached may be gone */
    } else if (!link->attached->superseded && !succeed(gossip, &link->keyed.key)) {
        weft_roster_lose(gossip->settings.roster, WEFT_ROSTER_SELF, &link->keyed.key, now);
        weft_gossip_tell_reach(gossip, &link->keyed.key, false);
        weft_gossip_tell_lost(gossip, &link->keyed.key);
    }
    free_link(link);
}

struct weft_bytes *weft_gossip_output(struct weft_gossip_link *link)
{
    return &link->output;
}

void *weft_gossip_user(const struct weft_gossip_link *link)
{
    return link->user;
}

const struct weft_key *weft_gossip_key(const struct weft_gossip_link *link)
{
    return &link->keyed.key;
}

enum weft_roster_outcome weft_gossip_heard(const struct weft_gossip_link *link)
{
    return link->heard;
}

struct weft_gossip_link *weft_gossip_ready(struct weft_gossip *gossip)
{
    struct weft_gossip_link *link = gossip->ready;
    if (link) {
        gossip->ready = link->next_ready;
        link->next_ready = NULL;
        link->ready = false;
    }
    return link;
}

/* -- out -- */

bool weft_gossip_send(struct weft_gossip_link *link, const struct weft_gossip_message *message)
{
    struct weft_gossip *gossip = link->gossip;
    int64_t size = weft_gossip_message_write(message, gossip->out + WEFT_GOSSIP_SIZE_SIZE, WEFT_GOSSIP_MESSAGE_MAX);
    WEFT_ASSERT(size > 0); /* whoever fills one stays below its bounds */
    for (int i = 0; i < WEFT_GOSSIP_SIZE_SIZE; i++) {
        gossip->out[i] = (uint8_t)((uint64_t)size >> (8 * (WEFT_GOSSIP_SIZE_SIZE - 1 - i)));
    }
    size_t whole = (size_t)size + WEFT_GOSSIP_SIZE_SIZE;
    if (link->output.size + whole > WEFT_GOSSIP_OUTPUT_MAX ||
        weft_bytes_append(&link->output, gossip->out, whole) < 0) {
        gossip->counts.unsaid++;
        return false;
    }
    gossip->counts.messages_out++;
    gossip->counts.bytes_out += whole;
    if (!link->ready) {
        link->ready = true;
        link->next_ready = gossip->ready;
        gossip->ready = link;
    }
    return true;
}

struct weft_gossip_message weft_gossip_one(struct weft_slice announcement)
{
    return (struct weft_gossip_message){.announcements = {.at = {announcement}, .count = 1}};
}

/* -- in -- */

static bool news_to_others(enum weft_roster_outcome outcome)
{
    return outcome == WEFT_ROSTER_ADDED || outcome == WEFT_ROSTER_REPLACED;
}

/* Those that are refused after their signature was found right: a name stands for that very announcement. */
static bool refused_for_now(enum weft_roster_outcome outcome)
{
    return outcome >= WEFT_ROSTER_STALE && outcome <= WEFT_ROSTER_OUTRUN;
}

int weft_gossip_take_announcements(struct weft_gossip_link *link, const struct weft_gossip_items *items,
                                   enum weft_roster_source source, weft_time now, int64_t now_s)
{
    struct weft_gossip *gossip = link->gossip;
    for (size_t i = 0; i < items->count; i++) {
        struct weft_gossip_name name;
        enum weft_roster_outcome outcome =
            weft_roster_offer(gossip->settings.roster, items->at[i], source, now, now_s, &name);
        link->heard = outcome;
        if (news_to_others(outcome)) {
            weft_gossip_push(gossip, &name, link);
        } else if (refused_for_now(outcome)) {
            weft_time wait = outcome == WEFT_ROSTER_STRANGER ? WEFT_GOSSIP_ASK_AGAIN : WEFT_GOSSIP_REFUSED_AGAIN;
            weft_gossip_remember(gossip, &name, now + wait); /* a stranger may be vouched for at any moment */
        }
        bool bad = outcome == WEFT_ROSTER_FORGED || outcome == WEFT_ROSTER_MALFORMED;
        if (bad && (!link->gateway || ++link->gateway->forged >= WEFT_GOSSIP_FORGED_MAX)) {
            return WEFT_ERR_CRYPTO;
        }
    }
    return 0;
}

static void spread_revocation(struct weft_gossip *gossip, struct weft_slice bytes, const struct weft_key *subject,
                              int64_t now_s, const struct weft_gossip_link *from)
{
    weft_roster_revoked(gossip->settings.roster, subject, now_s);
    weft_gossip_push_revocation(gossip, bytes, from);
}

/* 1 if it was new here. */
static int take_revocation(struct weft_gossip *gossip, struct weft_slice bytes, int64_t now_s,
                           const struct weft_gossip_link *from)
{
    struct weft_membership *membership = gossip->settings.membership;
    struct weft_revocation revocation;
    struct weft_signed parts;
    size_t before = weft_membership_revocations(membership);
    int status = weft_membership_revoke(membership, bytes, now_s);
    if (status > 0 && weft_membership_revocations(membership) != before + 1) {
        weft_gossip_tell_revocations_again(gossip); /* others went for it: their order is another */
    }
    if (status <= 0 || weft_revocation_read(bytes, &revocation, &parts) < 0) {
        return status;
    }
    if (gossip->settings.revoked) {
        gossip->settings.revoked(gossip->settings.user, bytes, &revocation.subject);
    }
    spread_revocation(gossip, bytes, &revocation.subject, now_s, from);
    return status;
}

int weft_gossip_take_revocations(struct weft_gossip_link *link, const struct weft_gossip_items *items, int64_t now_s)
{
    for (size_t i = 0; i < items->count; i++) {
        int status = take_revocation(link->gossip, items->at[i], now_s, link);
        bool bad = status == WEFT_ERR_CRYPTO || status == WEFT_ERR_INVALID;
        if (bad && (!link->gateway || ++link->gateway->forged >= WEFT_GOSSIP_FORGED_MAX)) {
            return WEFT_ERR_CRYPTO;
        }
    }
    return 0;
}

static int hear(struct weft_gossip_link *link, struct weft_slice bytes, weft_time now, int64_t now_s)
{
    struct weft_gossip_message message;
    int error = weft_gossip_message_read(bytes, &message);
    if (error < 0) {
        return error;
    }
    link->gossip->counts.messages_in++;
    switch (link->kind) {
    case WEFT_GOSSIP_GATEWAY:
        return weft_gossip_hear_gateway(link, &message, now, now_s);
    case WEFT_GOSSIP_ANCHOR:
        return weft_gossip_hear_anchor(link, &message, now, now_s);
    default:
        return weft_gossip_hear_attached(link, &message, bytes.size, now, now_s);
    }
}

/* The size in front of the next message, once it is there. */
static int read_size(struct weft_gossip_link *link)
{
    uint8_t head[WEFT_GOSSIP_SIZE_SIZE];
    size_t max = is_attached(link->kind) ? WEFT_GOSSIP_HEAR_START : WEFT_GOSSIP_MESSAGE_MAX;
    if (link->expected > 0 || link->input.size < sizeof(head)) {
        return 0;
    }
    (void)weft_bytes_read(&link->input, head, sizeof(head)); /* it is there */
    for (size_t i = 0; i < sizeof(head); i++) {
        link->expected = link->expected << 8 | head[i];
    }
    if (link->expected == 0) {
        return WEFT_ERR_INVALID;
    }
    return link->expected > max ? WEFT_ERR_TOO_LARGE : 0;
}

int weft_gossip_receive(struct weft_gossip_link *link, struct weft_slice bytes, weft_time now, int64_t now_s)
{
    struct weft_gossip *gossip = link->gossip;
    int error = weft_bytes_append(&link->input, bytes.data, bytes.size);
    gossip->counts.bytes_in += bytes.size;
    while (error == 0) {
        error = read_size(link);
        if (error < 0 || link->expected == 0 || link->input.size < link->expected) {
            break;
        }
        size_t size = weft_bytes_read(&link->input, gossip->in, link->expected);
        link->expected = 0;
        error = hear(link, weft_slice(gossip->in, size), now, now_s);
    }
    weft_gossip_flush(gossip);
    return error;
}

/* -- time -- */

weft_time weft_gossip_deadline(const struct weft_gossip *gossip)
{
    weft_time next = gossip->sweep_at;
    if (gossip->links[WEFT_GOSSIP_GATEWAY].count > 0 && gossip->pull_at < next) {
        next = gossip->pull_at;
    }
    bool anybody = gossip->links[WEFT_GOSSIP_MEMBER].count + gossip->links[WEFT_GOSSIP_STRANGER].count > 0;
    return anybody && gossip->tell_at < next ? gossip->tell_at : next;
}

void weft_gossip_tick(struct weft_gossip *gossip, weft_time now, int64_t now_s)
{
    if (now >= gossip->sweep_at) {
        gossip->sweep_at = now + WEFT_ROSTER_SWEEP;
        weft_roster_sweep(gossip->settings.roster, now, now_s);
    }
    weft_gossip_tick_gateways(gossip, now);
    if (now >= gossip->tell_at) {
        gossip->tell_at = now + WEFT_GOSSIP_TELL;
        weft_gossip_tick_attached(gossip, now);
    }
    weft_gossip_flush(gossip);
}

/* -- what this node says -- */

enum weft_roster_outcome weft_gossip_announce(struct weft_gossip *gossip, struct weft_slice bytes, weft_time now,
                                              int64_t now_s)
{
    struct weft_gossip_name name;
    enum weft_roster_outcome outcome =
        weft_roster_offer(gossip->settings.roster, bytes, WEFT_ROSTER_OURS, now, now_s, &name);
    if (!news_to_others(outcome)) {
        return outcome;
    }
    struct weft_gossip_message message = weft_gossip_one(bytes);
    for (struct weft_gossip_link *link = gossip->links[WEFT_GOSSIP_ANCHOR].first; link; link = link->next) {
        (void)weft_gossip_send(link, &message); /* without room it is told with the next one */
    }
    weft_gossip_push(gossip, &name, NULL);
    weft_gossip_flush(gossip);
    return outcome;
}

void weft_gossip_revoked(struct weft_gossip *gossip, struct weft_slice bytes, int64_t now_s)
{
    struct weft_revocation revocation;
    struct weft_signed parts;
    if (weft_revocation_read(bytes, &revocation, &parts) == 0) { /* the membership has read it */
        spread_revocation(gossip, bytes, &revocation.subject, now_s, NULL);
        weft_gossip_tell_revocations_again(gossip); /* others may have gone for it */
    }
}

const struct weft_catalogue_line *weft_gossip_model(const struct weft_gossip *gossip, size_t *cursor)
{
    size_t before = 0;
    for (size_t i = 0; i < gossip->catalogue.count; i++, before++) {
        if (before >= *cursor && gossip->catalogue.lines[i].peers > 0) {
            *cursor = before + 1;
            return &gossip->catalogue.lines[i];
        }
    }
    for (const struct weft_gossip_link *link = gossip->links[WEFT_GOSSIP_ANCHOR].first; link; link = link->next) {
        for (size_t i = 0; i < link->catalogue->count; i++, before++) {
            if (before >= *cursor && link->catalogue->lines[i].peers > 0) {
                *cursor = before + 1;
                return &link->catalogue->lines[i];
            }
        }
    }
    return NULL;
}

struct weft_gossip_counts weft_gossip_counts(const struct weft_gossip *gossip)
{
    return gossip->counts;
}
