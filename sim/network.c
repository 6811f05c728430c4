/* sim/network.c - connections between hosts: in random pieces, after random delays, through bounded pipes. */
#include <stdio.h>

#include "base/assert.h"
#include "base/error.h"
#include "host/address.h"
#include "sim/inside.h"

#define PORT_FIRST 20000 /* of those chosen for port 0 */
#define PIPE_MIN   512   /* the narrowest pipe holds so many bytes */

static void on_arrival(struct weft_timer *timer);
static void on_notice(struct weft_timer *timer);
static void on_waiting(struct weft_timer *timer);

void weft_network_init(struct weft_world *world)
{
    world->next_port = PORT_FIRST;
    for (size_t i = 0; i < WEFT_WORLD_LINKS_MAX; i++) {
        for (int end = 0; end < 2; end++) {
            struct weft_socket *socket = &world->links[i].ends[end];
            socket->world = world;
            socket->link = &world->links[i];
            weft_timer_init(&socket->arrival, on_arrival);
            weft_timer_init(&socket->notice, on_notice);
        }
    }
    for (size_t i = 0; i < WEFT_WORLD_LISTENERS_MAX; i++) {
        weft_timer_init(&world->listeners[i].arrival, on_waiting);
    }
}

static int side(const struct weft_socket *socket)
{
    return socket == &socket->link->ends[0] ? 0 : 1;
}

static bool same_address(const struct weft_address *a, const struct weft_address *b)
{
    return a->kind == b->kind && a->port == b->port && strcmp(a->text, b->text) == 0;
}

/* Soon, unless it is under way already. */
static void soon(struct weft_socket *socket, struct weft_timer *timer)
{
    if (timer->at == WEFT_NEVER) {
        weft_world_after(socket->world, timer);
    }
}

static void forget(struct weft_socket *socket)
{
    weft_timer_clear(&socket->world->timers, &socket->arrival);
    weft_timer_clear(&socket->world->timers, &socket->notice);
    weft_pipe_empty(socket);
    socket->user = NULL;
}

/* When both ends are closed there is nothing left to happen. */
static void release(struct weft_world_link *link)
{
    for (int end = 0; end < 2; end++) {
        if (link->ends[end].state != WEFT_END_CLOSED && link->ends[end].state != WEFT_END_NONE) {
            return;
        }
    }
    for (int end = 0; end < 2; end++) {
        forget(&link->ends[end]);
        link->ends[end].state = WEFT_END_NONE;
    }
}

/* Something breaks the connection for this end: it hears of it when it next reads or writes. */
static void break_off(struct weft_socket *socket, int status)
{
    if (socket->status == 0 && !socket->link->lost &&
        (socket->state == WEFT_END_OPEN || socket->state == WEFT_END_WAITS)) {
        socket->status = status;
        weft_pipe_tell(socket);
    }
}

void weft_network_drop(struct weft_world_link *link, bool silent)
{
    link->lost = link->lost || silent;
    weft_world_fault(&link->ends[0].host->host, &link->ends[1].host->host, 0, silent ? "forgotten" : "dropped");
    for (int end = 0; end < 2 && !silent; end++) {
        struct weft_socket *socket = &link->ends[end];
        weft_pipe_empty(socket);
        if (socket->host) {
            break_off(socket, WEFT_ERR_CLOSED);
        }
    }
}

static void fail(struct weft_socket *socket)
{
    struct weft_world *world = socket->world;
    socket->state = WEFT_END_FAILED;
    weft_timer_clear(&world->timers, &socket->arrival);
    weft_transcript_note(world->transcript, world->now, "link %u.%d fails: %s", socket->link->number, side(socket),
                         weft_error_text(socket->status));
    socket->user->ended(socket->self, socket->status);
}

/* -- listening -- */

int weft_network_listen(struct weft_host *host, const struct weft_address *address,
                        const struct weft_listener_user *user, void *self, struct weft_listener **out,
                        struct weft_address *bound)
{
    struct weft_world_host *own = weft_world_host_of(host);
    struct weft_world *world = own->world;
    struct weft_listener *listener = NULL;
    struct weft_address wanted = *address;
    *out = NULL;
    if (wanted.kind == WEFT_ADDRESS_TCP && wanted.port == 0) {
        wanted.port = world->next_port++;
    }
    for (size_t i = 0; i < WEFT_WORLD_LISTENERS_MAX; i++) {
        struct weft_listener *l = &world->listeners[i];
        if (!l->host) {
            listener = listener ? listener : l;
        } else if (same_address(&l->address, &wanted)) {
            return WEFT_ERR_BUSY;
        }
    }
    if (!listener) {
        return WEFT_ERR_FULL;
    }
    listener->host = own;
    listener->address = wanted;
    listener->user = user;
    listener->self = self;
    listener->first = listener->last = NULL;
    listener->accepting = true;
    if (bound) {
        *bound = wanted;
    }
    *out = listener;
    weft_transcript_note(world->transcript, world->now, "%s listens on %s %u", own->name, wanted.text, wanted.port);
    return 0;
}

static struct weft_listener *listener_at(struct weft_world *world, const struct weft_address *address)
{
    for (size_t i = 0; i < WEFT_WORLD_LISTENERS_MAX; i++) {
        if (world->listeners[i].host && same_address(&world->listeners[i].address, address)) {
            return &world->listeners[i];
        }
    }
    return NULL;
}

void weft_network_accept(struct weft_listener *listener, bool on)
{
    listener->accepting = on;
    if (on && listener->first && listener->arrival.at == WEFT_NEVER) {
        weft_world_after(listener->host->world, &listener->arrival);
    }
}

static struct weft_world_link *take_waiting(struct weft_listener *listener)
{
    struct weft_world_link *link = listener->first;
    listener->first = link->next;
    if (!listener->first) {
        listener->last = NULL;
    }
    link->next = NULL;
    return link;
}

static void on_waiting(struct weft_timer *timer)
{
    struct weft_listener *listener = WEFT_CONTAINER(timer, struct weft_listener, arrival);
    struct weft_world_host *host = listener->host;
    if (!listener->accepting || !listener->first || weft_world_waits(host, timer)) {
        return;
    }
    weft_world_deliver(host);
    if (!listener->host || !listener->accepting || !listener->first) {
        return;
    }
    struct weft_socket *socket = &take_waiting(listener)->ends[1];
    socket->state = WEFT_END_OPEN;
    if (listener->first) {
        weft_world_after(host->world, &listener->arrival);
    }
    weft_transcript_note(host->world->transcript, host->world->now, "%s accepts link %u", host->name,
                         socket->link->number);
    weft_world_draw(host->world, WEFT_MARK_OPEN, weft_pipe_writer(socket)->host, host, socket->link->number,
                    (struct weft_slice){0});
    listener->user->accepted(listener->self, socket);
}

void weft_network_unlisten(struct weft_listener *listener)
{
    struct weft_world *world = listener->host->world;
    weft_timer_clear(&world->timers, &listener->arrival);
    while (listener->first) {
        weft_network_close(&take_waiting(listener)->ends[1], true);
    }
    weft_transcript_note(world->transcript, world->now, "%s listens no more on %s %u", listener->host->name,
                         listener->address.text, listener->address.port);
    listener->host = NULL;
}

/* -- dialling -- */

static struct weft_world_link *link_new(struct weft_world *world)
{
    for (size_t i = 0; i < WEFT_WORLD_LINKS_MAX; i++) {
        struct weft_world_link *link = &world->links[i];
        if (link->ends[0].state != WEFT_END_NONE || link->ends[1].state != WEFT_END_NONE) {
            continue;
        }
        link->number = ++world->link_count;
        link->next = NULL;
        link->paired = link->lost = false;
        for (int end = 0; end < 2; end++) {
            struct weft_socket *socket = &link->ends[end];
            socket->host = NULL;
            socket->status = 0;
            socket->reading = socket->blocked = socket->shut = socket->in_ended = socket->end_heard = false;
            weft_pipe_empty(socket);
            socket->end_at = socket->resend = 0;
            socket->room = WEFT_WORLD_PIPE_MAX;
            if (!world->calm && weft_random_below(&world->random, 2)) {
                socket->room = PIPE_MIN + weft_random_below(&world->random, WEFT_WORLD_PIPE_MAX / 2);
            }
        }
        return link;
    }
    return NULL;
}

int weft_network_dial(struct weft_host *host, const struct weft_address *address, const struct weft_socket_user *user,
                      void *self, struct weft_socket **out)
{
    struct weft_world_host *own = weft_world_host_of(host);
    *out = NULL;
    if (own->dials_to_fail > 0) {
        own->dials_to_fail--;
        return WEFT_ERR_FULL;
    }
    struct weft_world_link *link = link_new(own->world);
    if (!link) {
        return WEFT_ERR_FULL;
    }
    struct weft_socket *socket = *out = &link->ends[0];
    link->to = *address;
    socket->host = own;
    socket->user = user;
    socket->self = self;
    socket->state = WEFT_END_DIALS;
    const struct weft_listener *there = listener_at(own->world, address);
    weft_time delay = there ? weft_weather_delay(own, there->host) + weft_weather_delay(there->host, own) : 0;
    if (delay > 0) {
        weft_timer_set(&own->world->timers, &socket->notice, own->world->now + delay);
    } else {
        soon(socket, &socket->notice);
    }
    weft_transcript_note(own->world->transcript, own->world->now, "%s dials %s %u: link %u", own->name, address->text,
                         address->port, link->number);
    return 0;
}

int weft_network_pair(struct weft_world_host *one, struct weft_world_host *other, struct weft_socket *ends[2])
{
    struct weft_world_link *link = link_new(one->world);
    if (!link) {
        return WEFT_ERR_FULL;
    }
    struct weft_world_host *hosts[2] = {one, other};
    link->paired = true;
    for (int end = 0; end < 2; end++) {
        ends[end] = &link->ends[end];
        ends[end]->host = hosts[end];
        ends[end]->state = WEFT_END_OPEN;
    }
    weft_transcript_note(one->world->transcript, one->world->now, "%s and %s: link %u", one->name, other->name,
                         link->number);
    return 0;
}

static bool swallowed(const struct weft_world *world, const struct weft_address *address)
{
    for (size_t i = 0; i < world->swallow_count; i++) {
        if (same_address(&world->swallows[i], address)) {
            return true;
        }
    }
    return false;
}

static void end_dial(struct weft_socket *socket)
{
    struct weft_world *world = socket->world;
    struct weft_world_link *link = socket->link;
    if (swallowed(world, &link->to)) {
        return;
    }
    struct weft_listener *listener = listener_at(world, &link->to);
    if (listener &&
        (weft_weather_is_cut(socket->host, listener->host) || weft_weather_is_cut(listener->host, socket->host))) {
        weft_timer_set(&world->timers, &socket->notice, world->now + weft_weather_resend(&socket->resend));
        return;
    }
    int status = listener ? 0 : WEFT_ERR_REFUSED;
    socket->state = listener ? WEFT_END_OPEN : WEFT_END_FAILED;
    if (listener) {
        struct weft_socket *peer = weft_pipe_writer(socket);
        peer->host = listener->host;
        peer->state = WEFT_END_WAITS;
        if (listener->last) {
            listener->last->next = link;
        } else {
            listener->first = link;
        }
        listener->last = link;
        weft_network_accept(listener, listener->accepting);
    }
    bool was_blocked = socket->blocked;
    socket->blocked = false;
    weft_transcript_note(world->transcript, world->now, "link %u opens: %s", link->number, weft_error_text(status));
    socket->user->opened(socket->self, status);
    if (was_blocked && socket->state == WEFT_END_OPEN) {
        socket->user->writable(socket->self);
    }
}

static void on_notice(struct weft_timer *timer)
{
    struct weft_socket *socket = WEFT_CONTAINER(timer, struct weft_socket, notice);
    if (weft_world_waits(socket->host, timer) || (socket->state == WEFT_END_OPEN && weft_pipe_held_up(socket, timer))) {
        return;
    }
    weft_world_deliver(socket->host);
    if (socket->state == WEFT_END_DIALS) {
        end_dial(socket);
    } else if (socket->state == WEFT_END_OPEN && socket->status < 0) {
        /* The kernel tells a reader, or who waits to write; anybody else finds out when he next tries. */
        if (socket->reading || socket->blocked) {
            fail(socket);
        }
    } else if (socket->state == WEFT_END_OPEN && socket->blocked) {
        socket->blocked = false;
        weft_transcript_note(socket->world->transcript, socket->world->now, "link %u.%d may write",
                             socket->link->number, side(socket));
        socket->user->writable(socket->self);
    }
}

/* -- bytes -- */

void weft_network_attach(struct weft_socket *socket, const struct weft_socket_user *user, void *self)
{
    socket->user = user;
    socket->self = self;
}

void weft_network_read(struct weft_socket *socket, bool on)
{
    socket->reading = on;
    if (on && socket->state == WEFT_END_OPEN) {
        if (socket->status < 0) {
            soon(socket, &socket->notice);
        }
        if (socket->size > 0 || (socket->in_ended && !socket->end_heard)) {
            weft_pipe_expect(socket);
        }
    }
}

/* How much of `most` comes at once: all, a byte, or something between. */
static size_t piece(struct weft_world *world, size_t most)
{
    if (world->calm || most == 0) {
        return most;
    }
    switch (weft_random_below(&world->random, 4)) {
    case 0:
        return 1;
    case 1:
        return 1 + weft_random_below(&world->random, most);
    default:
        return most;
    }
}

static bool has_arrived(const struct weft_socket *socket)
{
    return socket->state == WEFT_END_OPEN && socket->reading && !socket->host->deaf &&
           (socket->size > 0 || socket->in_ended);
}

static void on_arrival(struct weft_timer *timer)
{
    struct weft_socket *socket = WEFT_CONTAINER(timer, struct weft_socket, arrival);
    struct weft_world *world = socket->world;
    if (!has_arrived(socket) || socket->link->lost || weft_world_waits(socket->host, timer) ||
        weft_pipe_held_up(socket, timer)) {
        return; /* reading on starts it again */
    }
    weft_world_deliver(socket->host);
    if (!has_arrived(socket)) {
        return;
    }
    size_t here = weft_pipe_arrived(socket);
    if (here == 0 && (socket->size > 0 || socket->end_at > world->now)) {
        weft_pipe_expect(socket);
        return;
    }
    if (socket->size == 0) {
        socket->end_heard = true;
        weft_transcript_note(world->transcript, world->now, "link %u.%d: end", socket->link->number, side(socket));
        socket->user->ended(socket->self, 0);
        return;
    }
    char bytes[WEFT_WORLD_PIPE_MAX];
    size_t size = piece(world, here);
    weft_pipe_take(socket, bytes, size);
    if (socket->size > 0 || socket->in_ended) {
        weft_pipe_expect(socket);
    }
    struct weft_socket *peer = weft_pipe_writer(socket);
    if (peer->blocked) {
        weft_pipe_tell(peer);
    }
    weft_transcript_note(world->transcript, world->now, "link %u.%d receives %zu: ", socket->link->number, side(socket),
                         size);
    weft_transcript_bytes(world->transcript, bytes, size);
    weft_world_draw(world, WEFT_MARK_MESSAGE, peer->host, socket->host, (int64_t)size, (struct weft_slice){0});
    socket->user->received(socket->self, bytes, size);
}

int64_t weft_network_write(struct weft_socket *socket, const struct weft_slice *views, size_t count)
{
    struct weft_world *world = socket->world;
    struct weft_socket *peer = weft_pipe_writer(socket);
    size_t total = 0, taken = 0;
    for (size_t i = 0; i < count; i++) {
        total += views[i].size;
    }
    if (socket->state == WEFT_END_DIALS) {
        socket->blocked = true;
        return 0;
    }
    if (socket->state != WEFT_END_OPEN || socket->status < 0) {
        socket->blocked = true; /* so that it hears why */
        soon(socket, &socket->notice);
        return WEFT_ERR_CLOSED;
    }
    WEFT_ASSERT(!socket->shut);
    if (peer->state == WEFT_END_CLOSED) {
        /* Thrown away there; once this end knows that the other one is done, it also hears that nobody reads. */
        if (socket->end_heard) {
            break_off(socket, WEFT_ERR_CLOSED);
        }
        return (int64_t)total;
    }
    size_t most = peer->room - peer->size;
    most = total < most ? total : piece(world, most);
    weft_transcript_note(world->transcript, world->now, "link %u.%d writes %zu of %zu: ", socket->link->number,
                         side(socket), most, total);
    for (size_t i = 0; i < count && taken < most; i++) {
        size_t part = views[i].size < most - taken ? views[i].size : most - taken;
        weft_transcript_bytes(world->transcript, views[i].data, part);
        size_t before = peer->size;
        taken += weft_pipe_put(peer, views[i].data, part);
        for (size_t at = before; socket->host->spoils && at < peer->size; at++) {
            peer->bytes[(peer->start + at) % WEFT_WORLD_PIPE_MAX] ^= 0x55;
        }
    }
    weft_pipe_mark(peer, taken);
    if (peer->size > 0 && peer->reading) {
        weft_pipe_expect(peer);
    }
    if (taken < total) {
        socket->blocked = true;
        if (peer->size < peer->room) {
            soon(socket, &socket->notice);
        }
    }
    return (int64_t)taken;
}

void weft_world_shut(struct weft_socket *socket)
{
    struct weft_socket *peer = weft_pipe_writer(socket);
    socket->shut = true;
    weft_pipe_end(peer);
    if (peer->state == WEFT_END_OPEN && peer->reading) {
        weft_pipe_expect(peer);
    }
}

void weft_network_close(struct weft_socket *socket, bool reset)
{
    struct weft_world *world = socket->world;
    struct weft_socket *peer = weft_pipe_writer(socket);
    WEFT_ASSERT(socket->state != WEFT_END_NONE && socket->state != WEFT_END_CLOSED); /* closed once */
    weft_transcript_note(world->transcript, world->now, "link %u.%d %s", socket->link->number, side(socket),
                         reset ? "resets" : "closes");
    weft_world_draw(world, WEFT_MARK_CLOSE, socket->host, NULL, socket->link->number, (struct weft_slice){0});
    socket->state = WEFT_END_CLOSED;
    forget(socket);
    if (reset && !socket->link->paired) { /* nothing can take back what went into a socket pair */
        weft_pipe_empty(peer);            /* what was under way is lost */
        break_off(peer, WEFT_ERR_CLOSED);
    } else if (peer->state == WEFT_END_OPEN || peer->state == WEFT_END_WAITS) {
        weft_world_shut(socket);
        if (peer->blocked) {
            weft_pipe_tell(peer);
        }
    }
    release(socket->link);
}

void weft_world_swallow(struct weft_world *world, const char *address)
{
    WEFT_ASSERT(world->swallow_count < WEFT_WORLD_SWALLOWS_MAX);
    int error = weft_address_parse(weft_slice_text(address), &world->swallows[world->swallow_count++]);
    WEFT_ASSERT(error == 0);
}

bool weft_world_blocked(const struct weft_socket *socket)
{
    return socket->blocked;
}

size_t weft_world_links(const struct weft_world *world)
{
    size_t count = 0;
    for (size_t i = 0; i < WEFT_WORLD_LINKS_MAX; i++) {
        const struct weft_world_link *link = &world->links[i];
        count += link->ends[0].state != WEFT_END_NONE || link->ends[1].state != WEFT_END_NONE;
    }
    return count;
}

size_t weft_world_sockets(const struct weft_host *host)
{
    const struct weft_world_host *own = (const struct weft_world_host *)(const void *)host;
    size_t count = 0;
    for (size_t i = 0; i < WEFT_WORLD_LINKS_MAX; i++) {
        for (int end = 0; end < 2; end++) {
            const struct weft_socket *socket = &own->world->links[i].ends[end];
            count += socket->host == own && socket->state != WEFT_END_NONE && socket->state != WEFT_END_CLOSED;
        }
    }
    return count;
}

size_t weft_world_listening(const struct weft_host *host)
{
    const struct weft_world_host *own = (const struct weft_world_host *)(const void *)host;
    size_t count = 0;
    for (size_t i = 0; i < WEFT_WORLD_LISTENERS_MAX; i++) {
        count += own->world->listeners[i].host == own;
    }
    return count;
}
