/* tests/unit/engine/scheduler_test.c - answers of a real model: alone, many at once, cut, stopped, resumed, scored. */
#include "engine/scheduler.h"

#include <math.h>

#include "engine_world.h"

#define SLOTS    8
#define CONTEXT  640
#define NEAR_TIE 0.5 /* in units of a logit: below it kernels may differ in what they choose */

static struct weft_model *model;
static struct engine world;

static int set_up(void **state)
{
    (void)state;
    model = engine_load(SLOTS, CONTEXT);
    engine_start(&world, model);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    engine_end(&world);
    weft_model_free(model);
    return 0;
}

/* Ids of a text as a turn of the user. */
static int32_t *prompt_of(const char *question, size_t *count)
{
    char text[ENGINE_TEXT_MAX];
    int size = snprintf(text, sizeof(text), "<|im_start|>user\n%s<|im_end|>\n<|im_start|>assistant\n", question);
    int32_t *ids;
    assert_int_equal(weft_tokenizer_read(&model->tokenizer, weft_slice(text, (size_t)size), true, WEFT_SPECIALS_MEANT,
                                         SIZE_MAX, &ids, count),
                     0);
    return ids;
}

static size_t biggest(const float *logits)
{
    size_t best = 0;
    for (size_t i = 1; i < (size_t)model->vocabulary; i++) {
        best = logits[i] > logits[best] ? i : best;
    }
    return best;
}

static double sum_of_probabilities(const float *logits)
{
    double total = weft_logits_total(logits, model->vocabulary), sum = 0;
    for (int32_t i = 0; i < model->vocabulary; i++) {
        sum += exp((double)logits[i] - total);
    }
    return sum;
}

/* Where `other` differs from `ask` first, and if so, was it nearly a tie there? Returns the margin, or 0. */
static double difference(const struct ask *ask, const struct told *told, const struct told *other, uint64_t seed)
{
    size_t same = 0;
    while (same < told->count && same < other->count && told->ids[same] == other->ids[same]) {
        same++;
    }
    if (same == told->count && same == other->count) {
        return 0;
    }
    assert_true(same < told->count && same < other->count);
    size_t count = ask->job.prompt_count + same + 1;
    int32_t *ids = calloc(count, sizeof(*ids));
    memcpy(ids, ask->job.prompt, ask->job.prompt_count * sizeof(*ids));
    memcpy(ids + ask->job.prompt_count, other->ids, (same + 1) * sizeof(*ids));
    struct ask score;
    ask_score(&score, ids, count, ask->job.prompt_count);
    score.job.sampling = ask->job.sampling;
    score.job.seed = seed;
    engine_run(&world, &score);
    double margin = (double)score.margins[same].margin;
    ask_deinit(&score);
    ids[count - 1] = told->ids[same];
    ask_score(&score, ids, count, ask->job.prompt_count);
    score.job.sampling = ask->job.sampling;
    score.job.seed = seed;
    engine_run(&world, &score);
    margin = margin > (double)score.margins[same].margin ? margin : (double)score.margins[same].margin;
    ask_deinit(&score);
    free(ids);
    print_message("          differs at token %zu, margin %.3f\n", same, margin);
    return margin;
}

/* -- one -- */

static void a_greedy_answer_is_that_of_a_bare_loop(void **state)
{
    (void)state;
    size_t count;
    int32_t *prompt = prompt_of("What is the capital of France?", &count);
    static struct ask ask;
    ask_init(&ask, prompt, count, 24);
    engine_run(&world, &ask);
    assert_int_equal(ask.end.done.status, 0);
    assert_int_equal(ask.end.done.prompt_tokens, count);
    assert_int_equal(ask.end.done.completion_tokens, ask.told[0].count);

    struct weft_model *bare = engine_load(1, CONTEXT);
    size_t made = 0;
    int32_t token = 0;
    assert_int_equal(llama_decode(bare->context, llama_batch_get_one(prompt, (int32_t)count)), 0);
    for (;;) {
        const float *logits = llama_get_logits_ith(bare->context, -1);
        assert_true(fabs(sum_of_probabilities(logits) - 1) < 1e-4);
        token = (int32_t)biggest(logits);
        assert_true(made < ask.told[0].count);
        assert_int_equal(ask.told[0].ids[made], token);
        made++;
        if (weft_model_ends(bare, token) || made == 24) {
            break;
        }
        assert_int_equal(llama_decode(bare->context, llama_batch_get_one(&token, 1)), 0);
    }
    assert_int_equal(made, ask.told[0].count);
    assert_int_equal(ask.told[0].reason, weft_model_ends(bare, token) ? WEFT_FINISH_STOP : WEFT_FINISH_LENGTH);
    print_message("          %.*s\n", (int)ask.told[0].size, ask.told[0].text);
    weft_model_free(bare);
    weft_free(prompt);
}

static void what_ends_an_answer(void **state)
{
    (void)state;
    size_t count;
    int32_t *prompt = prompt_of("Count from one to twenty in words.", &count);
    static struct ask whole, ask;
    ask_init(&whole, prompt, count, 30);
    whole.job.ignore_end = true;
    engine_run(&world, &whole);
    assert_int_equal(whole.told[0].count, 30);
    assert_int_equal(whole.told[0].reason, WEFT_FINISH_LENGTH);

    /* A stop string, and nothing of it or after it is shown. */
    char text[ENGINE_TEXT_MAX];
    (void)snprintf(text, sizeof(text), "%.*s", (int)whole.told[0].size, whole.told[0].text);
    char *middle = text + whole.told[0].size / 2;
    const struct weft_slice stop = weft_slice(middle, 7);
    size_t before = (size_t)(strstr(text, (char[]){middle[0], middle[1], middle[2], middle[3], middle[4], middle[5],
                                                   middle[6], '\0'}) -
                             text);
    ask_init(&ask, prompt, count, 30);
    ask.job.ignore_end = true;
    ask.job.stops = &stop;
    ask.job.stop_count = 1;
    engine_run(&world, &ask);
    assert_int_equal(ask.told[0].reason, WEFT_FINISH_STOP);
    assert_memory_equal(ask.told[0].stop, stop.data, stop.size);
    assert_int_equal(ask.told[0].size, before);
    assert_memory_equal(ask.told[0].text, text, before);
    assert_true(ask.told[0].count < 30);
    assert_int_equal(ask.end.done.cached_tokens, count - 1); /* all but the last were there */

    /* No token at all. */
    ask_init(&ask, prompt, count, 0);
    engine_run(&world, &ask);
    assert_int_equal(ask.end.done.status, 0);
    assert_int_equal(ask.told[0].count, 0);
    assert_int_equal(ask.told[0].reason, WEFT_FINISH_LENGTH);
    weft_free(prompt);
}

static void a_full_context_ends_an_answer(void **state)
{
    (void)state;
    int32_t prompt[CONTEXT];
    for (size_t i = 0; i < CONTEXT; i++) {
        prompt[i] = 1000 + (int32_t)(i * 37 % 500);
    }
    static struct ask ask;
    ask_init(&ask, prompt, CONTEXT - 4, 100);
    ask.job.ignore_end = true;
    engine_run(&world, &ask);
    assert_int_equal(ask.end.done.status, 0);
    assert_int_equal(ask.told[0].count, 4);
    assert_int_equal(ask.told[0].reason, WEFT_FINISH_LENGTH);
    /* One that leaves no room is read all the same, and says one token. */
    ask_init(&ask, prompt, CONTEXT, 100);
    ask.job.ignore_end = true;
    engine_run(&world, &ask);
    assert_int_equal(ask.told[0].count, 1);
    ask_init(&ask, prompt, CONTEXT + 1, 100);
    assert_int_equal(weft_scheduler_submit(world.scheduler, &ask.job), WEFT_ERR_TOO_LARGE);
}

static void the_end_token_can_be_ignored(void **state)
{
    (void)state;
    size_t count;
    int32_t *prompt = prompt_of("What is the capital of France?", &count);
    static struct ask ask;
    ask_init(&ask, prompt, count, 20);
    ask.job.ignore_end = true;
    engine_run(&world, &ask);
    assert_int_equal(ask.told[0].count, 20);
    assert_int_equal(ask.told[0].reason, WEFT_FINISH_LENGTH);
    for (size_t i = 0; i < 20; i++) {
        assert_false(weft_model_ends(model, ask.told[0].ids[i]));
    }
    weft_free(prompt);
}

/* -- many -- */

#define MANY 8

static void answers_at_once_are_those_of_lone_runs(void **state)
{
    (void)state;
    const char *questions[MANY] = {
        "What is the capital of Italy?",    "Write a line about the sea.",
        "How many legs has a spider?",      "Name three colours.",
        "What is water made of?",           "Say good night in French.",
        "Which animal is the king of all?", "Why is the sky blue?",
    };
    static struct ask lone[MANY], together[MANY];
    int32_t *prompts[MANY];
    for (size_t i = 0; i < MANY; i++) {
        size_t count;
        prompts[i] = prompt_of(questions[i], &count);
        ask_init(&together[i], prompts[i], count, 16);
        together[i].job.sampling.temperature = i % 2 ? 0.8F : 0;
        together[i].job.seed = 100 + i;
        engine_ask(&world, &together[i]);
    }
    for (size_t i = 0; i < MANY; i++) {
        engine_wait(&world, &together[i]);
        assert_int_equal(together[i].end.done.status, 0);
    }
    double most = 0;
    for (size_t i = 0; i < MANY; i++) {
        ask_init(&lone[i], prompts[i], together[i].job.prompt_count, 16);
        lone[i].job.sampling = together[i].job.sampling;
        lone[i].job.seed = together[i].job.seed;
        engine_run(&world, &lone[i]);
        double margin = difference(&lone[i], &lone[i].told[0], &together[i].told[0], lone[i].job.seed);
        most = margin > most ? margin : most;
    }
    assert_true(most < NEAR_TIE);
    for (size_t i = 0; i < MANY; i++) {
        weft_free(prompts[i]);
    }
}

static void more_than_there_are_slots_wait_their_turn(void **state)
{
    (void)state;
    static struct ask asks[2 * SLOTS + 3];
    int32_t prompts[WEFT_COUNT(asks)][6];
    for (size_t i = 0; i < WEFT_COUNT(asks); i++) {
        for (size_t j = 0; j < 6; j++) {
            prompts[i][j] = 500 + (int32_t)(10 * i + j);
        }
        ask_init(&asks[i], prompts[i], 6, 3);
        asks[i].job.ignore_end = true;
        engine_ask(&world, &asks[i]);
    }
    for (size_t i = 0; i < WEFT_COUNT(asks); i++) {
        engine_wait(&world, &asks[i]);
        assert_int_equal(asks[i].end.done.status, 0);
        assert_int_equal(asks[i].told[0].count, 3);
        assert_true(i < SLOTS || asks[i].progresses >= 2); /* it waited, then it was read */
    }
    assert_true(asks[WEFT_COUNT(asks) - 1].end.done.waited_us > asks[0].end.done.waited_us);
    struct weft_scheduler_load load;
    weft_scheduler_load(world.scheduler, &load);
    assert_int_equal(load.slots_free, SLOTS);
    assert_int_equal(load.waiting, 0);
}

static void four_choices_are_four_runs(void **state)
{
    (void)state;
    static struct ask four, one;
    for (int round = 0; round < 2; round++) {
        /* A prompt that is shorter than a copy is worth is read by each; a long one is read once. */
        char question[1024] = "Tell me a joke.";
        for (int i = 0; round == 1 && i < 12; i++) {
            (void)snprintf(question + strlen(question), sizeof(question) - strlen(question), " It must be number %d.",
                           i);
        }
        size_t count;
        int32_t *prompt = prompt_of(question, &count);
        ask_init(&four, prompt, count, 12);
        four.job.choices = 4;
        four.job.seed = 7;
        four.job.sampling.temperature = 0.9F;
        engine_run(&world, &four);
        assert_int_equal(four.end.done.status, 0);
        assert_int_equal(four.end.done.prompt_tokens, count);
        double most = 0;
        size_t written = 0;
        for (uint16_t i = 0; i < 4; i++) {
            assert_true(four.told[i].finished);
            written += four.told[i].count;
            ask_init(&one, prompt, count, 12);
            one.job.seed = 7 + i;
            one.job.sampling.temperature = 0.9F;
            engine_run(&world, &one);
            double margin = difference(&one, &one.told[0], &four.told[i], one.job.seed);
            most = margin > most ? margin : most;
        }
        assert_int_equal(four.end.done.completion_tokens, written);
        assert_true(most < NEAR_TIE);
        weft_free(prompt);
    }
}

static void choices_beyond_the_slots_come_later(void **state)
{
    (void)state;
    size_t count;
    int32_t *prompt = prompt_of("Say a word.", &count);
    static struct ask hog[SLOTS - 1], three;
    for (size_t i = 0; i < SLOTS - 1; i++) {
        ask_init(&hog[i], prompt, count, 10 + (uint32_t)i);
        hog[i].job.ignore_end = true;
        engine_ask(&world, &hog[i]);
    }
    ask_init(&three, prompt, count, 4);
    three.job.choices = 3;
    three.job.sampling.temperature = 1;
    three.job.ignore_end = true;
    engine_run(&world, &three);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(three.told[i].count, 4);
    }
    for (size_t i = 0; i < SLOTS - 1; i++) {
        engine_wait(&world, &hog[i]);
    }
    weft_free(prompt);
}

/* -- what was read before -- */

static void a_copied_beginning_gives_the_same_answer(void **state)
{
    (void)state;
    char question[4096] = "Remember these:";
    for (int i = 0; i < 24; i++) {
        (void)snprintf(question + strlen(question), sizeof(question) - strlen(question), " house %d is %s,", i,
                       i % 3 ? "red" : "blue");
    }
    size_t count, other_count;
    int32_t *prompt = prompt_of(question, &count);
    (void)snprintf(question + strlen(question), sizeof(question) - strlen(question), " and that is all.");
    int32_t *other = prompt_of(question, &other_count);
    size_t same = 0;
    while (prompt[same] == other[same]) {
        same++;
    }
    assert_true(same > 100);

    struct weft_model *fresh = engine_load(3, CONTEXT);
    struct engine small;
    engine_start(&small, fresh);
    static struct ask first, copied, anew;
    ask_init(&first, prompt, count, 100);
    first.job.ignore_end = true;
    ask_init(&copied, other, other_count, 20);
    engine_ask(&small, &first);
    while (first.told[0].count < 2) {
        engine_turn(&small); /* it is writing: its slot is busy */
    }
    engine_run(&small, &copied);
    assert_int_equal(copied.end.done.cached_tokens, same);
    assert_false(first.done);
    weft_scheduler_cancel(small.scheduler, &first.job);
    engine_wait(&small, &first);
    assert_int_equal(first.end.done.status, WEFT_ERR_CANCELLED);
    engine_end(&small);

    engine_start(&small, fresh);
    ask_init(&anew, other, other_count, 20);
    for (int32_t i = 0; i < 3; i++) {
        assert_true(llama_memory_seq_rm(llama_get_memory(fresh->context), i, -1, -1));
    }
    engine_run(&small, &anew);
    assert_int_equal(anew.end.done.cached_tokens, 0);
    assert_true(difference(&anew, &anew.told[0], &copied.told[0], 0) < NEAR_TIE);
    engine_end(&small);
    weft_model_free(fresh);
    weft_free(prompt);
    weft_free(other);
}

static void an_answer_resumes_at_every_token(void **state)
{
    (void)state;
    size_t count;
    int32_t *prompt = prompt_of("Tell me about Rome.", &count);
    static struct ask whole, ask;
    ask_init(&whole, prompt, count, 40);
    whole.job.sampling.temperature = 0.7F;
    whole.job.seed = 5;
    engine_run(&world, &whole);
    double most = 0;
    size_t flips = 0;
    for (size_t cut = 1; cut <= whole.told[0].count; cut++) {
        ask_init(&ask, prompt, count, 40);
        ask.job.sampling.temperature = 0.7F;
        ask.job.seed = 5;
        ask.job.resume[0].ids = whole.told[0].ids;
        ask.job.resume[0].count = cut;
        engine_run(&world, &ask);
        assert_int_equal(ask.told[0].replayed, cut);
        assert_int_equal(ask.end.done.completion_tokens, ask.told[0].count);
        double margin = difference(&whole, &whole.told[0], &ask.told[0], 5);
        flips += margin > 0 ? 1 : 0;
        most = margin > most ? margin : most;
        if (margin == 0) {
            assert_int_equal(ask.told[0].size, whole.told[0].size);
            assert_memory_equal(ask.told[0].text, whole.told[0].text, whole.told[0].size);
            assert_int_equal(ask.told[0].reason, whole.told[0].reason);
        }
    }
    print_message("          %zu cuts, %zu differ\n", whole.told[0].count, flips);
    assert_true(most < NEAR_TIE);
    weft_free(prompt);
}

/* -- scores -- */

static void an_answer_scores_as_its_own(void **state)
{
    (void)state;
    size_t count;
    int32_t *prompt = prompt_of("Name the planets.", &count);
    static struct ask ask, score;
    for (int round = 0; round < 2; round++) {
        ask_init(&ask, prompt, count, 80);
        ask.job.sampling.temperature = round ? 0.8F : 0;
        ask.job.logprobs = 2;
        engine_run(&world, &ask);
        const struct told *told = &ask.told[0];
        assert_int_equal(told->tops, 2 * told->count);
        int32_t *ids = calloc(count + told->count, sizeof(*ids));
        memcpy(ids, prompt, count * sizeof(*ids));
        memcpy(ids + count, told->ids, told->count * sizeof(*ids));
        ask_score(&score, ids, count + told->count, count);
        score.job.sampling = ask.job.sampling;
        engine_run(&world, &score);
        assert_int_equal(score.end.done.status, 0);
        assert_int_equal(score.scored, told->count);
        double most = 0, apart = 0;
        for (size_t i = 0; i < score.scored; i++) {
            double margin = (double)score.margins[i].margin;
            double by = fabs((double)(score.score_logprobs[i] - told->logprobs[i]));
            most = margin > most ? margin : most;
            apart = by > apart ? by : apart;
        }
        print_message("          %zu tokens: largest margin %.4f, log probabilities within %.4f\n", score.scored, most,
                      apart);
        assert_true(most < NEAR_TIE);
        assert_true(apart < 0.3);
        ask_deinit(&score);
        free(ids);
    }
    weft_free(prompt);
}

static void a_prompt_is_echoed_with_what_the_model_thinks_of_it(void **state)
{
    (void)state;
    struct weft_slice text = WEFT_SLICE("The quick brown fox jumps over the lazy dog and the caf\xc3\xa9.");
    int32_t *ids;
    size_t count;
    assert_int_equal(weft_tokenizer_read(&model->tokenizer, text, true, WEFT_SPECIALS_MEANT, SIZE_MAX, &ids, &count),
                     0);
    static struct ask ask, score, plain;
    ask_init(&ask, ids, count, 0);
    ask.job.echo = true;
    ask.job.logprobs = 0;
    ask.job.choices = 2;
    engine_run(&world, &ask);
    ask_score(&score, ids, count, 1);
    engine_run(&world, &score);
    for (size_t choice = 0; choice < 2; choice++) {
        assert_int_equal(ask.told[choice].prompts, count);
        assert_int_equal(ask.told[choice].size, text.size);
        assert_memory_equal(ask.told[choice].text, text.data, text.size);
        assert_true(ask.told[choice].logprobs[0] > 0); /* none for the first */
        for (size_t i = 1; i < count; i++) {
            assert_true(fabsf(ask.told[choice].logprobs[i] - score.score_logprobs[i - 1]) < 0.05F);
        }
    }
    ask_init(&plain, ids, count, 3);
    plain.job.echo = true;
    engine_run(&world, &plain);
    assert_int_equal(plain.told[0].prompts, count);
    assert_int_equal(plain.told[0].count, 3);
    assert_memory_equal(plain.told[0].text, text.data, text.size);
    ask_deinit(&score);
    weft_free(ids);
}

static void vectors_have_length_one_and_like_texts_are_close(void **state)
{
    (void)state;
    const char *texts[3] = {"A cat sleeps on the sofa.", "A kitten is sleeping on the couch.",
                            "Interest rates rose by two percent."};
    static struct ask asks[3];
    size_t size = (size_t)model->embedding;
    for (size_t i = 0; i < 3; i++) {
        int32_t *ids;
        size_t count;
        assert_int_equal(weft_tokenizer_read(&model->tokenizer, weft_slice_text(texts[i]), true, WEFT_SPECIALS_TEXT,
                                             SIZE_MAX, &ids, &count),
                         0);
        ask_init(&asks[i], ids, count, 0);
        asks[i].job.kind = WEFT_JOB_EMBED;
        engine_run(&world, &asks[i]);
        assert_int_equal(asks[i].end.done.status, 0);
        double square = 0;
        for (size_t j = 0; j < size; j++) {
            square += (double)asks[i].vector[j] * (double)asks[i].vector[j];
        }
        assert_true(fabs(square - 1) < 1e-4);
        weft_free(ids);
    }
    double near = 0, far = 0;
    for (size_t j = 0; j < size; j++) {
        near += (double)asks[0].vector[j] * (double)asks[1].vector[j];
        far += (double)asks[0].vector[j] * (double)asks[2].vector[j];
    }
    print_message("          alike %.3f, not alike %.3f\n", near, far);
    assert_true(near > far);
    for (size_t i = 0; i < 3; i++) {
        ask_deinit(&asks[i]);
    }
}

/* -- cancelled, refused, and let go -- */

static void what_cannot_be_is_refused(void **state)
{
    (void)state;
    int32_t ids[4] = {1, 2, 3, 4};
    static struct ask ask;
    ask_init(&ask, ids, 0, 1);
    assert_int_equal(weft_scheduler_submit(world.scheduler, &ask.job), WEFT_ERR_INVALID);
    ask_init(&ask, ids, 4, 0);
    ask.job.kind = WEFT_JOB_SCORE;
    ask.job.from = 4;
    assert_int_equal(weft_scheduler_submit(world.scheduler, &ask.job), WEFT_ERR_INVALID);
    ask_init(&ask, ids, 4, 1);
    ask.job.resume[0].ids = ids;
    ask.job.resume[0].count = CONTEXT;
    assert_int_equal(weft_scheduler_submit(world.scheduler, &ask.job), WEFT_ERR_TOO_LARGE);
}

static void no_more_than_the_most_jobs_are_taken_and_all_come_back(void **state)
{
    (void)state;
    struct engine other;
    struct weft_model *second = engine_load(1, 256);
    engine_start(&other, second);
    static struct ask asks[WEFT_JOBS_MAX + 1];
    int32_t ids[3] = {100, 101, 102};
    for (size_t i = 0; i < WEFT_JOBS_MAX; i++) {
        ask_init(&asks[i], ids, 3, 1000);
        asks[i].job.ignore_end = true;
        engine_ask(&other, &asks[i]);
    }
    ask_init(&asks[WEFT_JOBS_MAX], ids, 3, 1);
    assert_int_equal(weft_scheduler_submit(other.scheduler, &asks[WEFT_JOBS_MAX].job), WEFT_ERR_FULL);
    for (size_t i = 0; i < WEFT_JOBS_MAX; i++) {
        weft_scheduler_cancel(other.scheduler, &asks[i].job);
    }
    for (size_t i = 0; i < WEFT_JOBS_MAX; i++) {
        engine_wait(&other, &asks[i]);
        assert_int_equal(asks[i].end.done.status, WEFT_ERR_CANCELLED);
    }
    engine_end(&other);
    weft_model_free(second);
}

static size_t returned;

static void count_returned(struct weft_job *job)
{
    (void)job;
    returned++;
}

static void at_the_end_every_job_goes_back_once(void **state)
{
    (void)state;
    struct engine other;
    engine_start(&other, engine_load(2, 256));
    static struct ask asks[6];
    int32_t ids[3] = {100, 101, 102};
    for (size_t i = 0; i < 6; i++) {
        ask_init(&asks[i], ids, 3, i == 0 ? 1 : 200);
        asks[i].job.choices = i == 1 ? 3 : 1;
        asks[i].job.ignore_end = true;
        assert_int_equal(weft_scheduler_submit(other.scheduler, &asks[i].job), 0);
    }
    pthread_mutex_lock(&other.lock);
    while (!other.news) {
        pthread_cond_wait(&other.poked, &other.lock);
    }
    pthread_mutex_unlock(&other.lock);
    returned = 0;
    weft_scheduler_free(other.scheduler, count_returned);
    assert_int_equal(returned, 6);
    pthread_cond_destroy(&other.poked);
    pthread_mutex_destroy(&other.lock);
    weft_model_free(other.model);
}

static weft_time standing(void *self)
{
    (void)self;
    return WEFT_SECOND;
}

/* Of two that come together the first one is not begun alone, however long the second one takes to be prepared. */
static void what_is_expected_is_read_with_what_is_there(void **state)
{
    (void)state;
    static struct ask asks[2];
    struct engine other;
    engine_start_by(&other, engine_load(2, 256), standing);
    const int32_t ids[] = {100, 101, 102, 200, 201, 202};
    struct weft_scheduler_load load;
    weft_scheduler_expect(other.scheduler, true);
    for (size_t i = 0; i < 2; i++) {
        ask_init(&asks[i], ids + 3 * i, 3, 1);
        engine_ask(&other, &asks[i]);
        while (asks[i].progresses == 0) { /* it has a slot */
            engine_turn(&other);
        }
    }
    weft_scheduler_load(other.scheduler, &load);
    assert_int_equal(load.steps, 0);
    weft_scheduler_expect(other.scheduler, false);
    engine_wait(&other, &asks[0]);
    engine_wait(&other, &asks[1]);
    weft_scheduler_load(other.scheduler, &load);
    assert_int_equal(load.steps, 1);
    engine_end(&other);
    weft_model_free(other.model);
}

/* -- long prompts -- */

#define LONG 3000

#define SOON (300 * WEFT_MS) /* three times what is promised: the machine does other things too */

static struct weft_model *large;
static struct engine longs; /* of that one */
static int32_t long_ids[LONG];

static void start_long(void)
{
    large = engine_load(3, LONG + 200);
    engine_start(&longs, large);
    for (size_t i = 0; i < LONG; i++) {
        long_ids[i] = 1000 + (int32_t)(i * 31 % 3000);
    }
}

static void end_long(void)
{
    engine_end(&longs);
    weft_model_free(large);
}

static weft_time longest_gap(const struct told *told, size_t from)
{
    weft_time longest = 0;
    for (size_t i = from; i < told->count; i++) {
        weft_time gap = told->times[i] - told->times[i - 1];
        longest = gap > longest ? gap : longest;
    }
    return longest;
}

/* Cancels a job and says how long it took until it was gone. */
static weft_time cancel(struct ask *ask)
{
    weft_time before = engine_now(NULL);
    weft_scheduler_cancel(longs.scheduler, &ask->job);
    engine_wait(&longs, ask);
    assert_int_equal(ask->end.done.status, WEFT_ERR_CANCELLED);
    return ask->done_at - before;
}

static void a_long_prompt_stalls_nobody(void **state)
{
    (void)state;
    static struct ask stream, reader, quick;
    start_long();
    ask_init(&stream, long_ids + 500, 20, 1000);
    stream.job.ignore_end = true;
    engine_ask(&longs, &stream);
    while (stream.told[0].count < 20) {
        engine_turn(&longs);
    }
    weft_time alone = longest_gap(&stream.told[0], 5);
    ask_init(&reader, long_ids, LONG, 5);
    engine_ask(&longs, &reader);
    while (stream.told[0].count < 40) {
        engine_turn(&longs);
    }
    /* A short one that comes later is not behind the long one. */
    ask_init(&quick, long_ids + 700, 30, 1);
    engine_run(&longs, &quick);
    assert_int_equal(quick.end.done.status, 0);
    assert_false(reader.done);
    weft_time beside = longest_gap(&stream.told[0], 20);
    print_message("          longest gap %.1f ms alone, %.1f ms beside %d tokens being read; short prompt %.1f ms\n",
                  (double)alone / 1000, (double)beside / 1000, LONG,
                  (double)(quick.end.done.waited_us + quick.end.done.prefill_us) / 1000);
    assert_true(beside < 4 * alone || beside < SOON);

    weft_time gone = cancel(&reader);
    print_message("          gone %.1f ms after a cancel, beside another\n", (double)gone / 1000);
    assert_true(gone < SOON);
    assert_true(cancel(&stream) < SOON);
    end_long();
}

static void a_long_prompt_is_gone_when_it_is_cancelled(void **state)
{
    (void)state;
    static struct ask reader, other, again;
    start_long();
    ask_init(&reader, long_ids, LONG, 5);
    engine_ask(&longs, &reader);
    ask_init(&other, long_ids + 1, LONG - 1, 5);
    engine_ask(&longs, &other);
    while (reader.read_most < 100) {
        engine_turn(&longs); /* it tells once a second how far it is */
    }
    assert_true(reader.read_most < LONG);
    weft_time told = engine_now(NULL);
    while (engine_now(NULL) < told + 30 * WEFT_MS) {
        /* into the middle of a step: where nobody writes it is a long one, which a cancel breaks off */
    }
    weft_time gone = cancel(&reader);
    print_message("          gone %.1f ms after a cancel, where nobody writes\n", (double)gone / 1000);
    assert_true(gone < SOON);
    assert_true(cancel(&other) < SOON);
    struct weft_scheduler_load load;
    weft_scheduler_load(longs.scheduler, &load);
    assert_int_equal(load.slots_free, 3);

    /* What was read before it was broken off is no poison. */
    static struct ask fresh;
    ask_init(&again, long_ids, 60, 8);
    again.job.ignore_end = true;
    engine_run(&longs, &again);
    assert_int_equal(again.end.done.cached_tokens, 59);
    ask_init(&fresh, long_ids, 60, 8);
    fresh.job.ignore_end = true;
    engine_run(&world, &fresh);
    assert_true(difference(&fresh, &fresh.told[0], &again.told[0], 0) < NEAR_TIE);
    end_long();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_greedy_answer_is_that_of_a_bare_loop),
        cmocka_unit_test(what_ends_an_answer),
        cmocka_unit_test(a_full_context_ends_an_answer),
        cmocka_unit_test(the_end_token_can_be_ignored),
        cmocka_unit_test(answers_at_once_are_those_of_lone_runs),
        cmocka_unit_test(more_than_there_are_slots_wait_their_turn),
        cmocka_unit_test(four_choices_are_four_runs),
        cmocka_unit_test(choices_beyond_the_slots_come_later),
        cmocka_unit_test(a_copied_beginning_gives_the_same_answer),
        cmocka_unit_test(an_answer_resumes_at_every_token),
        cmocka_unit_test(an_answer_scores_as_its_own),
        cmocka_unit_test(a_prompt_is_echoed_with_what_the_model_thinks_of_it),
        cmocka_unit_test(vectors_have_length_one_and_like_texts_are_close),
        cmocka_unit_test(what_cannot_be_is_refused),
        cmocka_unit_test(no_more_than_the_most_jobs_are_taken_and_all_come_back),
        cmocka_unit_test(at_the_end_every_job_goes_back_once),
        cmocka_unit_test(what_is_expected_is_read_with_what_is_there),
        cmocka_unit_test(a_long_prompt_stalls_nobody),
        cmocka_unit_test(a_long_prompt_is_gone_when_it_is_cancelled),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
