/* engine/pieces.h - the bytes of every token of a vocabulary, in one table made at load. */
#ifndef WEFT_ENGINE_PIECES_H
#define WEFT_ENGINE_PIECES_H

#include "engine/model.h"

#define WEFT_PIECES_TOKEN_MAX 4096 /* bytes of one token: WEFT_GGUF_TOKEN_MAX, so that all fit */
#define WEFT_PIECES_ENDS_MAX  64   /* tokens that end an answer */

struct weft_pieces {
    char *bytes;
    uint32_t *at; /* token i is bytes[at[i]] up to at[i + 1] */
    bool *hidden; /* a control token: its text is no text of an answer */
    int32_t vocabulary;
    int32_t ends[WEFT_PIECES_ENDS_MAX];
    size_t end_count;
    int32_t begin; /* the begin-of-text token, or -1 */
};

/* On error the table is empty, and need not be freed. */
WEFT_MUST_USE int weft_pieces_init(struct weft_pieces *pieces, const struct weft_model *model);
void weft_pieces_deinit(struct weft_pieces *pieces);

/* Those of control tokens too. An id that is none has no bytes. */
struct weft_slice weft_pieces_get(const struct weft_pieces *pieces, int32_t token);

#endif
