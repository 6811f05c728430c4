/* base/near.h - how far apart two words are, for "did you mean". */
#ifndef WEFT_BASE_NEAR_H
#define WEFT_BASE_NEAR_H

#include "base/types.h"

#define WEFT_NEAR_MAX ((size_t)32) /* bytes of a word */

/* How many letters must be added, dropped, changed or swapped with the next one to make `a` of `b`; both at most
 * WEFT_NEAR_MAX long. */
size_t weft_near_distance(struct weft_slice a, struct weft_slice b);

#endif
