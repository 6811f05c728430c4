/* engine/convert.c - /tokenize and /detokenize: between texts and the ids of their tokens. */
#include "base/error.h"
#include "base/mem.h"
#include "base/text.h"
#include "engine/prompt.h"
#include "engine/routes.h"
#include "wire/utf8.h"

#define PIECE_MAX 4096 /* bytes of one token's text */

/* -- /tokenize -- */

void weft_convert_to_ids(struct weft_errand *errand)
{
    const struct weft_request *request = &errand->request;
    struct weft_prompt prompt;
    int error;
    if (request->chat.messages.size > 0) {
        error = weft_prompt_chat(&prompt, errand);
    } else {
        error = weft_prompt_text(&prompt, errand, request->prompt.text, request->begin, request->special);
    }
    if (error < 0) {
        return; /* it is answered */
    }
    struct weft_bytes text = {0};
    struct weft_json json;
    weft_json_start(&json, &text);
    weft_json_object(&json);
    weft_json_key(&json, "ids");
    weft_json_array(&json);
    for (size_t i = 0; i < prompt.count; i++) {
        weft_json_int(&json, prompt.ids[i]);
    }
    weft_json_array_end(&json);
    weft_json_object_end(&json);
    weft_prompt_deinit(&prompt);
    weft_errand_reply(errand, &text, weft_json_finish(&json));
}

/* -- /detokenize -- */

static int append_pieces(const struct weft_model *model, const struct weft_request_text *ids, struct weft_bytes *out)
{
    char piece[PIECE_MAX];
    for (size_t i = 0; i < ids->count; i++) {
        int size = weft_model_piece(model, ids->ids[i], true, piece, sizeof(piece));
        int error = size < 0 ? size : weft_bytes_append(out, piece, (size_t)size);
        if (error < 0) {
            return error;
        }
    }
    return 0;
}

static void add_bytes(struct weft_json *json, struct weft_slice bytes, char *encoded)
{
    weft_base64url(encoded, bytes.data, bytes.size);
    weft_json_object(json);
    weft_json_add_text(json, "bytes", encoded);
    if (weft_utf8_valid(bytes)) {
        weft_json_add_string(json, "text", bytes);
    }
    weft_json_object_end(json);
}

void weft_convert_to_text(struct weft_errand *errand)
{
    struct weft_bytes pieces = {0}, text = {0};
    int error = append_pieces(errand->desk->model, &errand->request.prompt, &pieces);
    size_t size = pieces.size;
    char *bytes = error == 0 ? weft_alloc(size + WEFT_BASE64URL_SIZE(size)) : NULL;
    if (error == 0 && !bytes) {
        error = WEFT_ERR_MEMORY;
    }
    if (error == 0) {
        struct weft_json json;
        size = weft_bytes_read(&pieces, bytes, size);
        weft_json_start(&json, &text);
        add_bytes(&json, weft_slice(bytes, size), bytes + size);
        error = weft_json_finish(&json);
    }
    weft_free(bytes);
    weft_bytes_deinit(&pieces);
    weft_errand_reply(errand, &text, error);
}
