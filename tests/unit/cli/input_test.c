/* tests/unit/cli/input_test.c - files that are read before a node starts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/error.h"
#include "base/mem.h"
#include "cli/input.h"

static char path[] = "/tmp/weft-input-XXXXXX";

static int setup(void **state)
{
    (void)state;
    int descriptor = mkstemp(path);
    if (descriptor < 0 || write(descriptor, "12345", 5) != 5) {
        return -1;
    }
    return close(descriptor);
}

static int teardown(void **state)
{
    (void)state;
    return unlink(path);
}

static void a_file_is_read_whole_up_to_its_bound(void **state)
{
    (void)state;
    struct weft_input input;
    struct weft_config_problem problem;
    assert_int_equal(weft_input_read(&input, path, "the file", 5, 0, &problem), 0);
    assert_int_equal(input.size, 5);
    assert_string_equal(input.data, "12345");
    weft_input_deinit(&input);
    assert_null(input.data);
    assert_int_equal(weft_input_read(&input, path, "the file", 4, 0, &problem), WEFT_ERR_TOO_LARGE);
    assert_non_null(strstr(problem.text, "larger than 4 bytes"));
    assert_null(input.data);
    assert_int_equal(weft_mem_live(), 0);
}

static void only_the_forbidden_modes_are_refused(void **state)
{
    (void)state;
    struct weft_input input;
    struct weft_config_problem problem;
    assert_int_equal(chmod(path, 0640), 0);
    assert_int_equal(weft_input_read(&input, path, "the file", 5, S_IROTH, &problem), 0);
    weft_input_deinit(&input);
    assert_int_equal(weft_input_read(&input, path, "the file", 5, 0077, &problem), WEFT_ERR_DENIED);
    assert_non_null(strstr(problem.text, "mode 0640"));
    assert_int_equal(weft_mem_live(), 0);
}

static void what_cannot_be_read_says_what_it_was(void **state)
{
    (void)state;
    struct weft_input input;
    struct weft_config_problem problem;
    assert_int_equal(weft_input_read(&input, "/nowhere", "the file", 5, 0, &problem), WEFT_ERR_NOT_FOUND);
    assert_string_equal(problem.text, "the file /nowhere cannot be read: No such file or directory");
    assert_int_equal(weft_input_read(&input, "/", "the file", 5, 0, &problem), WEFT_ERR_DENIED);
    assert_int_equal(weft_mem_live(), 0);
}

static void no_memory_is_said_and_leaves_nothing(void **state)
{
    (void)state;
    struct weft_input input;
    struct weft_config_problem problem;
    weft_mem_fail_at(1);
    assert_int_equal(weft_input_read(&input, path, "the file", 5, 0, &problem), WEFT_ERR_MEMORY);
    assert_true(weft_mem_failed());
    weft_mem_fail_at(0);
    assert_null(input.data);
    assert_int_equal(weft_mem_live(), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_is_read_whole_up_to_its_bound),
        cmocka_unit_test(only_the_forbidden_modes_are_refused),
        cmocka_unit_test(what_cannot_be_read_says_what_it_was),
        cmocka_unit_test(no_memory_is_said_and_leaves_nothing),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
