/* node/link.c - a node's links to other nodes. */
#include "node/link.h"

#include "base/assert.h"
#include "base/error.h"
#include "base/mem.h"
#include "mesh/by_key.h"

struct weft_link {
    struct weft_links *links;
    struct weft_link *next, *previous;
    struct weft_connection *connection;
    struct weft_keyed keyed;    /* the key is not set: not known, and in no table */
    char id[WEFT_PEER_ID_SIZE]; /* the key as text: what requests on it name as their authority */
    uint64_t number;
    weft_time since;
    bool dialled, serves, opened;
    bool stranger; /* accepted, and nobody has been seen to be somebody there */
};

struct weft_links {
    struct weft_links_options options;
    struct weft_link *first;   /* the youngest */
    struct weft_by_key by_key; /* those whose key is known: a gateway has tens of thousands, and asks for one often */
    size_t strangers;
    size_t count, dialled, dialled_max;
    struct weft_timer unknown; /* some link's time as one of nobody's is over */
};

static weft_time now_of(const struct weft_links *links)
{
    return links->options.loop->turn.now;
}

static enum weft_principal who(const struct weft_links *links, const struct weft_key *key)
{
    const struct weft_links_user *user = links->options.user;
    enum weft_principal principal =
        user->who && weft_key_set(key) ? user->who(links->options.self, key) : WEFT_ANONYMOUS;
    WEFT_ASSERT(principal >= WEFT_MEMBER); /* a link is never its owner's, nor does it stand for the API key */
    return principal;
}

/* -- those of nobody -- */

static void set_stranger(struct weft_link *link, bool stranger)
{
    link->links->strangers += stranger;
    link->links->strangers -= link->stranger;
    link->stranger = stranger;
}

/* Who was nobody when it came may have shown since who it is; asked only of those, for to judge a chain takes time. */
static bool is_stranger(struct weft_link *link)
{
    if (link->stranger && who(link->links, &link->keyed.key) != WEFT_ANONYMOUS) {
        set_stranger(link, false);
    }
    return link->stranger;
}

/* Nobody asks there but us, so no idle time ends it; and why should we ask someone whom we do not know? */
static bool is_unknown(struct weft_link *link)
{
    return link->opened && !link->dialled && weft_link_asks(link) && is_stranger(link);
}

static void on_unknown(struct weft_timer *timer)
{
    struct weft_links *links = WEFT_CONTAINER(timer, struct weft_links, unknown);
    weft_time next = WEFT_NEVER;
    for (struct weft_link *link = links->first; link; link = link->next) {
        weft_time at = link->since + WEFT_LINK_UNKNOWN_TIME;
        if (!is_unknown(link)) {
            continue;
        }
        if (at <= now_of(links)) {
            weft_link_close(link); /* it closes in the flush, not here */
        } else if (at < next) {
            next = at;
        }
    }
    if (next != WEFT_NEVER) {
        weft_timer_set(&links->options.loop->timers, timer, next);
    }
}

/* -- what a connection tells -- */

static void set_opened(struct weft_link *link)
{
    struct weft_links *links = link->links;
    link->opened = true;
    if (is_unknown(link) && links->unknown.at == WEFT_NEVER) {
        weft_timer_set(&links->options.loop->timers, &links->unknown, link->since + WEFT_LINK_UNKNOWN_TIME);
    }
    if (links->options.user->opened) {
        links->options.user->opened(links->options.self, link);
    }
}

static size_t accepted_of(const struct weft_links *links, const struct weft_key *key)
{
    size_t count = 0;
    for (const struct weft_link *link = weft_links_of(links, key); link; link = weft_link_next_of(link)) {
        count += !link->dialled;
    }
    return count;
}

static int on_met(void *self, struct weft_connection *connection)
{
    struct weft_link *link = self;
    struct weft_links *links = link->links;
    const struct weft_key *key = weft_connection_key(connection);
    if (weft_key_equal(key, &links->options.key)) {
        return WEFT_ERR_DENIED;
    }
    if (!link->dialled && accepted_of(links, key) >= WEFT_LINKS_OF_KEY_MAX) {
        return WEFT_ERR_FULL;
    }
    if (!weft_key_set(&link->keyed.key)) {
        link->keyed.key = *key;
        weft_by_key_put(&links->by_key, &link->keyed);
        weft_key_text(key, link->id);
    }
    link->serves = !weft_connection_asks(connection);
    if (link->serves) {
        set_opened(link);
    }
    bool known = who(links, key) != WEFT_ANONYMOUS;
    set_stranger(link, !link->dialled && !known);
    return known;
}

static void on_usable(void *self, struct weft_connection *connection)
{
    struct weft_link *link = self;
    (void)connection;
    if (!link->opened) {
        set_opened(link);
    }
}

static void on_request(void *self, struct weft_connection *connection, struct weft_exchange *exchange)
{
    struct weft_link *link = self;
    struct weft_links *links = link->links;
    struct weft_caller caller = {
        .connection = link->number, .mesh = true, .principal = who(links, &link->keyed.key), .key = link->keyed.key};
    int error = weft_connection_key(connection) ? weft_connection_binding(connection, caller.binding) : 0;
    if (error < 0) {
        weft_exchange_leave(exchange, WEFT_WORKER, error);
        return;
    }
    if (caller.principal != WEFT_ANONYMOUS) {
        set_stranger(link, false);
        weft_connection_trust(connection);
    }
    links->options.user->request(links->options.self, exchange, &caller);
}

static void on_refused(void *self, int status, const char *why)
{
    const struct weft_link *link = self;
    const struct weft_links_options *options = &link->links->options;
    options->user->refused(options->self, status, why);
}

static void unlink_link(struct weft_link *link)
{
    struct weft_links *links = link->links;
    if (link->previous) {
        link->previous->next = link->next;
    } else {
        links->first = link->next;
    }
    if (link->next) {
        link->next->previous = link->previous;
    }
    if (weft_key_set(&link->keyed.key)) {
        weft_by_key_remove(&links->by_key, &link->keyed);
    }
    links->count--;
    links->dialled -= link->dialled;
    set_stranger(link, false);
}

static void on_closed(void *self, struct weft_connection *connection, int why, const char *phrase)
{
    struct weft_link *link = self;
    const struct weft_links_options *options = &link->links->options;
    (void)connection;
    link->connection = NULL;
    if (options->user->closed) {
        options->user->closed(options->self, link, why, phrase);
    }
    unlink_link(link);
    weft_free(link);
    options->user->changed(options->self);
}

/* At once: whoever floods would keep others waiting while it takes its time. */
static void end_oldest_stranger(struct weft_links *links)
{
    struct weft_link *oldest = NULL;
    for (struct weft_link *link = links->first; link; link = link->next) {
        oldest = is_stranger(link) ? link : oldest;
    }
    if (oldest) { /* else they all have become known */
        struct weft_connection *connection = oldest->connection;
        weft_connection_free(connection);
        on_closed(oldest, connection, WEFT_ERR_FULL, "so many who are nobody here came after it");
    }
}

static const struct weft_connection_user connection_user = {
    .met = on_met, .request = on_request, .refused = on_refused, .usable = on_usable, .closed = on_closed};

/* -- making them -- */

static struct weft_connection_options connection_options(struct weft_link *link, struct weft_filters *filters)
{
    return (struct weft_connection_options){.loop = link->links->options.loop,
                                            .user = &connection_user,
                                            .self = link,
                                            .filters = filters,
                                            .body_max = link->links->options.body_max};
}

static struct weft_link *link_new(struct weft_links *links)
{
    struct weft_link *link = weft_zalloc(sizeof(*link));
    if (link) {
        link->links = links;
        link->since = now_of(links);
    }
    return link;
}

static void add(struct weft_links *links, struct weft_link *link)
{
    link->number = ++links->options.metrics->connections_total;
    link->next = links->first;
    if (link->next) {
        link->next->previous = link;
    }
    links->first = link;
    if (weft_key_set(&link->keyed.key)) {
        weft_by_key_put(&links->by_key, &link->keyed);
    }
    links->count++;
    links->dialled += link->dialled;
    links->options.user->changed(links->options.self);
}

int weft_links_accept(struct weft_links *links, struct weft_socket *socket)
{
    struct weft_link *link = link_new(links);
    if (!link) {
        links->options.loop->host->ops->close(socket, true);
        return WEFT_ERR_MEMORY;
    }
    link->serves = true; /* as long as nothing else is agreed */
    const struct weft_connection_options options = connection_options(link, links->options.filters.accepted);
    int error = weft_connection_accept(&link->connection, &options, socket);
    if (error < 0) {
        weft_free(link);
        return error;
    }
    size_t max = links->options.strangers_max;
    if (links->strangers >= (max < WEFT_LINKS_STRANGERS_MAX ? max : WEFT_LINKS_STRANGERS_MAX)) {
        end_oldest_stranger(links);
    }
    set_stranger(link, true);
    add(links, link);
    return 0;
}

int weft_links_dial(struct weft_links *links, const struct weft_address *address, const struct weft_key *key,
                    bool serve, struct weft_link **out)
{
    *out = NULL;
    if (links->dialled >= links->dialled_max) {
        return WEFT_ERR_FULL;
    }
    struct weft_link *link = link_new(links);
    if (!link) {
        return WEFT_ERR_MEMORY;
    }
    link->dialled = true;
    link->serves = serve;
    if (key) {
        link->keyed.key = *key;
        weft_key_text(key, link->id);
    }
    struct weft_connection_options options =
        connection_options(link, serve ? links->options.filters.serving : links->options.filters.asking);
    options.link = true;
    options.key = key;
    int error = weft_connection_dial(&link->connection, &options, address);
    if (error < 0) {
        weft_free(link);
        return error;
    }
    add(links, link);
    *out = link;
    return 0;
}

int weft_links_new(struct weft_links **out, const struct weft_links_options *options)
{
    struct weft_links *links = *out = weft_zalloc(sizeof(*links));
    struct weft_host *host = options->loop->host;
    struct weft_siphash_key secret;
    if (!links) {
        return WEFT_ERR_MEMORY;
    }
    host->ops->entropy(host, &secret, sizeof(secret));
    weft_by_key_init(&links->by_key, &secret);
    links->options = *options;
    links->dialled_max = WEFT_LINKS_DIALLED_MAX;
    weft_timer_init(&links->unknown, on_unknown);
    int error = weft_timers_reserve(&options->loop->timers);
    if (error < 0) {
        weft_free(links);
        *out = NULL;
    }
    return error;
}

void weft_links_cut(struct weft_links *links)
{
    while (links->first) {
        struct weft_link *link = links->first;
        weft_connection_free(link->connection);
        unlink_link(link);
        weft_free(link);
    }
}

void weft_links_free(struct weft_links *links)
{
    if (!links) {
        return;
    }
    weft_links_cut(links);
    weft_timer_clear(&links->options.loop->timers, &links->unknown);
    weft_timers_release(&links->options.loop->timers);
    weft_by_key_deinit(&links->by_key);
    weft_free(links);
}

void weft_links_drain(struct weft_links *links)
{
    for (struct weft_link *link = links->first; link; link = link->next) {
        weft_link_close(link); /* it closes in the flush, not here */
    }
}

void weft_links_allow(struct weft_links *links, size_t dialled_max)
{
    links->dialled_max = dialled_max;
}

size_t weft_links_count(const struct weft_links *links)
{
    return links->count;
}

struct weft_link *weft_links_next(const struct weft_links *links, const struct weft_link *link)
{
    return link ? link->next : links->first;
}

static struct weft_link *link_of(struct weft_keyed *keyed)
{
    return keyed ? WEFT_CONTAINER(keyed, struct weft_link, keyed) : NULL;
}

struct weft_link *weft_links_of(const struct weft_links *links, const struct weft_key *key)
{
    return link_of(weft_by_key_first(&links->by_key, key));
}

struct weft_link *weft_link_next_of(const struct weft_link *link)
{
    return link_of(weft_by_key_next(&link->keyed));
}

static bool can_ask(const struct weft_link *link)
{
    bool may = link->connection && link->opened && !link->serves; /* no connection: `closed` is just being said */
    struct weft_carrier *carrier = may ? weft_connection_carrier(link->connection) : NULL;
    return carrier && weft_carrier_can_ask(carrier);
}

struct weft_link *weft_links_to(const struct weft_links *links, const struct weft_key *key)
{
    struct weft_link *link = weft_links_of(links, key);
    while (link && !can_ask(link)) {
        link = weft_link_next_of(link);
    }
    return link;
}

/* -- one of them -- */

int weft_link_ask(struct weft_link *link, struct weft_exchange *exchange)
{
    if (!can_ask(link)) {
        return WEFT_ERR_FULL;
    }
    exchange->request.authority = weft_arena_copy(&exchange->arena, weft_slice_text(link->id));
    if (!exchange->request.authority.data) {
        return WEFT_ERR_MEMORY;
    }
    return weft_carrier_ask(weft_connection_carrier(link->connection), exchange);
}

void weft_link_welcome(struct weft_link *link)
{
    if (link->connection && who(link->links, &link->keyed.key) != WEFT_ANONYMOUS) {
        set_stranger(link, false);
        weft_connection_trust(link->connection);
    }
}

void weft_link_doubt(struct weft_link *link)
{
    if (link->connection) {
        weft_connection_doubt(link->connection);
    }
}

void weft_link_close(struct weft_link *link)
{
    if (link->connection) {
        weft_connection_drain(link->connection);
    }
}

void weft_link_cut(struct weft_link *link, const char *phrase)
{
    if (link->connection) {
        weft_connection_cut(link->connection, WEFT_ERR_DENIED, phrase);
    }
}

const struct weft_key *weft_link_key(const struct weft_link *link)
{
    return weft_key_set(&link->keyed.key) ? &link->keyed.key : NULL;
}

int weft_link_binding(const struct weft_link *link, uint8_t out[WEFT_FILTER_BINDING_SIZE])
{
    return link->opened && link->connection ? weft_connection_binding(link->connection, out) : WEFT_ERR_CLOSED;
}

bool weft_link_asks(const struct weft_link *link)
{
    return !link->serves;
}

bool weft_link_dialled(const struct weft_link *link)
{
    return link->dialled;
}

bool weft_link_opened(const struct weft_link *link)
{
    return link->opened;
}

weft_time weft_link_since(const struct weft_link *link)
{
    return link->since;
}
