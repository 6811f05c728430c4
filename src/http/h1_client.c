/* http/h1_client.c - the client side of an HTTP/1.x connection: requests out, answers in, one at a time.
 *
 * The connection is used again only when both messages ended where they said they would; in every other case it is
 * done, and whoever asked last knows by the exchange what he got. */
#include "base/error.h"
#include "base/mem.h"
#include "http/carrier.h"
#include "http/h1_input.h"
#include "http/h1_read.h"
#include "http/h1_write.h"
#include "http/limits.h"
#include "http/target.h"

#define INTERIMS_MAX 16 /* 1xx answers before the final one: then the server is not sane */

/* RFC 9110 10.1.1: a server may not know Expect, so nobody waits for its 100 for good. */
#define CONTINUE_WAIT (1 * WEFT_SECOND)

struct client {
    struct weft_carrier carrier;
    struct weft_h1_reader reader;
    struct weft_h1_input kept;
    struct weft_exchange *exchange; /* the worker's end, or NULL */
    weft_time deadline;             /* of the wait for 100 Continue */
    unsigned interims;
    bool head_written; /* the request's */
    bool chunked;      /* the request */
    bool request_over; /* all of it is written */
    bool waits;        /* for 100 Continue, before the body */
    bool head_only;    /* a HEAD request */
    bool keep_alive;   /* after this answer */
    bool body_full;    /* the exchange has no room for more of the answer */
    bool draining;     /* takes no more requests */
    bool done;
};

static struct client *client_of(const struct weft_carrier *carrier)
{
    return WEFT_CONTAINER(carrier, struct client, carrier);
}

static void touch(struct client *client)
{
    client->carrier.options.owner.touched(client->carrier.options.owner.self);
}

/* -- the end of things -- */

static void leave(struct client *client, int why)
{
    if (client->exchange) {
        weft_exchange_leave(client->exchange, WEFT_WORKER, why);
        client->exchange = client->reader.exchange = NULL;
    }
    client->deadline = WEFT_NEVER;
}

/* The connection is of no more use; `why` is for whoever still waits for an answer. */
static void finish(struct client *client, int why)
{
    leave(client, why);
    weft_h1_input_clear(&client->kept);
    client->done = true;
}

static void answer_over(struct client *client)
{
    bool again = client->keep_alive && client->request_over && !client->draining;
    weft_exchange_end(client->exchange, WEFT_ANSWER);
    if (!again) {
        finish(client, 0);
        return;
    }
    leave(client, 0);
    client->body_full = false;
    weft_h1_reader_next(&client->reader);
}

/* -- answers -- */

static void release_body(struct client *client)
{
    client->waits = false;
    client->deadline = WEFT_NEVER;
    weft_exchange_want_body(client->exchange);
}

/* RFC 9110 15.2: nothing of an interim answer is passed on, but 100 lets the body go. */
static void skip_interim(struct client *client)
{
    if (client->reader.guard.status == 101 || ++client->interims > INTERIMS_MAX) {
        finish(client, WEFT_ERR_INVALID); /* we never asked to switch protocols */
        return;
    }
    if (client->reader.guard.status == 100 && client->waits) {
        release_body(client);
    }
    weft_h1_reader_next(&client->reader);
    client->reader.bodiless = client->head_only;
}

static int fill_answer(struct client *client, const struct weft_h1_head *head)
{
    struct weft_exchange *exchange = client->exchange;
    struct weft_h1_options options;
    char *rest;
    int error = weft_h1_options_read(&options, head);
    if (error == 0) {
        error = weft_h1_fields_copy(&exchange->answer.fields, &exchange->arena, head, &options, 0, &rest);
    }
    if (error < 0) {
        return error;
    }
    const struct weft_h1_guard *guard = &client->reader.guard;
    client->keep_alive = !options.close && (guard->minor > 0 || options.keep_alive);
    exchange->answer.status = guard->status;
    exchange->flows[WEFT_ANSWER].length = guard->length; /* -1 is WEFT_LENGTH_UNKNOWN */
    weft_exchange_begin_answer(exchange);
    return 0;
}

/* Each of these returns how much of `input` it used; 0 waits for more. */

static size_t read_head(struct client *client, struct weft_slice input)
{
    struct weft_h1_head head;
    const struct weft_refusal *why;
    int size = weft_h1_read_head(&client->reader, input, &head, &why);
    if (size < 0) {
        finish(client, WEFT_ERR_INVALID);
        return 0;
    }
    if (size == 0) {
        return 0;
    }
    if (client->reader.guard.status < 200) {
        skip_interim(client);
        return (size_t)size;
    }
    int error = fill_answer(client, &head);
    if (error < 0) {
        finish(client, error);
        return 0;
    }
    /* A final answer instead of 100: the body is not wanted, and so never sent. */
    client->deadline = WEFT_NEVER;
    if (client->reader.phase == WEFT_H1_OVER) {
        answer_over(client);
    } else {
        client->reader.exchange = client->exchange;
    }
    return (size_t)size;
}

static size_t read_body(struct client *client, struct weft_slice input)
{
    const struct weft_refusal *why;
    int64_t used = weft_h1_read_body(&client->reader, input, &why);
    if (used < 0) {
        finish(client, used == WEFT_ERR_MEMORY ? WEFT_ERR_MEMORY : WEFT_ERR_INVALID);
        return 0;
    }
    if (client->reader.phase == WEFT_H1_OVER) {
        answer_over(client);
    } else {
        client->body_full = weft_exchange_room(client->exchange, WEFT_ANSWER) == 0;
    }
    return (size_t)used;
}

/* Reads what can be read, and returns how much that was. Each round uses a byte at least. */
static size_t read_all(struct client *client, struct weft_slice input)
{
    size_t total = 0;
    while (total < input.size && !client->done) {
        if (!client->exchange || !client->head_written) {
            finish(client, WEFT_ERR_INVALID); /* an answer that nobody asked for */
            break;
        }
        struct weft_slice rest = weft_slice(input.data + total, input.size - total);
        size_t used = client->reader.phase == WEFT_H1_HEAD ? read_head(client, rest) : read_body(client, rest);
        if (used == 0) {
            break;
        }
        total += used;
    }
    return total;
}

static void client_receive(struct weft_carrier *carrier, const char *data, size_t size)
{
    struct client *client = client_of(carrier);
    struct weft_slice input = weft_slice(data, size);
    if (client->done) {
        return; /* whatever comes now has lost its meaning */
    }
    bool direct = weft_h1_input_view(&client->kept).size == 0;
    if (direct) {
        size_t used = read_all(client, input);
        input = weft_slice(data + used, size - used);
    }
    if (!client->done && weft_h1_input_append(&client->kept, input) < 0) {
        finish(client, WEFT_ERR_MEMORY);
    }
    if (!direct && !client->done) {
        size_t used = read_all(client, weft_h1_input_view(&client->kept));
        if (!client->done) {
            weft_h1_input_drop(&client->kept, used);
        }
    }
    touch(client);
}

static void client_hangup(struct weft_carrier *carrier)
{
    struct client *client = client_of(carrier);
    if (client->exchange && weft_h1_read_end(&client->reader)) {
        client->keep_alive = false;
        answer_over(client);
    } else {
        finish(client, WEFT_ERR_CLOSED);
    }
    touch(client);
}

/* -- requests -- */

static void wake(void *self, struct weft_exchange *exchange)
{
    struct client *client = self;
    if (exchange->aborted[WEFT_ASKER]) {
        finish(client, WEFT_ERR_CANCELLED); /* h1 can take nothing back but by closing */
    } else if (client->body_full) {
        client->body_full = weft_exchange_room(exchange, WEFT_ANSWER) == 0;
    }
    touch(client);
}

/* RFC 9110 8.6: where a method foresees no body, the absence of one needs no word. */
static bool foresees_body(struct weft_slice method)
{
    static const char *const without[] = {"GET", "HEAD", "DELETE", "OPTIONS", "TRACE"};
    for (size_t i = 0; i < WEFT_COUNT(without); i++) {
        if (weft_slice_equal(method, weft_slice_text(without[i]))) {
            return false;
        }
    }
    return true;
}

static int write_head(struct client *client, struct weft_bytes *output)
{
    struct weft_exchange *exchange = client->exchange;
    struct weft_flow *flow = &exchange->flows[WEFT_REQUEST];
    struct weft_h1_framing framing = {.length = flow->length, .connection = client->draining ? "close" : NULL};
    if (framing.length < 0 && flow->ended && flow->trailers.count == 0) {
        framing.length = (int64_t)flow->bytes.size; /* it is all here: no need for chunks */
    }
    framing.chunked = client->chunked = framing.length < 0;
    if (framing.length == 0 && !foresees_body(exchange->request.method)) {
        framing.length = -1;
    }
    framing.expects_continue = client->waits;
    client->head_written = true;
    if (client->waits) {
        client->deadline = client->carrier.options.turn->now + CONTINUE_WAIT;
    }
    return weft_h1_write_request(output, &exchange->request, &framing);
}

static void client_fill(struct weft_carrier *carrier, struct weft_bytes *output)
{
    struct client *client = client_of(carrier);
    if (!client->exchange || client->request_over || output->size >= WEFT_HTTP_OUTPUT_HIGH) {
        return;
    }
    int error = client->head_written ? 0 : write_head(client, output);
    if (error == 0 && !client->waits) {
        error = weft_h1_write_body(output, client->exchange, WEFT_REQUEST, client->chunked);
        client->request_over = error > 0;
    }
    if (error < 0) {
        finish(client, error); /* out of memory in the middle of a request: it can only be cut */
    }
}

static bool client_can_ask(const struct weft_carrier *carrier)
{
    const struct client *client = client_of(carrier);
    return !client->done && !client->draining && !client->exchange;
}

/* What goes into the request line has not passed weft_fields_add: it may hold nothing that ends the line. */
static bool is_writable(const struct weft_request_head *head)
{
    for (size_t i = 0; i < head->target.size; i++) {
        unsigned char c = (unsigned char)head->target.data[i];
        if (c <= ' ' || c >= 0x7f) {
            return false;
        }
    }
    return head->target.size > 0 && weft_token_valid(head->method) && weft_authority_valid(head->authority);
}

static int client_ask(struct weft_carrier *carrier, struct weft_exchange *exchange)
{
    struct client *client = client_of(carrier);
    if (!client_can_ask(carrier)) {
        return client->done ? WEFT_ERR_CLOSED : WEFT_ERR_FULL;
    }
    if (!is_writable(&exchange->request)) {
        return WEFT_ERR_INVALID;
    }
    client->exchange = exchange;
    client->interims = 0;
    client->head_written = client->request_over = client->keep_alive = client->body_full = false;
    client->head_only = client->reader.bodiless = weft_slice_equal(exchange->request.method, WEFT_SLICE("HEAD"));
    client->waits = exchange->expects_continue && !exchange->body_wanted;
    weft_exchange_attach(exchange, WEFT_WORKER, wake, client);
    if (!client->waits) {
        weft_exchange_want_body(exchange);
    }
    touch(client);
    return 0;
}

/* -- the rest of a carrier -- */

static bool client_wants_input(const struct weft_carrier *carrier)
{
    const struct client *client = client_of(carrier);
    return !client->done && !client->body_full;
}

static bool client_done(const struct weft_carrier *carrier)
{
    return client_of(carrier)->done;
}

static size_t client_running(const struct weft_carrier *carrier)
{
    return client_of(carrier)->exchange ? 1 : 0;
}

static weft_time client_deadline(const struct weft_carrier *carrier)
{
    return client_of(carrier)->deadline;
}

static void client_expire(struct weft_carrier *carrier)
{
    struct client *client = client_of(carrier);
    if (client->exchange && client->waits && client->deadline <= client->carrier.options.turn->now) {
        release_body(client);
        touch(client);
    }
}

static void client_drain(struct weft_carrier *carrier)
{
    struct client *client = client_of(carrier);
    client->draining = true;
    if (!client->exchange) {
        finish(client, 0);
    }
    touch(client);
}

static void client_free(struct weft_carrier *carrier)
{
    struct client *client = client_of(carrier);
    leave(client, WEFT_ERR_CLOSED);
    weft_h1_input_clear(&client->kept);
    weft_free(client);
}

static const struct weft_carrier_ops ops = {
    .free = client_free,
    .receive = client_receive,
    .hangup = client_hangup,
    .fill = client_fill,
    .wants_input = client_wants_input,
    .done = client_done,
    .running = client_running,
    .deadline = client_deadline,
    .expire = client_expire,
    .drain = client_drain,
    .can_ask = client_can_ask,
    .ask = client_ask,
};

int weft_h1_client_new(struct weft_carrier **out, const struct weft_carrier_options *options)
{
    struct client *client = weft_zalloc(sizeof(*client));
    *out = client ? &client->carrier : NULL;
    if (!client) {
        return WEFT_ERR_MEMORY;
    }
    client->carrier = (struct weft_carrier){.ops = &ops, .options = *options};
    weft_h1_reader_init(&client->reader, WEFT_H1_ANSWER, UINT64_MAX); /* an answer may be of any length */
    client->deadline = WEFT_NEVER;
    return 0;
}
