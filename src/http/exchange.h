/* http/exchange.h - one request and its streamed answer, whatever carries it.
 *
 * An exchange has two ends. The ASKER puts the request in and takes the answer out; the WORKER does the reverse.
 * An HTTP server connection is an asker (for the client behind it), an HTTP client connection is a worker (for the
 * server behind it), a handler is a worker, a relay is the worker of one exchange and the asker of another. No end
 * learns what the other one is.
 *
 * Ends are told by a wake, from the turn, never from inside a call: something changed, look. A wake says
 * nothing more, and several changes may share one. An end may leave at any time from anywhere; whoever is
 * left is woken and finds `aborted`. The exchange goes when both have left. */
#ifndef WEFT_HTTP_EXCHANGE_H
#define WEFT_HTTP_EXCHANGE_H

#include "base/arena.h"
#include "base/bytes.h"
#include "base/turn.h"
#include "base/types.h"
#include "http/refusal.h"

/* -- heads -- */

struct weft_field {
    struct weft_slice name; /* lower case */
    struct weft_slice value;
};

struct weft_fields {
    struct weft_field *at;
    size_t count, room;
};

/* Copies name (lowered) and value. WEFT_ERR_TOO_LARGE past WEFT_HTTP_FIELDS_MAX, WEFT_ERR_INVALID for a name that is no
 * token or a value with a control character: what goes out is checked here, once, for all carriers. */
WEFT_MUST_USE int weft_fields_add(struct weft_fields *fields, struct weft_arena *arena, struct weft_slice name,
                                  struct weft_slice value);
/* The first field of that (lower case) name, or NULL. */
const struct weft_field *weft_fields_find(const struct weft_fields *fields, const char *name);
/* Its value, or an empty slice with NULL data. */
struct weft_slice weft_fields_value(const struct weft_fields *fields, const char *name);
size_t weft_fields_count(const struct weft_fields *fields, const char *name);

/* The pieces of that check, for whoever parses. _lower gives the lower-case letter, or 0 if `c` is none of a token's.
 */
char weft_token_lower(char c);
bool weft_token_valid(struct weft_slice token);
bool weft_field_value_valid(struct weft_slice value);
/* Is the field about the framing or the connection, and so in no exchange? `name` may have any case. */
bool weft_field_is_framing(struct weft_slice name);
/* May the field come after a body? `name` may have any case. */
bool weft_field_may_trail(struct weft_slice name);

/* What is said before a body. Framing is not in it: carriers take Host, Content-Length, Transfer-Encoding, Connection
 * (and what it names), Keep-Alive, Proxy-Connection, TE, Trailer, Upgrade and Expect out of what they read, and write
 * their own. The strings live in the exchange's arena. */
struct weft_request_head {
    struct weft_slice method;    /* "GET" */
    struct weft_slice scheme;    /* "http" or "https" */
    struct weft_slice authority; /* Host or :authority */
    struct weft_slice target;    /* origin form "/path?query", or "*" for OPTIONS */
    struct weft_fields fields;
};

struct weft_answer_head {
    int status; /* 200..599; 0 until set */
    struct weft_fields fields;
};

/* -- bodies -- */

#define WEFT_LENGTH_UNKNOWN ((int64_t)-1)

enum weft_way { WEFT_REQUEST, WEFT_ANSWER };

/* One direction of an exchange. Read what you like; change it through the functions only. */
struct weft_flow {
    int64_t length;          /* declared body length, or WEFT_LENGTH_UNKNOWN */
    struct weft_bytes bytes; /* written, not yet taken */
    struct weft_fields trailers;
    bool ended;        /* the writer has written everything, trailers too */
    uint64_t written;  /* bytes so far */
    size_t wake_below; /* the writer waits until fewer bytes than this are left; 0: it does not wait */
};

/* -- the exchange -- */

enum weft_end { WEFT_ASKER, WEFT_WORKER };

struct weft_exchange {
    struct weft_arena arena; /* lives as long as the exchange */
    struct weft_request_head request;
    struct weft_answer_head answer;
    bool answer_begun;         /* the answer's head is final and may be sent */
    bool body_wanted;          /* the worker wants the request's body: 100 Continue may be sent */
    bool expects_continue;     /* the asker holds the body back until body_wanted or an answer */
    bool endless;              /* see weft_exchange_want_stream() */
    struct weft_flow flows[2]; /* by enum weft_way */
    int aborted[2];            /* by enum weft_end: why that end gave up (WEFT_ERR_*), or 0 */

    /* private to exchange.c */
    struct weft_turn *turn;
    struct {
        struct weft_task task;
        void (*wake)(void *self, struct weft_exchange *exchange);
        void *self;
        bool gone;
    } ends[2];
};

/* A new exchange with neither end attached; `turn` must outlive it. On error *out is NULL. */
WEFT_MUST_USE int weft_exchange_new(struct weft_exchange **out, struct weft_turn *turn);

/* Takes an end: from now on `wake(self, exchange)` is called after every change the other end makes. Taking an end
 * again hands it to somebody else. A fresh worker is woken once at the start. */
void weft_exchange_attach(struct weft_exchange *exchange, enum weft_end end,
                          void (*wake)(void *self, struct weft_exchange *exchange), void *self);

/* Leaves for good: no wake comes any more and the exchange must not be touched again. An end that leaves before its
 * side is complete aborts with `why` (WEFT_ERR_CANCELLED for an asker that has lost interest); 0 is for a clean leave,
 * and becomes WEFT_ERR_CLOSED when something was still to come. A worker that has ended its answer never aborts, though
 * it may leave a body unread. An end that was never attached must be left too. */
void weft_exchange_leave(struct weft_exchange *exchange, enum weft_end end, int why);

/* Appends to a body. WEFT_ERR_MEMORY if there is none (nothing was appended), WEFT_ERR_CLOSED if the reader has gone.
 * It never says "full": a writer that can wait asks _room first. Past a declared length it is the writer's error:
 * asserted. After _end likewise. */
WEFT_MUST_USE int weft_exchange_write(struct weft_exchange *exchange, enum weft_way way, const void *data, size_t size);
/* Moves all of `from` into the body, without copying. */
WEFT_MUST_USE int weft_exchange_move(struct weft_exchange *exchange, enum weft_way way, struct weft_bytes *from);
/* How much the writer should write now; 0 arms a wake for when there is room again. */
size_t weft_exchange_room(struct weft_exchange *exchange, enum weft_way way);
/* Arms that wake without asking for room: a writer with a flow control of its own wants to know of every drain. */
void weft_exchange_await_room(struct weft_exchange *exchange, enum weft_way way);
/* Nothing more will be written (trailers are added to flow.trailers before). Ending short of a declared length is an
 * abort by that end (WEFT_ERR_CLOSED), but for answers that have no body by rule: to HEAD, and 204 and 304. */
void weft_exchange_end(struct weft_exchange *exchange, enum weft_way way);

/* The reader drops `size` bytes from the front of flows[way].bytes, having used them. */
void weft_exchange_take(struct weft_exchange *exchange, enum weft_way way, size_t size);
/* The reader takes everything there is into `to`, without copying. Returns how much. */
size_t weft_exchange_take_all(struct weft_exchange *exchange, enum weft_way way, struct weft_bytes *to);
/* All written and all taken. */
bool weft_exchange_drained(const struct weft_exchange *exchange, enum weft_way way);

/* Worker: "I want the request's body" (lets a waiting client send it). */
void weft_exchange_want_body(struct weft_exchange *exchange);
/* Worker: the same of a body that goes on for as long as both like: no bound counts but that of what waits. */
void weft_exchange_want_stream(struct weft_exchange *exchange);
/* Worker: the answer's head is complete: status, fields and flows[WEFT_ANSWER].length are set. */
void weft_exchange_begin_answer(struct weft_exchange *exchange);
/* Does this answer have no body by rule, whatever its length says: to HEAD, and with status 204 or 304? */
bool weft_exchange_bodiless(const struct weft_exchange *exchange);
/* Worker: begins and ends an answer in one call. `body` is copied; type may be empty. */
WEFT_MUST_USE int weft_exchange_reply(struct weft_exchange *exchange, int status, struct weft_slice content_type,
                                      struct weft_slice body);

/* Worker: likewise, with an error answer; it says to try again after `retry_s` seconds, if that is not 0. */
WEFT_MUST_USE int weft_exchange_refuse(struct weft_exchange *exchange, const struct weft_refusal *refusal, int retry_s);

#endif
