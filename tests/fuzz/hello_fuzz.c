/* fuzz/hello_fuzz.c - a hello that is read can be written, and is then read as the same. */
#include <stdlib.h>

#include "base/assert.h"
#include "wire/hello.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct weft_hello hello, again;
    uint8_t written[WEFT_HELLO_MAX];
    char *copy = malloc(size == 0 ? 1 : size); /* of the exact size: a read past it is seen */
    if (!copy) {
        abort();
    }
    memcpy(copy, data, size);
    if (weft_hello_read(weft_slice(copy, size), &hello) == 0) {
        int64_t length = weft_hello_write(&hello, written);
        WEFT_ASSERT(length > 0 && (size_t)length <= size); /* shorter without what a newer version says */
        if ((size_t)length == size) {
            WEFT_ASSERT(memcmp(written, copy, size) == 0);
        }
        WEFT_ASSERT(weft_hello_read(weft_slice(written, (size_t)length), &again) == 0);
        WEFT_ASSERT(weft_key_equal(&hello.key, &again.key) && hello.most == again.most);
        WEFT_ASSERT(weft_hello_protocol(&hello) <= WEFT_PROTOCOL_MOST);
    }
    free(copy);
    return 0;
}
