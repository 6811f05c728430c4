/* sys/socket.c - a connected stream, TCP or Unix, from its opening to its last byte.
 *
 * A socket has no buffer to read into: all share the loop's. It has none to write from either, except while the kernel
 * takes no more: see _write. Its memory goes in the close callback of its uv handle. */
#include "sys/inside.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/error.h"
#include "base/mem.h"

#define WRITE_VIEWS_MAX 64                   /* views in one system call; more views make more calls */
#define KEPT_MAX        ((size_t)4096)       /* bytes taken beyond what the kernel took */
#define FLUSH_TIME      (30 * WEFT_SECOND)   /* what was taken gets this long after _close: then it is thrown away */
#define LINGER_TIME     (2 * WEFT_SECOND)    /* the peer's last bytes are read and thrown away for so long ... */
#define LINGER_MAX      ((size_t)256 * 1024) /* ... and up to so many: then it is closed on the peer */

enum socket_state {
    SOCKET_DIALLING,  /* not yet connected */
    SOCKET_OPEN,      /* bytes flow */
    SOCKET_FAILED,    /* the user hears of it, or has heard, and will close */
    SOCKET_FLUSHING,  /* closed by the user; what was taken is still being sent */
    SOCKET_LINGERING, /* all is sent and said; the peer's last bytes are thrown away */
    SOCKET_CLOSED,    /* waits for its close callback */
};

struct kept {
    uv_write_t request;
    size_t size;
    char bytes[];
};

struct weft_socket {
    union {
        uv_handle_t handle;
        uv_stream_t stream;
        uv_tcp_t tcp;
        uv_pipe_t pipe;
    } uv;
    union {
        uv_connect_t connect;
        uv_shutdown_t shutdown;
    } request;
    struct weft_sys *sys;
    const struct weft_socket_user *user;
    void *self;
    struct kept *kept;                   /* being sent by libuv, or NULL */
    struct weft_task soon;               /* tells the user of a failure that a call of its own has found */
    struct weft_socket *next, *previous; /* in sys->closing */
    weft_time deadline;                  /* while closing */
    uint32_t lingered;                   /* bytes thrown away */
    int status;                          /* why it failed */
    uint8_t state;                       /* enum socket_state */
    bool blocked;                        /* the user waits for `writable` */
    bool peer_ended;
    bool reading;
    bool mute; /* the peer takes no more, for `status`: it is told behind the peer's last words */
};

static void deaf_opened(void *self, int status)
{
    (void)self, (void)status;
}

static void deaf_received(void *self, const char *data, size_t size)
{
    (void)self, (void)data, (void)size;
}

static void deaf_writable(void *self)
{
    (void)self;
}

static void deaf_ended(void *self, int status)
{
    (void)self, (void)status;
}

const struct weft_socket_user weft_socket_deaf = {deaf_opened, deaf_received, deaf_writable, deaf_ended};

/* -- the end -- */

static void on_closed(uv_handle_t *handle)
{
    struct weft_socket *socket = handle->data;
    WEFT_ASSERT(!socket->kept); /* libuv has cancelled it before */
    socket->sys->sockets--;
    weft_free(socket);
}

static void closing_add(struct weft_socket *socket)
{
    struct weft_sys *sys = socket->sys;
    socket->next = sys->closing;
    if (socket->next) {
        socket->next->previous = socket;
    }
    sys->closing = socket;
    weft_sys_sweep_on(sys);
}

static void closing_remove(struct weft_socket *socket)
{
    if (socket->previous) {
        socket->previous->next = socket->next;
    } else {
        socket->sys->closing = socket->next;
    }
    if (socket->next) {
        socket->next->previous = socket->previous;
    }
    socket->next = socket->previous = NULL;
}

static void destroy(struct weft_socket *socket, bool reset)
{
    if (socket->state == SOCKET_FLUSHING || socket->state == SOCKET_LINGERING) {
        closing_remove(socket);
    }
    socket->state = SOCKET_CLOSED;
    socket->user = &weft_socket_deaf;
    weft_task_remove(&socket->soon);
    if (reset && socket->uv.handle.type == UV_TCP && uv_tcp_close_reset(&socket->uv.tcp, on_closed) == 0) {
        return;
    }
    uv_close(&socket->uv.handle, on_closed); /* a Unix socket knows no reset, and one being shut takes none */
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buffer)
{
    (void)suggested;
    struct weft_socket *socket = handle->data;
    *buffer = uv_buf_init(socket->sys->input, (unsigned)sizeof(socket->sys->input));
}

/* A close(2) with unread bytes waiting makes the kernel send a reset, which may destroy at the peer what we sent last:
 * the very answer that says why we close (RFC 9112, 9.6). So we stop writing, and read on for a while. */
static void on_lingering(uv_stream_t *stream, ssize_t size, const uv_buf_t *buffer)
{
    (void)buffer;
    struct weft_socket *socket = stream->data;
    if (size > 0) {
        socket->lingered += (uint32_t)size;
    }
    if (size < 0 || socket->lingered > LINGER_MAX) {
        destroy(socket, false);
    }
}

static void on_shut(uv_shutdown_t *request, int status)
{
    struct weft_socket *socket = request->handle->data;
    if (socket->state != SOCKET_FLUSHING) {
        return; /* closed meanwhile */
    }
    if (status < 0 || socket->peer_ended || socket->sys->over) {
        destroy(socket, false);
        return;
    }
    socket->state = SOCKET_LINGERING;
    socket->deadline = weft_sys_now(socket->sys) + LINGER_TIME;
    if (uv_read_start(&socket->uv.stream, on_alloc, on_lingering) < 0) {
        destroy(socket, false);
    }
}

void weft_socket_close(struct weft_socket *socket, bool reset)
{
    WEFT_ASSERT(socket->state <= SOCKET_FAILED); /* closed once */
    if (reset || socket->state != SOCKET_OPEN || (socket->peer_ended && !socket->kept)) {
        destroy(socket, reset);
        return;
    }
    socket->user = &weft_socket_deaf;
    (void)uv_read_stop(&socket->uv.stream); /* cannot fail */
    if (uv_shutdown(&socket->request.shutdown, &socket->uv.stream, on_shut) < 0) {
        destroy(socket, false);
        return;
    }
    socket->state = SOCKET_FLUSHING;
    socket->deadline = weft_sys_now(socket->sys) + FLUSH_TIME;
    closing_add(socket);
}

void weft_socket_sweep(struct weft_sys *sys, weft_time now)
{
    for (struct weft_socket *socket = sys->closing, *next; socket; socket = next) {
        next = socket->next;
        if (now >= socket->deadline) {
            destroy(socket, false);
        }
    }
    if (!sys->closing && !sys->over) {
        (void)uv_timer_stop(&sys->sweep); /* cannot fail */
    }
}

void weft_socket_hurry(struct weft_sys *sys, weft_time deadline)
{
    for (struct weft_socket *socket = sys->closing, *next; socket; socket = next) {
        next = socket->next;
        if (socket->state == SOCKET_LINGERING) {
            destroy(socket, false);
        } else if (socket->deadline > deadline) {
            socket->deadline = deadline;
        }
    }
}

/* -- failure -- */

static void fail(struct weft_socket *socket, int status)
{
    socket->state = SOCKET_FAILED;
    (void)uv_read_stop(&socket->uv.stream); /* cannot fail */
    weft_sys_deliver(socket->sys);
    socket->user->ended(socket->self, status);
}

static void tell_failure(struct weft_task *task)
{
    struct weft_socket *socket = WEFT_CONTAINER(task, struct weft_socket, soon);
    socket->user->ended(socket->self, socket->status);
}

/* From inside an operation: the user hears of it from the loop. */
static int fail_soon(struct weft_socket *socket, int status)
{
    socket->state = SOCKET_FAILED;
    socket->status = status;
    (void)uv_read_stop(&socket->uv.stream); /* cannot fail */
    weft_sys_soon(socket->sys, &socket->soon);
    return status;
}

/* A peer that has said what it had to say and gone answers our writing with a reset. What it said (that a body is too
 * large, say) has come before, and is there to be read (RFC 9112, 9.6). */
static bool falls_mute(struct weft_socket *socket, int uv)
{
    if (!socket->reading || socket->peer_ended || (uv != UV_EPIPE && uv != UV_ECONNRESET)) {
        return false;
    }
    socket->mute = socket->blocked = true;
    socket->status = weft_sys_error(uv);
    return true;
}

/* -- reading -- */

static void on_read(uv_stream_t *stream, ssize_t size, const uv_buf_t *buffer)
{
    struct weft_socket *socket = stream->data;
    if (size == 0) {
        return; /* nothing there after all */
    }
    if (size < 0 && (size != UV_EOF || socket->mute)) {
        fail(socket, socket->mute ? socket->status : weft_sys_error((int)size));
        return;
    }
    weft_sys_deliver(socket->sys);
    if (size > 0) {
        socket->user->received(socket->self, buffer->base, (size_t)size);
        return;
    }
    socket->peer_ended = true;
    (void)uv_read_stop(stream); /* cannot fail */
    socket->user->ended(socket->self, 0);
}

void weft_socket_read(struct weft_socket *socket, bool on)
{
    if (socket->state != SOCKET_OPEN || socket->peer_ended) {
        return;
    }
    socket->reading = on;
    if (!on) {
        (void)uv_read_stop(&socket->uv.stream); /* cannot fail */
        if (socket->mute) {
            (void)fail_soon(socket, socket->status); /* nothing is left to wait for */
        }
        return;
    }
    int status = uv_read_start(&socket->uv.stream, on_alloc, on_read);
    if (status < 0 && status != UV_EALREADY) {
        (void)fail_soon(socket, weft_sys_error(status));
    }
}

/* -- writing -- */

static void on_written(uv_write_t *request, int status)
{
    struct weft_socket *socket = request->handle->data;
    weft_free(socket->kept);
    socket->kept = NULL;
    if (socket->state != SOCKET_OPEN) {
        return; /* closed or failed; a flush goes on with on_shut */
    }
    if (status < 0) {
        if (!falls_mute(socket, status)) {
            fail(socket, weft_sys_error(status));
        }
        return;
    }
    if (socket->blocked) {
        socket->blocked = false;
        weft_sys_deliver(socket->sys);
        socket->user->writable(socket->self);
    }
}

/* libuv has no event for "this stream takes bytes again", only for "these bytes are through". So when the kernel is
 * full, a few bytes more are copied and left to libuv, and their completion is the event. */
static int64_t keep_some(struct weft_socket *socket, const struct weft_slice *views, size_t count, size_t taken)
{
    size_t total = 0;
    for (size_t i = 0; i < count; i++) {
        total += views[i].size;
    }
    size_t size = total - taken < KEPT_MAX ? total - taken : KEPT_MAX;
    struct kept *kept = weft_alloc(sizeof(*kept) + size);
    if (!kept) {
        return fail_soon(socket, WEFT_ERR_MEMORY); /* without the event it would wait for ever */
    }
    kept->size = 0;
    size_t skip = taken;
    for (size_t i = 0; i < count && kept->size < size; i++) {
        if (skip >= views[i].size) {
            skip -= views[i].size;
            continue;
        }
        size_t part = views[i].size - skip < size - kept->size ? views[i].size - skip : size - kept->size;
        memcpy(kept->bytes + kept->size, views[i].data + skip, part);
        kept->size += part;
        skip = 0;
    }
    uv_buf_t buffer = uv_buf_init(kept->bytes, (unsigned)size);
    int status = uv_write(&kept->request, &socket->uv.stream, &buffer, 1, on_written);
    if (status < 0) {
        weft_free(kept);
        return fail_soon(socket, weft_sys_error(status));
    }
    socket->kept = kept;
    socket->blocked = taken + size < total;
    return (int64_t)(taken + size);
}

int64_t weft_socket_write(struct weft_socket *socket, const struct weft_slice *views, size_t count)
{
    if (socket->state == SOCKET_DIALLING || (socket->state == SOCKET_OPEN && (socket->kept || socket->mute))) {
        socket->blocked = true;
        return 0;
    }
    if (socket->state != SOCKET_OPEN) {
        return WEFT_ERR_CLOSED;
    }
    size_t taken = 0;
    for (size_t next = 0; next < count;) {
        uv_buf_t buffers[WRITE_VIEWS_MAX];
        unsigned used = 0;
        size_t batch = 0;
        for (; next < count && used < WRITE_VIEWS_MAX; next++) {
            if (views[next].size > 0) {
                buffers[used++] = (uv_buf_t){.base = (char *)(uintptr_t)views[next].data, .len = views[next].size};
                batch += views[next].size;
            }
        }
        int sent = used > 0 ? uv_try_write(&socket->uv.stream, buffers, used) : 0;
        if (sent < 0 && sent != UV_EAGAIN && falls_mute(socket, sent)) {
            return (int64_t)taken;
        }
        if (sent < 0 && sent != UV_EAGAIN) {
            return fail_soon(socket, weft_sys_error(sent));
        }
        taken += sent > 0 ? (size_t)sent : 0;
        if (sent < 0 || (size_t)sent < batch) {
            return keep_some(socket, views, count, taken);
        }
    }
    return (int64_t)taken;
}

/* -- the beginning -- */

static int socket_new(struct weft_sys *sys, bool is_unix, struct weft_socket **out)
{
    struct weft_socket *socket = weft_zalloc(sizeof(*socket));
    if (!socket) {
        return WEFT_ERR_MEMORY;
    }
    int status = is_unix ? uv_pipe_init(&sys->loop, &socket->uv.pipe, 0) : uv_tcp_init(&sys->loop, &socket->uv.tcp);
    if (status < 0) {
        weft_free(socket);
        return weft_sys_error(status);
    }
    socket->uv.handle.data = socket;
    socket->sys = sys;
    socket->user = &weft_socket_deaf;
    weft_task_init(&socket->soon, tell_failure);
    sys->sockets++;
    *out = socket;
    return 0;
}

int weft_socket_open(struct weft_sys *sys, int descriptor, bool is_unix, struct weft_socket **out)
{
    struct weft_socket *socket = NULL;
    int status = socket_new(sys, is_unix, &socket);
    if (!socket) {
        return status;
    }
    status = is_unix ? uv_pipe_open(&socket->uv.pipe, descriptor) : uv_tcp_open(&socket->uv.tcp, descriptor);
    if (status < 0) {
        destroy(socket, false);
        return weft_sys_error(status);
    }
    if (!is_unix) {
        (void)uv_tcp_nodelay(&socket->uv.tcp, 1); /* fails only if the peer is gone: reading will say so */
    }
    socket->state = SOCKET_OPEN;
    *out = socket;
    return 0;
}

void weft_socket_attach(struct weft_socket *socket, const struct weft_socket_user *user, void *self)
{
    socket->user = user;
    socket->self = self;
}

static void on_connected(uv_connect_t *request, int status)
{
    struct weft_socket *socket = request->handle->data;
    if (socket->state != SOCKET_DIALLING) {
        return; /* closed meanwhile */
    }
    weft_sys_deliver(socket->sys);
    socket->state = status < 0 ? SOCKET_FAILED : SOCKET_OPEN;
    bool was_blocked = socket->blocked;
    socket->blocked = false;
    socket->user->opened(socket->self, weft_sys_error(status));
    /* A user that did not close it in there may have tried to write before. */
    if (was_blocked && socket->state == SOCKET_OPEN) {
        socket->user->writable(socket->self);
    }
}

int weft_socket_dial(struct weft_host *host, const struct weft_address *address, const struct weft_socket_user *user,
                     void *self, struct weft_socket **out)
{
    *out = NULL;
    struct weft_sys *sys = WEFT_CONTAINER(host, struct weft_sys, host);
    struct sockaddr_storage to;
    socklen_t size;
    int status = weft_sys_address_parse(address, &to, &size);
    if (status < 0) {
        return status;
    }
    struct weft_socket *socket = NULL;
    status = socket_new(sys, address->kind == WEFT_ADDRESS_UNIX, &socket);
    if (!socket) {
        return status;
    }
    weft_socket_attach(socket, user, self);
    if (address->kind == WEFT_ADDRESS_UNIX) {
        uv_pipe_connect(&socket->request.connect, &socket->uv.pipe, address->text, on_connected); /* says all later */
    } else {
        status = uv_tcp_connect(&socket->request.connect, &socket->uv.tcp, (const struct sockaddr *)&to, on_connected);
        if (status < 0) {
            destroy(socket, false);
            return weft_sys_error(status);
        }
        (void)uv_tcp_nodelay(&socket->uv.tcp, 1); /* cannot matter: slower at worst */
    }
    *out = socket;
    return 0;
}

int weft_sys_pair(struct weft_sys *sys, struct weft_socket **out, int *child)
{
    *out = NULL;
    *child = -1;
    uv_os_sock_t ends[2];
    int status = uv_socketpair(SOCK_STREAM, 0, ends, UV_NONBLOCK_PIPE, 0); /* closed on exec; ours does not block */
    if (status < 0) {
        return weft_sys_error(status);
    }
    status = weft_socket_open(sys, ends[0], true, out);
    if (status < 0) {
        (void)close(ends[0]); /* never used: nothing can be lost */
        (void)close(ends[1]);
        return status;
    }
    *child = ends[1];
    return 0;
}
