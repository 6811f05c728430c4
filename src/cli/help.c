/* cli/help.c - `weft help`: what commands there are, what each takes, and the page of all settings. */
#include <stdio.h>
#include <string.h>

#include "cli/command.h"
#include "node/config.h"

#define WORD_SHOWN 60 /* bytes of a wrong word that a message repeats */

static int said(void)
{
    /* A closed pipe (`weft help | head`) is not worth a word; a full disk is a failure. */
    return fflush(stdout) == 0 && !ferror(stdout) ? WEFT_EXIT_OK : WEFT_EXIT_FAILURE;
}

static int list(void)
{
    printf("Weft: a private model server that joins others into a mesh.\n\n"
           "usage: weft COMMAND\n\n");
    for (size_t i = 0; i < weft_commands_count; i++) {
        printf("  %-9s %s\n", weft_commands[i].name, weft_commands[i].help);
    }
    printf("\n`weft help COMMAND` (or `weft COMMAND --help`) says more; `weft help up` lists every setting.\n");
    return said();
}

int weft_help_unknown(const char *name)
{
    const struct weft_command *near = weft_command_near(name);
    if (near) {
        fprintf(stderr, "weft: there is no command \"%.*s\"; did you mean `weft %s`?\n", WORD_SHOWN, name, near->name);
    } else {
        fprintf(stderr, "weft: there is no command \"%.*s\"; `weft help` lists them all.\n", WORD_SHOWN, name);
    }
    return WEFT_EXIT_USAGE;
}

int weft_help_unexpected(const char *command, const char *word)
{
    fprintf(stderr, "weft: `weft %s` takes no \"%.*s\"; `weft help %s` says what it takes.\n", command, WORD_SHOWN,
            word, command);
    return WEFT_EXIT_USAGE;
}

static int out_of_memory(void)
{
    fprintf(stderr, "weft: out of memory\n");
    return WEFT_EXIT_FAILURE;
}

int weft_help_command(const char *name)
{
    const struct weft_command *command = weft_command_find(name);
    if (!command) {
        return weft_help_unknown(name);
    }
    printf("usage: weft %s%s%s\n\n%s\n", command->name, command->arguments[0] ? " " : "", command->arguments,
           command->help);
    if (command->print_more && command->print_more() < 0) {
        return out_of_memory();
    }
    return said();
}

int weft_help_print(int (*make)(struct weft_bytes *out))
{
    struct weft_bytes text;
    weft_bytes_init(&text);
    int status = make(&text);
    while (status == 0 && text.size > 0) {
        struct weft_slice front = weft_bytes_front(&text);
        (void)fwrite(front.data, 1, front.size, stdout); /* the flush that follows reports what went wrong */
        weft_bytes_drop(&text, front.size);
    }
    weft_bytes_deinit(&text);
    return status;
}

int weft_help_run(int argc, char **argv)
{
    if (argc > 1) {
        return weft_help_unexpected("help", argv[1]);
    }
    if (argc == 1 && strcmp(argv[0], "--markdown") == 0) {
        return weft_help_print(weft_config_markdown) < 0 ? out_of_memory() : said();
    }
    return argc == 1 ? weft_help_command(argv[0]) : list();
}
