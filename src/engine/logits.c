/* engine/logits.c - the model's own distribution: what the logits say before any filter. */
#include <math.h>

#include "base/assert.h"
#include "engine/exponential.h"
#include "engine/sampler.h"
#include "wire/native.h"

#define BLOCK WEFT_EXPONENTIAL_BLOCK

double weft_logits_total(const float *logits, int32_t vocabulary)
{
    float largest = -INFINITY;
    for (int32_t i = 0; i < vocabulary; i++) {
        largest = logits[i] > largest ? logits[i] : largest;
    }
    if (isinf(largest)) {
        return (double)largest; /* nothing may come, or nothing but this */
    }
    double sum = 0;
    for (int32_t begin = 0; begin < vocabulary; begin += BLOCK) {
        float block[BLOCK];
        int32_t size = vocabulary - begin < BLOCK ? vocabulary - begin : BLOCK;
        for (int32_t i = 0; i < BLOCK; i++) {
            block[i] = i < size ? logits[begin + i] - largest : WEFT_EXPONENTIAL_LEAST;
        }
        weft_exponential_block(block);
        for (int32_t i = 0; i < size; i++) {
            sum += (double)block[i];
        }
    }
    /* cppcheck-suppress invalidFunctionArg ; the largest is one of them and adds 1 */
    return (double)largest + log(sum);
}

/* A logit that is no number is never likely. */
static float likelihood(const float *logits, int32_t token)
{
    return isnan(logits[token]) ? -INFINITY : logits[token];
}

void weft_logits_top(const float *logits, int32_t vocabulary, int32_t *tokens, size_t count)
{
    WEFT_ASSERT(count <= WEFT_NATIVE_LOGPROBS_MAX && (int64_t)count <= vocabulary);
    size_t found = 0;
    for (int32_t token = 0; token < vocabulary && count > 0; token++) {
        float logit = likelihood(logits, token);
        if (found == count && !(logit > likelihood(logits, tokens[count - 1]))) {
            continue;
        }
        size_t place = found < count ? found++ : count - 1;
        for (; place > 0 && logit > likelihood(logits, tokens[place - 1]); place--) {
            tokens[place] = tokens[place - 1];
        }
        tokens[place] = token;
    }
}

int32_t weft_logits_rank(const float *logits, int32_t vocabulary, int32_t token)
{
    WEFT_ASSERT(token >= 0 && token < vocabulary);
    int32_t likelier = 0;
    float logit = likelihood(logits, token);
    for (int32_t i = 0; i < vocabulary; i++) {
        likelier += logits[i] > logit;
    }
    return likelier;
}
