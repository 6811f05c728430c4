/* sim/weather.h - what the network between two hosts does to what goes through it, one direction at a time.
 *
 * Connections are TCP's: what is lost on its way is sent again and comes later, with all that was written behind it,
 * and nothing comes out of order on one connection. Hosts of which nothing is said here are beside each other. */
#ifndef WEFT_SIM_WEATHER_H
#define WEFT_SIM_WEATHER_H

#include "sim/world.h"

struct weft_weather {
    weft_time latency, jitter; /* on its way: `latency`, and up to `jitter` more */
    unsigned loss;             /* of a thousand segments, so many are lost */
};

/* From now on, from one host to the other. */
void weft_weather_set(struct weft_host *from, struct weft_host *to, const struct weft_weather *weather);
/* Nothing arrives from one host at the other; what is sent comes some time after that is over. */
void weft_weather_cut(struct weft_host *from, struct weft_host *to, bool cut);
/* Something between two hosts (`other`: NULL for anybody) forgets their connections: both ends are told, or `silent`:
 * nobody is, and nothing arrives any more. How many. */
size_t weft_weather_drop(struct weft_host *host, struct weft_host *other, bool silent);

#endif
