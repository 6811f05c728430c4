/* fuzz/invite_fuzz.c - an invite that is read is written the same. So that more than one input in four thousand million
 * has a good checksum, the input is also taken as what a line holds, and gets its checksum here. */
#include "base/assert.h"
#include "base/checksum.h"
#include "base/error.h"
#include "base/text.h"
#include "wire/invite.h"

#define RECORD_MAX 300

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(struct weft_slice line)
{
    struct weft_invite invite, again;
    char written[WEFT_INVITE_LINE_SIZE];
    if (weft_invite_read(line, &invite) < 0) {
        return;
    }
    WEFT_ASSERT(weft_invite_write(&invite, written) == 0);
    WEFT_ASSERT(weft_invite_read(weft_slice_text(written), &again) == 0);
    WEFT_ASSERT(memcmp(&invite, &again, sizeof(invite)) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    check(weft_slice(data, size));
    if (size <= RECORD_MAX) {
        uint8_t bytes[RECORD_MAX + 4];
        char line[5 + WEFT_BASE64URL_SIZE(sizeof(bytes))] = "weft1";
        if (size > 0) {
            memcpy(bytes, data, size);
        }
        uint32_t sum = weft_checksum(bytes, size);
        for (int i = 0; i < 4; i++) {
            bytes[size + (size_t)i] = (uint8_t)(sum >> (24 - 8 * i));
        }
        weft_base64url(line + 5, bytes, size + 4);
        check(weft_slice_text(line));
    }
    return 0;
}
