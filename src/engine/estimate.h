/* engine/estimate.h - what a load will take, before it is tried; from the file's head alone.
 *
 * It is never below what is taken, once a whole step has been computed, and over it by a third at most
 * (tests/engine/estimate_test.py measures it). */
#ifndef WEFT_ENGINE_ESTIMATE_H
#define WEFT_ENGINE_ESTIMATE_H

#include "engine/gguf.h"
#include "engine/model.h"

#define WEFT_ESTIMATE_TEXT_MAX 160

/* Is the file mapped, or read into memory? Matrices that libllama holds in another layout (which depends on the CPU
 * library) would be there twice if it were mapped: where they are many, it is read. */
bool weft_estimate_maps(const struct weft_gguf *gguf, const char *variant);

void weft_estimate(struct weft_model_estimate *out, const struct weft_gguf *gguf, const struct weft_backend *backend,
                   const struct weft_engine_options *options, int32_t slots, int32_t context);

/* WEFT_ERR_TOO_LARGE if that is more than there is: `problem` has the numbers, and what would fit. */
WEFT_MUST_USE int weft_estimate_check(const struct weft_model_estimate *estimate, const struct weft_gguf *gguf,
                                      const struct weft_backend *backend, const struct weft_engine_options *options,
                                      char problem[WEFT_ENGINE_PROBLEM_MAX]);

/* "1.9 GB: 0.1 model + 1.7 context of 8 slots x 8192 tokens + 0.1 work". */
void weft_estimate_say(const struct weft_model_estimate *estimate, char text[WEFT_ESTIMATE_TEXT_MAX]);

#endif
