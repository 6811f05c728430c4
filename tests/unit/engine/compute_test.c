/* tests/unit/engine/compute_test.c - turns without a thread: each allocation failed in turn, and every job ends once.
 */
#include "engine/compute.h"

#include "engine_world.h"

#define CONTEXT 256
#define TURNS   400 /* more than the jobs below ever need */

static struct weft_model *model;
static atomic_bool stop, more;

static int set_up(void **state)
{
    (void)state;
    model = engine_load(2, CONTEXT);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    weft_model_free(model);
    return 0;
}

static struct weft_compute *make(void)
{
    const struct weft_scheduler_options options = {.model = model, .now = engine_now};
    struct weft_compute *compute;
    llama_memory_clear(llama_get_memory(model->context), false);
    assert_int_equal(weft_compute_new(&compute, &options, &stop, &more), 0);
    return compute;
}

static int submit(struct weft_compute *compute, struct ask *ask)
{
    struct weft_task *task;
    int status = weft_task_new(&task, &ask->job, model, &compute->pieces);
    if (status == 0) {
        weft_compute_add(compute, task);
    }
    return status;
}

static void take_all(struct weft_compute *compute)
{
    struct weft_event_batch *last;
    take_events(weft_outbox_take(&compute->outbox, &last));
}

static void run(struct weft_compute *compute)
{
    int turns = 0;
    while (weft_compute_admit(compute)) {
        weft_compute_step(compute);
        take_all(compute);
        assert_true(++turns < TURNS);
    }
    take_all(compute);
}

/* Two choices with all that can be asked of them, and a plain one that has to wait. */
static void ask_for_much(struct ask *much, struct ask *plain)
{
    static const int32_t prompt[] = {504, 3575, 338, 260, 4649};
    static const int32_t resumed[] = {282, 260};
    static const struct weft_slice stop_text = {"zzz", 3};
    ask_init(much, prompt, WEFT_COUNT(prompt), 4);
    much->job.choices = 2;
    much->job.sampling.temperature = 0.8F;
    much->job.ignore_end = true;
    much->job.echo = true;
    much->job.logprobs = 3;
    much->job.stops = &stop_text;
    much->job.stop_count = 1;
    much->job.resume[1].ids = resumed;
    much->job.resume[1].count = WEFT_COUNT(resumed);
    ask_init(plain, prompt, WEFT_COUNT(prompt), 2);
    plain->job.ignore_end = true;
}

static void each_allocation_may_fail(void **state)
{
    (void)state;
    static struct ask much, plain;
    struct weft_compute *compute = make();
    int64_t live = weft_mem_live();
    size_t refused = 0, failed = 0, rounds = 0;
    for (bool reached = true; reached; rounds++) {
        ask_for_much(&much, &plain);
        weft_mem_fail_at(rounds + 1);
        int status = submit(compute, &much);
        int plain_status = submit(compute, &plain);
        run(compute);
        reached = weft_mem_failed();
        weft_mem_fail_at(0);
        assert_true(status == 0 || status == WEFT_ERR_MEMORY);
        assert_int_equal(much.done, status == 0);
        assert_int_equal(plain.done, plain_status == 0);
        refused += status < 0 ? 1 : 0;
        if (much.done && much.end.done.status < 0) {
            assert_int_equal(much.end.done.status, WEFT_ERR_MEMORY);
            assert_non_null(much.end.done.problem);
            failed++;
        } else if (much.done) {
            assert_int_equal(much.told[0].count, 4);
            assert_int_equal(much.told[1].count, 4);
            assert_int_equal(much.told[1].replayed, 2);
            assert_int_equal(much.told[1].prompts, 5);
        }
        /* At most one of the two suffers: whoever asked for the memory. */
        assert_true((much.done && much.end.done.status == 0) || (plain.done && plain.end.done.status == 0));
        assert_int_equal(compute->load.slots_free, 2);
        assert_int_equal(weft_mem_live(), live);
    }
    print_message("          %zu allocations: %zu refused the job, %zu ended it\n", rounds - 1, refused, failed);
    assert_true(refused > 0 && failed > 0);
    weft_compute_free(compute, NULL);
}

static void a_scheduler_that_cannot_be_made_leaves_nothing(void **state)
{
    (void)state;
    const struct weft_scheduler_options options = {.model = model, .now = engine_now};
    int64_t live = weft_mem_live();
    int status = WEFT_ERR_MEMORY;
    for (uint64_t i = 1; status == WEFT_ERR_MEMORY; i++) {
        struct weft_compute *compute;
        weft_mem_fail_at(i);
        status = weft_compute_new(&compute, &options, &stop, &more);
        weft_mem_fail_at(0);
        assert_true(status == 0 || !compute);
        weft_compute_free(compute, NULL);
        assert_int_equal(weft_mem_live(), live);
    }
    assert_int_equal(status, 0);
}

static void a_step_that_is_broken_off_can_be_taken_again(void **state)
{
    (void)state;
    static struct ask first, second;
    struct weft_compute *compute = make();
    int32_t prompt[100];
    for (int32_t i = 0; i < 100; i++) {
        prompt[i] = 2000 + 3 * i;
    }
    ask_init(&first, prompt, 100, 5);
    assert_int_equal(submit(compute, &first), 0);
    assert_true(weft_compute_admit(compute));
    first.job.cancelled = true; /* the step is broken off at its first part */
    weft_compute_step(compute);
    assert_int_equal(compute->slots[0].count, 0);
    assert_false(weft_compute_admit(compute));
    take_all(compute);
    assert_int_equal(first.end.done.status, WEFT_ERR_CANCELLED);
    assert_int_equal(first.told[0].count, 0);

    ask_init(&first, prompt, 100, 5);
    assert_int_equal(submit(compute, &first), 0);
    run(compute);
    assert_int_equal(first.end.done.cached_tokens, 0);
    /* Of two that read, one is cancelled in the step: the other loses the step, and nothing else. Those who ask and
     * cancel again and again cannot keep it from its answer: the next steps are brief, and end as they began. */
    for (int brief = 0; brief < 2; brief++) {
        compute->brief_steps = brief ? WEFT_COMPUTE_BRIEF : 0;
        ask_init(&first, prompt + 1 + brief, 60, 50); /* nobody has read this */
        ask_init(&second, prompt + 50 + brief, 20, 6);
        first.job.ignore_end = second.job.ignore_end = true;
        assert_int_equal(submit(compute, &first), 0);
        assert_int_equal(submit(compute, &second), 0);
        assert_true(weft_compute_admit(compute));
        const struct weft_slot *slot = &compute->slots[compute->slots[0].task->job == &second.job ? 0 : 1];
        size_t before = slot->count;
        first.job.cancelled = true;
        weft_compute_step(compute);
        assert_int_equal(slot->count > before, brief);
        assert_int_equal(compute->brief_steps, brief ? WEFT_COMPUTE_BRIEF - 1 : WEFT_COMPUTE_BRIEF);
        run(compute);
        assert_int_equal(first.end.done.status, WEFT_ERR_CANCELLED);
        assert_int_equal(second.end.done.status, 0);
        assert_int_equal(second.told[0].count, 6);
    }
    weft_compute_free(compute, NULL);
}

/* Also inside a step: a thread that hangs in one is seen to. */
static void a_step_ticks_between_its_parts(void **state)
{
    (void)state;
    static struct ask ask;
    struct weft_compute *compute = make();
    int32_t prompt[100];
    for (int32_t i = 0; i < 100; i++) {
        prompt[i] = 6000 + 3 * i;
    }
    ask_init(&ask, prompt, 100, 1);
    assert_int_equal(submit(compute, &ask), 0);
    assert_true(weft_compute_admit(compute));
    unsigned before = compute->ticks;
    weft_compute_step(compute);
    assert_true(compute->ticks - before > 100); /* each layer has several */
    run(compute);
    before = compute->ticks;
    assert_false(weft_compute_admit(compute));
    assert_int_equal(compute->ticks, before); /* where nothing is computed nothing ticks */
    weft_compute_free(compute, NULL);
}

static void who_comes_right_after_another_is_read_with_it(void **state)
{
    (void)state;
    static struct ask first, second;
    struct weft_compute *compute = make();
    int32_t prompt[100];
    for (int32_t i = 0; i < 100; i++) {
        prompt[i] = 4000 + 3 * i;
    }
    for (int late = 0; late < 2; late++) {
        ask_init(&first, prompt + late, 50, 3);
        ask_init(&second, prompt + 50 + late, 40, 3);
        assert_int_equal(submit(compute, &first), 0);
        assert_true(weft_compute_admit(compute));
        compute->busy_since = engine_now(NULL) - (late ? WEFT_COMPUTE_TOGETHER : 0);
        const struct weft_slot *slot = &compute->slots[compute->slots[0].task ? 0 : 1];
        size_t before = slot->count;
        assert_false(weft_compute_gathers(compute));
        more = true;
        assert_int_equal(weft_compute_gathers(compute), !late);
        weft_compute_step(compute);
        more = false;
        assert_int_equal(slot->count > before, late);
        assert_int_equal(compute->brief_steps, 0); /* nobody was cancelled */
        assert_int_equal(submit(compute, &second), 0);
        run(compute);
        assert_int_equal(first.end.done.status, 0);
        assert_int_equal(second.end.done.status, 0);
        assert_int_equal(compute->busy_since, 0);
    }
    weft_compute_free(compute, NULL);
}

/* Where those read on who were cut, nobody else writes, but not for ever. */
static void answers_that_were_cut_are_read_before_any_goes_on(void **state)
{
    (void)state;
    static struct ask first, second;
    static const int32_t resumed = 260;
    struct weft_compute *compute = make();
    int32_t prompt[200];
    for (int32_t i = 0; i < 200; i++) {
        prompt[i] = 8000 + 3 * i;
    }
    for (int late = 0; late < 2; late++) {
        ask_init(&first, prompt + late, 10, 30);
        ask_init(&second, prompt + 20 + late, 120, 2);
        first.job.ignore_end = second.job.ignore_end = true;
        second.job.resume[0].ids = &resumed;
        second.job.resume[0].count = 1;
        assert_int_equal(submit(compute, &first), 0);
        assert_int_equal(submit(compute, &second), 0);
        assert_true(weft_compute_admit(compute));
        int turns = 0, others = 0;
        while (second.told[0].count < 2) {
            compute->busy_since = engine_now(NULL) - (late ? WEFT_COMPUTE_CUT : 0);
            weft_compute_step(compute);
            take_all(compute);
            others += first.told[0].count > 0 && second.told[0].count < 2;
            assert_true(++turns < TURNS);
            assert_true(weft_compute_admit(compute) || second.done);
        }
        assert_true(others > 0); /* the first one could have gone on */
        assert_int_equal(first.told[0].count > 1, late);
        run(compute);
        assert_int_equal(first.end.done.status, 0);
        assert_int_equal(second.end.done.status, 0);
        assert_int_equal(first.told[0].count, 30);
    }
    weft_compute_free(compute, NULL);
}

static void a_beginning_that_two_have_in_common_is_read_once(void **state)
{
    (void)state;
    static struct ask first, second;
    struct weft_compute *compute = make();
    int32_t prompts[2][90];
    for (int ending = 0; ending < 4; ending++) { /* 0: well; 1: the first is cancelled; 2, 3: nothing is waited for */
        size_t shared = ending == 2 ? WEFT_COMPUTE_AWAIT : 40;
        for (int32_t i = 0; i < 90; i++) {
            prompts[0][i] = 10000 + 500 * ending + i;
            prompts[1][i] = i < (int32_t)shared ? prompts[0][i] : 20000 + i;
        }
        compute->uncopied = ending == 3;
        ask_init(&first, prompts[0], 90, 1);
        ask_init(&second, prompts[1], 60, 1);
        assert_int_equal(submit(compute, &first), 0);
        assert_int_equal(submit(compute, &second), 0);
        uint64_t before = compute->load.prompt_tokens_read;
        assert_true(weft_compute_admit(compute));
        assert_int_equal(compute->load.waiting, ending < 2);
        first.job.cancelled = ending == 1;
        if (ending == 0) {
            weft_compute_step(compute); /* so far, and no further */
            assert_int_equal(compute->load.prompt_tokens_read - before, shared);
        }
        assert_true(weft_compute_admit(compute));
        assert_int_equal(compute->load.waiting, 0);
        run(compute);
        assert_int_equal(second.end.done.status, 0);
        assert_int_equal(second.end.done.cached_tokens, ending == 0 ? shared : 0);
        assert_int_equal(compute->load.prompt_tokens_read - before, ending == 1 ? 60 : ending == 0 ? 110 : 150);
    }
    weft_compute_free(compute, NULL);
}

/* libllama holds the threads of its last step until the next one. Few steps, for on a machine that is busy two threads
 * wait for each other for long. */
static void threads_change_between_steps(void **state)
{
    (void)state;
    static struct ask ask;
    struct weft_compute *compute = make();
    static const int32_t prompt[] = {504, 3575, 338, 260, 4649};
    static const int32_t counts[] = {1, 2, 1};
    ask_init(&ask, prompt, WEFT_COUNT(prompt), WEFT_COUNT(counts));
    ask.job.ignore_end = true;
    assert_int_equal(submit(compute, &ask), 0);
    for (size_t i = 0; i < WEFT_COUNT(counts); i++) {
        assert_true(weft_compute_admit(compute));
        weft_compute_set_threads(compute, counts[i]);
        assert_int_equal(compute->pace.threads, counts[i]);
        if (i > 0) {
            weft_compute_set_threads(compute, 7); /* not before there was a step */
            assert_int_equal(compute->pace.threads, counts[i]);
        }
        weft_compute_step(compute);
        assert_null(model->threads_before);
        take_all(compute);
        assert_int_equal(ask.told[0].count, i + 1);
    }
    run(compute);
    assert_int_equal(ask.end.done.status, 0);
    weft_compute_set_threads(compute, 2); /* and no step comes: the model frees both */
    weft_compute_free(compute, NULL);
}

static void a_vocabulary_has_bytes_for_each_token(void **state)
{
    (void)state;
    struct weft_compute *compute = make();
    size_t hidden = 0;
    for (int32_t i = 0; i < model->vocabulary; i++) {
        char piece[256];
        int size = weft_model_piece(model, i, true, piece, sizeof(piece));
        struct weft_slice got = weft_pieces_get(&compute->pieces, i);
        assert_int_equal(got.size, size);
        assert_memory_equal(got.data, piece, got.size);
        hidden += compute->pieces.hidden[i] ? 1 : 0;
    }
    assert_true(hidden > 0 && hidden < 100);
    assert_true(compute->pieces.end_count > 0);
    assert_int_equal(weft_pieces_get(&compute->pieces, -1).size, 0);
    assert_int_equal(weft_pieces_get(&compute->pieces, model->vocabulary).size, 0);
    weft_compute_free(compute, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_allocation_may_fail),
        cmocka_unit_test(a_scheduler_that_cannot_be_made_leaves_nothing),
        cmocka_unit_test(a_step_that_is_broken_off_can_be_taken_again),
        cmocka_unit_test(a_step_ticks_between_its_parts),
        cmocka_unit_test(who_comes_right_after_another_is_read_with_it),
        cmocka_unit_test(answers_that_were_cut_are_read_before_any_goes_on),
        cmocka_unit_test(a_beginning_that_two_have_in_common_is_read_once),
        cmocka_unit_test(threads_change_between_steps),
        cmocka_unit_test(a_vocabulary_has_bytes_for_each_token),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
