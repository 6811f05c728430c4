/* engine/options.c - the command line of weft-engine. */
#include "engine/options.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/text.h"

#define CONTEXT_MAX  (1 << 24)
#define LAYERS_MAX   65536
#define WORD_SHOWN   60 /* bytes of a wrong word that a message repeats */
#define SIZE_MAX_GIB (1 << 20)

enum kind { KIND_TEXT, KIND_NUMBER, KIND_BYTES, KIND_SANDBOX, KIND_SWITCH };

struct flag {
    const char *name;
    enum kind kind;
    size_t offset;    /* of its field in struct weft_engine_options */
    int64_t min, max; /* of a number */
};

#define FIELD(field) offsetof(struct weft_engine_options, field)

static const struct flag flags[] = {
    {.name = "--model", .kind = KIND_TEXT, .offset = FIELD(model)},
    {.name = "--backends", .kind = KIND_TEXT, .offset = FIELD(backends)},
    {.name = "--variant", .kind = KIND_TEXT, .offset = FIELD(variant)},
    {.name = "--slots", .kind = KIND_NUMBER, .offset = FIELD(slots), .min = 1, .max = WEFT_ENGINE_SLOTS_MAX},
    {.name = "--context", .kind = KIND_NUMBER, .offset = FIELD(context), .min = 0, .max = CONTEXT_MAX},
    {.name = "--threads", .kind = KIND_NUMBER, .offset = FIELD(threads), .min = 0, .max = WEFT_ENGINE_THREADS_MAX},
    {.name = "--gpu-layers", .kind = KIND_NUMBER, .offset = FIELD(gpu_layers), .min = -1, .max = LAYERS_MAX},
    {.name = "--memory-max", .kind = KIND_BYTES, .offset = FIELD(memory_max)},
    {.name = "--exact", .kind = KIND_SWITCH, .offset = FIELD(exact)},
    {.name = "--sandbox", .kind = KIND_SANDBOX, .offset = FIELD(sandbox)},
    {.name = "--sandbox-test", .kind = KIND_SWITCH, .offset = FIELD(sandbox_test)},
    {.name = "--check", .kind = KIND_SWITCH, .offset = FIELD(check)},
    {.name = "--version", .kind = KIND_SWITCH, .offset = FIELD(version)},
    {.name = "--help", .kind = KIND_SWITCH, .offset = FIELD(help)},
};

const char *weft_engine_options_help(void)
{
    return "weft-engine: runs one model for weft, locked in by a sandbox.\n"
           "\n"
           "weft starts this program itself, one for each model, and speaks to it over an inherited socket. By hand "
           "it\n"
           "serves to look at a model (--check), at the sandbox (--sandbox-test) or at the version.\n"
           "\n"
           "usage: weft-engine --model FILE [FLAGS]\n"
           "\n"
           "  --model FILE         the model, a GGUF file; of a split one its first part\n"
           "  --slots N            answers at once, 1 to 64 (8); each has a context of its own\n"
           "  --context TOKENS     context of one slot (the model's own, at most 4096); memory grows with slots x "
           "context\n"
           "  --threads N          cores to compute with (all); engines of one machine share the cores, so give each "
           "its\n"
           "                       part: two that take all of them stall each other\n"
           "  --memory-max SIZE    refuse a model that needs more: bytes, or 800M, 1.5G (what the machine has "
           "available)\n"
           "  --gpu-layers N       layers to put on a GPU if there is one: -1 all, 0 none (-1)\n"
           "  --variant NAME       the CPU library to use, as in libggml-cpu-NAME.so (the best that runs here)\n"
           "  --backends FOLDER    where those libraries are (beside libllama)\n"
           "  --exact              an answer depends on its request alone, to the last bit, whatever else is answered "
           "and "
           "wherever\n"
           "                       it is resumed; for models and CPUs for which that was shown\n"
           "  --sandbox on|off     off lets the engine do all that you may do: only to find a fault (on)\n"
           "\n"
           "  --check              load the model, compute one step, say what it is and took: 0 loaded, 1 refused\n"
           "  --sandbox-test       try from inside what the sandbox must refuse: 0 all refused, 1 something was "
           "allowed\n"
           "  --version            this engine, its libllama and the CPU library it would use\n"
           "  --help               this page\n"
           "\n"
           "A flag's value follows it as the next word, or after \"=\".\n";
}

int weft_engine_refuse(char problem[WEFT_ENGINE_PROBLEM_MAX], int error, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(problem, WEFT_ENGINE_PROBLEM_MAX, format, arguments); /* it is for a person */
    va_end(arguments);
    return error;
}

static int read_number(const struct flag *flag, const char *text, int32_t *out, char *problem)
{
    char *end = NULL;
    errno = 0;
    long long value = strtoll(text, &end, 10);
    if (end == text || *end || errno || value < flag->min || value > flag->max) {
        return weft_engine_refuse(problem, WEFT_ERR_INVALID,
                                  "%s takes a number from %lld to %lld, and \"%.*s\" is none.", flag->name,
                                  (long long)flag->min, (long long)flag->max, WORD_SHOWN, text);
    }
    *out = (int32_t)value;
    return 0;
}

/* "800M", "1.5G", "98362432": powers of 1024. */
static int read_bytes(const struct flag *flag, const char *text, int64_t *out, char *problem)
{
    static const char units[] = "KMGT";
    char *end = NULL;
    double value = text[0] >= '0' && text[0] <= '9' ? strtod(text, &end) : -1;
    const char *unit = end && weft_is_alnum(*end) ? strchr(units, *end & ~0x20) : NULL;
    for (const char *step = units; unit && step <= unit; step++) {
        value *= 1024;
    }
    bool ended = end && (!*end || (unit && !end[1]));
    if (!ended || !(value >= 1) || value > (double)SIZE_MAX_GIB * 1024 * 1024 * 1024) {
        return weft_engine_refuse(problem, WEFT_ERR_INVALID,
                                  "%s takes a size such as 800M, 1.5G or a number of bytes, and \"%.*s\" is none.",
                                  flag->name, WORD_SHOWN, text);
    }
    *out = (int64_t)value;
    return 0;
}

static int read_sandbox(const struct flag *flag, const char *text, enum weft_engine_sandbox *out, char *problem)
{
    if (strcmp(text, "on") != 0 && strcmp(text, "off") != 0) {
        return weft_engine_refuse(problem, WEFT_ERR_INVALID, "%s is on or off, not \"%.*s\".", flag->name, WORD_SHOWN,
                                  text);
    }
    *out = strcmp(text, "on") == 0 ? WEFT_SANDBOX_ON : WEFT_SANDBOX_OFF;
    return 0;
}

static int read_value(struct weft_engine_options *options, const struct flag *flag, const char *text, char *problem)
{
    void *field = (char *)options + flag->offset;
    switch (flag->kind) {
    case KIND_NUMBER:
        return read_number(flag, text, field, problem);
    case KIND_BYTES:
        return read_bytes(flag, text, field, problem);
    case KIND_SANDBOX:
        return read_sandbox(flag, text, field, problem);
    case KIND_TEXT:
        if (!text[0]) {
            return weft_engine_refuse(problem, WEFT_ERR_INVALID, "%s is empty. Say a name after it, or leave it away.",
                                      flag->name);
        }
        *(const char **)field = text;
        return 0;
    case KIND_SWITCH:
        break;
    }
    *(bool *)field = true;
    return 0;
}

static const struct flag *find(const char *word, size_t size)
{
    for (size_t i = 0; i < WEFT_COUNT(flags); i++) {
        if (strlen(flags[i].name) == size && memcmp(flags[i].name, word, size) == 0) {
            return &flags[i];
        }
    }
    return NULL;
}

int weft_engine_options_read(struct weft_engine_options *options, int argc, char *const *argv,
                             char problem[WEFT_ENGINE_PROBLEM_MAX])
{
    *options = (struct weft_engine_options){.slots = 8, .gpu_layers = -1, .sandbox = WEFT_SANDBOX_ON};
    problem[0] = '\0';
    for (int i = 1; i < argc; i++) {
        const char *equals = strchr(argv[i], '=');
        size_t size = equals ? (size_t)(equals - argv[i]) : strlen(argv[i]);
        const struct flag *flag = find(argv[i], size);
        if (!flag) {
            return weft_engine_refuse(problem, WEFT_ERR_INVALID,
                                      "There is no flag \"%.*s\"; weft-engine --help lists them all.",
                                      (int)(size < WORD_SHOWN ? size : WORD_SHOWN), argv[i]);
        }
        const char *value = equals ? equals + 1 : NULL;
        if (flag->kind == KIND_SWITCH && value) {
            return weft_engine_refuse(problem, WEFT_ERR_INVALID, "%s takes no value.", flag->name);
        }
        if (flag->kind != KIND_SWITCH && !value) {
            if (++i == argc) {
                return weft_engine_refuse(problem, WEFT_ERR_INVALID,
                                          "%s needs a value after it; weft-engine --help says which.", flag->name);
            }
            value = argv[i];
        }
        int status = read_value(options, flag, value, problem);
        if (status < 0) {
            return status;
        }
    }
    if (!options->model && !options->version && !options->help) {
        return weft_engine_refuse(problem, WEFT_ERR_INVALID,
                                  "weft-engine needs a model to run: --model FILE.gguf; weft-engine --help says more.");
    }
    return 0;
}
