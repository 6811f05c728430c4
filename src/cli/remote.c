/* cli/remote.c - the running node that a command talks to: which one, and what it is shown. */
#include "cli/remote.h"

#include <stdio.h>

#include "cli/lock.h"
#include "crypto/secret.h"

const char *weft_remote_value(const char *name, int argc, char **argv, int *at)
{
    size_t size = strlen(name);
    if (strncmp(argv[*at], name, size) != 0) {
        return NULL;
    }
    if (argv[*at][size] == '=') {
        return argv[*at] + size + 1;
    }
    bool apart = argv[*at][size] == '\0' && *at + 1 < argc && argv[*at + 1];
    return apart ? argv[++*at] : NULL;
}

bool weft_remote_take(struct weft_remote *remote, int argc, char **argv, int *at)
{
    static const char *const names[] = {"--home", "--config", "--api-key-file"};
    const char *value = weft_remote_value("--url", argc, argv, at);
    if (value) {
        remote->named = value;
        return true;
    }
    for (size_t i = 0; i < WEFT_COUNT(names); i++) {
        size_t size = strlen(names[i]);
        bool joined = strncmp(argv[*at], names[i], size) == 0 && argv[*at][size] == '=';
        bool apart = strcmp(argv[*at], names[i]) == 0 && *at + 1 < argc;
        if ((joined || apart) && remote->flag_count + 2 <= WEFT_REMOTE_FLAGS_MAX) {
            remote->flags[remote->flag_count++] = argv[*at];
            if (apart) {
                remote->flags[remote->flag_count++] = argv[++*at];
            }
            return true;
        }
    }
    return false;
}

int weft_remote_find(struct weft_remote *remote)
{
    struct weft_config_problem problem;
    const char *why = "";
    if (weft_settings_read(&remote->settings, remote->flag_count, remote->flags, &problem) < 0 ||
        weft_key_take(&remote->key, &remote->settings.config, &problem) < 0) {
        fprintf(stderr, "weft: %s\n", problem.text);
        return WEFT_EXIT_USAGE;
    }
    if (remote->named) {
        (void)snprintf(remote->address, sizeof(remote->address), "%s",
                       remote->named); /* a longer one is refused below */
    } else if (weft_lock_find(&remote->settings.places, remote->address, sizeof(remote->address)) < 0) {
        (void)snprintf(remote->address, sizeof(remote->address), "http://127.0.0.1:9338"); /* fits */
    }
    if (weft_url_parse(weft_slice_text(remote->address), &remote->url, &why) < 0) {
        fprintf(stderr, "weft: \"%.100s\" is no address of a node: %s\n", remote->address, why);
        return WEFT_EXIT_USAGE;
    }
    return WEFT_EXIT_OK;
}

void weft_remote_deinit(struct weft_remote *remote)
{
    weft_secret_wipe(&remote->key, sizeof(remote->key));
    weft_settings_deinit(&remote->settings);
}
