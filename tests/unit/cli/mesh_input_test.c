/* tests/unit/cli/mesh_input_test.c - what the commands of the mesh are given. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/error.h"
#include "cli/mesh_input.h"

#define DAY_S ((int64_t)86400)

static struct weft_config_problem problem;

static void spans_of_time_have_a_unit_and_a_bound(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t seconds; /* 0: refused */
    } cases[] = {{"1s", 1},
                 {"90m", 5400},
                 {"24h", DAY_S},
                 {"30d", 30 * DAY_S},
                 {"007d", 7 * DAY_S},
                 {"720h", 30 * DAY_S},
                 {"", 0},
                 {"d", 0},
                 {"0d", 0},
                 {"31d", 0},
                 {"721h", 0},
                 {"7", 0},
                 {"7w", 0},
                 {"7dd", 0},
                 {"-7d", 0},
                 {" 7d", 0},
                 {"7 d", 0},
                 {"99999999999999999999d", 0}};
    for (size_t i = 0; i < WEFT_COUNT(cases); i++) {
        int64_t seconds = -1;
        int status = weft_mesh_input_life(&seconds, cases[i].text, 30 * DAY_S, &problem);
        assert_int_equal(status, cases[i].seconds ? 0 : WEFT_ERR_INVALID);
        assert_int_equal(seconds, cases[i].seconds ? cases[i].seconds : -1);
    }
    assert_non_null(strstr(problem.text, "30 days at most"));
}

static void an_id_is_a_key_that_is_set(void **state)
{
    (void)state;
    struct weft_key key = {{1, 2, 3}}, read;
    char text[WEFT_PEER_ID_SIZE];
    weft_key_text(&key, text);
    assert_int_equal(weft_mesh_input_id(&read, text, &problem), 0);
    assert_true(weft_key_equal(&key, &read));
    text[3] = '1';
    assert_int_equal(weft_mesh_input_id(&read, text, &problem), WEFT_ERR_INVALID);
    assert_non_null(strstr(problem.text, "weft id"));
    weft_key_text(&(const struct weft_key){{0}}, text);
    assert_int_equal(weft_mesh_input_id(&read, text, &problem), WEFT_ERR_INVALID);
}

/* Standard input is this text, with its end. */
static int read_given(char line[WEFT_MESH_LINE_SIZE], const char *text, size_t size)
{
    int ends[2], before = dup(STDIN_FILENO);
    assert_true(before >= 0 && pipe(ends) == 0);
    assert_int_equal(write(ends[1], text, size), (ssize_t)size);
    assert_int_equal(close(ends[1]), 0);
    assert_int_equal(dup2(ends[0], STDIN_FILENO), STDIN_FILENO);
    int status = weft_mesh_input_line(line, "-", "the invite", &problem);
    assert_int_equal(dup2(before, STDIN_FILENO), STDIN_FILENO);
    assert_true(close(before) == 0 && close(ends[0]) == 0);
    return status;
}

static void a_line_is_a_word_or_comes_from_standard_input(void **state)
{
    (void)state;
    char line[WEFT_MESH_LINE_SIZE], longest[WEFT_MESH_LINE_SIZE + 1];
    memset(longest, 'x', sizeof(longest));
    assert_int_equal(weft_mesh_input_line(line, "weft1abc", "the invite", &problem), 0);
    assert_string_equal(line, "weft1abc");
    assert_int_equal(read_given(line, "weft1abc", 8), 0);
    assert_string_equal(line, "weft1abc");
    assert_int_equal(read_given(line, "weft1abc\nmore\n", 14), 0);
    assert_string_equal(line, "weft1abc\n");
    assert_int_equal(read_given(line, "", 0), WEFT_ERR_INVALID);
    assert_non_null(strstr(problem.text, "nothing came"));
    assert_int_equal(read_given(line, " \n", 2), WEFT_ERR_INVALID);
    assert_int_equal(read_given(line, longest, sizeof(longest)), WEFT_ERR_INVALID);
    assert_int_equal(line[0], '\0'); /* what was read is wiped */
    longest[WEFT_MESH_LINE_SIZE] = '\0';
    assert_int_equal(weft_mesh_input_line(line, longest, "the invite", &problem), WEFT_ERR_INVALID);
    assert_non_null(strstr(problem.text, "the invite is longer than any"));
}

static void a_day_is_written_as_dates_are(void **state)
{
    (void)state;
    char text[WEFT_DAY_SIZE];
    weft_mesh_input_day(text, 1795003600);
    assert_string_equal(text, "2026-11-18");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(spans_of_time_have_a_unit_and_a_bound),
        cmocka_unit_test(an_id_is_a_key_that_is_set),
        cmocka_unit_test(a_line_is_a_word_or_comes_from_standard_input),
        cmocka_unit_test(a_day_is_written_as_dates_are),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
