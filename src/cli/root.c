/* cli/root.c - `weft root`: what the holder of a mesh's root key signs, on any machine and without a network. */
#include <inttypes.h>
#include <stdio.h>

#include "base/error.h"
#include "cli/command.h"
#include "cli/mesh_ask.h"
#include "cli/mesh_input.h"
#include "cli/remote.h"
#include "mesh/issuing.h"
#include "sys/sys.h"
#include "wire/letter.h"

struct root {
    const char *act; /* "certify" or "revoke" */
    const char *key_file, *life, *node;
    bool json;
    struct weft_identity key;
    struct weft_key subject;
    int64_t now_s, life_s;
    struct weft_config_problem problem;
};

int weft_root_print_more(void)
{
    printf(
        "\n"
        "A mesh begins with a root key, made by the first `weft up --gateway` as root.key in its folder. Whoever has\n"
        "it says who the mesh's gateways are, and can put anybody out for good. It may be moved to a machine without\n"
        "a network; this command uses it there. It prints one line, a letter, which is no secret: carry it to a\n"
        "gateway of the mesh, and deliver it there.\n"
        "\n"
        "  weft root certify --key FILE ID   the node with this id is a gateway; also to make it one for longer\n"
        "  weft root revoke --key FILE ID    the node with this id is out, whatever it was\n"
        "  weft root deliver LINE|-          on the gateway: gives the running node such a letter\n"
        "\n"
        "  --key FILE  the root key\n"
        "  --ttl D     certify: for how long, such as 90d; 365d if not said, %lldd at most\n"
        "  --json      print an object with the letter, the mesh, the node and, for certify, when it expires\n"
        "  ID          52 letters and digits; `weft id` prints them on the machine that is meant\n",
        (long long)(WEFT_GATEWAY_LIFE_MAX_S / 86400));
    return 0;
}

static int say_problem(const char *text, int exit)
{
    fprintf(stderr, "weft: %s\n", text);
    return exit;
}

static int read_words(struct root *root, int argc, char **argv)
{
    for (int i = 0; i < argc; i++) {
        const char *value;
        if ((value = weft_remote_value("--key", argc, argv, &i))) {
            root->key_file = value;
        } else if ((value = weft_remote_value("--ttl", argc, argv, &i))) {
            root->life = value;
        } else if (strcmp(argv[i], "--json") == 0) {
            root->json = true;
        } else if (argv[i][0] == '-') {
            return weft_help_unexpected("root", argv[i]);
        } else if (!root->act) {
            root->act = argv[i];
        } else if (!root->node) {
            root->node = argv[i];
        } else {
            return weft_help_unexpected("root", argv[i]);
        }
    }
    if (!root->act || (strcmp(root->act, "certify") != 0 && strcmp(root->act, "revoke") != 0)) {
        return say_problem("`weft root` either certifies a gateway or revokes a node: `weft root certify --key FILE "
                           "ID`, `weft root revoke --key FILE ID`",
                           WEFT_EXIT_USAGE);
    }
    if (!root->key_file || !root->node) {
        return say_problem(root->key_file ? "which node? Give its id, which `weft id` prints there"
                                          : "which key? Name the file of the root key with --key FILE",
                           WEFT_EXIT_USAGE);
    }
    if (root->life && strcmp(root->act, "revoke") == 0) {
        return weft_help_unexpected("root revoke", "--ttl");
    }
    return WEFT_EXIT_OK;
}

/* The clock and a serial come from the host, as for a node. */
static int ask_host(struct root *root, uint64_t *serial)
{
    struct weft_sys *sys;
    int status = weft_sys_new(&sys);
    if (status < 0) {
        return status;
    }
    struct weft_host *host = weft_sys_host(sys);
    root->now_s = host->ops->wall(host) / WEFT_SECOND;
    host->ops->entropy(host, serial, sizeof(*serial));
    (void)weft_sys_free(sys); /* nothing was asked that could hang */
    return 0;
}

static int write_letter(struct root *root, char letter[WEFT_LETTER_SIZE])
{
    uint8_t record[WEFT_REVOCATION_MAX];
    uint64_t serial;
    int status = ask_host(root, &serial);
    if (status < 0) {
        return status;
    }
    bool certifies = strcmp(root->act, "certify") == 0;
    int64_t size = certifies ? weft_issue_gateway(&root->key, &root->subject, root->now_s, root->life_s, serial, record)
                             : weft_issue_revocation(&root->key, &root->key.key, (struct weft_slice){0}, &root->subject,
                                                     root->now_s, record);
    if (size < 0) {
        return (int)size;
    }
    return weft_letter_write(certifies ? WEFT_CERTIFICATE_DOMAIN : WEFT_REVOCATION_DOMAIN,
                             weft_slice(record, (size_t)size), letter);
}

static int print_letter(const struct root *root, const char *letter)
{
    bool certifies = strcmp(root->act, "certify") == 0;
    int64_t expires_s = root->now_s + root->life_s;
    char mesh[WEFT_PEER_ID_SIZE], subject[WEFT_PEER_ID_SIZE], day[WEFT_DAY_SIZE];
    weft_key_text(&root->key.key, mesh);
    weft_key_text(&root->subject, subject);
    weft_mesh_input_day(day, expires_s);
    if (root->json) {
        printf("{\"letter\":\"%.*s\",\"mesh\":\"%s\",\"node\":\"%s\"", (int)strcspn(letter, "\n"), letter, mesh,
               subject);
        if (certifies) {
            printf(",\"expires\":%" PRId64, expires_s);
        }
        printf("}\n");
    } else {
        printf("%s", letter);
        if (certifies) {
            fprintf(stderr,
                    "With this line %s is a gateway of the mesh %s until %s. Give it to that node: `weft root deliver "
                    "-`.\n",
                    subject, mesh, day);
        } else {
            fprintf(
                stderr,
                "With this line %s is out of the mesh %s. Give it to a gateway of the mesh: `weft root deliver -`.\n",
                subject, mesh);
        }
    }
    return fflush(stdout) == 0 && !ferror(stdout) ? WEFT_EXIT_OK : WEFT_EXIT_FAILURE;
}

static int sign(struct root *root)
{
    char letter[WEFT_LETTER_SIZE];
    int status = write_letter(root, letter);
    if (status == WEFT_ERR_DENIED) {
        return say_problem("that id is the mesh's own: the root is no node, and cannot be certified or revoked",
                           WEFT_EXIT_USAGE);
    }
    if (status < 0) {
        (void)snprintf(root->problem.text, sizeof(root->problem.text),
                       "nothing could be signed (%s): is the clock of this machine right?", weft_error_text(status));
        return say_problem(root->problem.text, WEFT_EXIT_FAILURE);
    }
    return print_letter(root, letter);
}

/* -- deliver -- */

static int deliver(struct weft_mesh_ask *ask, const char *word)
{
    char letter[WEFT_MESH_LINE_SIZE], body[WEFT_MESH_LINE_SIZE + 64];
    json_t *answer;
    if (weft_mesh_input_line(letter, word, "the letter", &ask->problem) < 0) {
        return say_problem(ask->problem.text, WEFT_EXIT_USAGE);
    }
    size_t size = strcspn(letter, "\t\r\n");
    if (strspn(letter, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_ ") != size) {
        return say_problem("that is no letter: it has other characters than letters, digits, - and _", WEFT_EXIT_USAGE);
    }
    int written = snprintf(body, sizeof(body), "{\"letter\":\"%.*s\"}", (int)size, letter);
    int exit = weft_mesh_ask_run(ask, "/weft/v1/mesh/letter", weft_slice(body, (size_t)written), &answer);
    if (exit == WEFT_EXIT_OK && !ask->json) {
        printf("the node has taken it\n");
        exit = fflush(stdout) == 0 && !ferror(stdout) ? WEFT_EXIT_OK : WEFT_EXIT_FAILURE;
    }
    json_decref(answer);
    return exit;
}

static int run_deliver(int argc, char **argv)
{
    struct weft_mesh_ask ask = {.json = false};
    const char *line = NULL;
    int exit = WEFT_EXIT_OK;
    for (int i = 0; i < argc && exit == WEFT_EXIT_OK; i++) {
        const char *word = argv[i];
        if (!weft_mesh_ask_take(&ask, argc, argv, &i)) {
            exit = line ? weft_help_unexpected("root deliver", word) : WEFT_EXIT_OK;
            line = word;
        }
    }
    if (exit == WEFT_EXIT_OK && !line) {
        exit = say_problem("which letter? Give its line in quotes, or `-` to read it from standard input",
                           WEFT_EXIT_USAGE);
    }
    if (exit == WEFT_EXIT_OK) {
        exit = weft_mesh_ask_settings(&ask);
    }
    if (exit == WEFT_EXIT_OK) {
        exit = deliver(&ask, line);
    }
    weft_mesh_ask_deinit(&ask);
    return exit;
}

int weft_root_run(int argc, char **argv)
{
    if (argc > 0 && strcmp(argv[0], "deliver") == 0) {
        return run_deliver(argc - 1, argv + 1);
    }
    struct root root = {.life_s = WEFT_GATEWAY_LIFE_S};
    int exit = read_words(&root, argc, argv);
    if (exit != WEFT_EXIT_OK) {
        return exit;
    }
    int status = weft_mesh_input_id(&root.subject, root.node, &root.problem);
    if (status == 0 && root.life) {
        status = weft_mesh_input_life(&root.life_s, root.life, WEFT_GATEWAY_LIFE_MAX_S, &root.problem);
    }
    if (status == 0) {
        status = weft_mesh_input_key(&root.key, WEFT_IDENTITY_ROOT, root.key_file, &root.problem);
    }
    if (status < 0) {
        return say_problem(root.problem.text, WEFT_EXIT_USAGE);
    }
    exit = sign(&root);
    weft_identity_deinit(&root.key);
    return exit;
}
