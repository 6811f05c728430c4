/* engine/backend.h - libllama's back-ends: which CPU variant and which devices compute here. */
#ifndef WEFT_ENGINE_BACKEND_H
#define WEFT_ENGINE_BACKEND_H

#include "engine/options.h"

#define WEFT_BACKEND_NAME_MAX   64
#define WEFT_BACKEND_DEVICE_MAX 8

struct weft_backend_device {
    char name[WEFT_BACKEND_NAME_MAX];        /* "CUDA0" */
    char description[WEFT_BACKEND_NAME_MAX]; /* "NVIDIA H100" */
    uint64_t memory_total, memory_free;      /* bytes */
};

struct weft_backend {
    char variant[WEFT_BACKEND_NAME_MAX];                         /* of the CPU library: "zen4" */
    struct weft_backend_device devices[WEFT_BACKEND_DEVICE_MAX]; /* beside the CPU */
    size_t device_count;
    uint64_t memory_available; /* of the machine, or what its control group leaves of it */
};

/* Silences libllama's own log (it may hold content), then loads the back-ends. Once per process, before the sandbox. */
WEFT_MUST_USE int weft_backend_load(struct weft_backend *backend, const struct weft_engine_options *options,
                                    char problem[WEFT_ENGINE_PROBLEM_MAX]);
const char *weft_backend_llama_version(void);
/* What libllama complained of while a model was loaded: its first error line (those after it only say that loading
 * failed), shortened, plain ASCII, without paths; "" if nothing. */
const char *weft_backend_complaint(void);
/* From now on nothing of libllama's log is kept either: requests begin. */
void weft_backend_mute(void);

#endif
