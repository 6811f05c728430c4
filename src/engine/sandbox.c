/* engine/sandbox.c - locks the engine in: Landlock decides about files, a seccomp filter about calls. */
#include "engine/sandbox.h"

#include <stdio.h>

#include "base/error.h"

#ifdef __linux__

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/assert.h"
#include "engine/gguf.h"
#include "engine/guard.h"

/* -- Landlock: constants of our own, for the headers of Debian 12 know only the first of its ABIs -- */

#define LANDLOCK_CREATE   444
#define LANDLOCK_ADD      445
#define LANDLOCK_RESTRICT 446

#define LANDLOCK_VERSION ((uint32_t)1)
#define LANDLOCK_BENEATH 1

#define ACCESS_WRITE_FILE ((uint64_t)1 << 1)
#define ACCESS_READ_FILE  ((uint64_t)1 << 2)
#define ACCESS_READ_DIR   ((uint64_t)1 << 3)
#define ACCESS_IOCTL      ((uint64_t)1 << 15)

/* What each ABI can forbid; a later one can do all that those before it can. */
static const struct {
    uint64_t files, network, scopes;
    size_t size; /* of what its kernel knows of struct landlock_rules */
} abis[] = {
    [1] = {.files = 0x1fff, .size = 8},
    [2] = {.files = 0x3fff, .size = 8},
    [3] = {.files = 0x7fff, .size = 8},
    [4] = {.files = 0x7fff, .network = 3, .size = 16},
    [5] = {.files = 0xffff, .network = 3, .size = 16},
    [6] = {.files = 0xffff, .network = 3, .scopes = 3, .size = 24},
};

struct landlock_rules {
    uint64_t files;   /* what is forbidden where no rule allows it */
    uint64_t network; /* bind and connect, of TCP */
    uint64_t scopes;  /* abstract Unix sockets and signals of processes outside */
};

struct landlock_path {
    uint64_t access;
    int32_t descriptor;
} __attribute__((packed));

/* A path that is not there is not allowed either: no error. */
static int allow_path(int rules, const char *path, uint64_t access)
{
    struct landlock_path rule = {.access = access, .descriptor = open(path, O_PATH | O_CLOEXEC)};
    if (rule.descriptor < 0) {
        return 0;
    }
    long status = syscall(LANDLOCK_ADD, rules, LANDLOCK_BENEATH, &rule, 0U);
    (void)close(rule.descriptor); /* the kernel keeps what it needs */
    return status == 0 ? 0 : WEFT_ERR_IO;
}

/* The file, or all files of a split model, wherever links of these names lead. */
static int allow_model(int rules, const char *model)
{
    struct stat about;
    if (stat(model, &about) == 0 && S_ISDIR(about.st_mode)) { /* it is opened, to say that it is one */
        return allow_path(rules, model, ACCESS_READ_FILE | ACCESS_READ_DIR);
    }
    int status = allow_path(rules, model, ACCESS_READ_FILE);
    uint64_t parts = weft_gguf_parts_named(model);
    for (uint64_t part = 2; part <= parts && status == 0; part++) {
        char path[PATH_MAX];
        if (weft_gguf_part_path(path, sizeof(path), model, part)) { /* else reading it will say so */
            status = allow_path(rules, path, ACCESS_READ_FILE);
        }
    }
    return status;
}

/* What drivers read of the system, and the devices they talk to. */
static int allow_devices(int rules, uint64_t known)
{
    static const char *const read[] = {"/usr",        "/lib",       "/lib64", "/sys", "/proc", "/etc/ld.so.cache",
                                       "/etc/nvidia", "/etc/vulkan"};
    uint64_t devices = ACCESS_READ_FILE | ACCESS_READ_DIR | ACCESS_WRITE_FILE | ACCESS_IOCTL;
    int status = allow_path(rules, "/dev", devices & known);
    for (size_t i = 0; i < WEFT_COUNT(read) && status == 0; i++) {
        status = allow_path(rules, read[i], ACCESS_READ_FILE | ACCESS_READ_DIR);
    }
    return status;
}

/* Returns the ABI that holds now, 0 if this kernel has no Landlock. */
static int landlock_enter(const struct weft_engine_options *options, bool gpu)
{
    long version = syscall(LANDLOCK_CREATE, NULL, (size_t)0, LANDLOCK_VERSION);
    if (version < 1) {
        return 0;
    }
    size_t abi = (size_t)version < WEFT_COUNT(abis) ? (size_t)version : WEFT_COUNT(abis) - 1;
    struct landlock_rules handled = {abis[abi].files, abis[abi].network, abis[abi].scopes};
    int rules = (int)syscall(LANDLOCK_CREATE, &handled, abis[abi].size, 0U);
    if (rules < 0) {
        return WEFT_ERR_IO;
    }
    int status = options->model ? allow_model(rules, options->model) : 0;
    if (status == 0 && gpu) {
        status = allow_devices(rules, abis[abi].files);
    }
    if (status == 0 && syscall(LANDLOCK_RESTRICT, rules, 0U) != 0) {
        status = WEFT_ERR_IO;
    }
    (void)close(rules); /* it holds now, or never will */
    return status < 0 ? status : (int)version;
}

/* -- seccomp -- */

#if defined(__x86_64__)
#define THIS_MACHINE AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define THIS_MACHINE AUDIT_ARCH_AARCH64
#else
#error "the sandbox does not know this processor: add its AUDIT_ARCH and check the table of calls"
#endif

#define NO_ARGUMENT (-1) /* is looked at */

/* Any argument at all. */
#define ANY .argument = NO_ARGUMENT
/* (argument & mask) == value, of the argument's low half: what is asked about are flags, commands and ids. */
#define IF(index, bits, is) .argument = (index), .mask = (uint32_t)(bits), .value = (uint32_t)(is)
#define ALL_BITS            0xffffffff

#define XCOMP_GET_PERM 0x1022 /* of arch_prctl: AMX's registers; without them a slower library is used, silently */
#define XCOMP_REQ_PERM 0x1023
#define THREAD_FLAG    0x10000    /* CLONE_THREAD */
#define ASK_TERMINAL   0x5401     /* TCGETS: is this a terminal? */
#define SET_BLOCKING   0x5421     /* FIONBIO */
#define NAME_MEMORY    0x53564d41 /* PR_SET_VMA */
#define WRITING        (O_WRONLY | O_RDWR | O_CREAT | O_TRUNC)

struct rule {
    int call;
    int argument;         /* which one is looked at, or NO_ARGUMENT */
    uint32_t mask, value; /* the rule is for calls where (argument & mask) == value */
    int error;            /* 0: allowed; else it fails with this */
    bool gpu;             /* only for the driver of a GPU */
    bool self;            /* value is our process id */
};

/* In order: the first rule that fits decides. What none fits ends the process. */
static const struct rule rules[] = {
    /* Several times in each step. */
    {SYS_futex, ANY},
    {SYS_read, ANY},
    {SYS_write, ANY},
    {SYS_epoll_pwait, ANY},
    {SYS_sched_yield, ANY},
    {SYS_clock_gettime, ANY},
    /* Memory: none of it may become code. */
    {SYS_brk, ANY},
    {SYS_mmap, IF(2, PROT_EXEC, 0)},
    {SYS_mprotect, IF(2, PROT_EXEC, 0)},
    {SYS_munmap, ANY},
    {SYS_mremap, ANY},
    {SYS_madvise, ANY},
    {SYS_membarrier, ANY},
    {SYS_mlock, ANY},
    {SYS_munlock, ANY},
    /* Threads: of this process. glibc falls back from clone3, whose flags a filter cannot see. */
    {SYS_clone, IF(0, THREAD_FLAG, THREAD_FLAG)},
    {SYS_clone3, ANY, .error = ENOSYS},
    {SYS_set_robust_list, ANY},
    {SYS_rseq, ANY},
    {SYS_gettid, ANY},
    {SYS_getpid, ANY},
    {SYS_getcpu, ANY},
    {SYS_exit, ANY},
    {SYS_exit_group, ANY},
    {SYS_sched_getaffinity, ANY},
    {SYS_clock_nanosleep, ANY},
    {SYS_restart_syscall, ANY},
    {SYS_prctl, IF(0, ALL_BITS, PR_SET_NAME)},
    {SYS_prctl, IF(0, ALL_BITS, NAME_MEMORY)},
    /* Signals: to itself. */
    {SYS_rt_sigaction, ANY},
    {SYS_rt_sigprocmask, ANY},
    {SYS_rt_sigreturn, ANY},
    {SYS_sigaltstack, ANY},
    {SYS_tgkill, IF(0, ALL_BITS, 0), .self = true},
    {SYS_timer_create, ANY},
    {SYS_timer_settime, ANY},
    {SYS_timer_delete, ANY},
    {SYS_setitimer, ANY},
    /* Files: to read, and Landlock says which. */
    {SYS_openat, IF(2, WRITING, 0)},
    {SYS_openat, ANY, .error = EACCES},
    {SYS_close, ANY},
    {SYS_lseek, ANY},
    {SYS_pread64, ANY},
    {SYS_readv, ANY},
    {SYS_fstat, ANY},
    {SYS_newfstatat, ANY},
    {SYS_statx, ANY},
    {SYS_faccessat, ANY},
    {SYS_readlinkat, ANY},
    {SYS_getdents64, ANY},
    {SYS_fadvise64, ANY},
    {SYS_getcwd, ANY},
    {SYS_dup, ANY},
    {SYS_fcntl, IF(1, ALL_BITS, F_GETFD)},
    {SYS_fcntl, IF(1, ALL_BITS, F_SETFD)},
    {SYS_fcntl, IF(1, ALL_BITS, F_GETFL)},
    {SYS_fcntl, IF(1, ALL_BITS, F_SETFL)},
    {SYS_ioctl, IF(1, ALL_BITS, ASK_TERMINAL)},
    {SYS_ioctl, IF(1, ALL_BITS, SET_BLOCKING)},
    {SYS_ioctl, ANY, .gpu = true},
    /* The loop, and the one socket that is there already. */
    {SYS_epoll_ctl, ANY},
    {SYS_epoll_create1, ANY},
    {SYS_eventfd2, ANY},
    {SYS_pipe2, ANY},
    {SYS_ppoll, ANY},
    {SYS_writev, ANY},
    {SYS_recvmsg, ANY},
    {SYS_sendmsg, ANY},
    {SYS_recvfrom, ANY},
    {SYS_sendto, ANY},
    {SYS_shutdown, ANY},
    {SYS_getsockopt, ANY},
    {SYS_setsockopt, ANY},
    {SYS_getsockname, ANY},
    /* libuv and libggml ask for these first, and know what to do without. */
    {425 /* io_uring_setup */, ANY, .error = ENOSYS},
    {SYS_get_mempolicy, ANY, .error = EPERM},
    {SYS_sched_setscheduler, ANY, .error = EPERM},
    /* What the process may know of the machine and itself. */
    {SYS_getrandom, ANY},
    {SYS_sysinfo, ANY},
    {SYS_uname, ANY},
    {SYS_getrusage, ANY},
    {SYS_prlimit64, IF(0, ALL_BITS, 0)},
    {SYS_getuid, ANY},
    {SYS_geteuid, ANY},
#ifdef __x86_64__
    {SYS_arch_prctl, IF(0, ALL_BITS, XCOMP_GET_PERM)},
    {SYS_arch_prctl, IF(0, ALL_BITS, XCOMP_REQ_PERM)},
    {SYS_epoll_wait, ANY},
    {SYS_open, IF(1, WRITING, 0)},
    {SYS_open, ANY, .error = EACCES},
    {SYS_poll, ANY},
    {SYS_stat, ANY},
    {SYS_lstat, ANY},
    {SYS_access, ANY},
    {SYS_readlink, ANY},
    {SYS_alarm, ANY},
#endif
    /* Drivers also load code, and share memory with the device. */
    {SYS_mmap, ANY, .gpu = true},
    {SYS_mprotect, ANY, .gpu = true},
    {SYS_memfd_create, ANY, .gpu = true},
    {SYS_ftruncate, ANY, .gpu = true},
    {SYS_sched_setaffinity, ANY, .gpu = true},
    {SYS_sched_getparam, ANY, .gpu = true},
    {SYS_sched_getscheduler, ANY, .gpu = true},
    {SYS_fcntl, ANY, .gpu = true},
    {SYS_socket, ANY, .error = EPERM, .gpu = true},
    {SYS_unlinkat, ANY, .error = EPERM, .gpu = true},
    {SYS_mkdirat, ANY, .error = EPERM, .gpu = true},
    {SYS_getppid, ANY, .gpu = true},
    {SYS_capget, ANY, .gpu = true},
#ifdef __x86_64__
    {SYS_unlink, ANY, .error = EPERM, .gpu = true},
    {SYS_mkdir, ANY, .error = EPERM, .gpu = true},
    {SYS_mknod, ANY, .error = EPERM, .gpu = true},
    {SYS_pipe, ANY, .gpu = true},
#endif
};

#define RULE_INSTRUCTIONS 6
#define PROGRAM_MAX       (8 + WEFT_COUNT(rules) * RULE_INSTRUCTIONS)

struct program {
    struct sock_filter code[PROGRAM_MAX];
    size_t size;
};

static void emit(struct program *program, uint16_t code, uint8_t yes, uint8_t no, uint32_t operand)
{
    WEFT_ASSERT(program->size < PROGRAM_MAX);
    program->code[program->size++] = (struct sock_filter){code, yes, no, operand};
}

static void emit_load(struct program *program, size_t offset)
{
    emit(program, BPF_LD | BPF_W | BPF_ABS, 0, 0, (uint32_t)offset);
}

static void emit_return(struct program *program, uint32_t what)
{
    emit(program, BPF_RET | BPF_K, 0, 0, what);
}

/* The call's number is in the accumulator before and after. */
static void emit_rule(struct program *program, const struct rule *rule)
{
    uint32_t what = rule->error ? SECCOMP_RET_ERRNO | (uint32_t)rule->error : SECCOMP_RET_ALLOW;
    if (rule->argument == NO_ARGUMENT) {
        emit(program, BPF_JMP | BPF_JEQ | BPF_K, 0, 1, (uint32_t)rule->call);
        emit_return(program, what);
        return;
    }
    /* Both processors that we know are little-endian: the low half comes first. */
    size_t argument = offsetof(struct seccomp_data, args) + (size_t)rule->argument * sizeof(uint64_t);
    emit(program, BPF_JMP | BPF_JEQ | BPF_K, 0, 5, (uint32_t)rule->call);
    emit_load(program, argument);
    emit(program, BPF_ALU | BPF_AND | BPF_K, 0, 0, rule->mask);
    emit(program, BPF_JMP | BPF_JEQ | BPF_K, 0, 1, rule->self ? (uint32_t)getpid() : rule->value);
    emit_return(program, what);
    emit_load(program, offsetof(struct seccomp_data, nr));
}

static int seccomp_enter(bool gpu)
{
    static struct program program; /* too large for a stack, used once */
    emit_load(&program, offsetof(struct seccomp_data, arch));
    emit(&program, BPF_JMP | BPF_JEQ | BPF_K, 1, 0, THIS_MACHINE);
    emit_return(&program, SECCOMP_RET_KILL_PROCESS); /* calls of another processor have other numbers */
    emit_load(&program, offsetof(struct seccomp_data, nr));
    for (size_t i = 0; i < WEFT_COUNT(rules); i++) {
        if (gpu || !rules[i].gpu) {
            emit_rule(&program, &rules[i]);
        }
    }
    emit_return(&program, SECCOMP_RET_TRAP);
    struct sock_fprog filter = {(unsigned short)program.size, program.code};
    /* Threads that are there already are locked in too. */
    return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &filter) == 0 ? 0 : WEFT_ERR_IO;
}

static void on_refused(int number, siginfo_t *info, void *unused)
{
    (void)number;
    (void)unused;
    weft_guard_end_sandbox(info->si_syscall);
}

int weft_sandbox_enter(const struct weft_engine_options *options, const struct weft_backend *backend,
                       char level[WEFT_SANDBOX_LEVEL_MAX], char problem[WEFT_ENGINE_PROBLEM_MAX])
{
    if (options->sandbox == WEFT_SANDBOX_OFF) {
        (void)snprintf(level, WEFT_SANDBOX_LEVEL_MAX, "off: --sandbox off");
        return 0;
    }
    bool gpu = backend->device_count > 0;
    struct sigaction refused = {.sa_sigaction = on_refused, .sa_flags = SA_SIGINFO};
    int landlock = WEFT_ERR_IO, seccomp = WEFT_ERR_IO;
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && sigemptyset(&refused.sa_mask) == 0 &&
        sigaction(SIGSYS, &refused, NULL) == 0) {
        landlock = landlock_enter(options, gpu);
        seccomp = seccomp_enter(gpu);
    }
    if (seccomp < 0 || landlock < 0) {
        (void)snprintf(problem, WEFT_ENGINE_PROBLEM_MAX,
                       "This system gives no sandbox (seccomp %s, landlock %s), so the model would run with all your "
                       "rights. A container may forbid it; if you trust the model, start it with --sandbox off.",
                       seccomp < 0 ? "refused" : "works", landlock < 0 ? "refused" : "works");
        return WEFT_ERR_UNSUPPORTED;
    }
    const char *wider = gpu ? ", wider for a GPU's driver" : "";
    if (landlock > 0) {
        (void)snprintf(level, WEFT_SANDBOX_LEVEL_MAX, "seccomp + landlock (ABI %d)%s", landlock, wider);
    } else {
        (void)snprintf(level, WEFT_SANDBOX_LEVEL_MAX, "seccomp only: this kernel has no landlock%s", wider);
    }
    return 0;
}

#else

int weft_sandbox_enter(const struct weft_engine_options *options, const struct weft_backend *backend,
                       char level[WEFT_SANDBOX_LEVEL_MAX], char problem[WEFT_ENGINE_PROBLEM_MAX])
{
    (void)backend;
    problem[0] = '\0';
    (void)snprintf(level, WEFT_SANDBOX_LEVEL_MAX, "%s",
                   options->sandbox == WEFT_SANDBOX_OFF ? "off: --sandbox off" : "none: only Linux has one");
    return 0;
}

#endif
