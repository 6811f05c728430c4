/* node/segments.h - which nodes wrote which parts of an answer.
 *
 * Pure. A segment is the tokens that attempts at one peer contributed, counted over all choices; an attempt that
 * brought none is none. */
#ifndef WEFT_NODE_SEGMENTS_H
#define WEFT_NODE_SEGMENTS_H

#include "node/peers.h"

#define WEFT_SEGMENTS_MAX 33 /* one for each attempt of a delivery; past it the last one takes the rest */

struct weft_segment {
    struct weft_key peer;
    enum weft_peer_path path;
    size_t from, to; /* tokens; the second is not in it */
};

struct weft_segments {
    size_t count;
    struct weft_segment at[WEFT_SEGMENTS_MAX];
};

/* An attempt begins behind so many tokens. */
void weft_segments_begin(struct weft_segments *segments, const struct weft_key *peer, enum weft_peer_path path,
                         size_t tokens);
/* The answer is so long now. */
void weft_segments_reach(struct weft_segments *segments, size_t tokens);
/* Appends [{"peer":"…","path":"direct","from":0,"to":37},…]. */
WEFT_MUST_USE int weft_segments_write(const struct weft_segments *segments, struct weft_bytes *out);

#endif
