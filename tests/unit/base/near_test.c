/* tests/unit/base/near_test.c - how far apart two words are. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/near.h"

static void distances_are_letters_to_change(void **state)
{
    (void)state;
    static const struct {
        const char *a, *b;
        size_t distance;
    } cases[] = {
        {"", "", 0},
        {"up", "up", 0},
        {"", "up", 2},
        {"up", "", 2},
        {"hlep", "help", 1},
        {"version", "vesrion", 1},
        {"verson", "version", 1},
        {"uup", "up", 1},
        {"help", "halp", 1},
        {"kitten", "sitting", 3},
        {"ab", "ba", 1},
        {"abc", "cba", 2},
        {"flaw", "lawn", 2},
        {"a", "b", 1},
    };
    for (size_t i = 0; i < WEFT_COUNT(cases); i++) {
        assert_int_equal(weft_near_distance(weft_slice_text(cases[i].a), weft_slice_text(cases[i].b)),
                         cases[i].distance);
        assert_int_equal(weft_near_distance(weft_slice_text(cases[i].b), weft_slice_text(cases[i].a)),
                         cases[i].distance);
    }
}

static void words_of_the_greatest_length_fit(void **state)
{
    (void)state;
    char a[WEFT_NEAR_MAX], b[WEFT_NEAR_MAX];
    memset(a, 'a', sizeof(a));
    memset(b, 'b', sizeof(b));
    assert_int_equal(weft_near_distance(weft_slice(a, sizeof(a)), weft_slice(b, sizeof(b))), WEFT_NEAR_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(distances_are_letters_to_change),
        cmocka_unit_test(words_of_the_greatest_length_fit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
