/* fuzz/application_fuzz.c - applications, admissions and letters that are read are written the same, but for fields of
 * a newer version, which may be in what is read only. */
#include <stdlib.h>

#include "base/assert.h"
#include "base/text.h"
#include "wire/admission.h"
#include "wire/application.h"
#include "wire/letter.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool same(int64_t size, const uint8_t *written, struct weft_slice record)
{
    return size > 0 && (size_t)size <= record.size &&
           ((size_t)size < record.size || memcmp(written, record.data, record.size) == 0);
}

static void check_application(struct weft_slice bytes)
{
    struct weft_application application;
    struct weft_signed parts;
    uint8_t again[WEFT_APPLICATION_MAX];
    if (weft_application_read(bytes, &application, &parts) == 0) {
        WEFT_ASSERT(same(weft_application_write(&application, again), again, parts.record));
    }
}

static void check_admission(struct weft_slice bytes)
{
    struct weft_admission admission;
    uint8_t again[WEFT_ADMISSION_MAX];
    if (weft_admission_read(bytes, &admission) < 0) {
        return;
    }
    if (admission.chain.size == 0 && admission.refusal == WEFT_REFUSAL_OTHER) {
        return; /* of a newer version: it is not written here */
    }
    WEFT_ASSERT(same(weft_admission_write(&admission, again), again, bytes));
}

static void check_letter(struct weft_slice line)
{
    uint8_t bytes[WEFT_LETTER_BYTES_MAX];
    char again[WEFT_LETTER_SIZE];
    int64_t size = weft_letter_read(WEFT_CERTIFICATE_DOMAIN, line, bytes);
    if (size > 0) {
        WEFT_ASSERT(weft_letter_write(WEFT_CERTIFICATE_DOMAIN, weft_slice(bytes, (size_t)size), again) == 0);
        WEFT_ASSERT(weft_slice_equal(weft_trim(weft_slice_text(again)), weft_trim(line)));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *copy = malloc(size == 0 ? 1 : size); /* of the exact size: a read past it is seen */
    if (!copy) {
        abort();
    }
    if (size > 0) {
        memcpy(copy, data, size);
    }
    check_application(weft_slice(copy, size));
    check_admission(weft_slice(copy, size));
    check_letter(weft_slice(copy, size));
    free(copy);
    return 0;
}
