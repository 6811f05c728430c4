/* sys/program.h - another program of ours: where it is, and what it prints.
 *
 * For commands, which have nothing else to do: it waits. A node starts its children by host's spawn. */
#ifndef WEFT_SYS_PROGRAM_H
#define WEFT_SYS_PROGRAM_H

#include "base/types.h"

#define WEFT_PROGRAM_PATH_MAX 4096
#define WEFT_PROGRAM_WAIT     (10 * WEFT_SECOND) /* then it is ended: WEFT_ERR_TIMEOUT */

/* Where a program is that was built or installed together with the running one: in the same folder. It need not be
 * there. WEFT_ERR_TOO_LARGE if the path does not fit. */
WEFT_MUST_USE int weft_program_beside(const char *name, char out[WEFT_PROGRAM_PATH_MAX]);

/* Runs `argv` (NULL at the end; argv[0] is a path) with no input, and fills `out` with what it printed, at most
 * size - 1 bytes and a NUL; what it prints beyond that is dropped. Its errors go where ours go. Returns 0 if it ended
 * by itself with 0; WEFT_ERR_NOT_FOUND if there is no such program, WEFT_ERR_DENIED if it may not be run,
 * WEFT_ERR_INVALID if it ended in another way. */
WEFT_MUST_USE int weft_program_output(const char *const *argv, char *out, size_t size);

#endif
