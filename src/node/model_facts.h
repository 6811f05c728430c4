/* node/model_facts.h - what a ready engine says of itself and of its model (GET /info), and a model's name. */
#ifndef WEFT_NODE_MODEL_FACTS_H
#define WEFT_NODE_MODEL_FACTS_H

#include "base/types.h"
#include "wire/json.h"

#define WEFT_MODEL_TEXT_MAX 96 /* bytes of each text, its NUL included; a longer one is cut */

struct weft_model_facts {
    int32_t slots, context_tokens, trained_tokens, threads;
    uint64_t memory;
    char description[WEFT_MODEL_TEXT_MAX], quant[WEFT_MODEL_TEXT_MAX], variant[WEFT_MODEL_TEXT_MAX],
        sandbox[WEFT_MODEL_TEXT_MAX], kernel_class[WEFT_MODEL_TEXT_MAX];
    char device[WEFT_MODEL_TEXT_MAX]; /* the first one beside the CPU; empty: there is none */
    bool exact;
    bool knows_tools, knows_reasoning, has_template;
    double temperature, top_p, min_p; /* negative: not said */
    int32_t top_k;
};

/* What is not there, or of another kind, reads as 0, "" or not said: an engine of our build says it all. */
void weft_model_facts_read(struct weft_model_facts *facts, const json_t *info);

/* The name clients call a file's model by, without folder and ".gguf": a part of `path`. Empty if there is none that
 * can be told: it must be UTF-8 without control characters. */
struct weft_slice weft_model_name(const char *path);

#endif
