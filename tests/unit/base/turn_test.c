/* tests/unit/base/turn_test.c - the order in which a turn does what is due. */
#include "base/turn.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static struct weft_turn turn;
static char ran[64]; /* the names of the tasks that ran, in order */
static size_t ran_count;

/* A task that writes its name and then may do something to others. */
struct named {
    struct weft_task task;
    char name;
    int again;           /* adds itself so many times more */
    struct named *adds;  /* to the work */
    struct named *late;  /* to the flush */
    struct named *stops; /* is removed */
};

static void run_named(struct weft_task *task)
{
    struct named *named = WEFT_CONTAINER(task, struct named, task);
    assert_true(ran_count < sizeof(ran) - 1);
    ran[ran_count++] = named->name;
    ran[ran_count] = '\0';
    if (named->again-- > 0) {
        weft_turn_add(&turn, task);
    }
    if (named->adds) {
        weft_turn_add(&turn, &named->adds->task);
    }
    if (named->late) {
        weft_turn_add_flush(&turn, &named->late->task);
    }
    if (named->stops) {
        weft_task_remove(&named->stops->task);
    }
}

static void make(struct named *tasks, size_t count)
{
    weft_turn_init(&turn);
    ran_count = 0;
    ran[0] = '\0';
    for (size_t i = 0; i < count; i++) {
        tasks[i] = (struct named){.name = (char)('a' + (int)i)};
        weft_task_init(&tasks[i].task, run_named);
    }
}

static void test_order(void **state)
{
    (void)state;
    struct named tasks[4];
    make(tasks, WEFT_COUNT(tasks));
    weft_turn_run(&turn); /* nothing is due */
    assert_string_equal(ran, "");
    weft_turn_add_flush(&turn, &tasks[3].task);
    weft_turn_add(&turn, &tasks[0].task);
    weft_turn_add(&turn, &tasks[1].task);
    weft_turn_add(&turn, &tasks[0].task); /* once, however often it is asked for */
    weft_turn_add(&turn, &tasks[2].task);
    weft_turn_run(&turn);
    assert_string_equal(ran, "abcd");
    weft_turn_run(&turn);
    assert_string_equal(ran, "abcd");
}

static void test_a_task_adds_itself_and_others(void **state)
{
    (void)state;
    struct named tasks[3];
    make(tasks, WEFT_COUNT(tasks));
    tasks[0].again = 2;
    tasks[0].adds = &tasks[1];
    weft_turn_add(&turn, &tasks[0].task);
    weft_turn_run(&turn);
    assert_string_equal(ran, "aabab");
}

static void test_flush_waits_for_all_work(void **state)
{
    (void)state;
    struct named tasks[4];
    make(tasks, WEFT_COUNT(tasks));
    tasks[0].late = &tasks[3]; /* asked for early, and again by the flush of another */
    tasks[0].adds = &tasks[1];
    tasks[1].adds = &tasks[2];
    weft_turn_add(&turn, &tasks[0].task);
    weft_turn_run(&turn);
    assert_string_equal(ran, "abcd");

    make(tasks, WEFT_COUNT(tasks));
    tasks[0].adds = &tasks[1]; /* a flush that makes work: it comes before the next flush */
    weft_turn_add_flush(&turn, &tasks[0].task);
    weft_turn_add_flush(&turn, &tasks[2].task);
    weft_turn_run(&turn);
    assert_string_equal(ran, "abc");
}

static void test_remove(void **state)
{
    (void)state;
    for (size_t removed = 0; removed < 4; removed++) { /* first, in the middle, last, none */
        struct named tasks[3];
        make(tasks, WEFT_COUNT(tasks));
        for (size_t i = 0; i < WEFT_COUNT(tasks); i++) {
            weft_turn_add(&turn, &tasks[i].task);
        }
        if (removed < WEFT_COUNT(tasks)) {
            weft_task_remove(&tasks[removed].task);
            weft_task_remove(&tasks[removed].task); /* twice is fine */
        }
        weft_turn_run(&turn);
        static const char *const left[] = {"bc", "ac", "ab", "abc"};
        assert_string_equal(ran, left[removed]);
    }
    struct named tasks[3];
    make(tasks, WEFT_COUNT(tasks));
    tasks[0].stops = &tasks[1]; /* by a task that runs before it */
    weft_turn_add(&turn, &tasks[0].task);
    weft_turn_add(&turn, &tasks[1].task);
    weft_turn_add_flush(&turn, &tasks[2].task);
    weft_task_remove(&tasks[2].task);
    weft_turn_run(&turn);
    assert_string_equal(ran, "a");
    weft_turn_add(&turn, &tasks[1].task); /* one that was removed may come again */
    weft_turn_run(&turn);
    assert_string_equal(ran, "ab");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order),
        cmocka_unit_test(test_a_task_adds_itself_and_others),
        cmocka_unit_test(test_flush_waits_for_all_work),
        cmocka_unit_test(test_remove),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
