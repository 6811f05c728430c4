/* store/store.h - host's store operations, with SQLite on a thread of its own. */
#ifndef WEFT_STORE_STORE_H
#define WEFT_STORE_STORE_H

#include "sys/sys.h"

struct weft_store;

/* Gives the host of `sys` its store. No file is opened and no thread started before somebody asks for something. On
 * error *out is NULL. */
WEFT_MUST_USE int weft_store_new(struct weft_store **out, struct weft_sys *sys);
/* After weft_sys_free(), which finishes what was asked for; if that said false, the store stays as well. NULL is fine.
 */
void weft_store_free(struct weft_store *store);

#endif
