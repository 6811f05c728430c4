/* tests/unit/engine/sampler_test.c - the sampler beside a slow reference that filters everything literally, in double;
 * and its distribution by chi-square.
 *
 * The grammar here is a table: this file defines what the sampler asks of one, so that grammar.c is not linked. */
#include "engine/sampler.h"

#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/error.h"
#include "base/mem.h"
#include "base/random.h"
#include "engine/grammar.h"

#define VOCABULARY_MAX 60000

/* -- a grammar -- */

struct weft_grammar {
    const bool *allowed;
    bool asleep;
    size_t asked;
    int error;
};

int weft_grammar_test(struct weft_grammar *grammar, const int32_t *tokens, size_t count, bool *ok)
{
    grammar->asked += count;
    for (size_t i = 0; i < count; i++) {
        ok[i] = grammar->allowed[tokens[i]];
    }
    return grammar->error;
}

bool weft_grammar_awake(const struct weft_grammar *grammar)
{
    return !grammar->asleep;
}

/* -- the reference -- */

struct scenario {
    int32_t vocabulary;
    struct weft_sampling sampling;
    uint64_t seed, position;
    float logits[VOCABULARY_MAX];
    bool constrained, allowed[VOCABULARY_MAX];
    int32_t history[3 * WEFT_SAMPLER_HISTORY_MAX];
    size_t history_count;
    struct weft_bias bias[8];
};

struct entry {
    double logit, probability;
    int32_t token;
};

struct outcome {
    int status;
    int32_t choice;
    bool kept[VOCABULARY_MAX];
    double value[VOCABULARY_MAX]; /* scaled logit with noise; if greedy the logit */
    float logit[VOCABULARY_MAX];
};

static struct scenario scenario;
static struct outcome expected;
static struct entry entries[VOCABULARY_MAX];

static int by_logit(const void *left, const void *right)
{
    const struct entry *a = left, *b = right;
    if (a->logit != b->logit) {
        return a->logit > b->logit ? -1 : 1;
    }
    return a->token < b->token ? -1 : 1;
}

static void reference_logits(const struct scenario *s, float *logits)
{
    const struct weft_sampling *sampling = &s->sampling;
    size_t last_n = sampling->penalty_last_n < 0 ? WEFT_SAMPLER_HISTORY_MAX : (size_t)sampling->penalty_last_n;
    size_t from = s->history_count > last_n ? s->history_count - last_n : 0;
    for (int32_t token = 0; token < s->vocabulary; token++) {
        size_t times = 0;
        float logit = s->logits[token];
        for (size_t i = from; i < s->history_count; i++) {
            times += s->history[i] == token ? 1 : 0;
        }
        if (times > 0) {
            logit = logit > 0 ? logit / sampling->repeat_penalty : logit * sampling->repeat_penalty;
            logit -= (float)times * sampling->frequency_penalty;
            logit -= sampling->presence_penalty;
        }
        for (size_t i = 0; i < sampling->bias_count; i++) {
            logit += sampling->bias[i].token == token ? sampling->bias[i].bias : 0;
        }
        logits[token] = logit;
    }
}

/* Filters one after the other; how many entries are left. */
static size_t reference_filters(const struct weft_sampling *sampling, size_t count)
{
    double sum = 0, before = 0, top = entries[0].logit, temperature = (double)sampling->temperature;
    count = sampling->top_k > 0 && (size_t)sampling->top_k < count ? (size_t)sampling->top_k : count;
    for (size_t i = 0; i < count; i++) {
        entries[i].probability = exp((entries[i].logit - top) / temperature);
        sum += entries[i].probability;
    }
    size_t kept = 0;
    for (; kept < count && sampling->top_p < 1; kept++) {
        if (kept > 0 && before >= (double)sampling->top_p * sum) {
            break;
        }
        before += entries[kept].probability;
    }
    count = sampling->top_p < 1 ? kept : count;
    for (kept = 0; kept < count; kept++) {
        if (entries[kept].probability < (double)sampling->min_p * entries[0].probability) {
            break;
        }
    }
    return kept;
}

static void reference(const struct scenario *s, struct outcome *out)
{
    size_t count = 0, finite = 0;
    reference_logits(s, out->logit);
    for (int32_t token = 0; token < s->vocabulary; token++) {
        out->kept[token] = false;
        finite += out->logit[token] >= -FLT_MAX ? 1 : 0;
        if (out->logit[token] >= -FLT_MAX && (!s->constrained || s->allowed[token])) {
            entries[count++] = (struct entry){.logit = (double)out->logit[token], .token = token};
        }
    }
    out->status = count > 0 ? 0 : finite > 0 ? WEFT_ERR_NOT_FOUND : WEFT_ERR_INVALID;
    if (count == 0) {
        return;
    }
    qsort(entries, count, sizeof(entries[0]), by_logit);
    bool greedy = s->sampling.temperature == 0;
    size_t kept = greedy ? count : reference_filters(&s->sampling, count);
    for (int32_t token = 0; token < s->vocabulary; token++) {
        double noise = (double)weft_sampler_noise(s->seed, s->position, token);
        double scaled = ((double)out->logit[token] - entries[0].logit) / (double)s->sampling.temperature;
        out->value[token] = greedy ? (double)out->logit[token] : scaled + noise;
    }
    out->choice = entries[0].token;
    for (size_t i = 0; i < kept; i++) {
        out->kept[entries[i].token] = true;
        if (out->value[entries[i].token] > out->value[out->choice]) {
            out->choice = entries[i].token;
        }
    }
}

/* -- scenarios -- */

static double uniform(struct weft_random *random)
{
    return ((double)weft_random_below(random, 1u << 30) + 0.5) / (1u << 30);
}

static double normal(struct weft_random *random)
{
    return sqrt(-2 * log(uniform(random))) * cos(6.283185307179586 * uniform(random));
}

static bool sometimes(struct weft_random *random, uint64_t one_in)
{
    return weft_random_below(random, one_in) == 0;
}

static void random_logits(struct scenario *s, struct weft_random *random)
{
    static const double spreads[] = {0, 0.5, 1, 3, 8, 30};
    double spread = spreads[weft_random_below(random, WEFT_COUNT(spreads))], centre = 10 * normal(random);
    bool steps = sometimes(random, 4), holes = sometimes(random, 4), peak = sometimes(random, 4);
    for (int32_t token = 0; token < s->vocabulary; token++) {
        double logit = centre + spread * normal(random);
        logit = steps ? floor(logit * 2) / 2 : logit;
        s->logits[token] = holes && sometimes(random, 3) ? -INFINITY : (float)logit;
    }
    if (peak) {
        s->logits[weft_random_below(random, (uint64_t)s->vocabulary)] += 10;
    }
}

static void random_scenario(struct scenario *s, struct weft_random *random, int32_t vocabulary)
{
    static const float temperatures[] = {0, 0.1f, 0.7f, 1, 1, 2.5f}, shares[] = {0, 0.1f, 0.5f, 0.9f, 0.95f, 0.999f};
    static const float floors[] = {0.001f, 0.05f, 0.1f, 0.5f, 1};
    s->vocabulary = vocabulary;
    s->seed = weft_random_next(random);
    s->position = weft_random_below(random, 5000);
    random_logits(s, random);
    struct weft_sampling *sampling = &s->sampling;
    *sampling = (struct weft_sampling){.temperature = temperatures[weft_random_below(random, 6)],
                                       .top_p = sometimes(random, 2) ? 1 : shares[weft_random_below(random, 6)],
                                       .min_p = sometimes(random, 2) ? 0 : floors[weft_random_below(random, 5)],
                                       .repeat_penalty = 1};
    if (!sometimes(random, 2)) {
        sampling->top_k = (int32_t)weft_random_below(random, sometimes(random, 2) ? 50 : (uint64_t)vocabulary + 20);
    }
    s->history_count = 0;
    if (sometimes(random, 2)) {
        sampling->repeat_penalty = sometimes(random, 2) ? 1 : 1.3f;
        sampling->frequency_penalty = sometimes(random, 2) ? 0 : 0.4f;
        sampling->presence_penalty = sometimes(random, 2) ? 0 : -0.7f;
        sampling->penalty_last_n = sometimes(random, 5) ? -1 : (int32_t)weft_random_below(random, 64);
        s->history_count = (size_t)weft_random_below(random, 200);
    }
    for (size_t i = 0; i < s->history_count; i++) {
        s->history[i] = (int32_t)weft_random_below(random, sometimes(random, 2) ? 1 : (uint64_t)vocabulary);
    }
    sampling->bias = s->bias;
    sampling->bias_count = sometimes(random, 2) ? 0 : (size_t)weft_random_below(random, WEFT_COUNT(s->bias) + 1);
    for (size_t i = 0; i < sampling->bias_count; i++) {
        float bias = sometimes(random, 4) ? -INFINITY : (float)(4 * normal(random));
        s->bias[i] = (struct weft_bias){(int32_t)weft_random_below(random, (uint64_t)vocabulary), bias};
    }
    s->constrained = sometimes(random, 2);
    uint64_t one_in = sometimes(random, 2) ? 2 : 1 + (uint64_t)vocabulary / 3;
    for (int32_t token = 0; token < vocabulary; token++) {
        s->allowed[token] = sometimes(random, one_in);
    }
}

static struct weft_sampler *sampler_for(const struct scenario *s)
{
    struct weft_sampler *sampler;
    assert_int_equal(weft_sampler_new(&sampler, s->vocabulary, &s->sampling, s->seed), 0);
    for (size_t i = 0; i < s->history_count; i++) {
        weft_sampler_accept(sampler, s->history[i]);
    }
    return sampler;
}

static void check_margin(const struct scenario *s, struct weft_sampler *sampler, struct weft_grammar *grammar,
                         int32_t token)
{
    struct weft_margin margin;
    assert_int_equal(weft_sampler_margin(sampler, s->logits, s->position, grammar, token, &margin), expected.status);
    if (expected.status < 0) {
        return;
    }
    assert_int_equal(margin.choice, expected.choice);
    bool never = expected.logit[token] < -FLT_MAX;
    bool refused = s->constrained && !s->allowed[token];
    assert_int_equal(margin.filtered, s->sampling.temperature == 0 ? never || refused : !expected.kept[token]);
    assert_true(token != expected.choice || (margin.margin == 0 && !margin.filtered));
    assert_true(token == expected.choice || margin.filtered || margin.margin > 0 || s->sampling.temperature == 0);
    double difference = expected.value[expected.choice] - expected.value[token];
    assert_true(never ? margin.margin == FLT_MAX
                      : fabs(difference - (double)margin.margin) < 1e-5 * (1 + fabs(difference)));
}

static void check_scenario(const struct scenario *s, struct weft_random *random, size_t *asked)
{
    struct weft_grammar grammar = {.allowed = s->allowed};
    struct weft_grammar *constrains = s->constrained ? &grammar : NULL;
    struct weft_sampler *sampler = sampler_for(s);
    reference(s, &expected);
    for (int again = 0; again < 2; again++) { /* nothing is left of the first time */
        int32_t token = -1;
        assert_int_equal(weft_sampler_choose(sampler, s->logits, s->position, constrains, &token), expected.status);
        assert_true(expected.status < 0 || token == expected.choice);
        *asked = again == 0 ? grammar.asked : *asked;
    }
    for (int i = 0; i < 3; i++) {
        check_margin(s, sampler, constrains, (int32_t)weft_random_below(random, (uint64_t)s->vocabulary));
    }
    check_margin(s, sampler, constrains, expected.status < 0 ? 0 : expected.choice);
    weft_sampler_free(sampler);
}

static void test_reference(void **state)
{
    (void)state;
    struct weft_random random;
    weft_random_init(&random, 20261121);
    size_t asked, impossible = 0;
    for (int round = 0; round < 6000; round++) {
        int32_t vocabulary = 1 + (int32_t)weft_random_below(&random, round % 3 == 0 ? 40 : 900);
        random_scenario(&scenario, &random, vocabulary);
        check_scenario(&scenario, &random, &asked);
        impossible += expected.status < 0 ? 1 : 0;
    }
    assert_true(impossible > 20 && impossible < 1000);
    for (int round = 0; round < 40; round++) {
        random_scenario(&scenario, &random, round % 2 ? 49152 : 49999);
        check_scenario(&scenario, &random, &asked);
    }
}

/* A model that is sure of what it says, and a grammar that agrees: hardly a token is asked about. */
static void test_lazy(void **state)
{
    (void)state;
    struct weft_random random;
    weft_random_init(&random, 3);
    size_t total = 0, asked;
    for (int round = 0; round < 50; round++) {
        random_scenario(&scenario, &random, 10000);
        scenario.sampling = (struct weft_sampling){
            .temperature = 0.8f, .top_k = 40, .top_p = 0.95f, .min_p = 0.05f, .repeat_penalty = 1};
        scenario.constrained = true;
        for (int32_t token = 0; token < scenario.vocabulary; token++) {
            scenario.logits[token] = (float)normal(&random);
            scenario.allowed[token] = sometimes(&random, 100);
        }
        int32_t sure = (int32_t)weft_random_below(&random, 10000);
        scenario.logits[sure] = 25;
        scenario.allowed[sure] = true;
        check_scenario(&scenario, &random, &asked);
        total += asked;
    }
    assert_true(total < (size_t)50 * 16);
}

/* What is long ago is forgotten. */
static void test_history(void **state)
{
    (void)state;
    struct weft_random random;
    weft_random_init(&random, 5);
    size_t asked;
    for (int round = 0; round < 20; round++) {
        random_scenario(&scenario, &random, 30);
        scenario.sampling.repeat_penalty = 1.5f;
        scenario.sampling.frequency_penalty = 0.01f;
        scenario.sampling.penalty_last_n = round % 2 ? -1 : 100;
        scenario.history_count = WEFT_COUNT(scenario.history);
        for (size_t i = 0; i < scenario.history_count; i++) {
            scenario.history[i] = (int32_t)weft_random_below(&random, i < 5000 ? 30 : 12);
        }
        check_scenario(&scenario, &random, &asked);
    }
}

static void test_bad_input(void **state)
{
    (void)state;
    const struct weft_sampling good = {.temperature = 1, .top_p = 1, .repeat_penalty = 1};
    struct weft_sampler *sampler;
    struct weft_bias bias[2] = {{.token = 3, .bias = NAN}, {.token = 4}};
    struct weft_sampling bad[13];
    for (size_t i = 0; i < WEFT_COUNT(bad); i++) {
        bad[i] = good;
    }
    bad[0].temperature = -1;
    bad[1].temperature = NAN;
    bad[2].temperature = INFINITY;
    bad[3].top_p = 1.5f;
    bad[4].min_p = -0.1f;
    bad[5].repeat_penalty = 0;
    bad[6].frequency_penalty = NAN;
    bad[7].presence_penalty = INFINITY;
    bad[8].top_k = -1;
    bad[9].penalty_last_n = -2;
    bad[10].bias = bias;
    bad[10].bias_count = 1;
    bad[11].bias = bias + 1;
    bad[11].bias_count = 1;
    bad[12].penalty_last_n = WEFT_SAMPLER_HISTORY_MAX + 1;
    for (size_t i = 0; i < WEFT_COUNT(bad); i++) {
        assert_int_equal(weft_sampler_new(&sampler, 4, &bad[i], 1), i == 12 ? WEFT_ERR_TOO_LARGE : WEFT_ERR_INVALID);
        assert_null(sampler);
    }
    const float logits[][4] = {{0, NAN, 0, 0}, {0, 0, 0, INFINITY}, {-INFINITY, -INFINITY, -INFINITY, -INFINITY}};
    int32_t token;
    struct weft_margin margin;
    assert_int_equal(weft_sampler_new(&sampler, 4, &good, 1), 0);
    for (size_t i = 0; i < WEFT_COUNT(logits); i++) {
        assert_int_equal(weft_sampler_choose(sampler, logits[i], 0, NULL, &token), WEFT_ERR_INVALID);
        assert_int_equal(weft_sampler_margin(sampler, logits[i], 0, NULL, 1, &margin), WEFT_ERR_INVALID);
    }
    const float one[4] = {-INFINITY, -INFINITY, -FLT_MAX, -INFINITY}, wide[4] = {-FLT_MAX, FLT_MAX, 0, 0};
    assert_int_equal(weft_sampler_choose(sampler, one, 0, NULL, &token), 0);
    assert_int_equal(token, 2);
    assert_int_equal(weft_sampler_choose(sampler, wide, 0, NULL, &token), 0);
    assert_int_equal(token, 1);
    const bool all[4] = {true, true, true, true}, none[4] = {false};
    struct weft_grammar grammar = {.allowed = all, .error = WEFT_ERR_MEMORY};
    assert_int_equal(weft_sampler_choose(sampler, wide, 0, &grammar, &token), WEFT_ERR_MEMORY);
    grammar = (struct weft_grammar){.allowed = none, .asleep = true};
    assert_int_equal(weft_sampler_choose(sampler, wide, 0, &grammar, &token), 0);
    grammar.asleep = false;
    assert_int_equal(weft_sampler_choose(sampler, wide, 0, &grammar, &token), WEFT_ERR_NOT_FOUND);
    weft_sampler_free(sampler);
}

/* -- the distribution -- */

#define OUTCOMES 64
#define DRAWS    200000

/* Draws at positions 0 to DRAWS - 1, or with as many seeds, and compares with softmax at `temperature`, of the first
 * `kept` tokens. */
static double chi_square(const struct weft_sampling *sampling, double temperature, size_t kept, bool by_seed)
{
    float logits[OUTCOMES];
    double weights[OUTCOMES], sum = 0, statistic = 0;
    size_t counts[OUTCOMES] = {0};
    for (size_t i = 0; i < OUTCOMES; i++) {
        logits[i] = 3.0f - 0.06f * (float)i; /* falling, so that the filters keep the first ones */
        weights[i] = i < kept ? exp((double)logits[i] / temperature) : 0;
        sum += weights[i];
    }
    struct weft_sampler *sampler;
    assert_int_equal(weft_sampler_new(&sampler, OUTCOMES, sampling, 42), 0);
    for (uint64_t i = 0; i < DRAWS; i++) {
        int32_t token;
        if (by_seed) {
            weft_sampler_free(sampler);
            assert_int_equal(weft_sampler_new(&sampler, OUTCOMES, sampling, i), 0);
        }
        assert_int_equal(weft_sampler_choose(sampler, logits, by_seed ? 7 : i, NULL, &token), 0);
        counts[token]++;
    }
    weft_sampler_free(sampler);
    for (size_t i = 0; i < OUTCOMES; i++) {
        double wanted = DRAWS * weights[i] / sum, off = (double)counts[i] - wanted;
        assert_true(i < kept || counts[i] == 0);
        statistic += i < kept ? off * off / wanted : 0;
    }
    return statistic;
}

/* Wilson and Hilferty: chi-square as a standard normal. Beyond 4 once in 30,000 seeds; these are fixed. */
static double deviation(double statistic, size_t outcomes)
{
    double freedom = (double)(outcomes - 1), spread = 2 / (9 * freedom);
    return (cbrt(statistic / freedom) - (1 - spread)) / sqrt(spread);
}

static void test_distribution(void **state)
{
    (void)state;
    struct weft_sampling sampling = {.temperature = 0.9f, .top_p = 1, .repeat_penalty = 1};
    assert_true(fabs(deviation(chi_square(&sampling, 0.9, OUTCOMES, false), OUTCOMES)) < 4);
    assert_true(fabs(deviation(chi_square(&sampling, 0.9, OUTCOMES, true), OUTCOMES)) < 4);
    /* Off by 3 % in temperature, it would have been noticed. */
    assert_true(deviation(chi_square(&sampling, 0.927, OUTCOMES, false), OUTCOMES) > 6);
    sampling.top_k = 10;
    assert_true(fabs(deviation(chi_square(&sampling, 0.9, 10, false), 10)) < 4);
    sampling.top_k = 0;
    sampling.top_p = 0.9f;
    double sum = 0, share = 0;
    size_t kept = 0;
    for (int i = 0; i < OUTCOMES; i++) {
        sum += exp(-0.06 * i / 0.9);
    }
    for (; share < 0.9 * sum; kept++) {
        share += exp(-0.06 * (double)kept / 0.9);
    }
    assert_true(kept > 10 && kept < OUTCOMES - 10);
    assert_true(fabs(deviation(chi_square(&sampling, 0.9, kept, false), kept)) < 4);
    sampling.top_p = 1;
    sampling.min_p = 0.25f;
    kept = 1 + (size_t)(log(4) * 0.9 / 0.06);
    assert_true(fabs(deviation(chi_square(&sampling, 0.9, kept, false), kept)) < 4);
}

static void test_torture(void **state)
{
    (void)state;
    struct weft_random random;
    weft_random_init(&random, 11);
    random_scenario(&scenario, &random, 500);
    scenario.sampling = (struct weft_sampling){.temperature = 1,
                                               .top_k = 20,
                                               .top_p = 0.9f,
                                               .repeat_penalty = 1.1f,
                                               .penalty_last_n = 10,
                                               .bias = scenario.bias,
                                               .bias_count = 1};
    scenario.bias[0] = (struct weft_bias){1, 1};
    struct weft_grammar grammar = {.allowed = scenario.allowed};
    scenario.allowed[7] = true;
    scenario.logits[7] = 1;
    int64_t live = weft_mem_live();
    bool done = false;
    for (uint64_t at = 1; !done; at++) {
        struct weft_sampler *sampler;
        int32_t token;
        weft_mem_fail_at(at);
        int error = weft_sampler_new(&sampler, scenario.vocabulary, &scenario.sampling, 1);
        if (error == 0) {
            error = weft_sampler_choose(sampler, scenario.logits, 0, &grammar, &token);
        }
        error = error < 0 ? error : weft_sampler_choose(sampler, scenario.logits, 0, NULL, &token);
        done = !weft_mem_failed();
        weft_mem_fail_at(0);
        assert_int_equal(error, done ? 0 : WEFT_ERR_MEMORY);
        weft_sampler_free(sampler);
        assert_int_equal(weft_mem_live(), live);
    }
    weft_sampler_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reference), cmocka_unit_test(test_lazy),         cmocka_unit_test(test_history),
        cmocka_unit_test(test_bad_input), cmocka_unit_test(test_distribution), cmocka_unit_test(test_torture),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
