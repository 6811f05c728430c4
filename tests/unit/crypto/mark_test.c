/* tests/unit/crypto/mark_test.c - marks: the same for the same, and for nothing else. */
#include "crypto/mark.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static const struct weft_mark_key one = {{1}}, two = {{2}};

static struct weft_mark mark(const struct weft_mark_key *key, const char *place, const char *text)
{
    return weft_mark_of(key, weft_slice_text(place), weft_slice_text(text));
}

static void the_same_has_the_same_mark(void **state)
{
    (void)state;
    struct weft_mark first = mark(&one, "model", "text"), again = mark(&one, "model", "text");
    assert_true(weft_mark_equal(&first, &again));
}

static void anything_else_has_another(void **state)
{
    (void)state;
    struct weft_mark first = mark(&one, "model", "text");
    const struct weft_mark others[] = {
        mark(&two, "model", "text"), mark(&one, "model", "texts"), mark(&one, "models", "text"),
        mark(&one, "modelt", "ext"), mark(&one, "", "modeltext"),  mark(&one, "model", ""),
    };
    for (size_t i = 0; i < WEFT_COUNT(others); i++) {
        assert_false(weft_mark_equal(&first, &others[i]));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_same_has_the_same_mark),
        cmocka_unit_test(anything_else_has_another),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
