/* engine/sandbox.h - locks the engine in: no socket, no exec, no ptrace, no file but the model's folder and libraries.
 *
 * Linux only, elsewhere the level is "none". Entered after the back-ends are loaded and before the model is read, by
 * all threads (they inherit it, so before any is made). */
#ifndef WEFT_ENGINE_SANDBOX_H
#define WEFT_ENGINE_SANDBOX_H

#include "engine/options.h"

#define WEFT_SANDBOX_LEVEL_MAX 96

/* Locks. `level` says in a few words what holds: "seccomp + landlock (ABI 7)", "seccomp only: this kernel has no
 * landlock", "off: --sandbox off". A sandbox that was asked for and of which nothing can be had is an error. */
WEFT_MUST_USE int weft_sandbox_enter(const struct weft_engine_options *options, char level[WEFT_SANDBOX_LEVEL_MAX],
                                     char problem[WEFT_ENGINE_PROBLEM_MAX]);

/* Tries, from inside, what must be refused: a socket, exec, ptrace, a file outside, writing a file, and so on; appends
 * "NAME refused|ALLOWED" lines to `report` for `weft-engine --sandbox-test`. Returns how many were allowed. */
int weft_sandbox_try(char *report, size_t size);

#endif
