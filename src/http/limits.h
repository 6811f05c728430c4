/* http/limits.h - every bound of an HTTP connection, and what happens there. */
#ifndef WEFT_HTTP_LIMITS_H
#define WEFT_HTTP_LIMITS_H

#include "base/types.h"

#define WEFT_HTTP_HEAD_MAX   ((size_t)64 * 1024)        /* start line and headers, or trailers: then 431 */
#define WEFT_HTTP_FIELDS_MAX 100                        /* headers in a head: then 431 */
#define WEFT_HTTP_TARGET_MAX ((size_t)8 * 1024)         /* request target: then 414 */
#define WEFT_HTTP_BODY_MAX   ((size_t)64 * 1024 * 1024) /* default of the setting: then 413 */
#define WEFT_HTTP_FLOW_HIGH  ((size_t)64 * 1024)        /* body bytes waiting in an exchange: then the writer waits */
#define WEFT_HTTP_FLOW_LOW   ((size_t)16 * 1024)        /* ... until no more than this is left */
#define WEFT_HTTP_OUTPUT_HIGH                                                                                          \
    ((size_t)64 * 1024)                    /* bytes waiting for a socket: then no exchange is drained into it          \
                                            */
#define WEFT_HTTP_WINDOW         (1 << 20) /* h2 flow-control window, stream and connection */
#define WEFT_HTTP_STREAMS_MAX    256       /* concurrent h2 streams: more are refused by the protocol */
#define WEFT_HTTP_LINK_STREAMS   1024      /* the same on a trusted link: its ends say more than the protocol can */
#define WEFT_HTTP_PIPELINE_MAX   ((size_t)64 * 1024) /* h1 bytes of later requests kept: then reading pauses */
#define WEFT_HTTP_CHUNK_LINE_MAX ((size_t)256)       /* an h1 chunk's size line with extensions: then 400 */
#define WEFT_HTTP_GLITCHES_BURST 1000 /* h2 frames that carry no progress: then GOAWAY ENHANCE_YOUR_CALM */
#define WEFT_HTTP_GLITCHES_PER_S 100

#define WEFT_HTTP_HEADER_TIMEOUT                                                                                       \
    (10 * WEFT_SECOND)                     /* from a head's first byte (or a connection's start) to its end: 408 */
#define WEFT_HTTP_LINGER (5 * WEFT_SECOND) /* the rest of a request whose answer is out: dropped, then reset (h2) */
#define WEFT_HTTP_DRAIN_GRACE                                                                                          \
    (250 * WEFT_MS) /* of an idle connection that drains: a request on its way still gets its answer */
/* Of bodies only the gap is bounded, not the rate: a stream may rightly be slow. What a peer that drips costs is one
 * connection, and their number has its own limit. */
#define WEFT_HTTP_IDLE_TIMEOUT (75 * WEFT_SECOND) /* no exchange, or a body or reader that does not move: closed */

#endif
