/* engine/candidates.c - the tokens of a vocabulary by their logits.
 *
 * The inner loops go over one block, whose size the compiler knows, and keep partial results in a few lanes: that is
 * what it makes vector code of without being allowed to change the order of float arithmetic. */
#include "engine/candidates.h"

#include <float.h>
#include <math.h>

#include "base/assert.h"
#include "base/error.h"
#include "base/mem.h"
#include "engine/exponential.h"

#define BLOCK WEFT_NOISE_BLOCK
_Static_assert(WEFT_NOISE_BLOCK == WEFT_EXPONENTIAL_BLOCK, "a block is a block");

#define LANES       8
#define BAND_MIN    64    /* candidates that are put in order at first; then four times as many */
#define NOISE_MAX   23.0f /* no noise is larger */
#define SAMPLE_STEP 16    /* one in so many logits tells where many of them lie */

struct weft_candidates {
    size_t vocabulary, blocks;
    float *logits;    /* whole blocks: behind the vocabulary, minus infinity */
    float *block_max; /* the largest of each block */
    float largest;
    float *scratch; /* for selecting: vocabulary floats, once needed */

    /* The order so far, and a heap of those that come next: all with a logit of band_end or more. */
    int32_t *sorted;
    size_t sorted_count;
    struct weft_candidate *heap;
    size_t heap_count, band_size;
    float band_end;

    struct weft_candidate *better;
};

int weft_candidates_new(struct weft_candidates **out, int32_t vocabulary)
{
    *out = NULL;
    WEFT_ASSERT(vocabulary > 0);
    struct weft_candidates *candidates = weft_zalloc(sizeof(*candidates));
    if (!candidates) {
        return WEFT_ERR_MEMORY;
    }
    candidates->vocabulary = (size_t)vocabulary;
    candidates->blocks = ((size_t)vocabulary + BLOCK - 1) / BLOCK;
    candidates->logits = weft_calloc(candidates->blocks * BLOCK, sizeof(float));
    candidates->block_max = weft_calloc(candidates->blocks, sizeof(float));
    if (!candidates->logits || !candidates->block_max) {
        weft_candidates_free(candidates);
        return WEFT_ERR_MEMORY;
    }
    *out = candidates;
    return 0;
}

void weft_candidates_free(struct weft_candidates *candidates)
{
    if (!candidates) {
        return;
    }
    weft_free(candidates->logits);
    weft_free(candidates->block_max);
    weft_free(candidates->scratch);
    weft_free(candidates->sorted);
    weft_free(candidates->heap);
    weft_free(candidates->better);
    weft_free(candidates);
}

float *weft_candidates_load(struct weft_candidates *candidates, const float *logits)
{
    memcpy(candidates->logits, logits, candidates->vocabulary * sizeof(float));
    for (size_t i = candidates->vocabulary; i < candidates->blocks * BLOCK; i++) {
        candidates->logits[i] = -INFINITY;
    }
    return candidates->logits;
}

/* The largest of a block; *numbers counts those that are numbers, or minus infinity. */
static float block_largest(const float *logits, int *numbers)
{
    float lanes[LANES];
    int count = 0;
    for (size_t i = 0; i < LANES; i++) {
        lanes[i] = logits[i];
    }
    for (size_t i = 0; i < BLOCK; i += LANES) {
        for (size_t lane = 0; lane < LANES; lane++) {
            lanes[lane] = logits[i + lane] > lanes[lane] ? logits[i + lane] : lanes[lane];
        }
    }
    for (size_t i = 0; i < BLOCK; i++) {
        count += logits[i] <= FLT_MAX;
    }
    *numbers += count;
    float largest = lanes[0];
    for (size_t i = 1; i < LANES; i++) {
        largest = lanes[i] > largest ? lanes[i] : largest;
    }
    return largest;
}

int weft_candidates_sort(struct weft_candidates *candidates)
{
    float largest = -INFINITY;
    for (size_t i = 0; i < candidates->blocks; i++) {
        int numbers = 0;
        candidates->block_max[i] = block_largest(candidates->logits + i * BLOCK, &numbers);
        if (numbers != BLOCK) {
            return WEFT_ERR_INVALID;
        }
        largest = candidates->block_max[i] > largest ? candidates->block_max[i] : largest;
    }
    candidates->largest = largest;
    candidates->sorted_count = candidates->heap_count = 0;
    candidates->band_size = BAND_MIN;
    candidates->band_end = INFINITY;
    return largest < -FLT_MAX ? WEFT_ERR_INVALID : 0;
}

float weft_candidates_logit(const struct weft_candidates *candidates, int32_t token)
{
    return candidates->logits[token];
}

/* -- the order -- */

static bool comes_before(struct weft_candidate a, struct weft_candidate b)
{
    return a.value > b.value || (a.value == b.value && a.token < b.token);
}

/* The heap's element `i` may belong further down. */
static void heap_sink(struct weft_candidate *heap, size_t count, size_t i)
{
    struct weft_candidate moved = heap[i];
    for (size_t child = 2 * i + 1; child < count; child = 2 * i + 1) {
        if (child + 1 < count && comes_before(heap[child + 1], heap[child])) {
            child++;
        }
        if (!comes_before(heap[child], moved)) {
            break;
        }
        heap[i] = heap[child];
        i = child;
    }
    heap[i] = moved;
}

static void heap_make(struct weft_candidate *heap, size_t count)
{
    for (size_t i = count / 2; i-- > 0;) {
        heap_sink(heap, count, i);
    }
}

static struct weft_candidate heap_take(struct weft_candidate *heap, size_t *count)
{
    struct weft_candidate first = heap[0];
    heap[0] = heap[--*count];
    heap_sink(heap, *count, 0);
    return first;
}

/* The value that stands at `n`, from 0, once the values are in falling order (Hoare's FIND). */
static float nth_largest(float *values, size_t count, size_t n)
{
    ptrdiff_t low = 0, high = (ptrdiff_t)count - 1, wanted = (ptrdiff_t)n;
    while (low < high) {
        float pivot = values[low + (high - low) / 2];
        ptrdiff_t i = low, j = high;
        while (i <= j) {
            while (values[i] > pivot) {
                i++;
            }
            while (values[j] < pivot) {
                j--;
            }
            if (i <= j) {
                float swapped = values[i];
                values[i++] = values[j];
                values[j--] = swapped;
            }
        }
        if (wanted <= j) {
            high = j;
        } else if (wanted >= i) {
            low = i;
        } else {
            break;
        }
    }
    return values[n];
}

/* Memory that is there, or else is made: not every sampler needs all of it. */
static void *needed(void *memory, size_t count, size_t size)
{
    return memory ? memory : weft_calloc(count, size);
}

/* A logit that `count` candidates reach, and not many more. Few: as many blocks have one. Many: as a sample says, which
 * may be wrong. */
static float reached_by(struct weft_candidates *candidates, size_t count)
{
    float *scratch = candidates->scratch;
    size_t size = candidates->blocks, n = count - 1;
    if (count <= candidates->blocks / 2) {
        memcpy(scratch, candidates->block_max, size * sizeof(float));
    } else {
        double share = (double)count / SAMPLE_STEP;
        n = (size_t)(share + 4 * sqrt(share)) + SAMPLE_STEP; /* so that it hardly ever says too few */
        size = 0;
        for (size_t i = 0; i < candidates->vocabulary; i += SAMPLE_STEP) {
            scratch[size++] = candidates->logits[i];
        }
    }
    float reached = n < size ? nth_largest(scratch, size, n) : -FLT_MAX;
    return reached < -FLT_MAX ? -FLT_MAX : reached;
}

/* Fills the heap with the next band of candidates; it may come out empty. */
static void next_band(struct weft_candidates *candidates)
{
    float begin = candidates->band_end, end = reached_by(candidates, candidates->band_size);
    size_t count = 0;
    for (size_t block = 0; block < candidates->blocks; block++) {
        if (candidates->block_max[block] < end) {
            continue;
        }
        for (size_t i = block * BLOCK; i < (block + 1) * BLOCK; i++) {
            float logit = candidates->logits[i];
            if (logit >= end && logit < begin) {
                candidates->heap[count++] = (struct weft_candidate){.value = logit, .token = (int32_t)i};
            }
        }
    }
    heap_make(candidates->heap, count);
    candidates->heap_count = count;
    candidates->band_end = end;
    candidates->band_size *= 4;
}

int weft_candidates_at(struct weft_candidates *candidates, size_t i, int32_t *token)
{
    size_t count = candidates->vocabulary;
    candidates->scratch = needed(candidates->scratch, count, sizeof(*candidates->scratch));
    candidates->sorted = needed(candidates->sorted, count, sizeof(*candidates->sorted));
    candidates->heap = needed(candidates->heap, count, sizeof(*candidates->heap));
    if (!candidates->scratch || !candidates->sorted || !candidates->heap) {
        return WEFT_ERR_MEMORY;
    }
    while (candidates->sorted_count <= i) {
        if (candidates->heap_count > 0) {
            struct weft_candidate next = heap_take(candidates->heap, &candidates->heap_count);
            candidates->sorted[candidates->sorted_count++] = next.token;
        } else if (candidates->band_end > -FLT_MAX) {
            next_band(candidates);
        } else {
            *token = -1;
            return 0;
        }
    }
    *token = candidates->sorted[i];
    return 0;
}

/* The place of the n-th candidate, by id, of those with exactly this logit. */
static struct weft_place nth_equal(const struct weft_candidates *candidates, float logit, size_t n)
{
    for (size_t block = 0; block < candidates->blocks; block++) {
        if (candidates->block_max[block] < logit) {
            continue;
        }
        for (size_t i = block * BLOCK; i < (block + 1) * BLOCK; i++) {
            if (candidates->logits[i] == logit && --n == 0) {
                return (struct weft_place){.logit = logit, .token = (int32_t)i};
            }
        }
    }
    return weft_place_last();
}

struct weft_place weft_candidates_first(const struct weft_candidates *candidates)
{
    return nth_equal(candidates, candidates->largest, 1);
}

/* All logits from `end` on, into the scratch memory; how many. */
static size_t gather(struct weft_candidates *candidates, float end)
{
    size_t count = 0;
    for (size_t block = 0; block < candidates->blocks; block++) {
        if (candidates->block_max[block] < end) {
            continue;
        }
        for (size_t i = block * BLOCK; i < (block + 1) * BLOCK && i < candidates->vocabulary; i++) {
            candidates->scratch[count] = candidates->logits[i];
            count += candidates->logits[i] >= end ? 1 : 0; /* without a branch that nobody could foresee */
        }
    }
    return count;
}

int weft_candidates_place(struct weft_candidates *candidates, size_t count, struct weft_place *place)
{
    WEFT_ASSERT(count > 0);
    candidates->scratch = needed(candidates->scratch, candidates->vocabulary, sizeof(*candidates->scratch));
    if (!candidates->scratch) {
        return WEFT_ERR_MEMORY;
    }
    float end = reached_by(candidates, count);
    size_t there = gather(candidates, end), before = 0;
    if (there < count && end > -FLT_MAX) {
        there = gather(candidates, -FLT_MAX);
    }
    *place = weft_place_last();
    if (there >= count) {
        float logit = nth_largest(candidates->scratch, there, count - 1);
        for (size_t i = 0; i < there; i++) {
            before += candidates->scratch[i] > logit;
        }
        *place = nth_equal(candidates, logit, count - before);
    }
    return 0;
}

/* -- passes over all -- */

/* Of one block, all whose logit times `sign` is above `limit`. */
static double block_mass(const float *logits, struct weft_scale scale, float sign, float limit)
{
    float weights[BLOCK], lanes[LANES] = {0};
    uint32_t bits[BLOCK];
    for (size_t i = 0; i < BLOCK; i++) {
        weights[i] = (logits[i] - scale.top) * scale.factor;
    }
    weft_exponential_block(weights);
    memcpy(bits, weights, sizeof(bits));
    for (size_t i = 0; i < BLOCK; i++) {
        bits[i] &= 0u - (uint32_t)(logits[i] * sign > limit);
    }
    memcpy(weights, bits, sizeof(weights));
    for (size_t i = 0; i < BLOCK; i += LANES) {
        for (size_t lane = 0; lane < LANES; lane++) {
            lanes[lane] += weights[i + lane];
        }
    }
    double sum = 0;
    for (size_t i = 0; i < LANES; i++) {
        sum += (double)lanes[i];
    }
    return sum;
}

static bool block_has(const float *logits, float logit)
{
    int count = 0;
    for (size_t i = 0; i < BLOCK; i++) {
        count += logits[i] == logit;
    }
    return count > 0;
}

/* The sum over what is up to the place, or behind it. */
static double mass(const struct weft_candidates *candidates, struct weft_scale scale, struct weft_place place,
                   bool behind)
{
    double sum = 0, equal = (double)weft_exponential(weft_scaled(scale, place.logit));
    float sign = behind ? -1.0f : 1.0f;
    for (size_t block = 0; block < candidates->blocks; block++) {
        const float *logits = candidates->logits + block * BLOCK;
        if (candidates->block_max[block] < place.logit && !behind) {
            continue;
        }
        sum += block_mass(logits, scale, sign, place.logit * sign);
        if (block_has(logits, place.logit)) {
            for (size_t i = 0; i < BLOCK; i++) {
                bool holds = (int32_t)(block * BLOCK + i) <= place.token;
                sum += logits[i] == place.logit && holds != behind ? equal : 0;
            }
        }
    }
    return sum;
}

double weft_candidates_mass(const struct weft_candidates *candidates, struct weft_scale scale, struct weft_place place)
{
    return mass(candidates, scale, place, false);
}

double weft_candidates_mass_behind(const struct weft_candidates *candidates, struct weft_scale scale,
                                   struct weft_place place)
{
    return mass(candidates, scale, place, true);
}

/* Above what each of a block could come to with its noise. False if none reaches `limit`. */
static bool block_reaches(const struct weft_candidates *candidates, size_t block, struct weft_scale scale,
                          struct weft_noise noise, float limit, float bounds[BLOCK])
{
    if (weft_scaled(scale, candidates->block_max[block]) + NOISE_MAX < limit) {
        return false;
    }
    const float *logits = candidates->logits + block * BLOCK;
    float scaled[BLOCK];
    weft_noise_bounds(noise, (uint32_t)(block * BLOCK), bounds);
    for (size_t i = 0; i < BLOCK; i++) {
        scaled[i] = (logits[i] - scale.top) * scale.factor;
    }
    for (size_t i = 0; i < BLOCK; i++) {
        bounds[i] += scaled[i];
    }
    int reached = 0;
    for (size_t i = 0; i < BLOCK; i++) {
        reached += bounds[i] >= limit;
    }
    return reached > 0;
}

struct weft_candidate weft_candidates_best(const struct weft_candidates *candidates, struct weft_scale scale,
                                           struct weft_place place, float least, struct weft_noise noise)
{
    struct weft_candidate best = {.value = -INFINITY, .token = -1};
    float bounds[BLOCK];
    for (size_t block = 0; block < candidates->blocks; block++) {
        float largest = candidates->block_max[block];
        if (largest < place.logit || weft_scaled(scale, largest) < least ||
            !block_reaches(candidates, block, scale, noise, best.value, bounds)) {
            continue;
        }
        for (size_t i = 0; i < BLOCK; i++) {
            int32_t token = (int32_t)(block * BLOCK + i);
            float logit = candidates->logits[token], scaled = weft_scaled(scale, logit);
            if (bounds[i] >= best.value && scaled >= least && weft_place_holds(place, logit, token)) {
                float value = scaled + weft_noise_value(noise, token);
                best = value > best.value ? (struct weft_candidate){.value = value, .token = token} : best;
            }
        }
    }
    return best;
}

int weft_candidates_better(struct weft_candidates *candidates, struct weft_scale scale, float least,
                           struct weft_noise noise, struct weft_candidate best, const uint8_t *refused,
                           const struct weft_candidate **better, size_t *count)
{
    candidates->better = needed(candidates->better, candidates->vocabulary, sizeof(*candidates->better));
    if (!candidates->better) {
        return WEFT_ERR_MEMORY;
    }
    float bounds[BLOCK];
    size_t found = 0;
    for (size_t block = 0; block < candidates->blocks; block++) {
        if (weft_scaled(scale, candidates->block_max[block]) < least ||
            !block_reaches(candidates, block, scale, noise, best.value, bounds)) {
            continue;
        }
        for (size_t i = 0; i < BLOCK; i++) {
            int32_t token = (int32_t)(block * BLOCK + i);
            float logit = candidates->logits[token], scaled = weft_scaled(scale, logit);
            if (bounds[i] < best.value || scaled < least || logit < -FLT_MAX || refused[token]) {
                continue;
            }
            struct weft_candidate found_one = {.value = scaled + weft_noise_value(noise, token), .token = token};
            if (comes_before(found_one, best)) {
                candidates->better[found++] = found_one;
            }
        }
    }
    heap_make(candidates->better, found);
    for (size_t left = found; left > 1;) { /* each goes behind what is left of the heap: the best ends up last */
        struct weft_candidate first = heap_take(candidates->better, &left);
        candidates->better[left] = first;
    }
    for (size_t i = 0; i < found / 2; i++) {
        struct weft_candidate swapped = candidates->better[i];
        candidates->better[i] = candidates->better[found - 1 - i];
        candidates->better[found - 1 - i] = swapped;
    }
    *better = candidates->better;
    *count = found;
    return 0;
}
