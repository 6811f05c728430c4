/* cli/mesh_ask.c - asking a node as its owner. */
#include "cli/mesh_ask.h"

#include <stdio.h>

#include "base/error.h"
#include "base/mem.h"
#include "cli/ask.h"
#include "cli/lock.h"
#include "crypto/secret.h"
#include "node/mesh_view.h"
#include "node/node.h"

#define ANSWER_MAX ((size_t)16 * 1024 * 1024)
#define TOKEN_MAX  ((size_t)256)

/* In JSON an announcement is three times as long where its names are short. */
_Static_assert(ANSWER_MAX >= (size_t)WEFT_MESH_VIEW_PEERS_MAX * 4 * WEFT_ANNOUNCEMENT_MAX, "all peers fit");

int weft_mesh_say(const char *text, int exit)
{
    fprintf(stderr, "weft: %s\n", text);
    return exit;
}

const char *weft_mesh_text(const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));
    return text ? text : "";
}

bool weft_mesh_ask_take(struct weft_mesh_ask *ask, int argc, char **argv, int *at)
{
    if (strcmp(argv[*at], "--json") == 0) {
        ask->json = true;
        return true;
    }
    return weft_remote_take(&ask->remote, argc, argv, at);
}

int weft_mesh_ask_settings(struct weft_mesh_ask *ask)
{
    struct weft_remote *remote = &ask->remote;
    int status = weft_settings_read(&remote->settings, remote->flag_count, remote->flags, &ask->problem);
    return status < 0 ? weft_mesh_say(ask->problem.text, WEFT_EXIT_USAGE) : WEFT_EXIT_OK;
}

/* Only a node that was named, or holds this home, is shown the owner's token: no stranger at a usual port. */
bool weft_mesh_ask_runs(struct weft_mesh_ask *ask)
{
    struct weft_remote *remote = &ask->remote;
    if (remote->named) {
        (void)snprintf(remote->address, sizeof(remote->address), "%s", remote->named); /* a longer one is refused */
        return true;
    }
    return weft_lock_find(&remote->settings.places, remote->address, sizeof(remote->address)) == 0;
}

static int on_head(void *self, const struct weft_answer_head *head)
{
    struct weft_mesh_ask *ask = self;
    ask->status = head->status;
    return 0;
}

static int on_received(void *self, struct weft_slice bytes)
{
    struct weft_mesh_ask *ask = self;
    bool fits = ask->text.size + bytes.size <= ANSWER_MAX;
    return fits ? weft_bytes_append(&ask->text, bytes.data, bytes.size) : WEFT_ERR_TOO_LARGE;
}

static int read_answer(struct weft_mesh_ask *ask, json_t **answer)
{
    size_t size = ask->text.size;
    char *text = weft_alloc(size + 1);
    if (!text) {
        return weft_mesh_say("out of memory", WEFT_EXIT_FAILURE);
    }
    size = weft_bytes_read(&ask->text, text, size);
    text[size] = '\0';
    int status = weft_json_parse(weft_slice(text, size), answer, NULL);
    int exit = WEFT_EXIT_OK;
    if (status < 0) {
        exit = weft_mesh_say("what answers there is no node of this version", WEFT_EXIT_FAILURE);
    } else if (ask->status != 200) {
        const char *why = weft_mesh_text(json_object_get(*answer, "error"), "message");
        if (ask->json) {
            printf("%s\n", text);
        }
        exit = weft_mesh_say(why[0] ? why : "the node refused, and did not say why", WEFT_EXIT_FAILURE);
    } else if (ask->json) {
        printf("%s\n", text);
        exit = fflush(stdout) == 0 && !ferror(stdout) ? WEFT_EXIT_OK : WEFT_EXIT_FAILURE;
    }
    if (exit != WEFT_EXIT_OK) {
        json_decref(*answer);
        *answer = NULL;
    }
    weft_secret_wipe(text, size); /* perhaps an invite */
    weft_free(text);
    return exit;
}

static int ask_as(struct weft_mesh_ask *ask, const char *path, struct weft_slice body, struct weft_slice token,
                  json_t **answer)
{
    const struct weft_ask request = {
        .url = ask->remote.url,
        .key = token,
        .method = body.size > 0 ? "POST" : "GET",
        .path = path,
        .body = body,
        .head = on_head,
        .received = on_received,
        .self = ask,
    };
    int status = weft_ask_run(&request, &ask->problem);
    if (status < 0) {
        return status == WEFT_ERR_CANCELLED ? WEFT_EXIT_FAILURE : weft_mesh_say(ask->problem.text, WEFT_EXIT_FAILURE);
    }
    return read_answer(ask, answer);
}

int weft_mesh_ask_run(struct weft_mesh_ask *ask, const char *path, struct weft_slice body, json_t **answer)
{
    char token_path[WEFT_PLACES_PATH_MAX + sizeof("/" WEFT_NODE_TOKEN_FILE)];
    struct weft_input token;
    const char *why;
    *answer = NULL;
    if (!weft_mesh_ask_runs(ask)) {
        return weft_mesh_say(
            "no node runs with this home: start it with `weft up`, or name its home with --home FOLDER",
            WEFT_EXIT_FAILURE);
    }
    if (weft_url_parse(weft_slice_text(ask->remote.address), &ask->remote.url, &why) < 0) {
        (void)snprintf(ask->problem.text, sizeof(ask->problem.text), "\"%.100s\" is no address of a node: %s",
                       ask->remote.address, why);
        return weft_mesh_say(ask->problem.text, WEFT_EXIT_USAGE);
    }
    (void)snprintf(token_path, sizeof(token_path), "%s/" WEFT_NODE_TOKEN_FILE,
                   ask->remote.settings.places.state); /* fits */
    if (weft_input_read(&token, token_path, "the owner's token", TOKEN_MAX, 0077, &ask->problem) < 0) {
        return weft_mesh_say(ask->problem.text, WEFT_EXIT_FAILURE);
    }
    struct weft_slice shown = weft_slice(token.data, token.size);
    while (shown.size > 0 && (shown.data[shown.size - 1] == '\n' || shown.data[shown.size - 1] == '\r')) {
        shown.size--;
    }
    int exit = ask_as(ask, path, body, shown, answer);
    weft_input_deinit(&token);
    return exit;
}

void weft_mesh_ask_deinit(struct weft_mesh_ask *ask)
{
    weft_bytes_deinit(&ask->text);
    weft_remote_deinit(&ask->remote);
    weft_bytes_trim();
}
