/* base/assert.h - assertions that stay on in release.
 *
 * For what must hold whatever comes in. Input is never asserted: it is checked and answered. */
#ifndef WEFT_BASE_ASSERT_H
#define WEFT_BASE_ASSERT_H

#define WEFT_ASSERT(condition)                                                                                         \
    do {                                                                                                               \
        if (!(condition))                                                                                              \
            weft_assert_failed(#condition, __FILE__, __LINE__);                                                        \
    } while (0)

/* Says where and ends the process. The text is the code's own: never content. */
_Noreturn void weft_assert_failed(const char *condition, const char *file, int line);

#endif
