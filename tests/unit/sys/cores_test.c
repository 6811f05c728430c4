/* tests/unit/sys/cores_test.c - the machine's cores, less what this process may not use. */
#include "unit/sys/stage.h"

#include <sched.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sys/inside.h"

static char root[] = "/tmp/weft-cores-XXXXXX";

static int make_root(void **state)
{
    (void)state;
    return mkdtemp(root) ? 0 : -1;
}

static int remove_root(void **state)
{
    (void)state;
    char command[128];
    (void)snprintf(command, sizeof(command), "rm -r %s", root);
    return system(command);
}

static const char *path_of(const char *name)
{
    static char path[256];
    assert_true(snprintf(path, sizeof(path), "%s/%s", root, name) < (int)sizeof(path));
    return path;
}

static void put(const char *name, const char *text)
{
    char path[256];
    (void)snprintf(path, sizeof(path), "%s", path_of(name));
    for (char *slash = path + strlen(root) + 1; (slash = strchr(slash, '/')); *slash++ = '/') {
        *slash = '\0';
        (void)mkdir(path, 0700); /* may be there */
    }
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static size_t given(const char *groups)
{
    put("groups", groups);
    char path[256];
    (void)snprintf(path, sizeof(path), "%s", path_of("groups"));
    return weft_cores_given(root, path);
}

static void without_a_limit_all_are_given(void **state)
{
    (void)state;
    assert_true(weft_cores_given(root, path_of("nothing here")) == SIZE_MAX);
    assert_true(given("0::/none\n") == SIZE_MAX);
    put("free/cpu.max", "max 100000\n");
    assert_true(given("0::/free\n") == SIZE_MAX);
    put("free/cpu.max", "broken");
    assert_true(given("0::/free\n") == SIZE_MAX);
    assert_true(given("no colon\n\n:\n::\n") == SIZE_MAX);
}

static void the_share_of_a_group_is_whole_cores(void **state)
{
    (void)state;
    put("a/cpu.max", "400000 100000\n");
    assert_int_equal(given("0::/a\n"), 4);
    put("a/cpu.max", "250000 100000\n");
    assert_int_equal(given("0::/a\n"), 2); /* a third one would be stopped half of the time, and the others with it */
    put("a/cpu.max", "50000 100000\n");
    assert_int_equal(given("0::/a\n"), 1);
}

static void a_group_has_no_more_than_those_around_it(void **state)
{
    (void)state;
    put("outer/cpu.max", "200000 100000\n");
    put("outer/inner/cpu.max", "800000 100000\n");
    assert_int_equal(given("0::/outer/inner\n"), 2);
    assert_int_equal(given("0::/outer/inner/deeper\n"), 2);
    put("cpu.max", "100000 100000\n"); /* what a container sees as its root */
    assert_int_equal(given("0::/\n"), 1);
    assert_int_equal(given("0::/outer/inner\n"), 1);
    assert_int_equal(unlink(path_of("cpu.max")), 0);
}

static void the_older_files_are_understood(void **state)
{
    (void)state;
    put("cpu/docker/x/cpu.cfs_quota_us", "300000\n");
    put("cpu/docker/x/cpu.cfs_period_us", "100000\n");
    assert_int_equal(given("9:memory:/y\n4:cpu,cpuacct:/docker/x\n1:name=systemd:/z\n"), 3);
    assert_int_equal(given("4:cpuacct,cpu:/docker/x\n"), 3);
    assert_true(given("4:cpuset:/docker/x\n") == SIZE_MAX);
    put("cpu/docker/x/cpu.cfs_quota_us", "-1\n");
    assert_true(given("4:cpu,cpuacct:/docker/x\n") == SIZE_MAX);
}

static void affinity_is_respected(void **state)
{
    (void)state;
    struct stage stage;
    cpu_set_t before, one;
    stage_init(&stage);
    assert_int_equal(sched_getaffinity(0, sizeof(before), &before), 0);
    assert_true(stage.ops->cores(stage.host) >= 1);
    assert_true(stage.ops->cores(stage.host) <= (size_t)CPU_COUNT(&before));
    CPU_ZERO(&one);
    for (unsigned cpu = 0; cpu < CPU_SETSIZE; cpu++) {
        if (CPU_ISSET(cpu, &before)) {
            CPU_SET(cpu, &one);
            break;
        }
    }
    assert_int_equal(sched_setaffinity(0, sizeof(one), &one), 0);
    assert_int_equal(stage.ops->cores(stage.host), 1);
    assert_int_equal(sched_setaffinity(0, sizeof(before), &before), 0);
    stage_deinit(&stage);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_a_limit_all_are_given),
        cmocka_unit_test(the_share_of_a_group_is_whole_cores),
        cmocka_unit_test(a_group_has_no_more_than_those_around_it),
        cmocka_unit_test(the_older_files_are_understood),
        cmocka_unit_test(affinity_is_respected),
    };
    return cmocka_run_group_tests(tests, make_root, remove_root);
}
