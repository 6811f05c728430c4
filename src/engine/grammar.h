/* engine/grammar.h - what a grammar (GBNF) lets come next, token by token.
 *
 * A grammar may sleep until a trigger: a tool call that the model may make, or not. Texts that are compiled come from
 * clients: their size, rules and the work of one step are bounded. So libllama's grammars are not used, though these
 * mean the same: its own grow without bound on texts that can be read in many ways, print texts on stderr, and tell of
 * errors by exceptions, which nobody would catch. */
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
    const char *const *trigger_patterns; /* texts, their special characters escaped: no other regular expressions */
    size_t trigger_pattern_count;
    const int32_t *trigger_tokens;
    size_t trigger_token_count;
};

/* WEFT_ERR_INVALID if the text is no grammar, WEFT_ERR_TOO_LARGE if it passes a limit (engine/gbnf.h, automaton.h),
 * WEFT_ERR_UNSUPPORTED for a pattern that is not a text. On error *out is NULL. */
WEFT_MUST_USE int weft_grammar_new(struct weft_grammar **out, const struct weft_grammar_options *options);
void weft_grammar_free(struct weft_grammar *grammar);

/* ok[i]: may tokens[i] come next? Asking changes nothing. WEFT_ERR_TOO_LARGE if what came can be read in more ways than
 * engine/automaton.h allows, WEFT_ERR_MEMORY. */
WEFT_MUST_USE int weft_grammar_test(struct weft_grammar *grammar, const int32_t *tokens, size_t count, bool *ok);
/* The token has come. WEFT_ERR_INVALID if it may not have (resumed ids that do not fit; a token that wakes the grammar
 * and goes on in another way), else as above; an error changes nothing. */
WEFT_MUST_USE int weft_grammar_accept(struct weft_grammar *grammar, int32_t token);
/* Does anything constrain now? False while it sleeps. */
bool weft_grammar_awake(const struct weft_grammar *grammar);

#endif
