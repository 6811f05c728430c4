/* engine/sandbox.h - locks the engine in: no socket, no exec, no ptrace, no file but the model's.
 *
 * Linux only, elsewhere the level is "none". Entered after the back-ends are loaded and before the model is read, by
 * all threads (they inherit it, so before any is made).
 *
 * A call that is not on the list ends the process (WEFT_ENGINE_EXIT_SANDBOX, with the call's number) and does not just
 * fail: a library that is told "not permitted" goes on in another way, silently (refusing arch_prctl so made answers
 * 2.3 times slower, and different). Either the engine was taken over, then it must end, or a library learned a new
 * call, then somebody must hear of it. What libraries try on purpose and can do without fails in the usual way. */
#ifndef WEFT_ENGINE_SANDBOX_H
#define WEFT_ENGINE_SANDBOX_H

#include "engine/backend.h"
#include "engine/options.h"

#define WEFT_SANDBOX_LEVEL_MAX  96
#define WEFT_SANDBOX_REPORT_MAX 4096

/* Locks. `level` says in a few words what holds: "seccomp + landlock (ABI 7)", "seccomp only: this kernel has no
 * landlock", "off: --sandbox off". A sandbox that was asked for and of which nothing can be had is an error. With a GPU
 * the sandbox is wider, for its driver: the level says so. */
WEFT_MUST_USE int weft_sandbox_enter(const struct weft_engine_options *options, const struct weft_backend *backend,
                                     char level[WEFT_SANDBOX_LEVEL_MAX], char problem[WEFT_ENGINE_PROBLEM_MAX]);

/* Tries, from inside, what must be refused: a socket, exec, ptrace, a file outside, writing a file, and so on; appends
 * "NAME refused|ALLOWED" lines to `report` for `weft-engine --sandbox-test`. Returns how many were allowed. */
int weft_sandbox_try(const struct weft_engine_options *options, char *report, size_t size);

#endif
