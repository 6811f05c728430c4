/* tests/unit/engine/options_test.c - what weft-engine's flags mean, and what is said of a wrong one. */
#include "engine/options.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/error.h"

#define WORDS_MAX 16

static char problem[WEFT_ENGINE_PROBLEM_MAX];

/* Reads the words of `line`, which are parted by one space each. */
static int read_line(struct weft_engine_options *options, const char *line)
{
    static char text[512];
    char *words[WORDS_MAX] = {(char[]){"weft-engine"}};
    int count = 1;
    (void)snprintf(text, sizeof(text), "%s", line);
    for (char *at = text; *at && count < WORDS_MAX; count++) {
        words[count] = at;
        at = strchr(at, ' ') ? strchr(at, ' ') : at + strlen(at);
        if (*at) {
            *at++ = '\0';
        }
    }
    return weft_engine_options_read(options, count, words, problem);
}

static void defaults_are_those_of_the_help(void **state)
{
    (void)state;
    struct weft_engine_options options;
    assert_int_equal(read_line(&options, "--model a.gguf"), 0);
    assert_string_equal(options.model, "a.gguf");
    assert_null(options.backends);
    assert_null(options.variant);
    assert_int_equal(options.slots, 8);
    assert_int_equal(options.context, 0);
    assert_int_equal(options.threads, 0);
    assert_int_equal(options.gpu_layers, -1);
    assert_int_equal(options.memory_max, 0);
    assert_int_equal(options.sandbox, WEFT_SANDBOX_ON);
    assert_false(options.version || options.help || options.check || options.sandbox_test || options.exact);
}

static void every_flag_sets_its_field(void **state)
{
    (void)state;
    struct weft_engine_options options;
    assert_int_equal(read_line(&options, "--model=m --backends b --variant=zen4 --slots 3 --context=512 --threads 2 "
                                         "--gpu-layers 0"),
                     0);
    assert_string_equal(options.model, "m");
    assert_string_equal(options.backends, "b");
    assert_string_equal(options.variant, "zen4");
    assert_int_equal(options.slots, 3);
    assert_int_equal(options.context, 512);
    assert_int_equal(options.threads, 2);
    assert_int_equal(options.gpu_layers, 0);
    assert_int_equal(read_line(&options, "--model m --sandbox off --sandbox-test --check"), 0);
    assert_int_equal(options.sandbox, WEFT_SANDBOX_OFF);
    assert_true(options.sandbox_test && options.check);
    assert_int_equal(read_line(&options, "--model m --exact"), 0);
    assert_true(options.exact);
    assert_int_equal(read_line(&options, "--version"), 0);
    assert_true(options.version);
    assert_int_equal(read_line(&options, "--help"), 0);
    assert_true(options.help);
}

static void sizes_know_their_units(void **state)
{
    (void)state;
    static const struct {
        const char *line;
        int64_t bytes;
    } rows[] = {
        {"--model m --memory-max 98362432", 98362432},
        {"--model m --memory-max 800M", (int64_t)800 * 1024 * 1024},
        {"--model m --memory-max 1.5g", (int64_t)1536 * 1024 * 1024},
        {"--model m --memory-max 64k", 65536},
        {"--model m --memory-max 2T", (int64_t)2 << 40},
    };
    for (size_t i = 0; i < WEFT_COUNT(rows); i++) {
        struct weft_engine_options options;
        assert_int_equal(read_line(&options, rows[i].line), 0);
        assert_int_equal(options.memory_max, rows[i].bytes);
    }
}

static void what_is_wrong_is_named(void **state)
{
    (void)state;
    static const struct {
        const char *line, *says;
    } rows[] = {
        {"", "--model FILE.gguf"},
        {"--check", "--model FILE.gguf"},
        {"--modle m", "no flag \"--modle\""},
        {"m", "no flag \"m\""},
        {"--model", "--model needs a value"},
        {"--model=", "--model is empty"},
        {"--model m --slots 0", "from 1 to 64"},
        {"--model m --slots 65", "from 1 to 64"},
        {"--model m --slots 4x", "\"4x\" is none"},
        {"--model m --slots=", "\"\" is none"},
        {"--model m --context -1", "--context takes a number from 0"},
        {"--model m --threads 99999999999999999999", "--threads takes a number"},
        {"--model m --memory-max 0", "--memory-max takes a size"},
        {"--model m --memory-max -5G", "--memory-max takes a size"},
        {"--model m --memory-max 5X", "--memory-max takes a size"},
        {"--model m --memory-max 5GB", "--memory-max takes a size"},
        {"--model m --memory-max nan", "--memory-max takes a size"},
        {"--model m --memory-max inf", "--memory-max takes a size"},
        {"--model m --memory-max 1e300", "--memory-max takes a size"},
        {"--model m --sandbox maybe", "on or off, not \"maybe\""},
        {"--version=1", "--version takes no value"},
    };
    for (size_t i = 0; i < WEFT_COUNT(rows); i++) {
        struct weft_engine_options options;
        assert_int_equal(read_line(&options, rows[i].line), WEFT_ERR_INVALID);
        assert_non_null(strstr(problem, rows[i].says));
    }
}

static void a_blank_is_no_unit(void **state)
{
    (void)state;
    char *const words[] = {"weft-engine", "--model", "m", "--memory-max", "1 "};
    struct weft_engine_options options;
    assert_int_equal(weft_engine_options_read(&options, WEFT_COUNT(words), words, problem), WEFT_ERR_INVALID);
    assert_non_null(strstr(problem, "\"1 \" is none"));
}

static void the_help_names_every_flag(void **state)
{
    (void)state;
    static const char *const names[] = {"--model",      "--slots",        "--context",  "--threads", "--memory-max",
                                        "--gpu-layers", "--variant",      "--backends", "--sandbox", "--check",
                                        "--version",    "--sandbox-test", "--help"};
    for (size_t i = 0; i < WEFT_COUNT(names); i++) {
        assert_non_null(strstr(weft_engine_options_help(), names[i]));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults_are_those_of_the_help),
        cmocka_unit_test(every_flag_sets_its_field),
        cmocka_unit_test(sizes_know_their_units),
        cmocka_unit_test(what_is_wrong_is_named),
        cmocka_unit_test(a_blank_is_no_unit),
        cmocka_unit_test(the_help_names_every_flag),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
