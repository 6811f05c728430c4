/* bench/once.h - signatures that are checked once, however many nodes of one process check them. */
#ifndef WEFT_BENCH_ONCE_H
#define WEFT_BENCH_ONCE_H

#include <stdbool.h>

extern bool bench_check_again; /* true: each time after all */

#endif
