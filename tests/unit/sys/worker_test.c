/* tests/unit/sys/worker_test.c - a thread of its own: in order, told on the loop, ended with it. */
#include "sys/worker.h"

#include "unit/sys/stage.h"

#include <unistd.h>

#include "sys/inside.h"

#define WORKS 100

struct errand {
    struct weft_work work;
    struct errands *errands;
    int number;
};

struct errands {
    struct errand list[WORKS];
    uv_thread_t loop_thread;
    int ran, told; /* ran: the worker's, read by the loop when it has ended */
    bool all_told, in_order, unwanted;
};

static void run(struct weft_work *work)
{
    struct errand *errand = WEFT_CONTAINER(work, struct errand, work);
    uv_thread_t own = uv_thread_self();
    if (errand->number != errand->errands->ran++ || uv_thread_equal(&own, &errand->errands->loop_thread)) {
        errand->errands->in_order = false;
    }
}

static void told(struct weft_work *work, bool wanted)
{
    struct errand *errand = WEFT_CONTAINER(work, struct errand, work);
    struct errands *errands = errand->errands;
    uv_thread_t own = uv_thread_self();
    assert_true(uv_thread_equal(&own, &errands->loop_thread));
    assert_int_equal(errand->number, errands->told++);
    errands->unwanted = !wanted;
    errands->all_told = errands->told == WORKS;
}

static void add_all(struct errands *errands, struct weft_worker *worker)
{
    *errands = (struct errands){.loop_thread = uv_thread_self(), .in_order = true};
    for (int i = 0; i < WORKS; i++) {
        errands->list[i] = (struct errand){.work = {.run = run, .done = told}, .errands = errands, .number = i};
        assert_int_equal(weft_worker_add(worker, &errands->list[i].work), 0);
    }
    assert_int_equal(errands->told, 0); /* never from inside the call */
}

static void work_is_done_in_order_and_told_on_the_loop(void **state)
{
    (void)state;
    struct stage stage;
    struct errands errands;
    struct weft_worker *worker;
    stage_init(&stage);
    assert_int_equal(weft_worker_new(&worker, stage.sys), 0);
    add_all(&errands, worker);
    stage_run(&stage, &errands.all_told);
    assert_true(errands.in_order);
    assert_int_equal(errands.ran, WORKS);
    assert_false(errands.unwanted);
    stage_deinit(&stage);
}

static void what_was_asked_for_is_finished_at_the_end_and_not_wanted(void **state)
{
    (void)state;
    struct stage stage;
    struct errands errands;
    struct weft_worker *worker, *idle;
    stage_init(&stage);
    assert_int_equal(weft_worker_new(&worker, stage.sys), 0);
    assert_int_equal(weft_worker_new(&idle, stage.sys), 0);
    add_all(&errands, worker);
    stage_deinit(&stage);
    assert_true(errands.all_told && errands.in_order && errands.unwanted);
}

static int gate[2];

static void wait_at_gate(struct weft_work *work)
{
    char byte;
    (void)work;
    assert_int_equal(read(gate[0], &byte, 1), 1);
}

static size_t through;
static bool last_is_through;

static void pass(struct weft_work *work, bool wanted)
{
    (void)work, (void)wanted;
    last_is_through = ++through == WEFT_SYS_JOBS_MAX;
}

static void too_much_at_once_is_refused(void **state)
{
    (void)state;
    static struct weft_work works[WEFT_SYS_JOBS_MAX + 1];
    struct stage stage;
    struct weft_worker *worker;
    stage_init(&stage);
    assert_int_equal(pipe(gate), 0);
    assert_int_equal(weft_worker_new(&worker, stage.sys), 0);
    for (size_t i = 0; i < WEFT_COUNT(works); i++) {
        works[i] = (struct weft_work){.run = wait_at_gate, .done = pass};
        assert_int_equal(weft_worker_add(worker, &works[i]), i < WEFT_SYS_JOBS_MAX ? 0 : WEFT_ERR_FULL);
    }
    for (size_t i = 0; i < WEFT_SYS_JOBS_MAX; i++) {
        assert_int_equal(write(gate[1], "", 1), 1);
    }
    stage_run(&stage, &last_is_through);
    stage_deinit(&stage);
    assert_int_equal(through, WEFT_SYS_JOBS_MAX);
    assert_int_equal(close(gate[0]) | close(gate[1]), 0);
}

static void without_memory_there_is_no_worker(void **state)
{
    (void)state;
    struct stage stage;
    struct weft_worker *worker = (struct weft_worker *)(uintptr_t)1;
    stage_init(&stage);
    weft_mem_fail_at(1);
    assert_int_equal(weft_worker_new(&worker, stage.sys), WEFT_ERR_MEMORY);
    weft_mem_fail_at(0);
    assert_null(worker);
    stage_deinit(&stage);
}

/* A disk that hangs does not hold the end up. The last test: what the worker still uses stays allocated. */
static void a_worker_that_hangs_is_left_behind(void **state)
{
    (void)state;
    static struct stage stage; /* reachable for leak checkers */
    static struct weft_work work = {.run = wait_at_gate, .done = pass};
    struct weft_worker *worker;
    stage_init(&stage);
    assert_int_equal(pipe(gate), 0);
    assert_int_equal(weft_worker_new(&worker, stage.sys), 0);
    assert_int_equal(weft_worker_add(worker, &work), 0);
    assert_false(weft_sys_free(stage.sys));
    assert_int_equal(write(gate[1], "", 1), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(work_is_done_in_order_and_told_on_the_loop),
        cmocka_unit_test(what_was_asked_for_is_finished_at_the_end_and_not_wanted),
        cmocka_unit_test(too_much_at_once_is_refused),
        cmocka_unit_test(without_memory_there_is_no_worker),
        cmocka_unit_test(a_worker_that_hangs_is_left_behind),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
