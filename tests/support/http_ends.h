/* tests/support/http_ends.h - for tests: an asker that sends and checks a patterned body, a worker that echoes, and two
 * carriers back to back in memory, whose bytes travel in pieces of random size. */
#ifndef WEFT_TESTS_SUPPORT_HTTP_ENDS_H
#define WEFT_TESTS_SUPPORT_HTTP_ENDS_H

#include "base/assert.h"
#include "base/error.h"
#include "base/mem.h"
#include "http/carrier.h"

#include <stdlib.h>

#define ENDS_MAX 128 /* workers and askers of one pair */

static inline char ends_pattern(unsigned seed, uint64_t at)
{
    return (char)(at * 7 + at / 251 + seed);
}

/* -- the worker -- */

struct ends_worker {
    struct weft_exchange *exchange; /* NULL once left */
    struct ends_pair *pair;
    int left_with;    /* what the asker aborted with, if it did */
    uint64_t got;     /* request bytes taken */
    size_t take_most; /* per wake; 0: nothing is taken until it is raised */
    bool holds_answer;
};

/* -- the asker -- */

struct ends_asker {
    struct weft_exchange *exchange; /* NULL once left */
    unsigned seed;
    uint64_t to_send, sent, got;
    bool with_trailers;
    bool reads; /* takes what comes */
    bool complete, wrong;
    int status, failed_with;
    char trailer[32];
};

/* -- the pair -- */

struct ends_pair {
    struct weft_turn turn;
    struct weft_carrier *server, *client;
    struct weft_bytes to_server, to_client;
    bool server_blocked, client_blocked; /* that one's output is not fetched */
    uint32_t random;
    size_t piece_max;
    unsigned refused, last_status;
    const char *last_why;
    size_t workers_count;
    struct ends_worker workers[ENDS_MAX];
    void (*work)(void *self, struct weft_exchange *exchange); /* the workers' wake; ends_echo by default */
};

static inline void ends_worker_leave(struct ends_worker *worker, int why)
{
    struct weft_exchange *exchange = worker->exchange;
    worker->exchange = NULL;
    weft_exchange_leave(exchange, WEFT_WORKER, why);
}

/* Answers with the request's body and trailers, and its length if that is known. */
static inline void ends_echo(void *self, struct weft_exchange *exchange)
{
    struct ends_worker *worker = self;
    struct weft_flow *in = &exchange->flows[WEFT_REQUEST], *out = &exchange->flows[WEFT_ANSWER];
    if (exchange->aborted[WEFT_ASKER]) {
        worker->left_with = exchange->aborted[WEFT_ASKER];
        ends_worker_leave(worker, 0);
        return;
    }
    if (worker->holds_answer) {
        return;
    }
    int error = 0;
    if (!exchange->answer_begun) {
        weft_exchange_want_body(exchange);
        exchange->answer.status = 200;
        out->length = in->length;
        error = weft_fields_add(&exchange->answer.fields, &exchange->arena, WEFT_SLICE("content-type"),
                                WEFT_SLICE("application/octet-stream"));
        if (error == 0) {
            weft_exchange_begin_answer(exchange);
        }
    }
    while (error == 0 && in->bytes.size > 0 && worker->take_most > 0) {
        struct weft_slice front = weft_bytes_front(&in->bytes);
        size_t room = weft_exchange_room(exchange, WEFT_ANSWER);
        size_t size = front.size < room ? front.size : room;
        if (size > worker->take_most) {
            size = worker->take_most;
        }
        if (size == 0) {
            break;
        }
        error = weft_exchange_write(exchange, WEFT_ANSWER, front.data, size);
        if (error == 0) {
            worker->got += size;
            weft_exchange_take(exchange, WEFT_REQUEST, size);
        }
    }
    for (size_t i = 0; error == 0 && weft_exchange_drained(exchange, WEFT_REQUEST) && i < in->trailers.count; i++) {
        error = weft_fields_add(&out->trailers, &exchange->arena, in->trailers.at[i].name, in->trailers.at[i].value);
    }
    if (error < 0) {
        ends_worker_leave(worker, error);
    } else if (weft_exchange_drained(exchange, WEFT_REQUEST)) {
        weft_exchange_end(exchange, WEFT_ANSWER);
        ends_worker_leave(worker, 0);
    }
}

static inline void ends_request(void *self, struct weft_exchange *exchange)
{
    struct ends_pair *pair = self;
    WEFT_ASSERT(pair->workers_count < ENDS_MAX);
    struct ends_worker *worker = &pair->workers[pair->workers_count++];
    *worker = (struct ends_worker){.exchange = exchange, .pair = pair, .take_most = SIZE_MAX};
    weft_exchange_attach(exchange, WEFT_WORKER, pair->work, worker);
}

static inline void ends_refused(void *self, int status, const char *why)
{
    struct ends_pair *pair = self;
    pair->refused++;
    pair->last_status = (unsigned)status;
    pair->last_why = why;
}

static inline void ends_touched(void *self)
{
    (void)self; /* a pair is pumped until nothing moves */
}

static inline void ends_asker_wake(void *self, struct weft_exchange *exchange)
{
    struct ends_asker *asker = self;
    struct weft_flow *out = &exchange->flows[WEFT_REQUEST], *in = &exchange->flows[WEFT_ANSWER];
    char piece[1000];
    int error = in->ended ? 0 : exchange->aborted[WEFT_WORKER];
    while (error == 0 && asker->sent < asker->to_send && (!exchange->expects_continue || exchange->body_wanted)) {
        size_t room = weft_exchange_room(exchange, WEFT_REQUEST), size = sizeof(piece);
        size = size < room ? size : room;
        size = size < asker->to_send - asker->sent ? size : (size_t)(asker->to_send - asker->sent);
        if (size == 0) {
            break;
        }
        for (size_t i = 0; i < size; i++) {
            piece[i] = ends_pattern(asker->seed, asker->sent + i);
        }
        error = weft_exchange_write(exchange, WEFT_REQUEST, piece, size);
        asker->sent += error == 0 ? size : 0;
    }
    if (error == 0 && asker->sent == asker->to_send && !out->ended) {
        if (asker->with_trailers) {
            error = weft_fields_add(&out->trailers, &exchange->arena, WEFT_SLICE("x-sum"), WEFT_SLICE("42"));
        }
        if (error == 0) {
            weft_exchange_end(exchange, WEFT_REQUEST);
        }
    }
    asker->status = exchange->answer_begun ? exchange->answer.status : 0;
    while (asker->reads && in->bytes.size > 0) {
        struct weft_slice front = weft_bytes_front(&in->bytes);
        for (size_t i = 0; i < front.size && asker->to_send > 0; i++) {
            asker->wrong = asker->wrong || front.data[i] != ends_pattern(asker->seed, asker->got + i);
        }
        asker->got += front.size;
        weft_exchange_take(exchange, WEFT_ANSWER, front.size);
    }
    if (error == 0 && !weft_exchange_drained(exchange, WEFT_ANSWER)) {
        return;
    }
    struct weft_slice trailer = weft_fields_value(&in->trailers, "x-sum");
    if (trailer.size > 0 && trailer.size < sizeof(asker->trailer)) {
        memcpy(asker->trailer, trailer.data, trailer.size);
    }
    asker->complete = error == 0;
    asker->failed_with = error;
    asker->exchange = NULL;
    weft_exchange_leave(exchange, WEFT_ASKER, 0);
}

/* Fills in a request head; the asker's end is attached. NULL if memory ran out. */
static inline struct weft_exchange *ends_ask_new(struct ends_pair *pair, struct ends_asker *asker, const char *method)
{
    struct weft_exchange *exchange;
    if (weft_exchange_new(&exchange, &pair->turn) < 0) {
        return NULL;
    }
    asker->exchange = exchange;
    asker->reads = true;
    exchange->request.method = weft_slice_text(method);
    exchange->request.scheme = WEFT_SLICE("http");
    exchange->request.authority = WEFT_SLICE("localhost");
    exchange->request.target = WEFT_SLICE("/echo");
    weft_exchange_attach(exchange, WEFT_ASKER, ends_asker_wake, asker);
    return exchange;
}

/* Asks over the pair's client. False, with nothing left behind, if that failed. */
static inline bool ends_ask(struct ends_pair *pair, struct ends_asker *asker, const char *method)
{
    struct weft_exchange *exchange = ends_ask_new(pair, asker, method);
    if (!exchange) {
        return false;
    }
    if (asker->to_send == 0) {
        weft_exchange_end(exchange, WEFT_REQUEST);
    }
    if (weft_carrier_ask(pair->client, exchange) == 0) {
        return true;
    }
    weft_exchange_leave(exchange, WEFT_WORKER, WEFT_ERR_REFUSED);
    return false; /* the asker's wake clears up */
}

static inline uint32_t ends_random(struct ends_pair *pair)
{
    pair->random ^= pair->random << 13;
    pair->random ^= pair->random >> 17;
    pair->random ^= pair->random << 5;
    return pair->random;
}

/* Carries one piece of what `from` has to say to the other side. */
static inline bool ends_carry(struct ends_pair *pair, struct weft_carrier *from, struct weft_bytes *wire,
                              struct weft_carrier *to)
{
    weft_carrier_fill(from, wire);
    if (wire->size == 0) {
        return false;
    }
    struct weft_slice front = weft_bytes_front(wire);
    size_t size = 1 + ends_random(pair) % pair->piece_max;
    size = size < front.size ? size : front.size;
    char *piece = malloc(size); /* exact, so that ASan sees a byte read too far */
    WEFT_ASSERT(piece);
    memcpy(piece, front.data, size);
    weft_bytes_drop(wire, size);
    weft_carrier_receive(to, piece, size);
    free(piece);
    weft_turn_run(&pair->turn);
    return true;
}

/* Until nothing moves any more. */
static inline void ends_pump(struct ends_pair *pair)
{
    bool moved = true;
    while (moved) {
        weft_turn_run(&pair->turn);
        moved = !pair->client_blocked && ends_carry(pair, pair->client, &pair->to_server, pair->server);
        moved |= !pair->server_blocked && ends_carry(pair, pair->server, &pair->to_client, pair->client);
    }
}

/* -1 if memory ran out; nothing is left behind then. */
static inline int ends_pair_init(struct ends_pair *pair, uint32_t seed,
                                 int (*server_new)(struct weft_carrier **, const struct weft_carrier_options *),
                                 int (*client_new)(struct weft_carrier **, const struct weft_carrier_options *))
{
    *pair = (struct ends_pair){.random = seed | 1, .piece_max = 5000, .work = ends_echo};
    weft_turn_init(&pair->turn);
    weft_bytes_init(&pair->to_server);
    weft_bytes_init(&pair->to_client);
    struct weft_carrier_options options = {
        .turn = &pair->turn,
        .owner = {.self = pair, .request = ends_request, .refused = ends_refused, .touched = ends_touched},
        .scheme = WEFT_SLICE("http")};
    int error = server_new(&pair->server, &options);
    if (error == 0) {
        error = client_new(&pair->client, &options);
    }
    if (error < 0) {
        weft_carrier_free(pair->server);
    }
    return error;
}

static inline void ends_pair_deinit(struct ends_pair *pair)
{
    weft_carrier_free(pair->client);
    weft_carrier_free(pair->server);
    weft_turn_run(&pair->turn); /* the ends that are left learn of it, and leave */
    weft_bytes_deinit(&pair->to_server);
    weft_bytes_deinit(&pair->to_client);
    weft_bytes_trim();
}

#endif
