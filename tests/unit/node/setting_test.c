/* tests/unit/node/setting_test.c - the table of settings holds together, and finds what was meant. */
#include "node/setting.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "node/config.h"

static void test_rows_are_whole(void **state)
{
    (void)state;
    assert_true(weft_setting_count <= WEFT_CONFIG_SETTINGS_MAX);
    for (size_t i = 0; i < weft_setting_count; i++) {
        const struct weft_setting *row = &weft_settings[i];
        assert_non_null(row->variable);
        assert_int_equal(strncmp(row->variable, "WEFT_", 5), 0);
        assert_true(row->help[0] != '\0' && !strchr(row->help, '|')); /* a bar would end its cell of the docs */
        assert_non_null(row->argument);
        assert_non_null(row->section);
        assert_non_null(row->fallback);
        assert_true((row->kind == WEFT_SETTING_CHOICE) == (row->choices != NULL));
        assert_true(row->kind != WEFT_SETTING_SECRET || (!row->flag && !row->name));
        for (size_t j = 0; j < i; j++) { /* one name, one flag, one variable, one field each */
            const struct weft_setting *other = &weft_settings[j];
            assert_true(!row->name || !other->name || strcmp(row->name, other->name) != 0);
            assert_true(!row->flag || !other->flag || strcmp(row->flag, other->flag) != 0);
            assert_string_not_equal(row->variable, other->variable);
            assert_int_not_equal(row->at, other->at);
        }
    }
}

static void test_finds_exactly(void **state)
{
    (void)state;
    assert_string_equal(weft_setting_by_name(WEFT_SLICE("log.level"))->flag, "log-level");
    assert_string_equal(weft_setting_by_flag(WEFT_SLICE("cors-origin"))->name, "cors.origins");
    assert_null(weft_setting_by_name(WEFT_SLICE("log-level")));
    assert_null(weft_setting_by_name(WEFT_SLICE("")));
    assert_null(weft_setting_by_name(WEFT_SLICE("home"))); /* not in the file */
    assert_null(weft_setting_by_flag(WEFT_SLICE("port ")));
}

static void test_finds_the_nearest(void **state)
{
    (void)state;
    static const struct {
        const char *written, *meant;
    } cases[] = {
        {"lisetn", "listen"},
        {"listens", "listen"},
        {"prot", "port"},
        {"upstraem", "upstream"},
        {"api_keyfile", "api_key_file"},
        {"drain-timeout", "drain_timeout"},
        {"body", "limits.body"},
        {"cors", "cors.origins"},
        {"log.levels", "log.level"},
        {"limits.connection", "limits.connections"},
        {"xyzzy", NULL},
        {"", NULL},
        {"temperature", NULL},
        {"a-name-that-is-far-too-long-to-be-near-any-setting", NULL},
    };
    for (size_t i = 0; i < WEFT_COUNT(cases); i++) {
        const struct weft_setting *near = weft_setting_near_name(weft_slice_text(cases[i].written));
        assert_true((!near) == (!cases[i].meant));
        if (near) {
            assert_string_equal(near->name, cases[i].meant);
        }
    }
    assert_string_equal(weft_setting_near_flag(WEFT_SLICE("cors-origins"))->flag, "cors-origin");
    assert_string_equal(weft_setting_near_flag(WEFT_SLICE("log_level"))->flag, "log-level");
    assert_null(weft_setting_near_flag(WEFT_SLICE("temperature")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows_are_whole),
        cmocka_unit_test(test_finds_exactly),
        cmocka_unit_test(test_finds_the_nearest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
