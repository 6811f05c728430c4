/* http/h1_server.c - the server side of an HTTP/1.x connection: requests in, answers out, in order.
 *
 * One exchange at a time. Input behind the current request is kept, up to a bound, until its answer is out; then a task
 * goes on with it, so that the owner never hears of a request from inside _fill. */
#include "base/assert.h"
#include "base/error.h"
#include "base/mem.h"
#include "http/carrier.h"
#include "http/h1_input.h"
#include "http/h1_read.h"
#include "http/h1_request.h"
#include "http/h1_write.h"
#include "http/limits.h"

/* What is left of a request's body when its answer is out already: read and dropped up to here, so that the connection
 * can be used again; for more than this it is closed. */
#define DRAIN_MAX ((size_t)64 * 1024)

#define R(name, status, code, why) static const struct weft_refusal name = {status, code, why}
R(head_timeout, 408, "request_timeout", "The request's head did not come in time.");
R(body_timeout, 408, "request_timeout", "The request's body stopped coming.");
#undef R

struct server {
    struct weft_carrier carrier;
    struct weft_task resume; /* goes on with kept input */
    struct weft_h1_reader reader;
    struct weft_h1_input kept;
    struct weft_exchange *exchange; /* the asker's end, or NULL */
    struct weft_refusal refusal;    /* the carrier's own answer, to be written if `refusing` */
    weft_time deadline;
    size_t dropped;      /* of a body that nobody wants any more */
    bool keep_alive;     /* after the current answer */
    bool old;            /* HTTP/1.0: no chunks, no 100 Continue */
    bool head_only;      /* a HEAD request */
    bool body_come;      /* some of the request's body is here */
    bool body_full;      /* the exchange has no room for more of it */
    bool head_written;   /* the answer's */
    bool chunked;        /* the answer */
    bool continue_wrote; /* 100 Continue is out */
    bool draining;       /* the owner takes no more requests */
    bool hung_up;        /* the peer sends no more */
    bool refusing;
    bool done;
};

static struct server *server_of(const struct weft_carrier *carrier)
{
    return WEFT_CONTAINER(carrier, struct server, carrier);
}

static weft_time from_now(const struct server *server, weft_time span)
{
    return server->carrier.options.turn->now + span;
}

static void touch(struct server *server)
{
    server->carrier.options.owner.touched(server->carrier.options.owner.self);
}

/* -- the end of things -- */

static void leave(struct server *server, int why)
{
    if (server->exchange) {
        weft_exchange_leave(server->exchange, WEFT_ASKER, why);
        server->exchange = server->reader.exchange = NULL;
    }
}

/* Nothing more is read, and nothing more written. */
static void finish(struct server *server)
{
    leave(server, WEFT_ERR_CLOSED);
    weft_h1_input_clear(&server->kept);
    server->deadline = WEFT_NEVER;
    server->refusing = false;
    server->done = true;
}

/* Nothing more is read; one answer of the carrier's own goes out if there can still be one. */
static void refuse(struct server *server, const struct weft_refusal *why, int error)
{
    bool answered = server->head_written;
    leave(server, error);
    finish(server);
    if (!answered) {
        server->refusal = *why;
        server->refusing = true;
        server->done = false;
    }
    server->carrier.options.owner.refused(server->carrier.options.owner.self, why->status, why->why);
}

/* -- requests -- */

static void wake(void *self, struct weft_exchange *exchange)
{
    struct server *server = self;
    if (server->body_full && weft_exchange_room(exchange, WEFT_REQUEST) > 0) {
        server->body_full = false;
        server->deadline = from_now(server, WEFT_HTTP_IDLE_TIMEOUT);
    }
    touch(server);
}

/* After a change to the body: is there room, and how long may the next piece take? */
static void watch_body(struct server *server)
{
    struct weft_exchange *exchange = server->exchange;
    bool waits = exchange && exchange->expects_continue && !server->continue_wrote && !server->body_come;
    server->body_full = exchange && weft_exchange_room(exchange, WEFT_REQUEST) == 0;
    server->deadline = server->body_full || waits ? WEFT_NEVER : from_now(server, WEFT_HTTP_IDLE_TIMEOUT);
}

static void body_over(struct server *server)
{
    server->body_full = false;
    server->deadline = WEFT_NEVER;
    if (server->exchange) {
        weft_exchange_end(server->exchange, WEFT_REQUEST);
    }
}

/* A request that has been read and found fit becomes an exchange. */
static void begin(struct server *server, const struct weft_h1_request *request)
{
    struct weft_carrier_options *options = &server->carrier.options;
    struct weft_exchange *exchange;
    server->keep_alive = request->keep_alive && !server->draining;
    server->old = server->reader.guard.minor == 0;
    server->head_only = weft_slice_equal(request->head->method, WEFT_SLICE("HEAD"));
    server->body_come = server->continue_wrote = false;
    if (weft_exchange_new(&exchange, options->turn) < 0) {
        refuse(server, weft_refusal_for_error(WEFT_ERR_MEMORY), 0);
        return;
    }
    weft_exchange_attach(exchange, WEFT_ASKER, wake, server);
    server->exchange = exchange;
    if (weft_h1_request_fill(exchange, request, options->scheme) < 0) {
        weft_exchange_leave(exchange, WEFT_WORKER, WEFT_ERR_MEMORY);
        refuse(server, weft_refusal_for_error(WEFT_ERR_MEMORY), WEFT_ERR_MEMORY);
        return;
    }
    if (server->reader.phase == WEFT_H1_OVER) {
        body_over(server);
    } else {
        server->reader.exchange = exchange;
        watch_body(server);
    }
    options->owner.request(options->owner.self, exchange);
}

/* Each of these returns how much of `input` it used; 0 waits for more, or for something else to happen. */

static size_t read_head(struct server *server, struct weft_slice input)
{
    struct weft_h1_head head;
    const struct weft_refusal *why = NULL;
    bool begun = server->reader.guard.at > 0;
    int size = weft_h1_read_head(&server->reader, input, &head, &why);
    if (size == 0) {
        if (!begun) {
            server->deadline = from_now(server, WEFT_HTTP_HEADER_TIMEOUT);
        }
        return 0;
    }
    struct weft_h1_request request;
    struct weft_refusal refusal;
    server->head_only = false;
    if (size > 0 && weft_h1_request_read(&request, &server->reader.guard, input, &head, &refusal) < 0) {
        why = &refusal;
    } else if (size > 0 && request.length > 0 && (uint64_t)request.length > server->reader.body_max) {
        why = weft_refusal_for_error(WEFT_ERR_TOO_LARGE);
    }
    if (why) {
        refuse(server, why, 0);
        return 0;
    }
    WEFT_ASSERT(size > 0); /* a head that is not fit always comes with its reason */
    begin(server, &request);
    return (size_t)size;
}

static size_t read_body(struct server *server, struct weft_slice input)
{
    const struct weft_refusal *why = NULL;
    int64_t used = weft_h1_read_body(&server->reader, input, &why);
    if (used < 0) {
        refuse(server, why ? why : weft_refusal_for_error((int)used), (int)used);
        return 0;
    }
    server->body_come = server->body_come || used > 0;
    if (server->reader.phase == WEFT_H1_OVER) {
        body_over(server);
    } else {
        watch_body(server);
    }
    return (size_t)used;
}

static void next_request(struct server *server)
{
    weft_h1_reader_next(&server->reader);
    server->head_written = server->chunked = false;
    server->dropped = 0;
    server->deadline = from_now(server, server->draining ? WEFT_HTTP_DRAIN_GRACE : WEFT_HTTP_IDLE_TIMEOUT);
}

/* The body of a request whose answer is out. */
static size_t drop_body(struct server *server, struct weft_slice input)
{
    size_t used = read_body(server, input);
    server->dropped += used;
    if (server->dropped > DRAIN_MAX) {
        finish(server);
    } else if (server->reader.phase == WEFT_H1_OVER) {
        next_request(server);
    }
    return used;
}

static size_t read_some(struct server *server, struct weft_slice input)
{
    switch (server->reader.phase) {
    case WEFT_H1_HEAD:
        return read_head(server, input);
    case WEFT_H1_BODY:
    case WEFT_H1_TRAILING:
        return server->exchange ? read_body(server, input) : drop_body(server, input);
    case WEFT_H1_OVER:
        break; /* the next request waits for this one's answer */
    }
    return 0;
}

static bool is_ending(const struct server *server)
{
    return server->done || server->refusing;
}

/* Reads what can be read, and returns how much that was. Each round uses a byte at least. */
static size_t read_all(struct server *server, struct weft_slice input)
{
    size_t total = 0;
    while (total < input.size && !is_ending(server)) {
        size_t used = read_some(server, weft_slice(input.data + total, input.size - total));
        if (used == 0) {
            break;
        }
        total += used;
    }
    return total;
}

static void read_kept(struct server *server)
{
    size_t used = read_all(server, weft_h1_input_view(&server->kept));
    if (!is_ending(server)) {
        weft_h1_input_drop(&server->kept, used);
    }
}

static void resume(struct weft_task *task)
{
    struct server *server = WEFT_CONTAINER(task, struct server, resume);
    if (!is_ending(server)) {
        read_kept(server);
        touch(server);
    }
}

static void server_receive(struct weft_carrier *carrier, const char *data, size_t size)
{
    struct server *server = server_of(carrier);
    struct weft_slice input = weft_slice(data, size);
    if (is_ending(server) || server->hung_up) {
        return; /* whatever comes now has lost its meaning */
    }
    bool direct = weft_h1_input_view(&server->kept).size == 0;
    if (direct) {
        size_t used = read_all(server, input);
        input = weft_slice(data + used, size - used);
    }
    if (!is_ending(server) && weft_h1_input_append(&server->kept, input) < 0) {
        refuse(server, weft_refusal_for_error(WEFT_ERR_MEMORY), WEFT_ERR_MEMORY);
    }
    if (!direct && !is_ending(server)) {
        read_kept(server);
    }
    touch(server);
}

static void server_hangup(struct weft_carrier *carrier)
{
    struct server *server = server_of(carrier);
    server->hung_up = true;
    server->keep_alive = false;
    if (server->exchange && server->exchange->flows[WEFT_ANSWER].ended) {
        weft_h1_input_clear(&server->kept);
        server->deadline = WEFT_NEVER;
    } else if (!server->refusing) {
        leave(server, WEFT_ERR_CANCELLED);
        finish(server);
    }
    touch(server);
}

/* -- answers -- */

/* The answer is out, or as much of it as there will ever be. */
static void answered(struct server *server)
{
    leave(server, 0);
    bool over = server->reader.phase == WEFT_H1_OVER;
    bool unread = !over && (server->draining || server->reader.guard.length > (int64_t)DRAIN_MAX);
    if (!server->keep_alive || unread) {
        finish(server);
        return;
    }
    if (over) {
        next_request(server);
    } else {
        watch_body(server);
    }
    if (weft_h1_input_view(&server->kept).size > 0) {
        weft_turn_add(server->carrier.options.turn, &server->resume);
    }
}

/* The worker gave up. A client that has seen nothing gets an answer; one that has seen part of one sees the connection
 * cut short of the last chunk, or of the length. */
static int give_up(struct server *server, struct weft_bytes *output)
{
    if (server->head_written) {
        finish(server);
        return 0;
    }
    bool close = !server->keep_alive || server->draining || server->reader.phase != WEFT_H1_OVER;
    int error = weft_h1_write_refusal(output, weft_refusal_for_error(server->exchange->aborted[WEFT_WORKER]), close,
                                      server->head_only);
    if (error == 0) {
        server->keep_alive = !close;
        answered(server);
    }
    return error;
}

static int write_head(struct server *server, struct weft_bytes *output)
{
    struct weft_exchange *exchange = server->exchange;
    struct weft_flow *flow = &exchange->flows[WEFT_ANSWER];
    struct weft_h1_framing framing = {.length = flow->length};
    bool bodiless = weft_exchange_bodiless(exchange);
    if (framing.length < 0 && !bodiless && flow->ended && flow->trailers.count == 0) {
        framing.length = (int64_t)flow->bytes.size; /* it is all here: no need for chunks */
    }
    bool no_length = exchange->answer.status == 204; /* RFC 9110 8.6 */
    server->chunked = framing.length < 0 && !server->old && !no_length && exchange->answer.status != 304;
    if (framing.length < 0 && server->old && !bodiless) {
        server->keep_alive = false; /* its end is the connection's */
    }
    if (no_length) {
        framing.length = -1;
    }
    if (exchange->expects_continue && !server->continue_wrote && !server->body_come) {
        server->keep_alive = false; /* the body may come or not: RFC 9110 10.1.1 */
    }
    server->keep_alive = server->keep_alive && !server->draining;
    framing.chunked = server->chunked;
    framing.connection = !server->keep_alive ? "close" : server->old ? "keep-alive" : NULL;
    server->head_written = true;
    return weft_h1_write_answer(output, &exchange->answer, &framing);
}

/* Writes what the answer has: 0, or an error. */
static int write_answer(struct server *server, struct weft_bytes *output)
{
    struct weft_exchange *exchange = server->exchange;
    /* A worker that said everything and then left without hearing everything has not failed. */
    bool aborted = exchange->aborted[WEFT_WORKER] != 0 && !exchange->flows[WEFT_ANSWER].ended;
    if (exchange->body_wanted && exchange->expects_continue && !exchange->answer_begun && !aborted &&
        !server->continue_wrote && !server->body_come) {
        server->continue_wrote = true;
        watch_body(server);
        return weft_h1_write_continue(output);
    }
    if (aborted && !server->head_written) {
        return give_up(server, output);
    }
    if (!exchange->answer_begun || output->size >= WEFT_HTTP_OUTPUT_HIGH) {
        return 0;
    }
    int error = server->head_written ? 0 : write_head(server, output);
    if (error < 0) {
        return error;
    }
    int over;
    if (weft_exchange_bodiless(exchange)) {
        weft_exchange_take(exchange, WEFT_ANSWER, exchange->flows[WEFT_ANSWER].bytes.size);
        over = exchange->flows[WEFT_ANSWER].ended;
    } else {
        over = weft_h1_write_body(output, exchange, WEFT_ANSWER, server->chunked);
    }
    if (over > 0) {
        answered(server);
    } else if (over == 0 && aborted) {
        return give_up(server, output); /* what it had written before is delivered */
    }
    return over < 0 ? over : 0;
}

static void server_fill(struct weft_carrier *carrier, struct weft_bytes *output)
{
    struct server *server = server_of(carrier);
    int error = 0;
    if (server->exchange) {
        error = write_answer(server, output);
    }
    if (error == 0 && server->refusing) {
        error = weft_h1_write_refusal(output, &server->refusal, true, server->head_only);
        finish(server);
    }
    if (error < 0) {
        finish(server); /* out of memory in the middle of an answer: it can only be cut */
    }
}

/* -- the rest of a carrier -- */

static bool server_wants_input(const struct weft_carrier *carrier)
{
    const struct server *server = server_of(carrier);
    size_t kept = weft_h1_input_view(&server->kept).size;
    bool waiting = server->exchange && server->reader.phase == WEFT_H1_OVER;
    return !is_ending(server) && !server->hung_up && !server->body_full && !(waiting && kept >= WEFT_HTTP_PIPELINE_MAX);
}

static bool server_done(const struct weft_carrier *carrier)
{
    return server_of(carrier)->done;
}

static size_t server_running(const struct weft_carrier *carrier)
{
    return server_of(carrier)->exchange ? 1 : 0;
}

static weft_time server_deadline(const struct weft_carrier *carrier)
{
    return server_of(carrier)->deadline;
}

static void server_expire(struct weft_carrier *carrier)
{
    struct server *server = server_of(carrier);
    if (server->deadline > server->carrier.options.turn->now) {
        return;
    }
    if (server->exchange) {
        refuse(server, &body_timeout, WEFT_ERR_TIMEOUT);
    } else if (server->reader.phase == WEFT_H1_HEAD && server->reader.guard.begun) {
        refuse(server, &head_timeout, 0);
    } else {
        finish(server); /* it was idle, or its answer is out already */
    }
    touch(server);
}

static void server_drain(struct weft_carrier *carrier)
{
    struct server *server = server_of(carrier);
    server->draining = true;
    if (!server->exchange && !is_ending(server) && server->reader.phase != WEFT_H1_HEAD) {
        finish(server); /* its answer is out: nobody needs the rest of the request */
    } else if (!server->exchange && !is_ending(server) && !server->reader.guard.begun) {
        server->deadline = from_now(server, WEFT_HTTP_DRAIN_GRACE);
    }
    touch(server);
}

static void server_free(struct weft_carrier *carrier)
{
    struct server *server = server_of(carrier);
    leave(server, WEFT_ERR_CLOSED);
    weft_task_remove(&server->resume);
    weft_h1_input_clear(&server->kept);
    weft_free(server);
}

static const struct weft_carrier_ops ops = {
    .free = server_free,
    .receive = server_receive,
    .hangup = server_hangup,
    .fill = server_fill,
    .wants_input = server_wants_input,
    .done = server_done,
    .running = server_running,
    .deadline = server_deadline,
    .expire = server_expire,
    .drain = server_drain,
};

int weft_h1_server_new(struct weft_carrier **out, const struct weft_carrier_options *options)
{
    WEFT_ASSERT(options->owner.refused);
    struct server *server = weft_zalloc(sizeof(*server));
    *out = server ? &server->carrier : NULL;
    if (!server) {
        return WEFT_ERR_MEMORY;
    }
    server->carrier = (struct weft_carrier){.ops = &ops, .options = *options};
    weft_task_init(&server->resume, resume);
    weft_h1_reader_init(&server->reader, WEFT_H1_REQUEST, options->body_max ? options->body_max : WEFT_HTTP_BODY_MAX);
    server->deadline = from_now(server, WEFT_HTTP_HEADER_TIMEOUT);
    return 0;
}
