/* cli/model_files.c - which model files a node serves. */
#include "cli/model_files.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "base/error.h"
#include "base/mem.h"
#include "node/model_facts.h"
#include "node/model_match.h"

#define SUFFIX        ".gguf"
#define LIST_SHOWN    8
#define NAME_SHOWN    60 /* bytes of each name that a sentence has room for */
#define NAME_MAX_SIZE 256

/* What the folder of models holds, by name. */
struct listing {
    char names[WEFT_MODELS_LISTED_MAX][NAME_MAX_SIZE]; /* without .gguf */
    size_t count;
    bool cut; /* there are more */
};

static bool has_suffix(const char *name)
{
    size_t size = strlen(name);
    return size > strlen(SUFFIX) && strcasecmp(name + size - strlen(SUFFIX), SUFFIX) == 0;
}

/* "NAME-00002-of-00003": a later part of a model in pieces; the first one stands for it. */
static bool is_later_part(const char *name)
{
    size_t size = strlen(name);
    const char *end = size > 15 ? name + size - 15 : "";
    bool part = end[0] == '-' && strspn(end + 1, "0123456789") == 5 && strncmp(end + 6, "-of-", 4) == 0 &&
                strspn(end + 10, "0123456789") == 5;
    return part && strncmp(end + 1, "00001", 5) > 0;
}

static int compare_names(const void *left, const void *right)
{
    return strcmp(left, right);
}

static int list_folder(struct listing *listing, const char *folder, struct weft_config_problem *problem)
{
    DIR *opened = opendir(folder);
    if (!opened) {
        if (errno == ENOENT || errno == ENOTDIR) {
            return 0;
        }
        (void)snprintf(problem->text, sizeof(problem->text), "the folder of models %.200s cannot be read: %s", folder,
                       strerror(errno));
        return WEFT_ERR_DENIED;
    }
    for (struct dirent *entry = readdir(opened); entry; entry = readdir(opened)) {
        size_t size = strlen(entry->d_name);
        if (entry->d_name[0] == '.' || !has_suffix(entry->d_name) || size >= NAME_MAX_SIZE) {
            continue;
        }
        if (listing->count == WEFT_MODELS_LISTED_MAX) {
            listing->cut = true;
            break;
        }
        char *name = listing->names[listing->count];
        memcpy(name, entry->d_name, size - strlen(SUFFIX));
        name[size - strlen(SUFFIX)] = '\0';
        listing->count += is_later_part(name) ? 0 : 1;
    }
    (void)closedir(opened); /* only read from */
    qsort(listing->names, listing->count, sizeof(listing->names[0]), compare_names);
    return 0;
}

/* "a, b, c and 4 more" */
static void print_names(const struct listing *listing, char *text, size_t size)
{
    size_t used = 0;
    for (size_t i = 0; i < listing->count && i < LIST_SHOWN && used < size; i++) {
        used += (size_t)snprintf(text + used, size - used, "%s%.60s", i == 0 ? "" : ", ", listing->names[i]);
    }
    if (listing->count > LIST_SHOWN && used < size) {
        (void)snprintf(text + used, size - used, " and %zu more%s", listing->count - LIST_SHOWN,
                       listing->cut ? " at least" : "");
    }
}

static int add_path(struct weft_model_files *files, const char *folder, const char *name, const char *suffix,
                    struct weft_config_problem *problem)
{
    size_t room = strlen(folder) + strlen(name) + strlen(suffix) + 2;
    char *path = weft_alloc(room);
    if (!path) {
        (void)snprintf(problem->text, sizeof(problem->text), "out of memory");
        return WEFT_ERR_MEMORY;
    }
    (void)snprintf(path, room, "%s%s%s%s", folder, folder[0] ? "/" : "", name, suffix); /* fits */
    files->paths[files->count++] = path;
    return 0;
}

static int refuse_name(const struct weft_model_files *files, const struct listing *listing,
                       const struct weft_model_match *match, const char *name, struct weft_config_problem *problem)
{
    char meant[96], names[120] = ""; /* so that the whole sentence always fits */
    struct weft_slice these[WEFT_MODEL_MATCH_MAX];
    bool near = match->count > 0;
    for (size_t i = 0; i < match->count; i++) {
        const char *one = listing->names[match->at[i]];
        these[i] = weft_slice(one, strnlen(one, NAME_SHOWN));
    }
    if (match->kind == WEFT_MODEL_MATCH_SEVERAL) {
        weft_model_match_join(match, these, " and ", meant, sizeof(meant));
        (void)snprintf(problem->text, sizeof(problem->text),
                       "\"%.80s\" may be several of the models in %.120s: %s. Say more of the name", name,
                       files->folder, meant);
        return WEFT_ERR_INVALID;
    }
    weft_model_match_join(match, these, " or ", meant, sizeof(meant));
    print_names(listing, names, sizeof(names));
    (void)snprintf(problem->text, sizeof(problem->text), "there is no model \"%.80s\" in %.100s%s%s%s%s%s", name,
                   files->folder, near ? "; did you mean " : "", meant,
                   listing->count == 0 ? ", which holds none: put a GGUF file there, or name one by its path"
                   : near              ? "? It holds "
                                       : ". It holds ",
                   names, listing->count > 0 ? "." : "");
    return WEFT_ERR_NOT_FOUND;
}

static int add_named(struct weft_model_files *files, const struct listing *listing, const char *name,
                     struct weft_config_problem *problem)
{
    struct weft_slice names[WEFT_MODELS_LISTED_MAX];
    struct weft_model_match match;
    for (size_t i = 0; i < listing->count; i++) {
        names[i] = weft_slice_text(listing->names[i]);
        if (strcmp(listing->names[i], name) == 0) { /* two may differ in the case of letters only */
            return add_path(files, files->folder, name, SUFFIX, problem);
        }
    }
    weft_model_match_find(&match, weft_slice_text(name), names, listing->count);
    if (match.kind == WEFT_MODEL_MATCH_ONE) {
        return add_path(files, files->folder, listing->names[match.at[0]], SUFFIX, problem);
    }
    return refuse_name(files, listing, &match, name, problem);
}

static int add_file(struct weft_model_files *files, const char *path, struct weft_config_problem *problem)
{
    struct stat there;
    const char *why = NULL;
    if (stat(path, &there) != 0) {
        why = strerror(errno);
    } else if (!S_ISREG(there.st_mode)) {
        why = S_ISDIR(there.st_mode) ? "it is a folder; name the GGUF file in it" : "it is no file";
    }
    if (why) {
        (void)snprintf(problem->text, sizeof(problem->text), "the model %.250s cannot be used: %s", path, why);
        return WEFT_ERR_NOT_FOUND;
    }
    return add_path(files, "", path, "", problem);
}

static int find_folder(struct weft_model_files *files, const struct weft_config *config,
                       const struct weft_places *places, struct weft_config_problem *problem)
{
    bool named = config->models_folder.size > 0;
    int size = snprintf(files->folder, sizeof(files->folder), "%s%s",
                        named ? config->models_folder.data : places->state, named ? "" : "/models");
    if (size >= 0 && (size_t)size < sizeof(files->folder)) {
        return 0;
    }
    (void)snprintf(problem->text, sizeof(problem->text), "the path of the folder of models is longer than %d bytes",
                   WEFT_PLACES_PATH_MAX - 1);
    return WEFT_ERR_TOO_LARGE;
}

static bool is_listed(const struct weft_model_files *files, const char *name)
{
    for (size_t i = 0; i < files->count; i++) {
        if (weft_slice_equal_nocase(weft_model_name(files->paths[i]), weft_slice_text(name))) {
            return true;
        }
    }
    return false;
}

/* The folder's, but for those that were named: or that have the name of one, by which the named one is meant. */
static int add_offered(struct weft_model_files *files, const struct listing *listing,
                       struct weft_config_problem *problem)
{
    int status = 0;
    bool alone = files->count == 0 && listing->count == 1;
    for (size_t i = 0; i < listing->count && status == 0; i++) {
        if (is_listed(files, listing->names[i])) {
            continue;
        }
        if (files->count == WEFT_MODELS_MAX) {
            files->left_out++;
            continue;
        }
        status = add_path(files, files->folder, listing->names[i], SUFFIX, problem);
        files->offered += status == 0 && !alone ? 1 : 0;
    }
    return status;
}

int weft_model_files_find(struct weft_model_files *files, const struct weft_config *config,
                          const struct weft_places *places, struct weft_config_problem *problem)
{
    files->count = files->offered = files->left_out = 0;
    int status = find_folder(files, config, places, problem);
    if (status < 0 || config->no_model || (config->models.count == 0 && config->upstream_text.size > 0)) {
        return status;
    }
    struct listing *listing = weft_zalloc(sizeof(*listing));
    if (!listing) {
        (void)snprintf(problem->text, sizeof(problem->text), "out of memory");
        return WEFT_ERR_MEMORY;
    }
    status = list_folder(listing, files->folder, problem);
    for (size_t i = 0; status == 0 && i < config->models.count; i++) {
        const char *name = config->models.at[i].data;
        bool path = strchr(name, '/') || has_suffix(name);
        status = path ? add_file(files, name, problem) : add_named(files, listing, name, problem);
    }
    if (status == 0) {
        status = add_offered(files, listing, problem);
    }
    weft_free(listing);
    if (status < 0) {
        weft_model_files_deinit(files);
    }
    return status;
}

void weft_model_files_deinit(struct weft_model_files *files)
{
    while (files->count > 0) {
        weft_free(files->paths[--files->count]);
    }
}
