/* sim/weather.c - what the network between two hosts does to what goes through it. */
#include "sim/weather.h"

#include "base/assert.h"
#include "sim/inside.h"

#define RESEND_FIRST (200 * WEFT_MS) /* after so long what was lost is sent again, then after twice that ... */
#define RESEND_MAX   (10 * WEFT_SECOND)
#define LOSSES_MAX   6 /* in a row */

static struct weft_world_path *path_of(const struct weft_world_host *from, const struct weft_world_host *to)
{
    struct weft_world *world = from->world;
    return &world->paths[from - world->hosts][to - world->hosts];
}

void weft_weather_set(struct weft_host *from, struct weft_host *to, const struct weft_weather *weather)
{
    path_of(weft_world_host_of(from), weft_world_host_of(to))->weather = *weather;
}

void weft_weather_cut(struct weft_host *from, struct weft_host *to, bool cut)
{
    path_of(weft_world_host_of(from), weft_world_host_of(to))->cut = cut;
    weft_world_fault(from, to, 0, cut ? "nothing arrives" : "all is well");
}

bool weft_weather_is_cut(const struct weft_world_host *from, const struct weft_world_host *to)
{
    return path_of(from, to)->cut;
}

weft_time weft_weather_delay(const struct weft_world_host *from, const struct weft_world_host *to)
{
    struct weft_random *random = &from->world->random;
    const struct weft_weather *weather = &path_of(from, to)->weather;
    weft_time delay = weather->latency;
    if (weather->jitter > 0) {
        delay += (weft_time)weft_random_below(random, (uint64_t)weather->jitter);
    }
    weft_time resend = RESEND_FIRST;
    for (int lost = 0; weather->loss > 0 && lost < LOSSES_MAX; lost++) {
        if (weft_random_below(random, 1000) >= weather->loss) {
            break;
        }
        delay += resend;
        resend *= 2;
    }
    return delay;
}

weft_time weft_weather_resend(weft_time *last)
{
    weft_time resend = *last > 0 ? *last * 2 : RESEND_FIRST;
    *last = resend > RESEND_MAX ? RESEND_MAX : resend;
    return *last;
}

size_t weft_weather_drop(struct weft_host *host, struct weft_host *other, bool silent)
{
    struct weft_world_host *own = weft_world_host_of(host);
    struct weft_world *world = own->world;
    size_t count = 0;
    for (size_t i = 0; i < WEFT_WORLD_LINKS_MAX; i++) {
        struct weft_world_link *link = &world->links[i];
        const struct weft_socket *ends = link->ends;
        bool here = ends[0].host == own || ends[1].host == own;
        bool there = !other || ends[0].host == weft_world_host_of(other) || ends[1].host == weft_world_host_of(other);
        bool lives = ends[0].state != WEFT_END_NONE && ends[1].state != WEFT_END_NONE && ends[0].host && ends[1].host;
        if (link->paired || !here || !there || !lives || path_of(ends[0].host, ends[1].host)->weather.latency == 0) {
            continue; /* or they are beside each other, and nothing is between them */
        }
        weft_transcript_note(world->transcript, world->now, "link %u is dropped%s", link->number,
                             silent ? ", and nobody is told" : "");
        weft_network_drop(link, silent);
        count++;
    }
    return count;
}
