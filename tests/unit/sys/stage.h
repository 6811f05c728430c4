/* tests/unit/sys/stage.h - a loop with a guest that waits for something, and a peer that remembers what it hears. */
#ifndef WEFT_TESTS_UNIT_SYS_STAGE_H
#define WEFT_TESTS_UNIT_SYS_STAGE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/bytes.h"
#include "base/error.h"
#include "base/mem.h"
#include "sys/sys.h"

struct stage {
    struct weft_sys *sys;
    struct weft_host *host;
    const struct weft_host_ops *ops;
    const bool *until;
    size_t turns;
};

static inline weft_time stage_turn(void *self, weft_time now)
{
    (void)now;
    struct stage *stage = self;
    stage->turns++;
    if (*stage->until) {
        weft_sys_stop(stage->sys);
    }
    return WEFT_NEVER;
}

static inline void stage_init(struct stage *stage)
{
    *stage = (struct stage){0};
    assert_int_equal(weft_sys_new(&stage->sys), 0);
    stage->host = weft_sys_host(stage->sys);
    stage->ops = stage->host->ops;
}

/* Runs the loop until an event has made *until true; ctest ends a test for which none comes. */
static inline void stage_run(struct stage *stage, const bool *until)
{
    stage->until = until;
    assert_int_equal(weft_sys_run(stage->sys, (struct weft_guest){.self = stage, .turn = stage_turn}), 0);
}

static inline void stage_deinit(struct stage *stage)
{
    assert_true(weft_sys_free(stage->sys));
    weft_bytes_trim();
    assert_int_equal(weft_mem_live(), 0);
}

struct peer {
    struct stage *stage;
    struct weft_socket *socket;
    struct weft_bytes input;
    size_t wanted; /* bytes after which `enough` is true */
    bool opened, writable, ended, enough;
    int status; /* of the last opened or ended */
};

static inline void peer_opened(void *self, int status)
{
    struct peer *peer = self;
    peer->opened = true;
    peer->status = status;
}

static inline void peer_received(void *self, const char *data, size_t size)
{
    struct peer *peer = self;
    assert_int_equal(weft_bytes_append(&peer->input, data, size), 0);
    peer->enough = peer->input.size >= peer->wanted;
}

static inline void peer_writable(void *self)
{
    ((struct peer *)self)->writable = true;
}

static inline void peer_ended(void *self, int status)
{
    struct peer *peer = self;
    assert_true(!peer->ended || peer->status == 0); /* an error is the last thing heard */
    peer->ended = true;
    peer->status = status;
}

static const struct weft_socket_user peer_user = {
    .opened = peer_opened,
    .received = peer_received,
    .writable = peer_writable,
    .ended = peer_ended,
};

static inline void peer_attach(struct peer *peer, struct stage *stage, struct weft_socket *socket)
{
    peer->stage = stage;
    peer->socket = socket;
    stage->ops->attach(socket, &peer_user, peer);
    stage->ops->read(socket, true);
}

static inline int64_t peer_write(struct peer *peer, const void *data, size_t size)
{
    struct weft_slice view = weft_slice(data, size);
    return peer->stage->ops->write(peer->socket, &view, 1);
}

static inline void peer_close(struct peer *peer, bool reset)
{
    peer->stage->ops->close(peer->socket, reset);
    peer->socket = NULL;
    weft_bytes_deinit(&peer->input);
}

/* A listener that keeps the first socket it accepts, and closes further ones. */
struct door {
    struct stage *stage;
    struct weft_listener *listener;
    struct weft_address bound;
    struct peer *peer;
    size_t accepted_count;
    bool accepted;
};

static inline void door_accepted(void *self, struct weft_socket *socket)
{
    struct door *door = self;
    door->accepted = true;
    if (door->accepted_count++ == 0) {
        peer_attach(door->peer, door->stage, socket);
    } else {
        door->stage->ops->close(socket, true);
    }
}

static const struct weft_listener_user door_user = {.accepted = door_accepted};

static inline int door_open(struct door *door, struct stage *stage, struct peer *peer,
                            const struct weft_address *address)
{
    *door = (struct door){.stage = stage, .peer = peer};
    return stage->ops->listen(stage->host, address, &door_user, door, &door->listener, &door->bound);
}

/* Two peers over a real connection. */
static inline void stage_connect(struct stage *stage, struct door *door, struct peer *client, struct peer *server,
                                 const char *address)
{
    struct weft_address any = {.kind = WEFT_ADDRESS_TCP};
    memcpy(any.text, address, strlen(address) + 1);
    assert_int_equal(door_open(door, stage, server, &any), 0);
    assert_int_not_equal(door->bound.port, 0);
    client->stage = stage;
    assert_int_equal(stage->ops->dial(stage->host, &door->bound, &peer_user, client, &client->socket), 0);
    stage_run(stage, &client->opened);
    assert_int_equal(client->status, 0);
    stage_run(stage, &door->accepted);
    stage->ops->read(client->socket, true);
}

#endif
