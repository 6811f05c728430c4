/* cli/peers.c - `weft peers`: who else is in the mesh, what they serve, and how they are reached. */
#include <inttypes.h>
#include <stdio.h>

#include "cli/command.h"
#include "cli/mesh_ask.h"
#include "cli/plain.h"

#define ID_SHOWN  12 /* letters of an id in the table */
#define CELL_SIZE 32

int weft_peers_print_more(void)
{
    printf("\n"
           "A line for each node of the mesh that this one knows: its id (the first %d letters), its role, whether it\n"
           "is there and for how long, how it is reached, how many tokens a second its engines were seen to make,\n"
           "how long ago it announced itself, and the models that it serves. What goes through a gateway (relayed)\n"
           "can be read there. A node that is no gateway hears of its gateways, and of those who serve the models\n"
           "that it uses; a gateway knows everybody.\n"
           "\n" WEFT_MESH_MORE,
           ID_SHOWN);
    return 0;
}

/* "5 s", "12 min", "3 h", "2 d". */
static const char *age(int64_t ms, char out[CELL_SIZE])
{
    static const struct {
        int64_t ms;
        const char *unit;
    } units[] = {{86400000, "d"}, {3600000, "h"}, {60000, "min"}, {1000, "s"}};
    size_t i = 0;
    while (i + 1 < WEFT_COUNT(units) && ms < units[i].ms) {
        i++;
    }
    (void)snprintf(out, CELL_SIZE, "%" PRId64 " %s", ms / units[i].ms, units[i].unit); /* fits */
    return out;
}

static int64_t number(const json_t *object, const char *name)
{
    return (int64_t)json_integer_value(json_object_get(object, name));
}

static void print_cell(const char *text, int width)
{
    weft_plain_print(text, width);
    printf("  ");
}

static void print_peer(const json_t *peer)
{
    char id[CELL_SIZE], state[2 * CELL_SIZE], path[2 * CELL_SIZE], speed[CELL_SIZE] = "-", text[CELL_SIZE];
    const json_t *rate = json_object_get(peer, "speed"), *model;
    const char *way = weft_mesh_text(peer, "path"), *gateway = weft_mesh_text(peer, "gateway");
    size_t index;
    /* All are cut to their columns. */
    (void)snprintf(id, sizeof(id), "%.*s", ID_SHOWN, weft_mesh_text(peer, "id"));
    (void)snprintf(state, sizeof(state), "%s %s", weft_mesh_text(peer, "state"), age(number(peer, "since_ms"), text));
    (void)snprintf(path, sizeof(path), "%s%s%.*s", way[0] ? way : "-", gateway[0] ? " by " : "", ID_SHOWN, gateway);
    if (json_is_number(rate)) {
        (void)snprintf(speed, sizeof(speed), "%.1f", json_number_value(rate));
    }
    print_cell(id, ID_SHOWN);
    print_cell(weft_mesh_text(peer, "role"), 7);
    print_cell(state, 14);
    print_cell(path, 23);
    printf("%8s  %-7s  ", speed, age(number(peer, "heard_ms"), text));
    json_array_foreach(json_object_get(peer, "models"), index, model)
    {
        printf("%s", index > 0 ? ", " : "");
        weft_plain_print(weft_mesh_text(model, "name"), 0);
    }
    printf("%s\n", index > 0 ? "" : "-");
}

static int print_peers(const json_t *answer)
{
    const json_t *peers = json_object_get(answer, "peers"), *peer;
    size_t index;
    if (json_array_size(peers) == 0) {
        const char *problem = weft_mesh_text(answer, "gateway_problem");
        printf("Nobody else is known here. ");
        weft_plain_print(problem[0] ? problem
                         : json_array_size(json_object_get(answer, "gateways")) > 0
                             ? "This node is attached to a gateway, which will tell of others."
                             : "This node is attached to no gateway now.",
                         0);
        (void)putchar('\n');
    } else {
        printf("%-*s  %-7s  %-14s  %-23s  %8s  %-7s  %s\n", ID_SHOWN, "NODE", "ROLE", "STATE", "REACHED", "TOKENS/S",
               "HEARD", "MODELS");
        json_array_foreach(peers, index, peer)
        {
            print_peer(peer);
        }
        if (number(answer, "peers_known") > (int64_t)json_array_size(peers)) {
            printf("... of %" PRId64 " that are known\n", number(answer, "peers_known"));
        }
    }
    return fflush(stdout) == 0 && !ferror(stdout) ? WEFT_EXIT_OK : WEFT_EXIT_FAILURE;
}

static int ask_peers(struct weft_mesh_ask *ask)
{
    json_t *answer;
    int exit = weft_mesh_ask_run(ask, "/weft/v1/mesh", weft_slice(NULL, 0), &answer);
    if (exit == WEFT_EXIT_OK && !ask->json) {
        exit = json_is_string(json_object_get(answer, "mesh"))
                   ? print_peers(answer)
                   : weft_mesh_say("this node is in no mesh: join one with an invite (`weft join`), or begin one "
                                   "(`weft up --gateway`)",
                                   WEFT_EXIT_FAILURE);
    }
    json_decref(answer);
    return exit;
}

int weft_peers_run(int argc, char **argv)
{
    struct weft_mesh_ask ask = {.json = false};
    int exit = WEFT_EXIT_OK;
    for (int i = 0; exit == WEFT_EXIT_OK && i < argc; i++) {
        if (!weft_mesh_ask_take(&ask, argc, argv, &i)) {
            exit = weft_help_unexpected("peers", argv[i]);
        }
    }
    if (exit == WEFT_EXIT_OK) {
        exit = weft_mesh_ask_settings(&ask);
    }
    if (exit == WEFT_EXIT_OK) {
        exit = ask_peers(&ask);
    }
    weft_mesh_ask_deinit(&ask);
    return exit;
}
