/* tests/unit/node/config_test.c - where settings come from, which one wins, and what is said of a wrong one. */
#include "node/config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/error.h"
#include "base/mem.h"
#include "host/address.h"

#define ARGUMENTS_MAX 16

/* Sources as a test writes them: arguments and variables by one string each, split at spaces. */
struct sources {
    const char *file, *environment, *flags;
};

struct split {
    char text[512];
    char *parts[ARGUMENTS_MAX + 1];
    int count;
};

static void split_words(struct split *split, const char *words)
{
    int length = snprintf(split->text, sizeof(split->text), "%s", words ? words : "");
    assert_true(length >= 0 && (size_t)length < sizeof(split->text));
    split->count = 0;
    for (char *at = split->text; *at != '\0';) {
        assert_true(split->count < ARGUMENTS_MAX);
        split->parts[split->count++] = at;
        at += strcspn(at, " ");
        if (*at == ' ') {
            *at++ = '\0';
        }
    }
    split->parts[split->count] = NULL;
}

static int load(struct weft_config *config, const struct sources *sources, struct weft_config_problem *problem)
{
    static struct split flags, environment; /* secrets stay in the environment's memory */
    split_words(&flags, sources->flags);
    split_words(&environment, sources->environment);
    struct weft_config_input input = {
        .argc = flags.count,
        .argv = flags.parts,
        .envp = environment.parts,
        .file_name = "weft.yaml",
        .file = sources->file ? weft_slice_text(sources->file) : weft_slice(NULL, 0),
    };
    return weft_config_init(config, &input, problem);
}

static void test_defaults(void **state)
{
    (void)state;
    struct weft_config config;
    struct weft_config_problem problem;
    assert_int_equal(load(&config, &(struct sources){.file = NULL}, &problem), 0);
    assert_int_equal(config.listeners.count, 2);
    char text[WEFT_ADDRESS_PRINT_MAX];
    assert_int_equal(config.listeners.at[0].scheme, WEFT_CONFIG_TCP);
    assert_string_equal(weft_address_print(&config.listeners.at[0].address, text), "127.0.0.1:9338");
    assert_string_equal(weft_address_print(&config.listeners.at[1].address, text), "[::1]:9338");
    assert_int_equal(config.body_max, 64 * 1024 * 1024);
    assert_int_equal(config.connections_max, 10000);
    assert_int_equal(config.drain_timeout, 30 * WEFT_SECOND);
    assert_int_equal(config.log_format, WEFT_CONFIG_LOG_AUTO);
    assert_int_equal(config.log_level, WEFT_LOG_INFO);
    assert_int_equal(config.home.size + config.file.size + config.cert.size + config.key.size, 0);
    assert_int_equal(config.upstream_text.size + config.api_key.size + config.api_key_file.size, 0);
    assert_int_equal(config.hosts.count + config.origins.count, 0);
    assert_int_equal(weft_config_check(&config, false, &problem), 0);
    weft_config_deinit(&config);
}

static void test_every_setting_from_the_file(void **state)
{
    (void)state;
    static const char file[] = "listen:\n  - tls:0.0.0.0:443\n  - 'unix:/run/weft.sock'\n"
                               "cert: /c.pem\nkey: /k.pem\napi_key_file: /key\nhosts: [Weft.Example.ORG]\n"
                               "cors:\n  origins: ['https://A.example', \"app://x:5\"]\n"
                               "upstream: h2c://[::1]:9000/base\nlimits: {body: 1GiB, connections: 7}\n"
                               "drain_timeout: 1500ms\nlog: {format: json, level: error}\n";
    struct weft_config config;
    struct weft_config_problem problem;
    assert_int_equal(load(&config, &(struct sources){.file = file}, &problem), 0);
    assert_int_equal(config.listeners.count, 2);
    assert_int_equal(config.listeners.at[0].scheme, WEFT_CONFIG_TLS);
    assert_string_equal(config.listeners.at[0].address.text, "0.0.0.0");
    assert_int_equal(config.listeners.at[0].address.port, 443);
    assert_int_equal(config.listeners.at[1].scheme, WEFT_CONFIG_UNIX);
    assert_string_equal(config.listeners.at[1].address.text, "/run/weft.sock");
    assert_string_equal(config.cert.data, "/c.pem");
    assert_string_equal(config.key.data, "/k.pem");
    assert_string_equal(config.api_key_file.data, "/key");
    assert_int_equal(config.hosts.count, 1);
    assert_string_equal(config.hosts.at[0].data, "weft.example.org");
    assert_int_equal(config.origins.count, 2);
    assert_string_equal(config.origins.at[0].data, "https://a.example");
    assert_string_equal(config.origins.at[1].data, "app://x:5");
    assert_int_equal(config.upstream.scheme, WEFT_URL_H2C);
    assert_int_equal(config.upstream.port, 9000);
    assert_true(weft_slice_equal(config.upstream.host, WEFT_SLICE("::1")));
    assert_true(weft_slice_equal(config.upstream.path, WEFT_SLICE("/base")));
    assert_int_equal(config.body_max, 1024 * 1024 * 1024);
    assert_int_equal(config.connections_max, 7);
    assert_int_equal(config.drain_timeout, 1500 * WEFT_MS);
    assert_int_equal(config.log_format, WEFT_CONFIG_LOG_JSON);
    assert_int_equal(config.log_level, WEFT_LOG_ERROR);
    weft_config_deinit(&config);
}

static void test_precedence(void **state)
{
    (void)state;
    struct weft_config config;
    struct weft_config_problem problem;
    struct sources sources = {.file = "log: {level: warn}\nhosts: [a, b]\nlimits: {connections: 1}\nport: 1\n"};
    assert_int_equal(load(&config, &sources, &problem), 0);
    assert_int_equal(config.log_level, WEFT_LOG_WARN);
    assert_int_equal(config.hosts.count, 2);
    assert_int_equal(config.listeners.at[1].address.port, 1);
    weft_config_deinit(&config);

    sources.environment =
        "PATH=/bin WEFT_LOG_LEVEL=error WEFT_HOSTS=c WEFT_LIMITS_CONNECTIONS=2 WEFT_PORT= XWEFT_PORT=3";
    assert_int_equal(load(&config, &sources, &problem), 0);
    assert_int_equal(config.log_level, WEFT_LOG_ERROR);
    assert_int_equal(config.hosts.count, 1);
    assert_string_equal(config.hosts.at[0].data, "c");
    assert_int_equal(config.connections_max, 2);
    assert_int_equal(config.port, 1); /* an empty variable is none */
    weft_config_deinit(&config);

    sources.flags = "--log-level=debug --host d --host=e --port 5 --port 6";
    assert_int_equal(load(&config, &sources, &problem), 0);
    assert_int_equal(config.log_level, WEFT_LOG_DEBUG);
    assert_int_equal(config.hosts.count, 2);
    assert_string_equal(config.hosts.at[1].data, "e");
    assert_int_equal(config.connections_max, 2);
    assert_int_equal(config.listeners.at[0].address.port, 6); /* of two of the same, the later one */
    weft_config_deinit(&config);
}

static void test_lists(void **state)
{
    (void)state;
    struct weft_config config;
    struct weft_config_problem problem;
    struct sources sources = {
        .environment = "WEFT_LISTEN=tcp:127.0.0.1:1,unix:/a,tls:[::1]:2 WEFT_CORS_ORIGINS=http://a,http://b"};
    assert_int_equal(load(&config, &sources, &problem), 0);
    assert_int_equal(config.listeners.count, 3);
    assert_int_equal(config.origins.count, 2);
    weft_config_deinit(&config);
    /* One plain value is a list of one; an empty list is one without values. */
    assert_int_equal(load(&config, &(struct sources){.file = "listen: unix:/a\nhosts: []\n"}, &problem), 0);
    assert_int_equal(config.listeners.count, 1);
    weft_config_deinit(&config);
    assert_int_equal(load(&config, &(struct sources){.file = "listen: []\n"}, &problem), 0);
    assert_int_equal(config.listeners.count, 0);
    assert_int_equal(weft_config_check(&config, true, &problem), WEFT_ERR_INVALID);
    weft_config_deinit(&config);
    /* A name with nothing behind it leaves the default. */
    assert_int_equal(load(&config, &(struct sources){.file = "listen:\nport:\nlog:\n  level:\n"}, &problem), 0);
    assert_int_equal(config.listeners.count, 2);
    weft_config_deinit(&config);

    char file[1024];
    size_t used = (size_t)snprintf(file, sizeof(file), "listen:\n");
    for (int i = 0; i <= WEFT_CONFIG_LISTENERS_MAX; i++) {
        used += (size_t)snprintf(file + used, sizeof(file) - used, "- unix:/%d\n", i);
    }
    assert_int_equal(load(&config, &(struct sources){.file = file}, &problem), WEFT_ERR_FULL);
    assert_string_equal(problem.text, "weft.yaml:18: `listen` is \"unix:/16\"; expected no more than 16 addresses");
}

static void test_models(void **state)
{
    (void)state;
    struct weft_config config;
    struct weft_config_problem problem;
    struct sources sources = {.file = "models: [a.gguf, B]\nengine:\n  sandbox: off\n  slots: 3\nno_model: true\n",
                              .flags = "--model /x/Y.gguf --no-model=false --model z --memory 2GiB"};
    assert_int_equal(load(&config, &sources, &problem), 0);
    assert_int_equal(config.models.count, 2);
    assert_string_equal(config.models.at[0].data, "/x/Y.gguf"); /* letters keep their case */
    assert_string_equal(config.models.at[1].data, "z");
    assert_false(config.no_model);
    assert_int_equal(config.engine_slots, 3);
    assert_int_equal(config.engine_sandbox, WEFT_CONFIG_SANDBOX_OFF);
    assert_int_equal(config.engine_memory_max, (int64_t)2 << 30);
    assert_int_equal(weft_config_check(&config, true, &problem), 0);
    weft_config_deinit(&config);
    /* A switch takes no value: what follows it is the next flag. */
    assert_int_equal(load(&config, &(struct sources){.flags = "--no-model --port 1"}, &problem), 0);
    assert_true(config.no_model);
    assert_int_equal(config.port, 1);
    weft_config_deinit(&config);
    assert_int_equal(load(&config, &(struct sources){.flags = "--model a --no-model"}, &problem), 0);
    assert_int_equal(weft_config_check(&config, true, &problem), WEFT_ERR_INVALID);
    assert_non_null(strstr(problem.text, "`models` and `no_model` are both set"));
    weft_config_deinit(&config);
    assert_int_equal(load(&config, &(struct sources){.flags = "--model a --upstream http://x:1"}, &problem), 0);
    assert_int_equal(weft_config_check(&config, true, &problem), WEFT_ERR_INVALID);
    assert_non_null(strstr(problem.text, "`models` and `upstream` are both set"));
    weft_config_deinit(&config);
    assert_int_equal(load(&config, &(struct sources){.flags = "--external http://y --upstream http://x:1"}, &problem),
                     0);
    assert_int_equal(weft_config_check(&config, false, &problem), WEFT_ERR_INVALID);
    assert_non_null(strstr(problem.text, "`external` and `upstream` are both set"));
    weft_config_deinit(&config);
}

static void test_secret(void **state)
{
    (void)state;
    struct weft_config config;
    struct weft_config_problem problem;
    char *envp[] = {(char[]){"WEFT_API_KEY=s3cret"}, NULL};
    struct weft_config_input input = {.envp = envp};
    assert_int_equal(weft_config_init(&config, &input, &problem), 0);
    assert_ptr_equal(config.api_key.data, envp[0] + strlen("WEFT_API_KEY=")); /* no copy to forget about */
    assert_int_equal(config.api_key.size, 6);
    weft_config_deinit(&config);
    assert_int_equal(load(&config, &(struct sources){.file = "port: 1\napi_key: s3cret\n"}, &problem),
                     WEFT_ERR_INVALID);
    assert_non_null(strstr(problem.text, "weft.yaml:2: the API key itself never stands in this file"));
    assert_null(strstr(problem.text, "s3cret"));
    assert_int_equal(load(&config, &(struct sources){.flags = "--api-key s3cret"}, &problem), WEFT_ERR_INVALID);
    assert_non_null(strstr(problem.text, "--api-key-file"));
    assert_null(strstr(problem.text, "s3cret"));
    assert_int_equal(load(&config, &(struct sources){.flags = "--api-key=s3cret"}, &problem), WEFT_ERR_INVALID);
    assert_null(strstr(problem.text, "s3cret"));
}

static const struct {
    struct sources sources;
    const char *sentence; /* how it begins */
} refusals[] = {
    {{.file = "a: 1\nlisen: x\n"}, "weft.yaml:1: there is no setting `a`; docs/CONFIG.md lists them all"},
    {{.file = "\nlisen: unix:/x\n"}, "weft.yaml:2: there is no setting `lisen`; did you mean `listen`?"},
    {{.file = "log:\n  levle: info\n"}, "weft.yaml:2: there is no setting `log.levle`; did you mean `log.level`?"},
    {{.file = "level: info\n"}, "weft.yaml:1: there is no setting `level`; did you mean `log.level`?"},
    {{.file = "limits: 5\n"}, "weft.yaml:1: there is no setting `limits`; did you mean `limits.body`?"},
    {{.file = "hots: {}\n"}, "weft.yaml:1: there is no setting `hots`; did you mean `hosts`?"},
    {{.file = "home: /x\n"}, "weft.yaml:1: there is no setting `home`; "},
    {{.file = "listen: [[unix:/x]]\n"}, "weft.yaml:1: there is no setting `listen[0][0]`"},
    {{.file = "listen: {a: 1}\n"}, "weft.yaml:1: there is no setting `listen.a`"},
    {{.file = "listen: {}\n"}, "weft.yaml:1: `listen` needs a list of plain values"},
    {{.file = "listen:\n- \n"}, "weft.yaml:2: `listen` needs a list of plain values"},
    {{.file = "port: [1]\n"}, "weft.yaml:1: `port` needs one plain value"},
    {{.file = "port: []\n"}, "weft.yaml:1: `port` needs one plain value"},
    {{.file = "port: 1\nport: 2\n"}, "weft.yaml: line 2: `port` stands twice"},
    {{.file = "port: 65536\n"}, "weft.yaml:1: `port` is \"65536\"; expected a port from 0 to 65535"},
    {{.file = "cert: ''\n"}, "weft.yaml:1: `cert` is \"\"; expected a path"},
    {{.file = "drain_timeout: 30\n"},
     "weft.yaml:1: `drain_timeout` is \"30\"; expected a time such as 30s, 500ms, "
     "5m or 1h, from 0ms to 1h"},
    {{.file = "drain_timeout: 61m\n"}, "weft.yaml:1: `drain_timeout` is \"61m\"; expected a time"},
    {{.environment = "WEFT_LIMITS_BODY=64MB"},
     "WEFT_LIMITS_BODY (environment) is \"64MB\"; expected a size such as 64MiB, from 1KiB to 4GiB"},
    {{.environment = "WEFT_LIMITS_BODY=99999999999999999999GiB"}, "WEFT_LIMITS_BODY (environment) is "},
    {{.environment = "WEFT_LIMITS_BODY=9000000000000000000GiB"}, "WEFT_LIMITS_BODY (environment) is "},
    {{.environment = "WEFT_LIMITS_BODY=17179869185GiB"}, "WEFT_LIMITS_BODY (environment) is "}, /* 1 GiB mod 2^64 */
    {{.environment = "WEFT_HOSTS=a,,b"}, "WEFT_HOSTS (environment) is \"\"; expected a host name without a port"},
    {{.environment = "WEFT_HOSTS=a:80"}, "WEFT_HOSTS (environment) is \"a:80\"; expected"},
    {{.flags = "--limits-connections 0"}, "--limits-connections is \"0\"; expected a whole number, from 1 to 1000000"},
    {{.flags = "--queue-max 4096"}, "--queue-max is \"4096\"; expected a whole number, from 1 to 1000"},
    {{.flags = "--limits-connections -1"}, "--limits-connections is \"-1\"; expected"},
    {{.flags = "--log-level loud"}, "--log-level is \"loud\"; expected one of debug|info|warn|error"},
    {{.flags = "--log-format pretty|json"}, "--log-format is \"pretty|json\"; expected one of"},
    {{.flags = "--log-level="}, "--log-level is \"\"; expected one of"},
    {{.flags = "--listen 127.0.0.1:80"}, "--listen is \"127.0.0.1:80\"; expected tcp:ADDRESS:PORT"},
    {{.flags = "--listen tcp:localhost:80"}, "--listen is \"tcp:localhost:80\"; expected"},
    {{.flags = "--listen unix:"}, "--listen is \"unix:\"; expected"},
    {{.flags = "--upstream ftp://x"},
     "--upstream is \"ftp://x\"; expected http://HOST:PORT, https://HOST:PORT, "
     "h2c://HOST:PORT or unix:PATH (it begins with none"},
    {{.flags = "--cors-origin *"}, "--cors-origin is \"*\"; expected one exact origin"},
    {{.flags = "--cors-origin null"}, "--cors-origin is \"null\"; expected"},
    {{.flags = "--cors-origin https://a/"}, "--cors-origin is \"https://a/\"; expected"},
    {{.flags = "--cors-origin https://u@a"}, "--cors-origin is \"https://u@a\"; expected"},
    {{.flags = "--cors-origin 1s://a"}, "--cors-origin is \"1s://a\"; expected"},
    {{.flags = "--cors-origin https:"}, "--cors-origin is \"https:\"; expected"},
    {{.flags = "--lisen unix:/x"}, "there is no flag --lisen; did you mean --listen?"},
    {{.flags = "--log.level info"}, "there is no flag --log.level; did you mean --log-level?"},
    {{.flags = "--level info"}, "there is no flag --level; did you mean --log-level?"},
    {{.flags = "--xyzzy"}, "there is no flag --xyzzy; --help lists them all"},
    {{.flags = "--port"}, "--port needs a value: --port PORT"},
    {{.flags = "--no-model yes"}, "\"yes\" is not expected here"},
    {{.flags = "--no-model=yes"}, "--no-model is \"yes\"; expected true or false"},
    {{.flags = "--model="}, "--model is \"\"; expected the path of a GGUF file, or a model's name"},
    {{.flags = "--slots 65"}, "--slots is \"65\"; expected a whole number, from 1 to 64"},
    {{.flags = "extra"}, "\"extra\" is not expected here"},
    {{.flags = "-p 1"}, "\"-p\" is not expected here"},
    {{.flags = "--"}, "\"--\" is not expected here"},
    {{.flags = "--port 1 --listen unix:/x"}, "both `port` and `listen` are set"},
    {{.file = "listen: unix:/x\n", .flags = "--port 1"}, "both `port` and `listen` are set"},
};

static void test_refusals(void **state)
{
    (void)state;
    for (size_t i = 0; i < WEFT_COUNT(refusals); i++) {
        struct weft_config config;
        struct weft_config_problem problem;
        assert_true(load(&config, &refusals[i].sources, &problem) < 0);
        char begin[WEFT_CONFIG_PROBLEM_MAX];
        (void)snprintf(begin, sizeof(begin), "%.*s", (int)strlen(refusals[i].sentence), problem.text);
        assert_string_equal(begin, refusals[i].sentence);
    }
}

static void test_a_wrong_value_is_shown_safely(void **state)
{
    (void)state;
    struct weft_config config;
    struct weft_config_problem problem;
    char file[2048] = "log:\n  level: \"\\e[31m";
    size_t used = strlen(file);
    memset(file + used, 'x', 1000);
    memcpy(file + used + 1000, "\"\n", 3);
    assert_int_equal(load(&config, &(struct sources){.file = file}, &problem), WEFT_ERR_INVALID);
    assert_non_null(strstr(problem.text, "`log.level` is \"?[31mxxx"));
    assert_non_null(strstr(problem.text, "xxx\"; expected one of"));
    assert_true(strlen(problem.text) < 200);
}

static void test_locate(void **state)
{
    (void)state;
    static const struct {
        const char *environment, *flags, *home, *file;
    } cases[] = {
        {"", "", NULL, NULL},
        {"WEFT_HOME=/a WEFT_CONFIG=/b", "", "/a", "/b"},
        {"WEFT_HOME=/a WEFT_CONFIG=/b", "--home /c --config=/d", "/c", "/d"},
        {"", "--cert --config --config /x", NULL, "/x"}, /* the first is a value */
        {"", "--unknown --config /x", NULL, "/x"},
        {"WEFT_HOME=", "--config", NULL, NULL},
    };
    for (size_t i = 0; i < WEFT_COUNT(cases); i++) {
        struct split flags, environment;
        split_words(&flags, cases[i].flags);
        split_words(&environment, cases[i].environment);
        struct weft_config_input input = {.argc = flags.count, .argv = flags.parts, .envp = environment.parts};
        const char *home, *file;
        weft_config_locate(&input, &home, &file);
        assert_true((!home) == (!cases[i].home) && (!file) == (!cases[i].file));
        if (home) {
            assert_string_equal(home, cases[i].home);
        }
        if (file) {
            assert_string_equal(file, cases[i].file);
        }
    }
}

static void test_check(void **state)
{
    (void)state;
    static const struct {
        const char *flags;
        bool has_key;
        int status;
        const char *sentence; /* holds */
    } cases[] = {
        {"", false, 0, ""},
        {"--listen tcp:0.0.0.0:80", false, WEFT_ERR_DENIED, "listening on 0.0.0.0:80 would let anyone"},
        {"--listen tcp:0.0.0.0:80", true, 0, ""},
        {"--listen tcp:127.0.0.1:1 --listen tcp:[::]:80", false, WEFT_ERR_DENIED, "WEFT_API_KEY"},
        {"--listen unix:/x --listen tcp:127.9.9.9:1", false, 0, ""},
        {"--listen tls:[::1]:443", false, WEFT_ERR_INVALID, "needs a certificate"},
        {"--listen tls:[::1]:443 --cert c --key k", false, 0, ""},
        {"--listen tls:10.0.0.1:443 --cert c --key k", false, WEFT_ERR_DENIED, "--api-key-file"},
        {"--listen tls:[::1]:443 --cert c", false, WEFT_ERR_INVALID, "`cert` is set without `key`"},
        {"--listen tls:[::1]:443 --key k", false, WEFT_ERR_INVALID, "`key` is set without `cert`"},
        {"--cert c --key k", false, WEFT_ERR_INVALID, "no address uses them"},
    };
    for (size_t i = 0; i < WEFT_COUNT(cases); i++) {
        struct weft_config config;
        struct weft_config_problem problem;
        assert_int_equal(load(&config, &(struct sources){.flags = cases[i].flags}, &problem), 0);
        assert_int_equal(weft_config_check(&config, cases[i].has_key, &problem), cases[i].status);
        assert_non_null(strstr(problem.text, cases[i].sentence));
        assert_true((problem.text[0] == '\0') == (cases[i].status == 0));
        weft_config_deinit(&config);
    }
}

static void test_torture(void **state)
{
    (void)state;
    weft_bytes_trim();
    int64_t live = weft_mem_live();
    struct sources sources = {.file = "hosts: [a, b]\nkey: /k\nlog: {level: warn}\n",
                              .environment = "WEFT_TLS_CERT=/c WEFT_CORS_ORIGINS=http://a,http://b",
                              .flags = "--upstream http://x:1/y --home /h"};
    bool done = false;
    for (uint64_t at = 1; !done; at++) {
        struct weft_config config;
        struct weft_config_problem problem;
        weft_mem_fail_at(at);
        int status = load(&config, &sources, &problem);
        done = !weft_mem_failed();
        weft_mem_fail_at(0);
        assert_int_equal(status, done ? 0 : WEFT_ERR_MEMORY);
        assert_true(done || strstr(problem.text, "out of memory"));
        weft_config_deinit(&config);
        assert_int_equal(weft_mem_live(), live);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults),   cmocka_unit_test(test_every_setting_from_the_file),
        cmocka_unit_test(test_precedence), cmocka_unit_test(test_lists),
        cmocka_unit_test(test_models),     cmocka_unit_test(test_secret),
        cmocka_unit_test(test_refusals),   cmocka_unit_test(test_a_wrong_value_is_shown_safely),
        cmocka_unit_test(test_locate),     cmocka_unit_test(test_check),
        cmocka_unit_test(test_torture),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
