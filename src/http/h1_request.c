/* http/h1_request.c - from the head of an HTTP/1.x request, as it was read, to an exchange. */
#include "http/h1_request.h"

#include "base/error.h"
#include "http/target.h"

#define R(name, status, code, why) static const struct weft_refusal name = {status, code, why}
R(bad_absolute, 400, "bad_target", "The request target names no host.");
R(other_host, 400, "bad_host", "The request target and the Host header name different hosts.");
R(bad_expectation, 417, "unknown_expectation", "The only expectation this server knows is '100-continue'.");
R(bad_connection, 400, "bad_connection", "The Connection header names too many headers.");
#undef R

/* The size of "http://" or "https://" at the front, or 0. */
static size_t scheme_size(struct weft_slice target)
{
    static const struct weft_slice schemes[] = {{"http://", 7}, {"https://", 8}};
    for (size_t i = 0; i < WEFT_COUNT(schemes); i++) {
        size_t size = schemes[i].size;
        if (target.size >= size && weft_slice_equal_nocase(weft_slice(target.data, size), schemes[i])) {
            return size;
        }
    }
    return 0;
}

/* RFC 9112 3.2.2: a server takes the absolute form too. It would win over Host; we want them to be the same, for
 * whoever sends two names wants one reader to see one and another the other. */
static const struct weft_refusal *read_absolute(struct weft_h1_request *request, size_t scheme)
{
    struct weft_slice rest = weft_slice(request->target.data + scheme, request->target.size - scheme);
    size_t size = 0;
    while (size < rest.size && rest.data[size] != '/' && rest.data[size] != '?' && rest.data[size] != '#') {
        size++;
    }
    struct weft_slice authority = weft_slice(rest.data, size);
    if (!weft_authority_valid(authority)) {
        return &bad_absolute;
    }
    if (request->authority.size > 0 && !weft_slice_equal_nocase(authority, request->authority)) {
        return &other_host;
    }
    request->authority = authority;
    request->target = weft_slice(rest.data + size, rest.size - size);
    if (request->target.size == 0 && weft_slice_equal(request->head->method, WEFT_SLICE("OPTIONS"))) {
        request->target = WEFT_SLICE("*"); /* RFC 9112 3.2.4 */
    }
    request->slash = request->target.size == 0 || request->target.data[0] == '?';
    return NULL;
}

/* "http://host?query" has no path to check, but will have one: the same text with a slash before it. */
static int check_slashed(const struct weft_h1_request *request, struct weft_refusal *refusal)
{
    char text[1 + WEFT_HTTP_TARGET_MAX]; /* the guard has seen to it that it fits */
    text[0] = '/';
    if (request->target.size > 0) {
        memcpy(text + 1, request->target.data, request->target.size);
    }
    return weft_target_check(request->head->method, weft_slice(text, 1 + request->target.size), refusal);
}

static int read_target(struct weft_h1_request *request, struct weft_refusal *refusal)
{
    size_t scheme = scheme_size(request->target);
    const struct weft_refusal *why = scheme > 0 ? read_absolute(request, scheme) : NULL;
    if (why) {
        *refusal = *why;
        return WEFT_ERR_INVALID;
    }
    return request->slash ? check_slashed(request, refusal)
                          : weft_target_check(request->head->method, request->target, refusal);
}

static const struct weft_refusal *read_expect(struct weft_h1_request *request, int minor)
{
    for (size_t i = 0; i < request->head->count; i++) {
        const struct weft_field *field = &request->head->fields[i];
        if (minor == 0 || !weft_slice_equal_nocase(field->name, WEFT_SLICE("expect"))) {
            continue; /* RFC 9110 10.1.1: HTTP/1.0 has no Expect, and it is ignored there */
        }
        if (!weft_slice_equal_nocase(field->value, WEFT_SLICE("100-continue"))) {
            return &bad_expectation;
        }
        request->expects_continue = request->length != 0;
    }
    return NULL;
}

int weft_h1_request_read(struct weft_h1_request *request, const struct weft_h1_guard *guard, struct weft_slice input,
                         const struct weft_h1_head *head, struct weft_refusal *refusal)
{
    request->head = head;
    request->authority = weft_slice(input.data + guard->host.at, guard->host.size);
    request->target = head->target;
    request->slash = request->expects_continue = false;
    request->length = guard->chunked ? WEFT_LENGTH_UNKNOWN : guard->length < 0 ? 0 : guard->length;
    bool options = weft_h1_options_read(&request->options, head) == 0;
    /* RFC 9112 9.3 */
    request->keep_alive = !request->options.close && (guard->minor > 0 || request->options.keep_alive);
    int error = read_target(request, refusal);
    if (error < 0) {
        return error;
    }
    const struct weft_refusal *why = options ? read_expect(request, guard->minor) : &bad_connection;
    if (why) {
        *refusal = *why;
    }
    return why ? WEFT_ERR_INVALID : 0;
}

/* Copies `text` to *at and moves *at behind it. */
static struct weft_slice put(char **at, struct weft_slice text)
{
    struct weft_slice copy = weft_slice(*at, text.size);
    if (text.size > 0) {
        memcpy(*at, text.data, text.size);
    }
    *at += text.size;
    return copy;
}

int weft_h1_request_fill(struct weft_exchange *exchange, const struct weft_h1_request *request,
                         struct weft_slice scheme)
{
    struct weft_request_head *to = &exchange->request;
    size_t extra = request->head->method.size + request->authority.size + 1 + request->target.size;
    char *rest;
    int error = weft_h1_fields_copy(&to->fields, &exchange->arena, request->head, &request->options, extra, &rest);
    if (error < 0) {
        return error;
    }
    to->scheme = scheme;
    to->method = put(&rest, request->head->method);
    to->authority = put(&rest, request->authority);
    to->target = weft_slice(rest, request->target.size + (request->slash ? 1 : 0));
    if (request->slash) {
        *rest++ = '/';
    }
    (void)put(&rest, request->target); /* it is to->target already */
    exchange->expects_continue = request->expects_continue;
    exchange->flows[WEFT_REQUEST].length = request->length;
    return 0;
}
