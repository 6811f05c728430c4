/* cli/command.c - the commands of `weft`, in one table. */
#include "cli/command.h"

#include <string.h>

#include "base/near.h"

const struct weft_command weft_commands[] = {
    {.name = "up",
     .arguments = "[FLAGS]",
     .help = "start a node and keep it running until it is told to stop",
     .run = weft_up_run,
     .print_more = weft_up_print_more},
    {.name = "chat",
     .arguments = "[FLAGS] [PROMPT...]",
     .help = "talk to a model of a running node",
     .run = weft_chat_run,
     .print_more = weft_chat_print_more},
    {.name = "models",
     .arguments = "[FLAGS]",
     .help = "list the models of a running node, and what each is at",
     .run = weft_models_run,
     .print_more = weft_models_print_more},
    {.name = "id",
     .arguments = "[FLAGS]",
     .help = "say by which id other nodes know this one",
     .run = weft_id_run,
     .print_more = weft_id_print_more},
    {.name = "invite",
     .arguments = "[FLAGS]",
     .help = "on a gateway: let others into its mesh, by a line that it prints",
     .run = weft_invite_run,
     .print_more = weft_invite_print_more},
    {.name = "join",
     .arguments = "[FLAGS] LINE|-",
     .help = "join a mesh by an invite's line",
     .run = weft_join_run,
     .print_more = weft_join_print_more},
    {.name = "leave",
     .arguments = "[FLAGS]",
     .help = "leave the mesh",
     .run = weft_leave_run,
     .print_more = weft_leave_print_more},
    {.name = "peers",
     .arguments = "[FLAGS]",
     .help = "say who else is in the mesh, what they serve, and how they are reached",
     .run = weft_peers_run,
     .print_more = weft_peers_print_more},
    {.name = "revoke",
     .arguments = "[FLAGS] ID",
     .help = "on a gateway: put a node out of the mesh",
     .run = weft_revoke_run,
     .print_more = weft_revoke_print_more},
    {.name = "root",
     .arguments = "certify|revoke --key FILE [--ttl D] [--json] ID | deliver LINE|-",
     .help = "sign with a mesh's root key, without a network: who its gateways are, who is out",
     .run = weft_root_run,
     .print_more = weft_root_print_more},
    {.name = "version",
     .arguments = "",
     .help = "say which weft this is, and which libraries it runs with",
     .run = weft_version_run},
    {.name = "help",
     .arguments = "[COMMAND | --markdown]",
     .help = "list the commands, explain one, or print docs/CONFIG.md",
     .run = weft_help_run},
};
const size_t weft_commands_count = WEFT_COUNT(weft_commands);

const struct weft_command *weft_command_find(const char *name)
{
    for (size_t i = 0; i < weft_commands_count; i++) {
        if (strcmp(weft_commands[i].name, name) == 0) {
            return &weft_commands[i];
        }
    }
    return NULL;
}

const struct weft_command *weft_command_near(const char *name)
{
    const struct weft_command *nearest = NULL;
    size_t least = 3; /* further apart is another word */
    if (strlen(name) > WEFT_NEAR_MAX) {
        return NULL;
    }
    for (size_t i = 0; i < weft_commands_count; i++) {
        struct weft_slice known = weft_slice_text(weft_commands[i].name);
        size_t distance = weft_near_distance(weft_slice_text(name), known);
        if (distance < least && distance < known.size) {
            least = distance;
            nearest = &weft_commands[i];
        }
    }
    return nearest;
}
