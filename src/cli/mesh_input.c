/* cli/mesh_input.c - what the commands of the mesh are given. */
#include "cli/mesh_input.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "base/error.h"
#include "base/text.h"
#include "crypto/secret.h"

#define KEY_FILE_MAX ((size_t)256)

int weft_mesh_input_key(struct weft_identity *out, enum weft_identity_kind kind, const char *path,
                        struct weft_config_problem *problem)
{
    struct weft_input file;
    const char *what = kind == WEFT_IDENTITY_ROOT ? "the root key" : "the node's key", *why;
    int status = weft_input_read(&file, path, what, KEY_FILE_MAX, 0077, problem);
    if (status < 0) {
        return status;
    }
    status = weft_identity_parse(out, kind, weft_slice(file.data, file.size), &why);
    if (status < 0) {
        (void)snprintf(problem->text, sizeof(problem->text), "%s %.200s cannot be used: %s", what, path, why);
    }
    weft_input_deinit(&file);
    return status;
}

int weft_mesh_input_id(struct weft_key *out, const char *text, struct weft_config_problem *problem)
{
    if (weft_key_parse(out, weft_slice_text(text)) && weft_key_set(out)) {
        return 0;
    }
    (void)snprintf(problem->text, sizeof(problem->text),
                   "\"%.60s\" is no id of a node: that is %d small letters and digits, which `weft id` prints on the "
                   "machine that is meant, and `weft peers --json` for every node that is known",
                   text, WEFT_PEER_ID_SIZE - 1);
    return WEFT_ERR_INVALID;
}

static int64_t unit_of(char letter)
{
    switch (letter) {
    case 's':
        return 1;
    case 'm':
        return 60;
    case 'h':
        return 3600;
    case 'd':
        return 86400;
    default:
        return 0;
    }
}

int weft_mesh_input_life(int64_t *seconds, const char *text, int64_t max_s, struct weft_config_problem *problem)
{
    int64_t value = 0, unit;
    const char *at = text;
    for (; *at >= '0' && *at <= '9' && value <= max_s; at++) {
        value = 10 * value + (*at - '0');
    }
    unit = at > text ? unit_of(*at) : 0;
    if (unit > 0 && at[1] == '\0' && value > 0 && value <= max_s / unit) {
        *seconds = value * unit;
        return 0;
    }
    (void)snprintf(problem->text, sizeof(problem->text),
                   "\"%.40s\" is no such span of time: write 90m, 24h or 7d, and %lld days at most", text,
                   (long long)(max_s / 86400));
    return WEFT_ERR_INVALID;
}

static int say_line(struct weft_config_problem *problem, const char *what, const char *wrong)
{
    (void)snprintf(problem->text, sizeof(problem->text), "%s %s", what, wrong);
    return WEFT_ERR_INVALID;
}

/* The first line of standard input. Bytes behind it stay unread: nobody else wants them. */
static int read_line(char line[WEFT_MESH_LINE_SIZE], const char *what, struct weft_config_problem *problem)
{
    size_t size = 0;
    while (size < WEFT_MESH_LINE_SIZE - 1 && !(size > 0 && line[size - 1] == '\n')) {
        ssize_t got = read(STDIN_FILENO, line + size, 1);
        if (got == 0) {
            break;
        }
        if (got < 0 && errno != EINTR) {
            return say_line(problem, what, "cannot be read from standard input");
        }
        size += got > 0 ? 1 : 0;
    }
    line[size] = '\0';
    if (size == WEFT_MESH_LINE_SIZE - 1) {
        return say_line(problem, what, "on standard input is longer than any: give that one line and nothing else");
    }
    return weft_trim(weft_slice(line, size)).size > 0
               ? 0
               : say_line(problem, what, "is to come from standard input (that is what `-` means), and nothing came");
}

int weft_mesh_input_line(char line[WEFT_MESH_LINE_SIZE], const char *word, const char *what,
                         struct weft_config_problem *problem)
{
    if (strcmp(word, "-") == 0) {
        int status = read_line(line, what, problem);
        if (status < 0) {
            weft_secret_wipe(line, WEFT_MESH_LINE_SIZE);
        }
        return status;
    }
    size_t size = strlen(word);
    if (size >= WEFT_MESH_LINE_SIZE) {
        return say_line(problem, what, "is longer than any: give that one line and nothing else");
    }
    memcpy(line, word, size + 1);
    return 0;
}

void weft_mesh_input_day(char text[WEFT_DAY_SIZE], int64_t seconds)
{
    struct weft_date date = weft_date(seconds);
    (void)snprintf(text, WEFT_DAY_SIZE, "%04u-%02u-%02u", (unsigned)date.year % 10000, (unsigned)date.month % 100,
                   (unsigned)date.day % 100);
}
