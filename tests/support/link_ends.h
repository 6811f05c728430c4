/* tests/support/link_ends.h - one end of links without a node around it: it answers what it is asked, asks, and
 * remembers what it hears. On any host, with any security. */
#ifndef WEFT_TESTS_SUPPORT_LINK_ENDS_H
#define WEFT_TESTS_SUPPORT_LINK_ENDS_H

#include <string.h>

#include "base/assert.h"
#include "base/error.h"
#include "node/link.h"

struct link_end {
    struct weft_loop loop;
    struct weft_metrics metrics;
    struct weft_identity identity;
    const struct weft_link_security *security;
    struct weft_link_filters filters;
    struct weft_links *links;
    struct weft_listener *listener;
    struct weft_address bound;
    enum weft_principal others; /* who everybody else is, from here */
    size_t opened, closed, requests, refused, asked_who;
    struct weft_link *last; /* that opened */
    int why;                /* of the last that closed */
    const char *phrase;
    struct weft_caller caller;      /* of the last request */
    char target[160];               /* likewise */
    bool mute;                      /* it takes requests, and answers nothing */
    struct weft_exchange *held;     /* one of those */
    size_t left;                    /* by those who asked so */
    struct weft_exchange *exchange; /* that is being asked */
    int status, aborted;            /* of the last answer */
    bool told;
    char text[4096];
    size_t size;
};

/* -- what its links tell -- */

static inline enum weft_principal link_end_who(void *self, const struct weft_key *key)
{
    struct link_end *end = self;
    WEFT_ASSERT(weft_key_set(key));
    end->asked_who++;
    return end->others;
}

static inline void link_end_let_go(struct link_end *end, int why)
{
    if (end->held) {
        weft_exchange_leave(end->held, WEFT_WORKER, why);
        end->held = NULL;
    }
}

static inline void link_end_held_wake(void *self, struct weft_exchange *exchange)
{
    struct link_end *end = self;
    if (exchange->aborted[WEFT_ASKER]) {
        end->left++;
        link_end_let_go(end, WEFT_ERR_CANCELLED);
    }
}

static inline void link_end_request(void *self, struct weft_exchange *exchange, const struct weft_caller *caller)
{
    struct link_end *end = self;
    end->requests++;
    end->caller = *caller;
    struct weft_slice target = exchange->request.target;
    WEFT_ASSERT(target.size < sizeof(end->target));
    memcpy(end->target, target.data, target.size);
    end->target[target.size] = '\0';
    if (end->mute) {
        WEFT_ASSERT(!end->held);
        end->held = exchange;
        weft_exchange_attach(exchange, WEFT_WORKER, link_end_held_wake, end);
        return;
    }
    int error = weft_exchange_reply(exchange, 200, WEFT_SLICE("text/plain"), exchange->request.authority);
    weft_exchange_leave(exchange, WEFT_WORKER, error);
}

static inline void link_end_refused(void *self, int status, const char *why)
{
    struct link_end *end = self;
    (void)status, (void)why;
    end->refused++;
}

static inline void link_end_opened(void *self, struct weft_link *link)
{
    struct link_end *end = self;
    end->opened++;
    end->last = link;
}

static inline void link_end_closed(void *self, struct weft_link *link, int why, const char *phrase)
{
    struct link_end *end = self;
    end->closed++;
    end->why = why;
    end->phrase = phrase;
    end->last = end->last == link ? NULL : end->last;
}

static inline void link_end_changed(void *self)
{
    (void)self;
}

/* -- its life -- */

static inline weft_time link_end_turn(void *self, weft_time now)
{
    struct link_end *end = self;
    end->loop.turn.now = now;
    weft_timers_run(&end->loop.timers, now);
    weft_turn_run(&end->loop.turn);
    return weft_timers_next(&end->loop.timers);
}

static inline int link_end_make(struct link_end *end, size_t strangers_max)
{
    static const struct weft_links_user user = {.who = link_end_who,
                                                .request = link_end_request,
                                                .refused = link_end_refused,
                                                .opened = link_end_opened,
                                                .closed = link_end_closed,
                                                .changed = link_end_changed};
    const struct weft_links_options options = {.loop = &end->loop,
                                               .metrics = &end->metrics,
                                               .user = &user,
                                               .self = end,
                                               .filters = end->filters,
                                               .key = end->identity.key,
                                               .strangers_max = strangers_max};
    return weft_links_new(&end->links, &options);
}

/* Its key comes from a seed of that byte. 0, or an error when memory runs out; then it can still be deinit. */
static inline int link_end_init(struct link_end *end, struct weft_host *host, const struct weft_link_security *security,
                                uint8_t seed_byte)
{
    uint8_t seed[WEFT_SEED_SIZE];
    memset(seed, seed_byte, sizeof(seed));
    *end = (struct link_end){.loop = {.host = host}, .security = security, .others = WEFT_MEMBER};
    end->loop.turn.now = host->ops->now(host);
    weft_identity_init(&end->identity, seed);
    int error = security->make(&end->filters, &end->identity, NULL, host->ops->wall(host) / WEFT_SECOND);
    if (error < 0) {
        return error;
    }
    return link_end_make(end, WEFT_LINKS_STRANGERS_MAX);
}

static inline void link_end_accepted(void *self, struct weft_socket *socket)
{
    struct link_end *end = self;
    end->metrics.connections_refused += weft_links_accept(end->links, socket) < 0;
}

static inline int link_end_listen(struct link_end *end, const struct weft_address *address)
{
    static const struct weft_listener_user user = {.accepted = link_end_accepted};
    struct weft_host *host = end->loop.host;
    return host->ops->listen(host, address, &user, end, &end->listener, &end->bound);
}

static inline void link_end_forget(struct link_end *end, int why)
{
    if (end->exchange) {
        weft_exchange_leave(end->exchange, WEFT_ASKER, why);
        end->exchange = NULL;
    }
}

static inline void link_end_deinit(struct link_end *end)
{
    link_end_forget(end, WEFT_ERR_CANCELLED);
    link_end_let_go(end, WEFT_ERR_CLOSED);
    if (end->listener) {
        end->loop.host->ops->unlisten(end->listener);
        end->listener = NULL;
    }
    weft_links_free(end->links);
    weft_turn_run(&end->loop.turn);
    if (end->filters.own) {
        end->security->unmake(&end->filters);
    }
    weft_identity_deinit(&end->identity);
    weft_timers_deinit(&end->loop.timers);
}

/* -- asking -- */

static inline void link_end_wake(void *self, struct weft_exchange *exchange)
{
    struct link_end *end = self;
    struct weft_flow *body = &exchange->flows[WEFT_ANSWER];
    end->status = exchange->answer_begun ? exchange->answer.status : 0;
    while (body->bytes.size > 0) {
        struct weft_slice front = weft_bytes_front(&body->bytes);
        WEFT_ASSERT(front.size < sizeof(end->text) - end->size);
        memcpy(end->text + end->size, front.data, front.size);
        end->size += front.size;
        end->text[end->size] = '\0';
        weft_exchange_take(exchange, WEFT_ANSWER, front.size);
    }
    if (weft_exchange_drained(exchange, WEFT_ANSWER) || exchange->aborted[WEFT_WORKER]) {
        end->aborted = weft_exchange_drained(exchange, WEFT_ANSWER) ? 0 : exchange->aborted[WEFT_WORKER];
        end->told = true;
        link_end_forget(end, 0);
    }
}

/* GET; `authorization` may be NULL. The answer is in `status` and `text` once `told`. */
static inline int link_end_ask(struct link_end *end, struct weft_link *link, const char *path,
                               const char *authorization)
{
    WEFT_ASSERT(!end->exchange);
    end->told = false;
    end->status = end->aborted = 0;
    end->size = 0;
    end->text[0] = '\0';
    struct weft_exchange *exchange;
    int error = weft_exchange_new(&exchange, &end->loop.turn);
    if (error < 0) {
        return error;
    }
    end->exchange = exchange;
    exchange->request.method = WEFT_SLICE("GET");
    exchange->request.target = weft_slice_text(path);
    if (authorization) {
        error = weft_fields_add(&exchange->request.fields, &exchange->arena, WEFT_SLICE("authorization"),
                                weft_slice_text(authorization));
    }
    weft_exchange_end(exchange, WEFT_REQUEST);
    weft_exchange_attach(exchange, WEFT_ASKER, link_end_wake, end);
    error = error < 0 ? error : weft_link_ask(link, exchange);
    if (error < 0) {
        weft_exchange_leave(exchange, WEFT_WORKER, error);
        link_end_forget(end, error);
    }
    return error;
}

#endif
