/* engine/guard.h - a limit of time on what a model's own program (its chat template) or a client's grammar may take.
 *
 * A template that loops cannot be stopped from outside its interpreter: when the time is over the process ends with
 * WEFT_ENGINE_EXIT_GUARD, and the node says what it was. */
#ifndef WEFT_ENGINE_GUARD_H
#define WEFT_ENGINE_GUARD_H

#include "base/types.h"

/* How an engine ends, where not by 0 or a signal. */
enum weft_engine_exit {
    WEFT_ENGINE_EXIT_USAGE = 2,
    WEFT_ENGINE_EXIT_TEMPLATE = 64, /* a chat template ran longer than the guard allows */
    WEFT_ENGINE_EXIT_ABORT = 65,    /* libllama gave up on itself (an assertion of its own) */
    WEFT_ENGINE_EXIT_SANDBOX = 66,  /* a call that the sandbox does not allow */
    WEFT_ENGINE_EXIT_MEMORY = 67,   /* out of memory */
};

#define WEFT_GUARD_TEMPLATE_MS 10000

/* Sets up the handlers (SIGALRM, libllama's abort, std::terminate); once, in main. */
WEFT_MUST_USE int weft_guard_setup(void);
/* Between these two the calling thread may take `ms` of its own CPU time. They do not nest. */
void weft_guard_begin(uint32_t ms);
void weft_guard_end(void);

#endif
