/* tests/unit/mesh/queue_test.c - who waits, until when, and who goes next. */
#include "mesh/queue.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "base/error.h"
#include "base/mem.h"
#include "base/random.h"

enum { ANNA = 1, BEN, CLARA, KEEPER };

/* Waiters are static: tear_down takes out those who still wait. */
static struct weft_queue *queue;
static int64_t live;

static int set_up(void **state)
{
    (void)state;
    live = weft_mem_live();
    return weft_queue_new(&queue, WEFT_QUEUE_WAITERS_MAX);
}

static int tear_down(void **state)
{
    (void)state;
    weft_queue_free(queue);
    queue = NULL;
    return weft_mem_live() == live ? 0 : -1;
}

static void other_queue(size_t waiters_max)
{
    weft_queue_free(queue);
    assert_int_equal(weft_queue_new(&queue, waiters_max), 0);
}

static void push(struct weft_queue_waiter *waiter, uint64_t principal)
{
    assert_int_equal(weft_queue_push(queue, waiter, principal, 0, WEFT_NEVER), 0);
}

static void charge(uint64_t principal, weft_time seconds)
{
    weft_queue_charge(queue, principal, seconds * WEFT_SECOND);
}

/* The first goes, and takes so long. */
static struct weft_queue_waiter *serve(uint64_t principal, weft_time seconds)
{
    struct weft_queue_waiter *waiter = weft_queue_first(queue);
    assert_non_null(waiter);
    weft_queue_remove(queue, waiter);
    assert_null(waiter->account);
    charge(principal, seconds);
    return waiter;
}

static void test_an_empty_queue(void **state)
{
    (void)state;
    static struct weft_queue_waiter nobody;
    assert_null(weft_queue_first(queue));
    assert_null(weft_queue_expired(queue, WEFT_NEVER));
    assert_true(weft_queue_deadline(queue) == WEFT_NEVER);
    assert_int_equal(weft_queue_count(queue), 0);
    assert_int_equal(weft_queue_ahead(queue, &nobody, 1), 0);
    weft_queue_remove(queue, &nobody);
    assert_int_equal(weft_queue_count(queue), 0);
    weft_queue_free(NULL);
}

static void test_each_allocation_fails(void **state)
{
    (void)state;
    uint64_t at = 1;
    for (;; at++) {
        struct weft_queue *made = queue;
        int64_t before = weft_mem_live();
        weft_mem_fail_at(at);
        int status = weft_queue_new(&made, WEFT_QUEUE_WAITERS_MAX);
        bool failed = weft_mem_failed();
        weft_mem_fail_at(0);
        assert_int_equal(status, failed ? WEFT_ERR_MEMORY : 0);
        if (!failed) {
            weft_queue_free(made);
            break;
        }
        assert_null(made);
        assert_int_equal(weft_mem_live(), before);
    }
    assert_true(at > 2);
    /* After that nothing allocates. */
    static struct weft_queue_waiter waiters[WEFT_QUEUE_WAITERS_MAX];
    weft_mem_fail_at(1);
    for (size_t i = 0; i < WEFT_COUNT(waiters); i++) {
        assert_int_equal(weft_queue_push(queue, &waiters[i], i, 0, (weft_time)(i * 7 % 1000)), 0);
    }
    for (uint64_t i = 0; i < (uint64_t)2 * WEFT_QUEUE_PRINCIPALS_MAX; i++) {
        charge(i, 1);
    }
    assert_false(weft_mem_failed());
    weft_mem_fail_at(0);
}

static void test_a_full_queue(void **state)
{
    (void)state;
    static struct weft_queue_waiter waiters[WEFT_QUEUE_WAITERS_MAX + 1];
    for (size_t i = 0; i < WEFT_QUEUE_WAITERS_MAX; i++) {
        push(&waiters[i], i);
    }
    struct weft_queue_waiter *last = &waiters[WEFT_QUEUE_WAITERS_MAX];
    assert_int_equal(weft_queue_push(queue, last, 7777, 0, 1), WEFT_ERR_FULL);
    assert_null(last->account);
    assert_int_equal(weft_queue_push(queue, last, 1, 0, 1), WEFT_ERR_FULL);
    assert_int_equal(weft_queue_count(queue), WEFT_QUEUE_WAITERS_MAX);
    assert_true(weft_queue_deadline(queue) == WEFT_NEVER);
    weft_queue_remove(queue, &waiters[500]);
    push(last, 7777);
    assert_int_equal(weft_queue_push(queue, &waiters[500], 500, 0, 1), WEFT_ERR_FULL);
}

static void test_who_floods_leaves_places(void **state)
{
    (void)state;
    static struct weft_queue_waiter anna[9], ben[9], clara;
    other_queue(10);
    for (size_t i = 0; i < 5; i++) { /* as many as are left */
        push(&anna[i], ANNA);
    }
    assert_int_equal(weft_queue_push(queue, &anna[5], ANNA, 0, 1), WEFT_ERR_FULL);
    for (size_t i = 0; i < 3; i++) {
        push(&ben[i], BEN);
    }
    assert_int_equal(weft_queue_push(queue, &ben[3], BEN, 0, 1), WEFT_ERR_FULL);
    assert_int_equal(weft_queue_push(queue, &anna[5], ANNA, 0, 1), WEFT_ERR_FULL);
    push(&clara, CLARA);
    for (size_t i = 0; i < 3; i++) {
        weft_queue_remove(queue, &anna[i]);
    }
    push(&anna[0], ANNA); /* four are left, and she has two */
    assert_int_equal(weft_queue_push(queue, &anna[1], ANNA, 0, 1), WEFT_ERR_FULL);

    other_queue(1); /* the smallest works */
    static struct weft_queue_waiter one, two;
    push(&one, ANNA);
    assert_int_equal(weft_queue_push(queue, &two, BEN, 0, 1), WEFT_ERR_FULL);
    weft_queue_remove(queue, &one);
    push(&two, BEN);
}

static void test_of_one_principal_the_first_goes_first(void **state)
{
    (void)state;
    static struct weft_queue_waiter waiters[5];
    for (size_t i = 0; i < 5; i++) {
        assert_int_equal(weft_queue_push(queue, &waiters[i], ANNA, (weft_time)i, 100), 0);
        assert_int_equal(weft_queue_count(queue), i + 1);
        assert_true(waiters[i].since == (weft_time)i && waiters[i].deadline == 100);
    }
    for (size_t i = 0; i < 5; i++) {
        assert_int_equal(weft_queue_ahead(queue, &waiters[i], 1), i);
        assert_ptr_equal(weft_queue_first(queue), &waiters[0]); /* it stays */
    }
    for (size_t i = 0; i < 5; i++) {
        assert_ptr_equal(serve(ANNA, 10), &waiters[i]);
    }
    assert_int_equal(weft_queue_count(queue), 0);
}

static void test_any_can_hang_up(void **state)
{
    (void)state;
    enum { WAITERS = 9 }; /* three each, in turns */
    for (size_t first = 0; first < WAITERS; first++) {
        for (size_t second = 0; second < WAITERS; second++) {
            other_queue(100);
            struct weft_queue_waiter waiters[WAITERS] = {0};
            for (size_t i = 0; i < WAITERS; i++) {
                push(&waiters[i], i % 3);
            }
            weft_queue_remove(queue, &waiters[first]);
            weft_queue_remove(queue, &waiters[second]); /* nothing if it is the same */
            size_t left = first == second ? WAITERS - 1 : WAITERS - 2;
            assert_int_equal(weft_queue_count(queue), left);
            size_t gone[3] = {0};
            for (; left > 0; left--) {
                struct weft_queue_waiter *waiter = weft_queue_first(queue);
                size_t which = (size_t)(waiter - waiters);
                assert_true(which < WAITERS && which != first && which != second);
                assert_true(which + 1 > gone[which % 3]); /* who is left keeps the order */
                gone[which % 3] = which + 1;
                assert_ptr_equal(serve(which % 3, 1), waiter);
            }
            assert_null(weft_queue_first(queue));
        }
    }
}

static void test_who_has_had_least_goes_first(void **state)
{
    (void)state;
    static struct weft_queue_waiter anna[6], ben[6];
    for (size_t i = 0; i < 6; i++) {
        push(&anna[i], ANNA);
    }
    for (size_t i = 0; i < 6; i++) {
        push(&ben[i], BEN);
    }
    assert_ptr_equal(serve(ANNA, 30), &anna[0]); /* as much, and she came first */
    assert_ptr_equal(serve(BEN, 10), &ben[0]);
    assert_ptr_equal(serve(BEN, 10), &ben[1]);
    assert_ptr_equal(serve(BEN, 10), &ben[2]);
    assert_ptr_equal(serve(ANNA, 5), &anna[1]); /* as much */
    charge(BEN, 3);                             /* what still runs is charged in between */
    assert_ptr_equal(serve(BEN, 10), &ben[3]);
    assert_ptr_equal(serve(ANNA, 30), &anna[2]);
    charge(ANNA, -28); /* an advance comes back */
    assert_ptr_equal(serve(ANNA, 30), &anna[3]);
    assert_ptr_equal(serve(BEN, 10), &ben[4]);
}

static void test_idleness_saves_nothing_up(void **state)
{
    (void)state;
    static struct weft_queue_waiter anna[20], ben[20];
    push(&ben[0], BEN);
    (void)serve(BEN, 10); /* known, and then away */
    for (size_t i = 0; i < 10; i++) {
        push(&anna[i], ANNA);
    }
    for (size_t i = 0; i < 8; i++) {
        (void)serve(ANNA, 100);
        push(&anna[10 + i], ANNA);
    }
    for (size_t i = 0; i < 10; i++) {
        push(&ben[i], BEN);
    }
    for (size_t i = 0; i < 4; i++) { /* from here on in turns, not 80 answers of his first */
        struct weft_queue_waiter *waiter = weft_queue_first(queue);
        bool is_anna = waiter >= anna && waiter < anna + WEFT_COUNT(anna);
        assert_true(is_anna == (i % 2 == 1));
        (void)serve(is_anna ? ANNA : BEN, 100);
    }
}

/* Whose only waiter goes, and who sends the next at once, has not been away. */
static void test_one_waiter_at_a_time_is_enough(void **state)
{
    (void)state;
    static struct weft_queue_waiter anna, ben[2];
    push(&ben[0], BEN);
    push(&ben[1], BEN);
    push(&anna, ANNA);
    assert_ptr_equal(serve(BEN, 100), &ben[0]);
    for (size_t i = 0; i < 10; i++) {
        assert_ptr_equal(serve(ANNA, 10), &anna);
        push(&anna, ANNA);
    }
    assert_ptr_equal(serve(BEN, 100), &ben[1]);
}

static void test_debts_are_remembered_while_others_wait(void **state)
{
    (void)state;
    static struct weft_queue_waiter anna, ben[3];
    push(&anna, ANNA);
    push(&ben[0], BEN);
    assert_ptr_equal(serve(ANNA, 100), &anna);
    push(&anna, ANNA); /* she comes back, and goes away, but what she had stands */
    push(&ben[1], BEN);
    push(&ben[2], BEN);
    for (size_t i = 0; i < 3; i++) {
        assert_ptr_equal(serve(BEN, 40), &ben[i]);
        if (i == 1) {
            weft_queue_remove(queue, &anna);
            push(&anna, ANNA);
        }
    }
    assert_ptr_equal(weft_queue_first(queue), &anna);
}

static void test_when_nobody_waited_nobody_is_owed(void **state)
{
    (void)state;
    static struct weft_queue_waiter anna, ben;
    push(&ben, BEN);
    (void)serve(BEN, 1);
    push(&anna, ANNA);
    (void)serve(ANNA, 1000); /* nobody else wanted it */
    push(&anna, ANNA);
    push(&ben, BEN);
    assert_ptr_equal(serve(ANNA, 10), &anna);
    assert_ptr_equal(serve(BEN, 10), &ben);
}

static void test_deadlines(void **state)
{
    (void)state;
    static struct weft_queue_waiter waiters[6];
    const weft_time deadlines[6] = {50, 20, WEFT_NEVER, 20, 70, 10};
    for (size_t i = 0; i < 6; i++) {
        assert_int_equal(weft_queue_push(queue, &waiters[i], i % 2, 0, deadlines[i]), 0);
    }
    assert_true(weft_queue_deadline(queue) == 10);
    assert_null(weft_queue_expired(queue, 9));
    weft_queue_remove(queue, &waiters[5]); /* who hung up never expires */
    assert_true(weft_queue_deadline(queue) == 20);
    assert_null(weft_queue_expired(queue, 19));
    assert_ptr_equal(weft_queue_expired(queue, 60), &waiters[1]);
    assert_null(waiters[1].account);
    assert_int_equal(weft_queue_count(queue), 4);
    assert_ptr_equal(weft_queue_expired(queue, 60), &waiters[3]);
    assert_ptr_equal(weft_queue_expired(queue, 60), &waiters[0]);
    assert_null(weft_queue_expired(queue, 60));
    assert_true(weft_queue_deadline(queue) == 70);
    assert_ptr_equal(weft_queue_first(queue), &waiters[2]);
    assert_ptr_equal(weft_queue_expired(queue, 70), &waiters[4]);
    assert_true(weft_queue_deadline(queue) == WEFT_NEVER);
    assert_null(weft_queue_expired(queue, WEFT_NEVER - 1));
    assert_int_equal(weft_queue_count(queue), 1);
    assert_int_equal(weft_queue_push(queue, &waiters[4], 1, 80, 90), 0); /* and again */
    assert_true(weft_queue_deadline(queue) == 90);
}

/* What `ahead` says is what comes true, if each takes what it says. */
static void test_position(void **state)
{
    (void)state;
    enum { WAITERS = 60, PRINCIPALS = 7 };
    static struct weft_queue_waiter waiters[WAITERS];
    for (uint64_t seed = 1; seed <= 200; seed++) {
        struct weft_random random;
        weft_random_init(&random, seed);
        other_queue(WEFT_QUEUE_WAITERS_MAX);
        uint64_t of[WAITERS];
        size_t ahead[WAITERS];
        weft_time typical = 1 + (weft_time)weft_random_below(&random, 3);
        for (size_t i = 0; i < WAITERS; i++) {
            of[i] = weft_random_below(&random, PRINCIPALS);
            push(&waiters[i], of[i]);
        }
        for (uint64_t i = 0; i < PRINCIPALS; i++) {
            weft_queue_charge(queue, i, (weft_time)weft_random_below(&random, 30));
        }
        for (size_t i = 0; i < WAITERS; i++) {
            ahead[i] = weft_queue_ahead(queue, &waiters[i], typical);
        }
        for (size_t went = 0; went < WAITERS; went++) {
            size_t which = (size_t)(weft_queue_first(queue) - waiters);
            assert_int_equal(ahead[which], went);
            assert_int_equal(weft_queue_ahead(queue, &waiters[which], typical), 0);
            weft_queue_remove(queue, &waiters[which]);
            weft_queue_charge(queue, of[which], typical);
        }
    }
}

static void test_position_when_the_time_is_not_known(void **state)
{
    (void)state;
    static struct weft_queue_waiter anna[3], ben[3], clara;
    for (size_t i = 0; i < 3; i++) {
        push(&anna[i], ANNA);
        push(&ben[i], BEN);
    }
    push(&clara, CLARA);
    charge(ANNA, 5);
    charge(BEN, 3);
    const size_t expected[3] = {2, 4, 6};
    for (size_t i = 0; i < 3; i++) { /* in turns; of each turn Clara, Ben, Anna */
        assert_int_equal(weft_queue_ahead(queue, &anna[i], 0), expected[i]);
        assert_int_equal(weft_queue_ahead(queue, &ben[i], 0), expected[i] - 1);
    }
    assert_int_equal(weft_queue_ahead(queue, &clara, 0), 0);
}

/* Who is in a full table owes nothing or something; one must go. */
static void test_what_a_full_table_forgets(void **state)
{
    (void)state;
    static struct weft_queue_waiter keeper, old, young, fresh;
    push(&keeper, KEEPER); /* waits all the time: others can owe */
    const uint64_t others = 100;
    for (uint64_t i = 0; i < WEFT_QUEUE_PRINCIPALS_MAX - 2; i++) {
        charge(others + i, i == 500 ? 0 : 50); /* the 500th owes nothing */
    }
    charge(others, 20); /* so the second is idle longest */
    push(&old, others + 1);
    push(&young, others + 2);
    assert_ptr_equal(weft_queue_first(queue), &keeper);
    weft_queue_remove(queue, &old);
    weft_queue_remove(queue, &young);
    charge(others + 1, 1);
    charge(others + 2, 1);
    charge(5000, 70); /* the table is full */
    charge(5001, 70); /* and the one that owes nothing makes place */
    charge(5002, 70); /* then the one that is idle longest: the fourth */
    push(&old, others + 3);
    push(&young, others + 6); /* the fifth made place for the fourth */
    push(&fresh, 5001);
    charge(KEEPER, 10);
    assert_ptr_equal(weft_queue_first(queue), &old); /* forgotten, it begins where the least stood */
    weft_queue_remove(queue, &old);
    assert_ptr_equal(weft_queue_first(queue), &keeper);
    charge(KEEPER, 50);                                /* 60 */
    assert_ptr_equal(weft_queue_first(queue), &young); /* remembered: 50 */
    weft_queue_remove(queue, &young);
    assert_ptr_equal(weft_queue_first(queue), &keeper);
    charge(KEEPER, 15);                                /* 75 */
    assert_ptr_equal(weft_queue_first(queue), &fresh); /* remembered: 70 */
}

static void test_the_end_takes_out_who_waits(void **state)
{
    (void)state;
    static struct weft_queue_waiter waiters[4];
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(weft_queue_push(queue, &waiters[i], i / 2, 0, 10), 0);
    }
    weft_queue_free(queue);
    for (size_t i = 0; i < 4; i++) {
        assert_null(waiters[i].account);
        assert_null(waiters[i].next);
    }
    assert_int_equal(weft_mem_live(), live);
    queue = NULL;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_an_empty_queue, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_each_allocation_fails, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_full_queue, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_who_floods_leaves_places, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_of_one_principal_the_first_goes_first, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_any_can_hang_up, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_who_has_had_least_goes_first, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_idleness_saves_nothing_up, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_one_waiter_at_a_time_is_enough, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_debts_are_remembered_while_others_wait, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_when_nobody_waited_nobody_is_owed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_deadlines, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_position, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_position_when_the_time_is_not_known, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_what_a_full_table_forgets, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_the_end_takes_out_who_waits, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
