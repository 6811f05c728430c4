/* tests/unit/cli/picture_test.c - a QR code is whole lines of blocks, or nothing; tests/cli/mesh_test.py reads one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/error.h"
#include "cli/picture.h"

/* What it shows is read by a scanner in tests/cli/mesh_test.py; here, that it is whole lines, and nothing if too long.
 */

static char shown[65536];

static int print(const char *text)
{
    memset(shown, 0, sizeof(shown));
    FILE *to = fmemopen(shown, sizeof(shown), "w");
    assert_non_null(to);
    int error = weft_picture_print(to, text);
    assert_int_equal(fclose(to), 0);
    return error;
}

static void every_line_begins_and_ends_its_colours(void **state)
{
    (void)state;
    assert_int_equal(print("weft"), 0);
    size_t lines = 0;
    for (const char *at = shown; *at; lines++) {
        const char *end = strchr(at, '\n');
        assert_non_null(end);
        assert_memory_equal(at, "\033[97;40m", 8);
        assert_memory_equal(end - 4, "\033[0m", 4);
        at = end + 1;
    }
    assert_int_equal(lines, (21 + 2 * 2 + 1) / 2); /* the smallest code has 21 rows; two light ones above and below */
}

static void what_no_code_holds_is_not_shown(void **state)
{
    (void)state;
    static char text[3000]; /* 2,953 bytes are the most */
    memset(text, 'a', sizeof(text) - 1);
    assert_int_equal(print(text), WEFT_ERR_TOO_LARGE);
    assert_string_equal(shown, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_line_begins_and_ends_its_colours),
        cmocka_unit_test(what_no_code_holds_is_not_shown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
