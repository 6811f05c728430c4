/* wire/url.c - the address of an upstream, strictly read. */
#include "wire/url.h"

#include <arpa/inet.h>

#include "base/error.h"
#include "base/text.h"

#define LABEL_MAX 63 /* bytes between two dots of a name (RFC 1035) */

static const struct {
    struct weft_slice start;
    uint16_t port;
} schemes[] = {
    [WEFT_URL_HTTP] = {.start = {"http://", 7}, .port = 80},
    [WEFT_URL_HTTPS] = {.start = {"https://", 8}, .port = 443},
    [WEFT_URL_H2C] = {.start = {"h2c://", 6}, .port = 80},
    [WEFT_URL_UNIX] = {.start = {"unix:", 5}, .port = 0},
};

static int refuse(const char **why, int error, const char *sentence)
{
    if (why) {
        *why = sentence;
    }
    return error;
}

bool weft_url_is_host(struct weft_slice name)
{
    if (name.size == 0 || name.size > WEFT_URL_HOST_MAX) {
        return false;
    }
    size_t label = 0; /* bytes of the label so far */
    for (size_t i = 0; i < name.size; i++) {
        char byte = name.data[i];
        if (byte == '.') {
            if (label == 0 || name.data[i - 1] == '-') {
                return false;
            }
            label = 0;
            continue;
        }
        /* Names in containers hold underscores; no label begins or ends with a hyphen. */
        if (!weft_is_alnum(byte) && byte != '_' && (byte != '-' || label == 0)) {
            return false;
        }
        if (++label > LABEL_MAX) {
            return false;
        }
    }
    return name.data[name.size - 1] != '-';
}

int weft_url_port(struct weft_slice text, uint16_t *out)
{
    unsigned value = 0;
    if (text.size == 0 || text.size > 5) {
        return WEFT_ERR_INVALID;
    }
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] < '0' || text.data[i] > '9') {
            return WEFT_ERR_INVALID;
        }
        value = value * 10 + (unsigned)(text.data[i] - '0');
    }
    if (value > UINT16_MAX) {
        return WEFT_ERR_INVALID;
    }
    *out = (uint16_t)value;
    return 0;
}

static bool is_v6(struct weft_slice text)
{
    char copy[INET6_ADDRSTRLEN];
    struct in6_addr ignored;
    if (text.size == 0 || text.size >= sizeof(copy) || memchr(text.data, '\0', text.size)) {
        return false;
    }
    memcpy(copy, text.data, text.size);
    copy[text.size] = '\0';
    return inet_pton(AF_INET6, copy, &ignored) == 1;
}

/* "host", "host:port" or "[v6]:port". */
static int parse_authority(struct weft_slice text, struct weft_url *out, const char **why)
{
    struct weft_slice port;
    if (text.size > 0 && text.data[0] == '[') {
        const char *end = memchr(text.data, ']', text.size);
        if (!end) {
            return refuse(why, WEFT_ERR_INVALID, "the bracket of the IPv6 address is not closed");
        }
        out->host = weft_slice(text.data + 1, (size_t)(end - text.data) - 1);
        out->numeric_v6 = true;
        if (!is_v6(out->host)) {
            return refuse(why, WEFT_ERR_INVALID, "what stands in brackets is no IPv6 address");
        }
        port = weft_slice(end + 1, text.size - out->host.size - 2);
        if (port.size > 0 && port.data[0] != ':') {
            return refuse(why, WEFT_ERR_INVALID, "only a port may follow the bracket");
        }
    } else {
        const char *colon = text.size == 0 ? NULL : memchr(text.data, ':', text.size);
        size_t size = colon ? (size_t)(colon - text.data) : text.size;
        out->host = weft_slice(text.data, size);
        if (!weft_url_is_host(out->host)) {
            return refuse(why, WEFT_ERR_INVALID, "the host is neither a name nor an address");
        }
        port = weft_slice(text.data + size, text.size - size);
    }
    if (port.size == 0) {
        return 0;
    }
    if (weft_url_port(weft_slice(port.data + 1, port.size - 1), &out->port) < 0 || out->port == 0) {
        return refuse(why, WEFT_ERR_INVALID, "the port is not a number from 1 to 65535");
    }
    return 0;
}

/* RFC 3986 `path-abempty`, and nothing that could climb out of the base. */
static int parse_path(struct weft_slice text, struct weft_slice *out, const char **why)
{
    for (size_t i = 0; i < text.size; i++) {
        char byte = text.data[i];
        if (byte == '?' || byte == '#') {
            return refuse(why, WEFT_ERR_INVALID, "a query or fragment cannot stand here");
        }
        if (byte == '%') {
            if (text.size - i < 3 || weft_hex_value(text.data[i + 1]) < 0 || weft_hex_value(text.data[i + 2]) < 0) {
                return refuse(why, WEFT_ERR_INVALID, "a `%` stands in the path without two hex digits");
            }
        } else if (!weft_is_alnum(byte) && (byte == '\0' || !strchr("-._~!$&'()*+,;=:@/", byte))) {
            return refuse(why, WEFT_ERR_INVALID, "the path holds a character that a URL cannot");
        }
    }
    for (size_t i = 0; i < text.size;) { /* each round takes one "/segment" */
        size_t end = i + 1;
        while (end < text.size && text.data[end] != '/') {
            end++;
        }
        struct weft_slice segment = weft_slice(text.data + i + 1, end - i - 1);
        if (weft_slice_equal(segment, WEFT_SLICE(".")) || weft_slice_equal(segment, WEFT_SLICE(".."))) {
            return refuse(why, WEFT_ERR_INVALID, "the path holds a `.` or `..`");
        }
        if (segment.size == 0 && end < text.size) {
            return refuse(why, WEFT_ERR_INVALID, "the path holds an empty segment");
        }
        i = end;
    }
    if (text.size > 0 && text.data[text.size - 1] == '/') {
        text.size--;
    }
    *out = text;
    return 0;
}

int weft_url_parse(struct weft_slice text, struct weft_url *out, const char **why)
{
    *out = (struct weft_url){.port = 0};
    if (text.size > WEFT_URL_MAX) {
        return refuse(why, WEFT_ERR_TOO_LARGE, "it is too long");
    }
    size_t scheme = 0;
    while (scheme < WEFT_COUNT(schemes) &&
           (text.size < schemes[scheme].start.size ||
            !weft_slice_equal_nocase(weft_slice(text.data, schemes[scheme].start.size), schemes[scheme].start))) {
        scheme++;
    }
    if (scheme == WEFT_COUNT(schemes)) {
        return refuse(why, WEFT_ERR_INVALID, "it begins with none of http://, https://, h2c:// and unix:");
    }
    out->scheme = (enum weft_url_scheme)scheme;
    out->port = schemes[scheme].port;
    size_t start = schemes[scheme].start.size;
    struct weft_slice rest = weft_slice(text.data + start, text.size - start);

    if (out->scheme == WEFT_URL_UNIX) {
        if (rest.size == 0 || memchr(rest.data, '\0', rest.size)) {
            return refuse(why, WEFT_ERR_INVALID, "a path is expected behind unix:");
        }
        if (rest.size > WEFT_URL_UNIX_MAX) {
            return refuse(why, WEFT_ERR_TOO_LARGE, "the path is too long for a Unix socket");
        }
        out->path = rest;
        return 0;
    }
    size_t size = 0;
    while (size < rest.size && !strchr("/?#", rest.data[size])) {
        size++;
    }
    struct weft_slice authority = weft_slice(rest.data, size);
    if (size > 0 && memchr(rest.data, '@', size)) {
        return refuse(why, WEFT_ERR_INVALID, "a user or password cannot stand in it");
    }
    int status = parse_authority(authority, out, why);
    if (status < 0) {
        return status;
    }
    return parse_path(weft_slice(rest.data + size, rest.size - size), &out->path, why);
}
