/* engine/estimate.c - what a load will take, before it is tried; from the file's head alone. */
#include "engine/estimate.h"

#include <stdio.h>

#include <ggml.h>

#include "base/error.h"

#define GIGABYTE     1e9
#define CONTEXT_STEP 256 /* libllama rounds a slot's context up to this */
#define TOKEN_BYTES  192 /* of the vocabulary in memory: measured 160 to 180, and 190 a merge */
#define MERGE_BYTES  208
#define KV_BYTES     2 /* of a number in the cache: f16 */
#define STATE_BYTES  4 /* of one in a recurrent state: f32 */
#define ROW_BYTES    4 /* of one in what a layer computes: f32 */
#define MASK_BYTES   3 /* of each row's mask, for each token of context: 2 measured, and the slots' parts of it */
#define REPACK_SHARE 8 /* one part in so many of the file is not worth reading what could be mapped */
#define ADVICE_MAX   128
#define TYPE(name)   ((uint64_t)1 << GGML_TYPE_##name)

/* A file may claim anything: what is past counting is UINT64_MAX, and never fits. */
static uint64_t times(uint64_t a, uint64_t b)
{
    return b > 0 && a > UINT64_MAX / b ? UINT64_MAX : a * b;
}

static uint64_t plus(uint64_t a, uint64_t b)
{
    return a > UINT64_MAX - b ? UINT64_MAX : a + b;
}

/* -- weights -- */

/* What the CPU libraries hold in another layout than the file's. */
static uint64_t repacked_types(const char *variant)
{
#if defined(__x86_64__)
    if (strcmp(variant, "sapphirerapids") == 0) { /* for AMX */
        return TYPE(Q4_0) | TYPE(Q4_1) | TYPE(Q8_0) | TYPE(Q4_K) | TYPE(Q5_K) | TYPE(Q6_K) | TYPE(IQ4_XS) | TYPE(Q2_K) |
               TYPE(IQ4_NL) | TYPE(MXFP4);
    }
    return TYPE(Q4_0) | TYPE(Q4_K) | TYPE(Q2_K) | TYPE(IQ4_NL) | TYPE(MXFP4);
#else
    (void)variant;
    return TYPE(Q4_0) | TYPE(Q4_K) | TYPE(Q2_K) | TYPE(Q5_K) | TYPE(Q6_K) | TYPE(Q8_0) | TYPE(IQ4_NL) | TYPE(MXFP4);
#endif
}

static uint64_t repacked_bytes(const struct weft_gguf *gguf, const char *variant)
{
    uint64_t types = repacked_types(variant), bytes = 0;
    for (unsigned type = 0; type < WEFT_GGUF_TYPES_MAX; type++) {
        bytes += types >> type & 1 ? gguf->matrix_bytes[type] : 0;
    }
    return bytes;
}

bool weft_estimate_maps(const struct weft_gguf *gguf, const char *variant)
{
    return repacked_bytes(gguf, variant) <= gguf->file_size / REPACK_SHARE;
}

static uint64_t weight_bytes(const struct weft_gguf *gguf, const char *variant)
{
    uint64_t vocabulary = gguf->tokens * TOKEN_BYTES + gguf->merges * MERGE_BYTES;
    uint64_t repacked = repacked_bytes(gguf, variant);
    return vocabulary + (weft_estimate_maps(gguf, variant) ? gguf->file_size + repacked
                                                           : gguf->tensor_bytes + repacked / REPACK_SHARE);
}

/* -- context -- */

/* Keys and values of one token, in all layers. */
static uint64_t token_bytes(const struct weft_gguf *gguf)
{
    uint64_t heads =
        gguf->kv_heads_listed ? gguf->kv_heads : gguf->layers * (gguf->kv_heads > 0 ? gguf->kv_heads : gguf->heads);
    uint64_t width = gguf->heads > 0 ? gguf->embedding / gguf->heads : 0;
    uint64_t key = gguf->key_length > 0 ? gguf->key_length : width;
    uint64_t value = gguf->value_length > 0 ? gguf->value_length : width;
    return times(heads, (key + value) * KV_BYTES);
}

/* What recurrent layers keep of one slot, however long it is. */
static uint64_t state_bytes(const struct weft_gguf *gguf)
{
    uint64_t conv = gguf->state_conv > 0 ? gguf->state_conv - 1 : 0;
    uint64_t numbers = plus(times(conv, gguf->state_inner + 2 * gguf->state_groups * gguf->state_size),
                            gguf->state_size * gguf->state_inner);
    if (gguf->state_heads > 0) {
        numbers = plus(numbers, gguf->embedding * (2 + gguf->state_heads));
    }
    return times(numbers, gguf->layers * STATE_BYTES);
}

/* -- work -- */

/* The logits of a step (once where they are computed, once where they are handed over), what the widest layer computes
 * for a step's rows, and which row sees which token. */
static uint64_t work_bytes(const struct weft_gguf *gguf, uint64_t context)
{
    uint64_t logits = 2 * (uint64_t)WEFT_MODEL_OUTPUTS_MAX * gguf->tokens * ROW_BYTES;
    uint64_t rows = (uint64_t)WEFT_MODEL_BATCH * ROW_BYTES * (3 * gguf->feed_forward + 4 * gguf->embedding);
    return logits + rows + (uint64_t)WEFT_MODEL_BATCH * context * MASK_BYTES;
}

void weft_estimate(struct weft_model_estimate *out, const struct weft_gguf *gguf, const struct weft_backend *backend,
                   const struct weft_engine_options *options, int32_t slots, int32_t context)
{
    uint64_t padded = ((uint64_t)context + CONTEXT_STEP - 1) / CONTEXT_STEP * CONTEXT_STEP;
    *out = (struct weft_model_estimate){
        .weights = weight_bytes(gguf, backend->variant),
        .per_slot = plus(times(padded, token_bytes(gguf)), state_bytes(gguf)),
        .compute = work_bytes(gguf, padded),
        .available = backend->memory_available,
        .context_tokens = context,
        .slots = slots,
    };
    out->context = times(out->per_slot, (uint64_t)slots);
    out->total = plus(out->weights + out->compute, out->context);
    if (options->memory_max > 0) {
        out->available = (uint64_t)options->memory_max;
        return;
    }
    /* What a GPU takes is not the machine's; how libllama parts the model between them is not known before. */
    for (size_t i = 0; i < backend->device_count && options->gpu_layers != 0; i++) {
        uint64_t room = UINT64_MAX - out->available;
        out->available += backend->devices[i].memory_free < room ? backend->devices[i].memory_free : room;
    }
}

void weft_estimate_say(const struct weft_model_estimate *estimate, char text[WEFT_ESTIMATE_TEXT_MAX])
{
    (void)snprintf(text, WEFT_ESTIMATE_TEXT_MAX,
                   "%.1f GB: %.1f model + %.1f context of %d slot%s x %d tokens + %.1f work",
                   (double)estimate->total / GIGABYTE, (double)estimate->weights / GIGABYTE,
                   (double)estimate->context / GIGABYTE, estimate->slots, estimate->slots == 1 ? "" : "s",
                   estimate->context_tokens, (double)estimate->compute / GIGABYTE);
}

/* What would fit, as a sentence. */
static void advise(char advice[ADVICE_MAX], const struct weft_model_estimate *estimate, const struct weft_gguf *gguf,
                   const struct weft_backend *backend, const struct weft_engine_options *options)
{
    struct weft_model_estimate other = {.total = UINT64_MAX};
    int32_t context = estimate->context_tokens, slots = estimate->slots;
    advice[0] = '\0';
    while (other.total > estimate->available && context > CONTEXT_STEP) {
        context = context / 2 > CONTEXT_STEP ? context / 2 : CONTEXT_STEP;
        weft_estimate(&other, gguf, backend, options, estimate->slots, context);
    }
    if (other.total <= estimate->available) {
        (void)snprintf(advice, ADVICE_MAX, "Try --context %d", context);
    }
    other.total = UINT64_MAX;
    while (other.total > estimate->available && slots > 1) {
        slots /= 2;
        weft_estimate(&other, gguf, backend, options, slots, estimate->context_tokens);
    }
    if (other.total <= estimate->available) {
        size_t used = strlen(advice);
        (void)snprintf(advice + used, ADVICE_MAX - used, "%s --slots %d", used > 0 ? " or" : "Try", slots);
    }
    if (advice[0]) {
        return;
    }
    weft_estimate(&other, gguf, backend, options, 1, CONTEXT_STEP);
    (void)snprintf(advice, ADVICE_MAX, "%s",
                   other.total <= estimate->available
                       ? "Try --slots 1 --context 256, or a smaller quant"
                       : "It does not fit with a single slot either: choose a smaller model or quant");
}

int weft_estimate_check(const struct weft_model_estimate *estimate, const struct weft_gguf *gguf,
                        const struct weft_backend *backend, const struct weft_engine_options *options,
                        char problem[WEFT_ENGINE_PROBLEM_MAX])
{
    if (estimate->total <= estimate->available) {
        return 0;
    }
    char says[WEFT_ESTIMATE_TEXT_MAX], advice[ADVICE_MAX];
    weft_estimate_say(estimate, says);
    advise(advice, estimate, gguf, backend, options);
    (void)snprintf(problem, WEFT_ENGINE_PROBLEM_MAX, "The model needs %s; %.1f GB are available%s. %s.", says,
                   (double)estimate->available / GIGABYTE, options->memory_max > 0 ? " to it (--memory-max)" : "",
                   advice);
    return WEFT_ERR_TOO_LARGE;
}
