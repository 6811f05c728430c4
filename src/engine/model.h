/* engine/model.h - one loaded model: its weights, its vocabulary, its context, and what they cost. */
#ifndef WEFT_ENGINE_MODEL_H
#define WEFT_ENGINE_MODEL_H

#include <stdatomic.h>

#include "engine/backend.h"
#include "engine/chat.h"
#include "engine/exact.h"
#include "engine/options.h"
#include "engine/tokenizer.h"

struct llama_context;
struct llama_model;
struct llama_vocab;
struct ggml_threadpool;

#define WEFT_MODEL_CONTEXT_DEFAULT 4096 /* tokens per slot, if the model allows as many */
#define WEFT_MODEL_BATCH           512  /* rows of a step */
#define WEFT_MODEL_OUTPUTS_MAX     64   /* rows of a step whose logits are asked for: libllama aborts past it */

/* What a load will take, before it is tried. */
struct weft_model_estimate {
    uint64_t weights, context, compute; /* bytes: the tensors; all slots' KV; buffers of a step */
    uint64_t total;
    uint64_t per_slot;  /* KV bytes of one slot */
    uint64_t available; /* what may be used */
    int32_t context_tokens, slots;
};

struct weft_model {
    struct llama_model *llama;
    struct llama_context *context;
    const struct llama_vocab *vocab;
    struct ggml_threadpool *threads, *threads_before; /* the second: libllama lets go of them with its next step */
    struct weft_tokenizer tokenizer;
    struct weft_chat *chat;
    bool has_template;
    struct weft_model_estimate estimate;
    char description[128]; /* libllama's: "llama 135M Q4_1" */
    char name[128];        /* general.name of the file, or "" ; from the model's maker: not trusted as an identity */
    char architecture[64], quant[64];
    char kernel_class[WEFT_EXACT_CLASS_MAX];
    int32_t context_tokens; /* of one slot */
    int32_t trained_tokens; /* context it was trained for */
    int32_t slots, vocabulary, embedding;
    size_t token_bytes_max; /* a text has a token at least for so many bytes; 0: this vocabulary promises nothing */
    int32_t thread_count;   /* at first */
    bool embeds;            /* its back-end pools embeddings itself */
    bool exact;             /* engine/exact.h */
    /* what the file recommends, or NAN / -1 */
    float temperature, top_p, min_p;
    int32_t top_k;
};

struct weft_model_progress { /* written by the loading thread, read by another */
    atomic_int permille;
    atomic_bool cancel;
};

/* Reads the file's head with checks of our own (a hostile one is refused with a sentence), estimates, refuses with the
 * numbers what cannot fit, loads, warms up. On error *out is NULL and `problem` says why and what to do. */
WEFT_MUST_USE int weft_model_load(struct weft_model **out, const struct weft_engine_options *options,
                                  const struct weft_backend *backend, struct weft_model_progress *progress,
                                  char problem[WEFT_ENGINE_PROBLEM_MAX]);
void weft_model_free(struct weft_model *model);
/* Computes one whole step, as large as they come, and forgets it: then all memory of the model has been touched. */
WEFT_MUST_USE int weft_model_exercise(struct weft_model *model, char problem[WEFT_ENGINE_PROBLEM_MAX]);

/* Another number of threads, from the next step on. WEFT_ERR_BUSY until a step was computed with those before. */
WEFT_MUST_USE int weft_model_set_threads(struct weft_model *model, int32_t count);
/* A step was computed: the threads before these can go. */
void weft_model_stepped(struct weft_model *model);

/* -- the vocabulary -- */

/* Bytes of a token's text. `special`: also those of control tokens. Returns the size; more than `room` is
 * WEFT_ERR_TOO_LARGE, an id that is none WEFT_ERR_INVALID. */
WEFT_MUST_USE int weft_model_piece(const struct weft_model *model, int32_t token, bool special, char *buffer,
                                   size_t room);
/* What `token_bytes_max` is to be: for vocabularies that spell out what they read. */
size_t weft_model_token_bytes(const struct weft_model *model);
bool weft_model_ends(const struct weft_model *model, int32_t token); /* end of generation */

#endif
