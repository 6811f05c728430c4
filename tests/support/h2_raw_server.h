/* tests/support/h2_raw_server.h - for tests: one h2 server whose client is written byte by byte.
 *
 * Its workers do nothing by themselves but leave when the asker has. Include cmocka.h first. */
#ifndef WEFT_TESTS_SUPPORT_H2_RAW_SERVER_H
#define WEFT_TESTS_SUPPORT_H2_RAW_SERVER_H

#include "support/h2_frames.h"
#include "support/http_ends.h"

#define WHOLE         (END_STREAM | END_HEADERS)
#define GET           ":method=GET\n:scheme=http\n:path=/\n:authority=localhost\n"
#define POST          ":method=POST\n:scheme=http\n:path=/\n:authority=localhost\n"
#define TEXT(literal) literal, sizeof(literal) - 1

static struct ends_pair pair; /* its server and its workers */
static struct h2_heard heard;
static struct weft_bytes wire;

static inline void on_wake(void *self, struct weft_exchange *exchange)
{
    struct ends_worker *worker = self;
    if (exchange->aborted[WEFT_ASKER]) {
        worker->left_with = exchange->aborted[WEFT_ASKER];
        ends_worker_leave(worker, 0);
    }
}

static inline void start(bool trusted, size_t body_max)
{
    pair = (struct ends_pair){.work = on_wake};
    weft_turn_init(&pair.turn);
    weft_bytes_init(&wire);
    h2_heard_init(&heard);
    struct weft_carrier_options options = {
        .turn = &pair.turn,
        .owner = {.self = &pair, .request = ends_request, .refused = ends_refused, .touched = ends_touched},
        .scheme = WEFT_SLICE("https"),
        .body_max = body_max,
        .trusted = trusted};
    assert_int_equal(weft_h2_server_new(&pair.server, &options), 0);
}

/* Delivers what was written to `wire`, and hears what comes back. */
static inline void go(void)
{
    char piece[4096];
    while (wire.size > 0) {
        size_t size = weft_bytes_read(&wire, piece, sizeof(piece));
        weft_carrier_receive(pair.server, piece, size);
    }
    for (int i = 0; i < 3; i++) {
        struct weft_bytes output;
        weft_bytes_init(&output);
        weft_turn_run(&pair.turn);
        weft_carrier_fill(pair.server, &output);
        h2_hear(&heard, &output);
    }
}

static inline void greet(void)
{
    h2_append(&wire, TEXT(H2_MAGIC));
    h2_frame(&wire, NGHTTP2_SETTINGS, 0, 0, "", 0);
    go();
}

static inline void set_up(void)
{
    start(false, 0);
    greet();
    assert_int_equal(heard.settings, 1);
}

static inline void tear_down(void)
{
    weft_carrier_free(pair.server);
    weft_turn_run(&pair.turn);
    for (size_t i = 0; i < pair.workers_count; i++) {
        if (pair.workers[i].exchange) {
            ends_worker_leave(&pair.workers[i], 0);
        }
    }
    weft_bytes_deinit(&wire);
    h2_heard_deinit(&heard);
    weft_bytes_trim();
    assert_int_equal(weft_mem_live(), 0);
}

static inline struct weft_exchange *ask(unsigned flags, uint32_t id, const char *lines, size_t size)
{
    size_t before = pair.workers_count;
    h2_headers(&wire, flags, id, lines, size);
    go();
    return pair.workers_count > before ? pair.workers[before].exchange : NULL;
}

static inline void data(unsigned flags, uint32_t id, const char *bytes, size_t size)
{
    h2_frame(&wire, NGHTTP2_DATA, flags, id, bytes, size);
    go();
}

static inline void pass(weft_time time)
{
    pair.turn.now += time;
    weft_carrier_expire(pair.server);
    go();
}

static inline void begin(struct weft_exchange *exchange, int status)
{
    exchange->answer.status = status;
    weft_exchange_begin_answer(exchange);
}

#endif
