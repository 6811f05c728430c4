/* node/loop.h - what every part of a node shares: the port to the world, this turn's work, and who wants to be
 * called when. */
#ifndef WEFT_NODE_LOOP_H
#define WEFT_NODE_LOOP_H

#include "base/timers.h"
#include "base/turn.h"
#include "host/host.h"

struct weft_loop {
    struct weft_host *host;
    struct weft_turn turn;
    struct weft_timers timers;
};

#endif
