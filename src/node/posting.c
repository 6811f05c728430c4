/* node/posting.c - a small record is posted over a link, and a small one comes back. */
#include "node/posting.h"

#include "base/error.h"

void weft_posting_stop(struct weft_posting *posting)
{
    if (posting->exchange) {
        weft_exchange_leave(posting->exchange, WEFT_ASKER, WEFT_ERR_CANCELLED);
        posting->exchange = NULL;
        weft_timer_clear(&posting->loop->timers, &posting->timer);
        weft_timers_release(&posting->loop->timers);
    }
}

static void end(struct weft_posting *posting, int status, struct weft_slice answer)
{
    weft_posting_stop(posting);
    posting->done(posting->self, status, answer);
}

/* A link that is alive ends no stream: whoever never answers would be waited for as long as it lives. */
static void on_timer(struct weft_timer *timer)
{
    end(WEFT_CONTAINER(timer, struct weft_posting, timer), WEFT_ERR_TIMEOUT, (struct weft_slice){0});
}

static void take(struct weft_posting *posting)
{
    char answer[WEFT_POSTING_ANSWER_MAX];
    struct weft_exchange *exchange = posting->exchange;
    struct weft_bytes *bytes = &exchange->flows[WEFT_ANSWER].bytes;
    int status = exchange->answer.status;
    size_t size = weft_bytes_tail(bytes, answer, bytes->size);
    weft_exchange_take(exchange, WEFT_ANSWER, size);
    end(posting, status, weft_slice(answer, size));
}

static void look(void *self, struct weft_exchange *exchange)
{
    struct weft_posting *posting = self;
    if (exchange->flows[WEFT_ANSWER].bytes.size > WEFT_POSTING_ANSWER_MAX) {
        end(posting, WEFT_ERR_TOO_LARGE, (struct weft_slice){0});
    } else if (exchange->answer_begun && exchange->flows[WEFT_ANSWER].ended) {
        take(posting);
    } else if (exchange->aborted[WEFT_WORKER]) {
        end(posting, exchange->aborted[WEFT_WORKER], (struct weft_slice){0});
    }
}

static int make_request(struct weft_exchange *exchange, struct weft_slice path, size_t size)
{
    exchange->request.method = WEFT_SLICE("POST");
    exchange->request.scheme = WEFT_SLICE("https");
    exchange->request.target = weft_arena_copy(&exchange->arena, path);
    exchange->flows[WEFT_REQUEST].length = (int64_t)size;
    return exchange->request.target.data ? weft_fields_add(&exchange->request.fields, &exchange->arena,
                                                           WEFT_SLICE("content-type"), WEFT_SLICE(WEFT_POSTING_TYPE))
                                         : WEFT_ERR_MEMORY;
}

int weft_posting_start(struct weft_posting *posting, struct weft_loop *loop, struct weft_link *link,
                       struct weft_slice path, struct weft_slice record, weft_posting_done *done, void *self)
{
    struct weft_exchange *exchange;
    int error = posting->exchange ? WEFT_ERR_BUSY : weft_timers_reserve(&loop->timers);
    if (error < 0) {
        return error;
    }
    error = weft_exchange_new(&exchange, &loop->turn);
    if (error < 0) {
        goto release_timer;
    }
    error = make_request(exchange, path, record.size);
    weft_exchange_attach(exchange, WEFT_ASKER, look, posting);
    if (error == 0) {
        error = weft_link_ask(link, exchange);
    }
    if (error < 0) {
        goto leave;
    }
    *posting = (struct weft_posting){.exchange = exchange, .done = done, .self = self, .loop = loop};
    weft_timer_init(&posting->timer, on_timer);
    weft_timer_set(&loop->timers, &posting->timer, loop->turn.now + WEFT_POSTING_TIME);
    error = weft_exchange_write(exchange, WEFT_REQUEST, record.data, record.size);
    if (error < 0) {
        weft_posting_stop(posting);
        return error;
    }
    weft_exchange_end(exchange, WEFT_REQUEST);
    return 0;

leave:
    weft_exchange_leave(exchange, WEFT_WORKER, error);
    weft_exchange_leave(exchange, WEFT_ASKER, error);
release_timer:
    weft_timers_release(&loop->timers);
    return error;
}
