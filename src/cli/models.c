/* cli/models.c - `weft models`: the models of a running node, and what each is at. */
#include <stdio.h>

#include "base/error.h"
#include "base/mem.h"
#include "cli/ask.h"
#include "cli/command.h"
#include "cli/plain.h"
#include "cli/remote.h"
#include "wire/json.h"

#define ANSWER_MAX  ((size_t)4 * 1024 * 1024) /* bytes of a list */
#define DETAILS_MAX 600

struct listing {
    struct weft_remote remote;
    struct weft_config_problem problem;
    int status; /* of HTTP */
    struct weft_bytes text;
};

int weft_models_print_more(void)
{
    printf(
        "\n  --url URL\n      the node to ask; default: the one that runs with this home, or http://127.0.0.1:9338\n\n"
        "--home, --config and --api-key-file are as for `weft up`; WEFT_API_KEY is read too. A model that is unloaded\n"
        "is loaded when somebody asks for it.\n");
    return 0;
}

static int on_head(void *self, const struct weft_answer_head *head)
{
    struct listing *listing = self;
    listing->status = head->status;
    return 0;
}

static int on_received(void *self, struct weft_slice bytes)
{
    struct listing *listing = self;
    bool fits = listing->text.size + bytes.size <= ANSWER_MAX;
    return fits ? weft_bytes_append(&listing->text, bytes.data, bytes.size) : WEFT_ERR_TOO_LARGE;
}

static void print_details(const json_t *about, const char *state)
{
    const char *problem = json_string_value(json_object_get(about, "problem"));
    const json_t *progress = json_object_get(about, "progress");
    char text[DETAILS_MAX] = "";
    if (problem) {
        (void)snprintf(text, sizeof(text), "%s", problem); /* a cut sentence still helps */
    } else if (strcmp(state, "loading") == 0) {
        (void)snprintf(text, sizeof(text), "%d %%", (int)(json_number_value(progress) * 100)); /* fits */
    } else if (strcmp(state, "ready") == 0 && json_object_get(about, "slots")) {
        (void)snprintf(text, sizeof(text), "%d slots of %d tokens, %d threads, %.1f GiB",
                       (int)json_integer_value(json_object_get(about, "slots")),
                       (int)json_integer_value(json_object_get(about, "context_tokens")),
                       (int)json_integer_value(json_object_get(about, "threads")),
                       json_number_value(json_object_get(about, "memory_bytes")) / (1 << 30)); /* fits */
    }
    weft_plain_print(text, 0);
}

static int print_list(const json_t *models)
{
    const json_t *model;
    size_t index;
    int widest = 0;
    json_array_foreach(models, index, model)
    {
        const char *id = json_string_value(json_object_get(model, "id"));
        widest = id && weft_plain_width(id) > widest ? weft_plain_width(id) : widest;
    }
    json_array_foreach(models, index, model)
    {
        const json_t *about = json_object_get(model, "weft");
        const char *id = json_string_value(json_object_get(model, "id"));
        const char *state = json_string_value(json_object_get(about, "state"));
        weft_plain_print(id ? id : "?", widest + 2);
        weft_plain_print(state ? state : "", 11);
        print_details(about, state ? state : "");
        (void)putchar('\n');
    }
    return fflush(stdout) == 0 && !ferror(stdout) ? WEFT_EXIT_OK : WEFT_EXIT_FAILURE;
}

static int say_problem(const char *text)
{
    fprintf(stderr, "weft: %s\n", text);
    return WEFT_EXIT_FAILURE;
}

static int print_answer(struct listing *listing)
{
    json_t *body = NULL;
    size_t size = listing->text.size;
    char *text = weft_alloc(size + 1);
    if (!text) {
        return say_problem("out of memory");
    }
    size = weft_bytes_read(&listing->text, text, size);
    int status = weft_json_parse(weft_slice(text, size), &body, NULL);
    const json_t *models = json_object_get(body, "data");
    int exit;
    if (listing->status == 401) {
        exit = say_problem("the node asks for an API key: put it into WEFT_API_KEY, or name its file with "
                           "--api-key-file FILE");
    } else if (status < 0 || listing->status != 200 || !json_is_array(models)) {
        exit = say_problem("what answers there lists no models: is it a node, or does it relay to another server?");
    } else if (json_array_size(models) == 0) {
        exit = say_problem("the node has no model: put a GGUF file into its folder of models, or start it with --model "
                           "FILE");
    } else {
        exit = print_list(models);
    }
    json_decref(body);
    weft_free(text);
    return exit;
}

int weft_models_run(int argc, char **argv)
{
    struct listing *listing = weft_zalloc(sizeof(*listing));
    int exit = WEFT_EXIT_OK;
    if (!listing) {
        return say_problem("out of memory");
    }
    for (int i = 0; i < argc && exit == WEFT_EXIT_OK; i++) {
        if (!weft_remote_take(&listing->remote, argc, argv, &i)) {
            exit = weft_help_unexpected("models", argv[i]);
        }
    }
    if (exit == WEFT_EXIT_OK) {
        exit = weft_remote_find(&listing->remote);
    }
    if (exit == WEFT_EXIT_OK) {
        const struct weft_ask ask = {
            .url = listing->remote.url,
            .key = weft_slice(listing->remote.key.text, listing->remote.key.size),
            .method = "GET",
            .path = "/v1/models",
            .head = on_head,
            .received = on_received,
            .self = listing,
        };
        int status = weft_ask_run(&ask, &listing->problem);
        exit = status == 0                    ? print_answer(listing)
               : status == WEFT_ERR_CANCELLED ? WEFT_EXIT_FAILURE
                                              : say_problem(listing->problem.text);
    }
    weft_bytes_deinit(&listing->text);
    weft_remote_deinit(&listing->remote);
    weft_free(listing);
    weft_bytes_trim();
    return exit;
}
