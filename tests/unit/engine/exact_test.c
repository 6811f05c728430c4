/* tests/unit/engine/exact_test.c - for what exact arithmetic is offered, what is said of the rest, and what computes
 * alike. That it is exact is tested with the real model, in tests/engine/exact_test.py. */
#include "engine/exact.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include <ggml.h>

#include "base/error.h"

static char problem[WEFT_ENGINE_PROBLEM_MAX];

static const struct weft_backend cpu = {.variant = WEFT_EXACT_VARIANT};
static const struct weft_backend gpu = {
    .variant = WEFT_EXACT_VARIANT, .devices = {{.name = "CUDA0"}}, .device_count = 1};

static int check(struct weft_gguf gguf, const struct weft_backend *backend, int32_t gpu_layers)
{
    const struct weft_engine_options options = {.exact = true, .gpu_layers = gpu_layers};
    problem[0] = '\0';
    return weft_exact_check(&gguf, backend, &options, problem);
}

static void what_was_shown_is_computed(void **state)
{
    (void)state;
    struct weft_gguf gguf = {.architecture = "llama", .matrix_bytes = {[GGML_TYPE_Q4_1] = 1}};
    assert_int_equal(check(gguf, &cpu, -1), 0);
    assert_string_equal(problem, "");
    assert_int_equal(check(gguf, &gpu, 0), 0); /* it is there, and does not compute */
}

static void what_was_not_shown_is_refused_with_what_was(void **state)
{
    (void)state;
    struct weft_gguf gguf = {.architecture = "mamba", .matrix_bytes = {[GGML_TYPE_Q4_1] = 1}};
    assert_int_equal(check(gguf, &cpu, -1), WEFT_ERR_UNSUPPORTED);
    assert_string_equal(problem,
                        "This model cannot be computed exactly: that was not shown for the architecture mamba, "
                        "only for llama and gemma3. Take another one, or start without --exact.");
    gguf = (struct weft_gguf){.architecture = "llama", .matrix_bytes = {[GGML_TYPE_Q4_1] = 9, [GGML_TYPE_TQ1_0] = 1}};
    assert_int_equal(check(gguf, &cpu, -1), WEFT_ERR_UNSUPPORTED);
    assert_non_null(strstr(problem, "that was not shown for weights of type tq1_0, only for "));
    assert_non_null(strstr(problem, "q4_1"));
    gguf.matrix_bytes[GGML_TYPE_TQ1_0] = 0;
    gguf.experts = 8;
    assert_int_equal(check(gguf, &cpu, -1), WEFT_ERR_UNSUPPORTED);
    assert_non_null(strstr(problem, "a model with experts"));
    gguf.experts = 0;
    assert_int_equal(check(gguf, &gpu, -1), WEFT_ERR_UNSUPPORTED);
    assert_non_null(strstr(problem, "on CUDA0"));
    assert_non_null(strstr(problem, "--gpu-layers 0"));
}

static void weights_keep_their_layout_where_another_is_not_exact(void **state)
{
    (void)state;
    struct weft_gguf gguf = {.architecture = "llama", .matrix_bytes = {[GGML_TYPE_Q4_0] = 1, [GGML_TYPE_Q6_K] = 1}};
    assert_false(weft_exact_plain(&gguf));
    gguf.matrix_bytes[GGML_TYPE_Q4_K] = 1;
    assert_int_equal(check(gguf, &cpu, -1), 0);
    assert_true(weft_exact_plain(&gguf));
}

static void a_class_names_quant_kernels_and_recipe(void **state)
{
    (void)state;
    char name[WEFT_EXACT_CLASS_MAX];
    struct weft_engine_options options = {.gpu_layers = -1};
    weft_exact_class(name, "Q4_1", &cpu, &options);
    assert_string_equal(name, "Q4_1/haswell/default");
    weft_exact_class(name, "Q4_1", &gpu, &options);
    assert_string_equal(name, "Q4_1/haswell+CUDA0/default");
    options = (struct weft_engine_options){.exact = true, .gpu_layers = 0};
    weft_exact_class(name, "Q4_1", &gpu, &options);
    assert_string_equal(name, "Q4_1/haswell/exact-1");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_shown_is_computed),
        cmocka_unit_test(what_was_not_shown_is_refused_with_what_was),
        cmocka_unit_test(weights_keep_their_layout_where_another_is_not_exact),
        cmocka_unit_test(a_class_names_quant_kernels_and_recipe),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
