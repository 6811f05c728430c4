/* cli/model_files.h - which model files a node serves: from the names and paths that somebody gave, or from the folder.
 */
#ifndef WEFT_CLI_MODEL_FILES_H
#define WEFT_CLI_MODEL_FILES_H

#include "cli/places.h"

#define WEFT_MODELS_LISTED_MAX 256 /* files of the folder that are looked at */

struct weft_model_files {
    char *paths[WEFT_CONFIG_MODELS_MAX]; /* from base/mem */
    size_t count;
    char folder[WEFT_PLACES_PATH_MAX];
};

/* With `models` set: those. Without, unless an upstream or no_model is set: the one in the folder of models; several
 * there are refused with their names, none is fine. *problem says what is wrong and what can be done. */
WEFT_MUST_USE int weft_model_files_find(struct weft_model_files *files, const struct weft_config *config,
                                        const struct weft_places *places, struct weft_config_problem *problem);
void weft_model_files_deinit(struct weft_model_files *files);

#endif
