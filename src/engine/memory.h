/* engine/memory.h - how much memory this process may still take: of the machine, and of its control group. */
#ifndef WEFT_ENGINE_MEMORY_H
#define WEFT_ENGINE_MEMORY_H

#include "base/types.h"

struct weft_memory {
    uint64_t total;     /* bytes of the machine, or the smallest limit of a control group around us */
    uint64_t available; /* bytes that can be had without swapping */
};

/* What holds now. Where a system says nothing, both are UINT64_MAX: then nothing is refused. */
void weft_memory_read(struct weft_memory *memory);
/* The same, with Linux's files looked up under `root`, for tests; "" is the machine itself. */
void weft_memory_read_under(struct weft_memory *memory, const char *root);

#endif
