/* fuzz/announcement_fuzz.c - an announcement that is read can be written, and is then read as the same. */
#include <stdlib.h>

#include "base/assert.h"
#include "base/error.h"
#include "wire/announcement.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct weft_announcement announcement, again;
    struct weft_signed parts;
    uint8_t written[WEFT_ANNOUNCEMENT_MAX];
    char *copy = malloc(size == 0 ? 1 : size); /* of the exact size: a read past it is seen */
    if (!copy) {
        abort();
    }
    memcpy(copy, data, size);
    if (weft_announcement_read(weft_slice(copy, size), &announcement, &parts) == 0) {
        int64_t length = weft_announcement_write(&announcement, written);
        WEFT_ASSERT(length > 0 && (size_t)length <= parts.record.size); /* shorter without what a newer version says */
        if ((size_t)length == parts.record.size) {
            WEFT_ASSERT(memcmp(written, parts.record.data, parts.record.size) == 0);
        }
        memset(written + length, 0, WEFT_SIGNATURE_SIZE);
        WEFT_ASSERT(weft_announcement_read(weft_slice(written, (size_t)length + WEFT_SIGNATURE_SIZE), &again, &parts) ==
                    0);
        WEFT_ASSERT(again.model_count == announcement.model_count && again.sequence == announcement.sequence);
    }
    free(copy);
    return 0;
}
