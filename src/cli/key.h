/* cli/key.h - the API key on its way from a file or the environment to the node, and the mesh key. */
#ifndef WEFT_CLI_KEY_H
#define WEFT_CLI_KEY_H

#include "node/config.h"
#include "wire/invite.h"

#define WEFT_KEY_MAX ((size_t)512) /* bytes of an API key */

struct weft_api_key {
    char text[WEFT_KEY_MAX + 1];
    size_t size; /* 0: none is set */
};

/* Takes the key from the environment, where nothing of it stays, or from the file that the settings name. No key at
 * all is fine. Wipe it with weft_secret_wipe() (crypto/secret.h) once the node has its hash. */
WEFT_MUST_USE int weft_key_take(struct weft_api_key *key, struct weft_config *config,
                                struct weft_config_problem *problem);

struct weft_mesh_key {
    char line[WEFT_INVITE_LINE_SIZE]; /* empty: none is set */
};

/* The invite that this node is to join by: as above, and wiped likewise. What is no invite, or a damaged one, is
 * refused. */
WEFT_MUST_USE int weft_mesh_key_take(struct weft_mesh_key *key, struct weft_config *config,
                                     struct weft_config_problem *problem);

/* Those that external servers are shown, one for each of the settings' (size 0: none), from where the settings say;
 * nothing of them stays in the environment. Wipe them once the node has them. */
WEFT_MUST_USE int weft_keys_take_external(struct weft_api_key keys[WEFT_CONFIG_EXTERNALS_MAX],
                                          const struct weft_config *config, struct weft_config_problem *problem);

#endif
