/* engine/pieces.c - the bytes of every token of a vocabulary, in one table made at load. */
#include "engine/pieces.h"

#include <llama.h>

#include "base/error.h"
#include "base/mem.h"
#include "engine/gguf.h"

_Static_assert(WEFT_PIECES_TOKEN_MAX >= WEFT_GGUF_TOKEN_MAX, "a model that loads has no longer token");

static int add(struct weft_pieces *pieces, const struct weft_model *model, int32_t token, size_t *room)
{
    size_t used = pieces->at[token];
    if (*room - used < WEFT_PIECES_TOKEN_MAX) {
        size_t larger = 2 * *room;
        char *bytes = larger < UINT32_MAX ? weft_realloc(pieces->bytes, larger) : NULL;
        if (!bytes) {
            return WEFT_ERR_MEMORY;
        }
        pieces->bytes = bytes;
        *room = larger;
    }
    char plain[WEFT_PIECES_TOKEN_MAX];
    int size = weft_model_piece(model, token, true, pieces->bytes + used, WEFT_PIECES_TOKEN_MAX);
    int plain_size = weft_model_piece(model, token, false, plain, sizeof(plain));
    if (size < 0 || plain_size < 0) {
        return size < 0 ? size : plain_size;
    }
    pieces->hidden[token] = size > 0 && plain_size == 0;
    pieces->at[token + 1] = (uint32_t)used + (uint32_t)size;
    if (weft_model_ends(model, token) && pieces->end_count < WEFT_PIECES_ENDS_MAX) {
        pieces->ends[pieces->end_count++] = token;
    }
    return 0;
}

int weft_pieces_init(struct weft_pieces *pieces, const struct weft_model *model)
{
    size_t count = (size_t)model->vocabulary, room = 8 * count + 2 * (size_t)WEFT_PIECES_TOKEN_MAX;
    *pieces = (struct weft_pieces){
        .bytes = weft_alloc(room),
        .at = weft_calloc(count + 1, sizeof(*pieces->at)),
        .hidden = weft_calloc(count, sizeof(*pieces->hidden)),
        .vocabulary = model->vocabulary,
        .begin = llama_vocab_bos(model->vocab),
    };
    int status = pieces->bytes && pieces->at && pieces->hidden ? 0 : WEFT_ERR_MEMORY;
    for (int32_t token = 0; token < model->vocabulary && status == 0; token++) {
        status = add(pieces, model, token, &room);
    }
    if (status < 0) {
        weft_pieces_deinit(pieces);
    }
    return status;
}

void weft_pieces_deinit(struct weft_pieces *pieces)
{
    weft_free(pieces->bytes);
    weft_free(pieces->at);
    weft_free(pieces->hidden);
    *pieces = (struct weft_pieces){0};
}

struct weft_slice weft_pieces_get(const struct weft_pieces *pieces, int32_t token)
{
    if (token < 0 || token >= pieces->vocabulary) {
        return (struct weft_slice){0};
    }
    return weft_slice(pieces->bytes + pieces->at[token], pieces->at[token + 1] - pieces->at[token]);
}
