/* engine/gguf_check.h - what the values and tensors of a GGUF file mean, and whether they can be true. */
#ifndef WEFT_ENGINE_GGUF_CHECK_H
#define WEFT_ENGINE_GGUF_CHECK_H

#include "engine/gguf.h"
#include "engine/gguf_reader.h"

/* The field of a value by its key ("llama.block_count"), or NULL if we do not ask for it. */
uint64_t *weft_gguf_number_field(struct weft_gguf *gguf, const char *key);
char *weft_gguf_text_field(struct weft_gguf *gguf, const char *key, size_t *room);
/* Of a list: how many it has. */
uint64_t *weft_gguf_list_field(struct weft_gguf *gguf, const char *key);
/* Of a list with a number for each layer: where to add them up, or keep the largest. */
uint64_t *weft_gguf_layer_field(struct weft_gguf *gguf, const char *key);
void weft_gguf_layer_value(struct weft_gguf *gguf, const char *key, uint64_t value);

WEFT_MUST_USE int weft_gguf_check_alignment(struct weft_gguf *gguf, struct weft_gguf_reader *reader);
/* Counts a tensor in, and checks it if it is one whose shape we know. */
WEFT_MUST_USE int weft_gguf_note_tensor(struct weft_gguf *gguf, struct weft_gguf_reader *reader, const char *name,
                                        uint32_t type, const uint64_t shape[4], uint64_t size);
/* The whole, when all of it is read. */
WEFT_MUST_USE int weft_gguf_check(struct weft_gguf *gguf, struct weft_gguf_reader *reader);

#endif
