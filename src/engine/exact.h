/* engine/exact.h - the setting in which an answer depends on its request alone: not on who is answered beside it, on
 * the pieces its prompt is read in, on where it is resumed, or on the number of threads.
 *
 * ggml's attention takes other ways where a stream has many rows in a step, and where a lone one looks back far, and
 * they differ in the last bits. It takes them only where keys and values are kept in one type: so here they are not.
 * What must hold besides (that a product of matrices does not depend on how many rows are multiplied at once) is
 * measured by bench/determinism for each type of weights; what is not in the table of exact.c is refused. */
#ifndef WEFT_ENGINE_EXACT_H
#define WEFT_ENGINE_EXACT_H

#include "engine/backend.h"
#include "engine/gguf.h"

#define WEFT_EXACT_VARIANT   "haswell" /* the CPU library that it was shown with: AVX2, FMA */
#define WEFT_EXACT_CLASS_MAX 192

/* May this file be computed exactly here? 0, or WEFT_ERR_UNSUPPORTED with the sentence. */
WEFT_MUST_USE int weft_exact_check(const struct weft_gguf *gguf, const struct weft_backend *backend,
                                   const struct weft_engine_options *options, char problem[WEFT_ENGINE_PROBLEM_MAX]);

/* Must its weights stay in the file's layout? The products are exact in that one only. */
bool weft_exact_plain(const struct weft_gguf *gguf);

/* What two engines must have in common to compute the same bits from the same file: "Q4_1/haswell/exact-1". `quant` is
 * libllama's name of it. */
void weft_exact_class(char name[WEFT_EXACT_CLASS_MAX], const char *quant, const struct weft_backend *backend,
                      const struct weft_engine_options *options);

#endif
