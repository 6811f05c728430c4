/* fuzz/openai_request_fuzz.c - whatever a client of OpenAI's API sends is refused with a sentence, or becomes a request
 * that an engine's JSON reader takes. The first byte chooses the route. */
#include <stdlib.h>

#include "base/assert.h"
#include "base/error.h"
#include "node/openai_native.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void write_and_read(const struct weft_openai_request *request)
{
    const struct weft_openai_terms terms = {
        .seed = 1, .call_ids = {"call_1", 6}, .temperature = -1, .top_p = -1, .min_p = -1, .top_k = -1};
    struct weft_bytes out = {0};
    int status = weft_openai_native_write(request, &terms, &out);
    WEFT_ASSERT(status == 0);
    size_t told = out.size;
    char *text = malloc(told);
    if (!text) {
        abort();
    }
    (void)weft_bytes_read(&out, text, told);
    json_t *native;
    WEFT_ASSERT(weft_json_parse(weft_slice(text, told), &native, NULL) == 0);
    WEFT_ASSERT(json_is_integer(json_object_get(native, "seed")) && json_is_integer(json_object_get(native, "n")));
    json_decref(native);
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0) {
        return 0;
    }
    char *copy = malloc(size); /* of the exact size: a read past it is seen */
    if (!copy) {
        abort();
    }
    memcpy(copy, data + 1, size - 1);
    struct weft_openai_request request;
    struct weft_openai_error error = {0};
    int status = weft_openai_request_init(&request, data[0] == 't' ? WEFT_OPENAI_COMPLETION : WEFT_OPENAI_CHAT,
                                          weft_slice(copy, size - 1), &error);
    if (status == 0) {
        write_and_read(&request);
        weft_openai_request_deinit(&request);
    } else {
        WEFT_ASSERT(status == WEFT_ERR_INVALID && error.status == 400 && error.message[0] && error.code[0]);
    }
    free(copy);
    return 0;
}
