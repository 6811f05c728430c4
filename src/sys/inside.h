/* sys/inside.h - what the files of this room share, and nobody else sees. */
#ifndef WEFT_SYS_INSIDE_H
#define WEFT_SYS_INSIDE_H

#include <sys/types.h>
#include <uv.h>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/turn.h"
#include "sys/log.h"
#include "sys/sys.h"

#define WEFT_SYS_INPUT     ((size_t)64 * 1024) /* what one read takes; one buffer serves all sockets */
#define WEFT_SYS_BATCH_MAX 32                  /* callbacks between turns: more would make the first wait for all */
#define WEFT_SYS_JOBS_MAX  256                 /* files and names asked for at once: then WEFT_ERR_FULL */
#define WEFT_SYS_FREE_WAIT (2 * WEFT_SECOND)   /* what closed sockets and jobs get at the end */
#define WEFT_SYS_SWEEP_MS  250                 /* how often closed sockets are looked at */

#define WEFT_SYS_SIGNALS 3 /* that ask a program to end */

struct weft_sys {
    struct weft_host host;
    uv_loop_t loop;
    uv_prepare_t before_poll;
    uv_check_t after_poll;
    uv_idle_t awake;         /* runs while `soon` holds something: the poll must not block */
    uv_timer_t alarm;        /* the guest's deadline */
    uv_timer_t beat;         /* runs while there are deadlines: the clock is looked at */
    uv_timer_t sweep;        /* runs while a closed socket is not yet gone */
    uv_timer_t accept_again; /* runs while accepting pauses for want of descriptors */
    uv_timer_t log_again;    /* runs while the log's reader is slow */
    uv_signal_t signals[WEFT_SYS_SIGNALS];
    uv_async_t poked; /* another thread wants a turn */

    struct weft_turn soon; /* callbacks owed by operations that may not call back themselves */
    struct weft_guest guest;
    struct weft_clock clock;
    weft_time deadline; /* what `alarm` is set to, by that clock */
    unsigned delivered; /* callbacks since the guest's last turn */
    bool due;           /* something was delivered: the guest gets its turn */
    bool over;          /* being freed: nothing is delivered */

    void (*signalled)(void *self, int number);
    void *signalled_self;

    size_t sockets, sockets_max;
    struct weft_socket *closing; /* closed by the guest, still sending or lingering */
    struct weft_listener *listeners;
    struct weft_worker *workers;
    weft_sys_store *store; /* NULL: none */
    void *store_self;
    struct weft_sys_hasher hasher; /* likewise */
    weft_time pause_said;          /* when the log last heard that accepting pauses */
    size_t jobs, processes;
    struct weft_log log;
    char input[WEFT_SYS_INPUT];
};

/* sys.c */
/* Before every callback to the guest. The first of a batch gives it a turn that has nothing to do but to learn the
 * time: after a long sleep the last turn's would start deadlines that are already over. After each WEFT_SYS_BATCH_MAX
 * it gets one to act: when very many sockets have something at once, the first shall not wait for the last. */
void weft_sys_deliver(struct weft_sys *sys);
weft_time weft_sys_now(struct weft_sys *sys); /* the time of the guest's turns, and of all deadlines here */
int weft_sys_error(int uv);                   /* WEFT_ERR_* for one of libuv's UV_E* */
void weft_sys_soon(struct weft_sys *sys, struct weft_task *task); /* runs it before the loop next blocks */
void weft_sys_sweep_on(struct weft_sys *sys); /* a socket is closing: look after it until it is gone */
int weft_sys_job_begin(struct weft_sys *sys); /* counts one in, or WEFT_ERR_FULL */
void weft_sys_job_end(struct weft_sys *sys);  /* and out: the guest gets a turn */

/* address.c */
int weft_sys_address_parse(const struct weft_address *address, struct sockaddr_storage *out, socklen_t *size);
int weft_sys_address_print(const struct sockaddr *from, struct weft_address *out);

/* socket.c */
extern const struct weft_socket_user weft_socket_deaf; /* hears nothing */
/* Takes a connected descriptor, TCP or Unix; on error it is the caller's still. */
int weft_socket_open(struct weft_sys *sys, int descriptor, bool is_unix, struct weft_socket **out);
void weft_socket_attach(struct weft_socket *socket, const struct weft_socket_user *user, void *self);
void weft_socket_read(struct weft_socket *socket, bool on);
int64_t weft_socket_write(struct weft_socket *socket, const struct weft_slice *views, size_t count);
void weft_socket_close(struct weft_socket *socket, bool reset);
int weft_socket_dial(struct weft_host *host, const struct weft_address *address, const struct weft_socket_user *user,
                     void *self, struct weft_socket **out);
void weft_socket_sweep(struct weft_sys *sys, weft_time now);      /* ends what has lingered or sent for too long */
void weft_socket_hurry(struct weft_sys *sys, weft_time deadline); /* at the end: no lingering, sending until then */

/* listener.c */
int weft_listener_listen(struct weft_host *host, const struct weft_address *address,
                         const struct weft_listener_user *user, void *self, struct weft_listener **out,
                         struct weft_address *bound);
void weft_listener_accept(struct weft_listener *listener, bool on);
void weft_listener_unlisten(struct weft_listener *listener);
void weft_listener_accept_again(uv_timer_t *timer);

/* resolve.c */
int weft_resolve(struct weft_host *host, const char *name, uint16_t port,
                 void (*done)(void *self, int status, const struct weft_address *addresses, size_t count), void *self);

/* file.c */
int weft_file_read(struct weft_host *host, const char *path, size_t max,
                   void (*done)(void *self, int status, struct weft_slice content), void *self);
int weft_file_write(struct weft_host *host, const char *path, struct weft_slice content, bool exclusive,
                    void (*done)(void *self, int status), void *self);

/* worker.c */
void weft_workers_end(struct weft_sys *sys);  /* all jobs have ended: so do the threads */
void weft_workers_free(struct weft_sys *sys); /* after the loop */

/* process.c */
int weft_process_spawn(struct weft_host *host, const struct weft_spawn *spawn, const struct weft_process_user *user,
                       void *self, struct weft_process **out, struct weft_socket **socket);
void weft_process_kill(struct weft_process *process, bool now);
void weft_process_disown(struct weft_process *process);
int64_t weft_process_id(const struct weft_process *process);
void weft_process_seal(void); /* what this process was given itself is closed on exec too: no child inherits it */

void *weft_process_shared(const struct weft_process *process);

/* shared.c */
struct weft_shared {
    void *at; /* NULL: none */
    size_t size;
};
/* Makes it, of zeros; `child` is a descriptor of it for a child, closed on exec and the caller's to close. */
int weft_shared_new(struct weft_shared *shared, size_t size, int *child);
void weft_shared_free(struct weft_shared *shared);

/* cores.c */
size_t weft_cores(struct weft_host *host);
/* Cores that the groups named in the file `groups` (/proc/self/cgroup) are given, by the files beneath `root`; SIZE_MAX
 * where nothing limits them. */
size_t weft_cores_given(const char *root, const char *groups);

#endif
