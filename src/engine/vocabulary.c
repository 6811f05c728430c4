/* engine/vocabulary.c - between text and tokens; the declarations are in engine/model.h. */
#include <limits.h>
#include <llama.h>

#include "base/error.h"
#include "engine/model.h"

int weft_model_piece(const struct weft_model *model, int32_t token, bool special, char *buffer, size_t room)
{
    if (token < 0 || token >= model->vocabulary) {
        return WEFT_ERR_INVALID;
    }
    int32_t size =
        llama_token_to_piece(model->vocab, token, buffer, room < INT32_MAX ? (int32_t)room : INT32_MAX, 0, special);
    return size < 0 ? WEFT_ERR_TOO_LARGE : size;
}

size_t weft_model_token_bytes(const struct weft_model *model)
{
    enum llama_vocab_type type = llama_vocab_type(model->vocab);
    if (type != LLAMA_VOCAB_TYPE_BPE && type != LLAMA_VOCAB_TYPE_SPM) {
        return 0; /* a word of any length may be one unknown token there */
    }
    int32_t most = 0;
    for (int32_t token = 0; token < model->vocabulary; token++) {
        int32_t size = -llama_token_to_piece(model->vocab, token, NULL, 0, 0, true); /* without room: what it takes */
        most = size > most ? size : most;
    }
    return (size_t)most;
}

bool weft_model_ends(const struct weft_model *model, int32_t token)
{
    return llama_vocab_is_eog(model->vocab, token);
}
