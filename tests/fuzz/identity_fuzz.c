/* fuzz/identity_fuzz.c - a key file that is read is written the same; peer ids too. */
#include "base/assert.h"
#include "crypto/identity.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const enum weft_identity_kind kinds[] = {WEFT_IDENTITY_NODE, WEFT_IDENTITY_ROOT};
    struct weft_slice text = weft_slice(data, size);
    struct weft_key key;
    for (size_t i = 0; i < WEFT_COUNT(kinds); i++) {
        struct weft_identity identity;
        const char *why;
        int error = weft_identity_parse(&identity, kinds[i], text, &why);
        WEFT_ASSERT((error < 0) == (why != NULL));
        if (error == 0) {
            char again[WEFT_IDENTITY_TEXT_SIZE];
            weft_identity_text(&identity, kinds[i], again);
            WEFT_ASSERT(weft_slice_equal(text, weft_slice_text(again)));
        }
    }
    if (weft_key_parse(&key, text)) {
        char again[WEFT_PEER_ID_SIZE];
        weft_key_text(&key, again);
        WEFT_ASSERT(weft_slice_equal(text, weft_slice_text(again)));
    }
    return 0;
}
