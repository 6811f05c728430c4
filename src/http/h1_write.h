/* http/h1_write.h - HTTP/1.x messages as they go out: heads, bodies and trailers.
 *
 * Everything is appended to an output queue in as few pieces as will do. An error is WEFT_ERR_MEMORY, and then part of
 * the message may be in the output: the connection can only be cut. */
#ifndef WEFT_HTTP_H1_WRITE_H
#define WEFT_HTTP_H1_WRITE_H

#include "http/exchange.h"
#include "http/refusal.h"

/* What the carrier says about framing and the connection, after the fields that the exchange has. */
struct weft_h1_framing {
    int64_t length;         /* Content-Length, or -1 for none */
    bool chunked;           /* Transfer-Encoding: chunked */
    const char *connection; /* Connection, or NULL */
    bool expects_continue;  /* Expect: 100-continue (requests) */
};

WEFT_MUST_USE int weft_h1_write_answer(struct weft_bytes *output, const struct weft_answer_head *head,
                                       const struct weft_h1_framing *framing);
WEFT_MUST_USE int weft_h1_write_request(struct weft_bytes *output, const struct weft_request_head *head,
                                        const struct weft_h1_framing *framing);

/* Moves what the body has to the output, as one chunk where `chunked`. When the writer has ended and everything is
 * taken it closes the chunks with the trailers, and returns 1; else 0, or an error. */
WEFT_MUST_USE int weft_h1_write_body(struct weft_bytes *output, struct weft_exchange *exchange, enum weft_way way,
                                     bool chunked);

WEFT_MUST_USE int weft_h1_write_continue(struct weft_bytes *output);
/* A whole answer of the carrier's own. `bodiless` leaves the body out (HEAD). */
WEFT_MUST_USE int weft_h1_write_refusal(struct weft_bytes *output, const struct weft_refusal *refusal, bool close,
                                        bool bodiless);

#endif
