/* node/upstream.c - the other server that /v1/ is relayed to. */
#include "node/upstream.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/assert.h"
#include "base/error.h"
#include "base/mem.h"
#include "crypto/tls.h"
#include "node/connection.h"

/* An exchange does not know which version carried it; what is said is how it would be said in HTTP/1.1. The name is a
 * pseudonym: the machine's own is nobody's business. */
#define VIA      "1.1 weft-%016" PRIx64
#define VIA_SIZE (sizeof("1.1 weft-") + 16)

#define AUTHORITY_MAX (WEFT_URL_HOST_MAX + 10) /* brackets, a port and the NUL */

/* An exchange that waits for its line to open. Lives in the exchange's arena. */
struct waiter {
    struct waiter *next, *previous;
    struct line *line;
    struct weft_exchange *exchange;
};

/* One connection to the upstream, from the question where it is to its end. */
struct line {
    struct weft_upstream *upstream;
    struct line *next, *previous;               /* all lines */
    struct line *usable_next, *usable_previous; /* those that can take an exchange now */
    struct weft_connection *connection;         /* NULL while a name is looked up */
    struct waiter *waiters, *waiters_last;      /* in the order they came */
    size_t waiter_count;
    struct weft_address addresses[WEFT_UPSTREAM_ADDRESSES_MAX];
    size_t address_count, address_next;
    struct weft_timer idle;
    weft_time idle_since;
    bool busy;   /* it was asked something since it was last found idle */
    bool lost;   /* it waits to hear where the upstream is */
    bool ready;  /* it has been usable: nobody waits for it any more */
    bool usable; /* it is in that list */
};

struct weft_upstream {
    struct weft_loop *loop;
    struct weft_metrics *metrics;
    struct weft_tls_context *tls;
    enum weft_url_scheme scheme;
    char host[WEFT_URL_HOST_MAX + 1];
    char authority[AUTHORITY_MAX];
    char path[WEFT_URL_MAX];
    char via[VIA_SIZE];
    uint16_t port;
    size_t line_count, lines_max;
    struct line *lines, *usable;
    const char *why; /* what became of the last connection that failed; NULL once one opens */
    bool asking;     /* where it is: once for all lines that are lost, however many open at a time */
    bool h2;         /* its connections carry many exchanges: known from the URL, or from the last one that opened */
};

static void dial_next(struct line *line, int why);

/* -- lists -- */

static void set_usable(struct line *line, bool usable)
{
    struct weft_upstream *upstream = line->upstream;
    if (line->usable == usable) {
        return;
    }
    line->usable = usable;
    if (usable) {
        line->usable_previous = NULL;
        line->usable_next = upstream->usable;
        if (upstream->usable) {
            upstream->usable->usable_previous = line;
        }
        upstream->usable = line;
        return;
    }
    if (line->usable_previous) {
        line->usable_previous->usable_next = line->usable_next;
    } else {
        upstream->usable = line->usable_next;
    }
    if (line->usable_next) {
        line->usable_next->usable_previous = line->usable_previous;
    }
}

static void unlink_waiter(struct waiter *waiter)
{
    struct line *line = waiter->line;
    if (waiter->previous) {
        waiter->previous->next = waiter->next;
    } else {
        line->waiters = waiter->next;
    }
    if (waiter->next) {
        waiter->next->previous = waiter->previous;
    } else {
        line->waiters_last = waiter->previous;
    }
    line->waiter_count--;
}

/* -- waiting -- */

static void waiter_wake(void *self, struct weft_exchange *exchange)
{
    if (exchange->aborted[WEFT_ASKER]) {
        unlink_waiter(self);
        weft_exchange_leave(exchange, WEFT_WORKER, WEFT_ERR_CANCELLED);
    }
}

static int wait_for(struct line *line, struct weft_exchange *exchange)
{
    struct waiter *waiter = weft_arena_alloc(&exchange->arena, sizeof(*waiter));
    if (!waiter) {
        return WEFT_ERR_MEMORY;
    }
    *waiter = (struct waiter){.line = line, .exchange = exchange, .previous = line->waiters_last};
    if (line->waiters_last) {
        line->waiters_last->next = waiter;
    } else {
        line->waiters = waiter;
    }
    line->waiters_last = waiter;
    line->waiter_count++;
    weft_exchange_attach(exchange, WEFT_WORKER, waiter_wake, waiter);
    return 0;
}

static void fail_waiters(struct line *line, int why)
{
    while (line->waiters) {
        struct waiter *waiter = line->waiters;
        unlink_waiter(waiter);
        weft_exchange_leave(waiter->exchange, WEFT_WORKER, why);
    }
}

/* -- lines -- */

static void line_free(struct line *line)
{
    struct weft_upstream *upstream = line->upstream;
    WEFT_ASSERT(!line->waiters);
    set_usable(line, false);
    weft_timer_clear(&upstream->loop->timers, &line->idle);
    weft_timers_release(&upstream->loop->timers);
    if (line->previous) {
        line->previous->next = line->next;
    } else {
        upstream->lines = line->next;
    }
    if (line->next) {
        line->next->previous = line->previous;
    }
    upstream->line_count--;
    weft_free(line);
}

static weft_time idle_time(const struct weft_upstream *upstream)
{
    return upstream->h2 ? WEFT_UPSTREAM_H2_IDLE : WEFT_UPSTREAM_H1_IDLE;
}

static void on_idle(struct weft_timer *timer)
{
    struct line *line = WEFT_CONTAINER(timer, struct line, idle);
    struct weft_loop *loop = line->upstream->loop;
    if (!line->usable || weft_carrier_running(weft_connection_carrier(line->connection)) > 0) {
        return; /* it is set again when the line is next idle */
    }
    weft_time at = line->idle_since + idle_time(line->upstream);
    if (at > loop->turn.now) {
        weft_timer_set(&loop->timers, &line->idle, at);
        return;
    }
    set_usable(line, false);
    weft_connection_drain(line->connection);
}

static void serve_waiters(struct line *line)
{
    struct weft_carrier *carrier = weft_connection_carrier(line->connection);
    while (line->waiters) {
        struct weft_exchange *exchange = line->waiters->exchange;
        unlink_waiter(line->waiters);
        /* Those that do not fit look for another line. */
        int error = weft_carrier_can_ask(carrier) ? weft_carrier_ask(carrier, exchange)
                                                  : weft_upstream_ask(line->upstream, exchange);
        if (error < 0) {
            weft_exchange_leave(exchange, WEFT_WORKER, error);
        }
    }
}

static void on_usable(void *self, struct weft_connection *connection)
{
    struct line *line = self;
    struct weft_loop *loop = line->upstream->loop;
    struct weft_carrier *carrier = weft_connection_carrier(connection);
    if (!line->ready) {
        line->ready = line->busy = true;
        line->upstream->h2 = weft_connection_h2(connection);
        line->upstream->why = NULL;
        serve_waiters(line);
    }
    set_usable(line, weft_carrier_can_ask(carrier));
    if (line->usable && line->busy && weft_carrier_running(carrier) == 0) {
        line->busy = false; /* a flush for another reason does not make it younger */
        line->idle_since = loop->turn.now;
        if (line->idle.at == WEFT_NEVER) {
            weft_timer_set(&loop->timers, &line->idle, line->idle_since + idle_time(line->upstream));
        }
    }
}

static void on_closed(void *self, struct weft_connection *connection, int why, const char *phrase)
{
    struct line *line = self;
    (void)connection;
    line->upstream->why = why < 0 ? phrase : line->upstream->why;
    line->upstream->metrics->upstream_connections--;
    line->connection = NULL;
    set_usable(line, false);
    if (line->ready) {
        line_free(line);
    } else {
        dial_next(line, why ? why : WEFT_ERR_CLOSED);
    }
}

static const struct weft_connection_user connection_user = {.usable = on_usable, .closed = on_closed};

/* Tries the next address; `why` is what became of the one before. */
static void dial_next(struct line *line, int why)
{
    struct weft_upstream *upstream = line->upstream;
    const struct weft_connection_options options = {
        .loop = upstream->loop,
        .user = &connection_user,
        .self = line,
        .filters = weft_tls_filters(upstream->tls),
        .h2 = upstream->scheme == WEFT_URL_H2C,
        .name = upstream->host,
    };
    while (line->waiters && line->address_next < line->address_count) {
        upstream->metrics->upstream_dials++;
        why = weft_connection_dial(&line->connection, &options, &line->addresses[line->address_next++]);
        if (why == 0) {
            upstream->metrics->upstream_connections++;
            return;
        }
    }
    fail_waiters(line, why);
    line_free(line);
}

static void on_resolved(void *self, int status, const struct weft_address *addresses, size_t count)
{
    struct weft_upstream *upstream = self;
    struct line *next = NULL;
    upstream->asking = false;
    count = status < 0 ? 0 : count < WEFT_UPSTREAM_ADDRESSES_MAX ? count : WEFT_UPSTREAM_ADDRESSES_MAX;
    for (struct line *line = upstream->lines; line; line = next) {
        next = line->next; /* a line that cannot dial is freed, and only that one */
        if (line->lost) {
            line->lost = false;
            for (size_t i = 0; i < count; i++) {
                line->addresses[line->address_count++] = addresses[i];
            }
            dial_next(line, status < 0 ? status : WEFT_ERR_NOT_FOUND);
        }
    }
}

static int look_up(struct line *line)
{
    struct weft_upstream *upstream = line->upstream;
    struct weft_host *host = upstream->loop->host;
    int error = upstream->asking ? 0 : host->ops->resolve(host, upstream->host, upstream->port, on_resolved, upstream);
    if (error == 0) {
        upstream->asking = true;
        line->lost = true;
    }
    return error;
}

static int line_new(struct line **out, struct weft_upstream *upstream)
{
    struct line *line = *out = weft_zalloc(sizeof(*line));
    if (!line) {
        return WEFT_ERR_MEMORY;
    }
    int error = weft_timers_reserve(&upstream->loop->timers);
    if (error < 0) {
        weft_free(line);
        *out = NULL;
        return error;
    }
    line->upstream = upstream;
    weft_timer_init(&line->idle, on_idle);
    line->next = upstream->lines;
    if (upstream->lines) {
        upstream->lines->previous = line;
    }
    upstream->lines = line;
    upstream->line_count++;
    return 0;
}

/* -- asking -- */

/* A line that is still opening and may carry one more, if lines carry many at all. */
static struct line *opening_line(const struct weft_upstream *upstream)
{
    if (!upstream->h2) {
        return NULL;
    }
    for (struct line *line = upstream->lines; line; line = line->next) {
        if (!line->ready && line->waiter_count < WEFT_UPSTREAM_WAITERS_MAX) {
            return line;
        }
    }
    return NULL;
}

static int ask_new_line(struct weft_upstream *upstream, struct weft_exchange *exchange)
{
    struct line *line;
    if (upstream->line_count >= upstream->lines_max) {
        return WEFT_ERR_FULL;
    }
    int error = line_new(&line, upstream);
    if (error < 0) {
        return error;
    }
    if (upstream->scheme == WEFT_URL_UNIX) {
        line->addresses[0].kind = WEFT_ADDRESS_UNIX;
        memcpy(line->addresses[0].text, upstream->path, sizeof(line->addresses[0].text)); /* init() checked its size */
        line->address_count = 1;
    }
    error = wait_for(line, exchange);
    if (error < 0) {
        line_free(line);
        return error;
    }
    if (upstream->scheme == WEFT_URL_UNIX) {
        dial_next(line, WEFT_ERR_NOT_FOUND);
        return 0;
    }
    error = look_up(line);
    if (error < 0) {
        unlink_waiter(line->waiters);
        line_free(line);
    }
    return error;
}

int weft_upstream_ask(struct weft_upstream *upstream, struct weft_exchange *exchange)
{
    while (upstream->usable) {
        struct line *line = upstream->usable;
        struct weft_carrier *carrier = weft_connection_carrier(line->connection);
        if (weft_carrier_can_ask(carrier)) {
            int error = weft_carrier_ask(carrier, exchange);
            line->busy = true;
            set_usable(line, weft_carrier_can_ask(carrier));
            return error;
        }
        set_usable(line, false);
    }
    struct line *line = opening_line(upstream);
    return line ? wait_for(line, exchange) : ask_new_line(upstream, exchange);
}

/* -- the upstream -- */

/* An empty slice may hold NULL, which memcpy must not be given. */
static void put(char *to, struct weft_slice text)
{
    if (text.data) {
        memcpy(to, text.data, text.size);
    }
}

static int init(struct weft_upstream *upstream, const struct weft_url *url)
{
    static const char *const alpn[] = {"h2", "http/1.1", NULL};
    bool v6 = memchr(url->host.data ? url->host.data : "", ':', url->host.size);
    int host = (int)url->host.size;
    upstream->scheme = url->scheme;
    upstream->h2 = url->scheme == WEFT_URL_H2C;
    upstream->port = url->port;
    size_t path_max = url->scheme == WEFT_URL_UNIX ? WEFT_ADDRESS_TEXT_MAX : sizeof(upstream->path);
    if (url->host.size >= sizeof(upstream->host) || url->path.size >= path_max) {
        return WEFT_ERR_TOO_LARGE;
    }
    put(upstream->path, url->path);
    if (url->scheme == WEFT_URL_UNIX) {
        (void)snprintf(upstream->authority, sizeof(upstream->authority), "localhost"); /* fits */
        return 0;
    }
    put(upstream->host, url->host);
    (void)snprintf(upstream->authority, sizeof(upstream->authority), v6 ? "[%.*s]:%u" : "%.*s:%u", host, upstream->host,
                   url->port); /* fits: see AUTHORITY_MAX */
    if (url->scheme != WEFT_URL_HTTPS) {
        return 0;
    }
    const struct weft_tls_client_options options = {.verify = WEFT_TLS_VERIFY_NAME, .alpn = alpn};
    return weft_tls_client_context_new(&upstream->tls, &options);
}

int weft_upstream_new(struct weft_upstream **out, struct weft_loop *loop, struct weft_metrics *metrics,
                      const struct weft_url *url, size_t connections_max, uint64_t id)
{
    struct weft_upstream *upstream = *out = weft_zalloc(sizeof(*upstream));
    if (!upstream) {
        return WEFT_ERR_MEMORY;
    }
    upstream->loop = loop;
    upstream->metrics = metrics;
    upstream->lines_max = connections_max;
    (void)snprintf(upstream->via, sizeof(upstream->via), VIA, id); /* fits */
    int error = init(upstream, url);
    if (error < 0) {
        weft_free(upstream);
        *out = NULL;
    }
    return error;
}

void weft_upstream_free(struct weft_upstream *upstream)
{
    if (!upstream) {
        return;
    }
    while (upstream->lines) {
        struct line *line = upstream->lines;
        weft_connection_free(line->connection);
        fail_waiters(line, WEFT_ERR_CLOSED);
        line_free(line);
    }
    weft_tls_context_free(upstream->tls);
    weft_free(upstream);
}

struct weft_slice weft_upstream_authority(const struct weft_upstream *upstream)
{
    return weft_slice_text(upstream->authority);
}

struct weft_slice weft_upstream_via(const struct weft_upstream *upstream)
{
    return weft_slice_text(upstream->via);
}

struct weft_slice weft_upstream_scheme(const struct weft_upstream *upstream)
{
    return upstream->scheme == WEFT_URL_HTTPS ? WEFT_SLICE("https") : WEFT_SLICE("http");
}

const char *weft_upstream_why(const struct weft_upstream *upstream)
{
    return upstream->why;
}

struct weft_slice weft_upstream_path(const struct weft_upstream *upstream)
{
    return upstream->scheme == WEFT_URL_UNIX ? ((struct weft_slice){0}) : weft_slice_text(upstream->path);
}
