/* cli/model_files.h - which model files a node serves: from the names and paths that somebody gave, or from the folder.
 */
#ifndef WEFT_CLI_MODEL_FILES_H
#define WEFT_CLI_MODEL_FILES_H

#include "cli/places.h"
#include "node/models.h"

#define WEFT_MODELS_LISTED_MAX 256 /* files of the folder that are looked at */

struct weft_model_files {
    char *paths[WEFT_MODELS_MAX]; /* from base/mem; those that are to be loaded at once stand first */
    size_t count;
    size_t offered;  /* the last so many of them are in the folder, and nobody has named them */
    size_t left_out; /* so many of the folder's are not offered: there are too many */
    char folder[WEFT_PLACES_PATH_MAX];
};

/* Those in `models` are to be loaded at once, the others of the folder of models are offered; the only one there is
 * loaded at once if none is named. With an upstream, or with no_model, there are none. *problem says what is wrong and
 * what can be done. */
WEFT_MUST_USE int weft_model_files_find(struct weft_model_files *files, const struct weft_config *config,
                                        const struct weft_places *places, struct weft_config_problem *problem);
void weft_model_files_deinit(struct weft_model_files *files);

#endif
