/* cli/lock.h - one node per home: who holds it, and where that node answers. */
#ifndef WEFT_CLI_LOCK_H
#define WEFT_CLI_LOCK_H

#include "cli/places.h"

#define WEFT_LOCK_TEXT_MAX 1024

struct weft_lock {
    int descriptor; /* -1: not held */
};

/* Takes the home for this process, until _release or its end, however that comes. WEFT_ERR_BUSY if another has it:
 * *problem names it. */
WEFT_MUST_USE int weft_lock_take(struct weft_lock *lock, const struct weft_places *places,
                                 struct weft_config_problem *problem);
/* Says where the node answers ("http://127.0.0.1:9338"); several times for several addresses. */
void weft_lock_add_address(struct weft_lock *lock, const char *address);
void weft_lock_release(struct weft_lock *lock);

/* The first address of the node that holds the home; WEFT_ERR_NOT_FOUND if none runs there. */
WEFT_MUST_USE int weft_lock_find(const struct weft_places *places, char *address, size_t size);

#endif
