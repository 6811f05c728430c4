/* node/setting_value.c - what a setting's text means, kind by kind. */
#include "node/setting_value.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/assert.h"
#include "base/error.h"
#include "host/address.h"

/* A unit of a number, the longer name first where one ends as another does. */
struct unit {
    struct weft_slice name;
    int64_t factor;
};

static const struct unit size_units[] = {
    {{"KiB", 3}, 1024}, {{"MiB", 3}, 1024 * 1024}, {{"GiB", 3}, 1024 * 1024 * 1024}, {{"", 0}, 1}};
static const struct unit time_units[] = {
    {{"ms", 2}, WEFT_MS}, {{"s", 1}, WEFT_SECOND}, {{"m", 1}, 60 * WEFT_SECOND}, {{"h", 1}, 3600 * WEFT_SECOND}};
static const struct unit no_units[] = {{{"", 0}, 1}};

WEFT_PRINTF(2, 3)
static int expect(char expected[WEFT_CONFIG_PROBLEM_MAX], const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    /* Cut if it is too long for its place: it is for a person. */
    (void)vsnprintf(expected, WEFT_CONFIG_PROBLEM_MAX, format, arguments);
    va_end(arguments);
    return WEFT_ERR_INVALID;
}

/* Digits and a unit, without a sign or a space. */
static bool read_number(struct weft_slice text, const struct unit *units, size_t count, int64_t *out)
{
    int64_t value = 0;
    size_t digits = 0;
    while (digits < text.size && text.data[digits] >= '0' && text.data[digits] <= '9') {
        if (value > (INT64_MAX - 9) / 10) {
            return false;
        }
        value = value * 10 + (text.data[digits++] - '0');
    }
    struct weft_slice unit = weft_slice(text.data + digits, text.size - digits);
    for (size_t i = 0; digits > 0 && i < count; i++) {
        if (weft_slice_equal(unit, units[i].name)) {
            if (value > INT64_MAX / units[i].factor) {
                return false;
            }
            *out = value * units[i].factor;
            return true;
        }
    }
    return false;
}

/* A bound as one would write it: in the largest unit that divides it. */
static void print_number(char text[32], int64_t value, const struct unit *units, size_t count)
{
    const struct unit *best = NULL;
    for (size_t i = 0; i < count; i++) {
        if (value % units[i].factor == 0 && (!best || (value != 0 && units[i].factor > best->factor))) {
            best = &units[i];
        }
    }
    WEFT_ASSERT(best);
    (void)snprintf(text, 32, "%" PRId64 "%s", value / best->factor, best->name.data); /* fits: 20 digits and a unit */
}

static int take_number(int64_t *field, const struct weft_setting *setting, struct weft_slice text,
                       char expected[WEFT_CONFIG_PROBLEM_MAX])
{
    static const struct {
        const struct unit *units;
        size_t count;
        const char *what;
    } kinds[] = {
        [WEFT_SETTING_SIZE] = {size_units, WEFT_COUNT(size_units), "a size such as 64MiB"},
        [WEFT_SETTING_COUNT] = {no_units, WEFT_COUNT(no_units), "a whole number"},
        [WEFT_SETTING_DURATION] = {time_units, WEFT_COUNT(time_units), "a time such as 30s, 500ms, 5m or 1h"},
    };
    const struct unit *units = kinds[setting->kind].units;
    size_t count = kinds[setting->kind].count;
    int64_t value;
    if (read_number(text, units, count, &value) && value >= setting->min && value <= setting->max) {
        *field = value;
        return 0;
    }
    char min[32], max[32];
    print_number(min, setting->min, units, count);
    print_number(max, setting->max, units, count);
    return expect(expected, "%s, from %s to %s", kinds[setting->kind].what, min, max);
}

static int take_choice(void *field, const struct weft_setting *setting, struct weft_slice text,
                       char expected[WEFT_CONFIG_PROBLEM_MAX])
{
    unsigned index = 0;
    for (const char *at = setting->choices; *at != '\0'; index++) {
        size_t size = strcspn(at, "|");
        if (weft_slice_equal(weft_slice(at, size), text)) {
            memcpy(field, &index, sizeof(index)); /* an enum without negative values is as wide as unsigned */
            return 0;
        }
        at += size + (at[size] == '|' ? 1 : 0);
    }
    return expect(expected, "one of %s", setting->choices);
}

_Static_assert(sizeof(enum weft_config_log_format) == sizeof(unsigned), "take_choice writes an unsigned");
_Static_assert(sizeof(enum weft_log_level) == sizeof(unsigned), "take_choice writes an unsigned");
_Static_assert(sizeof(enum weft_config_sandbox) == sizeof(unsigned), "take_choice writes an unsigned");

static int take_listener(struct weft_config_listeners *listeners, struct weft_slice text,
                         char expected[WEFT_CONFIG_PROBLEM_MAX])
{
    static const struct weft_slice starts[] = {
        [WEFT_CONFIG_TCP] = {"tcp:", 4}, [WEFT_CONFIG_TLS] = {"tls:", 4}, [WEFT_CONFIG_UNIX] = {"unix:", 5}};
    if (listeners->count == WEFT_CONFIG_LISTENERS_MAX) {
        (void)expect(expected, "no more than %d addresses", WEFT_CONFIG_LISTENERS_MAX);
        return WEFT_ERR_FULL;
    }
    struct weft_config_listener *listener = &listeners->at[listeners->count];
    for (size_t i = 0; i < WEFT_COUNT(starts); i++) {
        if (!weft_slice_starts(text, starts[i])) {
            continue;
        }
        struct weft_slice rest = weft_slice(text.data + starts[i].size, text.size - starts[i].size);
        listener->scheme = (enum weft_config_scheme)i;
        int status = i == WEFT_CONFIG_UNIX ? weft_address_unix(rest, &listener->address)
                                           : weft_address_parse(rest, &listener->address);
        if (status == 0) {
            listeners->count++;
            return 0;
        }
        break;
    }
    return expect(expected, "tcp:ADDRESS:PORT, tls:ADDRESS:PORT or unix:PATH, the address in numbers and an IPv6 one "
                            "in brackets (tcp:127.0.0.1:9338, tls:[::1]:9443)");
}

/* A lower-case copy in the arena. */
static struct weft_slice lower_copy(struct weft_arena *arena, struct weft_slice text)
{
    char *copy = weft_arena_alloc(arena, text.size + 1);
    if (!copy) {
        return weft_slice(NULL, 0);
    }
    for (size_t i = 0; i < text.size; i++) {
        char byte = text.data[i];
        copy[i] = byte >= 'A' && byte <= 'Z' ? (char)(byte - 'A' + 'a') : byte;
    }
    copy[text.size] = '\0';
    return weft_slice(copy, text.size);
}

static int add_model(struct weft_config *config, struct weft_config_models *models, struct weft_slice text,
                     char expected[WEFT_CONFIG_PROBLEM_MAX])
{
    if (text.size == 0) {
        return expect(expected, "the path of a GGUF file, or a model's name");
    }
    if (models->count == WEFT_CONFIG_MODELS_MAX) {
        (void)expect(expected, "no more than %d models", WEFT_CONFIG_MODELS_MAX);
        return WEFT_ERR_FULL;
    }
    models->at[models->count] = weft_arena_copy(&config->arena, text);
    if (!models->at[models->count].data) {
        return WEFT_ERR_MEMORY;
    }
    models->count++;
    return 0;
}

static int take_switch(bool *field, struct weft_slice text, char expected[WEFT_CONFIG_PROBLEM_MAX])
{
    bool on = weft_slice_equal(text, WEFT_SLICE("true"));
    if (!on && !weft_slice_equal(text, WEFT_SLICE("false"))) {
        return expect(expected, "true or false");
    }
    *field = on;
    return 0;
}

static int add_name(struct weft_arena *arena, struct weft_slice *at, size_t *count, size_t max, struct weft_slice text,
                    char expected[WEFT_CONFIG_PROBLEM_MAX])
{
    if (*count == max) {
        (void)expect(expected, "no more than %zu names", max);
        return WEFT_ERR_FULL;
    }
    at[*count] = lower_copy(arena, text);
    if (!at[*count].data) {
        return WEFT_ERR_MEMORY;
    }
    (*count)++;
    return 0;
}

/* SCHEME://HOST[:PORT] and nothing more, as browsers write an Origin (RFC 6454, section 6.2). */
static bool is_origin(struct weft_slice text)
{
    size_t scheme = 0;
    while (scheme < text.size && text.data[scheme] != ':') {
        char byte = text.data[scheme++];
        bool letter = (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z');
        bool other = (byte >= '0' && byte <= '9') || byte == '+' || byte == '-' || byte == '.';
        if (!letter && (scheme == 1 || !other)) {
            return false;
        }
    }
    struct weft_slice rest = weft_slice(text.data + scheme, text.size - scheme);
    if (scheme == 0 || !weft_slice_starts(rest, WEFT_SLICE("://"))) {
        return false;
    }
    /* What is left is an authority: the URL reader knows those. */
    char url[WEFT_URL_MAX + 1];
    int length = snprintf(url, sizeof(url), "http://%.*s", (int)(rest.size - 3), rest.data + 3);
    struct weft_url parsed;
    return length > 0 && (size_t)length < sizeof(url) && !memchr(rest.data + 3, '/', rest.size - 3) &&
           weft_url_parse(weft_slice(url, (size_t)length), &parsed, NULL) == 0;
}

static int take_url(struct weft_config *config, struct weft_slice *field, struct weft_slice text,
                    char expected[WEFT_CONFIG_PROBLEM_MAX])
{
    const char *why = "";
    struct weft_url url;
    if (weft_url_parse(text, &url, &why) < 0) {
        return expect(expected, "http://HOST:PORT, https://HOST:PORT, h2c://HOST:PORT or unix:PATH (%s)", why);
    }
    *field = weft_arena_copy(&config->arena, text);
    return field->data ? 0 : WEFT_ERR_MEMORY;
}

/* The next word of a text, which is cut off; empty at its end. */
static struct weft_slice next_word(struct weft_slice *text)
{
    while (text->size > 0 && text->data[0] == ' ') {
        *text = weft_slice(text->data + 1, text->size - 1);
    }
    const char *end = text->size > 0 ? memchr(text->data, ' ', text->size) : NULL;
    struct weft_slice word = weft_slice(text->data, end ? (size_t)(end - text->data) : text->size);
    *text = weft_slice(text->data + word.size, text->size - word.size);
    return word;
}

/* "key_env=NAME" or "key_file=FILE", one of them. */
static bool take_key(struct weft_config_external *external, struct weft_slice word)
{
    const struct weft_slice starts[] = {WEFT_SLICE("key_env="), WEFT_SLICE("key_file=")};
    struct weft_slice *fields[] = {&external->key_env, &external->key_file};
    for (size_t i = 0; i < WEFT_COUNT(starts); i++) {
        if (weft_slice_starts(word, starts[i]) && word.size > starts[i].size && external->key_env.size == 0 &&
            external->key_file.size == 0) {
            *fields[i] = weft_slice(word.data + starts[i].size, word.size - starts[i].size);
            return true;
        }
    }
    return false;
}

static int copy_each(struct weft_arena *arena, struct weft_slice *const *texts, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        *texts[i] = texts[i]->size > 0 ? weft_arena_copy(arena, *texts[i]) : *texts[i];
        if (texts[i]->size > 0 && !texts[i]->data) {
            return WEFT_ERR_MEMORY;
        }
    }
    return 0;
}

static int add_external(struct weft_config *config, struct weft_config_externals *externals, struct weft_slice text,
                        char expected[WEFT_CONFIG_PROBLEM_MAX])
{
    const char *why = "";
    struct weft_config_external external = {.name = next_word(&text)};
    struct weft_slice key = next_word(&text), rest = next_word(&text);
    struct weft_slice *const texts[] = {&external.name, &external.key_env, &external.key_file};
    if (externals->count == WEFT_CONFIG_EXTERNALS_MAX) {
        (void)expect(expected, "no more than %d servers", WEFT_CONFIG_EXTERNALS_MAX);
        return WEFT_ERR_FULL;
    }
    if (weft_url_parse(external.name, &external.url, &why) < 0) {
        return expect(expected, "http://HOST:PORT/v1, https://HOST/v1, h2c://HOST:PORT/v1 or unix:PATH (%s)", why);
    }
    if ((key.size > 0 && !take_key(&external, key)) || rest.size > 0) {
        return expect(expected, "a URL, and behind it key_env=NAME or key_file=FILE where the server wants a key");
    }
    int error = copy_each(&config->arena, texts, WEFT_COUNT(texts));
    if (error == 0) {
        error = weft_url_parse(external.name, &external.url, NULL); /* cannot fail: the same text did not */
    }
    if (error == 0) {
        externals->at[externals->count++] = external;
    }
    return error;
}

bool weft_setting_is_list(enum weft_setting_kind kind)
{
    return kind == WEFT_SETTING_LISTENERS || kind == WEFT_SETTING_HOSTS || kind == WEFT_SETTING_ORIGINS ||
           kind == WEFT_SETTING_MODELS || kind == WEFT_SETTING_EXTERNALS;
}

void weft_setting_clear(struct weft_config *config, const struct weft_setting *setting)
{
    void *field = (char *)config + setting->at;
    if (setting->kind == WEFT_SETTING_LISTENERS) {
        ((struct weft_config_listeners *)field)->count = 0;
    } else if (setting->kind == WEFT_SETTING_HOSTS) {
        ((struct weft_config_hosts *)field)->count = 0;
    } else if (setting->kind == WEFT_SETTING_ORIGINS) {
        ((struct weft_config_origins *)field)->count = 0;
    } else if (setting->kind == WEFT_SETTING_MODELS) {
        ((struct weft_config_models *)field)->count = 0;
    } else if (setting->kind == WEFT_SETTING_EXTERNALS) {
        ((struct weft_config_externals *)field)->count = 0;
    }
}

int weft_setting_take(struct weft_config *config, const struct weft_setting *setting, struct weft_slice text,
                      char expected[WEFT_CONFIG_PROBLEM_MAX])
{
    void *field = (char *)config + setting->at;
    struct weft_config_hosts *hosts = field;
    struct weft_config_origins *origins = field;
    switch (setting->kind) {
    case WEFT_SETTING_SECRET:
        *(struct weft_slice *)field = text;
        return 0;
    case WEFT_SETTING_PATH:
        if (text.size == 0) {
            return expect(expected, "a path");
        }
        *(struct weft_slice *)field = weft_arena_copy(&config->arena, text);
        return ((struct weft_slice *)field)->data ? 0 : WEFT_ERR_MEMORY;
    case WEFT_SETTING_LISTENERS:
        return take_listener(field, text, expected);
    case WEFT_SETTING_PORT:
        return weft_url_port(text, field) < 0 ? expect(expected, "a port from 0 to 65535 (0: any free one)") : 0;
    case WEFT_SETTING_ADDRESS:
        return weft_address_parse(text, field) < 0
                   ? expect(expected, "ADDRESS:PORT, the address in numbers and an IPv6 one in brackets "
                                      "(0.0.0.0:9339, [::]:9339)")
                   : 0;
    case WEFT_SETTING_URL:
        return take_url(config, field, text, expected);
    case WEFT_SETTING_HOSTS:
        if (!weft_url_is_host(text)) {
            return expect(expected, "a host name without a port");
        }
        return add_name(&config->arena, hosts->at, &hosts->count, WEFT_CONFIG_HOSTS_MAX, text, expected);
    case WEFT_SETTING_ORIGINS:
        if (!is_origin(text)) {
            return expect(expected, "one exact origin such as https://example.org, without a path or `*`");
        }
        return add_name(&config->arena, origins->at, &origins->count, WEFT_CONFIG_ORIGINS_MAX, text, expected);
    case WEFT_SETTING_MODELS:
        return add_model(config, field, text, expected);
    case WEFT_SETTING_EXTERNALS:
        return add_external(config, field, text, expected);
    case WEFT_SETTING_SWITCH:
        return take_switch(field, text, expected);
    case WEFT_SETTING_SIZE:
    case WEFT_SETTING_COUNT:
    case WEFT_SETTING_DURATION:
        return take_number(field, setting, text, expected);
    case WEFT_SETTING_CHOICE:
        return take_choice(field, setting, text, expected);
    }
    WEFT_ASSERT(false);
    return WEFT_ERR_INVALID;
}
