/* sim/filter.h - what stands in TLS's place on the links of simulated nodes: bytes go as they are, but each end proves
 * its key, and what was spoiled on its way is noticed. Nothing in it is random, so a seed replays byte for byte. */
#ifndef WEFT_SIM_FILTER_H
#define WEFT_SIM_FILTER_H

#include "crypto/filter.h"

extern const struct weft_link_security weft_world_security;

/* For a caller without a key, who wants HTTP/2 or HTTP/1.1. */
struct weft_filters *weft_world_web(bool h2);

#endif
