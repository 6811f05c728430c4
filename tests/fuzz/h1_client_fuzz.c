/* tests/fuzz/h1_client_fuzz.c - any bytes, split in any way, as the answers on a client carrier: it must never crash or
 * leak, and how the bytes are split must not change what the asker sees. Of the first three bytes two seed the splits,
 * and one chooses the request. */
#include "base/assert.h"
#include "base/error.h"
#include "base/mem.h"
#include "http/carrier.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What the asker saw. */
struct outcome {
    int status, aborted;
    size_t body, fields, trailers, ended;
};

struct ask {
    struct weft_turn turn;
    struct weft_carrier *carrier;
    struct weft_exchange *exchange;
    struct outcome outcome;
    uint8_t kind;
};

static void on_touched(void *self)
{
    (void)self; /* every step is looked after anyway */
}

static void on_wake(void *self, struct weft_exchange *exchange)
{
    struct ask *ask = self;
    size_t size = exchange->flows[WEFT_ANSWER].bytes.size;
    ask->outcome.body += size;
    weft_exchange_take(exchange, WEFT_ANSWER, size);
}

static void fill(struct ask *ask)
{
    struct weft_bytes output = {0};
    weft_turn_run(&ask->turn);
    weft_carrier_fill(ask->carrier, &output);
    weft_bytes_deinit(&output);
    weft_turn_run(&ask->turn);
}

static void start(struct ask *ask)
{
    struct weft_exchange *exchange;
    WEFT_ASSERT(weft_exchange_new(&exchange, &ask->turn) == 0);
    exchange->request.method = ask->kind & 1 ? WEFT_SLICE("HEAD") : WEFT_SLICE("POST");
    exchange->request.authority = WEFT_SLICE("a");
    exchange->request.target = WEFT_SLICE("/");
    exchange->expects_continue = (ask->kind & 2) != 0;
    weft_exchange_attach(exchange, WEFT_ASKER, on_wake, ask);
    if (!(ask->kind & 4)) {
        weft_exchange_end(exchange, WEFT_REQUEST);
    }
    ask->exchange = exchange;
    WEFT_ASSERT(weft_carrier_ask(ask->carrier, exchange) == 0);
    fill(ask);
}

static void leave(struct ask *ask)
{
    struct weft_exchange *exchange = ask->exchange;
    ask->outcome.status = exchange->answer_begun ? exchange->answer.status : 0;
    ask->outcome.aborted = exchange->aborted[WEFT_WORKER];
    ask->outcome.fields = exchange->answer.fields.count;
    ask->outcome.trailers = exchange->flows[WEFT_ANSWER].trailers.count;
    ask->outcome.ended = exchange->flows[WEFT_ANSWER].ended;
    if (ask->outcome.aborted) {
        ask->outcome.body = 0; /* how much came before the bad byte does depend on the split */
    }
    weft_exchange_leave(exchange, WEFT_ASKER, WEFT_ERR_CANCELLED);
}

static struct outcome run(const char *bytes, size_t size, uint32_t seed, uint8_t kind)
{
    struct ask ask = {.kind = kind};
    weft_turn_init(&ask.turn);
    struct weft_carrier_options options = {
        .turn = &ask.turn, .owner = {.self = &ask, .touched = on_touched}, .scheme = WEFT_SLICE("http")};
    WEFT_ASSERT(weft_h1_client_new(&ask.carrier, &options) == 0);
    start(&ask);
    for (size_t at = 0; at < size;) {
        seed = seed * 1664525u + 1013904223u;
        size_t part = 1 + (seed >> 16) % 29;
        part = part > size - at ? size - at : part;
        weft_carrier_receive(ask.carrier, bytes + at, part);
        fill(&ask);
        at += part;
    }
    weft_carrier_hangup(ask.carrier);
    fill(&ask);
    WEFT_ASSERT(weft_carrier_done(ask.carrier));
    leave(&ask);
    weft_carrier_free(ask.carrier);
    weft_turn_run(&ask.turn);
    return ask.outcome;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 3) {
        return 0;
    }
    const char *bytes = (const char *)data + 3;
    weft_bytes_trim();
    int64_t live = weft_mem_live();
    struct outcome one = run(bytes, size - 3, data[0], data[2]);
    struct outcome two = run(bytes, size - 3, 256u + data[1], data[2]);
    WEFT_ASSERT(memcmp(&one, &two, sizeof(one)) == 0);
    weft_bytes_trim();
    WEFT_ASSERT(weft_mem_live() == live);
    return 0;
}
