/* node/model_match.h - which model is meant by a name as people type it.
 *
 * Pure: what was typed and the names there are come in. Letters' case, ".gguf", an organisation before a slash, the tag
 * "latest", and whether words are parted by a dash, a colon or nothing, do not matter. What was typed must be the name,
 * its beginning, or its words in order with nothing left out but sizes and "instruct": a word that is not in the name,
 * another version or another size, means another model, and is never answered with this one. */
#ifndef WEFT_NODE_MODEL_MATCH_H
#define WEFT_NODE_MODEL_MATCH_H

#include "base/types.h"

#define WEFT_MODEL_MATCH_MAX 4   /* names that are told; the other ones are counted */
#define WEFT_MODEL_TYPED_MAX 256 /* bytes; more fits nothing, as no file has such a name */

enum weft_model_match_kind {
    WEFT_MODEL_MATCH_NONE,    /* `at`: those that may have been meant, the nearest first */
    WEFT_MODEL_MATCH_ONE,     /* `at[0]` */
    WEFT_MODEL_MATCH_SEVERAL, /* `at`: those that fit equally well */
};

struct weft_model_match {
    enum weft_model_match_kind kind;
    size_t at[WEFT_MODEL_MATCH_MAX]; /* indices of names */
    size_t count;                    /* of `at` */
    size_t more;                     /* of SEVERAL: how many others fit as well */
};

/* The names are without ".gguf". */
void weft_model_match_find(struct weft_model_match *match, struct weft_slice typed, const struct weft_slice *names,
                           size_t count);

/* "A, B or C": the names of `at`, in its order, with `last` before the last one; what does not fit is cut. */
void weft_model_match_join(const struct weft_model_match *match, const struct weft_slice *names, const char *last,
                           char *text, size_t size);

#endif
