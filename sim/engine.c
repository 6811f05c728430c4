/* sim/engine.c - a scripted upstream. */
#include "sim/engine.h"

#include <stdio.h>

#include "base/assert.h"
#include "base/error.h"
#include "host/address.h"

#define GAP_MAX  ((uint64_t)20 * 1000) /* microseconds between two events */
#define BODY_MAX ((size_t)64 * 1024 * 1024)

/* Lives in the exchange's arena. */
struct work {
    struct weft_engine *engine;
    struct weft_exchange *exchange;
    struct weft_connection *connection;
    void (*step)(struct work *work);
    struct weft_timer timer;
    uint64_t left; /* events or bytes */
    bool begun, cuts, dies, stalls;
};

static void done(struct work *work, int why)
{
    struct weft_engine *engine = work->engine;
    weft_timer_clear(&engine->loop.timers, &work->timer);
    weft_timers_release(&engine->loop.timers);
    engine->running--;
    weft_exchange_leave(work->exchange, WEFT_WORKER, why);
}

static void begin(struct work *work, const char *type, int64_t length)
{
    struct weft_exchange *exchange = work->exchange;
    work->begun = true;
    exchange->answer.status = 200;
    exchange->flows[WEFT_ANSWER].length = length;
    int error =
        weft_fields_add(&exchange->answer.fields, &exchange->arena, WEFT_SLICE("content-type"), weft_slice_text(type));
    if (error == 0) {
        error = weft_fields_add(&exchange->answer.fields, &exchange->arena, WEFT_SLICE("set-cookie"),
                                WEFT_SLICE("engine=secret"));
    }
    WEFT_ASSERT(error == 0 || error == WEFT_ERR_MEMORY);
    weft_exchange_begin_answer(exchange);
}

/* False if nobody listens any more, or memory ran out: then the exchange is left. */
static bool say(struct work *work, const char *data, size_t size)
{
    int error = weft_exchange_write(work->exchange, WEFT_ANSWER, data, size);
    if (error < 0) {
        done(work, error);
    }
    return error == 0;
}

static void finish(struct work *work)
{
    work->engine->answered++;
    weft_exchange_end(work->exchange, WEFT_ANSWER);
    done(work, 0);
}

static void do_answer(struct work *work)
{
    if (!work->exchange->flows[WEFT_REQUEST].ended) {
        return;
    }
    static const char body[] = "{\"object\":\"answer\"}\n";
    begin(work, "application/json", (int64_t)sizeof(body) - 1);
    if (say(work, body, sizeof(body) - 1)) {
        finish(work);
    }
}

static void do_early(struct work *work)
{
    begin(work, "application/json", 3);
    if (say(work, "{}\n", 3)) {
        finish(work);
    }
}

static void do_echo(struct work *work)
{
    struct weft_exchange *exchange = work->exchange;
    if (!work->begun) {
        begin(work, "application/octet-stream", WEFT_LENGTH_UNKNOWN);
    }
    if (exchange->flows[WEFT_REQUEST].bytes.size > 0 && weft_exchange_room(exchange, WEFT_ANSWER) > 0) {
        struct weft_bytes some = {0};
        (void)weft_exchange_take_all(exchange, WEFT_REQUEST, &some); /* how much does not matter */
        int error = weft_exchange_move(exchange, WEFT_ANSWER, &some);
        weft_bytes_deinit(&some);
        if (error < 0) {
            done(work, error);
            return;
        }
    }
    if (weft_exchange_drained(exchange, WEFT_REQUEST)) {
        finish(work);
    }
}

static void do_bytes(struct work *work)
{
    static const char kibibyte[1024] = {'x'};
    if (!work->begun) {
        begin(work, "application/octet-stream", (int64_t)work->left);
    }
    while (work->left > 0 && weft_exchange_room(work->exchange, WEFT_ANSWER) > 0) {
        work->left -= sizeof(kibibyte);
        if (!say(work, kibibyte, sizeof(kibibyte))) {
            return;
        }
    }
    if (work->left == 0) {
        finish(work);
    }
}

static void do_silent(struct work *work)
{
    (void)work; /* until the asker leaves */
}

static void next_event(struct work *work)
{
    struct weft_engine *engine = work->engine;
    if (work->left > 0 || !work->stalls) {
        weft_time gap = (weft_time)weft_world_below(engine->world, GAP_MAX);
        weft_timer_set(&engine->loop.timers, &work->timer, engine->loop.turn.now + gap);
    }
}

static void do_events(struct work *work)
{
    if (!work->begun && work->exchange->flows[WEFT_REQUEST].ended) {
        begin(work, "text/event-stream", WEFT_LENGTH_UNKNOWN);
        next_event(work);
    }
}

static void drop_connection(struct weft_engine *engine, struct weft_connection *connection)
{
    struct weft_connection_links *links = weft_connection_links(connection);
    if (links->previous) {
        weft_connection_links(links->previous)->next = links->next;
    } else {
        engine->connections = links->next;
    }
    if (links->next) {
        weft_connection_links(links->next)->previous = links->previous;
    }
    engine->connection_count--;
}

static void cut(struct work *work)
{
    struct weft_connection *connection = work->connection;
    struct weft_engine *engine = work->engine;
    bool dies = work->dies;
    engine->cut++;
    done(work, WEFT_ERR_IO);
    if (dies) {
        drop_connection(engine, connection);
        weft_connection_free(connection);
    }
}

static void on_timer(struct weft_timer *timer)
{
    struct work *work = WEFT_CONTAINER(timer, struct work, timer);
    bool cuts = work->dies || work->cuts;
    if (work->exchange->aborted[WEFT_ASKER]) {
        return; /* on_wake comes */
    }
    if (work->left == 0 && cuts) {
        cut(work);
    } else if (work->left == 0) {
        if (say(work, WEFT_ENGINE_DONE, sizeof(WEFT_ENGINE_DONE) - 1)) {
            finish(work);
        }
    } else if (say(work, WEFT_ENGINE_EVENT, sizeof(WEFT_ENGINE_EVENT) - 1)) {
        work->left--;
        next_event(work);
    }
}

static const struct {
    struct weft_slice name;
    void (*step)(struct work *work);
    bool cuts, dies, stalls;
} deeds[] = {
    {{"answer", 6}, do_answer, false, false, false}, {{"echo", 4}, do_echo, false, false, false},
    {{"events", 6}, do_events, false, false, false}, {{"bytes", 5}, do_bytes, false, false, false},
    {{"cut", 3}, do_events, true, false, false},     {{"die", 3}, do_events, true, true, false},
    {{"stall", 5}, do_events, false, false, true},   {{"silent", 6}, do_silent, false, false, false},
    {{"early", 5}, do_early, false, false, false},
};

static const char *find(struct weft_slice text, const char *what)
{
    size_t size = strlen(what);
    for (size_t i = 0; i + size <= text.size; i++) {
        if (memcmp(text.data + i, what, size) == 0) {
            return text.data + i + size;
        }
    }
    return NULL;
}

static void read_target(struct work *work, struct weft_slice target)
{
    const char *end = target.data + target.size, *what = find(target, "do="), *count = find(target, "n=");
    work->step = do_answer;
    for (size_t i = 0; what && i < WEFT_COUNT(deeds); i++) {
        if (weft_slice_starts(weft_slice(what, (size_t)(end - what)), deeds[i].name)) {
            work->step = deeds[i].step;
            work->cuts = deeds[i].cuts;
            work->dies = deeds[i].dies;
            work->stalls = deeds[i].stalls;
        }
    }
    for (; count && count < end && *count >= '0' && *count <= '9'; count++) {
        work->left = work->left * 10 + (uint64_t)(*count - '0');
    }
    if (work->step == do_bytes) {
        work->left *= 1024;
    }
}

static void on_wake(void *self, struct weft_exchange *exchange)
{
    struct work *work = self;
    if (exchange->aborted[WEFT_ASKER]) {
        work->engine->cancelled++;
        done(work, WEFT_ERR_CANCELLED);
        return;
    }
    if (work->step != do_echo && exchange->flows[WEFT_REQUEST].bytes.size > 0) {
        size_t size = exchange->flows[WEFT_REQUEST].bytes.size;
        work->engine->body_bytes += size;
        weft_exchange_take(exchange, WEFT_REQUEST, size);
    }
    work->step(work);
}

/* -- its connections -- */

static void remember_head(struct weft_engine *engine, const struct weft_request_head *head)
{
    struct weft_slice method = head->method, target = head->target, authority = head->authority;
    int used = snprintf(engine->head, sizeof(engine->head), "%.*s %.*s %.*s\n", (int)method.size, method.data,
                        (int)target.size, target.data, (int)authority.size, authority.data);
    for (size_t i = 0; i < head->fields.count && used > 0 && (size_t)used < sizeof(engine->head); i++) {
        struct weft_slice name = head->fields.at[i].name, value = head->fields.at[i].value;
        used += snprintf(engine->head + used, sizeof(engine->head) - (size_t)used, "%.*s: %.*s\n", (int)name.size,
                         name.data, (int)value.size, value.data);
    }
}

static void on_request(void *self, struct weft_connection *connection, struct weft_exchange *exchange)
{
    struct weft_engine *engine = self;
    struct work *work = weft_arena_alloc(&exchange->arena, sizeof(*work));
    engine->asked++;
    remember_head(engine, &exchange->request);
    if (!work || weft_timers_reserve(&engine->loop.timers) < 0) {
        weft_exchange_leave(exchange, WEFT_WORKER, WEFT_ERR_MEMORY);
        return;
    }
    *work = (struct work){.engine = engine, .exchange = exchange, .connection = connection};
    weft_timer_init(&work->timer, on_timer);
    read_target(work, exchange->request.target);
    engine->running++;
    weft_exchange_want_body(exchange);
    weft_exchange_attach(exchange, WEFT_WORKER, on_wake, work);
}

static void on_refused(void *self, int status, const char *why)
{
    (void)self, (void)status, (void)why; /* a relay that asks badly shows in its own answers */
}

static void on_closed(void *self, struct weft_connection *connection, int why, const char *phrase)
{
    (void)why, (void)phrase;
    drop_connection(self, connection);
}

static const struct weft_connection_user connection_user = {
    .request = on_request, .refused = on_refused, .closed = on_closed};

static void on_accepted(void *self, struct weft_socket *socket)
{
    struct weft_engine *engine = self;
    const struct weft_connection_options options = {
        .loop = &engine->loop, .user = &connection_user, .self = engine, .body_max = BODY_MAX};
    struct weft_connection *connection;
    if (weft_connection_accept(&connection, &options, socket) < 0) {
        return; /* out of memory: the socket is reset */
    }
    weft_connection_links(connection)->next = engine->connections;
    if (engine->connections) {
        weft_connection_links(engine->connections)->previous = connection;
    }
    engine->connections = connection;
    engine->connection_count++;
    engine->connections_ever++;
}

static const struct weft_listener_user listener_user = {.accepted = on_accepted};

static weft_time turn(void *self, weft_time now)
{
    struct weft_engine *engine = self;
    engine->loop.turn.now = now;
    weft_timers_run(&engine->loop.timers, now);
    weft_turn_run(&engine->loop.turn);
    return weft_timers_next(&engine->loop.timers);
}

void weft_engine_start(struct weft_engine *engine, struct weft_world *world, struct weft_host *host,
                       const char *address)
{
    struct weft_address at;
    *engine = (struct weft_engine){.world = world, .loop = {.host = host}};
    engine->loop.turn.now = weft_world_now(world);
    int error = address[0] == '/' ? weft_address_unix(weft_slice_text(address), &at)
                                  : weft_address_parse(weft_slice_text(address), &at);
    WEFT_ASSERT(error == 0);
    error = host->ops->listen(host, &at, &listener_user, engine, &engine->listener, NULL);
    WEFT_ASSERT(error == 0);
    weft_world_set_guest(host, (struct weft_guest){.self = engine, .turn = turn});
}

void weft_engine_break(struct weft_engine *engine)
{
    while (engine->connections) {
        struct weft_connection *connection = engine->connections;
        drop_connection(engine, connection);
        weft_connection_free(connection);
    }
    weft_world_poke(engine->loop.host);
}

void weft_engine_end(struct weft_engine *engine)
{
    engine->loop.host->ops->unlisten(engine->listener);
    weft_engine_break(engine);
    weft_turn_run(&engine->loop.turn);
    weft_world_set_guest(engine->loop.host, (struct weft_guest){0});
    weft_timers_deinit(&engine->loop.timers);
}
