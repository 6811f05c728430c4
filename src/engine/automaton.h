/* engine/automaton.h - the states of a grammar, made as they are met, and kept: the next token mostly meets the same.
 *
 * A state is a set of stacks, each a way in which what came so far can be read; a stack says what must come next. What
 * is kept is bounded, and so is the work between two calls of _begin: a grammar with too many readings is an error. */
#ifndef WEFT_ENGINE_AUTOMATON_H
#define WEFT_ENGINE_AUTOMATON_H

#include "engine/gbnf.h"

#define WEFT_AUTOMATON_STACKS_MAX ((size_t)1 << 18) /* stacks share what is below their tops */
#define WEFT_AUTOMATON_STATES_MAX ((size_t)1 << 16)
#define WEFT_AUTOMATON_STEPS_MAX  ((size_t)1 << 18)  /* from a state by a character */
#define WEFT_AUTOMATON_WORK_MAX   ((size_t)50000000) /* looks at stacks and ranges: about a quarter of a second */

struct weft_automaton;

#define WEFT_AUTOMATON_DEAD 0u /* the state in which nothing can be read */

/* The grammar must outlive it. *start is the state before the first character. WEFT_ERR_TOO_LARGE if that alone passes
 * a limit, WEFT_ERR_MEMORY. On error *out is NULL. */
WEFT_MUST_USE int weft_automaton_new(struct weft_automaton **out, const struct weft_gbnf *gbnf, uint32_t *start);
void weft_automaton_free(struct weft_automaton *automaton);

/* New work begins. */
void weft_automaton_begin(struct weft_automaton *automaton);
/* If much is kept, only `state` stays, with another number. */
WEFT_MUST_USE int weft_automaton_make_room(struct weft_automaton *automaton, uint32_t *state);

/* The state after a character. WEFT_ERR_TOO_LARGE past a limit, WEFT_ERR_MEMORY. */
WEFT_MUST_USE int weft_automaton_step(struct weft_automaton *automaton, uint32_t state, uint32_t point, uint32_t *next);
/* The state after a token, for elements that name tokens. */
WEFT_MUST_USE int weft_automaton_step_token(struct weft_automaton *automaton, uint32_t state, uint32_t token,
                                            uint32_t *next);
/* All readings of two states. */
WEFT_MUST_USE int weft_automaton_join(struct weft_automaton *automaton, uint32_t a, uint32_t b, uint32_t *both);

/* May the text end here? */
bool weft_automaton_may_end(const struct weft_automaton *automaton, uint32_t state);
/* 1 if one of the characters from `low` to `high` may come, else 0; where all but some may, and those are among them, 0
 * too. WEFT_ERR_TOO_LARGE past the limit of work. */
WEFT_MUST_USE int weft_automaton_may_step(struct weft_automaton *automaton, uint32_t state, uint32_t low,
                                          uint32_t high);

#endif
