/* http/h1_read.h - HTTP/1.x messages as they come in: the guard first, then llhttp, then an exchange.
 *
 * A reader takes one message after the other out of contiguous input. What it did not take is kept by its owner and
 * offered again, with more behind it. A head and a trailer section are taken as a whole, bodies as they come. */
#ifndef WEFT_HTTP_H1_READ_H
#define WEFT_HTTP_H1_READ_H

#include <llhttp/llhttp.h>

#include "http/exchange.h"
#include "http/h1_guard.h"
#include "http/limits.h"

/* A head as it lies in the input: nothing is copied, and it holds as long as the input does. */
struct weft_h1_head {
    struct weft_slice method; /* request */
    struct weft_slice target; /* request */
    struct weft_field fields[WEFT_HTTP_FIELDS_MAX];
    size_t count;
};

enum weft_h1_phase {
    WEFT_H1_HEAD,     /* waits for a head, or is in one */
    WEFT_H1_BODY,     /* the rest of a body of known length, chunks, or all until the connection's end */
    WEFT_H1_TRAILING, /* behind the last chunk */
    WEFT_H1_OVER,     /* the message is complete; _next goes on */
};

struct weft_h1_reader {
    llhttp_t parser;
    struct weft_h1_guard guard;
    struct weft_h1_chunks chunks;
    enum weft_h1_phase phase;
    enum weft_h1_kind kind;
    uint64_t body_max;

    struct weft_h1_head *head;      /* where llhttp's callbacks note fields; set during a call only */
    struct weft_exchange *exchange; /* where the body goes; NULL: nowhere */
    int error;                      /* of a write to it */
    bool bodiless;                  /* the next answer has no body, whatever its head says (HEAD) */
    bool complete;                  /* llhttp has seen the message's end */
};

/* Chunks may announce `body_max` bytes in all. */
void weft_h1_reader_init(struct weft_h1_reader *reader, enum weft_h1_kind kind, uint64_t body_max);
/* Ready for the next message; set `exchange`, and `bodiless` if need be, when it has come. */
void weft_h1_reader_next(struct weft_h1_reader *reader);

/* The head at the front of `input`: its size, and *head; 0 to wait for more; or WEFT_ERR_INVALID and *why. Afterwards
 * guard.length and guard.chunked say how the body is framed, and the phase is _BODY or _OVER. */
WEFT_MUST_USE int weft_h1_read_head(struct weft_h1_reader *reader, struct weft_slice input, struct weft_h1_head *head,
                                    const struct weft_refusal **why);

/* After a head: takes body and trailers from the front of `input` into the exchange, and returns how many bytes; less
 * than all when a trailer section is not complete, or the message is.
 * WEFT_ERR_INVALID or WEFT_ERR_TOO_LARGE with *why, or WEFT_ERR_MEMORY. */
WEFT_MUST_USE int64_t weft_h1_read_body(struct weft_h1_reader *reader, struct weft_slice input,
                                        const struct weft_refusal **why);

/* The connection has ended: is the message complete by that? */
bool weft_h1_read_end(struct weft_h1_reader *reader);

/* -- what Connection says -- */

#define WEFT_H1_OPTIONS_MAX 16 /* names in Connection besides close and keep-alive: then the head is invalid */

struct weft_h1_options {
    bool close, keep_alive;
    struct weft_slice names[WEFT_H1_OPTIONS_MAX]; /* fields that are for this connection only */
    size_t count;
};

/* WEFT_ERR_INVALID past WEFT_H1_OPTIONS_MAX. */
WEFT_MUST_USE int weft_h1_options_read(struct weft_h1_options *options, const struct weft_h1_head *head);

/* Copies what is neither framing nor named by Connection, in one block of the arena; `extra` bytes more are left at
 * the block's end, in *rest. */
WEFT_MUST_USE int weft_h1_fields_copy(struct weft_fields *to, struct weft_arena *arena, const struct weft_h1_head *head,
                                      const struct weft_h1_options *options, size_t extra, char **rest);

#endif
