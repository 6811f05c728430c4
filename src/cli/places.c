/* cli/places.c - where a node keeps its things. */
#include "cli/places.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/error.h"
#include "node/mesh_port.h"
#include "node/mesh_state.h"
#include "node/node.h"

static int too_long(struct weft_config_problem *problem, const char *what)
{
    (void)snprintf(problem->text, sizeof(problem->text), "the path in %s is longer than %d bytes: choose a shorter one",
                   what, WEFT_PLACES_PATH_MAX - 1);
    return WEFT_ERR_TOO_LARGE;
}

static bool join(char out[WEFT_PLACES_PATH_MAX], const char *folder, const char *rest)
{
    int size = snprintf(out, WEFT_PLACES_PATH_MAX, "%s%s", folder, rest);
    return size >= 0 && size < WEFT_PLACES_PATH_MAX;
}

/* The base directory of `variable`, or its default below $HOME. A relative one is to be ignored (XDG base directory
 * specification 0.8). */
static int xdg(char out[WEFT_PLACES_PATH_MAX], const char *variable, const char *fallback, const char *rest,
               struct weft_config_problem *problem)
{
    char base[WEFT_PLACES_PATH_MAX];
    const char *set = getenv(variable);
    const char *home = getenv("HOME");
    if (set && set[0] == '/') {
        return join(out, set, rest) ? 0 : too_long(problem, variable);
    }
    if (!home || home[0] != '/') {
        (void)snprintf(problem->text, sizeof(problem->text),
                       "neither HOME nor %s says where this node may keep its things: name a folder with --home FOLDER "
                       "or WEFT_HOME",
                       variable);
        return WEFT_ERR_NOT_FOUND;
    }
    return join(base, home, fallback) && join(out, base, rest) ? 0 : too_long(problem, "HOME");
}

int weft_places_find(struct weft_places *places, const char *home, const char *file,
                     struct weft_config_problem *problem)
{
    int status = 0;
    places->settings_named = file;
    if (file) {
        status = join(places->settings, file, "") ? 0 : too_long(problem, "--config");
    } else if (home) {
        status = join(places->settings, home, "/weft.yaml") ? 0 : too_long(problem, "--home");
    } else {
        status = xdg(places->settings, "XDG_CONFIG_HOME", "/.config", "/weft/weft.yaml", problem);
    }
    if (status < 0) {
        return status;
    }
    if (home) {
        return join(places->state, home, "") ? 0 : too_long(problem, "--home");
    }
    return xdg(places->state, "XDG_STATE_HOME", "/.local/state", "/weft", problem);
}

static int make_one(const char *path, struct weft_config_problem *problem)
{
    struct stat there;
    int error = mkdir(path, 0700) == 0 ? 0 : errno;
    if (error == 0 || (stat(path, &there) == 0 && S_ISDIR(there.st_mode))) {
        return 0;
    }
    const char *why = error == EEXIST ? "what stands there is no folder" : strerror(error);
    (void)snprintf(problem->text, sizeof(problem->text),
                   "the folder %.200s cannot be made (%s), so this node could keep nothing: make it yourself, or name "
                   "another with --home FOLDER or WEFT_HOME",
                   path, why);
    return WEFT_ERR_DENIED;
}

/* What a node makes 0600, and nobody else may read; somebody may have copied it here. */
static const struct {
    const char *name, *what, *so;
} secrets[] = {
    {"/" WEFT_NODE_TOKEN_FILE, "owner token",
     "could then run this node: remove it, and the next start makes a new one"},
    {"/" WEFT_MESH_KEY_FILE, "node's key",
     "could then be this node: `chmod 600` it; or, if they may have read it, remove it and join the mesh as a new "
     "node"},
    {"/" WEFT_MESH_ROOT_FILE, "mesh's root key",
     "could then rule the mesh: `chmod 600` it; or, if they may have read it, begin a new mesh"},
};

static int check_secrets(const char *state, struct weft_config_problem *problem)
{
    char path[WEFT_PLACES_PATH_MAX];
    struct stat there;
    for (size_t i = 0; i < WEFT_COUNT(secrets); i++) {
        if (!join(path, state, secrets[i].name)) {
            return too_long(problem, "--home");
        }
        if (stat(path, &there) != 0 || (there.st_mode & (S_IRWXG | S_IRWXO)) == 0) {
            continue; /* where it cannot be looked at, the node will say so when it reads it */
        }
        (void)snprintf(problem->text, sizeof(problem->text),
                       "the %s %.150s is open to others on this machine (mode %04o), who %s", secrets[i].what, path,
                       (unsigned)there.st_mode & 07777, secrets[i].so);
        return WEFT_ERR_DENIED;
    }
    return 0;
}

int weft_places_make(const struct weft_places *places, struct weft_config_problem *problem)
{
    char path[WEFT_PLACES_PATH_MAX];
    memcpy(path, places->state, sizeof(path));
    for (char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        int status = make_one(path, problem);
        *slash = '/';
        if (status < 0) {
            return status;
        }
    }
    int status = make_one(path, problem);
    struct stat there;
    if (status == 0 && stat(path, &there) == 0 && (there.st_mode & (S_IWGRP | S_IWOTH))) {
        (void)snprintf(problem->text, sizeof(problem->text),
                       "others may write to the folder %.200s, where this node keeps its keys, and could put their own "
                       "there: `chmod 700 %.200s`",
                       path, path);
        return WEFT_ERR_DENIED;
    }
    return status < 0 ? status : check_secrets(path, problem);
}
