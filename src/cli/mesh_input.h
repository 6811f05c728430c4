/* cli/mesh_input.h - what the commands of the mesh are given: files of keys, ids of nodes, spans of time, and lines
 * that are better not seen in a list of processes. */
#ifndef WEFT_CLI_MESH_INPUT_H
#define WEFT_CLI_MESH_INPUT_H

#include "cli/input.h"
#include "crypto/identity.h"

#define WEFT_MESH_LINE_SIZE 1024 /* of an invite or a letter, with its NUL: longer ones are none */
#define WEFT_DAY_SIZE       11   /* "2026-11-22" with its NUL */

/* A key from the file that it lies in, which others must not be able to read. *problem says what is wrong; on error
 * there is nothing to deinit. WEFT_ERR_NOT_FOUND: there is no such file. */
WEFT_MUST_USE int weft_mesh_input_key(struct weft_identity *out, enum weft_identity_kind kind, const char *path,
                                      struct weft_config_problem *problem);

/* The id of a node, as `weft id` prints it. WEFT_ERR_INVALID, and *problem says so. */
WEFT_MUST_USE int weft_mesh_input_id(struct weft_key *out, const char *text, struct weft_config_problem *problem);

/* "90m", "24h", "7d" as seconds, from 1 to `max_s`. WEFT_ERR_INVALID, and *problem says what there may be. */
WEFT_MUST_USE int weft_mesh_input_life(int64_t *seconds, const char *text, int64_t max_s,
                                       struct weft_config_problem *problem);

/* The line that a word of the command line is, or that stands on standard input if the word is "-": so that it is in no
 * list of processes and no history of a shell. `what` it is, for people. Wipe it after use if it is a secret. */
WEFT_MUST_USE int weft_mesh_input_line(char line[WEFT_MESH_LINE_SIZE], const char *word, const char *what,
                                       struct weft_config_problem *problem);

/* The day in UTC of a second since 1970. */
void weft_mesh_input_day(char text[WEFT_DAY_SIZE], int64_t seconds);

#endif
