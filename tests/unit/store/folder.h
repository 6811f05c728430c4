/* unit/store/folder.h - a folder of its own for each test of the store. */
#ifndef WEFT_UNIT_STORE_FOLDER_H
#define WEFT_UNIT_STORE_FOLDER_H

#include "support/store_ends.h"

static struct store_folder folder;

static inline int setup(void **state)
{
    (void)state;
    store_folder_init(&folder, false);
    return 0;
}

static inline int teardown(void **state)
{
    (void)state;
    store_folder_deinit(&folder);
    return 0;
}

#endif
