/* http/h1_request.h - from the head of an HTTP/1.x request, as it was read, to an exchange. */
#ifndef WEFT_HTTP_H1_REQUEST_H
#define WEFT_HTTP_H1_REQUEST_H

#include "http/exchange.h"
#include "http/h1_read.h"
#include "http/refusal.h"

/* What a head says besides its fields. The slices are into the head's. */
struct weft_h1_request {
    const struct weft_h1_head *head;
    struct weft_h1_options options;
    struct weft_slice authority; /* empty where HTTP/1.0 gave none */
    struct weft_slice target;    /* origin form but for `slash`, or "*" */
    bool slash;                  /* a slash belongs before the target: "http://host?query" */
    bool keep_alive;
    bool expects_continue;
    int64_t length; /* of the body: 0 where there is none, WEFT_LENGTH_UNKNOWN where it comes in chunks */
};

/* 0, or WEFT_ERR_INVALID and *refusal. */
WEFT_MUST_USE int weft_h1_request_read(struct weft_h1_request *request, const struct weft_h1_guard *guard,
                                       struct weft_slice input, const struct weft_h1_head *head,
                                       struct weft_refusal *refusal);

/* Copies what is in it into the exchange. */
WEFT_MUST_USE int weft_h1_request_fill(struct weft_exchange *exchange, const struct weft_h1_request *request,
                                       struct weft_slice scheme);

#endif
