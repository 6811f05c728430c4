/* tests/unit/store/store_test.c - the port by a real host: later, in order, bounded, finished at the end. */
#include "store/store.h"

#include "unit/store/folder.h"

static void a_host_without_a_store_says_so(void **state)
{
    (void)state;
    struct weft_sys *sys;
    assert_int_equal(weft_sys_new(&sys), 0);
    struct weft_host *host = weft_sys_host(sys);
    struct weft_store_op op = {.kind = WEFT_STORE_SEQUENCE};
    assert_int_equal(host->ops->store(host, &op, store_end_done, NULL), WEFT_ERR_UNSUPPORTED);
    assert_true(weft_sys_free(sys));
}

static size_t threads(void)
{
    DIR *entries = opendir("/proc/self/task");
    size_t count = 0;
    for (const struct dirent *entry = entries ? readdir(entries) : NULL; entry; entry = readdir(entries)) {
        count++;
    }
    if (entries) {
        closedir(entries);
    }
    return count;
}

static void nothing_is_opened_or_started_unless_asked_for(void **state)
{
    (void)state;
    struct store_end end;
    size_t before = threads();
    store_end_init(&end);
    assert_int_equal(threads(), before);
    store_end_deinit(&end);
    assert_int_not_equal(access(folder.file, F_OK), 0);
}

static void what_is_done_is_there_after_the_next_start(void **state)
{
    (void)state;
    struct store_end end;
    struct weft_store_op invite = store_invite(1, 2, 2000), redeem = store_redeem(1, 71, "kept", 1000);
    store_end_init(&end);
    assert_int_equal(store_end_ask(&end, &invite), WEFT_ERR_CLOSED);
    assert_int_equal(store_end_open(&end, folder.file), 0);
    assert_int_equal(end.result.version, 0);
    assert_int_equal(store_end_ask(&end, &invite), 0);
    assert_int_equal(store_end_ask(&end, &redeem), 0);
    assert_int_equal(end.result.verdict, WEFT_STORE_REDEEMED);
    store_end_deinit(&end);
    store_end_init(&end);
    assert_int_equal(store_end_open(&end, folder.file), 0);
    assert_int_equal(end.result.version, WEFT_STORE_VERSION);
    assert_int_equal(store_end_ask(&end, &redeem), 0);
    assert_int_equal(end.result.verdict, WEFT_STORE_AGAIN);
    assert_int_equal(end.result.left, 1);
    assert_memory_equal(end.result.record.bytes, "kept", 4);
    store_end_deinit(&end);
}

static void what_is_wrong_is_a_sentence(void **state)
{
    (void)state;
    struct store_end end;
    store_end_init(&end);
    assert_int_equal(store_end_open(&end, folder.path), WEFT_ERR_INVALID);
    assert_non_null(strstr(end.problem, "no plain file"));
    assert_int_equal(store_end_open(&end, ""), WEFT_ERR_INVALID); /* at once */
    assert_int_equal(store_end_open(&end, folder.file), 0);       /* and it may be tried again */
    store_end_deinit(&end);
}

struct raised {
    struct store_end *end;
    uint64_t told;
};

static void on_raised(void *self, int status, const struct weft_store_result *result)
{
    struct raised *raised = self;
    assert_int_equal(status, 0);
    assert_int_equal(result->sequence, ++raised->told); /* in the order in which they were asked for */
    raised->end->done = raised->told == WEFT_STORE_QUEUE_MAX;
}

static void as_many_as_the_queue_holds_are_done_in_order(void **state)
{
    (void)state;
    struct store_end end;
    struct raised raised = {.end = &end};
    store_end_init(&end);
    assert_int_equal(store_end_open(&end, folder.file), 0);
    end.done = false;
    for (uint64_t i = 1; i <= WEFT_STORE_QUEUE_MAX + 1; i++) {
        struct weft_store_op op = {.kind = WEFT_STORE_RAISE, .sequence = i};
        assert_int_equal(end.host->ops->store(end.host, &op, on_raised, &raised),
                         i <= WEFT_STORE_QUEUE_MAX ? 0 : WEFT_ERR_FULL);
    }
    while (!end.done) {
        assert_int_equal(weft_sys_run(end.sys, (struct weft_guest){.self = &end, .turn = store_end_turn}), 0);
    }
    assert_int_equal(store_end_ask(&end, &(struct weft_store_op){.kind = WEFT_STORE_SEQUENCE}), 0); /* room again */
    assert_int_equal(end.result.sequence, WEFT_STORE_QUEUE_MAX);
    store_end_deinit(&end);
}

static void never(void *self, int status, const struct weft_store_result *result)
{
    (void)self, (void)status, (void)result;
    fail_msg("told after the end");
}

static void what_was_asked_for_at_the_end_is_finished_in_silence(void **state)
{
    (void)state;
    struct store_end end;
    struct weft_store_op open = {.kind = WEFT_STORE_OPEN, .path = folder.file};
    struct weft_store_op raise = {.kind = WEFT_STORE_RAISE, .incarnation = 3, .sequence = 4};
    store_end_init(&end);
    assert_int_equal(end.host->ops->store(end.host, &open, never, NULL), 0);
    assert_int_equal(end.host->ops->store(end.host, &raise, never, NULL), 0);
    store_end_deinit(&end);
    store_end_init(&end);
    assert_int_equal(store_end_open(&end, folder.file), 0);
    assert_int_equal(store_end_ask(&end, &(struct weft_store_op){.kind = WEFT_STORE_SEQUENCE}), 0);
    assert_int_equal(end.result.incarnation, 3);
    assert_int_equal(end.result.sequence, 4);
    store_end_deinit(&end);
}

/* Of our own allocations; SQLite's are failed in tests/torture. */
static void without_memory_it_is_refused_at_once(void **state)
{
    (void)state;
    struct store_end end = {0};
    struct weft_store *store;
    assert_int_equal(weft_sys_new(&end.sys), 0);
    weft_mem_fail_at(1);
    assert_int_equal(weft_store_new(&store, end.sys), WEFT_ERR_MEMORY);
    assert_null(store);
    weft_mem_fail_at(0);
    assert_int_equal(weft_store_new(&end.store, end.sys), 0);
    end.host = weft_sys_host(end.sys);
    for (uint64_t countdown = 1; countdown <= 2; countdown++) { /* the worker, the job */
        weft_mem_fail_at(countdown);
        assert_int_equal(store_end_open(&end, folder.file), WEFT_ERR_MEMORY);
        weft_mem_fail_at(0);
    }
    assert_int_equal(store_end_open(&end, folder.file), 0);
    store_end_deinit(&end);
}

#define test(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        test(a_host_without_a_store_says_so),
        test(nothing_is_opened_or_started_unless_asked_for),
        test(what_is_done_is_there_after_the_next_start),
        test(what_is_wrong_is_a_sentence),
        test(as_many_as_the_queue_holds_are_done_in_order),
        test(what_was_asked_for_at_the_end_is_finished_in_silence),
        test(without_memory_it_is_refused_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
