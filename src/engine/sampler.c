/* engine/sampler.c - which token comes next.
 *
 * Every filter keeps a beginning of the order of the allowed tokens by their logits. So nothing is filtered first: the
 * winner among all is found, and looked at; if it is not kept, all behind it are not kept either, and the winner of
 * what is before it is next: the outcome is that of filtering first, and most often the first winner is kept. A grammar
 * is asked only about tokens whose answer can matter: those before the first that may come, those that beat it, and
 * those that decide whether a winner is kept. */
#include "engine/sampler.h"

#include <float.h>
#include <math.h>

#include "base/assert.h"
#include "base/error.h"
#include "base/mem.h"
#include "engine/candidates.h"
#include "engine/exponential.h"
#include "engine/grammar.h"

#define CHUNK_MAX 256 /* tokens that a grammar is asked about in one go */

enum answer { ANSWER_NONE, ANSWER_ALLOWED, ANSWER_REFUSED };

/* The last tokens, oldest at `next` once it is full, and how often each occurs there. */
struct history {
    int32_t *ring;
    size_t size, count, next;
    int32_t *distinct; /* each that occurs, once */
    size_t distinct_count;
    uint16_t *times; /* by token */
    uint16_t *where; /* by token: its place in `distinct` */
};
_Static_assert(WEFT_SAMPLER_HISTORY_MAX <= UINT16_MAX, "counts and places are 16 bits");

struct weft_sampler {
    struct weft_sampling sampling;
    struct weft_bias *bias; /* sampling.bias, ours */
    uint64_t seed;
    int32_t vocabulary;
    struct history history;
    struct weft_candidates *candidates;

    /* Of a grammar, in one step: what it said, by token. */
    uint8_t *answers; /* enum answer */
    uint8_t *refused; /* is its answer ANSWER_REFUSED? */
};

/* One choice. */
struct step {
    struct weft_sampler *sampler;
    struct weft_grammar *grammar; /* NULL where none constrains */
    struct weft_noise noise;
    bool greedy;
    struct weft_scale scale;
    struct weft_place top;  /* the first that may come */
    struct weft_place kept; /* without a grammar: the last that top-k keeps */
    float least;            /* the lowest scaled logit that min-p keeps */
    double total;           /* the mass that top-p is a share of (with a grammar, no less than it); 0: not yet known */
    size_t chunk;           /* tokens to ask a grammar about next time */
};

/* -- making -- */

static bool is_within(float value, float low, float high)
{
    return value >= low && value <= high; /* not if it is no number */
}

static int check(const struct weft_sampling *sampling, int32_t vocabulary)
{
    if (!is_within(sampling->temperature, 0, FLT_MAX) || !is_within(sampling->top_p, 0, 1) ||
        !is_within(sampling->min_p, 0, 1) || !is_within(sampling->repeat_penalty, FLT_MIN, FLT_MAX) ||
        !is_within(sampling->frequency_penalty, -FLT_MAX, FLT_MAX) ||
        !is_within(sampling->presence_penalty, -FLT_MAX, FLT_MAX) || sampling->top_k < 0 ||
        sampling->penalty_last_n < -1) {
        return WEFT_ERR_INVALID;
    }
    if (sampling->bias_count > WEFT_SAMPLER_BIAS_MAX || sampling->penalty_last_n > WEFT_SAMPLER_HISTORY_MAX) {
        return WEFT_ERR_TOO_LARGE;
    }
    for (size_t i = 0; i < sampling->bias_count; i++) {
        const struct weft_bias *bias = &sampling->bias[i];
        if (bias->token < 0 || bias->token >= vocabulary || !is_within(bias->bias, -INFINITY, FLT_MAX)) {
            return WEFT_ERR_INVALID;
        }
    }
    return 0;
}

static bool has_penalties(const struct weft_sampling *sampling)
{
    return sampling->penalty_last_n != 0 && (sampling->repeat_penalty != 1.0f || sampling->frequency_penalty != 0.0f ||
                                             sampling->presence_penalty != 0.0f);
}

static int history_init(struct history *history, const struct weft_sampling *sampling, int32_t vocabulary)
{
    if (!has_penalties(sampling)) {
        return 0;
    }
    history->size = sampling->penalty_last_n < 0 ? WEFT_SAMPLER_HISTORY_MAX : (size_t)sampling->penalty_last_n;
    history->ring = weft_calloc(history->size, sizeof(*history->ring));
    history->distinct = weft_calloc(history->size, sizeof(*history->distinct));
    history->times = weft_calloc((size_t)vocabulary, sizeof(*history->times));
    history->where = weft_calloc((size_t)vocabulary, sizeof(*history->where));
    return history->ring && history->distinct && history->times && history->where ? 0 : WEFT_ERR_MEMORY;
}

int weft_sampler_new(struct weft_sampler **out, int32_t vocabulary, const struct weft_sampling *sampling, uint64_t seed)
{
    *out = NULL;
    int error = check(sampling, vocabulary);
    if (error < 0) {
        return error;
    }
    struct weft_sampler *sampler = weft_zalloc(sizeof(*sampler));
    if (!sampler) {
        return WEFT_ERR_MEMORY;
    }
    sampler->sampling = *sampling;
    sampler->seed = seed;
    sampler->vocabulary = vocabulary;
    sampler->bias = weft_calloc(sampling->bias_count, sizeof(*sampler->bias));
    error = sampler->bias ? history_init(&sampler->history, sampling, vocabulary) : WEFT_ERR_MEMORY;
    if (error == 0) {
        error = weft_candidates_new(&sampler->candidates, vocabulary);
    }
    if (error < 0) {
        weft_sampler_free(sampler);
        return error;
    }
    for (size_t i = 0; i < sampling->bias_count; i++) {
        sampler->bias[i] = sampling->bias[i];
    }
    sampler->sampling.bias = sampler->bias;
    *out = sampler;
    return 0;
}

void weft_sampler_free(struct weft_sampler *sampler)
{
    if (!sampler) {
        return;
    }
    weft_free(sampler->bias);
    weft_free(sampler->history.ring);
    weft_free(sampler->history.distinct);
    weft_free(sampler->history.times);
    weft_free(sampler->history.where);
    weft_free(sampler->answers);
    weft_free(sampler->refused);
    weft_candidates_free(sampler->candidates);
    weft_free(sampler);
}

/* -- history, penalties, bias -- */

static void history_forget(struct history *history, int32_t token)
{
    if (--history->times[token] > 0) {
        return;
    }
    int32_t last = history->distinct[--history->distinct_count];
    history->distinct[history->where[token]] = last;
    history->where[last] = history->where[token];
}

void weft_sampler_accept(struct weft_sampler *sampler, int32_t token)
{
    WEFT_ASSERT(token >= 0 && token < sampler->vocabulary);
    struct history *history = &sampler->history;
    if (history->size == 0) {
        return;
    }
    if (history->count == history->size) {
        history_forget(history, history->ring[history->next]);
    } else {
        history->count++;
    }
    history->ring[history->next] = token;
    history->next = (history->next + 1) % history->size;
    if (history->times[token]++ == 0) {
        history->where[token] = (uint16_t)history->distinct_count;
        history->distinct[history->distinct_count++] = token;
    }
}

static void penalise(const struct weft_sampler *sampler, float *logits)
{
    const struct weft_sampling *sampling = &sampler->sampling;
    const struct history *history = &sampler->history;
    for (size_t i = 0; i < history->distinct_count; i++) {
        int32_t token = history->distinct[i];
        float logit = logits[token];
        logit = logit > 0 ? logit / sampling->repeat_penalty : logit * sampling->repeat_penalty;
        logit -= (float)history->times[token] * sampling->frequency_penalty;
        logits[token] = logit - sampling->presence_penalty;
    }
    for (size_t i = 0; i < sampling->bias_count; i++) {
        logits[sampling->bias[i].token] += sampling->bias[i].bias;
    }
}

/* -- the grammar -- */

static int step_ask(struct step *step, const int32_t *tokens, size_t count)
{
    bool ok[CHUNK_MAX];
    WEFT_ASSERT(count <= CHUNK_MAX);
    int error = weft_grammar_test(step->grammar, tokens, count, ok);
    for (size_t i = 0; i < count && error == 0; i++) {
        step->sampler->answers[tokens[i]] = ok[i] ? ANSWER_ALLOWED : ANSWER_REFUSED;
        step->sampler->refused[tokens[i]] = !ok[i];
    }
    step->chunk = 2 * step->chunk < CHUNK_MAX ? 2 * step->chunk : CHUNK_MAX;
    return error;
}

/* The i-th token of the order and whether it may come, or -1 past the last. More and more are asked about at once: the
 * first few mostly decide. */
static int step_walk(struct step *step, size_t i, int32_t *token, bool *allowed)
{
    const uint8_t *answers = step->sampler->answers;
    *allowed = false;
    int error = weft_candidates_at(step->sampler->candidates, i, token);
    if (error < 0 || *token < 0) {
        return error;
    }
    if (answers[*token] == ANSWER_NONE) {
        int32_t tokens[CHUNK_MAX], next = *token;
        size_t count = 0;
        while (error == 0 && next >= 0 && count < step->chunk) {
            tokens[count] = next;
            count += answers[next] == ANSWER_NONE ? 1 : 0;
            error = weft_candidates_at(step->sampler->candidates, ++i, &next);
        }
        error = error < 0 ? error : step_ask(step, tokens, count);
    }
    *allowed = answers[*token] == ANSWER_ALLOWED;
    return error;
}

/* It takes a pass over everything, and often nobody asks. */
static double step_total(struct step *step)
{
    const struct weft_candidates *candidates = step->sampler->candidates;
    if (step->total == 0) {
        step->total = step->grammar ? 1 + weft_candidates_mass_behind(candidates, step->scale, step->top)
                                    : weft_candidates_mass(candidates, step->scale, step->kept);
    }
    return step->total;
}

/* Does top-k or top-p keep this allowed token? Tokens are taken in order until bounds on what is not known decide it:
 * `before` is the mass of the allowed ones before it, `sum` of all that were found, and `rest` of all that may be. */
static int step_keeps_allowed(struct step *step, int32_t wanted, bool *keeps)
{
    const struct weft_sampling *sampling = &step->sampler->sampling;
    size_t limit = sampling->top_k > 0 ? (size_t)sampling->top_k : SIZE_MAX, found = 0;
    double share = (double)sampling->top_p, before = 0, sum = 0, rest = 0;
    bool passed = false, allowed, decided = false;
    *keeps = wanted == step->top.token;
    if (!*keeps && share < 1) {
        rest = step_total(step);
    }
    for (size_t i = 0; !*keeps && !decided; i++) {
        int32_t token;
        int error = step_walk(step, i, &token, &allowed);
        if (error < 0 || token < 0) {
            return error;
        }
        float logit = weft_candidates_logit(step->sampler->candidates, token);
        if (!weft_place_holds(step->top, logit, token) || token == step->top.token) {
            double weight = (double)weft_exponential(weft_scaled(step->scale, logit));
            passed = passed || token == wanted;
            rest -= weight;
            sum += allowed ? weight : 0;
            found += allowed ? 1 : 0;
            before = passed ? before : sum;
            double more = (double)(limit - found) * weight; /* none that follows weighs more */
            double most = sum + (more < rest ? more : rest);
            *keeps = passed && (share >= 1 || before < share * sum);
            decided = passed ? found == limit : found >= limit;
            decided = decided || (share < 1 && before >= share * most);
        }
    }
    return 0;
}

/* -- filters -- */

static struct weft_place just_before(float logit, int32_t token)
{
    return (struct weft_place){.logit = logit, .token = token - 1};
}

/* Do the filters keep this token, which may come? */
static int step_keeps(struct step *step, int32_t token, bool *keeps)
{
    const struct weft_sampler *sampler = step->sampler;
    float logit = weft_candidates_logit(sampler->candidates, token);
    *keeps = logit >= -FLT_MAX;
    if (step->greedy || !*keeps) {
        return 0;
    }
    *keeps = weft_scaled(step->scale, logit) >= step->least;
    bool filtered = sampler->sampling.top_k > 0 || sampler->sampling.top_p < 1;
    if (step->grammar && *keeps && filtered) {
        return step_keeps_allowed(step, token, keeps);
    }
    *keeps = *keeps && weft_place_holds(step->kept, logit, token);
    if (*keeps && sampler->sampling.top_p < 1 && token != step->top.token) {
        double before = weft_candidates_mass(sampler->candidates, step->scale, just_before(logit, token));
        double share = (double)sampler->sampling.top_p;
        double least = before + (double)weft_exponential(weft_scaled(step->scale, logit));
        *keeps = before < share * least || before < share * step_total(step);
    }
    return 0;
}

static int step_filters(struct step *step)
{
    struct weft_sampler *sampler = step->sampler;
    const struct weft_sampling *sampling = &sampler->sampling;
    step->scale = (struct weft_scale){.top = step->top.logit, .factor = 1.0f / sampling->temperature};
    step->least = sampling->min_p > 0 ? logf(sampling->min_p) : -INFINITY;
    step->kept = weft_place_last();
    if (!step->grammar && sampling->top_k > 0 && sampling->top_k < sampler->vocabulary) {
        int error = weft_candidates_place(sampler->candidates, (size_t)sampling->top_k, &step->kept);
        if (error < 0) {
            return error;
        }
    }
    return 0;
}

/* Asks the grammar about tokens, the likeliest first, until one may come. */
static int step_find_top(struct step *step)
{
    struct weft_sampler *sampler = step->sampler;
    size_t size = (size_t)sampler->vocabulary;
    sampler->answers = sampler->answers ? sampler->answers : weft_alloc(size);
    sampler->refused = sampler->refused ? sampler->refused : weft_alloc(size);
    if (!sampler->answers || !sampler->refused) {
        return WEFT_ERR_MEMORY;
    }
    memset(sampler->answers, ANSWER_NONE, size);
    memset(sampler->refused, false, size);
    int32_t token;
    bool allowed = false;
    for (size_t i = 0; !allowed; i++) {
        int error = step_walk(step, i, &token, &allowed);
        if (error < 0 || token < 0) {
            return error < 0 ? error : WEFT_ERR_NOT_FOUND;
        }
    }
    step->top = (struct weft_place){.logit = weft_candidates_logit(sampler->candidates, token), .token = token};
    return 0;
}

static int step_begin(struct step *step, struct weft_sampler *sampler, const float *logits, uint64_t position,
                      struct weft_grammar *grammar)
{
    *step = (struct step){.sampler = sampler,
                          .grammar = grammar && weft_grammar_awake(grammar) ? grammar : NULL,
                          .noise = weft_noise(sampler->seed, position),
                          .greedy = sampler->sampling.temperature < WEFT_SAMPLER_TEMPERATURE_MIN,
                          .chunk = 1};
    penalise(sampler, weft_candidates_load(sampler->candidates, logits));
    int error = weft_candidates_sort(sampler->candidates);
    if (error == 0 && step->grammar) {
        error = step_find_top(step);
    } else if (error == 0) {
        step->top = weft_candidates_first(sampler->candidates);
    }
    return error < 0 || step->greedy ? error : step_filters(step);
}

/* -- the choice -- */

/* What the winner has most of: its scaled logit with noise; if greedy its logit. */
static float step_value(const struct step *step, int32_t token)
{
    float logit = weft_candidates_logit(step->sampler->candidates, token);
    if (step->greedy) {
        return logit;
    }
    return weft_scaled(step->scale, logit) + weft_noise_value(step->noise, token);
}

static int step_choose_free(struct step *step, int32_t *token)
{
    const struct weft_candidates *candidates = step->sampler->candidates;
    struct weft_place place = step->kept;
    bool keeps = false;
    *token = step->top.token;
    while (!keeps) { /* ends: each round leaves fewer, and the top is always kept */
        struct weft_candidate best = weft_candidates_best(candidates, step->scale, place, step->least, step->noise);
        int error = step_keeps(step, best.token, &keeps);
        if (error < 0) {
            return error;
        }
        *token = best.token;
        place = just_before(weft_candidates_logit(candidates, best.token), best.token);
    }
    return 0;
}

/* Only what beats the top has to be asked about. */
static int step_choose_allowed(struct step *step, int32_t *token)
{
    struct weft_sampler *sampler = step->sampler;
    const struct weft_candidate *better;
    const struct weft_candidate top = {.value = step_value(step, step->top.token), .token = step->top.token};
    size_t count;
    int error = weft_candidates_better(sampler->candidates, step->scale, step->least, step->noise, top,
                                       sampler->refused, &better, &count);
    struct weft_place place = weft_place_last();
    step->chunk = 1;
    for (size_t i = 0; i < count && error == 0; i++) {
        int32_t chosen = better[i].token, tokens[CHUNK_MAX];
        if (sampler->answers[chosen] == ANSWER_NONE) {
            size_t unknown = 0;
            for (size_t j = i; j < count && unknown < step->chunk; j++) {
                tokens[unknown] = better[j].token;
                unknown += sampler->answers[better[j].token] == ANSWER_NONE ? 1 : 0;
            }
            error = step_ask(step, tokens, unknown);
        }
        float logit = weft_candidates_logit(sampler->candidates, chosen);
        bool keeps = false;
        if (error == 0 && sampler->answers[chosen] == ANSWER_ALLOWED && weft_place_holds(place, logit, chosen)) {
            error = step_keeps(step, chosen, &keeps);
            place = just_before(logit, chosen);
        }
        if (keeps) {
            *token = chosen;
            return error;
        }
    }
    *token = step->top.token;
    return error;
}

static int step_choose(struct step *step, int32_t *token)
{
    if (step->greedy) {
        *token = step->top.token;
        return 0;
    }
    return step->grammar ? step_choose_allowed(step, token) : step_choose_free(step, token);
}

int weft_sampler_choose(struct weft_sampler *sampler, const float *logits, uint64_t position,
                        struct weft_grammar *grammar, int32_t *token)
{
    struct step step;
    int error = step_begin(&step, sampler, logits, position, grammar);
    return error < 0 ? error : step_choose(&step, token);
}

int weft_sampler_margin(struct weft_sampler *sampler, const float *logits, uint64_t position,
                        struct weft_grammar *grammar, int32_t token, struct weft_margin *out)
{
    WEFT_ASSERT(token >= 0 && token < sampler->vocabulary);
    struct step step;
    *out = (struct weft_margin){.choice = -1};
    int error = step_begin(&step, sampler, logits, position, grammar);
    if (error == 0) {
        error = step_choose(&step, &out->choice);
    }
    bool keeps = false;
    if (error == 0 && step.grammar && sampler->answers[token] == ANSWER_NONE) {
        error = step_ask(&step, &token, 1);
    }
    if (error == 0 && !(step.grammar && sampler->refused[token])) {
        error = step_keeps(&step, token, &keeps);
    }
    if (error < 0) {
        return error;
    }
    float margin = step_value(&step, out->choice) - step_value(&step, token);
    out->margin = margin > FLT_MAX ? FLT_MAX : margin;
    out->filtered = !keeps;
    return 0;
}

float weft_sampler_noise(uint64_t seed, uint64_t position, int32_t token)
{
    return weft_noise_value(weft_noise(seed, position), token);
}
