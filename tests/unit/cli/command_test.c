/* tests/unit/cli/command_test.c - finding a command, and the one that was meant. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cli/command.h"

static void every_command_is_found_by_its_name_and_says_what_it_does(void **state)
{
    (void)state;
    assert_true(weft_commands_count >= 3);
    for (size_t i = 0; i < weft_commands_count; i++) {
        assert_ptr_equal(weft_command_find(weft_commands[i].name), &weft_commands[i]);
        assert_true(strlen(weft_commands[i].help) > 0);
        assert_non_null(weft_commands[i].run);
    }
    assert_null(weft_command_find("u"));
    assert_null(weft_command_find(""));
}

static void a_slip_finds_the_command_that_was_meant(void **state)
{
    (void)state;
    static const struct {
        const char *said, *meant;
    } cases[] = {
        {"upp", "up"},          {"pu", "up"},         {"hlep", "help"}, {"versoin", "version"},
        {"verzion", "version"}, {"start-it-now", ""}, {"server", ""},   {"", ""},
    };
    for (size_t i = 0; i < WEFT_COUNT(cases); i++) {
        const struct weft_command *near = weft_command_near(cases[i].said);
        assert_string_equal(near ? near->name : "", cases[i].meant);
    }
    char endless[1000];
    memset(endless, 'x', sizeof(endless) - 1);
    endless[sizeof(endless) - 1] = '\0';
    assert_null(weft_command_near(endless));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_command_is_found_by_its_name_and_says_what_it_does),
        cmocka_unit_test(a_slip_finds_the_command_that_was_meant),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
