/* cli/settings.h - the places and settings of a command: flags, environment and file, read once. */
#ifndef WEFT_CLI_SETTINGS_H
#define WEFT_CLI_SETTINGS_H

#include "cli/input.h"
#include "cli/places.h"
#include "node/config.h"

struct weft_settings {
    struct weft_places places;
    struct weft_input file;
    struct weft_config config;
};

/* `argv` holds flags of settings only. Its strings must outlive the settings. */
WEFT_MUST_USE int weft_settings_read(struct weft_settings *settings, int argc, char **argv,
                                     struct weft_config_problem *problem);
void weft_settings_deinit(struct weft_settings *settings); /* also after a failed _read */

#endif
