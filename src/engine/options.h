/* engine/options.h - the command line of weft-engine. */
#ifndef WEFT_ENGINE_OPTIONS_H
#define WEFT_ENGINE_OPTIONS_H

#include "base/types.h"

#define WEFT_ENGINE_SLOTS_MAX   64
#define WEFT_ENGINE_THREADS_MAX 512 /* libllama's own bound */
#define WEFT_ENGINE_SOCKET      3   /* the descriptor of our end of the socket pair */
#define WEFT_ENGINE_PROBLEM_MAX 512 /* bytes of a sentence that says why something failed */

/* Says in `problem` why something failed, cut if it is too long for it. Returns `error`. */
WEFT_PRINTF(3, 4)
int weft_engine_refuse(char problem[WEFT_ENGINE_PROBLEM_MAX], int error, const char *format, ...);

enum weft_engine_sandbox { WEFT_SANDBOX_ON, WEFT_SANDBOX_OFF };

struct weft_engine_options {
    const char *model;    /* the GGUF */
    const char *backends; /* folder of the ggml back-ends; NULL: where libllama is */
    const char *variant;  /* a CPU variant by name ("haswell"); NULL: the best that runs here */
    int32_t slots;        /* answers at once */
    int32_t context;      /* tokens per slot; 0: the model's own, at most 4096 */
    int32_t threads; /* the share of this engine in the core budget; 0: all that it may use (main fills in how many) */
    int32_t gpu_layers; /* -1: all that fit */
    int64_t memory_max; /* bytes this engine may use; 0: what the machine has available */
    enum weft_engine_sandbox sandbox;
    bool exact; /* engine/exact.h */
    bool version, help;
    bool sandbox_test; /* enter the sandbox, try what it must refuse, say it */
    bool check;        /* load, say what happened, end */
};

/* Reads argv. On error says why in `problem` (one sentence with what to do). */
WEFT_MUST_USE int weft_engine_options_read(struct weft_engine_options *options, int argc, char *const *argv,
                                           char problem[WEFT_ENGINE_PROBLEM_MAX]);
const char *weft_engine_options_help(void);

#endif
