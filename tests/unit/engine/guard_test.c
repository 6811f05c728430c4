/* tests/unit/engine/guard_test.c - a process that computes past its limit ends, with the status that says why. */
#include "engine/guard.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/select.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <ggml.h>

#define ENDS_BY_ITSELF 7
#define HEARD_MAX      512

static char heard[HEARD_MAX]; /* what the last child said */

/* Runs `body` in a child of its own; returns its exit status, or -1 if a signal killed it. */
static int run(void (*body)(void))
{
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        (void)dup2(ends[1], STDERR_FILENO);
        if (weft_guard_setup() == 0) {
            body();
        }
        _exit(ENDS_BY_ITSELF);
    }
    (void)close(ends[1]);
    size_t have = 0;
    ssize_t got;
    while (have + 1 < sizeof(heard) && (got = read(ends[0], heard + have, sizeof(heard) - 1 - have)) > 0) {
        have += (size_t)got;
    }
    heard[have] = '\0';
    (void)close(ends[0]);
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void compute_for_ever(void)
{
    for (volatile unsigned i = 0;; i++) {
    }
}

static void loop_under_guard(void)
{
    weft_guard_begin(50);
    compute_for_ever();
}

static void loop_under_a_second_guard(void)
{
    weft_guard_begin(60000);
    weft_guard_end();
    weft_guard_begin(50);
    compute_for_ever();
}

static void compute_a_little_and_more_after_it(void)
{
    weft_guard_begin(200);
    weft_guard_end();
    for (volatile unsigned i = 0; i < 400000000U; i++) { /* more than the limit, but the limit is over */
    }
}

static void wait_under_guard(void)
{
    int ends[2];
    if (pipe(ends) == 0) {
        struct sigaction ignored = {.sa_handler = SIG_IGN};
        (void)sigaction(SIGUSR1, &ignored, NULL);
        weft_guard_begin(20);
        fd_set set;
        struct timeval some = {.tv_usec = 200000}; /* waiting takes no time of the CPU */
        FD_ZERO(&set);
        FD_SET(ends[0], &set);
        (void)select(ends[0] + 1, &set, NULL, NULL, &some);
        weft_guard_end();
    }
}

static void abort_in_ggml(void)
{
    ggml_abort("/some/one's/folder/ggml-secret.c", 4711, "the prompt was: %s", "canary");
}

static void a_loop_ends_by_the_templates_status(void **state)
{
    (void)state;
    assert_int_equal(run(loop_under_guard), WEFT_ENGINE_EXIT_TEMPLATE);
    assert_non_null(strstr(heard, "ran longer than it may"));
    assert_int_equal(run(loop_under_a_second_guard), WEFT_ENGINE_EXIT_TEMPLATE);
}

static void after_its_end_the_limit_is_gone(void **state)
{
    (void)state;
    assert_int_equal(run(compute_a_little_and_more_after_it), ENDS_BY_ITSELF);
}

static void only_computing_counts(void **state)
{
    (void)state;
    assert_int_equal(run(wait_under_guard), ENDS_BY_ITSELF);
}

static void libllamas_abort_says_where_and_nothing_else(void **state)
{
    (void)state;
    assert_int_equal(run(abort_in_ggml), WEFT_ENGINE_EXIT_ABORT);
    assert_non_null(strstr(heard, "at ggml-secret.c:4711."));
    assert_null(strstr(heard, "canary"));
    assert_null(strstr(heard, "folder"));
}

static void uncaught_exceptions_have_their_statuses(void **state)
{
    (void)state;
    assert_int_equal(run(weft_guard_end_memory), WEFT_ENGINE_EXIT_MEMORY);
    assert_non_null(strstr(heard, "out of memory"));
    assert_int_equal(run(weft_guard_end_abort), WEFT_ENGINE_EXIT_ABORT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_loop_ends_by_the_templates_status),
        cmocka_unit_test(after_its_end_the_limit_is_gone),
        cmocka_unit_test(only_computing_counts),
        cmocka_unit_test(libllamas_abort_says_where_and_nothing_else),
        cmocka_unit_test(uncaught_exceptions_have_their_statuses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
