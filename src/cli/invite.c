/* cli/invite.c - `weft invite` and `weft revoke`: who may come into the mesh of a running gateway, and who must go. */
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "cli/command.h"
#include "cli/mesh_ask.h"
#include "cli/mesh_input.h"
#include "cli/picture.h"
#include "mesh/invites.h"

#define BODY_MAX 256

struct inviting {
    struct weft_mesh_ask ask;
    bool list;
    const char *revoke, *role;
    int64_t uses, life_s;
};

int weft_invite_print_more(void)
{
    printf(
        "\n"
        "The gateway that runs with this home makes an invite and prints its line, this once: whoever has the line\n"
        "can join, so give it to those who are meant, and to nobody else. On the other machine: `weft join -`, then\n"
        "paste the line. On a terminal the line comes as a QR code, too.\n"
        "\n"
        "  --uses N    how many nodes it lets in: 1 if not said, %d at most\n"
        "  --ttl D     for how long, such as 90m, 24h or 7d: 24h if not said, %dd at most\n"
        "  --role R    what they become: peer (asks and serves; if not said), client (asks), or gateway (needs the\n"
        "              root key here)\n"
        "  --list      the invites there are, and how often each was used\n"
        "  --revoke ID takes one back; those who have used it stay\n" WEFT_MESH_MORE,
        WEFT_INVITE_USES_MAX, WEFT_INVITE_LIFE_MAX_S / 86400);
    return 0;
}

int weft_revoke_print_more(void)
{
    printf(
        "\n"
        "The gateway that runs with this home puts the node with this id out of the mesh, whatever invite it came\n"
        "by. Where root.key is here that is for good: it can come back only with a new key. Else it is for a month,\n"
        "and no gateway is put out: the root alone does that, see `weft help root`.\n"
        "\n" WEFT_MESH_MORE);
    return 0;
}

static int read_number(int64_t *out, const char *text)
{
    int64_t value = 0;
    for (const char *at = text; *at; at++) {
        if (*at < '0' || *at > '9' || value > WEFT_INVITE_USES_MAX) {
            return WEFT_EXIT_USAGE;
        }
        value = 10 * value + (*at - '0');
    }
    *out = value;
    return value > 0 && value <= WEFT_INVITE_USES_MAX ? WEFT_EXIT_OK : WEFT_EXIT_USAGE;
}

static int read_words(struct inviting *inviting, int argc, char **argv)
{
    struct weft_config_problem *problem = &inviting->ask.problem;
    enum weft_role role;
    for (int i = 0; i < argc; i++) {
        const char *value, *word = argv[i];
        if ((value = weft_remote_value("--uses", argc, argv, &i))) {
            if (read_number(&inviting->uses, value) != WEFT_EXIT_OK) {
                return weft_mesh_say("--uses takes a number from 1 to 1000", WEFT_EXIT_USAGE);
            }
        } else if ((value = weft_remote_value("--ttl", argc, argv, &i))) {
            if (weft_mesh_input_life(&inviting->life_s, value, WEFT_INVITE_LIFE_MAX_S, problem) < 0) {
                return weft_mesh_say(problem->text, WEFT_EXIT_USAGE);
            }
        } else if ((value = weft_remote_value("--role", argc, argv, &i))) {
            inviting->role = value;
            if (!weft_role_parse(weft_slice_text(value), &role)) {
                return weft_mesh_say("--role takes peer, client or gateway", WEFT_EXIT_USAGE);
            }
        } else if ((value = weft_remote_value("--revoke", argc, argv, &i))) {
            inviting->revoke = value;
        } else if (strcmp(word, "--list") == 0) {
            inviting->list = true;
        } else if (!weft_mesh_ask_take(&inviting->ask, argc, argv, &i)) {
            return weft_help_unexpected("invite", word);
        }
    }
    return WEFT_EXIT_OK;
}

static int flush(void)
{
    return fflush(stdout) == 0 && !ferror(stdout) ? WEFT_EXIT_OK : WEFT_EXIT_FAILURE;
}

static int print_list(const json_t *answer)
{
    const json_t *invite;
    size_t index;
    json_array_foreach(json_object_get(answer, "invites"), index, invite)
    {
        char day[WEFT_DAY_SIZE];
        weft_mesh_input_day(day, json_integer_value(json_object_get(invite, "expires")));
        printf("%s  %-7s  %" PRId64 " of %" PRId64 " used  until %s%s\n", weft_mesh_text(invite, "id"),
               weft_mesh_text(invite, "role"), (int64_t)json_integer_value(json_object_get(invite, "uses")),
               (int64_t)json_integer_value(json_object_get(invite, "uses_max")), day,
               json_is_true(json_object_get(invite, "revoked")) ? ", taken back" : "");
    }
    return flush();
}

static int print_invite(const json_t *answer)
{
    char day[WEFT_DAY_SIZE];
    int64_t uses = json_integer_value(json_object_get(answer, "uses_max"));
    weft_mesh_input_day(day, json_integer_value(json_object_get(answer, "expires")));
    printf("%s\n", weft_mesh_text(answer, "line"));
    if (isatty(STDOUT_FILENO) == 1) {
        (void)weft_picture_print(stdout, weft_mesh_text(answer, "line")); /* the line itself is there */
    }
    fprintf(stderr,
            "This line lets %" PRId64 " node%s in as %s, until %s; it is not shown again. On the other machine: `weft "
            "join -`, then paste it. Its id is %s.\n",
            uses, uses == 1 ? "" : "s", weft_mesh_text(answer, "role"), day, weft_mesh_text(answer, "id"));
    return flush();
}

static int run_invite(struct inviting *inviting)
{
    char body[BODY_MAX];
    json_t *answer;
    int size = 0;
    const char *path = "/weft/v1/mesh/invites";
    if (inviting->revoke) {
        if (strlen(inviting->revoke) != WEFT_INVITE_ID_SIZE - 1 ||
            strspn(inviting->revoke, "0123456789abcdef") != WEFT_INVITE_ID_SIZE - 1) {
            return weft_mesh_say("--revoke takes the id of an invite: `weft invite --list` shows them",
                                 WEFT_EXIT_USAGE);
        }
        path = "/weft/v1/mesh/invites/revoke";
        size = snprintf(body, sizeof(body), "{\"id\":\"%s\"}", inviting->revoke);
    } else if (!inviting->list) {
        size = snprintf(body, sizeof(body), "{\"uses\":%" PRId64 ",\"ttl_s\":%" PRId64 ",\"role\":\"%s\"}",
                        inviting->uses, inviting->life_s, inviting->role);
    }
    int exit = weft_mesh_ask_run(&inviting->ask, path, weft_slice(body, (size_t)size), &answer);
    if (exit == WEFT_EXIT_OK && !inviting->ask.json) {
        if (inviting->list) {
            exit = print_list(answer);
        } else if (inviting->revoke) {
            printf("taken back: %s lets nobody in any more\n", inviting->revoke);
            exit = flush();
        } else {
            exit = print_invite(answer);
        }
    }
    json_decref(answer);
    return exit;
}

int weft_invite_run(int argc, char **argv)
{
    struct inviting inviting = {.role = "peer", .uses = 1, .life_s = WEFT_INVITE_LIFE_S};
    int exit = read_words(&inviting, argc, argv);
    if (exit == WEFT_EXIT_OK) {
        exit = weft_mesh_ask_settings(&inviting.ask);
    }
    if (exit == WEFT_EXIT_OK) {
        exit = run_invite(&inviting);
    }
    weft_mesh_ask_deinit(&inviting.ask);
    return exit;
}

/* -- weft revoke -- */

static int put_out(struct weft_mesh_ask *ask, const char *id)
{
    char body[BODY_MAX];
    struct weft_key node;
    json_t *answer;
    if (weft_mesh_input_id(&node, id, &ask->problem) < 0) {
        return weft_mesh_say(ask->problem.text, WEFT_EXIT_USAGE);
    }
    int size = snprintf(body, sizeof(body), "{\"id\":\"%s\"}", id);
    int exit = weft_mesh_ask_run(ask, "/weft/v1/mesh/revoke", weft_slice(body, (size_t)size), &answer);
    if (exit == WEFT_EXIT_OK && !ask->json) {
        bool by_root = strcmp(weft_mesh_text(answer, "by"), "root") == 0;
        printf("%s is out of the mesh%s\n", id,
               by_root ? "" : ", unless it is a gateway: those the root alone puts out (`weft help root`)");
        exit = flush();
    }
    json_decref(answer);
    return exit;
}

int weft_revoke_run(int argc, char **argv)
{
    struct weft_mesh_ask ask = {.json = false};
    const char *id = NULL;
    int exit = WEFT_EXIT_OK;
    for (int i = 0; i < argc && exit == WEFT_EXIT_OK; i++) {
        const char *word = argv[i];
        if (weft_mesh_ask_take(&ask, argc, argv, &i)) {
            continue;
        }
        exit = id || word[0] == '-' ? weft_help_unexpected("revoke", word) : WEFT_EXIT_OK;
        id = word;
    }
    if (exit == WEFT_EXIT_OK && !id) {
        exit = weft_mesh_say("which node? Give its id, which `weft id` prints there", WEFT_EXIT_USAGE);
    }
    if (exit == WEFT_EXIT_OK) {
        exit = weft_mesh_ask_settings(&ask);
    }
    if (exit == WEFT_EXIT_OK) {
        exit = put_out(&ask, id);
    }
    weft_mesh_ask_deinit(&ask);
    return exit;
}
