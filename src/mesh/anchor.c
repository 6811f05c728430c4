/* mesh/anchor.c - how a node holds on to its gateways. */
#include "mesh/anchor.h"

#include <limits.h>

#include "base/assert.h"
#include "base/error.h"
#include "base/mem.h"
#include "base/random.h"

#define NOWHERE (-1)

struct place {
    char address[WEFT_HOSTPORT_MAX];
    size_t size;
    struct weft_key key; /* who answered there, or is said to; all zeros: not known */
    bool keep;
    bool unreached;  /* what failed last may be mended by this node's own network */
    unsigned failed; /* in a row */
    weft_time next;  /* not dialled before */
    int link;        /* NOWHERE: none leads there */
};

enum link_state { LINK_NONE, LINK_DIALLING, LINK_ATTACHED, LINK_DROPPING };

struct link {
    enum link_state state;
    enum weft_anchor_reason reason; /* dropping */
    struct place *place;            /* dialling, attached */
    weft_time since;                /* attached */
    weft_time timeout;              /* dialling */
    struct weft_liveness liveness;  /* attached */
};

struct weft_anchor {
    struct weft_random random;
    size_t wanted;
    weft_time acted;   /* the last call: nothing was due before */
    weft_time dialled; /* the last start of a dial */
    weft_time hold;    /* no dial before, after a loss */
    struct link links[WEFT_ANCHOR_LINKS_MAX];
    size_t count;
    struct place places[WEFT_ANCHOR_ADDRESSES_MAX];
};

int weft_anchor_new(struct weft_anchor **out, uint64_t seed, weft_time now)
{
    struct weft_anchor *anchor = *out = weft_zalloc(sizeof(*anchor));
    if (!anchor) {
        return WEFT_ERR_MEMORY;
    }
    weft_random_init(&anchor->random, seed);
    anchor->wanted = WEFT_ANCHOR_WANTED;
    anchor->acted = anchor->hold = now;
    anchor->dialled = now - WEFT_ANCHOR_SLOW; /* none was */
    return 0;
}

void weft_anchor_want(struct weft_anchor *anchor, size_t wanted)
{
    WEFT_ASSERT(wanted >= 1 && wanted <= WEFT_ANCHOR_WANTED_MAX);
    anchor->wanted = wanted;
}

void weft_anchor_free(struct weft_anchor *anchor)
{
    weft_free(anchor);
}

static weft_time below(struct weft_anchor *anchor, weft_time span)
{
    return (weft_time)weft_random_below(&anchor->random, (uint64_t)span);
}

/* Between half of it and all, so that what happened to many at once is not done again by all at once. */
static weft_time scatter(struct weft_anchor *anchor, weft_time span)
{
    return span / 2 + below(anchor, span / 2);
}

static size_t count_links(const struct weft_anchor *anchor, enum link_state state)
{
    size_t count = 0;
    for (size_t i = 0; i < WEFT_ANCHOR_LINKS_MAX; i++) {
        count += anchor->links[i].state == state ? 1 : 0;
    }
    return count;
}

size_t weft_anchor_attachments(const struct weft_anchor *anchor)
{
    return count_links(anchor, LINK_ATTACHED);
}

/* Whether a link in this state leads to that gateway; never if it is not known whose the address is. */
static bool leads(const struct weft_anchor *anchor, enum link_state state, const struct weft_key *key)
{
    for (size_t i = 0; weft_key_set(key) && i < WEFT_ANCHOR_LINKS_MAX; i++) {
        const struct link *link = &anchor->links[i];
        if (link->state == state && weft_key_equal(&link->place->key, key)) {
            return true;
        }
    }
    return false;
}

/* -- where gateways can be reached -- */

static struct place *find_place(struct weft_anchor *anchor, struct weft_slice address)
{
    for (size_t i = 0; i < anchor->count; i++) {
        if (weft_slice_equal(weft_slice(anchor->places[i].address, anchor->places[i].size), address)) {
            return &anchor->places[i];
        }
    }
    return NULL;
}

/* A new place, or that of the address that failed most and may go. */
static struct place *vacate_place(struct weft_anchor *anchor)
{
    struct place *worst = NULL;
    if (anchor->count < WEFT_ANCHOR_ADDRESSES_MAX) {
        return &anchor->places[anchor->count++];
    }
    for (size_t i = 0; i < anchor->count; i++) {
        struct place *place = &anchor->places[i];
        if (!place->keep && place->link == NOWHERE && place->failed > (worst ? worst->failed : 0)) {
            worst = place;
        }
    }
    return worst;
}

int weft_anchor_learn(struct weft_anchor *anchor, struct weft_slice address, const struct weft_key *key, bool keep,
                      weft_time now)
{
    struct weft_hostport read;
    int error = weft_hostport_parse(address, &read);
    if (error) {
        return error;
    }
    struct place *place = find_place(anchor, address);
    bool known = place;
    if (!known) {
        place = vacate_place(anchor);
        if (!place) {
            return WEFT_ERR_FULL;
        }
        *place = (struct place){.size = address.size, .next = now, .link = NOWHERE};
        memcpy(place->address, address.data, address.size);
    }
    place->keep = place->keep || keep;
    if (key && !weft_key_set(&place->key)) { /* who answered there knows better than who is said to be there */
        place->key = *key;
    }
    anchor->acted = now;
    return known ? 0 : 1;
}

/* -- links: how they end -- */

static weft_time pause_after(const struct place *place, enum weft_anchor_end end)
{
    if (end != WEFT_ANCHOR_LOST) {
        return end == WEFT_ANCHOR_BUSY ? WEFT_ANCHOR_AGAIN_BUSY : WEFT_ANCHOR_AGAIN_DENIED;
    }
    if (place->failed > WEFT_ANCHOR_PATIENCE) {
        return WEFT_ANCHOR_AGAIN_RARELY;
    }
    weft_time span = WEFT_ANCHOR_AGAIN;
    for (unsigned i = 1; i < place->failed && span < WEFT_ANCHOR_AGAIN_MAX; i++) {
        span *= 2;
    }
    return span < WEFT_ANCHOR_AGAIN_MAX ? span : WEFT_ANCHOR_AGAIN_MAX;
}

static void fail(struct weft_anchor *anchor, struct place *place, enum weft_anchor_end end, weft_time now)
{
    place->failed += place->failed < UINT_MAX ? 1 : 0;
    place->unreached = end == WEFT_ANCHOR_LOST;
    place->next = now + scatter(anchor, pause_after(place, end));
}

/* A link that held for a while says that the gateway is a good one, whatever was before: if it broke, the gateway is
 * dialled again as soon as any. */
static void end_link(struct weft_anchor *anchor, struct link *link, enum weft_anchor_end end, weft_time now)
{
    struct place *place = link->place;
    bool steady = link->state == LINK_ATTACHED && now - link->since >= WEFT_ANCHOR_STEADY;
    if (link->state == LINK_ATTACHED) {
        anchor->hold = now + below(anchor, WEFT_ANCHOR_SPREAD);
    }
    place->failed = steady ? 0 : place->failed;
    fail(anchor, place, end, now);
    if (steady && end == WEFT_ANCHOR_LOST) {
        place->next = now;
    }
    place->link = NOWHERE;
    *link = (struct link){.state = LINK_NONE};
}

/* The next step says so. Nobody failed. */
static void drop(struct weft_anchor *anchor, struct link *link, enum weft_anchor_reason reason, weft_time now)
{
    if (link->state == LINK_ATTACHED) {
        anchor->hold = now + below(anchor, WEFT_ANCHOR_SPREAD);
    }
    link->place->link = NOWHERE;
    *link = (struct link){.state = LINK_DROPPING, .reason = reason};
}

void weft_anchor_ended(struct weft_anchor *anchor, int link, enum weft_anchor_end end, weft_time now)
{
    WEFT_ASSERT(link >= 0 && link < WEFT_ANCHOR_LINKS_MAX);
    struct link *ended = &anchor->links[link];
    anchor->acted = now;
    if (ended->state == LINK_DIALLING || ended->state == LINK_ATTACHED) {
        end_link(anchor, ended, end, now);
    } else {
        *ended = (struct link){.state = LINK_NONE}; /* it was to be dropped */
    }
}

void weft_anchor_forget(struct weft_anchor *anchor, const struct weft_key *key, weft_time now)
{
    for (size_t i = anchor->count; i-- > 0;) {
        struct place *place = &anchor->places[i], *last = &anchor->places[anchor->count - 1];
        if (!weft_key_equal(&place->key, key)) {
            continue;
        }
        if (place->link != NOWHERE) {
            drop(anchor, &anchor->links[place->link], WEFT_ANCHOR_FORGOTTEN, now);
        }
        if (last->link != NOWHERE) {
            anchor->links[last->link].place = place; /* it moves there */
        }
        *place = *last;
        *last = (struct place){.link = NOWHERE};
        anchor->count--;
    }
    anchor->acted = now;
}

/* -- links: how they begin and live -- */

void weft_anchor_attached(struct weft_anchor *anchor, int link, const struct weft_key *key, weft_time now)
{
    WEFT_ASSERT(link >= 0 && link < WEFT_ANCHOR_LINKS_MAX);
    struct link *attached = &anchor->links[link];
    anchor->acted = now;
    if (attached->state != LINK_DIALLING) {
        return; /* it is to be dropped */
    }
    bool twice = leads(anchor, LINK_ATTACHED, key);
    attached->place->key = *key;
    if (twice) {
        drop(anchor, attached, WEFT_ANCHOR_DUPLICATE, now);
        return;
    }
    attached->state = LINK_ATTACHED;
    attached->since = now;
    weft_liveness_heard(&attached->liveness, now);
    for (size_t i = 0; weft_anchor_attachments(anchor) >= anchor->wanted && i < WEFT_ANCHOR_LINKS_MAX; i++) {
        if (anchor->links[i].state == LINK_DIALLING) {
            drop(anchor, &anchor->links[i], WEFT_ANCHOR_SURPLUS, now);
        }
    }
}

void weft_anchor_heard(struct weft_anchor *anchor, int link, weft_time now)
{
    WEFT_ASSERT(link >= 0 && link < WEFT_ANCHOR_LINKS_MAX);
    if (anchor->links[link].state == LINK_ATTACHED) {
        weft_liveness_heard(&anchor->links[link].liveness, now);
    }
    anchor->acted = now;
}

void weft_anchor_wake(struct weft_anchor *anchor, weft_time now)
{
    for (size_t i = 0; i < WEFT_ANCHOR_LINKS_MAX; i++) {
        struct link *link = &anchor->links[i];
        if (link->state == LINK_ATTACHED) {
            weft_liveness_doubt(&link->liveness, now);
        } else if (link->state == LINK_DIALLING && link->timeout < now + WEFT_LIVENESS_LAST) {
            link->timeout = now + WEFT_LIVENESS_LAST; /* what came meanwhile is read first */
        }
    }
    for (size_t i = 0; i < anchor->count; i++) {
        struct place *place = &anchor->places[i];
        weft_time soon = now + below(anchor, WEFT_ANCHOR_SPREAD);
        if (place->unreached && place->failed > 0) {
            place->failed = 1;
            place->next = place->next < soon ? place->next : soon;
        }
    }
    anchor->acted = now;
}

/* -- what is next -- */

/* Whether `a` is to be dialled rather than `b`. */
static bool is_better(const struct weft_anchor *anchor, const struct place *a, const struct place *b)
{
    bool dialled_a = leads(anchor, LINK_DIALLING, &a->key), dialled_b = leads(anchor, LINK_DIALLING, &b->key);
    return dialled_a != dialled_b ? dialled_b : a->failed < b->failed;
}

static bool may_be_dialled(const struct weft_anchor *anchor, const struct place *place)
{
    return place->link == NOWHERE && !leads(anchor, LINK_ATTACHED, &place->key);
}

static struct place *choose_place(struct weft_anchor *anchor, weft_time now)
{
    struct place *best = NULL;
    uint64_t equals = 0;
    for (size_t i = 0; i < anchor->count; i++) {
        struct place *place = &anchor->places[i];
        if (place->next > now || !may_be_dialled(anchor, place) || (best && is_better(anchor, best, place))) {
            continue;
        }
        equals = best && !is_better(anchor, place, best) ? equals + 1 : 1;
        if (weft_random_below(&anchor->random, equals) == 0) { /* of n equals each with a chance of 1 in n */
            best = place;
        }
    }
    return best;
}

/* When the number of dials allows another one. */
static weft_time dial_time(const struct weft_anchor *anchor)
{
    size_t attached = weft_anchor_attachments(anchor), dialling = count_links(anchor, LINK_DIALLING);
    if (attached >= anchor->wanted || dialling >= WEFT_ANCHOR_DIALS_MAX) {
        return WEFT_NEVER;
    }
    bool missing = dialling < anchor->wanted - attached;
    weft_time next = anchor->dialled + (missing ? WEFT_ANCHOR_PACE : WEFT_ANCHOR_SLOW);
    return next > anchor->hold ? next : anchor->hold;
}

static int find_free_link(const struct weft_anchor *anchor)
{
    for (int i = 0; i < WEFT_ANCHOR_LINKS_MAX; i++) {
        if (anchor->links[i].state == LINK_NONE) {
            return i;
        }
    }
    return NOWHERE;
}

static int dial(struct weft_anchor *anchor, weft_time now, struct weft_anchor_step *out)
{
    if (dial_time(anchor) > now) {
        return 0;
    }
    int free_link = find_free_link(anchor);
    WEFT_ASSERT(free_link != NOWHERE); /* fewer are attached than wanted, fewer dialled than may be; none is dropping */
    struct place *place = choose_place(anchor, now);
    if (!place) {
        return 0;
    }
    anchor->links[free_link] =
        (struct link){.state = LINK_DIALLING, .place = place, .timeout = now + WEFT_ANCHOR_DIAL_TIMEOUT};
    anchor->dialled = now;
    place->link = free_link;
    *out = (struct weft_anchor_step){
        .kind = WEFT_ANCHOR_DIAL, .link = free_link, .address = weft_slice(place->address, place->size)};
    return 1;
}

/* What one link asks for. */
static int look_at(struct weft_anchor *anchor, int index, weft_time now, struct weft_anchor_step *out)
{
    struct link *link = &anchor->links[index];
    enum weft_liveness_verdict verdict = WEFT_LIVENESS_ALIVE;
    *out = (struct weft_anchor_step){.kind = WEFT_ANCHOR_DROP, .link = index};
    switch (link->state) {
    case LINK_NONE:
        return 0;
    case LINK_DROPPING:
        out->reason = link->reason;
        *link = (struct link){.state = LINK_NONE};
        return 1;
    case LINK_DIALLING:
        out->reason = WEFT_ANCHOR_TOO_SLOW;
        verdict = now >= link->timeout ? WEFT_LIVENESS_GONE : WEFT_LIVENESS_ALIVE;
        break;
    case LINK_ATTACHED:
        out->reason = WEFT_ANCHOR_SILENT;
        verdict = weft_liveness_look(&link->liveness, now);
        break;
    }
    if (verdict == WEFT_LIVENESS_PING) {
        out->kind = WEFT_ANCHOR_PING;
    } else if (verdict == WEFT_LIVENESS_GONE) {
        end_link(anchor, link, WEFT_ANCHOR_LOST, now);
    }
    return verdict == WEFT_LIVENESS_ALIVE ? 0 : 1;
}

int weft_anchor_next(struct weft_anchor *anchor, weft_time now, struct weft_anchor_step *out)
{
    weft_time due = weft_anchor_deadline(anchor);
    if (due < now - WEFT_ANCHOR_OVERSLEPT) {
        weft_anchor_wake(anchor, now);
    }
    anchor->acted = now;
    for (int i = 0; i < WEFT_ANCHOR_LINKS_MAX; i++) {
        if (look_at(anchor, i, now, out)) {
            return 1;
        }
    }
    return dial(anchor, now, out);
}

static weft_time earlier(weft_time a, weft_time b)
{
    return a < b ? a : b;
}

weft_time weft_anchor_deadline(const struct weft_anchor *anchor)
{
    weft_time links = WEFT_NEVER, places = WEFT_NEVER, dials = dial_time(anchor);
    for (size_t i = 0; i < WEFT_ANCHOR_LINKS_MAX; i++) {
        const struct link *link = &anchor->links[i];
        const weft_time next[] = {[LINK_NONE] = WEFT_NEVER,
                                  [LINK_DIALLING] = link->timeout,
                                  [LINK_ATTACHED] = link->liveness.next,
                                  [LINK_DROPPING] = anchor->acted};
        links = earlier(links, next[link->state]);
    }
    for (size_t i = 0; dials != WEFT_NEVER && i < anchor->count; i++) {
        if (may_be_dialled(anchor, &anchor->places[i])) {
            places = earlier(places, anchor->places[i].next);
        }
    }
    weft_time dial_at = places == WEFT_NEVER ? WEFT_NEVER : places > dials ? places : dials;
    weft_time due = earlier(links, dial_at);
    return due > anchor->acted ? due : anchor->acted;
}
