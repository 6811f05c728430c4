/* engine/exact.c - what exact arithmetic was shown for, and the name of what computes the same bits. */
#include "engine/exact.h"

#include <ggml.h>
#include <stdio.h>

#include "base/error.h"

#define RECIPE "exact-1" /* another one, of which other bits come, gets another number */

/* bench/determinism found no bit that differs for these (docs/ENGINE.md has the table). */
static const char *const architectures[] = {"llama", "gemma3"};
static const struct {
    enum ggml_type type;
    bool plain; /* in the file's layout only: four rows at once give other bits than one in ggml's own */
} weights[] = {
    {GGML_TYPE_Q4_0, false}, {GGML_TYPE_Q4_1, false}, {GGML_TYPE_Q5_0, false},
    {GGML_TYPE_Q5_1, false}, {GGML_TYPE_Q8_0, false}, {GGML_TYPE_Q3_K, false},
    {GGML_TYPE_Q4_K, true},  {GGML_TYPE_Q5_K, false}, {GGML_TYPE_Q6_K, false},
};

static int refuse(char *problem, const char *what, const char *name, const char *known)
{
    return weft_engine_refuse(
        problem, WEFT_ERR_UNSUPPORTED,
        "This model cannot be computed exactly: that was not shown for %s %.64s, only for %s. Take "
        "another one, or start without --exact.",
        what, name, known);
}

static bool is_shown(uint32_t type)
{
    for (size_t i = 0; i < WEFT_COUNT(weights); i++) {
        if (weights[i].type == (enum ggml_type)type) {
            return true;
        }
    }
    return false;
}

/* The names of all types that are shown: "q4_0, q4_1". */
static const char *list_weights(char *text, size_t size)
{
    size_t used = 0;
    text[0] = '\0';
    for (size_t i = 0; i < WEFT_COUNT(weights) && used < size; i++) {
        used += (size_t)snprintf(text + used, size - used, "%s%s", i > 0 ? ", " : "", ggml_type_name(weights[i].type));
    }
    return text;
}

int weft_exact_check(const struct weft_gguf *gguf, const struct weft_backend *backend,
                     const struct weft_engine_options *options, char problem[WEFT_ENGINE_PROBLEM_MAX])
{
    bool known = false;
    for (size_t i = 0; i < WEFT_COUNT(architectures); i++) {
        known = known || strcmp(gguf->architecture, architectures[i]) == 0;
    }
    if (!known) {
        return refuse(problem, "the architecture", gguf->architecture, "llama and gemma3");
    }
    if (gguf->experts > 0) {
        return refuse(problem, "a model with", "experts", "such without");
    }
    for (uint32_t type = 0; type < WEFT_GGUF_TYPES_MAX; type++) {
        if (gguf->matrix_bytes[type] > 0 && !is_shown(type)) {
            char list[128];
            return refuse(problem, "weights of type", ggml_type_name((enum ggml_type)type),
                          list_weights(list, sizeof(list)));
        }
    }
    if (backend->device_count > 0 && options->gpu_layers != 0) {
        return weft_engine_refuse(problem, WEFT_ERR_UNSUPPORTED,
                                  "This model cannot be computed exactly on %s: that was shown for the CPU alone. Say "
                                  "--gpu-layers 0, or start without --exact.",
                                  backend->devices[0].name);
    }
    return 0;
}

bool weft_exact_plain(const struct weft_gguf *gguf)
{
    for (size_t i = 0; i < WEFT_COUNT(weights); i++) {
        if (weights[i].plain && gguf->matrix_bytes[weights[i].type] > 0) {
            return true;
        }
    }
    return false;
}

void weft_exact_class(char name[WEFT_EXACT_CLASS_MAX], const char *quant, const struct weft_backend *backend,
                      const struct weft_engine_options *options)
{
    bool device = backend->device_count > 0 && options->gpu_layers != 0;
    (void)snprintf(name, WEFT_EXACT_CLASS_MAX, "%s/%s%s%s/%s", quant, backend->variant, device ? "+" : "",
                   device ? backend->devices[0].name : "", options->exact ? RECIPE : "default"); /* all of it fits */
}
