/* http/target.c - what a request may ask for and of whom, whatever carries it. */
#include "http/target.h"

#include "base/error.h"
#include "base/text.h"
#include "http/exchange.h"
#include "http/limits.h"
#include "wire/url.h"

static const struct weft_refusal bad_method = {400, "bad_method", "The request's method is not a token."};
static const struct weft_refusal no_connect = {501, "unknown_method", "This server opens no tunnels."};
static const struct weft_refusal too_long = {414, "target_too_long", "The request's target is longer than 8 KiB."};
static const struct weft_refusal bad_form = {400, "bad_target", "The request's target must be a path."};
static const struct weft_refusal bad_byte = {400, "bad_target", "The request's target holds a forbidden character."};
static const struct weft_refusal bad_escape = {400, "bad_target", "The request's target holds a broken escape."};
static const struct weft_refusal climbs = {400, "bad_target", "The request's path leads out of where it starts."};

static int refuse(struct weft_refusal *refusal, const struct weft_refusal *why)
{
    *refusal = *why;
    return WEFT_ERR_INVALID;
}

/* The byte that two hex digits at `at` spell, or -1. */
static int hex_pair(struct weft_slice text, size_t at)
{
    if (at + 2 > text.size) {
        return -1;
    }
    int high = weft_hex_value(text.data[at]);
    int low = weft_hex_value(text.data[at + 1]);
    return high < 0 || low < 0 ? -1 : high * 16 + low;
}

/* The byte at *at, decoded as long as it still spells an escape; *at moves behind it. */
static unsigned char decode(struct weft_slice path, size_t *at)
{
    unsigned char c = (unsigned char)path.data[(*at)++];
    while (c == '%') {
        int byte = hex_pair(path, *at);
        if (byte < 0) {
            break;
        }
        c = (unsigned char)byte;
        *at += 2;
    }
    return c;
}

/* Does a decoded path hold a segment `..`, a NUL, or a UTF-8 form that is longer than it need be? */
static bool path_climbs(struct weft_slice path)
{
    size_t segment = 0, dots = 0;
    unsigned char previous = 0;
    for (size_t at = 0; at < path.size;) {
        unsigned char c = decode(path, &at);
        bool overlong = c == 0xc0 || c == 0xc1 || (previous == 0xe0 && c >= 0x80 && c < 0xa0) ||
                        (previous == 0xf0 && c >= 0x80 && c < 0x90);
        if (c == '\0' || overlong) {
            return true;
        }
        previous = c;
        if (c != '/' && c != '\\' && c != ';') { /* some servers take "..;x" for ".." (RFC 3986 3.3: parameters) */
            segment++;
            dots += c == '.';
            continue;
        }
        if (segment == 2 && dots == 2) {
            return true;
        }
        segment = 0;
        dots = 0;
    }
    return segment == 2 && dots == 2;
}

int weft_target_check(struct weft_slice method, struct weft_slice target, struct weft_refusal *refusal)
{
    if (!weft_token_valid(method)) {
        return refuse(refusal, &bad_method);
    }
    if (weft_slice_equal(method, WEFT_SLICE("CONNECT"))) {
        return refuse(refusal, &no_connect);
    }
    if (target.size > WEFT_HTTP_TARGET_MAX) {
        return refuse(refusal, &too_long);
    }
    if (weft_slice_equal(target, WEFT_SLICE("*")) && weft_slice_equal(method, WEFT_SLICE("OPTIONS"))) {
        return 0;
    }
    if (target.size == 0 || target.data[0] != '/') {
        return refuse(refusal, &bad_form);
    }

    size_t path = target.size;
    for (size_t i = 0; i < target.size; i++) {
        unsigned char c = (unsigned char)target.data[i];
        if (c <= ' ' || c >= 0x7f || c == '#') {
            return refuse(refusal, &bad_byte);
        }
        if (c == '%' && hex_pair(target, i + 1) <= 0) {
            return refuse(refusal, &bad_escape);
        }
        if (c == '?' && path == target.size) {
            path = i;
        }
    }
    return path_climbs(weft_slice(target.data, path)) ? refuse(refusal, &climbs) : 0;
}

bool weft_authority_valid(struct weft_slice authority)
{
    if (authority.size == 0 || authority.size > WEFT_HTTP_AUTHORITY_MAX) {
        return false;
    }
    bool literal = authority.data[0] == '[';
    size_t at = literal ? 1 : 0;
    size_t start = at;
    for (; at < authority.size; at++) {
        char c = authority.data[at];
        if (literal ? weft_hex_value(c) < 0 && c != ':' && c != '.'
                    : !weft_is_alnum(c) && (c == '\0' || !strchr("-._~", c))) {
            break;
        }
    }
    if (at == start) {
        return false;
    }
    if (literal) {
        if (at == authority.size || authority.data[at] != ']') {
            return false;
        }
        at++;
    }
    if (at == authority.size) {
        return true;
    }
    uint16_t port;
    return authority.data[at] == ':' &&
           weft_url_port(weft_slice(authority.data + at + 1, authority.size - at - 1), &port) == 0;
}
