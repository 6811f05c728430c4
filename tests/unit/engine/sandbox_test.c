/* tests/unit/engine/sandbox_test.c - a call that is not on the list ends the process, in whichever thread it is made.
 */
#include "engine/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "engine/guard.h"

#define ENDS_BY_ITSELF 7
#define HEARD_MAX      512

static char heard[HEARD_MAX];
static char model[] = "/tmp/weft-sandbox-XXXXXX"; /* a file that stands for one */
static char level[WEFT_SANDBOX_LEVEL_MAX];

static bool enter(void)
{
    struct weft_engine_options options = {.model = model};
    struct weft_backend backend = {0};
    char problem[WEFT_ENGINE_PROBLEM_MAX];
    return weft_sandbox_enter(&options, &backend, level, problem) == 0;
}

/* Runs `body` in a child; returns its exit status, or -1 if a signal killed it. */
static int run(void (*body)(void))
{
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        (void)dup2(ends[1], STDERR_FILENO);
        body();
        _exit(ENDS_BY_ITSELF);
    }
    (void)close(ends[1]);
    ssize_t got = read(ends[0], heard, sizeof(heard) - 1);
    heard[got > 0 ? got : 0] = '\0';
    (void)close(ends[0]);
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void open_a_socket(void)
{
    (void)socket(AF_INET, SOCK_STREAM, 0);
}

static void *in_a_thread(void *entered)
{
    if (entered) {
        (void)sem_wait(entered);
    }
    open_a_socket();
    return NULL;
}

static void enter_and_open_a_socket(void)
{
    if (enter()) {
        open_a_socket();
    }
}

static void enter_and_open_a_socket_in_a_new_thread(void)
{
    pthread_t thread;
    if (enter() && pthread_create(&thread, NULL, in_a_thread, NULL) == 0) {
        (void)pthread_join(thread, NULL);
    }
}

static void open_a_socket_in_a_thread_from_before(void)
{
    static sem_t entered;
    pthread_t thread;
    if (sem_init(&entered, 0, 0) == 0 && pthread_create(&thread, NULL, in_a_thread, &entered) == 0 && enter()) {
        (void)sem_post(&entered);
        (void)pthread_join(thread, NULL);
    }
}

static void do_what_an_engine_does(void)
{
    int file;
    if (enter() && (file = open(model, O_RDONLY)) >= 0 && close(file) == 0 && open(model, O_RDWR) < 0 &&
        errno == EACCES && open("/etc/passwd", O_RDONLY) < 0 && errno == EACCES) {
        free(malloc((size_t)64 * 1024 * 1024));
        _exit(0);
    }
}

static void a_call_off_the_list_ends_the_process(void **state)
{
    (void)state;
    char number[32];
    (void)snprintf(number, sizeof(number), "number %5d.", (int)SYS_socket);
    assert_int_equal(run(enter_and_open_a_socket), WEFT_ENGINE_EXIT_SANDBOX);
    assert_non_null(strstr(heard, number));
}

static void threads_are_locked_in_whenever_they_were_made(void **state)
{
    (void)state;
    assert_int_equal(run(enter_and_open_a_socket_in_a_new_thread), WEFT_ENGINE_EXIT_SANDBOX);
    assert_int_equal(run(open_a_socket_in_a_thread_from_before), WEFT_ENGINE_EXIT_SANDBOX);
}

static void the_model_is_read_and_nothing_else(void **state)
{
    (void)state;
    assert_int_equal(run(do_what_an_engine_does), 0);
}

static void off_is_off(void **state)
{
    (void)state;
    struct weft_engine_options options = {.model = model, .sandbox = WEFT_SANDBOX_OFF};
    struct weft_backend backend = {0};
    char problem[WEFT_ENGINE_PROBLEM_MAX];
    assert_int_equal(weft_sandbox_enter(&options, &backend, level, problem), 0);
    assert_string_equal(level, "off: --sandbox off");
    int file = open("/etc/passwd", O_RDONLY);
    assert_true(file >= 0);
    (void)close(file);
}

static int make_model(void **state)
{
    (void)state;
    int file = mkstemp(model);
    return file >= 0 ? close(file) : -1;
}

static int remove_model(void **state)
{
    (void)state;
    return unlink(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_call_off_the_list_ends_the_process),
        cmocka_unit_test(threads_are_locked_in_whenever_they_were_made),
        cmocka_unit_test(the_model_is_read_and_nothing_else),
        cmocka_unit_test(off_is_off),
    };
    return cmocka_run_group_tests(tests, make_model, remove_model);
}
