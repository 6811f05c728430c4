/* engine/gguf.h - the head of a GGUF file, read with checks of our own before libllama sees it.
 *
 * The file may come from anybody. Everything in it is bounded and checked against the file's size; what is wrong is
 * said in a sentence with what to do. What passes here may still be no good model: libllama says that. */
#ifndef WEFT_ENGINE_GGUF_H
#define WEFT_ENGINE_GGUF_H

#include "engine/options.h"

#define WEFT_GGUF_KEYS_MAX      4096            /* real ones have some dozens */
#define WEFT_GGUF_TENSORS_MAX   32768           /* libllama compares each name with each: more would take it for ever */
#define WEFT_GGUF_KEY_MAX       ((size_t)65535) /* bytes, by its specification */
#define WEFT_GGUF_TEXT_MAX      ((size_t)4 * 1024 * 1024) /* bytes of a text, a chat template for one */
#define WEFT_GGUF_TOKEN_MAX     ((size_t)4096)            /* bytes of a token's */
#define WEFT_GGUF_LISTED_MAX    ((size_t)65536)           /* bytes of another one in a list */
#define WEFT_GGUF_LIST_MAX      ((uint64_t)16 * 1024 * 1024)
#define WEFT_GGUF_LAYERS_MAX    512  /* libllama's own, and it ends itself past it */
#define WEFT_GGUF_EXPERTS_MAX   1024 /* likewise */
#define WEFT_GGUF_PARTS_MAX     512
#define WEFT_GGUF_TYPES_MAX     64 /* of tensors: more than there are */
#define WEFT_GGUF_ALIGNMENT_MAX 65536

struct weft_gguf {
    char architecture[64];
    char type[32]; /* general.type: "model", "adapter" ... */
    bool has_vocabulary, has_embeddings, has_output;

    /* Hyperparameters; 0 where the file has none. Of those that differ by layer the largest. */
    uint64_t layers, context, embedding, feed_forward, heads;
    uint64_t kv_heads; /* the sum of all layers if the file lists them; else those of one */
    bool kv_heads_listed;
    uint64_t key_length, value_length, experts;
    uint64_t state_conv, state_inner, state_size, state_groups, state_heads; /* of recurrent layers */
    uint64_t tokens, token_types, scores, merges;
    uint64_t parts, part; /* of a split file */

    uint64_t alignment;
    uint64_t tensors;
    uint64_t file_size;                         /* of all parts */
    uint64_t tensor_bytes;                      /* likewise */
    uint64_t matrix_bytes[WEFT_GGUF_TYPES_MAX]; /* by tensor type: matrices that libllama may hold in another layout */
    uint64_t embedding_bytes;
    uint32_t embedding_type;
    uint64_t embedding_rows; /* of the token embeddings: must be as many as tokens */
};

/* Reads the head of `path`, and of its other parts if it is split. On error says why in `problem`:
 * WEFT_ERR_NOT_FOUND, WEFT_ERR_DENIED, WEFT_ERR_IO, WEFT_ERR_INVALID (damaged, or no GGUF at all), WEFT_ERR_MEMORY or
 * WEFT_ERR_UNSUPPORTED. */
WEFT_MUST_USE int weft_gguf_read(struct weft_gguf *gguf, const char *path, char problem[WEFT_ENGINE_PROBLEM_MAX]);

/* Of a split model, "x-00001-of-00003.gguf" and those beside it: how many parts the first one's name says; 0 if it is
 * no such name. */
uint64_t weft_gguf_parts_named(const char *path);
/* The path of another part, from 1 on, by such a name; false if it is too long. */
bool weft_gguf_part_path(char *out, size_t size, const char *path, uint64_t part);

#endif
