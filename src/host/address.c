/* host/address.c - addresses as text: reading, writing, and what they reach. */
#include "host/address.h"

#include <arpa/inet.h>
#include <stdio.h>

#include "base/assert.h"
#include "base/error.h"

static int parse_port(const char *text, uint16_t *out)
{
    unsigned value = 0;
    size_t size = strlen(text);
    if (size == 0 || size > 5) {
        return WEFT_ERR_INVALID;
    }
    for (size_t i = 0; i < size; i++) {
        if (text[i] < '0' || text[i] > '9') {
            return WEFT_ERR_INVALID;
        }
        value = value * 10 + (unsigned)(text[i] - '0');
    }
    if (value > UINT16_MAX) {
        return WEFT_ERR_INVALID;
    }
    *out = (uint16_t)value;
    return 0;
}

int weft_address_parse(struct weft_slice text, struct weft_address *out)
{
    char copy[INET6_ADDRSTRLEN + sizeof("[]:65535")];
    *out = (struct weft_address){.kind = WEFT_ADDRESS_TCP};
    if (text.size == 0 || text.size >= sizeof(copy) || memchr(text.data, '\0', text.size)) {
        return WEFT_ERR_INVALID;
    }
    memcpy(copy, text.data, text.size);
    copy[text.size] = '\0';

    char *colon = strrchr(copy, ':');
    if (!colon || colon == copy || parse_port(colon + 1, &out->port) < 0) {
        return WEFT_ERR_INVALID;
    }
    *colon = '\0';
    char *numeric = copy;
    int family = AF_INET;
    if (copy[0] == '[') {
        if (colon[-1] != ']') {
            return WEFT_ERR_INVALID;
        }
        colon[-1] = '\0';
        numeric = copy + 1;
        family = AF_INET6;
    }
    /* Written back by the same library, so that one address has one text. */
    unsigned char binary[sizeof(struct in6_addr)];
    if (inet_pton(family, numeric, binary) != 1) {
        return WEFT_ERR_INVALID;
    }
    const char *written = inet_ntop(family, binary, out->text, sizeof(out->text));
    WEFT_ASSERT(written);
    return 0;
}

int weft_address_unix(struct weft_slice path, struct weft_address *out)
{
    *out = (struct weft_address){.kind = WEFT_ADDRESS_UNIX};
    if (path.size == 0 || memchr(path.data, '\0', path.size)) {
        return WEFT_ERR_INVALID;
    }
    if (path.size >= sizeof(out->text)) {
        return WEFT_ERR_TOO_LARGE;
    }
    memcpy(out->text, path.data, path.size);
    return 0;
}

const char *weft_address_print(const struct weft_address *address, char buffer[WEFT_ADDRESS_PRINT_MAX])
{
    int length;
    if (address->kind == WEFT_ADDRESS_UNIX) {
        length = snprintf(buffer, WEFT_ADDRESS_PRINT_MAX, "%s", address->text);
    } else if (strchr(address->text, ':')) {
        length = snprintf(buffer, WEFT_ADDRESS_PRINT_MAX, "[%s]:%u", address->text, address->port);
    } else {
        length = snprintf(buffer, WEFT_ADDRESS_PRINT_MAX, "%s:%u", address->text, address->port);
    }
    WEFT_ASSERT(length >= 0 && length < WEFT_ADDRESS_PRINT_MAX);
    return buffer;
}

bool weft_address_is_loopback(const struct weft_address *address)
{
    if (address->kind == WEFT_ADDRESS_UNIX) {
        return true;
    }
    struct in_addr v4;
    if (inet_pton(AF_INET, address->text, &v4) == 1) {
        return (ntohl(v4.s_addr) >> 24) == 127;
    }
    struct in6_addr v6;
    if (inet_pton(AF_INET6, address->text, &v6) != 1) {
        return false;
    }
    return IN6_IS_ADDR_LOOPBACK(&v6) || (IN6_IS_ADDR_V4MAPPED(&v6) && v6.s6_addr[12] == 127);
}
