/* wire/letter.c - signed records as lines. */
#include "wire/letter.h"

#include "base/assert.h"
#include "base/error.h"
#include "base/text.h"

int weft_letter_write(struct weft_slice domain, struct weft_slice bytes, char line[WEFT_LETTER_SIZE])
{
    if (bytes.size > WEFT_LETTER_BYTES_MAX) {
        return WEFT_ERR_TOO_LARGE;
    }
    size_t text = WEFT_BASE64URL_SIZE(bytes.size) - 1;
    WEFT_ASSERT(domain.size + 1 + text + 2 <= WEFT_LETTER_SIZE);
    memcpy(line, domain.data, domain.size);
    line[domain.size] = ' ';
    weft_base64url(line + domain.size + 1, bytes.data, bytes.size);
    memcpy(line + domain.size + 1 + text, "\n", 2);
    return 0;
}

int64_t weft_letter_read(struct weft_slice domain, struct weft_slice line, uint8_t out[WEFT_LETTER_BYTES_MAX])
{
    line = weft_trim(line);
    struct weft_slice kind = weft_slice(domain.data, domain.size - 1); /* without the digit */
    if (line.size < domain.size + 2 || !weft_slice_starts(line, kind)) {
        return WEFT_ERR_INVALID;
    }
    if (!weft_slice_starts(line, domain)) {
        char version = line.data[kind.size];
        return version > '1' && version <= '9' ? WEFT_ERR_UNSUPPORTED : WEFT_ERR_INVALID;
    }
    if (line.data[domain.size] != ' ') {
        return WEFT_ERR_INVALID;
    }
    struct weft_slice text = weft_slice(line.data + domain.size + 1, line.size - domain.size - 1);
    int64_t size = weft_base64url_read(out, WEFT_LETTER_BYTES_MAX, text);
    return size < 0 ? WEFT_ERR_CRYPTO : size;
}
