/* node/config.c - every setting there is, where each may come from, and what was set. */
#include "node/config.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/assert.h"
#include "base/error.h"
#include "host/address.h"
#include "node/setting.h"
#include "node/setting_value.h"
#include "wire/hostport.h"
#include "wire/yaml.h"

#define SHOWN_MAX 80 /* bytes of a wrong value that a message repeats */

WEFT_PRINTF(3, 4)
static int refuse(struct weft_config_problem *problem, int error, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    /* Cut if it is too long for its place: it is for a person. */
    (void)vsnprintf(problem->text, sizeof(problem->text), format, arguments);
    va_end(arguments);
    return error;
}

/* Where a value was said: "weft.yaml:3: `log.level`", "WEFT_PORT", "--port". */
struct origin {
    enum weft_config_source source;
    const char *file;
    unsigned line;
};

static void print_origin(char text[WEFT_CONFIG_PROBLEM_MAX], const struct origin *origin,
                         const struct weft_setting *setting)
{
    const char *name = setting->name;
    if (origin->source == WEFT_CONFIG_FILE) {
        (void)snprintf(text, WEFT_CONFIG_PROBLEM_MAX, "%s:%u: `%s`", origin->file, origin->line, name);
    } else if (origin->source == WEFT_CONFIG_ENVIRONMENT) {
        (void)snprintf(text, WEFT_CONFIG_PROBLEM_MAX, "%s (environment)", setting->variable);
    } else {
        (void)snprintf(text, WEFT_CONFIG_PROBLEM_MAX, "--%s", setting->flag);
    }
}

static size_t row_of(const struct weft_setting *setting)
{
    return (size_t)(setting - weft_settings);
}

/* One value from one place. The first of a list from a place that goes over the last one replaces what that gave. */
static int set(struct weft_config *config, const struct weft_setting *setting, struct weft_slice text,
               const struct origin *origin, struct weft_config_problem *problem)
{
    enum weft_config_source *source = &config->sources[row_of(setting)];
    if (*source != origin->source) {
        weft_setting_clear(config, setting);
    }
    *source = origin->source;

    char expected[WEFT_CONFIG_PROBLEM_MAX], where[WEFT_CONFIG_PROBLEM_MAX];
    int status = weft_setting_take(config, setting, text, expected);
    if (status == 0) {
        return 0;
    }
    if (status == WEFT_ERR_MEMORY) {
        return refuse(problem, status, "out of memory");
    }
    WEFT_ASSERT(origin->source != WEFT_CONFIG_DEFAULT); /* the table's own defaults are right */
    print_origin(where, origin, setting);
    char shown[SHOWN_MAX + 1];
    size_t size = 0;
    bool secret = setting->kind == WEFT_SETTING_EXTERNALS; /* somebody may have put the key itself behind the URL */
    for (; size < text.size && size < SHOWN_MAX && !(secret && text.data[size] == ' '); size++) {
        shown[size] = (unsigned char)text.data[size] < 0x20 || text.data[size] == 0x7F ? '?' : text.data[size];
    }
    shown[size] = '\0';
    return refuse(problem, status, "%s is \"%s\"; expected %s", where, shown, expected);
}

/* A list by commas: as the environment and the table write it. */
static int set_each(struct weft_config *config, const struct weft_setting *setting, const char *text,
                    const struct origin *origin, struct weft_config_problem *problem)
{
    if (!weft_setting_is_list(setting->kind)) {
        return set(config, setting, weft_slice_text(text), origin, problem);
    }
    int status = 0;
    while (status == 0 && *text != '\0') {
        size_t size = strcspn(text, ",");
        size_t space = strspn(text, " ");
        status =
            set(config, setting, weft_slice(text + (space < size ? space : size), size - (space < size ? space : size)),
                origin, problem);
        text += size + (text[size] == ',' ? 1 : 0);
    }
    return status;
}

/* -- defaults -- */

static int take_defaults(struct weft_config *config, struct weft_config_problem *problem)
{
    struct origin origin = {.source = WEFT_CONFIG_DEFAULT};
    int status = 0;
    for (size_t i = 0; status == 0 && i < weft_setting_count; i++) {
        if (weft_settings[i].fallback[0] != '\0') {
            status = set_each(config, &weft_settings[i], weft_settings[i].fallback, &origin, problem);
        }
    }
    return status;
}

/* -- the file -- */

static int refuse_name(const struct origin *origin, struct weft_slice path, struct weft_config_problem *problem)
{
    int size = (int)(path.size < SHOWN_MAX ? path.size : SHOWN_MAX);
    if (weft_slice_equal(path, WEFT_SLICE("api_key"))) {
        return refuse(
            problem, WEFT_ERR_INVALID,
            "%s:%u: the API key itself never stands in this file: put it into a file of its own and name that "
            "in `api_key_file`, or into the environment as WEFT_API_KEY",
            origin->file, origin->line);
    }
    const struct weft_setting *near = weft_setting_near_name(path);
    if (!near) {
        return refuse(problem, WEFT_ERR_INVALID, "%s:%u: there is no setting `%.*s`; docs/CONFIG.md lists them all",
                      origin->file, origin->line, size, path.data);
    }
    return refuse(problem, WEFT_ERR_INVALID, "%s:%u: there is no setting `%.*s`; did you mean `%s`?", origin->file,
                  origin->line, size, path.data, near->name);
}

static int take_entry(struct weft_config *config, const struct weft_yaml_entry *entry, const char *file,
                      struct weft_config_problem *problem)
{
    struct origin origin = {.source = WEFT_CONFIG_FILE, .file = file, .line = entry->line};
    const char *bracket = strchr(entry->path.data, '[');
    size_t size = bracket ? (size_t)(bracket - entry->path.data) : entry->path.size;
    const struct weft_setting *setting = weft_setting_by_name(weft_slice(entry->path.data, size));
    bool inside = bracket && strchr(bracket, ']')[1] != '\0'; /* "listen[0].x" */
    if (!setting || inside) {
        return refuse_name(&origin, entry->path, problem);
    }
    bool list = weft_setting_is_list(setting->kind);
    if (entry->kind == WEFT_YAML_EMPTY_LIST && list && !bracket) {
        weft_setting_clear(config, setting);
        config->sources[row_of(setting)] = WEFT_CONFIG_FILE;
        return 0;
    }
    if (entry->kind == WEFT_YAML_NOTHING && !bracket) {
        return 0; /* a name left empty says nothing */
    }
    if (entry->kind != WEFT_YAML_TEXT || (bracket && !list)) {
        return refuse(problem, WEFT_ERR_INVALID, "%s:%u: `%s` needs %s", file, entry->line, setting->name,
                      list ? "a list of plain values" : "one plain value");
    }
    return set(config, setting, entry->text, &origin, problem);
}

static int take_file(struct weft_config *config, const struct weft_config_input *input,
                     struct weft_config_problem *problem)
{
    if (!input->file.data) {
        return 0;
    }
    struct weft_arena arena;
    weft_arena_init(&arena);
    struct weft_yaml yaml;
    struct weft_yaml_problem why;
    int status = weft_yaml_decode(input->file, &arena, &yaml, &why);
    if (status < 0) {
        status = refuse(problem, status, "%s: %s", input->file_name, why.text);
    }
    for (size_t i = 0; status == 0 && i < yaml.count; i++) {
        status = take_entry(config, &yaml.entries[i], input->file_name, problem);
    }
    weft_arena_deinit(&arena);
    return status;
}

/* -- the environment -- */

/* NULL if it is not set, or empty: `WEFT_PORT= weft up` unsets it. */
static const char *find_variable(char *const *envp, const char *name)
{
    size_t size = strlen(name);
    for (; envp && *envp; envp++) {
        if (strncmp(*envp, name, size) == 0 && (*envp)[size] == '=') {
            return (*envp)[size + 1] == '\0' ? NULL : *envp + size + 1;
        }
    }
    return NULL;
}

static int take_environment(struct weft_config *config, const struct weft_config_input *input,
                            struct weft_config_problem *problem)
{
    struct origin origin = {.source = WEFT_CONFIG_ENVIRONMENT};
    int status = 0;
    for (size_t i = 0; status == 0 && i < weft_setting_count; i++) {
        const char *text = find_variable(input->envp, weft_settings[i].variable);
        if (text) {
            status = set_each(config, &weft_settings[i], text, &origin, problem);
        }
    }
    return status;
}

/* -- flags -- */

/* One flag: "--name value" or "--name=value"; a switch is "--name". */
struct flag {
    struct weft_slice name;             /* without its dashes; empty if the argument is no flag */
    const struct weft_setting *setting; /* NULL: there is no such flag */
    const char *value;                  /* NULL: none was given */
};

/* Reads the flag at argv[at]; returns how many arguments it takes. */
static int read_flag(const struct weft_config_input *input, int at, struct flag *flag)
{
    const char *argument = input->argv[at];
    *flag = (struct flag){.value = NULL};
    if (strncmp(argument, "--", 2) != 0) {
        return 1;
    }
    size_t size = strcspn(argument + 2, "=");
    flag->name = weft_slice(argument + 2, size);
    flag->setting = weft_setting_by_flag(flag->name);
    if (argument[2 + size] == '=') {
        flag->value = argument + 2 + size + 1;
    } else if (flag->setting && flag->setting->kind == WEFT_SETTING_SWITCH) {
        flag->value = "true";
        return 1;
    } else if (flag->setting && at + 1 < input->argc) {
        flag->value = input->argv[at + 1];
    }
    return flag->value && argument[2 + size] != '=' ? 2 : 1;
}

static int refuse_flag(const char *argument, const struct flag *flag, struct weft_config_problem *problem)
{
    if (flag->setting) {
        return refuse(problem, WEFT_ERR_INVALID, "--%s needs a value: --%s %s", flag->setting->flag,
                      flag->setting->flag, flag->setting->argument);
    }
    int size = (int)(flag->name.size < SHOWN_MAX ? flag->name.size : SHOWN_MAX);
    if (size == 0) {
        return refuse(problem, WEFT_ERR_INVALID, "\"%.*s\" is not expected here; flags begin with --", SHOWN_MAX,
                      argument);
    }
    if (weft_slice_equal(flag->name, WEFT_SLICE("api-key"))) {
        return refuse(problem, WEFT_ERR_INVALID,
                      "the API key itself is never a flag, which every user of this machine could read: put it into a "
                      "file and name that with --api-key-file, or into the environment as WEFT_API_KEY");
    }
    const struct weft_setting *near = weft_setting_near_flag(flag->name);
    if (!near) {
        return refuse(problem, WEFT_ERR_INVALID, "there is no flag --%.*s; --help lists them all", size,
                      flag->name.data);
    }
    return refuse(problem, WEFT_ERR_INVALID, "there is no flag --%.*s; did you mean --%s?", size, flag->name.data,
                  near->flag);
}

static int take_flags(struct weft_config *config, const struct weft_config_input *input,
                      struct weft_config_problem *problem)
{
    struct origin origin = {.source = WEFT_CONFIG_FLAG};
    int status = 0;
    for (int i = 0; status == 0 && i < input->argc;) {
        struct flag flag;
        int used = read_flag(input, i, &flag);
        if (!flag.setting || !flag.value) {
            return refuse_flag(input->argv[i], &flag, problem);
        }
        status = set(config, flag.setting, weft_slice_text(flag.value), &origin, problem);
        i += used;
    }
    return status;
}

void weft_config_locate(const struct weft_config_input *input, const char **home, const char **file)
{
    const struct weft_setting *settings[2] = {weft_setting_by_flag(WEFT_SLICE("home")),
                                              weft_setting_by_flag(WEFT_SLICE("config"))};
    const char *found[2];
    for (size_t i = 0; i < 2; i++) {
        found[i] = find_variable(input->envp, settings[i]->variable);
    }
    for (int i = 0; i < input->argc;) {
        struct flag flag;
        i += read_flag(input, i, &flag);
        for (size_t n = 0; n < 2; n++) {
            if (flag.setting == settings[n] && flag.value) {
                found[n] = flag.value;
            }
        }
    }
    *home = found[0];
    *file = found[1];
}

/* -- all of it -- */

static bool was_given(const struct weft_config *config, const char *name)
{
    return config->sources[row_of(weft_setting_by_name(weft_slice_text(name)))] != WEFT_CONFIG_DEFAULT;
}

/* --port stands for the default listeners' port. */
static int apply_port(struct weft_config *config, struct weft_config_problem *problem)
{
    config->listeners_by_default = !was_given(config, "listen");
    if (!was_given(config, "port")) {
        return 0;
    }
    if (!config->listeners_by_default) {
        return refuse(problem, WEFT_ERR_INVALID,
                      "both `port` and `listen` are set; `port` changes the port of the default addresses only: leave "
                      "it out, and write the port into each `listen`");
    }
    for (size_t i = 0; i < config->listeners.count; i++) {
        config->listeners.at[i].address.port = config->port;
    }
    return 0;
}

static int resolve_upstream(struct weft_config *config)
{
    if (config->upstream_text.size == 0) {
        return 0;
    }
    return weft_url_parse(config->upstream_text, &config->upstream, NULL); /* cannot fail: the same text did not */
}

int weft_config_init(struct weft_config *config, const struct weft_config_input *input,
                     struct weft_config_problem *problem)
{
    *config = (struct weft_config){.port = 0};
    weft_arena_init(&config->arena);
    problem->text[0] = '\0';
    WEFT_ASSERT(weft_setting_count <= WEFT_CONFIG_SETTINGS_MAX);
    int status = take_defaults(config, problem);
    if (status == 0) {
        status = take_file(config, input, problem);
    }
    if (status == 0) {
        status = take_environment(config, input, problem);
    }
    if (status == 0) {
        status = take_flags(config, input, problem);
    }
    if (status == 0) {
        status = apply_port(config, problem);
    }
    if (status == 0) {
        status = resolve_upstream(config);
    }
    if (status < 0) {
        weft_config_deinit(config);
    }
    return status;
}

void weft_config_deinit(struct weft_config *config)
{
    weft_arena_deinit(&config->arena);
    *config = (struct weft_config){.port = 0};
}

static int check_mesh(const struct weft_config *config, struct weft_config_problem *problem)
{
    struct weft_hostport parsed;
    if (config->gateway && config->mesh_listen.text[0] == '\0') {
        return refuse(problem, WEFT_ERR_INVALID,
                      "a gateway must be reached by other nodes: say where with --mesh-listen ADDRESS:PORT, such as "
                      "0.0.0.0:9340");
    }
    if (config->mesh_address.size > 0 && weft_hostport_parse(config->mesh_address, &parsed) < 0) {
        return refuse(problem, WEFT_ERR_INVALID,
                      "`mesh.address` is \"%.80s\", which is no HOST:PORT: a name or a numeric address, an IPv6 one in "
                      "brackets, then a colon and the port, %d bytes at most",
                      config->mesh_address.data, WEFT_HOSTPORT_MAX);
    }
    return 0;
}

bool weft_config_shares(const struct weft_config *config, struct weft_slice model)
{
    bool shares = config->share;
    for (size_t i = 0; i < config->models_kept_own.count && shares; i++) {
        shares = !weft_slice_equal_nocase(config->models_kept_own.at[i], model);
    }
    return shares;
}

int weft_config_check(const struct weft_config *config, bool has_key, struct weft_config_problem *problem)
{
    problem->text[0] = '\0';
    bool has_tls = false;
    for (size_t i = 0; i < config->listeners.count; i++) {
        const struct weft_config_listener *listener = &config->listeners.at[i];
        has_tls = has_tls || listener->scheme == WEFT_CONFIG_TLS;
        char text[WEFT_ADDRESS_PRINT_MAX];
        if (!has_key && !weft_address_is_loopback(&listener->address)) {
            return refuse(
                problem, WEFT_ERR_DENIED,
                "listening on %s would let anyone who reaches this machine use it: set an API key first, with "
                "--api-key-file FILE or in the environment as WEFT_API_KEY, or listen on 127.0.0.1 or [::1] only",
                weft_address_print(&listener->address, text));
        }
    }
    if (config->models.count > 0 && (config->no_model || config->upstream_text.size > 0)) {
        return refuse(problem, WEFT_ERR_INVALID,
                      "`models` and `%s` are both set: a node serves its own models, or %s; leave one of them out",
                      config->no_model ? "no_model" : "upstream",
                      config->no_model ? "none" : "relays to a server that has some");
    }
    if (config->externals.count > 0 && config->upstream_text.size > 0) {
        return refuse(problem, WEFT_ERR_INVALID,
                      "`external` and `upstream` are both set: an upstream gets every request of /v1/ as it is, and "
                      "nothing would be left for the others; leave one of them out");
    }
    if (config->listeners.count == 0) {
        return refuse(problem, WEFT_ERR_INVALID,
                      "`listen` names no address, so nobody could reach this node: name one, "
                      "or leave the setting out for the default");
    }
    if ((config->cert.size == 0) != (config->key.size == 0)) {
        return refuse(problem, WEFT_ERR_INVALID, "`%s` is set without `%s`: TLS needs both",
                      config->cert.size > 0 ? "cert" : "key", config->cert.size > 0 ? "key" : "cert");
    }
    if (has_tls && config->cert.size == 0) {
        return refuse(problem, WEFT_ERR_INVALID,
                      "a `tls:` address needs a certificate and its key: set --cert FILE and --key FILE (PEM)");
    }
    if (!has_tls && config->cert.size > 0 && config->mesh_listen.text[0] == '\0') {
        return refuse(
            problem, WEFT_ERR_INVALID,
            "`cert` and `key` are set, but no address uses them: listen on tls:ADDRESS:PORT, or leave them out");
    }
    return check_mesh(config, problem);
}
