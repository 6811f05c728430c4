/* node/openai_native.h - a checked request of OpenAI's API, as the body of POST /generate. */
#ifndef WEFT_NODE_OPENAI_NATIVE_H
#define WEFT_NODE_OPENAI_NATIVE_H

#include "node/openai_request.h"

/* What a model's file recommends, and what we take where it recommends nothing: small models need it. */
#define WEFT_OPENAI_TEMPERATURE    0.8
#define WEFT_OPENAI_TOP_K          40
#define WEFT_OPENAI_TOP_P          0.95
#define WEFT_OPENAI_MIN_P          0.05
#define WEFT_OPENAI_PENALTY_LAST_N 64 /* where a penalty is asked for: a longer look back would ruin long prompts */

/* What the request does not say itself. */
struct weft_openai_terms {
    uint64_t seed; /* where the request names none */
    struct weft_slice call_ids;
    int64_t now_s;                    /* seconds since 1970 */
    double temperature, top_p, min_p; /* recommended by the model's file; negative: it says nothing */
    int32_t top_k;
    bool elsewhere; /* the file is at another node, which says these four where the request does not */
};

/* The seed that the engine is given. */
uint64_t weft_openai_seed(const struct weft_openai_request *request, const struct weft_openai_terms *terms);

/* Appends the JSON. */
WEFT_MUST_USE int weft_openai_native_write(const struct weft_openai_request *request,
                                           const struct weft_openai_terms *terms, struct weft_bytes *out);

#endif
