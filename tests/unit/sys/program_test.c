/* tests/unit/sys/program_test.c - real programs, asked for what they print. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h needs those above. */
#include <cmocka.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "sys/program.h"

static int ask(const char *script, char *out, size_t size)
{
    return weft_program_output((const char *const[]){"/bin/sh", "-c", script, NULL}, out, size);
}

static void what_it_prints_comes_back(void **state)
{
    char out[64];
    (void)state;
    assert_int_equal(ask("echo one; echo two", out, sizeof(out)), 0);
    assert_string_equal(out, "one\ntwo\n");
    assert_int_equal(ask("true", out, sizeof(out)), 0);
    assert_string_equal(out, "");
}

static void it_has_no_input(void **state)
{
    char out[64];
    (void)state;
    assert_int_equal(ask("cat; echo end", out, sizeof(out)), 0);
    assert_string_equal(out, "end\n");
}

/* It is read to its end all the same, or it would hang on a full pipe. */
static void what_is_too_much_is_dropped(void **state)
{
    char out[9];
    (void)state;
    assert_int_equal(ask("i=0; while [ $i -lt 30000 ]; do echo 12345678; i=$((i + 1)); done", out, sizeof(out)), 0);
    assert_string_equal(out, "12345678");
    assert_int_equal(ask("printf 1234567", out, sizeof(out)), 0);
    assert_string_equal(out, "1234567");
}

static void a_bad_end_is_told(void **state)
{
    char out[64];
    (void)state;
    assert_int_equal(ask("echo said; exit 3", out, sizeof(out)), WEFT_ERR_INVALID);
    assert_string_equal(out, "said\n");
    assert_int_equal(ask("kill -9 $$", out, sizeof(out)), WEFT_ERR_INVALID);
    assert_int_equal(weft_program_output((const char *const[]){"/no/such/program", NULL}, out, sizeof(out)),
                     WEFT_ERR_NOT_FOUND);
    assert_int_equal(weft_program_output((const char *const[]){"/etc/passwd", NULL}, out, sizeof(out)),
                     WEFT_ERR_DENIED);
    assert_string_equal(out, "");
}

static void beside_is_in_the_same_folder(void **state)
{
    char self[WEFT_PROGRAM_PATH_MAX], gone[WEFT_PROGRAM_PATH_MAX];
    (void)state;
    assert_int_equal(weft_program_beside("unit_sys_program", self), 0); /* this very program's name */
    assert_int_equal(access(self, X_OK), 0);
    assert_int_equal(self[0], '/');
    assert_int_equal(weft_program_beside("no-such-thing", gone), 0);
    assert_int_not_equal(access(gone, F_OK), 0);

    char name[WEFT_PROGRAM_PATH_MAX];
    memset(name, 'x', sizeof(name) - 1);
    name[sizeof(name) - 1] = '\0';
    assert_int_equal(weft_program_beside(name, gone), WEFT_ERR_TOO_LARGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_it_prints_comes_back),    cmocka_unit_test(it_has_no_input),
        cmocka_unit_test(what_is_too_much_is_dropped),  cmocka_unit_test(a_bad_end_is_told),
        cmocka_unit_test(beside_is_in_the_same_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
