/* http/carrier.c - from a call on any carrier to the code of its kind. */
#include "http/carrier.h"

#include "base/assert.h"

void weft_carrier_free(struct weft_carrier *carrier)
{
    if (carrier) {
        carrier->ops->free(carrier);
    }
}

void weft_carrier_receive(struct weft_carrier *carrier, const char *data, size_t size)
{
    carrier->ops->receive(carrier, data, size);
}

void weft_carrier_hangup(struct weft_carrier *carrier)
{
    carrier->ops->hangup(carrier);
}

void weft_carrier_fill(struct weft_carrier *carrier, struct weft_bytes *output)
{
    carrier->ops->fill(carrier, output);
}

bool weft_carrier_wants_input(const struct weft_carrier *carrier)
{
    return carrier->ops->wants_input(carrier);
}

bool weft_carrier_done(const struct weft_carrier *carrier)
{
    return carrier->ops->done(carrier);
}

bool weft_carrier_starved(const struct weft_carrier *carrier)
{
    return carrier->starved;
}

size_t weft_carrier_running(const struct weft_carrier *carrier)
{
    return carrier->ops->running(carrier);
}

weft_time weft_carrier_deadline(const struct weft_carrier *carrier)
{
    return carrier->ops->deadline(carrier);
}

void weft_carrier_expire(struct weft_carrier *carrier)
{
    carrier->ops->expire(carrier);
}

void weft_carrier_drain(struct weft_carrier *carrier)
{
    carrier->ops->drain(carrier);
}

void weft_carrier_ping(struct weft_carrier *carrier)
{
    WEFT_ASSERT(carrier->ops->ping); /* h1 has no such thing */
    carrier->ops->ping(carrier);
}

void weft_carrier_trust(struct weft_carrier *carrier)
{
    WEFT_ASSERT(carrier->ops->trust);
    carrier->ops->trust(carrier);
}

bool weft_carrier_can_ask(const struct weft_carrier *carrier)
{
    return carrier->ops->can_ask && carrier->ops->can_ask(carrier);
}

int weft_carrier_ask(struct weft_carrier *carrier, struct weft_exchange *exchange)
{
    WEFT_ASSERT(carrier->ops->ask); /* a server asks nobody */
    return carrier->ops->ask(carrier, exchange);
}
