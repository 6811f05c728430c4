/* tests/unit/sys/process_test.c - real children: what they get, how they end, what is heard of it. */
#include "unit/sys/stage.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sys/inside.h"

struct child {
    struct stage *stage;
    struct weft_process *process;
    struct peer peer;
    pid_t pid;
    int code, signal;
    bool exited;
    const char *shared; /* NULL: it shares nothing */
    char left[64];      /* what stood there when it had ended */
};

static void child_exited(void *self, int code, int signal)
{
    struct child *child = self;
    assert_false(child->exited); /* told once */
    child->exited = true;
    child->code = code;
    child->signal = signal;
    if (child->shared) {
        (void)snprintf(child->left, sizeof(child->left), "%s", child->shared);
    }
    child->process = NULL;
}

static const struct weft_process_user child_user = {.exited = child_exited};

static int child_try(struct child *child, struct stage *stage, const struct weft_spawn *spawn)
{
    struct weft_socket *socket;
    *child = (struct child){.stage = stage};
    int status = stage->ops->spawn(stage->host, spawn, &child_user, child, &child->process, &socket);
    if (status == 0) {
        child->pid = (pid_t)stage->ops->process_id(child->process);
        child->shared = stage->ops->shared(child->process);
        assert_int_equal(child->shared != NULL, spawn->shared > 0);
        peer_attach(&child->peer, stage, socket);
    } else {
        assert_null(child->process);
        assert_null(socket);
    }
    return status;
}

/* A shell that does what `script` says. */
static void child_start(struct child *child, struct stage *stage, const char *script)
{
    const char *const argv[] = {"a-child", "-c", script, NULL};
    const struct weft_spawn spawn = {.program = "/bin/sh", .argv = argv};
    assert_int_equal(child_try(child, stage, &spawn), 0);
    assert_true(child->pid > 0);
}

/* Nobody waits for it any more: it was reaped. */
static void assert_gone(pid_t pid)
{
    assert_int_equal(kill(pid, 0), -1);
    assert_int_equal(errno, ESRCH);
}

static void child_end(struct child *child)
{
    peer_close(&child->peer, true);
    assert_gone(child->pid);
}

static void child_hears(struct child *child, char *text, size_t size)
{
    stage_run(child->stage, &child->peer.ended);
    size_t got = weft_bytes_tail(&child->peer.input, text, size - 1);
    text[got] = '\0';
}

static void a_child_talks_over_its_socket(void **state)
{
    (void)state;
    struct stage stage;
    struct child child;
    char text[64];
    stage_init(&stage);
    child_start(&child, &stage, "read word <&3; echo \"$0 heard $word\" >&3; exit 7");
    assert_int_equal(peer_write(&child.peer, "hello\n", 6), 6);
    child_hears(&child, text, sizeof(text));
    assert_string_equal(text, "a-child heard hello\n");
    if (!child.exited) {
        stage_run(&stage, &child.exited);
    }
    assert_int_equal(child.code, 7);
    assert_int_equal(child.signal, 0);
    child_end(&child);
    stage_deinit(&stage);
}

/* Whatever else is open here, also what was left open for children by whoever started us. */
static void a_child_gets_nothing_else(void **state)
{
    (void)state;
    struct stage stage;
    struct child child;
    char text[1024];
    int given = fcntl(STDERR_FILENO, F_DUPFD, 5); /* not closed on exec */
    assert_true(given >= 5);
    stage_init(&stage);
    struct door door;
    struct peer client = {0}, server = {0};
    stage_connect(&stage, &door, &client, &server, "127.0.0.1");
    /* What is still there when the folder itself, which the shell has read, is closed again. */
    child_start(
        &child, &stage,
        "for f in /proc/$$/fd/*; do if [ -L $f ]; then n=\"$n ${f##*/}=$(readlink $f)\"; fi; done; echo $n >&3");
    child_hears(&child, text, sizeof(text));
    assert_memory_equal(text, "0=/dev/null 1=/dev/null 2=/dev/null 3=socket:[", 46);
    assert_string_equal(strchr(text, ']'), "]\n");
    if (!child.exited) {
        stage_run(&stage, &child.exited);
    }
    child_end(&child);
    peer_close(&client, false);
    peer_close(&server, false);
    stage.ops->unlisten(door.listener);
    (void)close(given);
    stage_deinit(&stage);
}

/* It holds what the child wrote last, however it ended; and the child can neither cut it off nor make it longer. */
static void memory_is_shared_beyond_a_childs_end(void **state)
{
    (void)state;
    struct stage stage;
    struct child child;
    char text[64];
    const char *const argv[] = {"sh", "-c",
                                "printf once >&4; echo >&3; read go <&3;"
                                "truncate -s 0 /proc/$$/fd/4 2>/dev/null || printf ' and' >&4;"
                                "truncate -s 4096 /proc/$$/fd/4 2>/dev/null || printf ' again' >&4;"
                                "stat -Lc %a /proc/$$/fd/4 >&3; kill -9 $$",
                                NULL};
    const struct weft_spawn spawn = {.program = "/bin/sh", .argv = argv, .shared = 64};
    stage_init(&stage);
    assert_int_equal(child_try(&child, &stage, &spawn), 0);
    child.peer.wanted = 1;
    stage_run(&stage, &child.peer.enough);
    assert_string_equal(child.shared, "once");
    assert_int_equal(peer_write(&child.peer, "go\n", 3), 3);
    child_hears(&child, text, sizeof(text));
    assert_string_equal(text, "\n600\n");
    if (!child.exited) {
        stage_run(&stage, &child.exited);
    }
    assert_int_equal(child.signal, SIGKILL);
    assert_string_equal(child.left, "once and again");
    child_end(&child);
    stage_deinit(&stage);
}

static void a_child_has_a_session_of_its_own_and_leaves_no_core(void **state)
{
    (void)state;
    struct stage stage;
    struct child child;
    char text[64];
    stage_init(&stage);
    child_start(&child, &stage, "ulimit -c >&3; read go <&3");
    child.peer.wanted = 2;
    stage_run(&stage, &child.peer.enough);
    assert_int_equal(weft_bytes_tail(&child.peer.input, text, sizeof(text)), 2);
    assert_memory_equal(text, "0\n", 2);
    assert_int_equal(getsid(child.pid), child.pid);
    assert_int_equal(getpriority(PRIO_PROCESS, (id_t)child.pid), getpriority(PRIO_PROCESS, 0));
    stage.ops->kill(child.process, true);
    stage_run(&stage, &child.exited);
    child_end(&child);
    stage_deinit(&stage);
}

static void a_child_may_be_nicer(void **state)
{
    (void)state;
    struct stage stage;
    struct child child;
    const char *const argv[] = {"sh", "-c", "read go <&3", NULL};
    const struct weft_spawn spawn = {.program = "/bin/sh", .argv = argv, .nice = 3};
    stage_init(&stage);
    assert_int_equal(child_try(&child, &stage, &spawn), 0);
    int own = getpriority(PRIO_PROCESS, 0);
    assert_int_equal(getpriority(PRIO_PROCESS, (id_t)child.pid), own + 3 < 19 ? own + 3 : 19);
    stage.ops->kill(child.process, true);
    stage_run(&stage, &child.exited);
    child_end(&child);
    stage_deinit(&stage);
}

static void what_killed_a_child_is_told(void **state)
{
    (void)state;
    static const struct {
        const char *script;
        int signal;
        bool asks, now;
    } cases[] = {
        {"read go <&3", SIGTERM, true, false},
        {"trap '' TERM; echo ready >&3; read go <&3", SIGKILL, true, true},
        {"kill -SEGV $$", SIGSEGV, false, false},
    };
    for (size_t i = 0; i < WEFT_COUNT(cases); i++) {
        struct stage stage;
        struct child child;
        stage_init(&stage);
        child_start(&child, &stage, cases[i].script);
        if (cases[i].now) { /* deaf to the polite way */
            child.peer.wanted = 6;
            stage_run(&stage, &child.peer.enough);
            stage.ops->kill(child.process, false);
        }
        if (cases[i].asks) {
            stage.ops->kill(child.process, cases[i].now);
        }
        stage_run(&stage, &child.exited);
        assert_int_equal(child.signal, cases[i].signal);
        if (!child.peer.ended) {
            stage_run(&stage, &child.peer.ended);
        }
        child_end(&child);
        stage_deinit(&stage);
    }
}

static void a_program_that_is_not_there_is_said_so_at_once(void **state)
{
    (void)state;
    struct stage stage;
    struct child child;
    const char *const argv[] = {"x", NULL};
    stage_init(&stage);
    const struct weft_spawn missing = {.program = "/nowhere/at/all", .argv = argv};
    assert_int_equal(child_try(&child, &stage, &missing), WEFT_ERR_NOT_FOUND);
    const struct weft_spawn no_program = {.program = "/etc/passwd", .argv = argv};
    assert_int_equal(child_try(&child, &stage, &no_program), WEFT_ERR_DENIED);
    stage_deinit(&stage); /* what libuv keeps of them is freed */
}

static void a_disowned_child_is_ended_and_reaped_in_silence(void **state)
{
    (void)state;
    struct stage stage;
    struct child child;
    stage_init(&stage);
    child_start(&child, &stage, "trap '' TERM; read go <&3");
    stage.ops->disown(child.process);
    peer_close(&child.peer, true);
    stage_deinit(&stage); /* waits for it */
    assert_false(child.exited);
    assert_gone(child.pid);
}

static void memory_may_run_out_anywhere(void **state)
{
    (void)state;
    for (uint64_t at = 1;; at++) {
        struct stage stage;
        struct child child;
        const char *const argv[] = {"true", NULL};
        const struct weft_spawn spawn = {.program = "/bin/true", .argv = argv, .shared = 16};
        stage_init(&stage);
        weft_mem_fail_at(at);
        int status = child_try(&child, &stage, &spawn);
        bool failed = weft_mem_failed();
        weft_mem_fail_at(0);
        assert_int_equal(status, failed ? WEFT_ERR_MEMORY : 0);
        if (status == 0) {
            stage_run(&stage, &child.exited);
            child_end(&child);
        }
        stage_deinit(&stage);
        if (!failed) {
            assert_true(at > 2); /* the process and the socket */
            return;
        }
    }
}

/* -- a child's side -- */

static void an_inherited_socket_is_like_any_other(void **state)
{
    (void)state;
    struct stage stage;
    int ends[2];
    struct peer peer = {.wanted = 4};
    struct weft_socket *socket;
    stage_init(&stage);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    assert_int_equal(weft_sys_inherit(stage.sys, ends[0], &socket), 0);
    assert_true(fcntl(ends[0], F_GETFD) & FD_CLOEXEC);
    peer_attach(&peer, &stage, socket);
    assert_int_equal(write(ends[1], "ping", 4), 4);
    stage_run(&stage, &peer.enough);
    assert_int_equal(close(ends[1]), 0);
    stage_run(&stage, &peer.ended);
    peer_close(&peer, false);
    stage_deinit(&stage);
}

static void what_is_no_stream_is_not_inherited(void **state)
{
    (void)state;
    struct stage stage;
    int ends[2], pipes[2];
    struct weft_socket *taken;
    stage_init(&stage);
    assert_int_equal(socketpair(AF_UNIX, SOCK_DGRAM, 0, ends), 0);
    assert_int_equal(pipe(pipes), 0);
    int tcp = socket(AF_INET, SOCK_STREAM, 0);
    assert_true(tcp >= 0);
    const int wrong[] = {ends[0], pipes[0], tcp, 4095 /* is not open */};
    for (size_t i = 0; i < WEFT_COUNT(wrong); i++) {
        assert_int_equal(weft_sys_inherit(stage.sys, wrong[i], &taken), WEFT_ERR_INVALID);
        assert_null(taken);
    }
    for (int i = 0; i < 2; i++) {
        (void)close(ends[i]);
        (void)close(pipes[i]);
    }
    (void)close(tcp);
    stage_deinit(&stage);
}

/* Also when it is too busy to see the end of its socket. */
static void a_child_ends_with_its_parent(void **state)
{
    (void)state;
    int ends[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    pid_t parent = fork();
    if (parent == 0) {
        if (fork() == 0) {
            struct weft_sys *sys;
            struct weft_socket *socket;
            if (weft_sys_new(&sys) == 0 && weft_sys_inherit(sys, ends[1], &socket) == 0) {
                (void)!write(ends[1], "x", 1); /* it is set up: now its parent may go */
                for (;;) {
                    (void)pause();
                }
            }
            _exit(1);
        }
        (void)close(ends[1]);
        char byte;
        (void)!read(ends[0], &byte, 1);
        _exit(byte == 'x' ? 0 : 1);
    }
    (void)close(ends[1]);
    int status;
    assert_int_equal(waitpid(parent, &status, 0), parent);
    assert_int_equal(status, 0);
    char byte;
    assert_int_equal(read(ends[0], &byte, 1), 0); /* nobody holds the other end any more */
    (void)close(ends[0]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_child_talks_over_its_socket),
        cmocka_unit_test(a_child_gets_nothing_else),
        cmocka_unit_test(memory_is_shared_beyond_a_childs_end),
        cmocka_unit_test(a_child_has_a_session_of_its_own_and_leaves_no_core),
        cmocka_unit_test(a_child_may_be_nicer),
        cmocka_unit_test(what_killed_a_child_is_told),
        cmocka_unit_test(a_program_that_is_not_there_is_said_so_at_once),
        cmocka_unit_test(a_disowned_child_is_ended_and_reaped_in_silence),
        cmocka_unit_test(memory_may_run_out_anywhere),
        cmocka_unit_test(an_inherited_socket_is_like_any_other),
        cmocka_unit_test(what_is_no_stream_is_not_inherited),
        cmocka_unit_test(a_child_ends_with_its_parent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
