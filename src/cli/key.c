/* cli/key.c - the API key on its way from a file or the environment to the node, and the mesh key. */
#include "cli/key.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/text.h"
#include "cli/input.h"
#include "crypto/secret.h"

#define VARIABLE "WEFT_API_KEY"

static int take(struct weft_api_key *key, struct weft_slice text, const char *from, struct weft_config_problem *problem)
{
    const char *wrong = NULL;
    if (text.size == 0) {
        wrong = "is empty";
    } else if (text.size > WEFT_KEY_MAX) {
        wrong = "is longer than 512 bytes";
    }
    for (size_t i = 0; !wrong && i < text.size; i++) {
        if (text.data[i] <= 0x20 || text.data[i] >= 0x7f) { /* where char is signed, bytes over that are below zero */
            wrong = "holds a space or another character that no HTTP client can send in a key";
        }
    }
    if (wrong) {
        (void)snprintf(problem->text, sizeof(problem->text),
                       "the API key in %.200s %s: use 1 to 512 printable ASCII characters, such as the output of "
                       "`openssl rand -hex 32`",
                       from, wrong);
        return WEFT_ERR_INVALID;
    }
    memcpy(key->text, text.data, text.size);
    key->text[text.size] = '\0';
    key->size = text.size;
    return 0;
}

static struct weft_slice first_line(const struct weft_input *input)
{
    size_t size = 0;
    while (size < input->size && input->data[size] != '\n' && input->data[size] != '\r') {
        size++;
    }
    return weft_slice(input->data, size);
}

static int take_from_file(struct weft_api_key *key, const char *path, const char *what,
                          struct weft_config_problem *problem)
{
    struct weft_input input;
    int status = weft_input_read(&input, path, what, 4096, 0077, problem);
    if (status == 0) {
        status = take(key, first_line(&input), path, problem);
        weft_input_deinit(&input);
    }
    return status;
}

/* Overwritten where it stands: /proc/PID/environ shows that very memory, whatever unsetenv(3) does. */
static void wipe_variable(const char *name, char *value)
{
    weft_secret_wipe(value, strlen(value));
    (void)unsetenv(name); /* fails only for a bad name; what is left is empty */
}

int weft_key_take(struct weft_api_key *key, struct weft_config *config, struct weft_config_problem *problem)
{
    *key = (struct weft_api_key){.size = 0};
    char *variable = getenv(VARIABLE);
    if (!variable || variable[0] == '\0') {
        return config->api_key_file.size > 0
                   ? take_from_file(key, config->api_key_file.data, "the API key file", problem)
                   : 0;
    }
    int status = take(key, weft_slice_text(variable), "the environment (" VARIABLE ")", problem);
    wipe_variable(VARIABLE, variable);
    config->api_key = (struct weft_slice){0};
    if (status == 0 && config->api_key_file.size > 0) {
        (void)snprintf(problem->text, sizeof(problem->text),
                       "an API key is in the environment (" VARIABLE ") and in a file (`api_key_file`): weft cannot "
                       "know which one is meant. Leave one of them out");
        status = WEFT_ERR_INVALID;
    }
    return status;
}

static int take_mesh_key(struct weft_mesh_key *key, const char *name, struct weft_slice text,
                         struct weft_config_problem *problem)
{
    struct weft_invite invite;
    struct weft_slice line = weft_trim(text);
    int error = line.size < sizeof(key->line) ? weft_invite_read(line, &invite) : WEFT_ERR_INVALID;
    if (error < 0) {
        (void)snprintf(problem->text, sizeof(problem->text), "%s (environment): %s", name,
                       weft_invite_problem(error)); /* fits */
        return WEFT_ERR_INVALID;
    }
    weft_invite_deinit(&invite);
    if (key->line[0] != '\0' && !weft_slice_equal(line, weft_slice_text(key->line))) {
        (void)snprintf(
            problem->text, sizeof(problem->text),
            "WEFT_MESH_KEY and JIMBOMESH_API_KEY (environment) are two invites: weft cannot know which one is "
            "meant. Leave one of them out");
        return WEFT_ERR_INVALID;
    }
    memcpy(key->line, line.data, line.size);
    key->line[line.size] = '\0';
    return 0;
}

int weft_mesh_key_take(struct weft_mesh_key *key, struct weft_config *config, struct weft_config_problem *problem)
{
    static const char *const names[] = {"WEFT_MESH_KEY", "JIMBOMESH_API_KEY"};
    int status = 0;
    *key = (struct weft_mesh_key){.line = ""};
    config->mesh_key = (struct weft_slice){0};
    for (size_t i = 0; i < WEFT_COUNT(names); i++) {
        char *value = getenv(names[i]);
        if (value && value[0] != '\0') {
            status = status < 0 ? status : take_mesh_key(key, names[i], weft_slice_text(value), problem);
            wipe_variable(names[i], value);
        }
    }
    return status;
}

static int take_external(struct weft_api_key *key, const struct weft_config_external *external,
                         struct weft_config_problem *problem)
{
    if (external->key_file.size > 0) {
        return take_from_file(key, external->key_file.data, "the key file of an external server", problem);
    }
    const char *variable = external->key_env.size > 0 ? getenv(external->key_env.data) : "";
    if (!variable) {
        (void)snprintf(problem->text, sizeof(problem->text),
                       "the external server %.200s is to be shown the key in %.100s, which the environment does not "
                       "have: set it, or name a file with key_file=FILE",
                       external->name.data, external->key_env.data);
        return WEFT_ERR_NOT_FOUND;
    }
    return external->key_env.size > 0 ? take(key, weft_slice_text(variable), external->key_env.data, problem) : 0;
}

int weft_keys_take_external(struct weft_api_key keys[WEFT_CONFIG_EXTERNALS_MAX], const struct weft_config *config,
                            struct weft_config_problem *problem)
{
    int status = 0;
    for (size_t i = 0; status == 0 && i < config->externals.count; i++) {
        keys[i].size = 0;
        status = take_external(&keys[i], &config->externals.at[i], problem);
    }
    for (size_t i = 0; i < config->externals.count; i++) { /* at last: two servers may share one */
        const char *name = config->externals.at[i].key_env.data;
        char *variable = name ? getenv(name) : NULL;
        if (variable) {
            wipe_variable(name, variable);
        }
    }
    return status;
}
