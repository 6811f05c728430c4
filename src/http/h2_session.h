/* http/h2_session.h - what the two sides of an h2 connection share: nghttp2, streams, bodies, windows and floods.
 *
 * nghttp2's callbacks only note what they learn, in streams and exchanges, and touch the stream. When nghttp2 has
 * returned, the touched streams are settled one by one: that is where anything is submitted, and the owner called.
 *
 * A body that comes in is written to its exchange whole; its stream's window is given back only as the reader takes
 * it. The connection's window is given back at once, until all streams together hold WEFT_H2_HELD_MAX: one slow reader
 * stops its own sender and nobody else's. */
#ifndef WEFT_HTTP_H2_SESSION_H
#define WEFT_HTTP_H2_SESSION_H

#include <nghttp2/nghttp2.h>

#include "http/carrier.h"
#include "http/limits.h"
#include "http/refusal.h"

#define WEFT_H2_HELD_MAX  ((size_t)4 * WEFT_HTTP_WINDOW) /* untaken body bytes: then the connection's window waits */
#define WEFT_H2_ACKS_MAX  64   /* PING and SETTINGS answers that the peer does not read: then ENHANCE_YOUR_CALM */
#define WEFT_H2_QUEUE_MAX 1024 /* frames that wait for the peer to read: then nothing more is read from it */
/* Reads that bring parts of CONTINUATION headers, for so nghttp2 counts: then ENHANCE_YOUR_CALM. A head of
 * WEFT_HTTP_HEAD_MAX is four continuations; each may come in pieces. */
#define WEFT_H2_CONTINUATIONS_MAX 64
#define WEFT_H2_HEAD_OUT_MAX      ((size_t)256 * 1024) /* a head we send, packed: then the stream is reset */
#define WEFT_H2_FIELD_OVERHEAD    ((size_t)32)         /* a field counts as its text and this (RFC 9113 6.5.2) */

struct weft_h2;

struct weft_h2_stream {
    struct weft_h2 *h2;
    struct weft_h2_stream *next, *previous; /* all of the connection's */
    struct weft_h2_stream *next_touched;
    struct weft_exchange *exchange;     /* our end of it; NULL once left */
    const struct weft_refusal *refusal; /* what is wrong with what came in, until that is dealt with */
    weft_time moved_at;                 /* when a body last moved, or began to wait for the peer */
    size_t held;                        /* body bytes that came in and were not taken when last looked */
    size_t head_size;                   /* of the field block that is coming in */
    uint32_t close_code;
    int32_t id;
    bool touched;
    bool head_in;      /* the peer's head is complete */
    bool shown;        /* the other end of the exchange is somebody else's */
    bool refused;      /* server: the exchange is our own error answer; what still comes in is dropped */
    bool continued;    /* server: 100 Continue was sent */
    bool submitted;    /* our head is with nghttp2 */
    bool deferred;     /* our body waits for its writer */
    bool trailers_due; /* our body is out, our trailers are not */
    bool sent_end;     /* END_STREAM was sent */
    bool lingers;      /* server: answered and left; what still comes in is dropped */
    bool unsendable;   /* nghttp2 could not send our head */
    bool closed;       /* nghttp2 knows the stream no more */
};

/* How a server and a client differ. */
struct weft_h2_side {
    enum weft_end end;     /* ours */
    enum weft_way in, out; /* bodies from and to the peer */
    int why;               /* what our end says when it leaves early */
    /* A pseudo field or a field of a head. 0, or WEFT_ERR_*: MEMORY fails the connection, another one the stream. */
    int (*field)(struct weft_h2_stream *stream, struct weft_slice name, struct weft_slice value);
    void (*head)(struct weft_h2_stream *stream); /* a head that is not trailers is complete; only notes */
    void (*settle)(struct weft_h2_stream *stream);
};

struct weft_h2 {
    struct weft_carrier carrier; /* first */
    const struct weft_h2_side *side;
    nghttp2_session *session;
    struct weft_h2_stream *streams;
    struct weft_h2_stream *touched, *touched_last;
    size_t stream_count;
    size_t running; /* streams that have an exchange */
    size_t body_max;
    size_t held;                   /* body bytes in all exchanges, not taken */
    size_t owed;                   /* of the connection's window, to be given back */
    uint64_t window_updates_spare; /* WINDOW_UPDATE frames that frames of ours have earned the peer */
    weft_time glitch_at;           /* glitches_left is counted up to here */
    int64_t glitches_left;
    unsigned complaints; /* errors of the peer that nghttp2 answered, not yet told to the owner */
    weft_time block_at;  /* a field block began, and is not complete; WEFT_NEVER if none */
    weft_time idle_at;   /* since when there is no stream */
    weft_time check_at;  /* when streams are looked through for bodies that do not move */
    weft_time started_at, closing_at;
    bool settings_in; /* the peer's first SETTINGS have come */
    bool calm;        /* too many glitches */
    bool lost;        /* nghttp2 has sent a GOAWAY for an error of the peer's */
    bool closing;     /* a GOAWAY that ends everything is on its way or out */
    bool draining;    /* what runs is finished, nothing new is taken */
    bool hung_up;
    bool failed; /* out of memory, or a bug: nghttp2 is not called any more */
};

/* How many streams such a connection carries at once. */
uint32_t weft_h2_streams_max(const struct weft_carrier_options *options);

/* Sets up nghttp2 for that side and queues our SETTINGS. On error there is nothing to undo. */
WEFT_MUST_USE int weft_h2_init(struct weft_h2 *h2, const struct weft_h2_side *side, const struct weft_carrier_ops *ops,
                               const struct weft_carrier_options *options);

/* A new stream in the connection's list; NULL if memory ran out. */
WEFT_MUST_USE struct weft_h2_stream *weft_h2_stream_new(struct weft_h2 *h2, int32_t id);
void weft_h2_stream_free(struct weft_h2_stream *stream);
/* Gives the stream an exchange, and takes our end of it. */
void weft_h2_carry(struct weft_h2_stream *stream, struct weft_exchange *exchange);
/* Leaves the exchange, if there is one still. */
void weft_h2_leave(struct weft_h2_stream *stream, int why);
/* Leaves it and resets the stream. */
void weft_h2_reset(struct weft_h2_stream *stream, uint32_t code, int why);
void weft_h2_touch(struct weft_h2_stream *stream);
/* Ends the connection with that code; `why` is a fixed text for the owner, or NULL if nobody is to blame. */
void weft_h2_terminate(struct weft_h2 *h2, uint32_t code, const char *why);
/* The connection is of no use any more. */
void weft_h2_fail(struct weft_h2 *h2);
/* As memory ran out. */
void weft_h2_starve(struct weft_h2 *h2);
/* True if `result` of an nghttp2 call is no error; else the connection has failed. */
bool weft_h2_ok(struct weft_h2 *h2, int result);

/* Settling, common to both sides: what the reader took is given back; what the writer wrote is sent. */
void weft_h2_settle_in(struct weft_h2_stream *stream);
void weft_h2_settle_out(struct weft_h2_stream *stream);

/* A head on its way out; nghttp2 copies what it is given. */
#define WEFT_H2_EXTRA_MAX 6 /* pseudo fields, content-length and expect, beside a full set of fields */
struct weft_h2_head {
    nghttp2_nv at[WEFT_HTTP_FIELDS_MAX + WEFT_H2_EXTRA_MAX];
    size_t count;
    char length[24];
};
void weft_h2_head_add(struct weft_h2_head *head, struct weft_slice name, struct weft_slice value);
/* All but those that frame: the carrier writes its own. */
void weft_h2_head_add_fields(struct weft_h2_head *head, const struct weft_fields *fields);
void weft_h2_head_add_length(struct weft_h2_head *head, int64_t length);

/* Digits, as nghttp2 let them through. */
int64_t weft_h2_length(struct weft_slice digits);

/* The parts of weft_carrier_ops that do not differ. */
void weft_h2_free(struct weft_carrier *carrier);
void weft_h2_receive(struct weft_carrier *carrier, const char *data, size_t size);
void weft_h2_fill(struct weft_carrier *carrier, struct weft_bytes *output);
bool weft_h2_wants_input(const struct weft_carrier *carrier);
bool weft_h2_done(const struct weft_carrier *carrier);
size_t weft_h2_running(const struct weft_carrier *carrier);
void weft_h2_drain(struct weft_carrier *carrier);
void weft_h2_ping(struct weft_carrier *carrier);
void weft_h2_trust(struct weft_carrier *carrier);

#endif
