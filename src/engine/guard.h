/* engine/guard.h - a limit of time on what a model's own program (its chat template) or a client's grammar may take.
 *
 * A template that loops cannot be stopped from outside its interpreter: when the time is over the process ends with
 * WEFT_ENGINE_EXIT_TEMPLATE, and the node says what it was. */
#ifndef WEFT_ENGINE_GUARD_H
#define WEFT_ENGINE_GUARD_H

#include "base/types.h"
#include "wire/engine_exit.h"

#ifdef __cplusplus
extern "C" {
#endif

/* While it lasts nobody else is served: two of them, as one request may cause, are to be over before the node takes the
 * engine for hung. */
#define WEFT_GUARD_TEMPLATE_MS 4000

/* Sets up the handlers (the time's signal, libllama's abort); once, in main. */
WEFT_MUST_USE int weft_guard_setup(void);
#define WEFT_GUARD_ENDS __attribute__((noreturn)) /* C++ has no _Noreturn */
/* The ends of a C++ exception that nobody catches: chat_shim.cpp has std::terminate call one of them. */
WEFT_GUARD_ENDS void weft_guard_end_memory(void);
WEFT_GUARD_ENDS void weft_guard_end_abort(void);
/* The end of a call that the sandbox does not allow, by its number. */
WEFT_GUARD_ENDS void weft_guard_end_sandbox(int call);
/* Between these two the calling thread may take `ms` of its own CPU time. They do not nest. */
void weft_guard_begin(uint32_t ms);
void weft_guard_end(void);

#ifdef __cplusplus
}
#endif

#endif
