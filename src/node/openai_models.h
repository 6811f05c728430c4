/* node/openai_models.h - this node's models as OpenAI's API lists them, and the one that a client names. */
#ifndef WEFT_NODE_OPENAI_MODELS_H
#define WEFT_NODE_OPENAI_MODELS_H

#include "node/models.h"
#include "node/openai_error.h"

/* Appends the list of all models, or one of them. */
WEFT_MUST_USE int weft_openai_models_write(const struct weft_models *models, struct weft_bytes *out);
WEFT_MUST_USE int weft_openai_model_write(const struct weft_models *models, size_t index, struct weft_bytes *out);

/* The model that goes by `name`. WEFT_ERR_INVALID, and *error says why (404, or 400 where none is named). */
WEFT_MUST_USE int weft_openai_model_find(const struct weft_models *models, struct weft_slice name, size_t *index,
                                         struct weft_openai_error *error);
/* The same from a part of a path, where bytes may be written as %41. */
WEFT_MUST_USE int weft_openai_model_find_path(const struct weft_models *models, struct weft_slice part, size_t *index,
                                              struct weft_openai_error *error);

#endif
