/* cli/remote.h - the running node that a command talks to: which one, and what it is shown. */
#ifndef WEFT_CLI_REMOTE_H
#define WEFT_CLI_REMOTE_H

#include "cli/command.h"
#include "cli/key.h"
#include "cli/settings.h"
#include "wire/url.h"

#define WEFT_REMOTE_FLAGS_MAX 32

struct weft_remote {
    char *flags[WEFT_REMOTE_FLAGS_MAX]; /* those of the command line that are settings */
    int flag_count;
    const char *named; /* --url; or NULL */
    struct weft_settings settings;
    struct weft_api_key key;
    struct weft_url url;
    char address[WEFT_URL_MAX];
};

/* The value of the flag `name` at argv[*at], which it moves on; NULL if it is another flag or has none. */
const char *weft_remote_value(const char *name, int argc, char **argv, int *at);
/* Takes the flag at argv[*at], which it moves on, if it says which node is meant: --url, --home, --config and
 * --api-key-file. */
bool weft_remote_take(struct weft_remote *remote, int argc, char **argv, int *at);
/* Finds the node: the one that was named, or runs with this home, or is where nodes are by default. Says what is wrong;
 * returns an enum weft_exit. */
int weft_remote_find(struct weft_remote *remote);
void weft_remote_deinit(struct weft_remote *remote);

#endif
