/* base/mem.c - the one door to the heap. */
#include "base/mem.h"

#include <stdlib.h>

static _Thread_local uint64_t fail_countdown; /* 0: off */
static _Thread_local bool failed;
static _Thread_local int64_t live;

static bool must_fail(void)
{
    if (fail_countdown == 0 || --fail_countdown > 0) {
        return false;
    }
    failed = true;
    return true;
}

static void *counted(void *pointer)
{
    live += pointer ? 1 : 0;
    return pointer;
}

/* A size of 0 gives a pointer all the same: NULL only ever means "out of memory". */
void *weft_alloc(size_t size)
{
    return must_fail() ? NULL : counted(malloc(size ? size : 1));
}

void *weft_zalloc(size_t size)
{
    return weft_calloc(1, size);
}

void *weft_calloc(size_t count, size_t size)
{
    if (must_fail()) {
        return NULL;
    }
    return counted(count && size ? calloc(count, size) : calloc(1, 1));
}

void *weft_realloc(void *pointer, size_t size)
{
    if (!pointer) {
        return weft_alloc(size);
    }
    return must_fail() ? NULL : realloc(pointer, size ? size : 1);
}

void weft_free(void *pointer)
{
    live -= pointer ? 1 : 0;
    free(pointer);
}

void weft_mem_fail_at(uint64_t countdown)
{
    fail_countdown = countdown;
    failed = false;
}

bool weft_mem_failed(void)
{
    return failed;
}

int64_t weft_mem_live(void)
{
    return live;
}
