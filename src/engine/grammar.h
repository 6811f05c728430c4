/* engine/grammar.h - what a grammar (GBNF) lets come next, token by token.
 *
 * A grammar may sleep until a trigger: a tool call that the model may make, or not. Texts that are compiled come from
 * clients: their size, rules and the work of one step are bounded. */
#ifndef WEFT_ENGINE_GRAMMAR_H
#define WEFT_ENGINE_GRAMMAR_H

#include "base/types.h"

#define WEFT_GRAMMAR_TEXT_MAX     ((size_t)1024 * 1024)
#define WEFT_GRAMMAR_TRIGGERS_MAX 32

struct llama_vocab;
struct weft_grammar;

struct weft_grammar_options {
    const struct llama_vocab *vocab;
    const char *text;                    /* root is "root" */
    bool lazy;                           /* sleeps until one of these */
    const char *const *trigger_patterns; /* regular expressions, matched from the answer's start */
    size_t trigger_pattern_count;
    const int32_t *trigger_tokens;
    size_t trigger_token_count;
};

/* WEFT_ERR_INVALID if the text is no grammar. On error *out is NULL. */
WEFT_MUST_USE int weft_grammar_new(struct weft_grammar **out, const struct weft_grammar_options *options);
void weft_grammar_free(struct weft_grammar *grammar);

/* ok[i]: may tokens[i] come next? Asking changes nothing. */
WEFT_MUST_USE int weft_grammar_test(struct weft_grammar *grammar, const int32_t *tokens, size_t count, bool *ok);
/* The token has come. WEFT_ERR_INVALID if it may not have (resumed ids that do not fit). */
WEFT_MUST_USE int weft_grammar_accept(struct weft_grammar *grammar, int32_t token);
/* Does anything constrain now? False while it sleeps. */
bool weft_grammar_awake(const struct weft_grammar *grammar);

#endif
