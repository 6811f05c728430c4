/* engine/backend.c - libllama's back-ends: which CPU variant and which devices compute here. */
#include "engine/backend.h"

#include <dirent.h>
#include <dlfcn.h>
#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include <ggml-backend.h>
#include <llama.h>

#include "base/error.h"
#include "base/text.h"
#include "engine/exact.h"
#include "engine/memory.h"

#define COMPLAINT_MAX 200
#define CPU_PREFIX    "libggml-cpu-"
#define SUFFIX        ".so" /* on macOS too: ggml names its modules so */

/* -- libllama's log -- */

static struct {
    pthread_mutex_t lock; /* it is called from any thread */
    char complaint[COMPLAINT_MAX];
    atomic_bool muted;
} sink = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* Paths say where people keep things, and control characters do things to terminals. */
static void copy_plain(char *out, size_t size, const char *text)
{
    size_t used = 0;
    while (*text && *text != '\n' && used + 4 < size) {
        if (*text == '/' && (used == 0 || !weft_is_alnum(out[used - 1]))) {
            text += strcspn(text, " '\"\n,");
            memcpy(out + used, "...", 3);
            used += 3;
        } else {
            bool again = *text == ' ' && used > 0 && out[used - 1] == ' '; /* it lays out numbers in columns */
            out[used] = *text >= ' ' && *text <= '~' ? *text : '?';
            used += !again;
            text++;
        }
    }
    out[used] = '\0';
}

static void on_log(enum ggml_log_level level, const char *text, void *unused)
{
    (void)unused;
    if (level != GGML_LOG_LEVEL_ERROR || atomic_load(&sink.muted)) {
        return;
    }
    const char *colon =
        strstr(text, ": "); /* "llama_model_load: error loading model: ...": the function says nothing */
    size_t name = strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_~<>()");
    text = colon && name == (size_t)(colon - text) ? colon + 2 : text;
    (void)pthread_mutex_lock(&sink.lock); /* fails only for a lock that is none */
    if (!sink.complaint[0] && !atomic_load(&sink.muted)) {
        copy_plain(sink.complaint, sizeof(sink.complaint), text);
    }
    (void)pthread_mutex_unlock(&sink.lock);
}

const char *weft_backend_complaint(void)
{
    return sink.complaint;
}

void weft_backend_mute(void)
{
    atomic_store(&sink.muted, true);
}

const char *weft_backend_llama_version(void)
{
    return llama_version();
}

/* -- the libraries -- */

/* The folder of the back-ends: as said, or that of libllama itself. */
static int find_folder(char folder[PATH_MAX], const struct weft_engine_options *options, char *problem)
{
    if (options->backends) {
        if (!realpath(options->backends, folder)) {
            return weft_engine_refuse(problem, WEFT_ERR_NOT_FOUND,
                                      "The folder %.200s of --backends is not there. Leave the flag away to use the "
                                      "libraries beside libllama.",
                                      options->backends);
        }
        return 0;
    }
    Dl_info info;
    const char *(*known)(void) = llama_version;
    void *address;
    memcpy(&address, &known, sizeof(address)); /* ISO C knows no cast from a function to an object */
    if (!dladdr(address, &info) || !info.dli_fname || !realpath(info.dli_fname, folder)) {
        return weft_engine_refuse(
            problem, WEFT_ERR_NOT_FOUND,
            "libllama does not say where it lies, so its back-ends are not found. Say their folder "
            "with --backends.");
    }
    *strrchr(folder, '/') = '\0'; /* realpath's answer begins with one */
    return 0;
}

/* How well a variant suits this CPU; 0: not at all. */
static int score_of(const char *path)
{
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!library) {
        return 0;
    }
    int (*score)(void) = NULL;
    void *address = dlsym(library, "ggml_backend_score");
    memcpy(&score, &address, sizeof(score));
    int value = score ? score() : 0;
    (void)dlclose(library); /* the one that wins is loaded anew, by ggml */
    return value;
}

static bool path_of(char path[PATH_MAX], const char *folder, const char *prefix, const char *name)
{
    int length = snprintf(path, PATH_MAX, "%s/%s%s" SUFFIX, folder, prefix, name);
    return length > 0 && length < PATH_MAX;
}

/* The variant of highest score in the folder; "" if there is none. Of equals the first by name. */
static void find_best(char variant[WEFT_BACKEND_NAME_MAX], const char *folder)
{
    int best = 0;
    variant[0] = '\0';
    DIR *listing = opendir(folder);
    struct dirent *entry;
    while (listing && (entry = readdir(listing))) {
        char path[PATH_MAX], name[WEFT_BACKEND_NAME_MAX];
        size_t size = strlen(entry->d_name), prefix = strlen(CPU_PREFIX), suffix = strlen(SUFFIX);
        if (size <= prefix + suffix || size - prefix - suffix >= sizeof(name) ||
            strncmp(entry->d_name, CPU_PREFIX, prefix) != 0 || strcmp(entry->d_name + size - suffix, SUFFIX) != 0) {
            continue;
        }
        (void)snprintf(name, sizeof(name), "%.*s", (int)(size - prefix - suffix), entry->d_name + prefix);
        int score = path_of(path, folder, CPU_PREFIX, name) ? score_of(path) : 0;
        if (score > best || (score > 0 && score == best && strcmp(name, variant) < 0)) {
            best = score;
            memcpy(variant, name, sizeof(name));
        }
    }
    if (listing) {
        (void)closedir(listing); /* it was only read */
    }
}

static int load_cpu(struct weft_backend *backend, const struct weft_engine_options *options, const char *folder,
                    char *problem)
{
    char path[PATH_MAX];
    if (options->exact) {
        bool other = options->variant && strcmp(options->variant, WEFT_EXACT_VARIANT) != 0;
        if (other || !path_of(path, folder, CPU_PREFIX, WEFT_EXACT_VARIANT) || score_of(path) == 0) {
            return weft_engine_refuse(problem, WEFT_ERR_UNSUPPORTED,
                                      "Exact arithmetic was shown with the CPU library \"" WEFT_EXACT_VARIANT
                                      "\" only, and %s. Start without --exact%s.",
                                      other ? "--variant names another one"
                                            : "it is not there, or this CPU cannot run it",
                                      other ? ", or without --variant" : "");
        }
        (void)snprintf(backend->variant, sizeof(backend->variant), "%s", WEFT_EXACT_VARIANT);
    } else if (options->variant) {
        if (strlen(options->variant) >= sizeof(backend->variant) || strchr(options->variant, '/') ||
            !path_of(path, folder, CPU_PREFIX, options->variant) || score_of(path) == 0) {
            return weft_engine_refuse(
                problem, WEFT_ERR_NOT_FOUND,
                "The CPU variant \"%.60s\" is not there, or this CPU cannot run it. Leave --variant "
                "away, and the best one is found.",
                options->variant);
        }
        (void)snprintf(backend->variant, sizeof(backend->variant), "%s", options->variant);
    } else {
        find_best(backend->variant, folder);
    }
    if (backend->variant[0]) {
        if (!path_of(path, folder, CPU_PREFIX, backend->variant) || !ggml_backend_load(path)) {
            return weft_engine_refuse(problem, WEFT_ERR_NOT_FOUND,
                                      "libggml's CPU library \"%s\" does not load: it and libllama are of different "
                                      "releases, or the file is damaged. Run `make setup` again.",
                                      backend->variant);
        }
        return 0;
    }
    /* A libllama of your own may have one CPU library, or have it built in. */
    if (!ggml_backend_dev_by_type(GGML_BACKEND_DEVICE_TYPE_CPU) &&
        (!path_of(path, folder, "libggml-", "cpu") || !ggml_backend_load(path))) {
        return weft_engine_refuse(
            problem, WEFT_ERR_NOT_FOUND,
            "No CPU library of ggml that runs here was found beside libllama. Run `make setup`, or "
            "say its folder with --backends.");
    }
    (void)snprintf(backend->variant, sizeof(backend->variant), "native");
    return 0;
}

static void list_devices(struct weft_backend *backend)
{
    for (size_t i = 0; i < ggml_backend_dev_count() && backend->device_count < WEFT_BACKEND_DEVICE_MAX; i++) {
        ggml_backend_dev_t device = ggml_backend_dev_get(i);
        enum ggml_backend_dev_type type = ggml_backend_dev_type(device);
        if (type != GGML_BACKEND_DEVICE_TYPE_GPU && type != GGML_BACKEND_DEVICE_TYPE_IGPU) {
            continue;
        }
        struct weft_backend_device *out = &backend->devices[backend->device_count++];
        size_t free_now = 0, total = 0;
        ggml_backend_dev_memory(device, &free_now, &total);
        out->memory_free = type == GGML_BACKEND_DEVICE_TYPE_IGPU ? 0 : free_now; /* it has the machine's */
        out->memory_total = total;
        (void)snprintf(out->name, sizeof(out->name), "%s", ggml_backend_dev_name(device));
        (void)snprintf(out->description, sizeof(out->description), "%s", ggml_backend_dev_description(device));
    }
}

int weft_backend_load(struct weft_backend *backend, const struct weft_engine_options *options,
                      char problem[WEFT_ENGINE_PROBLEM_MAX])
{
    static const char *const accelerators[] = {"cuda", "hip", "metal", "vulkan"};
    char folder[PATH_MAX], path[PATH_MAX];
    *backend = (struct weft_backend){0};
    llama_log_set(on_log, NULL); /* ggml's too */
    int status = find_folder(folder, options, problem);
    if (status == 0) {
        status = load_cpu(backend, options, folder, problem);
    }
    if (status < 0) {
        return status;
    }
    /* One that is there and does not load (no driver) is no error: the CPU computes. */
    for (size_t i = 0; i < WEFT_COUNT(accelerators) && options->gpu_layers != 0; i++) {
        if (path_of(path, folder, "libggml-", accelerators[i])) {
            (void)ggml_backend_load(path);
        }
    }
    llama_backend_init();
    list_devices(backend);
    struct weft_memory memory;
    weft_memory_read(&memory);
    backend->memory_available = memory.available;
    sink.complaint[0] = '\0'; /* what is said from now on is about a model */
    return 0;
}
