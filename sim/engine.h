/* sim/engine.h - a scripted upstream: what it does is said in the target of each request.
 *
 * It is built on Weft's own server side, so that it speaks HTTP/1.1 and HTTP/2; peers that break the protocol are
 * raw.h's. Targets end in `?do=WHAT&n=N`:
 *   answer  a JSON answer in one piece (the default)
 *   echo    the request's body, streamed back as it comes
 *   events  N server-sent events, one every few milliseconds, and "[DONE]"
 *   bytes   N KiB of a body with a length, as fast as it is taken
 *   cut     N events, then the exchange is given up
 *   die     N events, then its connection breaks, and with it whatever else runs there
 *   stall   N events, then nothing, until whoever asks gives up
 *   silent  no answer at all, until whoever asks gives up
 *   early   an answer at once, while the body is still coming */
#ifndef WEFT_SIM_ENGINE_H
#define WEFT_SIM_ENGINE_H

#include "node/connection.h"
#include "sim/world.h"

#define WEFT_ENGINE_EVENT    "data: {\"choices\":[{\"delta\":{\"content\":\"word\"}}]}\n\n"
#define WEFT_ENGINE_DONE     "data: [DONE]\n\n"
#define WEFT_ENGINE_HEAD_MAX 2048

struct weft_engine {
    struct weft_loop loop;
    struct weft_world *world;
    struct weft_listener *listener;
    struct weft_connection *connections;
    size_t connection_count, connections_ever;
    size_t asked, answered, cancelled, cut, running;
    uint64_t body_bytes;             /* of requests */
    char head[WEFT_ENGINE_HEAD_MAX]; /* of the last request: "METHOD TARGET AUTHORITY\nname: value\n..." */
};

void weft_engine_start(struct weft_engine *engine, struct weft_world *world, struct weft_host *host,
                       const char *address);
void weft_engine_end(struct weft_engine *engine);
/* Breaks every connection now. */
void weft_engine_break(struct weft_engine *engine);

#endif
