/* sim/raw.c - a peer that says scripted bytes. */
#include "sim/raw.h"

#include "base/assert.h"
#include "base/error.h"
#include "host/address.h"

static void changed(struct weft_raw *raw)
{
    if (raw->changed) {
        raw->changed(raw);
    }
}

static void push(struct weft_raw *raw)
{
    while (raw->socket && raw->opened && raw->out_sent < raw->out_size) {
        struct weft_slice rest = weft_slice(raw->out + raw->out_sent, raw->out_size - raw->out_sent);
        int64_t taken = raw->host->ops->write(raw->socket, &rest, 1);
        if (taken < 0) {
            return; /* `ended` comes, and says why */
        }
        raw->out_sent += (size_t)taken;
        if ((size_t)taken < rest.size) {
            return; /* `writable` comes */
        }
    }
}

static void on_opened(void *self, int status)
{
    struct weft_raw *raw = self;
    raw->opened = status == 0;
    raw->status = status;
    raw->ended = status < 0;
    if (status == 0) {
        raw->host->ops->read(raw->socket, !raw->paused);
    }
    push(raw);
    changed(raw);
}

static void on_received(void *self, const char *data, size_t size)
{
    struct weft_raw *raw = self;
    size_t room = WEFT_RAW_IN_MAX - raw->in_size;
    size_t kept = size < room ? size : room;
    memcpy(raw->in + raw->in_size, data, kept);
    raw->in_size += kept;
    raw->in[raw->in_size] = '\0';
    raw->heard += size;
    changed(raw);
}

static void on_writable(void *self)
{
    push(self);
}

static void on_ended(void *self, int status)
{
    struct weft_raw *raw = self;
    raw->ended = true;
    raw->status = status;
    changed(raw);
}

static const struct weft_socket_user user = {
    .opened = on_opened, .received = on_received, .writable = on_writable, .ended = on_ended};

static void init(struct weft_raw *raw, struct weft_host *host)
{
    raw->host = host;
    raw->socket = NULL;
    raw->changed = NULL;
    raw->self = NULL;
    raw->opened = raw->ended = raw->paused = false;
    raw->status = 0;
    raw->heard = raw->in_size = raw->out_size = raw->out_sent = 0;
    raw->in[0] = '\0';
}

static struct weft_address address_of(const char *text)
{
    struct weft_address address;
    int error = text[0] == '/' ? weft_address_unix(weft_slice_text(text), &address)
                               : weft_address_parse(weft_slice_text(text), &address);
    WEFT_ASSERT(error == 0);
    return address;
}

void weft_raw_dial(struct weft_raw *raw, struct weft_host *host, const char *address)
{
    struct weft_address to = address_of(address);
    init(raw, host);
    int error = host->ops->dial(host, &to, &user, raw, &raw->socket);
    WEFT_ASSERT(error == 0);
}

void weft_raw_take(struct weft_raw *raw, struct weft_host *host, struct weft_socket *socket)
{
    init(raw, host);
    raw->socket = socket;
    raw->opened = true;
    host->ops->attach(socket, &user, raw);
    host->ops->read(socket, true);
}

void weft_raw_send(struct weft_raw *raw, struct weft_slice bytes)
{
    WEFT_ASSERT(bytes.size <= WEFT_RAW_OUT_MAX - raw->out_size);
    memcpy(raw->out + raw->out_size, bytes.data, bytes.size);
    raw->out_size += bytes.size;
    if (raw->out_sent + bytes.size == raw->out_size) {
        push(raw); /* else `writable` will */
    }
}

void weft_raw_text(struct weft_raw *raw, const char *text)
{
    weft_raw_send(raw, weft_slice_text(text));
}

void weft_raw_read(struct weft_raw *raw, bool on)
{
    raw->paused = !on;
    if (raw->socket && raw->opened) {
        raw->host->ops->read(raw->socket, on);
    }
}

void weft_raw_drop(struct weft_raw *raw, size_t size)
{
    WEFT_ASSERT(size <= raw->in_size);
    memmove(raw->in, raw->in + size, raw->in_size - size + 1);
    raw->in_size -= size;
}

void weft_raw_close(struct weft_raw *raw, bool reset)
{
    if (raw->socket) {
        raw->host->ops->close(raw->socket, reset);
        raw->socket = NULL;
        raw->ended = true;
    }
}

bool weft_raw_over(void *self)
{
    const struct weft_raw *raw = self;
    return raw->ended;
}

static void on_accepted(void *self, struct weft_socket *socket)
{
    struct weft_raw_server *server = self;
    for (size_t i = 0; i < server->count; i++) {
        struct weft_raw *raw = &server->at[i];
        if (raw->socket) {
            continue;
        }
        weft_raw_take(raw, server->host, socket);
        raw->self = server->self;
        server->used++;
        if (server->accepted) {
            server->accepted(raw);
        }
        return;
    }
    server->host->ops->close(socket, true);
}

static const struct weft_listener_user listener_user = {.accepted = on_accepted};

void weft_raw_listen(struct weft_raw_server *server, const char *address)
{
    struct weft_address at = address_of(address);
    int error = server->host->ops->listen(server->host, &at, &listener_user, server, &server->listener, NULL);
    WEFT_ASSERT(error == 0);
}

void weft_raw_unlisten(struct weft_raw_server *server)
{
    server->host->ops->unlisten(server->listener);
    for (size_t i = 0; i < server->count; i++) {
        weft_raw_close(&server->at[i], false);
    }
}
