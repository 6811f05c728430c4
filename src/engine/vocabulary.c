/* engine/vocabulary.c - between text and tokens; the declarations are in engine/model.h. */
#include <limits.h>
#include <llama.h>

#include "base/error.h"
#include "base/mem.h"
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

int weft_model_tokenize(const struct weft_model *model, struct weft_slice text, bool add_begin, bool specials,
                        int32_t **out, size_t *count)
{
    *out = NULL;
    *count = 0;
    if (text.size > WEFT_MODEL_TEXT_MAX) {
        return WEFT_ERR_TOO_LARGE;
    }
    /* A token is a byte or more in nearly every vocabulary; where it is not, the second round has the true number. */
    int32_t room = (int32_t)text.size + 8;
    for (int round = 0; round < 2; round++) {
        int32_t *tokens = weft_calloc((size_t)room, sizeof(*tokens));
        if (!tokens) {
            return WEFT_ERR_MEMORY;
        }
        int32_t got = llama_tokenize(model->vocab, text.data, (int32_t)text.size, tokens, room, add_begin, specials);
        if (got >= 0) {
            *out = tokens;
            *count = (size_t)got;
            return 0;
        }
        weft_free(tokens);
        if (got == INT32_MIN) {
            break;
        }
        room = -got;
    }
    return WEFT_ERR_TOO_LARGE;
}
