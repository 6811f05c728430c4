/* engine/estimate.c - what a load will take, before it is tried. */
#include <stdio.h>

#include "engine/model.h"

#define GIGABYTE 1e9

void weft_model_estimate_say(const struct weft_model_estimate *estimate, char *text, size_t size)
{
    (void)snprintf(text, size, "%.1f GB: %.1f model + %.1f context of %d slot%s x %d tokens + %.1f work",
                   (double)estimate->total / GIGABYTE, (double)estimate->weights / GIGABYTE,
                   (double)estimate->context / GIGABYTE, estimate->slots, estimate->slots == 1 ? "" : "s",
                   estimate->context_tokens, (double)estimate->compute / GIGABYTE);
}
