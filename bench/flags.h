/* bench/flags.h - flags with values on the command line of a bench's program. */
#ifndef WEFT_BENCH_FLAGS_H
#define WEFT_BENCH_FLAGS_H

#include <stdbool.h>
#include <stddef.h>

struct bench_flag {
    const char *name;
    const char **text; /* where it goes; or a number: */
    int *number, max;  /* from 1 to `max` */
};

bool bench_number(const char *text, int max, int *out);
/* Takes the flag at argv[*at] and its value, and moves *at on. 1; 0: there is no such flag; -1: its value is missing or
 * out of its range. */
int bench_flag_take(const struct bench_flag *flags, size_t count, int argc, char **argv, int *at);

#endif
