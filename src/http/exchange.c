/* http/exchange.c - one request and its streamed answer, whatever carries it. */
#include "http/exchange.h"

#include "base/assert.h"
#include "base/error.h"
#include "base/mem.h"
#include "http/limits.h"

static enum weft_end writer_of(enum weft_way way)
{
    return way == WEFT_REQUEST ? WEFT_ASKER : WEFT_WORKER;
}

static enum weft_end reader_of(enum weft_way way)
{
    return way == WEFT_REQUEST ? WEFT_WORKER : WEFT_ASKER;
}

static void run_wake(struct weft_exchange *exchange, enum weft_end end)
{
    exchange->ends[end].wake(exchange->ends[end].self, exchange);
}

static void wake_asker(struct weft_task *task)
{
    run_wake(WEFT_CONTAINER(task, struct weft_exchange, ends[WEFT_ASKER].task), WEFT_ASKER);
}

static void wake_worker(struct weft_task *task)
{
    run_wake(WEFT_CONTAINER(task, struct weft_exchange, ends[WEFT_WORKER].task), WEFT_WORKER);
}

static void wake(struct weft_exchange *exchange, enum weft_end end)
{
    if (exchange->ends[end].wake && !exchange->ends[end].gone) {
        weft_turn_add(exchange->turn, &exchange->ends[end].task);
    }
}

int weft_exchange_new(struct weft_exchange **out, struct weft_turn *turn)
{
    struct weft_exchange *exchange = *out = weft_zalloc(sizeof(*exchange));
    if (!exchange) {
        return WEFT_ERR_MEMORY;
    }
    exchange->turn = turn;
    exchange->flows[WEFT_REQUEST].length = WEFT_LENGTH_UNKNOWN;
    exchange->flows[WEFT_ANSWER].length = WEFT_LENGTH_UNKNOWN;
    weft_task_init(&exchange->ends[WEFT_ASKER].task, wake_asker);
    weft_task_init(&exchange->ends[WEFT_WORKER].task, wake_worker);
    return 0;
}

void weft_exchange_attach(struct weft_exchange *exchange, enum weft_end end,
                          void (*on_wake)(void *self, struct weft_exchange *exchange), void *self)
{
    WEFT_ASSERT(!exchange->ends[end].gone);
    exchange->ends[end].wake = on_wake;
    exchange->ends[end].self = self;
    if (end == WEFT_WORKER) {
        wake(exchange, WEFT_WORKER);
    }
}

/* May this end go without the other one missing anything? A worker that has answered in full may leave a body unread.
 */
static bool complete(const struct weft_exchange *exchange, enum weft_end end)
{
    if (end == WEFT_WORKER) {
        return exchange->flows[WEFT_ANSWER].ended;
    }
    return exchange->flows[WEFT_REQUEST].ended && weft_exchange_drained(exchange, WEFT_ANSWER);
}

void weft_exchange_leave(struct weft_exchange *exchange, enum weft_end end, int why)
{
    enum weft_end other = end == WEFT_ASKER ? WEFT_WORKER : WEFT_ASKER;
    WEFT_ASSERT(!exchange->ends[end].gone);
    exchange->ends[end].gone = true;
    weft_task_remove(&exchange->ends[end].task);
    if (!exchange->ends[other].gone) {
        if (!exchange->aborted[end] && !complete(exchange, end)) {
            exchange->aborted[end] = why ? why : WEFT_ERR_CLOSED;
        }
        wake(exchange, other);
        return;
    }
    weft_bytes_deinit(&exchange->flows[WEFT_REQUEST].bytes);
    weft_bytes_deinit(&exchange->flows[WEFT_ANSWER].bytes);
    weft_arena_deinit(&exchange->arena);
    weft_free(exchange);
}

/* Whether the writer may add `size` bytes; asserts what only a bug can break. */
static int may_write(const struct weft_exchange *exchange, enum weft_way way, size_t size)
{
    const struct weft_flow *flow = &exchange->flows[way];
    WEFT_ASSERT(!flow->ended);
    WEFT_ASSERT(flow->length < 0 || flow->written + size <= (uint64_t)flow->length);
    return exchange->ends[reader_of(way)].gone ? WEFT_ERR_CLOSED : 0;
}

static void wrote(struct weft_exchange *exchange, enum weft_way way, size_t size)
{
    exchange->flows[way].written += size;
    if (size > 0) {
        wake(exchange, reader_of(way));
    }
}

int weft_exchange_write(struct weft_exchange *exchange, enum weft_way way, const void *data, size_t size)
{
    int error = may_write(exchange, way, size);
    if (error == 0) {
        error = weft_bytes_append(&exchange->flows[way].bytes, data, size);
    }
    if (error == 0) {
        wrote(exchange, way, size);
    }
    return error;
}

int weft_exchange_move(struct weft_exchange *exchange, enum weft_way way, struct weft_bytes *from)
{
    size_t size = from->size;
    int error = may_write(exchange, way, size);
    if (error == 0) {
        weft_bytes_move(&exchange->flows[way].bytes, from);
        wrote(exchange, way, size);
    }
    return error;
}

size_t weft_exchange_room(struct weft_exchange *exchange, enum weft_way way)
{
    struct weft_flow *flow = &exchange->flows[way];
    if (flow->bytes.size < WEFT_HTTP_FLOW_HIGH) {
        return WEFT_HTTP_FLOW_HIGH - flow->bytes.size;
    }
    flow->wake_below = WEFT_HTTP_FLOW_LOW + 1;
    return 0;
}

void weft_exchange_await_room(struct weft_exchange *exchange, enum weft_way way)
{
    exchange->flows[way].wake_below = SIZE_MAX;
}

bool weft_exchange_bodiless(const struct weft_exchange *exchange)
{
    return exchange->answer.status == 204 || exchange->answer.status == 304 ||
           weft_slice_equal(exchange->request.method, WEFT_SLICE("HEAD"));
}

void weft_exchange_end(struct weft_exchange *exchange, enum weft_way way)
{
    struct weft_flow *flow = &exchange->flows[way];
    WEFT_ASSERT(!flow->ended);
    bool is_short = flow->length >= 0 && flow->written < (uint64_t)flow->length;
    if (is_short && !(way == WEFT_ANSWER && weft_exchange_bodiless(exchange))) {
        exchange->aborted[writer_of(way)] = WEFT_ERR_CLOSED;
    } else {
        flow->ended = true;
    }
    wake(exchange, reader_of(way));
}

static void took(struct weft_exchange *exchange, enum weft_way way)
{
    struct weft_flow *flow = &exchange->flows[way];
    if (flow->bytes.size < flow->wake_below) {
        flow->wake_below = 0;
        wake(exchange, writer_of(way));
    }
}

void weft_exchange_take(struct weft_exchange *exchange, enum weft_way way, size_t size)
{
    weft_bytes_drop(&exchange->flows[way].bytes, size);
    took(exchange, way);
}

size_t weft_exchange_take_all(struct weft_exchange *exchange, enum weft_way way, struct weft_bytes *to)
{
    size_t size = exchange->flows[way].bytes.size;
    if (size > 0) {
        weft_bytes_move(to, &exchange->flows[way].bytes);
        took(exchange, way);
    }
    return size;
}

bool weft_exchange_drained(const struct weft_exchange *exchange, enum weft_way way)
{
    return exchange->flows[way].ended && exchange->flows[way].bytes.size == 0;
}

void weft_exchange_want_body(struct weft_exchange *exchange)
{
    if (!exchange->body_wanted) {
        exchange->body_wanted = true;
        wake(exchange, WEFT_ASKER);
    }
}

void weft_exchange_want_stream(struct weft_exchange *exchange)
{
    exchange->endless = true;
    weft_exchange_want_body(exchange);
}

void weft_exchange_begin_answer(struct weft_exchange *exchange)
{
    WEFT_ASSERT(exchange->answer.status >= 200 && exchange->answer.status <= 599 && !exchange->answer_begun);
    exchange->answer_begun = true;
    wake(exchange, WEFT_ASKER);
}

int weft_exchange_reply(struct weft_exchange *exchange, int status, struct weft_slice content_type,
                        struct weft_slice body)
{
    exchange->answer.status = status;
    int error = 0;
    if (content_type.size > 0) {
        error = weft_fields_add(&exchange->answer.fields, &exchange->arena, WEFT_SLICE("content-type"), content_type);
    }
    exchange->flows[WEFT_ANSWER].length = (int64_t)body.size;
    if (error == 0 && !weft_exchange_bodiless(exchange)) {
        error = weft_exchange_write(exchange, WEFT_ANSWER, body.data, body.size);
    }
    if (error < 0) {
        return error;
    }
    weft_exchange_begin_answer(exchange);
    weft_exchange_end(exchange, WEFT_ANSWER);
    return 0;
}

int weft_exchange_refuse(struct weft_exchange *exchange, const struct weft_refusal *refusal, int retry_s)
{
    char body[WEFT_REFUSAL_BODY_MAX];
    int size = weft_refusal_body(body, sizeof(body), refusal);
    if (size > 0 && retry_s > 0) {
        struct weft_slice seconds = weft_arena_print(&exchange->arena, "%d", retry_s);
        int error = !seconds.data ? WEFT_ERR_MEMORY
                                  : weft_fields_add(&exchange->answer.fields, &exchange->arena,
                                                    WEFT_SLICE("retry-after"), seconds);
        size = error < 0 ? error : size;
    }
    return size < 0 ? size
                    : weft_exchange_reply(exchange, refusal->status, WEFT_SLICE("application/json"),
                                          weft_slice(body, (size_t)size));
}
