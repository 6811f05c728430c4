/* tests/unit/http/h1_stage.h - an HTTP/1.x server carrier with a handler behind it and bytes before it, in one thread
 * and without a clock. The handler takes a request's whole body, then answers with what it was asked. */
#ifndef WEFT_TESTS_UNIT_HTTP_H1_STAGE_H
#define WEFT_TESTS_UNIT_HTTP_H1_STAGE_H

#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"
#include "base/error.h"
#include "base/mem.h"
#include "http/carrier.h"
#include "http/limits.h"

#define STAGE_ANSWERS_MAX 64
#define STAGE_TEXT_MAX    ((size_t)1 << 20)

struct stage {
    struct weft_turn turn;
    struct weft_carrier *carrier;
    struct weft_bytes output; /* filled, not yet taken by the socket */
    char *sent;               /* all that the socket took */
    size_t sent_size;
    size_t requests, refusals;
    int last_refusal;
    bool heads[STAGE_ANSWERS_MAX]; /* the nth request was a HEAD */

    /* What the handler does: by default it echoes. */
    void (*handle)(struct stage *stage, struct weft_exchange *exchange);
    struct weft_exchange *exchange; /* for handlers that hold one */
    int aborted;                    /* what they saw of the asker's end */
    unsigned wakes;                 /* how often they were woken */
};

static inline void stage_echo(void *self, struct weft_exchange *exchange)
{
    (void)self;
    if (exchange->aborted[WEFT_ASKER]) {
        weft_exchange_leave(exchange, WEFT_WORKER, 0);
        return;
    }
    weft_exchange_want_body(exchange);
    if (!exchange->flows[WEFT_REQUEST].ended) {
        if (weft_exchange_room(exchange, WEFT_REQUEST) == 0) {
            weft_exchange_take(exchange, WEFT_REQUEST, exchange->flows[WEFT_REQUEST].bytes.size);
        }
        return;
    }
    struct weft_slice line = weft_arena_print(
        &exchange->arena, "%.*s %.*s %.*s %zu %zu\n", (int)exchange->request.method.size, exchange->request.method.data,
        (int)exchange->request.authority.size, exchange->request.authority.data, (int)exchange->request.target.size,
        exchange->request.target.data, exchange->request.fields.count, exchange->flows[WEFT_REQUEST].trailers.count);
    int error = line.data ? 0 : WEFT_ERR_MEMORY;
    exchange->answer.status = 200;
    if (error == 0) {
        error = weft_fields_add(&exchange->answer.fields, &exchange->arena, WEFT_SLICE("content-type"),
                                WEFT_SLICE("text/plain"));
    }
    if (error == 0) {
        weft_exchange_begin_answer(exchange);
        error = weft_exchange_write(exchange, WEFT_ANSWER, line.data, line.size);
    }
    if (error == 0) {
        struct weft_bytes body = {0};
        (void)weft_exchange_take_all(exchange, WEFT_REQUEST, &body);
        error = weft_exchange_move(exchange, WEFT_ANSWER, &body);
        weft_bytes_deinit(&body);
    }
    if (error == 0) {
        weft_exchange_end(exchange, WEFT_ANSWER);
    }
    weft_exchange_leave(exchange, WEFT_WORKER, error);
}

static inline void stage_request(void *self, struct weft_exchange *exchange)
{
    struct stage *stage = self;
    WEFT_ASSERT(stage->requests < STAGE_ANSWERS_MAX);
    stage->heads[stage->requests++] = weft_slice_equal(exchange->request.method, WEFT_SLICE("HEAD"));
    if (stage->handle) {
        stage->handle(stage, exchange);
    } else {
        weft_exchange_attach(exchange, WEFT_WORKER, stage_echo, stage);
    }
}

static inline void stage_refused(void *self, int status, const char *why)
{
    struct stage *stage = self;
    WEFT_ASSERT(status >= 400 && status <= 505 && why);
    stage->refusals++;
    stage->last_refusal = status;
}

static inline void stage_touched(void *self)
{
    (void)self; /* the stage looks after every step anyway */
}

/* A handler that holds the exchange for the test to work on, and notes when the asker gives up. */
static inline void stage_hold_wake(void *self, struct weft_exchange *exchange)
{
    struct stage *stage = self;
    stage->aborted = exchange->aborted[WEFT_ASKER];
    stage->wakes++;
}

static inline void stage_hold(struct stage *stage, struct weft_exchange *exchange)
{
    stage->exchange = exchange;
    weft_exchange_attach(exchange, WEFT_WORKER, stage_hold_wake, stage);
}

/* 0, or an error of the carrier's birth. */
static inline int stage_open(struct stage *stage, size_t body_max)
{
    *stage = (struct stage){0};
    weft_turn_init(&stage->turn);
    stage->turn.now = 1000 * WEFT_SECOND;
    stage->sent = malloc(STAGE_TEXT_MAX);
    WEFT_ASSERT(stage->sent);
    struct weft_carrier_options options = {
        .turn = &stage->turn,
        .owner = {.self = stage, .request = stage_request, .refused = stage_refused, .touched = stage_touched},
        .scheme = WEFT_SLICE("http"),
        .body_max = body_max,
    };
    return weft_h1_server_new(&stage->carrier, &options);
}

static inline void stage_close(struct stage *stage)
{
    weft_carrier_free(stage->carrier);
    weft_turn_run(&stage->turn);
    weft_bytes_deinit(&stage->output);
    free(stage->sent);
}

/* Runs the turn and lets the socket take everything, until nothing moves any more. */
static inline void stage_settle(struct stage *stage)
{
    do {
        weft_turn_run(&stage->turn);
        weft_carrier_fill(stage->carrier, &stage->output);
        while (stage->output.size > 0) {
            WEFT_ASSERT(stage->output.size <= STAGE_TEXT_MAX - stage->sent_size);
            stage->sent_size +=
                weft_bytes_read(&stage->output, stage->sent + stage->sent_size, STAGE_TEXT_MAX - stage->sent_size);
            weft_carrier_fill(stage->carrier, &stage->output);
        }
    } while (stage->turn.work.first);
}

static inline void stage_receive(struct stage *stage, const char *data, size_t size)
{
    weft_carrier_receive(stage->carrier, data, size);
    stage_settle(stage);
}

static inline void stage_receive_text(struct stage *stage, const char *text)
{
    stage_receive(stage, text, strlen(text));
}

static inline uint32_t stage_random(uint32_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 17;
    *seed ^= *seed << 5;
    return *seed;
}

/* Sends it split: seed 0 whole, 1 byte by byte, else at random places. */
static inline void stage_receive_split(struct stage *stage, const char *data, size_t size, uint32_t seed)
{
    uint32_t state = seed;
    for (size_t at = 0; at < size;) {
        size_t part = seed == 0 ? size : seed == 1 ? 1 : 1 + stage_random(&state) % 97;
        if (part > size - at) {
            part = size - at;
        }
        /* A buffer of its own, exactly as long: reading past it is seen by the sanitizers. */
        char *copy = malloc(part);
        WEFT_ASSERT(copy);
        memcpy(copy, data + at, part);
        stage_receive(stage, copy, part);
        free(copy);
        at += part;
    }
}

/* -- reading what was sent -- */

struct stage_answer {
    int status;
    struct weft_slice head; /* from the status line to the empty line */
    struct weft_slice body; /* as framed */
    bool whole;
};

/* The value of a header in a head, or an empty slice with NULL data. */
static inline struct weft_slice stage_header(struct weft_slice head, const char *name)
{
    char wanted[64];
    (void)snprintf(wanted, sizeof(wanted), "\r\n%s: ", name);
    const char *at = memmem(head.data, head.size, wanted, strlen(wanted));
    if (!at) {
        return (struct weft_slice){0};
    }
    at += strlen(wanted);
    const char *end = memmem(at, (size_t)(head.data + head.size - at), "\r\n", 2);
    return weft_slice(at, (size_t)(end - at));
}

/* How long a chunked body is, or 0 if its end is not there. Our own output: its form is known. */
static inline size_t stage_chunked_size(struct weft_slice text)
{
    size_t at = 0;
    for (;;) {
        const char *line = memmem(text.data + at, text.size - at, "\r\n", 2);
        if (!line) {
            return 0;
        }
        size_t size = strtoul(text.data + at, NULL, 16);
        at = (size_t)(line - text.data) + 2;
        if (size == 0) {
            const char *end = memmem(text.data + at - 2, text.size - at + 2, "\r\n\r\n", 4);
            return end ? (size_t)(end - text.data) + 4 : 0;
        }
        if (at + size + 2 > text.size) {
            return 0;
        }
        at += size + 2;
    }
}

/* Splits what was sent into answers, 100 Continue left out. Returns how many; asserts that nothing else was sent. */
static inline size_t stage_answers(const struct stage *stage, struct stage_answer *answers)
{
    size_t count = 0, at = 0;
    while (at < stage->sent_size) {
        struct weft_slice rest = weft_slice(stage->sent + at, stage->sent_size - at);
        WEFT_ASSERT(rest.size > 12 && memcmp(rest.data, "HTTP/1.1 ", 9) == 0);
        const char *end = memmem(rest.data, rest.size, "\r\n\r\n", 4);
        WEFT_ASSERT(end && count < STAGE_ANSWERS_MAX);
        struct stage_answer answer = {.status = atoi(rest.data + 9),
                                      .head = weft_slice(rest.data, (size_t)(end - rest.data) + 4)};
        at += answer.head.size;
        if (answer.status == 100) {
            continue;
        }
        rest = weft_slice(rest.data + answer.head.size, rest.size - answer.head.size);
        struct weft_slice length = stage_header(answer.head, "content-length");
        bool none = (count < stage->requests && stage->heads[count]) || answer.status == 204 || answer.status == 304;
        size_t size = none                                                  ? 0
                      : length.data                                         ? strtoul(length.data, NULL, 10)
                      : stage_header(answer.head, "transfer-encoding").data ? stage_chunked_size(rest)
                                                                            : rest.size;
        answer.whole = size <= rest.size && (none || length.data || size > 0);
        answer.body = weft_slice(rest.data, size <= rest.size ? size : rest.size);
        at += answer.whole ? answer.body.size : rest.size;
        answers[count++] = answer;
    }
    return count;
}

#endif
