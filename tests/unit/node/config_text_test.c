/* tests/unit/node/config_text_test.c - `--help` and docs/CONFIG.md say what the table says. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/error.h"
#include "base/mem.h"
#include "node/config.h"

static void read_all(struct weft_bytes *bytes, char *text, size_t room)
{
    assert_true(bytes->size < room);
    text[weft_bytes_read(bytes, text, room - 1)] = '\0';
}

static void test_help_and_markdown(void **state)
{
    (void)state;
    static char text[1 << 16], committed[1 << 16];
    struct weft_bytes out;
    weft_bytes_init(&out);
    assert_int_equal(weft_config_help(&out), 0);
    read_all(&out, text, sizeof(text));
    assert_non_null(strstr(text, "  --listen ADDRESS  (may be repeated)\n"));
    assert_non_null(strstr(text, "      default: 64MiB\n"));
    assert_non_null(strstr(text, "  WEFT_API_KEY=KEY  (environment only)\n"));
    assert_null(strstr(text, "--api-key "));

    /* `weft help --markdown > docs/CONFIG.md` makes them the same again. */
    assert_int_equal(weft_config_markdown(&out), 0);
    read_all(&out, text, sizeof(text));
    FILE *file = fopen("docs/CONFIG.md", "rb");
    assert_non_null(file);
    committed[fread(committed, 1, sizeof(committed) - 1, file)] = '\0';
    assert_int_equal(fclose(file), 0);
    assert_string_equal(text, committed);
    weft_bytes_deinit(&out);
}

static void test_out_of_memory(void **state)
{
    (void)state;
    weft_bytes_trim();
    struct weft_bytes out;
    weft_bytes_init(&out);
    weft_mem_fail_at(1);
    assert_int_equal(weft_config_help(&out), WEFT_ERR_MEMORY);
    weft_mem_fail_at(1);
    assert_int_equal(weft_config_markdown(&out), WEFT_ERR_MEMORY);
    weft_mem_fail_at(0);
    weft_bytes_deinit(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_help_and_markdown),
        cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
