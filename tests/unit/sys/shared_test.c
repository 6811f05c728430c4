/* tests/unit/sys/shared_test.c - memory that two processes share: what it refuses to be, and who may take it. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/error.h"
#include "sys/inside.h"

#define SIZE 16

static void what_one_writes_the_other_reads(void **state)
{
    (void)state;
    struct weft_shared shared;
    int child;
    void *other;
    assert_int_equal(weft_shared_new(&shared, SIZE, &child), 0);
    assert_true(fcntl(child, F_GETFD) & FD_CLOEXEC);
    for (size_t i = 0; i < SIZE; i++) {
        assert_int_equal(((char *)shared.at)[i], 0);
    }
    int copy = dup(child);
    assert_int_equal(weft_sys_inherit_memory(child, SIZE, &other), 0);
    assert_int_equal(fcntl(child, F_GETFD), -1); /* nobody needs it any more */
    memcpy(other, "from the child", 15);
    assert_string_equal(shared.at, "from the child");
    weft_shared_free(&shared);
    assert_null(shared.at);
    weft_shared_free(&shared); /* once more is fine */
    assert_string_equal(other, "from the child");

    struct stat about;
    assert_int_equal(fstat(copy, &about), 0);
    assert_int_equal(about.st_mode & 0777, 0600);
    (void)close(copy);
}

/* Or its reader would die of a bus error. */
static void its_size_is_for_ever(void **state)
{
    (void)state;
    struct weft_shared shared;
    int child;
    assert_int_equal(weft_shared_new(&shared, SIZE, &child), 0);
    assert_int_equal(ftruncate(child, 0), -1);
    assert_int_equal(ftruncate(child, 4096), -1);
    assert_int_equal(write(child, "123456789abcdef0+", SIZE + 1) <= SIZE, 1);
    struct stat about;
    assert_int_equal(fstat(child, &about), 0);
    assert_true(about.st_size >= SIZE);
    (void)close(child);
    weft_shared_free(&shared);
}

static void other_descriptors_are_not_taken(void **state)
{
    (void)state;
    char path[] = "shared_test_XXXXXX";
    int ends[2];
    void *taken;
    int file = mkstemp(path); /* somebody's file */
    assert_true(file >= 0);
    assert_int_equal(ftruncate(file, 4096), 0);
    assert_int_equal(pipe(ends), 0);
    struct weft_shared small;
    int child;
    assert_int_equal(weft_shared_new(&small, SIZE, &child), 0);
    const struct {
        int descriptor;
        size_t size;
    } cases[] = {{file, SIZE}, {ends[0], SIZE}, {4095 /* is not open */, SIZE}, {child, (size_t)1 << 20}};
    for (size_t i = 0; i < WEFT_COUNT(cases); i++) {
        assert_int_equal(weft_sys_inherit_memory(cases[i].descriptor, cases[i].size, &taken), WEFT_ERR_INVALID);
        assert_null(taken);
    }
    assert_true(fcntl(child, F_GETFD) >= 0); /* still ours */
    (void)close(child);
    weft_shared_free(&small);
    (void)close(ends[0]);
    (void)close(ends[1]);
    (void)close(file);
    (void)unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_one_writes_the_other_reads),
        cmocka_unit_test(its_size_is_for_ever),
        cmocka_unit_test(other_descriptors_are_not_taken),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
