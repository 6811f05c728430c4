/* wire/hostport.c - a host and its port. */
#include "wire/hostport.h"

#include <arpa/inet.h>

#include "base/error.h"
#include "wire/url.h"

static bool is_v6(struct weft_slice text)
{
    char copy[WEFT_HOSTPORT_MAX + 1];
    struct in6_addr address;
    memcpy(copy, text.data, text.size);
    copy[text.size] = '\0';
    return strlen(copy) == text.size && inet_pton(AF_INET6, copy, &address) == 1;
}

int weft_hostport_parse(struct weft_slice text, struct weft_hostport *out)
{
    if (text.size > WEFT_HOSTPORT_MAX) {
        return WEFT_ERR_TOO_LARGE;
    }
    size_t colon = text.size;
    while (colon > 0 && text.data[colon - 1] != ':') {
        colon--;
    }
    if (colon < 2) { /* no colon, or nothing in front of it */
        return WEFT_ERR_INVALID;
    }
    struct weft_slice host = weft_slice(text.data, colon - 1);
    bool bracketed = host.size > 2 && host.data[0] == '[' && host.data[host.size - 1] == ']';
    if (bracketed) {
        host = weft_slice(host.data + 1, host.size - 2);
    }
    if (bracketed ? !is_v6(host) : !weft_url_is_host(host)) {
        return WEFT_ERR_INVALID;
    }
    uint16_t port;
    int error = weft_url_port(weft_slice(text.data + colon, text.size - colon), &port);
    if (error < 0 || port == 0) {
        return WEFT_ERR_INVALID;
    }
    *out = (struct weft_hostport){.host = host, .numeric_v6 = bracketed, .port = port};
    return 0;
}
