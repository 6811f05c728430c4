/* tests/unit/node/setting_value_test.c - what a setting's text means, at the edges of each kind. */
#include "node/setting_value.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "base/error.h"
#include "mesh/queue.h"

static struct weft_config config;

static int take(const char *name, const char *text)
{
    char expected[WEFT_CONFIG_PROBLEM_MAX] = "";
    const struct weft_setting *setting = weft_setting_by_name(weft_slice_text(name));
    assert_non_null(setting);
    int status = weft_setting_take(&config, setting, weft_slice_text(text), expected);
    assert_true((status == 0) == (expected[0] == '\0')); /* a refusal always says what it expected */
    return status;
}

static int set_up(void **state)
{
    (void)state;
    config = (struct weft_config){.port = 0};
    weft_arena_init(&config.arena);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    weft_config_deinit(&config);
    return 0;
}

static void test_numbers(void **state)
{
    (void)state;
    static const struct {
        const char *name, *text;
        int64_t value; /* -1: refused */
    } cases[] = {
        {"limits.body", "1024", 1024},
        {"limits.body", "1KiB", 1024},
        {"limits.body", "1023", -1},
        {"limits.body", "4GiB", (int64_t)4 << 30},
        {"limits.body", "4294967297", -1},
        {"limits.body", "007KiB", 7 * 1024},
        {"limits.body", "", -1},
        {"limits.body", "MiB", -1},
        {"limits.body", "1 MiB", -1},
        {"limits.body", "1mib", -1},
        {"limits.body", "1.5MiB", -1},
        {"limits.body", "+1MiB", -1},
        {"limits.body", "9223372036854775807", -1},
        {"limits.body", "9223372036854775808", -1},
        {"limits.connections", "1", 1},
        {"limits.connections", "1000000", 1000000},
        {"limits.connections", "1000001", -1},
        {"limits.connections", "1KiB", -1},
        {"queue.max", "1", 1},
        {"queue.max", "1000", WEFT_QUEUE_WAITERS_MAX},
        {"queue.max", "1001", -1},
        {"queue.max", "0", -1},
        {"drain_timeout", "0s", 0},
        {"drain_timeout", "1ms", WEFT_MS},
        {"drain_timeout", "60m", 3600 * WEFT_SECOND},
        {"drain_timeout", "1h", 3600 * WEFT_SECOND},
        {"drain_timeout", "3601s", -1},
        {"drain_timeout", "0", -1},
        {"drain_timeout", "1d", -1},
    };
    for (size_t i = 0; i < WEFT_COUNT(cases); i++) {
        int64_t *field =
            (int64_t *)(void *)((char *)&config + weft_setting_by_name(weft_slice_text(cases[i].name))->at);
        *field = -1;
        assert_int_equal(take(cases[i].name, cases[i].text), cases[i].value < 0 ? WEFT_ERR_INVALID : 0);
        assert_true(*field == cases[i].value); /* a refusal leaves the field as it was */
    }
}

static void test_ports(void **state)
{
    (void)state;
    assert_int_equal(take("port", "65535"), 0);
    assert_int_equal(config.port, 65535);
    assert_int_equal(take("port", "65536"), WEFT_ERR_INVALID);
    assert_int_equal(take("port", "-1"), WEFT_ERR_INVALID);
    assert_int_equal(take("port", ""), WEFT_ERR_INVALID);
    assert_int_equal(config.port, 65535);
    assert_int_equal(take("port", "0"), 0);
    assert_int_equal(config.port, 0);
}

static void test_choices(void **state)
{
    (void)state;
    static const char *const levels[] = {"debug", "info", "warn", "error"};
    for (size_t i = 0; i < WEFT_COUNT(levels); i++) {
        assert_int_equal(take("log.level", levels[i]), 0);
        assert_int_equal(config.log_level, WEFT_LOG_DEBUG + i);
    }
    assert_int_equal(config.log_level, WEFT_LOG_ERROR);
    assert_int_equal(take("log.level", "err"), WEFT_ERR_INVALID);
    assert_int_equal(take("log.level", "errors"), WEFT_ERR_INVALID);
    assert_int_equal(take("log.level", ""), WEFT_ERR_INVALID);
    assert_int_equal(take("log.format", "json"), 0);
    assert_int_equal(config.log_format, WEFT_CONFIG_LOG_JSON);
}

static void test_lists_are_bounded_and_cleared(void **state)
{
    (void)state;
    for (int i = 0; i < WEFT_CONFIG_HOSTS_MAX; i++) {
        assert_int_equal(take("hosts", "Name"), 0);
        assert_int_equal(take("cors.origins", "http://Name:1"), 0);
    }
    assert_int_equal(take("hosts", "name"), WEFT_ERR_FULL);
    assert_int_equal(take("cors.origins", "http://name"), WEFT_ERR_FULL);
    assert_int_equal(config.hosts.count, WEFT_CONFIG_HOSTS_MAX);
    assert_string_equal(config.hosts.at[WEFT_CONFIG_HOSTS_MAX - 1].data, "name");
    assert_string_equal(config.origins.at[0].data, "http://name:1");
    for (int i = 0; i < WEFT_CONFIG_LISTENERS_MAX; i++) {
        assert_int_equal(take("listen", "unix:/x"), 0);
    }
    assert_int_equal(take("listen", "unix:/x"), WEFT_ERR_FULL);
    static const char *const lists[] = {"hosts", "cors.origins", "listen"};
    for (size_t i = 0; i < WEFT_COUNT(lists); i++) {
        const struct weft_setting *setting = weft_setting_by_name(weft_slice_text(lists[i]));
        assert_true(weft_setting_is_list(setting->kind));
        weft_setting_clear(&config, setting);
    }
    assert_int_equal(config.hosts.count + config.origins.count + config.listeners.count, 0);
    assert_int_equal(take("port", "7"), 0);
    weft_setting_clear(&config, weft_setting_by_name(WEFT_SLICE("port")));
    assert_int_equal(config.port, 7); /* what is no list keeps its value */
}

static void test_external_servers(void **state)
{
    (void)state;
    static const char *const refused[] = {"",
                                          "localhost:8080",
                                          "http://x y",
                                          "http://x key=secret",
                                          "http://x key_env=",
                                          "http://x key_env=A key_file=b",
                                          "http://x key_env=A key_env=B",
                                          "http://x key_env=A B"};
    for (size_t i = 0; i < WEFT_COUNT(refused); i++) {
        assert_int_equal(take("external", refused[i]), WEFT_ERR_INVALID);
    }
    assert_int_equal(config.externals.count, 0);
    assert_int_equal(take("external", "http://10.0.0.1:8080/v1"), 0);
    assert_int_equal(take("external", "https://x/v1   key_env=NAME "), 0);
    assert_int_equal(take("external", "unix:/a key_file=/b"), 0);
    const struct weft_config_external *at = config.externals.at;
    assert_int_equal(config.externals.count, 3);
    assert_true(weft_slice_equal(at[0].name, WEFT_SLICE("http://10.0.0.1:8080/v1")));
    assert_true(weft_slice_equal(at[0].url.path, WEFT_SLICE("/v1")));
    assert_int_equal(at[0].key_env.size + at[0].key_file.size, 0);
    assert_true(weft_slice_equal(at[1].name, WEFT_SLICE("https://x/v1")));
    assert_string_equal(at[1].key_env.data, "NAME"); /* with a NUL behind it */
    assert_int_equal(at[2].url.scheme, WEFT_URL_UNIX);
    assert_string_equal(at[2].key_file.data, "/b");
    while (config.externals.count < WEFT_CONFIG_EXTERNALS_MAX) {
        assert_int_equal(take("external", "http://x"), 0);
    }
    assert_int_equal(take("external", "http://x"), WEFT_ERR_FULL);
    weft_setting_clear(&config, weft_setting_by_name(WEFT_SLICE("external")));
    assert_int_equal(config.externals.count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_numbers, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_ports, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_choices, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_lists_are_bounded_and_cleared, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_external_servers, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
