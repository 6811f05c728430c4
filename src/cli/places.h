/* cli/places.h - where a node keeps its things. */
#ifndef WEFT_CLI_PLACES_H
#define WEFT_CLI_PLACES_H

#include "node/config.h"

#define WEFT_PLACES_PATH_MAX 4096

struct weft_places {
    char settings[WEFT_PLACES_PATH_MAX]; /* the settings file */
    char state[WEFT_PLACES_PATH_MAX];    /* the folder of everything a node writes */
    bool settings_named;                 /* somebody named the file: it must be there */
};

/* `home` and `file` as weft_config_locate() found them. With a home, all is in it: home/weft.yaml and home itself;
 * else $XDG_CONFIG_HOME/weft/weft.yaml and $XDG_STATE_HOME/weft, or their defaults below $HOME. */
WEFT_MUST_USE int weft_places_find(struct weft_places *places, const char *home, const char *file,
                                   struct weft_config_problem *problem);
/* Makes the state folder, mode 0700, with those above it. One that others may write to is refused,
 * and so is an owner token in it that others may read. */
WEFT_MUST_USE int weft_places_make(const struct weft_places *places, struct weft_config_problem *problem);

#endif
