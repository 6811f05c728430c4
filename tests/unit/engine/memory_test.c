/* tests/unit/engine/memory_test.c - what a machine and the control groups around us leave, from files of their shape.
 */
#include "engine/memory.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <cmocka.h>

#define MIB ((uint64_t)1024 * 1024)

static char root[] = "/tmp/weft-memory-XXXXXX";

/* Writes root/path, with the folders on the way. */
static void write_file(const char *path, const char *text)
{
    char full[512];
    (void)snprintf(full, sizeof(full), "%s%s", root, path);
    for (char *slash = strchr(full + sizeof(root), '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        (void)mkdir(full, 0700); /* it may be there */
        *slash = '/';
    }
    FILE *file = fopen(full, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static int make_root(void **state)
{
    (void)state;
    (void)snprintf(root, sizeof(root), "/tmp/weft-memory-XXXXXX");
    return mkdtemp(root) ? 0 : -1;
}

static int remove_root(void **state)
{
    (void)state;
    char command[128];
    (void)snprintf(command, sizeof(command), "rm -rf %s", root);
    return system(command);
}

static void write_machine(void)
{
    write_file("/proc/meminfo", "MemTotal:       16384 kB\nMemFree:         2048 kB\nMemAvailable:    8192 kB\n");
}

static void a_machine_says_what_it_has(void **state)
{
    (void)state;
    struct weft_memory memory;
    write_machine();
    weft_memory_read_under(&memory, root);
    assert_int_equal(memory.total, 16 * MIB);
    assert_int_equal(memory.available, 8 * MIB);
}

static void a_machine_that_says_nothing_has_no_limit(void **state)
{
    (void)state;
    struct weft_memory memory;
    weft_memory_read_under(&memory, root);
    assert_true(memory.total == UINT64_MAX && memory.available == UINT64_MAX);
}

static void the_smallest_group_around_us_decides(void **state)
{
    (void)state;
    struct weft_memory memory;
    write_machine();
    write_file("/proc/self/cgroup", "0::/user/weft\n");
    write_file("/sys/fs/cgroup/memory.max", "max\n");
    write_file("/sys/fs/cgroup/user/memory.max", "6291456\n");
    write_file("/sys/fs/cgroup/user/memory.current", "3145728\n");
    write_file("/sys/fs/cgroup/user/weft/memory.max", "max\n");
    weft_memory_read_under(&memory, root);
    assert_int_equal(memory.total, 6 * MIB);
    assert_int_equal(memory.available, 3 * MIB);
    /* What is cached of files can be had back. */
    write_file("/sys/fs/cgroup/user/memory.stat", "anon 1\ninactive_file 2097152\n");
    weft_memory_read_under(&memory, root);
    assert_int_equal(memory.available, 5 * MIB);
    write_file("/sys/fs/cgroup/user/weft/memory.max", "4194304\n");
    write_file("/sys/fs/cgroup/user/weft/memory.current", "5242880\n");
    weft_memory_read_under(&memory, root);
    assert_int_equal(memory.total, 4 * MIB);
    assert_int_equal(memory.available, 0);
}

static void a_container_sees_its_group_as_the_root(void **state)
{
    (void)state;
    struct weft_memory memory;
    write_machine();
    write_file("/proc/self/cgroup", "0::/../../not/here\n");
    write_file("/sys/fs/cgroup/memory.max", "2097152\n");
    write_file("/sys/fs/cgroup/memory.current", "1048576\n");
    weft_memory_read_under(&memory, root);
    assert_int_equal(memory.available, 1 * MIB);
}

static void the_older_groups_are_known_too(void **state)
{
    (void)state;
    struct weft_memory memory;
    write_machine();
    write_file("/proc/self/cgroup", "5:memory:/a\n");
    write_file("/sys/fs/cgroup/memory/memory.limit_in_bytes", "4194304\n");
    write_file("/sys/fs/cgroup/memory/memory.usage_in_bytes", "1048576\n");
    weft_memory_read_under(&memory, root);
    assert_int_equal(memory.total, 4 * MIB);
    assert_int_equal(memory.available, 3 * MIB);
}

static void this_machine_has_some(void **state)
{
    (void)state;
    struct weft_memory memory;
    weft_memory_read(&memory);
    assert_true(memory.total >= memory.available);
    assert_true(memory.total > MIB);
}

int main(void)
{
#define IN_ROOT(test) cmocka_unit_test_setup_teardown(test, make_root, remove_root)
    const struct CMUnitTest tests[] = {
        IN_ROOT(a_machine_says_what_it_has),           IN_ROOT(a_machine_that_says_nothing_has_no_limit),
        IN_ROOT(the_smallest_group_around_us_decides), IN_ROOT(a_container_sees_its_group_as_the_root),
        IN_ROOT(the_older_groups_are_known_too),       cmocka_unit_test(this_machine_has_some),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
