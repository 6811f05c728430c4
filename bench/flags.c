/* bench/flags.c - flags with values on the command line of a bench's program. */
#include "flags.h"

#include <stdlib.h>
#include <string.h>

bool bench_number(const char *text, int max, int *out)
{
    char *end;
    long value = strtol(text, &end, 10);
    if (*end || end == text || value < 1 || value > max) {
        return false;
    }
    *out = (int)value;
    return true;
}

int bench_flag_take(const struct bench_flag *flags, size_t count, int argc, char **argv, int *at)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(argv[*at], flags[i].name) != 0) {
            continue;
        }
        if (*at + 1 >= argc || (flags[i].number && !bench_number(argv[*at + 1], flags[i].max, flags[i].number))) {
            return -1;
        }
        if (flags[i].text) {
            *flags[i].text = argv[*at + 1];
        }
        *at += 2;
        return 1;
    }
    return 0;
}
