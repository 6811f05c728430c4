/* tests/unit/cli/key_test.c - the API key on its way from a file or the environment. */
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
#include "base/mem.h"
#include "cli/key.h"

static char path[] = "/tmp/weft-key-XXXXXX";

static int setup(void **state)
{
    (void)state;
    int descriptor = mkstemp(path);
    return descriptor < 0 ? -1 : close(descriptor);
}

static int teardown(void **state)
{
    (void)state;
    return unlink(path);
}

static int take_file(struct weft_api_key *key, const char *content, mode_t mode, struct weft_config_problem *problem)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(content, file) >= 0);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(chmod(path, mode), 0);
    struct weft_config config = {.api_key_file = weft_slice_text(path)};
    int status = weft_key_take(key, &config, problem);
    assert_int_equal(weft_mem_live(), 0);
    return status;
}

static void no_key_is_fine(void **state)
{
    (void)state;
    struct weft_api_key key;
    struct weft_config config = {.port = 0};
    struct weft_config_problem problem;
    unsetenv("WEFT_API_KEY");
    assert_int_equal(weft_key_take(&key, &config, &problem), 0);
    assert_int_equal(key.size, 0);
}

static void a_file_gives_its_first_line(void **state)
{
    (void)state;
    static const char *const contents[] = {"k-123", "k-123\n", "k-123\r\n", "k-123\nnot this\n"};
    for (size_t i = 0; i < WEFT_COUNT(contents); i++) {
        struct weft_api_key key;
        struct weft_config_problem problem;
        assert_int_equal(take_file(&key, contents[i], 0600, &problem), 0);
        assert_int_equal(key.size, 5);
        assert_string_equal(key.text, "k-123");
    }
}

static void a_file_others_can_read_is_refused_with_the_chmod(void **state)
{
    (void)state;
    static const mode_t modes[] = {0644, 0640, 0604, 0660, 0601};
    for (size_t i = 0; i < WEFT_COUNT(modes); i++) {
        struct weft_api_key key;
        struct weft_config_problem problem;
        assert_int_equal(take_file(&key, "k-123\n", modes[i], &problem), WEFT_ERR_DENIED);
        assert_non_null(strstr(problem.text, "chmod 600 /tmp/weft-key-"));
        assert_null(strstr(problem.text, "k-123"));
        assert_int_equal(key.size, 0);
    }
}

static void a_key_that_no_client_can_send_is_refused(void **state)
{
    (void)state;
    static const char *const contents[] = {"", "\n", "two words\n", "tab\there\n", "\xc3\xa4\n", "del\x7f\n"};
    for (size_t i = 0; i < WEFT_COUNT(contents); i++) {
        struct weft_api_key key;
        struct weft_config_problem problem;
        assert_int_equal(take_file(&key, contents[i], 0600, &problem), WEFT_ERR_INVALID);
        assert_int_equal(key.size, 0);
    }
    char text[WEFT_KEY_MAX + 2];
    memset(text, 'k', sizeof(text));
    text[WEFT_KEY_MAX] = '\0';
    struct weft_api_key key;
    struct weft_config_problem problem;
    assert_int_equal(take_file(&key, text, 0600, &problem), 0);
    assert_int_equal(key.size, WEFT_KEY_MAX);
    text[WEFT_KEY_MAX] = 'k';
    text[WEFT_KEY_MAX + 1] = '\0';
    assert_int_equal(take_file(&key, text, 0600, &problem), WEFT_ERR_INVALID);
}

static void a_file_that_is_missing_or_huge_is_refused(void **state)
{
    (void)state;
    struct weft_api_key key;
    struct weft_config_problem problem;
    struct weft_config config = {.api_key_file = WEFT_SLICE("/nowhere/key")};
    assert_int_equal(weft_key_take(&key, &config, &problem), WEFT_ERR_NOT_FOUND);
    assert_non_null(strstr(problem.text, "/nowhere/key"));
    static char text[8192];
    memset(text, 'k', sizeof(text) - 1);
    assert_int_equal(take_file(&key, text, 0600, &problem), WEFT_ERR_TOO_LARGE);
}

static void the_environment_keeps_nothing_of_it(void **state)
{
    (void)state;
    assert_int_equal(setenv("WEFT_API_KEY", "from-the-environment", 1), 0);
    const char *where = getenv("WEFT_API_KEY");
    struct weft_api_key key;
    struct weft_config config = {.api_key = weft_slice_text(where)};
    struct weft_config_problem problem;
    assert_int_equal(weft_key_take(&key, &config, &problem), 0);
    assert_string_equal(key.text, "from-the-environment");
    assert_null(getenv("WEFT_API_KEY"));
    assert_int_equal(where[0], '\0'); /* overwritten where it stood */
    assert_int_equal(where[10], '\0');
    assert_int_equal(config.api_key.size, 0);
}

static void two_keys_are_one_too_many(void **state)
{
    (void)state;
    assert_int_equal(setenv("WEFT_API_KEY", "one", 1), 0);
    struct weft_api_key key;
    struct weft_config_problem problem;
    assert_int_equal(take_file(&key, "two\n", 0600, &problem), WEFT_ERR_INVALID);
    assert_null(getenv("WEFT_API_KEY"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_key_is_fine),
        cmocka_unit_test(a_file_gives_its_first_line),
        cmocka_unit_test(a_file_others_can_read_is_refused_with_the_chmod),
        cmocka_unit_test(a_key_that_no_client_can_send_is_refused),
        cmocka_unit_test(a_file_that_is_missing_or_huge_is_refused),
        cmocka_unit_test(the_environment_keeps_nothing_of_it),
        cmocka_unit_test(two_keys_are_one_too_many),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
