/* cli/mesh_ask.h - what commands of the mesh ask the node that runs with this home, as its owner. */
#ifndef WEFT_CLI_MESH_ASK_H
#define WEFT_CLI_MESH_ASK_H

#include "cli/remote.h"
#include "wire/json.h"

#define WEFT_MESH_MORE                                                                                                 \
    "  --json      print what the node answers, as an object\n"                                                        \
    "  --url URL   the node to ask; default: the one that runs with this home\n"                                       \
    "\n--home and --config are as for `weft up`.\n"

struct weft_mesh_ask {
    struct weft_remote remote;
    bool json;
    struct weft_config_problem problem;
    /* private to mesh_ask.c */
    int status; /* of HTTP */
    struct weft_bytes text;
};

/* The flag at argv[*at], which it moves on, if it is one of WEFT_MESH_MORE's. */
bool weft_mesh_ask_take(struct weft_mesh_ask *ask, int argc, char **argv, int *at);
/* After the flags: reads the settings. WEFT_EXIT_OK, or it says what is wrong. */
int weft_mesh_ask_settings(struct weft_mesh_ask *ask);
/* Whether a node runs with this home, or one was named. */
bool weft_mesh_ask_runs(struct weft_mesh_ask *ask);
/* GET without a body, POST with one. WEFT_EXIT_OK and the answer, to be freed by json_decref(); else it has said what
 * is wrong. With `json` the answer was printed already. */
int weft_mesh_ask_run(struct weft_mesh_ask *ask, const char *path, struct weft_slice body, json_t **answer);
void weft_mesh_ask_deinit(struct weft_mesh_ask *ask);

/* "weft: ..." on standard error. Returns `exit`. */
int weft_mesh_say(const char *text, int exit);
const char *weft_mesh_text(const json_t *object, const char *name); /* "" if it is no text */

#endif
