/* wire/sse.h - server-sent events: reading, writing, and knowing when a stream stands between two of them.
 *
 * The rules are those of the WHATWG HTML standard, section 9.2 ("Server-sent events"). Bytes are passed on as they are,
 * well-formed UTF-8 or not; `retry` is ignored, because nothing here reconnects. */
#ifndef WEFT_WIRE_SSE_H
#define WEFT_WIRE_SSE_H

#include "base/bytes.h"
#include "base/types.h"

#define WEFT_SSE_EVENT_MAX                                                                                             \
    ((size_t)1024 * 1024) /* an event's data and names, and one line: then WEFT_ERR_TOO_LARGE                          \
                           */

/* -- reading -- */

struct weft_sse_event {
    struct weft_slice type; /* empty where none is given: "message" then */
    struct weft_slice data; /* its lines, a newline between each two */
    struct weft_slice id;   /* the last id that the stream gave; empty at first */
};

/* Private to sse.c. */
struct weft_sse_text {
    char *data;
    size_t size, room;
};

struct weft_sse {
    struct weft_sse_text line, type, data, id;
    int error;
    bool begun;      /* the first line is through: a byte order mark is no longer one */
    bool after_cr;   /* a newline that comes now belongs to the last line's end */
    bool in_comment; /* the line is a comment: none of it is kept */
    bool has_data;   /* the event has a data line, if only an empty one */
    bool has_event;  /* the event was given out: cleared at the next call */
};

void weft_sse_init(struct weft_sse *sse);
void weft_sse_deinit(struct weft_sse *sse);

/* Reads on through *input and drops what was read from it. 1: *event is one whole event, valid until the next call;
 * call again. 0: the input is used up. An error is for good. What a stream leaves unfinished at its end is no event. */
WEFT_MUST_USE int weft_sse_next(struct weft_sse *sse, struct weft_slice *input, struct weft_sse_event *event);

/* -- writing -- */

/* Appends one event; an empty type is left out, a line break in the data begins a new data line. WEFT_ERR_INVALID if
 * the type holds a line break (nothing was written); after WEFT_ERR_MEMORY part of it may stand in `out`, and the
 * stream cannot go on. */
WEFT_MUST_USE int weft_sse_write(struct weft_bytes *out, struct weft_slice type, struct weft_slice data);

/* -- relaying -- */

/* Follows a stream that passes by, in constant time per call: its last bytes are all that matters. */
struct weft_sse_tail {
    char last[3];
};

void weft_sse_tail_init(struct weft_sse_tail *tail);
void weft_sse_tail_pass(struct weft_sse_tail *tail, struct weft_slice bytes);
/* Nothing has begun that an appended event would become part of: the stream ends with an empty line, or is empty.
 * (Behind a comment that no empty line follows it says no, to be safe.) */
bool weft_sse_tail_between(const struct weft_sse_tail *tail);

#endif
