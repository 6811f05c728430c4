/* node/attaching.c - a node's links to its gateways. */
#include "node/attaching.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/assert.h"
#include "base/error.h"
#include "base/mem.h"
#include "node/posting.h"
#include "wire/hello.h"

#define NOWHERE (-1)

enum stage {
    STAGE_LOOKING,  /* its address is looked up */
    STAGE_DIALLING, /* the link on which we ask */
    STAGE_GREETING, /* we have shown who we are, and wait to be shown */
    STAGE_TURNING,  /* dialling the link on which we serve */
    STAGE_READY,    /* mesh/anchor is to be told */
    STAGE_ATTACHED,
    STAGE_ENDED, /* likewise; `end` says how */
};

struct attachment {
    struct weft_attaching *attaching;
    struct attachment *next;
    enum stage stage;
    enum weft_anchor_end end;
    int link;      /* mesh/anchor's; NOWHERE: it knows nothing of it any more */
    bool resolves; /* the host has not answered yet: then it stays */
    bool told;     /* `attached` was said, and `detached` not yet */
    struct weft_link *ask, *serve;
    struct weft_posting hello;
    struct weft_key key;
    weft_time since, took; /* `took`: from the first look for its address until it was attached */
    uint64_t shown;        /* the serial of the certificate that it was shown */
    size_t count, at;
    struct weft_address tries[WEFT_ATTACHING_TRIES_MAX];
    char address[WEFT_HOSTPORT_MAX + 1], name[WEFT_HOSTPORT_MAX + 1];
};

struct weft_attaching {
    struct weft_attaching_options options;
    struct weft_links *links;
    struct weft_anchor *anchor; /* NULL: it has not started */
    struct attachment *first;
    struct weft_timer timer;
    bool news; /* something has happened since the last look */
    struct weft_gateway_book book;
    weft_time seen;    /* the clock at the last look ... */
    int64_t seen_wall; /* ... and the wall clock */
    char problem[WEFT_ATTACHING_PROBLEM_MAX];
};

static weft_time now_of(const struct weft_attaching *attaching)
{
    return attaching->options.loop->turn.now;
}

/* What happened is acted on in a turn of its own: whoever is told may end the node, and its links. */
static void look_soon(struct weft_attaching *attaching)
{
    attaching->news = true;
    weft_timer_set(&attaching->options.loop->timers, &attaching->timer, now_of(attaching));
}

static void note(const struct weft_attaching *attaching, const struct attachment *a, const char *event, const char *why)
{
    char id[WEFT_PEER_ID_SIZE];
    struct weft_journal *journal = attaching->options.journal;
    if (weft_journal_begin(journal, why ? WEFT_LOG_WARN : WEFT_LOG_INFO, event)) {
        if (weft_key_set(&a->key)) {
            weft_key_text(&a->key, id);
            weft_journal_word(journal, "gateway", id);
        }
        weft_journal_word(journal, "address", a->address);
        if (why) {
            weft_journal_word(journal, "why", why);
        } else {
            weft_journal_ms(journal, "took_ms", a->took);
        }
        weft_journal_end(journal);
    }
}

/* -- how one ends -- */

WEFT_PRINTF(3, 4) static void end(struct attachment *a, enum weft_anchor_end how, const char *format, ...)
{
    struct weft_attaching *attaching = a->attaching;
    char why[WEFT_ATTACHING_PROBLEM_MAX - WEFT_HOSTPORT_MAX - 4];
    va_list arguments;
    if (a->stage == STAGE_ENDED) {
        return;
    }
    va_start(arguments, format);
    (void)vsnprintf(why, sizeof(why), format, arguments); /* a cut sentence still helps */
    va_end(arguments);
    (void)snprintf(attaching->problem, sizeof(attaching->problem), "%s: %s", a->address, why); /* likewise */
    if (a->told || how == WEFT_ANCHOR_DENIED) {
        note(attaching, a, a->told ? "gateway lost" : "gateway not attached", why);
    }
    a->stage = STAGE_ENDED;
    a->end = how;
    if (a->told) {
        a->told = false;
        attaching->options.user->detached(attaching->options.self, &a->key);
    }
    look_soon(attaching);
}

static void free_attachment(struct attachment *a)
{
    struct attachment **at = &a->attaching->first;
    while (*at != a) {
        at = &(*at)->next;
    }
    *at = a->next;
    weft_free(a);
}

/* mesh/anchor has let go of it. `phrase`: its links are cut, which says why; NULL: they finish what is running. */
static void let_go(struct attachment *a, const char *phrase)
{
    struct weft_link *links[] = {a->ask, a->serve};
    a->link = NOWHERE;
    a->ask = a->serve = NULL;
    a->stage = STAGE_ENDED;
    weft_posting_stop(&a->hello);
    if (a->told) {
        a->told = false;
        a->attaching->options.user->detached(a->attaching->options.self, &a->key);
    }
    for (size_t i = 0; i < WEFT_COUNT(links); i++) {
        if (links[i] && phrase) {
            weft_link_cut(links[i], phrase);
        } else if (links[i]) {
            weft_link_close(links[i]);
        }
    }
    if (!a->resolves) {
        free_attachment(a);
    }
}

/* -- how one begins: its name, the first link -- */

static void dial_next(struct attachment *a)
{
    int error = WEFT_ERR_NOT_FOUND;
    for (; a->at < a->count; a->at++) {
        error = weft_links_dial(a->attaching->links, &a->tries[a->at], NULL, false, &a->ask);
        if (error == 0) {
            a->stage = STAGE_DIALLING;
            return;
        }
    }
    end(a, WEFT_ANCHOR_LOST, "it cannot be dialled: %s.", weft_error_text(error));
}

static void on_resolved(void *self, int status, const struct weft_address *addresses, size_t count)
{
    struct attachment *a = self;
    a->resolves = false;
    if (a->link == NOWHERE) {
        free_attachment(a); /* it took too long */
        return;
    }
    if (status < 0 || count == 0) {
        end(a, WEFT_ANCHOR_LOST, "its name cannot be looked up: %s.",
            weft_error_text(status < 0 ? status : WEFT_ERR_NOT_FOUND));
        return;
    }
    a->count = count < WEFT_ATTACHING_TRIES_MAX ? count : WEFT_ATTACHING_TRIES_MAX;
    memcpy(a->tries, addresses, a->count * sizeof(addresses[0]));
    dial_next(a);
}

static void begin(struct weft_attaching *attaching, const struct weft_anchor_step *step)
{
    struct weft_host *host = attaching->options.loop->host;
    struct weft_hostport parsed;
    int error = weft_hostport_parse(step->address, &parsed);
    WEFT_ASSERT(error == 0); /* mesh/anchor takes no other */
    struct attachment *a = weft_zalloc(sizeof(*a));
    if (!a) {
        weft_anchor_ended(attaching->anchor, step->link, WEFT_ANCHOR_LOST, now_of(attaching));
        return;
    }
    *a = (struct attachment){
        .attaching = attaching, .next = attaching->first, .link = step->link, .since = now_of(attaching)};
    attaching->first = a;
    memcpy(a->address, step->address.data, step->address.size);
    memcpy(a->name, parsed.host.data, parsed.host.size);
    error = host->ops->resolve(host, a->name, parsed.port, on_resolved, a);
    a->resolves = error == 0;
    if (error < 0) {
        end(a, WEFT_ANCHOR_LOST, "its name cannot be looked up: %s.", weft_error_text(error));
    }
}

/* -- both show who they are -- */

static void turn_round(struct attachment *a)
{
    int error = weft_links_dial(a->attaching->links, &a->tries[a->at], &a->key, true, &a->serve);
    if (error < 0) {
        end(a, WEFT_ANCHOR_LOST, "the link back cannot be dialled: %s.", weft_error_text(error));
    } else {
        a->stage = STAGE_TURNING;
    }
}

/* What a gateway shows; true if it is one. */
static bool meet(struct attachment *a, struct weft_slice record)
{
    const struct weft_attaching_options *options = &a->attaching->options;
    struct weft_membership *membership = weft_mesh_state_membership(options->state);
    int64_t now_s = weft_mesh_state_now_s(options->state);
    struct weft_hello hello;
    int error = weft_hello_read(record, &hello);
    if (error == WEFT_ERR_UNSUPPORTED || (error == 0 && weft_hello_protocol(&hello) == 0)) {
        end(a, WEFT_ANCHOR_DENIED,
            "it speaks another version of the mesh's protocol than this weft: the older of the two must be updated.");
        return false;
    }
    if (error < 0 || !weft_key_equal(&hello.key, weft_link_key(a->ask)) || !membership) {
        end(a, WEFT_ANCHOR_DENIED, "what it says of itself cannot be understood.");
        return false;
    }
    a->key = hello.key;
    enum weft_verdict verdict = weft_known_show(options->known, membership, &a->key, hello.chain, now_s, &error);
    if (verdict != WEFT_VERDICT_MEMBER) {
        end(a, WEFT_ANCHOR_DENIED, "it is no gateway of this mesh: %s", weft_verdict_text(verdict));
    } else if (error < 0) {
        end(a, WEFT_ANCHOR_LOST, "%s.", weft_error_text(error));
    } else if (weft_known_who(options->known, membership, &a->key, now_s) != WEFT_GATEWAY) {
        end(a, WEFT_ANCHOR_DENIED, "it is a node of this mesh, and no gateway.");
    }
    return a->stage != STAGE_ENDED;
}

static void on_greeted(void *self, int status, struct weft_slice answer)
{
    struct attachment *a = self;
    if (status == 200) {
        if (meet(a, answer) && a->stage == STAGE_GREETING) {
            turn_round(a);
        }
    } else if (status == 403) {
        end(a, WEFT_ANCHOR_DENIED,
            "it does not take this node's certificate: it has expired there, or this node was put out. `weft leave`, "
            "then join with another invite.");
    } else if (status == 409) {
        end(a, WEFT_ANCHOR_DENIED,
            "it and this node speak no common version of the mesh's protocol, or it is in no mesh.");
    } else if (status == 503 || status == 429) {
        end(a, WEFT_ANCHOR_BUSY, "it has no room for this node.");
    } else if (status > 0) {
        end(a, WEFT_ANCHOR_DENIED, "it answers as no gateway does (%d).", status);
    } else {
        end(a, WEFT_ANCHOR_LOST, "%s.", weft_error_text(status));
    }
}

static void greet(struct attachment *a)
{
    const struct weft_attaching_options *options = &a->attaching->options;
    const struct weft_certificate *own = weft_mesh_state_certificate(options->state);
    uint8_t record[WEFT_HELLO_MAX];
    if (!own) {
        end(a, WEFT_ANCHOR_LOST, "this node has left its mesh.");
        return;
    }
    const struct weft_hello hello = {.key = own->subject,
                                     .least = WEFT_PROTOCOL_LEAST,
                                     .most = WEFT_PROTOCOL_MOST,
                                     .chain = weft_mesh_state_chain(options->state),
                                     .version = weft_slice_text(options->version)};
    int64_t size = weft_hello_write(&hello, record);
    int error = size < 0 ? (int)size
                         : weft_posting_start(&a->hello, options->loop, a->ask, WEFT_SLICE(WEFT_HELLO_PATH),
                                              weft_slice(record, (size_t)size), on_greeted, a);
    a->shown = own->serial;
    if (error < 0) {
        end(a, WEFT_ANCHOR_LOST, "it cannot be asked: %s.", weft_error_text(error));
    }
}

/* Gateways to whom this node is attached must know its certificate of today, and it theirs. */
static void greet_again(struct weft_attaching *attaching)
{
    const struct weft_certificate *own = weft_mesh_state_certificate(attaching->options.state);
    for (struct attachment *a = attaching->first; own && a; a = a->next) {
        if (a->told && a->shown != own->serial && !a->hello.exchange) {
            greet(a);
        }
    }
}

/* -- what the links tell -- */

void weft_attaching_opened(struct weft_attaching *attaching, struct weft_link *link)
{
    for (struct attachment *a = attaching->first; a; a = a->next) {
        if (a->ask == link && a->stage == STAGE_DIALLING) {
            a->stage = STAGE_GREETING;
            greet(a);
            return;
        }
        if (a->serve == link && a->stage == STAGE_TURNING) {
            a->stage = STAGE_READY;
            look_soon(attaching);
            return;
        }
    }
}

static void end_by_link(struct attachment *a, bool asked, int why, const char *more)
{
    bool denied = why == WEFT_ERR_DENIED || why == WEFT_ERR_CRYPTO || why == WEFT_ERR_UNSUPPORTED;
    const char *phrase = more ? more : why < 0 ? weft_error_text(why) : "it has closed the link";
    if (asked && a->stage == STAGE_DIALLING && !denied && ++a->at < a->count) {
        a->stage = STAGE_LOOKING; /* the name has another address */
        look_soon(a->attaching);
    } else if (a->stage == STAGE_DIALLING) {
        end(a, denied ? WEFT_ANCHOR_DENIED : WEFT_ANCHOR_LOST, "it cannot be reached: %s.", phrase);
    } else {
        end(a, WEFT_ANCHOR_LOST, "%s.", phrase);
    }
}

void weft_attaching_closed(struct weft_attaching *attaching, const struct weft_link *link, int why, const char *phrase)
{
    for (struct attachment *a = attaching->first; a; a = a->next) {
        if (a->ask == link || a->serve == link) {
            bool asked = a->ask == link;
            a->ask = asked ? NULL : a->ask;
            a->serve = asked ? a->serve : NULL;
            end_by_link(a, asked, why, phrase);
            return;
        }
    }
}

/* -- what is next -- */

static struct attachment *find(const struct weft_attaching *attaching, int link)
{
    struct attachment *a = attaching->first;
    while (a && a->link != link) {
        a = a->next;
    }
    return a;
}

static void do_step(struct weft_attaching *attaching, const struct weft_anchor_step *step)
{
    struct attachment *a = step->kind == WEFT_ANCHOR_DIAL ? NULL : find(attaching, step->link);
    switch (step->kind) {
    case WEFT_ANCHOR_DIAL:
        begin(attaching, step);
        break;
    case WEFT_ANCHOR_PING: /* node/link asks it already, and ends it if it is silent */
        weft_anchor_heard(attaching->anchor, step->link, now_of(attaching));
        break;
    case WEFT_ANCHOR_DROP:
        WEFT_ASSERT(a);
        if (step->reason == WEFT_ANCHOR_TOO_SLOW) {
            (void)snprintf(attaching->problem, sizeof(attaching->problem), "%s: it did not answer in time.",
                           a->address); /* fits */
        }
        let_go(a, step->reason == WEFT_ANCHOR_FORGOTTEN ? "its peer is no gateway any more" : NULL);
        break;
    }
}

/* What has happened to attachments since the last look. */
static void take_news(struct weft_attaching *attaching)
{
    weft_time now = now_of(attaching);
    for (struct attachment *next, *a = attaching->first; a; a = next) {
        next = a->next;
        if (a->stage == STAGE_ENDED && a->link != NOWHERE) {
            weft_anchor_ended(attaching->anchor, a->link, a->end, now);
            let_go(a, NULL);
        } else if (a->stage == STAGE_READY) {
            a->stage = STAGE_ATTACHED;
            a->took = now - a->since;
            a->since = now;
            weft_anchor_attached(attaching->anchor, a->link, &a->key, now);
        } else if (a->stage == STAGE_LOOKING && !a->resolves) {
            dial_next(a);
        }
    }
}

/* Those that mesh/anchor did not drop at once. */
static void tell_attached(struct weft_attaching *attaching)
{
    for (struct attachment *next, *a = attaching->first; a; a = next) {
        next = a->next;
        if (a->stage == STAGE_ATTACHED && !a->told) {
            a->told = true;
            attaching->problem[0] = '\0';
            weft_gateway_book_add(&attaching->book, &a->key, weft_slice_text(a->address));
            note(attaching, a, "gateway attached", NULL);
            attaching->options.user->attached(attaching->options.self, &a->key, a->ask);
        }
    }
}

/* A turn's clock stands still while the machine sleeps; the wall clock does not. */
static void look_at_clocks(struct weft_attaching *attaching)
{
    struct weft_host *host = attaching->options.loop->host;
    int64_t wall = host->ops->wall(host), before = attaching->seen_wall;
    weft_time now = now_of(attaching), gone = now - attaching->seen;
    attaching->seen = now;
    attaching->seen_wall = wall;
    if (wall - before - gone < WEFT_ATTACHING_SLEPT) {
        return;
    }
    for (struct attachment *a = attaching->first; a; a = a->next) {
        struct weft_link *links[] = {a->ask, a->serve};
        for (size_t i = 0; i < WEFT_COUNT(links); i++) {
            if (links[i]) {
                weft_link_doubt(links[i]);
            }
        }
    }
    weft_anchor_wake(attaching->anchor, now);
}

static void on_timer(struct weft_timer *timer)
{
    struct weft_attaching *attaching = WEFT_CONTAINER(timer, struct weft_attaching, timer);
    const struct weft_certificate *own = weft_mesh_state_certificate(attaching->options.state);
    struct weft_anchor_step step;
    bool gateway = own && own->role == WEFT_ROLE_GATEWAY;
    weft_anchor_want(attaching->anchor, gateway ? WEFT_ANCHOR_WANTED_MAX : WEFT_ANCHOR_WANTED);
    weft_links_allow(attaching->links, gateway ? WEFT_LINKS_DIALLED_GATEWAY_MAX : WEFT_LINKS_DIALLED_MAX);
    attaching->news = false;
    look_at_clocks(attaching);
    greet_again(attaching);
    take_news(attaching);
    while (weft_anchor_next(attaching->anchor, now_of(attaching), &step) == 1) {
        do_step(attaching, &step);
    }
    weft_time due = attaching->news ? now_of(attaching) : weft_anchor_deadline(attaching->anchor);
    weft_timer_set(&attaching->options.loop->timers, timer, due);
    tell_attached(attaching);
}

/* -- where gateways are -- */

static void learn(struct weft_attaching *attaching, const struct weft_gateway_entry *entry)
{
    const struct weft_certificate *own = weft_mesh_state_certificate(attaching->options.state);
    if (!attaching->anchor || (own && weft_key_equal(&own->subject, &entry->gateway))) {
        return;
    }
    for (size_t i = 0; i < entry->count; i++) {
        if (weft_anchor_learn(attaching->anchor, weft_slice_text(entry->addresses[i]),
                              entry->named ? NULL : &entry->gateway, entry->named, now_of(attaching)) < 0) {
            break; /* no place: those that are there fail less */
        }
    }
    look_soon(attaching);
}

static void on_found(void *self, const struct weft_gateway_entry *entry)
{
    learn(self, entry);
}

static void put(struct weft_attaching *attaching, struct weft_gateway_entry *entry, const struct weft_slice *addresses,
                size_t count)
{
    for (size_t i = 0; i < count; i++) {
        (void)weft_gateway_entry_add(entry, addresses[i]); /* what is none, or one too many, is left out */
    }
    if (weft_gateway_book_put(&attaching->book, entry)) {
        learn(attaching, entry);
    }
}

void weft_attaching_name(struct weft_attaching *attaching, const struct weft_key *mesh, const struct weft_key *issuer,
                         const struct weft_slice *addresses, size_t count)
{
    struct weft_gateway_entry entry = {.gateway = *issuer, .mesh = *mesh, .named = true};
    put(attaching, &entry, addresses, count);
}

void weft_attaching_learn(struct weft_attaching *attaching, const struct weft_key *gateway,
                          const struct weft_slice *addresses, size_t count)
{
    const struct weft_certificate *own = weft_mesh_state_certificate(attaching->options.state);
    if (own && !weft_key_equal(&own->subject, gateway)) {
        struct weft_gateway_entry entry = {.gateway = *gateway, .mesh = own->mesh};
        put(attaching, &entry, addresses, count);
    }
}

void weft_attaching_forget(struct weft_attaching *attaching, const struct weft_key *gateway)
{
    weft_gateway_book_remove(&attaching->book, gateway);
    if (attaching->anchor) {
        weft_anchor_forget(attaching->anchor, gateway, now_of(attaching));
        look_soon(attaching);
    }
}

/* -- to look at -- */

bool weft_attaching_at(const struct weft_attaching *attaching, size_t index, struct weft_attaching_gateway *out)
{
    for (const struct attachment *a = attaching->first; a; a = a->next) {
        if (a->told && index-- == 0) {
            *out = (struct weft_attaching_gateway){
                .key = &a->key, .address = a->address, .since = a->since, .ask = a->ask};
            return true;
        }
    }
    return false;
}

const char *weft_attaching_problem(const struct weft_attaching *attaching)
{
    return attaching->problem;
}

/* -- its life -- */

int weft_attaching_start(struct weft_attaching *attaching, struct weft_links *links)
{
    const struct weft_certificate *own = weft_mesh_state_certificate(attaching->options.state);
    struct weft_host *host = attaching->options.loop->host;
    uint64_t seed;
    if (attaching->anchor || !own) {
        return 0;
    }
    host->ops->entropy(host, &seed, sizeof(seed));
    int error = weft_anchor_new(&attaching->anchor, seed, now_of(attaching));
    if (error < 0) {
        return error;
    }
    attaching->links = links;
    attaching->seen = now_of(attaching);
    attaching->seen_wall = host->ops->wall(host);
    weft_gateway_book_read(&attaching->book, &own->mesh);
    look_soon(attaching);
    return 0;
}

void weft_attaching_stop(struct weft_attaching *attaching)
{
    weft_timer_clear(&attaching->options.loop->timers, &attaching->timer);
    for (struct attachment *next, *a = attaching->first; a; a = next) {
        next = a->next;
        a->told = false;
        let_go(a, NULL);
    }
    weft_anchor_free(attaching->anchor);
    attaching->anchor = NULL;
    attaching->problem[0] = '\0';
}

void weft_attaching_leave(struct weft_attaching *attaching)
{
    weft_attaching_stop(attaching);
    weft_gateway_book_read(&attaching->book, NULL);
}

int weft_attaching_new(struct weft_attaching **out, const struct weft_attaching_options *options)
{
    struct weft_attaching *attaching = *out = weft_zalloc(sizeof(*attaching));
    if (!attaching) {
        return WEFT_ERR_MEMORY;
    }
    attaching->options = *options;
    weft_timer_init(&attaching->timer, on_timer);
    weft_gateway_book_init(&attaching->book, options->loop->host, options->journal, on_found, attaching);
    int error = weft_timers_reserve(&options->loop->timers);
    if (error < 0) {
        weft_free(attaching);
        *out = NULL;
    }
    return error;
}

void weft_attaching_free(struct weft_attaching *attaching)
{
    if (!attaching) {
        return;
    }
    while (attaching->first) {
        weft_posting_stop(&attaching->first->hello);
        free_attachment(attaching->first); /* nothing is looked up any more, and links are nobody's */
    }
    weft_timer_clear(&attaching->options.loop->timers, &attaching->timer);
    weft_timers_release(&attaching->options.loop->timers);
    weft_anchor_free(attaching->anchor);
    weft_free(attaching);
}
