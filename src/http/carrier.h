/* http/carrier.h - an HTTP connection as a byte machine, server or client side, h1 or h2.
 *
 * Bytes come in, exchanges come out, bytes go out. The owner (who has the socket, and TLS if there is any) feeds what
 * it received, then in the turn's flush asks for output until the socket takes no more. Time is turn->now.
 *
 * A carrier never calls its owner from inside a parser callback, and a wake from an exchange only marks it as touched.
 */
#ifndef WEFT_HTTP_CARRIER_H
#define WEFT_HTTP_CARRIER_H

#include "http/exchange.h"

struct weft_carrier;

/* What a carrier tells its owner. None of them may free the carrier. */
struct weft_carrier_owner {
    void *self;
    /* Server: a request's head is complete. The asker's end is the carrier's; the owner attaches a worker or leaves.
     * May be called several times from one _receive, never while a callback of a parser is on the stack. */
    void (*request)(void *self, struct weft_exchange *exchange);
    /* Server: a request was answered by the carrier itself, being malformed or over a limit (`status` 400..505, or 0
     * for an h2 connection or stream error that has no status). `why` is a fixed text, never content.
     * A server's owner always has it. A client's may leave it NULL: an h1 client never calls it, an h2 client for what
     * breaks HTTP/2. */
    void (*refused)(void *self, int status, const char *why);
    /* Output, wants or deadline may have changed: look at them in this turn's flush. */
    void (*touched)(void *self);
};

struct weft_carrier_options {
    struct weft_turn *turn; /* must outlive the carrier */
    struct weft_carrier_owner owner;
    struct weft_slice scheme; /* "http" or "https": what requests over this connection are; must outlive the carrier */
    size_t body_max;          /* request body; 0 means WEFT_HTTP_BODY_MAX */
    bool trusted;             /* an authenticated link: many resets are normal there */
};

/* On error *out is NULL. */
WEFT_MUST_USE int weft_h1_server_new(struct weft_carrier **out, const struct weft_carrier_options *options);
WEFT_MUST_USE int weft_h1_client_new(struct weft_carrier **out, const struct weft_carrier_options *options);
WEFT_MUST_USE int weft_h2_server_new(struct weft_carrier **out, const struct weft_carrier_options *options);
WEFT_MUST_USE int weft_h2_client_new(struct weft_carrier **out, const struct weft_carrier_options *options);

/* Aborts what is running (WEFT_ERR_CLOSED) and frees. NULL is fine. */
void weft_carrier_free(struct weft_carrier *carrier);

/* Bytes from the peer; all of them are consumed or kept. An error of the peer's is not an error here: the carrier
 * answers it and then wants to be closed. */
void weft_carrier_receive(struct weft_carrier *carrier, const char *data, size_t size);
/* The peer will send no more. A server takes it as a hang-up: exchanges that still wait for their answer's end are
 * cancelled; what is already answered in full is still sent. A client that only ended its sending side looks the same
 * (TCP's FIN is all there is of either); to tell them apart something would have to be written to each that hangs up.
 */
void weft_carrier_hangup(struct weft_carrier *carrier);

/* Moves what is ready to be sent to the end of `output`, stopping soon after it holds WEFT_HTTP_OUTPUT_HIGH. Called in
 * the flush. */
void weft_carrier_fill(struct weft_carrier *carrier, struct weft_bytes *output);

bool weft_carrier_wants_input(const struct weft_carrier *carrier);
/* Nothing more will come out after what was filled: flush, then close. */
bool weft_carrier_done(const struct weft_carrier *carrier);
/* It is done as memory ran out for the connection as a whole. Of h2 only: h1 tells its peer so, as any refusal. */
bool weft_carrier_starved(const struct weft_carrier *carrier);
/* How many exchanges run on it. */
size_t weft_carrier_running(const struct weft_carrier *carrier);
/* When _expire wants to be called, if nothing else happens before. A server's deadlines: head, idle, stalled body. A
 * client's: none but what its askers decide. */
weft_time weft_carrier_deadline(const struct weft_carrier *carrier);
void weft_carrier_expire(struct weft_carrier *carrier);
/* Finishes what is running, then closes. What the peer has asked before it can know that still comes as a request, to
 * be refused (h1: Connection: close, at the latest with that refusal; h2: GOAWAY, which refuses what comes after it).
 */
void weft_carrier_drain(struct weft_carrier *carrier);

/* h2: asks the peer for a sign of life; what comes is for the owner to see, as bytes that it receives. */
void weft_carrier_ping(struct weft_carrier *carrier);
/* h2: from now on its peer is trusted, as if `trusted` had been said at the beginning. */
void weft_carrier_trust(struct weft_carrier *carrier);

/* Client: can it carry one more exchange now? */
bool weft_carrier_can_ask(const struct weft_carrier *carrier);
/* Client: takes the worker's end of `exchange`, whose request head is complete (fields may hold nothing that frames).
 * On error the end is still the caller's. */
WEFT_MUST_USE int weft_carrier_ask(struct weft_carrier *carrier, struct weft_exchange *exchange);

/* -- for the carriers themselves -- */

struct weft_carrier_ops {
    void (*free)(struct weft_carrier *carrier);
    void (*receive)(struct weft_carrier *carrier, const char *data, size_t size);
    void (*hangup)(struct weft_carrier *carrier);
    void (*fill)(struct weft_carrier *carrier, struct weft_bytes *output);
    bool (*wants_input)(const struct weft_carrier *carrier);
    bool (*done)(const struct weft_carrier *carrier);
    size_t (*running)(const struct weft_carrier *carrier);
    weft_time (*deadline)(const struct weft_carrier *carrier);
    void (*expire)(struct weft_carrier *carrier);
    void (*drain)(struct weft_carrier *carrier);
    void (*ping)(struct weft_carrier *carrier); /* NULL for h1, as the next */
    void (*trust)(struct weft_carrier *carrier);
    bool (*can_ask)(const struct weft_carrier *carrier);                      /* NULL for servers */
    int (*ask)(struct weft_carrier *carrier, struct weft_exchange *exchange); /* NULL for servers */
};

/* The first member of every carrier. */
struct weft_carrier {
    const struct weft_carrier_ops *ops;
    struct weft_carrier_options options;
    bool starved; /* see weft_carrier_starved() */
};

#endif
