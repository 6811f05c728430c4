/* tests/unit/engine/estimate_test.c - what a load will take, how it is said, and what is advised where it does not fit.
 *
 * Whether the figures are true is measured with real models, in tests/engine/estimate_test.py. */
#include "engine/estimate.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include <ggml.h>

#include "base/error.h"

#define MB ((uint64_t)1000 * 1000)

static const struct weft_gguf small = {.layers = 30,
                                       .context = 8192,
                                       .embedding = 576,
                                       .feed_forward = 1536,
                                       .heads = 9,
                                       .kv_heads = 3,
                                       .tokens = 49152,
                                       .merges = 48900,
                                       .file_size = 98362432,
                                       .tensor_bytes = 96570000,
                                       .matrix_bytes = {[GGML_TYPE_Q4_1] = 96000000}};
static const struct weft_engine_options options;
static const struct weft_backend machine = {.variant = "haswell", .memory_available = (uint64_t)1000 * MB};

static void an_estimate_is_said_in_gigabytes(void **state)
{
    (void)state;
    struct weft_model_estimate estimate = {.weights = 98 * MB,
                                           .context = 1700 * MB,
                                           .compute = 120 * MB,
                                           .total = 1918 * MB,
                                           .context_tokens = 8192,
                                           .slots = 8};
    char text[WEFT_ESTIMATE_TEXT_MAX];
    weft_estimate_say(&estimate, text);
    assert_string_equal(text, "1.9 GB: 0.1 model + 1.7 context of 8 slots x 8192 tokens + 0.1 work");
    estimate.slots = 1;
    weft_estimate_say(&estimate, text);
    assert_non_null(strstr(text, "1 slot x 8192"));
}

static void a_slot_holds_keys_and_values_of_its_context(void **state)
{
    (void)state;
    struct weft_model_estimate estimate;
    weft_estimate(&estimate, &small, &machine, &options, 8, 4096);
    assert_int_equal(estimate.per_slot, (uint64_t)4096 * 30 * 3 * (64 + 64) * 2);
    assert_int_equal(estimate.context, 8 * estimate.per_slot);
    assert_int_equal(estimate.total, estimate.weights + estimate.context + estimate.compute);
    weft_estimate(&estimate, &small, &machine, &options, 1, 1000); /* libllama rounds up */
    assert_int_equal(estimate.per_slot, (uint64_t)1024 * 30 * 3 * (64 + 64) * 2);
}

static void layers_may_differ_and_may_have_a_state_instead(void **state)
{
    (void)state;
    struct weft_model_estimate estimate;
    struct weft_gguf mixed = small;
    mixed.kv_heads_listed = true;
    mixed.kv_heads = 10; /* of all layers together */
    mixed.key_length = 128;
    weft_estimate(&estimate, &mixed, &machine, &options, 1, 256);
    assert_int_equal(estimate.per_slot, (uint64_t)256 * 10 * (128 + 64) * 2);
    struct weft_gguf recurrent = {
        .layers = 2, .embedding = 8, .state_conv = 4, .state_inner = 16, .state_size = 4, .state_groups = 1};
    weft_estimate(&estimate, &recurrent, &machine, &options, 1, 256);
    uint64_t state_of_a_layer = 3 * (16 + 2 * 4) + 4 * 16;
    assert_int_equal(estimate.per_slot, 2 * state_of_a_layer * 4);
    weft_estimate(&estimate, &recurrent, &machine, &options, 1, 4096);
    assert_int_equal(estimate.per_slot, 2 * state_of_a_layer * 4);
}

/* These pass the checks of a head, one by one; all of them together are past what 64 bits count. */
static void what_a_file_claims_never_wraps_around(void **state)
{
    (void)state;
    const uint64_t most = 1 << 20;
    const struct weft_gguf claims[] = {
        {.layers = 512,
         .kv_heads = 512 * most,
         .kv_heads_listed = true,
         .heads = most,
         .key_length = most,
         .value_length = most},
        {.layers = 512,
         .state_conv = most,
         .state_inner = most,
         .state_size = most,
         .state_groups = most,
         .state_heads = most,
         .embedding = most},
    };
    for (size_t i = 0; i < WEFT_COUNT(claims); i++) {
        struct weft_model_estimate estimate;
        char problem[WEFT_ENGINE_PROBLEM_MAX];
        weft_estimate(&estimate, &claims[i], &machine, &options, 8, 4096);
        assert_int_equal(weft_estimate_check(&estimate, &claims[i], &machine, &options, problem), WEFT_ERR_TOO_LARGE);
        assert_true(estimate.total == UINT64_MAX);
    }
}

static void what_is_held_otherwise_is_not_mapped_too(void **state)
{
    (void)state;
    assert_true(weft_estimate_maps(&small, "haswell"));
    struct weft_gguf packed = small;
    packed.matrix_bytes[GGML_TYPE_Q4_0] = 90 * MB;
    assert_false(weft_estimate_maps(&packed, "haswell"));
    packed.matrix_bytes[GGML_TYPE_Q4_0] = 5 * MB;
    assert_true(weft_estimate_maps(&packed, "haswell"));
}

static void a_limit_counts_and_gpus_do(void **state)
{
    (void)state;
    struct weft_model_estimate estimate;
    struct weft_backend gpu = machine;
    gpu.device_count = 1;
    gpu.devices[0].memory_free = 500 * MB;
    weft_estimate(&estimate, &small, &gpu, &options, 1, 256);
    assert_int_equal(estimate.available, 1000 * MB); /* gpu_layers is 0 */
    struct weft_engine_options with = {.gpu_layers = -1};
    weft_estimate(&estimate, &small, &gpu, &with, 1, 256);
    assert_int_equal(estimate.available, 1500 * MB);
    with.memory_max = 7;
    weft_estimate(&estimate, &small, &gpu, &with, 1, 256);
    assert_int_equal(estimate.available, 7);
}

static const char *refused(uint64_t available, int32_t slots, int32_t context)
{
    static char problem[WEFT_ENGINE_PROBLEM_MAX];
    struct weft_engine_options limit = {.memory_max = (int64_t)available};
    struct weft_model_estimate estimate;
    weft_estimate(&estimate, &small, &machine, &limit, slots, context);
    problem[0] = '\0';
    int status = weft_estimate_check(&estimate, &small, &machine, &limit, problem);
    assert_int_equal(status, estimate.total > available ? WEFT_ERR_TOO_LARGE : 0);
    return problem;
}

static void what_does_not_fit_is_refused_with_what_would(void **state)
{
    (void)state;
    assert_string_equal(refused(3000 * MB, 8, 8192), "");
    assert_string_equal(
        refused(1200 * MB, 8, 8192),
        "The model needs 1.7 GB: 0.1 model + 1.5 context of 8 slots x 8192 tokens + 0.1 work; 1.2 GB are "
        "available to it (--memory-max). Try --context 4096 or --slots 4.");
    assert_non_null(strstr(refused(250 * MB, 8, 8192), "Try --context 256."));
    assert_non_null(strstr(refused(175 * MB, 1, 8192), "Try --context 512."));
    assert_non_null(strstr(refused(170 * MB, 8, 8192), "Try --slots 1 --context 256, or a smaller quant."));
    assert_non_null(strstr(refused(50 * MB, 8, 8192), "choose a smaller model or quant."));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_estimate_is_said_in_gigabytes),
        cmocka_unit_test(a_slot_holds_keys_and_values_of_its_context),
        cmocka_unit_test(layers_may_differ_and_may_have_a_state_instead),
        cmocka_unit_test(what_a_file_claims_never_wraps_around),
        cmocka_unit_test(what_is_held_otherwise_is_not_mapped_too),
        cmocka_unit_test(a_limit_counts_and_gpus_do),
        cmocka_unit_test(what_does_not_fit_is_refused_with_what_would),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
