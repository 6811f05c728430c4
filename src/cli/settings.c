/* cli/settings.c - the places and settings of a command. */
#include "cli/settings.h"

#include "base/error.h"

extern char **environ;

int weft_settings_read(struct weft_settings *settings, int argc, char **argv, struct weft_config_problem *problem)
{
    *settings = (struct weft_settings){.file = {.size = 0}};
    struct weft_config_input input = {.argc = argc, .argv = argv, .envp = environ};
    const char *home, *file;
    weft_config_locate(&input, &home, &file);
    struct weft_places *places = &settings->places;
    int status = weft_places_find(places, home, file, problem);
    if (status < 0) {
        return status;
    }
    status = weft_input_read(&settings->file, places->settings, "the settings file", WEFT_CONFIG_FILE_MAX, 0, problem);
    if (status < 0 && (status != WEFT_ERR_NOT_FOUND || places->settings_named)) {
        return status;
    }
    input.file_name = places->settings;
    input.file = weft_slice(settings->file.data, settings->file.size);
    return weft_config_init(&settings->config, &input, problem);
}

void weft_settings_deinit(struct weft_settings *settings)
{
    weft_config_deinit(&settings->config);
    weft_input_deinit(&settings->file);
}
