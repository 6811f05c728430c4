/* tests/unit/cli/plain_test.c - how wide a text is, whatever is in it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/types.h"
#include "cli/plain.h"

static const struct {
    const char *text, *printed; /* in five columns */
    int width;
} cases[] = {
    {"", "     ", 0},
    {"abc", "abc  ", 3},
    {"abcdefg", "abcdefg", 7},                              /* never cut */
    {"\xc3\xa4\xe2\x82\xac", "\xc3\xa4\xe2\x82\xac   ", 2}, /* UTF-8: one for each character */
    {"\xf0\x9f\xa6\x8a", "\xf0\x9f\xa6\x8a    ", 1},
    {"\x1b[2J", "?[2J ", 4},
    {"a\tb\r\n", "a?b??", 5},
    {"\x7f\xc2\x9b", "??   ", 2}, /* DEL, and CSI in one character */
    {"\xe2\x80\xae"
     "a\xe2\x81\xa6\xe2\x80\xa8",
     "?a?? ", 4},             /* the other direction; a line's end */
    {"\xff\xc3", "??   ", 2}, /* no UTF-8 */
};

static void what_is_no_text_is_a_question_mark(void **state)
{
    (void)state;
    for (size_t i = 0; i < WEFT_COUNT(cases); i++) {
        char out[64];
        FILE *file = tmpfile();
        int kept = dup(STDOUT_FILENO);
        assert_true(file && kept >= 0 && fflush(stdout) == 0 && dup2(fileno(file), STDOUT_FILENO) >= 0);
        weft_plain_print(cases[i].text, 5);
        assert_true(fflush(stdout) == 0 && dup2(kept, STDOUT_FILENO) >= 0 && close(kept) == 0);
        rewind(file);
        out[fread(out, 1, sizeof(out) - 1, file)] = '\0';
        assert_int_equal(fclose(file), 0);
        assert_string_equal(out, cases[i].printed);
        assert_int_equal(weft_plain_width(cases[i].text), cases[i].width);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(what_is_no_text_is_a_question_mark)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
