/* fuzz/url_fuzz.c - an upstream that is accepted is put together again from its parts and read the same; addresses
 * too. */
#include <stdio.h>

#include "base/assert.h"
#include "base/error.h"
#include "host/address.h"
#include "wire/url.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_url(struct weft_slice text)
{
    static const char *const starts[] = {"http://", "https://", "h2c://", "unix:"};
    const char *why = NULL;
    struct weft_url url, again;
    if (weft_url_parse(text, &url, &why) < 0) {
        WEFT_ASSERT(why);
        return;
    }
    WEFT_ASSERT(!why);
    char copy[2 * WEFT_URL_MAX];
    int length;
    if (url.scheme == WEFT_URL_UNIX) {
        WEFT_ASSERT(url.path.size > 0 && url.path.size <= WEFT_URL_UNIX_MAX);
        length = snprintf(copy, sizeof(copy), "unix:%.*s", (int)url.path.size, url.path.data);
    } else {
        WEFT_ASSERT(url.host.size > 0 && url.port > 0);
        WEFT_ASSERT(url.path.size == 0 || (url.path.data[0] == '/' && url.path.data[url.path.size - 1] != '/'));
        length = snprintf(copy, sizeof(copy), "%s%s%.*s%s:%u%.*s", starts[url.scheme], url.numeric_v6 ? "[" : "",
                          (int)url.host.size, url.host.data, url.numeric_v6 ? "]" : "", url.port, (int)url.path.size,
                          url.path.data);
    }
    WEFT_ASSERT(length > 0 && (size_t)length < sizeof(copy));
    if (length > WEFT_URL_MAX) {
        return; /* the port that was left out made it too long */
    }
    WEFT_ASSERT(weft_url_parse(weft_slice(copy, (size_t)length), &again, NULL) == 0);
    WEFT_ASSERT(again.scheme == url.scheme && again.port == url.port && again.numeric_v6 == url.numeric_v6);
    WEFT_ASSERT(weft_slice_equal(again.host, url.host) && weft_slice_equal(again.path, url.path));
}

static void check_address(struct weft_slice text)
{
    struct weft_address address, again;
    if (weft_address_parse(text, &address) < 0) {
        return;
    }
    char copy[WEFT_ADDRESS_PRINT_MAX];
    weft_address_print(&address, copy);
    WEFT_ASSERT(weft_address_parse(weft_slice_text(copy), &again) == 0);
    WEFT_ASSERT(again.port == address.port && strcmp(again.text, address.text) == 0);
    WEFT_ASSERT(weft_address_is_loopback(&again) == weft_address_is_loopback(&address));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    check_url(weft_slice(data, size));
    check_address(weft_slice(data, size));
    return 0;
}
