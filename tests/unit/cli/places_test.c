/* tests/unit/cli/places_test.c - where a node keeps its things. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/error.h"
#include "cli/places.h"

static struct weft_places places;
static struct weft_config_problem problem;

static int no_environment(void **state)
{
    (void)state;
    return unsetenv("XDG_CONFIG_HOME") || unsetenv("XDG_STATE_HOME") || unsetenv("HOME");
}

static void a_home_holds_everything(void **state)
{
    (void)state;
    setenv("HOME", "/users/ada", 1);
    assert_int_equal(weft_places_find(&places, "/srv/weft", NULL, &problem), 0);
    assert_string_equal(places.settings, "/srv/weft/weft.yaml");
    assert_string_equal(places.state, "/srv/weft");
    assert_false(places.settings_named);
}

static void without_one_the_xdg_places_are_used(void **state)
{
    (void)state;
    setenv("HOME", "/users/ada", 1);
    setenv("XDG_CONFIG_HOME", "/conf", 1);
    setenv("XDG_STATE_HOME", "/state", 1);
    assert_int_equal(weft_places_find(&places, NULL, NULL, &problem), 0);
    assert_string_equal(places.settings, "/conf/weft/weft.yaml");
    assert_string_equal(places.state, "/state/weft");
}

static void the_xdg_places_have_defaults_and_relative_ones_are_ignored(void **state)
{
    (void)state;
    setenv("HOME", "/users/ada", 1);
    setenv("XDG_STATE_HOME", "not/absolute", 1);
    assert_int_equal(weft_places_find(&places, NULL, NULL, &problem), 0);
    assert_string_equal(places.settings, "/users/ada/.config/weft/weft.yaml");
    assert_string_equal(places.state, "/users/ada/.local/state/weft");
}

static void a_named_settings_file_goes_over_both(void **state)
{
    (void)state;
    assert_int_equal(weft_places_find(&places, "/srv/weft", "other.yaml", &problem), 0);
    assert_string_equal(places.settings, "other.yaml");
    assert_string_equal(places.state, "/srv/weft");
    assert_true(places.settings_named);
}

static void nowhere_to_be_says_what_to_set(void **state)
{
    (void)state;
    assert_int_equal(weft_places_find(&places, NULL, NULL, &problem), WEFT_ERR_NOT_FOUND);
    assert_non_null(strstr(problem.text, "WEFT_HOME"));
}

static void a_path_too_long_is_refused(void **state)
{
    (void)state;
    static char longest[WEFT_PLACES_PATH_MAX];
    memset(longest, 'p', sizeof(longest) - 1);
    assert_int_equal(weft_places_find(&places, longest, NULL, &problem), WEFT_ERR_TOO_LARGE);
}

static void folders_are_made_for_their_owner_only(void **state)
{
    (void)state;
    char root[] = "/tmp/weft-places-XXXXXX";
    assert_non_null(mkdtemp(root));
    char inner[64], home[64];
    snprintf(inner, sizeof(inner), "%s/a", root);
    snprintf(home, sizeof(home), "%s/a/b", root);
    assert_int_equal(weft_places_find(&places, home, NULL, &problem), 0);
    assert_int_equal(weft_places_make(&places, &problem), 0);
    assert_int_equal(weft_places_make(&places, &problem), 0); /* there already */
    struct stat there;
    assert_int_equal(stat(inner, &there), 0);
    assert_int_equal(there.st_mode & 0777, 0700);
    assert_int_equal(stat(home, &there), 0);
    assert_int_equal(there.st_mode & 0777, 0700);
    assert_int_equal(chmod(home, 0777), 0);
    assert_int_equal(weft_places_make(&places, &problem), WEFT_ERR_DENIED);
    assert_non_null(strstr(problem.text, "chmod 700"));
    assert_int_equal(rmdir(home), 0);
    FILE *file = fopen(home, "w");
    assert_non_null(file);
    fclose(file);
    assert_int_equal(weft_places_make(&places, &problem), WEFT_ERR_DENIED);
    assert_int_equal(unlink(home), 0);
    assert_int_equal(rmdir(inner), 0);
    assert_int_equal(rmdir(root), 0);
}

static void secrets_that_others_may_read_are_refused(void **state)
{
    (void)state;
    static const char *const names[] = {"owner.token", "node.key", "root.key"};
    char root[] = "/tmp/weft-places-XXXXXX", path[64];
    assert_non_null(mkdtemp(root));
    assert_int_equal(weft_places_find(&places, root, NULL, &problem), 0);
    for (size_t i = 0; i < WEFT_COUNT(names); i++) {
        snprintf(path, sizeof(path), "%s/%s", root, names[i]);
        FILE *file = fopen(path, "w");
        assert_non_null(file);
        fclose(file);
        assert_int_equal(chmod(path, 0600), 0);
        assert_int_equal(weft_places_make(&places, &problem), 0);
        assert_int_equal(chmod(path, 0640), 0);
        assert_int_equal(weft_places_make(&places, &problem), WEFT_ERR_DENIED);
        assert_non_null(strstr(problem.text, names[i]));
        assert_non_null(strstr(problem.text, "(mode 0640)"));
        assert_int_equal(unlink(path), 0);
    }
    assert_int_equal(rmdir(root), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_home_holds_everything, no_environment),
        cmocka_unit_test_setup(without_one_the_xdg_places_are_used, no_environment),
        cmocka_unit_test_setup(the_xdg_places_have_defaults_and_relative_ones_are_ignored, no_environment),
        cmocka_unit_test_setup(a_named_settings_file_goes_over_both, no_environment),
        cmocka_unit_test_setup(nowhere_to_be_says_what_to_set, no_environment),
        cmocka_unit_test_setup(a_path_too_long_is_refused, no_environment),
        cmocka_unit_test_setup(folders_are_made_for_their_owner_only, no_environment),
        cmocka_unit_test_setup(secrets_that_others_may_read_are_refused, no_environment),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
