/* sys/process.c - child processes, and a child's own end of what its parent gave it.
 *
 * A child gets nothing of ours but one end of a socket pair, and where it is asked for some memory: every descriptor of
 * this process is closed on exec (see weft_process_seal), and it has a session of its own, so that a terminal's Ctrl-C
 * reaches it through us only. */
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/prctl.h>
#endif

#include "base/error.h"
#include "base/mem.h"
#include "sys/inside.h"

#define CHILD_SOCKET 3    /* the descriptor by which a child knows its end */
#define CHILD_SHARED 4    /* and the memory that it shares with us */
#define SEAL_BLIND   1024 /* descriptors that are looked at where their folder cannot be read */

struct weft_process {
    uv_process_t uv;
    struct weft_sys *sys;
    const struct weft_process_user *user; /* NULL: disowned */
    void *self;
    struct weft_shared shared;
};

/* -- a parent's side -- */

static void on_closed(uv_handle_t *handle)
{
    struct weft_process *process = handle->data;
    process->sys->processes--;
    weft_shared_free(&process->shared);
    weft_free(process);
}

/* libuv has reaped it. Whoever hears of it must not use it any more. */
static void on_exited(uv_process_t *uv, int64_t code, int signal)
{
    struct weft_process *process = uv->data;
    if (process->user && !process->sys->over) {
        weft_sys_deliver(process->sys);
        process->user->exited(process->self, (int)code, signal);
    }
    uv_close((uv_handle_t *)uv, on_closed);
}

/* `shared` is -1 if there is none. */
static int start(struct weft_process *process, const struct weft_spawn *spawn, int child, int shared)
{
    uv_stdio_container_t stdio[CHILD_SHARED + 1] = {
        [0] = {.flags = UV_IGNORE}, /* the null device */
        [1] = {.flags = UV_IGNORE},
        [2] = {.flags = UV_IGNORE},
        [CHILD_SOCKET] = {.flags = UV_INHERIT_FD, .data.fd = child},
        [CHILD_SHARED] = {.flags = UV_INHERIT_FD, .data.fd = shared},
    };
    const uv_process_options_t options = {
        .exit_cb = on_exited,
        .file = spawn->program,
        .args = (char **)(uintptr_t)spawn->argv, /* execvp() promises to change nothing there */
        .flags = UV_PROCESS_DETACHED,
        .stdio_count = shared < 0 ? CHILD_SHARED : CHILD_SHARED + 1,
        .stdio = stdio,
    };
    int status = uv_spawn(&process->sys->loop, &process->uv, &options);
    if (status == 0 && spawn->nice) {
        int own = getpriority(PRIO_PROCESS, 0);
        (void)setpriority(PRIO_PROCESS, (id_t)process->uv.pid, own + spawn->nice); /* refused: it runs as we do */
    }
    return weft_sys_error(status);
}

int weft_process_spawn(struct weft_host *host, const struct weft_spawn *spawn, const struct weft_process_user *user,
                       void *self, struct weft_process **out, struct weft_socket **socket)
{
    struct weft_sys *sys = WEFT_CONTAINER(host, struct weft_sys, host);
    int child, shared = -1;
    *out = NULL;
    *socket = NULL;
    struct weft_process *process = weft_zalloc(sizeof(*process));
    if (!process) {
        return WEFT_ERR_MEMORY;
    }
    int status = spawn->shared > 0 ? weft_shared_new(&process->shared, spawn->shared, &shared) : 0;
    if (status < 0) {
        goto free_process;
    }
    status = weft_sys_pair(sys, socket, &child);
    if (status < 0) {
        goto free_shared;
    }
    process->sys = sys;
    process->uv.data = process;
    sys->processes++;
    status = start(process, spawn, child, shared);
    (void)close(child); /* the child has its own copies, or there is no child */
    if (shared >= 0) {
        (void)close(shared);
    }
    if (status < 0) {
        uv_close((uv_handle_t *)&process->uv, on_closed); /* libuv has made the handle all the same */
        weft_socket_close(*socket, true);
        *socket = NULL;
        return status;
    }
    process->user = user;
    process->self = self;
    *out = process;
    return 0;

free_shared:
    weft_shared_free(&process->shared);
    if (shared >= 0) {
        (void)close(shared);
    }
free_process:
    weft_free(process);
    return status;
}

void *weft_process_shared(const struct weft_process *process)
{
    return process->shared.at;
}

void weft_process_kill(struct weft_process *process, bool now)
{
    (void)uv_process_kill(&process->uv, now ? SIGKILL : SIGTERM); /* fails only if it has ended: `exited` comes */
}

void weft_process_disown(struct weft_process *process)
{
    process->user = NULL;
    weft_process_kill(process, true);
}

int64_t weft_process_id(const struct weft_process *process)
{
    return process->uv.pid;
}

/* -- what children must not get -- */

static void seal(int descriptor)
{
    int flags = fcntl(descriptor, F_GETFD);
    if (descriptor > STDERR_FILENO && flags >= 0 && !(flags & FD_CLOEXEC)) {
        (void)fcntl(descriptor, F_SETFD, flags | FD_CLOEXEC); /* cannot fail for one that F_GETFD knows */
    }
}

void weft_process_seal(void)
{
    DIR *open = opendir("/dev/fd");
    if (!open) {
        for (int descriptor = 0; descriptor < SEAL_BLIND; descriptor++) {
            seal(descriptor);
        }
        return;
    }
    for (const struct dirent *entry; (entry = readdir(open));) {
        char *end;
        long descriptor = strtol(entry->d_name, &end, 10);
        if (*end == '\0' && end != entry->d_name) {
            seal((int)descriptor);
        }
    }
    (void)closedir(open); /* was only read */
}

/* -- a child's side -- */

int weft_sys_inherit(struct weft_sys *sys, int descriptor, struct weft_socket **out)
{
    struct sockaddr_storage name = {0};
    socklen_t size = sizeof(int), name_size = sizeof(name);
    int type = 0;
    *out = NULL;
    if (getsockopt(descriptor, SOL_SOCKET, SO_TYPE, &type, &size) < 0 || type != SOCK_STREAM ||
        getsockname(descriptor, (struct sockaddr *)&name, &name_size) < 0 || name.ss_family != AF_UNIX) {
        return WEFT_ERR_INVALID;
    }
    seal(descriptor);
#ifdef __linux__
    /* Whoever is busy when its parent dies does not read the socket's end: the kernel ends it. */
    if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0) {
        return WEFT_ERR_UNSUPPORTED;
    }
#endif
    return weft_socket_open(sys, descriptor, true, out);
}
