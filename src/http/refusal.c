/* http/refusal.c - reason phrases, and the JSON that an error answer carries. */
#include "http/refusal.h"

#include "base/error.h"

#include <stdio.h>

#define STATUS_FIRST 100
#define STATUS_LAST  511

/* RFC 9110, 15 and RFC 6585: those that we or a server behind us may plausibly say. */
static const char *const phrases[STATUS_LAST - STATUS_FIRST + 1] = {
    [100 - STATUS_FIRST] = "Continue",
    [101 - STATUS_FIRST] = "Switching Protocols",
    [103 - STATUS_FIRST] = "Early Hints",
    [200 - STATUS_FIRST] = "OK",
    [201 - STATUS_FIRST] = "Created",
    [202 - STATUS_FIRST] = "Accepted",
    [203 - STATUS_FIRST] = "Non-Authoritative Information",
    [204 - STATUS_FIRST] = "No Content",
    [205 - STATUS_FIRST] = "Reset Content",
    [206 - STATUS_FIRST] = "Partial Content",
    [300 - STATUS_FIRST] = "Multiple Choices",
    [301 - STATUS_FIRST] = "Moved Permanently",
    [302 - STATUS_FIRST] = "Found",
    [303 - STATUS_FIRST] = "See Other",
    [304 - STATUS_FIRST] = "Not Modified",
    [307 - STATUS_FIRST] = "Temporary Redirect",
    [308 - STATUS_FIRST] = "Permanent Redirect",
    [400 - STATUS_FIRST] = "Bad Request",
    [401 - STATUS_FIRST] = "Unauthorized",
    [402 - STATUS_FIRST] = "Payment Required",
    [403 - STATUS_FIRST] = "Forbidden",
    [404 - STATUS_FIRST] = "Not Found",
    [405 - STATUS_FIRST] = "Method Not Allowed",
    [406 - STATUS_FIRST] = "Not Acceptable",
    [407 - STATUS_FIRST] = "Proxy Authentication Required",
    [408 - STATUS_FIRST] = "Request Timeout",
    [409 - STATUS_FIRST] = "Conflict",
    [410 - STATUS_FIRST] = "Gone",
    [411 - STATUS_FIRST] = "Length Required",
    [412 - STATUS_FIRST] = "Precondition Failed",
    [413 - STATUS_FIRST] = "Content Too Large",
    [414 - STATUS_FIRST] = "URI Too Long",
    [415 - STATUS_FIRST] = "Unsupported Media Type",
    [416 - STATUS_FIRST] = "Range Not Satisfiable",
    [417 - STATUS_FIRST] = "Expectation Failed",
    [421 - STATUS_FIRST] = "Misdirected Request",
    [422 - STATUS_FIRST] = "Unprocessable Content",
    [425 - STATUS_FIRST] = "Too Early",
    [426 - STATUS_FIRST] = "Upgrade Required",
    [428 - STATUS_FIRST] = "Precondition Required",
    [429 - STATUS_FIRST] = "Too Many Requests",
    [431 - STATUS_FIRST] = "Request Header Fields Too Large",
    [451 - STATUS_FIRST] = "Unavailable For Legal Reasons",
    [500 - STATUS_FIRST] = "Internal Server Error",
    [501 - STATUS_FIRST] = "Not Implemented",
    [502 - STATUS_FIRST] = "Bad Gateway",
    [503 - STATUS_FIRST] = "Service Unavailable",
    [504 - STATUS_FIRST] = "Gateway Timeout",
    [505 - STATUS_FIRST] = "HTTP Version Not Supported",
    [507 - STATUS_FIRST] = "Insufficient Storage",
    [508 - STATUS_FIRST] = "Loop Detected",
    [511 - STATUS_FIRST] = "Network Authentication Required",
};

const char *weft_status_phrase(int status)
{
    if (status < STATUS_FIRST || status > STATUS_LAST) {
        return "";
    }
    const char *phrase = phrases[status - STATUS_FIRST];
    return phrase ? phrase : "";
}

int weft_refusal_body(char *buffer, size_t size, const struct weft_refusal *refusal)
{
    const char *type = refusal->status < 500 ? "invalid_request_error" : "server_error";
    int length =
        snprintf(buffer, size, "{\"error\":{\"message\":\"%s\",\"type\":\"%s\",\"param\":null,\"code\":\"%s\"}}\n",
                 refusal->why, type, refusal->code);
    if (length < 0 || (size_t)length >= size) {
        return WEFT_ERR_TOO_LARGE;
    }
    return length;
}

static const struct weft_refusal timed_out = {504, "timeout", "The server behind this one did not answer in time."};
static const struct weft_refusal too_large = {413, "body_too_large", "The request's body is larger than allowed."};
static const struct weft_refusal out_of_memory = {503, "out_of_memory",
                                                  "This server has no memory left for another request."};
static const struct weft_refusal gone = {502, "bad_gateway", "The server behind this one could not be reached."};
static const struct weft_refusal failed = {500, "internal_error", "The request could not be worked on."};

const struct weft_refusal *weft_refusal_for_error(int error)
{
    switch (error) {
    case WEFT_ERR_TIMEOUT:
        return &timed_out;
    case WEFT_ERR_TOO_LARGE:
        return &too_large;
    case WEFT_ERR_MEMORY:
        return &out_of_memory;
    case WEFT_ERR_REFUSED:
    case WEFT_ERR_UNREACHABLE:
    case WEFT_ERR_CLOSED:
        return &gone;
    default:
        return &failed;
    }
}
