/* cli/id.c - `weft id`: the id by which other nodes know this one. */
#include <stdio.h>

#include "base/error.h"
#include "cli/command.h"
#include "cli/mesh_input.h"
#include "cli/remote.h"
#include "node/mesh_port.h"

int weft_id_print_more(void)
{
    printf(
        "\n"
        "The id is the public half of the key in node.key, in the folder of this node. The key is made when the node\n"
        "first has to do with a mesh: one that never had has none. Whoever has the key is this node, so the file is\n"
        "for its owner only, and a copy of it on a second machine makes trouble.\n"
        "\n"
        "  --json  print an object; its id is null if there is none yet, and the exit status 1 all the same\n"
        "\n"
        "--home and --config are as for `weft up`.\n");
    return 0;
}

static int say_problem(const char *text, int exit)
{
    fprintf(stderr, "weft: %s\n", text);
    return exit;
}

static int print_id(const struct weft_identity *identity, bool json)
{
    char id[WEFT_PEER_ID_SIZE];
    weft_key_text(&identity->key, id);
    printf(json ? "{\"id\":\"%s\"}\n" : "%s\n", id);
    return fflush(stdout) == 0 && !ferror(stdout) ? WEFT_EXIT_OK : WEFT_EXIT_FAILURE;
}

static int say_none(const char *path, bool json)
{
    char text[WEFT_PLACES_PATH_MAX + 256];
    if (json) {
        printf("{\"id\":null}\n");
        return WEFT_EXIT_FAILURE;
    }
    (void)snprintf(text, sizeof(text),
                   "this node has no id yet, as there is no %s: that is made when the node first has to do with a mesh",
                   path); /* fits */
    return say_problem(text, WEFT_EXIT_FAILURE);
}

static int find_id(struct weft_remote *remote, bool json)
{
    struct weft_config_problem problem;
    struct weft_identity identity;
    char path[WEFT_PLACES_PATH_MAX + sizeof("/" WEFT_MESH_KEY_FILE)];
    if (weft_settings_read(&remote->settings, remote->flag_count, remote->flags, &problem) < 0) {
        return say_problem(problem.text, WEFT_EXIT_USAGE);
    }
    (void)snprintf(path, sizeof(path), "%s/" WEFT_MESH_KEY_FILE, remote->settings.places.state); /* fits */
    int status = weft_mesh_input_key(&identity, WEFT_IDENTITY_NODE, path, &problem);
    if (status == WEFT_ERR_NOT_FOUND) {
        return say_none(path, json);
    }
    if (status < 0) {
        return say_problem(problem.text, WEFT_EXIT_FAILURE);
    }
    int exit = print_id(&identity, json);
    weft_identity_deinit(&identity);
    return exit;
}

int weft_id_run(int argc, char **argv)
{
    struct weft_remote remote = {0};
    bool json = false;
    for (int i = 0; i < argc; i++) {
        const char *word = argv[i];
        if (strcmp(word, "--json") == 0) {
            json = true;
        } else if (!weft_remote_take(&remote, argc, argv, &i) || remote.named) {
            return weft_help_unexpected("id", word);
        }
    }
    int exit = find_id(&remote, json);
    weft_remote_deinit(&remote);
    return exit;
}
