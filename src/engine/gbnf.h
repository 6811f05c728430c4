/* engine/gbnf.h - the text of a grammar, read into rules.
 *
 * The language is libllama's GBNF. libllama's own reader is not used: it prints a text that it cannot read on stderr,
 * recurses as deep as the text nests, takes exponential time over some texts, and tells of errors by exceptions. */
#ifndef WEFT_ENGINE_GBNF_H
#define WEFT_ENGINE_GBNF_H

#include "base/types.h"

#define WEFT_GBNF_ELEMENTS_MAX ((size_t)1 << 20) /* once repetitions are written out */
#define WEFT_GBNF_RULES_MAX    ((size_t)1 << 17)
#define WEFT_GBNF_RANGES_MAX   ((size_t)1 << 20)
#define WEFT_GBNF_DEPTH_MAX    256 /* brackets in brackets */

/* A rule is its alternatives: WEFT_GBNF_OR between them, WEFT_GBNF_END behind the last. */
enum weft_gbnf_kind {
    WEFT_GBNF_END,
    WEFT_GBNF_OR,
    WEFT_GBNF_RULE,      /* value: the rule */
    WEFT_GBNF_CHARS,     /* one of the ranges value to value + count */
    WEFT_GBNF_NOT_CHARS, /* none of them; of no ranges: any character */
    WEFT_GBNF_TOKEN,     /* value: this token */
    WEFT_GBNF_NOT_TOKEN, /* any but it */
};

struct weft_gbnf_element {
    enum weft_gbnf_kind kind;
    uint32_t value, count;
};

struct weft_gbnf_range {
    uint32_t low, high;
};

struct weft_gbnf {
    struct weft_gbnf_element *elements; /* the first two are a reference to the root, and an end */
    uint32_t *rules;                    /* where each begins */
    struct weft_gbnf_range *ranges;
    size_t element_count, rule_count, range_count;
    bool has_tokens;
};

/* Which token a text like "<think>" is; below 0 if it is not exactly one. */
struct weft_gbnf_tokens {
    int32_t (*find)(void *self, struct weft_slice text);
    void *self;
};

/* WEFT_ERR_INVALID if the text is no grammar with a rule "root", or one that is left-recursive; WEFT_ERR_TOO_LARGE past
 * one of the limits. On an error nothing is left behind. */
WEFT_MUST_USE int weft_gbnf_init(struct weft_gbnf *gbnf, struct weft_slice text, const struct weft_gbnf_tokens *tokens);
void weft_gbnf_deinit(struct weft_gbnf *gbnf);

/* Does an alternative end here? */
static inline bool weft_gbnf_ends(const struct weft_gbnf *gbnf, uint32_t element)
{
    return gbnf->elements[element].kind <= WEFT_GBNF_OR;
}

#endif
