/* base/assert.c - the end of a process that has stopped making sense. */
#include "base/assert.h"

#include <stdio.h>
#include <stdlib.h>

void weft_assert_failed(const char *condition, const char *file, int line)
{
    fprintf(stderr, "weft: this must hold and does not: %s (%s:%d). This is a bug; please report this line.\n",
            condition, file, line);
    abort();
}
