/* sys/sys.c - the loop, the guest's turn, signals, and the table of operations. */
#include "sys/inside.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/prctl.h>
#endif

#include "base/assert.h"
#include "base/error.h"
#include "base/mem.h"

#define DESCRIPTORS_MIN 16  /* the loop's own are a dozen, and libuv aborts where it gets none */
#define LOG_AGAIN_MS    100 /* a slow reader of the log is tried again after this */

static const int signal_numbers[WEFT_SYS_SIGNALS] = {SIGTERM, SIGINT, SIGHUP};

/* -- time, chance, errors -- */

static weft_time machine_now(void)
{
    return (weft_time)(uv_hrtime() / 1000);
}

static weft_time host_now(struct weft_host *host)
{
    (void)host; /* one clock for all */
    return machine_now();
}

weft_time weft_sys_now(struct weft_sys *sys)
{
    return weft_clock_look(&sys->clock, machine_now());
}

static int64_t host_wall(struct weft_host *host)
{
    (void)host;
    struct timespec wall;
    WEFT_ASSERT(clock_gettime(CLOCK_REALTIME, &wall) == 0);
    return (int64_t)wall.tv_sec * WEFT_SECOND + wall.tv_nsec / 1000;
}

static void host_entropy(struct weft_host *host, void *buffer, size_t size)
{
    (void)host;
    int status = uv_random(NULL, NULL, buffer, size, 0, NULL); /* without a callback: at once */
    if (status < 0) {
        fprintf(stderr,
                "weft: the system gives no random bytes (%s). Keys made without them could be guessed, so weft ends "
                "here. Check that getrandom(2) is allowed and that /dev/urandom is there.\n",
                uv_strerror(status));
        abort();
    }
}

int weft_sys_error(int uv)
{
    static const struct {
        int uv, weft;
    } table[] = {
        {0, 0},
        {UV_ENOMEM, WEFT_ERR_MEMORY},
        {UV_ENOBUFS, WEFT_ERR_MEMORY},
        {UV_EAI_MEMORY, WEFT_ERR_MEMORY},
        {UV_EINVAL, WEFT_ERR_INVALID},
        {UV_ENAMETOOLONG, WEFT_ERR_INVALID},
        {UV_EFBIG, WEFT_ERR_TOO_LARGE},
        {UV_EMFILE, WEFT_ERR_FULL},
        {UV_ENFILE, WEFT_ERR_FULL},
        {UV_EOF, WEFT_ERR_CLOSED},
        {UV_EPIPE, WEFT_ERR_CLOSED},
        {UV_ECONNRESET, WEFT_ERR_CLOSED},
        {UV_ECONNABORTED, WEFT_ERR_CLOSED},
        {UV_ENOTCONN, WEFT_ERR_CLOSED},
        {UV_ECANCELED, WEFT_ERR_CANCELLED},
        {UV_EAI_CANCELED, WEFT_ERR_CANCELLED},
        {UV_ETIMEDOUT, WEFT_ERR_TIMEOUT},
        {UV_ENOENT, WEFT_ERR_NOT_FOUND},
        {UV_ENOTDIR, WEFT_ERR_NOT_FOUND},
        {UV_EADDRNOTAVAIL, WEFT_ERR_NOT_FOUND},
        {UV_EAI_NONAME, WEFT_ERR_NOT_FOUND},
        {UV_EAI_NODATA, WEFT_ERR_NOT_FOUND},
        {UV_EAI_ADDRFAMILY, WEFT_ERR_NOT_FOUND},
        {UV_EACCES, WEFT_ERR_DENIED},
        {UV_EPERM, WEFT_ERR_DENIED},
        {UV_EROFS, WEFT_ERR_DENIED},
        {UV_EADDRINUSE, WEFT_ERR_BUSY},
        {UV_EBUSY, WEFT_ERR_BUSY},
        {UV_ECONNREFUSED, WEFT_ERR_REFUSED},
        {UV_ENETUNREACH, WEFT_ERR_UNREACHABLE},
        {UV_EHOSTUNREACH, WEFT_ERR_UNREACHABLE},
        {UV_ENETDOWN, WEFT_ERR_UNREACHABLE},
        {UV_EAI_AGAIN, WEFT_ERR_UNREACHABLE}, /* no name server answers */
        {UV_EAFNOSUPPORT, WEFT_ERR_UNSUPPORTED},
        {UV_EAI_FAMILY, WEFT_ERR_UNSUPPORTED},
        {UV_EEXIST, WEFT_ERR_EXISTS},
    };
    for (size_t i = 0; i < WEFT_COUNT(table); i++) {
        if (table[i].uv == uv) {
            return table[i].weft;
        }
    }
    return WEFT_ERR_IO;
}

/* -- the turn -- */

static void on_alarm(uv_timer_t *timer)
{
    struct weft_sys *sys = timer->data;
    sys->deadline = WEFT_NEVER;
    sys->due = true;
}

static void on_beat(uv_timer_t *timer)
{
    struct weft_sys *sys = timer->data;
    (void)weft_sys_now(sys); /* that it was looked at is all */
    if (sys->deadline == WEFT_NEVER && !uv_is_active((uv_handle_t *)&sys->sweep)) {
        weft_clock_watch(&sys->clock, false);
        (void)uv_timer_stop(timer); /* cannot fail */
    }
}

/* There is a deadline: from now on the clock notices when this process is kept from running. */
static void watch_clock(struct weft_sys *sys)
{
    if (sys->clock.watched) {
        return;
    }
    (void)weft_sys_now(sys); /* it begins here */
    weft_clock_watch(&sys->clock, true);
    int status = uv_timer_start(&sys->beat, on_beat, WEFT_CLOCK_BEAT / WEFT_MS, WEFT_CLOCK_BEAT / WEFT_MS);
    WEFT_ASSERT(status == 0); /* fails only for a closing handle */
}

/* libuv's timers count whole milliseconds of the machine's clock, from the loop's idea of now. */
static void set_alarm(struct weft_sys *sys, weft_time deadline)
{
    if (deadline == sys->deadline) {
        return;
    }
    sys->deadline = deadline;
    if (deadline == WEFT_NEVER) {
        (void)uv_timer_stop(&sys->alarm); /* cannot fail */
        return;
    }
    watch_clock(sys);
    /* When time is taken out of the clock before that, the alarm comes too early once, and is set again. */
    weft_time at = weft_clock_machine(&sys->clock, deadline);
    uint64_t at_ms = (uint64_t)(at / WEFT_MS + (at % WEFT_MS > 0)); /* else never too early */
    uint64_t now_ms = uv_now(&sys->loop);
    int status = uv_timer_start(&sys->alarm, on_alarm, at_ms > now_ms ? at_ms - now_ms : 0, 0);
    WEFT_ASSERT(status == 0); /* fails only for a closing handle */
}

/* Only wakes the loop: the flush comes after each poll. */
static void on_log_again(uv_timer_t *timer)
{
    (void)timer;
}

static void run_turn(struct weft_sys *sys)
{
    if (sys->due && !sys->over) {
        sys->due = false;
        set_alarm(sys, sys->guest.turn(sys->guest.self, weft_sys_now(sys)));
    }
    if (!weft_log_flush(&sys->log)) {
        int status = uv_timer_start(&sys->log_again, on_log_again, LOG_AGAIN_MS, 0);
        WEFT_ASSERT(status == 0); /* fails only for a closing handle */
    }
}

static void on_before_poll(uv_prepare_t *handle)
{
    run_turn(handle->data);
}

static void on_after_poll(uv_check_t *handle)
{
    run_turn(handle->data);
}

void weft_sys_deliver(struct weft_sys *sys)
{
    if (sys->over || (sys->due && ++sys->delivered < WEFT_SYS_BATCH_MAX)) {
        return;
    }
    sys->due = true;
    sys->delivered = 0;
    if (sys->guest.turn) {
        (void)sys->guest.turn(sys->guest.self, weft_sys_now(sys)); /* it will be asked again, after the callbacks */
    }
}

static void on_awake(uv_idle_t *handle)
{
    struct weft_sys *sys = handle->data;
    weft_sys_deliver(sys);
    weft_turn_run(&sys->soon);
    (void)uv_idle_stop(handle); /* cannot fail */
}

void weft_sys_soon(struct weft_sys *sys, struct weft_task *task)
{
    weft_turn_add(&sys->soon, task);
    int status = uv_idle_start(&sys->awake, on_awake);
    WEFT_ASSERT(status == 0); /* fails only without a callback */
}

int weft_sys_job_begin(struct weft_sys *sys)
{
    if (sys->jobs >= WEFT_SYS_JOBS_MAX) {
        return WEFT_ERR_FULL;
    }
    sys->jobs++;
    return 0;
}

void weft_sys_job_end(struct weft_sys *sys)
{
    WEFT_ASSERT(sys->jobs > 0);
    sys->jobs--;
    weft_sys_deliver(sys);
}

static void on_poked(uv_async_t *handle)
{
    weft_sys_deliver(handle->data);
}

void weft_sys_poke(struct weft_sys *sys)
{
    int status = uv_async_send(&sys->poked);
    WEFT_ASSERT(status == 0); /* fails only for another kind of handle */
}

static void on_sweep(uv_timer_t *timer)
{
    weft_socket_sweep(timer->data, weft_sys_now(timer->data));
}

void weft_sys_sweep_on(struct weft_sys *sys)
{
    watch_clock(sys);
    if (!uv_is_active((uv_handle_t *)&sys->sweep)) {
        int status = uv_timer_start(&sys->sweep, on_sweep, WEFT_SYS_SWEEP_MS, WEFT_SYS_SWEEP_MS);
        WEFT_ASSERT(status == 0); /* fails only for a closing handle */
    }
}

/* -- life -- */

static size_t descriptors_raise(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) {
        return 256; /* what POSIX systems give at the least in practice; accept's own error is handled anyway */
    }
    rlim_t had = limit.rlim_cur;
    limit.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0) {
        limit.rlim_cur = had; /* macOS refuses "no limit": what there was stays */
    }
    return limit.rlim_cur > SIZE_MAX / 2 ? SIZE_MAX / 2 : (size_t)limit.rlim_cur;
}

/* Prompts and keys pass through this process: its memory must not land in a core file. */
static void process_prepare(struct weft_sys *sys, size_t descriptors)
{
    struct rlimit none = {0, 0};
    bool off = setrlimit(RLIMIT_CORE, &none) == 0;
#ifdef __linux__
    off = prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == 0 && off; /* a core_pattern pipe ignores RLIMIT_CORE */
#endif
    if (!off) {
        weft_log_say(&sys->log, "core dumps could not be turned off: a crash may write prompts to a core file");
    }
    (void)signal(SIGPIPE, SIG_IGN); /* fails only for a bad number; a closed peer is EPIPE then */
    sys->sockets_max =
        descriptors > 2 * WEFT_SYS_DESCRIPTORS_KEPT ? descriptors - WEFT_SYS_DESCRIPTORS_KEPT : descriptors / 2;
}

static size_t host_sockets_max(struct weft_host *host)
{
    return WEFT_CONTAINER(host, struct weft_sys, host)->sockets_max;
}

static void host_log(struct weft_host *host, enum weft_log_level level, struct weft_slice line)
{
    (void)level; /* the line says it; whoever calls has chosen */
    weft_log_line(&WEFT_CONTAINER(host, struct weft_sys, host)->log, line);
}

static int host_store(struct weft_host *host, const struct weft_store_op *op, weft_store_done *done, void *self)
{
    struct weft_sys *sys = WEFT_CONTAINER(host, struct weft_sys, host);
    return sys->store ? sys->store(sys->store_self, op, done, self) : WEFT_ERR_UNSUPPORTED;
}

static int host_hash_file(struct weft_host *host, const char *path,
                          void (*done)(void *self, int status, const uint8_t hash[WEFT_HOST_HASH_SIZE]), void *self)
{
    const struct weft_sys_hasher *hasher = &WEFT_CONTAINER(host, struct weft_sys, host)->hasher;
    return hasher->ask ? hasher->ask(hasher->self, path, done, self) : WEFT_ERR_UNSUPPORTED;
}

static void host_forget_hashes(struct weft_host *host, const void *self)
{
    const struct weft_sys_hasher *hasher = &WEFT_CONTAINER(host, struct weft_sys, host)->hasher;
    if (hasher->forget) {
        hasher->forget(hasher->self, self);
    }
}

static const struct weft_host_ops sys_ops = {
    .now = host_now,
    .wall = host_wall,
    .entropy = host_entropy,
    .log = host_log,
    .listen = weft_listener_listen,
    .accept = weft_listener_accept,
    .unlisten = weft_listener_unlisten,
    .sockets_max = host_sockets_max,
    .attach = weft_socket_attach,
    .read = weft_socket_read,
    .write = weft_socket_write,
    .close = weft_socket_close,
    .dial = weft_socket_dial,
    .resolve = weft_resolve,
    .read_file = weft_file_read,
    .write_file = weft_file_write,
    .hash_file = host_hash_file,
    .forget_hashes = host_forget_hashes,
    .store = host_store,
    .spawn = weft_process_spawn,
    .kill = weft_process_kill,
    .disown = weft_process_disown,
    .shared = weft_process_shared,
    .process_id = weft_process_id,
    .cores = weft_cores,
};

/* None of these can fail: they fill in structs and check that a callback is there. */
static void start_handles(struct weft_sys *sys)
{
    uv_loop_t *loop = &sys->loop;
    int status = uv_prepare_init(loop, &sys->before_poll) | uv_check_init(loop, &sys->after_poll) |
                 uv_idle_init(loop, &sys->awake) | uv_timer_init(loop, &sys->alarm) | uv_timer_init(loop, &sys->beat) |
                 uv_timer_init(loop, &sys->sweep) | uv_timer_init(loop, &sys->accept_again) |
                 uv_timer_init(loop, &sys->log_again) |
                 uv_async_init(loop, &sys->poked, on_poked); /* the loop has made its wake-up call already */
    sys->before_poll.data = sys->after_poll.data = sys->awake.data = sys;
    sys->alarm.data = sys->beat.data = sys->sweep.data = sys->accept_again.data = sys->log_again.data =
        sys->poked.data = sys;
    status |= uv_prepare_start(&sys->before_poll, on_before_poll) | uv_check_start(&sys->after_poll, on_after_poll);
    WEFT_ASSERT(status == 0);
}

int weft_sys_new(struct weft_sys **out)
{
    *out = NULL;
    weft_process_seal(); /* before core dumps are off: /dev/fd is not ours to read then */
    size_t descriptors = descriptors_raise();
    if (descriptors < DESCRIPTORS_MIN) {
        return WEFT_ERR_FULL;
    }
    struct weft_sys *sys = weft_zalloc(sizeof(*sys));
    if (!sys) {
        return WEFT_ERR_MEMORY;
    }
    sys->host.ops = &sys_ops;
    sys->deadline = WEFT_NEVER;
    weft_turn_init(&sys->soon);
    weft_log_init(&sys->log, STDERR_FILENO);
    int status = uv_loop_init(&sys->loop);
    if (status < 0) {
        weft_log_deinit(&sys->log);
        weft_free(sys);
        return weft_sys_error(status);
    }
    start_handles(sys);
    process_prepare(sys, descriptors);
    *out = sys;
    return 0;
}

static void on_late_signal(uv_signal_t *handle, int number)
{
    (void)handle, (void)number; /* its loop never runs */
}

/* A signal that nobody watches any more ends the process at once: libuv sees to that when the last handle for it stops.
 * One that comes while all is being put away must not decide how this process ends; so another loop, that never runs,
 * watches from here on. */
static void keep_signals(void)
{
    static uv_signal_t keepers[WEFT_SYS_SIGNALS];
    static bool kept;
    uv_loop_t *loop = kept ? NULL : uv_default_loop();
    for (size_t i = 0; loop && i < WEFT_SYS_SIGNALS; i++) {
        /* Without memory or descriptors it is as it was: a second signal just now ends the process by itself. */
        kept = uv_signal_init(loop, &keepers[i]) == 0 &&
               uv_signal_start(&keepers[i], on_late_signal, signal_numbers[i]) == 0;
    }
}

static void close_handle(uv_handle_t *handle, void *unused)
{
    (void)unused;
    if (!uv_is_closing(handle)) {
        uv_close(handle, NULL); /* all that are left lie in struct weft_sys, or in its workers */
    }
}

bool weft_sys_free(struct weft_sys *sys)
{
    if (!sys) {
        return true;
    }
    WEFT_ASSERT(!sys->listeners);
    sys->over = true;
    weft_turn_run(&sys->soon); /* what is left only gives its memory back */
    weft_time deadline = weft_sys_now(sys) + WEFT_SYS_FREE_WAIT;
    weft_socket_hurry(sys, deadline);
    weft_sys_sweep_on(sys); /* wakes the loop to look at the time */
    while ((sys->sockets > 0 || sys->jobs > 0 || sys->processes > 0) &&
           weft_sys_now(sys) < deadline + WEFT_SYS_SWEEP_MS * WEFT_MS) {
        (void)uv_run(&sys->loop, UV_RUN_ONCE); /* whether handles are left is not the question */
    }
    weft_log_deinit(&sys->log);
    if (sys->sockets > 0 || sys->jobs > 0 || sys->processes > 0) {
        return false;
    }
    weft_workers_end(sys);
    if (sys->signalled) {
        keep_signals();
    }
    uv_walk(&sys->loop, close_handle, NULL);
    (void)uv_run(&sys->loop, UV_RUN_DEFAULT); /* until the last close callback */
    WEFT_ASSERT(uv_loop_close(&sys->loop) == 0);
    weft_workers_free(sys);
    weft_free(sys);
    return true;
}

struct weft_host *weft_sys_host(struct weft_sys *sys)
{
    return &sys->host;
}

int weft_sys_run(struct weft_sys *sys, struct weft_guest guest)
{
    sys->guest = guest;
    weft_clock_init(&sys->clock);             /* the guest has seen `now`: its turns begin there */
    sys->due = true;                          /* the guest may have begun something already */
    (void)uv_run(&sys->loop, UV_RUN_DEFAULT); /* says only whether handles are left: there always are */
    return 0;
}

void weft_sys_log_pretty(struct weft_sys *sys, bool pretty)
{
    sys->log.pretty = pretty;
}

void weft_sys_set_store(struct weft_sys *sys, weft_sys_store *ask, void *store)
{
    sys->store = ask;
    sys->store_self = store;
}

void weft_sys_set_hasher(struct weft_sys *sys, const struct weft_sys_hasher *hasher)
{
    sys->hasher = *hasher;
}

void weft_sys_stop(struct weft_sys *sys)
{
    uv_stop(&sys->loop);
}

/* -- signals -- */

static void on_signal(uv_signal_t *handle, int number)
{
    struct weft_sys *sys = handle->data;
    if (sys->over) {
        return;
    }
    weft_sys_deliver(sys);
    sys->signalled(sys->signalled_self, number);
}

/* By nohup: its terminal may go, and it stays. */
static bool is_ignored(int number)
{
    struct sigaction now;
    return number == SIGHUP && sigaction(number, NULL, &now) == 0 && now.sa_handler == SIG_IGN;
}

int weft_sys_on_signal(struct weft_sys *sys, void (*signalled)(void *self, int number), void *self)
{
    WEFT_ASSERT(!sys->signalled); /* once */
    sys->signalled = signalled;
    sys->signalled_self = self;
    for (size_t i = 0; i < WEFT_SYS_SIGNALS; i++) {
        if (is_ignored(signal_numbers[i])) {
            continue;
        }
        sys->signals[i].data = sys;
        int status = uv_signal_init(&sys->loop, &sys->signals[i]);
        status = status ? status : uv_signal_start(&sys->signals[i], on_signal, signal_numbers[i]);
        if (status < 0) {
            return weft_sys_error(status);
        }
    }
    return 0;
}
