/* engine/sandbox_try.c - tries from inside the sandbox what it must refuse; declared in engine/sandbox.h.
 *
 * Without the sandbox most of these work, and none does harm: what would is asked for with arguments that the kernel
 * turns down after it has allowed the call. */
#include "engine/sandbox.h"

#include <stdio.h>

#ifdef __linux__

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <setjmp.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <unistd.h>

#define NO_PROCESS 0x7ffffff0L /* no system has one of this number */

static const char *model; /* the path of --model */
static sigjmp_buf back;

static void on_refused(int number)
{
    (void)number;
    siglongjmp(back, 1);
}

/* Was it the kernel that said no to the call itself, or only to its arguments? */
static bool allowed(long result)
{
    return result >= 0 || (errno != EPERM && errno != EACCES && errno != ENOSYS);
}

static bool try_call(long a, long b, long c, long d)
{
    return allowed(syscall(a, b, c, d, 0L, 0L, 0L));
}

static bool opens(const char *path, int flags)
{
    int descriptor = open(path, flags | O_CLOEXEC, 0600);
    if (descriptor >= 0) {
        (void)close(descriptor); /* only whether it opens is asked */
    }
    return descriptor >= 0;
}

static bool try_tcp(void)
{
    return try_call(SYS_socket, 2, 1, 0);
}

static bool try_udp(void)
{
    return try_call(SYS_socket, 2, 2, 0);
}

static bool try_unix(void)
{
    return try_call(SYS_socket, 1, 1, 0);
}

static bool try_pair(void)
{
    int ends[2];
    return try_call(SYS_socketpair, 1, 1, 0) || allowed(syscall(SYS_socketpair, 1, 1, 0, ends));
}

static bool try_connect(void)
{
    return try_call(SYS_connect, 0, 0, 0);
}

static bool try_bind(void)
{
    return try_call(SYS_bind, 0, 0, 0);
}

static bool try_exec(void)
{
    char *const none[] = {NULL};
    return allowed(syscall(SYS_execve, "/nothing/of/this/name", none, none));
}

/* A child, as fork makes it: without a thread's flags. */
static bool try_fork(void)
{
    long child = syscall(SYS_clone, (long)SIGCHLD, 0L, 0L, 0L, 0L);
    if (child == 0) {
        (void)syscall(SYS_exit_group, 0L);
    }
    return allowed(child);
}

static bool try_ptrace(void)
{
    return try_call(SYS_ptrace, PTRACE_ATTACH, NO_PROCESS, 0);
}

static bool try_vm_read(void)
{
    return try_call(SYS_process_vm_readv, NO_PROCESS, 0, 0);
}

static bool try_vm_write(void)
{
    return try_call(SYS_process_vm_writev, NO_PROCESS, 0, 0);
}

static bool try_kill_other(void)
{
    return try_call(SYS_kill, NO_PROCESS, 0, 0);
}

static bool try_signal_other(void)
{
    return try_call(SYS_tgkill, NO_PROCESS, NO_PROCESS, SIGTERM);
}

static bool try_passwd(void)
{
    return opens("/etc/passwd", O_RDONLY);
}

static bool try_home(void)
{
    const char *home = getenv("HOME");
    return opens(home && home[0] ? home : "/root", O_RDONLY | O_DIRECTORY);
}

static bool try_processes(void)
{
    return opens("/proc/self/environ", O_RDONLY);
}

static bool try_root(void)
{
    return opens("/", O_RDONLY | O_DIRECTORY);
}

static bool try_write_model(void)
{
    return opens(model, O_WRONLY);
}

static bool try_write_beside(void)
{
    char path[PATH_MAX];
    int size = snprintf(path, sizeof(path), "%s.sandbox-test", model);
    if (size <= 0 || (size_t)size >= sizeof(path) || !opens(path, O_WRONLY | O_CREAT | O_EXCL)) {
        return false;
    }
    (void)unlink(path); /* ours, and empty */
    return true;
}

static bool try_write_tmp(void)
{
    return opens("/tmp", O_RDWR | O_TMPFILE);
}

static bool try_unlink(void)
{
    return try_call(SYS_unlinkat, AT_FDCWD, (long)"/nothing/of/this/name", 0);
}

static bool try_rename(void)
{
    return try_call(SYS_renameat2, AT_FDCWD, (long)"/nothing/of/this/name", AT_FDCWD);
}

static bool try_mmap_code(void)
{
    void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (page != MAP_FAILED) {
        (void)munmap(page, 4096);
    }
    return page != MAP_FAILED;
}

static bool try_mprotect_code(void)
{
    void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    bool done = page != MAP_FAILED && mprotect(page, 4096, PROT_READ | PROT_EXEC) == 0;
    if (page != MAP_FAILED) {
        (void)munmap(page, 4096);
    }
    return done;
}

static bool try_memfd(void)
{
    return try_call(SYS_memfd_create, (long)"x", 0, 0);
}

static bool try_io_uring(void)
{
    return try_call(425, 0, 0, 0);
}

static bool try_bpf(void)
{
    return try_call(SYS_bpf, -1, 0, 0);
}

static bool try_userfaultfd(void)
{
    return try_call(SYS_userfaultfd, 0, 0, 0);
}

static bool try_keyctl(void)
{
    return try_call(SYS_keyctl, 0, -3, 0);
}

static bool try_unshare(void)
{
    return try_call(SYS_unshare, 0, 0, 0);
}

static bool try_mount(void)
{
    return try_call(SYS_mount, 0, 0, 0);
}

static bool try_perf(void)
{
    return try_call(SYS_perf_event_open, 0, 0, -1);
}

static bool try_limits(void)
{
    return try_call(SYS_prlimit64, 1, 0, 0);
}

static const struct {
    const char *name;
    bool (*works)(void);
} tries[] = {
    {"socket-tcp", try_tcp},
    {"socket-udp", try_udp},
    {"socket-unix", try_unix},
    {"socketpair", try_pair},
    {"connect", try_connect},
    {"bind", try_bind},
    {"exec", try_exec},
    {"fork", try_fork},
    {"ptrace", try_ptrace},
    {"process-vm-readv", try_vm_read},
    {"process-vm-writev", try_vm_write},
    {"kill-other", try_kill_other},
    {"signal-other", try_signal_other},
    {"limits-of-other", try_limits},
    {"read-etc-passwd", try_passwd},
    {"read-home", try_home},
    {"read-proc", try_processes},
    {"read-root", try_root},
    {"write-model", try_write_model},
    {"write-beside-model", try_write_beside},
    {"write-tmp", try_write_tmp},
    {"unlink", try_unlink},
    {"rename", try_rename},
    {"mmap-code", try_mmap_code},
    {"mprotect-code", try_mprotect_code},
    {"memfd", try_memfd},
    {"io-uring", try_io_uring},
    {"bpf", try_bpf},
    {"userfaultfd", try_userfaultfd},
    {"keyctl", try_keyctl},
    {"unshare", try_unshare},
    {"mount", try_mount},
    {"perf", try_perf},
};

static bool works(bool (*call)(void))
{
    return sigsetjmp(back, 1) == 0 && call();
}

int weft_sandbox_try(const struct weft_engine_options *options, char *report, size_t size)
{
    struct sigaction refused = {.sa_handler = on_refused}, before;
    int count = 0;
    size_t used = 0;
    model = options->model;
    if (sigaction(SIGSYS, &refused, &before) != 0) {
        return -1;
    }
    for (size_t i = 0; i < WEFT_COUNT(tries); i++) {
        bool work = works(tries[i].works);
        count += work;
        int length = snprintf(report + used, size - used, "%s %s\n", tries[i].name, work ? "ALLOWED" : "refused");
        used += length > 0 && (size_t)length < size - used ? (size_t)length : 0; /* a line that does not fit is cut */
    }
    return sigaction(SIGSYS, &before, NULL) == 0 ? count : -1;
}

#else

int weft_sandbox_try(const struct weft_engine_options *options, char *report, size_t size)
{
    (void)options;
    (void)snprintf(report, size, "sandbox ALLOWED\n"); /* there is none: all of it is */
    return 1;
}

#endif
