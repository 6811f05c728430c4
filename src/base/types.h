/* base/types.h - the words every room speaks: slices, time, must-use. */
#ifndef WEFT_BASE_TYPES_H
#define WEFT_BASE_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define WEFT_MUST_USE          __attribute__((warn_unused_result))
#define WEFT_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
#define WEFT_COUNT(array)      (sizeof(array) / sizeof((array)[0]))

/* The struct that holds `member` at `pointer`. */
#define WEFT_CONTAINER(pointer, type, member) ((type *)(void *)((char *)(pointer)-offsetof(type, member)))

/* Microseconds on a clock that only goes forward; its zero means nothing. */
typedef int64_t weft_time;
#define WEFT_MS     ((weft_time)1000)
#define WEFT_SECOND ((weft_time)1000000)
#define WEFT_NEVER  INT64_MAX

/* Bytes that somebody else owns. Never NUL-terminated unless said. */
struct weft_slice {
    const char *data;
    size_t size;
};

#define WEFT_SLICE(literal) ((struct weft_slice){"" literal, sizeof(literal) - 1})

static inline struct weft_slice weft_slice(const void *data, size_t size)
{
    struct weft_slice slice = {(const char *)data, size};
    return slice;
}

static inline struct weft_slice weft_slice_text(const char *text)
{
    return weft_slice(text, strlen(text));
}

static inline bool weft_slice_equal(struct weft_slice a, struct weft_slice b)
{
    return a.size == b.size && (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}

/* ASCII only, whatever the locale. */
bool weft_slice_equal_nocase(struct weft_slice a, struct weft_slice b);
bool weft_slice_starts(struct weft_slice text, struct weft_slice prefix);

#endif
