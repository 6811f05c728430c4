/* base/near.c - how far apart two words are. */
#include "base/near.h"

#include "base/assert.h"

size_t weft_near_distance(struct weft_slice a, struct weft_slice b)
{
    size_t rows[3][WEFT_NEAR_MAX + 1]; /* the row being filled and the two before it */
    WEFT_ASSERT(a.size <= WEFT_NEAR_MAX && b.size <= WEFT_NEAR_MAX);
    for (size_t j = 0; j <= b.size; j++) {
        rows[0][j] = j;
    }
    for (size_t i = 1; i <= a.size; i++) {
        size_t *row = rows[i % 3], *above = rows[(i + 2) % 3], *above_that = rows[(i + 1) % 3];
        row[0] = i;
        for (size_t j = 1; j <= b.size; j++) {
            size_t best = above[j - 1] + (a.data[i - 1] == b.data[j - 1] ? 0 : 1);
            if (above[j] + 1 < best) {
                best = above[j] + 1;
            }
            if (row[j - 1] + 1 < best) {
                best = row[j - 1] + 1;
            }
            bool swapped = i > 1 && j > 1 && a.data[i - 1] == b.data[j - 2] && a.data[i - 2] == b.data[j - 1];
            if (swapped && above_that[j - 2] + 1 < best) {
                best = above_that[j - 2] + 1;
            }
            row[j] = best;
        }
    }
    return rows[a.size % 3][b.size];
}
