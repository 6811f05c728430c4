/* sys/listener.c - sockets that others dial.
 *
 * Not libuv's own listeners: when descriptors run out, those accept a waiting connection and drop it. Here the kernel
 * keeps it until there is a descriptor, and the loop does not spin meanwhile. */
#include "sys/inside.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/error.h"
#include "base/mem.h"

#define BACKLOG          4096 /* the kernel lowers it to its own bound */
#define ACCEPT_MAX       64   /* from one listener before others get their turn; the poll comes back for more */
#define ACCEPT_AGAIN_MS  100  /* a pause for want of descriptors */
#define PAUSE_SAID_EVERY (10 * WEFT_SECOND)

struct weft_listener {
    uv_poll_t poll;
    struct weft_sys *sys;
    const struct weft_listener_user *user;
    void *self;
    struct weft_listener *next, *previous; /* in sys->listeners */
    int descriptor;
    bool on;
    bool is_unix;
    dev_t device; /* of the socket's file: only our own is removed */
    ino_t inode;
    char path[WEFT_ADDRESS_TEXT_MAX];
};

/* -- accepting -- */

static int accept_one(int descriptor)
{
#ifdef __linux__
    return accept4(descriptor, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
#else
    int accepted = accept(descriptor, NULL, NULL);
    if (accepted >= 0) {
        (void)fcntl(accepted, F_SETFD, FD_CLOEXEC); /* fails only for a bad descriptor; libuv makes it nonblocking */
    }
    return accepted;
#endif
}

/* Errors of the one connection that was to be accepted: the next may be well (accept(2), "Error handling"). */
static bool only_this_one(int error)
{
    static const int errors[] = {EINTR,     ECONNABORTED, EPROTO,      ENETDOWN,   ENOPROTOOPT,
                                 EHOSTDOWN, EHOSTUNREACH, ENETUNREACH, EOPNOTSUPP, EPERM};
    for (size_t i = 0; i < WEFT_COUNT(errors); i++) {
        if (errors[i] == error) {
            return true;
        }
    }
    return false;
}

static void pause_all(struct weft_sys *sys, const char *why)
{
    weft_time now = weft_sys_now(sys);
    if (sys->pause_said == 0 || now - sys->pause_said >= PAUSE_SAID_EVERY) {
        sys->pause_said = now;
        weft_log_say(&sys->log, why);
    }
    for (struct weft_listener *listener = sys->listeners; listener; listener = listener->next) {
        (void)uv_poll_stop(&listener->poll); /* cannot fail */
    }
    int status = uv_timer_start(&sys->accept_again, weft_listener_accept_again, ACCEPT_AGAIN_MS, 0);
    WEFT_ASSERT(status == 0); /* fails only for a closing handle */
}

static void on_waiting(uv_poll_t *poll, int status, int events)
{
    (void)status, (void)events; /* whatever it is, accept says it better */
    struct weft_listener *listener = poll->data;
    struct weft_sys *sys = listener->sys;
    for (int i = 0; i < ACCEPT_MAX && listener->on; i++) {
        if (sys->sockets >= sys->sockets_max) {
            pause_all(sys, "accepting pauses: as many sockets are open as the limit of open files allows");
            return;
        }
        int descriptor = accept_one(listener->descriptor);
        if (descriptor < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
            return;
        }
        if (descriptor < 0 && only_this_one(errno)) {
            continue;
        }
        struct weft_socket *socket;
        if (descriptor < 0) {
            pause_all(sys, "accepting pauses: the system is out of descriptors or memory");
            return;
        }
        if (weft_socket_open(sys, descriptor, listener->is_unix, &socket) < 0) {
            (void)close(descriptor); /* no memory for it: the peer sees it closed */
            pause_all(sys, "accepting pauses: out of memory");
            return;
        }
        weft_sys_deliver(sys);
        listener->user->accepted(listener->self, socket);
    }
}

static void poll_start(struct weft_listener *listener)
{
    int status = uv_poll_start(&listener->poll, UV_READABLE, on_waiting);
    WEFT_ASSERT(status == 0); /* fails only for a closing handle */
}

void weft_listener_accept_again(uv_timer_t *timer)
{
    struct weft_sys *sys = timer->data;
    for (struct weft_listener *listener = sys->listeners; listener; listener = listener->next) {
        if (listener->on) {
            poll_start(listener);
        }
    }
}

void weft_listener_accept(struct weft_listener *listener, bool on)
{
    listener->on = on;
    if (!on) {
        (void)uv_poll_stop(&listener->poll); /* cannot fail */
    } else if (!uv_is_active((uv_handle_t *)&listener->sys->accept_again)) {
        poll_start(listener);
    }
}

/* -- binding -- */

/* A socket's file is in the way: is somebody behind it? */
static int remove_if_dead(const struct sockaddr_storage *address, socklen_t size, const char *path)
{
    struct stat there;
    if (lstat(path, &there) != 0 || !S_ISSOCK(there.st_mode)) {
        return WEFT_ERR_EXISTS; /* some other file: never ours to remove */
    }
    int probe = socket(AF_UNIX, SOCK_STREAM, 0);
    if (probe < 0) {
        return weft_sys_error(uv_translate_sys_error(errno));
    }
    int status = WEFT_ERR_BUSY;
    /* Nonblocking: a live one with a full backlog answers EAGAIN. */
    if (fcntl(probe, F_SETFL, O_NONBLOCK) == 0 && connect(probe, (const struct sockaddr *)address, size) != 0 &&
        errno == ECONNREFUSED) {
        status = unlink(path) == 0 ? 0 : weft_sys_error(uv_translate_sys_error(errno));
    }
    (void)close(probe); /* nothing was sent */
    return status;
}

static int bind_unix(int descriptor, const struct sockaddr_storage *address, socklen_t size, const char *path)
{
    /* From its first moment only its owner may connect; 0700 until the chmod, which on a socket means the same. */
    mode_t mask = umask(0077);
    int status = bind(descriptor, (const struct sockaddr *)address, size) == 0 ? 0 : errno;
    if (status == EADDRINUSE) {
        int removed = remove_if_dead(address, size, path);
        if (removed < 0) {
            (void)umask(mask); /* cannot fail */
            return removed;
        }
        status = bind(descriptor, (const struct sockaddr *)address, size) == 0 ? 0 : errno;
    }
    (void)umask(mask);
    if (status == 0 && chmod(path, 0600) != 0) {
        status = errno;
    }
    return status ? weft_sys_error(uv_translate_sys_error(status)) : 0;
}

static int bind_tcp(int descriptor, const struct sockaddr_storage *address, socklen_t size)
{
    int on = 1;
    /* A port whose last connections are in TIME_WAIT is free; one that somebody listens on is not. */
    if (setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0 ||
        (address->ss_family == AF_INET6 && setsockopt(descriptor, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on)) != 0) ||
        bind(descriptor, (const struct sockaddr *)address, size) != 0) {
        return weft_sys_error(uv_translate_sys_error(errno));
    }
    return 0;
}

/* A bound, listening descriptor. */
static int open_listening(const struct weft_address *address, int *out)
{
    struct sockaddr_storage to;
    socklen_t size;
    int status = weft_sys_address_parse(address, &to, &size);
    if (status < 0) {
        return status;
    }
    int descriptor = socket(to.ss_family, SOCK_STREAM, 0);
    if (descriptor < 0) {
        return weft_sys_error(uv_translate_sys_error(errno));
    }
    (void)fcntl(descriptor, F_SETFD, FD_CLOEXEC); /* fails only for a bad descriptor */
    status = address->kind == WEFT_ADDRESS_UNIX ? bind_unix(descriptor, &to, size, address->text)
                                                : bind_tcp(descriptor, &to, size);
    if (status == 0 && listen(descriptor, BACKLOG) != 0) {
        status = weft_sys_error(uv_translate_sys_error(errno)); /* Linux finds some ports taken only here */
    }
    if (status < 0) {
        (void)close(descriptor); /* never used */
        return status;
    }
    *out = descriptor;
    return 0;
}

static int say_bound(const struct weft_listener *listener, const struct weft_address *asked, struct weft_address *bound)
{
    *bound = *asked;
    if (listener->is_unix) {
        return 0;
    }
    struct sockaddr_storage name;
    socklen_t size = sizeof(name);
    if (getsockname(listener->descriptor, (struct sockaddr *)&name, &size) != 0) {
        return weft_sys_error(uv_translate_sys_error(errno));
    }
    return weft_sys_address_print((const struct sockaddr *)&name, bound);
}

int weft_listener_listen(struct weft_host *host, const struct weft_address *address,
                         const struct weft_listener_user *user, void *self, struct weft_listener **out,
                         struct weft_address *bound)
{
    *out = NULL;
    struct weft_sys *sys = WEFT_CONTAINER(host, struct weft_sys, host);
    struct weft_listener *listener = weft_zalloc(sizeof(*listener));
    if (!listener) {
        return WEFT_ERR_MEMORY;
    }
    int status = open_listening(address, &listener->descriptor);
    if (status < 0) {
        weft_free(listener);
        return status;
    }
    listener->sys = sys;
    listener->user = user;
    listener->self = self;
    listener->is_unix = address->kind == WEFT_ADDRESS_UNIX;
    struct stat file;
    if (listener->is_unix && lstat(address->text, &file) == 0) {
        memcpy(listener->path, address->text, sizeof(listener->path));
        listener->device = file.st_dev;
        listener->inode = file.st_ino;
    }
    status = uv_poll_init(&sys->loop, &listener->poll, listener->descriptor); /* makes it nonblocking */
    if (status < 0) {
        (void)close(listener->descriptor); /* nobody has heard of it */
        weft_free(listener);
        return weft_sys_error(status);
    }
    listener->poll.data = listener;
    listener->next = sys->listeners;
    if (listener->next) {
        listener->next->previous = listener;
    }
    sys->listeners = listener;
    struct weft_address unused;
    status = say_bound(listener, address, bound ? bound : &unused);
    if (status < 0) {
        weft_listener_unlisten(listener);
        return status;
    }
    weft_listener_accept(listener, true);
    *out = listener;
    return 0;
}

static void on_closed(uv_handle_t *handle)
{
    weft_free(handle->data);
}

void weft_listener_unlisten(struct weft_listener *listener)
{
    struct stat file;
    if (listener->path[0] && lstat(listener->path, &file) == 0 && file.st_dev == listener->device &&
        file.st_ino == listener->inode) {
        (void)unlink(listener->path); /* a dead one is removed by the next start */
    }
    if (listener->previous) {
        listener->previous->next = listener->next;
    } else {
        listener->sys->listeners = listener->next;
    }
    if (listener->next) {
        listener->next->previous = listener->previous;
    }
    listener->on = false;
    uv_close((uv_handle_t *)&listener->poll, on_closed);
    (void)close(listener->descriptor); /* at once: the port is free from here on; uv_close no longer looks at it */
}
