/* engine/gguf_reader.h - reads a file forward, never past its end, and says in a sentence why it stopped. */
#ifndef WEFT_ENGINE_GGUF_READER_H
#define WEFT_ENGINE_GGUF_READER_H

#include "engine/options.h"

#define WEFT_GGUF_BUFFER     ((size_t)65536)
#define WEFT_GGUF_NAME_SHOWN 80

struct weft_gguf_reader {
    int descriptor;
    uint64_t size, at;               /* of the file; of the next byte */
    uint64_t buffered_at;            /* where in the file the buffer begins */
    size_t buffered;                 /* bytes in it */
    char name[WEFT_GGUF_NAME_SHOWN]; /* the file's, without its folder, for a person */
    char *problem;                   /* WEFT_ENGINE_PROBLEM_MAX bytes */
    unsigned char buffer[WEFT_GGUF_BUFFER];
};

/* Opens a file that can be a model: a regular one that begins like a GGUF. The reader stands at its beginning. */
WEFT_MUST_USE int weft_gguf_reader_open(struct weft_gguf_reader *reader, const char *path,
                                        char problem[WEFT_ENGINE_PROBLEM_MAX]);
void weft_gguf_reader_close(struct weft_gguf_reader *reader);

/* Says `format` with the file's name before it, and returns `error`. */
WEFT_MUST_USE int weft_gguf_refuse(struct weft_gguf_reader *reader, int error, const char *format, ...)
    WEFT_PRINTF(3, 4);

WEFT_MUST_USE int weft_gguf_take(struct weft_gguf_reader *reader, void *out, size_t size);
WEFT_MUST_USE int weft_gguf_take_u32(struct weft_gguf_reader *reader, uint32_t *out);
WEFT_MUST_USE int weft_gguf_take_u64(struct weft_gguf_reader *reader, uint64_t *out);
WEFT_MUST_USE int weft_gguf_skip(struct weft_gguf_reader *reader, uint64_t size);
/* A text of at most `max` bytes; what fits into `out` (`room` with its NUL) is copied, the rest skipped. `what` is for
 * a person: "a token". */
WEFT_MUST_USE int weft_gguf_take_text(struct weft_gguf_reader *reader, const char *what, size_t max, char *out,
                                      size_t room, uint64_t *size);

/* Bytes for a person: "98.4 MB". Returns `text`. */
#define WEFT_GGUF_SIZE_TEXT 24
const char *weft_gguf_size(char text[WEFT_GGUF_SIZE_TEXT], uint64_t bytes);

#endif
