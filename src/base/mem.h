/* base/mem.h - the one door to the heap.
 *
 * Everything that allocates in an exchange, the libraries included, comes through here, so that a test can
 * fail each allocation in turn and count what is left. */
#ifndef WEFT_BASE_MEM_H
#define WEFT_BASE_MEM_H

#include "base/types.h"

WEFT_MUST_USE void *weft_alloc(size_t size);
WEFT_MUST_USE void *weft_zalloc(size_t size); /* zeroed */
WEFT_MUST_USE void *weft_calloc(size_t count, size_t size);
WEFT_MUST_USE void *weft_realloc(void *pointer, size_t size);
void weft_free(void *pointer); /* NULL is fine */

/* Tests only: the allocation `countdown` calls from now fails (1 is the next), once; 0 turns it off.
 * _failed says whether it came to that. */
void weft_mem_fail_at(uint64_t countdown);
bool weft_mem_failed(void);
int64_t weft_mem_live(void); /* allocations not yet freed, by this thread */

#endif
