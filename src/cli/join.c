/* cli/join.c - `weft join` and `weft leave`: a running node does it at once; without one it is done here. */
#include <stdio.h>

#include "base/error.h"
#include "cli/command.h"
#include "cli/mesh_ask.h"
#include "cli/mesh_input.h"
#include "cli/short_node.h"
#include "crypto/secret.h"
#include "node/mesh.h"

#define BODY_MAX (WEFT_MESH_LINE_SIZE + 64)

struct joining {
    struct weft_mesh_ask ask;
    struct weft_short_node *node;
    char line[WEFT_MESH_LINE_SIZE]; /* wiped at the end */
};

int weft_join_print_more(void)
{
    printf(
        "\n"
        "LINE is an invite, as `weft invite` prints it on a gateway. With `-` it is read from standard input: so it\n"
        "is in no list of processes and no history of a shell, where others could find it.\n"
        "\n"
        "The node that runs with this home joins at once; if none runs it joins now, and `weft up` finds it in. A\n"
        "node is in one mesh at a time. What goes through a gateway can be read there.\n"
        "\n" WEFT_MESH_MORE);
    return 0;
}

int weft_leave_print_more(void)
{
    printf("\n"
           "This node forgets its mesh, at once if it runs. Its key stays, so in another mesh it has the same id.\n"
           "\n" WEFT_MESH_MORE);
    return 0;
}

static int flush(void)
{
    return fflush(stdout) == 0 && !ferror(stdout) ? WEFT_EXIT_OK : WEFT_EXIT_FAILURE;
}

static int say_joined(const char *mesh, const char *role, int64_t expires_s)
{
    char day[WEFT_DAY_SIZE];
    weft_mesh_input_day(day, expires_s);
    printf("in the mesh %s as %s, until %s\nWhat you ask other nodes through a gateway can be read there.\n", mesh,
           role, day);
    return flush();
}

/* -- with a running node -- */

/* An invite has no character that JSON escapes; what is none may. */
static bool is_plain(const char *line)
{
    return line[strspn(line, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_ \t\r\n")] == '\0';
}

static int join_running(struct joining *joining)
{
    char body[BODY_MAX];
    json_t *answer;
    int size =
        snprintf(body, sizeof(body), "{\"line\":\"%.*s\"}", (int)strcspn(joining->line, "\t\r\n"), joining->line);
    int exit = weft_mesh_ask_run(&joining->ask, "/weft/v1/mesh/join", weft_slice(body, (size_t)size), &answer);
    weft_secret_wipe(body, sizeof(body));
    if (exit == WEFT_EXIT_OK && !joining->ask.json) {
        exit = say_joined(weft_mesh_text(answer, "mesh"), weft_mesh_text(answer, "role"),
                          json_integer_value(json_object_get(answer, "expires")));
    }
    json_decref(answer);
    return exit;
}

/* -- without -- */

static int print_here(const struct joining *joining)
{
    const struct weft_mesh *mesh = weft_short_node_mesh(joining->node);
    const struct weft_certificate *own = weft_mesh_state_certificate(weft_mesh_state_of(mesh));
    char id[WEFT_PEER_ID_SIZE], of[WEFT_PEER_ID_SIZE];
    weft_key_text(&own->subject, id);
    weft_key_text(&own->mesh, of);
    if (!joining->ask.json) {
        return say_joined(of, weft_role_text(own->role), own->not_after_s);
    }
    printf("{\"id\":\"%s\",\"mesh\":\"%s\",\"role\":\"%s\",\"expires\":%lld}\n", id, of, weft_role_text(own->role),
           (long long)own->not_after_s);
    return flush();
}

static void on_joined(void *self, const struct weft_mesh_joined *joined)
{
    struct joining *joining = self;
    int exit = WEFT_EXIT_FAILURE;
    if (joined->status == 0) {
        exit = print_here(joining);
    } else {
        if (joining->ask.json) {
            printf("{\"error\":{\"code\":\"%s\"}}\n", joined->code);
        }
        (void)weft_mesh_say(joined->problem, exit);
    }
    weft_short_node_end(joining->node, exit);
}

static void join_here(void *self, struct weft_short_node *node)
{
    struct joining *joining = self;
    joining->node = node;
    weft_mesh_join(weft_short_node_mesh(node), weft_slice_text(joining->line), on_joined, joining);
}

static int join(struct joining *joining, const char *word)
{
    int exit = weft_mesh_ask_settings(&joining->ask);
    if (exit != WEFT_EXIT_OK) {
        return exit;
    }
    if (weft_mesh_input_line(joining->line, word, "the invite", &joining->ask.problem) < 0) {
        return weft_mesh_say(joining->ask.problem.text, WEFT_EXIT_USAGE);
    }
    if (!is_plain(joining->line)) {
        return weft_mesh_say(weft_invite_problem(WEFT_ERR_INVALID), WEFT_EXIT_FAILURE);
    }
    return weft_mesh_ask_runs(&joining->ask) ? join_running(joining)
                                             : weft_short_node_run(&joining->ask.remote.settings, join_here, joining);
}

int weft_join_run(int argc, char **argv)
{
    struct joining joining = {.node = NULL};
    const char *line = NULL;
    int exit = WEFT_EXIT_OK;
    for (int i = 0; i < argc && exit == WEFT_EXIT_OK; i++) {
        const char *word = argv[i];
        if (weft_mesh_ask_take(&joining.ask, argc, argv, &i)) {
            continue;
        }
        exit = line ? weft_help_unexpected("join", "more than one line") : WEFT_EXIT_OK; /* not the word: a secret */
        line = word;
    }
    if (exit == WEFT_EXIT_OK && !line) {
        exit = weft_mesh_say("which invite? Give its line, or `-` to read it from standard input", WEFT_EXIT_USAGE);
    }
    if (exit == WEFT_EXIT_OK) {
        exit = join(&joining, line);
    }
    weft_secret_wipe(joining.line, sizeof(joining.line));
    weft_mesh_ask_deinit(&joining.ask);
    return exit;
}

/* -- weft leave -- */

static int say_left(const struct joining *joining)
{
    if (joining->ask.json) {
        return WEFT_EXIT_OK; /* the answer was printed */
    }
    printf("this node has left its mesh\n");
    return flush();
}

static void on_left(void *self, int status, const char *problem)
{
    struct joining *joining = self;
    int exit = WEFT_EXIT_FAILURE;
    if (status < 0) {
        (void)weft_mesh_say(problem, exit);
    } else {
        if (joining->ask.json) {
            printf("{\"status\":\"done\"}\n");
        }
        exit = say_left(joining);
    }
    weft_short_node_end(joining->node, exit);
}

static void leave_here(void *self, struct weft_short_node *node)
{
    struct joining *joining = self;
    struct weft_mesh_state *state = weft_mesh_state_of(weft_short_node_mesh(node));
    joining->node = node;
    int error = state ? weft_mesh_state_leave(state, on_left, joining) : WEFT_ERR_NOT_FOUND;
    if (error < 0) {
        weft_short_node_end(
            node, weft_mesh_say(error == WEFT_ERR_NOT_FOUND ? "this node is in no mesh" : weft_error_text(error),
                                WEFT_EXIT_FAILURE));
    }
}

static int leave_running(struct joining *joining)
{
    json_t *answer;
    int exit = weft_mesh_ask_run(&joining->ask, "/weft/v1/mesh/leave", WEFT_SLICE("{}"), &answer);
    json_decref(answer);
    return exit == WEFT_EXIT_OK ? say_left(joining) : exit;
}

int weft_leave_run(int argc, char **argv)
{
    struct joining joining = {.node = NULL};
    int exit = WEFT_EXIT_OK;
    for (int i = 0; i < argc && exit == WEFT_EXIT_OK; i++) {
        const char *word = argv[i];
        exit = weft_mesh_ask_take(&joining.ask, argc, argv, &i) ? WEFT_EXIT_OK : weft_help_unexpected("leave", word);
    }
    if (exit == WEFT_EXIT_OK) {
        exit = weft_mesh_ask_settings(&joining.ask);
    }
    if (exit == WEFT_EXIT_OK) {
        exit = weft_mesh_ask_runs(&joining.ask)
                   ? leave_running(&joining)
                   : weft_short_node_run(&joining.ask.remote.settings, leave_here, &joining);
    }
    weft_mesh_ask_deinit(&joining.ask);
    return exit;
}
