/* node/applying.c - an application, on its way to a gateway. */
#include "node/applying.h"

#include "base/assert.h"
#include "base/error.h"

static void try_next(struct weft_applying *applying);

static void let_go(struct weft_applying *applying)
{
    weft_timer_clear(&applying->loop->timers, &applying->timer);
    if (applying->exchange) {
        weft_exchange_leave(applying->exchange, WEFT_ASKER, WEFT_ERR_CANCELLED);
        applying->exchange = NULL;
    }
    if (applying->link) {
        weft_link_close(applying->link);
        applying->link = NULL;
    }
}

static void fail_here(struct weft_applying *applying, int why)
{
    let_go(applying);
    applying->lost = 0;
    applying->why = why;
    applying->at++;
    try_next(applying);
}

void weft_applying_stop(struct weft_applying *applying)
{
    let_go(applying);
    applying->runs = false;
}

static void on_timeout(struct weft_timer *timer)
{
    struct weft_applying *applying = WEFT_CONTAINER(timer, struct weft_applying, timer);
    fail_here(applying, applying->lost < 0 ? applying->lost : WEFT_ERR_TIMEOUT);
}

/* -- what the gateway says -- */

static void take(struct weft_applying *applying, struct weft_exchange *exchange)
{
    char answer[WEFT_ADMISSION_MAX];
    struct weft_bytes *bytes = &exchange->flows[WEFT_ANSWER].bytes;
    if (exchange->answer.status != 200 || bytes->size > sizeof(answer)) {
        fail_here(applying, WEFT_ERR_UNSUPPORTED);
        return;
    }
    size_t size = weft_bytes_tail(bytes, answer, bytes->size);
    weft_exchange_take(exchange, WEFT_ANSWER, size);
    let_go(applying);
    applying->runs = false;
    if (!applying->user->answered(applying->self, weft_slice(answer, size))) {
        applying->runs = true;
        applying->why = WEFT_ERR_DENIED;
        applying->at++;
        try_next(applying);
    }
}

static void look(void *self, struct weft_exchange *exchange)
{
    struct weft_applying *applying = self;
    if (exchange->flows[WEFT_ANSWER].bytes.size > WEFT_ADMISSION_MAX) {
        fail_here(applying, WEFT_ERR_TOO_LARGE);
    } else if (exchange->answer_begun && exchange->flows[WEFT_ANSWER].ended) {
        take(applying, exchange);
    } else if (exchange->aborted[WEFT_WORKER]) {
        fail_here(applying, exchange->aborted[WEFT_WORKER]);
    }
}

/* -- what it is asked -- */

static int ask(struct weft_applying *applying, struct weft_slice application)
{
    struct weft_exchange *exchange;
    int error = weft_exchange_new(&exchange, &applying->loop->turn);
    if (error < 0) {
        return error;
    }
    exchange->request.method = WEFT_SLICE("POST");
    exchange->request.scheme = WEFT_SLICE("https");
    exchange->request.target = WEFT_SLICE(WEFT_APPLYING_PATH);
    exchange->flows[WEFT_REQUEST].length = (int64_t)application.size;
    error = weft_fields_add(&exchange->request.fields, &exchange->arena, WEFT_SLICE("content-type"),
                            WEFT_SLICE(WEFT_APPLYING_TYPE));
    weft_exchange_attach(exchange, WEFT_ASKER, look, applying);
    if (error == 0) {
        error = weft_link_ask(applying->link, exchange);
    }
    if (error < 0) {
        weft_exchange_leave(exchange, WEFT_WORKER, error);
        weft_exchange_leave(exchange, WEFT_ASKER, error);
        return error;
    }
    applying->exchange = exchange;
    error = weft_exchange_write(exchange, WEFT_REQUEST, application.data, application.size);
    if (error == 0) {
        weft_exchange_end(exchange, WEFT_REQUEST);
    }
    return error;
}

void weft_applying_opened(struct weft_applying *applying, struct weft_link *link)
{
    uint8_t binding[WEFT_FILTER_BINDING_SIZE], application[WEFT_APPLICATION_MAX];
    _Static_assert(WEFT_FILTER_BINDING_SIZE == WEFT_LINK_SIZE, "an application names the whole of it");
    if (link != applying->link || applying->exchange) {
        return;
    }
    int error = weft_link_binding(link, binding);
    int64_t size = error < 0 ? error : applying->user->write(applying->self, binding, application);
    error = size < 0 ? (int)size : ask(applying, weft_slice(application, (size_t)size));
    if (error < 0) {
        fail_here(applying, error);
    }
}

void weft_applying_closed(struct weft_applying *applying, const struct weft_link *link, int why)
{
    if (applying->link == link && link) {
        applying->link = NULL;
        if (!applying->exchange) { /* else the exchange tells */
            /* Not from inside of this: whoever hears of it may end the node, and its links with it. */
            applying->lost = why < 0 ? why : WEFT_ERR_CLOSED;
            weft_timer_set(&applying->loop->timers, &applying->timer, applying->loop->turn.now);
        }
    }
}

/* -- one address after the other -- */

static void on_resolved(void *self, int status, const struct weft_address *addresses, size_t count)
{
    struct weft_applying *applying = self;
    applying->resolves = false;
    if (!applying->runs) {
        return; /* it was stopped */
    }
    if (status == 0 && count == 0) {
        status = WEFT_ERR_NOT_FOUND;
    }
    if (status == 0) {
        status = weft_links_dial(applying->links, &addresses[0], NULL, false, &applying->link);
    }
    if (status < 0) {
        fail_here(applying, status);
    } else {
        weft_timer_set(&applying->loop->timers, &applying->timer, applying->loop->turn.now + WEFT_APPLYING_TIME);
    }
}

static void try_next(struct weft_applying *applying)
{
    struct weft_host *host = applying->loop->host;
    struct weft_hostport parsed;
    if (applying->at == applying->count) {
        applying->runs = false;
        applying->user->failed(applying->self, applying->why, applying->addresses[applying->count - 1]);
        return;
    }
    int error = weft_hostport_parse(weft_slice_text(applying->addresses[applying->at]), &parsed);
    if (error == 0) {
        memcpy(applying->name, parsed.host.data, parsed.host.size);
        applying->name[parsed.host.size] = '\0';
        error = host->ops->resolve(host, applying->name, parsed.port, on_resolved, applying);
    }
    if (error < 0) {
        fail_here(applying, error);
    } else {
        applying->resolves = true;
    }
}

int weft_applying_start(struct weft_applying *applying, struct weft_links *links, const char *const *addresses,
                        size_t count)
{
    if (applying->runs || applying->resolves) {
        return WEFT_ERR_BUSY;
    }
    if (count == 0 || count > WEFT_APPLYING_ADDRESSES_MAX) {
        return WEFT_ERR_INVALID;
    }
    if (!applying->reserved) {
        int error = weft_timers_reserve(&applying->loop->timers);
        if (error < 0) {
            return error;
        }
        applying->reserved = true;
    }
    applying->links = links;
    for (size_t i = 0; i < count; i++) {
        size_t size = strlen(addresses[i]);
        if (size > WEFT_HOSTPORT_MAX) {
            return WEFT_ERR_TOO_LARGE;
        }
        memcpy(applying->addresses[i], addresses[i], size + 1);
    }
    applying->count = count;
    applying->at = 0;
    applying->runs = true;
    try_next(applying);
    return 0;
}

void weft_applying_init(struct weft_applying *applying, struct weft_loop *loop, const struct weft_applying_user *user,
                        void *self)
{
    *applying = (struct weft_applying){.loop = loop, .user = user, .self = self};
    weft_timer_init(&applying->timer, on_timeout);
}

void weft_applying_deinit(struct weft_applying *applying)
{
    if (applying->exchange) {
        weft_exchange_leave(applying->exchange, WEFT_ASKER, WEFT_ERR_CANCELLED);
        applying->exchange = NULL;
    }
    applying->link = NULL;
    if (applying->reserved) {
        weft_timer_clear(&applying->loop->timers, &applying->timer);
        weft_timers_release(&applying->loop->timers);
        applying->reserved = false;
    }
}
