/* sim/pipe.c - the bytes that are under way to one end of a link, and when they get there. */
#include "base/assert.h"
#include "sim/inside.h"

struct weft_socket *weft_pipe_writer(struct weft_socket *socket)
{
    return &socket->link->ends[socket == &socket->link->ends[0]];
}

/* How long what the other end does now takes to be known at this one. */
static weft_time delay_to(struct weft_socket *socket)
{
    const struct weft_socket *peer = weft_pipe_writer(socket);
    return socket->link->paired || !peer->host || !socket->host ? 0 : weft_weather_delay(peer->host, socket->host);
}

/* When that is known here, or at first when it is nothing special. */
void weft_pipe_tell(struct weft_socket *socket)
{
    weft_time delay = delay_to(socket);
    if (socket->notice.at != WEFT_NEVER || socket->link->lost) {
        return;
    }
    if (delay == 0) {
        weft_world_after(socket->world, &socket->notice);
    } else {
        weft_timer_set(&socket->world->timers, &socket->notice, socket->world->now + delay);
    }
}

/* Nothing comes from the other end now: `timer` is to try again. */
bool weft_pipe_held_up(struct weft_socket *socket, struct weft_timer *timer)
{
    const struct weft_socket *peer = weft_pipe_writer(socket);
    if (socket->link->paired || !peer->host || !weft_weather_is_cut(peer->host, socket->host)) {
        socket->resend = 0;
        return false;
    }
    weft_timer_set(&socket->world->timers, timer, socket->world->now + weft_weather_resend(&socket->resend));
    return true;
}

/* -- what is on its way -- */

static struct weft_world_mark *mark_at(struct weft_socket *socket, size_t index)
{
    return &socket->marks[(socket->mark_first + index) % WEFT_WORLD_MARKS_MAX];
}

static weft_time last_mark(struct weft_socket *socket)
{
    return socket->mark_count > 0 ? mark_at(socket, socket->mark_count - 1)->at : 0;
}

/* The last `size` bytes of its pipe have just been written. */
void weft_pipe_mark(struct weft_socket *socket, size_t size)
{
    weft_time delay = delay_to(socket), at = socket->world->now + delay, last = last_mark(socket);
    if (size == 0 || (delay == 0 && last == 0)) {
        return;
    }
    at = at < last ? last : at;
    if (socket->mark_count == WEFT_WORLD_MARKS_MAX) {
        struct weft_world_mark *latest = mark_at(socket, socket->mark_count - 1);
        latest->size += size;
        latest->at = at;
        return;
    }
    *mark_at(socket, socket->mark_count++) = (struct weft_world_mark){.size = size, .at = at};
}

/* How many bytes are here. */
size_t weft_pipe_arrived(struct weft_socket *socket)
{
    size_t under_way = 0;
    while (socket->mark_count > 0 && mark_at(socket, 0)->at <= socket->world->now) {
        socket->mark_first = (socket->mark_first + 1) % WEFT_WORLD_MARKS_MAX;
        socket->mark_count--;
    }
    for (size_t i = 0; i < socket->mark_count; i++) {
        under_way += mark_at(socket, i)->size;
    }
    return socket->size - under_way;
}

/* The next bytes, or their end, are delivered when they are here. */
void weft_pipe_expect(struct weft_socket *socket)
{
    weft_time at = 0;
    if (socket->arrival.at != WEFT_NEVER || socket->link->lost) {
        return;
    }
    if (socket->size == 0) {
        at = socket->end_at;
    } else if (weft_pipe_arrived(socket) == 0) {
        at = mark_at(socket, 0)->at;
    }
    if (at <= socket->world->now) {
        weft_world_after(socket->world, &socket->arrival);
    } else {
        weft_timer_set(&socket->world->timers, &socket->arrival, at);
    }
}

/* -- in and out -- */

size_t weft_pipe_put(struct weft_socket *to, const char *data, size_t size)
{
    size_t at = (to->start + to->size) % WEFT_WORLD_PIPE_MAX;
    size_t straight = WEFT_WORLD_PIPE_MAX - at;
    size_t first = size < straight ? size : straight;
    memcpy(to->bytes + at, data, first);
    memcpy(to->bytes, data + first, size - first);
    to->size += size;
    return size;
}

void weft_pipe_take(struct weft_socket *from, char *data, size_t size)
{
    size_t straight = WEFT_WORLD_PIPE_MAX - from->start;
    size_t first = size < straight ? size : straight;
    memcpy(data, from->bytes + from->start, first);
    memcpy(data + first, from->bytes, size - first);
    from->start = (from->start + size) % WEFT_WORLD_PIPE_MAX;
    from->size -= size;
}

void weft_pipe_empty(struct weft_socket *socket)
{
    socket->start = socket->size = 0;
    socket->mark_first = socket->mark_count = 0;
}

void weft_pipe_end(struct weft_socket *socket)
{
    weft_time at = socket->world->now + delay_to(socket), last = last_mark(socket);
    socket->in_ended = true;
    socket->end_at = at < last ? last : at;
}
