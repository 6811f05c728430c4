/* wire/engine_exit.h - how a weft-engine ends, where not by 0 or a signal: what it says, the node can name. */
#ifndef WEFT_WIRE_ENGINE_EXIT_H
#define WEFT_WIRE_ENGINE_EXIT_H

enum weft_engine_exit {
    WEFT_ENGINE_EXIT_USAGE = 2,     /* its command line, or what it was started with, is wrong */
    WEFT_ENGINE_EXIT_TEMPLATE = 64, /* a chat template ran longer than the guard allows */
    WEFT_ENGINE_EXIT_ABORT = 65,    /* libllama gave up on itself (an assertion of its own) */
    WEFT_ENGINE_EXIT_SANDBOX = 66,  /* a call that the sandbox does not allow */
    WEFT_ENGINE_EXIT_MEMORY = 67,   /* out of memory */
};

#endif
