/* cli/command.h - the commands of `weft`: one row each in command.c, one file each beside it. */
#ifndef WEFT_CLI_COMMAND_H
#define WEFT_CLI_COMMAND_H

#include "base/bytes.h"

enum weft_exit {
    WEFT_EXIT_OK = 0,
    WEFT_EXIT_FAILURE = 1, /* it was asked rightly and did not work */
    WEFT_EXIT_USAGE = 2,   /* it was asked wrongly: flags, settings, names */
};

struct weft_command {
    const char *name;
    const char *arguments;             /* for the usage line: "[FLAGS]" */
    const char *help;                  /* one line */
    int (*run)(int argc, char **argv); /* what stands behind the command's name; returns an enum weft_exit */
    int (*print_more)(void);           /* the rest of its help, or NULL; < 0 if memory ran out */
};

extern const struct weft_command weft_commands[];
extern const size_t weft_commands_count;

const struct weft_command *weft_command_find(const char *name); /* NULL if there is none */
const struct weft_command *weft_command_near(const char *name); /* "did you mean", or NULL */

int weft_up_run(int argc, char **argv);
int weft_up_print_more(void);
int weft_chat_run(int argc, char **argv);
int weft_chat_print_more(void);
int weft_models_run(int argc, char **argv);
int weft_models_print_more(void);
int weft_id_run(int argc, char **argv);
int weft_id_print_more(void);
int weft_invite_run(int argc, char **argv);
int weft_invite_print_more(void);
int weft_join_run(int argc, char **argv);
int weft_join_print_more(void);
int weft_leave_run(int argc, char **argv);
int weft_leave_print_more(void);
int weft_peers_run(int argc, char **argv);
int weft_peers_print_more(void);
int weft_revoke_run(int argc, char **argv);
int weft_revoke_print_more(void);
int weft_root_run(int argc, char **argv);
int weft_root_print_more(void);
int weft_version_run(int argc, char **argv);
int weft_help_run(int argc, char **argv);

/* `weft help NAME`; a name that is none says so and is a usage error. */
int weft_help_command(const char *name);
/* Prints what `make` appends to a queue. < 0 if memory ran out. */
WEFT_MUST_USE int weft_help_print(int (*make)(struct weft_bytes *out));
/* The command that does not exist, and the nearest that does. Returns WEFT_EXIT_USAGE. */
int weft_help_unknown(const char *name);
/* A word that a command takes none of. Returns WEFT_EXIT_USAGE. */
int weft_help_unexpected(const char *command, const char *word);

#endif
