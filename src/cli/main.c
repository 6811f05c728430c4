/* cli/main.c - finds the command and runs it. */
#include <string.h>

#include "cli/command.h"
#include "crypto/tls.h"

static bool asks_for_help(const char *word)
{
    return strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0;
}

int main(int argc, char **argv)
{
    weft_tls_setup(); /* before anything allocates */
    if (argc < 2 || asks_for_help(argv[1])) {
        return weft_help_run(0, NULL);
    }
    if (strcmp(argv[1], "--version") == 0) {
        return weft_version_run(argc - 2, argv + 2);
    }
    const struct weft_command *command = weft_command_find(argv[1]);
    if (!command) {
        return weft_help_unknown(argv[1]);
    }
    for (int i = 2; i < argc; i++) {
        if (asks_for_help(argv[i])) {
            return weft_help_command(command->name);
        }
    }
    return command->run(argc - 2, argv + 2);
}
