/* engine/sampler.h - which token comes next: a pure function of logits, history and seed.
 *
 * Filters in this order: penalties, bias, grammar, temperature, top-k, top-p, min-p. What is left is chosen by
 * Gumbel-max: the largest (scaled logit + noise), where the noise of a token comes from a counter-based generator keyed
 * by (seed, position in the answer, token). So a resumed answer draws what the first attempt would have drawn, and
 * anybody with the same logits can check a choice. Temperature 0 takes the largest logit, of equals the lowest id. */
#ifndef WEFT_ENGINE_SAMPLER_H
#define WEFT_ENGINE_SAMPLER_H

#include "base/types.h"

#define WEFT_SAMPLER_BIAS_MAX    1024
#define WEFT_SAMPLER_HISTORY_MAX 4096 /* tokens that penalties look back on, at most */

struct weft_bias {
    int32_t token;
    float bias;
};

/* Below this a temperature counts as 0: no draw could tell the difference, and dividing by it might overflow. */
#define WEFT_SAMPLER_TEMPERATURE_MIN 1e-6f

struct weft_sampling {
    float temperature;                         /* 0..: 0 is greedy */
    int32_t top_k;                             /* 0: off */
    float top_p;                               /* 0..1: 1 is off */
    float min_p;                               /* 0..1: 0 is off */
    float repeat_penalty;                      /* 1 is off */
    float frequency_penalty, presence_penalty; /* 0 is off */
    int32_t penalty_last_n; /* tokens of prompt and answer that penalties see; 0: off, -1: WEFT_SAMPLER_HISTORY_MAX */
    const struct weft_bias *bias;
    size_t bias_count;
};

struct weft_grammar; /* engine/grammar.h; NULL where none constrains */

struct weft_sampler; /* opaque: scratch memory and history */

/* `sampling` is copied, its bias too; a bias of minus infinity forbids its token. WEFT_ERR_INVALID for a number out of
 * its range or a bias for a token that is not in the vocabulary, WEFT_ERR_TOO_LARGE for too many biases or too long a
 * history. On error *out is NULL. */
WEFT_MUST_USE int weft_sampler_new(struct weft_sampler **out, int32_t vocabulary, const struct weft_sampling *sampling,
                                   uint64_t seed);
void weft_sampler_free(struct weft_sampler *sampler);

/* A token of the prompt or of the answer has become history. */
void weft_sampler_accept(struct weft_sampler *sampler, int32_t token);

/* The next token at `position` (0 is the answer's first). `logits` is not changed. WEFT_ERR_NOT_FOUND if the
 * grammar lets nothing come (it is at its end and the model cannot end, or it wants what no token has),
 * WEFT_ERR_INVALID if the logits are no numbers. */
WEFT_MUST_USE int weft_sampler_choose(struct weft_sampler *sampler, const float *logits, uint64_t position,
                                      struct weft_grammar *grammar, int32_t *token);

/* How far `token` is from being the choice there: 0 where it is the choice, else by how much the winner's perturbed
 * logit is above its own (in units of the scaled logit; of the logit itself if greedy). `filtered`: a filter had taken
 * it out (the margin is then against the winner all the same, and may be below 0). At most FLT_MAX. */
struct weft_margin {
    float margin;
    int32_t choice;
    bool filtered;
};
WEFT_MUST_USE int weft_sampler_margin(struct weft_sampler *sampler, const float *logits, uint64_t position,
                                      struct weft_grammar *grammar, int32_t token, struct weft_margin *out);

/* The noise itself: Gumbel(0, 1), never infinite. */
float weft_sampler_noise(uint64_t seed, uint64_t position, int32_t token);

/* -- the model's own distribution -- */

/* log of the sum of exp over all logits: a token's log probability is its logit minus this. */
double weft_logits_total(const float *logits, int32_t vocabulary);
/* The `count` likeliest, likeliest first, of equals the lowest id. `count` is at most WEFT_NATIVE_LOGPROBS_MAX. */
void weft_logits_top(const float *logits, int32_t vocabulary, int32_t *tokens, size_t count);
/* How many tokens are likelier: 0 for the likeliest. */
int32_t weft_logits_rank(const float *logits, int32_t vocabulary, int32_t token);

#endif
