/* tests/unit/base/assert_test.c - an assertion that fails ends the process, with its place on stderr. */
#include "base/assert.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* Runs the assertion in a child; returns its wait status and what it said. */
static int run_child(int value, char *said, size_t size)
{
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        (void)dup2(ends[1], STDERR_FILENO); /* if it fails, the parent misses the text */
        (void)signal(SIGABRT, SIG_DFL);     /* cmocka has a handler of its own */
        WEFT_ASSERT(value == 1);
        _exit(0);
    }
    close(ends[1]);
    size_t used = 0;
    for (ssize_t got; used < size - 1 && (got = read(ends[0], said + used, size - 1 - used)) > 0;) {
        used += (size_t)got;
    }
    said[used] = '\0';
    close(ends[0]);
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    return status;
}

static void test_what_holds_goes_on(void **state)
{
    (void)state;
    char said[256];
    int status = run_child(1, said, sizeof(said));
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    assert_string_equal(said, "");
}

static void test_what_does_not_hold_aborts(void **state)
{
    (void)state;
    char said[512];
    int status = run_child(2, said, sizeof(said));
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGABRT);
    assert_non_null(strstr(said, "value == 1"));
    assert_non_null(strstr(said, "assert_test.c:"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_holds_goes_on),
        cmocka_unit_test(test_what_does_not_hold_aborts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
