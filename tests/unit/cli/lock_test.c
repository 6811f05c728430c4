/* tests/unit/cli/lock_test.c - one node per home, and commands that look for it. */
#include "cli/lock.h"

#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/error.h"

static struct weft_places places;
static struct weft_config_problem problem;
static char file[WEFT_PLACES_PATH_MAX + 16];

static int make_home(void **state)
{
    (void)state;
    places = (struct weft_places){.state = "/tmp/weft-lock-XXXXXX"};
    assert_non_null(mkdtemp(places.state));
    (void)snprintf(file, sizeof(file), "%s/weft.lock", places.state);
    return 0;
}

static int remove_home(void **state)
{
    (void)state;
    assert_int_equal(unlink(file), 0);
    assert_int_equal(rmdir(places.state), 0);
    return 0;
}

static void one_node_holds_it_and_is_found(void **state)
{
    (void)state;
    struct weft_lock lock, other;
    char address[64];
    assert_int_equal(weft_lock_take(&lock, &places, &problem), 0);
    assert_int_equal(weft_lock_find(&places, address, sizeof(address)),
                     WEFT_ERR_NOT_FOUND); /* it answers nowhere yet */
    weft_lock_add_address(&lock, "http://127.0.0.1:1");
    assert_int_equal(weft_lock_find(&places, address, sizeof(address)), 0);
    assert_string_equal(address, "http://127.0.0.1:1");
    assert_int_equal(weft_lock_take(&other, &places, &problem), WEFT_ERR_BUSY);
    assert_non_null(strstr(problem.text, "answering at http://127.0.0.1:1"));
    weft_lock_release(&lock);
    assert_int_equal(weft_lock_find(&places, address, sizeof(address)), WEFT_ERR_NOT_FOUND);
    assert_int_equal(weft_lock_take(&other, &places, &problem), 0);
    weft_lock_release(&other);
}

/* It looks just while a node starts. */
static void who_looks_keeps_no_node_from_starting(void **state)
{
    (void)state;
    struct weft_lock lock;
    int ready[2], status;
    char byte = 0;
    assert_int_equal(pipe(ready), 0);
    pid_t child = fork();
    if (child == 0) {
        int looks = open(file, O_RDONLY | O_CREAT, 0600);
        bool held = looks >= 0 && flock(looks, LOCK_SH | LOCK_NB) == 0 && write(ready[1], &byte, 1) == 1;
        (void)poll(NULL, 0, 10);
        _exit(held ? 0 : 1);
    }
    assert_true(child > 0);
    assert_int_equal(read(ready[0], &byte, 1), 1);
    assert_int_equal(weft_lock_take(&lock, &places, &problem), 0);
    weft_lock_release(&lock);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    (void)close(ready[0]);
    (void)close(ready[1]);
}

#define LOCK_TEST(name) cmocka_unit_test_setup_teardown(name, make_home, remove_home)

int main(void)
{
    const struct CMUnitTest tests[] = {
        LOCK_TEST(one_node_holds_it_and_is_found),
        LOCK_TEST(who_looks_keeps_no_node_from_starting),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
