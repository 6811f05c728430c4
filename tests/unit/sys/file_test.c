/* tests/unit/sys/file_test.c - whole small files. */
#include "unit/sys/stage.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sys/inside.h"

struct outcome {
    bool done;
    int status;
    char text[64];
    size_t size;
};

static void read_done(void *self, int status, struct weft_slice content)
{
    struct outcome *outcome = self;
    outcome->done = true;
    outcome->status = status;
    outcome->size = content.size;
    assert_true(content.size <= sizeof(outcome->text));
    if (content.size > 0) {
        memcpy(outcome->text, content.data, content.size);
    }
}

static void write_done(void *self, int status)
{
    struct outcome *outcome = self;
    outcome->done = true;
    outcome->status = status;
}

static char folder[] = "/tmp/weft-file-XXXXXX";
static char path[64], inner[64];

static int setup(void **state)
{
    (void)state;
    if (!mkdtemp(folder)) {
        return -1;
    }
    snprintf(inner, sizeof(inner), "%s/keys", folder);
    snprintf(path, sizeof(path), "%s/keys/node.key", folder);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    return unlink(path) || rmdir(inner) || rmdir(folder); /* fails if a temporary file was left */
}

static int write_now(struct stage *stage, const char *text, bool exclusive)
{
    struct outcome outcome = {0};
    int status = stage->ops->write_file(stage->host, path, weft_slice_text(text), exclusive, write_done, &outcome);
    assert_int_equal(status, 0);
    assert_false(outcome.done); /* never from inside the call */
    stage_run(stage, &outcome.done);
    return outcome.status;
}

static struct outcome read_now(struct stage *stage, const char *from, size_t max)
{
    struct outcome outcome = {0};
    assert_int_equal(stage->ops->read_file(stage->host, from, max, read_done, &outcome), 0);
    stage_run(stage, &outcome.done);
    return outcome;
}

static void a_file_is_made_with_its_folder_and_only_for_its_owner(void **state)
{
    (void)state;
    struct stage stage;
    stage_init(&stage);
    assert_int_equal(write_now(&stage, "secret", false), 0);
    struct stat there;
    assert_int_equal(stat(path, &there), 0);
    assert_int_equal(there.st_mode & 0777, 0600);
    assert_int_equal(stat(inner, &there), 0);
    assert_int_equal(there.st_mode & 0777, 0700);
    struct outcome got = read_now(&stage, path, 6);
    assert_int_equal(got.status, 0);
    assert_int_equal(got.size, 6);
    assert_memory_equal(got.text, "secret", 6);
    stage_deinit(&stage);
}

static void a_write_replaces_unless_it_is_exclusive(void **state)
{
    (void)state;
    struct stage stage;
    stage_init(&stage);
    assert_int_equal(write_now(&stage, "one", false), 0);
    assert_int_equal(write_now(&stage, "two!", true), WEFT_ERR_EXISTS);
    assert_int_equal(read_now(&stage, path, 64).size, 3);
    assert_int_equal(write_now(&stage, "two!", false), 0);
    assert_int_equal(read_now(&stage, path, 64).size, 4);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(write_now(&stage, "three", true), 0);
    assert_int_equal(read_now(&stage, path, 64).size, 5);
    stage_deinit(&stage);
}

static void a_file_over_the_bound_is_not_read(void **state)
{
    (void)state;
    struct stage stage;
    stage_init(&stage);
    assert_int_equal(write_now(&stage, "12345", false), 0);
    struct outcome got = read_now(&stage, path, 4);
    assert_int_equal(got.status, WEFT_ERR_TOO_LARGE);
    assert_int_equal(got.size, 0);
    stage_deinit(&stage);
}

static void a_file_that_is_not_there_is_not_found(void **state)
{
    (void)state;
    struct stage stage;
    stage_init(&stage);
    assert_int_equal(read_now(&stage, "/nowhere/at/all", 4).status, WEFT_ERR_NOT_FOUND);
    stage_deinit(&stage);
}

static void a_path_that_cannot_be_one_is_refused_at_once(void **state)
{
    (void)state;
    struct stage stage;
    stage_init(&stage);
    assert_int_equal(stage.ops->read_file(stage.host, "", 4, read_done, NULL), WEFT_ERR_INVALID);
    stage_deinit(&stage);
}

/* The node may end with a write under way: it is finished, and nobody is called. */
static void a_write_under_way_at_the_end_is_finished_in_silence(void **state)
{
    (void)state;
    struct stage stage;
    stage_init(&stage);
    struct outcome outcome = {0};
    assert_int_equal(stage.ops->write_file(stage.host, path, WEFT_SLICE("last words"), false, write_done, &outcome), 0);
    stage_deinit(&stage);
    assert_false(outcome.done);
    stage_init(&stage);
    assert_int_equal(read_now(&stage, path, 64).size, 10);
    stage_deinit(&stage);
}

/* Nothing can make the reader wait. */
static void only_a_file_is_read(void **state)
{
    (void)state;
    struct stage stage;
    stage_init(&stage);
    assert_int_equal(write_now(&stage, "secret", false), 0);
    assert_int_equal(read_now(&stage, inner, 64).status, WEFT_ERR_INVALID);
    assert_int_equal(read_now(&stage, "/dev/null", 64).status, WEFT_ERR_INVALID);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(mkfifo(path, 0600), 0); /* that nobody writes to */
    assert_int_equal(read_now(&stage, path, 64).status, WEFT_ERR_INVALID);
    stage_deinit(&stage);
}

static int gate[2];

static void hang(uv_work_t *request)
{
    char byte;
    (void)request;
    assert_int_equal(read(gate[0], &byte, 1), 1);
}

static void let_go(uv_work_t *request, int status)
{
    (void)request, (void)status; /* the loop is never run again */
}

/* A file system that hangs does not hold the end up. The last test: what the worker still uses stays allocated. */
static void a_worker_that_hangs_is_left_behind(void **state)
{
    (void)state;
    static struct stage stage; /* reachable for leak checkers */
    static uv_work_t request;
    stage_init(&stage);
    assert_int_equal(pipe(gate), 0);
    assert_int_equal(weft_sys_job_begin(stage.sys), 0);
    assert_int_equal(uv_queue_work(&stage.sys->loop, &request, hang, let_go), 0);
    assert_false(weft_sys_free(stage.sys));
    assert_int_equal(write(gate[1], "", 1), 1); /* or this program could not end */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_is_made_with_its_folder_and_only_for_its_owner),
        cmocka_unit_test(a_write_replaces_unless_it_is_exclusive),
        cmocka_unit_test(a_file_over_the_bound_is_not_read),
        cmocka_unit_test(a_file_that_is_not_there_is_not_found),
        cmocka_unit_test(a_path_that_cannot_be_one_is_refused_at_once),
        cmocka_unit_test(a_write_under_way_at_the_end_is_finished_in_silence),
        cmocka_unit_test(only_a_file_is_read),
        cmocka_unit_test(a_worker_that_hangs_is_left_behind),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
