/* node/connection.c - one connection: a socket, a filter if there is any, and the HTTP carrier on top. */
#include "node/connection.h"

#include "base/assert.h"
#include "base/error.h"
#include "base/mem.h"
#include "http/limits.h"

#define VIEWS_MAX 16 /* pieces in one write */

/* RFC 9113 3.4: what an HTTP/2 client says first. On a plain socket it decides the protocol. */
static const char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
#define PREFACE_SIZE (sizeof(preface) - 1)

struct weft_connection {
    struct weft_connection_links links;
    struct weft_connection_options options;
    struct weft_socket *socket;
    struct weft_filter *filter;
    struct weft_carrier *carrier; /* NULL until the protocol is known */
    struct weft_bytes plain;      /* from the carrier, not yet sealed or written */
    struct weft_task flush;
    struct weft_timer timer;
    struct weft_key peer;      /* of a link */
    struct weft_liveness life; /* of a link's peer */
    weft_time pinged;          /* it was asked for a sign of life last */
    weft_time since;           /* it was made or told to drain then, or the socket has taken nothing since (blocked) */
    const char *phrase;        /* why it failed, if there is more to say than `failed` */
    int failed;                /* WEFT_ERR_*: nothing more can be sent */
    uint8_t preface_seen;      /* bytes of the preface that came, while nothing else did */
    bool accepted;
    bool serves; /* the peer asks */
    bool link;   /* its peer is a node, and `peer` its key */
    bool opened; /* the socket is connected */
    bool reading;
    bool ended; /* the peer sends no more */
    bool draining;
    bool blocked; /* the socket takes nothing for now */
    bool shut;    /* close_notify is in the output */
    bool h2;      /* what the carrier speaks */
};

static void touch(struct weft_connection *c)
{
    weft_turn_add_flush(&c->options.loop->turn, &c->flush);
}

static void fail(struct weft_connection *c, int why, const char *phrase)
{
    if (!c->failed) {
        c->failed = why;
        c->phrase = phrase;
    }
    touch(c);
}

/* -- the carrier's owner -- */

static void on_request(void *self, struct weft_exchange *exchange)
{
    struct weft_connection *c = self;
    c->options.user->request(c->options.self, c, exchange);
}

static void on_refused(void *self, int status, const char *why)
{
    struct weft_connection *c = self;
    if (c->options.user->refused) { /* a dialled one has nobody to tell: its askers hear it */
        c->options.user->refused(c->options.self, status, why);
    }
}

static void on_touched(void *self)
{
    touch(self);
}

static void start_carrier(struct weft_connection *c, bool h2)
{
    const struct weft_carrier_options options = {
        .turn = &c->options.loop->turn,
        .owner = {.self = c, .request = on_request, .refused = on_refused, .touched = on_touched},
        .scheme = c->options.filters ? WEFT_SLICE("https") : WEFT_SLICE("http"),
        .body_max = c->options.body_max,
        .trusted = c->options.trusted,
    };
    int error;
    c->h2 = h2;
    if (c->serves) {
        error = h2 ? weft_h2_server_new(&c->carrier, &options) : weft_h1_server_new(&c->carrier, &options);
    } else {
        error = h2 ? weft_h2_client_new(&c->carrier, &options) : weft_h1_client_new(&c->carrier, &options);
    }
    if (error < 0) {
        fail(c, error, NULL);
    } else if (c->draining) {
        weft_carrier_drain(c->carrier);
    }
    touch(c);
}

/* -- links -- */

/* They have agreed on a link, and each has shown that it holds its key. */
static void start_link(struct weft_connection *c, bool reverse)
{
    const struct weft_connection_user *user = c->options.user;
    const uint8_t *key = c->filter->ops->peer_key(c->filter);
    if (!key || !user->met) {
        fail(c, WEFT_ERR_UNSUPPORTED, "links are not wanted here");
        return;
    }
    memcpy(c->peer.bytes, key, sizeof(c->peer.bytes));
    c->link = true;
    c->serves = c->accepted != reverse;
    c->pinged = c->options.loop->turn.now;
    weft_liveness_heard(&c->life, c->pinged);
    int verdict = user->met(c->options.self, c);
    if (verdict < 0) {
        fail(c, verdict, "the link is not wanted");
        return;
    }
    c->options.trusted = verdict > 0;
    start_carrier(c, true);
}

/* The filter is open: what was agreed there says how it goes on. */
static void start_agreed(struct weft_connection *c)
{
    struct weft_slice agreed = c->filter->ops->alpn(c->filter);
    bool reverse = weft_slice_equal(agreed, WEFT_SLICE(WEFT_ALPN_REVERSE));
    if (reverse || weft_slice_equal(agreed, WEFT_SLICE(WEFT_ALPN_LINK))) {
        start_link(c, reverse);
    } else if (c->options.link) {
        fail(c, WEFT_ERR_UNSUPPORTED, "the peer speaks no links");
    } else {
        start_carrier(c, weft_slice_equal(agreed, WEFT_SLICE("h2")));
    }
}

/* When a link is next looked after. Nothing can be heard while we do not read. */
static weft_time link_deadline(const struct weft_connection *c)
{
    weft_time ping = c->pinged + WEFT_LIVENESS_QUIET;
    return c->reading && c->life.next < ping ? c->life.next : ping;
}

/* Each side asks now and then, not only one that has heard nothing: so a peer that is alive is heard of, however much
 * of ours is on its way to it and keeps our question waiting. */
static void look_after_link(struct weft_connection *c)
{
    weft_time now = c->options.loop->turn.now;
    bool ask = c->pinged + WEFT_LIVENESS_QUIET <= now;
    if (c->reading && c->life.next <= now) {
        enum weft_liveness_verdict verdict = weft_liveness_look(&c->life, now);
        if (verdict == WEFT_LIVENESS_GONE) {
            fail(c, WEFT_ERR_TIMEOUT, "the link is silent");
            return;
        }
        ask = ask || verdict == WEFT_LIVENESS_PING;
    }
    if (ask) {
        c->pinged = now;
        weft_carrier_ping(c->carrier);
    }
}

/* -- bytes in -- */

/* The first bytes on a plain socket say which protocol it is. Those that could be either are counted, not kept: they
 * are known. */
static void sniff(struct weft_connection *c, const char *data, size_t size)
{
    size_t seen = c->preface_seen, i = 0;
    while (seen < PREFACE_SIZE && i < size && data[i] == preface[seen]) {
        seen++;
        i++;
    }
    c->preface_seen = (uint8_t)seen;
    if (seen < PREFACE_SIZE && i == size) {
        return;
    }
    start_carrier(c, seen == PREFACE_SIZE);
    if (c->carrier) {
        size_t earlier = seen - i;
        if (earlier > 0) {
            weft_carrier_receive(c->carrier, preface, earlier);
        }
        weft_carrier_receive(c->carrier, data, size);
    }
}

static void receive_plain(struct weft_connection *c, const char *data, size_t size)
{
    if (!c->carrier) {
        sniff(c, data, size);
    } else {
        weft_carrier_receive(c->carrier, data, size);
    }
}

static void receive_sealed(struct weft_connection *c, const char *data, size_t size)
{
    struct weft_bytes plain = {0};
    int error = c->filter->ops->receive(c->filter, data, size, &plain);
    enum weft_filter_state state = c->filter->state;
    if (!c->carrier && state == WEFT_FILTER_OPEN) {
        start_agreed(c);
    }
    while (c->carrier && plain.size > 0) {
        struct weft_slice front = weft_bytes_front(&plain);
        weft_carrier_receive(c->carrier, front.data, front.size);
        weft_bytes_drop(&plain, front.size);
    }
    weft_bytes_deinit(&plain);
    if (error < 0) {
        fail(c, error, c->filter->ops->why(c->filter));
    } else if (state == WEFT_FILTER_ENDED && c->carrier) {
        weft_carrier_hangup(c->carrier);
    }
}

static void set_reading(struct weft_connection *c)
{
    bool wants = c->opened && !c->ended && (!c->carrier || weft_carrier_wants_input(c->carrier));
    if (wants != c->reading) {
        c->reading = wants;
        weft_liveness_heard(&c->life, c->options.loop->turn.now); /* nobody is silent while we do not listen */
        c->options.loop->host->ops->read(c->socket, wants);
    }
}

static void on_received(void *self, const char *data, size_t size)
{
    struct weft_connection *c = self;
    if (c->failed) {
        return;
    }
    weft_liveness_heard(&c->life, c->options.loop->turn.now);
    if (c->filter) {
        receive_sealed(c, data, size);
    } else {
        receive_plain(c, data, size);
    }
    set_reading(c); /* now: the socket may have many more pieces ready before the flush comes */
    touch(c);
}

static void on_ended(void *self, int status)
{
    struct weft_connection *c = self;
    c->ended = true;
    if (status < 0) {
        fail(c, status, NULL);
    } else if (!c->carrier || (c->filter && c->filter->state != WEFT_FILTER_ENDED)) {
        /* It went before it said anything, or without the close_notify that tells an end from a cut (RFC 8446 6.1). */
        fail(c, WEFT_ERR_CLOSED, NULL);
    } else {
        weft_carrier_hangup(c->carrier);
    }
    touch(c);
}

/* -- bytes out -- */

static void write_out(struct weft_connection *c, struct weft_bytes *out)
{
    struct weft_slice views[VIEWS_MAX];
    size_t count = weft_bytes_peek(out, views, VIEWS_MAX), offered = 0;
    for (size_t i = 0; i < count; i++) {
        offered += views[i].size;
    }
    int64_t taken = c->options.loop->host->ops->write(c->socket, views, count);
    if (taken < 0) {
        fail(c, (int)taken, NULL);
        return;
    }
    weft_bytes_drop(out, (size_t)taken);
    if ((size_t)taken < offered) {
        c->blocked = true;
        c->since = c->options.loop->turn.now;
    }
}

static struct weft_bytes *output(struct weft_connection *c)
{
    return c->filter ? &c->filter->output : &c->plain;
}

static bool all_said(const struct weft_connection *c)
{
    return c->carrier && weft_carrier_done(c->carrier) && c->plain.size == 0;
}

static void push(struct weft_connection *c)
{
    while (c->opened && !c->blocked) {
        if (!c->failed && c->carrier && c->plain.size < WEFT_HTTP_OUTPUT_HIGH) {
            weft_carrier_fill(c->carrier, &c->plain);
        }
        if (c->filter && !c->failed) {
            int error = c->filter->ops->send(c->filter, &c->plain);
            if (error < 0) {
                fail(c, error, c->filter->ops->why(c->filter));
            } else if (all_said(c) && !c->shut) {
                c->shut = true;
                c->filter->ops->shut(c->filter);
            }
        }
        /* After a failure of TLS its alert is still sent; after any other there is nothing to send to. */
        if (output(c)->size == 0 || (c->failed && !(c->filter && c->failed == WEFT_ERR_CRYPTO))) {
            return;
        }
        write_out(c, output(c));
    }
}

static void on_writable(void *self)
{
    struct weft_connection *c = self;
    c->blocked = false;
    touch(c);
}

static void on_opened(void *self, int status)
{
    struct weft_connection *c = self;
    if (status < 0) {
        fail(c, status, NULL);
        return;
    }
    c->opened = true;
    if (!c->filter) {
        start_carrier(c, c->options.h2);
    }
    touch(c);
}

static const struct weft_socket_user socket_user = {
    .opened = on_opened,
    .received = on_received,
    .writable = on_writable,
    .ended = on_ended,
};

/* -- its end, and its deadlines -- */

static weft_time own_deadline(const struct weft_connection *c)
{
    weft_time first_words = c->draining       ? WEFT_HTTP_DRAIN_GRACE
                            : c->options.link ? WEFT_LIVENESS_DEAD
                                              : WEFT_HTTP_HEADER_TIMEOUT;
    weft_time at = c->carrier ? weft_carrier_deadline(c->carrier) : c->since + first_words;
    if (c->blocked && c->since + WEFT_HTTP_IDLE_TIMEOUT < at) {
        at = c->since + WEFT_HTTP_IDLE_TIMEOUT;
    }
    return at;
}

static weft_time deadline(const struct weft_connection *c)
{
    weft_time at = own_deadline(c), link = c->link && c->carrier ? link_deadline(c) : WEFT_NEVER;
    return link < at ? link : at;
}

static void on_timer(struct weft_timer *timer)
{
    struct weft_connection *c = WEFT_CONTAINER(timer, struct weft_connection, timer);
    weft_time now = c->options.loop->turn.now;
    if (c->link && c->carrier) {
        look_after_link(c);
    }
    if (own_deadline(c) <= now) {
        if (c->carrier && weft_carrier_deadline(c->carrier) <= now) {
            weft_carrier_expire(c->carrier);
        } else {
            c->failed = 0; /* an alert that nobody takes is waited for no longer */
            fail(c, WEFT_ERR_TIMEOUT, NULL);
        }
    }
    touch(c);
}

static void set_timer(struct weft_connection *c)
{
    /* A deadline that moved further away is left where it was: the timer fires early once, and looks again. */
    weft_time at = deadline(c);
    if (at < c->timer.at) {
        weft_timer_set(&c->options.loop->timers, &c->timer, at);
    }
}

static void filter_free(struct weft_filter *filter)
{
    if (filter) {
        filter->ops->free(filter);
    }
}

static void destroy(struct weft_connection *c)
{
    weft_task_remove(&c->flush);
    weft_timer_clear(&c->options.loop->timers, &c->timer);
    weft_timers_release(&c->options.loop->timers);
    weft_carrier_free(c->carrier);
    weft_task_remove(&c->flush); /* what the carrier aborted may have touched us */
    filter_free(c->filter);
    weft_bytes_deinit(&c->plain);
    c->options.loop->host->ops->close(c->socket, c->failed != 0 && c->failed != WEFT_ERR_CRYPTO);
    weft_free(c);
}

static void on_flush(struct weft_task *task)
{
    struct weft_connection *c = WEFT_CONTAINER(task, struct weft_connection, flush);
    push(c);
    if (!c->serves && c->blocked && c->carrier && weft_carrier_done(c->carrier)) {
        fail(c, WEFT_ERR_CANCELLED, NULL); /* the rest of a request whose answer is here already: nobody wants it */
    }
    bool over = c->failed ? !(c->failed == WEFT_ERR_CRYPTO && c->blocked) : all_said(c) && output(c)->size == 0;
    if (over) {
        c->options.user->closed(c->options.self, c, c->failed, c->phrase);
        destroy(c);
        return;
    }
    set_reading(c);
    set_timer(c);
    if (!c->serves && c->options.user->usable && c->carrier && weft_carrier_can_ask(c->carrier)) {
        c->options.user->usable(c->options.self, c);
    }
}

/* -- its beginning -- */

static int connection_new(struct weft_connection **out, const struct weft_connection_options *options, bool accepted)
{
    struct weft_connection *c = *out = weft_zalloc(sizeof(*c));
    if (!c) {
        return WEFT_ERR_MEMORY;
    }
    c->options = *options;
    c->accepted = c->serves = accepted;
    c->since = options->loop->turn.now;
    weft_task_init(&c->flush, on_flush);
    weft_timer_init(&c->timer, on_timer);
    int error = weft_timers_reserve(&options->loop->timers);
    if (error < 0) {
        goto free_connection;
    }
    if (options->filters) {
        const struct weft_filters_ops *ops = options->filters->ops;
        error = accepted ? ops->accept(options->filters, &c->filter)
                         : ops->connect(options->filters, &c->filter, options->name,
                                        options->key ? options->key->bytes : NULL);
        if (error < 0) {
            goto release_timer;
        }
    }
    return 0;

release_timer:
    weft_timers_release(&options->loop->timers);
free_connection:
    weft_free(c);
    *out = NULL;
    return error;
}

static int take(struct weft_connection **out, const struct weft_connection_options *options, bool accepted,
                struct weft_socket *socket)
{
    const struct weft_host_ops *host = options->loop->host->ops;
    int error = connection_new(out, options, accepted);
    if (error < 0) {
        host->close(socket, true);
        return error;
    }
    struct weft_connection *c = *out;
    c->socket = socket;
    c->opened = true;
    host->attach(socket, &socket_user, c);
    touch(c);
    return 0;
}

int weft_connection_accept(struct weft_connection **out, const struct weft_connection_options *options,
                           struct weft_socket *socket)
{
    return take(out, options, true, socket);
}

int weft_connection_adopt(struct weft_connection **out, const struct weft_connection_options *options,
                          struct weft_socket *socket)
{
    int error = take(out, options, false, socket);
    if (error == 0 && !options->filters) {
        start_carrier(*out, options->h2);
    }
    return error;
}

int weft_connection_dial(struct weft_connection **out, const struct weft_connection_options *options,
                         const struct weft_address *address)
{
    int error = connection_new(out, options, false);
    if (error < 0) {
        return error;
    }
    struct weft_connection *c = *out;
    error = options->loop->host->ops->dial(options->loop->host, address, &socket_user, c, &c->socket);
    if (error < 0) {
        weft_timers_release(&options->loop->timers);
        filter_free(c->filter);
        weft_free(c);
        *out = NULL;
        return error;
    }
    touch(c); /* sets the timer: a dial must not last forever */
    return 0;
}

void weft_connection_free(struct weft_connection *connection)
{
    if (!connection) {
        return;
    }
    if (!connection->failed) {
        connection->failed = WEFT_ERR_CLOSED;
    }
    destroy(connection);
}

void weft_connection_cut(struct weft_connection *connection, int why, const char *phrase)
{
    fail(connection, why, phrase);
}

void weft_connection_drain(struct weft_connection *connection)
{
    connection->draining = true;
    if (connection->carrier) {
        weft_carrier_drain(connection->carrier);
    } else if (connection->accepted) {
        connection->since = connection->options.loop->turn.now; /* it may be about to say something */
    } else {
        fail(connection, WEFT_ERR_CLOSED, NULL);
    }
    touch(connection);
}

bool weft_connection_local(const struct weft_connection *connection)
{
    return connection->options.local;
}

const struct weft_key *weft_connection_key(const struct weft_connection *connection)
{
    return connection->link ? &connection->peer : NULL;
}

int weft_connection_binding(const struct weft_connection *connection, uint8_t out[WEFT_FILTER_BINDING_SIZE])
{
    WEFT_ASSERT(connection->link);
    return connection->filter->ops->binding(connection->filter, out);
}

bool weft_connection_asks(const struct weft_connection *connection)
{
    return !connection->serves;
}

void weft_connection_doubt(struct weft_connection *connection)
{
    if (connection->link && connection->carrier) {
        weft_liveness_doubt(&connection->life, connection->options.loop->turn.now);
        touch(connection);
    }
}

void weft_connection_trust(struct weft_connection *connection)
{
    if (connection->carrier && !connection->options.trusted) {
        connection->options.trusted = true;
        weft_carrier_trust(connection->carrier);
    }
}

struct weft_carrier *weft_connection_carrier(struct weft_connection *connection)
{
    return connection->carrier;
}

bool weft_connection_h2(const struct weft_connection *connection)
{
    return connection->h2;
}

struct weft_connection_links *weft_connection_links(struct weft_connection *connection)
{
    return &connection->links;
}
