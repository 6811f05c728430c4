/* fuzz/record_fuzz.c - a record that is read, written again from its fields, is the same bytes. */
#include <stdlib.h>

#include "base/assert.h"
#include "base/error.h"
#include "wire/record.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int write_again(void *self, const struct weft_record_field *field)
{
    uint64_t number;
    if (weft_record_to_number(field, UINT64_MAX, &number) == 0) {
        weft_record_number(self, field->tag, number);
    } else {
        weft_record_bytes(self, field->tag, field->value);
    }
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct weft_record_shape shape = {.major = 1};
    uint8_t *copy = malloc(size + 1), *again = malloc(size + 1); /* a read past the end is seen */
    struct weft_record_writer writer;
    if (!copy || !again) {
        abort();
    }
    memcpy(copy + 1, data, size);
    weft_record_start(&writer, again, size + 1, 1);
    if (weft_record_read(weft_slice(copy + 1, size), &shape, write_again, &writer) == 0) {
        WEFT_ASSERT(weft_record_finish(&writer) == (int64_t)size);
        WEFT_ASSERT(memcmp(again, data, size) == 0);
    }
    free(again);
    free(copy);
    return 0;
}
