/* tests/unit/engine/estimate_test.c - what a load will take, and how it is said. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "engine/model.h"

static void an_estimate_is_said_in_gigabytes(void **state)
{
    (void)state;
    struct weft_model_estimate estimate = {.weights = 98000000,
                                           .context = 1700000000,
                                           .compute = 120000000,
                                           .total = 1918000000,
                                           .context_tokens = 8192,
                                           .slots = 8};
    char text[128];
    weft_model_estimate_say(&estimate, text, sizeof(text));
    assert_string_equal(text, "1.9 GB: 0.1 model + 1.7 context of 8 slots x 8192 tokens + 0.1 work");
    estimate.slots = 1;
    weft_model_estimate_say(&estimate, text, sizeof(text));
    assert_non_null(strstr(text, "1 slot x 8192"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_estimate_is_said_in_gigabytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
