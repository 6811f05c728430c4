/* cli/main.c - finds the command and runs it. */
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "cli/command.h"
#include "crypto/tls.h"

static bool asks_for_help(const char *word)
{
    return strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0;
}

/* Whoever starts a daemon may have closed these: the next socket would take their place, and a client would read what
 * was meant for the log. */
static void fill_standard_descriptors(void)
{
    int descriptor;
    do {
        descriptor = open("/dev/null", O_RDWR);
    } while (descriptor >= 0 && descriptor <= STDERR_FILENO);
    if (descriptor >= 0) {
        (void)close(descriptor); /* nothing was written */
    }
}

int main(int argc, char **argv)
{
    fill_standard_descriptors();
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
