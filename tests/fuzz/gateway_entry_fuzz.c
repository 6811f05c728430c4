/* fuzz/gateway_entry_fuzz.c - an entry of the gateways' book that is read can be written, and is then read as the same.
 */
#include <stdlib.h>

#include "base/assert.h"
#include "node/gateway_book.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct weft_key gateway = {{1}};
    struct weft_gateway_entry entry, again;
    uint8_t written[WEFT_GATEWAY_ENTRY_MAX];
    char *copy = malloc(size == 0 ? 1 : size); /* of the exact size: a read past it is seen */
    if (!copy) {
        abort();
    }
    memcpy(copy, data, size);
    if (weft_gateway_entry_read(weft_slice(copy, size), &gateway, &entry) == 0) {
        size_t length = weft_gateway_entry_write(&entry, written);
        WEFT_ASSERT(length <= size); /* shorter without what a newer version says */
        WEFT_ASSERT(weft_gateway_entry_read(weft_slice(written, length), &gateway, &again) == 0);
        WEFT_ASSERT(memcmp(&entry, &again, sizeof(entry)) == 0);
    }
    free(copy);
    return 0;
}
