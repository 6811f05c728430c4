/* engine/candidates.h - the tokens of a vocabulary by their logits: in order, but only as far as somebody asks; and
 * passes over all of them, a block at a time, that skip what cannot matter.
 *
 * The order is: larger logit first, of equals the lower id. A logit of minus infinity is no candidate. Everything that
 * a filter keeps is a beginning of this order, so a place in it (struct weft_place) says all of a filter. */
#ifndef WEFT_ENGINE_CANDIDATES_H
#define WEFT_ENGINE_CANDIDATES_H

#include "engine/noise.h"

/* A place in the order: before it or at it is what has a larger logit, or the same and no larger id. */
struct weft_place {
    float logit;
    int32_t token;
};

struct weft_candidate {
    float value; /* a logit, or one with noise */
    int32_t token;
};

struct weft_candidates; /* opaque: scratch memory */

WEFT_MUST_USE int weft_candidates_new(struct weft_candidates **out, int32_t vocabulary);
void weft_candidates_free(struct weft_candidates *candidates);

/* Copies the logits and gives the copy: change what you like there, then call _sort. */
float *weft_candidates_load(struct weft_candidates *candidates, const float *logits);
/* Begins anew. WEFT_ERR_INVALID if one is no number or plus infinity, or all are minus infinity. */
WEFT_MUST_USE int weft_candidates_sort(struct weft_candidates *candidates);
float weft_candidates_logit(const struct weft_candidates *candidates, int32_t token);

struct weft_place weft_candidates_first(const struct weft_candidates *candidates);
/* The i-th of the order, from 0, or -1 past the last. WEFT_ERR_MEMORY at the first call. */
WEFT_MUST_USE int weft_candidates_at(struct weft_candidates *candidates, size_t i, int32_t *token);
/* The place of the count-th, from 1; the last place of all if there are no more. WEFT_ERR_MEMORY at the first call. */
WEFT_MUST_USE int weft_candidates_place(struct weft_candidates *candidates, size_t count, struct weft_place *place);

static inline struct weft_place weft_place_last(void)
{
    return (struct weft_place){.logit = -3.402823466e38f, .token = INT32_MAX}; /* the lowest number that is one */
}

static inline bool weft_place_holds(struct weft_place place, float logit, int32_t token)
{
    return logit > place.logit || (logit == place.logit && token <= place.token);
}

/* How logits are scaled: (logit - top) / temperature. */
struct weft_scale {
    float top, factor; /* factor: 1 / temperature */
};

static inline float weft_scaled(struct weft_scale scale, float logit)
{
    return (logit - scale.top) * scale.factor;
}

/* The sum of exp(scaled) over all candidates up to `place`; or over all behind it. None of them may be above
 * scale.top. */
double weft_candidates_mass(const struct weft_candidates *candidates, struct weft_scale scale, struct weft_place place);
double weft_candidates_mass_behind(const struct weft_candidates *candidates, struct weft_scale scale,
                                   struct weft_place place);

/* Gumbel-max: of the candidates up to `place` whose scaled logit is at least `least`, the one with the largest scaled
 * logit
 * + noise, of equals the lowest id; -1 if there is none. */
struct weft_candidate weft_candidates_best(const struct weft_candidates *candidates, struct weft_scale scale,
                                           struct weft_place place, float least, struct weft_noise noise);
/* All that beat `best`, the best first; not those with `refused[token]`. They hold until the next call.
 * WEFT_ERR_MEMORY at the first one. */
WEFT_MUST_USE int weft_candidates_better(struct weft_candidates *candidates, struct weft_scale scale, float least,
                                         struct weft_noise noise, struct weft_candidate best, const uint8_t *refused,
                                         const struct weft_candidate **better, size_t *count);

#endif
