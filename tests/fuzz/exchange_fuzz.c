/* tests/fuzz/exchange_fuzz.c - writes, takes, ends, aborts and leaves by both ends, against a model of an exchange.
 *
 * Each input byte is one act: two bits choose end and way, the rest the act and its size. The model knows what was
 * written and taken, who left, and what the other end must have been told. */
#include "base/assert.h"
#include "base/error.h"
#include "base/mem.h"
#include "http/exchange.h"
#include "http/limits.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct model {
    struct weft_turn turn;
    struct weft_exchange *exchange;
    uint64_t written[2], taken[2];
    bool ended[2], cut[2]; /* by way: ended whole; ended short of its length */
    bool gone[2], told[2]; /* by end: left; woken since the other end last did something */
    int left_with[2];
    bool awaits[2]; /* by way: the writer asked for room and got none */
};

static void woken(struct model *model, enum weft_end end, const struct weft_exchange *exchange)
{
    WEFT_ASSERT(exchange == model->exchange && !model->gone[end]);
    model->told[end] = true;
}

static void wake_asker(void *self, struct weft_exchange *exchange)
{
    woken(self, WEFT_ASKER, exchange);
}

static void wake_worker(void *self, struct weft_exchange *exchange)
{
    woken(self, WEFT_WORKER, exchange);
}

static char pattern(enum weft_way way, uint64_t at)
{
    return (char)(at * 11 + at / 256 + (way == WEFT_ANSWER));
}

static bool may_write(const struct model *model, enum weft_way way)
{
    enum weft_end end = way == WEFT_REQUEST ? WEFT_ASKER : WEFT_WORKER;
    return !model->gone[end] && !model->ended[way] && !model->cut[way];
}

static void act_write(struct model *model, enum weft_way way, size_t size)
{
    char piece[8192];
    const struct weft_flow *flow = &model->exchange->flows[way];
    enum weft_end reader = way == WEFT_REQUEST ? WEFT_WORKER : WEFT_ASKER;
    if (flow->length >= 0 && size > (uint64_t)flow->length - model->written[way]) {
        size = (size_t)((uint64_t)flow->length - model->written[way]);
    }
    if (size > sizeof(piece)) {
        size = sizeof(piece);
    }
    for (size_t i = 0; i < size; i++) {
        piece[i] = pattern(way, model->written[way] + i);
    }
    int error = weft_exchange_write(model->exchange, way, piece, size);
    WEFT_ASSERT(error == (model->gone[reader] ? WEFT_ERR_CLOSED : 0));
    model->written[way] += error ? 0 : size;
}

static void act_take(struct model *model, enum weft_way way, size_t size)
{
    struct weft_flow *flow = &model->exchange->flows[way];
    struct weft_slice front = weft_bytes_front(&flow->bytes);
    if (size > front.size) {
        size = front.size;
    }
    for (size_t i = 0; i < size; i++) {
        WEFT_ASSERT(front.data[i] == pattern(way, model->taken[way] + i));
    }
    weft_exchange_take(model->exchange, way, size);
    model->taken[way] += size;
}

static void act_take_all(struct model *model, enum weft_way way)
{
    struct weft_bytes to;
    weft_bytes_init(&to);
    size_t size = weft_exchange_take_all(model->exchange, way, &to);
    WEFT_ASSERT(size == to.size && size == model->written[way] - model->taken[way]);
    model->taken[way] += size;
    weft_bytes_deinit(&to);
}

static void act_end(struct model *model, enum weft_way way)
{
    int64_t length = model->exchange->flows[way].length;
    weft_exchange_end(model->exchange, way);
    if (length >= 0 && model->written[way] < (uint64_t)length) {
        model->cut[way] = true;
    } else {
        model->ended[way] = true;
    }
}

/* False once both ends have left. */
static bool act_leave(struct model *model, enum weft_end end)
{
    enum weft_end other = end == WEFT_ASKER ? WEFT_WORKER : WEFT_ASKER;
    enum weft_way says = end == WEFT_ASKER ? WEFT_REQUEST : WEFT_ANSWER;
    bool heard = model->ended[WEFT_ANSWER] && model->written[WEFT_ANSWER] == model->taken[WEFT_ANSWER];
    bool complete = model->ended[says] && (end == WEFT_WORKER || heard);
    weft_exchange_leave(model->exchange, end, WEFT_ERR_CANCELLED);
    model->gone[end] = true;
    if (model->gone[other]) {
        return false;
    }
    int why = model->exchange->aborted[end];
    WEFT_ASSERT(why == (model->cut[says] ? WEFT_ERR_CLOSED : complete ? 0 : WEFT_ERR_CANCELLED));
    model->told[other] = false;
    weft_turn_run(&model->turn);
    WEFT_ASSERT(model->told[other]);
    return true;
}

/* A writer that was told there is no room is woken once enough is taken. */
static void check_room(struct model *model, enum weft_way way)
{
    enum weft_end writer = way == WEFT_REQUEST ? WEFT_ASKER : WEFT_WORKER;
    if (model->awaits[way] && model->exchange->flows[way].bytes.size <= WEFT_HTTP_FLOW_LOW && !model->gone[writer]) {
        WEFT_ASSERT(model->told[writer]);
        model->awaits[way] = false;
    }
}

static bool act(struct model *model, uint8_t byte)
{
    enum weft_way way = (byte & 1) ? WEFT_ANSWER : WEFT_REQUEST;
    enum weft_end writer = way == WEFT_REQUEST ? WEFT_ASKER : WEFT_WORKER;
    enum weft_end reader = way == WEFT_REQUEST ? WEFT_WORKER : WEFT_ASKER;
    size_t size = (size_t)1 << (byte >> 4);
    switch (byte >> 1 & 7) {
    case 0:
    case 1:
        if (may_write(model, way)) {
            act_write(model, way, size);
        }
        break;
    case 2:
        if (!model->gone[reader]) {
            act_take(model, way, size);
        }
        break;
    case 3:
        if (!model->gone[reader]) {
            act_take_all(model, way);
        }
        break;
    case 4:
        if (may_write(model, way) && size > 1000) {
            act_end(model, way);
        }
        break;
    case 5:
        if (may_write(model, way)) {
            size_t room = weft_exchange_room(model->exchange, way);
            uint64_t held = model->written[way] - model->taken[way];
            WEFT_ASSERT(room == (held < WEFT_HTTP_FLOW_HIGH ? WEFT_HTTP_FLOW_HIGH - held : 0));
            model->awaits[way] = room == 0;
            model->told[writer] = room > 0 && model->told[writer];
        }
        break;
    case 6:
        if (!model->gone[writer] && size > 4000) {
            return act_leave(model, writer);
        }
        break;
    default:
        if (!model->gone[WEFT_WORKER]) {
            weft_exchange_want_body(model->exchange);
        }
    }
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct model model = {0};
    if (size < 4) {
        return 0;
    }
    weft_turn_init(&model.turn);
    WEFT_ASSERT(weft_exchange_new(&model.exchange, &model.turn) == 0);
    for (int way = 0; way < 2; way++) {
        if (data[way] & 1) {
            model.exchange->flows[way].length = (int64_t)data[way] * data[2 + way];
        }
    }
    weft_exchange_attach(model.exchange, WEFT_ASKER, wake_asker, &model);
    weft_exchange_attach(model.exchange, WEFT_WORKER, wake_worker, &model);
    bool lives = true;
    for (size_t i = 4; i < size && lives; i++) {
        lives = act(&model, data[i]);
        for (int way = 0; way < 2 && lives; way++) {
            const struct weft_flow *flow = &model.exchange->flows[way];
            weft_turn_run(&model.turn);
            check_room(&model, (enum weft_way)way);
            WEFT_ASSERT(flow->bytes.size == model.written[way] - model.taken[way]);
            WEFT_ASSERT(flow->written == model.written[way] && flow->ended == model.ended[way]);
        }
    }
    for (int end = 0; end < 2 && lives; end++) {
        lives = model.gone[end] || act_leave(&model, (enum weft_end)end);
    }
    weft_turn_run(&model.turn);
    weft_bytes_trim();
    WEFT_ASSERT(weft_mem_live() == 0);
    return 0;
}
