/* http/h1_guard.h - the strict check that stands before llhttp.
 *
 * llhttp 8.1 lets through what lets one reader see another request than the next one: a blank before a header's colon,
 * folded lines, a bare LF at a head's end, anything in the place of the LF after a chunk's size and of the CRLF after
 * its data, a request without Host. So no byte reaches it that the guard has not passed. The guard goes byte by byte,
 * refuses at the first byte that is wrong and never looks ahead: how the bytes were split on their way changes nothing.
 * It changes and keeps no byte. */
#ifndef WEFT_HTTP_H1_GUARD_H
#define WEFT_HTTP_H1_GUARD_H

#include "base/types.h"
#include "http/refusal.h"

#define WEFT_H1_METHOD_MAX 32 /* a method: then 501, for it is none we know */

/* -- heads and trailers -- */

enum weft_h1_kind {
    WEFT_H1_REQUEST,
    WEFT_H1_ANSWER,
    WEFT_H1_TRAILERS, /* no start line, and no field that frames, routes or authenticates */
};

/* A place in the input. The input may move while it grows, so it is no pointer. */
struct weft_h1_span {
    uint32_t at, size;
};

struct weft_h1_guard {
    int (*step)(struct weft_h1_guard *guard, struct weft_slice input); /* private: what comes next */
    const struct weft_refusal *why;                                    /* of the last refusal */
    uint32_t at;                                                       /* bytes passed */
    uint32_t mark;                                                     /* where the current piece began */
    uint32_t fields;
    struct weft_h1_span name;         /* of the current line */
    struct weft_h1_span target, host; /* request */
    int64_t length;                   /* Content-Length, or -1 */
    uint8_t kind;
    uint8_t minor;   /* HTTP/1.minor */
    bool has_host;   /* request */
    bool chunked;    /* Transfer-Encoding: chunked */
    bool begun;      /* something other than an empty line has come */
    uint16_t status; /* answer */
};

void weft_h1_guard_init(struct weft_h1_guard *guard, enum weft_h1_kind kind);

/* Goes on where it stopped; `input` begins where the head begins and is at least as long as the last time. Returns the
 * head's size when its end has come, 0 to wait for more, or WEFT_ERR_INVALID, with guard->why. */
WEFT_MUST_USE int weft_h1_guard_check(struct weft_h1_guard *guard, struct weft_slice input);

/* -- chunks -- */

struct weft_h1_chunks {
    int state; /* private */
    const struct weft_refusal *why;
    uint64_t left;  /* of the current chunk's data */
    uint64_t total; /* data announced so far */
    uint64_t max;   /* of the total; then `why` has status 413 */
    uint32_t line;  /* bytes of the current size line */
};

void weft_h1_chunks_init(struct weft_h1_chunks *chunks, uint64_t max);

/* How many bytes of `input` are fit for llhttp: all of them, or up to the end of the last chunk's line (then _over is
 * true, and trailers follow), or up to a bad byte. Where the first byte is bad: WEFT_ERR_INVALID or WEFT_ERR_TOO_LARGE
 * with chunks->why. So llhttp judges what comes before a bad byte, however the input is split. */
WEFT_MUST_USE int64_t weft_h1_chunks_check(struct weft_h1_chunks *chunks, struct weft_slice input);
bool weft_h1_chunks_over(const struct weft_h1_chunks *chunks);

/* Without blanks and tabs at its ends (RFC 9110 5.6.3). */
struct weft_slice weft_h1_trim(struct weft_slice text);

#endif
